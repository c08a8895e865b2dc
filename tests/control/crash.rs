//! What a crash leaves.

use crate::socket::{Folder, names};
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};
use stoop::agents::OrderRow;
use stoop::agents::control::crash::{CrashWriter, Incident};
use stoop::agents::log;
use stoop::shm::{Market, RegionOptions};
use stoop::types::{ClientOrderId, InstrumentId, Nanos, OrderState, Qty, Side};

const NOW: Nanos = Nanos(1_796_000_000_000_000_000);

fn read(folder: &std::path::Path, file: &str) -> String {
    let path = folder.join(file);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{file}");
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn a_bundle_holds_what_was_known_and_is_the_owners_alone() {
    let folder = Folder::new();
    let names = names();
    let market = Market::in_memory(&names.instruments, &RegionOptions::default()).unwrap();
    let (log, _lines) = log::channel(16);
    log.named("feed:x").warn(NOW, format_args!("a gap"));
    let row = OrderRow {
        client_id: ClientOrderId(0x77),
        instrument: InstrumentId(0),
        side: Side::Buy,
        state: OrderState::Unknown,
        qty: Qty(100_000),
        filled: Qty(0),
        since_ns: NOW,
        cancel_wanted: false,
        venue_ready: true,
    };
    let writer = CrashWriter {
        folder: folder.0.join("crash"),
        instance: "one".to_owned(),
        view: market.view(),
        board: Arc::new(Mutex::new(vec![row])),
        names,
        log: log.tail(),
    };
    let incident = Incident {
        agent: "exec:x".to_owned(),
        thread: "loop".to_owned(),
        message: "index out of bounds".to_owned(),
        backtrace: None,
        files: Vec::new(),
    };
    let journal = ["{\"kind\":\"timer\"}".to_owned()];
    let path = writer.write(&incident, &journal, NOW).unwrap();
    assert_eq!(path.file_name().unwrap().to_str().unwrap(), "crash-20261130T005320Z-one");
    for closed in [&path, &folder.0.join("crash")] {
        assert_eq!(std::fs::metadata(closed).unwrap().permissions().mode() & 0o777, 0o700);
    }
    let text = read(&path, "crash.txt");
    assert!(text.contains("agent exec:x, thread loop\n\nindex out of bounds"), "{text}");
    let orders: serde_json::Value = serde_json::from_str(&read(&path, "orders.json")).unwrap();
    assert_eq!(orders[0]["id"], "st0000000000000077");
    assert_eq!(orders[0]["why"], "the venue has not said what became of it");
    let region: serde_json::Value = serde_json::from_str(&read(&path, "region.json")).unwrap();
    assert_eq!(region["books"][0]["instrument"], "BTC/USDT@x");
    assert_eq!(region["books"][0]["state"], "Empty");
    assert!(read(&path, "log.txt").ends_with("warn feed:x: a gap"));
    assert_eq!(read(&path, "journal.jsonl"), journal[0]);
    let second = writer.write(&incident, &[], NOW).unwrap();
    assert!(second.ends_with("crash-20261130T005320Z-one-2"), "{}", second.display());
}
