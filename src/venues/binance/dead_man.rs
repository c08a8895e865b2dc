//! The dead-man switch of futures: each symbol has a countdown at whose end the venue cancels all our
//! orders of it, and which is set anew long before. Its name there is auto-cancel.
//! <https://developers.binance.com/docs/derivatives/usds-margined-futures/trade/rest-api/Auto-Cancel-All-Open-Orders>

#![forbid(unsafe_code)]

use super::envelope::Reply;
use super::pending::Asked;
use super::subscriptions::notice;
use super::trading::Core;
use crate::types::{Events, InstrumentId, Nanos, VenueNotice};
use crate::venues::{DecodeError, Outbox, SetupError, VenueSetup};

const SECOND_NS: u64 = 1_000_000_000;
/// A countdown is set anew so many times before its end ...
const BEATS: u64 = 3;
/// ... but of each instrument not more often than so, in tenths of seconds: each time weighs 10, and
/// all of them together are to stay below 400 of the 2,400 of a minute.
const PAUSE_DS: u64 = 15;

struct Countdown {
    instrument: InstrumentId,
    due: Nanos,
    asked: bool,
    /// The venue has taken it.
    set: bool,
}

/// The countdowns of an account.
pub(super) struct DeadMan {
    /// Shortest time without us, in seconds; 0 if the switch is not wanted.
    window_s: u32,
    rows: Vec<Countdown>,
    /// It runs from when the account was ready first.
    started: bool,
    /// That all are set is told once.
    told: bool,
}

impl DeadMan {
    /// # Errors
    ///
    /// The window is too short for so many instruments.
    pub(super) fn new(setup: &VenueSetup) -> Result<Self, SetupError> {
        let row = |instrument| Countdown { instrument, due: Nanos(0), asked: false, set: false };
        let instruments = setup.instruments.of_venue(setup.venue);
        let switch = Self {
            window_s: setup.dead_man_switch_s.unwrap_or(0),
            rows: instruments.map(|instrument| row(instrument.id)).collect(),
            started: false,
            told: false,
        };
        // One beat may be lost.
        let least_s = (2 * switch.pause_ns()).div_ceil(SECOND_NS);
        if switch.window_s > 0 && u64::from(switch.window_s) < least_s {
            return Err(SetupError::DeadManTooShort(least_s as u32));
        }
        Ok(switch)
    }

    fn pause_ns(&self) -> u64 {
        self.rows.len() as u64 * PAUSE_DS * SECOND_NS / 10
    }

    /// The account is ready.
    pub(super) fn start(&mut self, now: Nanos) {
        if !self.started && self.window_s > 0 {
            self.started = true;
            self.rows.iter_mut().for_each(|row| row.due = now);
        }
    }

    /// When a countdown is to be set anew.
    pub(super) fn deadline(&self) -> Option<Nanos> {
        let waiting = self.rows.iter().filter(|row| !row.asked).map(|row| row.due);
        waiting.min().filter(|_| self.started)
    }

    /// A countdown may not have been set.
    pub(super) fn on_lost(&mut self, instrument: InstrumentId, now: Nanos) {
        if let Some(row) = self.row(instrument) {
            (row.asked, row.due) = (false, now.plus(SECOND_NS));
        }
    }

    fn row(&mut self, instrument: InstrumentId) -> Option<&mut Countdown> {
        self.rows.iter_mut().find(|row| row.instrument == instrument)
    }

    fn beat_ns(&self) -> u64 {
        (u64::from(self.window_s) * SECOND_NS / BEATS).max(self.pause_ns())
    }
}

impl Core {
    /// Sets the countdowns that are due.
    pub(super) fn advance_dead_man(&mut self, now: Nanos, out: &mut Outbox) {
        if self.dead_man.deadline().is_none_or(|due| now < due) || !self.can_ask(now) {
            return;
        }
        let window_ms = u64::from(self.dead_man.window_s) * 1000;
        for at in 0..self.dead_man.rows.len() {
            let Countdown { instrument, due, asked, .. } = self.dead_man.rows[at];
            if asked || now < due {
                continue;
            }
            let sent = self.ask(Asked::DeadMan(instrument, window_ms), now, out);
            let row = &mut self.dead_man.rows[at];
            (row.asked, row.due) = (sent, now.plus(SECOND_NS));
        }
    }

    /// `{"symbol":"BTCUSDT","countdownTime":"100000"}`
    pub(super) fn on_dead_man(
        &mut self,
        (instrument, window_ms): (InstrumentId, u64),
        reply: &Reply<'_>,
        now: Nanos,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        let taken = reply.success().map(|result| {
            let text = result.field_str("countdownTime")?;
            let same = text.parse() == Ok(window_ms);
            if same { Ok(()) } else { Err(DecodeError::Invalid("countdownTime")) }
        });
        let set = matches!(taken, Some(Ok(())));
        let beat = now.plus(self.dead_man.beat_ns());
        if let Some(row) = self.dead_man.row(instrument) {
            let due = if set { beat } else { now.plus(SECOND_NS) };
            (row.asked, row.due, row.set) = (false, due, set);
        }
        if !set {
            self.dead_man.told = false;
            notice(events, VenueNotice::DeadManFailed(reply.own_code()));
        } else if !self.dead_man.told && self.dead_man.rows.iter().all(|row| row.set) {
            self.dead_man.told = true;
            notice(events, VenueNotice::DeadManArmed(self.dead_man.window_s));
        }
        taken.unwrap_or(Ok(()))
    }
}
