//! What a WebSocket connection remembers beside its socket: decoder, mask keys, next ping.

use super::LinkOptions;
use super::websocket::{Decoder, MaskKeys};
use crate::types::Nanos;

pub(super) struct WsSide {
    pub(super) decoder: Decoder,
    pub(super) keys: MaskKeys,
    next_ping: Nanos,
}

const NEVER: Nanos = Nanos(u64::MAX);

impl WsSide {
    pub(super) fn new(message_max: usize) -> Self {
        Self { decoder: Decoder::new(message_max), keys: MaskKeys::new(0), next_ping: NEVER }
    }

    /// `secret` is what the mask keys come from; peers cannot guess it.
    pub(super) fn on_open(&mut self, now: Nanos, options: &LinkOptions, secret: u64) {
        self.keys = MaskKeys::new(secret);
        self.schedule_ping(now, options);
    }

    /// Whether to send a ping now; if so, the next one is scheduled.
    pub(super) fn ping_is_due(&mut self, now: Nanos, options: &LinkOptions) -> bool {
        let due = now >= self.next_ping;
        if due {
            self.schedule_ping(now, options);
        }
        due
    }

    pub(super) fn next_ping(&self) -> Nanos {
        self.next_ping
    }

    fn schedule_ping(&mut self, now: Nanos, options: &LinkOptions) {
        self.next_ping = match options.ping_every {
            Some(every) => super::link::after(now, every),
            None => NEVER,
        };
    }
}
