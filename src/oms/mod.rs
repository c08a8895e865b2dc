//! Order management: signals and venue reports in, commands and strategy reports out.
//!
//! The one writer of order, position and limit state. Time and books are given to it; it opens no
//! socket, starts no thread and does not allocate once it is built. A signal's legs are all checked
//! before any is sent, and their commands leave in one call. What a venue has not proved is
//! Unknown: it stays reserved and is asked for until it is proved.

#![forbid(unsafe_code)]

mod agree;
mod capital;
mod closing;
mod codec;
mod costs;
mod counters;
mod crossing;
mod denied;
mod differences;
mod exposure;
mod external;
mod fills;
mod index;
mod inspect;
mod legs;
mod limits;
mod looks;
mod losses;
mod names;
mod notices;
mod open;
mod operator;
mod orders;
mod pace;
mod perpetuals;
mod rates;
mod reconcile;
mod record;
mod refusals;
mod reject;
mod replace;
mod replay;
mod reports;
mod requests;
mod risk;
mod room;
mod shares;
mod state;
mod taking;
mod tell;
#[cfg(test)]
mod tests;
mod timers;
mod trading;
mod transition;
mod unrecorded;
mod venues;
mod waits;

pub use capital::Budget;
pub use closing::{Closing, ClosingState};
pub use counters::OmsCounters;
pub use differences::{Difference, Finding, Flaw, Quarantined};
pub use exposure::{Exposure, Exposures};
pub use limits::{RiskLimits, StrategyLimits};
pub use losses::LossRow;
pub use names::Orphaned;
pub use operator::{OperatorDone, OperatorError, Progress};
pub use orders::{Order, OrderTable, Slot, Terms};
pub use rates::VenueRates;
pub use record::{NullRecorder, Opening, Record, RecordError, Recorder};
pub use refusals::Refusals;
pub use replay::{Divergence, Replay, Replayed};
pub use risk::{BookQuote, RiskReject};
pub use shares::Shares;
pub use state::{Kept, MoveError};
pub use transition::{Next, Trigger, next};
pub use unrecorded::{KnownFills, RefusedUnrecorded};

pub use crate::types::{NotReady, TradingState};

use crate::mutants::Mutant;
use crate::portfolio::{Balances, Positions};
use crate::types::{
    Amount, Channel, Command, CommandKind, FeeRate, InstrumentId, InstrumentTable, Nanos,
    OrderState, PairOutcome, ProcessEnd, Qty, Scope, SignalId, StrategyId, StrategyReport, VenueId,
};
use differences::Findings;
use reconcile::{Round, Step};
use serde::{Deserialize, Serialize};
use state::{FillAsk, State};
use std::sync::Arc;
use unrecorded::Unrecorded;

/// Where the risk checks find the live books.
pub trait Books {
    /// Best prices of an instrument; a default quote (state Empty) if there is no book.
    fn best(&self, instrument: InstrumentId) -> BookQuote;
}

/// Sizes, limits and delays.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OmsOptions {
    /// Orders the table holds, working and lately ended together.
    pub orders_max: usize,
    /// Fills remembered against being booked twice.
    pub fills_max: usize,
    /// For each venue the channels that must be ready before an order may be sent there: those
    /// that its trading connector asks for. Index is the [`VenueId`].
    pub venues: Vec<Vec<Channel>>,
    /// Rate limits of each venue, by the same index; a venue that is not listed has none here.
    pub rates: Vec<VenueRates>,
    /// Names of the strategies in the order of their numbers: what is theirs follows the name into
    /// the next run.
    pub strategies: Vec<String>,
    /// Pause between two reconciliations of a venue, which is ready only once it was reconciled. 0
    /// is never, and a venue is then ready without: for tests of other things.
    pub reconcile_every_ns: u64,
    /// After so many queries without any answer a person is told.
    pub queries_max: u32,
    /// The limits.
    pub limits: RiskLimits,
    /// A command that nobody has answered for so long has an unknown outcome. Longer than the
    /// connectors' own reply timeout, which normally comes first.
    pub reply_timeout_ns: u64,
    /// First pause before a query, a repeated cancel or a look for fills; doubles every time.
    pub retry_first_ns: u64,
    /// Longest such pause.
    pub retry_max_ns: u64,
    /// An order that queries do not find is given up after so many of them...
    pub not_found_min: u32,
    /// ...and not before it has been Unknown for so long: venues answer from replicas that lag.
    pub not_found_after_ns: u64,
}

