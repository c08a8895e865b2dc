//! What clients do with orders, whichever way it was asked: HTTP or socket, one or many.

#![forbid(unsafe_code)]

use super::OkxOptions;
use super::errors::{VenueError, amend_too_late, cancel_too_late, cancel_unknown, refused};
use super::fields::{self, Wanted};
use super::instruments::{Instrument, Instruments, Kind};
use super::limits::{Action, Exceeded, Meter};
use super::records::{AmendResult, Record, Records, order_id};
use super::tickers::{price_limits, prices};
use crate::sim::venues::fields::Fields;
use crate::sim::venues::json::{Object, array};
use crate::sim::{
    AccountId, Exchange, OrderRef, PlaceRequest, Refusal, SimMarginMode, SimOrderState,
    SimOrderType, SymbolRules,
};
use crate::types::Side;
use rust_decimal::Decimal;
use serde_json::Value;

/// Orders of one batch.
const BATCH_MAX: usize = 20;
/// Open orders of one account, and of one instrument of it.
const OPEN_MAX: usize = 4_000;
const OPEN_OF_ONE_MAX: usize = 500;
/// Why an order is cancelled.
const BY_USER: &str = "1";

/// The venue's order desk.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) instruments: Instruments,
    pub(super) records: Records,
    pub(super) meter: Meter,
    band: Decimal,
    race_ms: u64,
    timeout_every: u64,
    placed: u64,
}

/// Who asks, on which exchange, when, over what.
pub(super) struct Call<'a> {
    pub(super) account: AccountId,
    pub(super) exchange: &'a mut Exchange,
    pub(super) now_ms: u64,
    /// Over HTTP instruments have names, on sockets number codes.
    pub(super) rest: bool,
}

/// The outcome of one order of a request.
#[derive(Debug)]
struct Item {
    client: String,
    id: String,
    tag: String,
    request_id: String,
    error: Option<VenueError>,
}

impl Item {
    fn row(&self, action: Action, now_ms: u64) -> String {
        let (code, text, sub) = match &self.error {
            Some(error) => (error.code, &*error.text, error.sub_code()),
            None => (0, "", ""),
        };
        let row = Object::new().text("clOrdId", &self.client).text("ordId", &self.id);
        let row = if action == Action::Place { row.text("tag", &self.tag) } else { row };
        let row = row.digits("ts", now_ms);
        let row = if action == Action::Amend { row.text("reqId", &self.request_id) } else { row };
        let row = row.digits("sCode", code.into()).text("sMsg", text);
        if action == Action::Cancel { row } else { row.text("subCode", sub) }.done()
    }
}

/// The outcome of a request: `code` and rows in its order.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    /// 0 all succeeded, 1 none did, 2 some.
    pub(super) code: u32,
    pub(super) rows: String,
}

impl Desk {
    pub(super) fn new(options: &OkxOptions) -> Self {
        Self {
            instruments: Instruments::default(),
            records: Records::default(),
            meter: Meter::new(options.limits),
            band: options.price_band,
            race_ms: options.race_ms,
            timeout_every: options.timeout_every,
            placed: 0,
        }
    }

    /// Carries out a request of one order, or of up to twenty. An error is of the request as a
    /// whole: nothing of it was done, except after a timeout.
    pub(super) fn run(
        &mut self,
        action: Action,
        orders: &[Value],
        batch: bool,
        call: &mut Call<'_>,
    ) -> Result<Outcome, VenueError> {
        let allowed = if batch { 1..=BATCH_MAX } else { 1..=1 };
        let named = |order: &Value| {
            let name = if call.rest { "instId" } else { "instIdCode" };
            order.is_object() && (order.get(name).is_some() || order.get("instId").is_some())
        };
        if !allowed.contains(&orders.len()) || !orders.iter().all(named) {
            return Err(if call.rest {
                VenueError::parameter("instId")
            } else {
                VenueError::bad_args()
            });
        }
        let mut items = Vec::new();
        for order in orders {
            let fields = Fields(order);
            let item = self.item(action, fields, orders.len() > 1, call);
            let limited = item.error.as_ref().is_some_and(|error| error.code == 50011);
            if limited && orders.len() == 1 {
                return Err(VenueError::rate_limit());
            }
            items.push(item);
        }
        if action == Action::Place && self.times_out() {
            return Err(VenueError::timeout());
        }
        let failed = items.iter().filter(|item| item.error.is_some()).count();
        let code = match failed {
            0 => 0,
            _ if failed == items.len() => 1,
            _ => 2,
        };
        let rows = array(items.iter().map(|item| item.row(action, call.now_ms)));
        Ok(Outcome { code, rows })
    }

