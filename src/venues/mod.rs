//! Everything that knows a wire format, and nothing else: bytes in, events out; commands in, bytes
//! out. `venues/` never opens a socket, reads a clock or starts a thread.
//!
//! A venue is one folder and one row of [`VENUES`]. It gives two connectors, one for market data
//! and one for trading; both keep the same contract ([`Connector`]): one input, then the caller
//! drains the [`Outbox`] and the [`Events`], then the next input.

// Forbidden in each file but for the vector instructions of `scan/`.
#![deny(unsafe_code)]

mod binance;
mod bybit;
#[cfg(test)]
mod client_signed;
pub mod decimal;
mod dialect;
mod digits;
mod fields;
mod flight;
mod frames;
mod healthier;
mod hyperliquid;
mod json;
mod klines;
mod okx;
mod outbox;
pub mod pages;
mod public;
mod rules;
mod scan;
mod secp256k1;
mod session;
mod setup;
mod signature;
mod signing;
mod sink;
mod subscriptions;
mod template;
mod text;
mod trading;
mod universe;
mod verdict;

pub use frames::{FrameDecoder, FrameKind};
pub use json::{Items, Members, Parser, Scalar, Value};
pub use klines::KlineQuery;
pub use outbox::{HEADROOM, Method, Outbox, OutboxFull, Output, Request, RequestId};
pub use setup::{
    Credentials, Endpoints, InstrumentName, InstrumentSpec, Secret, SecretKind, SetupError,
    VenueSetup,
};
pub use signing::{Scheme, signing_schemes};
pub use universe::{UniverseError, Wanted, assemble, rules_at};

use crate::types::{
    Channel, Command, CommandKind, Costs, Events, EventsFull, InstrumentId, InstrumentKind,
    InstrumentTable, Kline, LimitSpec, Nanos, OrderLines, ParseUnitError, Ppb,
};
use std::fmt;

/// A connection that a connector wants: opened, kept open and reopened by its agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelSpec {
    /// Its name towards the connector.
    pub channel: Channel,
    /// `wss://host:port/path?query` or `https://host:port`. Empty for a WebSocket whose address the
    /// connector learns first: it is opened once [`Output::Connect`] names it.
    pub url: String,
}

/// Reply to an HTTP request.
#[derive(Debug)]
pub struct Response<'a> {
    /// HTTP status.
    pub status: u16,
    /// Status line and header lines as received, for [`Response::header`].
    pub head: &'a [u8],
    /// Body, chunks joined.
    pub body: &'a mut [u8],
}

impl Response<'_> {
    /// First header with this name, whatever its case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.split(|&byte| byte == b'\n').skip(1).find_map(|line| {
            let colon = line.iter().position(|&byte| byte == b':')?;
            let (key, value) = (line.get(..colon)?, line.get(colon + 1..)?);
            key.eq_ignore_ascii_case(name.as_bytes())
                .then(|| std::str::from_utf8(value).ok().map(str::trim))
                .flatten()
        })
    }
}

/// The wire of one venue for one purpose. Owns request ids, nonces and deadlines; no socket, no
/// clock, no thread. Nothing allocates per frame once its buffers have seen the largest message.
pub trait Connector: Send {
    /// The connections it wants. Fixed for its life.
    fn channels(&self) -> &[ChannelSpec];

    /// A channel is open (for HTTP: usable).
    fn on_open(&mut self, channel: Channel, now: Nanos, out: &mut Outbox, events: &mut Events);

    /// A channel is lost. Orders in flight on it become reports of kind `Unknown`.
    fn on_close(&mut self, channel: Channel, now: Nanos, events: &mut Events);

    /// A whole text message arrived; `now` is when its last byte was read.
    fn on_frame(
        &mut self,
        channel: Channel,
        frame: &mut [u8],
        now: Nanos,
        out: &mut Outbox,
        events: &mut Events,
    ) -> Result<(), DecodeError>;

    /// The reply to a request arrived.
    fn on_response(
        &mut self,
        id: RequestId,
        response: Response<'_>,
        now: Nanos,
        out: &mut Outbox,
        events: &mut Events,
    ) -> Result<(), DecodeError>;

    /// A request was lost: the connection broke or its deadline passed; the venue may have acted.
    fn on_request_lost(&mut self, id: RequestId, now: Nanos, out: &mut Outbox, events: &mut Events);

    /// A request never left: the connection broke or its time passed before its turn came, so the
    /// venue has certainly not acted. Orders and what changes them become refusals made here.
    fn on_request_unsent(
        &mut self,
        id: RequestId,
        now: Nanos,
        out: &mut Outbox,
        events: &mut Events,
    ) {
        self.on_request_lost(id, now, out, events);
    }

    /// Encodes a command. On error nothing was written and nothing will be sent.
    fn submit(
        &mut self,
        command: &Command,
        now: Nanos,
        out: &mut Outbox,
        events: &mut Events,
    ) -> Result<(), EncodeError>;

    /// Whether the reply to this open request may be shown to people: not if it holds a key.
    fn may_show(&self, _id: RequestId) -> bool {
        true
    }

