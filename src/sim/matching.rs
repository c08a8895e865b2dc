//! Matching: what an aggressor meets, who fills whom, what that does to orders and balances.

use super::book::Entry;
use super::exchange::{Exchange, Kept, SelfTrade};
use super::{
    AccountId, Cause, ExchangeEvent, OrderChange, PlaceRequest, SimFill, SimOrderState,
    SimOrderType, SymbolRules, rules,
};
use crate::types::{Side, TimeInForce};
use rust_decimal::Decimal;

/// What an aggressor still wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Appetite {
    Base(Decimal),
    Quote(Decimal),
}

impl Appetite {
    fn at(self, rules: &SymbolRules, price: Decimal) -> Decimal {
        match self {
            Self::Base(qty) => qty,
            Self::Quote(quote) => rules::affordable(rules, quote, price),
        }
    }

    fn less(self, price: Decimal, qty: Decimal) -> Self {
        match self {
            Self::Base(left) => Self::Base(left - qty),
            Self::Quote(left) => Self::Quote(left - price * qty),
        }
    }
}

fn limit_of(request: &PlaceRequest) -> Option<Decimal> {
    let limited = matches!(request.order_type, SimOrderType::Limit | SimOrderType::PostOnly);
    limited.then_some(request.price)
}

/// One match.
#[derive(Clone, Copy, Debug)]
pub(super) struct Match {
    pub(super) listing: usize,
    /// Side of the aggressor.
    pub(super) taker: Side,
    pub(super) price: Decimal,
    pub(super) qty: Decimal,
    pub(super) now_ms: u64,
}

/// What an order would fill at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Preview {
    pub(super) base: Decimal,
    pub(super) quote: Decimal,
    /// It wants more than the book has within its limit.
    pub(super) hungry: bool,
}

impl Exchange {
    /// What `request` would fill now.
    pub(super) fn preview(
        &self,
        account: AccountId,
        listing: usize,
        request: &PlaceRequest,
    ) -> Preview {
        let mut appetite = match request.order_type {
            SimOrderType::MarketQuote => Appetite::Quote(request.qty),
            _ => Appetite::Base(request.qty),
        };
        let (mut base, mut quote) = (Decimal::ZERO, Decimal::ZERO);
        let book = &self.listings[listing].book;
        for (price, entry) in book.reach(request.side.opposite(), limit_of(request)) {
            if self.expires_for(account, entry) {
                continue;
            }
            let wanted = appetite.at(&self.rules[listing], price);
            let qty = wanted.min(entry.qty());
            appetite = appetite.less(price, qty);
            base += qty;
            quote += price * qty;
            if qty == wanted {
                return Preview { base, quote, hungry: false };
            }
        }
        Preview { base, quote, hungry: true }
    }

    fn expires_for(&self, taker: AccountId, entry: Entry) -> bool {
        let Entry::Order { id, .. } = entry else { return false };
        self.self_trade == SelfTrade::ExpireMaker && self.orders[&id].order.account == taker
    }

    /// Matches an order that is not on the book; the rest of it rests or expires.
    pub(super) fn execute(&mut self, id: u64, now_ms: u64) {
        let Kept { order, listing, target, .. } = self.orders[&id].clone();
        let request = &order.request;
        let mut left = target - order.filled;
        if request.time_in_force == TimeInForce::Fok && request.order_type == SimOrderType::Limit {
            let preview = self.preview(order.account, listing, request);
            if preview.base < left {
                return self.expire(id, now_ms);
            }
        }
        let resting = request.side.opposite();
        while !left.is_zero() {
            let front = self.listings[listing].book.front(resting, limit_of(request));
            let Some((price, entry)) = front else { break };
            if self.expires_for(order.account, entry) {
                let Entry::Order { id: maker, .. } = entry else { break };
                self.withdraw(maker);
                self.set_cause(maker, Cause::SelfTrade);
                self.expire(maker, now_ms);
                continue;
            }
            let qty = left.min(entry.qty());
            let trade = Match { listing, taker: request.side, price, qty, now_ms };
            self.meet(trade, entry, Some(id));
            left -= qty;
        }
        if left.is_zero() {
            return;
        }
        if Self::rests(request) {
            self.listings[listing].book.add_order(request.side, request.price, id, left);
            self.note_resting(id);
        } else if order.cause == Cause::Liquidation {
            // The venue takes over what found no liquidity.
            let trade_id = self.listings[listing].next_trade_id;
            self.listings[listing].next_trade_id += 1;
            let (taker, price) = (request.side, request.price);
            let trade = Match { listing, taker, price, qty: left, now_ms };
            self.fill(id, trade_id, trade, false);
        } else {
            self.expire(id, now_ms);
        }
    }

    /// One match with the front of a level. Without a taker the aggressor is background flow.
    pub(super) fn meet(&mut self, trade: Match, entry: Entry, taker: Option<u64>) {
        let trade_id = self.print(trade);
        let resting = trade.taker.opposite();
        self.listings[trade.listing].book.take_front(resting, trade.price, trade.qty);
        if let Entry::Order { id, .. } = entry {
            self.fill(id, trade_id, trade, true);
        }
        if let Some(id) = taker {
            self.fill(id, trade_id, trade, false);
        }
    }

    /// A public print; gives its number.
    pub(super) fn print(&mut self, trade: Match) -> u64 {
        let listing = &mut self.listings[trade.listing];
        let trade_id = listing.next_trade_id;
        listing.next_trade_id += 1;
        listing.last_price = Some(trade.price);
        listing.past.record(trade.price, trade.qty, trade.now_ms);
        self.events.push(ExchangeEvent::Trade {
            symbol: self.rules[trade.listing].symbol.clone(),
            trade_id,
            taker: trade.taker,
            price: trade.price,
            qty: trade.qty,
            time_ms: trade.now_ms,
        });
        trade_id
    }

