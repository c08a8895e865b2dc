//! New orders, cancels, amendments: from parameters to the exchange and back to a reply.

use super::error::{Answer, ApiError, is_filter};
use super::ids::Ids;
use super::json::{Obj, list};
use super::limits::Limits;
use super::params::Params;
use super::replies::{self, Detail};
use crate::sim::{
    AccountId, Exchange, OrderRef, PlaceRequest, Refusal, SelfTrade, SimFill, SimOrder,
    SimOrderState, SimOrderType, SymbolRules,
};
use crate::types::{Side, TimeInForce};
use rust_decimal::Decimal;

/// Most open orders of an account in one symbol.
pub(super) const ORDERS_MAX: usize = 200;
/// A limit price may be up to five times, and down to a fifth of, the last price.
pub(super) const PERCENT_UP: i64 = 5;
/// See [`PERCENT_UP`]; published as 0.2.
pub(super) const PERCENT_DOWN: (i64, u32) = (2, 1);

/// One account's access to the exchange for the length of one request.
pub(super) struct Desk<'a> {
    pub(super) exchange: &'a mut Exchange,
    pub(super) ids: &'a mut Ids,
    pub(super) limits: &'a mut Limits,
    pub(super) account: AccountId,
    pub(super) params: &'a Params,
    pub(super) now_ms: u64,
}

/// A new order as the parameters describe it.
struct Ticket {
    request: PlaceRequest,
    detail: Detail,
}

