//! `stoop latency --hlog`: a log in HdrHistogram's interval format, V2 compressed, one histogram for
//! each stage and venue under its tag, over the whole run. Viewers of that format open it.

use super::report::Report;
use crate::sync::histogram::{LONGEST, Snapshot};
use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};
use std::io::{BufWriter, Error, Write};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

/// Significant digits: more than our buckets hold.
const DIGITS: u8 = 3;
/// The column of maxima is in milliseconds, as the format's own tools write it.
const NANOS_PER_MILLI: f64 = 1e6;

/// Writes the log, replacing what is there.
pub(super) fn write(report: &Report, path: &Path) -> Result<(), Error> {
    let mut file = BufWriter::new(std::fs::File::create(path)?);
    let mut serializer = V2DeflateSerializer::new();
    let started = UNIX_EPOCH + Duration::from_nanos(report.started_ns.0);
    let mut builder = IntervalLogWriterBuilder::new();
    let comment = format!("[stoop latency of {}, process {}]", report.instance, report.pid);
    builder.add_comment(&comment).with_start_time(started).with_base_time(started);
    builder.with_max_value_divisor(NANOS_PER_MILLI);
    let mut log = builder.begin_log_with(&mut file, &mut serializer)?;
    let elapsed = Duration::from_nanos(report.elapsed_ns);
    for row in &report.rows {
        let histogram = histogram(&row.seen).map_err(Error::other)?;
        let tag = row.tag();
        let tag = Tag::new(&tag);
        let written = log.write_histogram(&histogram, Duration::ZERO, elapsed, tag);
        written.map_err(|error| Error::other(format!("{error:?}")))?;
    }
    drop(log);
    file.flush()
}

/// The same durations as a histogram of that format: the middles of our buckets, and one of the last
/// bucket as long as the longest was.
fn histogram(seen: &Snapshot) -> Result<Histogram<u64>, String> {
    let longest = seen.max.clamp(LONGEST, u64::MAX / 4);
    let made = Histogram::new_with_bounds(1, longest, DIGITS);
    let mut histogram = made.map_err(|error| error.to_string())?;
    let mut left = seen.count;
    for (ns, count) in seen.buckets() {
        left = left.saturating_sub(count);
        let middles = if left == 0 { count - 1 } else { count };
        histogram.saturating_record_n(ns.clamp(seen.min.min(seen.max), seen.max), middles);
    }
    if seen.count > 0 {
        histogram.saturating_record(seen.max);
    }
    Ok(histogram)
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::report;
    use super::*;
    use crate::sync::histogram;
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    #[test]
    fn other_programs_read_what_was_written() {
        let path = std::env::temp_dir().join(format!("stoop-{}.hlog", std::process::id()));
        let mut report = report();
        let (mut writer, reader) = histogram::histogram();
        (0..5_000u64).for_each(|number| writer.record(number * number));
        report.rows[0].seen = reader.snapshot();
        write(&report, &path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let entries: Vec<_> =
            IntervalLogIterator::new(&bytes).map(|entry| entry.unwrap()).collect();
        let intervals = entries.iter().filter_map(|entry| match entry {
            LogEntry::Interval(interval) => Some(interval),
            _ => None,
        });
        let [interval] = intervals.collect::<Vec<_>>()[..] else { panic!("{entries:?}") };
        assert_eq!(interval.tag().unwrap().as_str(), "send.a.BTC");
        assert_eq!(interval.duration(), Duration::from_secs(3_725));
        let text = interval.encoded_histogram();
        let encoded = base64::Engine::decode(&base64::prelude::BASE64_STANDARD, text).unwrap();
        let read: Histogram<u64> = Deserializer::new().deserialize(&mut &encoded[..]).unwrap();
        let seen = &report.rows[0].seen;
        assert_eq!((read.len(), read.min()), (5_000, 0));
        assert!(read.max().abs_diff(seen.max) * 1_000 <= seen.max, "{}", read.max());
        for q in [0.1, 0.5, 0.9, 0.99, 0.999] {
            let (ours, theirs) = (seen.quantile(q), read.value_at_quantile(q));
            assert!(ours.abs_diff(theirs) * 500 <= ours, "quantile {q}: {ours}, {theirs}");
        }
    }

    #[test]
    fn the_emptiest_and_the_longest_are_written() {
        for ns in [0, 1, u64::MAX] {
            let (mut writer, reader) = histogram::histogram();
            writer.record(ns);
            let histogram = histogram(&reader.snapshot()).unwrap();
            assert_eq!(histogram.len(), 1, "{ns}");
        }
        assert_eq!(histogram(&Snapshot::default()).unwrap().len(), 0);
    }
}
