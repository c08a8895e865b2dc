//! Rows with named columns, once for people, for programs and for spreadsheets: whatever a command
//! lists goes through here, so that a column has one name and one meaning in all three.
//!
//! Amounts are exact decimals as text, never floating-point numbers; people see eight decimals of them. A time is told in nanoseconds
//! since the UNIX epoch and, for people, as UTC with microseconds; a span of time in nanoseconds and,
//! for people, with the unit that fits.

#![forbid(unsafe_code)]

use crate::types::Nanos;
use serde_json::{Map, Value};
use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

/// What stands in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Words.
    Text,
    /// An exact decimal, as text.
    Number,
    /// A whole number.
    Count,
    /// A moment: `NAME_ns` and `NAME` for programs.
    Time,
    /// A span of time, nanoseconds: `NAME_ns` for programs.
    Span,
    /// A span since what comes again and again, nanoseconds: `NAME_ns` for programs. People see that it
    /// has come just now, as what is below a millisecond tells how they looked and not how it goes.
    Age,
    /// Yes or no.
    Flag,
}

/// One column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name for programs; people see it with spaces.
    pub name: &'static str,
    /// What stands in it.
    pub kind: Kind,
    /// Whether people see it: they can read only so many.
    pub shown: bool,
}

impl Column {
    /// A column that people see.
    #[must_use]
    pub const fn new(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, shown: true }
    }

    /// A column for programs only.
    #[must_use]
    pub const fn hidden(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, shown: false }
    }
}

/// What one row has in one column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Cell {
    /// Nothing: not known, or not there.
    #[default]
    Empty,
    /// There is none, which is not the same as one that is 0.
    NotSet,
    /// Words, or an exact decimal.
    Text(String),
    /// A whole number, or a span in nanoseconds.
    Count(i64),
    /// A moment.
    Time(Nanos),
    /// Yes or no.
    Flag(bool),
}

impl Cell {
    /// A moment; 0 is none.
    #[must_use]
    pub fn time(at: Nanos) -> Self {
        if at == Nanos(0) { Self::Empty } else { Self::Time(at) }
    }

    /// A count.
    #[must_use]
    pub fn count(number: u64) -> Self {
        Self::Count(i64::try_from(number).unwrap_or(i64::MAX))
    }

    fn shown(&self, kind: Kind) -> String {
        match self {
            Self::Empty => String::new(),
            Self::NotSet => "not set".to_owned(),
            Self::Text(text) if kind == Kind::Number => short(text).to_owned(),
            Self::Text(text) => text.clone(),
            Self::Count(ns) if kind == Kind::Span => span(*ns),
            Self::Count(ns) if kind == Kind::Age => age(*ns),
            Self::Count(number) => number.to_string(),
            Self::Time(at) => utc(*at),
            Self::Flag(yes) => (if *yes { "yes" } else { "no" }).to_owned(),
        }
    }

    /// For spreadsheets.
    fn plain(&self) -> String {
        match self {
            Self::Time(at) => at.0.to_string(),
            Self::Count(number) => number.to_string(),
            Self::Flag(yes) => yes.to_string(),
            Self::NotSet => String::new(),
            Self::Empty | Self::Text(_) => self.shown(Kind::Text),
        }
    }

