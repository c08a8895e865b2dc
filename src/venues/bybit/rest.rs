//! Requests over REST and their replies: order queries, open orders, fills, the account, fee rates.
//!
//! <https://bybit-exchange.github.io/docs/v5/order/open-order>

#![forbid(unsafe_code)]

use super::super::fields::ppb;
use super::super::flight::Ask;
use super::super::trading::{FillJob, Mark};
use super::super::{
    DecodeError, EncodeError, Method, Outbox, OutboxFull, RequestId, Scalar, Value,
};
use super::account::{Holder, SETTLEMENT};
use super::auth::Signer;
use super::{Product, dead_man, orders, write_u64};
use crate::types::{CancelOrder, FeeRate, Instrument};

const CURSOR_MAX: usize = 512;

/// Sends a signed GET; `query` writes the query without `?`.
pub(super) fn get(
    out: &mut Outbox,
    mark: Mark,
    signer: &Signer,
    path: &str,
    query: impl FnOnce(&mut Vec<u8>),
) -> Result<(), OutboxFull> {
    let whole = |bytes: &mut Vec<u8>| {
        bytes.extend_from_slice(path.as_bytes());
        let start = bytes.len();
        bytes.push(b'?');
        query(bytes);
        if bytes.len() == start + 1 {
            bytes.truncate(start);
        }
    };
    let head = |whole: &str, _: &[u8], head: &mut Vec<u8>| {
        let signed = whole.split_once('?').map_or("", |(_, query)| query);
        signer.write_headers(mark.venue_ms, signed.as_bytes(), head);
    };
    out.request(RequestId(mark.id), Method::Get, whole, |_| {}, head)
}

/// Sends a signed POST with a JSON body.
pub(super) fn post(
    out: &mut Outbox,
    mark: Mark,
    signer: &Signer,
    path: &str,
    body: impl FnOnce(&mut Vec<u8>),
) -> Result<(), OutboxFull> {
    let head = |_: &str, body: &[u8], head: &mut Vec<u8>| {
        head.extend_from_slice(b"Content-Type: application/json\r\n");
        signer.write_headers(mark.venue_ms, body, head);
    };
    let path = |bytes: &mut Vec<u8>| bytes.extend_from_slice(path.as_bytes());
    out.request(RequestId(mark.id), Method::Post, path, body, head)
}

/// `category=spot&symbol=BTCUSDT`
pub(super) fn write_instrument(instrument: &Instrument, query: &mut Vec<u8>) {
    query.extend_from_slice(b"category=");
    query.extend_from_slice(Product::of(instrument).category.as_bytes());
    query.extend_from_slice(b"&symbol=");
    query.extend_from_slice(instrument.symbol.as_bytes());
}

/// Query for one order by our id, or by the venue's if it is not ours.
pub(super) fn write_order(instrument: &Instrument, order: &CancelOrder, query: &mut Vec<u8>) {
    write_instrument(instrument, query);
    if order.client_id.is_some() {
        query.extend_from_slice(b"&orderLinkId=");
        query.extend_from_slice(&order.client_id.encode());
    } else {
        query.extend_from_slice(b"&orderId=");
        query.extend_from_slice(order.venue_order_id.as_str().as_bytes());
    }
}

/// Query for a page of the open orders of an instrument.
pub(super) fn write_open_orders(instrument: &Instrument, cursor: &str, query: &mut Vec<u8>) {
    write_instrument(instrument, query);
    query.extend_from_slice(b"&openOnly=0&limit=50");
    write_cursor(cursor, query);
}

/// The venue hands cursors out percent-encoded already: encoding them again would break them.
pub(super) fn write_cursor(cursor: &str, query: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    if cursor.is_empty() {
        return;
    }
    query.extend_from_slice(b"&cursor=");
    for byte in cursor.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~%:,".contains(&byte) {
            query.push(byte);
        } else {
            query.push(b'%');
            query.push(HEX[usize::from(byte >> 4)]);
            query.push(HEX[usize::from(byte & 15)]);
        }
    }
}

/// Refuses a list of another product, whose rows may have the same symbols.
pub(super) fn check_category(of: &Instrument, root: Value<'_>) -> Result<(), DecodeError> {
    match root.field("result")?.get("category") {
        Some(category) if category.str() != Some(Product::of(of).category) => {
            Err(DecodeError::Invalid("category"))
        }
        _ => Ok(()),
    }
}

/// Rows of a list and the cursor of the next page, empty on the last.
pub(super) fn list(root: Value<'_>) -> Result<(Value<'_>, &str), DecodeError> {
    let result = root.field("result")?;
    let rows = result.field("list")?;
    if !rows.is_array() {
        return Err(DecodeError::Invalid("list"));
    }
    let cursor = result.get("nextPageCursor").and_then(Value::str).unwrap_or("");
    if cursor.len() > CURSOR_MAX {
        return Err(DecodeError::Invalid("nextPageCursor"));
    }
    // A page without rows is the last, whatever cursor it carries.
    let cursor = if rows.items().next().is_none() { "" } else { cursor };
    Ok((rows, cursor))
}

