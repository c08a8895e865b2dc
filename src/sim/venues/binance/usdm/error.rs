//! Error codes that only the market of perpetuals has, with their texts.

use super::super::error::ApiError;
use crate::sim::{PlaceRequest, Refusal, SymbolRules};
use rust_decimal::Decimal;

fn bad(code: i32, message: impl Into<String>) -> ApiError {
    ApiError::new(400, code, message)
}

pub(super) fn listen_key() -> ApiError {
    bad(-1125, "This listenKey does not exist.")
}

pub(super) fn would_trigger() -> ApiError {
    bad(-2021, "Order would immediately trigger.")
}

pub(super) fn reduce_only() -> ApiError {
    bad(-2022, "ReduceOnly Order is rejected.")
}

pub(super) fn too_many_orders() -> ApiError {
    bad(-2025, "Reach max open order limit.")
}

pub(super) fn price_high(limit: Decimal) -> ApiError {
    bad(-4016, format!("Limit price can't be higher than {}.", limit.normalize()))
}

pub(super) fn price_low(limit: Decimal) -> ApiError {
    bad(-4024, format!("Limit price can't be lower than {}.", limit.normalize()))
}

pub(super) fn leverage(sent: u64) -> ApiError {
    bad(-4028, format!("Leverage {sent} is not valid"))
}

pub(super) fn same_margin_type() -> ApiError {
    bad(-4046, "No need to change margin type.")
}

pub(super) fn same_position_mode() -> ApiError {
    bad(-4059, "No need to change position side.")
}

pub(super) fn position_side() -> ApiError {
    bad(-4061, "Order's position side does not match user's setting.")
}

pub(super) fn use_algo() -> ApiError {
    let text = "Order type not supported for this endpoint. Please use the Algo Order API \
                endpoints instead.";
    bad(-4120, text)
}

pub(super) fn not_fillable() -> ApiError {
    let text = "Due to the order could not be filled immediately, the FOK order has been \
                rejected. The order will not be recorded in the order history";
    bad(-5021, text)
}

pub(super) fn would_take() -> ApiError {
    let text = "Due to the order could not be executed as maker, the Post Only order will be \
                rejected. The order will not be recorded in the order history";
    bad(-5022, text)
}

pub(super) fn nothing_to_modify() -> ApiError {
    bad(-5027, "No need to modify the order.")
}

/// Why a new or modified order was refused.
pub(super) fn placement(refusal: Refusal, request: &PlaceRequest, rules: &SymbolRules) -> ApiError {
    match refusal {
        Refusal::UnknownSymbol => ApiError::symbol(),
        Refusal::PriceBounds if request.price < rules.price_min => {
            bad(-4013, "Price less than min price.")
        }
        Refusal::PriceBounds => price_high(rules.price_max),
        Refusal::PriceTick => bad(-4014, "Price not increased by tick size."),
        Refusal::QtyBounds if request.qty <= Decimal::ZERO => {
            bad(-4003, "Quantity less than or equal to zero.")
        }
        Refusal::QtyBounds if request.qty < rules.qty_min => {
            bad(-4004, "Quantity less than min quantity.")
        }
        Refusal::QtyBounds => bad(-4005, "Quantity greater than max quantity."),
        Refusal::QtyLot => bad(-4023, "Qty not increased by step size."),
        Refusal::NotionalMin | Refusal::NotionalMax => bad(
            -4164,
            format!(
                "Order's notional must be no smaller than {} (unless you choose reduce only).",
                rules.notional_min.normalize()
            ),
        ),
        Refusal::InsufficientMargin | Refusal::InsufficientBalance => {
            bad(-2019, "Margin is insufficient.")
        }
        Refusal::WouldTake => would_take(),
        Refusal::NotFillable => not_fillable(),
        Refusal::NoLiquidity => {
            let text = "The counterparty's best price does not meet the PERCENT_PRICE filter \
                        limit.";
            bad(-4131, text)
        }
        Refusal::DuplicateClientId => bad(-4116, "ClientOrderId is duplicated."),
        Refusal::UnknownOrder => ApiError::unknown_order(),
        Refusal::BadAmend => nothing_to_modify(),
        Refusal::ReduceOnly => reduce_only(),
        Refusal::Leverage | Refusal::HasPosition | Refusal::HasOrders | Refusal::NoPosition => {
            setting(refusal)
        }
    }
}

/// Why a setting was refused.
pub(super) fn setting(refusal: Refusal) -> ApiError {
    match refusal {
        Refusal::Leverage => bad(-4028, "Leverage is not valid"),
        Refusal::HasOrders => {
            bad(-4047, "Margin type cannot be changed if there exists open orders.")
        }
        Refusal::HasPosition => {
            bad(-4048, "Margin type cannot be changed if there exists position.")
        }
        Refusal::NoPosition => bad(-4054, "Cannot add position margin: position is 0."),
        Refusal::UnknownSymbol => ApiError::symbol(),
        _ => bad(-2019, "Margin is insufficient."),
    }
}
