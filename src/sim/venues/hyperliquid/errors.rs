//! Refused requests in the venue's words.

#![forbid(unsafe_code)]

use super::super::json::{Object, quoted};
use super::assets::{Asset, token_name};
use super::msgpack::Malformed;
use crate::sim::{Exchange, Refusal, SimLevel};

/// The answer to what cannot be read, with status 422.
pub(super) const UNREADABLE: &str = "Failed to deserialize the JSON body into the target type";

/// Why a whole request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It cannot be read.
    Unreadable,
    /// In these words.
    Said(String),
}

impl From<Malformed> for Refused {
    fn from(_: Malformed) -> Self {
        Self::Unreadable
    }
}

impl Refused {
    pub(super) fn said(text: impl Into<String>) -> Self {
        Self::Said(text.into())
    }
}

/// `{"status":"err","response":"..."}`
pub(super) fn error_body(text: &str) -> String {
    Object::new().text("status", "err").raw("response", &quoted(text)).done()
}

/// Why an order is refused, and what its state is called then; none where it never got a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Denied {
    pub(super) text: String,
    pub(super) status: Option<&'static str>,
}

impl Denied {
    pub(super) fn new(text: impl Into<String>, status: &'static str) -> Self {
        Self { text: text.into(), status: Some(status) }
    }

    /// Before it was an order.
    pub(super) fn unnamed(text: impl Into<String>) -> Self {
        Self { text: text.into(), status: None }
    }

    pub(super) fn tick() -> Self {
        Self::new("Price must be divisible by tick size.", "tickRejected")
    }

    pub(super) fn no_match() -> Self {
        let text = "Order could not immediately match against any resting orders.";
        Self::new(text, "iocCancelRejected")
    }

    /// What the exchange says.
    pub(super) fn by(refusal: Refusal, asset: &Asset, exchange: &Exchange) -> Self {
        match refusal {
            Refusal::PriceTick => Self::tick(),
            Refusal::PriceBounds => Self::new("Order price too far from oracle", "oracleRejected"),
            Refusal::QtyBounds | Refusal::QtyLot => Self::unnamed("Order has invalid size."),
            Refusal::NotionalMin => Self::new(least_value(asset, exchange), "minTradeNtlRejected"),
            Refusal::NotionalMax => Self::new(
                "Order would cause position to exceed margin tier limit at current leverage",
                "perpMaxPositionRejected",
            ),
            Refusal::InsufficientMargin => {
                Self::new("Insufficient margin to place order.", "perpMarginRejected")
            }
            Refusal::InsufficientBalance => {
                Self::new("Insufficient spot balance", "insufficientSpotBalanceRejected")
            }
            Refusal::WouldTake => {
                let text = "Post only order would have immediately matched, bbo was";
                Self::new(format!("{text} {}.", best(asset, exchange)), "badAloPxRejected")
            }
            Refusal::ReduceOnly | Refusal::NoPosition => {
                Self::new("Reduce only order would increase position.", "reduceOnlyRejected")
            }
            Refusal::NoLiquidity | Refusal::NotFillable => Self::no_match(),
            Refusal::DuplicateClientId => Self::unnamed("Order has a client order id in use."),
            Refusal::UnknownSymbol
            | Refusal::UnknownOrder
            | Refusal::BadAmend
            | Refusal::Leverage
            | Refusal::HasPosition
            | Refusal::HasOrders => Self::unnamed("Order was refused."),
        }
    }
}

fn least_value(asset: &Asset, exchange: &Exchange) -> String {
    let rules = exchange.rules(&asset.coin);
    let least = rules.map(|rules| rules.notional_min.normalize()).unwrap_or_default();
    match rules.filter(|_| asset.is_spot) {
        Some(rules) => {
            format!("Order must have minimum value of {least} {}.", token_name(&rules.quote))
        }
        None => format!("Order must have minimum value of ${least}."),
    }
}

/// Best bid and ask: `105.2@105.3`, a zero where there is none.
fn best(asset: &Asset, exchange: &Exchange) -> String {
    let (_, bids, asks) = exchange.depth(&asset.coin, 1).unwrap_or_default();
    let price =
        |side: &[SimLevel]| side.first().map(|level| level.0.normalize()).unwrap_or_default();
    format!("{}@{}", price(&bids), price(&asks))
}
