//! What futures have besides a book: mark price, index and funding, and how often funding is paid.
//!
//! Streams: <https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams>.

#![forbid(unsafe_code)]

use super::market_data::{millis, usdm_only};
use super::streams::{Product, Symbol};
use crate::types::{Amount, Event, Events, Nanos, PerpetualUpdate};
use crate::venues::{DecodeError, Value, decimal};

/// `{"e":"markPriceUpdate","E":1562305380000,"s":"BTCUSDT","p":"11794.15","ap":"11794.15",
/// "i":"11784.62","P":"11784.25","r":"0.00038167","T":1562306400000,"st":1}`: mark, index, rate of the
/// running interval, time of the next payment; in 2024 without `ap` and `st`.
pub(super) fn decode(
    data: Value<'_>,
    symbol: &Symbol,
    events: &mut Events,
) -> Result<(), DecodeError> {
    let mut update = PerpetualUpdate {
        instrument: symbol.instrument,
        funding_interval_s: symbol.funding_interval_s,
        ..PerpetualUpdate::default()
    };
    let mut time = None;
    for (key, value) in data.members() {
        match key {
            "e" if value.str() == Some("markPriceUpdate") => {}
            "e" => return Err(DecodeError::UnknownKind),
            "E" => time = Some(millis(value, "E")?),
            "p" => update.mark = Some(positive(value, "p")?),
            "i" => update.index = Some(positive(value, "i")?),
            "r" => {
                let text = value.str().ok_or(DecodeError::Invalid("r"))?;
                let rate = decimal::rate(text).map_err(|error| DecodeError::Number("r", error))?;
                update.funding_rate = Some(rate);
            }
            "T" => update.next_funding_ns = Some(millis(value, "T")?),
            "st" => usdm_only(value)?,
            _ => {}
        }
    }
    update.event_ns = time.ok_or(DecodeError::Missing("E"))?;
    let parts = [
        ("p", update.mark.is_some()),
        ("i", update.index.is_some()),
        ("r", update.funding_rate.is_some()),
        ("T", update.next_funding_ns.is_some()),
    ];
    match parts.into_iter().find(|(_, there)| !there) {
        Some((name, _)) => Err(DecodeError::Missing(name)),
        None => Ok(events.push(Event::Perpetual(update))?),
    }
}

fn positive(value: Value<'_>, name: &'static str) -> Result<Amount, DecodeError> {
    let text = value.str().ok_or(DecodeError::Invalid(name))?;
    match decimal::amount(text) {
        Ok(amount) if amount > Amount::ZERO => Ok(amount),
        Ok(_) => Err(DecodeError::Invalid(name)),
        Err(error) => Err(DecodeError::Number(name, error)),
    }
}

/// Hours between payments where the venue does not say otherwise.
const HOURS: u64 = 8;
/// Intervals change now and then; they are asked for so often.
const REFRESH_NS: u64 = 3_600_000_000_000;
/// Time until a request that failed is repeated.
const RETRY_NS: u64 = 30_000_000_000;

/// When the intervals of funding are asked for.
#[derive(Default)]
pub(super) struct Intervals {
    request: Option<u64>,
    due: Option<Nanos>,
}

impl Intervals {
    /// REST is usable: they are wanted, if the product has any.
    pub(super) fn start(&mut self, product: Product, now: Nanos) {
        self.request = None;
        self.due = (product == Product::UsdM).then_some(now);
    }

    /// REST is lost.
    pub(super) fn stop(&mut self) {
        *self = Self::default();
    }

    /// When they are to be asked for.
    pub(super) fn due(&self) -> Option<Nanos> {
        self.due.filter(|_| self.request.is_none())
    }

    /// They were asked for.
    pub(super) fn sent(&mut self, id: u64) {
        self.request = Some(id);
    }

    /// Whether this is the reply to that. If so, they are asked for again later, sooner if it was
    /// `lost`.
    pub(super) fn take(&mut self, id: u64, lost: bool, now: Nanos) -> bool {
        if self.request != Some(id) {
            return false;
        }
        self.request = None;
        self.due = Some(now.plus(if lost { RETRY_NS } else { REFRESH_NS }));
        true
    }
}

/// `[{"symbol":"BLZUSDT","fundingIntervalHours":8,"adjustedFundingRateCap":"0.025",..}]`: the symbols
/// that differ from the rest in something.
pub(super) fn intervals(rows: Value<'_>, symbols: &mut [Symbol]) -> Result<(), DecodeError> {
    if !rows.is_array() {
        return Err(DecodeError::Invalid("fundingInfo"));
    }
    for symbol in symbols {
        let own =
            rows.items().find(|row| row.get("symbol").and_then(Value::str) == Some(&symbol.name));
        let hours = own.map_or(Ok(HOURS), |row| row.field_u64("fundingIntervalHours"))?;
        match u32::try_from(hours) {
            Ok(hours @ 1..=24) => symbol.funding_interval_s = Some(hours * 3600),
            _ => return Err(DecodeError::Invalid("fundingIntervalHours")),
        }
    }
    Ok(())
}
