//! Perpetuals: positions as the venue states them, funding, and what the account has left to trade
//! them with.
//!
//! A position is what our fills make it, as everywhere; what the venue states is compared with it
//! when a reconciliation has all answers, like a balance. The first one takes over what the venue
//! holds for us, at the venue's price of entry. Every payment of funding is booked once: streams
//! tell of it, and reconciliations ask for the last ones again.

#![forbid(unsafe_code)]

use super::differences::Difference;
use super::reconcile::LAG_NS;
use super::record::{Record, Recorder};
use super::risk::RiskReject;
use super::{Books, Oms};
use crate::mutants::Mutant;
use crate::portfolio::{Collateral, Payments, initial_margin};
use crate::types::{
    Amount, AssetId, FundingPayment, Instrument, InstrumentId, InstrumentTable, MarginReport,
    Nanos, NewOrder, PositionReport, VenueId,
};
use serde::{Deserialize, Serialize};

/// Payments are asked for from this long before the last complete answer.
const OVERLAP_NS: u64 = 600_000_000_000;

/// What is known of one perpetual besides its fills.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Row {
    /// As last stated; its quantity is 0 where the venue lists no position.
    stated: PositionReport,
    /// Pass of a reconciliation in which it was stated.
    number: u32,
    payments: Payments,
    /// The venue takes the position from us, or is about to: said since it last stated it.
    called: bool,
    /// Value of our working orders, as reserved.
    working: Amount,
}

/// Of all venues.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Perpetuals {
    assets: usize,
    /// By instrument; those of spot stay empty.
    rows: Vec<Row>,
    /// By venue, then asset.
    collaterals: Vec<Collateral>,
    /// By venue: from when on payments are asked for.
    from: Vec<Nanos>,
}

impl Perpetuals {
    pub fn new(table: &InstrumentTable, venues: usize, start: Nanos) -> Self {
        let assets = table.assets.len();
        Self {
            assets,
            rows: vec![Row::default(); table.len()],
            collaterals: vec![Collateral::default(); venues * assets],
            from: vec![start; venues],
        }
    }

    fn place(&self, venue: VenueId, asset: AssetId) -> Option<usize> {
        let index = usize::from(venue.0) * self.assets + asset.index();
        (asset.index() < self.assets && index < self.collaterals.len()).then_some(index)
    }

    /// A venue is asked what the account has.
    pub fn asks(&mut self, venue: VenueId) {
        let from = usize::from(venue.0) * self.assets;
        let rows = self.collaterals.get_mut(from..from + self.assets);
        rows.into_iter().flatten().for_each(Collateral::ask);
    }

    /// What the account has, of one settle asset at one venue.
    pub fn collateral(&self, venue: VenueId, asset: AssetId) -> Collateral {
        self.place(venue, asset).map(|at| self.collaterals[at]).unwrap_or_default()
    }

    /// The position as the venue last stated it.
    pub fn stated(&self, id: InstrumentId) -> PositionReport {
        self.rows.get(id.index()).map(|row| row.stated).unwrap_or_default()
    }

    fn leverage(&self, id: InstrumentId) -> Amount {
        self.stated(id).leverage
    }

    fn margin(&self, instrument: &Instrument, value: Amount) -> Amount {
        initial_margin(value, self.leverage(instrument.id))
    }

    fn collateral_mut(&mut self, instrument: &Instrument) -> Option<&mut Collateral> {
        let at = self.place(instrument.venue, instrument.settle)?;
        self.collaterals.get_mut(at)
    }

    /// The value of the working orders of a perpetual has changed.
    pub fn reserve(&mut self, instrument: &Instrument, from: Amount, to: Amount) {
        let Some(row) = self.rows.get_mut(instrument.id.index()) else { return };
        let before = row.working;
        row.working = Amount(before.0.saturating_add(to.0.saturating_sub(from.0)));
        let after = row.working;
        let (from, to) = (self.margin(instrument, before), self.margin(instrument, after));
        if let Some(collateral) = self.collateral_mut(instrument) {
            collateral.work(from, to);
        }
    }

