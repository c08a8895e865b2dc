//! A small HTTP/1.1 server for GET requests, on a thread of its own.
//!
//! A few connections at a time, each closed after its answer, and cut off if it is not done in time: who
//! connects and says nothing holds up nobody. Requests and heads are bounded.

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
/// The same while somebody is connected.
const SHORT_PAUSE: Duration = Duration::from_millis(2);
/// From a connection's begin to the last byte of its answer.
const CONNECTION_MAX: Duration = Duration::from_secs(1);
/// Connections at a time: one more takes the place of the oldest.
const CONNECTIONS_MAX: usize = 32;
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
            let mut clients = Vec::new();
            while !flag.load(Ordering::Relaxed) {
                answers.count_pairs();
                serve(&listener, &mut clients, &answers);
                std::thread::sleep(if clients.is_empty() { PAUSE } else { SHORT_PAUSE });
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
            "/readyz" => match ready(&self.view, &self.names, &looks(&self.names), now) {
                Ok(()) => ("200 OK", TEXT, "ready\n".to_owned()),
                Err(reasons) => ("503 Service Unavailable", TEXT, reasons.join("\n") + "\n"),
            },
            _ => ("404 Not Found", TEXT, "/metrics, /healthz, /readyz\n".to_owned()),
        }
    }
}

/// Takes whoever has come, and goes on with everybody as far as that is possible now.
fn serve(listener: &TcpListener, clients: &mut Vec<Client>, answers: &Answers) {
    while let Ok((stream, _)) = listener.accept() {
        if clients.len() == CONNECTIONS_MAX {
            clients.remove(0);
        }
        if stream.set_nonblocking(true).is_ok() {
            let due = Instant::now() + CONNECTION_MAX;
            clients.push(Client { stream, due, head: Vec::new(), answer: Vec::new(), sent: 0 });
        }
    }
    let now = Instant::now();
    // Whoever hangs up early has no answer: nothing is left to do then.
    clients.retain_mut(|client| now < client.due && client.go_on(answers).unwrap_or(false));
}

/// One request and its answer, all within [`CONNECTION_MAX`].
struct Client {
    stream: TcpStream,
    due: Instant,
    head: Vec<u8>,
    /// Empty before the request is there.
    answer: Vec<u8>,
    sent: usize,
}

impl Client {
    /// Whether something is left to do.
    fn go_on(&mut self, answers: &Answers) -> io::Result<bool> {
        while self.answer.is_empty() {
            match self.answered(answers) {
                Some(answer) => self.answer = answer,
                None => {
                    let mut part = [0; 1024];
                    match ready_now(self.stream.read(&mut part))? {
                        None => return Ok(true),
                        Some(0) => return Ok(false),
                        Some(len) => self.head.extend_from_slice(&part[..len]),
                    }
                }
            }
        }
        while self.sent < self.answer.len() {
            match ready_now(self.stream.write(&self.answer[self.sent..]))? {
                None => return Ok(true),
                Some(len) => self.sent += len,
            }
        }
        Ok(false)
    }

    /// The answer, once the head of the request is there or cannot be one.
    fn answered(&self, answers: &Answers) -> Option<Vec<u8>> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut request = httparse::Request::new(&mut headers);
        let (answer, with_body) = match request.parse(&self.head) {
            Ok(httparse::Status::Complete(_)) => {
                let (method, path) = (request.method.unwrap_or(""), request.path.unwrap_or(""));
                (answers.answer(method, path, answers.clock.now()), method != "HEAD")
            }
            Ok(httparse::Status::Partial) if self.head.len() < HEAD_MAX => return None,
            _ => (("400 Bad Request", TEXT, "not understood\n".to_owned()), true),
        };
        let (status, kind, body) = answer;
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n",
            body.len()
        );
        Some((head + if with_body { &body } else { "" }).into_bytes())
    }
}

/// `None` if it would have to wait.
fn ready_now(done: io::Result<usize>) -> io::Result<Option<usize>> {
    match done {
        Ok(len) => Ok(Some(len)),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
