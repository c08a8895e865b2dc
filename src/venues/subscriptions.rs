//! Subscriptions of a public socket: what was asked for, what came, what to ask for again.
//!
//! For venues that push snapshot and deltas on one socket. How a request is written is the venue's
//! affair ([`Dialect`]). Several instruments share a request, or one needs several ([`Habits`]). One
//! refused topic can void its request, so the others of a refused request are asked for again, each
//! instrument by itself. Data is never gated on an acknowledgement: it can come first.

#![forbid(unsafe_code)]

pub(super) use super::dialect::{Ask, Control, Dialect, Habits, Scanned};

use super::{DecodeError, Outbox, OutboxFull, VenueSetup};
use crate::types::{
    Channel, DepthKind, Event, Events, Instrument, InstrumentId, InstrumentStatus, Nanos,
    Readiness, VenueNotice,
};

const SECOND_NS: u64 = 1_000_000_000;
const RETRY_MIN_NS: u64 = SECOND_NS;
const RETRY_MAX_NS: u64 = 60 * SECOND_NS;

/// How far the subscription of one instrument has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Not wanted.
    Off,
    /// To be asked for at this time; `clean` if an unsubscribe must go first.
    Due { at: Nanos, clean: bool },
    /// Asked for by this request; depth and top must come by then.
    Asked { request: u64, by: Nanos },
    /// Depth and top have come.
    Live,
    /// Live, but the depth topic was asked for anew; its snapshot must come by then.
    Resyncing { by: Nanos },
}

/// The topics of one instrument.
struct Stream {
    instrument: Instrument,
    phase: Phase,
    depth_seen: bool,
    top_seen: bool,
    /// Ask for it in a request of its own: it was part of a refused one.
    alone: bool,
    halted: bool,
    retry_ns: u64,
    /// When it was last asked for.
    asked: Nanos,
    /// When it was last heard of, where that is watched.
    heard: Nanos,
}

/// All of them.
pub(super) struct Subscriptions {
    /// In order of their symbols.
    streams: Vec<Stream>,
    channel: Channel,
    dialect: Dialect,
    habits: Habits,
    first_message_ns: u64,
    open: bool,
    ready: bool,
    last_request: u64,
}

impl Subscriptions {
    /// Of all instruments of the venue.
    pub(super) fn new(setup: &VenueSetup, dialect: Dialect) -> Self {
        Self::of(setup, dialect, Channel::Public, |_| true)
    }

    /// Of those that this channel brings.
    pub(super) fn of(
        setup: &VenueSetup,
        dialect: Dialect,
        channel: Channel,
        brings: impl Fn(&Instrument) -> bool,
    ) -> Self {
        let ours = setup.instruments.of_venue(setup.venue).filter(|row| brings(row));
        let streams = ours.map(|instrument| Stream {
            instrument: instrument.clone(),
            phase: Phase::Off,
            depth_seen: false,
            top_seen: false,
            alone: false,
            halted: false,
            retry_ns: RETRY_MIN_NS,
            asked: Nanos(0),
            heard: Nanos(0),
        });
        let mut streams: Vec<Stream> = streams.collect();
        streams.sort_by(|a, b| a.instrument.symbol.cmp(&b.instrument.symbol));
        Self {
            streams,
            channel,
            dialect,
            habits: Habits::default(),
            first_message_ns: u64::from(setup.first_message_timeout_ms) * 1_000_000,
            open: false,
            ready: false,
            last_request: 0,
        }
    }

    /// Where they come from.
    #[inline]
    pub(super) fn channel(&self) -> Channel {
        self.channel
    }

    /// The same for a venue of other habits.
    pub(super) fn with(self, habits: Habits) -> Self {
        Self { habits, ..self }
    }

    /// The socket is open: everything wanted is due. Without anything wanted it is ready.
    pub(super) fn on_open(&mut self, now: Nanos) -> Readiness {
        self.open = true;
        self.all_due(now);
        self.ready = self.streams.iter().all(|stream| stream.phase == Phase::Off);
        if self.ready { Readiness::Ready } else { Readiness::Joining }
    }

    /// The socket is gone.
    pub(super) fn on_close(&mut self, now: Nanos) {
        (self.open, self.ready) = (false, false);
        self.all_due(now);
    }

