//! HTTP/1.1 as a client on a keep-alive connection: one request at a time out, one reply at a time
//! in, decoded in place. No redirects, no compression (none is asked for), no cookies.

use super::HttpRequest;
use super::buffer::Buffer;
use super::url::Target;
use std::ops::Range;

/// Sent with every request.
pub(super) const USER_AGENT: &str = concat!("stoop/", env!("CARGO_PKG_VERSION"));
/// Most header lines of a reply.
pub(super) const HEADERS_MAX: usize = 64;
/// Largest head of a reply, and largest trailer.
const HEAD_MAX: usize = 32 * 1024;
/// Longest line that announces a chunk.
const CHUNK_LINE_MAX: usize = 256;
/// Chunk framing that may pile up behind the joined body before the rest is moved down.
const GAP_MAX: usize = 4096;

/// Why a reply cannot be accepted. The connection is of no further use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReplyError {
    /// Not HTTP as we understand it.
    Malformed(&'static str),
    /// Body larger than the limit.
    TooLarge,
    /// The connection ended inside the reply.
    CutShort,
}

/// A whole reply. Ranges are for [`Buffer::get`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) head: Range<usize>,
    pub(super) body: Range<usize>,
    /// Whether another request may follow on this connection.
    pub(super) keep_alive: bool,
}

/// Whether nothing in the request could be taken for the end of a line or of a field.
pub(super) fn is_clean(request: &HttpRequest<'_>) -> bool {
    let token = |text: &str| text.bytes().all(|byte| byte > b' ' && byte != 0x7f);
    !request.method.is_empty()
        && request.method.bytes().all(|byte| byte.is_ascii_uppercase())
        && request.path.starts_with('/')
        && token(request.path)
        && are_lines(request.headers)
}

/// Whole, non-empty lines that end in CR LF, with no other control character but tab.
fn are_lines(mut headers: &[u8]) -> bool {
    while !headers.is_empty() {
        let Some(end) = headers.iter().position(|&byte| byte == b'\r') else { return false };
        let line = &headers[..end];
        if line.is_empty() || line.iter().any(|&byte| byte < b' ' && byte != b'\t' || byte == 0x7f)
        {
            return false;
        }
        match headers[end..].strip_prefix(b"\r\n") {
            Some(rest) => headers = rest,
            None => return false,
        }
    }
    true
}

