//! What clients do with orders, whichever way it was asked: HTTP or trade socket, one or many.

use super::BybitOptions;
use super::category::{Category, wire_symbol};
use super::errors::{VenueError, refused};
use super::fields::{Fields, check_venue_rules};
use super::json::{Object, array, quoted};
use super::limits::{Budget, Endpoint, Meter};
use super::records::{Records, exchange_id};
use crate::sim::{AccountId, Exchange, OrderRef, Refusal, SimOrder, SimOrderState};
use rust_decimal::Decimal;
use serde_json::Value;

/// Open orders of one account.
const OPEN_MAX: usize = 500;
/// Orders of one batch, of spot and of linear.
const BATCH_MAX: [usize; 2] = [10, 20];

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Create,
    Amend,
    Cancel,
}

impl Action {
    pub(super) fn endpoint(self) -> Endpoint {
        match self {
            Self::Create => Endpoint::Create,
            Self::Amend => Endpoint::Amend,
            Self::Cancel => Endpoint::Cancel,
        }
    }

    fn batch_endpoint(self) -> Endpoint {
        match self {
            Self::Create => Endpoint::CreateBatch,
            Self::Amend => Endpoint::AmendBatch,
            Self::Cancel => Endpoint::CancelBatch,
        }
    }
}

/// The bodies of a successful reply: `result` or `data`, and `retExtInfo`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) result: String,
    pub(super) ext: String,
}

impl Reply {
    pub(super) fn of(result: String) -> Self {
        Self { result, ext: "{}".to_owned() }
    }
}

/// An accepted request.
struct Ack {
    id: u64,
    link: String,
}

/// The venue's order desk.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) records: Records,
    pub(super) meter: Meter,
    price_band: Decimal,
    race_ms: u64,
    /// Filled orders whose cancel was accepted a moment too late: a second notice is due.
    pub(super) raced: Vec<(AccountId, u64)>,
}

/// Who asks, on which exchange, when.
pub(super) struct Call<'a> {
    pub(super) account: AccountId,
    pub(super) exchange: &'a mut Exchange,
    pub(super) now_ms: u64,
}

impl Desk {
    pub(super) fn new(options: &BybitOptions) -> Self {
        Self {
            records: Records::default(),
            meter: Meter::new(options.limits),
            price_band: options.price_band,
            race_ms: options.race_ms,
            raced: Vec::new(),
        }
    }

    /// One order. The budget has been taken by the caller.
    pub(super) fn one(
        &mut self,
        action: Action,
        args: &Value,
        call: &mut Call<'_>,
    ) -> Result<Reply, VenueError> {
        let category = Fields(args).category()?;
        let ack = self.act(action, category, Fields(args), call)?;
        let object = Object::new().text("orderId", &category.order_id(ack.id));
        Ok(Reply::of(object.text("orderLinkId", &ack.link).done()))
    }

    fn act(
        &mut self,
        action: Action,
        category: Category,
        fields: Fields<'_>,
        call: &mut Call<'_>,
    ) -> Result<Ack, VenueError> {
        match action {
            Action::Create => self.create(category, fields, call),
            Action::Amend => self.amend(category, fields, call),
            Action::Cancel => self.cancel(category, fields, call),
        }
    }

    /// A batch: positional results, each order taken from the batch's own budget.
    pub(super) fn batch(
        &mut self,
        action: Action,
        args: &Value,
        call: &mut Call<'_>,
    ) -> Result<(Reply, Budget), VenueError> {
        let category = Fields(args).category()?;
        let most = BATCH_MAX[usize::from(category == Category::Linear)];
        let items = args.get("request").and_then(Value::as_array);
        let items = items.filter(|items| (1..=most).contains(&items.len()));
        let items = items.ok_or_else(|| VenueError::parameter("request"))?;
        let (mut rows, mut codes) = (Vec::new(), Vec::new());
        let mut budget = Budget { limit: 0, left: 0, reset_ms: call.now_ms };
        for item in items {
            let endpoint = action.batch_endpoint();
            let (allowed, now) = self.meter.take(call.account, endpoint, call.now_ms);
            budget = now;
            let result = if allowed {
                self.act(action, category, Fields(item), call)
            } else {
                Err(VenueError::rate_limit())
            };
            rows.push(batch_row((action, category), item, result.as_ref().ok(), call.now_ms));
            let (code, text) = match &result {
                Ok(_) => (0, "OK"),
                Err(error) => (error.code, error.text.as_str()),
            };
            codes.push(format!("{{\"code\":{code},\"msg\":{}}}", quoted(text)));
        }
        let list = |items: Vec<String>| format!("{{\"list\":{}}}", array(items));
        Ok((Reply { result: list(rows), ext: list(codes) }, budget))
    }

