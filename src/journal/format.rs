//! The bytes of a segment file: what lies where, how it is written, how it is checked.
//!
//! Pure functions on slices: no file, no clock, no state. Nothing here trusts a byte it reads, and
//! no bytes whatever make it panic.
//!
//! # Files of a journal
//!
//! ```text
//! <folder>/lock                     held by the one process that writes; its process id as text
//! <folder>/segment-000001.log       records, oldest first; the number rises by one
//! <folder>/segment-000002.log       the last one with records, or one made ahead and not yet opened
//! <folder>/snapshot-<sequence>      see `snapshot.rs`
//! <folder>/.<name>.new              being made; removed at the next start
//! ```
//!
//! # A segment
//!
//! All integers are little-endian. The file has its full length from the start and is zero where
//! nothing is written yet.
//!
//! ```text
//! offset size
//!      0    8  magic "STOOPJNL"
//!      8    4  format version, `VERSION`
//!     12    4  bytes of this header, 64
//!     16    8  segment number, from 1
//!     24    8  creation time, ns since the UNIX epoch
//!     32    8  bytes of the file
//!     40    4  zero
//!     44    4  CRC-32C of bytes 0..44: also the segment's salt, see below
//!     48    8  sequence of the first record; 0: made ahead, not opened
//!     56    4  CRC-32C of bytes 48..56, continued from the salt
//!     60    4  zero
//!     64       records to the end of the file
//! ```
//!
//! Bytes 0..48 are written before the file gets its name; 48..64 when the writer moves into the
//! segment, the sequence last. Bytes 0..12 and 44..48 keep their meaning in every version.
//!
//! # A record
//!
//! Begins at a multiple of 8.
//!
//! ```text
//! offset size
//!      0    4  length: this header and the payload, without padding; 32..=65536
//!      4    4  CRC-32C, continued from the segment's salt, of bytes 0..4, the record's offset in
//!              the file (u32), and bytes 8..length
//!      8    8  sequence: the one before plus one; the first record of a journal has 1
//!     16    8  time, ns since the UNIX epoch
//!     24    1  kind: what the payload is; this layer does not know
//!     25    1  flags: none in this version, 0
//!     26    6  zero
//!     32       payload, opaque
//!              zeros to the next multiple of 8
//! ```
//!
//! The first eight bytes are written last, in one store: a process killed at any instruction
//! leaves either the whole record or a zero length. Salt and offset are in the checksum so that
//! bytes which once were a record elsewhere, or lie inside another's payload, are never read as one.
//!
//! A segment ends where the length is zero or fewer than eight bytes are left. The next record is
//! then the first of the next segment, and its sequence must follow.

#![forbid(unsafe_code)]

use super::crc;
use crate::types::Nanos;
use std::fmt;

/// First bytes of every segment.
pub const MAGIC: [u8; 8] = *b"STOOPJNL";
/// Version of the format that this program writes and reads.
pub const VERSION: u32 = 6;
/// Bytes before the first record.
pub const SEGMENT_HEADER: usize = 64;
/// Bytes before a payload.
pub const RECORD_HEADER: usize = 32;
/// Most bytes of a record with its header.
pub const RECORD_MAX: usize = 64 * 1024;
/// Most bytes of a payload.
pub const PAYLOAD_MAX: usize = RECORD_MAX - RECORD_HEADER;
/// Sequence of a journal's first record.
pub const SEQUENCE_FIRST: u64 = 1;

/// No journal gets as far as this sequence; a header that says so is not sound.
const SEQUENCE_LIMIT: u64 = 1 << 62;

/// Where a segment's first sequence stands; its checksum follows.
pub(super) const OPENING: usize = 48;

