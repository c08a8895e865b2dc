//! Requests over REST: paths, queries and bodies, and where a list goes on.
//!
//! Lists come newest first, a hundred rows a page; the next page is asked for by the number of the
//! last row.
//! <https://www.okx.com/docs-v5/en/#order-book-trading-trade-get-order-list>

#![forbid(unsafe_code)]

use super::super::flight::Ask;
use super::super::trading::{FillJob, Mark, Names};
use super::super::{DecodeError, EncodeError, Method, Outbox, OutboxFull, RequestId, Value};
use super::account::FUNDING;
use super::auth::Signer;
use super::{instruments, write_u64};
use crate::types::{CancelOrder, Instrument, InstrumentKind};

const DAY_MS: u64 = 86_400_000;
/// Rows of a page.
const PAGE: usize = 100;
/// Orders of one request that cancels several.
const BATCH: usize = 20;
/// Fills and bills of the last days are listed apart from older ones: three and seven days, less a
/// margin for the way there.
const FILLS_RECENT_MS: u64 = 3 * DAY_MS - 60_000;
const BILLS_RECENT_MS: u64 = 7 * DAY_MS - 60_000;

/// Sends a signed GET; `query` writes the query without `?`.
fn get(
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
    let head = |path: &str, _: &[u8], head: &mut Vec<u8>| {
        signer.write_headers(mark.venue_ms, Method::Get, path, b"", head);
    };
    out.request(RequestId(mark.id), Method::Get, whole, |_| {}, head)
}

/// Sends a signed POST with a JSON body; after `expires_ms` the venue must not act on it any more.
pub(super) fn post(
    out: &mut Outbox,
    mark: Mark,
    signer: &Signer,
    (path, expires_ms): (&str, Option<u64>),
    body: impl FnOnce(&mut Vec<u8>),
) -> Result<(), OutboxFull> {
    let head = |path: &str, body: &[u8], head: &mut Vec<u8>| {
        signer.write_headers(mark.venue_ms, Method::Post, path, body, head);
        if let Some(expires_ms) = expires_ms {
            head.extend_from_slice(b"expTime: ");
            write_u64(head, expires_ms);
            head.extend_from_slice(b"\r\n");
        }
    };
    let path = |bytes: &mut Vec<u8>| bytes.extend_from_slice(path.as_bytes());
    out.request(RequestId(mark.id), Method::Post, path, body, head)
}

/// `instType=SPOT&instId=BTC-USDT`
fn write_instrument(instrument: &Instrument, query: &mut Vec<u8>) {
    query.extend_from_slice(b"instType=");
    query.extend_from_slice(instruments::inst_type(instrument.kind).as_bytes());
    query.extend_from_slice(b"&instId=");
    query.extend_from_slice(instrument.symbol.as_bytes());
}

/// `&begin=1597026383085&limit=100&after=680800019754098688`
fn write_page(begin_ms: Option<u64>, cursor: &str, query: &mut Vec<u8>) {
    if let Some(begin_ms) = begin_ms {
        query.extend_from_slice(b"&begin=");
        write_u64(query, begin_ms);
    }
    query.extend_from_slice(b"&limit=100");
    if !cursor.is_empty() {
        query.extend_from_slice(b"&after=");
        query.extend_from_slice(cursor.as_bytes());
    }
}

/// Query for one order by our id, or by the venue's if it is not ours.
fn write_order(instrument: &Instrument, order: &CancelOrder, query: &mut Vec<u8>) {
    query.extend_from_slice(b"instId=");
    query.extend_from_slice(instrument.symbol.as_bytes());
    if order.client_id.is_some() {
        query.extend_from_slice(b"&clOrdId=");
        query.extend_from_slice(&order.client_id.encode());
    } else {
        query.extend_from_slice(b"&ordId=");
        query.extend_from_slice(order.venue_order_id.as_str().as_bytes());
    }
}

/// Fee rates of a swap stand under its family, which is its symbol without the kind.
fn write_fee(instrument: &Instrument, query: &mut Vec<u8>) {
    let symbol = instrument.symbol.as_str();
    let (kind, name) = match instrument.kind {
        InstrumentKind::Spot => ("SPOT&instId=", symbol),
        InstrumentKind::LinearPerpetual => ("SWAP&instFamily=", super::index_of(symbol)),
    };
    for part in ["instType=", kind, name] {
        query.extend_from_slice(part.as_bytes());
    }
}

fn fills_path(since_ms: u64, mark: Mark) -> &'static str {
    match mark.venue_ms.saturating_sub(since_ms) > FILLS_RECENT_MS {
        true => "/api/v5/trade/fills-history",
        false => "/api/v5/trade/fills",
    }
}

fn bills_path(since_ms: u64, mark: Mark) -> &'static str {
    match mark.venue_ms.saturating_sub(since_ms) > BILLS_RECENT_MS {
        true => "/api/v5/account/bills-archive",
        false => "/api/v5/account/bills",
    }
}

