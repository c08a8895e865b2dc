//! What feeds and executors record of the way from tick to order, and what recording costs.
//!
//! A stage is recorded after its order has been given to the kernel, or its book published, and once
//! there is nothing else to do: what is measured does not wait for the measuring. Nothing here
//! decides anything.

#![forbid(unsafe_code)]

use crate::clock::Clock;
use crate::shm::{Market, PathRow, PathSlot, Stage, StageWriter, WorstWriter};
use crate::sync::histogram;
use crate::types::{
    BookStamps, ClientOrderId, Command, Detail, ExecutionReport, InstrumentId, Nanos, NewOrder,
    Path, ReportKind, ReportOrigin, Stamp, VenueId,
};
use std::hint::black_box;

/// What a feed records.
pub struct FeedLatency {
    detail: Detail,
    wire: StageWriter,
    decode: StageWriter,
    publish: StageWriter,
    /// The venue's clock minus ours, nanoseconds; `None` before it was measured.
    clock_offset_ns: Option<i64>,
    /// Books that were published and are not recorded yet, the first `waiting` of them: a strategy
    /// on the same thread is not to wait for histograms.
    books: [Published; BOOKS_WAITING],
    waiting: usize,
}

/// Published books that wait to be recorded at most.
const BOOKS_WAITING: usize = 16;

/// What is recorded of a published book.
#[derive(Clone, Copy, Default)]
struct Published {
    instrument: InstrumentId,
    /// Of the venue, on our clock; 0 if it is not known.
    event_ns: Nanos,
    recv_ns: Nanos,
    decoded_ns: Nanos,
    published_ns: Nanos,
}

impl FeedLatency {
    /// Of one venue; `None` if it was made before or the region does not know the venue.
    #[must_use]
    pub fn new(market: &Market, venue: VenueId) -> Option<Self> {
        Some(Self {
            detail: market.detail(),
            wire: market.stage_writer(Stage::Wire, venue)?,
            decode: market.stage_writer(Stage::Decode, venue)?,
            publish: market.stage_writer(Stage::Publish, venue)?,
            clock_offset_ns: None,
            books: [Published::default(); BOOKS_WAITING],
            waiting: 0,
        })
    }

    /// How far the venue's clock is ahead of ours.
    pub fn set_clock_offset(&mut self, offset_ns: i64) {
        self.clock_offset_ns = Some(offset_ns);
    }

    /// Whether the steps of the feed are stamped at all.
    #[inline]
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.detail == Detail::All
    }

    /// The stamps of a book that is about to be published. `event_ns` is the venue's time, 0 if it
    /// sent none; `decoded_ns` and `published_ns` are ours.
    #[inline]
    #[must_use]
    pub fn stamps(
        &self,
        event_ns: Nanos,
        recv_ns: Nanos,
        decoded_ns: Nanos,
        published_ns: Nanos,
    ) -> BookStamps {
        if !self.is_on() {
            return BookStamps::NONE;
        }
        BookStamps::new(self.on_our_clock(event_ns), recv_ns, decoded_ns, published_ns)
    }

    /// 0 while the clocks were not compared: a wrong time is worse than none.
    fn on_our_clock(&self, event_ns: Nanos) -> Nanos {
        match self.clock_offset_ns {
            Some(offset_ns) if event_ns.0 > 0 => {
                Nanos(event_ns.0.saturating_add_signed(-offset_ns))
            }
            _ => Nanos(0),
        }
    }

    /// A book was published. It is in the histograms after [`FeedLatency::flush`].
    #[inline]
    pub fn record(
        &mut self,
        instrument: InstrumentId,
        event_ns: Nanos,
        recv_ns: Nanos,
        decoded_ns: Nanos,
        published_ns: Nanos,
    ) {
        if self.waiting == BOOKS_WAITING {
            self.flush();
        }
        let event_ns = self.on_our_clock(event_ns);
        let book = Published { instrument, event_ns, recv_ns, decoded_ns, published_ns };
        if let Some(slot) = self.books.get_mut(self.waiting) {
            *slot = book;
            self.waiting += 1;
        }
    }

    /// Records what waits: when there is nothing else to do.
    #[inline]
    pub fn flush(&mut self) {
        if self.waiting > 0 {
            self.record_all();
        }
    }

    fn record_all(&mut self) {
        for book in &self.books[..self.waiting] {
            let Published { instrument, event_ns, recv_ns, decoded_ns, published_ns } = *book;
            if event_ns.0 > 0 {
                self.wire.record(instrument, recv_ns.since(event_ns));
            }
            self.decode.record(instrument, decoded_ns.since(recv_ns));
            self.publish.record(instrument, published_ns.since(decoded_ns));
        }
        self.waiting = 0;
    }
}

