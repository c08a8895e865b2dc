//! Tests of the journal in memory: all that can be shown without a file. They run under Miri too.

use super::format::{RECORD_HEADER, SEGMENT_HEADER};
use super::*;
use proptest::prelude::*;
use std::sync::{Arc, Mutex};

const SEGMENT: usize = 4096;

fn options(folder: &MemoryFolder) -> WriterOptions {
    WriterOptions {
        place: Place::Memory(folder.clone()),
        segment_bytes: SEGMENT as u64,
        reserve_bytes: Some(1024),
        sync: SyncPolicy::Never,
    }
}

fn open(folder: &MemoryFolder) -> (Writer, Opened) {
    Writer::open(&options(folder), Nanos(1), None).unwrap()
}

/// Record `sequence` of the tests: its payload differs in length and content from its neighbours'.
fn payload(sequence: u64) -> Vec<u8> {
    (0..sequence * 37 % 301).map(|index| (sequence * 31 + index) as u8).collect()
}

fn fill(writer: &mut Writer, count: u64) {
    for _ in 0..count {
        let sequence = writer.next_sequence();
        let now = Nanos(1000 + sequence);
        let kind = sequence as u8;
        assert_eq!(writer.append(kind, Need::Normal, now, &payload(sequence)), Ok(sequence));
    }
}

/// What was read, and how it ended.
type Content = (Vec<(u64, u64, u8, Vec<u8>)>, Option<Torn>);

fn content(folder: &MemoryFolder, from: u64) -> Result<Content, JournalError> {
    let mut reader = Reader::open(&Place::Memory(folder.clone()), from)?;
    let mut records = Vec::new();
    while let Some(record) = reader.next()? {
        records.push((record.sequence, record.time.0, record.kind, record.payload.to_vec()));
    }
    Ok((records, reader.torn().cloned()))
}

fn expected(sequences: std::ops::RangeInclusive<u64>) -> Vec<(u64, u64, u8, Vec<u8>)> {
    sequences.map(|s| (s, 1000 + s, s as u8, payload(s))).collect()
}

/// Segment and end of every record, as (number, offset behind it).
fn ends(folder: &MemoryFolder) -> Vec<(u64, usize)> {
    let mut reader = Reader::open(&Place::Memory(folder.clone()), 0).unwrap();
    let mut ends = Vec::new();
    while let Some(record) = reader.next().unwrap() {
        let size = (RECORD_HEADER + record.payload.len()).next_multiple_of(8);
        ends.push((record.segment, record.offset as usize + size));
    }
    ends
}

/// Whoever follows sees every record once, whatever the moments at which it looks.
#[test]
fn a_reader_goes_on_where_it_ended() {
    let folder = MemoryFolder::new();
    let (mut writer, _) = open(&folder);
    fill(&mut writer, 3);
    let mut reader = Reader::open(&Place::Memory(folder.clone()), 0).unwrap();
    let mut seen = Vec::new();
    for more in [0, 1, 5, 0, 40, 1] {
        fill(&mut writer, more);
        // A segment at a time.
        while reader.go_on().unwrap() {
            while let Some(record) = reader.next().unwrap() {
                seen.push((record.sequence, record.time.0, record.kind, record.payload.to_vec()));
            }
        }
        assert!(reader.torn().is_none());
        assert_eq!(seen.len() as u64 + 1, writer.next_sequence());
    }
    assert_eq!(seen, expected(1..=50));
}