impl Desk<'_> {
    /// `order.place`.
    pub(super) fn place(&mut self) -> Answer {
        let ticket = self.ticket()?;
        self.limits.take_order(self.account, self.now_ms)?;
        self.execute(ticket)
    }

    /// `order.test`: everything that is checked before the matching engine.
    pub(super) fn test(&mut self) -> Answer {
        let ticket = self.ticket()?;
        check_rules(self.rules()?, &ticket.request)?;
        if self.params.boolean("computeCommissionRates")? != Some(true) {
            return Ok("{}".to_owned());
        }
        let rules = self.rules()?;
        let rates = |maker, taker| Obj::new().dec("maker", maker).dec("taker", taker).end();
        let zero = || rates(Decimal::ZERO, Decimal::ZERO);
        Ok(Obj::new()
            .raw("standardCommissionForOrder", rates(rules.maker_fee, rules.taker_fee))
            .raw("specialCommissionForOrder", zero())
            .raw("taxCommissionForOrder", zero())
            .raw("discount", no_discount())
            .end())
    }

    fn execute(&mut self, ticket: Ticket) -> Answer {
        let result = self.send(&ticket);
        if result.as_ref().is_err_and(is_filter) {
            self.limits.return_order(self.account, self.now_ms);
        }
        let order = result?;
        let fills = self.fills_of(&order, ticket.detail);
        Ok(replies::placed(&order, ticket.detail, &fills, stp_mode(self.exchange)))
    }

    fn send(&mut self, ticket: &Ticket) -> Result<SimOrder, ApiError> {
        let rules = self.rules()?;
        let request = &ticket.request;
        let market = !is_limit(request.order_type);
        let over_market = market && request.qty > rules.qty_market_max;
        self.check_percent_price(request)?;
        let open = self.exchange.open_orders(self.account, Some(&request.symbol)).len();
        if open >= ORDERS_MAX && !market {
            return Err(ApiError::filter("MAX_NUM_ORDERS"));
        }
        self.exchange
            .place(self.account, request.clone(), self.now_ms)
            .map_err(|refusal| ApiError::placement(refusal, over_market))
    }

    /// Against the last price; before the first trade everything passes.
    fn check_percent_price(&self, request: &PlaceRequest) -> Result<(), ApiError> {
        let Some(last) = self.exchange.last_price(&request.symbol) else { return Ok(()) };
        if !is_limit(request.order_type) {
            return Ok(());
        }
        let up = last * Decimal::from(PERCENT_UP);
        let down = last * Decimal::new(PERCENT_DOWN.0, PERCENT_DOWN.1);
        if request.price > up || request.price < down {
            return Err(ApiError::filter("PERCENT_PRICE_BY_SIDE"));
        }
        Ok(())
    }

    /// Fills of an order that was just placed; the newest fills of the account are its own.
    fn fills_of(&self, order: &SimOrder, detail: Detail) -> Vec<&SimFill> {
        if detail != Detail::Full || order.filled.is_zero() {
            return Vec::new();
        }
        let mut fills = self.exchange.fills(self.account, &order.request.symbol);
        fills.retain(|fill| fill.order_id == order.order_id);
        fills
    }

    /// `order.status`.
    pub(super) fn status(&self) -> Answer {
        let order = self.find("orderId", "origClientOrderId", ApiError::no_such_order)?;
        Ok(replies::queried(order, self.ids.client_id(order), stp_mode(self.exchange)))
    }

    /// `order.cancel`.
    pub(super) fn cancel(&mut self) -> Answer {
        self.cancel_as("orderId", "origClientOrderId", "newClientOrderId")
    }

    fn cancel_as(&mut self, id: &str, client_id: &str, cancel_id: &str) -> Answer {
        let (order_id, state, name) = {
            let unknown = ApiError::unknown_order;
            let order = self.find(id, client_id, unknown)?;
            (order.order_id, order.state, self.ids.client_id(order).to_owned())
        };
        self.check_restrictions(state)?;
        let cancel_id = match self.params.client_id(cancel_id)? {
            Some(text) => text.to_owned(),
            None => self.ids.generate(),
        };
        self.cancel_known(order_id, &name, &cancel_id)
    }

    fn cancel_known(&mut self, order_id: u64, name: &str, cancel_id: &str) -> Answer {
        let symbol = self.symbol()?.to_owned();
        let by = OrderRef::Id(order_id);
        let order = self
            .exchange
            .cancel(self.account, &symbol, by, Some(cancel_id.to_owned()), self.now_ms)
            .map_err(|_| ApiError::unknown_order())?;
        Ok(replies::cancelled(&order, name, cancel_id, stp_mode(self.exchange)))
    }

    fn check_restrictions(&self, state: SimOrderState) -> Result<(), ApiError> {
        let allowed = match self.params.get("cancelRestrictions") {
            None => return Ok(()),
            Some("ONLY_NEW") => SimOrderState::New,
            Some("ONLY_PARTIALLY_FILLED") => SimOrderState::PartiallyFilled,
            Some(_) => return Err(ApiError::cancel_restrictions()),
        };
        if state.is_open() && state != allowed {
            return Err(ApiError::not_cancelled());
        }
        Ok(())
    }

    /// `openOrders.cancelAll`: an error if there is nothing to cancel.
    pub(super) fn cancel_all(&mut self) -> Answer {
        let symbol = self.rules()?.symbol.clone();
        let open: Vec<(u64, String)> = self
            .exchange
            .open_orders(self.account, Some(&symbol))
            .into_iter()
            .map(|order| (order.order_id, self.ids.client_id(order).to_owned()))
            .collect();
        if open.is_empty() {
            return Err(ApiError::unknown_order());
        }
        let mut cancelled = Vec::with_capacity(open.len());
        for (order_id, name) in open {
            let cancel_id = self.ids.generate();
            cancelled.push(self.cancel_known(order_id, &name, &cancel_id)?);
        }
        Ok(list(cancelled))
    }

    /// `order.amend.keepPriority`: only a smaller quantity.
    pub(super) fn amend(&mut self) -> Answer {
        let qty = self.params.decimal("newQty")?.ok_or_else(|| ApiError::missing("newQty"))?;
        let (order_id, old_qty, old_name) = {
            let unknown = ApiError::unknown_order;
            let order = self.find("orderId", "origClientOrderId", unknown)?;
            if !order.state.is_open() {
                return Err(ApiError::unknown_order());
            }
            (order.order_id, order.request.qty, self.ids.client_id(order).to_owned())
        };
        if qty == old_qty {
            return Err(ApiError::amend("The requested action would change no state; rejecting."));
        }
        if qty > old_qty {
            return Err(ApiError::amend("Order amend (quantity increase) is not supported."));
        }
        let symbol = self.symbol()?.to_owned();
        let new_name = match self.params.client_id("newClientOrderId")? {
            Some(text) => text.to_owned(),
            None => self.ids.generate(),
        };
        let by = OrderRef::Id(order_id);
        let order = self
            .exchange
            .amend(self.account, &symbol, by, None, Some(qty), self.now_ms)
            .map_err(|refusal| match refusal {
                Refusal::BadAmend => {
                    ApiError::amend("The requested action would change no state; rejecting.")
                }
                Refusal::UnknownOrder => ApiError::unknown_order(),
                other => ApiError::placement(other, false),
            })?;
        let execution = self.ids.amend(self.account, order_id, &old_name, &new_name);
        Ok(replies::amended(&order, (&old_name, &new_name), execution, stp_mode(self.exchange)))
    }

    /// `order.cancelReplace`: two steps that are not one; see the table of outcomes in the
    /// documentation.
    pub(super) fn cancel_replace(&mut self) -> Answer {
        let stop = match self.params.required("cancelReplaceMode")? {
            "STOP_ON_FAILURE" => true,
            "ALLOW_FAILURE" => false,
            _ => return Err(ApiError::invalid("cancelReplaceMode")),
        };
        let cancel_only = match self.params.get("orderRateLimitExceededMode") {
            None | Some("DO_NOTHING") => false,
            Some("CANCEL_ONLY") => true,
            Some(_) => return Err(ApiError::invalid("orderRateLimitExceededMode")),
        };
        let ticket = self.ticket()?;
        self.check_named("cancelOrderId", "cancelOrigClientOrderId")?;
        let limited = self.limits.take_order(self.account, self.now_ms).err();
        if let (Some(error), false) = (&limited, cancel_only) {
            return Err(error.clone());
        }
        let cancelled =
            self.cancel_as("cancelOrderId", "cancelOrigClientOrderId", "cancelNewClientOrderId");
        let placed = match (&cancelled, limited) {
            (Err(_), _) if stop => None,
            (_, Some(error)) => Some(Err(error)),
            _ => Some(self.execute(ticket)),
        };
        outcome(&cancelled, placed.as_ref())
    }

    /// Reads a new order from the parameters; nothing is looked up but the symbol.
    fn ticket(&mut self) -> Result<Ticket, ApiError> {
        let symbol = self.rules()?.symbol.clone();
        let side = match self.params.required("side")? {
            "BUY" => Side::Buy,
            "SELL" => Side::Sell,
            _ => return Err(ApiError::side()),
        };
        let order_type = self.order_type()?;
        self.refuse_unsupported()?;
        let (time_in_force, price, qty) = self.terms(order_type)?;
        let default = if order_type == SimOrderType::PostOnly { Detail::Ack } else { Detail::Full };
        let detail = match self.params.get("newOrderRespType") {
            None => default,
            Some("ACK") => Detail::Ack,
            Some("RESULT") => Detail::Result,
            Some("FULL") => Detail::Full,
            Some(_) => return Err(ApiError::invalid("newOrderRespType")),
        };
        let client_id = match self.params.client_id("newClientOrderId")? {
            Some(text) => text.to_owned(),
            None => self.ids.generate(),
        };
        let request = PlaceRequest {
            symbol,
            client_id,
            side,
            order_type,
            time_in_force,
            price,
            qty,
            reduce_only: false,
        };
        Ok(Ticket { request, detail })
    }

    fn order_type(&self) -> Result<SimOrderType, ApiError> {
        match self.params.required("type")? {
            "LIMIT" => Ok(SimOrderType::Limit),
            "LIMIT_MAKER" => Ok(SimOrderType::PostOnly),
            "MARKET" if self.params.has("quoteOrderQty") => Ok(SimOrderType::MarketQuote),
            "MARKET" => Ok(SimOrderType::Market),
            "STOP_LOSS" => unsupported("Stop loss orders"),
            "STOP_LOSS_LIMIT" => unsupported("Stop loss limit orders"),
            "TAKE_PROFIT" => unsupported("Take profit orders"),
            "TAKE_PROFIT_LIMIT" => unsupported("Take profit limit orders"),
            _ => Err(ApiError::order_type()),
        }
    }

    /// What the simulated venue does not list among its instruments' abilities.
    fn refuse_unsupported(&self) -> Result<(), ApiError> {
        if self.params.has("icebergQty") {
            return unsupported("Iceberg orders");
        }
        if self.params.has("trailingDelta") || self.params.has("stopPrice") {
            return unsupported("Trailing stop orders");
        }
        if self.params.has("pegPriceType") {
            return unsupported("Pegged orders");
        }
        match self.params.get("selfTradePreventionMode") {
            Some(mode) if mode != stp_mode(self.exchange) => {
                Err(ApiError::invalid("selfTradePreventionMode"))
            }
            _ => Ok(()),
        }
    }

    /// Time in force, price and quantity that an order of this type must, and must not, have.
    fn terms(&self, order_type: SimOrderType) -> Result<(TimeInForce, Decimal, Decimal), ApiError> {
        let params = self.params;
        let mandatory = |name| {
            params.decimal(name).and_then(|value| value.ok_or_else(|| ApiError::missing(name)))
        };
        let absent = |name: &str| {
            if params.has(name) { Err(ApiError::not_required(name)) } else { Ok(()) }
        };
        let time_in_force = match params.get("timeInForce") {
            None if order_type == SimOrderType::Limit => {
                return Err(ApiError::missing("timeInForce"));
            }
            Some(_) if order_type != SimOrderType::Limit => {
                return Err(ApiError::not_required("timeInForce"));
            }
            None | Some("GTC") => TimeInForce::Gtc,
            Some("IOC") => TimeInForce::Ioc,
            Some("FOK") => TimeInForce::Fok,
            Some(_) => return Err(ApiError::time_in_force()),
        };
        if is_limit(order_type) {
            absent("quoteOrderQty")?;
            return Ok((time_in_force, mandatory("price")?, mandatory("quantity")?));
        }
        absent("price")?;
        let qty = match order_type {
            SimOrderType::MarketQuote if params.has("quantity") => {
                return Err(ApiError::combination());
            }
            SimOrderType::MarketQuote => mandatory("quoteOrderQty")?,
            _ if !params.has("quantity") => {
                return Err(ApiError::missing_both("quantity", "quoteOrderQty"));
            }
            _ => mandatory("quantity")?,
        };
        Ok((TimeInForce::Ioc, Decimal::ZERO, qty))
    }

    fn symbol(&self) -> Result<&str, ApiError> {
        self.params.required("symbol")
    }

    pub(super) fn rules(&self) -> Result<&SymbolRules, ApiError> {
        self.exchange.rules(self.symbol()?).ok_or_else(ApiError::symbol)
    }

    fn check_named(&self, id: &str, client_id: &str) -> Result<(), ApiError> {
        if !self.params.has(id) && !self.params.has(client_id) {
            return Err(ApiError::missing_both(client_id, id));
        }
        Ok(())
    }

    /// The order that a request names, by its id first; both ids must agree if both are given.
    pub(super) fn find(
        &self,
        id: &str,
        client_id: &str,
        unknown: fn() -> ApiError,
    ) -> Result<&SimOrder, ApiError> {
        let symbol = self.rules()?.symbol.as_str();
        self.check_named(id, client_id)?;
        let name = self.params.get(client_id);
        let by_name = |name| {
            let renamed = self.ids.renamed_to(self.account, name).map(OrderRef::Id);
            let by = renamed.unwrap_or(OrderRef::Client(name));
            self.exchange.order(self.account, symbol, by)
        };
        let Some(order_id) = self.params.integer(id)? else {
            return name.and_then(by_name).ok_or_else(unknown);
        };
        let order = self
            .exchange
            .order(self.account, symbol, OrderRef::Id(order_id))
            .ok_or_else(unknown)?;
        if name.is_some_and(|name| name != self.ids.client_id(order)) {
            return Err(ApiError::id_mismatch());
        }
        Ok(order)
    }
}

