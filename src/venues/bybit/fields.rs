//! Rows of orders and executions: which members count, and what each may hold.
//!
//! A row is filled by the complete decoder or by a scanner; what it means is decided once, in
//! `private_stream.rs`. Of two members with one name the first counts.

#![forbid(unsafe_code)]

use super::super::fields::{Field, text};
use super::super::{DecodeError, Scalar, Value};
use crate::types::Side;

/// An order as the venue states it.
///
/// ```json
/// {"category":"spot","symbol":"BTCUSDT","orderId":"1552243702477624832",
///  "orderLinkId":"st0000000000000001","side":"Sell","orderStatus":"Filled",
///  "cancelType":"UNKNOWN","rejectReason":"EC_NoError","timeInForce":"IOC","price":"32178.1",
///  "qty":"0.001936","leavesQty":"0","cumExecQty":"0.001936","orderType":"Limit",
///  "updatedTime":"1699777868986"}
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct OrderFields<'a> {
    pub(super) category: Field<'a>,
    pub(super) symbol: Field<'a>,
    pub(super) order_id: Field<'a>,
    pub(super) link_id: Field<'a>,
    pub(super) side: Field<'a>,
    pub(super) status: Field<'a>,
    pub(super) cancel_type: Field<'a>,
    pub(super) reason: Field<'a>,
    pub(super) time_in_force: Field<'a>,
    pub(super) price: Field<'a>,
    pub(super) qty: Field<'a>,
    pub(super) cumulative: Field<'a>,
    pub(super) order_type: Field<'a>,
    pub(super) unit: Field<'a>,
    pub(super) updated: Field<'a>,
}

impl<'a> OrderFields<'a> {
    pub(super) fn of(row: Value<'a>) -> Self {
        let mut fields = Self::default();
        row.members().for_each(|(key, value)| fields.set(key, value.into()));
        fields
    }

    /// Takes one member.
    #[inline]
    pub(super) fn set(&mut self, key: &str, value: Scalar<'a>) {
        let field = match key {
            "category" => &mut self.category,
            "symbol" => &mut self.symbol,
            "orderId" => &mut self.order_id,
            "orderLinkId" => &mut self.link_id,
            "side" => &mut self.side,
            "orderStatus" => &mut self.status,
            "cancelType" => &mut self.cancel_type,
            "rejectReason" => &mut self.reason,
            "timeInForce" => &mut self.time_in_force,
            "price" => &mut self.price,
            "qty" => &mut self.qty,
            "cumExecQty" => &mut self.cumulative,
            "orderType" => &mut self.order_type,
            "marketUnit" => &mut self.unit,
            "updatedTime" => &mut self.updated,
            _ => return,
        };
        field.get_or_insert(value);
    }
}

/// An execution as the venue states it.
///
/// ```json
/// {"category":"spot","symbol":"BTCUSDT","execFee":"0.000000306","execId":"2100000000047469164",
///  "execPrice":"32635","execQty":"0.000306","execType":"Trade","feeRate":"0.001",
///  "orderId":"1552132392821724672","orderLinkId":"st0000000000000001","side":"Buy",
///  "execTime":"1699764599837","isMaker":false,"feeCurrency":"BTC"}
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ExecutionFields<'a> {
    pub(super) category: Field<'a>,
    pub(super) symbol: Field<'a>,
    pub(super) order_id: Field<'a>,
    pub(super) link_id: Field<'a>,
    pub(super) kind: Field<'a>,
    pub(super) side: Field<'a>,
    pub(super) maker: Field<'a>,
    pub(super) id: Field<'a>,
    pub(super) price: Field<'a>,
    pub(super) qty: Field<'a>,
    pub(super) fee: Field<'a>,
    pub(super) currency: Field<'a>,
    pub(super) time: Field<'a>,
    /// Profit of what it closed, without fees; of perpetuals.
    pub(super) profit: Field<'a>,
    /// Taxes, where they are a list; only the complete decoder reads them.
    pub(super) extra: Option<Value<'a>>,
}

impl<'a> ExecutionFields<'a> {
    pub(super) fn of(row: Value<'a>) -> Self {
        let mut fields = Self { extra: row.get("extraFees"), ..Self::default() };
        row.members().for_each(|(key, value)| fields.set(key, value.into()));
        fields
    }

    /// Takes one member.
    #[inline]
    pub(super) fn set(&mut self, key: &str, value: Scalar<'a>) {
        let field = match key {
            "category" => &mut self.category,
            "symbol" => &mut self.symbol,
            "orderId" => &mut self.order_id,
            "orderLinkId" => &mut self.link_id,
            "execType" => &mut self.kind,
            "side" => &mut self.side,
            "isMaker" => &mut self.maker,
            "execId" => &mut self.id,
            "execPrice" => &mut self.price,
            "execQty" => &mut self.qty,
            "execFee" => &mut self.fee,
            "feeCurrency" => &mut self.currency,
            "execTime" => &mut self.time,
            "execPnl" => &mut self.profit,
            _ => return,
        };
        field.get_or_insert(value);
    }
}

/// `Buy` or `Sell`.
pub(super) fn side(field: Field<'_>, name: &'static str) -> Result<Side, DecodeError> {
    match text(field, name)? {
        "Buy" => Ok(Side::Buy),
        "Sell" => Ok(Side::Sell),
        _ => Err(DecodeError::Invalid(name)),
    }
}
