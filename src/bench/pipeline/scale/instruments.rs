//! More instruments on one feed: the same recorded frames, shared out among them.
//!
//! Each instrument gets a stretch of the recording of its own, beginning with the book as it was
//! there; all stretches together are the same frames whatever the number of instruments, so nothing
//! but that number differs. Frames come over a network in memory under a clock that is moved by hand:
//! what is timed are the polls of the feed and of the strategies that find a frame waiting.

use super::super::rig::{Rig, Shape, instrument_name, instrument_symbol, script};
use super::super::{BenchOptions, Capture, FrameKind, Measured};
use super::looker::Looker;
use super::replay::Replay;
use crate::agents::{Agent, Feed, OmsAgent, StrategyAgent, pin};
use crate::bench::Timer;
use crate::bench::frames::Frame;
use crate::clock::Clock;
use crate::shm::MarketView;
use crate::sim::{HttpReply, HttpRequest, Script};
use crate::strategy::Strategy;
use crate::types::{InstrumentId, Nanos};
use std::collections::HashMap;
use std::thread;

/// How many there are.
pub(super) const COUNTS: [usize; 4] = [1, 10, 100, 1_000];
/// What the clock moves by with a frame.
const FRAME_NS: u64 = 20_000;
/// What it moves by in a round before the first frame, and rounds in which all are subscribed: names
/// go to the venue 200 at a time, 300 ms apart.
const SUBSCRIBING_NS: u64 = 20_000_000;
const SUBSCRIBING: usize = 500;
/// The same until the books are live: snapshots wait for the venue's limits, some minutes for many.
const FETCHING_NS: u64 = 5_000_000;
const FETCHING_MAX: usize = 400_000;
/// Rounds between two pings of the venue, which sends nothing else meanwhile.
const PINGS_APART: usize = 200;
const START: Nanos = Nanos(1_723_161_256_400_000_000);

/// The recording, shared out.
struct Shares {
    /// By instrument: what its venue answers with, and frames that come before its stretch.
    snapshots: Vec<String>,
    before: Vec<Vec<String>>,
    /// By instrument, its stretch.
    frames: Vec<Vec<String>>,
}

/// Frames with an instrument's symbol in the place of the recording's.
fn renamed(text: &str, symbol: &str, number: usize) -> String {
    let own = instrument_symbol(number);
    let lower = |name: &str| format!("\"{}@", name.to_lowercase());
    let quoted = |name: &str| format!("\"{name}\"");
    text.replace(&lower(symbol), &lower(&own)).replace(&quoted(symbol), &quoted(&own))
}

impl Shares {
    /// The first `events` frames after the recording's book is whole, for `count` instruments. With
    /// `hot` the first of them gets all.
    fn new(capture: &Capture, events: usize, count: usize, hot: bool) -> Result<Self, String> {
        let symbol = capture.symbol().ok_or("the recorded messages name no symbol")?;
        let streamed = |frame: &&Frame| frame.kind != FrameKind::Snapshot;
        let mut frames = capture.frames.iter().filter(streamed);
        let mut replay = Replay::new(capture)?;
        // By kind: the newest frame before the stretch.
        let mut newest: [Option<&Frame>; 3] = [None; 3];
        for frame in frames.by_ref() {
            if frame.kind == FrameKind::Depth && replay.apply(frame) {
                newest[slot(frame.kind)] = Some(frame);
                break;
            }
        }
        let rest: Vec<&Frame> = frames.take(events).collect();
        if rest.len() < count {
            return Err(format!("{} frames are too few for {count} instruments", rest.len()));
        }
        let mut shares = Self { snapshots: Vec::new(), before: Vec::new(), frames: Vec::new() };
        for number in 0..count {
            let whole =
                if hot && number == 0 { 0..rest.len() } else { stretch(rest.len(), count, number) };
            let own = |frame: &Frame| renamed(&frame.text, &symbol, number);
            shares.snapshots.push(replay.snapshot());
            shares.before.push(newest.iter().flatten().map(|frame| own(frame)).collect());
            let quiet = hot && number > 0;
            let played = if quiet { 0..0 } else { whole };
            shares.frames.push(rest[played].iter().map(|frame| own(frame)).collect());
            for frame in &rest[stretch(rest.len(), count, number)] {
                replay.apply(frame);
                newest[slot(frame.kind)] = Some(frame);
            }
        }
        Ok(shares)
    }

