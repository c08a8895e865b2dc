//! What an account asks over REST about swaps: positions, leverage, bills of funding, tiers.

#![forbid(unsafe_code)]

use super::Okx;
use super::desk::Call;
use super::errors::{VenueError, refused};
use super::fields;
use super::instruments::{Instrument, Kind};
use super::positions::mode;
use super::rest::{Params, Rows, body_of};
use crate::sim::venues::fields::Fields;
use crate::sim::venues::json::Object;
use crate::sim::{
    AccountId, Exchange, HttpRequest, PlaceRequest, SimFunding, SimMarginMode, SimOrderType,
};
use crate::types::{Side, TimeInForce};
use rust_decimal::Decimal;
use std::collections::{HashMap, VecDeque};

/// Bills that are kept, per account.
const BILLS_MAX: usize = 1_000;
/// Type of a bill of funding, and its two kinds.
const FUNDING: &str = "8";
const PAID: &str = "173";
const RECEIVED: &str = "174";

/// A payment of funding with its bill's number and the balance after it.
#[derive(Clone, Debug)]
struct FundingBill {
    id: u64,
    funding: SimFunding,
    balance: Decimal,
    mode: SimMarginMode,
}

/// Bills of funding, oldest first.
#[derive(Debug, Default)]
pub(super) struct FundingBills(HashMap<AccountId, VecDeque<FundingBill>>);

impl FundingBills {
    /// A payment of now.
    pub(super) fn add(&mut self, id: u64, funding: &SimFunding, exchange: &Exchange) {
        let balance = exchange.margin(funding.account, &funding.asset).wallet;
        let position = exchange.position(funding.account, &funding.symbol);
        let mode = position.map_or(SimMarginMode::Cross, |position| position.mode);
        let bills = self.0.entry(funding.account).or_default();
        if bills.len() == BILLS_MAX {
            bills.pop_front();
        }
        bills.push_back(FundingBill { id, funding: funding.clone(), balance, mode });
    }
}

impl Okx {
    pub(super) fn positions(
        &self,
        params: &Params,
        account: AccountId,
        exchange: &Exchange,
        now_ms: u64,
    ) -> Rows {
        let is = |name: &str, value: &str| params.get(name).is_none_or(|wanted| wanted == value);
        let mut rows = Vec::new();
        for position in exchange.positions(account) {
            let Some((_, instrument)) = self.desk.instruments.by_id(&position.symbol) else {
                continue;
            };
            let wanted = is("instType", instrument.kind.name()) && is("instId", &instrument.id);
            if wanted && !position.qty.is_zero() {
                rows.push(self.lives.row(instrument, &position, exchange, now_ms));
            }
        }
        Ok(rows)
    }

    /// The swap that a body's `instId` names.
    fn swap_of(&self, fields: Fields<'_>) -> Result<&Instrument, VenueError> {
        let found = self.desk.instruments.by_id(fields.required("instId")?);
        let found = found.map(|(_, instrument)| instrument);
        found.filter(|one| one.kind == Kind::Swap).ok_or_else(VenueError::instrument)
    }

    pub(super) fn set_leverage(
        &mut self,
        request: &HttpRequest,
        account: AccountId,
        exchange: &mut Exchange,
        now_ms: u64,
    ) -> Rows {
        let body = body_of(request)?;
        let fields = Fields(&body);
        let instrument = self.swap_of(fields)?;
        let lever = fields.decimal("lever")?.ok_or_else(|| VenueError::parameter("lever"))?;
        let margin_mode = margin_mode(fields)?;
        exchange.set_leverage(account, &instrument.id, lever, now_ms).map_err(|refusal| {
            match exchange.rules(&instrument.id) {
                Some(rules) => refused(refusal, rules, &instrument.settle, rules.qty_min),
                None => VenueError::instrument(),
            }
        })?;
        Ok(vec![leverage_row(&instrument.id, lever, margin_mode)])
    }

