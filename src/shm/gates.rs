//! Whether the oms sends new orders to a venue, and what waits on their way there. Written by it alone.

use super::account::AccountWriter;
use super::codec::written;
use super::health::{RingUse, VenueHealth, pair_word, ring_of};
use crate::sync::seqlock;
use crate::types::{Nanos, NotReady, VenueId};

/// What the oms says of one venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderGate {
    /// Why it sends no new orders there; `None` if it does. For now: see
    /// [`VenueHealth::why_not_ready`].
    pub not_ready: Option<NotReady>,
    /// Since when that is so.
    pub since_ns: Nanos,
    /// Commands on their way to the executor: one that hangs cannot say by itself that they wait.
    pub commands_ring: RingUse,
    /// When this was written.
    pub updated_ns: Nanos,
}

impl Default for OrderGate {
    fn default() -> Self {
        Self {
            not_ready: Some(NotReady::Unmanaged),
            since_ns: Nanos(0),
            commands_ring: RingUse::default(),
            updated_ns: Nanos(0),
        }
    }
}

/// What oms or executor said is true for so long; both say it many times a second.
pub const SILENCE_MAX_NS: u64 = 5_000_000_000;

impl VenueHealth {
    /// Why a new order would not get to the venue now, by the oms, or by the executor where that
    /// knows better; `None` if it would. Nobody who has fallen silent is believed.
    #[must_use]
    pub fn why_not_ready(&self, now: Nanos) -> Option<NotReady> {
        let Self { gate, executor, .. } = self;
        if now.since(gate.updated_ns) > SILENCE_MAX_NS {
            return Some(NotReady::Unmanaged);
        }
        let suspended =
            executor.is_suspended(now).then_some(NotReady::Suspended(executor.suspended_until_ns));
        let silent = now.since(executor.updated_ns) > SILENCE_MAX_NS;
        let silent = silent.then_some(NotReady::Unserved);
        let down = (!executor.ready).then(|| NotReady::Disconnected(executor.missing().next()));
        // What is wanted is told last: it hides nothing that is wrong with the venue.
        let held = gate.not_ready.filter(|why| why.is_wanted());
        let wrong = if held.is_some() { None } else { gate.not_ready };
        wrong.or(suspended).or(silent).or(down).or(held)
    }
}

/// Order of the words below; part of the layout's hash.
pub(super) const FIELDS: &str = "gate: why|about<<8 until since ring(waiting|capacity<<32) updated";

/// Words of a record after its counter.
pub(super) const WORDS: usize = 5;

impl AccountWriter {
    /// Publishes whether new orders go to a venue. One unknown to the region is left out.
    pub fn set_gate(&mut self, venue: VenueId, gate: &OrderGate) {
        let Some(writer) = self.gates.get_mut(usize::from(venue.0)) else { return };
        let [why, until] = NotReady::to_words(gate.not_ready);
        let ring = pair_word(gate.commands_ring.waiting, gate.commands_ring.capacity);
        let words: [u64; WORDS] = [why, until, gate.since_ns.0, ring, gate.updated_ns.0];
        writer.write(|payload| payload.copy_from(0, &words));
    }
}

/// What the oms says of a venue; that nobody says anything before the first word of it.
pub(super) fn gate(reader: &seqlock::Reader) -> OrderGate {
    let Some([why, until, since, ring, updated]) = written::<WORDS>(reader) else {
        return OrderGate::default();
    };
    OrderGate {
        not_ready: NotReady::from_words([why, until]),
        since_ns: Nanos(since),
        commands_ring: ring_of(ring),
        updated_ns: Nanos(updated),
    }
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;
    use crate::shm::ExecutorHealth;
    use crate::types::{Channel, Readiness, TradingState};

    const NOW: Nanos = Nanos(100_000_000_000);

    fn open() -> VenueHealth {
        let gate = OrderGate { not_ready: None, updated_ns: NOW, ..OrderGate::default() };
        let executor = ExecutorHealth { ready: true, updated_ns: NOW, ..ExecutorHealth::default() };
        VenueHealth { gate, executor, ..VenueHealth::default() }
    }

    #[test]
    fn a_venue_is_ready_while_oms_and_executor_live_and_say_so() {
        let why = |change: fn(&mut VenueHealth)| {
            let mut health = open();
            change(&mut health);
            health.why_not_ready(NOW)
        };
        assert_eq!(why(|_| {}), None);
        let held = Some(NotReady::Held(TradingState::Halted));
        assert_eq!(why(|of| of.gate.not_ready = Some(NotReady::Held(TradingState::Halted))), held);
        assert_eq!(why(|of| of.gate.not_ready = Some(NotReady::JournalFull)), {
            Some(NotReady::JournalFull)
        });
        for held in [
            NotReady::Held(TradingState::Halted),
            NotReady::EngineHeld(TradingState::ReduceOnly),
            NotReady::JournalFull,
        ] {
            let mut health = open();
            (health.gate.not_ready, health.executor.ready) = (Some(held), false);
            let down = Some(NotReady::Disconnected(Some(Channel::Trade)));
            assert_eq!(health.why_not_ready(NOW), down, "{held:?} hides nothing");
        }
        let before = |health: &mut VenueHealth| health.gate.updated_ns = Nanos(94_000_000_000);
        assert_eq!(why(before), Some(NotReady::Unmanaged));
        let before = |health: &mut VenueHealth| health.executor.updated_ns = Nanos(94_000_000_000);
        assert_eq!(why(before), Some(NotReady::Unserved));
        let until = Some(NotReady::Suspended(Nanos(NOW.0 + 1)));
        assert_eq!(why(|of| of.executor.suspended_until_ns = Nanos(NOW.0 + 1)), until);
        assert_eq!(why(|of| of.executor.suspended_until_ns = NOW), None);
        let lost = |health: &mut VenueHealth| {
            health.executor.ready = false;
            health.executor.channels[Channel::Trade.index()] = Readiness::Ready;
        };
        let private = Some(NotReady::Disconnected(Some(Channel::Private)));
        assert_eq!(why(lost), private);
        let spared = |health: &mut VenueHealth| {
            health.executor.ready = false;
            health.executor.channels[Channel::Trade.index()] = Readiness::Joining;
            health.executor.channels[Channel::TradeSpare.index()] = Readiness::Ready;
        };
        assert_eq!(why(spared), private, "the spare connection takes orders");
        assert_eq!(VenueHealth::default().why_not_ready(NOW), Some(NotReady::Unmanaged));
        assert_eq!(VenueHealth::default().why_not_ready(Nanos(0)), Some(NotReady::Unmanaged));
    }
}
