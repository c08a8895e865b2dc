//! The end of a run, as the order manager lives it.
//!
//! First everything of ours is cancelled. Once nothing is open any more and the venues have fallen
//! silent, they are asked once more where their own word may still be missing: a balance is not what
//! our fills make it, or perpetuals are traded, whose funding and wallets some venues tell of only when
//! asked. They are asked again where that does not explain it, as a payment may have been made
//! meanwhile. What agrees then, or has had its time, is the last state.

#![forbid(unsafe_code)]

use super::account;
use super::oms::OmsAgent;
use super::operator::LAST_WORD;
use super::threads::Phase;
use crate::types::{Amount, Event, Nanos, Operator, Scope, Teller, VenueId, VenueNotice};

/// Silence of the venues after the last order has ended: balances follow the reports that changed
/// them, and the last state is to hold them.
const SETTLE_NS: u64 = 200_000_000;
/// The same where a balance is not yet what our fills make it, or a venue still answers.
const SETTLE_MAX_NS: u64 = 2_000_000_000;
/// The same while a venue owes an answer: the question may wait for our own share of its limits, whose
/// windows are of seconds.
const ANSWER_MAX_NS: u64 = 5_000_000_000;
/// How often a venue is asked at most.
const QUESTIONS_MAX: u32 = 4;

/// How far the end has come.
#[derive(Debug, Default)]
pub(super) struct Ending {
    step: Step,
    /// By venue, how often it was asked.
    questions: Vec<u32>,
    /// When a venue last said something of the account.
    told_ns: Nanos,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    #[default]
    Not,
    /// Our orders are being cancelled.
    Cancelling,
    Over,
}

impl Ending {
    /// News of the account, or the end of an answer: some venues are asked for one instrument after
    /// the other, and most of the lists are empty then.
    pub(super) fn hear(&mut self, event: &Event, now: Nanos) {
        use VenueNotice::{BalancesEnd, FillsEnd, FundingEnd, OpenOrdersEnd};
        if matches!(
            event,
            Event::Report(_)
                | Event::Balance(_)
                | Event::FundingPaid(_)
                | Event::Notice(FillsEnd(_) | OpenOrdersEnd(_) | FundingEnd | BalancesEnd)
        ) {
            self.told_ns = now;
        }
    }

    pub(super) fn has_begun(&self) -> bool {
        self.step > Step::Not
    }

    pub(super) fn is_over(&self) -> bool {
        self.step == Step::Over
    }
}

impl OmsAgent {
    pub(super) fn live_through_the_end(&mut self, now: Nanos) {
        let phase = self.parts.lifecycle.phase();
        if phase < Phase::Stopping || self.ending.is_over() {
            return;
        }
        if !self.ending.has_begun() {
            self.ending.step = Step::Cancelling;
            self.ending.questions.resize(self.venues.len(), 0);
            self.parts.market.stop();
            let teller = self.parts.lifecycle.teller();
            // A stop is never refused.
            let done = self.oms.on_told(teller, &Operator::Stop, now, &mut self.out);
            self.drain(now);
            let cancels = done.unwrap_or_default().cancels;
            let text = format_args!("told by {teller}: stop: {cancels} orders are being cancelled");
            self.parts.log.info(now, text);
        }
        if phase == Phase::Leaving || self.is_settled(now) {
            self.finish(now);
        }
    }

    /// Whether all orders have ended and the venues have said what there is to say, or have had
    /// their time.
    fn is_settled(&mut self, now: Nanos) -> bool {
        if !self.oms.is_quiet() || now.since(self.ending.told_ns) <= SETTLE_NS {
            return false;
        }
        let mut open = false;
        for at in 0..self.venues.len() {
            open |= !self.has_spoken(at, now);
        }
        // From the question on, if one was asked just now: the venues may have been silent before.
        let silence = now.since(self.ending.told_ns);
        let owed = self.venues.iter().any(|venue| self.oms.is_reconciling(*venue));
        !open || silence > if owed { ANSWER_MAX_NS } else { SETTLE_MAX_NS }
    }

    /// Whether a venue has said what there is to say; if not, it is asked.
    fn has_spoken(&mut self, at: usize, now: Nanos) -> bool {
        let venue = self.venues[at];
        if self.oms.is_reconciling(venue) {
            return false;
        }
        let asked = self.ending.questions[at];
        let enough = asked > 0 || !self.trades_perpetuals(venue);
        if enough && self.agrees(venue) {
            return true;
        }
        if asked < QUESTIONS_MAX {
            let question = Operator::Reconcile(Some(venue));
            let _ = self.oms.on_told(Teller::End, &question, now, &mut self.out);
            self.drain(now);
            if self.oms.is_reconciling(venue) {
                (self.ending.questions[at], self.ending.told_ns) = (asked + 1, now);
            } else {
                // It cannot be asked.
                self.ending.questions[at] = QUESTIONS_MAX;
            }
        }
        false
    }

    fn agrees(&self, venue: VenueId) -> bool {
        let rows = self.oms.balances().of_venue(venue);
        rows.iter().all(|row| row.difference() == Amount::ZERO)
    }

    fn trades_perpetuals(&self, venue: VenueId) -> bool {
        self.parts.instruments.of_venue(venue).any(|instrument| instrument.is_perpetual())
    }

    fn finish(&mut self, now: Nanos) {
        self.ending.step = Step::Over;
        // Storing may take long: nobody is to think that we hang.
        self.parts.lifecycle.advance(Phase::Leaving);
        let unrecorded = self.close_journal(now);
        self.account_at = Nanos(0);
        self.account.restart();
        self.publish_account(now);
        self.account.restart();
        self.publish_rows(usize::MAX, now);
        let around = self.around();
        let (oms, table) = (&self.oms, &self.parts.instruments);
        let mut last = account::final_state(oms, table, (&self.venues, &around), now);
        last.pairs = self.pairs.stats();
        last.unrecorded = unrecorded;
        self.describe((LAST_WORD, Scope::Engine), Nanos(u64::MAX), now);
        let _ = self.parts.last.send(last);
        self.parts.lifecycle.advance(Phase::Done);
    }
}
