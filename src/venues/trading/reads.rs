//! What the answer to a read brings: orders, fills, the account, and the next request where one
//! answer is not all of it.
//!
//! Lists come in pages, and the first page looks complete: cursors are followed to the end, or the
//! list is reported as failed.

#![forbid(unsafe_code)]

use super::super::flight::{Ask, Flight};
use super::super::sink::Sink;
use super::super::{DecodeError, Outbox, Value};
use super::Core;
use super::fills::{NextPage, PAGES_MAX};
use super::wire::TradingWire;
use crate::types::{
    CancelOrder, Event, Events, InstrumentId, Nanos, ReportKind, ReportOrigin, VenueNotice,
};

/// An order that was sent this recently may not be listed yet: its absence proves nothing.
const LISTED_AFTER_NS: u64 = 5_000_000_000;

/// How often the orders of an instrument are listed and cancelled: twice what the venue's own limit
/// of open orders could need.
const ROUNDS_MAX: u16 = 64;

impl<W: TradingWire> Core<W> {
    /// The data of a read; on an error the caller fails the whole of it.
    pub(super) fn on_read(
        &mut self,
        flight: &Flight,
        root: Value<'_>,
        now: Nanos,
        out: &mut Outbox,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        match flight.ask {
            Ask::CancelAll { instrument, round } if W::HABITS.cancels_by_list => {
                return self.on_cancel_list(flight, (instrument, round), root, now, out, events);
            }
            Ask::CancelAll { instrument, .. } => {
                self.wire.cancelled_all(root)?;
                self.notice(events, VenueNotice::CancelAllDone(instrument));
            }
            Ask::CancelListed { instrument, round } => {
                let next = Ask::CancelAll { instrument, round: round + 1 };
                self.next_page(flight, next, "", now, out, events);
            }
            Ask::Query { order, history } => {
                return self.on_query(&order, history, root, now, out, events);
            }
            Ask::OpenOrders { instrument, page } => {
                let (rows, cursor) = self.wire.rows(&flight.ask, root)?;
                self.open_orders(instrument, rows, now, events)?;
                if cursor.is_empty() {
                    self.notice(events, VenueNotice::OpenOrdersEnd(instrument));
                } else {
                    let next = Ask::OpenOrders { instrument, page: next(page)? };
                    self.next_page(flight, next, cursor, now, out, events);
                }
            }
            Ask::Fills { job, .. } => return self.on_fills(flight, job, root, now, out, events),
            Ask::Funding { since_ms, page } => {
                return self.on_funding(flight, (since_ms, page), root, now, out, events);
            }
            Ask::Balances | Ask::Positions { .. } => {
                return self.on_account(flight, root, now, out, events);
            }
            Ask::FeeRate(id) => {
                let instrument = self.wire.names().instruments.get(id);
                let instrument = instrument.ok_or(DecodeError::UnknownSymbol)?;
                let rate = self.wire.fee_rate(root, instrument)?;
                self.sink(events).push(Event::Fee(rate))?;
            }
            Ask::DeadMan { .. } => match self.wire.next(&flight.ask) {
                Some(next) => self.next_page(flight, next, "", now, out, events),
                None => self.on_dead_man(None, now, events),
            },
            _ if flight.ask.is_lesson() => {
                return self.on_lesson(&flight.ask, root, now, events);
            }
            Ask::SetMarginMode | Ask::SetMargin(_) => self.on_changed(now),
            _ => {}
        }
        Ok(())
    }

