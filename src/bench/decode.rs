//! Frames to integers: our scanners beside simd-json's tape with reused buffers (our complete
//! decoder), serde_json and sonic-rs (into types that borrow, see `typed.rs`).
//!
//! Every reader ends with the same integers, which is checked for each frame. All read the same frame
//! one after the other, so a slow moment of the machine hits all.

use super::decoding::Decoding;
use super::frames::{Frame, FrameKind};
use super::typed::{SerdeJson, Shape, Typed};
use super::{BenchOptions, Capture, Measured, Timer};
use crate::types::{Event, Events, Level, Scale};
use std::hint::black_box;

/// Kinds that are measured.
const KINDS: [FrameKind; 3] = [FrameKind::Top, FrameKind::Depth, FrameKind::Trade];

/// Measures the decoders on a recording.
pub fn decode(options: &BenchOptions) -> Result<Measured, String> {
    let path = options.capture.as_deref().ok_or("decode needs recorded frames: --capture FILE")?;
    let capture = Capture::load(path)?;
    let mut decoding = Decoding::of(&capture)?;
    let mut measured = Measured::default();
    std::thread::scope(|scope| {
        let run = scope.spawn(|| -> Result<(), String> {
            if let Some(&cpu) = options.cpus.first() {
                crate::agents::pin(cpu)?;
            }
            let mut bench =
                Bench { timer: Timer::new(), decoding: &mut decoding, measured: &mut measured };
            for _ in 0..options.runs {
                for kind in KINDS {
                    let of_kind = |frame: &&Frame| frame.kind == kind;
                    let frames: Vec<&Frame> =
                        capture.frames.iter().filter(of_kind).take(options.events).collect();
                    bench.run(kind, &frames)?;
                }
            }
            Ok(())
        });
        run.join().map_err(|_| "a thread of the benchmark panicked".to_owned())?
    })?;
    compare(&mut measured);
    measured.notes.push(format!("frames of {}", decoding.venue));
    if cfg!(not(feature = "peers")) {
        measured.notes.push(
            "sonic-rs is compared by: cargo run --release --features peers -- bench decode"
                .to_owned(),
        );
    }
    Ok(measured)
}

/// Everybody who reads a frame, beside us.
const PEERS: [&str; 3] = ["simd_json_tape", "serde_json", "sonic_rs"];

fn compare(measured: &mut Measured) {
    for kind in KINDS.map(FrameKind::name) {
        for peer in PEERS {
            let (theirs, ours) = (format!("{kind}.{peer}"), format!("{kind}.scanner"));
            let what = format!("{kind}: {peer} / scanner");
            measured.compare(&format!("{kind}.{peer}_vs_scanner"), &what, &theirs, &ours);
        }
    }
}

/// The levels that a frame set, or its prints.
fn integers(events: &Events) -> Vec<Level> {
    let mut all = Vec::new();
    for event in events.list() {
        match event {
            Event::Top(top) => all.extend([top.bid, top.ask]),
            Event::Depth(update) => {
                let (bids, asks) = events.levels(update);
                all.extend_from_slice(bids);
                all.extend_from_slice(asks);
            }
            Event::Trade(trade) => all.push(Level { price: trade.price, qty: trade.qty }),
            _ => {}
        }
    }
    all
}

struct Bench<'a> {
    timer: Timer,
    decoding: &'a mut Decoding,
    measured: &'a mut Measured,
}

impl Bench<'_> {
    fn run(&mut self, kind: FrameKind, frames: &[&Frame]) -> Result<(), String> {
        let mut times: [Vec<(u64, u64)>; 4] = std::array::from_fn(|_| Vec::new());
        let (mut refused, mut levels) = (0, Vec::new());
        let (scale, mut typed) = (self.decoding.scale, Typed::default());
        let first = frames.first().map_or("", |frame| frame.text.as_str());
        let shape = Typed::shape(kind, first.as_bytes(), scale);
        for frame in frames {
            let text = frame.text.as_bytes();
            let (decoder, events) = (&mut self.decoding.decoder, &mut self.decoding.events);
            events.clear();
            let (ps, scanned) = self.timer.time(|| decoder.scan(black_box(text), events));
            if scanned.is_none() {
                refused += 1;
                continue;
            }
            times[0].push((ps, 1));
            let count = u64::from(events.levels_len());
            if let Some(each) = ps.checked_div(count) {
                levels.push((each, count));
            }
            let scanned = integers(events);
            events.clear();
            let mut bytes = text.to_vec();
            let (ps, read) = self.timer.time(|| decoder.reference(black_box(&mut bytes), events));
            read.map_err(|error| format!("the decoder refuses {}: {error:?}", frame.text))?;
            times[1].push((ps, 1));
            let Some(shape) = shape else { continue };
            let read = || typed.read::<SerdeJson>(shape, black_box(text), scale);
            let (ps, read) = self.timer.time(read);
            if read.is_none() {
                continue;
            }
            times[2].push((ps, 1));
            if integers(events) != scanned || typed.levels != scanned {
                return Err(format!("the readers differ over {}", frame.text));
            }
            times[3].extend(sonic(&self.timer, shape, text, scale, &mut typed).map(|ps| (ps, 1)));
        }
        self.keep(kind, frames.len(), refused, times, levels);
        Ok(())
    }

    fn keep(
        &mut self,
        kind: FrameKind,
        frames: usize,
        refused: usize,
        times: [Vec<(u64, u64)>; 4],
        levels: Vec<(u64, u64)>,
    ) {
        let kind = kind.name();
        let rows = [
            ("scanner", "our scanner, frame to integers"),
            ("simd_json_tape", "simd-json's tape with reused buffers (our complete decoder)"),
            ("serde_json", "serde_json into types that borrow, then our decimals"),
            ("sonic_rs", "sonic-rs into types that borrow, then our decimals"),
        ];
        let named = rows
            .into_iter()
            .zip(times)
            .chain([(("scanner_per_level", "our scanner: a frame's time / its levels"), levels)]);
        for ((name, what), times) in named.filter(|(_, times)| !times.is_empty()) {
            let series =
                self.measured.series(&format!("{kind}.{name}"), &format!("{kind}: {what}"));
            series.begin();
            times.into_iter().for_each(|(ps, count)| series.record_many(ps, count));
        }
        let (name, share) = (format!("{kind}.not_scanned_share"), refused as f64);
        if frames > 0 && !self.measured.values.iter().any(|(known, _)| *known == name) {
            self.measured.values.push((name, share / frames as f64));
        }
    }
}

#[cfg(feature = "peers")]
fn sonic(timer: &Timer, shape: Shape, text: &[u8], scale: Scale, typed: &mut Typed) -> Option<u64> {
    let read = || typed.read::<super::typed::SonicRs>(shape, black_box(text), scale);
    let (ps, read) = timer.time(read);
    read.map(|()| ps)
}

#[cfg(not(feature = "peers"))]
fn sonic(_: &Timer, _: Shape, _: &[u8], _: Scale, _: &mut Typed) -> Option<u64> {
    None
}
