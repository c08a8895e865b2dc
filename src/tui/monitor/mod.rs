//! `stoop monitor`'s screens: pure functions of what was gathered and of the keys that were pressed.
//! Nothing here attaches, asks or waits.

#![forbid(unsafe_code)]

mod app;
mod board;
mod data;
mod details;
mod frame;
mod grid;
mod lists;
mod replies;
#[cfg(test)]
mod tests;

pub use app::{App, Ask, Input, Tab, Wish};
pub use data::MonitorData;
pub use frame::draw;
pub use replies::Replies;
