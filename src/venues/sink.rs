//! Where a trading connector's events go when a message holds more than the agent's buffer takes.

#![forbid(unsafe_code)]

use super::DecodeError;
use crate::types::{Event, Events, ExecutionReport};
use std::collections::VecDeque;

/// Most events kept back for an agent that does not drain.
const BACKLOG_MAX: usize = 65_536;

/// Where decoded events go: to the agent's buffer, and what does not fit waits for the next call,
/// in order. A report is never dropped because a message was long.
pub(super) struct Sink<'a> {
    pub(super) events: &'a mut Events,
    pub(super) backlog: &'a mut VecDeque<Event>,
}

impl Sink<'_> {
    pub(super) fn push(&mut self, event: Event) -> Result<(), DecodeError> {
        if self.backlog.is_empty() && self.events.push(event).is_ok() {
            return Ok(());
        }
        if self.backlog.len() >= BACKLOG_MAX {
            return Err(DecodeError::TooLarge);
        }
        self.backlog.push_back(event);
        Ok(())
    }

    /// Hands on what did not fit before.
    pub(super) fn flush(&mut self) {
        while let Some(event) = self.backlog.front() {
            if self.events.push(*event).is_err() {
                break;
            }
            self.backlog.pop_front();
        }
    }

    pub(super) fn report(&mut self, report: ExecutionReport) -> Result<(), DecodeError> {
        self.push(Event::Report(report))
    }
}
