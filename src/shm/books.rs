//! Books in the region: one line with the top of book, then the depth.

use crate::sync::words::{LINE, ReadWords, Words};
use crate::sync::{
    changes, rotating,
    seqlock::{self, Torn},
};
use crate::types::{BookStamps, BookState, InstrumentId, Level, Nanos, Price, Qty, TopOfBook};

/// Most levels a side that the region can hold.
pub const DEPTH_MAX: usize = 64;

/// Order of the words below; part of the layout's hash.
pub(super) const FIELDS: &str = "top: bid_price bid_qty ask_price ask_qty recv stamps \
    sequence<<8|follows<<7|state; depth: sequence<<8|state event recv published bids|asks<<32 bids asks";

/// Bit of a top's packed word: the depth of the same message is about to be published.
const FOLLOWS: u64 = 1 << 7;
/// Looks at a depth until the one that its top has announced is given up: some microseconds, far more
/// than a writer needs that is alive.
const LOOKS_MAX: usize = 64;

/// Words of the top line after its counter.
pub(super) const TOP_WORDS: usize = 7;
const DEPTH_PACKED: usize = 0;
const DEPTH_PUBLISHED: usize = 3;
const DEPTH_HEAD: usize = 5;

/// Words of a depth after its counter.
pub(super) const fn depth_words(depth: usize) -> usize {
    DEPTH_HEAD + 4 * depth
}

/// Top of book with the state that says whether it may be traded on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Best {
    /// Best bid; quantity 0 when the side is empty.
    pub bid: Level,
    /// Best ask; quantity 0 when the side is empty.
    pub ask: Level,
    /// Whether it may be traded on.
    pub state: BookState,
    /// Sequence of the message that caused it, low 56 bits.
    pub sequence: u64,
    /// When the last byte of that message was read.
    pub recv_ns: Nanos,
    /// What else is known of its way, for measuring.
    pub stamps: BookStamps,
    /// How often this top was published; the same as `MarketView::version`.
    pub changes: u64,
}

impl Best {
    /// Nanoseconds since the message behind it was received.
    #[must_use]
    pub fn age(&self, now: Nanos) -> u64 {
        now.since(self.recv_ns)
    }

    /// When it was published here; 0 if that was not measured. To a few microseconds if that was
    /// long after the message was received.
    #[must_use]
    pub fn published_ns(&self) -> Nanos {
        self.stamps.published_ns(self.recv_ns)
    }

    /// Whether the book may be traded on.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.state == BookState::Live
    }
}

/// Depth of one book. Made once and filled again and again without allocation.
#[derive(Clone, Debug)]
pub struct Depth {
    /// Whether it may be traded on.
    pub state: BookState,
    /// Sequence of the message that caused it, low 56 bits.
    pub sequence: u64,
    /// Venue's time of that message, 0 if it sent none.
    pub event_ns: Nanos,
    /// When the last byte of that message was read.
    pub recv_ns: Nanos,
    /// When it was published here.
    pub published_ns: Nanos,
    /// How often this depth was published.
    pub changes: u64,
    bids_len: usize,
    asks_len: usize,
    bids: [Level; DEPTH_MAX],
    asks: [Level; DEPTH_MAX],
}

impl Default for Depth {
    fn default() -> Self {
        Self {
            state: BookState::Empty,
            sequence: 0,
            event_ns: Nanos(0),
            recv_ns: Nanos(0),
            published_ns: Nanos(0),
            changes: 0,
            bids_len: 0,
            asks_len: 0,
            bids: [Level::default(); DEPTH_MAX],
            asks: [Level::default(); DEPTH_MAX],
        }
    }
}

impl Depth {
    /// Forgets everything; the state says that nothing here may be traded on.
    pub(super) fn clear(&mut self, state: BookState) {
        self.state = state;
        (self.bids_len, self.asks_len) = (0, 0);
        (self.sequence, self.changes) = (0, 0);
        (self.event_ns, self.recv_ns, self.published_ns) = (Nanos(0), Nanos(0), Nanos(0));
    }

    /// Bids, best first.
    #[must_use]
    pub fn bids(&self) -> &[Level] {
        &self.bids[..self.bids_len.min(DEPTH_MAX)]
    }

    /// Asks, best first.
    #[must_use]
    pub fn asks(&self) -> &[Level] {
        &self.asks[..self.asks_len.min(DEPTH_MAX)]
    }

