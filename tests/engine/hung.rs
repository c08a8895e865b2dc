//! An order manager that hangs while the executors run: they cancel without it.
//!
//! A strategy that shares the order manager's thread makes it hang for as long as it likes.

use crate::supervision::{Resting, Then, own, wait_for};
use crate::{PATIENCE, Started, config, start_logged};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use stoop::agents::{Agent, Executor, ExecutorParts, Lifecycle, OrderLatency, Phase, Session, log};
use stoop::clock::Clock;
use stoop::shm::{Market, RegionOptions};
use stoop::sync::spsc;
use stoop::throttle::Throttle;
use stoop::types::{Command, CommandKind, Event, VenueNotice};
use stoop::venues::{VENUES, VenueSetup};

const WITH_OMS: &str = r#"
[[thread]]
idle = "park"
runs = ["oms", "strategy:slow"]

[[thread]]
idle = "park"
runs = ["feed:binance", "feed:bybit"]

[[thread]]
idle = "park"
runs = ["exec:binance"]

[[thread]]
idle = "park"
runs = ["exec:bybit"]
"#;

/// Longer than any test waits.
const FOR_EVER: Duration = Duration::from_secs(600);

fn key(setup: &VenueSetup) -> &str {
    &setup.credentials.as_ref().unwrap().key
}

fn texts(lines: &log::LogReader) -> Vec<String> {
    lines.take().into_iter().map(|line| format!("{}: {}", line.source, line.text)).collect()
}

const CONFIRMED: &str = "the venue confirmed the end of all orders";

#[test]
fn executors_cancel_what_an_order_manager_that_hangs_has_left() {
    let folder = std::env::temp_dir().join(format!("stoop-hung-{}", std::process::id()));
    let mut config = config(WITH_OMS, &["slow"]);
    config.strategy_silence_max_ns = 1_000_000_000;
    config.crash_folder = folder.clone();
    let (strategy, working, _) = Resting::new(Then::Hang(FOR_EVER));
    let Started { engine, sim, lines, setups, .. } =
        start_logged(&config, own("slow", strategy)).unwrap();
    wait_for("the order", || working.load(Ordering::Relaxed));
    let open = || sim.ledger("binance", key(&setups[0])).unwrap().open_orders;
    assert_eq!(open(), 1);
    wait_for("the cancel", || open() == 0);
    assert!(engine.is_lost() && engine.is_stopping());
    assert_eq!(engine.stop_reason(), Some("the order manager stood still"));
    let last = engine.join();
    let wanted = "the order manager did not answer: nothing is known of its orders; all orders \
                  ended, as the venue confirmed: exec:binance, exec:bybit";
    assert_eq!(&last.unconfirmed[..1], [wanted]);
    assert!(last.unconfirmed.contains(&"the thread of oms hangs".to_owned()), "{last:?}");
    let told = texts(&lines);
    for name in ["exec:binance", "exec:bybit"] {
        let wanted = format!("{name}: {CONFIRMED}");
        assert_eq!(told.iter().filter(|line| **line == wanted).count(), 1, "{told:#?}");
    }
    sim.stop();
    let _ = std::fs::remove_dir_all(folder);
}

/// Before the watch over the heartbeat finds out: the end itself sees to it.
#[test]
fn an_engine_that_ends_while_its_order_manager_hangs_cancels_first() {
    let mut config = config(WITH_OMS, &["slow"]);
    config.strategy_silence_max_ns = 600_000_000_000;
    let (strategy, working, _) = Resting::new(Then::Hang(FOR_EVER));
    let Started { engine, sim, setups, .. } = start_logged(&config, own("slow", strategy)).unwrap();
    wait_for("the order", || working.load(Ordering::Relaxed));
    let open = || sim.ledger("binance", key(&setups[0])).unwrap().open_orders;
    assert_eq!(open(), 1);
    let beat = || engine.view().heartbeat();
    wait_for("the hang", || {
        let before = beat();
        std::thread::sleep(Duration::from_millis(500));
        beat() == before
    });
    engine.stop();
    let last = engine.join();
    assert_eq!(open(), 0, "{:?}", last.unconfirmed);
    assert!(last.unconfirmed[0].ends_with("confirmed: exec:binance, exec:bybit"), "{last:?}");
    sim.stop();
}

/// An executor of its own on the account of `setup`, with a report ring that is full already and
/// that nobody reads.
fn unheard(setup: &VenueSetup, tls: &std::sync::Arc<rustls::ClientConfig>, to: &log::Log) -> Rig {
    let row = &VENUES[usize::from(setup.venue.0)];
    let table = &setup.instruments;
    let market = Market::in_memory(table, &RegionOptions::default()).unwrap();
    let connector = (row.trading)(setup.clone()).unwrap();
    let session = Session::open(connector, tls.clone(), 16, &Clock::new(), to.named("own"));
    let (mut reports, heard) = spsc::channel(4096);
    while reports.push(Event::Notice(VenueNotice::BalancesEnd)).is_ok() {}
    let (commands, commands_in) = spsc::channel(64);
    let lifecycle = Lifecycle::default();
    let executor = Executor::new(ExecutorParts {
        name: "exec:own".to_owned(),
        session: session.unwrap(),
        instruments: table.of_venue(setup.venue).map(|row| row.id).collect(),
        commands: commands_in,
        reports,
        throttle: Throttle::new(row.limits),
        margin: setup.margin,
        costs: row.costs,
        over_rest: false,
        health: market.health_writer(setup.venue).unwrap().executor,
        latency: OrderLatency::new(&market, setup.venue).unwrap(),
        lifecycle: lifecycle.clone(),
    });
    Rig { executor, lifecycle, heard, _commands: commands, _market: market }
}

