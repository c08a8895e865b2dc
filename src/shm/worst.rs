//! The worst paths in the region: of every venue the hundred orders that took longest from tick to
//! order, with all their stamps.
//!
//! One writer per venue, its executor. A slot is one seqlock; a path that turns out worse than the
//! best of the worst takes its place, and is completed when its acknowledgement and its fill are
//! read. A reader that meets a slot while it is written leaves it out.

use super::latency::Stage;
use crate::sync::seqlock;
use crate::types::{ClientOrderId, InstrumentId, Nanos, Path, SignalId, Stamp, StrategyId};

/// Paths kept of each venue.
pub const WORST_PATHS: usize = 100;

/// Order of the words below; part of the layout's hash.
pub(super) const FIELDS: &str = "worst: client signal|instrument<<48 event received decoded \
    published seen emitted checked journaled taken encoded handed acked filled";

const PATH_AT: usize = 2;
const SIGNAL_BITS: u32 = 48;
/// Words of one path after the counter.
pub(super) const WORDS: usize = PATH_AT + Stamp::COUNT;

/// One order's way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PathRow {
    /// The order.
    pub client_id: ClientOrderId,
    /// The signal it belongs to, low 48 bits.
    pub signal: SignalId,
    /// What it trades.
    pub instrument: InstrumentId,
    /// Its stamps.
    pub path: Path,
}

impl PathRow {
    /// Who wanted it.
    #[must_use]
    pub fn strategy(&self) -> StrategyId {
        self.client_id.strategy()
    }

    /// From tick to order, nanoseconds; 0 if that is not known.
    #[must_use]
    pub fn total_ns(&self) -> u64 {
        Stage::TickToOrder.of(&self.path).unwrap_or(0)
    }

    fn words(&self) -> [u64; WORDS] {
        let mut words = [0; WORDS];
        words[0] = self.client_id.0;
        words[1] =
            self.signal.0 & ((1 << SIGNAL_BITS) - 1) | u64::from(self.instrument.0) << SIGNAL_BITS;
        words[PATH_AT..].copy_from_slice(&self.path.words());
        words
    }

    fn from_words(words: &[u64; WORDS]) -> Self {
        let [client, signal, path @ ..] = *words;
        Self {
            client_id: ClientOrderId(client),
            signal: SignalId(signal & ((1 << SIGNAL_BITS) - 1)),
            instrument: InstrumentId((signal >> SIGNAL_BITS) as u16),
            path: Path::from_words(path),
        }
    }
}

/// Keeps the worst paths of one venue.
#[derive(Debug)]
pub struct WorstWriter {
    slots: Vec<seqlock::Writer>,
    /// What the slots hold.
    rows: Vec<PathRow>,
    /// A path must take longer than this to be kept; 0 while there is room.
    threshold_ns: u64,
}

/// Where a path is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathSlot(u8);

impl WorstWriter {
    pub(super) fn new(slots: Vec<seqlock::Writer>) -> Self {
        let rows = Vec::with_capacity(slots.len());
        Self { slots, rows, threshold_ns: 0 }
    }

    /// Keeps a path if it is one of the worst. An ordinary one costs a comparison.
    #[inline]
    pub fn offer(&mut self, total_ns: u64, row: impl FnOnce() -> PathRow) -> Option<PathSlot> {
        if total_ns <= self.threshold_ns {
            return None;
        }
        self.keep(row())
    }

    #[cold]
    fn keep(&mut self, row: PathRow) -> Option<PathSlot> {
        let at = if self.rows.len() < self.slots.len() {
            self.rows.push(row);
            self.rows.len() - 1
        } else {
            self.best()?
        };
        self.rows[at] = row;
        self.write(at);
        if self.rows.len() == self.slots.len() {
            self.threshold_ns = self.best().map_or(0, |best| self.rows[best].total_ns());
        }
        u8::try_from(at).ok().map(PathSlot)
    }

