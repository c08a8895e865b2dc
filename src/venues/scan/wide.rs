//! Both decimals of a level in one step, with the 256-bit instructions of x86-64.
//!
//! A window of 64 bytes is looked at from each level's beginning: the places of its quotes give the
//! lengths of price and quantity, which are then lined up, one in each half of a vector, and summed
//! to mantissas. A level that does not fit (longer than 15 characters a number, or near the end of
//! the frame) is read the narrow way.

#![allow(unsafe_code)]

use super::cursor::Cursor;
use super::levels::{KEY, SideKeys};
use crate::types::{Events, Level, Price, Qty, Scale};
use std::arch::x86_64::*;

/// Bytes that are looked at.
const WINDOW: usize = 64;
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
        let wide = match cursor.rest.first_chunk::<WINDOW>() {
            Some(window) => level::<CUT>(window, scale),
            None => None,
        };
        let more = match wide {
            Some((level, len)) => {
                events.push_level(level).ok()?;
                cursor.skip(len)?;
                cursor.byte()? == b','
            }
            None => cursor.level::<CUT>(scale, events)?,
        };
        if !more {
            return Some(count);
        }
        count += 1;
    }
}

/// The level that the window begins with, and its length without the byte behind it, which is a
/// comma or a bracket. `None`: not such a level, or one for the narrow way.
#[target_feature(enable = "avx2,bmi1,bmi2")]
#[inline]
fn level<const CUT: bool>(window: &[u8; WINDOW], scale: Scale) -> Option<(Level, usize)> {
    let mut quotes = quotes(window);
    let open = quotes.trailing_zeros() as usize;
    quotes &= quotes.wrapping_sub(1);
    let price_end = quotes.trailing_zeros() as usize;
    quotes &= quotes.wrapping_sub(1);
    let qty_start = quotes.trailing_zeros() as usize + 1;
    quotes &= quotes.wrapping_sub(1);
    let qty_end = quotes.trailing_zeros() as usize;
    if open != 1 || price_end > 17 || qty_start != price_end + 3 || qty_end > qty_start + 15 {
        return None;
    }
    let behind = window[qty_end + 2];
    if window[0] != b'['
        || window[price_end + 1] != b','
        || window[qty_end + 1] != b']'
        || (behind != b',' && behind != b']')
    {
        return None;
    }
    let price_text = window[2..].first_chunk::<16>()?;
    let qty_text = window[qty_start..].first_chunk::<16>()?;
    let lens = [price_end - 2, qty_end - qty_start];
    let decimals = [scale.price_decimals, scale.qty_decimals].map(usize::from);
    let [price, qty] = pair::<CUT>(price_text, qty_text, lens, decimals)?;
    if price == 0 {
        return None;
    }
    Some((Level { price: Price(price), qty: Qty(qty) }, qty_end + 2))
}

/// Bytes that both sides of a top of book are looked at in: quotes within [`WINDOW`], and a load of
/// what begins before its end.
pub(super) const SIDES: usize = WINDOW + 16;

/// Both sides of a top of book, prices and quantities in turn with `keys` between them, and the
/// length up to and with the last closing quote. `None`: not such sides, or for the narrow way.
#[target_feature(enable = "avx2,bmi1,bmi2")]
pub(super) fn sides<const CUT: bool>(
    window: &[u8; SIDES],
    keys: &SideKeys,
    scale: Scale,
) -> Option<([Level; 2], usize)> {
    let quotes = quotes(window.first_chunk()?);
    let (mut starts, mut lens) = ([0; 4], [0; 4]);
    for number in 0..4 {
        let start = starts[number];
        // Nothing is found in a window that ends: that is longer than any number here.
        let len = quotes.checked_shr(start as u32)?.trailing_zeros() as usize;
        if len > 15 {
            return None;
        }
        lens[number] = len;
        if let Some(key) = keys.get(number) {
            let found = window.get(start + len..)?.first_chunk::<KEY>()?;
            if found != key {
                return None;
            }
            starts[number + 1] = start + len + KEY;
        }
    }
    let decimals = [scale.price_decimals, scale.qty_decimals].map(usize::from);
    let level = |first: usize, second: usize| {
        let price = window.get(starts[first]..)?.first_chunk::<16>()?;
        let qty = window.get(starts[second]..)?.first_chunk::<16>()?;
        let [price, qty] = pair::<CUT>(price, qty, [lens[first], lens[second]], decimals)?;
        Some(Level { price: Price(price), qty: Qty(qty) })
    };
    Some(([level(0, 1)?, level(2, 3)?], starts[3] + lens[3] + 1))
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

/// A bit for each quote of the window.
#[target_feature(enable = "avx2")]
#[inline]
fn quotes(window: &[u8; WINDOW]) -> u64 {
    let (halves, _) = window.as_chunks::<32>();
    let quote = _mm256_set1_epi8(b'"' as i8);
    let mask = |half: &[u8; 32]| {
        // SAFETY: the load needs no alignment, and 32 bytes are there.
        let bytes = unsafe { _mm256_loadu_si256(half.as_ptr().cast()) };
        _mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, quote)) as u32
    };
    u64::from(mask(&halves[0])) | u64::from(mask(&halves[1])) << 32
}

