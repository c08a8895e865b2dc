//! Market data connections: who listens to which streams. What the streams say is not known here.
//!
//! A stream that does not exist, or that this connection's path does not carry, is acknowledged and
//! stays silent, as on the venue.

use super::json::Obj;
use super::params::percent_decode;
use crate::sim::{ConnId, WireOut, WsOut};
use std::collections::{BTreeMap, HashMap};

/// Close code for a client that breaks a rule.
pub(super) const POLICY: u16 = 1008;

/// Whether a connection carries a stream.
pub(super) type Carries = fn(&str) -> bool;

/// One connection.
#[derive(Debug)]
pub(super) struct Listener {
    /// Wrapped as `{"stream":..,"data":..}`.
    pub(super) combined: bool,
    pub(super) streams: Vec<String>,
    carries: Carries,
    second_start_ms: u64,
    messages: u32,
}

impl Listener {
    /// Messages in the running second, this one included.
    fn count(&mut self, now_ms: u64) -> u32 {
        if now_ms >= self.second_start_ms + 1000 {
            (self.second_start_ms, self.messages) = (now_ms, 0);
        }
        self.messages += 1;
        self.messages
    }
}

/// All market data connections.
#[derive(Debug)]
pub(super) struct Subscribers {
    pub(super) listeners: BTreeMap<ConnId, Listener>,
    by_stream: HashMap<String, Vec<ConnId>>,
    pub(super) streams_max: usize,
    messages_max: u32,
}

impl Subscribers {
    pub(super) fn new(streams_max: usize, messages_max: u32) -> Self {
        Self { listeners: BTreeMap::new(), by_stream: HashMap::new(), streams_max, messages_max }
    }

    /// Opens `/ws`, `/ws/<stream>`, `/stream` or `/stream?streams=<a>/<b>`. False if the path is
    /// none of them.
    pub(super) fn open(&mut self, conn: ConnId, path: &str, query: &str, carries: Carries) -> bool {
        let (combined, names) = if let Some(names) = path.strip_prefix("/ws") {
            (false, names.trim_matches('/'))
        } else if path.trim_end_matches('/') == "/stream" {
            let names = query.split('&').find_map(|pair| pair.strip_prefix("streams="));
            (true, names.unwrap_or_default())
        } else {
            return false;
        };
        if path.starts_with("/ws") && !(path == "/ws" || path.starts_with("/ws/")) {
            return false;
        }
        let (streams, second_start_ms, messages) = (Vec::new(), 0, 0);
        let listener = Listener { combined, streams, carries, second_start_ms, messages };
        self.listeners.insert(conn, listener);
        let decoded = percent_decode(names).unwrap_or_default();
        let names: Vec<&str> = decoded.split('/').filter(|name| !name.is_empty()).collect();
        self.subscribe(conn, &names);
        true
    }

    pub(super) fn close(&mut self, conn: ConnId) {
        if self.listeners.remove(&conn).is_some() {
            self.by_stream.retain(|_, conns| {
                conns.retain(|&other| other != conn);
                !conns.is_empty()
            });
        }
    }

    /// Counts a pong, which is a message like any other.
    pub(super) fn count_pong(&mut self, conn: ConnId, now_ms: u64) {
        if let Some(listener) = self.listeners.get_mut(&conn) {
            listener.count(now_ms);
        }
    }

    /// Counts a message; over the limit the connection is cut. False if it was.
    pub(super) fn count_message(&mut self, conn: ConnId, now_ms: u64, out: &mut WireOut) -> bool {
        let Some(listener) = self.listeners.get_mut(&conn) else { return false };
        if listener.count(now_ms) <= self.messages_max {
            return true;
        }
        out.push((conn, WsOut::Close(POLICY, "Too many requests".to_owned())));
        self.close(conn);
        false
    }

    pub(super) fn subscribe(&mut self, conn: ConnId, names: &[&str]) {
        let Some(listener) = self.listeners.get_mut(&conn) else { return };
        for &name in names {
            if !listener.streams.iter().any(|known| known == name) {
                listener.streams.push(name.to_owned());
                if (listener.carries)(name) {
                    self.by_stream.entry(name.to_owned()).or_default().push(conn);
                }
            }
        }
    }

    pub(super) fn unsubscribe(&mut self, conn: ConnId, names: &[&str]) {
        let Some(listener) = self.listeners.get_mut(&conn) else { return };
        listener.streams.retain(|known| !names.contains(&known.as_str()));
        for &name in names {
            if let Some(conns) = self.by_stream.get_mut(name) {
                conns.retain(|&other| other != conn);
                if conns.is_empty() {
                    self.by_stream.remove(name);
                }
            }
        }
    }

    /// Sends `payload` to everyone who listens to `stream`.
    pub(super) fn send(&self, stream: &str, payload: impl FnOnce() -> String, out: &mut WireOut) {
        let Some(conns) = self.by_stream.get(stream) else { return };
        let payload = payload();
        let wrapped = || Obj::new().text("stream", stream).raw("data", &payload).end();
        for conn in conns {
            let combined = self.listeners.get(conn).is_some_and(|listener| listener.combined);
            let message = if combined { wrapped() } else { payload.clone() };
            out.push((*conn, WsOut::Text(message)));
        }
    }
}
