//! `stoop orders`, `stoop fills`, `stoop export`: what the journal has of them, of an instance that
//! runs or of one that has ended.

#![forbid(unsafe_code)]

use super::output::{List, end_of, read_error};
use super::pick::{Of, Pick};
use super::source::{Source, Subject};
use super::{EXIT_OK, Failure};
use crate::show::table::{self, Column, Row};
use crate::show::{
    EVENT_COLUMNS, Events, FILL_COLUMNS, FillRow, Fills, From, Naming, ORDER_COLUMNS, OrderRow,
    touched, venue_name,
};
use crate::types::{ClientOrderId, Nanos};
use clap::{Args, ValueEnum};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Fills that are shown if it is not said how many.
const FILLS_SHOWN: usize = 100;

/// What was typed for `orders`.
#[derive(Args)]
pub(super) struct OrderOptions {
    /// Those that have ended, too
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    pick: Pick,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    source: Source,
}

/// What was typed for `fills`.
#[derive(Args)]
pub(super) struct FillOptions {
    #[command(flatten)]
    pick: Pick,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    source: Source,
}

/// What is exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum What {
    /// Every fill that was booked, oldest first
    Fills,
    /// Every order, oldest first, as it stood at the end
    Orders,
    /// Every event, oldest first
    Events,
}

/// As what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// A line of names, then one line each
    Csv,
    /// One JSON object a line
    Json,
}

/// What was typed for `export`.
#[derive(Args)]
pub(super) struct ExportOptions {
    /// What
    #[arg(value_enum)]
    what: What,
    /// As what
    #[arg(long, value_enum, default_value = "csv")]
    format: Format,
    #[command(flatten)]
    pick: Pick,
    #[command(flatten)]
    source: Source,
}

/// Lists orders.
pub(super) fn orders(options: &OrderOptions) -> Result<u8, Failure> {
    let subject = options.source.find()?;
    let (mut rows, now) = (Vec::new(), super::wall_clock());
    let from = if options.all { options.pick.from(now) } else { From::Newest };
    let walk = all_orders(&subject, from, options.all, |order, names| {
        if takes_order(&options.pick, order, now) {
            rows.push(order.cells(names));
        }
    });
    walk?;
    options.pick.check(!rows.is_empty(), &subject)?;
    options.pick.cut(&mut rows, usize::MAX);
    let none = if options.all { "no orders" } else { "no orders are open" };
    let head = subject.head();
    List { name: "orders", head, columns: &ORDER_COLUMNS, rows: &rows, none }.print(options.json)
}

fn takes_order(pick: &Pick, order: &OrderRow, now: Nanos) -> bool {
    let venue = venue_name(order.venue);
    let (instrument, strategy) = (&order.instrument_name, &order.strategy);
    pick.takes(Of { time: order.since, venue: &venue, instrument, strategy }, now)
}

