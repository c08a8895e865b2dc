//! Plays recorded frames to the engine, one after the order of the one before has ended.

use super::super::frames::Frame;
use super::super::{Capture, FrameKind};
use super::halves::{Half, Shared};
use super::rig::Rig;
use std::slice::Iter;
use std::time::{Duration, Instant};

/// Until something that must happen is given up.
const PATIENCE: Duration = Duration::from_secs(20);
/// Until a frame is taken to have caused no order.
const NO_ORDER: Duration = Duration::from_millis(2);
/// Pause after an order has ended, for the threads to become idle.
const REST: Duration = Duration::from_micros(20);

/// What came of one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Played {
    /// An order, so long after the venue sent the frame; none over a network in memory.
    Order(Option<Duration>),
    /// Nothing: it did not change what the strategy looks at.
    Nothing,
    /// The recording is over.
    End,
}

/// The venue's side of a run.
pub(super) struct Driver<'a> {
    rig: &'a mut Rig,
    half: &'a mut Half,
    shared: &'a Shared,
    frames: Iter<'a, Frame>,
}

impl<'a> Driver<'a> {
    /// Nothing is played yet.
    pub fn new(
        rig: &'a mut Rig,
        half: &'a mut Half,
        shared: &'a Shared,
        capture: &'a Capture,
    ) -> Self {
        Self { rig, half, shared, frames: capture.frames.iter() }
    }

    fn turn(&mut self) {
        self.rig.tick();
        self.rig.venue.turn();
        self.half.round(self.shared);
    }

    fn wait(&mut self, time: Duration) {
        let start = Instant::now();
        while start.elapsed() < time {
            self.turn();
        }
    }

    /// Plays the recording until the book is live and orders leave.
    pub fn connect(&mut self) -> Result<(), String> {
        let start = Instant::now();
        self.wait(Duration::from_millis(200));
        while self.shared.sent() == 0 || self.shared.open() > 0 {
            let streamed = |frame: &&Frame| frame.kind != FrameKind::Snapshot;
            if self.shared.open() == 0
                && let Some(frame) = self.frames.find(streamed)
            {
                self.rig.venue.publish(&frame.text);
            }
            self.wait(Duration::from_millis(1));
            if start.elapsed() > PATIENCE {
                return Err(format!("no order left the engine: {}", self.rig.said()));
            }
        }
        self.rig.venue.take_orders();
        Ok(())
    }

    /// Plays the next frame of this kind and waits for the end of what it causes.
    pub fn play(&mut self, kind: FrameKind) -> Result<Played, String> {
        let Some(frame) = self.frames.find(|frame| frame.kind == kind) else {
            return Ok(Played::End);
        };
        let before = self.shared.sent();
        self.rig.tick();
        let published = self.rig.venue.publish(&frame.text);
        let start = Instant::now();
        self.half.answer(self.shared);
        while self.shared.sent() == before {
            self.rig.venue.turn_orders();
            self.half.round(self.shared);
            if start.elapsed() > NO_ORDER {
                return Ok(Played::Nothing);
            }
        }
        loop {
            self.rig.tick();
            self.rig.venue.turn();
            self.half.round(self.shared);
            if self.shared.open() == 0 {
                break;
            }
            if start.elapsed() > PATIENCE {
                return Err(format!("an order did not end: {}", self.rig.said()));
            }
        }
        let arrived = self.rig.venue.take_orders().next().and_then(|order| order.arrived);
        self.wait(REST);
        Ok(Played::Order(arrived.zip(published).map(|(arrived, sent)| arrived - sent)))
    }
}
