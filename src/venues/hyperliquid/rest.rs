//! Requests over REST that only ask, and lists that come in pages.
//!
//! Everything is posted to one path and says whose state it asks for: always that of the account, for
//! that of an agent is empty and looks like "no orders, no position".
//! <https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/info-endpoint>

#![forbid(unsafe_code)]

use super::super::session::JSON;
use super::super::{DecodeError, Method, Outbox, OutboxFull, RequestId, Value};
use super::actions::client_id;
use super::assets::Assets;
use super::private_stream::{fill, fill_time_ms, funding};
use super::{EXCHANGE_PATH, INFO_PATH, write_u64};
use crate::types::{
    CancelOrder, Event, ExecutionReport, FillId, InstrumentId, Nanos, ReportOrigin,
};

/// Most rows of one page of fills, and of payments.
const FILLS_PAGE: usize = 2_000;
const FUNDING_PAGE: usize = 500;
/// The venue keeps the newest ten thousand fills.
const ROWS_MAX: usize = 12_000;

/// What a request over REST asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// The list of perpetuals, of spot pairs.
    Meta,
    SpotMeta,
    /// What the account's address is, and that of the key that signs.
    Role,
    Agent,
    /// Leverage of a coin.
    Leverage(InstrumentId),
    /// How the account counts its collateral.
    Mode,
    /// How many actions are left.
    Actions,
    /// All open orders, for one of these.
    OpenOrders(InstrumentId),
    Listed(CancelOrder),
    /// The same, to cancel them.
    ToCancel,
    /// One order, by the venue's number or by our id.
    Status {
        order: CancelOrder,
        by_oid: bool,
    },
    /// A page of a list.
    Rows {
        job: u64,
    },
    /// Perpetuals' state; then that of spot.
    Account,
    Spot,
    Fees(InstrumentId),
    /// The reply to the cancel of so many orders.
    Canceled(InstrumentId, usize),
}

/// Posts a body to a path.
pub(super) fn post(
    out: &mut Outbox,
    id: u64,
    path: &str,
    body: impl FnOnce(&mut Vec<u8>),
) -> Result<(), OutboxFull> {
    let head = |_: &str, _: &[u8], head: &mut Vec<u8>| head.extend_from_slice(JSON);
    let path = |bytes: &mut Vec<u8>| bytes.extend_from_slice(path.as_bytes());
    out.request(RequestId(id), Method::Post, path, body, head)
}

/// Path of an action.
pub(super) fn exchange(
    out: &mut Outbox,
    id: u64,
    body: impl FnOnce(&mut Vec<u8>),
) -> Result<(), OutboxFull> {
    post(out, id, EXCHANGE_PATH, body)
}

/// `{"type":"openOrders","user":"0x..",..`: `more` writes the members behind the user.
pub(super) fn info(
    out: &mut Outbox,
    id: u64,
    (kind, user): (&str, &str),
    more: impl FnOnce(&mut Vec<u8>),
) -> Result<(), OutboxFull> {
    post(out, id, INFO_PATH, |body| {
        for part in [r#"{"type":""#, kind, r#"","user":""#, user, "\""] {
            body.extend_from_slice(part.as_bytes());
        }
        more(body);
        body.push(b'}');
    })
}

/// What a list is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listing {
    Fills(InstrumentId),
    /// Funding of all perpetuals.
    Funding,
}

/// A list under way, oldest first. A page holds so many rows; what follows is asked for from the time
/// of the last row on, so rows of that time come twice.
pub(super) struct Job {
    pub(super) key: u64,
    pub(super) listing: Listing,
    from_ms: u64,
    pub(super) rows: Vec<Event>,
    /// Rows of all coins that were read.
    read: usize,
    /// What is wrong with a row that is not in it.
    pub(super) flaw: Option<DecodeError>,
}

impl Job {
    /// From this time on, or from the last known fill where no time is known.
    pub(super) fn new(key: u64, listing: Listing, from_ms: u64, from_id: &FillId) -> Self {
        let from_ms = if from_ms > 0 { from_ms } else { fill_time_ms(from_id).unwrap_or(0) };
        Self { key, listing, from_ms, rows: Vec::new(), read: 0, flaw: None }
    }

