//! The venue's words for refusals, in the engine's.
//!
//! There are no codes, only texts and, in the streams, names of states; the code that the engine tells
//! is the number of the row here. A text that is not listed is a refusal if the venue says it of one
//! order, or of a whole action. Texts after which an action may have been carried out all the same are
//! listed as such.
//! <https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/error-responses>

#![forbid(unsafe_code)]

use super::super::verdict::Verdict;
use crate::types::{OrderState, RejectReason};

/// A refusal that is known.
struct Row {
    code: i32,
    /// What its text contains.
    text: &'static str,
    /// Its name as the state of an order.
    status: &'static str,
    reason: RejectReason,
}

const fn row(code: i32, text: &'static str, status: &'static str, reason: RejectReason) -> Row {
    Row { code, text, status, reason }
}

/// Code of a text that is not in the table.
pub(super) const UNLISTED: i32 = 99;
/// Codes that demand something besides.
pub(super) const NO_WALLET: i32 = 20;
pub(super) const NO_SIGNER: i32 = 21;
pub(super) const NOT_FUNDED: i32 = 22;
pub(super) const DUPLICATE_NONCE: i32 = 23;
pub(super) const BAD_NONCE: i32 = 24;
pub(super) const ADDRESS_LIMIT: i32 = 25;
/// The configured address is no account: an agent's, or nobody's.
pub(super) const NO_ACCOUNT: i32 = 26;
/// The signing key is not an agent of the account.
pub(super) const NO_AGENT: i32 = 27;
/// Orders work that a cancel of all did not end in its time.
pub(super) const STILL_THERE: i32 = 28;
/// An answer of another form than is known.
pub(super) const STRANGE: i32 = 98;

const ROWS: &[Row] = {
    use RejectReason::*;
    &[
        row(1, "divisible by tick size", "tickRejected", BadPrice),
        row(2, "minimum value of", "minTradeNtlRejected", BelowMinNotional),
        row(3, "Insufficient margin", "perpMarginRejected", InsufficientBalance),
        row(4, "Reduce only order would increase", "reduceOnlyRejected", BadQty),
        row(5, "Post only order would have immediately matched", "badAloPxRejected", WouldTake),
        row(6, "could not immediately match", "iocCancelRejected", TimeInForce),
        row(7, "Invalid TP/SL price", "badTriggerPxRejected", BadPrice),
        row(8, "No liquidity available", "marketOrderNoLiquidityRejected", TimeInForce),
        row(9, "open interest", "openInterestCapRejected", MarketClosed),
        row(10, "too aggressive", "positionIncreaseAtOpenInterestCapRejected", MarketClosed),
        row(11, "too quickly", "openInterestIncreaseRejected", MarketClosed),
        row(12, "nsufficient spot balance", "insufficientSpotBalanceRejected", InsufficientBalance),
        row(13, "too far from oracle", "oracleRejected", BadPrice),
        row(14, "exceed margin tier", "perpMaxPositionRejected", InsufficientBalance),
        row(15, "never placed, already canceled, or filled", "-", UnknownOrder),
        row(16, "Cannot modify canceled or filled order", "-", UnknownOrder),
        row(17, "Order has invalid price", "-", BadPrice),
        row(18, "Order has invalid size", "-", BadQty),
        row(19, "Order has zero size", "-", BadQty),
        row(NO_WALLET, "User or API Wallet", "-", Unauthorized),
        row(NO_SIGNER, "Unable to recover signer", "-", Unauthorized),
        row(NOT_FUNDED, "Must deposit before", "-", Unauthorized),
        row(DUPLICATE_NONCE, "duplicate nonce", "-", DuplicateId),
        row(BAD_NONCE, "Invalid nonce", "-", BadTimestamp),
        row(ADDRESS_LIMIT, "Too many cumulative requests", "-", RateLimit),
    ]
};

/// What a text says, and its code.
pub(super) fn verdict(text: &str) -> (Verdict, i32) {
    let found = ROWS.iter().find(|row| text.contains(row.text));
    match found.map(|row| (row.reason, row.code)) {
        // Each action is sent once: one with this nonce was another's, or this very one.
        Some((reason, DUPLICATE_NONCE)) => (Verdict::Unknown(reason), DUPLICATE_NONCE),
        Some((reason, code)) => (Verdict::Refused(reason), code),
        // What happened inside is not said.
        None if text.starts_with("L1 error") => (Verdict::Unknown(RejectReason::Other), STRANGE),
        None => (Verdict::Refused(RejectReason::Other), UNLISTED),
    }
}

