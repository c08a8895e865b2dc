//! The terminal screen: one board that shows what the engine sees, holds and does.
//!
//! A reader of the region like any other: it can neither slow the engine down nor change anything.

#![forbid(unsafe_code)]

mod board;
mod data;
mod screen;

pub use board::draw;
pub use data::{
    BoardData, BookRow, LatencyRow, LogRow, ThreadLine, VenueRow, collect, status_fields,
};
pub use screen::{Key, Screen};
