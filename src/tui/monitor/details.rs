//! Screens that look closely: one book's levels, strategies, venues, latency.

#![forbid(unsafe_code)]

use super::app::App;
use super::data::{MonitorData, StageNow};
use super::frame::Theme;
use super::grid::{Grid, time_of_day};
use crate::shm::{Depth, RateUse, ThreadRow};
use crate::show::present::{book_state, level};
use crate::show::table::{Cell, Column, Kind, Row, span};
use crate::show::venues::{VENUE_COLUMNS, VenueNow, limit_name};
use crate::show::{StrategyNow, words};
use crate::types::{Channel, Instrument, Level, Nanos, Readiness};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Paragraph, Wrap};

/// Most threads on a screen.
const THREADS: usize = 16;

fn bar(part: f64, width: usize) -> String {
    let filled = (part.clamp(0.0, 1.0) * width as f64).round() as usize;
    "#".repeat(filled)
}

/// A part of a whole; nothing of nothing.
fn part(of: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { of as f64 / whole as f64 }
}

fn boxed<'a>(frame: &mut Frame<'_>, area: Rect, title: &str, lines: Vec<Line<'a>>) {
    let block = Block::default().borders(Borders::ALL).title(format!(" {title} "));
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: false }).block(block), area);
}

pub(super) fn depth(
    frame: &mut Frame<'_>,
    area: Rect,
    data: &MonitorData,
    _app: &App,
    theme: &Theme,
) {
    let found = data.depth.as_ref().and_then(|(id, depth)| Some((data.table.get(*id)?, depth)));
    let Some((instrument, depth)) = found else {
        return boxed(frame, area, "depth", vec![Line::raw("no instruments")]);
    };
    let state = book_state(depth.state);
    let age = span(i64::try_from(data.now.since(depth.recv_ns)).unwrap_or(i64::MAX));
    let title = format!("{}: {state}, {age} old; left and right: another", instrument.name);
    let bar_width = usize::from(area.width.saturating_sub(60) / 2).min(40);
    let (bids, asks) = (depth.bids(), depth.asks());
    let largest = bids.iter().chain(asks).map(|level| level.qty.0).max().unwrap_or(0);
    let mut lines = vec![Line::styled(
        format!(
            "{:>bar_width$} {:>12} {:>12}  {:<12} {:<12}",
            "", "bid qty", "bid", "ask", "ask qty"
        ),
        theme.head(),
    )];
    for at in 0..bids.len().max(asks.len()) {
        lines.push(depth_line(instrument, depth, at, (largest, bar_width), theme));
    }
    boxed(frame, area, &title, lines);
}

fn depth_line(
    instrument: &Instrument,
    depth: &Depth,
    at: usize,
    (largest, width): (i64, usize),
    theme: &Theme,
) -> Line<'static> {
    let side = |levels: &[Level]| {
        let found = levels.get(at).copied().unwrap_or_default();
        let share = part(found.qty.0.unsigned_abs(), largest.unsigned_abs());
        (level(instrument, found), bar(share, width))
    };
    let ((bid, bid_qty), bid_bar) = side(depth.bids());
    let ((ask, ask_qty), ask_bar) = side(depth.asks());
    let (good, bad) = (theme.cell("side", "buy"), theme.cell("side", "sell"));
    Line::from(vec![
        Span::styled(format!("{bid_bar:>width$} "), good),
        Span::raw(format!("{bid_qty:>12} ")),
        Span::styled(format!("{bid:>12}  "), good),
        Span::styled(format!("{ask:<12} "), bad),
        Span::raw(format!("{ask_qty:<12} ")),
        Span::styled(ask_bar, bad),
    ])
}

/// Where a strategy runs, that it lives, and what waits in its rings.
fn running(strategy: &StrategyNow, now: Nanos) -> String {
    let Some(look) = &strategy.look else { return "  its file cannot be read".to_owned() };
    if strategy.ended.is_some() {
        let beat = match look.heartbeat {
            Nanos(0) => "it never began".to_owned(),
            beat => format!("last alive {} s ago", now.since(beat) / 1_000_000_000),
        };
        return format!("  {beat}, not started again");
    }
    let mut text = format!("  {}", strategy.runs_as());
    if look.run > 0 {
        text += &format!(", start {}", look.run + 1);
    }
    let beat = now.since(look.heartbeat) / 1_000_000;
    text += &if look.heartbeat > Nanos(0) {
        format!(", alive {beat} ms ago")
    } else {
        ", has not begun".to_owned()
    };
    for (what, ring) in [("requests", look.requests), ("reports", look.reports)] {
        if ring.waiting > 0 {
            text += &format!(", {} {what} wait", ring.waiting);
        }
    }
    text
}

