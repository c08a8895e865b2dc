//! Screens that are lists: orders, trades with their legs, positions and profit, events.

#![forbid(unsafe_code)]

use super::app::App;
use super::data::MonitorData;
use super::frame::Theme;
use super::grid::{Grid, time_of_day};
use crate::show::present::{By, PNL_COLUMNS, POSITION_COLUMNS, PnlNow, pnl, position_cells};
use crate::show::table::{Cell, Row, span};
use crate::show::{
    EVENT_COLUMNS, EventRow, FILL_COLUMNS, LIMIT_COLUMNS, LimitNow, Naming, ORDER_COLUMNS,
    OrderRow, words,
};
use crate::types::{Amount, Nanos, PairLeg, PairOutcome};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Modifier;
use ratatui::text::Line;
use ratatui::widgets::{Block, Borders, Paragraph};

/// From this width on profit and limits stand beside each other.
const WIDE: u16 = 140;

/// Characters of an order's id on the screen.
const ID_SHOWN: usize = 8;

pub(super) fn orders(
    frame: &mut Frame<'_>,
    area: Rect,
    data: &MonitorData,
    app: &App,
    theme: &Theme,
) {
    let names = data.recorded.names();
    // The end of an id is its own, and enough for `stoop why`.
    let at = ORDER_COLUMNS.iter().position(|column| column.name == "order").unwrap_or(0);
    let cells = |row: &OrderRow| {
        let mut cells = row.cells(&names);
        if let Some(Cell::Text(id)) = cells.get_mut(at) {
            id.drain(..id.len().saturating_sub(ID_SHOWN));
        }
        cells
    };
    let open: Vec<Row> = data.recorded.open.iter().map(cells).collect();
    let newest = data.recorded.ended.iter().rev().map(cells);
    let ended: Vec<Row> = newest.collect();
    let height = (open.len() as u16 + 3).clamp(4, (area.height / 2).max(4));
    let [top, bottom] =
        Layout::vertical([Constraint::Length(height), Constraint::Min(3)]).areas(area);
    let wanted = [
        "order",
        "instrument",
        "side",
        "price",
        "qty",
        "filled",
        "state",
        "terms",
        "strategy",
        "created",
        "venue_order_id",
        "reason",
    ];
    let grid = |title: String, rows, selected, none| Grid {
        title,
        columns: &ORDER_COLUMNS,
        rows,
        wanted: &wanted,
        selected,
        none,
    };
    let title = format!("{}orders that work: {}", data.as_of(), open.len());
    let line = app.line(open.len());
    let selected = (open.len() + 3 > usize::from(height)).then_some(line);
    let none = |else_: &'static str| if data.note.is_empty() { else_ } else { &data.note };
    grid(title, &open, selected, none("none")).draw(frame, top, theme);
    let line = app.line(ended.len());
    let title = format!("{}ended last, newest first; stoop why ID tells all of one", data.as_of());
    grid(title, &ended, Some(line), none("none yet")).draw(frame, bottom, theme);
}

pub(super) fn trades(
    frame: &mut Frame<'_>,
    area: Rect,
    data: &MonitorData,
    app: &App,
    theme: &Theme,
) {
    let names = data.recorded.names();
    let [top, bottom] =
        Layout::vertical([Constraint::Percentage(60), Constraint::Min(3)]).areas(area);
    let newest: Vec<&(Nanos, PairOutcome)> = data.recorded.pairs.iter().rev().collect();
    let marked = app.line(newest.len());
    let mut lines = Vec::new();
    for (at, (time, pair)) in newest.iter().enumerate().skip(marked) {
        let head =
            if at == marked { theme.head().add_modifier(Modifier::REVERSED) } else { theme.head() };
        let head = if pair.breach.is_some() { head.patch(theme.odd()) } else { head };
        let text = words::pair(pair, &names);
        let whose = names.strategy(pair.strategy);
        lines.push(Line::styled(format!("{} {whose} {text}", time_of_day(*time)), head));
        lines.extend(pair.legs().iter().map(|leg| Line::raw(leg_text(leg, pair, &names))));
    }
    if lines.is_empty() {
        let none = "no signal with a contract is done yet";
        let none = if data.note.is_empty() { none } else { &data.note };
        lines.push(Line::styled(none.to_owned(), theme.dim()));
    }
    let title = format!(" {}signals and their legs, newest first ", data.as_of());
    let block = Block::default().borders(Borders::ALL).title(title);
    frame.render_widget(Paragraph::new(lines).block(block), top);
    let rows: Vec<Row> = data.recorded.fills.iter().rev().map(|fill| fill.cells(&names)).collect();
    let grid = Grid {
        title: format!("{}fills, newest first", data.as_of()),
        columns: &FILL_COLUMNS,
        rows: &rows,
        wanted: &[
            "time",
            "instrument",
            "side",
            "qty",
            "price",
            "fee",
            "fee_asset",
            "realised",
            "order",
            "strategy",
            "liquidity",
            "position",
        ],
        selected: Some(0),
        none: if data.note.is_empty() { "none yet" } else { &data.note },
    };
    grid.draw(frame, bottom, theme);
}

