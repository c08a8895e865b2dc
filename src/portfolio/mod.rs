//! What we hold and what it earned: a fold over fills, exact to the last digit.
//!
//! Nothing here knows an order, a venue's wire or a clock; the same code serves live and replay.

#![forbid(unsafe_code)]

mod balances;
mod margin;
mod pnl;
mod positions;
mod wide;

pub use balances::{Balances, ExpectedBalance};
pub use margin::{Collateral, Payments, initial_margin};
pub use pnl::{Pnl, pnl};
pub use positions::{Overflow, Position, Positions};
