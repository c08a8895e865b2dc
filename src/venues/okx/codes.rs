//! The venue's codes in the engine's words: error codes of replies, and what ended an order.
//!
//! A code that is not listed is a refusal: the venue answered and said no. Codes after which an
//! order may exist all the same are listed by name and make its outcome unknown.
//! <https://www.okx.com/docs-v5/en/#error-code>

#![forbid(unsafe_code)]

use super::super::trading::Effect;
use super::super::verdict::Verdict;
use crate::types::{OrderState, RejectReason};

/// The connection will be closed within a minute.
pub(super) const CLOSING: i32 = 64008;

/// Code of a reply to an order request: the `sCode` of its row where there is one, else `code`.
pub(super) fn verdict(code: i32) -> Verdict {
    use RejectReason::*;
    Verdict::Refused(match code {
        0 => return Verdict::Done,
        // Unavailable, busy, failed, timed out: stated to be neither success nor failure.
        50001 | 50004 | 50013 | 50026 | 51149 | 63999 | 64007 => return Verdict::Unknown(Other),
        // An order with this id is pending already: perhaps this very one.
        51016 => return Verdict::Unknown(DuplicateId),
        50011 | 50040 | 50061 | 60014 => RateLimit,
        50036 | 50037 | 50102 | 60004 | 60006 => BadTimestamp,
        50100 | 50101 | 50103..=50107 | 50110..=50114 | 50119 => Unauthorized,
        60005 | 60007 | 60009 | 60011 | 60024 | 60032 | 51010 | 59113 => Unauthorized,
        51005 | 51020 | 51121 | 51169 | 51170 | 51148 => BadQty,
        51006 | 51137 | 51138 | 51116 | 51136 => BadPrice,
        51004 | 51008 | 51127 | 51131 => InsufficientBalance,
        51001 | 51022 | 51027 | 51028 | 51030 => MarketClosed,
        51400 | 51402 | 51410 | 51503 | 51603 => UnknownOrder,
        51511 => WouldTake,
        _ => Other,
    })
}

/// What the code demands besides.
pub(super) fn effect(code: i32) -> Effect {
    match code {
        50102 | 60004 | 60006 => Effect::ProbeClock,
        50011 | 50040 | 50061 | 60014 => Effect::Suspend,
        50100 | 50101 | 50103..=50107 | 50110..=50114 | 50119 => Effect::Alert,
        60005 | 60007 | 60009 | 60024 | 60032 => Effect::Alert,
        // The instrument or its number is not known: numbers change when something is listed anew.
        51001 => Effect::Relearn,
        // Not logged in, although we believe to be.
        60011 => Effect::Drain,
        _ => Effect::Nothing,
    }
}

/// What an HTTP status without a code demands besides.
pub(super) fn http_effect(status: u16) -> Effect {
    match status {
        401 => Effect::Alert,
        429 => Effect::Suspend,
        _ => Effect::Nothing,
    }
}

/// Whether an error is the answer to a login.
pub(super) fn is_login(code: i32) -> bool {
    matches!(code, 60004..=60009 | 60022 | 60024 | 60032 | 63999)
}

/// Whether an error is the answer to a subscription.
pub(super) fn is_subscription(code: i32) -> bool {
    matches!(code, 60012 | 60013 | 60018 | 60019 | 60027 | 60033 | 64001..=64004)
}

/// Whether a query finds no such order.
pub(super) fn is_absent(code: i32) -> bool {
    code == 51603
}

/// Whether a cancel finds its order ended, or about to.
pub(super) fn is_gone(code: i32) -> bool {
    matches!(code, 51400 | 51402 | 51410 | 51603)
}

/// Verdict over an order request that was answered with this HTTP status and without a code.
pub(super) fn http_verdict(status: u16) -> Verdict {
    match status {
        401 | 403 => Verdict::Refused(RejectReason::Unauthorized),
        408 | 429 => Verdict::Unknown(RejectReason::Other),
        400..=499 => Verdict::Refused(RejectReason::Other),
        _ => Verdict::Unknown(RejectReason::Other),
    }
}

/// What a cancelled order has come to, by its `cancelSource`. A post-only order that would take is
/// accepted and then cancelled: only here it shows as refused.
pub(super) fn ended(cancel_source: &str, filled: bool) -> (OrderState, RejectReason) {
    match cancel_source {
        "31" if !filled => (OrderState::Rejected, RejectReason::WouldTake),
        "31" => (OrderState::Canceled, RejectReason::WouldTake),
        "13" | "14" => (OrderState::Expired, RejectReason::TimeInForce),
        "15" => (OrderState::Expired, RejectReason::BadPrice),
        "7" | "33" => (OrderState::Expired, RejectReason::Other),
        "32" => (OrderState::Canceled, RejectReason::SelfTrade),
        // By us, or by our own dead-man switch.
        "1" | "20" => (OrderState::Canceled, RejectReason::None),
        _ => (OrderState::Canceled, RejectReason::Other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_stated_refusal_is_one() {
        use RejectReason::*;
        assert_eq!(verdict(0), Verdict::Done);
        for code in [50001, 50004, 50013, 50026, 51149] {
            assert_eq!(verdict(code), Verdict::Unknown(Other), "{code}");
        }
        assert_eq!(verdict(51016), Verdict::Unknown(DuplicateId));
        for (code, reason) in [
            (51008, InsufficientBalance),
            (51121, BadQty),
            (51138, BadPrice),
            (50011, RateLimit),
            (51400, UnknownOrder),
            (51030, MarketClosed),
            (60007, Unauthorized),
            (50102, BadTimestamp),
            (51000, Other),
            (99999, Other),
        ] {
            assert_eq!(verdict(code), Verdict::Refused(reason), "{code}");
        }
        for status in [408, 429, 500, 503] {
            assert_eq!(http_verdict(status), Verdict::Unknown(Other), "{status}");
        }
        assert_eq!(http_verdict(400), Verdict::Refused(Other));
    }

    #[test]
    fn the_source_of_a_cancel_tells_what_became_of_an_order() {
        assert_eq!(ended("31", false), (OrderState::Rejected, RejectReason::WouldTake));
        assert_eq!(ended("31", true), (OrderState::Canceled, RejectReason::WouldTake));
        assert_eq!(ended("14", true), (OrderState::Expired, RejectReason::TimeInForce));
        assert_eq!(ended("1", false), (OrderState::Canceled, RejectReason::None));
        assert_eq!(ended("", false), (OrderState::Canceled, RejectReason::Other));
    }
}
