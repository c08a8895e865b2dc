//! The journal on real files: rotation and housekeeping, the lock, a process killed at random
//! moments, a file system that runs full, a reader beside a writer.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use stoop::journal::{
    AppendError, Hook, JournalError, Need, Place, Reader, SyncPolicy, Writer, WriterOptions,
    WriterStatus, snapshot,
};
use stoop::types::Nanos;

/// The variable that makes this program the child of the kill test.
const CHILD: &str = "STOOP_JOURNAL_CHILD";
/// The child tells of every so many records.
const TOLD_EVERY: u64 = 16;

/// A folder of its own for each test, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("stoop-journal-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }

    fn place(&self) -> Place {
        Place::Folder(self.0.clone())
    }

    fn options(&self) -> WriterOptions {
        WriterOptions {
            segment_bytes: 64 * 1024,
            reserve_bytes: Some(8192),
            sync: SyncPolicy::Never,
            ..WriterOptions::new(self.place())
        }
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(&self.0)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn payload(sequence: u64) -> Vec<u8> {
    (0..sequence * 37 % 301).map(|index| (sequence * 31 + index) as u8).collect()
}

/// Appends, and waits where the journal's thread is behind.
fn append(writer: &mut Writer, payload: &[u8]) -> u64 {
    let start = Instant::now();
    loop {
        match writer.append(7, Need::Normal, Nanos(5), payload) {
            Ok(sequence) => return sequence,
            Err(AppendError::Full) => std::thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}", writer.status());
    }
}

fn fill(writer: &mut Writer, count: u64) {
    for _ in 0..count {
        let sequence = writer.next_sequence();
        assert_eq!(append(writer, &payload(sequence)), sequence);
    }
}

/// Reads and checks all records; returns the last sequence.
fn read(place: &Place, from: u64) -> u64 {
    let mut reader = Reader::open(place, from).unwrap();
    let mut next = from.max(1);
    while let Some(record) = reader.next().unwrap() {
        assert_eq!((record.sequence, record.kind), (next, 7));
        assert_eq!(record.payload, payload(next));
        next += 1;
    }
    next - 1
}

/// Waits until the writer's status is as wished.
fn wait(writer: &Writer, wished: impl Fn(&WriterStatus) -> bool) {
    let start = Instant::now();
    while !wished(&writer.status()) {
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}", writer.status());
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn records_survive_rotation_and_reopening_with_every_policy() {
    for sync in [SyncPolicy::Never, SyncPolicy::Interval(Nanos(1_000_000)), SyncPolicy::Every] {
        let folder = Folder::new("rotation");
        let options = WriterOptions { sync, ..folder.options() };
        let count = if sync == SyncPolicy::Every { 500 } else { 3000 };
        for round in 0..3 {
            let (mut writer, opened) = Writer::open(&options, Nanos(1), None).unwrap();
            assert_eq!(opened.next_sequence, 1 + round * count);
            assert!(opened.cut.is_none());
            fill(&mut writer, count);
            if sync != SyncPolicy::Never {
                wait(&writer, |status| status.synced == status.sequence);
            }
            writer.close().unwrap();
            assert_eq!(read(&folder.place(), 0), (round + 1) * count);
        }
        assert_eq!(read(&folder.place(), count + 5), 3 * count);
        // Nothing is left but the segments with records, the lock, and they are their owner's.
        let names = folder.names();
        assert_eq!(names[0], "lock");
        let segments = (1..names.len()).map(|n| format!("segment-{n:06}.log"));
        assert_eq!(names[1..], segments.collect::<Vec<_>>());
        assert!(names.len() > 3);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder.0), 0o700);
        for name in names {
            assert_eq!(mode(&folder.0.join(name)), 0o600);
        }
    }
}

#[test]
fn space_is_there_before_it_is_used() {
    use std::os::unix::fs::MetadataExt;
    let folder = Folder::new("blocks");
    let (_writer, _) = Writer::open(&folder.options(), Nanos(1), None).unwrap();
    for name in folder.names().iter().filter(|name| name.starts_with("segment")) {
        let meta = fs::metadata(folder.0.join(name)).unwrap();
        assert_eq!(meta.len(), 64 * 1024);
        assert!(meta.blocks() * 512 >= 64 * 1024, "{name}: {} blocks", meta.blocks());
    }
}

