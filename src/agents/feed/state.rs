//! What a feed is told of its connections, and what it says of itself in the region.

#![forbid(unsafe_code)]

use super::{Feed, FeedBook};
use crate::shm::FeedLine;
use crate::types::{BookState, Channel, Nanos, Readiness, VenueNotice};

/// How often health is published if nothing changes.
const HEALTH_EVERY_NS: u64 = 100_000_000;

impl Feed {
    pub(super) fn on_notice(&mut self, line: usize, notice: &VenueNotice, now: Nanos) {
        match *notice {
            VenueNotice::Readiness(Channel::Public, readiness) => {
                self.on_readiness(line, readiness, now);
            }
            VenueNotice::Readiness(Channel::Rest, readiness) => {
                if let Some(lines) = &mut self.lines {
                    lines.set_rest(line, readiness == Readiness::Ready);
                    if readiness == Readiness::Down {
                        self.ask_elsewhere(line);
                    }
                }
            }
            VenueNotice::ClockOffset { offset_ns, round_trip_ns } => {
                self.parts.latency.set_clock_offset(offset_ns);
                self.health.clock_offset_ns = offset_ns;
                self.health.clock_round_trip_ns = round_trip_ns;
            }
            VenueNotice::SubscriptionFailed(instrument) => {
                self.health.subscriptions_failed += 1;
                let text = format_args!("instrument {}: no market data", instrument.0);
                self.parts.sessions[line].log().warn(now, text);
            }
            VenueNotice::ShutdownAnnounced(channel) => {
                let text =
                    format_args!("the venue announced the end of the {channel:?} connection");
                self.parts.sessions[line].log().warn(now, text);
            }
            VenueNotice::RequestFailed(code) => {
                let text = format_args!("a request failed with code {code}");
                self.parts.sessions[line].log().warn(now, text);
            }
            _ => {}
        }
    }

    pub(super) fn publish_health(&mut self, now: Nanos) {
        if now < self.health_at {
            return;
        }
        self.health_at = now.plus(HEALTH_EVERY_NS);
        let live = |book: &&FeedBook| book.book.state() == BookState::Live;
        let health = &mut self.health;
        health.books = self.parts.books.len() as u64;
        health.books_live = self.parts.books.iter().filter(live).count() as u64;
        (health.frames, health.bytes, health.decode_errors) = (0, 0, 0);
        (health.scanned, health.fallback) = (0, 0);
        for (session, line) in self.parts.sessions.iter().zip(&mut health.lines) {
            let (counters, scans) = (session.counters(), session.scans());
            line.frames = counters.frames;
            health.frames += counters.frames;
            health.bytes += session.bytes_received();
            health.decode_errors += counters.decode_errors;
            health.scanned += scans.scanned;
            health.fallback += scans.fallback;
        }
        if let Some(lines) = &self.lines {
            lines.tell(&mut health.lines);
        }
        health.updated_ns = now;
        self.parts.health.publish(health);
    }

    /// How far the market data of a connection has come.
    fn on_readiness(&mut self, line: usize, readiness: Readiness, now: Nanos) {
        if readiness == Readiness::Down && self.health.lines[line].state != Readiness::Down {
            self.on_lost(line, now);
        }
        if readiness != Readiness::Down
            && let Some(lines) = &mut self.lines
        {
            lines.set_open(line);
        }
        self.set_state(line, readiness);
    }

    fn set_state(&mut self, line: usize, readiness: Readiness) {
        let all = &mut self.health.lines[..self.parts.sessions.len()];
        all[line].state = readiness;
        let is_ready = |line: &&FeedLine| line.state == Readiness::Ready;
        let is_down = |line: &FeedLine| line.state == Readiness::Down;
        self.health.state = match all.iter().find(is_ready) {
            Some(_) => Readiness::Ready,
            None if all.iter().all(is_down) => Readiness::Down,
            None => Readiness::Joining,
        };
        self.health_at = Nanos(0);
        if self.lines.is_some() {
            let patient = all.iter().filter(is_ready).count() > 1;
            self.parts.books.iter_mut().for_each(|book| book.book.set_patient(patient));
        }
    }

    /// A connection is lost: every book that no other one brings is old from this moment on.
    pub(super) fn on_lost(&mut self, line: usize, now: Nanos) {
        self.health.reconnects += 1;
        self.health.lines[line].reconnects += 1;
        self.set_state(line, Readiness::Down);
        if let Some(lines) = &mut self.lines {
            lines.on_lost(line);
        }
        for (at, book) in self.parts.books.iter_mut().enumerate() {
            if let Some(lines) = &mut self.lines {
                if lines.is_fed(at) {
                    continue;
                }
                lines.forget(at);
            }
            book.book.on_disconnect();
            (book.top_sequence, book.top_crossed) = (0, false);
            book.writer.set_state(book.book.state(), now);
        }
        self.ask_elsewhere(line);
    }

    /// What a connection was asked for and cannot fetch now is asked for again.
    fn ask_elsewhere(&mut self, line: usize) {
        let Some(lines) = &mut self.lines else { return };
        for (at, book) in self.parts.books.iter().enumerate() {
            let wanted = lines.take_back(at, line) && book.book.state() == BookState::Buffering;
            if wanted && !self.resync.contains(&book.instrument) {
                self.resync.push(book.instrument);
            }
        }
    }
}
