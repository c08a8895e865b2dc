//! The market file from the engine's side: making it and handing out its writers.

use super::account::AccountWriter;
use super::books::BookWriter;
use super::duty::DutyWriter;
use super::health::{ExecutorHealthWriter, FeedHealthWriter, HealthWriter};
use super::latency::{self, GROUPS, Groups, Measuring, Stage, StageWriter};
use super::layout::{GROUP_AT, MARKET_MAGIC, MarketCounts, MarketLayout, PID_AT, Section};
use super::limits::LimitWriters;
use super::map::{self, Lock, Named, NewFile};
use super::pairs::PairWriter;
use super::perpetuals::PerpetualWriter;
use super::trades::TradeWriter;
use super::view::MarketView;
use super::worst::{WORST_PATHS, WorstWriter};
use super::{RegionError, header, instruments, layout};
use crate::sync::words::Words;
use crate::sync::{broadcast, changes, histogram, seqlock};
use crate::types::{Detail, InstrumentId, InstrumentTable, Nanos, VenueId};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Sizes of the market file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegionOptions {
    /// Levels a side, at most [`super::DEPTH_MAX`].
    pub depth: usize,
    /// Prints kept per instrument, rounded up to a power of two.
    pub trades: usize,
    /// Strategies that will have a file.
    pub strategies: usize,
    /// Threads that will poll agents.
    pub threads: usize,
    /// Agents on all of them.
    pub agents: usize,
    /// How much is measured.
    pub detail: Detail,
}

impl Default for RegionOptions {
    fn default() -> Self {
        let detail = Detail::default();
        Self { depth: 20, trades: 1024, strategies: 1, threads: 1, agents: 8, detail }
    }
}

/// Which writer was handed out: its section and number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Role {
    Book(InstrumentId),
    Trades(InstrumentId),
    Perpetual(InstrumentId),
    Account,
    Pairs,
    Health(VenueId),
    Thread(usize),
    Agent(usize),
    Stage(Stage, VenueId),
    Worst(VenueId),
}

/// The engine's side of the market file. Hands out each writer once; dropping it says that the
/// engine has ended and removes the file's name. Writers and readers keep the memory alive.
#[derive(Debug)]
pub struct Market {
    words: Words,
    layout: MarketLayout,
    view: MarketView,
    groups: Groups,
    taken: Mutex<BTreeSet<Role>>,
    _named: Option<Named>,
    /// The instance's directory, locked while it lives.
    _lock: Option<Lock>,
}

/// Path of the market file of an instance.
pub(super) fn path(dir: &Path) -> PathBuf {
    dir.join("market")
}

impl Market {
    /// Makes `dir/market`, replacing what an ended instance left there. A directory that a living
    /// instance uses is refused.
    pub fn create(
        dir: &Path,
        instruments: &InstrumentTable,
        options: &RegionOptions,
    ) -> Result<Self, RegionError> {
        let contents = Contents::new(instruments, options)?;
        let path = path(dir);
        map::make_dir(dir)?;
        let Some(lock) = Lock::take(map::open_dir(dir)?, dir)? else {
            let pid = map::open_read_only(&path).map_or(0, |words| words.load(PID_AT) as u32);
            return Err(RegionError::InUse { path: dir.to_owned(), pid });
        };
        let new = NewFile::create(&path, contents.layout.len)?;
        contents.write(&new.words);
        let (words, named) = new.publish()?;
        Ok(Self::new(words, contents, instruments, Some(named), Some(lock)))
    }

    /// The same without a file, for tests and simulation.
    pub fn in_memory(
        instruments: &InstrumentTable,
        options: &RegionOptions,
    ) -> Result<Self, RegionError> {
        let contents = Contents::new(instruments, options)?;
        let words = Words::heap(contents.layout.len);
        contents.write(&words);
        Ok(Self::new(words, contents, instruments, None, None))
    }

    fn new(
        words: Words,
        contents: Contents,
        instruments: &InstrumentTable,
        named: Option<Named>,
        lock: Option<Lock>,
    ) -> Self {
        let Contents { layout, groups, .. } = contents;
        let table = Arc::new(instruments.clone());
        let view = MarketView::new(words.reader(), &layout, table, groups.clone());
        let taken = Mutex::new(BTreeSet::new());
        Self { words, layout, view, groups, taken, _named: named, _lock: lock }
    }

    /// A reader of this region.
    #[must_use]
    pub fn view(&self) -> MarketView {
        self.view.clone()
    }

    /// Says that the engine lives.
    pub fn beat(&self, now: Nanos) {
        header::beat(&self.words, now);
    }

    /// Says that the engine stops: strategies in other processes cannot know it otherwise.
    pub fn stop(&self) {
        header::stop(&self.words);
    }

