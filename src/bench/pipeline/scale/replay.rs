//! A recording applied to a book by the complete decoder, with nothing of a feed: what a feed's book
//! is held against.

use super::super::super::decoding::Decoding;
use super::super::super::frames::Frame;
use super::super::{Capture, FrameKind};
use crate::book::{Ladder, LadderOptions};
use crate::types::{Event, Level, Price, Scale, Side};
use std::fmt::Write;

/// Levels a side of a snapshot that is written.
const LEVELS: usize = 1_000;

/// A book and how far it has come.
pub(super) struct Replay {
    decoding: Decoding,
    ladder: Ladder,
    /// Update id of the newest depth in it.
    pub id: u64,
}

impl Replay {
    /// The book of the recording's snapshot.
    pub fn new(capture: &Capture) -> Result<Self, String> {
        let decoding = Decoding::of(capture)?;
        let options = LadderOptions { window_ticks: 131_072, ..LadderOptions::default() };
        let mut replay = Self { decoding, ladder: Ladder::new(Price(1), options), id: 0 };
        let symbol = capture.symbol().ok_or("the recorded messages name no symbol")?;
        let text = capture.first(FrameKind::Snapshot).ok_or("the recording has no snapshot")?;
        let mut bytes = text.as_bytes().to_vec();
        let Decoding { decoder, events, .. } = &mut replay.decoding;
        events.clear();
        let read = decoder.snapshot(&mut bytes, &symbol, events);
        read.map_err(|error| format!("the snapshot: {error}"))?;
        replay.take();
        Ok(replay)
    }

    /// Applies a frame. Whether the book has changed: not by depth that it holds already.
    pub fn apply(&mut self, frame: &Frame) -> bool {
        if frame.kind != FrameKind::Depth {
            return false;
        }
        let Decoding { decoder, events, .. } = &mut self.decoding;
        events.clear();
        let mut bytes = frame.text.as_bytes().to_vec();
        decoder.reference(&mut bytes, events).is_ok() && self.take()
    }

    fn take(&mut self) -> bool {
        let before = self.id;
        let events = &self.decoding.events;
        for event in events.list() {
            if let Event::Depth(update) = event
                && update.last_id > self.id
            {
                let (bids, asks) = events.levels(update);
                self.ladder.apply_all(bids, asks);
                self.id = update.last_id;
            }
        }
        self.id != before
    }

    /// The best `count` levels, bids and asks.
    pub fn best(&self, count: usize) -> [Vec<Level>; 2] {
        [Side::Buy, Side::Sell].map(|side| {
            let mut levels = vec![Level::default(); count];
            let len = self.ladder.top(side, &mut levels);
            levels.truncate(len);
            levels
        })
    }

    /// The book as the venue writes a snapshot.
    pub fn snapshot(&self) -> String {
        let [bids, asks] = self.best(LEVELS).map(|levels| rows(&levels, self.decoding.scale));
        let id = self.id;
        format!(
            "{{\"lastUpdateId\":{id},\"E\":1723161255000,\"T\":1723161254999,\
             \"bids\":[{bids}],\"asks\":[{asks}]}}"
        )
    }
}

fn rows(levels: &[Level], scale: Scale) -> String {
    let mut text = String::with_capacity(32 * levels.len());
    for (at, level) in levels.iter().enumerate() {
        let price = decimal(level.price.0, scale.price_decimals);
        let qty = decimal(level.qty.0, scale.qty_decimals);
        // Writing to a string cannot fail.
        let _ = write!(text, "{}[\"{price}\",\"{qty}\"]", if at == 0 { "" } else { "," });
    }
    text
}

fn decimal(mantissa: i64, decimals: u8) -> rust_decimal::Decimal {
    rust_decimal::Decimal::new(mantissa, u32::from(decimals))
}
