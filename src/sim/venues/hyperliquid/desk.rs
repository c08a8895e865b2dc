//! Actions carried out: what the venue does once it knows who signed.
//!
//! Not here: trigger orders, time-weighted orders, builders' fees, sub-accounts and vaults,
//! transfers out of the venue.

#![forbid(unsafe_code)]

use super::super::json::{Object, array};
use super::assets::{Asset, Assets, amount};
use super::errors::{Denied, Refused};
use super::limits::Meter;
use super::orders::{Named, Wanted, flag, list, member, read_cloid, whole};
use super::records::{Records, cloid};
use crate::sim::{AccountId, Exchange, OrderRef, Refusal, SimMarginMode, SimOrder, SimOrderState};
use rust_decimal::Decimal;
use serde_json::Value;
use std::collections::BTreeMap;

const NEVER_PLACED: &str = "Order was never placed, already canceled, or filled.";
/// A scheduled cancel is at least this far away, ms.
const SCHEDULE_AHEAD_MS: u64 = 5_000;
/// Scheduled cancels that may happen in a day of an account.
const SCHEDULES_A_DAY: u32 = 10;
const DAY_MS: u64 = 86_400_000;
/// Price of an action bought, 1/10000 USDC.
const ACTION_PRICE: Decimal = Decimal::from_parts(5, 0, 0, false, 4);
/// Decimals of an average price in a reply.
const AVERAGE_DECIMALS: u32 = 8;

/// Who acts, where, when.
pub(super) struct Call<'a> {
    pub(super) account: AccountId,
    pub(super) exchange: &'a mut Exchange,
    pub(super) assets: &'a Assets,
    pub(super) now_ms: u64,
}

/// All orders of an account are to be cancelled at a time.
#[derive(Clone, Copy, Debug, Default)]
struct Schedule {
    at_ms: Option<u64>,
    day: u64,
    happened: u32,
}

/// The venue's order desk.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) records: Records,
    pub(super) meter: Meter,
    /// How far from the mark an order may be priced, as a ratio.
    price_band: Decimal,
    schedules: BTreeMap<AccountId, Schedule>,
    next_id: u64,
}

/// In which part of a block an action is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// What sends no order that may take.
    Passive,
    Cancel,
    /// What sends at least one.
    Aggressive,
}

/// What an action counts for: class, how many of it, whether they are cancels.
pub(super) fn measure(action: &Value) -> (Class, u64) {
    let items = |name: &str| action.get(name).and_then(Value::as_array).map_or(1, Vec::len) as u64;
    let class = |orders: Vec<&Value>| {
        let aggressive =
            |order: &&Value| Wanted::read(order).is_ok_and(|order| order.is_aggressive());
        if orders.iter().any(aggressive) { Class::Aggressive } else { Class::Passive }
    };
    let values = |name: &str| action.get(name).and_then(Value::as_array).into_iter().flatten();
    match action.get("type").and_then(Value::as_str) {
        Some("cancel" | "cancelByCloid") => (Class::Cancel, items("cancels")),
        Some("order") => (class(values("orders").collect()), items("orders")),
        Some("modify") => (class(action.get("order").into_iter().collect()), 1),
        Some("batchModify") => {
            let orders = values("modifies").filter_map(|modify| modify.get("order"));
            (class(orders.collect()), items("modifies"))
        }
        _ => (Class::Passive, 1),
    }
}

