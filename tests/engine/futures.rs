//! Perpetuals through everything: a position is opened, made smaller and turned around, with all well
//! and with a venue that loses, repeats and breaks off; and fills, wallet and position are the venue's
//! own to the last digit.

use super::{Own, PATIENCE, futures_config, start_with, stop};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use stoop::cli::ledger::differences;
use stoop::sim::{EmbeddedOptions, Fault};
use stoop::strategy::prelude::*;
use stoop::types::{OrderState, ReportKind, VenueId};

/// Where a test trades: the instrument, its venue, and paths of connections that are cut one by one.
struct Place {
    name: &'static str,
    venue: &'static str,
    paths: [&'static str; 3],
}

const BINANCE: Place = Place {
    name: "BTC/USDT:USDT@binance",
    venue: "binance_usdm",
    paths: ["/private", "/ws-fapi", "/market"],
};

/// A unified account: the same wallet is for spot.
const BYBIT: Place = Place {
    name: "BTC/USDT:USDT@bybit",
    venue: "bybit",
    paths: ["/private", "/trade", "/public/linear"],
};

/// Buys, sells a part of it, and sells the rest and as much again: short in the end.
struct Trader {
    name: &'static str,
    instrument: Option<InstrumentRef>,
    /// Orders that were filled.
    filled: Arc<AtomicU64>,
    working: bool,
    /// Not before: a fill may be told before the venue takes the next order.
    next: Nanos,
}

/// Side and quantity of each order.
const ORDERS: [(Side, &str); 3] =
    [(Side::Buy, "0.004"), (Side::Sell, "0.001"), (Side::Sell, "0.006")];

impl Strategy for Trader {
    fn on_start(&mut self, ctx: &mut Context) {
        self.instrument = ctx.instrument(self.name);
        ctx.watch(&self.instrument.unwrap()).unwrap();
    }

    fn on_timer(&mut self, ctx: &mut Context) {
        let instrument = self.instrument.unwrap();
        let best = ctx.best(&instrument);
        let step = self.filled.load(Ordering::Relaxed) as usize;
        if self.working || !best.is_live() || step >= ORDERS.len() || ctx.now() < self.next {
            return;
        }
        let (side, qty) = ORDERS[step];
        let qty = instrument.qty(qty.parse().unwrap()).unwrap();
        // Through the book, so that all of it is taken.
        let price = |price: Price, permille: i64, rounding| {
            Price(price.0 / 1000 * permille).round_to(instrument.tick_size, rounding)
        };
        let signal = match side {
            Side::Buy => ctx.signal().buy(&instrument, qty).limit_at(price(
                best.ask.price,
                1002,
                Rounding::Up,
            )),
            Side::Sell => ctx.signal().sell(&instrument, qty).limit_at(price(
                best.bid.price,
                998,
                Rounding::Down,
            )),
        };
        self.working = signal.emit().is_ok();
    }

    fn on_report(&mut self, ctx: &mut Context, report: &StrategyReport) {
        match (report.kind, report.state) {
            (ReportKind::Fill, OrderState::Filled) => {
                self.filled.fetch_add(1, Ordering::Relaxed);
                (self.working, self.next) = (false, ctx.now().plus(50_000_000));
            }
            // Not ready yet: once more.
            (ReportKind::Rejected, _) => {
                (self.working, self.next) = (false, ctx.now().plus(50_000_000));
            }
            _ => {}
        }
    }
}

#[test]
fn positions_wallet_and_fills_are_those_of_the_venue() {
    trade(&BINANCE, &EmbeddedOptions::default());
}

#[test]
fn so_they_are_where_one_account_is_for_spot_too() {
    trade(&BYBIT, &EmbeddedOptions::default());
}

/// Held until funding was paid, which the private socket and the list of a reconciliation tell of.
#[test]
fn funding_is_booked_once_and_is_the_venues_own() {
    let paid_ms = Some(15_000);
    trade(&BYBIT, &EmbeddedOptions { funding_interval_ms: paid_ms, ..EmbeddedOptions::default() });
}

fn trade(place: &Place, options: &EmbeddedOptions) {
    let filled = Arc::new(AtomicU64::new(0));
    let trader = Trader {
        name: place.name,
        instrument: None,
        filled: filled.clone(),
        working: false,
        next: Nanos(0),
    };
    let config = futures_config(place.name, &["trader"]);
    let own: Own = vec![("trader".to_owned(), Box::new(trader))];
    let started = start_with(&config, own, options).unwrap();
    let begun = Instant::now();
    while filled.load(Ordering::Relaxed) < 3 && begun.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(2));
    }
    let key = started.setups[0].credentials.as_ref().unwrap().key.clone();
    let paid = || {
        let ledger = started.sim.ledger(place.venue, &key).unwrap();
        ledger.funding.values().any(|sum| !sum.is_zero())
    };
    while options.funding_interval_ms.is_some() && !paid() && begun.elapsed() < 2 * PATIENCE {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(paid(), options.funding_interval_ms.is_some());
    // What the stream tells of the wallet comes behind the fill.
    std::thread::sleep(Duration::from_millis(300));
    let venue: VenueId = config.venues[0].venue;
    let ledger = started.sim.ledger(place.venue, &key).unwrap();
    let instruments = started.setups[0].instruments.clone();
    let last = stop(started.engine, started.sim);
    let lines: Vec<_> = started.lines.take().into_iter().map(|line| line.text).collect();
    assert_eq!(filled.load(Ordering::Relaxed), 3, "{last:#?}\n{}", lines.join("\n"));
    assert_eq!(differences(&instruments, &last, &[(venue, ledger)]), [""; 0]);
    assert_eq!(last.counters.quarantined, 0);
}

