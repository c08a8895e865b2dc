//! What a flow does to the books: quantities that stand there, and trades that take them and the orders
//! of clients.

use super::SimLevel;
use super::book::{Entry, Seen};
use super::exchange::Exchange;
use super::matching::Match;
use crate::types::Side;
use rust_decimal::Decimal;

impl Exchange {
    /// Sets anonymous background quantities, absolute; zero removes. One book change comes of all
    /// of them. A level that crosses the other side displaces the background there, and fills the
    /// client orders there, at their prices, with the quantity it brings.
    pub fn set_levels(&mut self, symbol: &str, levels: &[(Side, SimLevel)], now_ms: u64) {
        self.change_levels(symbol, levels, now_ms, |exchange, listing, side, (price, qty)| {
            let rest = exchange.displace(listing, side, (price, qty), qty, now_ms);
            exchange.listings[listing].book.set_background(side, price, rest);
        });
    }

    /// As [`Exchange::set_levels`], of levels that were there before they were seen: what they hold
    /// stands ahead of the client orders at their prices.
    pub fn reveal_levels(&mut self, symbol: &str, levels: &[(Side, SimLevel)], now_ms: u64) {
        self.change_levels(symbol, levels, now_ms, |exchange, listing, side, (price, qty)| {
            let rest = exchange.displace(listing, side, (price, qty), qty, now_ms);
            exchange.listings[listing].book.reveal_background(side, price, rest);
        });
    }

    /// As [`Exchange::set_levels`], of a market that knows nothing of the orders here: a level fills
    /// with what it has more than `before`, which has met them already, and prints may come after
    /// what they took has left.
    pub fn follow_levels(
        &mut self,
        symbol: &str,
        levels: &[(Side, SimLevel)],
        before: impl Fn(Side, Decimal) -> Decimal,
        now_ms: u64,
    ) {
        self.change_levels(symbol, levels, now_ms, |exchange, listing, side, (price, qty)| {
            let new = (qty - before(side, price)).max(Decimal::ZERO);
            let rest = exchange.displace(listing, side, (price, qty), new, now_ms);
            let seen = Seen { now_ms, next_id: exchange.next_order_id() };
            exchange.listings[listing].book.follow_background(side, price, rest, seen);
        });
    }

    fn change_levels(
        &mut self,
        symbol: &str,
        levels: &[(Side, SimLevel)],
        now_ms: u64,
        set: impl Fn(&mut Self, usize, Side, SimLevel),
    ) {
        let Some(listing) = self.listing(symbol) else { return };
        self.listings[listing].book.forget(now_ms);
        for pass in [true, false] {
            // Removals first: a book that moves must not cross itself on the way.
            for &(side, level) in levels.iter().filter(|(_, level)| level.1.is_zero() == pass) {
                if level.0 > Decimal::ZERO && level.1 >= Decimal::ZERO {
                    set(self, listing, side, level);
                }
            }
        }
        self.finish(now_ms);
    }

    /// Sets one level; see [`Exchange::set_levels`].
    pub fn set_level(
        &mut self,
        symbol: &str,
        side: Side,
        price: Decimal,
        qty: Decimal,
        now_ms: u64,
    ) {
        self.set_levels(symbol, &[(side, (price, qty))], now_ms);
    }

    /// Clears the way for background of `side` at `price`, `new` of which fills client orders; gives
    /// what is left of `qty`, nothing while one of them still stands in the way.
    fn displace(
        &mut self,
        listing: usize,
        side: Side,
        (price, qty): SimLevel,
        mut new: Decimal,
        now_ms: u64,
    ) -> Decimal {
        let (resting, mut left) = (side.opposite(), qty);
        while !left.is_zero() {
            let front = self.listings[listing].book.front(resting, Some(price));
            let Some((met, entry)) = front else { break };
            let Entry::Order { leaves, .. } = entry else {
                self.listings[listing].book.take_front(resting, met, entry.qty());
                continue;
            };
            let qty = new.min(leaves);
            if qty.is_zero() {
                return Decimal::ZERO;
            }
            self.meet(Match { listing, taker: side, price: met, qty, now_ms }, entry, None);
            (left, new) = (left - qty, new - qty);
        }
        left
    }

