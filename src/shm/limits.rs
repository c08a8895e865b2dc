//! Limits in force, and what is used of those on positions. Written by the oms alone: a person may
//! change them at any time, so that a file does not tell them.

use super::account::AccountWriter;
use super::codec::{amount, amount_words, written};
use crate::sync::seqlock;
use crate::types::{Amount, AssetId, InstrumentId, LimitKey};

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

/// Order of the words below; part of the layout's hash.
pub(super) const FIELDS: &str = "plain: set notional2 collar_bps2 book_age_ms2 order_wait_ms2 \
    orders_per_second2 orders_open2 daily_loss2 drawdown2; position: set limit2 used2";

/// Words of each record after its counter.
pub(super) const PLAIN_WORDS: usize = 1 + 2 * COUNT;
pub(super) const POSITION_WORDS: usize = 5;

/// Writers of the limits.
#[derive(Debug)]
pub(super) struct LimitWriters {
    pub(super) plain: seqlock::Writer,
    /// By asset.
    pub(super) underlyings: Vec<seqlock::Writer>,
    pub(super) instruments: Vec<seqlock::Writer>,
}

impl AccountWriter {
    /// Publishes the limits that are about no single underlying or instrument.
    pub fn set_limits(&mut self, limits: &PlainLimits) {
        let bits = limits.0.iter().enumerate();
        let set = bits.fold(0, |set, (at, limit)| set | u64::from(limit.is_some()) << at);
        self.limits.plain.write(|payload| {
            payload.set(0, set);
            payload.set_pairs(1, &limits.0, |limit| amount_words(limit.unwrap_or_default()).into());
        });
    }

    /// Publishes the limit of one underlying. An asset unknown to the region is left out.
    pub fn set_underlying_limit(&mut self, base: AssetId, row: &PositionLimit) {
        write(self.limits.underlyings.get_mut(base.index()), row);
    }

    /// Publishes the limit of one instrument. One unknown to the region is left out.
    pub fn set_instrument_limit(&mut self, instrument: InstrumentId, row: &PositionLimit) {
        write(self.limits.instruments.get_mut(instrument.index()), row);
    }
}

fn write(writer: Option<&mut seqlock::Writer>, row: &PositionLimit) {
    let Some(writer) = writer else { return };
    writer.write(|payload| {
        payload.set(0, u64::from(row.limit.is_some()));
        let amounts = [row.limit.unwrap_or_default(), row.used];
        payload.set_pairs(1, &amounts, |amount| amount_words(*amount).into());
    });
}

/// The plain limits; `None` before the first ones.
pub(super) fn plain(reader: &seqlock::Reader) -> Option<PlainLimits> {
    let words: [u64; PLAIN_WORDS] = written(reader)?;
    let limit = |at: usize| {
        let value = amount(words[1 + 2 * at], words[2 + 2 * at]);
        (words[0] >> at & 1 == 1).then_some(value)
    };
    Some(PlainLimits(std::array::from_fn(limit)))
}

/// A limit on a position; `None` before the first one.
pub(super) fn position(reader: &seqlock::Reader) -> Option<PositionLimit> {
    let [set, low, high, used_low, used_high]: [u64; POSITION_WORDS] = written(reader)?;
    let limit = (set & 1 == 1).then_some(amount(low, high));
    Some(PositionLimit { limit, used: amount(used_low, used_high) })
}
