//! Parameters of a JSON request, with the venue's errors for what is missing or malformed.

use super::category::Category;
use super::errors::VenueError;
pub(super) use crate::sim::venues::fields::Fields;
use crate::sim::{PlaceRequest, SimOrderType, SymbolRules};
use crate::types::{Side, TimeInForce};
use rust_decimal::Decimal;
use serde_json::Value;

/// Longest client id.
const LINK_LENGTH_MAX: usize = 36;

impl<'a> Fields<'a> {
    /// The category of the request.
    pub(super) fn category(self) -> Result<Category, VenueError> {
        Category::read(Some(self.required("category")?))
    }

    /// The client id, if one was sent.
    pub(super) fn link(self) -> Result<Option<&'a str>, VenueError> {
        let Some(link) = self.text("orderLinkId")? else { return Ok(None) };
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if link.len() <= LINK_LENGTH_MAX && link.bytes().all(allowed) {
            Ok(Some(link))
        } else {
            Err(VenueError::parameter("orderLinkId"))
        }
    }

    fn side(self) -> Result<Side, VenueError> {
        match self.required("side")? {
            "Buy" => Ok(Side::Buy),
            "Sell" => Ok(Side::Sell),
            _ => Err(VenueError::new(170117, "Invalid side.")),
        }
    }

    fn limit_kind(self) -> Result<(SimOrderType, TimeInForce), VenueError> {
        match self.text("timeInForce")?.unwrap_or("GTC") {
            "GTC" => Ok((SimOrderType::Limit, TimeInForce::Gtc)),
            "IOC" => Ok((SimOrderType::Limit, TimeInForce::Ioc)),
            "FOK" => Ok((SimOrderType::Limit, TimeInForce::Fok)),
            "PostOnly" => Ok((SimOrderType::PostOnly, TimeInForce::Gtc)),
            _ => Err(VenueError::new(170115, "Invalid timeInForce.")),
        }
    }

    /// A market buy is sized in quote unless `marketUnit` says otherwise, a sell in base.
    fn market_kind(self, side: Side) -> Result<SimOrderType, VenueError> {
        match (self.text("marketUnit")?, side) {
            (Some("baseCoin"), _) | (None, Side::Sell) => Ok(SimOrderType::Market),
            (Some("quoteCoin"), _) | (None, Side::Buy) => Ok(SimOrderType::MarketQuote),
            _ => Err(VenueError::parameter("marketUnit")),
        }
    }

    /// A flag that may be missing.
    fn flag(self, name: &str) -> Result<bool, VenueError> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(set)) => Ok(*set),
            Some(_) => Err(VenueError::parameter(name)),
        }
    }

    /// A new order. The client id is left empty if none was sent.
    pub(super) fn new_order(self, category: Category) -> Result<PlaceRequest, VenueError> {
        let symbol = category.symbol(self.required("symbol")?);
        let linear = category == Category::Linear;
        // Positions are net: there is no other index.
        if linear && self.0.get("positionIdx").is_some_and(|index| index.as_u64() != Some(0)) {
            return Err(VenueError::new(10001, "position idx not match position mode"));
        }
        let side = self.side()?;
        if !matches!(self.text("orderFilter")?, None | Some("Order")) {
            return Err(VenueError::parameter("orderFilter"));
        }
        let qty = self.decimal("qty")?.ok_or_else(|| VenueError::parameter("qty"))?;
        let (order_type, time_in_force, price) = match self.required("orderType")? {
            "Limit" => {
                let (kind, time_in_force) = self.limit_kind()?;
                let price = self.decimal("price")?;
                (kind, time_in_force, price.ok_or_else(|| VenueError::parameter("price"))?)
            }
            "Market" if linear => (SimOrderType::Market, TimeInForce::Ioc, Decimal::ZERO),
            "Market" => (self.market_kind(side)?, TimeInForce::Ioc, Decimal::ZERO),
            _ => return Err(VenueError::new(170116, "Invalid orderType.")),
        };
        let client_id = self.link()?.unwrap_or_default().to_owned();
        Ok(PlaceRequest {
            symbol,
            client_id,
            side,
            order_type,
            time_in_force,
            price,
            qty,
            reduce_only: linear && self.flag("reduceOnly")?,
        })
    }
}

/// Step of a quantity in quote.
pub(super) fn quote_precision(rules: &SymbolRules) -> Decimal {
    rules.tick_size * rules.lot_size
}

/// What the exchange does not check: the price band around the last trade, and the decimals of a
/// quantity in quote.
pub(super) fn check_venue_rules(
    request: &PlaceRequest,
    rules: &SymbolRules,
    last_price: Option<Decimal>,
    band: Decimal,
) -> Result<(), VenueError> {
    let (price, side) = (request.price, request.side);
    if request.order_type == SimOrderType::MarketQuote {
        let whole = (request.qty % quote_precision(rules)).is_zero();
        let error = || VenueError::new(170148, "Market order amount decimal too long.");
        return if whole { Ok(()) } else { Err(error()) };
    }
    let limited = matches!(request.order_type, SimOrderType::Limit | SimOrderType::PostOnly);
    let below = rules.price_max.is_zero() || price <= rules.price_max;
    let in_bounds = price > Decimal::ZERO && price >= rules.price_min && below;
    let Some(last) = last_price.filter(|_| limited && in_bounds) else { return Ok(()) };
    let quote = &rules.quote;
    if rules.perpetual.is_some() {
        let outside = match side {
            Side::Buy => price > last * (Decimal::ONE + band),
            Side::Sell => price < last * (Decimal::ONE - band),
        };
        let error = || VenueError::new(110003, "Order price exceeds the allowable range.");
        return if outside { Err(error()) } else { Ok(()) };
    }
    match side {
        Side::Buy if price > last * (Decimal::ONE + band) => {
            let most = cut(last * (Decimal::ONE + band), rules);
            let text = format!("Buy order price cannot be higher than {most}{quote}.");
            Err(VenueError::new(170193, text))
        }
        Side::Sell if price < last * (Decimal::ONE - band) => {
            let least = cut(last * (Decimal::ONE - band), rules);
            let text = format!("Sell order price cannot be lower than {least}{quote}.");
            Err(VenueError::new(170194, text))
        }
        _ => Ok(()),
    }
}

/// Cut to the decimals of the tick size.
fn cut(price: Decimal, rules: &SymbolRules) -> Decimal {
    price.trunc_with_scale(rules.tick_size.normalize().scale()).normalize()
}
