//! Any bytes as a frame of Hyperliquid: a scanner does what the complete decoder does, or nothing.

#![no_main]

mod scan;

libfuzzer_sys::fuzz_target!(|data: &[u8]| scan::run("hyperliquid", data));
