//! What a reply, or its absence, means: reports and notices of the trading connector.
//!
//! Three outcomes of an order stay apart: refused (the venue said no), unknown (it may have acted),
//! and taken. Only the first and the last are ever concluded from a reply.

#![forbid(unsafe_code)]

use super::super::flight::{Ask, Flight, Phase};
use super::super::verdict::Verdict;
use super::super::{DecodeError, Outbox, Parser, RequestId, Response, Value};
use super::Core;
use super::sockets::Login;
use super::wire::{Effect, LimitState, Reply, TradingWire};
use crate::types::{
    Channel, CommandKind, Events, ExecutionReport, Nanos, RateLimitUse, Readiness, RejectReason,
    ReportKind, ReportOrigin, VenueNotice, VenueOrderId,
};

const SECOND_NS: u64 = 1_000_000_000;

/// No stated reset is believed beyond this.
const HOLD_MAX_NS: u64 = 3600 * SECOND_NS;
/// No window of a limit ends later than this.
const WINDOW_MAX_NS: u64 = 10 * SECOND_NS;
impl<W: TradingWire> Core<W> {
    /// What a reply demands beyond its own request, where that is known.
    pub(super) fn on_effect(
        &mut self,
        reply: &Reply,
        (channel, ask): (Channel, Option<&Ask>),
        now: Nanos,
        out: &mut Outbox,
        events: &mut Events,
    ) {
        let stated = self.pause_ns(reply, now);
        let or = |usual: u64| now.plus(if stated > 0 { stated } else { usual });
        let effect = match reply.http {
            Some(status) => W::http_effect(status),
            None => W::effect(reply.code),
        };
        match effect {
            Effect::Nothing => {}
            // Not every account may have the switch: that says nothing of its key.
            Effect::Alert if matches!(ask, Some(Ask::DeadMan { .. })) => {}
            // The address is blocked for the usual time at least.
            Effect::Block if reply.http.is_some() => {
                self.block(now.plus(stated.max(W::HABITS.blocked_ns)), events);
            }
            Effect::Block => self.block(or(W::HABITS.blocked_ns), events),
            Effect::Suspend => {
                self.notice(events, VenueNotice::Suspended(or(W::HABITS.hold_ns)));
            }
            Effect::Alert => self.notice(events, VenueNotice::LoginRefused(channel, reply.code)),
            Effect::ProbeClock => self.clock.doubt(now),
            Effect::Drain => self.drain_refused(channel, now, out, events),
            Effect::Relearn => self.relearn(now),
        }
    }

    /// The pause that a reply states, 0 if it states none or one that is over. Where it states the
    /// venue's own time too, no clock of ours is needed to read it.
    fn pause_ns(&self, reply: &Reply, now: Nanos) -> u64 {
        let pause = match (reply.limit.retry_s, reply.limit.reset_ms, reply.limit.now_ms) {
            (Some(seconds), ..) => seconds.saturating_mul(SECOND_NS),
            (None, Some(reset_ms), Some(told_ms)) => {
                reset_ms.saturating_sub(told_ms).saturating_mul(1_000_000)
            }
            (None, Some(reset_ms), None) => self.clock.local(reset_ms).since(now),
            (None, None, _) => 0,
        };
        pause.min(HOLD_MAX_NS)
    }

    /// The venue takes nothing from our address until then.
    fn block(&mut self, until: Nanos, events: &mut Events) {
        self.clock.pause(until);
        self.notice(events, VenueNotice::Suspended(until));
    }

    /// Settles an order, a cancel or a replace with its reply.
    pub(super) fn on_order_reply(
        &mut self,
        flight: &Flight,
        reply: &Reply,
        now: Nanos,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        self.limit_notice(flight, reply, now, events);
        if matches!(flight.phase, Phase::Waiting | Phase::Seen) {
            self.healthier.on_reply(flight.channel, flight.sent_ns, now);
        }
        let verdict = match reply.http {
            Some(status) => W::http_verdict(status),
            None => W::verdict(reply.code),
        };
        let (kind, reason) = match (verdict, &flight.ask) {
            (Verdict::Done, Ask::New(_)) => {
                self.flights.remove(flight.id);
                (ReportKind::Accepted, RejectReason::None)
            }
            (Verdict::Done, _) => {
                self.on_change_taken(flight);
                return Ok(());
            }
            // The stream has told of it already.
            (Verdict::Refused(_), Ask::Replace(_)) if flight.phase == Phase::Seen => {
                self.flights.remove(flight.id);
                return Ok(());
            }
            (Verdict::Refused(reason), ask) => {
                self.flights.remove(flight.id);
                let kind = match ask {
                    Ask::New(_) => ReportKind::Rejected,
                    Ask::Cancel(_) => ReportKind::CancelRejected,
                    _ => ReportKind::ReplaceRejected,
                };
                (kind, reason)
            }
            (Verdict::Unknown(reason), _) => {
                // It stays in the table: a query must know that it was sent just now.
                if let Some(open) = self.flights.get_mut(flight.id) {
                    open.phase = Phase::Late;
                }
                (ReportKind::Unknown, reason)
            }
        };
        let Some(report) = flight.ask.report(kind, ReportOrigin::Reply, now) else {
            return Ok(());
        };
        let known = report.venue_order_id;
        let stated = reply.venue_order_id;
        self.sink(events).report(ExecutionReport {
            venue_order_id: if stated.is_empty() { known } else { stated },
            reason,
            venue_code: reply.code,
            ..report
        })
    }

