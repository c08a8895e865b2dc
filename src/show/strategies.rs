//! Each strategy as its own file tells it: where it runs, that it lives, how full its rings are, what it
//! says of itself. All of that is its own statement.

#![forbid(unsafe_code)]

use super::table::{Cell, Column, Kind, Row};
use crate::shm::{MarketView, StatusValue, StrategyFile, StrategyLook};
use crate::types::{Nanos, ProcessEnd};
use std::path::Path;

/// Columns of [`StrategyNow::cells`].
pub const STRATEGY_COLUMNS: [Column; 10] = [
    Column::new("strategy", Kind::Text),
    Column::new("state", Kind::Text),
    Column::new("runs_as", Kind::Text),
    Column::hidden("pid", Kind::Count),
    Column::new("starts", Kind::Count),
    Column::new("heartbeat_age", Kind::Age),
    Column::new("requests_waiting", Kind::Count),
    Column::new("reports_waiting", Kind::Count),
    Column::hidden("updated", Kind::Time),
    Column::new("status", Kind::Text),
];

/// One strategy.
#[derive(Clone, Debug, Default)]
pub struct StrategyNow {
    /// Its name.
    pub name: String,
    /// What its file says, if it can be read.
    pub look: Option<StrategyLook>,
    /// It runs in a process of its own.
    pub is_process: bool,
    /// How that ended, if it is not started again.
    pub ended: Option<ProcessEnd>,
}

/// Looks at the files of these strategies in the folder of an instance, and at what its region says of
/// them.
#[must_use]
pub fn strategies(folder: &Path, names: &[String], view: &MarketView) -> Vec<StrategyNow> {
    let (engine, ends) = (view.pid(), view.counters().ended);
    let now = |(at, name): (usize, &String)| {
        let look = StrategyFile::look(folder, name).ok();
        let is_process = look.as_ref().is_some_and(|look| look.pid != engine);
        StrategyNow { name: name.clone(), look, is_process, ended: ends.get(at).copied().flatten() }
    };
    names.iter().enumerate().map(now).collect()
}

impl StrategyNow {
    /// Its cells, in the order of [`STRATEGY_COLUMNS`]. `held` are the lines of what is held back, as the
    /// journal tells them.
    #[must_use]
    pub fn cells(&self, held: &[String], now: Nanos) -> Row {
        let state = self.state(held);
        let Some(look) = &self.look else {
            let mut row = vec![Cell::Empty; STRATEGY_COLUMNS.len()];
            row[0] = self.name.as_str().into();
            row[1] = state.into();
            return row;
        };
        let lives = look.heartbeat > Nanos(0);
        vec![
            self.name.as_str().into(),
            state.into(),
            self.runs_as().into(),
            if self.ended.is_some() { Cell::Empty } else { Cell::count(look.pid.into()) },
            Cell::count(u64::from(look.run) + 1),
            if lives { Cell::count(now.since(look.heartbeat)) } else { Cell::Empty },
            Cell::count(look.requests.waiting.into()),
            Cell::count(look.reports.waiting.into()),
            look.status.as_ref().map_or(Cell::Empty, |status| Cell::time(status.updated_ns)),
            self.status().into(),
        ]
    }

    /// `active`, how it is held back, or how its process ended that is not started again.
    #[must_use]
    pub fn state(&self, held: &[String]) -> String {
        match self.ended {
            Some(end) => format!("ended ({end})"),
            None => self.held(held).unwrap_or("active").to_owned(),
        }
    }

    /// How it is held back, if it is: `paused`, `halted`.
    fn held<'h>(&self, held: &'h [String]) -> Option<&'h str> {
        let begin = format!("strategy {} is ", self.name);
        held.iter().find_map(|text| text.strip_prefix(&begin))
    }

    /// `thread`, or the number of its process; nothing if that has ended.
    #[must_use]
    pub fn runs_as(&self) -> String {
        match &self.look {
            _ if self.ended.is_some() => String::new(),
            Some(look) if self.is_process => format!("process {}", look.pid),
            Some(_) => "thread".to_owned(),
            None => String::new(),
        }
    }

    /// What it says of itself, as text.
    #[must_use]
    pub fn fields(&self) -> Vec<(String, String)> {
        let text = |value| match value {
            StatusValue::Int(number) => number.to_string(),
            StatusValue::Decimal(number) => number.to_string(),
            StatusValue::Float(number) => format!("{number:.2}"),
            StatusValue::Text(text) => text.to_string(),
        };
        let status = self.look.iter().filter_map(|look| look.status.as_ref());
        let fields = status.flat_map(crate::shm::Status::fields);
        fields.map(|(name, value)| (name.to_owned(), text(value))).collect()
    }

    fn status(&self) -> String {
        let fields = self.fields();
        let words: Vec<String> =
            fields.iter().map(|(name, value)| format!("{name} {value}")).collect();
        words.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shm::{Market, OrderCounters, RegionOptions, StrategyOptions};
    use crate::types::{InstrumentTable, Request};

    #[test]
    fn a_strategy_is_shown_as_its_file_tells_it() {
        let folder = std::env::temp_dir().join(format!("stoop-show-{}", std::process::id()));
        let options = StrategyOptions { run: 2, requests: 8, ..StrategyOptions::default() };
        let (oms, mut end) = StrategyFile::create(&folder, "arb", &options).unwrap();
        end.beat(Nanos(1_000));
        end.requests.push(&Request::CancelAll).unwrap();
        let mut status = crate::shm::Status::new();
        status.int("open", 3).unwrap();
        status.text("mode", "hunting").unwrap();
        end.status.publish(&status, Nanos(900));
        let names = ["arb".to_owned(), "gone".to_owned()];
        let own = std::process::id();
        let market = Market::in_memory(&InstrumentTable::default(), &RegionOptions::default());
        let market = market.unwrap();
        let view = market.view();
        let rows = strategies(&folder, &names, &view);
        let held = ["strategy arb is paused".to_owned()];
        let cells = rows[0].cells(&held, Nanos(5_000));
        let count = Cell::Count;
        let expected: Row = vec![
            "arb".into(),
            "paused".into(),
            "thread".into(),
            count(own.into()),
            count(3),
            count(4_000),
            count(1),
            count(0),
            Cell::Time(Nanos(900)),
            "open 3, mode hunting".into(),
        ];
        assert_eq!(cells, expected);
        let other = StrategyNow { is_process: true, ..rows[0].clone() };
        assert_eq!(other.runs_as(), format!("process {own}"));
        let mut counters = OrderCounters::default();
        counters.ended[0] = Some(ProcessEnd::Signal(9));
        market.account_writer().unwrap().set_counters(&counters);
        let ended = &strategies(&folder, &names, &view)[0];
        assert_eq!(
            ended.cells(&held, Nanos(5_000))[..4],
            ["arb".into(), "ended (SIGKILL)".into(), "".into(), Cell::Empty]
        );
        assert_eq!(
            rows[1].cells(&held, Nanos(5_000))[..3],
            ["gone".into(), "active".into(), Cell::Empty]
        );
        drop((oms, end));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
