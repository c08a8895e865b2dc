//! Positions of perpetual contracts: what a fill does to them, who pays whom, and which reduce-only
//! orders a smaller position leaves.
//!
//! Every payment to or from a wallet has the house on its other side: fees, profit against the
//! anonymous flow, what rounding leaves of funding, losses beyond an account's margin. A position's
//! cost is released in proportion when a part of it is closed, cut to the instrument's decimals; what
//! the cut leaves stays in the cost of the rest, so that nothing is lost over the position's life.

use super::exchange::Exchange;
use super::funding::Market;
use super::{
    AccountId, Cause, OrderChange, PlaceRequest, PositionChange, ReduceOnlyPolicy, Refusal,
    SimFill, SimFunding, SimMargin, SimMarginMode, SimMark, SimOrderState, SymbolRules,
};
use crate::types::Side;
use rust_decimal::Decimal;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A position of one account, with its settings.
#[derive(Clone, Debug)]
pub(super) struct Holding {
    /// Base units, negative when short.
    pub(super) qty: Decimal,
    /// Signed value at the prices it was opened at.
    pub(super) cost: Decimal,
    pub(super) mode: SimMarginMode,
    pub(super) leverage: Decimal,
    /// Set aside for it, of an isolated one.
    pub(super) isolated: Decimal,
    /// Values of open orders that may open a position.
    pub(super) bids: Decimal,
    pub(super) asks: Decimal,
    pub(super) realised: Decimal,
    pub(super) funding: Decimal,
    pub(super) updated_ms: u64,
}

impl Holding {
    pub(super) fn new(leverage: Decimal) -> Self {
        Self {
            qty: Decimal::ZERO,
            cost: Decimal::ZERO,
            mode: SimMarginMode::Cross,
            leverage,
            isolated: Decimal::ZERO,
            bids: Decimal::ZERO,
            asks: Decimal::ZERO,
            realised: Decimal::ZERO,
            funding: Decimal::ZERO,
            updated_ms: 0,
        }
    }

    /// What an order of this side could close.
    pub(super) fn closable(&self, side: Side) -> Decimal {
        let closes = match side {
            Side::Buy => self.qty.is_sign_negative(),
            Side::Sell => self.qty.is_sign_positive(),
        };
        if closes { self.qty.abs() } else { Decimal::ZERO }
    }

    /// Books a fill; gives the quantity closed and its profit.
    fn on_fill(
        &mut self,
        side: Side,
        price: Decimal,
        qty: Decimal,
        decimals: u32,
    ) -> (Decimal, Decimal) {
        let sign = if side == Side::Buy { Decimal::ONE } else { Decimal::NEGATIVE_ONE };
        let closed = self.closable(side).min(qty);
        let mut realised = Decimal::ZERO;
        if !closed.is_zero() {
            let whole = self.qty.abs();
            let share = |total: Decimal| match closed == whole {
                true => total,
                false => (total * closed / whole).trunc_with_scale(decimals),
            };
            let released = share(self.cost);
            self.isolated -= share(self.isolated);
            realised = -(sign * price * closed) - released;
            self.cost -= released;
            self.qty += sign * closed;
        }
        let opened = qty - closed;
        if !opened.is_zero() {
            self.cost += sign * price * opened;
            self.qty += sign * opened;
            if self.mode == SimMarginMode::Isolated {
                self.isolated += (price * opened / self.leverage).trunc_with_scale(decimals);
            }
        }
        self.realised += realised;
        (closed, realised)
    }

    fn reserve(&mut self, side: Side, amount: Decimal) {
        match side {
            Side::Buy => self.bids += amount,
            Side::Sell => self.asks += amount,
        }
    }

    /// Average price of the open quantity.
    pub(super) fn entry(&self) -> Decimal {
        if self.qty.is_zero() { Decimal::ZERO } else { (self.cost / self.qty).round_dp(12) }
    }
}

/// Everything about the perpetuals of a venue.
#[derive(Clone, Debug, Default)]
pub(super) struct Perpetuals {
    /// By account and listing.
    pub(super) holdings: BTreeMap<(usize, usize), Holding>,
    /// One per listing, none for spot.
    pub(super) markets: Vec<Option<Market>>,
    /// What the other side of all payments has come to, by asset.
    house: BTreeMap<String, Decimal>,
    /// Reduce-only orders on the book: account, listing, order.
    reducers: BTreeSet<(usize, usize, u64)>,
    /// Positions to tell of.
    pub(super) touched: BTreeMap<(usize, usize), PositionChange>,
    /// Marks have moved: look at every position.
    pub(super) moved: bool,
    pub(super) policy: ReduceOnlyPolicy,
    /// Funding is paid on the value at index, not at mark.
    pub(super) funds_index: bool,
    /// Newest payments of each account, newest last.
    pub(super) payments: BTreeMap<usize, VecDeque<SimFunding>>,
    pub(super) payment_ids: u64,
    /// Newest rates paid of each listing, newest last.
    pub(super) rates: BTreeMap<usize, VecDeque<SimMark>>,
}

