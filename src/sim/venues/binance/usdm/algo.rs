//! Conditional orders of perpetuals: they wait beside the book until mark or last price reaches their
//! trigger, and become an order then. Trailing stops are not modelled.

use super::super::error::{Answer, ApiError};
use super::super::ids::Ids;
use super::super::json::{Obj, list};
use super::super::params::Params;
use super::super::replies::side;
use super::error;
use super::trading::read_order;
use crate::sim::{AccountId, Exchange, PlaceRequest, SimOrder, SimOrderType};
use crate::types::{Side, TimeInForce};
use rust_decimal::Decimal;
use std::collections::BTreeMap;

/// Ids start well above those of orders.
const FIRST_ID: u64 = 3_000_000_000_000_001;
/// Ended ones that are kept for queries.
const KEPT_MAX: usize = 2_000;
/// Most that wait, per account.
const WAITING_MAX: usize = 200;

/// One conditional order.
#[derive(Clone, Debug)]
pub(super) struct Algo {
    pub(super) id: u64,
    pub(super) account: AccountId,
    kind: &'static str,
    pub(super) request: PlaceRequest,
    trigger: Decimal,
    by_mark: bool,
    closes: bool,
    status: &'static str,
    /// The order it has become.
    order_id: Option<u64>,
    /// Why it was refused then.
    reason: String,
    created_ms: u64,
    updated_ms: u64,
    triggered_ms: u64,
}

/// All conditional orders.
#[derive(Debug, Default)]
pub(super) struct Algos {
    all: BTreeMap<u64, Algo>,
    made: u64,
    /// Events that have not been told yet.
    events: Vec<(AccountId, String)>,
}

impl Algo {
    fn waits(&self) -> bool {
        self.status == "NEW"
    }

    /// Whether the price has reached the trigger.
    fn is_reached(&self, exchange: &Exchange, now_ms: u64) -> bool {
        let mark = exchange.mark(&self.request.symbol, now_ms).map(|mark| mark.mark);
        let last = exchange.last_price(&self.request.symbol);
        let price = if self.by_mark { mark } else { last.or(mark) };
        let Some(price) = price.filter(|price| !price.is_zero()) else { return false };
        let stops = self.kind.starts_with("STOP");
        match (self.request.side, stops) {
            (Side::Buy, true) | (Side::Sell, false) => price >= self.trigger,
            (Side::Sell, true) | (Side::Buy, false) => price <= self.trigger,
        }
    }

    fn time_in_force(&self) -> &'static str {
        match self.request.time_in_force {
            TimeInForce::Gtc => "GTC",
            TimeInForce::Ioc => "IOC",
            TimeInForce::Fok => "FOK",
        }
    }

    fn json(&self) -> String {
        let request = &self.request;
        Obj::new()
            .raw("algoId", self.id)
            .text("clientAlgoId", &request.client_id)
            .text("algoType", "CONDITIONAL")
            .text("orderType", self.kind)
            .text("symbol", &request.symbol)
            .text("side", side(request.side))
            .text("positionSide", "BOTH")
            .text("timeInForce", self.time_in_force())
            .num("quantity", request.qty)
            .text("algoStatus", self.status)
            .num("triggerPrice", self.trigger)
            .num("price", request.price)
            .raw("icebergQuantity", "null")
            .text("selfTradePreventionMode", "EXPIRE_MAKER")
            .text("workingType", if self.by_mark { "MARK_PRICE" } else { "CONTRACT_PRICE" })
            .text("priceMatch", "NONE")
            .raw("closePosition", self.closes)
            .raw("priceProtect", false)
            .raw("reduceOnly", request.reduce_only)
            .raw("createTime", self.created_ms)
            .raw("updateTime", self.updated_ms)
            .raw("triggerTime", self.triggered_ms)
            .raw("goodTillDate", 0)
            .end()
    }

    fn event(&self, filled: (Decimal, Decimal), now_ms: u64) -> String {
        let request = &self.request;
        let order = self.order_id.map(|id| id.to_string()).unwrap_or_default();
        let body = Obj::new()
            .text("caid", &request.client_id)
            .raw("aid", self.id)
            .text("at", "CONDITIONAL")
            .text("o", self.kind)
            .text("s", &request.symbol)
            .text("S", side(request.side))
            .text("ps", "BOTH")
            .text("f", self.time_in_force())
            .num("q", request.qty)
            .text("X", self.status)
            .text("ai", &order)
            .num("ap", filled.0)
            .num("aq", filled.1)
            .text("act", "0")
            .num("tp", self.trigger)
            .num("p", request.price)
            .text("V", "EXPIRE_MAKER")
            .text("wt", if self.by_mark { "MARK_PRICE" } else { "CONTRACT_PRICE" })
            .text("pm", "NONE")
            .raw("cp", self.closes)
            .raw("pP", false)
            .raw("R", request.reduce_only)
            .raw("tt", self.triggered_ms)
            .raw("gtd", 0)
            .text("rm", &self.reason);
        Obj::new()
            .text("e", "ALGO_UPDATE")
            .raw("T", self.updated_ms)
            .raw("E", now_ms)
            .raw("o", body.end())
            .end()
    }
}

