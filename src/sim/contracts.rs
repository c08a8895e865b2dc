//! What the matching engine and the wires say to each other about perpetual contracts: their rules,
//! positions, margin, marks, funding and liquidations.
//!
//! A position is net: one signed quantity per account and instrument. Quantities are in base units
//! and amounts in the settle asset, whatever a venue counts in on its wire.

use super::AccountId;
use crate::types::Side;
use rust_decimal::Decimal;

/// What makes an instrument a perpetual contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PerpetualRules {
    /// Asset of margin, fees, profit and funding.
    pub settle: String,
    /// Base units of one contract; 1 where the wire counts in base units. Prices and quantities of
    /// the exchange are in base units: only wires use it.
    pub contract_size: Decimal,
    /// Leverage before an account chooses one.
    pub leverage_initial: Decimal,
    /// Largest leverage.
    pub leverage_max: Decimal,
    /// Maintenance margin, as a ratio of the value at mark.
    pub maintenance_rate: Decimal,
    /// Time between two payments of funding, ms; payments are at multiples of it since the epoch.
    pub funding_interval_ms: u64,
    /// Largest funding rate of one interval, either way, as a ratio.
    pub funding_rate_max: Decimal,
}

/// What stands for a position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SimMarginMode {
    /// The account's whole wallet of the settle asset.
    #[default]
    Cross,
    /// An amount set aside for it.
    Isolated,
}

/// What the exchange does with reduce-only orders that are larger than the position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReduceOnlyPolicy {
    /// A new one is refused rather than cut to the position.
    pub refuses_oversized: bool,
    /// A resting one ends when the position becomes too small for it, rather than shrinking.
    pub cancels_resting: bool,
}

/// One account's position in one instrument, its settings included: they exist without a position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimPosition {
    /// Whose.
    pub account: AccountId,
    /// Instrument.
    pub symbol: String,
    /// Base units, negative when short.
    pub qty: Decimal,
    /// Signed value of the open quantity at the prices it was opened at, quote.
    pub cost: Decimal,
    /// Average price of the open quantity, at most 12 decimals; zero without one.
    pub entry: Decimal,
    /// Mark price; zero while there is none.
    pub mark: Decimal,
    /// Profit of the open quantity at mark.
    pub unrealised: Decimal,
    /// Profit paid to the wallet so far, before fees and funding.
    pub realised: Decimal,
    /// Funding so far, received positive.
    pub funding: Decimal,
    /// What stands for it.
    pub mode: SimMarginMode,
    /// Leverage.
    pub leverage: Decimal,
    /// Amount set aside, of an isolated one.
    pub isolated: Decimal,
    /// Values of open buy and sell orders that could open a position.
    pub order_values: [Decimal; 2],
    /// Initial margin of the position at mark.
    pub initial: Decimal,
    /// Initial margin of the open orders on top of it.
    pub order_initial: Decimal,
    /// Maintenance margin at mark.
    pub maintenance: Decimal,
    /// Mark price at which it is liquidated if nothing else changes; none without a position or
    /// where no price does it.
    pub liquidation: Option<Decimal>,
    /// Last change, ms.
    pub updated_ms: u64,
}

/// One account's margin in one settle asset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SimMargin {
    /// Balance, what is set aside or locked by spot orders included.
    pub wallet: Decimal,
    /// Part of the wallet set aside for isolated positions.
    pub isolated: Decimal,
    /// Unrealised profit of all positions.
    pub unrealised: Decimal,
    /// That of the cross positions.
    pub cross_unrealised: Decimal,
    /// Initial margin of all positions.
    pub position_initial: Decimal,
    /// Initial margin of open orders.
    pub order_initial: Decimal,
    /// Maintenance margin of all positions.
    pub maintenance: Decimal,
    /// That of the cross positions.
    pub cross_maintenance: Decimal,
    /// What may be used for new orders; not below zero.
    pub available: Decimal,
}

