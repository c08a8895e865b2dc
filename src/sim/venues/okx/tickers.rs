//! Rows of public data that is no order book: trades, tickers, marks, funding rates, price limits.
//!
//! The rows of a channel and of its REST endpoint are the same, but for the type of the instrument
//! that some name in REST only.

#![forbid(unsafe_code)]

use super::instruments::{Instrument, Kind};
use crate::sim::venues::day::Day;
use crate::sim::venues::json::{Object, decimal};
use crate::sim::{Exchange, SimLevel, SymbolRules};
use crate::types::Side;
use rust_decimal::Decimal;

pub(super) fn side(side: Side) -> &'static str {
    match side {
        Side::Buy => "buy",
        Side::Sell => "sell",
    }
}

/// A public print.
#[derive(Clone, Debug)]
pub(super) struct Print {
    pub(super) trade_id: u64,
    pub(super) time_ms: u64,
    pub(super) price: Decimal,
    /// Base units.
    pub(super) qty: Decimal,
    pub(super) taker: Side,
    pub(super) seq: u64,
    /// Matches that were merged into it.
    pub(super) count: u64,
}

impl Print {
    /// Whether the venue shows another print as part of this one: one taker, one price.
    pub(super) fn takes(&self, other: &Print) -> bool {
        self.price == other.price && self.taker == other.taker && self.seq == other.seq
    }
}

/// Row of `trades` (with `seqId` and `count`), `trades-all` and `market/trades`.
pub(super) fn trade(instrument: &Instrument, print: &Print, merged: bool) -> String {
    let row = Object::new()
        .text("instId", &instrument.id)
        .digits("tradeId", print.trade_id)
        .decimal("px", print.price)
        .decimal("sz", instrument.to_wire(print.qty))
        .text("side", side(print.taker))
        .digits("ts", print.time_ms)
        .text("source", "0");
    if merged { row.digits("count", print.count).number("seqId", print.seq) } else { row }.done()
}

/// What is known of an instrument's prices.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Prices {
    pub(super) mark: Decimal,
    pub(super) index: Decimal,
    /// Funding rate of the running interval.
    pub(super) rate: Decimal,
    pub(super) next_funding_ms: u64,
    pub(super) interval_ms: u64,
}

/// Prices of an instrument: of spot the last trade stands for them. `None` while there are none.
pub(super) fn prices(instrument: &Instrument, exchange: &Exchange, now_ms: u64) -> Option<Prices> {
    if let Some(mark) = exchange.mark(&instrument.id, now_ms) {
        return (!mark.mark.is_zero()).then_some(Prices {
            mark: mark.mark,
            index: mark.index,
            rate: mark.rate,
            next_funding_ms: mark.next_funding_ms,
            interval_ms: mark.interval_ms,
        });
    }
    let last = exchange.last_price(&instrument.id)?;
    Some(Prices { mark: last, index: last, ..Prices::default() })
}

/// Highest price of a buy and lowest of a sell.
pub(super) fn price_limits(
    rules: &SymbolRules,
    reference: Decimal,
    band: Decimal,
) -> (Decimal, Decimal) {
    let ticks = |price: Decimal| price / rules.tick_size;
    let highest = ticks(reference * (Decimal::ONE + band)).floor() * rules.tick_size;
    let lowest = ticks(reference * (Decimal::ONE - band)).ceil() * rules.tick_size;
    (highest, lowest)
}

/// Row of `price-limit`.
pub(super) fn price_limit(
    instrument: &Instrument,
    (highest, lowest): (Decimal, Decimal),
    with_type: bool,
    now_ms: u64,
) -> String {
    let row = Object::new();
    let row = if with_type { row.text("instType", instrument.kind.name()) } else { row };
    row.text("instId", &instrument.id)
        .decimal("buyLmt", highest)
        .decimal("sellLmt", lowest)
        .digits("ts", now_ms)
        .flag("enabled", true)
        .done()
}