#[test]
fn files_of_other_names_are_left_alone_and_unfinished_ones_removed() {
    let folder = Folder::new("names");
    drop(Writer::open(&folder.options(), Nanos(1), None).unwrap());
    let others = ["segment-1.log", "segment-000001.log.bak", "snapshot-5", "notes.txt"];
    let unfinished = [".segment-000002.log.new", ".snapshot-00000000000000000005.new"];
    for name in others.iter().chain(&unfinished) {
        fs::write(folder.0.join(name), b"x").unwrap();
    }
    let (mut writer, opened) = Writer::open(&folder.options(), Nanos(1), None).unwrap();
    assert_eq!((opened.next_sequence, opened.segment), (1, 1));
    fill(&mut writer, 10);
    drop(writer);
    assert_eq!(read(&folder.place(), 0), 10);
    let mut names = vec!["lock", "segment-000001.log"];
    names.extend(others);
    names.sort_unstable();
    assert_eq!(folder.names(), names);
    fs::write(folder.0.join("segment-18446744073709551615.log"), b"").unwrap();
    assert!(Writer::open(&folder.options(), Nanos(1), None).is_err());
}

#[test]
fn two_processes_never_write_one_journal() {
    let folder = Folder::new("lock");
    let (writer, _) = Writer::open(&folder.options(), Nanos(1), None).unwrap();
    let error = Writer::open(&folder.options(), Nanos(1), None).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "the journal {} is in use by process {}: stop that one first, or give this one a \
             journal of its own",
            folder.0.display(),
            std::process::id()
        )
    );
    assert!(matches!(error, JournalError::InUse { pid, .. } if pid == std::process::id()));
    drop(writer);
    Writer::open(&folder.options(), Nanos(1), None).unwrap();
}

#[test]
fn a_snapshot_is_made_of_each_full_segment_off_the_path() {
    let folder = Folder::new("hook");
    let sums = Arc::new(Mutex::new((0u64, 0u64)));
    let state = Arc::clone(&sums);
    let hook: Hook = Box::new(move |closed| {
        let mut state = state.lock().unwrap();
        let bytes = closed.bytes();
        for record in closed.records(&bytes) {
            assert_eq!(record.sequence, state.0 + 1);
            *state = (record.sequence, state.1 + record.payload.len() as u64);
        }
        let (sequence, sum) = *state;
        snapshot::write(closed.place(), sequence, Nanos(9), &sum.to_le_bytes()).unwrap();
        snapshot::prune(closed.place(), false).unwrap();
    });
    let (mut writer, _) = Writer::open(&folder.options(), Nanos(1), Some(hook)).unwrap();
    fill(&mut writer, 4000);
    writer.close().unwrap();
    let found = snapshot::newest(&folder.place()).unwrap().snapshot.unwrap();
    let sum: u64 = (1..=found.sequence).map(|sequence| payload(sequence).len() as u64).sum();
    assert_eq!(found.payload, sum.to_le_bytes());
    assert_eq!(found.sequence, sums.lock().unwrap().0);
    // The rest is read behind the snapshot; two snapshots and the segments after them are there.
    assert_eq!(read(&folder.place(), found.sequence + 1), 4000);
    let names = folder.names();
    assert_eq!(names.iter().filter(|name| name.starts_with("snapshot")).count(), 2);
    assert!(!names.contains(&"segment-000001.log".to_owned()), "{names:?}");
    let (_, opened) = Writer::open(&folder.options(), Nanos(1), None).unwrap();
    assert_eq!(opened.next_sequence, 4001);
}