impl Perpetuals {
    pub(super) fn new(rules: &[SymbolRules]) -> Self {
        let market = |rules: &SymbolRules| rules.perpetual.as_ref().map(|_| Market::default());
        Self { markets: rules.iter().map(market).collect(), ..Self::default() }
    }
}

impl Exchange {
    /// Chooses what happens to reduce-only orders that are larger than the position.
    pub fn set_reduce_only(&mut self, policy: ReduceOnlyPolicy) {
        self.perpetuals.policy = policy;
    }

    /// Pays funding on the value of positions at the index price instead of at mark.
    pub fn fund_on_index(&mut self) {
        self.perpetuals.funds_index = true;
    }

    /// What the other side of all payments of perpetuals has come to in an asset: with the wallets
    /// it adds up to what they held at the start.
    #[must_use]
    pub fn house(&self, asset: &str) -> Decimal {
        self.perpetuals.house.get(asset).copied().unwrap_or_default()
    }

    pub(super) fn holding(&mut self, account: usize, listing: usize) -> Option<&mut Holding> {
        let leverage = self.rules[listing].perpetual.as_ref()?.leverage_initial;
        let holdings = &mut self.perpetuals.holdings;
        Some(holdings.entry((account, listing)).or_insert_with(|| Holding::new(leverage)))
    }

    /// Counts an order's value for its account's margin, or takes it back. Spot orders lock what
    /// they pay with.
    pub(super) fn hold(&mut self, account: AccountId, listing: usize, side: Side, amount: Decimal) {
        if let Some(holding) = self.holding(account.0, listing) {
            return holding.reserve(side, amount);
        }
        let rules = &self.rules[listing];
        let asset = if side == Side::Buy { &rules.quote } else { &rules.base };
        let account = &mut self.accounts[account.0];
        if amount.is_sign_negative() {
            account.release(asset, -amount);
        } else {
            account.lock(asset, amount);
        }
    }

    /// Pays an account out of the house.
    pub(super) fn pay(&mut self, account: usize, asset: &str, amount: Decimal) {
        self.accounts[account].pay(asset, amount);
        match self.perpetuals.house.get_mut(asset) {
            Some(house) => *house -= amount,
            None => drop(self.perpetuals.house.insert(asset.to_owned(), -amount)),
        }
    }

    /// Takes a price for a service from an account, which has been checked to have it.
    pub fn charge(&mut self, account: AccountId, asset: &str, price: Decimal, now_ms: u64) {
        if self.accounts.get(account.0).is_some() {
            self.pay(account.0, asset, -price);
            self.finish(now_ms);
        }
    }

    /// Books a fill of a perpetual, of which `unlocked` of the order's value is used up, and
    /// completes what it says of the position.
    pub(super) fn settle_position(
        &mut self,
        fill: &mut SimFill,
        listing: usize,
        unlocked: Decimal,
        cause: Cause,
    ) {
        let decimals = self.rules[listing].fee_decimals;
        let account = fill.account.0;
        let Some(holding) = self.holding(account, listing) else { return };
        holding.reserve(fill.side, -unlocked);
        let (closed, realised) = holding.on_fill(fill.side, fill.price, fill.qty, decimals);
        holding.updated_ms = fill.time_ms;
        (fill.closed, fill.realised, fill.position) = (closed, realised, holding.qty);
        self.pay(account, &fill.fee_asset, realised - fill.fee);
        self.accounts[account].on_perpetual_fill(fill, &self.rules[listing].base);
        let liquidates = cause == Cause::Liquidation;
        let change = if liquidates { PositionChange::Liquidation } else { PositionChange::Order };
        self.perpetuals.touched.insert((account, listing), change);
    }

    /// A reduce-only order as the position and the venue's policy leave it.
    pub(super) fn cut_to_position(
        &self,
        account: AccountId,
        listing: usize,
        mut request: PlaceRequest,
    ) -> Result<PlaceRequest, Refusal> {
        if !request.reduce_only || self.rules[listing].perpetual.is_none() {
            return Ok(request);
        }
        let holding = self.perpetuals.holdings.get(&(account.0, listing));
        let room = holding.map_or(Decimal::ZERO, |holding| holding.closable(request.side));
        let oversized = request.qty > room;
        if room.is_zero() || (oversized && self.perpetuals.policy.refuses_oversized) {
            return Err(Refusal::ReduceOnly);
        }
        request.qty = request.qty.min(room);
        Ok(request)
    }

