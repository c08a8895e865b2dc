//! What a frame costs as the work grows: one instrument on a feed, or a thousand.
//!
//! Every instrument has a book of its own and plays the same frames: recorded ones with its symbol in
//! place of the recorded one, or made ones. When it has played all, its book starts again from the
//! snapshot, which is not timed; so the frames are the same, as often, for any number of instruments.
//! The frame is written into one buffer right before, as a socket's bytes are.

use super::decoding::{Decoding, made_depth};
use super::frames::{Frame, FrameKind};
use super::{BenchOptions, Capture, DepthMessage, Measured, Timer};
use crate::book::{Book, BookOptions, Outcome};
use crate::shm::{BookWriter, Market, MarketView, RegionOptions};
use crate::types::{
    DepthKind, Event, Events, InstrumentId, InstrumentKind, Level, Nanos, Price, Qty, Scale, Side,
    TopOfBook,
};
use crate::venues::{FrameDecoder, find};
use std::fmt::Write;
use std::hint::black_box;

/// Instruments on one feed.
const COUNTS: [usize; 4] = [1, 10, 100, 1_000];
/// Frames that each of them plays before its book starts again.
const FRAMES: usize = 64;
/// Levels a side that are published.
const DEPTH: usize = 20;

/// A frame with the places of its symbol.
struct Template {
    kind: FrameKind,
    text: Vec<u8>,
    /// Where the symbol stands, and whether in small letters.
    places: Vec<(usize, bool)>,
}

impl Template {
    fn new(frame: &Frame, symbol: &str) -> Self {
        let places = |symbol: &str, small| {
            let found = frame.text.match_indices(symbol);
            found.map(move |(at, _)| (at, small)).collect::<Vec<_>>()
        };
        let mut all = places(symbol, false);
        all.extend(places(&symbol.to_lowercase(), true));
        Self { kind: frame.kind, text: frame.text.clone().into_bytes(), places: all }
    }
}

struct Shown {
    book: Book,
    writer: BookWriter,
    symbol: String,
    /// Frames played since the snapshot.
    played: usize,
}

/// Many books behind one decoder, and a strategy's eye on the one that changed.
pub struct ManyBooks {
    decoder: FrameDecoder,
    events: Events,
    books: Vec<Shown>,
    snapshot: DepthMessage,
    frames: Vec<Template>,
    frame: Vec<u8>,
    view: MarketView,
    bids: [Level; DEPTH],
    asks: [Level; DEPTH],
    applied: u64,
    /// Keeps the region.
    _market: Market,
}

/// Frames in a venue's wire format, their symbol, scale and the depth that they begin from.
struct Source {
    venue: &'static str,
    kind: InstrumentKind,
    symbol: String,
    scale: Scale,
    snapshot: DepthMessage,
    frames: Vec<Frame>,
}

impl Source {
    fn recorded(capture: &Capture) -> Result<Self, String> {
        let decoding = Decoding::of(capture)?;
        let first = capture.frames.iter().find(|frame| frame.kind == FrameKind::Snapshot);
        let first = first.cloned().ok_or("the recording has no snapshot of the depth")?;
        let symbol = capture.symbol().ok_or("the recorded messages name no symbol")?;
        let (venue, kind, scale) = (decoding.venue, capture.instrument_kind(), decoding.scale);
        let mut decoding = decoding;
        let snapshot = decoding.depth(&Capture { frames: vec![first] }).pop();
        let snapshot = snapshot.ok_or("the recorded snapshot cannot be read")?;
        let frames = capture.frames.clone();
        Ok(Self { venue, kind, symbol, scale, snapshot, frames })
    }

    /// Made depth in the combined format of the first venue.
    fn made() -> Self {
        let scale = Scale { price_decimals: 2, qty_decimals: 5 };
        let mut messages = made_depth(4 * FRAMES);
        // The market of these frames stands still: no level of one side is left behind in the other.
        let middle = 600_000;
        for message in &mut messages {
            message.bids.retain(|level| level.price.0 < middle);
            message.asks.retain(|level| level.price.0 > middle);
        }
        let mut messages = messages.into_iter();
        let snapshot = messages.next().unwrap_or_else(|| unreachable!("some were asked for"));
        let frames = messages.map(|message| made_frame(&message, scale)).collect();
        let (venue, kind) = (crate::venues::VENUES[0].name, InstrumentKind::Spot);
        Self { venue, kind, symbol: "BTCUSDT".to_owned(), scale, snapshot, frames }
    }
}

