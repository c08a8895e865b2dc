//! The life of an order as one table: state and trigger to next state.
//!
//! A trigger is what a report or a deadline means, worked out in [`super::reports`]; here stands
//! only what follows from it. Reports arrive late, twice and in any order, so every pair has an
//! answer and none is an error.

#![forbid(unsafe_code)]

use crate::types::OrderState;

/// What has happened to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Trigger {
    /// The reply to the placement says that it was taken in.
    Accepted = 0,
    /// The venue shows it alive: a stream event, a fill of a part, an answer to a query.
    Working,
    /// A query found an earlier fill of a part: it proves what was, not what is.
    PastFill,
    /// All of it is filled.
    FullFill,
    /// Cancelled.
    Canceled,
    /// Refused, with nothing filled.
    Rejected,
    /// Refused, although it was seen alive or partly filled: one of the two is wrong.
    RejectedAlive,
    /// Ended by time in force or venue.
    Expired,
    /// Its terms were changed.
    Replaced,
    /// A cancel was refused and the order stands.
    CancelRejected,
    /// A replace was refused and the order stands.
    ReplaceRejected,
    /// A cancel or replace was refused because the venue does not know the order: it is done, or
    /// never was.
    OrderGone,
    /// A query did not find it; once is no proof.
    NotFound,
    /// Queries have not found it for long enough, and it was never seen: it was never accepted.
    NeverWas,
    /// Queries have not found it for long enough, but it was seen: it has ended.
    Vanished,
    /// The outcome of a command is not known.
    Lost,
    /// The stream that would tell of it was lost.
    StreamLost,
    /// We send a cancel.
    CancelSent,
    /// We send a replace.
    ReplaceSent,
    /// The venue's list of open orders names it, although it had ended before the list was asked
    /// for; or it was filled, and the venue says that it is larger.
    Listed,
}

impl Trigger {
    /// All of them, in order.
    #[cfg(test)]
    pub const ALL: [Self; TRIGGERS] = [
        Self::Accepted,
        Self::Working,
        Self::PastFill,
        Self::FullFill,
        Self::Canceled,
        Self::Rejected,
        Self::RejectedAlive,
        Self::Expired,
        Self::Replaced,
        Self::CancelRejected,
        Self::ReplaceRejected,
        Self::OrderGone,
        Self::NotFound,
        Self::NeverWas,
        Self::Vanished,
        Self::Lost,
        Self::StreamLost,
        Self::CancelSent,
        Self::ReplaceSent,
        Self::Listed,
    ];
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The state stays.
    Keep,
    /// Open, partially filled or still pending: whichever the order's own numbers say.
    Working,
    /// This state. [`OrderState::Unknown`] starts queries.
    To(OrderState),
}

const TRIGGERS: usize = 20;
const STATES: usize = 10;

/// State and trigger to next state.
#[must_use]
pub fn next(state: OrderState, trigger: Trigger) -> Next {
    TABLE[trigger as usize][state as usize]
}

const K: Next = Next::Keep;
const W: Next = Next::Working;
const F: Next = Next::To(OrderState::Filled);
const C: Next = Next::To(OrderState::Canceled);
const R: Next = Next::To(OrderState::Rejected);
const E: Next = Next::To(OrderState::Expired);
const U: Next = Next::To(OrderState::Unknown);
const X: Next = Next::To(OrderState::PendingCancel);
const P: Next = Next::To(OrderState::PendingReplace);

