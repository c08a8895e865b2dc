//! The order manager as an agent: requests and reports in, commands and news out.
//!
//! The only writer of order, position and limit state, so nothing here is locked. It polls reports
//! before requests: what is known about working orders counts before new ones are allowed. A person's
//! commands come before both.

use super::account::{self, FinalState};
use super::children::Wards;
use super::ending::Ending;
use super::executor::refused_here;
use super::findings;
use super::journal::JournalRecorder;
use super::log::Log;
use super::operator::DeskState;
use super::pairs::PairLog;
use super::ports::{StrategyPort, VenuePort};
use super::rules::RuleChange;
use super::skew::SkewTable;
use super::threads::{Agent, Lifecycle};
use crate::clock::Clock;
use crate::oms::{BookQuote, Books, Kept, Oms, OmsCounters, OmsOptions, Output, RiskReject};
use crate::shm::{AccountWriter, Market, MarketView, OrderGate, RingUse, StageWriter};
use crate::show::{venue_name, words};
use crate::types::{
    Command, CommandKind, Detail, Event, InstrumentId, InstrumentTable, LossSwitch, Nanos,
    NotReady, RejectReason, Repeats, Request, Signal, Stamps, StrategyId, VenueId,
};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};

/// What the order manager is made of.
pub struct OmsParts {
    /// Options of the order manager.
    pub options: OmsOptions,
    /// Part of every client order id.
    pub instance_start: Nanos,
    /// All instruments.
    pub instruments: Arc<InstrumentTable>,
    /// The region, to beat its heart and to read books.
    pub market: Market,
    /// Venues in use.
    pub venues: Vec<VenuePort>,
    /// Strategies.
    pub strategies: Vec<StrategyPort>,
    /// The account in the region.
    pub account: AccountWriter,
    /// Where everything is recorded.
    pub journal: JournalRecorder,
    /// The state of the run before.
    pub kept: Option<Kept>,
    /// First to last leg of a signal.
    pub leg_skew: StageWriter,
    /// Time.
    pub clock: Clock,
    /// The engine's life.
    pub lifecycle: Lifecycle,
    /// Where the last state goes.
    pub last: Sender<FinalState>,
    /// Log.
    pub log: Log,
}

/// See the module.
#[repr(align(128))]
pub struct OmsAgent {
    pub(super) parts: OmsParts,
    pub(super) oms: LiveOms,
    /// The person at the engine, if there is a way for one.
    pub(super) desk: Option<DeskState>,
    pub(super) wards: Wards,
    pub(super) venues: Vec<VenueId>,
    /// Of each, whether it was said to be ready.
    pub(super) ready: Vec<bool>,
    /// Of each, what was last published of it.
    gates: Vec<OrderGate>,
    pub(super) out: Output,
    /// Commands that found their ring full.
    refused: Vec<(VenueId, Command)>,
    skew: SkewTable,
    detail: Detail,
    /// Of the signal at hand, for the commands that it causes.
    stamps: Stamps,
    pub(super) pairs: PairLog,
    pub(super) ending: Ending,
    /// When housekeeping goes before requests.
    house_at: Nanos,
    pub(super) account_at: Nanos,
    pub(super) account: account::Publisher,
    pub(super) told: OmsCounters,
    /// When refusals of each kind may be told of again.
    pub(super) refusals_told: [Repeats; RiskReject::COUNT],
    pub(super) switch_told: Option<LossSwitch>,
    /// Its complaint was told of.
    pub(super) journal_told: bool,
    /// It is broken, and the engine was told to stop.
    pub(super) journal_ended: bool,
    /// Rules that venues have changed.
    rules: Option<Receiver<RuleChange>>,
}

/// The order manager as it runs.
pub(super) type LiveOms = Oms<JournalRecorder, RegionBooks>;

pub(super) struct RegionBooks(pub(super) MarketView);

impl Books for RegionBooks {
    fn best(&self, instrument: InstrumentId) -> BookQuote {
        let best = self.0.best(instrument);
        BookQuote { bid: best.bid, ask: best.ask, state: best.state, recv_ns: best.recv_ns }
    }
}

