//! One strategy and its context, round by round: the same on a thread of the engine and in a process.

#![forbid(unsafe_code)]

use super::{Context, Strategy};
use crate::types::Nanos;

/// See the module.
pub struct Runner {
    strategy: Box<dyn Strategy>,
    ctx: Context,
    started: bool,
    beat_at: Nanos,
}

/// How often a strategy says that it lives and looks for changed parameters.
const BEAT_EVERY_NS: u64 = 100_000_000;

impl Runner {
    /// A strategy that has not started.
    #[must_use]
    pub fn new(strategy: Box<dyn Strategy>, ctx: Context) -> Self {
        Self { strategy, ctx, started: false, beat_at: Nanos(0) }
    }

    /// One round; returns how much was done.
    #[inline]
    pub fn poll(&mut self, now: Nanos) -> usize {
        if !self.started {
            self.started = true;
            self.strategy.on_start(&mut self.ctx);
        }
        if now >= self.beat_at {
            self.beat(now);
        }
        self.strategy.poll(&mut self.ctx)
    }

    /// Says that it lives, and takes what a person has changed: that need not be looked for in every
    /// round.
    #[cold]
    fn beat(&mut self, now: Nanos) {
        self.beat_at = now.plus(BEAT_EVERY_NS);
        self.ctx.beat();
        if self.ctx.take_params() {
            self.ctx.forget_tick();
            self.strategy.on_params(&mut self.ctx);
        }
    }

    /// While the engine stops, a strategy still learns what becomes of its orders.
    pub fn read_reports(&mut self) -> usize {
        let mut work = 0;
        while let Some(report) = self.ctx.next_report() {
            self.strategy.on_report(&mut self.ctx, &report);
            work += 1;
        }
        work
    }
}
