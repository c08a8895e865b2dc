//! The table of operations: what each is called on both wires, what it may be sent, what it costs.

use super::params::Params;

/// An operation of the venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Ping,
    Time,
    ExchangeInfo,
    Depth,
    Trades,
    Klines,
    BookTicker,
    PriceTicker,
    OrderPlace,
    OrderTest,
    OrderCancel,
    OrderStatus,
    OrderAmend,
    CancelReplace,
    OpenOrders,
    CancelAll,
    AllOrders,
    MyTrades,
    Account,
    Commission,
    OrderLimits,
    Logon,
    SessionStatus,
    Logout,
    Subscribe,
    SubscribeSignature,
    Unsubscribe,
    Subscriptions,
}

/// One row of a market's table.
pub(super) struct Spec<O> {
    pub(super) op: O,
    /// Method of the ws api.
    pub(super) method: &'static str,
    /// Verb and path of REST, where it has one.
    pub(super) rest: Option<(&'static str, &'static str)>,
    /// Needs a key, a timestamp and a signature.
    pub(super) signed: bool,
    /// Places an order, so that replies show the order counters.
    pub(super) counts_orders: bool,
    /// Parameters it knows.
    pub(super) params: &'static [&'static str],
}

/// Parameters that every signed request may have; `apiKey` on the ws api only.
pub(super) const SIGNED: &[&str] = &["apiKey", "timestamp", "recvWindow", "signature"];
/// Parameter that every request of the ws api may have.
pub(super) const WS: &[&str] = &["returnRateLimits"];

const NONE: &[&str] = &[];
const ORDER: &[&str] = &[
    "symbol",
    "side",
    "type",
    "timeInForce",
    "quantity",
    "quoteOrderQty",
    "price",
    "newClientOrderId",
    "strategyId",
    "strategyType",
    "stopPrice",
    "trailingDelta",
    "icebergQty",
    "newOrderRespType",
    "selfTradePreventionMode",
    "pegPriceType",
    "pegOffsetValue",
    "pegOffsetType",
    "computeCommissionRates",
];
const CANCEL: &[&str] =
    &["symbol", "orderId", "origClientOrderId", "newClientOrderId", "cancelRestrictions"];
const CANCEL_REPLACE: &[&str] = &[
    "symbol",
    "side",
    "type",
    "cancelReplaceMode",
    "timeInForce",
    "quantity",
    "quoteOrderQty",
    "price",
    "cancelNewClientOrderId",
    "cancelOrigClientOrderId",
    "cancelOrderId",
    "newClientOrderId",
    "strategyId",
    "strategyType",
    "stopPrice",
    "trailingDelta",
    "icebergQty",
    "newOrderRespType",
    "selfTradePreventionMode",
    "cancelRestrictions",
    "orderRateLimitExceededMode",
    "pegPriceType",
    "pegOffsetValue",
    "pegOffsetType",
];
const AMEND: &[&str] = &["symbol", "orderId", "origClientOrderId", "newClientOrderId", "newQty"];
const QUERY: &[&str] = &["symbol", "orderId", "origClientOrderId"];
const SYMBOL: &[&str] = &["symbol"];
const INFO: &[&str] = &["symbol", "symbols", "permissions", "showPermissionSets", "symbolStatus"];
const TICKER: &[&str] = &["symbol", "symbols", "symbolStatus"];
const DEPTH: &[&str] = &["symbol", "limit", "symbolStatus"];
const HISTORY: &[&str] = &["symbol", "orderId", "startTime", "endTime", "limit"];
const MY_TRADES: &[&str] = &["symbol", "orderId", "startTime", "endTime", "fromId", "limit"];

const fn public(
    op: Op,
    method: &'static str,
    rest: (&'static str, &'static str),
    params: &'static [&'static str],
) -> Spec<Op> {
    Spec { op, method, rest: Some(rest), signed: false, counts_orders: false, params }
}

const fn signed(
    op: Op,
    method: &'static str,
    rest: (&'static str, &'static str),
    params: &'static [&'static str],
) -> Spec<Op> {
    Spec { op, method, rest: Some(rest), signed: true, counts_orders: false, params }
}

const fn placing(
    op: Op,
    method: &'static str,
    path: &'static str,
    params: &'static [&'static str],
) -> Spec<Op> {
    Spec { op, method, rest: Some(("POST", path)), signed: true, counts_orders: true, params }
}

const fn session(
    op: Op,
    method: &'static str,
    signed: bool,
    params: &'static [&'static str],
) -> Spec<Op> {
    Spec { op, method, rest: None, signed, counts_orders: false, params }
}

