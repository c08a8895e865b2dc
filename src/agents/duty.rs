//! The duty cycle of a thread: how long its rounds are, how much of its time they take, and which
//! agent takes it.
//!
//! It lives on the readings of the clock that the loop makes for its agents and adds none: an
//! agent's poll ends where the next one begins, the last one's where the next round begins. So a
//! round is accounted for when the next one begins, and what an idle round took is not told from
//! the pause behind it. A tenth of a second apart the figures are written to the region.

use crate::shm::{Duty, DutyWriter};
use crate::types::Nanos;

/// Pause between two writes to the region.
const PUBLISH_EVERY_NS: u64 = 100_000_000;
/// What is recent.
const RECENT_NS: u64 = 1_000_000_000;
/// Writes that a second holds.
const SLICES: usize = (RECENT_NS / PUBLISH_EVERY_NS) as usize;

/// What one agent takes. Apart from its neighbours', which another thread's may be: two threads'
/// tables may follow each other in memory.
#[derive(Debug)]
#[repr(align(128))]
struct Share {
    /// Its number in the region; others may have been lost.
    number: usize,
    /// When its poll of this round began.
    began_ns: Nanos,
    busy_ns: u64,
}

const _: () = assert!(align_of::<Share>() == 128 && size_of::<Share>() == 128);

/// The time between two writes.
#[derive(Clone, Copy, Debug, Default)]
struct Slice {
    began_ns: Nanos,
    ended_ns: Nanos,
    busy_ns: u64,
    longest_ns: u64,
}

/// Keeps the account of one thread.
#[derive(Debug)]
pub(super) struct DutyCycle {
    writer: DutyWriter,
    duty: Duty,
    shares: Vec<Share>,
    /// A round has begun and is not accounted for.
    open: bool,
    /// It did something.
    busy: bool,
    slice: Slice,
    /// The last ones, in turn.
    slices: [Slice; SLICES],
    next_slice: usize,
}

impl DutyCycle {
    /// For a loop of so many agents, in the order of the writer's names.
    pub(super) fn new(agents: usize, writer: DutyWriter) -> Self {
        let share = |number| Share { number, began_ns: Nanos(0), busy_ns: 0 };
        Self {
            writer,
            duty: Duty::default(),
            shares: (0..agents).map(share).collect(),
            open: false,
            busy: false,
            slice: Slice::default(),
            slices: [Slice::default(); SLICES],
            next_slice: 0,
        }
    }

    /// The poll of an agent begins; that of the first begins a round and ends the one before.
    #[inline]
    pub(super) fn poll_begins(&mut self, agent: usize, now: Nanos) {
        if agent == 0 {
            self.round_begins(now);
        }
        if let Some(share) = self.shares.get_mut(agent) {
            share.began_ns = now;
        }
    }

    /// The last poll of a round has ended.
    #[inline]
    pub(super) fn round_ends(&mut self, work: usize) {
        self.open = true;
        self.busy = work > 0;
    }

    #[inline]
    fn round_begins(&mut self, now: Nanos) {
        if !self.open {
            // The first one of all, or the one before did not end: an agent was lost in it.
            if self.duty.started_ns == Nanos(0) {
                self.duty.started_ns = now;
                self.slice.began_ns = now;
            }
            return;
        }
        self.count_round(now);
        if now.since(self.slice.began_ns) >= PUBLISH_EVERY_NS {
            self.publish(now);
        }
    }

    #[inline]
    fn count_round(&mut self, now: Nanos) {
        self.open = false;
        self.duty.rounds += 1;
        if self.busy {
            self.count_busy(now);
        }
    }

    #[inline]
    fn count_busy(&mut self, now: Nanos) {
        let mut until = now;
        for share in self.shares.iter_mut().rev() {
            share.busy_ns += until.since(share.began_ns);
            until = share.began_ns;
        }
        let length = now.since(until);
        self.duty.rounds_busy += 1;
        self.duty.busy_ns += length;
        self.duty.longest_ns = self.duty.longest_ns.max(length);
        self.slice.busy_ns += length;
        self.slice.longest_ns = self.slice.longest_ns.max(length);
    }

