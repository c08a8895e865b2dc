//! Where a journal lies: a folder of the file system, or one in memory. Lists, reads, makes and
//! removes its files, and holds the lock that keeps a second writer away.

#![forbid(unsafe_code)]

use super::error::{JournalError, io_error};
use super::format::encode_header;
use super::housekeeper::WARM_BYTES;
use super::map::{self, MappedSegment};
use super::memory::MemoryFolder;
use super::segment::Segment;
use crate::types::Nanos;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Bytes that are read at once of what was written since the last look.
const REFRESHED: usize = 256 * 1024;

/// Where a journal lies.
#[derive(Clone, Debug)]
pub enum Place {
    /// A folder, made if it is not there.
    Folder(PathBuf),
    /// Memory, for simulations.
    Memory(MemoryFolder),
}

impl Place {
    /// The folder's name, for messages.
    pub fn path(&self) -> &Path {
        match self {
            Self::Folder(folder) => folder,
            Self::Memory(_) => Path::new("memory"),
        }
    }

    /// The path of a segment.
    pub fn segment_path(&self, number: u64) -> PathBuf {
        self.path().join(format!("segment-{number:06}.log"))
    }

    /// The path of a snapshot.
    pub fn snapshot_path(&self, sequence: u64) -> PathBuf {
        self.path().join(format!("snapshot-{sequence:020}"))
    }

    /// Numbers of the segments, rising.
    pub(super) fn segments(&self) -> Result<Vec<u64>, JournalError> {
        match self {
            Self::Folder(folder) => numbers(folder, "segment-", 6, ".log"),
            Self::Memory(memory) => Ok(memory.numbers()),
        }
    }

    /// Sequences of the snapshots, rising.
    pub(super) fn snapshots(&self) -> Result<Vec<u64>, JournalError> {
        match self {
            Self::Folder(folder) => numbers(folder, "snapshot-", 20, ""),
            Self::Memory(memory) => Ok(memory.snapshots()),
        }
    }

    /// Reads up to `most` bytes of a segment, in place of what `into` held.
    pub(super) fn read_segment(
        &self,
        number: u64,
        most: u64,
        into: &mut Vec<u8>,
    ) -> Result<(), JournalError> {
        into.clear();
        match self {
            Self::Folder(_) => {
                let path = self.segment_path(number);
                let file = open(&path, false)?;
                let len = file.metadata().map_err(io_error(&path, "look at"))?.len();
                into.reserve(len.min(most) as usize);
                file.take(most).read_to_end(into).map_err(io_error(path, "read"))?;
            }
            Self::Memory(memory) => {
                memory.look_at(number, |bytes| {
                    into.extend_from_slice(&bytes[..bytes.len().min(most as usize)]);
                });
            }
        }
        Ok(())
    }

