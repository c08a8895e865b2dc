//! The files of a recording, one instrument each: lines of a time in nanoseconds and a frame, in gzip.
//!
//! The first lines say whose frames these are and by which rules the venue trades; a line like them stands
//! where it has changed those, where frames are missing, and around what the venue says that is no market
//! data. What is compressed is flushed every second, so that whatever ends this program leaves files that
//! can be read up to the last second, and counts once it is. No file is ever written over.

#![forbid(unsafe_code)]

use super::tape::Tape;
use crate::agents::recorder::Taken;
use crate::sim::{StatedRules, own};
use crate::types::{Instrument, InstrumentId, InstrumentTable, Nanos, VenueId};
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};

/// When a file is full.
#[derive(Clone, Copy)]
pub(super) struct Rotation {
    /// Compressed bytes.
    pub bytes: u64,
    /// Time since its first frame.
    pub ns: u64,
}

impl Rotation {
    /// A file is never full.
    pub const NONE: Self = Self { bytes: u64::MAX, ns: u64::MAX };

    /// Whether a file is full at some time.
    pub fn is_wanted(self) -> bool {
        self.bytes != Self::NONE.bytes || self.ns != Self::NONE.ns
    }
}

/// What was written of one instrument.
#[derive(Clone, Default)]
pub(super) struct Written {
    pub instrument: String,
    pub files: Vec<PathBuf>,
    /// Of market data, as far as the disk has them: what was lost with an error is among the missing.
    pub frames: u64,
    /// Of frames, before they are compressed.
    pub bytes: u64,
    /// Of files.
    pub compressed: u64,
    pub holes: u64,
    /// Frames of all holes that were read and are missing, as far as that is known.
    pub missing: u64,
    /// Times its file could not be written.
    pub errors: u64,
    /// Times its venue has changed its rules.
    pub rule_changes: u64,
    /// Times its subscription was refused, and what the venue said the last time.
    pub refusals: u64,
    pub refused: String,
}

impl Written {
    pub fn json(&self) -> Value {
        json!({
            "instrument": self.instrument,
            "files": self.files.iter().map(|path| path.display().to_string()).collect::<Vec<_>>(),
            "frames": self.frames,
            "bytes": self.bytes,
            "compressed": self.compressed,
            "holes": self.holes,
            "missing": self.missing,
            "errors": self.errors,
            "rule_changes": self.rule_changes,
            "refusals": self.refusals,
            "refused": self.refused,
        })
    }
}

/// See the module.
pub(super) struct Files {
    folder: PathBuf,
    rotation: Rotation,
    tapes: Vec<Tape>,
    instruments: InstrumentTable,
    line: Vec<u8>,
}

/// What the writing of a message led to.
#[derive(Default)]
pub(super) struct Outcome {
    /// Books whose files begin without one, or go on behind a hole: snapshots are wanted.
    pub wanted: Vec<(VenueId, InstrumentId)>,
    /// What a person must know.
    pub complaints: Vec<String>,
}

/// A line with its time.
#[derive(Clone, Copy)]
pub(super) struct Line<'a> {
    pub at: Nanos,
    pub whole: &'a [u8],
    /// Where the time ends.
    pub text_at: usize,
    /// It is a frame of market data.
    pub is_frame: bool,
}

impl Files {
    /// Files in a folder, which is made, of the instruments that there are rules of.
    pub fn new(
        folder: &Path,
        rotation: Rotation,
        instruments: &InstrumentTable,
        rules: impl Fn(&Instrument) -> Option<StatedRules>,
    ) -> Result<Self, String> {
        std::fs::create_dir_all(folder)
            .map_err(|error| format!("{}: {error}", folder.display()))?;
        let tape = |instrument: &Instrument| {
            let place = (instrument.id, instrument.venue);
            rules(instrument).map(|rules| Tape::new(place, rules, rotation.is_wanted()))
        };
        let tapes = instruments.iter().filter_map(tape).collect();
        let (folder, instruments) = (folder.to_owned(), instruments.clone());
        Ok(Self { folder, rotation, tapes, instruments, line: Vec::new() })
    }

