//! Closing positions at a person's command: instrument by instrument, once the orders of the scope
//! have ended, by limit orders that take what the book offers within the price collar and rest
//! never. Repeated until nothing is left that a venue would take, or until it cannot be done.
//!
//! A closing order passes the trading state Halted and no other check. It can only make a position
//! smaller: it is never larger than what is held when it is made, and it is the only order of its
//! instrument and scope that works.

#![forbid(unsafe_code)]

use super::orders::Order;
use super::record::{Record, Recorder};
use super::risk::RiskReject;
use super::waits::doubled_ns;
use super::{Books, NEVER, Oms, Output};
use crate::types::{
    Amount, ClientOrderId, InstrumentId, Nanos, Price, Priority, Qty, Scope, Side, Signal,
    SignalId, StrategyId,
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// How far the closing of one instrument has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClosingState {
    /// Orders are being waited for: those that were cancelled, or its own.
    Working,
    /// Nothing is held any more.
    Flat,
    /// What is left is less than the venue takes.
    Dust,
    /// It could not be closed, for this last reason; `None` if the venue's takers were none.
    GaveUp(Option<RiskReject>),
}

impl fmt::Display for ClosingState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Working => f.write_str("goes on"),
            Self::Flat => f.write_str("nothing is held any more"),
            Self::Dust => f.write_str("less than the venue takes"),
            Self::GaveUp(None) => f.write_str("given up"),
            Self::GaveUp(Some(why)) => write!(f, "given up: {why}"),
        }
    }
}

/// The closing of one instrument for one scope.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Closing {
    /// Whose position.
    pub scope: Scope,
    /// In what.
    pub instrument: InstrumentId,
    /// How far.
    pub state: ClosingState,
    /// Its newest order, if it has sent one.
    order: ClientOrderId,
    /// Tries in a row that traded nothing, and why the last one was not sent.
    tries: u32,
    refused: Option<RiskReject>,
    due: Nanos,
}

/// How often the orders that are waited for are looked at.
const LOOK_EVERY_NS: u64 = 20_000_000;
/// Pause after a try that traded nothing; doubles with each up to the longest.
const PAUSE_FIRST_NS: u64 = 100_000_000;
const PAUSE_MAX_NS: u64 = 1_000_000_000;
/// Tries in a row that trade nothing before it is given up: about 20 s.
const TRIES_MAX: u32 = 22;

impl<R: Recorder, B: Books> Oms<R, B> {
    /// Closings of the last commands, finished or not, in order of instruments.
    #[must_use]
    pub fn closings(&self) -> &[Closing] {
        &self.state.closings
    }

    /// What each strategy's own fills have made of the positions.
    #[must_use]
    pub fn shares(&self) -> &super::Shares {
        &self.state.shares
    }

    /// What a scope holds in an instrument, signed base units.
    #[must_use]
    pub fn held(&self, scope: Scope, instrument: InstrumentId) -> Amount {
        match scope {
            Scope::Strategy(strategy) => self.state.shares.get(instrument, strategy),
            _ => self.state.positions.get(instrument).qty,
        }
    }

    pub(super) fn closing_count(&self, scope: Scope) -> u32 {
        let left = |row: &&Closing| row.state == ClosingState::Working;
        self.closings_of(scope).filter(left).count() as u32
    }

    /// Closings that take a scope's positions back: its own, and for a strategy also those of a
    /// wider scope while they are under way.
    pub fn closings_of(&self, scope: Scope) -> impl Iterator<Item = &Closing> {
        self.state.closings.iter().filter(move |row| match scope {
            Scope::Engine => true,
            Scope::Venue(venue) => {
                self.instruments.get(row.instrument).is_some_and(|known| known.venue == venue)
            }
            Scope::Strategy(_) => {
                let wider = !matches!(row.scope, Scope::Strategy(_));
                row.scope == scope || (wider && row.state == ClosingState::Working)
            }
        })
    }

    /// Begins to close every instrument of the scope. Earlier closings of them end here, but for
    /// those of a wider scope, which take these positions back too, and for those of other
    /// strategies, which take turns with them; orders of all are cancelled and waited for like any
    /// others.
    pub(super) fn begin_closing(&mut self, scope: Scope, now: Nanos, out: &mut Output) {
        let instruments = std::sync::Arc::clone(&self.instruments);
        self.cancel_where(|order| order.signal == SignalId(0) && !order.external, now, out);
        for row in instruments.iter() {
            let covered = match scope {
                Scope::Venue(venue) => row.venue == venue,
                _ => true,
            };
            if !covered {
                continue;
            }
            let wider = |closing: &Closing| {
                closing.instrument == row.id
                    && closing.state == ClosingState::Working
                    && matches!(scope, Scope::Strategy(_))
                    && !matches!(closing.scope, Scope::Strategy(_))
            };
            if self.state.closings.iter().any(wider) {
                continue;
            }
            let of_another = |closing: &Closing| {
                closing.state == ClosingState::Working
                    && closing.scope != scope
                    && matches!((scope, closing.scope), (Scope::Strategy(_), Scope::Strategy(_)))
            };
            self.state
                .closings
                .retain(|closing| closing.instrument != row.id || of_another(closing));
            self.state.closings.push(Closing {
                scope,
                instrument: row.id,
                state: ClosingState::Working,
                order: ClientOrderId::NONE,
                tries: 0,
                refused: None,
                due: now,
            });
        }
        self.state.closings.sort_by_key(|closing| closing.instrument);
        self.state.next_due = self.state.next_due.min(now);
    }

