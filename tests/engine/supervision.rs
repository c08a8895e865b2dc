//! What the engine does about a strategy that panics, one that hangs, and an executor that is gone.

use crate::{Own, PATIENCE, Started, config, start, start_logged, stop};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use stoop::agents::control::{ControlReply, SOCKET_NAME, Spare, SparePlan};
use stoop::agents::{Session, log};
use stoop::clock::Clock;
use stoop::strategy::prelude::*;
use stoop::types::{Event, OrderState, ReportKind};
use stoop::venues::VENUES;

pub fn wait_for(what: &str, is: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub fn own(name: &str, strategy: impl Strategy + 'static) -> Own {
    vec![(name.to_owned(), Box::new(strategy))]
}

/// Rests one bid far below the book, then does what it is told to.
pub struct Resting {
    working: Arc<AtomicBool>,
    ended: Arc<AtomicBool>,
    then: Then,
    sent: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Then {
    Panic,
    Hang(Duration),
}

impl Resting {
    pub fn new(then: Then) -> (Self, Arc<AtomicBool>, Arc<AtomicBool>) {
        let (working, ended) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
        let strategy = Self { working: working.clone(), ended: ended.clone(), then, sent: false };
        (strategy, working, ended)
    }
}

impl Strategy for Resting {
    fn on_start(&mut self, ctx: &mut Context) {
        let market = ctx.instrument("BTC/USDT@binance").unwrap();
        ctx.watch(&market).unwrap();
    }

    fn on_timer(&mut self, ctx: &mut Context) {
        let market = ctx.instrument("BTC/USDT@binance").unwrap();
        let best = ctx.best(&market);
        let qty = market.qty(Decimal::new(1, 2)).unwrap();
        if !self.sent && best.is_live() {
            let price = Price(best.bid.price.0 * 9 / 10).round_to(market.tick_size, Rounding::Down);
            // Refused until the venue is ready; then it is tried again.
            self.sent = ctx.signal().buy(&market, qty).limit_at(price).emit().is_ok();
        }
        if self.working.load(Ordering::Relaxed) {
            match self.then {
                Then::Panic => panic!("deliberate"),
                Then::Hang(time) => {
                    std::thread::sleep(time);
                    self.then = Then::Hang(Duration::ZERO);
                }
            }
        }
    }

    fn on_report(&mut self, _ctx: &mut Context, report: &StrategyReport) {
        self.sent &= report.kind != ReportKind::Rejected;
        if report.state == OrderState::Open {
            self.working.store(true, Ordering::Relaxed);
        }
        if report.state == OrderState::Canceled {
            self.ended.store(true, Ordering::Relaxed);
        }
    }
}

#[test]
fn a_panic_cancels_everything_and_leaves_a_bundle() {
    let folder = std::env::temp_dir().join(format!("stoop-crash-{}", std::process::id()));
    let mut config = config("", &["bad"]);
    config.crash_folder = folder.clone();
    let (strategy, working, _) = Resting::new(Then::Panic);
    let Started { engine, sim, lines, .. } = start_logged(&config, own("bad", strategy)).unwrap();
    wait_for("the order", || working.load(Ordering::Relaxed));
    wait_for("the emergency", || engine.is_lost());
    let bundle = || std::fs::read_dir(&folder).ok()?.next()?.ok();
    wait_for("the bundle", || bundle().is_some_and(|entry| entry.path().join("log.txt").exists()));
    let last = stop(engine, sim);
    assert_eq!(last.unconfirmed, [""; 0], "the order manager lives and hears of the cancel");
    assert_eq!(last.counters.orders_canceled, 1);
    let path = bundle().unwrap().path();
    let text = std::fs::read_to_string(path.join("crash.txt")).unwrap();
    assert!(text.contains("agent strategy:bad, thread "), "{text}");
    assert!(text.contains("deliberate") && text.contains("supervision.rs"), "{text}");
    let orders = std::fs::read_to_string(path.join("orders.json")).unwrap();
    assert!(orders.starts_with('['), "{orders}");
    let region = std::fs::read_to_string(path.join("region.json")).unwrap();
    assert!(region.contains("BTC/USDT@binance"), "{region}");
    let told: Vec<String> = lines.take().into_iter().map(|line| line.text).collect();
    assert!(told.iter().any(|line| line.starts_with("agent strategy:bad panicked")), "{told:?}");
    // Nothing of the account's keys is in any of the files.
    for file in std::fs::read_dir(&path).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for secret in crate::secrets() {
            assert!(!text.contains(&secret), "a secret was written");
        }
    }
    let _ = std::fs::remove_dir_all(folder);
}

const THREADS: &str = r#"
[[thread]]
runs = ["feed:binance", "feed:bybit", "oms", "exec:binance", "exec:bybit"]

[[thread]]
runs = ["strategy:slow"]
"#;

fn ask(config: &stoop::config::Config, line: &str) -> ControlReply {
    use std::io::{BufRead, BufReader, Write};
    let path = format!("/dev/shm/stoop-{}/{SOCKET_NAME}", config.name);
    let mut stream = std::os::unix::net::UnixStream::connect(path).unwrap();
    stream.write_all(line.as_bytes()).unwrap();
    stream.write_all(b"\n").unwrap();
    let mut reply = String::new();
    BufReader::new(stream).read_line(&mut reply).unwrap();
    serde_json::from_str(&reply).unwrap()
}

#[test]
fn a_strategy_that_hangs_is_paused_until_a_person_resumes_it() {
    let mut config = config(THREADS, &["slow"]);
    config.strategy_silence_max_ns = 1_000_000_000;
    let (strategy, working, ended) = Resting::new(Then::Hang(Duration::from_secs(4)));
    let Started { engine, sim, lines, .. } = start_logged(&config, own("slow", strategy)).unwrap();
    wait_for("the order", || working.load(Ordering::Relaxed));
    wait_for("the cancel", || engine.view().counters().orders_canceled == 1);
    wait_for("its return", || ended.load(Ordering::Relaxed));
    let told = || lines.take().into_iter().map(|line| line.text).collect::<Vec<_>>().join("\n");
    std::thread::sleep(Duration::from_millis(300));
    let text = told();
    assert!(text.contains("strategy slow: silent for 1000 ms: paused"), "{text}");
    assert!(text.contains("alive again; it stays paused until a person resumes it"), "{text}");
    let reply = ask(&config, r#"{"command":"resume","strategy":"slow"}"#);
    assert!(reply.ok && reply.done, "{reply:?}");
    assert_eq!(stop(engine, sim).unconfirmed, [""; 0]);
}

const ONE_LOOP: &str = r#"
[[thread]]
runs = ["feed:binance", "feed:bybit", "oms", "exec:binance", "exec:bybit", "strategy:slow"]
"#;

/// The limit that the manual states: in one loop nobody can act while one of them holds up all.
#[test]
fn a_loop_that_stands_still_is_said_to_and_ends_in_good_order_once_it_moves() {
    let folder = std::env::temp_dir().join(format!("stoop-still-{}", std::process::id()));
    let mut config = config(ONE_LOOP, &["slow"]);
    config.strategy_silence_max_ns = 1_000_000_000;
    config.crash_folder = folder.clone();
    let (strategy, working, _) = Resting::new(Then::Hang(Duration::from_secs(3)));
    let Started { engine, sim, lines, .. } = start_logged(&config, own("slow", strategy)).unwrap();
    wait_for("the order", || working.load(Ordering::Relaxed));
    let bundle = || std::fs::read_dir(&folder).ok()?.next()?.ok();
    wait_for("the bundle", || bundle().is_some_and(|entry| entry.path().join("log.txt").exists()));
    wait_for("the end", || engine.has_stopped());
    assert!(engine.is_lost());
    assert_eq!(engine.view().counters().orders_canceled, 1, "once it can");
    let text = lines.take().into_iter().map(|line| line.text).collect::<Vec<_>>().join("\n");
    assert!(text.contains("the order manager has stood still for 1"), "{text}");
    assert!(!text.contains("paused"), "{text}");
    let text = std::fs::read_to_string(bundle().unwrap().path().join("crash.txt")).unwrap();
    assert!(text.contains("agent oms, thread ?"), "{text}");
    assert_eq!(stop(engine, sim).unconfirmed, [""; 0]);
    let _ = std::fs::remove_dir_all(folder);
}

#[test]
fn a_spare_connection_cancels_what_a_lost_executor_left() {
    let config = config("", &["resting"]);
    let (strategy, working, ended) = Resting::new(Then::Hang(Duration::ZERO));
    let Started { engine, sim, setups, tls, .. } =
        start_logged(&config, own("resting", strategy)).unwrap();
    wait_for("the order", || working.load(Ordering::Relaxed));
    let (log, lines) = log::channel(64);
    let (setup, clock, to) = (setups[0].clone(), Clock::new(), log.clone());
    let instruments = setup.instruments.of_venue(setup.venue).map(|row| row.id).collect();
    let (reports, heard) = std::sync::mpsc::sync_channel(64);
    let plan = SparePlan {
        reports,
        executor: "exec:lost".to_owned(),
        instruments,
        open: Arc::new(move || {
            let row = &VENUES[usize::from(setup.venue.0)];
            let connector = (row.trading)(setup.clone()).map_err(|error| error.to_string())?;
            Session::open(connector, tls.clone(), 16, &Clock::new(), to.clone())
        }),
    };
    let mut spare = Spare::new(&plan, log).unwrap();
    let begun = Instant::now();
    while !spare.is_done() {
        assert!(begun.elapsed() < PATIENCE, "not confirmed");
        spare.poll(clock.now());
        std::thread::sleep(Duration::from_millis(1));
    }
    // What became of the order is handed on, for the order manager.
    let mut ends = Vec::new();
    while ends.is_empty() {
        assert!(begun.elapsed() < PATIENCE, "its end was not handed over");
        spare.poll(clock.now());
        ends.extend(heard.try_iter().filter_map(|event| match event {
            Event::Report(report) if report.kind == ReportKind::Canceled => Some(report.client_id),
            _ => None,
        }));
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(ends[0].is_some(), "an order of ours");
    wait_for("the cancel", || ended.load(Ordering::Relaxed));
    let told: Vec<String> = lines.take().into_iter().map(|line| line.text).collect();
    let wanted = "exec:lost: a spare connection cancelled all orders; the venue confirmed it";
    assert!(told.iter().any(|line| line == wanted), "{told:?}");
    assert_eq!(stop(engine, sim).unconfirmed, [""; 0]);
}

struct Quiet;

impl Strategy for Quiet {}

#[test]
fn a_stop_over_the_socket_ends_an_engine_that_a_program_runs() {
    let config = config("", &["quiet"]);
    let (engine, sim) = start(&config, own("quiet", Quiet)).unwrap();
    let reply = ask(&config, r#"{"command":"stop"}"#);
    assert!(reply.ok && reply.done, "{reply:?}");
    assert!(engine.is_stopping());
    let reason = engine.stop_reason().unwrap();
    assert!(reason.starts_with("told to by stoop stop (user "), "{reason}");
    assert_eq!(stop(engine, sim).unconfirmed, [""; 0]);
}
