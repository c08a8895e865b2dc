//! The simulated venue behind its wire: instruments, accounts, orders and what happens to them.
//!
//! Knows no protocol, socket or clock; every call is given the time. What clients may see is queued
//! in order as [`ExchangeEvent`]s. All arithmetic is exact in `Decimal`.
//!
//! Of one call the events come in this order: the order's acceptance, then for every match the
//! public print and the fill of each client order in it, then the order's end if it has ended, then
//! one book change per symbol, then the positions and then the balances of every account touched.

use super::accounts::Account;
use super::book::Book;
use super::past::Past;
use super::perpetual::Perpetuals;
use super::{
    AccountId, ApiKey, Cause, ExchangeEvent, Ledger, News, OrderChange, PlaceRequest, Refusal,
    SimFill, SimLevel, SimOrder, SimOrderState, SimOrderType, SymbolRules,
};
use crate::types::{Side, TimeInForce};
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

/// Ended orders that are kept for queries, per account: however busy the others are, an account
/// can look up its own.
const ENDED_ORDERS_MAX: usize = 2_000;
/// Fills that are kept for queries, per account and symbol.
const FILLS_MAX: usize = 2_000;
/// Ids start well above one: a client that takes an index for an id is found out.
const FIRST_ORDER_ID: u64 = 10_000_000_001;
const FIRST_TRADE_ID: u64 = 1_000_001;
const FIRST_UPDATE_ID: u64 = 5_000_001;

/// Names an order in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderRef<'a> {
    /// By the venue's id.
    Id(u64),
    /// By the client's id.
    Client(&'a str),
}

/// What happens when an order meets another order of the same account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SelfTrade {
    /// They match like strangers; both fills carry the same trade id.
    #[default]
    Match,
    /// The resting order expires and the incoming one goes on.
    ExpireMaker,
}

/// One symbol's book and counters.
#[derive(Clone, Debug)]
pub(super) struct Listing {
    pub(super) book: Book,
    pub(super) last_update_id: u64,
    pub(super) next_trade_id: u64,
    pub(super) last_price: Option<Decimal>,
    pub(super) past: Past,
}

/// An order and what it has locked: quote for a buy, base for a sell; of a perpetual the value that
/// counts for margin.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) order: SimOrder,
    pub(super) lock: Decimal,
    /// Base quantity that completes it.
    pub(super) target: Decimal,
    /// Index of its symbol.
    pub(super) listing: usize,
}

/// The simulated venue.
#[derive(Clone, Debug)]
pub struct Exchange {
    pub(super) rules: Vec<SymbolRules>,
    pub(super) listings: Vec<Listing>,
    pub(super) accounts: Vec<Account>,
    pub(super) orders: HashMap<u64, Kept>,
    /// Newest order of each client id.
    pub(super) by_client: HashMap<(AccountId, String), u64>,
    open: BTreeSet<u64>,
    ended: Vec<VecDeque<u64>>,
    pub(super) fills: HashMap<(AccountId, usize), VecDeque<SimFill>>,
    pub(super) events: Vec<ExchangeEvent>,
    next_order_id: u64,
    pub(super) self_trade: SelfTrade,
    pub(super) perpetuals: Perpetuals,
    amend_keeps_place: bool,
    pub(super) any_tick: bool,
    pub(super) rule_changes: u64,
    /// What nobody was told of yet, oldest first.
    pub(super) news: VecDeque<News>,
}

impl Exchange {
    /// A venue with these instruments and accounts; account ids are indices into `accounts`.
    ///
    /// # Panics
    /// If a tick or lot size is not positive.
    #[must_use]
    pub fn new(
        rules: Vec<SymbolRules>,
        accounts: Vec<(ApiKey, BTreeMap<String, Decimal>)>,
    ) -> Self {
        let positive =
            |rules: &SymbolRules| rules.tick_size > Decimal::ZERO && rules.lot_size > Decimal::ZERO;
        assert!(rules.iter().all(positive), "tick and lot sizes are positive");
        let listing = Listing {
            book: Book::default(),
            last_update_id: FIRST_UPDATE_ID - 1,
            next_trade_id: FIRST_TRADE_ID,
            last_price: None,
            past: Past::default(),
        };
        Self {
            listings: vec![listing; rules.len()],
            perpetuals: Perpetuals::new(&rules),
            rules,
            ended: vec![VecDeque::new(); accounts.len()],
            accounts: accounts.into_iter().map(|(key, funds)| Account::new(key, funds)).collect(),
            orders: HashMap::new(),
            by_client: HashMap::new(),
            open: BTreeSet::new(),
            fills: HashMap::new(),
            events: Vec::new(),
            next_order_id: FIRST_ORDER_ID,
            self_trade: SelfTrade::default(),
            amend_keeps_place: true,
            any_tick: false,
            rule_changes: 0,
            news: VecDeque::new(),
        }
    }

