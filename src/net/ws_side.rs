//! What a WebSocket connection remembers beside its socket: decoder, mask keys, next ping.

use super::LinkOptions;
use super::websocket::{Decoder, MaskKeys};
use crate::types::Nanos;

pub(super) struct WsSide {
    pub(super) decoder: Decoder,
    pub(super) keys: MaskKeys,
    last_ping: Nanos,
}

const NEVER: Nanos = Nanos(u64::MAX);

impl WsSide {
    pub(super) fn new(message_max: usize) -> Self {
        Self { decoder: Decoder::new(message_max), keys: MaskKeys::new(0), last_ping: Nanos(0) }
    }

    /// `secret` is what the mask keys come from; peers cannot guess it.
    pub(super) fn on_open(&mut self, secret: u64) {
        self.keys = MaskKeys::new(secret);
        self.last_ping = Nanos(0);
    }

    /// Whether to send a ping now; if so, it counts as sent.
    pub(super) fn ping_is_due(&mut self, now: Nanos, heard: Nanos, options: &LinkOptions) -> bool {
        let due = now >= self.next_ping(heard, options);
        if due {
            self.last_ping = now;
        }
        due
    }

    /// When the next is due if the peer, last heard of at `heard`, stays silent.
    pub(super) fn next_ping(&self, heard: Nanos, options: &LinkOptions) -> Nanos {
        let from = heard.max(self.last_ping);
        options.ping_after.map_or(NEVER, |span| super::link::after(from, span))
    }
}
