//! Requests over REST and their replies: order queries, open orders, fills, balances, fee rates.
//!
//! <https://bybit-exchange.github.io/docs/v5/order/open-order>

#![forbid(unsafe_code)]

use super::super::fields::ppb;
use super::super::flight::Ask;
use super::super::sink::Sink;
use super::super::trading::{FillJob, Mark, Names};
use super::super::{
    DecodeError, EncodeError, Method, Outbox, OutboxFull, RequestId, Scalar, Value,
};
use super::auth::Signer;
use super::{Product, dead_man, orders, private_stream, write_u64};
use crate::types::{CancelOrder, FeeRate, Instrument, Nanos};

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
        bytes.push(b'?');
        query(bytes);
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
pub(super) fn write_instrument(product: &Product, instrument: &Instrument, query: &mut Vec<u8>) {
    query.extend_from_slice(b"category=");
    query.extend_from_slice(product.category.as_bytes());
    query.extend_from_slice(b"&symbol=");
    query.extend_from_slice(instrument.symbol.as_bytes());
}

/// Query for one order by our id, or by the venue's if it is not ours.
pub(super) fn write_order(
    product: &Product,
    instrument: &Instrument,
    order: &CancelOrder,
    query: &mut Vec<u8>,
) {
    write_instrument(product, instrument, query);
    if order.client_id.is_some() {
        query.extend_from_slice(b"&orderLinkId=");
        query.extend_from_slice(&order.client_id.encode());
    } else {
        query.extend_from_slice(b"&orderId=");
        query.extend_from_slice(order.venue_order_id.as_str().as_bytes());
    }
}

/// Query for a page of the open orders of an instrument.
pub(super) fn write_open_orders(
    product: &Product,
    instrument: &Instrument,
    cursor: &str,
    query: &mut Vec<u8>,
) {
    write_instrument(product, instrument, query);
    query.extend_from_slice(b"&openOnly=0&limit=50");
    write_cursor(cursor, query);
}

/// The venue hands cursors out percent-encoded already: encoding them again would break them.
fn write_cursor(cursor: &str, query: &mut Vec<u8>) {
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

/// Rows of a list and the cursor of the next page, empty on the last.
pub(super) fn list<'a>(
    root: Value<'a>,
    product: &Product,
) -> Result<(Value<'a>, &'a str), DecodeError> {
    let result = root.field("result")?;
    private_stream::check_category(product, result)?;
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

/// Balances of the unified account.
pub(super) fn balances(
    root: Value<'_>,
    names: &Names,
    sink: &mut Sink<'_>,
) -> Result<(), DecodeError> {
    let at = Nanos::from_millis(super::field_whole(root, "time")?);
    let accounts = root.field("result")?.field("list")?;
    if accounts.items().next().is_none() {
        return Err(DecodeError::Missing("list"));
    }
    for account in accounts.items() {
        private_stream::wallet(account, names, at, sink)?;
    }
    Ok(())
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
fn write_fills(
    product: &Product,
    instrument: &Instrument,
    job: &FillJob,
    cursor: &str,
    query: &mut Vec<u8>,
) {
    write_instrument(product, instrument, query);
    query.extend_from_slice(b"&startTime=");
    write_u64(query, job.start_ms);
    if let Some(end) = job.end_ms() {
        query.extend_from_slice(b"&endTime=");
        write_u64(query, end);
    }
    query.extend_from_slice(b"&limit=100");
    write_cursor(cursor, query);
}

/// Sends a request that is not an order.
pub(super) fn send(
    ask: &Ask,
    (cursor, job): (&str, Option<&FillJob>),
    (product, names, signer): (&Product, &Names, &Signer),
    mark: Mark,
    out: &mut Outbox,
) -> Result<(), EncodeError> {
    match ask {
        Ask::CancelAll { instrument, .. } => {
            let instrument = names.of_command(*instrument)?;
            post(out, mark, signer, "/v5/order/cancel-all", |body| {
                orders::write_instrument(product, instrument, body);
                body.push(b'}');
            })?;
        }
        Ask::Query { order, history } => {
            orders::check(super::super::trading::Action::Cancel(order))?;
            let instrument = names.of_command(order.instrument)?;
            let path = if *history { "/v5/order/history" } else { "/v5/order/realtime" };
            get(out, mark, signer, path, |query| {
                write_order(product, instrument, order, query);
            })?;
        }
        Ask::OpenOrders { instrument, .. } => {
            let instrument = names.of_command(*instrument)?;
            get(out, mark, signer, "/v5/order/realtime", |query| {
                write_open_orders(product, instrument, cursor, query);
            })?;
        }
        Ask::Fills { .. } => {
            let job = job.ok_or(EncodeError::Unsupported)?;
            let instrument = names.of_command(job.instrument)?;
            get(out, mark, signer, "/v5/execution/list", |query| {
                write_fills(product, instrument, job, cursor, query);
            })?;
        }
        Ask::Balances => get(out, mark, signer, "/v5/account/wallet-balance", |query| {
            query.extend_from_slice(b"accountType=UNIFIED");
        })?,
        Ask::FeeRate(instrument) => {
            let instrument = names.of_command(*instrument)?;
            get(out, mark, signer, "/v5/account/fee-rate", |query| {
                write_instrument(product, instrument, query);
            })?;
        }
        Ask::DeadMan { window_s } => {
            post(out, mark, signer, "/v5/order/disconnected-cancel-all", |body| {
                dead_man::write_body(*window_s, body);
            })?;
        }
        _ => return Err(EncodeError::Unsupported),
    }
    Ok(())
}
