//! The whole path, with everything real but the sockets: frames are decoded into books, books are
//! published in the region, the strategy sees them and emits a signal, the order manager checks it,
//! the commands are encoded and signed, and what the venue says to them comes back as reports.
//! Every step of a round is counted by itself.

use crate::counting::total;
use crate::exchanges::{Answer, Binance, Bybit, Exchange, Quote};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::channel;
use stoop::agents::journal::{JournalRecorder, JournalSetup};
use stoop::agents::{
    Agent, FeedBook, FeedLatency, Lifecycle, OmsAgent, OmsParts, OrderLatency, StrategyAgent,
    StrategyPort, VenuePort, log,
};
use stoop::book::{Book, BookOptions, Outcome};
use stoop::clock::Clock;
use stoop::config::Config;
use stoop::journal::Place;
use stoop::oms::{Kept, OmsOptions, RiskLimits, StrategyLimits};
use stoop::shm::{Market, RegionOptions, Stage, StrategyFile, StrategyOptions};
use stoop::strategy::{Context, ContextParts, SpreadArb, SpreadArbOptions};
use stoop::sync::spsc;
use stoop::throttle::Throttle;
use stoop::types::Priority;
use stoop::types::*;
use stoop::venues::{
    self, Connector, Credentials, Endpoints, Outbox, Output, Response, Secret, VENUES, VenueRow,
    VenueSetup,
};

const WARM_UP: u64 = 400;
const ROUNDS: u64 = 1000;
const SECOND: u64 = 1_000_000_000;
const START: Nanos = Nanos(1_795_161_256 * SECOND);
const DEPTH: usize = 20;

/// Allocations by venue and step.
#[derive(Default)]
struct Tally {
    rows: Vec<Row>,
}

struct Row {
    venue: &'static str,
    step: &'static str,
    times: u64,
    allocations: u64,
}

impl Tally {
    fn measure<T>(
        &mut self,
        venue: &'static str,
        step: &'static str,
        work: impl FnOnce() -> T,
    ) -> T {
        let before = total();
        let result = work();
        let allocations = total() - before;
        let known = self.rows.iter().position(|row| (row.venue, row.step) == (venue, step));
        let at = known.unwrap_or_else(|| {
            self.rows.push(Row { venue, step, times: 0, allocations: 0 });
            self.rows.len() - 1
        });
        self.rows[at].times += 1;
        self.rows[at].allocations += allocations;
        result
    }

    fn forget(&mut self) {
        for row in &mut self.rows {
            (row.times, row.allocations) = (0, 0);
        }
    }

    /// Steps that allocated.
    fn guilty(&self) -> Vec<String> {
        let guilty = self.rows.iter().filter(|row| row.allocations > 0);
        let say = |row: &Row| {
            format!("{}: {}: {} in {}", row.venue, row.step, row.allocations, row.times)
        };
        guilty.map(say).collect()
    }

    fn times(&self, venue: &str, step: &str) -> u64 {
        let row = self.rows.iter().find(|row| (row.venue, row.step) == (venue, step));
        row.map_or(0, |row| row.times)
    }
}

/// A connector with its buffers, as a session has them.
struct Line {
    connector: Box<dyn Connector>,
    out: Outbox,
    events: Events,
    frame: Vec<u8>,
}

impl Line {
    fn new(connector: Box<dyn Connector>, levels: usize) -> Self {
        Self {
            connector,
            out: Outbox::with_capacity(64, 64 * 1024),
            events: Events::with_capacity(2048, levels),
            frame: Vec::with_capacity(64 * 1024),
        }
    }

    fn hold(&mut self, text: &str) {
        self.frame.clear();
        self.frame.extend_from_slice(text.as_bytes());
    }

    /// Gives the held text to the connector, from a reused buffer as the network does.
    fn take(&mut self, answer: &Answer, now: Nanos) {
        let Self { connector, out, events, frame } = self;
        events.clear();
        let result = match answer {
            Answer::Frame(channel, _) => connector.on_frame(*channel, frame, now, out, events),
            Answer::Reply(id, _) => {
                let response = Response { status: 200, head: b"HTTP/1.1 200 OK\r\n", body: frame };
                connector.on_response(*id, response, now, out, events)
            }
        };
        assert_eq!(result, Ok(()));
    }

