//! Recorded frames to integers: the scanners against the complete decoder (the tape of simd-json
//! with reused buffers), serde_json and sonic-rs, both into types that borrow.
//!
//! Every reader gets the same frames and ends with the same integers, which is checked first. A
//! table of the medians per frame is printed before the criterion groups. Needs the recordings:
//! `STOOP_CAPTURES`, or beside the project.

use criterion::{Criterion, Throughput};
use flate2::read::GzDecoder;
use serde::Deserialize;
use std::fs::File;
use std::hint::black_box;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use stoop::types::{Event, Events, InstrumentKind, Level, Scale};
use stoop::venues::{FrameDecoder, FrameKind, decimal, find};

const SCALE: Scale = Scale { price_decimals: 2, qty_decimals: 5 };
/// Frames of each kind, spread over the recording.
const FRAMES: usize = 400;
const ROUNDS: usize = 60;

#[derive(Deserialize)]
struct Envelope<'a, T> {
    #[allow(dead_code)]
    stream: &'a str,
    data: T,
}

#[derive(Deserialize)]
struct Top<'a> {
    u: u64,
    b: &'a str,
    #[serde(rename = "B")]
    bid_qty: &'a str,
    a: &'a str,
    #[serde(rename = "A")]
    ask_qty: &'a str,
}

#[derive(Deserialize)]
struct Depth<'a> {
    u: u64,
    #[serde(borrow)]
    b: Vec<(&'a str, &'a str)>,
    #[serde(borrow)]
    a: Vec<(&'a str, &'a str)>,
}

#[derive(Deserialize)]
struct Trade<'a> {
    t: u64,
    p: &'a str,
    q: &'a str,
    m: bool,
}

/// What every reader ends with: an id, and levels (a trade is one).
#[derive(Debug, Default, PartialEq)]
struct Out {
    id: u64,
    flag: bool,
    levels: Vec<Level>,
}

impl Out {
    fn push(&mut self, price: &str, qty: &str) {
        let price = decimal::price(price, SCALE).unwrap();
        self.levels.push(Level { price, qty: decimal::qty_cut(qty, SCALE).unwrap() });
    }

    fn top(&mut self, top: &Top<'_>) {
        self.id = top.u;
        self.push(top.b, top.bid_qty);
        self.push(top.a, top.ask_qty);
    }

    fn depth(&mut self, depth: &Depth<'_>) {
        self.id = depth.u;
        for (price, qty) in depth.b.iter().chain(&depth.a) {
            self.push(price, qty);
        }
    }

    fn trade(&mut self, trade: &Trade<'_>) {
        (self.id, self.flag) = (trade.t, trade.m);
        self.push(trade.p, trade.q);
    }

    fn clear(&mut self) {
        self.levels.clear();
        self.flag = false;
    }
}

fn serde_json(kind: FrameKind, frame: &[u8], out: &mut Out) {
    out.clear();
    match kind {
        FrameKind::Top => {
            out.top(&serde_json::from_slice::<Envelope<Top>>(frame).unwrap().data);
        }
        FrameKind::Depth => {
            out.depth(&serde_json::from_slice::<Envelope<Depth>>(frame).unwrap().data);
        }
        FrameKind::Trade => {
            out.trade(&serde_json::from_slice::<Envelope<Trade>>(frame).unwrap().data);
        }
        FrameKind::Mark | FrameKind::Other => {}
    }
}

fn sonic(kind: FrameKind, frame: &[u8], out: &mut Out) {
    out.clear();
    match kind {
        FrameKind::Top => out.top(&sonic_rs::from_slice::<Envelope<Top>>(frame).unwrap().data),
        FrameKind::Depth => {
            out.depth(&sonic_rs::from_slice::<Envelope<Depth>>(frame).unwrap().data);
        }
        FrameKind::Trade => {
            out.trade(&sonic_rs::from_slice::<Envelope<Trade>>(frame).unwrap().data);
        }
        FrameKind::Mark | FrameKind::Other => {}
    }
}

