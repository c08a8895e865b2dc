//! The market-data connector: one combined-stream socket, for futures a second one for what is no
//! book, and REST for snapshots, the clock and the intervals of funding.
//!
//! Its requests share the allowance of the address with those of the executor: they keep to the
//! feed's part of it, and wait for the next minute where that is used up.
//!
//! Keeps no book: what is wanted stands in `subscriptions.rs`, what frames mean in
//! `market_data.rs`; this file is where channels, replies and deadlines meet them.

#![forbid(unsafe_code)]

use super::envelope::Reply;
use super::limits::{self, Stop, Windows};
use super::market_data::{self, Parts};
use super::marks::{self, Intervals};
use super::rest;
use super::scan::Scanner;
use super::server_clock::ServerClock;
use super::streams::{Product, Stream};
use super::subscriptions::{SNAPSHOT_SPACING_NS, Subscriptions, notice};
use crate::throttle::Throttle;
use crate::types::{
    Channel, Command, CommandKind, Event, Events, LimitSpec, Nanos, Priority, Readiness,
    VenueNotice,
};
use crate::venues::scan::Width;
use crate::venues::{
    ChannelSpec, Connector, DecodeError, EncodeError, Outbox, Parser, RequestId, Response, Scans,
    SetupError, Value, VenueSetup,
};

/// Time until a snapshot is asked for again that the venue refused for good reason.
const SNAPSHOT_REFUSED_NS: u64 = 5_000_000_000;

/// The market-data connector.
pub(super) struct MarketConnector {
    parser: Parser,
    scanner: Scanner,
    scans: Scans,
    core: Core,
}

/// One connection for streams.
struct Socket {
    channel: Channel,
    open: bool,
    ready: bool,
}

struct Core {
    product: Product,
    channels: Vec<ChannelSpec>,
    subscriptions: Subscriptions,
    sockets: Vec<Socket>,
    rest_open: bool,
    /// Number of the next control message or request.
    next_id: u64,
    clock: ServerClock,
    /// Number and sending time of the clock probe in flight.
    probe: Option<(u64, Nanos)>,
    intervals: Intervals,
    /// No requests before this time.
    suspended: Nanos,
    /// The feed's part of the venue's limits.
    budget: Throttle,
    wake: Option<Nanos>,
}

/// Builds it for what the instruments are: spot, or perpetuals.
pub(super) fn connect(setup: VenueSetup) -> Result<Box<dyn Connector>, SetupError> {
    Ok(Box::new(MarketConnector::new(&setup, Product::of(&setup)?)))
}

impl MarketConnector {
    /// Endpoints and instruments of `setup` are those of `product`.
    pub(super) fn new(setup: &VenueSetup, product: Product) -> Self {
        // Without its group in the path a connection stays silent for most streams of futures. Where
        // the path is configured, one connection is for all.
        let url = &setup.endpoints.public;
        let split = product == Product::UsdM && super::with_path(url, "/x") != *url;
        let paths = match (product, split) {
            (Product::Spot, _) => &[(Channel::Public, "/stream")][..],
            (Product::UsdM, true) => {
                &[(Channel::Public, "/public/stream"), (Channel::PublicMore, "/market/stream")]
            }
            (Product::UsdM, false) => &[(Channel::Public, "")],
        };
        let spec = |(channel, path): &(Channel, &str)| ChannelSpec {
            channel: *channel,
            url: super::with_path(&setup.endpoints.public, path),
        };
        let mut channels: Vec<ChannelSpec> = paths.iter().map(spec).collect();
        let url = setup.endpoints.rest.clone();
        channels.push(ChannelSpec { channel: Channel::Rest, url });
        let socket = |(channel, _): &(Channel, &str)| Socket {
            channel: *channel,
            open: false,
            ready: false,
        };
        let core = Core {
            product,
            channels,
            subscriptions: Subscriptions::new(setup, product, split),
            sockets: paths.iter().map(socket).collect(),
            rest_open: false,
            next_id: 1,
            clock: ServerClock::new(),
            probe: None,
            intervals: Intervals::default(),
            suspended: Nanos(0),
            budget: budget(product, setup.feed_connections),
            wake: None,
        };
        let scanner = Scanner::new(core.subscriptions.symbols(), product, Width::best());
        Self { parser: Parser::new(), scanner, scans: Scans::default(), core }
    }
}

