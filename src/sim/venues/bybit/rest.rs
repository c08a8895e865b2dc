//! The REST endpoints that need a key, and the frame of all.
//!
//! HTTP status is 200 for all but unknown paths and shut-out addresses; success and failure are in
//! `retCode`.

use super::Bybit;
use super::auth::check_request;
use super::category::{Category, wire_symbol};
use super::desk::{Action, Call, Reply};
use super::errors::VenueError;
use super::json::{Object, array, escaped, query, quoted};
use super::limits::{Budget, Endpoint};
use super::records::{Execution, Record, exchange_id};
use super::sockets::trace_id;
use super::wallet::{self, coins};
use super::{positions, rows};
use crate::sim::{AccountId, Exchange, HttpReply, HttpRequest};
use serde_json::Value;

/// Query or body of a request, by name.
pub(super) struct Params(Vec<(String, String)>);

impl Params {
    pub(super) fn of(request: &HttpRequest) -> Self {
        Self(query(&request.query))
    }

    /// An empty value is as good as none.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    pub(super) fn category(&self) -> Result<Category, VenueError> {
        Category::read(self.get("category"))
    }

    /// The exchange's name of the symbol, if one was sent.
    pub(super) fn named_symbol(&self, category: Category) -> Option<String> {
        self.get("symbol").map(|symbol| category.symbol(symbol))
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, VenueError> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let invalid = || VenueError::new(10001, format!("params error: {name} invalid"));
        text.parse().map(Some).map_err(|_| invalid())
    }

    pub(super) fn limit(&self, default: u64, max: u64) -> Result<usize, VenueError> {
        match self.number("limit")?.unwrap_or(default) {
            limit if (1..=max).contains(&limit) => Ok(limit as usize),
            _ => Err(VenueError::new(10001, "params error: limit invalid")),
        }
    }

    /// The exchange's name of the symbol, which must be there.
    pub(super) fn symbol(&self, category: Category) -> Result<String, VenueError> {
        self.named_symbol(category)
            .ok_or_else(|| VenueError::new(10001, "params error: symbol is required"))
    }
}

pub(super) type Answer = Result<Reply, VenueError>;

pub(super) fn not_supported() -> VenueError {
    VenueError::new(10001, "Not supported symbols")
}

/// The answer and the headers that come with it.
fn reply(answer: &Answer, budget: Option<Budget>, now_ms: u64) -> HttpReply {
    let (code, text, result, ext) = match answer {
        Ok(reply) => (0, "OK", reply.result.as_str(), reply.ext.as_str()),
        Err(error) => (error.code, error.text.as_str(), "{}", "{}"),
    };
    let body = Object::new()
        .number("retCode", code.into())
        .raw("retMsg", &quoted(text))
        .raw("result", result)
        .raw("retExtInfo", ext)
        .number("time", now_ms);
    let header = |name: &str, value: String| (name.to_owned(), value);
    let mut headers =
        vec![header("Timenow", now_ms.to_string()), header("Traceid", trace_id(now_ms))];
    if let Some(budget) = budget {
        headers.push(header("X-Bapi-Limit", budget.limit.to_string()));
        headers.push(header("X-Bapi-Limit-Status", budget.left.to_string()));
        headers.push(header("X-Bapi-Limit-Reset-Timestamp", budget.reset_ms.to_string()));
    }
    HttpReply { status: 200, headers, body: body.done() }
}

fn plain(status: u16, body: &str) -> HttpReply {
    HttpReply { status, headers: Vec::new(), body: body.to_owned() }
}

/// Endpoints that need a key, with their budgets. Batches take theirs order by order.
fn private_endpoint(method: &str, path: &str) -> Option<Option<Endpoint>> {
    Some(match (method, path) {
        ("POST", "/v5/order/create") => Some(Endpoint::Create),
        ("POST", "/v5/order/amend") => Some(Endpoint::Amend),
        ("POST", "/v5/order/cancel") => Some(Endpoint::Cancel),
        ("POST", "/v5/order/cancel-all") => Some(Endpoint::CancelAll),
        ("POST", "/v5/order/create-batch" | "/v5/order/amend-batch" | "/v5/order/cancel-batch") => {
            None
        }
        ("GET", "/v5/order/realtime") => Some(Endpoint::Realtime),
        ("GET", "/v5/order/history") => Some(Endpoint::History),
        ("GET", "/v5/execution/list") => Some(Endpoint::Executions),
        ("GET", "/v5/account/wallet-balance") => Some(Endpoint::Wallet),
        ("GET", "/v5/account/info") => Some(Endpoint::Account),
        ("GET", "/v5/account/fee-rate") => Some(Endpoint::FeeRate),
        ("GET", "/v5/position/list") => Some(Endpoint::Positions),
        ("POST", "/v5/position/set-leverage") => Some(Endpoint::SetLeverage),
        ("POST", "/v5/position/switch-mode") => Some(Endpoint::SwitchMode),
        ("POST", "/v5/account/set-margin-mode") => Some(Endpoint::MarginMode),
        ("GET", "/v5/account/transaction-log") => Some(Endpoint::TransactionLog),
        ("POST", "/v5/order/disconnected-cancel-all") => Some(Endpoint::Dcp),
        ("GET", "/v5/account/query-dcp-info") => Some(Endpoint::DcpInfo),
        _ => return None,
    })
}