/// Columns in the order of [`OrderState`].
///
/// Cells that are not obvious: an order that was rejected and shows signs of life becomes Unknown,
/// because "believed dead, is alive" is the costliest error, and so does one that a list names long
/// after its end, or a larger quantity than was filled; a cancelled or expired order that turns out to be filled whole is Filled; a past
/// fill resolves no Unknown; neither does a refused change, and a list that does not name an order
/// proves only that it is not open: queries and fills decide how it ended.
#[rustfmt::skip]
const TABLE: [[Next; STATES]; TRIGGERS] = [
    //                    New Opn Prt PCn PRp Fil Can Rej Exp Unk
    /* Accepted        */ [W,  K,  K,  K,  K,  K,  K,  K,  K,  W],
    /* Working         */ [W,  W,  W,  K,  K,  K,  K,  U,  K,  W],
    /* PastFill        */ [W,  W,  W,  K,  K,  K,  K,  U,  K,  K],
    /* FullFill        */ [F,  F,  F,  F,  F,  K,  F,  F,  F,  F],
    /* Canceled        */ [C,  C,  C,  C,  C,  K,  K,  K,  K,  C],
    /* Rejected        */ [R,  R,  U,  R,  R,  K,  K,  K,  K,  R],
    /* RejectedAlive   */ [U,  U,  U,  U,  U,  K,  K,  K,  K,  K],
    /* Expired         */ [E,  E,  E,  E,  E,  K,  K,  K,  K,  E],
    /* Replaced        */ [W,  W,  W,  K,  W,  K,  K,  U,  K,  W],
    /* CancelRejected  */ [K,  K,  K,  W,  K,  K,  K,  K,  K,  K],
    /* ReplaceRejected */ [K,  K,  K,  K,  W,  K,  K,  K,  K,  K],
    /* OrderGone       */ [U,  U,  U,  U,  U,  K,  K,  K,  K,  K],
    /* NotFound        */ [K,  U,  U,  U,  U,  K,  K,  K,  K,  K],
    /* NeverWas        */ [K,  U,  U,  U,  U,  K,  K,  K,  K,  R],
    /* Vanished        */ [K,  U,  U,  U,  U,  K,  K,  K,  K,  C],
    /* Lost            */ [U,  K,  K,  U,  U,  K,  K,  K,  K,  K],
    /* StreamLost      */ [U,  U,  U,  U,  U,  K,  K,  K,  K,  K],
    /* CancelSent      */ [X,  X,  X,  K,  X,  K,  K,  K,  K,  K],
    /* ReplaceSent     */ [K,  P,  P,  K,  K,  K,  K,  K,  K,  K],
    /* Listed          */ [K,  K,  K,  K,  K,  U,  U,  U,  U,  K],
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::OrderState as S;

    fn states() -> impl Iterator<Item = S> {
        (0..STATES as u8).filter_map(S::from_u8)
    }

    #[test]
    fn rows_stand_where_their_triggers_say() {
        for (index, trigger) in Trigger::ALL.into_iter().enumerate() {
            assert_eq!(trigger as usize, index, "{trigger:?}");
        }
        for (index, state) in states().enumerate() {
            assert_eq!(state as usize, index, "{state:?}");
        }
    }

    #[test]
    fn a_terminal_state_is_left_only_by_a_full_fill_or_a_sign_of_life() {
        for state in states().filter(|state| state.is_terminal()) {
            for trigger in Trigger::ALL {
                let expected = match (state, trigger) {
                    (_, Trigger::Listed) => Next::To(S::Unknown),
                    (S::Filled, _) => Next::Keep,
                    (_, Trigger::FullFill) => Next::To(S::Filled),
                    (S::Rejected, Trigger::Working | Trigger::PastFill | Trigger::Replaced) => {
                        Next::To(S::Unknown)
                    }
                    _ => Next::Keep,
                };
                assert_eq!(next(state, trigger), expected, "{state:?} {trigger:?}");
            }
        }
    }

    #[test]
    fn unknown_is_left_only_by_proof() {
        for trigger in Trigger::ALL {
            let expected = match trigger {
                Trigger::Accepted | Trigger::Working | Trigger::Replaced => Next::Working,
                Trigger::FullFill => Next::To(S::Filled),
                Trigger::Canceled | Trigger::Vanished => Next::To(S::Canceled),
                Trigger::Rejected | Trigger::NeverWas => Next::To(S::Rejected),
                Trigger::Expired => Next::To(S::Expired),
                _ => Next::Keep,
            };
            assert_eq!(next(S::Unknown, trigger), expected, "{trigger:?}");
        }
    }

    #[test]
    fn an_order_that_may_be_alive_never_ends_without_proof_from_the_venue() {
        let ends = |to| matches!(to, Next::To(state) if state.is_terminal());
        for state in states().filter(|state| !state.is_terminal()) {
            for trigger in [
                Trigger::Lost,
                Trigger::StreamLost,
                Trigger::NotFound,
                Trigger::OrderGone,
                Trigger::CancelSent,
                Trigger::RejectedAlive,
                Trigger::PastFill,
                Trigger::CancelRejected,
            ] {
                assert!(!ends(next(state, trigger)), "{state:?} {trigger:?}");
            }
        }
    }
}
