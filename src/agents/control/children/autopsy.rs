//! What is written down of a strategy's process that died: how it ended, what it said and asked for
//! last, and which orders it left.

#![forbid(unsafe_code)]

use super::super::crash::Incident;
use super::super::wire::Names;
use super::{ChildPlan, Death};
use crate::agents::children::Left;
use crate::shm::{MarketView, StatusValue, StrategyFile};
use crate::strategy::process::BACKTRACE_MARK;
use crate::types::{InstrumentTable, Leg, Nanos, Params, ProcessEnd, Request, signal_name};
use serde_json::{Map, Value, json};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;

/// Requests that are shown.
const SIGNALS_SHOWN: usize = 32;

/// How a process ended, in words.
pub(super) fn ending(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("it ended with exit code {code}"),
        (None, Some(signal)) => {
            let core = if status.core_dumped() { ", core dumped" } else { "" };
            let name = signal_name(signal).unwrap_or("of another kind");
            format!("it was ended by signal {signal} ({name}){core}")
        }
        (None, None) => "it ended, nobody knows how".to_owned(),
    }
}

/// The same for those who are told that it is not started again.
pub(super) fn end(status: ExitStatus) -> ProcessEnd {
    match (status.code(), status.signal()) {
        (None, Some(signal)) => ProcessEnd::Signal(signal),
        (code, _) => ProcessEnd::Exit(code.unwrap_or(-1)),
    }
}

/// What the kernel says of each thread of a process that hangs: name, state, what it waits in.
pub(super) fn threads(pid: u32) -> String {
    let folder = format!("/proc/{pid}/task");
    let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
    let rows = entries.map(|entry| {
        let read = |name: &str| {
            let text = std::fs::read_to_string(entry.path().join(name)).unwrap_or_default();
            text.trim().replace('\n', " ")
        };
        let stat = read("stat");
        let state = stat.rsplit(") ").next().and_then(|rest| rest.chars().next()).unwrap_or('?');
        let id = entry.file_name();
        format!(
            "thread {} {}: state {state}, waits in {}, system call {}",
            id.to_string_lossy(),
            read("comm"),
            read("wchan"),
            read("syscall")
        )
    });
    rows.collect::<Vec<_>>().join("\n")
}

/// The backtrace that a process left on standard error: of this library's panics, of Rust's own, or of
/// Python's.
pub(super) fn backtrace(stderr: &str, how: &str) -> String {
    let marks = [BACKTRACE_MARK, "stack backtrace:", "Traceback (most recent call last):"];
    let found = marks.iter().find_map(|mark| stderr.rfind(mark));
    found.map_or_else(
        || format!("none: {how}, and it left none on standard error"),
        |at| stderr[at..].to_owned(),
    )
}

/// What is known, as files of a bundle.
pub(super) fn incident(
    (plan, death): (&ChildPlan, &Death),
    left: &Left,
    (folder, view, names): (&Path, &MarketView, &Names),
) -> Incident {
    let table = view.instruments();
    let orders: Vec<Value> = left.orders.iter().map(|row| json!(names.order(row))).collect();
    let state = json!({
        "strategy": plan.name, "pid": death.pid, "command": plan.process.command,
        "exit_code": death.status.code(), "signal": death.status.signal(),
        "core_dumped": death.status.core_dumped(), "ended": death.how, "killed_because": death.why,
        "ran_ms": death.ran_ms, "starts": death.runs, "noticed_ns": death.noticed.0,
        "last_heartbeat_ns": death.heartbeat.0, "params": params_text(&left.params),
        "last_status": last_status(folder, &plan.name), "open_orders": orders,
    });
    let signals = last_signals(folder, &plan.name, table);
    let pretty = |value: &Value| serde_json::to_string_pretty(value).unwrap_or_default();
    let files = vec![
        ("strategy.json", pretty(&state)),
        ("signals.json", pretty(&signals)),
        ("stdout.txt", death.stdout.clone()),
        ("stderr.txt", death.stderr.clone()),
        ("backtrace.txt", backtrace(&death.stderr, &death.how)),
        ("threads.txt", death.threads.clone()),
    ];
    let why = death.why.as_ref().map(|why| format!("{why}; ")).unwrap_or_default();
    Incident {
        agent: format!("strategy:{}", plan.name),
        thread: format!("process {}", death.pid),
        message: format!("{why}{}", death.how),
        backtrace: None,
        files,
    }
}