/// Verdict over an action that was answered with this HTTP status instead of JSON. The code is its
/// negative.
pub(super) fn http_verdict(status: u16) -> Verdict {
    match status {
        408 => Verdict::Unknown(RejectReason::Other),
        super::TOO_MANY_REQUESTS => Verdict::Refused(RejectReason::RateLimit),
        400..=499 => Verdict::Refused(RejectReason::Other),
        _ => Verdict::Unknown(RejectReason::Other),
    }
}

/// The state of an order by its name in streams and lists, why, and its code. The names are an open
/// set: what is not listed is known by its end.
pub(super) fn state(name: &str) -> Option<(OrderState, RejectReason, i32)> {
    use OrderState::{Canceled, Expired, Filled, Open, Rejected};
    let none = RejectReason::None;
    let named = ROWS.iter().find(|row| row.status == name && name != "-");
    Some(match name {
        "open" | "triggered" => (Open, none, 0),
        "filled" => (Filled, none, 0),
        "canceled" | "scheduledCancel" => (Canceled, none, 0),
        "selfTradeCanceled" => (Canceled, RejectReason::SelfTrade, 0),
        "marginCanceled" => (Canceled, RejectReason::InsufficientBalance, 0),
        _ if name.ends_with("Canceled") => (Canceled, RejectReason::Other, 0),
        "rejected" => (Rejected, RejectReason::Other, UNLISTED),
        _ => match named {
            Some(row) if row.reason == RejectReason::TimeInForce => (Expired, row.reason, row.code),
            Some(row) => (Rejected, row.reason, row.code),
            None if name.ends_with("Rejected") => (Rejected, RejectReason::Other, UNLISTED),
            None => return None,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_the_venue_have_their_reasons() {
        use RejectReason::*;
        for (text, reason, code) in [
            ("Price must be divisible by tick size.", BadPrice, 1),
            ("Order must have minimum value of $10.", BelowMinNotional, 2),
            ("Order must have minimum value of 10 USDC.", BelowMinNotional, 2),
            ("Insufficient margin to place order.", InsufficientBalance, 3),
            ("Reduce only order would increase position.", BadQty, 4),
            ("Post only order would have immediately matched, bbo was 64018@64019.", WouldTake, 5),
            ("Order could not immediately match against any resting orders.", TimeInForce, 6),
            ("Order price too far from oracle", BadPrice, 13),
            ("Order was never placed, already canceled, or filled.", UnknownOrder, 15),
            ("User or API Wallet 0xc0 does not exist.", Unauthorized, NO_WALLET),
            ("Unable to recover signer.", Unauthorized, NO_SIGNER),
            ("Invalid nonce: too low", BadTimestamp, BAD_NONCE),
            ("Too many cumulative requests sent (10001 > 10000)", RateLimit, ADDRESS_LIMIT),
            ("Something new", Other, UNLISTED),
        ] {
            assert_eq!(verdict(text), (Verdict::Refused(reason), code), "{text}");
        }
        let twice = verdict("Invalid nonce: duplicate nonce 1700000000000");
        assert_eq!(twice, (Verdict::Unknown(DuplicateId), DUPLICATE_NONCE));
        assert_eq!(verdict("L1 error: x"), (Verdict::Unknown(Other), STRANGE));
    }

    #[test]
    fn states_are_an_open_set() {
        use OrderState::*;
        for (name, state_is, reason) in [
            ("open", Open, RejectReason::None),
            ("filled", Filled, RejectReason::None),
            ("canceled", Canceled, RejectReason::None),
            ("scheduledCancel", Canceled, RejectReason::None),
            ("selfTradeCanceled", Canceled, RejectReason::SelfTrade),
            ("reduceOnlyCanceled", Canceled, RejectReason::Other),
            ("somethingNewCanceled", Canceled, RejectReason::Other),
            ("iocCancelRejected", Expired, RejectReason::TimeInForce),
            ("badAloPxRejected", Rejected, RejectReason::WouldTake),
            ("rejected", Rejected, RejectReason::Other),
            ("somethingNewRejected", Rejected, RejectReason::Other),
        ] {
            assert_eq!(
                state(name).map(|(state, reason, _)| (state, reason)),
                Some((state_is, reason))
            );
        }
        assert_eq!(state("somethingNew"), None);
        assert_eq!(state("-"), None, "no state has the name of none");
    }
}
