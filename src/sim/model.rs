//! What the matching engine and the wires of the venues say to each other.
//!
//! Prices and quantities are `Decimal` here: exact, independent of the engine's mantissas, and
//! formatted as each venue formats them.

use super::{
    Cause, PerpetualRules, PositionChange, SimFunding, SimLiquidation, SimMark, SimPosition,
};
use crate::types::{Side, TimeInForce};
use rust_decimal::Decimal;
use std::collections::BTreeMap;

/// One connection of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId(pub u64);

/// One account of the simulated venue: index into its list of accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountId(pub usize);

/// Rules of one simulated instrument; the exchange enforces them and the wire publishes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SymbolRules {
    /// `BTCUSDT`
    pub symbol: String,
    /// `BTC`
    pub base: String,
    /// `USDT`
    pub quote: String,
    /// Smallest price step.
    pub tick_size: Decimal,
    /// Smallest quantity step.
    pub lot_size: Decimal,
    /// Smallest limit price.
    pub price_min: Decimal,
    /// Largest limit price.
    pub price_max: Decimal,
    /// Smallest quantity.
    pub qty_min: Decimal,
    /// Largest quantity of a limit order.
    pub qty_max: Decimal,
    /// Largest quantity of a market order.
    pub qty_market_max: Decimal,
    /// Smallest value in quote.
    pub notional_min: Decimal,
    /// Largest value in quote.
    pub notional_max: Decimal,
    /// Fee of the resting side, as a ratio (0.001 = 0.1 %).
    pub maker_fee: Decimal,
    /// Fee of the crossing side.
    pub taker_fee: Decimal,
    /// Decimals that fees are cut to (rounded towards zero); of a perpetual every payment.
    pub fee_decimals: u32,
    /// What makes it a perpetual contract; none for spot.
    pub perpetual: Option<PerpetualRules>,
}

impl SymbolRules {
    /// Base and quote as one word, dollars by whatever name: instruments with equal ones follow one
    /// price.
    #[must_use]
    pub fn pair(&self) -> String {
        // What follows a colon tells wallets of one asset apart.
        let quote = self.quote.split(':').next().unwrap_or_default();
        let quote = if matches!(quote, "USD" | "USDC") { "USDT" } else { quote };
        format!("{}{quote}", self.base)
    }
}

/// How an order is priced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SimOrderType {
    /// Limit.
    Limit,
    /// Limit that is refused if it would take.
    PostOnly,
    /// Market for a base quantity.
    Market,
    /// Market for a quote amount (`qty` of the request is quote).
    MarketQuote,
}

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlaceRequest {
    /// Instrument.
    pub symbol: String,
    /// Client's own id; the wire makes one if the client sent none.
    pub client_id: String,
    /// Side.
    pub side: Side,
    /// Priced how.
    pub order_type: SimOrderType,
    /// How long.
    pub time_in_force: TimeInForce,
    /// Limit price; zero for market.
    pub price: Decimal,
    /// Base quantity, or quote amount for [`SimOrderType::MarketQuote`].
    pub qty: Decimal,
    /// It may only make a position smaller; perpetuals only.
    pub reduce_only: bool,
}

/// Why a request is refused; each wire has its own code and text for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No such symbol.
    UnknownSymbol,
    /// Price not positive, or outside min and max.
    PriceBounds,
    /// Price not a multiple of the tick size.
    PriceTick,
    /// Quantity not positive, below min or above max.
    QtyBounds,
    /// Quantity not a multiple of the lot size.
    QtyLot,
    /// Value below the minimum.
    NotionalMin,
    /// Value above the maximum.
    NotionalMax,
    /// Free balance does not cover it.
    InsufficientBalance,
    /// Post-only would take. The order exists and ends rejected on venues that do so.
    WouldTake,
    /// Fill-or-kill cannot be filled whole.
    NotFillable,
    /// An open order has the same client id.
    DuplicateClientId,
    /// No such order, or already ended.
    UnknownOrder,
    /// The amendment changes nothing or is not allowed.
    BadAmend,
    /// Nothing on the other side of the book.
    NoLiquidity,
    /// Margin of the settle asset does not cover it.
    InsufficientMargin,
    /// Nothing to reduce, or more than there is.
    ReduceOnly,
    /// Leverage below one or above the maximum.
    Leverage,
    /// Not while there is a position.
    HasPosition,
    /// Not while there are open orders.
    HasOrders,
    /// Not without a position of this kind.
    NoPosition,
}

/// State of an order at the venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SimOrderState {
    /// On the book, nothing filled.
    New,
    /// On the book, partly filled.
    PartiallyFilled,
    /// All filled.
    Filled,
    /// Cancelled by its owner.
    Canceled,
    /// Rest of an IOC or market order, or a FOK that could not be filled.
    Expired,
    /// Refused after it got an id (post-only that would take).
    Rejected,
}

impl SimOrderState {
    /// On the book.
    #[must_use]
    pub fn is_open(self) -> bool {
        matches!(self, Self::New | Self::PartiallyFilled)
    }
}

