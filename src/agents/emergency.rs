//! The cancels of an emergency: everything at a venue, once a second for each instrument until the
//! venue has confirmed it. Whoever has a connection sends them: the executor, or a spare one if it is
//! lost.
//! An order that was on its way when it began may reach the venue after the first cancel, or be in
//! none of its lists yet: only what is confirmed of cancels sent a while later counts.

#![forbid(unsafe_code)]

use crate::types::{Command, CommandKind, InstrumentId, Nanos};

const EVERY_NS: u64 = 1_000_000_000;
/// How long an order may be on its way to the venue's lists.
const ON_ITS_WAY_NS: u64 = 2_000_000_000;

/// See the module.
pub(super) struct Emergency {
    /// Instruments whose cancel-all the venue has not confirmed.
    open: Vec<InstrumentId>,
    /// When the cancels are sent next.
    next: Nanos,
    /// From when on sent cancels find all that was on its way; known with the first ones.
    settled: Option<Nanos>,
}

impl Emergency {
    /// Nothing is confirmed yet.
    pub fn new(instruments: &[InstrumentId]) -> Self {
        Self { open: instruments.to_vec(), next: Nanos(0), settled: None }
    }

    /// Whether the venue has confirmed that nothing works any more.
    pub fn is_done(&self) -> bool {
        self.open.is_empty()
    }

    /// The venue has confirmed the cancels of an instrument.
    pub fn confirm(&mut self, instrument: InstrumentId) {
        let sent = Nanos(self.next.0.saturating_sub(EVERY_NS));
        if self.settled.is_some_and(|settled| sent >= settled) {
            self.open.retain(|known| *known != instrument);
        }
    }

    /// The commands that are due; none until a second later.
    pub fn commands(&mut self, now: Nanos) -> Vec<Command> {
        if now < self.next {
            return Vec::new();
        }
        self.next = now.plus(EVERY_NS);
        self.settled.get_or_insert(now.plus(ON_ITS_WAY_NS));
        let cancel = |id: &InstrumentId| Command::new(CommandKind::CancelAll(*id), now);
        self.open.iter().map(cancel).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instrument_is_cancelled_once_a_second_until_it_is_confirmed() {
        let (a, b) = (InstrumentId(3), InstrumentId(5));
        let mut emergency = Emergency::new(&[a, b]);
        let cancels = |emergency: &mut Emergency, now| -> Vec<InstrumentId> {
            let commands = emergency.commands(Nanos(now));
            commands
                .iter()
                .map(|command| match command.kind {
                    CommandKind::CancelAll(id) => id,
                    other => panic!("{other:?}"),
                })
                .collect()
        };
        assert_eq!(cancels(&mut emergency, 7), [a, b]);
        assert_eq!(cancels(&mut emergency, 7 + EVERY_NS - 1), []);
        emergency.confirm(a);
        assert_eq!(cancels(&mut emergency, 7 + EVERY_NS), [a, b], "something was on its way");
        assert_eq!(cancels(&mut emergency, 7 + 2 * EVERY_NS), [a, b]);
        emergency.confirm(a);
        assert_eq!(cancels(&mut emergency, 7 + 3 * EVERY_NS), [b]);
        assert!(!emergency.is_done());
        emergency.confirm(b);
        emergency.confirm(b);
        assert!(emergency.is_done());
        assert_eq!(cancels(&mut emergency, 9 * EVERY_NS), []);
    }
}
