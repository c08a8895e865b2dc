//! `stoop status`: what an operator asks first of a running instance: what it is allowed to do, which
//! venues are ready and why not, orders, positions, profit, limits in force, the last event; then the duty cycle of
//! each of its threads.
//!
//! Reads the region and the end of the journal and nothing else: the engine does not notice.

use super::Failure;
use super::instance::Instance;
use super::operate::To;
use super::output::{List, print};
use crate::journal::Place;
use crate::shm::{MarketView, OrderCounters, ThreadRow};
use crate::show::present::{self, PNL_COLUMNS, POSITION_COLUMNS, PnlNow};
use crate::show::table::{self, Row};
use crate::show::venues::{VENUE_COLUMNS, venues};
use crate::show::{
    About, EVENT_COLUMNS, Fold, From, LIMIT_COLUMNS, LimitNow, Recorded, STRATEGY_COLUMNS, Walk,
    WalkError, limits, strategies,
};
use crate::types::{Amount, Nanos};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// An order manager that has said nothing for so long stands still.
const STANDS_STILL_NS: u64 = 2_000_000_000;

/// What is shown.
struct Report {
    instance: String,
    about: About,
    pid: u32,
    /// Since the start.
    elapsed_ns: u64,
    /// Since the order manager last said that it lives.
    heartbeat_age_ns: u64,
    counters: OrderCounters,
    venues: Vec<Row>,
    positions: Vec<Row>,
    pnl: Vec<Row>,
    limits: Vec<Row>,
    strategies: Vec<Row>,
    recorded: Recorded,
    /// Why the journal tells nothing.
    journal_error: Option<String>,
    threads: Vec<ThreadRow>,
}

/// What the journal tells besides, or why it tells nothing.
fn recorded(about: &About, now: Nanos) -> (Recorded, Option<String>) {
    let Some(folder) = &about.journal else { return (Recorded::default(), None) };
    let read = || -> Result<Recorded, WalkError> {
        let mut walk = Walk::open(&Place::Folder(folder.clone()), From::Newest)?;
        let mut fold = Fold::over(walk.state(), now);
        while let Some(group) = walk.step()? {
            if let Some(state) = walk.state() {
                fold.take(&group, state);
            }
        }
        Ok(fold.show(walk.state()).clone())
    };
    match read() {
        Ok(recorded) => (recorded, None),
        Err(error) => (Recorded::default(), Some(error.to_string())),
    }
}

/// Shows a running instance.
pub(super) fn status(to: &To) -> Result<u8, Failure> {
    let instance = Instance::find(to.name.as_deref())?;
    let view = instance.attach()?;
    let report = Report::collect(&instance, &view, super::wall_clock());
    print(&if to.json { format!("{}\n", object(&report)) } else { text(&report) })
}

impl Report {
    fn collect(instance: &Instance, view: &MarketView, now: Nanos) -> Self {
        let (about, table) = (instance.about(), view.instruments());
        let (recorded, journal_error) = recorded(&about, now);
        let held = view.positions();
        let held = held.iter().filter(|row| row.qty != Amount::ZERO);
        let pnl = view.pnl();
        let strategies = strategies(&instance.folder, &about.strategies, view);
        let strategies = strategies.iter().map(|row| row.cells(&recorded.held, now)).collect();
        Self {
            instance: instance.name.clone(),
            pid: view.pid(),
            elapsed_ns: now.since(view.started()),
            heartbeat_age_ns: view.silence_ns(now),
            counters: view.counters(),
            venues: venues(view).iter().map(|row| row.cells(now)).collect(),
            positions: held.map(|row| present::position_cells(row, table)).collect(),
            pnl: pnl.iter().map(|row| PnlNow::of_row(row, table).cells()).collect(),
            limits: limits(view, &about.strategies).iter().map(LimitNow::cells).collect(),
            strategies,
            threads: view.threads(),
            about,
            recorded,
            journal_error,
        }
    }
}

impl Report {
    fn stands_still(&self) -> bool {
        self.heartbeat_age_ns > STANDS_STILL_NS
    }
}

