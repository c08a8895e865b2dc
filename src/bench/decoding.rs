//! Recorded frames as the venues' decoders read them.

use super::Capture;
use super::frames::FrameKind;
use crate::types::{
    DepthUpdate, Event, Events, InstrumentId, InstrumentKind, Level, Scale, VenueId,
};
use crate::venues::{FrameDecoder, VENUES};
use std::sync::Arc;

/// Events and levels of one frame, at most.
const EVENTS_MAX: usize = 4_096;
const LEVELS_MAX: usize = 65_536;
/// Frames that are tried before a venue is given up.
const TRIES: usize = 50;

/// The decoders of the venue that a recording is of.
pub(super) struct Decoding {
    pub decoder: FrameDecoder,
    pub events: Events,
    /// The venue's name.
    pub venue: &'static str,
    pub scale: Scale,
    symbol: String,
}

/// One depth message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DepthMessage {
    /// Its head.
    pub update: DepthUpdate,
    /// Bids, in the venue's order.
    pub bids: Vec<Level>,
    /// Asks, in the venue's order.
    pub asks: Vec<Level>,
}

impl DepthMessage {
    /// Levels of both sides.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bids.len() + self.asks.len()
    }

    /// Whether it has no level.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Levels that a feed asks for.
fn levels_wanted(capture: &Capture) -> u16 {
    let text = capture.first(FrameKind::Depth).unwrap_or_default();
    let after = text.split_once("\"orderbook.").map_or("", |(_, rest)| rest);
    let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(1000)
}

impl Decoding {
    /// The first venue whose decoder understands the recording's frames.
    pub fn of(capture: &Capture) -> Result<Self, String> {
        let symbol = capture.symbol().ok_or("the recorded messages name no symbol")?;
        let (price_decimals, qty_decimals) = capture.decimals();
        let scale = Scale { price_decimals, qty_decimals };
        let kinds =
            [capture.instrument_kind(), InstrumentKind::LinearPerpetual, InstrumentKind::Spot];
        let wanted = levels_wanted(capture);
        for (number, row) in VENUES.iter().enumerate() {
            for kind in kinds {
                let venue = VenueId(number as u8);
                let table = FrameDecoder::table(venue, kind, &[(&symbol, scale)]);
                let Ok(decoder) = FrameDecoder::new(venue, Arc::clone(&table), wanted) else {
                    continue;
                };
                let events = Events::with_capacity(EVENTS_MAX, LEVELS_MAX);
                let (venue, symbol) = (row.name, symbol.clone());
                let mut this = Self { decoder, events, venue, scale, symbol };
                if this.understands(capture) {
                    return Ok(this);
                }
            }
        }
        Err("no venue's decoder understands the recorded messages".to_owned())
    }

    fn understands(&mut self, capture: &Capture) -> bool {
        let known = |kind| matches!(kind, FrameKind::Top | FrameKind::Depth | FrameKind::Trade);
        let frames = capture.frames.iter().filter(|frame| known(frame.kind)).take(TRIES);
        let mut understood = 0;
        for frame in frames {
            self.events.clear();
            let mut bytes = frame.text.clone().into_bytes();
            understood += usize::from(self.decoder.reference(&mut bytes, &mut self.events).is_ok());
        }
        understood > 0
    }

    /// The depth messages of a recording, in order, its snapshots among them.
    pub fn depth(&mut self, capture: &Capture) -> Vec<DepthMessage> {
        let mut messages = Vec::new();
        for frame in &capture.frames {
            self.events.clear();
            let mut bytes = frame.text.clone().into_bytes();
            let read = match frame.kind {
                FrameKind::Snapshot => {
                    self.decoder.snapshot(&mut bytes, &self.symbol, &mut self.events)
                }
                FrameKind::Depth => {
                    self.decoder.reference(&mut bytes, &mut self.events).map(|_| ())
                }
                _ => continue,
            };
            if read.is_err() {
                continue;
            }
            for event in self.events.list() {
                let Event::Depth(update) = event else { continue };
                let (bids, asks) = self.events.levels(update);
                let (bids, asks) = (bids.to_vec(), asks.to_vec());
                messages.push(DepthMessage { update: *update, bids, asks });
            }
        }
        messages
    }
}

