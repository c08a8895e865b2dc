//! Books, of which the one of a single level is the best quote, and trades. A book's changes are linked
//! by `u`; `seq` orders all topics of a symbol.

use super::{Data, Frame, Marks, Number, Parser, Row, levels};
use crate::types::Side;
use rust_decimal::Decimal;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::str::FromStr;

/// Number of a book after its service began again: it is the whole book.
const RESTARTED: u64 = 1;

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    topic: Option<&'a str>,
    #[serde(rename = "type", borrow)]
    kind: Option<&'a str>,
    #[serde(borrow)]
    data: Option<Data<One<'a>, Trade<'a>>>,
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
    /// Of the ticker of a perpetual, this and what follows; a delta has what has changed, and an empty
    /// text says nothing.
    symbol: Option<&'a str>,
    #[serde(rename = "markPrice")]
    mark: Option<&'a str>,
    #[serde(rename = "indexPrice")]
    index: Option<&'a str>,
    #[serde(rename = "fundingRate")]
    rate: Option<&'a str>,
    #[serde(rename = "nextFundingTime")]
    next: Option<&'a str>,
    #[serde(rename = "fundingIntervalHour")]
    hours: Option<&'a str>,
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

pub(super) fn parse(parser: &mut Parser, json: &str, out: &mut Vec<Frame>) -> Option<()> {
    let line: Line<'_> = serde_json::from_str(json).ok()?;
    let topic = line.topic?;
    match line.data? {
        Data::Rows(trades) if topic.starts_with("publicTrade.") => {
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
        Data::One(ticker) if topic.starts_with("tickers.") => {
            if !parser.is_ours(ticker.symbol?) {
                return None;
            }
            let marks = ticker.marks();
            if marks.rate.is_some() {
                parser.perpetual = Some(true);
            }
            if marks != Marks::default() {
                out.push(Frame::Marks(marks));
            }
        }
        Data::One(book) => {
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
        Data::Rows(_) | Data::Text => {}
    }
    Some(())
}

impl One<'_> {
    fn marks(&self) -> Marks {
        fn number<T: FromStr>(text: Option<&str>) -> Option<T> {
            text?.parse().ok()
        }
        let above = |price: &Decimal| *price > Decimal::ZERO;
        let hours: Option<u64> = number(self.hours);
        Marks {
            mark: number(self.mark).filter(above),
            index: number(self.index).filter(above),
            rate: number(self.rate),
            // 0 where nothing will be paid.
            next_ms: number(self.next).filter(|next| *next > 0),
            interval_ms: hours.filter(|hours| *hours > 0).map(|hours| hours * 3_600_000),
        }
    }
}