    /// Nanoseconds since the message behind it was received.
    #[must_use]
    pub fn age(&self, now: Nanos) -> u64 {
        now.since(self.recv_ns)
    }

    /// Whether the book may be traded on.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.state == BookState::Live
    }
}

/// Everything but the levels, packed: sequence in the upper 56 bits, state in the lowest byte.
fn pack(sequence: u64, state: BookState) -> u64 {
    sequence << 8 | u64::from(state as u8)
}

fn unpack(word: u64) -> (u64, BookState) {
    (word >> 8, BookState::from_u8((word & (FOLLOWS - 1)) as u8))
}

fn words(level: &Level) -> (u64, u64) {
    (level.price.0 as u64, level.qty.0 as u64)
}

fn level((price, qty): (u64, u64)) -> Level {
    Level { price: Price(price as i64), qty: Qty(qty as i64) }
}

/// Publishes the book of one instrument.
#[derive(Debug)]
pub struct BookWriter {
    instrument: InstrumentId,
    depth: usize,
    /// What the top line holds, so that a change of state need not read it back.
    top: [u64; TOP_WORDS],
    top_writer: seqlock::Writer,
    depth_writer: rotating::Writer,
    changes: changes::Writer,
}

impl BookWriter {
    /// `words` are the book's record in the region, `changes` the log of its venue.
    pub(super) fn new(
        instrument: InstrumentId,
        depth: usize,
        words: &Words,
        changes: changes::Writer,
    ) -> Self {
        let depth_words = depth_words(depth);
        Self {
            instrument,
            depth,
            top: [0; TOP_WORDS],
            top_writer: seqlock::Writer::new(words.slice(0..LINE)),
            depth_writer: rotating::Writer::new(words.slice(LINE..words.len()), depth_words),
            changes,
        }
    }

    /// Publishes the top of book. Goes before the depth of the same message, because whoever waits
    /// for a change waits on this line.
    #[inline]
    pub fn publish_top(
        &mut self,
        top: &TopOfBook,
        state: BookState,
        recv_ns: Nanos,
        published_ns: Nanos,
    ) {
        let stamps = BookStamps::new(top.event_ns, recv_ns, published_ns, published_ns);
        self.publish_top_stamped(top, state, recv_ns, stamps);
    }

    /// The same with all stamps of the way there.
    #[inline]
    pub fn publish_top_stamped(
        &mut self,
        top: &TopOfBook,
        state: BookState,
        recv_ns: Nanos,
        stamps: BookStamps,
    ) {
        self.write_top(top, recv_ns, stamps, pack(top.sequence, state));
    }

    /// The same before the depth of the same message is published: whoever reads the depth after this
    /// top gets the depth that goes with it.
    #[inline]
    pub fn announce_top(
        &mut self,
        top: &TopOfBook,
        state: BookState,
        recv_ns: Nanos,
        stamps: BookStamps,
    ) {
        self.write_top(top, recv_ns, stamps, pack(top.sequence, state) | FOLLOWS);
    }

    #[inline]
    fn write_top(&mut self, top: &TopOfBook, recv_ns: Nanos, stamps: BookStamps, packed: u64) {
        debug_assert_eq!(top.instrument, self.instrument, "a writer has one book");
        let ((bid_price, bid_qty), (ask_price, ask_qty)) = (words(&top.bid), words(&top.ask));
        self.top = [bid_price, bid_qty, ask_price, ask_qty, recv_ns.0, stamps.word(), packed];
        self.top_writer.write(|payload| payload.copy_from(0, &self.top));
        self.changes.push(self.instrument.0);
    }

    /// Publishes the depth, best levels first; levels past the region's depth are left out. The top
    /// line is not touched: a feed knows the top from another stream, often newer.
    #[allow(clippy::too_many_arguments, reason = "they are the fields of one record")]
    #[inline]
    pub fn publish_depth(
        &mut self,
        bids: &[Level],
        asks: &[Level],
        state: BookState,
        sequence: u64,
        event_ns: Nanos,
        recv_ns: Nanos,
        published_ns: Nanos,
    ) {
        let depth = self.depth;
        let bids = bids.get(..depth).unwrap_or(bids);
        let asks = asks.get(..depth).unwrap_or(asks);
        let lens = bids.len() as u64 | (asks.len() as u64) << 32;
        let head = [pack(sequence, state), event_ns.0, recv_ns.0, published_ns.0, lens];
        self.depth_writer.write(|payload, _| {
            payload.copy_from(0, &head);
            payload.set_pairs(DEPTH_HEAD, bids, words);
            payload.set_pairs(DEPTH_HEAD + 2 * depth, asks, words);
        });
    }