/// The same place, another run: what stands behind the old end may be nothing, or bytes of another.
#[test]
fn a_reader_does_not_go_on_in_a_journal_that_was_begun_anew() {
    for count in [0, 1, 3, 6] {
        let folder = MemoryFolder::new();
        let place = Place::Memory(folder.clone());
        let (mut writer, _) = open(&folder);
        fill(&mut writer, 3);
        writer.close().unwrap();
        let mut reader = Reader::open(&place, 0).unwrap();
        while reader.next().unwrap().is_some() {}
        assert!(!reader.go_on().unwrap());
        place.remove_segment(1).unwrap();
        let (mut writer, _) = Writer::open(&options(&folder), Nanos(2), None).unwrap();
        fill(&mut writer, count);
        let error = reader.go_on().unwrap_err();
        assert!(matches!(error, JournalError::Replaced { .. }), "{count}: {error}");
        assert!(error.to_string().contains("another journal stands there now"), "{error}");
        let (records, torn) = content(&folder, 0).unwrap();
        assert_eq!((records.len() as u64, torn), (count, None));
    }
}

#[test]
fn what_is_appended_is_read_over_many_segments() {
    let folder = MemoryFolder::new();
    let (mut writer, opened) = open(&folder);
    assert_eq!((opened.next_sequence, opened.segment), (1, 1));
    assert!(opened.cut.is_none());
    fill(&mut writer, 100);
    assert_eq!(content(&folder, 0).unwrap(), (expected(1..=100), None));
    assert_eq!(content(&folder, 57).unwrap(), (expected(57..=100), None));
    assert_eq!(content(&folder, 101).unwrap(), (Vec::new(), None));
    assert!(writer.status().segment > 4);
    // One is ready beyond the one being written, and gone when the journal is closed.
    assert_eq!(folder.segments().len() as u64, writer.status().segment + 1);
    let last = writer.status().segment;
    writer.close().unwrap();
    assert_eq!(folder.segments().len() as u64, last);
}

#[test]
fn sequences_go_on_when_opened_again() {
    let folder = MemoryFolder::new();
    for round in 0..12 {
        let (mut writer, opened) = open(&folder);
        assert_eq!(opened.next_sequence, 1 + round * 17);
        assert!(opened.cut.is_none());
        fill(&mut writer, 17);
    }
    assert_eq!(content(&folder, 0).unwrap(), (expected(1..=204), None));
}

#[test]
fn one_writer_at_a_time() {
    let folder = MemoryFolder::new();
    let (writer, _) = open(&folder);
    let second = Writer::open(&options(&folder), Nanos(1), None);
    assert!(matches!(second, Err(JournalError::InUse { .. })));
    drop(writer);
    open(&folder);
}

#[test]
fn what_is_too_large_is_refused() {
    let folder = MemoryFolder::new();
    let (mut writer, _) = open(&folder);
    let most = writer.payload_max();
    assert_eq!(most, SEGMENT - SEGMENT_HEADER - RECORD_HEADER);
    let large = vec![7; most + 1];
    let append =
        |writer: &mut Writer, payload: &[u8]| writer.append(1, Need::Essential, Nanos(1), payload);
    assert_eq!(append(&mut writer, &large), Err(AppendError::TooLarge));
    assert_eq!(append(&mut writer, &large[..most]), Ok(1));
    assert_eq!(append(&mut writer, &large[..most]), Ok(2));
    let mut wide = options(&MemoryFolder::new());
    wide.segment_bytes = 1 << 20;
    let (mut writer, _) = Writer::open(&wide, Nanos(1), None).unwrap();
    assert_eq!(writer.payload_max(), PAYLOAD_MAX);
    let large = vec![7; PAYLOAD_MAX + 1];
    assert_eq!(append(&mut writer, &large), Err(AppendError::TooLarge));
    assert_eq!(append(&mut writer, &large[..PAYLOAD_MAX]), Ok(1));
}

