//! Which of two order connections takes the next request.
//!
//! A connection is judged by its own replies to orders: how many are missing, how long the oldest
//! has been missing, and how long the last ones took, smoothed. The one in use stays in use until the
//! other is clearly better, so that noise does not move it; what a silent connection would do is not
//! known, and it is credited with the best that either has shown. Ties go to the first.
//!
//! Only a choice: what may be sent where, and when a connection is ready, is each venue's affair.

#![forbid(unsafe_code)]

use crate::types::{Channel, Nanos, OrderLine, OrderLines};

/// Requests without a reply by which a connection may exceed the other before it is passed over.
const CROWD: u32 = 4;
/// Weight of the newest reply in the smoothed time: one part in so many.
const SMOOTHING: u64 = 8;
/// How fast the best time that is credited rises again: one part in so many with each reply.
const FORGETTING: u64 = 256;
/// The other must be faster by a fifth and this much.
const MARGIN_NS: u64 = 200_000;
/// A reply that is missing for so many times the usual says that something is wrong.
const STALL: u64 = 4;
const STALL_MIN_NS: u64 = 2_000_000;
/// What a connection showed longer ago is not known any more.
const KNOWN_NS: u64 = 30_000_000_000;
/// Shortest stay after a change that only speed asked for.
const STAY_NS: u64 = 1_000_000_000;

/// What is known of one connection.
#[derive(Clone, Copy, Debug, Default)]
struct Line {
    /// Orders that wait for their reply.
    unanswered: u32,
    /// Since when replies are missing without a break; none if none is.
    waiting_since: Option<Nanos>,
    /// Smoothed time from request to reply; 0 before the first.
    reply_ns: u64,
    /// When the last reply came.
    replied: Nanos,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Healthier {
    lines: [Line; 2],
    current: usize,
    /// When it was last changed.
    changed: Nanos,
    /// Best smoothed time that either has shown lately; 0 before the first reply.
    best_ns: u64,
}

/// Index of an order connection; other channels have none.
fn index(channel: Channel) -> Option<usize> {
    match channel {
        Channel::Trade => Some(0),
        Channel::TradeSpare => Some(1),
        _ => None,
    }
}

const CHANNELS: [Channel; 2] = [Channel::Trade, Channel::TradeSpare];

impl Healthier {
    /// The connection for the next request, of those that may take it (by index: [`Channel::Trade`],
    /// [`Channel::TradeSpare`]).
    pub(super) fn pick(&mut self, usable: [bool; 2], now: Nanos) -> Option<Channel> {
        let at = match usable {
            [false, false] => return None,
            [true, false] => self.change(0, now),
            [false, true] => self.change(1, now),
            [true, true] => self.better(now),
        };
        Some(CHANNELS[at])
    }

    fn change(&mut self, to: usize, now: Nanos) -> usize {
        if self.current != to {
            (self.current, self.changed) = (to, now);
        }
        to
    }

    fn better(&mut self, now: Nanos) -> usize {
        let (current, other) = (self.current, 1 - self.current);
        if self.is_stalled(current, now) && !self.is_stalled(other, now) {
            return self.change(other, now);
        }
        if self.is_faster(other, current, now) && now.since(self.changed) >= STAY_NS {
            return self.change(other, now);
        }
        // A crowd passes: this request alone goes the other way.
        let [here, there] = [current, other].map(|at| self.lines[at].unanswered);
        if here > there.saturating_add(CROWD) && !self.is_stalled(other, now) {
            return other;
        }
        current
    }

    /// Replies are missing for longer than they ever take.
    fn is_stalled(&self, at: usize, now: Nanos) -> bool {
        let usual = self.lines[at].reply_ns.max(self.best_ns);
        let limit = usual.saturating_mul(STALL).max(STALL_MIN_NS);
        usual > 0 && self.lines[at].waiting_since.is_some_and(|since| now.since(since) > limit)
    }

    fn is_faster(&self, one: usize, than: usize, now: Nanos) -> bool {
        let slow = self.lines[than].reply_ns;
        let fast = self.time(one, now);
        slow > 0 && fast.saturating_add(fast / 4).saturating_add(MARGIN_NS) < slow
    }

    /// Smoothed time of a connection, or what it is credited with.
    fn time(&self, at: usize, now: Nanos) -> u64 {
        let line = &self.lines[at];
        let known = line.reply_ns > 0 && now.since(line.replied) < KNOWN_NS;
        if known { line.reply_ns } else { self.best_ns }
    }

    /// An order, a cancel or a replace has left.
    pub(super) fn on_sent(&mut self, channel: Channel, now: Nanos) {
        if let Some(at) = index(channel) {
            self.lines[at].unanswered += 1;
            self.lines[at].waiting_since.get_or_insert(now);
        }
    }

    /// Its reply came, in time.
    pub(super) fn on_reply(&mut self, channel: Channel, sent: Nanos, now: Nanos) {
        let Some(at) = index(channel) else { return };
        self.measured(at, now.since(sent), now);
        let line = &mut self.lines[at];
        line.unanswered = line.unanswered.saturating_sub(1);
        // The next one in line has waited at most since now, as far as this connection's fault goes.
        line.waiting_since = (line.unanswered > 0).then_some(now);
    }

    /// No reply came in time: the connection is as slow as that at least.
    pub(super) fn on_overdue(&mut self, channel: Channel, sent: Nanos, now: Nanos) {
        let Some(at) = index(channel) else { return };
        self.measured(at, now.since(sent), now);
        let line = &mut self.lines[at];
        line.unanswered = line.unanswered.saturating_sub(1);
        if line.unanswered == 0 {
            line.waiting_since = None;
        }
    }

