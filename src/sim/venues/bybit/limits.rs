//! Rate limits: requests of one account and endpoint in a rolling second, requests of one address.

use crate::sim::AccountId;
use crate::sim::venues::window::Window;
use std::collections::HashMap;

/// What is allowed. The venue's own values are [`BybitLimits::venue`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BybitLimits {
    /// Each of create, amend, cancel, cancel-all and their batches, a second and account.
    pub orders: u32,
    /// Each endpoint that reads orders, executions or balances, a second and account.
    pub reads: u32,
    /// Fee rates, a second and account.
    pub fee_rate: u32,
    /// HTTP requests of all clients in five seconds; more are answered 403 for ten minutes.
    pub http: u32,
    /// Requests on trade sockets of all clients in one second.
    pub sockets: u32,
}

impl BybitLimits {
    /// As documented for spot and an account without VIP level.
    #[must_use]
    pub fn venue() -> Self {
        Self { orders: 20, reads: 50, fee_rate: 5, http: 600, sockets: 3_000 }
    }

    /// A hundred times the venue's for orders (2 000 a second): a demonstration trades faster than
    /// a new account could.
    #[must_use]
    pub fn relaxed() -> Self {
        Self { orders: 2_000, reads: 500, fee_rate: 50, http: 20_000, sockets: 10_000 }
    }
}

impl Default for BybitLimits {
    fn default() -> Self {
        Self::relaxed()
    }
}

/// Endpoints with a budget of their own. A socket operation shares that of its endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Endpoint {
    Create,
    Amend,
    Cancel,
    CancelAll,
    CreateBatch,
    AmendBatch,
    CancelBatch,
    Realtime,
    History,
    Executions,
    Wallet,
    Account,
    FeeRate,
    Positions,
    SetLeverage,
    SwitchMode,
    MarginMode,
    TransactionLog,
    Dcp,
    DcpInfo,
}

impl Endpoint {
    fn allowed(self, limits: &BybitLimits) -> u32 {
        match self {
            Self::FeeRate | Self::MarginMode | Self::Dcp | Self::DcpInfo => limits.fee_rate,
            Self::Realtime
            | Self::History
            | Self::Executions
            | Self::Wallet
            | Self::Account
            | Self::Positions => limits.reads,
            Self::TransactionLog => limits.reads / 2,
            _ => limits.orders,
        }
    }
}

/// What the reply says about a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Budget {
    pub(super) limit: u32,
    pub(super) left: u32,
    /// When requests are allowed again, ms; now if they are.
    pub(super) reset_ms: u64,
}

const SECOND_MS: u64 = 1_000;
const HTTP_WINDOW_MS: u64 = 5_000;
const HTTP_BAN_MS: u64 = 600_000;

/// Counts requests.
#[derive(Debug)]
pub(super) struct Meter {
    limits: BybitLimits,
    accounts: HashMap<(AccountId, Endpoint), Window>,
    http: Window,
    sockets: Window,
    banned_until_ms: u64,
}

impl Meter {
    pub(super) fn new(limits: BybitLimits) -> Self {
        Self {
            limits,
            accounts: HashMap::new(),
            http: Window::default(),
            sockets: Window::default(),
            banned_until_ms: 0,
        }
    }

    /// Takes one request from a budget; whether it was allowed, and what is left.
    pub(super) fn take(
        &mut self,
        account: AccountId,
        endpoint: Endpoint,
        now_ms: u64,
    ) -> (bool, Budget) {
        let limit = endpoint.allowed(&self.limits);
        let window = self.accounts.entry((account, endpoint)).or_default();
        let allowed = window.take(limit, SECOND_MS, now_ms);
        let left = limit.saturating_sub(window.count());
        let oldest = window.oldest_ms().unwrap_or(now_ms);
        let reset_ms = if allowed { now_ms } else { oldest + SECOND_MS };
        (allowed, Budget { limit, left, reset_ms })
    }

    /// Refuses HTTP requests of the address until then.
    pub(super) fn ban(&mut self, until_ms: u64) {
        self.banned_until_ms = self.banned_until_ms.max(until_ms);
    }

    /// Whether the address may make another HTTP request.
    pub(super) fn take_http(&mut self, now_ms: u64) -> bool {
        if now_ms < self.banned_until_ms {
            return false;
        }
        let allowed = self.http.take(self.limits.http, HTTP_WINDOW_MS, now_ms);
        if !allowed {
            self.banned_until_ms = now_ms + HTTP_BAN_MS;
        }
        allowed
    }

    /// Whether the address may make another request on a trade socket.
    pub(super) fn take_socket(&mut self, now_ms: u64) -> bool {
        self.sockets.take(self.limits.sockets, SECOND_MS, now_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_rolls_and_is_per_account_and_endpoint() {
        let mut meter = Meter::new(BybitLimits { orders: 2, ..BybitLimits::venue() });
        let mut take = |account, endpoint, now| meter.take(AccountId(account), endpoint, now);
        let budget = |left, reset_ms| Budget { limit: 2, left, reset_ms };
        assert_eq!(take(0, Endpoint::Create, 1_000), (true, budget(1, 1_000)));
        assert_eq!(take(0, Endpoint::Create, 1_400), (true, budget(0, 1_400)));
        assert_eq!(take(0, Endpoint::Create, 1_999), (false, budget(0, 2_000)));
        assert_eq!(take(1, Endpoint::Create, 1_999), (true, budget(1, 1_999)));
        assert_eq!(take(0, Endpoint::Cancel, 1_999), (true, budget(1, 1_999)));
        assert_eq!(take(0, Endpoint::Create, 2_000), (true, budget(0, 2_000)));
        assert_eq!(take(0, Endpoint::Create, 2_001), (false, budget(0, 2_400)));
    }

    #[test]
    fn an_address_that_asks_too_much_is_shut_out_for_ten_minutes() {
        let mut meter = Meter::new(BybitLimits { http: 2, sockets: 1, ..BybitLimits::venue() });
        assert!(meter.take_http(0) && meter.take_http(4_999));
        assert!(!meter.take_http(4_999));
        assert!(!meter.take_http(604_998));
        assert!(meter.take_http(604_999));
        assert!(meter.take_socket(0) && !meter.take_socket(999) && meter.take_socket(1_000));
    }
}
