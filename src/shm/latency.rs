//! Latency histograms in the region: one per stage, venue and group of instruments; and what
//! measuring costs.
//!
//! A group is an underlying (base asset): the first seven that the instruments name have one each,
//! all others share one. Groups that nothing is recorded for cost no memory.

use crate::sync::histogram;
use crate::types::{AssetId, Detail, InstrumentId, InstrumentTable, Path, Stamp, VenueId};
use std::sync::Arc;

/// A stretch of a tick's way through the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Stage {
    /// The venue's time of the event, on our clock, until the frame's last byte was read; only where
    /// the venue tells a time. Good to half a round trip of the clock's probe. Feed.
    Wire = 0,
    /// Last byte read until decoded and applied to the book. Feed.
    Decode = 1,
    /// Decoded until published. Feed; for every book, whether or not anybody acts on it.
    Publish = 2,
    /// Published until the strategy had read it. This and all up to `Fill`: executor, per order.
    See = 3,
    /// Read until the signal was emitted.
    Decide = 4,
    /// Emitted until the orders had passed every limit.
    Risk = 5,
    /// Limits passed until the intents were on record and the commands handed over.
    Journal = 6,
    /// Handed over until the executor took the command.
    Queue = 7,
    /// Taken until the order was encoded and signed.
    Encode = 8,
    /// Signed until its bytes were given to the kernel: framing and encryption.
    Send = 9,
    /// Last byte of the causing frame read until the order's bytes were given to the kernel.
    TickToOrder = 10,
    /// Bytes given to the kernel until the venue's first word about the order was read.
    Ack = 11,
    /// Bytes given to the kernel until the first fill was read.
    Fill = 12,
    /// First to last leg of one signal given to the kernel. Oms, as venue 0.
    LegSkew = 13,
}

impl Stage {
    /// How many there are.
    pub const COUNT: usize = 14;

    /// All of them, in the order of a tick's way.
    pub const ALL: [Stage; Self::COUNT] = [
        Stage::Wire,
        Stage::Decode,
        Stage::Publish,
        Stage::See,
        Stage::Decide,
        Stage::Risk,
        Stage::Journal,
        Stage::Queue,
        Stage::Encode,
        Stage::Send,
        Stage::TickToOrder,
        Stage::Ack,
        Stage::Fill,
        Stage::LegSkew,
    ];

    /// Name for people and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Wire => "wire",
            Self::Decode => "decode",
            Self::Publish => "publish",
            Self::See => "see",
            Self::Decide => "decide",
            Self::Risk => "risk",
            Self::Journal => "journal",
            Self::Queue => "queue",
            Self::Encode => "encode",
            Self::Send => "send",
            Self::TickToOrder => "tick_to_order",
            Self::Ack => "ack",
            Self::Fill => "fill",
            Self::LegSkew => "leg_skew",
        }
    }

    /// The stamps that it lies between; `None` for the one that concerns several orders.
    #[must_use]
    pub fn ends(self) -> Option<(Stamp, Stamp)> {
        Some(match self {
            Self::Wire => (Stamp::Event, Stamp::Received),
            Self::Decode => (Stamp::Received, Stamp::Decoded),
            Self::Publish => (Stamp::Decoded, Stamp::Published),
            Self::See => (Stamp::Published, Stamp::Seen),
            Self::Decide => (Stamp::Seen, Stamp::Emitted),
            Self::Risk => (Stamp::Emitted, Stamp::Checked),
            Self::Journal => (Stamp::Checked, Stamp::Journaled),
            Self::Queue => (Stamp::Journaled, Stamp::Taken),
            Self::Encode => (Stamp::Taken, Stamp::Encoded),
            Self::Send => (Stamp::Encoded, Stamp::Handed),
            Self::TickToOrder => (Stamp::Received, Stamp::Handed),
            Self::Ack => (Stamp::Handed, Stamp::Acked),
            Self::Fill => (Stamp::Handed, Stamp::Filled),
            Self::LegSkew => return None,
        })
    }

    /// Its length on a path in nanoseconds; `None` where one of its ends is not known.
    #[inline]
    #[must_use]
    pub fn of(self, path: &Path) -> Option<u64> {
        let (from, to) = self.ends()?;
        path.between(from, to)
    }
}

/// How many groups of instruments there are, the last of which is for all others.
pub const GROUPS: usize = 8;
/// The last.
const OTHERS: u8 = GROUPS as u8 - 1;
/// Its name.
pub(super) const OTHERS_NAME: &str = "other";

/// Order of the words below; part of the layout's hash.
pub(super) const FIELDS: &str = "groups: name4; by venue, group, stage: count sum !min max -4 | buckets; \
    measuring: detail clock_ps record_ps";

/// Number of a histogram, by venue, then group, then stage: what one venue never records for one
/// group lies together.
pub(super) fn index(stage: Stage, venue: VenueId, group: usize, venues: usize) -> Option<usize> {
    let venue = usize::from(venue.0);
    let known = venue < venues && group < GROUPS;
    known.then_some((venue * GROUPS + group) * Stage::COUNT + stage as usize)
}

