//! What an account asks over REST: its settings, balances, orders, fills and timers.

#![forbid(unsafe_code)]

use super::Okx;
use super::errors::VenueError;
use super::instruments::{Instrument, Kind};
use super::private::uid;
use super::records::{Record, exchange_id};
use super::rest::{Endpoint, Params, Rows, body_of};
use super::rows;
use super::wallet::{self, Form};
use crate::sim::venues::fields::Fields;
use crate::sim::venues::json::{Object, array};
use crate::sim::{AccountId, Exchange, HttpRequest, SymbolRules};
use rust_decimal::Decimal;

/// Rows of a page at most, and unless fewer are asked for.
const PAGE: (u64, u64) = (100, 100);

impl Okx {
    /// Endpoints that need a key, but for orders.
    pub(super) fn private(
        &mut self,
        endpoint: Endpoint,
        request: &HttpRequest,
        account: AccountId,
        exchange: &mut Exchange,
        now_ms: u64,
    ) -> Rows {
        let params = &Params::of(request);
        match endpoint {
            Endpoint::Config => Ok(vec![config(account)]),
            Endpoint::Balance => Ok(self.balance(params, account, exchange, now_ms)),
            Endpoint::Positions => self.positions(params, account, exchange, now_ms),
            Endpoint::AccountInstruments => self.account_instruments(params, exchange),
            Endpoint::TradeFee => self.trade_fee(params, exchange, now_ms),
            Endpoint::SetLeverage => self.set_leverage(request, account, exchange, now_ms),
            Endpoint::Leverage => self.leverage(params, account, exchange),
            Endpoint::SetPositionMode => set_position_mode(request),
            Endpoint::Bills => self.bills(params, account),
            Endpoint::Order => {
                self.place(params)?;
                let (id, client) = (params.get("ordId"), params.get("clOrdId"));
                let found = self.desk.records.query(account, id, client, now_ms);
                let found = found.filter(|record| self.is_wanted(params, record));
                let found = found.ok_or_else(VenueError::no_such_order)?;
                Ok(self.order_rows([found], exchange))
            }
            Endpoint::Pending => {
                let open = self.desk.records.open(account);
                self.order_page(params, open, exchange)
            }
            Endpoint::History => {
                params.kind()?;
                let ended = self.desk.records.ended(account, now_ms);
                self.order_page(params, ended, exchange)
            }
            Endpoint::Fills => self.fills(params, account, exchange),
            Endpoint::CancelAllAfter => self.cancel_all_after(request, account, now_ms),
            Endpoint::ClosePosition => self.close_position(request, account, exchange, now_ms),
            _ => Ok(vec![rate_limit(now_ms)]),
        }
    }

    fn balance(
        &self,
        params: &Params,
        account: AccountId,
        exchange: &Exchange,
        now_ms: u64,
    ) -> Vec<String> {
        let all = wallet::coins(exchange, &self.desk.instruments, account);
        let wanted: Option<Vec<&str>> = params.get("ccy").map(|list| list.split(',').collect());
        let is_shown = |name: &str| wanted.as_ref().is_none_or(|wanted| wanted.contains(&name));
        let shown: Vec<_> = all.iter().filter(|coin| is_shown(&coin.name)).cloned().collect();
        vec![wallet::account(&all, &shown, Form::Rest, now_ms)]
    }

    /// Fee rates of a type of instruments, negative when charged: those of the first one, which is
    /// group 1 as all are.
    fn trade_fee(&self, params: &Params, exchange: &Exchange, now_ms: u64) -> Rows {
        let (kind, id) = (params.kind()?, params.get("instId"));
        let mut all = self.desk.instruments.all().iter();
        let found = all.find(|one| Some(one.kind) == kind && id.is_none_or(|id| one.id == id));
        let rules = found.and_then(|one| exchange.rules(&one.id));
        let (rules, kind) = rules.zip(kind).ok_or_else(VenueError::instrument)?;
        Ok(vec![fee_row(kind, rules, now_ms)])
    }

    /// Whether the query's ids, type, instrument and state are those of the order.
    fn is_wanted(&self, params: &Params, record: &Record) -> bool {
        let (order, request) = (&record.order, &record.order.request);
        let is = |name: &str, value: &str| params.get(name).is_none_or(|wanted| wanted == value);
        let Some((_, instrument)) = self.desk.instruments.by_id(&request.symbol) else {
            return false;
        };
        is("instId", &instrument.id)
            && is("instType", instrument.kind.name())
            && is("instFamily", &instrument.index)
            && is("state", rows::state(order))
            && params
                .get("ordType")
                .is_none_or(|kinds| kinds.split(',').any(|kind| kind == record.asked.order_type))
    }

