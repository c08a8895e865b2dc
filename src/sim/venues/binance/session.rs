//! Connections of the ws api: who is logged on, which accounts' events they get.

use super::error::{Answer, ApiError};
use super::json::{Obj, list, text};
use super::params::Params;
use crate::sim::{AccountId, ConnId, WireOut, WsOut};

/// Most subscriptions of a connection at a time.
const ACTIVE_MAX: usize = 1000;
/// Most subscriptions of a connection in its life.
const TOTAL_MAX: u32 = 65_535;

/// Who is logged on.
#[derive(Clone, Debug)]
pub(super) struct Logon {
    pub(super) key: String,
    pub(super) account: AccountId,
    pub(super) since_ms: u64,
}

/// A subscription to an account's events.
#[derive(Clone, Copy, Debug)]
struct Subscription {
    id: u32,
    account: AccountId,
    /// Made by the session's logon, and ends with it.
    by_logon: bool,
}

/// One connection of the ws api.
#[derive(Debug)]
pub(super) struct Session {
    connected_ms: u64,
    /// Whether replies show the rate limits if the request does not say.
    pub(super) shows_limits: bool,
    pub(super) logon: Option<Logon>,
    subscriptions: Vec<Subscription>,
    next_subscription: u32,
}

impl Session {
    pub(super) fn new(query: &str, now_ms: u64) -> Self {
        Self {
            connected_ms: now_ms,
            shows_limits: !query.split('&').any(|pair| pair == "returnRateLimits=false"),
            logon: None,
            subscriptions: Vec::new(),
            next_subscription: 0,
        }
    }

    /// Reply to `session.logon`, `session.status` and `session.logout`.
    pub(super) fn status(&self, now_ms: u64) -> String {
        let key = self.logon.as_ref().map_or_else(|| "null".to_owned(), |logon| text(&logon.key));
        let since = self.logon.as_ref().map(|logon| logon.since_ms.to_string());
        Obj::new()
            .raw("apiKey", key)
            .raw("authorizedSince", since.as_deref().unwrap_or("null"))
            .raw("connectedSince", self.connected_ms)
            .raw("returnRateLimits", self.shows_limits)
            .raw("serverTime", now_ms)
            .raw("userDataStream", !self.subscriptions.is_empty())
            .end()
    }

    /// `userDataStream.subscribe`. Which error a connection that is not logged on gets is not
    /// documented.
    pub(super) fn subscribe_logon(&mut self) -> Answer {
        let account = self.logon.as_ref().map(|logon| logon.account);
        self.subscribe(account.ok_or_else(ApiError::unauthorized)?, true)
    }

    /// `userDataStream.subscribe.signature`.
    pub(super) fn subscribe(&mut self, account: AccountId, by_logon: bool) -> Answer {
        if self.subscriptions.iter().any(|known| known.account == account) {
            return Err(ApiError::subscription_active());
        }
        if self.subscriptions.len() >= ACTIVE_MAX || self.next_subscription >= TOTAL_MAX {
            return Err(ApiError::subscriptions_exhausted());
        }
        let id = self.next_subscription;
        self.next_subscription += 1;
        self.subscriptions.push(Subscription { id, account, by_logon });
        Ok(Obj::new().raw("subscriptionId", id).end())
    }

    /// `userDataStream.unsubscribe`: one or all. Gives the ids that ended.
    pub(super) fn unsubscribe(&mut self, params: &Params) -> Result<Vec<u32>, ApiError> {
        let wanted = params.integer("subscriptionId")?;
        let ended = self.end(|known| wanted.is_none_or(|id| u64::from(known.id) == id));
        if ended.is_empty() { Err(ApiError::subscription_inactive()) } else { Ok(ended) }
    }

    /// Forgets the logon; gives the ids of the subscriptions that end with it.
    pub(super) fn logout(&mut self) -> Vec<u32> {
        self.logon = None;
        self.end(|known| known.by_logon)
    }

    fn end(&mut self, ends: impl Fn(&Subscription) -> bool) -> Vec<u32> {
        let ended = self.subscriptions.iter().filter(|known| ends(known)).map(|known| known.id);
        let ended = ended.collect();
        self.subscriptions.retain(|known| !ends(known));
        ended
    }

    /// `session.subscriptions`.
    pub(super) fn subscriptions(&self) -> String {
        let ids = self.subscriptions.iter();
        list(ids.map(|known| Obj::new().raw("subscriptionId", known.id).end()))
    }

    /// Sends an event of an account if the connection listens to it.
    pub(super) fn tell(&self, conn: ConnId, account: AccountId, event: &str, out: &mut WireOut) {
        for known in self.subscriptions.iter().filter(|known| known.account == account) {
            out.push((conn, wrapped(known.id, event)));
        }
    }
}

/// The last event of a subscription.
pub(super) fn terminated(subscription: u32, now_ms: u64) -> WsOut {
    let event = Obj::new().text("e", "eventStreamTerminated").raw("E", now_ms).end();
    wrapped(subscription, &event)
}

fn wrapped(subscription: u32, event: &str) -> WsOut {
    WsOut::Text(Obj::new().raw("subscriptionId", subscription).raw("event", event).end())
}