    /// A fill made a position larger by so much value.
    pub fn grow(&mut self, instrument: &Instrument, value: Amount) {
        let margin = self.margin(instrument, value);
        if let Some(collateral) = self.collateral_mut(instrument) {
            collateral.grow(margin);
        }
    }

    /// The venue states a position; with another leverage, working orders bind another margin.
    fn on_position(&mut self, instrument: &Instrument, report: &PositionReport, number: u32) {
        let Some(row) = self.rows.get_mut(instrument.id.index()) else { return };
        let (working, before) = (row.working, row.stated);
        let leverage =
            if report.leverage > Amount::ZERO { report.leverage } else { before.leverage };
        row.stated = PositionReport { leverage, ..*report };
        (row.number, row.called) = (number, false);
        let (from, to) =
            (initial_margin(working, before.leverage), initial_margin(working, leverage));
        if let Some(collateral) = self.collateral_mut(instrument) {
            collateral.work(from, to);
        }
    }

    /// The venue takes a position from us, or is about to.
    pub fn call(&mut self, id: InstrumentId) {
        if let Some(row) = self.rows.get_mut(id.index()) {
            row.called = true;
        }
    }

    fn is_called(&self, id: InstrumentId) -> bool {
        self.rows.get(id.index()).is_some_and(|row| row.called)
    }

    fn on_margin(&mut self, report: &MarginReport) -> bool {
        let Some(at) = self.place(report.venue, report.asset) else { return false };
        self.collaterals[at].on_statement(report);
        true
    }

    /// A new run, perhaps over other instruments: payments and statements move, what works is
    /// counted anew, and nothing is known of the accounts.
    pub fn moved(
        &self,
        table: &InstrumentTable,
        venues: usize,
        start: Nanos,
        place: impl Fn(InstrumentId) -> Option<InstrumentId>,
    ) -> Self {
        let mut next = Self::new(table, venues, start);
        for (to, from) in next.from.iter_mut().zip(&self.from) {
            *to = *from;
        }
        for (index, row) in self.rows.iter().enumerate() {
            let to = place(InstrumentId(index as u16));
            let to = to.and_then(|id| Some((id, next.rows.get_mut(id.index())?)));
            if let Some((instrument, to)) = to {
                let stated = PositionReport { instrument, ..row.stated };
                *to = Row { stated, working: Amount::ZERO, ..*row };
            }
        }
        next
    }

    /// Counts again what works.
    pub fn recount<'a>(&mut self, works: impl Iterator<Item = (&'a Instrument, Amount)>) {
        self.collaterals.iter_mut().for_each(Collateral::restart);
        self.rows.iter_mut().for_each(|row| row.working = Amount::ZERO);
        for (instrument, value) in works {
            self.reserve(instrument, Amount::ZERO, value);
        }
    }
}

impl<R: Recorder, B: Books> Oms<R, B> {
    /// What a venue last stated of a position, 0 everywhere before it did.
    #[must_use]
    pub fn stated_position(&self, id: InstrumentId) -> PositionReport {
        self.state.perpetuals.stated(id)
    }

    /// What an account has to trade perpetuals with, of one settle asset.
    #[must_use]
    pub fn collateral(&self, venue: VenueId, asset: AssetId) -> Collateral {
        self.state.perpetuals.collateral(venue, asset)
    }

    /// A perpetual of this venue.
    fn perpetual(&self, venue: VenueId, id: InstrumentId) -> Option<&Instrument> {
        let instrument = self.instruments.get(id)?;
        (instrument.venue == venue && instrument.is_perpetual()).then_some(instrument)
    }

    /// A venue states a position.
    pub fn on_position(&mut self, venue: VenueId, report: &PositionReport, now: Nanos) {
        self.recorder.record(now, &Record::Position(venue, *report));
        let number = self.round(venue).map_or(0, |round| round.number);
        let instruments = std::sync::Arc::clone(&self.instruments);
        match self.perpetual(venue, report.instrument).and(instruments.get(report.instrument)) {
            Some(instrument) => self.state.perpetuals.on_position(instrument, report, number),
            None => self.state.counters.balances_unknown += 1,
        }
    }

