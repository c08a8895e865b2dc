//! What can be done to an order, and what no venue could express.

#![forbid(unsafe_code)]

use super::super::EncodeError;
use super::super::flight::Ask;
use crate::types::{
    CancelOrder, ClientOrderId, NewOrder, OrderType, ReplaceOrder, TimeInForce, VenueOrderId,
};

/// One of the three things that can be done to an order.
#[derive(Clone, Copy)]
pub(in crate::venues) enum Action<'a> {
    New(&'a NewOrder),
    Cancel(&'a CancelOrder),
    Replace(&'a ReplaceOrder),
}

impl<'a> Action<'a> {
    /// Of a request that is about one order and changes it.
    pub(in crate::venues) fn of(ask: &'a Ask) -> Option<Self> {
        match ask {
            Ask::New(order) => Some(Self::New(order)),
            Ask::Cancel(order) => Some(Self::Cancel(order)),
            Ask::Replace(order) => Some(Self::Replace(order)),
            _ => None,
        }
    }

    /// Refuses what cannot be said at any of these venues.
    pub(in crate::venues) fn check(self) -> Result<(), EncodeError> {
        match self {
            Self::New(order) => check_new(order),
            Self::Cancel(order) => check_id(order.client_id, order.venue_order_id),
            Self::Replace(order) => {
                if order.price.0 == 0 && order.qty.0 == 0 {
                    return Err(EncodeError::NotExpressible("the replace changes nothing"));
                }
                check_id(order.client_id, order.venue_order_id)
            }
        }
    }
}

fn check_new(order: &NewOrder) -> Result<(), EncodeError> {
    let market = order.order_type == OrderType::Market;
    let refuse = |why| Err(EncodeError::NotExpressible(why));
    if order.post_only && (market || order.time_in_force != TimeInForce::Gtc) {
        return refuse("post-only is for limit orders that rest");
    }
    if order.qty.0 <= 0 {
        return refuse("the quantity is not positive");
    }
    if !market && order.price.0 <= 0 {
        return refuse("a limit order needs a positive price");
    }
    if !order.client_id.is_some() {
        return refuse("an order needs a client id");
    }
    Ok(())
}

fn check_id(client_id: ClientOrderId, venue_order_id: VenueOrderId) -> Result<(), EncodeError> {
    let id = venue_order_id.as_str();
    if !client_id.is_some() && id.is_empty() {
        return Err(EncodeError::NotExpressible("the order has no id"));
    }
    // It goes into JSON and into a query as it is.
    if !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Err(EncodeError::NotExpressible("not an order id of this venue"));
    }
    Ok(())
}
