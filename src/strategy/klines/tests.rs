//! Klines against a plain computation, history against trades, and the desk on a region in memory.

use super::desk::KlineDesk;
use super::*;
use crate::shm::{FeedHealth, HealthWriter, Market, RegionOptions, TradeWriter};
use crate::types::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

const STEP: u64 = 60_000_000_000;
/// A whole minute.
const START: Nanos = Nanos(1_800_000_000_000_000_000);

fn trade(at_ms: u64, price: i64, qty: i64) -> Trade {
    Trade {
        instrument: InstrumentId(0),
        taker: Side::Buy,
        price: Price(price),
        qty: Qty(qty),
        trade_id: at_ms,
        event_ns: START.plus(at_ms * 1_000_000),
    }
}

/// What the venue would say of these trades at a time: every interval from the first trade on.
fn naive(trades: &[Trade], as_of: Nanos) -> Vec<Kline> {
    let mut by_start: BTreeMap<u64, Vec<&Trade>> = BTreeMap::new();
    for trade in trades {
        by_start.entry(trade.event_ns.0 / STEP).or_default().push(trade);
    }
    let Some(first) = by_start.keys().next().copied() else { return Vec::new() };
    let mut close = Price(0);
    let kline = |minute: u64| {
        let all = by_start.get(&minute).map_or(&[][..], Vec::as_slice);
        let prices = || all.iter().map(|trade| trade.price);
        let before = close;
        close = prices().next_back().unwrap_or(before);
        let is_closed = Nanos((minute + 1) * STEP) <= as_of;
        Kline {
            open_ns: Nanos(minute * STEP),
            open: prices().next().unwrap_or(before),
            high: prices().max().unwrap_or(before),
            low: prices().min().unwrap_or(before),
            close,
            volume: Qty(all.iter().map(|trade| trade.qty.0).sum()),
            trades: Some(all.len() as u32),
            is_closed,
            is_complete: is_closed,
        }
    };
    (first..=as_of.0 / STEP).map(kline).collect()
}

fn trades() -> impl Strategy<Value = Vec<Trade>> {
    let one = (0u64..150_000, 90i64..110, 1i64..100);
    prop::collection::vec(one, 1..60).prop_map(|rows| {
        let mut at = 0;
        let next = |(pause, price, qty)| {
            // Most come soon after each other, some minutes later.
            at += if pause < 50_000 { pause } else { pause % 3_000 };
            trade(at, price, qty)
        };
        rows.into_iter().map(next).collect()
    })
}

fn closed(series: &Series) -> Vec<Kline> {
    series.iter().filter(|kline| kline.is_closed).copied().collect()
}

