//! The public socket: how subscriptions are written, and which reader a frame belongs to.
//!
//! A refusal names the request, or the symbol in its text. Requests of many instruments spare the
//! venue's allowance of 480 an hour and connection.

#![forbid(unsafe_code)]

use super::super::public::{PublicConnector, PublicWire};
use super::super::session::{Heartbeat, VenueClock};
use super::super::subscriptions::{Ask, Dialect, Scanned, Subscriptions};
use super::super::{DecodeError, Value, VenueSetup};
use super::market_data::{self, Topic};
use super::{PING_EVERY_NS, PUBLIC_PATH, SECOND_NS, with_path};
use crate::types::{Events, Instrument, Nanos};

/// Instruments of one request: its arguments stay far below the 64 KB allowed.
const GROUP_MAX: usize = 100;

const TOO_MANY_REQUESTS: u16 = 429;

/// This venue's frames.
pub(super) struct Wire;

/// The market-data connector, for spot and swaps at once: what a symbol is, its instrument says.
pub(super) fn connector(setup: &VenueSetup) -> PublicConnector<Wire> {
    // `books` always holds 400 levels a side: there is nothing to choose.
    let dialect = Dialect { group_max: GROUP_MAX, depth: "books", write: write_request };
    let urls = [with_path(&setup.endpoints.public, PUBLIC_PATH), setup.endpoints.rest.clone()];
    let heartbeat = Heartbeat::new("ping", PING_EVERY_NS);
    let clock = VenueClock::new("/api/v5/public/time");
    PublicConnector::new(Wire, Subscriptions::new(setup, dialect), urls, heartbeat, clock)
}

impl PublicWire for Wire {
    fn scan(
        &self,
        _frame: &[u8],
        _streams: &Subscriptions,
        _events: &mut Events,
    ) -> Option<(usize, Scanned)> {
        None
    }

    fn read(
        &self,
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
        let at = streams.find(symbol)?;
        let Some(instrument) = streams.wanted(at) else {
            // The tail of a stream that was stopped.
            return Ok(false);
        };
        let scanned = match topic {
            Topic::Depth => match market_data::depth(root, instrument, events)? {
                Some(update) => Scanned::Depth(update),
                None => return Ok(false),
            },
            Topic::Top => {
                market_data::top(root, instrument, events)?;
                Scanned::Top
            }
            Topic::Trades => {
                market_data::trades(root, instrument, events)?;
                Scanned::Trades
            }
        };
        streams.on_data(at, scanned, events)
    }

    fn is_plain_pong(frame: &[u8]) -> bool {
        frame == b"pong"
    }

    /// `{"code":"0","msg":"","data":[{"ts":"1597026383085"}]}`
    fn server_ns(root: Value<'_>) -> Result<u64, DecodeError> {
        if root.field_str("code")? != "0" {
            return Err(DecodeError::Invalid("code"));
        }
        let row = root.field("data")?.items().next().ok_or(DecodeError::Missing("data"))?;
        let millis: u64 = row.field_str("ts")?.parse().map_err(|_| DecodeError::Invalid("ts"))?;
        Ok(Nanos::from_millis(millis).0)
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
    let channels = [ask.depth, "bbo-tbt", "trades"];
    let channels = if ask.depth_only { &channels[..1] } else { &channels[..] };
    for (index, instrument) in instruments.enumerate() {
        for (place, channel) in channels.iter().enumerate() {
            if index + place > 0 {
                frame.push(b',');
            }
            frame.extend_from_slice(br#"{"channel":""#);
            frame.extend_from_slice(channel.as_bytes());
            frame.extend_from_slice(br#"","instId":""#);
            frame.extend_from_slice(instrument.symbol.as_bytes());
            frame.extend_from_slice(br#""}"#);
        }
    }
    frame.extend_from_slice(b"]}");
}
