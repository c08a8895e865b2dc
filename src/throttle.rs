//! Rate-limit budgets of one venue: may this command leave now, and if not, when.
//!
//! Counts what we send in each limit's own unit and corrects itself from what the venue states.
//! It never queues: the caller keeps what may not leave yet. There is one for everybody who decides:
//!
//! - The executor's, [`Throttle::new`], is the last gate.
//! - The order manager's, [`Throttle::ahead`], decides before any leg of a signal leaves. What it
//!   lets pass reaches the executor a little later, so its windows are a little longer.
//! - The feed's, [`Throttle::of_feed`], keeps snapshots to the feed's share of the allowance: what
//!   the venue counts by address, feed and executor use together. Neither takes more than its own
//!   share, and both stop short of the whole where the venue's own count says that it is used.
//!
//! All that it remembers is plain data: the order manager's is part of its state.

#![forbid(unsafe_code)]

use crate::types::{Costs, LIMITS_MAX, LimitSpec, Nanos, Priority, RateLimitUse};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// A statement of the venue contains at least the requests sent this long before it.
const IN_FLIGHT_NS: u64 = 1_000_000_000;
/// Most times that are told apart in one window.
const TAKEN_MAX: usize = 4_096;

/// The limits of one venue.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Throttle {
    limits: Vec<Limit>,
    suspended_until: Nanos,
    refused: u64,
    /// What is taken here may leave this much later.
    slack_ns: u64,
}

impl Throttle {
    /// For commands. Nothing used yet. More than [`LIMITS_MAX`] limits are not looked at.
    #[must_use]
    pub fn new(limits: &[LimitSpec]) -> Self {
        Self::ahead(limits, 0)
    }

    /// For commands that somebody else sends up to `slack_ns` later.
    #[must_use]
    pub fn ahead(limits: &[LimitSpec], slack_ns: u64) -> Self {
        Self::with(limits, slack_ns, false)
    }

    /// For requests of the feed, which get its share and respect the reserves of the whole.
    #[must_use]
    pub fn of_feed(limits: &[LimitSpec]) -> Self {
        Self::with(limits, 0, true)
    }

    fn with(limits: &[LimitSpec], slack_ns: u64, of_feed: bool) -> Self {
        let limits = limits.iter().take(LIMITS_MAX);
        Self {
            limits: limits.map(|spec| Limit::new(spec, of_feed)).collect(),
            suspended_until: Nanos(0),
            refused: 0,
            slack_ns,
        }
    }

    /// Whether there is room now for what something costs; if not, when it is worth asking again.
    /// Nothing is taken.
    #[inline]
    pub fn check(&mut self, costs: &Costs, priority: Priority, now: Nanos) -> Result<(), Nanos> {
        self.check_all(costs, 1, priority, now)
    }

    /// The same for so many commands at once that cost the same.
    #[inline]
    pub fn check_all(
        &mut self,
        costs: &Costs,
        count: u32,
        priority: Priority,
        now: Nanos,
    ) -> Result<(), Nanos> {
        let mut when = Nanos(0);
        if now < self.suspended_until && priority != Priority::Cancel {
            when = self.suspended_until;
        }
        let half_reserves = priority.half_reserves();
        for (limit, &cost) in self.limits.iter_mut().zip(&costs.0) {
            let cost = u32::from(cost).saturating_mul(count);
            if cost > 0
                && let Err(later) = limit.check(cost, half_reserves, self.slack_ns, now)
            {
                when = when.max(later);
            }
        }
        if when > Nanos(0) { Err(when) } else { Ok(()) }
    }

    /// Takes what a command costs from all limits, or from none and says when it is worth trying
    /// again.
    pub fn try_take(&mut self, costs: &Costs, priority: Priority, now: Nanos) -> Result<(), Nanos> {
        let checked = self.check(costs, priority, now);
        if checked.is_err() {
            self.refused += 1;
            return checked;
        }
        self.take(costs, now);
        Ok(())
    }

    /// Takes what a command costs for which there is room: [`Throttle::check`] has just said so.
    #[inline]
    pub fn take(&mut self, costs: &Costs, now: Nanos) {
        for (limit, &cost) in self.limits.iter_mut().zip(&costs.0) {
            limit.take(u32::from(cost), false, now);
        }
    }