proptest! {
    #[test]
    fn klines_of_trades_are_those_of_a_plain_computation(trades in trades(), kept in 2usize..80) {
        let mut series = Series::new(Interval::M1, kept);
        series.set_flowing(true, Nanos(0));
        trades.iter().for_each(|trade| series.on_trade(trade));
        let end = trades.last().unwrap().event_ns.plus(5 * STEP);
        series.on_time(end.plus(CLOSE_GRACE_NS));
        let mut expected = naive(&trades, end);
        expected.retain(|kline| kline.is_closed);
        let expected = &expected[expected.len().saturating_sub(kept)..];
        prop_assert_eq!(closed(&series), expected);
        prop_assert_eq!(series.counters().trades, trades.len() as u64);
        prop_assert_eq!(series.counters().late, 0);
    }

    /// Trades are seen from the middle on; history is read later, and once more at the end.
    #[test]
    fn history_and_trades_join_without_a_hole_and_without_counting_twice(
        trades in trades(),
        seen_from in 0usize..60,
        read_after in 0usize..60,
        leaves_out_empty in any::<bool>(),
    ) {
        let from = seen_from.min(trades.len() - 1);
        let read = (from + read_after).min(trades.len());
        let stated = |upto: &[Trade], as_of: Nanos| {
            let mut rows = naive(upto, as_of);
            rows.retain(|row| !leaves_out_empty || row.volume > Qty::ZERO);
            rows
        };
        let mut series = Series::new(Interval::M1, 512);
        series.set_flowing(true, trades[from].event_ns);
        trades[from..read].iter().for_each(|trade| series.on_trade(trade));
        let at = trades[read.max(1) - 1].event_ns;
        series.on_history(&stated(&trades[..read], at));
        trades[read..].iter().for_each(|trade| series.on_trade(trade));
        let last = trades.last().unwrap().event_ns;
        series.on_time(last.plus(STEP + CLOSE_GRACE_NS));
        let whole = stated(&trades, last.plus(2 * STEP));
        series.on_history(&whole);
        let mut expected = naive(&trades, last.plus(STEP));
        expected.retain(|kline| kline.is_closed);
        let ours: Vec<Kline> = closed(&series).into_iter().take(expected.len()).collect();
        prop_assert_eq!(ours, expected);
        prop_assert_eq!(series.counters().differing, 0);
    }

    #[test]
    fn no_order_of_trades_breaks_the_row_of_klines(
        rows in prop::collection::vec((0u64..u64::MAX, -5i64..5, i64::MIN..i64::MAX), 1..50),
        rules in prop::collection::vec((0u64..40, 1i64..9, any::<bool>()), 0..20),
    ) {
        let mut series = Series::new(Interval::M1, 16);
        for (at, price, qty) in rows {
            let event_ns = if price > 0 { Nanos(at) } else { START.plus(at % (40 * STEP)) };
            series.on_trade(&Trade { event_ns, ..trade(0, price, qty.saturating_abs()) });
            series.on_time(Nanos(at));
        }
        let mut history: Vec<Kline> = rules
            .into_iter()
            .map(|(minute, price, is_closed)| Kline {
                is_closed,
                ..Kline::flat(START.plus(minute * STEP), Price(price))
            })
            .collect();
        history.sort_by_key(|row| row.open_ns);
        history.dedup_by_key(|row| row.open_ns);
        series.on_history(&history);
        prop_assert!(series.len() <= 16);
        let all: Vec<Kline> = series.iter().copied().collect();
        for pair in all.windows(2) {
            prop_assert_eq!(pair[0].end_ns(Interval::M1), pair[1].open_ns);
            prop_assert!(pair[0].is_closed);
        }
    }
}

#[test]
fn a_late_trade_is_counted_and_its_kline_is_not_complete_any_more() {
    let mut series = Series::new(Interval::M1, 8);
    series.set_flowing(true, Nanos(0));
    for at in [10_000, 70_000, 130_000] {
        series.on_trade(&trade(at, 100, 1));
    }
    series.on_trade(&trade(69_999, 200, 1));
    let second = series.closed_from(START.plus(STEP)).unwrap();
    assert_eq!((second.high, second.volume, second.is_complete), (Price(100), Qty(1), false));
    assert_eq!((series.counters().late, series.counters().trades), (1, 3));
    assert_eq!(series.incomplete_from(Nanos(0)).unwrap().open_ns, START.plus(STEP));
}

#[test]
fn the_clock_closes_a_kline_after_a_grace_and_fills_quiet_minutes() {
    let mut series = Series::new(Interval::M1, 8);
    series.set_flowing(true, Nanos(0));
    series.on_time(START.plus(100 * STEP));
    assert!(series.is_empty(), "no price is known");
    series.on_trade(&trade(10_000, 100, 1));
    series.on_time(START.plus(STEP + CLOSE_GRACE_NS - 1));
    assert_eq!(series.last_closed(), None);
    assert_eq!(series.open().unwrap().close, Price(100));
    series.on_time(START.plus(STEP + CLOSE_GRACE_NS));
    assert_eq!(series.last_closed().unwrap().open_ns, START);
    series.on_time(START.plus(3 * STEP + CLOSE_GRACE_NS));
    let quiet = series.last_closed().unwrap();
    assert_eq!((quiet.open_ns, quiet.trades), (START.plus(2 * STEP), Some(0)));
    assert_eq!((quiet.open, quiet.close, quiet.is_complete), (Price(100), Price(100), true));
    assert_eq!(series.counters().filled, 2);
    // More than the ring holds: what is left is contiguous and ends where the clock is.
    series.on_time(START.plus(10_000 * STEP + CLOSE_GRACE_NS));
    assert_eq!(
        (series.len(), series.last_closed().unwrap().open_ns),
        (8, START.plus(9_999 * STEP))
    );
}

