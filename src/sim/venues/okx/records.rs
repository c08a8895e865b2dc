//! Orders and fills as the venue remembers them for queries: what was asked, which the exchange
//! does not keep, and ended orders for longer than it does. All of it is bounded.

#![forbid(unsafe_code)]

use crate::sim::{AccountId, Cause, SimFill, SimOrder, SimOrderType};
use crate::types::TimeInForce;
use rust_decimal::Decimal;
use std::collections::{BTreeSet, HashMap, VecDeque};

const ENDED_MAX: usize = 4_000;
const FILLS_MAX: usize = 2_000;
/// Amendments whose event has not been told yet.
const AMENDMENTS_MAX: usize = 1_000;
/// Cancelled orders without a fill are forgotten after this, ms.
const CANCELED_KEPT_MS: u64 = 2 * 3_600_000;

/// Added to the exchange's numbers, so that ids look as the venue's do: 19 digits.
const ORDER_ID_BASE: u64 = 2_500_000_000_000_000_000;
const BILL_ID_BASE: u64 = 2_600_000_000_000_000_000;
/// First letter of the names that orders without a client id have on the exchange; no client can
/// choose it.
const UNNAMED: char = '~';

/// The venue's id of an order.
pub(super) fn order_id(id: u64) -> u64 {
    ORDER_ID_BASE + id
}

/// The exchange's number of a venue id.
pub(super) fn exchange_id(text: &str) -> Option<u64> {
    text.parse::<u64>().ok()?.checked_sub(ORDER_ID_BASE)
}

/// A client id as the wire shows it: empty if it is none that a client could have chosen.
pub(super) fn client_id(name: &str) -> &str {
    if name.bytes().all(|byte| byte.is_ascii_alphanumeric()) { name } else { "" }
}

/// What was asked for and is not in the exchange's request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) order_type: &'static str,
    pub(super) trade_mode: &'static str,
    /// `quote_ccy` or `base_ccy` of spot market orders, or nothing.
    pub(super) target: &'static str,
    pub(super) tag: String,
    pub(super) reduce_only: bool,
    /// Leverage of a swap when it was placed.
    pub(super) lever: String,
    /// `normal`, or the venue's reason for an order of its own.
    pub(super) category: &'static str,
}

impl Asked {
    /// Of an order that did not come over this wire.
    pub(super) fn unsaid(order: &SimOrder, trade_mode: &'static str) -> Self {
        let request = &order.request;
        let order_type = match (request.order_type, request.time_in_force) {
            (SimOrderType::PostOnly, _) => "post_only",
            (SimOrderType::Market | SimOrderType::MarketQuote, _) => "market",
            (_, TimeInForce::Ioc) => "ioc",
            (_, TimeInForce::Fok) => "fok",
            (_, TimeInForce::Gtc) => "limit",
        };
        let target = match request.order_type {
            SimOrderType::MarketQuote => "quote_ccy",
            _ => "",
        };
        Self {
            order_type,
            trade_mode,
            target,
            tag: String::new(),
            reduce_only: request.reduce_only,
            lever: String::new(),
            category: if order.cause == Cause::Liquidation { "full_liquidation" } else { "normal" },
        }
    }
}

/// How an amendment came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AmendResult {
    Done,
    /// It failed and took the order with it.
    Canceled,
}

/// One fill with its place in the account's bills.
#[derive(Clone, Debug)]
pub(super) struct Bill {
    pub(super) id: u64,
    pub(super) fill: SimFill,
    /// Rate of its fee, negative when charged.
    pub(super) rate: Decimal,
}

/// An order and what the exchange does not keep of it.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) order: SimOrder,
    pub(super) asked: Asked,
    /// The last fill.
    pub(super) last: Option<SimFill>,
    /// Why it was cancelled, in the venue's numbers.
    pub(super) cancel_source: &'static str,
}

impl Record {
    /// Whether queries no longer find it.
    fn is_purged(&self, now_ms: u64) -> bool {
        let order = &self.order;
        !order.state.is_open()
            && order.filled.is_zero()
            && order.updated_ms + CANCELED_KEPT_MS <= now_ms
    }
}

/// The memory.
#[derive(Debug, Default)]
pub(super) struct Records {
    orders: HashMap<u64, Record>,
    by_client: HashMap<(AccountId, String), u64>,
    open: BTreeSet<(AccountId, u64)>,
    /// Oldest first, all accounts.
    ended: VecDeque<u64>,
    bills: HashMap<AccountId, VecDeque<Bill>>,
    bills_made: u64,
    unnamed: u64,
    /// Order, request id and result of amendments that were not told.
    amendments: VecDeque<(u64, String, AmendResult)>,
    /// Order and why the venue or its owner cancels it, until the event comes.
    causes: HashMap<u64, &'static str>,
}

impl Records {
    /// A name for an order that came without a client id.
    pub(super) fn make_name(&mut self) -> String {
        self.unnamed += 1;
        format!("{UNNAMED}{}", self.unnamed)
    }

