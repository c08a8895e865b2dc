//! Rate limits as a venue defines them, and what a command costs under each.

/// Most limits of one venue.
pub const LIMITS_MAX: usize = 6;

/// One rate limit of a venue. Its index in the venue's list is the number used in
/// [`super::RateLimitUse::limit`] and [`Costs`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitSpec {
    /// Name for people: `weight per minute`.
    pub name: &'static str,
    /// Length of the window in nanoseconds.
    pub window_ns: u64,
    /// Units allowed per window, until the venue states another number.
    pub allowed: u32,
    /// Units of each window that only cancels may use.
    pub cancel_reserve: u32,
    /// The window is aligned to the wall clock (Binance) instead of sliding (Bybit).
    pub aligned: bool,
}

/// Units that one command costs under each limit of its venue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Costs(pub [u16; LIMITS_MAX]);