#[test]
fn what_may_lack_trades_says_so() {
    let mut series = Series::new(Interval::M1, 8);
    series.set_flowing(true, START.plus(5_000_000_000));
    for at in [10_000, 70_000, 130_000] {
        series.on_trade(&trade(at, 100, 1));
    }
    let complete = |series: &Series| -> Vec<bool> {
        series.iter().filter(|kline| kline.is_closed).map(|kline| kline.is_complete).collect()
    };
    assert_eq!(complete(&series), [false, true], "the first one began before its trades were seen");
    series.set_flowing(false, START.plus(135_000_000_000));
    series.on_time(START.plus(5 * STEP));
    series.set_flowing(true, START.plus(5 * STEP + 1));
    series.on_trade(&trade(310_000, 100, 1));
    series.on_trade(&trade(370_000, 100, 1));
    series.on_time(START.plus(8 * STEP));
    assert_eq!(complete(&series), [false, true, false, false, false, false, true]);
}

/// A desk on a region with one instrument.
struct Scene {
    desk: KlineDesk,
    fetcher: HistoryDesk,
    trades: TradeWriter,
    health: HealthWriter,
    market: Market,
    now: Nanos,
}

impl Scene {
    fn new() -> Self {
        let mut table = InstrumentTable::default();
        let (base, quote) = (table.assets.intern("BTC"), table.assets.intern("USDT"));
        let name = "BTC/USDT@a".to_owned();
        table.add(Instrument { name, base, quote, ..Instrument::default() });
        let table = Arc::new(table);
        let options = RegionOptions { trades: 64, ..RegionOptions::default() };
        let market = Market::in_memory(&table, &options).unwrap();
        let fetcher = HistoryDesk::default();
        let mut desk = KlineDesk::default();
        desk.set_history(fetcher.end());
        let now = START.plus(30_000_000_000);
        assert!(desk.follow(&market.view(), InstrumentId(0), Interval::M1, now));
        assert!(!desk.follow(&market.view(), InstrumentId(0), Interval::M1, now), "twice");
        assert!(!desk.follow(&market.view(), InstrumentId(9), Interval::M1, now), "unknown");
        let health = market.health_writer(VenueId(0)).unwrap();
        let trades = market.trade_writer(InstrumentId(0)).unwrap();
        Self { desk, fetcher, trades, health, market, now }
    }

    fn feed(&mut self, state: Readiness, reconnects: u64) {
        let health = FeedHealth { state, reconnects, ..FeedHealth::default() };
        self.health.feed.publish(&health);
    }

    /// A print with its message's number.
    fn print(&mut self, trade: &Trade, message: u64) {
        self.trades.publish(trade, Nanos(message));
    }

    fn pump(&mut self, until_s: u64) {
        self.now = START.plus(until_s * 1_000_000_000);
        self.desk.pump(&self.market.view(), self.now);
    }

    fn events(&mut self) -> Vec<(u64, i64, bool)> {
        let mut events = Vec::new();
        while let Some(event) = self.desk.next() {
            let minute = event.kline.open_ns.0.wrapping_sub(START.0) as i64 / STEP as i64;
            events.push((minute as u64, event.kline.close.0, event.is_past));
        }
        events
    }

    fn series(&self) -> &Series {
        self.desk.series(InstrumentId(0), Interval::M1).unwrap()
    }

    fn wish(&self) -> Option<HistoryRequest> {
        self.fetcher.next(std::time::Duration::ZERO)
    }

    fn answer(&mut self, klines: Option<Vec<Kline>>) -> HistoryWish {
        let request = self.wish().expect("a wish");
        let wish = request.wish;
        assert!(request.answer(klines));
        wish
    }
}

fn minute(number: i64, price: i64, is_closed: bool) -> Kline {
    let open_ns = Nanos((START.0 as i64 + number * STEP as i64) as u64);
    let flat = Kline::flat(open_ns, Price(price));
    Kline { volume: Qty(5), trades: None, is_closed, is_complete: is_closed, ..flat }
}

const BEFORE: u64 = -1i64 as u64;

