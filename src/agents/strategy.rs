//! A strategy as an agent: its own round, nothing more.

use super::threads::{Agent, Lifecycle, Phase};
use crate::strategy::{Context, Strategy};
use crate::types::Nanos;

/// See the module.
#[repr(align(128))]
pub struct StrategyAgent {
    name: String,
    strategy: Box<dyn Strategy>,
    ctx: Context,
    lifecycle: Lifecycle,
    started: bool,
    beat_at: Nanos,
}

/// How often a strategy says that it lives.
const BEAT_EVERY_NS: u64 = 100_000_000;

impl StrategyAgent {
    /// An agent named `strategy:<name>`.
    #[must_use]
    pub fn new(
        name: String,
        strategy: Box<dyn Strategy>,
        ctx: Context,
        lifecycle: Lifecycle,
    ) -> Self {
        Self { name, strategy, ctx, lifecycle, started: false, beat_at: Nanos(0) }
    }
}

impl StrategyAgent {
    /// While the engine stops, a strategy still learns what becomes of its orders.
    fn read_reports(&mut self) -> usize {
        let mut work = 0;
        while let Some(report) = self.ctx.next_report() {
            self.strategy.on_report(&mut self.ctx, &report);
            work += 1;
        }
        work
    }
}

impl Agent for StrategyAgent {
    fn name(&self) -> &str {
        &self.name
    }

    fn poll(&mut self, now: Nanos) -> usize {
        if self.lifecycle.phase() != Phase::Running {
            return self.read_reports();
        }
        if !self.started {
            self.started = true;
            self.strategy.on_start(&mut self.ctx);
        }
        if now >= self.beat_at {
            self.beat_at = now.plus(BEAT_EVERY_NS);
            self.ctx.beat();
        }
        self.strategy.poll(&mut self.ctx)
    }
}
