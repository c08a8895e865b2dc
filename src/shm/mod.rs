//! The shared region: what lies where, and how to attach.

mod account;
mod books;
mod codec;
mod error;
mod header;
mod health;
mod instruments;
mod latency;
mod layout;
mod map;
mod market;
mod signals;
mod status;
mod strategy;
mod trades;
mod view;

pub use account::{AccountWriter, BalanceRow, OrderCounters, PnlRow, PositionRow, REFUSAL_CODES};
pub use books::{Best, BookWriter, DEPTH_MAX, Depth};
pub use error::RegionError;
pub use health::{
    ExecutorHealth, ExecutorHealthWriter, FeedHealth, FeedHealthWriter, HealthWriter, VenueHealth,
};
pub use latency::Stage;
pub use market::{Market, RegionOptions};
pub use signals::{BadRecord, ReportReader, RequestWriter};
pub use status::{
    STATUS_FIELDS_MAX, Status, StatusError, StatusName, StatusReader, StatusText, StatusValue,
    StatusWriter,
};
pub use strategy::{OmsEnd, StrategyEnd, StrategyFile, StrategyOptions};
pub use trades::{Print, TradeReader, TradeWriter};
pub use view::MarketView;
