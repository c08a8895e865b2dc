//! Rate limits: orders per account, operation and instrument in two seconds, requests of one
//! address, subscriptions per connection and hour. The venue says nowhere how much is left.

#![forbid(unsafe_code)]

use crate::sim::AccountId;
use crate::sim::venues::window::Window;
use std::collections::HashMap;

/// What is allowed. The venue's own values are [`OkxLimits::venue`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OkxLimits {
    /// Each of place, amend and cancel, per account and instrument in two seconds.
    pub orders: u32,
    /// Orders in batches of each of them, per account and instrument in two seconds.
    pub batch_orders: u32,
    /// New and amended orders of one account in two seconds; spot is exempt.
    pub account_orders: u32,
    /// Times the documented limit of every other endpoint.
    pub scale: u32,
    /// New sockets in one second, of all clients.
    pub connects: u32,
    /// Subscriptions, their ends and logins of one socket in an hour.
    pub socket_requests: u32,
}

impl OkxLimits {
    /// As documented for an account without fee tier.
    #[must_use]
    pub fn venue() -> Self {
        Self {
            orders: 60,
            batch_orders: 300,
            account_orders: 1_000,
            scale: 1,
            connects: 3,
            socket_requests: 480,
        }
    }

    /// A hundred times the venue's for orders: a demonstration trades faster than one account could.
    #[must_use]
    pub fn relaxed() -> Self {
        Self {
            orders: 6_000,
            batch_orders: 30_000,
            account_orders: 100_000,
            scale: 20,
            connects: 100,
            socket_requests: 480,
        }
    }
}

impl Default for OkxLimits {
    fn default() -> Self {
        Self::relaxed()
    }
}

/// What is done with an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Action {
    Place,
    Amend,
    Cancel,
}

const SECOND_MS: u64 = 1_000;
const HOUR_MS: u64 = 3_600_000;

/// Counts requests.
#[derive(Debug)]
pub(super) struct Meter {
    limits: OkxLimits,
    orders: HashMap<(AccountId, Action, bool, usize), Window>,
    accounts: HashMap<AccountId, Window>,
    /// By path; of one account where it needs a key.
    paths: HashMap<(Option<AccountId>, &'static str), Window>,
    connects: Window,
    banned_until_ms: u64,
}

/// Which limit was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exceeded {
    Instrument,
    Account,
}

impl Meter {
    pub(super) fn new(limits: OkxLimits) -> Self {
        Self {
            limits,
            orders: HashMap::new(),
            accounts: HashMap::new(),
            paths: HashMap::new(),
            connects: Window::default(),
            banned_until_ms: 0,
        }
    }

    /// Takes one order. `batch`: it came with others; `exempt`: it is of spot.
    pub(super) fn take_order(
        &mut self,
        account: AccountId,
        action: Action,
        instrument: usize,
        (batch, exempt): (bool, bool),
        now_ms: u64,
    ) -> Result<(), Exceeded> {
        let limit = if batch { self.limits.batch_orders } else { self.limits.orders };
        let window = self.orders.entry((account, action, batch, instrument)).or_default();
        if !window.take(limit, 2 * SECOND_MS, now_ms) {
            return Err(Exceeded::Instrument);
        }
        if exempt || action == Action::Cancel {
            return Ok(());
        }
        let window = self.accounts.entry(account).or_default();
        let free = window.take(self.limits.account_orders, 2 * SECOND_MS, now_ms);
        if free { Ok(()) } else { Err(Exceeded::Account) }
    }

    /// Takes one request to an endpoint that allows `limit` of them in so many seconds.
    pub(super) fn take_path(
        &mut self,
        account: Option<AccountId>,
        (path, limit, seconds): (&'static str, u32, u64),
        now_ms: u64,
    ) -> bool {
        if now_ms < self.banned_until_ms {
            return false;
        }
        let window = self.paths.entry((account, path)).or_default();
        window.take(limit.saturating_mul(self.limits.scale), seconds * SECOND_MS, now_ms)
    }

    /// Refuses every request until then.
    pub(super) fn ban(&mut self, until_ms: u64) {
        self.banned_until_ms = self.banned_until_ms.max(until_ms);
    }

    /// Whether another socket may be opened.
    pub(super) fn take_connect(&mut self, now_ms: u64) -> bool {
        self.connects.take(self.limits.connects, SECOND_MS, now_ms)
    }

    /// Whether a socket may ask for another subscription or log in.
    pub(super) fn take_socket_request(&self, window: &mut Window, now_ms: u64) -> bool {
        window.take(self.limits.socket_requests, HOUR_MS, now_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_counted_by_account_operation_and_instrument() {
        let limits = OkxLimits { orders: 2, batch_orders: 3, ..OkxLimits::venue() };
        let mut meter = Meter::new(limits);
        let mut take = |account, action, instrument, batch, now| {
            let kind = (batch, true);
            meter.take_order(AccountId(account), action, instrument, kind, now).is_ok()
        };
        let (place, cancel) = (Action::Place, Action::Cancel);
        assert!(take(0, place, 0, false, 0) && take(0, place, 0, false, 500));
        assert!(!take(0, place, 0, false, 1_999));
        assert!(take(0, place, 1, false, 1_999), "another instrument");
        assert!(take(0, cancel, 0, false, 1_999), "another operation");
        assert!(take(1, place, 0, false, 1_999), "another account");
        assert!(take(0, place, 0, true, 1_999), "batches have a budget of their own");
        assert!(take(0, place, 0, false, 2_000));
        assert!(!take(0, place, 0, false, 2_499));
    }

    #[test]
    fn an_account_has_a_limit_over_all_instruments_but_not_for_spot_or_cancels() {
        let mut meter = Meter::new(OkxLimits { account_orders: 1, ..OkxLimits::venue() });
        let mut take = |action, instrument, exempt| {
            meter.take_order(AccountId(0), action, instrument, (false, exempt), 0)
        };
        assert_eq!(take(Action::Place, 0, false), Ok(()));
        assert_eq!(take(Action::Amend, 1, false), Err(Exceeded::Account));
        assert_eq!(take(Action::Place, 1, true), Ok(()));
        assert_eq!(take(Action::Cancel, 1, false), Ok(()));
    }

    #[test]
    fn paths_connects_and_bans() {
        let mut meter = Meter::new(OkxLimits { scale: 2, connects: 1, ..OkxLimits::venue() });
        let time = ("/api/v5/public/time", 1, 2);
        assert!(meter.take_path(None, time, 0) && meter.take_path(None, time, 0));
        assert!(!meter.take_path(None, time, 1_999));
        assert!(meter.take_path(Some(AccountId(0)), time, 1_999));
        meter.ban(5_000);
        assert!(!meter.take_path(None, time, 4_999));
        assert!(meter.take_path(None, time, 5_000));
        assert!(meter.take_connect(0) && !meter.take_connect(999) && meter.take_connect(1_000));
    }
}
