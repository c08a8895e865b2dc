//! What feeds read, as it came: a copy of every message on its way to whoever writes it down.
//!
//! A recorder is a program of its own with feeds and nothing that trades: the connectors subscribe,
//! answer pings, notice gaps and fetch books anew as they do in an engine. Messages are copied before they
//! are read, which happens in place. Whoever writes is never waited for: what finds the queue full is
//! counted, and the writer is told of the hole as soon as there is room.

use super::EngineSetup;
use super::assembly::Builder;
use super::feed::Feed;
use super::rules::{CHANGES_MAX, RulePlan, RuleWatch};
use super::sizes::Sizes;
use super::threads::{Agent, Lifecycle, Phase};
use crate::net::Transport;
use crate::shm::{Market, MarketView, RegionOptions};
use crate::sync::spsc;
use crate::types::{
    Channel, Command, CommandKind, Event, Events, Instrument, InstrumentId, Nanos, VenueId,
    VenueNotice,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

/// Messages that may wait for the writer.
const WAITING_MAX: usize = 65_536;
/// Their bytes.
const BYTES_MAX: usize = 256 << 20;
/// Requests to a feed that wait for its next poll.
const ASKED_MAX: usize = 256;

/// What a writer gets.
#[derive(Debug)]
pub enum Taken {
    /// A message.
    Message {
        /// Whose.
        venue: VenueId,
        /// What it tells of; a message that names no instrument (an answer, a ping, what nobody
        /// understands) concerns all of the venue.
        instruments: Vec<InstrumentId>,
        /// When its last byte was read.
        recv_ns: Nanos,
        /// As it came.
        bytes: Box<[u8]>,
    },
    /// Messages are missing from here on.
    Hole {
        /// Of which instruments.
        instruments: Vec<InstrumentId>,
        /// When that was known.
        at: Nanos,
        /// So many were read and found no room; 0 if the connection was lost.
        messages: u64,
    },
    /// The venue has changed the rules of an instrument.
    Rules {
        /// With those that hold now.
        instrument: Box<Instrument>,
        /// When that was known.
        at: Nanos,
    },
    /// The subscription of an instrument has failed.
    Refused {
        /// Whose.
        instrument: InstrumentId,
        /// What the venue has answered; empty if it has not.
        answer: Box<[u8]>,
    },
}

/// Copies the messages of one session.
pub struct Tap {
    venue: VenueId,
    to: SyncSender<Taken>,
    waiting: Arc<AtomicUsize>,
    /// What the session brings, and on which channel.
    books: Vec<(InstrumentId, Channel)>,
    message: Vec<u8>,
    copied: Option<Copied>,
    /// Messages that found the queue full and were not told of.
    lost: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Copied {
    Frame,
    Reply,
}

impl Tap {
    /// Copies a message before it is read.
    pub fn copy(&mut self, message: &[u8], reply: bool) {
        self.message.clear();
        self.message.extend_from_slice(message);
        self.copied = Some(if reply { Copied::Reply } else { Copied::Frame });
    }

    /// Hands on what was copied, now that it is known what it was about, and tells which subscriptions have
    /// failed. Replies to requests matter only if they bring a book.
    pub fn take(&mut self, recv_ns: Nanos, events: &Events) {
        let copied = self.copied.take();
        for event in events.list() {
            if let Event::Notice(VenueNotice::SubscriptionFailed(instrument)) = *event {
                let answer =
                    if copied.is_some() { self.message.as_slice().into() } else { [].into() };
                // Without room it is told when it has failed once more: connectors ask again.
                let _ = self.to.try_send(Taken::Refused { instrument, answer });
            }
        }
        let Some(copied) = copied else { return };
        let mut instruments: Vec<InstrumentId> = events.list().iter().filter_map(about).collect();
        instruments.sort_unstable();
        instruments.dedup();
        if copied == Copied::Reply && instruments.is_empty() {
            return;
        }
        if self.lost > 0 && !self.tell_hole(recv_ns) {
            self.lost += 1;
            return;
        }
        let bytes: Box<[u8]> = self.message.as_slice().into();
        let len = bytes.len();
        let room = self.waiting.load(Ordering::Relaxed) + len <= BYTES_MAX;
        let message = Taken::Message { venue: self.venue, instruments, recv_ns, bytes };
        // Counted first: the writer may be done with it before this goes on.
        self.waiting.fetch_add(len, Ordering::Relaxed);
        if !room || self.to.try_send(message).is_err() {
            self.waiting.fetch_sub(len, Ordering::Relaxed);
            self.lost += 1;
        }
    }

    /// The connection that brought these books is lost.
    pub fn on_close(&mut self, channel: Channel, at: Nanos) {
        let of = self.books.iter().filter(|(_, brings)| *brings == channel);
        let instruments: Vec<InstrumentId> = of.map(|(id, _)| *id).collect();
        if instruments.is_empty() {
            return;
        }
        if self.to.try_send(Taken::Hole { instruments, at, messages: 0 }).is_err() {
            // The hole that is told once there is room covers this one.
            self.lost += 1;
        }
    }

    fn tell_hole(&mut self, at: Nanos) -> bool {
        let told = self.to.try_send(self.hole(at)).is_ok();
        if told {
            self.lost = 0;
        }
        told
    }

    fn hole(&self, at: Nanos) -> Taken {
        let instruments = self.books.iter().map(|(id, _)| *id).collect();
        Taken::Hole { instruments, at, messages: self.lost }
    }
}

impl Drop for Tap {
    /// The last hole must not be missed; the writer empties the queue now.
    fn drop(&mut self) {
        if self.lost > 0 {
            let _ = self.to.send(self.hole(Nanos(u64::MAX)));
        }
    }
}

/// The instrument that an event of market data is about.
fn about(event: &Event) -> Option<InstrumentId> {
    match event {
        Event::Depth(update) => Some(update.instrument),
        Event::Top(top) => Some(top.instrument),
        Event::Trade(trade) => Some(trade.instrument),
        Event::Perpetual(update) => Some(update.instrument),
        _ => None,
    }
}

/// The writer's end.
pub struct Taking {
    /// What was read, in the order in which it came.
    pub from: Receiver<Taken>,
    waiting: Arc<AtomicUsize>,
}

impl Taking {
    /// Of what does not come from feeds.
    #[cfg(test)]
    pub(crate) fn of(from: Receiver<Taken>) -> Self {
        Self { from, waiting: Arc::new(AtomicUsize::new(usize::MAX)) }
    }

    /// A message was written: there is room for others.
    pub fn done(&self, bytes: usize) {
        self.waiting.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// Feeds that are polled by their owner and record what they read.
pub struct Recorder {
    feeds: Vec<(VenueId, Feed, spsc::Producer<Command>)>,
    view: MarketView,
    to: SyncSender<Taken>,
    /// Of rules that venues have changed.
    stated: Receiver<Instrument>,
    /// One that has found no room.
    restated: Option<Taken>,
    lifecycle: Lifecycle,
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.lifecycle.advance(Phase::Done);
    }
}

impl Recorder {
    /// The feeds of all configured venues, one connection each: a copy would be in the recording
    /// twice. A thread of its own asks for the venues' rules as in an engine.
    pub fn new(
        setup: EngineSetup<'_>,
        transport: impl Into<Transport>,
    ) -> Result<(Self, Taking), String> {
        let sizes = Sizes::default();
        let region = RegionOptions {
            depth: setup.config.depth,
            strategies: 0,
            trades: sizes.trades,
            threads: 0,
            agents: 0,
            detail: setup.config.latency,
        };
        let market = Market::in_memory(&setup.instruments, &region);
        let market = market.map_err(|error| error.to_string())?;
        let (to, from) = sync_channel(WAITING_MAX);
        let waiting = Arc::new(AtomicUsize::new(0));
        let config = setup.config;
        let view = market.view();
        let (state, stated) = sync_channel(CHANGES_MAX);
        let lifecycle = Lifecycle::default();
        let (table, log) = (setup.instruments.clone(), setup.log.named("rules"));
        let watch = RulePlan::new(&setup);
        let watch = watch.watch(table, (None, Some(state)), &setup.clock, &lifecycle, log);
        let mut builder = Builder::new(setup, market, transport.into(), &sizes);
        let mut ends = Vec::new();
        for venue in &config.venues {
            let (ask, control) = spsc::channel(ASKED_MAX);
            let single = crate::config::VenueConfig { feed_connections: 1, ..venue.clone() };
            builder.feed_alone(&single, control)?;
            ends.push((venue.venue, ask));
        }
        let mut feeds = Vec::new();
        for ((venue, ask), mut feed) in ends.into_iter().zip(builder.feeds) {
            let tap = |books| Tap {
                venue,
                to: to.clone(),
                waiting: waiting.clone(),
                books,
                message: Vec::new(),
                copied: None,
                lost: 0,
            };
            feed.set_taps(tap);
            feeds.push((venue, feed, ask));
        }
        watch.map(RuleWatch::start).transpose()?;
        let restated = None;
        Ok((Self { feeds, view, to, stated, restated, lifecycle }, Taking { from, waiting }))
    }

    /// Reads what has come.
    pub fn poll(&mut self, now: Nanos) -> usize {
        self.hand_on_rules(now);
        self.feeds.iter_mut().map(|(_, feed, _)| feed.poll(now)).sum()
    }

    fn hand_on_rules(&mut self, now: Nanos) {
        let next = || {
            let instrument = Box::new(self.stated.try_recv().ok()?);
            Some(Taken::Rules { instrument, at: now })
        };
        let Some(restated) = self.restated.take().or_else(next) else { return };
        if let Err(TrySendError::Full(restated)) = self.to.try_send(restated) {
            self.restated = Some(restated);
        }
    }

    /// Wants a snapshot of a book, for a file that begins. `false` if too much is asked for already.
    #[must_use]
    pub fn resync(&mut self, venue: VenueId, instrument: InstrumentId, now: Nanos) -> bool {
        let command = Command::new(CommandKind::Resync(instrument), now);
        let feed = self.feeds.iter_mut().find(|(of, _, _)| *of == venue);
        feed.is_some_and(|(_, _, ask)| ask.push(command).is_ok())
    }

    /// Books and health, as the feeds publish them.
    #[must_use]
    pub fn view(&self) -> &MarketView {
        &self.view
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Price, Qty, Side, Trade};

    fn tap(room: usize) -> (Tap, Receiver<Taken>) {
        let (to, from) = sync_channel(room);
        let books =
            vec![(InstrumentId(0), Channel::Public), (InstrumentId(1), Channel::PublicMore)];
        let waiting = Arc::new(AtomicUsize::new(0));
        let (venue, message) = (VenueId(3), Vec::new());
        (Tap { venue, to, waiting, books, message, copied: None, lost: 0 }, from)
    }

    fn events(instruments: &[u16]) -> Events {
        let mut events = Events::with_capacity(16, 16);
        for id in instruments {
            let trade = Trade {
                instrument: InstrumentId(*id),
                trade_id: 1,
                price: Price(1),
                qty: Qty(1),
                taker: Side::Buy,
                event_ns: Nanos(1),
            };
            events.push(Event::Trade(trade)).unwrap();
        }
        events
    }

    #[test]
    fn a_message_is_handed_on_with_what_it_is_about_and_replies_only_with_a_book() {
        let (mut tap, from) = tap(8);
        tap.copy(b"both", false);
        tap.take(Nanos(5), &events(&[1, 0, 1]));
        tap.copy(b"pong", false);
        tap.take(Nanos(6), &events(&[]));
        tap.copy(b"the time", true);
        tap.take(Nanos(7), &events(&[]));
        tap.take(Nanos(8), &events(&[0]));
        let got: Vec<(Vec<u16>, u64, Vec<u8>)> = from
            .try_iter()
            .map(|taken| match taken {
                Taken::Message { instruments, recv_ns, bytes, .. } => {
                    (instruments.iter().map(|id| id.0).collect(), recv_ns.0, bytes.into_vec())
                }
                _ => panic!("{taken:?}"),
            })
            .collect();
        let wanted = [(vec![0, 1], 5, b"both".to_vec()), (vec![], 6, b"pong".to_vec())];
        assert_eq!(got, wanted);
    }

    #[test]
    fn a_subscription_that_failed_is_told_with_the_answer_or_without_one() {
        let (mut tap, from) = tap(8);
        let mut events = events(&[]);
        let failed = VenueNotice::SubscriptionFailed(InstrumentId(1));
        events.push(Event::Notice(failed)).unwrap();
        tap.copy(b"no such symbol", false);
        tap.take(Nanos(5), &events);
        tap.take(Nanos(6), &events);
        let told: Vec<Vec<u8>> = from
            .try_iter()
            .filter_map(|taken| match taken {
                Taken::Refused { instrument: InstrumentId(1), answer } => Some(answer.into_vec()),
                _ => None,
            })
            .collect();
        assert_eq!(told, [b"no such symbol".to_vec(), Vec::new()]);
    }

    #[test]
    fn what_finds_no_room_is_told_once_there_is_some_and_a_lost_connection_at_once() {
        let (mut tap, from) = tap(2);
        let message = |tap: &mut Tap, at| {
            tap.copy(b"x", false);
            tap.take(Nanos(at), &events(&[0]));
        };
        for at in 1..=4 {
            message(&mut tap, at);
        }
        assert_eq!(from.try_iter().count(), 2);
        message(&mut tap, 5);
        tap.on_close(Channel::PublicMore, Nanos(6));
        tap.on_close(Channel::Rest, Nanos(7));
        let got: Vec<Taken> = from.try_iter().collect();
        assert!(
            matches!(&got[0], Taken::Hole { instruments, messages: 2, at: Nanos(5) } if instruments.len() == 2),
            "{got:?}"
        );
        assert!(matches!(&got[1], Taken::Message { recv_ns: Nanos(5), .. }), "{got:?}");
        // No room for this one: it is told at the end.
        assert_eq!(got.len(), 2);
        drop(tap);
        let last: Vec<Taken> = from.try_iter().collect();
        assert!(matches!(last.as_slice(), [Taken::Hole { messages: 1, .. }]), "{last:?}");
    }

    #[test]
    fn rules_that_find_no_room_are_handed_on_once_there_is_some() {
        let market =
            Market::in_memory(&crate::types::InstrumentTable::default(), &RegionOptions::default());
        let (view, feeds) = (market.unwrap().view(), Vec::new());
        let ((to, from), (say, stated)) = (sync_channel(1), sync_channel(4));
        let lifecycle = Lifecycle::default();
        let restated = None;
        let own = lifecycle.clone();
        let mut recorder = Recorder { feeds, view, to, stated, restated, lifecycle: own };
        for id in [3, 4] {
            say.send(Instrument { id: InstrumentId(id), ..Instrument::default() }).unwrap();
        }
        let told = |at: u64| match from.try_recv() {
            Ok(Taken::Rules { instrument, at: then }) if then.0 < at => instrument.id.0,
            other => panic!("{other:?}"),
        };
        recorder.poll(Nanos(5));
        recorder.poll(Nanos(6));
        assert_eq!(told(6), 3);
        recorder.poll(Nanos(7));
        assert_eq!(told(7), 4);
        recorder.poll(Nanos(8));
        drop(recorder);
        assert_eq!(lifecycle.phase(), Phase::Done, "nobody asks any more");
        assert!(from.recv().is_err());
    }

    #[test]
    fn a_lost_connection_is_a_hole_of_what_it_brought() {
        let (mut tap, from) = tap(2);
        tap.on_close(Channel::PublicMore, Nanos(6));
        let got = from.try_recv().unwrap();
        let Taken::Hole { instruments, at, messages } = got else { panic!("{got:?}") };
        assert_eq!((instruments, at, messages), (vec![InstrumentId(1)], Nanos(6), 0));
    }
}