    /// Says how the engine tells the time, for [`MarketView::clock`].
    pub fn set_clock(&self, anchor: [u64; 3]) {
        header::set_clock(&self.words, anchor);
    }

    /// The words of a record, if it exists and its writer was not handed out before.
    fn take(&self, role: Role, section: &Section, index: usize) -> Option<Words> {
        let range = section.record(index)?;
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.insert(role).then(|| self.words.slice(range))
    }

    /// The writer of one book; `None` the second time.
    pub fn book_writer(&self, instrument: InstrumentId) -> Option<BookWriter> {
        let role = Role::Book(instrument);
        let words = self.take(role, &self.layout.books, instrument.index())?;
        let changes = self.change_writer(instrument)?;
        Some(BookWriter::new(instrument, self.layout.counts.depth as usize, &words, changes))
    }

    /// The log of an instrument's venue, which all writers of its books and prints append to.
    fn change_writer(&self, instrument: InstrumentId) -> Option<changes::Writer> {
        let venue = self.view.instruments().get(instrument)?.venue;
        let range = self.layout.changes.record(usize::from(venue.0))?;
        Some(changes::Writer::new(self.words.slice(range), self.layout.change_shape()))
    }

    /// The writer of one instrument's prints; `None` the second time.
    pub fn trade_writer(&self, instrument: InstrumentId) -> Option<TradeWriter> {
        let role = Role::Trades(instrument);
        let words = self.take(role, &self.layout.trades, instrument.index())?;
        let ring = broadcast::Writer::new(words, self.layout.trade_shape());
        Some(TradeWriter::new(instrument, ring, self.change_writer(instrument)?))
    }

    /// The writer of one perpetual's mark price and funding; `None` the second time.
    pub fn perpetual_writer(&self, instrument: InstrumentId) -> Option<PerpetualWriter> {
        let role = Role::Perpetual(instrument);
        let words = self.take(role, &self.layout.perpetuals, instrument.index())?;
        Some(PerpetualWriter::new(instrument, seqlock::Writer::new(words)))
    }

    /// The writer of the account; `None` the second time.
    pub fn account_writer(&self) -> Option<AccountWriter> {
        let counters = self.take(Role::Account, &self.layout.counters, 0)?;
        let all = |section: &Section| {
            let ranges = (0..).map_while(|index| section.record(index));
            ranges.map(|range| seqlock::Writer::new(self.words.slice(range))).collect()
        };
        let layout = &self.layout;
        let plain = self.words.slice(layout.limits.record(0)?);
        Some(AccountWriter {
            positions: all(&layout.positions),
            balances: all(&layout.balances),
            pnl: all(&layout.pnl),
            margins: all(&layout.margins),
            counters: seqlock::Writer::new(counters),
            limits: LimitWriters {
                plain: seqlock::Writer::new(plain),
                underlyings: all(&layout.underlying_limits),
                instruments: all(&layout.instrument_limits),
                strategies: all(&layout.strategy_limits),
                budgets: all(&layout.budgets),
            },
            gates: all(&layout.gates),
        })
    }

    /// The writer of what became of signals with a contract; `None` the second time.
    pub fn pair_writer(&self) -> Option<PairWriter> {
        let words = self.take(Role::Pairs, &self.layout.pairs, 0)?;
        Some(PairWriter(broadcast::Writer::new(words, layout::pair_shape())))
    }

    /// The writers of one venue's health, for its feed and its executor; `None` the second time.
    pub fn health_writer(&self, venue: VenueId) -> Option<HealthWriter> {
        let index = usize::from(venue.0);
        let feed = self.take(Role::Health(venue), &self.layout.feeds, index)?;
        let executor = self.words.slice(self.layout.executors.record(index)?);
        Some(HealthWriter {
            feed: FeedHealthWriter(seqlock::Writer::new(feed)),
            executor: ExecutorHealthWriter(seqlock::Writer::new(executor)),
        })
    }

    /// The writer of one thread's duty cycle. Its agents have the numbers from `first` on among all
    /// agents; `names` are theirs, in the order in which they are polled. `None` for a thread or an
    /// agent that has a writer or that there is no room for.
    pub fn duty_writer(
        &self,
        thread: usize,
        cpu: Option<usize>,
        first: usize,
        names: &[String],
    ) -> Option<DutyWriter> {
        let row = self.take(Role::Thread(thread), &self.layout.threads, thread)?;
        let agents = names.iter().enumerate().map(|(at, name)| {
            let index = first + at;
            let words = self.take(Role::Agent(index), &self.layout.agents, index)?;
            Some((seqlock::Writer::new(words), name.as_str()))
        });
        let agents = agents.collect::<Option<_>>()?;
        Some(DutyWriter::new(thread, cpu, seqlock::Writer::new(row), agents))
    }

