//! What an account is told of itself: orders, fills, funding, liquidations.
//!
//! A partial fill sends no state of its order, only the fill. An order that may not rest is not
//! told as open; one that fills at once is told as open and filled in one message.

#![forbid(unsafe_code)]

use super::super::json::{Object, array};
use super::address::Address;
use super::assets::{Assets, amount};
use super::records::{Filled, Liquidated, Records};
use super::topics::{Subscriptions, Topic, message};
use super::{rows, state};
use crate::sim::{
    AccountId, Cause, Exchange, ExchangeEvent, OrderChange, SimFunding, SimLiquidation, SimOrder,
    WireOut,
};
use crate::types::{Side, TimeInForce};
use rust_decimal::Decimal;
use std::collections::BTreeMap;

/// Fills of a first message.
pub(super) const SNAPSHOT: usize = 2_000;

/// The address of an account.
pub(super) fn address(account: AccountId, exchange: &Exchange) -> Option<Address> {
    exchange.key_of(account).and_then(Address::parse)
}

/// What has happened to one account in one batch of events.
#[derive(Default)]
struct Told {
    orders: Vec<String>,
    fills: Vec<Filled>,
    fundings: Vec<SimFunding>,
    liquidations: Vec<String>,
    /// Orders that ended without their owner: coin and number.
    not_by_user: Vec<(String, u64)>,
}

/// News of all accounts.
#[derive(Default)]
pub(super) struct News {
    told: BTreeMap<AccountId, Told>,
    /// Whose liquidation an order is.
    liquidating: BTreeMap<u64, Liquidated>,
    /// Trades in which such an order took part.
    liquidated: BTreeMap<(String, u64), Liquidated>,
}

impl News {
    /// Reads what liquidations there are, before anything else.
    pub(super) fn scan(&mut self, events: &[ExchangeEvent], exchange: &Exchange) {
        for event in events {
            match event {
                ExchangeEvent::Liquidation(liquidation) => {
                    self.on_liquidation(liquidation, exchange);
                }
                ExchangeEvent::Order { order, fill: Some(fill), .. } => {
                    if let Some(known) = self.liquidating.get(&order.order_id) {
                        self.liquidated.insert((fill.symbol.clone(), fill.trade_id), *known);
                    }
                }
                _ => {}
            }
        }
    }

    fn on_liquidation(&mut self, liquidation: &SimLiquidation, exchange: &Exchange) {
        let Some(user) = address(liquidation.account, exchange) else { return };
        let known = Liquidated { user, mark: liquidation.mark };
        self.liquidating.insert(liquidation.order_id, known);
        let value = exchange.margin(liquidation.account, state::settle(exchange)).equity();
        let row = Object::new()
            .number("lid", liquidation.order_id)
            .text("liquidator", &Address::default().to_string())
            .text("liquidated_user", &user.to_string())
            .text("liquidated_ntl_pos", &amount(liquidation.qty * liquidation.mark))
            .text("liquidated_account_value", &amount(value));
        self.told.entry(liquidation.account).or_default().liquidations.push(row.done());
    }

    /// An account's state has changed.
    pub(super) fn touch(&mut self, account: AccountId) {
        self.told.entry(account).or_default();
    }

    pub(super) fn on_funding(&mut self, funding: &SimFunding) {
        self.told.entry(funding.account).or_default().fundings.push(funding.clone());
    }

    /// An order changed; `status` is what its state is called.
    pub(super) fn on_order(&mut self, order: &SimOrder, change: OrderChange, status: &str) {
        let told = self.told.entry(order.account).or_default();
        let may_not_rest = order.request.time_in_force != TimeInForce::Gtc;
        let silent = match change {
            OrderChange::Trade => order.state.is_open(),
            OrderChange::New => may_not_rest,
            _ => false,
        };
        if !silent {
            let row = rows::order(order);
            told.orders.push(rows::with_status(&row, status, order.updated_ms));
        }
        if order.cause != Cause::None && !order.state.is_open() && change != OrderChange::Trade {
            told.not_by_user.push((order.request.symbol.clone(), order.order_id));
        }
    }

    /// A fill; where the position was before is known of perpetuals.
    pub(super) fn on_fill(&mut self, order: &SimOrder, fill: &crate::sim::SimFill, is_spot: bool) {
        let signed = if fill.side == Side::Buy { fill.qty } else { -fill.qty };
        let key = (fill.symbol.clone(), fill.trade_id);
        self.told.entry(order.account).or_default().fills.push(Filled {
            fill: fill.clone(),
            start: if is_spot { Decimal::ZERO } else { fill.position - signed },
            is_spot,
            liquidation: self.liquidated.get(&key).copied(),
        });
    }