/// What is wrong at a place of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// The file is shorter than its header.
    CutShort,
    /// Does not begin with [`MAGIC`].
    Magic,
    /// The header's checksum or a value in it is wrong.
    Header,
    /// The part of the header that is written when a segment is opened is wrong.
    Opening,
    /// The file has another number than its name, or is longer than its header says.
    Name,
    /// Never opened, yet something is written in it.
    Unopened,
    /// A record's length is impossible.
    Length,
    /// A record's checksum is wrong.
    Checksum,
    /// A record has flags that this version does not know, or bytes set that must be zero.
    Flags,
    /// A record has another sequence than the one that follows.
    Sequence {
        /// What should be here.
        expected: u64,
        /// What is.
        found: u64,
    },
    /// Nothing is written here, but more follows.
    Hole,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CutShort => "cut short within its header",
            Self::Magic => "not a journal segment",
            Self::Header => "header checksum",
            Self::Opening => "checksum of the first sequence",
            Self::Name => "header does not fit name and length of the file",
            Self::Unopened => "bytes in a segment that was never opened",
            Self::Length => "impossible length",
            Self::Checksum => "checksum",
            Self::Flags => "unknown flags or bytes that must be zero",
            Self::Sequence { expected, found } => {
                return write!(f, "record {found} where {expected} should be");
            }
            Self::Hole => "records missing",
        })
    }
}

/// A segment's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// From 1.
    pub number: u64,
    /// When it was made.
    pub created: Nanos,
    /// Bytes of the file.
    pub len: u64,
    /// 0: made ahead, not opened.
    pub first_sequence: u64,
    /// Where the checksums of its records begin.
    pub salt: u32,
}

/// Why a header could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderError {
    /// Sound, but of another version of the format.
    Version(u32),
    /// Not sound.
    Damaged(Damage),
}

/// The integer at `at`, 0 beyond the end.
fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let four = bytes.get(at..at + 4).and_then(|four| four.try_into().ok());
    u32::from_le_bytes(four.unwrap_or_default())
}

/// The integer at `at`, 0 beyond the end.
pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let eight = bytes.get(at..at + 8).and_then(|eight| eight.try_into().ok());
    u64::from_le_bytes(eight.unwrap_or_default())
}

/// Whether all bytes are 0.
pub(super) fn is_zero(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<64>();
    words.iter().all(|word| *word == [0; 64]) && rest.iter().all(|byte| *byte == 0)
}

/// Whether a segment may have so many bytes: whole pages, at least one, at most 2 GiB.
pub(super) fn is_segment_len(bytes: u64) -> bool {
    (4096..=2 << 30).contains(&bytes) && bytes.is_multiple_of(4096)
}

/// The bytes of a segment that is not opened yet, up to [`OPENING`]; and its salt.
pub(super) fn encode_header(number: u64, created: Nanos, len: u64) -> ([u8; OPENING], u32) {
    let mut bytes = [0; OPENING];
    bytes[0..8].copy_from_slice(&MAGIC);
    bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
    bytes[12..16].copy_from_slice(&(SEGMENT_HEADER as u32).to_le_bytes());
    bytes[16..24].copy_from_slice(&number.to_le_bytes());
    bytes[24..32].copy_from_slice(&created.0.to_le_bytes());
    bytes[32..40].copy_from_slice(&len.to_le_bytes());
    let salt = crc::of(&bytes[..44]);
    bytes[44..48].copy_from_slice(&salt.to_le_bytes());
    (bytes, salt)
}

/// The eight bytes after a segment's first sequence.
pub(super) fn opening_check(salt: u32, first_sequence: u64) -> [u8; 8] {
    u64::from(crc::append(salt, &first_sequence.to_le_bytes())).to_le_bytes()
}

