//! Limits in force, and what is used of those on positions, strategies and their capital. Written by
//! the oms alone: a person may change them at any time, so that a file does not tell them.

use super::account::AccountWriter;
use super::codec::{amount, amount_words, written};
use crate::sync::seqlock;
use crate::types::{Amount, AssetId, InstrumentId, LimitKey, StrategyId, VenueId};

/// The limits of [`LimitKey::PLAIN`], each in the unit of its name; `None` for one that is not set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlainLimits([Option<Amount>; COUNT]);

const COUNT: usize = LimitKey::PLAIN.len();

impl PlainLimits {
    /// As `get` tells them.
    #[must_use]
    pub fn new(get: impl Fn(LimitKey) -> Option<Amount>) -> Self {
        Self(LimitKey::PLAIN.map(get))
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, key: LimitKey) -> Option<Amount> {
        self.iter().find(|(known, _)| *known == key).and_then(|(_, limit)| limit)
    }

    /// All of them, in the order of [`LimitKey::PLAIN`].
    pub fn iter(&self) -> impl Iterator<Item = (LimitKey, Option<Amount>)> + '_ {
        LimitKey::PLAIN.into_iter().zip(self.0)
    }
}

/// The limit on the position in an underlying or an instrument, base units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PositionLimit {
    /// The limit; `None` if it is not set.
    pub limit: Option<Amount>,
    /// Largest position to either side that what is held and all working orders may make.
    pub used: Amount,
}

/// The limits on the orders of one strategy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StrategyLimit {
    /// New orders in any second; `None` if it is not set.
    pub orders_per_second: Option<Amount>,
    /// Orders open at once; `None` if it is not set.
    pub orders_open: Option<Amount>,
    /// Its orders that have not ended.
    pub open: u64,
}

/// The capital of one strategy at one venue, quote units; every quote asset counts as one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BudgetLimit {
    /// What it may use, after what was moved between venues; `None` if it is not set.
    pub limit: Option<Amount>,
    /// Cost of what it has bought and not sold, and what its working orders bind.
    pub used: Amount,
}

/// Order of the words below; part of the layout's hash.
pub(super) const FIELDS: &str = "plain: set notional2 collar_bps2 book_age_ms2 order_wait_ms2 \
    orders_per_second2 orders_open2 daily_loss2 drawdown2; position: set limit2 used2; strategy: set \
    orders_per_second2 orders_open2 open; budget: set limit2 used2";

/// Words of each record after its counter.
pub(super) const PLAIN_WORDS: usize = 1 + 2 * COUNT;
/// Of a position or a budget: whether there is a limit, the limit, what is used.
pub(super) const USED_WORDS: usize = 5;
pub(super) const STRATEGY_WORDS: usize = 6;

/// Writers of the limits.
#[derive(Debug)]
pub(super) struct LimitWriters {
    pub(super) plain: seqlock::Writer,
    /// By asset.
    pub(super) underlyings: Vec<seqlock::Writer>,
    pub(super) instruments: Vec<seqlock::Writer>,
    pub(super) strategies: Vec<seqlock::Writer>,
    /// By strategy, then venue.
    pub(super) budgets: Vec<seqlock::Writer>,
}

impl AccountWriter {
    /// Publishes the limits that are about no single underlying or instrument.
    pub fn set_limits(&mut self, limits: &PlainLimits) {
        self.limits.plain.write(|payload| {
            payload.set(0, set_bits(&limits.0));
            payload.set_pairs(1, &limits.0, |limit| amount_words(limit.unwrap_or_default()).into());
        });
    }

    /// Publishes the limit of one underlying. An asset unknown to the region is left out.
    pub fn set_underlying_limit(&mut self, base: AssetId, row: &PositionLimit) {
        write(self.limits.underlyings.get_mut(base.index()), row.limit, row.used);
    }

    /// Publishes the limit of one instrument. One unknown to the region is left out.
    pub fn set_instrument_limit(&mut self, instrument: InstrumentId, row: &PositionLimit) {
        write(self.limits.instruments.get_mut(instrument.index()), row.limit, row.used);
    }

    /// Publishes the limits on the orders of one strategy. One unknown to the region is left out.
    pub fn set_strategy_limit(&mut self, strategy: StrategyId, row: &StrategyLimit) {
        let Some(writer) = self.limits.strategies.get_mut(usize::from(strategy.0)) else { return };
        let limits = [row.orders_per_second, row.orders_open];
        writer.write(|payload| {
            payload.set(0, set_bits(&limits));
            payload.set_pairs(1, &limits, |limit| amount_words(limit.unwrap_or_default()).into());
            payload.set(5, row.open);
        });
    }

    /// Publishes the capital of one strategy at one venue. A strategy or venue unknown to the region
    /// is left out.
    pub fn set_budget(&mut self, strategy: StrategyId, venue: VenueId, row: &BudgetLimit) {
        let (venues, venue) = (self.gates.len(), usize::from(venue.0));
        if venue < venues {
            let index = usize::from(strategy.0) * venues + venue;
            write(self.limits.budgets.get_mut(index), row.limit, row.used);
        }
    }
}

/// One bit for each limit that is set, the first one lowest.
fn set_bits(limits: &[Option<Amount>]) -> u64 {
    let bits = limits.iter().enumerate();
    bits.fold(0, |set, (at, limit)| set | u64::from(limit.is_some()) << at)
}

fn write(writer: Option<&mut seqlock::Writer>, limit: Option<Amount>, used: Amount) {
    let Some(writer) = writer else { return };
    writer.write(|payload| {
        payload.set(0, set_bits(&[limit]));
        let amounts = [limit.unwrap_or_default(), used];
        payload.set_pairs(1, &amounts, |amount| amount_words(*amount).into());
    });
}

/// The plain limits; `None` before the first ones.
pub(super) fn plain(reader: &seqlock::Reader) -> Option<PlainLimits> {
    let words: [u64; PLAIN_WORDS] = written(reader)?;
    Some(PlainLimits(std::array::from_fn(|at| limit(&words, at))))
}

/// Limit number `at` of a record that begins with [`set_bits`]; `None` if it is not set.
fn limit(words: &[u64], at: usize) -> Option<Amount> {
    let value = amount(words[1 + 2 * at], words[2 + 2 * at]);
    (words[0] >> at & 1 == 1).then_some(value)
}

/// A limit on a position; `None` before the first one.
pub(super) fn position(reader: &seqlock::Reader) -> Option<PositionLimit> {
    used(reader).map(|(limit, used)| PositionLimit { limit, used })
}

/// The capital of a strategy at a venue; `None` before it was first told.
pub(super) fn budget(reader: &seqlock::Reader) -> Option<BudgetLimit> {
    used(reader).map(|(limit, used)| BudgetLimit { limit, used })
}

fn used(reader: &seqlock::Reader) -> Option<(Option<Amount>, Amount)> {
    let words: [u64; USED_WORDS] = written(reader)?;
    Some((limit(&words, 0), amount(words[3], words[4])))
}

/// The limits on the orders of a strategy; `None` before the first ones.
pub(super) fn strategy(reader: &seqlock::Reader) -> Option<StrategyLimit> {
    let words: [u64; STRATEGY_WORDS] = written(reader)?;
    let (orders_per_second, orders_open) = (limit(&words, 0), limit(&words, 1));
    Some(StrategyLimit { orders_per_second, orders_open, open: words[5] })
}
