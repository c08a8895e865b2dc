//! The control socket: who may connect, one line in, one line out, and how long that may take.
//!
//! Nothing here blocks: reads take what is there, and a reply that its reader does not take within
//! a moment is lost with the connection.

use super::super::listening::listen_for_owner;
use super::super::operator::{Ask, AskKind, LAST_WORD, Settled, Tell, TellPart};
use super::super::threads::{Lifecycle, Phase};
use super::wire::{ControlReply, ControlRequest, Names, Understood, Wanted};
use crate::sync::spsc;
use crate::types::{Nanos, Operator, ParamName, ParamValue, Scope, StrategyId, Teller};
use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::{Duration, Instant};

/// Connections at one time; more are told to come later.
const CONNECTIONS_MAX: usize = 8;
/// Longest line.
const LINE_MAX: usize = 4_096;
/// How long a client may take over its line.
const LINE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the order manager may take over one answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a client may take over our reply.
const WRITE_TIMEOUT: Duration = Duration::from_millis(200);
/// How long a command is waited for if the client does not say.
const WAIT_DEFAULT: Duration = Duration::from_secs(10);
const WAIT_MAX: Duration = Duration::from_secs(600);
/// How often it is asked whether a command is done.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// The same after a question that was not answered.
const ASK_AGAIN: Duration = Duration::from_millis(500);
/// How long the answers to those who wait for the end may come after it.
const LAST_WORD_TIMEOUT: Duration = Duration::from_secs(1);
const SILENT: &str = "the order manager does not answer: it hangs, or was lost; see the log";
const TOO_MANY: &str = "too many commands wait for the order manager already: try again";

/// The socket's end of the engine.
pub struct Socket {
    listener: UnixListener,
    names: Names,
    asks: spsc::Producer<Ask>,
    tells: spsc::Consumer<Tell>,
    settled: Settled,
    /// Commands that were taken back last: above the first number, up to the second.
    taken_back: (u64, u64),
    lifecycle: Lifecycle,
    connections: Vec<Connection>,
    number: u64,
    /// The order manager's own last words, collected for whoever waits for the end.
    last: Answer,
    /// When the engine had ended.
    ended: Option<Instant>,
}

/// Parts of the answer to the question that is open.
#[derive(Default)]
struct Answer {
    orders: Vec<super::wire::OrderText>,
    positions: Vec<super::wire::PositionText>,
    complete: Option<crate::oms::Progress>,
    params: Vec<(StrategyId, ParamName, ParamValue)>,
}

struct Connection {
    stream: UnixStream,
    /// User and process at the other end.
    peer: (u32, u32),
    line: Vec<u8>,
    stage: Stage,
    /// When the stage has taken too long.
    until: Instant,
    answer: Answer,
}

enum Stage {
    /// Its line is not complete.
    Reading,
    /// The order manager was told; its answer to this number is due.
    Told { number: u64, wanted: Wanted, wait: Duration },
    /// It is waited until nothing is left, of the orders that were made until then.
    Waiting { number: u64, scope: Scope, made: Nanos, reply: ControlReply, next: Instant },
    /// The parameters of one strategy or of all are due.
    Listing { number: u64, of: Option<StrategyId> },
    /// It is waited until the engine has ended.
    Ending { reply: ControlReply },
    /// Answered.
    Over,
}

impl Socket {
    /// Listens at `path`, for the owner alone. The rings lead to the order manager's
    /// [`OperatorDesk`](super::super::OperatorDesk).
    pub fn bind(
        path: &Path,
        names: Names,
        (asks, tells, settled): (spsc::Producer<Ask>, spsc::Consumer<Tell>, Settled),
        lifecycle: Lifecycle,
    ) -> Result<Self, String> {
        Ok(Self {
            listener: listen_for_owner(path)?,
            names,
            asks,
            tells,
            settled,
            taken_back: (0, 0),
            lifecycle,
            connections: Vec::new(),
            number: LAST_WORD,
            last: Answer::default(),
            ended: None,
        })
    }

    /// One round. Never blocks for longer than a reader that does not read.
    pub fn poll(&mut self, now: Instant) {
        self.accept(now);
        self.take_tells();
        if self.lifecycle.phase() == Phase::Done && self.ended.is_none() {
            self.ended = Some(now);
        }
        let mut connections = std::mem::take(&mut self.connections);
        for connection in &mut connections {
            self.serve(connection, now);
        }
        connections.retain(|connection| !matches!(connection.stage, Stage::Over));
        self.connections = connections;
    }

    /// Whether the engine has ended and everybody who waited for that was told.
    #[must_use]
    pub fn is_over(&self) -> bool {
        let waits = |c: &Connection| matches!(c.stage, Stage::Ending { .. });
        self.ended.is_some() && !self.connections.iter().any(waits)
    }