    /// A venue states what an account has to trade perpetuals with.
    pub fn on_margin(&mut self, report: &MarginReport, now: Nanos) {
        self.recorder.record(now, &Record::Margin(*report));
        if !self.state.perpetuals.on_margin(report) {
            self.state.counters.balances_unknown += 1;
        }
    }

    /// A venue tells of a payment of funding.
    pub fn on_funding(&mut self, venue: VenueId, payment: &FundingPayment, now: Nanos) {
        self.recorder.record(now, &Record::Funding(venue, *payment));
        if self.perpetual(venue, payment.instrument).is_none() {
            self.state.counters.balances_unknown += 1;
            return;
        }
        let id = payment.instrument;
        let early = payment.event_ns < self.state.first_start;
        let new = |row: &mut Row| row.payments.see(payment) || Mutant::FundingTwice.is_on();
        if early || !self.state.perpetuals.rows.get_mut(id.index()).is_some_and(new) {
            self.state.counters.funding_repeated += 1;
            return;
        }
        let position = self.state.positions.get(id);
        let after = match payment.settles {
            true => position.settled(payment.amount),
            false => position.funded(payment.amount),
        };
        match after {
            Ok(position) => self.state.positions.set(id, position),
            // Nothing may be built on what is beyond all numbers.
            Err(_) => return self.halt(now),
        }
        self.state.balances.on_funding(venue, payment.asset, payment.amount);
        self.state.counters.funding_payments += 1;
        if let Some(round) = self.round(venue) {
            round.moved = now;
        }
        self.look_at_losses(now);
    }

    /// Whether a venue trades perpetuals here.
    pub(super) fn has_perpetuals(&self, venue: VenueId) -> bool {
        self.instruments.of_venue(venue).any(Instrument::is_perpetual)
    }

    /// From when on payments of a venue are asked for.
    pub(super) fn payments_from(&self, venue: VenueId) -> Nanos {
        let from = self.state.perpetuals.from.get(usize::from(venue.0)).copied();
        from.unwrap_or(self.state.first_start)
    }

    /// All payments are told of that there were when they were asked for.
    pub(super) fn advance_payments(&mut self, venue: VenueId, asked: Nanos) {
        if let Some(from) = self.state.perpetuals.from.get_mut(usize::from(venue.0)) {
            *from = (*from).max(Nanos(asked.0.saturating_sub(OVERLAP_NS)));
        }
    }

    /// The list of positions is complete: what is not in it is none.
    pub(super) fn on_positions_end(&mut self, venue: VenueId) {
        let number = self.round(venue).map_or(0, |round| round.number);
        for instrument in self.instruments.of_venue(venue) {
            let row = self.state.perpetuals.rows.get_mut(instrument.id.index());
            if let Some(row) = row.filter(|row| row.number != number) {
                let PositionReport { instrument, leverage, mode, .. } = row.stated;
                let none = PositionReport::default();
                row.stated = PositionReport { instrument, leverage, mode, ..none };
            }
        }
    }

    /// By how much each position of a venue, as last stated, is more than our fills make it.
    fn position_differences(&self, venue: VenueId) -> impl Iterator<Item = (InstrumentId, Amount)> {
        let perpetuals = self.instruments.of_venue(venue).filter(|row| row.is_perpetual());
        perpetuals.filter_map(|instrument| {
            let stated = self.state.perpetuals.stated(instrument.id).qty;
            let ours = self.state.positions.get(instrument.id).qty;
            let amount = Amount(stated.0.saturating_sub(ours.0));
            (amount != Amount::ZERO).then_some((instrument.id, amount))
        })
    }

    /// Whether a position differs at all.
    pub(super) fn positions_off(&self, venue: VenueId) -> bool {
        self.position_differences(venue).next().is_some()
    }

