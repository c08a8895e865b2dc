//! `stoop replay`: the engine over recorded markets in virtual time, the same decisions every time.
//!
//! The recordings move the books of the embedded venues, and orders meet them there: an order that
//! rests waits behind what stood at its price before it, and is filled by the trades that reach it; one
//! that takes finds what is there when it arrives. Each way to and from a venue takes its time.

mod headers;

use super::summary::Summary;
use super::{ConfigArgument, EXIT_FAILURE, EXIT_OK, Failure};
use crate::config::{Config, Mode};
use crate::pipe::Latency;
use crate::rehearsal::{Rehearsal, Rehearsed, rehearse_with};
use crate::shm::Stage;
use crate::show::table::{span, utc};
use crate::sim::{Capture, Survey, survey};
use crate::strategy::Strategy;
use crate::types::{Nanos, VenueId};
use crate::venues;
use serde_json::{Value, json};
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What the command line asked for.
#[derive(clap::Args)]
pub(super) struct Options {
    /// Recordings, one instrument each: lines of a time in nanoseconds and a frame, in gzip. Several of
    /// one instrument follow each other
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Venue that they are played at; without it the one whose frames they are
    #[arg(long)]
    venue: Option<String>,
    /// One way to or from each venue, in microseconds
    #[arg(long, default_value_t = 500, value_name = "MICROSECONDS")]
    latency_us: u64,
    /// So many thousandths of that are added at random, by the configured seed
    #[arg(long, default_value_t = 200, value_name = "THOUSANDTHS")]
    jitter: u64,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    pub config: ConfigArgument,
}

/// From 2009 to 2200: the market is not older, and a later time is none.
const TIMES: std::ops::Range<u64> = 1_230_768_000_000_000_000..7_258_118_400_000_000_000;
/// Frames of several connections may come out of order by this much.
const UNORDERED_NS: u64 = 1_000_000_000;
/// Longest way.
const LATENCY_MAX_US: u64 = 10_000_000;

/// Replays.
pub(super) fn replay(
    config: &Config,
    options: &Options,
    strategies: Vec<(String, Box<dyn Strategy>)>,
) -> Result<u8, Failure> {
    // Whatever the mode is, a replay is played at the embedded venues: nothing else is spoken to.
    let mut config = Config { mode: Mode::Sim, ..config.clone() };
    leave_out_commands(&mut config);
    let config = &config;
    let venue = match &options.venue {
        Some(name) => Some(configured(config, name)?),
        None => None,
    };
    let recordings = survey_all(&options.files).map_err(Failure::new)?;
    headers::check(config, venue.as_deref(), &recordings).map_err(Failure::config)?;
    let last_ns = recordings.iter().map(|(_, found)| found.last_ns).max().unwrap_or_default();
    let frames = recordings.iter().map(|(_, found)| found.frames).sum();
    let holes = recordings.iter().map(|(_, found)| found.holes).sum();
    let (captures, first_ns) = captures(recordings, venue).map_err(Failure::new)?;
    let longest = last_ns.saturating_sub(first_ns);
    let way_ns = options.latency_us.min(LATENCY_MAX_US) * 1_000;
    let latency = Latency {
        min_ns: way_ns,
        max_ns: way_ns,
        jitter_ns: way_ns.saturating_mul(options.jitter.min(10_000)) / 1_000,
        ..Latency::default()
    };
    let start = beginning(first_ns);
    let rehearsal =
        Rehearsal { trading_ns: longest, captures, start, latency, ..Rehearsal::default() };
    let begun = Instant::now();
    let mut shown = Shown::new(!options.json, longest);
    let run = rehearse_with(config, strategies, &rehearsal, &mut |passed_ns| shown.show(passed_ns));
    shown.end();
    let run = run.map_err(Failure::new)?;
    let seconds = begun.elapsed().as_secs_f64();
    let replayed = Replayed { frames, holes, span_ns: longest, seconds };
    print(config, options, &run, &replayed)
}

