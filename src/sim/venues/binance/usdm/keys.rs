//! Listen keys and the connections that use them.
//!
//! A key is valid for an hour after it was made or kept alive; an account with a valid key gets the
//! same one again. A connection with a key that is not valid is opened all the same and stays silent.
//! A key is named in the address, or subscribed to like a stream.

use super::super::ids::Ids;
use super::super::json::Obj;
use super::super::params::percent_decode;
use crate::sim::{AccountId, ConnId, WireOut, WsOut};
use std::collections::BTreeMap;

/// How long a key is valid, ms.
const VALID_MS: u64 = 60 * 60_000;

#[derive(Debug)]
struct Key {
    text: String,
    until_ms: u64,
}

/// One connection of the private group.
#[derive(Debug)]
struct Listener {
    key: String,
    /// Wrapped as `{"stream":..,"data":..}`.
    combined: bool,
    /// Names of the events it wants; all if empty.
    events: Vec<String>,
    /// What it has subscribed to: the keys among it count.
    subscribed: Vec<String>,
}

/// See the module's comment.
#[derive(Debug, Default)]
pub(super) struct ListenKeys {
    keys: BTreeMap<AccountId, Key>,
    listeners: BTreeMap<ConnId, Listener>,
}

impl ListenKeys {
    /// The account's key, kept alive; a new one if it has none.
    pub(super) fn start(&mut self, account: AccountId, ids: &mut Ids, now_ms: u64) -> String {
        let fresh =
            || Key { text: [ids.generate(), ids.generate(), ids.generate()].concat(), until_ms: 0 };
        let key = self.keys.entry(account).or_insert_with(fresh);
        key.until_ms = now_ms + VALID_MS;
        key.text.clone()
    }

    /// Keeps the account's key alive; none if it has none.
    pub(super) fn keep(&mut self, account: AccountId, now_ms: u64) -> Option<String> {
        let key = self.keys.get_mut(&account)?;
        key.until_ms = now_ms + VALID_MS;
        Some(key.text.clone())
    }

    /// Forgets the account's key.
    pub(super) fn stop(&mut self, account: AccountId) -> bool {
        self.keys.remove(&account).is_some()
    }

    /// Opens `/ws/<key>`, `/ws?listenKey=<key>&events=<a>/<b>` or `/stream?..`. False if the path is
    /// none of them.
    pub(super) fn open(&mut self, conn: ConnId, path: &str, query: &str) -> bool {
        let combined = path.trim_end_matches('/') == "/stream";
        if !combined && path != "/ws" && !path.starts_with("/ws/") {
            return false;
        }
        let member = |name: &str| {
            let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            let mut found = pairs.filter(|(known, _)| *known == name);
            found.next().and_then(|(_, value)| percent_decode(value))
        };
        let in_path = path.trim_start_matches("/ws").trim_matches('/');
        let in_path = Some(in_path).filter(|key| !combined && !key.is_empty()).map(str::to_owned);
        let key = in_path.or_else(|| member("listenKey")).unwrap_or_default();
        let events = member("events").unwrap_or_default();
        let events = events.split('/').filter(|name| !name.is_empty()).map(str::to_owned);
        let (events, subscribed) = (events.collect(), Vec::new());
        let listener = Listener { key, combined, events, subscribed };
        self.listeners.insert(conn, listener);
        true
    }

    pub(super) fn close(&mut self, conn: ConnId) {
        self.listeners.remove(&conn);
    }

    /// Notes all that a connection has subscribed to.
    pub(super) fn subscribe(&mut self, conn: ConnId, streams: &[String]) {
        if let Some(listener) = self.listeners.get_mut(&conn) {
            listener.subscribed = streams.to_vec();
        }
    }

    /// Sends an event of an account to those who listen to it. `name` is its member `e`.
    pub(super) fn tell(&self, account: AccountId, name: &str, event: &str, out: &mut WireOut) {
        let Some(key) = self.keys.get(&account) else { return };
        for (conn, listener) in &self.listeners {
            let wants = listener.events.is_empty() || listener.events.iter().any(|one| one == name);
            let subscribed = listener.subscribed.contains(&key.text);
            if !(subscribed || listener.key == key.text && wants) {
                continue;
            }
            let text = if listener.combined {
                let stream = if subscribed { &key.text } else { name };
                Obj::new().text("stream", stream).raw("data", event).end()
            } else {
                event.to_owned()
            };
            out.push((*conn, WsOut::Text(text)));
        }
    }

    /// Ends keys whose time is over, and says so.
    pub(super) fn on_timer(&mut self, now_ms: u64, out: &mut WireOut) {
        let over: Vec<AccountId> = self
            .keys
            .iter()
            .filter(|(_, key)| now_ms >= key.until_ms)
            .map(|(who, _)| *who)
            .collect();
        for account in over {
            let text = self.keys[&account].text.clone();
            let event = Obj::new()
                .text("e", "listenKeyExpired")
                .raw("E", now_ms)
                .text("listenKey", &text)
                .end();
            self.tell(account, "listenKeyExpired", &event, out);
            self.keys.remove(&account);
        }
    }
}
