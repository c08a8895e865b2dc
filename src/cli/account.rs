//! `stoop positions`, `stoop pnl`, `stoop books`: of a running instance from its region; positions and
//! profit of one that has ended from its journal, which knows no market to value them at.

#![forbid(unsafe_code)]

use super::output::{List, read_error};
use super::source::{Source, Subject};
use super::{EXIT_NOT_FOUND, EXIT_USAGE, Failure};
use crate::shm::{Depth, MarketView, PositionRow};
use crate::show::present::{
    self, BOOK_COLUMNS, By, DEPTH_COLUMNS, PNL_COLUMNS, POSITION_COLUMNS, PnlNow,
};
use crate::show::table::Row;
use crate::show::{From, venue_name};
use crate::types::{Amount, Instrument, InstrumentTable};
use clap::{Args, ValueEnum};
use serde_json::Value;

/// What was typed for `positions`.
#[derive(Args)]
pub(super) struct PositionOptions {
    /// Those of which nothing is held now, too
    #[arg(long)]
    all: bool,
    /// Only at this venue
    #[arg(long)]
    venue: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    source: Source,
}

/// What was typed for `pnl`.
#[derive(Args)]
pub(super) struct PnlOptions {
    /// By what it is told apart
    #[arg(long, value_enum, default_value = "asset")]
    by: Apart,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    source: Source,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Apart {
    /// What it is counted in
    Asset,
    /// Where it was made
    Venue,
    /// What was traded
    Underlying,
}

/// What was typed for `books`.
#[derive(Args)]
pub(super) struct BookOptions {
    /// Only this instrument, or those whose name begins so
    instrument: Option<String>,
    /// So many levels of each side instead of the best prices alone
    #[arg(long, value_name = "LEVELS")]
    depth: Option<usize>,
    #[command(flatten)]
    to: super::operate::To,
}

/// Positions as they are known, of one that runs or has ended.
fn positions_of(subject: &Subject) -> Result<(Vec<PositionRow>, InstrumentTable), Failure> {
    if let Some(view) = &subject.view {
        return Ok((view.positions(), (**view.instruments()).clone()));
    }
    let mut walk = subject.walk(From::Newest)?;
    walk.finish().map_err(read_error)?;
    let Some(state) = walk.state() else { return Ok((Vec::new(), InstrumentTable::default())) };
    Ok((present::positions_of(state), state.instruments().clone()))
}

/// Lists positions.
pub(super) fn positions(options: &PositionOptions) -> Result<u8, Failure> {
    let subject = options.source.find()?;
    let (held, table) = positions_of(&subject)?;
    super::pick::check_venue(options.venue.as_deref(), &table)?;
    let wanted = |row: &&PositionRow| {
        let venue = table.get(row.instrument).map(|row| venue_name(row.venue));
        (options.all || row.qty != Amount::ZERO)
            && (options.venue.is_none() || options.venue == venue)
    };
    let rows = held.iter().filter(wanted).map(|row| present::position_cells(row, &table));
    let rows: Vec<Row> = rows.collect();
    let (columns, none) = (&POSITION_COLUMNS[..], "no positions");
    List { name: "positions", head: subject.head(), columns, rows: &rows, none }.print(options.json)
}

/// Shows profit and loss.
pub(super) fn pnl(options: &PnlOptions) -> Result<u8, Failure> {
    let subject = options.source.find()?;
    let (held, table) = positions_of(&subject)?;
    let parts = match (options.by, &subject.view) {
        (Apart::Asset, Some(view)) => {
            view.pnl().iter().map(|row| PnlNow::of_row(row, &table)).collect()
        }
        (Apart::Asset, None) => present::pnl(&held, &table, By::Asset),
        (Apart::Venue, _) => present::pnl(&held, &table, By::Venue),
        (Apart::Underlying, _) => present::pnl(&held, &table, By::Underlying),
    };
    let rows: Vec<Row> = parts.iter().map(PnlNow::cells).collect();
    let (columns, none) = (&PNL_COLUMNS[..], "nothing was traded");
    List { name: "pnl", head: subject.head(), columns, rows: &rows, none }.print(options.json)
}

/// Shows books.
pub(super) fn books(options: &BookOptions) -> Result<u8, Failure> {
    let instance = super::instance::Instance::find(options.to.name.as_deref())?;
    let view = instance.attach()?;
    let table = view.instruments().clone();
    let wanted = |row: &&Instrument| {
        options.instrument.as_ref().is_none_or(|name| row.name.starts_with(name))
    };
    let chosen: Vec<&Instrument> = table.iter().filter(wanted).collect();
    if chosen.is_empty() {
        let names: Vec<&str> = table.iter().map(|row| row.name.as_str()).collect();
        let name = options.instrument.as_deref().unwrap_or_default();
        let message = format!("no instrument {name:?}; there are: {}", names.join(", "));
        return Err(Failure { code: EXIT_NOT_FOUND, message });
    }
    let head = vec![("instance", instance.name.as_str().into())];
    let now = super::wall_clock();
    let book = |row: &&Instrument| present::book_cells(row, &table, &view.best(row.id), now);
    let rows: Vec<Row> = chosen.iter().map(book).collect();
    let list =
        List { name: "books", head, columns: &BOOK_COLUMNS, rows: &rows, none: "no instruments" };
    let Some(levels) = options.depth else { return list.print(options.to.json) };
    with_depth(&list, &view, &chosen, levels, options.to.json)
}

/// The same with the levels of each book.
fn with_depth(
    list: &List<'_>,
    view: &MarketView,
    chosen: &[&Instrument],
    levels: usize,
    json: bool,
) -> Result<u8, Failure> {
    if levels == 0 || levels > view.depth_limit() {
        let message = format!(
            "--depth is 1 to {}: so many levels the region holds (`depth` in [engine])",
            view.depth_limit()
        );
        return Err(Failure { code: EXIT_USAGE, message });
    }
    let (mut depth, mut object, mut text) = (Depth::default(), list.object(), String::new());
    for (at, instrument) in chosen.iter().enumerate() {
        view.depth(instrument.id, &mut depth);
        let rows = present::depth_rows(instrument, &depth, levels);
        if json {
            let levels = crate::show::table::objects(&DEPTH_COLUMNS, &rows);
            if let Some(Value::Object(book)) = object["books"].get_mut(at) {
                book.insert("levels".to_owned(), levels);
            }
            continue;
        }
        let gap = if at == 0 { "" } else { "\n" };
        let state = present::book_state(depth.state);
        text += &format!("{gap}{}, {state}\n", instrument.name);
        text += &crate::show::table::text(&DEPTH_COLUMNS, &rows);
    }
    super::output::print(&if json { format!("{object}\n") } else { text })
}
