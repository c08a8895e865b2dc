//! Rate-limit budgets of one venue: may this command leave now, and if not, when.
//!
//! Counts what we send in each limit's own unit and corrects itself from what the venue states.
//! It never queues: the caller keeps what may not leave yet. One per executor.

#![forbid(unsafe_code)]

use crate::types::{Costs, LIMITS_MAX, LimitSpec, Nanos, Priority, RateLimitUse};
use std::collections::VecDeque;

/// A statement of the venue contains at least the requests sent this long before it.
const IN_FLIGHT_NS: u64 = 1_000_000_000;

/// The limits of one venue.
#[derive(Debug)]
pub struct Throttle {
    limits: Vec<Limit>,
    suspended_until: Nanos,
    refused: u64,
}

impl Throttle {
    /// Nothing used yet. More than [`LIMITS_MAX`] limits are not looked at.
    #[must_use]
    pub fn new(limits: &[LimitSpec]) -> Self {
        Self {
            limits: limits.iter().take(LIMITS_MAX).map(Limit::new).collect(),
            suspended_until: Nanos(0),
            refused: 0,
        }
    }

    /// Takes what a command costs from all limits, or from none and says when it is worth trying
    /// again.
    pub fn try_take(&mut self, costs: &Costs, priority: Priority, now: Nanos) -> Result<(), Nanos> {
        let mut when = Nanos(0);
        if now < self.suspended_until && priority != Priority::Cancel {
            when = self.suspended_until;
        }
        for (limit, &cost) in self.limits.iter_mut().zip(&costs.0) {
            if cost > 0
                && let Err(later) = limit.check(u32::from(cost), priority, now)
            {
                when = when.max(later);
            }
        }
        if when > Nanos(0) {
            self.refused += 1;
            return Err(when);
        }
        for (limit, &cost) in self.limits.iter_mut().zip(&costs.0) {
            limit.take(u32::from(cost), now);
        }
        Ok(())
    }

    /// The venue states the use of a limit. What we sent within the last second may or may not be
    /// in its number, so our own count is only moved where it cannot be right.
    pub fn on_use(&mut self, stated: &RateLimitUse, now: Nanos) {
        if let Some(limit) = self.limits.get_mut(usize::from(stated.limit)) {
            limit.correct(stated, now);
        }
    }

    /// Nothing but cancels leaves before this time. Connectors hold cancels back too where going on
    /// would make a ban longer; they know which suspension is one.
    pub fn suspend(&mut self, until: Nanos) {
        self.suspended_until = self.suspended_until.max(until);
    }

    /// End of the suspension, if there is one.
    #[must_use]
    pub fn suspended_until(&self, now: Nanos) -> Option<Nanos> {
        (now < self.suspended_until).then_some(self.suspended_until)
    }

    /// Units used of a limit in its running window, and allowed.
    pub fn used(&mut self, limit: usize, now: Nanos) -> Option<(u32, u32)> {
        let limit = self.limits.get_mut(limit)?;
        limit.advance(now);
        Some((limit.used, limit.allowed))
    }

    /// How often something was refused.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused
    }
}

/// One limit. A window aligned to the wall clock is a counter that starts anew; a sliding one
/// remembers when each unit was taken. Both keep what was taken lately, to read statements with.
#[derive(Debug)]
struct Limit {
    spec: LimitSpec,
    allowed: u32,
    used: u32,
    /// Number of the running window, for aligned ones.
    window: u64,
    /// What was taken and when, oldest first: the whole window if it slides, else the last second.
    taken: VecDeque<(Nanos, u32)>,
    blocked_until: Nanos,
}

impl Limit {
    fn new(spec: &LimitSpec) -> Self {
        let capacity = (spec.allowed as usize).clamp(16, 4_096);
        Self {
            spec: *spec,
            allowed: spec.allowed,
            used: 0,
            window: 0,
            taken: VecDeque::with_capacity(capacity),
            blocked_until: Nanos(0),
        }
    }

    fn check(&mut self, cost: u32, priority: Priority, now: Nanos) -> Result<(), Nanos> {
        self.advance(now);
        if now < self.blocked_until {
            return Err(self.blocked_until);
        }
        let reserve = self.spec.cancel_reserve;
        let untouched = match priority {
            Priority::Cancel => 0,
            Priority::Hedge => reserve,
            Priority::New => reserve + reserve / 2,
            Priority::Query => reserve * 2,
        };
        let room = self.allowed.saturating_sub(untouched);
        if self.used.saturating_add(cost) <= room {
            return Ok(());
        }
        Err(self.free_at(self.used.saturating_add(cost) - room, now))
    }

