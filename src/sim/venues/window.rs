//! Rate limits that roll: so many requests in the last so many milliseconds.

#![forbid(unsafe_code)]

use std::collections::VecDeque;

/// Times of the requests in a window.
#[derive(Debug, Default)]
pub(super) struct Window(VecDeque<u64>);

impl Window {
    /// Takes one request if fewer than `limit` were taken in the last `length_ms`.
    pub(super) fn take(&mut self, limit: u32, length_ms: u64, now_ms: u64) -> bool {
        while self.0.front().is_some_and(|&at| at + length_ms <= now_ms) {
            self.0.pop_front();
        }
        let free = self.0.len() < limit as usize;
        if free {
            self.0.push_back(now_ms);
        }
        free
    }

    /// Requests in the window when it was last asked.
    pub(super) fn count(&self) -> u32 {
        self.0.len() as u32
    }

    /// When the oldest of them came.
    pub(super) fn oldest_ms(&self) -> Option<u64> {
        self.0.front().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_rolls() {
        let mut window = Window::default();
        let taken = [0, 400, 999, 1_000, 1_001, 1_400].map(|now| window.take(2, 1_000, now));
        assert_eq!(taken, [true, true, false, true, false, true]);
        assert_eq!((window.count(), window.oldest_ms()), (2, Some(1_000)));
    }
}