    fn accept(&mut self, now: Instant) {
        while let Ok((mut stream, _)) = self.listener.accept() {
            let peer = rustix::net::sockopt::socket_peercred(&stream);
            let own = rustix::process::geteuid();
            let may = peer.is_ok_and(|peer| may_command(peer.uid, own));
            let who = |peer: rustix::net::UCred| {
                (peer.uid.as_raw(), peer.pid.as_raw_nonzero().get() as u32)
            };
            let refusal = if !may {
                "only the user who runs the engine may command it"
            } else if self.connections.len() == CONNECTIONS_MAX {
                "too many connections: try again"
            } else {
                ""
            };
            if !refusal.is_empty() {
                answer(&mut stream, &ControlReply::refused(refusal));
                continue;
            }
            if stream.set_nonblocking(true).is_ok() {
                self.connections.push(Connection {
                    stream,
                    peer: peer.map(who).unwrap_or_default(),
                    line: Vec::new(),
                    stage: Stage::Reading,
                    until: now + LINE_TIMEOUT,
                    answer: Answer::default(),
                });
            }
        }
    }

    fn take_tells(&mut self) {
        while let Some(tell) = self.tells.pop() {
            if tell.number == LAST_WORD {
                self.last.take(&self.names, &tell.part);
                continue;
            }
            for connection in &mut self.connections {
                let (Stage::Told { number, .. }
                | Stage::Waiting { number, .. }
                | Stage::Listing { number, .. }) = connection.stage
                else {
                    continue;
                };
                if number != tell.number {
                    continue;
                }
                match tell.part {
                    TellPart::Done(result, at) => connection.on_done(result, at),
                    TellPart::ParamsEnd => connection.on_params(&self.names),
                    part => connection.answer.take(&self.names, &part),
                }
            }
        }
    }

    fn serve(&mut self, connection: &mut Connection, now: Instant) {
        match &mut connection.stage {
            Stage::Reading => self.read(connection, now),
            Stage::Told { number, .. } if now >= connection.until => {
                let reply = self.take_back(*number);
                connection.end(&reply);
            }
            Stage::Listing { .. } if now >= connection.until => {
                connection.end(&ControlReply::refused(SILENT));
            }
            Stage::Told { .. } | Stage::Listing { .. } | Stage::Over => {}
            Stage::Waiting { .. } => self.wait(connection, now),
            Stage::Ending { .. } => self.wait_for_the_end(connection, now),
        }
    }

    /// The order manager did not answer in time. What it has not begun it will not do any more.
    fn take_back(&mut self, number: u64) -> ControlReply {
        let before = self.settled.up_to(number);
        if before < number {
            self.taken_back = (before, number);
        }
        let (after, to) = self.taken_back;
        if after < number && number <= to {
            return ControlReply::refused(format!("{SILENT}. It will not carry this out later"));
        }
        let error = format!("{SILENT}. It had begun this, which may still be carried out");
        ControlReply { ok: true, ..ControlReply::refused(error) }
    }

