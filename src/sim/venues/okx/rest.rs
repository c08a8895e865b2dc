//! The REST endpoints: which there are, how often they may be asked, public answers, and orders.
//!
//! HTTP status is 200 for most answers: success and failure are in `code`.

#![forbid(unsafe_code)]

use super::Okx;
use super::auth::check_request;
use super::desk::Call;
use super::errors::VenueError;
use super::instruments::{Kind, row};
use super::limits::Action;
use super::market::Topic;
use super::sockets::{check_expiry, stamped};
use super::subscriptions::of_index;
use crate::sim::venues::json::{Object, array, query, quoted};
use crate::sim::{AccountId, Exchange, HttpReply, HttpRequest};
use serde_json::Value;

/// Levels a side of `market/books` at most, and unless asked for more.
const BOOK_LEVELS: (u64, u64) = (400, 1);
const FULL_BOOK_LEVELS: u64 = 5_000;

/// An endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    Time,
    Instruments,
    Books,
    FullBooks,
    Trades,
    Ticker,
    Tickers,
    IndexTickers,
    Candles,
    FundingRate,
    FundingHistory,
    MarkPrice,
    PriceLimit,
    Status,
    Tiers,
    Config,
    Balance,
    Positions,
    AccountInstruments,
    TradeFee,
    SetLeverage,
    Leverage,
    SetPositionMode,
    Bills,
    Order,
    Pending,
    History,
    Fills,
    CancelAllAfter,
    RateLimit,
    ClosePosition,
    /// One order, or a batch.
    Operate(Action, bool),
}

use Endpoint as E;

/// Method, path, endpoint, requests allowed in so many seconds. Those before [`FIRST_PRIVATE`] need
/// no key; orders are counted elsewhere.
const ENDPOINTS: [(&str, &str, Endpoint, u32, u64); 41] = [
    ("GET", "/api/v5/public/time", E::Time, 10, 2),
    ("GET", "/api/v5/public/instruments", E::Instruments, 20, 2),
    ("GET", "/api/v5/market/books", E::Books, 40, 2),
    ("GET", "/api/v5/market/books-full", E::FullBooks, 10, 2),
    ("GET", "/api/v5/market/trades", E::Trades, 100, 2),
    ("GET", "/api/v5/market/ticker", E::Ticker, 20, 2),
    ("GET", "/api/v5/market/tickers", E::Tickers, 20, 2),
    ("GET", "/api/v5/market/index-tickers", E::IndexTickers, 20, 2),
    ("GET", "/api/v5/market/candles", E::Candles, 40, 2),
    ("GET", "/api/v5/market/history-candles", E::Candles, 20, 2),
    ("GET", "/api/v5/public/funding-rate", E::FundingRate, 10, 2),
    ("GET", "/api/v5/public/funding-rate-history", E::FundingHistory, 10, 2),
    ("GET", "/api/v5/public/mark-price", E::MarkPrice, 10, 2),
    ("GET", "/api/v5/public/price-limit", E::PriceLimit, 20, 2),
    ("GET", "/api/v5/public/position-tiers", E::Tiers, 10, 2),
    ("GET", "/api/v5/system/status", E::Status, 1, 5),
    ("GET", "/api/v5/account/config", E::Config, 5, 2),
    ("GET", "/api/v5/account/balance", E::Balance, 10, 2),
    ("GET", "/api/v5/account/positions", E::Positions, 10, 2),
    ("GET", "/api/v5/account/instruments", E::AccountInstruments, 20, 2),
    ("GET", "/api/v5/account/trade-fee", E::TradeFee, 5, 2),
    ("POST", "/api/v5/account/set-leverage", E::SetLeverage, 20, 2),
    ("GET", "/api/v5/account/leverage-info", E::Leverage, 20, 2),
    ("POST", "/api/v5/account/set-position-mode", E::SetPositionMode, 5, 2),
    ("GET", "/api/v5/account/bills", E::Bills, 5, 1),
    ("GET", "/api/v5/trade/order", E::Order, 60, 2),
    ("GET", "/api/v5/trade/orders-pending", E::Pending, 60, 2),
    ("GET", "/api/v5/trade/orders-history", E::History, 40, 2),
    ("GET", "/api/v5/trade/orders-history-archive", E::History, 20, 2),
    ("GET", "/api/v5/trade/fills", E::Fills, 60, 2),
    ("GET", "/api/v5/trade/fills-history", E::Fills, 10, 2),
    ("POST", "/api/v5/trade/cancel-all-after", E::CancelAllAfter, 1, 1),
    ("GET", "/api/v5/trade/account-rate-limit", E::RateLimit, 1, 1),
    ("POST", "/api/v5/trade/close-position", E::ClosePosition, 20, 2),
    ("POST", "/api/v5/trade/order", E::Operate(Action::Place, false), 0, 0),
    ("POST", "/api/v5/trade/batch-orders", E::Operate(Action::Place, true), 0, 0),
    ("POST", "/api/v5/trade/amend-order", E::Operate(Action::Amend, false), 0, 0),
    ("POST", "/api/v5/trade/amend-batch-orders", E::Operate(Action::Amend, true), 0, 0),
    ("POST", "/api/v5/trade/cancel-order", E::Operate(Action::Cancel, false), 0, 0),
    ("POST", "/api/v5/trade/cancel-batch-orders", E::Operate(Action::Cancel, true), 0, 0),
    ("GET", "/api/v5/account/bills-archive", E::Bills, 5, 2),
];
const FIRST_PRIVATE: usize = 16;