    /// Whose turn it is, one after the other.
    fn in_turn(&self) -> Vec<usize> {
        let longest = self.frames.iter().map(Vec::len).max().unwrap_or(0);
        let round = |at: usize| {
            (0..self.frames.len()).filter(move |number| self.frames[*number].len() > at)
        };
        (0..longest).flat_map(round).collect()
    }

    /// The same in an order that is always the same but has no pattern.
    fn shuffled(&self) -> Vec<usize> {
        let mut order = self.in_turn();
        let mut seed = 42u64;
        for at in (1..order.len()).rev() {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            order.swap(at, ((seed >> 33) % (at as u64 + 1)) as usize);
        }
        order
    }
}

/// Where the newest frame of a kind is kept.
fn slot(kind: FrameKind) -> usize {
    match kind {
        FrameKind::Depth => 0,
        FrameKind::Top => 1,
        _ => 2,
    }
}

/// The part of the recording that an instrument gets.
fn stretch(frames: usize, count: usize, number: usize) -> std::ops::Range<usize> {
    frames * number / count..frames * (number + 1) / count
}

/// A venue that answers with each instrument's own depth.
struct Answers {
    inner: Box<dyn Script>,
    snapshots: HashMap<String, String>,
}

impl Script for Answers {
    fn paths(&self) -> [&'static str; 4] {
        self.inner.paths()
    }

    fn on_http(&mut self, request: &HttpRequest) -> HttpReply {
        let mut reply = self.inner.on_http(request);
        let symbol = request.query.split('&').find_map(|part| part.strip_prefix("symbol="));
        let own = symbol.and_then(|symbol| self.snapshots.get(symbol));
        if let (true, Some(own)) = (request.path.ends_with("/depth"), own) {
            reply.body.clone_from(own);
        }
        reply
    }

    fn on_text(&mut self, path: &str, text: &str, answers: &mut Vec<String>) -> bool {
        self.inner.on_text(path, text, answers)
    }
}

/// An engine of many instruments, its feed and strategies one frame at a time.
struct Many {
    rig: Rig,
    feed: Feed,
    /// One that watches all instruments, and one that watches the first.
    strategies: [StrategyAgent; 2],
    oms: OmsAgent,
    view: MarketView,
    count: usize,
    now: Nanos,
}

impl Many {
    /// All books live.
    fn new(capture: &Capture, shares: &Shares) -> Result<Self, String> {
        let count = shares.frames.len();
        let symbols = (0..count).map(instrument_symbol);
        let snapshots = symbols.zip(shares.snapshots.iter().cloned()).collect();
        let answers = Answers { inner: script(capture)?, snapshots };
        let all = Looker::new((0..count).map(instrument_name).collect());
        let one = Looker::new(vec![instrument_name(0)]);
        let strategies: Vec<(String, Box<dyn Strategy>)> =
            vec![("all".to_owned(), Box::new(all)), ("one".to_owned(), Box::new(one))];
        let shape = Shape { instruments: count, strategies };
        let clock = Clock::manual(START);
        let (rig, engine) = Rig::shaped(capture, clock, Box::new(answers), shape)?;
        let feed = engine.feeds.into_iter().next().ok_or("there is no feed")?;
        let strategies = engine.strategies.try_into();
        let strategies = strategies.map_err(|_| "there are not two strategies")?;
        let (oms, view) = (engine.oms, engine.view);
        let mut many = Self { rig, feed, strategies, oms, view, count, now: START };
        for _ in 0..SUBSCRIBING {
            many.round(SUBSCRIBING_NS);
        }
        for text in shares.before.iter().flatten() {
            many.rig.venue.publish(text);
            many.round(FRAME_NS);
        }
        for round in 0..FETCHING_MAX {
            if round % PINGS_APART == 0 {
                many.rig.venue.ping();
                if many.is_live() {
                    return Ok(many);
                }
            }
            many.round(FETCHING_NS);
        }
        let live = (0..count).filter(|number| many.view.best(id(*number)).is_live()).count();
        Err(format!("{live} of {count} books are live: {}", many.rig.said()))
    }

