//! Rows of orders and fills: which members count, and what each may hold.
//!
//! A row is filled by the complete decoder or by a scanner; what it means is decided once, in
//! `private_stream.rs`. Of two members with one name the first counts.

#![forbid(unsafe_code)]

use super::super::fields::{Field, number, text};
use super::super::{DecodeError, Scalar, Value};
use super::contracts;
use crate::types::{Instrument, Qty, Side};

/// An order as the venue states it, on its channel with the fill that it reports, in lists with the
/// last one.
///
/// ```json
/// {"accFillSz":"0.001","amendResult":"","avgPx":"31527.1","clOrdId":"st0000000000000001",
///  "code":"0","execType":"M","fee":"-0.02522168","feeCcy":"USDT","fillFee":"-0.02522168",
///  "fillFeeCcy":"USDT","fillPx":"31527.1","fillSz":"0.001","fillTime":"1654084353263",
///  "instId":"BTC-USDT","instType":"SPOT","ordId":"452197707845865472","ordType":"limit",
///  "px":"31527.1","reqId":"","side":"sell","state":"filled","sz":"0.001","tgtCcy":"",
///  "tradeId":"242589207","cancelSource":"","uTime":"1654084353264"}
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct OrderFields<'a> {
    pub(super) symbol: Field<'a>,
    pub(super) client_id: Field<'a>,
    pub(super) order_id: Field<'a>,
    pub(super) side: Field<'a>,
    pub(super) state: Field<'a>,
    pub(super) cancel_source: Field<'a>,
    pub(super) order_type: Field<'a>,
    pub(super) unit: Field<'a>,
    pub(super) price: Field<'a>,
    pub(super) qty: Field<'a>,
    pub(super) cumulative: Field<'a>,
    pub(super) updated: Field<'a>,
    pub(super) amended: Field<'a>,
    pub(super) request: Field<'a>,
    pub(super) code: Field<'a>,
    pub(super) trade_id: Field<'a>,
    pub(super) fill_price: Field<'a>,
    pub(super) fill_qty: Field<'a>,
    pub(super) fill_fee: Field<'a>,
    pub(super) fill_fee_asset: Field<'a>,
    pub(super) fill_time: Field<'a>,
    pub(super) liquidity: Field<'a>,
    pub(super) fill_profit: Field<'a>,
    pub(super) fee: Field<'a>,
    pub(super) fee_asset: Field<'a>,
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
            "instId" => &mut self.symbol,
            "clOrdId" => &mut self.client_id,
            "ordId" => &mut self.order_id,
            "side" => &mut self.side,
            "state" => &mut self.state,
            "cancelSource" => &mut self.cancel_source,
            "ordType" => &mut self.order_type,
            "tgtCcy" => &mut self.unit,
            "px" => &mut self.price,
            "sz" => &mut self.qty,
            "accFillSz" => &mut self.cumulative,
            "uTime" => &mut self.updated,
            "amendResult" => &mut self.amended,
            "reqId" => &mut self.request,
            "code" => &mut self.code,
            "tradeId" => &mut self.trade_id,
            "fillPx" => &mut self.fill_price,
            "fillSz" => &mut self.fill_qty,
            "fillFee" => &mut self.fill_fee,
            "fillFeeCcy" => &mut self.fill_fee_asset,
            "fillTime" => &mut self.fill_time,
            "execType" => &mut self.liquidity,
            "fillPnl" => &mut self.fill_profit,
            "fee" => &mut self.fee,
            "feeCcy" => &mut self.fee_asset,
            _ => return,
        };
        field.get_or_insert(value);
    }
}

/// `buy` or `sell`.
pub(super) fn side(field: Field<'_>, name: &'static str) -> Result<Side, DecodeError> {
    match text(field, name)? {
        "buy" => Ok(Side::Buy),
        "sell" => Ok(Side::Sell),
        _ => Err(DecodeError::Invalid(name)),
    }
}

/// A quantity in base units, also where the venue counts contracts; `None` where it says nothing.
pub(super) fn qty(
    field: Field<'_>,
    name: &'static str,
    of: &Instrument,
) -> Result<Option<Qty>, DecodeError> {
    let Some(text) = number(field, name)? else { return Ok(None) };
    let qty = contracts::qty(text, of).map_err(|error| DecodeError::Number(name, error))?;
    if qty.0 < 0 { Err(DecodeError::Invalid(name)) } else { Ok(Some(qty)) }
}
