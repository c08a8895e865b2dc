//! One venue's orders: commands from the order manager to signed bytes, replies and the private
//! stream back to reports.
//!
//! What waits leaves by priority: cancels, hedges, new orders, queries. Nothing waits for a rate
//! limit: what has no room is refused at once, and whoever asked decides what to do.
//!
//! Reports are never dropped: when the ring to the order manager has no room for everything one
//! message may hold, the sockets are simply not read until it has. In an emergency it may be the order
//! manager that is lost: then cancels and their confirmations matter more, and reports that find the
//! ring full are lost.

use super::emergency::Emergency;
use super::latency::OrderLatency;
use super::margins::Margins;
use super::session::Session;
use super::threads::{Agent, Lifecycle};
use super::waiting::Waiting;
use crate::mutants::Mutant;
use crate::shm::{ExecutorHealth, ExecutorHealthWriter, RateUse, RingUse};
use crate::sync::spsc;
use crate::throttle::Throttle;
use crate::types::{
    AccountFlaw, Channel, Command, CommandKind, Costs, Event, ExecutionReport, InstrumentId,
    MarginSettings, Nanos, NewOrder, Path, PositionReport, Priority, Readiness, RejectReason,
    ReportKind, ReportOrigin, SentOrder, VenueNotice,
};
use crate::venues::EncodeError;

/// What an executor is made of.
pub struct ExecutorParts {
    /// `exec:binance`
    pub name: String,
    /// Connector and sockets.
    pub session: Session,
    /// Instruments of the venue, for the emergency.
    pub instruments: Vec<InstrumentId>,
    /// What positions are to stand on.
    pub margin: MarginSettings,
    /// From the order manager.
    pub commands: spsc::Consumer<Command>,
    /// To the order manager.
    pub reports: spsc::Producer<Event>,
    /// The venue's rate limits.
    pub throttle: Throttle,
    /// What a command costs.
    pub costs: fn(&CommandKind, bool) -> Costs,
    /// Orders go over REST.
    pub over_rest: bool,
    /// Its health in the region.
    pub health: ExecutorHealthWriter,
    /// What it measures.
    pub latency: OrderLatency,
    /// The engine's life.
    pub lifecycle: Lifecycle,
}

/// See the module.
#[repr(align(128))]
pub struct Executor {
    parts: ExecutorParts,
    /// When the turn of the command at hand came; 0 if that is not stamped.
    taken_ns: Nanos,
    waiting: Waiting,
    margins: Margins,
    /// Its cancels, once there is one.
    emergency: Option<Emergency>,
    /// The venue has confirmed all of them.
    cleared: bool,
    /// Reports that found their ring full in the emergency.
    reports_dropped: u64,
    /// The last poll sent commands and left the sockets to this one.
    turned: bool,
    health: ExecutorHealth,
    health_at: Nanos,
    cancels_held_back: u64,
    /// The message that was last asked for.
    shown: Nanos,
}

/// Room in the report ring that one message may need.
const REPORTS_PER_MESSAGE: usize = 4096;
const MESSAGES_PER_POLL: usize = 64;
const HEALTH_EVERY_NS: u64 = 100_000_000;
const COMMANDS_PER_POLL: usize = 32;

/// What the order manager hears of a command of which nothing has left.
pub(super) fn refused_here(kind: &CommandKind, reason: RejectReason, now: Nanos) -> Event {
    match (ExecutionReport::refused_here(kind, reason, now), kind) {
        (Some(report), _) => Event::Report(report),
        (None, CommandKind::CancelAll(instrument)) => {
            Event::Notice(VenueNotice::CancelAllFailed(*instrument, 0))
        }
        (None, _) => Event::Notice(VenueNotice::RequestFailed(0)),
    }
}

impl Executor {
    /// An executor; its session connects at the first polls.
    #[must_use]
    pub fn new(mut parts: ExecutorParts) -> Self {
        parts.session.keep_frames();
        let margins = Margins::new(parts.margin, parts.instruments.len());
        Self {
            parts,
            margins,
            taken_ns: Nanos(0),
            waiting: Waiting::new(),
            emergency: None,
            cleared: false,
            reports_dropped: 0,
            turned: false,
            health: ExecutorHealth::default(),
            health_at: Nanos(0),
            cancels_held_back: 0,
            shown: Nanos(0),
        }
    }

