//! One mapped segment file: made with its space reserved, written through memory. The only unsafe
//! code of the journal.
//!
//! Two handles share a mapping: [`MappedSegment`], which one thread at a time owns and which alone
//! reads and writes its bytes, and [`Keeper`], which only asks the system to store pages or to
//! have them ready. It assumes that no other process writes the file or cuts it short while it is
//! mapped: the journal's lock keeps other engines away, and nothing keeps its own user from it.
//!
//! A full disk is an error where the file is made, never a signal later: every block is there
//! before the file gets its name. A file system that writes to new blocks each time (btrfs, zfs)
//! breaks that promise; keep the journal on ext4, xfs or tmpfs.

use memmap2::{Advice, MmapOptions, MmapRaw};
use rustix::fs::{FallocateFlags, fallocate, fdatasync};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering, compiler_fence};

/// Distance in which touching a byte touches every page.
const PAGE: usize = 4096;

/// A mapped file and what may be asked of it by any thread: that it be stored, that pages be ready.
#[derive(Clone, Debug)]
pub(super) struct Keeper {
    file: Arc<File>,
    map: Arc<MmapRaw>,
}

impl Keeper {
    /// Waits until the disk has what was written before the call.
    pub(super) fn sync(&self) -> io::Result<()> {
        // On Linux this stores pages dirtied through a mapping too; msync would do the same.
        Ok(fdatasync(&*self.file)?)
    }

    /// Bytes of the file.
    pub(super) fn len(&self) -> usize {
        self.map.len()
    }

    /// Makes the pages of `len` bytes from `at` writable without a fault. What they hold stays. They
    /// count as written from then on: each is stored by the next sync, which has to interrupt every
    /// thread of the process for each of them.
    pub(super) fn warm(&self, at: usize, len: usize) -> io::Result<()> {
        let at = at / PAGE * PAGE;
        if at >= self.map.len() {
            return Ok(());
        }
        let len = len.min(self.map.len() - at);
        self.map.advise_range(Advice::PopulateWrite, at, len)
    }
}

/// The one handle through which a mapped segment is read and written.
#[derive(Debug)]
pub(super) struct MappedSegment {
    keeper: Keeper,
}

impl MappedSegment {
    /// Reserves the space of a new, empty file and maps it.
    pub(super) fn create(file: File, len: usize) -> io::Result<Self> {
        reserve(&file, len as u64)?;
        Self::open(file)
    }

    /// Maps a file as it is. Its length must not be 0.
    pub(super) fn open(file: File) -> io::Result<Self> {
        let map = Arc::new(MmapOptions::new().map_raw(&file)?);
        Ok(Self { keeper: Keeper { file: Arc::new(file), map } })
    }

    pub(super) fn keeper(&self) -> &Keeper {
        &self.keeper
    }

    pub(super) fn len(&self) -> usize {
        self.keeper.map.len()
    }

    /// All bytes of the file.
    pub(super) fn bytes(&self) -> &[u8] {
        let map = &self.keeper.map;
        // SAFETY: the mapping is readable, `len` bytes long and stays while `self` does. Only this
        // handle writes to it, which it cannot while `self` is borrowed; a `Keeper` never does.
        unsafe { std::slice::from_raw_parts(map.as_ptr(), map.len()) }
    }

    /// Copies bytes to `at`. The room is checked by the caller; a wrong one is a bug.
    #[inline]
    pub(super) fn put(&mut self, at: usize, bytes: &[u8]) {
        let map = &self.keeper.map;
        assert!(at <= map.len() && bytes.len() <= map.len() - at, "a record beyond its segment");
        // SAFETY: the range lies in the writable mapping, as just checked, and does not overlap
        // `bytes`, because a borrow of the mapping excludes the unique borrow that this takes.
        unsafe { map.as_mut_ptr().add(at).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) }
    }

    /// Stores the eight bytes at `at`, a multiple of 8, in one store, after all earlier ones.
    #[inline]
    pub(super) fn commit(&mut self, at: usize, word: u64) {
        let map = &self.keeper.map;
        assert!(
            at.is_multiple_of(8) && at < map.len() && map.len() - at >= 8,
            "a word off its place"
        );
        // SAFETY: the word lies in the writable mapping and is aligned, because the mapping begins
        // on a page. Nobody else reads or writes it through this mapping.
        let place = unsafe { AtomicU64::from_ptr(map.as_mut_ptr().add(at).cast()) };
        // Release: the record's other bytes are written before its length. A killed process leaves
        // what its instructions did, in their order.
        place.store(word.to_le(), Ordering::Release);
        compiler_fence(Ordering::SeqCst);
    }

    /// Sets everything from `at` on to zero.
    pub(super) fn zero_from(&mut self, at: usize) {
        let map = &self.keeper.map;
        let at = at.min(map.len());
        // SAFETY: the range lies in the writable mapping, and nobody else accesses it.
        unsafe { map.as_mut_ptr().add(at).write_bytes(0, map.len() - at) }
    }
}

/// Gives a file `len` bytes of real blocks, all zero beyond what it has.
pub(super) fn reserve(file: &File, len: u64) -> io::Result<()> {
    match fallocate(file, FallocateFlags::empty(), 0, len) {
        Ok(()) => Ok(()),
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => write_zeros(file, len),
        Err(error) => Err(error.into()),
    }
}

fn write_zeros(mut file: &File, len: u64) -> io::Result<()> {
    let zeros = [0; 64 * 1024];
    let mut at = file.seek(SeekFrom::End(0))?;
    while at < len {
        let count = zeros.len().min((len - at) as usize);
        file.write_all(&zeros[..count])?;
        at += count as u64;
    }
    Ok(())
}

#[cfg(all(test, not(miri)))]
mod tests {
    use super::*;

    fn file() -> File {
        let name = format!("stoop-map-{}-{:?}", std::process::id(), std::thread::current().id());
        let path = std::env::temp_dir().join(name);
        let mut options = File::options();
        let file = options.read(true).write(true).create(true).truncate(true).open(&path).unwrap();
        std::fs::remove_file(path).unwrap();
        file
    }

    #[test]
    fn what_is_put_is_in_the_file() {
        let file = file();
        let mut segment = MappedSegment::create(file.try_clone().unwrap(), 8192).unwrap();
        segment.put(5000, b"abc");
        segment.commit(8, 0x0102);
        segment.keeper().sync().unwrap();
        let mut bytes = vec![0; 8192];
        std::os::unix::fs::FileExt::read_exact_at(&file, &mut bytes, 0).unwrap();
        assert_eq!(&bytes[5000..5003], b"abc");
        assert_eq!(&bytes[8..16], &[2, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(bytes, segment.bytes());
        segment.zero_from(5001);
        assert_eq!(&segment.bytes()[5000..5004], b"a\0\0\0");
    }

    #[test]
    fn zeros_are_written_where_space_cannot_be_reserved() {
        let file = file();
        file.set_len(10).unwrap();
        write_zeros(&file, 200_000).unwrap();
        let meta = file.metadata().unwrap();
        assert_eq!(meta.len(), 200_000);
        assert!(std::os::unix::fs::MetadataExt::blocks(&meta) * 512 >= 196_608);
    }

    #[test]
    fn ranges_beyond_the_end_are_nothing_to_warm() {
        let segment = MappedSegment::create(file(), 8192).unwrap();
        segment.keeper().warm(4096, 1 << 20).unwrap();
        segment.keeper().warm(8192, 10).unwrap();
    }
}
