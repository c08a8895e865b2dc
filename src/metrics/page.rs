//! The classic text format: families of samples, each with its help and type.

#![forbid(unsafe_code)]

use std::fmt::{Display, Write as _};

/// What the samples of a family are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Only ever grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Buckets with their sum and count.
    Histogram,
}

/// Labels of a sample: name and value.
pub(super) type Labels<'a> = &'a [(&'a str, &'a str)];

/// The text as it grows.
#[derive(Debug, Default)]
pub(super) struct Page {
    text: String,
}

impl Page {
    /// Begins a family; its samples follow.
    pub fn family<'a>(&'a mut self, name: &'a str, kind: Kind, help: &str) -> Family<'a> {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        self.text += "# HELP ";
        self.text += name;
        self.text.push(' ');
        escape(&mut self.text, help, false);
        let _ = writeln!(self.text, "\n# TYPE {name} {kind}");
        Family { page: self, name }
    }

    /// A family with one sample without labels.
    pub fn single(&mut self, name: &str, kind: Kind, help: &str, value: impl Display) {
        self.family(name, kind, help).sample(&[], value);
    }

    /// The whole text.
    pub fn finish(self) -> String {
        self.text
    }
}

/// A family that has begun.
pub(super) struct Family<'a> {
    page: &'a mut Page,
    name: &'a str,
}

impl Family<'_> {
    /// Adds a sample.
    pub fn sample(&mut self, labels: Labels, value: impl Display) {
        self.line("", labels, None, value);
    }

    /// Adds a histogram: counts of durations below each bound in seconds, the number of all, and
    /// their sum in nanoseconds.
    pub fn histogram(&mut self, labels: Labels, below: &[(&str, u64)], count: u64, sum_ns: u64) {
        for (bound, count) in below {
            self.line("_bucket", labels, Some(bound), count);
        }
        self.line("_bucket", labels, Some("+Inf"), count);
        self.line("_sum", labels, None, seconds(sum_ns));
        self.line("_count", labels, None, count);
    }

    fn line(&mut self, suffix: &str, labels: Labels, bound: Option<&str>, value: impl Display) {
        let text = &mut self.page.text;
        text.push_str(self.name);
        text.push_str(suffix);
        let bound = bound.map(|bound| ("le", bound));
        for (index, (name, value)) in labels.iter().copied().chain(bound).enumerate() {
            text.push(if index == 0 { '{' } else { ',' });
            let _ = write!(text, "{name}=\"");
            escape(text, value, true);
            text.push('"');
        }
        if bound.is_some() || !labels.is_empty() {
            text.push('}');
        }
        let _ = writeln!(text, " {value}");
    }
}

/// Backslashes and line ends, and in labels quotes, are written so that they are read again.
fn escape(text: &mut String, value: &str, quotes: bool) {
    for c in value.chars() {
        match c {
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '"' if quotes => text.push_str("\\\""),
            c => text.push(c),
        }
    }
}

/// Nanoseconds as seconds, exactly.
pub(super) fn seconds(ns: u64) -> Seconds {
    Seconds(i128::from(ns))
}

/// The same of a signed number.
pub(super) fn signed_seconds(ns: i64) -> Seconds {
    Seconds(i128::from(ns))
}

/// Nanoseconds that are shown as seconds.
pub(super) struct Seconds(i128);

impl Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let ns = self.0.unsigned_abs();
        let (whole, rest) = (ns / 1_000_000_000, ns % 1_000_000_000);
        if rest == 0 {
            return write!(f, "{sign}{whole}");
        }
        let rest = format!("{rest:09}");
        write!(f, "{sign}{whole}.{}", rest.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_written_as_prometheus_reads_them() {
        let mut page = Page::default();
        page.single("stoop_a_total", Kind::Counter, "All a\\b\nc \"d\"", 7);
        let mut family = page.family("stoop_b", Kind::Gauge, "B");
        family.sample(&[("x", "q\"u\\o\nt"), ("y", "ü")], -0.5);
        family.sample(&[("x", "")], f64::NAN);
        let mut family = page.family("stoop_c_seconds", Kind::Histogram, "C");
        family.histogram(&[("v", "1")], &[("0.001", 2), ("1", 5)], 6, 1_500_000_000);
        let expected = r#"# HELP stoop_a_total All a\\b\nc "d"
# TYPE stoop_a_total counter
stoop_a_total 7
# HELP stoop_b B
# TYPE stoop_b gauge
stoop_b{x="q\"u\\o\nt",y="ü"} -0.5
stoop_b{x=""} NaN
# HELP stoop_c_seconds C
# TYPE stoop_c_seconds histogram
stoop_c_seconds_bucket{v="1",le="0.001"} 2
stoop_c_seconds_bucket{v="1",le="1"} 5
stoop_c_seconds_bucket{v="1",le="+Inf"} 6
stoop_c_seconds_sum{v="1"} 1.5
stoop_c_seconds_count{v="1"} 6
"#;
        assert_eq!(page.finish(), expected);
    }

    #[test]
    fn seconds_are_exact() {
        let shown =
            [0, 1, 1_000_000_000, 1_234_500_000, u64::MAX].map(|ns| seconds(ns).to_string());
        assert_eq!(shown, ["0", "0.000000001", "1", "1.2345", "18446744073.709551615"]);
        assert_eq!(signed_seconds(-1_500_000_000).to_string(), "-1.5");
        assert_eq!(signed_seconds(i64::MIN).to_string(), "-9223372036.854775808");
    }
}
