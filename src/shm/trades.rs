//! Public prints in the region: one broadcast ring per instrument.

use crate::sync::broadcast::{self, Lapped};
use crate::sync::changes;
use crate::types::{InstrumentId, Nanos, Price, Qty, Side, Trade};

/// A public print with the time it was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Print {
    /// The print.
    pub trade: Trade,
    /// When the last byte of its message was read.
    pub recv_ns: Nanos,
}

/// Order of the words below; part of the layout's hash.
pub(super) const FIELDS: &str = "trade: price qty trade_id event recv taker";

/// Words of a print after its counter.
pub(super) const WORDS: usize = 6;

/// Publishes the prints of one instrument.
#[derive(Debug)]
pub struct TradeWriter {
    instrument: InstrumentId,
    ring: broadcast::Writer,
    changes: changes::Writer,
}

impl TradeWriter {
    /// `ring` is the instrument's ring in the region, `changes` the log of its venue.
    pub(super) fn new(
        instrument: InstrumentId,
        ring: broadcast::Writer,
        changes: changes::Writer,
    ) -> Self {
        Self { instrument, ring, changes }
    }

    /// Publishes one print.
    #[inline]
    pub fn publish(&mut self, trade: &Trade, recv_ns: Nanos) {
        debug_assert_eq!(trade.instrument, self.instrument, "a writer has one instrument");
        let words = [
            trade.price.0 as u64,
            trade.qty.0 as u64,
            trade.trade_id,
            trade.event_ns.0,
            recv_ns.0,
            trade.taker as u64,
        ];
        self.ring.push(|payload| payload.copy_from(0, &words));
        self.changes.push(self.instrument.0);
    }
}

/// Reads the prints of one instrument, from when it was made on, at its own pace.
#[derive(Clone, Debug)]
pub struct TradeReader {
    instrument: InstrumentId,
    ring: broadcast::Reader,
}

impl TradeReader {
    /// `ring` is the instrument's ring in the region.
    pub(super) fn new(instrument: InstrumentId, ring: broadcast::Reader) -> Self {
        Self { instrument, ring }
    }

    /// A reader of the same ring that starts now.
    pub(super) fn starting_now(&self) -> Self {
        let mut reader = self.clone();
        reader.ring.skip_to_end();
        reader
    }

    /// The next print; `None` if there is none yet. [`Lapped`] says how many were lost to a reader
    /// that was too slow; the call after it goes on with what is still there.
    #[allow(clippy::should_implement_trait, reason = "an iterator cannot say that it was lapped")]
    pub fn next(&mut self) -> Result<Option<Print>, Lapped> {
        let mut words = [0; WORDS];
        if self.ring.next(|payload| payload.copy_to(0, &mut words))?.is_none() {
            return Ok(None);
        }
        let [price, qty, trade_id, event_ns, recv_ns, taker] = words;
        let trade = Trade {
            instrument: self.instrument,
            taker: Side::from_u8(taker as u8).unwrap_or_default(),
            price: Price(price as i64),
            qty: Qty(qty as i64),
            trade_id,
            event_ns: Nanos(event_ns),
        };
        Ok(Some(Print { trade, recv_ns: Nanos(recv_ns) }))
    }

    /// Goes back to the oldest print that is still there.
    pub fn rewind(&mut self) {
        self.ring.rewind();
    }
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;

    fn trade(number: i64) -> Trade {
        Trade {
            instrument: InstrumentId(1),
            taker: if number % 2 == 0 { Side::Buy } else { Side::Sell },
            price: Price(-number),
            qty: Qty(number + 1),
            trade_id: number as u64 + 2,
            event_ns: Nanos(number as u64 + 3),
        }
    }

    #[test]
    fn prints_come_back_whole_and_a_slow_reader_is_told() {
        let (writer, reader) = broadcast::ring(8, WORDS);
        let (changes, mut changed) = changes::log(64);
        let mut writer = TradeWriter::new(InstrumentId(1), writer, changes);
        let mut reader = TradeReader::new(InstrumentId(1), reader);
        assert_eq!(reader.next(), Ok(None));
        for number in 0..2 {
            writer.publish(&trade(number), Nanos(40));
            assert_eq!(changed.next(), Ok(Some(1)));
            let print = Print { trade: trade(number), recv_ns: Nanos(40) };
            assert_eq!(reader.next(), Ok(Some(print)));
        }
        for number in 2..22 {
            writer.publish(&trade(number), Nanos(41));
        }
        assert_eq!(reader.next(), Err(Lapped(16)));
        assert_eq!(reader.next().unwrap().unwrap().trade, trade(18));
        reader.rewind();
        assert_eq!(reader.next().unwrap().unwrap().trade, trade(15));
    }
}
