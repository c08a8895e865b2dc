//! Commands of the engine to requests: over which connection each leaves, by template or by the
//! complete encoder, and its entry among those that wait.
//!
//! Replies come on the connection that carried the request. The account's limits and its orders are
//! the same on every connection, so an order may be cancelled on another than the one it was placed
//! on.

#![forbid(unsafe_code)]

use super::account::Terms;
use super::auth::Signer;
use super::orders::{self, Stamp};
use super::params::Wire;
use super::pending::Asked;
use super::session::{Line, Phase};
use super::trading::Core;
use crate::types::{Channel, CommandKind, Nanos, OrderType, TimeInForce};
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
        let channel = self.channel_for(command, now)?;
        let asked = Asked::Command(*command);
        let id = self.pending.next_id(&asked).ok_or(EncodeError::Full)?;
        let timestamp_ms = self.clock.timestamp_ms(now).ok_or(EncodeError::NotReady)?;
        let place = (id, timestamp_ms);
        let prepared = self.templates.prepare(command, place, &self.account, &self.signer);
        match prepared.map(|write| out.frame(channel, write)) {
            Some(written) => written?,
            None => self.encode(command, channel, place, out)?,
        }
        self.pending.insert(asked, channel, now);
        if is_order(command) {
            self.healthier.on_sent(channel, now);
        }
        if let CommandKind::New(order) = command
            && order.order_type == OrderType::Limit
            && order.time_in_force == TimeInForce::Gtc
        {
            self.account.remember(order.client_id, Terms { price: order.price, qty: order.qty });
        }
        Ok(())
    }

    /// The complete encoder.
    fn encode(
        &mut self,
        command: &CommandKind,
        channel: Channel,
        (id, timestamp_ms): (u64, u64),
        out: &mut Outbox,
    ) -> Result<(), EncodeError> {
        let stamp = Stamp { recv_window_ms: self.recv_window_ms, timestamp_ms };
        self.params.start(wire(self.commands, &self.signer), &self.key);
        let call = orders::encode(command, &self.account, stamp, &mut self.params)?;
        Ok(self.send(id, channel, call, out)?)
    }

    fn send(
        &self,
        id: u64,
        channel: Channel,
        call: &orders::Call,
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

    /// Whether commands can be sent at all.
    pub(super) fn is_open(&self) -> bool {
        match self.commands {
            Channel::Rest => self.rest_open,
            _ => self.lines.iter().any(Line::is_open),
        }
    }

    /// Where a command goes. Orders need the private stream, or their fills would be missed; the
    /// rest does not, and takes a connection that is not quite ready if there is no other.
    fn channel_for(&mut self, command: &CommandKind, now: Nanos) -> Result<Channel, EncodeError> {
        let orders = matches!(command, CommandKind::New(_) | CommandKind::Replace(_));
        let cancels = matches!(command, CommandKind::Cancel(_) | CommandKind::CancelAll(_));
        let ready = self.usable(Line::is_ready);
        let channel = match self.commands {
            Channel::Rest if !self.rest_open || (orders && ready == [false; 2]) => None,
            Channel::Rest => Some(Channel::Rest),
            _ if orders || ready != [false; 2] => self.healthier.pick(ready, now),
            _ => {
                let logs_on = self.signer.can_log_on();
                let open = self.usable(|line| match logs_on {
                    true => matches!(line.phase, Phase::Subscribing | Phase::Ready),
                    false => line.is_open(),
                });
                self.healthier.pick(open, now)
            }
        };
        let channel = channel.ok_or(EncodeError::NotReady)?;
        if now < self.banned || (now < self.suspended && !cancels) {
            return Err(EncodeError::RateLimited);
        }
        Ok(channel)
    }

    /// Which connections are such, [`Channel::Trade`] first.
    fn usable(&self, is: impl Fn(&Line) -> bool) -> [bool; 2] {
        [0, 1].map(|at| self.lines.get(at).is_some_and(&is))
    }
}