    /// When `units` of those in use will be free again.
    fn free_at(&self, units: u32, now: Nanos) -> Nanos {
        if self.spec.aligned {
            return Nanos((self.window + 1).saturating_mul(self.spec.window_ns));
        }
        let mut freed = 0u32;
        for &(time, taken) in &self.taken {
            freed = freed.saturating_add(taken);
            if freed >= units {
                return time.plus(self.spec.window_ns);
            }
        }
        now.plus(self.spec.window_ns)
    }

    fn take(&mut self, cost: u32, now: Nanos) {
        if cost == 0 {
            return;
        }
        self.used = self.used.saturating_add(cost);
        if self.taken.len() == self.taken.capacity()
            && let Some(last) = self.taken.back_mut()
        {
            // No room to tell them apart: count all of it as taken now, which is the safe side.
            *last = (now, last.1.saturating_add(cost));
            return;
        }
        self.taken.push_back((now, cost));
    }

    fn advance(&mut self, now: Nanos) {
        let window_ns = self.spec.window_ns.max(1);
        let keep_ns = if self.spec.aligned { IN_FLIGHT_NS } else { window_ns };
        while let Some(&(time, taken)) = self.taken.front()
            && now.since(time) >= keep_ns
        {
            self.taken.pop_front();
            if !self.spec.aligned {
                self.used = self.used.saturating_sub(taken);
            }
        }
        let window = now.0 / window_ns;
        if self.spec.aligned && window > self.window {
            self.window = window;
            self.used = 0;
            self.taken.clear();
        }
    }