/// Stages that an executor records once an order has left.
const TO_ORDER: [Stage; 8] = [
    Stage::See,
    Stage::Decide,
    Stage::Risk,
    Stage::Journal,
    Stage::Queue,
    Stage::Encode,
    Stage::Send,
    Stage::TickToOrder,
];

/// Orders of which the stages wait to be recorded at most.
const ORDERS_WAITING: usize = 16;

/// An order that has left.
#[derive(Clone, Copy, Default)]
struct Gone {
    instrument: InstrumentId,
    path: Path,
}

/// What an executor records.
pub struct OrderLatency {
    detail: Detail,
    /// In the order of [`TO_ORDER`].
    to_order: Vec<StageWriter>,
    ack: StageWriter,
    fill: StageWriter,
    worst: WorstWriter,
    sent: SentTable,
    /// Orders that have left and are not in the histograms yet, the first `waiting` of them: the
    /// next leg of a signal is not to wait for those of the one before.
    gone: [Gone; ORDERS_WAITING],
    waiting: usize,
    /// Which of them left last.
    newest: usize,
}

impl OrderLatency {
    /// Of one venue; `None` if it was made before or the region does not know the venue.
    #[must_use]
    pub fn new(market: &Market, venue: VenueId) -> Option<Self> {
        let writer = |stage| market.stage_writer(stage, venue);
        Some(Self {
            detail: market.detail(),
            to_order: TO_ORDER.into_iter().map(writer).collect::<Option<_>>()?,
            ack: writer(Stage::Ack)?,
            fill: writer(Stage::Fill)?,
            worst: market.worst_writer(venue)?,
            sent: SentTable::new(),
            gone: [Gone::default(); ORDERS_WAITING],
            waiting: 0,
            newest: 0,
        })
    }

