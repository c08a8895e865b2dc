//! What an instance sees, holds and does, gathered for whoever asks: commands print it, screens draw
//! it, and both read the same rows.
//!
//! The present of a running instance stands in its region ([`present`]), which is attached read-only:
//! the engine does not notice. Orders, fills and what happened stand in its journal ([`Walk`]), which
//! is executed again record by record; so they can be had of an instance that has ended, too, and are
//! what the order manager itself made of its reports. Nothing here changes or decides anything.

#![forbid(unsafe_code)]

mod about;
mod events;
mod fills;
mod find;
mod life;
mod limits;
mod naming;
mod orders;
pub mod present;
mod recorded;
mod strategies;
pub mod table;
#[cfg(test)]
mod tests;
pub mod venues;
mod walk;
pub mod words;

pub use about::About;
pub use events::{EVENT_COLUMNS, EventRow, Events};
pub use fills::{FILL_COLUMNS, FillRow, Fills};
pub use find::{Found, OrderKey, find};
pub use life::{Life, STEP_COLUMNS, Step, life};
pub use limits::{LIMIT_COLUMNS, LimitNow, limits};
pub use naming::{Naming, venue_name};
pub use orders::{ORDER_COLUMNS, OrderRow, touched};
pub use recorded::{Fold, Recorded};
pub use strategies::{STRATEGY_COLUMNS, StrategyNow, strategies};
pub use walk::{From, Group, Walk, WalkError};
