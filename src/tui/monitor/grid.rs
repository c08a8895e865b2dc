//! Rows with named columns on a screen: as many columns as fit, in the order in which they matter.

#![forbid(unsafe_code)]

use super::frame::Theme;
use crate::show::table::{Cell, Column, Kind, Row, age, short, span};
use crate::types::Nanos;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Paragraph};

/// What is drawn.
pub(super) struct Grid<'a> {
    pub title: String,
    pub columns: &'a [Column],
    pub rows: &'a [Row],
    /// Names of the columns that are wanted, the most important first.
    pub wanted: &'a [&'a str],
    /// Line that is marked; `None`: the newest are last, and shown.
    pub selected: Option<usize>,
    /// What stands where there are no rows.
    pub none: &'a str,
}

impl Grid<'_> {
    /// Draws it.
    pub fn draw(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme) {
        let block = Block::default().borders(Borders::ALL).title(format!(" {} ", self.title));
        let inside = block.inner(area);
        frame.render_widget(block, area);
        let room = usize::from(inside.height.saturating_sub(1));
        if self.rows.is_empty() {
            let none = Paragraph::new(self.none).style(theme.dim());
            frame.render_widget(none, inside);
            return;
        }
        let first = first_line(self.selected, self.rows.len(), room);
        let shown: Vec<&Row> = self.rows.iter().skip(first).take(room).collect();
        let columns = self.fitting(&shown, inside.width.into());
        let mut lines = vec![Line::styled(head(&columns), theme.head())];
        for (at, row) in shown.iter().enumerate() {
            let marked = self.selected == Some(first + at);
            lines.push(self.line(row, &columns, marked, theme));
        }
        frame.render_widget(Paragraph::new(lines), inside);
    }

    /// The wanted columns that fit, with their widths, in the order wanted.
    fn fitting(&self, shown: &[&Row], room: usize) -> Vec<Fit> {
        let (mut columns, mut used) = (Vec::new(), 0);
        for name in self.wanted {
            let Some(at) = self.columns.iter().position(|column| column.name == *name) else {
                continue;
            };
            let column = self.columns[at];
            let title = title(column.name);
            let cell =
                |row: &&Row| row.get(at).map_or(0, |cell| text(cell, column.kind).chars().count());
            let widest = shown.iter().map(cell).max().unwrap_or(0).max(title.chars().count());
            let gap = if columns.is_empty() { 0 } else { 2 };
            let is_last = self.wanted.last() == Some(name);
            // The last one is words, and is cut where the screen ends.
            let width = match is_last && column.kind == Kind::Text {
                true => widest.min(room.saturating_sub(used + gap)),
                false => widest,
            };
            if width == 0 || used + gap + width > room {
                break;
            }
            used += gap + width;
            columns.push(Fit { at, column, width, title });
        }
        columns
    }

    fn line(&self, row: &Row, columns: &[Fit], marked: bool, theme: &Theme) -> Line<'static> {
        let mut spans = Vec::new();
        for (number, fit) in columns.iter().enumerate() {
            if number > 0 {
                spans.push(Span::raw("  "));
            }
            let word = row.get(fit.at).map(|cell| text(cell, fit.column.kind)).unwrap_or_default();
            let word: String = word.chars().take(fit.width).collect();
            let style = theme.cell(fit.column.name, &word);
            spans.push(Span::styled(fit.padded(&word), style));
        }
        let line = Line::from(spans);
        if marked {
            line.patch_style(Style::default().add_modifier(Modifier::REVERSED))
        } else {
            line
        }
    }
}

/// The first line of which the marked one, or the last, is still on the screen.
fn first_line(selected: Option<usize>, lines: usize, room: usize) -> usize {
    match selected {
        None => lines.saturating_sub(room),
        Some(at) => (at + 1).saturating_sub(room),
    }
}

/// A column that fits.
struct Fit {
    at: usize,
    column: Column,
    width: usize,
    title: String,
}

impl Fit {
    fn padded(&self, word: &str) -> String {
        let width = self.width;
        match self.column.kind {
            Kind::Number | Kind::Count | Kind::Span | Kind::Age => format!("{word:>width$}"),
            _ => format!("{word:<width$}"),
        }
    }
}

fn head(columns: &[Fit]) -> String {
    let titles: Vec<String> = columns.iter().map(|fit| fit.padded(&fit.title)).collect();
    titles.join("  ")
}

fn title(name: &str) -> String {
    name.replace('_', " ")
}

/// A cell on a screen: the time of the day will do.
fn text(cell: &Cell, kind: Kind) -> String {
    match cell {
        Cell::Empty => String::new(),
        Cell::NotSet => "not set".to_owned(),
        Cell::Text(text) if kind == Kind::Number => short(text).to_owned(),
        Cell::Text(text) => text.clone(),
        Cell::Count(ns) if kind == Kind::Span => span(*ns),
        Cell::Count(ns) if kind == Kind::Age => age(*ns),
        Cell::Count(number) => number.to_string(),
        Cell::Time(at) => time_of_day(*at),
        Cell::Flag(yes) => (if *yes { "yes" } else { "no" }).to_owned(),
    }
}

/// `06:34:05.123`, UTC.
pub(super) fn time_of_day(at: Nanos) -> String {
    let ms = at.0 / 1_000_000;
    let seconds = ms / 1_000;
    let (hours, minutes) = (seconds / 3_600 % 24, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}.{:03}", seconds % 60, ms % 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_marked_or_newest_is_on_the_screen() {
        assert_eq!(first_line(None, 30, 10), 20);
        assert_eq!(first_line(None, 5, 10), 0);
        assert_eq!(first_line(Some(9), 30, 10), 0);
        assert_eq!(first_line(Some(10), 30, 10), 1);
        assert_eq!(first_line(Some(29), 30, 10), 20);
    }

    #[test]
    fn a_screen_shows_the_time_of_the_day() {
        assert_eq!(time_of_day(Nanos(1_795_000_000_123_456_789)), "11:06:40.123");
    }
}
