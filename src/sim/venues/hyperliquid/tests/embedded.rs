//! The venue as it comes without configuration.

use super::*;
use crate::sim::{EmbeddedOptions, Flow, FlowOptions, SimAccount, SimKeyKind, Target, embedded};

/// The embedded venue with books that moved for three seconds.
fn moved() -> (Rig, SimAccount) {
    let wires: Vec<Box<dyn Wire>> = vec![Box::new(Hyperliquid::default())];
    let mut made = embedded(&EmbeddedOptions::default(), wires).unwrap();
    let mut rig = Rig::new();
    rig.exchange = made.options.venues.remove(0).exchange;
    rig.wire = Hyperliquid::default();
    let venues = [("hyperliquid", rig.exchange.symbols().to_vec())];
    let mut flow = Flow::new(&FlowOptions::default(), &venues).unwrap();
    let mut targets = [Target { exchange: &mut rig.exchange, start_ms: NOW }];
    flow.step(3_000_000_000, usize::MAX, &mut targets);
    rig.exchange.tick(NOW);
    rig.publish();
    (rig, made.accounts.remove(0))
}

#[test]
fn its_books_have_prices_and_sizes_that_it_would_take() {
    let (rig, _) = moved();
    for rules in rig.exchange.symbols() {
        let asset = rig.wire.assets.by_coin(&rules.symbol).unwrap();
        let (_, bids, asks) = rig.exchange.depth(&rules.symbol, 500).unwrap();
        assert!(bids.len() >= 50 && asks.len() >= 50, "{}", rules.symbol);
        for (price, size) in bids.iter().chain(&asks) {
            let taken = asset.takes_price(*price) && asset.takes_size(*size);
            assert!(taken, "{} {price} {size}", rules.symbol);
        }
    }
    let middle = |coin: &str| {
        let (_, bids, asks) = rig.exchange.depth(coin, 1).unwrap();
        (bids[0].0 + asks[0].0) / Decimal::TWO
    };
    let apart = (middle("HYPE") / middle("@107") - Decimal::ONE).abs();
    assert!(apart < dec("0.01"), "spot and perpetual of a token follow one price");
}

#[test]
fn its_account_signs_with_the_key_it_comes_with() {
    let (mut rig, account) = moved();
    assert_eq!(account.kind, SimKeyKind::Secp256k1);
    let key: [u8; 32] = super::super::address::unhex(&account.secret).unwrap();
    assert_eq!(address(&key), account.key);
    let (_, _, asks) = rig.exchange.depth("BTC", 1).unwrap();
    let best = asks[0].0.normalize().to_string();
    let status = rig.order_as(&key, limit(0, "buy", &best, "0.001", "Ioc"));
    assert_eq!(status["filled"]["totalSz"], "0.001");
    let meta = rig.info(json!({"type": "spotMeta"}));
    let pairs: Vec<(&Value, &Value)> = meta["universe"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (&row["name"], &row["tokens"]))
        .collect();
    assert_eq!(pairs, [(&json!("@107"), &json!([150, 0])), (&json!("PURR/USDC"), &json!([1, 0]))]);
    let indices: Vec<&Value> =
        meta["universe"].as_array().unwrap().iter().map(|row| &row["index"]).collect();
    assert_eq!(indices, [107, 0], "neither place nor token");
    let state = rig.info(json!({"type": "clearinghouseState", "user": account.key}));
    assert_eq!(state["assetPositions"][0]["position"]["szi"], "0.001");
}
