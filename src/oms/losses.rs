//! The daily-loss and drawdown switches: losses beyond a limit leave only reducing orders allowed,
//! until a person resumes.
//!
//! Measured for each quote asset by itself: realised and unrealised profit less fees, positions
//! valued at the middle of their live book. A book that is not live keeps its last middle; a
//! position that never had one counts at its cost. Fees in a third asset have no value here. The
//! measure is taken after every fill and every second while anything is held; a day begins at
//! 00:00 UTC with the last value before it. While the journal is short the measure of every second is
//! on no record unless something follows from it: see [`super::looks`].

#![forbid(unsafe_code)]

use super::record::{Record, Recorder};
use super::risk::BookQuote;
use super::{Books, NEVER, Oms, RiskLimits};
use crate::portfolio::{Positions, pnl};
use crate::types::{
    Amount, AssetId, BookState, InstrumentId, InstrumentTable, LossSwitch, Nanos, Price, Qty,
    Scope, TradingState,
};
use serde::{Deserialize, Serialize};

pub(super) const DAY_NS: u64 = 86_400_000_000_000;
pub(super) const LOOK_EVERY_NS: u64 = 1_000_000_000;

/// Profit in one quote asset, in its units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LossRow {
    /// Profit less fees when it was last measured.
    pub net: Amount,
    /// The same when the day began, or since when a person resumed.
    pub day_open: Amount,
    /// The highest since the start, or since when a person resumed.
    pub high: Amount,
}

impl LossRow {
    fn loss(&self, switch: LossSwitch) -> Amount {
        let from = match switch {
            LossSwitch::DailyLoss => self.day_open,
            LossSwitch::Drawdown => self.high,
        };
        Amount(from.0.saturating_sub(self.net.0))
    }
}

/// What the switches remember.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Losses {
    /// Whether a limit was there, so that the rows are true.
    armed: bool,
    /// Days since the epoch.
    pub day: u64,
    pub due: Nanos,
    /// Last middle of each instrument's book; 0: none yet.
    pub marks: Vec<Price>,
    /// By quote asset.
    pub rows: Vec<LossRow>,
}

/// A loss that has passed its limit.
pub(super) struct Passed {
    switch: LossSwitch,
    quote: AssetId,
    loss: Amount,
    limit: Amount,
}

impl Losses {
    /// Nothing earned or lost yet.
    pub fn new(table: &InstrumentTable, armed: bool, now: Nanos) -> Self {
        Self {
            armed,
            day: now.0 / DAY_NS,
            due: NEVER,
            marks: vec![Price(0); table.len()],
            rows: vec![LossRow::default(); table.assets.len()],
        }
    }

    /// The same over another table: where instruments stand there with which price, and assets.
    pub fn moved(
        &self,
        table: &InstrumentTable,
        instrument: impl Fn(InstrumentId, Price) -> Option<(InstrumentId, Price)>,
        asset: impl Fn(AssetId) -> Option<AssetId>,
    ) -> Self {
        let mut next = Self { day: self.day, ..Self::new(table, self.armed, Nanos(0)) };
        for (index, mark) in self.marks.iter().enumerate() {
            let place = instrument(InstrumentId(index as u16), *mark);
            if let Some((id, mark)) = place
                && let Some(row) = next.marks.get_mut(id.index())
            {
                *row = mark;
            }
        }
        for (index, row) in self.rows.iter().enumerate() {
            let place = asset(AssetId(index as u16));
            if let Some(to) = place.and_then(|id| next.rows.get_mut(id.index())) {
                *to = *row;
            }
        }
        next
    }

    /// Takes the profits as they are at the last marks.
    pub fn measure(&mut self, table: &InstrumentTable, positions: &Positions) {
        for row in &mut self.rows {
            row.net = Amount::ZERO;
        }
        for instrument in table.iter() {
            let position = positions.get(instrument.id);
            let Some(row) = self.rows.get_mut(instrument.quote.index()) else { continue };
            let mark = self.marks.get(instrument.id.index()).copied().unwrap_or_default();
            let at_cost = position.realised.0.saturating_sub(position.fees_value.0);
            let net = match pnl(&position, mark, instrument.scale) {
                Ok(value) if mark > Price(0) => value.net.0,
                // A value beyond all numbers is that of a position that halted the engine.
                _ => at_cost,
            };
            row.net = Amount(row.net.0.saturating_add(net));
        }
    }

    /// Profits that are higher than ever before are the highest.
    pub fn raise(&mut self) {
        for row in &mut self.rows {
            row.high = row.high.max(row.net);
        }
    }

    /// The first limit that a loss has passed.
    pub fn passed(&self, limits: &RiskLimits) -> Option<Passed> {
        let switches = [
            (LossSwitch::DailyLoss, limits.daily_loss_max),
            (LossSwitch::Drawdown, limits.drawdown_max),
        ];
        for (switch, limit) in switches {
            let Some(limit) = limit else { continue };
            let losses = self.rows.iter().map(|row| row.loss(switch));
            if let Some((index, loss)) = losses.enumerate().find(|(_, loss)| *loss > limit) {
                return Some(Passed { switch, quote: AssetId(index as u16), loss, limit });
            }
        }
        None
    }

