//! The order manager over a journal that is cut off at any byte, runs full, or was written by
//! somebody who decided otherwise.

use crate::desk::{Desk, NOW, SECOND, VENUE};
use stoop::agents::journal::{JournalRecorder, JournalSetup, last_lines, restore};
use stoop::agents::{Phase, log};
use stoop::config::{Config, JournalSync};
use stoop::journal::{MemoryFolder, Place};
use stoop::oms::RiskReject;
use stoop::types::*;

fn setup(memory: &MemoryFolder, segment_bytes: u64) -> JournalSetup {
    let config = Config::embedded().unwrap().journal;
    let config = stoop::config::JournalConfig { segment_bytes, ..config };
    JournalSetup { place: Place::Memory(memory.clone()), config, anew: false }
}

/// Trades one round: a signal, its acknowledgement, its fill.
fn round(desk: &mut Desk, number: u64) {
    let now = NOW.plus(number * SECOND);
    desk.live_book(now);
    assert_eq!(desk.signal(now), 0);
    for order in desk.orders() {
        let mut report = ExecutionReport::new(
            ReportKind::Fill,
            ReportOrigin::Stream,
            order.client_id,
            order.instrument,
        );
        report.venue_order_id = VenueOrderId::from_u64(order.client_id.0);
        report.fill = Fill {
            fill_id: FillId::from_u64(number),
            price: order.price,
            qty: order.qty,
            ..Fill::default()
        };
        desk.tell(Event::Report(report));
    }
    desk.poll(now);
}

fn trading(memory: &MemoryFolder, rounds: u64) -> Desk {
    let mut desk = Desk::over(&setup(memory, 1 << 16), NOW);
    desk.become_ready();
    for number in 1..=rounds {
        round(&mut desk, number);
    }
    desk
}

#[test]
fn wherever_the_journal_ends_every_order_that_left_is_known() {
    let memory = MemoryFolder::new();
    let mut desk = trading(&memory, 3);
    let all = memory.written();
    drop(desk.orders());
    drop(desk);
    let mut found = std::collections::BTreeSet::new();
    // A prime step meets every part of every record in the end.
    for end in (0..=all).step_by(7) {
        let memory = MemoryFolder::new();
        memory.crash_at(end);
        let mut sent = Vec::new();
        let mut desk = Desk::over_crashing(&setup(&memory, 1 << 16), NOW);
        if let Some(desk) = &mut desk {
            desk.become_ready();
            for number in 1..=3 {
                desk.live_book(NOW.plus(number * SECOND));
                desk.signal(NOW.plus(number * SECOND));
                // An order whose record could not be kept whole must not leave either.
                sent.extend(desk.orders().iter().map(|order| order.client_id));
            }
        }
        drop(desk);
        let memory = memory.after_crash();
        let restored = restore(&Place::Memory(memory.clone()), true).unwrap();
        let Some(kept) = restored.kept else {
            assert!(sent.is_empty(), "byte {end}");
            continue;
        };
        for id in &sent {
            assert!(kept.knows(*id), "byte {end}: {id} is forgotten");
        }
        found.insert(kept.open_count());
        // And it can be gone on with.
        let desk = Desk::over(&setup(&memory, 1 << 16), NOW.plus(60 * SECOND));
        assert_eq!(desk.view.counters().orders_sent, 0, "nothing is published before a poll");
    }
    assert!(found.len() > 3, "the crashes hit different states: {found:?}");
}

#[test]
fn a_run_goes_on_where_the_one_before_stopped() {
    let memory = MemoryFolder::new();
    let desk = trading(&memory, 4);
    let last = desk.stop();
    assert_eq!(last.counters.fills, 4);
    let restored = restore(&Place::Memory(memory.clone()), true).unwrap();
    assert_eq!(restored.records, 0, "the snapshot of the stop holds everything");
    assert_eq!(restored.final_state(&[VENUE]).counters, last.counters);
    let whole = restore(&Place::Memory(memory.clone()), false).unwrap();
    assert_eq!(whole.kept.unwrap().hash(), restored.kept.unwrap().hash());
    let mut desk = Desk::over(&setup(&memory, 1 << 16), NOW.plus(60 * SECOND));
    desk.become_ready();
    round(&mut desk, 61);
    assert_eq!(desk.stop().counters.fills, 5);
}