    /// Whether the reply to this request for new orders is lost in the gateway.
    fn times_out(&mut self) -> bool {
        self.placed += 1;
        self.timeout_every > 0 && self.placed.is_multiple_of(self.timeout_every)
    }

    fn item(
        &mut self,
        action: Action,
        fields: Fields<'_>,
        batch: bool,
        call: &mut Call<'_>,
    ) -> Item {
        let said = |name: &str| fields.text(name).ok().flatten().unwrap_or_default().to_owned();
        let result = self.act(action, fields, batch, call);
        let id = match &result {
            Ok(id) => order_id(*id).to_string(),
            // A cancel or an amendment that is refused names what was asked for.
            Err(_) if action == Action::Place => String::new(),
            Err(_) => said("ordId"),
        };
        Item {
            client: said("clOrdId"),
            id,
            tag: said("tag"),
            request_id: said("reqId"),
            error: result.err(),
        }
    }

    fn act(
        &mut self,
        action: Action,
        fields: Fields<'_>,
        batch: bool,
        call: &mut Call<'_>,
    ) -> Result<u64, VenueError> {
        let (place, instrument) = self.instrument(fields, call.rest)?;
        let (instrument, exempt) = (instrument.clone(), instrument.kind == Kind::Spot);
        let kind = (batch, exempt);
        let taken = self.meter.take_order(call.account, action, place, kind, call.now_ms);
        taken.map_err(|exceeded| match exceeded {
            Exceeded::Instrument => VenueError::rate_limit(),
            Exceeded::Account => VenueError::account_limit(),
        })?;
        let rules = call.exchange.rules(&instrument.id).ok_or_else(VenueError::instrument)?.clone();
        match action {
            Action::Place => self.place(fields, &instrument, &rules, call),
            Action::Amend => self.amend(fields, &instrument, &rules, call),
            Action::Cancel => self.cancel(fields, &instrument, call),
        }
    }

    /// The instrument that an order names: by `instId` over HTTP, by `instIdCode` alone on sockets.
    fn instrument(
        &self,
        fields: Fields<'_>,
        rest: bool,
    ) -> Result<(usize, &Instrument), VenueError> {
        let found = if rest {
            self.instruments.by_id(fields.required("instId")?)
        } else {
            let code = fields.0.get("instIdCode").and_then(Value::as_u64);
            code.and_then(|code| self.instruments.by_code(code))
        };
        found.ok_or_else(VenueError::instrument)
    }

    fn place(
        &mut self,
        fields: Fields<'_>,
        instrument: &Instrument,
        rules: &SymbolRules,
        call: &mut Call<'_>,
    ) -> Result<u64, VenueError> {
        let wanted = fields::new_order(fields, instrument)?;
        let Wanted { mut request, mut asked, moves_price } = wanted;
        let now = (&*call.exchange, call.now_ms);
        if let Some(price) = self.banded(&request, instrument, rules, now) {
            if !moves_price {
                return Err(outside(request.side, price));
            }
            request.price = price;
        }
        self.check_open(call.account, &instrument.id)?;
        if instrument.kind == Kind::Swap {
            asked.lever = choose_mode(asked.trade_mode, &instrument.id, call)?;
        }
        if request.client_id.is_empty() {
            request.client_id = self.records.make_name();
        }
        // Of an order sized in quote what it would buy at the last price.
        let last = call.exchange.last_price(&instrument.id).filter(|last| !last.is_zero());
        let base = match (request.order_type, last) {
            (SimOrderType::MarketQuote, Some(last)) => request.qty / last,
            _ => request.qty,
        };
        let asset = locked_asset(rules, &request);
        let order = match call.exchange.place(call.account, request.clone(), call.now_ms) {
            Ok(order) => order,
            // The venue accepts it and then cancels it.
            Err(Refusal::WouldTake) => {
                call.exchange.record_rejected(call.account, request, call.now_ms)
            }
            Err(refusal) => return Err(refused(refusal, rules, asset, base)),
        };
        self.records.created(&order, asked);
        Ok(order.order_id)
    }

