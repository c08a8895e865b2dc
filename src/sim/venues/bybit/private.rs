//! The private topics: what an account is told about its orders, fills, positions and balances.
//!
//! No topic begins with a snapshot, and no order between topics is promised: it varies here from
//! order to order.

use super::category::{Category, wire_symbol};
use super::json::{Object, array};
use super::records::{Execution, Record};
use super::wallet::{self, Coin, coins};
use super::{positions, rows};
use crate::sim::{AccountId, ConnId, Exchange, SimPosition, WireOut, WsOut};
use std::collections::{BTreeMap, BTreeSet};

/// Topics of all categories in one.
const TOPICS: [&str; 8] = [
    "order",
    "execution",
    "execution.fast",
    "position",
    "wallet",
    "greeks",
    "dcp.future",
    "dcp.spot",
];
/// Topics that can be had by category.
const BY_CATEGORY: [&str; 4] = ["order", "execution", "execution.fast", "position"];
const CATEGORIES: [&str; 4] = ["spot", "linear", "inverse", "option"];

/// A topic without its category, and whether it had one.
fn split(topic: &str) -> (&str, bool) {
    match topic.rsplit_once('.') {
        Some((base, category)) if CATEGORIES.contains(&category) => (base, true),
        _ => (topic, false),
    }
}

/// The text of the refusal of a subscription, if it is refused.
pub(super) fn check_topics(topics: &[&str], taken: &BTreeSet<String>) -> Option<String> {
    for topic in topics {
        let (base, categorised) = split(topic);
        let known = if categorised { BY_CATEGORY.contains(&base) } else { TOPICS.contains(&base) };
        if !known {
            return Some(format!("error:handler not found,topic:{topic}"));
        }
        if taken.contains(*topic) {
            return Some(format!("error:already subscribed,topic:{topic}"));
        }
        let mixed = |other: &&&str| split(other) == (base, !categorised);
        if topics.iter().find(mixed).is_some() {
            return Some(format!(
                "error:all-in-one and categorised topics cannot be mixed,topic:{topic}"
            ));
        }
    }
    None
}

/// A listener of one account: its connection and topics.
pub(super) struct Listener<'a> {
    pub(super) conn: ConnId,
    pub(super) account: AccountId,
    pub(super) topics: &'a BTreeSet<String>,
}

/// What happened to one order in one match.
struct OrderNews {
    account: AccountId,
    order_id: u64,
    symbol: String,
    seq: u64,
    executions: Vec<Execution>,
}

/// What accounts are still to be told.
#[derive(Default)]
pub(super) struct News {
    orders: Vec<OrderNews>,
    /// Positions with the cross sequence of their symbol, by account and symbol.
    positions: BTreeMap<(AccountId, String), (SimPosition, u64)>,
    /// Executions that belong to no order.
    funding: Vec<Execution>,
    balances: BTreeMap<AccountId, BTreeSet<String>>,
}

impl News {
    /// An order changed.
    pub(super) fn order(&mut self, account: AccountId, order_id: u64, symbol: &str, seq: u64) {
        match self.orders.iter_mut().find(|news| news.order_id == order_id) {
            Some(news) => news.seq = seq,
            None => self.orders.push(OrderNews {
                account,
                order_id,
                symbol: symbol.to_owned(),
                seq,
                executions: Vec::new(),
            }),
        }
    }

    /// An order was filled; follows [`News::order`].
    pub(super) fn execution(&mut self, execution: Execution) {
        let id = execution.fill.order_id;
        if let Some(news) = self.orders.iter_mut().find(|news| news.order_id == id) {
            news.executions.push(execution);
        }
    }

    /// A position changed, or an order on it.
    pub(super) fn position(&mut self, position: SimPosition, seq: u64) {
        let key = (position.account, position.symbol.clone());
        self.positions.insert(key, (position, seq));
    }

    /// Funding was paid.
    pub(super) fn funding(&mut self, execution: Execution) {
        self.funding.push(execution);
    }

    /// A balance changed.
    pub(super) fn balance(&mut self, account: AccountId, asset: &str) {
        self.balances.entry(account).or_default().insert(asset.to_owned());
    }