const EVENTS_PER_POLL: usize = 256;
const REQUESTS_PER_POLL: usize = 32;
/// How long housekeeping may wait while there is work in every poll.
const HOUSEKEEPING_EVERY_NS: u64 = 1_000_000;
const ACCOUNT_EVERY_NS: u64 = 50_000_000;
/// Rows that are published at once, positions and budgets: some microseconds, which an order may have
/// to wait.
const ROWS_AT_ONCE: usize = 32;
impl OmsAgent {
    /// An agent named `oms`, with the state of the run before if there is one.
    ///
    /// # Errors
    ///
    /// In words, if that state does not go with the instruments of today.
    pub fn new(mut parts: OmsParts) -> Result<Self, String> {
        let books = RegionBooks(parts.market.view());
        let out = Output::new(&parts.options);
        let instruments = parts.instruments.clone();
        let options = parts.options.clone();
        let start = parts.instance_start;
        let mut journal = std::mem::replace(&mut parts.journal, JournalRecorder::none());
        let detail = parts.market.detail();
        if detail == Detail::All {
            journal.stamp_intents(parts.clock.clone());
        }
        let oms = match parts.kept.take() {
            Some(kept) => {
                findings::tell_orphaned(&kept, &options.strategies, start, &mut parts.log);
                Oms::resume(kept, options, instruments, start, journal, books)
                    .map_err(|error| error.to_string())?
            }
            None => Oms::new(options, instruments, start, journal, books),
        };
        let venues: Vec<VenueId> = parts.venues.iter().map(|port| port.venue).collect();
        let ready = vec![false; venues.len()];
        let gates = vec![OrderGate::default(); venues.len()];
        let account = account::Publisher::new(&parts.instruments, parts.strategies.len());
        let wards = Wards::new(parts.strategies.len());
        let pairs = PairLog::new(parts.market.pair_writer());
        Ok(Self {
            parts,
            oms,
            desk: None,
            wards,
            venues,
            ready,
            gates,
            out,
            refused: Vec::with_capacity(64),
            skew: SkewTable::new(),
            detail,
            stamps: Stamps::NONE,
            pairs,
            ending: Ending::default(),
            house_at: Nanos(0),
            account_at: Nanos(0),
            account,
            told: OmsCounters::default(),
            refusals_told: [Repeats::default(); RiskReject::COUNT],
            switch_told: None,
            journal_told: false,
            journal_ended: false,
            rules: None,
        })
    }

    /// Rules that venues have changed come from here.
    #[must_use]
    pub(crate) fn with_rules(mut self, rules: Receiver<RuleChange>) -> Self {
        self.rules = Some(rules);
        self
    }

    fn take_rules(&mut self, now: Nanos) {
        while let Some(change) = self.rules.as_ref().and_then(|rules| rules.try_recv().ok()) {
            let RuleChange { instrument, rules, status } = change;
            self.oms.on_rules(instrument, rules, status, now);
        }
    }

    /// Orders, positions and limits, to look at.
    #[must_use]
    pub fn oms(&self) -> &Oms<JournalRecorder, impl Books + use<>> {
        &self.oms
    }

    fn take_events(&mut self, now: Nanos) -> usize {
        let mut work = 0;
        for at in 0..self.parts.venues.len() {
            for _ in 0..EVENTS_PER_POLL {
                let Some(event) = self.parts.venues[at].events.pop() else { break };
                work += 1;
                self.on_event(at, &event, now);
                self.drain(now);
            }
        }
        if self.parts.lifecycle.has_lost_agent() {
            work += self.take_spare_events(now);
        }
        work
    }

    /// What spare connections hear of orders whose executor is lost.
    #[cold]
    fn take_spare_events(&mut self, now: Nanos) -> usize {
        let mut work = 0;
        for at in 0..self.parts.venues.len() {
            for _ in 0..EVENTS_PER_POLL {
                let Ok(event) = self.parts.venues[at].spare.try_recv() else { break };
                work += 1;
                self.on_event(at, &event, now);
                self.drain(now);
            }
        }
        work
    }

