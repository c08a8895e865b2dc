//! What venues state about themselves, the account and its fees.

#![forbid(unsafe_code)]

use super::orders::Order;
use super::record::{Record, Recorder};
use super::transition::Trigger;
use super::venues::Change;
use super::{Books, Oms, Output};
use crate::types::{
    AssetBalance, Channel, FeeRate, Nanos, OrderState, Readiness, VenueId, VenueNotice,
};

impl<R: Recorder, B: Books> Oms<R, B> {
    /// A venue states a balance.
    pub fn on_balance(&mut self, balance: &AssetBalance, now: Nanos) {
        self.recorder.record(now, &Record::Balance(*balance));
        if !self.state.balances.on_balance(balance) {
            self.state.counters.balances_unknown += 1;
        }
    }

    /// A venue states the fee rates of an instrument.
    pub fn on_fee(&mut self, fee: &FeeRate, now: Nanos) {
        self.recorder.record(now, &Record::Fee(*fee));
        if let Some(row) = self.state.fees.get_mut(fee.instrument.index()) {
            *row = Some(*fee);
        }
    }

    /// A venue states something about itself. Only notices of its trading connector belong here:
    /// the channels of market data say nothing about orders.
    pub fn on_notice(
        &mut self,
        venue: VenueId,
        notice: &VenueNotice,
        now: Nanos,
        out: &mut Output,
    ) {
        if says_nothing(notice) {
            return;
        }
        self.recorder.record(now, &Record::Notice(venue, *notice));
        match *notice {
            VenueNotice::Readiness(channel, to) => self.on_readiness(venue, channel, to, now, out),
            VenueNotice::Suspended(until) => self.state.venues.on_suspended(venue, until),
            VenueNotice::BalancesEnd => self.state.venues.on_balances(venue),
            VenueNotice::InstrumentStatus(instrument, status) => {
                if let Some(row) = self.state.statuses.get_mut(instrument.index()) {
                    *row = status;
                }
            }
            _ => {}
        }
    }

    fn on_readiness(
        &mut self,
        venue: VenueId,
        channel: Channel,
        to: Readiness,
        now: Nanos,
        out: &mut Output,
    ) {
        match self.state.venues.on_readiness(venue, channel, to) {
            Change::None => {}
            Change::StreamLost => self.lose_all(venue, now, out),
            Change::Connected { missed } => {
                if missed {
                    // Replies may have shown some as open while nobody told of their end.
                    self.lose_all(venue, now, out);
                    self.query_all(venue, now);
                }
                self.state.venues.want_balances(venue, now);
                self.state.next_due = now;
                self.try_catch_up(venue);
            }
        }
    }

    /// Nobody tells of the orders at this venue: none of their states is known.
    fn lose_all(&mut self, venue: VenueId, now: Nanos, out: &mut Output) {
        for slot in self.state.orders.slots() {
            if self.state.orders.get(slot).venue == venue {
                self.lose(slot, Trigger::StreamLost, now, out);
            }
        }
    }

    fn query_all(&mut self, venue: VenueId, now: Nanos) {
        for slot in self.state.orders.slots() {
            let order = self.state.orders.get_mut(slot);
            if order.venue == venue && order.state == OrderState::Unknown {
                order.timers.query = now;
                self.watch(slot);
            }
        }
    }

    /// A venue whose stream was lost gets no new orders before every order there was answered for
    /// and the fills that were missed are booked: later fills would otherwise be booked before
    /// them, and average costs depend on the order.
    pub(super) fn try_catch_up(&mut self, venue: VenueId) {
        if !self.state.venues.is_catching_up(venue) {
            return;
        }
        let unanswered = |order: &Order| {
            let open = order.state == OrderState::Unknown && order.timers.not_found == 0;
            order.venue == venue && (open || order.awaits_fills())
        };
        if !self.state.orders.iter().any(unanswered) {
            self.state.venues.on_caught_up(venue);
        }
    }
}

/// Notices that change nothing here and are too many to be kept.
fn says_nothing(notice: &VenueNotice) -> bool {
    matches!(
        notice,
        VenueNotice::RateLimit(_)
            | VenueNotice::ClockOffset { .. }
            | VenueNotice::SubscriptionFailed(_)
            | VenueNotice::ShutdownAnnounced(_)
            | VenueNotice::DeadManArmed(_)
            | VenueNotice::DeadManFailed(_)
    )
}
