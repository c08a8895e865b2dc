//! What venues state about themselves, the account and its fees.

#![forbid(unsafe_code)]

use super::record::{Record, Recorder};
use super::transition::Trigger;
use super::venues::Change;
use super::{Books, Oms, Output};
use crate::types::{
    AssetBalance, Channel, FeeRate, InstrumentId, InstrumentRules, InstrumentStatus, Nanos,
    Readiness, VenueId, VenueNotice,
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

    /// A venue has changed the rules of an instrument, or whether it trades it.
    pub fn on_rules(
        &mut self,
        instrument: InstrumentId,
        rules: InstrumentRules,
        status: InstrumentStatus,
        now: Nanos,
    ) {
        self.recorder.record(now, &Record::Rules(instrument, rules, status));
        std::sync::Arc::make_mut(&mut self.instruments).set_rules(instrument, rules);
        if let Some(row) = self.state.statuses.get_mut(instrument.index()) {
            *row = status;
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
        if let VenueNotice::RateLimit(stated) = notice {
            self.on_rate_limit(venue, stated, now);
            return;
        }
        self.record_known_fills(venue, now);
        self.recorder.record(now, &Record::Notice(venue, *notice));
        match *notice {
            VenueNotice::Readiness(channel, to) => self.on_readiness(venue, channel, to, now, out),
            VenueNotice::Suspended(until) => self.state.venues.on_suspended(venue, until),
            VenueNotice::BalancesEnd => self.on_balances_end(venue, now),
            VenueNotice::FundingEnd => self.on_funding_end(venue, now, out),
            VenueNotice::FillsEnd(instrument) => self.on_fills_end(venue, instrument, now, out),
            VenueNotice::OpenOrdersEnd(instrument) => {
                self.on_orders_end(venue, instrument, now, out);
            }
            VenueNotice::MarginCall(instrument) => self.state.perpetuals.call(instrument),
            VenueNotice::RequestFailed(_) => self.on_request_failed(venue, now),
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
        match self.state.venues.on_readiness(venue, channel, to, now) {
            Change::None => {}
            Change::StreamLost => {
                self.abandon_round(venue);
                self.lose_all(venue, now, out);
            }
            Change::Doubtful => self.begin_round(venue, now, out),
            Change::Connected { missed } => {
                if missed {
                    // Replies may have shown some as open while nobody told of their end.
                    self.lose_all(venue, now, out);
                }
                self.on_connected(venue, now, out);
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
}

/// Notices that change nothing here and are too many to be kept.
fn says_nothing(notice: &VenueNotice) -> bool {
    matches!(
        notice,
        VenueNotice::ClockOffset { .. }
            | VenueNotice::SubscriptionFailed(_)
            | VenueNotice::ShutdownAnnounced(_)
            | VenueNotice::DeadManArmed(_)
            | VenueNotice::DeadManFailed(_)
    )
}
