//! Books, of which the one of a single level is the best quote, and trades. A book's changes are linked
//! by `u`; `seq` orders all topics of a symbol.

use super::{Frame, Number, Parser, Row, levels};
use crate::types::Side;
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// Number of a book after its service began again: it is the whole book.
const RESTARTED: u64 = 1;

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    topic: Option<&'a str>,
    #[serde(rename = "type", borrow)]
    kind: Option<&'a str>,
    #[serde(borrow)]
    data: Option<Data<'a>>,
}

enum Data<'a> {
    One(One<'a>),
    Trades(Vec<Trade<'a>>),
}

#[derive(Deserialize)]
struct One<'a> {
    #[serde(borrow)]
    s: Option<&'a str>,
    #[serde(default)]
    b: Vec<Row>,
    #[serde(default)]
    a: Vec<Row>,
    u: Option<u64>,
    seq: Option<u64>,
    /// Of the ticker of a perpetual.
    #[serde(rename = "fundingRate")]
    funding_rate: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Trade<'a> {
    s: &'a str,
    #[serde(rename = "S")]
    taker: &'a str,
    p: Number,
    v: Number,
    /// Where the price went; perpetuals alone have it.
    #[serde(rename = "L")]
    tick: Option<IgnoredAny>,
    /// A block trade: agreed elsewhere, and no book has met it.
    #[serde(rename = "BT", default)]
    block: bool,
    /// It met an order of those for retail alone, which stand in no book here.
    #[serde(rename = "RPI", default)]
    retail: bool,
}

impl<'de: 'a, 'a> Deserialize<'de> for Data<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct DataVisitor<'a>(std::marker::PhantomData<&'a ()>);
        impl<'de: 'a, 'a> Visitor<'de> for DataVisitor<'a> {
            type Value = Data<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object or trades")
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
        }
        from.deserialize_any(DataVisitor(std::marker::PhantomData))
    }
}

pub(super) fn parse(parser: &mut Parser, json: &str, out: &mut Vec<Frame>) -> Option<()> {
    let line: Line<'_> = serde_json::from_str(json).ok()?;
    let topic = line.topic?;
    match line.data? {
        Data::Trades(trades) if topic.starts_with("publicTrade.") => {
            for trade in trades {
                if !parser.is_ours(trade.s) {
                    continue;
                }
                parser.perpetual.get_or_insert(trade.tick.is_some());
                let taker = if trade.taker == "Buy" { Side::Buy } else { Side::Sell };
                if !trade.block && !trade.retail {
                    out.push(Frame::Trade { taker, level: (trade.p.0, trade.v.0) });
                }
            }
        }
        Data::One(book) => {
            if book.funding_rate.is_some() {
                parser.perpetual = Some(true);
            }
            let depth = topic.strip_prefix("orderbook.")?.split('.').next()?;
            if !parser.is_ours(book.s?) {
                return None;
            }
            let (id, order) = (book.u?, book.seq?);
            let first = |rows: &[Row]| rows.first().map(|row| row.0);
            out.push(match (depth, line.kind?) {
                ("1", _) => Frame::Best { order, bid: first(&book.b), ask: first(&book.a) },
                // By the number one the venue tells that its service began again, whatever the type.
                (_, kind) if kind == "snapshot" || id == RESTARTED => {
                    let levels = levels(&book.b, &book.a);
                    Frame::Snapshot { id, order, fetched: false, levels }
                }
                _ => {
                    let levels = levels(&book.b, &book.a);
                    Frame::Depth { prev: id.wrapping_sub(1), id, order, levels }
                }
            });
        }
        Data::Trades(_) => {}
    }
    Some(())
}