impl Default for OmsOptions {
    fn default() -> Self {
        Self {
            orders_max: 16_384,
            fills_max: 65_536,
            venues: Vec::new(),
            rates: Vec::new(),
            strategies: Vec::new(),
            reconcile_every_ns: 60_000_000_000,
            queries_max: 10,
            limits: RiskLimits::default(),
            reply_timeout_ns: 10_000_000_000,
            retry_first_ns: 250_000_000,
            retry_max_ns: 5_000_000_000,
            not_found_min: 3,
            not_found_after_ns: 5_000_000_000,
        }
    }
}

/// What the oms wants done, in order. Bounded by the size of the order table; drained and cleared
/// by the caller after every call.
#[derive(Debug)]
pub struct Output {
    /// Commands for executors.
    pub commands: Vec<(VenueId, Command)>,
    /// Reports for strategies.
    pub reports: Vec<(StrategyId, StrategyReport)>,
    /// Signals with a contract that are done, for people.
    pub pairs: Vec<PairOutcome>,
}

impl Output {
    /// Room for what one call can want of an oms with these options.
    #[must_use]
    pub fn new(options: &OmsOptions) -> Self {
        let size = options.orders_max * 2 + 64;
        Self {
            commands: Vec::with_capacity(size),
            reports: Vec::with_capacity(size),
            pairs: Vec::with_capacity(legs::PAIRS_MAX),
        }
    }

    /// Forgets everything, keeping the memory.
    pub fn clear(&mut self) {
        self.commands.clear();
        self.reports.clear();
        self.pairs.clear();
    }
}

/// Order management. `R` takes the records for the journal, `B` has the books.
///
/// Its state is a function of what it is told: every input is recorded before it acts, and so is
/// every book that it looks at. [`Replay`] makes the same state of the same records.
pub struct Oms<R: Recorder, B: Books> {
    options: OmsOptions,
    instruments: Arc<InstrumentTable>,
    recorder: R,
    books: B,
    state: State,
    findings: Findings,
    unrecorded: Unrecorded,
}

/// No deadline.
const NEVER: Nanos = Nanos(u64::MAX);

impl<R: Recorder, B: Books> Oms<R, B> {
    /// An oms without orders, recorded as such. `instance_start` becomes part of every client order
    /// id and must differ by a second or more between two runs.
    pub fn new(
        options: OmsOptions,
        instruments: Arc<InstrumentTable>,
        instance_start: Nanos,
        recorder: R,
        books: B,
    ) -> Self {
        let state = State::new(&options, &instruments, instance_start);
        let unrecorded = Unrecorded::new(options.venues.len(), &instruments);
        let findings = Findings::new();
        let mut oms = Self { options, instruments, recorder, books, state, findings, unrecorded };
        oms.record_opening(instance_start);
        oms
    }

    /// An oms that goes on with the state of an earlier run, under the options, limits and
    /// instruments of this one. Whatever was not proved to have ended is Unknown until it is. The
    /// run takes a start at least a second later than the earlier one's, whatever the clock says:
    /// client order ids are never used twice.
    pub fn resume(
        kept: Kept,
        options: OmsOptions,
        instruments: Arc<InstrumentTable>,
        instance_start: Nanos,
        recorder: R,
        books: B,
    ) -> Result<Self, MoveError> {
        let Kept { opening, state } = kept;
        let instance_start = instance_start.max(state.instance_start.plus(1_000_000_000));
        let state = state
            .moved(&opening.instruments, &instruments, &options)?
            .renumbered(&opening.options.strategies, &options.strategies);
        let unrecorded = Unrecorded::new(options.venues.len(), &instruments);
        let findings = Findings::new();
        let mut oms = Self { options, instruments, recorder, books, state, findings, unrecorded };
        oms.record_opening(instance_start);
        oms.reopen(instance_start);
        Ok(oms)
    }

    fn record_opening(&mut self, instance_start: Nanos) {
        let opening = Opening {
            instance_start,
            options: self.options.clone(),
            instruments: (*self.instruments).clone(),
        };
        self.recorder.record(instance_start, &Record::Opening(Box::new(opening)));
    }

