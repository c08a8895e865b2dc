//! The order manager's rings to everybody else.

use crate::shm::{BadRecord, OmsEnd};
use crate::sync::spsc;
use crate::types::{
    Command, Event, Nanos, ParamName, ParamValue, Params, Request, StrategyId, StrategyReport,
    VenueId,
};
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
}

/// The engine's end of one strategy's file.
pub struct StrategyPort {
    /// Whose.
    pub strategy: StrategyId,
    /// The rings.
    pub end: OmsEnd,
    /// Reports that found their ring full.
    pub waiting: VecDeque<StrategyReport>,
    /// Its parameters: what its file holds of them is not read back.
    params: Params,
    wrong: Wrong,
    /// The part of it that was told, and when more may be.
    told: Wrong,
    tell_at: Nanos,
}

/// What a strategy's file held or did that it should not; counted, because it may be without end.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Wrong {
    /// Requests that could not be read, and why the last of them.
    bad_records: u64,
    last: Option<BadRecord>,
    /// Reports that it did not take.
    reports_lost: u64,
}

impl StrategyPort {
    /// The port of a strategy that has not been told anything yet.
    #[must_use]
    pub fn new(strategy: StrategyId, end: OmsEnd) -> Self {
        Self::with_params(strategy, end, Params::default())
    }

    /// The same with parameters, which are told at once.
    #[must_use]
    pub fn with_params(strategy: StrategyId, mut end: OmsEnd, params: Params) -> Self {
        end.write_params(&params);
        let waiting = VecDeque::with_capacity(REPORTS_WAITING);
        let (wrong, told) = (Wrong::default(), Wrong::default());
        Self { strategy, end, waiting, params, wrong, told, tell_at: Nanos(0) }
    }

    /// Another process runs the strategy, over a fresh file: what the one before was to hear is not for
    /// it.
    pub(super) fn replace(&mut self, end: OmsEnd) {
        self.end = end;
        self.end.write_params(&self.params);
        self.waiting.clear();
    }

    /// Its parameters.
    pub(super) fn params(&self) -> &Params {
        &self.params
    }

    /// The value of a parameter.
    pub(super) fn param(&self, name: ParamName) -> Option<ParamValue> {
        self.params.get(name.as_str())
    }

    /// Changes one that there is.
    pub(super) fn set_param(&mut self, name: ParamName, value: ParamValue) {
        if self.params.set(name, value) {
            self.end.write_params(&self.params);
        }
    }

    /// Takes the oldest request into `into`; `None` if there is none, `Some(false)` if it cannot be
    /// read, which is counted.
    #[inline]
    pub(super) fn take_request(&mut self, into: &mut Request) -> Option<bool> {
        match self.end.take_request(into) {
            Ok(true) => Some(true),
            Ok(false) => None,
            Err(error) => {
                self.wrong.bad_records += 1;
                self.wrong.last = Some(error);
                Some(false)
            }
        }
    }

    /// Requests that could not be read.
    pub(super) fn bad_records(&self) -> u64 {
        self.wrong.bad_records
    }

    /// Reports that wait for room, and those that were lost.
    pub(super) fn reports(&self) -> (u64, u64) {
        (self.waiting.len() as u64, self.wrong.reports_lost)
    }

    /// Delivers a report, now or later, in order. If too many wait already it is lost, and counted.
    pub(super) fn give(&mut self, report: StrategyReport) {
        if self.waiting.is_empty() && self.end.push_report(&report).is_ok() {
            return;
        }
        if self.waiting.len() == REPORTS_WAITING {
            self.wrong.reports_lost += 1;
            return;
        }
        self.waiting.push_back(report);
    }

    /// What went wrong since this was last told, in words, once a second at most.
    pub(super) fn complaint(&mut self, now: Nanos) -> Option<String> {
        if self.wrong == self.told || now < self.tell_at {
            return None;
        }
        self.tell_at = now.plus(TELL_EVERY_NS);
        let told = std::mem::replace(&mut self.told, self.wrong);
        let mut parts = Vec::new();
        let bad = self.wrong.bad_records - told.bad_records;
        if let (Some(error), 1..) = (self.wrong.last, bad) {
            let all = self.wrong.bad_records;
            parts.push(format!("{bad} bad requests, {all} in all, the last: {error}"));
        }
        let lost = self.wrong.reports_lost - told.reports_lost;
        if lost > 0 {
            parts.push(format!("does not read its reports: {lost} lost"));
        }
        Some(parts.join("; "))
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

/// Complaints about one strategy are at least so far apart.
const TELL_EVERY_NS: u64 = 1_000_000_000;
/// Reports that wait for a strategy whose ring is full.
const REPORTS_WAITING: usize = 4096;
