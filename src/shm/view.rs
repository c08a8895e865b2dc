//! The market file from the readers' side.

use super::account::{self, BalanceRow, MarginRow, OrderCounters, PnlRow, PositionRow};
use super::books::{Best, BookReader, Depth};
use super::duty::{self, ThreadRow};
use super::health::{self, VenueHealth};
use super::latency::{self, GROUPS, Groups, Measuring, Stage};
use super::layout::{GROUP_AT, MARKET_MAGIC, MarketCounts, MarketLayout, Section, pair_shape};
use super::limits::{self, BudgetLimit, PlainLimits, PositionLimit, StrategyLimit};
use super::pairs::PairReader;
use super::perpetuals;
use super::trades::TradeReader;
use super::worst::{self, PathRow};
use super::{RegionError, gates, header, instruments, map, market};
use crate::sync::words::ReadWords;
use crate::sync::{broadcast, changes, histogram, seqlock};
use crate::types::{
    AssetId, BookState, InstrumentId, InstrumentTable, Nanos, Perpetual, StrategyId, VenueId,
};
use std::path::Path;
use std::sync::Arc;

/// Reads the market file, from any thread or process. Clones share everything.
#[derive(Clone, Debug)]
pub struct MarketView {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    words: ReadWords,
    table: Arc<InstrumentTable>,
    counts: MarketCounts,
    books: Vec<BookReader>,
    trades: Vec<TradeReader>,
    perpetuals: Vec<seqlock::Reader>,
    /// By venue.
    changes: Vec<changes::Reader>,
    positions: Vec<seqlock::Reader>,
    /// By venue, then asset.
    balances: Vec<seqlock::Reader>,
    pnl: Vec<seqlock::Reader>,
    margins: Vec<seqlock::Reader>,
    counters: Vec<seqlock::Reader>,
    limits: Vec<seqlock::Reader>,
    /// By asset.
    underlying_limits: Vec<seqlock::Reader>,
    instrument_limits: Vec<seqlock::Reader>,
    strategy_limits: Vec<seqlock::Reader>,
    /// By strategy, then venue.
    budgets: Vec<seqlock::Reader>,
    gates: Vec<seqlock::Reader>,
    pairs: Vec<PairReader>,
    feeds: Vec<seqlock::Reader>,
    executors: Vec<seqlock::Reader>,
    threads: Vec<seqlock::Reader>,
    agents: Vec<seqlock::Reader>,
    /// By venue, then group, then stage.
    latency: Vec<histogram::Reader>,
    /// By venue, a hundred each.
    worst: Vec<seqlock::Reader>,
    groups: Groups,
}

impl MarketView {
    /// Opens `dir/market` read-only.
    pub fn attach(dir: &Path) -> Result<Self, RegionError> {
        let path = market::path(dir);
        let words = map::open_read_only(&path)?;
        let counts = MarketCounts::from_words(header::check(&words, MARKET_MAGIC, &path)?);
        let corrupt = |what| RegionError::Corrupt { path: path.clone(), what };
        let layout = MarketLayout::new(counts).map_err(corrupt)?;
        header::check_length(&words, layout.len, &path)?;
        let table = read_table(&words, &layout);
        let table = table.ok_or_else(|| corrupt("its table of instruments"))?;
        let groups = read_groups(&words, &layout);
        let groups = groups.ok_or_else(|| corrupt("its groups of instruments"))?;
        Ok(Self::new(words, &layout, Arc::new(table), groups))
    }

