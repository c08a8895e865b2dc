//! Strategies: what decides. A strategy reads books from the region, emits signals and learns what
//! became of them; it never touches a socket, an order table or another strategy's memory.
//!
//! Implement the callbacks of [`Strategy`] that you need; or override [`Strategy::poll`] and own
//! the loop, calling what you like of [`Context`]. The same code runs on a thread of the engine
//! or, over the same shared memory, in a process of its own ([`process`]): `run` in `[[strategy]]` says
//! which.
//!
//! A program with a strategy of its own is the whole engine, all commands included:
//!
//! ```no_run
//! use std::process::ExitCode;
//! use stoop::strategy::prelude::*;
//!
//! /// Buys one ETH once it is offered at 2 400 or less.
//! #[derive(Default)]
//! struct BuyCheap {
//!     eth: Option<InstrumentRef>,
//!     bought: bool,
//! }
//!
//! impl Strategy for BuyCheap {
//!     fn on_start(&mut self, ctx: &mut Context) {
//!         self.eth = ctx.instrument("ETH/USDT@binance");
//!         if let Some(eth) = &self.eth {
//!             let _ = ctx.watch(eth);
//!         }
//!     }
//!
//!     fn on_book(&mut self, ctx: &mut Context, _changed: InstrumentId) {
//!         let Some(eth) = self.eth else { return };
//!         let (limit, one) = (eth.price(Decimal::from(2_400)), eth.qty(Decimal::ONE));
//!         let (Some(limit), Some(one)) = (limit, one) else { return };
//!         let best = ctx.best(&eth);
//!         if !self.bought && best.is_live() && best.ask.price <= limit {
//!             self.bought = ctx.signal().buy(&eth, one).limit_at(best.ask.price).ioc().emit().is_ok();
//!         }
//!     }
//! }
//!
//! fn main() -> ExitCode {
//!     stoop::cli::main_with(vec![("cheap".to_owned(), Box::new(BuyCheap::default()))])
//! }
//! ```

#![forbid(unsafe_code)]

mod basis;
mod context;
pub mod indicators;
pub mod klines;
mod market;
mod pair;
mod params;
pub mod process;
mod rsi;
mod runner;
mod signal;
mod spread_arb;
#[cfg(test)]
mod tests;

pub use basis::{Basis, BasisOptions};
pub use context::{Context, ContextParts, InstrumentRef};
pub use rsi::{RsiOptions, RsiStrategy};
pub use runner::Runner;
pub use signal::{EmitError, SignalBuilder};
pub use spread_arb::{SpreadArb, SpreadArbOptions};

use crate::types::{InstrumentId, ParamSpec, StrategyReport, Trade};
use klines::KlineEvent;

/// Everything that a strategy's file needs.
pub mod prelude {
    pub use super::indicators::{
        Atr, Bar, Bollinger, Ema, Macd, MacdPeriods, Rsi, Sma, Stochastic, StochasticPeriods,
        Volatility,
    };
    pub use super::klines::{History, KlineEvent, Series};
    pub use super::{Context, EmitError, InstrumentRef, SignalBuilder, Strategy};
    pub use crate::shm::{RateUse, VenueHealth};
    pub use crate::types::{
        Amount, BookState, BreachAction, Contract, InstrumentId, Interval, Kline, LegMode, Level,
        Nanos, ParamSpec, Perpetual, Ppb, Price, Qty, Rate, ReportKind, Rounding, Side, SignalId,
        StrategyReport, Trade,
    };
    pub use rust_decimal::Decimal;
}

/// What decides. All callbacks run on the strategy's own loop, one at a time.
pub trait Strategy: Send {
    /// The parameters that it has: `[strategy.params]` and `stoop set` are checked against them. Asked
    /// before anything else, and of a strategy that runs in a process of its own by the engine too.
    fn params(&self) -> Vec<ParamSpec> {
        Vec::new()
    }

    /// The instruments that it cannot do without, as `BTC/USDT@venue`: with one of them missing in its
    /// configuration the engine does not start, and says which. Asked like the parameters.
    fn instruments(&self) -> Vec<&str> {
        Vec::new()
    }

    /// A person has changed a parameter: ask [`Context::param_decimal`] and its like again. The first
    /// values are there when it starts; this is not called for them.
    fn on_params(&mut self, ctx: &mut Context) {
        let _ = ctx;
    }

    /// Called once, before anything else: watch instruments here.
    fn on_start(&mut self, ctx: &mut Context) {
        let _ = ctx;
    }

    /// The top or the depth of a watched book changed, or its state did.
    fn on_book(&mut self, ctx: &mut Context, changed: InstrumentId) {
        let _ = (ctx, changed);
    }

    /// A public print on a watched instrument.
    fn on_trade(&mut self, ctx: &mut Context, trade: &Trade) {
        let _ = (ctx, trade);
    }

    /// A kline that was asked for with [`Context::want_klines`] is closed. Those of history come first,
    /// all of them once they are there.
    fn on_kline(&mut self, ctx: &mut Context, event: &KlineEvent) {
        let _ = (ctx, event);
    }

    /// News of an order that this strategy caused.
    fn on_report(&mut self, ctx: &mut Context, report: &StrategyReport) {
        let _ = (ctx, report);
    }

    /// Called at the interval of [`Context::set_timer`], every 100 ms if it was never set.
    fn on_timer(&mut self, ctx: &mut Context) {
        let _ = ctx;
    }

    /// One round of the loop; returns how much was done. The default calls the callbacks above for
    /// everything new; override it to own the loop.
    fn poll(&mut self, ctx: &mut Context) -> usize {
        dispatch(self, ctx)
    }
}

/// Calls the callbacks for everything that is new: reports first, then books, trades, klines and the timer.
pub fn dispatch<S: Strategy + ?Sized>(strategy: &mut S, ctx: &mut Context) -> usize {
    let mut work = 0;
    while let Some(report) = ctx.next_report() {
        ctx.forget_tick();
        strategy.on_report(ctx, &report);
        work += 1;
    }
    ctx.begin_round();
    while let Some(at) = ctx.next_place() {
        if let Some(changed) = ctx.take_change(at) {
            ctx.forget_tick();
            strategy.on_book(ctx, changed);
            work += 1;
        }
        while let Some(trade) = ctx.next_trade(at) {
            strategy.on_trade(ctx, &trade);
            work += 1;
        }
    }
    if ctx.is_due() {
        work += on_due(strategy, ctx);
    }
    work
}

/// What hangs on the time and on no event: apart, so that the rounds need not make room for it.
#[cold]
#[inline(never)]
fn on_due<S: Strategy + ?Sized>(strategy: &mut S, ctx: &mut Context) -> usize {
    let mut work = 0;
    while let Some(event) = ctx.next_kline() {
        ctx.forget_tick();
        strategy.on_kline(ctx, &event);
        work += 1;
    }
    if ctx.timer_due() {
        ctx.forget_tick();
        strategy.on_timer(ctx);
    }
    ctx.sleep();
    work
}
