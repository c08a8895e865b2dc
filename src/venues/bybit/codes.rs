//! The venue's error codes in the engine's words, and what else a code demands.
//!
//! A code that is not listed is a refusal: the venue answered and said no. Codes after which an
//! order may exist all the same are listed by name and make its outcome unknown.
//! <https://bybit-exchange.github.io/docs/v5/error>

#![forbid(unsafe_code)]

use super::super::trading::Effect;
use super::super::verdict::Verdict;
use super::FORBIDDEN;
use crate::types::RejectReason;

/// Code of a reply to an order request.
pub(super) fn verdict(code: i32) -> Verdict {
    use RejectReason::*;
    Verdict::Refused(match code {
        0 => return Verdict::Done,
        // Time-outs, overload and internal errors, of the API and of the spot service behind it.
        10000 | 10016 | 429 | 10429 => return Verdict::Unknown(Other),
        170001 | 170007 | 170032 | 170035 | 170146 | 170147 | 170234 => {
            return Verdict::Unknown(Other);
        }
        // The request, or an order with this id, exists already: perhaps this very one.
        10014 | 110072 | 170141 => return Verdict::Unknown(DuplicateId),
        10002 => BadTimestamp,
        10003 | 10004 | 10005 | 10010 | 33004 | -2015 => Unauthorized,
        10009 | 10024 | 10027 | 10028 | 10029 => Unauthorized,
        10006 | 10018 | 10403 | 20003 | 110009 | 110020 | 170005 | 170222 | 170810 => RateLimit,
        110001 | 110008 | 110010 | 170139 | 170142 | 170143 | 170213 => UnknownOrder,
        110003 | 110093 | 30208 | 30209 | 170132 | 170133 | 170134 | 170193 | 170194 => BadPrice,
        110004 | 110006 | 110007 | 110012 | 110044 | 110045 | 170033 | 170131 => {
            InsufficientBalance
        }
        110017 | 110064 | 170124 | 170135 | 170136 | 170137 | 170148 => BadQty,
        110094 | 170140 => BelowMinNotional,
        170218 => WouldTake,
        110023 | 110063 | 110066 | 110074 | 30228 | 170121 | 170151 | 170217 => MarketClosed,
        _ => Other,
    })
}

/// What the code demands besides.
pub(super) fn effect(code: i32) -> Effect {
    match code {
        10002 => Effect::ProbeClock,
        10006 | 429 | 10429 | 10403 | 20003 | 170222 => Effect::Suspend,
        10018 => Effect::Block,
        10019 => Effect::Drain,
        10003 | 10004 | 10005 | 10010 | 33004 | -2015 | 10009 | 10024 | 10027 | 10028 | 10029 => {
            Effect::Alert
        }
        _ => Effect::Nothing,
    }
}

/// What an HTTP status demands besides.
pub(super) fn http_effect(status: u16) -> Effect {
    match status {
        FORBIDDEN => Effect::Block,
        429 => Effect::Suspend,
        401 => Effect::Alert,
        _ => Effect::Nothing,
    }
}

/// Verdict over an order request that was answered with this HTTP status instead of JSON.
pub(super) fn http_verdict(status: u16) -> Verdict {
    match status {
        401 => Verdict::Refused(RejectReason::Unauthorized),
        // Refused at the door: too many requests of the address, or a blocked country.
        403 => Verdict::Refused(RejectReason::RateLimit),
        408 | 429 => Verdict::Unknown(RejectReason::Other),
        400..=499 => Verdict::Refused(RejectReason::Other),
        _ => Verdict::Unknown(RejectReason::Other),
    }
}

/// `rejectReason` of an order row.
pub(super) fn reject_reason(text: &str) -> RejectReason {
    use RejectReason::*;
    match text {
        "" | "EC_NoError" | "EC_PerCancelRequest" => None,
        "EC_PostOnlyWillTakeLiquidity" => WouldTake,
        "EC_NoImmediateQtyToFill" | "EC_CancelForNoFullFill" | "EC_NoEnoughQtyToFill" => {
            TimeInForce
        }
        "EC_BySelfMatch" | "EC_StopBySelfMatch" => SelfTrade,
        "EC_LimitOrderInvalidPrice"
        | "EC_InvalidPriceScale"
        | "EC_ReachRiskPriceLimit"
        | "EC_ReachMarketPriceLimit" => BadPrice,
        "EC_QtyCannotBeZero" | "EC_EcInvalidQty" => BadQty,
        "EC_DuplicatedClOrdID" => DuplicateId,
        "EC_OrigClOrdIDDoesNotExist" | "EC_OrderNotExist" | "EC_TooLateToCancel" => UnknownOrder,
        "EC_InvalidSymbolStatus" | "EC_SecurityStatusFail" | "EC_InCallAuctionStatus" => {
            MarketClosed
        }
        _ => Other,
    }
}
