//! One connection of a client: HTTP until it asks for a WebSocket, WebSocket from then on.
//!
//! Turns bytes into requests, texts and pongs, and replies into bytes; decides nothing. Everything
//! a client can make it hold is bounded: what a client sends, and what a slow client does not read.

use super::tls::TlsStream;
use super::{ConnId, HttpReply, HttpRequest, WsOut};
use crate::pipe;
use std::io::{self, Read, Write};
use std::time::Instant;
use tungstenite::handshake::derive_accept_key;
use tungstenite::protocol::frame::coding::{Data, OpCode};
use tungstenite::protocol::frame::{CloseFrame, Frame};
use tungstenite::protocol::{Role, WebSocket, WebSocketConfig};
use tungstenite::{Error, Message};

/// Longest request head and body.
const REQUEST_MAX: usize = 1 << 20;
/// Longest message of a client.
const MESSAGE_MAX: usize = 1 << 20;
/// What a client may leave unread before it is cut.
pub(super) const UNREAD_MAX: usize = 8 << 20;
const HEADERS_MAX: usize = 64;

/// What carries a connection's bytes.
#[derive(Debug)]
pub(super) enum Line {
    /// A socket.
    Tls(Box<TlsStream>),
    /// A simulation.
    Memory(pipe::End),
}

impl Line {
    fn flush_tls(&mut self) -> io::Result<()> {
        match self {
            Self::Tls(stream) => stream.flush_tls(),
            Self::Memory(_) => Ok(()),
        }
    }

    fn shut_down(&mut self) {
        match self {
            Self::Tls(stream) => stream.shut_down(),
            // It ends when it is dropped.
            Self::Memory(_) => {}
        }
    }

    /// When bytes last came from the socket, and were last about to go to it.
    fn moments(&self) -> [Option<Instant>; 2] {
        match self {
            Self::Tls(stream) => [stream.last_read, stream.last_write],
            Self::Memory(_) => [None; 2],
        }
    }

    fn has_news(&self) -> bool {
        match self {
            Self::Tls(_) => false,
            Self::Memory(end) => end.has_news(false),
        }
    }
}

impl Read for Line {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tls(stream) => stream.read(into),
            Self::Memory(end) => end.read(into),
        }
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tls(stream) => stream.write(bytes),
            Self::Memory(end) => end.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Tls(stream) => stream.flush(),
            Self::Memory(_) => Ok(()),
        }
    }
}

/// What a client did.
#[derive(Debug)]
pub(super) enum Input {
    /// An HTTP request; its reply is awaited before the next is read.
    Request(HttpRequest),
    /// A request to become a WebSocket, with the client's key.
    Upgrade(HttpRequest, String),
    /// A text message.
    Text(String),
    /// A pong.
    Pong(Vec<u8>),
    /// It is gone, or no longer worth keeping.
    Closed,
}

#[derive(Debug)]
enum Mode {
    Http(Box<Http>),
    WebSocket(Box<WebSocket<Line>>),
    /// Between two modes, and after the end.
    Nothing,
}

#[derive(Debug)]
struct Http {
    stream: Line,
    input: Vec<u8>,
    output: Vec<u8>,
    /// A request was handed out and not answered yet.
    waiting: bool,
    close_after_reply: bool,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: ConnId,
    /// Index of the venue.
    pub(super) venue: usize,
    /// Path of the WebSocket; empty before the upgrade.
    pub(super) path: String,
    /// When a close that was begun by us is no longer waited for, ms.
    pub(super) close_by_ms: Option<u64>,
    mode: Mode,
}

impl Connection {
    pub(super) fn new(id: ConnId, venue: usize, stream: Line) -> Self {
        let http = Http {
            stream,
            input: Vec::new(),
            output: Vec::new(),
            waiting: false,
            close_after_reply: false,
        };
        Self { id, venue, path: String::new(), close_by_ms: None, mode: Mode::Http(Box::new(http)) }
    }

    pub(super) fn is_websocket(&self) -> bool {
        matches!(self.mode, Mode::WebSocket(_))
    }

    /// When bytes last came from the socket; none over a network in memory.
    pub(super) fn last_read(&self) -> Option<Instant> {
        self.moments()[0]
    }

    /// When bytes were last about to go to the socket; none over a network in memory.
    pub(super) fn last_write(&self) -> Option<Instant> {
        self.moments()[1]
    }

    fn moments(&self) -> [Option<Instant>; 2] {
        match &self.mode {
            Mode::Http(http) => http.stream.moments(),
            Mode::WebSocket(socket) => socket.get_ref().moments(),
            Mode::Nothing => [None; 2],
        }
    }