    fn correct(&mut self, stated: &RateLimitUse, now: Nanos) {
        self.advance(now);
        if stated.allowed > 0 {
            self.allowed = stated.allowed;
        }
        if stated.used >= self.allowed && stated.resets_ns > now {
            self.blocked_until = stated.resets_ns;
        }
        if stated.used > self.used {
            // Others use the same account or address.
            let missing = stated.used - self.used;
            self.take(missing, now);
        } else if self.spec.aligned {
            // The venue gives units back, or its window began before ours.
            let recent = self.taken.iter().fold(0u32, |sum, &(_, taken)| sum.saturating_add(taken));
            self.used = self.used.min(stated.used.saturating_add(recent));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: u64 = 1_000_000_000;
    const START: Nanos = Nanos(1_000_000 * SECOND);

    fn spec(allowed: u32, cancel_reserve: u32, aligned: bool) -> LimitSpec {
        LimitSpec { name: "test", window_ns: 10 * SECOND, allowed, cancel_reserve, aligned }
    }

    fn costs(first: u16, second: u16) -> Costs {
        let mut costs = Costs::default();
        costs.0[..2].copy_from_slice(&[first, second]);
        costs
    }

    fn after(nanos: u64) -> Nanos {
        START.plus(nanos)
    }

    #[test]
    fn an_aligned_window_empties_at_the_wall_clock() {
        let mut throttle = Throttle::new(&[spec(3, 0, true)]);
        let late = after(9 * SECOND);
        for _ in 0..3 {
            assert_eq!(throttle.try_take(&costs(1, 0), Priority::New, late), Ok(()));
        }
        let end = after(10 * SECOND);
        assert_eq!(throttle.try_take(&costs(1, 0), Priority::New, late), Err(end));
        assert_eq!(throttle.try_take(&costs(1, 0), Priority::New, Nanos(end.0 - 1)), Err(end));
        assert_eq!(throttle.try_take(&costs(3, 0), Priority::New, end), Ok(()));
        assert_eq!(throttle.refused(), 2);
    }

    #[test]
    fn a_sliding_window_frees_each_unit_in_its_own_time() {
        let mut throttle = Throttle::new(&[spec(3, 0, false)]);
        for second in [0, 4, 9] {
            let now = after(second * SECOND);
            assert_eq!(throttle.try_take(&costs(1, 0), Priority::New, now), Ok(()));
        }
        let now = after(9 * SECOND);
        assert_eq!(throttle.try_take(&costs(1, 0), Priority::New, now), Err(after(10 * SECOND)));
        assert_eq!(throttle.try_take(&costs(2, 0), Priority::New, now), Err(after(14 * SECOND)));
        let now = after(10 * SECOND);
        assert_eq!(throttle.try_take(&costs(1, 0), Priority::New, now), Ok(()));
        assert_eq!(throttle.used(0, now), Some((3, 3)));
    }

    #[test]
    fn every_priority_leaves_its_share_to_those_above() {
        for (priority, expected) in [
            (Priority::Query, 12),
            (Priority::New, 14),
            (Priority::Hedge, 16),
            (Priority::Cancel, 20),
        ] {
            let mut throttle = Throttle::new(&[spec(20, 4, true)]);
            let taken = (0..30)
                .filter(|_| throttle.try_take(&costs(1, 0), priority, START).is_ok())
                .count();
            assert_eq!(taken, expected, "{priority:?}");
            assert_eq!(
                throttle.try_take(&costs(1, 0), Priority::Cancel, START).is_ok(),
                expected < 20
            );
        }
    }

    #[test]
    fn all_limits_are_charged_or_none() {
        let mut throttle = Throttle::new(&[spec(100, 0, true), spec(1, 0, true)]);
        assert!(throttle.try_take(&costs(2, 1), Priority::New, START).is_ok());
        assert!(throttle.try_take(&costs(2, 1), Priority::New, START).is_err());
        assert_eq!(throttle.used(0, START), Some((2, 100)));
        assert!(throttle.try_take(&costs(2, 0), Priority::New, START).is_ok());
        assert_eq!(throttle.used(0, START), Some((4, 100)));
    }

    #[test]
    fn the_venue_knows_better_in_both_directions() {
        let mut throttle = Throttle::new(&[spec(50, 0, true)]);
        let stated = |used, allowed| RateLimitUse { limit: 0, used, allowed, resets_ns: Nanos(0) };
        for _ in 0..20 {
            throttle.try_take(&costs(1, 0), Priority::New, START).unwrap();
        }
        throttle.on_use(&stated(10, 0), START);
        assert_eq!(throttle.used(0, START), Some((20, 50)), "all of it may still be on its way");
        throttle.try_take(&costs(1, 0), Priority::New, after(2 * SECOND)).unwrap();
        throttle.on_use(&stated(10, 60), after(2 * SECOND));
        assert_eq!(throttle.used(0, after(2 * SECOND)), Some((11, 60)), "given back");
        throttle.on_use(&stated(40, 0), after(2 * SECOND));
        assert_eq!(throttle.used(0, after(2 * SECOND)), Some((40, 60)), "used by others");
        throttle.on_use(&RateLimitUse { limit: 9, ..stated(1, 1) }, START);
    }

    #[test]
    fn a_sliding_limit_learns_of_other_users() {
        let mut throttle = Throttle::new(&[spec(5, 0, false)]);
        let stated = RateLimitUse { limit: 0, used: 5, allowed: 5, resets_ns: Nanos(0) };
        throttle.on_use(&stated, START);
        assert_eq!(throttle.try_take(&costs(1, 0), Priority::New, START), Err(after(10 * SECOND)));
        assert!(throttle.try_take(&costs(5, 0), Priority::New, after(10 * SECOND)).is_ok());
    }

    #[test]
    fn an_exhausted_limit_waits_for_the_time_the_venue_named() {
        let mut throttle = Throttle::new(&[spec(5, 0, false)]);
        let until = after(30 * SECOND);
        throttle.on_use(&RateLimitUse { limit: 0, used: 5, allowed: 5, resets_ns: until }, START);
        let now = after(20 * SECOND);
        assert_eq!(throttle.try_take(&costs(1, 0), Priority::Cancel, now), Err(until));
        assert_eq!(throttle.try_take(&costs(1, 0), Priority::Cancel, until), Ok(()));
    }

    #[test]
    fn a_suspension_stops_everything_but_cancels_until_it_ends() {
        let mut throttle = Throttle::new(&[]);
        throttle.suspend(after(5 * SECOND));
        throttle.suspend(after(3 * SECOND));
        assert!(throttle.try_take(&costs(0, 0), Priority::Cancel, START).is_ok());
        let refused = throttle.try_take(&costs(0, 0), Priority::New, START);
        assert_eq!(refused, Err(after(5 * SECOND)));
        assert_eq!(throttle.suspended_until(START), Some(after(5 * SECOND)));
        assert!(throttle.try_take(&costs(0, 0), Priority::New, after(5 * SECOND)).is_ok());
    }

    proptest! {
        /// No window of the limit's length, wherever it starts, holds more than is allowed.
        #[test]
        fn a_sliding_limit_is_never_exceeded(
            steps in prop::collection::vec((0u64..3 * SECOND, 1u16..4), 1..200),
        ) {
            let mut throttle = Throttle::new(&[spec(7, 0, false)]);
            let (mut now, mut sent) = (START, Vec::new());
            for (pause, cost) in steps {
                now = now.plus(pause);
                match throttle.try_take(&costs(cost, 0), Priority::New, now) {
                    Ok(()) => sent.push((now, u32::from(cost))),
                    Err(when) => prop_assert!(when > now),
                }
            }
            for &(end, _) in &sent {
                let total: u32 = sent
                    .iter()
                    .filter(|(time, _)| *time <= end && end.since(*time) < 10 * SECOND)
                    .map(|(_, cost)| cost)
                    .sum();
                prop_assert!(total <= 7, "{total}");
            }
        }
    }
}
