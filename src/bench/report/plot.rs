//! Pictures of figures, as SVG: percentiles of several series, and comparisons as bars.
//!
//! The percentile axis is logarithmic in 1/(1-p), so that each nine takes as much room as the one
//! before; the time axis is logarithmic too. Colours come from classes of the page's style.

use super::super::{Ratio, Series};
use hdrhistogram::Histogram;
use std::fmt::Write;

/// Most series in one plot: there are as many colours.
pub(super) const SERIES_MAX: usize = 8;

/// Nines up to 99.999 %.
const NINES: f64 = 5.0;
const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 380.0;
const LEFT: f64 = 74.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 16.0;
const BOTTOM: f64 = 44.0;

/// Both axes of a plot of percentiles.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Axes {
    /// Decimal logarithm of the time at the lower and the upper edge, picoseconds.
    low: f64,
    high: f64,
}

impl Axes {
    /// Whole decades around all values.
    fn around(low_ps: u64, high_ps: u64) -> Self {
        let low = (low_ps.max(1) as f64).log10().floor();
        let high = (high_ps.max(1) as f64).log10().ceil();
        Self { low, high: high.max(low + 1.0) }
    }

    /// Place of a quantile that has so many nines.
    fn x(nines: f64) -> f64 {
        LEFT + nines / NINES * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, ps: f64) -> f64 {
        let share = (ps.max(1.0).log10() - self.low) / (self.high - self.low);
        TOP + (1.0 - share.clamp(0.0, 1.0)) * (HEIGHT - TOP - BOTTOM)
    }
}

/// Nines and durations (ps), as far as there are events enough to tell.
fn points(all: &Histogram<u64>) -> Vec<(f64, u64)> {
    let known = (all.len().max(1) as f64).log10().min(NINES);
    let steps = (known * 40.0).floor() as usize;
    let at = |step: usize| step as f64 / 40.0;
    (0..=steps).map(|step| (at(step), all.value_at_quantile(1.0 - 10f64.powf(-at(step))))).collect()
}

/// Percentiles of up to [`SERIES_MAX`] series. Empty if nothing was measured.
pub(super) fn percentiles(all: &[&Series]) -> String {
    let curves: Vec<Vec<(f64, u64)>> = all
        .iter()
        .map(|series| series.all().filter(|all| !all.is_empty()).map_or(Vec::new(), |a| points(&a)))
        .collect();
    let values = || curves.iter().flatten().map(|(_, ps)| *ps);
    let (Some(low), Some(high)) = (values().min(), values().max()) else { return String::new() };
    let axes = Axes::around(low, high);
    let mut svg =
        format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"percentiles\">\n");
    grid(&axes, &mut svg);
    for (number, curve) in curves.iter().enumerate() {
        let mut line = String::new();
        for (nines, ps) in curve {
            let _ = write!(line, "{:.1},{:.1} ", Axes::x(*nines), axes.y(*ps as f64));
        }
        let name = escape(&all[number].name);
        let _ = writeln!(
            svg,
            "<polyline class=\"line c{number}\" points=\"{}\"><title>{name}</title></polyline>",
            line.trim_end()
        );
    }
    svg.push_str("</svg>\n");
    svg
}

fn grid(axes: &Axes, svg: &mut String) {
    let labels = ["0", "90", "99", "99.9", "99.99", "99.999"];
    for (nines, label) in labels.into_iter().enumerate() {
        let x = Axes::x(nines as f64);
        let bottom = HEIGHT - BOTTOM;
        let _ = writeln!(
            svg,
            "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{bottom}\"/>\
            <text class=\"tick\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{label}</text>",
            bottom + 16.0
        );
    }
    for decade in axes.low as i64..=axes.high as i64 {
        let ps = 10f64.powi(decade as i32);
        let y = axes.y(ps);
        let right = WIDTH - RIGHT;
        let _ = writeln!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
            <text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 8.0,
            y + 4.0,
            duration(ps)
        );
    }
    let _ = writeln!(
        svg,
        "<text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">percentile</text>",
        LEFT + (WIDTH - LEFT - RIGHT) / 2.0,
        HEIGHT - 6.0
    );
}