    /// Changes the state of top and depth and their publish time, leaving prices, sequences and
    /// receive times as they are.
    pub fn set_state(&mut self, state: BookState, now: Nanos) {
        let [.., recv_ns, stamps, packed] = &mut self.top;
        let (recv_ns, was) = (Nanos(*recv_ns), BookStamps::from_word(*stamps));
        *stamps = was.published_again(recv_ns, now).word();
        *packed = pack(unpack(*packed).0, state);
        self.top_writer.write(|payload| payload.copy_from(0, &self.top));
        self.changes.push(self.instrument.0);
        self.depth_writer.write(|new, old| {
            new.copy_from_payload(old);
            new.set(DEPTH_PACKED, pack(unpack(old.get(DEPTH_PACKED)).0, state));
            new.set(DEPTH_PUBLISHED, now.0);
        });
    }

    /// Whose book.
    #[must_use]
    pub fn instrument(&self) -> InstrumentId {
        self.instrument
    }

    /// Levels a side that the region holds.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.depth
    }
}

/// Reads the book of one instrument.
#[derive(Clone, Debug)]
pub(super) struct BookReader {
    depth: usize,
    top: seqlock::Reader,
    depths: rotating::Reader,
}

impl BookReader {
    /// `words` are the book's record in the region.
    pub(super) fn new(depth: usize, words: &ReadWords) -> Self {
        let depth_words = depth_words(depth);
        Self {
            depth,
            top: seqlock::Reader::new(words.slice(0..LINE)),
            depths: rotating::Reader::new(words.slice(LINE..words.len()), depth_words),
        }
    }

    #[inline]
    pub(super) fn version(&self) -> u64 {
        self.top.version()
    }

    #[inline]
    pub(super) fn best(&self) -> Result<Best, Torn> {
        let mut words = [0; TOP_WORDS];
        let (changes, ()) = self.top.read(|payload| payload.copy_to(0, &mut words))?;
        let [bid_price, bid_qty, ask_price, ask_qty, recv_ns, stamps, packed] = words;
        let (sequence, state) = unpack(packed);
        Ok(Best {
            bid: level((bid_price, bid_qty)),
            ask: level((ask_price, ask_qty)),
            state,
            sequence,
            recv_ns: Nanos(recv_ns),
            stamps: BookStamps::from_word(stamps),
            changes,
        })
    }

    /// Sequence of the depth that the top has announced, 0 if it has none.
    #[inline]
    fn announced(&self) -> Result<u64, Torn> {
        let (_, packed) = self.top.read(|payload| payload.get(TOP_WORDS - 1))?;
        Ok(if packed & FOLLOWS == 0 { 0 } else { unpack(packed).0 })
    }

    /// Not older than the top that is shown, if they came with one message. On error `to` holds
    /// nonsense: the caller clears it.
    #[inline]
    pub(super) fn depth(&self, to: &mut Depth) -> Result<(), Torn> {
        let announced = self.announced()?;
        for _ in 0..LOOKS_MAX {
            self.read_depth(to)?;
            if to.sequence >= announced {
                break;
            }
            std::hint::spin_loop();
        }
        Ok(())
    }

    #[inline]
    fn read_depth(&self, to: &mut Depth) -> Result<(), Torn> {
        let limit = self.depth.min(DEPTH_MAX);
        let (changes, ()) = self.depths.read(|payload| {
            (to.sequence, to.state) = unpack(payload.get(DEPTH_PACKED));
            to.event_ns = Nanos(payload.get(1));
            to.recv_ns = Nanos(payload.get(2));
            to.published_ns = Nanos(payload.get(DEPTH_PUBLISHED));
            // A torn read may give any length; the bound keeps it inside until it is thrown away.
            let lens = payload.get(4);
            to.bids_len = (lens as u32 as usize).min(limit);
            to.asks_len = ((lens >> 32) as usize).min(limit);
            let bids = payload.pairs(DEPTH_HEAD, to.bids_len);
            to.bids.iter_mut().zip(bids).for_each(|(to, pair)| *to = level(pair));
            let asks = payload.pairs(DEPTH_HEAD + 2 * self.depth, to.asks_len);
            to.asks.iter_mut().zip(asks).for_each(|(to, pair)| *to = level(pair));
        })?;
        to.changes = changes;
        Ok(())
    }
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;
    use crate::sync::rotating;

