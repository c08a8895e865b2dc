//! Requests built beforehand: the text of a sample request, cut where the values stand that change
//! from order to order. Writing one copies the pieces with the values between them.
//!
//! Samples come from the venue's complete encoder, so a template cannot say anything that this one
//! would not: it is made from one sample and must reproduce another, or it is none.

#![forbid(unsafe_code)]

use super::digits::{Text, WHOLE};
use crate::types::{ClientOrderId, Instrument, NewOrder, OrderType, Price, Qty, Side, TimeInForce};

/// Bytes that are copied at once: those of a value.
const CHUNK: usize = WHOLE;

/// A text with gaps: the pieces around them, each in chunks that are copied whole and then cut to
/// what counts, which costs less than copies of varying sizes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template {
    pieces: Box<[Piece]>,
    /// What is beyond the first chunk of long pieces.
    chunks: Box<[[u8; CHUNK]]>,
    /// Bytes that a whole request may take.
    room: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Piece {
    first: [u8; CHUNK],
    len: u16,
    /// Its part of the template's chunks.
    more: u16,
    more_end: u16,
}

/// Chunks that the longest value may take: a signature.
pub(super) const LONG: usize = 3;

/// Bytes of a page to begin with: more than any request takes.
pub(super) const PAGE: usize = 2048;

/// What a request is written on: as many bytes as it can take, and how many of them are written.
pub(super) struct Page<'a> {
    bytes: &'a mut [u8],
    len: usize,
}

impl Page<'_> {
    /// Writes a chunk of which the first `len` bytes count. There is room: a template counts the
    /// chunks that are written on its page, see [`Template::fill`].
    #[inline(always)]
    fn chunk(&mut self, chunk: &[u8; CHUNK], len: usize) {
        self.bytes[self.len..][..CHUNK].copy_from_slice(chunk);
        self.len += len;
    }

    /// Writes a value.
    #[inline(always)]
    pub(super) fn text(&mut self, text: &Text) {
        self.chunk(text.whole_bytes(), text.len());
    }

    /// Writes the first `len` bytes of the one value that may be longer.
    #[inline(always)]
    pub(super) fn long(&mut self, chunks: &[[u8; CHUNK]; LONG], len: usize) {
        let end = self.len + len.min(CHUNK * LONG);
        chunks.iter().for_each(|chunk| self.chunk(chunk, CHUNK));
        self.len = end;
    }
}

impl Template {
    /// Cuts `marks` out of `sample`, where each must stand once and in this order; `None` otherwise.
    pub(super) fn new(sample: &[u8], marks: &[Vec<u8>]) -> Option<Self> {
        let (mut chunks, mut pieces) = (Vec::new(), Vec::new());
        let mut add = |text: &[u8]| {
            let mut parts = text.chunks(CHUNK).map(|part| {
                let mut chunk = [0; CHUNK];
                chunk[..part.len()].copy_from_slice(part);
                chunk
            });
            let first = parts.next().unwrap_or_default();
            let more = u16::try_from(chunks.len()).ok()?;
            chunks.extend(parts);
            let more_end = u16::try_from(chunks.len()).ok()?;
            pieces.push(Piece { first, len: u16::try_from(text.len()).ok()?, more, more_end });
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
        // Every piece has a chunk of its own, and a value before it, of which one is the long one.
        let room = CHUNK * (chunks.len() + 2 * pieces.len() + LONG);
        Some(Self { chunks: chunks.into(), pieces: pieces.into(), room })
    }

    /// Writes on a page, which is made large enough, and gives what was written: pieces of this
    /// template, each at most once and in their order, a value before each, of which one may be a
    /// long one.
    #[inline]
    pub(super) fn fill<'a>(
        &self,
        page: &'a mut Vec<u8>,
        write: impl FnOnce(&mut Page<'_>),
    ) -> &'a [u8] {
        if page.len() < self.room {
            page.resize(self.room, 0);
        }
        let mut begun = Page { bytes: page, len: 0 };
        write(&mut begun);
        let len = begun.len;
        page.get(..len).unwrap_or(&[])
    }

    /// Writes these values, a piece behind each; those begin at `at`. Gives the place of the next.
    #[inline]
    pub(super) fn values(&self, at: usize, values: &[Text], page: &mut Page<'_>) -> usize {
        let pieces = self.pieces.get(at..).unwrap_or(&[]);
        for (value, piece) in values.iter().zip(pieces) {
            page.text(value);
            self.write(piece, page);
        }
        at + values.len()
    }

    /// Writes the piece at this place: the first stands before all gaps, the next behind the first
    /// gap. Nothing if there is none.
    #[inline(always)]
    pub(super) fn piece(&self, at: usize, page: &mut Page<'_>) {
        if let Some(piece) = self.pieces.get(at) {
            self.write(piece, page);
        }
    }

    #[inline(always)]
    fn write(&self, piece: &Piece, page: &mut Page<'_>) {
        let end = page.len + usize::from(piece.len);
        page.chunk(&piece.first, CHUNK);
        if usize::from(piece.len) > CHUNK {
            let more = self.chunks.get(usize::from(piece.more)..usize::from(piece.more_end));
            more.unwrap_or(&[]).iter().for_each(|chunk| page.chunk(chunk, CHUNK));
        }
        page.len = end;
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
            let mut page = b"old".to_vec();
            let piece = template.fill(&mut page, |page| template.piece(at, page));
            String::from_utf8(piece.to_vec()).unwrap()
        };
        assert_eq!(
            [0, 1, 2, 3, 4].map(piece),
            [
                "{\"id\":".to_owned(),
                format!(",{long}"),
                "\"}".to_owned(),
                String::new(),
                String::new(),
            ]
        );
    }

    #[test]
    fn the_longest_values_have_room() {
        let template = cut(b"[1,2,3]", &[b"1", b"2", b"3"]).unwrap();
        let value = Text::new(&[b'v'; WHOLE]).unwrap();
        let signature = [[b's'; CHUNK]; LONG];
        let mut page = Vec::new();
        let written = template.fill(&mut page, |page| {
            template.piece(0, page);
            let next = template.values(1, &[value, value], page);
            page.long(&signature, CHUNK * LONG);
            template.piece(next, page);
        });
        let (value, signature) = ("v".repeat(WHOLE), "s".repeat(CHUNK * LONG));
        let expected = format!("[{value},{value},{signature}]");
        assert_eq!(String::from_utf8(written.to_vec()).unwrap(), expected);
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