    fn is_live(&self) -> bool {
        (0..self.count).all(|number| self.view.best(id(number)).is_live())
    }

    fn tick(&mut self, by: u64) {
        self.now = self.now.plus(by);
        self.rig.clock.set(self.now);
        self.rig.tick();
    }

    fn round(&mut self, by: u64) {
        self.tick(by);
        self.rig.venue.turn();
        self.feed.poll(self.now);
        for strategy in &mut self.strategies {
            strategy.poll(self.now);
        }
        self.oms.poll(self.now);
    }

    /// Times in picoseconds of one frame: in the feed, in the strategy that watches all, and in that
    /// which watches one. An error if the feed did not read it.
    #[inline]
    fn frame(&mut self, timer: &Timer, text: &str) -> Result<[u64; 3], String> {
        self.rig.venue.publish(text);
        self.tick(FRAME_NS);
        let before = self.feed.messages();
        let (now, feed, [all, one]) = (self.now, &mut self.feed, &mut self.strategies);
        let times = [
            timer.time(|| feed.poll(now)).0,
            timer.time(|| all.poll(now)).0,
            timer.time(|| one.poll(now)).0,
        ];
        match self.feed.messages() == before + 1 {
            true => Ok(times),
            false => Err(format!("a frame was not read: {}", self.rig.said())),
        }
    }
}

fn id(number: usize) -> InstrumentId {
    InstrumentId(number as u16)
}

/// Address space and memory of this process, bytes; zeros where the system does not say.
fn memory() -> [f64; 2] {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let mut pages = text.split_whitespace().map(|word| word.parse::<f64>().unwrap_or(0.0));
    std::array::from_fn(|_| pages.next().unwrap_or(0.0) * 4096.0)
}

/// All counts, in turn and shuffled, and many instruments of which one is asked for.
pub(super) fn run(
    capture: &Capture,
    options: &BenchOptions,
    counts: &[usize],
    measured: &mut Measured,
) -> Result<(), String> {
    let timer = Timer::new();
    for number in 0..options.runs {
        for &count in counts {
            for (way, hot) in [("in_turn", false), ("shuffled", false), ("hot", true)] {
                let shares = Shares::new(capture, options.events, count, hot)?;
                let order = if way == "shuffled" { shares.shuffled() } else { shares.in_turn() };
                // On a thread of its own, so that the caller's stays where it may run.
                let (rows, sizes) = thread::scope(|scope| {
                    let run = scope.spawn(|| one_way(&timer, capture, options, &shares, &order));
                    run.join().map_err(|_| "a thread of the benchmark panicked".to_owned())?
                })?;
                record(&format!("instruments.{count}.{way}"), &rows, measured);
                // The first takes fresh memory, the others what it has given back.
                if number == 0 && way == "in_turn" && Some(&count) == counts.last() {
                    state_memory(sizes, count, measured);
                }
            }
        }
    }
    compare(counts, measured);
    Ok(())
}

/// Times of one run, and what its engine took of address space and memory.
type Run = (Vec<[u64; 3]>, [f64; 2]);