    /// Chooses what happens when an account meets itself.
    pub fn set_self_trade(&mut self, policy: SelfTrade) {
        self.self_trade = policy;
    }

    /// Chooses whether an amendment to a smaller quantity keeps its place in the queue.
    pub fn set_amend_keeps_place(&mut self, keeps: bool) {
        self.amend_keeps_place = keeps;
    }

    /// Takes prices that are no multiple of the tick size, which then is the step of the flow alone:
    /// for wires with a rule of their own.
    pub fn take_any_tick(&mut self) {
        self.any_tick = true;
    }

    /// Gives an account one more key.
    pub fn add_key(&mut self, account: AccountId, key: ApiKey) {
        if let Some(account) = self.accounts.get_mut(account.0) {
            account.add_key(key);
        }
    }

    /// All instruments.
    #[must_use]
    pub fn symbols(&self) -> &[SymbolRules] {
        &self.rules
    }

    /// How many accounts there are; their ids are the numbers below.
    #[must_use]
    pub fn accounts(&self) -> usize {
        self.accounts.len()
    }

    /// Rules of one instrument.
    #[must_use]
    pub fn rules(&self, symbol: &str) -> Option<&SymbolRules> {
        self.rules.iter().find(|rules| rules.symbol == symbol)
    }

    /// Changes the rules of an instrument, for orders from now on. `false` if it is not there, a step
    /// is not positive, or it would turn from spot to perpetual.
    pub fn set_rules(&mut self, rules: SymbolRules) -> bool {
        let positive = rules.tick_size > Decimal::ZERO && rules.lot_size > Decimal::ZERO;
        let Some(at) = self.listing(&rules.symbol).filter(|_| positive) else { return false };
        // A spot instrument does not become a contract: what is locked for its orders is another thing.
        if rules.perpetual.is_some() != self.rules[at].perpetual.is_some() {
            return false;
        }
        self.rule_changes += u64::from(self.rules[at] != rules);
        self.rules[at] = rules;
        true
    }

    /// The first key of an account.
    #[must_use]
    pub fn key_of(&self, account: AccountId) -> Option<&str> {
        self.accounts.get(account.0)?.first_key()
    }

