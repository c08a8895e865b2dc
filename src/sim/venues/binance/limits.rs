//! Counted limits: request weight, raw requests and connections of the one address that all
//! clients of a simulator share, and unfilled orders of each account.
//!
//! Windows are aligned to the clock, as on the venue: a 10 second window starts at :00, :10, :20.

use super::error::ApiError;
use super::json::{Obj, list};
use crate::sim::AccountId;
use std::collections::BTreeMap;

/// Longest ban, as documented.
const BAN_MAX_MS: u64 = 3 * 24 * 3600 * 1000;
/// How many orders the first fill of a resting order gives back.
const MAKER_REFUND: u32 = 5;

/// The limits of a simulated venue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BinanceLimits {
    /// Request weight per minute.
    pub weight_per_minute: u32,
    /// Requests per five minutes, whatever their weight; not published if it is the largest number.
    pub requests_per_5_minutes: u32,
    /// Unfilled orders of an account per ten seconds.
    pub orders_per_10_seconds: u32,
    /// The same per [`Self::long_window`].
    pub orders_per_long_window: u32,
    /// The longer time over which orders are counted.
    pub long_window: OrderWindow,
    /// New WebSocket connections per five minutes.
    pub connections_per_5_minutes: u32,
    /// Messages a client may send on a market data connection per second; pongs count.
    pub messages_per_second: u32,
    /// Streams of one market data connection.
    pub streams_per_connection: usize,
    /// Requests refused with 429 within one minute before the address is banned (418).
    pub refusals_before_ban: u32,
    /// Length of the first ban; each further one is twice as long, up to three days.
    pub ban_ms: u64,
}

/// A time over which orders are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderWindow {
    /// One minute, on the market of perpetuals.
    Minute,
    /// One day, on the spot market.
    Day,
}

impl OrderWindow {
    /// Interval, header suffix and length.
    fn words(self) -> (&'static str, &'static str, u64) {
        match self {
            Self::Minute => ("MINUTE", "1M", 60_000),
            Self::Day => ("DAY", "1D", 86_400_000),
        }
    }
}

impl BinanceLimits {
    /// The limits of the venue as its documentation shows them: 6000 weight a minute, 50 orders per
    /// ten seconds, 160 000 a day. How many refusals lead to a ban is not documented.
    #[must_use]
    pub fn documented() -> Self {
        Self {
            weight_per_minute: 6000,
            requests_per_5_minutes: 300_000,
            orders_per_10_seconds: 50,
            orders_per_long_window: 160_000,
            long_window: OrderWindow::Day,
            connections_per_5_minutes: 300,
            messages_per_second: 5,
            streams_per_connection: 1024,
            refusals_before_ban: 10,
            ban_ms: 120_000,
        }
    }

    /// The limits of the embedded venue: as documented, but 10 000 orders per ten seconds and ten
    /// million a day, because 50 per ten seconds would throttle a demonstration that sends twenty
    /// orders a second.
    #[must_use]
    pub fn embedded() -> Self {
        Self {
            orders_per_10_seconds: 10_000,
            orders_per_long_window: 10_000_000,
            ..Self::documented()
        }
    }
}

/// One counter over aligned windows.
#[derive(Clone, Debug)]
struct Window {
    length_ms: u64,
    limit: u32,
    start_ms: u64,
    count: u32,
}

impl Window {
    fn new(length_ms: u64, limit: u32) -> Self {
        Self { length_ms, limit, start_ms: 0, count: 0 }
    }

    fn roll(&mut self, now_ms: u64) {
        let start = now_ms - now_ms % self.length_ms;
        if start != self.start_ms {
            self.start_ms = start;
            self.count = 0;
        }
    }

    fn add(&mut self, amount: u32, now_ms: u64) {
        self.roll(now_ms);
        self.count = self.count.saturating_add(amount);
    }

    fn count(&self, now_ms: u64) -> u32 {
        if now_ms - now_ms % self.length_ms == self.start_ms { self.count } else { 0 }
    }

    fn end_ms(&self) -> u64 {
        self.start_ms + self.length_ms
    }
}

/// All counters of a simulated venue.
#[derive(Debug)]
pub(super) struct Limits {
    options: BinanceLimits,
    weight: Window,
    requests: Window,
    connections: Window,
    orders: BTreeMap<AccountId, [Window; 2]>,
    refusals: Window,
    banned_until_ms: u64,
    bans: u32,
}

