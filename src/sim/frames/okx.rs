//! Books, linked by `prevSeqId`, best quotes by the same numbers, and trades. Quantities of swaps are in
//! contracts.

use super::{Frame, Marks, Number, Parser, Row, levels};
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
    /// What a swap has besides its book, on channels of their own.
    #[serde(rename = "markPx")]
    mark: Option<Number>,
    #[serde(rename = "idxPx")]
    index: Option<Number>,
    #[serde(rename = "fundingRate")]
    rate: Option<Number>,
    #[serde(rename = "fundingTime")]
    due: Option<&'a str>,
    /// The payment after that one; may be empty.
    #[serde(rename = "nextFundingTime")]
    then: Option<&'a str>,
}

impl Data<'_> {
    fn marks(&self) -> Marks {
        let number = |number: Option<Number>| number.map(|number| number.0);
        let time = |text: Option<&str>| text?.parse::<u64>().ok();
        let (due, then) = (time(self.due), time(self.then));
        let interval = due.zip(then).and_then(|(due, then)| then.checked_sub(due));
        let interval_ms = interval.filter(|interval| *interval > 0);
        let (mark, index) = (number(self.mark), number(self.index));
        Marks { mark, index, rate: number(self.rate), next_ms: due, interval_ms }
    }
}

/// Of swaps alone.
const MARKS: [&str; 3] = ["mark-price", "index-tickers", "funding-rate"];
/// How the names of swaps end.
const SWAP: &str = "-SWAP";
/// Books whose changes are linked.
const LINKED: [&str; 3] = ["books", "books-l2-tbt", "books50-l2-tbt"];

pub(super) fn parse(parser: &mut Parser, json: &str, out: &mut Vec<Frame>) -> Option<()> {
    let line: Line<'_> = serde_json::from_str(json).ok()?;
    let channel = line.arg.channel;
    if MARKS.contains(&channel) {
        return parse_marks(parser, &line, out);
    }
    let known = LINKED.contains(&channel) || ["books5", "bbo-tbt", "trades"].contains(&channel);
    if !known || !parser.is_ours(line.arg.symbol) {
        return None;
    }
    parser.perpetual = Some(line.arg.symbol.ends_with(SWAP));
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

/// Marks and funding name the swap, prices of the index what it is of.
fn parse_marks(parser: &mut Parser, line: &Line<'_>, out: &mut Vec<Frame>) -> Option<()> {
    let symbol = line.arg.symbol;
    let is_index = parser.symbol.strip_suffix(SWAP) == Some(symbol);
    let is_swap = symbol.ends_with(SWAP) && parser.is_ours(symbol);
    if !is_index && !is_swap {
        return None;
    }
    parser.perpetual = Some(true);
    out.extend(line.data.iter().map(|row| Frame::Marks(row.marks())));
    Some(())
}