fn made_frame(message: &DepthMessage, scale: Scale) -> Frame {
    let number = |value: i64, decimals: u8| {
        let unit = 10i64.pow(u32::from(decimals));
        format!("{}.{:0width$}", value / unit, value % unit, width = usize::from(decimals))
    };
    let side = |levels: &[Level]| {
        let row = |level: &Level| {
            let price = number(level.price.0, scale.price_decimals);
            format!("[\"{price}\",\"{}\"]", number(level.qty.0, scale.qty_decimals))
        };
        levels.iter().map(row).collect::<Vec<_>>().join(",")
    };
    let (first, last) = (message.update.first_id, message.update.last_id);
    let text = format!(
        "{{\"stream\":\"btcusdt@depth@100ms\",\"data\":{{\"e\":\"depthUpdate\",\
         \"E\":1723161253937,\"s\":\"BTCUSDT\",\"U\":{first},\"u\":{last},\
         \"b\":[{}],\"a\":[{}]}}}}",
        side(&message.bids),
        side(&message.asks)
    );
    Frame { kind: FrameKind::Depth, recv_ns: 0, text }
}

/// A symbol as long as the recorded one.
fn symbol(number: usize, len: usize) -> String {
    format!("A{number:0width$}", width = len - 1)
}

impl ManyBooks {
    /// So many instruments on recorded frames, or on made ones.
    pub fn new(capture: Option<&Capture>, instruments: usize) -> Result<Self, String> {
        let source = capture.map_or_else(|| Ok(Source::made()), Source::recorded)?;
        let len = source.symbol.len();
        if instruments == 0 || len < 5 || !(source.symbol.is_ascii()) {
            return Err("no instruments, or the recorded symbol is too short".to_owned());
        }
        let symbols: Vec<String> = (0..instruments).map(|number| symbol(number, len)).collect();
        let rows: Vec<(&str, Scale)> =
            symbols.iter().map(|symbol| (symbol.as_str(), source.scale)).collect();
        let venue = find(source.venue).ok_or("the venue is not in the table")?;
        let table = FrameDecoder::table(venue, source.kind, &rows);
        let options = RegionOptions { depth: DEPTH, ..RegionOptions::default() };
        let market = Market::in_memory(&table, &options).map_err(|error| error.to_string())?;
        let decoder = FrameDecoder::new(venue, table, 1_000).map_err(|error| error.to_string())?;
        let mut books = Vec::with_capacity(instruments);
        for (number, symbol) in symbols.into_iter().enumerate() {
            let writer = market.book_writer(InstrumentId(number as _));
            let writer = writer.ok_or("the region has no book")?;
            let book = Book::new(Price(1), BookOptions::default());
            books.push(Shown { book, writer, symbol, played: 0 });
        }
        let mut this = Self {
            decoder,
            events: Events::with_capacity(64, 65_536),
            books,
            snapshot: source.snapshot,
            frames: Vec::new(),
            frame: Vec::new(),
            view: market.view(),
            bids: [Level::default(); DEPTH],
            asks: [Level::default(); DEPTH],
            applied: 0,
            _market: market,
        };
        this.choose(&source.frames, &source.symbol)?;
        (0..instruments).for_each(|at| this.restart(at));
        Ok(this)
    }

    /// Takes the first frames that continue the snapshot without a hole.
    fn choose(&mut self, frames: &[Frame], symbol: &str) -> Result<(), String> {
        self.restart(0);
        let wanted = |frame: &&Frame| matches!(frame.kind, FrameKind::Top | FrameKind::Depth);
        for frame in frames.iter().filter(wanted) {
            let template = Template::new(frame, symbol);
            self.write(&template, 0);
            let applied = self.applied;
            self.play();
            let fits = self.applied > applied;
            let begun = self.frames.iter().any(|frame| frame.kind == FrameKind::Depth);
            if fits && (begun || frame.kind == FrameKind::Depth) {
                self.frames.push(template);
            }
            if self.frames.len() == FRAMES {
                return Ok(());
            }
        }
        Err("too few frames continue the recorded snapshot".to_owned())
    }

    /// Begins the book of this instrument again from the snapshot.
    pub fn restart(&mut self, at: usize) {
        let Shown { book, played, .. } = &mut self.books[at];
        *played = 0;
        let mut update = self.snapshot.update;
        update.kind = DepthKind::Snapshot;
        book.on_depth(&update, &self.snapshot.bids, &self.snapshot.asks);
    }