    /// Fills in what the balances of spot tokens were before each fill: from what they are now
    /// back through the batch.
    fn complete(&mut self, exchange: &Exchange) {
        for (account, told) in &mut self.told {
            if told.fills.iter().all(|filled| !filled.is_spot) {
                continue;
            }
            let balances = exchange.balances(*account);
            let mut totals: BTreeMap<&str, Decimal> = BTreeMap::new();
            for filled in told.fills.iter_mut().rev().filter(|filled| filled.is_spot) {
                let Some(rules) = exchange.rules(&filled.fill.symbol) else { continue };
                let now = totals.entry(&rules.base).or_insert_with(|| {
                    balances
                        .get(&rules.base)
                        .map(|(free, locked)| *free + *locked)
                        .unwrap_or_default()
                });
                let fill = &filled.fill;
                *now -= match fill.side {
                    Side::Buy => fill.qty - fill.fee,
                    Side::Sell => -fill.qty,
                };
                filled.start = *now;
            }
        }
    }

    /// Records the fills and tells everyone who listens.
    pub(super) fn send(
        mut self,
        records: &mut Records,
        wanted: &Subscriptions,
        (assets, exchange): (&Assets, &Exchange),
        now_ms: u64,
        out: &mut WireOut,
    ) {
        self.complete(exchange);
        for (account, told) in self.told {
            let fills = array(told.fills.iter().map(rows::fill));
            let has_fills = !told.fills.is_empty();
            told.fills.into_iter().for_each(|filled| records.filled(filled));
            let Some(user) = address(account, exchange) else { continue };
            if !told.orders.is_empty() {
                let text = message("orderUpdates", &array(&told.orders));
                wanted.send(&Topic::Orders(user), &text, out);
            }
            if has_fills {
                let event = Object::new().raw("fills", &fills).done();
                wanted.send(&Topic::Events(user), &message("user", &event), out);
                let data = Object::new().text("user", &user.to_string()).raw("fills", &fills);
                let text = message("userFills", &data.done());
                for aggregate in [false, true] {
                    wanted.send(&Topic::Fills { user, aggregate }, &text, out);
                }
            }
            send_rest(user, &told.fundings, &told.liquidations, &told.not_by_user, wanted, out);
            for topic in [Topic::State(user), Topic::OpenOrders(user), Topic::Tokens(user)] {
                if wanted.has(&topic)
                    && let Some(text) = greet(&topic, records, assets, exchange, now_ms)
                {
                    wanted.send(&topic, &text, out);
                }
            }
        }
    }
}

fn send_rest(
    user: Address,
    fundings: &[SimFunding],
    liquidations: &[String],
    not_by_user: &[(String, u64)],
    wanted: &Subscriptions,
    out: &mut WireOut,
) {
    let mut event = |name: &str, json: &str| {
        let text = message("user", &Object::new().raw(name, json).done());
        wanted.send(&Topic::Events(user), &text, out);
    };
    for liquidation in liquidations {
        event("liquidation", liquidation);
    }
    for funding in fundings {
        event("funding", &rows::funding(funding));
    }
    if !not_by_user.is_empty() {
        let row =
            |(coin, id): &(String, u64)| Object::new().text("coin", coin).number("oid", *id).done();
        event("nonUserCancel", &array(not_by_user.iter().map(row)));
    }
    if !fundings.is_empty() {
        let rows = array(fundings.iter().map(rows::funding));
        let data = Object::new().text("user", &user.to_string()).raw("fundings", &rows);
        wanted.send(&Topic::Fundings(user), &message("userFundings", &data.done()), out);
    }
}

/// What a new subscriber of a user's topic is told at once: whole states, and what was before.
pub(super) fn greet(
    topic: &Topic,
    records: &Records,
    assets: &Assets,
    exchange: &Exchange,
    now_ms: u64,
) -> Option<String> {
    let user = topic.user()?;
    let account = exchange.account_by_key(&user.to_string()).map(|(account, _)| account);
    let user = user.to_string();
    let snapshot = || Object::new().flag("isSnapshot", true).text("user", &user);
    match topic {
        Topic::Fills { .. } => {
            let fills = account.into_iter().flat_map(|account| records.fills(account).rev());
            let rows = array(fills.take(SNAPSHOT).map(rows::fill));
            Some(message("userFills", &snapshot().raw("fills", &rows).done()))
        }
        Topic::Fundings(_) => {
            let paid = account.into_iter().flat_map(|account| exchange.funding_payments(account));
            let rows = array(paid.map(rows::funding));
            Some(message("userFundings", &snapshot().raw("fundings", &rows).done()))
        }
        Topic::State(_) => {
            let state = state::clearinghouse(account, assets, exchange, now_ms);
            let data = Object::new().text("dex", "").text("user", &user);
            Some(message("clearinghouseState", &data.raw("clearinghouseState", &state).done()))
        }
        Topic::OpenOrders(_) => {
            let open = account.into_iter().flat_map(|account| exchange.open_orders(account, None));
            let rows = array(open.map(rows::whole_order));
            let data = Object::new().text("dex", "").text("user", &user).raw("orders", &rows);
            Some(message("openOrders", &data.done()))
        }
        Topic::Tokens(_) => {
            let state = state::tokens(account, assets, exchange);
            let data = Object::new().text("user", &user).raw("spotState", &state);
            Some(message("spotState", &data.done()))
        }
        _ => None,
    }
}
