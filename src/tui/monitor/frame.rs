//! What every screen has: the head with mode and trading state, the row of screens, what the keys do,
//! and what waits for a confirmation.

#![forbid(unsafe_code)]

use super::app::{App, Tab};
use super::data::MonitorData;
use super::{board, details, lists};
use crate::show::About;
use crate::show::table::{clock, span};
use crate::types::TradingState;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Clear, Paragraph, Wrap};

/// A heart that has not beaten for so long is told of.
const HEARTBEAT_LATE_NS: u64 = 1_000_000_000;

/// Lines of an answer.
const REPLY_LINES: usize = 5;
/// Lines that the head and the smallest body take.
const OTHER_LINES: u16 = 6;

/// Colours, or none.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Theme {
    plain: bool,
}

impl Theme {
    pub fn dim(&self) -> Style {
        Style::default().add_modifier(Modifier::DIM)
    }

    pub fn head(&self) -> Style {
        Style::default().add_modifier(Modifier::BOLD)
    }

    fn colored(self, color: Color) -> Style {
        if self.plain { Style::default() } else { Style::default().fg(color) }
    }

    pub fn good(self) -> Style {
        self.colored(Color::Green)
    }

    pub fn bad(self) -> Style {
        self.colored(Color::Red).add_modifier(Modifier::BOLD)
    }

    pub fn odd(self) -> Style {
        self.colored(Color::Yellow)
    }

    /// The mark of real money: it has to be seen without colours, too.
    fn live(self) -> Style {
        let marked = Style::default().add_modifier(Modifier::BOLD);
        match self.plain {
            true => marked.add_modifier(Modifier::REVERSED),
            false => marked.fg(Color::White).bg(Color::Red),
        }
    }

    /// How a word of a column looks.
    pub fn cell(self, column: &str, word: &str) -> Style {
        match (column, word) {
            ("side", "buy") | ("bid", _) | ("state", "live") | ("ready" | "orders", "yes") => {
                self.good()
            }
            ("side", "sell") | ("ask", _) => self.colored(Color::Red),
            ("state", "stale" | "rejected" | "unknown") | ("level", "error") => self.bad(),
            ("ready" | "orders", "no") | ("market_data", "down") => self.bad(),
            ("state", "resync" | "pending cancel") | ("level", "warn") => self.odd(),
            ("market_data", "joining") => self.odd(),
            ("net" | "unrealised" | "realised" | "edge_bps", word) if !word.is_empty() => {
                self.signed(word)
            }
            _ => Style::default(),
        }
    }

    /// Green above zero, red below.
    pub fn signed(self, word: &str) -> Style {
        let is_zero = word.chars().all(|digit| matches!(digit, '0' | '.' | '+' | '-'));
        match word.starts_with('-') {
            _ if is_zero => Style::default(),
            true => self.colored(Color::Red),
            false => self.good(),
        }
    }
}

/// Draws the screen that `app` is on.
pub fn draw(frame: &mut Frame<'_>, data: &MonitorData, app: &App) {
    let theme = Theme { plain: app.plain };
    let said = foot(app, frame.area(), theme);
    let [head, venues, tabs, body, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Min(3),
        Constraint::Length(said.len() as u16),
    ])
    .areas(frame.area());
    frame.render_widget(Paragraph::new(head_line(data, theme)), head);
    frame.render_widget(Paragraph::new(venue_line(data, theme)), venues);
    frame.render_widget(Paragraph::new(tab_line(app, tabs.width, theme)), tabs);
    match app.tab {
        Tab::Board => board::draw(frame, body, data, app, &theme),
        Tab::Orders => lists::orders(frame, body, data, app, &theme),
        Tab::Trades => lists::trades(frame, body, data, app, &theme),
        Tab::Positions => lists::positions(frame, body, data, app, &theme),
        Tab::Depth => details::depth(frame, body, data, app, &theme),
        Tab::Strategies => details::strategies(frame, body, data, app, &theme),
        Tab::Venues => details::venues(frame, body, data, app, &theme),
        Tab::Latency => details::latency(frame, body, data, app, &theme),
        Tab::Events => lists::events(frame, body, data, app, &theme),
    }
    frame.render_widget(Paragraph::new(said), foot);
    if app.help {
        help(frame, &theme);
    }
    if let Some(ask) = app.confirm {
        let question = ask.question(data.counters.loss_switch);
        confirm(frame, &question, &data.instance, &data.about, theme);
    }
}