/// The process dies after every byte that it writes; what is there then is every record whose
/// append had returned, and the next process goes on behind it.
#[test]
fn a_crash_at_every_byte_written_loses_nothing_that_was_acknowledged() {
    let whole = MemoryFolder::new();
    let (mut writer, _) = open(&whole);
    fill(&mut writer, if cfg!(miri) { 3 } else { 50 });
    let total = whole.written();
    assert!(cfg!(miri) || writer.status().segment >= 3);
    for at in 16..total {
        let folder = MemoryFolder::new();
        folder.crash_at(at);
        let (mut writer, _) = open(&folder);
        let mut acknowledged = 0;
        loop {
            let next = writer.next_sequence();
            let kind = next as u8;
            match writer.append(kind, Need::Essential, Nanos(1000 + next), &payload(next)) {
                Ok(sequence) => acknowledged = sequence,
                Err(error) => break assert_eq!(error, AppendError::Failed),
            }
        }
        assert!(folder.crashed());
        let after = folder.after_crash();
        drop(writer);
        let (records, torn) = content(&after, 0).unwrap();
        // Whole but not acknowledged: where all bytes that were not written any more are zero.
        let kept = records.len() as u64;
        assert!((acknowledged..=acknowledged + 1).contains(&kept), "crash at byte {at}");
        assert_eq!(records, expected(1..=kept), "crash at byte {at}");
        let (mut writer, opened) = open(&after);
        assert_eq!(opened.next_sequence, kept + 1);
        assert_eq!(opened.cut, torn);
        fill(&mut writer, 2);
        assert_eq!(content(&after, 0).unwrap(), (expected(1..=kept + 2), None));
    }
}

/// The files end at every byte: nothing, zeros or garbage stand behind it in the last segment.
#[test]
fn a_journal_cut_at_every_byte_gives_the_whole_records_before_it() {
    let folder = MemoryFolder::new();
    let (mut writer, _) = open(&folder);
    fill(&mut writer, if cfg!(miri) { 3 } else { 40 });
    drop(writer);
    let ends = ends(&folder);
    let segments = folder.segments();
    let step = if cfg!(miri) { 97 } else { 1 };
    for (index, (number, bytes)) in segments.iter().enumerate() {
        for at in (0..SEGMENT).step_by(step) {
            let before = segments[..index].iter().map(|(_, bytes)| bytes.clone());
            let whole = ends.iter().filter(|end| **end <= (*number, at)).count() as u64;
            let mut short = bytes[..at].to_vec();
            let check = |last: &[u8]| {
                let cut =
                    MemoryFolder::of_segments(before.clone().chain([last.to_vec()]).collect());
                let (records, torn) = content(&cut, 0).unwrap();
                // What is cut may have been the rest of a record that was zero anyway.
                let read = records.len() as u64;
                assert!(read >= whole, "segment {number} cut at {at}");
                assert_eq!(records, expected(1..=read));
                let end = ends.get(read.wrapping_sub(1) as usize);
                let end = end.filter(|end| end.0 == *number).map_or(SEGMENT_HEADER, |e| e.1);
                let zeros = read <= whole || bytes[at..end].iter().all(|byte| *byte == 0);
                assert!(zeros, "segment {number} cut at {at}");
                if let Some(torn) = torn {
                    assert_eq!((torn.segment, torn.last_sequence), (*number, read));
                    assert_eq!(torn.offset, end as u64);
                }
                let (mut writer, opened) = open(&cut);
                assert_eq!(opened.next_sequence, read + 1);
                fill(&mut writer, 1);
                assert_eq!(content(&cut, 0).unwrap(), (expected(1..=read + 1), None));
            };
            check(&short);
            short.resize(SEGMENT, 0);
            check(&short);
        }
    }
}