    /// The venue states the use of a limit. What we sent within the last second may or may not be
    /// in its number, so our own count is only moved where it cannot be right.
    pub fn on_use(&mut self, stated: &RateLimitUse, now: Nanos) {
        if let Some(limit) = self.limits.get_mut(usize::from(stated.limit)) {
            limit.correct(stated, self.slack_ns, now);
        }
    }

    /// Whether [`Throttle::on_use`] would change what is refused, now or soon. Much of what a venue
    /// states does not: that others use no more than the feed may, or that units are given back
    /// while less than half is used.
    #[must_use]
    pub fn is_news(&self, stated: &RateLimitUse, now: Nanos) -> bool {
        let limit = self.limits.get(usize::from(stated.limit));
        limit.is_some_and(|limit| limit.is_news(stated, self.slack_ns, now))
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

    /// Units used of a limit in its running window, by whomever, and allowed.
    pub fn used(&mut self, limit: usize, now: Nanos) -> Option<(u32, u32)> {
        let limit = self.limits.get_mut(limit)?;
        limit.advance(self.slack_ns, now);
        Some((limit.used, limit.allowed))
    }

    /// How often something was refused.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// A new run begins, under these limits. What was used goes on counting where a limit is still
    /// the same; should the clock have gone back meanwhile, then as used just now.
    #[must_use]
    pub fn restarted(&self, limits: &[LimitSpec], slack_ns: u64, now: Nanos) -> Self {
        let mut next = Self::ahead(limits, slack_ns);
        next.suspended_until = self.suspended_until;
        for (to, from) in next.limits.iter_mut().zip(&self.limits) {
            if to.is_like(from) {
                to.carry_over(from, now);
            }
        }
        next
    }
}

/// Units that were taken at one time.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Taken {
    at: Nanos,
    units: u32,
    /// By others: the venue has counted them, we have not.
    foreign: bool,
}

/// One limit. A window aligned to the wall clock is a counter that starts anew; a sliding one
/// remembers when each unit was taken. Both keep what was taken lately, to read statements with.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Limit {
    spec: LimitSpec,
    allowed: u32,
    /// The feed is the owner, of its share.
    of_feed: bool,
    /// In the running window, by whomever; at most `own` of them by the owner.
    used: u32,
    own: u32,
    /// End of the running window, for aligned ones: of the venue's own where it is known.
    ends: Nanos,
    /// What was taken and when, oldest first: the whole window if it slides, else the last second.
    taken: VecDeque<Taken>,
    blocked_until: Nanos,
    /// Until when time alone changes nothing. Only ever too early.
    #[serde(skip)]
    same_until: Nanos,
    /// Units for which there is room until then, whatever the priority. Only ever too few.
    #[serde(skip)]
    sure: u32,
}

impl Limit {
    fn new(spec: &LimitSpec, of_feed: bool) -> Self {
        let mut limit = Self {
            spec: *spec,
            allowed: spec.allowed,
            of_feed,
            used: 0,
            own: 0,
            ends: Nanos(0),
            taken: VecDeque::new(),
            blocked_until: Nanos(0),
            same_until: Nanos(0),
            sure: 0,
        };
        limit.taken.reserve_exact(limit.taken_max());
        limit
    }

    /// A bound of its own: what the queue's memory can hold depends on its history.
    fn taken_max(&self) -> usize {
        (self.spec.allowed as usize).clamp(16, TAKEN_MAX)
    }

    /// Units of each window that the owner may take.
    fn share(&self) -> u32 {
        match self.of_feed {
            true => self.spec.feeds.min(self.allowed),
            false => self.allowed.saturating_sub(self.spec.feeds),
        }
    }

    /// How long what was taken is remembered.
    fn keep_ns(&self, slack_ns: u64) -> u64 {
        let kept = if self.spec.aligned { IN_FLIGHT_NS } else { self.spec.window_ns.max(1) };
        kept.saturating_add(slack_ns)
    }

