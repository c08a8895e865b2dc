//! Books, linked by `prevSeqId`, best quotes by the same numbers, and trades. Quantities of swaps are in
//! contracts.

use super::{Frame, Number, Parser, Row, levels};
use crate::types::Side;
use serde::Deserialize;

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    arg: Arg<'a>,
    #[serde(borrow)]
    action: Option<&'a str>,
    #[serde(borrow, default)]
    data: Vec<Data<'a>>,
}

#[derive(Deserialize)]
struct Arg<'a> {
    channel: &'a str,
    #[serde(rename = "instId")]
    symbol: &'a str,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(default)]
    bids: Vec<Row>,
    #[serde(default)]
    asks: Vec<Row>,
    #[serde(rename = "seqId")]
    id: Option<u64>,
    /// -1 of a snapshot.
    #[serde(rename = "prevSeqId")]
    prev: Option<i64>,
    px: Option<Number>,
    sz: Option<Number>,
    #[serde(borrow)]
    side: Option<&'a str>,
}

/// Books whose changes are linked.
const LINKED: [&str; 3] = ["books", "books-l2-tbt", "books50-l2-tbt"];

pub(super) fn parse(parser: &mut Parser, json: &str, out: &mut Vec<Frame>) -> Option<()> {
    let line: Line<'_> = serde_json::from_str(json).ok()?;
    let channel = line.arg.channel;
    let known = LINKED.contains(&channel) || ["books5", "bbo-tbt", "trades"].contains(&channel);
    if !known || !parser.is_ours(line.arg.symbol) {
        return None;
    }
    parser.perpetual = Some(line.arg.symbol.ends_with("-SWAP"));
    for row in &line.data {
        let book = || levels(&row.bids, &row.asks);
        let first = |rows: &[Row]| rows.first().map(|row| row.0);
        out.push(match channel {
            "bbo-tbt" => {
                Frame::Best { order: row.id?, bid: first(&row.bids), ask: first(&row.asks) }
            }
            "trades" => {
                let taker = if row.side? == "buy" { Side::Buy } else { Side::Sell };
                Frame::Trade { taker, level: (row.px?.0, row.sz?.0) }
            }
            _ if channel == "books5" || line.action == Some("snapshot") => {
                let id = row.id?;
                Frame::Snapshot { id, order: id, fetched: false, levels: book() }
            }
            _ => {
                let (id, prev) = (row.id?, u64::try_from(row.prev?).ok()?);
                Frame::Depth { prev, id, order: id, levels: book() }
            }
        });
    }
    Some(())
}
