//! The engine's agents on one or two threads, and what the threads tell each other.

use super::Layout;
use crate::agents::{Agent, Assembly, Executor, Feed, OmsAgent, StrategyAgent};
use crate::clock::Clock;
use crate::types::{Nanos, Path, Stamp};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Most orders whose ways are kept.
const PATHS_MAX: usize = 1 << 18;

/// What both threads see. Each word is written by one of them, and only when it changes.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Orders that have left.
    sent: Line<AtomicU64>,
    /// Orders that have not ended.
    open: Line<AtomicU64>,
    /// The second thread is to end.
    stop: Line<AtomicBool>,
}

/// A word on cache lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Line<T>(T);

impl Shared {
    pub fn sent(&self) -> u64 {
        self.sent.0.load(Ordering::Acquire)
    }

    pub fn open(&self) -> u64 {
        self.open.0.load(Ordering::Acquire)
    }

    pub fn stop(&self) {
        self.stop.0.store(true, Ordering::Release);
    }

    pub fn is_stopped(&self) -> bool {
        self.stop.0.load(Ordering::Acquire)
    }
}

/// Some of the agents, polled by one thread.
pub(super) struct Half {
    feeds: Vec<Feed>,
    strategies: Vec<StrategyAgent>,
    oms: Option<OmsAgent>,
    executors: Vec<Executor>,
    clock: Clock,
    handed_ns: Nanos,
    sent: u64,
    open: u64,
    /// The ways of all orders that have left.
    pub paths: Vec<Path>,
}

/// Where the agents run.
pub(super) enum Spread {
    /// All of them on the other thread.
    Apart,
    /// By the layout, over both.
    Both(Layout),
}

/// The agents of the venue's thread and those of the other.
pub(super) fn split(engine: Assembly, clock: &Clock, spread: &Spread) -> (Half, Half) {
    let Assembly { feeds, strategies, oms, executors, .. } = engine;
    let half = || Half {
        feeds: Vec::new(),
        strategies: Vec::new(),
        oms: None,
        executors: Vec::new(),
        clock: clock.clone(),
        handed_ns: Nanos(0),
        sent: 0,
        open: 0,
        paths: Vec::with_capacity(PATHS_MAX),
    };
    let (mut first, mut second) = (half(), half());
    let (with_feed, with_executor, with_rest) = match spread {
        Spread::Both(Layout::Folded) => (true, true, true),
        Spread::Apart => (false, false, false),
        Spread::Both(Layout::OneHandOff) => (true, false, false),
        Spread::Both(Layout::TwoHandOffs) => (true, true, false),
    };
    *(if with_feed { &mut first.feeds } else { &mut second.feeds }) = feeds;
    *(if with_executor { &mut first.executors } else { &mut second.executors }) = executors;
    let rest = if with_rest { &mut first } else { &mut second };
    (rest.strategies, rest.oms) = (strategies, Some(oms));
    (first, second)
}

impl Half {
    /// Whether there is anything to poll.
    pub fn is_empty(&self) -> bool {
        self.feeds.is_empty() && self.oms.is_none() && self.executors.is_empty()
    }

    /// One round of its agents, in the order of a loop of the engine.
    pub fn round(&mut self, shared: &Shared) {
        for feed in &mut self.feeds {
            feed.poll(self.clock.now());
        }
        for strategy in &mut self.strategies {
            strategy.poll(self.clock.now());
        }
        if let Some(oms) = &mut self.oms {
            oms.poll(self.clock.now());
            let open = oms.oms().orders().open_count() as u64;
            if open != self.open {
                self.open = open;
                shared.open.0.store(open, Ordering::Release);
            }
        }
        for executor in &mut self.executors {
            executor.poll(self.clock.now());
            let path = executor.last_path();
            let handed_ns = path.at(Stamp::Handed);
            if handed_ns != self.handed_ns {
                self.handed_ns = handed_ns;
                self.sent += 1;
                if self.paths.len() < self.paths.capacity() {
                    self.paths.push(*path);
                }
                shared.sent.0.store(self.sent, Ordering::Release);
            }
        }
    }

    /// The round in which a frame is waiting: by a name of its own, so that its instructions can be
    /// counted.
    #[inline(never)]
    pub fn answer(&mut self, shared: &Shared) {
        self.round(shared);
    }

    /// Rounds until the other thread says that it is over.
    pub fn run(mut self, shared: &Shared) -> Self {
        while !shared.is_stopped() {
            self.round(shared);
        }
        self
    }
}
