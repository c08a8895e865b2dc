//! Whole books, best quotes and trades, ordered by the time of their block: at equal times the best quote
//! has the last word. Trades from before the subscription come first and are left out.

use super::{Frame, Levels, Number, Parser};
use crate::sim::SimLevel;
use crate::types::Side;
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// A trade so much older than the newest book is one from before.
const BACKFILL_MS: u64 = 2_000;

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    channel: &'a str,
    #[serde(borrow)]
    data: Option<Data<'a>>,
}

enum Data<'a> {
    One(One<'a>),
    Trades(Vec<Trade<'a>>),
    Text,
}

#[derive(Deserialize)]
struct One<'a> {
    #[serde(borrow)]
    coin: Option<&'a str>,
    time: Option<u64>,
    levels: Option<[Vec<Level>; 2]>,
    bbo: Option<[Option<Level>; 2]>,
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

impl<'de: 'a, 'a> Deserialize<'de> for Data<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct DataVisitor<'a>(std::marker::PhantomData<&'a ()>);
        impl<'de: 'a, 'a> Visitor<'de> for DataVisitor<'a> {
            type Value = Data<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object, trades or a text")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Data<'a>, A::Error> {
                One::deserialize(MapAccessDeserializer::new(map)).map(Data::One)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<Data<'a>, A::Error> {
                let mut trades = Vec::new();
                while let Some(trade) = rows.next_element()? {
                    trades.push(trade);
                }
                Ok(Data::Trades(trades))
            }

            fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<Data<'a>, E> {
                Ok(Data::Text)
            }
        }
        from.deserialize_any(DataVisitor(std::marker::PhantomData))
    }
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
        ("trades", Data::Trades(trades)) => {
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
