//! What a feed is told of its connections, and what it says of itself in the region.

#![forbid(unsafe_code)]

use super::{Feed, FeedBook};
use crate::shm::{FEED_LINES, FeedLine};
use crate::types::{BookState, Channel, InstrumentId, Nanos, Readiness, VenueNotice};

/// How often health is published if nothing changes.
const HEALTH_EVERY_NS: u64 = 100_000_000;

/// Which connections of a line bring books, and how far each has come. A venue may bring some books
/// on one connection and some on another; one that brings no book is not looked at.
pub(super) struct Sources {
    /// By book.
    channels: Vec<Channel>,
    /// By line, then channel.
    states: [[Readiness; Channel::COUNT]; FEED_LINES],
}

impl Sources {
    pub(super) fn new(
        books: impl Iterator<Item = InstrumentId>,
        of: impl Fn(InstrumentId) -> Channel,
    ) -> Self {
        let states = [[Readiness::Down; Channel::COUNT]; FEED_LINES];
        Self { channels: books.map(of).collect(), states }
    }

    /// Whether a channel brings any book. Without books it is the first one that counts.
    pub(super) fn has(&self, channel: Channel) -> bool {
        match self.channels.is_empty() {
            true => channel == Channel::Public,
            false => self.channels.contains(&channel),
        }
    }

    fn brings(&self, channel: Channel, at: usize) -> bool {
        self.channels.get(at) == Some(&channel)
    }

    /// What all of them together are.
    fn of_line(&self, line: usize) -> Readiness {
        let used = Channel::ALL.into_iter().filter(|channel| self.has(*channel));
        let mut states = used.map(|channel| self.states[line][channel.index()]);
        let first = states.next().unwrap_or(Readiness::Down);
        if states.all(|state| state == first) { first } else { Readiness::Joining }
    }
}

impl Feed {
    pub(super) fn on_notice(&mut self, line: usize, notice: &VenueNotice, now: Nanos) {
        match *notice {
            VenueNotice::Readiness(channel, readiness) if self.sources.has(channel) => {
                self.on_readiness(line, channel, readiness, now);
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
    fn on_readiness(&mut self, line: usize, channel: Channel, state: Readiness, now: Nanos) {
        let before = self.sources.states[line][channel.index()];
        if state == Readiness::Down && before != Readiness::Down {
            self.on_lost(line, channel, now);
        }
        if state != Readiness::Down
            && let Some(lines) = &mut self.lines
        {
            let books = 0..self.parts.books.len();
            let brought = books.filter(|at| self.sources.brings(channel, *at));
            brought.for_each(|at| lines.set_open(at, line));
        }
        self.set_state(line, channel, state);
    }

    fn set_state(&mut self, line: usize, channel: Channel, state: Readiness) {
        self.sources.states[line][channel.index()] = state;
        let all = &mut self.health.lines[..self.parts.sessions.len()];
        all[line].state = self.sources.of_line(line);
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

    /// A connection is lost: every book of its that no other one brings is old from this moment on.
    pub(super) fn on_lost(&mut self, line: usize, channel: Channel, now: Nanos) {
        self.health.reconnects += 1;
        self.health.lines[line].reconnects += 1;
        self.set_state(line, channel, Readiness::Down);
        for (at, book) in self.parts.books.iter_mut().enumerate() {
            if !self.sources.brings(channel, at) {
                continue;
            }
            if let Some(lines) = &mut self.lines {
                lines.on_lost(at, line);
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