    /// Does what is due. When the next step is.
    pub(super) fn run_closings(&mut self, now: Nanos, out: &mut Output) -> Nanos {
        let mut due = NEVER;
        for at in 0..self.state.closings.len() {
            let closing = self.state.closings[at];
            if closing.state != ClosingState::Working {
                continue;
            }
            let next = if closing.due > now { closing } else { self.step(closing, now, out) };
            self.state.closings[at] = next;
            if next.state == ClosingState::Working {
                due = due.min(next.due);
            }
        }
        due
    }

    /// When the next step of one is due.
    pub(super) fn next_closing(&self) -> Nanos {
        let working = self.state.closings.iter().filter(|row| row.state == ClosingState::Working);
        working.map(|row| row.due).min().unwrap_or(NEVER)
    }

    fn step(&mut self, mut closing: Closing, now: Nanos, out: &mut Output) -> Closing {
        let busy = |order: &Order| {
            order.instrument == closing.instrument
                && ((order.signal == SignalId(0) && !order.external)
                    || closing.scope.holds(order.venue, order.strategy))
                && (!order.state.is_terminal() || order.awaits_fills())
        };
        if self.state.orders.iter().any(busy) {
            closing.due = now.plus(LOOK_EVERY_NS);
            return closing;
        }
        if closing.order.is_some() {
            let traded = self.order(closing.order).is_some_and(|order| order.filled > Qty::ZERO);
            closing.tries = if traded { 0 } else { closing.tries + 1 };
            closing.order = ClientOrderId::NONE;
            if !traded {
                closing.due = now.plus(pause_ns(closing.tries));
                return self.give_up_late(closing, now);
            }
        }
        if self.state.stopping {
            return self.finish(closing, ClosingState::GaveUp(Some(RiskReject::Halted)), now);
        }
        match self.close_more(&closing, now, out) {
            Ok(Sent::Order(id)) => {
                closing.order = id;
                closing.due = now.plus(LOOK_EVERY_NS);
                closing
            }
            Ok(Sent::Nothing(state)) => self.finish(closing, state, now),
            Err(code) => {
                if code == RiskReject::SelfCross {
                    let held = self.held(closing.scope, closing.instrument);
                    let in_the_way = if held > Amount::ZERO { Side::Buy } else { Side::Sell };
                    self.cancel_best_own(closing.instrument, in_the_way, now, out);
                }
                closing.tries += 1;
                closing.refused = Some(code);
                closing.due = now.plus(pause_ns(closing.tries));
                self.give_up_late(closing, now)
            }
        }
    }

    fn give_up_late(&mut self, closing: Closing, now: Nanos) -> Closing {
        if closing.tries < TRIES_MAX {
            return closing;
        }
        self.finish(closing, ClosingState::GaveUp(closing.refused), now)
    }

    fn finish(&mut self, closing: Closing, state: ClosingState, now: Nanos) -> Closing {
        let left = self.held(closing.scope, closing.instrument);
        let even = matches!(state, ClosingState::Flat | ClosingState::Dust);
        if even && !matches!(closing.scope, Scope::Strategy(_)) {
            self.state.shares.settle(closing.instrument, left);
            // What is left goes to the operator, whose capital nobody limits.
            self.follow_capital(closing.instrument, Price(0));
        }
        let closing = Closing { state, ..closing };
        let record =
            Record::Closed { scope: closing.scope, instrument: closing.instrument, state, left };
        self.recorder.record(now, &record);
        closing
    }

    /// Sends an order for what is held, or for as much of it as one order may be.
    fn close_more(
        &mut self,
        closing: &Closing,
        now: Nanos,
        out: &mut Output,
    ) -> Result<Sent, RiskReject> {
        let held = self.held(closing.scope, closing.instrument);
        if held == Amount::ZERO {
            return Ok(Sent::Nothing(ClosingState::Flat));
        }
        let instruments = std::sync::Arc::clone(&self.instruments);
        let Some(instrument) = instruments.get(closing.instrument) else {
            return Err(RiskReject::UnknownInstrument);
        };
        let strategy = match closing.scope {
            Scope::Strategy(strategy) => strategy,
            _ => StrategyId::OPERATOR,
        };
        let quote = self.quote(closing.instrument, now);
        let client_id =
            ClientOrderId::mint(self.state.instance_start, strategy, self.state.sequence)
                .ok_or(RiskReject::IdsExhausted)?;
        let side = if held > Amount::ZERO { Side::Sell } else { Side::Buy };
        let one = instrument.scale.base_amount(Qty(1)).0.max(1);
        let qty = Qty(i64::try_from(held.0.abs() / one).unwrap_or(i64::MAX));
        let collar = self.state.risk.limits.price_collar;
        let Some(mut order) = self.taking_order(instrument, (side, qty), collar, &quote)? else {
            return Ok(Sent::Nothing(ClosingState::Dust));
        };
        order.client_id = client_id;
        // Strategies that stand against each other hold more between them than the venue does.
        let at_venue = self.state.positions.get(closing.instrument).qty;
        let taken = instrument.scale.base_amount(order.qty);
        order.reduce_only = instrument.is_perpetual()
            && (at_venue.0 > 0) == (side == Side::Sell)
            && taken.0 <= at_venue.0.saturating_abs();
        self.check_closing(&order, strategy, quote, now)?;
        let id = SignalId(0);
        let signal = Signal { id, strategy, tick_ns: Nanos(0), ..Signal::default() };
        self.dispatch(&signal, &[order], Priority::Hedge, now, out);
        Ok(Sent::Order(client_id))
    }
}

/// What a try led to.
enum Sent {
    Order(ClientOrderId),
    Nothing(ClosingState),
}

fn pause_ns(tries: u32) -> u64 {
    doubled_ns(PAUSE_FIRST_NS, PAUSE_MAX_NS, tries.saturating_sub(1))
}
