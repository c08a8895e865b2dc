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

/// Room that [`seal`] needs before a payload: the longest header.
pub const HEADROOM: usize = 14;

/// Appends a whole masked frame to `out`.
pub fn encode(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8], key: [u8; 4]) {
    let (header, from) = header(opcode, payload.len(), key);
    let start = out.len() + HEADROOM - from;
    out.reserve(HEADROOM + payload.len());
    out.extend_from_slice(&header[from..]);
    out.extend_from_slice(payload);
    mask(&mut out[start..], key);
}

/// Makes a masked frame of a payload where it stands, behind [`HEADROOM`] bytes that are free; the
/// frame is at the end of `room`. A room too small for that holds no payload.
pub fn seal(room: &mut [u8], opcode: Opcode, key: [u8; 4]) -> &[u8] {
    let Some((before, payload)) = room.split_first_chunk_mut::<HEADROOM>() else { return b"" };
    let (header, from) = header(opcode, payload.len(), key);
    *before = header;
    mask(payload, key);
    &room[from..]
}

/// The header of a masked frame, at the end of the room for it, and where it begins.
#[inline(always)]
fn header(opcode: Opcode, len: usize, key: [u8; 4]) -> ([u8; HEADROOM], usize) {
    let mut header = [0; HEADROOM];
    header[HEADROOM - 4..].copy_from_slice(&key);
    let (from, short) = if len < 126 {
        (8, len as u8)
    } else if let Ok(len) = u16::try_from(len) {
        header[8..10].copy_from_slice(&len.to_be_bytes());
        (6, 126)
    } else {
        header[2..10].copy_from_slice(&(len as u64).to_be_bytes());
        (0, 127)
    };
    header[from] = 0x80 | opcode as u8;
    header[from + 1] = 0x80 | short;
    (header, from)
}