/// The feed's part of the limits, or this connection's part of that.
fn budget(product: Product, connections: u8) -> Throttle {
    let part =
        |spec: &LimitSpec| LimitSpec { feeds: spec.feeds / u32::from(connections.max(1)), ..*spec };
    let specs: Vec<LimitSpec> = limits::of(product).iter().map(part).collect();
    Throttle::of_feed(&specs)
}

impl Connector for MarketConnector {
    fn channels(&self) -> &[ChannelSpec] {
        &self.core.channels
    }

    fn on_open(&mut self, channel: Channel, now: Nanos, out: &mut Outbox, events: &mut Events) {
        self.core.on_open(channel, now, events);
        self.core.advance(now, out, events);
    }

    fn on_close(&mut self, channel: Channel, now: Nanos, events: &mut Events) {
        self.core.on_close(channel, now, events);
        self.core.plan();
    }

    fn on_frame(
        &mut self,
        channel: Channel,
        frame: &mut [u8],
        now: Nanos,
        out: &mut Outbox,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        let Self { parser, scanner, scans, core } = self;
        if core.socket(channel).is_none() {
            return Err(DecodeError::UnknownKind);
        }
        let subscriptions = &core.subscriptions;
        let wanted = |symbol| subscriptions.is_wanted(symbol);
        let scanned = scanner.scan(frame, subscriptions.symbols(), wanted, events);
        if let Some((symbol, stream)) = scans.count(scanned) {
            core.on_message(symbol, stream, now, out, events);
            return Ok(());
        }
        parser.read(frame, |root| core.on_frame(channel, root, now, out, events))
    }

    fn on_response(
        &mut self,
        id: RequestId,
        response: Response<'_>,
        now: Nanos,
        out: &mut Outbox,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        let result = self.core.on_response(&mut self.parser, id.0, response, now, events);
        self.core.advance(now, out, events);
        result
    }

    fn on_request_lost(
        &mut self,
        id: RequestId,
        now: Nanos,
        out: &mut Outbox,
        events: &mut Events,
    ) {
        self.core.on_lost(id.0, now);
        self.core.advance(now, out, events);
    }

    fn submit(
        &mut self,
        command: &Command,
        now: Nanos,
        out: &mut Outbox,
        events: &mut Events,
    ) -> Result<(), EncodeError> {
        let subscriptions = &mut self.core.subscriptions;
        match command.kind {
            CommandKind::Subscribe(instrument) => subscriptions.subscribe(instrument)?,
            CommandKind::Unsubscribe(instrument) => subscriptions.unsubscribe(instrument)?,
            CommandKind::Resync(instrument) => subscriptions.resync(instrument, now)?,
            _ => return Err(EncodeError::Unsupported),
        }
        self.core.advance(now, out, events);
        Ok(())
    }

    fn scans(&self) -> Scans {
        self.scans
    }

    fn deadline(&self) -> Option<Nanos> {
        self.core.wake
    }

    fn on_deadline(&mut self, now: Nanos, out: &mut Outbox, events: &mut Events) {
        let Core { sockets, subscriptions, .. } = &mut self.core;
        for socket in sockets.iter().filter(|socket| socket.open) {
            subscriptions.find_silent(socket.channel, now, events);
        }
        self.core.advance(now, out, events);
    }
}

