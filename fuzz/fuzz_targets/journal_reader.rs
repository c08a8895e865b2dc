//! Any bytes as the segments of a journal: nothing panics, and every record that is handed out is
//! proved by its checksum (computed here again, from the bytes) and follows the one before it.
//!
//! The input is a small program: it writes a sound journal, breaks it, and may make the checksums
//! right again, because no search finds a CRC by chance. Input that begins with an even byte is
//! taken as raw segments instead.

#![no_main]

use crc32c::crc32c_append;
use libfuzzer_sys::fuzz_target;
use stoop::journal::{MemoryFolder, Need, Place, Reader, SyncPolicy, Writer, WriterOptions};
use stoop::types::Nanos;

const SEGMENT: usize = 4096;

/// Takes numbers and bytes off the input; zeros when it is used up.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn byte(&mut self) -> u8 {
        self.bytes(1).first().copied().unwrap_or(0)
    }

    fn number(&mut self) -> usize {
        usize::from(self.byte()) << 8 | usize::from(self.byte())
    }

    fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (head, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        head
    }
}

fn options(folder: &MemoryFolder) -> WriterOptions {
    WriterOptions {
        segment_bytes: SEGMENT as u64,
        reserve_bytes: Some(512),
        sync: SyncPolicy::Never,
        ..WriterOptions::new(Place::Memory(folder.clone()))
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    let four = bytes.get(at..at + 4).and_then(|four| four.try_into().ok());
    u32::from_le_bytes(four.unwrap_or_default())
}

/// The checksum of the record at `at`, as the format's description has it.
fn record_crc(bytes: &[u8], at: usize, length: usize) -> Option<u32> {
    let record = bytes.get(at..at.checked_add(length)?)?;
    let mut crc = crc32c_append(word(bytes, 44), record.get(..4)?);
    crc = crc32c_append(crc, &(at as u32).to_le_bytes());
    Some(crc32c_append(crc, record.get(8..)?))
}

/// Makes the checksum of one record or header right again, whatever it says.
fn mend(bytes: &mut [u8], at: usize) {
    let at = at / 8 * 8;
    if bytes.len() < 64 {
    } else if at < 64 {
        let salt = crc32c::crc32c(&bytes[..44]);
        bytes[44..48].copy_from_slice(&salt.to_le_bytes());
        let opening = crc32c_append(salt, &bytes[48..56]);
        bytes[56..60].copy_from_slice(&opening.to_le_bytes());
    } else if let Some(crc) = record_crc(bytes, at, word(bytes, at) as usize) {
        bytes[at + 4..at + 8].copy_from_slice(&crc.to_le_bytes());
    }
}

/// A sound journal.
fn written(input: &mut Input) -> MemoryFolder {
    let folder = MemoryFolder::new();
    let (mut writer, _) = Writer::open(&options(&folder), Nanos(1), None).unwrap();
    for _ in 0..input.byte() {
        let (kind, len, byte) = (input.byte(), input.number() % 900, input.byte());
        writer.append(kind, Need::Normal, Nanos(2), &vec![byte; len]).unwrap();
    }
    drop(writer);
    folder
}

/// Breaks a journal in a few places.
fn disturb(folder: &MemoryFolder, input: &mut Input) {
    while !input.0.is_empty() {
        let (deed, number, at) = (input.byte(), u64::from(input.byte() % 8), input.number());
        let value = input.byte();
        folder.disturb(number, |bytes| {
            let at = at % (bytes.len() + 1);
            match deed % 8 {
                0 => bytes.truncate(at),
                1 => bytes[at..].fill(0),
                2 => {
                    let count = usize::from(value).min(bytes.len() - at);
                    let garbage = input.bytes(count);
                    bytes[at..at + garbage.len()].copy_from_slice(garbage);
                }
                3 => bytes.resize(at + usize::from(value), value),
                4 => {
                    let count = (usize::from(value) * 8).min(bytes.len() - at);
                    bytes.copy_within(at..at + count, at / 2);
                }
                5 | 6 => mend(bytes, at),
                _ => {
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte ^= value;
                    }
                }
            }
        });
    }
}

/// Reads all there is and proves it; the last sequence, if the journal is sound.
fn read(folder: &MemoryFolder) -> Option<u64> {
    let segments = folder.segments();
    let mut reader = Reader::open(&Place::Memory(folder.clone()), 0).ok()?;
    let mut expected = None;
    while let Some(record) = reader.next().ok()? {
        assert!(expected.is_none_or(|expected| expected == record.sequence));
        expected = record.sequence.checked_add(1);
        let segment = segments.iter().find(|(number, _)| *number == record.segment);
        let (_, bytes) = segment.expect("a segment that is there");
        let at = record.offset as usize;
        let length = word(bytes, at) as usize;
        assert_eq!(length, 32 + record.payload.len());
        assert_eq!(record.payload, &bytes[at + 32..at + length]);
        assert_eq!(record_crc(bytes, at, length), Some(word(bytes, at + 4)));
        assert_eq!(bytes[at + 8..at + 16], record.sequence.to_le_bytes());
        assert_eq!(bytes[at + 16..at + 24], record.time.0.to_le_bytes());
        assert_eq!(bytes[at + 24], record.kind);
    }
    Some(reader.next_sequence())
}

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let folder = if input.byte() % 2 == 0 {
        let mut segments = Vec::new();
        while !input.0.is_empty() && segments.len() < 8 {
            let len = input.number();
            segments.push(input.bytes(len).to_vec());
        }
        MemoryFolder::of_segments(segments)
    } else {
        let folder = written(&mut input);
        disturb(&folder, &mut input);
        folder
    };
    let before = read(&folder);
    // A last segment gets the length that its header says: not one that eats the memory here.
    if folder.segments().iter().any(|(_, bytes)| word(bytes, 32) > 1 << 20) {
        return;
    }
    // A writer reads the last segment only, so it may accept what a reader of all refuses.
    let Ok((mut writer, opened)) = Writer::open(&options(&folder), Nanos(1), None) else { return };
    if let Some(next) = before {
        assert_eq!(opened.next_sequence, next.max(1));
    }
    if writer.append(1, Need::Essential, Nanos(3), b"one more").is_ok() {
        assert_eq!(read(&folder).is_some(), before.is_some());
    }
});