    #[inline]
    fn check(
        &mut self,
        cost: u32,
        half_reserves: u32,
        slack_ns: u64,
        now: Nanos,
    ) -> Result<(), Nanos> {
        if cost <= self.sure && now < self.same_until && now >= self.blocked_until {
            return Ok(());
        }
        self.check_now(cost, half_reserves, slack_ns, now)
    }

    fn check_now(
        &mut self,
        cost: u32,
        half_reserves: u32,
        slack_ns: u64,
        now: Nanos,
    ) -> Result<(), Nanos> {
        self.advance(slack_ns, now);
        if now < self.blocked_until {
            return Err(self.blocked_until);
        }
        let (whole, share) = self.bounds(Priority::Query.half_reserves());
        self.sure = whole.saturating_sub(self.used).min(share.saturating_sub(self.own));
        let (whole, share) = self.bounds(half_reserves);
        let over = self.used.saturating_add(cost).saturating_sub(whole);
        let own_over = self.own.saturating_add(cost).saturating_sub(share);
        if over == 0 && own_over == 0 {
            return Ok(());
        }
        Err(self.free_at(over, own_over, slack_ns, now))
    }

    /// Units that may be in use by all, and by the owner, where so many halves of the reserve are to
    /// stay. Both the whole and the share of commands have the reserve; the feed's share has none.
    fn bounds(&self, half_reserves: u32) -> (u32, u32) {
        let untouched = self.spec.cancel_reserve.saturating_mul(half_reserves) / 2;
        let of_share = if self.of_feed { 0 } else { untouched };
        (self.allowed.saturating_sub(untouched), self.share().saturating_sub(of_share))
    }

    /// When so many of all units in use, and so many of our own, will be free again.
    #[cold]
    fn free_at(&self, units: u32, own: u32, slack_ns: u64, now: Nanos) -> Nanos {
        if self.spec.aligned {
            return self.ends.plus(slack_ns);
        }
        let keep_ns = self.keep_ns(slack_ns);
        let (mut freed, mut own_freed) = (0u32, 0u32);
        for taken in &self.taken {
            freed = freed.saturating_add(taken.units);
            own_freed = own_freed.saturating_add(if taken.foreign { 0 } else { taken.units });
            if freed >= units && own_freed >= own {
                return taken.at.plus(keep_ns);
            }
        }
        now.plus(keep_ns)
    }

    #[inline]
    fn take(&mut self, units: u32, foreign: bool, now: Nanos) {
        if units == 0 {
            return;
        }
        self.used = self.used.saturating_add(units);
        self.own = self.own.saturating_add(if foreign { 0 } else { units });
        self.sure = self.sure.saturating_sub(units);
        if self.taken.len() >= self.taken_max() {
            return self.take_with_last(units, foreign, now);
        }
        if self.taken.is_empty() {
            self.same_until = Nanos(0);
        }
        self.taken.push_back(Taken { at: now, units, foreign });
    }

    /// No room to tell them apart: all of it was taken now, and by us if any of it was, which is the
    /// safe side.
    #[cold]
    fn take_with_last(&mut self, units: u32, foreign: bool, now: Nanos) {
        self.sure = 0;
        let Some(last) = self.taken.back_mut() else { return };
        if last.foreign != foreign {
            self.own = self.own.saturating_add(if foreign { units } else { last.units });
        }
        last.foreign &= foreign;
        (last.at, last.units) = (now, last.units.saturating_add(units));
    }

    /// Gives back what is over. Most calls find nothing to do.
    #[inline]
    fn advance(&mut self, slack_ns: u64, now: Nanos) {
        if now >= self.same_until {
            self.advance_now(slack_ns, now);
        }
    }

    fn advance_now(&mut self, slack_ns: u64, now: Nanos) {
        self.sure = 0;
        let keep_ns = self.keep_ns(slack_ns);
        self.expire(keep_ns, slack_ns, now);
        let oldest = self.taken.front().map_or(Nanos(u64::MAX), |taken| taken.at.plus(keep_ns));
        let ends = if self.spec.aligned { self.ends.plus(slack_ns) } else { Nanos(u64::MAX) };
        self.same_until = oldest.min(ends);
    }

