//! The shared region: what lies where, and how to attach.
//!
//! One directory per running instance, closed to other users:
//!
//! - `market`, written by the engine alone and mapped read-only by everyone else: instruments,
//!   books, prints, positions and balances, limits in force, health and readiness, duty cycles,
//!   latency. [`Market`] makes it and hands out each writer once; a [`MarketView`] reads it, in this
//!   process or another, with the same code.
//! - `strategy-<name>`, one per strategy and the only file which that strategy can write: requests
//!   to the oms, reports from it, status; its parameters, which the oms writes ([`StrategyFile`]).
//!
//! Files are arrays of 64-bit atomics; `layout` draws the map of them. Nothing here decides, waits,
//! or stores an offset in a file. What a reader gets is a private copy, and no bytes whatever make
//! it panic or hang: a torn book reads as stale, a bad request is a [`BadRecord`], a foreign file a
//! [`RegionError`] that names it.
//!
//! It assumes that one user runs engine and strategies: a process of that user may still cut a file
//! short under those who mapped it.

mod account;
mod books;
mod codec;
mod duty;
mod error;
mod gates;
mod header;
mod health;
mod instruments;
mod latency;
mod layout;
mod limits;
mod map;
mod market;
mod pages;
mod pairs;
mod params;
mod perpetuals;
mod signals;
mod status;
mod strategy;
#[cfg(all(test, not(feature = "loom")))]
mod tests;
mod trades;
mod view;
mod worst;

pub(crate) use crate::sync::changes::Reader as ChangeReader;
pub use account::{
    AccountWriter, BalanceRow, MarginRow, OrderCounters, PnlRow, PositionRow, REFUSAL_CODES,
    STRATEGIES_MAX,
};
pub use books::{Best, BookWriter, DEPTH_MAX, Depth};
pub use duty::{AgentDuty, Duty, DutyWriter, ThreadRow};
pub use error::RegionError;
pub use gates::{OrderGate, SILENCE_MAX_NS};
pub use health::{
    ExecutorHealth, ExecutorHealthWriter, FEED_LINES, FeedHealth, FeedHealthWriter, FeedLine,
    HealthWriter, RateUse, RingUse, VenueHealth,
};
pub use latency::{GROUPS, Measuring, Stage, StageWriter};
pub use limits::{BudgetLimit, PlainLimits, PositionLimit, StrategyLimit};
pub use market::{Market, RegionOptions};
pub use pages::ask_for_huge_pages;
pub use pairs::{PairReader, PairWriter};
pub use params::{ParamReader, ParamWriter};
pub use perpetuals::PerpetualWriter;
pub use signals::{BadRecord, ReportReader, RequestWriter};
pub use status::{
    STATUS_FIELDS_MAX, Status, StatusError, StatusName, StatusText, StatusValue, StatusWriter,
};
pub use strategy::{OmsEnd, Pulse, StrategyEnd, StrategyFile, StrategyLook, StrategyOptions};
pub use trades::{Print, TradeReader, TradeWriter};
pub use view::MarketView;
pub use worst::{PathRow, PathSlot, WORST_PATHS, WorstWriter};
