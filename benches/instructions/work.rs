//! The hot functions on fixed input: each gives a closure that makes one call.

use super::limits::limits;
use super::ready::{PEM, Ready, SECRET, new_order, setup};
use std::hint::black_box;
use std::sync::Arc;
use stoop::bench::{DepthMessage, ManyBooks, made_depth};
use stoop::book::{Ladder, LadderOptions};
use stoop::clock::Clock;
use stoop::journal::{MemoryFolder, Need, Place, Writer, WriterOptions};
use stoop::net::buffer::Buffer;
use stoop::net::websocket::{Decoder, MaskKeys, Opcode, encode};
use stoop::oms::{BookQuote, Books, Oms, OmsOptions, Output, Record, Recorder, VenueRates};
use stoop::shm::{
    BookWriter, Market, MarketView, OmsEnd, RegionOptions, StrategyFile, StrategyOptions,
};
use stoop::strategy::{Context, ContextParts, InstrumentRef, Strategy};
use stoop::sync::{histogram, seqlock, spsc};
use stoop::types::{
    BookState, Channel, Command, CostTable, Events, ExecutionReport, Instrument, InstrumentId,
    InstrumentKind, InstrumentRules, InstrumentTable, Leg, Level, LimitSpec, Nanos, Price, Qty,
    Readiness, ReportKind, ReportOrigin, Request, Scale, Side, Signal, SignalId, StrategyId,
    TimeInForce, TopOfBook, VenueId, VenueNotice,
};
use stoop::venues::{FrameDecoder, VENUES, find, signing_schemes};

