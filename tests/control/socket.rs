//! One line in, one line out.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use stoop::agents::control::{ControlReply, Names, SOCKET_NAME, Socket};
use stoop::agents::{Ask, AskKind, Lifecycle, OrderRow, Phase, Settled, Tell, TellPart};
use stoop::oms::{OperatorDone, OperatorError, Progress};
use stoop::sync::spsc;
use stoop::types::{
    ClientOrderId, Instrument, InstrumentId, InstrumentTable, Nanos, Operator, OrderState,
    ParamName, ParamValue, Qty, Scale, Scope, Side, StrategyId, Teller, VenueId,
};

/// A folder of its own for each test, removed at the end.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("stoop-control-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub fn names() -> Names {
    let mut table = InstrumentTable::default();
    let (base, quote) = (table.assets.intern("BTC"), table.assets.intern("USDT"));
    let scale = Scale { price_decimals: 2, qty_decimals: 5 };
    let name = "BTC/USDT@x".to_owned();
    table.add(Instrument { name, base, quote, scale, ..Default::default() });
    Names {
        venues: vec![(VenueId(0), "x".to_owned())],
        strategies: vec!["a".to_owned()],
        params: vec![Vec::new()],
        instruments: Arc::new(table),
    }
}

/// When it carries commands out: what is placed afterwards is not what a cancel-all is about.
const DONE_AT: Nanos = Nanos(77);

/// The order manager's part: one order that ends after so many looks.
fn order_manager(
    mut asks: spsc::Consumer<Ask>,
    mut tells: spsc::Producer<Tell>,
    lifecycle: Lifecycle,
    mut looks: u32,
    over: Arc<AtomicBool>,
) {
    let mut tell = |number, part| tells.push(Tell { number, part }).unwrap();
    while !over.load(Ordering::Relaxed) {
        if lifecycle.phase() == Phase::Stopping {
            tell(0, TellPart::Progress(Progress::default()));
            lifecycle.advance(Phase::Done);
        }
        let Some(ask) = asks.pop() else {
            std::thread::sleep(Duration::from_millis(1));
            continue;
        };
        match ask.kind {
            AskKind::Do(Operator::SetLimit(..), _) => {
                tell(ask.number, TellPart::Done(Err(OperatorError::BadValue), DONE_AT));
            }
            AskKind::Do(_, teller) => {
                let pid = std::process::id();
                assert!(matches!(teller, Teller::Person { pid: own, .. } if own == pid));
                let done = OperatorDone { cancels: 1, ..OperatorDone::default() };
                tell(ask.number, TellPart::Done(Ok(done), DONE_AT));
            }
            AskKind::Look(scope, made) => {
                assert_eq!((scope, made), (Scope::Venue(VenueId(0)), DONE_AT));
                looks = looks.saturating_sub(1);
                if looks > 0 {
                    tell(ask.number, TellPart::Order(row()));
                }
                let progress = Progress { open: u32::from(looks > 0), ..Progress::default() };
                tell(ask.number, TellPart::Progress(progress));
            }
            AskKind::Params(of) => {
                assert_eq!(of, Some(StrategyId(0)));
                let name = ParamName::new("edge").unwrap();
                tell(ask.number, TellPart::Param(StrategyId(0), name, ParamValue::Int(7)));
                tell(ask.number, TellPart::ParamsEnd);
            }
        }
    }
}

fn row() -> OrderRow {
    OrderRow {
        client_id: ClientOrderId(0xabc),
        instrument: InstrumentId(0),
        side: Side::Sell,
        state: OrderState::PendingCancel,
        qty: Qty(150_000),
        filled: Qty(50_000),
        since_ns: Nanos(1),
        cancel_wanted: true,
        venue_ready: true,
    }
}

/// A socket that is served, and an order manager behind it unless it is to hang.
struct Served {
    folder: Folder,
    lifecycle: Lifecycle,
    over: Arc<AtomicBool>,
    settled: Settled,
    threads: Vec<JoinHandle<()>>,
}

