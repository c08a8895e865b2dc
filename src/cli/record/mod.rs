//! `stoop record`: what the venues' public feeds send, and the rules they trade by, written down for
//! `stoop replay`.
//!
//! A program of its own, never on the path of an engine: this thread polls the feeds, another one
//! compresses. What comes faster than that can write is counted, and marked in the file as a hole.

#![forbid(unsafe_code)]

mod files;
mod tape;

use super::run::{LOG_RECORDS, print_line};
use super::signals::stop_flag;
use super::venues::{Venues, fees};
use super::{ConfigArgument, EXIT_FAILURE, EXIT_OK, Failure};
use crate::agents::EngineSetup;
use crate::agents::log;
use crate::agents::recorder::{Recorder, Taken, Taking};
use crate::clock::Clock;
use crate::config::Config;
use crate::sim::StatedRules;
use crate::types::{Instrument, InstrumentId, InstrumentTable, VenueId};
use crate::venues::VENUES;
use files::{Files, Outcome, Rotation, Written};
use serde_json::json;
use std::io::{IsTerminal, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What the command line asked for.
#[derive(clap::Args)]
pub(super) struct Options {
    /// Stop by itself after this time: 30s, 5m, 1h
    #[arg(long = "for", value_name = "TIME", value_parser = super::parse_duration)]
    duration: Option<Duration>,
    /// Begin a new file of an instrument once one has so many megabytes
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    rotate_mb: Option<u64>,
    /// Begin a new file of an instrument after this time
    #[arg(long, value_name = "TIME", value_parser = super::parse_duration)]
    rotate_every: Option<Duration>,
    /// Where the files go; made if it is not there
    #[arg(long, value_name = "FOLDER", default_value = "recorded")]
    folder: PathBuf,
    /// Print the summary as one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    pub config: ConfigArgument,
}

/// Without work the feeds are looked at again after this: the time that stands before a frame is when
/// it was read.
const IDLE: Duration = Duration::from_micros(50);
/// How often the writer looks what is to be flushed.
const WRITER_IDLE: Duration = Duration::from_millis(200);
/// How often a terminal is told how far it is.
const TOLD: Duration = Duration::from_secs(1);

/// Frames and compressed bytes so far.
#[derive(Default)]
struct Progress {
    frames: AtomicU64,
    bytes: AtomicU64,
}

/// Records until it is to stop.
pub(super) fn record(config: &Config, options: &Options) -> Result<u8, Failure> {
    let stop = stop_flag()?;
    let clock = Clock::new();
    let mut venues = Venues::market_data(config)?;
    let instruments = Arc::new(venues.load(config)?);
    let files = files(config, options, &instruments)?;
    let (log, lines) = log::channel(LOG_RECORDS);
    let setup = EngineSetup {
        config,
        endpoints: venues.endpoints.clone(),
        order_endpoints: Vec::new(),
        credentials: Vec::new(),
        instruments,
        strategies: Vec::new(),
        tls: venues.tls.clone(),
        journal: None,
        clock: clock.clone(),
        log,
    };
    let tls = setup.tls.clone();
    let (mut recorder, taking) = Recorder::new(setup, tls).map_err(Failure::new)?;
    let progress = Arc::new(Progress::default());
    let (writer, wanted) = start_writer(files, taking, clock.clone(), progress.clone())?;
    let started = Instant::now();
    let mut shown = Shown::new(options);
    let over = |started: &Instant| options.duration.is_some_and(|long| started.elapsed() >= long);
    while !stop.load(Ordering::Relaxed) && !over(&started) && !writer.is_finished() {
        let now = clock.now();
        let work = recorder.poll(now);
        for (venue, instrument) in wanted.try_iter() {
            if !recorder.resync(venue, instrument, now) {
                tracing::error!("instrument {}: no snapshot could be asked for", instrument.0);
            }
        }
        venues.apply_faults(config, started.elapsed());
        lines.take().iter().for_each(print_line);
        shown.show(&progress, started);
        if work == 0 {
            std::thread::sleep(IDLE);
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    shown.end();
    drop(recorder);
    lines.take().iter().for_each(print_line);
    let written = writer.join().map_err(|_| Failure::new("the writer failed".to_owned()))?;
    venues.stop();
    Ok(sum_up(&written, seconds, options.json))
}

fn files(config: &Config, options: &Options, table: &InstrumentTable) -> Result<Files, Failure> {
    let ns = |every: Duration| u64::try_from(every.as_nanos()).unwrap_or(u64::MAX).max(1);
    let rotation = Rotation {
        bytes: options.rotate_mb.map_or(Rotation::NONE.bytes, |mb| mb.saturating_mul(1 << 20)),
        ns: options.rotate_every.map_or(Rotation::NONE.ns, ns),
    };
    let rules = |instrument: &Instrument| {
        let venue = VENUES[usize::from(instrument.venue.0)].name;
        let stated = StatedRules::of(venue, instrument, table);
        let fees = Some(fees(config, instrument.venue, instrument.kind));
        config.instruments[instrument.id.index()].streamed.then_some(StatedRules { fees, ..stated })
    };
    Files::new(&options.folder, rotation, table, rules).map_err(Failure::config)
}

type Wanted = Receiver<(VenueId, InstrumentId)>;

/// The thread that compresses and writes; it ends once nobody reads any more.
fn start_writer(
    files: Files,
    taking: Taking,
    clock: Clock,
    progress: Arc<Progress>,
) -> Result<(JoinHandle<Vec<Written>>, Wanted), Failure> {
    let (want, wanted) = channel();
    let write = move || write(files, &taking, &clock, &progress, &want);
    let writer = std::thread::Builder::new().name("record-writer".to_owned()).spawn(write);
    let writer =
        writer.map_err(|error| Failure::new(format!("no thread can be started: {error}")))?;
    Ok((writer, wanted))
}

fn write(
    mut files: Files,
    taking: &Taking,
    clock: &Clock,
    progress: &Progress,
    want: &Sender<(VenueId, InstrumentId)>,
) -> Vec<Written> {
    let tell = |outcome: Outcome| {
        outcome.complaints.iter().for_each(|text| tracing::warn!("{text}"));
        for wanted in outcome.wanted {
            // Nobody asks for books at the end.
            let _ = want.send(wanted);
        }
    };
    let mut looked = clock.now();
    loop {
        match taking.from.recv_timeout(WRITER_IDLE) {
            Ok(taken) => {
                tell(files.take(&taken));
                if let Taken::Message { bytes, .. } = &taken {
                    taking.done(bytes.len());
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        // Also while frames come without a pause: those of a quiet instrument are flushed by nothing else.
        let now = clock.now();
        if now.since(looked) >= WRITER_IDLE.as_nanos() as u64 {
            looked = now;
            tell(files.flush(now));
        }
        let (frames, bytes) = files.sums();
        progress.frames.store(frames, Ordering::Relaxed);
        progress.bytes.store(bytes, Ordering::Relaxed);
    }
    let (written, complaints) = files.finish(clock.now());
    complaints.iter().for_each(|text| tracing::error!("{text}"));
    written
}

/// How far it is, on a terminal.
struct Shown {
    terminal: bool,
    at: Option<Instant>,
}

impl Shown {
    fn new(options: &Options) -> Self {
        Self { terminal: !options.json && std::io::stderr().is_terminal(), at: None }
    }

    fn show(&mut self, progress: &Progress, started: Instant) {
        if !self.terminal || self.at.is_some_and(|at| at.elapsed() < TOLD) {
            return;
        }
        self.at = Some(Instant::now());
        let frames = progress.frames.load(Ordering::Relaxed);
        let megabytes = progress.bytes.load(Ordering::Relaxed) as f64 / f64::from(1 << 20);
        let seconds = started.elapsed().as_secs();
        eprint!("\r\x1b[K{frames} frames, {megabytes:.1} MB, {seconds} s; Ctrl-C stops");
    }

    fn end(&self) {
        if self.terminal {
            eprintln!("\r\x1b[K");
        }
    }
}

/// Says what was written; it is a failure if frames are missing or an instrument has none.
fn sum_up(written: &[Written], seconds: f64, as_json: bool) -> u8 {
    let sum = |of: fn(&Written) -> u64| written.iter().map(of).sum::<u64>();
    let (frames, missing, errors) = (sum(|w| w.frames), sum(|w| w.missing), sum(|w| w.errors));
    let mut out = std::io::stdout().lock();
    // Whoever read our output may have gone: nothing is left to do then.
    if as_json {
        let rows: Vec<_> = written.iter().map(Written::json).collect();
        let object = json!({
            "seconds": seconds,
            "frames": frames,
            "bytes": sum(|w| w.bytes),
            "compressed": sum(|w| w.compressed),
            "holes": sum(|w| w.holes),
            "missing": missing,
            "errors": errors,
            "rule_changes": sum(|w| w.rule_changes),
            "instruments": rows,
        });
        let _ = writeln!(out, "{object}");
    } else {
        for row in written {
            let _ = writeln!(
                out,
                "{:<32} {:>9} frames, {:>8.1} MB in {}",
                row.instrument,
                row.frames,
                row.compressed as f64 / f64::from(1 << 20),
                match row.files.as_slice() {
                    [] => "no file".to_owned(),
                    [one] => one.display().to_string(),
                    many => format!("{} files from {} on", many.len(), many[0].display()),
                }
            );
            if row.holes > 0 {
                let _ = writeln!(
                    out,
                    "{:<32} {:>9} holes, {} frames missing, {} errors of the disk",
                    "", row.holes, row.missing, row.errors
                );
            }
            if row.rule_changes > 0 {
                let _ = writeln!(out, "{:<32} {:>9} changes of its rules", "", row.rule_changes);
            }
            if row.refusals > 0 {
                let _ = writeln!(
                    out,
                    "{:<32} {:>9} refusals of its subscription: {}",
                    "", row.refusals, row.refused
                );
            }
        }
        let _ = writeln!(out, "recorded    {frames} frames in {seconds:.1} s, all on the disk");
    }
    let whole = missing == 0 && errors == 0 && written.iter().all(|row| row.frames > 0);
    if whole { EXIT_OK } else { EXIT_FAILURE }
}
