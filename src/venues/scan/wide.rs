//! Both decimals of a level in one step, with the 256-bit instructions of x86-64.
//!
//! A window of 64 bytes is looked at from each level's beginning: the places of its quotes give the
//! lengths of price and quantity, which are then lined up, one in each half of a vector, and summed
//! to mantissas. A level that does not fit (longer than 15 characters a number) is read the narrow
//! way.

#![allow(unsafe_code)]

use super::cursor::Cursor;
use super::levels::KEY;
use crate::types::{Events, Level, Price, Qty, Scale};
use std::arch::x86_64::*;

/// Bytes that are looked at.
const WINDOW: usize = 64;
/// Longest text of a number.
const TEXT_MAX: usize = 15;
/// Most digits of a mantissa.
const DIGITS_MAX: usize = 16;

/// Whether the processor has the instructions that [`levels`] is made of.
pub(super) fn is_supported() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
}

/// The levels up to the closing bracket: how many.
#[target_feature(enable = "avx2,bmi1,bmi2")]
pub(super) fn levels<const CUT: bool>(
    cursor: &mut Cursor<'_>,
    scale: Scale,
    events: &mut Events,
) -> Option<u32> {
    let mut count = 1;
    loop {
        let mut copy = [0; WINDOW];
        let window = window(cursor.rest, &mut copy)?;
        let more = match level::<CUT>(window, scale) {
            Some((level, len, more)) => {
                events.push_level(level).ok()?;
                cursor.skip(len)?;
                more
            }
            None => cursor.level::<CUT>(scale, events)?,
        };
        if !more {
            return Some(count);
        }
        count += 1;
    }
}

/// The first bytes of what is left, with zeros behind them where the frame ends: zeros are part of
/// nothing.
#[inline(always)]
fn window<'a, const N: usize>(rest: &'a [u8], copy: &'a mut [u8; N]) -> Option<&'a [u8; N]> {
    if let Some(window) = rest.first_chunk() {
        return Some(window);
    }
    copy.get_mut(..rest.len())?.copy_from_slice(rest);
    Some(copy)
}

/// The level that the window begins with, its length with the byte behind it, and whether that is a
/// comma, else a bracket. `None`: not such a level, or one for the narrow way.
#[target_feature(enable = "avx2,bmi1,bmi2")]
#[inline]
fn level<const CUT: bool>(window: &[u8; WINDOW], scale: Scale) -> Option<(Level, usize, bool)> {
    let (head, text) = window.split_first_chunk::<2>()?;
    if head != b"[\"" {
        return None;
    }
    let (start, end) = (text.first_chunk::<32>()?, text.last_chunk::<32>()?);
    let first = load_wide(start);
    let quotes = u64::from(quotes(first)) | u64::from(quotes(load_wide(end))) << 30;
    let price_len = quotes.trailing_zeros() as usize;
    if !(1..=TEXT_MAX).contains(&price_len) {
        return None;
    }
    let qty_at = price_len + 3;
    if text[price_len..][..3] != *b"\",\"" {
        return None;
    }
    let qty_len = (quotes >> qty_at).trailing_zeros() as usize;
    if !(1..=TEXT_MAX).contains(&qty_len) {
        return None;
    }
    let end = qty_at + qty_len;
    let [bracket, behind] = [text[end + 1], text[end + 2]];
    if bracket != b']' || (behind != b',' && behind != b']') {
        return None;
    }
    let both = _mm256_inserti128_si256::<1>(first, load(text[qty_at..].first_chunk()?));
    let decimals = [scale.price_decimals, scale.qty_decimals].map(usize::from);
    let [price, qty] = pair::<CUT>(both, [price_len, qty_len], decimals)?;
    if price == 0 {
        return None;
    }
    Some((Level { price: Price(price), qty: Qty(qty) }, 2 + end + 3, behind == b','))
}