    /// Tells the listeners. `record` finds an order, `exchange` knows the balances.
    pub(super) fn send<'r>(
        self,
        listeners: &[Listener<'_>],
        record: impl Fn(AccountId, u64) -> Option<&'r Record>,
        exchange: &Exchange,
        now_ms: u64,
        out: &mut WireOut,
    ) {
        let mut wallets = self.balances.clone();
        for news in &self.orders {
            // One order in four hears of its balances first.
            if news.order_id % 4 == 3
                && let Some(assets) = wallets.remove(&news.account)
            {
                send_wallet(listeners, news.account, &assets, exchange, now_ms, out);
            }
            let Some(record) = record(news.account, news.order_id) else { continue };
            let order_row = rows::order_on_stream(record, false);
            let trades = news.executions.iter().filter(|execution| execution.kind == "Trade");
            let mut topics = [
                ("order", vec![order_row]),
                ("execution.fast", trades.map(rows::execution_fast).collect()),
                ("execution", news.executions.iter().map(rows::execution_on_stream).collect()),
            ];
            // And one in two of its fills before its state.
            if news.order_id % 2 == 1 {
                topics.rotate_left(1);
            }
            for (topic, rows) in &topics {
                if !rows.is_empty() {
                    let id = message_id(news.account, &news.symbol, news.seq);
                    let category = Category::of(&news.symbol);
                    send(listeners, news.account, (topic, category), &id, rows, now_ms, out);
                }
            }
        }
        self.send_linear(listeners, now_ms, out);
        for (account, assets) in &wallets {
            send_wallet(listeners, *account, assets, exchange, now_ms, out);
        }
    }
}

impl News {
    fn send_linear(&self, listeners: &[Listener<'_>], now_ms: u64, out: &mut WireOut) {
        let mut tell = |account: AccountId, topic: &str, id: &str, row: String| {
            let topic = (topic, Category::Linear);
            send(listeners, account, topic, id, &[row], now_ms, out);
        };
        for execution in &self.funding {
            let fill = &execution.fill;
            let id = message_id(fill.account, &fill.symbol, execution.seq);
            tell(fill.account, "execution", &id, rows::execution_on_stream(execution));
        }
        for ((account, _), (position, seq)) in &self.positions {
            let id = format!("{}_position_{now_ms}", 100_000_001 + account.0);
            tell(*account, "position", &id, positions::row(position, *seq, true));
        }
    }
}

/// The second `Filled` notice of an order whose cancel came too late.
pub(super) fn send_raced(
    listeners: &[Listener<'_>],
    record: &Record,
    seq: u64,
    now_ms: u64,
    out: &mut WireOut,
) {
    let account = record.order.account;
    let id = message_id(account, &record.order.request.symbol, seq);
    let rows = [rows::order_on_stream(record, true)];
    let topic = ("order", Category::of(&record.order.request.symbol));
    send(listeners, account, topic, &id, &rows, now_ms, out);
}

fn message_id(account: AccountId, symbol: &str, seq: u64) -> String {
    format!("{}_{}_{seq}", 100_000_001 + account.0, wire_symbol(symbol))
}

/// Sends rows of a topic to those who subscribed to it, in either form.
fn send(
    listeners: &[Listener<'_>],
    account: AccountId,
    (topic, category): (&str, Category),
    id: &str,
    rows: &[String],
    now_ms: u64,
    out: &mut WireOut,
) {
    let data = array(rows);
    for listener in listeners.iter().filter(|listener| listener.account == account) {
        for topic in [topic.to_owned(), format!("{topic}.{}", category.word())] {
            if !listener.topics.contains(&topic) {
                continue;
            }
            let message = Object::new().text("topic", &topic);
            // The fast topic has no id.
            let message = if topic.contains("fast") { message } else { message.text("id", id) };
            let message = message.number("creationTime", now_ms).raw("data", &data).done();
            out.push((listener.conn, WsOut::Text(message)));
        }
    }
}

fn send_wallet(
    listeners: &[Listener<'_>],
    account: AccountId,
    assets: &BTreeSet<String>,
    exchange: &Exchange,
    now_ms: u64,
    out: &mut WireOut,
) {
    let all = coins(exchange, account);
    let changed: Vec<Coin> =
        all.iter().filter(|coin| assets.contains(&coin.name)).cloned().collect();
    let id = format!("{}_{now_ms}", 100_000_001 + account.0);
    let rows = [wallet::wallet(&all, &changed)];
    send(listeners, account, ("wallet", Category::Spot), &id, &rows, now_ms, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_known_single_and_not_mixed() {
        let taken = BTreeSet::from(["wallet".to_owned()]);
        let check = |topics: &[&str]| check_topics(topics, &taken);
        assert_eq!(check(&["order", "execution", "execution.fast", "position"]), None);
        assert_eq!(check(&["order.spot", "order.linear", "execution"]), None);
        for (topics, text) in [
            (&["orders"] as &[&str], "error:handler not found,topic:orders"),
            (&["wallet.spot"], "error:handler not found,topic:wallet.spot"),
            (&["order.swap"], "error:handler not found,topic:order.swap"),
            (&["order", "wallet"], "error:already subscribed,topic:wallet"),
            (
                &["order.spot", "order"],
                "error:all-in-one and categorised topics cannot be mixed,topic:order.spot",
            ),
        ] {
            assert_eq!(check(topics).as_deref(), Some(text));
        }
    }
}