    /// A background aggressor trades `qty` at `price`: first with client orders at better prices
    /// (at theirs), then with the queue at `price` in its order; what finds nobody is printed all
    /// the same. Background at better prices stays: the flow withdraws it itself.
    pub fn background_trade(
        &mut self,
        symbol: &str,
        taker: Side,
        price: Decimal,
        qty: Decimal,
        now_ms: u64,
    ) {
        let Some(listing) = self.listing(symbol) else { return };
        self.trade_at(Match { listing, taker, price, qty, now_ms });
        self.finish(now_ms);
    }

    /// As [`Exchange::background_trade`], of a recorded trade: the background at its price is
    /// `standing` afterwards, as the recorded book has it, which may know of the trade already.
    pub fn recorded_trade(
        &mut self,
        symbol: &str,
        taker: Side,
        (price, qty): SimLevel,
        standing: Decimal,
        now_ms: u64,
    ) {
        let Some(listing) = self.listing(symbol) else { return };
        self.trade_at(Match { listing, taker, price, qty, now_ms });
        self.listings[listing].book.set_background(taker.opposite(), price, standing);
        self.finish(now_ms);
    }

    /// As [`Exchange::recorded_trade`], of a market that was followed by [`Exchange::follow_levels`]:
    /// the book may have told of the trade already, and then nobody is filled by it who came later
    /// or stands behind what it took.
    pub fn followed_trade(
        &mut self,
        symbol: &str,
        taker: Side,
        (price, qty): SimLevel,
        standing: Decimal,
        now_ms: u64,
    ) {
        let Some(listing) = self.listing(symbol) else { return };
        let resting = taker.opposite();
        let left = self.trade_better(Match { listing, taker, price, qty, now_ms });
        self.listings[listing].book.restore(resting, price, qty, now_ms);
        self.trade_level(Match { listing, taker, price, qty: left, now_ms });
        let seen = Seen { now_ms, next_id: self.next_order_id() };
        let standing = self.displace(listing, resting, (price, standing), Decimal::ZERO, now_ms);
        self.listings[listing].book.follow_background(resting, price, standing, seen);
        self.finish(now_ms);
    }

    fn trade_at(&mut self, whole: Match) {
        let qty = self.trade_better(whole);
        self.trade_level(Match { qty, ..whole });
    }

    /// Trades with client orders at better prices, at theirs; gives what is left.
    fn trade_better(&mut self, whole: Match) -> Decimal {
        let Match { listing, taker, price, qty, now_ms } = whole;
        if price <= Decimal::ZERO || qty <= Decimal::ZERO {
            return Decimal::ZERO;
        }
        let resting = taker.opposite();
        let mut left = qty;
        // Looked for each time: a fill may end or shrink other orders of its account.
        while !left.is_zero() {
            let book = &self.listings[listing].book;
            let better = book
                .reach(resting, Some(price))
                .take_while(|(met, _)| *met != price)
                .find_map(|(met, entry)| {
                    let Entry::Order { id, leaves } = entry else { return None };
                    // What the book knew of before the order came has traded without it.
                    let open = (left - book.left_before(resting, price, id, now_ms)).min(leaves);
                    (open > Decimal::ZERO).then_some((met, id, open))
                });
            let Some((met, id, qty)) = better else { break };
            let trade = Match { listing, taker, price: met, qty, now_ms };
            let trade_id = self.print(trade);
            self.listings[listing].book.take_order(resting, met, id, qty);
            self.fill(id, trade_id, trade, true);
            left -= qty;
        }
        left
    }

    /// Trades with the queue of a price in its order; what finds nobody is printed all the same.
    fn trade_level(&mut self, whole: Match) {
        let Match { listing, taker, price, qty: mut left, now_ms } = whole;
        while !left.is_zero() {
            let front = self.listings[listing].book.front_at(taker.opposite(), price);
            let Some((_, entry)) = front else { break };
            let qty = left.min(entry.qty());
            self.meet(Match { listing, taker, price, qty, now_ms }, entry, None);
            left -= qty;
        }
        if !left.is_zero() {
            self.print(Match { listing, taker, price, qty: left, now_ms });
        }
    }
}
