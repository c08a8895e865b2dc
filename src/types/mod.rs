//! The vocabulary of the engine: what a price, an order, a fill or a signal is.
//!
//! No input or output, no clock, no allocation after construction, and no import from the rest of
//! the engine. Every step of the engine meets every other step in these types and nowhere else.
//! Everything that travels between agents is `Copy` and has a fixed size, so it fits a ring slot.

mod account;
mod event;
mod execution;
mod instrument;
mod kline;
mod limit;
mod market;
mod not_ready;
mod operator;
mod order;
mod pair;
mod param;
mod repeats;
mod signal;
mod stamps;
mod strategy;
mod text;
mod units;

pub use account::{
    AssetBalance, FeeRate, FundingPayment, MarginMode, MarginReport, MarginSettings, PositionReport,
};
pub use event::{
    AccountFlaw, Channel, Event, Events, EventsFull, OrderLine, OrderLines, RateLimitUse,
    Readiness, SentOrder, VenueNotice,
};
pub use execution::{
    ExecutionReport, Fill, Liquidity, OrderState, RejectReason, ReportKind, ReportOrigin,
    VENUES_COUNTED, VenueOrders,
};
pub use instrument::{
    AssetId, AssetTable, Instrument, InstrumentId, InstrumentKind, InstrumentRules,
    InstrumentStatus, InstrumentTable, RuleViolation, VenueId,
};
pub use kline::{Interval, Kline};
pub use limit::{CostTable, Costs, LIMITS_MAX, LimitSpec};
pub use market::{
    BookState, DepthKind, DepthUpdate, Level, Perpetual, PerpetualUpdate, TopOfBook, Trade,
};
pub use not_ready::NotReady;
pub use operator::{LimitKey, LossSwitch, Operator, Scope, Teller, TradingState};
pub use order::{
    CancelOrder, ClientOrderId, Command, CommandKind, NewOrder, OrderType, Priority, ReplaceOrder,
    Side, TimeInForce,
};
pub use pair::{Breach, COMPLETING_LEG, HEDGE_LEG, PairEnd, PairLeg, PairOutcome};
pub use param::{
    PARAMS_MAX, ParamChange, ParamName, ParamSpec, ParamText, ParamValue, Params, find_param,
};
pub use repeats::Repeats;
pub use signal::{
    BreachAction, Contract, LEGS_MAX, Leg, LegMode, LegPricing, Signal, SignalId, StrategyId,
};
pub use stamps::{BookStamps, Detail, Path, Stamp, Stamps};
pub use strategy::{ProcessEnd, Request, StrategyReport, signal_name};
pub use text::{FillId, Text, VenueOrderId};
pub use units::{
    AMOUNT_DECIMALS, Amount, Nanos, ParseUnitError, Ppb, Price, Qty, Rate, Rounding, Scale,
};