/// Reads a segment's header. A segment whose opening was begun and not finished is not opened.
pub fn decode_header(bytes: &[u8]) -> Result<SegmentHeader, HeaderError> {
    let damaged = |what| Err(HeaderError::Damaged(what));
    let Some(bytes) = bytes.get(..SEGMENT_HEADER) else { return damaged(Damage::CutShort) };
    if bytes[..8] != MAGIC {
        return damaged(Damage::Magic);
    }
    let salt = crc::of(&bytes[..44]);
    if salt != u32_at(bytes, 44) {
        return damaged(Damage::Header);
    }
    if u32_at(bytes, 8) != VERSION {
        return Err(HeaderError::Version(u32_at(bytes, 8)));
    }
    let len = u64_at(bytes, 32);
    let fixed = u32_at(bytes, 12) == SEGMENT_HEADER as u32 && u32_at(bytes, 40) == 0;
    if !fixed || !is_segment_len(len) {
        return damaged(Damage::Header);
    }
    let first_sequence = u64_at(bytes, OPENING);
    let opening = bytes[56..64] == opening_check(salt, first_sequence);
    if first_sequence != 0 && (!opening || first_sequence > SEQUENCE_LIMIT) {
        return damaged(Damage::Opening);
    }
    let created = Nanos(u64_at(bytes, 24));
    Ok(SegmentHeader { number: u64_at(bytes, 16), created, len, first_sequence, salt })
}

/// Bytes that a payload takes up as a record; `None`: too large.
#[inline]
pub(super) fn record_size(payload: usize) -> Option<usize> {
    (payload <= PAYLOAD_MAX).then(|| (RECORD_HEADER + payload).next_multiple_of(8))
}

/// The header of the record at `at`, as its four words.
#[inline]
pub(super) fn encode_record(
    at: usize,
    salt: u32,
    sequence: u64,
    now: Nanos,
    kind: u8,
    payload: &[u8],
) -> [u64; 4] {
    let length = (RECORD_HEADER + payload.len()) as u64;
    let mut words = [length | (at as u64) << 32, sequence, now.0, u64::from(kind)];
    let crc = crc::append(record_check(salt, &words), payload);
    words[0] = length | u64::from(crc) << 32;
    words
}

/// Checksum of a header whose second half of the first word is the record's offset.
#[inline]
fn record_check(salt: u32, words: &[u64; 4]) -> u32 {
    let mut bytes = [0; RECORD_HEADER];
    for (slot, word) in bytes.chunks_exact_mut(8).zip(words) {
        slot.copy_from_slice(&word.to_le_bytes());
    }
    crc::append(salt, &bytes)
}

/// A record as it lies in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RawRecord {
    /// Its sequence.
    pub sequence: u64,
    /// When it was appended.
    pub time: Nanos,
    /// What it is.
    pub kind: u8,
    /// Bytes of the payload.
    pub payload: usize,
    /// Bytes with header and padding.
    pub size: usize,
}

/// What lies at an offset of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    /// Nothing: the segment ends here.
    Empty,
    /// A sound record.
    Record(RawRecord),
    /// Something else.
    Damaged(Damage),
}

/// Reads what lies at `at`, which is a multiple of 8.
#[inline]
pub(super) fn slot_at(bytes: &[u8], at: usize, salt: u32) -> Slot {
    let rest = bytes.get(at..).unwrap_or_default();
    if rest.len() < 8 || u64_at(rest, 0) == 0 {
        return Slot::Empty;
    }
    let length = u32_at(rest, 0) as usize;
    let size = length.next_multiple_of(8);
    if !(RECORD_HEADER..=RECORD_MAX).contains(&length) || size > rest.len() {
        return Slot::Damaged(Damage::Length);
    }
    let [first, sequence, time, kind] = [0, 8, 16, 24].map(|word| u64_at(rest, word));
    let header = [length as u64 | (at as u64) << 32, sequence, time, kind];
    let crc = crc::append(record_check(salt, &header), &rest[RECORD_HEADER..length]);
    if u64::from(crc) != first >> 32 {
        return Slot::Damaged(Damage::Checksum);
    }
    if kind > 0xff || !is_zero(&rest[length..size]) {
        return Slot::Damaged(Damage::Flags);
    }
    let payload = length - RECORD_HEADER;
    Slot::Record(RawRecord { sequence, time: Nanos(time), kind: kind as u8, payload, size })
}

