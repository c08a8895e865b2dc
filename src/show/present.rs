//! Positions, profit and books as they are now, read from the region at one moment.

#![forbid(unsafe_code)]

use super::naming::venue_name;
use super::table::{Cell, Column, Kind, Row};
use super::words;
use crate::oms::Replayed;
use crate::shm::{Best, Depth, PnlRow, PositionRow};
use crate::types::{
    AMOUNT_DECIMALS, Amount, BookState, Instrument, InstrumentTable, Level, Nanos, Price,
};
use std::collections::BTreeMap;

/// The positions of a state, with nothing marked to a market.
#[must_use]
pub fn positions_of(state: &Replayed) -> Vec<PositionRow> {
    let held = state.instruments().iter().map(|instrument| {
        let position = state.positions().get(instrument.id);
        PositionRow {
            instrument: instrument.id,
            qty: position.qty,
            cost: position.cost,
            realised: position.realised,
            fees: position.fees_value,
            funding: position.funding,
            ..PositionRow::default()
        }
    });
    held.collect()
}

/// Columns of [`position_cells`].
pub const POSITION_COLUMNS: [Column; 15] = [
    Column::new("instrument", Kind::Text),
    Column::hidden("venue", Kind::Text),
    Column::hidden("underlying", Kind::Text),
    Column::hidden("quote", Kind::Text),
    Column::new("qty", Kind::Number),
    Column::new("entry", Kind::Number),
    Column::hidden("cost", Kind::Number),
    Column::new("mark", Kind::Number),
    Column::new("unrealised", Kind::Number),
    Column::new("realised", Kind::Number),
    Column::new("fees", Kind::Number),
    Column::new("funding", Kind::Number),
    Column::new("net", Kind::Number),
    Column::new("liquidation", Kind::Number),
    Column::hidden("updated", Kind::Time),
];

/// A position's cells, in the order of [`POSITION_COLUMNS`]. Without a mark there is no unrealised
/// profit, and none in `net`.
#[must_use]
pub fn position_cells(row: &PositionRow, table: &InstrumentTable) -> Row {
    let Some(instrument) = table.get(row.instrument) else {
        return vec![Cell::Empty; POSITION_COLUMNS.len()];
    };
    let price = |price: Price| match price {
        Price(0) => Cell::Empty,
        price => words::price(instrument, price).into(),
    };
    let marked = row.mark != Price(0) || row.qty == Amount::ZERO;
    let unrealised = if marked { words::amount(row.unrealised).into() } else { Cell::Empty };
    vec![
        instrument.name.as_str().into(),
        venue_name(instrument.venue).into(),
        table.assets.name(instrument.base).into(),
        table.assets.name(instrument.quote).into(),
        words::amount(row.qty).into(),
        price(entry(row, instrument)),
        words::amount(row.cost).into(),
        price(row.mark),
        unrealised,
        words::amount(row.realised).into(),
        words::amount(row.fees).into(),
        words::amount(row.funding).into(),
        words::amount(net(row)).into(),
        price(row.liquidation),
        Cell::time(row.updated_ns),
    ]
}

/// Average price of what is held, cut to the instrument's decimals; 0 if nothing is.
#[must_use]
pub fn entry(row: &PositionRow, instrument: &Instrument) -> Price {
    const ONE: i128 = 10i128.pow(AMOUNT_DECIMALS);
    let tick = 10i128.pow(AMOUNT_DECIMALS.saturating_sub(instrument.scale.price_decimals.into()));
    // Thousandths of the whole are kept where the product would not fit.
    let exact = row.cost.0.checked_mul(ONE).and_then(|cost| cost.checked_div(row.qty.0));
    let coarse = || {
        let (cost, qty) = (row.cost.0 / 1_000_000_000, row.qty.0 / 1_000_000_000);
        cost.checked_mul(ONE).and_then(|cost| cost.checked_div(qty))
    };
    let amount = exact.or_else(coarse).unwrap_or_default();
    Price(i64::try_from(amount / tick).unwrap_or_default())
}