pub(super) fn strategies(
    frame: &mut Frame<'_>,
    area: Rect,
    data: &MonitorData,
    app: &App,
    theme: &Theme,
) {
    let mut lines = Vec::new();
    for strategy in &data.strategies {
        let state = strategy.state(&data.recorded.held);
        let style = if state == "active" { theme.good() } else { theme.bad() };
        lines.push(Line::from(vec![
            Span::styled(format!("{} ", strategy.name), theme.head()),
            Span::styled(state, style),
            Span::styled(running(strategy, data.now), theme.dim()),
        ]));
        let wide = usize::from(area.width.saturating_sub(4)).max(20);
        let mut line = String::new();
        for (field, value) in strategy.fields() {
            let word = format!("{field} {value}   ");
            if line.len() + word.len() > wide {
                lines.push(Line::raw(format!("  {}", std::mem::take(&mut line))));
            }
            line += &word;
        }
        lines.push(Line::raw(format!("  {line}")));
    }
    if lines.is_empty() {
        lines.push(Line::styled("no strategies", theme.dim()));
    }
    let height = (lines.len() as u16 + 2).min(area.height.saturating_sub(5).max(3));
    let [top, bottom] =
        Layout::vertical([Constraint::Length(height), Constraint::Min(3)]).areas(area);
    let first = app.line(lines.len());
    boxed(frame, top, "strategies", lines.into_iter().skip(first).collect());
    let room = usize::from(bottom.height.saturating_sub(2));
    let theirs = data.recorded.events.iter().rev().filter(|event| !event.strategy.is_empty());
    let mut last: Vec<Line<'_>> = theirs
        .take(room)
        .map(|event| {
            let text = format!("{} {}: {}", time_of_day(event.time), event.strategy, event.text);
            Line::styled(text, theme.cell("level", event.level))
        })
        .collect();
    if last.is_empty() {
        last.push(Line::styled("none yet", theme.dim()));
    }
    let block = Block::default().borders(Borders::ALL).title(" last messages, newest first ");
    frame.render_widget(Paragraph::new(last).block(block), bottom);
}

pub(super) fn venues(
    frame: &mut Frame<'_>,
    area: Rect,
    data: &MonitorData,
    app: &App,
    theme: &Theme,
) {
    let rows: Vec<Row> = data.venues.iter().map(|row| row.cells(data.now)).collect();
    let height = (rows.len() as u16 + 3).min(area.height.saturating_sub(8).max(4));
    let [top, bottom] =
        Layout::vertical([Constraint::Length(height), Constraint::Min(3)]).areas(area);
    let marked = app.line(rows.len());
    let grid = Grid {
        title: "venues".to_owned(),
        columns: &VENUE_COLUMNS,
        rows: &rows,
        wanted: &[
            "venue",
            "ready",
            "market_data",
            "books_live",
            "orders",
            "limit_percent",
            "clock_offset",
            "reason",
        ],
        selected: Some(marked),
        none: "none",
    };
    grid.draw(frame, top, theme);
    if let Some(venue) = data.venues.get(marked) {
        boxed(frame, bottom, &venue.name, venue_lines(venue, data, theme));
    }
}

/// Everything that a venue's feed and executor say of themselves.
fn venue_lines(venue: &VenueNow, data: &MonitorData, theme: &Theme) -> Vec<Line<'static>> {
    let (feed, executor) = (&venue.health.feed, &venue.health.executor);
    let mut channels = vec![Span::raw("connections  ")];
    for of in [Channel::Trade, Channel::TradeSpare, Channel::Private, Channel::Rest] {
        let state = executor.channels[of.index()];
        // Not every venue needs every one: what is down where all is well is not needed.
        let spare = of == Channel::TradeSpare;
        if state == Readiness::Down && (spare || executor.ready) {
            continue;
        }
        let style = if state == Readiness::Ready { theme.good() } else { theme.odd() };
        channels.push(Span::raw(format!("{} ", of.name())));
        channels.push(Span::styled(format!("{}  ", words::readiness(state)), style));
    }
    let mut lines = Vec::new();
    let reason = venue.reason(data.now);
    if !reason.is_empty() {
        lines.push(Line::styled(format!("not well     {reason}"), theme.bad()));
    }
    lines.push(Line::from(channels));
    let signed = |ns: i64| span(ns);
    let unsigned = |ns: u64| span(i64::try_from(ns).unwrap_or(i64::MAX));
    lines.push(Line::raw(format!(
        "clock        market data {} (round trip {}), orders {} (round trip {})",
        signed(feed.clock_offset_ns),
        unsigned(feed.clock_round_trip_ns),
        signed(executor.clock_offset_ns),
        unsigned(executor.clock_round_trip_ns)
    )));
    lines.push(Line::raw(format!(
        "market data  {} messages, last {} ago, {} gaps, {} resyncs, {} lost connections, {} not understood",
        feed.frames,
        unsigned(data.now.since(feed.last_recv_ns)),
        feed.gaps,
        feed.resyncs,
        feed.reconnects,
        feed.decode_errors
    )));
    lines.push(Line::raw(format!(
        "orders       {} commands, {} not sent, {} reports, {} without reply, {} lost connections, {} not understood",
        executor.commands,
        executor.commands_refused,
        executor.reports,
        executor.reply_timeouts,
        executor.reconnects,
        executor.decode_errors
    )));
    let limits = executor.limits.iter().enumerate().filter(|(_, row)| row.allowed > 0);
    lines.extend(limits.map(|(at, row)| limit_line(limit_name(venue.venue, at), *row, theme)));
    if let Some(used) = venue.margin_percent {
        lines.push(Line::raw(format!("margin       {used:.1} % of the equity is bound")));
    }
    let of_venue = data.recorded.events.iter().rev();
    let mut bad = of_venue.filter(|event| event.venue == venue.name && event.level != "info");
    lines.push(match bad.next() {
        Some(event) => {
            let text = format!("last error   {} {}", time_of_day(event.time), event.text);
            Line::styled(text, theme.cell("level", event.level))
        }
        None => Line::styled("last error   none", theme.dim()),
    });
    lines
}