fn head_line(data: &MonitorData, theme: Theme) -> Line<'static> {
    let c = &data.counters;
    let mode = match data.about.mode.as_str() {
        _ if data.about.is_live() => Span::styled(" LIVE ", theme.live()),
        _ if data.about.may_be_live() => Span::styled(" MODE UNKNOWN ", theme.live()),
        mode => Span::styled(format!(" {mode} "), theme.head()),
    };
    let mut spans = vec![
        mode,
        Span::styled(format!(" {} ", data.instance), theme.head()),
        Span::raw(format!(" {}  ", clock(data.running_s))),
    ];
    if !data.ended.is_empty() {
        spans.push(Span::styled(data.ended.clone(), theme.bad()));
        return Line::from(spans);
    }
    let state = match c.trading_state {
        TradingState::Active => theme.good(),
        TradingState::ReduceOnly => theme.odd(),
        TradingState::Halted => theme.bad(),
    };
    spans.push(Span::styled(c.trading_state.to_string(), state));
    if let Some(switch) = c.loss_switch {
        spans.push(Span::styled(format!(" ({switch} switch)"), theme.bad()));
    }
    if data.heartbeat_ns > HEARTBEAT_LATE_NS {
        let late = span(i64::try_from(data.heartbeat_ns).unwrap_or(i64::MAX));
        spans.push(Span::styled(format!("  NO HEARTBEAT for {late}"), theme.bad()));
    }
    spans.push(Span::raw(format!("  {} open", c.orders_open)));
    if c.orders_unknown > 0 {
        spans.push(Span::styled(format!(", {} UNKNOWN", c.orders_unknown), theme.bad()));
    }
    for row in &data.pnl {
        let net = short(row.net());
        spans.push(Span::raw(format!("  {} ", row.quote)));
        spans.push(Span::styled(net.clone(), theme.signed(&net)));
    }
    Line::from(spans)
}

/// Two decimals are enough in the head.
pub(super) fn short(amount: crate::types::Amount) -> String {
    let value = amount.to_decimal().round_dp(2);
    let sign = if value > rust_decimal::Decimal::ZERO { "+" } else { "" };
    format!("{sign}{value:.2}")
}

fn venue_line(data: &MonitorData, theme: Theme) -> Line<'static> {
    let mut spans = Vec::new();
    if !data.journal_error.is_empty() {
        spans.push(Span::styled(" JOURNAL NOT FOLLOWED ", theme.bad()));
    }
    for venue in &data.venues {
        let (word, style) = match venue.is_ready(data.now) {
            true => ("ready", theme.good()),
            false => ("NOT READY", theme.bad()),
        };
        let limit = venue.health.executor.fullest_limit();
        let limit = limit.map_or(String::new(), |(_, row)| format!(" {} %", row.percent()));
        spans.push(Span::raw(format!(" {} ", venue.name)));
        spans.push(Span::styled(word, style));
        spans.push(Span::styled(format!("{limit}  "), theme.dim()));
    }
    for held in &data.recorded.held {
        spans.push(Span::styled(format!(" {held} "), theme.odd()));
    }
    Line::from(spans)
}

fn tab_line(app: &App, width: u16, theme: Theme) -> Line<'static> {
    let names: usize = Tab::ALL.iter().map(|tab| tab.name().len() + 3).sum();
    let all = names <= width.into();
    let spans = Tab::ALL.iter().zip(1..).map(|(tab, number)| {
        let name = if all { tab.name() } else { tab.short_name() };
        let shown = format!(" {number} {name}");
        let style = match *tab == app.tab {
            true => theme.head().add_modifier(Modifier::REVERSED),
            false => theme.dim(),
        };
        Span::styled(shown, style)
    });
    Line::from(spans.collect::<Vec<_>>())
}