    /// How many frames its scanners have read; none if it has no scanner.
    fn scans(&self) -> Scans {
        Scans::default()
    }

    /// The channel that brings the book of an instrument.
    fn book_channel(&self, _instrument: InstrumentId) -> Channel {
        Channel::Public
    }

    /// Its connections for order entry, for people to see.
    fn order_lines(&self) -> OrderLines {
        OrderLines::default()
    }

    /// When [`Connector::on_deadline`] wants to be called: next ping, reply timeout, refresh.
    fn deadline(&self) -> Option<Nanos>;

    /// A deadline has passed.
    fn on_deadline(&mut self, now: Nanos, out: &mut Outbox, events: &mut Events);
}

/// How a connector's frames were read since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scans {
    /// By a scanner, which knows the frame's shape.
    pub scanned: u64,
    /// By the complete decoder: control frames, and shapes that no scanner knows.
    pub fallback: u64,
}

impl Scans {
    /// Counts what a scanner made of a frame.
    #[inline]
    fn count<T>(&mut self, scanned: Option<T>) -> Option<T> {
        let counter = if scanned.is_some() { &mut self.scanned } else { &mut self.fallback };
        *counter += 1;
        scanned
    }
}

/// Why a message could not be understood. The frame is dropped and counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// Not JSON, or cut short.
    Json,
    /// JSON of a kind that this connector does not know.
    UnknownKind,
    /// A field is not there.
    Missing(&'static str),
    /// A field has the wrong type or an impossible value.
    Invalid(&'static str),
    /// A price or quantity has more decimals than the scale holds, is malformed or too large.
    Number(&'static str, ParseUnitError),
    /// A symbol that was not asked for.
    UnknownSymbol,
    /// More levels or events in one message than the engine accepts.
    TooLarge,
    /// A reply to a request that was never sent, or was answered before.
    UnknownRequest,
}

impl From<EventsFull> for DecodeError {
    fn from(_: EventsFull) -> Self {
        Self::TooLarge
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json => f.write_str("not valid JSON, or cut short"),
            Self::UnknownKind => f.write_str("a message of an unknown kind"),
            Self::Missing(field) => write!(f, "field {field:?} is missing"),
            Self::Invalid(field) => write!(f, "field {field:?} has an invalid value"),
            Self::Number(field, error) => write!(f, "field {field:?} {error}"),
            Self::UnknownSymbol => f.write_str("a symbol that was not subscribed"),
            Self::TooLarge => f.write_str("more levels or events than one message may hold"),
            Self::UnknownRequest => f.write_str("a reply to no open request"),
        }
    }
}

impl std::error::Error for DecodeError {}

/// Why a command was not sent. Nothing reached the venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncodeError {
    /// This connector does not carry out such commands.
    Unsupported,
    /// The instrument is not one of this venue's.
    UnknownInstrument,
    /// Not connected or not logged in.
    NotReady,
    /// The venue's rate limit, as we count it, has no room.
    RateLimited,
    /// The outbox or the table of open requests is full.
    Full,
    /// The venue cannot express it (a replace that changes the price, say).
    NotExpressible(&'static str),
}

impl From<OutboxFull> for EncodeError {
    fn from(_: OutboxFull) -> Self {
        Self::Full
    }
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported => f.write_str("the connector does not support this command"),
            Self::UnknownInstrument => f.write_str("the instrument is not one of this venue"),
            Self::NotReady => f.write_str("not connected or not logged in"),
            Self::RateLimited => f.write_str("no room left in the venue's rate limit"),
            Self::Full => f.write_str("too many requests in flight"),
            Self::NotExpressible(why) => write!(f, "the venue cannot express it: {why}"),
        }
    }
}

impl std::error::Error for EncodeError {}

/// A request without credentials, to the REST address of a venue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlainRequest {
    /// Path and query.
    pub path: String,
    /// Body of a POST; a GET has none.
    pub body: Option<String>,
}

impl PlainRequest {
    /// A GET.
    #[must_use]
    pub fn get(path: String) -> Self {
        Self { path, body: None }
    }
}

