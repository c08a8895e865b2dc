//! The engine one frame at a time, in memory, under a clock that is moved by hand: the same
//! instructions every time, for whoever counts them.

use super::halves::{Half, Shared, Spread, split};
use super::rig::Rig;
use super::{Capture, FrameKind, Layout};
use crate::clock::Clock;
use crate::types::Nanos;

/// Rounds in which something that must happen happens.
const ROUNDS_MAX: usize = 100_000;
/// What the clock moves by in a round. A reading within a round sees it stand still.
const ROUND_NS: u64 = 20_000;
const START: Nanos = Nanos(1_723_161_256_400_000_000);

/// An engine, its venue, and the frames that are still to come.
pub struct Steps {
    rig: Rig,
    half: Half,
    shared: Shared,
    frames: std::vec::IntoIter<String>,
    now: Nanos,
}

impl Steps {
    /// All agents in one loop, their book live, with made frames of this kind for as many steps.
    ///
    /// # Errors
    ///
    /// In words, if the engine does not come up.
    pub fn new(kind: FrameKind, steps: usize) -> Result<Self, String> {
        let capture = Capture::made(steps + 8);
        let clock = Clock::manual(START);
        let (rig, engine) = Rig::in_memory(&capture, clock.clone())?;
        let (half, _) = split(engine, &clock, &Spread::Both(Layout::Folded));
        let streamed = capture.frames.into_iter().skip(1).enumerate();
        // The book needs one message of depth.
        let frames: Vec<String> = streamed
            .filter(|(at, frame)| *at == 0 || frame.kind == kind)
            .map(|(_, frame)| frame.text)
            .collect();
        let (shared, frames) = (Shared::default(), frames.into_iter());
        let mut steps = Self { rig, half, shared, frames, now: START };
        for _ in 0..ROUNDS_MAX / 10 {
            steps.round();
        }
        while steps.shared.sent() == 0 {
            steps.publish()?;
            for _ in 0..100 {
                steps.round();
            }
        }
        Ok(steps)
    }

    fn round(&mut self) {
        self.now = self.now.plus(ROUND_NS);
        self.rig.clock.set(self.now);
        self.rig.tick();
        self.rig.venue.turn();
        self.half.round(&self.shared);
    }

    fn publish(&mut self) -> Result<(), String> {
        let frame = self.frames.next().ok_or_else(|| self.said("no frame is left"))?;
        self.rig.venue.publish(&frame);
        self.now = self.now.plus(ROUND_NS);
        self.rig.clock.set(self.now);
        self.rig.tick();
        Ok(())
    }

    fn said(&self, what: &str) -> String {
        format!("{what}: {}", self.rig.said())
    }

    /// Lets the order of the step before end, and sends the next frame.
    ///
    /// # Errors
    ///
    /// In words, if the order does not end or there is no frame left.
    pub fn prepare(&mut self) -> Result<(), String> {
        for _ in 0..ROUNDS_MAX {
            self.round();
            if self.shared.open() == 0 {
                return self.publish();
            }
        }
        Err(self.said("an order did not end"))
    }

    /// The round that takes the frame. Whether its order has left.
    pub fn answer(&mut self) -> bool {
        let before = self.shared.sent();
        self.half.answer(&self.shared);
        self.shared.sent() == before + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_frame_causes_one_order_in_its_round() {
        for kind in [FrameKind::Top, FrameKind::Depth] {
            let mut steps = Steps::new(kind, 20).unwrap();
            for step in 0..20 {
                steps.prepare().unwrap();
                assert!(steps.answer(), "{kind:?} {step}: {}", steps.rig.said());
            }
        }
    }
}
