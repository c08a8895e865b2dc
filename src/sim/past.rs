//! What traded before: klines of an instrument from the exchange's own prints, and before its first
//! one from a past that is made up.
//!
//! The made-up past is a function of the pair and the minute alone, so it is the same in every run and
//! however often it is asked for: noise of many wavelengths around the price at which it ends, as far
//! back as anybody asks. It ends with the first print, or when it is first asked for.

#![forbid(unsafe_code)]

use super::random::Random;
use super::{Exchange, SymbolRules};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use std::collections::BTreeMap;
use std::sync::OnceLock;

const MINUTE_MS: u64 = 60_000;
/// Minutes of own prints that are kept: a week.
const OWN_MAX: usize = 7 * 24 * 60;
/// Rows of one answer, and minutes in them: each venue has its own, smaller number of rows.
const ROWS_MAX: u64 = 5_000;
const MINUTES_MAX: u64 = 450_000;
/// Wavelengths of the noise in minutes are the powers of two up to this one: eleven days.
const OCTAVES: u32 = 15;
/// Height of the shortest wave, as a ratio; each one is higher by the root of two, as those of a random
/// walk are. All together stay below a quarter, so prices stay positive.
const HEIGHT: f64 = 0.0005;
/// Furthest high and low beyond open and close, as a ratio.
const WICK: f64 = 0.0004;

/// What traded within one interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SimKline {
    /// Begin.
    pub start_ms: u64,
    /// First price.
    pub open: Decimal,
    /// Highest price.
    pub high: Decimal,
    /// Lowest price.
    pub low: Decimal,
    /// Last price.
    pub close: Decimal,
    /// Base quantity.
    pub volume: Decimal,
    /// Value in quote.
    pub turnover: Decimal,
    /// How many.
    pub trades: u64,
}

impl SimKline {
    fn of(start_ms: u64, price: Decimal, qty: Decimal) -> Self {
        let trades = u64::from(!qty.is_zero());
        let turnover = price * qty;
        let (open, high, low, close) = (price, price, price, price);
        Self { start_ms, open, high, low, close, volume: qty, turnover, trades }
    }

    fn add(&mut self, later: &Self) {
        self.high = self.high.max(later.high);
        self.low = self.low.min(later.low);
        self.close = later.close;
        self.volume += later.volume;
        self.turnover += later.turnover;
        self.trades += later.trades;
    }
}

/// Which klines are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SimKlineSpan {
    /// Length of one in minutes.
    pub minutes: u64,
    /// The first one begins at this time or later.
    pub from_ms: u64,
    /// The last one begins at this time or earlier.
    pub until_ms: u64,
}

/// Prints of one instrument by minute.
#[derive(Clone, Debug, Default)]
pub(super) struct Past {
    own: BTreeMap<u64, SimKline>,
    /// Minute and price at which the made-up past ends.
    end: OnceLock<(u64, Decimal)>,
}

impl Past {
    /// A print.
    pub(super) fn record(&mut self, price: Decimal, qty: Decimal, time_ms: u64) {
        let minute = time_ms / MINUTE_MS;
        self.end.get_or_init(|| (minute, price));
        let print = SimKline::of(minute * MINUTE_MS, price, qty);
        self.own.entry(minute).and_modify(|known| known.add(&print)).or_insert(print);
        if self.own.len() > OWN_MAX {
            self.own.pop_first();
        }
    }

    /// One minute.
    fn minute(&self, minute: u64, end: (u64, Decimal), rules: &SymbolRules, seed: u64) -> SimKline {
        if let Some(own) = self.own.get(&minute) {
            return *own;
        }
        if minute < end.0 {
            return made_up(minute, end, rules, seed);
        }
        let before = self.own.range(..minute).next_back().map_or(end.1, |(_, before)| before.close);
        SimKline::of(minute * MINUTE_MS, before, Decimal::ZERO)
    }
}

/// A number from -1 to 1 for each crest of each wave.
fn crest(seed: u64, octave: u32, number: u64) -> f64 {
    let mut random = Random::new(seed, (u64::from(octave) << 56) ^ number);
    random.between(-1.0, 1.0)
}