#[test]
fn a_slow_hook_holds_up_neither_the_disk_nor_the_next_segment() {
    let folder = Folder::new("slow-hook");
    let (go, wait_for_it) = std::sync::mpsc::channel::<()>();
    let hook: Hook = Box::new(move |_| {
        let _ = wait_for_it.recv();
    });
    let options =
        WriterOptions { sync: SyncPolicy::Interval(Nanos(1_000_000)), ..folder.options() };
    let (mut writer, _) = Writer::open(&options, Nanos(1), Some(hook)).unwrap();
    while writer.status().segment < 5 {
        fill(&mut writer, 100);
    }
    wait(&writer, |status| status.synced == status.sequence && status.next_ready);
    drop(go);
    writer.close().unwrap();
}

#[test]
fn a_torn_tail_in_a_file_is_cut_and_told() {
    let folder = Folder::new("torn");
    let (mut writer, _) = Writer::open(&folder.options(), Nanos(1), None).unwrap();
    fill(&mut writer, 10);
    let used = writer.status().used;
    drop(writer);
    let path = folder.0.join("segment-000001.log");
    let mut bytes = fs::read(&path).unwrap();
    bytes[used as usize + 33] = 1;
    fs::write(&path, &bytes).unwrap();
    let (mut writer, opened) = Writer::open(&folder.options(), Nanos(1), None).unwrap();
    let cut = opened.cut.unwrap();
    assert_eq!((&cut.path, cut.offset, cut.last_sequence), (&path, used, 10));
    fill(&mut writer, 10);
    drop(writer);
    assert_eq!(read(&folder.place(), 0), 20);
    // A copy that was cut short gets its full length back.
    fs::File::options().write(true).open(&path).unwrap().set_len(used + 3).unwrap();
    let (mut writer, opened) = Writer::open(&folder.options(), Nanos(1), None).unwrap();
    assert_eq!(opened.next_sequence, 11);
    assert_eq!(fs::metadata(&path).unwrap().len(), 64 * 1024);
    fill(&mut writer, 10);
    drop(writer);
    assert_eq!(read(&folder.place(), 0), 20);
}

/// A reader beside the writer sees whole records only, and never takes work under way for damage.
#[test]
fn a_journal_can_be_read_while_it_is_written() {
    let folder = Folder::new("beside");
    let (mut writer, _) = Writer::open(&folder.options(), Nanos(1), None).unwrap();
    let place = folder.place();
    let done = Arc::new(AtomicU64::new(0));
    let (seen, appended) = (Arc::clone(&done), Arc::new(AtomicU64::new(0)));
    let known = Arc::clone(&appended);
    let reader = std::thread::spawn(move || {
        let mut rounds = 0;
        while seen.load(Ordering::Acquire) == 0 {
            let least = known.load(Ordering::Acquire);
            let mut reader = Reader::open(&place, 0).unwrap();
            let mut next = 1;
            while let Some(record) = reader.next().unwrap() {
                assert_eq!(record.sequence, next);
                next += 1;
            }
            assert!(next > least);
            rounds += 1;
        }
        rounds
    });
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(1500) {
        let next = writer.next_sequence();
        let sequence = append(&mut writer, &payload(next));
        appended.store(sequence, Ordering::Release);
        if sequence.is_multiple_of(256) {
            std::thread::sleep(Duration::from_micros(200));
        }
    }
    done.store(1, Ordering::Release);
    assert!(reader.join().unwrap() > 3);
}

/// The child of the test below: appends for ever and says what was appended.
#[test]
#[ignore = "run by another test, in a process of its own"]
fn child_that_appends() {
    let Some(folder) = std::env::var_os(CHILD) else { return };
    let options = WriterOptions {
        segment_bytes: 64 * 1024,
        reserve_bytes: Some(8192),
        sync: SyncPolicy::Never,
        ..WriterOptions::new(Place::Folder(folder.into()))
    };
    let (mut writer, _) = Writer::open(&options, Nanos(1), None).unwrap();
    let mut out = std::io::stdout();
    loop {
        let sequence = writer.next_sequence();
        let appended = append(&mut writer, &payload(sequence));
        // Not each, so that the process is mostly killed within an append, not within a write.
        if appended.is_multiple_of(TOLD_EVERY) {
            out.write_all(format!("appended {appended}\n").as_bytes()).unwrap();
        }
    }
}