    /// Whether the points that take a reading of the clock of their own are stamped.
    #[inline]
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.detail == Detail::All
    }

    /// The way of the newest order; nothing is known of it if nothing is stamped.
    #[must_use]
    pub fn last_path(&self) -> &Path {
        &self.gone[self.newest % ORDERS_WAITING].path
    }

    /// An order's bytes were given to the kernel. `taken_ns` is when its command's turn came, 0 if
    /// that was not stamped, `encoded_ns` when it was encoded and signed. It is in the histograms after
    /// [`OrderLatency::flush`].
    pub fn on_sent(
        &mut self,
        command: &Command,
        order: &NewOrder,
        taken_ns: Nanos,
        encoded_ns: Nanos,
        handed_ns: Nanos,
    ) {
        if self.detail == Detail::Off {
            return;
        }
        if self.waiting == ORDERS_WAITING {
            self.record_all();
        }
        let NewOrder { client_id, instrument, .. } = *order;
        let path = path(command, taken_ns, encoded_ns, handed_ns);
        if let Some(gone) = self.gone.get_mut(self.waiting) {
            *gone = Gone { instrument, path };
            self.newest = self.waiting;
            self.waiting += 1;
        }
        // A leg that waited for another one is not the tick's doing: it carries no stamps.
        let total_ns = if command.stamps.is_some() { Stage::TickToOrder.of(&path) } else { None };
        let slot = self.worst.offer(total_ns.unwrap_or(0), || PathRow {
            client_id,
            signal: command.signal,
            instrument,
            path,
        });
        self.sent.put(Sent { client_id, handed_ns, instrument, slot, acked: false });
    }

    /// Records what waits: when there is nothing else to do.
    #[inline]
    pub fn flush(&mut self) {
        if self.waiting > 0 {
            self.record_all();
        }
    }

    fn record_all(&mut self) {
        let gone = &self.gone[..self.waiting];
        for (stage, writer) in TO_ORDER.into_iter().zip(&mut self.to_order) {
            for Gone { instrument, path } in gone {
                if let Some(ns) = stage.of(path) {
                    writer.record(*instrument, ns);
                }
            }
        }
        self.waiting = 0;
    }

    /// The venue says something about an order: its first word is the acknowledgement, its first
    /// fill the fill.
    pub fn on_report(&mut self, report: &ExecutionReport) {
        let Some(sent) = self.sent.get(report.client_id) else { return };
        if report.origin == ReportOrigin::Local {
            sent.client_id = ClientOrderId::NONE;
            return;
        }
        let (since_ns, recv_ns) = (report.recv_ns.since(sent.handed_ns), report.recv_ns);
        let (instrument, slot, client_id) = (sent.instrument, sent.slot, sent.client_id);
        let first = !std::mem::replace(&mut sent.acked, true);
        let filled = report.kind == ReportKind::Fill;
        if filled {
            sent.client_id = ClientOrderId::NONE;
        }
        for (passed, stage, stamp) in
            [(first, &mut self.ack, Stamp::Acked), (filled, &mut self.fill, Stamp::Filled)]
        {
            if passed {
                stage.record(instrument, since_ns);
                if let Some(slot) = slot {
                    self.worst.complete(slot, client_id, stamp, recv_ns);
                }
            }
        }
    }
}

/// All stamps of an order that has just left.
fn path(command: &Command, taken_ns: Nanos, encoded_ns: Nanos, handed_ns: Nanos) -> Path {
    let mut path = command.stamps.path();
    path.set(Stamp::Received, command.tick_ns);
    if taken_ns.0 > 0 {
        path.set(Stamp::Journaled, command.issued_ns);
        // The round in which it was taken may have begun before it was handed over.
        path.set(Stamp::Taken, taken_ns.max(command.issued_ns));
    }
    path.set(Stamp::Encoded, encoded_ns);
    path.set(Stamp::Handed, handed_ns);
    path
}

/// An order that was sent and of which more is to be heard.
#[derive(Clone, Copy)]
struct Sent {
    client_id: ClientOrderId,
    handed_ns: Nanos,
    instrument: InstrumentId,
    slot: Option<PathSlot>,
    acked: bool,
}

/// Recent orders by the low bits of their ids. One that is overwritten before its end only costs its
/// measurements.
struct SentTable {
    rows: Vec<Sent>,
}

impl SentTable {
    const SIZE: usize = 4096;

    fn new() -> Self {
        let none = Sent {
            client_id: ClientOrderId::NONE,
            handed_ns: Nanos(0),
            instrument: InstrumentId(0),
            slot: None,
            acked: false,
        };
        Self { rows: vec![none; Self::SIZE] }
    }

    fn put(&mut self, sent: Sent) {
        self.rows[sent.client_id.0 as usize % Self::SIZE] = sent;
    }

    fn get(&mut self, id: ClientOrderId) -> Option<&mut Sent> {
        let row = &mut self.rows[id.0 as usize % Self::SIZE];
        (id.is_some() && row.client_id == id).then_some(row)
    }
}