/// One side of a top of book, a price and behind `key` a quantity, and its length up to and with the
/// last closing quote. `None`: not such a side, or one for the narrow way.
#[target_feature(enable = "avx2,bmi1,bmi2")]
pub(super) fn side<const CUT: bool>(
    rest: &[u8],
    key: &[u8; KEY],
    scale: Scale,
) -> Option<(Level, usize)> {
    let mut copy = [0; WINDOW];
    let window = window(rest, &mut copy)?;
    let (start, end) = (window.first_chunk::<32>()?, window.last_chunk::<32>()?);
    let first = load_wide(start);
    let quotes = u64::from(quotes(first)) | u64::from(quotes(load_wide(end))) << 32;
    let price_len = quotes.trailing_zeros() as usize;
    if !(1..=TEXT_MAX).contains(&price_len) || window[price_len..][..KEY] != *key {
        return None;
    }
    let qty_at = price_len + KEY;
    let qty_len = (quotes >> qty_at).trailing_zeros() as usize;
    if !(1..=TEXT_MAX).contains(&qty_len) {
        return None;
    }
    let both = _mm256_inserti128_si256::<1>(first, load(window[qty_at..].first_chunk()?));
    let decimals = [scale.price_decimals, scale.qty_decimals].map(usize::from);
    let [price, qty] = pair::<CUT>(both, [price_len, qty_len], decimals)?;
    Some((Level { price: Price(price), qty: Qty(qty) }, qty_at + qty_len + 1))
}

/// The whole number that the window begins with, and how many digits it has: 1 to 15. No digits:
/// there is none, or it is longer.
#[target_feature(enable = "avx2")]
pub(super) fn whole(window: &[u8; 16]) -> (u64, usize) {
    let values = _mm_sub_epi8(load(window), _mm_set1_epi8(b'0' as i8));
    let is_digit = _mm_cmpeq_epi8(_mm_min_epu8(values, _mm_set1_epi8(9)), values);
    let len = (!_mm_movemask_epi8(is_digit) as u32).trailing_zeros() as usize;
    if len == 0 || len >= 16 {
        return (0, 0);
    }
    // Lined up at the right; where there is no digit so early the place is negative: a zero.
    let iota = _mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    let lined = _mm_shuffle_epi8(values, _mm_add_epi8(iota, _mm_set1_epi8(len as i8 - 16)));
    let pairs = _mm_maddubs_epi16(lined, _mm_set1_epi16(1 << 8 | 10));
    let fours = _mm_madd_epi16(pairs, _mm_set1_epi32(1 << 16 | 100));
    let packed = _mm_packus_epi32(fours, fours);
    let eights = _mm_madd_epi16(packed, _mm_set1_epi32(1 << 16 | 10_000));
    (join(_mm_extract_epi64::<0>(eights)), len)
}

/// Two numbers of eight digits, the first in the lower half, as one of sixteen.
#[inline(always)]
fn join(both: i64) -> u64 {
    let both = both as u64;
    (both & 0xffff_ffff) * 100_000_000 + (both >> 32)
}

/// A bit for each quote.
#[target_feature(enable = "avx2")]
#[inline]
fn quotes(text: __m256i) -> u32 {
    _mm256_movemask_epi8(_mm256_cmpeq_epi8(text, _mm256_set1_epi8(b'"' as i8))) as u32
}

#[target_feature(enable = "avx2")]
#[inline]
fn load(text: &[u8; 16]) -> __m128i {
    // SAFETY: the load needs no alignment, and 16 bytes are there.
    unsafe { _mm_loadu_si128(text.as_ptr().cast()) }
}

#[target_feature(enable = "avx2")]
#[inline]
fn load_wide(text: &[u8; 32]) -> __m256i {
    // SAFETY: the load needs no alignment, and 32 bytes are there.
    unsafe { _mm256_loadu_si256(text.as_ptr().cast()) }
}

/// Sixteen bytes for every number below 32: loads of them take the place of numbers made wide.
type Rows = [[u8; 16]; 32];

/// All ones in so many of the first bytes.
const INSIDE: Rows = {
    let mut rows = [[0; 16]; 32];
    let mut at = 0;
    while at < 32 * 16 {
        rows[at / 16][at % 16] = if at % 16 < at / 16 { 0xff } else { 0 };
        at += 1;
    }
    rows
};

/// Which digit goes to each place, if so many are kept: negative where there is none so early.
const DIGITS: Rows = {
    let mut rows = [[0; 16]; 32];
    let mut at = 0;
    while at < 32 * 16 {
        rows[at / 16][at % 16] = (at % 16 + at / 16).wrapping_sub(16) as u8;
        at += 1;
    }
    rows
};

