//! Any bytes on the sockets of binance's trading connector and as replies to its requests: nothing
//! panics, and no fill without an id, a quantity or a price comes out.

#![no_main]

mod trading;

libfuzzer_sys::fuzz_target!(|data: &[u8]| trading::run("binance", data));