impl Served {
    fn new(looks: Option<u32>) -> Self {
        let folder = Folder::new();
        let (asks, asks_in) = spsc::channel(16);
        let (tells_out, tells) = spsc::channel(256);
        let settled = Settled::default();
        let rings = (asks, tells, settled.clone());
        let (lifecycle, over) = (Lifecycle::default(), Arc::new(AtomicBool::new(false)));
        let path = folder.0.join(SOCKET_NAME);
        let mut socket = Socket::bind(&path, names(), rings, lifecycle.clone()).unwrap();
        let mut threads = Vec::new();
        let flag = over.clone();
        threads.push(std::thread::spawn(move || {
            while !flag.load(Ordering::Relaxed) {
                socket.poll(Instant::now());
                std::thread::sleep(Duration::from_millis(1));
            }
        }));
        if let Some(looks) = looks {
            let (flag, life) = (over.clone(), lifecycle.clone());
            threads.push(std::thread::spawn(move || {
                order_manager(asks_in, tells_out, life, looks, flag);
            }));
        }
        Self { folder, lifecycle, over, settled, threads }
    }

    fn path(&self) -> PathBuf {
        self.folder.0.join(SOCKET_NAME)
    }

    fn ask(&self, line: &str) -> ControlReply {
        ask(&self.path(), line.as_bytes())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn ask(path: &Path, line: &[u8]) -> ControlReply {
    let mut stream = UnixStream::connect(path).unwrap();
    stream.write_all(line).unwrap();
    stream.write_all(b"\n").unwrap();
    read(stream)
}

fn read(stream: UnixStream) -> ControlReply {
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut reply = String::new();
    BufReader::new(stream).read_line(&mut reply).unwrap();
    serde_json::from_str(&reply).unwrap_or_else(|error| panic!("{error}: {reply:?}"))
}

#[test]
fn the_socket_is_the_owners_alone() {
    let served = Served::new(None);
    let mode = std::fs::metadata(served.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_command_is_answered_once_it_is_done() {
    let served = Served::new(Some(4));
    let reply = served.ask(r#"{"command":"cancel-all","venue":"x"}"#);
    assert!(reply.ok && reply.done, "{reply:?}");
    assert_eq!((reply.cancels, reply.open, reply.orders.len()), (1, 0, 0));
    assert_eq!(reply.pid, std::process::id());
    let reply = served.ask(r#"{"command":"pause","strategy":"a"}"#);
    assert!(reply.ok && reply.done, "{reply:?}");
}

#[test]
fn what_is_not_done_in_time_is_listed_with_its_reason() {
    let served = Served::new(Some(u32::MAX));
    let begun = Instant::now();
    let reply = served.ask(r#"{"command":"cancel-all","venue":"x","wait_ms":300}"#);
    assert!(begun.elapsed() >= Duration::from_millis(300));
    assert!(reply.ok && !reply.done, "{reply:?}");
    assert_eq!((reply.cancels, reply.open), (1, 1));
    let [order] = &reply.orders[..] else { panic!("{reply:?}") };
    assert_eq!(order.id, "st0000000000000abc");
    assert_eq!((order.instrument.as_str(), order.side.as_str()), ("BTC/USDT@x", "sell"));
    assert_eq!((order.qty.as_str(), order.filled.as_str()), ("1.5", "0.5"));
    assert_eq!(order.why, "cancel sent, not confirmed yet");
}

#[test]
fn a_refusal_is_told_in_words() {
    let served = Served::new(Some(1));
    let reply = served.ask(r#"{"command":"set","limit":"orders_open_max","value":"0"}"#);
    assert!(!reply.ok);
    assert_eq!(reply.error.as_deref(), Some("the limit cannot have this value"));
}

#[test]
fn the_parameters_in_force_are_told_of() {
    let served = Served::new(Some(1));
    let reply = served.ask(r#"{"command":"params","strategy":"a"}"#);
    assert!(reply.ok && reply.done, "{reply:?}");
    let [strategy] = &reply.strategies[..] else { panic!("{reply:?}") };
    assert_eq!(strategy.strategy, "a");
    let [param] = &strategy.params[..] else { panic!("{reply:?}") };
    assert_eq!((param.name.as_str(), param.value.as_str()), ("edge", "7"));
}

#[test]
fn stop_is_answered_when_the_engine_has_ended() {
    let served = Served::new(Some(1));
    let reply = served.ask(r#"{"command":"stop"}"#);
    assert!(reply.ok && reply.done, "{reply:?}");
    assert_eq!(served.lifecycle.phase(), Phase::Done);
    let (uid, pid) = (rustix::process::getuid().as_raw(), std::process::id());
    let teller = Teller::Person { uid, pid };
    assert_eq!(served.lifecycle.teller(), teller);
    let reason = format!("told to by stoop stop ({teller})");
    assert_eq!(served.lifecycle.reason(), Some(reason.as_str()));
}

#[test]
fn an_order_manager_that_hangs_is_said_to() {
    let served = Served::new(None);
    let reply = served.ask(r#"{"command":"pause"}"#);
    assert!(!reply.ok);
    let error = reply.error.unwrap();
    assert!(error.starts_with("the order manager does not answer"), "{error}");
    assert!(error.ends_with("It will not carry this out later"), "{error}");
    let error = served.ask(r#"{"command":"params"}"#).error.unwrap();
    assert!(error.starts_with("the order manager does not answer"), "{error}");
    assert_eq!(served.settled.up_to(1), 1, "an order manager that comes back leaves it");
    let reply = served.ask(r#"{"command":"stop","wait_ms":100}"#);
    assert!(reply.ok && !reply.done);
    assert_eq!(served.lifecycle.phase(), Phase::Stopping, "it is told to all the same");
}

#[test]
fn a_command_that_was_begun_but_not_answered_may_still_be_carried_out() {
    let served = Served::new(None);
    assert_eq!(served.settled.up_to(1), 0, "the order manager takes the first, and hangs");
    let reply = served.ask(r#"{"command":"pause"}"#);
    assert!(reply.ok && !reply.done, "{reply:?}");
    let error = reply.error.unwrap();
    assert!(error.ends_with("which may still be carried out"), "{error}");
    // Two at a time, neither of them begun.
    let (one, two) = std::thread::scope(|scope| {
        let one = scope.spawn(|| served.ask(r#"{"command":"pause"}"#));
        let two = scope.spawn(|| served.ask(r#"{"command":"resume"}"#));
        (one.join().unwrap(), two.join().unwrap())
    });
    assert!(!one.ok && !two.ok, "{one:?} {two:?}");
}

#[test]
fn bad_input_is_answered_and_costs_nobody_else_anything() {
    let served = Served::new(Some(1));
    for (line, start) in [
        (&b""[..], "not a request: "),
        (b"{", "not a request: "),
        (b"\xff\xfe", "the line is not UTF-8"),
        (b"{\"command\":\"format-disk\"}", "\"format-disk\" is not a command"),
    ] {
        let error = ask(&served.path(), line).error.unwrap();
        assert!(error.starts_with(start), "{error}");
    }
    let mut long = UnixStream::connect(served.path()).unwrap();
    // The engine may have answered and closed before all of it is written.
    let _ = long.write_all(&[b'x'; 10_000]);
    long.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut text = String::new();
    let _ = BufReader::new(long).read_line(&mut text);
    assert!(text.is_empty() || text.contains("at most 4096 bytes"), "{text}");
    assert!(served.ask(r#"{"command":"pause"}"#).ok);
}

#[test]
fn a_client_that_says_nothing_is_let_go_and_blocks_nobody() {
    let served = Served::new(Some(1));
    let silent: Vec<UnixStream> =
        (0..8).map(|_| UnixStream::connect(served.path()).unwrap()).collect();
    std::thread::sleep(Duration::from_millis(100));
    let error = served.ask(r#"{"command":"pause"}"#).error.unwrap();
    assert_eq!(error, "too many connections: try again");
    let begun = Instant::now();
    let mut replies = silent.into_iter().map(read);
    let error = replies.next().unwrap().error.unwrap();
    assert_eq!(error, "no complete line came within 5 s");
    assert!(begun.elapsed() < Duration::from_secs(10));
    drop(replies);
    std::thread::sleep(Duration::from_millis(100));
    assert!(served.ask(r#"{"command":"pause"}"#).ok);
}

#[test]
fn half_a_line_at_a_time_is_a_line() {
    let served = Served::new(Some(1));
    let mut stream = UnixStream::connect(served.path()).unwrap();
    for part in ["{\"comma", "nd\":\"pause\"", "}\n"] {
        stream.write_all(part.as_bytes()).unwrap();
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(read(stream).ok);
}

#[test]
fn a_client_that_leaves_is_forgotten() {
    let served = Served::new(Some(u32::MAX));
    for _ in 0..20 {
        let mut stream = UnixStream::connect(served.path()).unwrap();
        let _ = stream.write_all(b"{\"command\":\"cancel-all\",\"venue\":\"x\",\"wait_ms\":200}\n");
        drop(stream);
        std::thread::sleep(Duration::from_millis(60));
    }
    std::thread::sleep(Duration::from_millis(400));
    assert!(served.ask(r#"{"command":"pause"}"#).ok);
    let mut nothing = UnixStream::connect(served.path()).unwrap();
    nothing.shutdown(std::net::Shutdown::Write).unwrap();
    nothing.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    assert_eq!(nothing.read(&mut [0; 16]).unwrap(), 0, "closed without a word");
}
