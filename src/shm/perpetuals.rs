//! Mark price, index and funding of perpetuals in the region: one record per instrument, written by
//! its feed.

use super::codec::{amount, amount_words};
use crate::sync::seqlock;
use crate::types::{InstrumentId, Nanos, Perpetual, Rate};

/// Order of the words below; part of the layout's hash.
pub(super) const FIELDS: &str = "perpetual: mark2 index2 rate(min:none) interval_s next \
     mark_ns index_ns funding_ns mark_recv index_recv funding_recv recv";

/// In place of a rate that is not known: no rate is so low.
const NO_RATE: Rate = Rate(i64::MIN);
/// Words of a record after its counter.
pub(super) const WORDS: usize = 14;

/// Publishes what is known of one perpetual.
#[derive(Debug)]
pub struct PerpetualWriter {
    instrument: InstrumentId,
    writer: seqlock::Writer,
}

impl PerpetualWriter {
    /// `writer` has the instrument's record in the region.
    pub(super) fn new(instrument: InstrumentId, writer: seqlock::Writer) -> Self {
        Self { instrument, writer }
    }

    /// Publishes all of it.
    #[inline]
    pub fn publish(&mut self, state: &Perpetual) {
        self.writer.write(|payload| {
            let sums = [state.mark, state.index];
            payload.set_pairs(0, &sums, |sum| amount_words(*sum).into());
            payload.copy_from(
                4,
                &[
                    state.funding_rate.unwrap_or(NO_RATE).0 as u64,
                    u64::from(state.funding_interval_s),
                    state.next_funding_ns.0,
                    state.mark_ns.0,
                    state.index_ns.0,
                    state.funding_ns.0,
                    state.mark_recv_ns.0,
                    state.index_recv_ns.0,
                    state.funding_recv_ns.0,
                    state.recv_ns.0,
                ],
            );
        });
    }

    /// Whose.
    #[must_use]
    pub fn instrument(&self) -> InstrumentId {
        self.instrument
    }
}

/// What was published last; `None` before the first time, and if it cannot be read. Waits no longer
/// than for a book: strategies ask.
pub(super) fn perpetual(reader: &seqlock::Reader) -> Option<Perpetual> {
    let mut w = [0; WORDS];
    let (version, ()) = reader.read(|payload| payload.copy_to(0, &mut w)).ok()?;
    (version > 0).then(|| Perpetual {
        mark: amount(w[0], w[1]),
        index: amount(w[2], w[3]),
        funding_rate: Some(Rate(w[4] as i64)).filter(|rate| *rate != NO_RATE),
        funding_interval_s: w[5] as u32,
        next_funding_ns: Nanos(w[6]),
        mark_ns: Nanos(w[7]),
        index_ns: Nanos(w[8]),
        funding_ns: Nanos(w[9]),
        mark_recv_ns: Nanos(w[10]),
        index_recv_ns: Nanos(w[11]),
        funding_recv_ns: Nanos(w[12]),
        recv_ns: Nanos(w[13]),
    })
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;
    use crate::types::Amount;

    #[test]
    fn a_record_comes_back_as_it_was_written() {
        let (writer, reader) = seqlock::value(WORDS);
        let mut writer = PerpetualWriter::new(InstrumentId(3), writer);
        assert_eq!(perpetual(&reader), None);
        let state = Perpetual {
            mark: Amount(-(1 << 100)),
            index: Amount(5),
            funding_rate: Some(Rate(-777)),
            funding_interval_s: 3600,
            next_funding_ns: Nanos(9),
            mark_ns: Nanos(10),
            index_ns: Nanos(11),
            funding_ns: Nanos(12),
            mark_recv_ns: Nanos(13),
            index_recv_ns: Nanos(14),
            funding_recv_ns: Nanos(15),
            recv_ns: Nanos(16),
        };
        writer.publish(&state);
        assert_eq!((writer.instrument(), perpetual(&reader)), (InstrumentId(3), Some(state)));
        let unknown = Perpetual { funding_rate: None, ..state };
        writer.publish(&unknown);
        assert_eq!(perpetual(&reader), Some(unknown));
    }
}