/// A seeded imitation of a busy perpetual's depth, where no recording is at hand: as many levels a
/// message, as far from the market, as many of them removals.
#[must_use]
pub fn made_depth(messages: usize) -> Vec<DepthMessage> {
    use crate::types::{DepthKind, Nanos, Price, Qty};
    let mut seed = 42u64;
    let mut random = move |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let mut middle = 600_000i64;
    let message = |number: usize| {
        middle += random(7) as i64 - 3;
        let mut side = |sign: i64| -> Vec<Level> {
            let count = if number == 0 { 1_000 } else { 5 + random(60) };
            let mut levels = Vec::new();
            for _ in 0..count {
                let distance = match random(20) {
                    0 => random(500_000),
                    1..=4 => random(6_000),
                    _ => random(800),
                } as i64;
                let qty = if random(5) == 0 { 0 } else { random(100_000) as i64 };
                let price = Price((middle + sign * (1 + distance)).max(1));
                levels.push(Level { price, qty: Qty(qty) });
            }
            levels
        };
        let (bids, asks) = (side(-1), side(1));
        let id = number as u64 + 1;
        let update = DepthUpdate {
            instrument: InstrumentId(0),
            kind: if number == 0 { DepthKind::Snapshot } else { DepthKind::Delta },
            first_id: id,
            last_id: id,
            sequence: id,
            levels_start: 0,
            bids: bids.len() as u32,
            asks: asks.len() as u32,
            event_ns: Nanos(id),
        };
        DepthMessage { update, bids, asks }
    };
    (0..messages).map(message).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capture(lines: &[&str]) -> Capture {
        let path = std::env::temp_dir().join(format!(
            "stoop-decoding-{}-{:?}",
            std::process::id(),
            std::thread::current().id()
        ));
        std::fs::write(&path, lines.join("\n")).unwrap();
        let capture = Capture::load(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        capture
    }

    #[test]
    fn the_venue_is_found_by_its_frames() {
        let first =
            capture(&["{\"stream\":\"btcusdt@depth@100ms\",\"data\":{\"e\":\"depthUpdate\",\
            \"E\":1723161253937,\"s\":\"BTCUSDT\",\"U\":5,\"u\":7,\"b\":[[\"61000.50\",\"0.25\"]],\
            \"a\":[[\"61001.00\",\"0\"],[\"61002.00\",\"1.5\"]]}}"]);
        let mut decoding = Decoding::of(&first).unwrap();
        assert_eq!(decoding.venue, VENUES[0].name);
        let messages = decoding.depth(&first);
        assert_eq!((messages.len(), messages[0].bids.len(), messages[0].asks.len()), (1, 1, 2));
        assert_eq!((messages[0].bids[0].price.0, messages[0].bids[0].qty.0), (610_005, 25));
        let other = capture(&["{\"topic\":\"orderbook.50.BTCUSDT\",\"type\":\"snapshot\",\
            \"ts\":1672304484978,\"data\":{\"s\":\"BTCUSDT\",\"b\":[[\"16493.50\",\"0.006\"]],\
            \"a\":[[\"16611.00\",\"0.029\"]],\"u\":18521288,\"seq\":7961638724},\
            \"cts\":1672304484976}"]);
        let mut decoding = Decoding::of(&other).unwrap();
        assert_eq!(decoding.venue, VENUES[1].name);
        assert_eq!(decoding.depth(&other).len(), 1);
        let unknown = capture(&["{\"s\":\"BTCUSDT\",\"topic\":\"orderbook.nonsense\"}"]);
        let error = Decoding::of(&unknown).err().unwrap();
        assert_eq!(error, "no venue's decoder understands the recorded messages");
    }

    #[test]
    fn made_depth_is_the_same_every_time() {
        assert_eq!(made_depth(20), made_depth(20));
        let all = made_depth(500);
        let levels: usize = all[1..].iter().map(DepthMessage::len).sum();
        assert!((60..76).contains(&(levels / 499)), "{levels}");
    }
}
