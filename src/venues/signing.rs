//! The venues' ways to sign by themselves, with made keys: for benches. Nothing of the engine uses
//! this.

#![forbid(unsafe_code)]

use super::{SetupError, binance, bybit, hyperliquid, okx};

/// One way to sign.
pub struct Scheme {
    /// `<venue>.<scheme>`
    pub name: &'static str,
    /// For people.
    pub what: &'static str,
    /// What may be done beforehand and is not timed.
    pub prepare: Option<Box<dyn FnMut() + Send>>,
    /// Signs something as long as an order at this time (ms); gives the length of what it wrote.
    pub sign: Box<dyn FnMut(u64) -> usize + Send>,
}

/// All ways of all venues.
pub fn signing_schemes() -> Result<Vec<Scheme>, SetupError> {
    let mut all = binance::signing_schemes()?;
    all.extend(bybit::signing_schemes()?);
    all.extend(okx::signing_schemes()?);
    all.extend(hyperliquid::signing_schemes()?);
    Ok(all)
}