/// The events of the engine's own readers in the same form.
fn of_events(events: &Events) -> Out {
    match events.list() {
        [Event::Top(top)] => Out { id: top.sequence, flag: false, levels: vec![top.bid, top.ask] },
        [Event::Depth(update)] => {
            let (bids, asks) = events.levels(update);
            Out { id: update.last_id, flag: false, levels: [bids, asks].concat() }
        }
        [Event::Trade(trade)] => Out {
            id: trade.trade_id,
            flag: trade.taker == stoop::types::Side::Sell,
            levels: vec![Level { price: trade.price, qty: trade.qty }],
        },
        other => panic!("{other:?}"),
    }
}

struct Sample {
    name: String,
    kind: FrameKind,
    frames: Vec<Vec<u8>>,
    levels: usize,
}

/// Up to [`FRAMES`] frames of each kind of one recording.
fn samples(file: &str, market: InstrumentKind) -> Vec<Sample> {
    let root = std::env::var_os("STOOP_CAPTURES").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures/captures"),
        PathBuf::from,
    );
    let Ok(file_of) = File::open(root.join("binance").join(file)) else {
        println!("skipped: no recording {file} (set STOOP_CAPTURES)");
        return Vec::new();
    };
    let lines = BufReader::new(GzDecoder::new(file_of)).lines();
    let lines: Vec<String> =
        lines.map(|line| line.unwrap().split_once(' ').unwrap().1.to_owned()).collect();
    let kinds = [
        (FrameKind::Top, "@bookTicker", "top"),
        (FrameKind::Depth, "@depth", "depth"),
        (FrameKind::Trade, "@trade", "trade"),
    ];
    let mut samples = Vec::new();
    for (kind, mark, name) in kinds {
        let all: Vec<&String> = lines.iter().filter(|line| line[..60].contains(mark)).collect();
        let step = (all.len() / FRAMES).max(1);
        let frames: Vec<Vec<u8>> =
            all.iter().step_by(step).take(FRAMES).map(|line| line.as_bytes().to_vec()).collect();
        let mut out = Out::default();
        let levels = frames.iter().map(|frame| {
            serde_json(kind, frame, &mut out);
            out.levels.len()
        });
        let levels = levels.sum();
        samples.push(Sample { name: format!("{market:?} {name}"), kind, frames, levels });
    }
    samples
}

/// A reader: what it does with one frame, whose copy it may rewrite.
type Reader<'a> = (&'static str, Box<dyn FnMut(&mut [u8]) + 'a>);

struct Decoders {
    wide: FrameDecoder,
    portable: FrameDecoder,
    tape: FrameDecoder,
}

impl Decoders {
    fn new(market: InstrumentKind) -> Self {
        let venue = find("binance").unwrap();
        let table = || FrameDecoder::table(venue, market, &[("BTCUSDT", SCALE)]);
        Self {
            wide: FrameDecoder::new(venue, table(), 50).unwrap(),
            portable: FrameDecoder::portable(venue, table(), 50).unwrap(),
            tape: FrameDecoder::new(venue, table(), 50).unwrap(),
        }
    }

    /// All readers come to the same integers.
    fn check(&mut self, sample: &Sample) {
        let (mut typed, mut events) = (Out::default(), Events::with_capacity(8, 8192));
        for frame in &sample.frames {
            serde_json(sample.kind, frame, &mut typed);
            let same = |events: &mut Events| {
                assert_eq!(of_events(events), typed);
                events.clear();
            };
            assert_eq!(self.wide.scan(frame, &mut events), Some(sample.kind));
            same(&mut events);
            assert_eq!(self.portable.scan(frame, &mut events), Some(sample.kind));
            same(&mut events);
            assert_eq!(self.tape.reference(&mut frame.clone(), &mut events), Ok(sample.kind));
            same(&mut events);
            let mut other = Out::default();
            sonic(sample.kind, frame, &mut other);
            assert_eq!(other, typed);
        }
    }