    fn value(&self) -> Value {
        match self {
            Self::Empty | Self::NotSet => Value::Null,
            Self::Text(text) => text.as_str().into(),
            Self::Count(number) => (*number).into(),
            Self::Time(at) => at.0.into(),
            Self::Flag(yes) => (*yes).into(),
        }
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        if text.is_empty() { Self::Empty } else { Self::Text(text) }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

/// Decimals that people see; the rest is cut off, and is there for programs.
const DECIMALS_SHOWN: usize = 8;

/// A decimal for people: with at most so many digits behind the point, the rest cut off.
#[must_use]
pub fn short(number: &str) -> &str {
    let end = number.find('.').map_or(number.len(), |dot| dot + 1 + DECIMALS_SHOWN);
    match number.get(..end) {
        Some(cut) if end < number.len() => match cut.trim_end_matches('0').trim_end_matches('.') {
            "-0" => "0",
            cut => cut,
        },
        _ => number,
    }
}

/// One row: as many cells as there are columns.
pub type Row = Vec<Cell>;

/// `2026-11-28T06:34:05.123456Z`
#[must_use]
pub fn utc(at: Nanos) -> String {
    let time = SystemTime::UNIX_EPOCH + Duration::from_nanos(at.0);
    humantime::format_rfc3339_micros(time).to_string()
}

/// A span of nanoseconds with the unit that fits.
#[must_use]
pub fn span(ns: i64) -> String {
    let sign = if ns < 0 { "-" } else { "" };
    let ns = ns.unsigned_abs();
    let text = match ns {
        0..1_000 => format!("{ns} ns"),
        1_000..1_000_000 => format!("{:.1} us", ns as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} ms", ns as f64 / 1e6),
        1_000_000_000..60_000_000_000 => format!("{:.1} s", ns as f64 / 1e9),
        _ => clock(ns / 1_000_000_000),
    };
    format!("{sign}{text}")
}

/// A span since what comes again and again.
#[must_use]
pub fn age(ns: i64) -> String {
    if ns < 1_000_000 { "below 1 ms".to_owned() } else { span(ns) }
}

/// Seconds as `01:02:03`, with days before it from one day on.
#[must_use]
pub fn clock(seconds: u64) -> String {
    let day = match seconds / 86_400 {
        0 => String::new(),
        days => format!("{days}d "),
    };
    let (hours, minutes) = (seconds / 3_600 % 24, seconds / 60 % 60);
    format!("{day}{hours:02}:{minutes:02}:{:02}", seconds % 60)
}

/// The rows as people read them, under a line of titles; only titles if there are none.
#[must_use]
pub fn text(columns: &[Column], rows: &[Row]) -> String {
    let shown: Vec<usize> = (0..columns.len()).filter(|at| columns[*at].shown).collect();
    let cell = |row: &Row, at: usize| {
        row.get(at).map(|cell| cell.shown(columns[at].kind)).unwrap_or_default()
    };
    let title = |at: &usize| columns[*at].name.replace('_', " ");
    let mut lines: Vec<Vec<String>> = vec![shown.iter().map(title).collect()];
    lines.extend(rows.iter().map(|row| shown.iter().map(|at| cell(row, *at)).collect()));
    let width = |at: usize| lines.iter().map(|line| line[at].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..shown.len()).map(width).collect();
    let mut text = String::new();
    for line in &lines {
        let mut out = String::new();
        for ((word, width), at) in line.iter().zip(&widths).zip(&shown) {
            let gap = if out.is_empty() { "" } else { "  " };
            let _ = match columns[*at].kind {
                Kind::Text | Kind::Flag | Kind::Time => write!(out, "{gap}{word:<width$}"),
                Kind::Number | Kind::Count | Kind::Span | Kind::Age => {
                    write!(out, "{gap}{word:>width$}")
                }
            };
        }
        text.push_str(out.trim_end());
        text.push('\n');
    }
    text
}

/// One row as an object.
#[must_use]
pub fn object(columns: &[Column], row: &Row) -> Value {
    let mut object = Map::new();
    for (column, cell) in columns.iter().zip(row) {
        let name = column.name.to_owned();
        match column.kind {
            Kind::Time => {
                object.insert(format!("{name}_ns"), cell.value());
                let text = cell.shown(column.kind);
                object.insert(name, if text.is_empty() { Value::Null } else { text.into() });
            }
            Kind::Span | Kind::Age => {
                object.insert(format!("{name}_ns"), cell.value());
            }
            _ => {
                object.insert(name, cell.value());
            }
        }
    }
    Value::Object(object)
}

/// All rows as objects.
#[must_use]
pub fn objects(columns: &[Column], rows: &[Row]) -> Value {
    rows.iter().map(|row| object(columns, row)).collect()
}

/// The names of the columns in a spreadsheet, without the end of the line.
#[must_use]
pub fn csv_head(columns: &[Column]) -> String {
    let names = columns.iter().flat_map(|column| match column.kind {
        Kind::Time => vec![format!("{}_ns", column.name), column.name.to_owned()],
        Kind::Span | Kind::Age => vec![format!("{}_ns", column.name)],
        _ => vec![column.name.to_owned()],
    });
    names.collect::<Vec<_>>().join(",")
}

/// One row of a spreadsheet, without the end of the line.
#[must_use]
pub fn csv_row(columns: &[Column], row: &Row) -> String {
    let fields = columns.iter().zip(row).flat_map(|(column, cell)| match column.kind {
        Kind::Time => vec![cell.plain(), cell.shown(column.kind)],
        _ => vec![cell.plain()],
    });
    fields.map(|field| csv_field(&field)).collect::<Vec<_>>().join(",")
}

/// A field of a spreadsheet, quoted where that is needed.
#[must_use]
pub fn csv_field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const COLUMNS: [Column; 6] = [
        Column::new("time", Kind::Time),
        Column::new("fee_asset", Kind::Text),
        Column::new("price", Kind::Number),
        Column::hidden("fills", Kind::Count),
        Column::new("age", Kind::Span),
        Column::new("ready", Kind::Flag),
    ];

    fn rows() -> [Row; 2] {
        let time = Cell::Time(Nanos(1_795_000_000_123_456_789));
        [
            vec![
                time,
                "a \"b\", c".into(),
                "0.10".into(),
                Cell::Count(7),
                Cell::Count(1_500),
                Cell::Flag(true),
            ],
            vec![Cell::default(); 6],
        ]
    }

    #[test]
    fn people_see_columns_that_line_up() {
        let expected = "\
time                         fee asset  price     age  ready
2026-11-18T11:06:40.123456Z  a \"b\", c    0.10  1.5 us  yes

";
        assert_eq!(text(&COLUMNS, &rows()), expected);
        assert_eq!(text(&COLUMNS[1..3], &[]), "fee asset  price\n");
    }

    #[test]
    fn programs_get_every_column_and_nothing_as_null() {
        let [full, empty] = rows();
        let expected = json!({
            "time_ns": 1_795_000_000_123_456_789u64, "time": "2026-11-18T11:06:40.123456Z",
            "fee_asset": "a \"b\", c", "price": "0.10", "fills": 7, "age_ns": 1_500, "ready": true,
        });
        assert_eq!(object(&COLUMNS, &full), expected);
        let nothing = object(&COLUMNS, &empty);
        assert!(nothing.as_object().is_some_and(|all| all.len() == 7));
        assert!(nothing.as_object().is_some_and(|all| all.values().all(Value::is_null)));
    }

    #[test]
    fn spreadsheets_get_the_same_columns() {
        let [full, empty] = rows();
        assert_eq!(csv_head(&COLUMNS), "time_ns,time,fee_asset,price,fills,age_ns,ready");
        let line =
            "1795000000123456789,2026-11-18T11:06:40.123456Z,\"a \"\"b\"\", c\",0.10,7,1500,true";
        assert_eq!(csv_row(&COLUMNS, &full), line);
        assert_eq!(csv_row(&COLUMNS, &empty), ",,,,,,");
    }

    #[test]
    fn people_see_eight_decimals_and_programs_all() {
        let cases = [
            ("600", "600"),
            ("9999.00", "9999.00"),
            ("0.123456789", "0.12345678"),
            ("-1.500000001", "-1.5"),
            ("-0.000000000000000001", "0"),
            ("7.000000004", "7"),
        ];
        for (exact, shown) in cases {
            assert_eq!(short(exact), shown);
        }
        let columns = [Column::new("fee", Kind::Number)];
        let row: Row = vec!["0.123456789".into()];
        assert_eq!(text(&columns, std::slice::from_ref(&row)), "       fee\n0.12345678\n");
        assert_eq!(csv_row(&columns, &row), "0.123456789");
        assert_eq!(object(&columns, &row)["fee"], "0.123456789");
    }

    #[test]
    fn spans_have_the_unit_that_fits() {
        let cases = [
            (0, "0 ns"),
            (-2_150, "-2.1 us"),
            (999_949, "999.9 us"),
            (12_000_000, "12.0 ms"),
            (59_900_000_000, "59.9 s"),
            (3_661_000_000_000, "01:01:01"),
            (90_061_000_000_000, "1d 01:01:01"),
        ];
        for (ns, expected) in cases {
            assert_eq!(span(ns), expected);
        }
        for (ns, expected) in [(0, "below 1 ms"), (999_999, "below 1 ms"), (1_000_000, "1.0 ms")] {
            assert_eq!(age(ns), expected);
        }
    }
}
