//! Every message has the members of the venue's own, with values of the same type.

use super::*;
use crate::sim::venues::shapes as compare;

/// Names of fixtures with their text.
macro_rules! fixtures {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/okx/", $name, ".json"
        )))),*]
    };
}

const FIXTURES: &[(&str, &str)] = fixtures![
    "rest_account_balance",
    "rest_account_config",
    "rest_account_rate_limit",
    "rest_amend_order_ack",
    "rest_batch_orders_ack",
    "rest_books",
    "rest_candles",
    "rest_cancel_all_after_ack",
    "rest_cancel_order_ack",
    "rest_close_position_ack",
    "rest_fills",
    "rest_funding_rate",
    "rest_funding_rate_history",
    "rest_get_order_filled",
    "rest_instruments_spot",
    "rest_instruments_swap",
    "rest_mark_price",
    "rest_order_ack",
    "rest_orders_history",
    "rest_orders_pending",
    "rest_positions_swap",
    "rest_price_limit",
    "rest_set_leverage_ack",
    "rest_set_position_mode_ack",
    "rest_system_status",
    "rest_time",
    "rest_trade_fee",
    "rest_trades",
    "ws_account",
    "ws_amend_order_ack",
    "ws_amend_order_reject",
    "ws_balance_and_position",
    "ws_batch_cancel_all_ok",
    "ws_batch_cancel_partial",
    "ws_batch_orders_all_failed",
    "ws_batch_orders_all_ok",
    "ws_batch_orders_partial",
    "ws_bbo_tbt",
    "ws_books5",
    "ws_books_snapshot",
    "ws_books_update",
    "ws_cancel_order_ack",
    "ws_cancel_order_reject",
    "ws_channel_conn_count",
    "ws_channel_conn_count_error",
    "ws_fills",
    "ws_funding_rate",
    "ws_instruments",
    "ws_login_ack",
    "ws_login_error",
    "ws_mark_price",
    "ws_notice_service_upgrade",
    "ws_order_ack",
    "ws_order_format_error",
    "ws_order_reject",
    "ws_orders_amended_derived",
    "ws_orders_canceled_by_user_derived",
    "ws_orders_canceled_post_only_derived",
    "ws_orders_filled",
    "ws_orders_liquidation",
    "ws_orders_live_derived",
    "ws_positions",
    "ws_price_limit",
    "ws_status",
    "ws_subscribe_ack",
    "ws_subscribe_error",
    "ws_tickers",
    "ws_trades",
    "ws_trades_all",
    "ws_trades_live_2026",
    "ws_unsubscribe_ack",
];

fn fixture(name: &str) -> Value {
    let found = FIXTURES.iter().find(|(known, _)| *known == name);
    json(found.unwrap_or_else(|| panic!("no fixture {name}")).1)
}

/// Exactly the members of the fixture.
pub(super) fn same(ours: &Value, name: &str) {
    compare::same(ours, &fixture(name));
}

/// All members of the fixture, and perhaps more.
pub(super) fn covers(ours: &Value, name: &str) {
    compare::covers(ours, &fixture(name));
}

