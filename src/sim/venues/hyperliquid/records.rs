//! What the venue remembers of each account: its orders with the names of their states, its fills,
//! its volume.

#![forbid(unsafe_code)]

use super::address::Address;
use crate::sim::{AccountId, Cause, SimFill, SimOrder, SimOrderState};
use crate::types::Side;
use rust_decimal::Decimal;
use std::collections::{BTreeMap, VecDeque};

/// Orders that are kept of an account.
const ORDERS_MAX: usize = 2_000;
/// Fills that are kept of an account.
const FILLS_MAX: usize = 10_000;

/// An order and what the venue calls its state.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) order: SimOrder,
    pub(super) status: &'static str,
}

/// Whose liquidation a fill was part of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Liquidated {
    pub(super) user: Address,
    pub(super) mark: Decimal,
}

/// A fill with what the venue says of it besides.
#[derive(Clone, Debug)]
pub(super) struct Filled {
    pub(super) fill: SimFill,
    /// Position, or balance of the base token, before it.
    pub(super) start: Decimal,
    pub(super) is_spot: bool,
    pub(super) liquidation: Option<Liquidated>,
}

#[derive(Debug, Default)]
struct Account {
    orders: BTreeMap<u64, Record>,
    fills: VecDeque<Filled>,
    volume: Decimal,
}

/// Records of all accounts.
#[derive(Debug, Default)]
pub(super) struct Records {
    accounts: BTreeMap<AccountId, Account>,
    /// Names of states that the exchange does not know, by order.
    named: BTreeMap<u64, &'static str>,
}

/// The client's own id of an order, if it gave one: those that the simulator makes are no such ids.
pub(super) fn cloid(client_id: &str) -> Option<&str> {
    client_id.starts_with("0x").then_some(client_id)
}

/// What the venue calls the state of an order that nobody gave another name.
fn status(order: &SimOrder) -> &'static str {
    match (order.state, order.cause) {
        (SimOrderState::New | SimOrderState::PartiallyFilled, _) => "open",
        (SimOrderState::Filled, _) => "filled",
        (SimOrderState::Rejected, _) => "rejected",
        (_, Cause::SelfTrade) => "selfTradeCanceled",
        (_, Cause::ReduceOnly) => "reduceOnlyCanceled",
        (_, Cause::Liquidation) => "liquidatedCanceled",
        (_, Cause::Unattended) => "scheduledCancel",
        (SimOrderState::Expired, Cause::None) if order.filled.is_zero() => "iocCancelRejected",
        (SimOrderState::Canceled | SimOrderState::Expired, Cause::None) => "canceled",
    }
}

impl Records {
    /// The end of an order is to be called so.
    pub(super) fn name(&mut self, id: u64, status: &'static str) {
        self.named.insert(id, status);
    }

    /// Takes the news of an order; gives what its state is called.
    pub(super) fn update(&mut self, order: &SimOrder) -> &'static str {
        let named = if order.state.is_open() { None } else { self.named.remove(&order.order_id) };
        let status = named.unwrap_or_else(|| status(order));
        let orders = &mut self.accounts.entry(order.account).or_default().orders;
        orders.insert(order.order_id, Record { order: order.clone(), status });
        if orders.len() > ORDERS_MAX {
            let ended = orders.iter().find(|(_, record)| !record.order.state.is_open());
            if let Some(oldest) = ended.map(|(id, _)| *id) {
                orders.remove(&oldest);
            }
        }
        status
    }

    pub(super) fn filled(&mut self, filled: Filled) {
        let account = self.accounts.entry(filled.fill.account).or_default();
        account.volume += filled.fill.price * filled.fill.qty;
        if account.fills.len() == FILLS_MAX {
            account.fills.pop_front();
        }
        account.fills.push_back(filled);
    }

    /// What an account has traded, USDC.
    pub(super) fn volume(&self, account: AccountId) -> Decimal {
        self.accounts.get(&account).map(|account| account.volume).unwrap_or_default()
    }

    /// An account's orders, oldest first.
    pub(super) fn orders(
        &self,
        account: AccountId,
    ) -> impl DoubleEndedIterator<Item = &Record> + '_ {
        self.accounts.get(&account).into_iter().flat_map(|account| account.orders.values())
    }

    pub(super) fn open(&self, account: AccountId) -> impl DoubleEndedIterator<Item = &Record> + '_ {
        self.orders(account).filter(|record| record.order.state.is_open())
    }

    pub(super) fn by_id(&self, account: AccountId, id: u64) -> Option<&Record> {
        self.accounts.get(&account)?.orders.get(&id)
    }

    /// The newest order with this client id.
    pub(super) fn by_cloid(&self, account: AccountId, cloid: &str) -> Option<&Record> {
        self.orders(account).rev().find(|record| record.order.request.client_id == cloid)
    }

    /// An account's fills, oldest first.
    pub(super) fn fills(
        &self,
        account: AccountId,
    ) -> impl DoubleEndedIterator<Item = &Filled> + '_ {
        self.accounts.get(&account).into_iter().flat_map(|account| account.fills.iter())
    }
}

impl Filled {
    /// What the venue shows of the direction.
    pub(super) fn direction(&self) -> &'static str {
        let buys = self.fill.side == Side::Buy;
        if self.is_spot {
            return if buys { "Buy" } else { "Sell" };
        }
        let (before, after) = (self.start, self.fill.position);
        let is_long = |position: Decimal| position > Decimal::ZERO;
        let closes = !before.is_zero() && is_long(before) != buys;
        match (closes, buys) {
            (true, true) if is_long(after) => "Short > Long",
            (true, false) if !after.is_zero() && !is_long(after) => "Long > Short",
            (true, true) => "Close Short",
            (true, false) => "Close Long",
            (false, true) => "Open Long",
            (false, false) => "Open Short",
        }
    }
}
