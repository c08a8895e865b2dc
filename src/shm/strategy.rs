//! The file of one strategy: the only one that the strategy can write.

use super::health::RingUse;
use super::layout::{
    COUNTS_AT, STRATEGY_HEARTBEAT_AT, STRATEGY_MAGIC, STRATEGY_PID_AT, STRATEGY_RUN_AT,
    StrategyCounts, StrategyLayout,
};
use super::map::{self, Lock, Named, NewFile};
use super::params::{ParamReader, ParamWriter};
use super::signals::{
    self, BadRecord, Bounds, ReportReader, ReportWriter, RequestReader, RequestWriter,
};
use super::status::{Status, StatusReader, StatusWriter};
use super::{RegionError, header};
use crate::sync::spsc::Full;
use crate::sync::words::{ReadWords, Words};
use crate::sync::{broadcast, ring, seqlock};
use crate::types::{Nanos, Params, Request, StrategyId, StrategyReport};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Sizes of a strategy's file and what its bytes are checked against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StrategyOptions {
    /// Whose file.
    pub strategy: StrategyId,
    /// How many instruments there are: requests that name others are bad records.
    pub instruments: usize,
    /// Slots of the request ring, rounded up to a power of two.
    pub requests: usize,
    /// Slots of the report ring, rounded up to a power of two.
    pub reports: usize,
    /// Slots of the status ring, rounded up to a power of two.
    pub statuses: usize,
    /// How many processes ran this strategy before, of this engine.
    pub run: u32,
}

impl Default for StrategyOptions {
    fn default() -> Self {
        Self {
            strategy: StrategyId(0),
            instruments: 0,
            requests: 256,
            reports: 1024,
            statuses: 16,
            run: 0,
        }
    }
}

impl StrategyOptions {
    fn layout(&self) -> Result<StrategyLayout, RegionError> {
        let counts = StrategyCounts {
            strategy: u64::from(self.strategy.0),
            instruments: self.instruments as u64,
            requests: self.requests as u64,
            reports: self.reports as u64,
            statuses: self.statuses as u64,
        };
        StrategyLayout::new(counts).map_err(|what| RegionError::Options { what: what.to_owned() })
    }
}

/// Makes and opens strategies' files.
#[derive(Debug)]
pub struct StrategyFile;

impl StrategyFile {
    /// Makes `dir/strategy-<name>`, replacing what an ended instance left there, and gives both its
    /// ends. To run the strategy in a process of its own, drop the second and let that process
    /// [`StrategyFile::attach`].
    pub fn create(
        dir: &Path,
        name: &str,
        options: &StrategyOptions,
    ) -> Result<(OmsEnd, StrategyEnd), RegionError> {
        let layout = options.layout()?;
        let path = path(dir, name)?;
        map::make_dir(dir)?;
        let new = NewFile::create(&path, layout.len)?;
        write(&new.words, &layout, options.run);
        // Locked before anyone can open it by its name.
        let lock = new.lock()?;
        let (words, named) = new.publish()?;
        Ok((OmsEnd::new(&words, &layout, Some(named)), StrategyEnd::new(words, &layout, lock)))
    }

    /// The same without a file, for tests and simulation.
    pub fn in_memory(options: &StrategyOptions) -> Result<(OmsEnd, StrategyEnd), RegionError> {
        let layout = options.layout()?;
        let words = Words::heap(layout.len);
        write(&words, &layout, options.run);
        Ok((OmsEnd::new(&words, &layout, None), StrategyEnd::new(words, &layout, None)))
    }

    /// Opens the strategy's end from another process. There is one such end at a time.
    pub fn attach(dir: &Path, name: &str) -> Result<StrategyEnd, RegionError> {
        let path = path(dir, name)?;
        let (file, words) = map::open_writable(&path)?;
        let layout = checked(&words, &path)?;
        let Some(lock) = Lock::take(file, &path)? else {
            let pid = words.load(STRATEGY_PID_AT) as u32;
            return Err(RegionError::InUse { path, pid });
        };
        Ok(StrategyEnd::new(words, &layout, Some(lock)))
    }

