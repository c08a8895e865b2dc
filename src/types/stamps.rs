//! When a tick passed each point of its way from the venue to the order, its acknowledgement and its
//! fill.
//!
//! For measuring only: no decision, no journal record and no state depends on a stamp, so that a run
//! with other stamps is the same run. Stamps travel as differences, which keeps ring slots and the
//! line of a top of book small.

use super::{Nanos, Signal};

/// How much is stamped and recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Detail {
    /// Nothing.
    Off = 0,
    /// What takes no further reading of the clock: the order as a whole and what the venue makes
    /// of it.
    Order = 1,
    /// Every stage.
    #[default]
    All = 2,
}

impl Detail {
    /// From a byte of shared memory; what is not known is nothing.
    #[must_use]
    pub fn from_u8(byte: u8) -> Self {
        match byte {
            1 => Self::Order,
            2 => Self::All,
            _ => Self::Off,
        }
    }

    /// As `engine.toml` writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Order => "order",
            Self::All => "all",
        }
    }
}

/// A point of the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Stamp {
    /// The venue's time of the event, moved to our clock by the measured offset; to the microsecond.
    Event = 0,
    /// The last byte of the frame was read.
    Received = 1,
    /// The frame was decoded and applied to the book.
    Decoded = 2,
    /// The top of book was about to be written: with depth, once the depth was.
    Published = 3,
    /// The strategy had read it.
    Seen = 4,
    /// The strategy emitted the signal.
    Emitted = 5,
    /// The order had passed every limit.
    Checked = 6,
    /// The intent was on record and the command handed over.
    Journaled = 7,
    /// The executor took the command: its turn came.
    Taken = 8,
    /// The order was encoded and signed.
    Encoded = 9,
    /// Its bytes were given to the kernel.
    Handed = 10,
    /// The venue's first word about it was read.
    Acked = 11,
    /// Its first fill was read.
    Filled = 12,
}

impl Stamp {
    /// How many there are.
    pub const COUNT: usize = 13;

    /// All of them, in the order of the way.
    pub const ALL: [Stamp; Self::COUNT] = [
        Stamp::Event,
        Stamp::Received,
        Stamp::Decoded,
        Stamp::Published,
        Stamp::Seen,
        Stamp::Emitted,
        Stamp::Checked,
        Stamp::Journaled,
        Stamp::Taken,
        Stamp::Encoded,
        Stamp::Handed,
        Stamp::Acked,
        Stamp::Filled,
    ];

    /// Name for machines.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Received => "received",
            Self::Decoded => "decoded",
            Self::Published => "published",
            Self::Seen => "seen",
            Self::Emitted => "emitted",
            Self::Checked => "checked",
            Self::Journaled => "journaled",
            Self::Taken => "taken",
            Self::Encoded => "encoded",
            Self::Handed => "handed",
            Self::Acked => "acked",
            Self::Filled => "filled",
        }
    }
}

/// Stamps of a published book beside its receive time, in one word:
///
/// ```text
/// bits 0..20   received to decoded          20 bits of floating point, nanoseconds
///      20..40  decoded to published         the same
///      40..64  event to received            whole microseconds, signed, plus 2^23; 0: no event time
/// ```
///
/// The floating point has 16 bits of mantissa and 4 of exponent: exact up to 65 535 ns, within
/// 0.004 % up to the largest, 2.1 s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BookStamps(u64);

impl Default for BookStamps {
    fn default() -> Self {
        Self::NONE
    }
}

const FLOAT_BITS: u32 = 20;
const FLOAT_MASK: u64 = (1 << FLOAT_BITS) - 1;
const MANTISSA_BITS: u32 = 16;
const EXPONENT_MAX: u32 = 15;
/// Stands for "not measured": a mantissa of 0 with the largest exponent, which no duration gets.
const FLOAT_NONE: u64 = (EXPONENT_MAX as u64) << MANTISSA_BITS;
const WIRE_AT: u32 = 2 * FLOAT_BITS;
const WIRE_BIAS: i64 = 1 << 23;

fn to_float(ns: u64) -> u64 {
    let exponent = (u64::BITS - ns.leading_zeros()).saturating_sub(MANTISSA_BITS);
    if exponent > EXPONENT_MAX {
        return FLOAT_MASK;
    }
    u64::from(exponent) << MANTISSA_BITS | ns >> exponent
}

