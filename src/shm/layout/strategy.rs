//! What lies where in a strategy's file.

#![forbid(unsafe_code)]

use super::counts::{INSTRUMENTS_MAX, RING_MAX, STRATEGIES_MAX};
use super::{HEADER, with_counter};
use crate::shm::{params, signals, status};
use crate::sync::words::PAIR;
use crate::sync::{broadcast, ring};
use std::ops::Range;

const PARAMS_SIZE: usize = with_counter(params::WORDS).next_multiple_of(PAIR);

/// The counts of a strategy file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::shm) struct StrategyCounts {
    pub(in crate::shm) strategy: u64,
    pub(in crate::shm) instruments: u64,
    pub(in crate::shm) requests: u64,
    pub(in crate::shm) reports: u64,
    pub(in crate::shm) statuses: u64,
}

impl StrategyCounts {
    /// In the order of the header.
    pub(in crate::shm) fn words(self) -> [u64; 5] {
        [self.strategy, self.instruments, self.requests, self.reports, self.statuses]
    }

    pub(in crate::shm) fn from_words(words: [u64; 5]) -> Self {
        let [strategy, instruments, requests, reports, statuses] = words;
        Self { strategy, instruments, requests, reports, statuses }
    }

    fn check(&self) -> Result<(), &'static str> {
        let bounds = [
            (self.strategy, 0, STRATEGIES_MAX - 1, "the strategy's number is above 63"),
            (self.instruments, 0, INSTRUMENTS_MAX, "there are more than 4096 instruments"),
            (self.requests, 1, RING_MAX, "the request ring has not 1 to 65536 slots"),
            (self.reports, 1, RING_MAX, "the report ring has not 1 to 65536 slots"),
            (self.statuses, 2, RING_MAX, "the status ring has not 2 to 65536 slots"),
        ];
        let broken = bounds.iter().find(|(count, min, max, _)| !(min..=max).contains(&count));
        broken.map_or(Ok(()), |(.., what)| Err(what))
    }
}

/// Where everything lies in a strategy file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::shm) struct StrategyLayout {
    pub(in crate::shm) counts: StrategyCounts,
    pub(in crate::shm) request_shape: ring::Shape,
    pub(in crate::shm) report_shape: ring::Shape,
    pub(in crate::shm) status_shape: broadcast::Shape,
    pub(in crate::shm) requests: Range<usize>,
    pub(in crate::shm) reports: Range<usize>,
    pub(in crate::shm) statuses: Range<usize>,
    pub(in crate::shm) params: Range<usize>,
    /// Words of the whole file.
    pub(in crate::shm) len: usize,
}

impl StrategyLayout {
    /// The error says which count is out of bounds.
    pub(in crate::shm) fn new(counts: StrategyCounts) -> Result<Self, &'static str> {
        counts.check()?;
        let request_shape = ring::Shape::new(counts.requests as usize, signals::REQUEST_WORDS);
        let report_shape = ring::Shape::new(counts.reports as usize, signals::REPORT_WORDS);
        let status_shape = broadcast::Shape::new(counts.statuses as usize, status::WORDS);
        let requests = HEADER..HEADER + request_shape.size();
        let reports = requests.end..requests.end + report_shape.size();
        let statuses = reports.end..reports.end + status_shape.size();
        let params = statuses.end..statuses.end + PARAMS_SIZE;
        let len = params.end;
        Ok(Self {
            counts,
            request_shape,
            report_shape,
            status_shape,
            requests,
            reports,
            statuses,
            params,
            len,
        })
    }
}