    fn order_rows<'r>(
        &self,
        records: impl IntoIterator<Item = &'r Record>,
        exchange: &Exchange,
    ) -> Vec<String> {
        let row = |record: &Record| {
            let (instrument, rules) = self.known(&record.order.request.symbol, exchange)?;
            Some(rows::in_list(instrument, rules, record))
        };
        records.into_iter().filter_map(row).collect()
    }

    /// An instrument and its rules.
    pub(super) fn known<'a>(
        &'a self,
        symbol: &str,
        exchange: &'a Exchange,
    ) -> Option<(&'a Instrument, &'a SymbolRules)> {
        let (_, instrument) = self.desk.instruments.by_id(symbol)?;
        Some((instrument, exchange.rules(symbol)?))
    }

    /// One page of orders, newest first; `after` and `before` are order ids, which grow.
    fn order_page<'r>(
        &self,
        params: &Params,
        records: impl Iterator<Item = &'r Record>,
        exchange: &Exchange,
    ) -> Rows {
        let limit = params.limit("limit", PAGE)?;
        let id = |name: &str| match params.get(name) {
            Some(text) => exchange_id(text).map(Some).ok_or_else(|| VenueError::parameter(name)),
            None => Ok(None),
        };
        let (after, before) = (id("after")?, id("before")?);
        let (begin, end) = (params.number("begin")?, params.number("end")?);
        let wanted = |record: &&Record| {
            let (id, created) = (record.order.order_id, record.order.created_ms);
            after.is_none_or(|after| id < after)
                && before.is_none_or(|before| id > before)
                && begin.is_none_or(|begin| created >= begin)
                && end.is_none_or(|end| created <= end)
                && self.is_wanted(params, record)
        };
        Ok(self.order_rows(records.filter(wanted).take(limit), exchange))
    }

    /// One page of fills, newest first; `after` and `before` are bill ids, which grow.
    fn fills(&self, params: &Params, account: AccountId, exchange: &Exchange) -> Rows {
        let limit = params.limit("limit", PAGE)?;
        let (after, before) = (params.number("after")?, params.number("before")?);
        let (begin, end) = (params.number("begin")?, params.number("end")?);
        let order = params.get("ordId").map(exchange_id);
        let mut out = Vec::new();
        for bill in self.desk.records.bills(account) {
            let fill = &bill.fill;
            let Some((instrument, rules)) = self.known(&fill.symbol, exchange) else { continue };
            let is = |name: &str, value: &str| params.get(name).is_none_or(|text| text == value);
            let wanted = after.is_none_or(|after| bill.id < after)
                && before.is_none_or(|before| bill.id > before)
                && begin.is_none_or(|begin| fill.time_ms >= begin)
                && end.is_none_or(|end| fill.time_ms <= end)
                && order.is_none_or(|id| id == Some(fill.order_id))
                && is("instId", &instrument.id)
                && is("instType", instrument.kind.name());
            if wanted && out.len() < limit {
                out.push(rows::fill_in_list(instrument, rules, bill));
            }
        }
        Ok(out)
    }

    /// Sets, moves or ends the timer of an account and tag.
    fn cancel_all_after(&mut self, request: &HttpRequest, account: AccountId, now_ms: u64) -> Rows {
        let body = body_of(request)?;
        let fields = Fields(&body);
        let seconds = fields.required("timeOut")?.parse::<u64>().ok();
        let seconds = seconds.filter(|seconds| *seconds == 0 || (10..=120).contains(seconds));
        let seconds = seconds.ok_or_else(|| VenueError::parameter("timeOut"))?;
        let tag = super::fields::tag(fields)?.to_owned();
        let at = now_ms + seconds * 1_000;
        let row = Object::new()
            .digits("triggerTime", if seconds == 0 { 0 } else { at })
            .text("tag", &tag)
            .digits("ts", now_ms)
            .done();
        if seconds == 0 {
            self.timers.remove(&(account, tag));
        } else {
            self.timers.insert((account, tag), at);
        }
        Ok(vec![row])
    }
}

fn config(account: AccountId) -> String {
    let uid = uid(account);
    Object::new()
        .text("acctLv", "2")
        .text("acctStpMode", "cancel_maker")
        .flag("autoLoan", false)
        .text("ctIsoMode", "automatic")
        .flag("enableSpotBorrow", false)
        .text("greeksType", "PA")
        .text("feeType", "0")
        .text("ip", "")
        .text("type", "0")
        .text("kycLv", "3")
        .text("label", "simulated")
        .text("level", "Lv1")
        .text("levelTmp", "")
        .text("liquidationGear", "-1")
        .text("mainUid", &uid)
        .text("mgnIsoMode", "automatic")
        .text("opAuth", "0")
        .text("perm", "read_only,trade")
        .text("posMode", "net_mode")
        .text("roleType", "0")
        .flag("spotBorrowAutoRepay", false)
        .text("spotOffsetType", "")
        .text("spotRoleType", "0")
        .raw("spotTraderInsts", "[]")
        .text("stgyType", "0")
        .raw("traderInsts", "[]")
        .text("uid", &uid)
        .text("settleCcy", "USDC")
        .raw("settleCcyList", "[\"USD\",\"USDC\",\"USDG\"]")
        .done()
}

fn fee_row(kind: Kind, rules: &SymbolRules, now_ms: u64) -> String {
    let charged = |rate: Decimal| -rate;
    let (maker, taker) = (charged(rules.maker_fee), charged(rules.taker_fee));
    let group = Object::new()
        .decimal("elpMaker", maker)
        .text("groupId", "1")
        .decimal("maker", maker)
        .decimal("taker", taker)
        .done();
    Object::new()
        .text("category", "1")
        .blanks(&["delivery", "exercise"])
        .raw("feeGroup", &array([group]))
        .raw("fiat", "[]")
        .text("instType", kind.name())
        .text("level", "Lv1")
        .decimal("maker", maker)
        .blanks(&["makerU", "makerUSDC"])
        .text("ruleType", "normal")
        .decimal("taker", taker)
        .blanks(&["takerU", "takerUSDC"])
        .digits("ts", now_ms)
        .done()
}

/// The limit of a sub-account without fee tier.
fn rate_limit(now_ms: u64) -> String {
    Object::new()
        .text("accRateLimit", "1000")
        .text("fillRatio", "0")
        .text("mainFillRatio", "0")
        .text("nextAccRateLimit", "1000")
        .digits("ts", now_ms)
        .done()
}

/// Net mode is all there is.
fn set_position_mode(request: &HttpRequest) -> Rows {
    let body = body_of(request)?;
    match Fields(&body).required("posMode")? {
        mode @ "net_mode" => Ok(vec![Object::new().text("posMode", mode).done()]),
        _ => Err(VenueError::parameter("posMode")),
    }
}