    /// The one that would have to go.
    fn best(&self) -> Option<usize> {
        let rows = self.rows.iter().enumerate();
        rows.min_by_key(|(_, row)| row.total_ns()).map(|(at, _)| at)
    }

    /// A kept order has passed another point, unless another path has taken its place.
    pub fn complete(&mut self, slot: PathSlot, order: ClientOrderId, stamp: Stamp, time: Nanos) {
        let at = usize::from(slot.0);
        match self.rows.get_mut(at) {
            Some(row) if row.client_id == order => row.path.set(stamp, time),
            _ => return,
        }
        self.write(at);
    }

    fn write(&mut self, at: usize) {
        let words = self.rows[at].words();
        self.slots[at].write(|payload| payload.copy_from(0, &words));
    }
}

/// The path of a slot; `None` if it is empty or being written.
pub(super) fn read(slot: &seqlock::Reader) -> Option<PathRow> {
    let mut words = [0; WORDS];
    let (written, ()) = slot.read(|payload| payload.copy_to(0, &mut words)).ok()?;
    (written > 0).then(|| PathRow::from_words(&words))
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;
    use crate::sync::words::Words;

    fn row(number: u64, total_ns: u64) -> PathRow {
        let mut path = Path::default();
        path.set(Stamp::Received, Nanos(1_000));
        path.set(Stamp::Handed, Nanos(1_000 + total_ns));
        PathRow {
            client_id: ClientOrderId(number),
            signal: SignalId(number + 5),
            instrument: InstrumentId(3),
            path,
        }
    }

    fn table(size: usize) -> (WorstWriter, impl Fn() -> Vec<(u64, u64)>) {
        let words: Vec<Words> = (0..size).map(|_| Words::heap(WORDS + 1)).collect();
        let readers: Vec<_> =
            words.iter().map(|words| seqlock::Reader::new(words.reader())).collect();
        let writer = WorstWriter::new(words.into_iter().map(seqlock::Writer::new).collect());
        let shown = move || {
            let rows = readers.iter().filter_map(read);
            let mut rows: Vec<_> = rows.map(|row| (row.client_id.0, row.total_ns())).collect();
            rows.sort_unstable();
            rows
        };
        (writer, shown)
    }

    #[test]
    fn only_the_worst_stay() {
        let (mut writer, shown) = table(3);
        assert_eq!(shown(), []);
        for (number, total) in [(1, 50), (2, 10), (3, 30), (4, 5), (5, 10), (6, 20), (7, 90)] {
            let kept = writer.offer(total, || row(number, total)).is_some();
            assert_eq!(kept, ![4, 5].contains(&number), "{number}");
        }
        assert_eq!(shown(), [(1, 50), (3, 30), (7, 90)]);
    }

    #[test]
    fn a_path_is_completed_while_it_is_there() {
        let words = Words::heap(WORDS + 1);
        let reader = seqlock::Reader::new(words.reader());
        let mut writer = WorstWriter::new(vec![seqlock::Writer::new(words)]);
        let slot = writer.offer(10, || row(1, 10)).unwrap();
        writer.complete(slot, ClientOrderId(1), Stamp::Acked, Nanos(2_000));
        let mut expected = row(1, 10);
        expected.path.set(Stamp::Acked, Nanos(2_000));
        assert_eq!(read(&reader), Some(expected));
        let other = writer.offer(11, || row(2, 11)).unwrap();
        assert_eq!(slot, other);
        writer.complete(slot, ClientOrderId(1), Stamp::Filled, Nanos(3_000));
        assert_eq!(read(&reader), Some(row(2, 11)), "the first is gone");
    }

    #[test]
    fn a_path_survives_its_words() {
        let mut row = PathRow { signal: SignalId((1 << 48) - 1), ..row(u64::MAX - 9, 7) };
        for (number, stamp) in Stamp::ALL.into_iter().enumerate() {
            row.path.set(stamp, Nanos(u64::MAX - number as u64));
        }
        assert_eq!(PathRow::from_words(&row.words()), row);
    }
}