#[test]
fn full_files_become_snapshots_while_the_engine_runs() {
    let memory = MemoryFolder::new();
    let mut desk = Desk::over(&setup(&memory, 16 << 10), NOW);
    desk.become_ready();
    for number in 1..=200 {
        round(&mut desk, number);
    }
    assert!(memory.segments().len() > 3);
    drop(desk);
    let place = Place::Memory(memory);
    let (short, long) = (restore(&place, true).unwrap(), restore(&place, false).unwrap());
    assert!(short.records * 3 < long.records, "{} of {}", short.records, long.records);
    assert_eq!(short.kept.unwrap().hash(), long.kept.unwrap().hash());
    assert!(short.warnings.is_empty());
}

#[test]
fn a_record_that_the_disk_does_not_store_is_written_once() {
    let memory = MemoryFolder::new();
    let mut setup = setup(&memory, 1 << 16);
    setup.config.sync = stoop::config::JournalSync::Record;
    let mut desk = Desk::over(&setup, NOW);
    desk.become_ready();
    round(&mut desk, 1);
    memory.fail_syncs(true);
    let mut codes = Vec::new();
    for number in 2..5 {
        desk.live_book(NOW.plus(number * SECOND));
        codes.push(desk.signal(NOW.plus(number * SECOND)));
        desk.poll(NOW.plus(number * SECOND));
    }
    let full = RiskReject::JournalFull as u8;
    assert_eq!(codes[1..], [full, full], "nothing new on a disk that fails");
    drop(desk);
    // Every input was executed once, and its effects are those that stand there.
    let restored = restore(&Place::Memory(memory), false).unwrap();
    assert!(restored.kept.is_some());
}

#[test]
fn a_snapshot_that_finds_no_room_is_not_the_last() {
    let memory = MemoryFolder::new();
    let mut desk = Desk::over(&setup(&memory, 16 << 10), NOW);
    desk.become_ready();
    round(&mut desk, 1);
    let used: u64 = memory.segments().iter().map(|(_, bytes)| bytes.len() as u64).sum();
    memory.set_budget(Some(used));
    let mut number = 1;
    let mut signal = |desk: &mut Desk| {
        number += 1;
        desk.live_book(NOW.plus(number * SECOND));
        let code = desk.signal(NOW.plus(number * SECOND));
        desk.poll(NOW.plus(number * SECOND));
        code
    };
    while signal(&mut desk) != RiskReject::JournalFull as u8 {}
    assert_eq!((memory.segments().len(), memory.snapshot_count()), (2, 0));
    memory.set_budget(None);
    for _ in 1..200 {
        signal(&mut desk);
    }
    assert!(memory.snapshot_count() > 0, "they go on once there is room");
}

#[test]
fn a_journal_without_its_first_segments_is_executed_from_the_snapshot_before_the_rest() {
    let memory = MemoryFolder::new();
    let mut setup = setup(&memory, 16 << 10);
    setup.config.keep_all = false;
    let mut desk = Desk::over(&setup, NOW);
    desk.become_ready();
    for number in 1..=200 {
        round(&mut desk, number);
    }
    drop(desk);
    assert!(memory.segments()[0].0 > 1, "the first were removed");
    let place = Place::Memory(memory);
    let (short, long) = (restore(&place, true).unwrap(), restore(&place, false).unwrap());
    assert!(long.after > 0 && long.after < short.after, "{} {}", long.after, short.after);
    assert_eq!(short.kept.unwrap().hash(), long.kept.unwrap().hash());
}

