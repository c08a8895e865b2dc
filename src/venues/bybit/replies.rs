//! What a reply, or its absence, means: reports and notices of the trading connector.
//!
//! Three outcomes of an order stay apart: refused (the venue said no), unknown (it may have acted),
//! and taken. Only the first and the last are ever concluded from a reply.

#![forbid(unsafe_code)]

use super::super::flight::{Ask, Flight, Phase};
use super::super::sink::Sink;
use super::super::{DecodeError, Outbox, Parser, RequestId, Response, Value};
use super::codes::{self, Effect, Verdict};
use super::orders::{self, LimitState, Reply};
use super::rest::{self, NextPage, PAGES_MAX};
use super::trading::{Core, Login};
use super::{BLOCKED_NS, FORBIDDEN, SECOND_NS, limit};
use crate::types::{
    CancelOrder, Channel, CommandKind, Event, Events, ExecutionReport, Nanos, RateLimitUse,
    Readiness, RejectReason, ReportKind, ReportOrigin, VenueNotice, VenueOrderId,
};

/// How long to hold back when the venue states no time.
const HOLD_NS: u64 = SECOND_NS;
/// No stated reset is believed beyond this.
const HOLD_MAX_NS: u64 = 3600 * SECOND_NS;
/// No window of a limit ends later than this.
const WINDOW_MAX_NS: u64 = 10 * SECOND_NS;
/// An order that was sent this recently may not be listed yet: its absence proves nothing.
const LISTED_AFTER_NS: u64 = 5 * SECOND_NS;

