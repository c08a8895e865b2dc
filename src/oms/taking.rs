//! The order that takes what the book offers, for hedges and closings: a limit that goes so far
//! through the book, never rests, is as large as one order and the limits of positions allow, and
//! meets no order of our own where the book has something better.

#![forbid(unsafe_code)]

use super::record::Recorder;
use super::risk::{BookQuote, RiskReject};
use super::{Books, Oms};
use crate::types::{
    Amount, BookState, ClientOrderId, Instrument, Level, NewOrder, OrderType, Ppb, Price, Qty,
    Rounding, Side, TimeInForce,
};

impl<R: Recorder, B: Books> Oms<R, B> {
    /// An order without an id for `wanted` base units, or for as much of it as one order may be;
    /// `None` if the venue does not take so little.
    pub(super) fn taking_order(
        &self,
        instrument: &Instrument,
        (side, wanted): (Side, Qty),
        through: Ppb,
        quote: &BookQuote,
    ) -> Result<Option<NewOrder>, RiskReject> {
        if quote.state != BookState::Live {
            return Err(RiskReject::BookNotLive);
        }
        let level = met(quote, side).ok_or(RiskReject::NoPrice)?;
        let (rules, limits) = (&instrument.rules, &self.state.risk.limits);
        let through = through.0.clamp(0, limits.price_collar.0.max(0));
        let price = bounded(instrument, moved(level.price, through, side), side);
        let price = self.short_of_own(instrument, side, price, level.price);
        let wanted = whole_lots(instrument, wanted);
        if is_too_small(instrument, wanted, price) {
            return Ok(None);
        }
        let mut qty = wanted.0;
        if rules.qty_max > Qty::ZERO {
            qty = qty.min(rules.qty_max.0);
        }
        // What a buy costs at most, and a sell brings at best; both within the limit per order.
        let dear = price.max(level.price);
        let each = instrument.scale.notional(dear, Qty(1)).map_or(0, |value| value.0);
        for most in [limits.order_notional_max, rules.notional_max] {
            if most > Amount::ZERO && each > 0 {
                qty = qty.min(i64::try_from(most.0 / each).unwrap_or(i64::MAX));
            }
        }
        // A part now may make room for the rest: positions at two venues hold each other back.
        let room = self.state.risk.room(instrument, side, &self.state.exposures);
        let one = instrument.scale.base_amount(Qty(1)).0.max(1);
        let fits = Qty(qty.min(i64::try_from(room.0 / one).unwrap_or(i64::MAX)));
        if !is_too_small(instrument, whole_lots(instrument, fits), price) {
            qty = fits.0;
        }
        Ok(Some(NewOrder {
            client_id: ClientOrderId::NONE,
            instrument: instrument.id,
            side,
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::Ioc,
            post_only: false,
            reduce_only: false,
            price,
            qty: whole_lots(instrument, Qty(qty)),
        }))
    }

    /// The limit `price`, or one that stops before our own best order on the other side. Where that
    /// order is the best of the book there is no such price, and the order will be refused.
    fn short_of_own(
        &self,
        instrument: &Instrument,
        side: Side,
        price: Price,
        best: Price,
    ) -> Price {
        let Some(own) = self.best_own(instrument.id, side.opposite()) else { return price };
        let tick = instrument.tick_at(own).0.max(1);
        match side {
            Side::Buy if own > best => price.min(Price(own.0 - tick)),
            Side::Sell if own < best => price.max(Price(own.0 + tick)),
            _ => price,
        }
    }
}

/// What an order of this side would meet.
pub(super) fn met(quote: &BookQuote, side: Side) -> Option<Level> {
    let level = if side == Side::Buy { quote.ask } else { quote.bid };
    let good = quote.state == BookState::Live && level.qty > Qty::ZERO && level.price > Price(0);
    good.then_some(level)
}

pub(super) fn whole_lots(instrument: &Instrument, qty: Qty) -> Qty {
    match instrument.rules.lot_size {
        lot if lot > Qty::ZERO => qty.round_to(lot, Rounding::Down),
        _ => qty,
    }
}

/// Whether the venue does not take an order of this size at this price.
pub(super) fn is_too_small(instrument: &Instrument, qty: Qty, price: Price) -> bool {
    let rules = &instrument.rules;
    let value = instrument.scale.notional(price, qty).unwrap_or_default();
    qty <= Qty::ZERO || qty < rules.qty_min || value < rules.notional_min
}

/// The price that is `ppb` worse for us.
fn moved(price: Price, ppb: i64, side: Side) -> Price {
    let away = i128::from(price.0) * i128::from(ppb) / 1_000_000_000;
    let away = i64::try_from(away).unwrap_or(0);
    Price(price.0.saturating_add(away.saturating_mul(side.sign())))
}

/// On a tick, not further through the book, within the instrument's bounds.
fn bounded(instrument: &Instrument, price: Price, side: Side) -> Price {
    let rules = &instrument.rules;
    let rounding = if side == Side::Buy { Rounding::Down } else { Rounding::Up };
    let price = match instrument.tick_at(price) {
        tick if tick > Price(0) => price.round_to(tick, rounding),
        _ => price,
    };
    let price = price.max(rules.price_min);
    if rules.price_max > Price(0) { price.min(rules.price_max) } else { price }
}
