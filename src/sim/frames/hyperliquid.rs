//! Whole books, best quotes and trades, ordered by the time of their block: at equal times the best quote
//! has the last word. Trades from before the subscription come first and are left out.

use super::{Data, Frame, Levels, Marks, Number, Parser};
use crate::sim::SimLevel;
use crate::types::Side;
use serde::Deserialize;

/// Funding is paid every hour.
const INTERVAL_MS: u64 = 3_600_000;
/// A trade so much older than the newest book is one from before.
const BACKFILL_MS: u64 = 2_000;

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    channel: &'a str,
    #[serde(borrow)]
    data: Option<Data<One<'a>, Trade<'a>>>,
}

#[derive(Deserialize)]
struct One<'a> {
    #[serde(borrow)]
    coin: Option<&'a str>,
    time: Option<u64>,
    levels: Option<[Vec<Level>; 2]>,
    bbo: Option<[Option<Level>; 2]>,
    ctx: Option<Context>,
}

/// What a perpetual has besides its book.
#[derive(Deserialize)]
struct Context {
    funding: Option<Number>,
    #[serde(rename = "markPx")]
    mark: Option<Number>,
    #[serde(rename = "oraclePx")]
    oracle: Option<Number>,
}

#[derive(Clone, Copy, Deserialize)]
struct Level {
    px: Number,
    sz: Number,
}

#[derive(Deserialize)]
struct Trade<'a> {
    coin: &'a str,
    /// Of the taker: `B` or `A`.
    side: &'a str,
    px: Number,
    sz: Number,
    time: u64,
}

impl Level {
    fn level(self) -> SimLevel {
        (self.px.0, self.sz.0)
    }
}

pub(super) fn parse(parser: &mut Parser, json: &str, out: &mut Vec<Frame>) -> Option<()> {
    let line: Line<'_> = serde_json::from_str(json).ok()?;
    match (line.channel, line.data?) {
        ("l2Book" | "bbo", Data::One(one)) => {
            let (symbol, time) = (one.coin?, one.time?);
            if !parser.is_ours(symbol) {
                return None;
            }
            parser.perpetual = Some(!symbol.starts_with('@') && !symbol.contains('/'));
            parser.newest_ms = parser.newest_ms.max(time);
            let order = time.saturating_mul(2);
            if let Some([bid, ask]) = one.bbo {
                let (bid, ask) = (bid.map(Level::level), ask.map(Level::level));
                out.push(Frame::Best { order: order + 1, bid, ask });
            } else if let Some([bids, asks]) = one.levels {
                let bids = bids.into_iter().map(|level| (Side::Buy, level.level()));
                let asks = asks.into_iter().map(|level| (Side::Sell, level.level()));
                let levels: Levels = bids.chain(asks).collect();
                out.push(Frame::Snapshot { id: time, order, fetched: false, levels });
            }
        }
        ("activeAssetCtx", Data::One(One { coin, ctx, .. })) => {
            let (symbol, ctx) = (coin?, ctx?);
            if !parser.is_ours(symbol) {
                return None;
            }
            parser.perpetual = Some(true);
            let number = |number: Option<Number>| number.map(|number| number.0);
            let rate = number(ctx.funding);
            let interval_ms = rate.map(|_| INTERVAL_MS);
            let (mark, index) = (number(ctx.mark), number(ctx.oracle));
            out.push(Frame::Marks(Marks { mark, index, rate, next_ms: None, interval_ms }));
        }
        ("trades", Data::Rows(trades)) => {
            for trade in trades {
                let from_before = trade.time + BACKFILL_MS < parser.newest_ms;
                if !parser.is_ours(trade.coin) || from_before {
                    continue;
                }
                let taker = if trade.side == "B" { Side::Buy } else { Side::Sell };
                out.push(Frame::Trade { taker, level: (trade.px.0, trade.sz.0) });
            }
        }
        _ => {}
    }
    Some(())
}