/// Everything as one object; times in nanoseconds, shares of 1.
fn object(report: &Report) -> Value {
    let Report { about, counters: c, recorded, .. } = report;
    let last = recorded.events.back();
    json!({
        "instance": report.instance,
        "pid": report.pid,
        "mode": about.mode,
        "version": about.version,
        "config": about.config,
        "layout": about.layout,
        "journal": about.journal.as_ref().map(|path| path.display().to_string()),
        "journal_error": report.journal_error,
        "journal_records": c.journal_records,
        "journal_unsynced": c.journal_unsynced,
        "journal_syncs": c.journal_syncs == 1,
        "elapsed_ns": report.elapsed_ns,
        "heartbeat_age_ns": report.heartbeat_age_ns,
        "stands_still": report.stands_still(),
        "trading_state": c.trading_state.to_string(),
        "loss_switch": c.loss_switch.map(|switch| switch.to_string()),
        "held": recorded.held,
        "venues": table::objects(&VENUE_COLUMNS, &report.venues),
        "orders": {
            "open": c.orders_open,
            "unknown": c.orders_unknown,
            "external": c.orders_external,
            "sent": c.orders_sent,
            "filled": c.orders_filled,
            "canceled": c.orders_canceled,
            "expired": c.orders_expired,
            "rejected": c.orders_rejected,
            "fills": c.fills,
            "signals": c.signals,
            "signals_refused": c.signals_refused,
        },
        "positions": table::objects(&POSITION_COLUMNS, &report.positions),
        "pnl": table::objects(&PNL_COLUMNS, &report.pnl),
        "limits": table::objects(&LIMIT_COLUMNS, &report.limits),
        "strategies": table::objects(&STRATEGY_COLUMNS, &report.strategies),
        "last_event": last.map(|event| table::object(&EVENT_COLUMNS, &event.cells())),
        "threads": report.threads.iter().map(thread).collect::<Vec<_>>(),
    })
}

fn thread(row: &ThreadRow) -> Value {
    let share = |ppm: u64| ppm as f64 / 1e6;
    let duty = &row.duty;
    let agents = row.agents.iter().map(|agent| {
        let part = share(row.part_ppm(agent));
        json!({ "name": agent.name, "busy_ns": agent.busy_ns, "part": part })
    });
    json!({
        "name": row.agents.first().map(|agent| &agent.name),
        "cpu": row.cpu,
        "agents": agents.collect::<Vec<_>>(),
        "rounds": duty.rounds,
        "rounds_busy": duty.rounds_busy,
        "busy_ns": duty.busy_ns,
        "busy_share": share(duty.busy_ppm()),
        "longest_ns": duty.longest_ns,
        "last_second": {
            "ns": duty.recent_ns,
            "busy_ns": duty.recent_busy_ns,
            "busy_share": share(duty.recent_busy_ppm()),
            "longest_ns": duty.recent_longest_ns,
        },
        "updated_ns": duty.updated_ns.0,
    })
}

fn text(report: &Report) -> String {
    let mut text = String::new();
    if report.stands_still() {
        let seconds = report.heartbeat_age_ns / 1_000_000_000;
        let _ = writeln!(
            text,
            "THE ORDER MANAGER STANDS STILL for {seconds} s; what follows is from then"
        );
    }
    let _ = writeln!(
        text,
        "{}, process {}, running {}, heartbeat {} ms ago",
        report.instance,
        report.pid,
        table::clock(report.elapsed_ns / 1_000_000_000),
        report.heartbeat_age_ns / 1_000_000,
    );
    trading_text(&mut text, report);
    text.push('\n');
    let lists = [
        (&VENUE_COLUMNS[..], &report.venues, "no venues"),
        (&POSITION_COLUMNS[..], &report.positions, "no positions"),
        (&PNL_COLUMNS[..], &report.pnl, "nothing was traded"),
        (&LIMIT_COLUMNS[..], &report.limits, "the limits in force are not known yet"),
        (&STRATEGY_COLUMNS[..], &report.strategies, "no strategies"),
    ];
    for (columns, rows, none) in lists {
        let list = List { name: "", head: Vec::new(), columns, rows, none };
        let _ = writeln!(text, "{}", list.text());
    }
    threads_text(&mut text, report);
    text
}

