//! One file that shows a report: style and pictures are in it, nothing is fetched.

use super::super::Series;
use super::Report;
use super::plot::{SERIES_MAX, bars, escape, percentiles};
use std::fmt::Write;

const STYLE: &str = "
:root { --back: #ffffff; --text: #1b1f24; --soft: #5b6470; --rule: #dfe3e8; --panel: #f6f7f9;
  --warn: #8a4b00; --warn-back: #fff3df; --worse: #b3261e; --better: #1a7f37; --bar: #3b6fb6;
  --c0: #1f6fb4; --c1: #d9660a; --c2: #2a8a3e; --c3: #b3261e; --c4: #7a4fb3; --c5: #86573f;
  --c6: #c2388f; --c7: #4d7f85; color-scheme: light dark; }
@media (prefers-color-scheme: dark) { :root { --back: #14171b; --text: #e4e7eb; --soft: #9aa4b0;
  --rule: #2c333b; --panel: #1c2127; --warn: #ffc46b; --warn-back: #3a2a10; --worse: #ff8a80;
  --better: #6fd08c; --bar: #6aa3ea; --c0: #6db3f2; --c1: #ffa657; --c2: #6fd08c; --c3: #ff8a80;
  --c4: #bf9bf5; --c5: #cfa187; --c6: #f08fce; --c7: #8fc6cc; } }
body { margin: 0 auto; max-width: 62rem; padding: 1.5rem; background: var(--back);
  color: var(--text); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .3rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
p { margin: .3rem 0; } .soft { color: var(--soft); }
ul.warn { background: var(--warn-back); color: var(--warn); border-radius: 6px; margin: 1rem 0;
  padding: .6rem 1rem .6rem 2rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid var(--rule); padding: .3rem .6rem; text-align: right; }
th { color: var(--soft); font-weight: 600; } th:first-child, td:first-child { text-align: left; }
td.what { text-align: left; color: var(--soft); font-size: .85rem; }
figure { background: var(--panel); border-radius: 8px; margin: 1rem 0; padding: .8rem; }
svg { display: block; width: 100%; height: auto; }
.grid { stroke: var(--rule); } .tick { fill: var(--soft); font-size: 12px; }
.name { fill: var(--text); font-size: 12px; } .bar { fill: var(--bar); }
.one { stroke: var(--text); stroke-dasharray: 4 3; } .line { fill: none; stroke-width: 2; }
.key { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; font-size: .85rem; padding-top: .4rem; }
.key i { display: inline-block; width: 1.4em; height: 3px; margin-right: .4em;
  vertical-align: middle; }
.worse { color: var(--worse); font-weight: 600; } .better { color: var(--better);
  font-weight: 600; }
";

/// The whole page.
pub(super) fn page(report: &Report) -> String {
    let title = format!("stoop bench {}", escape(&report.bench));
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
        <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n\
        <style>{STYLE}"
    );
    for number in 0..SERIES_MAX {
        let _ = writeln!(
            page,
            ".c{number} {{ stroke: var(--c{number}); }} i.c{number} {{ background: var(--c{number}); }}"
        );
    }
    let _ = write!(page, "</style>\n</head>\n<body>\n<h1>{title}</h1>\n");
    host(report, &mut page);
    table(report, &mut page);
    plots(report, &mut page);
    comparisons(report, &mut page);
    changes(report, &mut page);
    values(report, &mut page);
    page.push_str("</body>\n</html>\n");
    page
}

fn host(report: &Report, page: &mut String) {
    let host = &report.host;
    let unknown = || "unknown".to_owned();
    let list = |cpus: &[usize]| match cpus {
        [] => "none".to_owned(),
        _ => cpus.iter().map(usize::to_string).collect::<Vec<_>>().join(", "),
    };
    let governors: Vec<String> =
        host.governors.iter().map(|(cpu, name)| format!("{cpu}: {name}")).collect();
    let features = match host.target_features.as_slice() {
        [] => "baseline".to_owned(),
        features => features.join(", "),
    };
    let _ = writeln!(
        page,
        "<p>{}, {} CPUs (allowed {}), {:.2} GHz measured, {}</p>\n\
        <p class=\"soft\">Linux {}; load {}; clock source {}; governor {}; isolated {}; tickless {}; \
        huge pages {}; {} build, target features: {}</p>",
        escape(&host.cpu_model),
        host.cpus,
        list(&host.allowed),
        host.measured_ghz,
        host.hypervisor
            .as_ref()
            .map_or("no hypervisor".to_owned(), |name| format!("under {}", escape(name))),
        escape(&host.kernel),
        host.load.map_or_else(unknown, |load| format!("{load:.2}")),
        host.clock_source.as_deref().map_or_else(unknown, escape),
        if governors.is_empty() { unknown() } else { escape(&governors.join(", ")) },
        list(&host.isolated),
        list(&host.nohz_full),
        host.transparent_huge_pages.as_deref().map_or_else(unknown, escape),
        host.build,
        features
    );
    items(&report.warnings, "warn", page);
    items(&report.measured.notes, "soft", page);
}

fn items(lines: &[String], class: &str, page: &mut String) {
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(page, "<ul class=\"{class}\">");
    for line in lines {
        let _ = writeln!(page, "<li>{}</li>", escape(line));
    }
    page.push_str("</ul>\n");
}

fn table(report: &Report, page: &mut String) {
    if report.measured.series.is_empty() {
        return;
    }
    page.push_str(
        "<h2>Durations, nanoseconds</h2>\n<div class=\"wide\"><table>\n<tr><th></th><th>p50</th>\
        <th>p99</th><th>p99.9</th><th>max</th><th>p50 of the runs</th><th>events</th><th></th></tr>\n",
    );
    for series in &report.measured.series {
        let f = series.figure();
        let _ = writeln!(
            page,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{} to {}</td><td>{}</td>\
            <td class=\"what\">{}</td></tr>",
            escape(&series.name),
            number(f.p50_ns),
            number(f.p99_ns),
            number(f.p999_ns),
            number(f.max_ns),
            number(f.p50_min_ns),
            number(f.p50_max_ns),
            f.count,
            escape(&series.what)
        );
    }
    page.push_str("</table></div>\n");
}

/// A duration as people read it: a decimal where it counts.
fn number(ns: f64) -> String {
    if ns < 1000.0 {
        return format!("{ns:.1}");
    }
    let digits = format!("{ns:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            // A thin space that does not break.
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// Series that belong into one picture: those of one prefix, in their order, as many as there are
/// colours.
fn groups(all: &[Series]) -> Vec<Vec<&Series>> {
    if all.len() <= SERIES_MAX {
        return vec![all.iter().collect()];
    }
    let prefix = |series: &Series| series.name.split('.').next().unwrap_or_default().to_owned();
    let mut groups: Vec<Vec<&Series>> = Vec::new();
    for series in all {
        let fits = |group: &&mut Vec<&Series>| {
            group.len() < SERIES_MAX && group.first().is_some_and(|g| prefix(g) == prefix(series))
        };
        match groups.iter_mut().rev().find(fits) {
            Some(group) => group.push(series),
            None => groups.push(vec![series]),
        }
    }
    groups
}

fn plots(report: &Report, page: &mut String) {
    for group in groups(&report.measured.series) {
        let picture = percentiles(&group);
        if picture.is_empty() {
            continue;
        }
        let _ = write!(page, "<figure>\n{picture}<div class=\"key\">");
        for (number, series) in group.iter().enumerate() {
            let name = escape(&series.name);
            let _ = write!(page, "<span><i class=\"c{number}\"></i>{name}</span>");
        }
        page.push_str("</div>\n</figure>\n");
    }
}

fn comparisons(report: &Report, page: &mut String) {
    let picture = bars(&report.measured.ratios);
    if picture.is_empty() {
        return;
    }
    let _ =
        write!(page, "<h2>Comparisons</h2>\n<figure>\n{picture}</figure>\n<ul class=\"soft\">\n");
    for ratio in &report.measured.ratios {
        let (name, what) = (escape(&ratio.name), escape(&ratio.what));
        let _ = writeln!(page, "<li>{name}: {what}</li>");
    }
    page.push_str("</ul>\n");
}

fn changes(report: &Report, page: &mut String) {
    let Some((path, changes)) = &report.changes else { return };
    let _ = writeln!(
        page,
        "<h2>Against {}</h2>\n<div class=\"wide\"><table>\n<tr><th></th><th>p50 then</th>\
        <th>p50 now</th><th>change</th><th></th></tr>",
        escape(&path.display().to_string())
    );
    for change in changes {
        let class = match (change.beyond_spread, change.percent > 0.0) {
            (false, _) => "",
            (true, true) => "worse",
            (true, false) => "better",
        };
        let mark = if change.beyond_spread { "beyond the spread of the runs" } else { "" };
        let _ = writeln!(
            page,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td class=\"{class}\">{:+.1} %</td>\
            <td class=\"what\">{mark}</td></tr>",
            escape(&change.name),
            number(change.then_ns),
            number(change.now_ns),
            change.percent
        );
    }
    page.push_str("</table></div>\n");
}

fn values(report: &Report, page: &mut String) {
    if report.measured.values.is_empty() {
        return;
    }
    page.push_str("<h2>Other values</h2>\n<table>\n");
    for (name, value) in &report.measured.values {
        let _ = writeln!(page, "<tr><td>{}</td><td>{value:.4}</td></tr>", escape(name));
    }
    page.push_str("</table>\n");
}

#[cfg(test)]
mod tests {
    use super::super::Change;
    use super::*;

    #[test]
    fn the_page_stands_alone_and_escapes_what_it_was_given() {
        let mut report = super::super::sample();
        report.changes = Some((
            "old.json".into(),
            vec![Change {
                name: "ring".to_owned(),
                then_ns: 50.0,
                now_ns: 105.0,
                percent: 110.0,
                beyond_spread: true,
            }],
        ));
        let page = page(&report);
        for part in [
            "Fast &lt;One&gt;",
            "the load is 1.50",
            "what &lt;it&gt; is",
            "a note &amp; more",
            "seqlock / ring",
            "class=\"worse\">+110.0 %",
            "Against old.json",
            "</html>",
        ] {
            assert!(page.contains(part), "{part}");
        }
        for fetched in ["src=", "href=", "http", "url(", "@import", "<script"] {
            assert!(!page.contains(fetched), "{fetched}");
        }
    }

    #[test]
    fn numbers_are_grouped_and_series_of_a_prefix_share_a_picture() {
        assert_eq!(number(12.34), "12.3");
        assert_eq!(number(1_234_567.8), "1\u{202f}234\u{202f}568");
        let named = |name: &str| Series::new(name, "");
        let all: Vec<Series> =
            (0..9).map(|n| named(&format!("top.{n}"))).chain([named("net")]).collect();
        let sizes: Vec<usize> = groups(&all).iter().map(Vec::len).collect();
        assert_eq!(sizes, [8, 1, 1]);
    }
}