#[test]
fn a_journal_in_use_is_neither_read_nor_moved_aside() {
    let name = format!("stoop-journal-lock-{}", std::process::id());
    let folder = std::env::temp_dir().join(name).join("run");
    let place = Place::Folder(folder.clone());
    let setup = JournalSetup { place, anew: true, ..setup(&MemoryFolder::new(), 1 << 16) };
    let open = || JournalRecorder::open(&setup, NOW, log::channel(64).0);
    let (first, _) = open().unwrap();
    let error = open().err().unwrap();
    assert!(error.contains("in use"), "{error}");
    assert!(folder.join("segment-000001.log").exists());
    drop(first);
    open().unwrap();
    std::fs::remove_dir_all(folder.parent().unwrap()).unwrap();
}

/// Signals, once a second, whose orders are rejected, until one is refused here: with which code, and in
/// which second.
fn fill_up(desk: &mut Desk) -> (u8, u64) {
    for number in 2..100_000 {
        let now = NOW.plus(number * SECOND);
        desk.live_book(now);
        let code = desk.signal(now);
        if code != 0 {
            return (code, number);
        }
        let order = desk.orders()[0];
        let (kind, origin) = (ReportKind::Rejected, ReportOrigin::Reply);
        let report = ExecutionReport::new(kind, origin, order.client_id, order.instrument);
        desk.tell(Event::Report(report));
        desk.poll(now);
    }
    panic!("the disk never got full");
}

#[test]
fn a_full_disk_stops_new_orders_and_nothing_else() {
    let memory = MemoryFolder::new();
    let mut desk = Desk::over(&setup(&memory, 1 << 16), NOW);
    desk.become_ready();
    round(&mut desk, 1);
    memory.set_budget(Some(memory.segments().iter().map(|(_, s)| s.len() as u64).sum()));
    let (refused, number) = fill_up(&mut desk);
    assert_eq!(RiskReject::from_u8(refused), Some(RiskReject::JournalFull));
    // What keeps the account safe still has room.
    desk.cancel_all(NOW.plus(number * SECOND));
    let why = |desk: &Desk| desk.view.health(VENUE).gate.not_ready;
    desk.poll(NOW.plus((number + 1) * SECOND));
    assert_eq!(why(&desk), Some(NotReady::JournalFull));
    assert!(desk.lifecycle.phase() == Phase::Running);
    memory.set_budget(None);
    let now = NOW.plus((number + 10) * SECOND);
    desk.live_book(now);
    desk.poll(now);
    desk.poll(now.plus(SECOND));
    assert_eq!(why(&desk), None);
    desk.live_book(now.plus(2 * SECOND));
    assert_eq!(desk.signal(now.plus(2 * SECOND)), 0, "room again");
}

#[test]
fn a_journal_that_breaks_after_it_was_short_stops_the_engine() {
    let memory = MemoryFolder::new();
    let mut desk = Desk::over(&setup(&memory, 1 << 16), NOW);
    desk.become_ready();
    round(&mut desk, 1);
    memory.set_budget(Some(memory.segments().iter().map(|(_, s)| s.len() as u64).sum()));
    let mut now = NOW;
    let mut until = |done: &dyn Fn(&str) -> bool, desk: &mut Desk| {
        for _ in 0..100_000 {
            now = now.plus(SECOND / 10);
            desk.live_book(now);
            if desk.lifecycle.phase() == Phase::Running {
                desk.signal(now);
            }
            desk.commands();
            desk.cancel_all(now);
            if let Some(line) = desk.lines.take().into_iter().find(|line| done(&line.text)) {
                return line;
            }
        }
        panic!("it was never said");
    };
    until(&|text| text.starts_with("journal: cannot reserve the space"), &mut desk);
    assert!(desk.lifecycle.phase() == Phase::Running && desk.lifecycle.reason().is_none());
    let line = until(&|text| text.ends_with(": stopping"), &mut desk);
    assert_eq!(line.level, log::Level::Error);
    assert!(desk.lifecycle.phase() > Phase::Running);
    let reason = desk.lifecycle.reason().unwrap();
    assert!(reason.ends_with("give its disk room, then start again"), "{reason}");
}

