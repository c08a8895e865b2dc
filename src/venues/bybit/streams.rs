//! The public sockets: how subscriptions are written, and which reader a frame belongs to.

#![forbid(unsafe_code)]

use super::super::public::{PublicConnector, PublicSocket, PublicWire};
use super::super::scan::Width;
use super::super::subscriptions::{Ask, Dialect, Scanned, Subscriptions};
use super::super::{DecodeError, SetupError, Value, VenueSetup};
use super::market_data;
use super::scan::Scanner;
use super::{BLOCKED_NS, FORBIDDEN, PRODUCTS, Product, session, with_path, write_u64};
use crate::types::{Channel, Events, Instrument, Nanos};

/// Sockets in the order of the products that are traded.
const CHANNELS: [Channel; 2] = [Channel::Public, Channel::PublicMore];

/// The frames of one product.
pub(super) struct Wire {
    scanner: Scanner,
}

/// The market-data connector: a socket for each product that there are instruments of.
pub(super) fn connector(setup: &VenueSetup) -> Result<PublicConnector<Wire>, SetupError> {
    let products = Product::all_of(setup);
    let address = setup.endpoints.public.trim_end_matches('/');
    for named in PRODUCTS.iter().filter(|product| address.ends_with(product.public_path)) {
        // One product's books must never pass for those of another.
        if products.iter().any(|product| product.category != named.category) {
            return Err(SetupError::BadAddress(
                "the path of public market data is that of another product than is configured: \
                 give the host alone",
            ));
        }
    }
    let sockets = products.iter().zip(CHANNELS).map(|(product, channel)| {
        let dialect = Dialect {
            group_max: product.group_max,
            depth: depth_topic(setup.depth),
            write: write_request,
        };
        let brings = |instrument: &Instrument| instrument.kind == product.kind;
        let subscriptions = Subscriptions::of(setup, dialect, channel, brings);
        let depth = subscriptions.depth();
        PublicSocket {
            wire: Wire { scanner: Scanner::new(subscriptions.symbols(), depth, Width::best()) },
            url: with_path(address, product.public_path),
            subscriptions,
            heartbeat: session::heartbeat(),
        }
    });
    let rest = setup.endpoints.rest.clone();
    Ok(PublicConnector::of(sockets.collect(), rest, session::clock()))
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
        let at = streams.find(topic.symbol())?;
        let Some(instrument) = streams.wanted(at) else {
            // The tail of a stream that was stopped.
            return Ok(false);
        };
        let scanned = topic.read(root, instrument, events)?;
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
            if instrument.is_perpetual() {
                frame.push(b',');
                write_topic(frame, &["tickers."], symbol);
            }
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
