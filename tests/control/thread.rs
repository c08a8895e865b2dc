//! The control thread's rounds: nothing that takes long holds up what must be quick.

use crate::socket::{Folder, names};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use stoop::agents::control::crash::{CrashWriter, Incident, Incidents};
use stoop::agents::control::{Control, ControlParts, SOCKET_NAME, Socket, SparePlan};
use stoop::agents::{Lifecycle, OrderBoard, Phase, Settled, log};
use stoop::clock::Clock;
use stoop::shm::{Market, RegionOptions};
use stoop::sync::spsc;

const PATIENCE: Duration = Duration::from_secs(20);

fn incident() -> Incident {
    Incident {
        agent: "exec:x".to_owned(),
        thread: "loop".to_owned(),
        message: "index out of bounds".to_owned(),
        backtrace: None,
    }
}

/// Whoever writes the bundle waits for the board of open orders, as it may for a disk.
#[test]
fn a_bundle_that_takes_long_holds_up_neither_spare_connection_nor_kill_file() {
    let folder = Folder::new();
    let names = names();
    let market = Market::in_memory(&names.instruments, &RegionOptions::default()).unwrap();
    let (log, _lines, _) = log::channel(64);
    let (asks, _asks_in) = spsc::channel(16);
    let (_tells_out, tells) = spsc::channel(16);
    let rings = (asks, tells, Settled::default());
    let (lifecycle, incidents) = (Lifecycle::default(), Incidents::default());
    let path = folder.0.join(SOCKET_NAME);
    let socket = Socket::bind(&path, names.clone(), rings, lifecycle.clone()).unwrap();
    let board: OrderBoard = Arc::new(Mutex::new(Vec::new()));
    let crashes = CrashWriter {
        folder: folder.0.join("crash"),
        instance: "one".to_owned(),
        view: market.view(),
        board: board.clone(),
        names,
        log: log.tail(),
    };
    let opened = Arc::new(AtomicBool::new(false));
    let flag = opened.clone();
    let plan = SparePlan {
        executor: "exec:x".to_owned(),
        instruments: Vec::new(),
        open: Arc::new(move || {
            flag.store(true, Ordering::Relaxed);
            Err("nobody is there".to_owned())
        }),
        reports: std::sync::mpsc::sync_channel(1).0,
    };
    let kill_file = folder.0.join("KILL");
    let mut control = Control::new(ControlParts {
        socket,
        kill_file: kill_file.clone(),
        view: market.view(),
        silence_max_ns: 1_000_000_000,
        incidents: incidents.clone(),
        crashes: Arc::new(crashes),
        journal: None,
        spares: vec![plan],
        clock: Clock::new(),
        lifecycle: lifecycle.clone(),
        log,
    });
    let held = board.lock().unwrap();
    incidents.push(incident());
    let (done, rounds) = channel();
    let thread = std::thread::spawn(move || {
        control.poll(Instant::now());
        std::fs::write(kill_file, "").unwrap();
        control.poll(Instant::now() + Duration::from_secs(1));
        let _ = done.send(());
        control
    });
    assert_eq!(rounds.recv_timeout(PATIENCE), Ok(()), "a round waits for the bundle");
    assert!(opened.load(Ordering::Relaxed), "the spare connection is made at once");
    assert_eq!(lifecycle.phase(), Phase::Stopping, "the kill file is seen");
    drop(held);
    let _control = thread.join().unwrap();
    let bundle = || std::fs::read_dir(folder.0.join("crash")).ok()?.next()?.ok();
    let begun = Instant::now();
    while !bundle().is_some_and(|bundle| bundle.path().join("orders.json").exists()) {
        assert!(begun.elapsed() < PATIENCE, "no bundle");
        std::thread::sleep(Duration::from_millis(5));
    }
}