    fn read(&mut self, connection: &mut Connection, now: Instant) {
        let mut bytes = [0; 512];
        loop {
            match connection.stream.read(&mut bytes) {
                Ok(0) if connection.line.is_empty() => return connection.stage = Stage::Over,
                Ok(0) => return self.understand(connection, now),
                Ok(count) => connection.line.extend_from_slice(&bytes[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => return connection.stage = Stage::Over,
            }
            if connection.line.contains(&b'\n') {
                return self.understand(connection, now);
            }
            if connection.line.len() > LINE_MAX {
                let text = format!("a request is one line of at most {LINE_MAX} bytes");
                return connection.end(&ControlReply::refused(text));
            }
        }
        if now >= connection.until {
            connection.end(&ControlReply::refused("no complete line came within 5 s"));
        }
    }

    fn understand(&mut self, connection: &mut Connection, now: Instant) {
        let line = connection.line.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let Ok(text) = std::str::from_utf8(line) else {
            return connection.end(&ControlReply::refused("the line is not UTF-8 text"));
        };
        match self.names.read(text) {
            Ok((Understood::Do(wanted), request)) => self.begin(connection, wanted, &request, now),
            Ok((Understood::Params(of), _)) => self.list(connection, of, now),
            Err(error) => connection.end(&ControlReply::refused(error)),
        }
    }

    fn list(&mut self, connection: &mut Connection, of: Option<StrategyId>, now: Instant) {
        self.number += 1;
        let ask = Ask { number: self.number, kind: AskKind::Params(of) };
        if self.asks.push(ask).is_err() {
            return connection.end(&ControlReply::refused(TOO_MANY));
        }
        connection.until = now + ANSWER_TIMEOUT;
        connection.stage = Stage::Listing { number: self.number, of };
    }

    fn begin(
        &mut self,
        connection: &mut Connection,
        mut wanted: Wanted,
        request: &ControlRequest,
        now: Instant,
    ) {
        let (uid, pid) = connection.peer;
        if let Operator::SetParam(change) = &mut wanted.operator {
            (change.by_uid, change.by_pid) = (uid, pid);
        }
        let wait = request.wait_ms.map_or(WAIT_DEFAULT, Duration::from_millis).min(WAIT_MAX);
        if wanted.operator == Operator::Stop {
            // Not through the ring: an engine whose order manager hangs is to be stopped too.
            let teller = Teller::Person { uid, pid };
            self.lifecycle.stop_for(teller, &format!("told to by stoop stop ({teller})"));
            let reply = ControlReply { ok: true, pid: std::process::id(), ..Default::default() };
            connection.until = now + wait;
            connection.stage = Stage::Ending { reply };
            return;
        }
        self.number += 1;
        let ask = Ask {
            number: self.number,
            kind: AskKind::Do(wanted.operator, Teller::Person { uid, pid }),
        };
        if self.asks.push(ask).is_err() {
            return connection.end(&ControlReply::refused(TOO_MANY));
        }
        connection.until = now + ANSWER_TIMEOUT;
        connection.stage = Stage::Told { number: self.number, wanted, wait };
    }

    /// Asks what is left until nothing is, or time is up.
    fn wait(&mut self, connection: &mut Connection, now: Instant) {
        let Stage::Waiting { number, scope, made, reply, next } = &mut connection.stage else {
            return;
        };
        if let Some(progress) = connection.answer.complete.take() {
            reply.set_progress(&progress);
            reply.orders = std::mem::take(&mut connection.answer.orders);
            reply.positions = std::mem::take(&mut connection.answer.positions);
            *next = now + LOOK_EVERY;
            if reply.done {
                let reply = reply.clone();
                return connection.end(&reply);
            }
        }
        if now >= connection.until {
            let reply = reply.clone();
            return connection.end(&reply);
        }
        if now >= *next {
            *next = now + ASK_AGAIN;
            self.number += 1;
            *number = self.number;
            connection.answer = Answer::default();
            let kind = AskKind::Look(*scope, *made);
            let _ = self.asks.push(Ask { number: self.number, kind });
        }
    }

    fn wait_for_the_end(&mut self, connection: &mut Connection, now: Instant) {
        let Stage::Ending { reply } = &mut connection.stage else { return };
        let late = self.ended.is_some_and(|ended| now >= ended + LAST_WORD_TIMEOUT);
        let told = self.ended.is_some() && self.last.complete.is_some();
        if !told && !late && now < connection.until {
            return;
        }
        if let Some(progress) = &self.last.complete {
            reply.set_progress(progress);
            reply.orders.clone_from(&self.last.orders);
        } else if late {
            let text = "the engine has ended, but its order manager did not say what is left";
            reply.error = Some(text.to_owned());
        } else {
            let text = "not all is confirmed yet; the engine goes on cancelling until its own \
                        time is up";
            reply.error = Some(text.to_owned());
        }
        let reply = reply.clone();
        connection.end(&reply);
    }
}

impl Answer {
    fn take(&mut self, names: &Names, part: &TellPart) {
        match part {
            TellPart::Order(row) => self.orders.push(names.order(row)),
            TellPart::Closing(row) => self.positions.push(names.position(row)),
            TellPart::Progress(progress) => self.complete = Some(*progress),
            TellPart::Param(strategy, name, value) => self.params.push((*strategy, *name, *value)),
            TellPart::Done(..) | TellPart::ParamsEnd => {}
        }
    }
}

impl Connection {
    fn on_done(
        &mut self,
        result: Result<crate::oms::OperatorDone, crate::oms::OperatorError>,
        at: Nanos,
    ) {
        let Stage::Told { number, wanted, wait } = self.stage else { return };
        let mut reply = match result {
            Ok(done) => ControlReply::begun(wanted.operator, &done),
            Err(error) => return self.end(&ControlReply::refused(error.to_string())),
        };
        match wanted.until_done {
            Some(scope) => {
                let now = Instant::now();
                self.until = now + wait;
                // What strategies go on to place is not what was to be cancelled.
                let made = match wanted.operator {
                    Operator::CancelAll(_) => at,
                    _ => Nanos(u64::MAX),
                };
                self.stage = Stage::Waiting { number, scope, made, reply, next: now };
            }
            None => {
                reply.done = true;
                self.end(&reply);
            }
        }
    }

    fn on_params(&mut self, names: &Names) {
        let Stage::Listing { of, .. } = self.stage else { return };
        let reply = ControlReply {
            ok: true,
            done: true,
            strategies: names.params(of, &self.answer.params),
            pid: std::process::id(),
            ..ControlReply::default()
        };
        self.end(&reply);
    }

    fn end(&mut self, reply: &ControlReply) {
        answer(&mut self.stream, reply);
        self.stage = Stage::Over;
    }
}

/// Whether a process of this user may command an engine of that one.
fn may_command(peer: rustix::process::Uid, own: rustix::process::Uid) -> bool {
    peer == own
}

fn answer(stream: &mut UnixStream, reply: &ControlReply) {
    let mut line = serde_json::to_vec(reply).unwrap_or_default();
    line.push(b'\n');
    // Whoever does not read the reply does not get it.
    let _ = stream.set_nonblocking(false);
    let _ = stream.set_write_timeout(Some(WRITE_TIMEOUT));
    let _ = stream.write_all(&line);
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::Uid;

    #[test]
    fn another_user_is_refused() {
        let (own, other) = (Uid::from_raw(1_000), Uid::from_raw(1_001));
        assert!(may_command(own, own));
        assert!(!may_command(other, own));
        assert!(!may_command(Uid::ROOT, own));
    }
}
