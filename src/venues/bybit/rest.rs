//! Requests over REST and their replies: order queries, open orders, fills, balances, fee rates.
//!
//! Lists come in pages, and the first page looks complete: cursors are followed to the end, or the
//! list is reported as failed. Fills are listed newest first; they are handed on oldest first,
//! because the order of fills decides what a position cost.
//! <https://bybit-exchange.github.io/docs/v5/order/open-order>

#![forbid(unsafe_code)]

use super::super::flight::Ask;
use super::super::sink::Sink;
use super::super::{DecodeError, Method, Outbox, OutboxFull, RequestId, Value};
use super::auth::Signer;
use super::private_stream::{self, Names, OrderRow};
use super::{Product, write_u64};
use crate::types::{
    AMOUNT_DECIMALS, CancelOrder, ExecutionReport, FeeRate, FillId, Instrument, InstrumentId,
    Nanos, ParseUnitError, Ppb, ReportKind, ReportOrigin,
};

const DAY_MS: u64 = 86_400_000;
/// Longest span of one list of executions.
const WINDOW_MS: u64 = 7 * DAY_MS;
/// The venue keeps executions for two years.
const HISTORY_MS: u64 = 729 * DAY_MS;
/// Most fills of one job, and most pages of one list: bounds, not limits anyone should meet.
const JOB_FILLS_MAX: usize = 20_000;
pub(super) const PAGES_MAX: u16 = 400;
const CURSOR_MAX: usize = 512;

/// Sends a signed GET; `query` writes the query without `?`.
pub(super) fn get(
    out: &mut Outbox,
    id: u64,
    signer: &Signer,
    timestamp_ms: u64,
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
        signer.write_headers(timestamp_ms, signed.as_bytes(), head);
    };
    out.request(RequestId(id), Method::Get, whole, |_| {}, head)
}