/// The last place before a point that stands here.
const BEFORE: Rows = {
    let mut rows = [[0; 16]; 32];
    let mut at = 0;
    while at < 32 * 16 {
        rows[at / 16][at % 16] = (at / 16).wrapping_sub(1) as u8;
        at += 1;
    }
    rows
};

/// A row in each half.
#[target_feature(enable = "avx2")]
#[inline]
fn both(rows: &Rows, [first, second]: [usize; 2]) -> __m256i {
    _mm256_set_m128i(load(&rows[second & 31]), load(&rows[first & 31]))
}

/// Mantissas of two texts, one in each half, of these lengths (1 to [`TEXT_MAX`]), at these decimals.
/// The first is exact; digits of the second beyond its scale must be zeros, or are dropped with
/// `CUT`.
#[target_feature(enable = "avx2,bmi1,bmi2")]
#[inline]
fn pair<const CUT: bool>(
    text: __m256i,
    lens: [usize; 2],
    decimals: [usize; 2],
) -> Option<[i64; 2]> {
    let values = _mm256_sub_epi8(text, _mm256_set1_epi8(b'0' as i8));
    let bits = |mask: __m256i| _mm256_movemask_epi8(mask) as u32;
    let digits = bits(_mm256_cmpeq_epi8(_mm256_min_epu8(values, _mm256_set1_epi8(9)), values));
    let points = bits(_mm256_cmpeq_epi8(text, _mm256_set1_epi8(b'.' as i8)));
    let inside = _bzhi_u32(u32::MAX, lens[0] as u32) | _bzhi_u32(u32::MAX, lens[1] as u32) << 16;
    let others = inside & !digits;
    // Digits all but for one point at most, which has digits on both sides.
    let ends = 0x0001_0001 | (inside & !(inside >> 1));
    if others & (ends | !points) != 0 {
        return None;
    }
    let (first, second) = (others & 0xffff, others >> 16);
    if (first & first.wrapping_sub(1)) | (second & second.wrapping_sub(1)) != 0 {
        return None;
    }
    let dot = |others: u32, len: usize| (others | 1 << len).trailing_zeros() as usize;
    let at = [dot(first, lens[0]), dot(second, lens[1])];
    let kept = [at[0] + decimals[0], at[1] + decimals[1]];
    if kept[0] > DIGITS_MAX || kept[1] > DIGITS_MAX {
        return None;
    }
    if lens[0] > kept[0] + 1 || (!CUT && lens[1] > kept[1] + 1) {
        let not_zeros = !bits(_mm256_cmpeq_epi8(values, _mm256_setzero_si256())) & inside;
        let beyond = [(not_zeros & 0xffff) >> (kept[0] + 1), not_zeros >> 16 >> (kept[1] + 1)];
        if beyond[0] != 0 || (!CUT && beyond[1] != 0) {
            return None;
        }
    }
    Some(sum(values, lens, at, kept))
}

/// Lines both texts up at the right, without their points and with zeros where digits are missing,
/// and sums the digits.
#[target_feature(enable = "avx2")]
#[inline]
fn sum(values: __m256i, lens: [usize; 2], at: [usize; 2], kept: [usize; 2]) -> [i64; 2] {
    let values = _mm256_and_si256(values, both(&INSIDE, lens));
    let digit = both(&DIGITS, kept);
    let behind_point = _mm256_cmpgt_epi8(digit, both(&BEFORE, at));
    let source = _mm256_sub_epi8(digit, behind_point);
    // The seventeenth digit is missing and would be the first.
    let missing = _mm256_cmpgt_epi8(source, _mm256_set1_epi8(15));
    let lined = _mm256_shuffle_epi8(values, _mm256_or_si256(source, missing));
    let pairs = _mm256_maddubs_epi16(lined, _mm256_set1_epi16(1 << 8 | 10));
    let fours = _mm256_madd_epi16(pairs, _mm256_set1_epi32(1 << 16 | 100));
    let packed = _mm256_packus_epi32(fours, fours);
    let eights = _mm256_madd_epi16(packed, _mm256_set1_epi32(1 << 16 | 10_000));
    let both = [_mm256_extract_epi64::<0>(eights), _mm256_extract_epi64::<2>(eights)];
    both.map(|both| join(both) as i64)
}
