//! The whole engine with a spread strategy of one's own: every command of `stoop`.
//! `cargo run --release --example spread -- run` trades it against the embedded venues.

#[path = "../templates/spread.rs"]
mod strategy;

use std::process::ExitCode;

fn main() -> ExitCode {
    let own = Box::new(strategy::Spread::default());
    stoop::cli::main_with(vec![("own-spread".to_owned(), own)])
}
