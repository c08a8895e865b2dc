//! What the engine's cost does as the work grows: more instruments on one feed, more strategies on
//! one engine, and market data as fast as a socket delivers it.
//!
//! With a recording (`--capture`, or all of the first venue in the folder that `STOOP_CAPTURES`
//! names) its frames are used, else made ones, and then the burst is left out.

mod burst;
mod instruments;
mod looker;
mod replay;
mod strategies;

use super::super::{BenchOptions, Capture, Measured};
use super::rig::instrument_symbol;
use crate::types::InstrumentKind;
use crate::venues::VENUES;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Measures all three.
pub fn scale(options: &BenchOptions) -> Result<Measured, String> {
    measure(&recordings(options)?, options, &instruments::COUNTS)
}

fn measure(
    recordings: &[(String, Capture)],
    options: &BenchOptions,
    counts: &[usize],
) -> Result<Measured, String> {
    let Some(&first) = options.cpus.first() else { return Err("scale needs a CPU".to_owned()) };
    let mut measured = Measured::default();
    let made;
    let frames = match recordings.iter().find(|(_, capture)| is_perpetual(capture)) {
        Some((_, capture)) => capture,
        None => {
            made = Capture::made(options.events);
            &made
        }
    };
    for _ in 0..options.runs {
        strategies::run(frames, options, first, &mut measured)?;
    }
    strategies::compare(&mut measured);
    instruments::run(frames, options, counts, &mut measured)?;
    match (recordings, options.cpus.as_slice()) {
        ([], _) => measured.notes.push(
            "burst skipped: no recording: --capture FILE, or a folder named by STOOP_CAPTURES"
                .to_owned(),
        ),
        (recordings, &[first, second, ..]) => {
            for (name, capture) in recordings {
                for _ in 0..options.runs {
                    burst::run(name, capture, [first, second], &mut measured)?;
                }
            }
            medians(&mut measured.values);
        }
        _ => measured.notes.push("burst skipped: it needs two CPUs".to_owned()),
    }
    Ok(measured)
}

/// Makes values that every run has given one.
fn medians(values: &mut Vec<(String, f64)>) {
    let mut by_name: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for (name, value) in values.drain(..) {
        by_name.entry(name).or_default().push(value);
    }
    values.extend(by_name.into_iter().map(|(name, mut all)| {
        all.sort_by(f64::total_cmp);
        (name, all[all.len() / 2])
    }));
}

fn is_perpetual(capture: &Capture) -> bool {
    capture.instrument_kind() == InstrumentKind::LinearPerpetual
}

/// The recordings of the first instrument, with the names of their files.
fn recordings(options: &BenchOptions) -> Result<Vec<(String, Capture)>, String> {
    let mut paths: Vec<PathBuf> = options.capture.iter().cloned().collect();
    if let (true, Some(folder)) = (paths.is_empty(), std::env::var_os("STOOP_CAPTURES")) {
        let folder = Path::new(&folder).join(VENUES[0].name);
        let fail = |error: std::io::Error| format!("{}: {error}", folder.display());
        for entry in std::fs::read_dir(&folder).map_err(fail)? {
            paths.push(entry.map_err(fail)?.path());
        }
    }
    paths.retain(|path| {
        path.extension().is_some_and(|end| end == "gz") || options.capture.is_some()
    });
    paths.sort();
    let mut recordings = Vec::new();
    for path in paths {
        let capture = Capture::load(&path)?;
        if capture.symbol() == Some(instrument_symbol(0)) {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            recordings.push((name, capture));
        } else if options.capture.is_some() {
            return Err(format!("{}: not of {}", path.display(), instrument_symbol(0)));
        }
    }
    Ok(recordings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Host, Report};

    #[test]
    fn without_a_recording_all_but_the_burst_is_in_the_report() {
        let options = BenchOptions {
            runs: 1,
            events: 20,
            cpus: crate::agents::allowed_cpus(),
            ..BenchOptions::default()
        };
        let measured = measure(&[], &options, &[1, 3]).unwrap();
        let report = Report {
            bench: "scale".to_owned(),
            host: Host::look(),
            warnings: Vec::new(),
            measured,
            changes: None,
        };
        let text = report.json().to_string();
        for name in [
            "strategies.16",
            "strategies.16_vs_1",
            "strategies.each_ns",
            "instruments.3.in_turn.frame",
            "instruments.3_vs_1.hot.feed",
            "instruments.resident_each_bytes",
        ] {
            assert!(text.contains(&format!("\"{name}\"")), "{name}: {text}");
        }
        assert!(report.measured.notes[0].starts_with("burst skipped: no recording"));
        assert!(!text.contains("burst.made"));
    }
}
