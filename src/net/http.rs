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

#[cfg(test)]
mod tests {
    use super::*;

    type Plain = (u16, String, bool);

    /// Feeds `bytes` in pieces of `size`; every whole reply, and how it ended.
    fn decode(bytes: &[u8], size: usize, eof: bool) -> (Vec<Plain>, Option<ReplyError>) {
        let mut buffer = Buffer::with_capacity(16);
        let mut decoder = Decoder::new(1000);
        let mut replies = Vec::new();
        let mut pieces = bytes.chunks(size).peekable();
        while let Some(piece) = pieces.next() {
            buffer.extend(piece);
            let end = eof && pieces.peek().is_none();
            loop {
                match decoder.step(&mut buffer, false, end) {
                    Ok(Some(reply)) => {
                        let (head, body) = buffer.get_both(reply.head, reply.body);
                        // Empty lines before a reply and bare line feeds are let pass.
                        assert!(head.trim_ascii_start().starts_with(b"HTTP/1."));
                        assert!(head.ends_with(b"\n"));
                        let body = String::from_utf8(body.to_vec()).unwrap();
                        replies.push((reply.status, body, reply.keep_alive));
                    }
                    Ok(None) => break,
                    Err(error) => return (replies, Some(error)),
                }
            }
        }
        (replies, None)
    }

    /// The same for every way to cut the bytes into equal pieces.
    fn all(bytes: &str, eof: bool) -> Vec<Plain> {
        let whole = decode(bytes.as_bytes(), usize::MAX, eof);
        assert_eq!(whole.1, None);
        for size in 1..bytes.len() {
            assert_eq!(decode(bytes.as_bytes(), size, eof), whole, "in pieces of {size}");
        }
        whole.0
    }

    fn refused(bytes: &str) -> ReplyError {
        let (replies, error) = decode(bytes.as_bytes(), usize::MAX, false);
        assert!(replies.is_empty());
        error.expect("must be refused")
    }

    fn reply(status: u16, body: &str, keep_alive: bool) -> Plain {
        (status, body.to_owned(), keep_alive)
    }

    #[test]
    fn bodies_of_known_length_follow_each_other() {
        let bytes = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello\
            HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n\
            HTTP/1.1 204 No Content\r\n\r\n\
            HTTP/1.1 304 Not Modified\r\nContent-Length: 77\r\n\r\n\
            HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\n\
            HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: Close\r\n\r\nok";
        assert_eq!(
            all(bytes, false),
            [
                reply(200, "hello", true),
                reply(404, "", true),
                reply(204, "", true),
                reply(304, "", true),
                reply(200, "ok", false),
            ]
        );
    }

