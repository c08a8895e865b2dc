//! Requests over HTTP: snapshots, the clock, and the REST form of every signed request.

#![forbid(unsafe_code)]

use super::streams::Product;
use crate::venues::{Method, Outbox, OutboxFull, RequestId};

/// Levels a side of a snapshot; 5000 would cost five times the weight.
const SNAPSHOT_LEVELS: &[u8] = b"1000";

/// Asks for the depth of `symbol`.
pub(super) fn request_snapshot(
    id: u64,
    symbol: &str,
    product: Product,
    out: &mut Outbox,
) -> Result<(), OutboxFull> {
    get(id, out, |path| {
        path.extend_from_slice(prefix(product));
        path.extend_from_slice(b"/depth?symbol=");
        super::auth::percent_encode(symbol.as_bytes(), path);
        path.extend_from_slice(b"&limit=");
        path.extend_from_slice(SNAPSHOT_LEVELS);
    })
}

/// Asks for the venue's time.
pub(super) fn request_time(id: u64, product: Product, out: &mut Outbox) -> Result<(), OutboxFull> {
    get(id, out, |path| {
        path.extend_from_slice(prefix(product));
        path.extend_from_slice(b"/time");
    })
}

/// Asks how often funding is paid.
pub(super) fn request_intervals(id: u64, out: &mut Outbox) -> Result<(), OutboxFull> {
    get(id, out, |path| path.extend_from_slice(b"/fapi/v1/fundingInfo"))
}

/// Asks for the key of the account's stream, or for more life of it. `header` names the account; there
/// is no signature.
pub(super) fn listen_key(
    id: u64,
    method: Method,
    header: &[u8],
    out: &mut Outbox,
) -> Result<(), OutboxFull> {
    let path = |path: &mut Vec<u8>| path.extend_from_slice(super::calls::LISTEN_KEY.as_bytes());
    out.request(RequestId(id), method, path, |_| {}, |_, _, head| head.extend_from_slice(header))
}

fn prefix(product: Product) -> &'static [u8] {
    match product {
        Product::Spot => b"/api/v3",
        Product::UsdM => b"/fapi/v1",
    }
}

fn get(id: u64, out: &mut Outbox, path: impl FnOnce(&mut Vec<u8>)) -> Result<(), OutboxFull> {
    out.request(RequestId(id), Method::Get, path, |_| {}, |_, _, _| {})
}