    /// The edge of the price band, if the order's price is beyond it.
    fn banded(
        &self,
        request: &PlaceRequest,
        instrument: &Instrument,
        rules: &SymbolRules,
        (exchange, now_ms): (&Exchange, u64),
    ) -> Option<Decimal> {
        let limited = matches!(request.order_type, SimOrderType::Limit | SimOrderType::PostOnly);
        if !limited || request.price <= Decimal::ZERO {
            return None;
        }
        let prices = prices(instrument, exchange, now_ms)?;
        let (highest, lowest) = price_limits(rules, prices.mark, self.band);
        match request.side {
            Side::Buy if request.price > highest => Some(highest),
            Side::Sell if request.price < lowest => Some(lowest),
            _ => None,
        }
    }

    fn check_open(&self, account: AccountId, id: &str) -> Result<(), VenueError> {
        let open = self.records.open(account);
        let (mut all, mut same) = (0, 0);
        for record in open {
            all += 1;
            same += usize::from(record.order.request.symbol == id);
        }
        if all >= OPEN_MAX || same >= OPEN_OF_ONE_MAX {
            return Err(VenueError::new(51000, "Too many open orders."));
        }
        Ok(())
    }

    /// The order of this instrument that `ordId`, or else `clOrdId`, names.
    fn find(
        &self,
        fields: Fields<'_>,
        instrument: &Instrument,
        account: AccountId,
    ) -> Result<Option<&Record>, VenueError> {
        let (id, client) = (fields.text("ordId")?, fields.text("clOrdId")?);
        if id.is_none() && client.is_none() {
            return Err(VenueError::parameter("ordId or clOrdId"));
        }
        let found = self.records.find(account, id, client);
        Ok(found.filter(|record| record.order.request.symbol == instrument.id))
    }

    fn cancel(
        &mut self,
        fields: Fields<'_>,
        instrument: &Instrument,
        call: &mut Call<'_>,
    ) -> Result<u64, VenueError> {
        let found = self.find(fields, instrument, call.account)?;
        let order = &found.ok_or_else(cancel_unknown)?.order;
        let (id, state, updated_ms) = (order.order_id, order.state, order.updated_ms);
        if state.is_open() {
            return self.withdraw(id, BY_USER, instrument, call).map_err(|_| cancel_too_late());
        }
        // The cancel left before the client could know of the fill: accepted, and nothing comes.
        if state == SimOrderState::Filled && updated_ms + self.race_ms > call.now_ms {
            return Ok(id);
        }
        Err(cancel_too_late())
    }

    /// Cancels an open order for a reason.
    fn withdraw(
        &mut self,
        id: u64,
        source: &'static str,
        instrument: &Instrument,
        call: &mut Call<'_>,
    ) -> Result<u64, Refusal> {
        let by = OrderRef::Id(id);
        call.exchange.cancel(call.account, &instrument.id, by, None, call.now_ms).map(|ended| {
            self.records.will_cancel(id, source);
            self.records.refresh(&ended);
            id
        })
    }

