//! Made frames, in the shape of recorded ones, for whoever has no recording.

use super::frames::{Capture, Frame, FrameKind};
use std::fmt::Write;

/// Levels a side of the snapshot.
const SNAPSHOT_LEVELS: i64 = 100;
/// Levels a side of a depth message.
const LEVELS: i64 = 8;

/// `61800.30` of 6180030
fn price(cents: i64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

/// Levels away from `best` in steps of ten cents: `["61800.30","1.003"],...`
fn levels(best: i64, away: i64, count: i64, salt: i64) -> String {
    let mut text = String::new();
    for at in 0..count {
        let qty = 1 + (at * 7 + salt) % 997;
        let comma = if at == 0 { "" } else { "," };
        let level = price(best + away * at * 10);
        // Writing to a string cannot fail.
        let _ = write!(text, "{comma}[\"{level}\",\"{}.{:03}\"]", qty / 100, qty % 1000);
    }
    text
}

impl Capture {
    /// A snapshot, the depth message that follows it, then `messages` tops of book and as many depth
    /// messages in turn, of a perpetual: always the same. Every one of them changes the best ask.
    #[must_use]
    pub fn made(messages: usize) -> Self {
        const START: i64 = 6_180_030;
        // The first message after a snapshot reaches back behind it.
        let (mut id, mut last_depth) = (1_000, 990);
        let snapshot = format!(
            "{{\"lastUpdateId\":{id},\"E\":1723161255000,\"T\":1723161254999,\"bids\":[{}],\"asks\":[{}]}}",
            levels(START - 10, -1, SNAPSHOT_LEVELS, 0),
            levels(START, 1, SNAPSHOT_LEVELS, 0),
        );
        let mut frames = vec![Frame { kind: FrameKind::Snapshot, recv_ns: 0, text: snapshot }];
        for number in 0..=2 * messages as i64 {
            let ask = START + 10 * (number % 5);
            id += 1;
            let (kind, text) = if number % 2 == 0 {
                let before = std::mem::replace(&mut last_depth, id);
                (FrameKind::Depth, depth(before, id, ask, number))
            } else {
                (FrameKind::Top, top(id, ask, number))
            };
            frames.push(Frame { kind, recv_ns: number as u64 + 1, text });
        }
        Self { frames }
    }
}

fn depth(before: i64, id: i64, ask: i64, number: i64) -> String {
    let first = before + 1;
    format!(
        "{{\"stream\":\"btcusdt@depth@0ms\",\"data\":{{\"e\":\"depthUpdate\",\"E\":1723161256299,\
         \"T\":1723161256298,\"s\":\"BTCUSDT\",\"U\":{first},\"u\":{id},\"pu\":{before},\
         \"b\":[{}],\"a\":[{}]}}}}",
        levels(ask - 60, -1, LEVELS, number),
        levels(ask, 1, LEVELS, number),
    )
}

fn top(id: i64, ask: i64, number: i64) -> String {
    let (bid, ask, qty) = (price(ask - 10), price(ask), 1 + number % 900);
    format!(
        "{{\"stream\":\"btcusdt@bookTicker\",\"data\":{{\"e\":\"bookTicker\",\"u\":{id},\
         \"s\":\"BTCUSDT\",\"b\":\"{bid}\",\"B\":\"2.{qty:03}\",\"a\":\"{ask}\",\"A\":\"1.{qty:03}\",\
         \"T\":1723161256313,\"E\":1723161256313}}}}"
    )
}
