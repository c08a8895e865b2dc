//! The venues' rate limits before anything leaves: all legs of a signal have room, or none is sent.
//!
//! The count is the oms' own and part of its state. It takes what every command costs that is handed
//! over, and learns from the venues' statements what others have used and what is given back. The
//! executor counts too, and is asked last; what passes here reaches it a little later and passes
//! there, so that no leg is refused after another has left. Cancels are never held back here.

#![forbid(unsafe_code)]

use super::record::{Record, Recorder};
use super::{Books, Oms, RiskReject};
use crate::throttle::Throttle;
use crate::types::{
    Command, CommandKind, CostTable, LimitSpec, Nanos, NewOrder, Priority, RateLimitUse, VenueId,
    VenueNotice,
};
use serde::{Deserialize, Serialize};

/// How much later than here a command may be counted by the executor.
const AHEAD_NS: u64 = 50_000_000;

/// Rate limits of one venue.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct VenueRates {
    /// The limits. None for a venue that nothing is sent to.
    pub limits: Vec<LimitSpec>,
    /// What commands cost under each of them.
    pub costs: CostTable,
}

/// What is used of every venue's limits.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Rates {
    rows: Vec<Throttle>,
    /// When the venue that was last too busy is worth trying again.
    free_at: Nanos,
}

impl Rates {
    pub fn new(rates: &[VenueRates]) -> Self {
        let rows = rates.iter().map(|row| Throttle::ahead(&row.limits, AHEAD_NS)).collect();
        Self { rows, free_at: Nanos(0) }
    }

    /// A new run: what was used just now goes on counting.
    pub fn restarted(&self, rates: &[VenueRates], now: Nanos) -> Self {
        let mut next = Self::new(rates);
        for ((to, from), rates) in next.rows.iter_mut().zip(&self.rows).zip(rates) {
            *to = from.restarted(&rates.limits, AHEAD_NS, now);
        }
        next
    }

    fn row(&mut self, venue: VenueId) -> Option<&mut Throttle> {
        self.rows.get_mut(usize::from(venue.0))
    }

    /// Units used of one limit of a venue, and allowed.
    #[cfg(test)]
    pub fn used(&mut self, venue: VenueId, limit: usize, now: Nanos) -> Option<(u32, u32)> {
        self.row(venue)?.used(limit, now)
    }

    fn is_news(&self, venue: VenueId, stated: &RateLimitUse, now: Nanos) -> bool {
        self.rows.get(usize::from(venue.0)).is_some_and(|row| row.is_news(stated, now))
    }
}

impl<R: Recorder, B: Books> Oms<R, B> {
    /// Whether the venues have room for all of these orders now; if not, the first of the venue that
    /// has none.
    pub(super) fn check_rates(
        &mut self,
        orders: &[NewOrder],
        priority: Priority,
        now: Nanos,
    ) -> Result<(), (usize, RiskReject)> {
        let venue_of = |order: &NewOrder| {
            self.instruments.get(order.instrument).map(|instrument| instrument.venue)
        };
        for (at, order) in orders.iter().enumerate() {
            let Some(venue) = venue_of(order) else {
                return Err((at, RiskReject::UnknownInstrument));
            };
            if orders[..at].iter().any(|earlier| venue_of(earlier) == Some(venue)) {
                continue;
            }
            let Some(rates) = self.options.rates.get(usize::from(venue.0)) else { continue };
            let later = orders[at + 1..].iter();
            let count = 1 + later.filter(|order| venue_of(order) == Some(venue)).count() as u32;
            let Some(row) = self.state.rates.row(venue) else { continue };
            if let Err(when) = row.check_all(rates.costs.of_new(), count, priority, now) {
                self.state.rates.free_at = when;
                return Err((at, RiskReject::VenueBusy));
            }
        }
        Ok(())
    }

    /// Whether a venue has room for a command now.
    pub(super) fn check_rate(
        &mut self,
        venue: VenueId,
        kind: &CommandKind,
        now: Nanos,
    ) -> Result<(), RiskReject> {
        let Some(rates) = self.options.rates.get(usize::from(venue.0)) else { return Ok(()) };
        let Some(row) = self.state.rates.row(venue) else { return Ok(()) };
        row.check(rates.costs.of(kind), kind.priority(), now).map_err(|when| {
            self.state.rates.free_at = when;
            RiskReject::VenueBusy
        })
    }

    /// Counts a command that is handed over. One that has no room is not counted: the executor will
    /// refuse it.
    pub(super) fn take_rate(&mut self, venue: VenueId, command: &Command, now: Nanos) {
        let Some(rates) = self.options.rates.get(usize::from(venue.0)) else { return };
        let Some(row) = self.state.rates.row(venue) else { return };
        let costs = rates.costs.of(&command.kind);
        if matches!(command.kind, CommandKind::New(_)) {
            // It was asked about before it became an order, with the others of its signal.
            row.take(costs, now);
        } else {
            let _ = row.try_take(costs, command.priority, now);
        }
    }

    /// A venue states the use of a limit. Recorded only if it changes what is refused: there is a
    /// statement in every reply.
    pub(super) fn on_rate_limit(&mut self, venue: VenueId, stated: &RateLimitUse, now: Nanos) {
        if !self.state.rates.is_news(venue, stated, now) {
            return;
        }
        let notice = VenueNotice::RateLimit(*stated);
        self.recorder.record(now, &Record::Notice(venue, notice));
        if let Some(row) = self.state.rates.row(venue) {
            row.on_use(stated, now);
        }
    }

    /// When it is worth trying again what was refused just now; 0 if only time does not help.
    pub(super) fn retry_ns(&self, code: RiskReject, venue: Option<VenueId>, now: Nanos) -> Nanos {
        let when = match (code, venue) {
            (RiskReject::VenueBusy, _) => self.state.rates.free_at,
            (RiskReject::VenueNotReady, Some(venue)) => self.state.venues.suspended_until(venue),
            _ => Nanos(0),
        };
        if when > now { when } else { Nanos(0) }
    }
}
