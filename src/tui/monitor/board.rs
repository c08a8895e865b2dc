//! The board: all venues of an underlying side by side, what crossing them would earn after fees, the
//! account in a few lines, and what happened last.

#![forbid(unsafe_code)]

use super::app::App;
use super::data::MonitorData;
use super::frame::{Theme, short};
use super::grid::{Grid, time_of_day};
use crate::shm::Best;
use crate::show::present::{BOOK_COLUMNS, book_cells};
use crate::show::table::{Cell, Column, Kind, Row, span};
use crate::types::{Amount, Instrument, Ppb};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Paragraph};

/// From this width on latency and threads stand beside the account.
const WIDE: u16 = 130;

const EDGE: Column = Column::new("edge_bps", Kind::Number);
const POSITION: Column = Column::new("position", Kind::Number);

pub(super) fn draw(
    frame: &mut Frame<'_>,
    area: Rect,
    data: &MonitorData,
    app: &App,
    theme: &Theme,
) {
    let rows = rows(data);
    let books = (rows.len() as u16 + 3).min(area.height.saturating_sub(9).max(5));
    let account = 4 + data.pnl.len().max(1) as u16;
    let [top, middle, bottom] = Layout::vertical([
        Constraint::Length(books),
        Constraint::Length(account),
        Constraint::Min(3),
    ])
    .areas(area);
    let mut columns = BOOK_COLUMNS.to_vec();
    columns.extend([EDGE, POSITION]);
    let wanted: &[&str] = match area.width >= WIDE {
        true => &[
            "instrument",
            "bid_qty",
            "bid",
            "ask",
            "ask_qty",
            "spread_bps",
            "age",
            "state",
            "edge_bps",
            "position",
        ],
        false => {
            &["instrument", "bid", "ask", "spread_bps", "age", "state", "edge_bps", "position"]
        }
    };
    let selected = (rows.len() + 3 > usize::from(books)).then(|| app.line(rows.len()));
    let grid = Grid {
        title: "board".to_owned(),
        columns: &columns,
        rows: &rows,
        wanted,
        selected,
        none: "no instruments",
    };
    grid.draw(frame, top, theme);
    account_box(frame, middle, data, theme);
    last_events(frame, bottom, data, theme);
}

/// By underlying, in the order of the instruments.
fn rows(data: &MonitorData) -> Vec<Row> {
    let mut order: Vec<&Instrument> = data.table.iter().collect();
    let first = |of: &Instrument| data.table.iter().position(|row| row.base == of.base);
    order.sort_by_key(|row| (first(row), row.id));
    order
        .into_iter()
        .map(|row| {
            let best = best(data, row);
            let mut cells = book_cells(row, &data.table, &best, data.now);
            cells.push(edge(data, row).into());
            let held = data.positions.iter().find(|held| held.instrument == row.id);
            let held = held.map(|held| crate::show::words::amount(held.qty)).unwrap_or_default();
            cells.push(Cell::from(if held == "0" { String::new() } else { held }));
            cells
        })
        .collect()
}

fn best(data: &MonitorData, row: &Instrument) -> Best {
    data.bests.get(row.id.index()).copied().unwrap_or_default()
}

/// What selling here earns after buying where that is cheapest, taker fees of both paid, in basis
/// points of what was paid; `?` behind it where a fee is not known, `~` where the two are not priced in
/// the same asset. Empty where there is nothing to cross.
pub(super) fn edge(data: &MonitorData, sell: &Instrument) -> String {
    let to = best(data, sell);
    if !to.is_live() || to.bid.qty.0 <= 0 {
        return String::new();
    }
    let mut found: Option<(f64, &'static str)> = None;
    for buy in data.table.iter().filter(|row| row.base == sell.base && row.id != sell.id) {
        let from = best(data, buy);
        if !from.is_live() || from.ask.qty.0 <= 0 || from.ask.price.0 <= 0 {
            continue;
        }
        let gap = (to.bid.price.0 - from.ask.price.0) as f64 / from.ask.price.0 as f64 * 1e4;
        let fees = [sell, buy].map(|row| data.recorded.fee(row.id));
        let known = fees.iter().all(Option::is_some);
        let paid: f64 = fees.iter().flatten().map(|fee| bps(fee.taker)).sum();
        let mark = match (known, buy.quote == sell.quote) {
            (false, _) => "?",
            (true, false) => "~",
            (true, true) => "",
        };
        if found.is_none_or(|(best, _)| gap - paid > best) {
            found = Some((gap - paid, mark));
        }
    }
    found.map(|(net, mark)| format!("{net:+.2}{mark}")).unwrap_or_default()
}

fn bps(rate: Ppb) -> f64 {
    rate.0 as f64 / 1e5
}

fn account_box(frame: &mut Frame<'_>, area: Rect, data: &MonitorData, theme: &Theme) {
    let block = Block::default().borders(Borders::ALL).title(" account ");
    let inside = block.inner(area);
    frame.render_widget(block, area);
    let side = if area.width >= WIDE { 66 } else { 0 };
    let [left, right] =
        Layout::horizontal([Constraint::Min(20), Constraint::Length(side)]).areas(inside);
    let c = &data.counters;
    let mut lines = vec![
        Line::raw(format!(
            "orders {} sent, {} filled, {} expired, {} canceled, {} rejected",
            c.orders_sent, c.orders_filled, c.orders_expired, c.orders_canceled, c.orders_rejected
        )),
        Line::raw(format!(
            "signals {}, {} refused   fills {}   differences {}",
            c.signals, c.signals_refused, c.fills, c.differences
        )),
    ];
    for row in &data.pnl {
        let net = short(row.net());
        let unrealised = row.unrealised.map(short).unwrap_or_default();
        let funding = match row.funding {
            Amount::ZERO => String::new(),
            funding => format!("  funding {}", short(funding)),
        };
        lines.push(Line::from(vec![
            Span::styled(format!("{} net ", row.quote), theme.head()),
            Span::styled(net.clone(), theme.signed(&net)),
            Span::raw(format!(
                "  realised {}  unrealised {unrealised}  fees {}{funding}",
                short(row.realised),
                short(-row.fees),
            )),
        ]));
    }
    frame.render_widget(Paragraph::new(lines), left);
    let stages = ["tick_to_order", "ack", "fill"].into_iter().filter_map(|name| {
        let stage = data.stages.iter().find(|stage| stage.name == name)?;
        let at = |at: usize| span(i64::try_from(stage.at[at]).unwrap_or(i64::MAX));
        let (p50, p99, max) = (at(0), at(2), at(5));
        Some(Line::raw(format!("{name:<14} p50 {p50:>9}  p99 {p99:>9}  max {max:>9}")))
    });
    frame.render_widget(Paragraph::new(stages.collect::<Vec<_>>()), right);
}

fn last_events(frame: &mut Frame<'_>, area: Rect, data: &MonitorData, theme: &Theme) {
    let room = usize::from(area.height.saturating_sub(2));
    let events = &data.recorded.events;
    let lines = events.iter().skip(events.len().saturating_sub(room)).map(|event| {
        let style = theme.cell("level", event.level);
        let venue =
            if event.venue.is_empty() { String::new() } else { format!("{} ", event.venue) };
        let text = format!("{} {:<5} {venue}{}", time_of_day(event.time), event.level, event.text);
        Line::styled(text, style)
    });
    let lines: Vec<Line<'_>> = lines.collect();
    let block = Block::default().borders(Borders::ALL).title(" what happened last ");
    frame.render_widget(Paragraph::new(lines).block(block), area);
}