impl Algos {
    /// `algoOrder.place`.
    pub(super) fn place(
        &mut self,
        params: &Params,
        account: AccountId,
        (exchange, ids): (&Exchange, &mut Ids),
        now_ms: u64,
    ) -> Answer {
        if params.required("algoType")? != "CONDITIONAL" {
            return Err(ApiError::invalid("algoType"));
        }
        let (kind, order_type) = match params.required("type")? {
            "STOP" => ("STOP", SimOrderType::Limit),
            "STOP_MARKET" => ("STOP_MARKET", SimOrderType::Market),
            "TAKE_PROFIT" => ("TAKE_PROFIT", SimOrderType::Limit),
            "TAKE_PROFIT_MARKET" => ("TAKE_PROFIT_MARKET", SimOrderType::Market),
            _ => return Err(ApiError::order_type()),
        };
        let time_in_force = match params.get("timeInForce") {
            None | Some("GTC") => TimeInForce::Gtc,
            Some("IOC") => TimeInForce::Ioc,
            Some("FOK") => TimeInForce::Fok,
            Some(_) => return Err(ApiError::time_in_force()),
        };
        let by_mark = match params.get("workingType") {
            None | Some("CONTRACT_PRICE") => false,
            Some("MARK_PRICE") => true,
            Some(_) => return Err(ApiError::invalid("workingType")),
        };
        let request = read_order(params, exchange, ids, order_type, time_in_force, "clientAlgoId")?;
        let missing = || ApiError::missing("triggerPrice");
        let trigger = params.decimal("triggerPrice")?.ok_or_else(missing)?;
        let mine = self.all.values().filter(|algo| algo.account == account && algo.waits());
        let (mut waiting, mut same) = (0, false);
        for algo in mine {
            waiting += 1;
            same |= algo.request.client_id == request.client_id;
        }
        if same {
            return Err(ApiError::new(400, -4116, "ClientOrderId is duplicated."));
        }
        if waiting >= WAITING_MAX {
            return Err(ApiError::new(400, -4045, "Reach max stop order limit."));
        }
        let algo = Algo {
            id: FIRST_ID + self.made,
            account,
            kind,
            request,
            trigger,
            by_mark,
            closes: params.boolean("closePosition")? == Some(true),
            status: "NEW",
            order_id: None,
            reason: String::new(),
            created_ms: now_ms,
            updated_ms: now_ms,
            triggered_ms: 0,
        };
        if algo.is_reached(exchange, now_ms) {
            return Err(error::would_trigger());
        }
        self.made += 1;
        let json = algo.json();
        self.tell(&algo, (Decimal::ZERO, Decimal::ZERO), now_ms);
        self.all.insert(algo.id, algo);
        self.forget();
        Ok(json)
    }

    fn forget(&mut self) {
        while self.all.len() > KEPT_MAX {
            let ended = self.all.values().find(|algo| !algo.waits()).map(|algo| algo.id);
            let Some(id) = ended else { return };
            self.all.remove(&id);
        }
    }

    fn tell(&mut self, algo: &Algo, filled: (Decimal, Decimal), now_ms: u64) {
        self.events.push((algo.account, algo.event(filled, now_ms)));
    }

    fn find(&self, params: &Params, account: AccountId) -> Result<&Algo, ApiError> {
        let (id, name) = (params.integer("algoId")?, params.get("clientAlgoId"));
        if id.is_none() && name.is_none() {
            return Err(ApiError::missing_both("algoId", "clientAlgoId"));
        }
        let named = |algo: &&Algo| {
            algo.account == account
                && match id {
                    Some(id) => algo.id == id,
                    None => name == Some(&*algo.request.client_id),
                }
        };
        self.all.values().rev().find(named).ok_or_else(ApiError::no_such_order)
    }

