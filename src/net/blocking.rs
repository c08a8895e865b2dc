//! One HTTP request, waited for: for start-up, when nothing trades yet. Never on an agent's loop.

use rustls::ClientConfig;
use std::sync::Arc;
use std::time::Duration;

/// Fetches `url` within `timeout`: status and body.
pub fn get(tls: Arc<ClientConfig>, url: &str, timeout: Duration) -> Result<(u16, Vec<u8>), String> {
    let _ = (tls, timeout);
    Err(format!("{url}: not there yet"))
}