fn from_float(float: u64) -> Option<u64> {
    let mantissa = float & ((1 << MANTISSA_BITS) - 1);
    (float != FLOAT_NONE).then(|| mantissa << (float >> MANTISSA_BITS & u64::from(EXPONENT_MAX)))
}

impl BookStamps {
    /// Nothing but the receive time is known.
    pub const NONE: Self = Self(FLOAT_NONE | FLOAT_NONE << FLOAT_BITS);

    /// Of times, of which 0 is unknown.
    #[inline]
    #[must_use]
    pub fn new(event: Nanos, received: Nanos, decoded: Nanos, published: Nanos) -> Self {
        let float = |from: Nanos, to: Nanos| {
            if from.0 == 0 || to.0 == 0 { FLOAT_NONE } else { to_float(to.since(from)) }
        };
        let wire = if event.0 == 0 {
            0
        } else {
            let wire_us = (received.0 / 1_000) as i64 - (event.0 / 1_000) as i64;
            (wire_us.clamp(1 - WIRE_BIAS, WIRE_BIAS - 1) + WIRE_BIAS) as u64
        };
        let (decode, publish) = (float(received, decoded), float(decoded, published));
        Self(decode | publish << FLOAT_BITS | wire << WIRE_AT)
    }

    /// The same book published again.
    #[must_use]
    pub fn published_again(self, received: Nanos, published: Nanos) -> Self {
        let again = Self::new(Nanos(0), received, self.decoded_ns(received), published);
        Self(again.0 | self.0 >> WIRE_AT << WIRE_AT)
    }

    /// Of its word in shared memory, which may be anything.
    #[inline]
    #[must_use]
    pub fn from_word(word: u64) -> Self {
        Self(word ^ Self::NONE.0)
    }

    /// Its word; 0 if nothing is known, as in memory that nobody has written.
    #[inline]
    #[must_use]
    pub fn word(self) -> u64 {
        self.0 ^ Self::NONE.0
    }

    /// When the frame was decoded; 0 if that is not known.
    #[must_use]
    pub fn decoded_ns(self, received: Nanos) -> Nanos {
        match from_float(self.0 & FLOAT_MASK) {
            Some(ns) if received.0 > 0 => received.plus(ns),
            _ => Nanos(0),
        }
    }

    /// When it was published; 0 if that is not known.
    #[must_use]
    pub fn published_ns(self, received: Nanos) -> Nanos {
        let decoded = self.decoded_ns(received);
        match from_float(self.0 >> FLOAT_BITS & FLOAT_MASK) {
            Some(ns) if decoded.0 > 0 => decoded.plus(ns),
            _ => Nanos(0),
        }
    }

    /// The venue's time of the event on our clock, whole microseconds; 0 if it sent none.
    #[must_use]
    pub fn event_ns(self, received: Nanos) -> Nanos {
        let wire = (self.0 >> WIRE_AT) as i64;
        if wire == 0 || received.0 == 0 {
            return Nanos(0);
        }
        let event_us = (received.0 / 1_000) as i64 - (wire - WIRE_BIAS);
        Nanos(event_us.max(0) as u64 * 1_000)
    }
}

/// What a command carries of the way behind it, up to the order manager. Times are nanoseconds after
/// its origin: the receive time of the causing frame, or the signal's own time where none caused it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamps {
    origin_ns: Nanos,
    book: BookStamps,
    seen: u32,
    emitted: u32,
    checked: u32,
    /// A frame caused it.
    caused: bool,
}

/// "Not measured"; the longest time that can be told is one less, 4.29 s.
const UNKNOWN: u32 = u32::MAX;

fn after(origin: Nanos, time: Nanos) -> u32 {
    if time.0 == 0 {
        return UNKNOWN;
    }
    u32::try_from(time.since(origin)).unwrap_or(UNKNOWN).min(UNKNOWN - 1)
}

impl Default for Stamps {
    fn default() -> Self {
        Self::NONE
    }
}

impl Stamps {
    /// Of a command that no signal caused.
    pub const NONE: Self = Self {
        origin_ns: Nanos(0),
        book: BookStamps::NONE,
        seen: UNKNOWN,
        emitted: UNKNOWN,
        checked: UNKNOWN,
        caused: false,
    };

