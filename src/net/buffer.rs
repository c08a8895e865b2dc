//! A receive buffer that is parsed in place: bytes come in at the end, leave at the front, and are
//! moved only when room runs out. Its memory is kept, so it stops growing once it has held the
//! largest message.

use std::ops::Range;

/// Received bytes that have not been consumed yet.
#[derive(Debug, Default)]
pub struct Buffer {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Buffer {
    /// Room for so many bytes before it has to grow.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self { bytes: vec![0; capacity], start: 0, end: 0 }
    }

    /// How many bytes wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether none wait.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// The bytes that wait.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// The same, to be written to.
    pub fn data_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.end]
    }

    /// At least `wanted` bytes of room behind the data. Ranges given out before become invalid.
    pub fn room(&mut self, wanted: usize) -> &mut [u8] {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        if self.bytes.len() - self.end < wanted && self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.bytes.len() - self.end < wanted {
            let grown = (self.end + wanted).max(self.bytes.len() * 2);
            self.bytes.resize(grown, 0);
        }
        &mut self.bytes[self.end..]
    }

    /// So many bytes of [`Buffer::room`] are data now.
    pub fn advance(&mut self, count: usize) {
        assert!(count <= self.bytes.len() - self.end, "more bytes than there was room for");
        self.end += count;
    }

    /// Copies `data` in.
    pub fn extend(&mut self, data: &[u8]) {
        self.room(data.len())[..data.len()].copy_from_slice(data);
        self.advance(data.len());
    }

    /// Drops `count` bytes at the front and says where they lie: [`Buffer::get`] gives them until
    /// the next call to [`Buffer::room`].
    pub fn consume(&mut self, count: usize) -> Range<usize> {
        assert!(count <= self.len(), "more bytes consumed than there are");
        let range = self.start..self.start + count;
        self.start += count;
        range
    }

    /// Drops everything.
    pub fn clear(&mut self) {
        (self.start, self.end) = (0, 0);
    }

    /// Bytes of a range given by [`Buffer::consume`], or a part of it.
    pub fn get(&mut self, range: Range<usize>) -> &mut [u8] {
        &mut self.bytes[range]
    }

    /// Two parts of such a range, the first before the second.
    pub fn get_both(
        &mut self,
        first: Range<usize>,
        second: Range<usize>,
    ) -> (&mut [u8], &mut [u8]) {
        let (left, right) = self.bytes.split_at_mut(second.start);
        (&mut left[first], &mut right[..second.end - second.start])
    }

    /// Moves waiting bytes `from..from + len` down to `to`; offsets count from the front.
    pub(super) fn move_down(&mut self, from: usize, len: usize, to: usize) {
        debug_assert!(to <= from && from + len <= self.len(), "moves down and inside the data");
        let (from, to) = (self.start + from, self.start + to);
        self.bytes.copy_within(from..from + len, to);
    }

    /// Drops waiting bytes `from..to` from the middle.
    pub(super) fn cut(&mut self, from: usize, to: usize) {
        let tail = self.len() - to;
        self.move_down(to, tail, from);
        self.end -= to - from;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_in_goes_out_in_order_and_in_place() {
        let mut buffer = Buffer::with_capacity(8);
        buffer.extend(b"abcdef");
        let taken = buffer.consume(4);
        assert_eq!(buffer.get(taken), b"abcd");
        buffer.extend(b"ghijk");
        assert_eq!(buffer.data(), b"efghijk");
        assert_eq!(buffer.room(0).len(), 1, "moved to the front, not grown");
        buffer.extend(b"lm");
        assert_eq!(buffer.data(), b"efghijklm");
        buffer.cut(2, 5);
        assert_eq!(buffer.data(), b"efjklm");
        let all = buffer.consume(6);
        let (left, right) = buffer.get_both(all.start..all.start + 2, all.start + 3..all.end);
        assert_eq!((&*left, &*right), (&b"ef"[..], &b"klm"[..]));
        assert!(buffer.is_empty());
        assert_eq!(buffer.room(1).len(), 16, "an empty buffer starts at its front again");
    }
}