impl Limits {
    pub(super) fn new(options: BinanceLimits) -> Self {
        Self {
            weight: Window::new(60_000, options.weight_per_minute),
            requests: Window::new(300_000, options.requests_per_5_minutes),
            connections: Window::new(300_000, options.connections_per_5_minutes),
            orders: BTreeMap::new(),
            refusals: Window::new(60_000, options.refusals_before_ban),
            banned_until_ms: 0,
            bans: 0,
            options,
        }
    }

    pub(super) fn options(&self) -> &BinanceLimits {
        &self.options
    }

    /// Counts a request and its weight; 429 over the limit, 418 while banned.
    pub(super) fn admit(&mut self, weight: u32, now_ms: u64) -> Result<(), ApiError> {
        self.check_ban(now_ms)?;
        self.weight.add(weight, now_ms);
        self.requests.add(1, now_ms);
        if self.weight.count > self.weight.limit {
            let limit = self.weight.limit;
            return Err(self.refuse(
                format!(
                    "Too much request weight used; current limit is {limit} request weight per 1 \
                     MINUTE. Please use WebSocket Streams for live updates to avoid polling the API."
                ),
                self.weight.end_ms(),
                now_ms,
            ));
        }
        if self.requests.count > self.requests.limit {
            let message = "Too many requests queued.".to_owned();
            return Err(self.refuse(message, self.requests.end_ms(), now_ms));
        }
        Ok(())
    }

    /// Adds weight that becomes known only after the request (a failed order costs 1).
    pub(super) fn charge(&mut self, weight: u32, now_ms: u64) {
        self.weight.add(weight, now_ms);
    }

    /// Bans the address until then.
    pub(super) fn ban(&mut self, until_ms: u64) {
        self.banned_until_ms = self.banned_until_ms.max(until_ms);
    }

    fn check_ban(&self, now_ms: u64) -> Result<(), ApiError> {
        if now_ms >= self.banned_until_ms {
            return Ok(());
        }
        let until = self.banned_until_ms;
        let message = format!(
            "Way too much request weight used; IP banned until {until}. Please use WebSocket \
             Streams for live updates to avoid bans."
        );
        Err(limited(418, message, until, now_ms))
    }

    fn refuse(&mut self, message: String, retry_at_ms: u64, now_ms: u64) -> ApiError {
        self.refusals.add(1, now_ms);
        if self.refusals.count > self.refusals.limit {
            let length = self.options.ban_ms.saturating_mul(1 << self.bans.min(20));
            self.banned_until_ms = now_ms + length.min(BAN_MAX_MS);
            self.bans += 1;
            self.refusals.count = 0;
            if let Err(banned) = self.check_ban(now_ms) {
                return banned;
            }
        }
        limited(429, message, retry_at_ms, now_ms)
    }

    /// Counts a connection attempt.
    pub(super) fn connect(&mut self, now_ms: u64) -> Result<(), ApiError> {
        self.check_ban(now_ms)?;
        self.connections.add(1, now_ms);
        if self.connections.count > self.connections.limit {
            let limit = self.connections.limit;
            return Err(ApiError::new(
                429,
                -1034,
                format!(
                    "Too many connection attempts from IP; current limit is {limit} per '5 MINUTE'."
                ),
            )
            .retry_at(self.connections.end_ms()));
        }
        Ok(())
    }

    fn order_windows(&mut self, account: AccountId) -> &mut [Window; 2] {
        let options = &self.options;
        self.orders.entry(account).or_insert_with(|| {
            [
                Window::new(10_000, options.orders_per_10_seconds),
                Window::new(options.long_window.words().2, options.orders_per_long_window),
            ]
        })
    }

    /// Counts a new order of an account, or refuses it.
    pub(super) fn take_order(&mut self, account: AccountId, now_ms: u64) -> Result<(), ApiError> {
        let names = self.order_names();
        let windows = self.order_windows(account);
        for (window, (interval, number, _)) in windows.iter_mut().zip(names) {
            window.roll(now_ms);
            if window.count >= window.limit {
                let message = format!(
                    "Too many new orders; current limit is {} orders per {number} {interval}.",
                    window.limit
                );
                return Err(ApiError::new(429, -1015, message).retry_at(window.end_ms()));
            }
        }
        for window in windows {
            window.add(1, now_ms);
        }
        Ok(())
    }

    /// Takes the count of an order back that never reached the matching engine.
    pub(super) fn return_order(&mut self, account: AccountId, now_ms: u64) {
        self.give_back(account, 1, now_ms);
    }

    /// The first fill of an order gives one order back to a taker, five to a maker.
    pub(super) fn first_fill(&mut self, account: AccountId, maker: bool, now_ms: u64) {
        self.give_back(account, if maker { MAKER_REFUND } else { 1 }, now_ms);
    }

