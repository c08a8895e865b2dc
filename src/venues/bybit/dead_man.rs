//! The venue's dead-man switch (DCP): once no private socket of ours that subscribed to it has been
//! alive for so long, the venue cancels our orders by itself. Spot and derivatives have a switch each.
//! For accounts that the venue allowed to.
//! <https://bybit-exchange.github.io/docs/v5/order/dcp>

#![forbid(unsafe_code)]

use super::super::trading::DeadManHabits;
use super::{Product, SECOND_NS};

/// The subscription is apart from the others: an account that may not have it must still get its
/// orders. The venue keeps the window, but a person may change it elsewhere: it is set anew now and
/// then.
pub(super) const HABITS: DeadManHabits =
    DeadManHabits { by_socket: true, refresh_ns: |_| 600 * SECOND_NS, retry_ns: 60 * SECOND_NS };

/// `{"req_id":"dcp","op":"subscribe","args":["dcp.spot","dcp.future"]}`
pub(super) fn subscription(products: &[&'static Product]) -> Vec<u8> {
    let topics: Vec<String> =
        products.iter().map(|product| format!("\"{}\"", product.dead_man[0])).collect();
    format!(r#"{{"req_id":"dcp","op":"subscribe","args":[{}]}}"#, topics.join(",")).into_bytes()
}

/// `{"product":"SPOT","timeWindow":40}`
pub(super) fn write_body(product: &Product, window_s: u32, body: &mut Vec<u8>) {
    body.extend_from_slice(br#"{"product":""#);
    body.extend_from_slice(product.dead_man[1].as_bytes());
    body.extend_from_slice(br#"","timeWindow":"#);
    super::write_u64(body, u64::from(window_s));
    body.push(b'}');
}
