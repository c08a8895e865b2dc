//! The contract of a venue's wire: HTTP requests and WebSocket texts in, replies and messages out.
//!
//! A wire has no socket and no clock: its host brings the bytes and says what time it is.

#![forbid(unsafe_code)]

use super::{ConnId, ExchangeEvent, SymbolRules};

/// An HTTP request as the server read it.
#[derive(Clone, Debug, Default)]
pub struct HttpRequest {
    /// `GET`, `POST`, ...
    pub method: String,
    /// Path without query.
    pub path: String,
    /// Query as sent, without `?`, still percent-encoded.
    pub query: String,
    /// Header names in lower case, values as sent.
    pub headers: Vec<(String, String)>,
    /// Body as sent.
    pub body: String,
}

impl HttpRequest {
    /// Value of a header, name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// The reply to it.
#[derive(Clone, Debug, Default)]
pub struct HttpReply {
    /// Status.
    pub status: u16,
    /// Extra headers.
    pub headers: Vec<(String, String)>,
    /// JSON body.
    pub body: String,
}

/// What a wire wants done to a WebSocket connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WsOut {
    /// Send a text message.
    Text(String),
    /// Send a ping with this payload.
    Ping(Vec<u8>),
    /// Close with code and reason; 1006 cuts the connection without a word.
    Close(u16, String),
}

/// Outputs of a wire, in order.
pub type WireOut = Vec<(ConnId, WsOut)>;

/// The wire of one simulated venue: its REST and WebSocket protocol over an
/// [`Exchange`](super::Exchange). Time is given in ms since the epoch.
pub trait Wire: Send {
    /// The venue's name, as in `engine.toml`.
    fn name(&self) -> &'static str;

    /// Path part of its addresses: (rest, public, trade, private), as a client configures them:
    /// `/ws-api/v3`, `/v5/public/spot`. Rest is a prefix, mostly empty; private is empty where it
    /// shares the trade connection.
    fn paths(&self) -> [&'static str; 4];

    /// Answers an HTTP request.
    fn on_http(
        &mut self,
        request: &HttpRequest,
        exchange: &mut super::Exchange,
        now_ms: u64,
        out: &mut WireOut,
    ) -> HttpReply;

    /// A WebSocket was opened with this path and query. `Err` refuses the upgrade.
    fn on_ws_open(
        &mut self,
        conn: ConnId,
        path: &str,
        query: &str,
        exchange: &mut super::Exchange,
        now_ms: u64,
        out: &mut WireOut,
    ) -> Result<(), HttpReply>;

    /// A text message arrived.
    fn on_ws_text(
        &mut self,
        conn: ConnId,
        text: &str,
        exchange: &mut super::Exchange,
        now_ms: u64,
        out: &mut WireOut,
    );

    /// A pong arrived.
    fn on_ws_pong(&mut self, conn: ConnId, payload: &[u8], now_ms: u64);

    /// A connection is gone.
    fn on_ws_closed(&mut self, conn: ConnId);

    /// Things happened on the exchange: tell the subscribers.
    fn on_exchange(
        &mut self,
        events: &[ExchangeEvent],
        exchange: &super::Exchange,
        now_ms: u64,
        out: &mut WireOut,
    );

    /// Called every few milliseconds: pings, batched depth, 24 h cuts, dead-man switches.
    fn on_timer(&mut self, exchange: &mut super::Exchange, now_ms: u64, out: &mut WireOut);

    /// Marks of a text message that carries a change of an order book: one of these and the symbol
    /// are in it. [`Fault::SkipBookEvent`](super::Fault::SkipBookEvent) looks for them.
    fn book_delta_marks(&self) -> &'static [&'static str] {
        &["\"depthUpdate\"", "\"type\":\"delta\""]
    }

    /// Whether a text on a connection with this path tells of orders, fills or balances without
    /// being a reply. [`Fault::RepeatEvents`](super::Fault::RepeatEvents) looks for them.
    fn is_account_event(&self, path: &str, _text: &str) -> bool {
        let [_, _, _, private] = self.paths();
        !private.is_empty() && path.starts_with(private)
    }

    /// Whether a text on a connection with this path is the reply to an order operation.
    /// [`Fault::LoseReplies`](super::Fault::LoseReplies) looks for them.
    fn is_order_reply(&self, path: &str, _text: &str) -> bool {
        let [_, _, trade, _] = self.paths();
        path.starts_with(trade)
    }

    /// What every key needs besides its secret, where the venue asks for such a word; else empty.
    fn passphrase(&self) -> &str {
        ""
    }

    /// Instruments that this wire is embedded with, where it has its own.
    fn instruments(&self) -> Vec<SymbolRules> {
        Vec::new()
    }

    /// Gives a new exchange the policies of this venue.
    fn prepare(&self, _exchange: &mut super::Exchange) {}

    /// Begins the sequence numbers of books anew, where the venue is known to do so.
    fn on_reset_books(&mut self) {}

    /// Refuses requests until then, as to an address that asked too often, where the venue does so.
    fn on_ban(&mut self, _until_ms: u64) {}

    /// The next so many requests for a book get an old one, where clients fetch books.
    fn on_stale_snapshots(&mut self, _count: u32) {}

    /// Tells clients that this server is about to go away, where the venue has words for that.
    fn on_announce_shutdown(&mut self, _now_ms: u64, _out: &mut WireOut) {}
}
