//! Instructions of the hot functions against what they were: the part of the gate that judges. What
//! runs the functions and counts is `benches/instructions`.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// How much more a function may take, per cent.
pub const MORE_MAX: f64 = 3.0;

/// Instructions per call, as they were accepted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// Compiler that they were counted with.
    pub toolchain: String,
    /// Instructions per call by function.
    pub functions: BTreeMap<String, f64>,
}

/// What became of one function.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Its name.
    pub name: String,
    /// Accepted count, if there is one.
    pub then: Option<f64>,
    /// Count of this run, if it was run.
    pub now: Option<f64>,
}

impl Verdict {
    /// Change, per cent; `None` if one of the counts is missing.
    #[must_use]
    pub fn percent(&self) -> Option<f64> {
        let (then, now) = (self.then?, self.now?);
        // Counts have one decimal, so has what is exactly three per cent.
        (then > 0.0).then(|| ((now / then - 1.0) * 100.0 * 1e6).round() / 1e6)
    }

    /// Whether the gate must stay closed: slower, or one of the counts is missing.
    #[must_use]
    pub fn fails(&self) -> bool {
        // Not "more than": what is no number must not pass.
        !self.percent().is_some_and(|percent| percent <= MORE_MAX)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        match (self.then, self.now) {
            (Some(then), Some(now)) => {
                let percent = self.percent().unwrap_or(f64::NAN);
                write!(f, "{name:<34} {then:>12.1} {now:>12.1} {percent:>+8.2} %")
            }
            (None, Some(now)) => {
                write!(f, "{name:<34} {:>12} {now:>12.1}  is not in the baseline", "")
            }
            (Some(then), None) => {
                write!(f, "{name:<34} {then:>12.1} {:>12}  is no longer measured", "")
            }
            (None, None) => write!(f, "{name:<34} unknown"),
        }
    }
}

impl Baseline {
    /// One verdict for each function of either.
    #[must_use]
    pub fn judge(&self, now: &Self) -> Vec<Verdict> {
        let mut names: Vec<&String> = self.functions.keys().chain(now.functions.keys()).collect();
        names.sort();
        names.dedup();
        let count = |of: &Self, name: &String| of.functions.get(name).copied();
        let verdict = |name: &String| Verdict {
            name: name.clone(),
            then: count(self, name),
            now: count(now, name),
        };
        names.into_iter().map(verdict).collect()
    }
}

/// Instructions that callgrind has counted, of its output file.
#[must_use]
pub fn instructions(output: &str) -> Option<u64> {
    let total = |line: &str| {
        let numbers = line.strip_prefix("summary:").or_else(|| line.strip_prefix("totals:"))?;
        numbers.split_whitespace().next()?.parse().ok()
    };
    output.lines().find_map(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn baseline(functions: &[(&str, f64)]) -> Baseline {
        let functions = functions.iter().map(|(name, count)| ((*name).to_owned(), *count));
        Baseline { toolchain: "x".to_owned(), functions: functions.collect() }
    }

    #[test]
    fn only_what_takes_more_than_three_per_cent_more_fails() {
        let then = baseline(&[("a", 100.0), ("b", 100.0), ("c", 100.0), ("gone", 5.0), ("z", 0.0)]);
        let now = baseline(&[("a", 103.0), ("b", 103.1), ("c", 40.0), ("new", 7.0), ("z", 1.0)]);
        let verdicts = then.judge(&now);
        let failed: Vec<&str> =
            verdicts.iter().filter(|v| v.fails()).map(|v| v.name.as_str()).collect();
        assert_eq!(failed, ["b", "gone", "new", "z"]);
        let text = verdicts[1].to_string();
        assert!(text.starts_with("b ") && text.ends_with("+3.10 %"), "{text}");
        assert!(verdicts[3].to_string().ends_with("is no longer measured"));
        assert!(verdicts[4].to_string().ends_with("is not in the baseline"));
        assert!(then.judge(&then).iter().filter(|v| v.fails()).all(|v| v.name == "z"));
        assert!(baseline(&[("a", 1.0)]).judge(&baseline(&[("a", f64::NAN)]))[0].fails());
    }

    #[test]
    fn the_sum_is_found_in_the_output() {
        let output =
            "version: 1\ncreator: callgrind-3.19.0\nevents: Ir\nsummary: 12345\n\nfn=(1) x\n";
        assert_eq!(instructions(output), Some(12_345));
        assert_eq!(instructions("totals: 77\n"), Some(77));
        assert_eq!(instructions("events: Ir\n"), None);
    }
}
