//! Limits per address of the internet, which is one here, and per account.
//!
//! What the venue says when a limit of sockets is passed is not documented; the words here are this
//! simulator's.

#![forbid(unsafe_code)]

use super::super::window::Window;
use crate::sim::AccountId;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use std::collections::{BTreeMap, VecDeque};

const MINUTE_MS: u64 = 60_000;
/// An account over its limit may act once in this time, ms.
const SLOW_MS: u64 = 10_000;
/// Cancels may go beyond the limit of other actions by this many, or by as much again.
const CANCELS_EXTRA: u64 = 100_000;
/// Volume that allows one open order more, USDC.
const OPEN_ORDER_VOLUME: u64 = 5_000_000;
const OPEN_ORDERS_MAX: u64 = 5_000;

/// What a client may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HyperliquidLimits {
    /// Sockets at a time.
    pub sockets: usize,
    /// New sockets in a minute.
    pub sockets_per_minute: u32,
    /// Subscriptions over all sockets.
    pub subscriptions: usize,
    /// Different users in them.
    pub users: usize,
    /// Messages in a minute over all sockets.
    pub messages_per_minute: u32,
    /// Weight of HTTP requests in a minute.
    pub weight_per_minute: u32,
    /// Actions of an account without volume; each USDC traded allows one more.
    pub actions: u64,
    /// Open orders of an account without volume.
    pub open_orders: u64,
}

impl HyperliquidLimits {
    /// Those of the venue.
    #[must_use]
    pub fn venue() -> Self {
        Self {
            sockets: 10,
            sockets_per_minute: 30,
            subscriptions: 1_000,
            users: 10,
            messages_per_minute: 2_000,
            weight_per_minute: 1_200,
            actions: 10_000,
            open_orders: 1_000,
        }
    }

    /// Limits that a demonstration does not reach.
    #[must_use]
    pub fn relaxed() -> Self {
        Self {
            sockets_per_minute: 1_000,
            messages_per_minute: 1_000_000,
            weight_per_minute: 100_000,
            actions: 1_000_000_000,
            ..Self::venue()
        }
    }
}

/// What an account has done.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Usage {
    pub(super) actions: u64,
    /// Bought.
    pub(super) reserved: u64,
    slow_ms: u64,
}

/// Counts everything.
#[derive(Debug)]
pub(super) struct Meter {
    pub(super) limits: HyperliquidLimits,
    weights: VecDeque<(u64, u32)>,
    weight: u32,
    messages: Window,
    opened: Window,
    banned_until_ms: u64,
    usage: BTreeMap<AccountId, Usage>,
}

impl Meter {
    pub(super) fn new(limits: HyperliquidLimits) -> Self {
        Self {
            limits,
            weights: VecDeque::new(),
            weight: 0,
            messages: Window::default(),
            opened: Window::default(),
            banned_until_ms: 0,
            usage: BTreeMap::new(),
        }
    }

    pub(super) fn ban(&mut self, until_ms: u64) {
        self.banned_until_ms = until_ms;
    }

    /// Whether an HTTP request of this weight is within the limit.
    pub(super) fn request(&mut self, weight: u32, now_ms: u64) -> bool {
        while let Some((at, old)) = self.weights.front().copied() {
            if at + MINUTE_MS > now_ms {
                break;
            }
            self.weight -= old;
            self.weights.pop_front();
        }
        let free =
            now_ms >= self.banned_until_ms && self.weight + weight <= self.limits.weight_per_minute;
        if free {
            self.add_weight(weight, now_ms);
        }
        free
    }

    /// Weight that an answer adds to its request.
    pub(super) fn add_weight(&mut self, weight: u32, now_ms: u64) {
        if weight > 0 {
            self.weight += weight;
            self.weights.push_back((now_ms, weight));
        }
    }

    pub(super) fn message(&mut self, now_ms: u64) -> bool {
        self.messages.take(self.limits.messages_per_minute, MINUTE_MS, now_ms)
    }

    /// Whether one more socket may open beside so many.
    pub(super) fn socket(&mut self, open: usize, now_ms: u64) -> bool {
        open < self.limits.sockets
            && now_ms >= self.banned_until_ms
            && self.opened.take(self.limits.sockets_per_minute, MINUTE_MS, now_ms)
    }

    pub(super) fn usage(&self, account: AccountId) -> Usage {
        self.usage.get(&account).copied().unwrap_or_default()
    }

    /// Actions that an account may have sent.
    pub(super) fn cap(&self, account: AccountId, volume: Decimal) -> u64 {
        let traded = volume.trunc().to_u64().unwrap_or(u64::MAX);
        let reserved = self.usage(account).reserved;
        self.limits.actions.saturating_add(traded).saturating_add(reserved)
    }

    /// Open orders that an account may have.
    pub(super) fn open_orders(&self, volume: Decimal) -> u64 {
        let more = (volume / Decimal::from(OPEN_ORDER_VOLUME)).trunc().to_u64();
        (self.limits.open_orders.saturating_add(more.unwrap_or(u64::MAX))).min(OPEN_ORDERS_MAX)
    }

    /// Counts actions of an account; cancels have a limit of their own.
    pub(super) fn act(
        &mut self,
        account: AccountId,
        (count, cancels): (u64, bool),
        volume: Decimal,
        now_ms: u64,
    ) -> Result<(), String> {
        let cap = self.cap(account, volume);
        let limit = match cancels {
            true => cap.saturating_add(CANCELS_EXTRA).min(cap.saturating_mul(2)),
            false => cap,
        };
        let usage = self.usage.entry(account).or_default();
        if usage.actions.saturating_add(count) > limit {
            if now_ms < usage.slow_ms.saturating_add(SLOW_MS) {
                let used = usage.actions.saturating_add(count);
                return Err(format!(
                    "Too many cumulative requests sent ({used} > {limit}) for cumulative volume \
                     traded ${}. Place taker orders to free up 1 request per USDC traded.",
                    volume.round_dp(2).normalize()
                ));
            }
            usage.slow_ms = now_ms;
        }
        usage.actions = usage.actions.saturating_add(count);
        Ok(())
    }

    /// Allows an account more actions.
    pub(super) fn reserve(&mut self, account: AccountId, count: u64) {
        let usage = self.usage.entry(account).or_default();
        usage.reserved = usage.reserved.saturating_add(count);
    }
}