    pub(super) fn new(
        words: ReadWords,
        layout: &MarketLayout,
        table: Arc<InstrumentTable>,
        groups: Groups,
    ) -> Self {
        let shape = layout.trade_shape();
        let trades = parts(&words, &layout.trades).enumerate().map(|(index, part)| {
            let ring = broadcast::Reader::new(part, shape);
            TradeReader::new(InstrumentId(index as u16), ring)
        });
        let depth = layout.counts.depth as usize;
        let values = |section| parts(&words, section).map(seqlock::Reader::new).collect();
        let shared = Shared {
            books: parts(&words, &layout.books).map(|part| BookReader::new(depth, &part)).collect(),
            trades: trades.collect(),
            perpetuals: values(&layout.perpetuals),
            changes: parts(&words, &layout.changes)
                .map(|part| changes::Reader::new(part, layout.change_shape()))
                .collect(),
            positions: values(&layout.positions),
            balances: values(&layout.balances),
            pnl: values(&layout.pnl),
            margins: values(&layout.margins),
            counters: values(&layout.counters),
            limits: values(&layout.limits),
            underlying_limits: values(&layout.underlying_limits),
            instrument_limits: values(&layout.instrument_limits),
            strategy_limits: values(&layout.strategy_limits),
            budgets: values(&layout.budgets),
            gates: values(&layout.gates),
            pairs: parts(&words, &layout.pairs)
                .map(|part| PairReader(broadcast::Reader::new(part, pair_shape())))
                .collect(),
            feeds: values(&layout.feeds),
            executors: values(&layout.executors),
            threads: values(&layout.threads),
            agents: values(&layout.agents),
            latency: parts(&words, &layout.heads)
                .zip(parts(&words, &layout.latency))
                .map(|(head, body)| histogram::Reader::new(head, body))
                .collect(),
            worst: values(&layout.worst),
            groups,
            counts: layout.counts,
            table,
            words: words.clone(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Mark price, index and funding of a perpetual; nothing but defaults before its feed has heard
    /// of them, or if they cannot be read.
    #[inline]
    #[must_use]
    pub fn perpetual(&self, instrument: InstrumentId) -> Perpetual {
        let reader = self.shared.perpetuals.get(instrument.index());
        reader.and_then(perpetuals::perpetual).unwrap_or_default()
    }

    /// Top of book; state [`BookState::Empty`] before the first one, and [`BookState::Stale`]
    /// without prices if it cannot be read (unknown instrument, writer dead in the middle of a
    /// write).
    #[inline]
    #[must_use]
    pub fn best(&self, instrument: InstrumentId) -> Best {
        let book = self.shared.books.get(instrument.index());
        let best = book.and_then(|book| book.best().ok());
        best.unwrap_or(Best { state: BookState::Stale, ..Best::default() })
    }

    /// How often the top of this book was published: for busy polling. Changes while a write is
    /// under way are seen once it is complete.
    #[inline]
    #[must_use]
    pub fn version(&self, instrument: InstrumentId) -> u64 {
        self.shared.books.get(instrument.index()).map_or(0, BookReader::version)
    }

    /// Depth of a book; without levels, as [`MarketView::best`], if it cannot be read.
    #[inline]
    pub fn depth(&self, instrument: InstrumentId, depth: &mut Depth) {
        let book = self.shared.books.get(instrument.index());
        if book.is_none_or(|book| book.depth(depth).is_err()) {
            depth.clear(BookState::Stale);
        }
    }

    /// Prints of one instrument from now on.
    #[must_use]
    pub fn trades(&self, instrument: InstrumentId) -> Option<TradeReader> {
        self.shared.trades.get(instrument.index()).map(TradeReader::starting_now)
    }

    /// Books and prints of one venue that change from now on.
    pub(crate) fn changes(&self, venue: VenueId) -> Option<changes::Reader> {
        let mut reader = self.shared.changes.get(usize::from(venue.0)).cloned()?;
        reader.skip_to_end();
        Some(reader)
    }

    /// What became of signals with a contract, from the oldest that is still there.
    #[must_use]
    pub fn pairs(&self) -> Option<PairReader> {
        let mut reader = self.shared.pairs.first().cloned()?;
        reader.0.rewind();
        Some(reader)
    }

    /// The instruments and assets.
    #[must_use]
    pub fn instruments(&self) -> &Arc<InstrumentTable> {
        &self.shared.table
    }

    /// How many venues the region speaks of.
    #[must_use]
    pub fn venues(&self) -> usize {
        self.shared.counts.venues as usize
    }

    /// Levels a side that the region holds.
    #[must_use]
    pub fn depth_limit(&self) -> usize {
        self.shared.counts.depth as usize
    }

    /// Positions that were ever set.
    #[must_use]
    pub fn positions(&self) -> Vec<PositionRow> {
        let rows = self.shared.positions.iter().enumerate();
        rows.filter_map(|(index, row)| account::position(InstrumentId(index as u16), row)).collect()
    }

    /// Position in one instrument, if it was ever set.
    #[must_use]
    pub fn position(&self, instrument: InstrumentId) -> Option<PositionRow> {
        account::position(instrument, self.shared.positions.get(instrument.index())?)
    }

    /// Balances that were ever set.
    #[must_use]
    pub fn balances(&self) -> Vec<BalanceRow> {
        let assets = self.shared.counts.assets as usize;
        let rows = self.shared.balances.iter().enumerate();
        rows.filter_map(|(index, row)| {
            let (venue, asset) =
                (VenueId((index / assets) as u8), AssetId((index % assets) as u16));
            account::balance(venue, asset, row)
        })
        .collect()
    }

    /// Profit and loss by quote asset, where ever set.
    #[must_use]
    pub fn pnl(&self) -> Vec<PnlRow> {
        let rows = self.shared.pnl.iter().enumerate();
        rows.filter_map(|(index, row)| account::pnl(AssetId(index as u16), row)).collect()
    }

    /// What venues have stated that there is to trade perpetuals with.
    #[must_use]
    pub fn margins(&self) -> Vec<MarginRow> {
        let assets = self.shared.counts.assets as usize;
        let rows = self.shared.margins.iter().enumerate();
        rows.filter_map(|(index, row)| {
            let (venue, asset) =
                (VenueId((index / assets) as u8), AssetId((index % assets) as u16));
            account::margin(venue, asset, row)
        })
        .collect()
    }

    /// What the oms has counted.
    #[must_use]
    pub fn counters(&self) -> OrderCounters {
        self.shared.counters.first().map(account::counters).unwrap_or_default()
    }

    /// The limits in force that are about no single underlying or instrument; `None` before the oms
    /// has said them.
    #[must_use]
    pub fn limits(&self) -> Option<PlainLimits> {
        limits::plain(self.shared.limits.first()?)
    }

    /// The limits in force on the positions in underlyings, where the oms has said them.
    #[must_use]
    pub fn underlying_limits(&self) -> Vec<(AssetId, PositionLimit)> {
        let rows = self.shared.underlying_limits.iter().enumerate();
        rows.filter_map(|(index, row)| Some((AssetId(index as u16), limits::position(row)?)))
            .collect()
    }

    /// The same of single instruments.
    #[must_use]
    pub fn instrument_limits(&self) -> Vec<(InstrumentId, PositionLimit)> {
        let rows = self.shared.instrument_limits.iter().enumerate();
        rows.filter_map(|(index, row)| Some((InstrumentId(index as u16), limits::position(row)?)))
            .collect()
    }

    /// The limits in force on the orders of strategies, where the oms has said them.
    #[must_use]
    pub fn strategy_limits(&self) -> Vec<(StrategyId, StrategyLimit)> {
        let rows = self.shared.strategy_limits.iter().enumerate();
        rows.filter_map(|(index, row)| Some((StrategyId(index as u8), limits::strategy(row)?)))
            .collect()
    }

    /// The capital of strategies at venues, where the oms has said it.
    #[must_use]
    pub fn budgets(&self) -> Vec<(StrategyId, VenueId, BudgetLimit)> {
        let venues = self.venues();
        let rows = self.shared.budgets.iter().enumerate();
        rows.filter_map(|(index, row)| {
            let (strategy, venue) =
                (StrategyId((index / venues) as u8), VenueId((index % venues) as u8));
            Some((strategy, venue, limits::budget(row)?))
        })
        .collect()
    }

    /// Health of one venue; "down" if the region does not know it.
    #[must_use]
    pub fn health(&self, venue: VenueId) -> VenueHealth {
        let index = usize::from(venue.0);
        VenueHealth {
            feed: self.shared.feeds.get(index).map(health::feed).unwrap_or_default(),
            executor: self.shared.executors.get(index).map(health::executor).unwrap_or_default(),
            gate: self.shared.gates.get(index).map(gates::gate).unwrap_or_default(),
        }
    }

    /// Duty cycles of the threads that poll agents.
    #[must_use]
    pub fn threads(&self) -> Vec<ThreadRow> {
        duty::rows(&self.shared.threads, &self.shared.agents)
    }

    /// One stage at one venue over all groups; empty if the region does not know the venue.
    #[must_use]
    pub fn histogram(&self, stage: Stage, venue: VenueId) -> histogram::Snapshot {
        let mut all = histogram::Snapshot::default();
        (0..GROUPS).for_each(|group| all.merge(&self.group_histogram(stage, venue, group)));
        all
    }

    /// The part of one group in it.
    #[must_use]
    pub fn group_histogram(
        &self,
        stage: Stage,
        venue: VenueId,
        group: usize,
    ) -> histogram::Snapshot {
        let index = latency::index(stage, venue, group, self.venues());
        let reader = index.and_then(|index| self.shared.latency.get(index));
        reader.map(histogram::Reader::snapshot).unwrap_or_default()
    }

    /// Names of the groups that latency is told apart by; an empty one for one that is not used.
    #[must_use]
    pub fn groups(&self) -> &[String; GROUPS] {
        &self.shared.groups.names
    }

    /// Which of the groups an instrument is in.
    #[must_use]
    pub fn group_of(&self, instrument: InstrumentId) -> Option<usize> {
        self.shared.groups.of.get(instrument.index()).map(|group| usize::from(*group))
    }

    /// The worst paths of all venues, the longest first.
    #[must_use]
    pub fn worst_paths(&self) -> Vec<PathRow> {
        let mut rows: Vec<PathRow> = self.shared.worst.iter().filter_map(worst::read).collect();
        rows.sort_by_key(|row| (std::cmp::Reverse(row.total_ns()), row.client_id));
        rows
    }

    /// How much is measured, and what that costs.
    #[must_use]
    pub fn measuring(&self) -> Measuring {
        header::measuring(&self.shared.words)
    }

    /// When the engine last said that it lives.
    #[must_use]
    pub fn heartbeat(&self) -> Nanos {
        header::heartbeat(&self.shared.words)
    }

    /// Since then; before it has ever said so, since the start.
    #[must_use]
    pub fn silence_ns(&self, now: Nanos) -> u64 {
        let beat = self.heartbeat();
        now.since(if beat == Nanos(0) { self.started() } else { beat })
    }

    /// How the engine tells the time: counter and nanoseconds of its anchor, nanoseconds of 2^44
    /// counts. Strategies in other processes tell the same time by it.
    #[must_use]
    pub fn clock(&self) -> [u64; 3] {
        header::clock(&self.shared.words)
    }

    /// Whether the engine stops: there are no new orders any more.
    #[inline]
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        header::is_stopping(&self.shared.words)
    }

    /// Process of the engine.
    #[must_use]
    pub fn pid(&self) -> u32 {
        header::pid(&self.shared.words)
    }

    /// When the engine started.
    #[must_use]
    pub fn started(&self) -> Nanos {
        header::started(&self.shared.words)
    }

    /// Whether the engine has ended in good order.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        header::has_ended(&self.shared.words)
    }
}

/// The records of a section, one handle each.
fn parts<'a>(words: &'a ReadWords, section: &'a Section) -> impl Iterator<Item = ReadWords> + 'a {
    (0..).map_while(|index| section.record(index)).map(|range| words.slice(range))
}

/// The groups of an attached file; `None` if they make no sense.
fn read_groups(words: &ReadWords, layout: &MarketLayout) -> Option<Groups> {
    let mut names: [String; GROUPS] = Default::default();
    for (name, part) in names.iter_mut().zip(parts(words, &layout.groups)) {
        let words: [u64; instruments::ASSET_WORDS] = std::array::from_fn(|word| part.load(word));
        if words != [0; instruments::ASSET_WORDS] {
            instruments::decode_asset(&words)?.as_str().clone_into(name);
        }
    }
    let of = parts(words, &layout.instruments).map(|part| u8::try_from(part.load(GROUP_AT)).ok());
    let of: Arc<[u8]> = of.collect::<Option<_>>()?;
    of.iter().all(|group| usize::from(*group) < GROUPS).then_some(Groups { of, names })
}

/// The tables of an attached file; `None` if they make no sense.
fn read_table(words: &ReadWords, layout: &MarketLayout) -> Option<InstrumentTable> {
    let mut table = InstrumentTable::default();
    for (index, part) in parts(words, &layout.assets).enumerate() {
        let name = instruments::decode_asset(&std::array::from_fn(|word| part.load(word)))?;
        // A name that comes twice would shift all after it.
        (table.assets.intern(name.as_str()).index() == index).then_some(())?;
    }
    for part in parts(words, &layout.instruments) {
        let row = instruments::decode(&std::array::from_fn(|word| part.load(word)))?;
        let assets = table.assets.len();
        let known = row.base.index() < assets && row.quote.index() < assets;
        (known && u64::from(row.venue.0) < layout.counts.venues).then_some(())?;
        table.add(row);
    }
    Some(table)
}
