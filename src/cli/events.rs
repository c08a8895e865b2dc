//! `stoop events`: what an operator wants to have been told, out of the journal; with `--follow` as it
//! happens.

#![forbid(unsafe_code)]

use super::instance::died;
use super::monitor::has_died;
use super::output::{List, end_of, read_error};
use super::pick::{Of, Pick};
use super::source::Source;
use super::{EXIT_OK, Failure};
use crate::oms::Replayed;
use crate::shm::MarketView;
use crate::show::table;
use crate::show::{EVENT_COLUMNS, EventRow, Events, From, Group, Walk};
use crate::types::Nanos;
use std::collections::VecDeque;
use std::io::Write;
use std::time::Duration;

/// Events that are shown if it is said neither how many nor since when.
const SHOWN: usize = 50;
/// Pause between two looks at a journal that is being written.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What was typed.
#[derive(clap::Args)]
pub(super) struct Options {
    /// Go on with what happens from now on, until Ctrl-C or the end of the instance; before that come
    /// those that --since and --last choose
    #[arg(long)]
    follow: bool,
    /// Only these levels and worse: info, warn, error
    #[arg(long, value_enum, default_value = "info")]
    level: Level,
    #[command(flatten)]
    pick: Pick,
    /// Print one JSON object; with --follow one a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    source: Source,
}

impl Options {
    /// How many of what has happened are shown.
    fn most(&self) -> usize {
        match (self.pick.last(), self.pick.since_when()) {
            (Some(last), _) => last,
            (None, true) => usize::MAX,
            (None, false) if self.follow => 0,
            (None, false) if self.json => usize::MAX,
            (None, false) => SHOWN,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
enum Level {
    Info,
    Warn,
    Error,
}

impl Level {
    fn of(event: &EventRow) -> Self {
        match event.level {
            "error" => Self::Error,
            "warn" => Self::Warn,
            _ => Self::Info,
        }
    }
}

/// Whether an event is wanted. One that belongs to no venue is of all of them.
pub(super) fn takes(pick: &Pick, event: &EventRow, now: Nanos) -> bool {
    let EventRow { time, venue, instrument, strategy, .. } = event;
    pick.takes(Of { time: *time, venue, instrument, strategy }, now)
}

/// Shows events.
pub(super) fn events(options: &Options) -> Result<u8, Failure> {
    let subject = options.source.find()?;
    let now = super::wall_clock();
    let chosen = options.pick.since_when() || options.pick.last().is_some();
    let from = if options.follow && !chosen { From::Newest } else { options.pick.from(now) };
    let mut walk = subject.walk(from)?;
    let mut events = Events::over(walk.state(), now);
    let most = options.most();
    let mut found = false;
    let mut kept: VecDeque<EventRow> = VecDeque::new();
    let wants =
        |event: &EventRow| Level::of(event) >= options.level && takes(&options.pick, event, now);
    let mut keep = |group: &Group, walk: &Walk| {
        let Some(state) = walk.state() else { return };
        for event in events.take(group, state).into_iter().filter(&wants) {
            found = true;
            kept.push_back(event);
            if kept.len() > most {
                kept.pop_front();
            }
        }
    };
    if options.follow {
        while let Some(group) = walk.next().map_err(read_error)? {
            keep(&group, &walk);
        }
    } else {
        while let Some(group) = walk.step().map_err(read_error)? {
            keep(&group, &walk);
        }
    }
    options.pick.check(found, &subject)?;
    let rows: Vec<table::Row> = kept.iter().map(EventRow::cells).collect();
    if !options.follow {
        let (columns, none) = (&EVENT_COLUMNS[..], "no events");
        let list = List { name: "events", head: subject.head(), columns, rows: &rows, none };
        return list.print(options.json);
    }
    let mut out = std::io::stdout().lock();
    for event in &kept {
        end_of(writeln!(out, "{}", line(event, options.json)))?;
    }
    let has_ended = || subject.view.as_ref().is_none_or(is_over);
    let code = follow(&mut walk, has_ended, |group, state| {
        for event in events.take(group, state).iter().filter(|event| wants(event)) {
            writeln!(out, "{}", line(event, options.json))?;
        }
        out.flush()
    })?;
    match &subject.view {
        Some(view) if !view.has_ended() && has_died(view) => {
            Err(died(subject.instance.as_deref().unwrap_or("?"), view.pid()))
        }
        _ => Ok(code),
    }
}

/// Whether an instance has ended, in good order or not.
fn is_over(view: &MarketView) -> bool {
    view.has_ended() || has_died(view)
}

/// Hands over every input as it comes, until the instance has ended and nothing more can.
fn follow(
    walk: &mut Walk,
    has_ended: impl Fn() -> bool,
    mut each: impl FnMut(&Group, &Replayed) -> std::io::Result<()>,
) -> Result<u8, Failure> {
    loop {
        let ended = has_ended();
        let more = walk.go_on().map_err(read_error)?;
        loop {
            let next = if more { walk.next() } else { walk.settle() };
            let Some(group) = next.map_err(read_error)? else { break };
            let Some(state) = walk.state() else { continue };
            if let Err(error) = each(&group, state) {
                return end_of(Err(error)).map(|()| EXIT_OK);
            }
        }
        if ended && !more {
            return Ok(EXIT_OK);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// One event as one line.
fn line(event: &EventRow, json: bool) -> String {
    if json {
        return table::object(&EVENT_COLUMNS, &event.cells()).to_string();
    }
    let EventRow { level, kind, venue, text, .. } = event;
    format!("{} {level:<5} {kind:<10} {venue:<13} {text}", table::utc(event.time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line() {
        let event = EventRow {
            sequence: 7,
            time: Nanos(1_795_000_000_123_456_789),
            level: "warn",
            kind: "ready",
            venue: "a".to_owned(),
            text: "gets no new orders".to_owned(),
            ..EventRow::default()
        };
        let expected =
            "2026-11-18T11:06:40.123456Z warn  ready      a             gets no new orders";
        assert_eq!(line(&event, false), expected);
        let object: serde_json::Value = serde_json::from_str(&line(&event, true)).unwrap();
        assert_eq!(object["time_ns"], 1_795_000_000_123_456_789u64);
        assert_eq!((&object["kind"], &object["record"]), (&"ready".into(), &7.into()));
        assert!(Level::of(&event) > Level::Info && Level::of(&event) < Level::Error);
    }
}