/// Another program keeps another time: a strategy that a command runs has no part in a replay.
fn leave_out_commands(config: &mut Config) {
    config.strategies.retain(|strategy| {
        let is_ours = !strategy.run.is_foreign();
        if !is_ours {
            let name = &strategy.name;
            tracing::warn!("strategy {name} is left out: its command cannot run in virtual time");
        }
        is_ours
    });
}

/// A venue of the configuration by its name.
fn configured(config: &Config, name: &str) -> Result<String, Failure> {
    let known = venues::find(name).filter(|id| config.venues.iter().any(|row| row.venue == *id));
    known.map(|_| name.to_owned()).ok_or_else(|| {
        let names: Vec<&str> =
            config.venues.iter().map(|row| venues::VENUES[usize::from(row.venue.0)].name).collect();
        let text =
            format!("{name:?} is no venue of the configuration, which has {}", names.join(", "));
        Failure::config(text)
    })
}

/// Looks through all files, the earliest first; what of them cannot be played is said.
fn survey_all(files: &[PathBuf]) -> Result<Vec<(PathBuf, Survey)>, String> {
    let mut all = Vec::new();
    for path in files {
        let found = survey(path)?;
        let shown = path.display();
        if found.frames == 0 {
            let why = found.cut.map_or(String::new(), |cut| format!(": {cut}"));
            tracing::warn!("{shown}: it holds no frame{why}: it is left out");
            continue;
        }
        if let Some(cut) = &found.cut {
            tracing::warn!("{shown}: {cut}: it is played up to there");
        }
        if found.holes > 0 {
            tracing::warn!("{shown}: frames are missing in {} place(s)", found.holes);
        }
        all.push((path.clone(), found));
    }
    if all.is_empty() {
        return Err("no file holds a frame".to_owned());
    }
    sort(&mut all);
    Ok(all)
}

/// The earliest first; how they were named on the command line decides nothing.
fn sort(all: &mut [(PathBuf, Survey)]) {
    all.sort_by(|(path, found), (other_path, other)| {
        let key = (found.first_ns, &found.origin, path);
        key.cmp(&(other.first_ns, &other.origin, other_path))
    });
}

/// When the virtual clock begins: with the first book of the recording, so that its times are those of the
/// engine. Times that cannot be any are not taken for one.
fn beginning(first_ns: u64) -> Nanos {
    if TIMES.contains(&first_ns) { Nanos(first_ns) } else { Rehearsal::default().start }
}

/// Files of one instrument follow each other; of two that hold the same time one is too many. Also when
/// the first of all books was received. The first file of each must have one.
fn captures(
    recordings: Vec<(PathBuf, Survey)>,
    venue: Option<String>,
) -> Result<(Vec<Capture>, u64), String> {
    let mut first_ns = u64::MAX;
    let mut captures: Vec<(Survey, Capture)> = Vec::new();
    for (path, found) in recordings {
        let same = |(before, _): &&mut (Survey, Capture)| {
            found.origin.is_some() && before.origin == found.origin
        };
        if let Some((before, capture)) = captures.iter_mut().find(same) {
            if found.first_ns.saturating_add(UNORDERED_NS) < before.last_ns {
                let other = capture.files.last().unwrap_or(&path);
                return Err(overlap((other, before), (&path, &found)));
            }
            *before = found;
            capture.files.push(path);
            continue;
        }
        let without = || format!("{}: it holds no snapshot of the book", path.display());
        first_ns = first_ns.min(found.snapshot_ns.ok_or_else(without)?);
        let venue = venue.clone().unwrap_or_default();
        captures.push((found, Capture { files: vec![path], venue }));
    }
    Ok((captures.into_iter().map(|(_, capture)| capture).collect(), first_ns))
}

fn overlap(one: (&Path, &Survey), other: (&Path, &Survey)) -> String {
    let told = |(path, found): (&Path, &Survey)| {
        let time = |ns: u64| utc(Nanos(ns));
        format!("{} ({} to {})", path.display(), time(found.first_ns), time(found.last_ns))
    };
    let of = one.1.origin.as_ref();
    let of = of.map_or(String::new(), |of| format!(" {} of {}", of.symbol, of.venue));
    format!("{} and {} hold{of} at the same time: leave one of them out", told(one), told(other))
}

