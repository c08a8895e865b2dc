//! What one bench has measured, for people and for scripts: a table, one JSON object, one HTML file
//! with its plots inside, and the raw durations as a log that HdrHistogram's viewers open.

mod against;
mod hlog;
mod html;
mod plot;

pub use against::{Change, Earlier};

use super::{Host, Measured};
use serde_json::{Map, Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// A bench with all that is needed to judge its figures.
#[derive(Clone, Debug)]
pub struct Report {
    /// Which bench: `rings`.
    pub bench: String,
    /// What it ran on.
    pub host: Host,
    /// What makes the figures unreliable.
    pub warnings: Vec<String>,
    /// The figures.
    pub measured: Measured,
    /// Against an earlier report: where that was, and each figure that both have.
    pub changes: Option<(PathBuf, Vec<Change>)>,
}

impl Report {
    /// The object that scripts read.
    #[must_use]
    pub fn json(&self) -> Value {
        let measured = &self.measured;
        let figures: Map<String, Value> =
            measured.series.iter().map(|s| (s.name.clone(), json!(s.figure()))).collect();
        let ratio = |ratio: &super::Ratio| {
            (ratio.name.clone(), json!({"ratio": ratio.ratio, "what": ratio.what}))
        };
        let comparisons: Map<String, Value> = measured.ratios.iter().map(ratio).collect();
        let values: Map<String, Value> =
            measured.values.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let mut object = json!({
            "bench": self.bench, "host": self.host, "warnings": self.warnings, "figures": figures,
            "comparisons": comparisons, "values": values, "notes": measured.notes,
        });
        if let Some((path, changes)) = &self.changes {
            object["against"] = json!({"report": path, "figures": changes});
        }
        object
    }

    /// The same for a terminal.
    #[must_use]
    pub fn text(&self) -> String {
        use std::fmt::Write;
        let mut text = String::new();
        let host = &self.host;
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{}, {} CPUs, {:.2} GHz measured, Linux {}, load {}",
            host.cpu_model,
            host.cpus,
            host.measured_ghz,
            host.kernel,
            host.load.map_or("unknown".to_owned(), |load| format!("{load:.2}"))
        );
        for warning in &self.warnings {
            let _ = writeln!(text, "warning: {warning}");
        }
        let width = self.measured.series.iter().map(|s| s.name.len()).max().unwrap_or(0).max(28);
        let head = ("p50", "p99", "p99.9", "max");
        let _ = writeln!(
            text,
            "\n{:<width$} {:>11} {:>11} {:>11} {:>11}  ns; p50 of the runs, events",
            "", head.0, head.1, head.2, head.3
        );
        for series in &self.measured.series {
            let f = series.figure();
            let _ = writeln!(
                text,
                "{:<width$} {:>11.1} {:>11.1} {:>11.1} {:>11.1}  {:.1} to {:.1}, {}",
                series.name,
                f.p50_ns,
                f.p99_ns,
                f.p999_ns,
                f.max_ns,
                f.p50_min_ns,
                f.p50_max_ns,
                f.count
            );
        }
        for ratio in &self.measured.ratios {
            let _ = writeln!(text, "{:<width$} {:>11.2}  {}", ratio.name, ratio.ratio, ratio.what);
        }
        for (name, value) in &self.measured.values {
            let _ = writeln!(text, "{name:<width$} {value:>11.3}");
        }
        if let Some((path, changes)) = &self.changes {
            let _ = writeln!(text, "\nagainst {}: p50 then, now, in per cent", path.display());
            for change in changes {
                let mark =
                    if change.beyond_spread { "  beyond the spread of the runs" } else { "" };
                let _ = writeln!(
                    text,
                    "{:<width$} {:>11.1} {:>11.1} {:>+10.1} %{mark}",
                    change.name, change.then_ns, change.now_ns, change.percent
                );
            }
        }
        for note in &self.measured.notes {
            let _ = writeln!(text, "note: {note}");
        }
        text
    }

    /// Writes `bench-NAME.html`, `.json` and `.hlog` into a folder, which is made if need be.
    pub fn write(&self, folder: &Path) -> Result<Vec<PathBuf>, String> {
        let fail = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
        fs::create_dir_all(folder).map_err(|error| fail(folder, error))?;
        let contents = [
            ("html", html::page(self).into_bytes()),
            ("json", format!("{:#}\n", self.json()).into_bytes()),
            ("hlog", hlog::log(&self.bench, &self.measured.series)?),
        ];
        let mut paths = Vec::new();
        for (extension, bytes) in contents {
            let path = folder.join(format!("bench-{}.{extension}", self.bench));
            fs::write(&path, bytes).map_err(|error| fail(&path, error))?;
            paths.push(path);
        }
        Ok(paths)
    }
}

#[cfg(test)]
pub(super) fn sample() -> Report {
    let mut measured = Measured::default();
    for (name, base) in [("ring", 100_000u64), ("seqlock", 150_000)] {
        for run in 0..3 {
            let series = measured.series(name, "what <it> is");
            series.begin();
            (0..1000).for_each(|n| series.record(base + run * 1_000 + n * 10));
        }
    }
    measured.compare("seqlock_vs_ring", "seqlock / ring", "seqlock", "ring");
    measured.values.push(("cpu0.lost_share".to_owned(), 0.25));
    measured.notes.push("a note & more".to_owned());
    let host = Host { cpu_model: "Fast <One>".to_owned(), cpus: 4, ..Host::default() };
    let warnings = vec!["the load is 1.50".to_owned()];
    Report { bench: "rings".to_owned(), host, warnings, measured, changes: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_object_has_the_shape_that_scripts_expect() {
        let object = sample().json();
        assert_eq!(object["bench"], "rings");
        assert_eq!(object["host"]["cpu_model"], "Fast <One>");
        assert_eq!(object["warnings"], json!(["the load is 1.50"]));
        let figure = &object["figures"]["ring"];
        for name in ["p50_ns", "p99_ns", "p999_ns", "max_ns", "p50_min_ns", "p50_max_ns"] {
            assert!(figure[name].as_f64().is_some_and(|value| value > 99.0), "{name}");
        }
        assert_eq!((figure["count"].as_u64(), figure["runs"].as_u64()), (Some(3000), Some(3)));
        let comparison = &object["comparisons"]["seqlock_vs_ring"];
        assert!((comparison["ratio"].as_f64().unwrap() - 1.47).abs() < 0.02, "{comparison}");
        assert_eq!(comparison["what"], "seqlock / ring");
        assert_eq!(object["values"]["cpu0.lost_share"], 0.25);
        assert_eq!(object["notes"], json!(["a note & more"]));
        assert_eq!(object.get("against"), None);
    }

    #[test]
    fn three_files_are_written_and_a_folder_that_cannot_be_made_is_named() {
        let folder = std::env::temp_dir().join(format!("stoop-report-{}", std::process::id()));
        let paths = sample().write(&folder).unwrap();
        let names: Vec<String> =
            paths.iter().map(|p| p.file_name().unwrap().to_string_lossy().into_owned()).collect();
        assert_eq!(names, ["bench-rings.html", "bench-rings.json", "bench-rings.hlog"]);
        let text = fs::read_to_string(&paths[1]).unwrap();
        assert_eq!(text, format!("{:#}\n", sample().json()));
        let error = sample().write(&paths[1]).unwrap_err();
        assert!(error.contains("bench-rings.json"), "{error}");
        fs::remove_dir_all(&folder).unwrap();
    }
}
