//! What feeds and executors record of the way from tick to order, and what recording costs.
//!
//! A stage is recorded after its order has been given to the kernel, or its book published: what is
//! measured does not wait for the measuring. Nothing here decides anything.

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

    /// A book was published.
    #[inline]
    pub fn record(
        &mut self,
        instrument: InstrumentId,
        event_ns: Nanos,
        recv_ns: Nanos,
        decoded_ns: Nanos,
        published_ns: Nanos,
    ) {
        let event_ns = self.on_our_clock(event_ns);
        if event_ns.0 > 0 {
            self.wire.record(instrument, recv_ns.since(event_ns));
        }
        self.decode.record(instrument, decoded_ns.since(recv_ns));
        self.publish.record(instrument, published_ns.since(decoded_ns));
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

/// What an executor records.
pub struct OrderLatency {
    detail: Detail,
    /// In the order of [`TO_ORDER`].
    to_order: Vec<StageWriter>,
    ack: StageWriter,
    fill: StageWriter,
    worst: WorstWriter,
    sent: SentTable,
    last: Path,
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
            last: Path::default(),
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
        &self.last
    }

    /// An order's bytes were given to the kernel. `taken_ns` is when its command's turn came, 0 if
    /// that was not stamped, `encoded_ns` when it was encoded and signed.
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
        let path = path(command, taken_ns, encoded_ns, handed_ns);
        self.last = path;
        for (stage, writer) in TO_ORDER.into_iter().zip(&mut self.to_order) {
            if let Some(ns) = stage.of(&path) {
                writer.record(order.instrument, ns);
            }
        }
        let NewOrder { client_id, instrument, .. } = *order;
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