impl Bybit {
    /// Answers an HTTP request.
    pub(super) fn answer(
        &mut self,
        request: &HttpRequest,
        exchange: &mut Exchange,
        now_ms: u64,
    ) -> HttpReply {
        let get_with_body = request.method == "GET" && !request.body.is_empty();
        if get_with_body || !self.desk.meter.take_http(now_ms) {
            return plain(403, "access too frequent");
        }
        if let Some(answer) = self.public(request, exchange, now_ms) {
            return reply(&answer, None, now_ms);
        }
        let Some(endpoint) = private_endpoint(&request.method, &request.path) else {
            return plain(404, "404 page not found");
        };
        let account = match check_request(request, exchange, now_ms) {
            Ok(account) => account,
            Err(error) => return reply(&Err(error), None, now_ms),
        };
        let Some(endpoint) = endpoint else {
            let mut call = Call { account, exchange, now_ms };
            return match self.batch(request, &mut call) {
                Ok((answer, budget)) => reply(&Ok(answer), Some(budget), now_ms),
                Err(error) => reply(&Err(error), None, now_ms),
            };
        };
        let (allowed, budget) = self.desk.meter.take(account, endpoint, now_ms);
        let answer = if allowed {
            let mut call = Call { account, exchange, now_ms };
            self.private(request, endpoint, &mut call)
        } else {
            Err(VenueError::rate_limit())
        };
        reply(&answer, Some(budget), now_ms)
    }

    fn batch(
        &mut self,
        request: &HttpRequest,
        call: &mut Call<'_>,
    ) -> Result<(Reply, Budget), VenueError> {
        let body = body_of(request)?;
        let action = match request.path.as_str() {
            "/v5/order/create-batch" => Action::Create,
            "/v5/order/amend-batch" => Action::Amend,
            _ => Action::Cancel,
        };
        self.desk.batch(action, &body, call)
    }

    fn private(
        &mut self,
        request: &HttpRequest,
        endpoint: Endpoint,
        call: &mut Call<'_>,
    ) -> Answer {
        let params = Params::of(request);
        let account = call.account;
        let result = match endpoint {
            Endpoint::Create => return self.desk.one(Action::Create, &body_of(request)?, call),
            Endpoint::Amend => return self.desk.one(Action::Amend, &body_of(request)?, call),
            Endpoint::Cancel => return self.desk.one(Action::Cancel, &body_of(request)?, call),
            Endpoint::CancelAll => return self.desk.cancel_all(&body_of(request)?, call),
            Endpoint::Realtime => self.realtime(&params, account)?,
            Endpoint::History => self.history(&params, account)?,
            Endpoint::Executions => self.executions(&params, account, call.now_ms)?,
            Endpoint::Wallet => wallet(&params, account, call.exchange)?,
            Endpoint::FeeRate => fee_rates(&params, call.exchange)?,
            Endpoint::Positions => self.positions(&params, call)?,
            Endpoint::SetLeverage => positions::set_leverage(&body_of(request)?, call)?,
            Endpoint::SwitchMode => positions::switch_mode(&body_of(request)?)?,
            Endpoint::MarginMode => positions::set_margin_mode(&body_of(request)?, call)?,
            Endpoint::TransactionLog => self.transactions(&params, account, call.now_ms)?,
            Endpoint::Dcp => {
                self.dcp.set(&body_of(request)?, account, call.now_ms)?;
                "{}".to_owned()
            }
            Endpoint::DcpInfo => self.dcp.info(account),
            _ => account_info(call),
        };
        Ok(Reply::of(result))
    }

    fn positions(&self, params: &Params, call: &Call<'_>) -> Result<String, VenueError> {
        if params.category()? != Category::Linear {
            return Err(VenueError::category());
        }
        let symbol = params.named_symbol(Category::Linear);
        let seq = |symbol: &str| self.market.seq(symbol);
        positions::list(symbol.as_deref(), params.get("settleCoin"), call, seq)
    }