    /// For a pipe in memory, which no kernel watches: whether reading would bring something.
    pub(super) fn has_news(&self) -> bool {
        match &self.mode {
            Mode::Http(http) => http.stream.has_news(),
            Mode::WebSocket(socket) => socket.get_ref().has_news(),
            Mode::Nothing => true,
        }
    }

    /// The next thing the client did; `None` once there is nothing more to read.
    pub(super) fn read(&mut self) -> Option<Input> {
        match &mut self.mode {
            Mode::Http(http) => http.read(),
            Mode::WebSocket(socket) => read_message(socket),
            Mode::Nothing => Some(Input::Closed),
        }
    }

    /// The socket takes bytes again. `false` if it is broken.
    #[must_use]
    pub(super) fn on_writable(&mut self) -> bool {
        match &mut self.mode {
            Mode::Http(http) => http.send(&[]).is_ok() && !http.is_done(),
            Mode::WebSocket(socket) => is_alive(&socket.flush()),
            Mode::Nothing => false,
        }
    }

    /// Answers the request that was handed out. `false` if the connection is to be dropped.
    #[must_use]
    pub(super) fn reply(&mut self, reply: &HttpReply) -> bool {
        let Mode::Http(http) = &mut self.mode else { return true };
        http.waiting = false;
        http.send(&encode_reply(reply, http.close_after_reply)).is_ok() && !http.is_done()
    }

    /// Whether bytes wait for the client to read them.
    pub(super) fn is_congested(&mut self) -> bool {
        match &mut self.mode {
            Mode::Http(http) => !http.output.is_empty(),
            Mode::WebSocket(socket) => socket.flush().is_err(),
            Mode::Nothing => false,
        }
    }

    /// Becomes a WebSocket. `false` if the connection is to be dropped.
    #[must_use]
    pub(super) fn upgrade(&mut self, path: &str, key: &str) -> bool {
        let Mode::Http(mut http) = std::mem::replace(&mut self.mode, Mode::Nothing) else {
            return false;
        };
        let accept = derive_accept_key(key.as_bytes());
        let head = format!(
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
             sec-websocket-accept: {accept}\r\n\r\n"
        );
        if http.send(head.as_bytes()).is_err() || !http.output.is_empty() {
            return false;
        }
        let config = WebSocketConfig::default()
            .read_buffer_size(4096)
            .write_buffer_size(0)
            .max_write_buffer_size(UNREAD_MAX)
            .max_message_size(Some(MESSAGE_MAX))
            .max_frame_size(Some(MESSAGE_MAX));
        let rest = std::mem::take(&mut http.input);
        let socket = WebSocket::from_partially_read(http.stream, rest, Role::Server, Some(config));
        self.mode = Mode::WebSocket(Box::new(socket));
        path.clone_into(&mut self.path);
        true
    }

    /// Sends what a wire wants sent. `false` if the connection is broken or the client reads too
    /// slowly.
    #[must_use]
    pub(super) fn send(&mut self, out: WsOut, now_ms: u64) -> bool {
        let Mode::WebSocket(socket) = &mut self.mode else { return true };
        if self.close_by_ms.is_some() {
            return true;
        }
        match out {
            WsOut::Text(text) => is_alive(&socket.write(Message::text(text))),
            WsOut::Ping(payload) => is_alive(&socket.write(Message::Ping(payload.into()))),
            // The code of a connection that was lost: no frame says so.
            WsOut::Close(1006, _) => false,
            WsOut::Close(code, reason) => {
                self.close_by_ms = Some(now_ms + 1_000);
                let frame = CloseFrame { code: code.into(), reason: reason.into() };
                is_alive(&socket.close(Some(frame)).and_then(|()| socket.flush()))
            }
        }
    }

    /// Puts bytes on the wire below the WebSocket layer, for broken frames. `false` if they could
    /// not all be sent.
    #[must_use]
    pub(super) fn send_raw(&mut self, bytes: &[u8]) -> bool {
        let Mode::WebSocket(socket) = &mut self.mode else { return true };
        is_alive(&socket.flush()) && socket.get_mut().write_all(bytes).is_ok()
    }

    /// Sends the first half of a text's frame, behind what was sent before. Nothing may follow.
    pub(super) fn send_half_text(&mut self, text: &str) {
        let mut bytes = Vec::new();
        let frame = Frame::message(text.to_owned(), OpCode::Data(Data::Text), true);
        if frame.format(&mut bytes).is_ok() {
            let _ = self.send_raw(&bytes[..bytes.len() / 2]);
        }
    }

    /// Sends the first half of a reply, head or body. Nothing may follow.
    pub(super) fn send_half_reply(&mut self, reply: &HttpReply) {
        if let Mode::Http(http) = &mut self.mode {
            let bytes = encode_reply(reply, http.close_after_reply);
            let _ = http.send(&bytes[..bytes.len() / 2]);
        }
    }