/// Bit by bit: every bit of a record that has one behind it is guarded, and the place is named.
#[test]
fn a_flipped_bit_in_the_middle_is_refused_with_its_place() {
    let folder = MemoryFolder::new();
    let (mut writer, _) = open(&folder);
    fill(&mut writer, 60);
    drop(writer);
    let mut reader = Reader::open(&Place::Memory(folder.clone()), 0).unwrap();
    let mut places = Vec::new();
    while let Some(record) = reader.next().unwrap() {
        let size = (RECORD_HEADER + record.payload.len()).next_multiple_of(8);
        places.push((record.segment, record.offset as usize, size));
    }
    let stride = if cfg!(miri) { 4001 } else { 13 };
    let mut count = 0;
    for (number, offset, size) in &places[..places.len() - 1] {
        for bit in (0..size * 8).filter(|bit| (bit + offset) % stride == 0) {
            let change = |bytes: &mut Vec<u8>| bytes[offset + bit / 8] ^= 1 << (bit % 8);
            folder.disturb(*number, change);
            match content(&folder, 0) {
                Err(JournalError::Damaged { path, offset: at, follow, .. }) => {
                    assert_eq!(path.to_str().unwrap(), format!("memory/segment-{number:06}.log"));
                    assert_eq!((at, follow), (*offset as u64, true), "bit {bit}");
                    count += 1;
                }
                other => panic!("segment {number}, offset {offset}, bit {bit}: {other:?}"),
            }
            folder.disturb(*number, change);
        }
    }
    assert!(count > 100 || cfg!(miri));
    // Nor can it be opened for writing, and nothing is changed.
    let (number, offset, _) = places[places.len() - 2];
    folder.disturb(number, |bytes| bytes[offset + 9] ^= 4);
    let before = folder.segments();
    assert!(Writer::open(&options(&folder), Nanos(1), None).is_err());
    assert_eq!(folder.segments(), before);
}

#[test]
fn every_bit_of_a_used_header_is_guarded() {
    let folder = MemoryFolder::new();
    let (mut writer, _) = open(&folder);
    fill(&mut writer, 30);
    drop(writer);
    let last = folder.segments().len() as u64;
    assert!(last > 1);
    for number in [1, last] {
        for bit in 0..SEGMENT_HEADER * 8 {
            let change = |bytes: &mut Vec<u8>| bytes[bit / 8] ^= 1 << (bit % 8);
            folder.disturb(number, change);
            match content(&folder, 0) {
                Err(JournalError::Damaged { path, offset, .. }) => {
                    let name = format!("segment-{number:06}.log");
                    assert_eq!(path.file_name().unwrap().to_str().unwrap(), name);
                    assert_eq!(offset, if bit < 48 * 8 { 0 } else { 48 });
                }
                other => panic!("segment {number}, bit {bit}: {other:?}"),
            }
            folder.disturb(number, change);
        }
    }
}

/// A segment of an earlier, smaller size does not bound what a record may be.
#[test]
fn the_size_of_segments_may_change() {
    let folder = MemoryFolder::new();
    let (mut writer, _) = open(&folder);
    fill(&mut writer, 5);
    drop(writer);
    let mut wider = options(&folder);
    wider.segment_bytes = 32 * 1024;
    let (mut writer, _) = Writer::open(&wider, Nanos(1), None).unwrap();
    assert_eq!(writer.append(6, Need::Normal, Nanos(1006), &[6; 20_000]), Ok(6));
    drop(writer);
    let (mut writer, opened) = open(&folder);
    assert_eq!(opened.next_sequence, 7);
    fill(&mut writer, 100);
    let lens: Vec<usize> = folder.segments().iter().map(|(_, bytes)| bytes.len()).collect();
    assert_eq!(lens[..3], [SEGMENT, 32 * 1024, SEGMENT]);
    assert_eq!(content(&folder, 7).unwrap().0, expected(7..=106));
}

/// Headers that are sound but say what cannot be: nothing overflows.
#[test]
fn impossible_numbers_are_refused() {
    let make = |first: u64| {
        let (header, salt) = format::encode_header(1, Nanos(1), SEGMENT as u64);
        let mut bytes = vec![0; SEGMENT];
        bytes[..48].copy_from_slice(&header);
        bytes[48..56].copy_from_slice(&first.to_le_bytes());
        bytes[56..64].copy_from_slice(&format::opening_check(salt, first));
        let words = format::encode_record(64, salt, first, Nanos(1), 1, b"");
        for (index, word) in words.iter().enumerate() {
            bytes[64 + index * 8..][..8].copy_from_slice(&word.to_le_bytes());
        }
        MemoryFolder::of_segments(vec![bytes])
    };
    assert_eq!(content(&make(1 << 62), 0).unwrap().0.len(), 1);
    assert!(Writer::open(&options(&make(1 << 62)), Nanos(1), None).is_ok());
    for first in [(1 << 62) + 1, u64::MAX] {
        let error = Writer::open(&options(&make(first)), Nanos(1), None).unwrap_err();
        let opening = matches!(error, JournalError::Damaged { what: Damage::Opening, .. });
        assert!(opening, "{error}");
    }
}

