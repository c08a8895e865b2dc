//! The table of operations of the market of perpetuals: what each is called on both wires, what it may
//! be sent, what it costs.

use super::super::ops::Spec;
use super::super::params::Params;

/// An operation.
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
    PremiumIndex,
    FundingRate,
    FundingInfo,
    Place,
    Test,
    Modify,
    Cancel,
    Query,
    OpenOrder,
    OpenOrders,
    AllOrders,
    BatchPlace,
    BatchModify,
    BatchCancel,
    CancelAll,
    Countdown,
    UserTrades,
    Income,
    Balance,
    Account,
    PositionRisk,
    AccountConfig,
    SymbolConfig,
    Brackets,
    CommissionRate,
    OrderLimits,
    PositionMode,
    SetPositionMode,
    MultiAssets,
    SetMultiAssets,
    SetMarginType,
    SetLeverage,
    PositionMargin,
    StartListening,
    KeepListening,
    StopListening,
    AlgoPlace,
    AlgoCancel,
    AlgoQuery,
    AlgoOpen,
    AlgoAll,
    AlgoCancelAll,
    Logon,
    SessionStatus,
    Logout,
}

const NONE: &[&str] = &[];
const ORDER: &[&str] = &[
    "symbol",
    "side",
    "positionSide",
    "type",
    "timeInForce",
    "quantity",
    "reduceOnly",
    "price",
    "newClientOrderId",
    "stopPrice",
    "closePosition",
    "activationPrice",
    "callbackRate",
    "workingType",
    "priceProtect",
    "newOrderRespType",
    "priceMatch",
    "selfTradePreventionMode",
    "goodTillDate",
];
const MODIFY: &[&str] = &[
    "symbol",
    "orderId",
    "origClientOrderId",
    "side",
    "positionSide",
    "origType",
    "quantity",
    "price",
    "priceMatch",
    "modifyId",
];
const ALGO: &[&str] = &[
    "algoType",
    "symbol",
    "side",
    "positionSide",
    "type",
    "timeInForce",
    "quantity",
    "price",
    "triggerPrice",
    "workingType",
    "priceMatch",
    "closePosition",
    "priceProtect",
    "reduceOnly",
    "activatePrice",
    "callbackRate",
    "clientAlgoId",
    "newOrderRespType",
    "selfTradePreventionMode",
    "goodTillDate",
];
const NAMED: &[&str] = &["symbol", "orderId", "origClientOrderId"];
const ALGO_NAMED: &[&str] = &["algoId", "clientAlgoId"];
const SYMBOL: &[&str] = &["symbol"];
const SPAN: &[&str] = &["symbol", "orderId", "fromId", "startTime", "endTime", "limit", "page"];
const INCOME: &[&str] = &["symbol", "incomeType", "startTime", "endTime", "limit", "page"];
const BATCH_CANCEL: &[&str] = &["symbol", "orderIdList", "origClientOrderIdList"];

const fn row(
    op: Op,
    method: &'static str,
    rest: (&'static str, &'static str),
    signed: bool,
    params: &'static [&'static str],
) -> Spec<Op> {
    Spec { op, method, rest: Some(rest), signed, counts_orders: false, params }
}