    /// Of a signal and the time at which its orders had passed every limit, 0 if that is not known.
    #[must_use]
    pub fn of(signal: &Signal, checked_ns: Nanos) -> Self {
        let caused = signal.tick_ns.0 > 0;
        let origin_ns = if caused { signal.tick_ns } else { signal.emitted_ns };
        if origin_ns.0 == 0 {
            return Self::NONE;
        }
        Self {
            origin_ns,
            book: if caused { signal.book } else { BookStamps::NONE },
            seen: if caused { after(origin_ns, signal.seen_ns) } else { UNKNOWN },
            emitted: after(origin_ns, signal.emitted_ns),
            checked: after(origin_ns, checked_ns),
            caused,
        }
    }

    /// Whether it tells of anything.
    #[must_use]
    pub fn is_some(&self) -> bool {
        self.origin_ns.0 > 0
    }

    /// As a path of which nothing later is known.
    #[must_use]
    pub fn path(&self) -> Path {
        let mut path = Path::default();
        if !self.is_some() {
            return path;
        }
        let at = |ns: u32| if ns == UNKNOWN { Nanos(0) } else { self.origin_ns.plus(ns.into()) };
        if self.caused {
            path.set(Stamp::Event, self.book.event_ns(self.origin_ns));
            path.set(Stamp::Received, self.origin_ns);
            path.set(Stamp::Decoded, self.book.decoded_ns(self.origin_ns));
            path.set(Stamp::Published, self.book.published_ns(self.origin_ns));
        }
        path.set(Stamp::Seen, at(self.seen));
        path.set(Stamp::Emitted, at(self.emitted));
        path.set(Stamp::Checked, at(self.checked));
        path
    }
}

/// All stamps of one order's way; 0 where a point was not passed or not measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Path([Nanos; Stamp::COUNT]);

impl Path {
    /// Of its words.
    #[must_use]
    pub fn from_words(words: [u64; Stamp::COUNT]) -> Self {
        Self(words.map(Nanos))
    }

    /// Its words, in the order of the way.
    #[must_use]
    pub fn words(&self) -> [u64; Stamp::COUNT] {
        self.0.map(|time| time.0)
    }

    /// When it passed this point; 0 if that is not known.
    #[inline]
    #[must_use]
    pub fn at(&self, stamp: Stamp) -> Nanos {
        self.0[stamp as usize]
    }

    /// It passed this point then.
    #[inline]
    pub fn set(&mut self, stamp: Stamp, time: Nanos) {
        self.0[stamp as usize] = time;
    }

