//! New orders, modifications and cancels of perpetuals: from parameters to the exchange and back.

use super::super::error::{Answer, ApiError};
use super::super::ids::Ids;
use super::super::json::{Obj, list};
use super::super::limits::Limits;
use super::super::params::Params;
use super::super::trading::stp_mode;
use super::{error, replies};
use crate::sim::{
    AccountId, Exchange, OrderRef, PlaceRequest, Refusal, SimOrder, SimOrderType, SymbolRules,
};
use crate::types::{Side, TimeInForce};
use rust_decimal::Decimal;
use std::collections::{BTreeMap, VecDeque};

/// Most open orders of an account in one symbol.
pub(super) const ORDERS_MAX: usize = 200;
/// A buy's price may be up to this times the mark.
pub(super) const PERCENT_UP: (i64, u32) = (11_500, 4);
/// A sell's price may be down to this times the mark.
pub(super) const PERCENT_DOWN: (i64, u32) = (8_500, 4);
/// Asset of margin of most instruments.
pub(super) const SETTLE: &str = "USDT";
/// Most orders of a batch, and most that one request cancels.
const BATCH_MAX: usize = 5;
const BATCH_CANCEL_MAX: usize = 10;
/// Modifications whose event has not been told yet.
const UNTOLD_MAX: usize = 10_000;

/// Numbers of modifications.
#[derive(Debug, Default)]
pub(super) struct Modifications {
    counts: BTreeMap<u64, u64>,
    untold: VecDeque<(u64, Option<u64>)>,
}

impl Modifications {
    /// Gives the number of a modification: the client's, else its count.
    fn note(&mut self, order_id: u64, named: Option<u64>) -> u64 {
        if self.counts.len() > UNTOLD_MAX {
            self.counts.clear();
        }
        let count = self.counts.entry(order_id).or_default();
        *count += 1;
        let count = *count;
        if self.untold.len() == UNTOLD_MAX {
            self.untold.pop_front();
        }
        self.untold.push_back((order_id, named));
        named.unwrap_or(count)
    }

    /// The client's number, if it gave one, of the oldest modification of this order that has not
    /// been told.
    pub(super) fn tell(&mut self, order_id: u64) -> Option<u64> {
        let index = self.untold.iter().position(|(order, _)| *order == order_id)?;
        self.untold.remove(index)?.1
    }
}

/// One account's access to the exchange for the length of one request.
pub(super) struct Desk<'a> {
    pub(super) exchange: &'a mut Exchange,
    pub(super) ids: &'a mut Ids,
    pub(super) limits: &'a mut Limits,
    pub(super) modifications: &'a mut Modifications,
    pub(super) account: AccountId,
    pub(super) now_ms: u64,
}

