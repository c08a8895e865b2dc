//! What the oms counts.

#![forbid(unsafe_code)]

use super::{Difference, Refusals};
use crate::types::{VENUES_COUNTED, VenueOrders};
use serde::{Deserialize, Serialize};

/// What has been counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OmsCounters {
    /// Signals received.
    pub signals: u64,
    /// Signals refused by our own checks.
    pub signals_refused: u64,
    /// Orders sent. Equals the four ends below plus the open ones.
    pub orders_sent: u64,
    /// Orders that ended filled.
    pub orders_filled: u64,
    /// Orders that ended cancelled.
    pub orders_canceled: u64,
    /// Orders that ended rejected.
    pub orders_rejected: u64,
    /// Orders that ended expired.
    pub orders_expired: u64,
    /// Times an order became Unknown.
    pub unknowns: u64,
    /// Cancels sent, repeated ones included.
    pub cancels_sent: u64,
    /// Queries sent.
    pub queries_sent: u64,
    /// Requests for fills sent.
    pub fill_requests_sent: u64,
    /// Fills booked.
    pub fills: u64,
    /// Fills reported again.
    pub fills_repeated: u64,
    /// Fills booked after the order had ended.
    pub fills_late: u64,
    /// Fills booked although no order of ours was found for them.
    pub fills_external: u64,
    /// Orders of others that were adopted.
    pub orders_external: u64,
    /// Replaces sent.
    pub replaces_sent: u64,
    /// Orders and replaces that never left: they waited too long here, or their connection was lost
    /// before their turn came. `orders_sent` and `replaces_sent` count them too.
    pub never_sent: u64,
    /// Filled sums that went backwards by the venue's own time.
    pub sums_backwards: u64,
    /// Statements that contradict themselves, their order or what was known.
    pub quarantined: u64,
    /// Times that a venue did not answer for too long.
    pub not_answering: u64,
    /// Reconciliations that ended in agreement or with a halt.
    pub reconciliations: u64,
    /// Reconciliations that found no quiet moment to compare balances in.
    pub reconciliations_open: u64,
    /// Differences found, by class ([`Difference::NAMES`]).
    pub differences: [u64; Difference::CLASSES],
    /// Fills of before our start, without an order of ours: part of the opening balance.
    pub fills_before_start: u64,
    /// Fills that cannot be booked: no id, no quantity or beyond all numbers.
    pub fills_bad: u64,
    /// Reports about orders that are not in the table.
    pub reports_orphaned: u64,
    /// Ends of numbers that a replace has taken from their orders.
    pub reports_former: u64,
    /// Reports that contradict what was proved before, or one another.
    pub contradictions: u64,
    /// Balances of venues or assets that are not in the tables.
    pub balances_unknown: u64,
    /// Payments of funding booked.
    pub funding_payments: u64,
    /// The same told of again, or from before our start.
    pub funding_repeated: u64,
    /// Refusals by [`crate::oms::RiskReject`] number.
    pub refusals: Refusals,
    /// Orders sent to each venue and how they ended, by its number: their sums stand above.
    pub orders_at: [VenueOrders; VENUES_COUNTED],
}
