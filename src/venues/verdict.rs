//! What a venue's answer to an order request proves.

#![forbid(unsafe_code)]

use crate::types::RejectReason;

/// Whether a refusal for this reason has nothing to do with what was asked: it may be asked again.
pub(super) fn is_passing(reason: RejectReason) -> bool {
    matches!(
        reason,
        RejectReason::BadTimestamp | RejectReason::RateLimit | RejectReason::Unauthorized
    )
}

/// What a code says about the request that it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Taken.
    Done,
    /// Refused: the venue did nothing.
    Refused(RejectReason),
    /// The venue may have acted.
    Unknown(RejectReason),
}
