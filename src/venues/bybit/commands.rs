//! Commands of the engine to requests: which way each goes, and its entry among those in flight.
//!
//! Nothing is entered before it is written, and nothing is written before it is known to fit: on
//! an error the venue hears nothing.

#![forbid(unsafe_code)]

use super::super::flight::{Ask, Flight, Phase};
use super::super::{EncodeError, Outbox};
use super::dead_man;
use super::orders::{self, Action};
use super::rest::{self, FillJob};
use super::trading::{Core, Socket};
use crate::types::{
    Channel, CommandKind, Instrument, InstrumentId, InstrumentTable, Nanos, VenueId,
};

/// Most lists of fills read at once.
const JOBS_MAX: usize = 64;

/// Reads have no deadline here: the transport times them.
const NEVER: Nanos = Nanos(u64::MAX);

impl Core {
    /// Sends an order, a cancel or a replace.
    pub(super) fn send_order(
        &mut self,
        ask: Ask,
        now: Nanos,
        out: &mut Outbox,
    ) -> Result<(), EncodeError> {
        let action = match &ask {
            Ask::New(order) => Action::New(order),
            Ask::Cancel(order) => Action::Cancel(order),
            Ask::Replace(order) => Action::Replace(order),
            _ => return Err(EncodeError::Unsupported),
        };
        let (_, _, id) = ask.order().ok_or(EncodeError::Unsupported)?;
        self.instrument(id)?;
        action.check()?;
        let is_cancel = matches!(ask, Ask::Cancel(_));
        let usable = [0, 1].map(|at| self.trade.get(at).is_some_and(Socket::takes_orders));
        let channel = if let Some(channel) = self.healthier.pick(usable, now) {
            channel
        } else if (self.over_rest || is_cancel) && self.rest_ready() {
            Channel::Rest
        } else {
            return Err(EncodeError::NotReady);
        };
        let number = self.flights.reserve(now).ok_or(EncodeError::Full)?;
        let timestamp = self.clock.venue_millis(now);
        let (product, signer) = (self.product, &self.signer);
        let instrument = of_venue(&self.names.instruments, self.venue, id)?;
        if channel != Channel::Rest {
            let window = signer.recv_window();
            match self.templates.prepare(action, instrument, number, timestamp) {
                Some(write) => out.frame(channel, write)?,
                None => out.frame(channel, |frame| {
                    action.write_frame(number, timestamp, window, product, instrument, frame);
                })?,
            }
        } else {
            rest::post(out, number, signer, timestamp, action.path(), |body| {
                action.write(product, instrument, body);
            })?;
        }
        let deadline = now.plus(self.reply_timeout_ns);
        self.insert(number, ask, channel, now, deadline);
        self.healthier.on_sent(channel, now);
        Ok(())
    }

    fn insert(&mut self, id: u64, ask: Ask, channel: Channel, now: Nanos, deadline: Nanos) {
        self.flights.insert(Flight {
            id,
            ask,
            channel,
            sent_ns: now,
            deadline,
            phase: Phase::Waiting,
        });
    }

    /// Sends a request that is not an order; `cursor` is that of a list's next page.
    pub(super) fn send_read(
        &mut self,
        ask: Ask,
        cursor: &str,
        now: Nanos,
        out: &mut Outbox,
    ) -> Result<(), EncodeError> {
        if !self.rest_ready() {
            return Err(EncodeError::NotReady);
        }
        let id = self.flights.reserve(now).ok_or(EncodeError::Full)?;
        let at = self.clock.venue_millis(now);
        let (product, signer) = (self.product, &self.signer);
        match &ask {
            Ask::CancelAll(instrument) => {
                let instrument = self.instrument(*instrument)?;
                rest::post(out, id, signer, at, "/v5/order/cancel-all", |body| {
                    orders::write_instrument(product, instrument, body);
                    body.push(b'}');
                })?;
            }
            Ask::Query { order, history } => {
                Action::Cancel(order).check()?;
                let instrument = self.instrument(order.instrument)?;
                let path = if *history { "/v5/order/history" } else { "/v5/order/realtime" };
                rest::get(out, id, signer, at, path, |query| {
                    rest::write_order(product, instrument, order, query);
                })?;
            }
            Ask::OpenOrders { instrument, .. } => {
                let instrument = self.instrument(*instrument)?;
                rest::get(out, id, signer, at, "/v5/order/realtime", |query| {
                    rest::write_open_orders(product, instrument, cursor, query);
                })?;
            }
            Ask::Fills { job } => {
                let job = self.jobs.iter().find(|open| open.key == *job);
                let job = job.ok_or(EncodeError::Unsupported)?;
                let instrument = self.instrument(job.instrument)?;
                rest::get(out, id, signer, at, "/v5/execution/list", |query| {
                    job.write_query(product, instrument, cursor, query);
                })?;
            }
            Ask::Balances => {
                rest::get(out, id, signer, at, "/v5/account/wallet-balance", |query| {
                    query.extend_from_slice(b"accountType=UNIFIED");
                })?;
            }
            Ask::FeeRate(instrument) => {
                let instrument = self.instrument(*instrument)?;
                rest::get(out, id, signer, at, "/v5/account/fee-rate", |query| {
                    rest::write_instrument(product, instrument, query);
                })?;
            }
            Ask::DeadMan { window_s } => {
                rest::post(out, id, signer, at, "/v5/order/disconnected-cancel-all", |body| {
                    dead_man::write_body(*window_s, body);
                })?;
            }
            Ask::New(_) | Ask::Cancel(_) | Ask::Replace(_) => return Err(EncodeError::Unsupported),
        }
        self.insert(id, ask, Channel::Rest, now, NEVER);
        Ok(())
    }

    pub(super) fn start_fills(
        &mut self,
        kind: &CommandKind,
        now: Nanos,
        out: &mut Outbox,
    ) -> Result<(), EncodeError> {
        let CommandKind::FillsSince { instrument, from_id, from_ns } = *kind else {
            return Err(EncodeError::Unsupported);
        };
        self.instrument(instrument)?;
        if self.jobs.len() >= JOBS_MAX {
            return Err(EncodeError::Full);
        }
        // The time may be by our clock or by the venue's: the earlier reading covers both.
        let from_ms = match from_ns {
            Nanos(0) => 0,
            _ => self.clock.venue_millis(from_ns).min(from_ns.as_millis()),
        };
        let key = self.jobs.iter().map(|job| job.key + 1).max().unwrap_or(1).max(now.0);
        let now_ms = self.clock.venue_millis(now);
        let job = FillJob::new(key, instrument, from_id, from_ms, now_ms);
        let ask = job.ask();
        self.jobs.push(job);
        let sent = self.send_read(ask, "", now, out);
        if sent.is_err() {
            self.jobs.pop();
        }
        sent
    }

    fn instrument(&self, id: InstrumentId) -> Result<&Instrument, EncodeError> {
        of_venue(&self.names.instruments, self.venue, id)
    }
}

fn of_venue(
    instruments: &InstrumentTable,
    venue: VenueId,
    id: InstrumentId,
) -> Result<&Instrument, EncodeError> {
    let found = instruments.get(id).filter(|instrument| instrument.venue == venue);
    found.ok_or(EncodeError::UnknownInstrument)
}