    fn deadline(&mut self, now: Nanos) -> bool {
        let due = self.connector.deadline().is_some_and(|at| at <= now);
        if due {
            self.events.clear();
            self.connector.on_deadline(now, &mut self.out, &mut self.events);
        }
        due
    }

    fn open(&mut self, now: Nanos) -> Vec<Vec<Event>> {
        let mut told = Vec::new();
        for spec in self.connector.channels().to_vec() {
            self.events.clear();
            self.connector.on_open(spec.channel, now, &mut self.out, &mut self.events);
            told.push(self.events.list().to_vec());
        }
        told
    }

    /// What the venue says to everything in the outbox.
    fn answers(&mut self, exchange: &mut dyn Exchange, quote: &Quote) -> Vec<Answer> {
        let answers =
            self.out.outputs().flat_map(|output| exchange.answers(&output, quote)).collect();
        self.out.clear();
        answers
    }
}

/// What a feed does between its session and the region.
struct FeedSide {
    book: FeedBook,
    latency: FeedLatency,
}

impl FeedSide {
    fn on_events(&mut self, venue: &'static str, line: &Line, now: Nanos, tally: &mut Tally) {
        for event in line.events.list() {
            match event {
                Event::Depth(update) => {
                    let outcome = tally.measure(venue, "depth applied to the book", || {
                        let (bids, asks) = line.events.levels(update);
                        self.book.book.on_depth(update, bids, asks)
                    });
                    assert_ne!(outcome, Outcome::NeedResync);
                    if outcome == Outcome::Applied {
                        tally.measure(venue, "depth published", || self.publish(now));
                    }
                }
                Event::Top(top) => {
                    tally.measure(venue, "top of book published", || self.on_top(top, now));
                }
                Event::Trade(trade) => {
                    let trades = &mut self.book.trades;
                    tally.measure(venue, "trade published", || trades.publish(trade, now));
                }
                _ => {}
            }
        }
    }

    fn on_top(&mut self, top: &TopOfBook, now: Nanos) {
        if top.sequence < self.book.top_sequence {
            return;
        }
        self.book.top_sequence = top.sequence;
        self.book.writer.publish_top(top, self.book.book.state(), now, now);
        self.latency.record(top.instrument, top.event_ns, now, now, now);
    }

    fn publish(&mut self, now: Nanos) {
        let FeedBook { instrument, book, writer, top_sequence, .. } = &mut self.book;
        let (state, sequence, event_ns) = (book.state(), book.sequence(), book.event_ns());
        *top_sequence = sequence;
        let (bids, asks) = book.best_levels();
        let (bid, ask) = (bids[0], asks[0]);
        let top = TopOfBook { instrument: *instrument, sequence, bid, ask, event_ns };
        let stamps = BookStamps::new(event_ns, now, now, now);
        writer.announce_top(&top, state, now, stamps);
        writer.publish_depth(bids, asks, state, sequence, event_ns, now, now);
        self.latency.record(top.instrument, event_ns, now, now, now);
    }
}

/// What an executor does between the order manager and its session.
struct ExecutorSide {
    commands: spsc::Consumer<Command>,
    reports: spsc::Producer<Event>,
    throttle: Throttle,
    row: &'static VenueRow,
    latency: OrderLatency,
}

impl ExecutorSide {
    fn on_command(&mut self, line: &mut Line, command: &Command, now: Nanos) {
        let costs = (self.row.costs)(&command.kind, false);
        self.throttle.try_take(&costs, Priority::New, now).unwrap();
        let Line { connector, out, events, .. } = line;
        events.clear();
        connector.submit(command, now, out, events).unwrap();
        // What the socket would be given.
        assert!(out.outputs().all(|output| !matches!(output, Output::Frame(_, b""))));
        if let CommandKind::New(order) = command.kind {
            self.latency.on_sent(command, &order, now, now, now);
            let (client_id, signal) = (order.client_id, command.signal);
            let instrument = order.instrument;
            let sent = SentOrder { client_id, signal, instrument, handed_ns: now };
            self.reports.push(Event::Sent(sent)).unwrap();
        }
        self.hand_over(events.list(), now);
    }

