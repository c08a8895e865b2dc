//! Commands of the engine to requests: over which connection each leaves, by template or by the
//! complete encoder, and its entry among those that wait.
//!
//! Replies come on the connection that carried the request. The account's limits and its orders are
//! the same on every connection, so an order may be cancelled on another than the one it was placed
//! on.

#![forbid(unsafe_code)]

use super::account::Terms;
use super::auth::Signer;
use super::calls::{self, Call};
use super::orders::{self, Stamp};
use super::params::Wire;
use super::pending::Asked;
use super::session::{Line, Phase};
use super::streams::Product;
use super::trading::Core;
use crate::types::{Channel, CommandKind, Nanos, NewOrder, OrderType, TimeInForce};
use crate::venues::{EncodeError, Outbox, OutboxFull, RequestId};

/// How commands travel and prove who sent them.
pub(super) fn wire(commands: Channel, signer: &Signer) -> Wire {
    match (commands, signer.can_log_on()) {
        (Channel::Rest, _) => Wire::Rest,
        (_, true) => Wire::Session,
        (_, false) => Wire::Signed,
    }
}

/// Whether a command is about one order: how fast those are answered tells a healthy connection.
pub(super) fn is_order(command: &CommandKind) -> bool {
    matches!(command, CommandKind::New(_) | CommandKind::Replace(_) | CommandKind::Cancel(_))
}

impl Core {
    pub(super) fn submit(
        &mut self,
        command: &CommandKind,
        now: Nanos,
        out: &mut Outbox,
    ) -> Result<(), EncodeError> {
        let call = calls::of(self.product).of(command).ok_or(EncodeError::Unsupported)?;
        let channel = self.channel_for(command, call, now)?;
        let asked = Asked::Command(*command);
        let id = self.pending.next_id(&asked).ok_or(EncodeError::Full)?;
        let timestamp_ms = self.clock.timestamp_ms(now).ok_or(EncodeError::NotReady)?;
        let place = (id, timestamp_ms);
        let over_rest = channel == Channel::Rest;
        let prepared = (!over_rest)
            .then(|| self.templates.prepare(command, place, &self.account, &self.signer))
            .flatten();
        match prepared.map(|write| out.frame(channel, write)) {
            Some(written) => written?,
            None => self.encode(&asked, channel, place, out)?,
        }
        self.pending.insert(asked, channel, now);
        if is_order(command) {
            self.healthier.on_sent(channel, now);
        }
        if let CommandKind::New(order) = command
            && order.order_type == OrderType::Limit
            && order.time_in_force == TimeInForce::Gtc
        {
            let NewOrder { side, price, qty, .. } = *order;
            let terms = Terms { side, price, qty };
            self.account.remember(order.client_id, terms);
        }
        Ok(())
    }

    /// The complete encoder, of whatever is signed like a command.
    fn encode(
        &mut self,
        asked: &Asked,
        channel: Channel,
        (id, timestamp_ms): (u64, u64),
        out: &mut Outbox,
    ) -> Result<(), EncodeError> {
        let stamp = Stamp { recv_window_ms: self.recv_window_ms, timestamp_ms };
        self.params.start(wire(channel, &self.signer), &self.key);
        let call = match asked {
            Asked::Command(command) => {
                orders::encode(command, &self.account, stamp, &mut self.params)?
            }
            own => orders::encode_own(own, &self.account, stamp, &mut self.params)
                .ok_or(EncodeError::Unsupported)?,
        };
        Ok(self.send(id, channel, call, out)?)
    }

    /// Sends a request of the connector's own over REST. False if there is no room.
    pub(super) fn ask(&mut self, asked: Asked, now: Nanos, out: &mut Outbox) -> bool {
        let place = self.pending.next_id(&asked).zip(self.clock.timestamp_ms(now));
        let sent =
            place.is_some_and(|place| self.encode(&asked, Channel::Rest, place, out).is_ok());
        if sent {
            self.pending.insert(asked, Channel::Rest, now);
        }
        sent
    }

    /// Whether requests of its own may be sent.
    pub(super) fn can_ask(&self, now: Nanos) -> bool {
        self.rest_open && self.clock.is_known() && now >= self.suspended.max(self.banned)
    }

    fn send(
        &self,
        id: u64,
        channel: Channel,
        call: &Call,
        out: &mut Outbox,
    ) -> Result<(), OutboxFull> {
        let signature = self.params.sign(&self.signer);
        let (params, signature) = (&self.params, signature.as_ref());
        if channel != Channel::Rest {
            return out.frame(channel, |bytes| {
                params.write_frame(id, call.name, signature, bytes);
            });
        }
        out.request(
            RequestId(id),
            call.method,
            |path| params.write_path(call.path, signature, path),
            |_| {},
            |_, _, head| head.extend_from_slice(&self.header),
        )
    }

    /// Whether the venue's clock is measured over REST.
    pub(super) fn clocks_over_rest(&self) -> bool {
        self.commands == Channel::Rest || self.product == Product::UsdM
    }

    /// Whether the venue's clock can be measured.
    pub(super) fn is_open(&self) -> bool {
        if self.clocks_over_rest() {
            return self.rest_open;
        }
        self.lines.iter().any(Line::is_open)
    }

    /// Where a command goes. Orders need the account's events, or their fills would be missed; the
    /// rest does not, and takes a connection that is not quite ready if there is no other.
    fn channel_for(
        &mut self,
        command: &CommandKind,
        call: &Call,
        now: Nanos,
    ) -> Result<Channel, EncodeError> {
        let orders = matches!(command, CommandKind::New(_) | CommandKind::Replace(_));
        let cancels = matches!(command, CommandKind::Cancel(_) | CommandKind::CancelAll(_));
        let ready = self.usable(Line::is_ready);
        let told = match self.product {
            Product::Spot => ready != [false; 2],
            Product::UsdM => self.stream.is_ready(),
        };
        let over_rest = self.commands == Channel::Rest || call.name.is_empty();
        let channel = match over_rest {
            _ if orders && !told => None,
            true => self.rest_open.then_some(Channel::Rest),
            false if orders || ready != [false; 2] => self.healthier.pick(ready, now),
            false => {
                let logs_on = self.signer.can_log_on();
                let open = self.usable(|line| match logs_on {
                    true => matches!(line.phase, Phase::Subscribing | Phase::Ready),
                    false => line.is_open(),
                });
                self.healthier.pick(open, now)
            }
        };
        let channel = channel.or_else(|| self.way_out(command)).ok_or(EncodeError::NotReady)?;
        if now < self.banned || (now < self.suspended && !cancels) {
            return Err(EncodeError::RateLimited);
        }
        Ok(channel)
    }

    /// What works must be stoppable, and known: over REST, where that is there (futures), while no
    /// order connection is.
    fn way_out(&self, command: &CommandKind) -> Option<Channel> {
        let ends = matches!(command, CommandKind::Cancel(_) | CommandKind::Query(_));
        (ends && self.product == Product::UsdM && self.rest_open).then_some(Channel::Rest)
    }

    /// Which connections are such, [`Channel::Trade`] first.
    fn usable(&self, is: impl Fn(&Line) -> bool) -> [bool; 2] {
        [0, 1].map(|at| self.lines.get(at).is_some_and(&is))
    }
}
