//! The whole engine with a strategy that goes by the relative strength index: every command of `stoop`.
//! `cargo run --release --example rsi -- run` trades it against the embedded venues.

#[path = "../templates/rsi.rs"]
mod strategy;

use std::process::ExitCode;

fn main() -> ExitCode {
    let own = Box::new(strategy::Strength::default());
    stoop::cli::main_with(vec![("own-rsi".to_owned(), own)])
}