    #[cold]
    fn publish(&mut self, now: Nanos) {
        self.slices[self.next_slice] = Slice { ended_ns: now, ..self.slice };
        self.next_slice = (self.next_slice + 1) % SLICES;
        self.slice = Slice { began_ns: now, ..Slice::default() };
        let duty = &mut self.duty;
        duty.updated_ns = now;
        (duty.recent_ns, duty.recent_busy_ns, duty.recent_longest_ns) = (0, 0, 0);
        let recent =
            |slice: &&Slice| slice.ended_ns > Nanos(0) && now.since(slice.ended_ns) < RECENT_NS;
        for slice in self.slices.iter().filter(recent) {
            duty.recent_ns += slice.ended_ns.since(slice.began_ns);
            duty.recent_busy_ns += slice.busy_ns;
            duty.recent_longest_ns = duty.recent_longest_ns.max(slice.longest_ns);
        }
        for share in &self.shares {
            self.writer.publish_agent(share.number, share.busy_ns);
        }
        self.writer.publish(&self.duty);
    }

    /// An agent panicked in the round under way, which is not counted, and is out.
    pub(super) fn lose(&mut self, agent: usize) {
        self.open = false;
        if agent < self.shares.len() {
            let share = self.shares.remove(agent);
            self.writer.publish_agent(share.number, share.busy_ns);
        }
    }

