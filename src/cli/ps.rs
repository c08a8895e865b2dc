//! `stoop ps`: this user's instances, those that have died too.

#![forbid(unsafe_code)]

use super::Failure;
use super::instance::{self, Instance};
use super::output::List;
use crate::shm::{MarketView, OrderCounters, RegionError};
use crate::show::table::{Cell, Column, Kind, Row};
use crate::show::{About, venues};
use crate::types::Nanos;

/// A heart that has not beaten for so long stands still.
const SILENT_NS: u64 = 2_000_000_000;

/// What was typed.
#[derive(clap::Args)]
pub(super) struct Options {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

const COLUMNS: [Column; 15] = [
    Column::new("name", Kind::Text),
    Column::new("pid", Kind::Count),
    Column::new("mode", Kind::Text),
    Column::new("state", Kind::Text),
    Column::new("age", Kind::Span),
    Column::new("heartbeat", Kind::Age),
    Column::new("trading", Kind::Text),
    Column::new("venues", Kind::Text),
    Column::new("strategies", Kind::Text),
    Column::hidden("started", Kind::Time),
    Column::hidden("version", Kind::Text),
    Column::hidden("config", Kind::Text),
    Column::hidden("journal", Kind::Text),
    Column::hidden("folder", Kind::Text),
    Column::hidden("problem", Kind::Text),
];

/// Lists them.
pub(super) fn ps(options: &Options) -> Result<u8, Failure> {
    let now = super::wall_clock();
    // A folder without a region is what a person has put there: a kill file.
    let made = |one: &Instance| one.folder.join("market").exists() || one.answers();
    let found = instance::all().into_iter().filter(made);
    let rows: Vec<Row> = found.map(|one| look(&one, now)).collect();
    List {
        name: "instances",
        head: Vec::new(),
        columns: &COLUMNS,
        rows: &rows,
        none: "no instance runs",
    }
    .print(options.json)
}

fn look(instance: &Instance, now: Nanos) -> Row {
    let view = MarketView::attach(&instance.folder);
    let folder = instance.folder.display().to_string();
    let seen = Seen { name: &instance.name, folder, answers: instance.answers(), now };
    row(&seen, &instance.about(), view.as_ref())
}

/// How an instance looks from outside.
struct Seen<'a> {
    name: &'a str,
    folder: String,
    /// Its socket takes connections.
    answers: bool,
    now: Nanos,
}

fn row(seen: &Seen<'_>, about: &About, view: Result<&MarketView, &RegionError>) -> Row {
    let journal = about.journal.as_ref().map(|path| path.display().to_string());
    let tail = |started: Cell, problem: String| {
        [
            started,
            about.version.as_str().into(),
            about.config.as_str().into(),
            journal.clone().unwrap_or_default().into(),
            seen.folder.as_str().into(),
            problem.into(),
        ]
    };
    let mode = about.mode.as_str().into();
    let Ok(view) = view else {
        let problem = view.err().map(ToString::to_string).unwrap_or_default();
        let state = if seen.answers { "unreadable" } else { "dead" };
        let mut cells = vec![seen.name.into(), Cell::Empty, mode, state.into()];
        cells.extend([const { Cell::Empty }; 5]);
        cells.extend(tail(Cell::Empty, problem));
        return cells;
    };
    let heartbeat_ns = view.silence_ns(seen.now);
    let state = state(seen.answers, view.has_ended(), heartbeat_ns);
    let [trading, venues, strategies] = match state {
        "dead" | "ended" => [const { Cell::Empty }; 3],
        _ => {
            let counters = view.counters();
            let strategies = strategy_states(&about.strategies, &counters);
            let trading = counters.trading_state.to_string();
            [trading.into(), venue_states(view, seen.now).into(), strategies.into()]
        }
    };
    let mut cells = vec![
        seen.name.into(),
        Cell::count(view.pid().into()),
        mode,
        state.into(),
        Cell::count(seen.now.since(view.started())),
        Cell::count(heartbeat_ns),
        trading,
        venues,
        strategies,
    ];
    let problem = match state {
        "dead" => "its process is gone; its folder is used again by the next start".to_owned(),
        "silent" => "its order manager stands still".to_owned(),
        _ => String::new(),
    };
    cells.extend(tail(Cell::time(view.started()), problem));
    cells
}

