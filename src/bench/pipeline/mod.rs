//! Tick to order: the engine's own agents, from a frame to the order that it causes, in memory and
//! over TLS on loopback.
//!
//! The venue answers every order at once with "expired", and the next frame comes only when the order
//! of the one before has ended: what is measured is the way of one frame through an idle engine. All
//! agents, all risk checks, the journal in its files and the signature are what a run has; only our own
//! count of the venue's rate limits allows more, because the venue has none.

mod driver;
mod floor;
mod halves;
mod rig;
mod scale;
mod steps;
mod taker;

use super::{BenchOptions, Capture, FrameKind, Measured};
use crate::agents::pin;
use crate::clock::Clock;
use crate::shm::Stage;
use crate::types::{Path, Stamp};
use driver::{Driver, Played};
use halves::{Shared, Spread, split};
use rig::Rig;
pub use scale::scale;
use std::thread;
use std::time::Duration;
pub use steps::Steps;

/// How the agents are spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// All on one thread.
    Folded,
    /// The feed on one thread; strategy, order manager and executor on another.
    OneHandOff,
    /// Feed and executor on one thread; strategy and order manager on another.
    TwoHandOffs,
}

impl Layout {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Folded, Self::OneHandOff, Self::TwoHandOffs];

    /// As series are named.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Folded => "folded",
            Self::OneHandOff => "one_hand_off",
            Self::TwoHandOffs => "two_hand_offs",
        }
    }
}

/// Kinds of frames that cause orders.
const KINDS: [FrameKind; 2] = [FrameKind::Top, FrameKind::Depth];

/// Measures everything of the way from a frame to its order.
pub fn tick_to_order(options: &BenchOptions) -> Result<Measured, String> {
    let mut measured = Measured::default();
    let capture = match options.capture.as_deref() {
        Some(path) => Capture::load(path)?,
        None => {
            let note = "made frames: --capture FILE measures with a recording";
            measured.notes.push(note.to_owned());
            // Some for the book to become live, and a tenth to warm up.
            Capture::made(1_000 + 2 * options.events)
        }
    };
    let &[first, second, ..] = options.cpus.as_slice() else {
        return Err(
            "tick-to-order needs two CPUs: one for the venue, one for the engine".to_owned()
        );
    };
    for _ in 0..options.runs {
        for kind in KINDS {
            for layout in Layout::ALL {
                let run = Run { kind, options, cpus: [first, second], capture: &capture };
                let what =
                    format!("plaintext {} frame to signed bytes, {}", kind.name(), layout.name());
                run.memory(
                    layout,
                    &format!("memory.{}.{}", kind.name(), layout.name()),
                    &what,
                    &mut measured,
                )?;
            }
            let run = Run { kind, options, cpus: [first, second], capture: &capture };
            if !options.in_memory {
                run.wire(&mut measured)?;
            }
        }
    }
    if options.in_memory {
        return Ok(measured);
    }
    for kind in KINDS.map(FrameKind::name) {
        let (wire, floor) = (format!("wire.{kind}"), format!("floor.{kind}"));
        let what = format!("{kind}: wire to wire / the floor program");
        measured.compare(&format!("wire_vs_floor.{kind}"), &what, &wire, &floor);
    }
    Ok(measured)
}

/// One run of one kind of frames.
struct Run<'a> {
    kind: FrameKind,
    options: &'a BenchOptions,
    /// The venue's, and the engine's.
    cpus: [usize; 2],
    capture: &'a Capture,
}