fn params_text(params: &Params) -> Value {
    let rows = params.iter().map(|(name, value)| (name.to_string(), json!(value.to_string())));
    Value::Object(rows.collect::<Map<String, Value>>())
}

/// Its own statement; `null` if there is none that can be read.
fn last_status(folder: &Path, name: &str) -> Value {
    let look = StrategyFile::look(folder, name);
    let Some(status) = look.ok().and_then(|look| look.status) else { return Value::Null };
    let fields = status.fields().map(|(name, value)| {
        let value = match value {
            StatusValue::Int(value) => json!(value),
            StatusValue::Decimal(value) => json!(value.to_string()),
            StatusValue::Float(value) => json!(value),
            StatusValue::Text(value) => json!(value.as_str()),
        };
        (name.to_owned(), value)
    });
    json!({ "updated_ns": status.updated_ns.0, "fields": fields.collect::<Map<_, _>>() })
}

/// What it asked for last, oldest first; an error where it wrote something else.
fn last_signals(folder: &Path, name: &str, table: &InstrumentTable) -> Value {
    let requests = match StrategyFile::newest_requests(folder, name, SIGNALS_SHOWN) {
        Ok(requests) => requests,
        Err(error) => return json!({ "error": error.to_string() }),
    };
    let rows = requests.into_iter().map(|request| match request {
        Err(bad) => json!({ "bad": bad.to_string() }),
        Ok(Request::Signal(signal)) => json!({
            "signal": signal.id.0, "emitted_ns": signal.emitted_ns.0,
            "legs": signal.legs().iter().map(|leg| leg_text(leg, table)).collect::<Vec<_>>(),
        }),
        Ok(Request::Cancel(id)) => json!({ "cancel": id.to_string() }),
        Ok(Request::CancelAll) => json!({ "cancel": "all" }),
        Ok(Request::Replace { id, price, qty }) => {
            json!({ "replace": id.to_string(), "price_units": price.0, "qty_units": qty.0 })
        }
        Ok(Request::Watch(id)) => {
            json!({ "watch": table.get(id).map_or("?", |row| row.name.as_str()) })
        }
    });
    rows.collect()
}

fn leg_text(leg: &Leg, table: &InstrumentTable) -> String {
    let Some(row) = table.get(leg.instrument) else { return format!("{leg:?}") };
    let (price, qty) = (row.scale.price_decimal(leg.price), row.scale.qty_decimal(leg.qty));
    format!("{} {} {} at {}", leg.side, qty.normalize(), row.name, price.normalize())
}

/// A death is only then one of the engine's own doing if it has ended everything.
pub(super) fn is_crash(status: ExitStatus, why: Option<&str>) -> bool {
    !status.success() || why.is_some()
}

/// How long it ran.
pub(super) fn ran_ms(started: Nanos, ended: Nanos) -> u64 {
    ended.since(started) / 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_are_told_with_their_signal_or_code() {
        let of = |raw| ending(ExitStatus::from_raw(raw));
        assert_eq!(of(9), "it was ended by signal 9 (SIGKILL)");
        assert_eq!(of(0x8b), "it was ended by signal 11 (SIGSEGV), core dumped");
        assert_eq!(of(0x6500), "it ended with exit code 101");
        assert_eq!(end(ExitStatus::from_raw(0x8b)), ProcessEnd::Signal(11));
        assert_eq!(end(ExitStatus::from_raw(0x6500)), ProcessEnd::Exit(101));
        assert!(is_crash(ExitStatus::from_raw(0x100), None));
        assert!(!is_crash(ExitStatus::from_raw(0), None));
        assert!(is_crash(ExitStatus::from_raw(0), Some("it hung")));
    }

    #[test]
    fn a_backtrace_is_found_in_what_was_printed() {
        let own = format!("fine\npanicked at x\n{BACKTRACE_MARK}\n 0: here");
        assert!(backtrace(&own, "").starts_with(BACKTRACE_MARK));
        let python = "a\nTraceback (most recent call last):\n File x\nKeyError: 1";
        assert!(backtrace(python, "").ends_with("KeyError: 1"));
        assert!(backtrace("a", "it was ended by signal 9").starts_with("none: it was ended"));
    }

    #[test]
    fn the_kernel_tells_of_this_process() {
        let text = threads(std::process::id());
        assert!(text.contains("state ") && text.contains("waits in"), "{text}");
    }
}