    fn expire(&mut self, keep_ns: u64, slack_ns: u64, now: Nanos) {
        while let Some(&Taken { at, units, foreign }) = self.taken.front()
            && now.since(at) >= keep_ns
        {
            self.taken.pop_front();
            if !self.spec.aligned {
                self.used = self.used.saturating_sub(units);
                self.own = self.own.saturating_sub(if foreign { 0 } else { units });
            }
        }
        if self.spec.aligned && now >= self.ends.plus(slack_ns) {
            self.used = self.late(slack_ns);
            self.own = self.used;
            self.ends = self.next_end(now);
            if self.used == 0 {
                self.taken.clear();
            }
        }
    }

    /// What was taken so late that it may count in the next window: before its end or, as a window
    /// ends here only once it has ended for everybody, after it.
    fn late(&self, slack_ns: u64) -> u32 {
        let late = |taken: &&Taken| !taken.foreign && taken.at.plus(slack_ns) > self.ends;
        self.taken.iter().rev().take_while(|t| late(t) || t.foreign).filter(late).fold(0, sum)
    }

    /// End of the aligned window that `now` is in.
    fn next_end(&self, now: Nanos) -> Nanos {
        let window_ns = self.spec.window_ns.max(1);
        let passed = now.since(self.ends) / window_ns + 1;
        Nanos(self.ends.0.saturating_add(passed.saturating_mul(window_ns)))
    }

    fn correct(&mut self, stated: &RateLimitUse, slack_ns: u64, now: Nanos) {
        self.sure = 0;
        self.advance(slack_ns, now);
        if stated.allowed > 0 {
            self.allowed = stated.allowed;
        }
        if stated.used >= self.allowed && stated.resets_ns > now {
            self.blocked_until = self.blocked_until.max(stated.resets_ns);
        }
        if self.is_its_window(stated, now) {
            if stated.resets_ns.since(self.ends) > self.spec.window_ns / 2 {
                // The venue's window has ended before ours.
                self.give_back(self.recent(slack_ns, now));
            }
            self.ends = stated.resets_ns;
            self.same_until = Nanos(0);
        }
        if stated.used > self.used {
            // Others use the same account or address.
            self.take(stated.used - self.used, true, now);
        } else if self.spec.aligned {
            // The venue gives units back, or its window began before ours.
            self.give_back(stated.used.saturating_add(self.recent(slack_ns, now)));
        }
    }

    /// No more than this is in use; that is said to be the others' first.
    fn give_back(&mut self, used: u32) {
        self.used = self.used.min(used);
        self.own = self.own.min(self.used);
    }

    /// Whether a statement names the end of the running window.
    fn is_its_window(&self, stated: &RateLimitUse, now: Nanos) -> bool {
        let left_ns = stated.resets_ns.since(now);
        self.spec.aligned && left_ns > 0 && left_ns <= self.spec.window_ns
    }

    /// What was taken so lately that a statement need not contain it.
    fn recent(&self, slack_ns: u64, now: Nanos) -> u32 {
        let recent = |taken: &&Taken| now.since(taken.at) < IN_FLIGHT_NS.saturating_add(slack_ns);
        self.taken.iter().rev().take_while(recent).fold(0, sum)
    }

    /// See [`Throttle::is_news`]; says the same whether or not the window was advanced before.
    fn is_news(&self, stated: &RateLimitUse, slack_ns: u64, now: Nanos) -> bool {
        let allowed = if stated.allowed > 0 { stated.allowed } else { self.allowed };
        let full = stated.used >= allowed && stated.resets_ns > now.max(self.blocked_until);
        if allowed != self.allowed || full {
            return true;
        }
        let ended = now >= self.ends.plus(slack_ns);
        let ends = if ended { self.next_end(now) } else { self.ends };
        if self.is_its_window(stated, now) && ends.0.abs_diff(stated.resets_ns.0) > slack_ns {
            return true;
        }
        let (used, own) = self.used_at(slack_ns, now);
        let half = self.share() / 2;
        if stated.used > used {
            // As much as is the feed's shortens nothing: our share leaves it out.
            return stated.used.saturating_sub(own) > self.spec.feeds;
        }
        let step = (allowed / 32).max(1);
        let back = used - stated.used.saturating_add(self.recent(slack_ns, now)).min(used);
        self.spec.aligned && used > half && back >= step
    }

