//! What the exchange does not keep: recent public trades, and which orders an account ever had.

use crate::sim::{AccountId, ExchangeEvent, OrderChange};
use crate::types::Side;
use rust_decimal::Decimal;
use std::collections::{BTreeMap, VecDeque};

/// Most trades that `trades` gives.
pub(super) const TRADES_MAX: usize = 1000;
/// Orders of an account and symbol that `allOrders` can find.
const ORDERS_MAX: usize = 2_000;

/// A public print.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Print {
    pub(super) trade_id: u64,
    pub(super) taker: Side,
    pub(super) price: Decimal,
    pub(super) qty: Decimal,
    pub(super) time_ms: u64,
}

/// See the module's comment.
#[derive(Debug, Default)]
pub(super) struct History {
    prints: BTreeMap<String, VecDeque<Print>>,
    orders: BTreeMap<(AccountId, String), VecDeque<u64>>,
}

impl History {
    pub(super) fn record(&mut self, event: &ExchangeEvent) {
        match event {
            ExchangeEvent::Trade { symbol, trade_id, taker, price, qty, time_ms } => {
                let prints = entry(&mut self.prints, symbol);
                if prints.len() == TRADES_MAX {
                    prints.pop_front();
                }
                prints.push_back(Print {
                    trade_id: *trade_id,
                    taker: *taker,
                    price: *price,
                    qty: *qty,
                    time_ms: *time_ms,
                });
            }
            ExchangeEvent::Order { order, change: OrderChange::New, .. } => {
                let key = (order.account, order.request.symbol.clone());
                let orders = self.orders.entry(key).or_default();
                if orders.len() == ORDERS_MAX {
                    orders.pop_front();
                }
                orders.push_back(order.order_id);
            }
            _ => {}
        }
    }

    /// The newest prints, oldest first.
    pub(super) fn prints(&self, symbol: &str, limit: usize) -> impl Iterator<Item = &Print> {
        let prints = self.prints.get(symbol);
        let skip = prints.map_or(0, |prints| prints.len().saturating_sub(limit));
        prints.into_iter().flatten().skip(skip)
    }

    /// Ids of all orders of an account in a symbol, oldest first.
    pub(super) fn orders(&self, account: AccountId, symbol: &str) -> impl Iterator<Item = u64> {
        self.orders.get(&(account, symbol.to_owned())).into_iter().flatten().copied()
    }
}

fn entry<'a, V: Default>(map: &'a mut BTreeMap<String, V>, key: &str) -> &'a mut V {
    if !map.contains_key(key) {
        map.insert(key.to_owned(), V::default());
    }
    map.entry(key.to_owned()).or_default()
}