    /// The way of the newest order that was handed to a socket, for whoever measures.
    #[must_use]
    pub fn last_path(&self) -> &Path {
        self.parts.latency.last_path()
    }

    /// Cancels that our own count of the venue's rate limits had no room for, reserve included.
    #[must_use]
    pub fn cancels_held_back(&self) -> u64 {
        self.cancels_held_back
    }

    /// Reports that were lost in an emergency because nobody took them.
    #[must_use]
    pub fn reports_dropped(&self) -> u64 {
        self.reports_dropped
    }

    /// The venue has suspended us before this run: but for cancels nothing leaves until then.
    pub fn suspend(&mut self, until: Nanos) {
        self.parts.throttle.suspend(until);
        self.health.suspended_until_ns = self.health.suspended_until_ns.max(until);
    }

    /// The command whose turn it is, into `into`; `false` if there is none. One that is alone does
    /// not wait for anything.
    #[inline]
    fn next_command(&mut self, into: &mut Command) -> bool {
        if self.waiting.is_empty() {
            if !self.parts.commands.pop_into(into) {
                return false;
            }
            if self.parts.commands.is_empty() {
                return true;
            }
            self.waiting.push(*into);
        }
        while self.waiting.has_room()
            && let Some(command) = self.parts.commands.pop()
        {
            self.waiting.push(command);
        }
        match self.waiting.take() {
            Some(command) => *into = command,
            None => return false,
        }
        true
    }

    fn on_command(&mut self, command: &Command, now: Nanos) {
        self.health.commands += 1;
        if now >= command.leave_by_ns {
            return self.refuse(command, RejectReason::NotSent, now);
        }
        let costs = (self.parts.costs)(&command.kind, self.parts.over_rest);
        let priority = match Mutant::CancelsWithoutReserve.is_on() {
            true => Priority::Query,
            false => command.priority,
        };
        if self.parts.throttle.try_take(&costs, priority, now).is_err() {
            if matches!(command.kind, CommandKind::Cancel(_) | CommandKind::CancelAll(_)) {
                self.cancels_held_back += 1;
            }
            self.refuse(command, RejectReason::RateLimit, now);
            return;
        }
        match self.parts.session.submit(command, now) {
            Ok(handed_ns) => {
                if let (CommandKind::New(order), Some(handed_ns)) = (&command.kind, handed_ns) {
                    self.on_sent(command, order, handed_ns);
                }
            }
            Err(error) => self.on_encode_error(command, error, now),
        }
        self.hand_over(now);
    }

    fn on_sent(&mut self, command: &Command, order: &NewOrder, handed_ns: Nanos) {
        let encoded_ns = self.parts.session.encoded_ns();
        self.parts.latency.on_sent(command, order, self.taken_ns, encoded_ns, handed_ns);
        let NewOrder { client_id, instrument, .. } = *order;
        let sent = SentOrder { client_id, signal: command.signal, instrument, handed_ns };
        self.push(Event::Sent(sent));
    }

    fn on_encode_error(&mut self, command: &Command, error: EncodeError, now: Nanos) {
        let text = format_args!("{:?} was not sent: {error}", command.kind);
        self.parts.session.log().warn(now, text);
        let reason = match error {
            EncodeError::RateLimited | EncodeError::Full => RejectReason::RateLimit,
            _ => RejectReason::Other,
        };
        self.refuse(command, reason, now);
    }

    /// Nothing was sent: the order manager is told at once.
    fn refuse(&mut self, command: &Command, reason: RejectReason, now: Nanos) {
        self.health.commands_refused += 1;
        self.push(refused_here(&command.kind, reason, now));
    }

    /// Space was made sure of before anything was read or sent, unless this is an emergency.
    fn push(&mut self, event: Event) {
        if self.parts.reports.push(event).is_ok() {
            return;
        }
        self.reports_dropped += 1;
        let text = match (&self.emergency, self.reports_dropped) {
            (None, _) => "BUG: a report was dropped although there was room",
            (Some(_), 1) => "the order manager does not read: reports are lost, cancelling goes on",
            (Some(_), _) => return,
        };
        let now = self.parts.session.now();
        self.parts.session.log().error(now, format_args!("{text}"));
    }

