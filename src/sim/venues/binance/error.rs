//! The venue's error codes and their exact texts.

use super::json::Obj;
use crate::sim::Refusal;

/// A refused request: HTTP status (the ws api repeats it), code and text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ApiError {
    pub(super) status: u16,
    pub(super) code: i32,
    pub(super) message: String,
    /// JSON of the member `data`, where the error has one.
    pub(super) data: Option<String>,
    /// When the limit that was broken is free again, ms since the epoch.
    pub(super) retry_at_ms: Option<u64>,
}

/// How an operation ends: its JSON result or an error.
pub(super) type Answer = Result<String, ApiError>;

impl ApiError {
    pub(super) fn new(status: u16, code: i32, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), data: None, retry_at_ms: None }
    }

    fn bad(code: i32, message: impl Into<String>) -> Self {
        Self::new(400, code, message)
    }

    pub(super) fn with_data(mut self, data: String) -> Self {
        self.data = Some(data);
        self
    }

    pub(super) fn retry_at(mut self, at_ms: u64) -> Self {
        self.retry_at_ms = Some(at_ms);
        self
    }

    /// `{"code":..,"msg":..}`, with `data` if there is any.
    pub(super) fn json(&self) -> String {
        let object = Obj::new().raw("code", self.code).text("msg", &self.message);
        match &self.data {
            Some(data) => object.raw("data", data).end(),
            None => object.end(),
        }
    }

    pub(super) fn unauthorized() -> Self {
        Self::new(401, -1002, "You are not authorized to execute this request.")
    }

    pub(super) fn filter(name: &str) -> Self {
        Self::bad(-1013, format!("Filter failure: {name}"))
    }

    pub(super) fn unsupported() -> Self {
        Self::bad(-1020, "This operation is not supported.")
    }

    pub(super) fn outside_recv_window() -> Self {
        Self::bad(-1021, "Timestamp for this request is outside of the recvWindow.")
    }

    pub(super) fn ahead_of_server() -> Self {
        Self::bad(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
    }

    pub(super) fn signature() -> Self {
        Self::bad(-1022, "Signature for this request is not valid.")
    }

    pub(super) fn illegal(parameter: &str, range: &str) -> Self {
        Self::bad(
            -1100,
            format!(
                "Illegal characters found in parameter '{parameter}'; legal range is '{range}'."
            ),
        )
    }

    pub(super) fn duplicate_parameter() -> Self {
        Self::bad(-1101, "Duplicate values for a parameter detected.")
    }

    pub(super) fn missing(parameter: &str) -> Self {
        Self::bad(
            -1102,
            format!(
                "Mandatory parameter '{parameter}' was not sent, was empty/null, or malformed."
            ),
        )
    }

    pub(super) fn missing_both(first: &str, second: &str) -> Self {
        Self::bad(
            -1102,
            format!("Param '{first}' or '{second}' must be sent, but both were empty/null!"),
        )
    }

    pub(super) fn too_great(parameter: &str, limit: u64) -> Self {
        Self::bad(
            -1102,
            format!("'{parameter}' contains unexpected value. Cannot be greater than {limit}."),
        )
    }

    pub(super) fn unread(read: usize, sent: usize) -> Self {
        Self::bad(
            -1104,
            format!(
                "Not all sent parameters were read; read '{read}' parameter(s) but was sent '{sent}'."
            ),
        )
    }

    pub(super) fn not_required(parameter: &str) -> Self {
        Self::bad(-1106, format!("Parameter '{parameter}' sent when not required."))
    }

    pub(super) fn precision(parameter: &str) -> Self {
        Self::bad(-1111, format!("Parameter '{parameter}' has too much precision."))
    }

    pub(super) fn time_in_force() -> Self {
        Self::bad(-1115, "Invalid timeInForce.")
    }

    pub(super) fn order_type() -> Self {
        Self::bad(-1116, "Invalid orderType.")
    }

    pub(super) fn side() -> Self {
        Self::bad(-1117, "Invalid side.")
    }

    pub(super) fn symbol() -> Self {
        Self::bad(-1121, "Invalid symbol.")
    }

    pub(super) fn combination() -> Self {
        Self::bad(-1128, "Combination of optional parameters invalid.")
    }

    pub(super) fn invalid(parameter: &str) -> Self {
        Self::bad(-1130, format!("Data sent for parameter '{parameter}' is not valid."))
    }

    pub(super) fn json_request() -> Self {
        Self::bad(-1135, "Invalid JSON Request")
    }

    pub(super) fn cancel_restrictions() -> Self {
        Self::bad(-1145, "Invalid cancelRestrictions")
    }

    /// -2010: the matching engine refused a new order.
    pub(super) fn rejected(message: &str) -> Self {
        Self::bad(-2010, message)
    }

    pub(super) fn unknown_order() -> Self {
        Self::bad(-2011, "Unknown order sent.")
    }

    pub(super) fn not_cancelled() -> Self {
        Self::bad(-2011, "Order was not canceled due to cancel restrictions.")
    }

    pub(super) fn no_such_order() -> Self {
        Self::bad(-2013, "Order does not exist.")
    }

    pub(super) fn key_format() -> Self {
        Self::new(401, -2014, "API-key format invalid.")
    }

    pub(super) fn key() -> Self {
        Self::new(401, -2015, "Invalid API-key, IP, or permissions for action.")
    }

    pub(super) fn subscription_active() -> Self {
        Self::bad(-2035, "User Data Stream subscription already active.")
    }

    pub(super) fn subscription_inactive() -> Self {
        Self::bad(-2036, "User Data Stream subscription not active.")
    }

    pub(super) fn amend(message: &str) -> Self {
        Self::bad(-2038, message)
    }

    pub(super) fn id_mismatch() -> Self {
        Self::bad(-2039, "Client order ID is not correct for this order ID.")
    }

    pub(super) fn subscriptions_exhausted() -> Self {
        Self::bad(-2042, "Maximum subscription ID reached for this connection.")
    }

    pub(super) fn hmac_logon() -> Self {
        Self::bad(-4056, "HMAC_SHA256 API key is not supported.")
    }

    /// Why a new order was refused. `market` tells MARKET_LOT_SIZE from LOT_SIZE.
    pub(super) fn placement(refusal: Refusal, market: bool) -> Self {
        match refusal {
            Refusal::UnknownSymbol => Self::symbol(),
            Refusal::PriceBounds | Refusal::PriceTick => Self::filter("PRICE_FILTER"),
            Refusal::QtyBounds if market => Self::filter("MARKET_LOT_SIZE"),
            Refusal::QtyBounds | Refusal::QtyLot => Self::filter("LOT_SIZE"),
            Refusal::NotionalMin | Refusal::NotionalMax => Self::filter("NOTIONAL"),
            Refusal::InsufficientBalance | Refusal::InsufficientMargin => {
                Self::rejected("Account has insufficient balance for requested action.")
            }
            Refusal::WouldTake => Self::rejected("Order would immediately match and take."),
            Refusal::DuplicateClientId => Self::rejected("Duplicate order sent."),
            Refusal::NoLiquidity | Refusal::NotFillable => {
                Self::rejected("Order book liquidity is less than symbol minimum quantity.")
            }
            Refusal::UnknownOrder
            | Refusal::BadAmend
            | Refusal::ReduceOnly
            | Refusal::Leverage
            | Refusal::HasPosition
            | Refusal::HasOrders
            | Refusal::NoPosition => Self::rejected("Unsupported order combination"),
        }
    }
}

/// Whether the order was refused before the matching engine saw it (-1013, -1121): such an order
/// does not count as placed.
pub(super) fn is_filter(error: &ApiError) -> bool {
    matches!(error.code, -1013 | -1121)
}
