//! What a person tells the engine: recorded before it acts, like every other input.

#![forbid(unsafe_code)]

use super::record::{Record, Recorder};
use super::{Books, Oms, Order, Output};
use crate::types::{
    Amount, LimitKey, Nanos, Operator, ParamValue, ProcessEnd, Scope, StrategyId, Teller,
    TradingState, VenueId,
};
use std::fmt;

/// What a command did at once. What it began is seen in [`Oms::progress`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OperatorDone {
    /// Orders that are being cancelled.
    pub cancels: u32,
    /// Questions sent to venues.
    pub questions: u32,
    /// A limit before, in the unit of its name; `None` if it was not set.
    pub limit_before: Option<Amount>,
    /// A parameter before.
    pub param_before: Option<ParamValue>,
}

/// Why a command was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperatorError {
    /// No such venue is traded at, or no such strategy runs.
    UnknownScope,
    /// There is no limit for this asset, because no instrument has it as its base.
    UnknownAsset,
    /// There is no such instrument.
    UnknownInstrument,
    /// The strategy has no such parameter.
    UnknownParam,
    /// The value is not what the limit can be.
    BadValue,
    /// The limit is always set.
    AlwaysSet,
    /// The engine is stopping: nothing is allowed again.
    Stopping,
    /// Carried out, but the journal could not take it: a restart knows nothing of it.
    NotRecorded,
    /// Nobody is there to trade or to take a parameter: the strategy's process is not started again.
    StrategyEnded(ProcessEnd),
}

impl fmt::Display for OperatorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::StrategyEnded(end) => {
                return write!(
                    f,
                    "its process has ended ({end}) and is not started again: restart the engine, \
                     then resume it"
                );
            }
            Self::UnknownScope => "no such venue or strategy",
            Self::UnknownAsset => "no instrument has this asset as its base",
            Self::UnknownInstrument => "no such instrument",
            Self::UnknownParam => "the strategy has no such parameter",
            Self::BadValue => "the limit cannot have this value",
            Self::AlwaysSet => {
                "this limit is always set: give it a value; position_max.ASSET=0 leaves no room"
            }
            Self::Stopping => "the engine is stopping",
            Self::NotRecorded => {
                "done, but the journal takes no more: after a restart it has to be said again"
            }
        })
    }
}

impl std::error::Error for OperatorError {}

/// What is left to do in a scope.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Orders that have not ended.
    pub open: u32,
    /// Those of them whose outcome is not known.
    pub unknown: u32,
    /// Orders that have ended while fills of theirs are still to come.
    pub awaiting: u32,
    /// Instruments that are still being closed.
    pub closing: u32,
}

impl Progress {
    /// Whether nothing is left.
    #[must_use]
    pub fn is_done(&self) -> bool {
        *self == Self::default()
    }
}

/// Refuses what was carried out once and is not any more, before it is on record: what is there is
/// carried out again.
fn check_wish(operator: &Operator) -> Result<(), OperatorError> {
    match operator {
        // Without the line in the file an order still does not wait for ever.
        Operator::UnsetLimit(LimitKey::OrderWaitMaxMs) => Err(OperatorError::AlwaysSet),
        _ => Ok(()),
    }
}

impl<R: Recorder, B: Books> Oms<R, B> {
    /// A person or what stands in for one wants something.
    pub fn on_told(
        &mut self,
        teller: Teller,
        operator: &Operator,
        now: Nanos,
        out: &mut Output,
    ) -> Result<OperatorDone, OperatorError> {
        check_wish(operator)?;
        self.recorder.record(now, &Record::Told(teller, *operator));
        self.obey(operator, now, out)
    }

    /// The same where nobody says who, as in older journals.
    pub fn on_operator(
        &mut self,
        operator: &Operator,
        now: Nanos,
        out: &mut Output,
    ) -> Result<OperatorDone, OperatorError> {
        check_wish(operator)?;
        self.recorder.record(now, &Record::Operator(*operator));
        self.obey(operator, now, out)
    }