#[target_feature(enable = "avx2")]
#[inline]
fn load(text: &[u8; 16]) -> __m128i {
    // SAFETY: the load needs no alignment, and 16 bytes are there.
    unsafe { _mm_loadu_si128(text.as_ptr().cast()) }
}

/// One value in each half.
#[target_feature(enable = "avx2")]
#[inline]
fn halves(low: i8, high: i8) -> __m256i {
    _mm256_set_m128i(_mm_set1_epi8(high), _mm_set1_epi8(low))
}

/// Mantissas of two texts of these lengths, at these decimals. The first is exact; digits of the
/// second beyond its scale must be zeros, or are dropped with `CUT`.
#[target_feature(enable = "avx2,bmi1,bmi2")]
#[inline]
fn pair<const CUT: bool>(
    first: &[u8; 16],
    second: &[u8; 16],
    lens: [usize; 2],
    decimals: [usize; 2],
) -> Option<[i64; 2]> {
    let text = _mm256_set_m128i(load(second), load(first));
    let values = _mm256_sub_epi8(text, _mm256_set1_epi8(b'0' as i8));
    let nine = _mm256_set1_epi8(9);
    let point = _mm256_set1_epi8((b'.' as i8).wrapping_sub(b'0' as i8));
    let bits = |mask: __m256i| {
        let bits = _mm256_movemask_epi8(mask) as u32;
        [bits & 0xffff, bits >> 16]
    };
    let digits = bits(_mm256_cmpeq_epi8(_mm256_min_epu8(values, nine), values));
    let points = bits(_mm256_cmpeq_epi8(values, point));
    let zeros = bits(_mm256_cmpeq_epi8(values, _mm256_setzero_si256()));
    let (mut at, mut kept, mut good) = ([0; 2], [0; 2], true);
    for side in 0..2 {
        let inside = (1u32 << lens[side]) - 1;
        let dots = points[side] & inside;
        let dot = (dots | 1 << lens[side]).trailing_zeros() as usize;
        at[side] = dot;
        kept[side] = dot + decimals[side];
        // Digits all but for one point at most, which has digits on both sides.
        good &= (digits[side] | dots) & inside == inside;
        good &= dots & dots.wrapping_sub(1) == 0;
        good &= dot != 0 && dot + 1 != lens[side] && kept[side] <= DIGITS_MAX;
        if side == 0 || !CUT {
            let beyond = !zeros[side] & inside;
            good &= u64::from(beyond) >> (kept[side] + 1).min(63) == 0;
        }
    }
    if !good {
        return None;
    }
    Some(sum(values, lens, at, kept))
}

/// Lines both texts up at the right, without their points and with zeros where digits are missing,
/// and sums the digits.
#[target_feature(enable = "avx2")]
#[inline]
fn sum(values: __m256i, lens: [usize; 2], at: [usize; 2], kept: [usize; 2]) -> [i64; 2] {
    let iota = _mm256_broadcastsi128_si256(_mm_setr_epi8(
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
    ));
    let each = |of: [usize; 2], less: i8| halves(of[0] as i8 - less, of[1] as i8 - less);
    // Which digit goes to each place: negative where there is none so early.
    let digit = _mm256_add_epi8(iota, each(kept, 16));
    let behind_point = _mm256_cmpgt_epi8(digit, each(at, 1));
    let source = _mm256_sub_epi8(digit, behind_point);
    let missing = _mm256_cmpgt_epi8(source, each(lens, 1));
    let lined = _mm256_shuffle_epi8(values, _mm256_or_si256(source, missing));
    let pairs = _mm256_maddubs_epi16(lined, _mm256_set1_epi16(1 << 8 | 10));
    let fours = _mm256_madd_epi16(pairs, _mm256_set1_epi32(1 << 16 | 100));
    let packed = _mm256_packus_epi32(fours, fours);
    let eights = _mm256_madd_epi16(packed, _mm256_set1_epi32(1 << 16 | 10_000));
    let both = [_mm256_extract_epi64::<0>(eights), _mm256_extract_epi64::<2>(eights)];
    both.map(|both| join(both) as i64)
}