    pub(super) fn leverage(
        &self,
        params: &Params,
        account: AccountId,
        exchange: &Exchange,
    ) -> Rows {
        let margin_mode = match params.required("mgnMode")? {
            "cross" => "cross",
            "isolated" => "isolated",
            _ => return Err(VenueError::parameter("mgnMode")),
        };
        let wanted: Vec<&str> = params.required("instId")?.split(',').collect();
        let row = |id: &&str| {
            let position = exchange.position(account, id).ok_or_else(VenueError::instrument)?;
            Ok(leverage_row(id, position.leverage, margin_mode))
        };
        wanted.iter().map(row).collect()
    }

    /// Closes a position at the market; its orders must be gone, or are cancelled if asked for.
    pub(super) fn close_position(
        &mut self,
        request: &HttpRequest,
        account: AccountId,
        exchange: &mut Exchange,
        now_ms: u64,
    ) -> Rows {
        let body = body_of(request)?;
        let fields = Fields(&body);
        let instrument = self.swap_of(fields)?.clone();
        let margin_mode = margin_mode(fields)?;
        let (name, tag) =
            (fields::client_name(fields)?.to_owned(), fields::tag(fields)?.to_owned());
        let no_position = || VenueError::new(51023, "Position does not exist");
        let position = exchange.position(account, &instrument.id).ok_or_else(no_position)?;
        if position.qty.is_zero() || mode(position.mode) != margin_mode {
            return Err(no_position());
        }
        if fields::flag(fields, "autoCxl")? {
            let mut call = Call { account, exchange, now_ms, rest: true };
            self.desk.cancel_open(&instrument, "17", &mut call);
        }
        let client_id = if name.is_empty() { self.desk.records.make_name() } else { name.clone() };
        let close = PlaceRequest {
            symbol: instrument.id.clone(),
            client_id,
            side: if position.qty.is_sign_positive() { Side::Sell } else { Side::Buy },
            order_type: SimOrderType::Market,
            time_in_force: TimeInForce::Ioc,
            price: Decimal::ZERO,
            qty: position.qty.abs(),
            reduce_only: true,
        };
        let rules = exchange.rules(&instrument.id).ok_or_else(VenueError::instrument)?.clone();
        let (qty, settle) = (close.qty, &instrument.settle);
        exchange
            .place(account, close, now_ms)
            .map_err(|refusal| refused(refusal, &rules, settle, qty))?;
        let row = Object::new().text("clOrdId", &name).text("instId", &instrument.id);
        Ok(vec![row.text("posSide", "net").text("tag", &tag).done()])
    }

    /// Bills of funding, newest first. Other bills are not kept.
    pub(super) fn bills(&self, params: &Params, account: AccountId) -> Rows {
        let limit = params.limit("limit", (100, 100))?;
        let (after, before) = (params.number("after")?, params.number("before")?);
        let (begin, end) = (params.number("begin")?, params.number("end")?);
        let is = |name: &str, value: &str| params.get(name).is_none_or(|wanted| wanted == value);
        let mut rows = Vec::new();
        for bill in self.funding.0.get(&account).into_iter().flatten().rev() {
            let FundingBill { id, funding, .. } = bill;
            let Some((_, instrument)) = self.desk.instruments.by_id(&funding.symbol) else {
                continue;
            };
            let wanted = after.is_none_or(|after| *id < after)
                && before.is_none_or(|before| *id > before)
                && begin.is_none_or(|begin| funding.time_ms >= begin)
                && end.is_none_or(|end| funding.time_ms <= end)
                && is("type", FUNDING)
                && is("subType", kind_of(funding))
                && is("instId", &funding.symbol)
                && is("instType", instrument.kind.name())
                && is("ccy", &funding.asset);
            if wanted && rows.len() < limit {
                rows.push(bill_row(instrument, bill));
            }
        }
        Ok(rows)
    }

