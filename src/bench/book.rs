//! The book: levels applied, the best of them published to the region, the top read by a strategy.
//!
//! Recorded depth in its order where there is a recording, else a seeded imitation. The first message
//! fills the book and is not counted.

use super::decoding::{Decoding, DepthMessage, made_depth};
use super::{BenchOptions, Capture, Measured, Timer};
use crate::book::{Ladder, LadderOptions};
use crate::shm::{BookWriter, Market, MarketView, RegionOptions};
use crate::types::{
    BookStamps, BookState, DepthKind, Instrument, InstrumentId, InstrumentTable, Nanos, Price,
    TopOfBook,
};
use std::hint::black_box;

/// Levels a side that are published.
const DEPTH: usize = 20;
/// Reads that are timed together: one is shorter than the clock's own noise.
const READS: u64 = 8;

/// Depth messages of a recording, or made ones.
pub fn depth_messages(options: &BenchOptions) -> Result<Vec<DepthMessage>, String> {
    let Some(path) = &options.capture else { return Ok(made_depth(options.events.max(2))) };
    let capture = Capture::load(path)?;
    let messages = Decoding::of(&capture)?.depth(&capture);
    match messages.len() {
        0 | 1 => Err(format!("{}: not enough depth messages", path.display())),
        _ => Ok(messages),
    }
}

/// A ladder and where it is published.
struct Shown {
    ladder: Ladder,
    writer: BookWriter,
    view: MarketView,
    /// Keeps the region.
    _market: Market,
}

impl Shown {
    fn new() -> Result<Self, String> {
        let mut table = InstrumentTable::default();
        table.add(Instrument::default());
        let options = RegionOptions { depth: DEPTH, ..RegionOptions::default() };
        let market = Market::in_memory(&table, &options).map_err(|error| error.to_string())?;
        let writer = market.book_writer(InstrumentId(0)).ok_or("the region has no book")?;
        Ok(Self {
            ladder: Ladder::new(
                Price(1),
                LadderOptions { shown_levels: DEPTH, ..LadderOptions::default() },
            ),
            writer,
            view: market.view(),
            _market: market,
        })
    }

    #[inline]
    fn apply(&mut self, message: &DepthMessage) {
        if message.update.kind != DepthKind::Delta {
            self.ladder.clear();
        }
        self.ladder.apply_all(&message.bids, &message.asks);
        black_box((self.ladder.best_bid(), self.ladder.best_ask()));
    }

    /// All of it, as the feed does.
    #[inline]
    fn publish(&mut self, sequence: u64) {
        let (state, now) = (BookState::Live, Nanos(sequence));
        let top = TopOfBook {
            instrument: InstrumentId(0),
            sequence,
            bid: self.ladder.best_bid().unwrap_or_default(),
            ask: self.ladder.best_ask().unwrap_or_default(),
            event_ns: now,
        };
        self.writer.announce_top(&top, state, now, BookStamps::new(now, now, now, now));
        let (bids, asks) = self.ladder.best_levels();
        self.writer.publish_depth(bids, asks, state, sequence, now, now, now);
    }

    /// What a strategy looks at before it decides.
    #[inline]
    fn read(&self) -> u64 {
        let best = self.view.best(black_box(InstrumentId(0)));
        black_box((best.bid, best.ask, best.is_live()));
        best.age(black_box(Nanos(u64::MAX)))
    }
}

/// Measures a book.
pub fn book(options: &BenchOptions) -> Result<Measured, String> {
    let messages = depth_messages(options)?;
    let mut measured = Measured::default();
    // On a thread of its own, so that the caller's stays where it may run.
    std::thread::scope(|scope| {
        let run = scope.spawn(|| -> Result<(), String> {
            if let Some(&cpu) = options.cpus.first() {
                crate::agents::pin(cpu)?;
            }
            let timer = Timer::new();
            for _ in 0..options.runs {
                one_run(&timer, &messages, &mut measured)?;
            }
            Ok(())
        });
        run.join().map_err(|_| "a thread of the benchmark panicked".to_owned())?
    })?;
    let levels: usize = messages.iter().skip(1).map(DepthMessage::len).sum();
    let mean = levels as f64 / (messages.len() - 1) as f64;
    measured.values.push(("levels_per_message".to_owned(), mean));
    if options.capture.is_none() {
        measured.notes.push("made depth: --capture FILE measures with a recording".to_owned());
    }
    Ok(measured)
}

fn one_run(
    timer: &Timer,
    messages: &[DepthMessage],
    measured: &mut Measured,
) -> Result<(), String> {
    let mut shown = Shown::new()?;
    let mut rows: [Vec<(u64, u64)>; 4] =
        std::array::from_fn(|_| Vec::with_capacity(messages.len()));
    let (first, rest) = messages.split_first().ok_or("no depth messages")?;
    shown.apply(first);
    shown.publish(0);
    for (number, message) in rest.iter().enumerate() {
        let levels = message.len() as u64;
        let (ps, ()) = timer.time(|| shown.apply(message));
        if levels > 0 && message.update.kind == DepthKind::Delta {
            rows[0].push((ps / levels, levels));
            rows[1].push((ps, 1));
        }
        let (ps, ()) = timer.time(|| shown.publish(number as u64 + 1));
        rows[2].push((ps, 1));
        let (ps, age) = timer.time(|| (0..READS).fold(0, |sum: u64, _| sum ^ shown.read()));
        black_box(age);
        rows[3].push((ps / READS, 1));
    }
    let names = [
        ("level", "one level of a depth message applied: its message's time / its levels"),
        ("message", "one depth message applied"),
        ("publish", "best 20 levels a side and the top of book: from the book into the region"),
        ("read", "top of book with its state and age, by a strategy, same CPU"),
    ];
    for ((name, what), row) in names.into_iter().zip(rows) {
        let series = measured.series(name, what);
        series.begin();
        row.into_iter().for_each(|(ps, count)| series.record_many(ps, count));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_and_message_of_a_made_sequence_is_counted() {
        let options = BenchOptions {
            runs: 2,
            events: 50,
            capture: None,
            cpus: Vec::new(),
            ..BenchOptions::default()
        };
        let measured = book(&options).unwrap();
        let messages = made_depth(50);
        let levels: usize = messages[1..].iter().map(DepthMessage::len).sum();
        let count = |name: &str| measured.find(name).unwrap().figure().count;
        assert_eq!((count("level"), count("message")), (2 * levels as u64, 98));
        assert_eq!((count("publish"), count("read")), (98, 98));
    }

    #[test]
    fn what_is_published_is_what_the_ladder_holds() {
        let mut shown = Shown::new().unwrap();
        for (number, message) in made_depth(30).iter().enumerate() {
            shown.apply(message);
            shown.publish(number as u64);
            let best = shown.view.best(InstrumentId(0));
            assert_eq!(Some(best.bid), shown.ladder.best_bid());
            assert_eq!(Some(best.ask), shown.ladder.best_ask());
        }
    }
}
