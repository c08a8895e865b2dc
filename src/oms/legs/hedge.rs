//! Hedging orders: what is done about a naked quantity once nothing else can fill.
//!
//! They pass every check of other orders but two: what may be traded, because they make the risk
//! smaller that an allowed order has left, and the strategy's own order rate and open orders, because
//! what is naked must not wait for what the strategy did before; the engine's rate and number hold.
//! The strategy's budget holds where they complete; what they take back frees capital, or closes a
//! sale that was allowed. One at a time, never larger than the excess, limits
//! that take what the book offers and rest never; orders of ours that are the best of the book
//! there are cancelled. A try that trades nothing is followed by a pause;
//! both tries and orders are bounded, then what is left is held and told.

#![forbid(unsafe_code)]

use super::pair::{Pair, TRIED_MAX};
use crate::oms::record::Recorder;
use crate::oms::requests::Place;
use crate::oms::risk::RiskReject;
use crate::oms::taking::met;
use crate::oms::waits::doubled_ns;
use crate::oms::{Books, Oms, Output};
use crate::types::{
    BreachAction, COMPLETING_LEG, ClientOrderId, HEDGE_LEG, InstrumentId, Nanos, Price, Priority,
    Qty, Side,
};

/// Pause after a try that traded nothing; doubles with each up to the longest.
const PAUSE_FIRST_NS: u64 = 20_000_000;
const PAUSE_MAX_NS: u64 = 1_000_000_000;
/// Tries in a row that trade nothing before the excess is held: about 15 s.
const TRIES_MAX: u32 = 20;
/// Tries within the time in which the order rate must have room.
const WINDOW_TRIES: u64 = 8;
/// Hedging orders of one pair.
const HEDGES_MAX: u8 = 32;

/// Why no hedging order was sent.
enum No {
    /// What is left is less than the venue takes.
    Dust,
    /// Our own checks.
    Risk(RiskReject),
}

impl From<RiskReject> for No {
    fn from(code: RiskReject) -> Self {
        Self::Risk(code)
    }
}

/// What a hedging order is to do.
struct Aim {
    instrument: InstrumentId,
    side: Side,
    qty: Qty,
    /// Leg that it is for, with its marks.
    leg: u8,
}

impl<R: Recorder, B: Books> Oms<R, B> {
    /// The working hedge may have ended: whether it has traded decides what comes next.
    pub(super) fn note_hedge_end(&mut self, pair: &mut Pair, now: Nanos) {
        if !pair.hedge.is_some() || !self.is_settled(pair.hedge) {
            return;
        }
        pair.hedge = ClientOrderId::NONE;
        if pair.hedge_filled > Qty::ZERO {
            (pair.tries, pair.try_ns) = (0, now);
        } else if pair.hedge_completes {
            pair.note_tried(pair.hedge_instrument);
        } else {
            pair.try_ns = now.plus(pause_ns(pair.tries));
            pair.tries += 1;
        }
    }

    /// Nothing of the pair works and its excess is to be dealt with.
    pub(super) fn heal(&mut self, pair: &mut Pair, excess: i64, now: Nanos, out: &mut Output) {
        if pair.contract.on_breach == BreachAction::Hold {
            pair.action = Some(BreachAction::Hold);
            self.finish_pair(pair, true, now, out);
            return;
        }
        if pair.hedges >= HEDGES_MAX || pair.tries >= TRIES_MAX {
            self.finish_pair(pair, true, now, out);
            return;
        }
        let completes = pair.contract.on_breach == BreachAction::Complete;
        if completes && self.complete(pair, excess, now, out) {
            return;
        }
        let leg = pair.heavy_leg(excess);
        let aim = Aim {
            instrument: pair.legs[leg].asked.instrument,
            side: against(excess),
            qty: pair.unwindable(excess),
            leg: HEDGE_LEG | leg as u8,
        };
        match self.hedge(pair, &aim, now, out) {
            Ok(()) => {
                pair.action = Some(BreachAction::Unwind);
                pair.hedge_completes = false;
            }
            Err(No::Dust) => self.finish_pair(pair, false, now, out),
            Err(No::Risk(code)) => {
                pair.risk = code as u8;
                if code == RiskReject::SelfCross {
                    self.cancel_best_own(aim.instrument, aim.side.opposite(), now, out);
                }
                let mut pause_ns = pause_ns(pair.tries);
                if code == RiskReject::OrderRate {
                    // New orders make room for it within one window.
                    let window_ns = self.state.risk.limits.order_rate_window_ns;
                    pause_ns = pause_ns.min(window_ns / WINDOW_TRIES);
                }
                pair.try_ns = now.plus(pause_ns);
                pair.tries += 1;
                pair.due = pair.try_ns;
            }
        }
    }

