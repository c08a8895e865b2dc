//! What is left to trade perpetuals with, of one settle asset at one venue.
//!
//! The venue says what is available, with its own model (one account for all, or what is set aside
//! for a position), but some time ago. What we have done since then is taken off: orders that began
//! to work, and positions that fills have made larger. An answer to a question may be as old as the
//! question: what was done after it is taken off too, perhaps twice. What has ended or was closed is
//! given back only by the venue's next statement, so the number is not too large by what we know.

#![forbid(unsafe_code)]

use super::wide::mul_div;
use crate::types::{AMOUNT_DECIMALS, Amount, FundingPayment, MarginReport, Nanos};
use serde::{Deserialize, Serialize};

const ONE: u128 = 10u128.pow(AMOUNT_DECIMALS);

/// Initial margin of a position or order of this value at this leverage, rounded up; without a
/// leverage that makes sense (below once), all of the value.
#[must_use]
pub fn initial_margin(value: Amount, leverage: Amount) -> Amount {
    if leverage.0 <= ONE as i128 {
        return value;
    }
    // Cannot fail: the divisor is the larger one.
    let cut = mul_div(value.0, ONE, leverage.0.unsigned_abs()).unwrap_or(value.0);
    Amount(cut.saturating_add(1).min(value.0.max(0)))
}

/// See the module. All in settle units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collateral {
    /// The venue's last statement; `None` until there is one.
    pub stated: Option<MarginReport>,
    /// Initial margin of our working orders.
    working: Amount,
    /// The same when the venue made its statement.
    counted: Amount,
    /// Initial margin by which fills have made positions larger since then.
    grown: Amount,
    /// Both as they were when the venue was asked for the statement that is to come.
    asked: Option<(Amount, Amount)>,
}

impl Collateral {
    /// What new orders may bind; `None` until the venue has said anything.
    #[must_use]
    pub fn available(&self) -> Option<Amount> {
        let since = self.working.0.saturating_sub(self.counted.0).max(0);
        let left = self.stated?.available.0.saturating_sub(since);
        Some(Amount(left.saturating_sub(self.grown.0)))
    }

    /// The venue is asked for a statement.
    pub fn ask(&mut self) {
        self.asked = Some((self.working, self.grown));
    }

    /// The venue states what there is.
    pub fn on_statement(&mut self, report: &MarginReport) {
        self.stated = Some(*report);
        let (working, grown) = self.asked.take().unwrap_or((self.working, self.grown));
        self.counted = working.min(self.working);
        self.grown = Amount(self.grown.0.saturating_sub(grown.0));
    }

    /// What working orders bind has changed.
    pub fn work(&mut self, from: Amount, to: Amount) {
        self.working = Amount(self.working.0.saturating_add(to.0.saturating_sub(from.0)));
    }

    /// A fill made a position larger.
    pub fn grow(&mut self, margin: Amount) {
        self.grown = Amount(self.grown.0.saturating_add(margin.0));
    }

    /// A new run: what works is counted anew, and nothing is known of the account.
    pub fn restart(&mut self) {
        *self = Self::default();
    }
}

/// Payments that are told apart: venues list those of some minutes again.
const PAYMENTS_KEPT: usize = 32;

/// The last funding payments of one instrument: each is booked once, however often it is told of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payments {
    kept: [(u64, Nanos); PAYMENTS_KEPT],
    /// Newest time of those that were forgotten: nothing from no later than that is new.
    forgotten: Nanos,
}

