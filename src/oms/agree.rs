//! Whether a venue's balances are what our fills make them: the last step of a reconciliation.

#![forbid(unsafe_code)]

use super::differences::Difference;
use super::perpetuals::is_quiet;
use super::reconcile::Step;
use super::record::Recorder;
use super::{Books, Oms};
use crate::types::{Amount, AssetId, Nanos, VenueId};

/// Balances that are off so many times in a row count.
const DOUBTS_MAX: u32 = 4;
/// What a venue may round away at one fill, in 1e-18 units: its eighth decimal.
const DUST: i128 = 10_000_000_000;

impl<R: Recorder, B: Books> Oms<R, B> {
    /// A person accepts what the venue last stated as the new opening balances, and with it that
    /// orders may be sent there again.
    pub(super) fn take_over(&mut self, venue: VenueId, now: Nanos) {
        for index in 0..self.instruments.assets.len() {
            let asset = AssetId(index as u16);
            let amount = self.state.balances.get(venue, asset).difference();
            if amount != Amount::ZERO {
                self.found(venue, Difference::BalanceAccepted { asset, amount }, now);
                self.state.balances.rebase(venue, asset);
            }
        }
        self.take_positions(venue, now);
        self.halt_venue(venue, false, now);
    }

    /// The balances are complete.
    pub(super) fn on_balances_end(&mut self, venue: VenueId, now: Nanos) {
        let Some(round) = self.round(venue).copied() else { return };
        if round.step != Step::Balances || round.asked == Nanos(0) {
            return;
        }
        self.on_positions_end(venue);
        if round.opened == Nanos(0) {
            if !is_quiet(round.moved, round.asked) {
                return self.ask_anew(venue, now);
            }
            for index in 0..self.instruments.assets.len() {
                self.state.balances.rebase(venue, AssetId(index as u16));
            }
            self.take_positions(venue, now);
            if let Some(round) = self.round(venue) {
                round.opened = round.asked;
            }
            return self.finish_round(venue, now);
        }
        if is_quiet(round.moved, round.asked) {
            self.move_profits(venue, self.dust(venue), now);
        }
        if !self.is_off(venue, now) && !self.positions_off(venue) {
            self.halt_venue(venue, false, now);
            return self.finish_round(venue, now);
        }
        if self.state.venues.is_halted(venue) {
            return self.finish_round(venue, now);
        }
        let doubts = round.doubts + 1;
        if let Some(round) = self.round(venue) {
            round.doubts = doubts;
        }
        let quiet = is_quiet(round.moved, round.asked);
        if quiet && doubts >= DOUBTS_MAX {
            self.stop_at_balances(venue, now);
        } else if doubts >= DOUBTS_MAX && self.state.venues.is_reconciled(venue) {
            // Fills do not leave a moment in which to compare: the next round may find one.
            self.state.counters.reconciliations_open += 1;
            self.rest(venue, now);
        } else {
            self.again(venue, doubts, now);
        }
    }

    /// What rounding at a venue can have made of a balance so far.
    fn dust(&self, venue: VenueId) -> i128 {
        let fills: u64 = (self.instruments.of_venue(venue))
            .map(|row| self.state.positions.get(row.id).fills)
            .fold(0, u64::saturating_add);
        DUST.saturating_mul(i128::from(fills.min(10_000)) + 1)
    }

    /// Whether a balance differs by more than rounding; what is dust is taken over.
    fn is_off(&mut self, venue: VenueId, now: Nanos) -> bool {
        let dust = self.dust(venue);
        let mut off = false;
        for index in 0..self.instruments.assets.len() {
            let asset = AssetId(index as u16);
            let amount = self.state.balances.get(venue, asset).difference();
            if amount.0.saturating_abs() > dust {
                off = true;
            } else if amount != Amount::ZERO {
                self.found(venue, Difference::BalanceDust { asset, amount }, now);
                self.state.balances.rebase(venue, asset);
            }
        }
        off
    }

    /// Nothing explains what is left.
    fn stop_at_balances(&mut self, venue: VenueId, now: Nanos) {
        for index in 0..self.instruments.assets.len() {
            let asset = AssetId(index as u16);
            let amount = self.state.balances.get(venue, asset).difference();
            if amount != Amount::ZERO {
                self.found(venue, Difference::BalanceOff { asset, amount }, now);
            }
        }
        self.tell_positions_off(venue, now);
        self.halt_venue(venue, true, now);
        self.finish_round(venue, now);
    }

    /// The balances once more: something moved while they were on their way.
    fn ask_anew(&mut self, venue: VenueId, now: Nanos) {
        if let Some(round) = self.round(venue) {
            (round.asked, round.tries) = (Nanos(0), 0);
        }
        self.set_due(venue, now.plus(self.options.retry_first_ns.max(1)));
    }

    /// Everything once more after a pause: a fill that explains it may not have been listed yet.
    fn again(&mut self, venue: VenueId, doubts: u32, now: Nanos) {
        let first = self.first_step(venue);
        if let Some(round) = self.round(venue) {
            // What the lists of this pass named is named anew, or is not.
            round.number += 1;
            (round.step, round.asked, round.tries) = (first, Nanos(0), 0);
        }
        self.set_due(venue, now.plus(self.pause_ns(doubts).max(1)));
    }

    fn finish_round(&mut self, venue: VenueId, now: Nanos) {
        self.state.counters.reconciliations += 1;
        if self.state.venues.on_reconciled(venue) {
            self.tell_reconciled(venue);
        }
        self.rest(venue, now);
    }
}
