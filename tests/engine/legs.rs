//! Leg contracts against the simulated venues with every answer 100 ms late: how long two legs
//! take, and how long one is naked when the other is refused.

use super::{PATIENCE, Started, config, start_with, stop};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};
use stoop::agents::{Engine, FinalState};
use stoop::shm::PairReader;
use stoop::sim::{EmbeddedOptions, Fault, SimHandle};
use stoop::strategy::prelude::*;
use stoop::types::{Breach, PairEnd, PairOutcome};

const DELAY_MS: u64 = 100;
const PAIRS: usize = 3;

/// Sends a pair whenever it is asked to: buys on one venue, sells on the other, both far enough
/// through the book to fill.
struct Pairer {
    asked: Receiver<LegMode>,
    live: Sender<()>,
    said: bool,
}

impl Pairer {
    fn through(market: &InstrumentRef, price: Price, per_mille: i64) -> Price {
        Price(price.0 / 1_000 * per_mille).round_to(market.tick_size, Rounding::Down)
    }
}

impl Strategy for Pairer {
    fn on_start(&mut self, ctx: &mut Context) {
        for name in ["BTC/USDT@binance", "BTC/USDT@bybit"] {
            let market = ctx.instrument(name).unwrap();
            ctx.watch(&market).unwrap();
        }
    }

    fn on_book(&mut self, ctx: &mut Context, _changed: InstrumentId) {
        let a = ctx.instrument("BTC/USDT@binance").unwrap();
        let b = ctx.instrument("BTC/USDT@bybit").unwrap();
        let (buy, sell) = (ctx.best(&a), ctx.best(&b));
        if !buy.is_live() || !sell.is_live() {
            return;
        }
        if !self.said {
            self.said = true;
            self.live.send(()).unwrap();
        }
        let Ok(mode) = self.asked.try_recv() else { return };
        let qty = a.qty(Decimal::new(1, 2)).unwrap();
        let signal = ctx
            .signal()
            .buy(&a, qty)
            .limit_at(Self::through(&a, buy.ask.price, 1_003))
            .sell(&b, qty)
            .limit_at(Self::through(&b, sell.bid.price, 997))
            .ioc()
            .naked_for_ms(500)
            .unwind();
        let signal =
            if mode == LegMode::Sequential { signal.sequential() } else { signal.parallel() };
        signal.emit().unwrap();
    }
}

struct Venues {
    engine: Engine,
    sim: SimHandle,
    ask: Sender<LegMode>,
    pairs: PairReader,
}

impl Venues {
    fn new(options: &EmbeddedOptions) -> Self {
        let config = config("", &["pairer"]);
        let ((ask, asked), (live, is_live)) = (channel(), channel());
        let own: super::Own =
            vec![("pairer".to_owned(), Box::new(Pairer { asked, live, said: false }))];
        let Started { engine, sim, .. } = start_with(&config, own, options).unwrap();
        is_live.recv_timeout(PATIENCE).expect("no live books");
        // The account is known a little later.
        std::thread::sleep(Duration::from_millis(1_000));
        for venue in ["binance", "bybit"] {
            assert!(sim.fault(venue, Fault::DelayMs(DELAY_MS)));
        }
        std::thread::sleep(Duration::from_millis(300));
        let pairs = engine.view().pairs().unwrap();
        Self { engine, sim, ask, pairs }
    }

    fn pair(&mut self, mode: LegMode) -> PairOutcome {
        self.ask.send(mode).unwrap();
        let asked = Instant::now();
        while asked.elapsed() < PATIENCE {
            if let Some(pair) = self.pairs.next().unwrap() {
                return pair;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        panic!("no outcome");
    }

    fn stop(self) -> FinalState {
        stop(self.engine, self.sim)
    }
}

fn ms(nanos: u64) -> f64 {
    nanos as f64 / 1e6
}

fn took_ms(pair: &PairOutcome) -> f64 {
    ms(pair.ended_ns.since(pair.opened_ns))
}

#[test]
fn two_legs_with_slow_venues_take_as_long_as_one() {
    let mut venues = Venues::new(&EmbeddedOptions::default());
    let mut fastest = [f64::MAX; 2];
    for (at, mode) in [LegMode::Parallel, LegMode::Sequential].into_iter().enumerate() {
        for _ in 0..PAIRS {
            let pair = venues.pair(mode);
            println!(
                "{mode:?}: {:.1} ms for two legs, skew {:.1} ms, naked {:.1} ms, cost {:.2} bps",
                took_ms(&pair),
                ms(pair.skew_ns),
                ms(pair.naked_ns),
                pair.cost.0 as f64 / 100_000.0
            );
            assert_eq!((pair.end, pair.left), (PairEnd::Balanced, Qty(0)), "{pair:#?}");
            assert_eq!((pair.mode, pair.hedges), (mode, 0));
            fastest[at] = fastest[at].min(took_ms(&pair));
        }
    }
    let [parallel, sequential] = fastest;
    let delay = DELAY_MS as f64;
    assert!((delay..1.6 * delay).contains(&parallel), "{parallel} ms");
    assert!(sequential >= 2.0 * delay, "{sequential} ms");
    let last = venues.stop();
    assert_eq!(last.unconfirmed, [""; 0]);
    assert_eq!((last.pairs.count, last.pairs.ends[1]), (2 * PAIRS as u64, 2 * PAIRS as u64));
}

#[test]
fn when_one_leg_is_refused_the_other_is_unwound_within_the_bound() {
    let mut options = EmbeddedOptions::default();
    // Nothing to sell anywhere: the sell is refused, the buy is not.
    options.deposits.remove("BTC");
    let mut venues = Venues::new(&options);
    for _ in 0..PAIRS {
        let pair = venues.pair(LegMode::Parallel);
        println!(
            "refused: unwound {:.1} ms after the signal, naked {:.1} ms, cost {:.2} bps",
            took_ms(&pair),
            ms(pair.naked_ns),
            pair.cost.0 as f64 / 100_000.0
        );
        assert_eq!((pair.end, pair.breach), (PairEnd::Unwound, Some(Breach::Refused)), "{pair:#?}");
        assert!(pair.naked_ns < 500_000_000, "naked for {} ms", ms(pair.naked_ns));
        // What the fee took of the purchase, up to a lot.
        assert!(pair.left.0.abs() <= 1_000, "{pair:#?}");
    }
    let last = venues.stop();
    assert_eq!(last.unconfirmed, [""; 0]);
    assert_eq!((last.pairs.count, last.pairs.actions[0]), (PAIRS as u64, PAIRS as u64));
}