fn noise(seed: u64, minute: u64) -> f64 {
    let (mut sum, mut height) = (0.0, HEIGHT);
    for octave in 0..OCTAVES {
        let number = minute >> octave;
        let part = (minute - (number << octave)) as f64 / (1u64 << octave) as f64;
        let (before, after) = (crest(seed, octave, number), crest(seed, octave, number + 1));
        sum += height * (before + (after - before) * part);
        height *= std::f64::consts::SQRT_2;
    }
    sum
}

fn made_up(minute: u64, end: (u64, Decimal), rules: &SymbolRules, seed: u64) -> SimKline {
    let last = (end.1 / rules.tick_size).to_f64().unwrap_or(1.0);
    // In ticks.
    let price = |at: u64| last * (1.0 + noise(seed, at) - noise(seed, end.0));
    let (open, close) = (price(minute).round().max(1.0), price(minute + 1).round().max(1.0));
    let mut random = Random::new(seed, !minute);
    let high = (open.max(close) * (1.0 + WICK * random.unit())).ceil();
    let low = (open.min(close) * (1.0 - WICK * random.unit())).floor().max(1.0);
    let lots = 1.0 + (2_000.0 * random.unit() * random.unit()).floor();
    let trades = 1 + random.index(30) as u64;
    let whole = |number: f64| Decimal::from(number as u64);
    let at = |ticks: f64| whole(ticks) * rules.tick_size;
    let volume = whole(lots) * rules.lot_size;
    let (open, high, low, close) = (at(open), at(high), at(low), at(close));
    let start_ms = minute * MINUTE_MS;
    SimKline { start_ms, open, high, low, close, volume, turnover: volume * close, trades }
}

/// All instruments of a pair have the same past.
fn seed(pair: &str) -> u64 {
    pair.bytes()
        .fold(0x9e37_79b9, |seed, byte| seed.wrapping_mul(0x100_0000_01b3) ^ u64::from(byte))
}

impl Exchange {
    /// Klines by rising time, of all intervals that begin in a span; the last one may be open. `None`
    /// without such a symbol; none while nothing has a price.
    #[must_use]
    pub fn klines(&self, symbol: &str, span: SimKlineSpan, now_ms: u64) -> Option<Vec<SimKline>> {
        let place = self.listing(symbol)?;
        let (rules, listing) = (&self.rules[place], &self.listings[place]);
        let now = now_ms / MINUTE_MS;
        let end = match (listing.past.end.get(), self.price_now(symbol)) {
            (Some(end), _) => *end,
            (None, Some(price)) => *listing.past.end.get_or_init(|| (now, price)),
            (None, None) => return Some(Vec::new()),
        };
        let length = span.minutes.max(1);
        let first = span.from_ms.div_ceil(length * MINUTE_MS);
        let last = (span.until_ms.min(now_ms)) / (length * MINUTE_MS);
        let rows_max = (MINUTES_MAX / length).clamp(1, ROWS_MAX);
        let rows = first.max((last + 1).saturating_sub(rows_max))..=last;
        let seed = seed(&rules.pair());
        let minute = |minute| listing.past.minute(minute, end, rules, seed);
        let kline = |number: u64| {
            let from = number * length;
            let mut all = minute(from);
            (from + 1..=now.min(from + length - 1)).for_each(|at| all.add(&minute(at)));
            all
        };
        Some(rows.map(kline).collect())
    }

