//! Fills as rows: every fill that the order manager has booked, once, with what it changed.

#![forbid(unsafe_code)]

use super::naming::Naming;
use super::table::{Cell, Column, Kind, Row};
use super::walk::Group;
use super::words;
use crate::oms::{Record, Replayed};
use crate::types::{
    Amount, ClientOrderId, ExecutionReport, InstrumentId, Nanos, Price, Qty, ReportKind, Side,
    VenueId,
};

/// Columns of [`FillRow`]. Those of an export: new ones go last.
pub const FILL_COLUMNS: [Column; 20] = [
    Column::new("time", Kind::Time),
    Column::hidden("venue_time", Kind::Time),
    Column::hidden("venue", Kind::Text),
    Column::new("instrument", Kind::Text),
    Column::new("strategy", Kind::Text),
    Column::hidden("signal", Kind::Count),
    Column::new("order", Kind::Text),
    Column::hidden("venue_order_id", Kind::Text),
    Column::hidden("fill_id", Kind::Text),
    Column::new("side", Kind::Text),
    Column::new("price", Kind::Number),
    Column::new("qty", Kind::Number),
    Column::new("value", Kind::Number),
    Column::hidden("quote", Kind::Text),
    Column::new("liquidity", Kind::Text),
    Column::new("fee", Kind::Number),
    Column::new("fee_asset", Kind::Text),
    Column::new("realised", Kind::Number),
    Column::new("position", Kind::Number),
    Column::hidden("record", Kind::Count),
];

/// One fill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FillRow {
    /// Number of its record in the journal.
    pub sequence: u64,
    /// When it was booked.
    pub time: Nanos,
    /// The venue's time of it, 0 if it gave none.
    pub venue_time: Nanos,
    /// Where.
    pub venue: VenueId,
    /// What was traded.
    pub instrument: InstrumentId,
    /// Name of whose it is; empty if it is of no order of ours.
    pub strategy: String,
    /// Signal behind it; `None` if it is of no order of ours.
    pub signal: Option<u64>,
    /// Our order; none if it is of no order of ours.
    pub order: ClientOrderId,
    /// The venue's id of the order.
    pub venue_order_id: String,
    /// The venue's id of the fill.
    pub fill_id: String,
    /// Bought or sold.
    pub side: Side,
    /// At which price.
    pub price: Price,
    /// How much, base units.
    pub qty: Qty,
    /// `maker`, `taker`, or empty.
    pub liquidity: &'static str,
    /// What it cost; negative for a rebate.
    pub fee: Amount,
    /// In what the fee was paid.
    pub fee_asset: String,
    /// Profit that it realised before fees, quote units.
    pub realised: Amount,
    /// Position of the instrument afterwards, base units.
    pub position: Amount,
}

impl FillRow {
    /// Its cells, in the order of [`FILL_COLUMNS`].
    #[must_use]
    pub fn cells(&self, names: &Naming<'_>) -> Row {
        let id = self.instrument;
        let order = if self.order.is_some() { self.order.to_string() } else { String::new() };
        let value = names.value(id, self.price, self.qty);
        let quote = names.row(id).map(|row| names.asset(row.quote));
        vec![
            Cell::time(self.time),
            Cell::time(self.venue_time),
            names.venue(self.venue).into(),
            names.instrument(id).into(),
            self.strategy.as_str().into(),
            self.signal.map_or(Cell::Empty, Cell::count),
            order.into(),
            self.venue_order_id.as_str().into(),
            self.fill_id.as_str().into(),
            self.side.to_string().into(),
            names.price(id, self.price).into(),
            names.qty(id, self.qty).into(),
            value.map_or(Cell::Empty, |value| words::amount(value).into()),
            quote.unwrap_or_default().into(),
            self.liquidity.into(),
            words::amount(self.fee).into(),
            self.fee_asset.as_str().into(),
            words::amount(self.realised).into(),
            words::amount(self.position).into(),
            Cell::count(self.sequence),
        ]
    }
}

/// Tells fills that were booked from reports that repeat one.
#[derive(Clone, Debug, Default)]
pub struct Fills {
    /// Booked so far.
    booked: u64,
    /// Realised profit of each instrument so far.
    realised: Vec<Amount>,
}

impl Fills {
    /// Begins with a state, if there is one.
    #[must_use]
    pub fn over(state: Option<&Replayed>) -> Self {
        let mut fills = Self::default();
        if let Some(state) = state {
            fills.take_over(state);
        }
        fills
    }

    fn take_over(&mut self, state: &Replayed) {
        self.booked = state.counters().fills;
        self.realised.clear();
        self.realised.extend(state.positions().all().iter().map(|row| row.realised));
    }

    /// The fill that an input brought; `None` if it brought none that was booked. `state` is the one
    /// after it.
    pub fn take(&mut self, group: &Group, state: &Replayed) -> Option<FillRow> {
        let report = match &group.input {
            Record::Report(venue, report) if report.kind == ReportKind::Fill => (*venue, report),
            Record::Opening(_) => {
                self.take_over(state);
                return None;
            }
            _ => return None,
        };
        let (venue, report) = report;
        let booked = state.counters().fills;
        if booked == std::mem::replace(&mut self.booked, booked) {
            return None;
        }
        let position = state.positions().get(report.instrument);
        let before = self.realised.get_mut(report.instrument.index());
        let realised = before.map(|before| {
            let gained = Amount(position.realised.0.saturating_sub(before.0));
            *before = position.realised;
            gained
        });
        Some(row(group, (venue, report), state, realised.unwrap_or_default(), position.qty))
    }
}

fn row(
    group: &Group,
    (venue, report): (VenueId, &ExecutionReport),
    state: &Replayed,
    realised: Amount,
    position: Amount,
) -> FillRow {
    let names = Naming::of(state);
    let order = state.order(report.client_id).or_else(|| {
        let slot = state.orders().by_venue(report.instrument, &report.venue_order_id)?;
        Some(state.orders().get(slot))
    });
    let ours = order.filter(|order| !order.external);
    let fill = &report.fill;
    FillRow {
        sequence: group.sequence,
        time: group.time,
        venue_time: report.event_ns,
        venue,
        instrument: report.instrument,
        strategy: ours.map(|order| names.strategy(order.strategy)).unwrap_or_default(),
        signal: ours.map(|order| order.signal.0),
        order: ours.map_or(report.client_id, |order| order.client_id),
        venue_order_id: report.venue_order_id.to_string(),
        fill_id: fill.fill_id.to_string(),
        side: report.side,
        price: fill.price,
        qty: fill.qty,
        liquidity: words::liquidity(fill.liquidity),
        fee: fill.fee,
        fee_asset: names.asset(fill.fee_asset),
        realised,
        position,
    }
}
