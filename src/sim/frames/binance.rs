//! Combined streams of depth, best quotes and trades, and the REST snapshot of the depth, of spot and
//! of futures.

use super::{Frame, Marks, Number, Parser, Row, levels};
use crate::types::Side;
use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};
use std::fmt;

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    stream: Option<&'a str>,
    #[serde(borrow)]
    data: Option<Data<'a>>,
    #[serde(rename = "lastUpdateId")]
    last_update_id: Option<u64>,
    #[serde(default)]
    bids: Vec<Row>,
    #[serde(default)]
    asks: Vec<Row>,
}

/// Fields of all streams, named as they are on the wire.
#[derive(Deserialize)]
struct Data<'a> {
    s: &'a str,
    #[serde(rename = "U")]
    first: Option<u64>,
    u: Option<u64>,
    /// Only futures link their changes by it.
    pu: Option<u64>,
    b: Option<Quote>,
    #[serde(rename = "B")]
    bid_qty: Option<Number>,
    a: Option<Quote>,
    #[serde(rename = "A")]
    ask_qty: Option<Number>,
    p: Option<Number>,
    q: Option<Number>,
    m: Option<bool>,
    /// When a trade was matched; of marks, when funding is paid.
    #[serde(rename = "T")]
    matched_ms: Option<u64>,
    /// Of marks: the index, and the rate of the running interval.
    i: Option<Number>,
    r: Option<Number>,
    /// How a trade of futures came about.
    #[serde(rename = "X")]
    origin: Option<&'a str>,
}

/// One side: rows of a depth, the best price of a best quote, or a number of something else.
enum Quote {
    Rows(Vec<Row>),
    Price(Number),
    Other,
}

impl<'de> Deserialize<'de> for Quote {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct QuoteVisitor;
        impl<'de> Visitor<'de> for QuoteVisitor {
            type Value = Quote;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("rows or a price")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Quote, E> {
                text.parse().map(|price| Quote::Price(Number(price))).map_err(E::custom)
            }

            fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<Quote, E> {
                Ok(Quote::Other)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<Quote, A::Error> {
                let mut read = Vec::new();
                while let Some(row) = rows.next_element()? {
                    read.push(row);
                }
                Ok(Quote::Rows(read))
            }
        }
        from.deserialize_any(QuoteVisitor)
    }
}

pub(super) fn parse(parser: &mut Parser, json: &str, out: &mut Vec<Frame>) -> Option<()> {
    let line: Line<'_> = serde_json::from_str(json).ok()?;
    if let Some(id) = line.last_update_id {
        let levels = levels(&line.bids, &line.asks);
        out.push(Frame::Snapshot { id, order: id, fetched: true, levels });
        return Some(());
    }
    let (stream, data) = (line.stream?, line.data?);
    if !parser.is_ours(data.s) {
        return None;
    }
    let kind = stream.split('@').nth(1)?;
    match (kind, data.b, data.a) {
        ("depth", Some(Quote::Rows(bids)), Some(Quote::Rows(asks))) => {
            parser.perpetual = Some(data.pu.is_some());
            let (id, prev) = (data.u?, data.pu.or(data.first.map(|first| first.wrapping_sub(1)))?);
            out.push(Frame::Depth { prev, id, order: id, levels: levels(&bids, &asks) });
        }
        ("bookTicker", Some(Quote::Price(bid)), Some(Quote::Price(ask))) => {
            parser.perpetual.get_or_insert(data.matched_ms.is_some());
            let side =
                |price: Number, qty: Number| Some((price.0, qty.0)).filter(|_| !qty.0.is_zero());
            let (bid, ask) = (side(bid, data.bid_qty?), side(ask, data.ask_qty?));
            out.push(Frame::Best { order: data.u?, bid, ask });
        }
        ("markPrice", _, _) => {
            parser.perpetual = Some(true);
            let number = |number: Option<Number>| number.map(|number| number.0);
            let (mark, index, rate) = (number(data.p), number(data.i), number(data.r));
            let next_ms = data.matched_ms.filter(|next| *next > 0);
            out.push(Frame::Marks(Marks { mark, index, rate, next_ms, interval_ms: None }));
        }
        // What the insurance fund takes over, or is closed by force, has met no book.
        ("trade", _, _) if data.origin.is_none_or(|origin| origin == "MARKET") => {
            let taker = if data.m? { Side::Sell } else { Side::Buy };
            out.push(Frame::Trade { taker, level: (data.p?.0, data.q?.0) });
        }
        _ => {}
    }
    Some(())
}