    fn on_event(&mut self, at: usize, event: &Event, now: Nanos) {
        let venue = self.parts.venues[at].venue;
        self.ending.hear(event, now);
        let oms = &mut self.oms;
        match event {
            Event::Report(report) => oms.on_report(venue, report, now, &mut self.out),
            Event::Balance(balance) => oms.on_balance(balance, now),
            Event::Fee(fee) => oms.on_fee(fee, now),
            Event::Position(position) => oms.on_position(venue, position, now),
            Event::FundingPaid(payment) => oms.on_funding(venue, payment, now),
            Event::Margin(margin) => oms.on_margin(margin, now),
            Event::Notice(notice) => oms.on_notice(venue, notice, now, &mut self.out),
            Event::Sent(sent) => {
                if self.detail != Detail::Off
                    && let Some(skew_ns) = self.skew.on_sent(sent)
                {
                    self.parts.leg_skew.record(sent.instrument, skew_ns);
                }
            }
            Event::Depth(_) | Event::Top(_) | Event::Trade(_) | Event::Perpetual(_) => {}
        }
    }

    /// `now` is good for the first of them, if nothing went before it in this poll.
    fn take_requests(&mut self, now: Option<Nanos>) -> usize {
        let (mut work, mut request) = (0, Request::CancelAll);
        for at in 0..self.parts.strategies.len() {
            for _ in 0..REQUESTS_PER_POLL {
                let port = &mut self.parts.strategies[at];
                let strategy = port.strategy;
                let Some(readable) = port.take_request(&mut request) else { break };
                if readable {
                    let now = now.filter(|_| work == 0).unwrap_or_else(|| self.parts.clock.now());
                    self.on_request(strategy, &request, now);
                }
                work += 1;
            }
        }
        work
    }

    fn on_request(&mut self, strategy: StrategyId, request: &Request, now: Nanos) {
        match request {
            Request::Watch(instrument) => self.watch(*instrument, now),
            Request::Signal(signal) => {
                // The signal before it may have taken the last room that was for signals.
                self.watch_journal(now);
                self.oms.recorder().take_intent_ns();
                self.oms.on_request(strategy, request, now, &mut self.out);
                self.stamps = self.stamps_of(signal);
                self.drain(now);
                self.stamps = Stamps::NONE;
            }
            Request::Cancel(_) | Request::CancelAll | Request::Replace { .. } => {
                if let Request::Replace { .. } = request {
                    self.watch_journal(now);
                }
                self.oms.on_request(strategy, request, now, &mut self.out);
                self.drain(now);
            }
        }
    }

    /// What is known of the way behind a signal whose orders are about to be handed over.
    fn stamps_of(&mut self, signal: &Signal) -> Stamps {
        match self.detail {
            Detail::Off => Stamps::NONE,
            _ => Stamps::of(signal, self.oms.recorder().take_intent_ns()),
        }
    }

    fn watch(&mut self, instrument: InstrumentId, now: Nanos) {
        let venue = self.parts.instruments.get(instrument).map(|instrument| instrument.venue);
        let port = self.parts.venues.iter_mut().find(|port| Some(port.venue) == venue);
        let kind = CommandKind::Subscribe(instrument);
        let command = Command::new(kind, now);
        if port.is_none_or(|port| port.feed.push(command).is_err()) {
            let name = self.naming().instrument(instrument);
            self.parts.log.error(now, format_args!("instrument {name}: cannot be watched"));
        }
    }

    /// Commands to the executors, news to the strategies. A command that finds its ring full was
    /// not sent; the order manager is told so, as it would be by the executor.
    pub(super) fn drain(&mut self, now: Nanos) {
        self.deliver(now);
        while let Some((venue, command)) = self.refused.pop() {
            let why =
                if self.oms.recorder().broken().is_some() { "not recorded" } else { "ring full" };
            let what = words::command(&command.kind, &self.naming());
            let name = venue_name(venue);
            self.parts.log.error(now, format_args!("venue {name}: not sent, {why}: {what}"));
            match refused_here(&command.kind, RejectReason::RateLimit, now) {
                Event::Report(report) => self.oms.on_report(venue, &report, now, &mut self.out),
                Event::Notice(notice) => self.oms.on_notice(venue, &notice, now, &mut self.out),
                _ => {}
            }
            self.deliver(now);
        }
    }

