//! Handing something to another core: our ring, our seqlock, our rotating slots, beside what a cache
//! line needs to go there and back, and beside other crates' queues; and handing something to a
//! strategy, on a thread and in a process.
//!
//! Short bursts, all candidates taking turns in a round. Each burst is bracketed by the bare
//! ping-pong of a cache line on the same two threads, and left out where that has moved by more than
//! a fifth: nanoseconds between cores change by the minute on a shared machine, ratios hardly.
//! Needs two CPUs.

use super::{BenchOptions, Measured, Ratio, Timer};
use crate::agents::pin;
use crate::sync::{rotating, seqlock, spsc};
use std::collections::BTreeMap;
use std::hint::spin_loop;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// A cache line: about what a short command or report takes up.
pub type Message = [u64; 8];

const CAPACITY: usize = 1024;
/// Words of a depth of 20 levels a side.
const DEPTH_WORDS: usize = 85;
/// Between two messages.
const PAUSE_PS: u64 = 1_500_000;
/// Rounds of bursts in one run.
const ROUNDS: usize = 5;
/// How far the reference may move, as a share of itself.
const MOVED_MAX: f64 = 0.2;
/// Hops of a burst, at most: a burst must be short.
const HOPS_MAX: u64 = 20_000;

/// One end hands messages over, the other takes them.
pub trait Queue {
    /// As series are named.
    const NAME: &'static str;
    /// For people.
    const WHAT: &'static str;
    /// End that hands over.
    type Sender: Send;
    /// End that takes.
    type Receiver: Send;
    /// Both ends.
    fn make() -> (Self::Sender, Self::Receiver);
    /// Whether there was room.
    fn push(sender: &mut Self::Sender, message: Message) -> bool;
    /// The next message, if it is there.
    fn pop(receiver: &mut Self::Receiver) -> Option<Message>;
}

/// Our ring.
pub struct Ring;

impl Queue for Ring {
    const NAME: &'static str = "ring";
    const WHAT: &'static str = "our ring, 64 bytes: before the push to the other core has it";
    type Sender = spsc::Producer<Message>;
    type Receiver = spsc::Consumer<Message>;

    fn make() -> (Self::Sender, Self::Receiver) {
        spsc::channel(CAPACITY)
    }

    #[inline(always)]
    fn push(sender: &mut Self::Sender, message: Message) -> bool {
        sender.push(message).is_ok()
    }

    #[inline(always)]
    fn pop(receiver: &mut Self::Receiver) -> Option<Message> {
        receiver.pop()
    }
}

/// A value that the reader polls, with the number of the write that it has seen last.
pub struct Polled<R>(R, u64);

/// Our seqlock with the top of book's line.
struct Seqlock;

impl Queue for Seqlock {
    const NAME: &'static str = "seqlock";
    const WHAT: &'static str = "our seqlock, one line (top of book): before the write to the \
        other core has its copy";
    type Sender = seqlock::Writer;
    type Receiver = Polled<seqlock::Reader>;

    fn make() -> (Self::Sender, Self::Receiver) {
        let (writer, reader) = seqlock::value(7);
        (writer, Polled(reader, 0))
    }

    #[inline(always)]
    fn push(sender: &mut Self::Sender, message: Message) -> bool {
        sender.write(|payload| payload.copy_from(0, &message[..7]));
        true
    }

    #[inline(always)]
    fn pop(receiver: &mut Self::Receiver) -> Option<Message> {
        let mut copy = [0; 8];
        let (version, ()) = receiver.0.read(|p| p.copy_to(0, &mut copy[..7])).ok()?;
        (std::mem::replace(&mut receiver.1, version) != version).then_some(copy)
    }
}

/// Our rotating slots with a depth of 20 levels a side.
struct Rotating;

impl Queue for Rotating {
    const NAME: &'static str = "depth";
    const WHAT: &'static str = "our rotating slots, depth of 20 levels a side: before the write \
        to the other core has its copy";
    type Sender = rotating::Writer;
    type Receiver = Polled<rotating::Reader>;

    fn make() -> (Self::Sender, Self::Receiver) {
        let (writer, reader) = rotating::value(DEPTH_WORDS);
        (writer, Polled(reader, 0))
    }

    #[inline(always)]
    fn push(sender: &mut Self::Sender, message: Message) -> bool {
        sender.write(|payload, _| {
            payload.copy_from(0, &message);
            payload.copy_from(8, &[message[1]; DEPTH_WORDS - 8]);
        });
        true
    }

    #[inline(always)]
    fn pop(receiver: &mut Self::Receiver) -> Option<Message> {
        if receiver.0.version() == receiver.1 {
            return None;
        }
        let mut copy = [0; DEPTH_WORDS];
        let (version, ()) = receiver.0.read(|p| p.copy_to(0, &mut copy)).ok()?;
        receiver.1 = version;
        let mut message = [0; 8];
        message.copy_from_slice(&copy[..8]);
        Some(message)
    }
}

/// Two lines that two cores bounce between them.
#[derive(Default)]
struct Court {
    there: Line,
    back: Line,
}

