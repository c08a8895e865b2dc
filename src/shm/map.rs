//! Mapped files: make, open for writing, open for reading only.
//!
//! A file is made under another name and appears under its own by a rename, so nobody ever opens
//! half of one, and a reader of the file that it replaces keeps the old memory. Its space is
//! reserved at once: a full `/dev/shm` is an error at start, not a fatal signal later. Directory
//! and files are for their owner alone.
//!
//! What this cannot do: a process that may write a file may also cut it short under a mapping,
//! which is fatal to all who mapped it. Only the engine's own user can, and nothing here does.

use super::RegionError;
use crate::sync::words::{ReadWords, Words};
use memmap2::{MmapOptions, MmapRaw};
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::sync::Arc;

// Only 64-bit machines load a 64-bit atomic from read-only memory by a plain load.
const _: () = assert!(cfg!(target_pointer_width = "64"));

/// Attaches the path and the deed to an error of the system.
fn io_error(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> RegionError {
    move |source| RegionError::Io { path: path.to_owned(), action, source }
}

/// Makes the directory of an instance, or takes over one that is ours. Others may not look inside.
pub(super) fn make_dir(dir: &Path) -> Result<(), RegionError> {
    let builder_error = io_error(dir, "make the directory");
    DirBuilder::new().mode(0o700).recursive(true).create(dir).map_err(builder_error)?;
    let meta = fs::symlink_metadata(dir).map_err(io_error(dir, "look at"))?;
    let ours = meta.uid() == rustix::process::geteuid().as_raw();
    if !meta.is_dir() || !ours {
        let source = io::Error::from(io::ErrorKind::PermissionDenied);
        return Err(io_error(dir, "take over another user's directory")(source));
    }
    if meta.mode() & 0o777 != 0o700 {
        let set = fs::set_permissions(dir, Permissions::from_mode(0o700));
        set.map_err(io_error(dir, "close to others the directory"))?;
    }
    Ok(())
}

/// The lock of a file or directory, held until it is dropped or the process ends. It is given
/// back by hand: closing the file is not enough while a mapping of it lives.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Lock {
    /// `None`: another has it.
    pub(super) fn take(file: File, path: &Path) -> Result<Option<Self>, RegionError> {
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => Err(io_error(path, "lock")(source)),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

/// Opens a directory, to lock it.
pub(super) fn open_dir(dir: &Path) -> Result<File, RegionError> {
    File::open(dir).map_err(io_error(dir, "open"))
}

/// A file that is not yet under its name.
#[derive(Debug)]
pub(super) struct NewFile {
    /// Its zeroed words.
    pub(super) words: Words,
    file: File,
    path: PathBuf,
    temporary: PathBuf,
}

impl NewFile {
    /// Makes a file of `len` words.
    pub(super) fn create(path: &Path, len: usize) -> Result<Self, RegionError> {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let temporary = path.with_file_name(format!(".{name}.{}", std::process::id()));
        let _ = fs::remove_file(&temporary);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temporary)
            .map_err(io_error(&temporary, "make"))?;
        let words = Self::fill(&file, &temporary, len).inspect_err(|_| {
            let _ = fs::remove_file(&temporary);
        })?;
        Ok(Self { words, file, path: path.to_owned(), temporary })
    }

    fn fill(file: &File, path: &Path, len: usize) -> Result<Words, RegionError> {
        let bytes = len as u64 * 8;
        rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, bytes)
            .map_err(|error| io_error(path, "reserve the space of")(error.into()))?;
        writable(file, path)
    }

    /// Takes its lock.
    pub(super) fn lock(&self) -> Result<Option<Lock>, RegionError> {
        let file = self.file.try_clone().map_err(io_error(&self.temporary, "lock"))?;
        Lock::take(file, &self.temporary)
    }

    /// Gives it its name. Whatever had that name is replaced.
    pub(super) fn publish(self) -> Result<(Words, Named), RegionError> {
        let renamed = fs::rename(&self.temporary, &self.path);
        renamed.map_err(io_error(&self.path, "put in place")).inspect_err(|_| {
            let _ = fs::remove_file(&self.temporary);
        })?;
        let meta = self.file.metadata().map_err(io_error(&self.path, "look at"))?;
        let named = Named { path: self.path, inode: meta.ino() };
        Ok((self.words, named))
    }
}

/// Removes a file's name when dropped, unless the name belongs to another file by then. Whoever
/// has the file mapped keeps the memory.
#[derive(Debug)]
pub(super) struct Named {
    path: PathBuf,
    inode: u64,
}

impl Drop for Named {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|meta| meta.ino() == self.inode) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Opens an existing file without following a link at its end.
fn open(path: &Path, write: bool) -> Result<File, RegionError> {
    let no_follow = rustix::fs::OFlags::NOFOLLOW.bits() as i32;
    let mut options = OpenOptions::new();
    options.read(true).write(write).custom_flags(no_follow);
    let file = options.open(path).map_err(io_error(path, "open"))?;
    let meta = file.metadata().map_err(io_error(path, "look at"))?;
    if meta.is_file() { Ok(file) } else { Err(RegionError::Foreign { path: path.to_owned() }) }
}

/// Opens a file and maps it read-only.
pub(super) fn open_read_only(path: &Path) -> Result<ReadWords, RegionError> {
    let file = open(path, false)?;
    let map = MmapOptions::new().map_raw_read_only(&file).map_err(io_error(path, "map"));
    let (start, len, owner) = parts(map_unless_empty(&file, path, map)?);
    // SAFETY: the mapping is page-aligned, `len` words long, holds plain integers and stays until
    // `owner` is dropped. Other processes change it, which the atomics are for; this handle only
    // loads, Relaxed, which is defined on read-only memory.
    Ok(unsafe { ReadWords::from_raw(start, len, owner) })
}

/// Opens a file and maps it for reading and writing.
pub(super) fn open_writable(path: &Path) -> Result<(File, Words), RegionError> {
    let file = open(path, true)?;
    let words = writable(&file, path)?;
    Ok((file, words))
}

fn writable(file: &File, path: &Path) -> Result<Words, RegionError> {
    // Every page is touched now, so that no first write faults later.
    let map = MmapOptions::new().populate().map_raw(file).map_err(io_error(path, "map"));
    let (start, len, owner) = parts(map_unless_empty(file, path, map)?);
    // SAFETY: the mapping is page-aligned, writable, `len` words long, holds plain integers and
    // stays until `owner` is dropped. Other processes change it, which the atomics are for.
    Ok(unsafe { Words::from_raw(start, len, owner) })
}

/// An empty file cannot be mapped; that is a file cut short, not a fault of the system.
fn map_unless_empty(
    file: &File,
    path: &Path,
    map: Result<MmapRaw, RegionError>,
) -> Result<MmapRaw, RegionError> {
    if cfg!(feature = "loom") {
        // Its atomics are larger than words.
        return Err(RegionError::Options { what: "a model checker uses no files".to_owned() });
    }
    let found = file.metadata().map_err(io_error(path, "look at"))?.len();
    if found < 8 {
        return Err(RegionError::Truncated { path: path.to_owned(), found, expected: 8 });
    }
    map
}

/// Start and whole words of a mapping, and what keeps it.
fn parts(map: MmapRaw) -> (NonNull<crate::sync::atomic::AtomicU64>, usize, Arc<MmapRaw>) {
    let owner = Arc::new(map);
    let start = NonNull::new(owner.as_mut_ptr().cast()).expect("a mapping is never at address 0");
    let len = owner.len() / 8;
    (start, len, owner)
}
