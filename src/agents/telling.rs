//! What the order manager says in the log of what it has counted.

use super::findings;
use super::oms::{OmsAgent, OmsParts};
use crate::oms::RiskReject;
use crate::types::Nanos;
use crate::venues::VENUES;

impl OmsAgent {
    /// Which venues may be traded on is said when it changes.
    fn tell_ready(&mut self, now: Nanos) {
        for (at, venue) in self.venues.iter().enumerate() {
            let ready = self.oms.is_ready(*venue, now);
            if ready == self.ready[at] {
                continue;
            }
            self.ready[at] = ready;
            let name = VENUES[usize::from(venue.0)].name;
            match ready {
                true => self.parts.log.info(now, format_args!("{name} may be traded on")),
                false => self.parts.log.warn(now, format_args!("{name} gets no new orders now")),
            }
        }
    }

    /// What should not happen is said when it does.
    pub(super) fn tell(&mut self, now: Nanos) {
        self.tell_ready(now);
        let c = self.oms.counters();
        let rows = [
            ("contradicting reports", self.told.contradictions, c.contradictions),
            ("fills that cannot be booked", self.told.fills_bad, c.fills_bad),
            ("fills of orders that are not ours", self.told.fills_external, c.fills_external),
            ("reports of orders that are not ours", self.told.reports_orphaned, c.reports_orphaned),
            ("orders of unknown outcome", self.told.unknowns, c.unknowns),
            ("orders that waited too long and were not sent", self.told.never_sent, c.never_sent),
        ];
        for (what, before, after) in rows {
            if after > before {
                let new = after - before;
                self.parts.log.warn(now, format_args!("{what}: {new} more, {after} in all"));
            }
        }
        let told = self.told.refusals;
        self.told = c;
        self.told.refusals = told;
        self.tell_refusals(now);
        self.tell_switch(now);
        self.tell_complaints(now);
        let OmsParts { instruments, lifecycle, log, .. } = &mut self.parts;
        for (venue, finding) in self.oms.findings() {
            findings::say(venue, &finding, instruments, lifecycle, log, now);
        }
    }

    /// A strategy may be refused thousands of times.
    fn tell_refusals(&mut self, now: Nanos) {
        let refusals = self.oms.counters().refusals;
        for code in RiskReject::ALL {
            let at = code as usize;
            let (before, after) = (self.told.refusals[at], refusals[at]);
            if after > before && self.refusals_told[at].is_due(now) {
                self.told.refusals[at] = after;
                let new = after - before;
                let text = format_args!("signal refused: {code}: {new} more, {after} in all");
                self.parts.log.warn(now, text);
            }
        }
    }
}