/// Sends a request that is not an order.
pub(super) fn send(
    ask: &Ask,
    (cursor, job): (&str, Option<&FillJob>),
    (names, signer): (&Names, &Signer),
    mark: Mark,
    out: &mut Outbox,
) -> Result<(), EncodeError> {
    match *ask {
        Ask::CancelAll { instrument, .. } | Ask::OpenOrders { instrument, .. } => {
            let instrument = names.of_command(instrument)?;
            get(out, mark, signer, "/api/v5/trade/orders-pending", |query| {
                write_instrument(instrument, query);
                write_page(None, cursor, query);
            })?;
        }
        Ask::Query { order, .. } => {
            super::super::trading::Action::Cancel(&order).check()?;
            let instrument = names.of_command(order.instrument)?;
            get(out, mark, signer, "/api/v5/trade/order", |query| {
                write_order(instrument, &order, query);
            })?;
        }
        Ask::Fills { .. } => {
            let job = job.ok_or(EncodeError::Unsupported)?;
            let instrument = names.of_command(job.instrument)?;
            get(out, mark, signer, fills_path(job.start_ms, mark), |query| {
                write_instrument(instrument, query);
                write_page(Some(job.start_ms), cursor, query);
            })?;
        }
        Ask::Balances => get(out, mark, signer, "/api/v5/account/balance", |_| {})?,
        Ask::Positions { .. } => get(out, mark, signer, "/api/v5/account/positions", |query| {
            query.extend_from_slice(b"instType=SWAP");
        })?,
        Ask::Funding { since_ms, .. } => {
            get(out, mark, signer, bills_path(since_ms, mark), |query| {
                query.extend_from_slice(b"instType=SWAP&type=");
                query.extend_from_slice(FUNDING.as_bytes());
                write_page(Some(since_ms), cursor, query);
            })?;
        }
        Ask::Account => get(out, mark, signer, "/api/v5/account/config", |_| {})?,
        Ask::Rules(kind) => {
            get(out, mark, signer, "/api/v5/public/instruments", |query| {
                query.extend_from_slice(b"instType=");
                query.extend_from_slice(instruments::inst_type(kind).as_bytes());
            })?;
        }
        Ask::FeeRate(instrument) => {
            let instrument = names.of_command(instrument)?;
            get(out, mark, signer, "/api/v5/account/trade-fee", |query| {
                write_fee(instrument, query);
            })?;
        }
        // `{"timeOut":"60"}`; it counts down from here.
        Ask::DeadMan { window_s, .. } => {
            post(out, mark, signer, ("/api/v5/trade/cancel-all-after", None), |body| {
                body.extend_from_slice(br#"{"timeOut":""#);
                write_u64(body, u64::from(window_s));
                body.extend_from_slice(br#""}"#);
            })?;
        }
        Ask::New(_)
        | Ask::Cancel(_)
        | Ask::Replace(_)
        | Ask::CancelListed { .. }
        | Ask::PositionMode(_) => {
            return Err(EncodeError::Unsupported);
        }
    }
    Ok(())
}

/// Cancels the first orders of a list.
///
/// ```json
/// [{"instId":"BTC-USDT","ordId":"590908157585625111"},{"instId":"BTC-USDT","ordId":".."}]
/// ```
pub(super) fn cancel_listed(
    instrument: &Instrument,
    rows: Value<'_>,
    signer: &Signer,
    mark: Mark,
    out: &mut Outbox,
) -> Result<(), EncodeError> {
    let plain = |id: &&str| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let ids = rows.items().filter_map(|row| row.get("ordId").and_then(Value::str)).filter(plain);
    post(out, mark, signer, ("/api/v5/trade/cancel-batch-orders", None), |body| {
        body.push(b'[');
        for (at, id) in ids.take(BATCH).enumerate() {
            if at > 0 {
                body.push(b',');
            }
            body.extend_from_slice(br#"{"instId":""#);
            body.extend_from_slice(instrument.symbol.as_bytes());
            body.extend_from_slice(br#"","ordId":""#);
            body.extend_from_slice(id.as_bytes());
            body.extend_from_slice(br#""}"#);
        }
        body.push(b']');
    })?;
    Ok(())
}

/// Rows of a list and the cursor of the next page, empty on the last.
pub(super) fn rows<'a>(ask: &Ask, root: Value<'a>) -> Result<(Value<'a>, &'a str), DecodeError> {
    let rows = root.field("data")?;
    if !rows.is_array() {
        return Err(DecodeError::Invalid("data"));
    }
    let key = match ask {
        Ask::OpenOrders { .. } => "ordId",
        Ask::Fills { .. } | Ask::Funding { .. } => "billId",
        _ => return Ok((rows, "")),
    };
    if rows.items().count() < PAGE {
        return Ok((rows, ""));
    }
    let last = rows.items().last().ok_or(DecodeError::Missing("data"))?;
    let cursor = last.field_str(key)?;
    // It goes into a query as it is.
    let plain = !cursor.is_empty() && cursor.bytes().all(|byte| byte.is_ascii_digit());
    if plain { Ok((rows, cursor)) } else { Err(DecodeError::Invalid(key)) }
}

/// How far back fills are listed, and the longest span of one list.
pub(super) const FILLS_HISTORY_MS: u64 = 89 * DAY_MS;
