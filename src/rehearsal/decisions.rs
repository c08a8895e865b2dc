//! A hash over every decision of a rehearsal and every payment of funding, by which two of them are told apart.

#![forbid(unsafe_code)]

use crate::journal::{MemoryFolder, Place, Reader};
use crate::oms::Record;
use crate::types::InstrumentTable;
use sha2::{Digest, Sha256};

/// So much is taken at once.
const LOOKED_BYTES: u64 = 1 << 20;

/// The hash over what was decided and when, made while it is recorded: the journal keeps no more than what
/// came after its last snapshots, however long the rehearsal is.
pub(super) struct Decisions {
    hash: Sha256,
    folder: MemoryFolder,
    /// The next record to take.
    next: u64,
    /// Bytes that had been written at the last look, and the segment.
    seen: (u64, u64),
}

impl Decisions {
    pub(super) fn new(instruments: &InstrumentTable, folder: MemoryFolder) -> Self {
        let mut hash = Sha256::new();
        for instrument in instruments.iter() {
            hash.update(instrument.name.as_bytes());
            hash.update([0]);
        }
        Self { hash, folder, next: 0, seen: (0, 0) }
    }

    /// The journal goes on in this copy of its folder.
    pub(super) fn go_on_in(&mut self, folder: MemoryFolder) -> Result<(), String> {
        self.folder = folder;
        self.take()
    }

    /// Takes what was recorded, if that is much or a segment has ended.
    pub(super) fn look(&mut self) -> Result<(), String> {
        let (written, segment) = (self.folder.written(), self.folder.newest());
        if written - self.seen.0 < LOOKED_BYTES && segment == self.seen.1 {
            return Ok(());
        }
        self.seen = (written, segment);
        self.take()
    }

    fn take(&mut self) -> Result<(), String> {
        let place = Place::Memory(self.folder.clone());
        let mut reader = Reader::open(&place, self.next).map_err(|error| error.to_string())?;
        while let Some(raw) = reader.next().map_err(|error| error.to_string())? {
            self.next = raw.sequence + 1;
            let record = Record::decode(raw.payload).map_err(|error| error.to_string())?;
            let decided = matches!(
                record,
                Record::Request(..)
                    | Record::Intent { .. }
                    | Record::Refusal { .. }
                    | Record::Command(..)
                    | Record::Funding(..)
            );
            if decided {
                self.hash.update(raw.time.0.to_le_bytes());
                self.hash.update(raw.payload);
            }
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<[u8; 32], String> {
        self.take()?;
        Ok(self.hash.finalize().into())
    }
}