/// How a segment ends, when nothing sound stands at an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Nothing was ever written beyond.
    Clean,
    /// A record was begun, or its bytes were lost; nothing sound follows.
    Torn(Damage),
    /// Sound records follow.
    Corrupt(Damage),
}

/// Says how a segment ends whose records are sound up to `at`; `expected` is the next sequence.
pub(super) fn end_at(bytes: &[u8], at: usize, salt: u32, expected: u64) -> End {
    let rest = bytes.get(at..).unwrap_or_default();
    let what = match slot_at(bytes, at, salt) {
        Slot::Empty if is_zero(rest) => return End::Clean,
        Slot::Empty => Damage::Hole,
        Slot::Damaged(what) => what,
        Slot::Record(record) => {
            return End::Corrupt(Damage::Sequence { expected, found: record.sequence });
        }
    };
    if record_follows(bytes, at + 8, salt, expected) { End::Corrupt(what) } else { End::Torn(what) }
}

/// Whether a sound record with a sequence that could follow begins at `from` or later.
pub(super) fn record_follows(bytes: &[u8], from: usize, salt: u32, expected: u64) -> bool {
    let most = (bytes.len() / RECORD_HEADER) as u64;
    (from..bytes.len().saturating_sub(RECORD_HEADER - 1)).step_by(8).any(|at| {
        let ahead = u64_at(bytes, at + 8).wrapping_sub(expected);
        ahead <= most && matches!(slot_at(bytes, at, salt), Slot::Record(_))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crc32c::{crc32c, crc32c_append};

    /// The file format, byte for byte: a change here is a new version.
    #[test]
    fn a_header_and_a_record_have_these_bytes() {
        let (header, salt) = encode_header(7, Nanos(0x0102_0304), 0x1000);
        assert_eq!(&header[..8], b"STOOPJNL");
        assert_eq!(&header[8..24], &[6, 0, 0, 0, 64, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(&header[24..40], &[4, 3, 2, 1, 0, 0, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0]);
        assert_eq!(&header[40..44], &[0; 4]);
        assert_eq!(header[44..48], salt.to_le_bytes());
        assert_eq!(salt, crc32c(&header[..44]));

        let words = encode_record(64, salt, 9, Nanos(5), 3, b"abc");
        assert_eq!(words[0] & 0xffff_ffff, 35);
        assert_eq!(&words[1..], &[9, 5, 3]);
        let mut covered = vec![35, 0, 0, 0, 64, 0, 0, 0];
        words[1..].iter().for_each(|word| covered.extend(word.to_le_bytes()));
        covered.extend(b"abc");
        assert_eq!(words[0] >> 32, u64::from(crc32c_append(salt, &covered)));
    }

    #[test]
    fn the_checksum_is_castagnoli() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn a_record_copied_to_another_place_is_none() {
        let mut bytes = vec![0u8; 256];
        let words = encode_record(64, 1, 9, Nanos(5), 3, b"");
        for (index, word) in words.iter().enumerate() {
            bytes[64 + index * 8..][..8].copy_from_slice(&word.to_le_bytes());
        }
        let expected = RawRecord { sequence: 9, time: Nanos(5), kind: 3, payload: 0, size: 32 };
        assert_eq!(slot_at(&bytes, 64, 1), Slot::Record(expected));
        assert_eq!(slot_at(&bytes, 64, 2), Slot::Damaged(Damage::Checksum));
        bytes.copy_within(64..96, 128);
        assert_eq!(slot_at(&bytes, 128, 1), Slot::Damaged(Damage::Checksum));
    }

    #[test]
    fn sizes() {
        assert_eq!(record_size(0), Some(32));
        assert_eq!(record_size(1), Some(40));
        assert_eq!(record_size(8), Some(40));
        assert_eq!(record_size(PAYLOAD_MAX), Some(65_536));
        assert_eq!(record_size(PAYLOAD_MAX + 1), None);
    }
}