    /// What [`Limit::advance`] would leave in use, in all and by the owner.
    fn used_at(&self, slack_ns: u64, now: Nanos) -> (u32, u32) {
        if self.spec.aligned {
            let ended = now >= self.ends.plus(slack_ns);
            let late = if ended { self.late(slack_ns) } else { 0 };
            return if ended { (late, late) } else { (self.used, self.own) };
        }
        let keep_ns = self.keep_ns(slack_ns);
        let gone = |taken: &&Taken| now.since(taken.at) >= keep_ns;
        let gone = || self.taken.iter().take_while(gone);
        let own = gone().filter(|taken| !taken.foreign).fold(0, sum);
        (self.used.saturating_sub(gone().fold(0, sum)), self.own.saturating_sub(own))
    }

    /// Whether both count the same in the same way.
    fn is_like(&self, other: &Self) -> bool {
        let shape = |limit: &Self| (limit.spec.window_ns, limit.spec.aligned);
        shape(self) == shape(other)
    }

    /// Goes on with the count of an earlier run.
    fn carry_over(&mut self, from: &Self, now: Nanos) {
        if self.spec.allowed == from.spec.allowed {
            self.allowed = from.allowed;
        }
        let latest = now.plus(self.spec.window_ns);
        (self.used, self.own) = (from.used, from.own);
        self.ends = from.ends.min(latest);
        self.blocked_until = from.blocked_until.min(latest);
        let skipped = from.taken.len().saturating_sub(self.taken_max());
        let taken = from.taken.iter().skip(skipped);
        self.taken.extend(taken.map(|taken| Taken { at: taken.at.min(now), ..*taken }));
    }
}