    /// Writes what was read.
    pub fn take(&mut self, taken: &Taken) -> Outcome {
        let mut outcome = Outcome::default();
        match taken {
            Taken::Message { venue, instruments, recv_ns, bytes } => {
                self.message(*venue, instruments, (*recv_ns, bytes), &mut outcome);
            }
            Taken::Hole { instruments, at, messages } => {
                let of = |tape: &&mut Tape| instruments.contains(&tape.id);
                for tape in self.tapes.iter_mut().filter(of) {
                    tape.hole(*at, *messages, &mut outcome);
                }
            }
            Taken::Rules { instrument, at } => {
                for tape in self.tapes.iter_mut().filter(|tape| tape.id == instrument.id) {
                    tape.restate(instrument, &self.instruments, *at, &mut outcome);
                }
            }
            Taken::Refused { instrument, answer } => {
                for tape in self.tapes.iter_mut().filter(|tape| tape.id == *instrument) {
                    tape.refused(&String::from_utf8_lossy(answer), &mut outcome);
                }
            }
        }
        outcome
    }

    fn message(
        &mut self,
        venue: VenueId,
        instruments: &[InstrumentId],
        (at, bytes): (Nanos, &[u8]),
        outcome: &mut Outcome,
    ) {
        let Self { folder, rotation, tapes, line, .. } = self;
        line.clear();
        let _ = write!(line, "{} ", at.0);
        let text_at = line.len();
        // What names no instrument concerns all of the venue, and is no market data.
        let is_frame = !instruments.is_empty();
        if is_frame {
            // Between the parts of a frame a line break is a space; within a text there is none.
            line.extend(bytes.iter().map(|byte| match byte {
                b'\n' | b'\r' => b' ',
                other => *other,
            }));
        } else {
            line.extend(own::answer(&String::from_utf8_lossy(bytes)).bytes());
        }
        line.push(b'\n');
        let line = Line { at, whole: line, text_at, is_frame };
        for tape in tapes.iter_mut().filter(|tape| tape.venue == venue) {
            if !is_frame || instruments.contains(&tape.id) {
                tape.line(line, (folder, *rotation), outcome);
            }
        }
    }

    /// What is compressed goes to the disk.
    pub fn flush(&mut self, now: Nanos) -> Outcome {
        let mut outcome = Outcome::default();
        self.tapes.iter_mut().for_each(|tape| tape.flush_due(now, &mut outcome));
        outcome
    }

    /// Ends all files.
    pub fn finish(mut self, now: Nanos) -> (Vec<Written>, Vec<String>) {
        let mut outcome = Outcome::default();
        for tape in &mut self.tapes {
            tape.close(now, &mut outcome);
            tape.settle();
        }
        (self.tapes.into_iter().map(|tape| tape.written).collect(), outcome.complaints)
    }