    fn all_due(&mut self, now: Nanos) {
        for stream in self.streams.iter_mut().filter(|stream| stream.phase != Phase::Off) {
            stream.phase = Phase::Due { at: now, clean: false };
        }
    }

    /// Wants an instrument; asked for by the next [`Subscriptions::run`].
    pub(super) fn subscribe(&mut self, at: usize, now: Nanos) {
        if self.streams[at].phase == Phase::Off {
            self.streams[at].phase = Phase::Due { at: now, clean: false };
        }
    }

    /// Wants an instrument no longer.
    pub(super) fn unsubscribe(&mut self, at: usize, out: &mut Outbox) -> Result<(), OutboxFull> {
        if self.streams[at].phase == Phase::Off {
            return Ok(());
        }
        let request = self.next_request();
        if self.open {
            self.write("unsubscribe", request, false, &[at], out)?;
        }
        self.streams[at].phase = Phase::Off;
        Ok(())
    }

    /// Index of an instrument.
    pub(super) fn position(&self, id: InstrumentId) -> Option<usize> {
        self.streams.iter().position(|stream| stream.instrument.id == id)
    }

    /// Index of a symbol.
    pub(super) fn find(&self, symbol: &str) -> Result<usize, DecodeError> {
        self.streams
            .binary_search_by(|stream| stream.instrument.symbol.as_str().cmp(symbol))
            .map_err(|_| DecodeError::UnknownSymbol)
    }

    fn next_request(&mut self) -> u64 {
        self.last_request += 1;
        self.last_request
    }

    /// When [`Subscriptions::run`] has something to do.
    pub(super) fn deadline(&self) -> Option<Nanos> {
        let deadlines = self.streams.iter().filter_map(|stream| match stream.phase {
            Phase::Off => None,
            Phase::Due { at, .. } => Some(at),
            _ => self.silent_at(stream),
        });
        if self.open { deadlines.min() } else { None }
    }

    /// When a stream that brings nothing will have been silent for too long.
    fn silent_at(&self, stream: &Stream) -> Option<Nanos> {
        match stream.phase {
            Phase::Asked { by, .. } | Phase::Resyncing { by } => Some(by),
            Phase::Live if self.habits.quiet_ns > 0 => {
                Some(stream.heard.plus(self.habits.quiet_ns))
            }
            _ => None,
        }
    }

    /// Everything that is due. A full outbox leaves it due: the agent drains it and calls again.
    pub(super) fn run(&mut self, now: Nanos, out: &mut Outbox, events: &mut Events) {
        if self.open {
            self.fail_silent(now, events);
            let _ = self.ask_due(now, out);
        }
    }

    /// Streams that stayed silent are reported and asked for anew.
    fn fail_silent(&mut self, now: Nanos, events: &mut Events) {
        for at in 0..self.streams.len() {
            if self.silent_at(&self.streams[at]).is_some_and(|by| by <= now) {
                fail(&mut self.streams[at], now, true, events);
            }
        }
    }

    /// Subscribes to what is due, as many instruments per request as the venue takes.
    fn ask_due(&mut self, now: Nanos, out: &mut Outbox) -> Result<(), OutboxFull> {
        let due = |stream: &Stream| match stream.phase {
            Phase::Due { at, clean } if at <= now => Some(clean),
            _ => None,
        };
        while let Some(first) = self.streams.iter().position(|stream| due(stream).is_some()) {
            let (clean, alone) = (due(&self.streams[first]), self.streams[first].alone);
            let request = self.next_request();
            // Subscribing is rare: this small vector is not on any hot path.
            let chosen: Vec<usize> = (first..self.streams.len())
                .filter(|&at| due(&self.streams[at]) == clean && self.streams[at].alone == alone)
                .take(if alone { 1 } else { self.dialect.group_max.max(1) })
                .collect();
            if clean == Some(true) {
                self.write("unsubscribe", request, false, &chosen, out)?;
            }
            self.write("subscribe", request, false, &chosen, out)?;
            let by = now.plus(self.first_message_ns);
            for at in chosen {
                let stream = &mut self.streams[at];
                stream.phase = Phase::Asked { request, by };
                (stream.asked, stream.heard) = (now, now);
                (stream.depth_seen, stream.top_seen) = (false, false);
            }
        }
        Ok(())
    }

