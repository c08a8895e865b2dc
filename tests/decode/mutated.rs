//! Messages bent and broken: whatever a scanner still reads, the complete decoder reads alike.

use crate::support::{Both, all, messages};
use proptest::prelude::*;
use proptest::sample::Index;
use std::cell::RefCell;

/// One change of a message; places are anywhere in it.
#[derive(Clone, Debug)]
enum Change {
    Flip(Index, u8),
    Cut(Index, Index),
    Repeat(Index, Index),
    Swap(Index, Index),
    Insert(Index, &'static str),
    Digit(Index, u8),
    Truncate(Index),
}

/// What no scanner may stumble over.
const PIECES: &[&str] = &[
    " ",
    "\t",
    "\n",
    "\\",
    "\\u0041",
    "\"",
    "'",
    "-",
    "+",
    ".",
    "e5",
    "1e5",
    "0",
    "00",
    "9",
    "18446744073709551616",
    "99999999999999999999",
    "99999999999999",
    ",",
    ":",
    "{",
    "}",
    "[",
    "]",
    "[]",
    "{}",
    "null",
    "true",
    "false",
    "\u{e9}",
    "\u{0}",
    ",\"u\":1",
    ",\"s\":\"BTCUSDT\"",
    ",\"st\":2",
    ",\"e\":\"x\"",
    ",\"X\":\"ADL\"",
    ",[\"1\",\"2\"]",
    ",[\"1\",\"2\",\"3\"]",
    ",[\"1\",\"2\",\"0\",\"4\"]",
    ",\"seqId\":7",
    ",\"prevSeqId\":-1",
    ",\"tradeId\":\"8\"",
    "12345678901234567",
    "0000000000000000",
    ".0000000000000001",
];

fn change() -> impl Strategy<Value = Change> {
    let index = any::<Index>;
    prop_oneof![
        (index(), 0u8..8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        (index(), index()).prop_map(|(from, to)| Change::Cut(from, to)),
        (index(), index()).prop_map(|(from, to)| Change::Repeat(from, to)),
        (index(), index()).prop_map(|(one, other)| Change::Swap(one, other)),
        (index(), proptest::sample::select(PIECES)).prop_map(|(at, text)| Change::Insert(at, text)),
        (index(), b'0'..=b'9').prop_map(|(at, digit)| Change::Digit(at, digit)),
        index().prop_map(Change::Truncate),
    ]
}

fn apply(text: &mut Vec<u8>, change: &Change) {
    if text.is_empty() {
        return;
    }
    let len = text.len();
    // Nearly always a short piece: a member, a row, a number.
    let range = |from: &Index, to: &Index| {
        let from = from.index(len);
        from..(from + 1 + to.index(40)).min(len)
    };
    match change {
        Change::Flip(at, bit) => text[at.index(len)] ^= 1 << bit,
        Change::Cut(from, to) => {
            text.drain(range(from, to));
        }
        Change::Repeat(from, to) => {
            let piece = text[range(from, to)].to_vec();
            let at = range(from, to).end;
            text.splice(at..at, piece);
        }
        Change::Swap(one, other) => swap_members(text, one, other),
        Change::Insert(at, piece) => {
            let at = at.index(len + 1);
            text.splice(at..at, piece.bytes());
        }
        Change::Digit(at, digit) => {
            let digits: Vec<usize> = (0..len).filter(|&at| text[at].is_ascii_digit()).collect();
            if !digits.is_empty() {
                text[digits[at.index(digits.len())]] = *digit;
            }
        }
        Change::Truncate(at) => text.truncate(at.index(len)),
    }
}

/// Exchanges two pieces between commas.
fn swap_members(text: &mut Vec<u8>, one: &Index, other: &Index) {
    let mut pieces: Vec<&[u8]> = text.split(|&byte| byte == b',').collect();
    let (one, other) = (one.index(pieces.len()), other.index(pieces.len()));
    pieces.swap(one, other);
    *text = pieces.join(&b',');
}

thread_local! {
    static DECODERS: RefCell<[Both; 6]> = RefCell::new(all());
    /// Without those that are far from any scanner and long.
    static MESSAGES: Vec<String> =
        messages().into_iter().map(|(_, text)| text).filter(|text| text.len() < 4_000).collect();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn a_scanner_never_reads_more_than_the_complete_decoder(
        which in any::<Index>(),
        changes in proptest::collection::vec(change(), 1..4),
    ) {
        let mut text = MESSAGES.with(|all| all[which.index(all.len())].clone().into_bytes());
        for change in &changes {
            apply(&mut text, change);
        }
        DECODERS.with(|decoders| {
            for decoder in decoders.borrow_mut().iter_mut() {
                decoder.compare(&text);
            }
        });
    }

    #[test]
    fn the_ends_of_frames_are_read_alike(which in any::<Index>(), tail in "[ }\\]a0]{0,40}") {
        let mut text = MESSAGES.with(|all| all[which.index(all.len())].clone());
        text.push_str(&tail);
        DECODERS.with(|decoders| {
            for decoder in decoders.borrow_mut().iter_mut() {
                decoder.compare(text.as_bytes());
            }
        });
    }
}

/// Each number of a frame is replaced by hard ones.
#[test]
fn hard_numbers_are_read_alike() {
    let hard = [
        "0",
        "00",
        "0.0",
        "0.00000000",
        "1",
        "-1",
        "-0",
        "01",
        "1.",
        ".1",
        "1..2",
        "1.2.3",
        "",
        "99999999999999.99",
        "9999999999999999",
        "99999999999999999999",
        "0.000000001",
        "123456.123456789",
        "1e3",
        "1E3",
        "+1",
        "1 ",
        " 1",
        "1_000",
        "100000000000000",
        "99999999999999",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "12345678.00000000",
        "123456789012.50",
        "1\u{661}",
    ];
    let mut decoders = all();
    for (name, text) in messages().iter().filter(|(_, text)| text.len() < 1_200) {
        let of_venue = match name.split('/').next() {
            Some("binance") => 0..2,
            Some("bybit") => 2..4,
            _ => 4..5,
        };
        let mut at = 0;
        while let Some(start) = text[at..].find(|c: char| c.is_ascii_digit()).map(|by| at + by) {
            let number = |c: char| !c.is_ascii_digit() && c != '.';
            let end = text[start..].find(number).map_or(text.len(), |by| start + by);
            for hard in hard {
                let changed = format!("{}{hard}{}", &text[..start], &text[end..]);
                for decoder in &mut decoders[of_venue.clone()] {
                    decoder.compare(changed.as_bytes());
                }
            }
            at = end;
        }
    }
}
