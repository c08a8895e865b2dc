//! Which orders and amendments are taken, and what they lock.

use super::exchange::Exchange;
use super::{AccountId, PlaceRequest, Refusal, SimOrder, SimOrderType, rules};
use crate::types::Side;
use rust_decimal::Decimal;

impl Exchange {
    /// Checks a new order; gives what it locks and the base quantity that completes it.
    pub(super) fn admit(
        &self,
        account: AccountId,
        listing: usize,
        request: &PlaceRequest,
    ) -> Result<(Decimal, Decimal), Refusal> {
        let (rules, book) = (&self.rules[listing], &self.listings[listing].book);
        let opposite = book.best(request.side.opposite());
        let reference = self.listings[listing].last_price.or(opposite);
        rules::check_new(rules, request, self.tick_of(listing), reference)?;
        let known = self.by_client.get(&(account, request.client_id.clone()));
        if known.is_some_and(|id| self.orders[id].order.state.is_open()) {
            return Err(Refusal::DuplicateClientId);
        }
        let limited = matches!(request.order_type, SimOrderType::Limit | SimOrderType::PostOnly);
        if !limited && opposite.is_none() {
            return Err(Refusal::NoLiquidity);
        }
        let (lock, target) = if limited {
            (self.worth(listing, request), request.qty)
        } else {
            let preview = self.preview(account, listing, request);
            let target = match request.order_type {
                SimOrderType::MarketQuote if preview.hungry => preview.base + rules.lot_size,
                SimOrderType::MarketQuote => preview.base,
                _ => request.qty,
            };
            if target.is_zero() {
                return Err(Refusal::QtyBounds);
            }
            let lock = match &rules.perpetual {
                Some(_) if request.reduce_only => Decimal::ZERO,
                None if request.side == Side::Sell => preview.base,
                _ => preview.quote,
            };
            (lock, target)
        };
        self.check_cover(account, listing, request.side, Decimal::ZERO, lock)?;
        let crosses = book.crosses(request.side, request.price);
        if request.order_type == SimOrderType::PostOnly && crosses {
            return Err(Refusal::WouldTake);
        }
        Ok((lock, target))
    }

    /// The price step that orders have to keep; zero where the wire looks after that.
    fn tick_of(&self, listing: usize) -> Decimal {
        if self.any_tick { Decimal::ZERO } else { self.rules[listing].tick_size }
    }

    /// What a limit order of this price and quantity locks: of spot what it pays with, of a perpetual
    /// the value that counts for margin, nothing if it can only reduce.
    pub(super) fn worth(&self, listing: usize, request: &PlaceRequest) -> Decimal {
        match &self.rules[listing].perpetual {
            Some(_) if request.reduce_only => Decimal::ZERO,
            None if request.side == Side::Sell => request.qty,
            _ => request.price * request.qty,
        }
    }

    /// Whether an account can bear an order that locks `lock` instead of `locked`.
    fn check_cover(
        &self,
        account: AccountId,
        listing: usize,
        side: Side,
        locked: Decimal,
        lock: Decimal,
    ) -> Result<(), Refusal> {
        let rules = &self.rules[listing];
        if self.accounts.get(account.0).is_none() {
            return Err(Refusal::InsufficientBalance);
        }
        if rules.perpetual.is_some() {
            return self.check_margin(account, listing, side, lock - locked);
        }
        let asset = if side == Side::Buy { &rules.quote } else { &rules.base };
        let short = self.spendable(account.0, asset) + locked < lock;
        if short { Err(Refusal::InsufficientBalance) } else { Ok(()) }
    }

    /// Checks new price and quantity of an open order that has locked `lock`.
    pub(super) fn admit_amend(
        &self,
        order: &SimOrder,
        listing: usize,
        lock: Decimal,
        price: Decimal,
        qty: Decimal,
    ) -> Result<(), Refusal> {
        let (rules, old) = (&self.rules[listing], &order.request);
        if (price == old.price && qty == old.qty) || qty <= order.filled {
            return Err(Refusal::BadAmend);
        }
        rules::check_price(rules, self.tick_of(listing), price)?;
        rules::check_qty(rules, qty, rules.qty_max)?;
        if !old.reduce_only {
            rules::check_notional(rules, price, qty)?;
        }
        let new = PlaceRequest { price, qty: qty - order.filled, ..old.clone() };
        if self.cut_to_position(order.account, listing, new.clone())?.qty < new.qty {
            return Err(Refusal::ReduceOnly);
        }
        self.check_cover(order.account, listing, old.side, lock, self.worth(listing, &new))?;
        let crosses = self.listings[listing].book.crosses(old.side, price);
        if old.order_type == SimOrderType::PostOnly && crosses {
            return Err(Refusal::WouldTake);
        }
        Ok(())
    }
}
