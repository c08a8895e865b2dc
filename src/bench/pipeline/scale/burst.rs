//! A whole recording through a TLS socket on loopback as fast as the engine reads it: nothing may be
//! lost, and how long frames wait is the figure.
//!
//! The venue has a thread, the engine another. A frame counts as published at the end of the poll of
//! the feed that read it, which reads at most 16.

use super::super::rig::{Rig, Shape, instrument_name};
use super::super::{Capture, FrameKind, Measured};
use super::looker::Looker;
use super::replay::Replay;
use crate::agents::{Agent, Assembly, pin};
use crate::clock::Clock;
use crate::shm::{Depth, FeedHealth};
use crate::types::{InstrumentId, Level, VenueId};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Until something that must happen is given up.
const PATIENCE: Duration = Duration::from_secs(20);
/// For what is published by the clock and not by frames.
const SETTLE: Duration = Duration::from_millis(300);
/// Between two frames that come before the burst.
const SLOWLY: Duration = Duration::from_millis(1);

/// What the threads tell each other.
#[derive(Default)]
struct Shared {
    sent: AtomicU64,
    /// Frames that the feed has read, since its start.
    read: AtomicU64,
    live: AtomicBool,
    stop: AtomicBool,
}

/// A poll of the feed that has read frames.
struct Poll {
    /// Frames that it has read by its end, since its start.
    read: u64,
    /// Frames that were sent by then, since the beginning of the burst.
    sent: u64,
    ended: Instant,
}

/// What the engine's thread has seen.
struct Seen {
    polls: Vec<Poll>,
    depth: Depth,
    health: FeedHealth,
}

/// What the venue's thread has done.
struct Sent {
    /// When each frame of the burst went to the socket.
    times: Vec<Instant>,
    /// Frames that the feed had read before.
    before: u64,
}

/// What came of a burst.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Frames of the burst.
    pub sent: u64,
    /// Of them, those that the feed has read.
    pub read: u64,
    /// Frames that it did not understand, gaps, and messages dropped on the way, of the whole run.
    pub faults: [u64; 3],
    /// The published book is that of a replay.
    pub same_book: bool,
    /// Live tops of book that the strategy has read: it may skip what is overtaken.
    pub looked: u64,
}

/// One burst of a recording; it is an error if anything is lost.
pub(super) fn run(
    name: &str,
    capture: &Capture,
    cpus: [usize; 2],
    measured: &mut Measured,
) -> Result<Outcome, String> {
    let looker = Looker::new(vec![instrument_name(0)]);
    let looked = looker.seen();
    let strategies: Vec<(String, Box<dyn crate::strategy::Strategy>)> =
        vec![("looker".to_owned(), Box::new(looker))];
    let (mut rig, engine) = Rig::shaped_over_tls(capture, Shape { instruments: 1, strategies })?;
    let (shared, clock) = (Shared::default(), rig.clock.clone());
    let frames = capture.frames.len();
    let (sent, seen) = thread::scope(|scope| {
        let reader = scope.spawn(|| {
            pin(cpus[1])?;
            Ok::<_, String>(read(engine, &clock, frames, &shared))
        });
        let sender = scope.spawn(|| {
            let sent = pin(cpus[0]).and_then(|()| send(&mut rig, capture, &shared));
            shared.stop.store(true, Ordering::Release);
            sent
        });
        let panicked = |_| "a thread of the benchmark panicked".to_owned();
        let (sent, seen) = (sender.join().map_err(panicked)?, reader.join().map_err(panicked)?);
        Ok::<_, String>((sent?, seen?))
    })?;
    let mut replay = Replay::new(capture)?;
    for frame in &capture.frames {
        replay.apply(frame);
    }
    let [bids, asks]: [Vec<Level>; 2] = replay.best(20);
    let health = &seen.health;
    let outcome = Outcome {
        sent: sent.times.len() as u64,
        read: seen.polls.last().map_or(0, |poll| poll.read.saturating_sub(sent.before)),
        faults: [health.decode_errors, health.gaps, health.reconnects],
        same_book: seen.depth.bids() == bids && seen.depth.asks() == asks,
        looked: looked.load(Ordering::Relaxed),
    };
    if outcome.sent != outcome.read || outcome.faults != [0; 3] || !outcome.same_book {
        return Err(format!("burst of {name}: {outcome:?}: {}", rig.said()));
    }
    report(name, &sent, &seen, &outcome, measured);
    Ok(outcome)
}