    fn create(
        &mut self,
        category: Category,
        fields: Fields<'_>,
        call: &mut Call<'_>,
    ) -> Result<Ack, VenueError> {
        let mut request = fields.new_order(category)?;
        let rules = call.exchange.rules(&request.symbol);
        let rules = rules.ok_or_else(|| VenueError::symbol_in(category))?.clone();
        let last_price = call.exchange.last_price(&request.symbol);
        if request.reduce_only && request.qty.is_zero() {
            // No quantity: all of the position.
            let position = call.exchange.position(call.account, &request.symbol);
            request.qty = position.map_or(Decimal::ZERO, |position| position.qty.abs());
        }
        check_venue_rules(&request, &rules, last_price, self.price_band)?;
        let (price, qty) = (request.price, request.qty);
        let refuse = |refusal| refused(refusal, &rules, price, qty);
        if request.client_id.is_empty() {
            request.client_id = self.records.make_link();
        } else if self.records.link_used(call.account, &request.client_id) {
            return Err(refuse(Refusal::DuplicateClientId));
        }
        if self.records.open_count(call.account) >= OPEN_MAX {
            let code = if category == Category::Spot { 170810 } else { 110020 };
            return Err(VenueError::new(code, "Too many open orders."));
        }
        let order = match call.exchange.place(call.account, request.clone(), call.now_ms) {
            Ok(order) => order,
            // It is accepted and then reported as rejected, or cancelled.
            Err(Refusal::WouldTake) => {
                call.exchange.record_rejected(call.account, request, call.now_ms)
            }
            Err(refusal) => return Err(refuse(refusal)),
        };
        self.records.created(&order, last_price);
        Ok(Ack { id: order.order_id, link: order.request.client_id })
    }

    /// The order that `orderId`, or else `orderLinkId`, names.
    fn find(
        &self,
        category: Category,
        fields: Fields<'_>,
        call: &Call<'_>,
    ) -> Result<SimOrder, VenueError> {
        let symbol = category.symbol(fields.required("symbol")?);
        if call.exchange.rules(&symbol).is_none() {
            return Err(VenueError::symbol_in(category));
        }
        let unknown = || VenueError::unknown_in(category);
        let by = match (fields.text("orderId")?, fields.link()?) {
            (Some(id), _) => OrderRef::Id(exchange_id(id).ok_or_else(unknown)?),
            (None, Some(link)) => OrderRef::Client(link),
            (None, None) => return Err(VenueError::parameter("orderId")),
        };
        call.exchange.order(call.account, &symbol, by).cloned().ok_or_else(unknown)
    }

    fn cancel(
        &mut self,
        category: Category,
        fields: Fields<'_>,
        call: &mut Call<'_>,
    ) -> Result<Ack, VenueError> {
        let order = self.find(category, fields, call)?;
        let (id, link) = (order.order_id, order.request.client_id);
        if order.state.is_open() {
            let (symbol, by) = (&order.request.symbol, OrderRef::Id(id));
            let ended = call
                .exchange
                .cancel(call.account, symbol, by, None, call.now_ms)
                .map_err(|_| VenueError::unknown_in(category))?;
            self.records.update(&ended);
            return Ok(Ack { id, link });
        }
        // The cancel left before the client could know of the fill: accepted, then told.
        let just_now = order.updated_ms + self.race_ms > call.now_ms;
        if order.state == SimOrderState::Filled && just_now {
            self.raced.push((call.account, id));
            return Ok(Ack { id, link });
        }
        Err(ended(category, order.state))
    }

