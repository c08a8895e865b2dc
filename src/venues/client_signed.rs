//! For tests: what the venues' own clients sign for the same orders, with time, numbers and ids fixed.
//!
//! The files are written by `tools/judges/signed.py`, which says what a row holds and makes them anew
//! in every run of the judges.

#![forbid(unsafe_code)]

use serde_json::Value;

/// Holds every row of a file against the text that we sign for what the row is named after, and our
/// signature of it.
pub(super) fn check(file: &str, ours: impl Fn(&str) -> (String, String)) {
    let path = format!("{}/tests/fixtures/{file}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let rows: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert!(rows.len() >= 3, "{path}");
    for row in &rows {
        let member = |name: &str| row[name].as_str().unwrap().to_owned();
        let name = member("name");
        assert_eq!(ours(&name), (member("text"), member("signature")), "{file}: {name}");
    }
}