/// Thirty-two bytes at a time, which the compiler does in vector registers.
fn mask(bytes: &mut [u8], key: [u8; 4]) {
    let wide: [u8; 32] = std::array::from_fn(|index| key[index % 4]);
    let (chunks, rest) = bytes.as_chunks_mut::<32>();
    for chunk in chunks {
        for (byte, key) in chunk.iter_mut().zip(wide) {
            *byte ^= key;
        }
    }
    for (byte, key) in rest.iter_mut().zip(wide) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_made_in_place_is_the_one_made_by_copying() {
        for len in [0, 1, 31, 32, 125, 126, 300, 65_535, 65_536, 70_000] {
            let payload: Vec<u8> = (0..len).map(|at| at as u8).collect();
            let key = [7, 0, 255, 3];
            let mut expected = Vec::new();
            encode(&mut expected, Opcode::Text, &payload, key);
            let mut room = [vec![0xee; HEADROOM], payload].concat();
            assert_eq!(seal(&mut room, Opcode::Text, key), expected);
        }
        assert_eq!(seal(&mut [0; 3], Opcode::Text, [0; 4]), b"", "no room");
    }

    /// Every message and control frame in `bytes`, and how it ended.
    fn decode(max: usize, bytes: &[u8]) -> (Vec<(Opcode, Vec<u8>)>, Option<FrameError>) {
        let mut buffer = Buffer::with_capacity(16);
        let mut decoder = Decoder::new(max);
        buffer.extend(bytes);
        let mut all = Vec::new();
        loop {
            match decoder.step(&mut buffer) {
                Ok(Some(Received { opcode, payload })) => {
                    all.push((opcode, buffer.get(payload).to_vec()));
                }
                Ok(None) => return (all, None),
                Err(error) => return (all, Some(error)),
            }
        }
    }

    fn refused(bytes: &[u8]) -> FrameError {
        let (all, error) = decode(1000, bytes);
        assert!(all.is_empty());
        error.expect("must be refused")
    }

    fn message(bytes: &[u8]) -> (Opcode, Vec<u8>) {
        let (mut all, error) = decode(1 << 20, bytes);
        assert_eq!((all.len(), error), (1, None));
        all.remove(0)
    }

    #[test]
    fn all_three_forms_of_length() {
        assert_eq!(message(b"\x81\x05hello"), (Opcode::Text, b"hello".to_vec()));
        assert_eq!(message(b"\x82\x00"), (Opcode::Binary, vec![]));
        for (len, header) in [
            (125, vec![0x82, 125]),
            (126, vec![0x82, 126, 0, 126]),
            (65_535, vec![0x82, 126, 0xff, 0xff]),
            (65_536, vec![0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let payload: Vec<u8> = (0..len).map(|index| index as u8).collect();
            assert_eq!(message(&[header, payload.clone()].concat()), (Opcode::Binary, payload));
        }
    }

    #[test]
    fn lengths_must_be_in_their_shortest_form() {
        assert_eq!(refused(&[0x82, 126, 0, 125]), FrameError::BadLength);
        assert_eq!(refused(&[0x82, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff]), FrameError::BadLength);
        assert_eq!(refused(&[0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0]), FrameError::BadLength);
    }

    #[test]
    fn fragments_are_joined_around_control_frames() {
        let bytes = b"\x01\x03one\x89\x02hi\x00\x00\x8a\x00\x00\x04-two\x80\x06-three\x82\x01x";
        let (all, error) = decode(1000, bytes);
        assert_eq!(error, None);
        assert_eq!(
            all,
            [
                (Opcode::Ping, b"hi".to_vec()),
                (Opcode::Pong, vec![]),
                (Opcode::Text, b"one-two-three".to_vec()),
                (Opcode::Binary, b"x".to_vec()),
            ]
        );
    }

    #[test]
    fn what_a_server_must_not_send_is_refused() {
        for reserved in [0x40, 0x20, 0x10] {
            assert_eq!(refused(&[0x81 | reserved, 0]), FrameError::ReservedBits);
        }
        for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
            assert_eq!(refused(&[0x80 | opcode, 0]), FrameError::UnknownOpcode);
        }
        assert_eq!(refused(&[0x81, 0x81]), FrameError::Masked);
        for control in [0x08, 0x09, 0x0a] {
            assert_eq!(refused(&[control, 0]), FrameError::FragmentedControl);
            assert_eq!(refused(&[0x80 | control, 126]), FrameError::ControlTooLong);
            assert_eq!(refused(&[0x80 | control, 127]), FrameError::ControlTooLong);
        }
        assert_eq!(refused(&[0x80, 0]), FrameError::UnexpectedContinuation);
        assert_eq!(refused(&[0x00, 0]), FrameError::UnexpectedContinuation);
        assert_eq!(refused(&[0x01, 0, 0x81, 0]), FrameError::UnfinishedMessage);
        assert_eq!(refused(&[0x01, 0, 0x02, 0]), FrameError::UnfinishedMessage);
    }

    #[test]
    fn close_frames_carry_a_valid_code_or_nothing() {
        assert_eq!(message(&[0x88, 0]), (Opcode::Close, vec![]));
        for code in [1000_u16, 1001, 1003, 1007, 1011, 1012, 1014, 3000, 4999] {
            let [high, low] = code.to_be_bytes();
            let payload = vec![high, low, b'w'];
            assert_eq!(message(&[0x88, 3, high, low, b'w']), (Opcode::Close, payload.clone()));
            assert_eq!(close_code(&payload), (code, &b"w"[..]));
        }
        assert_eq!(close_code(&[]), (1005, &b""[..]));
        assert_eq!(refused(&[0x88, 1, 3]), FrameError::BadClose);
        for code in [0_u16, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000] {
            let [high, low] = code.to_be_bytes();
            assert_eq!(refused(&[0x88, 2, high, low]), FrameError::BadClose, "{code}");
        }
        assert_eq!(refused(&[0x88, 3, 3, 232, 0xff]), FrameError::BadClose, "not UTF-8");
    }

    #[test]
    fn too_large_is_known_from_the_header_alone() {
        assert_eq!(refused(&[0x82, 126, 3, 233]), FrameError::TooLarge);
        assert_eq!(refused(&[0x82, 127, 0, 0, 1, 0, 0, 0, 0, 0]), FrameError::TooLarge);
        let (all, error) = decode(1000, &[&[0x82, 126, 3, 232], &[7; 1000][..]].concat());
        assert_eq!((all.len(), error), (1, None));
        // The sum counts, not the parts.
        let half = [&[0x02, 126, 2, 0], &[7; 512][..]].concat();
        let rest = [&[0x80, 126, 1, 232], &[7; 488][..]].concat();
        assert_eq!(decode(1000, &[&half[..], &rest].concat()).0.len(), 1);
        assert_eq!(
            decode(1000, &[&half[..], &[0x80, 126, 1, 233]].concat()).1,
            Some(FrameError::TooLarge)
        );
        // Control frames are not messages.
        assert_eq!(decode(3, b"\x89\x05hello").0, [(Opcode::Ping, b"hello".to_vec())]);
        assert_eq!(decode(3, b"\x81\x04four").1, Some(FrameError::TooLarge));
    }

    #[test]
    fn a_flood_between_two_fragments_does_not_grow_the_buffer() {
        let mut buffer = Buffer::with_capacity(16 * 1024);
        let mut decoder = Decoder::new(1000);
        buffer.extend(b"\x01\x03abc");
        let mut pings = 0;
        for _ in 0..1000 {
            for _ in 0..40 {
                buffer.extend(b"\x89\x7d");
                buffer.extend(&[b'p'; 125]);
                buffer.extend(b"\x00\x00");
            }
            while let Some(received) = decoder.step(&mut buffer).unwrap() {
                assert_eq!(received.opcode, Opcode::Ping);
                assert_eq!(buffer.get(received.payload), [b'p'; 125]);
                pings += 1;
            }
            assert!(buffer.len() <= 3 + GAP_MAX + 130);
        }
        buffer.extend(b"\x80\x03def");
        let received = decoder.step(&mut buffer).unwrap().unwrap();
        assert_eq!((pings, &*buffer.get(received.payload)), (40_000, &b"abcdef"[..]));
        assert!(buffer.room(0).len() <= 16 * 1024);
    }

    #[test]
    fn encoded_frames_are_masked_with_the_key() {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        let mut out = b"before".to_vec();
        encode(&mut out, Opcode::Text, b"Hello", key);
        // The example of RFC 6455 section 5.7.
        assert_eq!(out, b"before\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
        for len in [0, 1, 7, 8, 9, 125, 126, 65_535, 65_536] {
            let payload: Vec<u8> = (0..len).map(|index| (index * 7) as u8).collect();
            let mut out = Vec::new();
            encode(&mut out, Opcode::Binary, &payload, key);
            let header = match len {
                0..=125 => vec![0x82, 0x80 | len as u8],
                126..=65_535 => vec![0x82, 0xfe, (len >> 8) as u8, len as u8],
                _ => vec![0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0],
            };
            assert_eq!(out[..header.len()], header);
            assert_eq!(out[header.len()..header.len() + 4], key);
            let masked = &out[header.len() + 4..];
            let plain: Vec<u8> =
                masked.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
            assert_eq!(plain, payload);
        }
    }

    #[test]
    fn mask_keys_differ() {
        let mut keys = MaskKeys::new(1);
        let drawn: std::collections::HashSet<_> = (0..1000).map(|_| keys.next_key()).collect();
        assert!(drawn.len() > 995);
    }
}