    fn deliver(&mut self, now: Nanos) {
        if !self.out.commands.is_empty() {
            self.hand_over(self.parts.clock.now());
        }
        for pair in self.out.pairs.drain(..) {
            let names = self.desk.as_ref().map_or(&[][..], |desk| &desk.desk.strategies);
            self.pairs.take(&pair, (&self.parts.instruments, names), now, &mut self.parts.log);
        }
        for (strategy, report) in self.out.reports.drain(..) {
            let port = self.parts.strategies.iter_mut().find(|port| port.strategy == strategy);
            if let Some(port) = port {
                port.give(report);
            }
        }
    }

    fn hand_over(&mut self, issued_ns: Nanos) {
        // What could not be recorded must not be done: after a crash nobody would know of it.
        let unrecorded = self.oms.recorder().broken().is_some();
        for (venue, command) in &mut self.out.commands {
            command.issued_ns = issued_ns;
            if matches!(command.kind, CommandKind::New(_)) {
                command.stamps = self.stamps;
            }
            if unrecorded && matches!(command.kind, CommandKind::New(_) | CommandKind::Replace(_)) {
                self.refused.push((*venue, *command));
                continue;
            }
            let port = self.parts.venues.iter_mut().find(|port| port.venue == *venue);
            if port.is_none_or(|port| port.commands.push(*command).is_err()) {
                self.refused.push((*venue, *command));
            }
        }
        self.out.commands.clear();
    }

    pub(super) fn publish_account(&mut self, now: Nanos) {
        if now < self.account_at {
            return;
        }
        if !self.account.has_begun() {
            self.tell(now);
            // Who is told to stop falls silent.
            if !self.ending.has_begun() {
                self.watch_strategies(now);
            }
            self.look_at_journal(now);
            self.publish_gates(now);
            self.parts.market.beat(now);
        }
        if self.publish_rows(ROWS_AT_ONCE, now) {
            self.account_at = now.plus(ACCOUNT_EVERY_NS);
        }
    }

    /// Whether each venue gets new orders and why not, and what waits for its executor.
    fn publish_gates(&mut self, now: Nanos) {
        for (port, gate) in self.parts.venues.iter().zip(&mut self.gates) {
            let not_ready = self.oms.why_no_orders(port.venue, now);
            if gate.updated_ns == Nanos(0) || reason(not_ready) != reason(gate.not_ready) {
                gate.since_ns = now;
            }
            gate.not_ready = not_ready;
            gate.commands_ring = RingUse::of(port.commands.len(), port.commands.capacity());
            gate.updated_ns = now;
            self.parts.account.set_gate(port.venue, gate);
        }
    }

    /// So many of the account's rows at most; `true` once it is whole.
    pub(super) fn publish_rows(&mut self, most: usize, now: Nanos) -> bool {
        let around = self.around();
        let rest = (&self.venues[..], &around);
        let OmsParts { instruments, account: writer, .. } = &mut self.parts;
        self.account.step(&self.oms, instruments, rest, (now, most), writer)
    }

    /// What does not have to happen in every poll: timers, the account, what is shown, the end.
    fn keep_house(&mut self, now: Nanos) {
        self.house_at = now.plus(HOUSEKEEPING_EVERY_NS);
        for port in &mut self.parts.strategies {
            port.give_waiting();
        }
        self.take_rules(now);
        self.take_children(now);
        self.oms.on_timer(now, &mut self.out);
        self.drain(now);
        self.publish_account(now);
        self.show_orders(now);
        self.live_through_the_end(now);
    }
}

/// A reason without what it is about: a suspension that grows is the same one.
fn reason(why: Option<NotReady>) -> Option<&'static str> {
    why.map(NotReady::name)
}

impl Agent for OmsAgent {
    fn name(&self) -> &str {
        "oms"
    }

    fn poll(&mut self, now: Nanos) -> usize {
        if self.ending.is_over() {
            return 0;
        }
        let mut work = self.take_operator(now);
        work += self.take_events(now);
        self.watch_journal(now);
        let due = now >= self.house_at;
        if due {
            self.keep_house(now);
        }
        // Else nothing stands between a signal and its orders.
        if !self.ending.is_over() {
            work += self.take_requests((work == 0).then_some(now));
        }
        if work == 0 && !due {
            self.keep_house(now);
        }
        work
    }
}
