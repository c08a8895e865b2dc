//! How far apart the legs of one signal left.

use crate::types::{Nanos, SentOrder, SignalId, StrategyId};

/// When the first leg of a signal left, until its last one has.
pub(super) struct SkewTable {
    rows: Vec<(StrategyId, SignalId, Nanos)>,
}

impl SkewTable {
    const SIZE: usize = 1024;

    pub fn new() -> Self {
        Self { rows: vec![(StrategyId(0), SignalId(0), Nanos(0)); Self::SIZE] }
    }

    /// The skew, once another leg of the same signal left before.
    pub fn on_sent(&mut self, sent: &SentOrder) -> Option<u64> {
        if sent.signal.0 == 0 {
            return None;
        }
        let strategy = sent.client_id.strategy();
        let row = &mut self.rows[sent.signal.0 as usize % Self::SIZE];
        if (row.0, row.1) == (strategy, sent.signal) {
            return Some(row.2.0.abs_diff(sent.handed_ns.0));
        }
        *row = (strategy, sent.signal, sent.handed_ns);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{ClientOrderId, InstrumentId};

    #[test]
    fn skew_is_between_legs_of_one_signal() {
        let mut table = SkewTable::new();
        let sent = |strategy, signal, handed_ns| SentOrder {
            client_id: ClientOrderId::mint(Nanos(0), StrategyId(strategy), 1).unwrap(),
            signal: SignalId(signal),
            instrument: InstrumentId(0),
            handed_ns: Nanos(handed_ns),
        };
        assert_eq!(table.on_sent(&sent(1, 7, 100)), None);
        assert_eq!(table.on_sent(&sent(1, 8, 900)), None);
        assert_eq!(table.on_sent(&sent(1, 7, 130)), Some(30));
        assert_eq!(table.on_sent(&sent(2, 8, 950)), None);
        assert_eq!(table.on_sent(&sent(1, 0, 950)), None);
    }
}
