//! A connector with its sockets: moves bytes from the network to the connector and back.
//!
//! Shared by feeds and executors. What the connector's events mean is the agent's affair.

use super::frames::Frames;
use super::log::Log;
use super::recorder::Tap;
use crate::clock::Clock;
use crate::net::{
    HttpRequest, LinkId, LinkOptions, Net, NetEvent, NetOptions, SendError, Transport,
};
use crate::types::{
    Channel, Command, Event, Events, InstrumentId, Nanos, OrderLines, Readiness, VenueNotice,
};
use crate::venues::{
    Connector, DecodeError, EncodeError, Outbox, Output, Request, RequestId, Response, Scans,
};

/// What a session counts; all since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionCounters {
    /// Frames and replies read.
    pub frames: u64,
    /// Frames that could not be understood.
    pub decode_errors: u64,
    /// Outputs that could not be sent.
    pub send_errors: u64,
    /// Connections lost after they were open.
    pub disconnects: u64,
}

/// What one step of a session was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// When the last byte of the message was read; the time of the poll for anything else.
    pub recv_ns: Nanos,
    /// A channel that was lost.
    pub closed: Option<Channel>,
}

/// A connector, its sockets and its buffers.
pub struct Session {
    net: Net,
    connector: Box<dyn Connector>,
    links: Vec<(LinkId, Channel)>,
    out: Outbox,
    events: Events,
    counters: SessionCounters,
    clock: Clock,
    log: Log,
    /// Requests that could not even be queued; told to the connector after the outbox is drained.
    lost: Vec<RequestId>,
    /// The last messages, if they are kept.
    frames: Option<Frames>,
    /// Who gets a copy of every message, if anybody does.
    tap: Option<Tap>,
    /// When what was last sent had been encoded.
    encoded_ns: Nanos,
    /// Channels that are not ready: what comes there answers a login, and may name the key.
    joining: [bool; Channel::COUNT],
    /// It was said that the kernel refuses busy polling.
    busy_poll_told: bool,
}

/// Most events of one message; a message with more is refused as too large.
const EVENTS_PER_MESSAGE: usize = 2048;

/// Frames are made where connectors write their payloads.
const _: () = assert!(crate::venues::HEADROOM == crate::net::websocket::HEADROOM);

impl Session {
    /// Opens the connector's channels. `levels` bounds the price levels of one message.
    pub fn open(
        connector: Box<dyn Connector>,
        transport: impl Into<Transport>,
        levels: usize,
        clock: &Clock,
        log: Log,
    ) -> Result<Self, String> {
        Self::open_with(connector, transport, NetOptions::default(), levels, clock, log)
    }

    /// The same with sockets of one's choice.
    pub fn open_with(
        connector: Box<dyn Connector>,
        transport: impl Into<Transport>,
        options: NetOptions,
        levels: usize,
        clock: &Clock,
        log: Log,
    ) -> Result<Self, String> {
        let seed = clock.now().0;
        let net = Net::new(transport, options, clock.clone(), seed)
            .map_err(|error| format!("the poller could not be made: {error}"))?;
        let mut session = Self {
            net,
            connector,
            links: Vec::with_capacity(Channel::COUNT),
            out: Outbox::with_capacity(64, 64 * 1024),
            events: Events::with_capacity(EVENTS_PER_MESSAGE, levels),
            counters: SessionCounters::default(),
            clock: clock.clone(),
            log,
            lost: Vec::with_capacity(64),
            frames: None,
            tap: None,
            encoded_ns: Nanos(0),
            joining: [true; Channel::COUNT],
            busy_poll_told: false,
        };
        for spec in session.connector.channels().to_vec() {
            let link = match spec.url.is_empty() {
                true => session.net.reserve(LinkOptions::default()),
                false => session
                    .net
                    .open(&spec.url, LinkOptions::default())
                    .map_err(|error| format!("{}: {error}", spec.url))?,
            };
            session.links.push((link, spec.channel));
        }
        Ok(session)
    }

    /// Keeps the last messages from now on, but none of a stream before it is ready: one that is refused is shown in the log, and so is one
    /// that [`Session::show`] is asked for.
    pub fn keep_frames(&mut self) {
        self.frames = Some(Frames::default());
    }

    /// Copies every message from now on.
    pub fn set_tap(&mut self, tap: Tap) {
        self.tap = Some(tap);
    }

    /// Shows the message that was read at this time, if it is one of the last.
    pub fn show(&mut self, recv_ns: Nanos, why: &str) {
        if let Some(frames) = &mut self.frames {
            frames.show(recv_ns, why, &mut self.log);
        }
    }

    /// Drives the sockets and the connector's deadlines. Returns how much was done.
    pub fn poll(&mut self, now: Nanos) -> usize {
        self.net.poll(now)
    }