/// Sends a signed POST with a JSON body.
pub(super) fn post(
    out: &mut Outbox,
    id: u64,
    signer: &Signer,
    timestamp_ms: u64,
    path: &str,
    body: impl FnOnce(&mut Vec<u8>),
) -> Result<(), OutboxFull> {
    let head = |_: &str, body: &[u8], head: &mut Vec<u8>| {
        head.extend_from_slice(b"Content-Type: application/json\r\n");
        signer.write_headers(timestamp_ms, body, head);
    };
    let path = |bytes: &mut Vec<u8>| bytes.extend_from_slice(path.as_bytes());
    out.request(RequestId(id), Method::Post, path, body, head)
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
    names: &Names,
) -> Result<(Value<'a>, &'a str), DecodeError> {
    let result = root.field("result")?;
    names.check_category(result)?;
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

/// The row of the order that was asked for.
pub(super) fn find_order(
    rows: Value<'_>,
    order: &CancelOrder,
    names: &Names,
) -> Result<Option<OrderRow>, DecodeError> {
    for row in rows.items() {
        let row = private_stream::order_row(row, names)?;
        let found = if order.client_id.is_some() {
            row.client_id == order.client_id
        } else {
            row.venue_order_id == order.venue_order_id
        };
        if found {
            return Ok(Some(row));
        }
    }
    Ok(None)
}

/// Open orders of one page. A bad row costs itself, but then the list is not whole.
pub(super) fn open_orders(
    rows: Value<'_>,
    names: &Names,
    now: Nanos,
    sink: &mut Sink<'_>,
) -> Result<(), DecodeError> {
    let mut result = Ok(());
    for row in rows.items() {
        let outcome = private_stream::order_row(row, names)
            .and_then(|row| sink.report(row.report(ReportKind::Status, ReportOrigin::Query, now)));
        result = result.and(outcome);
    }
    result
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
    Ok(FeeRate {
        instrument: instrument.id,
        maker: ratio(row, "makerFeeRate")?,
        taker: ratio(row, "takerFeeRate")?,
    })
}

fn ratio(row: Value<'_>, name: &'static str) -> Result<Ppb, DecodeError> {
    const UNIT: i128 = 10i128.pow(AMOUNT_DECIMALS - 9);
    let amount = super::super::decimal::amount(row.field_str(name)?)
        .map_err(|error| DecodeError::Number(name, error))?;
    if amount.0 % UNIT != 0 {
        return Err(DecodeError::Number(name, ParseUnitError::OffScale));
    }
    i64::try_from(amount.0 / UNIT)
        .map(Ppb)
        .map_err(|_| DecodeError::Number(name, ParseUnitError::Overflow))
}

/// A list of fills under way: windows of at most seven days, oldest window first.
pub(super) struct FillJob {
    pub(super) key: u64,
    pub(super) instrument: InstrumentId,
    /// Last fill already known, where no time is: the list ends there.
    from_id: FillId,
    start_ms: u64,
    now_ms: u64,
    page: u16,
    /// Fills of this window, newest first.
    window: Vec<ExecutionReport>,
    /// Fills of the windows before, oldest first.
    pub(super) done: Vec<ExecutionReport>,
}

/// What follows a page of fills.
pub(super) enum NextPage<'a> {
    /// Ask for the page with this cursor, empty for a window's first.
    More(&'a str),
    /// All is read.
    End,
}

impl FillJob {
    /// `from_ms` is by the venue's clock; 0 means that only the id is known.
    pub(super) fn new(
        key: u64,
        instrument: InstrumentId,
        from_id: FillId,
        from_ms: u64,
        now_ms: u64,
    ) -> Self {
        let (start_ms, from_id) = if from_ms == 0 {
            (now_ms.saturating_sub(WINDOW_MS), from_id)
        } else {
            (from_ms, FillId::EMPTY)
        };
        Self {
            key,
            instrument,
            from_id,
            start_ms: start_ms.max(now_ms.saturating_sub(HISTORY_MS)),
            now_ms,
            page: 0,
            window: Vec::new(),
            done: Vec::new(),
        }
    }

    pub(super) fn ask(&self) -> Ask {
        Ask::Fills { job: self.key }
    }

    /// End of the window, if the venue's default (seven days on) is not beyond now.
    fn end_ms(&self) -> Option<u64> {
        let end = self.start_ms + WINDOW_MS;
        (end < self.now_ms).then_some(end)
    }

    pub(super) fn write_query(
        &self,
        product: &Product,
        instrument: &Instrument,
        cursor: &str,
        query: &mut Vec<u8>,
    ) {
        write_instrument(product, instrument, query);
        query.extend_from_slice(b"&startTime=");
        write_u64(query, self.start_ms);
        if let Some(end) = self.end_ms() {
            query.extend_from_slice(b"&endTime=");
            write_u64(query, end);
        }
        query.extend_from_slice(b"&limit=100");
        write_cursor(cursor, query);
    }

    /// Takes a page. Executions that are no trades of ours are passed over; a bad one fails the
    /// list, which must not look complete without it.
    pub(super) fn on_page<'a>(
        &mut self,
        rows: Value<'_>,
        cursor: &'a str,
        names: &Names,
        now: Nanos,
    ) -> Result<NextPage<'a>, DecodeError> {
        self.page += 1;
        let mut reached = false;
        for row in rows.items() {
            let report = match private_stream::execution(row, names, ReportOrigin::Query, now) {
                Ok((report, _)) => report,
                Err(DecodeError::Invalid("execType")) => continue,
                Err(error) => return Err(error),
            };
            reached = !self.from_id.is_empty() && report.fill.fill_id == self.from_id;
            if reached {
                break;
            }
            self.window.push(report);
        }
        if self.window.len() + self.done.len() > JOB_FILLS_MAX || self.page > PAGES_MAX {
            return Err(DecodeError::TooLarge);
        }
        if !reached && !cursor.is_empty() {
            return Ok(NextPage::More(cursor));
        }
        self.done.extend(self.window.drain(..).rev());
        match self.end_ms() {
            Some(end) => {
                self.start_ms = end;
                self.page = 0;
                Ok(NextPage::More(""))
            }
            None => Ok(NextPage::End),
        }
    }
}
