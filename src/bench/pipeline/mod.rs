//! Tick to order: the engine's own agents, from a frame to the order that it causes, in memory and
//! over TLS on loopback.
//!
//! The venue answers every order at once with "expired", and the next frame comes only when the order
//! of the one before has ended: what is measured is the way of one frame through an idle engine. All
//! agents, all risk checks, the journal in its files and the signature are what a run has; only our own
//! count of the venue's rate limits allows more, because the venue has none.

mod rig;
mod taker;

use super::{BenchOptions, Capture, FrameKind, Measured};
use rig::Rig;

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

/// Measures everything of the way from a frame to its order.
pub fn tick_to_order(options: &BenchOptions) -> Result<Measured, String> {
    let path =
        options.capture.as_deref().ok_or("tick-to-order needs recorded frames: --capture")?;
    let capture = Capture::load(path)?;
    let mut measured = Measured::default();
    for _ in 0..options.runs {
        in_memory(&capture, options, &mut measured)?;
    }
    Ok(measured)
}

fn in_memory(
    capture: &Capture,
    options: &BenchOptions,
    measured: &mut Measured,
) -> Result<(), String> {
    let mut rig = Rig::in_memory(capture)?;
    let mut frames = rig.connect(capture)?;
    let warm_up = options.events / 10;
    let kinds = [FrameKind::Top, FrameKind::Depth];
    for kind in kinds {
        series(measured, kind, Layout::Folded).begin();
    }
    for event in 0..options.events + warm_up {
        let Some((kind, ns)) = rig.next_order(&mut frames)? else { break };
        if event >= warm_up && kinds.contains(&kind) {
            series(measured, kind, Layout::Folded).record(ns * 1000);
        }
    }
    Ok(())
}

fn series(measured: &mut Measured, kind: FrameKind, layout: Layout) -> &mut super::Series {
    let name = format!("memory.{}.{}", kind.name(), layout.name());
    let what = format!("plaintext {} frame to signed order, {}", kind.name(), layout.name());
    measured.series(&name, &what)
}