/// How far it is, on a terminal.
struct Shown {
    terminal: bool,
    span_ns: u64,
    calls: u32,
    at: Instant,
}

/// The clock is looked at once in so many calls.
const CALLS: u32 = 4_096;
/// How often a terminal is told.
const TOLD: Duration = Duration::from_millis(500);

impl Shown {
    fn new(wanted: bool, span_ns: u64) -> Self {
        let terminal = wanted && std::io::stderr().is_terminal();
        Self { terminal, span_ns: span_ns.max(1), calls: 0, at: Instant::now() }
    }

    fn show(&mut self, passed_ns: u64) {
        self.calls += 1;
        if !self.terminal || self.calls < CALLS {
            return;
        }
        self.calls = 0;
        if self.at.elapsed() >= TOLD {
            self.at = Instant::now();
            let percent = passed_ns as f64 * 100.0 / self.span_ns as f64;
            eprint!("\r\x1b[K{percent:.0} % of {}", span(self.span_ns as i64));
        }
    }

    fn end(&self) {
        if self.terminal {
            eprint!("\r\x1b[K");
        }
    }
}

/// What is printed beside the summary.
struct Replayed {
    frames: u64,
    holes: u64,
    span_ns: u64,
    seconds: f64,
}

impl Replayed {
    fn frames_per_second(&self) -> f64 {
        self.frames as f64 / self.seconds.max(1e-9)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn print(
    config: &Config,
    options: &Options,
    run: &Rehearsed,
    replayed: &Replayed,
) -> Result<u8, Failure> {
    let ids: Vec<VenueId> = config.venues.iter().map(|venue| venue.venue).collect();
    let mut summary = Summary::collect(&run.view, (&ids, &[]), &run.last);
    summary.mode = "replay";
    summary.layout = "one thread, virtual time".to_owned();
    summary.seconds = replayed.span_ns as f64 / 1e9;
    summary.differences = Some(run.differences.clone());
    // By the virtual clock the engine itself takes no time.
    let real = [Stage::Wire, Stage::Ack, Stage::Fill, Stage::LegSkew].map(Stage::name);
    summary.stages.retain(|(name, _)| real.contains(name));
    let decisions = hex(&run.decisions);
    let mut out = std::io::stdout().lock();
    // Whoever read our output may have gone: nothing is left to do then.
    if options.json {
        let mut object = summary.json();
        if let Value::Object(map) = &mut object {
            map.insert("decisions".to_owned(), json!(decisions));
            map.insert("frames".to_owned(), json!(replayed.frames));
            map.insert("holes".to_owned(), json!(replayed.holes));
            map.insert("funding_left_out".to_owned(), json!(run.unpaid));
            map.insert("rule_changes".to_owned(), json!(run.rule_changes));
            map.insert("replay_seconds".to_owned(), json!(replayed.seconds));
            map.insert("frames_per_second".to_owned(), json!(replayed.frames_per_second()));
        }
        let _ = writeln!(out, "{object}");
    } else {
        drop(out);
        summary.print();
        let mut out = std::io::stdout().lock();
        let _ = writeln!(
            out,
            "replayed    {} frames in {:.1} s, {:.0} a second\ndecisions   {decisions}",
            replayed.frames,
            replayed.seconds,
            replayed.frames_per_second()
        );
        if run.rule_changes > 0 {
            let _ = writeln!(out, "rules       {} changes of instruments", run.rule_changes);
        }
        if run.unpaid > 0 {
            let _ = writeln!(
                out,
                "funding     {} payments left out: the recording does not tell their rate, time or mark",
                run.unpaid
            );
        }
    }
    Ok(if summary.is_good() { EXIT_OK } else { EXIT_FAILURE })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::Origin;

    const DAY: u64 = 1_700_000_000_000_000_000;

    fn file(name: &str, venue: &str, symbol: &str, span: (u64, u64)) -> (PathBuf, Survey) {
        let (venue, symbol) = (venue.to_owned(), symbol.to_owned());
        let origin = Some(Origin { venue, symbol, perpetual: Some(false) });
        let (first_ns, last_ns) = (DAY + span.0 * 1_000_000_000, DAY + span.1 * 1_000_000_000);
        let snapshot_ns = Some(first_ns + 1);
        let found =
            Survey { origin, frames: 1, first_ns, last_ns, snapshot_ns, ..Survey::default() };
        (PathBuf::from(name), found)
    }

    #[test]
    fn the_order_of_the_arguments_does_not_matter() {
        let files = [
            file("c.gz", "bybit", "ETHUSDT", (0, 9)),
            file("b.gz", "bybit", "BTCUSDT", (0, 9)),
            file("a.gz", "bybit", "BTCUSDT", (10, 19)),
        ];
        let mut one = files.clone();
        let mut other = files;
        other.reverse();
        sort(&mut one);
        sort(&mut other);
        assert_eq!(one, other);
        let (found, first_ns) = captures(one.to_vec(), None).unwrap();
        assert_eq!(first_ns, DAY + 1, "with the first book");
        let names: Vec<Vec<PathBuf>> = found.into_iter().map(|capture| capture.files).collect();
        assert_eq!(names, [vec!["b.gz".into(), "a.gz".into()], vec![PathBuf::from("c.gz")]]);
    }

    #[test]
    fn two_files_that_hold_one_instrument_at_the_same_time_are_refused_by_name_and_time() {
        let files =
            [file("a.gz", "bybit", "BTCUSDT", (0, 9)), file("b.gz", "bybit", "BTCUSDT", (5, 19))];
        let error = captures(files.to_vec(), None).unwrap_err();
        assert!(error.starts_with("a.gz (2023-11-14T22:13:20"), "{error}");
        assert!(error.contains("b.gz (2023-11-14T22:13:25"), "{error}");
        assert!(error.contains("BTCUSDT of bybit"), "{error}");
        let other = [files[0].clone(), file("b.gz", "okx", "BTCUSDT", (5, 19))];
        assert_eq!(captures(other.to_vec(), None).unwrap().0.len(), 2);
    }

    #[test]
    fn a_file_without_a_book_is_named_unless_another_one_comes_before_it() {
        let bare = |name: &str, span| {
            let (path, found) = file(name, "bybit", "BTCUSDT", span);
            (path, Survey { snapshot_ns: None, ..found })
        };
        let error = captures(vec![bare("a.gz", (0, 9))], None).unwrap_err();
        assert_eq!(error, "a.gz: it holds no snapshot of the book");
        let first = file("a.gz", "bybit", "BTCUSDT", (0, 9));
        let (found, _) = captures(vec![first, bare("b.gz", (9, 19))], None).unwrap();
        assert_eq!(found[0].files.len(), 2);
    }

    #[test]
    fn a_file_without_a_frame_is_left_out_and_only_nothing_at_all_is_an_error() {
        let path = |name: &str| {
            std::env::temp_dir().join(format!("stoop-replay-{}-{name}", std::process::id()))
        };
        let (empty, whole) = (path("empty.gz"), path("whole.gz"));
        std::fs::write(&empty, "").unwrap();
        let file = std::fs::File::create(&whole).unwrap();
        let mut gzip = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
        writeln!(gzip, "{DAY} {{\"a\":1}}").unwrap();
        gzip.finish().unwrap();
        let found = survey_all(&[empty.clone(), whole.clone()]).unwrap();
        assert_eq!((found.len(), &found[0].0), (1, &whole));
        assert_eq!(survey_all(std::slice::from_ref(&empty)).unwrap_err(), "no file holds a frame");
        std::fs::remove_file(empty).unwrap();
        std::fs::remove_file(whole).unwrap();
    }

    #[test]
    fn the_clock_begins_with_the_recording_if_that_has_a_time() {
        assert_eq!(beginning(DAY), Nanos(DAY));
        let default = Rehearsal::default().start;
        assert_eq!((beginning(2_000_000_000), beginning(u64::MAX)), (default, default));
    }
}