    fn amend(
        &mut self,
        fields: Fields<'_>,
        instrument: &Instrument,
        rules: &SymbolRules,
        call: &mut Call<'_>,
    ) -> Result<u64, VenueError> {
        let request_id = fields::request_name(fields)?.to_owned();
        let cancels = fields::flag(fields, "cxlOnFail")?;
        let size = fields.decimal("newSz")?.map(|size| instrument.to_base(size));
        let price = fields.decimal("newPx")?;
        if size.is_none() && price.is_none() {
            return Err(VenueError::parameter("newSz or newPx"));
        }
        let found = self.find(fields, instrument, call.account)?;
        let order = &found.ok_or_else(amend_too_late)?.order;
        if !order.state.is_open() {
            return Err(amend_too_late());
        }
        let (id, mut wanted) = (order.order_id, order.request.clone());
        wanted.price = price.unwrap_or(wanted.price);
        wanted.qty = size.unwrap_or(wanted.qty);
        let now = (&*call.exchange, call.now_ms);
        let result = match self.banded(&wanted, instrument, rules, now) {
            Some(edge) => Err(outside(wanted.side, edge)),
            None => call
                .exchange
                .amend(call.account, &instrument.id, OrderRef::Id(id), price, size, call.now_ms)
                .map_err(|refusal| {
                    refused(refusal, rules, locked_asset(rules, &wanted), wanted.qty)
                }),
        };
        match result {
            Ok(amended) => {
                self.records.amended(id, &request_id, AmendResult::Done);
                self.records.refresh(&amended);
                Ok(id)
            }
            Err(error) => {
                if cancels && self.withdraw(id, BY_USER, instrument, call).is_ok() {
                    self.records.amended(id, &request_id, AmendResult::Canceled);
                }
                Err(error)
            }
        }
    }

    /// Cancels an account's open orders in one instrument.
    pub(super) fn cancel_open(
        &mut self,
        instrument: &Instrument,
        source: &'static str,
        call: &mut Call<'_>,
    ) {
        let of = |record: &&Record| record.order.request.symbol == instrument.id;
        let open: Vec<u64> = self
            .records
            .open(call.account)
            .filter(of)
            .map(|record| record.order.order_id)
            .collect();
        for id in open {
            // One that has just been filled needs no cancelling.
            let _ = self.withdraw(id, source, instrument, call);
        }
    }

    /// Cancels all open orders of an account, or those with a tag, because its timer has run out.
    pub(super) fn cancel_all(
        &mut self,
        account: AccountId,
        tag: &str,
        source: &'static str,
        exchange: &mut Exchange,
        now_ms: u64,
    ) {
        let wanted = |record: &&Record| tag.is_empty() || record.asked.tag == tag;
        let open: Vec<(u64, String)> = self
            .records
            .open(account)
            .filter(wanted)
            .map(|record| (record.order.order_id, record.order.request.symbol.clone()))
            .collect();
        let mut call = Call { account, exchange, now_ms, rest: true };
        for (id, symbol) in open {
            let Some((_, instrument)) = self.instruments.by_id(&symbol) else { continue };
            let instrument = instrument.clone();
            // One that has just been filled needs no cancelling.
            let _ = self.withdraw(id, source, &instrument, &mut call);
        }
    }
}

/// The refusal of a price beyond the band.
fn outside(side: Side, edge: Decimal) -> VenueError {
    let edge = edge.normalize();
    match side {
        Side::Buy => {
            VenueError::new(51137, format!("The highest price limit for buy orders is {edge}"))
        }
        Side::Sell => {
            VenueError::new(51138, format!("The lowest price limit for sell orders is {edge}"))
        }
    }
}

/// Makes the position's margin mode that of the order; gives its leverage. The venue keeps a
/// position of each mode, the exchange one: while there is a position or an order of the other
/// mode, the order is refused.
fn choose_mode(mode: &str, id: &str, call: &mut Call<'_>) -> Result<String, VenueError> {
    let (account, now_ms) = (call.account, call.now_ms);
    let wanted = if mode == "cross" { SimMarginMode::Cross } else { SimMarginMode::Isolated };
    let position = call.exchange.position(account, id).ok_or_else(VenueError::instrument)?;
    if position.mode != wanted {
        let changed = call.exchange.set_margin_mode(account, id, wanted, now_ms);
        changed.map_err(|_| VenueError::parameter("tdMode"))?;
    }
    Ok(position.leverage.normalize().to_string())
}

/// What an order would lock.
fn locked_asset<'a>(rules: &'a SymbolRules, request: &PlaceRequest) -> &'a str {
    if let Some(perpetual) = &rules.perpetual {
        return &perpetual.settle;
    }
    if request.side == Side::Buy { &rules.quote } else { &rules.base }
}
