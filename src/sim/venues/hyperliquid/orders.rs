//! Orders as clients write them.

#![forbid(unsafe_code)]

use super::address::Cloid;
use super::errors::Denied;
use super::msgpack::{self, Malformed};
use crate::sim::{PlaceRequest, SimOrderType};
use crate::types::{Side, TimeInForce};
use rust_decimal::Decimal;
use serde_json::Value;

/// An order as read; whether its numbers are allowed is not looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) asset: u64,
    side: Side,
    pub(super) price: Decimal,
    pub(super) size: Decimal,
    reduce_only: bool,
    kind: Kind,
    pub(super) cloid: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Gtc,
    Ioc,
    Alo,
    /// Take-profit or stop-loss, which is not simulated.
    Trigger,
}

/// Names an order in a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Named {
    Number(u64),
    Cloid(String),
}

impl Named {
    pub(super) fn read(value: Option<&Value>) -> Result<Self, Malformed> {
        match value {
            Some(Value::String(text)) => Ok(Self::Cloid(read_cloid(text)?)),
            Some(number) => number.as_u64().map(Self::Number).ok_or(Malformed),
            None => Err(Malformed),
        }
    }
}

pub(super) fn read_cloid(text: &str) -> Result<String, Malformed> {
    Cloid::parse(text).map(|cloid| cloid.to_string()).ok_or(Malformed)
}

/// A member that has to be there.
pub(super) fn member<'a>(value: &'a Value, name: &str) -> Result<&'a Value, Malformed> {
    value.get(name).ok_or(Malformed)
}

pub(super) fn whole(value: &Value, name: &str) -> Result<u64, Malformed> {
    member(value, name)?.as_u64().ok_or(Malformed)
}

pub(super) fn flag(value: &Value, name: &str) -> Result<bool, Malformed> {
    member(value, name)?.as_bool().ok_or(Malformed)
}

pub(super) fn list<'a>(value: &'a Value, name: &str) -> Result<&'a [Value], Malformed> {
    member(value, name)?.as_array().map(Vec::as_slice).ok_or(Malformed)
}

impl Wanted {
    pub(super) fn read(value: &Value) -> Result<Self, Malformed> {
        let decimal = |name| msgpack::decimal(member(value, name)?).ok_or(Malformed);
        let cloid = match value.get("c") {
            None | Some(Value::Null) => None,
            Some(cloid) => Some(read_cloid(cloid.as_str().ok_or(Malformed)?)?),
        };
        Ok(Self {
            asset: whole(value, "a")?,
            side: if flag(value, "b")? { Side::Buy } else { Side::Sell },
            price: decimal("p")?,
            size: decimal("s")?,
            reduce_only: flag(value, "r")?,
            kind: kind(member(value, "t")?)?,
            cloid,
        })
    }

    /// Every order of a list.
    pub(super) fn read_all(values: &[Value]) -> Result<Vec<Self>, Malformed> {
        values.iter().map(Self::read).collect()
    }

    /// It may take.
    pub(super) fn is_aggressive(&self) -> bool {
        matches!(self.kind, Kind::Gtc | Kind::Ioc)
    }

    /// A resting order that may not take, whatever it was.
    pub(super) fn made_passive(mut self) -> Self {
        if self.kind == Kind::Gtc {
            self.kind = Kind::Alo;
        }
        self
    }

    /// What is asked of the exchange; `spare` is the client id of an order that has none.
    pub(super) fn request(
        &self,
        symbol: &str,
        spare: impl FnOnce() -> String,
    ) -> Result<PlaceRequest, Denied> {
        let (order_type, time_in_force) = match self.kind {
            Kind::Gtc => (SimOrderType::Limit, TimeInForce::Gtc),
            Kind::Ioc => (SimOrderType::Limit, TimeInForce::Ioc),
            Kind::Alo => (SimOrderType::PostOnly, TimeInForce::Gtc),
            Kind::Trigger => {
                return Err(Denied::new("Invalid TP/SL price.", "badTriggerPxRejected"));
            }
        };
        Ok(PlaceRequest {
            symbol: symbol.to_owned(),
            client_id: self.cloid.clone().unwrap_or_else(spare),
            side: self.side,
            order_type,
            time_in_force,
            price: self.price,
            qty: self.size,
            reduce_only: self.reduce_only,
        })
    }
}

fn kind(value: &Value) -> Result<Kind, Malformed> {
    if value.get("trigger").is_some() {
        return Ok(Kind::Trigger);
    }
    match member(value, "limit")?.get("tif").and_then(Value::as_str) {
        Some("Gtc") => Ok(Kind::Gtc),
        Some("Ioc") => Ok(Kind::Ioc),
        Some("Alo") => Ok(Kind::Alo),
        _ => Err(Malformed),
    }
}
