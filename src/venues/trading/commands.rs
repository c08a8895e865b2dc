//! Commands of the engine to requests: which way each goes, and its entry among those in flight.
//!
//! Nothing is entered before it is written, and nothing is written before it is known to fit: on
//! an error the venue hears nothing.

#![forbid(unsafe_code)]

use super::super::flight::{Ask, Flight, Phase};
use super::super::{EncodeError, Outbox};
use super::Core;
use super::action::Action;
use super::fills::FillJob;
use super::sockets::Socket;
use super::wire::{Mark, TradingWire};
use crate::types::{Channel, CommandKind, Nanos};

/// Most lists of fills read at once.
const JOBS_MAX: usize = 64;

/// Reads have no deadline here: the transport times them.
const NEVER: Nanos = Nanos(u64::MAX);

impl<W: TradingWire> Core<W> {
    /// Sends an order, a cancel or a replace.
    pub(super) fn send_order(
        &mut self,
        ask: Ask,
        now: Nanos,
        out: &mut Outbox,
    ) -> Result<(), EncodeError> {
        let action = Action::of(&ask).ok_or(EncodeError::Unsupported)?;
        let (_, _, id) = ask.order().ok_or(EncodeError::Unsupported)?;
        self.wire.check(action, self.wire.names().of_command(id)?)?;
        let is_cancel = matches!(ask, Ask::Cancel(_));
        let usable = [0, 1].map(|at| self.trade.get(at).is_some_and(Socket::takes_orders));
        let channel = if let Some(channel) = self.healthier.pick(usable, now) {
            channel
        } else if (self.over_rest || is_cancel) && self.rest_ready() {
            Channel::Rest
        } else {
            return Err(EncodeError::NotReady);
        };
        let number = self.flights.reserve(now).ok_or(EncodeError::Full)?;
        let mark = Mark { id: number, venue_ms: self.clock.venue_millis(now) };
        let wire = &self.wire;
        let instrument = wire.names().of_command(id)?;
        if channel != Channel::Rest {
            match self.templates.prepare(wire, action, instrument, mark) {
                Some(write) => out.frame(channel, write)?,
                None => out.frame(channel, |frame| {
                    wire.write_frame(action, instrument, mark, frame);
                })?,
            }
        } else {
            wire.send_over_rest(action, instrument, mark, out)?;
        }
        let deadline = now.plus(self.reply_timeout_ns);
        self.insert(number, ask, channel, now, deadline);
        self.healthier.on_sent(channel, now);
        Ok(())
    }

    fn insert(&mut self, id: u64, ask: Ask, channel: Channel, now: Nanos, deadline: Nanos) {
        self.flights.insert(Flight {
            id,
            ask,
            channel,
            sent_ns: now,
            deadline,
            phase: Phase::Waiting,
        });
    }

    /// Sends a request that is not an order; `cursor` is that of a list's next page.
    pub(super) fn send_read(
        &mut self,
        ask: Ask,
        cursor: &str,
        now: Nanos,
        out: &mut Outbox,
    ) -> Result<(), EncodeError> {
        self.send_asked(ask, now, |core, mark| {
            let job = match ask {
                Ask::Fills { job, .. } => core.jobs.iter().find(|open| open.key == job),
                _ => None,
            };
            core.wire.send_read(&ask, cursor, job, mark, out)
        })
    }

    /// Enters a request that `send` sends over REST.
    pub(super) fn send_asked(
        &mut self,
        ask: Ask,
        now: Nanos,
        send: impl FnOnce(&Self, Mark) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        if !self.rest_ready() {
            return Err(EncodeError::NotReady);
        }
        let id = self.flights.reserve(now).ok_or(EncodeError::Full)?;
        send(self, Mark { id, venue_ms: self.clock.venue_millis(now) })?;
        self.insert(id, ask, Channel::Rest, now, NEVER);
        Ok(())
    }

    pub(super) fn start_fills(
        &mut self,
        kind: &CommandKind,
        now: Nanos,
        out: &mut Outbox,
    ) -> Result<(), EncodeError> {
        let CommandKind::FillsSince { instrument, from_id, from_ns } = *kind else {
            return Err(EncodeError::Unsupported);
        };
        self.wire.names().of_command(instrument)?;
        if self.jobs.len() >= JOBS_MAX {
            return Err(EncodeError::Full);
        }
        let from = (from_id, self.since_ms(from_ns));
        let key = self.jobs.iter().map(|job| job.key + 1).max().unwrap_or(1).max(now.0);
        let now_ms = self.clock.venue_millis(now);
        let job = FillJob::new(&W::HABITS, key, instrument, from, now_ms);
        let ask = job.ask();
        self.jobs.push(job);
        let sent = self.send_read(ask, "", now, out);
        if sent.is_err() {
            self.jobs.pop();
        }
        sent
    }

    pub(super) fn start_funding(
        &mut self,
        from: Nanos,
        now: Nanos,
        out: &mut Outbox,
    ) -> Result<(), EncodeError> {
        let mut since_ms = self.since_ms(from);
        if W::HABITS.funding_window_ms > 0 {
            let now_ms = self.clock.venue_millis(now);
            since_ms = since_ms.max(now_ms.saturating_sub(W::HABITS.fills_history_ms));
        }
        self.payments.clear();
        self.send_read(Ask::Funding { since_ms, page: 0 }, "", now, out)
    }

    /// A time by our clock or by the venue's, in milliseconds of the venue's: the earlier reading
    /// covers both. 0 is no time.
    fn since_ms(&self, from: Nanos) -> u64 {
        match from {
            Nanos(0) => 0,
            _ => self.clock.venue_millis(from).min(from.as_millis()),
        }
    }
}
