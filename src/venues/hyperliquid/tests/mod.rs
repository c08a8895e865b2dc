//! Tests of what stands of Hyperliquid: signing against published vectors with every step between,
//! actions to exact bytes, lists of instruments to exact rules.
//!
//! The messages are the venue's own examples and recordings, in `tests/fixtures/hyperliquid`.

mod actions;
mod lists;
mod vectors;

fn fixture(name: &str) -> String {
    let path = format!("{}/tests/fixtures/hyperliquid/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(text: &str) -> Vec<u8> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let pair = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(pair).collect()
}
