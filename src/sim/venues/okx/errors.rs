//! The venue's error codes and texts, and what the exchange refuses in its words.

#![forbid(unsafe_code)]

use crate::sim::venues::fields::BadField;
use crate::sim::{Refusal, SymbolRules};
use rust_decimal::Decimal;
use std::borrow::Cow;

/// A refused request: `code` and `msg`, or `sCode` and `sMsg` of one order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct VenueError {
    pub(super) code: u32,
    pub(super) text: Cow<'static, str>,
}

impl VenueError {
    pub(super) fn new(code: u32, text: impl Into<Cow<'static, str>>) -> Self {
        Self { code, text: text.into() }
    }

    /// A parameter that is missing, of the wrong type or not one of its values.
    pub(super) fn parameter(name: &str) -> Self {
        Self::new(51000, format!("Parameter {name} error"))
    }

    pub(super) fn instrument() -> Self {
        Self::new(51001, "Instrument ID or Instrument ID code doesn't exist.")
    }

    pub(super) fn rate_limit() -> Self {
        Self::new(
            50011,
            "Rate limit reached. Please refer to API documentation and throttle requests accordingly.",
        )
    }

    /// The limit of a sub-account.
    pub(super) fn account_limit() -> Self {
        Self::new(50061, "Sub-account rate limit exceeded.")
    }

    /// Neither a success nor a failure.
    pub(super) fn timeout() -> Self {
        Self::new(
            50004,
            "API endpoint request timeout (does not mean that the request was successful or failed, please check the request result).",
        )
    }

    /// Its `expTime` has passed.
    pub(super) fn expired() -> Self {
        Self::new(50036, "The expTime can't be earlier than the current system time.")
    }

    pub(super) fn no_such_order() -> Self {
        Self::new(51603, "Order does not exist")
    }

    pub(super) fn bad_args() -> Self {
        Self::new(60013, "Invalid args")
    }

    pub(super) fn login_first() -> Self {
        Self::new(60011, "Please log in")
    }

    /// HTTP status that goes with it.
    pub(super) fn status(&self) -> u16 {
        match self.code {
            50100..=50119 => 401,
            50011 | 50013 => 429,
            50004 => 400,
            50001 => 503,
            _ => 200,
        }
    }

    /// The finer code that some refusals carry.
    pub(super) fn sub_code(&self) -> &'static str {
        if self.code == 51008 { "1000" } else { "" }
    }
}

impl From<BadField> for VenueError {
    fn from(BadField(name): BadField) -> Self {
        Self::parameter(&name)
    }
}

/// The venue's word for a refusal of the exchange. `asset` is what the order would lock, `qty` its
/// base quantity.
pub(super) fn refused(
    refusal: Refusal,
    rules: &SymbolRules,
    asset: &str,
    qty: Decimal,
) -> VenueError {
    match refusal {
        Refusal::UnknownSymbol => VenueError::instrument(),
        Refusal::PriceBounds => VenueError::new(51006, "Order price is not within the price limit"),
        Refusal::PriceTick => VenueError::parameter("px"),
        Refusal::QtyBounds if qty < rules.qty_min => {
            VenueError::new(51020, "Your order should meet or exceed the minimum order amount.")
        }
        Refusal::NotionalMin => {
            VenueError::new(51020, "Your order should meet or exceed the minimum order amount.")
        }
        Refusal::QtyBounds | Refusal::NotionalMax => {
            VenueError::new(51005, "Your order amount exceeds the max order amount.")
        }
        Refusal::QtyLot => {
            VenueError::new(51121, "Order quantity must be a multiple of the lot size.")
        }
        Refusal::InsufficientBalance | Refusal::InsufficientMargin => {
            let text = format!("Order failed. Insufficient {asset} balance in account");
            VenueError::new(51008, text)
        }
        Refusal::DuplicateClientId => VenueError::new(51016, "Client order ID already exists."),
        Refusal::UnknownOrder => VenueError::no_such_order(),
        Refusal::BadAmend => VenueError::parameter("newSz or newPx"),
        Refusal::WouldTake => VenueError::new(
            51511,
            "Order modification failed as the order price is not valid for a post-only order.",
        ),
        Refusal::ReduceOnly => VenueError::new(
            51169,
            "Order failed because you don't have any positions in this direction for this contract \
             to reduce or close.",
        ),
        Refusal::Leverage => VenueError::new(59102, "Leverage exceeds the maximum limit."),
        Refusal::HasPosition | Refusal::HasOrders => VenueError::parameter("tdMode"),
        Refusal::NoPosition => VenueError::new(51023, "Position does not exist"),
        Refusal::NotFillable | Refusal::NoLiquidity => {
            VenueError::new(51000, "There is no order to match with.")
        }
    }
}

/// An order that can no longer be cancelled: it has ended.
pub(super) fn cancel_too_late() -> VenueError {
    VenueError::new(
        51400,
        "Cancellation failed as the order has been filled, canceled or does not exist.",
    )
}

/// An order to cancel that nobody knows.
pub(super) fn cancel_unknown() -> VenueError {
    VenueError::new(51402, "Cancellation failed as the order does not exist.")
}

/// An order to amend that has ended or that nobody knows.
pub(super) fn amend_too_late() -> VenueError {
    VenueError::new(
        51503,
        "Order modification failed as the order has been filled, canceled or does not exist.",
    )
}
