//! The order manager's rings to everybody else.

use crate::shm::OmsEnd;
use crate::sync::{histogram, spsc};
use crate::types::{Command, Event, StrategyId, StrategyReport, VenueId};
use std::collections::VecDeque;
use std::sync::mpsc::Receiver;

/// Rings to and from the agents of one venue.
pub struct VenuePort {
    /// Which.
    pub venue: VenueId,
    /// To its executor.
    pub commands: spsc::Producer<Command>,
    /// From its executor.
    pub events: spsc::Consumer<Event>,
    /// From the spare connection that takes the place of a lost executor.
    pub spare: Receiver<Event>,
    /// To its feed.
    pub feed: spsc::Producer<Command>,
    /// From published to seen by the strategy.
    pub see: histogram::Writer,
    /// From seen to emitted.
    pub decide: histogram::Writer,
    /// From emitted to handed over.
    pub risk: histogram::Writer,
}

/// The engine's end of one strategy's file.
pub struct StrategyPort {
    /// Whose.
    pub strategy: StrategyId,
    /// The rings.
    pub end: OmsEnd,
    /// Reports that found their ring full.
    pub waiting: VecDeque<StrategyReport>,
}

impl StrategyPort {
    /// The port of a strategy that has not been told anything yet.
    #[must_use]
    pub fn new(strategy: StrategyId, end: OmsEnd) -> Self {
        Self { strategy, end, waiting: VecDeque::with_capacity(REPORTS_WAITING) }
    }

    /// Delivers a report, now or later, in order. False if too many wait already: it is lost.
    pub(super) fn give(&mut self, report: StrategyReport) -> bool {
        if self.waiting.is_empty() && self.end.push_report(&report).is_ok() {
            return true;
        }
        if self.waiting.len() == REPORTS_WAITING {
            return false;
        }
        self.waiting.push_back(report);
        true
    }

    /// Reports that found the ring full, once it has room.
    pub(super) fn give_waiting(&mut self) {
        while let Some(report) = self.waiting.front() {
            if self.end.push_report(report).is_err() {
                break;
            }
            self.waiting.pop_front();
        }
    }
}

/// Reports that wait for a strategy whose ring is full.
const REPORTS_WAITING: usize = 4096;
