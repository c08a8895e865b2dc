//! Scanners against the complete decoder: on every message of the tests, on recorded frames, and on
//! all of them bent and broken. A scanner does what the complete decoder does, or nothing; and what
//! the venues really send it does read.
//!
//! Recorded frames are found through `STOOP_CAPTURES`, more messages through `STOOP_FIXTURES`, or
//! beside the project; without them the tests say so and pass.

mod captures;
mod messages;
mod mutated;
mod support;