fn limit_line(name: &str, row: RateUse, theme: &Theme) -> Line<'static> {
    const WIDTH: usize = 20;
    let share = part(row.used.into(), row.allowed.into());
    let style = if share > 0.8 { theme.bad() } else { theme.good() };
    Line::from(vec![
        Span::raw(format!("{name:<38} [")),
        Span::styled(format!("{:<WIDTH$}", bar(share, WIDTH)), style),
        Span::raw(format!("] {} of {}", row.used, row.allowed)),
    ])
}

const STAGE_COLUMNS: [Column; 8] = [
    Column::new("stage", Kind::Text),
    Column::new("count", Kind::Count),
    Column::new("p50", Kind::Span),
    Column::new("p99", Kind::Span),
    Column::new("p99.9", Kind::Span),
    Column::new("max", Kind::Span),
    Column::new("p90", Kind::Span),
    Column::new("p99.99", Kind::Span),
];

pub(super) fn latency(
    frame: &mut Frame<'_>,
    area: Rect,
    data: &MonitorData,
    app: &App,
    theme: &Theme,
) {
    let rows: Vec<Row> = data.stages.iter().map(stage_cells).collect();
    let plot = StageNow::QUANTILES.len() as u16 + 3;
    let height = (rows.len() as u16 + 3).min(area.height.saturating_sub(plot).max(4));
    // Threads stand where there is room behind the plot; `stoop status` has them in any case.
    let threads = data.threads.len().min(THREADS) as u16 + 2;
    let room = area.height >= height + plot + threads;
    let [top, bottom, rest] = Layout::vertical([
        Constraint::Length(height),
        Constraint::Length(if room { plot } else { area.height.saturating_sub(height) }),
        Constraint::Min(0),
    ])
    .areas(area);
    if room {
        boxed(frame, rest, "threads, last second", data.threads.iter().map(thread_line).collect());
    }
    let marked = app.line(rows.len());
    let grid = Grid {
        title: "what each stage takes, all venues".to_owned(),
        columns: &STAGE_COLUMNS,
        rows: &rows,
        wanted: &["stage", "count", "p50", "p90", "p99", "p99.9", "max"],
        selected: Some(marked),
        none: "nothing measured yet",
    };
    grid.draw(frame, top, theme);
    if let Some(stage) = data.stages.get(marked) {
        let title = format!("{}, logarithmic; up and down: another stage", stage.name);
        boxed(frame, bottom, &title, plot_lines(stage, bottom.width, theme));
    }
}

fn thread_line(row: &ThreadRow) -> Line<'static> {
    let cpu = row.cpu.map_or("any".to_owned(), |cpu| cpu.to_string());
    let busy = row.duty.recent_busy_ppm() as f64 / 1e4;
    let longest = span(i64::try_from(row.duty.recent_longest_ns).unwrap_or(i64::MAX));
    let agents: Vec<&str> = row.agents.iter().map(|agent| agent.name.as_str()).collect();
    let agents = agents.join(" ");
    Line::raw(format!("cpu {cpu:<4} busy {busy:5.1} %  longest {longest:>9}  {agents}"))
}

fn stage_cells(stage: &StageNow) -> Row {
    let [p50, p90, p99, p999, p9999, max] = stage.at.map(|ns| match stage.count {
        0 => Cell::Empty,
        _ => Cell::count(ns),
    });
    vec![stage.name.into(), Cell::count(stage.count), p50, p99, p999, max, p90, p9999]
}

/// One bar a quantile, of the logarithm: from a nanosecond to the longest.
fn plot_lines(stage: &StageNow, width: u16, theme: &Theme) -> Vec<Line<'static>> {
    let room = usize::from(width.saturating_sub(24)).max(10);
    let longest = (stage.at[5].max(2) as f64).ln();
    let names = StageNow::QUANTILES.iter().map(|(_, name)| *name).chain(["max"]);
    names
        .zip(stage.at)
        .map(|(name, ns)| {
            let share = (ns.max(1) as f64).ln() / longest;
            let text = span(i64::try_from(ns).unwrap_or(i64::MAX));
            Line::from(vec![
                Span::raw(format!("{name:<7}")),
                Span::raw(format!("{text:>10}  ")),
                Span::styled(bar(share, room), theme.good()),
            ])
        })
        .collect()
}
