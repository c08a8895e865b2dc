//! A strategy as an agent: its own round, nothing more.

use super::threads::{Agent, Lifecycle, Phase};
use crate::strategy::{Context, Runner, Strategy};
use crate::types::Nanos;

/// See the module.
#[repr(align(128))]
pub struct StrategyAgent {
    name: String,
    runner: Runner,
    lifecycle: Lifecycle,
}

impl StrategyAgent {
    /// An agent named `strategy:<name>`.
    #[must_use]
    pub fn new(
        name: String,
        strategy: Box<dyn Strategy>,
        ctx: Context,
        lifecycle: Lifecycle,
    ) -> Self {
        Self { name, runner: Runner::new(strategy, ctx), lifecycle }
    }
}

impl Agent for StrategyAgent {
    fn name(&self) -> &str {
        &self.name
    }

    fn poll(&mut self, now: Nanos) -> usize {
        if self.lifecycle.phase() != Phase::Running {
            return self.runner.read_reports();
        }
        self.runner.poll(now)
    }
}