    fn hand_over(&mut self, events: &[Event], now: Nanos) {
        for event in events {
            if let Event::Notice(VenueNotice::RateLimit(used)) = event {
                self.throttle.on_use(used, now);
            }
            if let Event::Report(report) = event {
                self.latency.on_report(report);
            }
            self.reports.push(*event).unwrap();
        }
    }
}

/// One venue: its two connectors and what the agents around them do.
struct Venue {
    name: &'static str,
    exchange: Box<dyn Exchange>,
    market: Line,
    feed: FeedSide,
    trading: Line,
    executor: ExecutorSide,
    /// What the venue has said and nobody has read.
    to_feed: VecDeque<Answer>,
    to_executor: VecDeque<Answer>,
    before: Quote,
}

impl Venue {
    fn connect(&mut self, now: Nanos) {
        let kind = CommandKind::Subscribe(self.feed.book.instrument);
        let command = Command::new(kind, now);
        let Line { connector, out, events, .. } = &mut self.market;
        connector.submit(&command, now, out, events).unwrap();
        self.market.open(now);
        for events in self.trading.open(now) {
            self.executor.hand_over(&events, now);
        }
    }

    /// Reads everything that the venue said, answers included, as one poll after another would.
    fn read(&mut self, quote: &Quote, tally: &mut Tally) {
        let now = quote.at;
        loop {
            let exchange = &mut *self.exchange;
            self.to_feed.extend(self.market.answers(exchange, quote));
            self.to_executor.extend(self.trading.answers(exchange, quote));
            if let Some(answer) = self.to_feed.pop_front() {
                let (Answer::Frame(_, text) | Answer::Reply(_, text)) = &answer;
                self.market.hold(text);
                tally.measure(self.name, "other public message decoded", || {
                    self.market.take(&answer, now);
                });
                self.feed.on_events(self.name, &self.market, now, tally);
            } else if let Some(answer) = self.to_executor.pop_front() {
                self.read_trading(&answer, now, tally);
            } else {
                return;
            }
        }
    }

    fn read_trading(&mut self, answer: &Answer, now: Nanos, tally: &mut Tally) {
        let (step, text) = match answer {
            Answer::Reply(_, text) => ("reply decoded", text),
            Answer::Frame(_, text) => (step_of(text), text),
        };
        self.trading.hold(text);
        tally.measure(self.name, step, || self.trading.take(answer, now));
        tally.measure(self.name, "reports handed over", || {
            self.executor.hand_over(self.trading.events.list(), now);
        });
    }

    fn market_data(&mut self, quote: &Quote, tally: &mut Tally) {
        for (step, text) in self.exchange.frames(quote, &self.before) {
            self.market.hold(&text);
            let answer = Answer::Frame(Channel::Public, String::new());
            tally.measure(self.name, step, || self.market.take(&answer, quote.at));
            self.feed.on_events(self.name, &self.market, quote.at, tally);
        }
        self.before = *quote;
    }

    fn deadlines(&mut self, now: Nanos, tally: &mut Tally) {
        tally.measure(self.name, "deadline of market data", || self.market.deadline(now));
        let due = tally.measure(self.name, "deadline of trading", || self.trading.deadline(now));
        if due {
            self.executor.hand_over(self.trading.events.list(), now);
        }
    }

    fn commands(&mut self, now: Nanos, tally: &mut Tally) {
        loop {
            let commands = &mut self.executor.commands;
            let taken = tally.measure(self.name, "command taken", || commands.pop());
            let Some(command) = taken else { return };
            let step = match command.kind {
                CommandKind::New(_) => "order encoded and signed",
                _ => "other command encoded",
            };
            tally.measure(self.name, step, || {
                self.executor.on_command(&mut self.trading, &command, now);
            });
        }
    }
}

