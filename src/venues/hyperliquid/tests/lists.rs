//! The venue's lists of instruments to rules and to numbers of assets.

use super::super::assets::Assets;
use super::super::instruments::decode;
use super::fixture;
use crate::types::{Instrument, InstrumentKind, InstrumentTable, Scale, VenueId};
use crate::venues::{DecodeError, Parser};
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
