//! What becomes of the exchange's events: remembered, and told to the accounts they are of.

#![forbid(unsafe_code)]

use super::Okx;
use super::instruments::Kind;
use super::private::{self, News};
use super::records::{AmendResult, Asked};
use super::rows::{self, Push, Shown};
use super::subscriptions::Channel;
use crate::sim::{
    Cause, Exchange, ExchangeEvent, OrderChange, PositionChange, SimFill, SimOrder, SimOrderState,
    SimOrderType, WireOut,
};
use crate::types::TimeInForce;

impl Okx {
    /// An order changed: remembers it and tells its account.
    fn on_order(
        &mut self,
        order: &SimOrder,
        (change, fill): (OrderChange, Option<&SimFill>),
        exchange: &Exchange,
        out: &mut WireOut,
    ) {
        let (id, symbol) = (order.order_id, &order.request.symbol);
        let Some((_, instrument)) = self.desk.instruments.by_id(symbol) else { return };
        let Some(rules) = exchange.rules(symbol) else { return };
        let instrument = instrument.clone();
        let spot = instrument.kind == Kind::Spot;
        let mode = if spot { "cash" } else { "cross" };
        let records = &mut self.desk.records;
        records.learn(order, || Asked::unsaid(order, mode));
        records.refresh(order);
        if let Some(fill) = fill {
            let rate = if fill.maker { rules.maker_fee } else { rules.taker_fee };
            records.executed(fill, -rate);
            if !spot {
                self.lives.on_fill(fill);
            }
        }
        let cancel_source = match change {
            OrderChange::Canceled | OrderChange::Expired | OrderChange::Rejected => {
                records.canceled(id, unsaid_source(order, change))
            }
            _ => "",
        };
        let by_venue = order.cause == Cause::ReduceOnly;
        let amended = match change {
            OrderChange::Replaced if by_venue => Some((String::new(), "0", "4")),
            OrderChange::Replaced => {
                let request_id = records.tell_amendment(id, AmendResult::Done);
                Some((request_id.unwrap_or_default(), "0", "1"))
            }
            OrderChange::Canceled => {
                let request_id = records.tell_amendment(id, AmendResult::Canceled);
                request_id.map(|request_id| (request_id, "1", "1"))
            }
            _ => None,
        };
        let Some(record) = self.desk.records.get(order.account, id) else { return };
        let shown =
            Shown { instrument: &instrument, rules, order, asked: &record.asked, cancel_source };
        let last_price = exchange.last_price(symbol).unwrap_or_default();
        let amended = amended.as_ref().map(|(id, result, source)| (&**id, *result, *source));
        let push = Push { fill, amended, last_price, ..Push::default() };
        let pushes = pushes(order, spot, change, push);
        let listeners = self.listeners();
        let mut tell = |channel, row: &str| {
            private::tell(&listeners, order.account, channel, &instrument, row, out);
        };
        for push in pushes {
            // One that is seen alive first has not been cancelled yet.
            let alive = push.state == Some("live");
            let shown = if alive { Shown { cancel_source: "", ..shown } } else { shown };
            tell(Channel::Orders, &rows::on_channel(shown, push));
        }
        if let Some(fill) = fill {
            tell(Channel::Fills, &rows::fill_on_channel(&instrument, fill));
        }
    }

    /// Takes note of what happened to orders, balances and positions.
    pub(super) fn on_event(
        &mut self,
        event: &ExchangeEvent,
        exchange: &Exchange,
        now_ms: u64,
        news: &mut News,
        out: &mut WireOut,
    ) {
        match event {
            ExchangeEvent::Order { order, change, fill, .. } => {
                if let Some(fill) = fill {
                    news.because(fill.account, "filled");
                }
                self.on_order(order, (*change, fill.as_ref()), exchange, out);
            }
            ExchangeEvent::Position { position, change, .. } => {
                let account = position.account;
                match change {
                    PositionChange::Order => news.because(account, "filled"),
                    PositionChange::Liquidation => news.because(account, "liquidation"),
                    PositionChange::Funding => news.because(account, "funding_fee"),
                    // Settings without a position are none.
                    _ if position.qty.is_zero() => return,
                    PositionChange::Leverage | PositionChange::Mode | PositionChange::Margin => {}
                }
                news.position(position);
                self.pending.position(account, &position.symbol, now_ms);
            }
            ExchangeEvent::Funding(funding) => {
                let id = self.desk.records.bill_id();
                self.funding.add(id, funding, exchange);
                self.lives.on_funding(funding);
                news.because(funding.account, "funding_fee");
                self.pending.position(funding.account, &funding.symbol, now_ms);
            }
            ExchangeEvent::Balance { account, assets, .. } => {
                for (asset, ..) in assets {
                    news.balance(*account, asset);
                    self.pending.balance(*account, asset, now_ms);
                }
            }
            ExchangeEvent::Book { .. }
            | ExchangeEvent::Trade { .. }
            | ExchangeEvent::Mark(_)
            | ExchangeEvent::Liquidation(_) => {}
        }
    }
}

/// Why an order ended that nobody cancelled.
fn unsaid_source(order: &SimOrder, change: OrderChange) -> &'static str {
    let request = &order.request;
    match (change, order.cause, request.order_type, request.time_in_force) {
        (OrderChange::Rejected, ..) => "31",
        (_, Cause::SelfTrade, ..) => "32",
        (_, Cause::ReduceOnly, ..) => "23",
        (OrderChange::Canceled, Cause::Liquidation, ..) => "3",
        (OrderChange::Canceled, ..) => "0",
        (_, _, SimOrderType::Limit, TimeInForce::Fok) => "13",
        _ => "14",
    }
}

/// The pushes of one change. Two things the venue leaves open vary from order to order: whether a
/// post-only order that is refused is seen alive first, and whether a market order of spot ends
/// with its last fill or after it.
fn pushes<'a>(order: &SimOrder, spot: bool, change: OrderChange, push: Push<'a>) -> Vec<Push<'a>> {
    let varies = order.order_id.is_multiple_of(2);
    let kind = order.request.order_type;
    let sized_in_quote = kind == SimOrderType::MarketQuote;
    let spot_market = sized_in_quote || (kind == SimOrderType::Market && spot);
    match change {
        OrderChange::Rejected if varies => vec![Push { state: Some("live"), ..push }, push],
        OrderChange::Trade
            if order.state == SimOrderState::Filled
                && spot_market
                && (varies || sized_in_quote) =>
        {
            let partial = Push { state: Some("partially_filled"), ..push };
            vec![partial, Push { fill: None, ..push }]
        }
        _ => vec![push],
    }
}
