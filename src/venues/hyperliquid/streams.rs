//! The public socket: how subscriptions are written, and which reader a frame belongs to.
//!
//! A request asks for one stream of one instrument and has no number; an unknown coin ends the whole
//! connection without a word, so only coins of the venue's own lists are ever asked for: what is
//! configured was found in them at the start.

#![forbid(unsafe_code)]

use super::super::public::{PublicConnector, PublicWire};
use super::super::session::Heartbeat;
use super::super::subscriptions::{Ask, Dialect, Habits, Scanned, Subscriptions};
use super::super::{DecodeError, Value, VenueSetup, session::VenueClock};
use super::market_data::{self, Owner};
use super::memory::Memory;
use super::scan::Scanner;
use super::{INFO_PATH, PING_EVERY_NS, SECOND_NS};
use crate::types::{Events, Instrument, Nanos};

/// Books come every half second, or every five where all 20 levels are asked for.
const QUIET_NS: u64 = 20 * SECOND_NS;
/// The fast form of a book holds so many levels.
const FAST_LEVELS: u16 = 5;

/// This venue's frames.
pub(super) struct Wire {
    scanner: Scanner,
    memory: Memory,
}

/// The market-data connector, for spot and perpetuals at once.
pub(super) fn connector(setup: &VenueSetup) -> PublicConnector<Wire> {
    let fast = setup.depth <= FAST_LEVELS;
    let depth = if fast { r#","fast":true"# } else { "" };
    let dialect = Dialect { group_max: 1, depth, write: write_request };
    let habits = Habits { parts, sends_top: false, quiet_ns: QUIET_NS };
    let streams = Subscriptions::new(setup, dialect).with(habits);
    let wire = Wire {
        scanner: Scanner::new(streams.symbols()),
        memory: Memory::new(streams.symbols().count()),
    };
    let urls = [super::socket_url(&setup.endpoints.public), setup.endpoints.rest.clone()];
    PublicConnector::new(wire, streams, urls, heartbeat(), clock())
}

/// Proof of life of every socket; the venue closes one on which it has sent nothing for a minute.
pub(super) fn heartbeat() -> Heartbeat {
    Heartbeat::new(r#"{"method":"ping"}"#, PING_EVERY_NS)
}

/// A clock that asks this venue.
pub(super) fn clock() -> VenueClock {
    VenueClock::posting(INFO_PATH, r#"{"type":"exchangeStatus"}"#)
}

/// `{"specialStatuses":null,"time":1788490065008}`
pub(super) fn server_ns(root: Value<'_>) -> Result<u64, DecodeError> {
    Ok(Nanos::from_millis(root.field_u64("time")?).0)
}

/// How long nothing may be asked after this HTTP status: the limit is that of a minute.
pub(super) fn blocked_ns(status: u16) -> Option<u64> {
    (status == super::TOO_MANY_REQUESTS).then_some(10 * SECOND_NS)
}

impl PublicWire for Wire {
    fn scan(
        &mut self,
        frame: &[u8],
        streams: &Subscriptions,
        events: &mut Events,
    ) -> Option<(usize, Scanned)> {
        let find = |at| Some((streams.wanted(at)?, streams.asked(at)));
        self.scanner.scan(frame, find, &self.memory, events)
    }

    fn read(
        &mut self,
        root: Value<'_>,
        streams: &mut Subscriptions,
        now: Nanos,
        events: &mut Events,
    ) -> Result<bool, DecodeError> {
        let Some((topic, coin)) = market_data::topic(root)? else {
            let control = market_data::control(root)?;
            streams.on_control(control, now, events)?;
            return Ok(true);
        };
        let at = streams.find(coin)?;
        let asked = streams.asked(at);
        let Some(instrument) = streams.wanted(at) else {
            // The tail of a stream that was stopped.
            return Ok(false);
        };
        let owner = Owner { at, asked, instrument };
        let scanned = market_data::read(topic, owner, &self.memory, now, events)?;
        streams.on_heard(at, &scanned, now);
        streams.on_data(at, scanned, events)
    }

    fn server_ns(root: Value<'_>) -> Result<u64, DecodeError> {
        server_ns(root)
    }

    fn blocked_ns(status: u16) -> Option<u64> {
        blocked_ns(status)
    }
}

/// Book, top, trades; of a perpetual its marks too.
fn parts(instrument: &Instrument) -> usize {
    if super::is_perpetual(&instrument.symbol) { 4 } else { 3 }
}

/// `{"method":"subscribe","subscription":{"type":"l2Book","coin":"BTC","fast":true}}`
fn write_request(
    frame: &mut Vec<u8>,
    ask: &Ask<'_>,
    instruments: &mut dyn Iterator<Item = &Instrument>,
) {
    let kind = ["l2Book", "bbo", "trades", "activeAssetCtx"].get(ask.part).unwrap_or(&"l2Book");
    let coin = instruments.next().map_or("", |instrument| &instrument.symbol);
    let more = if ask.part == 0 { ask.depth } else { "" };
    let parts = [
        r#"{"method":""#,
        ask.op,
        r#"","subscription":{"type":""#,
        kind,
        r#"","coin":""#,
        coin,
        "\"",
        more,
        "}}",
    ];
    parts.iter().for_each(|part| frame.extend_from_slice(part.as_bytes()));
}
