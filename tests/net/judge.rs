//! Our frame decoder against tungstenite's, on the same bytes.

use proptest::prelude::*;
use std::io::{self, Read, Write};
use stoop::net::buffer::Buffer;
use stoop::net::websocket::{Decoder, FrameError, MaskKeys, Opcode, Received, encode};
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Error, Message, WebSocket};

const MESSAGE_MAX: usize = 2000;

/// What both decoders say: messages and control frames in order, and whether they stopped because
/// of an error (or because the bytes ran out, or a close frame came).
type Verdict = (Vec<(u8, Vec<u8>)>, bool);

fn ours(bytes: &[u8], cuts: &[usize]) -> (Verdict, Option<FrameError>) {
    let mut buffer = Buffer::with_capacity(8);
    let mut decoder = Decoder::new(MESSAGE_MAX);
    let mut all = Vec::new();
    let mut rest = bytes;
    let mut cuts = cuts.iter().cycle();
    while !rest.is_empty() {
        let size = cuts.next().map_or(rest.len(), |&cut| cut.clamp(1, rest.len()));
        let (piece, after) = rest.split_at(size);
        buffer.extend(piece);
        rest = after;
        loop {
            match decoder.step(&mut buffer) {
                Ok(Some(Received { opcode, payload })) => {
                    all.push((opcode as u8, buffer.get(payload).to_vec()));
                    if opcode == Opcode::Close {
                        return ((all, false), None);
                    }
                }
                Ok(None) => break,
                Err(error) => return ((all, true), Some(error)),
            }
        }
    }
    ((all, false), None)
}

/// A stream that has bytes to read and forgets what is written.
struct Canned<'a>(&'a [u8]);

impl Read for Canned<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.0.read(bytes)
    }
}

impl Write for Canned<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn theirs(bytes: &[u8]) -> Verdict {
    let config = WebSocketConfig::default()
        .read_buffer_size(64)
        .max_message_size(Some(MESSAGE_MAX))
        .max_frame_size(Some(MESSAGE_MAX));
    let mut socket = WebSocket::from_raw_socket(Canned(bytes), Role::Client, Some(config));
    let mut all = Vec::new();
    loop {
        match socket.read() {
            Ok(Message::Text(text)) => all.push((1, text.as_bytes().to_vec())),
            Ok(Message::Binary(bytes)) => all.push((2, bytes.to_vec())),
            Ok(Message::Ping(bytes)) => all.push((9, bytes.to_vec())),
            Ok(Message::Pong(bytes)) => all.push((10, bytes.to_vec())),
            Ok(Message::Close(close)) => {
                let payload = close.map_or(vec![], |close| {
                    [&u16::from(close.code).to_be_bytes(), close.reason.as_bytes()].concat()
                });
                all.push((8, payload));
                return (all, false);
            }
            Ok(Message::Frame(_)) => unreachable!("never read"),
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                return (all, false);
            }
            Err(_) => return (all, true),
        }
    }
}

#[derive(Clone, Debug)]
struct Frame {
    first: u8,
    masked: bool,
    payload: Vec<u8>,
}

impl Frame {
    fn write(&self, out: &mut Vec<u8>) {
        let mask = if self.masked { 0x80 } else { 0 };
        out.push(self.first);
        match self.payload.len() {
            len @ 0..=125 => out.push(mask | len as u8),
            len @ 126..=65_535 => out.extend([mask | 126, (len >> 8) as u8, len as u8]),
            len => {
                out.push(mask | 127);
                out.extend((len as u64).to_be_bytes());
            }
        }
        if self.masked {
            out.extend([0; 4]);
        }
        out.extend(&self.payload);
    }
}

/// ASCII, so that the one thing we leave to others, UTF-8 in text messages, never decides.
fn payload() -> impl Strategy<Value = Vec<u8>> {
    let sizes = prop_oneof![6 => 0..20_usize, 2 => 120..130_usize, 1 => 500..1100_usize];
    sizes.prop_flat_map(|size| proptest::collection::vec(b' '..b'~', size))
}