    pub(super) fn kind(&self) -> &'static str {
        match self.listing {
            Listing::Fills(_) => "userFillsByTime",
            Listing::Funding => "userFunding",
        }
    }

    pub(super) fn write_from(&self, body: &mut Vec<u8>) {
        body.extend_from_slice(br#","startTime":"#);
        write_u64(body, self.from_ms);
    }

    /// Takes a page; true if another one must follow. A bad row fails the list, which must not look
    /// complete without it; but not a fill of an order that is not ours whose numbers are finer or
    /// larger than the scale holds: it would fail every list for good.
    pub(super) fn on_page(
        &mut self,
        rows: Value<'_>,
        assets: &Assets,
        now: Nanos,
    ) -> Result<bool, DecodeError> {
        if !rows.is_array() {
            return Err(DecodeError::Invalid("rows"));
        }
        let (mut count, mut last_ms) = (0, 0);
        for row in rows.items() {
            count += 1;
            last_ms = row.field_u64("time")?;
            match self.row(row, assets, now) {
                Ok(event) => self.rows.extend(event),
                Err(flaw @ DecodeError::Number(..)) if !is_ours(row) => self.flaw = Some(flaw),
                Err(error) => return Err(error),
            }
        }
        self.read += count;
        let full = match self.listing {
            Listing::Fills(_) => FILLS_PAGE,
            Listing::Funding => FUNDING_PAGE,
        };
        if count < full {
            self.finish();
            return Ok(false);
        }
        // A page of one time cannot be passed.
        if self.read > ROWS_MAX || last_ms <= self.from_ms {
            return Err(DecodeError::TooLarge);
        }
        self.from_ms = last_ms;
        Ok(true)
    }

    fn row(
        &self,
        row: Value<'_>,
        assets: &Assets,
        now: Nanos,
    ) -> Result<Option<Event>, DecodeError> {
        match self.listing {
            Listing::Fills(id) => {
                let wanted = match assets.find(row.field_str("coin")?) {
                    Ok(instrument) => instrument.id == id,
                    Err(DecodeError::UnknownSymbol) => false,
                    Err(error) => return Err(error),
                };
                let read = || fill(row, assets, ReportOrigin::Query, now);
                let report = if wanted { Some(read()?.0) } else { None };
                Ok(report.map(Event::Report))
            }
            Listing::Funding => {
                let delta = row.field("delta")?;
                if delta.field_str("type")? != "funding" {
                    return Ok(None);
                }
                Ok(funding(row, delta, assets)?.map(Event::FundingPaid))
            }
        }
    }

    /// In order of time, none twice.
    fn finish(&mut self) {
        let time = |event: &Event| match event {
            Event::Report(report) => report.event_ns,
            Event::FundingPaid(payment) => payment.event_ns,
            _ => Nanos(0),
        };
        // A list that comes the newest first is turned round, for those of one time too.
        if let (Some(first), Some(last)) = (self.rows.first(), self.rows.last())
            && time(first) > time(last)
        {
            self.rows.reverse();
        }
        self.rows.sort_by_key(time);
        let mut kept: Vec<Event> = Vec::with_capacity(self.rows.len());
        for event in self.rows.drain(..) {
            let near = kept.iter().rev().take_while(|other| time(other) == time(&event));
            if !near.into_iter().any(|other| same(other, &event)) {
                kept.push(event);
            }
        }
        self.rows = kept;
    }
}

/// Whether a row is of an order with an id of ours; payments of funding have none.
fn is_ours(row: Value<'_>) -> bool {
    let is_fill = row.get("oid").is_some();
    let cloid = row.get("cloid").and_then(Value::str).unwrap_or("");
    !is_fill || client_id(cloid).is_some()
}

fn same(one: &Event, other: &Event) -> bool {
    match (one, other) {
        (Event::Report(one), Event::Report(other)) => {
            let key = |report: &ExecutionReport| (report.fill.fill_id, report.venue_order_id);
            key(one) == key(other)
        }
        (Event::FundingPaid(one), Event::FundingPaid(other)) => {
            (one.instrument, one.id) == (other.instrument, other.id)
        }
        _ => false,
    }
}

/// `{"role":"agent","data":{"user":"0x.."}}`: whether the signing key may sign for the account; of a
/// vault or a sub-account only that it is somebody's.
pub(super) fn is_agent(root: Value<'_>, user: &str, of_vault: bool) -> Result<bool, DecodeError> {
    let role = root.field_str("role")?;
    let master = root.get("data").and_then(|data| data.get("user")).and_then(Value::str);
    Ok(match role {
        "agent" => of_vault || master == Some(user),
        "missing" => false,
        _ => of_vault,
    })
}

/// `{"role":"user"}`: whether orders and positions of this address can be its own.
pub(super) fn is_account(root: Value<'_>) -> Result<bool, DecodeError> {
    Ok(!matches!(root.field_str("role")?, "agent" | "missing"))
}