    /// The writer of one stage's histograms of one venue; `None` the second time.
    pub fn stage_writer(&self, stage: Stage, venue: VenueId) -> Option<StageWriter> {
        let venues = self.layout.counts.venues as usize;
        let first = latency::index(stage, venue, 0, venues)?;
        self.take(Role::Stage(stage, venue), &self.layout.heads, first)?;
        let groups = (0..GROUPS).map(|group| {
            let index = latency::index(stage, venue, group, venues)?;
            let head = self.words.slice(self.layout.heads.record(index)?);
            let body = self.words.slice(self.layout.latency.record(index)?);
            Some(histogram::Writer::new(head, body))
        });
        Some(StageWriter::new(groups.collect::<Option<_>>()?, self.groups.of.clone()))
    }

    /// The writer of one venue's worst paths; `None` the second time.
    pub fn worst_writer(&self, venue: VenueId) -> Option<WorstWriter> {
        let first = usize::from(venue.0) * WORST_PATHS;
        self.take(Role::Worst(venue), &self.layout.worst, first)?;
        let slot = |index| self.layout.worst.record(first + index);
        let slots = (0..WORST_PATHS).map_while(slot);
        let writers = slots.map(|range| seqlock::Writer::new(self.words.slice(range)));
        Some(WorstWriter::new(writers.collect()))
    }

    /// How much is measured.
    #[must_use]
    pub fn detail(&self) -> Detail {
        self.view.measuring().detail
    }

    /// Says what measuring was found to cost: a reading of the clock and a record in a histogram,
    /// picoseconds.
    pub fn set_measuring_costs(&self, clock_ps: u64, record_ps: u64) {
        let measuring = Measuring { clock_ps, record_ps, ..self.view.measuring() };
        header::set_measuring(&self.words, &measuring);
    }
}

impl Drop for Market {
    fn drop(&mut self) {
        header::end(&self.words);
    }
}

/// Everything that a market file holds when it is new, checked before the file is made.
struct Contents {
    layout: MarketLayout,
    instruments: Vec<[u64; instruments::WORDS]>,
    assets: Vec<[u64; instruments::ASSET_WORDS]>,
    groups: Groups,
    group_names: Vec<[u64; instruments::ASSET_WORDS]>,
    detail: Detail,
}

impl Contents {
    fn new(table: &InstrumentTable, options: &RegionOptions) -> Result<Self, RegionError> {
        let counts = MarketCounts {
            instruments: table.len() as u64,
            venues: instruments::venues(table),
            assets: table.assets.len() as u64,
            depth: options.depth as u64,
            trades: options.trades as u64,
            strategies: options.strategies as u64,
            threads: options.threads as u64,
            agents: options.agents as u64,
        };
        let error = |what: String| RegionError::Options { what };
        let layout = MarketLayout::new(counts).map_err(|what| error(what.to_owned()))?;
        let too_long =
            |name: &str| error(format!("the name {name:?} is too long or not printable ASCII"));
        let instruments = table
            .iter()
            .map(|row| instruments::encode(row).ok_or_else(|| too_long(&row.name)))
            .collect::<Result<_, _>>()?;
        let assets = (0..table.assets.len())
            .map(|index| table.assets.name(crate::types::AssetId(index as u16)))
            .map(|name| instruments::encode_asset(name).ok_or_else(|| too_long(name)))
            .collect::<Result<_, _>>()?;
        let groups = Groups::new(table);
        let group_names = groups
            .names
            .iter()
            .map(|name| match name.as_str() {
                "" => Some([0; instruments::ASSET_WORDS]),
                name => instruments::encode_asset(name),
            })
            .collect::<Option<_>>()
            .ok_or_else(|| error("the name of a group is too long".to_owned()))?;
        let detail = options.detail;
        Ok(Self { layout, instruments, assets, groups, group_names, detail })
    }

    fn write(&self, words: &Words) {
        header::write(words, MARKET_MAGIC, &self.layout.counts.words());
        for (index, row) in self.instruments.iter().enumerate() {
            put(words, &self.layout.instruments, index, row);
        }
        for (index, row) in self.assets.iter().enumerate() {
            put(words, &self.layout.assets, index, row);
        }
        for (index, row) in self.group_names.iter().enumerate() {
            put(words, &self.layout.groups, index, row);
        }
        for (index, group) in self.groups.of.iter().enumerate() {
            if let Some(range) = self.layout.instruments.record(index) {
                words.store(range.start + GROUP_AT, u64::from(*group));
            }
        }
        let measuring = Measuring { detail: self.detail, ..Measuring::default() };
        header::set_measuring(words, &measuring);
        header::complete(words);
    }
}

fn put(words: &Words, section: &Section, index: usize, row: &[u64]) {
    let range = section.record(index).expect("the layout was made for these counts");
    for (at, word) in range.zip(row) {
        words.store(at, *word);
    }
}