    /// Gives the events of the session to the order manager.
    fn hand_over(&mut self, now: Nanos) {
        let mut at = 0;
        while let Some(mut event) = self.parts.session.event(at) {
            at += 1;
            match &mut event {
                Event::Report(report) => {
                    self.health.reports += 1;
                    let unanswered = report.kind == ReportKind::Unknown;
                    if unanswered && report.origin == ReportOrigin::Local {
                        self.health.reply_timeouts += 1;
                    }
                    if report.recv_ns.0 == 0 {
                        report.recv_ns = now;
                    }
                    self.parts.latency.on_report(report);
                }
                Event::Notice(notice) => self.on_notice(*notice, now),
                Event::Position(position) => self.on_position(position, now),
                _ => {}
            }
            self.push(event);
        }
    }

    /// Somebody may have changed what positions stand on. What is open goes on.
    fn on_position(&mut self, told: &PositionReport, now: Nanos) {
        if !self.health.ready || !self.margins.is_news(told) {
            return;
        }
        let (id, leverage, mode) = (told.instrument.0, told.leverage.to_decimal(), told.mode);
        let text = format_args!("instrument {id}: leverage is {leverage}, {mode:?}");
        self.parts.session.log().error(now, text);
        self.tell(VenueNotice::AccountUnfit(AccountFlaw::MarginSettings), now);
    }

    fn on_notice(&mut self, notice: VenueNotice, now: Nanos) {
        match notice {
            VenueNotice::RateLimit(used) => self.parts.throttle.on_use(&used, now),
            VenueNotice::Suspended(until) => {
                self.suspend(until);
                self.health_at = Nanos(0);
                let milliseconds = until.since(now) / 1_000_000;
                let text = format_args!("the venue suspended us for {milliseconds} ms");
                self.parts.session.log().error(now, text);
            }
            VenueNotice::Readiness(channel, readiness) => {
                self.health.channels[channel.index()] = readiness;
                self.note_ready();
                if readiness == Readiness::Ready {
                    let text = format_args!("{channel:?} ready");
                    self.parts.session.log().info(now, text);
                }
            }
            VenueNotice::CancelAllDone(instrument) => {
                if let Some(emergency) = &mut self.emergency {
                    emergency.confirm(instrument);
                }
                self.tell_cleared(now);
            }
            VenueNotice::LoginRefused(..) => {
                self.parts.lifecycle.refuse_login();
                self.tell(notice, now);
            }
            VenueNotice::ClockOffset { offset_ns, round_trip_ns } => {
                self.health.clock_offset_ns = offset_ns;
                self.health.clock_round_trip_ns = round_trip_ns;
            }
            _ => self.tell(notice, now),
        }
    }

    /// Writes what the venue says of account and requests for people.
    fn tell(&mut self, notice: VenueNotice, now: Nanos) {
        let log = self.parts.session.log();
        match notice {
            VenueNotice::AccountUnfit(flaw) => {
                log.error(now, format_args!("{}", flaw.advice()));
            }
            VenueNotice::LoginRefused(channel, code) => {
                let text =
                    format_args!("{channel:?} login refused with code {code}: check the key");
                log.error(now, text);
            }
            VenueNotice::RequestFailed(code) => {
                let text = format_args!("a request failed with code {code}");
                log.warn(now, text);
            }
            VenueNotice::CancelAllFailed(instrument, code) => {
                let text = format_args!("instrument {}: cancel all: code {code}", instrument.0);
                log.error(now, text);
            }
            VenueNotice::DeadManArmed(seconds) => {
                let text = format_args!(
                    "dead-man switch armed: the venue cancels our orders {seconds} s after it \
                     last heard of us"
                );
                log.info(now, text);
            }
            VenueNotice::DeadManFailed(code) => {
                let text = format_args!(
                    "dead-man switch NOT armed: code {code}; the venue must allow the account to"
                );
                log.error(now, text);
            }
            VenueNotice::MarginCall(instrument) => {
                let text = format_args!("instrument {}: margin call", instrument.0);
                log.error(now, text);
            }
            VenueNotice::StopOrders(instrument, count) => {
                let text = format_args!(
                    "instrument {}: {count} conditional orders that were not placed here wait at \
                     the venue",
                    instrument.0
                );
                log.warn(now, text);
            }
            _ => {}
        }
    }

    /// When the turn of a command came. The first of a round came with the round; the others have
    /// waited until it had left.
    fn taken(&self, first: bool, now: Nanos) -> Nanos {
        match (self.parts.latency.is_on(), first) {
            (false, _) => Nanos(0),
            (true, true) => now,
            (true, false) => self.parts.session.now(),
        }
    }

