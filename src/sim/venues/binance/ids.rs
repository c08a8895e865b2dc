//! Ids that the venue makes or keeps: generated client ids, new names given by amendments,
//! execution ids.

use crate::sim::{AccountId, SimOrder};
use std::collections::{HashMap, VecDeque};

/// Amended orders that are remembered by their new name.
const RENAMED_MAX: usize = 10_000;

/// See the module's comment.
#[derive(Debug, Default)]
pub(super) struct Ids {
    generated: u64,
    executions: u64,
    /// Newest client id of an amended order.
    renamed: HashMap<u64, String>,
    /// The same the other way round.
    by_new_name: HashMap<(AccountId, String), u64>,
    /// Amendments whose event has not been told yet.
    untold: VecDeque<Amendment>,
}

/// What the event of an amendment needs to know.
#[derive(Debug)]
pub(super) struct Amendment {
    order_id: u64,
    pub(super) old_name: String,
    pub(super) execution: u64,
}

impl Ids {
    /// A client id for a request that brought none: 22 letters and digits, different every time.
    pub(super) fn generate(&mut self) -> String {
        self.generated += 1;
        scatter(self.generated)
    }

    /// A cancel id for a cancel that nobody named; the same for the same order.
    pub(super) fn unnamed_cancel(order_id: u64) -> String {
        scatter(order_id ^ (1 << 63))
    }

    /// Next execution id.
    pub(super) fn execution(&mut self) -> u64 {
        self.executions += 1;
        self.executions
    }

    /// An order was amended and perhaps given a new client id; gives the execution id.
    pub(super) fn amend(&mut self, account: AccountId, order_id: u64, old: &str, new: &str) -> u64 {
        if self.renamed.len() >= RENAMED_MAX {
            self.renamed.clear();
            self.by_new_name.clear();
        }
        if old != new {
            self.renamed.insert(order_id, new.to_owned());
            self.by_new_name.insert((account, new.to_owned()), order_id);
        }
        let execution = self.execution();
        if self.untold.len() >= RENAMED_MAX {
            self.untold.pop_front();
        }
        self.untold.push_back(Amendment { order_id, old_name: old.to_owned(), execution });
        execution
    }

    /// The oldest amendment of this order that has not been told.
    pub(super) fn tell_amendment(&mut self, order_id: u64) -> Option<Amendment> {
        let index = self.untold.iter().position(|amendment| amendment.order_id == order_id)?;
        self.untold.remove(index)
    }

    /// The client id that the order has now.
    pub(super) fn client_id<'a>(&'a self, order: &'a SimOrder) -> &'a str {
        self.renamed.get(&order.order_id).map_or(order.request.client_id.as_str(), String::as_str)
    }

    /// The order that was given this client id by an amendment.
    pub(super) fn renamed_to(&self, account: AccountId, name: &str) -> Option<u64> {
        self.by_new_name.get(&(account, name.to_owned())).copied()
    }
}

/// 22 characters of base 62 that look random and are not.
fn scatter(seed: u64) -> String {
    const DIGITS: &[u8; 62] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let mut out = String::with_capacity(22);
    let mut state = seed;
    for _ in 0..2 {
        // splitmix64
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        for _ in 0..11 {
            out.push(DIGITS[(mixed % 62) as usize] as char);
            mixed /= 62;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_ids_differ_and_are_legal() {
        let mut ids = Ids::default();
        let (first, second) = (ids.generate(), ids.generate());
        assert_ne!(first, second);
        assert_eq!(first.len(), 22);
        assert!(first.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_eq!(Ids::unnamed_cancel(7), Ids::unnamed_cancel(7));
        assert_ne!(Ids::unnamed_cancel(7), Ids::unnamed_cancel(8));
    }
}
