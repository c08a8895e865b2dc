//! The venue's error codes and texts.

use super::category::Category;
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

    /// The same of an order of this category.
    pub(super) fn unknown_in(category: Category) -> Self {
        match category {
            Category::Spot => Self::unknown_order(),
            Category::Linear => Self::new(110001, "order not exists or too late to cancel"),
        }
    }

    /// A symbol that this category does not have.
    pub(super) fn symbol_in(category: Category) -> Self {
        match category {
            Category::Spot => Self::symbol(),
            Category::Linear => Self::new(10001, "params error: symbol invalid"),
        }
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
    if rules.perpetual.is_some() {
        return refused_linear(refusal, rules, qty);
    }
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
        Refusal::InsufficientBalance => (170131, "Insufficient balance."),
        Refusal::WouldTake => (170218, "The LIMIT-MAKER order is rejected due to invalid price."),
        Refusal::DuplicateClientId => (170141, "Duplicate clientOrderId."),
        Refusal::UnknownOrder => return VenueError::unknown_order(),
        Refusal::BadAmend => (
            10001,
            "The order remains unchanged as the parameters entered match the existing ones.",
        ),
        _ => (170210, "New order rejected."),
    };
    VenueError::new(code, text)
}

/// The same for linear contracts, which have other codes.
fn refused_linear(refusal: Refusal, rules: &SymbolRules, qty: Decimal) -> VenueError {
    let (code, text) = match refusal {
        Refusal::UnknownSymbol => return VenueError::symbol_in(Category::Linear),
        Refusal::PriceBounds => (110003, "Order price exceeds the allowable range."),
        Refusal::PriceTick => (10001, "params error: price invalid"),
        Refusal::QtyBounds if qty > rules.qty_min => {
            (10001, "The number of contracts exceeds maximum limit allowed")
        }
        Refusal::QtyBounds => (10001, "The number of contracts below the minimum limit allowed"),
        Refusal::QtyLot => (10001, "Qty invalid"),
        Refusal::NotionalMin | Refusal::NotionalMax => {
            let least = rules.notional_min.normalize();
            let text = format!("Order does not meet minimum order value {least}USDT");
            return VenueError::new(110094, text);
        }
        Refusal::InsufficientMargin | Refusal::InsufficientBalance => {
            (110007, "ab not enough for new order")
        }
        Refusal::DuplicateClientId => (110072, "OrderLinkedID is duplicate"),
        Refusal::UnknownOrder => return VenueError::unknown_in(Category::Linear),
        Refusal::BadAmend => (10001, "order not modified"),
        Refusal::ReduceOnly => {
            (110017, "current position is zero, cannot fix reduce-only order qty")
        }
        Refusal::Leverage => (110013, "cannot set leverage due to risk limit"),
        Refusal::HasPosition => (110024, "You have an existing position."),
        Refusal::HasOrders => (110028, "You have existing open orders."),
        Refusal::NoPosition => (110017, "position is zero"),
        Refusal::WouldTake | Refusal::NotFillable | Refusal::NoLiquidity => {
            (110003, "Order price exceeds the allowable range.")
        }
    };
    VenueError::new(code, text)
}
