//! WebSocket frames (RFC 6455) as a client sees them: decoded in place, encoded into a reused
//! buffer. No socket, no extension, no check that text is UTF-8: parsers look at bytes, and text is
//! checked where it reaches a person.

use super::buffer::Buffer;
use std::fmt;
use std::ops::Range;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// Next part of a fragmented message.
    Continuation = 0,
    /// Text message.
    Text = 1,
    /// Binary message.
    Binary = 2,
    /// Close handshake.
    Close = 8,
    /// To be answered by a pong with the same payload.
    Ping = 9,
    /// Answer to a ping, or unasked for.
    Pong = 10,
}

/// Why a server's frames cannot be accepted. The connection is of no further use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// A reserved bit is set though no extension was agreed.
    ReservedBits,
    /// An opcode that does not exist.
    UnknownOpcode,
    /// Servers must not mask.
    Masked,
    /// A control frame in pieces.
    FragmentedControl,
    /// A control frame of more than 125 bytes.
    ControlTooLong,
    /// A length not in its shortest form, or with the top bit set.
    BadLength,
    /// A continuation of nothing.
    UnexpectedContinuation,
    /// A new message before the last one was complete.
    UnfinishedMessage,
    /// A close frame with one byte, or with a code that may not be sent.
    BadClose,
    /// The message is larger than the limit; noticed before its payload is awaited.
    TooLarge,
}

impl FrameError {
    /// In words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReservedBits => "a frame with reserved bits set",
            Self::UnknownOpcode => "a frame with an unknown opcode",
            Self::Masked => "a masked frame from a server",
            Self::FragmentedControl => "a fragmented control frame",
            Self::ControlTooLong => "a control frame of more than 125 bytes",
            Self::BadLength => "a frame length that is not in its shortest form",
            Self::UnexpectedContinuation => "a continuation frame without a message",
            Self::UnfinishedMessage => "a new message inside an unfinished one",
            Self::BadClose => "a malformed close frame",
            Self::TooLarge => "a message larger than the limit",
        }
    }
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::error::Error for FrameError {}

/// A whole message or control frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Text and Binary are whole messages, fragments joined; never Continuation.
    pub opcode: Opcode,
    /// Where its payload lies: [`Buffer::get`].
    pub payload: Range<usize>,
}

/// Bytes between the parts of a message (headers, control frames) that may pile up before the
/// rest is moved down; only a strange server gets there.
const GAP_MAX: usize = 4096;

/// Finds frames in a [`Buffer`].
///
/// While a message is in pieces, its joined part lies at the front of the buffer, then a gap (the
/// headers and control frames in between), then what has not been looked at:
///
/// ```text
/// | joined ... | gap | next frame header, payload ...|
/// 0       joined    next                           len
/// ```
#[derive(Debug)]
pub struct Decoder {
    message_max: usize,
    /// Opcode of the message that is in pieces.
    partial: Option<Opcode>,
    joined: usize,
    next: usize,
}

struct Header {
    fin: bool,
    opcode: Opcode,
    /// Bytes before the payload.
    size: usize,
    /// Bytes of payload.
    len: usize,
}

impl Decoder {
    /// Refuses messages of more than `message_max` bytes.
    #[must_use]
    pub fn new(message_max: usize) -> Self {
        Self { message_max, partial: None, joined: 0, next: 0 }
    }

    /// Forgets a message in pieces; to be called when the buffer is cleared.
    pub fn reset(&mut self) {
        *self = Self::new(self.message_max);
    }

    /// Takes the next whole message or control frame out of `buffer`; `None` if more bytes are
    /// needed.
    pub fn step(&mut self, buffer: &mut Buffer) -> Result<Option<Received>, FrameError> {
        loop {
            let Some(header) = self.header(buffer.data())? else { return Ok(self.wait(buffer)) };
            let payload = self.next + header.size;
            if buffer.len() - payload < header.len {
                return Ok(self.wait(buffer));
            }
            if let Some(received) = self.take(buffer, &header, payload)? {
                return Ok(Some(received));
            }
        }
    }

    /// The header of the next frame, if it is there and allowed.
    fn header(&self, data: &[u8]) -> Result<Option<Header>, FrameError> {
        let Some(&[first, second, ref rest @ ..]) = data.get(self.next..) else { return Ok(None) };
        if first & 0x70 != 0 {
            return Err(FrameError::ReservedBits);
        }
        let opcode = opcode(first & 0x0f).ok_or(FrameError::UnknownOpcode)?;
        if second & 0x80 != 0 {
            return Err(FrameError::Masked);
        }
        let (fin, short) = (first & 0x80 != 0, second & 0x7f);
        match opcode {
            Opcode::Close | Opcode::Ping | Opcode::Pong => {
                if !fin {
                    return Err(FrameError::FragmentedControl);
                }
                if short > 125 {
                    return Err(FrameError::ControlTooLong);
                }
                if opcode == Opcode::Close && short == 1 {
                    return Err(FrameError::BadClose);
                }
            }
            Opcode::Continuation if self.partial.is_none() => {
                return Err(FrameError::UnexpectedContinuation);
            }
            Opcode::Text | Opcode::Binary if self.partial.is_some() => {
                return Err(FrameError::UnfinishedMessage);
            }
            Opcode::Continuation | Opcode::Text | Opcode::Binary => {}
        }
        let (size, len) = match short {
            126 => match rest.first_chunk::<2>() {
                Some(bytes) => (4, u64::from(u16::from_be_bytes(*bytes))),
                None => return Ok(None),
            },
            127 => match rest.first_chunk::<8>() {
                Some(bytes) => (10, u64::from_be_bytes(*bytes)),
                None => return Ok(None),
            },
            len => (2, u64::from(len)),
        };
        if (size == 4 && len < 126) || (size == 10 && (len < 1 << 16 || len >> 63 != 0)) {
            return Err(FrameError::BadLength);
        }
        let joined = if opcode == Opcode::Continuation { self.joined } else { 0 };
        if is_data(opcode) && len > (self.message_max - joined) as u64 {
            return Err(FrameError::TooLarge);
        }
        Ok(Some(Header { fin, opcode, size, len: len as usize }))
    }