    fn book(depth: usize) -> (BookWriter, BookReader, Words) {
        let words = Words::heap(LINE + rotating::size(depth_words(depth)));
        let reader = BookReader::new(depth, &words.reader());
        (BookWriter::new(InstrumentId(3), depth, &words, changes::log(64).0), reader, words)
    }

    fn at(price: i64, qty: i64) -> Level {
        Level { price: Price(price), qty: Qty(qty) }
    }

    fn top(number: i64) -> TopOfBook {
        TopOfBook {
            instrument: InstrumentId(3),
            sequence: number as u64,
            bid: at(number, number + 1),
            ask: at(number + 2, number + 3),
            event_ns: Nanos(9),
        }
    }

    #[test]
    fn the_top_comes_back_with_its_state_and_stamps() {
        let (mut writer, reader, _) = book(2);
        assert_eq!(reader.best(), Ok(Best::default()));
        assert_eq!(reader.best().unwrap().state, BookState::Empty);
        writer.publish_top(&top(100), BookState::Live, Nanos(50), Nanos(60));
        let best = reader.best().unwrap();
        let expected = Best {
            bid: at(100, 101),
            ask: at(102, 103),
            state: BookState::Live,
            sequence: 100,
            recv_ns: Nanos(50),
            stamps: BookStamps::new(Nanos(9), Nanos(50), Nanos(60), Nanos(60)),
            changes: 1,
        };
        assert_eq!(best.published_ns(), Nanos(60));
        assert_eq!(best, expected);
        assert!(best.is_live());
        assert_eq!((best.age(Nanos(75)), best.age(Nanos(10))), (25, 0));
        assert_eq!(reader.version(), 1);
    }

    #[test]
    fn depth_comes_back_and_is_cut_to_the_region() {
        let (mut writer, reader, _) = book(3);
        let bids: Vec<_> = (0..5).map(|n| at(100 - n, n + 1)).collect();
        let asks = [at(101, -7)];
        let mut depth = Depth::default();
        let (event, recv, published) = (Nanos(1), Nanos(2), Nanos(3));
        writer.publish_depth(&bids, &asks, BookState::Live, 77, event, recv, published);
        reader.depth(&mut depth).unwrap();
        assert_eq!(depth.bids(), &bids[..3]);
        assert_eq!(depth.asks(), &asks);
        assert_eq!((depth.state, depth.sequence), (BookState::Live, 77));
        assert_eq!((depth.event_ns, depth.recv_ns, depth.published_ns), (event, recv, published));
        assert_eq!((depth.changes, reader.version()), (1, 0));
        writer.publish_depth(&[], &asks, BookState::Buffering, 78, event, recv, published);
        reader.depth(&mut depth).unwrap();
        assert_eq!((depth.bids(), depth.asks()), (&[][..], &asks[..]));
        assert!(!depth.is_live());
    }

    #[test]
    fn a_change_of_state_reaches_top_and_depth_and_keeps_the_prices() {
        let (mut writer, reader, _) = book(3);
        let (bids, asks) = ([at(100, 1), at(99, 2)], [at(101, 3)]);
        writer.publish_top(&top(5), BookState::Live, Nanos(50), Nanos(60));
        let (event, recv, published) = (Nanos(1), Nanos(2), Nanos(3));
        writer.publish_depth(&bids, &asks, BookState::Live, 5, event, recv, published);
        let before = reader.best().unwrap();
        writer.set_state(BookState::Stale, Nanos(99));
        let best = reader.best().unwrap();
        let stamps = BookStamps::new(Nanos(9), Nanos(50), Nanos(60), Nanos(99));
        let stale = Best { state: BookState::Stale, stamps, changes: 2, ..before };
        assert_eq!((best, best.published_ns()), (stale, Nanos(99)));
        let mut depth = Depth::default();
        reader.depth(&mut depth).unwrap();
        assert_eq!((depth.state, depth.sequence), (BookState::Stale, 5));
        assert_eq!((depth.recv_ns, depth.published_ns), (Nanos(2), Nanos(99)));
        assert_eq!((depth.bids(), depth.asks()), (&bids[..], &asks[..]));
    }

