//! What connectors need of a connection: the venue's clock, asked over REST, and the heartbeat.
//!
//! No socket and no clock of its own: the time is an argument everywhere.

#![forbid(unsafe_code)]

use super::{DecodeError, Method, Outbox, OutboxFull, RequestId};
use crate::types::{Channel, Nanos, VenueNotice};

const SECOND_NS: u64 = 1_000_000_000;
const PROBE_EVERY_NS: u64 = 30 * SECOND_NS;
const PROBE_RETRY_NS: u64 = SECOND_NS;

/// Header of a request whose body is JSON.
pub(super) const JSON: &[u8] = b"Content-Type: application/json\r\n";

/// The venue's clock against ours, measured by asking for its time over REST.
///
/// A probe proves that venue minus ours lies in `[server - received, server - sent]`. Intervals
/// are intersected while they agree and start anew when they do not (drift, a stepped clock).
/// Signing uses the lower end: such a timestamp is never ahead of the venue, which refuses anything
/// a second ahead whatever the window.
#[derive(Debug)]
pub(super) struct VenueClock {
    /// Path that tells the venue's time.
    path: &'static str,
    /// What is posted to it; empty where it is only read.
    body: &'static str,
    bounds: Option<(i64, i64)>,
    doubted: bool,
    probe: Option<(RequestId, Nanos)>,
    next_probe: Option<Nanos>,
    last_probe: Nanos,
    /// Until then the venue takes nothing from our address.
    blocked: Nanos,
}

impl VenueClock {
    pub(super) fn new(path: &'static str) -> Self {
        Self::posting(path, "")
    }

    /// Asks by posting this JSON.
    pub(super) fn posting(path: &'static str, body: &'static str) -> Self {
        Self {
            path,
            body,
            bounds: None,
            doubted: false,
            probe: None,
            next_probe: None,
            last_probe: Nanos(0),
            blocked: Nanos(0),
        }
    }

    /// REST is usable: probe at once, unless we are blocked.
    pub(super) fn on_open(&mut self, now: Nanos) {
        self.probe = None;
        self.next_probe = Some(now.max(self.blocked));
    }

    /// REST is lost. The measured offset stays.
    pub(super) fn on_close(&mut self) {
        self.probe = None;
        self.next_probe = None;
    }

    /// Whether it was measured at least once.
    pub(super) fn is_known(&self) -> bool {
        self.bounds.is_some()
    }

    /// When the next probe is due.
    pub(super) fn deadline(&self) -> Option<Nanos> {
        self.next_probe
    }

    /// Sends the probe if it is due.
    pub(super) fn try_probe(
        &mut self,
        id: RequestId,
        now: Nanos,
        out: &mut Outbox,
    ) -> Result<bool, OutboxFull> {
        if self.next_probe.is_none_or(|due| due > now) {
            return Ok(false);
        }
        let (text, body) = (self.path.as_bytes(), self.body.as_bytes());
        let path = |path: &mut Vec<u8>| path.extend_from_slice(text);
        if body.is_empty() {
            out.request(id, Method::Get, path, |_| {}, |_, _, _| {})?;
        } else {
            let json = |_: &str, _: &[u8], head: &mut Vec<u8>| head.extend_from_slice(JSON);
            out.request(id, Method::Post, path, |to| to.extend_from_slice(body), json)?;
        }
        self.probe = Some((id, now));
        self.last_probe = now;
        self.next_probe = None;
        Ok(true)
    }

    /// Whether this request is the open probe.
    pub(super) fn is_probe(&self, id: RequestId) -> bool {
        self.probe.is_some_and(|(probe, _)| probe == id)
    }

    /// The reply to the probe: the venue's time in nanoseconds, or why it cannot be read.
    pub(super) fn on_reply(
        &mut self,
        server_ns: Result<u64, DecodeError>,
        now: Nanos,
    ) -> Result<VenueNotice, DecodeError> {
        let Some((_, sent)) = self.probe.take() else {
            return Err(DecodeError::UnknownRequest);
        };
        self.next_probe = Some(now.plus(PROBE_RETRY_NS).max(self.blocked));
        let server = server_ns?;
        let (low, high) = (difference(server, now), difference(server, sent));
        self.bounds = Some(match self.bounds {
            Some((a, b)) if !self.doubted && a.max(low) <= b.min(high) => (a.max(low), b.min(high)),
            _ => (low, high),
        });
        self.doubted = false;
        self.next_probe = Some(now.plus(PROBE_EVERY_NS).max(self.blocked));
        let (low, high) = self.bounds.unwrap_or((low, high));
        let width = high.abs_diff(low);
        Ok(VenueNotice::ClockOffset {
            offset_ns: low.saturating_add((width / 2) as i64),
            round_trip_ns: width,
        })
    }

