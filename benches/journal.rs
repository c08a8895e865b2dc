//! What the journal costs on the path, and how fast it is written and read.
//!
//! An own harness: percentiles are wanted, and the journal's thread works beside the one measured.
//! `cargo bench --bench journal`, with `-- quick` for a short look. The files lie in the system's
//! temporary folder, or where `STOOP_JOURNAL_DIR` says: a disk, or `/dev/shm`.

#![allow(missing_docs)]

use std::hint::{black_box, spin_loop};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use stoop::journal::{AppendError, Need, Place, Reader, SyncPolicy, Writer, WriterOptions};
use stoop::types::Nanos;

const POLICIES: [(&str, SyncPolicy); 3] = [
    ("never", SyncPolicy::Never),
    ("100 ms", SyncPolicy::Interval(Nanos(100_000_000))),
    ("every", SyncPolicy::Every),
];
const SIZES: [usize; 2] = [128, 256];

/// Effort of a run.
#[derive(Clone, Copy)]
struct Effort {
    appends: usize,
    synced_appends: usize,
    sustained: Duration,
    scanned: u64,
}

/// A folder for one measurement, removed behind it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let root = std::env::var_os("STOOP_JOURNAL_DIR").map(PathBuf::from);
        let root = root.unwrap_or_else(std::env::temp_dir);
        let path = root.join(format!("stoop-bench-journal-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }

    fn open(&self, sync: SyncPolicy) -> Writer {
        let options = WriterOptions { sync, ..WriterOptions::new(Place::Folder(self.0.clone())) };
        Writer::open(&options, Nanos(1), None).expect("the folder can be written").0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn quantile(sorted: &[u64], q: f64) -> u64 {
    sorted[((sorted.len() - 1) as f64 * q) as usize]
}

/// Appends once, waiting where no segment is ready. How often it had to wait.
fn append(writer: &mut Writer, payload: &[u8]) -> u64 {
    let mut waits = 0;
    loop {
        match writer.append(1, Need::Normal, Nanos(7), black_box(payload)) {
            Ok(sequence) => {
                black_box(sequence);
                return waits;
            }
            Err(AppendError::Full) => std::thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
        waits += 1;
    }
}

/// One append every 3 us, as on a busy path: sorted nanoseconds, the stamps' own cost taken off.
fn paced(clock: &quanta::Clock, writer: &mut Writer, size: usize, count: usize) -> Vec<u64> {
    let payload = vec![0x5a; size];
    let stamp = |times: &mut Vec<u64>, work: &mut dyn FnMut()| {
        let start = clock.raw();
        work();
        let end = clock.raw();
        times.push(clock.delta_as_nanos(start, end));
        while clock.delta_as_nanos(start, clock.raw()) < 3_000 {
            spin_loop();
        }
    };
    let mut empty = Vec::with_capacity(1000);
    (0..1000).for_each(|_| stamp(&mut empty, &mut || ()));
    empty.sort_unstable();
    let own = quantile(&empty, 0.5);
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        stamp(&mut times, &mut || {
            append(writer, &payload);
        });
    }
    times.iter_mut().for_each(|time| *time = time.saturating_sub(own));
    times.sort_unstable();
    times
}

fn append_cost(effort: Effort) {
    let clock = quanta::Clock::new();
    println!("append, one every 3 us, ns        p50      p99    p99.9      max");
    for (name, sync) in POLICIES {
        for size in SIZES {
            let folder = Folder::new();
            let mut writer = folder.open(sync);
            let every = sync == SyncPolicy::Every;
            let count = if every { effort.synced_appends } else { effort.appends };
            let times = paced(&clock, &mut writer, size, count);
            let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|q| quantile(&times, q));
            let max = quantile(&times, 1.0);
            println!("  sync {name:7} {size:4} bytes  {p50:9} {p99:8} {p999:8} {max:8}");
        }
    }
}

/// Appends back to back within segments that are there.
fn burst_cost(effort: Effort) {
    println!("append, back to back, ns each");
    for size in SIZES {
        let folder = Folder::new();
        let mut writer = folder.open(SyncPolicy::Never);
        let payload = vec![0x5a; size];
        let count = effort.appends.min(150_000);
        let mut best = f64::MAX;
        for _ in 0..3 {
            let start = Instant::now();
            let waits: u64 = (0..count).map(|_| append(&mut writer, &payload)).sum();
            let each = start.elapsed().as_nanos() as f64 / count as f64;
            if waits == 0 {
                best = best.min(each);
            }
        }
        println!("  {size:4} bytes  {best:5.1}");
    }
}

fn sustained(effort: Effort) {
    println!("sustained write                records/s     MB/s   waits");
    for (name, sync) in POLICIES {
        for size in SIZES {
            let folder = Folder::new();
            let mut writer = folder.open(sync);
            let payload = vec![0x5a; size];
            let (start, mut count, mut waits) = (Instant::now(), 0u64, 0u64);
            while start.elapsed() < effort.sustained {
                for _ in 0..if sync == SyncPolicy::Every { 1 } else { 256 } {
                    waits += u64::from(append(&mut writer, &payload) > 0);
                    count += 1;
                }
            }
            let rate = count as f64 / start.elapsed().as_secs_f64();
            let megabytes = rate * (size + 32) as f64 / 1e6;
            println!("  sync {name:7} {size:4} bytes {rate:11.0} {megabytes:8.1} {waits:7}");
        }
    }
}

fn scan(effort: Effort) {
    println!("scan                          records/s     MB/s   open for writing, ms");
    for size in SIZES {
        let folder = Folder::new();
        let mut writer = folder.open(SyncPolicy::Never);
        let payload = vec![0x5a; size];
        for _ in 0..effort.scanned {
            append(&mut writer, &payload);
        }
        drop(writer);
        let start = Instant::now();
        let mut reader = Reader::open(&Place::Folder(folder.0.clone()), 0).expect("just written");
        let mut count = 0u64;
        while let Some(record) = reader.next().expect("just written") {
            black_box(record.payload);
            count += 1;
        }
        assert_eq!(count, effort.scanned);
        let rate = count as f64 / start.elapsed().as_secs_f64();
        let megabytes = rate * (size + 32) as f64 / 1e6;
        let start = Instant::now();
        let writer = folder.open(SyncPolicy::Never);
        let open = start.elapsed().as_secs_f64() * 1e3;
        assert_eq!(writer.next_sequence(), effort.scanned + 1);
        println!("  {size:4} bytes              {rate:11.0} {megabytes:8.1} {open:8.1}");
    }
}

fn main() {
    let quick = std::env::args().any(|arg| arg == "quick" || arg == "--test");
    let effort = if quick {
        Effort {
            appends: 20_000,
            synced_appends: 200,
            sustained: Duration::from_millis(200),
            scanned: 200_000,
        }
    } else {
        Effort {
            appends: 1_000_000,
            synced_appends: 5_000,
            sustained: Duration::from_secs(5),
            scanned: 4_000_000,
        }
    };
    append_cost(effort);
    burst_cost(effort);
    sustained(effort);
    scan(effort);
}
