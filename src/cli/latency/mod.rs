//! `stoop latency`: what each stage of a running engine takes, and the worst paths with all their
//! stamps; as a live table, one table, JSON or an HdrHistogram log.
//!
//! Reads the region of the instance and nothing else: the engine does not notice.

mod feeds;
mod hlog;
mod json;
mod report;
mod table;

use super::instance::{Instance, died};
use super::monitor::has_died;
use super::{EXIT_OK, Failure};
use report::Report;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

/// What was typed.
#[derive(clap::Args)]
pub(super) struct Options {
    /// Instance: `name` in its [engine]; without it that of ./engine.toml; without such a file the
    /// only one that runs
    #[arg(long, value_name = "INSTANCE")]
    name: Option<String>,
    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
    /// Write a log in HdrHistogram's format, one histogram per stage and venue
    #[arg(long, value_name = "FILE")]
    hlog: Option<PathBuf>,
    /// Interval that corrects for coordinated omission, nanoseconds; without it the mean interval of
    /// each histogram, 0 for no correction
    #[arg(long, value_name = "NS")]
    interval: Option<u64>,
    /// How many of the worst paths to show, at most 100 of each venue
    #[arg(long, value_name = "N", default_value_t = 5)]
    worst: usize,
    /// Tell the underlyings apart
    #[arg(long)]
    by_group: bool,
    /// Show it again every second, also without a terminal
    #[arg(long, conflicts_with = "once")]
    watch: bool,
    /// Show it once, also on a terminal
    #[arg(long)]
    once: bool,
}

/// Pause between two tables.
const EVERY: Duration = Duration::from_secs(1);

/// Shows the latency of a running instance.
pub(super) fn latency(options: &Options) -> Result<u8, Failure> {
    let instance = Instance::find(options.name.as_deref())?;
    let view = instance.attach()?;
    let live = options.watch || !options.once && !options.json && std::io::stdout().is_terminal();
    loop {
        let report = Report::collect(
            &instance.name,
            &view,
            options.by_group,
            options.interval,
            options.worst,
        );
        if let Some(path) = &options.hlog {
            hlog::write(&report, path)
                .map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
        }
        if show(&report, options.json, live).is_err() || !live || view.has_ended() {
            // Whoever read our output has gone: nothing is left to do.
            return Ok(EXIT_OK);
        }
        if has_died(&view) {
            return Err(died(&instance.name, view.pid()));
        }
        std::thread::sleep(EVERY);
    }
}

fn show(report: &Report, json: bool, live: bool) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    if json {
        writeln!(out, "{}", json::object(report))?;
        return out.flush();
    }
    let clears = live && out.is_terminal();
    let text = table::text(report);
    // Home, then what is left of the table before behind it: no flicker.
    let (before, after) = if clears { ("\x1b[H", "\x1b[J") } else { ("", "") };
    let text = if clears { text.replace('\n', "\x1b[K\n") } else { text };
    write!(out, "{before}{text}{after}")?;
    if live && !clears {
        writeln!(out)?;
    }
    out.flush()
}