    /// Nanoseconds from one point to another, 0 if the later one seems earlier; `None` where one of
    /// them is not known.
    #[inline]
    #[must_use]
    pub fn between(&self, from: Stamp, to: Stamp) -> Option<u64> {
        let (from, to) = (self.at(from), self.at(to));
        (from.0 > 0 && to.0 > 0).then(|| to.since(from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RECEIVED: Nanos = Nanos(1_795_000_000_123_456_789);

    fn signal() -> Signal {
        let times = [7_000_u64, 9_000, 9_250].map(|ns| RECEIVED.plus(ns));
        let event = Nanos(RECEIVED.0 / 1_000 * 1_000 - 1_500_000);
        Signal {
            tick_ns: RECEIVED,
            book: BookStamps::new(event, RECEIVED, RECEIVED.plus(700), RECEIVED.plus(750)),
            seen_ns: times[0],
            emitted_ns: times[1],
            ..Signal::default()
        }
    }

    #[test]
    fn a_path_is_what_was_stamped() {
        let path = Stamps::of(&signal(), RECEIVED.plus(9_250)).path();
        let at = |stamp| path.at(stamp).0 as i64 - RECEIVED.0 as i64;
        assert_eq!(at(Stamp::Event), -1_500_789, "the event's microsecond is kept");
        let rest = [Stamp::Received, Stamp::Decoded, Stamp::Published, Stamp::Seen];
        assert_eq!(rest.map(at), [0, 700, 750, 7_000]);
        assert_eq!([Stamp::Emitted, Stamp::Checked].map(at), [9_000, 9_250]);
        assert_eq!(path.between(Stamp::Published, Stamp::Seen), Some(6_250));
        assert_eq!(path.between(Stamp::Seen, Stamp::Published), Some(0));
        assert_eq!(path.between(Stamp::Checked, Stamp::Handed), None, "not known yet");
        assert_eq!(Path::from_words(path.words()), path);
    }

    #[test]
    fn what_no_frame_caused_has_its_own_origin() {
        let own = Signal { tick_ns: Nanos(0), ..signal() };
        let path = Stamps::of(&own, own.emitted_ns.plus(40)).path();
        assert_eq!(path.at(Stamp::Emitted), own.emitted_ns);
        assert_eq!(path.between(Stamp::Emitted, Stamp::Checked), Some(40));
        for stamp in [Stamp::Event, Stamp::Received, Stamp::Decoded, Stamp::Seen] {
            assert_eq!(path.at(stamp), Nanos(0), "{stamp:?}");
        }
        assert!(!Stamps::of(&Signal::default(), Nanos(5)).is_some());
        assert_eq!(Stamps::NONE.path(), Path::default());
    }

    #[test]
    fn what_is_too_long_is_the_longest() {
        let late = Signal { seen_ns: RECEIVED.plus(10_000_000_000), ..signal() };
        let path = Stamps::of(&late, Nanos(0)).path();
        assert_eq!(path.between(Stamp::Received, Stamp::Seen), Some(u64::from(u32::MAX) - 1));
        assert_eq!(path.at(Stamp::Checked), Nanos(0));
        let slow = BookStamps::new(Nanos(1), RECEIVED, RECEIVED.plus(1 << 40), Nanos(0));
        assert_eq!(slow.decoded_ns(RECEIVED).since(RECEIVED), 65_535 << 15);
        assert_eq!(slow.published_ns(RECEIVED), Nanos(0));
        assert_eq!(RECEIVED.since(slow.event_ns(RECEIVED)) / 1_000_000_000, 8);
    }

    #[test]
    fn unknown_is_not_zero() {
        for stamps in [BookStamps::NONE, BookStamps::new(Nanos(0), RECEIVED, Nanos(0), Nanos(0))] {
            assert_eq!(stamps.decoded_ns(RECEIVED), Nanos(0));
            assert_eq!(stamps.published_ns(RECEIVED), Nanos(0));
            assert_eq!(stamps.event_ns(RECEIVED), Nanos(0));
        }
        assert_eq!((BookStamps::NONE.word(), BookStamps::from_word(0)), (0, BookStamps::NONE));
        let at_once = BookStamps::new(RECEIVED, RECEIVED, RECEIVED, RECEIVED);
        assert_eq!(at_once.published_ns(RECEIVED), RECEIVED);
    }

    #[test]
    fn commands_stay_small() {
        assert!(size_of::<Stamps>() <= 32, "{}", size_of::<Stamps>());
    }

    proptest! {
        #[test]
        fn times_survive_within_their_precision(
            decode in 0u64..2_000_000_000, publish in 0u64..2_000_000_000, wire in -8_000_000i64..8_000_000,
        ) {
            let event = Nanos((RECEIVED.0 as i64 / 1_000 - wire) as u64 * 1_000);
            let decoded = RECEIVED.plus(decode);
            let stamps = BookStamps::new(event, RECEIVED, decoded, decoded.plus(publish));
            prop_assert_eq!(stamps.event_ns(RECEIVED), event);
            let close = |found: u64, true_ns: u64| {
                if true_ns < 65_536 { found == true_ns } else { true_ns.abs_diff(found) * 32_768 <= true_ns }
            };
            let found = stamps.decoded_ns(RECEIVED);
            prop_assert!(close(found.since(RECEIVED), decode), "{} of {}", found.since(RECEIVED), decode);
            prop_assert!(close(stamps.published_ns(RECEIVED).since(found), publish));
            prop_assert_eq!(BookStamps::from_word(stamps.word()), stamps);
        }

        #[test]
        fn no_word_panics(word in any::<u64>(), received in any::<u64>()) {
            let stamps = BookStamps::from_word(word);
            let received = Nanos(received);
            let _ = (stamps.event_ns(received), stamps.published_ns(received));
        }
    }
}
