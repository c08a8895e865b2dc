//! Building a signal so that it reads like what it says:
//! `ctx.signal().buy(&a, qty).limit_at(ask).sell(&b, qty).limit_at(bid).ioc().emit()`.

use super::{Context, InstrumentRef};
use crate::types::{
    LEGS_MAX, Leg, LegPricing, Nanos, Price, Qty, Side, Signal, SignalId, TimeInForce,
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
}

impl<'c> SignalBuilder<'c> {
    pub(super) fn new(ctx: &'c mut Context) -> Self {
        Self { ctx, legs: [Leg::default(); LEGS_MAX], len: 0, time_in_force: TimeInForce::Gtc }
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
        if legs.iter().any(|leg| leg.qty <= Qty::ZERO) {
            return Err(EmitError::QtyNotPositive);
        }
        let unpriced = |leg: &Leg| leg.pricing != LegPricing::Market && leg.price <= Price(0);
        if legs.iter().any(unpriced) { Err(EmitError::NoPrice) } else { Ok(()) }
    }
}
