//! Building a signal so that it reads like what it says:
//! `ctx.signal().buy(&a, qty).limit_at(ask).sell(&b, qty).limit_at(bid).ioc().emit()`.
//!
//! With a contract between its legs: `... .ioc().sequential().naked_for_ms(200).unwind().emit()`.

use super::{Context, InstrumentRef};
use crate::types::{
    BreachAction, Contract, LEGS_MAX, Leg, LegMode, LegPricing, Nanos, Ppb, Price, Qty, Side,
    Signal, SignalId, TimeInForce,
};
use std::fmt;

/// Why a signal was not emitted. Nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmitError {
    /// It has no leg.
    Empty,
    /// It has more than [`LEGS_MAX`] legs.
    TooManyLegs,
    /// A leg's quantity is zero or negative.
    QtyNotPositive,
    /// A limit leg has no price.
    NoPrice,
    /// It says what is to be done about a naked quantity but not for how long one may last.
    NoBound,
    /// A bound of its contract is negative, or its slippage is more than the whole price.
    BadContract,
    /// The order manager has not kept up: the ring is full.
    Full,
}

impl fmt::Display for EmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the signal has no leg",
            Self::TooManyLegs => "the signal has too many legs",
            Self::QtyNotPositive => "a leg's quantity is not positive",
            Self::NoPrice => "a limit leg has no price; call limit_at or market",
            Self::NoBound => "the contract bounds nothing; call naked_for_ms",
            Self::BadContract => "a bound of the contract cannot be met",
            Self::Full => "the signal ring is full",
        })
    }
}

impl std::error::Error for EmitError {}

/// A signal in the making. Legs are added by [`SignalBuilder::buy`] and [`SignalBuilder::sell`];
/// what follows a leg is about that leg, except [`SignalBuilder::ioc`] and its like, which are
/// about all legs.
#[must_use = "nothing happens before emit()"]
pub struct SignalBuilder<'c> {
    ctx: &'c mut Context,
    legs: [Leg; LEGS_MAX],
    len: usize,
    time_in_force: TimeInForce,
    contract: Contract,
    /// Something was said that only a bound in time gives a meaning.
    needs_bound: bool,
}

/// How far through the book hedging orders go unless it is said: a thousandth.
const SLIPPAGE: Ppb = Ppb(1_000_000);

impl<'c> SignalBuilder<'c> {
    pub(super) fn new(ctx: &'c mut Context) -> Self {
        Self {
            ctx,
            legs: [Leg::default(); LEGS_MAX],
            len: 0,
            time_in_force: TimeInForce::Gtc,
            contract: Contract { slippage_max: SLIPPAGE, ..Contract::default() },
            needs_bound: false,
        }
    }

    /// Adds a leg that buys.
    pub fn buy(self, instrument: &InstrumentRef, qty: Qty) -> Self {
        self.leg(instrument, Side::Buy, qty)
    }

    /// Adds a leg that sells.
    pub fn sell(self, instrument: &InstrumentRef, qty: Qty) -> Self {
        self.leg(instrument, Side::Sell, qty)
    }

    fn leg(mut self, instrument: &InstrumentRef, side: Side, qty: Qty) -> Self {
        if let Some(leg) = self.legs.get_mut(self.len) {
            *leg = Leg { instrument: instrument.id, side, qty, ..Leg::default() };
        }
        self.len += 1;
        self
    }

    fn last(&mut self) -> Option<&mut Leg> {
        self.legs.get_mut(self.len.checked_sub(1)?)
    }

    /// The last leg, and those before it that have no price yet, are limit orders at this price.
    pub fn limit_at(mut self, price: Price) -> Self {
        let len = self.len.min(LEGS_MAX);
        for leg in self.legs[..len].iter_mut().rev() {
            if leg.price != Price(0) || leg.pricing != LegPricing::Limit {
                break;
            }
            leg.price = price;
        }
        self
    }

    /// The last leg rests at this price or is refused.
    pub fn post_only_at(mut self, price: Price) -> Self {
        if let Some(leg) = self.last() {
            leg.price = price;
            leg.pricing = LegPricing::PostOnly;
        }
        self
    }