fn is_limit(order_type: SimOrderType) -> bool {
    matches!(order_type, SimOrderType::Limit | SimOrderType::PostOnly)
}

fn unsupported<T>(what: &str) -> Result<T, ApiError> {
    Err(ApiError::rejected(&format!("{what} are not supported for this symbol.")))
}

/// The self-trade prevention mode of every symbol.
pub(super) fn stp_mode(exchange: &Exchange) -> &'static str {
    match exchange.self_trade {
        SelfTrade::Match => "NONE",
        SelfTrade::ExpireMaker => "EXPIRE_MAKER",
    }
}

/// The part of the filters that needs neither book nor balance, for test orders.
fn check_rules(rules: &SymbolRules, request: &PlaceRequest) -> Result<(), ApiError> {
    let off = |value: Decimal, min: Decimal, max: Decimal, step: Decimal| {
        value < min || (!max.is_zero() && value > max) || !(value % step).is_zero()
    };
    if is_limit(request.order_type) {
        if off(request.price, rules.price_min, rules.price_max, rules.tick_size) {
            return Err(ApiError::filter("PRICE_FILTER"));
        }
        if off(request.qty, rules.qty_min, rules.qty_max, rules.lot_size) {
            return Err(ApiError::filter("LOT_SIZE"));
        }
        let value = request.price * request.qty;
        let fits = value >= rules.notional_min && value <= rules.notional_max;
        return if fits { Ok(()) } else { Err(ApiError::filter("NOTIONAL")) };
    }
    let quote = request.order_type == SimOrderType::MarketQuote;
    if !quote && request.qty > rules.qty_market_max {
        return Err(ApiError::filter("MARKET_LOT_SIZE"));
    }
    if !quote && off(request.qty, rules.qty_min, Decimal::ZERO, rules.lot_size) {
        return Err(ApiError::filter("LOT_SIZE"));
    }
    Ok(())
}