    /// A cancel or replace was taken for processing: its effect comes on the private stream, or
    /// its deadline makes it unknown.
    fn on_change_taken(&mut self, flight: &Flight) {
        match flight.phase {
            Phase::Waiting => {
                if let Some(open) = self.flights.get_mut(flight.id) {
                    open.phase = Phase::Taken;
                }
            }
            Phase::Seen | Phase::Late => {
                self.flights.remove(flight.id);
            }
            Phase::Taken => {}
        }
    }

    /// Use of the limit that a reply belongs to.
    fn limit_notice(&mut self, flight: &Flight, reply: &Reply, now: Nanos, events: &mut Events) {
        let Some(index) = self.wire.limit_of(&flight.ask) else { return };
        let Some((stated, left)) = reply.limit.counts else { return };
        let allowed = self.wire.allowed(&flight.ask, stated);
        // Windows are seconds long: what lies far beyond is no end of one.
        let resets_ns = now.plus(self.pause_ns(reply, now).min(WINDOW_MAX_NS));
        let used = stated.saturating_sub(left);
        let usage = RateLimitUse { limit: index, used, allowed, resets_ns };
        self.notice(events, VenueNotice::RateLimit(usage));
    }

    /// No reply will come, or none came in time. The venue may have acted.
    pub(super) fn on_lost(&mut self, id: u64, now: Nanos, events: &mut Events) {
        let Some(flight) = self.flights.get(id).copied() else { return };
        self.note_overdue(&flight, now);
        if flight.ask.is_order() && flight.phase != Phase::Seen {
            if flight.phase == Phase::Late {
                return;
            }
            if let Some(open) = self.flights.get_mut(id) {
                open.phase = Phase::Late;
            }
        } else {
            self.flights.remove(id);
        }
        match flight.ask {
            // The stream has shown the effect already.
            _ if flight.phase == Phase::Seen => {}
            Ask::New(_) | Ask::Cancel(_) | Ask::Replace(_) | Ask::Query { .. } => {
                let local = ReportOrigin::Local;
                if let Some(report) = flight.ask.report(ReportKind::Unknown, local, now) {
                    let _ = self.sink(events).report(report);
                }
            }
            _ => self.on_read_failed(&flight, 0, now, events),
        }
    }