/// Which group each instrument is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Groups {
    /// By instrument.
    pub(super) of: Arc<[u8]>,
    /// Names of the groups that exist; an empty one for one that does not.
    pub(super) names: [String; GROUPS],
}

impl Groups {
    /// By the order in which the instruments name their underlyings.
    pub(super) fn new(table: &InstrumentTable) -> Self {
        let mut bases: Vec<AssetId> = Vec::new();
        let mut names: [String; GROUPS] = Default::default();
        let mut group = |base: AssetId| {
            let found = bases.iter().position(|known| *known == base);
            let number = found.unwrap_or(bases.len());
            let others = number >= usize::from(OTHERS);
            if found.is_none() && !others {
                bases.push(base);
                table.assets.name(base).clone_into(&mut names[number]);
            }
            if others {
                OTHERS_NAME.clone_into(&mut names[usize::from(OTHERS)]);
            }
            number.min(usize::from(OTHERS)) as u8
        };
        let of = table.iter().map(|row| group(row.base)).collect();
        Self { of, names }
    }
}

/// The histograms of one stage and venue, for whoever records it.
#[derive(Debug)]
pub struct StageWriter {
    groups: Vec<histogram::Writer>,
    of: Arc<[u8]>,
}

impl StageWriter {
    /// One writer a group.
    pub(super) fn new(groups: Vec<histogram::Writer>, of: Arc<[u8]>) -> Self {
        Self { groups, of }
    }

    /// Counts one duration in nanoseconds under the group of this instrument.
    #[inline]
    pub fn record(&mut self, instrument: InstrumentId, ns: u64) {
        let group = self.of.get(instrument.index()).copied().unwrap_or(OTHERS);
        if let Some(group) = self.groups.get_mut(usize::from(group)) {
            group.record(ns);
        }
    }
}

/// How much is measured and what that costs, measured at the start of the engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measuring {
    /// How much.
    pub detail: Detail,
    /// One reading of the clock, picoseconds; 0 if it was not measured.
    pub clock_ps: u64,
    /// One record in a histogram, picoseconds; 0 if it was not measured.
    pub record_ps: u64,
}

impl Measuring {
    /// Readings of the clock per order that are there for measuring alone: after decoding and
    /// publishing, when the strategy had read the book and emitted, when the limits were passed.
    /// The others serve the engine as well.
    const READINGS: [u64; 3] = [0, 0, 5];
    /// Records per order: without `Wire`, `LegSkew` and the feed's for books that nobody acts on.
    const RECORDS: [u64; 3] = [0, 5, 13];

    /// What measuring costs per order, nanoseconds, from frame to fill.
    #[must_use]
    pub fn per_order_ns(&self) -> u64 {
        let detail = self.detail as usize;
        let (readings, records) = (Self::READINGS[detail], Self::RECORDS[detail]);
        let cost = readings.saturating_mul(self.clock_ps);
        cost.saturating_add(records.saturating_mul(self.record_ps)) / 1_000
    }
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;
    use crate::types::Instrument;

    #[test]
    fn every_stage_has_its_place_and_its_ends() {
        for (number, stage) in Stage::ALL.into_iter().enumerate() {
            assert_eq!(stage as usize, number);
        }
        for (number, stamp) in Stamp::ALL.into_iter().enumerate() {
            assert_eq!(stamp as usize, number);
        }
        // From the event to the kernel the stages follow each other without a gap.
        let way = &Stage::ALL[..=Stage::Send as usize];
        for pair in way.windows(2) {
            assert_eq!(pair[0].ends().unwrap().1, pair[1].ends().unwrap().0, "{pair:?}");
        }
        assert_eq!(index(Stage::Wire, VenueId(1), 2, 2), Some((8 + 2) * 14));
        assert_eq!(index(Stage::LegSkew, VenueId(1), 7, 2), Some(2 * 8 * 14 - 1));
        assert_eq!(index(Stage::Wire, VenueId(2), 0, 2), None);
        assert_eq!(index(Stage::Wire, VenueId(0), 8, 2), None);
    }

    #[test]
    fn the_first_seven_underlyings_have_a_group_each() {
        let mut table = InstrumentTable::default();
        for name in ["A", "B", "A", "C", "D", "E", "F", "G", "H", "I", "G"] {
            let base = table.assets.intern(name);
            table.add(Instrument { base, ..Instrument::default() });
        }
        let groups = Groups::new(&table);
        assert_eq!(*groups.of, [0, 1, 0, 2, 3, 4, 5, 6, 7, 7, 6]);
        assert_eq!(groups.names, ["A", "B", "C", "D", "E", "F", "G", "other"]);
        let none = Groups::new(&InstrumentTable::default());
        assert_eq!(none.names, [""; 8]);
    }

    #[test]
    fn what_measuring_costs_depends_on_what_is_measured() {
        let all = Measuring { detail: Detail::All, clock_ps: 9_000, record_ps: 2_500 };
        assert_eq!(all.per_order_ns(), (5 * 9_000 + 13 * 2_500) / 1_000);
        assert_eq!(Measuring { detail: Detail::Order, ..all }.per_order_ns(), 5 * 2_500 / 1_000);
        assert_eq!(Measuring { detail: Detail::Off, ..all }.per_order_ns(), 0);
    }
}
