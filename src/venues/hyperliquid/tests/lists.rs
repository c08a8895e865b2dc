//! The venue's lists of instruments to rules and to numbers of assets.

use super::super::assets::Assets;
use super::super::instruments::decode;
use super::fixture;
use crate::types::{Instrument, InstrumentKind, InstrumentTable, Qty, Scale, VenueId};
use crate::venues::{DecodeError, InstrumentSpec, Parser, Wanted, assemble, decimal};
use std::sync::Arc;

const VENUE: VenueId = VenueId(2);

fn assets(symbols: &[&str]) -> Assets {
    let mut table = InstrumentTable::default();
    for symbol in symbols {
        table.add(Instrument {
            venue: VENUE,
            symbol: (*symbol).to_owned(),
            scale: Scale { price_decimals: 8, qty_decimals: 8 },
            ..Instrument::default()
        });
    }
    Assets::new(VENUE, &Arc::new(table))
}

fn learn(assets: &mut Assets, body: &str) -> Result<(), DecodeError> {
    Parser::new().read(&mut body.as_bytes().to_vec(), |root| assets.learn(root))
}

#[test]
fn delisted_coins_keep_their_numbers() {
    let mut assets = assets(&["DYDX", "MATIC", "SOL", "NONE"]);
    learn(&mut assets, &fixture("rest_meta_with_delisted_index")).unwrap();
    let ids: Vec<_> = assets.instruments.iter().map(|i| assets.asset(i.id)).collect();
    let numbers: Vec<_> = ids.iter().map(|asset| asset.map(|asset| asset.id)).collect();
    assert_eq!(numbers, [Some(4), Some(3), Some(5), None]);
    assert!(ids[1].unwrap().is_delisted && !ids[0].unwrap().is_delisted);
    let dydx = ids[0].unwrap();
    assert_eq!((dydx.is_perpetual, dydx.size_decimals, dydx.price_decimals), (true, 1, 5));
    assert!(assets.has(true) && !assets.has(false));
}