#[derive(Default)]
#[repr(align(128))]
struct Line(AtomicU64);

impl Court {
    /// Answers rounds `1..=rounds` after `from`.
    fn echo(&self, from: u64, rounds: u64) {
        for round in from + 1..=from + rounds {
            while self.there.0.load(Ordering::Acquire) != round {
                spin_loop();
            }
            self.back.0.store(round, Ordering::Release);
        }
    }

    /// Plays those rounds: half of each round trip, picoseconds, sorted.
    fn serve(&self, timer: &Timer, from: u64, rounds: u64) -> Vec<u64> {
        let mut ways = Vec::with_capacity(rounds as usize);
        for round in from + 1..=from + rounds {
            let start = timer.raw();
            self.there.0.store(round, Ordering::Release);
            while self.back.0.load(Ordering::Acquire) != round {
                spin_loop();
            }
            ways.push(timer.between(start, timer.raw()) / 2);
        }
        ways.sort_unstable();
        ways
    }
}

/// What one burst gave.
struct Burst {
    /// Sorted, picoseconds.
    reference: Vec<u64>,
    /// Sorted, picoseconds.
    hops: Vec<u64>,
    /// Of the median of the hops to the median of the references before and after.
    ratio: f64,
    /// Picoseconds a message with both ends flat out.
    flat_out: f64,
}

fn middle(sorted: &[u64]) -> f64 {
    sorted.get(sorted.len() / 2).copied().unwrap_or(0) as f64
}

/// Whether the reference stood still between two readings of it.
fn is_steady(before: f64, after: f64) -> bool {
    (before - after).abs() <= MOVED_MAX * before.min(after)
}

/// One burst on two pinned threads; `None` if the machine has changed meanwhile.
fn burst<Q: Queue>(timer: &Timer, cpus: [usize; 2], hops: u64) -> Result<Option<Burst>, String> {
    let court = Court::default();
    let (mut sender, mut receiver) = Q::make();
    let halves = thread::scope(|scope| {
        let other = scope.spawn(|| {
            // Plays on even if it could not be pinned: the other end waits for it.
            let pinned = pin(cpus[1]);
            court.echo(0, hops);
            let mut times = Vec::with_capacity(hops as usize);
            // A value that is overwritten may be missed while this end has no CPU; the last never is.
            let mut last = 0;
            while last < hops {
                if let Some(message) = Q::pop(&mut receiver) {
                    times.push(timer.between(message[0], timer.raw()));
                    last = message[1];
                }
            }
            court.echo(hops, hops);
            let mut last = 0;
            while last < hops {
                last = Q::pop(&mut receiver).map_or(last, |message| message[1]);
            }
            court.echo(2 * hops, 1);
            pinned.map(|()| times)
        });
        let this = scope.spawn(|| {
            let pinned = pin(cpus[0]);
            let before = court.serve(timer, 0, hops);
            send::<Q>(timer, &mut sender, hops);
            let after = court.serve(timer, hops, hops);
            let start = timer.raw();
            for number in 1..=hops {
                while !Q::push(&mut sender, [0, number, 2, 3, 4, 5, 6, 7]) {
                    spin_loop();
                }
            }
            court.serve(timer, 2 * hops, 1);
            let flat_out = timer.between(start, timer.raw()) as f64 / hops as f64;
            pinned.map(|()| (before, after, flat_out))
        });
        (this.join(), other.join())
    });
    let (Ok(this), Ok(other)) = halves else {
        return Err("a thread of the benchmark panicked".to_owned());
    };
    let (before, after, flat_out) = this?;
    let mut times = other?;
    if !is_steady(middle(&before), middle(&after)) {
        return Ok(None);
    }
    times.sort_unstable();
    let mut reference = [before, after].concat();
    reference.sort_unstable();
    let ratio = middle(&times) / middle(&reference).max(1.0);
    Ok(Some(Burst { reference, hops: times, ratio, flat_out }))
}

/// One message every [`PAUSE_PS`], stamped before it is pushed.
fn send<Q: Queue>(timer: &Timer, sender: &mut Q::Sender, hops: u64) {
    for number in 1..=hops {
        let start = timer.raw();
        while !Q::push(sender, [start, number, 2, 3, 4, 5, 6, 7]) {
            spin_loop();
        }
        while timer.between(start, timer.raw()) < PAUSE_PS {
            spin_loop();
        }
    }
}

/// All candidates in the course of a bench.
struct Contest<'a> {
    timer: Timer,
    cpus: [usize; 2],
    hops: u64,
    measured: &'a mut Measured,
    /// Ratio to the ping-pong by candidate and round; none where the burst was left out.
    ratios: BTreeMap<&'static str, Vec<Option<f64>>>,
    flat_out: BTreeMap<&'static str, Vec<f64>>,
    dropped: usize,
}

