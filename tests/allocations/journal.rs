//! The journal does not allocate: not for a record, not when a segment is full and the next one is
//! moved into, not when there is no space.

use crate::counting::allocations;
use stoop::journal::{AppendError, Need, Place, SyncPolicy, Writer, WriterOptions};
use stoop::types::Nanos;

#[test]
fn appending_does_not_allocate() {
    let folder = std::env::temp_dir().join(format!("stoop-allocations-{}", std::process::id()));
    let options = WriterOptions {
        segment_bytes: 64 * 1024,
        reserve_bytes: Some(16 * 1024),
        sync: SyncPolicy::Interval(Nanos(1_000_000)),
        ..WriterOptions::new(Place::Folder(folder.clone()))
    };
    let (mut writer, _) = Writer::open(&options, Nanos(1), None).unwrap();
    let (mut appended, mut refused) = (0u64, 0u64);
    let made = allocations(|| {
        while appended < 20_000 {
            match writer.append(1, Need::Normal, Nanos(appended), &[7; 128]) {
                Ok(_) => appended += 1,
                Err(AppendError::Full) => refused += 1,
                Err(error) => panic!("{error}"),
            }
        }
    });
    let status = writer.status();
    drop(writer);
    let _ = std::fs::remove_dir_all(folder);
    assert!(status.segment >= 20_000 * 160 / (64 * 1024), "{status:?}");
    assert!(refused > 0, "the journal's thread was never late: {status:?}");
    assert_eq!(made, 0, "journal");
}
