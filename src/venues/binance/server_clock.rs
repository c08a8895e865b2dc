//! The venue's clock as seen from here: several probes, the one with the shortest round trip wins.
//!
//! Timestamps are taken from the *lower* bound that a probe gives (the server wrote its answer
//! before we read it), so they can be late by at most a round trip but never ahead of the server,
//! which Binance refuses beyond one second whatever the receive window.

#![forbid(unsafe_code)]

use crate::types::{Nanos, VenueNotice};

/// Probes of one measurement.
const PROBES: u8 = 5;
/// Time between measurements.
const INTERVAL_NS: u64 = 120_000_000_000;
/// Time until a lost probe is repeated.
const RETRY_NS: u64 = 1_000_000_000;

#[derive(Clone, Copy)]
struct Estimate {
    /// Server's clock minus ours is at least this.
    floor_ns: i64,
    offset_ns: i64,
    round_trip_ns: u64,
}

/// Measures and applies the offset. The owner sends the probes and says when they left.
pub(super) struct ServerClock {
    known: Option<Estimate>,
    best: Option<Estimate>,
    left: u8,
    in_flight: bool,
    next: Nanos,
    /// The estimate in use is not trusted: take the next answer whatever its round trip.
    urgent: bool,
}

impl ServerClock {
    pub(super) fn new() -> Self {
        Self {
            known: None,
            best: None,
            left: PROBES,
            in_flight: false,
            next: Nanos(u64::MAX),
            urgent: true,
        }
    }

    /// Begins a measurement: the connection is new, or the venue refused a timestamp (`urgent`).
    pub(super) fn restart(&mut self, now: Nanos, urgent: bool) {
        self.best = None;
        self.left = PROBES;
        self.next = now;
        self.urgent |= urgent;
    }

    /// The connection is gone, and the probe with it.
    pub(super) fn stop(&mut self) {
        self.in_flight = false;
        self.next = Nanos(u64::MAX);
    }

    /// Whether a probe should leave now.
    pub(super) fn is_due(&self, now: Nanos) -> bool {
        !self.in_flight && now >= self.next
    }

    /// When a probe should leave; `None` while one is in flight or none is wanted.
    pub(super) fn due(&self) -> Option<Nanos> {
        (!self.in_flight && self.next.0 != u64::MAX).then_some(self.next)
    }

    /// Whether an answer is awaited.
    pub(super) fn is_waiting(&self) -> bool {
        self.in_flight
    }

    /// A probe has left.
    pub(super) fn sent(&mut self) {
        self.in_flight = true;
    }

    /// A probe was lost or refused; the next may leave at `earliest` or a second from now.
    pub(super) fn lost(&mut self, now: Nanos, earliest: Nanos) {
        self.in_flight = false;
        self.next = now.plus(RETRY_NS).max(earliest);
    }

    /// A probe that left at `sent` was answered. A notice if the offset in use changed.
    pub(super) fn on_answer(
        &mut self,
        server_ms: u64,
        sent: Nanos,
        now: Nanos,
    ) -> Option<VenueNotice> {
        self.in_flight = false;
        let server = Nanos::from_millis(server_ms).0 as i64;
        let middle = sent.0.midpoint(now.0) as i64;
        let fresh = Estimate {
            floor_ns: server.saturating_sub(now.0 as i64),
            offset_ns: server.saturating_sub(middle),
            round_trip_ns: now.since(sent),
        };
        let best = match self.best {
            Some(best) if best.round_trip_ns <= fresh.round_trip_ns => best,
            _ => fresh,
        };
        self.best = Some(best);
        self.left = self.left.saturating_sub(1);
        let adopted = if self.urgent || self.left == 0 { Some(best) } else { None };
        if self.left == 0 {
            self.best = None;
            self.left = PROBES;
            self.next = now.plus(INTERVAL_NS);
        } else {
            self.next = now;
        }
        let adopted = adopted?;
        self.urgent = false;
        self.known = Some(adopted);
        Some(VenueNotice::ClockOffset {
            offset_ns: adopted.offset_ns,
            round_trip_ns: adopted.round_trip_ns,
        })
    }