    /// The connection owes a reply. One that is lost owes nothing any more.
    fn note_overdue(&mut self, flight: &Flight, now: Nanos) {
        let owed = matches!(flight.phase, Phase::Waiting | Phase::Seen);
        let there = self.socket(flight.channel).is_some_and(|socket| socket.login == Login::Ready);
        if owed && there {
            self.healthier.on_overdue(flight.channel, flight.sent_ns, now);
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
        let report = ExecutionReport::refused_here(&command, RejectReason::NotSent, now);
        // Only a backlog of 65 536 events refuses it; the order is then asked for.
        report.is_some_and(|report| self.sink(events).report(report).is_ok())
    }

    /// A request that is not an order failed: nothing that it asked for is complete.
    pub(super) fn on_read_failed(
        &mut self,
        flight: &Flight,
        code: i32,
        now: Nanos,
        events: &mut Events,
    ) {
        match flight.ask {
            Ask::CancelAll { instrument, .. } | Ask::CancelListed { instrument, .. } => {
                self.notice(events, VenueNotice::CancelAllFailed(instrument, code));
            }
            Ask::DeadMan { .. } => self.on_dead_man(Some(code), now, events),
            Ask::SetMarginMode | Ask::SetMargin(_) => self.on_change_failed(code, now, events),
            _ if flight.ask.is_lesson() => {
                self.on_lesson_failed(now);
                self.notice(events, VenueNotice::RequestFailed(code));
            }
            Ask::Query { .. } => {
                let origin = ReportOrigin::Reply;
                if let Some(report) = flight.ask.report(ReportKind::Unknown, origin, now) {
                    let report = ExecutionReport { venue_code: code, ..report };
                    let _ = self.sink(events).report(report);
                }
            }
            Ask::Fills { job, .. } => {
                self.jobs.retain(|open| open.key != job);
                self.notice(events, VenueNotice::RequestFailed(code));
            }
            _ => self.notice(events, VenueNotice::RequestFailed(code)),
        }
    }

    /// A reply over REST.
    pub(super) fn on_rest_reply(
        &mut self,
        parser: &mut Parser,
        id: RequestId,
        response: Response<'_>,
        now: Nanos,
        out: &mut Outbox,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        let limit = W::limits(|name| response.header(name));
        let status = response.status;
        if self.clock.is_probe(id) {
            return self.on_clock_reply(parser, response, now, events);
        }
        let flight = self.flights.get(id.0).copied();
        let Some(flight) = flight.filter(|flight| flight.channel == Channel::Rest) else {
            return Err(DecodeError::UnknownRequest);
        };
        if status != 200
            && !(W::HABITS.codes_with_status && has_code::<W>(parser, &flight.ask, response.body))
        {
            return self.on_status(&flight, status, limit, now, out, events);
        }
        let result = parser.read(response.body, |root| {
            self.on_rest_body(&flight, (status, root), limit, now, out, events)
        });
        // Whatever the reply was, it settles its request; an order's outcome is then unknown.
        if result.is_err() {
            self.on_lost(id.0, now, events);
        }
        result
    }

    /// A status other than 200, without a code of the venue's own.
    fn on_status(
        &mut self,
        flight: &Flight,
        status: u16,
        limit: LimitState,
        now: Nanos,
        out: &mut Outbox,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        let code = -i32::from(status);
        let venue_order_id = VenueOrderId::EMPTY;
        let reply = Reply { code, http: Some(status), venue_order_id, limit };
        self.on_effect(&reply, (Channel::Rest, Some(&flight.ask)), now, out, events);
        if flight.ask.is_order() {
            return self.on_order_reply(flight, &reply, now, events);
        }
        self.flights.remove(flight.id);
        self.on_read_failed(flight, code, now, events);
        Ok(())
    }

    fn on_clock_reply(
        &mut self,
        parser: &mut Parser,
        response: Response<'_>,
        now: Nanos,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        let first = !self.clock.is_known();
        let status = response.status;
        let result = if status == 200 {
            parser.read(response.body, |root| self.clock.on_reply(W::server_ns(root), now))
        } else {
            Err(DecodeError::Invalid("HTTP status"))
        };
        match result {
            Ok(offset) => {
                self.notice(events, offset);
                if first && self.is_taught() {
                    self.notice(events, VenueNotice::Readiness(Channel::Rest, Readiness::Ready));
                }
                Ok(())
            }
            Err(error) => {
                self.clock.on_lost(now);
                if W::http_effect(status) == Effect::Block {
                    self.block(now.plus(W::HABITS.blocked_ns), events);
                }
                Err(error)
            }
        }
    }

    fn on_rest_body(
        &mut self,
        flight: &Flight,
        (status, root): (u16, Value<'_>),
        limit: LimitState,
        now: Nanos,
        out: &mut Outbox,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        let reply = W::reply(&flight.ask, root, limit)?;
        let code = reply.code;
        self.on_effect(&reply, (Channel::Rest, Some(&flight.ask)), now, out, events);
        let broken = status == 408 || status >= 500;
        if flight.ask.is_order() && broken && matches!(W::verdict(code), Verdict::Refused(_)) {
            // The venue did not finish, whatever else it says: it may have acted.
            self.on_lost(flight.id, now, events);
            return Ok(());
        }
        if flight.ask.is_order() {
            return self.on_order_reply(flight, &reply, now, events);
        }
        self.limit_notice(flight, &reply, now, events);
        let absent = matches!(flight.ask, Ask::Query { .. }) && W::is_absent(code);
        if code != 0 && !absent {
            self.flights.remove(flight.id);
            self.on_read_failed(flight, code, now, events);
            return Ok(());
        }
        self.on_read(flight, root, now, out, events)?;
        self.flights.remove(flight.id);
        Ok(())
    }
}

/// Whether a body holds a code that says something. It is read twice then, which replies with a
/// status other than 200 are rare enough for.
fn has_code<W: TradingWire>(parser: &mut Parser, ask: &Ask, body: &[u8]) -> bool {
    let mut copy = body.to_vec();
    let code = parser.read(&mut copy, |root| W::reply(ask, root, LimitState::default()));
    code.is_ok_and(|reply| reply.code != 0)
}