#[test]
fn nothing_that_was_appended_is_lost_by_kill_9() {
    let folder = Folder::new("kill");
    let mut seed = u64::from(std::process::id()) | 1;
    let (mut last, mut cuts, mut killed_at) = (0, 0, Vec::new());
    for round in 0..24 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_that_appends", "--ignored", "--nocapture"])
            .env(CHILD, &folder.0)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut pipe = child.stdout.take().unwrap();
        let drain = std::thread::spawn(move || {
            let mut text = Vec::new();
            pipe.read_to_end(&mut text).unwrap();
            String::from_utf8_lossy(&text).into_owned()
        });
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        std::thread::sleep(Duration::from_micros(3_000 + (seed >> 33) % 60_000));
        child.kill().unwrap();
        child.wait().unwrap();
        let text = drain.join().unwrap();
        // Only lines with their end: the process may die within one.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let told = whole.lines().filter_map(|line| line.strip_prefix("appended ")?.parse().ok());
        let told: u64 = told.max().unwrap_or(last);
        // Appended and not yet told may be there too.
        let (writer, opened) = Writer::open(&folder.options(), Nanos(1), None).unwrap();
        drop(writer);
        cuts += u32::from(opened.cut.is_some());
        let found = read(&folder.place(), 0);
        assert_eq!(found + 1, opened.next_sequence);
        assert!(found >= told, "round {round}: {told} was told, {found} is there");
        assert!(found <= told + TOLD_EVERY, "round {round}: {told} was told, {found} is there");
        (last, killed_at) = (found, [killed_at, vec![found]].concat());
    }
    println!("killed after records {killed_at:?}; {cuts} tails were cut");
    assert!(last > 1000, "the child hardly wrote: {killed_at:?}");
}

/// A file system that is full, in a mount namespace of its own: nothing of it is left behind.
#[test]
fn a_full_file_system_refuses_what_is_new_and_keeps_the_rest_going() {
    let folder = Folder::new("full");
    fs::create_dir_all(&folder.0).unwrap();
    let mounted = r#"mount -t tmpfs -o size=192k,mode=0700 none "$1" || exit 77
        exec "$2" --exact child_that_fills --ignored --nocapture"#;
    let output = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", mounted, "sh"])
        .args([folder.0.as_os_str(), std::env::current_exe().unwrap().as_os_str()])
        .env(CHILD, &folder.0)
        .output();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match output {
        Ok(output) if text(&output.stdout).contains("running 1 test") => {
            let (out, errors) = (text(&output.stdout), text(&output.stderr));
            assert!(output.status.success(), "{out}\n{errors}");
            assert!(out.contains("refused and taken"), "{out}");
        }
        other => println!("skipped: no file system can be mounted here: {other:?}"),
    }
}

/// The child of the test above.
#[test]
#[ignore = "run by another test, on a small file system"]
fn child_that_fills() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let options = WriterOptions {
        segment_bytes: 64 * 1024,
        reserve_bytes: Some(8192),
        sync: SyncPolicy::Never,
        ..WriterOptions::new(Place::Folder(path.into()))
    };
    let (mut writer, _) = Writer::open(&options, Nanos(1), None).unwrap();
    let mut count = [0u64; 2];
    for (index, need) in [Need::Normal, Need::Essential].into_iter().enumerate() {
        // The thread has time to try, and fails.
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(300) {
            match writer.append(1, need, Nanos(1), &[1; 96]) {
                Ok(_) => count[index] += 1,
                Err(error) => assert_eq!(error, AppendError::Full),
            }
        }
    }
    assert!(count[0] >= 2 * 400, "{count:?}");
    assert_eq!(count[1], 8192 / 128);
    let error = writer.status().error.unwrap();
    assert!(error.contains("No space left on device"), "{error}");
    assert!(error.contains("cannot reserve the space of"), "{error}");
    drop(writer);
    let mut reader = Reader::open(&options.place, 0).unwrap();
    while reader.next().unwrap().is_some() {}
    assert_eq!(reader.next_sequence(), count[0] + count[1] + 1);
    println!("refused and taken: {count:?}");
}