    pub(super) fn fill(&mut self, id: u64, trade_id: u64, trade: Match, maker: bool) {
        let Some(kept) = self.orders.get_mut(&id) else { return };
        let Match { listing, price, qty, now_ms, .. } = trade;
        let (rules, order) = (&self.rules[listing], &mut kept.order);
        let at_limit = limit_of(&order.request).unwrap_or(price) * qty;
        let (received, fee_asset, used) = match (order.request.side, &rules.perpetual) {
            // What a reduce-only order uses it has not locked; a market order may meet other prices
            // than were foreseen.
            (_, Some(perpetual)) => (price * qty, &perpetual.settle, at_limit.min(kept.lock)),
            (Side::Buy, None) => (qty, &rules.base, at_limit),
            (Side::Sell, None) => (price * qty, &rules.quote, qty),
        };
        let liquidates = order.cause == Cause::Liquidation;
        let fee = if liquidates { Decimal::ZERO } else { rules::fee(rules, received, maker) };
        let mut fill = SimFill {
            trade_id,
            order_id: id,
            account: order.account,
            symbol: rules.symbol.clone(),
            client_id: order.request.client_id.clone(),
            side: order.request.side,
            price,
            qty,
            fee,
            fee_asset: fee_asset.clone(),
            closed: Decimal::ZERO,
            realised: Decimal::ZERO,
            position: Decimal::ZERO,
            maker,
            time_ms: now_ms,
        };
        order.filled += qty;
        order.filled_quote += price * qty;
        *order.fees.entry(fill.fee_asset.clone()).or_default() += fill.fee;
        order.updated_ms = now_ms;
        let complete = order.filled == kept.target;
        order.state = if complete { SimOrderState::Filled } else { SimOrderState::PartiallyFilled };
        kept.lock -= used;
        let (account, cause) = (fill.account.0, order.cause);
        if rules.perpetual.is_some() {
            self.settle_position(&mut fill, listing, used, cause);
        } else {
            self.accounts[account].settle(&fill, rules, used);
        }
        if let Some(kept) = self.orders.get_mut(&id) {
            kept.order.realised += fill.realised;
        }
        self.keep_fill(listing, fill.clone());
        self.emit_order(id, OrderChange::Trade, Some(fill), None);
        if complete {
            self.unlock(id);
            self.forget_later(id);
        }
        self.trim_reducers(account, listing, now_ms);
    }

    /// Takes an open order off the book.
    pub(super) fn withdraw(&mut self, id: u64) {
        let Some(Kept { order, listing, .. }) = self.orders.get(&id) else { return };
        let (side, price, leaves) = (order.request.side, order.request.price, order.leaves());
        self.listings[*listing].book.take_order(side, price, id, leaves);
        self.note_gone(id);
    }

    fn expire(&mut self, id: u64, now_ms: u64) {
        self.end(id, SimOrderState::Expired, OrderChange::Expired, None, now_ms);
    }

    /// Ends an order that is not on the book.
    pub(super) fn end(
        &mut self,
        id: u64,
        state: SimOrderState,
        change: OrderChange,
        cancel_id: Option<String>,
        now_ms: u64,
    ) {
        self.unlock(id);
        if let Some(kept) = self.orders.get_mut(&id) {
            kept.order.state = state;
            kept.order.updated_ms = now_ms;
        }
        self.emit_order(id, change, None, cancel_id);
        self.forget_later(id);
    }

    /// Locks `amount` for an order that has nothing locked.
    pub(super) fn lock(&mut self, id: u64, amount: Decimal) {
        let Some(kept) = self.orders.get_mut(&id) else { return };
        kept.lock = amount;
        let (account, listing) = (kept.order.account, kept.listing);
        let side = kept.order.request.side;
        self.hold(account, listing, side, amount);
    }

    /// Releases what is left of an order's lock.
    pub(super) fn unlock(&mut self, id: u64) {
        let Some(kept) = self.orders.get_mut(&id) else { return };
        let amount = std::mem::take(&mut kept.lock);
        let (account, listing) = (kept.order.account, kept.listing);
        let side = kept.order.request.side;
        self.hold(account, listing, side, -amount);
    }

    pub(super) fn emit_order(
        &mut self,
        id: u64,
        change: OrderChange,
        fill: Option<SimFill>,
        cancel_id: Option<String>,
    ) {
        if let Some(kept) = self.orders.get(&id) {
            let order = kept.order.clone();
            self.events.push(ExchangeEvent::Order { order, change, fill, cancel_id });
        }
    }

    /// Ends a call: liquidates what has to be, tells the book changes, positions and balances.
    pub(super) fn finish(&mut self, time_ms: u64) {
        self.check_positions(time_ms);
        for (rules, listing) in self.rules.iter().zip(&mut self.listings) {
            let (bids, asks) = listing.book.take_changes();
            let changes = (bids.len() + asks.len()) as u64;
            if changes > 0 {
                let first_id = listing.last_update_id + 1;
                listing.last_update_id += changes;
                let (symbol, last_id) = (rules.symbol.clone(), listing.last_update_id);
                let book = ExchangeEvent::Book { symbol, first_id, last_id, bids, asks, time_ms };
                self.events.push(book);
            }
        }
        self.tell_positions(time_ms);
        for (index, account) in self.accounts.iter_mut().enumerate() {
            let assets = account.take_changes();
            if !assets.is_empty() {
                let account = AccountId(index);
                self.events.push(ExchangeEvent::Balance { account, assets, time_ms });
            }
        }
    }
}
