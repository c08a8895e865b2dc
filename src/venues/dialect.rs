//! What `subscriptions.rs` and a venue tell each other: how requests are written, and what frames were.

#![forbid(unsafe_code)]

use crate::types::{DepthUpdate, Instrument};

/// How a venue writes a request, and how many instruments one holds.
#[derive(Clone, Copy)]
pub(super) struct Dialect {
    pub(super) group_max: usize,
    /// Levels of the depth topic, as it is written.
    pub(super) depth: &'static str,
    pub(super) write: fn(&mut Vec<u8>, &Ask<'_>, &mut dyn Iterator<Item = &Instrument>),
}

/// What venues do differently besides.
#[derive(Clone, Copy)]
pub(super) struct Habits {
    /// Frames that ask for all of one instrument, the first of them for its depth. More than one only
    /// where a request holds one instrument.
    pub(super) parts: fn(&Instrument) -> usize,
    /// The top comes at once; elsewhere only when it changes.
    pub(super) sends_top: bool,
    /// Depth that is silent for longer is asked for anew; 0: it may be silent.
    pub(super) quiet_ns: u64,
}

impl Default for Habits {
    fn default() -> Self {
        Self { parts: |_| 1, sends_top: true, quiet_ns: 0 }
    }
}

/// What a request asks for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask<'a> {
    /// `subscribe` or `unsubscribe`.
    pub(super) op: &'a str,
    pub(super) request: u64,
    pub(super) depth: &'static str,
    /// The depth alone, without top and trades.
    pub(super) depth_only: bool,
    /// Which of the frames that ask together, from 0.
    pub(super) part: usize,
}

/// What a frame of market data was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scanned {
    Depth(DepthUpdate),
    /// The same, but the top that came before it must have been told of anew and was not.
    Suspect(DepthUpdate),
    /// Depth that is no news.
    Repeated,
    Top,
    Trades,
    /// Mark price, index or funding.
    Perpetual,
}

/// What a frame without data says about a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Control<'a> {
    /// Answer to a ping.
    Pong,
    /// A subscribe request was taken.
    Subscribed(Option<u64>),
    /// A subscribe request was refused; the text may name the topic, the number may be absent.
    Refused(Option<u64>, &'a str),
    /// Answer to an unsubscribe request; a refusal means that there was nothing to stop.
    Unsubscribed,
    /// The venue will close the connection: replace it.
    Closing,
}
