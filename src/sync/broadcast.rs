//! Ring of one writer and any number of readers.

/// The reader was too slow: so many records were overwritten before it read them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lapped(pub u64);
