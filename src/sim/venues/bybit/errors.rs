//! The venue's error codes and texts.

use crate::sim::venues::fields::BadField;
use crate::sim::{Refusal, SimOrderState, SymbolRules};
use rust_decimal::Decimal;

/// A refused request: `retCode` and `retMsg`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct VenueError {
    pub(super) code: u32,
    pub(super) text: String,
}

impl VenueError {
    pub(super) fn new(code: u32, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }

    /// A field that is missing, of the wrong type or not one of its values.
    pub(super) fn parameter(name: &str) -> Self {
        Self::new(170130, format!("Data sent for parameter '{name}' is not valid."))
    }

    /// Not a category that is traded here.
    pub(super) fn category() -> Self {
        Self::new(10001, "Illegal category")
    }

    pub(super) fn symbol() -> Self {
        Self::new(170121, "Invalid symbol.")
    }

    pub(super) fn unknown_order() -> Self {
        Self::new(170213, "Order does not exist.")
    }

    pub(super) fn rate_limit() -> Self {
        Self::new(10006, "Too many visits. Exceeded the API Rate Limit.")
    }

    /// An order that can no longer be cancelled or amended.
    pub(super) fn ended(state: SimOrderState) -> Self {
        match state {
            SimOrderState::Filled => Self::new(170139, "Order has been filled."),
            SimOrderState::Canceled => Self::new(170142, "Order has been canceled."),
            _ => Self::unknown_order(),
        }
    }
}

impl From<BadField> for VenueError {
    fn from(BadField(name): BadField) -> Self {
        Self::parameter(&name)
    }
}

/// The venue's word for a refusal of the exchange.
pub(super) fn refused(
    refusal: Refusal,
    rules: &SymbolRules,
    price: Decimal,
    qty: Decimal,
) -> VenueError {
    let (code, text) = match refusal {
        Refusal::UnknownSymbol => return VenueError::symbol(),
        Refusal::PriceBounds if !rules.price_max.is_zero() && price > rules.price_max => {
            (170132, "Order price too high.")
        }
        Refusal::PriceBounds => (170133, "Order price lower than the minimum."),
        Refusal::PriceTick => (170134, "Order price decimal too long."),
        Refusal::QtyBounds if qty > Decimal::ZERO && qty >= rules.qty_min => {
            (170135, "Order quantity too large.")
        }
        Refusal::QtyBounds => (170136, "Order quantity lower than the minimum."),
        Refusal::QtyLot => (170137, "Order volume decimal too long."),
        Refusal::NotionalMin => (170140, "Order value exceeded lower limit."),
        Refusal::NotionalMax => (170124, "Order amount too large."),
        Refusal::InsufficientBalance | Refusal::InsufficientMargin => {
            (170131, "Insufficient balance.")
        }
        Refusal::WouldTake => (170218, "The LIMIT-MAKER order is rejected due to invalid price."),
        Refusal::NotFillable
        | Refusal::NoLiquidity
        | Refusal::ReduceOnly
        | Refusal::Leverage
        | Refusal::HasPosition
        | Refusal::HasOrders
        | Refusal::NoPosition => (170210, "New order rejected."),
        Refusal::DuplicateClientId => (170141, "Duplicate clientOrderId."),
        Refusal::UnknownOrder => return VenueError::unknown_order(),
        Refusal::BadAmend => (
            10001,
            "The order remains unchanged as the parameters entered match the existing ones.",
        ),
    };
    VenueError::new(code, text)
}
