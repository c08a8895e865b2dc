//! Instrument rules, both generations of filters.

use super::super::instruments::{self, request};
use super::fixture;
use crate::types::InstrumentKind;
use crate::venues::{DecodeError, InstrumentSpec, PlainRequest};
use rust_decimal::Decimal;
use std::str::FromStr;

fn decode(body: &mut [u8]) -> Result<Vec<InstrumentSpec>, DecodeError> {
    instruments::decode(InstrumentKind::Spot, body)
}

fn dec(text: &str) -> Decimal {
    Decimal::from_str(text).unwrap()
}

#[test]
fn both_generations_of_filters_give_the_rules() {
    let mut body = fixture!("exchange_info").as_bytes().to_vec();
    let expected = [
        InstrumentSpec {
            symbol: "BTCUSDT".to_owned(),
            base: "BTC".to_owned(),
            quote: "USDT".to_owned(),
            trading: true,
            tick_size: dec("0.01"),
            lot_size: dec("0.00001"),
            price_min: dec("0.01"),
            price_max: dec("1000000"),
            qty_min: dec("0.00001"),
            qty_max: dec("9000"),
            qty_market_max: dec("119.23"),
            notional_min: dec("5"),
            notional_max: dec("9000000"),
            ..InstrumentSpec::default()
        },
        // Price filter switched off, the older notional filter, not trading now.
        InstrumentSpec {
            symbol: "ETHUSDT".to_owned(),
            base: "ETH".to_owned(),
            quote: "USDT".to_owned(),
            trading: false,
            tick_size: dec("0.00000001"),
            lot_size: dec("0.0001"),
            price_min: dec("0"),
            price_max: dec("0"),
            qty_min: dec("0.0001"),
            qty_max: dec("9000"),
            qty_market_max: dec("9000"),
            notional_min: dec("10"),
            notional_max: dec("0"),
            ..InstrumentSpec::default()
        },
    ];
    assert_eq!(decode(&mut body).unwrap(), expected);
}

#[test]
fn unknown_symbols_are_no_instruments_and_bad_rules_are_errors() {
    let one = |text: &str| {
        let row = r#"{"symbol":"A","status":"TRADING","baseAsset":"A","quoteAsset":"B","baseAssetPrecision":8,"quoteAssetPrecision":8,"filters":[FILTER]EXTRA}"#;
        let (filter, extra) = text.split_once('|').unwrap();
        let row = row.replace("FILTER", filter).replace("EXTRA", extra);
        decode(format!(r#"{{"symbols":[{row}]}}"#).into_bytes().as_mut_slice())
            .map(|list| list.len())
    };
    assert_eq!(decode(&mut br#"{"code":-1121,"msg":"Invalid symbol."}"#.to_vec()), Ok(vec![]));
    assert_eq!(one("|"), Ok(1));
    assert_eq!(one(r#"|,"contractType":"PERPETUAL""#), Err(DecodeError::UnknownKind));
    let lot = |step: &str| {
        format!(r#"{{"filterType":"LOT_SIZE","minQty":"0","maxQty":"0","stepSize":"{step}"}}|"#)
    };
    assert_eq!(one(&lot("0.1")), Ok(1));
    assert_eq!(one(&lot("-0.1")), Err(DecodeError::Invalid("stepSize")));
    assert_eq!(one(&lot("x")), Err(DecodeError::Invalid("stepSize")));
    assert_eq!(one(r#"{"filterType":"LOT_SIZE"}|"#), Err(DecodeError::Missing("minQty")));
    assert_eq!(
        decode(&mut br#"{"code":-1003,"msg":"banned"}"#.to_vec()),
        Err(DecodeError::Missing("symbols"))
    );
    assert_eq!(decode(&mut b"{\"symbols\":".to_vec()), Err(DecodeError::Json));
}

#[test]
fn rules_are_asked_for_by_symbol() {
    assert_eq!(
        request(InstrumentKind::Spot, &["BTCUSDT", "１"]),
        PlainRequest::get(
            "/api/v3/exchangeInfo?symbols=%5B%22BTCUSDT%22%2C%22%EF%BC%91%22%5D".to_owned()
        )
    );
}
