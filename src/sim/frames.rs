//! Lines of a recorded market: what each says of a book or of trades.

#![forbid(unsafe_code)]

use super::SimLevel;
use crate::types::Side;
use rust_decimal::Decimal;
use serde_json::Value;

/// What one line says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Frame {
    /// The capture begins: what follows up to the snapshot is early.
    Begin,
    Snapshot {
        last_id: u64,
        levels: Vec<(Side, SimLevel)>,
    },
    Depth {
        last_id: u64,
        levels: Vec<(Side, SimLevel)>,
    },
    Best {
        id: u64,
        bid: SimLevel,
        ask: SimLevel,
    },
    Trade {
        taker: Side,
        level: SimLevel,
    },
}

/// What a line says; `symbol` is taken from the first line that names one, lines of other symbols
/// mean nothing.
pub(super) fn parse(json: &Value, symbol: &mut String) -> Option<Frame> {
    let number = |value: &Value| value.as_str().and_then(|text| text.parse::<Decimal>().ok());
    let levels = |bids: &Value, asks: &Value| -> Option<Vec<(Side, SimLevel)>> {
        let mut levels = Vec::new();
        for (side, rows) in [(Side::Buy, bids), (Side::Sell, asks)] {
            for row in rows.as_array()? {
                levels.push((side, (number(row.get(0)?)?, number(row.get(1)?)?)));
            }
        }
        Some(levels)
    };
    if let Some(last_id) = json.get("lastUpdateId").and_then(Value::as_u64) {
        return Some(Frame::Snapshot {
            last_id,
            levels: levels(json.get("bids")?, json.get("asks")?)?,
        });
    }
    let (stream, data) = (json.get("stream")?.as_str()?, json.get("data")?);
    let name = data.get("s")?.as_str()?;
    if symbol.is_empty() {
        name.clone_into(symbol);
    }
    if symbol != name {
        return None;
    }
    let field = |key: &str| data.get(key).and_then(number);
    let kind = stream.split('@').nth(1)?;
    if kind == "depth" {
        let last_id = data.get("u")?.as_u64()?;
        return Some(Frame::Depth { last_id, levels: levels(data.get("b")?, data.get("a")?)? });
    }
    if kind == "bookTicker" {
        let (bid, ask) = ((field("b")?, field("B")?), (field("a")?, field("A")?));
        return Some(Frame::Best { id: data.get("u")?.as_u64()?, bid, ask });
    }
    if kind == "trade" {
        let buyer_rests = data.get("m")?.as_bool()?;
        let taker = if buyer_rests { Side::Sell } else { Side::Buy };
        return Some(Frame::Trade { taker, level: (field("p")?, field("q")?) });
    }
    None
}