impl Desk<'_> {
    /// `order.place`.
    pub(super) fn place(&mut self, params: &Params) -> Answer {
        let request = self.ticket(params)?;
        let result = match params.get("newOrderRespType") {
            None | Some("ACK") => false,
            Some("RESULT") => true,
            Some(_) => return Err(ApiError::invalid("newOrderRespType")),
        };
        self.limits.take_order(self.account, self.now_ms)?;
        let order = self.send(request)?;
        Ok(replies::placed(&order, result, stp_mode(self.exchange)))
    }

    /// `order/test`: what is read from the parameters is checked, and no more.
    pub(super) fn test(&mut self, params: &Params) -> Answer {
        self.ticket(params).map(|_| "{}".to_owned())
    }

    /// Places an order that was read.
    pub(super) fn send(&mut self, request: PlaceRequest) -> Result<SimOrder, ApiError> {
        let rules = self.exchange.rules(&request.symbol).ok_or_else(ApiError::symbol)?;
        let limited = matches!(request.order_type, SimOrderType::Limit | SimOrderType::PostOnly);
        if limited {
            self.check_percent(&request, rules)?;
            let open = self.exchange.open_orders(self.account, Some(&request.symbol)).len();
            if open >= ORDERS_MAX {
                return Err(error::too_many_orders());
            }
            if request.time_in_force == TimeInForce::Fok && !self.fillable(&request) {
                return Err(error::not_fillable());
            }
        }
        let rules = rules.clone();
        self.exchange
            .place(self.account, request.clone(), self.now_ms)
            .map_err(|refusal| error::placement(refusal, &request, &rules))
    }

    /// Against the mark.
    fn check_percent(&self, request: &PlaceRequest, rules: &SymbolRules) -> Result<(), ApiError> {
        let mark = self.exchange.mark(&request.symbol, self.now_ms).unwrap_or_default().mark;
        if mark.is_zero() {
            return Ok(());
        }
        let bound = |(mantissa, scale)| {
            let price = mark * Decimal::new(mantissa, scale);
            (price / rules.tick_size).floor() * rules.tick_size
        };
        let (up, down) = (bound(PERCENT_UP), bound(PERCENT_DOWN));
        match request.side {
            Side::Buy if request.price > up => Err(error::price_high(up)),
            Side::Sell if request.price < down => Err(error::price_low(down)),
            _ => Ok(()),
        }
    }

    /// Whether the book has all of it within its limit.
    fn fillable(&self, request: &PlaceRequest) -> bool {
        let Some((_, bids, asks)) = self.exchange.depth(&request.symbol, usize::MAX) else {
            return true;
        };
        let reached = |price: Decimal| match request.side {
            Side::Buy => price <= request.price,
            Side::Sell => price >= request.price,
        };
        let side = if request.side == Side::Buy { asks } else { bids };
        let within: Decimal =
            side.iter().filter(|(price, _)| reached(*price)).map(|(_, qty)| *qty).sum();
        within >= request.qty
    }

    /// `order.modify`: price and quantity in total. Loses its place in the queue.
    pub(super) fn modify(&mut self, params: &Params) -> Answer {
        let order = self.find(params, ApiError::unknown_order)?;
        if !order.state.is_open() {
            return Err(ApiError::unknown_order());
        }
        let (id, old, filled) = (order.order_id, order.request.clone(), order.filled);
        if params.required("side")? != super::super::replies::side(old.side) {
            return Err(ApiError::invalid("side"));
        }
        let number = |name: &str| {
            params.decimal(name).and_then(|value| value.ok_or_else(|| ApiError::missing(name)))
        };
        let (price, qty) = (number("price")?, number("quantity")?);
        self.limits.take_order(self.account, self.now_ms)?;
        let named = params.integer("modifyId")?;
        let new = PlaceRequest { price, qty, ..old };
        let rules = self.exchange.rules(&new.symbol).ok_or_else(ApiError::symbol)?.clone();
        self.check_percent(&new, &rules)?;
        let by = OrderRef::Id(id);
        let stp = stp_mode(self.exchange);
        let ends = qty <= filled;
        let changed = if ends {
            Err(Refusal::WouldTake)
        } else {
            let (price, qty) = (Some(price), Some(qty));
            self.exchange.amend(self.account, &new.symbol, by, price, qty, self.now_ms)
        };
        match changed {
            Ok(order) => {
                let modify_id = self.modifications.note(id, named);
                Ok(replies::modified(&order, modify_id, stp))
            }
            // Less than is filled already, or a post-only order that would take: it is cancelled.
            Err(Refusal::WouldTake) => {
                let symbol = &new.symbol;
                let order = self
                    .exchange
                    .cancel(self.account, symbol, by, None, self.now_ms)
                    .map_err(|_| ApiError::unknown_order())?;
                Ok(replies::modified(&order, named.unwrap_or_default(), stp))
            }
            Err(refusal) => Err(error::placement(refusal, &new, &rules)),
        }
    }

    /// `order.cancel`.
    pub(super) fn cancel(&mut self, params: &Params) -> Answer {
        let order = self.find(params, ApiError::unknown_order)?;
        let (id, symbol) = (order.order_id, order.request.symbol.clone());
        let by = OrderRef::Id(id);
        let order = self
            .exchange
            .cancel(self.account, &symbol, by, None, self.now_ms)
            .map_err(|_| ApiError::unknown_order())?;
        Ok(replies::cancelled(&order, stp_mode(self.exchange)))
    }

    /// `batchOrders`: a list of answers in the order sent, HTTP 200 whatever they are.
    pub(super) fn batch(
        &mut self,
        params: &Params,
        one: fn(&mut Self, &Params) -> Answer,
    ) -> Answer {
        let sent = params.required("batchOrders")?;
        let malformed = || ApiError::missing("batchOrders");
        let items: Vec<serde_json::Value> = serde_json::from_str(sent).map_err(|_| malformed())?;
        if items.is_empty() || items.len() > BATCH_MAX {
            return Err(malformed());
        }
        let before = self.limits.long_count(self.account, self.now_ms);
        let answers = items.iter().map(|item| {
            let answer = Params::from_ws(&item.to_string()).and_then(|params| one(self, &params));
            answer.unwrap_or_else(|error| error.json())
        });
        let answers: Vec<String> = answers.collect();
        self.limits.join_batch(self.account, before, self.now_ms);
        Ok(list(answers))
    }

    /// `batchOrders` with `DELETE`: by venue ids or by client ids.
    pub(super) fn batch_cancel(&mut self, params: &Params) -> Answer {
        let symbol = params.required("symbol")?;
        let queries: Vec<String> =
            match (params.get("orderIdList"), params.get("origClientOrderIdList")) {
                (Some(ids), None) => {
                    let ids: Vec<u64> =
                        serde_json::from_str(ids).map_err(|_| ApiError::missing("orderIdList"))?;
                    ids.iter().map(|id| format!("symbol={symbol}&orderId={id}")).collect()
                }
                (None, Some(names)) => {
                    let names: Vec<String> = serde_json::from_str(names)
                        .map_err(|_| ApiError::missing("origClientOrderIdList"))?;
                    names
                        .iter()
                        .map(|id| format!("symbol={symbol}&origClientOrderId={id}"))
                        .collect()
                }
                _ => return Err(ApiError::missing_both("orderIdList", "origClientOrderIdList")),
            };
        if queries.is_empty() || queries.len() > BATCH_CANCEL_MAX {
            return Err(ApiError::missing("orderIdList"));
        }
        let answers = queries.iter().map(|query| {
            let answer = Params::from_rest(query, "").and_then(|params| self.cancel(&params));
            answer.unwrap_or_else(|error| error.json())
        });
        Ok(list(answers.collect::<Vec<_>>()))
    }

    /// `allOpenOrders` with `DELETE`.
    pub(super) fn cancel_all(&mut self, params: &Params) -> Answer {
        let symbol = params.required("symbol")?;
        self.exchange.rules(symbol).ok_or_else(ApiError::symbol)?;
        self.exchange.cancel_all(self.account, Some(symbol), self.now_ms);
        let text = "The operation of cancel all open order is done.";
        Ok(Obj::new().raw("code", 200).text("msg", text).end())
    }

    /// The order that a request names, by its id first.
    pub(super) fn find(
        &self,
        params: &Params,
        unknown: fn() -> ApiError,
    ) -> Result<&SimOrder, ApiError> {
        let symbol = params.required("symbol")?;
        self.exchange.rules(symbol).ok_or_else(ApiError::symbol)?;
        let by = match (params.integer("orderId")?, params.get("origClientOrderId")) {
            (Some(id), _) => OrderRef::Id(id),
            (None, Some(name)) => OrderRef::Client(name),
            (None, None) => return Err(ApiError::missing_both("orderId", "origClientOrderId")),
        };
        self.exchange.order(self.account, symbol, by).ok_or_else(unknown)
    }

    /// Reads a new order from the parameters.
    fn ticket(&mut self, params: &Params) -> Result<PlaceRequest, ApiError> {
        let kind = params.required("type")?;
        if kind.starts_with("STOP") || kind.starts_with("TAKE") || kind.starts_with("TRAILING") {
            return Err(error::use_algo());
        }
        let (order_type, time_in_force) = match (kind, params.get("timeInForce")) {
            ("MARKET", None) => (SimOrderType::Market, TimeInForce::Ioc),
            ("MARKET", Some(_)) => return Err(ApiError::not_required("timeInForce")),
            ("LIMIT", None) => return Err(ApiError::missing("timeInForce")),
            ("LIMIT", Some("GTC")) => (SimOrderType::Limit, TimeInForce::Gtc),
            ("LIMIT", Some("IOC")) => (SimOrderType::Limit, TimeInForce::Ioc),
            ("LIMIT", Some("FOK")) => (SimOrderType::Limit, TimeInForce::Fok),
            ("LIMIT", Some("GTX")) => (SimOrderType::PostOnly, TimeInForce::Gtc),
            ("LIMIT", Some(_)) => return Err(ApiError::time_in_force()),
            _ => return Err(ApiError::order_type()),
        };
        self.refuse_unsupported(params)?;
        read_order(params, self.exchange, self.ids, order_type, time_in_force, "newClientOrderId")
    }

    fn refuse_unsupported(&self, params: &Params) -> Result<(), ApiError> {
        for name in ["stopPrice", "activationPrice", "callbackRate", "goodTillDate"] {
            if params.has(name) {
                return Err(ApiError::not_required(name));
            }
        }
        if params.boolean("closePosition")? == Some(true) {
            return Err(ApiError::not_required("closePosition"));
        }
        if params.get("priceMatch").is_some_and(|mode| mode != "NONE") {
            return Err(ApiError::invalid("priceMatch"));
        }
        match params.get("selfTradePreventionMode") {
            Some(mode) if mode != "NONE" && mode != stp_mode(self.exchange) => {
                Err(ApiError::invalid("selfTradePreventionMode"))
            }
            _ => Ok(()),
        }
    }
}