/// `{"status":"ok","response":{"type":"default"}}`
fn done() -> String {
    String::from(r#"{"status":"ok","response":{"type":"default"}}"#)
}

fn statuses(kind: &str, rows: Vec<String>) -> String {
    let data = Object::new().raw("statuses", &array(rows)).done();
    let response = Object::new().text("type", kind).raw("data", &data).done();
    Object::new().text("status", "ok").raw("response", &response).done()
}

fn error_row(text: &str) -> String {
    Object::new().text("error", text).done()
}

impl Desk {
    pub(super) fn new(meter: Meter, price_band: Decimal) -> Self {
        Self {
            records: Records::default(),
            meter,
            price_band,
            schedules: BTreeMap::new(),
            next_id: 1,
        }
    }

    /// Carries out an action; gives the body of the reply.
    pub(super) fn execute(
        &mut self,
        action: &Value,
        call: &mut Call<'_>,
    ) -> Result<String, Refused> {
        match action.get("type").and_then(Value::as_str).unwrap_or_default() {
            "order" => self.order(action, call),
            "cancel" => self.cancel(action, call),
            "cancelByCloid" => self.cancel_by_cloid(action, call),
            "modify" => {
                let (named, order) = modification(action)?;
                let always = action.get("a") == Some(&Value::Bool(true));
                match self.modify(named, order, always, call) {
                    Ok(_) => Ok(done()),
                    Err(denied) => Err(Refused::said(denied.text)),
                }
            }
            "batchModify" => self.batch_modify(action, call),
            "scheduleCancel" => self.schedule(action, call),
            "updateLeverage" => update_leverage(action, call),
            "updateIsolatedMargin" => update_isolated_margin(action, call),
            "reserveRequestWeight" => self.reserve(action, call),
            "noop" => Ok(done()),
            other => Err(Refused::said(format!("{other} is not simulated"))),
        }
    }

    fn order(&mut self, action: &Value, call: &mut Call<'_>) -> Result<String, Refused> {
        let orders = Wanted::read_all(list(action, "orders")?)?;
        if member(action, "grouping")? != "na" {
            return Err(Refused::said("Only the grouping na is simulated"));
        }
        if orders.is_empty() {
            return Err(Refused::said("Order batch is empty."));
        }
        let row = |order| match self.place(order, call) {
            Ok(row) => row,
            Err(denied) => error_row(&denied.text),
        };
        Ok(statuses("order", orders.into_iter().map(row).collect()))
    }

    /// Places one order. A refused one gets a number too, if the venue has a name for its state.
    fn place(&mut self, wanted: Wanted, call: &mut Call<'_>) -> Result<String, Denied> {
        let assets = call.assets;
        let unknown = || Denied::unnamed(format!("Asset {} is not traded.", wanted.asset));
        let asset = assets.by_id(wanted.asset).ok_or_else(unknown)?;
        let request = wanted.request(&asset.coin, || self.spare_id())?;
        let placed = self.check(&wanted, asset, call).and_then(|()| {
            let placed = call.exchange.place(call.account, request.clone(), call.now_ms);
            placed.map_err(|refusal| Denied::by(refusal, asset, call.exchange))
        });
        match placed {
            Ok(order) if order.state == SimOrderState::Expired && order.filled.is_zero() => {
                Err(Denied::no_match())
            }
            Ok(order) => Ok(placed_row(&order)),
            Err(denied) => {
                if let Some(status) = denied.status {
                    let exchange = &mut call.exchange;
                    let order = exchange.record_rejected(call.account, request, call.now_ms);
                    self.records.name(order.order_id, status);
                }
                Err(denied)
            }
        }
    }

    /// Client id of an order whose owner gave none.
    fn spare_id(&mut self) -> String {
        self.next_id += 1;
        format!("-{}", self.next_id)
    }

    /// The rules that only this venue has.
    fn check(&self, wanted: &Wanted, asset: &Asset, call: &Call<'_>) -> Result<(), Denied> {
        if wanted.price <= Decimal::ZERO {
            return Err(Denied::unnamed("Order has invalid price."));
        }
        if wanted.size <= Decimal::ZERO || !asset.takes_size(wanted.size) {
            return Err(Denied::unnamed("Order has invalid size."));
        }
        if !asset.takes_price(wanted.price) {
            return Err(Denied::tick());
        }
        let mark = call.exchange.mark(&asset.coin, call.now_ms);
        if let Some(mark) = mark.filter(|mark| !mark.index.is_zero()) {
            let away = (wanted.price - mark.index).abs();
            if away > mark.index * self.price_band {
                return Err(Denied::by(Refusal::PriceBounds, asset, call.exchange));
            }
        }
        let volume = self.records.volume(call.account);
        let open = call.exchange.open_orders(call.account, None).len() as u64;
        if open >= self.meter.open_orders(volume) {
            return Err(Denied::unnamed("Too many open orders."));
        }
        Ok(())
    }

    fn cancel(&mut self, action: &Value, call: &mut Call<'_>) -> Result<String, Refused> {
        let read = |item: &Value| Ok((whole(item, "a")?, Named::Number(whole(item, "o")?)));
        let named: Result<Vec<_>, Refused> = list(action, "cancels")?.iter().map(read).collect();
        cancel_rows(named?, call)
    }

    fn cancel_by_cloid(&mut self, action: &Value, call: &mut Call<'_>) -> Result<String, Refused> {
        let read = |item: &Value| {
            let cloid = member(item, "cloid")?.as_str().unwrap_or_default();
            Ok((whole(item, "asset")?, Named::Cloid(read_cloid(cloid)?)))
        };
        let named: Result<Vec<_>, Refused> = list(action, "cancels")?.iter().map(read).collect();
        cancel_rows(named?, call)
    }

    /// Cancels an order and places another. Without `always` that one must not take, and is only
    /// placed if there was something to cancel.
    fn modify(
        &mut self,
        named: Named,
        order: Wanted,
        always: bool,
        call: &mut Call<'_>,
    ) -> Result<String, Denied> {
        let order = if always { order } else { order.made_passive() };
        let asset = call.assets.by_id(order.asset);
        let asset = asset.ok_or_else(|| Denied::unnamed("Asset is not traded."))?;
        if !always && order.is_aggressive() {
            return Err(Denied::unnamed("Only Alo and Gtc orders may replace others."));
        }
        let exists = find(asset, &named, call).is_some();
        if !exists && !always {
            return Err(Denied::unnamed("Cannot modify canceled or filled order"));
        }
        self.check(&order, asset, call)?;
        if exists {
            let by = reference(&named);
            let ended = call.exchange.cancel(call.account, &asset.coin, by, None, call.now_ms);
            ended.map_err(|refusal| Denied::by(refusal, asset, call.exchange))?;
        }
        self.place(order, call)
    }

    fn batch_modify(&mut self, action: &Value, call: &mut Call<'_>) -> Result<String, Refused> {
        let always = action.get("a") == Some(&Value::Bool(true));
        let all: Result<Vec<_>, Refused> =
            list(action, "modifies")?.iter().map(modification).collect();
        let row = |(named, order)| match self.modify(named, order, always, call) {
            Ok(row) => row,
            Err(denied) => error_row(&denied.text),
        };
        Ok(statuses("order", all?.into_iter().map(row).collect()))
    }

    fn schedule(&mut self, action: &Value, call: &mut Call<'_>) -> Result<String, Refused> {
        let schedule = self.schedules.entry(call.account).or_default();
        let Some(at) = action.get("time").filter(|time| !time.is_null()) else {
            schedule.at_ms = None;
            return Ok(done());
        };
        let at_ms = at.as_u64().ok_or(Refused::Unreadable)?;
        if at_ms < call.now_ms + SCHEDULE_AHEAD_MS {
            let text = "Scheduled cancel time too early, must be at least 5 seconds from now.";
            return Err(Refused::said(text));
        }
        if schedule.day == call.now_ms / DAY_MS && schedule.happened >= SCHEDULES_A_DAY {
            return Err(Refused::said("Too many scheduled cancels have been triggered today."));
        }
        schedule.at_ms = Some(at_ms);
        Ok(done())
    }

    /// Cancels what is scheduled to be.
    pub(super) fn run_schedules(&mut self, exchange: &mut Exchange, now_ms: u64) {
        for (&account, schedule) in &mut self.schedules {
            if schedule.at_ms.is_none_or(|at| at > now_ms) {
                continue;
            }
            schedule.at_ms = None;
            if schedule.day != now_ms / DAY_MS {
                (schedule.day, schedule.happened) = (now_ms / DAY_MS, 0);
            }
            schedule.happened += 1;
            for order in exchange.cancel_all(account, None, now_ms) {
                self.records.name(order.order_id, "scheduledCancel");
            }
        }
    }

    fn reserve(&mut self, action: &Value, call: &mut Call<'_>) -> Result<String, Refused> {
        let weight = whole(action, "weight")?;
        let settle = super::state::settle(call.exchange).to_owned();
        let price = ACTION_PRICE * Decimal::from(weight);
        if price > call.exchange.margin(call.account, &settle).available {
            return Err(Refused::said("Insufficient balance to reserve request weight."));
        }
        call.exchange.charge(call.account, &settle, price, call.now_ms);
        self.meter.reserve(call.account, weight);
        Ok(done())
    }
}

/// `oid` and the new order.
fn modification(value: &Value) -> Result<(Named, Wanted), Refused> {
    Ok((Named::read(value.get("oid"))?, Wanted::read(member(value, "order")?)?))
}

fn reference(named: &Named) -> OrderRef<'_> {
    match named {
        Named::Number(id) => OrderRef::Id(*id),
        Named::Cloid(cloid) => OrderRef::Client(cloid),
    }
}