    /// Tells of every position that differs.
    pub(super) fn tell_positions_off(&mut self, venue: VenueId, now: Nanos) {
        let off: Vec<_> = self.position_differences(venue).collect();
        for (instrument, amount) in off {
            self.found(venue, Difference::PositionOff { instrument, amount }, now);
        }
    }

    /// Takes what the venue states as the positions, at its prices of entry. What no strategy did is
    /// the operator's.
    pub(super) fn take_positions(&mut self, venue: VenueId, now: Nanos) {
        let off: Vec<_> = self.position_differences(venue).collect();
        for (id, amount) in off {
            let before = self.state.positions.get(id);
            let qty = before.qty + amount;
            let entry = self.state.perpetuals.stated(id).entry;
            match before.entered(qty, entry) {
                Ok(position) => self.state.positions.set(id, position),
                Err(_) => return self.halt(now),
            }
            self.found(venue, Difference::PositionAccepted { instrument: id, amount }, now);
            if let Some(instrument) = self.instruments.get(id) {
                self.state.exposures.hold(instrument, amount);
            }
            self.state.shares.add(id, crate::types::StrategyId::OPERATOR, amount);
        }
    }

    /// Whether the account has the margin for the last of these orders, the others working before it.
    pub(super) fn check_margin(&self, orders: &[NewOrder]) -> Result<(), RiskReject> {
        let Some((order, earlier)) = orders.split_last() else { return Ok(()) };
        let Some(instrument) = self.instruments.get(order.instrument) else { return Ok(()) };
        if !instrument.is_perpetual() || order.reduce_only {
            return Ok(());
        }
        let mut need = self.margin_of(instrument, order, Amount::ZERO);
        if need > Amount::ZERO && self.state.perpetuals.is_called(instrument.id) {
            // Nothing is added to what the venue takes.
            return Err(RiskReject::Margin);
        }
        for other in earlier {
            let Some(of) = self.instruments.get(other.instrument) else { continue };
            if of.is_perpetual() && (of.venue, of.settle) == (instrument.venue, instrument.settle) {
                need = Amount(need.0.saturating_add(self.margin_of(of, other, Amount::ZERO).0));
            }
        }
        self.has_margin(instrument, need)
    }

    /// Whether the account has so much margin left.
    fn has_margin(&self, instrument: &Instrument, need: Amount) -> Result<(), RiskReject> {
        let collateral = self.collateral(instrument.venue, instrument.settle);
        match collateral.available() {
            Some(available) if need <= available || need == Amount::ZERO => Ok(()),
            Some(_) => Err(RiskReject::Margin),
            None => Err(RiskReject::MarginUnknown),
        }
    }

    /// The same for an order whose change would add so much to what may be filled, at this price.
    pub(super) fn check_more_margin(
        &self,
        order: &NewOrder,
        counted: Amount,
    ) -> Result<(), RiskReject> {
        let Some(instrument) = self.instruments.get(order.instrument) else { return Ok(()) };
        if !instrument.is_perpetual() {
            return Ok(());
        }
        self.has_margin(instrument, self.margin_of(instrument, order, counted))
    }

    /// Initial margin of what an order could add to the position at worst, where `counted` of it is
    /// reserved already.
    fn margin_of(&self, instrument: &Instrument, order: &NewOrder, counted: Amount) -> Amount {
        let most = Amount(i128::MAX);
        let exposure = self.state.exposures.instrument(instrument.id);
        let qty = instrument.scale.base_amount(order.qty) - counted;
        let Some(grows) = exposure.growth(order.side, qty) else { return most };
        let price = self.state.capital.price_of(order);
        let value = instrument.scale.value_of_base(price, grows);
        value.map_or(most, |value| self.state.perpetuals.margin(instrument, value))
    }
}

/// Whether a statement that was asked for at `asked` can be compared: nothing was booked just before.
pub(super) fn is_quiet(moved: Nanos, asked: Nanos) -> bool {
    moved.plus(LAG_NS) <= asked
}
