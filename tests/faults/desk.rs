//! The order manager's agent alone, over a region in memory: the test is feed, strategy and venue.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use stoop::agents::journal::{JournalRecorder, JournalSetup, start_after};
use stoop::agents::log::{self, LogReader};
use stoop::agents::{
    Agent, FinalState, Lifecycle, OmsAgent, OmsParts, Phase, StrategyPort, VenuePort,
};
use stoop::clock::Clock;
use stoop::journal::{MemoryFolder, Need, Place, Reader, Writer, WriterOptions};
use stoop::oms::{Kept, OmsOptions, Record, RiskLimits};
use stoop::shm::{
    BookWriter, HealthWriter, Market, MarketView, RegionOptions, Stage, StrategyEnd, StrategyFile,
    StrategyOptions,
};
use stoop::sync::spsc;
use stoop::types::*;

pub const SECOND: u64 = 1_000_000_000;
pub const NOW: Nanos = Nanos(1_800_000_000 * SECOND);
pub const E18: i128 = 10i128.pow(18);
pub const BTC: InstrumentId = InstrumentId(0);
pub const VENUE: VenueId = VenueId(0);

pub fn instruments() -> InstrumentTable {
    let mut table = InstrumentTable::default();
    let (base, quote) = (table.assets.intern("BTC"), table.assets.intern("USDT"));
    let (tick_size, lot_size, qty_min) = (Price(10), Qty(10), Qty(20));
    let rules = InstrumentRules { tick_size, lot_size, qty_min, ..InstrumentRules::default() };
    let scale = Scale { price_decimals: 2, qty_decimals: 5 };
    table.add(Instrument { venue: VENUE, base, quote, scale, rules, ..Instrument::default() });
    table
}

pub fn level(price: i64, qty: i64) -> Level {
    Level { price: Price(price), qty: Qty(qty) }
}

pub fn top(sequence: u64, bid: i64, ask: i64) -> TopOfBook {
    let (bid, ask) = (level(bid, 1_000), level(ask, 1_000));
    TopOfBook { instrument: BTC, sequence, bid, ask, event_ns: NOW }
}

pub fn market(instruments: &InstrumentTable) -> Market {
    Market::in_memory(instruments, &RegionOptions::default()).unwrap()
}

pub struct Desk {
    clock: Clock,
    pub oms: OmsAgent,
    pub view: MarketView,
    pub book: BookWriter,
    pub health: HealthWriter,
    pub lifecycle: Lifecycle,
    pub last: Receiver<FinalState>,
    venue: spsc::Producer<Event>,
    commands: spsc::Consumer<Command>,
    _watched: spsc::Consumer<Command>,
    pub lines: LogReader,
    strategy: StrategyEnd,
    signals: u64,
}

fn limits() -> RiskLimits {
    RiskLimits {
        order_notional_max: Amount(10_000 * E18),
        price_collar: Ppb(1_000_000),
        book_age_max_ns: 2 * SECOND,
        position_max: vec![(AssetId(0), Amount(10 * E18))],
        order_rate_max: 100,
        order_rate_window_ns: SECOND,
        open_orders_max: 100,
        daily_loss_max: Some(Amount(100_000 * E18)),
        ..RiskLimits::default()
    }
}

impl Desk {
    /// A venue that is ready, no book yet, and nothing recorded.
    pub fn new() -> Self {
        let mut desk = Self::with(JournalRecorder::none(), None, NOW);
        desk.become_ready();
        desk
    }

    /// Not connected, and to be compared with the venue before anything is sent there.
    pub fn comparing() -> Self {
        Self::made((JournalRecorder::none(), None), NOW, 60 * SECOND)
    }

    /// Over a journal, with what it holds.
    pub fn over(setup: &JournalSetup, now: Nanos) -> Self {
        Self::over_crashing(setup, now).unwrap()
    }

    /// The same; `None` if the journal cannot be opened.
    pub fn over_crashing(setup: &JournalSetup, now: Nanos) -> Option<Self> {
        let (log, _) = log::channel(64);
        let (journal, kept) = JournalRecorder::open(setup, now, log).ok()?;
        let start = start_after(kept.as_ref(), now);
        Some(Self::with(journal, kept, start))
    }

    fn with(journal: JournalRecorder, kept: Option<Kept>, start: Nanos) -> Self {
        Self::made((journal, kept), start, 0)
    }

