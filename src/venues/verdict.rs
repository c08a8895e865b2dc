//! What a venue's answer to an order request proves.

#![forbid(unsafe_code)]

use crate::types::RejectReason;

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
