//! Any messages on the sockets of binance's trading connector of USD-M futures and as replies to its requests, at any moment
//! of its life: nothing panics or overflows, what comes out is sound (a fill has an id, a quantity
//! and a price; nothing is negative; balances add up), and what goes out stays in its line.

#![no_main]

mod trading;

libfuzzer_sys::fuzz_target!(|data: &[u8]| trading::run("binance_usdm", data));
