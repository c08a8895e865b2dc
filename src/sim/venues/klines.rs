//! What the venues' requests for klines have in common: a span with a beginning, an end and a limit.

#![forbid(unsafe_code)]

use crate::sim::{Exchange, SimKline, SimKlineSpan};

/// Minutes of an interval; days begin at midnight UTC.
pub(super) fn minutes(name: &str, known: &[(&str, u64)]) -> Option<u64> {
    known.iter().find(|(interval, _)| *interval == name).map(|(_, minutes)| *minutes)
}

/// What a client asks for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) minutes: u64,
    /// Begins at this time or later.
    pub(super) from_ms: Option<u64>,
    /// Begins at this time or earlier.
    pub(super) until_ms: Option<u64>,
    pub(super) limit: usize,
    /// Where there are more, those behind `from_ms` are shown, not the newest.
    pub(super) from_first: bool,
}

/// By rising time; `None` without such a symbol.
pub(super) fn find(
    symbol: &str,
    asked: Asked,
    exchange: &Exchange,
    now_ms: u64,
) -> Option<Vec<SimKline>> {
    let length_ms = asked.minutes.max(1).saturating_mul(60_000);
    let all_ms = length_ms.saturating_mul(asked.limit.saturating_sub(1) as u64);
    let newest = asked.until_ms.unwrap_or(now_ms).min(now_ms);
    let newest = newest - newest % length_ms;
    let first = |from: u64| from.div_ceil(length_ms).saturating_mul(length_ms);
    let (from_ms, until_ms) = match asked.from_ms.map(first) {
        Some(from) if asked.from_first => (from, newest.min(from.saturating_add(all_ms))),
        from => (from.unwrap_or(0).max(newest.saturating_sub(all_ms)), newest),
    };
    exchange.klines(symbol, SimKlineSpan { minutes: asked.minutes, from_ms, until_ms }, now_ms)
}
