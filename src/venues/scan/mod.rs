//! Parts of the scanners: readers of the few message shapes that arrive all day.
//!
//! A scanner knows the order of the keys, so it compares constants and turns digits into mantissas
//! where they stand. It stands in front of the complete decoder (`json.rs`) and never in its place:
//! whatever is not exactly as expected, to the frame's last byte, is "not mine" (`None`), and the
//! frame, which is only read, goes on to the complete decoder. What a scanner accepts, the complete
//! decoder accepts too, with the same result.
//!
//! Nothing here reads outside the slice that it was given: where a wide load would, a narrow way
//! is taken. Unsafe code is `wide.rs` (vector instructions) and one function of `cursor.rs`.

mod cursor;
mod levels;
mod names;
mod number;
mod rows;
mod scalars;
#[cfg(all(target_arch = "x86_64", not(miri)))]
mod wide;

pub use cursor::Cursor;
pub use levels::{SideKeys, Width};
pub use names::{Name, Names};
pub use rows::Rows;
