//! Positions: margin, leverage, funding, liquidation.

use super::*;

fn position(rig: &mut Rig) -> Value {
    rig.info_of_user("clearinghouseState")["assetPositions"][0]["position"].clone()
}

fn leverage(rig: &mut Rig, cross: bool, leverage: u32) -> Value {
    rig.act(json!({"type": "updateLeverage", "asset": 0, "isCross": cross, "leverage": leverage}))
}

/// Buys 0.2 at 65001 with ten times leverage, and moves the mark.
fn bought(rig: &mut Rig, cross: bool, mark: &str) {
    assert_eq!(leverage(rig, cross, 10), done());
    rig.order(limit(0, "buy", "65001", "0.2", "Ioc"));
    rig.exchange.set_mark("BTC", Some(dec(mark)));
    rig.pass(1_000);
}

#[test]
fn a_cross_position_stands_on_the_whole_wallet() {
    let mut rig = Rig::with_books();
    bought(&mut rig, true, "65101");
    let state = rig.info_of_user("clearinghouseState");
    // A fee of 0.00045 x 13000.2 = 5.85009, and a profit of 20.
    let summary = json!({
        "accountValue": "10014.14991", "totalNtlPos": "13020.2",
        "totalRawUsd": "-3006.05009", "totalMarginUsed": "1302.02",
    });
    assert_eq!((&state["marginSummary"], &state["crossMarginSummary"]), (&summary, &summary));
    assert_eq!(state["crossMaintenanceMarginUsed"], "162.7525", "an eightieth");
    assert_eq!(state["withdrawable"], "8712.12991");
    let position = &state["assetPositions"][0]["position"];
    let wanted = json!({"type": "cross", "value": 10});
    assert_eq!((&position["szi"], &position["leverage"]), (&json!("0.2"), &wanted));
    assert_eq!(
        (&position["entryPx"], &position["unrealizedPnl"]),
        (&json!("65001.0"), &json!("20.0"))
    );
    assert_eq!(position["returnOnEquity"], "0.0153843787");
    // Equity covers a fall to (65001 x 0.2 - 9994.14991) / (0.2 x 79/80).
    assert_eq!(position["liquidationPx"], "15220.50678481");
}

#[test]
fn an_isolated_position_has_its_own_margin() {
    let mut rig = Rig::with_books();
    bought(&mut rig, false, "65101");
    let shown = position(&mut rig);
    // 13000.2 / 10 was set aside, and the profit stands for it too.
    let wanted = json!({"type": "isolated", "value": 10, "rawUsd": "-11700.18"});
    assert_eq!((&shown["leverage"], &shown["marginUsed"]), (&wanted, &json!("1320.02")));
    // mark - (margin - maintenance) / size / (1 - 1/80)
    let price =
        dec("65101") - (dec("1320.02") - dec("162.7525")) / dec("0.2") / (dec("79") / dec("80"));
    assert_eq!(dec(shown["liquidationPx"].as_str().unwrap()), price.round_dp(8));
    let cross = rig.info_of_user("clearinghouseState")["crossMarginSummary"].clone();
    assert_eq!(
        (&cross["totalNtlPos"], &cross["accountValue"]),
        (&json!("0.0"), &json!("8694.12991"))
    );
    let margin = |millionths: i64| json!({"type": "updateIsolatedMargin", "asset": 0, "isBuy": true, "ntli": millionths});
    assert_eq!(rig.act(margin(100_500_000)), done());
    assert_eq!(position(&mut rig)["marginUsed"], "1420.52");
    assert_eq!(rig.act(margin(-100_000_000)), done());
    assert_eq!(rig.act(margin(-100_000_000))["status"], "err", "below what it needs");
    assert_eq!(rig.act(margin(1_000_000_000_000))["status"], "err", "more than there is");
}

#[test]
fn leverage_is_bounded_and_the_mode_fixed_while_there_is_a_position() {
    let mut rig = Rig::with_books();
    for (wanted, value) in [("err", 0), ("ok", 1), ("ok", 40), ("err", 41)] {
        assert_eq!(leverage(&mut rig, true, value)["status"], wanted, "{value}");
    }
    bought(&mut rig, true, "65001");
    let text = "Cannot switch leverage type with open position.";
    assert_eq!(leverage(&mut rig, false, 10), refused(text));
    assert_eq!(leverage(&mut rig, true, 20), done());
    assert_eq!(position(&mut rig)["leverage"]["value"], 20);
    let spot = json!({"type": "updateLeverage", "asset": 10_107, "isCross": true, "leverage": 2});
    assert_eq!(rig.act(spot)["status"], "err");
}

#[test]
fn fills_tell_where_the_position_was_and_what_was_won() {
    let mut rig = Rig::with_books();
    rig.order(limit(0, "buy", "65001", "0.2", "Ioc"));
    rig.order(limit(0, "sell", "64999", "0.3", "Ioc"));
    rig.order(limit(0, "buy", "65001", "0.05", "Ioc"));
    rig.order(limit(0, "buy", "65010", "0.05", "Ioc"));
    let fills = rig.info_of_user("userFills");
    let shown: Vec<[&str; 3]> = fills
        .as_array()
        .unwrap()
        .iter()
        .rev()
        .map(|fill| ["startPosition", "dir", "closedPnl"].map(|name| fill[name].as_str().unwrap()))
        .collect();
    let wanted = [
        ["0.0", "Open Long", "0.0"],
        ["0.2", "Long > Short", "-0.4"],
        ["-0.1", "Close Short", "-0.1"],
        ["-0.05", "Close Short", "-0.55"],
    ];
    assert_eq!(shown, wanted);
    assert_eq!(
        rig.info_of_user("clearinghouseState")["assetPositions"],
        json!([]),
        "flat ones are absent"
    );
}

