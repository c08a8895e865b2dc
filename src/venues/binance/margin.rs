//! Leverage and margin mode of a futures account's symbols, made what is configured.
//!
//! Once the settings are read, every symbol that differs is changed, one request at a time, and then
//! all are read once more: only what the venue states counts. Until they are as configured the stream
//! is never ready, so no orders are sent. What differs after that was changed by somebody else: it is
//! told and left alone.
//! Documents: <https://developers.binance.com/docs/derivatives/usds-margined-futures/trade/rest-api/Change-Margin-Type>
//! and `Change-Initial-Leverage` beside it.

#![forbid(unsafe_code)]

use super::contracts;
use super::envelope::Reply;
use super::errors::{self, Verdict};
use super::pending::{Asked, Entry};
use super::subscriptions::notice;
use super::trading::Core;
use super::user_stream::Step;
use crate::types::{AccountFlaw, Events, MarginMode, MarginSettings, Nanos, VenueNotice};
use crate::venues::verdict::is_passing;
use crate::venues::{DecodeError, Outbox, Value};

/// The margin mode is that already.
const SAME_MODE: i32 = -4046;

/// How far it has come.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Margin {
    wanted: MarginSettings,
    /// Changes were sent since the account was looked at; the next list shows them.
    changed: bool,
    /// All was as configured once.
    made: bool,
    /// The socket of events was lost since: changes may have been missed.
    pub(super) doubted: bool,
}

impl Margin {
    pub(super) fn new(wanted: MarginSettings) -> Self {
        Self { wanted, ..Self::default() }
    }

    /// The socket of events is lost.
    pub(super) fn on_close(&mut self) {
        self.doubted = self.wanted.is_any();
    }
}

/// What `marginType` is to be.
pub(super) fn margin_type(mode: MarginMode) -> &'static str {
    match mode {
        MarginMode::Cross => "CROSSED",
        MarginMode::Isolated => "ISOLATED",
    }
}

impl Core {
    /// The first thing that is not as configured, as the request that changes it.
    fn margin_change(&self) -> Option<Asked> {
        let wanted = self.margin.wanted;
        let account = &self.account;
        account.instruments.of_venue(account.venue).find_map(|of| {
            let (leverage, mode) = account.contracts.settings_of(of.id);
            let other_mode = wanted.mode.filter(|_| !wanted.agrees_mode(mode));
            let other_times = wanted.leverage.filter(|_| !wanted.agrees_times(leverage));
            let mode = other_mode.map(|mode| Asked::MarginType(of.id, mode));
            mode.or(other_times.map(|times| Asked::Leverage(of.id, times)))
        })
    }

    /// The settings of the symbols were read.
    pub(super) fn on_settings(
        &mut self,
        result: Value<'_>,
        now: Nanos,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        contracts::settings(result, &mut self.account)?;
        let differs = self.margin_change().is_some();
        if differs && !self.margin.made {
            if self.margin.changed {
                self.on_margin_refused(0, now, events);
            } else {
                self.stream.go(Step::Margin);
            }
            return Ok(());
        }
        if differs {
            notice(events, VenueNotice::AccountUnfit(AccountFlaw::MarginSettings));
        }
        (self.margin.made, self.margin.changed, self.margin.doubted) = (true, false, false);
        self.stream.after_settings();
        Ok(())
    }

    /// Sends the next change. Once there is none left the settings are read again.
    pub(super) fn ask_margin(&mut self, now: Nanos, out: &mut Outbox) -> bool {
        match self.margin_change() {
            Some(change) => self.ask(change, now, out),
            None => {
                self.margin.changed = true;
                self.stream.go(Step::Settings);
                self.ask(Asked::SymbolConfig, now, out)
            }
        }
    }

    /// `{"code":200,"msg":"success"}` of a margin mode, `{"leverage":21,"maxNotionalValue":"1000000",
    /// "symbol":"BTCUSDT"}` of a leverage.
    pub(super) fn on_margin(
        &mut self,
        entry: &Entry,
        reply: &Reply<'_>,
        now: Nanos,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        match (entry.asked, reply.success()) {
            (Asked::MarginType(id, mode), Some(_)) => self.account.contracts.set_mode(id, mode),
            (Asked::MarginType(id, mode), None) if reply.code == SAME_MODE => {
                self.account.contracts.set_mode(id, mode);
            }
            (Asked::Leverage(id, wanted), Some(result)) => {
                let leverage = result.field_u64("leverage")?;
                if leverage != u64::from(wanted) {
                    self.on_margin_refused(0, now, events);
                    return Ok(());
                }
                self.account.contracts.set_leverage(id, leverage);
            }
            _ => {
                let judged = errors::judge(self.product, reply.status, reply.code, reply.message);
                match judged {
                    Verdict::Refused(reason) if reply.status != 200 && !is_passing(reason) => {
                        self.on_margin_refused(reply.own_code(), now, events);
                    }
                    _ => self.on_stream_refused(reply, now, events),
                }
                return Ok(());
            }
        }
        self.stream.go(Step::Margin);
        Ok(())
    }

    /// It cannot be made so, by this code of the venue's if there is one: looked at again later.
    fn on_margin_refused(&mut self, code: i32, now: Nanos, events: &mut Events) {
        self.margin.changed = false;
        self.stream.look_again(now);
        if code != 0 {
            notice(events, VenueNotice::RequestFailed(code));
        }
        notice(events, VenueNotice::AccountUnfit(AccountFlaw::MarginSettings));
    }
}
