//! Orders and executions as the venue remembers them for queries, and every client id ever used.
//!
//! The exchange knows open orders and forgets ended ones early; this is the longer memory behind
//! `order/realtime`, `order/history` and `execution/list`. All of it is bounded.

use super::category::uuid_number;
use crate::sim::{AccountId, PlaceRequest, SimFill, SimOrder};
use rust_decimal::Decimal;
use std::collections::{BTreeSet, HashMap, VecDeque};

const ENDED_MAX: usize = 2_000;
const EXECUTIONS_MAX: usize = 2_000;
/// Client ids that cannot be used again; the oldest are forgotten beyond this.
const LINKS_MAX: usize = 10_000;
/// Ended orders of one account that `order/realtime` still shows.
pub(super) const REALTIME_ENDED_MAX: usize = 500;

/// Added to the exchange's numbers, so that ids look as the venue's do: 19 digits.
const ORDER_ID_BASE: u64 = 1_900_000_000_000_000_000;
const LINK_ID_BASE: u64 = 1_900_500_000_000_000_000;
const EXEC_ID_BASE: u64 = 2_100_000_000_000_000_000;
/// Trade numbers of the exchange are per symbol; execution ids are not.
const EXEC_ID_SYMBOL_STEP: u64 = 100_000_000_000_000;

/// The venue's id of an order.
pub(super) fn order_number(id: u64) -> u64 {
    ORDER_ID_BASE + id
}

/// The exchange's number of a venue id of either form.
pub(super) fn exchange_id(text: &str) -> Option<u64> {
    if text.contains('-') {
        return uuid_number(text);
    }
    text.parse::<u64>().ok()?.checked_sub(ORDER_ID_BASE)
}

/// A trade's number among all symbols, public or private.
pub(super) fn exec_id(symbol_index: usize, trade_id: u64) -> u64 {
    symbol_index as u64 * EXEC_ID_SYMBOL_STEP + trade_id
}

/// The venue's number of it.
pub(super) fn exec_number(id: u64) -> u64 {
    EXEC_ID_BASE + id
}

/// An order and what the exchange does not keep of it.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) order: SimOrder,
    /// Last trade before it was created.
    pub(super) last_price: Option<Decimal>,
}

/// One execution.
#[derive(Clone, Debug)]
pub(super) struct Execution {
    /// Position in the account's list, counted from one.
    pub(super) serial: u64,
    /// Number among all symbols.
    pub(super) exec_id: u64,
    /// `Trade`, `BustTrade` or `Funding`.
    pub(super) kind: &'static str,
    /// Mark price then; zero for spot.
    pub(super) mark: Decimal,
    /// Wallet of the fee's asset after it.
    pub(super) wallet: Decimal,
    pub(super) fill: SimFill,
    /// What was asked.
    pub(super) request: PlaceRequest,
    /// Left to fill after it.
    pub(super) leaves: Decimal,
    pub(super) fee_rate: Decimal,
    pub(super) seq: u64,
}

/// The memory.
#[derive(Debug, Default)]
pub(super) struct Records {
    orders: HashMap<u64, Record>,
    open: BTreeSet<(AccountId, u64)>,
    /// Oldest first, all accounts.
    ended: VecDeque<u64>,
    links: HashMap<(AccountId, String), u64>,
    link_order: VecDeque<(AccountId, String)>,
    executions: HashMap<AccountId, VecDeque<Execution>>,
    executions_seen: HashMap<AccountId, u64>,
    links_made: u64,
    /// Orders that ended before this many are no longer shown by `order/realtime`.
    realtime_floor: u64,
    ended_seen: u64,
}

impl Records {
    /// A client id for an order that came without one.
    pub(super) fn make_link(&mut self) -> String {
        self.links_made += 1;
        (LINK_ID_BASE + self.links_made).to_string()
    }

    /// Whether the account has used this client id before.
    pub(super) fn link_used(&self, account: AccountId, link: &str) -> bool {
        self.links.contains_key(&(account, link.to_owned()))
    }

    /// The newest state of an order. An ended order does not change any more.
    pub(super) fn update(&mut self, order: &SimOrder) {
        self.record(order, None);
    }

    /// A new order, created when the last trade was at `last_price`.
    pub(super) fn created(&mut self, order: &SimOrder, last_price: Option<Decimal>) {
        self.record(order, last_price);
    }

    fn record(&mut self, order: &SimOrder, last_price: Option<Decimal>) {
        let id = order.order_id;
        match self.orders.get_mut(&id) {
            Some(record) if !record.order.state.is_open() => return,
            Some(record) => record.order = order.clone(),
            None => {
                self.orders.insert(id, Record { order: order.clone(), last_price });
                self.remember_link((order.account, order.request.client_id.clone()), id);
            }
        }
        if order.state.is_open() {
            self.open.insert((order.account, id));
        } else {
            self.open.remove(&(order.account, id));
            self.ended_seen += 1;
            self.ended.push_back(id);
            if self.ended.len() > ENDED_MAX
                && let Some(oldest) = self.ended.pop_front()
            {
                self.orders.remove(&oldest);
            }
        }
    }

    fn remember_link(&mut self, key: (AccountId, String), id: u64) {
        self.link_order.push_back(key.clone());
        self.links.insert(key, id);
        if self.link_order.len() > LINKS_MAX
            && let Some(oldest) = self.link_order.pop_front()
        {
            self.links.remove(&oldest);
        }
    }

    pub(super) fn get(&self, account: AccountId, id: u64) -> Option<&Record> {
        self.orders.get(&id).filter(|record| record.order.account == account)
    }

    /// How many orders of an account are open.
    pub(super) fn open_count(&self, account: AccountId) -> usize {
        self.open.range((account, 0)..=(account, u64::MAX)).count()
    }

    /// Open orders of an account, newest first.
    pub(super) fn open(&self, account: AccountId) -> impl Iterator<Item = &Record> {
        self.open
            .range((account, 0)..=(account, u64::MAX))
            .rev()
            .filter_map(|(_, id)| self.orders.get(id))
    }

    /// Ended orders of an account, newest first.
    pub(super) fn ended(&self, account: AccountId) -> impl Iterator<Item = &Record> {
        self.ended.iter().rev().filter_map(move |&id| self.get(account, id))
    }

    /// Those that `order/realtime` still shows.
    pub(super) fn ended_lately(&self, account: AccountId) -> impl Iterator<Item = &Record> {
        let shown = (self.ended_seen - self.realtime_floor) as usize;
        let lately = self.ended.iter().rev().take(shown);
        lately.filter_map(move |&id| self.get(account, id)).take(REALTIME_ENDED_MAX)
    }

    /// A restart of the venue's query service: `order/realtime` loses its ended orders.
    pub(super) fn forget_lately(&mut self) {
        self.realtime_floor = self.ended_seen;
    }

    /// Keeps an execution and numbers it.
    pub(super) fn executed(&mut self, mut execution: Execution) -> Execution {
        let account = execution.fill.account;
        let serial = self.executions_seen.entry(account).or_default();
        *serial += 1;
        execution.serial = *serial;
        let list = self.executions.entry(account).or_default();
        list.push_back(execution.clone());
        if list.len() > EXECUTIONS_MAX {
            list.pop_front();
        }
        execution
    }

    /// Executions of an account, newest first.
    pub(super) fn executions(&self, account: AccountId) -> impl Iterator<Item = &Execution> {
        self.executions.get(&account).into_iter().flat_map(|list| list.iter().rev())
    }
}
