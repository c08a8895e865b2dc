//! Rules of instruments.

use super::super::{instruments, symbol};
use super::fixture;
use crate::types::InstrumentKind::{LinearPerpetual, Spot};
use crate::venues::{DecodeError, InstrumentName, InstrumentSpec};
use rust_decimal::Decimal;

fn number(text: &str) -> Decimal {
    text.parse().unwrap()
}

#[test]
fn spot_rules_are_read() {
    let specs = instruments::decode(Spot, &mut fixture("rest_instruments_spot").into_bytes());
    let expected = InstrumentSpec {
        symbol: "BTC-USDT".to_owned(),
        base: "BTC".to_owned(),
        quote: "USDT".to_owned(),
        trading: true,
        tick_size: number("0.1"),
        lot_size: number("0.00000001"),
        qty_min: number("0.00001"),
        qty_max: number("9999999999"),
        ..InstrumentSpec::default()
    };
    assert_eq!(specs, Ok(vec![expected]));
}

/// The inverse swap of the example is not listed; contracts are base units.
#[test]
fn linear_swaps_are_given_in_base_units() {
    let body = fixture("rest_instruments_swap");
    let specs = instruments::decode(LinearPerpetual, &mut body.into_bytes()).unwrap();
    let swap = |base: &str, [tick, contract, lot, max, market_max]: [&str; 5]| InstrumentSpec {
        symbol: format!("{base}-USDT-SWAP"),
        base: base.to_owned(),
        quote: "USDT".to_owned(),
        kind: LinearPerpetual,
        settle: "USDT".to_owned(),
        contract: number(contract),
        trading: true,
        tick_size: number(tick),
        lot_size: number(lot),
        qty_min: number(lot),
        qty_max: number(max),
        qty_market_max: number(market_max),
        leverage_max: 100,
        ..InstrumentSpec::default()
    };
    assert_eq!(
        specs,
        [
            swap("ETH", ["0.01", "0.1", "0.001", "10000000", "2000"]),
            swap("BTC", ["0.1", "0.01", "0.0001", "1000000", "120"]),
        ]
    );
    let name = InstrumentName::parse("BTC/USDT:USDT@okx").unwrap();
    assert!(specs[1].is(&name) && symbol(&name) == "BTC-USDT-SWAP");
}

#[test]
fn symbols_are_asked_for_by_kind() {
    let one = instruments::request(LinearPerpetual, &["BTC-USDT-SWAP"]);
    assert!(format!("{one:?}").contains("instType=SWAP&instId=BTC-USDT-SWAP"), "{one:?}");
    let many = instruments::request(Spot, &["BTC-USDT", "ETH-USDT"]);
    assert!(format!("{many:?}").contains("/api/v5/public/instruments?instType=SPOT\""), "{many:?}");
    assert_eq!(symbol(&InstrumentName::parse("BTC/USDT@okx").unwrap()), "BTC-USDT");
}

#[test]
fn what_cannot_be_used_is_refused_by_name() {
    let unknown = r#"{"code":"51001","data":[],"msg":"Instrument ID doesn't exist"}"#;
    assert_eq!(instruments::decode(Spot, &mut unknown.as_bytes().to_vec()), Ok(Vec::new()));
    let swaps = fixture("rest_instruments_swap");
    for (from, to, error) in [
        (r#""code": "0""#, r#""code": "50011""#, DecodeError::Invalid("code")),
        (r#""ctVal": "0.01""#, r#""ctVal": "0""#, DecodeError::Invalid("ctVal")),
        (r#""ctValCcy": "BTC""#, r#""ctValCcy": "USD""#, DecodeError::Invalid("ctValCcy")),
        (r#""uly": "BTC-USDT""#, r#""uly": "BTCUSDT""#, DecodeError::Invalid("uly")),
        (r#""tickSz": "0.01""#, r#""tick": "0.01""#, DecodeError::Missing("tickSz")),
    ] {
        assert!(swaps.contains(from), "{from}");
        let mut body = swaps.replacen(from, to, 1).into_bytes();
        assert_eq!(instruments::decode(LinearPerpetual, &mut body), Err(error), "{to}");
    }
    let mut spot = fixture("rest_instruments_spot").into_bytes();
    let error = instruments::decode(LinearPerpetual, &mut spot);
    assert_eq!(error, Err(DecodeError::Invalid("instType")));
}

/// Advice that cannot be read costs nobody his list.
#[test]
fn a_leverage_that_cannot_be_read_is_not_told() {
    let body = fixture("rest_instruments_swap");
    for odd in ["\"N/A\"", "\"-5\"", "\"\"", "null", "[]"] {
        let odd = body.replace(r#""lever": "100""#, &format!(r#""lever": {odd}"#));
        let specs = instruments::decode(LinearPerpetual, &mut odd.clone().into_bytes()).unwrap();
        assert!(specs.len() == 2 && specs.iter().all(|spec| spec.leverage_max == 0), "{odd}");
    }
}