/// Hands over the orders by age: those that have not ended, or all that the journal tells of.
fn all_orders(
    subject: &Subject,
    from: From,
    ended: bool,
    mut each: impl FnMut(&OrderRow, &Naming<'_>),
) -> Result<(), Failure> {
    let mut walk = subject.walk(from)?;
    // An order that has ended may leave the table.
    let mut kept: BTreeMap<ClientOrderId, OrderRow> = BTreeMap::new();
    while let Some(group) = walk.step().map_err(read_error)? {
        let Some(state) = walk.state().filter(|_| ended) else { continue };
        for id in touched(&group, state) {
            let row = state.order(id).map(|order| OrderRow::of(order, &Naming::of(state)));
            kept.extend(row.map(|row| (id, row)));
        }
    }
    let Some(state) = walk.state() else { return Ok(()) };
    let names = Naming::of(state);
    let mut rows: Vec<OrderRow> = Vec::new();
    for order in state.orders().iter() {
        kept.remove(&order.client_id);
        if ended || !order.state.is_terminal() {
            rows.push(OrderRow::of(order, &names));
        }
    }
    rows.extend(kept.into_values());
    rows.sort_by_key(|row| (row.created, row.order));
    rows.iter().for_each(|row| each(row, &names));
    Ok(())
}

/// Lists fills.
pub(super) fn fills(options: &FillOptions) -> Result<u8, Failure> {
    let subject = options.source.find()?;
    let (mut rows, now) = (Vec::new(), super::wall_clock());
    all_fills(&subject, options.pick.from(now), |fill, names| {
        if takes_fill(&options.pick, fill, names, now) {
            rows.push(fill.cells(names));
        }
        Ok(true)
    })?;
    let count = rows.len();
    options.pick.check(count > 0, &subject)?;
    let most = if options.json { usize::MAX } else { FILLS_SHOWN };
    options.pick.cut(&mut rows, most);
    let mut head = subject.head();
    head.push(("count", count.into()));
    let (columns, none) = (&FILL_COLUMNS[..], "no fills");
    let code = List { name: "fills", head, columns, rows: &rows, none }.print(options.json)?;
    if !options.json && rows.len() < count {
        let more = count - rows.len();
        super::output::print(&format!("{more} more before these: --last {count}\n"))?;
    }
    Ok(code)
}

fn takes_fill(pick: &Pick, fill: &FillRow, names: &Naming<'_>, now: Nanos) -> bool {
    let (venue, instrument) = (names.venue(fill.venue), names.instrument(fill.instrument));
    let of =
        Of { time: fill.time, venue: &venue, instrument: &instrument, strategy: &fill.strategy };
    pick.takes(of, now)
}

/// Hands over every fill that was booked, as long as they are wanted.
fn all_fills(
    subject: &Subject,
    from: From,
    mut each: impl FnMut(&FillRow, &Naming<'_>) -> Result<bool, Failure>,
) -> Result<(), Failure> {
    let mut walk = subject.walk(from)?;
    let mut fills = Fills::over(walk.state());
    while let Some(group) = walk.step().map_err(read_error)? {
        let Some(state) = walk.state() else { continue };
        let Some(fill) = fills.take(&group, state) else { continue };
        if !each(&fill, &Naming::of(state))? {
            break;
        }
    }
    Ok(())
}

/// Writes all rows, one a line. Without `--last` nothing is held back.
struct Exporter<'a> {
    out: io::BufWriter<io::StdoutLock<'a>>,
    columns: &'a [Column],
    format: Format,
    last: Option<usize>,
    held: Vec<Row>,
    /// Whether there was a row.
    found: bool,
}

impl<'a> Exporter<'a> {
    fn new(options: &ExportOptions, columns: &'a [Column]) -> Result<Self, Failure> {
        let mut out = io::BufWriter::new(io::stdout().lock());
        let format = options.format;
        if format == Format::Csv {
            end_of(writeln!(out, "{}", table::csv_head(columns)))?;
        }
        Ok(Self { out, columns, format, last: options.pick.last(), held: Vec::new(), found: false })
    }

    /// Takes a row; whether more are wanted.
    fn take(&mut self, row: Row) -> Result<bool, Failure> {
        self.found = true;
        if self.last.is_some() {
            self.held.push(row);
            return Ok(true);
        }
        self.write(&row)
    }

    /// Whoever reads may have had enough.
    fn write(&mut self, row: &Row) -> Result<bool, Failure> {
        let line = match self.format {
            Format::Csv => table::csv_row(self.columns, row),
            Format::Json => table::object(self.columns, row).to_string(),
        };
        let written = writeln!(self.out, "{line}");
        let gone = matches!(&written, Err(error) if error.kind() == io::ErrorKind::BrokenPipe);
        end_of(written).map(|()| !gone)
    }

    fn finish(mut self, pick: &Pick, subject: &Subject) -> Result<u8, Failure> {
        pick.check(self.found, subject)?;
        let held = std::mem::take(&mut self.held);
        let first = held.len().saturating_sub(self.last.unwrap_or(0));
        for row in held.iter().skip(first) {
            if !self.write(row)? {
                break;
            }
        }
        end_of(self.out.flush())?;
        Ok(EXIT_OK)
    }
}

/// Exports.
pub(super) fn export(options: &ExportOptions) -> Result<u8, Failure> {
    let subject = options.source.find()?;
    let (pick, now) = (&options.pick, super::wall_clock());
    match options.what {
        What::Fills => {
            let mut exporter = Exporter::new(options, &FILL_COLUMNS)?;
            all_fills(&subject, pick.from(now), |fill, names| {
                match takes_fill(pick, fill, names, now) {
                    true => exporter.take(fill.cells(names)),
                    false => Ok(true),
                }
            })?;
            exporter.finish(pick, &subject)
        }
        What::Orders => {
            let mut exporter = Exporter::new(options, &ORDER_COLUMNS)?;
            let mut result = Ok(true);
            all_orders(&subject, pick.from(now), true, |order, names| {
                if takes_order(pick, order, now) && matches!(result, Ok(true)) {
                    result = exporter.take(order.cells(names));
                }
            })?;
            result?;
            exporter.finish(pick, &subject)
        }
        What::Events => {
            let mut exporter = Exporter::new(options, &EVENT_COLUMNS)?;
            let mut walk = subject.walk(pick.from(now))?;
            let mut events = Events::over(walk.state(), now);
            let mut more = true;
            while let Some(group) = walk.step().map_err(read_error)?.filter(|_| more) {
                let Some(state) = walk.state() else { continue };
                for event in events.take(&group, state) {
                    if more && super::events::takes(pick, &event, now) {
                        more = exporter.take(event.cells())?;
                    }
                }
            }
            exporter.finish(pick, &subject)
        }
    }
}