/// What it may do and has done.
fn trading_text(text: &mut String, report: &Report) {
    let Report { about, counters: c, recorded, .. } = report;
    let mode = if about.is_live() { "LIVE" } else { &about.mode };
    let switch = c.loss_switch.map_or(String::new(), |switch| {
        format!(", the {switch} switch was thrown: `stoop resume` when that is understood")
    });
    let _ = writeln!(text, "mode {mode}, trading {}{switch}", c.trading_state);
    for held in &recorded.held {
        let _ = writeln!(text, "{held}");
    }
    let _ = writeln!(
        text,
        "orders {} open, {} of unknown outcome; {} sent, {} filled, {} refused by venues; \
         {} of {} signals refused by limits",
        c.orders_open,
        c.orders_unknown,
        c.orders_sent,
        c.orders_filled,
        c.orders_rejected,
        c.signals_refused,
        c.signals,
    );
    if about.journal.is_some() {
        let never = if c.journal_syncs == 0 { ": it is never asked to have them" } else { "" };
        let (records, unsynced) = (c.journal_records, c.journal_unsynced);
        let _ =
            writeln!(text, "journal {records} records, {unsynced} perhaps not on the disk{never}");
    }
    if let Some(event) = recorded.events.back() {
        let venue =
            if event.venue.is_empty() { String::new() } else { format!("{} ", event.venue) };
        let (at, text_of) = (table::utc(event.time), &event.text);
        let _ = writeln!(text, "last event {at} {}: {venue}{text_of}", event.level);
    }
    if let Some(error) = &report.journal_error {
        let _ = writeln!(text, "the journal cannot be read: {error}");
    }
}