    /// Orders of an account in the running longer window.
    pub(super) fn long_count(&self, account: AccountId, now_ms: u64) -> u32 {
        self.order_counts(account, now_ms)[1]
    }

    /// Lets the orders since the count was `before` be one over the longer window, as a batch is.
    pub(super) fn join_batch(&mut self, account: AccountId, before: u32, now_ms: u64) {
        let [_, long] = self.order_windows(account);
        long.roll(now_ms);
        long.count = long.count.min(before.saturating_add(1));
    }

    fn give_back(&mut self, account: AccountId, orders: u32, now_ms: u64) {
        for window in self.order_windows(account) {
            window.roll(now_ms);
            window.count = window.count.saturating_sub(orders);
        }
    }

    /// The two order counters as JSON objects.
    pub(super) fn order_usage(&self, account: AccountId, now_ms: u64) -> Vec<String> {
        let options = &self.options;
        let limits = [options.orders_per_10_seconds, options.orders_per_long_window];
        let counts = self.order_counts(account, now_ms);
        self.order_names()
            .iter()
            .zip(limits.iter().zip(counts))
            .map(|((interval, number, _), (limit, count))| {
                usage("ORDERS", interval, *number, *limit, Some(count))
            })
            .collect()
    }

    /// Names of the two order windows: interval, number, header suffix.
    fn order_names(&self) -> [(&'static str, u32, &'static str); 2] {
        let (interval, suffix, _) = self.options.long_window.words();
        [("SECOND", 10, "10S"), (interval, 1, suffix)]
    }

    fn order_counts(&self, account: AccountId, now_ms: u64) -> [u32; 2] {
        self.orders
            .get(&account)
            .map_or([0; 2], |[short, long]| [short.count(now_ms), long.count(now_ms)])
    }

    /// The list `rateLimits` of a ws api reply; `account` for requests that place orders.
    pub(super) fn reply_list(&self, account: Option<AccountId>, now_ms: u64) -> String {
        let orders = account.map(|account| self.order_usage(account, now_ms)).unwrap_or_default();
        let weight = usage(
            "REQUEST_WEIGHT",
            "MINUTE",
            1,
            self.weight.limit,
            Some(self.weight.count(now_ms)),
        );
        list(orders.into_iter().chain([weight]))
    }

    /// Headers of a REST reply.
    pub(super) fn headers(
        &self,
        account: Option<AccountId>,
        error: Option<&ApiError>,
        now_ms: u64,
    ) -> Vec<(String, String)> {
        let used = self.weight.count(now_ms).to_string();
        let mut headers = vec![
            ("X-MBX-USED-WEIGHT".to_owned(), used.clone()),
            ("X-MBX-USED-WEIGHT-1M".to_owned(), used),
        ];
        if let Some(account) = account {
            for ((_, _, suffix), count) in
                self.order_names().iter().zip(self.order_counts(account, now_ms))
            {
                headers.push((format!("X-MBX-ORDER-COUNT-{suffix}"), count.to_string()));
            }
        }
        if let Some(at_ms) = error.and_then(|error| error.retry_at_ms) {
            let seconds = at_ms.saturating_sub(now_ms).div_ceil(1000).max(1);
            headers.push(("Retry-After".to_owned(), seconds.to_string()));
        }
        headers
    }

    /// The list `rateLimits` of `exchangeInfo`.
    pub(super) fn published(&self) -> String {
        let options = &self.options;
        let [(second, ten, _), (long, one, _)] = self.order_names();
        let requests = options.requests_per_5_minutes;
        let raw = (requests < u32::MAX).then(|| usage("RAW_REQUESTS", "MINUTE", 5, requests, None));
        let listed = [
            usage("REQUEST_WEIGHT", "MINUTE", 1, options.weight_per_minute, None),
            usage("ORDERS", second, ten, options.orders_per_10_seconds, None),
            usage("ORDERS", long, one, options.orders_per_long_window, None),
        ];
        list(listed.into_iter().chain(raw))
    }
}

fn limited(status: u16, message: String, retry_at_ms: u64, now_ms: u64) -> ApiError {
    let data = Obj::new().raw("serverTime", now_ms).raw("retryAfter", retry_at_ms).end();
    ApiError::new(status, -1003, message).with_data(data).retry_at(retry_at_ms)
}

