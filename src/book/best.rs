//! The best levels of one side, taken out of the ladder again and again: only what has changed since
//! the last time, and what stands behind it.

#![forbid(unsafe_code)]

use super::l2::{Far, Half};
use crate::types::{Level, Price, Qty};

/// So many ones, from the lowest bit on; at most 64.
#[inline]
fn low_bits(count: u32) -> u64 {
    u64::MAX.checked_shr(64 - count).unwrap_or(0)
}

impl Half {
    /// Best levels, best first. What is better than everything that has changed is as it was.
    #[inline]
    pub(super) fn best_levels(&mut self) -> &[Level] {
        let changed = std::mem::replace(&mut self.changed, i64::MIN);
        if changed > i64::MIN {
            let shown = &self.shown[..self.shown_len];
            let kept = shown.iter().take_while(|level| self.sign * level.price.0 > changed).count();
            if kept < self.shown.len() {
                let mut shown = std::mem::take(&mut self.shown);
                self.shown_len = kept + self.levels_from(changed, &mut shown[kept..]);
                self.shown = shown;
            }
        }
        &self.shown[..self.shown_len]
    }

    /// Writes the best levels that are not better than a rank, best first.
    pub(super) fn levels_from(&self, limit: i64, out: &mut [Level]) -> usize {
        let key = self.top.min(limit.div_euclid(self.tick));
        let apart =
            self.far.last().is_none_or(|far| far.rank < self.base.saturating_mul(self.tick));
        if self.window_len == 0 || key < self.base {
            return self.add_far(limit, out, 0);
        }
        if !apart {
            return self.merged_levels(key, limit, out);
        }
        let count = self.window_levels(key, out);
        self.add_far(limit, out, count)
    }

    /// Writes the levels of the window from a key of it downwards.
    #[inline]
    fn window_levels(&self, key: i64, out: &mut [Level]) -> usize {
        let step = self.sign * self.tick;
        let position = (key & self.mask) as usize;
        let (first, numbers) = self.present.at_most(position);
        let mut word = Some((key + (first - position) as i64, first, numbers));
        let mut count = 0;
        while let Some((top, first, numbers)) = word {
            // Behind the lowest key the ring begins again with the highest: what is below is not.
            let lowest = (top - self.base).clamp(-1, 63);
            let mut numbers = numbers & low_bits((lowest + 1) as u32);
            let quantities = self.window[..=first].last_chunk::<64>();
            let (Some(quantities), price) = (quantities, top * step) else { return count };
            while numbers != 0 {
                let down = numbers.trailing_zeros() as usize & 63;
                numbers &= numbers - 1;
                let Some(slot) = out.get_mut(count) else { return count };
                let price = Price(price - down as i64 * step);
                *slot = Level { price, qty: Qty(quantities[63 - down]) };
                count += 1;
            }
            if lowest < 63 {
                return count;
            }
            word = self.present.next_word(first).map(|(first, numbers)| {
                // Once round the ring is a whole window down, never nothing.
                let down = ((position as i64 - first as i64 - 1) & self.mask) + 1;
                (key - down, first, numbers)
            });
        }
        count
    }

    /// The same where levels outside the window stand between those inside.
    #[cold]
    fn merged_levels(&self, key: i64, limit: i64, out: &mut [Level]) -> usize {
        let positions = self.present.descend((key & self.mask) as usize).take(self.window_len);
        let keys = positions.map(|position| key - ((key - position as i64) & self.mask));
        let mut keys = keys.take_while(|key| *key >= self.base).peekable();
        let mut far = self.far_from(limit).peekable();
        let mut count = 0;
        for slot in out {
            let better = |far: &&Far| keys.peek().is_none_or(|key| far.rank > key * self.tick);
            *slot = match far.next_if(better) {
                Some(far) => self.far_level(far),
                None => match keys.next() {
                    Some(key) => self.window_level(key),
                    None => break,
                },
            };
            count += 1;
        }
        count
    }

    /// Levels outside the window behind those that are there already.
    #[inline]
    fn add_far(&self, limit: i64, out: &mut [Level], count: usize) -> usize {
        if self.far.is_empty() || count == out.len() {
            return count;
        }
        let (out, mut added) = (&mut out[count..], 0);
        for (slot, far) in out.iter_mut().zip(self.far_from(limit)) {
            *slot = self.far_level(far);
            added += 1;
        }
        count + added
    }

    /// Levels outside the window that are not better than a rank, best first.
    fn far_from(&self, limit: i64) -> impl Iterator<Item = &Far> {
        let far = &self.far[..self.far.partition_point(|far| far.rank <= limit)];
        far.iter().rev().filter(|far| far.qty > 0)
    }
}