    /// The last leg is a market order.
    pub fn market(mut self) -> Self {
        if let Some(leg) = self.last() {
            leg.price = Price(0);
            leg.pricing = LegPricing::Market;
        }
        self
    }

    /// All limit legs: what cannot be filled at once expires.
    pub fn ioc(mut self) -> Self {
        self.time_in_force = TimeInForce::Ioc;
        self
    }

    /// All limit legs: all at once or nothing.
    pub fn fok(mut self) -> Self {
        self.time_in_force = TimeInForce::Fok;
        self
    }

    /// All legs at once, which is how they go unless [`SignalBuilder::sequential`] says otherwise.
    pub fn parallel(mut self) -> Self {
        self.contract.mode = LegMode::Parallel;
        self
    }

    /// The first leg alone; once it has ended the others, sized to what it filled.
    pub fn sequential(mut self) -> Self {
        self.contract.mode = LegMode::Sequential;
        self
    }

    /// What one leg fills and the others do not may last so long. Without this nothing is bounded:
    /// legs are left alone.
    pub fn naked_for_ms(mut self, milliseconds: u64) -> Self {
        self.contract.naked_time_max_ns = milliseconds.saturating_mul(1_000_000);
        self
    }

    /// What one leg fills and the others do not may be so much, base units, as long as
    /// [`SignalBuilder::naked_for_ms`] allows; more is a breach at once.
    pub fn naked_up_to(mut self, qty: Qty) -> Self {
        self.contract.naked_qty_max = qty;
        self.needs_bound = true;
        self
    }

    /// When a bound is passed the excess is traded back where it was traded.
    pub fn unwind(self) -> Self {
        self.on_breach(BreachAction::Unwind)
    }

    /// When a bound is passed what is missing is traded, on its own instrument or elsewhere; where
    /// that fails the excess is traded back.
    pub fn complete(self) -> Self {
        self.on_breach(BreachAction::Complete)
    }

    /// When a bound is passed what works is cancelled and the excess is kept.
    pub fn hold(self) -> Self {
        self.on_breach(BreachAction::Hold)
    }

    fn on_breach(mut self, action: BreachAction) -> Self {
        self.contract.on_breach = action;
        self.needs_bound = true;
        self
    }

    /// How far through the book hedging orders may go, relative to the best price; a thousandth
    /// unless it is said. The engine's price collar bounds it too.
    pub fn slippage_up_to(mut self, ratio: Ppb) -> Self {
        self.contract.slippage_max = ratio;
        self.needs_bound = true;
        self
    }

    /// All of a contract at once.
    pub fn contract(mut self, contract: Contract) -> Self {
        self.contract = contract;
        self
    }

    /// Hands the signal to the order manager.
    pub fn emit(mut self) -> Result<SignalId, EmitError> {
        self.check()?;
        for leg in &mut self.legs[..self.len] {
            if leg.pricing == LegPricing::Limit {
                leg.time_in_force = self.time_in_force;
            }
        }
        let signal = Signal {
            id: SignalId(0),
            legs_len: self.len as u8,
            legs: self.legs,
            contract: self.contract,
            emitted_ns: Nanos(0),
            ..Signal::default()
        };
        self.ctx.push_signal(signal)
    }

    fn check(&self) -> Result<(), EmitError> {
        if self.len == 0 {
            return Err(EmitError::Empty);
        }
        let legs = self.legs.get(..self.len).ok_or(EmitError::TooManyLegs)?;
        if self.needs_bound && !self.contract.is_enforced() {
            return Err(EmitError::NoBound);
        }
        let slippage = self.contract.slippage_max.0;
        if self.contract.naked_qty_max < Qty::ZERO || !(0..=1_000_000_000).contains(&slippage) {
            return Err(EmitError::BadContract);
        }
        if legs.iter().any(|leg| leg.qty <= Qty::ZERO) {
            return Err(EmitError::QtyNotPositive);
        }
        let unpriced = |leg: &Leg| leg.pricing != LegPricing::Market && leg.price <= Price(0);
        if legs.iter().any(unpriced) { Err(EmitError::NoPrice) } else { Ok(()) }
    }
}