    /// Consumes a frame that is there as a whole; `None` if its message goes on.
    fn take(
        &mut self,
        buffer: &mut Buffer,
        header: &Header,
        payload: usize,
    ) -> Result<Option<Received>, FrameError> {
        let Header { fin, opcode, size, len } = *header;
        if is_data(opcode) {
            if self.partial.is_none() && fin {
                buffer.consume(size);
                return Ok(Some(Received { opcode, payload: buffer.consume(len) }));
            }
            return Ok(self.join(buffer, header, payload));
        }
        if opcode == Opcode::Close {
            check_close(&buffer.data()[payload..payload + len])?;
        }
        if self.partial.is_some() {
            self.next = payload + len;
            // Consuming nothing tells where the front is.
            let front = buffer.consume(0).start;
            return Ok(Some(Received { opcode, payload: front + payload..front + payload + len }));
        }
        buffer.consume(size);
        Ok(Some(Received { opcode, payload: buffer.consume(len) }))
    }

    /// Adds a fragment to its message, and hands the message over if it was the last.
    fn join(&mut self, buffer: &mut Buffer, header: &Header, payload: usize) -> Option<Received> {
        let opcode = match self.partial {
            Some(opcode) => {
                buffer.move_down(payload, header.len, self.joined);
                self.joined += header.len;
                self.next = payload + header.len;
                opcode
            }
            None => {
                buffer.consume(header.size);
                (self.joined, self.next) = (header.len, header.len);
                header.opcode
            }
        };
        self.partial = Some(opcode);
        if !header.fin {
            return None;
        }
        let all = buffer.consume(self.next);
        let payload = all.start..all.start + self.joined;
        (self.partial, self.joined, self.next) = (None, 0, 0);
        Some(Received { opcode, payload })
    }

    fn wait(&mut self, buffer: &mut Buffer) -> Option<Received> {
        if self.next - self.joined > GAP_MAX {
            buffer.cut(self.joined, self.next);
            self.next = self.joined;
        }
        None
    }
}

fn opcode(bits: u8) -> Option<Opcode> {
    Some(match bits {
        0 => Opcode::Continuation,
        1 => Opcode::Text,
        2 => Opcode::Binary,
        8 => Opcode::Close,
        9 => Opcode::Ping,
        10 => Opcode::Pong,
        _ => return None,
    })
}

fn is_data(opcode: Opcode) -> bool {
    matches!(opcode, Opcode::Continuation | Opcode::Text | Opcode::Binary)
}

/// Code and words of a close frame; 1005 when it has none (RFC 6455 section 7.1.5).
#[must_use]
pub fn close_code(payload: &[u8]) -> (u16, &[u8]) {
    match payload {
        [high, low, words @ ..] => (u16::from_be_bytes([*high, *low]), words),
        _ => (1005, &[]),
    }
}

fn check_close(payload: &[u8]) -> Result<(), FrameError> {
    let (code, words) = close_code(payload);
    let allowed = payload.is_empty()
        || matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
            && std::str::from_utf8(words).is_ok();
    if allowed { Ok(()) } else { Err(FrameError::BadClose) }
}

/// Mask keys of one connection. They need not be secret, only not the same for ever: what a venue
/// gets is ours alone, and TLS is around it.
#[derive(Clone, Debug)]
pub struct MaskKeys(u64);

impl MaskKeys {
    /// A stream of keys that depends on `seed` alone.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next key.
    #[inline]
    pub fn next_key(&mut self) -> [u8; 4] {
        (super::random::next(&mut self.0) as u32).to_ne_bytes()
    }
}

/// Appends a whole masked frame to `out`.
pub fn encode(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8], key: [u8; 4]) {
    let len = payload.len();
    out.push(0x80 | opcode as u8);
    if len < 126 {
        out.push(0x80 | len as u8);
    } else if let Ok(len) = u16::try_from(len) {
        out.push(0x80 | 126);
        out.extend_from_slice(&len.to_be_bytes());
    } else {
        out.push(0x80 | 127);
        out.extend_from_slice(&(len as u64).to_be_bytes());
    }
    out.extend_from_slice(&key);
    let start = out.len();
    out.extend_from_slice(payload);
    mask(&mut out[start..], key);
}

/// Eight bytes at a time; the compiler makes more of it.
fn mask(bytes: &mut [u8], key: [u8; 4]) {
    let [a, b, c, d] = key;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (chunks, rest) = bytes.as_chunks_mut::<8>();
    for chunk in chunks {
        *chunk = (u64::from_ne_bytes(*chunk) ^ wide).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}
