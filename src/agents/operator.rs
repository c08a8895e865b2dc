//! What the order manager does for the person at the engine: commands from the control thread,
//! answers back to it, and strategies that have gone silent.
//!
//! Commands come before everything else in a poll. Answers that find their ring full are left out:
//! whoever asked asks again.

use super::account::Around;
use super::oms::OmsAgent;
use super::ports::StrategyPort;
use super::silence::{Heard, Silence};
use crate::oms::{Closing, ClosingState, OperatorDone, OperatorError, Order, Progress};
use crate::show::{Naming, words};
use crate::sync::spsc;
use crate::types::{
    Amount, ClientOrderId, InstrumentId, Nanos, Operator, OrderState, ParamName, ParamValue, Qty,
    Scope, Side, StrategyId, Teller, TradingState,
};
use crate::venues::VENUES;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// A question of the control thread. Its number comes back with every part of the answer.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    /// Above 0; [`LAST_WORD`] is the order manager's own.
    pub number: u64,
    /// What is wanted.
    pub kind: AskKind,
}

/// See [`Ask`].
#[derive(Clone, Copy, Debug)]
pub enum AskKind {
    /// Carry it out, for who asks.
    Do(Operator, Teller),
    /// Tell what is left to do in a scope of the orders that were made until then.
    Look(Scope, Nanos),
    /// Tell the parameters of one strategy or of all.
    Params(Option<StrategyId>),
}

/// Up to which number the commands are settled: carried out by the order manager, or taken back by the
/// control thread, which waited in vain. Whoever settles one first has it, so that nobody is told that a
/// command was not carried out which is carried out later.
#[derive(Clone, Debug, Default)]
pub struct Settled(Arc<AtomicU64>);

impl Settled {
    /// Settles all up to this number. Gives the last that was settled before.
    pub fn up_to(&self, number: u64) -> u64 {
        self.0.fetch_max(number, Ordering::AcqRel)
    }
}

/// Number of what the order manager tells unasked when it ends.
pub const LAST_WORD: u64 = 0;

/// Part of an answer.
#[derive(Clone, Copy, Debug)]
pub struct Tell {
    /// Of the question.
    pub number: u64,
    /// The part.
    pub part: TellPart,
}

/// See [`Tell`].
#[derive(Clone, Copy, Debug)]
pub enum TellPart {
    /// What a command did at once, and when. The whole answer to [`AskKind::Do`].
    Done(Result<OperatorDone, OperatorError>, Nanos),
    /// An order that has not ended.
    Order(OrderRow),
    /// A position that is or was being closed.
    Closing(ClosingRow),
    /// Ends the answer to [`AskKind::Look`].
    Progress(Progress),
    /// A parameter of a strategy as it is now.
    Param(StrategyId, ParamName, ParamValue),
    /// Ends the answer to [`AskKind::Params`].
    ParamsEnd,
}

/// An order that has not ended, as people see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderRow {
    /// Our id.
    pub client_id: ClientOrderId,
    /// What it trades.
    pub instrument: InstrumentId,
    /// Buy or sell.
    pub side: Side,
    /// Where it stands.
    pub state: OrderState,
    /// In total, and filled so far.
    pub qty: Qty,
    /// See `qty`.
    pub filled: Qty,
    /// Since when it is in its state.
    pub since_ns: Nanos,
    /// Whether a cancel is wanted.
    pub cancel_wanted: bool,
    /// Whether its venue is connected and ready.
    pub venue_ready: bool,
}

/// The closing of one position, as people see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClosingRow {
    /// In what.
    pub instrument: InstrumentId,
    /// How far.
    pub state: ClosingState,
    /// What is still held, signed base units.
    pub left: Amount,
}

/// Orders that one answer shows; the rest is only counted.
const ROWS_MAX: usize = 64;
/// Questions answered in one poll.
const ASKS_PER_POLL: usize = 8;
/// Orders that the crash bundle finds.
const BOARD_ROWS_MAX: usize = 256;
const BOARD_EVERY_NS: u64 = 500_000_000;

/// Open orders of half a second ago, for whoever writes down what was when the engine broke.
pub type OrderBoard = Arc<Mutex<Vec<OrderRow>>>;

/// The order manager's side of the control thread.
pub struct OperatorDesk {
    /// Questions.
    pub asks: spsc::Consumer<Ask>,
    /// Answers.
    pub tells: spsc::Producer<Tell>,
    /// Which commands are still wanted.
    pub settled: Settled,
    /// Open orders, shown twice a second.
    pub board: OrderBoard,
    /// Names of the strategies by number.
    pub strategies: Vec<String>,
    /// A strategy that has not said for so long that it lives is paused.
    pub strategy_silence_max_ns: u64,
}