    /// Begins a run on the state of an earlier one: nothing is connected, no id is used twice, and
    /// nothing is known of what was under way.
    fn reopen(&mut self, instance_start: Nanos) {
        let state = &mut self.state;
        state.instance_start = instance_start;
        state.sequence = 0;
        state.stopping = false;
        state.risk.reset(self.options.limits.clone());
        state.risk.trading.resize(self.options.venues.len());
        state.closings.clear();
        let reconcile = self.options.reconcile_every_ns > 0;
        state.venues = state.venues.restarted(&self.options.venues, reconcile);
        state.rates = state.rates.restarted(&self.options.rates, instance_start);
        state.rounds.resize(self.options.venues.len(), Round::default());
        for round in &mut state.rounds {
            (round.step, round.due, round.asked) = (Step::Idle, Nanos(0), Nanos(0));
        }
        state.statuses = self.instruments.iter().map(|instrument| instrument.status).collect();
        state.fill_asks.fill(FillAsk::default());
        state.next_due = NEVER;
        let (limits, orders) = (&self.options.limits.strategies, self.state.orders.iter());
        let venues = self.options.venues.len();
        self.state.capital.reopen(&self.instruments, venues, limits, orders);
        let instruments = &self.instruments;
        self.state.perpetuals.recount(self.state.orders.iter().filter_map(|order| {
            let perpetual = instruments.get(order.instrument).filter(|row| row.is_perpetual());
            perpetual.map(|row| (row, order.reserved_value))
        }));
        self.reopen_losses(instance_start);
        for slot in self.state.orders.slots() {
            self.assume_lost(slot, Trigger::StreamLost, instance_start);
        }
        self.wake_pairs(instance_start);
    }

    /// What an oms in this state can be made of again, after a restart.
    #[must_use]
    pub fn kept(&self) -> Kept {
        let opening = Opening {
            instance_start: self.state.instance_start,
            options: self.options.clone(),
            instruments: (*self.instruments).clone(),
        };
        Kept { opening, state: self.state.clone() }
    }

    /// A hash of the whole state: equal for equal states, on every machine of one version.
    #[must_use]
    pub fn state_hash(&self) -> u64 {
        self.state.hash()
    }

    /// Best prices of an instrument, recorded: a replay sees the same.
    fn quote(&mut self, instrument: InstrumentId, now: Nanos) -> BookQuote {
        let quote = self.books.best(instrument);
        self.recorder.record(now, &Record::Quote(instrument, quote));
        quote
    }

    /// The books. What is read here is for people and not recorded.
    pub fn books(&self) -> &B {
        &self.books
    }

    /// The books, to be changed by whoever owns them.
    pub fn books_mut(&mut self) -> &mut B {
        &mut self.books
    }

    /// What may be traded.
    #[must_use]
    pub fn trading_state(&self) -> TradingState {
        let engine = self.state.risk.trading.get(Scope::Engine).unwrap_or_default();
        if self.state.stopping { TradingState::Halted } else { engine }
    }

    /// Puts on record that a strategy's process is not started again.
    pub fn on_strategy_ended(&mut self, strategy: StrategyId, end: ProcessEnd, now: Nanos) {
        self.recorder.record(now, &Record::StrategyEnded(strategy, end));
    }

    /// Nothing may be built on what is known: no new orders until a person says otherwise.
    fn halt(&mut self, now: Nanos) {
        if self.state.risk.trading.set(Scope::Engine, TradingState::Halted) {
            self.recorder.record(now, &Record::Halted);
        }
    }

    /// Notes the hash of the state, for whoever replays the records.
    pub fn record_hash(&mut self, now: Nanos) {
        self.record_unrecorded(now);
        let hash = self.state_hash();
        self.recorder.record(now, &Record::Hash(hash));
    }

