//! Events of the account that both connections tell: the first to arrive counts, the other says
//! nothing new. So either connection may be late, or gone, without anything being missed.
//!
//! Only repetitions by the *other* connection are found, and only recent ones: what gets through is
//! a repeated report, which the order manager knows to take.
//!
//! Balances are states, not news: the newest must stay, and nothing in them says which of two is
//! newer, as the venue's clock may be set. But each connection keeps the venue's order. So whoever
//! told the last balances that the other had not told before may be behind the other: from then on
//! its repetitions are taken again, and bring it up to what the other had told.

#![forbid(unsafe_code)]

use crate::types::Channel;
use crate::venues::Value;

/// Events that are remembered; a power of two.
const SLOTS: usize = 1024;

/// What tells an event from all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity([u64; 4]);

impl Identity {
    /// Of an execution: numbers of the order, the execution and the trade, and its kind.
    pub(super) fn of_execution(
        order: Option<u64>,
        execution: Option<u64>,
        trade: Option<i64>,
        kind: Option<&str>,
    ) -> Option<Self> {
        Some(Self([order?, execution?, trade.unwrap_or(0) as u64, hash_text(1, kind?)]))
    }
}

/// The events lately told, and by which connection.
pub(super) struct Seen {
    slots: Box<[Option<(Identity, Channel)>]>,
    /// Who told the last balances that were taken.
    balances: Option<Channel>,
}

impl Seen {
    pub(super) fn new() -> Self {
        Self { slots: vec![None; SLOTS].into(), balances: None }
    }

    fn slot(identity: &Identity) -> usize {
        let mixed = identity.0.iter().fold(0, |mixed: u64, part| hash(mixed, *part));
        (mixed >> 32) as usize & (SLOTS - 1)
    }

    /// Whether the other connection has told this already.
    pub(super) fn told_by_other(&self, identity: &Identity, channel: Channel) -> bool {
        self.slots[Self::slot(identity)]
            .is_some_and(|(known, teller)| known == *identity && teller != channel)
    }

    /// This was told now.
    pub(super) fn remember(&mut self, identity: Identity, channel: Channel) {
        self.slots[Self::slot(&identity)] = Some((identity, channel));
    }

    /// Whether balances that this connection repeats are to be taken: its word was the last.
    pub(super) fn told_balances(&self, channel: Channel) -> bool {
        self.balances == Some(channel)
    }

    /// Balances of this connection were taken.
    pub(super) fn take_balances(&mut self, channel: Channel) {
        self.balances = Some(channel);
    }
}

#[inline]
fn hash(state: u64, value: u64) -> u64 {
    (state.rotate_left(23) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn hash_text(state: u64, text: &str) -> u64 {
    let (chunks, rest) = text.as_bytes().as_chunks::<8>();
    let state = chunks.iter().fold(state, |state, chunk| hash(state, u64::from_le_bytes(*chunk)));
    let rest = rest.iter().fold(rest.len() as u64, |word, byte| word << 8 | u64::from(*byte));
    hash(state, rest)
}

/// Whether an event states balances.
pub(super) fn is_balances(event: Value<'_>) -> bool {
    event.get("e").and_then(Value::str) == Some("outboundAccountPosition")
}

/// The identity of an execution or an account position; `None` for everything else, and for what
/// does not state enough of itself.
///
/// An execution is named by order (`i`), execution (`I`), trade (`t`) and kind (`x`). Positions have
/// no number: their time (`u`) and all that they say must be the same.
pub(super) fn identity(event: Value<'_>) -> Option<Identity> {
    match event.get("e")?.str()? {
        "executionReport" => execution(event),
        "outboundAccountPosition" => position(event),
        _ => None,
    }
}

fn execution(event: Value<'_>) -> Option<Identity> {
    let (mut order, mut execution, mut trade, mut kind) = (None, None, None, None);
    for (key, value) in event.members() {
        match key {
            "i" => order = value.u64(),
            "I" => execution = value.u64(),
            "t" => trade = value.i64(),
            "x" => kind = value.str(),
            _ => {}
        }
    }
    Identity::of_execution(order, execution, trade, kind)
}

fn position(event: Value<'_>) -> Option<Identity> {
    let time = event.get("u")?.u64()?;
    let (mut said, mut again, mut rows) = (2, 3, 0);
    for row in event.get("B")?.items() {
        rows += 1;
        for key in ["a", "f", "l"] {
            let text = row.get(key)?.str()?;
            said = hash_text(said, text);
            again = hash_text(again, text);
        }
    }
    Some(Identity([time, rows, said, again]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::venues::Parser;

    fn of(text: &str) -> Option<Identity> {
        let mut bytes = text.as_bytes().to_vec();
        let mut found = None;
        Parser::new()
            .read(&mut bytes, |root| {
                found = identity(root);
                Ok(())
            })
            .unwrap();
        found
    }

    #[test]
    fn events_are_known_by_what_they_are_about() {
        let fill = r#"{"e":"executionReport","E":5,"i":1,"x":"TRADE","I":2,"t":3}"#;
        let later = r#"{"e":"executionReport","E":6,"I":2,"i":1,"x":"TRADE","t":3}"#;
        assert_eq!(of(fill), of(later), "when it was sent does not matter");
        for other in [
            r#"{"e":"executionReport","i":9,"x":"TRADE","I":2,"t":3}"#,
            r#"{"e":"executionReport","i":1,"x":"CANCELED","I":2,"t":3}"#,
            r#"{"e":"executionReport","i":1,"x":"TRADE","I":9,"t":3}"#,
            r#"{"e":"executionReport","i":1,"x":"TRADE","I":2,"t":-1}"#,
        ] {
            assert!(of(other).is_some() && of(other) != of(fill), "{other}");
        }
        let free = |free: &str| {
            let row = format!(r#"[{{"a":"BTC","f":"{free}","l":"0"}}]"#);
            of(&format!(r#"{{"e":"outboundAccountPosition","E":1,"u":7,"B":{row}}}"#))
        };
        assert!(free("1.5").is_some() && free("1.5") == free("1.5"));
        assert_ne!(free("1.5"), free("1.6"), "within the same millisecond");
        assert_eq!(of(r#"{"e":"executionReport","i":1,"x":"TRADE","t":3}"#), None);
        assert_eq!(of(r#"{"e":"balanceUpdate","u":1}"#), None);
    }

    #[test]
    fn only_what_the_other_has_told_is_a_repetition() {
        let (mut seen, event) = (Seen::new(), Identity([1, 2, 3, 4]));
        assert!(!seen.told_by_other(&event, Channel::Trade));
        seen.remember(event, Channel::Trade);
        assert!(!seen.told_by_other(&event, Channel::Trade), "its own repetitions are handed on");
        assert!(seen.told_by_other(&event, Channel::TradeSpare));
        assert!(!seen.told_by_other(&Identity([1, 2, 3, 5]), Channel::TradeSpare));
    }
}