    /// Whether a deadline of the connector has passed; its events are then in
    /// [`Session::events`].
    pub fn deadline(&mut self, now: Nanos) -> bool {
        if self.connector.deadline().is_none_or(|deadline| deadline > now) {
            return false;
        }
        self.events.clear();
        self.connector.on_deadline(now, &mut self.out, &mut self.events);
        if let Some(tap) = &mut self.tap {
            tap.take(now, &self.events);
        }
        self.flush(now);
        true
    }

    /// Takes one message or change off the network and gives it to the connector; its events are
    /// then in [`Session::events`]. `None` if nothing waits.
    pub fn step(&mut self, now: Nanos) -> Option<Step> {
        self.events.clear();
        let event = self.net.next_event()?;
        let mut step = Step { recv_ns: now, closed: None };
        let opened = matches!(event, NetEvent::Open { .. });
        let (out, events, connector) = (&mut self.out, &mut self.events, &mut self.connector);
        let result = match event {
            NetEvent::Open { link } => {
                self.joining[channel_of(&self.links, link).index()] = true;
                connector.on_open(channel_of(&self.links, link), now, out, events);
                Ok(())
            }
            NetEvent::Frame { link, payload, recv_ns } => {
                step.recv_ns = recv_ns;
                self.counters.frames += 1;
                let channel = channel_of(&self.links, link);
                if !self.joining[channel.index()] {
                    keep(&mut self.frames, recv_ns, payload);
                }
                copy(&mut self.tap, payload, false);
                let result = connector.on_frame(channel, payload, recv_ns, out, events);
                if self.joining[channel.index()] {
                    note_ready(events, &mut self.joining);
                }
                result
            }
            NetEvent::Response { id, status, head, body, recv_ns, .. } => {
                step.recv_ns = recv_ns;
                self.counters.frames += 1;
                if connector.may_show(RequestId(id)) {
                    keep(&mut self.frames, recv_ns, body);
                }
                copy(&mut self.tap, body, true);
                let response = Response { status, head, body };
                connector.on_response(RequestId(id), response, recv_ns, out, events)
            }
            NetEvent::RequestLost { id, sent: true, .. } => {
                connector.on_request_lost(RequestId(id), now, out, events);
                Ok(())
            }
            NetEvent::RequestLost { id, .. } => {
                connector.on_request_unsent(RequestId(id), now, out, events);
                Ok(())
            }
            NetEvent::Closed { link, reason, was_open } => {
                let channel = channel_of(&self.links, link);
                self.log.warn(now, format_args!("{channel:?} connection: {reason}"));
                if was_open {
                    self.counters.disconnects += 1;
                    step.closed = Some(channel);
                    connector.on_close(channel, now, events);
                    if let Some(tap) = &mut self.tap {
                        tap.on_close(channel, now);
                    }
                }
                Ok(())
            }
        };
        if let Some(tap) = &mut self.tap {
            tap.take(step.recv_ns, events);
        }
        if opened {
            self.tell_busy_poll(now);
        }
        if let Err(error) = result {
            self.refused(error, now);
            self.show(step.recv_ns, "refused");
        }
        self.flush(now);
        Some(step)
    }

    fn tell_busy_poll(&mut self, now: Nanos) {
        if self.net.busy_poll_refused() > 0 && !self.busy_poll_told {
            self.busy_poll_told = true;
            let text = format_args!(
                "[host] busy_poll_us: the kernel refused: more than net.core.busy_read is for \
                 processes with CAP_NET_ADMIN; the socket works without"
            );
            self.log.warn(now, text);
        }
    }

    fn refused(&mut self, error: DecodeError, now: Nanos) {
        self.counters.decode_errors += 1;
        self.log.warn(now, format_args!("message refused: {error}"));
    }

    /// Encodes and sends a command; events that it caused at once are in [`Session::events`].
    /// Gives the time at which its bytes were handed to the kernel, if they were at once.
    pub fn submit(&mut self, command: &Command, now: Nanos) -> Result<Option<Nanos>, EncodeError> {
        self.events.clear();
        // What waits already is not the command's and may leave whenever it can.
        self.flush(now);
        let result = self.connector.submit(command, now, &mut self.out, &mut self.events);
        let handed_ns = self.flush_by(command.leave_by_ns, now);
        result.map(|()| handed_ns)
    }

    fn flush(&mut self, now: Nanos) -> Option<Nanos> {
        self.flush_by(Command::WHENEVER, now)
    }