    fn write(
        &self,
        op: &str,
        request: u64,
        depth_only: bool,
        chosen: &[usize],
        out: &mut Outbox,
    ) -> Result<(), OutboxFull> {
        let Dialect { depth, write, .. } = self.dialect;
        let first = chosen.first().map(|&at| &self.streams[at].instrument);
        let parts = match first {
            Some(first) if !depth_only => (self.habits.parts)(first),
            _ => 1,
        };
        for part in 0..parts {
            let ask = Ask { op, request, depth, depth_only, part };
            let mut instruments = chosen.iter().map(|&at| &self.streams[at].instrument);
            out.frame(self.channel, |frame| write(frame, &ask, &mut instruments))?;
        }
        Ok(())
    }

    /// Stops and starts the depth topic alone: the venue answers with a snapshot.
    pub(super) fn resync(
        &mut self,
        at: usize,
        now: Nanos,
        out: &mut Outbox,
    ) -> Result<(), OutboxFull> {
        let joining = matches!(self.streams[at].phase, Phase::Asked { .. } | Phase::Live);
        // Without a snapshot since it was last asked for, one is on its way already.
        if !self.open || !joining || !self.streams[at].depth_seen {
            return Ok(());
        }
        let request = self.next_request();
        self.write("unsubscribe", request, true, &[at], out)?;
        let asked = self.write("subscribe", request, true, &[at], out);
        let stream = &mut self.streams[at];
        stream.depth_seen = false;
        // Half a resync is finished by a whole new subscription.
        stream.phase = match asked {
            Ok(()) => Phase::Resyncing { by: now.plus(self.first_message_ns) },
            Err(OutboxFull) => Phase::Due { at: now, clean: true },
        };
        Ok(())
    }

    /// A frame about subscriptions.
    pub(super) fn on_control(
        &mut self,
        control: Control<'_>,
        now: Nanos,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        match control {
            Control::Subscribed(_) => self.set_ready(events)?,
            Control::Pong | Control::Unsubscribed => {}
            Control::Closing => notice(events, VenueNotice::ShutdownAnnounced(self.channel)),
            Control::Refused(request, text) => self.on_refused(request, text, now, events),
        }
        Ok(())
    }

    /// Finds whom a refusal means: by the topic that its text names, else by the request's number.
    fn on_refused(&mut self, request: Option<u64>, text: &str, now: Nanos, events: &mut Events) {
        let asked = |stream: &Stream| match stream.phase {
            Phase::Asked { request, .. } => Some(request),
            _ => None,
        };
        let named = self.streams.iter().position(|stream| {
            asked(stream).is_some() && names_symbol(text, &stream.instrument.symbol)
        });
        let request = request.or_else(|| named.and_then(|at| asked(&self.streams[at])));
        let hit = |stream: &Stream| {
            asked(stream).is_some_and(|asked| request.is_none_or(|request| request == asked))
        };
        let guilty = named.or_else(|| {
            let mut suspects = (0..self.streams.len()).filter(|&at| hit(&self.streams[at]));
            let only = suspects.next()?;
            suspects.next().is_none().then_some(only)
        });
        for at in 0..self.streams.len() {
            if !hit(&self.streams[at]) {
                continue;
            }
            let stream = &mut self.streams[at];
            if guilty == Some(at) || (guilty.is_none() && stream.alone) {
                fail(stream, now, false, events);
            } else if !stream.depth_seen && !stream.top_seen {
                stream.alone = true;
                stream.phase = Phase::Due { at: now, clean: false };
            }
        }
    }

    fn set_ready(&mut self, events: &mut Events) -> Result<(), DecodeError> {
        if self.ready {
            return Ok(());
        }
        self.ready = true;
        Ok(events.push(Event::Notice(VenueNotice::Readiness(self.channel, Readiness::Ready)))?)
    }

    /// The instrument with this index, if its data is wanted.
    #[inline]
    pub(super) fn wanted(&self, at: usize) -> Option<&Instrument> {
        let stream = self.streams.get(at)?;
        (stream.phase != Phase::Off).then_some(&stream.instrument)
    }