/// What a frame of the trading connector is, for the failure message.
fn step_of(text: &str) -> &'static str {
    let kinds = [
        ("\"x\":\"TRADE\"", "fill decoded"),
        ("\"topic\":\"execution\"", "fill decoded"),
        ("executionReport", "order event decoded"),
        ("\"topic\":\"order\"", "order event decoded"),
        ("outboundAccountPosition", "balances decoded"),
        ("\"topic\":\"wallet\"", "balances decoded"),
        ("clientOrderId", "acknowledgement decoded"),
        ("order.create", "acknowledgement decoded"),
    ];
    let kind = kinds.iter().find(|(mark, _)| text.contains(mark));
    kind.map_or("other private message decoded", |(_, step)| step)
}

/// Steps that must have been counted in every round or nearly, by venue; fewer where a round may
/// have one order only.
const STEPS: &[(&str, &[&str])] = &[
    (
        "binance",
        &[
            "bookTicker frame decoded",
            "depth delta frame decoded",
            "trade frame decoded",
            "depth applied to the book",
            "depth published",
            "top of book published",
            "trade published",
            "order encoded and signed",
            "acknowledgement decoded",
            "order event decoded",
            "fill decoded",
            "balances decoded",
            "reports handed over",
            "deadline of market data",
            "deadline of trading",
        ],
    ),
    (
        "bybit",
        &[
            "orderbook.1 frame decoded",
            "orderbook.50 delta frame decoded",
            "publicTrade frame decoded",
            "depth applied to the book",
            "depth published",
            "top of book published",
            "trade published",
            "order encoded and signed",
            "acknowledgement decoded",
            "order event decoded",
            "fill decoded",
            "balances decoded",
            "reports handed over",
            "deadline of market data",
            "deadline of trading",
        ],
    ),
    ("strategy", &["poll"]),
    ("oms", &["poll"]),
];

fn instruments() -> InstrumentTable {
    let mut table = InstrumentTable::default();
    let (base, quote) = (table.assets.intern("BTC"), table.assets.intern("USDT"));
    for (name, tick, lot) in [("binance", 1, 10), ("bybit", 10, 1)] {
        table.add(Instrument {
            venue: venues::find(name).unwrap(),
            name: format!("BTC/USDT@{name}"),
            symbol: "BTCUSDT".to_owned(),
            base,
            quote,
            scale: Scale { price_decimals: 2, qty_decimals: 6 },
            rules: InstrumentRules {
                tick_size: Price(tick),
                lot_size: Qty(lot),
                qty_min: Qty(lot),
                ..InstrumentRules::default()
            },
            ..Instrument::default()
        });
    }
    table
}

fn options(channels: Vec<Vec<Channel>>) -> OmsOptions {
    const E18: i128 = 10i128.pow(18);
    OmsOptions {
        // Small tables: their places are used again long before the counting starts.
        orders_max: 256,
        fills_max: 512,
        venues: channels,
        rates: VENUES.iter().map(crate::parts::rates).collect(),
        reconcile_every_ns: 0,
        limits: RiskLimits {
            order_notional_max: Amount(10_000 * E18),
            price_collar: Ppb(10_000_000),
            book_age_max_ns: SECOND,
            position_max: vec![(AssetId(0), Amount(10 * E18))],
            order_rate_max: 100,
            order_rate_window_ns: SECOND,
            open_orders_max: 64,
            // All optional limits, so wide that nothing is refused: every check is on the path.
            order_wait_max_ns: Some(SECOND),
            instrument_position_max: [0, 1]
                .map(|id| (InstrumentId(id), Amount(1_000 * E18)))
                .into(),
            daily_loss_max: Some(Amount(1_000_000_000 * E18)),
            drawdown_max: Some(Amount(1_000_000_000 * E18)),
            strategies: vec![StrategyLimits {
                order_rate_max: Some(100),
                open_orders_max: Some(64),
                budgets: [20_000, 1_000_000_000]
                    .into_iter()
                    .zip(0..)
                    .map(|(sum, venue)| (VenueId(venue), Amount(sum * E18)))
                    .collect(),
                budget_rebalance: true,
            }],
        },
        ..OmsOptions::default()
    }
}

/// Everything between the sockets.
struct Engine {
    sides: Vec<Venue>,
    strategy: StrategyAgent,
    oms: OmsAgent,
    clock: Clock,
    view: stoop::shm::MarketView,
    lines: log::LogReader,
}

