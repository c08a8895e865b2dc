//! The control thread's rounds: nothing that takes long holds up what must be quick.

use crate::socket::{Folder, names};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{channel, sync_channel};
use std::time::{Duration, Instant};
use stoop::agents::control::children::Children;
use stoop::agents::control::crash::{CrashWriter, Incident, Incidents};
use stoop::agents::control::{Control, ControlParts, SOCKET_NAME, Socket, SparePlan};
use stoop::agents::log::{self, LogReader};
use stoop::agents::{Ask, Lifecycle, OrderBoard, Phase, Settled, Tell};
use stoop::clock::Clock;
use stoop::shm::{Market, RegionOptions};
use stoop::sync::spsc;
use stoop::types::Nanos;

const SECOND: u64 = 1_000_000_000;
const PATIENCE: Duration = Duration::from_secs(20);

fn incident(agent: &str) -> Incident {
    Incident {
        agent: agent.to_owned(),
        thread: "loop".to_owned(),
        message: "index out of bounds".to_owned(),
        backtrace: None,
        files: Vec::new(),
    }
}

/// A control thread that the test polls, and everything that it looks at.
struct Rig {
    folder: Folder,
    market: Market,
    board: OrderBoard,
    incidents: Incidents,
    lifecycle: Lifecycle,
    clock: Clock,
    lines: LogReader,
    /// A spare connection was asked for.
    opened: Arc<AtomicBool>,
    _rings: (spsc::Consumer<Ask>, spsc::Producer<Tell>),
}

impl Rig {
    fn new() -> (Self, Control) {
        let (folder, names) = (Folder::new(), names());
        let market = Market::in_memory(&names.instruments, &RegionOptions::default()).unwrap();
        let (log, lines) = log::channel(64);
        let (asks, asks_in) = spsc::channel(16);
        let (tells_out, tells) = spsc::channel(16);
        let (lifecycle, incidents) = (Lifecycle::default(), Incidents::default());
        let (path, rings) = (folder.0.join(SOCKET_NAME), (asks, tells, Settled::default()));
        let socket = Socket::bind(&path, names.clone(), rings, lifecycle.clone()).unwrap();
        let (board, clock) = (OrderBoard::default(), Clock::manual(Nanos(1_000 * SECOND)));
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
            reports: sync_channel(1).0,
        };
        let control = Control::new(ControlParts {
            socket,
            kill_file: folder.0.join("KILL"),
            view: market.view(),
            silence_max_ns: SECOND,
            incidents: incidents.clone(),
            crashes: Arc::new(crashes),
            journal: None,
            spares: vec![plan],
            children: Children::none(),
            clock: clock.clone(),
            lifecycle: lifecycle.clone(),
            log,
        });
        let _rings = (asks_in, tells_out);
        let rig =
            Self { folder, market, board, incidents, lifecycle, clock, lines, opened, _rings };
        (rig, control)
    }

    /// The control thread looks every tenth of a second for so long.
    fn pass(&self, control: &mut Control, tenths: u64) {
        for _ in 0..tenths {
            self.clock.set(self.clock.now().plus(SECOND / 10));
            control.poll(Instant::now());
        }
    }

    fn bundles(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.folder.0.join("crash")).into_iter().flatten();
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    fn wait_for_bundle(&self) {
        let begun = Instant::now();
        while !self.bundles().iter().any(|bundle| bundle.join("crash.txt").exists()) {
            assert!(begun.elapsed() < PATIENCE, "no bundle");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Whoever writes the bundle waits for the board of open orders, as it may for a disk.
#[test]
fn a_bundle_that_takes_long_holds_up_neither_spare_connection_nor_kill_file() {
    let (rig, mut control) = Rig::new();
    let held = rig.board.lock().unwrap();
    rig.incidents.push(incident("exec:x"));
    let (done, rounds) = channel();
    let kill_file = rig.folder.0.join("KILL");
    let thread = std::thread::spawn(move || {
        control.poll(Instant::now());
        std::fs::write(kill_file, "").unwrap();
        control.poll(Instant::now() + Duration::from_secs(1));
        let _ = done.send(());
        control
    });
    assert_eq!(rounds.recv_timeout(PATIENCE), Ok(()), "a round waits for the bundle");
    assert!(rig.opened.load(Ordering::Relaxed), "the spare connection is made at once");
    assert_eq!(rig.lifecycle.phase(), Phase::Stopping, "the kill file is seen");
    drop(held);
    let _control = thread.join().unwrap();
    rig.wait_for_bundle();
}

#[test]
fn an_order_manager_that_stands_still_is_given_up_as_lost() {
    let (rig, mut control) = Rig::new();
    rig.pass(&mut control, 50);
    assert_eq!(rig.lifecycle.phase(), Phase::Running, "it has never beaten");
    rig.market.beat(Nanos(1));
    rig.pass(&mut control, 11);
    assert!(!rig.lifecycle.has_lost_agent(), "not for too long");
    rig.pass(&mut control, 1);
    assert!(rig.lifecycle.has_lost_agent());
    assert_eq!(rig.lifecycle.phase(), Phase::Emergency);
    assert_eq!(rig.lifecycle.reason(), Some("the order manager stood still"));
    let said = rig.lines.take().into_iter().next().unwrap().text;
    let wanted = "the order manager has stood still for 1100 ms: the executors cancel all orders \
                  without it";
    assert_eq!(said, wanted);
    rig.wait_for_bundle();
}

/// Its heart stands still for a reason that was said already.
#[test]
fn an_order_manager_that_panicked_is_not_said_to_stand_still_too() {
    let (rig, mut control) = Rig::new();
    rig.market.beat(Nanos(1));
    rig.pass(&mut control, 1);
    rig.incidents.push(incident("oms"));
    rig.pass(&mut control, 50);
    rig.wait_for_bundle();
    assert_eq!(rig.bundles().len(), 1);
    assert_eq!(rig.lifecycle.reason(), None);
}
