//! The state again from its records.
//!
//! Executes every input as the oms did then, with the books that it saw then, and compares what
//! follows with what was recorded. A difference means that the records were written by an engine
//! that decides otherwise, or that the state is not a function of its inputs: either is told, never
//! passed over.

#![forbid(unsafe_code)]

use super::differences::Findings;
use super::record::{Opening, Record, Recorder};
use super::risk::BookQuote;
use super::state::{Kept, MoveError};
use super::unrecorded::Unrecorded;
use super::{Books, Oms, Output};
use crate::types::{InstrumentId, LimitKey, Nanos, Operator};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

/// Why records do not make a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Divergence {
    /// The first record is no opening and there is no earlier state.
    NoOpening,
    /// An input led to something else than it did then.
    Effects {
        /// The input, for people.
        input: String,
        /// What was recorded, for people; empty where there was nothing more.
        recorded: String,
        /// What follows now.
        replayed: String,
    },
    /// The state differs from the one whose hash was recorded.
    Hash {
        /// What was recorded.
        recorded: u64,
        /// What the records make.
        replayed: u64,
    },
    /// An opening changes the instruments in a way that its state does not bear.
    Moved(MoveError),
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoOpening => f.write_str("it does not begin with the opening of a run"),
            Self::Effects { input, recorded, replayed } => write!(
                f,
                "{input} led to {} then, and to {} now",
                or_nothing(recorded),
                or_nothing(replayed)
            ),
            Self::Hash { recorded, replayed } => {
                write!(f, "its state has hash {replayed:016x}, recorded was {recorded:016x}")
            }
            Self::Moved(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Divergence {}

fn or_nothing(text: &str) -> &str {
    if text.is_empty() { "nothing" } else { text }
}

/// A state made of records, to be looked at.
pub type Replayed = Oms<Effects, Quotes>;

/// Makes a state of records.
#[derive(Default)]
pub struct Replay {
    oms: Option<Oms<Effects, Quotes>>,
    out: Option<Output>,
    /// The input whose group is not complete yet.
    input: Option<(Nanos, Record)>,
    /// Effects that were recorded for it.
    recorded: Vec<Record>,
    inputs: u64,
    /// The last input was executed before its group was complete: what comes of it is left out.
    settled: bool,
}

impl Replay {
    /// From nothing: the first record has to be an opening.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// From the state of a snapshot, which is there at once: what comes next is told by what it changes
    /// of it.
    #[must_use]
    pub fn from(kept: Kept) -> Self {
        let mut replay = Self::default();
        replay.wake(kept);
        replay
    }

    /// Takes the next record.
    pub fn push(&mut self, now: Nanos, record: Record) -> Result<(), Divergence> {
        match record {
            Record::Quote(instrument, quote) => {
                if let Some(oms) = &mut self.oms {
                    oms.books().0.borrow_mut().push_back((instrument, quote));
                }
                Ok(())
            }
            Record::Hash(recorded) => {
                self.execute(false)?;
                let replayed = self.oms.as_ref().map_or(0, Oms::state_hash);
                if recorded == replayed {
                    return Ok(());
                }
                Err(Divergence::Hash { recorded, replayed })
            }
            record if record.is_input() => {
                // A run that ended badly may have cut its last group short.
                self.execute(matches!(record, Record::Opening(_)))?;
                if self.oms.is_none() {
                    let Record::Opening(opening) = &record else {
                        return Err(Divergence::NoOpening);
                    };
                    self.wake(Kept::before(opening));
                }
                self.input = Some((now, record));
                self.settled = false;
                Ok(())
            }
            _ if self.settled => Ok(()),
            record => {
                self.recorded.push(record);
                Ok(())
            }
        }
    }

    /// The state after everything that was pushed; `None` if there never was one. A last group may be cut
    /// short: what it led to was not sent before it was complete.
    /// Gives the number of inputs executed too.
    pub fn finish(mut self) -> Result<(Option<Kept>, u64), Divergence> {
        self.execute(true)?;
        Ok((self.oms.map(|oms| oms.kept()), self.inputs))
    }

    /// The state before the last input that was pushed; `None` if there is none.
    #[must_use]
    pub fn kept(&self) -> Option<Kept> {
        self.oms.as_ref().map(Oms::kept)
    }

    /// Executes the input whose group may not be complete yet, for those who follow a journal that is
    /// being written and look at the state now. What is pushed of its group afterwards is compared no
    /// more.
    pub fn settle(&mut self) -> Result<(), Divergence> {
        self.settled = true;
        self.execute(true)
    }

    /// The state after the inputs that were executed.
    #[must_use]
    pub fn state(&self) -> Option<&Replayed> {
        self.oms.as_ref()
    }

    fn wake(&mut self, kept: Kept) {
        self.out = Some(Output::new(&kept.opening.options));
        self.oms = Some(Oms::replayed(kept));
    }

    fn execute(&mut self, may_be_cut: bool) -> Result<(), Divergence> {
        let (Some(oms), Some(out)) = (&mut self.oms, &mut self.out) else { return Ok(()) };
        let Some((now, input)) = self.input.take() else { return Ok(()) };
        self.inputs += 1;
        out.clear();
        if let Record::Opening(opening) = &input {
            oms.reopen_as(opening).map_err(Divergence::Moved)?;
        } else if !was_refused(&input, &self.recorded) {
            oms.act(&input, now, out);
        }
        oms.books().0.borrow_mut().clear();
        let replayed = std::mem::take(&mut oms.recorder().0);
        let recorded = std::mem::take(&mut self.recorded);
        let result = compare(&input, &recorded, &replayed, may_be_cut);
        // Their memory is used again.
        (self.recorded, oms.recorder().0) = (recorded, replayed);
        self.recorded.clear();
        oms.recorder().0.clear();
        result
    }
}

/// Taking this limit away was carried out by one version; another refused it and recorded it all the same.
fn was_refused(input: &Record, recorded: &[Record]) -> bool {
    let told = input.told().map(|(_, operator)| operator);
    recorded.is_empty() && told == Some(&Operator::UnsetLimit(LimitKey::OrderWaitMaxMs))
}

fn compare(
    input: &Record,
    recorded: &[Record],
    replayed: &[Record],
    may_be_cut: bool,
) -> Result<(), Divergence> {
    let cut = may_be_cut && recorded.len() < replayed.len();
    let compared = if cut { recorded.len() } else { recorded.len().max(replayed.len()) };
    for at in 0..compared {
        let (one, other) = (recorded.get(at), replayed.get(at));
        let same = match (one, other) {
            (Some(one), Some(other)) => same(one, other),
            _ => false,
        };
        if !same {
            let text = |record: Option<&Record>| {
                record.map(|record| format!("{record:?}")).unwrap_or_default()
            };
            let (recorded, replayed) = (text(one), text(other));
            return Err(Divergence::Effects { input: format!("{input:?}"), recorded, replayed });
        }
    }
    Ok(())
}

/// Equal as bytes, which is how they are kept. An older journal does not tell a limit of 0 from none.
fn same(one: &Record, other: &Record) -> bool {
    if let (
        Record::Limit { key, before, after },
        Record::LimitSet { key: again, before: was, after: is },
    ) = (one, other)
    {
        return (key, *before, after) == (again, was.unwrap_or_default(), is);
    }
    let (mut a, mut b) = ([0; 1024], [0; 1024]);
    match (one.encode(&mut a), other.encode(&mut b)) {
        (Some(a_len), Some(b_len)) => a[..a_len] == b[..b_len],
        _ => false,
    }
}

/// Collects effects, to be compared.
#[derive(Default)]
pub struct Effects(Vec<Record>);

impl Recorder for Effects {
    fn record(&mut self, _now: Nanos, record: &Record) {
        if !record.is_input() && !matches!(record, Record::Quote(..)) {
            self.0.push(record.clone());
        }
    }
}

/// The books that were seen then, in order. One that was not recorded any more is empty, and
/// nothing is traded on it.
#[derive(Default)]
pub struct Quotes(RefCell<VecDeque<(InstrumentId, BookQuote)>>);

impl Books for Quotes {
    fn best(&self, instrument: InstrumentId) -> BookQuote {
        match self.0.borrow_mut().pop_front() {
            Some((recorded, quote)) if recorded == instrument => quote,
            _ => BookQuote::default(),
        }
    }
}

impl Oms<Effects, Quotes> {
    /// An oms in this state, to be looked at or to execute records.
    #[must_use]
    pub fn replayed(kept: Kept) -> Self {
        let Kept { opening, state } = kept;
        let Opening { options, instruments, .. } = opening;
        let instruments = Arc::new(instruments);
        let unrecorded = Unrecorded::new(options.venues.len(), &instruments);
        Self {
            options,
            instruments,
            recorder: Effects::default(),
            books: Quotes::default(),
            state,
            findings: Findings::new(),
            unrecorded,
        }
    }

    fn reopen_as(&mut self, opening: &Opening) -> Result<(), MoveError> {
        if opening.instance_start != self.state.instance_start {
            let from =
                std::mem::replace(&mut self.instruments, Arc::new(opening.instruments.clone()));
            let before = std::mem::replace(&mut self.options, opening.options.clone());
            self.state = (self.state.clone())
                .moved(&from, &self.instruments, &self.options)?
                .renumbered(&before.strategies, &self.options.strategies);
            self.reopen(opening.instance_start);
        }
        Ok(())
    }
}

impl<R: Recorder, B: Books> Oms<R, B> {
    /// Does again what an input did.
    fn act(&mut self, input: &Record, now: Nanos, out: &mut Output) {
        match input {
            // Whatever is on record was carried out.
            Record::Request(strategy, request) => self.carry_out(*strategy, request, now, out),
            Record::Report(venue, report) => self.take_report(*venue, report, now, out),
            Record::Balance(balance) => self.on_balance(balance, now),
            Record::Fee(fee) => self.on_fee(fee, now),
            Record::Position(venue, position) => self.on_position(*venue, position, now),
            Record::Funding(venue, payment) => self.on_funding(*venue, payment, now),
            Record::Margin(margin) => self.on_margin(margin, now),
            Record::Rules(id, rules, status) => self.on_rules(*id, *rules, *status, now),
            Record::Notice(venue, notice) => self.on_notice(*venue, notice, now, out),
            Record::Timer => self.take_timer(now, out),
            Record::TimerButLosses => self.take_timer_but_losses(now, out),
            Record::JournalFull(full) => self.on_journal_full(*full, now),
            Record::StrategyEnded(strategy, end) => self.on_strategy_ended(*strategy, *end, now),
            Record::KnownFills(_, known) => self.take_known_fills(*known),
            Record::RefusedUnrecorded(refused) => self.take_refused(*refused),
            Record::Operator(operator) | Record::Told(_, operator) => {
                // A refusal is the person's to read; the state is as it was.
                let _ = self.obey(operator, now, out);
            }
            _ => {}
        }
    }
}