    /// Whether every order of ours has ended and every fill that the venues have told of is booked: a
    /// stopped engine calls [`Oms::on_timer`] until this is so.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.state.orders.open_count() == 0 && !self.state.orders.iter().any(Order::awaits_fills)
    }

    /// The order with this id, as long as the table holds it.
    #[must_use]
    pub fn order(&self, id: crate::types::ClientOrderId) -> Option<&Order> {
        self.state.orders.by_client(id).map(|slot| self.state.orders.get(slot))
    }

    /// All orders that the table holds.
    #[must_use]
    pub fn orders(&self) -> &OrderTable {
        &self.state.orders
    }

    /// Positions.
    #[must_use]
    pub fn positions(&self) -> &Positions {
        &self.state.positions
    }

    /// Balances expected and stated.
    #[must_use]
    pub fn balances(&self) -> &Balances {
        &self.state.balances
    }

    /// Exposures.
    #[must_use]
    pub fn exposures(&self) -> &Exposures {
        &self.state.exposures
    }

    /// Fee rates that the venue has stated for an instrument.
    #[must_use]
    pub fn fee_rate(&self, instrument: InstrumentId) -> Option<FeeRate> {
        self.state.fees.get(instrument.index()).copied().flatten()
    }

    /// Counters, with what is counted and not recorded yet.
    #[must_use]
    pub fn counters(&self) -> OmsCounters {
        self.unrecorded.added_to(self.state.counters)
    }

    /// Whether new orders may go to this venue now.
    #[must_use]
    pub fn is_ready(&self, venue: VenueId, now: Nanos) -> bool {
        self.state.venues.is_ready(venue, now)
    }

    /// Why no new orders may go to this venue now; `None` if they may, as far as the venue goes.
    #[must_use]
    pub fn why_not_ready(&self, venue: VenueId, now: Nanos) -> Option<NotReady> {
        self.state.venues.why_not_ready(venue, now)
    }

    /// Options and limits.
    #[must_use]
    pub fn options(&self) -> &OmsOptions {
        &self.options
    }

    /// All instruments.
    #[must_use]
    pub fn instruments(&self) -> &InstrumentTable {
        &self.instruments
    }

    /// Where the records go.
    pub fn recorder(&mut self) -> &mut R {
        &mut self.recorder
    }

    /// Hands a command over, recorded first.
    fn send(
        &mut self,
        venue: VenueId,
        kind: CommandKind,
        signal: SignalId,
        tick_ns: Nanos,
        now: Nanos,
        out: &mut Output,
    ) {
        let leave_by_ns = match kind {
            CommandKind::New(_) | CommandKind::Replace(_) => self.state.risk.limits.leave_by(now),
            _ => Command::WHENEVER,
        };
        let command = Command { signal, tick_ns, leave_by_ns, ..Command::new(kind, now) };
        self.hand_over(venue, &command, now, out);
    }

    fn hand_over(&mut self, venue: VenueId, command: &Command, now: Nanos, out: &mut Output) {
        self.take_rate(venue, command, now);
        if !matches!(command.kind, CommandKind::New(_)) {
            self.recorder.record(now, &Record::Command(venue, *command));
        }
        out.commands.push((venue, *command));
    }

    /// Makes the reserved exposure and capital of an order what they are now.
    fn reserve(&mut self, slot: Slot) {
        let order = self.state.orders.get_mut(slot);
        let Some(instrument) = self.instruments.get(order.instrument) else { return };
        let freed = Mutant::UnknownFreed.is_on() && order.state == OrderState::Unknown;
        let worst = if freed { Qty::ZERO } else { order.worst_case() };
        let value = if freed { Amount::ZERO } else { order.worst_value(instrument) };
        if (worst, value) == (order.reserved, order.reserved_value) {
            return;
        }
        let (reserved, reserved_value) = (order.reserved, order.reserved_value);
        (order.reserved, order.reserved_value) = (worst, value);
        self.state.exposures.reserve(instrument, order.side, reserved, worst);
        self.state.capital.reserve(order.strategy, order.venue, reserved_value, value);
        if instrument.is_perpetual() {
            self.state.perpetuals.reserve(instrument, reserved_value, value);
        }
    }

    /// Puts an order with a deadline on the watch list.
    fn watch(&mut self, slot: Slot) {
        let order = self.state.orders.get_mut(slot);
        let Some(due) = order.timers.next() else { return };
        if !order.watched {
            order.watched = true;
            self.state.watch.push(slot);
        }
        self.state.next_due = self.state.next_due.min(due);
    }

    /// Pause before the next try, doubling with every one made.
    fn pause_ns(&self, tries: u32) -> u64 {
        waits::doubled_ns(self.options.retry_first_ns, self.options.retry_max_ns, tries)
    }
}
