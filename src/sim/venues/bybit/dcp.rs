//! Disconnect protection: orders of an account are cancelled once all its private sockets that asked
//! for it have been gone for a while.

use super::category::Category;
use super::errors::VenueError;
use super::json::{Object, array};
use crate::sim::AccountId;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Products with the topic that keeps each alive and its category.
const PRODUCTS: [(&str, &str, Category); 2] =
    [("SPOT", "dcp.spot", Category::Spot), ("DERIVATIVES", "dcp.future", Category::Linear)];

/// One account's protection of one product.
#[derive(Debug)]
struct Guard {
    window_ms: u64,
    /// A socket has subscribed since it was set.
    armed: bool,
    /// When the last one was seen, ms.
    alive_ms: u64,
}

/// All protections.
#[derive(Debug, Default)]
pub(super) struct Dcp {
    guards: BTreeMap<(AccountId, usize), Guard>,
}

impl Dcp {
    /// `order/disconnected-cancel-all`.
    pub(super) fn set(
        &mut self,
        body: &Value,
        account: AccountId,
        now_ms: u64,
    ) -> Result<(), VenueError> {
        let invalid = |name: &str| VenueError::new(10001, format!("params error: {name} invalid"));
        let name = body.get("product").and_then(Value::as_str).unwrap_or("OPTIONS");
        let product = PRODUCTS.iter().position(|(known, ..)| *known == name);
        let product = product.ok_or_else(|| invalid("product"))?;
        let window = body.get("timeWindow").and_then(Value::as_u64);
        let window = window.filter(|window| (3..=300).contains(window));
        let window_ms = window.ok_or_else(|| invalid("timeWindow"))? * 1_000;
        let guard = Guard { window_ms, armed: false, alive_ms: now_ms };
        self.guards.insert((account, product), guard);
        Ok(())
    }

    /// `account/query-dcp-info`.
    pub(super) fn info(&self, account: AccountId) -> String {
        let rows = PRODUCTS.iter().enumerate().filter_map(|(product, (name, ..))| {
            let guard = self.guards.get(&(account, product))?;
            let row = Object::new().text("product", name).text("dcpStatus", "ON");
            Some(row.digits("timeWindow", guard.window_ms / 1_000).done())
        });
        Object::new().raw("dcpInfos", &array(rows)).done()
    }

    /// A socket with these topics is gone. It may never have been seen by [`Dcp::due`]: a client can
    /// set the protection and leave between two timers.
    pub(super) fn leave(&mut self, account: AccountId, topics: &BTreeSet<String>) {
        for ((owner, product), guard) in &mut self.guards {
            let (_, topic, _) = PRODUCTS[*product];
            guard.armed |= *owner == account && topics.contains(topic);
        }
    }

    /// Whose orders of which category are to be cancelled now; `listens` tells whether an account has
    /// a socket with a topic.
    pub(super) fn due(
        &mut self,
        listens: impl Fn(AccountId, &str) -> bool,
        now_ms: u64,
    ) -> Vec<(AccountId, Category)> {
        let mut due = Vec::new();
        for ((account, product), guard) in &mut self.guards {
            let (_, topic, category) = PRODUCTS[*product];
            if listens(*account, topic) {
                (guard.armed, guard.alive_ms) = (true, now_ms);
            } else if guard.armed && now_ms >= guard.alive_ms + guard.window_ms {
                guard.armed = false;
                due.push((*account, category));
            }
        }
        due
    }
}
