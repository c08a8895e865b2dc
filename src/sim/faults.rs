//! What can be made to go wrong, per venue, while the simulator runs.

use super::ConnId;
use rust_decimal::Decimal;
use std::collections::BTreeSet;

/// One fault to switch or to cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Drops every connection, without a goodbye in HTTP or WebSocket.
    CutConnections,
    /// Cuts the next message to every connection that is open now in its middle, and drops the
    /// connection there.
    CutMessages,
    /// Refuses new connections (the port is closed) until switched off.
    RefuseConnections(bool),
    /// Swallows the next book change of this symbol on every connection that is open now, so that
    /// its subscribers see a gap.
    SkipBookEvent {
        /// The venue's name of the instrument.
        symbol: String,
    },
    /// The same on one connection, chosen as by [`Fault::CutOne`].
    SkipOne {
        /// The venue's name of the instrument.
        symbol: String,
        /// Part of the path; empty means all.
        path_contains: String,
        /// Place, from 0.
        index: usize,
    },
    /// Announces the end of this server, where the venue has a message for that.
    AnnounceShutdown,
    /// Moves the venue's clock by this many milliseconds from the true time.
    SkewClock(i64),
    /// Sends a text to every WebSocket whose path contains this.
    InjectText {
        /// Part of the path; empty means all.
        path_contains: String,
        /// The text.
        text: String,
    },
    /// Puts these bytes on every public WebSocket, below its framing.
    InjectRaw(Vec<u8>),
    /// Carries requests out but loses the replies, until switched off: direct replies on the
    /// order-entry WebSocket, and replies to HTTP requests other than `GET`. What streams tell
    /// still comes.
    LoseReplies(bool),
    /// Carries HTTP requests other than `GET` out, but answers them with status 503, until switched
    /// off.
    FailReplies(bool),
    /// Sends so many of a thousand messages about orders, fills and balances twice; 0 for none.
    RepeatEvents(u32),
    /// Answers the next so many requests for a book with an old one, where clients fetch books.
    StaleSnapshots(u32),
    /// Begins the sequence numbers of books anew, where the venue is known to do so.
    ResetBooks,
    /// Refuses requests for so many milliseconds, as to an address that asked too often.
    BanMs(u64),
    /// Ends the server and starts it anew: every connection is dropped. Open orders are kept, or
    /// else cancelled while nobody is connected.
    Restart {
        /// Open orders are still there afterwards.
        keep_orders: bool,
    },
    /// Holds the mark price of a perpetual, or lets it follow the book again.
    SetMark {
        /// The exchange's name of the instrument, or that of the venue's messages.
        symbol: String,
        /// The price.
        price: Option<Decimal>,
    },
    /// Holds the funding rate of a perpetual, or lets it follow the premium again.
    SetFundingRate {
        /// The exchange's name of the instrument, or that of the venue's messages.
        symbol: String,
        /// As a ratio per interval.
        rate: Option<Decimal>,
    },
    /// Delays everything that goes to clients by this many milliseconds, keeping its order.
    DelayMs(u64),
    /// Drops one connection, without a goodbye: of the WebSockets that are open now and whose path
    /// contains this the one at this place, oldest first. Nothing if there is none.
    CutOne {
        /// Part of the path; empty means all.
        path_contains: String,
        /// Place, from 0.
        index: usize,
    },
    /// Delays everything that goes to one connection, chosen in the same way, until another one is
    /// chosen; 0 ends it.
    DelayOne {
        /// Part of the path; empty means all.
        path_contains: String,
        /// Place, from 0.
        index: usize,
        /// The delay.
        delay_ms: u64,
    },
}

/// The faults in force at one venue.
#[derive(Clone, Debug, Default)]
pub(super) struct FaultState {
    pub(super) skew_ms: i64,
    pub(super) lose_replies: bool,
    pub(super) fail_replies: bool,
    pub(super) repeat_per_mille: u32,
    pub(super) delay_ms: u64,
    /// One connection that is slower than the others.
    pub(super) slow: Option<(ConnId, u64)>,
    skips: Vec<Skip>,
    /// Connections whose next message is their last, and half of it.
    cuts: BTreeSet<ConnId>,
}

