//! The venue's error codes in the engine's words.
//!
//! The one question that matters first: was the request refused, or is its outcome unknown? Only
//! then: why. Codes: <https://developers.binance.com/docs/binance-spot-api-docs/errors> and
//! <https://developers.binance.com/docs/derivatives/usds-margined-futures/error-code>.

#![forbid(unsafe_code)]

use super::streams::Product;
use crate::types::RejectReason;

/// What an error reply says about the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It was not carried out.
    Refused(RejectReason),
    /// It may or may not have been carried out.
    Unknown,
}

/// Judges an error reply. A server error proves nothing, whatever its text, but for those of futures
/// that the venue calls certain failures.
pub(super) fn judge(product: Product, status: u16, code: i32, message: &str) -> Verdict {
    if product == Product::UsdM {
        return judge_usdm(status, code, message);
    }
    if status >= 500 || status == TIMEOUT || is_unknown(code) {
        return Verdict::Unknown;
    }
    Verdict::Refused(reason(status, code, message))
}

fn is_unknown(code: i32) -> bool {
    matches!(code, -1000 | -1001 | -1006 | -1007)
}

/// An order whose id is known already (-4116) may be the one that was asked for.
fn judge_usdm(status: u16, code: i32, message: &str) -> Verdict {
    let overload = code == OVERLOAD || message.starts_with("Service Unavailable");
    match status {
        503 if overload => Verdict::Refused(RejectReason::RateLimit),
        503 if message.starts_with("Internal error") => Verdict::Refused(RejectReason::Other),
        TIMEOUT | 500.. => Verdict::Unknown,
        _ if is_unknown(code) || code == DUPLICATE => Verdict::Unknown,
        _ => Verdict::Refused(reason(status, code, message)),
    }
}

/// HTTP status of a request that somebody on the way gave up.
const TIMEOUT: u16 = 408;
/// The venue is overloaded.
const OVERLOAD: i32 = -1008;
/// `ClientOrderId is duplicated.`, of futures.
const DUPLICATE: i32 = -4116;
/// The key of the account's stream does not exist (any more), of futures.
pub(super) const NO_LISTEN_KEY: i32 = -1125;

/// Whether the venue refuses our key, so that trying again is of no use.
pub(super) fn is_login_refusal(code: i32) -> bool {
    matches!(code, -1002 | -1022 | -2008 | -2014 | -2015)
}

fn reason(status: u16, code: i32, message: &str) -> RejectReason {
    match code {
        -1003 | -1008 | -1015 | -1034 => RejectReason::RateLimit,
        -1013 => filter(message),
        -1021 => RejectReason::BadTimestamp,
        -1002 | -1022 | -2008 | -2014 | -2015 => RejectReason::Unauthorized,
        -1106..=-1100 | -1111 => parameter(message),
        -1016 | -2016 => RejectReason::MarketClosed,
        -2010 => refusal(message),
        -2011 | -2013 | -2026 => RejectReason::UnknownOrder,
        -2018 | -2019 | -2028 => RejectReason::InsufficientBalance,
        -4005..=-4003 | -4023 => RejectReason::BadQty,
        -4013 | -4014 | -4016 | -4024 | -4131 => RejectReason::BadPrice,
        -4164 => RejectReason::BelowMinNotional,
        -4140 | -4141 | -4400 | -4401 => RejectReason::MarketClosed,
        -5021 => RejectReason::TimeInForce,
        -5022 => RejectReason::WouldTake,
        -5028 => RejectReason::BadTimestamp,
        0 if matches!(status, 403 | 418 | 429) => RejectReason::RateLimit,
        0 if status == 401 => RejectReason::Unauthorized,
        _ => RejectReason::Other,
    }
}

/// `-1013 Filter failure: LOT_SIZE`.
fn filter(message: &str) -> RejectReason {
    let name = message.rsplit(": ").next().unwrap_or("").trim_end_matches('.');
    match name {
        "PRICE_FILTER" | "PERCENT_PRICE" | "PERCENT_PRICE_BY_SIDE" => RejectReason::BadPrice,
        "LOT_SIZE" | "MARKET_LOT_SIZE" | "ICEBERG_PARTS" => RejectReason::BadQty,
        "NOTIONAL" | "MIN_NOTIONAL" => RejectReason::BelowMinNotional,
        _ => match message {
            "Invalid quantity." => RejectReason::BadQty,
            "Invalid price." => RejectReason::BadPrice,
            _ => RejectReason::Other,
        },
    }
}

