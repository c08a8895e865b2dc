//! Who may act for an account: itself and the agents it approved; and which numbers (nonces) each
//! signer has used.

#![forbid(unsafe_code)]

use super::address::Address;
use std::collections::{BTreeMap, BTreeSet};

/// Numbers that are kept of each signer, the highest.
const NONCES_MAX: usize = 100;
const DAY_MS: u64 = 86_400_000;
/// Agents with a name, of one account.
const NAMED_MAX: usize = 3;
/// Longest life of an agent, ms.
const AGENT_LIFE_MS: u64 = 180 * DAY_MS;
/// What separates an agent's name from the end of its life.
const VALID_UNTIL: &str = " valid_until ";

/// An approved agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Agent {
    pub(super) address: Address,
    /// Whose.
    pub(super) owner: Address,
    /// Empty for the one without a name.
    pub(super) name: String,
    pub(super) valid_until_ms: u64,
}

/// See the module's comment.
#[derive(Debug, Default)]
pub(super) struct Signers {
    agents: Vec<Agent>,
    nonces: BTreeMap<Address, BTreeSet<u64>>,
}

impl Signers {
    /// The account for which a signer acts, if it is an agent that still may.
    pub(super) fn owner(&self, signer: Address, now_ms: u64) -> Option<Address> {
        let valid = |agent: &&Agent| agent.address == signer && agent.valid_until_ms > now_ms;
        self.agents.iter().find(valid).map(|agent| agent.owner)
    }

    /// An account's agents.
    pub(super) fn agents(&self, owner: Address) -> impl Iterator<Item = &Agent> {
        self.agents.iter().filter(move |agent| agent.owner == owner)
    }

    /// Approves an agent; one of the same name goes. The name may end in ` valid_until <ms>`.
    pub(super) fn approve(
        &mut self,
        owner: Address,
        address: Address,
        name: &str,
        now_ms: u64,
    ) -> Result<(), String> {
        let latest = now_ms + AGENT_LIFE_MS;
        let (name, until) = match name.split_once(VALID_UNTIL) {
            Some((name, until)) => (name, until.parse().ok()),
            None => (name, Some(latest)),
        };
        let until = until.filter(|until| (now_ms + 1..=latest).contains(until));
        let valid_until_ms = until.ok_or("Invalid valid_until.")?;
        let used = self.agents.iter().any(|agent| agent.address == address);
        if used || self.nonces.contains_key(&address) {
            return Err(String::from("Extra agent already used."));
        }
        let agents = self.agents(owner);
        let named = agents.filter(|agent| !agent.name.is_empty() && agent.name != name).count();
        if !name.is_empty() && named >= NAMED_MAX {
            return Err(String::from("Too many extra agents."));
        }
        self.agents.retain(|agent| agent.owner != owner || agent.name != name);
        self.agents.push(Agent { address, owner, name: name.to_owned(), valid_until_ms });
        Ok(())
    }

    /// Approves an agent for all time; `false` if it is one already.
    pub(super) fn approve_always(&mut self, owner: Address, address: Address, name: &str) -> bool {
        let free = self.agents.iter().all(|agent| agent.address != address);
        if free {
            let name = name.to_owned();
            self.agents.push(Agent { address, owner, name, valid_until_ms: u64::MAX });
        }
        free
    }

    /// Uses up a signer's number: within the window of time, not used, and not below the highest
    /// that are kept.
    pub(super) fn use_nonce(
        &mut self,
        signer: Address,
        nonce: u64,
        now_ms: u64,
    ) -> Result<(), String> {
        let (from, to) = (now_ms.saturating_sub(2 * DAY_MS), now_ms + DAY_MS);
        if nonce <= from || nonce >= to {
            return Err(format!("Invalid nonce: {nonce} is not within ({from}, {to})"));
        }
        let used = self.nonces.entry(signer).or_default();
        if used.contains(&nonce) {
            return Err(format!("Invalid nonce: duplicate nonce {nonce}"));
        }
        if used.len() >= NONCES_MAX {
            let smallest = used.first().copied().unwrap_or_default();
            if nonce < smallest {
                return Err(format!("Invalid nonce: nonce {nonce} too low"));
            }
            used.pop_first();
        }
        used.insert(nonce);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000_000;
    const SIGNER: Address = Address([7; 20]);
    const OWNER: Address = Address([1; 20]);

    #[test]
    fn the_hundred_highest_numbers_are_kept() {
        let mut signers = Signers::default();
        for nonce in (NOW + 1..=NOW + 100).rev() {
            assert_eq!(signers.use_nonce(SIGNER, nonce, NOW), Ok(()), "any order");
        }
        let refused = |nonce: u64, why: &str| {
            Err(format!("Invalid nonce: {why}").replace("N", &nonce.to_string()))
        };
        assert_eq!(signers.use_nonce(SIGNER, NOW, NOW), refused(NOW, "nonce N too low"));
        assert_eq!(signers.use_nonce(SIGNER, NOW + 1, NOW), refused(NOW + 1, "duplicate nonce N"));
        assert_eq!(signers.use_nonce(SIGNER, NOW + 200, NOW), Ok(()), "the lowest goes");
        assert_eq!(signers.use_nonce(SIGNER, NOW + 1, NOW), refused(NOW + 1, "nonce N too low"));
        assert_eq!(
            signers.use_nonce(Address([8; 20]), NOW + 1, NOW),
            Ok(()),
            "each signer has its own"
        );
    }

    #[test]
    fn numbers_are_times_of_the_last_two_days_or_the_next() {
        let mut signers = Signers::default();
        for (nonce, taken) in [
            (NOW - 2 * DAY_MS, false),
            (NOW - 2 * DAY_MS + 1, true),
            (NOW + DAY_MS - 1, true),
            (NOW + DAY_MS, false),
            (0, false),
            (u64::MAX, false),
        ] {
            assert_eq!(signers.use_nonce(SIGNER, nonce, NOW).is_ok(), taken, "{nonce}");
        }
    }

    #[test]
    fn agents_live_so_long_and_are_replaced_by_name() {
        let mut signers = Signers::default();
        let agent = |byte| Address([byte; 20]);
        assert_eq!(signers.approve(OWNER, agent(10), "", NOW), Ok(()));
        assert_eq!(signers.owner(agent(10), NOW), Some(OWNER));
        assert_eq!(signers.owner(agent(10), NOW + AGENT_LIFE_MS), None, "too old");
        assert_eq!(signers.approve(OWNER, agent(11), "", NOW), Ok(()));
        assert_eq!(signers.owner(agent(10), NOW), None, "replaced");
        let until = NOW + 1_000;
        let name = format!("feed1 valid_until {until}");
        assert_eq!(signers.approve(OWNER, agent(12), &name, NOW), Ok(()));
        assert_eq!(signers.owner(agent(12), until - 1), Some(OWNER));
        assert_eq!(signers.owner(agent(12), until), None);
        for (byte, name) in [(13, "two"), (14, "three")] {
            assert_eq!(signers.approve(OWNER, agent(byte), name, NOW), Ok(()));
        }
        assert!(signers.approve(OWNER, agent(15), "four", NOW).is_err());
        assert_eq!(signers.approve(OWNER, agent(15), "three", NOW), Ok(()));
        assert!(signers.approve(OWNER, agent(15), "three", NOW).is_err(), "used before");
        for name in ["a valid_until 5", "a valid_until x", "a valid_until 99999999999999"] {
            assert!(signers.approve(OWNER, agent(16), name, NOW).is_err(), "{name}");
        }
        assert_eq!(signers.agents(OWNER).count(), 4);
    }
}
