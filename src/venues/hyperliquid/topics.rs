//! The account's streams on their socket: asked for, acknowledged, asked for anew.

#![forbid(unsafe_code)]

use super::super::session::Heartbeat;
use super::super::{DecodeError, Outbox, OutboxFull};
use super::trading::Core;
use super::{SECOND_NS, streams};
use crate::types::{Channel, Events, Nanos, Readiness, VenueNotice};

/// The account's streams, in the order of their bits, with what their subscription says besides.
const TOPICS: [(&str, &str); 5] = [
    ("orderUpdates", ""),
    ("userFills", ""),
    ("userFundings", ""),
    ("clearinghouseState", r#","dex":"""#),
    ("spotState", ""),
];
/// Those without which nobody would tell of orders. What the others tell is also asked for.
const NEEDED_TOPICS: u8 = 0b111;

/// The socket of the account's streams.
pub(super) struct Private {
    /// Streams that were acknowledged, by bit; none while it is closed.
    pub(super) acked: Option<u8>,
    /// By when all that are needed must be.
    pub(super) by: Option<Nanos>,
    pub(super) heartbeat: Heartbeat,
}

impl Private {
    pub(super) fn new() -> Self {
        Self { acked: None, by: None, heartbeat: streams::heartbeat() }
    }
}

/// The stream that a text names.
pub(super) fn named(text: &str) -> Option<&'static str> {
    TOPICS.iter().map(|(topic, _)| *topic).find(|topic| text.contains(topic))
}

impl Core {
    fn subscribe(&mut self, now: Nanos, out: &mut Outbox) -> Result<(), OutboxFull> {
        let traded = |topic: &str| match topic {
            "clearinghouseState" => self.assets.has(true),
            "spotState" => self.assets.has(false),
            _ => true,
        };
        for (topic, more) in TOPICS.into_iter().filter(|(topic, _)| traded(topic)) {
            let parts = [
                r#"{"method":"subscribe","subscription":{"type":""#,
                topic,
                r#"","user":""#,
                &self.user,
                "\"",
                more,
                "}}",
            ];
            let write = |frame: &mut Vec<u8>| {
                parts.iter().for_each(|part| frame.extend_from_slice(part.as_bytes()));
            };
            out.frame(Channel::Private, write)?;
        }
        self.private.by = Some(now.plus(self.reply_timeout_ns.max(5 * SECOND_NS)));
        Ok(())
    }

    pub(super) fn on_open_private(&mut self, now: Nanos, out: &mut Outbox, events: &mut Events) {
        self.private.acked = Some(0);
        // Without room the deadline opens it anew.
        self.private.by = Some(now);
        let _ = self.subscribe(now, out);
        self.notice(events, VenueNotice::Readiness(Channel::Private, Readiness::Joining));
    }

    /// A stream was acknowledged, or asked for twice.
    pub(super) fn on_acked(&mut self, topic: &str, events: &mut Events) -> Result<(), DecodeError> {
        let bit = TOPICS
            .iter()
            .position(|(name, _)| *name == topic)
            .ok_or(DecodeError::Invalid("type"))?;
        let Some(acked) = &mut self.private.acked else { return Ok(()) };
        let before = std::mem::replace(acked, *acked | 1 << bit);
        let all = |acked: u8| acked & NEEDED_TOPICS == NEEDED_TOPICS;
        if all(*acked) && !all(before) {
            self.private.by = None;
            self.notice(events, VenueNotice::Readiness(Channel::Private, Readiness::Ready));
        }
        Ok(())
    }
}