fn state(answers: bool, has_ended: bool, heartbeat_ns: u64) -> &'static str {
    match (answers, has_ended) {
        (_, true) => "ended",
        (false, false) => "dead",
        (true, false) if heartbeat_ns > SILENT_NS => "silent",
        (true, false) => "running",
    }
}

/// `a ready, b not ready (order entry is not ready)`
fn venue_states(view: &MarketView, now: Nanos) -> String {
    let all = venues::venues(view).into_iter().map(|venue| match venue.is_ready(now) {
        true => format!("{} ready", venue.name),
        false => format!("{} not ready ({})", venue.name, venue.brief(now)),
    });
    all.collect::<Vec<_>>().join(", ")
}

/// `a runs, b ended (exit 1)`
fn strategy_states(names: &[String], counters: &OrderCounters) -> String {
    let all = names.iter().enumerate().map(|(at, name)| match counters.ended.get(at) {
        Some(Some(end)) => format!("{name} ended ({end})"),
        _ => format!("{name} runs"),
    });
    all.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shm::{Market, RegionOptions};
    use crate::show::table;
    use crate::types::{Instrument, InstrumentTable};

    #[test]
    fn the_state_is_told_by_socket_and_heart() {
        assert_eq!(state(true, false, 0), "running");
        assert_eq!(state(true, false, SILENT_NS + 1), "silent");
        assert_eq!(state(false, false, 0), "dead");
        assert_eq!(state(false, true, 0), "ended");
    }

    #[test]
    fn a_strategy_that_has_ended_is_told_apart() {
        let mut counters = OrderCounters::default();
        counters.ended[1] = Some(crate::types::ProcessEnd::Exit(1));
        let names = ["a".to_owned(), "b".to_owned()];
        assert_eq!(strategy_states(&names, &counters), "a runs, b ended (exit 1)");
    }

    #[test]
    fn the_living_and_the_dead_are_told_apart() {
        let mut instruments = InstrumentTable::default();
        let asset = instruments.assets.intern("BTC");
        instruments.add(Instrument {
            name: "BTC/USDT@a".to_owned(),
            base: asset,
            quote: asset,
            ..Instrument::default()
        });
        let market = Market::in_memory(&instruments, &RegionOptions::default()).unwrap();
        let view = market.view();
        let now = view.started().plus(61_000_000_000);
        market.beat(now);
        let about = About { mode: "live".to_owned(), ..About::default() };
        let seen = |answers, now| Seen { name: "test", folder: "/x".to_owned(), answers, now };
        let text = |seen| table::text(&COLUMNS, &[row(&seen, &about, Ok(&view))]);
        let (pid, venue) = (std::process::id().to_string(), venues::venues(&view).remove(0).name);
        let words = |text: String| -> Vec<String> {
            text.lines().nth(1).unwrap().split_whitespace().map(str::to_owned).collect()
        };
        let running = words(text(seen(true, now.plus(2_000_000))));
        let expected = ["test", &pid, "live", "running", "00:01:01", "2.0", "ms", "active", &venue];
        assert_eq!(
            running,
            [&expected[..], &["not", "ready", "(the", "order", "manager", "stands", "still)"]]
                .concat()
        );
        let dead = words(text(seen(false, now.plus(3_600_000_000_000))));
        assert_eq!(dead, ["test", &pid, "live", "dead", "01:01:01", "01:00:00"]);
        let object = table::object(&COLUMNS, &row(&seen(false, now), &about, Ok(&view)));
        assert!(object["problem"].as_str().is_some_and(|text| text.contains("is gone")));
        let error = RegionError::Foreign { path: "/x/market".into() };
        let cells = row(&seen(true, now), &about, Err(&error));
        let object = table::object(&COLUMNS, &cells);
        assert_eq!((&object["state"], cells.len()), (&"unreadable".into(), COLUMNS.len()));
    }
}
