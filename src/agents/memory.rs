//! What is asked of the kernel about memory, so that nothing waits for it later.

use crate::book::Book;
use crate::config::HostConfig;
use crate::shm::ask_for_huge_pages;
use rustix::mm::{MlockAllFlags, mlockall};
use std::hint::black_box;

/// Words of the smallest page.
const PAGE_WORDS: usize = 512;

/// Keeps all memory of the process in RAM, what it has and what it will get. The error says what to
/// do.
pub(super) fn lock_all() -> Result<(), String> {
    mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE).map_err(|error| {
        format!(
            "[host] lock_memory: the kernel refused: {error}. Raise the limit of locked memory \
             (ulimit -l unlimited, or LimitMEMLOCK=infinity for a service), or set it to false"
        )
    })
}

/// Makes a book's memory ready as configured.
pub(super) fn prepare(book: &mut Book, config: &HostConfig) {
    for window in book.memory() {
        if config.huge_pages {
            // A kernel without them gives small ones; nothing else changes.
            let _ = ask_for_huge_pages(window);
        }
        if config.prefault {
            touch(window);
        }
    }
}

/// Writes to every page what stands there, so that it is there.
fn touch(window: &mut [i64]) {
    for page in window.chunks_mut(PAGE_WORDS) {
        let word = &mut page[0];
        *word = black_box(*word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn touching_changes_nothing() {
        let mut window: Vec<i64> = (0..10_000).collect();
        touch(&mut window);
        assert!(window.iter().copied().eq(0..10_000));
        assert!(ask_for_huge_pages(&mut window).is_ok() || cfg!(not(target_os = "linux")));
        assert!(window.iter().copied().eq(0..10_000));
    }
}