    /// The probe failed or was lost: try again soon.
    pub(super) fn on_lost(&mut self, now: Nanos) {
        self.probe = None;
        self.next_probe = Some(now.plus(PROBE_RETRY_NS).max(self.blocked));
    }

    /// The venue refused a timestamp: measure anew, and believe only that.
    pub(super) fn doubt(&mut self, now: Nanos) {
        self.doubted = true;
        if self.probe.is_none() {
            let next = now.max(self.last_probe.plus(PROBE_RETRY_NS));
            self.next_probe = Some(next.max(self.blocked));
        }
    }

    /// No probe before this time: the venue blocks our address.
    pub(super) fn pause(&mut self, until: Nanos) {
        self.blocked = self.blocked.max(until);
        self.probe = None;
        self.next_probe = Some(self.blocked);
    }

    /// What nobody waits for is due no earlier than this.
    pub(super) fn after_block(&self, due: Nanos) -> Nanos {
        due.max(self.blocked)
    }

    /// The venue's time in milliseconds, for timestamps: never ahead of the venue.
    pub(super) fn venue_millis(&self, now: Nanos) -> u64 {
        Nanos(now.0.saturating_add_signed(self.low())).as_millis()
    }

    /// A time of the venue by our clock, on the late side.
    pub(super) fn local(&self, venue_ms: u64) -> Nanos {
        Nanos(Nanos::from_millis(venue_ms).0.saturating_add_signed(-self.low()))
    }

    fn low(&self) -> i64 {
        self.bounds.map_or(0, |(low, _)| low)
    }
}

/// `a - b` within what an `i64` holds; whatever the venue claims, negating it is safe.
fn difference(a: u64, b: Nanos) -> i64 {
    let wide = i128::from(a) - i128::from(b.0);
    wide.clamp(-i128::from(i64::MAX), i128::from(i64::MAX)) as i64
}

/// A ping of the application's own and the proof of life that it asks for.
#[derive(Debug)]
pub(super) struct Heartbeat {
    ping: &'static str,
    every_ns: u64,
    next: Option<Nanos>,
    unanswered: bool,
}

impl Heartbeat {
    /// Sends the text `ping` so often.
    pub(super) fn new(ping: &'static str, every_ns: u64) -> Self {
        Self { ping, every_ns, next: None, unanswered: false }
    }

    /// The socket is open.
    pub(super) fn start(&mut self, now: Nanos) {
        self.next = Some(now.plus(self.every_ns));
        self.unanswered = false;
    }

    /// The socket is gone.
    pub(super) fn stop(&mut self) {
        self.next = None;
    }

    /// Any frame proves that the venue still talks to us.
    pub(super) fn on_frame(&mut self) {
        self.unanswered = false;
    }

    /// When the next ping is due.
    pub(super) fn deadline(&self) -> Option<Nanos> {
        self.next
    }

    /// Sends a ping if it is due; asks for a new connection if the last one met silence.
    pub(super) fn try_ping(
        &mut self,
        channel: Channel,
        now: Nanos,
        out: &mut Outbox,
    ) -> Result<(), OutboxFull> {
        if self.next.is_none_or(|due| due > now) {
            return Ok(());
        }
        if self.unanswered {
            out.reconnect(channel)?;
            self.stop();
            return Ok(());
        }
        let ping = self.ping.as_bytes();
        out.frame(channel, |frame| frame.extend_from_slice(ping))?;
        self.unanswered = true;
        self.next = Some(now.plus(self.every_ns));
        Ok(())
    }
}

/// The earliest of some deadlines.
pub(super) fn earliest<const N: usize>(deadlines: [Option<Nanos>; N]) -> Option<Nanos> {
    deadlines.into_iter().flatten().min()
}