/// `{"list":[{"symbol":"ETHUSDT","takerFeeRate":"0.0006","makerFeeRate":"0.0001"}]}`
pub(super) fn fee_rate(root: Value<'_>, instrument: &Instrument) -> Result<FeeRate, DecodeError> {
    let list = root.field("result")?.field("list")?;
    let named = |row: &Value<'_>| {
        row.get("symbol").and_then(Value::str) == Some(instrument.symbol.as_str())
    };
    let row = list.items().find(named).ok_or(DecodeError::UnknownSymbol)?;
    let rate = |name| ppb(row.get(name).map(Scalar::from), name);
    Ok(FeeRate {
        instrument: instrument.id,
        maker: rate("makerFeeRate")?,
        taker: rate("takerFeeRate")?,
    })
}

/// Query for a page of fills.
fn write_fills(instrument: &Instrument, job: &FillJob, cursor: &str, query: &mut Vec<u8>) {
    write_instrument(instrument, query);
    query.extend_from_slice(b"&startTime=");
    write_u64(query, job.start_ms);
    if let Some(end) = job.end_ms() {
        query.extend_from_slice(b"&endTime=");
        write_u64(query, end);
    }
    query.extend_from_slice(b"&limit=100");
    write_cursor(cursor, query);
}

/// Query for a page of the positions that settle in an asset; only what is not flat is listed.
fn write_positions(settle: &str, cursor: &str, query: &mut Vec<u8>) {
    query.extend_from_slice(b"category=linear&settleCoin=");
    query.extend_from_slice(settle.as_bytes());
    query.extend_from_slice(b"&limit=200");
    write_cursor(cursor, query);
}

/// Longest span of one list of payments; without an end the venue lists one day.
pub(super) const FUNDING_WINDOW_MS: u64 = 7 * DAY_MS;
pub(super) const DAY_MS: u64 = 86_400_000;

/// Query for a page of the payments of funding.
fn write_funding(since_ms: u64, cursor: &str, mark: Mark, query: &mut Vec<u8>) {
    query.extend_from_slice(b"accountType=UNIFIED&category=linear&type=");
    query.extend_from_slice(SETTLEMENT.as_bytes());
    query.extend_from_slice(b"&startTime=");
    write_u64(query, since_ms);
    query.extend_from_slice(b"&endTime=");
    write_u64(query, (since_ms + FUNDING_WINDOW_MS).min(mark.venue_ms.max(since_ms)));
    query.extend_from_slice(b"&limit=50");
    write_cursor(cursor, query);
}

/// Sends a request that is not an order.
pub(super) fn send(
    ask: &Ask,
    (cursor, job): (&str, Option<&FillJob>),
    holder: Holder<'_>,
    (signer, products): (&Signer, &[&'static Product]),
    mark: Mark,
    out: &mut Outbox,
) -> Result<(), EncodeError> {
    let names = holder.names;
    match ask {
        Ask::CancelAll { instrument, .. } => {
            let instrument = names.of_command(*instrument)?;
            post(out, mark, signer, "/v5/order/cancel-all", |body| {
                orders::write_instrument(instrument, body);
                body.push(b'}');
            })?;
        }
        Ask::Query { order, history } => {
            let instrument = names.of_command(order.instrument)?;
            orders::check(super::super::trading::Action::Cancel(order), instrument)?;
            let path = if *history { "/v5/order/history" } else { "/v5/order/realtime" };
            get(out, mark, signer, path, |query| {
                write_order(instrument, order, query);
            })?;
        }
        Ask::OpenOrders { instrument, .. } => {
            let instrument = names.of_command(*instrument)?;
            get(out, mark, signer, "/v5/order/realtime", |query| {
                write_open_orders(instrument, cursor, query);
            })?;
        }
        Ask::Fills { .. } => {
            let job = job.ok_or(EncodeError::Unsupported)?;
            let instrument = names.of_command(job.instrument)?;
            get(out, mark, signer, "/v5/execution/list", |query| {
                write_fills(instrument, job, cursor, query);
            })?;
        }
        Ask::Balances => get(out, mark, signer, "/v5/account/wallet-balance", |query| {
            query.extend_from_slice(b"accountType=UNIFIED");
        })?,
        Ask::FeeRate(instrument) => {
            let instrument = names.of_command(*instrument)?;
            get(out, mark, signer, "/v5/account/fee-rate", |query| {
                write_instrument(instrument, query);
            })?;
        }
        Ask::Positions { part, .. } => {
            let asset = holder.assets.settle.get(usize::from(*part));
            let asset = *asset.ok_or(EncodeError::Unsupported)?;
            let settle = names.instruments.assets.name(asset);
            get(out, mark, signer, "/v5/position/list", |query| {
                write_positions(settle, cursor, query);
            })?;
        }
        Ask::Funding { since_ms, .. } => {
            get(out, mark, signer, "/v5/account/transaction-log", |query| {
                write_funding(*since_ms, cursor, mark, query);
            })?;
        }
        Ask::Account => get(out, mark, signer, "/v5/account/info", |_| {})?,
        Ask::PositionMode(instrument) => {
            let instrument = names.of_command(*instrument)?;
            get(out, mark, signer, "/v5/position/list", |query| {
                write_instrument(instrument, query);
            })?;
        }
        Ask::DeadMan { window_s, part } => {
            let product = products.get(usize::from(*part)).ok_or(EncodeError::Unsupported)?;
            post(out, mark, signer, "/v5/order/disconnected-cancel-all", |body| {
                dead_man::write_body(product, *window_s, body);
            })?;
        }
        _ => return Err(EncodeError::Unsupported),
    }
    Ok(())
}
