//! Requests over REST that only ask: sent, answered, failed.

#![forbid(unsafe_code)]

use super::super::secp256k1::write_hex;
use super::super::sink::Sink;
use super::super::{DecodeError, EncodeError, Outbox, Parser, RequestId, Response, Value};
use super::actions::cloid;
use super::commands::number;
use super::instruments::{META, SPOT_META};
use super::replies::Reply;
use super::rest::{self, Job, Listing, Reading};
use super::statements::Teller;
use super::trading::Core;
use super::{INFO_PATH, SECOND_NS, account, errors, streams, write_u64};
use crate::types::{
    CancelOrder, Channel, CommandKind, Event, Events, FillId, Nanos, ReportKind, VenueNotice,
};

/// Most requests at once.
pub(super) const READS_MAX: usize = 64;
/// Most lists read at once.
const JOBS_MAX: usize = 64;
/// An account without actions may send one in ten seconds: it is asked again before that is much.
const NO_ACTIONS_NS: u64 = 60 * SECOND_NS;

impl Core {
    pub(super) fn next_read(&mut self) -> u64 {
        self.last_read += 1;
        self.last_read
    }

    pub(super) fn take_read(&mut self, id: u64) -> Option<Reading> {
        let at = self.reads.iter().position(|(number, _)| *number == id)?;
        Some(self.reads.swap_remove(at).1)
    }

    /// Sends a request that a command wants.
    pub(super) fn send_read(
        &mut self,
        reading: Reading,
        now: Nanos,
        out: &mut Outbox,
    ) -> Result<(), EncodeError> {
        if !self.rest_ready() {
            return Err(EncodeError::NotReady);
        }
        self.ask(reading, now, out)
    }

    /// Sends a request.
    pub(super) fn ask(
        &mut self,
        reading: Reading,
        now: Nanos,
        out: &mut Outbox,
    ) -> Result<(), EncodeError> {
        if self.reads.len() >= READS_MAX {
            return Err(EncodeError::Full);
        }
        let id = self.next_read();
        self.write_read(id, reading, now, out)?;
        self.reads.push((id, reading));
        Ok(())
    }

