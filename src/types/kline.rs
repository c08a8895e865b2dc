//! Klines: what traded within one interval of time.

use super::{Nanos, Price, Qty};
use serde::{Deserialize, Serialize};

/// Length of a kline: those that all venues have. Days begin at midnight UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(u8)]
pub enum Interval {
    /// One minute.
    M1 = 0,
    /// Three minutes.
    M3 = 1,
    /// Five minutes.
    M5 = 2,
    /// A quarter of an hour.
    M15 = 3,
    /// Half an hour.
    M30 = 4,
    /// One hour.
    H1 = 5,
    /// Four hours.
    H4 = 6,
    /// One day.
    D1 = 7,
}

const MINUTE_NS: u64 = 60_000_000_000;

impl Interval {
    /// All of them, shortest first.
    pub const ALL: [Self; 8] =
        [Self::M1, Self::M3, Self::M5, Self::M15, Self::M30, Self::H1, Self::H4, Self::D1];

    /// As configurations and most venues write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        ["1m", "3m", "5m", "15m", "30m", "1h", "4h", "1d"][self as usize]
    }

    /// From its name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|interval| interval.name() == name)
    }

    /// Minutes that it lasts.
    #[must_use]
    pub fn minutes(self) -> u64 {
        [1, 3, 5, 15, 30, 60, 240, 1_440][self as usize]
    }

    /// Nanoseconds that it lasts.
    #[must_use]
    pub fn nanos(self) -> u64 {
        self.minutes() * MINUTE_NS
    }

    /// When the interval that holds this time began.
    #[must_use]
    pub fn start_of(self, at: Nanos) -> Nanos {
        Nanos(at.0 - at.0 % self.nanos())
    }
}

/// What traded within one interval. Without a trade all four prices are the close before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kline {
    /// Begin of its interval, by the venue's clock.
    pub open_ns: Nanos,
    /// Price of the first trade.
    pub open: Price,
    /// Highest price.
    pub high: Price,
    /// Lowest price.
    pub low: Price,
    /// Price of the last trade.
    pub close: Price,
    /// Quantity traded, base units.
    pub volume: Qty,
    /// How many trades; `None` where a venue's history does not say.
    pub trades: Option<u32>,
    /// Its interval is over: it does not change any more, but for a correction.
    pub is_closed: bool,
    /// All trades of its interval are in it. Not so where the trades of its begin were not seen, or
    /// some were missed: until the venue's history corrects it, its close is the newest price that was
    /// seen, and its other prices and its volume are those of the trades that were.
    pub is_complete: bool,
}

impl Kline {
    /// The kline of an interval without trades; `before` is the close before it.
    #[must_use]
    pub fn flat(open_ns: Nanos, before: Price) -> Self {
        Self {
            open_ns,
            open: before,
            high: before,
            low: before,
            close: before,
            volume: Qty::ZERO,
            trades: Some(0),
            is_closed: false,
            is_complete: false,
        }
    }

    /// End of its interval: the first time that is not in it.
    #[must_use]
    pub fn end_ns(&self, interval: Interval) -> Nanos {
        self.open_ns.plus(interval.nanos())
    }

    /// Whether its prices contain each other as they must, and all of it is possible.
    #[must_use]
    pub fn is_sane(&self) -> bool {
        let inside = |price: Price| self.low <= price && price <= self.high;
        self.low > Price(0) && inside(self.open) && inside(self.close) && self.volume >= Qty::ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_have_names_and_begin_at_whole_ones() {
        for interval in Interval::ALL {
            assert_eq!(Interval::parse(interval.name()), Some(interval));
            let start = interval.start_of(Nanos(1_800_000_123_456_789_012));
            assert_eq!(interval.start_of(start), start);
            assert!(Nanos(1_800_000_123_456_789_012).since(start) < interval.nanos());
        }
        assert_eq!(Interval::parse("2m"), None);
        let day = Interval::D1.start_of(Nanos::from_millis(1_800_000_123_456));
        assert_eq!(day, Nanos::from_millis(1_799_971_200_000), "midnight UTC");
    }
}