    /// The account that a key belongs to.
    #[must_use]
    pub fn account_by_key(&self, key: &str) -> Option<(AccountId, &ApiKey)> {
        let owner = |(index, account): (usize, &'_ Account)| account.key(key).map(|_| index);
        let index = self.accounts.iter().enumerate().find_map(owner)?;
        Some((AccountId(index), self.accounts[index].key(key)?))
    }

    /// Places an order and matches it at once. The order returned is in its state after that; a
    /// fill-or-kill that cannot be filled whole is accepted and expires.
    pub fn place(
        &mut self,
        account: AccountId,
        request: PlaceRequest,
        now_ms: u64,
    ) -> Result<SimOrder, Refusal> {
        let listing = self.listing(&request.symbol).ok_or(Refusal::UnknownSymbol)?;
        let request = self.cut_to_position(account, listing, request)?;
        let (lock, target) = self.admit(account, listing, &request)?;
        let id = self.create(account, listing, request, SimOrderState::New, now_ms);
        self.accounts[account.0].count_order();
        self.set_target(id, target);
        self.lock(id, lock);
        self.emit_order(id, OrderChange::New, None, None);
        self.execute(id, now_ms);
        self.finish(now_ms);
        Ok(self.orders[&id].order.clone())
    }

    /// Gives a refused order an id and an event, for venues that report a post-only order that
    /// would take in this way.
    pub fn record_rejected(
        &mut self,
        account: AccountId,
        request: PlaceRequest,
        now_ms: u64,
    ) -> SimOrder {
        let listing = self.listing(&request.symbol).unwrap_or_default();
        let id = self.create(account, listing, request, SimOrderState::Rejected, now_ms);
        self.emit_order(id, OrderChange::Rejected, None, None);
        let order = self.orders[&id].order.clone();
        self.forget_later(id);
        order
    }

    /// Cancels one open order.
    pub fn cancel(
        &mut self,
        account: AccountId,
        symbol: &str,
        by: OrderRef<'_>,
        cancel_id: Option<String>,
        now_ms: u64,
    ) -> Result<SimOrder, Refusal> {
        let id = self.find_open(account, symbol, by)?;
        self.withdraw(id);
        self.end(id, SimOrderState::Canceled, OrderChange::Canceled, cancel_id, now_ms);
        self.finish(now_ms);
        Ok(self.orders[&id].order.clone())
    }

    /// Cancels all open orders of an account, or those of one symbol; oldest first.
    pub fn cancel_all(
        &mut self,
        account: AccountId,
        symbol: Option<&str>,
        now_ms: u64,
    ) -> Vec<SimOrder> {
        self.cancel_all_for(account, symbol, Cause::None, now_ms)
    }

    /// The same for another reason than that their owner asked for it.
    pub fn cancel_all_for(
        &mut self,
        account: AccountId,
        symbol: Option<&str>,
        cause: Cause,
        now_ms: u64,
    ) -> Vec<SimOrder> {
        let ids: Vec<u64> =
            self.open_orders(account, symbol).iter().map(|order| order.order_id).collect();
        for &id in &ids {
            self.set_cause(id, cause);
            self.withdraw(id);
            self.end(id, SimOrderState::Canceled, OrderChange::Canceled, None, now_ms);
        }
        self.finish(now_ms);
        ids.iter().filter_map(|id| self.orders.get(id)).map(|kept| kept.order.clone()).collect()
    }

    /// Changes price or quantity (in total, the filled part included) of an open order. A smaller
    /// quantity at the same price keeps its place in the queue, unless no amendment does; everything else goes to the back
    /// and may match at once.
    pub fn amend(
        &mut self,
        account: AccountId,
        symbol: &str,
        by: OrderRef<'_>,
        price: Option<Decimal>,
        qty: Option<Decimal>,
        now_ms: u64,
    ) -> Result<SimOrder, Refusal> {
        let id = self.find_open(account, symbol, by)?;
        let Kept { order, lock, listing, .. } = self.orders[&id].clone();
        let old = &order.request;
        let (price, qty) = (price.unwrap_or(old.price), qty.unwrap_or(old.qty));
        self.admit_amend(&order, listing, lock, price, qty)?;
        let (side, old_price, old_qty) = (old.side, old.price, old.qty);
        let keeps_place = self.amend_keeps_place && price == old_price && qty < old_qty;
        if keeps_place {
            self.listings[listing].book.take_order(side, price, id, old_qty - qty);
        } else {
            self.withdraw(id);
        }
        self.unlock(id);
        if let Some(kept) = self.orders.get_mut(&id) {
            (kept.order.request.price, kept.order.request.qty) = (price, qty);
            kept.target = qty;
            kept.order.updated_ms = now_ms;
        }
        let new = PlaceRequest { price, qty: qty - order.filled, ..order.request };
        self.lock(id, self.worth(listing, &new));
        self.emit_order(id, OrderChange::Replaced, None, None);
        if !keeps_place {
            self.execute(id, now_ms);
        }
        self.finish(now_ms);
        Ok(self.orders[&id].order.clone())
    }

    /// An order, open or ended; the newest with that client id. Ended orders are kept for a while
    /// only.
    #[must_use]
    pub fn order(&self, account: AccountId, symbol: &str, by: OrderRef<'_>) -> Option<&SimOrder> {
        let id = match by {
            OrderRef::Id(id) => id,
            OrderRef::Client(text) => *self.by_client.get(&(account, text.to_owned()))?,
        };
        let order = &self.orders.get(&id)?.order;
        (order.account == account && order.request.symbol == symbol).then_some(order)
    }

    /// Open orders, oldest first.
    #[must_use]
    pub fn open_orders(&self, account: AccountId, symbol: Option<&str>) -> Vec<&SimOrder> {
        self.orders_of(account)
            .map(|kept| &kept.order)
            .filter(|order| symbol.is_none_or(|symbol| order.request.symbol == symbol))
            .collect()
    }

    pub(super) fn orders_of(&self, account: AccountId) -> impl Iterator<Item = &Kept> {
        let open = self.open.iter().filter_map(|id| self.orders.get(id));
        open.filter(move |kept| kept.order.account == account)
    }

    /// Id of the next order.
    pub(super) fn next_order_id(&self) -> u64 {
        self.next_order_id
    }

    /// Fills of an account, oldest first. Only the newest are kept.
    #[must_use]
    pub fn fills(&self, account: AccountId, symbol: &str) -> Vec<&SimFill> {
        let listing = self.listing(symbol);
        let fills = listing.and_then(|listing| self.fills.get(&(account, listing)));
        fills.map(|fills| fills.iter().collect()).unwrap_or_default()
    }

    /// Free and locked amount of every asset.
    #[must_use]
    pub fn balances(&self, account: AccountId) -> BTreeMap<String, (Decimal, Decimal)> {
        self.accounts.get(account.0).map(Account::balances).unwrap_or_default()
    }

    /// Last update id, bids and asks, best first.
    #[must_use]
    pub fn depth(&self, symbol: &str, limit: usize) -> Option<(u64, Vec<SimLevel>, Vec<SimLevel>)> {
        let listing = &self.listings[self.listing(symbol)?];
        let side = |side| listing.book.levels(side, limit);
        Some((listing.last_update_id, side(Side::Buy), side(Side::Sell)))
    }

    /// Price of the last trade.
    #[must_use]
    pub fn last_price(&self, symbol: &str) -> Option<Decimal> {
        self.listings[self.listing(symbol)?].last_price
    }

    /// Everything that happened since the last call.
    pub fn take_events(&mut self) -> Vec<ExchangeEvent> {
        std::mem::take(&mut self.events)
    }

    /// What the venue holds for an account.
    #[must_use]
    pub fn ledger(&self, account: AccountId) -> Ledger {
        let open = self.orders_of(account).count() as u64;
        let Some(known) = self.accounts.get(account.0) else { return Ledger::default() };
        let mut ledger = known.ledger(open);
        // Also those that were never traded: a spot pair may have the same name but for its end.
        for rules in self.rules.iter().filter(|rules| rules.perpetual.is_some()) {
            ledger.positions.entry(rules.symbol.clone()).or_default();
        }
        for position in self.positions(account) {
            if let Some(shown) = ledger.positions.get_mut(&position.symbol) {
                shown.entry = position.entry;
                shown.realised = position.realised;
                shown.funding = position.funding;
            }
        }
        ledger
    }

    pub(super) fn listing(&self, symbol: &str) -> Option<usize> {
        self.rules.iter().position(|rules| rules.symbol == symbol)
    }

    pub(super) fn set_target(&mut self, id: u64, target: Decimal) {
        if let Some(kept) = self.orders.get_mut(&id) {
            kept.target = target;
        }
    }

    pub(super) fn create(
        &mut self,
        account: AccountId,
        listing: usize,
        request: PlaceRequest,
        state: SimOrderState,
        now_ms: u64,
    ) -> u64 {
        let order_id = self.next_order_id;
        self.next_order_id += 1;
        self.by_client.insert((account, request.client_id.clone()), order_id);
        let order = SimOrder {
            order_id,
            account,
            request,
            state,
            filled: Decimal::ZERO,
            filled_quote: Decimal::ZERO,
            fees: BTreeMap::new(),
            realised: Decimal::ZERO,
            cause: Cause::None,
            created_ms: now_ms,
            updated_ms: now_ms,
        };
        let kept = Kept { order, lock: Decimal::ZERO, target: Decimal::ZERO, listing };
        self.orders.insert(order_id, kept);
        self.open.insert(order_id);
        order_id
    }

    fn find_open(
        &self,
        account: AccountId,
        symbol: &str,
        by: OrderRef<'_>,
    ) -> Result<u64, Refusal> {
        self.listing(symbol).ok_or(Refusal::UnknownSymbol)?;
        let order = self.order(account, symbol, by).filter(|order| order.state.is_open());
        order.map(|order| order.order_id).ok_or(Refusal::UnknownOrder)
    }

    /// Marks an ended order; the oldest ended ones are forgotten.
    pub(super) fn forget_later(&mut self, id: u64) {
        self.note_gone(id);
        self.open.remove(&id);
        let Some(account) = self.orders.get(&id).map(|kept| kept.order.account) else { return };
        let ended = &mut self.ended[account.0];
        ended.push_back(id);
        while ended.len() > ENDED_ORDERS_MAX {
            let Some(oldest) = ended.pop_front() else { break };
            let Some(kept) = self.orders.remove(&oldest) else { continue };
            let key = (kept.order.account, kept.order.request.client_id);
            if self.by_client.get(&key) == Some(&oldest) {
                self.by_client.remove(&key);
            }
        }
    }

    pub(super) fn keep_fill(&mut self, listing: usize, fill: SimFill) {
        let fills = self.fills.entry((fill.account, listing)).or_default();
        if fills.len() == FILLS_MAX {
            fills.pop_front();
        }
        fills.push_back(fill);
    }

    /// Whether an order of this request rests with what it could not fill.
    pub(super) fn rests(request: &PlaceRequest) -> bool {
        match request.order_type {
            SimOrderType::PostOnly => true,
            SimOrderType::Limit => request.time_in_force == TimeInForce::Gtc,
            SimOrderType::Market | SimOrderType::MarketQuote => false,
        }
    }
}