    /// Whether the offset was ever measured.
    pub(super) fn is_known(&self) -> bool {
        self.known.is_some()
    }

    /// The timestamp to send, in milliseconds. `None` until the first answer.
    pub(super) fn timestamp_ms(&self, now: Nanos) -> Option<u64> {
        let known = self.known?;
        Some(Nanos(now.0.saturating_add_signed(known.floor_ns)).as_millis())
    }

    /// A time of the venue's clock by our own clock.
    pub(super) fn to_local(&self, server: Nanos) -> Nanos {
        let offset = self.known.map_or(0, |known| known.offset_ns);
        Nanos(server.0.saturating_add_signed(offset.saturating_neg()))
    }

    /// Our time by the venue's clock.
    pub(super) fn to_server(&self, now: Nanos) -> Nanos {
        let offset = self.known.map_or(0, |known| known.offset_ns);
        Nanos(now.0.saturating_add_signed(offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn the_shortest_round_trip_wins_and_timestamps_are_never_ahead() {
        let mut clock = ServerClock::new();
        assert_eq!(clock.timestamp_ms(Nanos(0)), None);
        clock.restart(Nanos(0), false);
        // The server is 5 s ahead. Round trips of 40, 10 and 30 ms; the answer leaves the server
        // in the middle of each.
        let start = 1_700_000_000_000 * MS;
        let mut at = start;
        let mut notices = Vec::new();
        for round_trip_ms in [40, 10, 30, 30, 30] {
            assert!(clock.is_due(Nanos(at)));
            clock.sent();
            assert!(!clock.is_due(Nanos(at)));
            let server_ms = at / MS + 5_000 + round_trip_ms / 2;
            let (sent, read) = (Nanos(at), Nanos(at + round_trip_ms * MS));
            notices.extend(clock.on_answer(server_ms, sent, read));
            let true_server_ms = read.as_millis() + 5_000;
            let stamp = clock.timestamp_ms(read).unwrap();
            assert!(stamp <= true_server_ms && stamp + 25 >= true_server_ms, "{stamp}");
            at = read.0;
        }
        let offset_ns = 5_000_000_000;
        assert_eq!(
            notices,
            [
                VenueNotice::ClockOffset { offset_ns, round_trip_ns: 40 * MS },
                VenueNotice::ClockOffset { offset_ns, round_trip_ns: 10 * MS },
            ]
        );
        assert_eq!(clock.due(), Some(Nanos(at + INTERVAL_NS)));
        assert_eq!(clock.to_local(Nanos(at + 5_000 * MS)), Nanos(at));
        assert_eq!(clock.to_server(Nanos(at)), Nanos(at + 5_000 * MS));
    }

    #[test]
    fn a_refused_timestamp_makes_the_next_answer_count_at_once() {
        let mut clock = ServerClock::new();
        clock.restart(Nanos(0), false);
        clock.sent();
        clock.on_answer(1_000, Nanos(0), Nanos(2 * MS));
        clock.restart(Nanos(3 * MS), true);
        clock.sent();
        let notice = clock.on_answer(9_000, Nanos(3 * MS), Nanos(13 * MS));
        let offset_ns = 8_992_000_000;
        assert_eq!(notice, Some(VenueNotice::ClockOffset { offset_ns, round_trip_ns: 10 * MS }));
    }

    #[test]
    fn a_lost_probe_is_repeated_later() {
        let mut clock = ServerClock::new();
        clock.restart(Nanos(0), false);
        clock.sent();
        clock.lost(Nanos(5), Nanos(0));
        assert_eq!(clock.due(), Some(Nanos(5 + RETRY_NS)));
        clock.lost(Nanos(5), Nanos(7 * RETRY_NS));
        assert_eq!(clock.due(), Some(Nanos(7 * RETRY_NS)));
        clock.stop();
        assert_eq!(clock.due(), None);
    }
}
