//! Order books: full depth of one instrument, and whether it may be trusted.
//!
//! [`Ladder`] holds the levels, [`Book`] adds the continuity of the venue's update ids. Nothing
//! here knows a venue, a socket or a clock, and nothing allocates after construction.

#![forbid(unsafe_code)]

mod best;
mod bitmap;
mod l2;
mod sequence;
mod waiting;

pub use l2::{Ladder, LadderOptions};
pub use sequence::{Book, BookCounters, BookOptions, Outcome};