    /// Rates that were paid, newest first; `after` and `before` are times.
    pub(super) fn funding_history(&self, params: &Params, exchange: &Exchange) -> Rows {
        let instrument = &self.desk.instruments.all()[self.swap(params)?];
        let limit = params.limit("limit", (400, 400))?;
        let (after, before) = (params.number("after")?, params.number("before")?);
        let rates = exchange.funding_rates(&instrument.id).into_iter().rev();
        let wanted = rates
            .filter(|paid| after.is_none_or(|after| paid.time_ms < after))
            .filter(|paid| before.is_none_or(|before| paid.time_ms > before));
        let row = |paid: &crate::sim::SimMark| {
            Object::new()
                .text("formulaType", "noRate")
                .decimal("fundingRate", paid.rate)
                .digits("fundingTime", paid.time_ms)
                .text("instId", &instrument.id)
                .text("instType", instrument.kind.name())
                .text("method", "current_period")
                .decimal("realizedRate", paid.rate)
                .done()
        };
        Ok(wanted.take(limit).map(row).collect())
    }

    /// One tier of positions: maintenance margin and leverage do not depend on size here.
    pub(super) fn tier_rows(&self, params: &Params, exchange: &Exchange) -> Rows {
        let kind = params.kind()?;
        let family = params.get("instFamily").or(params.get("uly"));
        let mut rows = Vec::new();
        for instrument in self.desk.instruments.all() {
            let rules = exchange.rules(&instrument.id);
            let Some((rules, perpetual)) =
                rules.and_then(|rules| Some((rules, rules.perpetual.as_ref()?)))
            else {
                continue;
            };
            let of_family = family.is_none_or(|family| family == instrument.index);
            if kind != Some(instrument.kind) || !of_family {
                continue;
            }
            let row = Object::new()
                .text("baseMaxLoan", "")
                .decimal("imr", Decimal::ONE / perpetual.leverage_max)
                .text("instFamily", &instrument.index)
                .text("instId", &instrument.id)
                .decimal("maxLever", perpetual.leverage_max)
                .decimal("maxSz", instrument.to_wire(rules.qty_max))
                .text("minSz", "0")
                .decimal("mmr", perpetual.maintenance_rate)
                .blanks(&["optMgnFactor", "quoteMaxLoan"])
                .text("tier", "1")
                .text("uly", &instrument.index);
            rows.push(row.done());
        }
        Ok(rows)
    }
}

fn margin_mode(fields: Fields<'_>) -> Result<&'static str, VenueError> {
    match fields.required("mgnMode")? {
        "cross" => Ok("cross"),
        "isolated" => Ok("isolated"),
        _ => Err(VenueError::parameter("mgnMode")),
    }
}

fn leverage_row(id: &str, lever: Decimal, margin_mode: &str) -> String {
    Object::new()
        .decimal("lever", lever)
        .text("mgnMode", margin_mode)
        .text("instId", id)
        .text("posSide", "net")
        .done()
}

fn kind_of(funding: &SimFunding) -> &'static str {
    if funding.amount.is_sign_negative() { PAID } else { RECEIVED }
}

fn bill_row(instrument: &Instrument, bill: &FundingBill) -> String {
    let FundingBill { id, funding, balance, .. } = bill;
    Object::new()
        .decimal("bal", *balance)
        .decimal("balChg", funding.amount)
        .digits("billId", *id)
        .text("ccy", &funding.asset)
        .text("clOrdId", "")
        .text("execType", "")
        .text("fee", "0")
        .text("from", "")
        .text("instId", &funding.symbol)
        .text("instType", instrument.kind.name())
        .text("interest", "0")
        .text("mgnMode", mode(bill.mode))
        .text("notes", "")
        .text("ordId", "")
        .decimal("pnl", funding.amount)
        .text("posBal", "0")
        .text("posBalChg", "0")
        .decimal("px", funding.mark)
        .text("subType", kind_of(funding))
        .decimal("sz", instrument.to_wire(funding.qty.abs()))
        .text("tag", "")
        .text("to", "")
        .text("tradeId", "")
        .digits("ts", funding.time_ms)
        .text("type", FUNDING)
        .done()
}