#[test]
fn records_of_another_logic_are_refused_with_a_way_on() {
    let memory = MemoryFolder::new();
    drop(trading(&memory, 2));
    // A quote is turned into one that may not be traded on, with a sound checksum: somebody else
    // decided on it.
    let place = Place::Memory(memory);
    let other = Place::Memory(crate::desk::rewritten(&place, |record| {
        if let stoop::oms::Record::Quote(_, quote) = record {
            quote.state = BookState::Stale;
        }
    }));
    let error = restore(&other, false).err().unwrap();
    assert!(error.contains("BookNotLive") && error.contains("move the folder away"), "{error}");
}

/// Amounts are counted in 1e-18: those of every day are beyond what 64 bits hold.
#[test]
fn the_last_records_are_shown_whatever_amounts_they_hold() {
    let memory = MemoryFolder::new();
    let mut desk = trading(&memory, 1);
    let free = Amount(100_000 * 10i128.pow(18));
    desk.tell(Event::Balance(AssetBalance { venue: VENUE, free, ..AssetBalance::default() }));
    desk.poll(NOW.plus(2 * SECOND));
    let lines = last_lines(&Place::Memory(memory), 3);
    assert_eq!(lines.len(), 3);
    let shown = "\"free\":100000000000000000000000,";
    assert!(lines.iter().any(|line| line.contains(shown)), "{lines:#?}");
}

/// A signal that goes on being sent, a venue that goes on repeating itself: neither takes the room
/// that is kept for cancels and fills.
#[test]
fn the_last_room_of_a_full_disk_is_left_for_cancels_and_new_fills() {
    let memory = MemoryFolder::new();
    let mut desk = Desk::over(&setup(&memory, 1 << 16), NOW);
    desk.become_ready();
    desk.live_book(NOW);
    assert_eq!(desk.signal(NOW), 0);
    let working = desk.orders()[0];
    let filled = |number: u64, origin| {
        let id = working.client_id;
        let mut report = ExecutionReport::new(ReportKind::Fill, origin, id, working.instrument);
        report.venue_order_id = VenueOrderId::from_u64(id.0);
        let (fill_id, price, qty) = (FillId::from_u64(number), working.price, Qty(10));
        report.fill = Fill { fill_id, price, qty, ..Fill::default() };
        report
    };
    round(&mut desk, 1);
    desk.tell(Event::Report(filled(1_000_000, ReportOrigin::Stream)));
    memory.set_budget(Some(memory.segments().iter().map(|(_, s)| s.len() as u64).sum()));
    let full = RiskReject::JournalFull as u8;
    let mut number = 1;
    let mut ended = Vec::new();
    loop {
        number += 1;
        desk.live_book(NOW.plus(number * SECOND));
        if desk.signal(NOW.plus(number * SECOND)) == full {
            break;
        }
        let order = desk.orders()[0];
        let mut report = filled(number, ReportOrigin::Stream);
        report.client_id = order.client_id;
        report.venue_order_id = VenueOrderId::from_u64(order.client_id.0);
        report.fill.qty = order.qty;
        ended.push(report);
        desk.tell(Event::Report(report));
        desk.poll(NOW.plus(number * SECOND));
    }
    let now = NOW.plus((number + 1) * SECOND);
    desk.poll(now);
    let records = desk.view.counters().journal_records;
    let repeated = desk.view.counters().duplicates;
    for number in 0..10_000 {
        assert_eq!(desk.signal(now), full);
        let again = ended[number % ended.len()];
        desk.tell(Event::Report(ExecutionReport { origin: ReportOrigin::Query, ..again }));
        desk.poll(now);
    }
    desk.poll(now.plus(SECOND));
    let c = desk.view.counters();
    assert_eq!(c.duplicates, repeated + 10_000);
    assert!(c.signals_refused >= 10_000 && c.refusals[usize::from(full)] >= 10_000);
    assert!(c.journal_records <= records + 10, "{} after {records}", c.journal_records);
    // What it is kept for.
    desk.tell(Event::Report(filled(1_000_001, ReportOrigin::Stream)));
    desk.cancel_all(now.plus(SECOND));
    let cancels = desk.commands();
    let cancel = |command: &Command| matches!(command.kind, CommandKind::Cancel(_));
    assert_eq!(cancels.iter().filter(|command| cancel(command)).count(), 1);
    let gone =
        ExecutionReport { kind: ReportKind::Canceled, ..filled(1_000_001, ReportOrigin::Stream) };
    desk.tell(Event::Report(gone));
    desk.poll(now.plus(2 * SECOND));
    let c = desk.view.counters();
    assert_eq!((c.fills, c.journal_lost), (3 + ended.len() as u64, 0));
    assert!(desk.lifecycle.phase() == Phase::Running);
    let counted = (c.signals, c.signals_refused, c.duplicates);
    memory.set_budget(None);
    let now = now.plus(10 * SECOND);
    desk.live_book(now);
    desk.poll(now);
    desk.poll(now.plus(SECOND));
    let said = desk.lines.take();
    let again = "journal: room for new orders again; ";
    assert!(said.iter().any(|line| line.text.starts_with(again)), "{said:#?}");
    let last = desk.stop();
    let c = &last.counters;
    assert_eq!((c.signals, c.signals_refused, c.duplicates), counted, "now on record");
    let restored = restore(&Place::Memory(memory), false).unwrap();
    assert_eq!(restored.final_state(&[VENUE]).counters, last.counters);
}

