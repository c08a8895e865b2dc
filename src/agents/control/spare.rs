//! A second connection to a venue whose executor was lost: cancels everything there, once a second
//! until the venue has confirmed it for every instrument, and does nothing else. What the venue says
//! of orders and balances meanwhile is handed to the order manager, which waits for the end of its
//! orders; not what it says of the connection, which is nobody's for orders.

use super::super::emergency::Emergency;
use super::super::log::Log;
use super::super::session::Session;
use crate::types::{Channel, Event, ExecutionReport, InstrumentId, Nanos, Readiness, VenueNotice};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError};

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
    /// To the order manager.
    pub reports: SyncSender<Event>,
}

/// See the module.
pub struct Spare {
    session: Session,
    name: String,
    emergency: Emergency,
    reports: SyncSender<Event>,
    ready: [bool; Channel::COUNT],
    /// First poll.
    since: Option<Nanos>,
    log: Log,
}

const STEPS_PER_POLL: usize = 64;
/// So long the connection has to become ready. Then cancels are tried all the same: some venues take
/// them before they take orders, and what they do not take is sent again.
const PATIENCE_NS: u64 = 2_000_000_000;

impl Spare {
    /// Connects at its first polls.
    pub fn new(plan: &SparePlan, log: Log) -> Result<Self, String> {
        Ok(Self {
            session: (plan.open)()?,
            name: plan.executor.clone(),
            emergency: Emergency::new(&plan.instruments),
            reports: plan.reports.clone(),
            ready: [false; Channel::COUNT],
            since: None,
            log,
        })
    }

    /// Name of the executor that it replaces.
    #[must_use]
    pub fn executor(&self) -> &str {
        &self.name
    }

    /// Whether the venue has confirmed that nothing works any more.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.emergency.is_done()
    }

    /// One round. Once all is confirmed it only listens: the ends of single orders may come later.
    pub fn poll(&mut self, now: Nanos) {
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
        let channels = self.session.channels();
        let needed = |channel| channels.contains(&Some(channel));
        let since = *self.since.get_or_insert(now);
        let ready = Channel::enough(needed, |channel| self.ready[channel.index()]);
        if ready || now.since(since) >= PATIENCE_NS {
            self.cancel(now);
        }
    }

    fn cancel(&mut self, now: Nanos) {
        for command in self.emergency.commands(now) {
            if let Err(error) = self.session.submit(&command, now) {
                let kind = command.kind;
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
                    let was_done = self.is_done();
                    self.emergency.confirm(instrument);
                    if self.is_done() && !was_done {
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
                Event::Report(report) => {
                    let recv_ns = if report.recv_ns.0 == 0 { now } else { report.recv_ns };
                    self.hand_over(Event::Report(ExecutionReport { recv_ns, ..report }), now);
                }
                Event::Balance(_) => self.hand_over(event, now),
                _ => {}
            }
        }
    }

    fn hand_over(&mut self, event: Event, now: Nanos) {
        // Without an order manager nobody wants to know.
        if let Err(TrySendError::Full(_)) = self.reports.try_send(event) {
            let text = format_args!("{}: the order manager does not listen", self.name);
            self.log.error(now, text);
        }
    }
}