/// Query of a request, by name.
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

    pub(super) fn required(&self, name: &str) -> Result<&str, VenueError> {
        self.get(name).ok_or_else(|| missing(name))
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, VenueError> {
        let Some(text) = self.get(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| VenueError::parameter(name))
    }

    pub(super) fn limit(
        &self,
        name: &str,
        (max, default): (u64, u64),
    ) -> Result<usize, VenueError> {
        match self.number(name)?.unwrap_or(default) {
            0 => Err(VenueError::parameter(name)),
            limit => Ok(limit.min(max) as usize),
        }
    }

    /// The instrument type that must be named.
    pub(super) fn kind(&self) -> Result<Option<Kind>, VenueError> {
        let kind = self.required("instType")?;
        let other = matches!(kind, "MARGIN" | "FUTURES" | "OPTION" | "EVENTS");
        match Kind::parse(kind) {
            None if !other => Err(VenueError::parameter("instType")),
            kind => Ok(kind),
        }
    }
}

fn missing(name: &str) -> VenueError {
    VenueError::new(50014, format!("Parameter {name} cannot be empty."))
}

/// Ready JSON of a reply's rows, or why there are none.
pub(super) type Rows = Result<Vec<String>, VenueError>;

fn reply(rows: &Rows) -> HttpReply {
    let (code, text, data, status) = match rows {
        Ok(rows) => (0, "", array(rows), 200),
        Err(error) => (error.code, &*error.text, "[]".to_owned(), error.status()),
    };
    let body = Object::new().digits("code", code.into()).raw("msg", &quoted(text));
    HttpReply { status, headers: Vec::new(), body: body.raw("data", &data).done() }
}

/// The body of a request, which must be JSON.
pub(super) fn body_of(request: &HttpRequest) -> Result<Value, VenueError> {
    let invalid = |_| VenueError::new(50002, "JSON syntax error");
    serde_json::from_str(&request.body).map_err(invalid)
}

impl Okx {
    /// Answers an HTTP request.
    pub(super) fn answer(
        &mut self,
        request: &HttpRequest,
        exchange: &mut Exchange,
        now_ms: u64,
    ) -> HttpReply {
        let known = |(method, path, ..): &(&str, &str, Endpoint, u32, u64)| {
            *method == request.method && *path == request.path
        };
        let Some(place) = ENDPOINTS.iter().position(known) else {
            let body = "{\"msg\":\"Not Found\",\"code\":\"404\",\"data\":[]}".to_owned();
            return HttpReply { status: 404, headers: Vec::new(), body };
        };
        let (_, path, endpoint, limit, seconds) = ENDPOINTS[place];
        let account = if place < FIRST_PRIVATE {
            None
        } else {
            match check_request(request, self.demand(), exchange, now_ms) {
                Ok(account) => Some(account),
                Err(error) => return reply(&Err(error)),
            }
        };
        let counted = seconds > 0;
        let rate = if counted { (path, limit, seconds) } else { ("orders", u32::MAX, 1) };
        if !self.desk.meter.take_path(account, rate, now_ms) {
            return reply(&Err(VenueError::rate_limit()));
        }
        match (endpoint, account) {
            (Endpoint::Operate(action, batch), Some(account)) => {
                self.operation(request, (action, batch), account, exchange, now_ms)
            }
            (endpoint, Some(account)) => {
                reply(&self.private(endpoint, request, account, exchange, now_ms))
            }
            (endpoint, None) => {
                reply(&self.public(endpoint, &Params::of(request), exchange, now_ms))
            }
        }
    }

    fn operation(
        &mut self,
        request: &HttpRequest,
        (action, batch): (Action, bool),
        account: AccountId,
        exchange: &mut Exchange,
        now_ms: u64,
    ) -> HttpReply {
        let expiry = request.header("exptime").filter(|_| action != Action::Cancel);
        let result =
            check_expiry(expiry, now_ms).and_then(|()| body_of(request)).and_then(|body| {
                let one = [body];
                let orders: &[Value] = match &one {
                    [Value::Array(orders)] if batch => orders,
                    one if !batch => one,
                    _ => return Err(VenueError::new(50002, "JSON syntax error")),
                };
                let mut call = Call { account, exchange, now_ms, rest: true };
                self.desk.run(action, orders, batch, &mut call)
            });
        let outcome = match result {
            Ok(outcome) => outcome,
            Err(error) => return reply(&Err(error)),
        };
        let text = if outcome.code == 1 { "All operations failed" } else { "" };
        let body = Object::new().digits("code", outcome.code.into()).text("msg", text);
        let body = stamped(body.raw("data", &outcome.rows), now_ms).done();
        HttpReply { status: 200, headers: Vec::new(), body }
    }