#[test]
fn public_messages() {
    let mut rig = Rig::with_book();
    let pairs = [
        ("bbo-tbt", "ws_bbo_tbt"),
        ("books5", "ws_books5"),
        ("books", "ws_books_snapshot"),
        ("mark-price", "ws_mark_price"),
        ("price-limit", "ws_price_limit"),
        ("tickers", "ws_tickers"),
    ];
    for (channel, name) in pairs {
        let arg = format!(r#"{{"channel":"{channel}","instId":"BTC-USDT"}}"#);
        let answers = rig.subscribe(PUBLIC, &arg);
        assert_eq!(answers.len(), 2, "{answers:?}");
        for answer in answers.iter().map(|answer| json(answer)) {
            same(&answer, if answer["event"].is_null() { name } else { "ws_subscribe_ack" });
        }
    }
    rig.subscribe(PUBLIC, r#"{"channel":"trades","instId":"BTC-USDT"},{"channel":"status"}"#);
    rig.open(ConnId(9), "/ws/v5/business").unwrap();
    rig.subscribe(ConnId(9), r#"{"channel":"trades-all","instId":"BTC-USDT"}"#);
    rig.now += 1_000;
    rig.exchange.background_trade("BTC-USDT", Side::Buy, dec("65000.1"), dec("0.1"), rig.now);
    rig.publish();
    let mut seen = Vec::new();
    for (_, text) in rig.taken() {
        let message = json(&text);
        let name = match message["arg"]["channel"].as_str().unwrap() {
            "trades" => "ws_trades",
            "trades-all" => "ws_trades_all",
            "books" => "ws_books_update",
            other => pairs.iter().find(|(channel, _)| *channel == other).unwrap().1,
        };
        same(&message, name);
        if name == "ws_trades" {
            same(&message, "ws_trades_live_2026");
        }
        seen.push(name);
    }
    seen.sort_unstable();
    let expected = [
        "ws_bbo_tbt",
        "ws_books5",
        "ws_books_update",
        "ws_mark_price",
        "ws_price_limit",
        "ws_tickers",
        "ws_trades",
        "ws_trades_all",
    ];
    assert_eq!(seen, expected);
    let unsubscribed =
        rig.ask(PUBLIC, r#"{"op":"unsubscribe","args":[{"channel":"books","instId":"BTC-USDT"}]}"#);
    same(&json(&unsubscribed), "ws_unsubscribe_ack");
    let refused = rig.ask(PUBLIC, r#"{"id":"1","op":"subscribe","argss":[]}"#);
    same(&json(&refused), "ws_subscribe_error");
    rig.wire.on_announce_shutdown(rig.now, &mut rig.out);
    let told = rig.taken();
    same(&json(&told[0].1), "ws_status");
    assert_eq!(told.len(), 5);
    same(&json(&told[1].1), "ws_notice_service_upgrade");
    covers(&rig.public("/system/status", ""), "rest_system_status");
}

#[test]
fn public_rest() {
    let mut rig = Rig::with_book();
    let spot = "instType=SPOT";
    covers(&rig.public("/public/instruments", spot), "rest_instruments_spot");
    same(&rig.public("/public/time", ""), "rest_time");
    same(&rig.public("/market/books", "instId=BTC-USDT"), "rest_books");
    same(&rig.public("/market/trades", "instId=BTC-USDT"), "rest_trades");
    let candles = rig.public("/market/candles", "instId=BTC-USDT&bar=4H&limit=9");
    same(&candles, "rest_candles");
    let rows = candles["data"].as_array().unwrap();
    assert_eq!((rows.len(), &rows[0][8], &rows[1][8]), (9, &"0".into(), &"1".into()));
    let oldest = rows[8][0].as_str().unwrap();
    let older = format!("instId=BTC-USDT&bar=4H&limit=1&after={oldest}");
    let older = rig.public("/market/candles", &older)["data"][0][0].clone();
    let before = oldest.parse::<u64>().unwrap() - 4 * 3_600_000;
    assert_eq!(older, before.to_string(), "neither included");
    same(&rig.public("/public/price-limit", "instId=BTC-USDT"), "rest_price_limit");
    same(&rig.public("/public/mark-price", "instType=MARGIN"), "rest_mark_price");
}

#[test]
fn replies_to_orders_on_the_socket() {
    let mut rig = Rig::with_book();
    same(&json(&rig.login(TRADE)), "ws_login_ack");
    let refused = rig.say(PRIVATE, r#"{"op":"login","args":[{}]}"#);
    same(&json(&refused[0]), "ws_login_error");
    let buy = r#""tdMode":"cash","side":"buy","ordType":"limit","px":"64000","sz""#;
    same(&rig.operate("order", &format!(r#"{buy}:"0.1""#)), "ws_order_ack");
    same(&rig.operate("order", &format!(r#"{buy}:"500""#)), "ws_order_reject");
    let text = r#"{"id":"7","op":"order","args":[{"side":"buy"}]}"#;
    same(&json(&rig.ask(TRADE, text)), "ws_order_format_error");
    let arg = |size: &str, name: &str| {
        format!(r#"{{"instIdCode":{BTC},{buy}:"{size}","clOrdId":"{name}"}}"#)
    };
    for (first, second, name) in [
        ("0.1", "0.1", "ws_batch_orders_all_ok"),
        ("0.1", "500", "ws_batch_orders_partial"),
        ("500", "500", "ws_batch_orders_all_failed"),
    ] {
        let args = format!("{},{}", arg(first, &format!("a{}", &name[16..18])), arg(second, "x"));
        let args = args.replace("\"x\"", &format!("\"b{}\"", &name[16..18]));
        let reply = rig.ask(TRADE, &format!(r#"{{"id":"7","op":"batch-orders","args":[{args}]}}"#));
        let reply = json(&reply);
        assert_eq!(reply["code"], fixture(name)["code"], "{reply}");
        same(&reply, name);
    }
    rig.place(r#""side":"buy","ordType":"limit","px":"64000","sz":"0.1","clOrdId":"c1""#);
    let amend = r#""clOrdId":"c1","newSz":"0.2","reqId":"b12344""#;
    same(&rig.operate("amend-order", amend), "ws_amend_order_ack");
    let amend = r#""clOrdId":"c1","newSz":"500","reqId":"b12344""#;
    same(&rig.operate("amend-order", amend), "ws_amend_order_reject");
    same(&rig.operate("cancel-order", r#""clOrdId":"c1""#), "ws_cancel_order_ack");
    same(&rig.operate("cancel-order", r#""clOrdId":"c1""#), "ws_cancel_order_reject");
    let cancel = |one: &str, two: &str| {
        let arg = |name: &str| format!(r#"{{"instIdCode":{BTC},"clOrdId":"{name}"}}"#);
        let args = [arg(one), arg(two)].join(",");
        format!(r#"{{"id":"7","op":"batch-cancel-orders","args":[{args}]}}"#)
    };
    same(&json(&rig.ask(TRADE, &cancel("aal", "aal"))), "ws_batch_cancel_partial");
    same(&json(&rig.ask(TRADE, &cancel("bal", "apa"))), "ws_batch_cancel_all_ok");
}

#[test]
fn private_channels() {
    let options = OkxOptions { fast_channels: true, ..OkxOptions::default() };
    let mut rig = Rig::with(options);
    rig.fill_book();
    rig.listen();
    let mut first = Vec::new();
    for arg in [
        r#"{"channel":"account"}"#,
        r#"{"channel":"balance_and_position"}"#,
        r#"{"channel":"positions","instType":"SWAP"}"#,
        r#"{"channel":"fills"}"#,
    ] {
        first.extend(rig.subscribe(PRIVATE, arg).iter().map(|text| json(text)));
    }
    let of = |channel: &str| {
        let mut found = first.iter().filter(|one| !one["data"].is_null());
        found.find(|one| one["arg"]["channel"] == channel).unwrap().clone()
    };
    covers(&of("account"), "ws_account");
    covers(&of("positions"), "ws_positions");
    let counted = first.iter().find(|one| one["event"] == "channel-conn-count").unwrap();
    same(counted, "ws_channel_conn_count");
    let mut all = Vec::new();
    for (op, arg) in [
        ("order", r#""side":"sell","ordType":"limit","px":"66000","sz":"0.003","clOrdId":"e1""#),
        ("amend-order", r#""clOrdId":"e1","newSz":"0.002","reqId":"b1""#),
        ("cancel-order", r#""clOrdId":"e1""#),
        ("order", r#""side":"buy","ordType":"post_only","px":"65000.1","sz":"0.003""#),
        ("order", r#""side":"buy","ordType":"ioc","px":"65000.1","sz":"0.003""#),
    ] {
        rig.operate(op, &format!(r#""tdMode":"cash",{arg}"#));
        rig.now += 50;
        rig.publish();
        all.extend(rig.taken().into_iter().filter(|(conn, _)| *conn == PRIVATE));
    }
    let mut seen = Vec::new();
    let names = |message: &Value| {
        let row = &message["data"][0];
        match (message["arg"]["channel"].as_str().unwrap(), row["state"].as_str()) {
            ("fills", _) => "ws_fills",
            ("account", _) => "update",
            ("balance_and_position", _) => "ws_balance_and_position",
            (_, Some("live")) if row["amendResult"] == "0" => "ws_orders_amended_derived",
            (_, Some("live")) => "ws_orders_live_derived",
            (_, Some("filled")) => "ws_orders_filled",
            _ if row["cancelSource"] == "31" => "ws_orders_canceled_post_only_derived",
            _ => "ws_orders_canceled_by_user_derived",
        }
    };
    for message in all.iter().map(|(_, text)| json(text)) {
        let name = names(&message);
        seen.push(name.to_owned());
        if name == "update" {
            assert_eq!(message["eventType"], "event_update");
            continue;
        }
        if name.starts_with("ws_orders") {
            // Which members an argument has is the subscriber's choice.
            let mut bare = message.clone();
            bare["arg"]["instId"] = json("\"BTC-USDT\"");
            same(&bare, name);
        } else if name == "ws_fills" {
            let mut bare = message.clone();
            bare["arg"]["instId"] = json("\"BTC-USDT\"");
            same(&bare, name);
        } else {
            covers(&message, name);
        }
    }
    seen.sort_unstable();
    seen.dedup();
    let expected = [
        "update",
        "ws_balance_and_position",
        "ws_fills",
        "ws_orders_amended_derived",
        "ws_orders_canceled_by_user_derived",
        "ws_orders_canceled_post_only_derived",
        "ws_orders_filled",
        "ws_orders_live_derived",
    ];
    assert_eq!(seen, expected);
}

#[test]
fn private_rest() {
    let mut rig = Rig::with_book();
    rig.login(TRADE);
    covers(&rig.get("/account/balance", ""), "rest_account_balance");
    same(&rig.get("/account/config", ""), "rest_account_config");
    same(&rig.get("/trade/account-rate-limit", ""), "rest_account_rate_limit");
    same(&rig.get("/account/trade-fee", "instType=SPOT"), "rest_trade_fee");
    let body = r#"{"posMode":"net_mode"}"#;
    same(&rig.post("/account/set-position-mode", body), "rest_set_position_mode_ack");
    let after = rig.post("/trade/cancel-all-after", r#"{"timeOut":"60"}"#);
    same(&after, "rest_cancel_all_after_ack");
    let order = r#"{"instId":"BTC-USDT","tdMode":"cash","side":"buy","ordType":"limit","px":"64000","sz":"0.1","clOrdId":"r1"}"#;
    same(&rig.post("/trade/order", order), "rest_order_ack");
    same(&rig.get("/trade/orders-pending", ""), "rest_orders_pending");
    let batch = format!("[{}]", order.replace("r1", "r2"));
    same(&rig.post("/trade/batch-orders", &batch), "rest_batch_orders_ack");
    let amend = r#"{"instId":"BTC-USDT","clOrdId":"r1","newSz":"0.2","reqId":"b1"}"#;
    same(&rig.post("/trade/amend-order", amend), "rest_amend_order_ack");
    let cancel = r#"{"instId":"BTC-USDT","clOrdId":"r1"}"#;
    same(&rig.post("/trade/cancel-order", cancel), "rest_cancel_order_ack");
    let market = r#"{"instId":"BTC-USDT","tdMode":"cash","side":"buy","ordType":"market","sz":"100","clOrdId":"r3"}"#;
    rig.post("/trade/order", market);
    rig.publish();
    let filled = rig.get("/trade/order", "instId=BTC-USDT&clOrdId=r3");
    same(&filled, "rest_get_order_filled");
    same(&rig.get("/trade/orders-history", "instType=SPOT"), "rest_orders_history");
    same(&rig.get("/trade/fills", ""), "rest_fills");
}
