//! Draws [`BoardData`]. Knows nothing of the engine.

use super::data::{BoardData, BookRow, LatencyRow, PnlLine, ThreadLine, VenueRow};
use crate::types::{BookState, Readiness};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Cell, Paragraph, Row, Table};

/// Most threads on the board; `stoop status` shows all.
const THREADS: usize = 8;

/// Maintenance margin over equity, in percent, from which on a venue is shown in red.
const MARGIN_HIGH: f64 = 70.0;

/// Draws the whole board.
pub fn draw(frame: &mut Frame<'_>, data: &BoardData) {
    let books = data.books.len() as u16 + 3;
    let facts = (3 + data.pnl.len() + data.strategies.len()) as u16 + 2;
    let threads = data.threads.len().min(THREADS) as u16 + 2;
    let middle = (data.latency.len() as u16 + 3).max(facts + threads);
    let rows = Layout::vertical([
        Constraint::Length(2),
        Constraint::Length(books),
        Constraint::Length(middle),
        Constraint::Min(3),
        Constraint::Length(1),
    ])
    .split(frame.area());
    draw_head(frame, rows[0], data);
    draw_books(frame, rows[1], data);
    let columns = Layout::horizontal([Constraint::Length(67), Constraint::Min(20)]).split(rows[2]);
    draw_latency(frame, columns[0], &data.latency);
    let right = Layout::vertical([Constraint::Min(facts), Constraint::Length(threads)]);
    let right = right.split(columns[1]);
    draw_orders(frame, right[0], data);
    draw_threads(frame, right[1], &data.threads);
    draw_log(frame, rows[3], data);
    frame.render_widget(Paragraph::new(data.hint.as_str()).style(dim()), rows[4]);
}

fn dim() -> Style {
    Style::default().add_modifier(Modifier::DIM)
}

fn head() -> Style {
    Style::default().add_modifier(Modifier::BOLD)
}

fn block(title: &str) -> Block<'_> {
    Block::default().borders(Borders::ALL).title(title)
}

fn draw_head(frame: &mut Frame<'_>, area: Rect, data: &BoardData) {
    let mut spans = vec![
        Span::styled(data.title.clone(), head()),
        Span::raw(format!("   {}   ", clock(data.running_s))),
    ];
    spans.extend(data.venues.iter().map(venue));
    for (base, gap) in &data.spreads {
        spans.push(Span::raw(format!("  {base} spread {gap:+.2} bp")));
    }
    frame.render_widget(Paragraph::new(Line::from(spans)), area);
}

/// `a ready, limit 12 %`, with the use of the rate limit that is used most.
fn venue(row: &VenueRow) -> Span<'_> {
    let color = match (row.feed, row.orders) {
        _ if row.suspended_ms > 0 => Color::Red,
        _ if row.margin_percent.is_some_and(|used| used >= MARGIN_HIGH) => Color::Red,
        (Readiness::Ready, true) => Color::Green,
        (Readiness::Down, _) => Color::Red,
        _ => Color::Yellow,
    };
    let state = match row.orders {
        _ if row.suspended_ms > 0 => {
            format!("suspended {} s", row.suspended_ms.div_ceil(1_000))
        }
        true => format!("ready, limit {} %", row.limit_percent),
        false => "not ready".to_owned(),
    };
    // Nothing else on the board tells that one of two is lost.
    let lines = match row.feed_lines {
        (ready, all) if all > 1 && ready < all => format!(", feed {ready} of {all}"),
        _ => String::new(),
    };
    let margin = row.margin_percent.map_or(String::new(), |used| format!(", margin {used:.0} %"));
    Span::styled(format!("{} {state}{margin}{lines}  ", row.name), Style::default().fg(color))
}

