//! What became of signals with a contract: into the region and summed up. Only what is held is
//! logged: breaches that are healed may be many.

use super::log::Log;
use crate::oms::RiskReject;
use crate::shm::PairWriter;
use crate::types::{Breach, InstrumentTable, Nanos, PairEnd, PairOutcome};

/// Outcomes whose quantiles are told in the end: the last so many.
const KEPT_MAX: usize = 4_096;

/// Sums of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PairStats {
    /// Pairs that are done; one that was opened again counts once.
    pub count: u64,
    /// By [`PairEnd`], as it was first told.
    pub ends: [u64; PairEnd::ALL.len()],
    /// By [`Breach`].
    pub breaches: [u64; Breach::ALL.len()],
    /// Breaches by what was done: unwind, complete, hold, nothing (it balanced by itself).
    pub actions: [u64; 4],
    /// Opened again by late fills.
    pub reopened: u64,
    /// Hedging orders.
    pub hedges: u64,
    /// Naked time, median and largest of the last pairs that filled, nanoseconds.
    pub naked_ns: [u64; 2],
    /// Cost, median and 99th percentile of the same, parts per billion.
    pub cost_ppb: [i64; 2],
}

/// See the module.
pub(super) struct PairLog {
    writer: Option<PairWriter>,
    stats: PairStats,
    naked_max_ns: u64,
    /// Naked time and cost of the last ones, overwritten in a circle.
    kept: Vec<(u64, i64)>,
    next: usize,
}

impl PairLog {
    pub fn new(writer: Option<PairWriter>) -> Self {
        let kept = Vec::with_capacity(KEPT_MAX);
        Self { writer, stats: PairStats::default(), naked_max_ns: 0, kept, next: 0 }
    }

    pub fn take(
        &mut self,
        pair: &PairOutcome,
        (instruments, names): (&InstrumentTable, &[String]),
        now: Nanos,
        log: &mut Log,
    ) {
        if let Some(writer) = &mut self.writer {
            writer.publish(pair);
        }
        self.count(pair);
        let first = pair.legs().first().and_then(|leg| instruments.get(leg.instrument));
        let Some(of) = first.filter(|_| pair.end == PairEnd::Held) else { return };
        let number = pair.strategy.0.to_string();
        let name = names.get(usize::from(pair.strategy.0)).unwrap_or(&number);
        let (left, signal) = (of.scale.qty_decimal(pair.left), pair.signal.0);
        let base = instruments.assets.name(of.base);
        let refusal = RiskReject::ALL.iter().find(|code| **code as u8 == pair.risk);
        let why = refusal.map(|code| format!(", as its hedge was refused: {code}"));
        let text = format_args!(
            "strategy {name}, signal {signal}: {left} {base} is held with one leg alone{}: a person must \
             decide",
            why.unwrap_or_default()
        );
        log.error(now, text);
    }

    fn count(&mut self, pair: &PairOutcome) {
        let stats = &mut self.stats;
        if pair.revision > 0 {
            stats.reopened += 1;
            return;
        }
        stats.count += 1;
        stats.ends[pair.end as usize] += 1;
        stats.hedges += u64::from(pair.hedges);
        if let Some(breach) = pair.breach {
            stats.breaches[breach as usize] += 1;
            stats.actions[pair.action.map_or(3, |action| action as usize)] += 1;
        }
        if pair.end == PairEnd::Nothing {
            return;
        }
        self.naked_max_ns = self.naked_max_ns.max(pair.naked_ns);
        let row = (pair.naked_ns, pair.cost.0);
        if self.kept.len() < KEPT_MAX {
            self.kept.push(row);
        } else {
            self.kept[self.next] = row;
        }
        self.next = (self.next + 1) % KEPT_MAX;
    }

    /// The sums so far. Not for the path: it sorts.
    pub fn stats(&self) -> PairStats {
        let mut naked: Vec<u64> = self.kept.iter().map(|row| row.0).collect();
        let mut cost: Vec<i64> = self.kept.iter().map(|row| row.1).collect();
        naked.sort_unstable();
        cost.sort_unstable();
        PairStats {
            naked_ns: [at(&naked, 50), self.naked_max_ns],
            cost_ppb: [at(&cost, 50), at(&cost, 99)],
            ..self.stats.clone()
        }
    }
}

/// Percentile of sorted values; the default of none.
fn at<T: Copy + Default>(sorted: &[T], percent: usize) -> T {
    let last = sorted.len().saturating_sub(1);
    sorted.get((last * percent).div_ceil(100)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{BreachAction, Ppb};

    #[test]
    fn pairs_are_summed_up_once() {
        let mut log = PairLog::new(None);
        for number in 0..=100u64 {
            log.count(&PairOutcome {
                end: PairEnd::Balanced,
                naked_ns: number,
                cost: Ppb(-(number as i64)),
                ..PairOutcome::default()
            });
        }
        let unwound = PairOutcome {
            end: PairEnd::Unwound,
            breach: Some(Breach::Refused),
            action: Some(BreachAction::Unwind),
            hedges: 2,
            naked_ns: 1_000,
            cost: Ppb(7),
            ..PairOutcome::default()
        };
        log.count(&unwound);
        log.count(&PairOutcome { revision: 1, ..unwound });
        log.count(&PairOutcome::default());
        let stats = log.stats();
        assert_eq!((stats.count, stats.reopened, stats.hedges), (103, 1, 2));
        assert_eq!(stats.ends, [1, 101, 1, 0, 0]);
        assert_eq!((stats.breaches, stats.actions), ([0, 0, 1], [1, 0, 0, 0]));
        assert_eq!((stats.naked_ns, stats.cost_ppb), ([51, 1_000], [-49, 0]));
    }
}