    /// Open orders; with `openOnly=1` the last ended ones. An order that is named is shown
    /// whichever it is.
    fn realtime(&self, params: &Params, account: AccountId) -> Result<String, VenueError> {
        let category = params.category()?;
        let records = &self.desk.records;
        let named_one = params.get("orderId").or(params.get("orderLinkId")).is_some();
        let narrowed = ["symbol", "baseCoin", "settleCoin"];
        let narrowed = narrowed.iter().any(|name| params.get(name).is_some());
        if category == Category::Linear && !named_one && !narrowed {
            let text = "params error: symbol, baseCoin or settleCoin is required";
            return Err(VenueError::new(10001, text));
        }
        let found: Vec<&Record> = if named_one {
            let lately = records.ended_lately(account);
            records.open(account).chain(lately).filter(|record| named(params, record)).collect()
        } else if params.get("openOnly") == Some("1") {
            records.ended_lately(account).collect()
        } else {
            records.open(account).collect()
        };
        order_page(params, found)
    }

    fn history(&self, params: &Params, account: AccountId) -> Result<String, VenueError> {
        params.category()?;
        let (from, to) = (params.number("startTime")?, params.number("endTime")?);
        let ended = self.desk.records.ended(account);
        let found = ended
            .filter(|record| named(params, record))
            .filter(|record| from.is_none_or(|from| record.order.created_ms >= from))
            .filter(|record| to.is_none_or(|to| record.order.created_ms <= to))
            .filter(|record| {
                let status = params.get("orderStatus");
                status.is_none_or(|status| rows::status(&record.order) == status)
            });
        order_page(params, found.collect())
    }

    fn executions(
        &self,
        params: &Params,
        account: AccountId,
        now_ms: u64,
    ) -> Result<String, VenueError> {
        let category = params.category()?;
        let symbol = params.named_symbol(category);
        let limit = params.limit(50, 100)?;
        let (from, to) = time_window(params, now_ms)?;
        let before = cursor(params, |text| text.split(':').next()?.parse().ok())?;
        let order_id = params.get("orderId").map(exchange_id);
        let wanted = |execution: &&Execution| {
            let fill = &execution.fill;
            before.is_none_or(|before: u64| execution.serial < before)
                && (from..=to).contains(&fill.time_ms)
                && Category::of(&fill.symbol) == category
                && symbol.as_ref().is_none_or(|symbol| fill.symbol == *symbol)
                && params.get("orderLinkId").is_none_or(|link| fill.client_id == link)
                && order_id.is_none_or(|id| id == Some(fill.order_id))
                && params.get("execType").is_none_or(|kind| kind == execution.kind)
        };
        let mut found = self.desk.records.executions(account).filter(wanted);
        let page: Vec<&Execution> = found.by_ref().take(limit).collect();
        let last = page.last().filter(|_| found.next().is_some());
        // The venue's cursors name both ends of a page.
        let next = last.map(|last| escaped(&format!("{0}:2,{0}:2", last.serial)));
        let rows = array(page.iter().map(|execution| rows::execution_in_list(execution)));
        let result = Object::new()
            .text("nextPageCursor", &next.unwrap_or_default())
            .text("category", category.word())
            .raw("list", &rows);
        Ok(result.done())
    }

    /// `account/transaction-log`: trades and funding of linear contracts, newest first.
    fn transactions(
        &self,
        params: &Params,
        account: AccountId,
        now_ms: u64,
    ) -> Result<String, VenueError> {
        let limit = params.limit(20, 50)?;
        let (from, to) = time_window(params, now_ms)?;
        let before = cursor(params, |text| text.split(':').next()?.parse().ok())?;
        let kind = params.get("type");
        let wanted = |execution: &&Execution| {
            Category::of(&execution.fill.symbol) == Category::Linear
                && before.is_none_or(|before: u64| execution.serial < before)
                && (from..=to).contains(&execution.fill.time_ms)
                && params.get("currency").is_none_or(|coin| coin == execution.fill.fee_asset)
                && kind.is_none_or(|kind| kind == rows::transaction_type(execution))
        };
        let mut found = self.desk.records.executions(account).filter(wanted);
        let page: Vec<&Execution> = found.by_ref().take(limit).collect();
        let last = page.last().filter(|_| found.next().is_some());
        let next = last.map(|last| escaped(&format!("{0}:1,{0}:1", last.serial)));
        let rows = array(page.iter().map(|execution| rows::transaction(execution)));
        let result = Object::new().text("nextPageCursor", &next.unwrap_or_default());
        Ok(result.raw("list", &rows).done())
    }
}

/// Seven days at most, the last seven if nothing is said.
fn time_window(params: &Params, now_ms: u64) -> Result<(u64, u64), VenueError> {
    const WEEK_MS: u64 = 7 * 24 * 3_600_000;
    let (from, to) = match (params.number("startTime")?, params.number("endTime")?) {
        (Some(from), Some(to)) => (from, to),
        (Some(from), None) => (from, from.saturating_add(WEEK_MS)),
        (None, Some(to)) => (to.saturating_sub(WEEK_MS), to),
        (None, None) => (now_ms.saturating_sub(WEEK_MS), u64::MAX),
    };
    if to < from || (to != u64::MAX && to - from > WEEK_MS) {
        return Err(VenueError::new(10001, "The time range must be within 7 days."));
    }
    Ok((from, to))
}