    fn write(&mut self, template: &Template, at: usize) {
        self.frame.clear();
        self.frame.extend_from_slice(&template.text);
        let symbol = self.books[at].symbol.as_bytes();
        for &(place, small) in &template.places {
            let to = &mut self.frame[place..place + symbol.len()];
            to.copy_from_slice(symbol);
            if small {
                to.make_ascii_lowercase();
            }
        }
    }

    /// Makes the next frame of this instrument ready. Gives its kind.
    pub fn prepare(&mut self, at: usize) -> FrameKind {
        if self.books[at].played == self.frames.len() {
            self.restart(at);
        }
        let frames = std::mem::take(&mut self.frames);
        let template = &frames[self.books[at].played];
        self.write(template, at);
        let kind = template.kind;
        self.frames = frames;
        self.books[at].played += 1;
        kind
    }

    /// The frame that was prepared: decoded, applied, published, and looked at by a strategy. Gives
    /// whether the strategy would buy, which it would not.
    #[inline]
    pub fn play(&mut self) -> bool {
        self.events.clear();
        if self.decoder.scan(black_box(&self.frame), &mut self.events).is_none() {
            return false;
        }
        let mut changed = None;
        for at in 0..self.events.list().len() {
            match self.events.list()[at] {
                Event::Depth(update) => {
                    let Some(shown) = self.books.get_mut(update.instrument.index()) else {
                        continue;
                    };
                    let (bids, asks) = self.events.levels(&update);
                    if shown.book.on_depth(&update, bids, asks) == Outcome::Applied {
                        publish(shown, &mut self.bids, &mut self.asks);
                        (changed, self.applied) = (Some(update.instrument), self.applied + 1);
                    }
                }
                Event::Top(top) => {
                    let Some(shown) = self.books.get_mut(top.instrument.index()) else { continue };
                    shown.writer.publish_top(&top, shown.book.state(), Nanos(2), Nanos(3));
                    (changed, self.applied) = (Some(top.instrument), self.applied + 1);
                }
                _ => {}
            }
        }
        let Some(changed) = changed else { return false };
        let best = self.view.best(changed);
        best.is_live() && best.ask.qty > Qty::ZERO && best.ask.price < black_box(Price(1))
    }

    /// Frames that changed a book.
    #[must_use]
    pub fn applied(&self) -> u64 {
        self.applied
    }

    /// Frames that an instrument plays before its book begins again.
    #[must_use]
    pub fn frames(&self) -> usize {
        self.frames.len()
    }

    /// Instruments.
    #[must_use]
    pub fn len(&self) -> usize {
        self.books.len()
    }

    /// Whether there are no instruments.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.books.is_empty()
    }
}

#[inline]
fn publish(shown: &mut Shown, bids: &mut [Level], asks: &mut [Level]) {
    let Shown { book, writer, .. } = shown;
    let bid_count = book.ladder().top(Side::Buy, bids);
    let ask_count = book.ladder().top(Side::Sell, asks);
    let (bids, asks) = (&bids[..bid_count], &asks[..ask_count]);
    let (state, sequence, event_ns) = (book.state(), book.sequence(), book.event_ns());
    writer.publish_depth(bids, asks, state, sequence, event_ns, Nanos(2), Nanos(2));
    let top = TopOfBook {
        instrument: writer.instrument(),
        sequence,
        bid: bids.first().copied().unwrap_or_default(),
        ask: asks.first().copied().unwrap_or_default(),
        event_ns,
    };
    writer.publish_top(&top, state, Nanos(2), Nanos(3));
}

/// In which order the instruments' frames come.
#[derive(Clone, Copy)]
enum Order {
    RoundRobin,
    Random,
    /// Only those of one of them.
    Hot,
}

impl Order {
    const ALL: [(Self, &'static str, &'static str); 3] = [
        (Self::RoundRobin, "round_robin", "one instrument after the other"),
        (Self::Random, "random", "instruments in random order"),
        (Self::Hot, "hot", "always the same of them"),
    ];
}

/// Measures a frame with 1, 10, 100 and 1,000 instruments.
pub fn scale(options: &BenchOptions) -> Result<Measured, String> {
    let capture = options.capture.as_deref().map(Capture::load).transpose()?;
    let mut measured = Measured::default();
    std::thread::scope(|scope| {
        let run = scope.spawn(|| -> Result<(), String> {
            if let Some(&cpu) = options.cpus.first() {
                crate::agents::pin(cpu)?;
            }
            let timer = Timer::new();
            for count in COUNTS {
                let before = resident_bytes();
                let mut books = ManyBooks::new(capture.as_ref(), count)?;
                for (order, name, what) in Order::ALL {
                    play(&mut books, order, options.events / 10, |_, _| {})?;
                    for _ in 0..options.runs {
                        one_run(&timer, &mut books, (order, name, what), options, &mut measured)?;
                    }
                }
                let each = resident_bytes().saturating_sub(before) as f64 / count as f64;
                let name = format!("instruments.{count}.resident_bytes_each");
                measured.values.push((name, each));
            }
            Ok(())
        });
        run.join().map_err(|_| "a thread of the benchmark panicked".to_owned())?
    })?;
    compare(&mut measured);
    if capture.is_none() {
        let note = "made frames, no top of book: --capture FILE measures with a recording";
        measured.notes.push(note.to_owned());
    }
    Ok(measured)
}