    fn readers(&mut self, kind: FrameKind) -> Vec<Reader<'_>> {
        let Self { wide, portable, tape } = self;
        let buffer = || Events::with_capacity(8, 8192);
        let (mut one, mut two, mut three) = (buffer(), buffer(), buffer());
        let (mut four, mut five) = (Out::default(), Out::default());
        vec![
            (
                "scanner",
                Box::new(move |frame| {
                    one.clear();
                    assert!(wide.scan(black_box(frame), &mut one).is_some());
                    black_box(&one);
                }),
            ),
            (
                "scanner, portable",
                Box::new(move |frame| {
                    two.clear();
                    assert!(portable.scan(black_box(frame), &mut two).is_some());
                    black_box(&two);
                }),
            ),
            (
                "simd-json tape",
                Box::new(move |frame| {
                    three.clear();
                    assert!(tape.reference(black_box(frame), &mut three).is_ok());
                    black_box(&three);
                }),
            ),
            (
                "serde_json",
                Box::new(move |frame| {
                    serde_json(kind, black_box(frame), &mut four);
                    black_box(&four);
                }),
            ),
            (
                "sonic-rs",
                Box::new(move |frame| {
                    sonic(kind, black_box(frame), &mut five);
                    black_box(&five);
                }),
            ),
        ]
    }
}

/// Median over all rounds and frames, in nanoseconds, and the cost of a frame in the mean.
fn median(read: &mut dyn FnMut(&mut [u8]), frames: &[Vec<u8>]) -> (f64, f64) {
    let clock = quanta::Clock::new();
    let mut copies = frames.to_vec();
    let mut times = Vec::with_capacity(ROUNDS * frames.len());
    for _ in 0..ROUNDS {
        for (copy, frame) in copies.iter_mut().zip(frames) {
            copy.copy_from_slice(frame);
            let start = clock.raw();
            read(copy);
            times.push(clock.delta_as_nanos(start, clock.raw()));
        }
    }
    times.sort_unstable();
    let sum: u64 = times.iter().sum();
    (times[times.len() / 2] as f64, sum as f64 / times.len() as f64)
}

/// The clock's own part of a measurement.
fn clock_ns() -> f64 {
    let frames = vec![Vec::new(); FRAMES];
    median(&mut |_| {}, &frames).0
}

fn table(samples: &[(Sample, InstrumentKind)]) {
    let own = clock_ns();
    println!("median ns per frame, less {own} ns of the clock; ns per level of a median frame");
    for (sample, market) in samples {
        let mut decoders = Decoders::new(*market);
        decoders.check(sample);
        let levels = sample.levels as f64 / sample.frames.len() as f64;
        println!(
            "{} ({} frames, {levels:.1} levels in the mean)",
            sample.name,
            sample.frames.len()
        );
        let mut medians = Vec::new();
        for (name, mut read) in decoders.readers(sample.kind) {
            let (median, mean) = median(&mut read, &sample.frames);
            let (median, mean) = (median - own, mean - own);
            println!("  {name:18} {median:7.0} ns   {:6.1} ns/level in the mean", mean / levels);
            medians.push(median);
        }
        let best = medians[2..].iter().copied().fold(f64::MAX, f64::min);
        println!("  the best of the others takes {:.1} times as long", best / medians[0]);
    }
}

fn groups(criterion: &mut Criterion, samples: &[(Sample, InstrumentKind)]) {
    for (sample, market) in samples {
        let mut decoders = Decoders::new(*market);
        let mut group = criterion.benchmark_group(&sample.name);
        group.throughput(Throughput::Elements(sample.frames.len() as u64));
        for (name, mut read) in decoders.readers(sample.kind) {
            let mut copies = sample.frames.clone();
            group.bench_function(name, |bencher| {
                bencher.iter(|| {
                    for (copy, frame) in copies.iter_mut().zip(&sample.frames) {
                        copy.copy_from_slice(frame);
                        read(copy);
                    }
                });
            });
        }
        group.finish();
    }
}

fn main() {
    let spot = InstrumentKind::Spot;
    let usdm = InstrumentKind::LinearPerpetual;
    let mut all = Vec::new();
    for (file, market) in [("usdm_btcusdt_20240808.gz", usdm), ("spot_btcusdt_20240808.gz", spot)] {
        all.extend(samples(file, market).into_iter().map(|sample| (sample, market)));
    }
    table(&all);
    let mut criterion = Criterion::default().configure_from_args();
    groups(&mut criterion, &all);
    criterion.final_summary();
}