    /// Does what is on record, as it was done then.
    pub(super) fn obey(
        &mut self,
        operator: &Operator,
        now: Nanos,
        out: &mut Output,
    ) -> Result<OperatorDone, OperatorError> {
        match *operator {
            Operator::Stop => {
                self.state.stopping = true;
                self.wake_pairs(now);
                Ok(self.cancel_scope(Scope::Engine, false, now, out))
            }
            Operator::CancelAll(scope) => {
                self.check_scope(scope)?;
                Ok(self.cancel_scope(scope, true, now, out))
            }
            Operator::Flatten(scope) => {
                self.check_scope(scope)?;
                if self.state.stopping {
                    return Err(OperatorError::Stopping);
                }
                self.state.risk.trading.set(scope, TradingState::Halted);
                let done = self.cancel_scope(scope, true, now, out);
                self.release_pairs(scope, now, out);
                self.begin_closing(scope, now, out);
                Ok(done)
            }
            Operator::SetState(scope, state) => {
                self.check_scope(scope)?;
                if self.state.stopping && state != TradingState::Halted {
                    return Err(OperatorError::Stopping);
                }
                self.state.risk.trading.set(scope, state);
                if (scope, state) == (Scope::Engine, TradingState::Active) {
                    self.resume_losses(now);
                }
                Ok(OperatorDone::default())
            }
            Operator::Reconcile(venue) => self.ask_venues(venue, now, out),
            Operator::SetLimit(key, value) => self.set_limit(key, value, now),
            Operator::UnsetLimit(key) => self.unset_limit(key, now),
            // What a parameter means is the strategy's: here it is only on record.
            Operator::SetParam(change) => {
                self.check_scope(Scope::Strategy(change.strategy))?;
                let param_before = Some(change.before);
                Ok(OperatorDone { param_before, ..OperatorDone::default() })
            }
            Operator::Accept(venue) if !self.trades_at(venue) => Err(OperatorError::UnknownScope),
            Operator::Accept(venue) => {
                self.take_over(venue, now);
                Ok(OperatorDone::default())
            }
        }
    }

    fn check_scope(&self, scope: Scope) -> Result<(), OperatorError> {
        let known = match scope {
            Scope::Engine => true,
            Scope::Venue(venue) => self.trades_at(venue),
            Scope::Strategy(strategy) => strategy < StrategyId::OPERATOR,
        };
        if known { Ok(()) } else { Err(OperatorError::UnknownScope) }
    }

    fn trades_at(&self, venue: VenueId) -> bool {
        self.options.venues.get(usize::from(venue.0)).is_some_and(|channels| !channels.is_empty())
    }

    /// Cancels what works in a scope; orders of others only where a person wants all of it gone.
    /// The end of a run is no reason to end them.
    fn cancel_scope(
        &mut self,
        scope: Scope,
        of_others: bool,
        now: Nanos,
        out: &mut Output,
    ) -> OperatorDone {
        let holds = |order: &Order| {
            scope.holds(order.venue, order.strategy) && (of_others || !order.external)
        };
        let open = |order: &&Order| !order.state.is_terminal() && holds(order);
        let cancels = self.state.orders.iter().filter(open).count() as u32;
        self.cancel_where(holds, now, out);
        OperatorDone { cancels, ..OperatorDone::default() }
    }

    /// Reconciles: asks for fills and open orders of every instrument and for the balances, one after
    /// the other.
    fn ask_venues(
        &mut self,
        venue: Option<VenueId>,
        now: Nanos,
        out: &mut Output,
    ) -> Result<OperatorDone, OperatorError> {
        if venue.is_some_and(|venue| !self.trades_at(venue)) {
            return Err(OperatorError::UnknownScope);
        }
        let mut questions = 0;
        let instruments = std::sync::Arc::clone(&self.instruments);
        let venues = 0..self.options.venues.len() as u8;
        for id in venues.map(VenueId).filter(|id| venue.is_none_or(|venue| venue == *id)) {
            if !self.trades_at(id) {
                continue;
            }
            if self.state.venues.is_connected(id) {
                self.begin_round(id, now, out);
                questions += 2 * instruments.of_venue(id).count() as u32 + 1;
            }
        }
        Ok(OperatorDone { questions, ..OperatorDone::default() })
    }

