//! Commands of the engine to signed actions, and their entries among those in flight.
//!
//! Nothing is signed before it is known to be expressible, and nothing is entered before it is
//! written: on an error the venue hears nothing.

#![forbid(unsafe_code)]

use super::super::flight::{Ask, Flight, Phase};
use super::super::{EncodeError, Outbox, OutboxFull};
use super::actions::{Action, write_signed};
use super::rest;
use super::trading::Core;
use super::works::Manner;
use super::write_u64;
use crate::types::{
    Channel, InstrumentId, Nanos, NewOrder, OrderType, ReplaceOrder, TimeInForce, VenueOrderId,
};

impl Core {
    /// Sends an order, a cancel or a replace.
    pub(super) fn send_order(
        &mut self,
        ask: Ask,
        now: Nanos,
        out: &mut Outbox,
    ) -> Result<(), EncodeError> {
        let (_, _, id) = ask.order().ok_or(EncodeError::Unsupported)?;
        let asset = self.asset(id)?;
        let (changed, oid);
        let action = match &ask {
            Ask::New(order) => Action::Order(order, &asset),
            Ask::Cancel(order) if order.client_id.is_some() => {
                Action::CancelOurs(order.client_id, &asset)
            }
            Ask::Cancel(order) => {
                oid = [number(&order.venue_order_id)?];
                Action::Cancel(&oid, &asset)
            }
            Ask::Replace(terms) => {
                let number;
                (number, changed) = self.replacement(terms, now)?;
                Action::Modify(number, &changed, &asset)
            }
            _ => return Err(EncodeError::Unsupported),
        };
        action.check()?;
        let is_cancel = matches!(ask, Ask::Cancel(_));
        if !is_cancel && !self.margin.made {
            return Err(EncodeError::NotReady);
        }
        let channel = match self.pick(now) {
            Some(channel) => channel,
            None if (self.over_rest || is_cancel) && self.rest_ready() => Channel::Rest,
            None => return Err(EncodeError::NotReady),
        };
        // What arrives too late is void: so what is not found later was never placed.
        let expires_in = (!is_cancel).then_some(self.window_ms);
        let number = self.flights.reserve(now).ok_or(EncodeError::Full)?;
        self.send_action(action, number, channel, expires_in, now, out)?;
        if let Ask::New(order) = &ask
            && let Some(work) = self.works.open(order.client_id, now)
        {
            work.manner = Some(Manner::from(order));
        }
        self.on_placed(&ask, now, false);
        self.enter(number, ask, channel, now);
        self.healthier.on_sent(channel, now);
        Ok(())
    }

    /// Enters an action among those in flight.
    pub(super) fn enter(&mut self, id: u64, ask: Ask, channel: Channel, now: Nanos) {
        let deadline = now.plus(self.reply_timeout_ns);
        let phase = Phase::Waiting;
        self.flights.insert(Flight { id, ask, channel, sent_ns: now, deadline, phase });
    }

    /// The venue's number of an instrument.
    pub(super) fn asset(&self, id: InstrumentId) -> Result<super::assets::Asset, EncodeError> {
        self.assets.instrument(id).ok_or(EncodeError::UnknownInstrument)?;
        self.assets.asset(id).copied().ok_or(EncodeError::NotReady)
    }

    /// Signs an action and writes it, as a post or a request with this number. Its nonce is the venue's
    /// time: whatever our own clock does, between two runs too, nonces go on rising.
    pub(super) fn send_action(
        &mut self,
        action: Action<'_>,
        number: u64,
        channel: Channel,
        expires_in_ms: Option<u64>,
        now: Nanos,
        out: &mut Outbox,
    ) -> Result<(), OutboxFull> {
        let venue_ms = self.clock.venue_millis(now);
        let expires = expires_in_ms.map(|window| venue_ms.saturating_add(window));
        self.packed.clear();
        action.write_packed(&mut self.packed);
        let at = Nanos::from_millis(venue_ms);
        let (nonce, signature) = self.signer.sign(&self.packed, expires, at);
        self.plan_refill(now);
        let vault = self.signer.vault();
        let signed = |out: &mut Vec<u8>| {
            write_signed(action, (nonce, &signature), vault, expires, out);
        };
        if channel == Channel::Rest {
            return rest::exchange(out, number, signed);
        }
        out.frame(channel, |frame| {
            frame.extend_from_slice(br#"{"method":"post","id":"#);
            write_u64(frame, number);
            frame.extend_from_slice(br#","request":{"type":"action","payload":"#);
            signed(frame);
            frame.extend_from_slice(b"}}");
        })
    }

    /// The order that a working one becomes, and the venue's number of that. To the venue it is a new
    /// order of the size that it states, so one of which a part is filled would fill too much.
    fn replacement(
        &mut self,
        terms: &ReplaceOrder,
        now: Nanos,
    ) -> Result<(u64, NewOrder), EncodeError> {
        let refuse = |why| Err(EncodeError::NotExpressible(why));
        if terms.price.0 == 0 || terms.qty.0 == 0 {
            return refuse("a replace states price and quantity");
        }
        if self.flights.replacing(terms.client_id).is_some() {
            return refuse("another replace of the order is under way");
        }
        let Some(work) = self.works.hear(terms.client_id, now).copied() else {
            return refuse("the order is not known here");
        };
        let Some(manner) = work.manner.filter(|_| work.oid > 0) else {
            return refuse("the venue's number of the order is not known yet");
        };
        if work.touched {
            return refuse("a part of the order is filled: cancel it and place another");
        }
        let order = NewOrder {
            client_id: terms.client_id,
            instrument: terms.instrument,
            side: manner.side,
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::Gtc,
            post_only: manner.post_only,
            reduce_only: manner.reduce_only,
            price: terms.price,
            qty: terms.qty,
        };
        Ok((work.oid, order))
    }
}

/// The venue's number of an order.
pub(super) fn number(id: &VenueOrderId) -> Result<u64, EncodeError> {
    let number = id.as_str().parse().ok().filter(|number| *number > 0);
    number.ok_or(EncodeError::NotExpressible("not an order number of this venue"))
}