/// What orders and conditional orders have in common.
pub(super) fn read_order(
    params: &Params,
    exchange: &Exchange,
    ids: &mut Ids,
    order_type: SimOrderType,
    time_in_force: TimeInForce,
    client_id: &str,
) -> Result<PlaceRequest, ApiError> {
    let symbol = params.required("symbol")?;
    exchange.rules(symbol).ok_or_else(ApiError::symbol)?;
    let side = match params.required("side")? {
        "BUY" => Side::Buy,
        "SELL" => Side::Sell,
        _ => return Err(ApiError::side()),
    };
    // Positions are net here: there is no other side than both.
    if params.get("positionSide").is_some_and(|side| side != "BOTH") {
        return Err(error::position_side());
    }
    let number = |name: &str| {
        params.decimal(name).and_then(|value| value.ok_or_else(|| ApiError::missing(name)))
    };
    let closes = params.boolean("closePosition")? == Some(true);
    let price = match order_type {
        SimOrderType::Limit | SimOrderType::PostOnly => number("price")?,
        _ if params.has("price") => return Err(ApiError::not_required("price")),
        _ => Decimal::ZERO,
    };
    let client_id = match params.get(client_id) {
        Some(text) => legal_id(client_id, text)?.to_owned(),
        None => ids.generate(),
    };
    Ok(PlaceRequest {
        symbol: symbol.to_owned(),
        client_id,
        side,
        order_type,
        time_in_force,
        price,
        qty: if closes { Decimal::ZERO } else { number("quantity")? },
        reduce_only: closes || params.boolean("reduceOnly")? == Some(true),
    })
}

/// `^[\.A-Z\:/a-z0-9_-]{1,36}$`
fn legal_id<'a>(name: &str, text: &'a str) -> Result<&'a str, ApiError> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b".:/_-".contains(&byte);
    if text.len() > 36 || !text.bytes().all(legal) {
        return Err(ApiError::illegal(name, "^[\\.A-Z\\:/a-z0-9_-]{1,36}$"));
    }
    Ok(text)
}
