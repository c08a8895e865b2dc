//! One segment to write in, mapped or in memory: the same few deeds for both.

#![forbid(unsafe_code)]

use super::error::AppendError;
use super::format::{OPENING, RECORD_HEADER, opening_check};
use super::map::{Keeper, MappedSegment};
use super::memory::MemoryFolder;
use std::borrow::Cow;
use std::io;

/// One segment; who owns it is the only one to write in it.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) number: u64,
    pub(super) salt: u32,
    bytes: Bytes,
}

#[derive(Debug)]
enum Bytes {
    Mapped(MappedSegment),
    Memory { folder: MemoryFolder, len: usize },
}

impl Segment {
    pub(super) fn mapped(mapped: MappedSegment, number: u64, salt: u32) -> Self {
        Self { number, salt, bytes: Bytes::Mapped(mapped) }
    }

    pub(super) fn in_memory(folder: MemoryFolder, number: u64, salt: u32, len: usize) -> Self {
        Self { number, salt, bytes: Bytes::Memory { folder, len } }
    }

    /// Bytes of the whole file.
    pub(super) fn len(&self) -> usize {
        match &self.bytes {
            Bytes::Mapped(mapped) => mapped.len(),
            Bytes::Memory { len, .. } => *len,
        }
    }

    /// What another thread may ask of it; `None` in memory.
    pub(super) fn keeper(&self) -> Option<&Keeper> {
        match &self.bytes {
            Bytes::Mapped(mapped) => Some(mapped.keeper()),
            Bytes::Memory { .. } => None,
        }
    }

    /// All bytes.
    pub(super) fn bytes(&self) -> Cow<'_, [u8]> {
        match &self.bytes {
            Bytes::Mapped(mapped) => Cow::Borrowed(mapped.bytes()),
            Bytes::Memory { folder, .. } => {
                Cow::Owned(folder.segment(self.number).unwrap_or_default())
            }
        }
    }

    /// Writes a record at `at`, its first word last.
    #[inline]
    pub(super) fn write(
        &mut self,
        at: usize,
        header: &[u64; 4],
        payload: &[u8],
    ) -> Result<(), AppendError> {
        let mut rest = [0; RECORD_HEADER - 8];
        for (slot, word) in rest.chunks_exact_mut(8).zip(&header[1..]) {
            slot.copy_from_slice(&word.to_le_bytes());
        }
        match &mut self.bytes {
            Bytes::Mapped(mapped) => {
                mapped.put(at + RECORD_HEADER, payload);
                mapped.put(at + 8, &rest);
                mapped.commit(at, header[0]);
                Ok(())
            }
            Bytes::Memory { folder, .. } => {
                let written = folder.put(self.number, at + RECORD_HEADER, payload)
                    && folder.put(self.number, at + 8, &rest)
                    && folder.put(self.number, at, &header[0].to_le_bytes());
                if written { Ok(()) } else { Err(AppendError::Failed) }
            }
        }
    }

    /// Marks it as opened: its first record will have this sequence.
    pub(super) fn open(&mut self, first_sequence: u64) -> Result<(), AppendError> {
        let check = opening_check(self.salt, first_sequence);
        match &mut self.bytes {
            Bytes::Mapped(mapped) => {
                mapped.put(OPENING + 8, &check);
                mapped.commit(OPENING, first_sequence);
                Ok(())
            }
            Bytes::Memory { folder, .. } => {
                let opened = folder.put(self.number, OPENING + 8, &check)
                    && folder.put(self.number, OPENING, &first_sequence.to_le_bytes());
                if opened { Ok(()) } else { Err(AppendError::Failed) }
            }
        }
    }

    /// Sets everything from `at` on to zero.
    pub(super) fn zero_from(&mut self, at: usize) {
        match &mut self.bytes {
            Bytes::Mapped(mapped) => mapped.zero_from(at),
            Bytes::Memory { folder, len } => folder.cut(self.number, at, *len),
        }
    }

    /// Waits until the disk has what was written.
    pub(super) fn sync(&self) -> io::Result<()> {
        match &self.bytes {
            Bytes::Mapped(mapped) => mapped.keeper().sync(),
            Bytes::Memory { folder, .. } => folder.sync(),
        }
    }
}