fn sum(sum: u32, taken: &Taken) -> u32 {
    sum.saturating_add(taken.units)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: u64 = 1_000_000_000;
    const START: Nanos = Nanos(1_000_000 * SECOND);

    fn spec(allowed: u32, cancel_reserve: u32, aligned: bool) -> LimitSpec {
        let (name, window_ns) = ("test", 10 * SECOND);
        LimitSpec { name, window_ns, allowed, cancel_reserve, feeds: 0, aligned }
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

    fn shared(allowed: u32, cancel_reserve: u32, feeds: u32) -> [LimitSpec; 1] {
        [LimitSpec { feeds, ..spec(allowed, cancel_reserve, true) }]
    }

    fn fill(throttle: &mut Throttle, priority: Priority, now: Nanos) -> usize {
        (0..1_000).filter(|_| throttle.try_take(&costs(1, 0), priority, now).is_ok()).count()
    }

    #[test]
    fn feed_and_commands_keep_to_their_shares() {
        let limits = shared(100, 10, 30);
        let (mut feed, mut commands) = (Throttle::of_feed(&limits), Throttle::new(&limits));
        assert_eq!(fill(&mut feed, Priority::Query, START), 30);
        assert_eq!(fill(&mut commands, Priority::New, START), 55, "100 - 30 - 15");
        assert_eq!(fill(&mut commands, Priority::Hedge, START), 5);
        assert_eq!(fill(&mut commands, Priority::Cancel, START), 10);
        let next = after(10 * SECOND);
        assert_eq!(fill(&mut feed, Priority::Query, next), 30);
        assert_eq!(fill(&mut commands, Priority::Cancel, next), 70);
    }

    #[test]
    fn what_the_venue_counts_of_the_other_does_not_shorten_a_share_but_bounds_the_sum() {
        let limits = shared(100, 10, 30);
        let stated = |used| RateLimitUse { limit: 0, used, allowed: 0, resets_ns: Nanos(0) };
        let mut commands = Throttle::new(&limits);
        commands.on_use(&stated(30), START);
        assert_eq!(fill(&mut commands, Priority::New, START), 55, "the feed's share is its own");
        let mut commands = Throttle::new(&limits);
        commands.on_use(&stated(60), START);
        assert_eq!(
            fill(&mut commands, Priority::New, START),
            25,
            "somebody else is here: 100 - 15"
        );
        assert_eq!(commands.used(0, START), Some((85, 100)));
        let mut feed = Throttle::of_feed(&limits);
        feed.on_use(&stated(70), START);
        assert_eq!(fill(&mut feed, Priority::Query, START), 10, "100 - 20");
    }

    #[test]
    fn a_statement_tells_when_the_venues_window_ends() {
        let mut throttle = Throttle::new(&[spec(3, 0, true)]);
        let stated = |resets_ns| RateLimitUse { limit: 0, used: 1, allowed: 0, resets_ns };
        throttle.on_use(&stated(after(4 * SECOND)), START);
        assert_eq!(fill(&mut throttle, Priority::New, after(SECOND)), 2);
        let refused = throttle.check(&costs(1, 0), Priority::New, after(2 * SECOND));
        assert_eq!(refused, Err(after(4 * SECOND)));
        assert_eq!(fill(&mut throttle, Priority::New, after(4 * SECOND)), 3);
        let refused = throttle.check(&costs(1, 0), Priority::New, after(5 * SECOND));
        assert_eq!(refused, Err(after(14 * SECOND)), "and the next ones go with it");
        // A statement from the next window ends ours, but for what may count there.
        throttle.on_use(&stated(after(23 * SECOND)), after(13 * SECOND));
        assert_eq!(throttle.used(0, after(13 * SECOND)), Some((1, 3)));
    }

    #[test]
    fn news_is_what_changes_a_refusal() {
        let mut throttle = Throttle::ahead(&[spec(100, 0, true)], SECOND / 20);
        let end = after(10 * SECOND);
        let stated = |used, allowed, resets_ns| RateLimitUse { limit: 0, used, allowed, resets_ns };
        for _ in 0..10 {
            throttle.try_take(&costs(1, 0), Priority::New, START).unwrap();
        }
        let now = after(2 * SECOND);
        for (used, allowed, resets_ns, news) in [
            (10, 100, end, false),
            (10, 0, Nanos(0), false),
            (3, 0, end, false),
            (11, 0, end, true),
            (10, 99, end, true),
            (10, 0, end.plus(SECOND / 20), false),
            (10, 0, end.plus(SECOND / 20 + 1), true),
            (100, 0, after(3 * SECOND), true),
        ] {
            let statement = stated(used, allowed, resets_ns);
            assert_eq!(throttle.is_news(&statement, now), news, "{statement:?}");
        }
        assert!(!throttle.is_news(&RateLimitUse { limit: 7, ..stated(100, 9, end) }, now));
        for _ in 0..41 {
            throttle.try_take(&costs(1, 0), Priority::New, START).unwrap();
        }
        assert!(throttle.is_news(&stated(48, 0, end), now), "51 used, 3 given back");
        assert!(!throttle.is_news(&stated(49, 0, end), now), "too little to be remembered");
        assert!(!throttle.is_news(&stated(0, 0, end.plus(SECOND)), after(11 * SECOND)), "anew");
    }

    #[test]
    fn a_new_run_goes_on_counting_and_survives_a_clock_that_went_back() {
        let limits = [spec(5, 0, true), spec(5, 0, false), spec(7, 0, true)];
        let mut throttle = Throttle::ahead(&limits, 0);
        let late = after(500 * SECOND);
        throttle.try_take(&Costs([3, 4, 5, 0, 0, 0]), Priority::New, late).unwrap();
        let other = [limits[0], limits[1], LimitSpec { window_ns: SECOND, ..limits[2] }];
        let mut next = throttle.restarted(&other, 0, late);
        assert_eq!([0, 1, 2].map(|limit| next.used(limit, late).unwrap().0), [3, 4, 0]);
        let mut next = throttle.restarted(&other, 0, START);
        assert_eq!([0, 1, 2].map(|limit| next.used(limit, START).unwrap().0), [3, 4, 0]);
        let now = after(10 * SECOND);
        assert_eq!([0, 1, 2].map(|limit| next.used(limit, now).unwrap().0), [0, 0, 0]);
    }

    #[test]
    fn what_was_read_from_bytes_goes_on_in_the_same_way() {
        let mut throttle = Throttle::ahead(&[spec(20, 0, false)], 0);
        for step in 0..40 {
            let _ = throttle.try_take(&costs(1, 0), Priority::New, after(step * SECOND / 3));
        }
        let bytes = postcard::to_stdvec(&throttle).unwrap();
        let mut again: Throttle = postcard::from_bytes(&bytes).unwrap();
        for step in 40..90 {
            let now = after(step * SECOND / 3);
            let one = throttle.try_take(&costs(1, 0), Priority::New, now);
            assert_eq!(one, again.try_take(&costs(1, 0), Priority::New, now));
        }
        assert_eq!(postcard::to_stdvec(&throttle).unwrap(), postcard::to_stdvec(&again).unwrap());
    }

    proptest! {
        /// What the one ahead lets pass is never refused by the one that sends it a little later,
        /// whatever the venue says of it meanwhile.
        #[test]
        fn what_passes_ahead_passes_behind(
            aligned: bool,
            phase in 0u64..10 * SECOND,
            steps in prop::collection::vec((0u64..SECOND, 0u64..50_000_000, 0u32..3), 1..300),
        ) {
            const SLACK: u64 = 50_000_000;
            let limits = [LimitSpec { feeds: 2, ..spec(20, 2, aligned) }];
            let mut ahead = Throttle::ahead(&limits, SLACK);
            let mut behind = Throttle::new(&limits);
            let mut now = START.plus(phase);
            let mut sent: Vec<Nanos> = Vec::new();
            for (pause, delay, statements) in steps {
                now = now.plus(pause);
                if ahead.try_take(&costs(1, 0), Priority::New, now).is_ok() {
                    let late = sent.last().map_or(now, |last| (*last).max(now)).max(now.plus(delay));
                    prop_assert_eq!(behind.try_take(&costs(1, 0), Priority::New, late), Ok(()));
                    sent.push(late);
                    now = late;
                }
                // The venue has windows of its own and counts what has reached it.
                if statements == 0 {
                    continue;
                }
                let window = 10 * SECOND;
                let begun = Nanos((now.0 - phase) / window * window + phase);
                let since = if aligned { begun } else { Nanos(now.0 - window + 1) };
                let used = sent.iter().filter(|time| **time >= since).count() as u32;
                let resets_ns = if aligned { begun.plus(window) } else { now };
                let stated = RateLimitUse { limit: 0, used, allowed: 20, resets_ns };
                behind.on_use(&stated, now);
                if ahead.is_news(&stated, now) {
                    ahead.on_use(&stated, now);
                }
            }
        }

        /// What is kept to ask less changes no answer: without it, as after a restart, the same.
        #[test]
        fn what_is_remembered_changes_no_answer(
            aligned: bool,
            of_feed: bool,
            steps in prop::collection::vec(
                (0u64..2 * SECOND, 0u16..5, 0usize..4, prop::option::weighted(0.2, (0u32..30, 0u32..25, 0u64..12 * SECOND))),
                1..200,
            ),
        ) {
            let limits = [LimitSpec { feeds: 3, ..spec(20, 4, aligned) }];
            let mut throttle = Throttle::with(&limits, 1_000_000, of_feed);
            let mut now = START;
            for (pause, cost, priority, stated) in steps {
                now = now.plus(pause);
                let mut forgetful = throttle.clone();
                for limit in &mut forgetful.limits {
                    (limit.same_until, limit.sure) = (Nanos(0), 0);
                }
                let priority =
                    [Priority::Cancel, Priority::Hedge, Priority::New, Priority::Query][priority];
                let cost = costs(cost, 0);
                prop_assert_eq!(
                    throttle.check_all(&cost, 2, priority, now),
                    forgetful.check_all(&cost, 2, priority, now)
                );
                prop_assert_eq!(
                    throttle.try_take(&cost, priority, now),
                    forgetful.try_take(&cost, priority, now)
                );
                prop_assert_eq!(throttle.used(0, now), forgetful.used(0, now));
                if let Some((used, allowed, resets)) = stated {
                    let resets_ns = now.plus(resets);
                    throttle.on_use(&RateLimitUse { limit: 0, used, allowed, resets_ns }, now);
                }
            }
        }

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