/// Every operation. `allOrders` of the ws api has the same name as its REST path.
pub(super) const OPS: &[Spec<Op>] = &[
    public(Op::Ping, "ping", ("GET", "/api/v3/ping"), NONE),
    public(Op::Time, "time", ("GET", "/api/v3/time"), NONE),
    public(Op::ExchangeInfo, "exchangeInfo", ("GET", "/api/v3/exchangeInfo"), INFO),
    public(Op::Depth, "depth", ("GET", "/api/v3/depth"), DEPTH),
    public(Op::Trades, "trades.recent", ("GET", "/api/v3/trades"), &["symbol", "limit"]),
    public(Op::Klines, "klines", ("GET", "/api/v3/klines"), super::klines::PARAMS),
    public(Op::BookTicker, "ticker.book", ("GET", "/api/v3/ticker/bookTicker"), TICKER),
    public(Op::PriceTicker, "ticker.price", ("GET", "/api/v3/ticker/price"), TICKER),
    placing(Op::OrderPlace, "order.place", "/api/v3/order", ORDER),
    signed(Op::OrderTest, "order.test", ("POST", "/api/v3/order/test"), ORDER),
    signed(Op::OrderCancel, "order.cancel", ("DELETE", "/api/v3/order"), CANCEL),
    signed(Op::OrderStatus, "order.status", ("GET", "/api/v3/order"), QUERY),
    signed(
        Op::OrderAmend,
        "order.amend.keepPriority",
        ("PUT", "/api/v3/order/amend/keepPriority"),
        AMEND,
    ),
    placing(
        Op::CancelReplace,
        "order.cancelReplace",
        "/api/v3/order/cancelReplace",
        CANCEL_REPLACE,
    ),
    signed(Op::OpenOrders, "openOrders.status", ("GET", "/api/v3/openOrders"), SYMBOL),
    signed(Op::CancelAll, "openOrders.cancelAll", ("DELETE", "/api/v3/openOrders"), SYMBOL),
    signed(Op::AllOrders, "allOrders", ("GET", "/api/v3/allOrders"), HISTORY),
    signed(Op::MyTrades, "myTrades", ("GET", "/api/v3/myTrades"), MY_TRADES),
    signed(Op::Account, "account.status", ("GET", "/api/v3/account"), &["omitZeroBalances"]),
    signed(Op::Commission, "account.commission", ("GET", "/api/v3/account/commission"), SYMBOL),
    signed(Op::OrderLimits, "account.rateLimits.orders", ("GET", "/api/v3/rateLimit/order"), NONE),
    session(Op::Logon, "session.logon", true, NONE),
    session(Op::SessionStatus, "session.status", false, NONE),
    session(Op::Logout, "session.logout", false, NONE),
    session(Op::Subscribe, "userDataStream.subscribe", false, NONE),
    session(Op::SubscribeSignature, "userDataStream.subscribe.signature", true, NONE),
    session(Op::Unsubscribe, "userDataStream.unsubscribe", false, &["subscriptionId"]),
    session(Op::Subscriptions, "session.subscriptions", false, NONE),
];

/// By ws api method, with or without the prefix `v3/`.
pub(super) fn by_method(method: &str) -> Option<&'static Spec<Op>> {
    let method = method.strip_prefix("v3/").unwrap_or(method);
    OPS.iter().find(|spec| spec.method == method)
}

/// By REST verb and path.
pub(super) fn by_path<O>(
    table: &'static [Spec<O>],
    verb: &str,
    path: &str,
) -> Option<&'static Spec<O>> {
    table.iter().find(|spec| spec.rest == Some((verb, path)))
}

/// Whether any verb exists for the path: tells 405 from 404.
pub(super) fn path_exists<O>(table: &[Spec<O>], path: &str) -> bool {
    table.iter().any(|spec| spec.rest.is_some_and(|(_, known)| known == path))
}

/// Weight counted when the request arrives, and weight added if it fails. Placing and cancelling
/// cost nothing when they succeed (since 2026-04-02).
pub(super) fn weight(op: Op, params: &Params) -> (u32, u32) {
    let one = params.has("symbol");
    match op {
        Op::OrderPlace | Op::OrderCancel | Op::CancelReplace | Op::CancelAll => (0, 1),
        Op::Ping | Op::Time => (1, 0),
        Op::OrderTest if params.get("computeCommissionRates") == Some("true") => (20, 0),
        Op::OrderTest => (1, 0),
        Op::OrderStatus | Op::OrderAmend => (4, 0),
        Op::ExchangeInfo | Op::AllOrders | Op::Account | Op::Commission => (20, 0),
        Op::Depth => (depth_weight(params), 0),
        Op::Trades => (25, 0),
        Op::Klines => (2, 0),
        Op::BookTicker | Op::PriceTicker => (if one { 2 } else { 4 }, 0),
        Op::OpenOrders => (if one { 6 } else { 80 }, 0),
        Op::MyTrades => (if params.has("orderId") { 5 } else { 20 }, 0),
        Op::OrderLimits => (40, 0),
        Op::Logon
        | Op::SessionStatus
        | Op::Logout
        | Op::Subscribe
        | Op::SubscribeSignature
        | Op::Unsubscribe
        | Op::Subscriptions => (2, 0),
    }
}

fn depth_weight(params: &Params) -> u32 {
    match params.integer("limit").ok().flatten().unwrap_or(100) {
        0..=100 => 5,
        101..=500 => 25,
        501..=1000 => 50,
        _ => 250,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_of_the_documentation() {
        let cost = |op, query: &str| weight(op, &Params::from_rest(query, "").unwrap());
        assert_eq!(cost(Op::Depth, "limit=100"), (5, 0));
        assert_eq!(cost(Op::Depth, "limit=101"), (25, 0));
        assert_eq!(cost(Op::Depth, "limit=1000"), (50, 0));
        assert_eq!(cost(Op::Depth, "limit=5000"), (250, 0));
        assert_eq!(cost(Op::Depth, ""), (5, 0));
        assert_eq!(cost(Op::OpenOrders, ""), (80, 0));
        assert_eq!(cost(Op::OpenOrders, "symbol=BTCUSDT"), (6, 0));
        assert_eq!(cost(Op::OrderPlace, ""), (0, 1));
        assert_eq!(cost(Op::MyTrades, "symbol=A&orderId=1"), (5, 0));
    }

    #[test]
    fn methods_and_paths() {
        assert_eq!(by_method("v3/order.place").unwrap().op, Op::OrderPlace);
        assert_eq!(by_path(OPS, "DELETE", "/api/v3/order").unwrap().op, Op::OrderCancel);
        assert!(by_path(OPS, "PUT", "/api/v3/order").is_none());
        assert!(path_exists(OPS, "/api/v3/order"));
        assert!(by_method("nope").is_none());
    }
}
