//! One decoder with many books behind it, and frames that are the same for any number of them: for
//! whoever counts what a frame takes.
//!
//! Every instrument has a book of its own and plays the same made frames with its own symbol. When it
//! has played all, its book starts again from the snapshot. The frame is written into one buffer right
//! before, as a socket's bytes are.

use super::DepthMessage;
use super::decoding::made_depth;
use super::frames::{Frame, FrameKind};
use crate::book::{Book, BookOptions, Outcome};
use crate::shm::{BookWriter, Market, MarketView, RegionOptions};
use crate::types::{
    BookStamps, DepthKind, Event, Events, InstrumentId, InstrumentKind, Level, Nanos, Price, Qty,
    Scale, TopOfBook,
};
use crate::venues::{FrameDecoder, find};
use std::hint::black_box;

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
    /// So many instruments.
    ///
    /// # Errors
    ///
    /// In words, if there are none or too many.
    pub fn new(instruments: usize) -> Result<Self, String> {
        let source = Source::made();
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
                        publish(shown);
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
fn publish(shown: &mut Shown) {
    let Shown { book, writer, .. } = shown;
    let (state, sequence, event_ns) = (book.state(), book.sequence(), book.event_ns());
    let top = TopOfBook {
        instrument: writer.instrument(),
        sequence,
        bid: book.ladder().best_bid().unwrap_or_default(),
        ask: book.ladder().best_ask().unwrap_or_default(),
        event_ns,
    };
    let stamps = BookStamps::new(event_ns, Nanos(2), Nanos(3), Nanos(4));
    writer.announce_top(&top, state, Nanos(2), stamps);
    let (bids, asks) = book.best_levels();
    writer.publish_depth(bids, asks, state, sequence, event_ns, Nanos(2), Nanos(4));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn books_that_played_the_same_frames_are_the_same() {
        let mut books = ManyBooks::new(3).unwrap();
        for step in 0..3 * FRAMES {
            let before = books.applied();
            books.prepare(step % 3);
            assert!(!books.play());
            assert_eq!(books.applied(), before + 1);
        }
        let [first, second, third] = [0, 1, 2].map(|at| books.view.best(InstrumentId(at)));
        assert!(first.is_live() && first.ask.qty > Qty::ZERO);
        for other in [second, third] {
            assert_eq!((first.bid, first.ask), (other.bid, other.ask));
        }
    }
}