    /// Sends what the connector wants sent; a request that finds another in flight is told as never
    /// sent if its turn does not come before `leave_by`.
    fn flush_by(&mut self, leave_by: Nanos, now: Nanos) -> Option<Nanos> {
        if self.out.is_empty() {
            return None;
        }
        let before = self.clock.now();
        self.encoded_ns = before;
        let mut handed = None;
        let mut at = 0;
        while let Some(output) = self.out.get(at) {
            at += 1;
            let (channel, request) = match output {
                Output::Frame(channel, _)
                | Output::Reconnect(channel)
                | Output::Connect(channel, _) => (channel, None),
                Output::Request(request) => (Channel::Rest, Some(request.id)),
            };
            let Some(link) = link_of(&self.links, channel) else {
                self.counters.send_errors += 1;
                continue;
            };
            let sent = match output {
                Output::Frame(..) => match self.out.frame_room(at - 1) {
                    Some((_, room)) => self.net.send_in_place(link, room),
                    None => Ok(()),
                },
                Output::Request(request) => self.net.request_by(link, &http(&request), leave_by),
                Output::Reconnect(_) => {
                    self.net.reconnect(link);
                    Ok(())
                }
                // The address may hold a key: what is wrong with it is not shown.
                Output::Connect(_, url) => {
                    self.net.open_at(link, url).map_err(|_| SendError::WrongKind)
                }
            };
            let handed_ns = self.net.handed_ns(link);
            if sent.is_ok() && handed_ns >= before {
                handed = Some(handed_ns);
            }
            if let Err(error) = sent {
                self.counters.send_errors += 1;
                self.log.warn(now, format_args!("not sent on {channel:?}: {error}"));
                self.lost.extend(request);
            }
        }
        self.out.clear();
        while let Some(id) = self.lost.pop() {
            self.connector.on_request_unsent(id, now, &mut self.out, &mut self.events);
        }
        handed
    }

    /// When the command that was last handed over had been encoded and signed.
    #[must_use]
    pub fn encoded_ns(&self) -> Nanos {
        self.encoded_ns
    }

    /// Events of the last step, deadline or command.
    #[must_use]
    pub fn events(&self) -> &Events {
        &self.events
    }

    /// The list of [`Session::events`], by index, for agents that change while they read.
    #[must_use]
    pub fn event(&self, index: usize) -> Option<Event> {
        self.events.list().get(index).copied()
    }

    /// Bytes read from all sockets.
    #[must_use]
    pub fn bytes_received(&self) -> u64 {
        self.links.iter().map(|(link, _)| self.net.counters(*link).bytes_received).sum()
    }

    /// The connector's connections for order entry.
    #[must_use]
    pub fn order_lines(&self) -> OrderLines {
        self.connector.order_lines()
    }

    /// The channels of the connector.
    #[must_use]
    pub fn channels(&self) -> [Option<Channel>; Channel::COUNT] {
        let mut channels = [None; Channel::COUNT];
        for (to, (_, channel)) in channels.iter_mut().zip(&self.links) {
            *to = Some(*channel);
        }
        channels
    }

    /// What was counted.
    #[must_use]
    pub fn counters(&self) -> SessionCounters {
        self.counters
    }

    /// The channel that brings the book of an instrument.
    #[must_use]
    pub fn brings(&self, instrument: InstrumentId) -> Channel {
        self.connector.book_channel(instrument)
    }

    /// How the connector's frames were read.
    #[must_use]
    pub fn scans(&self) -> Scans {
        self.connector.scans()
    }

    /// The log of the agent.
    pub fn log(&mut self) -> &mut Log {
        &mut self.log
    }

    /// The time now, for stamps within a poll.
    #[must_use]
    pub fn now(&self) -> Nanos {
        self.clock.now()
    }
}

/// Channels whose logins were just accepted.
fn note_ready(events: &Events, joining: &mut [bool; Channel::COUNT]) {
    for event in events.list() {
        if let Event::Notice(VenueNotice::Readiness(channel, Readiness::Ready)) = event {
            joining[channel.index()] = false;
        }
    }
}

#[inline]
fn keep(frames: &mut Option<Frames>, recv_ns: Nanos, message: &[u8]) {
    if let Some(frames) = frames {
        frames.keep(recv_ns, message);
    }
}

#[inline]
fn copy(tap: &mut Option<Tap>, message: &[u8], reply: bool) {
    if let Some(tap) = tap {
        tap.copy(message, reply);
    }
}

fn http<'a>(request: &Request<'a>) -> HttpRequest<'a> {
    HttpRequest {
        id: request.id.0,
        method: request.method.as_str(),
        path: request.path,
        headers: request.headers,
        body: request.body,
    }
}

fn channel_of(links: &[(LinkId, Channel)], link: LinkId) -> Channel {
    let row = links.iter().find(|(known, _)| *known == link);
    row.map_or(Channel::Rest, |(_, channel)| *channel)
}

fn link_of(links: &[(LinkId, Channel)], channel: Channel) -> Option<LinkId> {
    links.iter().find(|(_, known)| *known == channel).map(|(link, _)| *link)
}