/// Comparisons as bars, with a line where both are the same.
pub(super) fn bars(ratios: &[Ratio]) -> String {
    const ROW: f64 = 26.0;
    const NAMES: f64 = 270.0;
    let most = ratios.iter().map(|ratio| ratio.ratio).fold(1.0, f64::max);
    if ratios.is_empty() || !most.is_finite() {
        return String::new();
    }
    let scale = (WIDTH - NAMES - 70.0) / most;
    let height = ROW * ratios.len() as f64 + 12.0;
    let mut svg =
        format!("<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"comparisons\">\n");
    for (number, ratio) in ratios.iter().enumerate() {
        let y = ROW * number as f64 + 4.0;
        let width = (ratio.ratio * scale).max(0.0);
        let _ = writeln!(
            svg,
            "<text class=\"name\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
            <rect class=\"bar\" x=\"{NAMES}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"18\" rx=\"3\">\
            <title>{}</title></rect>\
            <text class=\"name\" x=\"{:.1}\" y=\"{:.1}\">{:.2}</text>",
            NAMES - 8.0,
            y + 13.0,
            escape(&ratio.name),
            escape(&ratio.what),
            NAMES + width + 6.0,
            y + 13.0,
            ratio.ratio
        );
    }
    let one = NAMES + scale;
    let _ = writeln!(
        svg,
        "<line class=\"one\" x1=\"{one:.1}\" x2=\"{one:.1}\" y1=\"0\" y2=\"{height}\"/>\n</svg>"
    );
    svg
}

/// Picoseconds for an axis: `100 ns`.
fn duration(ps: f64) -> String {
    let units = [(1e12, "s"), (1e9, "ms"), (1e6, "µs"), (1e3, "ns"), (1.0, "ps")];
    let (unit, name) = units.into_iter().find(|(unit, _)| ps >= *unit).unwrap_or((1.0, "ps"));
    format!("{} {name}", ps / unit)
}

/// Text for HTML.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_take_whole_decades_and_as_much_room_for_each_nine() {
        let axes = Axes::around(230_000, 1_500_000);
        assert_eq!(axes, Axes { low: 5.0, high: 7.0 });
        assert_eq!((Axes::x(0.0), Axes::x(5.0)), (74.0, 840.0));
        assert!((Axes::x(2.0) - Axes::x(1.0) - (Axes::x(5.0) - Axes::x(4.0))).abs() < 1e-9);
        assert_eq!((axes.y(1e7), axes.y(1e5)), (16.0, 336.0));
        assert!((axes.y(1e6) - 176.0).abs() < 1e-9);
        assert_eq!(Axes::around(0, 0), Axes { low: 0.0, high: 1.0 });
    }

    #[test]
    fn a_curve_ends_where_there_are_no_more_events() {
        let mut series = Series::new("a", "a");
        (1..=1000).for_each(|n| series.record(n * 1000));
        let curve = points(&series.all().unwrap());
        let (nines, last) = *curve.last().unwrap();
        assert!((nines - 3.0).abs() < 0.03, "{nines}");
        assert!((998_000..=1_001_000).contains(&last), "{last}");
        let (_, median) = curve[12];
        assert!((495_000..=505_000).contains(&median), "10^-0.3 is a half: {median}");
        assert!(curve.windows(2).all(|pair| pair[0].1 <= pair[1].1));
    }

    #[test]
    fn pictures_are_closed_and_hold_a_line_or_bar_for_each() {
        let report = super::super::sample();
        let all: Vec<&Series> = report.measured.series.iter().collect();
        let svg = percentiles(&all);
        assert_eq!((svg.matches("<polyline").count(), svg.matches("</svg>").count()), (2, 1));
        assert!(svg.contains(">99.999<") && svg.contains(">100 ns<"), "{svg}");
        let svg = bars(&report.measured.ratios);
        assert_eq!((svg.matches("<rect").count(), svg.matches("</svg>").count()), (1, 1));
        assert!(!svg.contains("NaN"));
        assert_eq!((percentiles(&[]), bars(&[])), (String::new(), String::new()));
    }

    #[test]
    fn durations_are_written_in_their_unit() {
        let all = [1.0, 1e3, 1e5, 1e6, 1e9, 1e13].map(duration);
        assert_eq!(all, ["1 ps", "1 ns", "100 ns", "1 µs", "1 ms", "10 s"]);
    }
}
