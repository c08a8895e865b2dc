//! Quantities of the venue and of the engine: swaps are counted in contracts, everything else in base
//! units. Both ways are exact, or refused.
//! <https://www.okx.com/docs-v5/en/#public-data-rest-api-get-instruments>

#![forbid(unsafe_code)]

use super::super::decimal;
use crate::types::{Instrument, ParseUnitError, Qty, Scale};

/// Decimals of a number of contracts: finer than any lot, which may be a small part of a contract of
/// millions of base units.
const CONTRACT_DECIMALS: u8 = 8;

/// How what the venue counts of an instrument is read and written.
#[inline]
pub(super) fn scale(instrument: &Instrument) -> Scale {
    match instrument.contract {
        Qty(0) => instrument.scale,
        _ => Scale { qty_decimals: CONTRACT_DECIMALS, ..instrument.scale },
    }
}

/// Base units of a text that counts contracts, or base units where the instrument has no contract.
pub(super) fn qty(text: &str, instrument: &Instrument) -> Result<Qty, ParseUnitError> {
    base_units(decimal::qty(text, scale(instrument))?, instrument)
}

/// Base units of what was counted in [`scale`].
#[inline]
pub(super) fn base_units(counted: Qty, instrument: &Instrument) -> Result<Qty, ParseUnitError> {
    if instrument.contract == Qty(0) {
        return Ok(counted);
    }
    let unit = 10i128.pow(u32::from(CONTRACT_DECIMALS));
    let product = i128::from(counted.0) * i128::from(instrument.contract.0);
    if product % unit != 0 {
        return Err(ParseUnitError::OffScale);
    }
    i64::try_from(product / unit).map(Qty).map_err(|_| ParseUnitError::Overflow)
}

/// Contracts of a quantity in base units, in [`scale`]; `None` if they are not a number that it holds.
pub(super) fn contracts(qty: Qty, instrument: &Instrument) -> Option<Qty> {
    if instrument.contract == Qty(0) {
        return Some(qty);
    }
    let product = i128::from(qty.0) * 10i128.pow(u32::from(CONTRACT_DECIMALS));
    let contract = i128::from(instrument.contract.0);
    if product % contract != 0 {
        return None;
    }
    i64::try_from(product / contract).ok().map(Qty)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn swap(contract: i64) -> Instrument {
        let scale = Scale { price_decimals: 1, qty_decimals: 8 };
        Instrument { scale, contract: Qty(contract), ..Instrument::default() }
    }

    #[test]
    fn contracts_become_base_units_exactly_or_not_at_all() {
        use ParseUnitError::*;
        // BTC-USDT-SWAP: 0.01 BTC each, 0.01 contracts at least.
        for (text, expected) in [
            ("3", Ok(3_000_000)),
            ("0.01", Ok(10_000)),
            ("0", Ok(0)),
            ("0.00000001", Err(OffScale)),
            ("0.000000001", Err(OffScale)),
            ("1e3", Err(Malformed)),
            ("99999999999999", Err(Overflow)),
        ] {
            assert_eq!(qty(text, &swap(1_000_000)), expected.map(Qty), "{text}");
        }
        assert_eq!(qty("0.5", &swap(0)), Ok(Qty(50_000_000)), "spot is base units");
        assert_eq!(contracts(Qty(1), &swap(300_000_000)), None, "a third of a hundred-millionth");
        assert_eq!(contracts(Qty(7), &swap(0)), Some(Qty(7)));
        assert_eq!(contracts(Qty(i64::MAX), &swap(1)), None, "more than the scale holds");
    }

    #[test]
    fn a_part_of_a_large_contract_is_whole_base_units() {
        let scale = Scale { price_decimals: 9, qty_decimals: 0 };
        let large = Instrument { scale, contract: Qty(10_000_000), ..Instrument::default() };
        assert_eq!(qty("50.5", &large), Ok(Qty(505_000_000)));
        assert_eq!(qty("0.00000001", &large), Err(ParseUnitError::OffScale));
        let count = contracts(Qty(1_000_000), &large).unwrap();
        let mut text = Vec::new();
        decimal::write_qty(&mut text, count, super::scale(&large));
        assert_eq!(text, b"0.1");
    }

    proptest! {
        #[test]
        fn what_is_counted_in_contracts_reads_back(
            hundredths in 1i64..1_000_000_000, contract in prop::sample::select(
                vec![100_000i64, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000]),
        ) {
            let instrument = swap(contract);
            let mut text = Vec::new();
            decimal::write_qty(&mut text, Qty(hundredths * 1_000_000), instrument.scale);
            let base = qty(std::str::from_utf8(&text).unwrap(), &instrument).unwrap();
            prop_assert_eq!(contracts(base, &instrument), Some(Qty(hundredths * 1_000_000)));
        }
    }
}