impl SimMargin {
    /// Wallet and unrealised profit.
    #[must_use]
    pub fn equity(&self) -> Decimal {
        self.wallet + self.unrealised
    }

    /// What stands for the cross positions.
    #[must_use]
    pub fn cross_equity(&self) -> Decimal {
        self.wallet - self.isolated + self.cross_unrealised
    }

    /// Initial margin of positions and orders.
    #[must_use]
    pub fn initial(&self) -> Decimal {
        self.position_initial + self.order_initial
    }
}

/// Mark, index and funding of one instrument.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SimMark {
    /// Instrument.
    pub symbol: String,
    /// Price for margin and funding; zero while there is none.
    pub mark: Decimal,
    /// Price of the underlying; zero while there is none.
    pub index: Decimal,
    /// Rate of the running interval, as a ratio; longs pay if it is positive.
    pub rate: Decimal,
    /// When it is paid next, ms.
    pub next_funding_ms: u64,
    /// Time between payments, ms.
    pub interval_ms: u64,
    /// When it was made, ms.
    pub time_ms: u64,
}

/// One payment of funding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimFunding {
    /// Number of the payment, unique at the venue.
    pub id: u64,
    /// Whose.
    pub account: AccountId,
    /// Instrument.
    pub symbol: String,
    /// Asset paid in.
    pub asset: String,
    /// Received positive, paid negative.
    pub amount: Decimal,
    /// Rate.
    pub rate: Decimal,
    /// Position, negative when short.
    pub qty: Decimal,
    /// Price that the position was valued at.
    pub mark: Decimal,
    /// Due time, ms.
    pub time_ms: u64,
}

/// A liquidation begins: an order of the venue closes the position; what finds no liquidity is
/// taken over by the venue at the same price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimLiquidation {
    /// Whose.
    pub account: AccountId,
    /// Instrument.
    pub symbol: String,
    /// The venue's order.
    pub order_id: u64,
    /// Side of that order: sells close longs.
    pub side: Side,
    /// Base units.
    pub qty: Decimal,
    /// Its limit: at this price nothing of the margin is left.
    pub price: Decimal,
    /// Mark price.
    pub mark: Decimal,
    /// Time, ms.
    pub time_ms: u64,
}

/// What a market elsewhere states of a perpetual that follows it; `None` is not known, or not any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MarketState {
    /// Mark price.
    pub mark: Option<Decimal>,
    /// Price of the underlying.
    pub index: Option<Decimal>,
    /// Rate of the running interval, as a ratio.
    pub rate: Option<Decimal>,
    /// Time between payments, ms.
    pub interval_ms: Option<u64>,
    /// When the running interval is paid, ms since the epoch; where that is not stated, at multiples of
    /// the interval.
    pub next_ms: Option<u64>,
}

/// What became of something that an exchange was told of one of its instruments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// Index of the venue among those of the simulator.
    pub venue: usize,
    /// Its symbol at the exchange.
    pub symbol: String,
    /// What.
    pub fate: Fate,
}

/// See [`News`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// A payment of funding was left out: something that it takes was not known when it was due.
    Unpaid {
        /// When it was due, ms.
        due_ms: u64,
    },
    /// Orders go by its new rules from now on.
    Restated,
    /// Its new rules cannot be gone by: orders go by those before.
    NotRestated,
}

/// Why a position is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PositionChange {
    /// A fill of an order.
    Order,
    /// A fill of the venue's order that liquidates it.
    Liquidation,
    /// Funding of an isolated position.
    Funding,
    /// Other leverage.
    Leverage,
    /// Other margin mode.
    Mode,
    /// Margin set aside or taken back.
    Margin,
}

/// Why an order ended or shrank without its owner asking for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cause {
    /// It did not.
    #[default]
    None,
    /// It met another order of its account.
    SelfTrade,
    /// It may only reduce, and the position has become too small.
    ReduceOnly,
    /// The account or position is being liquidated. On the venue's own order: that is what it does.
    Liquidation,
    /// Its owner was not heard of for as long as it had asked the venue to wait.
    Unattended,
}