    #[test]
    fn chunks_are_joined() {
        let bytes = "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n\
            5\r\nhello\r\n1;ext=1\r\n \r\n0005 \r\nworld\r\n0\r\nTrailer: x\r\nOther: y\r\n\r\n\
            HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
        assert_eq!(all(bytes, false), [reply(200, "hello world", true), reply(201, "", true)]);
        let many = format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n",
            "1;padding=padding\r\nx\r\n".repeat(900)
        );
        for size in [1, 7, 4096, usize::MAX] {
            assert_eq!(
                decode(many.as_bytes(), size, false),
                (vec![reply(200, &"x".repeat(900), true)], None)
            );
        }
    }

    #[test]
    fn a_body_without_length_ends_with_the_connection() {
        let bytes = "HTTP/1.1 200 OK\r\nServer: old\r\n\r\nall there is";
        assert_eq!(all(bytes, true), [reply(200, "all there is", false)]);
        assert_eq!(all(bytes, false), []);
        let old = "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n1";
        assert_eq!(all(old, false), [reply(200, "1", false)]);
        let old = "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\n1";
        assert_eq!(all(old, false), [reply(200, "1", true)]);
    }

    #[test]
    fn a_connection_that_ends_inside_a_reply_cuts_it_short() {
        for bytes in [
            "HTTP/1.1 200",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
        ] {
            let got = decode(bytes.as_bytes(), usize::MAX, true);
            assert_eq!(got, (vec![], Some(ReplyError::CutShort)), "{bytes}");
        }
    }

    #[test]
    fn bodies_over_the_limit_are_refused_before_they_arrive() {
        let head = "HTTP/1.1 200 OK\r\n";
        let length = |len: u64| format!("{head}Content-Length: {len}\r\n\r\n");
        assert_eq!(refused(&length(1001)), ReplyError::TooLarge);
        assert_eq!(refused(&length(u64::MAX)), ReplyError::TooLarge);
        assert_eq!(all(&(length(1000) + &"x".repeat(1000)), false).len(), 1);
        let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n");
        assert_eq!(refused(&format!("{chunked}3e9\r\n")), ReplyError::TooLarge);
        assert_eq!(refused(&format!("{chunked}ffffffffffffffff\r\n")), ReplyError::TooLarge);
        let first = "x".repeat(999);
        assert_eq!(refused(&format!("{chunked}3e7\r\n{first}\r\n2\r\n")), ReplyError::TooLarge);
        assert_eq!(refused(&format!("{head}\r\n{}", "x".repeat(1001))), ReplyError::TooLarge);
    }

    #[test]
    fn malformed_replies_are_refused_by_name() {
        let malformed = ReplyError::Malformed;
        let head = |lines: &str| refused(&format!("HTTP/1.1 200 OK\r\n{lines}\r\n\r\n"));
        assert_eq!(refused("SSH-2.0\r\n\r\n"), malformed("a malformed reply head"));
        assert_eq!(refused("HTTP/1.1 two OK\r\n\r\n"), malformed("a malformed reply head"));
        assert_eq!(head("no colon"), malformed("a malformed reply head"));
        assert_eq!(
            refused("HTTP/1.1 101 Switching\r\n\r\n"),
            malformed("a change of protocol nobody asked for")
        );
        for bad in ["-1", "+5", "5x", "", "1,1", "18446744073709551616"] {
            assert_eq!(
                head(&format!("Content-Length: {bad}")),
                malformed("a Content-Length that is not a number"),
                "{bad}"
            );
        }
        assert_eq!(
            head("Content-Length: 1\r\nContent-Length: 2"),
            malformed("two different Content-Lengths")
        );
        assert_eq!(
            head("Content-Length: 1\r\nTransfer-Encoding: chunked"),
            malformed("both Content-Length and Transfer-Encoding")
        );
        for bad in ["gzip", "gzip, chunked", "chunked\r\nTransfer-Encoding: chunked"] {
            assert_eq!(
                head(&format!("Transfer-Encoding: {bad}")),
                malformed("a Transfer-Encoding other than chunked"),
                "{bad}"
            );
        }
        let chunk = |text: &str| head(&format!("Transfer-Encoding: chunked\r\n\r\n{text}"));
        for bad in ["x", "-1", "", "0x5", "12345678901234567"] {
            assert_eq!(chunk(bad), malformed("a chunk line without a length"), "{bad}");
        }
        assert_eq!(chunk("2\r\nabc"), malformed("a chunk longer than announced"));
        assert_eq!(chunk(&"0".repeat(300)), malformed("a chunk line that is too long"));
        assert_eq!(
            chunk(&format!("0\r\n{}", "a: b\r\n".repeat(6000))),
            malformed("a trailer that is too long")
        );
        assert_eq!(head(&"a: b\r\n".repeat(65)), malformed("too many header lines"));
        assert_eq!(
            head(&format!("a: {}", "b".repeat(40_000))),
            malformed("a reply head that is too long")
        );
        let endless = format!("HTTP/1.1 200 OK\r\na: {}", "b".repeat(40_000));
        assert_eq!(refused(&endless), malformed("a reply head that is too long"));
    }

    fn request<'a>(
        method: &'a str,
        path: &'a str,
        headers: &'a str,
        body: &'a str,
    ) -> HttpRequest<'a> {
        HttpRequest { id: 1, method, path, headers: headers.as_bytes(), body: body.as_bytes() }
    }

    #[test]
    fn requests_are_written_in_full() {
        let target = Target::parse("https://api.venue.example/base/").unwrap();
        let text = |request: HttpRequest<'_>| {
            assert!(is_clean(&request));
            let mut out = Vec::new();
            encode(&target, &request, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            text(request("GET", "/v3/time?a=b", "X-Key: k\r\n", "")),
            "GET /base/v3/time?a=b HTTP/1.1\r\nHost: api.venue.example\r\n\
             User-Agent: stoop/0.1.0\r\nX-Key: k\r\n\r\n"
        );
        assert!(text(request("POST", "/o", "", "{}")).ends_with("\r\nContent-Length: 2\r\n\r\n{}"));
        assert!(text(request("POST", "/o", "", "")).ends_with("\r\nContent-Length: 0\r\n\r\n"));
        assert!(!text(request("DELETE", "/o", "", "")).contains("Content-Length"));
    }

    #[test]
    fn nothing_can_be_smuggled_into_a_request() {
        for (method, path, headers) in [
            ("", "/", ""),
            ("get", "/", ""),
            ("GET ", "/", ""),
            ("GET", "", ""),
            ("GET", "x", ""),
            ("GET", "/a b", ""),
            ("GET", "/a\r\nX: y", ""),
            ("GET", "/\u{7f}", ""),
            ("GET", "/", "X: y"),
            ("GET", "/", "X: y\n"),
            ("GET", "/", "X: y\r"),
            ("GET", "/", "\r\n"),
            ("GET", "/", "X: y\r\n\r\nGET / HTTP/1.1\r\n"),
            ("GET", "/", "X: a\nb\r\n"),
            ("GET", "/", "X: a\0b\r\n"),
        ] {
            assert!(!is_clean(&request(method, path, headers, "")), "{method} {path} {headers:?}");
        }
        assert!(is_clean(&request("GET", "/", "X: y\tz\r\nY: \u{e9}\r\n", "")));
    }

    proptest::proptest! {
        #[test]
        fn broken_replies_end_the_same_way_however_they_are_cut(
            parts in proptest::collection::vec(0..8_usize, 0..5),
            hits in proptest::collection::vec((0..400_usize, proptest::prelude::any::<u8>()), 0..4),
            size in 1..60_usize,
            eof in proptest::prelude::any::<bool>(),
        ) {
            const PARTS: [&str; 8] = [
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nT: x\r\n\r\n",
                "HTTP/1.1 204 No Content\r\n\r\n",
                "HTTP/1.1 100 Continue\r\n\r\n",
                "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n",
                "HTTP/1.1 200 OK\r\n\r\nuntil the end",
                "HTTP/1.1 429 Slow\r\nRetry-After: 1\r\nContent-Length: 1\r\n\r\nx",
                "\r\n",
            ];
            let mut bytes: Vec<u8> =
                parts.iter().flat_map(|&part| PARTS[part].bytes()).collect();
            for (at, byte) in hits {
                if let Some(hit) = bytes.get_mut(at) {
                    // Only ASCII: the helper makes text of bodies.
                    *hit = byte & 0x7f;
                }
            }
            proptest::prop_assert_eq!(
                decode(&bytes, size, eof),
                decode(&bytes, usize::MAX, eof)
            );
        }
    }
}