impl Engine {
    fn new(exchanges: Vec<Box<dyn Exchange>>) -> Self {
        let table = Arc::new(instruments());
        let clock = Clock::manual(START);
        let region = RegionOptions { depth: DEPTH, ..RegionOptions::default() };
        let market = Market::in_memory(&table, &region).unwrap();
        let (mut sides, mut ports, mut channels) = (Vec::new(), Vec::new(), Vec::new());
        for exchange in exchanges {
            let (side, port) = side(exchange, &table, &market);
            let wanted = side.trading.connector.channels();
            channels.push(wanted.iter().map(|spec| spec.channel).collect());
            sides.push(side);
            ports.push(port);
        }
        let lifecycle = Lifecycle::default();
        let strategy = StrategyId(0);
        let files =
            StrategyOptions { strategy, instruments: table.len(), ..StrategyOptions::default() };
        let (oms_end, end) = StrategyFile::in_memory(&files).unwrap();
        let (view, instruments) = (market.view(), table.clone());
        let parts = ContextParts { view, end, instruments, clock: clock.clone(), strategy };
        let body = SpreadArb::new(SpreadArbOptions {
            book_age_max_ns: 5_000_000_000,
            names: vec!["BTC/USDT@binance".to_owned(), "BTC/USDT@bybit".to_owned()],
            spread_min: Ppb(500_000),
            qty: Qty(10_000),
            cooldown_ns: 0,
            contract: stoop::types::Contract {
                naked_time_max_ns: 500_000_000,
                slippage_max: Ppb(1_000_000),
                ..stoop::types::Contract::default()
            },
        });
        let name = "strategy:spread".to_owned();
        let agent =
            StrategyAgent::new(name, Box::new(body), Context::new(parts), lifecycle.clone());
        let (log, lines) = log::channel(64);
        let (view, (last, _)) = (market.view(), channel());
        let (journal, kept) = journal(&log);
        let oms = OmsAgent::new(OmsParts {
            options: options(channels),
            instance_start: START,
            journal,
            kept,
            instruments: table,
            account: market.account_writer().unwrap(),
            leg_skew: market.stage_writer(Stage::LegSkew, VenueId(0)).unwrap(),
            market,
            venues: ports,
            strategies: vec![StrategyPort::new(strategy, oms_end)],
            lifecycle,
            last,
            clock: clock.clone(),
            log,
        })
        .unwrap();
        Self { sides, strategy: agent, oms, clock, view, lines }
    }

    /// One venue is cheap and the other one rich, in turns, and both move up and down.
    fn quote(number: u64, venue: usize) -> Quote {
        let middle = 6_000_000 + (number * 370 % 200_100) as i64 / 10 * 10 - 100_000;
        let away = if (number + venue as u64).is_multiple_of(2) { 5_000 } else { -5_000 };
        let at = START.plus(number * SECOND);
        Quote { number, bid: middle + away - 500, ask: middle + away + 500, at }
    }

    fn round(&mut self, number: u64, tally: &mut Tally) {
        let now = Self::quote(number, 0).at;
        self.clock.set(now);
        for (index, side) in self.sides.iter_mut().enumerate() {
            let quote = Self::quote(number, index);
            side.deadlines(now, tally);
            side.read(&quote, tally);
            side.market_data(&quote, tally);
            side.read(&quote, tally);
        }
        tally.measure("strategy", "poll", || self.strategy.poll(now));
        tally.measure("oms", "poll", || self.oms.poll(now));
        for (index, side) in self.sides.iter_mut().enumerate() {
            side.commands(now, tally);
            side.read(&Self::quote(number, index), tally);
            tally.measure("oms", "poll", || self.oms.poll(now));
        }
        tally.measure("strategy", "poll", || self.strategy.poll(now));
    }
}