    fn public(
        &mut self,
        endpoint: Endpoint,
        params: &Params,
        exchange: &Exchange,
        now_ms: u64,
    ) -> Rows {
        match endpoint {
            Endpoint::Time => Ok(vec![Object::new().digits("ts", now_ms).done()]),
            Endpoint::Instruments => self.instrument_rows(params, exchange),
            Endpoint::Books => {
                let limit = params.limit("sz", BOOK_LEVELS)?;
                self.book_rows(params, limit, exchange)
            }
            Endpoint::FullBooks => {
                let limit = params.limit("sz", (FULL_BOOK_LEVELS, 1))?;
                self.book_rows(params, limit, exchange)
            }
            Endpoint::Trades => {
                let limit = params.limit("limit", (500, 100))?;
                Ok(self.market.trades(self.place(params)?, limit))
            }
            Endpoint::Candles => self.candles(params, exchange, now_ms),
            Endpoint::Ticker => self.one_row(Topic::Ticker(self.place(params)?), exchange, now_ms),
            Endpoint::PriceLimit => {
                self.one_row(Topic::Limit(self.place(params)?), exchange, now_ms)
            }
            Endpoint::FundingRate => {
                let place = self.swap(params)?;
                self.one_row(Topic::Funding(place), exchange, now_ms)
            }
            Endpoint::FundingHistory => self.funding_history(params, exchange),
            Endpoint::Tickers => self.rows_of(Topic::Ticker, params, exchange, now_ms),
            Endpoint::MarkPrice => self.rows_of(Topic::Mark, params, exchange, now_ms),
            Endpoint::IndexTickers => {
                let index = params.required("instId")?;
                let place = of_index(index, &self.desk.instruments);
                let place = place.ok_or_else(VenueError::instrument)?;
                self.one_row(Topic::Index(place), exchange, now_ms)
            }
            Endpoint::Tiers => self.tier_rows(params, exchange),
            _ => Ok(self.maintenance.iter().cloned().collect()),
        }
    }

    /// Place of the instrument that `instId` names.
    pub(super) fn place(&self, params: &Params) -> Result<usize, VenueError> {
        let found = self.desk.instruments.by_id(params.required("instId")?);
        found.map(|(place, _)| place).ok_or_else(VenueError::instrument)
    }

    /// The same, of a swap.
    pub(super) fn swap(&self, params: &Params) -> Result<usize, VenueError> {
        let found = self.desk.instruments.by_id(params.required("instId")?);
        let swap = found.filter(|(_, instrument)| instrument.kind == Kind::Swap);
        swap.map(|(place, _)| place).ok_or_else(VenueError::instrument)
    }

    fn one_row(&self, topic: Topic, exchange: &Exchange, now_ms: u64) -> Rows {
        Ok(self.market.row(topic, exchange, now_ms).into_iter().collect())
    }

    /// Rows of all instruments of a type, or of one of them.
    fn rows_of(
        &self,
        topic: impl Fn(usize) -> Topic,
        params: &Params,
        exchange: &Exchange,
        now_ms: u64,
    ) -> Rows {
        // Spot has its mark prices under another name.
        let margin = params.get("instType") == Some("MARGIN");
        let kind = if margin { Some(Kind::Spot) } else { params.kind()? };
        let id = params.get("instId");
        let all = self.desk.instruments.all().iter().enumerate();
        let wanted = all.filter(|(_, one)| Some(one.kind) == kind);
        let wanted = wanted.filter(|(_, one)| id.is_none_or(|id| one.id == id));
        Ok(wanted
            .filter_map(|(place, _)| self.market.row(topic(place), exchange, now_ms))
            .collect())
    }

    fn instrument_rows(&self, params: &Params, exchange: &Exchange) -> Rows {
        let (kind, id) = (params.kind()?, params.get("instId"));
        let band = self.options.price_band;
        let all = self.desk.instruments.all().iter();
        let rows: Vec<String> = all
            .filter(|one| Some(one.kind) == kind && id.is_none_or(|id| one.id == id))
            .filter_map(|one| Some(row(one, exchange.rules(&one.id)?, band)))
            .collect();
        if rows.is_empty() && id.is_some() { Err(VenueError::instrument()) } else { Ok(rows) }
    }

    fn book_rows(&self, params: &Params, limit: usize, exchange: &Exchange) -> Rows {
        let book = self.market.book(self.place(params)?, limit, exchange);
        Ok(book.into_iter().collect())
    }

    pub(super) fn account_instruments(&self, params: &Params, exchange: &Exchange) -> Rows {
        self.instrument_rows(params, exchange)
    }
}