pub type Work = Box<dyn FnMut(u64)>;
pub type Function = (&'static str, fn() -> Work);

/// All of them.
pub fn functions() -> Vec<Function> {
    vec![
        ("binance/top/scan", || public("binance", BINANCE_TOP, true)),
        ("binance/top/complete", || public("binance", BINANCE_TOP, false)),
        ("binance/depth/scan", || public("binance", BINANCE_DEPTH, true)),
        ("binance/depth/complete", || public("binance", BINANCE_DEPTH, false)),
        ("binance/trade/scan", || public("binance", BINANCE_TRADE, true)),
        ("binance/trade/complete", || public("binance", BINANCE_TRADE, false)),
        ("binance/report/scan", || private("binance", BINANCE_REPORT, true)),
        ("binance/report/complete", || private("binance", BINANCE_REPORT, false)),
        ("bybit/top/scan", || public("bybit", BYBIT_TOP, true)),
        ("bybit/top/complete", || public("bybit", BYBIT_TOP, false)),
        ("bybit/depth/scan", || public("bybit", BYBIT_DEPTH, true)),
        ("bybit/depth/complete", || public("bybit", BYBIT_DEPTH, false)),
        ("bybit/trade/scan", || public("bybit", BYBIT_TRADE, true)),
        ("bybit/trade/complete", || public("bybit", BYBIT_TRADE, false)),
        ("bybit/report/scan", || private("bybit", BYBIT_REPORT, true)),
        ("bybit/report/complete", || private("bybit", BYBIT_REPORT, false)),
        ("feed/frame_of_1", || frame_of(1)),
        ("feed/frame_of_1000", || frame_of(1_000)),
        ("book/apply", book_apply),
        ("book/publish_depth", publish_depth),
        ("book/publish_top", publish_top),
        ("book/read", strategy_read),
        ("strategy/emit", emit),
        ("strategy/poll", strategy_poll),
        ("strategy/poll_idle", strategy_poll_idle),
        ("oms/one_order", one_order),
        ("journal/append", journal_append),
        ("ring/push_pop", ring),
        ("seqlock/write_read", seqlock_write_read),
        ("histogram/record", histogram_record),
        ("websocket/decode", websocket_decode),
        ("websocket/encode", websocket_encode),
        ("sign/binance.hmac", || sign("binance.hmac")),
        ("sign/bybit.login", || sign("bybit.login")),
        ("order/binance.hmac", || order("binance", SECRET)),
        ("order/binance.session", || order("binance", PEM)),
        ("order/bybit", || order("bybit", SECRET)),
    ]
}

const BINANCE_TOP: &str = include_str!("../../tests/fixtures/binance/combined_book_ticker.json");
const BINANCE_DEPTH: &str = include_str!("../../tests/fixtures/binance/combined_depth.json");
const BINANCE_TRADE: &str = include_str!("../../tests/fixtures/binance/combined_trade.json");
const BINANCE_REPORT: &str = include_str!("../../tests/fixtures/binance/execution_new.json");
const BYBIT_TOP: &str = include_str!("../../tests/fixtures/bybit/ws_book1.json");
const BYBIT_DEPTH: &str = include_str!("../../tests/fixtures/bybit/ws_book50_delta.json");
const BYBIT_TRADE: &str = include_str!("../../tests/fixtures/bybit/ws_trades.json");
const BYBIT_REPORT: &str = include_str!("../../tests/fixtures/bybit/ws_order_new.json");

fn decoder(venue: &str) -> (FrameDecoder, Events) {
    let venue = find(venue).expect("a venue of the table");
    let scale = Scale { price_decimals: 2, qty_decimals: 8 };
    let table =
        FrameDecoder::table(venue, InstrumentKind::Spot, &[("BTCUSDT", scale), ("ETHUSDT", scale)]);
    let decoder = FrameDecoder::new(venue, table, 50).expect("the table is right");
    (decoder, Events::with_capacity(64, 4096))
}

fn public(venue: &str, text: &'static str, scans: bool) -> Work {
    let (mut decoder, mut events) = decoder(venue);
    let text = text.trim().as_bytes();
    let mut copy = text.to_vec();
    Box::new(move |_| {
        events.clear();
        if scans {
            assert!(decoder.scan(black_box(text), &mut events).is_some());
        } else {
            copy.copy_from_slice(text);
            assert!(decoder.reference(black_box(&mut copy), &mut events).is_ok());
        }
        assert!(!events.list().is_empty());
    })
}

fn private(venue: &str, text: &'static str, scans: bool) -> Work {
    let (mut decoder, mut events) = decoder(venue);
    let text = text.trim().as_bytes();
    let mut copy = text.to_vec();
    Box::new(move |_| {
        events.clear();
        if scans {
            assert!(decoder.scan_private(black_box(text), Nanos(1), &mut events).is_some());
        } else {
            copy.copy_from_slice(text);
            assert!(decoder.reference_private(black_box(&mut copy), Nanos(1), &mut events).is_ok());
        }
        assert!(!events.list().is_empty());
    })
}

/// A frame to the strategy, with so many instruments. Their books begin again, one after the other,
/// when all frames have been played, which is counted.
fn frame_of(instruments: usize) -> Work {
    let mut books = ManyBooks::new(instruments).expect("made frames");
    let frames = books.frames() as u64;
    Box::new(move |call| {
        let at = (call / frames) as usize % instruments;
        if call % frames == 0 {
            books.restart(at);
        }
        books.prepare(at);
        let before = books.applied();
        black_box(books.play());
        assert_eq!(books.applied(), before + 1);
    })
}

fn ladder() -> Ladder {
    Ladder::new(Price(1), LadderOptions::default())
}

fn apply(ladder: &mut Ladder, message: &DepthMessage) {
    ladder.apply_all(&message.bids, &message.asks);
    black_box((ladder.best_bid(), ladder.best_ask()));
}

fn book_apply() -> Work {
    let (messages, mut ladder) = (made_depth(400), ladder());
    apply(&mut ladder, &messages[0]);
    Box::new(move |call| apply(&mut ladder, &messages[1 + call as usize % 399]))
}

fn region() -> (BookWriter, MarketView, Market) {
    let mut table = InstrumentTable::default();
    table.add(Instrument::default());
    let market = Market::in_memory(&table, &RegionOptions::default()).expect("a small region");
    let writer = market.book_writer(InstrumentId(0)).expect("the only instrument's");
    (writer, market.view(), market)
}

fn publish_depth() -> Work {
    let (mut writer, _, market) = region();
    let mut ladder = ladder();
    made_depth(100).iter().for_each(|message| apply(&mut ladder, message));
    let (mut bids, mut asks) = ([Level::default(); 20], [Level::default(); 20]);
    Box::new(move |call| {
        let _ = &market;
        let bid_count = ladder.top(Side::Buy, &mut bids);
        let ask_count = ladder.top(Side::Sell, &mut asks);
        assert_eq!((bid_count, ask_count), (20, 20));
        let (bids, asks) = (&bids[..bid_count], &asks[..ask_count]);
        writer.publish_depth(bids, asks, BookState::Live, call, Nanos(1), Nanos(2), Nanos(3));
    })
}

fn top(sequence: u64) -> TopOfBook {
    let level = |price| Level { price: Price(price), qty: Qty(7) };
    let (bid, ask) = (level(100), level(101));
    TopOfBook { instrument: InstrumentId(0), sequence, bid, ask, event_ns: Nanos(1) }
}

fn publish_top() -> Work {
    let (mut writer, _, market) = region();
    Box::new(move |call| {
        let _ = &market;
        writer.publish_top(black_box(&top(call)), BookState::Live, Nanos(2), Nanos(3));
    })
}

fn strategy_read() -> Work {
    let (mut writer, view, market) = region();
    writer.publish_top(&top(1), BookState::Live, Nanos(2), Nanos(3));
    Box::new(move |call| {
        let _ = &market;
        let best = view.best(black_box(InstrumentId(0)));
        assert!(best.is_live());
        black_box((best.bid, best.ask, best.age(Nanos(call))));
    })
}

fn leg() -> Leg {
    Leg {
        instrument: InstrumentId(0),
        side: Side::Buy,
        time_in_force: TimeInForce::Ioc,
        price: Price(6_000_000),
        qty: Qty(1_000),
        ..Leg::default()
    }
}

fn signal(number: u64) -> Signal {
    let mut signal = Signal { id: SignalId(number), legs_len: 1, ..Signal::default() };
    signal.strategy = StrategyId(0);
    signal.legs[0] = leg();
    signal
}

fn emit() -> Work {
    let options = StrategyOptions { instruments: 1, ..StrategyOptions::default() };
    let (mut oms, mut strategy) = StrategyFile::in_memory(&options).expect("a small region");
    Box::new(move |call| {
        assert!(strategy.requests.push_signal(black_box(&signal(call + 1))).is_ok());
        assert!(matches!(oms.pop_request(), Ok(Some(_))));
    })
}

/// Looks at the best prices of what changed.
#[derive(Default)]
struct Looks {
    instrument: Option<InstrumentRef>,
    seen: u64,
}

impl Strategy for Looks {
    fn on_start(&mut self, ctx: &mut Context) {
        self.instrument = ctx.instrument("BTC/USDT");
        let watched = self.instrument.map(|instrument| ctx.watch(&instrument));
        assert!(matches!(watched, Some(Ok(()))));
    }

    fn on_book(&mut self, ctx: &mut Context, _changed: InstrumentId) {
        let Some(instrument) = self.instrument else { return };
        let best = ctx.best(&instrument);
        self.seen += u64::from(best.is_live() && best.ask.qty > Qty::ZERO);
    }
}

/// One book, its region, and a strategy that watches it.
fn watching() -> (BookWriter, Market, Looks, Context, OmsEnd) {
    let mut table = InstrumentTable::default();
    table.add(Instrument { name: "BTC/USDT".to_owned(), ..Instrument::default() });
    let market = Market::in_memory(&table, &RegionOptions::default()).expect("a small region");
    let writer = market.book_writer(InstrumentId(0)).expect("the only instrument's");
    let options = StrategyOptions::default();
    let (oms, end) = StrategyFile::in_memory(&options).expect("a small region");
    let (view, clock) = (market.view(), Clock::new());
    let instruments = Arc::new(table);
    let mut ctx =
        Context::new(ContextParts { view, end, instruments, clock, strategy: StrategyId(0) });
    ctx.set_timer(u64::MAX / 2);
    let mut strategy = Looks::default();
    strategy.on_start(&mut ctx);
    strategy.poll(&mut ctx);
    (writer, market, strategy, ctx, oms)
}

fn strategy_poll() -> Work {
    let (mut writer, market, mut strategy, mut ctx, oms) = watching();
    Box::new(move |call| {
        let _ = (&market, &oms);
        writer.publish_top(black_box(&top(call + 1)), BookState::Live, Nanos(2), Nanos(3));
        let before = strategy.seen;
        assert_eq!(strategy.poll(&mut ctx), 1);
        assert_eq!(strategy.seen, before + 1);
    })
}

fn strategy_poll_idle() -> Work {
    let (_, market, mut strategy, mut ctx, oms) = watching();
    Box::new(move |_| {
        let _ = (&market, &oms);
        assert_eq!(black_box(&mut strategy).poll(&mut ctx), 0);
    })
}

struct Live;

impl Books for Live {
    fn best(&self, _instrument: InstrumentId) -> BookQuote {
        BookQuote {
            bid: Level { price: Price(6_000_000), qty: Qty(100_000) },
            ask: Level { price: Price(6_000_010), qty: Qty(100_000) },
            state: BookState::Live,
            recv_ns: Nanos(u64::MAX),
        }
    }
}

/// Encodes every record and appends it to a journal in memory.
struct Recording {
    writer: Writer,
    buffer: [u8; 4096],
}

impl Recording {
    fn new() -> Self {
        Self { writer: journal(), buffer: [0; 4096] }
    }
}

impl Recorder for Recording {
    fn record(&mut self, now: Nanos, record: &Record) {
        let len = record.encode(&mut self.buffer).expect("a record fits");
        let payload = &self.buffer[..len];
        assert!(self.writer.append(1, Need::Normal, now, black_box(payload)).is_ok());
    }
}

fn journal() -> Writer {
    let place = Place::Memory(MemoryFolder::new());
    let (writer, _) =
        Writer::open(&WriterOptions::new(place), Nanos(1), None).expect("memory can be written");
    writer
}

fn oms_options() -> OmsOptions {
    let row = &VENUES[0];
    let more = |limit: &LimitSpec| LimitSpec { allowed: 1_000_000_000, ..*limit };
    let costs = CostTable::new(|kind| (row.costs)(kind, false));
    OmsOptions {
        venues: vec![vec![Channel::Trade]],
        rates: vec![VenueRates { limits: row.limits.iter().map(more).collect(), costs }],
        // Ready as soon as it is connected.
        reconcile_every_ns: 0,
        limits: limits(1),
        ..OmsOptions::default()
    }
}

fn one_order() -> Work {
    let mut table = InstrumentTable::default();
    let (base, quote) = (table.assets.intern("BTC"), table.assets.intern("USDT"));
    let rules =
        InstrumentRules { tick_size: Price(10), lot_size: Qty(1), ..InstrumentRules::default() };
    let scale = Scale { price_decimals: 2, qty_decimals: 5 };
    table.add(Instrument { venue: VenueId(0), base, quote, scale, rules, ..Instrument::default() });
    let mut now = Nanos(1_800_000_000_000_000_000);
    let mut out = Output::new(&oms_options());
    let mut oms = Oms::new(oms_options(), Arc::new(table), now, Recording::new(), Live);
    let ready = VenueNotice::Readiness(Channel::Trade, Readiness::Ready);
    oms.on_notice(VenueId(0), &ready, now, &mut out);
    oms.on_notice(VenueId(0), &VenueNotice::BalancesEnd, now, &mut out);
    Box::new(move |call| {
        now = now.plus(3_000_000);
        out.clear();
        let request = Request::Signal(signal(call + 1));
        oms.on_request(StrategyId(0), black_box(&request), now, &mut out);
        assert_eq!(out.commands.len(), 1, "the order was refused");
        let order = *oms.orders().iter_open().next().expect("one order is open");
        let (kind, origin) = (ReportKind::Expired, ReportOrigin::Stream);
        let report = ExecutionReport::new(kind, origin, order.client_id, order.instrument);
        oms.on_report(order.venue, &report, now, &mut out);
    })
}

fn journal_append() -> Work {
    let mut writer = journal();
    let payload = [0x5a; 128];
    Box::new(move |call| {
        let appended = writer.append(1, Need::Normal, Nanos(call), black_box(&payload));
        assert!(appended.is_ok());
    })
}

fn ring() -> Work {
    let (mut producer, mut consumer) = spsc::channel::<[u64; 8]>(1024);
    Box::new(move |call| {
        assert!(producer.push(black_box([call; 8])).is_ok());
        assert!(black_box(consumer.pop()).is_some());
    })
}

fn seqlock_write_read() -> Work {
    let (mut writer, reader) = seqlock::value(8);
    Box::new(move |call| {
        writer.write(|payload| payload.copy_from(0, black_box(&[call; 8])));
        let mut words = [0; 8];
        assert!(reader.read(|payload| payload.copy_to(0, &mut words)).is_ok());
        assert_eq!(black_box(&words)[7], call);
    })
}

fn histogram_record() -> Work {
    let (mut writer, _) = histogram::histogram();
    let mut ns = 1u64;
    Box::new(move |_| {
        ns = ns.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        writer.record(ns >> 44);
    })
}

fn websocket_decode() -> Work {
    let mut frame = vec![0x81, 126, 3, 0x75];
    frame.resize(4 + 885, b'x');
    let mut buffer = Buffer::with_capacity(64 * 1024);
    let mut decoder = Decoder::new(1 << 20);
    Box::new(move |_| {
        buffer.extend(&frame);
        let Ok(Some(received)) = decoder.step(&mut buffer) else { panic!("a whole frame") };
        assert_eq!(buffer.get(received.payload).len(), 885);
    })
}

fn websocket_encode() -> Work {
    let payload = [b'x'; 330];
    let mut keys = MaskKeys::new(1);
    let mut out = Vec::with_capacity(2048);
    Box::new(move |_| {
        out.clear();
        encode(&mut out, Opcode::Text, black_box(&payload), keys.next_key());
        assert_eq!(black_box(&out).len(), 330 + 8);
    })
}

fn sign(name: &str) -> Work {
    let schemes = signing_schemes().expect("made keys are right");
    let mut scheme = schemes.into_iter().find(|scheme| scheme.name == name).expect("is there");
    Box::new(move |call| {
        assert!((scheme.sign)(black_box(1_660_801_715_431 + call)) > 0);
    })
}

fn order(venue: &str, secret: &str) -> Work {
    let mut ready = Ready::new(setup(venue, secret));
    Box::new(move |call| {
        ready.now = ready.now.plus(1_000_003);
        ready.events.clear();
        let command = Command::new(new_order(call), ready.now);
        let (out, events) = (&mut ready.out, &mut ready.events);
        assert!(ready.connector.submit(black_box(&command), ready.now, out, events).is_ok());
        ready.answer();
    })
}