impl Core {
    fn windows(&self) -> Windows<'_> {
        Windows { product: self.product, clock: &self.clock }
    }

    fn socket(&mut self, channel: Channel) -> Option<&mut Socket> {
        self.sockets.iter_mut().find(|socket| socket.channel == channel)
    }

    fn on_open(&mut self, channel: Channel, now: Nanos, events: &mut Events) {
        let readiness = if channel == Channel::Rest {
            self.rest_open = true;
            self.clock.restart(now, false);
            self.intervals.start(self.product, now);
            Readiness::Ready
        } else {
            let Some(socket) = self.socket(channel) else { return };
            (socket.open, socket.ready) = (true, false);
            self.subscriptions.interrupt(channel, now);
            Readiness::Joining
        };
        notice(events, VenueNotice::Readiness(channel, readiness));
    }

    fn on_close(&mut self, channel: Channel, now: Nanos, events: &mut Events) {
        if channel == Channel::Rest {
            self.rest_open = false;
            self.clock.stop();
            self.intervals.stop();
            self.probe = None;
            self.subscriptions.lose_snapshots(now);
        } else {
            let Some(socket) = self.socket(channel) else { return };
            (socket.open, socket.ready) = (false, false);
            self.subscriptions.interrupt(channel, now);
        }
        notice(events, VenueNotice::Readiness(channel, Readiness::Down));
    }

    fn on_frame(
        &mut self,
        channel: Channel,
        root: Value<'_>,
        now: Nanos,
        out: &mut Outbox,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        let product = self.product;
        let subscriptions = &mut self.subscriptions;
        match market_data::parts(root, subscriptions.symbols(), product)? {
            Parts::Data { symbol, stream, data } => {
                if !subscriptions.is_wanted(symbol) {
                    return Ok(());
                }
                let known = &subscriptions.symbols()[symbol];
                market_data::decode(stream, data, known, product, events)?;
                self.on_message(symbol, stream, now, out, events);
                Ok(())
            }
            Parts::Control { id, refusal } => {
                let known = subscriptions.on_control(channel, id, refusal.is_some(), now, events);
                if let Some(code) = refusal {
                    notice(events, VenueNotice::RequestFailed(code));
                }
                self.advance(now, out, events);
                if known { Ok(()) } else { Err(DecodeError::UnknownRequest) }
            }
            Parts::Shutdown => {
                notice(events, VenueNotice::ShutdownAnnounced(channel));
                // Nothing is lost by leaving at once, and the new connection resynchronises.
                let _ = out.reconnect(channel);
                Ok(())
            }
        }
    }

    /// Market data came and was decoded.
    #[inline]
    fn on_message(
        &mut self,
        symbol: usize,
        stream: Stream,
        now: Nanos,
        out: &mut Outbox,
        events: &mut Events,
    ) {
        if self.subscriptions.on_message(symbol, stream, now) {
            self.advance(now, out, events);
        }
    }

    fn on_response(
        &mut self,
        parser: &mut Parser,
        id: u64,
        response: Response<'_>,
        now: Nanos,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        let told = events.list().len();
        limits::from_headers(&response, self.windows(), now, events);
        for event in &events.list()[told..] {
            if let Event::Notice(VenueNotice::RateLimit(used)) = event {
                self.budget.on_use(used, now);
            }
        }
        let status = response.status;
        if status == 200 {
            return self.on_success(parser, id, response.body, now, events);
        }
        let retry = limits::retry_after(&response);
        let read = |body: Value<'_>| {
            let reply = Reply::rest(status, body, retry);
            Ok((reply.code, reply.own_code(), reply.retry))
        };
        // Firewalls and proxies answer in HTML.
        let bare = (0, -i32::from(status), retry);
        let (code, own_code, retry) = parser.read(response.body, read).unwrap_or(bare);
        let stop = limits::stop(status, code);
        let suspended = stop != Stop::Nothing;
        if suspended {
            let until = now.plus(limits::pause_ns(stop, retry, self.windows(), now));
            self.suspended = self.suspended.max(until);
            notice(events, VenueNotice::Suspended(until));
        }
        notice(events, VenueNotice::RequestFailed(own_code));
        self.on_refusal(id, suspended || status >= 500, now, events)
    }

    fn on_success(
        &mut self,
        parser: &mut Parser,
        id: u64,
        body: &mut [u8],
        now: Nanos,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        if let Some((_, sent)) = self.probe.filter(|(probe, _)| *probe == id) {
            self.probe = None;
            let server_ms = parser.read(body, |root| root.field_u64("serverTime"));
            if server_ms.is_err() {
                self.clock.lost(now, self.suspended);
            }
            let measured = self.clock.on_answer(server_ms?, sent, now);
            measured.into_iter().for_each(|measured| notice(events, measured));
            return Ok(());
        }
        let subscriptions = &mut self.subscriptions;
        if self.intervals.take(id, false, now) {
            return parser.read(body, |root| marks::intervals(root, subscriptions.symbols_mut()));
        }
        let (symbol, stale) = subscriptions.snapshot_of(id).ok_or(DecodeError::UnknownRequest)?;
        if stale {
            subscriptions.snapshot_failed(symbol, now);
            return Ok(());
        }
        let (known, product) = (&subscriptions.symbols()[symbol], self.product);
        let result = parser.read(body, |root| market_data::snapshot(root, known, product, events));
        match result {
            Ok(()) => subscriptions.snapshot_done(symbol),
            Err(_) => subscriptions.snapshot_failed(symbol, now.plus(SNAPSHOT_SPACING_NS)),
        }
        result
    }

    /// A request was refused; `passing` if for a reason that has nothing to do with it.
    fn on_refusal(
        &mut self,
        id: u64,
        passing: bool,
        now: Nanos,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        if self.probe.is_some_and(|(probe, _)| probe == id) {
            self.probe = None;
            self.clock.lost(now, self.suspended);
            return Ok(());
        }
        if self.intervals.take(id, true, now) {
            return Ok(());
        }
        let (symbol, _) = self.subscriptions.snapshot_of(id).ok_or(DecodeError::UnknownRequest)?;
        let pause = if passing { SNAPSHOT_SPACING_NS } else { SNAPSHOT_REFUSED_NS };
        self.subscriptions.snapshot_failed(symbol, now.plus(pause).max(self.suspended));
        if !passing {
            let instrument = self.subscriptions.symbols()[symbol].instrument;
            notice(events, VenueNotice::SubscriptionFailed(instrument));
        }
        Ok(())
    }

    fn on_lost(&mut self, id: u64, now: Nanos) {
        if self.probe.is_some_and(|(probe, _)| probe == id) {
            self.probe = None;
            self.clock.lost(now, self.suspended);
        } else if self.intervals.take(id, true, now) {
            // Asked for again when that is due.
        } else if let Some((symbol, _)) = self.subscriptions.snapshot_of(id) {
            self.subscriptions.snapshot_failed(symbol, now.plus(SNAPSHOT_SPACING_NS));
        }
    }

    /// Sends what is due and works out when to be woken next.
    fn advance(&mut self, now: Nanos, out: &mut Outbox, events: &mut Events) {
        let Self { sockets, subscriptions, next_id, .. } = self;
        for socket in sockets.iter_mut().filter(|socket| socket.open) {
            subscriptions.send_control(socket.channel, now, next_id, out);
            if !socket.ready && subscriptions.is_settled(socket.channel) {
                socket.ready = true;
                notice(events, VenueNotice::Readiness(socket.channel, Readiness::Ready));
            }
        }
        if self.rest_open && now >= self.suspended {
            self.subscriptions.fetch_snapshots(now, &mut self.next_id, &mut self.budget, out);
            self.probe_clock(now, out);
            self.ask_intervals(now, out);
        }
        self.plan();
    }

    fn probe_clock(&mut self, now: Nanos, out: &mut Outbox) {
        if !self.clock.is_due(now) {
            return;
        }
        let costs = limits::time_costs(self.product);
        if let Err(later) = self.budget.try_take(&costs, Priority::Query, now) {
            self.clock.lost(now, later);
        } else if rest::request_time(self.next_id, self.product, out).is_ok() {
            self.probe = Some((self.next_id, now));
            self.next_id += 1;
            self.clock.sent();
        }
    }

    /// It has a limit of its own, far above what is asked here.
    fn ask_intervals(&mut self, now: Nanos, out: &mut Outbox) {
        let due = self.intervals.due().is_some_and(|due| now >= due);
        if due && rest::request_intervals(self.next_id, out).is_ok() {
            self.intervals.sent(self.next_id);
            self.next_id += 1;
        }
    }

    /// The earliest of everything that waits for a time on a channel that is open.
    fn plan(&mut self) {
        let open = self.sockets.iter().filter(|socket| socket.open);
        let control = open.filter_map(|socket| self.subscriptions.wake_control(socket.channel));
        let control = control.min();
        let snapshot = self.subscriptions.wake_snapshots();
        let requests = [snapshot, self.clock.due(), self.intervals.due()];
        let requests = requests.into_iter().flatten().min();
        let requests = requests.filter(|_| self.rest_open).map(|at| at.max(self.suspended));
        self.wake = [control, requests].into_iter().flatten().min();
    }
}