fn threads_text(text: &mut String, report: &Report) {
    let _ = writeln!(
        text,
        "{:<5}{:>13}{:>9}{:>9}{:>12}{:>12}   agents and their parts of the busy time",
        "cpu", "rounds", "busy", "now", "longest", "now"
    );
    for row in &report.threads {
        let duty = &row.duty;
        let percent = |ppm: u64| format!("{:.2} %", ppm as f64 / 1e4);
        let us = |ns: u64| format!("{:.1} us", ns as f64 / 1e3);
        let agents = row.agents.iter();
        let agents =
            agents.map(|agent| format!("{} {:.0} %", agent.name, row.part_ppm(agent) as f64 / 1e4));
        let agents = agents.collect::<Vec<_>>().join(", ");
        let _ = writeln!(
            text,
            "{:<5}{:>13}{:>9}{:>9}{:>12}{:>12}   {}",
            row.cpu.map_or("any".to_owned(), |cpu| cpu.to_string()),
            duty.rounds,
            percent(duty.busy_ppm()),
            percent(duty.recent_busy_ppm()),
            us(duty.longest_ns),
            us(duty.recent_longest_ns),
            agents
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shm::{AgentDuty, Duty, RingUse, StrategyLook};
    use crate::show::{EventRow, StrategyNow};

    fn report() -> Report {
        let duty = Duty {
            started_ns: Nanos(1_000_000_000),
            updated_ns: Nanos(11_000_000_000),
            rounds: 4_000_000,
            rounds_busy: 1_000,
            busy_ns: 2_500_000_000,
            longest_ns: 345_678,
            recent_ns: 1_000_000_000,
            recent_busy_ns: 12_500_000,
            recent_longest_ns: 21_900,
        };
        let agents = [("feed:a", 2_000_000_000), ("oms", 500_000_000)]
            .map(|(name, busy_ns)| AgentDuty { name: name.to_owned(), busy_ns });
        let event = EventRow {
            time: Nanos(1_795_000_000_000_000_000),
            level: "warn",
            kind: "ready",
            venue: "a".to_owned(),
            text: "gets no new orders".to_owned(),
            ..EventRow::default()
        };
        let pnl = PnlNow {
            quote: "USDT".to_owned(),
            realised: Amount(3 * 10i128.pow(17)),
            unrealised: Some(Amount::ZERO),
            ..PnlNow::default()
        };
        let limit = LimitNow { name: "drawdown_max", ..LimitNow::default() };
        let look = StrategyLook {
            pid: 78,
            run: 1,
            heartbeat: Nanos(3_000_000),
            requests: RingUse::of(2, 256),
            ..StrategyLook::default()
        };
        let strategy = StrategyNow {
            name: "spread".to_owned(),
            look: Some(look),
            is_process: true,
            ended: None,
        };
        // It has beaten after the look began.
        let look = StrategyLook { heartbeat: Nanos(5_000_001), ..StrategyLook::default() };
        let idle =
            StrategyNow { name: "idle".to_owned(), look: Some(look), ..StrategyNow::default() };
        let now = Nanos(5_000_000);
        Report {
            instance: "test".to_owned(),
            about: About {
                mode: "live".to_owned(),
                journal: Some("journal/test-live".into()),
                ..About::default()
            },
            pid: 77,
            elapsed_ns: 3_671_000_000_000,
            heartbeat_age_ns: 2_000_000,
            counters: OrderCounters {
                orders_sent: 40,
                orders_filled: 38,
                journal_records: 700,
                journal_unsynced: 4,
                journal_syncs: 1,
                ..Default::default()
            },
            venues: Vec::new(),
            positions: Vec::new(),
            pnl: vec![pnl.cells()],
            limits: vec![limit.cells()],
            strategies: vec![strategy.cells(&[], now), idle.cells(&[], now)],
            recorded: Recorded {
                held: vec!["strategy spread is halted".to_owned()],
                events: [event].into(),
                ..Recorded::default()
            },
            journal_error: None,
            threads: vec![ThreadRow { cpu: Some(2), duty, agents: agents.into() }],
        }
    }

    #[test]
    fn people_see_first_what_matters_first() {
        let expected = "\
test, process 77, running 01:01:11, heartbeat 2 ms ago
mode LIVE, trading active
strategy spread is halted
orders 0 open, 0 of unknown outcome; 40 sent, 38 filled, 0 refused by venues; 0 of 0 signals refused by limits
journal 700 records, 4 perhaps not on the disk
last event 2026-11-18T11:06:40.000000Z warn: a gets no new orders

no venues

no positions

of   asset  realised  unrealised  fees  funding  net
all  USDT        0.3           0     0        0  0.3

limit         of    value  used  percent
drawdown_max      not set

strategy  state   runs as     starts  heartbeat age  requests waiting  reports waiting  status
spread    active  process 78       2         2.0 ms                 2                0
idle      active  thread           1     below 1 ms                 0                0
";
        let text = text(&report());
        assert!(text.starts_with(expected), "{text}");
    }

    #[test]
    fn an_order_manager_that_stands_still_is_told_before_all_else() {
        let alive = Report { heartbeat_age_ns: STANDS_STILL_NS, ..report() };
        assert!(text(&alive).starts_with("test, process 77"));
        assert_eq!(object(&alive)["stands_still"], false);
        let hung = Report { heartbeat_age_ns: 7_900_000_000, ..report() };
        let expected = "THE ORDER MANAGER STANDS STILL for 7 s; what follows is from then\ntest, ";
        assert!(text(&hung).starts_with(expected), "{}", text(&hung));
        assert_eq!(object(&hung)["stands_still"], true);
    }

    #[test]
    fn a_journal_that_the_disk_is_not_asked_to_have_is_not_taken_for_stored() {
        let counters =
            OrderCounters { journal_syncs: 0, journal_unsynced: 700, ..report().counters };
        let report = Report { counters, ..report() };
        let text = text(&report);
        let line =
            "journal 700 records, 700 perhaps not on the disk: it is never asked to have them\n";
        assert!(text.contains(line), "{text}");
        let object = object(&report);
        assert_eq!(
            (&object["journal_unsynced"], &object["journal_syncs"]),
            (&json!(700), &json!(false))
        );
    }

    #[test]
    fn people_see_each_thread_and_what_its_agents_take() {
        let text = text(&report());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "test, process 77, running 01:01:11, heartbeat 2 ms ago");
        let words: Vec<&str> = lines.last().unwrap().split_whitespace().collect();
        let expected = "2 4000000 25.00 % 1.25 % 345.7 us 21.9 us feed:a 80 %, oms 20 %";
        assert_eq!(words, expected.split_whitespace().collect::<Vec<_>>());
    }

    #[test]
    fn programs_get_every_figure() {
        let object = object(&report());
        assert_eq!((&object["mode"], &object["orders"]["sent"]), (&json!("live"), &json!(40)));
        assert_eq!(object["pnl"][0]["realised"], "0.3");
        assert_eq!(object["last_event"]["kind"], "ready");
        let thread = &object["threads"][0];
        assert_eq!((&thread["name"], &thread["cpu"]), (&json!("feed:a"), &json!(2)));
        assert_eq!(thread["busy_share"], 0.25);
        assert_eq!(thread["longest_ns"], 345_678);
        assert_eq!(thread["last_second"]["busy_share"], 0.0125);
        assert_eq!(thread["last_second"]["longest_ns"], 21_900);
        assert_eq!(
            thread["agents"][1],
            json!({ "name": "oms", "busy_ns": 500_000_000, "part": 0.2 })
        );
    }
}