fn side(
    exchange: Box<dyn Exchange>,
    table: &Arc<InstrumentTable>,
    market: &Market,
) -> (Venue, VenuePort) {
    let venue = venues::find(exchange.name()).unwrap();
    let row = &venues::VENUES[usize::from(venue.0)];
    let (key, secret) = exchange.credentials();
    let credentials = Credentials::new(key.to_owned(), Secret::new(secret.to_owned()));
    let setup = VenueSetup {
        venue,
        endpoints: Endpoints::default(),
        instruments: table.clone(),
        credentials: Some(credentials),
        depth: 50,
        recv_window_ms: 5000,
        orders_over_rest: false,
        order_connections: 1,
        feed_connections: 1,
        dead_man_switch_s: None,
        prepared_nonces: 0,
        margin: Default::default(),
        reply_timeout_ms: 2000,
        first_message_timeout_ms: 5000,
    };
    let id = table.of_venue(venue).next().unwrap().id;
    let tick = table.get(id).unwrap().rules.tick_size;
    let book = FeedBook {
        top_crossed: false,
        instrument: id,
        streamed: true,
        book: Book::new(tick, BookOptions::default()),
        writer: market.book_writer(id).unwrap(),
        trades: market.trade_writer(id).unwrap(),
        perpetual: market.perpetual_writer(id).unwrap(),
        marks: Perpetual::default(),
        top_sequence: 0,
    };
    let latency = FeedLatency::new(market, venue).unwrap();
    let feed = FeedSide { book, latency };
    let (commands, commands_in) = spsc::channel(4096);
    let (events_out, events) = spsc::channel(16 * 1024);
    let (watch, _) = spsc::channel(256);
    let executor = ExecutorSide {
        commands: commands_in,
        reports: events_out,
        throttle: Throttle::new(row.limits),
        row,
        latency: OrderLatency::new(market, venue).unwrap(),
    };
    let side = Venue {
        name: row.name,
        exchange,
        market: Line::new((row.market)(setup.clone()).unwrap(), 16 * 1024),
        feed,
        trading: Line::new((row.trading)(setup).unwrap(), 16),
        executor,
        to_feed: VecDeque::new(),
        to_executor: VecDeque::new(),
        before: Engine::quote(0, usize::from(venue.0)),
    };
    let port = VenuePort {
        venue,
        commands,
        events,
        spare: std::sync::mpsc::sync_channel(1).1,
        feed: watch,
    };
    (side, port)
}

fn nothing_is_allocated(ed25519: bool) {
    let mut engine = Engine::new(vec![Box::new(Binance::new(ed25519)), Box::<Bybit>::default()]);
    let mut tally = Tally::default();
    for side in &mut engine.sides {
        side.connect(START);
    }
    for number in 1..=WARM_UP {
        engine.round(number, &mut tally);
    }
    // What was said while the venues were not ready yet does not count.
    drop(engine.lines.take());
    let before = engine.view.counters();
    tally.forget();
    for number in WARM_UP + 1..=WARM_UP + ROUNDS {
        engine.round(number, &mut tally);
    }
    let lines: Vec<String> = engine.lines.take().into_iter().map(|line| line.text).collect();
    assert_eq!(lines, [""; 0]);
    for (venue, steps) in STEPS {
        for step in *steps {
            let times = tally.times(venue, step);
            assert!(times >= ROUNDS, "{venue}: {step}: only {times} times");
        }
    }
    let after = engine.view.counters();
    assert_eq!(after.signals - before.signals, ROUNDS);
    assert_eq!(after.signals_refused - before.signals_refused, 0);
    // Two legs each, and the hedges of pairs of which one leg expired.
    assert!(after.orders_sent - before.orders_sent > 2 * ROUNDS, "{after:?}");
    assert!(after.orders_expired - before.orders_expired > ROUNDS / 4, "{after:?}");
    assert!(after.orders_filled - before.orders_filled > ROUNDS, "{after:?}");
    assert_eq!(tally.guilty(), [""; 0], "allocations");
}

#[test]
fn from_frame_to_order_and_back_with_a_session_logged_on_by_ed25519() {
    nothing_is_allocated(true);
}

#[test]
fn from_frame_to_order_and_back_with_every_request_signed() {
    nothing_is_allocated(false);
}

/// A real one, in files of its own.
fn journal(log: &log::Log) -> (JournalRecorder, Option<Kept>) {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("stoop-allocations-{}-{number}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    let _ = std::fs::remove_dir_all(&folder);
    let config = Config::embedded().unwrap().journal;
    let setup = JournalSetup { place: Place::Folder(folder), config, anew: false };
    JournalRecorder::open(&setup, START, log.clone()).unwrap()
}