    /// Trades what is missing where that is allowed. Whether an order was sent.
    fn complete(&mut self, pair: &mut Pair, excess: i64, now: Nanos, out: &mut Output) -> bool {
        let Some(leg) = pair.light_leg(excess) else { return false };
        while usize::from(pair.tried_len) < TRIED_MAX {
            let Some(instrument) = self.where_to_complete(pair, leg, excess, now) else {
                return false;
            };
            let qty = Qty(excess.saturating_abs());
            let leg = HEDGE_LEG | COMPLETING_LEG | leg as u8;
            let aim = Aim { instrument, side: against(excess), qty, leg };
            match self.hedge(pair, &aim, now, out) {
                Ok(()) => {
                    pair.action = Some(BreachAction::Complete);
                    pair.hedge_completes = true;
                    return true;
                }
                Err(No::Dust) => {}
                Err(No::Risk(code)) => pair.risk = code as u8,
            }
            pair.note_tried(instrument);
        }
        false
    }

    /// The missing leg's own instrument; after a try there in vain the best priced other one of the
    /// same underlying and quote whose venue is ready.
    fn where_to_complete(
        &mut self,
        pair: &Pair,
        leg: usize,
        excess: i64,
        now: Nanos,
    ) -> Option<InstrumentId> {
        let own = pair.legs[leg].asked.instrument;
        if !pair.was_tried(own) {
            return Some(own);
        }
        let instruments = std::sync::Arc::clone(&self.instruments);
        let kind = instruments.get(own)?;
        let side = against(excess);
        let is_heavy = |id| {
            let mut legs = pair.legs().iter();
            legs.any(|leg| leg.asked.side != side && leg.asked.instrument == id)
        };
        let mut best: Option<(Price, InstrumentId)> = None;
        for row in instruments.iter() {
            let same = row.base == kind.base && row.quote == kind.quote;
            if !same || is_heavy(row.id) || pair.was_tried(row.id) {
                continue;
            }
            if !self.state.venues.is_ready(row.venue, now) {
                continue;
            }
            let quote = self.quote(row.id, now);
            let Some(level) = met(&quote, side) else { continue };
            let better = best.is_none_or(|(price, _)| match side {
                Side::Buy => level.price < price,
                Side::Sell => level.price > price,
            });
            if better {
                best = Some((level.price, row.id));
            }
        }
        best.map(|(_, id)| id)
    }

    fn hedge(
        &mut self,
        pair: &mut Pair,
        aim: &Aim,
        now: Nanos,
        out: &mut Output,
    ) -> Result<(), No> {
        let instruments = std::sync::Arc::clone(&self.instruments);
        let instrument = instruments.get(aim.instrument).ok_or(RiskReject::UnknownInstrument)?;
        let quote = self.quote(aim.instrument, now);
        let (what, slippage) = ((aim.side, aim.qty), pair.contract.slippage_max);
        let order = self.taking_order(instrument, what, slippage, &quote)?;
        let mut order = order.ok_or(No::Dust)?;
        order.client_id =
            ClientOrderId::mint(self.state.instance_start, pair.strategy, self.state.sequence)
                .ok_or(RiskReject::IdsExhausted)?;
        self.check_closing(&order, pair.strategy, quote, now)?;
        if aim.leg & COMPLETING_LEG != 0 {
            self.check_budgets(pair.strategy, &[order], now).map_err(|(_, code)| code)?;
        }
        let place = Place {
            signal: pair.signal,
            leg: aim.leg,
            pair: pair.serial,
            tick_ns: Nanos(0),
            priority: Priority::Hedge,
        };
        if !self.place(&order, &place, now, out) {
            return Err(No::Risk(RiskReject::TableFull));
        }
        self.state.risk.on_sent(pair.strategy, 1, now);
        pair.hedge = order.client_id;
        pair.hedge_instrument = aim.instrument;
        pair.hedge_filled = Qty::ZERO;
        pair.hedges = pair.hedges.saturating_add(1);
        Ok(())
    }
}

/// The side that makes an excess smaller.
fn against(excess: i64) -> Side {
    if excess > 0 { Side::Sell } else { Side::Buy }
}

fn pause_ns(tries: u32) -> u64 {
    doubled_ns(PAUSE_FIRST_NS, PAUSE_MAX_NS, tries)
}
