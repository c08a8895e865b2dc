//! The raw durations: an HdrHistogram interval log, compressed (V2), one line a run, tagged with its
//! series. Values are picoseconds; runs stand one second apart, which is no measured time.

use super::super::Series;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};
use std::time::Duration;

/// The whole file.
pub(super) fn log(bench: &str, all: &[Series]) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    let mut builder = IntervalLogWriterBuilder::new();
    builder.add_comment(&format!("[stoop bench {bench}; values in picoseconds; one line a run]"));
    // Maxima are stated in milliseconds.
    builder.with_max_value_divisor(1e9);
    let mut writer = builder
        .begin_log_with(&mut bytes, &mut serializer)
        .map_err(|error| format!("the log of histograms: {error}"))?;
    for series in all {
        let tag = Tag::new(&series.name)
            .ok_or_else(|| format!("{}: no name for a log of histograms", series.name))?;
        for (number, run) in series.runs().iter().enumerate() {
            let start = Duration::from_secs(number as u64);
            writer
                .write_histogram(run, start, Duration::from_secs(1), Some(tag))
                .map_err(|error| format!("the log of histograms: {error:?}"))?;
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use hdrhistogram::Histogram;
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    #[test]
    fn every_run_comes_back_from_the_log() {
        let all = super::super::sample().measured.series;
        let bytes = log("rings", &all).unwrap();
        let mut read = Vec::new();
        for entry in IntervalLogIterator::new(&bytes) {
            let Ok(LogEntry::Interval(interval)) = entry else { continue };
            let packed = base64::engine::general_purpose::STANDARD
                .decode(interval.encoded_histogram())
                .unwrap();
            let run: Histogram<u64> =
                Deserializer::new().deserialize(&mut packed.as_slice()).unwrap();
            read.push((interval.tag().unwrap().as_str().to_owned(), run));
        }
        let expected: Vec<(String, Histogram<u64>)> = all
            .iter()
            .flat_map(|series| series.runs().iter().map(|run| (series.name.clone(), run.clone())))
            .collect();
        assert_eq!(read.len(), 6);
        assert_eq!(read, expected);
    }
}