fn one_run(
    timer: &Timer,
    books: &mut ManyBooks,
    (order, name, what): (Order, &str, &str),
    options: &BenchOptions,
    measured: &mut Measured,
) -> Result<(), String> {
    let mut times: [Vec<u64>; 2] = [Vec::new(), Vec::new()];
    let mut measure = |kind: FrameKind, books: &mut ManyBooks| {
        let (ps, bought) = timer.time(|| books.play());
        black_box(bought);
        times[usize::from(kind == FrameKind::Top)].push(ps);
    };
    let events = options.events;
    let before = books.applied;
    turns(books, order, events, |books, at| {
        let kind = books.prepare(at);
        measure(kind, books);
    });
    check(books, before, events)?;
    for (kind, times) in ["depth", "top"].into_iter().zip(times) {
        if times.is_empty() {
            continue;
        }
        let mut text = String::new();
        let _ = write!(text, "{kind} frame to the strategy, {} instruments, {what}", books.len());
        let series = measured.series(&format!("{kind}.{}.{name}", books.len()), &text);
        series.begin();
        times.into_iter().for_each(|ps| series.record(ps));
    }
    Ok(())
}

/// Plays without measuring.
fn play(
    books: &mut ManyBooks,
    order: Order,
    events: usize,
    mut note: impl FnMut(usize, bool),
) -> Result<(), String> {
    let before = books.applied;
    turns(books, order, events, |books, at| {
        books.prepare(at);
        note(at, books.play());
    });
    check(books, before, events)
}

fn check(books: &ManyBooks, before: u64, events: usize) -> Result<(), String> {
    let lost = events as u64 - (books.applied - before).min(events as u64);
    if lost > 0 { Err(format!("{lost} of {events} frames did not change a book")) } else { Ok(()) }
}

fn turns(
    books: &mut ManyBooks,
    order: Order,
    events: usize,
    mut turn: impl FnMut(&mut ManyBooks, usize),
) {
    let mut seed = 42u64;
    for event in 0..events {
        let at = match order {
            Order::RoundRobin => event % books.len(),
            Order::Hot => 0,
            Order::Random => {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (seed >> 33) as usize % books.len()
            }
        };
        turn(books, at);
    }
}

fn compare(measured: &mut Measured) {
    for kind in ["depth", "top"] {
        for (_, order, what) in Order::ALL {
            let (many, one) = (format!("{kind}.1000.{order}"), format!("{kind}.1.{order}"));
            let what = format!("{kind}: a frame of 1,000 instruments / of one, {what}");
            measured.compare(&format!("{kind}.1000_vs_1.{order}"), &what, &many, &one);
        }
    }
}

/// Memory of this process that is in use; 0 where the system does not say.
fn resident_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = pages.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or(0) * 4096
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_frame_of_every_instrument_is_counted() {
        let options = BenchOptions { runs: 2, events: 200, capture: None, cpus: Vec::new() };
        let measured = scale(&options).unwrap();
        for count in COUNTS {
            for (_, order, _) in Order::ALL {
                let series = measured.find(&format!("depth.{count}.{order}")).unwrap();
                assert_eq!(series.figure().count, 400);
            }
        }
        assert_eq!(measured.ratios.len(), 3);
        assert_eq!(measured.values.len(), COUNTS.len());
    }

    #[test]
    fn books_that_played_the_same_frames_are_the_same() {
        let mut books = ManyBooks::new(None, 3).unwrap();
        play(&mut books, Order::RoundRobin, 3 * FRAMES, |_, bought| assert!(!bought)).unwrap();
        let [first, second, third] = [0, 1, 2].map(|at| books.view.best(InstrumentId(at)));
        assert!(first.is_live() && first.ask.qty > Qty::ZERO);
        for other in [second, third] {
            assert_eq!((first.bid, first.ask), (other.bid, other.ask));
        }
    }
}