const fn public(op: Op, path: &'static str, params: &'static [&'static str]) -> Spec<Op> {
    row(op, "", ("GET", path), false, params)
}

const fn get(op: Op, path: &'static str, params: &'static [&'static str]) -> Spec<Op> {
    row(op, "", ("GET", path), true, params)
}

const fn post(op: Op, path: &'static str, params: &'static [&'static str]) -> Spec<Op> {
    row(op, "", ("POST", path), true, params)
}

const fn placing(
    op: Op,
    method: &'static str,
    rest: (&'static str, &'static str),
    params: &'static [&'static str],
) -> Spec<Op> {
    Spec { op, method, rest: Some(rest), signed: true, counts_orders: true, params }
}

const fn session(op: Op, method: &'static str, signed: bool) -> Spec<Op> {
    Spec { op, method, rest: None, signed, counts_orders: false, params: NONE }
}

/// Every operation; several versions of one path are rows of their own.
pub(super) const OPS: &[Spec<Op>] = &[
    row(Op::Ping, "ping", ("GET", "/fapi/v1/ping"), false, NONE),
    row(Op::Time, "time", ("GET", "/fapi/v1/time"), false, NONE),
    public(Op::ExchangeInfo, "/fapi/v1/exchangeInfo", NONE),
    row(Op::Depth, "depth", ("GET", "/fapi/v1/depth"), false, &["symbol", "limit"]),
    public(Op::Trades, "/fapi/v1/trades", &["symbol", "limit"]),
    public(Op::Klines, "/fapi/v1/klines", super::super::klines::PARAMS),
    row(Op::BookTicker, "ticker.book", ("GET", "/fapi/v1/ticker/bookTicker"), false, SYMBOL),
    row(Op::PriceTicker, "ticker.price", ("GET", "/fapi/v2/ticker/price"), false, SYMBOL),
    public(Op::PriceTicker, "/fapi/v1/ticker/price", SYMBOL),
    public(Op::PremiumIndex, "/fapi/v1/premiumIndex", SYMBOL),
    public(Op::FundingRate, "/fapi/v1/fundingRate", &["symbol", "startTime", "endTime", "limit"]),
    public(Op::FundingInfo, "/fapi/v1/fundingInfo", NONE),
    placing(Op::Place, "order.place", ("POST", "/fapi/v1/order"), ORDER),
    post(Op::Test, "/fapi/v1/order/test", ORDER),
    placing(Op::Modify, "order.modify", ("PUT", "/fapi/v1/order"), MODIFY),
    row(Op::Cancel, "order.cancel", ("DELETE", "/fapi/v1/order"), true, NAMED),
    row(Op::Query, "order.status", ("GET", "/fapi/v1/order"), true, NAMED),
    get(Op::OpenOrder, "/fapi/v1/openOrder", NAMED),
    get(Op::OpenOrders, "/fapi/v1/openOrders", SYMBOL),
    get(Op::AllOrders, "/fapi/v1/allOrders", SPAN),
    placing(Op::BatchPlace, "", ("POST", "/fapi/v1/batchOrders"), &["batchOrders"]),
    placing(Op::BatchModify, "", ("PUT", "/fapi/v1/batchOrders"), &["batchOrders"]),
    row(Op::BatchCancel, "", ("DELETE", "/fapi/v1/batchOrders"), true, BATCH_CANCEL),
    row(Op::CancelAll, "", ("DELETE", "/fapi/v1/allOpenOrders"), true, SYMBOL),
    post(Op::Countdown, "/fapi/v1/countdownCancelAll", &["symbol", "countdownTime"]),
    get(Op::UserTrades, "/fapi/v1/userTrades", SPAN),
    get(Op::Income, "/fapi/v1/income", INCOME),
    row(Op::Balance, "account.balance", ("GET", "/fapi/v3/balance"), true, NONE),
    get(Op::Balance, "/fapi/v2/balance", NONE),
    row(Op::Account, "account.status", ("GET", "/fapi/v3/account"), true, NONE),
    get(Op::Account, "/fapi/v2/account", NONE),
    row(Op::PositionRisk, "account.position", ("GET", "/fapi/v3/positionRisk"), true, SYMBOL),
    get(Op::PositionRisk, "/fapi/v2/positionRisk", SYMBOL),
    get(Op::AccountConfig, "/fapi/v1/accountConfig", NONE),
    get(Op::SymbolConfig, "/fapi/v1/symbolConfig", SYMBOL),
    get(Op::Brackets, "/fapi/v1/leverageBracket", SYMBOL),
    get(Op::CommissionRate, "/fapi/v1/commissionRate", SYMBOL),
    get(Op::OrderLimits, "/fapi/v1/rateLimit/order", NONE),
    get(Op::PositionMode, "/fapi/v1/positionSide/dual", NONE),
    post(Op::SetPositionMode, "/fapi/v1/positionSide/dual", &["dualSidePosition"]),
    get(Op::MultiAssets, "/fapi/v1/multiAssetsMargin", NONE),
    post(Op::SetMultiAssets, "/fapi/v1/multiAssetsMargin", &["multiAssetsMargin"]),
    post(Op::SetMarginType, "/fapi/v1/marginType", &["symbol", "marginType"]),
    post(Op::SetLeverage, "/fapi/v1/leverage", &["symbol", "leverage"]),
    post(
        Op::PositionMargin,
        "/fapi/v1/positionMargin",
        &["symbol", "positionSide", "amount", "type"],
    ),
    // These three need a key and no signature.
    row(Op::StartListening, "", ("POST", "/fapi/v1/listenKey"), false, NONE),
    row(Op::KeepListening, "", ("PUT", "/fapi/v1/listenKey"), false, &["listenKey"]),
    row(Op::StopListening, "", ("DELETE", "/fapi/v1/listenKey"), false, &["listenKey"]),
    placing(Op::AlgoPlace, "algoOrder.place", ("POST", "/fapi/v1/algoOrder"), ALGO),
    row(Op::AlgoCancel, "algoOrder.cancel", ("DELETE", "/fapi/v1/algoOrder"), true, ALGO_NAMED),
    get(Op::AlgoQuery, "/fapi/v1/algoOrder", ALGO_NAMED),
    get(Op::AlgoOpen, "/fapi/v1/openAlgoOrders", &["symbol", "algoType", "algoId"]),
    get(Op::AlgoAll, "/fapi/v1/allAlgoOrders", SPAN),
    row(Op::AlgoCancelAll, "", ("DELETE", "/fapi/v1/algoOpenOrders"), true, SYMBOL),
    session(Op::Logon, "session.logon", true),
    session(Op::SessionStatus, "session.status", false),
    session(Op::Logout, "session.logout", false),
    session(Op::StartListening, "userDataStream.start", false),
    session(Op::KeepListening, "userDataStream.ping", false),
    session(Op::StopListening, "userDataStream.stop", false),
];

/// By ws api method, with or without a version before it.
pub(super) fn by_method(method: &str) -> Option<&'static Spec<Op>> {
    let method = method.strip_prefix("v2/").unwrap_or(method);
    OPS.iter().find(|spec| !method.is_empty() && spec.method == method)
}

/// Weight counted when the request arrives.
pub(super) fn weight(op: Op, params: &Params) -> u32 {
    let one = params.has("symbol");
    match op {
        // Placing costs orders and no weight.
        Op::Place | Op::Modify | Op::AlgoPlace => 0,
        Op::Depth => match params.integer("limit").ok().flatten().unwrap_or(500) {
            0..=50 => 2,
            51..=100 => 5,
            101..=500 => 10,
            _ => 20,
        },
        Op::Klines => match params.integer("limit").ok().flatten().unwrap_or(500) {
            0..100 => 1,
            100..500 => 2,
            500..=1_000 => 5,
            _ => 10,
        },
        Op::BookTicker => {
            if one {
                2
            } else {
                5
            }
        }
        Op::PriceTicker => {
            if one {
                1
            } else {
                2
            }
        }
        Op::PremiumIndex => {
            if one {
                1
            } else {
                10
            }
        }
        Op::OpenOrders | Op::AlgoOpen => {
            if one {
                1
            } else {
                40
            }
        }
        Op::Trades
        | Op::AllOrders
        | Op::AlgoAll
        | Op::BatchPlace
        | Op::BatchModify
        | Op::UserTrades
        | Op::Balance
        | Op::Account
        | Op::PositionRisk
        | Op::AccountConfig
        | Op::SymbolConfig => 5,
        Op::Countdown => 10,
        Op::Income | Op::PositionMode | Op::MultiAssets => 30,
        Op::CommissionRate => 20,
        Op::Logon | Op::SessionStatus | Op::Logout => 2,
        _ => 1,
    }
}