/// One venue: everything the rest of the engine may know of it. An exchange whose spot and
/// perpetuals have accounts and addresses of their own is two venues.
pub struct VenueRow {
    /// Its name in `engine.toml` and on screens.
    pub name: &'static str,
    /// Name after the `@` of an instrument: that of the exchange.
    pub exchange: &'static str,
    /// What may be traded there.
    pub kinds: &'static [InstrumentKind],
    /// Public addresses of the venue.
    pub live: fn() -> Endpoints,
    /// Addresses of the venue's test network.
    pub testnet: fn() -> Endpoints,
    /// Asks for the rules of these symbols, all of one kind; of all that the venue lists if none is
    /// named.
    pub instruments_request: fn(kind: InstrumentKind, symbols: &[&str]) -> PlainRequest,
    /// Reads the reply to `instruments_request`; unknown symbols are simply not in the list.
    pub decode_instruments:
        fn(kind: InstrumentKind, body: &mut [u8]) -> Result<Vec<InstrumentSpec>, DecodeError>,
    /// Asks for what follows such a reply, where the venue lists in pages; none behind the last.
    pub next_instruments:
        fn(kind: InstrumentKind, body: &mut [u8]) -> Result<Option<PlainRequest>, DecodeError>,
    /// Asks for klines.
    pub klines_request: fn(query: &KlineQuery<'_>) -> PlainRequest,
    /// Reads the reply to `klines_request` into klines by rising time; the last one may be open.
    pub decode_klines:
        fn(query: &KlineQuery<'_>, body: &mut [u8]) -> Result<Vec<Kline>, DecodeError>,
    /// The venue's own symbol of an instrument, as it stands in `instruments_request`.
    pub symbol: fn(name: &InstrumentName<'_>) -> String,
    /// Fee rates of its base tier, maker and taker: what an account without a volume pays.
    pub base_fees: fn(kind: InstrumentKind) -> [Ppb; 2],
    /// Assets that fees may be taken in besides base and quote: the venue's own token.
    pub fee_assets: &'static [&'static str],
    /// Whether ids of trades rise, so that they tell which of two is newer; else only their times do.
    pub trade_ids_rise: bool,
    /// The venue's rate limits.
    pub limits: &'static [LimitSpec],
    /// What a command costs under each of `limits`; `over_rest` as in [`VenueSetup`].
    pub costs: fn(command: &CommandKind, over_rest: bool) -> Costs,
    /// Shortest and longest time, in seconds, after which the venue can be told to cancel our
    /// orders by itself once we are gone; or why it cannot.
    pub dead_man_switch: Result<(u32, u32), &'static str>,
    /// Connector for market data.
    pub market: fn(VenueSetup) -> Result<Box<dyn Connector>, SetupError>,
    /// Connector for orders, private stream and account.
    pub trading: fn(VenueSetup) -> Result<Box<dyn Connector>, SetupError>,
}

/// [`VenueRow::next_instruments`] of venues that list everything at once.
fn all_at_once(_: InstrumentKind, _: &mut [u8]) -> Result<Option<PlainRequest>, DecodeError> {
    Ok(None)
}

const _: () = assert!(VENUES.len() <= crate::types::VENUES_COUNTED);

/// The table of venues; a [`crate::types::VenueId`] is an index into it.
pub const VENUES: &[VenueRow] =
    &[binance::ROW, bybit::ROW, okx::ROW, hyperliquid::ROW, binance::USDM_ROW];

/// Index of the venue with this name.
#[must_use]
pub fn find(name: &str) -> Option<crate::types::VenueId> {
    let index = VENUES.iter().position(|row| row.name == name)?;
    Some(crate::types::VenueId(index as u8))
}

/// The venue that trades an instrument of this name; `Err` tells whether its exchange is known.
pub fn find_for(name: &InstrumentName<'_>) -> Result<crate::types::VenueId, NoVenue> {
    let of_exchange = |row: &&VenueRow| row.exchange == name.exchange;
    let index = VENUES
        .iter()
        .position(|row| of_exchange(&row) && row.kinds.contains(&name.kind()))
        .ok_or_else(|| match VENUES.iter().any(|row| of_exchange(&row)) {
            true => NoVenue::KindNotTraded,
            false => NoVenue::UnknownExchange,
        })?;
    Ok(crate::types::VenueId(index as u8))
}

/// Why no venue trades an instrument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoVenue {
    /// No exchange has this name.
    UnknownExchange,
    /// The exchange is known, but not for contracts of this kind.
    KindNotTraded,
}

/// Symbols of one venue to instruments. Where spot and perpetuals share symbols, only both together
/// name one.
#[derive(Clone, Debug, Default)]
pub struct SymbolMap {
    rows: Vec<(String, u8, InstrumentId)>,
}

impl SymbolMap {
    /// The symbols of `venue`.
    #[must_use]
    pub fn new(instruments: &InstrumentTable, venue: crate::types::VenueId) -> Self {
        let mut rows: Vec<_> = instruments
            .of_venue(venue)
            .map(|instrument| (instrument.symbol.clone(), instrument.kind as u8, instrument.id))
            .collect();
        rows.sort();
        Self { rows }
    }

    /// The instrument with this symbol.
    #[inline]
    pub fn find(&self, symbol: &str) -> Result<InstrumentId, DecodeError> {
        let found = self.rows.binary_search_by(|(known, ..)| known.as_str().cmp(symbol));
        found.map(|index| self.rows[index].2).map_err(|_| DecodeError::UnknownSymbol)
    }

    /// The instrument of this kind with this symbol.
    #[inline]
    pub fn find_of(&self, kind: InstrumentKind, symbol: &str) -> Result<InstrumentId, DecodeError> {
        let found = self.rows.binary_search_by(|(known, of, _)| {
            known.as_str().cmp(symbol).then_with(|| of.cmp(&(kind as u8)))
        });
        found.map(|index| self.rows[index].2).map_err(|_| DecodeError::UnknownSymbol)
    }
}