/// `  buy 0.004/0.004 BTC/USDT@a at 61690.2 wanted 61690.2 in 3.1 ms`
fn leg_text(leg: &PairLeg, pair: &PairOutcome, names: &Naming<'_>) -> String {
    let of = leg.instrument;
    let (got, wanted) = (names.qty(of, leg.got_qty), names.qty(of, leg.qty));
    let took = match leg.first_fill_ns {
        Nanos(0) => ", not filled".to_owned(),
        filled => {
            let sent = if leg.sent_ns == Nanos(0) { pair.opened_ns } else { leg.sent_ns };
            let ns = i64::try_from(filled.since(sent)).unwrap_or(i64::MAX);
            format!(" in {}", span(ns))
        }
    };
    let got_price = names.price(of, leg.got_price);
    let at = if got_price.is_empty() { String::new() } else { format!(" at {got_price}") };
    let wanted_at = names.price(of, leg.price);
    let (side, name) = (leg.side, names.instrument(of));
    format!("  {side} {got}/{wanted} {name}{at} wanted {wanted_at}{took}")
}

pub(super) fn positions(
    frame: &mut Frame<'_>,
    area: Rect,
    data: &MonitorData,
    app: &App,
    theme: &Theme,
) {
    let held: Vec<Row> = data
        .positions
        .iter()
        .filter(|row| row.qty != Amount::ZERO || row.realised != Amount::ZERO)
        .map(|row| position_cells(row, &data.table))
        .collect();
    let mut parts: Vec<PnlNow> = data.pnl.clone();
    parts.extend(pnl(&data.positions, &data.table, By::Venue));
    parts.extend(pnl(&data.positions, &data.table, By::Underlying));
    let parts: Vec<Row> = parts.iter().map(PnlNow::cells).collect();
    let height = (held.len() as u16 + 3).clamp(4, (area.height / 2).max(4));
    let [top, bottom] =
        Layout::vertical([Constraint::Length(height), Constraint::Min(3)]).areas(area);
    let (bottom, limits) = beside(bottom);
    let selected = (held.len() + 3 > usize::from(height)).then(|| app.line(held.len()));
    let grid = Grid {
        title: "positions".to_owned(),
        columns: &POSITION_COLUMNS,
        rows: &held,
        wanted: &[
            "instrument",
            "qty",
            "entry",
            "mark",
            "unrealised",
            "net",
            "realised",
            "fees",
            "funding",
            "liquidation",
        ],
        selected,
        none: "none",
    };
    grid.draw(frame, top, theme);
    let grid = Grid {
        title: "profit: in all, by venue, by underlying".to_owned(),
        columns: &PNL_COLUMNS,
        rows: &parts,
        wanted: &["of", "asset", "net", "realised", "unrealised", "fees", "funding"],
        selected: Some(app.line(parts.len())),
        none: "nothing was traded",
    };
    grid.draw(frame, bottom, theme);
    let rows: Vec<Row> = data.limits.iter().map(LimitNow::cells).collect();
    let grid = Grid {
        title: "limits in force".to_owned(),
        columns: &LIMIT_COLUMNS,
        rows: &rows,
        // Names of strategies and venues may be long, and cost no number its place.
        wanted: &["limit", "value", "used", "percent", "of"],
        selected: (rows.len() + 3 > usize::from(limits.height)).then(|| app.line(rows.len())),
        none: "not known yet",
    };
    grid.draw(frame, limits, theme);
}

/// Profit and limits: side by side where there is room, else one above the other.
fn beside(area: Rect) -> (Rect, Rect) {
    let parts = [Constraint::Percentage(50), Constraint::Min(3)];
    let [first, second] = match area.width >= WIDE {
        true => Layout::horizontal(parts).areas(area),
        false => Layout::vertical(parts).areas(area),
    };
    (first, second)
}

pub(super) fn events(
    frame: &mut Frame<'_>,
    area: Rect,
    data: &MonitorData,
    app: &App,
    theme: &Theme,
) {
    let rows: Vec<Row> = data.recorded.events.iter().rev().map(EventRow::cells).collect();
    let none = if data.journal_error.is_empty() { "none yet" } else { &data.journal_error };
    let grid = Grid {
        title: match data.journal_error.as_str() {
            "" => "events, newest first".to_owned(),
            error => format!("{}events; {error}", data.as_of()),
        },
        columns: &EVENT_COLUMNS,
        rows: &rows,
        wanted: &["time", "level", "venue", "text"],
        selected: Some(app.line(rows.len())),
        none,
    };
    let marked = data.recorded.events.iter().rev().nth(app.line(rows.len()));
    let height = if marked.is_some() { 5 } else { 0 };
    let [top, bottom] =
        Layout::vertical([Constraint::Min(3), Constraint::Length(height)]).areas(area);
    grid.draw(frame, top, theme);
    if let Some(event) = marked {
        // The whole text of the marked one.
        let block = Block::default().borders(Borders::ALL).title(format!(" {} ", event.kind));
        let text = Paragraph::new(event.text.clone())
            .wrap(ratatui::widgets::Wrap { trim: true })
            .block(block);
        frame.render_widget(text, bottom);
    }
}
