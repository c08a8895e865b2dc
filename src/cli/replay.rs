//! `stoop replay`: the engine over recorded markets in virtual time, the same decisions every time.
//!
//! The recordings move the books of the embedded venues, and orders meet them there: an order that
//! rests waits behind what stood at its price before it, and is filled by the trades that reach it; one
//! that takes finds what is there when it arrives. Each way to and from a venue takes its time.

use super::summary::Summary;
use super::{ConfigArgument, EXIT_FAILURE, EXIT_OK, Failure};
use crate::config::{Config, Mode};
use crate::pipe::Latency;
use crate::rehearsal::{Rehearsal, Rehearsed, rehearse};
use crate::shm::Stage;
use crate::strategy::Strategy;
use crate::types::VenueId;
use crate::venues;
use flate2::read::MultiGzDecoder;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// What the command line asked for.
#[derive(clap::Args)]
pub(super) struct Options {
    /// Recordings, one symbol each: lines of a time in nanoseconds and a frame, in gzip
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Venue that they were recorded at; the first of the configuration without it
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

/// Longest way.
const LATENCY_MAX_US: u64 = 10_000_000;

/// Replays.
pub(super) fn replay(
    config: &Config,
    options: &Options,
    strategies: Vec<(String, Box<dyn Strategy>)>,
) -> Result<u8, Failure> {
    if config.mode != Mode::Sim {
        return Err(Failure::config("a replay is only with mode = \"sim\"".to_owned()));
    }
    let mut config = config.clone();
    config.sim.capture_venue = match &options.venue {
        Some(name) => Some(configured(&config, name)?),
        None => config.sim.capture_venue,
    };
    let spans: Vec<Span> = options
        .files
        .iter()
        .map(|path| span(path))
        .collect::<Result<_, _>>()
        .map_err(Failure::new)?;
    let longest = spans.iter().map(|span| span.ns).max().unwrap_or_default();
    let frames = spans.iter().map(|span| span.frames).sum();
    let way_ns = options.latency_us.min(LATENCY_MAX_US) * 1_000;
    let latency = Latency {
        min_ns: way_ns,
        max_ns: way_ns,
        jitter_ns: way_ns.saturating_mul(options.jitter.min(10_000)) / 1_000,
        ..Latency::default()
    };
    let captures = options.files.clone();
    let rehearsal = Rehearsal { trading_ns: longest, captures, latency, ..Rehearsal::default() };
    let begun = Instant::now();
    let run = rehearse(&config, strategies, &rehearsal).map_err(Failure::new)?;
    let shown = Shown { frames, span_ns: longest, seconds: begun.elapsed().as_secs_f64() };
    print(&config, options, &run, &shown)
}

/// A venue of the configuration by its name.
fn configured(config: &Config, name: &str) -> Result<VenueId, Failure> {
    let known = venues::find(name).filter(|id| config.venues.iter().any(|row| row.venue == *id));
    known.ok_or_else(|| {
        let names: Vec<&str> =
            config.venues.iter().map(|row| venues::VENUES[usize::from(row.venue.0)].name).collect();
        let text =
            format!("{name:?} is no venue of the configuration, which has {}", names.join(", "));
        Failure::config(text)
    })
}

/// How much a recording holds.
struct Span {
    frames: u64,
    ns: u64,
}

/// Reads a recording once.
fn span(path: &Path) -> Result<Span, String> {
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let file = File::open(path).map_err(|error| failed(&error))?;
    let mut reader = BufReader::with_capacity(1 << 16, MultiGzDecoder::new(file));
    let (mut frames, mut first, mut last) = (0u64, None, 0u64);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = reader.read_until(b'\n', &mut line);
        if read.map_err(|error| failed(&error))? == 0 {
            break;
        }
        let digits = line.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let time = std::str::from_utf8(&line[..digits]).unwrap_or_default().parse::<u64>();
        match (time, line.get(digits)) {
            (Ok(time), Some(b' ')) => {
                first.get_or_insert(time);
                last = last.max(time);
                frames += 1;
            }
            _ => {
                return Err(format!("{}:{}: no time before the frame", path.display(), frames + 1));
            }
        }
    }
    let first = first.ok_or_else(|| failed(&"it holds no frame"))?;
    Ok(Span { frames, ns: last.saturating_sub(first) })
}

/// What is printed beside the summary.
struct Shown {
    frames: u64,
    span_ns: u64,
    seconds: f64,
}

impl Shown {
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
    shown: &Shown,
) -> Result<u8, Failure> {
    let ids: Vec<VenueId> = config.venues.iter().map(|venue| venue.venue).collect();
    let mut summary = Summary::collect(&run.view, &ids, &run.last);
    summary.mode = "replay";
    summary.layout = "one thread, virtual time".to_owned();
    summary.seconds = shown.span_ns as f64 / 1e9;
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
            map.insert("frames".to_owned(), json!(shown.frames));
            map.insert("replay_seconds".to_owned(), json!(shown.seconds));
            map.insert("frames_per_second".to_owned(), json!(shown.frames_per_second()));
        }
        let _ = writeln!(out, "{object}");
    } else {
        drop(out);
        summary.print();
        let mut out = std::io::stdout().lock();
        let _ = writeln!(
            out,
            "replayed    {} frames in {:.1} s, {:.0} a second\ndecisions   {decisions}",
            shown.frames,
            shown.seconds,
            shown.frames_per_second()
        );
    }
    Ok(if summary.is_good() { EXIT_OK } else { EXIT_FAILURE })
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    fn written(name: &str, text: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("stoop-replay-{}-{name}", std::process::id()));
        let mut file = GzEncoder::new(File::create(&path).unwrap(), Compression::fast());
        file.write_all(text.as_bytes()).unwrap();
        file.finish().unwrap();
        path
    }

    #[test]
    fn a_recording_has_frames_and_a_span() {
        let path = written("good", "1700000000000000000 {\"a\":1}\n1700000002500000000 {}\n");
        let span = span(&path).unwrap();
        assert_eq!((span.frames, span.ns), (2, 2_500_000_000));
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn what_is_no_recording_is_named_with_its_line() {
        for (name, text, error) in [
            ("none", "", "it holds no frame"),
            ("untimed", "1700000000000000000 {}\n{\"a\":1}\n", ":2: no time before the frame"),
        ] {
            let path = written(name, text);
            let found = span(&path).err().unwrap();
            assert!(found.contains(error) && found.contains("stoop-replay"), "{found}");
            std::fs::remove_file(path).unwrap();
        }
        assert!(span(Path::new("/nowhere.gz")).err().unwrap().starts_with("/nowhere.gz: "));
    }
}