fn body_of(request: &HttpRequest) -> Result<Value, VenueError> {
    let invalid = |_| VenueError::new(10001, "params error: body is not JSON");
    serde_json::from_str(&request.body).map_err(invalid)
}

/// Whether the query's ids and symbol are those of the order.
fn named(params: &Params, record: &Record) -> bool {
    let (order, request) = (&record.order, &record.order.request);
    let id = params.get("orderId").map(exchange_id);
    params.get("symbol").is_none_or(|symbol| wire_symbol(&request.symbol) == symbol)
        && id.is_none_or(|id| id == Some(order.order_id))
        && params.get("orderLinkId").is_none_or(|link| request.client_id == link)
}

/// Position of a cursor. One that was encoded twice does not read.
fn cursor(params: &Params, read: impl Fn(&str) -> Option<u64>) -> Result<Option<u64>, VenueError> {
    let Some(text) = params.get("cursor") else { return Ok(None) };
    let invalid = || VenueError::new(10001, "params error: cursor invalid");
    read(text).map(Some).ok_or_else(invalid)
}

/// One page of orders, newest first.
fn order_page(params: &Params, found: Vec<&Record>) -> Result<String, VenueError> {
    let limit = params.limit(20, 50)?;
    let after = cursor(params, |text| {
        let rest = text.strip_prefix("page_token=")?.strip_suffix('&')?;
        exchange_id(rest)
    })?;
    let base = params.get("baseCoin");
    let category = params.category()?;
    let skipped = match after {
        None => 0,
        Some(id) => {
            let at = found.iter().position(|record| record.order.order_id == id);
            at.map_or(found.len(), |at| at + 1)
        }
    };
    let wanted = |record: &&&Record| {
        let request = &record.order.request;
        Category::of(&request.symbol) == category
            && params.get("symbol").is_none_or(|symbol| wire_symbol(&request.symbol) == symbol)
            && base.is_none_or(|base| request.symbol.starts_with(base))
    };
    let mut rest = found.iter().skip(skipped).filter(wanted);
    let page: Vec<&&Record> = rest.by_ref().take(limit).collect();
    let last = page.last().filter(|_| rest.next().is_some());
    let token = |record: &&&Record| {
        let id = category.order_id(record.order.order_id);
        escaped(&format!("page_token={id}&"))
    };
    let next = last.map(token).unwrap_or_default();
    let rows = array(page.iter().map(|record| rows::order_in_list(record)));
    let result = Object::new().raw("list", &rows).text("nextPageCursor", &next);
    Ok(result.text("category", category.word()).done())
}

fn wallet(params: &Params, account: AccountId, exchange: &Exchange) -> Result<String, VenueError> {
    if params.get("accountType") != Some("UNIFIED") {
        return Err(VenueError::new(10001, "accountType only support UNIFIED."));
    }
    let all = coins(exchange, account);
    let wanted: Option<Vec<&str>> = params.get("coin").map(|list| list.split(',').collect());
    let shown = |name: &str| wanted.as_ref().is_none_or(|wanted| wanted.contains(&name));
    let chosen: Vec<_> = all.iter().filter(|coin| shown(&coin.name)).cloned().collect();
    Ok(Object::new().raw("list", &array([wallet::wallet(&all, &chosen)])).done())
}

fn fee_rates(params: &Params, exchange: &Exchange) -> Result<String, VenueError> {
    let category = params.category()?;
    let wanted = params.named_symbol(category);
    let rows: Vec<String> = exchange
        .symbols()
        .iter()
        .filter(|rules| Category::of(&rules.symbol) == category)
        .filter(|rules| wanted.as_ref().is_none_or(|symbol| rules.symbol == *symbol))
        .map(|rules| {
            let row = Object::new().text("symbol", wire_symbol(&rules.symbol));
            let row = row.decimal("takerFeeRate", rules.taker_fee);
            row.decimal("makerFeeRate", rules.maker_fee).done()
        })
        .collect();
    if rows.is_empty() {
        return Err(not_supported());
    }
    Ok(Object::new().raw("list", &array(rows)).done())
}

fn account_info(call: &Call<'_>) -> String {
    Object::new()
        .text("marginMode", positions::margin_mode(call))
        .digits("updatedTime", call.now_ms)
        .number("unifiedMarginStatus", 5)
        .text("dcpStatus", "OFF")
        .number("timeWindow", 10)
        .number("smpGroup", 0)
        .flag("isMasterTrader", false)
        .text("spotHedgingStatus", "OFF")
        .done()
}