/// Realised, unrealised and funding less fees.
#[must_use]
pub fn net(row: &PositionRow) -> Amount {
    sum([row.realised, row.unrealised, row.funding, -row.fees])
}

fn sum<const N: usize>(amounts: [Amount; N]) -> Amount {
    Amount(amounts.iter().fold(0, |sum, amount| amount.0.saturating_add(sum)))
}

/// By what profit and loss are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// What they are counted in.
    Asset,
    /// Venue, and what they are counted in.
    Venue,
    /// Underlying, and what they are counted in.
    Underlying,
}

/// Profit and loss of one part of the account, in one asset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PnlNow {
    /// Venue or underlying; empty for all of them.
    pub of: String,
    /// Name of the asset that it is counted in.
    pub quote: String,
    /// Realised, before fees.
    pub realised: Amount,
    /// Unrealised; `None` where positions have no mark.
    pub unrealised: Option<Amount>,
    /// Fees.
    pub fees: Amount,
    /// Funding received less paid.
    pub funding: Amount,
}

/// Columns of [`PnlNow`].
pub const PNL_COLUMNS: [Column; 7] = [
    Column::new("of", Kind::Text),
    Column::new("asset", Kind::Text),
    Column::new("realised", Kind::Number),
    Column::new("unrealised", Kind::Number),
    Column::new("fees", Kind::Number),
    Column::new("funding", Kind::Number),
    Column::new("net", Kind::Number),
];

impl PnlNow {
    /// Realised, unrealised if it is known, and funding less fees.
    #[must_use]
    pub fn net(&self) -> Amount {
        let unrealised = self.unrealised.unwrap_or_default();
        sum([self.realised, unrealised, self.funding, -self.fees])
    }

    /// Its cells, in the order of [`PNL_COLUMNS`].
    #[must_use]
    pub fn cells(&self) -> Row {
        vec![
            if self.of.is_empty() { "all".into() } else { self.of.as_str().into() },
            self.quote.as_str().into(),
            words::amount(self.realised).into(),
            self.unrealised.map_or(Cell::Empty, |unrealised| words::amount(unrealised).into()),
            words::amount(self.fees).into(),
            words::amount(self.funding).into(),
            words::amount(self.net()).into(),
        ]
    }

    /// As the order manager has summed it up.
    #[must_use]
    pub fn of_row(row: &PnlRow, table: &InstrumentTable) -> Self {
        Self {
            of: String::new(),
            quote: table.assets.name(row.quote).to_owned(),
            realised: row.realised,
            unrealised: Some(row.unrealised),
            fees: row.fees,
            funding: row.funding,
        }
    }
}

/// Profit and loss of positions, summed up.
#[must_use]
pub fn pnl(positions: &[PositionRow], table: &InstrumentTable, by: By) -> Vec<PnlNow> {
    let mut sums: BTreeMap<(String, String), PnlNow> = BTreeMap::new();
    for row in positions {
        let Some(instrument) = table.get(row.instrument) else { continue };
        let of = match by {
            By::Asset => String::new(),
            By::Venue => venue_name(instrument.venue),
            By::Underlying => table.assets.name(instrument.base).to_owned(),
        };
        let quote = table.assets.name(instrument.quote).to_owned();
        let known = sums.entry((of.clone(), quote.clone())).or_insert_with(|| PnlNow {
            of,
            quote,
            unrealised: Some(Amount::ZERO),
            ..PnlNow::default()
        });
        let marked = row.mark != Price(0) || row.qty == Amount::ZERO;
        known.unrealised =
            known.unrealised.filter(|_| marked).map(|before| sum([before, row.unrealised]));
        known.realised = sum([known.realised, row.realised]);
        known.fees = sum([known.fees, row.fees]);
        known.funding = sum([known.funding, row.funding]);
    }
    sums.into_values().collect()
}

/// Columns of [`book_cells`].
pub const BOOK_COLUMNS: [Column; 11] = [
    Column::new("instrument", Kind::Text),
    Column::hidden("venue", Kind::Text),
    Column::hidden("underlying", Kind::Text),
    Column::new("bid_qty", Kind::Number),
    Column::new("bid", Kind::Number),
    Column::new("ask", Kind::Number),
    Column::new("ask_qty", Kind::Number),
    Column::new("spread_bps", Kind::Number),
    Column::new("state", Kind::Text),
    Column::new("age", Kind::Span),
    Column::hidden("received", Kind::Time),
];