    #[test]
    fn every_change_of_the_top_is_in_the_log_of_the_venue() {
        let words = Words::heap(LINE + rotating::size(depth_words(2)));
        let (log, mut changed) = changes::log(64);
        let mut writer = BookWriter::new(InstrumentId(3), 2, &words, log);
        let stamps = BookStamps::NONE;
        writer.publish_top(&top(1), BookState::Live, Nanos(50), Nanos(60));
        assert_eq!(changed.next(), Ok(Some(3)));
        writer.announce_top(&top(1), BookState::Live, Nanos(50), stamps);
        assert_eq!(changed.next(), Ok(Some(3)));
        let none = &[][..];
        writer.publish_depth(none, none, BookState::Live, 1, Nanos(0), Nanos(0), Nanos(0));
        assert_eq!(changed.next(), Ok(None), "the top has announced it");
        writer.set_state(BookState::Stale, Nanos(99));
        assert_eq!(changed.next(), Ok(Some(3)));
    }

    #[test]
    fn a_writer_dead_in_the_middle_is_an_error_for_the_top() {
        let (mut writer, reader, words) = book(2);
        writer.publish_top(&top(5), BookState::Live, Nanos(50), Nanos(60));
        words.store(0, words.load(0) + 1);
        assert_eq!(reader.best(), Err(Torn));
    }

    #[test]
    fn no_bytes_panic_the_reader() {
        let (_, reader, words) = book(3);
        let mut depth = Depth::default();
        for fill in [1, 2, 6, u64::MAX, u64::MAX - 1, 1 << 63, 0xffff_ffff_ffff_fffe] {
            (0..words.len()).for_each(|index| words.store(index, fill));
            let _ = reader.best();
            let _ = reader.depth(&mut depth);
            assert!(depth.bids().len() <= 3 && depth.asks().len() <= 3);
        }
    }

    #[test]
    fn readers_on_other_threads_never_see_a_mixed_book() {
        let rounds = if cfg!(miri) { 60 } else { 50_000 };
        let (mut writer, reader, _) = book(20);
        let thread = std::thread::spawn(move || {
            let mut depth = Depth::default();
            let mut last = 0;
            while last < rounds {
                if let Ok(best) = reader.best() {
                    let number = best.sequence as i64;
                    let same = best.bid == at(number, number + 1);
                    assert!(number == 0 || same, "{best:?}");
                }
                if reader.depth(&mut depth).is_ok() {
                    let number = depth.sequence as i64;
                    assert!(depth.sequence >= last);
                    assert_eq!(depth.bids().len() as i64, number % 21);
                    assert!(depth.bids().iter().all(|bid| *bid == at(number, number)));
                    last = depth.sequence;
                }
                std::thread::yield_now();
            }
        });
        for number in 1..=rounds as i64 {
            let bids = [at(number, number); 20];
            let bids = &bids[..(number % 21) as usize];
            writer.publish_top(&top(number), BookState::Live, Nanos(1), Nanos(2));
            let (event, recv, published) = (Nanos(1), Nanos(2), Nanos(3));
            writer.publish_depth(bids, &[], BookState::Live, number as u64, event, recv, published);
        }
        thread.join().unwrap();
    }
}

#[cfg(all(test, feature = "loom"))]
mod loom_tests {
    use super::*;
    use crate::sync::explore;

    #[test]
    fn nobody_reads_a_live_state_beside_stale_prices() {
        explore(|| {
            let words = Words::heap(LINE + rotating::size(depth_words(1)));
            let reader = BookReader::new(1, &words.reader());
            let mut writer = BookWriter::new(InstrumentId(0), 1, &words, changes::log(1).0);
            let thread = loom::thread::spawn(move || {
                let bid = Level { price: Price(7), qty: Qty(8) };
                let top = TopOfBook { sequence: 1, bid, ..TopOfBook::default() };
                writer.publish_top(&top, BookState::Live, Nanos(5), Nanos(6));
            });
            if let Ok(best) = reader.best() {
                let live = best.is_live();
                assert_eq!(live, best.changes == 1);
                assert_eq!(best.bid.price, if live { Price(7) } else { Price(0) });
            }
            thread.join().unwrap();
        });
    }
}