/// Malformed or over-precise parameter: the text names it.
fn parameter(message: &str) -> RejectReason {
    if message.contains("quantity") || message.contains("newQty") {
        RejectReason::BadQty
    } else if message.contains("price") {
        RejectReason::BadPrice
    } else {
        RejectReason::Other
    }
}

/// `-2010`: the matching engine refused, the text says why.
fn refusal(message: &str) -> RejectReason {
    const TEXTS: [(&str, RejectReason); 8] = [
        ("insufficient balance", RejectReason::InsufficientBalance),
        ("immediately match", RejectReason::WouldTake),
        ("Duplicate order", RejectReason::DuplicateId),
        ("Market is closed", RejectReason::MarketClosed),
        ("not accepting", RejectReason::MarketClosed),
        ("may not place", RejectReason::Unauthorized),
        ("not permitted", RejectReason::Unauthorized),
        ("zero or less", RejectReason::BelowMinNotional),
    ];
    let known = TEXTS.iter().find(|(text, _)| message.contains(text));
    known.map_or(RejectReason::Other, |(_, reason)| *reason)
}

/// Reason of an `executionReport` with execution type REJECTED: its field `r`.
pub(super) fn stream_reject(text: &str) -> RejectReason {
    match text {
        "NONE" => RejectReason::None,
        "INSUFFICIENT_BALANCES" => RejectReason::InsufficientBalance,
        "WOULD_MATCH_IMMEDIATELY" => RejectReason::WouldTake,
        _ => RejectReason::Other,
    }
}

