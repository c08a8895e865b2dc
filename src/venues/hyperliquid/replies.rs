//! What the reply to an action, or its absence, means.
//!
//! Three outcomes stay apart: refused (the venue said no), unknown (it may have acted), and taken. The
//! venue replies once the block is committed, so a reply is proof of what became of an order, and one
//! "ok" may hold a refusal inside.
//! <https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/exchange-endpoint>

#![forbid(unsafe_code)]

use super::super::flight::{Ask, Flight, Phase};
use super::super::verdict::Verdict;
use super::super::{DecodeError, Value, decimal};
use super::errors;
use super::trading::Core;
use super::{SECOND_NS, streams};
use crate::types::{
    Channel, CommandKind, Events, ExecutionReport, Nanos, NewOrder, Qty, RejectReason,
    ReplaceOrder, ReportKind, ReportOrigin, TimeInForce, VenueNotice, VenueOrderId,
};

/// An account whose actions are used up may still send one in ten seconds; cancels have more.
const ADDRESS_PAUSE_NS: u64 = 10 * SECOND_NS;

/// What a reply says of an action on one order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reply<'a> {
    /// It rests under this number; 0 if none is stated.
    Resting(u64),
    /// So much of it was filled at once.
    Filled { oid: u64, total: &'a str },
    /// Done, of what has no number.
    Done,
    /// The order was refused.
    Refused(&'a str),
    /// The whole request was refused: nothing was done.
    WholeRefused(&'a str),
    /// An HTTP status instead of an answer.
    Http(u16),
    /// Not understood.
    Strange,
}

/// Number and response of `{"channel":"post","data":{"id":256,"response":{..}}}`
pub(super) fn post(root: Value<'_>) -> Result<(u64, Value<'_>), DecodeError> {
    let data = root.field("data")?;
    Ok((data.field_u64("id")?, data.field("response")?))
}

impl<'a> Reply<'a> {
    /// Reads `{"type":"action","payload":{..}}`; type `error` holds the text of an HTTP error.
    pub(super) fn read(response: Value<'a>) -> Self {
        let payload = response.get("payload");
        match (response.get("type").and_then(Value::str), payload) {
            (Some("action"), Some(payload)) => Self::of(payload),
            (Some("error"), Some(payload)) => {
                let text = payload.str().unwrap_or("");
                let status = text.get(..3).and_then(|digits| digits.parse().ok());
                status.map_or(Self::Strange, Self::Http)
            }
            _ => Self::Strange,
        }
    }

    /// Reads what REST answers too.
    ///
    /// ```json
    /// {"status":"ok","response":{"type":"order","data":{"statuses":[{"resting":{"oid":77738308}}]}}}
    /// {"status":"err","response":"Unable to recover signer."}
    /// ```
    pub(super) fn of(payload: Value<'a>) -> Self {
        let Some(response) = payload.get("response") else { return Self::Strange };
        match payload.get("status").and_then(Value::str) {
            Some("err") => response.str().map_or(Self::Strange, Self::WholeRefused),
            Some("ok") if response.get("type").and_then(Value::str) == Some("default") => {
                Self::Done
            }
            Some("ok") => statuses(response)
                .and_then(|mut all| all.next())
                .map_or(Self::Strange, Self::status),
            _ => Self::Strange,
        }
    }

    /// One of the `statuses`.
    pub(super) fn status(status: Value<'a>) -> Self {
        match status.str() {
            Some("success") => return Self::Done,
            Some("waitingForFill" | "waitingForTrigger") => return Self::Resting(0),
            Some(_) => return Self::Strange,
            None => {}
        }
        let oid = |object: Value<'a>| object.get("oid").and_then(Value::u64).unwrap_or(0);
        let members = (status.get("resting"), status.get("filled"), status.get("error"));
        match members {
            (Some(resting), _, _) => Self::Resting(oid(resting)),
            (_, Some(filled), _) => match filled.get("totalSz").and_then(Value::str) {
                Some(total) => Self::Filled { oid: oid(filled), total },
                None => Self::Strange,
            },
            (_, _, Some(text)) => text.str().map_or(Self::Strange, Self::Refused),
            _ => Self::Strange,
        }
    }

    /// What it proves, and the code that is told.
    fn verdict(&self) -> (Verdict, i32) {
        match self {
            Self::Resting(_) | Self::Filled { .. } | Self::Done => (Verdict::Done, 0),
            Self::Refused(text) | Self::WholeRefused(text) => errors::verdict(text),
            Self::Http(status) => (errors::http_verdict(*status), -i32::from(*status)),
            Self::Strange => (Verdict::Unknown(RejectReason::Other), errors::STRANGE),
        }
    }
}

/// The list of `{"type":"order","data":{"statuses":[..]}}`
pub(super) fn statuses(response: Value<'_>) -> Option<super::super::Items<'_>> {
    let statuses = response.get("data")?.get("statuses")?;
    statuses.is_array().then(|| statuses.items())
}

impl Core {
    /// What a code demands beyond its own request.
    pub(super) fn on_effect(
        &mut self,
        code: i32,
        channel: Channel,
        now: Nanos,
        events: &mut Events,
    ) {
        match code {
            errors::NO_WALLET | errors::NO_SIGNER | errors::NOT_FUNDED => {
                self.notice(events, VenueNotice::LoginRefused(channel, code));
            }
            errors::BAD_NONCE | errors::DUPLICATE_NONCE => self.clock.doubt(now),
            errors::ADDRESS_LIMIT => {
                let until = now.plus(ADDRESS_PAUSE_NS);
                self.notice(events, VenueNotice::Suspended(until));
            }
            status if status < 0 => {
                let status = u16::try_from(-status).unwrap_or(0);
                if let Some(blocked_ns) = streams::blocked_ns(status) {
                    self.clock.pause(now.plus(blocked_ns));
                    self.notice(events, VenueNotice::Suspended(now.plus(blocked_ns)));
                }
            }
            _ => {}
        }
    }

    /// Settles an action with its reply.
    pub(super) fn on_action_reply(
        &mut self,
        flight: &Flight,
        reply: &Reply<'_>,
        now: Nanos,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        let (verdict, code) = reply.verdict();
        self.on_effect(code, flight.channel, now, events);
        if !flight.ask.is_order() {
            self.flights.remove(flight.id);
            if matches!(flight.ask, Ask::SetMargin(_)) {
                self.on_margin(verdict, code, now, events);
                return Ok(());
            }
            let refused = (verdict != Verdict::Done).then_some(code);
            self.on_dead_man(refused, now, events);
            return Ok(());
        }
        if matches!(flight.phase, Phase::Waiting | Phase::Seen) {
            self.healthier.on_reply(flight.channel, flight.sent_ns, now);
        }
        let report = match (verdict, &flight.ask) {
            (Verdict::Unknown(reason), _) => {
                // It stays in the table: a query must know that it was sent just now.
                self.set_phase(flight.id, Phase::Late);
                Some(Report { kind: ReportKind::Unknown, reason, ..Report::default() })
            }
            (Verdict::Done, Ask::New(order)) => self.on_new(flight, order, reply)?,
            (Verdict::Refused(reason), Ask::New(order)) => {
                self.works.close(order.client_id);
                self.flights.remove(flight.id);
                // Nothing of it could be filled at once: that is how such an order ends.
                let expired = reason == RejectReason::TimeInForce;
                let kind = if expired { ReportKind::Expired } else { ReportKind::Rejected };
                let filled = expired.then_some(Qty(0));
                Some(Report { kind, reason, filled, ..Report::default() })
            }
            (verdict, Ask::Replace(terms)) => self.on_replaced(flight, terms, reply, verdict),
            (Verdict::Done, _) => {
                self.flights.remove(flight.id);
                let shown = flight.phase == Phase::Seen;
                (!shown).then_some(Report { kind: ReportKind::Canceled, ..Report::default() })
            }
            (Verdict::Refused(reason), _) => {
                self.flights.remove(flight.id);
                Some(Report { kind: ReportKind::CancelRejected, reason, ..Report::default() })
            }
        };
        match report {
            Some(report) => self.tell(flight, report, code, now, events),
            None => Ok(()),
        }
    }

    fn tell(
        &mut self,
        flight: &Flight,
        told: Report,
        code: i32,
        now: Nanos,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        let Some(mut report) = flight.ask.report(told.kind, ReportOrigin::Reply, now) else {
            return Ok(());
        };
        if told.oid > 0 {
            report.venue_order_id = VenueOrderId::from_u64(told.oid);
        }
        if let Some(qty) = told.qty {
            report.qty = qty;
        }
        (report.reason, report.venue_code) = (told.reason, code);
        report.cumulative_qty = told.filled;
        self.sink(events).report(report)
    }

    fn set_phase(&mut self, id: u64, phase: Phase) {
        let Some(open) = self.flights.get_mut(id) else { return };
        open.phase = phase;
        let (ask, sent) = (open.ask, open.sent_ns);
        if phase == Phase::Late {
            self.on_placed(&ask, sent, true);
        }
    }

    /// An order was taken. What was filled of it is told by fills; what an order that takes could not
    /// fill is gone.
    fn on_new(
        &mut self,
        flight: &Flight,
        order: &NewOrder,
        reply: &Reply<'_>,
    ) -> Result<Option<Report>, DecodeError> {
        let (oid, filled) = match *reply {
            Reply::Filled { oid, total } => {
                let scale = self.assets.asset(order.instrument).map(|asset| asset.scale);
                let total = decimal::qty(total, scale.unwrap_or_default());
                (oid, Some(total.map_err(|error| DecodeError::Number("totalSz", error))?))
            }
            Reply::Resting(oid) => (oid, None),
            _ => (0, None),
        };
        self.flights.remove(flight.id);
        if let Some(work) = self.works.get(order.client_id) {
            work.oid = if work.oid == 0 { oid } else { work.oid };
            work.touched |= filled.is_some();
        }
        let expired = |filled: Qty| order.time_in_force == TimeInForce::Ioc && filled < order.qty;
        if filled.is_some_and(expired) {
            self.works.close(order.client_id);
        }
        let (kind, reason) = match filled {
            Some(filled) if expired(filled) => (ReportKind::Expired, RejectReason::TimeInForce),
            Some(_) => (ReportKind::Progress, RejectReason::None),
            None => (ReportKind::Accepted, RejectReason::None),
        };
        Ok(Some(Report { kind, reason, filled, oid, ..Report::default() }))
    }

    /// A replace: another order with the same id of ours, or a refusal. If only the new terms were
    /// refused it is not said whether the old order still works: that is asked for.
    fn on_replaced(
        &mut self,
        flight: &Flight,
        terms: &ReplaceOrder,
        reply: &Reply<'_>,
        verdict: Verdict,
    ) -> Option<Report> {
        let seen = flight.phase == Phase::Seen;
        let oid = match *reply {
            Reply::Resting(oid) | Reply::Filled { oid, .. } => oid,
            _ => 0,
        };
        match verdict {
            Verdict::Done if oid == 0 && !seen => {
                self.set_phase(flight.id, Phase::Taken);
                None
            }
            Verdict::Done => {
                self.flights.remove(flight.id);
                let work = self.works.get(terms.client_id);
                let base = work.map_or(Qty(0), |work| {
                    if oid > 0 {
                        work.renumber(oid);
                    }
                    work.base()
                });
                let qty = Some(Qty(terms.qty.0.saturating_add(base.0)));
                let told = Report { kind: ReportKind::Replaced, oid, qty, ..Report::default() };
                (!seen).then_some(told)
            }
            Verdict::Refused(reason) => {
                let ended = self.works.get(terms.client_id).and_then(|work| work.ended);
                let whole = matches!(reply, Reply::WholeRefused(_));
                if ended.is_none() && !whole && reason != RejectReason::UnknownOrder {
                    self.set_phase(flight.id, Phase::Late);
                    return Some(Report { kind: ReportKind::Unknown, reason, ..Report::default() });
                }
                self.flights.remove(flight.id);
                if ended.is_some() {
                    self.works.close(terms.client_id);
                    let kind = ReportKind::Canceled;
                    return Some(Report { kind, reason, filled: ended, ..Report::default() });
                }
                Some(Report { kind: ReportKind::ReplaceRejected, reason, ..Report::default() })
            }
            Verdict::Unknown(_) => None,
        }
    }

    /// No reply will come, or none came in time. The venue may have acted.
    pub(super) fn on_lost(&mut self, id: u64, now: Nanos, events: &mut Events) {
        let Some(flight) = self.flights.get(id).copied() else { return };
        let waits = matches!(flight.phase, Phase::Waiting | Phase::Seen);
        if waits && flight.ask.is_order() && self.is_open(flight.channel) {
            self.healthier.on_overdue(flight.channel, flight.sent_ns, now);
        }
        match flight.phase {
            Phase::Late => {}
            _ if !flight.ask.is_order() => {
                self.flights.remove(id);
                if matches!(flight.ask, Ask::SetMargin(_)) {
                    self.on_margin(Verdict::Unknown(RejectReason::Other), 0, now, events);
                } else {
                    self.on_dead_man(Some(0), now, events);
                }
            }
            // The stream has shown the effect already.
            Phase::Seen => {
                self.flights.remove(id);
            }
            Phase::Waiting | Phase::Taken => {
                self.set_phase(id, Phase::Late);
                let local = ReportOrigin::Local;
                if let Some(report) = flight.ask.report(ReportKind::Unknown, local, now) {
                    let _ = self.sink(events).report(report);
                }
            }
        }
    }

    /// A request never left: refused here, if it was about one order. False if it was not.
    pub(super) fn on_unsent(&mut self, id: u64, now: Nanos, events: &mut Events) -> bool {
        let flight = self.flights.get(id).filter(|flight| flight.channel == Channel::Rest);
        let command = match flight.map(|flight| flight.ask) {
            Some(Ask::New(order)) => CommandKind::New(order),
            Some(Ask::Cancel(order)) => CommandKind::Cancel(order),
            Some(Ask::Replace(order)) => CommandKind::Replace(order),
            _ => return false,
        };
        self.flights.remove(id);
        if let CommandKind::New(order) = command {
            self.works.close(order.client_id);
        }
        let report = ExecutionReport::refused_here(&command, RejectReason::NotSent, now);
        // Only a backlog of 65 536 events refuses it; the order is then asked for.
        report.is_some_and(|report| self.sink(events).report(report).is_ok())
    }
}

/// What a reply makes of the report about its order.
#[derive(Clone, Copy)]
struct Report {
    kind: ReportKind,
    reason: RejectReason,
    oid: u64,
    qty: Option<Qty>,
    filled: Option<Qty>,
}

impl Default for Report {
    fn default() -> Self {
        let (kind, reason) = (ReportKind::Unknown, RejectReason::None);
        Self { kind, reason, oid: 0, qty: None, filled: None }
    }
}