    /// `algoOrder` with `GET`.
    pub(super) fn query(&self, params: &Params, account: AccountId) -> Answer {
        self.find(params, account).map(Algo::json)
    }

    /// `openAlgoOrders`, `allAlgoOrders`.
    pub(super) fn list(&self, params: &Params, account: AccountId, waiting: bool) -> Answer {
        let symbol = params.get("symbol");
        let shown = self.all.values().filter(|algo| {
            algo.account == account
                && (algo.waits() || !waiting)
                && symbol.is_none_or(|symbol| algo.request.symbol == symbol)
        });
        Ok(list(shown.map(Algo::json)))
    }

    /// `algoOrder.cancel`.
    pub(super) fn cancel(&mut self, params: &Params, account: AccountId, now_ms: u64) -> Answer {
        let found = self.find(params, account).map_err(|error| match error.code {
            -2013 => ApiError::unknown_order(),
            _ => error,
        })?;
        if !found.waits() {
            return Err(ApiError::unknown_order());
        }
        let (id, name) = (found.id, found.request.client_id.clone());
        self.end(id, "CANCELED", now_ms);
        Ok(Obj::new()
            .raw("algoId", id)
            .text("clientAlgoId", &name)
            .text("code", "200")
            .text("msg", "success")
            .end())
    }

    /// `algoOpenOrders` with `DELETE`.
    pub(super) fn cancel_all(
        &mut self,
        params: &Params,
        account: AccountId,
        now_ms: u64,
    ) -> Answer {
        let symbol = params.required("symbol")?;
        let waiting = self.all.values().filter(|algo| {
            algo.account == account && algo.waits() && algo.request.symbol == symbol
        });
        for id in waiting.map(|algo| algo.id).collect::<Vec<_>>() {
            self.end(id, "CANCELED", now_ms);
        }
        let text = "The operation of cancel all open order is done.";
        Ok(Obj::new().raw("code", 200).text("msg", text).end())
    }

    fn end(&mut self, id: u64, status: &'static str, now_ms: u64) {
        let Some(algo) = self.all.get_mut(&id) else { return };
        (algo.status, algo.updated_ms) = (status, now_ms);
        let algo = algo.clone();
        self.tell(&algo, (Decimal::ZERO, Decimal::ZERO), now_ms);
    }

    /// Conditional orders whose trigger is reached, as orders to be placed.
    pub(super) fn reached(&mut self, exchange: &Exchange, now_ms: u64) -> Vec<Algo> {
        let due =
            self.all.values().filter(|algo| algo.waits() && algo.is_reached(exchange, now_ms));
        let ids: Vec<u64> = due.map(|algo| algo.id).collect();
        let mut reached = Vec::new();
        for id in ids {
            if let Some(algo) = self.all.get_mut(&id) {
                algo.triggered_ms = now_ms;
            }
            self.end(id, "TRIGGERING", now_ms);
            let Some(algo) = self.all.get(&id) else { continue };
            let mut algo = algo.clone();
            if algo.closes {
                let position = exchange.position(algo.account, &algo.request.symbol);
                algo.request.qty = position.map_or(Decimal::ZERO, |position| position.qty.abs());
            }
            reached.push(algo);
        }
        reached
    }

    /// What came of an order that was to be placed.
    pub(super) fn placed(&mut self, id: u64, outcome: Result<SimOrder, ApiError>, now_ms: u64) {
        match outcome {
            Ok(order) => {
                if let Some(algo) = self.all.get_mut(&id) {
                    algo.order_id = Some(order.order_id);
                }
                self.end(id, "TRIGGERED", now_ms);
                self.on_order(&order, now_ms);
            }
            Err(error) => {
                if let Some(algo) = self.all.get_mut(&id) {
                    algo.reason = error.message;
                }
                self.end(id, "REJECTED", now_ms);
            }
        }
    }

    /// An order changed: the conditional order that has become it may be finished.
    pub(super) fn on_order(&mut self, order: &SimOrder, now_ms: u64) {
        if order.state.is_open() {
            return;
        }
        let became =
            |algo: &&mut Algo| algo.order_id == Some(order.order_id) && algo.status == "TRIGGERED";
        let Some(algo) = self.all.values_mut().find(became) else { return };
        (algo.status, algo.updated_ms) = ("FINISHED", now_ms);
        let algo = algo.clone();
        self.tell(&algo, (order.average_price().round_dp(8), order.filled), now_ms);
    }

    pub(super) fn take_events(&mut self) -> Vec<(AccountId, String)> {
        std::mem::take(&mut self.events)
    }
}