    /// A new order.
    pub(super) fn created(&mut self, order: &SimOrder, asked: Asked) {
        let id = order.order_id;
        let record = Record { order: order.clone(), asked, last: None, cancel_source: "" };
        self.orders.insert(id, record);
        let name = order.request.client_id.clone();
        self.by_client.insert((order.account, name), id);
        self.open.insert((order.account, id));
        if !order.state.is_open() {
            self.end(order.account, id);
        }
    }

    /// Makes an order known that did not come over this wire.
    pub(super) fn learn(&mut self, order: &SimOrder, asked: impl FnOnce() -> Asked) {
        if !self.orders.contains_key(&order.order_id) {
            self.created(order, asked());
        }
    }

    /// The newest state of an order that is known.
    pub(super) fn refresh(&mut self, order: &SimOrder) {
        let (account, id) = (order.account, order.order_id);
        let Some(record) = self.orders.get_mut(&id) else { return };
        record.order = order.clone();
        if !order.state.is_open() && self.open.contains(&(account, id)) {
            self.end(account, id);
        }
    }

    fn end(&mut self, account: AccountId, id: u64) {
        self.open.remove(&(account, id));
        self.ended.push_back(id);
        if self.ended.len() > ENDED_MAX
            && let Some(oldest) = self.ended.pop_front()
            && let Some(gone) = self.orders.remove(&oldest)
        {
            let key = (gone.order.account, gone.order.request.client_id);
            if self.by_client.get(&key) == Some(&oldest) {
                self.by_client.remove(&key);
            }
        }
    }

    /// Why an order is about to be cancelled.
    pub(super) fn will_cancel(&mut self, id: u64, source: &'static str) {
        self.causes.insert(id, source);
    }

    /// An order was cancelled: why, if nobody said so.
    pub(super) fn canceled(&mut self, id: u64, unsaid: &'static str) -> &'static str {
        let source = self.causes.remove(&id).unwrap_or(unsaid);
        if let Some(record) = self.orders.get_mut(&id) {
            record.cancel_source = source;
        }
        source
    }

    /// An amendment with this request id came to its end.
    pub(super) fn amended(&mut self, id: u64, request_id: &str, result: AmendResult) {
        if self.amendments.len() == AMENDMENTS_MAX {
            self.amendments.pop_front();
        }
        self.amendments.push_back((id, request_id.to_owned(), result));
    }

    /// The request id of an order's oldest amendment with this result that was not told.
    pub(super) fn tell_amendment(&mut self, id: u64, result: AmendResult) -> Option<String> {
        let wanted = |(order, _, end): &(u64, String, AmendResult)| (*order, *end) == (id, result);
        let place = self.amendments.iter().position(wanted)?;
        self.amendments.remove(place).map(|(_, request_id, _)| request_id)
    }

    /// Keeps a fill and numbers it.
    pub(super) fn executed(&mut self, fill: &SimFill, rate: Decimal) {
        self.bills_made += 1;
        let id = BILL_ID_BASE + self.bills_made;
        let bills = self.bills.entry(fill.account).or_default();
        if bills.len() == FILLS_MAX {
            bills.pop_front();
        }
        bills.push_back(Bill { id, fill: fill.clone(), rate });
        if let Some(record) = self.orders.get_mut(&fill.order_id) {
            record.last = Some(fill.clone());
        }
    }

    /// The next number of a bill, for those that are no fills.
    pub(super) fn bill_id(&mut self) -> u64 {
        self.bills_made += 1;
        BILL_ID_BASE + self.bills_made
    }

    /// An order of an account.
    pub(super) fn get(&self, account: AccountId, id: u64) -> Option<&Record> {
        self.orders.get(&id).filter(|record| record.order.account == account)
    }

    /// The order that an id, or else a client id, names: the newest of that name.
    pub(super) fn find(
        &self,
        account: AccountId,
        id: Option<&str>,
        client: Option<&str>,
    ) -> Option<&Record> {
        let id = match (id, client) {
            (Some(id), _) => exchange_id(id)?,
            (None, Some(name)) => *self.by_client.get(&(account, name.to_owned()))?,
            (None, None) => return None,
        };
        self.get(account, id)
    }

    /// The same for queries, which forget.
    pub(super) fn query(
        &self,
        account: AccountId,
        id: Option<&str>,
        client: Option<&str>,
        now_ms: u64,
    ) -> Option<&Record> {
        self.find(account, id, client).filter(|record| !record.is_purged(now_ms))
    }

    /// Open orders of an account, newest first.
    pub(super) fn open(&self, account: AccountId) -> impl Iterator<Item = &Record> {
        let range = self.open.range((account, 0)..=(account, u64::MAX)).rev();
        range.filter_map(|(_, id)| self.orders.get(id))
    }

    /// Ended orders of an account, newest first.
    pub(super) fn ended(&self, account: AccountId, now_ms: u64) -> impl Iterator<Item = &Record> {
        let all = self.ended.iter().rev().filter_map(move |&id| self.get(account, id));
        all.filter(move |record| !record.is_purged(now_ms))
    }

    /// Fills of an account, newest first.
    pub(super) fn bills(&self, account: AccountId) -> impl Iterator<Item = &Bill> {
        self.bills.get(&account).into_iter().flat_map(|bills| bills.iter().rev())
    }
}
