//! A small HTTP/1.1 server for GET requests, on a thread of its own.
//!
//! One connection at a time, closed after its answer, and cut off if it is not done in time: a slow
//! client holds up the next one for a second, and nothing else. Requests and heads are bounded.

#![forbid(unsafe_code)]

use super::{Names, Pairs, alive, collect, ready};
use crate::clock::Clock;
use crate::shm::{MarketView, PairReader, StrategyFile, StrategyLook};
use crate::types::Nanos;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Between two looks for connections and for ends of signals.
const PAUSE: Duration = Duration::from_millis(20);
/// From a connection's first byte to the last of its answer.
const CONNECTION_MAX: Duration = Duration::from_secs(1);
/// Longest head of a request.
const HEAD_MAX: usize = 8 * 1024;
const HEADERS_MAX: usize = 64;

/// Takes the address, before anything else is started.
///
/// # Errors
///
/// In words that name the address, if it cannot be listened on.
pub fn listen(address: SocketAddr) -> Result<TcpListener, String> {
    let listener = TcpListener::bind(address);
    let listener = listener.and_then(|listener| listener.set_nonblocking(true).map(|()| listener));
    listener.map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => format!(
            "[metrics] listen = \"{address}\": another program listens there; choose another port \
             or stop it"
        ),
        _ => format!("[metrics] listen = \"{address}\": {error}"),
    })
}

/// The running server. It ends when this is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Answers whoever asks at `listener` from what stands in the region.
    ///
    /// # Errors
    ///
    /// In words, if its thread cannot be started.
    pub fn start(
        listener: TcpListener,
        view: MarketView,
        names: Names,
        clock: Clock,
    ) -> Result<Self, String> {
        let address = listener.local_addr().map_err(|error| format!("[metrics]: {error}"))?;
        let stop = Arc::new(AtomicBool::new(false));
        let ends = view.pairs();
        let mut answers = Answers { view, names, clock, ends, pairs: Pairs::default() };
        let flag = stop.clone();
        let run = move || {
            while !flag.load(Ordering::Relaxed) {
                answers.count_pairs();
                match listener.accept() {
                    // Whoever hangs up early has no answer: nothing is left to do then.
                    Ok((stream, _)) => drop(serve(stream, &answers)),
                    Err(_) => std::thread::sleep(PAUSE),
                }
            }
        };
        let thread = std::thread::Builder::new().name("metrics".to_owned()).spawn(run);
        let thread = thread.map_err(|error| format!("the metrics' thread: {error}"))?;
        Ok(Self { address, stop, thread: Some(thread) })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What answers are made of.
struct Answers {
    view: MarketView,
    names: Names,
    clock: Clock,
    ends: Option<PairReader>,
    pairs: Pairs,
}

/// Status line, kind of text, text.
type Answer = (&'static str, &'static str, String);

const TEXT: &str = "text/plain; charset=utf-8";
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What the strategies' files say. They are opened anew: one that was started again has a new one.
fn looks(names: &Names) -> Vec<Option<StrategyLook>> {
    names.strategies.iter().map(|name| StrategyFile::look(&names.folder, name).ok()).collect()
}

impl Answers {
    /// Takes the ends of signals that have come since.
    fn count_pairs(&mut self) {
        let Some(ends) = &mut self.ends else { return };
        loop {
            match ends.next() {
                Ok(Some(pair)) => {
                    *self.pairs.ends.entry((pair.strategy.0, pair.end)).or_default() += 1;
                    if let Some(breach) = pair.breach {
                        self.pairs.breaches[breach as usize] += 1;
                    }
                }
                Ok(None) => return,
                Err(lapped) => self.pairs.missed += lapped.0,
            }
        }
    }

    fn answer(&self, method: &str, path: &str, now: Nanos) -> Answer {
        if method != "GET" && method != "HEAD" {
            return ("405 Method Not Allowed", TEXT, "only GET\n".to_owned());
        }
        let path = path.split('?').next().unwrap_or("");
        match path {
            "/metrics" => {
                let strategies = looks(&self.names);
                let page = collect(&self.view, &self.names, (&self.pairs, &strategies), now);
                ("200 OK", METRICS, page)
            }
            "/healthz" => match alive(&self.view, now) {
                Ok(()) => ("200 OK", TEXT, "alive\n".to_owned()),
                Err(why) => ("503 Service Unavailable", TEXT, why + "\n"),
            },
            "/readyz" => match ready(&self.view, &self.names, now) {
                Ok(()) => ("200 OK", TEXT, "ready\n".to_owned()),
                Err(reasons) => ("503 Service Unavailable", TEXT, reasons.join("\n") + "\n"),
            },
            _ => ("404 Not Found", TEXT, "/metrics, /healthz, /readyz\n".to_owned()),
        }
    }
}

/// One request and its answer, all within [`CONNECTION_MAX`].
fn serve(mut stream: TcpStream, answers: &Answers) -> io::Result<()> {
    let due = Instant::now() + CONNECTION_MAX;
    stream.set_nonblocking(false)?;
    let mut head = Vec::with_capacity(1024);
    let (answer, with_body) = loop {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut request = httparse::Request::new(&mut headers);
        match request.parse(&head) {
            Ok(httparse::Status::Complete(_)) => {
                let (method, path) = (request.method.unwrap_or(""), request.path.unwrap_or(""));
                break (answers.answer(method, path, answers.clock.now()), method != "HEAD");
            }
            Ok(httparse::Status::Partial) if head.len() < HEAD_MAX => {}
            _ => break (("400 Bad Request", TEXT, "not understood\n".to_owned()), true),
        }
        stream.set_read_timeout(Some(left(due)?))?;
        let mut part = [0; 1024];
        match stream.read(&mut part)? {
            0 => return Ok(()),
            len => head.extend_from_slice(&part[..len]),
        }
    };
    let (status, kind, body) = answer;
    let mut bytes = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )
    .into_bytes();
    if with_body {
        bytes.extend_from_slice(body.as_bytes());
    }
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        stream.set_write_timeout(Some(left(due)?))?;
        let written = stream.write(rest)?;
        rest = rest.get(written..).unwrap_or_default();
    }
    Ok(())
}

/// What is left of the time; a client that has used it up is cut off.
fn left(due: Instant) -> io::Result<Duration> {
    let left = due.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
}