    /// Frames and compressed bytes so far.
    pub fn sums(&self) -> (u64, u64) {
        let sums = self.tapes.iter().map(Tape::sums);
        sums.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tape::{Open, RETRY_NS, head};
    use super::*;
    use crate::sim::survey;
    use crate::types::{Price, Qty};
    use std::fs::File;
    use std::io;

    const SECOND: u64 = 1_000_000_000;
    const BEGIN: u64 = 1_700_000_000 * SECOND;

    fn table() -> InstrumentTable {
        let mut table = InstrumentTable::default();
        for (venue, name, symbol) in
            [(0, "A/B@one", "AB"), (0, "C/B@one", "CB"), (1, "A/B@two", "AB")]
        {
            let (name, symbol) = (name.to_owned(), symbol.to_owned());
            table.add(Instrument { venue: VenueId(venue), name, symbol, ..Instrument::default() });
        }
        table
    }

    fn rules(instrument: &Instrument) -> StatedRules {
        let one = rust_decimal::Decimal::ONE;
        StatedRules { tick: one, lot: one, ..StatedRules::of("one", instrument, &table()) }
    }

    /// Files of the first so many instruments.
    fn files(folder: &Path, rotation: Rotation, first: u16) -> Files {
        let of = |instrument: &Instrument| (instrument.id.0 < first).then(|| rules(instrument));
        Files::new(folder, rotation, &table(), of).unwrap()
    }

    fn folder(name: &str) -> PathBuf {
        let name = format!("stoop-record-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&path);
        path
    }

    fn message(ids: &[u16], at: u64, text: &str) -> Taken {
        Taken::Message {
            venue: VenueId(0),
            instruments: ids.iter().map(|id| InstrumentId(*id)).collect(),
            recv_ns: Nanos(at),
            bytes: text.as_bytes().into(),
        }
    }

    fn text(path: &Path) -> String {
        let mut text = String::new();
        let file = File::open(path).unwrap();
        io::Read::read_to_string(&mut flate2::read::MultiGzDecoder::new(file), &mut text).unwrap();
        text
    }

    /// A book of the first venue in a frame that its shape tells of.
    fn book(at: u64, kind: &str, id: u64, bid: &str) -> Taken {
        let text = format!(
            r#"{{"topic":"orderbook.50.AB","type":"{kind}","data":{{"s":"AB","b":[["{bid}","2"]],"a":[["200","1"]],"u":{id},"seq":{id}}}}}"#
        );
        message(&[0], at, &text)
    }

    #[test]
    fn frames_go_to_their_instruments_and_what_names_none_is_kept_and_is_no_frame() {
        let folder = folder("instruments");
        let mut files = files(&folder, Rotation::NONE, 2);
        assert!(files.take(&message(&[0], BEGIN, "{\"a\":\n1}")).wanted.is_empty());
        assert!(files.take(&message(&[], BEGIN + 1, "p\"o\nng")).wanted.is_empty());
        files.take(&message(&[1], BEGIN + 2, "{}"));
        let hole = Taken::Hole {
            instruments: vec![InstrumentId(1)],
            at: Nanos(BEGIN + 11 * SECOND),
            messages: 7,
        };
        let outcome = files.take(&hole);
        assert_eq!(outcome.wanted, [(VenueId(0), InstrumentId(1))]);
        let said = &outcome.complaints;
        assert!(said[0].starts_with("C/B@one: 7 messages"), "{said:?}");
        let (written, complaints) = files.finish(Nanos(BEGIN + 12 * SECOND));
        assert_eq!(complaints, [""; 0]);
        assert_eq!(written.len(), 2, "what is not streamed has no file");
        let rows: Vec<_> = written
            .iter()
            .map(|row| (row.frames, row.files.len(), row.holes, row.missing))
            .collect();
        assert_eq!(rows, [(1, 1, 0, 0), (1, 1, 1, 7)]);
        let first = text(&written[0].files[0]);
        assert!(first.contains(&format!("{BEGIN} {{\"a\": 1}}\n")), "{first}");
        assert!(first.contains(r#"{"stoop":{"answer":"p\"o\nng"}}"#), "{first}");
        let found = survey(&written[1].files[0]).unwrap();
        assert_eq!((found.frames, found.holes, found.cut), (1, 1, None));
        assert_eq!(found.origin.unwrap().symbol, "CB");
        assert_eq!(found.rules, table().iter().nth(1).map(rules));
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_full_file_goes_on_until_the_next_one_can_begin_with_the_book() {
        let folder = folder("rotation");
        let rotation = Rotation { ns: 10 * SECOND, ..Rotation::NONE };
        let mut files = files(&folder, rotation, 1);
        files.take(&book(BEGIN, "delta", 5, "90"));
        // Full, but without a book.
        files.take(&book(BEGIN + 11 * SECOND, "delta", 6, "90"));
        files.take(&book(BEGIN + 12 * SECOND, "snapshot", 20, "100"));
        files.take(&book(BEGIN + 13 * SECOND, "delta", 21, "101"));
        let outcome = files.take(&book(BEGIN + 30 * SECOND, "delta", 22, "102"));
        assert!(outcome.wanted.is_empty(), "nobody asks for what is known");
        let (written, _) = files.finish(Nanos(BEGIN + 30 * SECOND));
        let row = &written[0];
        assert_eq!((row.frames, row.files.len(), row.holes), (5, 2 + 1, 0), "{:?}", row.files);
        let second = text(&row.files[1]);
        let mut lines = second.lines();
        let after = format!("\"after\":{}", BEGIN + 12 * SECOND);
        assert!(lines.next().unwrap().contains(&after), "{second}");
        assert!(lines.next().unwrap().contains("{\"rules\":{"), "{second}");
        let wanted = r#"{"book":{"asks":[["200","1"]],"bids":[["100","2"]],"id":20,"order":20}}"#;
        assert!(lines.next().unwrap().contains(wanted), "{second}");
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn rules_that_the_venue_changes_stand_where_it_did_and_where_the_next_file_begins() {
        let folder = folder("rules");
        let rotation = Rotation { ns: 10 * SECOND, ..Rotation::NONE };
        let fees = Some([rust_decimal::Decimal::ONE; 2]);
        let of = |instrument: &Instrument| {
            (instrument.id.0 < 2).then(|| StatedRules { fees, ..rules(instrument) })
        };
        let mut files = Files::new(&folder, rotation, &table(), of).unwrap();
        let changed = |id: usize, tick: i64, at: u64| {
            let mut instrument = table().iter().nth(id).unwrap().clone();
            (instrument.rules.tick_size, instrument.rules.lot_size) = (Price(tick), Qty(1));
            Taken::Rules { instrument: Box::new(instrument), at: Nanos(at) }
        };
        files.take(&book(BEGIN, "snapshot", 20, "100"));
        let said = files.take(&changed(0, 5, BEGIN + SECOND)).complaints;
        assert_eq!(said, ["A/B@one: one has changed its rules: the recording says so"]);
        files.take(&changed(1, 7, BEGIN + 2 * SECOND));
        files.take(&changed(2, 9, BEGIN + 3 * SECOND));
        files.take(&book(BEGIN + 11 * SECOND, "delta", 21, "100"));
        files.take(&message(&[1], BEGIN + 12 * SECOND, "{}"));
        let (written, _) = files.finish(Nanos(BEGIN + 30 * SECOND));
        assert_eq!(written.iter().map(|row| row.rule_changes).collect::<Vec<_>>(), [1, 1]);
        assert_eq!(written[0].json()["rule_changes"], 1);
        let ticks = |path: &Path| {
            let text = text(path);
            let stated = text.lines().filter(|line| line.contains("{\"rules\":"));
            let stated = stated.map(|line| {
                let (at, line) = line.split_once(' ').unwrap();
                let rules = serde_json::from_str::<Value>(line).unwrap()["stoop"]["rules"].clone();
                assert_eq!(rules["taker_fee"], "1", "what no list tells stays");
                (at.parse::<u64>().unwrap() - BEGIN, rules["tick"].as_str().unwrap().to_owned())
            });
            stated.collect::<Vec<_>>()
        };
        let [first, second] = &written[0].files[..] else { panic!("{:?}", written[0].files) };
        assert_eq!(ticks(first), [(0, "1".to_owned()), (SECOND, "5".to_owned())]);
        assert_eq!(ticks(second), [(11 * SECOND, "5".to_owned())]);
        assert_eq!(survey(second).unwrap().rules.unwrap().tick, rust_decimal::Decimal::from(5));
        // One without a file so far begins with them.
        assert_eq!(ticks(&written[1].files[0]), [(12 * SECOND, "7".to_owned())]);
        std::fs::remove_dir_all(folder).unwrap();
    }

    /// What a venue that is played from these files tells, in its order.
    fn told(files: &[PathBuf]) -> Vec<crate::sim::ExchangeEvent> {
        use crate::sim::{Capture, EmbeddedOptions, Flow, FlowOptions, Target, embedded, venues};
        let captures = vec![Capture { files: files.to_vec(), venue: String::new() }];
        let flow = FlowOptions { captures, once: true, ..FlowOptions::default() };
        let options = EmbeddedOptions { flow, ..EmbeddedOptions::default() };
        let wire = venues::wire(crate::venues::VENUES[2].name).unwrap();
        let name = wire.name();
        let mut made = embedded(&options, vec![wire]).unwrap().options.venues;
        let exchange = &mut made[0].exchange;
        let mut flow = Flow::new(&options.flow, &[(name, exchange.symbols().to_vec())]).unwrap();
        let start_ms = BEGIN / 1_000_000;
        flow.step(100 * SECOND, usize::MAX, &mut [Target { exchange, start_ms }]);
        exchange.take_events()
    }

    #[test]
    fn files_that_follow_each_other_are_played_as_one_and_each_of_them_alone() {
        let folder = folder("joined");
        let rotation = Rotation { ns: 10 * SECOND, ..Rotation::NONE };
        let venue = crate::venues::VENUES[2].name;
        let named = |instrument: &Instrument| {
            let text = |text: &str| text.to_owned();
            let (base, quote, settle) = (text("A"), text("B"), text("B"));
            let symbol = text("AB");
            let one =
                StatedRules { perpetual: true, base, quote, settle, symbol, ..rules(instrument) };
            StatedRules { venue: venue.to_owned(), ..one }
        };
        let of = |instrument: &Instrument| (instrument.id.0 == 0).then(|| named(instrument));
        let make = |name: &str, rotation| {
            let mut files = Files::new(&folder.join(name), rotation, &table(), of).unwrap();
            let best = |at: u64, seq: u64, bid: u64| {
                let text = format!(
                    r#"{{"topic":"orderbook.1.AB","type":"snapshot","data":{{"s":"AB","b":[["{bid}","7"]],"a":[["200","1"]],"u":{seq},"seq":{seq}}}}}"#
                );
                message(&[0], at, &text)
            };
            let trade = |at: u64| {
                let text = r#"{"topic":"publicTrade.AB","data":[{"s":"AB","S":"Sell","v":"1","p":"100","L":"x"}]}"#;
                message(&[0], at, text)
            };
            let ticker = |at: u64| {
                let text = format!(
                    r#"{{"topic":"tickers.AB","type":"delta","data":{{"symbol":"AB","fundingRate":"0.000{}","markPrice":"150"}}}}"#,
                    at % 9
                );
                message(&[0], at, &text)
            };
            files.take(&book(BEGIN, "snapshot", 10, "100"));
            // Changes, quotes between them, prints and marks: twelve seconds apart, over five files.
            for step in 1..=4 {
                let at = BEGIN + step * 12 * SECOND;
                files.take(&ticker(at));
                files.take(&best(at + 1, 10 * (step + 1) - 5, 101 + step));
                files.take(&trade(at + 2));
                let depth = book(at + 3, "delta", 10 + step, &(99 - step).to_string());
                files.take(&depth);
            }
            let (written, complaints) = files.finish(Nanos(BEGIN + 60 * SECOND));
            assert_eq!(complaints, [""; 0]);
            assert_eq!((written[0].frames, written[0].holes), (17, 0));
            written[0].files.clone()
        };
        let (rotated, whole) = (make("rotated", rotation), make("whole", Rotation::NONE));
        assert_eq!((rotated.len(), whole.len()), (5, 1));
        let wanted = told(&whole);
        assert!(wanted.len() > 9, "{wanted:?}");
        assert_eq!(told(&rotated), wanted);
        // Without one between them nothing is known behind it but what the next one begins with.
        let torn = [rotated[0].clone(), rotated[2].clone()];
        assert_ne!(told(&torn), told(&rotated[..2]));
        // Each of them alone begins with what was known.
        for at in 1..rotated.len() {
            let last = |files: &[PathBuf]| {
                let books = told(files).into_iter().rev();
                let book = |event| match event {
                    crate::sim::ExchangeEvent::Book { bids, asks, .. } => Some((bids, asks)),
                    _ => None,
                };
                books.filter_map(book).next().unwrap()
            };
            assert_eq!(last(&rotated[at..=at]), last(&rotated[..=at]), "file {at}");
        }
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn without_a_book_for_long_a_full_file_ends_all_the_same_and_one_is_asked_for() {
        let folder = folder("patience");
        let rotation = Rotation { ns: 10 * SECOND, ..Rotation::NONE };
        let mut files = files(&folder, rotation, 1);
        for (at, wanted) in [(0, 0), (10, 0), (69, 0), (70, 1), (71, 0)] {
            let outcome = files.take(&book(BEGIN + at * SECOND, "delta", at + 5, "90"));
            assert_eq!(outcome.wanted.len(), wanted, "{at}");
        }
        assert_eq!(files.finish(Nanos(BEGIN)).0[0].files.len(), 2);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_refused_subscription_is_told_once_with_venue_instrument_and_answer_and_kept() {
        let folder = folder("refused");
        let mut files = files(&folder, Rotation::NONE, 2);
        let refused = |answer: &str| Taken::Refused {
            instrument: InstrumentId(1),
            answer: answer.as_bytes().into(),
        };
        let said = files.take(&refused("no such symbol")).complaints;
        assert_eq!(said, ["one: C/B@one: the subscription was refused: no such symbol"]);
        assert!(files.take(&refused("no such symbol")).complaints.is_empty());
        files.take(&message(&[], BEGIN, "no such symbol"));
        let said = files.take(&refused("")).complaints;
        assert!(said[0].ends_with("nothing came, and the venue does not say why"), "{said:?}");
        let (written, _) = files.finish(Nanos(BEGIN));
        assert_eq!((written[1].frames, written[1].refusals), (0, 3));
        assert!(written[1].json()["refused"].as_str().unwrap().starts_with("nothing came"));
        assert_eq!(survey(&written[1].files[0]).unwrap().frames, 0);
        std::fs::remove_dir_all(folder).unwrap();
    }

    /// What is counted of frames that go to this file, which is not one of ours.
    fn written_to(path: &str) -> (u64, u64, u64, String) {
        let folder = folder(path.trim_start_matches("/dev/"));
        let mut files = files(&folder, Rotation::NONE, 1);
        let file = File::options().write(true).open(path).unwrap();
        files.tapes[0].set_open(Open::new(path.into(), file, Nanos(BEGIN)));
        let mut said = Vec::new();
        for at in 0..3 {
            said.extend(files.take(&message(&[0], BEGIN + at, "{}")).complaints);
        }
        said.extend(files.flush(Nanos(BEGIN + SECOND)).complaints);
        let flushed = files.sums().0;
        said.extend(files.flush(Nanos(BEGIN + 20 * SECOND)).complaints);
        let (written, more) = files.finish(Nanos(BEGIN + 20 * SECOND));
        said.extend(more);
        std::fs::remove_dir_all(folder).unwrap();
        (flushed, written[0].frames, written[0].missing, said.join(" "))
    }

    #[test]
    fn what_a_failing_disk_took_does_not_count() {
        let (flushed, frames, missing, said) = written_to("/dev/full");
        assert_eq!((flushed, frames, missing), (0, 0, 3), "{said}");
        assert!(said.contains("1 frames that are not on the disk are lost"), "{said}");
        // One that takes everything and then cannot keep it.
        let (flushed, frames, missing, said) = written_to("/dev/null");
        assert_eq!((flushed, frames, missing), (3, 0, 3), "{said}");
        assert!(said.contains("3 frames that are not on the disk are lost"), "{said}");
    }

    #[test]
    fn a_disk_that_takes_nothing_is_told_and_what_comes_behind_begins_with_a_hole() {
        let folder = folder("full");
        let mut files = files(&folder, Rotation::NONE, 1);
        std::fs::remove_dir_all(&folder).unwrap();
        let outcome = files.take(&message(&[0], BEGIN, "{}"));
        assert!(outcome.complaints[0].contains("A_B@one: "), "{:?}", outcome.complaints);
        // Not tried for every frame.
        assert!(files.take(&message(&[0], BEGIN + SECOND, "{}")).complaints.is_empty());
        std::fs::create_dir(&folder).unwrap();
        let outcome = files.take(&message(&[0], BEGIN + RETRY_NS, "{}"));
        assert_eq!(outcome.wanted, [(VenueId(0), InstrumentId(0))]);
        let (written, _) = files.finish(Nanos(BEGIN + 2 * RETRY_NS));
        let row = &written[0];
        assert_eq!((row.frames, row.holes, row.missing, row.errors), (1, 1, 2, 1));
        assert!(text(&row.files[0]).contains("{\"stoop\":{\"hole\":2}}"));
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_file_says_at_once_whose_it_is_or_is_not_there() {
        let folder = folder("head");
        let mut files = files(&folder, Rotation::NONE, 1);
        files.take(&message(&[0], BEGIN, "{}"));
        let path = folder.join("A_B@one-20231114T221320.gz");
        let found = survey(&path).unwrap();
        assert_eq!((found.frames, found.origin.unwrap().symbol.as_str()), (0, "AB"));
        // A file that takes nothing.
        let open = Open::new(path.clone(), File::open(&path).unwrap(), Nanos(BEGIN));
        assert!(head(open, &["{}".to_owned()], Nanos(BEGIN)).is_err());
        assert!(!path.exists());
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_quiet_instrument_is_flushed_while_another_one_never_pauses() {
        use super::super::{Progress, Taking, write};
        let folder = folder("quiet");
        let files = files(&folder, Rotation::NONE, 2);
        let clock = crate::clock::Clock::manual(Nanos(BEGIN));
        let (to, from) = std::sync::mpsc::sync_channel(64);
        let (want, _wanted) = std::sync::mpsc::channel();
        let taking = Taking::of(from);
        std::thread::scope(|scope| {
            let own = clock.clone();
            let writer =
                scope.spawn(move || write(files, &taking, &own, &Progress::default(), &want));
            to.send(message(&[0], BEGIN, "{}")).unwrap();
            let path = folder.join("A_B@one-20231114T221320.gz");
            let begun = std::time::Instant::now();
            let mut at = BEGIN;
            let mut frames = 0;
            while frames == 0 && begun.elapsed().as_secs() < 20 {
                at += SECOND / 10;
                clock.set(Nanos(at));
                to.send(message(&[1], at, "{}")).unwrap();
                std::thread::sleep(std::time::Duration::from_millis(5));
                frames = survey(&path).map_or(0, |found| found.frames);
            }
            drop(to);
            writer.join().unwrap();
            assert_eq!(frames, 1);
        });
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_file_that_is_there_is_not_written_over() {
        let folder = folder("twice");
        for text in ["1", "2"] {
            let mut files = files(&folder, Rotation::NONE, 1);
            files.take(&message(&[0], BEGIN, text));
            files.finish(Nanos(BEGIN));
        }
        let mut names: Vec<_> =
            std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["A_B@one-20231114T221320-2.gz", "A_B@one-20231114T221320.gz"]);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