#[derive(Clone, Debug)]
struct Skip {
    symbol_upper: String,
    symbol_lower: String,
    /// Connections that have not missed their event yet.
    pending: BTreeSet<ConnId>,
}

impl FaultState {
    /// Starts to swallow one book change per connection.
    pub(super) fn skip(&mut self, symbol: &str, connections: BTreeSet<ConnId>) {
        if connections.is_empty() {
            return;
        }
        self.skips.push(Skip {
            symbol_upper: symbol.to_uppercase(),
            symbol_lower: symbol.to_lowercase(),
            pending: connections,
        });
    }

    /// Cuts the next message to each of these connections.
    pub(super) fn cut(&mut self, connections: BTreeSet<ConnId>) {
        self.cuts = connections;
    }

    /// Whether this message is to be cut.
    pub(super) fn cuts(&mut self, conn: ConnId) -> bool {
        self.cuts.remove(&conn)
    }

    /// Whether this text is to be swallowed.
    pub(super) fn swallows(&mut self, conn: ConnId, text: &str, marks: &[&str]) -> bool {
        if self.skips.is_empty() || !marks.iter().any(|mark| text.contains(mark)) {
            return false;
        }
        let swallowed = self.skips.iter_mut().any(|skip| {
            let names = names(text, &skip.symbol_upper) || names(text, &skip.symbol_lower);
            names && skip.pending.remove(&conn)
        });
        self.skips.retain(|skip| !skip.pending.is_empty());
        swallowed
    }

    /// A connection that is gone misses nothing any more.
    pub(super) fn forget(&mut self, conn: ConnId) {
        for skip in &mut self.skips {
            skip.pending.remove(&conn);
        }
        self.skips.retain(|skip| !skip.pending.is_empty());
        self.cuts.remove(&conn);
        self.slow = self.slow.filter(|(slow, _)| *slow != conn);
    }
}

/// Whether a text names this symbol, and not one that its name is a part of.
fn names(text: &str, symbol: &str) -> bool {
    let part = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'-');
    text.match_indices(symbol).any(|(at, _)| {
        let bytes = text.as_bytes();
        let before = at.checked_sub(1).and_then(|before| bytes.get(before));
        let after = bytes.get(at + symbol.len());
        // A point stands before a symbol in topics, and in the middle of longer ones.
        !part(before) && !part(after) && after != Some(&b'.')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_connection_misses_exactly_one_change_of_the_symbol() {
        let mut faults = FaultState::default();
        let marks = ["\"depthUpdate\""];
        let change = r#"{"e":"depthUpdate","s":"BTCUSDT"}"#;
        assert!(!faults.swallows(ConnId(1), change, &marks));
        faults.skip("BTCUSDT", BTreeSet::from([ConnId(1), ConnId(2)]));
        assert!(!faults.swallows(ConnId(1), r#"{"e":"trade","s":"BTCUSDT"}"#, &marks));
        assert!(!faults.swallows(ConnId(1), r#"{"e":"depthUpdate","s":"ETHUSDT"}"#, &marks));
        assert!(faults.swallows(ConnId(1), change, &marks));
        assert!(!faults.swallows(ConnId(1), change, &marks));
        assert!(!faults.swallows(ConnId(3), change, &marks), "opened later");
        assert!(faults.swallows(ConnId(2), change, &marks));
        assert!(faults.skips.is_empty());
    }

    #[test]
    fn a_symbol_is_not_named_by_one_that_it_is_a_part_of() {
        let spot = r#"{"arg":{"channel":"books","instId":"BTC-USDT"}}"#;
        let swap = spot.replace("USDT", "USDT-SWAP");
        assert!(names(spot, "BTC-USDT") && names(&swap, "BTC-USDT-SWAP"));
        assert!(!names(&swap, "BTC-USDT") && !names(spot, "BTC-USDT-SWAP"));
        assert!(names(r#"{"stream":"btcusdt@depth"}"#, "btcusdt"));
        assert!(!names(r#"{"stream":"1000btcusdt@depth"}"#, "btcusdt"));
    }
}
