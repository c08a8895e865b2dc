//! Replies to open requests: what each proves, and what is asked next.
//!
//! What results mean stands in `replies.rs` and `contracts.rs`, what refusals mean in `errors.rs` and
//! `outcomes.rs`.

#![forbid(unsafe_code)]

use super::commands::is_order;
use super::contracts;
use super::envelope::Reply;
use super::errors::{self, Verdict};
use super::outcomes;
use super::pending::{Asked, Entry};
use super::replies::{self, Then};
use super::subscriptions::notice;
use super::trading::{BAD_TIMESTAMP, Core};
use crate::types::{CommandKind, Events, FillId, Nanos, RejectReason, ReportOrigin, VenueNotice};
use crate::venues::{DecodeError, Outbox, Value};

impl Core {
    /// The reply to a request, from either wire.
    pub(super) fn on_reply(
        &mut self,
        entry: &Entry,
        reply: &Reply<'_>,
        now: Nanos,
        out: &mut Outbox,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        self.suspend(reply, now, events);
        let command = entry.asked.command();
        if !entry.late && command.as_ref().is_some_and(is_order) {
            self.healthier.on_reply(entry.channel, entry.sent, now);
        }
        if let Some(command) = command {
            return self.on_command(&command, entry, reply, now, out, events);
        }
        match entry.asked {
            Asked::Time => self.on_time(entry, reply, now, events),
            Asked::Logon | Asked::Subscribe => self.on_login(entry, reply, now, out, events),
            Asked::Payments(from) => self.on_payments(from, reply, now, events),
            Asked::DeadMan(instrument, window_ms) => {
                self.on_dead_man((instrument, window_ms), reply, now, events)
            }
            Asked::StopOrders(instrument) => match reply.success() {
                Some(result) => contracts::stop_orders(result, instrument, events),
                None => {
                    notice(events, VenueNotice::RequestFailed(reply.own_code()));
                    Ok(())
                }
            },
            _ => self.on_stream_reply(entry, reply, now, events),
        }
    }

    fn on_command(
        &mut self,
        command: &CommandKind,
        entry: &Entry,
        reply: &Reply<'_>,
        now: Nanos,
        out: &mut Outbox,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        let code = reply.own_code();
        if let Some(result) = reply.success() {
            return self.on_result(command, entry, result, now, out, events);
        }
        match errors::judge(self.product, reply.status, reply.code, reply.message) {
            // A success without a result says as little as a server error.
            Verdict::Refused(_) if reply.status == 200 => {
                if !entry.late {
                    outcomes::unknown(command, ReportOrigin::Local, 0, now, events)?;
                }
                Err(DecodeError::Missing("result"))
            }
            Verdict::Unknown if entry.late => Ok(()),
            Verdict::Unknown => {
                Ok(outcomes::unknown(command, ReportOrigin::Reply, code, now, events)?)
            }
            Verdict::Refused(reason) => {
                if reply.code == BAD_TIMESTAMP {
                    self.clock.restart(now, true);
                }
                let account = &mut self.account;
                outcomes::refused(command, reason, code, account, now, events)?;
                if reason == RejectReason::Unauthorized && errors::is_login_refusal(reply.code) {
                    notice(events, VenueNotice::LoginRefused(reply.channel, reply.code));
                }
                Ok(())
            }
        }
    }

    /// A command was carried out, or a part of it.
    fn on_result(
        &mut self,
        command: &CommandKind,
        entry: &Entry,
        result: Value<'_>,
        now: Nanos,
        out: &mut Outbox,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        let then = if entry.asked == Asked::Wallets {
            contracts::wallets(result, &self.account, events).map(|()| Then::Done)
        } else {
            replies::decode(command, result, &mut self.account, now, events)
        };
        if matches!(command, CommandKind::Balances) {
            self.seen.take_balances(entry.channel);
        }
        match then {
            Ok(then) => self.go_on(command, then, now, out, events),
            Err(_) if !entry.late => {
                outcomes::unknown(command, ReportOrigin::Local, 0, now, events)?;
            }
            Err(_) => {}
        }
        then.map(drop)
    }

    /// Asks for what is missing of an answer.
    fn go_on(
        &mut self,
        command: &CommandKind,
        then: Then,
        now: Nanos,
        out: &mut Outbox,
        events: &mut Events,
    ) {
        let next = match (then, *command) {
            (Then::NextFills(from_id), CommandKind::FillsSince { instrument, .. }) => {
                CommandKind::FillsSince { instrument, from_id, from_ns: Nanos(0) }
            }
            (Then::LaterFills(from_ns), CommandKind::FillsSince { instrument, .. }) => {
                CommandKind::FillsSince { instrument, from_id: FillId::EMPTY, from_ns }
            }
            (Then::LaterFunding(from), _) => CommandKind::FundingSince(from),
            (Then::Wallets, _) => {
                if !self.ask(Asked::Wallets, now, out) {
                    notice(events, VenueNotice::RequestFailed(0));
                }
                return;
            }
            // The list of orders is complete without; it is asked for with the next one again.
            (Then::StopOrders(instrument), _) => {
                self.ask(Asked::StopOrders(instrument), now, out);
                return;
            }
            _ => return,
        };
        if self.submit(&next, now, out).is_err() {
            notice(events, VenueNotice::RequestFailed(0));
        }
    }
}