/// Reason of an expiry: field `eR` of spot, `er` of futures (a number as text), and the order's time
/// in force where there is none.
pub(super) fn expiry(text: &str, time_in_force: &str, status: &str) -> RejectReason {
    match text {
        _ if status == "EXPIRED_IN_MATCH" => RejectReason::SelfTrade,
        "UNFILLED_IOC_QUANTITY_EXPIRED"
        | "UNFILLED_FOK_ORDER_EXPIRED"
        | "INSUFFICIENT_LIQUIDITY" => RejectReason::TimeInForce,
        "EXECUTION_RULE_PRICE_RANGE_EXCEEDED" => RejectReason::BadPrice,
        "1" => RejectReason::SelfTrade,
        // What is left of IOC orders, of those that met our own, and of market orders.
        "2" | "3" | "9" => RejectReason::TimeInForce,
        "" | "0" if time_in_force == "GTX" => RejectReason::WouldTake,
        "" | "0" if matches!(time_in_force, "IOC" | "FOK") => RejectReason::TimeInForce,
        _ => RejectReason::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_and_unknown_stay_apart() {
        use RejectReason::*;
        use Verdict::{Refused, Unknown};
        for (status, code, message, expected) in [
            (500, -1000, "An unknown error occurred while processing the request.", Unknown),
            (503, 0, "", Unknown),
            (504, -1007, "Timeout waiting for response from backend server.", Unknown),
            (400, -1001, "Internal error; unable to process your request.", Unknown),
            (400, -1006, "An unexpected response was received from the message bus.", Unknown),
            (503, -1008, "Server is currently overloaded with other requests.", Unknown),
            (400, -1008, "Server is currently overloaded with other requests.", Refused(RateLimit)),
            (429, -1003, "Too much request weight used.", Refused(RateLimit)),
            (
                429,
                -1015,
                "Too many new orders; current limit is 50 orders per 10 SECOND.",
                Refused(RateLimit),
            ),
            (403, 0, "", Refused(RateLimit)),
            (400, -1013, "Filter failure: LOT_SIZE", Refused(BadQty)),
            (400, -1013, "Filter failure: PRICE_FILTER", Refused(BadPrice)),
            (400, -1013, "Filter failure: PERCENT_PRICE_BY_SIDE", Refused(BadPrice)),
            (400, -1013, "Filter failure: NOTIONAL", Refused(BelowMinNotional)),
            (400, -1013, "Filter failure: MIN_NOTIONAL", Refused(BelowMinNotional)),
            (400, -1013, "Filter failure: MAX_NUM_ORDERS", Refused(Other)),
            (400, -1013, "Invalid quantity.", Refused(BadQty)),
            (
                400,
                -1021,
                "Timestamp for this request is outside of the recvWindow.",
                Refused(BadTimestamp),
            ),
            (400, -1022, "Signature for this request is not valid.", Refused(Unauthorized)),
            (400, -1102, "Mandatory parameter 'quantity' was not sent.", Refused(BadQty)),
            (400, -1111, "Parameter 'price' has too much precision.", Refused(BadPrice)),
            (400, -1121, "Invalid symbol.", Refused(Other)),
            (
                400,
                -2010,
                "Account has insufficient balance for requested action.",
                Refused(InsufficientBalance),
            ),
            (400, -2010, "Order would immediately match and take.", Refused(WouldTake)),
            (400, -2010, "Duplicate order sent.", Refused(DuplicateId)),
            (400, -2010, "Market is closed.", Refused(MarketClosed)),
            (400, -2010, "Something new.", Refused(Other)),
            (400, -2011, "Unknown order sent.", Refused(UnknownOrder)),
            (400, -2013, "Order does not exist.", Refused(UnknownOrder)),
            (401, -2015, "Invalid API-key, IP, or permissions for action.", Refused(Unauthorized)),
        ] {
            assert_eq!(
                judge(Product::Spot, status, code, message),
                expected,
                "{status} {code} {message}"
            );
        }
    }

    #[test]
    fn codes_of_futures() {
        use RejectReason::*;
        use Verdict::{Refused, Unknown};
        for (status, code, message, expected) in [
            (503, 0, "Unknown error, please check your request or try again later.", Unknown),
            (503, 0, "Service Unavailable.", Refused(RateLimit)),
            (503, -1008, "Server is currently overloaded with other requests.", Refused(RateLimit)),
            (400, -1008, "Server is currently overloaded with other requests.", Refused(RateLimit)),
            (
                503,
                -1001,
                "Internal error; unable to process your request. Please try again.",
                Refused(Other),
            ),
            (400, -1001, "Internal error; unable to process your request.", Unknown),
            (504, 0, "", Unknown),
            (408, -1007, "Timeout waiting for response from backend server.", Unknown),
            (400, -4116, "ClientOrderId is duplicated.", Unknown),
            (400, -2019, "Margin is insufficient.", Refused(InsufficientBalance)),
            (400, -2018, "Balance is insufficient.", Refused(InsufficientBalance)),
            (400, -2022, "ReduceOnly Order is rejected.", Refused(Other)),
            (400, -2025, "Reach max open order limit.", Refused(Other)),
            (400, -4003, "Quantity less than or equal to zero.", Refused(BadQty)),
            (400, -4014, "Price not increased by tick size.", Refused(BadPrice)),
            (400, -4023, "Quantity not increased by step size.", Refused(BadQty)),
            (400, -4061, "Order's position side does not match user's setting.", Refused(Other)),
            (400, -4120, "Order type not supported for this endpoint.", Refused(Other)),
            (400, -4140, "Invalid symbol status for opening position.", Refused(MarketClosed)),
            (400, -4164, "Order's notional must be no smaller than 5.", Refused(BelowMinNotional)),
            (400, -5021, "The FOK order could not be filled.", Refused(TimeInForce)),
            (400, -5022, "The post-only order would take.", Refused(WouldTake)),
            (400, -5027, "No need to modify the order.", Refused(Other)),
            (400, -5028, "Timestamp for this request is outside.", Refused(BadTimestamp)),
            (400, -2011, "Unknown order sent.", Refused(UnknownOrder)),
            (400, -2013, "Order does not exist.", Refused(UnknownOrder)),
        ] {
            assert_eq!(judge(Product::UsdM, status, code, message), expected, "{code} {message}");
        }
    }

    #[test]
    fn expiries_of_futures_are_numbers() {
        for (text, time_in_force, status, expected) in [
            ("2", "IOC", "EXPIRED", RejectReason::TimeInForce),
            ("1", "GTC", "EXPIRED", RejectReason::SelfTrade),
            ("0", "GTX", "EXPIRED", RejectReason::WouldTake),
            ("", "IOC", "EXPIRED", RejectReason::TimeInForce),
            ("0", "GTC", "EXPIRED", RejectReason::Other),
            ("4", "GTC", "EXPIRED", RejectReason::Other),
            ("0", "GTC", "EXPIRED_IN_MATCH", RejectReason::SelfTrade),
        ] {
            assert_eq!(expiry(text, time_in_force, status), expected, "{text} {time_in_force}");
        }
    }
}