/// The member `discount` of an account that pays no fees in BNB.
pub(super) fn no_discount() -> String {
    Obj::new()
        .raw("enabledForAccount", false)
        .raw("enabledForSymbol", false)
        .text("discountAsset", "BNB")
        .dec("discount", Decimal::ZERO)
        .end()
}

/// Reply to a cancel-replace. `placed` is `None` if the new order was not attempted.
fn outcome(cancelled: &Answer, placed: Option<&Answer>) -> Answer {
    let word = |answer: &Answer| if answer.is_ok() { "SUCCESS" } else { "FAILURE" };
    let body = |answer: &Answer| match answer {
        Ok(json) => json.clone(),
        Err(error) => error.json(),
    };
    let data = Obj::new()
        .text("cancelResult", word(cancelled))
        .text("newOrderResult", placed.map_or("NOT_ATTEMPTED", word))
        .raw("cancelResponse", body(cancelled))
        .raw("newOrderResponse", placed.map_or_else(|| "null".to_owned(), body))
        .end();
    let limited = placed.and_then(|answer| answer.as_ref().err()).filter(|e| e.code == -1015);
    let placed = placed.is_some_and(Result::is_ok);
    if cancelled.is_ok() && placed {
        return Ok(data);
    }
    let half = cancelled.is_ok() || placed;
    let (code, text) = if half {
        (-2021, "Order cancel-replace partially failed.")
    } else {
        (-2022, "Order cancel-replace failed.")
    };
    let status = match (limited, half) {
        (Some(_), _) => 429,
        (None, true) => 409,
        (None, false) => 400,
    };
    let error = ApiError::new(status, code, text).with_data(data);
    Err(match limited.and_then(|limit| limit.retry_at_ms) {
        Some(at_ms) => error.retry_at(at_ms),
        None => error,
    })
}
