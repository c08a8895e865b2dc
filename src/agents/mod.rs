//! The duty cycles: the only folder that wires the steps of the engine together.
//!
//! An agent takes time as an argument and does bounded work per poll. It never blocks; what it
//! cannot do now it does at a later poll. Threads, pinning and idling are in `threads`; agents know
//! nothing of them, so the same agents run spread over cores or folded into one loop.

#![forbid(unsafe_code)]

mod account;
mod assembly;
mod children;
mod configured;
pub mod control;
mod door;
mod duty;
mod emergency;
mod ending;
mod engine;
mod executor;
mod feed;
mod findings;
mod frames;
mod history;
pub mod journal;
mod latency;
mod listening;
mod load;
pub mod log;
mod margins;
mod memory;
mod oms;
mod operator;
mod pairs;
mod ports;
pub mod recorder;
mod recording;
mod rules;
mod session;
mod silence;
mod sizes;
mod skew;
mod strategy;
mod supervision;
mod telling;
mod threads;
mod waiting;

pub use account::{FinalBalance, FinalState};
pub use assembly::Assembly;
pub use configured::{check, check_own, strategy_named};
pub use engine::{Engine, EngineSetup, STOP_TIMEOUT};
pub use executor::{Executor, ExecutorParts};
pub use feed::{Feed, FeedBook, FeedParts};
pub use history::{HistoryPlan, HistoryQuestion};
pub use journal::{JournalDepth, JournalRecorder, Restored, restore};
pub use latency::{FeedLatency, OrderLatency, measure_costs};
pub use load::{Fetch, LoadError, list_all, load, load_with};
pub use oms::{OmsAgent, OmsParts};
pub use operator::{
    Ask, AskKind, ClosingRow, OperatorDesk, OrderBoard, OrderRow, Settled, Tell, TellPart,
};
pub use pairs::PairStats;
pub use ports::{StrategyPort, VenuePort};
pub(crate) use rules::{CHANGES_MAX, RuleChange, RuleLook, RulePlan};
pub use session::{Session, SessionCounters, Step};
pub use sizes::Sizes;
pub use strategy::StrategyAgent;
pub use threads::{
    Agent, Lifecycle, Phase, ThreadPlan, allowed_cpus, automatic_plan, check_core, pin, spawn,
};