/// Appends the request to `out`.
pub(super) fn encode(target: &Target, request: &HttpRequest<'_>, out: &mut Vec<u8>) {
    let base = target.path.trim_end_matches('/');
    for part in [
        request.method,
        " ",
        base,
        request.path,
        " HTTP/1.1\r\nHost: ",
        &target.authority,
        "\r\nUser-Agent: ",
        USER_AGENT,
        "\r\n",
    ] {
        out.extend_from_slice(part.as_bytes());
    }
    out.extend_from_slice(request.headers);
    // A server may wait for a body after these methods unless it is told that there is none.
    if !request.body.is_empty() || matches!(request.method, "POST" | "PUT" | "PATCH") {
        out.extend_from_slice(b"Content-Length: ");
        out.extend_from_slice(itoa::Buffer::new().format(request.body.len()).as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(request.body);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Head,
    /// So many bytes of body in all.
    Length(usize),
    /// The line that announces a chunk comes next.
    ChunkLine,
    /// So many bytes of the chunk are missing.
    Chunk(usize),
    /// CR LF behind a chunk.
    ChunkEnd,
    /// Lines behind the last chunk, up to an empty one.
    Trailer,
    /// The body ends with the connection.
    UntilClose,
}

/// Finds one reply after the other in a [`Buffer`].
///
/// While a chunked body comes in, its joined part lies behind the head, as in
/// [`super::websocket::Decoder`]: `| head | joined | gap | next ... |`.
#[derive(Debug)]
pub(super) struct Decoder {
    body_max: usize,
    state: State,
    status: u16,
    keep_alive: bool,
    head: usize,
    joined: usize,
    next: usize,
    trailer: usize,
}

/// What a step came to.
enum Progress {
    Goes,
    Waits,
    Done,
}

impl Decoder {
    pub(super) fn new(body_max: usize) -> Self {
        Self {
            body_max,
            state: State::Head,
            status: 0,
            keep_alive: false,
            head: 0,
            joined: 0,
            next: 0,
            trailer: 0,
        }
    }

    /// Takes the next whole reply out of `buffer`; `None` if more bytes are needed. `eof` says that
    /// no more will come. `is_head` says that the request was a HEAD: its reply has no body.
    pub(super) fn step(
        &mut self,
        buffer: &mut Buffer,
        is_head: bool,
        eof: bool,
    ) -> Result<Option<Reply>, ReplyError> {
        loop {
            match self.advance(buffer, is_head, eof)? {
                Progress::Goes => {}
                Progress::Done => return Ok(Some(self.finish(buffer))),
                Progress::Waits if eof && (self.state != State::Head || !buffer.is_empty()) => {
                    return Err(ReplyError::CutShort);
                }
                Progress::Waits => {
                    self.close_gap(buffer);
                    return Ok(None);
                }
            }
        }
    }

    fn advance(
        &mut self,
        buffer: &mut Buffer,
        is_head: bool,
        eof: bool,
    ) -> Result<Progress, ReplyError> {
        match self.state {
            State::Head => self.read_head(buffer, is_head),
            State::Length(len) if buffer.len() - self.head >= len => {
                (self.joined, self.next) = (len, self.head + len);
                Ok(Progress::Done)
            }
            State::Length(_) => Ok(Progress::Waits),
            State::ChunkLine => self.read_chunk_line(buffer),
            State::Chunk(missing) => {
                let count = missing.min(buffer.len() - self.next);
                buffer.move_down(self.next, count, self.head + self.joined);
                self.joined += count;
                self.next += count;
                self.state = State::Chunk(missing - count);
                if count < missing {
                    return Ok(Progress::Waits);
                }
                self.state = State::ChunkEnd;
                Ok(Progress::Goes)
            }
            State::ChunkEnd => match buffer.data()[self.next..] {
                [b'\r', b'\n', ..] => {
                    self.next += 2;
                    self.state = State::ChunkLine;
                    Ok(Progress::Goes)
                }
                [] | [b'\r'] => Ok(Progress::Waits),
                _ => Err(ReplyError::Malformed("a chunk longer than announced")),
            },
            State::Trailer => self.read_trailer(buffer),
            State::UntilClose => {
                (self.joined, self.next) = (buffer.len() - self.head, buffer.len());
                if self.joined > self.body_max {
                    return Err(ReplyError::TooLarge);
                }
                Ok(if eof { Progress::Done } else { Progress::Waits })
            }
        }
    }

    fn read_head(&mut self, buffer: &mut Buffer, is_head: bool) -> Result<Progress, ReplyError> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut reply = httparse::Response::new(&mut headers);
        let head = match reply.parse(buffer.data()) {
            Ok(httparse::Status::Complete(head)) => head,
            Ok(httparse::Status::Partial) if buffer.len() <= HEAD_MAX => {
                return Ok(Progress::Waits);
            }
            Ok(httparse::Status::Partial) => {
                return Err(ReplyError::Malformed("a reply head that is too long"));
            }
            Err(httparse::Error::TooManyHeaders) => {
                return Err(ReplyError::Malformed("too many header lines"));
            }
            Err(_) => return Err(ReplyError::Malformed("a malformed reply head")),
        };
        if head > HEAD_MAX {
            return Err(ReplyError::Malformed("a reply head that is too long"));
        }
        self.status = reply.code.unwrap_or(0);
        match self.status {
            101 => return Err(ReplyError::Malformed("a change of protocol nobody asked for")),
            // Interim replies: the real one follows.
            100..=199 => {
                buffer.consume(head);
                return Ok(Progress::Goes);
            }
            _ => {}
        }
        let framing = framing(&reply)?;
        self.keep_alive = framing.keep_alive;
        (self.head, self.joined, self.next, self.trailer) = (head, 0, head, 0);
        self.state = if is_head || matches!(self.status, 204 | 304) {
            State::Length(0)
        } else if framing.chunked {
            State::ChunkLine
        } else if let Some(len) = framing.length {
            if len > self.body_max as u64 {
                return Err(ReplyError::TooLarge);
            }
            State::Length(len as usize)
        } else {
            self.keep_alive = false;
            State::UntilClose
        };
        Ok(Progress::Goes)
    }

    fn read_chunk_line(&mut self, buffer: &Buffer) -> Result<Progress, ReplyError> {
        let data = &buffer.data()[self.next..];
        let window = &data[..data.len().min(CHUNK_LINE_MAX)];
        let Some(end) = window.windows(2).position(|pair| pair == b"\r\n") else {
            if window.len() == CHUNK_LINE_MAX {
                return Err(ReplyError::Malformed("a chunk line that is too long"));
            }
            return Ok(Progress::Waits);
        };
        let len = chunk_len(&window[..end])
            .ok_or(ReplyError::Malformed("a chunk line without a length"))?;
        if len > (self.body_max - self.joined) as u64 {
            return Err(ReplyError::TooLarge);
        }
        self.next += end + 2;
        self.state = if len == 0 { State::Trailer } else { State::Chunk(len as usize) };
        Ok(Progress::Goes)
    }

    fn read_trailer(&mut self, buffer: &Buffer) -> Result<Progress, ReplyError> {
        let data = &buffer.data()[self.next..];
        let end = data.windows(2).position(|pair| pair == b"\r\n");
        let len = end.map_or(data.len(), |end| end + 2);
        if self.trailer + len > HEAD_MAX {
            return Err(ReplyError::Malformed("a trailer that is too long"));
        }
        match end {
            None => Ok(Progress::Waits),
            Some(0) => {
                self.next += 2;
                Ok(Progress::Done)
            }
            Some(_) => {
                self.next += len;
                self.trailer += len;
                Ok(Progress::Goes)
            }
        }
    }

    fn finish(&mut self, buffer: &mut Buffer) -> Reply {
        let all = buffer.consume(self.next);
        let body = all.start + self.head;
        self.state = State::Head;
        Reply {
            status: self.status,
            head: all.start..body,
            body: body..body + self.joined,
            keep_alive: self.keep_alive,
        }
    }

    fn close_gap(&mut self, buffer: &mut Buffer) {
        let joined = self.head + self.joined;
        if self.state != State::Head && self.next > joined + GAP_MAX {
            buffer.cut(joined, self.next);
            self.next = joined;
        }
    }
}

struct Framing {
    chunked: bool,
    length: Option<u64>,
    keep_alive: bool,
}

/// How long the body is and what follows it. Two statements of length that could disagree are
/// refused: guessing wrong would give one request's reply to another.
fn framing(reply: &httparse::Response<'_, '_>) -> Result<Framing, ReplyError> {
    let mut framing =
        Framing { chunked: false, length: None, keep_alive: reply.version == Some(1) };
    for header in reply.headers.iter() {
        if header.name.eq_ignore_ascii_case("Content-Length") {
            let length = decimal(header.value)
                .ok_or(ReplyError::Malformed("a Content-Length that is not a number"))?;
            if framing.length.is_some_and(|other| other != length) {
                return Err(ReplyError::Malformed("two different Content-Lengths"));
            }
            framing.length = Some(length);
        } else if header.name.eq_ignore_ascii_case("Transfer-Encoding") {
            if framing.chunked || !header.value.trim_ascii().eq_ignore_ascii_case(b"chunked") {
                return Err(ReplyError::Malformed("a Transfer-Encoding other than chunked"));
            }
            framing.chunked = true;
        } else if header.name.eq_ignore_ascii_case("Connection") {
            for token in header.value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
                if token.eq_ignore_ascii_case(b"close") {
                    framing.keep_alive = false;
                } else if token.eq_ignore_ascii_case(b"keep-alive") && reply.version == Some(0) {
                    framing.keep_alive = true;
                }
            }
        }
    }
    if framing.chunked && framing.length.is_some() {
        return Err(ReplyError::Malformed("both Content-Length and Transfer-Encoding"));
    }
    Ok(framing)
}

fn decimal(digits: &[u8]) -> Option<u64> {
    let digits = digits.trim_ascii();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Hexadecimal length, before extensions that are ignored.
fn chunk_len(line: &[u8]) -> Option<u64> {
    let digits = line.split(|&byte| byte == b';').next()?.trim_ascii_end();
    if digits.is_empty() || digits.len() > 16 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}