#[test]
fn one_list_leaves_the_other_alone() {
    let mut assets = assets(&["BTC", "PURR/USDC", "@1"]);
    learn(&mut assets, &fixture("rest_meta_with_delisted_index")).unwrap();
    learn(&mut assets, &fixture("rest_spot_meta")).unwrap();
    let ids: Vec<_> =
        assets.instruments.iter().map(|i| assets.asset(i.id).map(|asset| asset.id)).collect();
    assert_eq!(ids, [Some(0), Some(10_000), Some(10_001)]);
    let none = learn(&mut assets, r#"{"universe":{}}"#);
    assert_eq!(none, Err(DecodeError::Invalid("universe")));
    assert_eq!(assets.asset(crate::types::InstrumentId(0)).map(|asset| asset.id), Some(0), "kept");
}

#[test]
fn rules_follow_from_the_decimals_of_sizes() {
    let specs = |kind, name: &str| decode(kind, &mut fixture(name).into_bytes()).unwrap();
    let perpetuals = specs(InstrumentKind::LinearPerpetual, "rest_meta_with_delisted_index");
    let settled = perpetuals.iter().all(|spec| spec.settle == "USDC");
    assert!(settled && perpetuals.iter().all(|spec| spec.kind != InstrumentKind::Spot));
    let rows: Vec<_> = perpetuals
        .iter()
        .map(|s| {
            (
                s.symbol.as_str(),
                s.quote.as_str(),
                s.tick_size.to_string(),
                s.lot_size.to_string(),
                s.trading,
            )
        })
        .collect();
    assert_eq!(rows[0], ("BTC", "USD", "0.1".to_owned(), "0.00001".to_owned(), true));
    assert_eq!(rows[3], ("MATIC", "USD", "0.00001".to_owned(), "0.1".to_owned(), false));
    let pairs = specs(InstrumentKind::Spot, "rest_spot_meta");
    let rows: Vec<_> = pairs
        .iter()
        .map(|s| {
            (
                s.symbol.as_str(),
                s.base.as_str(),
                s.quote.as_str(),
                s.tick_size.to_string(),
                s.lot_size.to_string(),
            )
        })
        .collect();
    assert_eq!(rows[0], ("PURR/USDC", "PURR", "USDC", "0.00000001".to_owned(), "1".to_owned()));
    assert_eq!(rows[1], ("@1", "HFUN", "USDC", "0.000001".to_owned(), "0.01".to_owned()));
    assert!(perpetuals.iter().chain(&pairs).all(|spec| spec.notional_min.to_string() == "10"));
    let btc = perpetuals.iter().find(|spec| spec.base == "BTC").unwrap();
    assert_eq!((btc.leverage_max, pairs[0].leverage_max), (40, 0));
    // Advice that cannot be read costs nobody his list.
    for odd in ["\"N/A\"", "\"-5\"", "-5", "null", "[]"] {
        let text = fixture("rest_meta_with_delisted_index")
            .replace(r#""maxLeverage":40"#, &format!(r#""maxLeverage":{odd}"#));
        let read = decode(InstrumentKind::LinearPerpetual, &mut text.into_bytes()).unwrap();
        let btc = read.iter().find(|spec| spec.base == "BTC").unwrap();
        assert_eq!((read.len(), btc.leverage_max), (perpetuals.len(), 0), "{odd}");
    }
}

/// A token is booked finer than it is traded: what the venue takes of it or converts is too.
#[test]
fn fills_of_a_token_are_as_fine_as_it_is_booked() {
    let list = r#"{"tokens":[{"name":"USDC","szDecimals":8,"weiDecimals":8,"index":0},{"name":"UBTC","szDecimals":5,"weiDecimals":10,"index":197},{"name":"DUST","szDecimals":0,"weiDecimals":18,"index":9}],"universe":[{"name":"@142","tokens":[197,0],"index":142},{"name":"@9","tokens":[9,0],"index":9}]}"#;
    let specs = decode(InstrumentKind::Spot, &mut list.as_bytes().to_vec()).unwrap();
    assert_eq!(specs.iter().map(|spec| spec.fill_decimals).collect::<Vec<_>>(), [10, 10]);
    let name = |spec: &InstrumentSpec| format!("{}/USDC@hyperliquid", spec.base);
    let wanted = specs.into_iter();
    let wanted: Vec<_> =
        wanted.map(|spec| Wanted { name: name(&spec), venue: VENUE, spec }).collect();
    let table = assemble(&wanted, &[]).unwrap();
    let scales: Vec<_> = table.iter().map(|instrument| instrument.scale).collect();
    let scale = |price_decimals| Scale { price_decimals, qty_decimals: 10 };
    assert_eq!(scales, [scale(3), scale(8)]);
    assert_eq!(decimal::qty("0.0000086141", scales[0]), Ok(Qty(86_141)));
    let bad = list.replace(r#""weiDecimals":10"#, r#""weiDecimals":-1"#);
    let refused = decode(InstrumentKind::Spot, &mut bad.into_bytes());
    assert_eq!(refused, Err(DecodeError::Invalid("weiDecimals")));
}

#[test]
fn bad_lists_are_refused_by_field() {
    for (body, error) in [
        ("{}", DecodeError::Missing("universe")),
        ("[", DecodeError::Json),
        (r#"{"universe":[{"szDecimals":1}]}"#, DecodeError::Missing("name")),
        (r#"{"universe":[{"name":"A","szDecimals":7}]}"#, DecodeError::Invalid("szDecimals")),
        (r#"{"universe":[],"tokens":[]}"#, DecodeError::Invalid("tokens")),
    ] {
        let refused = decode(InstrumentKind::LinearPerpetual, &mut body.as_bytes().to_vec());
        assert_eq!(refused, Err(error), "{body}");
    }
    for (body, error) in [
        (r#"{"universe":[]}"#, DecodeError::Missing("tokens")),
        (
            r#"{"universe":[{"name":"@1","tokens":[9,0],"index":1}],"tokens":[]}"#,
            DecodeError::Invalid("tokens"),
        ),
    ] {
        let refused = decode(InstrumentKind::Spot, &mut body.as_bytes().to_vec());
        assert_eq!(refused, Err(error), "{body}");
    }
}