fn usage(kind: &str, interval: &str, number: u32, limit: u32, count: Option<u32>) -> String {
    let object = Obj::new()
        .text("rateLimitType", kind)
        .text("interval", interval)
        .raw("intervalNum", number)
        .raw("limit", limit);
    match count {
        Some(count) => object.raw("count", count).end(),
        None => object.end(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: AccountId = AccountId(0);
    /// 2022-08-03T08:00:00Z, the start of every window but the day.
    const T: u64 = 1_659_513_600_000;

    fn limits() -> Limits {
        Limits::new(BinanceLimits {
            weight_per_minute: 10,
            orders_per_10_seconds: 2,
            refusals_before_ban: 1,
            ..BinanceLimits::documented()
        })
    }

    #[test]
    fn weight_is_counted_in_aligned_minutes() {
        let mut limits = limits();
        assert_eq!(limits.admit(10, T + 59_999), Ok(()));
        let refused = limits.admit(1, T + 59_999).unwrap_err();
        assert_eq!((refused.status, refused.code), (429, -1003));
        assert_eq!(
            refused.message,
            "Too much request weight used; current limit is 10 request weight per 1 MINUTE. Please \
             use WebSocket Streams for live updates to avoid polling the API."
        );
        assert_eq!(refused.retry_at_ms, Some(T + 60_000));
        assert_eq!(limits.admit(10, T + 60_000), Ok(()), "a new minute");
    }

    #[test]
    fn going_on_after_429_is_a_ban_and_the_second_ban_is_longer() {
        let mut limits = limits();
        assert_eq!(limits.admit(11, T).unwrap_err().status, 429);
        let banned = limits.admit(1, T).unwrap_err();
        assert_eq!((banned.status, banned.code), (418, -1003));
        let until = T + 120_000;
        assert_eq!(
            banned.message,
            format!(
                "Way too much request weight used; IP banned until {until}. Please use WebSocket \
                 Streams for live updates to avoid bans."
            )
        );
        assert_eq!(
            banned.data.as_deref(),
            Some(format!(r#"{{"serverTime":{T},"retryAfter":{until}}}"#).as_str())
        );
        let headers = limits.headers(None, Some(&banned), T);
        assert_eq!(headers.last().unwrap(), &("Retry-After".to_owned(), "120".to_owned()));
        assert_eq!(limits.admit(1, until - 1).unwrap_err().status, 418);
        assert_eq!(limits.connect(until - 1).unwrap_err().status, 418);
        assert_eq!(limits.admit(1, until), Ok(()));
        assert_eq!(limits.admit(11, until).unwrap_err().status, 429);
        assert_eq!(limits.admit(11, until).unwrap_err().retry_at_ms, Some(until + 240_000));
    }

    #[test]
    fn orders_are_counted_until_they_fill() {
        let mut limits = limits();
        assert_eq!(limits.take_order(ACCOUNT, T), Ok(()));
        assert_eq!(limits.take_order(ACCOUNT, T), Ok(()));
        let refused = limits.take_order(ACCOUNT, T + 1).unwrap_err();
        assert_eq!((refused.status, refused.code), (429, -1015));
        assert_eq!(
            refused.message,
            "Too many new orders; current limit is 2 orders per 10 SECOND."
        );
        assert_eq!(refused.retry_at_ms, Some(T + 10_000));
        assert_eq!(limits.take_order(AccountId(1), T), Ok(()), "each account has its own");
        limits.first_fill(ACCOUNT, false, T + 2);
        assert_eq!(limits.order_counts(ACCOUNT, T + 2), [1, 1]);
        limits.first_fill(ACCOUNT, true, T + 2);
        assert_eq!(limits.order_counts(ACCOUNT, T + 2), [0, 0], "never below zero");
        assert_eq!(limits.take_order(ACCOUNT, T + 3), Ok(()));
        assert_eq!(limits.order_counts(ACCOUNT, T + 10_000), [0, 1]);
        assert_eq!(
            limits.order_usage(ACCOUNT, T + 3),
            [
                r#"{"rateLimitType":"ORDERS","interval":"SECOND","intervalNum":10,"limit":2,"count":1}"#,
                r#"{"rateLimitType":"ORDERS","interval":"DAY","intervalNum":1,"limit":160000,"count":1}"#,
            ]
        );
    }

    #[test]
    fn connections_are_limited() {
        let mut limits = Limits::new(BinanceLimits {
            connections_per_5_minutes: 1,
            ..BinanceLimits::documented()
        });
        assert_eq!(limits.connect(T), Ok(()));
        assert_eq!(
            limits.connect(T).unwrap_err().message,
            "Too many connection attempts from IP; current limit is 1 per '5 MINUTE'."
        );
        assert_eq!(limits.connect(T + 300_000), Ok(()));
    }
}