/// The venue: slowly until the book is live, then all the rest at once.
fn send(rig: &mut Rig, capture: &Capture, shared: &Shared) -> Result<Sent, String> {
    let start = Instant::now();
    let turn_for = |rig: &mut Rig, time: Duration| {
        let start = Instant::now();
        while start.elapsed() < time {
            rig.venue.turn();
        }
    };
    turn_for(rig, SETTLE);
    let mut frames = capture.frames.iter().filter(|frame| frame.kind != FrameKind::Snapshot);
    while !shared.live.load(Ordering::Acquire) {
        let frame = frames.next().filter(|_| start.elapsed() < PATIENCE);
        let frame = frame.ok_or_else(|| format!("the book is not live: {}", rig.said()))?;
        rig.venue.publish(&frame.text);
        turn_for(rig, SLOWLY);
    }
    turn_for(rig, SETTLE);
    let before = shared.read.load(Ordering::Acquire);
    let mut times = Vec::with_capacity(capture.frames.len());
    for frame in frames {
        let sent = rig.venue.publish(&frame.text).ok_or("nobody listens to the venue")?;
        times.push(sent);
        shared.sent.store(times.len() as u64, Ordering::Release);
        while rig.venue.is_congested() {
            if sent.elapsed() > PATIENCE {
                return Err(format!("the engine does not read: {}", rig.said()));
            }
            rig.venue.turn();
        }
    }
    let start = Instant::now();
    while shared.read.load(Ordering::Acquire) < before + times.len() as u64
        && start.elapsed() < PATIENCE
    {
        rig.venue.turn();
    }
    turn_for(rig, SETTLE);
    Ok(Sent { times, before })
}

/// The engine: all agents on this thread.
fn read(engine: Assembly, clock: &Clock, frames: usize, shared: &Shared) -> Seen {
    let Assembly { mut feeds, mut strategies, mut oms, mut executors, view, .. } = engine;
    let id = InstrumentId(0);
    let (mut polls, mut last) = (Vec::with_capacity(frames), 0);
    while !shared.stop.load(Ordering::Acquire) {
        for feed in &mut feeds {
            feed.poll(clock.now());
            let read = feed.messages();
            if read == last {
                continue;
            }
            last = read;
            polls.push(Poll {
                read,
                sent: shared.sent.load(Ordering::Acquire),
                ended: Instant::now(),
            });
            shared.read.store(read, Ordering::Release);
            if !shared.live.load(Ordering::Relaxed) && view.best(id).is_live() {
                shared.live.store(true, Ordering::Release);
            }
        }
        for strategy in &mut strategies {
            strategy.poll(clock.now());
        }
        oms.poll(clock.now());
        for executor in &mut executors {
            executor.poll(clock.now());
        }
    }
    let mut depth = Depth::default();
    view.depth(id, &mut depth);
    Seen { polls, depth, health: view.health(VenueId(0)).feed }
}

fn report(name: &str, sent: &Sent, seen: &Seen, outcome: &Outcome, measured: &mut Measured) {
    let name = format!("burst.{name}");
    let what = "from the venue's write of a frame to the end of the poll that published it, burst";
    let series = measured.series(&format!("{name}.wait"), what);
    series.begin();
    let (mut from, mut backlog) = (0, Vec::with_capacity(seen.polls.len()));
    for poll in seen.polls.iter().filter(|poll| poll.read > sent.before) {
        let to = ((poll.read - sent.before) as usize).min(sent.times.len());
        for time in &sent.times[from..to] {
            let wait = poll.ended.saturating_duration_since(*time);
            series.record(wait.as_nanos() as u64 * 1000);
        }
        backlog.push(poll.sent.saturating_sub(to as u64));
        from = to;
    }
    let first = sent.times.first().copied();
    let took = seen.polls.last().zip(first).map(|(last, first)| last.ended - first);
    let seconds = took.unwrap_or_default().as_secs_f64().max(1e-9);
    backlog.sort_unstable();
    let at = |share: usize| backlog.get(backlog.len() * share / 100).copied().unwrap_or(0) as f64;
    let most = backlog.last().copied().unwrap_or(0) as f64;
    let values = [
        ("frames", outcome.sent as f64),
        ("lost", (outcome.sent - outcome.read) as f64),
        ("frames_per_second", outcome.sent as f64 / seconds),
        ("looked", outcome.looked as f64),
        ("backlog_frames_p50", at(50)),
        ("backlog_frames_p99", at(99)),
        ("backlog_frames_max", most),
    ];
    for (value, number) in values {
        measured.values.push((format!("{name}.{value}"), number));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_burst_is_lost() {
        let cpus = crate::agents::allowed_cpus();
        let cpus = [cpus[0], cpus[cpus.len() - 1]];
        let mut measured = Measured::default();
        // Long enough that the sockets are full: the venue must wait for the engine.
        let outcome = run("made", &Capture::made(10_000), cpus, &mut measured).unwrap();
        assert!(outcome.sent > 19_000 && outcome.looked > 0, "{outcome:?}");
        let wait = measured.find("burst.made.wait").unwrap().figure();
        assert_eq!(wait.count, outcome.sent);
        let lost = measured.values.iter().find(|(name, _)| name == "burst.made.lost").unwrap();
        assert_eq!(lost.1, 0.0);
    }

    #[test]
    fn nothing_of_a_recorded_burst_is_lost() {
        let options = crate::bench::BenchOptions::default();
        let recordings = super::super::recordings(&options).unwrap();
        if recordings.is_empty() {
            println!("skipped: STOOP_CAPTURES is not set");
        }
        let cpus = crate::agents::allowed_cpus();
        let cpus = [cpus[0], cpus[cpus.len() - 1]];
        for (name, capture) in recordings {
            let outcome = run(&name, &capture, cpus, &mut Measured::default()).unwrap();
            println!("{name}: {outcome:?}");
        }
    }
}
