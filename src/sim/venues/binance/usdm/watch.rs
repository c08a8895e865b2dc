//! Turns what happened on the exchange into the events of the accounts.
//!
//! Of one call the exchange tells fills, then positions, then balances: an `ACCOUNT_UPDATE` joins the
//! last two. Margin calls are made once each time an account's margin ratio comes above four fifths.

use super::user_events as events;
use super::{BinanceUsdm, trading};
use crate::sim::{
    AccountId, Exchange, ExchangeEvent, OrderChange, PositionChange, SimFunding, SimMarginMode,
    SimPosition, WireOut,
};
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet};

/// What has not been told of an account yet.
#[derive(Debug, Default)]
struct Pending {
    positions: Vec<(SimPosition, PositionChange)>,
    funding: Vec<SimFunding>,
    time_ms: u64,
}

/// See the module's comment.
#[derive(Debug, Default)]
pub(super) struct Watch {
    called: BTreeSet<AccountId>,
}

impl BinanceUsdm {
    pub(super) fn tell_accounts(
        &mut self,
        events: &[ExchangeEvent],
        exchange: &Exchange,
        now_ms: u64,
        out: &mut WireOut,
    ) {
        let mut pending: BTreeMap<AccountId, Pending> = BTreeMap::new();
        let mut marked = false;
        for event in events {
            match event {
                ExchangeEvent::Order { .. } => self.tell_order(event, exchange, now_ms, out),
                ExchangeEvent::Funding(paid) => {
                    let account = pending.entry(paid.account).or_default();
                    account.funding.push(paid.clone());
                    account.time_ms = paid.time_ms;
                }
                ExchangeEvent::Position { position, change: PositionChange::Leverage, time_ms } => {
                    let event = events::leverage_update(position, *time_ms, now_ms);
                    self.keys.tell(position.account, "ACCOUNT_CONFIG_UPDATE", &event, out);
                }
                ExchangeEvent::Position { position, change, time_ms } => {
                    let account = pending.entry(position.account).or_default();
                    account.positions.push((position.clone(), *change));
                    account.time_ms = *time_ms;
                }
                ExchangeEvent::Balance { account, time_ms, .. } => {
                    let mut told = pending.remove(account).unwrap_or_default();
                    told.time_ms = *time_ms;
                    self.tell_account(*account, &told, exchange, now_ms, out);
                }
                ExchangeEvent::Mark(_) => marked = true,
                _ => {}
            }
        }
        for (account, told) in pending {
            self.tell_account(account, &told, exchange, now_ms, out);
        }
        if marked {
            self.call_margin(exchange, now_ms, out);
        }
    }

    fn tell_order(
        &mut self,
        event: &ExchangeEvent,
        exchange: &Exchange,
        now_ms: u64,
        out: &mut WireOut,
    ) {
        let ExchangeEvent::Order { order, change, fill, .. } = event else { return };
        if let Some(fill) = fill {
            let lite = events::trade_lite(order, fill, now_ms);
            self.keys.tell(order.account, "TRADE_LITE", &lite, out);
        }
        let amended = *change == OrderChange::Replaced;
        let modify_id = if amended { self.modifications.tell(order.order_id) } else { None };
        let stp = super::super::trading::stp_mode(exchange);
        let told = (order, *change);
        let update = events::order_update(told, fill.as_ref(), modify_id, (exchange, stp), now_ms);
        self.keys.tell(order.account, "ORDER_TRADE_UPDATE", &update, out);
        self.algos.on_order(order, now_ms);
    }

    fn tell_account(
        &self,
        account: AccountId,
        told: &Pending,
        exchange: &Exchange,
        now_ms: u64,
        out: &mut WireOut,
    ) {
        let reason = match told.positions.first().map(|(_, change)| *change) {
            _ if !told.funding.is_empty() => "FUNDING_FEE",
            Some(PositionChange::Mode) => "MARGIN_TYPE_CHANGE",
            Some(PositionChange::Margin) => "MARGIN_TRANSFER",
            _ => "ORDER",
        };
        let settle = settle_of(told, exchange);
        let change = told.funding.iter().map(|paid| paid.amount).sum::<Decimal>();
        let margin = exchange.margin(account, &settle);
        let positions: Vec<&SimPosition> =
            told.positions.iter().map(|(position, _)| position).collect();
        let update = events::account_update(
            reason,
            &[(settle, margin, change)],
            &positions,
            told.time_ms,
            now_ms,
        );
        self.keys.tell(account, "ACCOUNT_UPDATE", &update, out);
    }

    fn call_margin(&mut self, exchange: &Exchange, now_ms: u64, out: &mut WireOut) {
        for account in (0..exchange.accounts()).map(AccountId) {
            let positions = exchange.positions(account);
            let margin = exchange.margin(account, "USDT");
            let near = |held: Decimal, needed: Decimal| {
                !needed.is_zero() && needed * Decimal::from(5) > held * Decimal::from(4)
            };
            let cross = near(margin.cross_equity(), margin.cross_maintenance)
                && exchange.marks_known(account, "USDT");
            let endangered: Vec<&SimPosition> = positions
                .iter()
                .filter(|position| !position.qty.is_zero())
                .filter(|position| match position.mode {
                    SimMarginMode::Cross => cross,
                    SimMarginMode::Isolated => {
                        near(position.isolated + position.unrealised, position.maintenance)
                    }
                })
                .collect();
            if endangered.is_empty() {
                self.watch.called.remove(&account);
            } else if self.watch.called.insert(account) {
                let call = events::margin_call(&margin, &endangered, now_ms);
                self.keys.tell(account, "MARGIN_CALL", &call, out);
            }
        }
    }
}

/// The asset that an account's news is about.
fn settle_of(told: &Pending, exchange: &Exchange) -> String {
    let symbol = told.positions.first().map(|(position, _)| &position.symbol);
    let symbol = symbol.or_else(|| told.funding.first().map(|paid| &paid.symbol));
    let rules = symbol.and_then(|symbol| exchange.rules(symbol));
    let settle = rules.and_then(|rules| rules.perpetual.as_ref());
    settle.map_or_else(|| trading::SETTLE.to_owned(), |perpetual| perpetual.settle.clone())
}