/// The cells of a book's top, in the order of [`BOOK_COLUMNS`]. The spread is cut to hundredths.
#[must_use]
pub fn book_cells(
    instrument: &Instrument,
    table: &InstrumentTable,
    best: &Best,
    now: Nanos,
) -> Row {
    let (bid, bid_qty) = level(instrument, best.bid);
    let (ask, ask_qty) = level(instrument, best.ask);
    let age = if best.recv_ns == Nanos(0) { Cell::Empty } else { Cell::count(best.age(now)) };
    vec![
        instrument.name.as_str().into(),
        venue_name(instrument.venue).into(),
        table.assets.name(instrument.base).into(),
        bid_qty.into(),
        bid.into(),
        ask.into(),
        ask_qty.into(),
        spread_bps(best).into(),
        book_state(best.state).into(),
        age,
        Cell::time(best.recv_ns),
    ]
}

/// Price and quantity, exact; empty where there is none.
#[must_use]
pub fn level(instrument: &Instrument, level: Level) -> (String, String) {
    if level.qty.0 <= 0 {
        return (String::new(), String::new());
    }
    // With all their decimals prices line up.
    let price = instrument.scale.price_decimal(level.price).to_string();
    (price, words::qty(instrument, level.qty))
}

/// Ask less bid over their middle, basis points to the hundredth; empty without both.
#[must_use]
pub fn spread_bps(best: &Best) -> String {
    if best.bid.qty.0 <= 0 || best.ask.qty.0 <= 0 {
        return String::new();
    }
    let (bid, ask) = (i128::from(best.bid.price.0), i128::from(best.ask.price.0));
    match (bid + ask, (ask - bid) * 2_000_000) {
        (0, _) => String::new(),
        (twice, gap) => rust_decimal::Decimal::try_from_i128_with_scale(gap / twice, 2)
            .map(|bps| bps.to_string())
            .unwrap_or_default(),
    }
}

/// `live`, `stale`, `resync`, `empty`
#[must_use]
pub fn book_state(state: BookState) -> &'static str {
    match state {
        BookState::Live => "live",
        BookState::Stale => "stale",
        BookState::Buffering => "resync",
        BookState::Empty => "empty",
    }
}

/// Columns of [`depth_rows`].
pub const DEPTH_COLUMNS: [Column; 5] = [
    Column::new("level", Kind::Count),
    Column::new("bid_qty", Kind::Number),
    Column::new("bid", Kind::Number),
    Column::new("ask", Kind::Number),
    Column::new("ask_qty", Kind::Number),
];