/// What came of the last commands, whole up to [`REPLY_LINES`]; else what the keys do.
fn foot(app: &App, area: Rect, theme: Theme) -> Vec<Line<'static>> {
    let said = app.replies.text();
    if !said.is_empty() {
        let width = usize::from(area.width.saturating_sub(1));
        let most = usize::from(area.height.saturating_sub(OTHER_LINES)).clamp(1, REPLY_LINES);
        let lines = cut(wrapped(&said, width), most, width).into_iter();
        return lines.map(|line| Line::styled(format!(" {line}"), theme.head())).collect();
    }
    let quits = app.quits.unwrap_or("leaves");
    let keys = format!(" ? help  p pause/resume  c cancel-all  f flatten  H halt  q {quits}");
    vec![Line::styled(keys, theme.dim())]
}

/// Lines of at most `width` characters, broken between words where that can be.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let mut left: Vec<char> = word.chars().collect();
        loop {
            let last = lines.last_mut().map(|line| (line.chars().count(), line));
            let Some((used, line)) = last else { break };
            let gap = usize::from(used > 0);
            if used + gap + left.len() <= width {
                line.push_str(&" "[..gap]);
                line.extend(left.drain(..));
                break;
            }
            // A word that is longer than a line fills what it can of one of its own.
            if used == 0 {
                line.extend(left.drain(..width));
            }
            lines.push(String::new());
        }
    }
    lines
}

/// The first lines; where that is not all of them the last one says so.
fn cut(mut lines: Vec<String>, most: usize, width: usize) -> Vec<String> {
    if lines.len() > most {
        lines.truncate(most);
        if let Some(last) = lines.last_mut() {
            *last = last.chars().take(width.saturating_sub(1)).collect();
            last.push('…');
        }
    }
    lines
}

/// A box in the middle.
fn middle(frame: &Frame<'_>, width: u16, height: u16) -> Rect {
    let area = frame.area();
    let (width, height) = (width.min(area.width), height.min(area.height));
    let x = area.x + (area.width - width) / 2;
    let y = area.y + (area.height - height) / 2;
    Rect { x, y, width, height }
}

fn confirm(frame: &mut Frame<'_>, question: &str, instance: &str, about: &About, theme: Theme) {
    let area = middle(frame, 64, 6);
    let (title, style) = match (about.is_live(), about.may_be_live()) {
        (true, _) => (" LIVE: real money ", theme.live()),
        (false, true) => (" MODE UNKNOWN: perhaps real money ", theme.live()),
        (false, false) => (" sure? ", theme.head()),
    };
    let lines = vec![
        Line::styled(question.to_owned(), theme.head()),
        Line::raw(format!("of all of {instance}")),
        Line::raw(""),
        Line::raw("y or Enter does it, any other key does not"),
    ];
    let block = Block::default().borders(Borders::ALL).title(Span::styled(title, style));
    frame.render_widget(Clear, area);
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: true }).block(block), area);
}

const HELP: &[(&str, &str)] = &[
    ("1 to 9, Tab", "another screen"),
    ("arrows, j k", "another line; left and right: another instrument"),
    ("p", "pause: no new orders; resume when paused"),
    ("c", "cancel all orders, those placed by hand too"),
    ("f", "flatten: pause, cancel all, close all positions"),
    ("H", "halt: cancel everything and end the engine"),
    ("", "each of these four asks once: y does it"),
    ("Esc", "forget the last answer"),
    ("q", "leave; the engine goes on"),
    ("edge", "profit of selling here after buying at the best other"),
    ("", "venue, taker fees of both paid; ? where a fee is not known"),
    ("age", "since the message behind the prices was received"),
];

fn help(frame: &mut Frame<'_>, theme: &Theme) {
    let area = middle(frame, 76, HELP.len() as u16 + 4);
    let lines = HELP.iter().map(|(key, what)| {
        Line::from(vec![
            Span::styled(format!(" {key:<12} "), theme.head()),
            Span::raw((*what).to_owned()),
        ])
    });
    let mut lines: Vec<Line<'_>> = lines.collect();
    lines.push(Line::raw(""));
    lines.push(Line::styled(" any key closes this", theme.dim()));
    let block = Block::default().borders(Borders::ALL).title(" keys ");
    frame.render_widget(Clear, area);
    frame.render_widget(Paragraph::new(lines).block(block), area);
}
