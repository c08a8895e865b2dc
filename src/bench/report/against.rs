//! A report against an earlier one.

use super::super::{Figure, Measured};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// The figures of an earlier report.
#[derive(Clone, Debug, PartialEq)]
pub struct Earlier {
    /// Median with its least and most over the runs, nanoseconds, by name.
    figures: BTreeMap<String, [f64; 3]>,
}

/// One figure then and now.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// Of the series.
    pub name: String,
    /// Median of the earlier report.
    pub then_ns: f64,
    /// Median of this one.
    pub now_ns: f64,
    /// Change of the median, more is slower.
    pub percent: f64,
    /// No run of one report had a median that a run of the other had too.
    pub beyond_spread: bool,
}

impl Earlier {
    /// Reads what `--out` has written, or `--json` printed. The error names the file.
    pub fn load(path: &Path) -> Result<Self, String> {
        let fail = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let text = std::fs::read_to_string(path).map_err(|error| fail(&error))?;
        let value: Value = serde_json::from_str(&text)
            .map_err(|error| fail(&format!("not a report of stoop bench: {error}")))?;
        let figures = value.get("figures").and_then(Value::as_object);
        let figures =
            figures.ok_or_else(|| fail(&"not a report of stoop bench: it has no figures"))?;
        let number = |figure: &Value, name: &str| figure.get(name).and_then(Value::as_f64);
        let figure = |(name, figure): (&String, &Value)| {
            let p50 = number(figure, "p50_ns").filter(|p50| p50.is_finite() && *p50 > 0.0)?;
            let least = number(figure, "p50_min_ns").unwrap_or(p50);
            let most = number(figure, "p50_max_ns").unwrap_or(p50);
            Some((name.clone(), [p50, least, most]))
        };
        Ok(Self { figures: figures.iter().filter_map(figure).collect() })
    }

    /// What became of every figure that both have, in the order of this one.
    #[must_use]
    pub fn changes(&self, now: &Measured) -> Vec<Change> {
        let change = |series: &super::super::Series| {
            let [then_ns, least, most] = *self.figures.get(&series.name)?;
            let Figure { p50_ns, p50_min_ns, p50_max_ns, .. } = series.figure();
            Some(Change {
                name: series.name.clone(),
                then_ns,
                now_ns: p50_ns,
                percent: (p50_ns / then_ns - 1.0) * 100.0,
                beyond_spread: p50_min_ns > most || p50_max_ns < least,
            })
        };
        now.series.iter().filter_map(change).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(runs: &[u64]) -> Measured {
        let mut measured = Measured::default();
        for ns in runs {
            let series = measured.series("ring", "");
            series.begin();
            series.record(ns * 1000);
        }
        measured.series("new", "").record(1);
        measured
    }

    #[test]
    fn only_changes_beyond_the_spread_are_marked() {
        let figure = [100.0, 90.0, 110.0];
        let earlier = Earlier { figures: BTreeMap::from([("ring".to_owned(), figure)]) };
        for (runs, percent, beyond) in [
            ([105, 120, 130], 20.0, false),
            ([115, 120, 130], 20.0, true),
            ([60, 70, 80], -30.0, true),
            ([80, 90, 95], -10.0, false),
        ] {
            let changes = earlier.changes(&measured(&runs));
            assert_eq!(changes.len(), 1, "what only one of them has is left out");
            assert!((changes[0].percent - percent).abs() < 0.2, "{changes:?}");
            assert_eq!(changes[0].beyond_spread, beyond, "{changes:?}");
        }
    }

    #[test]
    fn what_is_no_report_is_said_so() {
        let path = std::env::temp_dir().join(format!("stoop-against-{}.json", std::process::id()));
        assert!(Earlier::load(&path).unwrap_err().contains("No such file"));
        for text in ["{", "[]", "{\"bench\":\"x\"}"] {
            std::fs::write(&path, text).unwrap();
            let error = Earlier::load(&path).unwrap_err();
            assert!(error.contains("not a report of stoop bench"), "{error}");
        }
        std::fs::write(&path, super::super::sample().json().to_string()).unwrap();
        let earlier = Earlier::load(&path).unwrap();
        let changes = earlier.changes(&super::super::sample().measured);
        assert!(changes.len() == 2 && changes.iter().all(|c| c.percent == 0.0 && !c.beyond_spread));
        std::fs::remove_file(&path).unwrap();
    }
}