    /// A part of the account: what it says, and what is asked for behind it.
    fn on_account(
        &mut self,
        flight: &Flight,
        root: Value<'_>,
        now: Nanos,
        out: &mut Outbox,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        let mut sink = Sink { events, backlog: &mut self.backlog };
        self.wire.account(&flight.ask, root, &mut sink)?;
        let (next, cursor) = match flight.ask {
            Ask::Positions { part, page } => {
                let (_, cursor) = self.wire.rows(&flight.ask, root)?;
                let more = Ask::Positions { part, page: next(page)? };
                let next = (!cursor.is_empty()).then_some(more);
                (next.or_else(|| self.wire.next(&flight.ask)), cursor)
            }
            _ => (self.wire.next(&flight.ask), ""),
        };
        match next {
            Some(next) => self.next_page(flight, next, cursor, now, out, events),
            None => self.notice(events, VenueNotice::BalancesEnd),
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

    /// Open orders of one page. A bad row costs itself, but then the list is not whole.
    fn open_orders(
        &mut self,
        instrument: InstrumentId,
        rows: Value<'_>,
        now: Nanos,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        let mut sink = Sink { events, backlog: &mut self.backlog };
        let mut result = Ok(());
        for row in rows.items() {
            let outcome = self.wire.order_row(instrument, row).and_then(|row| {
                sink.report(row.report(ReportKind::Status, ReportOrigin::Query, now))
            });
            result = result.and(outcome);
        }
        result
    }

    /// One page of a list of funding, and what follows it: another page, or the next span of time.
    /// Lists come newest first; what they held is told oldest first.
    fn on_funding(
        &mut self,
        flight: &Flight,
        (since_ms, page): (u64, u16),
        root: Value<'_>,
        now: Nanos,
        out: &mut Outbox,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        let (rows, cursor) = self.wire.rows(&flight.ask, root)?;
        let earlier = self.payments_of_page(rows, since_ms)?;
        let page = next(page)?;
        if !cursor.is_empty() && !earlier {
            let next = Ask::Funding { since_ms, page };
            self.next_page(flight, next, cursor, now, out, events);
            return Ok(());
        }
        let end_ms = since_ms.saturating_add(W::HABITS.funding_window_ms);
        if end_ms > since_ms && end_ms < self.clock.venue_millis(now) {
            let next = Ask::Funding { since_ms: end_ms, page };
            self.next_page(flight, next, "", now, out, events);
            return Ok(());
        }
        let mut payments = std::mem::take(&mut self.payments);
        payments.sort_by_key(|payment| payment.event_ns);
        for payment in payments {
            self.sink(events).push(Event::FundingPaid(payment))?;
        }
        self.notice(events, VenueNotice::FundingEnd);
        Ok(())
    }

    /// Keeps the payments of a page; whether it goes back beyond the time that was asked for.
    fn payments_of_page(&mut self, rows: Value<'_>, since_ms: u64) -> Result<bool, DecodeError> {
        let since = Nanos::from_millis(since_ms);
        for row in rows.items() {
            for payment in self.wire.funding_row(row)?.into_iter().flatten() {
                if payment.event_ns < since {
                    return Ok(true);
                }
                self.payments.push(payment);
            }
        }
        Ok(false)
    }

    /// The orders of an instrument that are still there: some are cancelled, then they are listed
    /// anew. What was cancelled and is listed all the same is cancelled again, which does no harm.
    fn on_cancel_list(
        &mut self,
        flight: &Flight,
        (instrument, round): (InstrumentId, u16),
        root: Value<'_>,
        now: Nanos,
        out: &mut Outbox,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        let (rows, _) = self.wire.rows(&flight.ask, root)?;
        if rows.items().next().is_none() {
            self.notice(events, VenueNotice::CancelAllDone(instrument));
            return Ok(());
        }
        if round >= ROUNDS_MAX {
            return Err(DecodeError::TooLarge);
        }
        let ask = Ask::CancelListed { instrument, round };
        let sent = self.send_asked(ask, now, |core, mark| {
            let of = core.wire.names().of_command(instrument)?;
            core.wire.cancel_listed(of, rows, mark, out)
        });
        if sent.is_err() {
            self.on_read_failed(flight, 0, now, events);
        }
        Ok(())
    }

    /// One order: looked for among the recent ones, then in the history where that is apart. Absence
    /// proves something only when the order was not sent just now.
    fn on_query(
        &mut self,
        order: &CancelOrder,
        history: bool,
        root: Value<'_>,
        now: Nanos,
        out: &mut Outbox,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        let ask = Ask::Query { order: *order, history: true };
        let (rows, _) = self.wire.rows(&ask, root)?;
        for row in rows.items() {
            let row = self.wire.order_row(order.instrument, row)?;
            if row.is(order) {
                let report = row.report(ReportKind::Status, ReportOrigin::Query, now);
                return self.sink(events).report(report);
            }
        }
        let history = history || !W::HABITS.history_apart;
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
        let (rows, cursor) = self.wire.rows(&flight.ask, root)?;
        let job = self.jobs.iter_mut().find(|job| job.key == key);
        let job = job.ok_or(DecodeError::UnknownRequest)?;
        match job.on_page(rows, cursor, &self.wire, now)? {
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

/// The number of the next page, of a list that is not endless.
fn next(page: u16) -> Result<u16, DecodeError> {
    if page < PAGES_MAX { Ok(page + 1) } else { Err(DecodeError::TooLarge) }
}