/// Buys and sells by turns, through the book, for as long as it may.
struct Churner {
    name: &'static str,
    instrument: Option<InstrumentRef>,
    ended: Arc<AtomicU64>,
    allowed: Arc<AtomicBool>,
    working: bool,
    next: Nanos,
}

impl Strategy for Churner {
    fn on_start(&mut self, ctx: &mut Context) {
        self.instrument = ctx.instrument(self.name);
        ctx.watch(&self.instrument.unwrap()).unwrap();
    }

    fn on_timer(&mut self, ctx: &mut Context) {
        let instrument = self.instrument.unwrap();
        let best = ctx.best(&instrument);
        let allowed = self.allowed.load(Ordering::Relaxed);
        if self.working || !allowed || !best.is_live() || ctx.now() < self.next {
            return;
        }
        let qty = instrument.qty("0.003".parse().unwrap()).unwrap();
        let buys = self.ended.load(Ordering::Relaxed).is_multiple_of(2);
        let (price, permille, rounding) = match buys {
            true => (best.ask.price, 1002, Rounding::Up),
            false => (best.bid.price, 998, Rounding::Down),
        };
        let price = Price(price.0 / 1000 * permille).round_to(instrument.tick_size, rounding);
        let signal = match buys {
            true => ctx.signal().buy(&instrument, qty),
            false => ctx.signal().sell(&instrument, qty),
        };
        self.working = signal.limit_at(price).emit().is_ok();
    }

    fn on_report(&mut self, ctx: &mut Context, report: &StrategyReport) {
        if report.state.is_terminal() {
            self.ended.fetch_add(1, Ordering::Relaxed);
            (self.working, self.next) = (false, ctx.now().plus(20_000_000));
        }
    }
}

#[test]
fn whatever_the_venue_loses_repeats_or_breaks_off_the_books_agree() {
    churn(&BINANCE);
}

#[test]
fn so_they_do_where_one_account_is_for_spot_too() {
    churn(&BYBIT);
}

fn churn(place: &Place) {
    let (ended, allowed) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(true)));
    let churner = Churner {
        name: place.name,
        instrument: None,
        ended: ended.clone(),
        allowed: allowed.clone(),
        working: false,
        next: Nanos(0),
    };
    let config = futures_config(place.name, &["churner"]);
    let own: Own = vec![("churner".to_owned(), Box::new(churner))];
    let started = start_with(&config, own, &EmbeddedOptions::default()).unwrap();
    let sim = started.sim;
    let wait = |more: u64, patience: Duration| {
        let (goal, begun) = (ended.load(Ordering::Relaxed) + more, Instant::now());
        while ended.load(Ordering::Relaxed) < goal && begun.elapsed() < patience {
            std::thread::sleep(Duration::from_millis(2));
        }
        ended.load(Ordering::Relaxed) >= goal
    };
    assert!(wait(4, PATIENCE), "it does not trade at all");
    let one = |path: &str| Fault::CutOne { path_contains: path.to_owned(), index: 0 };
    for (fault, back) in [
        (Fault::RepeatEvents(500), None),
        (Fault::LoseReplies(true), Some(Fault::LoseReplies(false))),
        (one(place.paths[0]), None),
        (one(place.paths[1]), None),
        (one(place.paths[2]), None),
        (Fault::CutMessages, None),
        (Fault::FailReplies(true), Some(Fault::FailReplies(false))),
        (Fault::CutConnections, None),
        (Fault::Restart { keep_orders: true }, None),
    ] {
        let text = format!("{fault:?}");
        assert!(sim.fault(place.venue, fault));
        std::thread::sleep(Duration::from_millis(400));
        if let Some(back) = back {
            assert!(sim.fault(place.venue, back));
        }
        assert!(wait(3, PATIENCE), "after {text} it trades no more");
    }
    allowed.store(false, Ordering::Relaxed);
    std::thread::sleep(Duration::from_millis(1_500));
    started.engine.stop();
    let asked = Instant::now();
    while !started.engine.has_stopped() && asked.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(5));
    }
    let last = started.engine.join();
    let key = started.setups[0].credentials.as_ref().unwrap().key.clone();
    let ledger = sim.ledger(place.venue, &key).unwrap();
    sim.stop();
    let instruments = started.setups[0].instruments.clone();
    let found = differences(&instruments, &last, &[(config.venues[0].venue, ledger)]);
    let lines: Vec<_> = started.lines.take().into_iter().map(|line| line.text).collect();
    assert_eq!(found, [""; 0], "{last:#?}\n{}", lines.join("\n"));
}