struct Rig {
    executor: Executor,
    lifecycle: Lifecycle,
    heard: spsc::Consumer<Event>,
    _commands: spsc::Producer<Command>,
    _market: Market,
}

#[test]
fn an_executor_whose_reports_nobody_takes_cancels_in_an_emergency() {
    let config = config("", &["resting"]);
    let (strategy, working, ended) = Resting::new(Then::Hang(Duration::ZERO));
    let Started { engine, sim, setups, tls, .. } =
        start_logged(&config, own("resting", strategy)).unwrap();
    wait_for("the order", || working.load(Ordering::Relaxed));
    let (log, lines) = log::channel(1024);
    let mut rig = unheard(&setups[0], &tls, &log);
    let clock = Clock::new();
    let poll = |rig: &mut Rig| {
        rig.executor.poll(clock.now());
        std::thread::sleep(Duration::from_millis(1));
    };
    for _ in 0..100 {
        poll(&mut rig);
    }
    assert_eq!(rig.executor.reports_dropped(), 0, "it waits for room");
    rig.lifecycle.lose_agent();
    let begun = Instant::now();
    while !rig.lifecycle.is_cleared("exec:own") {
        assert!(begun.elapsed() < PATIENCE, "not confirmed: {:#?}", texts(&lines));
        poll(&mut rig);
    }
    wait_for("the cancel", || ended.load(Ordering::Relaxed));
    let dropped = rig.executor.reports_dropped();
    assert!(dropped > 0);
    let told = texts(&lines);
    let lost = told.iter().filter(|line| line.contains("reports are lost"));
    assert_eq!(lost.count(), 1, "said once, not {dropped} times: {told:#?}");
    assert!(rig.heard.pop().is_some(), "what was there is there");
    engine.stop();
    wait_for("the end", || engine.has_stopped());
    assert_eq!(engine.join().unconfirmed, [""; 0]);
    sim.stop();
}

/// Says again and again what is not confirmed: nobody else can while the order manager is lost.
#[test]
fn an_executor_says_that_cancels_are_not_confirmed() {
    let config = config("", &["resting"]);
    let (strategy, _, _) = Resting::new(Then::Hang(Duration::ZERO));
    let Started { engine, sim, setups, tls, .. } =
        start_logged(&config, own("resting", strategy)).unwrap();
    let known = setups[0].clone();
    let (log, lines) = log::channel(1024);
    // Nobody answers at these addresses any more.
    engine.stop();
    wait_for("the end", || engine.has_stopped());
    let _ = engine.join();
    sim.stop();
    let mut rig = unheard(&known, &tls, &log);
    rig.lifecycle.lose_agent();
    let start = Clock::new().now();
    for second in 0..3 {
        rig.executor.poll(start.plus(second * 1_000_000_000));
    }
    assert!(!rig.lifecycle.is_cleared("exec:own"));
    assert_eq!(rig.lifecycle.phase(), Phase::Emergency);
    let open = known.instruments.of_venue(known.venue).count();
    let wanted = format!("own: cancels of {open} instruments are not confirmed: sent again");
    let told = texts(&lines);
    assert_eq!(told.iter().filter(|line| **line == wanted).count(), 2, "{told:#?}");
}

/// A message that makes no sense is shown, but never one that answers a login: it names the key.
#[test]
fn a_login_is_never_shown() {
    let config = config("", &["resting"]);
    let (strategy, _, _) = Resting::new(Then::Hang(Duration::ZERO));
    let Started { engine, sim, setups, tls, .. } =
        start_logged(&config, own("resting", strategy)).unwrap();
    let (log, lines) = log::channel(1024);
    for setup in &setups {
        let row = &VENUES[usize::from(setup.venue.0)];
        let connector = (row.trading)(setup.clone()).unwrap();
        let own = log.named(row.name);
        let mut session = Session::open(connector, tls.clone(), 16, &Clock::new(), own).unwrap();
        session.keep_frames();
        let (clock, begun, mut asked, mut shown) = (Clock::new(), Instant::now(), false, 0);
        while shown == 0 {
            assert!(begun.elapsed() < PATIENCE, "{}: nothing is shown", row.name);
            let now = clock.now();
            session.poll(now);
            session.deadline(now);
            while let Some(step) = session.step(now) {
                session.show(step.recv_ns, "asked for");
            }
            let instrument = setup.instruments.of_venue(setup.venue).next().unwrap().id;
            let command = Command::new(CommandKind::CancelAll(instrument), now);
            asked = asked || session.submit(&command, now).is_ok();
            for line in lines.take().into_iter().filter(|line| line.text.contains("raw message")) {
                assert!(!line.text.contains(key(setup)), "{}", line.text);
                assert!(!line.text.contains("apiKey"), "{}", line.text);
                shown += usize::from(asked);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    engine.stop();
    wait_for("the end", || engine.has_stopped());
    let _ = engine.join();
    sim.stop();
}