    /// Ends the connection at once.
    pub(super) fn cut(&mut self) {
        match std::mem::replace(&mut self.mode, Mode::Nothing) {
            Mode::Http(mut http) => http.stream.shut_down(),
            Mode::WebSocket(mut socket) => socket.get_mut().shut_down(),
            Mode::Nothing => {}
        }
    }
}

/// Unsent bytes are no error: the socket takes them later. An overfull buffer is.
fn is_alive(result: &Result<(), Error>) -> bool {
    match result {
        Ok(()) => true,
        Err(Error::Io(error)) => error.kind() == io::ErrorKind::WouldBlock,
        Err(_) => false,
    }
}

fn read_message(socket: &mut WebSocket<Line>) -> Option<Input> {
    loop {
        match socket.read() {
            Ok(Message::Text(text)) => return Some(Input::Text(text.as_str().to_owned())),
            Ok(Message::Pong(payload)) => return Some(Input::Pong(payload.to_vec())),
            // A ping is answered by the layer below on the next write; venues take no binary.
            Ok(_) => {
                if !is_alive(&socket.flush()) {
                    return Some(Input::Closed);
                }
            }
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => return None,
            Err(_) => return Some(Input::Closed),
        }
    }
}

impl Http {
    fn read(&mut self) -> Option<Input> {
        let mut chunk = [0u8; 4096];
        loop {
            if self.waiting || !self.output.is_empty() {
                return None;
            }
            match self.parse() {
                Ok(Some(input)) => {
                    self.waiting = true;
                    return Some(input);
                }
                Ok(None) if self.input.len() < REQUEST_MAX => {}
                Ok(None) | Err(()) => return Some(Input::Closed),
            }
            match self.stream.read(&mut chunk) {
                Ok(0) => return Some(Input::Closed),
                Ok(count) => self.input.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
                Err(_) => return Some(Input::Closed),
            }
        }
    }

    fn parse(&mut self) -> Result<Option<Input>, ()> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut head = httparse::Request::new(&mut headers);
        let httparse::Status::Complete(head_len) = head.parse(&self.input).map_err(drop)? else {
            return Ok(None);
        };
        let target = head.path.unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut request = HttpRequest {
            method: head.method.unwrap_or_default().to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: Vec::with_capacity(head.headers.len()),
            body: String::new(),
        };
        for header in head.headers.iter() {
            let value = String::from_utf8_lossy(header.value).into_owned();
            request.headers.push((header.name.to_ascii_lowercase(), value));
        }
        let body_len: usize = match request.header("content-length") {
            Some(text) => text.trim().parse().map_err(drop)?,
            None if request.header("transfer-encoding").is_some() => return Err(()),
            None => 0,
        };
        if body_len > REQUEST_MAX {
            return Err(());
        }
        let Some(body) = self.input.get(head_len..head_len + body_len) else { return Ok(None) };
        request.body = String::from_utf8(body.to_vec()).map_err(drop)?;
        self.input.drain(..head_len + body_len);
        let says = |name: &str, word: &str| {
            request.header(name).is_some_and(|value| value.to_ascii_lowercase().contains(word))
        };
        self.close_after_reply = says("connection", "close");
        if says("upgrade", "websocket") {
            let key = request.header("sec-websocket-key").unwrap_or_default().to_owned();
            return Ok(Some(Input::Upgrade(request, key)));
        }
        Ok(Some(Input::Request(request)))
    }

    /// The client wanted no more than this reply, and has it.
    fn is_done(&self) -> bool {
        self.close_after_reply && !self.waiting && self.output.is_empty()
    }

    /// Sends bytes behind those that are still unsent.
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.output.len() + bytes.len() > UNREAD_MAX {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        self.output.extend_from_slice(bytes);
        while !self.output.is_empty() {
            match self.stream.write(&self.output) {
                Ok(count) => drop(self.output.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        self.stream.flush_tls()
    }
}

fn encode_reply(reply: &HttpReply, close: bool) -> Vec<u8> {
    let reason = match reply.status {
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        409 => "Conflict",
        418 => "I'm a teapot",
        429 => "Too Many Requests",
        _ => "Status",
    };
    let mut text = format!("HTTP/1.1 {} {reason}\r\n", reply.status);
    let has_type = reply.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    if !has_type {
        text.push_str("content-type: application/json;charset=UTF-8\r\n");
    }
    for (name, value) in &reply.headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    let connection = if close { "close" } else { "keep-alive" };
    text.push_str(&format!(
        "content-length: {}\r\nconnection: {connection}\r\n\r\n{}",
        reply.body.len(),
        reply.body
    ));
    text.into_bytes()
}