/// One run of a number of instruments.
fn one_way(
    timer: &Timer,
    capture: &Capture,
    options: &BenchOptions,
    shares: &Shares,
    order: &[usize],
) -> Result<Run, String> {
    let before = memory();
    let mut many = Many::new(capture, shares)?;
    let after = memory();
    // The engine's other threads, made above, are to stay where they may run.
    options.cpus.first().map_or(Ok(()), |cpu| pin(*cpu))?;
    let mut rows = Vec::with_capacity(order.len());
    let mut next = vec![0; many.count];
    for &number in order {
        rows.push(many.frame(timer, &shares.frames[number][next[number]])?);
        next[number] += 1;
    }
    if !many.is_live() {
        return Err(format!("{} instruments: a book was lost: {}", many.count, many.rig.said()));
    }
    Ok((rows, std::array::from_fn(|at| after[at] - before[at])))
}

fn record(name: &str, rows: &[[u64; 3]], measured: &mut Measured) {
    let parts = [
        ("frame", "feed and a strategy that watches all instruments: a frame, decoded to decided"),
        ("feed", "feed: a frame read, decoded, applied and published"),
        ("all", "strategy that watches all instruments: finds, reads, decides"),
        ("one", "strategy that watches one instrument: finds, reads, decides"),
    ];
    for (at, (part, what)) in parts.into_iter().enumerate() {
        let series = measured.series(&format!("{name}.{part}"), what);
        series.begin();
        for row in rows {
            series.record(if at == 0 { row[0] + row[1] } else { row[at - 1] });
        }
    }
}

fn state_memory([reserved, resident]: [f64; 2], count: usize, measured: &mut Measured) {
    let each = count as f64;
    let values = &mut measured.values;
    values.push(("instruments.reserved_each_bytes".to_owned(), (reserved / each).round()));
    values.push(("instruments.resident_each_bytes".to_owned(), (resident / each).round()));
}

/// The most instruments against one.
fn compare(counts: &[usize], measured: &mut Measured) {
    let (Some(few), Some(many)) = (counts.first(), counts.last()) else { return };
    for way in ["in_turn", "shuffled", "hot"] {
        for part in ["frame", "feed", "all", "one"] {
            let [many_name, few_name] =
                [many, few].map(|count| format!("instruments.{count}.{way}.{part}"));
            let name = format!("instruments.{many}_vs_{few}.{way}.{part}");
            let what = format!("{part}, {way}: {many} instruments / {few}");
            measured.compare(&name, &what, &many_name, &few_name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_frame_is_read_whatever_the_number_of_instruments() {
        let options = BenchOptions { runs: 1, events: 60, ..BenchOptions::default() };
        let mut measured = Measured::default();
        run(&Capture::made(60), &options, &[1, 7], &mut measured).unwrap();
        for count in [1, 7] {
            for way in ["in_turn", "shuffled", "hot"] {
                let name = format!("instruments.{count}.{way}.frame");
                assert_eq!(measured.find(&name).unwrap().figure().count, 60, "{name}");
            }
        }
        assert_eq!(measured.ratios.len(), 12);
    }

    #[test]
    fn all_frames_are_shared_out_once() {
        let capture = Capture::made(60);
        let one = Shares::new(&capture, 50, 1, false).unwrap();
        let many = Shares::new(&capture, 50, 7, false).unwrap();
        let flat: Vec<String> = many.frames.iter().flatten().cloned().collect();
        assert_eq!((flat.len(), one.frames[0].len()), (50, 50));
        let (name, own) = (instrument_symbol(0), instrument_symbol(6));
        assert_eq!(many.frames[6][0], renamed(one.frames[0].get(42).unwrap(), &name, 6));
        assert!(many.frames[6][0].contains(&own) && !many.frames[6][0].contains(&name));
        let mut shuffled = many.shuffled();
        assert_ne!(shuffled, many.in_turn());
        shuffled.sort_unstable();
        let mut in_turn = many.in_turn();
        in_turn.sort_unstable();
        assert_eq!(shuffled, in_turn);
        assert!(Shares::new(&capture, 3, 7, false).is_err());
    }
}
