//! What perpetuals have besides a book: mark price, index and funding, which come as one topic.
//!
//! A snapshot, then what has changed: a member that is absent, or empty, is as it was. Best prices in
//! it are behind the book and are not read.
//! <https://bybit-exchange.github.io/docs/v5/websocket/public/ticker>

#![forbid(unsafe_code)]

use super::super::fields::{Field, amount, number, or_empty, whole};
use super::super::{DecodeError, Scalar, Value, decimal};
use crate::types::{Amount, Event, Events, Instrument, Nanos, PerpetualUpdate};

/// The members that count; of two with one name the first.
///
/// ```json
/// {"topic":"tickers.BTCUSDT","type":"delta","data":{"symbol":"BTCUSDT","markPrice":"83024.70",
///  "indexPrice":"83074.01","fundingIntervalHour":"8","nextFundingTime":"1790784000000",
///  "fundingRate":"-0.00007774"},"cs":818232112541,"ts":1790757082283}
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TickerFields<'a> {
    symbol: Field<'a>,
    mark: Field<'a>,
    index: Field<'a>,
    rate: Field<'a>,
    next: Field<'a>,
    hours: Field<'a>,
}

impl<'a> TickerFields<'a> {
    fn of(row: Value<'a>) -> Self {
        let mut fields = Self::default();
        row.members().for_each(|(key, value)| fields.set(key, value.into()));
        fields
    }

    /// Takes one member.
    #[inline]
    pub(super) fn set(&mut self, key: &str, value: Scalar<'a>) {
        let field = match key {
            "symbol" => &mut self.symbol,
            "markPrice" => &mut self.mark,
            "indexPrice" => &mut self.index,
            "fundingRate" => &mut self.rate,
            "nextFundingTime" => &mut self.next,
            "fundingIntervalHour" => &mut self.hours,
            _ => return,
        };
        field.get_or_insert(value);
    }

    /// Hands on what they say, if that is anything.
    pub(super) fn tell(
        &self,
        of: &Instrument,
        event_ms: u64,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        if or_empty(self.symbol) != of.symbol {
            return Err(DecodeError::Invalid("symbol"));
        }
        let update = PerpetualUpdate {
            instrument: of.id,
            mark: positive(self.mark, "markPrice")?,
            index: positive(self.index, "indexPrice")?,
            funding_rate: number(self.rate, "fundingRate")?
                .map(decimal::rate)
                .transpose()
                .map_err(|error| DecodeError::Number("fundingRate", error))?,
            funding_interval_s: interval(self.hours)?,
            next_funding_ns: time(self.next)?,
            event_ns: Nanos::from_millis(event_ms),
            rest_stands: true,
        };
        let PerpetualUpdate { instrument, event_ns, rest_stands, .. } = update;
        let silent = PerpetualUpdate::default();
        let nothing = PerpetualUpdate { instrument, event_ns, rest_stands, ..silent };
        if update != nothing {
            events.push(Event::Perpetual(update))?;
        }
        Ok(())
    }
}

/// Reads a frame by the complete decoder.
pub(super) fn decode(
    root: Value<'_>,
    of: &Instrument,
    events: &mut Events,
) -> Result<(), DecodeError> {
    if !of.is_perpetual() {
        return Err(DecodeError::UnknownKind);
    }
    match root.field_str("type")? {
        "snapshot" | "delta" => {}
        _ => return Err(DecodeError::Invalid("type")),
    }
    let fields = TickerFields::of(root.field("data")?);
    fields.tell(of, root.field_u64("ts")?, events)
}

fn positive(field: Field<'_>, name: &'static str) -> Result<Option<Amount>, DecodeError> {
    match amount(field, name)? {
        Some(amount) if amount <= Amount::ZERO => Err(DecodeError::Invalid(name)),
        amount => Ok(amount),
    }
}

/// Whether a member says nothing: absent, or empty text.
fn is_silent(field: Field<'_>) -> bool {
    matches!(field, None | Some(Scalar::Null | Scalar::Text("")))
}

fn interval(field: Field<'_>) -> Result<Option<u32>, DecodeError> {
    const NAME: &str = "fundingIntervalHour";
    if is_silent(field) {
        return Ok(None);
    }
    match whole(field, NAME)? {
        hours @ 1..=24 => Ok(Some(hours as u32 * 3600)),
        _ => Err(DecodeError::Invalid(NAME)),
    }
}

/// 0 where nothing will be paid.
fn time(field: Field<'_>) -> Result<Option<Nanos>, DecodeError> {
    if is_silent(field) {
        return Ok(None);
    }
    let millis = whole(field, "nextFundingTime")?;
    Ok((millis > 0).then(|| Nanos::from_millis(millis)))
}