/// What is remembered of the desk between polls.
pub(super) struct DeskState {
    pub desk: OperatorDesk,
    silence: Vec<Silence>,
    board_at: Nanos,
}

impl DeskState {
    pub fn new(desk: OperatorDesk, strategies: usize) -> Self {
        let silence = vec![Silence::default(); strategies];
        if let Ok(mut board) = desk.board.lock() {
            board.reserve(BOARD_ROWS_MAX);
        }
        Self { desk, silence, board_at: Nanos(0) }
    }
}

impl OmsAgent {
    /// Takes commands from a control thread from now on, and watches the strategies' heartbeats.
    #[must_use]
    pub fn with_desk(mut self, desk: OperatorDesk) -> Self {
        let strategies = self.parts.strategies.len();
        self.desk = Some(DeskState::new(desk, strategies));
        self.tell_states();
        self
    }

    /// What a person paused in an earlier run is paused still: said at the start.
    fn tell_states(&mut self) {
        let venues = self.parts.venues.iter().map(|port| Scope::Venue(port.venue));
        let strategies = self.parts.strategies.iter().map(|port| Scope::Strategy(port.strategy));
        let scopes: Vec<Scope> =
            [Scope::Engine].into_iter().chain(venues).chain(strategies).collect();
        let now = self.parts.clock.now();
        for scope in scopes {
            let state = self.oms.trading_state_of(scope).unwrap_or_default();
            if state != TradingState::Active {
                let names = self.desk.as_ref().map_or(&[][..], |state| &state.desk.strategies);
                let text = pause_text(scope, state, names);
                self.parts.log.warn(now, format_args!("{text}"));
            }
        }
    }

    pub(super) fn take_operator(&mut self, now: Nanos) -> usize {
        let mut work = 0;
        while work < ASKS_PER_POLL {
            let Some(ask) = self.desk.as_mut().and_then(|state| state.desk.asks.pop()) else {
                break;
            };
            work += 1;
            match ask.kind {
                AskKind::Do(operator, _) if self.is_taken_back(ask.number) => {
                    let told = self.in_words(&operator);
                    let text = format_args!("came too late for a person and is left: {told}");
                    self.parts.log.warn(now, text);
                }
                AskKind::Do(mut operator, teller) => {
                    let mut result = self.do_for_a_person(&mut operator, teller, now);
                    self.drain(now);
                    if result.is_ok() && self.oms.recorder().broken().is_some() {
                        result = Err(OperatorError::NotRecorded);
                    }
                    let (told, done) = (self.in_words(&operator), outcome(&operator, &result));
                    self.parts.log.info(now, format_args!("told by {teller}: {told}: {done}"));
                    self.answer(ask.number, TellPart::Done(result, now));
                }
                AskKind::Look(scope, made) => {
                    self.describe((ask.number, scope), made, now);
                }
                AskKind::Params(of) => self.tell_params(ask.number, of),
            }
        }
        work
    }

    fn in_words(&self, operator: &Operator) -> String {
        words::operator(operator, &self.naming())
    }