    /// Something of it came: depth is what must not be silent.
    #[inline]
    pub(super) fn on_heard(&mut self, at: usize, scanned: &Scanned, now: Nanos) {
        let depth = matches!(scanned, Scanned::Depth(_) | Scanned::Suspect(_) | Scanned::Repeated);
        if let Some(stream) = self.streams.get_mut(at).filter(|_| depth) {
            stream.heard = now;
        }
    }

    /// When the instrument was last asked for.
    #[inline]
    pub(super) fn asked(&self, at: usize) -> Nanos {
        self.streams.get(at).map_or(Nanos(0), |stream| stream.asked)
    }

    /// Symbols in order of their index.
    pub(super) fn symbols(&self) -> impl Iterator<Item = &str> + Clone {
        self.streams.iter().map(|stream| stream.instrument.symbol.as_str())
    }

    /// Levels of the depth topic, as it is written.
    pub(super) fn depth(&self) -> &'static str {
        self.dialect.depth
    }

    /// Data was decoded. True if a deadline may have moved.
    #[inline]
    pub(super) fn on_data(
        &mut self,
        at: usize,
        scanned: Scanned,
        events: &mut Events,
    ) -> Result<bool, DecodeError> {
        let stream = &mut self.streams[at];
        let first = match scanned {
            Scanned::Trades | Scanned::Repeated | Scanned::Perpetual => false,
            Scanned::Suspect(_) if stream.phase == Phase::Live => {
                fail(stream, stream.heard, true, events);
                return Ok(true);
            }
            Scanned::Top => !std::mem::replace(&mut stream.top_seen, true),
            Scanned::Depth(update) | Scanned::Suspect(update) => {
                let snapshot = update.kind == DepthKind::Snapshot;
                // Before an auction and after a delisting the venue sends an empty book.
                let halted = update.bids + update.asks == 0;
                if snapshot && stream.halted != halted {
                    stream.halted = halted;
                    events.push(Event::Notice(status(stream.instrument.id, halted)))?;
                }
                snapshot && !std::mem::replace(&mut stream.depth_seen, true)
            }
        };
        if first {
            self.on_first_message(at);
            self.set_ready(events)?;
        }
        Ok(first)
    }

    /// A topic that was waited for has come.
    fn on_first_message(&mut self, at: usize) {
        let stream = &mut self.streams[at];
        if stream.depth_seen && (stream.top_seen || !self.habits.sends_top) {
            stream.phase = Phase::Live;
            stream.retry_ns = RETRY_MIN_NS;
            stream.alone = false;
        }
    }
}

/// Reports the stream and sets the time of the next attempt, later each time.
fn fail(stream: &mut Stream, now: Nanos, clean: bool, events: &mut Events) {
    notice(events, VenueNotice::SubscriptionFailed(stream.instrument.id));
    stream.phase = Phase::Due { at: now.plus(stream.retry_ns), clean };
    stream.retry_ns = (stream.retry_ns * 2).min(RETRY_MAX_NS);
    stream.alone = true;
}

fn status(id: InstrumentId, halted: bool) -> VenueNotice {
    let status = if halted { InstrumentStatus::Halted } else { InstrumentStatus::Trading };
    VenueNotice::InstrumentStatus(id, status)
}

/// The agent drains the events after every input, so a few notices always fit.
pub(super) fn notice(events: &mut Events, notice: VenueNotice) {
    let pushed = events.push(Event::Notice(notice));
    debug_assert!(pushed.is_ok(), "the agent drains events after every input");
}

/// Whether the text holds the symbol as a word of its own: `BTCUSDT` is not named by `WBTCUSDT`.
fn names_symbol(text: &str, symbol: &str) -> bool {
    let outside = |c: Option<char>| c.is_none_or(|c| !c.is_ascii_alphanumeric() && c != '-');
    !symbol.is_empty()
        && text.match_indices(symbol).any(|(at, _)| {
            let (before, behind) = (&text[..at], &text[at + symbol.len()..]);
            outside(before.chars().next_back()) && outside(behind.chars().next())
        })
}