#[test]
fn a_reducing_order_closes_and_no_more() {
    let mut rig = Rig::with_books();
    rig.order(limit(0, "buy", "65001", "0.0002", "Ioc"));
    let mut close = limit(0, "sell", "64999", "0.0001", "Ioc");
    close["r"] = json!(true);
    for _ in 0..2 {
        assert!(rig.order(close.clone()).get("filled").is_some(), "however small");
    }
    let text = "Reduce only order would increase position.";
    assert_eq!(rig.order(close), error(text));
}

#[test]
fn funding_is_paid_every_hour_on_the_oracles_price() {
    let mut rig = Rig::with_books();
    for name in ["userEvents", "userFundings"] {
        let text = format!(r#"{{"type":"{name}","user":"{}"}}"#, address(&KEY));
        rig.subscribe(&text);
    }
    bought(&mut rig, true, "65001");
    rig.exchange.set_funding_rate("BTC", Some(dec("0.0001")));
    rig.pass(1_000);
    rig.taken();
    let oracle = rig.exchange.mark("BTC", rig.now).unwrap().index;
    // Forty minutes to the hour.
    rig.pass(2_400_000 - 2_000);
    rig.publish();
    let all = rig.frames();
    let on =
        |channel: &str| all.iter().find(|one| one["channel"] == channel).unwrap()["data"].clone();
    let hour = NOW + 2_400_000;
    assert_eq!(hour % 3_600_000, 0);
    let paid = on("user")["funding"].clone();
    assert_eq!(
        (&paid["time"], &paid["szi"], &paid["fundingRate"]),
        (&json!(hour), &json!("0.2"), &json!("0.0001"))
    );
    let amount = dec(paid["usdc"].as_str().unwrap());
    assert!((amount + dec("0.2") * oracle * dec("0.0001")).abs() < dec("0.001"), "{amount}");
    assert_eq!(on("userFundings")["fundings"], json!([paid]));
    let rows = rig.info_of_user("userFunding");
    assert_eq!((&rows[0]["delta"]["usdc"], &rows[0]["time"]), (&paid["usdc"], &json!(hour)));
    let funding = position(&mut rig)["cumFunding"]["sinceOpen"].clone();
    assert_eq!(dec(funding.as_str().unwrap()), -amount, "what was paid is positive there");
}

#[test]
fn a_liquidation_is_told_to_both_sides() {
    let mut rig = Rig::with_books();
    for key in [KEY, OTHER] {
        let text = format!(r#"{{"type":"userEvents","user":"{}"}}"#, address(&key));
        rig.subscribe(&text);
    }
    let text = format!(r#"{{"type":"orderUpdates","user":"{}"}}"#, address(&KEY));
    rig.subscribe(&text);
    leverage(&mut rig, false, 40);
    rig.order(limit(0, "buy", "65001", "0.2", "Ioc"));
    let resting = rig.rest(limit(0, "buy", "60000", "0.01", "Gtc"));
    for price in ["64999", "64990"] {
        rig.exchange.set_level("BTC", Side::Buy, dec(price), Decimal::ZERO, rig.now);
    }
    rig.order_as(&OTHER, limit(0, "buy", "63990", "0.3", "Gtc"));
    rig.publish();
    rig.taken();
    rig.exchange.set_mark("BTC", Some(dec("64000")));
    rig.pass(1_000);
    rig.publish();
    let all = rig.frames();
    let events: Vec<&Value> =
        all.iter().filter(|one| one["channel"] == "user").map(|one| &one["data"]).collect();
    let liquidation = events.iter().find_map(|event| event.get("liquidation")).unwrap();
    assert_eq!(liquidation["liquidated_user"], address(&KEY));
    assert_eq!(liquidation["liquidated_ntl_pos"], "12800.0");
    let cancels = events.iter().find_map(|event| event.get("nonUserCancel")).unwrap();
    assert_eq!(cancels, &json!([{"coin": "BTC", "oid": resting}]));
    let fills: Vec<&Value> =
        events.iter().filter_map(|event| event.get("fills")).map(|fills| &fills[0]).collect();
    assert_eq!(fills.len(), 2);
    for fill in fills {
        let wanted =
            json!({"liquidatedUser": address(&KEY), "markPx": "64000.0", "method": "market"});
        assert_eq!(fill["liquidation"], wanted);
    }
    let states: Vec<Value> = all
        .iter()
        .filter(|one| one["channel"] == "orderUpdates")
        .flat_map(|one| one["data"].as_array().unwrap().clone())
        .map(|row| row["status"].clone())
        .collect();
    assert!(
        states.contains(&json!("liquidatedCanceled")) && states.contains(&json!("filled")),
        "{states:?}"
    );
    assert_eq!(rig.info_of_user("clearinghouseState")["assetPositions"], json!([]));
}
