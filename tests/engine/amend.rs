//! Orders that a strategy changes, through everything: its ring, the limits, the venue's own way of
//! saying it, and back.

use super::{PATIENCE, config, futures_config, start, stop};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use stoop::config::Config;
use stoop::strategy::prelude::*;
use stoop::types::{ClientOrderId, OrderState, ReportKind};

/// Rests a bid below the market, makes it smaller, asks for the impossible, then cancels.
struct Amender {
    name: &'static str,
    instrument: Option<InstrumentRef>,
    sent: bool,
    order: ClientOrderId,
    price: Price,
    /// Steps done, in decimal digits: 1 open, 2 replaced, 3 refused, 4 cancelled.
    done: Arc<AtomicU64>,
}

impl Amender {
    fn note(&self, step: u64) {
        let done = self.done.load(Ordering::Relaxed);
        self.done.store(done * 10 + step, Ordering::Relaxed);
    }

    fn qty(&self, text: &str) -> Qty {
        self.instrument.unwrap().qty(text.parse().unwrap()).unwrap()
    }
}

impl Strategy for Amender {
    fn on_start(&mut self, ctx: &mut Context) {
        self.instrument = ctx.instrument(self.name);
        ctx.watch(&self.instrument.unwrap()).unwrap();
    }

    fn on_timer(&mut self, ctx: &mut Context) {
        let instrument = self.instrument.unwrap();
        let best = ctx.best(&instrument);
        if self.sent || !best.is_live() {
            return;
        }
        let tick = instrument.tick_size;
        self.price = Price(best.bid.price.0 * 9 / 10).round_to(tick, Rounding::Down);
        let qty = self.qty("0.004");
        self.sent = ctx.signal().buy(&instrument, qty).limit_at(self.price).emit().is_ok();
    }

    fn on_report(&mut self, ctx: &mut Context, report: &StrategyReport) {
        match (report.kind, report.state) {
            (ReportKind::Accepted, OrderState::Open) if self.order == ClientOrderId::NONE => {
                self.note(1);
                self.order = report.client_id;
                ctx.replace(self.order, self.price, self.qty("0.002")).unwrap();
            }
            (ReportKind::Replaced, OrderState::Open) if self.done.load(Ordering::Relaxed) == 1 => {
                self.note(2);
                // Nothing is left of it at this quantity: our own check refuses.
                ctx.replace(self.order, self.price, Qty::ZERO).unwrap();
            }
            (ReportKind::ReplaceRejected, _) => {
                self.note(3);
                ctx.cancel(self.order).unwrap();
            }
            (ReportKind::Canceled, OrderState::Canceled) => self.note(4),
            // Not ready yet: once more.
            (ReportKind::Rejected, _) => self.sent = false,
            _ => {}
        }
    }
}

fn an_order_is_made_smaller(name: &'static str, config: &Config) {
    let done = Arc::new(AtomicU64::new(0));
    let amender = Amender {
        name,
        instrument: None,
        sent: false,
        order: ClientOrderId::NONE,
        price: Price(0),
        done: done.clone(),
    };
    let own: super::Own = vec![("amender".to_owned(), Box::new(amender))];
    let (engine, sim) = start(config, own).unwrap();
    let begun = Instant::now();
    while done.load(Ordering::Relaxed) != 1234 && begun.elapsed() < PATIENCE {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let last = stop(engine, sim);
    assert_eq!(done.load(Ordering::Relaxed), 1234, "{last:#?}");
    assert_eq!((last.counters.replaces_sent, last.counters.orders_canceled), (1, 1));
    assert_eq!(last.counters.quarantined, 0);
}

#[test]
fn an_order_at_binance_is_made_smaller() {
    an_order_is_made_smaller("BTC/USDT@binance", &config("", &["amender"]));
}

#[test]
fn an_order_at_bybit_is_made_smaller() {
    an_order_is_made_smaller("BTC/USDT@bybit", &config("", &["amender"]));
}

#[test]
fn an_order_for_a_perpetual_is_made_smaller() {
    an_order_is_made_smaller(
        "BTC/USDT:USDT@binance",
        &futures_config("BTC/USDT:USDT@binance", &["amender"]),
    );
}