    /// The loop ends: accounts for its last round and writes what is left.
    pub(super) fn finish(&mut self, now: Nanos) {
        if self.open {
            self.count_round(now);
        }
        self.publish(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shm::{Market, MarketView, RegionOptions, ThreadRow};
    use crate::types::InstrumentTable;

    const MS: u64 = 1_000_000;
    const START: u64 = 5_000 * MS;

    fn cycle(names: &[&str]) -> (DutyCycle, MarketView) {
        let options = RegionOptions { threads: 2, agents: 4, ..RegionOptions::default() };
        let market = Market::in_memory(&InstrumentTable::default(), &options).unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let writer = market.duty_writer(1, Some(3), 1, &names).unwrap();
        assert!(market.duty_writer(1, None, 1, &names).is_none(), "handed out once");
        (DutyCycle::new(names.len(), writer), market.view())
    }

    /// One round whose polls begin at these times, nanoseconds after the start.
    fn round(cycle: &mut DutyCycle, begins: &[u64], work: usize) {
        for (agent, after) in begins.iter().enumerate() {
            cycle.poll_begins(agent, Nanos(START + after));
        }
        cycle.round_ends(work);
    }

    fn shown(view: &MarketView) -> ThreadRow {
        let rows = view.threads();
        assert_eq!(rows.len(), 1, "the other thread was never started");
        rows[0].clone()
    }

    #[test]
    fn rounds_are_counted_when_the_next_one_begins() {
        let (mut cycle, view) = cycle(&["feed:a", "oms", "exec:a"]);
        let row = shown(&view);
        assert_eq!((row.cpu, row.duty), (Some(3), Duty::default()));
        let names: Vec<_> = row.agents.iter().map(|agent| agent.name.as_str()).collect();
        assert_eq!(names, ["feed:a", "oms", "exec:a"]);
        // Idle 10 us, busy 600 ns, busy 1500 ns, idle until the hundred milliseconds are over.
        round(&mut cycle, &[0, 20, 30], 0);
        round(&mut cycle, &[10_000, 10_300, 10_400], 2);
        round(&mut cycle, &[10_600, 10_700, 11_700], 1);
        round(&mut cycle, &[12_100, 12_110, 12_120], 0);
        assert_eq!(shown(&view).duty.rounds, 0, "nothing is written before its time");
        round(&mut cycle, &[100 * MS - 1, 100 * MS - 1, 100 * MS - 1], 0);
        assert_eq!(shown(&view).duty.rounds, 0);
        cycle.poll_begins(0, Nanos(START + 100 * MS));
        let row = shown(&view);
        let expected = Duty {
            started_ns: Nanos(START),
            updated_ns: Nanos(START + 100 * MS),
            rounds: 5,
            rounds_busy: 2,
            busy_ns: 2_100,
            longest_ns: 1_500,
            recent_ns: 100 * MS,
            recent_busy_ns: 2_100,
            recent_longest_ns: 1_500,
        };
        assert_eq!(row.duty, expected);
        assert_eq!((row.duty.busy_ppm(), row.duty.recent_busy_ppm()), (21, 21));
        let busy: Vec<u64> = row.agents.iter().map(|agent| agent.busy_ns).collect();
        assert_eq!(busy, [300 + 100, 100 + 1_000, 200 + 400]);
        let parts: Vec<u64> = row.agents.iter().map(|agent| row.part_ppm(agent)).collect();
        assert_eq!(parts, [190_476, 523_809, 285_714]);
    }

    #[test]
    fn a_long_round_is_recent_for_a_second_and_the_longest_for_ever() {
        let (mut cycle, view) = cycle(&["oms"]);
        let mut now = 0;
        let mut run = |cycle: &mut DutyCycle, length_ns: u64, work: usize| {
            round(cycle, &[now], work);
            now += length_ns;
        };
        run(&mut cycle, 40 * MS, 1);
        for _ in 0..6 {
            run(&mut cycle, 10 * MS, 0);
        }
        // Written at 100 ms, then every 100 ms.
        for slice in 1..=10 {
            run(&mut cycle, 3 * MS, 1);
            run(&mut cycle, 97 * MS, 0);
            let duty = shown(&view).duty;
            assert_eq!(duty.updated_ns, Nanos(START + slice * 100 * MS));
            assert_eq!((duty.longest_ns, duty.recent_longest_ns), (40 * MS, 40 * MS));
            assert_eq!(duty.recent_ns, slice * 100 * MS);
            assert_eq!(duty.recent_busy_ns, (40 + 3 * (slice - 1)) * MS);
        }
        run(&mut cycle, 100 * MS, 0);
        let duty = shown(&view).duty;
        assert_eq!((duty.longest_ns, duty.recent_longest_ns), (40 * MS, 3 * MS));
        assert_eq!((duty.recent_ns, duty.recent_busy_ns), (1_000 * MS, 30 * MS));
        assert_eq!((duty.rounds, duty.rounds_busy, duty.busy_ns), (27, 11, 70 * MS));
        // A round of three seconds: what was before it is not recent any more.
        run(&mut cycle, 3_000 * MS, 1);
        run(&mut cycle, 100 * MS, 0);
        let duty = shown(&view).duty;
        assert_eq!((duty.recent_ns, duty.recent_busy_ns), (3_000 * MS, 3_000 * MS));
        assert_eq!((duty.longest_ns, duty.recent_longest_ns), (3_000 * MS, 3_000 * MS));
        assert_eq!(duty.recent_busy_ppm(), 1_000_000);
    }

    #[test]
    fn a_lost_agent_keeps_its_figures_and_the_others_go_on() {
        let (mut cycle, view) = cycle(&["feed:a", "oms", "exec:a"]);
        round(&mut cycle, &[0, 10, 30], 1);
        // The second one panics in this round, which is not counted.
        cycle.poll_begins(0, Nanos(START + 60));
        cycle.poll_begins(1, Nanos(START + 70));
        cycle.lose(1);
        round(&mut cycle, &[1_000, 1_005], 1);
        cycle.finish(Nanos(START + 1_012));
        let row = shown(&view);
        assert_eq!((row.duty.rounds, row.duty.rounds_busy, row.duty.busy_ns), (2, 2, 60 + 12));
        let busy: Vec<u64> = row.agents.iter().map(|agent| agent.busy_ns).collect();
        assert_eq!(busy, [10 + 5, 20, 30 + 7]);
        assert_eq!(row.duty.updated_ns, Nanos(START + 1_012));
    }
}