impl Payments {
    /// Notes a payment. Whether it was not known.
    pub fn see(&mut self, payment: &FundingPayment) -> bool {
        let key = (payment.id, payment.event_ns);
        if payment.event_ns <= self.forgotten || self.kept.iter().any(|(id, _)| *id == key.0) {
            return false;
        }
        // The oldest makes room, whenever it was told of: after a long absence the newest may come
        // first, by the stream, and those before it by a list.
        if let Some(oldest) = self.kept.iter_mut().min_by_key(|(_, time)| *time) {
            let gone =
                if payment.event_ns < oldest.1 { key } else { std::mem::replace(oldest, key) };
            self.forgotten = self.forgotten.max(gone.1);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    const E18: i128 = 10i128.pow(18);

    fn stated(available: i128) -> MarginReport {
        MarginReport { available: Amount(available * E18), ..MarginReport::default() }
    }

    #[test]
    fn margin_is_value_over_leverage_and_never_more_than_the_value() {
        let times = |n: i128| Amount(n * E18);
        assert_eq!(initial_margin(Amount(100 * E18), times(5)), Amount(20 * E18 + 1));
        assert_eq!(initial_margin(Amount(100 * E18), times(1)), Amount(100 * E18));
        assert_eq!(initial_margin(Amount(100 * E18), Amount::ZERO), Amount(100 * E18));
        assert_eq!(initial_margin(Amount(1), times(100)), Amount(1));
        assert_eq!(initial_margin(Amount::ZERO, times(100)), Amount::ZERO);
        assert_eq!(initial_margin(Amount(i128::MAX), times(2)), Amount(i128::MAX / 2 + 1));
    }

    #[test]
    fn what_we_did_since_the_statement_is_taken_off() {
        let mut account = Collateral::default();
        account.work(Amount::ZERO, Amount(5 * E18));
        assert_eq!(account.available(), None);
        account.on_statement(&stated(100));
        assert_eq!(account.available(), Some(Amount(100 * E18)), "the venue has counted it");
        account.work(Amount::ZERO, Amount(30 * E18));
        assert_eq!(account.available(), Some(Amount(70 * E18)));
        // It fills: nothing works, but the position is larger.
        account.work(Amount(30 * E18), Amount::ZERO);
        account.grow(Amount(30 * E18));
        assert_eq!(account.available(), Some(Amount(70 * E18)));
        // What was counted ends: the venue has not said so yet.
        account.work(Amount(5 * E18), Amount::ZERO);
        assert_eq!(account.available(), Some(Amount(70 * E18)));
        account.on_statement(&stated(75));
        assert_eq!(account.available(), Some(Amount(75 * E18)));
    }

    #[test]
    fn what_was_done_after_the_question_may_not_be_in_the_answer() {
        let mut account = Collateral::default();
        account.work(Amount::ZERO, Amount(5 * E18));
        account.ask();
        account.work(Amount::ZERO, Amount(30 * E18));
        account.grow(Amount(2 * E18));
        account.on_statement(&stated(100));
        assert_eq!(account.available(), Some(Amount(68 * E18)));
        account.on_statement(&stated(68));
        assert_eq!(account.available(), Some(Amount(68 * E18)), "told of by itself");
    }

    #[test]
    fn payments_of_a_long_absence_are_booked_though_the_newest_is_told_of_first() {
        let mut payments = Payments::default();
        let at = |id: u64| Nanos(id * 3_600);
        let payment = |id| FundingPayment { id, event_ns: at(id), ..FundingPayment::default() };
        assert!(payments.see(&payment(60)));
        for id in 1..60 {
            assert!(payments.see(&payment(id)), "{id}");
        }
        assert!((1..=60).all(|id| !payments.see(&payment(id))));
    }

    proptest! {
        /// In order of time with repetitions of the last few, as venues list them.
        #[test]
        fn a_payment_is_new_once(steps in prop::collection::vec((0u64..3, 0u64..6), 0..100)) {
            let (mut payments, mut booked) = (Payments::default(), BTreeSet::new());
            let mut newest = 10u64;
            for (on, back) in steps {
                newest += on;
                let id = newest - back;
                let at = Nanos(id * 1_000);
                let payment = FundingPayment { id, event_ns: at, ..FundingPayment::default() };
                let new = payments.see(&payment);
                prop_assert!(!new || booked.insert(id), "{id} was booked before");
                prop_assert!(new || booked.contains(&id) || at <= payments.forgotten, "{id} is lost");
            }
        }
    }
}