/// Close frames with a code that may be sent. What else tungstenite thinks of codes differs: it
/// answers a bad code with a protocol error but hands it on.
fn close() -> impl Strategy<Value = Frame> {
    (prop_oneof![Just(1000_u16), Just(1001), Just(1011), 3000..5000_u16], payload()).prop_map(
        |(code, mut words)| {
            words.truncate(123);
            let payload = [&code.to_be_bytes()[..], &words].concat();
            Frame { first: 0x88, masked: false, payload }
        },
    )
}

fn control() -> impl Strategy<Value = Frame> {
    (prop_oneof![Just(0x89_u8), Just(0x8a)], payload()).prop_map(|(first, mut payload)| {
        payload.truncate(125);
        Frame { first, masked: false, payload }
    })
}

fn good() -> impl Strategy<Value = Vec<Frame>> {
    let frame = |first| move |payload| Frame { first, masked: false, payload };
    let whole = (prop_oneof![Just(0x81_u8), Just(0x82)], payload())
        .prop_map(move |(first, payload)| vec![frame(first)(payload)]);
    let between = proptest::collection::vec(
        prop_oneof![2 => control(), 3 => payload().prop_map(frame(0x00))],
        0..6,
    );
    let pieces =
        (1..3_u8, payload(), between, payload()).prop_map(move |(opcode, a, middle, z)| {
            [vec![frame(opcode)(a)], middle, vec![frame(0x80)(z)]].concat()
        });
    prop_oneof![3 => whole, 1 => control().prop_map(|frame| vec![frame]), 2 => pieces]
}

fn stream() -> impl Strategy<Value = Vec<Frame>> {
    let wild = (any::<u8>(), proptest::bool::weighted(0.2), payload())
        // Their close codes differ, see above; empty close frames do not.
        .prop_map(|(first, masked, mut payload)| {
            if first & 0x0f == 8 {
                payload.clear();
            }
            vec![Frame { first, masked, payload }]
        });
    prop_oneof![8 => good(), 1 => wild, 1 => close().prop_map(|frame| vec![frame])]
}

fn bytes(frames: &[Vec<Frame>]) -> Vec<u8> {
    let mut out = Vec::new();
    frames.iter().flatten().for_each(|frame| frame.write(&mut out));
    out
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn valid_streams_decode_as_tungstenite_decodes_them(
        frames in proptest::collection::vec(good(), 0..12),
        cuts in proptest::collection::vec(1..400_usize, 0..6),
    ) {
        let bytes = bytes(&frames);
        let (verdict, error) = ours(&bytes, &cuts);
        // The sum of a message's parts may be over the limit; nothing else can be wrong.
        prop_assert!(matches!(error, None | Some(FrameError::TooLarge)), "{error:?}");
        prop_assert_eq!(verdict, theirs(&bytes));
    }

    #[test]
    fn broken_streams_are_refused_where_tungstenite_refuses_them(
        frames in proptest::collection::vec(stream(), 0..12),
        cuts in proptest::collection::vec(1..400_usize, 0..6),
    ) {
        let bytes = bytes(&frames);
        prop_assert_eq!(ours(&bytes, &cuts).0, theirs(&bytes));
    }

    #[test]
    fn cutting_the_bytes_anywhere_changes_nothing(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        frames in proptest::collection::vec(stream(), 0..6),
        cuts in proptest::collection::vec(1..50_usize, 1..10),
    ) {
        let mut all = self::bytes(&frames);
        all.extend(bytes);
        let whole = ours(&all, &[]);
        prop_assert_eq!(&ours(&all, &cuts), &whole);
        prop_assert_eq!(&ours(&all, &[1]), &whole);
    }

    #[test]
    fn tungstenite_reads_what_we_encode(
        payload in proptest::collection::vec(any::<u8>(), 0..1900),
        seed in any::<u64>(),
    ) {
        let mut out = Vec::new();
        let mut keys = MaskKeys::new(seed);
        encode(&mut out, Opcode::Binary, &payload, keys.next_key());
        encode(&mut out, Opcode::Ping, &payload[..payload.len().min(125)], keys.next_key());
        let mut socket = WebSocket::from_raw_socket(Canned(&out), Role::Server, None);
        prop_assert_eq!(socket.read().unwrap(), Message::Binary(payload.clone().into()));
        let ping = payload[..payload.len().min(125)].to_vec();
        prop_assert_eq!(socket.read().unwrap(), Message::Ping(ping.into()));
    }
}