    /// Instruments and strategies by name, for the log.
    pub(super) fn naming(&self) -> Naming<'_> {
        let strategies = self.desk.as_ref().map_or(&[][..], |state| &state.desk.strategies);
        Naming { table: &self.parts.instruments, strategies }
    }

    /// Name of a strategy; its number where there is no desk to know it.
    pub(super) fn strategy_name(&self, strategy: StrategyId) -> String {
        let names = self.desk.as_ref().map_or(&[][..], |state| &state.desk.strategies);
        let name = names.get(usize::from(strategy.0));
        name.cloned().unwrap_or_else(|| strategy.0.to_string())
    }

    /// A parameter is on record before its strategy can see it. What it was is filled in.
    fn do_for_a_person(
        &mut self,
        operator: &mut Operator,
        teller: Teller,
        now: Nanos,
    ) -> Result<OperatorDone, OperatorError> {
        self.wards.refuse(operator)?;
        self.wards.forget(operator);
        let Operator::SetParam(change) = operator else {
            return self.oms.on_told(teller, operator, now, &mut self.out);
        };
        let port = self.parts.strategies.iter_mut().find(|port| port.strategy == change.strategy);
        let port = port.ok_or(OperatorError::UnknownScope)?;
        change.before = port.param(change.name).ok_or(OperatorError::UnknownParam)?;
        let change = *change;
        let done = self.oms.on_told(teller, operator, now, &mut self.out)?;
        port.set_param(change.name, change.after);
        Ok(done)
    }

    fn is_taken_back(&self, number: u64) -> bool {
        self.desk.as_ref().is_some_and(|state| state.desk.settled.up_to(number) >= number)
    }

    fn answer(&mut self, number: u64, part: TellPart) {
        if let Some(state) = &mut self.desk {
            // A full ring: whoever asked has gone, or asks again.
            let _ = state.desk.tells.push(Tell { number, part });
        }
    }

    /// Tells what is left to do in a scope, in answer to a question: of the orders made until then.
    pub(super) fn describe(&mut self, (number, scope): (u64, Scope), made: Nanos, now: Nanos) {
        let Some(state) = &mut self.desk else { return };
        let tells = &mut state.desk.tells;
        let oms = &self.oms;
        let orders = oms.orders_of(scope).filter(|order| order.created_ns <= made);
        for order in orders.take(ROWS_MAX) {
            let row = order_row(order, oms.is_ready(order.venue, now));
            let _ = tells.push(Tell { number, part: TellPart::Order(row) });
        }
        for closing in oms.closings_of(scope).take(ROWS_MAX) {
            let Closing { instrument, state, scope, .. } = *closing;
            let left = oms.held(scope, instrument);
            let row = ClosingRow { instrument, state, left };
            let _ = tells.push(Tell { number, part: TellPart::Closing(row) });
        }
        let part = TellPart::Progress(oms.progress_of(scope, made));
        let _ = tells.push(Tell { number, part });
    }

    /// Tells the parameters that are in force, of one strategy or of all.
    fn tell_params(&mut self, number: u64, of: Option<StrategyId>) {
        let Some(state) = &mut self.desk else { return };
        let tells = &mut state.desk.tells;
        let wanted = |port: &&StrategyPort| of.is_none_or(|of| of == port.strategy);
        for port in self.parts.strategies.iter().filter(wanted) {
            for (name, value) in port.params().iter() {
                let part = TellPart::Param(port.strategy, name, value);
                let _ = tells.push(Tell { number, part });
            }
        }
        let _ = tells.push(Tell { number, part: TellPart::ParamsEnd });
    }

    /// Pauses strategies that have gone silent and cancels their orders.
    pub(super) fn watch_strategies(&mut self, now: Nanos) {
        for at in 0..self.parts.strategies.len() {
            let Some(state) = &mut self.desk else { return };
            let max_ns = state.desk.strategy_silence_max_ns;
            let port = &self.parts.strategies[at];
            let strategy = port.strategy;
            if self.wards.is_dead(strategy) {
                continue;
            }
            match state.silence[at].look(port.end.heartbeat(), max_ns, now) {
                Some(Heard::Silence(_)) => self.pause_silent(strategy, max_ns, now),
                Some(Heard::Beat) => {
                    let name = self.strategy_name(strategy);
                    let text = format_args!(
                        "strategy {name}: alive again; it stays paused until a person resumes it"
                    );
                    self.parts.log.warn(now, text);
                }
                None => {}
            }
        }
    }

    fn pause_silent(&mut self, strategy: StrategyId, max_ns: u64, now: Nanos) {
        let silence_ms = max_ns / 1_000_000;
        let name = self.strategy_name(strategy);
        let text = format_args!(
            "strategy {name}: silent for {silence_ms} ms: paused, its orders are cancelled"
        );
        self.parts.log.error(now, text);
        self.hold(strategy, now);
    }

    /// Another process is about to run it: it has not beaten yet.
    pub(super) fn forget_silence(&mut self, strategy: StrategyId) {
        let row =
            self.desk.as_mut().and_then(|state| state.silence.get_mut(usize::from(strategy.0)));
        if let Some(silence) = row {
            *silence = Silence::default();
        }
    }

    /// Requests of all strategies that could not be read.
    pub(super) fn bad_records(&self) -> u64 {
        self.parts.strategies.iter().map(StrategyPort::bad_records).sum()
    }

    /// What is counted beside the order manager: at the rings of the strategies and the journal.
    pub(super) fn around(&mut self) -> Around {
        let reports = self.parts.strategies.iter().map(StrategyPort::reports);
        let reports = reports.fold((0, 0), |sum, next| (sum.0 + next.0, sum.1 + next.1));
        let journal = self.oms.recorder();
        Around {
            reports,
            journal: journal.depth(),
            journal_lost: journal.broken().map_or(0, |(_, lost)| lost),
            journal_short: journal.is_short(),
            bad_records: self.bad_records(),
            ended: self.wards.ends(),
        }
    }

    /// Says what strategies do wrong, each once a second at most however often they do it.
    pub(super) fn tell_complaints(&mut self, now: Nanos) {
        for at in 0..self.parts.strategies.len() {
            let port = &mut self.parts.strategies[at];
            let strategy = port.strategy;
            if let Some(text) = port.complaint(now) {
                let name = self.strategy_name(strategy);
                self.parts.log.error(now, format_args!("strategy {name}: {text}"));
            }
        }
    }

    /// Says when losses have thrown a switch, and when it was reset.
    pub(super) fn tell_switch(&mut self, now: Nanos) {
        let switch = self.oms.loss_switch();
        match (self.switch_told, switch) {
            (None, Some(thrown)) => {
                let text = format_args!(
                    "{thrown} limit passed: only reducing orders until a person resumes"
                );
                self.parts.log.error(now, text);
            }
            (Some(thrown), None) => {
                let text = format_args!("{thrown} switch reset: losses count from now on");
                self.parts.log.warn(now, text);
            }
            _ => {}
        }
        self.switch_told = switch;
    }

    /// Shows the open orders to whoever writes crash bundles. Never waits for the reader.
    pub(super) fn show_orders(&mut self, now: Nanos) {
        let Some(state) = &mut self.desk else { return };
        if now < state.board_at {
            return;
        }
        state.board_at = now.plus(BOARD_EVERY_NS);
        let Ok(mut board) = state.desk.board.try_lock() else { return };
        board.clear();
        if self.oms.is_quiet() {
            return;
        }
        let oms = &self.oms;
        let rows = oms.orders_of(Scope::Engine).take(BOARD_ROWS_MAX);
        board.extend(rows.map(|order| order_row(order, oms.is_ready(order.venue, now))));
    }
}