/// An order as the venue keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimOrder {
    /// Venue's id, a number; wires format it as they like.
    pub order_id: u64,
    /// Owner.
    pub account: AccountId,
    /// What was asked (amended in place).
    pub request: PlaceRequest,
    /// State.
    pub state: SimOrderState,
    /// Filled so far, base.
    pub filled: Decimal,
    /// Filled so far, quote.
    pub filled_quote: Decimal,
    /// Fees so far by asset.
    pub fees: BTreeMap<String, Decimal>,
    /// Profit realised so far, of a perpetual.
    pub realised: Decimal,
    /// Why it ended or shrank, if its owner did not ask for it.
    pub cause: Cause,
    /// Created, ms since the epoch.
    pub created_ms: u64,
    /// Last change, ms since the epoch.
    pub updated_ms: u64,
}

impl SimOrder {
    /// Base quantity still to fill; zero for an order sized in quote, which never rests.
    #[must_use]
    pub fn leaves(&self) -> Decimal {
        match self.request.order_type {
            SimOrderType::MarketQuote => Decimal::ZERO,
            _ => self.request.qty - self.filled,
        }
    }

    /// Average fill price; zero if nothing is filled.
    #[must_use]
    pub fn average_price(&self) -> Decimal {
        if self.filled.is_zero() { Decimal::ZERO } else { self.filled_quote / self.filled }
    }
}

/// One execution of one order (a match of two clients makes two).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimFill {
    /// Venue's trade number, the same as of the public print.
    pub trade_id: u64,
    /// Order that was filled.
    pub order_id: u64,
    /// Its owner.
    pub account: AccountId,
    /// Instrument.
    pub symbol: String,
    /// Client id of the order.
    pub client_id: String,
    /// Side of the order.
    pub side: Side,
    /// Price.
    pub price: Decimal,
    /// Base quantity.
    pub qty: Decimal,
    /// Fee, positive is paid.
    pub fee: Decimal,
    /// Asset of the fee: the received asset; of a perpetual the settle asset.
    pub fee_asset: String,
    /// Quantity of the position that it closed; zero for spot.
    pub closed: Decimal,
    /// Profit of that, in the settle asset, before the fee.
    pub realised: Decimal,
    /// Position after it, negative when short; zero for spot.
    pub position: Decimal,
    /// Whether the order was resting.
    pub maker: bool,
    /// Time, ms since the epoch.
    pub time_ms: u64,
}

/// Why an order event was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderChange {
    /// Accepted.
    New,
    /// Filled in part or whole; a fill of the same batch precedes it.
    Trade,
    /// Cancelled by its owner.
    Canceled,
    /// Ended by its time in force.
    Expired,
    /// Refused after it got an id.
    Rejected,
    /// Amended.
    Replaced,
}

/// One level of a public book change: absolute quantity, zero removes.
pub type SimLevel = (Decimal, Decimal);

/// Anything that clients may see, in the order in which it happened.
// Events live for one turn of the server's loop; wires match on them, so they stay flat.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExchangeEvent {
    /// Changed levels of one book since the event before. `first_id..=last_id` are consecutive
    /// update ids, one or more per event; also moves the best bid and ask if they are among them.
    Book {
        /// Instrument.
        symbol: String,
        /// First update id.
        first_id: u64,
        /// Last update id.
        last_id: u64,
        /// Changed bids.
        bids: Vec<SimLevel>,
        /// Changed asks.
        asks: Vec<SimLevel>,
        /// Time, ms.
        time_ms: u64,
    },
    /// A public print.
    Trade {
        /// Instrument.
        symbol: String,
        /// Trade number.
        trade_id: u64,
        /// Side of the aggressor.
        taker: Side,
        /// Price.
        price: Decimal,
        /// Quantity.
        qty: Decimal,
        /// Time, ms.
        time_ms: u64,
    },
    /// An order changed. With [`OrderChange::Trade`] `fill` is set.
    Order {
        /// The order after the change.
        order: SimOrder,
        /// What happened.
        change: OrderChange,
        /// The fill that caused it.
        fill: Option<SimFill>,
        /// Client id of the cancel request, where one was given.
        cancel_id: Option<String>,
    },
    /// Balances of these assets changed: asset, free, locked.
    Balance {
        /// Whose.
        account: AccountId,
        /// Asset, free, locked. Of a settle asset they add up to the wallet: margin locks nothing.
        assets: Vec<(String, Decimal, Decimal)>,
        /// Time, ms.
        time_ms: u64,
    },
    /// A position, its leverage or its margin changed.
    Position {
        /// The position after the change.
        position: SimPosition,
        /// What happened.
        change: PositionChange,
        /// Time, ms.
        time_ms: u64,
    },
    /// Mark, index and funding rate of an instrument.
    Mark(SimMark),
    /// Funding was paid.
    Funding(SimFunding),
    /// A position is being liquidated; the events of the venue's order follow.
    Liquidation(SimLiquidation),
}

/// Key and secret of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Public part.
    pub key: String,
    /// HMAC secret, or empty.
    pub secret: String,
    /// Raw Ed25519 public key (32 bytes), or empty.
    pub ed25519_public: Vec<u8>,
}