    /// The connection is new or lost: nothing is known of it.
    pub(super) fn reset(&mut self, channel: Channel) {
        if let Some(at) = index(channel) {
            self.lines[at] = Line::default();
        }
    }

    fn measured(&mut self, at: usize, took_ns: u64, now: Nanos) {
        let line = &mut self.lines[at];
        let took_ns = took_ns.max(1);
        let old = line.reply_ns;
        let known = old > 0 && now.since(line.replied) < KNOWN_NS;
        line.reply_ns = if known { old - old / SMOOTHING + took_ns / SMOOTHING } else { took_ns };
        line.replied = now;
        let reply_ns = line.reply_ns.max(1);
        let rising = self.best_ns.saturating_add(reply_ns.abs_diff(self.best_ns) / FORGETTING);
        self.best_ns = if self.best_ns == 0 { reply_ns } else { rising.min(reply_ns) };
    }

    /// For the region.
    pub(super) fn lines(&self) -> OrderLines {
        let line = |line: Line| OrderLine { reply_ns: line.reply_ns, unanswered: line.unanswered };
        OrderLines { current: CHANNELS[self.current], lines: self.lines.map(line) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;
    const BOTH: [bool; 2] = [true, true];

    /// Orders every 10 ms, answered after what `reply` says of the connection in use; which was
    /// used for each.
    fn run(
        healthier: &mut Healthier,
        start: u64,
        orders: u64,
        reply: impl Fn(Channel, u64) -> u64,
    ) -> Vec<Channel> {
        (0..orders)
            .map(|number| {
                let sent = Nanos(start + number * 10 * MS);
                let channel = healthier.pick(BOTH, sent).unwrap();
                healthier.on_sent(channel, sent);
                let took = reply(channel, number);
                healthier.on_reply(channel, sent, sent.plus(took));
                channel
            })
            .collect()
    }

    #[test]
    fn ties_go_to_the_first_and_what_is_not_usable_is_not_taken() {
        let mut healthier = Healthier::default();
        assert_eq!(healthier.pick([false, false], Nanos(1)), None);
        assert_eq!(healthier.pick(BOTH, Nanos(1)), Some(Channel::Trade));
        assert_eq!(healthier.pick([false, true], Nanos(2)), Some(Channel::TradeSpare));
        // It stays where it is: the first is not better for having come back.
        assert_eq!(healthier.pick(BOTH, Nanos(3)), Some(Channel::TradeSpare));
        assert_eq!(healthier.pick([true, false], Nanos(4)), Some(Channel::Trade));
    }

    #[test]
    fn a_connection_that_becomes_slow_is_left_and_not_taken_again_while_it_is_no_better() {
        let mut healthier = Healthier::default();
        let used = run(&mut healthier, 0, 200, |_, _| 2 * MS);
        assert!(used.iter().all(|channel| *channel == Channel::Trade));
        let slow = |channel, _| if channel == Channel::Trade { 9 * MS } else { 2 * MS };
        let used = run(&mut healthier, 2_000 * MS, 200, slow);
        let first = used.iter().position(|channel| *channel == Channel::TradeSpare).unwrap();
        assert!(first <= 3, "left after {first} slow replies");
        assert!(used[first..].iter().all(|channel| *channel == Channel::TradeSpare));
    }

    #[test]
    fn noise_moves_nothing() {
        let mut healthier = Healthier::default();
        let used = run(&mut healthier, 0, 2_000, |_, number| MS + number * 7_919 % 97 * 2_000);
        assert!(used.iter().all(|channel| *channel == Channel::Trade));
    }

    #[test]
    fn when_both_are_slow_it_changes_once_in_a_while_at_most() {
        let mut healthier = Healthier::default();
        run(&mut healthier, 0, 100, |_, _| MS);
        let used = run(&mut healthier, 1_000 * MS, 3_000, |_, _| 5 * MS);
        let changes = used.windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert!((1..=3).contains(&changes), "{changes} changes in 30 s");
    }

    #[test]
    fn silence_is_noticed_before_any_deadline() {
        let mut healthier = Healthier::default();
        run(&mut healthier, 0, 50, |_, _| MS);
        let sent = Nanos(600 * MS);
        assert_eq!(healthier.pick(BOTH, sent), Some(Channel::Trade));
        healthier.on_sent(Channel::Trade, sent);
        assert_eq!(healthier.pick(BOTH, sent.plus(3 * MS)), Some(Channel::Trade));
        assert_eq!(healthier.pick(BOTH, sent.plus(5 * MS)), Some(Channel::TradeSpare));
    }

    #[test]
    fn a_crowd_sends_single_requests_the_other_way() {
        let mut healthier = Healthier::default();
        let mut taken = [0; 2];
        for number in 0..20 {
            let now = Nanos(1_000 + number);
            let channel = healthier.pick(BOTH, now).unwrap();
            healthier.on_sent(channel, now);
            taken[index(channel).unwrap()] += 1;
        }
        assert_eq!(taken, [12, 8], "the first may be ahead by four, and one more");
        assert_eq!(healthier.lines().current, Channel::Trade);
        healthier.reset(Channel::Trade);
        assert_eq!(healthier.lines().lines[0], OrderLine::default());
        assert_eq!(healthier.lines().lines[1].unanswered, 8);
    }
}