    fn set_limit(
        &mut self,
        key: LimitKey,
        value: Amount,
        now: Nanos,
    ) -> Result<OperatorDone, OperatorError> {
        let limit_before = self.limit(key);
        self.state.risk.limits.check(key, value)?;
        self.check_key(key)?;
        self.state.risk.set_limit(key, value);
        self.recorder.record(now, &Record::LimitSet { key, before: limit_before, after: value });
        match key {
            LimitKey::Budget(strategy, venue) => self.state.capital.set(strategy, venue, value),
            LimitKey::DailyLossMax | LimitKey::DrawdownMax => self.arm_losses(now),
            _ => {}
        }
        Ok(OperatorDone { limit_before, ..OperatorDone::default() })
    }

    /// Back to what leaving a limit out of the file means.
    fn unset_limit(&mut self, key: LimitKey, now: Nanos) -> Result<OperatorDone, OperatorError> {
        self.check_key(key)?;
        let limit_before = self.limit(key);
        if !self.state.risk.limits.unset(key) {
            return Err(OperatorError::AlwaysSet);
        }
        self.recorder.record(now, &Record::LimitUnset { key, before: limit_before });
        match key {
            LimitKey::Budget(strategy, venue) => self.state.capital.unset(strategy, venue),
            LimitKey::DailyLossMax | LimitKey::DrawdownMax => self.disarm_losses(),
            _ => {}
        }
        Ok(OperatorDone { limit_before, ..OperatorDone::default() })
    }

    /// Whether there is what a limit is about.
    fn check_key(&self, key: LimitKey) -> Result<(), OperatorError> {
        match key {
            LimitKey::PositionMax(asset) => {
                let known = self.instruments.iter().any(|row| row.base == asset);
                known.then_some(()).ok_or(OperatorError::UnknownAsset)
            }
            LimitKey::InstrumentPositionMax(id) => {
                self.instruments.get(id).map(drop).ok_or(OperatorError::UnknownInstrument)
            }
            LimitKey::StrategyOrdersPerSecondMax(id) | LimitKey::StrategyOrdersOpenMax(id) => {
                self.check_scope(Scope::Strategy(id))
            }
            LimitKey::Budget(strategy, venue) => {
                self.check_scope(Scope::Strategy(strategy))?;
                self.check_scope(Scope::Venue(venue))
            }
            _ => Ok(()),
        }
    }

    /// A limit as it holds now, in the unit of its name; `None` if it was never set.
    #[must_use]
    pub fn limit(&self, key: LimitKey) -> Option<Amount> {
        match key {
            LimitKey::Budget(strategy, venue) => self.budget(strategy, venue).limit,
            _ => self.state.risk.limits.get(key),
        }
    }

    /// What was set for a scope; `None` if there is no such scope.
    #[must_use]
    pub fn trading_state_of(&self, scope: Scope) -> Option<TradingState> {
        self.state.risk.trading.get(scope)
    }

    /// What is left to do in a scope.
    #[must_use]
    pub fn progress(&self, scope: Scope) -> Progress {
        self.progress_of(scope, Nanos(u64::MAX))
    }

    /// The same of the orders alone that were made until then.
    #[must_use]
    pub fn progress_of(&self, scope: Scope, made: Nanos) -> Progress {
        let mut progress = Progress { closing: self.closing_count(scope), ..Progress::default() };
        for order in self.orders_of(scope).filter(|order| order.created_ns <= made) {
            match order.state {
                state if state.is_terminal() => progress.awaiting += 1,
                crate::types::OrderState::Unknown => {
                    progress.unknown += 1;
                    progress.open += 1;
                }
                _ => progress.open += 1,
            }
        }
        progress
    }

    /// Orders of a scope that have not ended or whose fills have not all come. Once the engine
    /// stops only its own: those of others are theirs to end.
    pub fn orders_of(&self, scope: Scope) -> impl Iterator<Item = &Order> {
        let left = |order: &&Order| !order.state.is_terminal() || order.awaits_fills();
        let stopping = self.state.stopping;
        let own = move |order: &&Order| {
            scope.holds(order.venue, order.strategy) && !(stopping && order.external)
        };
        self.state.orders.iter().filter(left).filter(own)
    }
}
