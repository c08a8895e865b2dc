//! Any bytes as a frame of Binance, spot and USD-M: a scanner does what the complete decoder does,
//! or nothing, in either way of reading lists.

#![no_main]

mod scan;

libfuzzer_sys::fuzz_target!(|data: &[u8]| scan::run("binance", data));
