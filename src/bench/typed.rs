//! Recorded frames to integers by general JSON parsers: into types that borrow from the frame, then
//! each number with our own decimals. What our scanners are compared with.

use super::frames::FrameKind;
use crate::types::{Level, Scale};
use crate::venues::decimal;
use serde::Deserialize;

/// A JSON parser that can fill types.
pub(super) trait Json {
    /// `None` if the text has another shape.
    fn parse<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Option<T>;
}

/// `serde_json`.
pub(super) struct SerdeJson;

impl Json for SerdeJson {
    #[inline]
    fn parse<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Option<T> {
        serde_json::from_slice(text).ok()
    }
}

/// `sonic-rs`.
#[cfg(feature = "peers")]
pub(super) struct SonicRs;

#[cfg(feature = "peers")]
impl Json for SonicRs {
    #[inline]
    fn parse<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Option<T> {
        sonic_rs::from_slice(text).ok()
    }
}

#[derive(Deserialize)]
struct Envelope<T> {
    data: T,
}

/// Best bid and ask as four fields.
#[derive(Deserialize)]
struct Top<'a> {
    u: u64,
    b: &'a str,
    #[serde(rename = "B")]
    bid_qty: &'a str,
    a: &'a str,
    #[serde(rename = "A")]
    ask_qty: &'a str,
}

#[derive(Deserialize)]
struct Depth<'a> {
    u: u64,
    #[serde(borrow)]
    b: Vec<(&'a str, &'a str)>,
    #[serde(borrow)]
    a: Vec<(&'a str, &'a str)>,
}

/// One print.
#[derive(Deserialize)]
struct Trade<'a> {
    t: u64,
    p: &'a str,
    q: &'a str,
}

/// One print of several in a frame.
#[derive(Deserialize)]
struct Print<'a> {
    p: &'a str,
    v: &'a str,
}

/// How a venue writes frames of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Top,
    Depth,
    Trade,
    Prints,
}

/// An id, and levels: a print is one.
#[derive(Debug, Default)]
pub(super) struct Typed {
    pub id: u64,
    pub levels: Vec<Level>,
}

impl Typed {
    /// The shape of a frame of this kind.
    pub fn shape(kind: FrameKind, text: &[u8], scale: Scale) -> Option<Shape> {
        let candidates: &[Shape] = match kind {
            FrameKind::Top => &[Shape::Top, Shape::Depth],
            FrameKind::Depth => &[Shape::Depth],
            FrameKind::Trade => &[Shape::Trade, Shape::Prints],
            FrameKind::Snapshot | FrameKind::Other => &[],
        };
        let fits =
            |shape: &&Shape| Self::default().read::<SerdeJson>(**shape, text, scale).is_some();
        candidates.iter().find(fits).copied()
    }

    /// Reads a frame; `None` if it has another shape or a number is none.
    #[inline]
    pub fn read<J: Json>(&mut self, shape: Shape, text: &[u8], scale: Scale) -> Option<()> {
        self.levels.clear();
        match shape {
            Shape::Top => {
                let top = J::parse::<Envelope<Top<'_>>>(text)?.data;
                self.id = top.u;
                self.push(top.b, top.bid_qty, scale)?;
                self.push(top.a, top.ask_qty, scale)
            }
            Shape::Depth => {
                let depth = J::parse::<Envelope<Depth<'_>>>(text)?.data;
                self.id = depth.u;
                let mut levels = depth.b.iter().chain(&depth.a);
                levels.try_for_each(|(price, qty)| self.push(price, qty, scale))
            }
            Shape::Trade => {
                let trade = J::parse::<Envelope<Trade<'_>>>(text)?.data;
                self.id = trade.t;
                self.push(trade.p, trade.q, scale)
            }
            Shape::Prints => {
                let prints = J::parse::<Envelope<Vec<Print<'_>>>>(text)?.data;
                prints.iter().try_for_each(|print| self.push(print.p, print.v, scale))
            }
        }
    }

    #[inline]
    fn push(&mut self, price: &str, qty: &str, scale: Scale) -> Option<()> {
        let price = decimal::price(price, scale).ok()?;
        let qty = decimal::qty_cut(qty, scale).ok()?;
        self.levels.push(Level { price, qty });
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCALE: Scale = Scale { price_decimals: 1, qty_decimals: 2 };

    fn read(kind: FrameKind, text: &str) -> (Option<Shape>, u64, Vec<(i64, i64)>) {
        let shape = Typed::shape(kind, text.as_bytes(), SCALE);
        let mut typed = Typed::default();
        if let Some(shape) = shape {
            typed.read::<SerdeJson>(shape, text.as_bytes(), SCALE).unwrap();
        }
        let levels = typed.levels.iter().map(|level| (level.price.0, level.qty.0)).collect();
        (shape, typed.id, levels)
    }

    #[test]
    fn all_shapes_give_their_integers() {
        let top = "{\"stream\":\"x\",\"data\":{\"u\":7,\"b\":\"1.5\",\"B\":\"2\",\"a\":\"1.6\",\"A\":\"3\"}}";
        assert_eq!(read(FrameKind::Top, top), (Some(Shape::Top), 7, vec![(15, 200), (16, 300)]));
        let depth = "{\"data\":{\"u\":8,\"b\":[[\"1.5\",\"0\"]],\"a\":[[\"2\",\"0.25\"]]}}";
        let expected = vec![(15, 0), (20, 25)];
        assert_eq!(read(FrameKind::Depth, depth), (Some(Shape::Depth), 8, expected.clone()));
        assert_eq!(read(FrameKind::Top, depth), (Some(Shape::Depth), 8, expected));
        let trade = "{\"data\":{\"t\":9,\"p\":\"1.5\",\"q\":\"0.01\"}}";
        assert_eq!(read(FrameKind::Trade, trade), (Some(Shape::Trade), 9, vec![(15, 1)]));
        let prints = "{\"data\":[{\"p\":\"1.5\",\"v\":\"1\"},{\"p\":\"2\",\"v\":\"2\"}]}";
        let expected = vec![(15, 100), (20, 200)];
        assert_eq!(read(FrameKind::Trade, prints), (Some(Shape::Prints), 0, expected));
        assert_eq!(read(FrameKind::Trade, "{\"data\":3}").0, None);
    }
}