    fn amend(
        &mut self,
        category: Category,
        fields: Fields<'_>,
        call: &mut Call<'_>,
    ) -> Result<Ack, VenueError> {
        let order = self.find(category, fields, call)?;
        let changed = |name| -> Result<Option<Decimal>, VenueError> {
            Ok(fields.decimal(name)?.filter(|value| !value.is_zero()))
        };
        let (price, qty) = (changed("price")?, changed("qty")?);
        if !order.state.is_open() {
            return Err(ended(category, order.state));
        }
        if qty.is_some_and(|qty| qty <= order.filled) {
            let text = "The quantity must be greater than the filled quantity.";
            return Err(VenueError::new(110064, text));
        }
        let (request, by) = (&order.request, OrderRef::Id(order.order_id));
        let rules = call.exchange.rules(&request.symbol).ok_or_else(VenueError::symbol)?.clone();
        let mut wanted = request.clone();
        (wanted.price, wanted.qty) = (price.unwrap_or(request.price), qty.unwrap_or(request.qty));
        let last_price = call.exchange.last_price(&request.symbol);
        check_venue_rules(&wanted, &rules, last_price, self.price_band)?;
        let amended = call
            .exchange
            .amend(call.account, &request.symbol, by, price, qty, call.now_ms)
            .map_err(|refusal| refused(refusal, &rules, wanted.price, wanted.qty))?;
        self.records.update(&amended);
        Ok(Ack { id: order.order_id, link: amended.request.client_id })
    }

    /// All open orders, or those of one symbol, base or quote coin.
    pub(super) fn cancel_all(
        &mut self,
        args: &Value,
        call: &mut Call<'_>,
    ) -> Result<Reply, VenueError> {
        let fields = Fields(args);
        let category = fields.category()?;
        let (symbol, base) = (fields.text("symbol")?, fields.text("baseCoin")?);
        let settle = fields.text("settleCoin")?;
        if category == Category::Linear && symbol.or(base).or(settle).is_none() {
            let text = "params error: symbol, baseCoin or settleCoin is required";
            return Err(VenueError::new(10001, text));
        }
        let wanted = |rules: &&crate::sim::SymbolRules| match (symbol, base, settle) {
            (Some(symbol), ..) => wire_symbol(&rules.symbol) == symbol,
            (None, Some(base), _) => rules.base == base,
            (None, None, Some(settle)) => rules.quote == settle,
            (None, None, None) => true,
        };
        let rules = call.exchange.symbols();
        let symbols: Vec<String> =
            rules.iter().filter(wanted).map(|rules| rules.symbol.clone()).collect();
        let symbols: Vec<String> =
            symbols.into_iter().filter(|symbol| Category::of(symbol) == category).collect();
        if symbols.is_empty() {
            return Err(VenueError::symbol_in(category));
        }
        let mut rows = Vec::new();
        for symbol in &symbols {
            for order in call.exchange.cancel_all(call.account, Some(symbol), call.now_ms) {
                self.records.update(&order);
                let row = Object::new().text("orderId", &category.order_id(order.order_id));
                rows.push(row.text("orderLinkId", &order.request.client_id).done());
            }
        }
        let result = Object::new().raw("list", &array(rows)).text("success", "1").done();
        Ok(Reply::of(result))
    }
}

/// Why an order that has ended can no longer be cancelled or amended.
fn ended(category: Category, state: SimOrderState) -> VenueError {
    match category {
        Category::Spot => VenueError::ended(state),
        Category::Linear => VenueError::unknown_in(category),
    }
}

/// One row of a batch reply; a refused order has no id.
fn batch_row(
    (action, category): (Action, Category),
    item: &Value,
    ack: Option<&Ack>,
    now_ms: u64,
) -> String {
    let asked = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default();
    let id = ack.map(|ack| category.order_id(ack.id)).unwrap_or_default();
    let row = Object::new()
        .text("category", category.word())
        .text("symbol", asked("symbol"))
        .text("orderId", &id)
        .text("orderLinkId", ack.map_or(asked("orderLinkId"), |ack| &ack.link));
    match action {
        Action::Create if ack.is_some() => row.digits("createAt", now_ms).done(),
        Action::Create => row.text("createAt", "").done(),
        Action::Amend | Action::Cancel => row.done(),
    }
}