/// Finds what a reading of the clock and a record in a histogram cost on this host, and says so in
/// the region. Takes a few hundred microseconds; finds nothing with a clock that stands still.
pub fn measure_costs(market: &Market, clock: &Clock) {
    const TIMES: u64 = 1_000;
    const ROUNDS: usize = 9;
    let (mut writer, _reader) = histogram::histogram();
    let mut clock_ps = [0; ROUNDS];
    let mut record_ps = [0; ROUNDS];
    for round in 0..ROUNDS {
        let start = clock.now();
        for _ in 0..TIMES {
            black_box(clock.now());
        }
        let read = clock.now();
        for number in 0..TIMES {
            // Durations as they come: other buckets of the same few lines.
            writer.record(black_box(1_000 + number * 37 % 1_024));
        }
        let recorded = clock.now();
        clock_ps[round] = read.since(start) * 1_000 / TIMES;
        record_ps[round] = recorded.since(read) * 1_000 / TIMES;
    }
    clock_ps.sort_unstable();
    record_ps.sort_unstable();
    market.set_measuring_costs(clock_ps[ROUNDS / 2], record_ps[ROUNDS / 2]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shm::RegionOptions;
    use crate::types::{
        CommandKind, Instrument, InstrumentTable, OrderType, Price, Qty, Side, Signal, SignalId,
        Stamps, TimeInForce,
    };

    const VENUE: VenueId = VenueId(0);
    const TICK: Nanos = Nanos(1_795_000_000_000_000_000);

    fn market(detail: Detail) -> Market {
        let mut table = InstrumentTable::default();
        for name in ["BTC", "ETH"] {
            let base = table.assets.intern(name);
            table.add(Instrument { name: name.to_owned(), base, ..Instrument::default() });
        }
        let options = RegionOptions { detail, ..RegionOptions::default() };
        Market::in_memory(&table, &options).unwrap()
    }

    fn order(number: u64) -> NewOrder {
        NewOrder {
            client_id: ClientOrderId(number),
            instrument: InstrumentId(1),
            side: Side::Buy,
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::Ioc,
            post_only: false,
            reduce_only: false,
            price: Price(1),
            qty: Qty(1),
        }
    }

    /// Of a signal that was decoded, published, seen, emitted, checked and handed over so many
    /// nanoseconds after the tick.
    fn command(number: u64, at: [u64; 6]) -> Command {
        let [decoded, published, seen, emitted, checked, issued] = at.map(|ns| TICK.plus(ns));
        let event = Nanos(TICK.0 - 40_000);
        let signal = Signal {
            tick_ns: TICK,
            book: BookStamps::new(event, TICK, decoded, published),
            seen_ns: seen,
            emitted_ns: emitted,
            ..Signal::default()
        };
        Command {
            signal: SignalId(3),
            tick_ns: TICK,
            issued_ns: issued,
            stamps: Stamps::of(&signal, checked),
            ..Command::new(CommandKind::New(order(number)), TICK)
        }
    }

    const AT: [u64; 6] = [300, 350, 450, 700, 1_000, 1_150];

    fn report(kind: ReportKind, origin: ReportOrigin, number: u64, ns: u64) -> ExecutionReport {
        let (id, instrument) = (ClientOrderId(number), InstrumentId(1));
        let report = ExecutionReport::new(kind, origin, id, instrument);
        ExecutionReport { recv_ns: TICK.plus(ns), ..report }
    }

    /// Of each stage, how often it was recorded and its longest.
    fn recorded(market: &Market) -> Vec<(Stage, u64, u64)> {
        let view = market.view();
        let all = Stage::ALL.into_iter().map(|stage| {
            let (of_btc, of_eth) =
                (view.group_histogram(stage, VENUE, 0), view.group_histogram(stage, VENUE, 1));
            assert_eq!(of_btc.count, 0, "{stage:?}: everything here concerns the other underlying");
            (stage, of_eth.count, of_eth.max)
        });
        all.filter(|(_, count, _)| *count > 0).collect()
    }

    #[test]
    fn every_stage_of_an_order_has_its_length() {
        let market = market(Detail::All);
        let mut latency = OrderLatency::new(&market, VENUE).unwrap();
        assert!(OrderLatency::new(&market, VENUE).is_none(), "one writer");
        let [taken, encoded, handed] = [1_500, 2_100, 3_000].map(|ns| TICK.plus(ns));
        latency.on_sent(&command(7, AT), &order(7), taken, encoded, handed);
        assert_eq!(recorded(&market), [], "nothing waits for histograms");
        assert_eq!(latency.last_path().at(Stamp::Handed), handed);
        latency.flush();
        latency.on_report(&report(ReportKind::Accepted, ReportOrigin::Reply, 7, 203_000));
        latency.on_report(&report(ReportKind::Fill, ReportOrigin::Stream, 7, 403_000));
        latency.on_report(&report(ReportKind::Fill, ReportOrigin::Stream, 7, 903_000));
        let expected = [
            (Stage::See, 1, 100),
            (Stage::Decide, 1, 250),
            (Stage::Risk, 1, 300),
            (Stage::Journal, 1, 150),
            (Stage::Queue, 1, 350),
            (Stage::Encode, 1, 600),
            (Stage::Send, 1, 900),
            (Stage::TickToOrder, 1, 3_000),
            (Stage::Ack, 1, 200_000),
            (Stage::Fill, 1, 400_000),
        ];
        assert_eq!(recorded(&market), expected);
        let [worst] = market.view().worst_paths()[..] else { panic!("one path") };
        assert_eq!((worst.client_id, worst.signal), (ClientOrderId(7), SignalId(3)));
        let lengths = Stage::ALL.map(|stage| stage.of(&worst.path));
        let all = [40_000, 300, 50, 100, 250, 300, 150, 350, 600, 900, 3_000, 200_000, 400_000];
        assert_eq!(lengths[..13], all.map(Some));
        assert_eq!(lengths[13], None);
    }

    #[test]
    fn a_fill_before_any_other_word_is_both_and_our_own_words_are_none() {
        let market = market(Detail::All);
        let mut latency = OrderLatency::new(&market, VENUE).unwrap();
        for number in 1..=2 {
            let command = command(number, AT);
            latency.on_sent(&command, &order(number), TICK, TICK, TICK.plus(3_000));
        }
        latency.on_report(&report(ReportKind::Fill, ReportOrigin::Stream, 1, 5_000));
        latency.on_report(&report(ReportKind::Accepted, ReportOrigin::Reply, 1, 6_000));
        latency.on_report(&report(ReportKind::Unknown, ReportOrigin::Local, 2, 7_000));
        latency.on_report(&report(ReportKind::Accepted, ReportOrigin::Query, 2, 8_000));
        latency.on_report(&report(ReportKind::Fill, ReportOrigin::Stream, 3, 9_000));
        latency.flush();
        let rows = recorded(&market);
        assert!(rows.ends_with(&[(Stage::Ack, 1, 2_000), (Stage::Fill, 1, 2_000)]), "{rows:?}");
        // The turn came before the command in this round: it waited for nothing.
        assert!(rows.contains(&(Stage::Queue, 2, 0)), "{rows:?}");
    }

    #[test]
    fn less_detail_records_less() {
        let market = market(Detail::Order);
        let mut latency = OrderLatency::new(&market, VENUE).unwrap();
        assert!(!latency.is_on());
        let plain = Signal { tick_ns: TICK, ..Signal::default() };
        let stamps = Stamps::of(&plain, Nanos(0));
        let command = Command { stamps, ..command(1, AT) };
        latency.on_sent(&command, &order(1), Nanos(0), TICK.plus(500), TICK.plus(800));
        latency.flush();
        let expected = [(Stage::Send, 1, 300), (Stage::TickToOrder, 1, 800)];
        assert_eq!(recorded(&market), expected);
        assert_eq!(market.view().worst_paths().len(), 1);

        let market = self::market(Detail::Off);
        let mut latency = OrderLatency::new(&market, VENUE).unwrap();
        latency.on_sent(&command, &order(1), TICK, TICK, TICK.plus(800));
        latency.on_report(&report(ReportKind::Fill, ReportOrigin::Stream, 1, 5_000));
        latency.flush();
        assert_eq!(recorded(&market), []);
        assert_eq!(market.view().worst_paths(), []);
    }

    #[test]
    fn a_burst_of_orders_is_recorded_whole() {
        let market = market(Detail::All);
        let mut latency = OrderLatency::new(&market, VENUE).unwrap();
        for number in 1..=2 * ORDERS_WAITING as u64 + 3 {
            let handed_ns = TICK.plus(3_000 + number);
            latency.on_sent(&command(number, AT), &order(number), TICK, TICK, handed_ns);
            assert_eq!(latency.last_path().at(Stamp::Handed), handed_ns);
        }
        latency.flush();
        latency.flush();
        let (count, longest) = (2 * ORDERS_WAITING as u64 + 3, 3_003 + 2 * ORDERS_WAITING as u64);
        assert!(recorded(&market).contains(&(Stage::TickToOrder, count, longest)));
        assert_eq!(latency.last_path().at(Stamp::Handed), TICK.plus(longest));
    }

    #[test]
    fn what_waited_for_another_leg_is_not_among_the_worst() {
        let market = market(Detail::All);
        let mut latency = OrderLatency::new(&market, VENUE).unwrap();
        let late = Command { stamps: Stamps::NONE, ..command(1, AT) };
        latency.on_sent(&late, &order(1), TICK, TICK, TICK.plus(900_000_000));
        assert_eq!(market.view().worst_paths(), []);
        latency.flush();
        let count = recorded(&market).iter().find(|row| row.0 == Stage::Send).map(|row| row.1);
        assert_eq!(count, Some(1));
    }

    #[test]
    fn the_wire_is_measured_once_the_clocks_are_compared() {
        let market = market(Detail::All);
        let mut latency = FeedLatency::new(&market, VENUE).unwrap();
        // The venue's clock is 2 ms ahead; the event was 3 ms before its frame was here.
        let event = Nanos(TICK.0 - 1_000_000);
        let (decoded, published) = (TICK.plus(700), TICK.plus(770));
        let record = |latency: &mut FeedLatency| {
            latency.record(InstrumentId(1), event, TICK, decoded, published);
            latency.flush();
        };
        record(&mut latency);
        let expected = [(Stage::Decode, 1, 700), (Stage::Publish, 1, 70)];
        assert_eq!(recorded(&market), expected);
        assert_eq!(latency.stamps(event, TICK, decoded, published).event_ns(TICK), Nanos(0));
        latency.set_clock_offset(2_000_000);
        record(&mut latency);
        let expected =
            [(Stage::Wire, 1, 3_000_000), (Stage::Decode, 2, 700), (Stage::Publish, 2, 70)];
        assert_eq!(recorded(&market), expected);
        let stamps = latency.stamps(event, TICK, decoded, published);
        assert_eq!(stamps.event_ns(TICK), Nanos(TICK.0 - 3_000_000));
        assert_eq!(stamps.published_ns(TICK), published);
    }

    #[test]
    fn costs_are_found_with_a_clock_that_runs() {
        let market = market(Detail::All);
        measure_costs(&market, &Clock::manual(TICK));
        assert_eq!(market.view().measuring().per_order_ns(), 0);
        measure_costs(&market, &Clock::new());
        let measuring = market.view().measuring();
        assert!((500..5_000_000).contains(&measuring.clock_ps), "{measuring:?}");
        assert!((100..5_000_000).contains(&measuring.record_ps), "{measuring:?}");
    }
}
