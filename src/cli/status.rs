//! `stoop status`: whether an instance lives, and the duty cycle of each of its threads.
//!
//! Reads the region of the instance and nothing else: the engine does not notice.

use super::operate::{Instance, To};
use super::{EXIT_INSTANCE, EXIT_OK, Failure};
use crate::shm::{MarketView, ThreadRow};
use crate::types::Nanos;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

/// What is shown.
struct Report {
    instance: String,
    pid: u32,
    /// Since the start.
    elapsed_ns: u64,
    /// Since the order manager last said that it lives.
    heartbeat_age_ns: u64,
    threads: Vec<ThreadRow>,
}

/// Shows a running instance.
pub(super) fn status(to: &To) -> Result<u8, Failure> {
    let instance = Instance::find(to.name.as_deref())?;
    let view = MarketView::attach(&instance.folder)
        .map_err(|error| Failure { code: EXIT_INSTANCE, message: error.to_string() })?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = Nanos(now.as_nanos() as u64);
    let report = Report {
        instance: instance.name,
        pid: view.pid(),
        elapsed_ns: now.since(view.started()),
        heartbeat_age_ns: now.since(view.heartbeat()),
        threads: view.threads(),
    };
    let text = if to.json { format!("{}\n", object(&report)) } else { text(&report) };
    // Whoever read our output may have gone: nothing is left to do then.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
    Ok(EXIT_OK)
}

/// Everything as one object; times in nanoseconds, shares of 1.
fn object(report: &Report) -> Value {
    json!({
        "instance": report.instance,
        "pid": report.pid,
        "elapsed_ns": report.elapsed_ns,
        "heartbeat_age_ns": report.heartbeat_age_ns,
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
    let seconds = report.elapsed_ns / 1_000_000_000;
    let _ = writeln!(
        text,
        "{}, process {}, running {:02}:{:02}:{:02}, heartbeat {} ms ago\n",
        report.instance,
        report.pid,
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60,
        report.heartbeat_age_ns / 1_000_000,
    );
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
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shm::{AgentDuty, Duty};

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
        Report {
            instance: "test".to_owned(),
            pid: 77,
            elapsed_ns: 3_671_000_000_000,
            heartbeat_age_ns: 2_000_000,
            threads: vec![ThreadRow { cpu: Some(2), duty, agents: agents.into() }],
        }
    }

    #[test]
    fn people_see_each_thread_and_what_its_agents_take() {
        let text = text(&report());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "test, process 77, running 01:01:11, heartbeat 2 ms ago");
        let words: Vec<&str> = lines[3].split_whitespace().collect();
        let expected = "2 4000000 25.00 % 1.25 % 345.7 us 21.9 us feed:a 80 %, oms 20 %";
        assert_eq!(words, expected.split_whitespace().collect::<Vec<_>>());
    }

    #[test]
    fn programs_get_every_figure() {
        let object = object(&report());
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