    /// Looks at the file, read-only. One that was started again since has a new file: whoever wants
    /// to know how it is now looks again.
    pub fn look(dir: &Path, name: &str) -> Result<StrategyLook, RegionError> {
        let path = path(dir, name)?;
        let words = map::open_read_only(&path)?;
        let layout = checked(&words, &path)?;
        let ring = |range: &Range<usize>, shape: ring::Shape| {
            let waiting = ring::waiting(&words.slice(range.clone()), shape);
            RingUse::of(waiting, shape.capacity())
        };
        Ok(StrategyLook {
            pid: words.load(STRATEGY_PID_AT) as u32,
            run: words.load(STRATEGY_RUN_AT) as u32,
            heartbeat: Nanos(words.load(STRATEGY_HEARTBEAT_AT)),
            requests: ring(&layout.requests, layout.request_shape),
            reports: ring(&layout.reports, layout.report_shape),
            status: status_reader(&words, &layout).latest(),
        })
    }

    /// The newest requests, oldest first and `most` at most, whether the oms has taken them or not:
    /// what a strategy did last. After a strategy that went wild they may be anything.
    pub fn newest_requests(
        dir: &Path,
        name: &str,
        most: usize,
    ) -> Result<Vec<Result<Request, BadRecord>>, RegionError> {
        let path = path(dir, name)?;
        let words = map::open_read_only(&path)?;
        let layout = checked(&words, &path)?;
        let ring = words.slice(layout.requests.clone());
        Ok(signals::newest(&ring, layout.request_shape, bounds(&layout), most))
    }
}

/// What a strategy's file says of it. All of it the strategy may have written.
#[derive(Clone, Debug, Default)]
pub struct StrategyLook {
    /// Process of the strategy's end.
    pub pid: u32,
    /// How many processes ran it before, of this engine.
    pub run: u32,
    /// When it last said that it lives, 0 if never.
    pub heartbeat: Nanos,
    /// Its ring to the order manager.
    pub requests: RingUse,
    /// The ring back.
    pub reports: RingUse,
    /// Its newest status.
    pub status: Option<Status>,
}

fn bounds(layout: &StrategyLayout) -> Bounds {
    Bounds {
        strategy: StrategyId(layout.counts.strategy as u8),
        instruments: layout.counts.instruments as usize,
    }
}

/// A name becomes part of a file name, so it may not lead elsewhere.
fn path(dir: &Path, name: &str) -> Result<PathBuf, RegionError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if name.is_empty() || name.len() > 64 || !name.bytes().all(plain) {
        let rule = "is not 1 to 64 letters, digits, \"-\" or \"_\"";
        return Err(RegionError::Options { what: format!("the strategy's name {name:?} {rule}") });
    }
    Ok(dir.join(format!("strategy-{name}")))
}

fn write(words: &Words, layout: &StrategyLayout, run: u32) {
    header::write(words, STRATEGY_MAGIC, &layout.counts.words());
    words.store(STRATEGY_RUN_AT, u64::from(run));
    header::complete(words);
}

fn checked(words: &ReadWords, path: &Path) -> Result<StrategyLayout, RegionError> {
    let counts = StrategyCounts::from_words(header::check(words, STRATEGY_MAGIC, path)?);
    let corrupt = |what| RegionError::Corrupt { path: path.to_owned(), what };
    let layout = StrategyLayout::new(counts).map_err(corrupt)?;
    header::check_length(words, layout.len, path)?;
    Ok(layout)
}

fn status_reader(words: &ReadWords, layout: &StrategyLayout) -> StatusReader {
    let ring = words.slice(layout.statuses.clone());
    StatusReader(broadcast::Reader::new(ring, layout.status_shape))
}

/// The strategy's end.
#[derive(Debug)]
pub struct StrategyEnd {
    /// Signals and cancels to the oms.
    pub requests: RequestWriter,
    /// What became of them.
    pub reports: ReportReader,
    /// What the strategy shows of itself.
    pub status: StatusWriter,
    /// What it is told to be.
    pub params: ParamReader,
    words: Words,
    /// Locked while this end lives, so that there is no second one.
    _lock: Option<Lock>,
}

