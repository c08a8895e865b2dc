//! Tickers: of spot always whole, of linear contracts first whole and then what has changed.

use super::category::wire_symbol;
use super::json::{Object, array, decimal};
use crate::sim::venues::day::Day;
use crate::sim::{AccountId, Exchange, SimLevel};
use rust_decimal::Decimal;

/// Members with their values, in the venue's order.
type Members = Vec<(&'static str, String)>;

/// The state of one symbol's ticker.
#[derive(Debug, Default)]
pub(super) struct Ticker {
    /// What subscribers of a linear contract know.
    known: Members,
}

/// The best level of a side, as texts.
pub(super) fn best(side: &[SimLevel]) -> (String, String) {
    let level = side.first().map(|&(price, qty)| (decimal(price), decimal(qty)));
    level.unwrap_or_default()
}

/// All members of a linear contract's ticker.
pub(super) fn linear(symbol: &str, day: &Day, exchange: &Exchange, now_ms: u64) -> Members {
    let mark = exchange.mark(symbol, now_ms).unwrap_or_default();
    let (_, bids, asks) = exchange.depth(symbol, 1).unwrap_or_default();
    let ((bid, bid_qty), (ask, ask_qty)) = (best(&bids), best(&asks));
    let open: Decimal = (0..exchange.accounts())
        .filter_map(|account| exchange.position(AccountId(account), symbol))
        .map(|position| position.qty.abs())
        .sum();
    let cut = |value: Decimal| decimal(value.round_dp(8));
    let perpetual = exchange.rules(symbol).and_then(|rules| rules.perpetual.as_ref());
    let cap = perpetual.map_or(Decimal::ZERO, |perpetual| perpetual.funding_rate_max);
    let hours = mark.interval_ms.div_ceil(3_600_000);
    vec![
        ("tickDirection", "ZeroPlusTick".to_owned()),
        ("price24hPcnt", decimal(day.change())),
        ("lastPrice", decimal(day.last)),
        ("prevPrice24h", decimal(day.first)),
        ("highPrice24h", decimal(day.high)),
        ("lowPrice24h", decimal(day.low)),
        ("prevPrice1h", decimal(day.first)),
        ("markPrice", cut(mark.mark)),
        ("indexPrice", cut(mark.index)),
        ("openInterest", decimal(open)),
        ("openInterestValue", cut(open * mark.mark)),
        ("turnover24h", decimal(day.turnover)),
        ("volume24h", decimal(day.volume)),
        ("fundingIntervalHour", hours.to_string()),
        ("fundingCap", decimal(cap)),
        ("singleOpenInterest", decimal(open)),
        ("singleOpenInterestValue", cut(open * mark.mark)),
        ("nextFundingTime", mark.next_funding_ms.to_string()),
        ("fundingRate", decimal(mark.rate)),
        ("bid1Price", bid),
        ("bid1Size", bid_qty),
        ("ask1Price", ask),
        ("ask1Size", ask_qty),
        ("preOpenPrice", String::new()),
        ("preQty", String::new()),
        ("curPreListingPhase", String::new()),
    ]
}

fn object(symbol: &str, members: &[&(&'static str, String)]) -> Object {
    let start = Object::new().text("symbol", wire_symbol(symbol));
    members.iter().fold(start, |object, (name, value)| object.text(name, value))
}

/// A row of `market/tickers`, which has other members too.
pub(super) fn linear_row(symbol: &str, members: &Members) -> String {
    let shown =
        members.iter().filter(|(name, _)| !name.starts_with("single") && *name != "tickDirection");
    let blank =
        ["predictedDeliveryPrice", "basisRate", "deliveryFeeRate", "basis", "basisRateYear"];
    object(symbol, &shown.collect::<Vec<_>>()).blanks(&blank).text("deliveryTime", "0").done()
}

impl Ticker {
    /// The message that begins a subscription, or that is due: of the members that changed; none if
    /// none has.
    pub(super) fn message(
        &mut self,
        symbol: &str,
        members: Members,
        whole: bool,
        (seq, now_ms): (u64, u64),
    ) -> Option<String> {
        let changed: Vec<_> =
            members.iter().filter(|member| whole || !self.known.contains(member)).collect();
        if changed.is_empty() {
            return None;
        }
        let message = Object::new()
            .text("topic", &format!("tickers.{}", wire_symbol(symbol)))
            .text("type", if whole { "snapshot" } else { "delta" })
            .raw("data", &object(symbol, &changed).done())
            .number("cs", seq)
            .number("ts", now_ms)
            .done();
        self.known = members;
        Some(message)
    }
}

/// A message of `allLiquidation`: the side is the position's.
pub(super) fn liquidation(liquidation: &crate::sim::SimLiquidation, now_ms: u64) -> String {
    let symbol = wire_symbol(&liquidation.symbol);
    let row = Object::new()
        .number("T", liquidation.time_ms)
        .text("s", symbol)
        .text("S", super::rows::side(liquidation.side.opposite()))
        .decimal("v", liquidation.qty)
        .decimal("p", liquidation.price);
    Object::new()
        .text("topic", &format!("allLiquidation.{symbol}"))
        .text("type", "snapshot")
        .number("ts", now_ms)
        .raw("data", &array([row.done()]))
        .done()
}