/// What came of a command, for the log.
fn outcome(operator: &Operator, result: &Result<OperatorDone, OperatorError>) -> String {
    let done = match result {
        Ok(done) => done,
        Err(error) => return error.to_string(),
    };
    match operator {
        Operator::SetLimit(..) | Operator::UnsetLimit(_) => {
            let before = words::limit_value(done.limit_before);
            format!("done, was {before}")
        }
        Operator::CancelAll(_) | Operator::Flatten(_) => {
            format!("{} orders are being cancelled", done.cancels)
        }
        Operator::Reconcile(_) => format!("{} questions are asked", done.questions),
        _ => "done".to_owned(),
    }
}

/// A pause of an earlier run, with the command that ends it.
fn pause_text(scope: Scope, state: TradingState, strategies: &[String]) -> String {
    let (what, name) = match scope {
        Scope::Engine => {
            return format!("the engine is {state} since an earlier run: stoop resume");
        }
        Scope::Venue(venue) => {
            let row = VENUES.get(usize::from(venue.0));
            ("venue", row.map_or_else(|| venue.0.to_string(), |row| row.name.to_owned()))
        }
        Scope::Strategy(strategy) => {
            let name = strategies.get(usize::from(strategy.0));
            ("strategy", name.cloned().unwrap_or_else(|| strategy.0.to_string()))
        }
    };
    format!("{what} {name} is {state} since an earlier run: stoop resume --{what} {name}")
}

pub(super) fn order_row(order: &Order, venue_ready: bool) -> OrderRow {
    OrderRow {
        client_id: order.client_id,
        instrument: order.instrument,
        side: order.side,
        state: order.state,
        qty: order.qty,
        filled: order.filled,
        since_ns: order.since_ns,
        cancel_wanted: order.cancel_wanted,
        venue_ready,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{LimitKey, VenueId};

    #[test]
    fn what_came_of_a_command_is_said_in_words() {
        let done = OperatorDone { cancels: 3, questions: 5, ..OperatorDone::default() };
        let text = |operator, done| outcome(&operator, &Ok(done));
        let key = LimitKey::DailyLossMax;
        let set = Operator::SetLimit(key, Amount(1));
        assert_eq!(text(set, done), "done, was not set");
        let before = OperatorDone { limit_before: Some(Amount(10i128.pow(18))), ..done };
        assert_eq!(text(set, before), "done, was 1");
        assert_eq!(text(Operator::UnsetLimit(key), before), "done, was 1");
        let all = Operator::CancelAll(Scope::Engine);
        assert_eq!(text(all, done), "3 orders are being cancelled");
        assert_eq!(text(Operator::Reconcile(None), done), "5 questions are asked");
        let refused = outcome(&set, &Err(OperatorError::BadValue));
        assert_eq!(refused, "the limit cannot have this value");
    }

    #[test]
    fn a_pause_that_is_left_is_said_with_the_command_that_ends_it() {
        let names = ["fast".to_owned(), "slow".to_owned()];
        let text = |scope, state| pause_text(scope, state, &names);
        let venue = VENUES[1].name;
        let cases = [
            (
                text(Scope::Engine, TradingState::Halted),
                "the engine is halted since an earlier run: stoop resume".to_owned(),
            ),
            (
                text(Scope::Venue(VenueId(1)), TradingState::ReduceOnly),
                format!(
                    "venue {venue} is reduce-only since an earlier run: stoop resume --venue {venue}"
                ),
            ),
            (
                text(Scope::Strategy(StrategyId(1)), TradingState::Halted),
                "strategy slow is halted since an earlier run: stoop resume --strategy slow"
                    .to_owned(),
            ),
        ];
        for (said, wanted) in cases {
            assert_eq!(said, wanted);
        }
    }
}
