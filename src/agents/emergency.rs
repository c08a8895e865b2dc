//! The cancels of an emergency: everything at a venue, once a second for each instrument until the
//! venue has confirmed it. Whoever has a connection sends them: the executor, or a spare one if it is
//! lost.

#![forbid(unsafe_code)]

use crate::types::{Command, CommandKind, InstrumentId, Nanos};

const EVERY_NS: u64 = 1_000_000_000;

/// See the module.
pub(super) struct Emergency {
    /// Instruments whose cancel-all the venue has not confirmed.
    open: Vec<InstrumentId>,
    /// When the cancels are sent next.
    next: Nanos,
}

impl Emergency {
    /// Nothing is confirmed yet.
    pub fn new(instruments: &[InstrumentId]) -> Self {
        Self { open: instruments.to_vec(), next: Nanos(0) }
    }

    /// Whether the venue has confirmed that nothing works any more.
    pub fn is_done(&self) -> bool {
        self.open.is_empty()
    }

    /// The venue has confirmed the cancels of an instrument.
    pub fn confirm(&mut self, instrument: InstrumentId) {
        self.open.retain(|known| *known != instrument);
    }

    /// The commands that are due; none until a second later.
    pub fn commands(&mut self, now: Nanos) -> Vec<Command> {
        if now < self.next {
            return Vec::new();
        }
        self.next = now.plus(EVERY_NS);
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
        assert_eq!(cancels(&mut emergency, 7 + EVERY_NS), [b]);
        assert!(!emergency.is_done());
        emergency.confirm(b);
        emergency.confirm(b);
        assert!(emergency.is_done());
        assert_eq!(cancels(&mut emergency, 9 * EVERY_NS), []);
    }
}
