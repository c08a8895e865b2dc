//! Leverage and margin mode of perpetuals, made what is configured before REST counts as ready. What
//! differs after that was changed by somebody else: the next statement of the position tells it, and it
//! is left alone.
//! <https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/exchange-endpoint#update-leverage>

#![forbid(unsafe_code)]

use super::super::flight::Ask;
use super::super::verdict::{Verdict, is_passing};
use super::super::{EncodeError, Outbox};
use super::SECOND_NS;
use super::account::Leverage;
use super::actions::Action;
use super::trading::Core;
use crate::types::{
    AMOUNT_DECIMALS, AccountFlaw, Channel, Events, InstrumentId, MarginMode, MarginSettings, Nanos,
    VenueNotice,
};

const ONE: i128 = 10i128.pow(AMOUNT_DECIMALS);
/// Pause after an action that could not be sent or has no reply, and after a refusal.
const RETRY_NS: u64 = 2 * SECOND_NS;
const UNFIT_RETRY_NS: u64 = 60 * SECOND_NS;

/// How far it has come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Margin {
    wanted: MarginSettings,
    /// All perpetuals were as configured once; or nothing is.
    pub(super) made: bool,
    /// The action for the perpetual at hand was taken.
    changed: bool,
    /// It was told that it cannot be made so.
    told: bool,
}

impl Margin {
    pub(super) fn new(wanted: MarginSettings, perpetuals: bool) -> Self {
        let made = !(wanted.is_any() && perpetuals);
        Self { wanted, made, changed: false, told: false }
    }
}

impl Core {
    /// The venue stated what a perpetual stands on: sees to it that this is what is configured. True
    /// if the question is to be asked again.
    pub(super) fn change_margin(
        &mut self,
        id: InstrumentId,
        (leverage, mode): Leverage,
        now: Nanos,
        out: &mut Outbox,
        events: &mut Events,
    ) -> bool {
        let Margin { wanted, made, changed, .. } = self.margin;
        if made || wanted.agrees(leverage, mode) {
            self.margin.changed = false;
            return false;
        }
        if changed {
            self.on_margin_unfit(0, now, events);
            return true;
        }
        // What is not configured stays as it is.
        let stated = u64::try_from(leverage.0 / ONE).unwrap_or(0);
        let times = wanted.leverage.map_or(stated, u64::from);
        let cross = wanted.mode.unwrap_or(mode) == MarginMode::Cross;
        if self.send_margin(id, (cross, times), now, out).is_err() {
            self.start.ask_again(now.plus(RETRY_NS));
        }
        true
    }

    fn send_margin(
        &mut self,
        id: InstrumentId,
        (cross, times): (bool, u64),
        now: Nanos,
        out: &mut Outbox,
    ) -> Result<(), EncodeError> {
        let asset = self.asset(id)?;
        if !self.rest_ready() {
            return Err(EncodeError::NotReady);
        }
        let number = self.flights.reserve(now).ok_or(EncodeError::Full)?;
        let action = Action::UpdateLeverage { asset: asset.id, cross, times };
        self.send_action(action, number, Channel::Rest, Some(self.window_ms), now, out)?;
        self.enter(number, Ask::SetMargin(id), Channel::Rest, now);
        Ok(())
    }

    /// The venue took the action, or did not, or nobody knows.
    pub(super) fn on_margin(
        &mut self,
        verdict: Verdict,
        code: i32,
        now: Nanos,
        events: &mut Events,
    ) {
        match verdict {
            Verdict::Done => {
                self.margin.changed = true;
                self.start.ask_again(now);
            }
            Verdict::Refused(reason) if !is_passing(reason) => {
                self.on_margin_unfit(code, now, events);
            }
            Verdict::Refused(_) | Verdict::Unknown(_) => {
                self.start.ask_again(now.plus(RETRY_NS));
                self.notice(events, VenueNotice::RequestFailed(code));
            }
        }
    }

    /// It cannot be made so: told once, tried again later.
    fn on_margin_unfit(&mut self, code: i32, now: Nanos, events: &mut Events) {
        self.margin.changed = false;
        self.start.ask_again(now.plus(UNFIT_RETRY_NS));
        if std::mem::replace(&mut self.margin.told, true) {
            return;
        }
        if code != 0 {
            self.notice(events, VenueNotice::RequestFailed(code));
        }
        self.notice(events, VenueNotice::AccountUnfit(AccountFlaw::MarginSettings));
    }

    /// All perpetuals were asked for.
    pub(super) fn on_margins_known(&mut self) {
        (self.margin.made, self.margin.told) = (true, false);
    }
}
