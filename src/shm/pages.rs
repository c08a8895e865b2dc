//! Advice to the kernel about memory that others own.

use rustix::mm::{Advice, madvise};
use std::io;

/// Bytes of the smallest page; a larger one's start is a start of these too.
const PAGE: usize = 4096;

/// Asks the kernel to back `memory` by huge pages where it can: one translation for 2 MiB instead of
/// one for 4 KiB. Whole pages inside it only. What is in it stays.
pub fn ask_for_huge_pages(memory: &mut [i64]) -> io::Result<()> {
    let range = memory.as_mut_ptr_range();
    let start = range.start.addr().next_multiple_of(PAGE);
    let end = range.end.addr() / PAGE * PAGE;
    if start >= end {
        return Ok(());
    }
    let first = memory.as_mut_ptr().with_addr(start);
    // SAFETY: the pages lie inside `memory`, which is borrowed alone; this advice changes neither
    // what is in them nor what may be done with them.
    unsafe { madvise(first.cast(), end - start, Advice::LinuxHugepage) }?;
    Ok(())
}
