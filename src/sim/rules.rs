//! The instrument rules, checked in the order in which venues check them: price, quantity, value.

use super::{PlaceRequest, Refusal, SimOrderType, SymbolRules};
use rust_decimal::Decimal;

/// Checks a new order. `tick` is the price step that is demanded, zero for none; `reference` prices
/// market orders: the last trade, or the best quote.
pub(super) fn check_new(
    rules: &SymbolRules,
    request: &PlaceRequest,
    tick: Decimal,
    reference: Option<Decimal>,
) -> Result<(), Refusal> {
    match request.order_type {
        SimOrderType::Limit | SimOrderType::PostOnly => {
            check_price(rules, tick, request.price)?;
            check_qty(rules, request.qty, rules.qty_max)?;
            // However small a position is, it can be closed.
            if request.reduce_only {
                return Ok(());
            }
            check_notional(rules, request.price, request.qty)
        }
        SimOrderType::Market => {
            check_qty(rules, request.qty, rules.qty_market_max)?;
            let value = request.qty * reference.ok_or(Refusal::NoLiquidity)?;
            let small = value < rules.notional_min && !request.reduce_only;
            if small { Err(Refusal::NotionalMin) } else { Ok(()) }
        }
        SimOrderType::MarketQuote => {
            if request.qty <= Decimal::ZERO {
                return Err(Refusal::QtyBounds);
            }
            let reference = reference.ok_or(Refusal::NoLiquidity)?;
            if request.qty < rules.notional_min {
                return Err(Refusal::NotionalMin);
            }
            let too_large = rules.qty_market_max * reference;
            if !too_large.is_zero() && request.qty > too_large {
                return Err(Refusal::QtyBounds);
            }
            Ok(())
        }
    }
}

/// Checks the price of a limit order. A minimum, maximum or step of zero is switched off.
pub(super) fn check_price(
    rules: &SymbolRules,
    tick: Decimal,
    price: Decimal,
) -> Result<(), Refusal> {
    let above = !rules.price_max.is_zero() && price > rules.price_max;
    if price <= Decimal::ZERO || price < rules.price_min || above {
        return Err(Refusal::PriceBounds);
    }
    if is_multiple(price, tick) { Ok(()) } else { Err(Refusal::PriceTick) }
}

/// Checks a base quantity against the minimum, this maximum and the lot size.
pub(super) fn check_qty(rules: &SymbolRules, qty: Decimal, max: Decimal) -> Result<(), Refusal> {
    let above = !max.is_zero() && qty > max;
    if qty <= Decimal::ZERO || qty < rules.qty_min || above {
        return Err(Refusal::QtyBounds);
    }
    if is_multiple(qty, rules.lot_size) { Ok(()) } else { Err(Refusal::QtyLot) }
}

/// Checks the value of a limit order.
pub(super) fn check_notional(
    rules: &SymbolRules,
    price: Decimal,
    qty: Decimal,
) -> Result<(), Refusal> {
    let value = price * qty;
    if value < rules.notional_min {
        return Err(Refusal::NotionalMin);
    }
    if !rules.notional_max.is_zero() && value > rules.notional_max {
        return Err(Refusal::NotionalMax);
    }
    Ok(())
}

fn is_multiple(value: Decimal, step: Decimal) -> bool {
    step.is_zero() || (value % step).is_zero()
}

/// The largest multiple of the lot size that `quote` buys at `price`.
pub(super) fn affordable(rules: &SymbolRules, quote: Decimal, price: Decimal) -> Decimal {
    let lots = (quote / price / rules.lot_size).floor();
    let qty = lots * rules.lot_size;
    // The division rounds in its 28th digit; never buy more than is paid for.
    if qty * price > quote { qty - rules.lot_size } else { qty }
}

/// A fee as the venue cuts it.
pub(super) fn fee(rules: &SymbolRules, received: Decimal, maker: bool) -> Decimal {
    let rate = if maker { rules.maker_fee } else { rules.taker_fee };
    (received * rate).trunc_with_scale(rules.fee_decimals).normalize()
}
