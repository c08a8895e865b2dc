//! One HTTP request, waited for: for start-up, when nothing trades yet. Never on an agent's loop.

use super::url::Target;
use super::{HttpRequest, LinkOptions, Net, NetEvent, NetOptions};
use crate::clock::Clock;
use rustls::ClientConfig;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Lists of all instruments of a venue run to tens of megabytes.
const BODY_MAX: usize = 64 * 1024 * 1024;

/// Fetches `url` within `timeout`: status and body. With a body it is a POST of JSON. The first
/// failed attempt is the result; trying again is for the caller.
pub fn fetch(
    tls: Arc<ClientConfig>,
    url: &str,
    body: Option<&str>,
    timeout: Duration,
) -> Result<(u16, Vec<u8>), String> {
    let (method, headers) = match body {
        Some(_) => ("POST", &b"Content-Type: application/json\r\n"[..]),
        None => ("GET", &b""[..]),
    };
    let body = body.unwrap_or_default().as_bytes();
    let path = Target::parse(url).map_err(|error| error.to_string())?.path;
    let base = match url.split_once("://") {
        Some((scheme, rest)) => {
            &url[..scheme.len() + 3 + rest.find(['/', '?']).unwrap_or(rest.len())]
        }
        None => url,
    };
    let path = if path.is_empty() { "/" } else { &path };
    let clock = Clock::new();
    let mut net = Net::new(tls, NetOptions::default(), clock.clone(), 0)
        .map_err(|error| format!("no sockets can be opened: {error}"))?;
    let options = LinkOptions {
        message_max: BODY_MAX,
        connect_timeout: timeout,
        reply_timeout: timeout,
        ..LinkOptions::default()
    };
    let link = net.open(base, options).map_err(|error| error.to_string())?;
    let due = Instant::now() + timeout;
    while Instant::now() < due {
        net.poll_for(clock.now(), Duration::from_millis(50));
        while let Some(event) = net.next_event() {
            match event {
                NetEvent::Open { .. } => {
                    let request = HttpRequest { id: 0, method, path, headers, body };
                    net.request(link, &request).map_err(|error| format!("{url}: {error}"))?;
                }
                NetEvent::Response { status, body, .. } => return Ok((status, body.to_vec())),
                NetEvent::Closed { reason, .. } => return Err(format!("{url}: {reason}")),
                NetEvent::RequestLost { .. } | NetEvent::Frame { .. } => {}
            }
        }
    }
    Err(format!("{url}: no reply within {} s", timeout.as_secs_f64()))
}
