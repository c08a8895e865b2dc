//! A journal folder in memory, for simulations and tests: it can run full, and it can die at any
//! byte and be picked up again.
//!
//! It is no disk that forgets: what was written before the crash is there after it, as after
//! `kill -9`. It takes a lock per record, so it is not for the path of an engine that trades.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A journal folder in memory. Clones are the same folder.
#[derive(Clone, Debug, Default)]
pub struct MemoryFolder(Arc<Mutex<Contents>>);

#[derive(Debug, Default)]
struct Contents {
    segments: BTreeMap<u64, Vec<u8>>,
    snapshots: BTreeMap<u64, Vec<u8>>,
    /// Most bytes of all files, unlimited if `None`.
    budget: Option<u64>,
    /// Bytes written into segments so far.
    written: u64,
    /// The byte at which writing ends for ever.
    crash_at: Option<u64>,
    crashed: bool,
    /// Syncs fail.
    unstorable: bool,
    /// Whether a writer has it.
    locked: bool,
}

impl MemoryFolder {
    /// An empty folder without limit.
    pub fn new() -> Self {
        Self::default()
    }

    /// A folder that holds these bytes as its segments 1, 2, 3 and so on.
    pub fn of_segments(segments: Vec<Vec<u8>>) -> Self {
        let folder = Self::default();
        folder.contents().segments = (1..).zip(segments).collect();
        folder
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes that all files together may take up; files that are there already stay.
    pub fn set_budget(&self, bytes: Option<u64>) {
        self.contents().budget = bytes;
    }

    /// Snapshots that are there.
    pub fn snapshot_count(&self) -> usize {
        self.contents().snapshots.len()
    }

    /// Whether the disk fails to store what is written from now on.
    pub fn fail_syncs(&self, fail: bool) {
        self.contents().unstorable = fail;
    }

    pub(super) fn sync(&self) -> std::io::Result<()> {
        match self.contents().unstorable {
            true => Err(std::io::Error::other("told to fail")),
            false => Ok(()),
        }
    }

    /// Bytes that writers put into segments so far, in the order in which they were put.
    pub fn written(&self) -> u64 {
        self.contents().written
    }

    /// Number of the newest segment, 0 without any.
    pub fn newest(&self) -> u64 {
        self.contents().segments.last_key_value().map_or(0, |(number, _)| *number)
    }

    /// From the byte `at` of [`Self::written`] on nothing is written any more: the writer is told
    /// [`super::AppendError::Failed`], its process must be taken for dead.
    pub fn crash_at(&self, at: u64) {
        self.contents().crash_at = Some(at);
    }

    /// Whether that byte was reached.
    pub fn crashed(&self) -> bool {
        self.contents().crashed
    }

    /// What a new process finds after the crash: a copy, without crash and without lock. Whoever
    /// still has the old folder cannot change it.
    pub fn after_crash(&self) -> Self {
        let contents = self.contents();
        let copy = Contents {
            segments: contents.segments.clone(),
            snapshots: contents.snapshots.clone(),
            budget: contents.budget,
            written: contents.written,
            ..Contents::default()
        };
        Self(Arc::new(Mutex::new(copy)))
    }

    /// A copy of the segments, by number.
    pub fn segments(&self) -> Vec<(u64, Vec<u8>)> {
        let contents = self.contents();
        contents.segments.iter().map(|(number, bytes)| (*number, bytes.clone())).collect()
    }

    /// Changes the bytes of a segment, as a fault would. Nothing happens if it is not there.
    pub fn disturb(&self, number: u64, change: impl FnOnce(&mut Vec<u8>)) {
        if let Some(bytes) = self.contents().segments.get_mut(&number) {
            change(bytes);
        }
    }

    /// Changes the bytes of a snapshot, as a fault would. Nothing happens if it is not there.
    pub fn disturb_snapshot(&self, sequence: u64, change: impl FnOnce(&mut Vec<u8>)) {
        if let Some(bytes) = self.contents().snapshots.get_mut(&sequence) {
            change(bytes);
        }
    }

    /// Takes the lock; `false`: another writer has it.
    pub(super) fn lock(&self) -> bool {
        !std::mem::replace(&mut self.contents().locked, true)
    }

    pub(super) fn unlock(&self) {
        self.contents().locked = false;
    }

    /// Adds a segment; `false`: no space.
    pub(super) fn create(&self, number: u64, header: &[u8], len: usize) -> bool {
        let mut contents = self.contents();
        if contents.crashed || !contents.has_space(len) {
            return false;
        }
        let mut bytes = vec![0; len];
        bytes[..header.len()].copy_from_slice(header);
        contents.segments.insert(number, bytes);
        true
    }

    /// Writes as much as may still be written; `false`: not all.
    pub(super) fn put(&self, number: u64, at: usize, bytes: &[u8]) -> bool {
        let contents = &mut *self.contents();
        let left = contents.crash_at.map_or(u64::MAX, |at| at.saturating_sub(contents.written));
        let count = if contents.crashed { 0 } else { left.min(bytes.len() as u64) as usize };
        if let Some(segment) = contents.segments.get_mut(&number) {
            segment[at..at + count].copy_from_slice(&bytes[..count]);
        }
        contents.written += count as u64;
        contents.crashed |= count < bytes.len();
        count == bytes.len()
    }

    /// Sets everything from `at` on to zero, and the length to `len`.
    pub(super) fn cut(&self, number: u64, at: usize, len: usize) {
        self.disturb(number, |bytes| {
            bytes.truncate(at);
            bytes.resize(len, 0);
        });
    }

    /// Shows the bytes of a segment; of one that is not there, none.
    pub(super) fn look_at(&self, number: u64, show: impl FnOnce(&[u8])) {
        show(self.contents().segments.get(&number).map_or(&[], Vec::as_slice));
    }

    pub(super) fn segment(&self, number: u64) -> Option<Vec<u8>> {
        self.contents().segments.get(&number).cloned()
    }

    pub(super) fn len(&self, number: u64) -> usize {
        self.contents().segments.get(&number).map_or(0, Vec::len)
    }

    pub(super) fn numbers(&self) -> Vec<u64> {
        self.contents().segments.keys().copied().collect()
    }

    pub(super) fn remove(&self, number: u64) {
        self.contents().segments.remove(&number);
    }

    /// Adds a snapshot; `false`: no space.
    pub(super) fn add_snapshot(&self, sequence: u64, bytes: Vec<u8>) -> bool {
        let mut contents = self.contents();
        let space = !contents.crashed && contents.has_space(bytes.len());
        if space {
            contents.snapshots.insert(sequence, bytes);
        }
        space
    }

    pub(super) fn snapshot(&self, sequence: u64) -> Option<Vec<u8>> {
        self.contents().snapshots.get(&sequence).cloned()
    }

    pub(super) fn snapshots(&self) -> Vec<u64> {
        self.contents().snapshots.keys().copied().collect()
    }

    pub(super) fn remove_snapshot(&self, sequence: u64) {
        self.contents().snapshots.remove(&sequence);
    }
}

impl Contents {
    fn has_space(&self, bytes: usize) -> bool {
        let files = self.segments.values().chain(self.snapshots.values());
        let used: u64 = files.map(|bytes| bytes.len() as u64).sum();
        self.budget.is_none_or(|budget| used.saturating_add(bytes as u64) <= budget)
    }
}
