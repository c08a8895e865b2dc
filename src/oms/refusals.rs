//! How often each refusal was given.

#![forbid(unsafe_code)]

use super::risk::RiskReject;
use serde::{Deserialize, Serialize};
use std::ops::{Index, IndexMut};

const HALF: usize = 32;

/// Refusals by the number of their [`RiskReject`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusals([[u64; HALF]; 2]);

const _: () = assert!(RiskReject::COUNT <= 2 * HALF, "every refusal has its counter");

impl Refusals {
    /// All of them.
    #[must_use]
    pub fn as_slice(&self) -> &[u64] {
        self.0.as_flattened()
    }
}

impl Index<usize> for Refusals {
    type Output = u64;
    fn index(&self, code: usize) -> &u64 {
        &self.0[code / HALF][code % HALF]
    }
}

impl IndexMut<usize> for Refusals {
    fn index_mut(&mut self, code: usize) -> &mut u64 {
        &mut self.0[code / HALF][code % HALF]
    }
}
