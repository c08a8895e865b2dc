//! The terminal screens: what the engine sees, holds and does, and the few keys that act on it.
//!
//! `stoop monitor` shows them of any running instance, `stoop run` of itself. A reader of the region
//! like any other: it can neither slow the engine down nor change anything; what a person asks for by
//! a key is handed to the caller.

#![forbid(unsafe_code)]

mod monitor;
mod screen;

pub use monitor::{App, Ask, Input, MonitorData, Replies, Tab, Wish, draw};
pub use screen::{Screen, is_plain};