    fn write_read(
        &self,
        id: u64,
        reading: Reading,
        _now: Nanos,
        out: &mut Outbox,
    ) -> Result<(), EncodeError> {
        let user = self.user.as_str();
        let whole =
            |text: &'static str| move |body: &mut Vec<u8>| body.extend_from_slice(text.as_bytes());
        let instrument = |id| self.assets.instrument(id).ok_or(EncodeError::UnknownInstrument);
        match reading {
            Reading::Meta => rest::post(out, id, INFO_PATH, whole(META))?,
            Reading::SpotMeta => rest::post(out, id, INFO_PATH, whole(SPOT_META))?,
            Reading::Role => rest::info(out, id, ("userRole", user), |_| {})?,
            Reading::Agent => {
                let mut signer = Vec::with_capacity(42);
                write_hex(&self.signer.signer(), &mut signer);
                let signer = std::str::from_utf8(&signer).unwrap_or("");
                rest::info(out, id, ("userRole", signer), |_| {})?;
            }
            Reading::Mode => rest::info(out, id, ("userAbstraction", user), |_| {})?,
            Reading::Actions => rest::info(out, id, ("userRateLimit", user), |_| {})?,
            Reading::Leverage(of) => {
                let coin = &instrument(of)?.symbol;
                rest::info(out, id, ("activeAssetData", user), |body| {
                    for part in [r#","coin":""#, coin, "\""] {
                        body.extend_from_slice(part.as_bytes());
                    }
                })?;
            }
            Reading::OpenOrders(of) | Reading::Listed(CancelOrder { instrument: of, .. }) => {
                instrument(of)?;
                rest::info(out, id, ("frontendOpenOrders", user), |_| {})?;
            }
            Reading::ToCancel => rest::info(out, id, ("frontendOpenOrders", user), |_| {})?,
            Reading::Status { order, by_oid } => {
                instrument(order.instrument)?;
                let oid = if by_oid { number(&order.venue_order_id)? } else { 0 };
                rest::info(out, id, ("orderStatus", user), |body| {
                    body.extend_from_slice(br#","oid":"#);
                    if by_oid {
                        return write_u64(body, oid);
                    }
                    body.push(b'"');
                    body.extend_from_slice(&cloid(order.client_id));
                    body.push(b'"');
                })?;
            }
            Reading::Rows { job } => {
                let job = self.jobs.iter().find(|open| open.key == job);
                let job = job.ok_or(EncodeError::Unsupported)?;
                rest::info(out, id, (job.kind(), user), |body| job.write_from(body))?;
            }
            Reading::Account => rest::info(out, id, ("clearinghouseState", user), |_| {})?,
            Reading::Spot => rest::info(out, id, ("spotClearinghouseState", user), |_| {})?,
            Reading::Fees(of) => {
                instrument(of)?;
                rest::info(out, id, ("userFees", user), |_| {})?;
            }
            // An action, sent by its own way.
            Reading::Canceled(..) => return Err(EncodeError::Unsupported),
        }
        Ok(())
    }

    pub(super) fn start_job(
        &mut self,
        kind: &CommandKind,
        now: Nanos,
        out: &mut Outbox,
    ) -> Result<(), EncodeError> {
        let (listing, from_id, from_ns) = match *kind {
            CommandKind::FillsSince { instrument, from_id, from_ns } => {
                (Listing::Fills(instrument), from_id, from_ns)
            }
            CommandKind::FundingSince(from_ns) => (Listing::Funding, FillId::EMPTY, from_ns),
            _ => return Err(EncodeError::Unsupported),
        };
        if let Listing::Fills(id) = listing {
            self.assets.instrument(id).ok_or(EncodeError::UnknownInstrument)?;
        }
        if self.jobs.len() >= JOBS_MAX {
            return Err(EncodeError::Full);
        }
        // The time may be by our clock or by the venue's: the earlier reading covers both.
        let from_ms = match from_ns {
            Nanos(0) => 0,
            _ => self.clock.venue_millis(from_ns).min(from_ns.as_millis()),
        };
        let key = self.next_read();
        self.jobs.push(Job::new(key, listing, from_ms, &from_id));
        let sent = self.send_read(Reading::Rows { job: key }, now, out);
        if sent.is_err() {
            self.jobs.pop();
        }
        sent
    }

    pub(super) fn start_account(
        &mut self,
        now: Nanos,
        out: &mut Outbox,
    ) -> Result<(), EncodeError> {
        let perpetuals = self.assets.has(true);
        let first = if perpetuals { Reading::Account } else { Reading::Spot };
        self.send_read(first, now, out)
    }

    /// One order. While it is being replaced two of the venue's orders have its id: then what works is
    /// looked for first, and so it is where we do not know whether it was, as after a start.
    pub(super) fn query(
        &mut self,
        order: CancelOrder,
        now: Nanos,
        out: &mut Outbox,
    ) -> Result<(), EncodeError> {
        let oid = self.works.get(order.client_id).map_or(0, |work| work.oid);
        let ours = order.client_id.is_some();
        let strange = ours && oid == 0 && !order.venue_order_id.is_empty();
        if strange || self.flights.replacing(order.client_id).is_some() {
            return self.send_read(Reading::Listed(order), now, out);
        }
        let order = match oid {
            0 => order,
            oid => {
                CancelOrder { venue_order_id: crate::types::VenueOrderId::from_u64(oid), ..order }
            }
        };
        let by_oid = !order.venue_order_id.is_empty();
        if !by_oid && !order.client_id.is_some() {
            return Err(EncodeError::NotExpressible("the order has no id"));
        }
        self.send_read(Reading::Status { order, by_oid }, now, out)
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
        let status = response.status;
        if self.clock.is_probe(id) {
            return self.on_clock_reply(parser, response, now, events);
        }
        let flight = self.flights.get(id.0).copied();
        if let Some(flight) = flight.filter(|flight| flight.channel == Channel::Rest) {
            if status != 200 {
                return self.on_action_reply(&flight, &Reply::Http(status), now, events);
            }
            let read = parser.read(response.body, |root| {
                self.on_action_reply(&flight, &Reply::of(root), now, events)
            });
            // Whatever the reply was, it settles its request; the outcome is then unknown.
            if read.is_err() {
                self.on_lost(id.0, now, events);
            }
            return read;
        }
        let reading = self.take_read(id.0).ok_or(DecodeError::UnknownRequest)?;
        if status != 200 {
            self.on_effect(-i32::from(status), Channel::Rest, now, events);
            self.on_read_failed(reading, -i32::from(status), now, events);
            return Ok(());
        }
        let read =
            parser.read(response.body, |root| self.on_reading(reading, root, now, out, events));
        if read.is_err() {
            self.on_read_failed(reading, errors::STRANGE, now, events);
        }
        // What a list could do without is told all the same.
        read.and(self.flaw.take().map_or(Ok(()), Err))
    }

    fn on_clock_reply(
        &mut self,
        parser: &mut Parser,
        response: Response<'_>,
        now: Nanos,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        let status = response.status;
        let result = if status == 200 {
            parser.read(response.body, |root| self.clock.on_reply(streams::server_ns(root), now))
        } else {
            Err(DecodeError::Invalid("HTTP status"))
        };
        match result {
            Ok(offset) => {
                self.notice(events, offset);
                self.tell_rest(events);
                Ok(())
            }
            Err(error) => {
                self.clock.on_lost(now);
                self.on_effect(-i32::from(status), Channel::Rest, now, events);
                Err(error)
            }
        }
    }

    /// A request that only asks failed: nothing that it asked for is complete.
    pub(super) fn on_read_failed(
        &mut self,
        reading: Reading,
        code: i32,
        now: Nanos,
        events: &mut Events,
    ) {
        let notice = match reading {
            Reading::ToCancel => return self.on_list_failed(code, events),
            Reading::Canceled(id, _) => return self.fail_search(id, code, events),
            Reading::Listed(order) | Reading::Status { order, .. } => {
                return self.tell_order(order, ReportKind::Unknown, code, now, events);
            }
            Reading::Rows { job } => {
                self.jobs.retain(|open| open.key != job);
                VenueNotice::RequestFailed(code)
            }
            Reading::Meta
            | Reading::SpotMeta
            | Reading::Role
            | Reading::Agent
            | Reading::Mode
            | Reading::Leverage(_)
            | Reading::Actions => {
                self.on_start(reading, false, now);
                self.tell_rest(events);
                VenueNotice::RequestFailed(code)
            }
            _ => VenueNotice::RequestFailed(code),
        };
        self.notice(events, notice);
    }

    /// The data of a read; on an error the caller fails the whole of it.
    fn on_reading(
        &mut self,
        reading: Reading,
        root: Value<'_>,
        now: Nanos,
        out: &mut Outbox,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        let Self { assets, backlog, leverages, statements, .. } = self;
        let mut sink = Sink { events, backlog };
        match reading {
            Reading::Meta | Reading::SpotMeta => assets.learn(root)?,
            Reading::Role => self.on_role(rest::is_account(root)?, errors::NO_ACCOUNT, events),
            Reading::Agent => {
                let of_vault = self.signer.vault().is_some();
                let may = rest::is_agent(root, &self.user, of_vault)?;
                self.on_role(may, errors::NO_AGENT, events);
            }
            Reading::Mode => self.on_mode(account::has_two_wallets(root)?, events),
            Reading::Leverage(_) => {
                let (id, told) = account::asset_data(root, assets)?;
                self.learn_leverage(id, told);
                if self.change_margin(id, told, now, out, events) {
                    return Ok(());
                }
            }
            Reading::Actions => {
                let (used, allowed) = account::actions(root)?;
                if used >= allowed {
                    let until = now.plus(NO_ACTIONS_NS);
                    self.notice(events, VenueNotice::Suspended(until));
                }
            }
            Reading::OpenOrders(id) => return self.on_open_orders(id, root, now, events),
            Reading::ToCancel => return self.on_to_cancel(root, now, out, events),
            Reading::Canceled(id, count) => {
                self.on_all_canceled(id, count, root, now, events);
                return Ok(());
            }
            Reading::Listed(order) => return self.on_listed(order, root, now, out, events),
            Reading::Status { order, .. } => return self.on_status(order, root, now, events),
            Reading::Rows { job } => return self.on_rows(job, root, now, out, events),
            Reading::Account => {
                let mut teller = Teller::new(&mut sink, statements, true);
                account::clearinghouse(root, assets, leverages, &mut teller)?;
                if assets.has(false) {
                    if self.ask(Reading::Spot, now, out).is_err() {
                        self.on_read_failed(Reading::Spot, 0, now, events);
                    }
                    return Ok(());
                }
                teller.purse(assets)?;
                self.notice(events, VenueNotice::BalancesEnd);
                return Ok(());
            }
            Reading::Spot => {
                account::spot(root, assets, &mut Teller::new(&mut sink, statements, true))?;
                self.notice(events, VenueNotice::BalancesEnd);
                return Ok(());
            }
            Reading::Fees(id) => {
                let of = assets.instrument(id).ok_or(DecodeError::UnknownSymbol)?;
                return sink.push(Event::Fee(account::fees(root, of)?));
            }
        }
        self.on_start(reading, true, now);
        self.tell_rest(events);
        Ok(())
    }

    /// An agent's address has no state of its own: everything would look flat. And a key that is
    /// nobody's agent would make every order fail.
    fn on_role(&mut self, right: bool, code: i32, events: &mut Events) {
        if !right && !std::mem::replace(&mut self.start.refused, true) {
            self.notice(events, VenueNotice::LoginRefused(Channel::Rest, code));
        }
    }

    fn on_rows(
        &mut self,
        key: u64,
        root: Value<'_>,
        now: Nanos,
        out: &mut Outbox,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        let job = self.jobs.iter_mut().find(|job| job.key == key);
        let job = job.ok_or(DecodeError::UnknownRequest)?;
        if job.on_page(root, &self.assets, now)? {
            // A list that cannot be continued must not look complete.
            let next = Reading::Rows { job: key };
            if self.ask(next, now, out).is_err() {
                self.on_read_failed(next, 0, now, events);
            }
            return Ok(());
        }
        let (listing, rows) = (job.listing, std::mem::take(&mut job.rows));
        self.flaw = job.flaw;
        self.jobs.retain(|open| open.key != key);
        let mut sink = self.sink(events);
        for row in rows {
            sink.push(row)?;
        }
        self.notice(
            events,
            match listing {
                Listing::Fills(id) => VenueNotice::FillsEnd(id),
                Listing::Funding => VenueNotice::FundingEnd,
            },
        );
        Ok(())
    }
}