    /// The last price, else the middle of the book, on the grid of ticks.
    fn price_now(&self, symbol: &str) -> Option<Decimal> {
        let (_, bids, asks) = self.depth(symbol, 1)?;
        let middle = || {
            let (bid, ask) = (bids.first()?.0, asks.first()?.0);
            let tick = self.rules(symbol)?.tick_size;
            Some(((bid + ask) / Decimal::TWO / tick).floor() * tick)
        };
        self.last_price(symbol).or_else(middle).filter(|price| *price > Decimal::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> SymbolRules {
        SymbolRules {
            symbol: "BTCUSDT".to_owned(),
            base: "BTC".to_owned(),
            quote: "USDT".to_owned(),
            tick_size: Decimal::new(1, 2),
            lot_size: Decimal::new(1, 5),
            price_min: Decimal::new(1, 2),
            price_max: Decimal::from(1_000_000),
            qty_min: Decimal::new(1, 5),
            qty_max: Decimal::from(9_000),
            qty_market_max: Decimal::from(100),
            notional_min: Decimal::from(5),
            notional_max: Decimal::from(9_000_000),
            maker_fee: Decimal::ZERO,
            taker_fee: Decimal::ZERO,
            fee_decimals: 8,
            perpetual: None,
        }
    }

    const NOW: u64 = 1_800_000_030_000;

    fn venue() -> Exchange {
        Exchange::new(vec![rules()], Vec::new())
    }

    fn span(minutes: u64, back_ms: u64) -> SimKlineSpan {
        SimKlineSpan { minutes, from_ms: NOW - back_ms, until_ms: NOW }
    }

    fn print(exchange: &mut Exchange, price: i64, qty: i64, time_ms: u64) {
        exchange.listings[0].past.record(Decimal::from(price), Decimal::from(qty), time_ms);
    }

    #[test]
    fn the_made_up_past_is_whole_the_same_every_time_and_ends_at_the_first_price() {
        let mut exchange = venue();
        let all = span(1, 120 * MINUTE_MS);
        assert_eq!(exchange.klines("NOPE", all, NOW), None);
        assert_eq!(exchange.klines("BTCUSDT", all, NOW), Some(Vec::new()), "nothing has a price");
        print(&mut exchange, 60_000, 2, NOW);
        let klines = exchange.klines("BTCUSDT", all, NOW).unwrap();
        assert_eq!(klines.len(), 120);
        for pair in klines.windows(2) {
            assert_eq!(pair[0].start_ms + MINUTE_MS, pair[1].start_ms);
            assert_eq!(pair[0].close, pair[1].open);
            assert!(pair[0].low <= pair[0].open.min(pair[0].close) && pair[0].low > Decimal::ZERO);
            assert!(pair[0].high >= pair[0].open.max(pair[0].close));
        }
        let own = SimKline::of(NOW - 30_000, Decimal::from(60_000), Decimal::TWO);
        assert_eq!(klines.last(), Some(&own));
        let mut other = venue();
        print(&mut other, 60_000, 2, NOW);
        assert_eq!(other.klines("BTCUSDT", all, NOW), Some(klines.clone()));
        assert_eq!(klines[0].open, Decimal::new(6_042_684, 2), "the same on every machine");
        let moves = klines.iter().filter(|kline| kline.open != kline.close).count();
        assert!(moves > 100);
    }

    #[test]
    fn longer_klines_are_made_of_the_shorter_ones() {
        let mut exchange = venue();
        for minute in 0..9 {
            let at = NOW - minute * 70_000;
            print(&mut exchange, 60_000 + minute as i64, 1, at);
        }
        let short = exchange.klines("BTCUSDT", span(1, 90 * MINUTE_MS), NOW).unwrap();
        for kline in exchange.klines("BTCUSDT", span(15, 80 * MINUTE_MS), NOW).unwrap() {
            let inside = |part: &&SimKline| {
                (kline.start_ms..kline.start_ms + 15 * MINUTE_MS).contains(&part.start_ms)
            };
            let parts: Vec<&SimKline> = short.iter().filter(inside).collect();
            assert_eq!(kline.open, parts[0].open);
            assert_eq!(kline.close, parts[parts.len() - 1].close);
            assert_eq!(Some(kline.high), parts.iter().map(|part| part.high).max());
            assert_eq!(Some(kline.low), parts.iter().map(|part| part.low).min());
            assert_eq!(kline.volume, parts.iter().map(|part| part.volume).sum());
            assert_eq!(kline.trades, parts.iter().map(|part| part.trades).sum::<u64>());
        }
    }

    #[test]
    fn minutes_without_a_print_keep_the_last_price() {
        let mut exchange = venue();
        print(&mut exchange, 60_000, 1, NOW - 5 * MINUTE_MS);
        print(&mut exchange, 60_010, 3, NOW - 5 * MINUTE_MS);
        let klines = exchange.klines("BTCUSDT", span(1, 6 * MINUTE_MS), NOW).unwrap();
        assert_eq!(
            (klines[0].close, klines[0].trades, klines[0].volume),
            (Decimal::from(60_010), 2, Decimal::from(4))
        );
        let quiet = &klines[1];
        assert_eq!(
            (quiet.open, quiet.close, quiet.volume),
            (klines[0].close, klines[0].close, Decimal::ZERO)
        );
        assert_eq!(klines.len(), 6);
    }
}
