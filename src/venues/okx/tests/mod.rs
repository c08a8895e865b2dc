//! Tests of OKX: example messages to exact events, subscriptions to exact bytes, bad input by name.
//!
//! The messages are the venue's documented examples and stand in `tests/fixtures/okx`.

mod instruments;
mod public;

/// An example message.
fn fixture(name: &str) -> String {
    let path = format!("{}/tests/fixtures/okx/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}
