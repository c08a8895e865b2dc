//! The public socket: how subscriptions are written, and which reader a frame belongs to.

#![forbid(unsafe_code)]

use super::super::public::{PublicConnector, PublicWire};
use super::super::scan::Width;
use super::super::subscriptions::{Ask, Dialect, Scanned, Subscriptions};
use super::super::{DecodeError, Value, VenueSetup};
use super::market_data::{self, Topic};
use super::scan::Scanner;
use super::{BLOCKED_NS, FORBIDDEN, Product, session, with_path, write_u64};
use crate::types::{Events, Instrument, Nanos};

const TOPICS_PER_INSTRUMENT: usize = 3;

/// This venue's frames.
pub(super) struct Wire {
    scanner: Scanner,
}

/// The market-data connector.
pub(super) fn connector(setup: &VenueSetup, product: &'static Product) -> PublicConnector<Wire> {
    let dialect = Dialect {
        group_max: product.subscribe_args_max / TOPICS_PER_INSTRUMENT,
        depth: depth_topic(setup.depth),
        write: write_request,
    };
    let streams = Subscriptions::new(setup, dialect);
    let wire = Wire { scanner: Scanner::new(streams.symbols(), streams.depth(), Width::best()) };
    let public = with_path(&setup.endpoints.public, product.public_path);
    let rest = setup.endpoints.rest.clone();
    PublicConnector::new(wire, streams, [public, rest], session::heartbeat(), session::clock())
}

impl PublicWire for Wire {
    fn scan(
        &mut self,
        frame: &[u8],
        streams: &Subscriptions,
        events: &mut Events,
    ) -> Option<(usize, Scanned)> {
        self.scanner.scan(frame, |at| streams.wanted(at), events)
    }

    fn read(
        &mut self,
        root: Value<'_>,
        streams: &mut Subscriptions,
        now: Nanos,
        events: &mut Events,
    ) -> Result<bool, DecodeError> {
        let Some(text) = root.get("topic").and_then(Value::str) else {
            let control = market_data::control(root)?;
            streams.on_control(control, now, events)?;
            return Ok(true);
        };
        let topic = market_data::topic(text, streams.depth())?;
        let (Topic::Depth(symbol) | Topic::Top(symbol) | Topic::Trades(symbol)) = topic;
        let at = streams.find(symbol)?;
        let Some(instrument) = streams.wanted(at) else {
            // The tail of a stream that was stopped.
            return Ok(false);
        };
        let scanned = match topic {
            Topic::Trades(_) => {
                market_data::trades(root, instrument, events)?;
                Scanned::Trades
            }
            Topic::Top(_) => {
                market_data::top(root, instrument, events)?;
                Scanned::Top
            }
            Topic::Depth(_) => Scanned::Depth(market_data::depth(root, instrument, events)?),
        };
        streams.on_data(at, scanned, events)
    }

    fn server_ns(root: Value<'_>) -> Result<u64, DecodeError> {
        session::server_ns(root)
    }

    fn blocked_ns(status: u16) -> Option<u64> {
        (status == FORBIDDEN).then_some(BLOCKED_NS)
    }
}

/// The venue's smallest depth that holds so many levels.
pub(super) fn depth_topic(levels: u16) -> &'static str {
    match levels {
        0..=50 => "50",
        51..=200 => "200",
        _ => "1000",
    }
}

/// `{"req_id":"7","op":"subscribe","args":["orderbook.50.BTCUSDT",..]}`
fn write_request(
    frame: &mut Vec<u8>,
    ask: &Ask<'_>,
    instruments: &mut dyn Iterator<Item = &Instrument>,
) {
    write_head(frame, ask.op, ask.request);
    for (index, instrument) in instruments.enumerate() {
        let symbol = &instrument.symbol;
        if index > 0 {
            frame.push(b',');
        }
        write_topic(frame, &["orderbook.", ask.depth, "."], symbol);
        if !ask.depth_only {
            frame.push(b',');
            write_topic(frame, &["orderbook.1."], symbol);
            frame.push(b',');
            write_topic(frame, &["publicTrade."], symbol);
        }
    }
    frame.extend_from_slice(b"]}");
}

/// `{"req_id":"7","op":"subscribe","args":[`
fn write_head(frame: &mut Vec<u8>, op: &str, request: u64) {
    frame.extend_from_slice(br#"{"req_id":""#);
    write_u64(frame, request);
    frame.extend_from_slice(br#"","op":""#);
    frame.extend_from_slice(op.as_bytes());
    frame.extend_from_slice(br#"","args":["#);
}

/// `"orderbook.50.BTCUSDT"`
fn write_topic(frame: &mut Vec<u8>, prefix: &[&str], symbol: &str) {
    frame.push(b'"');
    for part in prefix {
        frame.extend_from_slice(part.as_bytes());
    }
    frame.extend_from_slice(symbol.as_bytes());
    frame.push(b'"');
}