impl Contest<'_> {
    fn play<Q: Queue>(&mut self) -> Result<(), String> {
        let burst = burst::<Q>(&self.timer, self.cpus, self.hops)?;
        self.ratios.entry(Q::NAME).or_default().push(burst.as_ref().map(|burst| burst.ratio));
        let Some(burst) = burst else {
            self.dropped += 1;
            return Ok(());
        };
        self.flat_out.entry(Q::NAME).or_default().push(burst.flat_out);
        let series = self.measured.series(Q::NAME, Q::WHAT);
        burst.hops.iter().for_each(|ps| series.record(*ps));
        let what = "a bare cache line, one way: half of there and back";
        let series = self.measured.series("ping_pong", what);
        burst.reference.iter().for_each(|ps| series.record(*ps));
        Ok(())
    }

    fn round(&mut self) -> Result<(), String> {
        self.play::<Ring>()?;
        self.play::<Seqlock>()?;
        self.play::<Rotating>()?;
        #[cfg(feature = "peers")]
        {
            self.play::<super::peers::Rtrb>()?;
            self.play::<super::peers::Array>()?;
            self.play::<super::peers::Channel>()?;
        }
        Ok(())
    }

    fn finish(self) {
        let ratios = &mut self.measured.ratios;
        let mut add = |name: String, what: String, ratio: Option<f64>| {
            // None if every burst of it was left out.
            ratios.extend(ratio.map(|ratio| Ratio { name, what, ratio }));
        };
        for (name, rounds) in &self.ratios {
            let what = format!("{name} / ping-pong of the same burst");
            let ratio = middle_of(rounds.iter().flatten().copied());
            add(format!("{name}_vs_ping_pong"), what, ratio);
        }
        for peer in ["rtrb", "array_queue", "channel"] {
            let (Some(theirs), Some(ours)) = (self.ratios.get(peer), self.ratios.get(Ring::NAME))
            else {
                continue;
            };
            let pairs = theirs.iter().zip(ours);
            let ratio = middle_of(pairs.filter_map(|(theirs, ours)| Some((*theirs)? / (*ours)?)));
            let what = format!("{peer} / our ring, each against its ping-pong");
            add(format!("{peer}_vs_ring"), what, ratio);
        }
        for (name, values) in &self.flat_out {
            let value = middle_of(values.iter().copied()).unwrap_or(0.0) / 1000.0;
            self.measured.values.push((format!("flat_out.{name}_ns"), value));
        }
        let kept = self.ratios.values().flatten().filter(|ratio| ratio.is_some()).count();
        self.measured.notes.push(format!(
            "bursts kept {kept}, left out {} because the ping-pong moved by more than {:.0} %",
            self.dropped,
            MOVED_MAX * 100.0
        ));
    }
}

/// The value in the middle.
fn middle_of(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// Measures all of them.
pub fn rings(options: &BenchOptions) -> Result<Measured, String> {
    let &[first, second, ..] = options.cpus.as_slice() else {
        return Err("rings needs two CPUs: one for each end".to_owned());
    };
    let mut measured = Measured::default();
    let hops = (options.events as u64).min(HOPS_MAX);
    let mut contest = Contest {
        timer: Timer::new(),
        cpus: [first, second],
        hops,
        measured: &mut measured,
        ratios: BTreeMap::new(),
        flat_out: BTreeMap::new(),
        dropped: 0,
    };
    for _ in 0..options.runs {
        contest.measured.series.iter_mut().for_each(super::Series::begin);
        for _ in 0..ROUNDS {
            contest.round()?;
        }
    }
    contest.finish();
    if let Err(error) = super::handoff::handoff(options, [first, second], &mut measured) {
        measured.notes.push(format!("hand-off to a strategy was left out: {error}"));
    }
    if cfg!(not(feature = "peers")) {
        measured.notes.push(
            "other crates' queues are compared by: cargo run --release --features peers -- \
            bench rings"
                .to_owned(),
        );
    }
    Ok(measured)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_that_moves_by_more_than_a_fifth_is_not_steady() {
        assert!(is_steady(100.0, 119.0) && is_steady(119.0, 100.0));
        assert!(!is_steady(100.0, 121.0) && !is_steady(121.0, 100.0));
    }

    #[test]
    fn every_candidate_hands_over_what_it_was_given() {
        fn check<Q: Queue>() {
            let (mut sender, mut receiver) = Q::make();
            assert_eq!(Q::pop(&mut receiver), None);
            assert!(Q::push(&mut sender, [9, 8, 7, 6, 5, 4, 3, 2]));
            assert_eq!(Q::pop(&mut receiver).unwrap()[..7], [9, 8, 7, 6, 5, 4, 3]);
            assert_eq!(Q::pop(&mut receiver), None);
        }
        check::<Ring>();
        check::<Seqlock>();
        check::<Rotating>();
        #[cfg(feature = "peers")]
        {
            check::<super::super::peers::Rtrb>();
            check::<super::super::peers::Array>();
            check::<super::super::peers::Channel>();
        }
    }

    #[test]
    fn one_cpu_is_not_enough() {
        let options = BenchOptions {
            runs: 1,
            events: 100,
            capture: None,
            cpus: vec![0],
            ..BenchOptions::default()
        };
        assert_eq!(rings(&options).unwrap_err(), "rings needs two CPUs: one for each end");
    }
}