fn clock(seconds: u64) -> String {
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

fn draw_books(frame: &mut Frame<'_>, area: Rect, data: &BoardData) {
    let titles = [
        "instrument",
        "bid qty",
        "bid",
        "ask",
        "ask qty",
        "state",
        "age ms",
        "position",
        "realised",
        "fees",
    ];
    let widths = [20, 11, 12, 12, 11, 9, 7, 14, 12, 10].map(Constraint::Length);
    let table = Table::new(data.books.iter().map(book_row), widths)
        .header(Row::new(titles).style(head()))
        .block(block(" books "));
    frame.render_widget(table, area);
}

fn book_row(row: &BookRow) -> Row<'_> {
    let (state, color) = match row.state {
        BookState::Live => ("live", Color::Green),
        BookState::Stale => ("stale", Color::Red),
        BookState::Buffering => ("resync", Color::Yellow),
        BookState::Empty => ("empty", Color::DarkGray),
    };
    Row::new([
        Cell::from(row.name.as_str()),
        Cell::from(row.bid.1.as_str()),
        Cell::from(row.bid.0.as_str()).style(Style::default().fg(Color::Green)),
        Cell::from(row.ask.0.as_str()).style(Style::default().fg(Color::Red)),
        Cell::from(row.ask.1.as_str()),
        Cell::from(state).style(Style::default().fg(color)),
        Cell::from(if row.state == BookState::Empty {
            String::new()
        } else {
            row.age_ms.to_string()
        }),
        Cell::from(row.position.as_str()),
        Cell::from(row.realised.as_str()),
        Cell::from(row.fees.as_str()),
    ])
}

fn draw_latency(frame: &mut Frame<'_>, area: Rect, rows: &[LatencyRow]) {
    let cells = rows.iter().map(|row| {
        Row::new([
            row.stage.to_owned(),
            row.count.to_string(),
            duration(row.p50),
            duration(row.p99),
            duration(row.p999),
            duration(row.max),
        ])
    });
    let table = Table::new(cells, [14, 9, 9, 9, 9, 9].map(Constraint::Length))
        .header(Row::new(["stage", "count", "p50", "p99", "p99.9", "max"]).style(head()))
        .block(block(" latency "));
    frame.render_widget(table, area);
}

/// Three significant digits with the unit that fits.
pub(super) fn duration(ns: u64) -> String {
    match ns {
        0 => "-".to_owned(),
        1..1_000 => format!("{ns} ns"),
        1_000..1_000_000 => format!("{:.1} us", ns as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} ms", ns as f64 / 1e6),
        _ => format!("{:.1} s", ns as f64 / 1e9),
    }
}

fn draw_orders(frame: &mut Frame<'_>, area: Rect, data: &BoardData) {
    let c = &data.counters;
    let mut lines = vec![
        Line::from(format!("signals {}  refused {}", c.signals, c.signals_refused)),
        Line::from(format!(
            "orders sent {}  filled {}  rejected {}",
            c.orders_sent, c.orders_filled, c.orders_rejected
        )),
        Line::from(format!(
            "expired {}  canceled {}  open {}  unknown {}",
            c.orders_expired, c.orders_canceled, c.orders_open, c.orders_unknown
        )),
    ];
    for (quote, line) in &data.pnl {
        let PnlLine { realised, unrealised, fees, funding } = line;
        let funding = funding.as_ref().map_or(String::new(), |text| format!("  funding {text}"));
        let text =
            format!("{quote} realised {realised}  unrealised {unrealised}  fees {fees}{funding}");
        lines.push(Line::from(Span::styled(text, head())));
    }
    for (name, fields) in &data.strategies {
        let fields: Vec<String> = fields.iter().map(|(k, v)| format!("{k} {v}")).collect();
        lines.push(Line::from(format!("{name}: {}", fields.join("  "))));
    }
    frame.render_widget(Paragraph::new(lines).block(block(" orders ")), area);
}

fn draw_threads(frame: &mut Frame<'_>, area: Rect, rows: &[ThreadLine]) {
    let lines = rows.iter().take(THREADS).map(|row| {
        let cpu = row.cpu.map_or("-".to_owned(), |cpu| cpu.to_string());
        let (busy, longest) = (row.busy_percent, duration(row.longest_ns));
        Line::from(format!("cpu {cpu:<3} busy {busy:5.1} %  longest {longest:>8}  {}", row.agents))
    });
    let lines: Vec<Line<'_>> = lines.collect();
    frame.render_widget(Paragraph::new(lines).block(block(" threads, last second ")), area);
}

