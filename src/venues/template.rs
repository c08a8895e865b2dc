//! Requests built beforehand: the text of a sample request, cut where the values stand that change
//! from order to order. Writing one copies the pieces with the values between them.
//!
//! Samples come from the venue's complete encoder, so a template cannot say anything that this one
//! would not: it is made from one sample and must reproduce another, or it is none.

#![forbid(unsafe_code)]

use super::digits::Text;
use crate::types::{ClientOrderId, Instrument, NewOrder, OrderType, Price, Qty, Side, TimeInForce};

/// Bytes that are copied at once.
const CHUNK: usize = 32;

/// A text with gaps: the pieces around them, each in chunks that are copied whole and then cut to
/// what counts, which costs less than copies of varying sizes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template {
    chunks: Box<[[u8; CHUNK]]>,
    pieces: Box<[Piece]>,
    /// Bytes that a whole request may take.
    room: usize,
}

/// The longest value, and the chunk that is cut behind it.
const VALUE_ROOM: usize = 128;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Piece {
    first: u16,
    chunks: u16,
    len: u16,
}

impl Template {
    /// Cuts `marks` out of `sample`, where each must stand once and in this order; `None` otherwise.
    pub(super) fn new(sample: &[u8], marks: &[Vec<u8>]) -> Option<Self> {
        let (mut chunks, mut pieces) = (Vec::new(), Vec::new());
        let mut add = |text: &[u8]| {
            let first = u16::try_from(chunks.len()).ok()?;
            for part in text.chunks(CHUNK) {
                let mut chunk = [0; CHUNK];
                chunk[..part.len()].copy_from_slice(part);
                chunks.push(chunk);
            }
            let count = text.len().div_ceil(CHUNK) as u16;
            pieces.push(Piece { first, chunks: count, len: u16::try_from(text.len()).ok()? });
            Some(())
        };
        let mut rest = sample;
        for mark in marks {
            let mut places = sample.windows(mark.len().max(1)).filter(|window| *window == *mark);
            if places.next().is_none() || places.next().is_some() {
                return None;
            }
            let at = rest.windows(mark.len()).position(|window| window == *mark)?;
            add(&rest[..at])?;
            rest = &rest[at + mark.len()..];
        }
        add(rest)?;
        let room = CHUNK * chunks.len() + VALUE_ROOM * pieces.len();
        Some(Self { chunks: chunks.into(), pieces: pieces.into(), room })
    }

    /// Makes room for all of it.
    #[inline]
    pub(super) fn reserve(&self, out: &mut Vec<u8>) {
        out.reserve(self.room);
    }

    /// Appends these values, a piece behind each; those begin at `at`. Gives the place of the next.
    #[inline]
    pub(super) fn values(&self, at: usize, values: &[Text], out: &mut Vec<u8>) -> usize {
        for (value, at) in values.iter().zip(at..) {
            value.append(out);
            self.piece(at, out);
        }
        at + values.len()
    }

    /// Appends the piece at this place: the first stands before all gaps, the next behind the first
    /// gap. Nothing if there is none.
    #[inline]
    pub(super) fn piece(&self, at: usize, out: &mut Vec<u8>) {
        let Some(piece) = self.pieces.get(at) else { return };
        let len = out.len() + usize::from(piece.len);
        let first = usize::from(piece.first);
        let chunks = self.chunks.get(first..first + usize::from(piece.chunks));
        for chunk in chunks.unwrap_or(&[]) {
            out.extend_from_slice(chunk);
        }
        out.truncate(len);
    }
}

/// Kinds of new orders that have a template each: side, and what becomes of the order.
pub(super) const KINDS: usize = 10;

/// Which kind an order is.
#[inline]
pub(super) fn kind(order: &NewOrder) -> usize {
    let fate = match (order.order_type, order.post_only, order.time_in_force) {
        (OrderType::Market, ..) => 4,
        (OrderType::Limit, true, _) => 3,
        (OrderType::Limit, false, TimeInForce::Gtc) => 0,
        (OrderType::Limit, false, TimeInForce::Ioc) => 1,
        (OrderType::Limit, false, TimeInForce::Fok) => 2,
    };
    2 * fate + usize::from(order.side == Side::Sell)
}

/// The changing values of a sample: numbers that stand nowhere else in a request.
pub(super) struct Sample {
    pub(super) id: u64,
    pub(super) timestamp_ms: u64,
    pub(super) client_id: ClientOrderId,
    /// Price in tick sizes, quantity in lot sizes.
    steps: (i64, i64),
}

/// The sample that is cut, and the one that has to be reproduced: of other lengths.
pub(super) const SAMPLES: [Sample; 2] = [
    Sample {
        id: 9_182_736_455_463_728,
        timestamp_ms: 1_593_571_246_813,
        client_id: ClientOrderId(0x8c1f_a5e3_97b2_d640),
        steps: (73_519_137, 8_462_371),
    },
    Sample {
        id: 61,
        timestamp_ms: 42_907_136_524_819,
        client_id: ClientOrderId(0x0bd7_42f6_1c95_ea83),
        steps: (947, 21_683),
    },
];

impl Sample {
    /// An order of this kind; `None` if the instrument's steps are too large for a sample.
    pub(super) fn order(&self, kind: usize, instrument: &Instrument) -> Option<NewOrder> {
        let times = |step: i64, count: i64| step.max(1).checked_mul(count);
        let fate = kind / 2;
        Some(NewOrder {
            client_id: self.client_id,
            instrument: instrument.id,
            side: if kind.is_multiple_of(2) { Side::Buy } else { Side::Sell },
            order_type: if fate == 4 { OrderType::Market } else { OrderType::Limit },
            time_in_force: match fate {
                1 => TimeInForce::Ioc,
                2 => TimeInForce::Fok,
                _ => TimeInForce::Gtc,
            },
            post_only: fate == 3,
            reduce_only: false,
            price: Price(times(instrument.rules.tick_size.0, self.steps.0)?),
            qty: Qty(times(instrument.rules.lot_size.0, self.steps.1)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(sample: &[u8], marks: &[&[u8]]) -> Option<Template> {
        let marks: Vec<Vec<u8>> = marks.iter().map(|mark| mark.to_vec()).collect();
        Template::new(sample, &marks)
    }

    #[test]
    fn pieces_stand_around_the_marks() {
        let long = "x".repeat(2 * CHUNK);
        let sample = format!("{{\"id\":11,{long}22\"}}33");
        let template = cut(sample.as_bytes(), &[b"11", b"22", b"33"]).unwrap();
        let piece = |at| {
            let mut out = b">".to_vec();
            template.piece(at, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            [0, 1, 2, 3, 4].map(piece),
            [
                ">{\"id\":".to_owned(),
                format!(">,{long}"),
                ">\"}".to_owned(),
                ">".to_owned(),
                ">".to_owned(),
            ]
        );
    }

    #[test]
    fn what_cannot_be_cut_for_certain_is_no_template() {
        assert_eq!(cut(b"a1b", &[b"2"]), None, "not there");
        assert_eq!(cut(b"a1b1", &[b"1"]), None, "there twice");
        assert_eq!(cut(b"a2b1", &[b"1", b"2"]), None, "in another order");
        assert_eq!(cut(b"ab", &[b""]), None, "no mark at all");
    }

    #[test]
    fn samples_are_of_the_kind_they_are_made_for() {
        for number in 0..KINDS {
            let order = SAMPLES[0].order(number, &Instrument::default()).unwrap();
            assert_eq!(kind(&order), number);
        }
    }
}