impl Core {
    /// What a code demands beyond its own request.
    pub(super) fn on_effect(
        &mut self,
        reply: &Reply,
        channel: Channel,
        now: Nanos,
        events: &mut Events,
    ) {
        let stated = self.pause_ns(reply, now);
        match (reply.http, codes::effect(reply.code)) {
            (Some(FORBIDDEN), _) => self.block(now.plus(stated.max(BLOCKED_NS)), events),
            (None, Effect::Block) => {
                let pause = if stated > 0 { stated } else { BLOCKED_NS };
                self.block(now.plus(pause), events);
            }
            (Some(429), _) | (None, Effect::Suspend) => {
                let pause = if stated > 0 { stated } else { HOLD_NS };
                self.notice(events, VenueNotice::Suspended(now.plus(pause)));
            }
            (Some(401), _) | (None, Effect::Alert) => {
                self.notice(events, VenueNotice::LoginRefused(channel, reply.code));
            }
            (None, Effect::ProbeClock) => self.clock.doubt(now),
            (None, Effect::Drain) => self.drain(channel, now, events),
            (Some(_), _) | (None, Effect::Nothing) => {}
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
            Some(status) => codes::http_verdict(status),
            None => codes::verdict(reply.code),
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
        let index = match flight.ask {
            Ask::New(_) => limit::CREATE,
            Ask::Cancel(_) => limit::CANCEL,
            Ask::Replace(_) => limit::AMEND,
            Ask::CancelAll(_) => limit::CANCEL_ALL,
            // Its own limit is a tenth of the other reads': not a statement about them.
            Ask::FeeRate(_) | Ask::DeadMan { .. } => return,
            _ => limit::QUERY,
        };
        let Some((allowed, left)) = reply.limit.counts else { return };
        // Windows are a second long: what lies far beyond is no end of one.
        let resets_ns = now.plus(self.pause_ns(reply, now).min(WINDOW_MAX_NS));
        let used = allowed.saturating_sub(left);
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
    fn on_read_failed(&mut self, flight: &Flight, code: i32, now: Nanos, events: &mut Events) {
        match flight.ask {
            Ask::CancelAll(id) => self.notice(events, VenueNotice::CancelAllFailed(id, code)),
            Ask::DeadMan { .. } => self.on_dead_man(Some(code), now, events),
            Ask::Query { .. } => {
                let origin = ReportOrigin::Reply;
                if let Some(report) = flight.ask.report(ReportKind::Unknown, origin, now) {
                    let report = ExecutionReport { venue_code: code, ..report };
                    let _ = self.sink(events).report(report);
                }
            }
            Ask::Fills { job } => {
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
        let limit = LimitState::read(|name| response.header(name));
        let status = response.status;
        if self.clock.is_probe(id) {
            return self.on_clock_reply(parser, response, now, events);
        }
        let flight = self.flights.get(id.0).copied();
        let Some(flight) = flight.filter(|flight| flight.channel == Channel::Rest) else {
            return Err(DecodeError::UnknownRequest);
        };
        if status != 200 {
            let code = -i32::from(status);
            let venue_order_id = VenueOrderId::EMPTY;
            let reply = Reply { code, http: Some(status), venue_order_id, limit };
            self.on_effect(&reply, Channel::Rest, now, events);
            if flight.ask.is_order() {
                return self.on_order_reply(&flight, &reply, now, events);
            }
            self.flights.remove(id.0);
            self.on_read_failed(&flight, code, now, events);
            return Ok(());
        }
        let result = parser
            .read(response.body, |root| self.on_rest_body(&flight, root, limit, now, out, events));
        // Whatever the reply was, it settles its request; an order's outcome is then unknown.
        if result.is_err() {
            self.on_lost(id.0, now, events);
        }
        result
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
            parser.read(response.body, |root| {
                self.clock.on_reply(super::session::server_ns(root), now)
            })
        } else {
            Err(DecodeError::Invalid("HTTP status"))
        };
        match result {
            Ok(offset) => {
                self.notice(events, offset);
                if first {
                    self.notice(events, VenueNotice::Readiness(Channel::Rest, Readiness::Ready));
                }
                Ok(())
            }
            Err(error) => {
                self.clock.on_lost(now);
                if status == FORBIDDEN {
                    let until = now.plus(BLOCKED_NS);
                    self.clock.pause(until);
                    self.notice(events, VenueNotice::Suspended(until));
                }
                Err(error)
            }
        }
    }

    fn on_rest_body(
        &mut self,
        flight: &Flight,
        root: Value<'_>,
        limit: LimitState,
        now: Nanos,
        out: &mut Outbox,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        let code = orders::ret_code(root)?;
        let told_ms = root.get("time").and_then(|time| super::whole(time, "time").ok());
        let limit = LimitState { now_ms: limit.now_ms.or(told_ms), ..limit };
        let venue_order_id = orders::order_id(root.get("result"))?;
        let reply = Reply { code, http: None, venue_order_id, limit };
        self.on_effect(&reply, Channel::Rest, now, events);
        if flight.ask.is_order() {
            return self.on_order_reply(flight, &reply, now, events);
        }
        self.limit_notice(flight, &reply, now, events);
        if code != 0 {
            self.flights.remove(flight.id);
            self.on_read_failed(flight, code, now, events);
            return Ok(());
        }
        self.on_read(flight, root, now, out, events)?;
        self.flights.remove(flight.id);
        Ok(())
    }

    /// The data of a read; on an error the caller fails the whole of it.
    fn on_read(
        &mut self,
        flight: &Flight,
        root: Value<'_>,
        now: Nanos,
        out: &mut Outbox,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        match flight.ask {
            Ask::CancelAll(id) => self.notice(events, VenueNotice::CancelAllDone(id)),
            Ask::Query { order, history } => {
                return self.on_query(&order, history, root, now, out, events);
            }
            Ask::OpenOrders { instrument, page } => {
                let (rows, cursor) = rest::list(root, &self.names)?;
                let mut sink = Sink { events, backlog: &mut self.backlog };
                rest::open_orders(rows, &self.names, now, &mut sink)?;
                if cursor.is_empty() {
                    self.notice(events, VenueNotice::OpenOrdersEnd(instrument));
                } else if page >= PAGES_MAX {
                    return Err(DecodeError::TooLarge);
                } else {
                    let next = Ask::OpenOrders { instrument, page: page + 1 };
                    self.next_page(flight, next, cursor, now, out, events);
                }
            }
            Ask::Fills { job } => return self.on_fills(flight, job, root, now, out, events),
            Ask::Balances => {
                let mut sink = Sink { events, backlog: &mut self.backlog };
                rest::balances(root, &self.names, &mut sink)?;
                self.notice(events, VenueNotice::BalancesEnd);
            }
            Ask::FeeRate(id) => {
                let instrument = self.names.instruments.get(id);
                let instrument = instrument.ok_or(DecodeError::UnknownSymbol)?;
                let rate = rest::fee_rate(root, instrument)?;
                self.sink(events).push(Event::Fee(rate))?;
            }
            Ask::DeadMan { .. } => self.on_dead_man(None, now, events),
            Ask::New(_) | Ask::Cancel(_) | Ask::Replace(_) => {}
        }
        Ok(())
    }

    /// A list that cannot be continued must not look complete.
    fn next_page(
        &mut self,
        flight: &Flight,
        ask: Ask,
        cursor: &str,
        now: Nanos,
        out: &mut Outbox,
        events: &mut Events,
    ) {
        if self.send_read(ask, cursor, now, out).is_err() {
            self.on_read_failed(flight, 0, now, events);
        }
    }

    /// One order: looked for among the recent ones, then in the history. Absence proves something
    /// only when the order was not sent just now.
    fn on_query(
        &mut self,
        order: &CancelOrder,
        history: bool,
        root: Value<'_>,
        now: Nanos,
        out: &mut Outbox,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        let (rows, _) = rest::list(root, &self.names)?;
        if let Some(row) = rest::find_order(rows, order, &self.names)? {
            let report = row.report(ReportKind::Status, ReportOrigin::Query, now);
            return self.sink(events).report(report);
        }
        let ask = Ask::Query { order: *order, history: true };
        if !history && self.send_read(ask, "", now, out).is_ok() {
            return Ok(());
        }
        let since = Nanos(now.0.saturating_sub(LISTED_AFTER_NS));
        let unproven = !history || self.flights.unproven_new(order.client_id, since);
        let kind = if unproven { ReportKind::Unknown } else { ReportKind::NotFound };
        match ask.report(kind, ReportOrigin::Query, now) {
            Some(report) => self.sink(events).report(report),
            None => Ok(()),
        }
    }

    fn on_fills(
        &mut self,
        flight: &Flight,
        key: u64,
        root: Value<'_>,
        now: Nanos,
        out: &mut Outbox,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        let (rows, cursor) = rest::list(root, &self.names)?;
        let job = self.jobs.iter_mut().find(|job| job.key == key);
        let job = job.ok_or(DecodeError::UnknownRequest)?;
        match job.on_page(rows, cursor, &self.names, now)? {
            NextPage::More(cursor) => {
                let ask = job.ask();
                self.next_page(flight, ask, cursor, now, out, events);
            }
            NextPage::End => {
                let instrument = job.instrument;
                let fills = std::mem::take(&mut job.done);
                self.jobs.retain(|open| open.key != key);
                let mut sink = self.sink(events);
                for fill in fills {
                    sink.report(fill)?;
                }
                self.notice(events, VenueNotice::FillsEnd(instrument));
            }
        }
        Ok(())
    }
}