    /// An order is on the book.
    pub(super) fn note_resting(&mut self, id: u64) {
        let Some(kept) = self.orders.get(&id) else { return };
        if kept.order.request.reduce_only {
            self.perpetuals.reducers.insert((kept.order.account.0, kept.listing, id));
        }
    }

    /// An order is no longer on the book.
    pub(super) fn note_gone(&mut self, id: u64) {
        let Some(kept) = self.orders.get(&id) else { return };
        if kept.order.request.reduce_only {
            self.perpetuals.reducers.remove(&(kept.order.account.0, kept.listing, id));
        }
    }

    /// Cancels or shrinks resting reduce-only orders that together could close more than there is:
    /// those further from the market first.
    pub(super) fn trim_reducers(&mut self, account: usize, listing: usize, now_ms: u64) {
        let range = (account, listing, 0)..=(account, listing, u64::MAX);
        let mut orders: Vec<(u64, Side, Decimal, Decimal)> = Vec::new();
        for (_, _, id) in self.perpetuals.reducers.range(range) {
            let Some(kept) = self.orders.get(id) else { continue };
            let request = &kept.order.request;
            orders.push((*id, request.side, request.price, kept.order.leaves()));
        }
        if orders.is_empty() {
            return;
        }
        orders.sort_by(priority);
        let holding = self.perpetuals.holdings.get(&(account, listing));
        let closable = |side| holding.map_or(Decimal::ZERO, |holding| holding.closable(side));
        let mut room = [closable(Side::Buy), closable(Side::Sell)];
        for (id, side, price, leaves) in orders {
            let room = &mut room[usize::from(side == Side::Sell)];
            if leaves <= *room {
                *room -= leaves;
            } else if room.is_zero() || self.perpetuals.policy.cancels_resting {
                self.withdraw(id);
                self.set_cause(id, Cause::ReduceOnly);
                self.end(id, SimOrderState::Canceled, OrderChange::Canceled, None, now_ms);
            } else {
                let left = std::mem::take(room);
                self.listings[listing].book.take_order(side, price, id, leaves - left);
                if let Some(kept) = self.orders.get_mut(&id) {
                    kept.order.request.qty = kept.order.filled + left;
                    kept.target = kept.order.request.qty;
                    (kept.order.cause, kept.order.updated_ms) = (Cause::ReduceOnly, now_ms);
                }
                self.emit_order(id, OrderChange::Replaced, None, None);
                self.set_cause(id, Cause::None);
            }
        }
    }

    pub(super) fn set_cause(&mut self, id: u64, cause: Cause) {
        if let Some(kept) = self.orders.get_mut(&id) {
            kept.order.cause = cause;
        }
    }

    /// Tells of positions that changed. Ends a call, with [`Exchange::finish`].
    pub(super) fn tell_positions(&mut self, time_ms: u64) {
        for ((account, listing), change) in std::mem::take(&mut self.perpetuals.touched) {
            if let Some(position) = self.position_at(AccountId(account), listing) {
                self.events.push(super::ExchangeEvent::Position { position, change, time_ms });
            }
        }
    }

    /// What an account may spend of an asset on spot: what is free, and not needed as margin.
    pub(super) fn spendable(&self, account: usize, asset: &str) -> Decimal {
        let free = self.accounts[account].free(asset);
        if !self.is_settle(account, asset) {
            return free;
        }
        if !self.marks_known(AccountId(account), asset) {
            return Decimal::ZERO;
        }
        let SimMargin { available, .. } = self.margin(AccountId(account), asset);
        free.min(available)
    }

    /// Whether an account has positions, orders or settings that settle in this asset.
    fn is_settle(&self, account: usize, asset: &str) -> bool {
        let held = self.perpetuals.holdings.range((account, 0)..=(account, usize::MAX));
        held.into_iter().any(|((_, listing), _)| self.settle_of(*listing) == Some(asset))
    }

    pub(super) fn settle_of(&self, listing: usize) -> Option<&str> {
        self.rules.get(listing)?.perpetual.as_ref().map(|perpetual| &*perpetual.settle)
    }
}

/// Nearer to the market first, then older.
fn priority(one: &(u64, Side, Decimal, Decimal), two: &(u64, Side, Decimal, Decimal)) -> Ordering {
    let ascending = one.2.cmp(&two.2);
    let by_price = if one.1 == Side::Sell { ascending } else { ascending.reverse() };
    by_price.then(one.0.cmp(&two.0))
}