    fn made(
        (journal, kept): (JournalRecorder, Option<Kept>),
        start: Nanos,
        reconcile_every_ns: u64,
    ) -> Self {
        let instruments = Arc::new(instruments());
        let market = market(&instruments);
        let (commands, sent) = spsc::channel(64);
        let (venue, events) = spsc::channel(64);
        let (feed, watched) = spsc::channel(64);
        let port = VenuePort {
            venue: VENUE,
            commands,
            events,
            spare: std::sync::mpsc::sync_channel(1).1,
            feed,
        };
        let options = StrategyOptions { instruments: 1, ..StrategyOptions::default() };
        let (end, strategy) = StrategyFile::in_memory(&options).unwrap();
        let (sender, last) = channel();
        let (log, lines) = log::channel(64);
        let lifecycle = Lifecycle::default();
        let venues = vec![vec![Channel::Trade]];
        let (view, book) = (market.view(), market.book_writer(BTC).unwrap());
        let health = market.health_writer(VENUE).unwrap();
        let clock = Clock::manual(start);
        let oms = OmsAgent::new(OmsParts {
            options: OmsOptions {
                limits: limits(),
                venues,
                reconcile_every_ns,
                ..OmsOptions::default()
            },
            instance_start: start,
            instruments,
            journal,
            kept,
            account: market.account_writer().unwrap(),
            leg_skew: market.stage_writer(Stage::LegSkew, VENUE).unwrap(),
            market,
            venues: vec![port],
            strategies: vec![StrategyPort::new(StrategyId(0), end)],
            clock: clock.clone(),
            lifecycle: lifecycle.clone(),
            last: sender,
            log,
        })
        .unwrap();
        Self {
            clock,
            oms,
            view,
            book,
            health,
            lifecycle,
            last,
            venue,
            commands: sent,
            _watched: watched,
            lines,
            strategy,
            signals: 0,
        }
    }

    /// The venue is connected and has stated its balances.
    pub fn become_ready(&mut self) {
        self.tell(Event::Notice(VenueNotice::Readiness(Channel::Trade, Readiness::Ready)));
        self.tell(Event::Notice(VenueNotice::BalancesEnd));
    }

    /// A book of now, 60 000.00 to 60 000.10.
    pub fn live_book(&mut self, now: Nanos) {
        let quote = top(now.0, 6_000_000, 6_000_010);
        self.book.publish_top(&quote, BookState::Live, now, now);
    }

    /// One round of the agent.
    pub fn poll(&mut self, now: Nanos) {
        self.clock.set(now);
        self.oms.poll(now);
    }

    /// The strategy's file holds so many signals without a leg.
    pub fn bad_requests(&mut self, count: u64) {
        for id in 1..=count {
            let signal = Signal { id: SignalId(id), legs_len: 0, ..Signal::default() };
            self.strategy.requests.push_signal(&signal).unwrap();
        }
    }

    /// The strategy cancels everything.
    pub fn cancel_all(&mut self, now: Nanos) {
        self.strategy.requests.push_cancel_all().unwrap();
        self.poll(now);
    }

    /// The engine stops and says what it knows.
    pub fn stop(mut self) -> FinalState {
        self.lifecycle.advance(Phase::Stopping);
        for step in 0..100 {
            let now = self.clock.now().plus(step * SECOND / 10);
            self.poll(now);
            if self.lifecycle.phase() == Phase::Done {
                break;
            }
        }
        self.last.try_recv().unwrap()
    }

    /// The venue says something.
    pub fn tell(&mut self, event: Event) {
        assert!(self.venue.push(event).is_ok());
    }

    /// Emits this signal of a strategy at this time.
    pub fn emit(&mut self, signal: &Signal, now: Nanos) {
        self.strategy.requests.push_signal(signal).unwrap();
        self.poll(now);
    }

    /// Commands that were handed over.
    pub fn commands(&mut self) -> Vec<Command> {
        std::iter::from_fn(|| self.commands.pop()).collect()
    }

    /// New orders that were sent.
    pub fn orders(&mut self) -> Vec<NewOrder> {
        let new = self.commands().into_iter().filter_map(|command| match command.kind {
            CommandKind::New(order) => Some(order),
            _ => None,
        });
        new.collect()
    }

    /// Emits a buy at 60 000.10 and gives the refusal that it met, 0 for none.
    pub fn signal(&mut self, now: Nanos) -> u8 {
        self.ask(Price(6_000_010), Qty(1_000), now)
    }

    /// The same at another price and for another quantity.
    pub fn ask(&mut self, price: Price, qty: Qty, now: Nanos) -> u8 {
        self.clock.set(now);
        self.signals += 1;
        let mut signal = Signal { id: SignalId(self.signals), legs_len: 1, ..Signal::default() };
        let time_in_force = TimeInForce::Ioc;
        signal.legs[0] = Leg { instrument: BTC, price, qty, time_in_force, ..Leg::default() };
        self.strategy.requests.push_signal(&signal).unwrap();
        self.oms.poll(now);
        std::iter::from_fn(|| self.strategy.reports.pop()).last().map_or(0, |report| report.risk)
    }
}

/// A copy of a journal with its records changed and their checksums right.
pub fn rewritten(place: &Place, mut change: impl FnMut(&mut Record)) -> MemoryFolder {
    let copy = MemoryFolder::new();
    let options = WriterOptions::new(Place::Memory(copy.clone()));
    let (mut writer, _) = Writer::open(&options, NOW, None).unwrap();
    let mut reader = Reader::open(place, 0).unwrap();
    while let Some(raw) = reader.next().unwrap() {
        let mut record = Record::decode(raw.payload).unwrap();
        change(&mut record);
        writer.append(raw.kind, Need::Normal, raw.time, &record.encode_long()).unwrap();
    }
    copy
}