    /// From now on the profits as they are count as zero.
    fn restart(&mut self, now: Nanos) {
        self.day = now.0 / DAY_NS;
        for row in &mut self.rows {
            (row.day_open, row.high) = (row.net, row.net);
        }
    }

    /// A new day begins with the last value of the old one.
    fn turn_day(&mut self, now: Nanos) {
        let day = now.0 / DAY_NS;
        if day != self.day {
            self.day = day;
            for row in &mut self.rows {
                row.day_open = row.net;
            }
        }
    }
}

/// The middle of a book that may be traded on.
pub(super) fn middle(quote: &BookQuote) -> Option<Price> {
    let whole = |price: Price, qty: Qty| price > Price(0) && qty > Qty::ZERO;
    let live = quote.state == BookState::Live
        && whole(quote.bid.price, quote.bid.qty)
        && whole(quote.ask.price, quote.ask.qty);
    let sum = i128::from(quote.bid.price.0) + i128::from(quote.ask.price.0);
    live.then_some(Price((sum / 2) as i64))
}

impl<R: Recorder, B: Books> Oms<R, B> {
    /// Profit in each quote asset as the switches measure it; true only while there is a limit.
    #[must_use]
    pub fn losses(&self) -> &[LossRow] {
        self.unrecorded.looks.newest().unwrap_or(&self.state.losses.rows)
    }

    /// Which switch has been thrown, until a person resumes.
    #[must_use]
    pub fn loss_switch(&self) -> Option<LossSwitch> {
        self.state.risk.loss_switch
    }

    /// Measures, and throws a switch whose limit is passed.
    pub(super) fn look_at_losses(&mut self, now: Nanos) {
        if !self.state.risk.limits.watches_losses() {
            self.state.losses.due = NEVER;
            return;
        }
        self.state.losses.turn_day(now);
        self.mark_positions(now);
        self.state.losses.measure(&self.instruments, &self.state.positions);
        self.state.losses.raise();
        self.throw_switch(now);
        self.plan_look(now.plus(LOOK_EVERY_NS));
    }

    /// The same once it is due. When it is due next.
    pub(super) fn run_losses(&mut self, now: Nanos) -> Nanos {
        if self.state.losses.due <= now {
            self.look_at_losses(now);
        }
        self.state.losses.due
    }

    /// The next look, if anything is held by then.
    fn plan_look(&mut self, due: Nanos) {
        self.unrecorded.looks.is_recorded();
        let held = self.state.positions.all().iter().any(|row| row.qty != Amount::ZERO);
        self.state.losses.due = if held { due } else { NEVER };
        self.state.next_due = self.state.next_due.min(self.state.losses.due);
    }

    fn mark_positions(&mut self, now: Nanos) {
        for index in 0..self.state.losses.marks.len() {
            let id = InstrumentId(index as u16);
            if self.state.positions.get(id).qty == Amount::ZERO {
                continue;
            }
            if let Some(mark) = middle(&self.quote_of_held(id, now)) {
                self.state.losses.marks[index] = mark;
            }
        }
    }

    fn throw_switch(&mut self, now: Nanos) {
        if self.state.risk.loss_switch.is_some() {
            return;
        }
        let Some(passed) = self.state.losses.passed(&self.state.risk.limits) else { return };
        let Passed { switch, quote, loss, limit } = passed;
        self.state.risk.loss_switch = Some(switch);
        if self.state.risk.trading.get(Scope::Engine) == Some(TradingState::Active) {
            self.state.risk.trading.set(Scope::Engine, TradingState::ReduceOnly);
        }
        self.recorder.record(now, &Record::LossSwitch { switch, quote, loss, limit });
    }

    /// A person allows everything again: what was lost by now counts no more.
    pub(super) fn resume_losses(&mut self, now: Nanos) {
        if self.state.risk.loss_switch.take().is_some() {
            self.restart_losses(now);
        }
    }

    fn restart_losses(&mut self, now: Nanos) {
        self.mark_positions(now);
        self.state.losses.measure(&self.instruments, &self.state.positions);
        self.state.losses.restart(now);
        self.plan_look(now.plus(LOOK_EVERY_NS));
    }

    /// A limit of a switch was set: the first one begins the measure.
    pub(super) fn arm_losses(&mut self, now: Nanos) {
        if std::mem::replace(&mut self.state.losses.armed, true) {
            self.look_at_losses(now);
        } else {
            self.restart_losses(now);
        }
    }

    /// A limit of a switch was taken away: without one nothing is measured.
    pub(super) fn disarm_losses(&mut self) {
        self.state.losses.armed = self.state.risk.limits.watches_losses();
    }

    /// A new run: what its limits measure goes on, or begins at the last marks.
    pub(super) fn reopen_losses(&mut self, now: Nanos) {
        let armed = self.state.risk.limits.watches_losses();
        if armed && !self.state.losses.armed {
            self.state.losses.measure(&self.instruments, &self.state.positions);
            self.state.losses.restart(now);
        }
        self.state.losses.armed = armed;
        self.state.losses.due = NEVER;
        if armed {
            self.plan_look(now);
        }
    }
}
