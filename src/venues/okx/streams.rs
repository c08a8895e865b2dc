//! The public socket: how subscriptions are written, and which reader a frame belongs to.
//!
//! A refusal names the request, or the symbol in its text. Requests of many instruments spare the
//! venue's allowance of 480 an hour and connection.

#![forbid(unsafe_code)]

use super::super::public::{PublicConnector, PublicWire};
use super::super::subscriptions::{Ask, Dialect, Habits, Scanned, Subscriptions};
use super::super::{DecodeError, Value, VenueSetup};
use super::market_data::{self, Topic};
use super::scan::Scanner;
use super::sequence::Ids;
use super::{PUBLIC_PATH, SECOND_NS, session, with_path};
use crate::types::{Events, Instrument, Nanos};

/// Instruments of one request: its arguments stay far below the 64 KB allowed.
const GROUP_MAX: usize = 100;

/// A book that does not change is told of once a minute; one that misses two of these is silent.
const QUIET_NS: u64 = 150 * SECOND_NS;

const TOO_MANY_REQUESTS: u16 = 429;

/// This venue's frames.
pub(super) struct Wire {
    scanner: Scanner,
    /// Of each instrument, by its index.
    ids: Vec<Ids>,
    /// Index of the instrument of each index price, in order of the names: that is of the swap.
    indices: Vec<(String, usize)>,
}

/// The market-data connector, for spot and swaps at once: what a symbol is, its instrument says.
pub(super) fn connector(setup: &VenueSetup) -> PublicConnector<Wire> {
    // `books` always holds 400 levels a side: there is nothing to choose.
    let dialect = Dialect { group_max: GROUP_MAX, depth: "books", write: write_request };
    let urls = [with_path(&setup.endpoints.public, PUBLIC_PATH), setup.endpoints.rest.clone()];
    let habits = Habits { quiet_ns: QUIET_NS, ..Habits::default() };
    let streams = Subscriptions::new(setup, dialect).with(habits);
    let perpetual = |symbol: &str| {
        let mut ours = setup.instruments.of_venue(setup.venue);
        ours.any(|instrument| instrument.is_perpetual() && instrument.symbol == symbol)
    };
    let symbols = streams.symbols().enumerate();
    let swaps = symbols.filter(|(_, symbol)| perpetual(symbol));
    let mut indices: Vec<_> =
        swaps.map(|(at, symbol)| (super::index_of(symbol).to_owned(), at)).collect();
    indices.sort_unstable();
    let ids = vec![Ids::default(); streams.symbols().count()];
    let wire = Wire { scanner: Scanner::new(streams.symbols()), ids, indices };
    PublicConnector::new(wire, streams, urls, session::heartbeat(), session::clock())
}

impl Wire {
    fn find(
        &self,
        topic: Topic,
        symbol: &str,
        streams: &Subscriptions,
    ) -> Result<usize, DecodeError> {
        if topic != Topic::Index {
            return streams.find(symbol);
        }
        let found = self.indices.binary_search_by(|(known, _)| known.as_str().cmp(symbol));
        found.map(|place| self.indices[place].1).map_err(|_| DecodeError::UnknownSymbol)
    }
}

impl PublicWire for Wire {
    fn scan(
        &mut self,
        frame: &[u8],
        streams: &Subscriptions,
        events: &mut Events,
    ) -> Option<(usize, Scanned)> {
        let ids = &mut self.ids;
        self.scanner.scan(frame, |at| ids.get_mut(at), |at| streams.wanted(at), events)
    }

    fn read(
        &mut self,
        root: Value<'_>,
        streams: &mut Subscriptions,
        now: Nanos,
        events: &mut Events,
    ) -> Result<bool, DecodeError> {
        let Some((topic, symbol)) = market_data::topic(root)? else {
            let control = market_data::control(root)?;
            streams.on_control(control, now, events)?;
            return Ok(true);
        };
        let at = self.find(topic, symbol, streams)?;
        let ids = self.ids.get_mut(at).ok_or(DecodeError::UnknownSymbol)?;
        let Some(instrument) = streams.wanted(at) else {
            // The tail of a stream that was stopped.
            return Ok(false);
        };
        let scanned = match topic {
            Topic::Depth => Scanned::Depth(market_data::depth(root, instrument, ids, events)?),
            Topic::Top => {
                market_data::top(root, instrument, ids, events)?;
                Scanned::Top
            }
            Topic::Trades => {
                market_data::trades(root, instrument, events)?;
                Scanned::Trades
            }
            Topic::Mark | Topic::Index | Topic::Funding => {
                market_data::perpetual(topic, root, instrument, events)?;
                return Ok(false);
            }
        };
        streams.on_heard(at, &scanned, now);
        streams.on_data(at, scanned, events)
    }

    fn is_plain_pong(frame: &[u8]) -> bool {
        session::is_pong(frame)
    }

    fn server_ns(root: Value<'_>) -> Result<u64, DecodeError> {
        session::server_ns(root)
    }

    /// No time is stated: a whole window of the limit.
    fn blocked_ns(status: u16) -> Option<u64> {
        (status == TOO_MANY_REQUESTS).then_some(2 * SECOND_NS)
    }
}

/// `{"id":"7","op":"subscribe","args":[{"channel":"books","instId":"BTC-USDT"},..]}`
fn write_request(
    frame: &mut Vec<u8>,
    ask: &Ask<'_>,
    instruments: &mut dyn Iterator<Item = &Instrument>,
) {
    frame.extend_from_slice(br#"{"id":""#);
    frame.extend_from_slice(itoa::Buffer::new().format(ask.request).as_bytes());
    frame.extend_from_slice(br#"","op":""#);
    frame.extend_from_slice(ask.op.as_bytes());
    frame.extend_from_slice(br#"","args":["#);
    let mut first = true;
    for instrument in instruments {
        let symbol = instrument.symbol.as_str();
        let swap = [
            ("mark-price", symbol),
            ("funding-rate", symbol),
            ("index-tickers", super::index_of(symbol)),
        ];
        let book = [(ask.depth, symbol), ("bbo-tbt", symbol), ("trades", symbol)];
        let (book, swap) = match (ask.depth_only, instrument.is_perpetual()) {
            (true, _) => (&book[..1], &swap[..0]),
            (false, false) => (&book[..], &swap[..0]),
            (false, true) => (&book[..], &swap[..]),
        };
        for (channel, name) in book.iter().chain(swap) {
            if !std::mem::take(&mut first) {
                frame.push(b',');
            }
            frame.extend_from_slice(br#"{"channel":""#);
            frame.extend_from_slice(channel.as_bytes());
            frame.extend_from_slice(br#"","instId":""#);
            frame.extend_from_slice(name.as_bytes());
            frame.extend_from_slice(br#""}"#);
        }
    }
    frame.extend_from_slice(b"]}");
}