fn draw_log(frame: &mut Frame<'_>, area: Rect, data: &BoardData) {
    let room = usize::from(area.height.saturating_sub(2));
    let first = data.log.len().saturating_sub(room);
    let lines: Vec<Line<'_>> = data.log[first..]
        .iter()
        .map(|row| {
            let color = match row.level.as_str() {
                "error" => Color::Red,
                "warn" => Color::Yellow,
                _ => Color::Reset,
            };
            let text = format!("{:8.3} {:5} {}", row.after_s, row.level, row.text);
            Line::from(Span::styled(text, Style::default().fg(color)))
        })
        .collect();
    frame.render_widget(Paragraph::new(lines).block(block(" log ")), area);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shm::OrderCounters;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    fn data() -> BoardData {
        let book = |name: &str, bid: &str, ask: &str| BookRow {
            name: name.to_owned(),
            bid: (bid.to_owned(), "0.5".to_owned()),
            ask: (ask.to_owned(), "1.25".to_owned()),
            state: BookState::Live,
            age_ms: 3,
            position: "0.02".to_owned(),
            realised: "1.50".to_owned(),
            fees: "0.12".to_owned(),
        };
        BoardData {
            title: "stoop".to_owned(),
            running_s: 3_661,
            books: vec![
                book("BTC/USDT@a", "61685.99", "61686.00"),
                book("BTC/USDT@b", "61690.1", "61690.2"),
            ],
            spreads: vec![("BTC".to_owned(), 0.66)],
            venues: vec![
                VenueRow {
                    name: "a".to_owned(),
                    feed: Readiness::Ready,
                    feed_lines: (1, 2),
                    orders: true,
                    limit_percent: 12,
                    margin_percent: Some(31.4),
                    suspended_ms: 0,
                },
                VenueRow {
                    name: "b".to_owned(),
                    suspended_ms: 41_001,
                    orders: true,
                    ..VenueRow::default()
                },
            ],
            counters: OrderCounters {
                orders_sent: 40,
                orders_filled: 38,
                ..OrderCounters::default()
            },
            pnl: vec![(
                "USDT".to_owned(),
                PnlLine {
                    realised: "3.00".to_owned(),
                    unrealised: "0.10".to_owned(),
                    fees: "0.24".to_owned(),
                    funding: Some("-0.05".to_owned()),
                },
            )],
            latency: vec![LatencyRow {
                stage: "tick_to_order",
                count: 40,
                p50: 8_400,
                p99: 25_000,
                p999: 1_200_000,
                max: 2_000_000_000,
            }],
            threads: vec![ThreadLine {
                cpu: Some(2),
                busy_percent: 12.34,
                longest_ns: 45_670,
                agents: "feed:a oms".to_owned(),
            }],
            hint: "q stops".to_owned(),
            ..BoardData::default()
        }
    }

    #[test]
    fn everything_that_matters_is_on_the_board() {
        let mut terminal = Terminal::new(TestBackend::new(130, 24)).unwrap();
        terminal.draw(|frame| draw(frame, &data())).unwrap();
        let buffer = terminal.backend().buffer();
        let screen: Vec<String> = (0..24)
            .map(|y| (0..130).map(|x| buffer[(x, y)].symbol().to_owned()).collect())
            .collect();
        let screen = screen.join("\n");
        for text in [
            "01:01:01",
            "b suspended 42 s",
            "BTC spread +0.66 bp",
            "61685.99",
            "61690.2",
            "live",
            "0.02",
            "orders sent 40  filled 38  rejected 0",
            "USDT realised 3.00",
            "funding -0.05",
            "a ready, limit 12 %, margin 31 %, feed 1 of 2",
            "8.4 us",
            "25.0 us",
            "1.2 ms",
            "2.0 s",
            "cpu 2   busy  12.3 %  longest  45.7 us  feed:a oms",
            "q stops",
        ] {
            assert!(screen.contains(text), "{text:?} is not on\n{screen}");
        }
    }

    #[test]
    fn a_tiny_terminal_does_not_panic() {
        for (width, height) in [(1, 1), (10, 3), (40, 8)] {
            let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
            terminal.draw(|frame| draw(frame, &data())).unwrap();
        }
    }
}