#[test]
fn klines_are_handed_out_once_history_is_there_and_then_as_they_close() {
    let mut scene = Scene::new();
    scene.feed(Readiness::Ready, 0);
    scene.pump(31);
    scene.print(&trade(40_000, 101, 1), 1);
    scene.print(&trade(61_000, 102, 1), 2);
    scene.pump(62);
    assert_eq!(scene.series().history(), History::NotYet);
    assert_eq!(scene.events(), [], "not before history");
    let wish =
        scene.answer(Some(vec![minute(-2, 98, true), minute(-1, 99, true), minute(0, 100, false)]));
    assert_eq!((wish.interval, wish.from), (Interval::M1, Nanos(0)));
    scene.pump(63);
    assert_eq!(scene.series().history(), History::Loaded);
    assert_eq!(scene.events(), [(BEFORE - 1, 98, true), (BEFORE, 99, true), (0, 101, false)]);
    let first = scene.series().closed_from(START).unwrap();
    assert_eq!((first.open, first.volume, first.is_complete), (Price(100), Qty(1), false));
    // Once it is settled at the venue the one that lacks its begin is asked for again.
    scene.pump(64);
    assert!(scene.wish().is_none());
    scene.pump(66);
    let truth = Kline { high: Price(107), volume: Qty(9), ..minute(0, 101, true) };
    let wish = scene.answer(Some(vec![minute(-1, 99, true), truth, minute(1, 102, false)]));
    assert_eq!(wish.from, Nanos(START.0 - STEP));
    scene.pump(67);
    assert_eq!(scene.series().closed_from(START), Some(&truth));
    assert_eq!(scene.series().counters().corrected, 1);
    assert_eq!(scene.events(), [], "handed out once");
    scene.pump(122);
    assert_eq!(scene.events(), [(1, 102, false)]);
    assert!(scene.series().last_closed().unwrap().is_complete);
}

#[test]
fn without_history_klines_of_trades_are_handed_out_after_some_refusals() {
    let mut scene = Scene::new();
    scene.feed(Readiness::Ready, 0);
    scene.pump(31);
    scene.print(&trade(40_000, 101, 1), 1);
    for refusal in 0..REFUSED_MAX {
        scene.pump(62 + 16 * refusal);
        assert_eq!(scene.events(), [], "held back");
        scene.answer(None);
        scene.pump(63 + 16 * refusal);
    }
    assert_eq!(scene.series().history(), History::NotYet);
    assert_eq!(scene.series().counters().refused, REFUSED_MAX);
    assert_eq!(scene.events(), [(0, 101, false)]);
    scene.pump(63 + 16 * REFUSED_MAX);
    scene.answer(Some(vec![minute(-1, 99, true)]));
    scene.pump(64 + 16 * REFUSED_MAX);
    assert_eq!(scene.series().iter().next().unwrap().close, Price(99), "it is in the series");
    assert_eq!(scene.events(), [], "but too late to be handed out");
}

#[test]
fn a_venue_without_history_is_asked_less_and_less() {
    let mut scene = Scene::new();
    scene.feed(Readiness::Ready, 0);
    let (mut at, mut pauses) = (31, Vec::new());
    scene.pump(at);
    scene.answer(None);
    scene.pump(at);
    while pauses.len() < 12 {
        let begun = at;
        let request = loop {
            at += 1;
            scene.pump(at);
            if let Some(request) = scene.wish() {
                break request;
            }
        };
        pauses.push(at - begun);
        assert!(request.answer(None));
        scene.pump(at);
    }
    assert_eq!(pauses, [15, 15, 15, 30, 60, 120, 240, 480, 960, 960, 960, 960]);
}

#[test]
fn copies_and_overwritten_prints_are_counted() {
    let mut scene = Scene::new();
    scene.feed(Readiness::Ready, 0);
    scene.pump(31);
    // Two alike in one message are two trades; the same in another message is a copy.
    scene.print(&trade(70_000, 100, 1), 1);
    scene.print(&trade(70_000, 100, 1), 1);
    scene.print(&trade(70_000, 100, 1), 2);
    scene.print(&Trade { event_ns: Nanos(0), ..trade(0, 100, 1) }, 3);
    scene.pump(71);
    let kline = *scene.series().open().unwrap();
    assert_eq!((kline.volume, kline.trades, kline.is_complete), (Qty(2), Some(2), true));
    assert_eq!((scene.desk.lost.copies, scene.desk.lost.unusable), (1, 1));
    for at in 0..200 {
        scene.print(&trade(71_000 + at, 100, 1), 4 + at);
    }
    scene.pump(72);
    assert!(scene.desk.lost.missed > 0);
    assert!(!scene.series().open().unwrap().is_complete);
    scene.print(&trade(121_000, 100, 1), 500);
    scene.pump(122);
    assert!(scene.series().open().unwrap().is_complete);
    scene.feed(Readiness::Ready, 1);
    scene.pump(123);
    assert!(!scene.series().open().unwrap().is_complete, "a connection was lost");
}
