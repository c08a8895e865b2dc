//! A second connection to a venue whose executor was lost: cancels everything there, once a second
//! until the venue has confirmed it for every instrument, and does nothing else.

use super::super::log::Log;
use super::super::session::Session;
use crate::types::{
    Channel, Command, CommandKind, Event, InstrumentId, Nanos, Readiness, SignalId, VenueNotice,
};
use std::sync::Arc;

/// Makes a session of the venue's trading connector.
pub type OpenSession = Arc<dyn Fn() -> Result<Session, String> + Send + Sync>;

/// How to replace one executor.
#[derive(Clone)]
pub struct SparePlan {
    /// Name of the executor: `exec:venue`.
    pub executor: String,
    /// Instruments of the venue.
    pub instruments: Vec<InstrumentId>,
    /// Connects anew.
    pub open: OpenSession,
}

/// See the module.
pub struct Spare {
    session: Session,
    name: String,
    open: Vec<InstrumentId>,
    ready: [bool; Channel::COUNT],
    next: Nanos,
    log: Log,
}

const CANCEL_EVERY_NS: u64 = 1_000_000_000;
const STEPS_PER_POLL: usize = 64;

impl Spare {
    /// Connects at its first polls.
    pub fn new(plan: &SparePlan, log: Log) -> Result<Self, String> {
        Ok(Self {
            session: (plan.open)()?,
            name: plan.executor.clone(),
            open: plan.instruments.clone(),
            ready: [false; Channel::COUNT],
            next: Nanos(0),
            log,
        })
    }

    /// Whether the venue has confirmed that nothing works any more.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.open.is_empty()
    }

    /// One round.
    pub fn poll(&mut self, now: Nanos) {
        if self.is_done() {
            return;
        }
        self.session.poll(now);
        for _ in 0..STEPS_PER_POLL {
            let Some(step) = self.session.step(now) else { break };
            if let Some(channel) = step.closed {
                self.ready[channel.index()] = false;
            }
            self.read(now);
        }
        if self.session.deadline(now) {
            self.read(now);
        }
        let connected = self.session.channels().into_iter().flatten();
        if now >= self.next && connected.into_iter().all(|channel| self.ready[channel.index()]) {
            self.next = now.plus(CANCEL_EVERY_NS);
            self.cancel(now);
        }
    }

    fn cancel(&mut self, now: Nanos) {
        for instrument in self.open.clone() {
            let kind = CommandKind::CancelAll(instrument);
            let command = Command { kind, signal: SignalId(0), tick_ns: Nanos(0), issued_ns: now };
            if let Err(error) = self.session.submit(&command, now) {
                self.log.error(now, format_args!("{}: {kind:?} was not sent: {error}", self.name));
            }
            self.read(now);
        }
    }

    fn read(&mut self, now: Nanos) {
        let mut at = 0;
        while let Some(event) = self.session.event(at) {
            at += 1;
            match event {
                Event::Notice(VenueNotice::Readiness(channel, to)) => {
                    self.ready[channel.index()] = to == Readiness::Ready;
                }
                Event::Notice(VenueNotice::CancelAllDone(instrument)) => {
                    self.open.retain(|known| *known != instrument);
                    if self.open.is_empty() {
                        let text = format_args!(
                            "{}: a spare connection cancelled all orders; the venue confirmed it",
                            self.name
                        );
                        self.log.warn(now, text);
                    }
                }
                Event::Notice(VenueNotice::CancelAllFailed(instrument, code)) => {
                    let text =
                        format_args!("{}: cancel all {}: code {code}", self.name, instrument.0);
                    self.log.error(now, text);
                }
                _ => {}
            }
        }
    }
}
