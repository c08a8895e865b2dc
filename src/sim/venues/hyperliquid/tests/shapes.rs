//! Every message has the members of the venue's own, with values of the same type.

use super::*;
use crate::sim::venues::shapes;

/// Exactly the members of an example.
fn same(ours: &Value, theirs: &str) {
    shapes::same(ours, &parsed(theirs));
}

/// All members of an example, and perhaps more.
fn covers(ours: &Value, theirs: &str) {
    shapes::covers(ours, &parsed(theirs));
}

/// Text of a fixture.
macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/fixtures/hyperliquid/",
            $name,
            ".json"
        ))
    };
}

const CLOID: &str = "0xa1f0cddc17303d07f3fd128d5b35071d";

fn user(name: &str) -> String {
    format!(r#"{{"type":"{name}","user":"{}"}}"#, address(&KEY))
}

#[test]
fn public_answers_are_shaped_like_the_venues() {
    let mut rig = Rig::with_books();
    rig.exchange.background_trade("BTC", Side::Buy, dec("65000"), dec("0.1"), rig.now);
    rig.exchange.background_trade("PURR/USDC", Side::Buy, dec("0.2"), dec("10"), rig.now);
    rig.pass(2_000);
    let mut ask =
        |name: &str, coin: &str| rig.info(json!({"type": name, "coin": coin, "startTime": 0}));
    let meta = ask("meta", "");
    covers(&meta, fixture!("rest_meta_with_delisted_index"));
    let row = |meta: &Value, place: usize| meta["universe"][place].to_string();
    let venue = parsed(fixture!("rest_meta_with_delisted_index"));
    for place in [0, 3] {
        same(&parsed(&row(&meta, place)), &row(&venue, place));
    }
    let names = |meta: &Value| -> Vec<Value> {
        meta["universe"].as_array().unwrap().iter().map(|row| row["name"].clone()).collect()
    };
    assert_eq!(names(&meta), names(&venue), "coins keep their places");
    covers(&ask("metaAndAssetCtxs", ""), fixture!("rest_meta_and_asset_ctxs"));
    same(&ask("spotMeta", ""), fixture!("rest_spot_meta"));
    covers(&ask("spotMetaAndAssetCtxs", ""), fixture!("rest_spot_meta_and_asset_ctxs"));
    same(&ask("l2Book", "BTC"), fixture!("rest_l2book_top5"));
    same(&ask("l2Book", "@107"), fixture!("rest_spot_l2book_107"));
    let now_ms = rig.now;
    let candles = |interval: &str| {
        let req = json!({"coin": "BTC", "interval": interval, "startTime": now_ms - 36_000_000, "endTime": now_ms});
        json!({"type": "candleSnapshot", "req": req})
    };
    let hours = rig.info(candles("1h"));
    same(&hours, fixture!("rest_candle_snapshot_1h"));
    assert_eq!(hours.as_array().unwrap().len(), 10);
    let mut ask =
        |name: &str, coin: &str| rig.info(json!({"type": name, "coin": coin, "startTime": 0}));
    covers(&ask("predictedFundings", ""), fixture!("rest_predicted_fundings"));
    assert_eq!(ask("perpDexs", ""), json!([null]));
    rig.pass(3_600_000);
    let rates = rig.info(json!({"type": "fundingHistory", "coin": "BTC", "startTime": 0}));
    assert_eq!(rates.as_array().unwrap().len(), 1);
    same(&rates, fixture!("rest_funding_history"));
}

#[test]
fn answers_about_an_account_are_shaped_like_the_venues() {
    let mut rig = Rig::with_books();
    same(&rig.info_of_user("clearinghouseState"), fixture!("rest_clearinghouse_state_flat"));
    same(&rig.info_of_user("spotClearinghouseState"), fixture!("rest_spot_balances"));
    same(&rig.info_of_user("userRateLimit"), fixture!("rest_user_rate_limit"));
    let asked = json!({"type": "activeAssetData", "user": address(&KEY), "coin": "BTC"});
    same(&rig.info(asked), fixture!("rest_active_asset_data"));
    rig.order(limit(0, "buy", "65001", "0.2", "Ioc"));
    same(&rig.info_of_user("clearinghouseState"), fixture!("rest_clearinghouse_state_cross_long"));
    let isolated = json!({"type": "updateLeverage", "asset": 5, "isCross": false, "leverage": 10});
    assert_eq!(rig.act(isolated), done());
    rig.exchange.set_level("SOL", Side::Sell, dec("140"), dec("10"), rig.now);
    rig.pass(1_000);
    rig.order(limit(5, "buy", "140", "10", "Ioc"));
    let mut state = rig.info_of_user("clearinghouseState");
    state["assetPositions"] = json!([state["assetPositions"][1]]);
    same(&state, fixture!("rest_clearinghouse_state_isolated"));
    rig.pass(3_600_000);
    same(&rig.info_of_user("userFunding"), fixture!("rest_user_funding"));
}

#[test]
fn orders_and_fills_are_shaped_like_the_venues() {
    let mut rig = Rig::with_books();
    rig.rest(limit(0, "buy", "60000", "0.01", "Gtc"));
    rig.order(with_cloid(limit(0, "buy", "60001", "0.01", "Gtc"), CLOID));
    rig.order(limit(0, "buy", "65001", "0.02", "Ioc"));
    rig.order(limit(0, "buy", "50000", "0.02", "Ioc"));
    covers(&rig.info_of_user("openOrders"), fixture!("rest_open_orders_recorded"));
    covers(&rig.info_of_user("frontendOpenOrders"), fixture!("rest_frontend_open_orders_one"));
    let history = rig.info_of_user("historicalOrders");
    same(&history, fixture!("rest_historical_orders"));
    let oid = history[0]["order"]["oid"].clone();
    let status = rig.info(json!({"type": "orderStatus", "user": address(&KEY), "oid": oid}));
    same(&status, fixture!("rest_order_status_filled_template"));
    let fill = |message: &str| parsed(message)["data"]["fills"][0].to_string();
    same(&rig.info_of_user("userFills")[0], &fill(fixture!("ws_user_fill_maker_perp")));
}

#[test]
fn replies_to_actions_are_shaped_like_the_venues() {
    let mut rig = Rig::with_books();
    let mut order = |price: &str, size: &str, tif: &str| {
        let orders = [limit(0, "buy", price, size, tif)];
        rig.act(json!({"type": "order", "orders": orders, "grouping": "na"}))
    };
    same(&order("60000", "0.01", "Gtc"), fixture!("rest_exchange_order_resting"));
    same(&order("65001", "0.01", "Ioc"), fixture!("rest_exchange_order_filled"));
    let error = order("60000", "0.0001", "Gtc");
    assert_eq!(error, parsed(fixture!("rest_exchange_order_error_min_value")));
    let oid = rig.info_of_user("openOrders")[0]["oid"].clone();
    let cancel = json!({"type": "cancel", "cancels": [{"a": 0, "o": oid}]});
    assert_eq!(rig.act(cancel.clone()), parsed(fixture!("rest_exchange_cancel_success")));
    assert_eq!(rig.act(cancel), parsed(fixture!("rest_exchange_cancel_error")));
    let leverage = json!({"type": "updateLeverage", "asset": 0, "isCross": true, "leverage": 5});
    assert_eq!(rig.act(leverage), parsed(fixture!("rest_exchange_default_ok")));
    let noop = signed_at(&KEY, &json!({"type": "noop"}), NOW - 5, None).to_string();
    rig.http("/exchange", &noop);
    let duplicate = rig.http("/exchange", &noop).body;
    let wanted = fixture!("rest_exchange_err_duplicate_nonce")
        .replace("1700000000000", &(NOW - 5).to_string());
    assert_eq!(parsed(&duplicate), parsed(&wanted));
    let unsigned =
        json!({"action": {"type": "noop"}, "nonce": NOW, "signature": {"r": "", "s": "", "v": 27}});
    let reply = rig.http("/exchange", &unsigned.to_string()).body;
    assert_eq!(parsed(&reply), parsed(fixture!("rest_exchange_err_unable_to_recover")));
}

#[test]
fn frames_are_shaped_like_the_venues() {
    let mut rig = Rig::with_books();
    let mut greeted = |subscription: &str, wanted: &str| {
        let answers = rig.subscribe(subscription);
        same(&parsed(&answers[0]), wanted);
    };
    greeted(r#"{"type":"bbo","coin":"BTC"}"#, fixture!("ws_bbo"));
    greeted(r#"{"type":"bbo","coin":"DYDX"}"#, fixture!("ws_bbo_both_sides_empty"));
    greeted(r#"{"type":"l2Book","coin":"BTC","fast":true}"#, fixture!("ws_l2book_fast_1"));
    greeted(r#"{"type":"l2Book","coin":"BTC"}"#, fixture!("ws_l2book_hype"));
    greeted(r#"{"type":"activeAssetCtx","coin":"MATIC"}"#, fixture!("ws_active_asset_ctx_nulls"));
    greeted(r#"{"type":"activeAssetCtx","coin":"BTC"}"#, fixture!("ws_active_asset_ctx_perp"));
    greeted(&user("userFills"), fixture!("ws_userfills_empty_snapshot"));
    covers(
        &parsed(&rig.subscribe(r#"{"type":"allMids"}"#)[0]),
        r#"{"channel":"allMids","data":{"mids":{"BTC":"1.0"}}}"#,
    );
    for name in ["orderUpdates", "userEvents"] {
        rig.subscribe(&user(name));
    }
    rig.subscribe(r#"{"type":"trades","coin":"BTC"}"#);
    rig.order(with_cloid(limit(0, "buy", "60000", "0.01", "Gtc"), CLOID));
    rig.publish();
    let updates = parsed(&rig.taken()[0].1);
    same(&updates, fixture!("ws_orderupdates_open"));
    rig.order(limit(10_107, "buy", "30", "1", "Gtc"));
    rig.publish();
    let updates = parsed(&rig.taken()[0].1);
    same(&updates, fixture!("ws_orderupdates_spot_open_no_cloid"));
    rig.order(limit(0, "buy", "65001", "0.01", "Ioc"));
    rig.pass(1_000);
    let all: Vec<Value> = rig.taken().iter().map(|(_, text)| parsed(text)).collect();
    let on = |channel: &str| all.iter().find(|one| one["channel"] == channel).unwrap();
    same(on("user"), fixture!("ws_user_fill_maker_perp"));
    same(on("trades"), fixture!("ws_trades"));
    let other = CLOID.replace("a1f0", "b2e1");
    rig.order(with_cloid(limit(10_107, "buy", "38.2", "1", "Ioc"), &other));
    let told = rig.told("user");
    let event = json!({"channel": "user", "data": told[0]});
    same(&event, fixture!("ws_user_fill_spot_buy_fee_in_base"));
}