/// An open order.
fn find<'a>(asset: &Asset, named: &Named, call: &'a Call<'_>) -> Option<&'a SimOrder> {
    let order = call.exchange.order(call.account, &asset.coin, reference(named));
    order.filter(|order| order.state.is_open())
}

fn cancel_rows(all: Vec<(u64, Named)>, call: &mut Call<'_>) -> Result<String, Refused> {
    if all.is_empty() {
        return Err(Refused::said("Cancel batch is empty."));
    }
    let mut rows = Vec::new();
    for (asset, named) in all {
        let ended = call.assets.by_id(asset).and_then(|asset| {
            let by = reference(&named);
            call.exchange.cancel(call.account, &asset.coin, by, None, call.now_ms).ok()
        });
        rows.push(match ended {
            Some(_) => String::from("\"success\""),
            None => error_row(NEVER_PLACED),
        });
    }
    Ok(statuses("cancel", rows))
}

/// A placed order in a reply: filled, in part perhaps, or resting.
fn placed_row(order: &SimOrder) -> String {
    let with_cloid = |row: Object| match cloid(&order.request.client_id) {
        Some(cloid) => row.text("cloid", cloid).done(),
        None => row.done(),
    };
    if order.filled.is_zero() {
        let row = with_cloid(Object::new().number("oid", order.order_id));
        return Object::new().raw("resting", &row).done();
    }
    let row = Object::new()
        .text("totalSz", &amount(order.filled))
        .text("avgPx", &amount(order.average_price().round_dp(AVERAGE_DECIMALS)))
        .number("oid", order.order_id);
    Object::new().raw("filled", &with_cloid(row)).done()
}