/// Row of `mark-price`. Spot has a mark price for margin's sake and says so.
pub(super) fn mark_price(instrument: &Instrument, mark: Decimal, now_ms: u64) -> String {
    let kind = if instrument.kind == Kind::Spot { "MARGIN" } else { instrument.kind.name() };
    Object::new()
        .text("instType", kind)
        .text("instId", &instrument.id)
        .decimal("markPx", mark)
        .digits("ts", now_ms)
        .done()
}

/// Row of `index-tickers`.
pub(super) fn index_ticker(index: &str, price: Decimal, day: &Day, now_ms: u64) -> String {
    Object::new()
        .text("instId", index)
        .decimal("idxPx", price)
        .decimal("high24h", day.high)
        .decimal("low24h", day.low)
        .decimal("open24h", day.first)
        .decimal("sodUtc0", day.first)
        .decimal("sodUtc8", day.first)
        .digits("ts", now_ms)
        .done()
}

/// Row of `funding-rate`: the rate of the running interval, paid at its end. `settled` is the rate
/// that was paid last, `limit` the largest either way.
pub(super) fn funding_rate(
    instrument: &Instrument,
    prices: &Prices,
    settled: Decimal,
    limit: Decimal,
    now_ms: u64,
) -> String {
    let premium = if prices.index.is_zero() {
        Decimal::ZERO
    } else {
        ((prices.mark - prices.index) / prices.index).trunc_with_scale(16)
    };
    Object::new()
        .text("formulaType", "noRate")
        .decimal("fundingRate", prices.rate)
        .digits("fundingTime", prices.next_funding_ms)
        .text("impactValue", "")
        .text("instId", &instrument.id)
        .text("instType", instrument.kind.name())
        .text("interestRate", "")
        .text("method", "current_period")
        .decimal("maxFundingRate", limit)
        .decimal("minFundingRate", -limit)
        .text("nextFundingRate", "")
        .digits("nextFundingTime", prices.next_funding_ms + prices.interval_ms)
        .decimal("premium", premium)
        .decimal("settFundingRate", settled)
        .text("settState", "settled")
        .digits("ts", now_ms)
        .done()
}

/// Row of `tickers`: quantities in contracts for swaps, `volCcy24h` in quote for spot and in base
/// for swaps.
pub(super) fn ticker(
    instrument: &Instrument,
    day: &Day,
    last_qty: Decimal,
    [bid, ask]: [Option<SimLevel>; 2],
    now_ms: u64,
) -> String {
    let level = |level: Option<SimLevel>| {
        let text = level.map(|(price, qty)| (decimal(price), decimal(instrument.to_wire(qty))));
        text.unwrap_or_default()
    };
    let ((bid, bid_qty), (ask, ask_qty)) = (level(bid), level(ask));
    let in_currency = if instrument.kind == Kind::Spot { day.turnover } else { day.volume };
    Object::new()
        .text("instType", instrument.kind.name())
        .text("instId", &instrument.id)
        .decimal("last", day.last)
        .decimal("lastSz", instrument.to_wire(last_qty))
        .text("askPx", &ask)
        .text("askSz", &ask_qty)
        .text("bidPx", &bid)
        .text("bidSz", &bid_qty)
        .decimal("open24h", day.first)
        .decimal("high24h", day.high)
        .decimal("low24h", day.low)
        .decimal("volCcy24h", in_currency)
        .decimal("vol24h", instrument.to_wire(day.volume))
        .decimal("sodUtc0", day.first)
        .decimal("sodUtc8", day.first)
        .digits("ts", now_ms)
        .done()
}

/// Row of `status` and `system/status`.
pub(super) fn status(begin_ms: u64, end_ms: u64, state: &str, now_ms: u64) -> String {
    Object::new()
        .digits("begin", begin_ms)
        .digits("end", end_ms)
        .blanks(&["href", "preOpenBegin", "scheDesc"])
        .text("serviceType", "0")
        .text("state", state)
        .text("system", "unified")
        .text("maintType", "1")
        .text("env", "1")
        .text("title", "WebSocket system upgrade")
        .digits("ts", now_ms)
        .done()
}
