//! The venue's ids of book messages as ids that only rise, which is what books count with.
//!
//! Each update names the id before it. After maintenance an update may link to the last id and go
//! back itself; it counts, and what follows counts from there. Here every id is raised by the number
//! of such steps, far above all ids, so that the link still holds, and two connections that have seen
//! the same steps count alike. One that was away during a step is wholly behind: its feed begins
//! anew. Where the link does not hold the book finds the hole, as everywhere.
//! <https://www.okx.com/docs-v5/en/#order-book-trading-market-data-ws-order-book-channel>

#![forbid(unsafe_code)]

/// Ids of one instrument, for the life of its connector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ids {
    /// Steps back, as what is added to the venue's ids.
    raised: u64,
    /// The venue's last id of the depth.
    last: u64,
}

/// One step back; ids are far below it, at a thousand a second for ten thousand years.
const STEP: u64 = 1 << 52;

/// First and last id that a message covers, as [`crate::types::DepthUpdate`] has them.
pub(super) type Covered = (u64, u64);

impl Ids {
    /// The id of a message that names no other.
    pub(super) fn of(&self, id: u64) -> u64 {
        self.raised.saturating_add(id)
    }

    /// A snapshot. One that is older than what came before it began behind a step back.
    pub(super) fn snapshot(&mut self, id: u64) -> Covered {
        if id < self.last {
            self.raise();
        }
        self.last = id;
        (self.of(id), self.of(id))
    }

    /// An update behind `before`; `empty` if it changes no level.
    pub(super) fn update(&mut self, before: u64, id: u64, empty: bool) -> Covered {
        let first = self.of(before).saturating_add(1);
        if id == before {
            // A keep-alive covers nothing. Levels that change without an id are no continuation
            // that can be counted: they become a hole.
            let hole = first.saturating_add(1);
            return if empty { (first, first - 1) } else { (hole, hole) };
        }
        if id < before {
            self.raise();
        }
        self.last = id;
        (first, self.of(id))
    }

    fn raise(&mut self) {
        self.raised = self.raised.saturating_add(STEP);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The worked sequence of the documentation: snapshot, update, heartbeat, reset, update.
    #[test]
    fn a_step_back_continues_and_a_gap_stays_one() {
        let mut ids = Ids::default();
        assert_eq!(ids.snapshot(10), (10, 10));
        assert_eq!(ids.update(10, 15, false), (11, 15));
        assert_eq!(ids.update(15, 15, true), (16, 15), "covers nothing");
        assert_eq!(ids.update(15, 3, false), (16, STEP + 3), "the next one");
        assert_eq!(ids.of(3), STEP + 3, "a top of that id is of that book");
        assert_eq!(ids.update(3, 5, false), (STEP + 4, STEP + 5));
        assert_eq!(ids.update(8, 10, false), (STEP + 9, STEP + 10), "6 to 8 are missing");
        assert_eq!(
            ids.update(10, 10, false),
            (STEP + 12, STEP + 12),
            "levels without an id: a hole"
        );
    }

    #[test]
    fn a_snapshot_that_goes_back_is_newer_all_the_same() {
        let mut ids = Ids::default();
        ids.snapshot(1000);
        assert_eq!(ids.snapshot(7), (STEP + 7, STEP + 7));
        assert_eq!(ids.update(7, 9, false), (STEP + 8, STEP + 9));
        assert_eq!(ids.snapshot(9), (STEP + 9, STEP + 9), "the same again");
        ids.snapshot(u64::MAX);
        assert_eq!(ids.update(u64::MAX, 0, false), (u64::MAX, 2 * STEP), "no overflow");
    }

    /// One connection sees the step as an update, the other comes back behind it or was away for it.
    #[test]
    fn connections_that_saw_the_same_steps_count_alike() {
        let (mut seen, mut back, mut away) = (Ids::default(), Ids::default(), Ids::default());
        for ids in [&mut seen, &mut back] {
            ids.snapshot(15);
        }
        seen.update(15, 3, false);
        seen.update(3, 9, false);
        assert_eq!(back.snapshot(9), (seen.of(9), seen.of(9)));
        assert_eq!(seen.update(9, 12, false), back.update(9, 12, false));
        // Without the step all of it is older than the book.
        assert_eq!(away.snapshot(12), (12, 12));
        assert!(away.update(12, 40, false).1 < seen.of(12));
    }
}