fn perpetual<'a>(action: &Value, call: &Call<'a>) -> Result<&'a Asset, Refused> {
    let asset = call.assets.by_id(whole(action, "asset")?).filter(|asset| !asset.is_spot);
    asset.ok_or_else(|| Refused::said("Asset is not traded."))
}

fn update_leverage(action: &Value, call: &mut Call<'_>) -> Result<String, Refused> {
    let asset = perpetual(action, call)?;
    let leverage = Decimal::from(whole(action, "leverage")?);
    let mode = match flag(action, "isCross")? {
        true => SimMarginMode::Cross,
        false => SimMarginMode::Isolated,
    };
    let (account, coin, now_ms) = (call.account, &asset.coin, call.now_ms);
    if leverage < Decimal::ONE || leverage > Decimal::from(asset.leverage_max) {
        return Err(Refused::said("Invalid leverage value"));
    }
    let said = |refusal| {
        Refused::said(match refusal {
            Refusal::HasPosition => "Cannot switch leverage type with open position.",
            Refusal::HasOrders => "Cannot switch leverage type with open orders.",
            Refusal::InsufficientMargin => "Insufficient margin to change leverage.",
            _ => "Invalid leverage value",
        })
    };
    let known = call.exchange.position(account, coin).map(|position| position.mode);
    if known != Some(mode) {
        call.exchange.set_margin_mode(account, coin, mode, now_ms).map_err(said)?;
    }
    call.exchange.set_leverage(account, coin, leverage, now_ms).map_err(said)?;
    Ok(done())
}

fn update_isolated_margin(action: &Value, call: &mut Call<'_>) -> Result<String, Refused> {
    let asset = perpetual(action, call)?;
    flag(action, "isBuy")?;
    let millionths = member(action, "ntli")?.as_i64().ok_or(Refused::Unreadable)?;
    let moved = Decimal::new(millionths, 6);
    let outcome = call.exchange.move_margin(call.account, &asset.coin, moved, call.now_ms);
    outcome.map_err(|refusal| {
        Refused::said(match refusal {
            Refusal::NoPosition => "No isolated position to change the margin of.",
            _ => "Insufficient margin to change isolated margin.",
        })
    })?;
    Ok(done())
}