impl StrategyEnd {
    fn new(words: Words, layout: &StrategyLayout, lock: Option<Lock>) -> Self {
        let strategy = StrategyId(layout.counts.strategy as u8);
        let part = |range: &Range<usize>| words.slice(range.clone());
        let requests = ring::Producer::new(part(&layout.requests), layout.request_shape);
        let reports = ring::Consumer::new(part(&layout.reports), layout.report_shape);
        let status = broadcast::Writer::new(part(&layout.statuses), layout.status_shape);
        let params = seqlock::Reader::new(words.reader().slice(layout.params.clone()));
        words.store(STRATEGY_PID_AT, u64::from(std::process::id()));
        Self {
            requests: RequestWriter::new(requests, strategy),
            reports: ReportReader(reports),
            status: StatusWriter(status),
            params: ParamReader::new(params),
            words,
            _lock: lock,
        }
    }

    /// Says that the strategy lives.
    pub fn beat(&self, now: Nanos) {
        self.words.store(STRATEGY_HEARTBEAT_AT, now.0);
    }

    /// How many processes ran this strategy before, of this engine.
    #[must_use]
    pub fn run(&self) -> u32 {
        self.words.load(STRATEGY_RUN_AT) as u32
    }

    /// Whose end it is.
    #[must_use]
    pub fn strategy(&self) -> StrategyId {
        StrategyId(self.words.load(COUNTS_AT) as u8)
    }
}

/// The oms' end. Every byte that it reads is input. The file's name goes when it is dropped.
#[derive(Debug)]
pub struct OmsEnd {
    requests: RequestReader,
    reports: ReportWriter,
    params: ParamWriter,
    words: ReadWords,
    _named: Option<Named>,
}

impl OmsEnd {
    fn new(words: &Words, layout: &StrategyLayout, named: Option<Named>) -> Self {
        let part = |range: &Range<usize>| words.slice(range.clone());
        let requests = ring::Consumer::new(part(&layout.requests), layout.request_shape);
        let reports = ring::Producer::new(part(&layout.reports), layout.report_shape);
        Self {
            requests: RequestReader::new(requests, bounds(layout)),
            reports: ReportWriter(reports),
            params: ParamWriter(seqlock::Writer::new(part(&layout.params))),
            words: words.reader(),
            _named: named,
        }
    }

    /// Takes the oldest request. After an error the ring goes on behind the bad record.
    #[inline]
    pub fn pop_request(&mut self) -> Result<Option<Request>, BadRecord> {
        let mut request = Request::CancelAll;
        Ok(self.take_request(&mut request)?.then_some(request))
    }

    /// The same without handing it around: whether there was one, which is then in `into`.
    #[inline]
    pub fn take_request(&mut self, into: &mut Request) -> Result<bool, BadRecord> {
        self.requests.pop(into)
    }

    /// Queues a report. If full, the strategy has stopped reading.
    #[inline]
    pub fn push_report(&mut self, report: &StrategyReport) -> Result<(), Full> {
        self.reports.push(report)
    }

    /// Tells the strategy its parameters.
    pub fn write_params(&mut self, params: &Params) {
        self.params.write(params);
    }

    /// When the strategy last said that it lives, 0 if never. Its own statement.
    #[must_use]
    pub fn heartbeat(&self) -> Nanos {
        Nanos(self.words.load(STRATEGY_HEARTBEAT_AT))
    }

    /// Process of the strategy's end. Its own statement.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.words.load(STRATEGY_PID_AT) as u32
    }

    /// What others may see of whether it lives.
    #[must_use]
    pub fn pulse(&self) -> Pulse {
        Pulse(self.words.clone())
    }
}

/// Whether a strategy lives, for whoever watches its process.
#[derive(Clone, Debug)]
pub struct Pulse(ReadWords);

impl Pulse {
    /// See [`OmsEnd::heartbeat`].
    #[must_use]
    pub fn heartbeat(&self) -> Nanos {
        Nanos(self.0.load(STRATEGY_HEARTBEAT_AT))
    }
}