/// Nobody may take a journal for stored that the disk was never asked to have.
#[test]
fn what_the_disk_was_not_asked_to_have_is_counted_as_not_there() {
    let memory = MemoryFolder::new();
    let over = |sync: JournalSync, now: Nanos| {
        let mut setup = setup(&memory, 1 << 16);
        setup.config.sync = sync;
        let mut desk = Desk::over(&setup, now);
        desk.become_ready();
        desk
    };
    let mut desk = over(JournalSync::Never, NOW);
    for number in 1..=3 {
        round(&mut desk, number);
    }
    let c = desk.view.counters();
    assert!(c.journal_records > 10, "{} records", c.journal_records);
    assert_eq!((c.journal_unsynced, c.journal_syncs), (c.journal_records, 0));
    desk.stop();
    let before = restore(&Place::Memory(memory.clone()), false).unwrap().records;
    let mut desk = over(JournalSync::Never, NOW.plus(60 * SECOND));
    round(&mut desk, 61);
    let c = desk.view.counters();
    let of_this_run = c.journal_records - before;
    assert!(of_this_run > 3, "{} records after {before}", c.journal_records);
    assert_eq!((c.journal_unsynced, c.journal_syncs), (of_this_run, 0));
    desk.stop();
    let mut desk = over(JournalSync::Record, NOW.plus(120 * SECOND));
    round(&mut desk, 121);
    let c = desk.view.counters();
    assert_eq!((c.journal_unsynced, c.journal_syncs), (0, 1));
}

/// A position that is watched for a day would fill whatever room there is.
#[test]
fn a_disk_that_is_full_for_a_day_is_not_filled_by_looks_at_the_losses() {
    let memory = MemoryFolder::new();
    let mut desk = Desk::over(&setup(&memory, 1 << 16), NOW);
    desk.become_ready();
    round(&mut desk, 1);
    memory.set_budget(Some(memory.segments().iter().map(|(_, s)| s.len() as u64).sum()));
    let (refused, number) = fill_up(&mut desk);
    assert_eq!(RiskReject::from_u8(refused), Some(RiskReject::JournalFull));
    let begun = NOW.plus((number + 1) * SECOND);
    desk.poll(begun);
    let records = desk.view.counters().journal_records;
    for second in 1..=86_400 {
        let now = begun.plus(second * SECOND);
        desk.live_book(now);
        desk.poll(now);
    }
    let c = desk.view.counters();
    let made = c.journal_records - records;
    assert!(made < 20 && c.journal_lost == 0, "{made} records of a day");
    assert!(c.journal_records > 0 && desk.lifecycle.phase() == Phase::Running);
    let restored = restore(&Place::Memory(memory), false).unwrap();
    assert_eq!(restored.final_state(&[VENUE]).counters.fills, 1);
}