impl Run<'_> {
    fn memory(
        &self,
        layout: Layout,
        name: &str,
        what: &str,
        measured: &mut Measured,
    ) -> Result<(), String> {
        let (mut rig, engine) = Rig::in_memory(self.capture, Clock::new())?;
        let (user, _) = self.play(&mut rig, engine, &Spread::Both(layout))?;
        record(&user, Stamp::Encoded, name, what, measured);
        let of = match layout {
            Layout::Folded => "stage".to_owned(),
            apart => format!("stage_{}", apart.name()),
        };
        stages(&user, &format!("{of}.{}", self.kind.name()), measured);
        Ok(())
    }

    /// Wire to wire over TLS, the engine folded on its thread; and the floor program on the same
    /// frames.
    fn wire(&self, measured: &mut Measured) -> Result<(), String> {
        let kind = self.kind.name();
        let (mut rig, engine) = Rig::over_tls(self.capture)?;
        let (user, wire) = self.play(&mut rig, engine, &Spread::Apart)?;
        let order = rig.venue.last_order().to_owned();
        let floor = floor::run(self.capture, self.kind, self.options.events, self.cpus, &order)?;
        let what =
            format!("{kind} frame: the venue's send to the order's arrival, TLS on loopback");
        let rows = [
            (format!("wire.{kind}"), what, wire),
            (
                format!("floor.{kind}"),
                format!("{kind} frame: the same by a bare loop with prepared orders"),
                floor,
            ),
        ];
        for (name, what, times) in rows {
            let series = measured.series(&name, &what);
            series.begin();
            times.iter().for_each(|time| series.record(time.as_nanos() as u64 * 1000));
        }
        let what =
            format!("{kind} frame: ciphertext read to ciphertext handed to send, in that run");
        record(&user, Stamp::Handed, &format!("user.{kind}"), &what, measured);
        stages(&user, &format!("wire_stage.{kind}"), measured);
        Ok(())
    }

    /// Plays frames; the engine's own times of all orders but those of the warm-up, and the venue's.
    fn play(
        &self,
        rig: &mut Rig,
        engine: crate::agents::Assembly,
        spread: &Spread,
    ) -> Result<(Vec<Path>, Vec<Duration>), String> {
        let shared = Shared::default();
        let (mut first, second) = split(engine, &rig.clock, spread);
        let mut wire = Vec::with_capacity(self.options.events);
        let apart = !second.is_empty();
        let mut warm_up = 0;
        let samples = thread::scope(|scope| {
            let other = apart.then(|| {
                let (shared, cpu) = (&shared, self.cpus[1]);
                scope.spawn(move || {
                    pin(cpu)?;
                    Ok::<_, String>(second.run(shared).paths)
                })
            });
            // A thread of its own, so that the caller's stays where it may run.
            let venue = scope.spawn(|| {
                let result = pin(self.cpus[usize::from(!apart)]).and_then(|()| {
                    self.drive(
                        Driver::new(rig, &mut first, &shared, self.capture),
                        &shared,
                        &mut wire,
                    )
                });
                shared.stop();
                result
            });
            let panicked = |_| "a thread of the benchmark panicked".to_owned();
            warm_up = venue.join().map_err(panicked)??;
            let other = other.map(|thread| thread.join().map_err(panicked)?).transpose()?;
            Ok::<_, String>(other)
        })?;
        let mut samples = match samples {
            Some(samples) if !samples.is_empty() => samples,
            _ => first.paths,
        };
        samples.drain(..warm_up.min(samples.len()));
        Ok((samples, wire))
    }

    /// Gives the number of orders that were for warming up.
    fn drive(
        &self,
        mut driver: Driver<'_>,
        shared: &Shared,
        wire: &mut Vec<Duration>,
    ) -> Result<usize, String> {
        driver.connect()?;
        for _ in 0..self.options.events / 10 {
            driver.play(self.kind)?;
        }
        let warm_up = shared.sent() as usize;
        let mut orders = 0;
        while orders < self.options.events {
            match driver.play(self.kind)? {
                Played::Order(time) => {
                    orders += 1;
                    wire.extend(time);
                }
                Played::Nothing => {}
                Played::End => break,
            }
        }
        Ok(warm_up)
    }
}

/// Tick to order of these ways: to the signed bytes, or to when the kernel had them.
fn record(paths: &[Path], end: Stamp, name: &str, what: &str, measured: &mut Measured) {
    let series = measured.series(name, what);
    series.begin();
    for ns in paths.iter().filter_map(|path| path.between(Stamp::Received, end)) {
        series.record(ns * 1000);
    }
}

/// The engine's own stages of these ways.
fn stages(paths: &[Path], name: &str, measured: &mut Measured) {
    for stage in Stage::ALL {
        let times: Vec<u64> = paths.iter().filter_map(|path| stage.of(path)).collect();
        // The whole is a series of its own, and recorded frames have the venue's times of long ago.
        if times.is_empty() || matches!(stage, Stage::TickToOrder | Stage::Wire) {
            continue;
        }
        let series = measured.series(&format!("{name}.{}", stage.name()), stage.name());
        series.begin();
        times.iter().for_each(|ns| series.record(ns * 1000));
    }
}