#[test]
fn messages_name_file_offset_fault_and_way_on() {
    let folder = MemoryFolder::new();
    let (mut writer, _) = open(&folder);
    fill(&mut writer, 3);
    drop(writer);
    folder.disturb(1, |bytes| bytes[SEGMENT_HEADER + 40] ^= 1);
    assert_eq!(
        content(&folder, 0).unwrap_err().to_string(),
        "memory/segment-000001.log: damaged at offset 64 (checksum), valid records follow; nothing \
         was changed. Restore the file from a copy, or move the folder away and start with `stoop \
         run` so that everything is taken from the venues"
    );
}

#[test]
fn missing_segments_and_records_are_told() {
    let folder = MemoryFolder::new();
    let (mut writer, _) = open(&folder);
    fill(&mut writer, 100);
    drop(writer);
    folder.remove(1);
    let first = match content(&folder, 1) {
        Err(JournalError::RecordsMissing { wanted: 1, first, .. }) => first,
        other => panic!("{other:?}"),
    };
    assert_eq!(content(&folder, 0).unwrap(), (expected(first..=100), None));
    folder.remove(3);
    match content(&folder, first) {
        Err(JournalError::SegmentMissing { path }) => {
            assert_eq!(path.to_str().unwrap(), "memory/segment-000003.log");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_hole_and_a_jump_are_no_tail() {
    let folder = MemoryFolder::new();
    let (mut writer, _) = open(&folder);
    fill(&mut writer, 4);
    drop(writer);
    let ends = ends(&folder);
    let (second, third) = (ends[0].1, ends[1].1);
    let whole = folder.segments();
    folder.disturb(1, |bytes| bytes[second..third].fill(0));
    let damage = |folder: &MemoryFolder| match content(folder, 0) {
        Err(JournalError::Damaged { offset, what, follow, .. }) => (offset, what, follow),
        other => panic!("{other:?}"),
    };
    assert_eq!(damage(&folder), (second as u64, Damage::Hole, true));

    // A sound record of another sequence: only a fault of the writer could do it.
    let folder = MemoryFolder::of_segments(vec![whole[0].1.clone()]);
    let salt = format::decode_header(&whole[0].1).unwrap().salt;
    let words = format::encode_record(second, salt, 9, Nanos(1), 1, &payload(2));
    folder.disturb(1, |bytes| {
        for (index, word) in words.iter().enumerate() {
            bytes[second + index * 8..][..8].copy_from_slice(&word.to_le_bytes());
        }
    });
    let jump = Damage::Sequence { expected: 2, found: 9 };
    assert_eq!(damage(&folder), (second as u64, jump, true));
}

/// The old bytes behind a cut are gone for good, even if the next records would end at the place
/// where they begin.
#[test]
fn a_torn_tail_never_comes_back() {
    let folder = MemoryFolder::new();
    let (mut writer, _) = open(&folder);
    for _ in 0..4 {
        writer.append(1, Need::Normal, Nanos(1), &[9; 40]).unwrap();
    }
    drop(writer);
    let third = ends(&folder)[1].1;
    // As if the fourth had been written, the third not yet: only a loss of power does that.
    let fourth = ends(&folder)[2].1;
    folder.disturb(1, |bytes| {
        bytes[third..third + 8].fill(0);
        bytes[fourth..fourth + 4].fill(0xff);
    });
    let (mut writer, opened) = open(&folder);
    let cut = opened.cut.unwrap();
    assert_eq!((cut.offset, cut.last_sequence, cut.what), (third as u64, 2, Damage::Hole));
    assert_eq!(
        cut.to_string(),
        format!(
            "memory/segment-000001.log: unfinished record cut at offset {third} (records missing); \
             the journal ends with record 2"
        )
    );
    assert!(folder.segments()[0].1[third..].iter().all(|byte| *byte == 0));
    writer.append(1, Need::Normal, Nanos(1), &[9; 40]).unwrap();
    assert_eq!(content(&folder, 0).unwrap().0.len(), 3);
}

#[test]
fn a_full_disk_refuses_what_is_new_and_keeps_the_rest_going() {
    let folder = MemoryFolder::new();
    folder.set_budget(Some(2 * SEGMENT as u64));
    let (mut writer, _) = open(&folder);
    let append = |writer: &mut Writer, need| writer.append(1, need, Nanos(1), &[5; 96]);
    let mut normal = 0;
    while append(&mut writer, Need::Normal).is_ok() {
        normal += 1;
    }
    // Two segments of 4096 less headers, the last one less the reserve of 1024.
    assert_eq!(normal, (SEGMENT - 64) / 128 + (SEGMENT - 1024 - 64) / 128);
    assert_eq!(append(&mut writer, Need::Normal), Err(AppendError::Full));
    let status = writer.status();
    assert!(!status.next_ready);
    let error = status.error.unwrap();
    assert!(error.starts_with("cannot reserve the space of memory/segment-000003.log"), "{error}");
    let mut essential = 0;
    while append(&mut writer, Need::Essential).is_ok() {
        essential += 1;
        assert_eq!(append(&mut writer, Need::Normal), Err(AppendError::Full));
    }
    assert_eq!(essential, 8);
    assert_eq!(append(&mut writer, Need::Essential), Err(AppendError::Full));
    assert_eq!(content(&folder, 0).unwrap().0.len(), normal + essential);
    // Space again: all goes on without a hand.
    folder.set_budget(None);
    assert_eq!(append(&mut writer, Need::Normal), Ok((normal + essential) as u64 + 1));
    assert_eq!(writer.status().error, None);
}

#[test]
fn a_journal_that_cannot_begin_says_so() {
    let folder = MemoryFolder::new();
    folder.set_budget(Some(100));
    let error = Writer::open(&options(&folder), Nanos(1), None).unwrap_err();
    assert!(error.to_string().starts_with("cannot reserve the space of memory/segment-000001.log"));
    for (bytes, reserve) in [(1000, None), (4095, None), (4 << 30, None), (4096, Some(2049))] {
        let mut wrong = options(&MemoryFolder::new());
        (wrong.segment_bytes, wrong.reserve_bytes) = (bytes, reserve);
        let error = Writer::open(&wrong, Nanos(1), None).unwrap_err();
        assert!(matches!(error, JournalError::Options { .. }));
    }
}

#[test]
fn the_hook_gets_every_full_segment_once_with_its_records() {
    let folder = MemoryFolder::new();
    let told = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&told);
    let hook: Hook = Box::new(move |closed| {
        let bytes = closed.bytes();
        let sequences: Vec<u64> = closed.records(&bytes).map(|r| r.sequence).collect();
        let all: Vec<u64> = (closed.first_sequence()..=closed.last_sequence()).collect();
        assert_eq!(sequences, all);
        sink.lock().unwrap().push((closed.number(), closed.last_sequence()));
    });
    let (mut writer, _) = Writer::open(&options(&folder), Nanos(1), Some(hook)).unwrap();
    fill(&mut writer, 100);
    let told = told.lock().unwrap();
    let numbers: Vec<u64> = told.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (1..writer.status().segment).collect::<Vec<_>>());
    let lasts = ends(&folder);
    for (number, last) in told.iter() {
        assert_eq!(lasts[*last as usize - 1].0, *number);
        assert_eq!(lasts[*last as usize].0, number + 1);
    }
}

#[test]
fn a_hook_that_panics_costs_a_message() {
    let folder = MemoryFolder::new();
    folder.set_budget(Some(2 * SEGMENT as u64));
    let hook: Hook = Box::new(|_| panic!("on purpose"));
    let (mut writer, _) = Writer::open(&options(&folder), Nanos(1), Some(hook)).unwrap();
    fill(&mut writer, 25);
    let status = writer.status();
    assert_eq!(status.segment, 2);
    let error = "memory/segment-000002.log: what is done with a full segment panicked";
    folder.set_budget(None);
    fill(&mut writer, 30);
    assert_eq!(writer.status().error.unwrap(), error);
}

#[test]
fn snapshots_are_found_newest_first_and_damaged_ones_passed_over() {
    let folder = MemoryFolder::new();
    let place = Place::Memory(folder.clone());
    assert!(snapshot::newest(&place).unwrap().snapshot.is_none());
    let (mut writer, _) = open(&folder);
    fill(&mut writer, 100);
    for sequence in [20, 50, 70, 90] {
        snapshot::write(&place, sequence, Nanos(sequence), &payload(sequence)).unwrap();
    }
    let found = snapshot::newest(&place).unwrap();
    assert!(found.damaged.is_empty());
    let expected = snapshot::Snapshot { sequence: 90, time: Nanos(90), payload: payload(90) };
    assert_eq!(found.snapshot.unwrap(), expected);
    for bit in 0..(48 + payload(90).len()) * 8 {
        let change = |bytes: &mut Vec<u8>| bytes[bit / 8] ^= 1 << (bit % 8);
        folder.disturb_snapshot(90, change);
        let found = snapshot::newest(&place).unwrap();
        assert_eq!(found.snapshot.unwrap().sequence, 70, "bit {bit}");
        let path = "memory/snapshot-00000000000000000090: damaged (";
        assert!(found.damaged[0].to_string().starts_with(path));
        folder.disturb_snapshot(90, change);
    }
    folder.disturb_snapshot(90, |bytes| bytes.truncate(47));
    // The damaged one stays for a person to look at; two sound ones are kept.
    let removed = snapshot::prune(&place, true).unwrap();
    assert_eq!((removed.snapshots, removed.segments), (vec![20], vec![]));
    assert_eq!(folder.snapshots(), vec![50, 70, 90]);
}

#[test]
fn segments_before_the_oldest_kept_snapshot_may_be_removed() {
    let folder = MemoryFolder::new();
    let place = Place::Memory(folder.clone());
    let (mut writer, _) = open(&folder);
    fill(&mut writer, 100);
    snapshot::write(&place, 90, Nanos(1), b"").unwrap();
    assert_eq!(snapshot::prune(&place, false).unwrap(), snapshot::Removed::default());
    let lasts = ends(&folder);
    let (segment, _) = lasts[59];
    snapshot::write(&place, 60, Nanos(1), b"").unwrap();
    let removed = snapshot::prune(&place, false).unwrap();
    assert_eq!(removed.segments, (1..segment).collect::<Vec<_>>());
    assert!(segment > 2);
    assert_eq!(content(&folder, 61).unwrap().0, expected(61..=100));
    fill(&mut writer, 30);
    drop(writer);
    let (_, opened) = open(&folder);
    assert_eq!(opened.next_sequence, 131);
}

#[test]
fn a_snapshot_ahead_of_the_journal_is_refused() {
    let folder = MemoryFolder::new();
    let (mut writer, _) = open(&folder);
    fill(&mut writer, 10);
    drop(writer);
    let place = Place::Memory(folder.clone());
    snapshot::write(&place, 10, Nanos(1), b"").unwrap();
    drop(open(&folder));
    snapshot::write(&place, 11, Nanos(1), b"").unwrap();
    let error = Writer::open(&options(&folder), Nanos(1), None).unwrap_err();
    assert!(matches!(error, JournalError::SnapshotAhead { last: 10, .. }), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 2 } else { 128 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Any records, any segment size, opened again at any time: read as they were appended.
    #[test]
    fn records_make_the_round_trip(
        pages in 1u64..4,
        rounds in prop::collection::vec(
            prop::collection::vec(
                (any::<u8>(), any::<u64>(), prop::collection::vec(any::<u8>(), 0..600)), 0..30),
            1..4),
    ) {
        let folder = MemoryFolder::new();
        let mut options = options(&folder);
        options.segment_bytes = pages * 4096;
        let mut expected = Vec::new();
        for round in rounds {
            let (mut writer, opened) = Writer::open(&options, Nanos(3), None).unwrap();
            prop_assert!(opened.cut.is_none());
            for (kind, time, payload) in round {
                let sequence = writer.append(kind, Need::Normal, Nanos(time), &payload).unwrap();
                prop_assert_eq!(sequence, expected.len() as u64 + 1);
                expected.push((sequence, time, kind, payload));
            }
        }
        prop_assert_eq!(content(&folder, 0).unwrap(), (expected, None));
    }

    /// Garbage behind the last byte that was written, in the last segment, is a torn tail.
    #[test]
    fn garbage_behind_a_crash_is_cut(
        count in 1u64..40,
        place in any::<prop::sample::Index>(),
        garbage in prop::collection::vec(any::<u8>(), 1..400),
    ) {
        let folder = MemoryFolder::new();
        let (mut writer, _) = open(&folder);
        fill(&mut writer, count);
        drop(writer);
        let ends = ends(&folder);
        let (last, bytes) = folder.segments().pop().unwrap();
        let at = SEGMENT_HEADER + place.index(SEGMENT - SEGMENT_HEADER);
        let whole = ends.iter().filter(|end| **end <= (last, at)).count() as u64;
        folder.disturb(last, |bytes| {
            bytes[at..].fill(0);
            let count = garbage.len().min(SEGMENT - at);
            bytes[at..at + count].copy_from_slice(&garbage[..count]);
        });
        let (records, torn) = content(&folder, 0).unwrap();
        // Equal bytes by chance give the record back.
        prop_assert!(records.len() as u64 >= whole);
        if records.len() as u64 > whole {
            let end = ends[records.len() - 1].1;
            prop_assert!(folder.segments().pop().unwrap().1[..end] == bytes[..end]);
        }
        prop_assert_eq!(&records, &expected(1..=records.len() as u64));
        let (writer, opened) = open(&folder);
        prop_assert_eq!(opened.next_sequence, records.len() as u64 + 1);
        prop_assert_eq!(opened.cut, torn);
        drop(writer);
    }

    /// No bytes whatever make it panic.
    #[test]
    fn any_bytes_are_read_or_refused(
        segments in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..4),
    ) {
        let folder = MemoryFolder::of_segments(segments);
        let _ = content(&folder, 0);
        let _ = Writer::open(&options(&folder), Nanos(1), None);
    }

    /// A sound journal with a few bytes changed: whatever is still handed out is as it was.
    #[test]
    fn changed_bytes_are_never_handed_out(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(),
            any::<u8>()), 1..6),
    ) {
        let folder = MemoryFolder::new();
        let (mut writer, _) = open(&folder);
        fill(&mut writer, 40);
        drop(writer);
        for (segment, byte, value) in changes {
            let number = 1 + segment.index(folder.segments().len()) as u64;
            folder.disturb(number, |bytes| bytes[byte.index(SEGMENT)] = value);
        }
        if let Ok(mut reader) = Reader::open(&Place::Memory(folder.clone()), 0) {
            let mut sequence = 0;
            while let Ok(Some(record)) = reader.next() {
                sequence += 1;
                let payload = payload(sequence);
                let seen = (record.sequence, record.time.0, record.kind, record.payload);
                prop_assert_eq!(seen, (sequence, 1000 + sequence, sequence as u8, &payload[..]));
            }
        }
    }
}