    /// Reads a segment again from `at` on into what [`Place::read_segment`] gave, as far as something
    /// is written there.
    pub(super) fn refresh_segment(
        &self,
        number: u64,
        at: usize,
        into: &mut [u8],
    ) -> Result<(), JournalError> {
        match self {
            Self::Memory(memory) => {
                memory.look_at(number, |bytes| {
                    let len = bytes.len().min(into.len());
                    into[..len].copy_from_slice(&bytes[..len]);
                });
            }
            Self::Folder(_) => {
                let path = self.segment_path(number);
                let mut file = open(&path, false)?;
                let sought = file.seek(SeekFrom::Start(at as u64));
                sought.map_err(io_error(&path, "read"))?;
                for part in into.get_mut(at..).unwrap_or_default().chunks_mut(REFRESHED) {
                    let read = file.read(part).map_err(io_error(&path, "read"))?;
                    if read < part.len() || part[read - 8..] == [0; 8] {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// Bytes of a segment.
    pub(super) fn segment_len(&self, number: u64) -> Result<u64, JournalError> {
        match self {
            Self::Folder(_) => {
                let path = self.segment_path(number);
                let meta = fs::symlink_metadata(&path).map_err(io_error(path, "look at"))?;
                Ok(meta.len())
            }
            Self::Memory(memory) => Ok(memory.len(number) as u64),
        }
    }

    /// Makes a segment that is not opened yet: space reserved, its first pages ready, under its name only
    /// when whole. With `durable` the disk has it before this returns.
    pub(super) fn create_segment(
        &self,
        number: u64,
        now: Nanos,
        len: u64,
        durable: bool,
    ) -> Result<Segment, JournalError> {
        let path = self.segment_path(number);
        let (header, salt) = encode_header(number, now, len);
        let segment = match self {
            Self::Memory(memory) => {
                if !memory.create(number, &header, len as usize) {
                    let full = io::Error::from(io::ErrorKind::StorageFull);
                    return Err(io_error(path, "reserve the space of")(full));
                }
                return Ok(Segment::in_memory(memory.clone(), number, salt, len as usize));
            }
            Self::Folder(folder) => {
                let temporary = folder.join(format!(".segment-{number:06}.log.new"));
                let made = make_segment(&temporary, &path, &header, len as usize, durable);
                let mapped = made.inspect_err(|_| {
                    let _ = fs::remove_file(&temporary);
                })?;
                if durable {
                    sync_folder(folder)?;
                }
                Segment::mapped(mapped, number, salt)
            }
        };
        Ok(segment)
    }

    /// Opens a segment to go on writing in it, at its full length.
    pub(super) fn open_segment(
        &self,
        number: u64,
        salt: u32,
        len: u64,
    ) -> Result<Segment, JournalError> {
        match self {
            Self::Memory(memory) => {
                let found = memory.len(number);
                memory.cut(number, found.min(len as usize), len as usize);
                Ok(Segment::in_memory(memory.clone(), number, salt, len as usize))
            }
            Self::Folder(_) => {
                let path = self.segment_path(number);
                let file = open(&path, true)?;
                map::reserve(&file, len).map_err(io_error(&path, "reserve the space of"))?;
                let mapped = MappedSegment::open(file).map_err(io_error(path, "map"))?;
                Ok(Segment::mapped(mapped, number, salt))
            }
        }
    }

    /// Removes a segment.
    pub(super) fn remove_segment(&self, number: u64) -> Result<(), JournalError> {
        match self {
            Self::Memory(memory) => memory.remove(number),
            Self::Folder(_) => {
                let path = self.segment_path(number);
                fs::remove_file(&path).map_err(io_error(path, "remove"))?;
            }
        }
        Ok(())
    }

    /// Reads a snapshot file.
    pub(super) fn read_snapshot(&self, sequence: u64) -> Result<Vec<u8>, JournalError> {
        match self {
            Self::Memory(memory) => Ok(memory.snapshot(sequence).unwrap_or_default()),
            Self::Folder(_) => {
                let path = self.snapshot_path(sequence);
                let mut bytes = Vec::new();
                let read = open(&path, false)?.read_to_end(&mut bytes);
                read.map_err(io_error(path, "read"))?;
                Ok(bytes)
            }
        }
    }

    /// Writes a snapshot file so that it is there whole or not at all, and on the disk.
    pub(super) fn write_snapshot(
        &self,
        sequence: u64,
        parts: [&[u8]; 2],
    ) -> Result<(), JournalError> {
        let path = self.snapshot_path(sequence);
        match self {
            Self::Memory(memory) => {
                if !memory.add_snapshot(sequence, parts.concat()) {
                    let full = io::Error::from(io::ErrorKind::StorageFull);
                    return Err(io_error(path, "write")(full));
                }
                Ok(())
            }
            Self::Folder(folder) => {
                let temporary = folder.join(format!(".snapshot-{sequence:020}.new"));
                let written = write_whole(&temporary, &parts)
                    .and_then(|()| fs::rename(&temporary, &path))
                    .map_err(io_error(path, "write"));
                written.inspect_err(|_| {
                    let _ = fs::remove_file(&temporary);
                })?;
                sync_folder(folder)
            }
        }
    }

    /// Removes a snapshot.
    pub(super) fn remove_snapshot(&self, sequence: u64) -> Result<(), JournalError> {
        match self {
            Self::Memory(memory) => memory.remove_snapshot(sequence),
            Self::Folder(_) => {
                let path = self.snapshot_path(sequence);
                fs::remove_file(&path).map_err(io_error(path, "remove"))?;
            }
        }
        Ok(())
    }

    /// Makes the folder if need be and takes its lock; what a dead process left half made goes.
    pub fn lock(&self) -> Result<Lock, JournalError> {
        match self {
            Self::Memory(memory) if memory.lock() => Ok(Lock(Held::Memory(memory.clone()))),
            Self::Memory(_) => {
                Err(JournalError::InUse { folder: self.path().to_owned(), pid: std::process::id() })
            }
            Self::Folder(folder) => {
                make_folder(folder)?;
                let lock = lock_folder(folder)?;
                remove_unfinished(folder)?;
                Ok(Lock(Held::Folder(lock)))
            }
        }
    }
}

/// The right to write a journal, until it is dropped or the process ends.
#[derive(Debug)]
pub struct Lock(Held);

#[derive(Debug)]
enum Held {
    Folder(File),
    Memory(MemoryFolder),
}

impl Drop for Lock {
    fn drop(&mut self) {
        match &self.0 {
            Held::Folder(file) => drop(file.unlock()),
            Held::Memory(memory) => memory.unlock(),
        }
    }
}

fn lock_folder(folder: &Path) -> Result<File, JournalError> {
    let path = folder.join("lock");
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let mut file = options.open(&path).map_err(io_error(&path, "open"))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let _ = file.take(32).read_to_string(&mut text);
            let pid = text.trim().parse().unwrap_or(0);
            return Err(JournalError::InUse { folder: folder.to_owned(), pid });
        }
        Err(TryLockError::Error(source)) => return Err(io_error(path, "lock")(source)),
    }
    let pid = format!("{}\n", std::process::id());
    let written = file.set_len(0).and_then(|()| file.write_all(pid.as_bytes()));
    written.map_err(io_error(path, "write"))?;
    Ok(file)
}

/// Makes the folder, or takes over one that is ours. Others may not look inside.
fn make_folder(folder: &Path) -> Result<(), JournalError> {
    let made = DirBuilder::new().mode(0o700).recursive(true).create(folder);
    made.map_err(io_error(folder, "make the folder"))?;
    let meta = fs::symlink_metadata(folder).map_err(io_error(folder, "look at"))?;
    let meta = if meta.is_symlink() {
        fs::metadata(folder).map_err(io_error(folder, "look at"))?
    } else {
        meta
    };
    if meta.uid() != rustix::process::geteuid().as_raw() {
        let source = io::Error::from(io::ErrorKind::PermissionDenied);
        return Err(io_error(folder, "take over another user's folder")(source));
    }
    if meta.mode() & 0o777 != 0o700 {
        let set = fs::set_permissions(folder, Permissions::from_mode(0o700));
        set.map_err(io_error(folder, "close to others the folder"))?;
    }
    Ok(())
}

/// Removes files that were being made when their process died.
fn remove_unfinished(folder: &Path) -> Result<(), JournalError> {
    for entry in fs::read_dir(folder).map_err(io_error(folder, "list"))? {
        let path = entry.map_err(io_error(folder, "list"))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let ours = name.starts_with(".segment-") || name.starts_with(".snapshot-");
        if ours && name.ends_with(".new") {
            fs::remove_file(&path).map_err(io_error(&path, "remove"))?;
        }
    }
    Ok(())
}

/// The numbers in the names of files that begin and end so. A name that is written otherwise than
/// this program writes it is not ours.
fn numbers(folder: &Path, start: &str, width: usize, end: &str) -> Result<Vec<u64>, JournalError> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder).map_err(io_error(folder, "list"))? {
        let name = entry.map_err(io_error(folder, "list"))?.file_name();
        let name = name.to_str().unwrap_or_default();
        let digits = name.strip_prefix(start).and_then(|rest| rest.strip_suffix(end));
        let number = digits.and_then(|digits| digits.parse::<u64>().ok());
        numbers.extend(number.filter(|number| format!("{start}{number:0width$}{end}") == name));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

fn make_segment(
    temporary: &Path,
    path: &Path,
    header: &[u8],
    len: usize,
    durable: bool,
) -> Result<MappedSegment, JournalError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(true).mode(0o600);
    let file = options.open(temporary).map_err(io_error(temporary, "make"))?;
    let made = MappedSegment::create(file, len);
    let mut mapped = made.map_err(io_error(temporary, "reserve the space of"))?;
    mapped.put(0, header);
    if durable {
        mapped.keeper().sync().map_err(io_error(temporary, "store"))?;
    }
    // A kernel that cannot do it costs a fault now and then, no more.
    let _ = mapped.keeper().warm(0, WARM_BYTES);
    fs::rename(temporary, path).map_err(io_error(path, "put in place"))?;
    Ok(mapped)
}

fn write_whole(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path)?;
    parts.iter().try_for_each(|part| file.write_all(part))?;
    file.sync_all()
}

/// Waits until the disk has the names in a folder.
pub(super) fn sync_folder(folder: &Path) -> Result<(), JournalError> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(io_error(folder, "store the names in"))
}

/// Opens a file without following a link at its end.
fn open(path: &Path, write: bool) -> Result<File, JournalError> {
    let no_follow = rustix::fs::OFlags::NOFOLLOW.bits() as i32;
    let mut options = OpenOptions::new();
    options.read(true).write(write).custom_flags(no_follow);
    options.open(path).map_err(io_error(path, "open"))
}