/// The levels of a book from its top, at most so many, in the order of [`DEPTH_COLUMNS`].
#[must_use]
pub fn depth_rows(instrument: &Instrument, depth: &Depth, most: usize) -> Vec<Row> {
    let (bids, asks) = (depth.bids(), depth.asks());
    let side = |levels: &[Level], at: usize| {
        levels.get(at).map(|at| level(instrument, *at)).unwrap_or_default()
    };
    (0..bids.len().max(asks.len()).min(most))
        .map(|at| {
            let ((bid, bid_qty), (ask, ask_qty)) = (side(bids, at), side(asks, at));
            vec![Cell::count(at as u64 + 1), bid_qty.into(), bid.into(), ask.into(), ask_qty.into()]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shm::{Market, RegionOptions};
    use crate::show::table;
    use crate::types::{InstrumentId, Qty, Scale, VenueId};

    const E18: i128 = 10i128.pow(18);

    fn instruments() -> InstrumentTable {
        let mut table = InstrumentTable::default();
        let (base, quote) = (table.assets.intern("BTC"), table.assets.intern("USDT"));
        for (name, venue) in [("BTC/USDT@a", 0), ("BTC/USDT@b", 1)] {
            table.add(Instrument {
                name: name.to_owned(),
                venue: VenueId(venue),
                base,
                quote,
                scale: Scale { price_decimals: 2, qty_decimals: 5 },
                ..Instrument::default()
            });
        }
        table
    }

    fn position(instrument: u16) -> PositionRow {
        PositionRow {
            instrument: InstrumentId(instrument),
            qty: Amount(-3 * E18),
            cost: Amount(-200 * E18),
            realised: Amount(5 * E18),
            fees: Amount(E18 / 4),
            unrealised: Amount(-E18),
            mark: Price(6_700),
            funding: Amount(E18 / 2),
            ..PositionRow::default()
        }
    }

    #[test]
    fn a_position_is_told_exactly() {
        let table = instruments();
        let object = table::object(&POSITION_COLUMNS, &position_cells(&position(1), &table));
        let expected = serde_json::json!({
            "instrument": "BTC/USDT@b", "venue": venue_name(VenueId(1)), "underlying": "BTC",
            "quote": "USDT", "qty": "-3", "entry": "66.66", "cost": "-200", "mark": "67",
            "unrealised": "-1", "realised": "5", "fees": "0.25", "funding": "0.5", "net": "4.25",
            "liquidation": null, "updated_ns": null, "updated": null,
        });
        assert_eq!(object, expected);
        let unmarked = PositionRow { mark: Price(0), unrealised: Amount::ZERO, ..position(1) };
        let object = table::object(&POSITION_COLUMNS, &position_cells(&unmarked, &table));
        assert!(object["unrealised"].is_null(), "it is not known");
    }

    #[test]
    fn profit_is_summed_by_what_is_asked_for() {
        let table = instruments();
        let rows = [position(0), position(1)];
        let all = pnl(&rows, &table, By::Asset);
        assert_eq!(all.len(), 1);
        assert_eq!((all[0].realised, all[0].net()), (Amount(10 * E18), Amount(17 * E18 / 2)));
        let by_venue = pnl(&rows, &table, By::Venue);
        assert_eq!(by_venue.len(), 2);
        assert_eq!(by_venue[0].unrealised, Some(Amount(-E18)));
        let unmarked = PositionRow { mark: Price(0), ..position(1) };
        let all = pnl(&[position(0), unmarked], &table, By::Underlying);
        assert_eq!((all[0].of.as_str(), all[0].unrealised), ("BTC", None));
    }

    #[test]
    fn an_average_price_of_large_amounts_is_there_too() {
        let table = instruments();
        let instrument = table.get(InstrumentId(0)).unwrap();
        let large = PositionRow {
            qty: Amount(3_000_000 * E18),
            cost: Amount(200_000_000 * E18),
            ..PositionRow::default()
        };
        assert_eq!(entry(&large, instrument), Price(6_666));
        assert_eq!(entry(&PositionRow::default(), instrument), Price(0));
    }

    #[test]
    fn books_and_levels_are_told_with_their_state() {
        let instruments = instruments();
        let instrument = instruments.get(InstrumentId(0)).unwrap();
        let at = |price, qty| Level { price: Price(price), qty: Qty(qty) };
        let best = Best {
            bid: at(999_900, 50_000),
            ask: at(1_000_100, 125_000),
            state: BookState::Live,
            recv_ns: Nanos(1_000_000),
            ..Best::default()
        };
        let row = book_cells(instrument, &instruments, &best, Nanos(4_000_000));
        let expected = "\
instrument  bid qty      bid       ask  ask qty  spread bps  state     age
BTC/USDT@a      0.5  9999.00  10001.00     1.25        2.00  live   3.0 ms
";
        assert_eq!(table::text(&BOOK_COLUMNS, &[row]), expected);
        let market = Market::in_memory(&instruments, &RegionOptions::default()).unwrap();
        let view = market.view();
        let empty = book_cells(instrument, &instruments, &view.best(InstrumentId(0)), Nanos(9));
        assert_eq!(table::object(&BOOK_COLUMNS, &empty)["state"], "empty");
        let mut depth = Depth::default();
        view.depth(InstrumentId(0), &mut depth);
        assert!(depth_rows(instrument, &depth, 5).is_empty());
    }
}