    /// What its connections are makes it ready for orders or not.
    fn note_ready(&mut self) {
        let channels = self.parts.session.channels();
        let needed = |channel| channels.contains(&Some(channel));
        let is_ready = |c| self.health.channels[Channel::index(c)] == Readiness::Ready;
        self.health.ready = Channel::enough(needed, is_ready);
        self.health_at = Nanos(0);
    }

    fn has_room(&self) -> bool {
        let reports = &self.parts.reports;
        self.emergency.is_some() || reports.capacity() - reports.len() >= REPORTS_PER_MESSAGE
    }

    /// Says, once, that the venue has confirmed the emergency's cancels.
    fn tell_cleared(&mut self, now: Nanos) {
        if self.cleared || self.emergency.as_ref().is_none_or(|emergency| !emergency.is_done()) {
            return;
        }
        self.cleared = true;
        let text = format_args!("the venue confirmed the end of all orders");
        self.parts.session.log().warn(now, text);
        self.parts.lifecycle.clear(&self.parts.name);
    }

    fn publish_health(&mut self, now: Nanos) {
        if now < self.health_at {
            return;
        }
        self.health_at = now.plus(HEALTH_EVERY_NS);
        self.health.decode_errors = self.parts.session.counters().decode_errors;
        self.health.order_lines = self.parts.session.order_lines();
        let reports = &self.parts.reports;
        self.health.reports_ring = RingUse::of(reports.len(), reports.capacity());
        for (limit, row) in self.health.limits.iter_mut().enumerate() {
            let used = self.parts.throttle.used(limit, now);
            *row = used.map_or(RateUse::default(), |(used, allowed)| RateUse { used, allowed });
        }
        self.health.updated_ns = now;
        self.parts.health.publish(&self.health);
    }

    /// An agent is lost. New orders on their way here are refused, and everything at the venue is
    /// cancelled without being told, again and again until the venue confirms it.
    fn on_emergency(&mut self, now: Nanos) {
        let again = self.emergency.is_some();
        let instruments = &self.parts.instruments;
        let emergency = self.emergency.get_or_insert_with(|| Emergency::new(instruments));
        let commands = emergency.commands(now);
        if again && !commands.is_empty() {
            let count = commands.len();
            let text = format_args!("cancels of {count} instruments are not confirmed: sent again");
            self.parts.session.log().error(now, text);
        }
        for command in commands {
            if let Err(error) = self.parts.session.submit(&command, now) {
                let text = format_args!("{:?} was not sent: {error}", command.kind);
                self.parts.session.log().error(now, text);
            }
            self.hand_over(now);
        }
        self.tell_cleared(now);
    }
}

impl Agent for Executor {
    fn name(&self) -> &str {
        &self.parts.name
    }

    fn poll(&mut self, now: Nanos) -> usize {
        let (mut work, mut command) = (0, Command::new(CommandKind::Balances, now));
        let emergency = self.parts.lifecycle.has_lost_agent();
        if emergency {
            self.on_emergency(now);
        }
        for _ in 0..COMMANDS_PER_POLL {
            if !self.has_room() {
                return work;
            }
            if !self.next_command(&mut command) {
                break;
            }
            work += 1;
            self.taken_ns = self.taken(work == 1, now);
            if emergency && matches!(command.kind, CommandKind::New(_) | CommandKind::Replace(_)) {
                self.refuse(&command, RejectReason::Other, now);
            } else {
                self.on_command(&command, now);
            }
        }
        // In a folded loop the other legs of the signal wait behind us: let them leave first.
        self.turned = work > 0 && !self.turned;
        if self.turned {
            return work;
        }
        work += self.parts.session.poll(now);
        for _ in 0..MESSAGES_PER_POLL {
            if !self.has_room() {
                return work;
            }
            let Some(step) = self.parts.session.step(now) else { break };
            work += 1;
            if let Some(channel) = step.closed {
                self.health.channels[channel.index()] = Readiness::Down;
                self.health.reconnects += 1;
                self.note_ready();
            }
            self.hand_over(step.recv_ns);
        }
        if self.has_room() && self.parts.session.deadline(now) {
            self.hand_over(now);
        }
        let wanted = self.parts.lifecycle.wanted_frame();
        if wanted != self.shown {
            self.shown = wanted;
            self.parts.session.show(wanted, "contradicts itself or what was known");
        }
        self.publish_health(now);
        if work == 0 {
            self.parts.latency.flush();
        }
        work
    }
}
