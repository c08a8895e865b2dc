//! Linear perpetuals beside spot: the same words, other ids, positions, funding.

use super::*;
use crate::sim::venues::shapes::compare;
use crate::sim::{AccountId, PerpetualRules, PlaceRequest, SimMarginMode, SimOrderType};
use crate::types::TimeInForce;
use serde_json::Value;

const LINEAR: ConnId = ConnId(9);
const OTHER_PRIVATE: ConnId = ConnId(10);
const PERP: &str = "BTCUSDT.P";
const ME: AccountId = AccountId(0);
const HOUR: u64 = 3_600_000;

/// A message of the venue's documentation.
macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/bybit/", $name, ".json"))
    };
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// A linear contract and the spot pair of the same name; ten at 64 999 and at 65 001.
fn rig() -> Rig {
    rig_with(BybitOptions::default())
}

fn rig_with(options: BybitOptions) -> Rig {
    let spot = rules("BTCUSDT", "BTC", "0.1");
    let linear = SymbolRules {
        symbol: PERP.to_owned(),
        lot_size: dec("0.001"),
        qty_min: dec("0.001"),
        maker_fee: dec("0.0002"),
        taker_fee: dec("0.00055"),
        fee_decimals: 8,
        perpetual: Some(PerpetualRules {
            settle: "USDT".to_owned(),
            contract_size: Decimal::ONE,
            leverage_initial: dec("10"),
            leverage_max: dec("100"),
            maintenance_rate: dec("0.005"),
            funding_interval_ms: 8 * HOUR,
            funding_rate_max: dec("0.00375"),
        }),
        ..spot.clone()
    };
    let mut rig = Rig::of(options, vec![spot, linear]);
    rig.open(LINEAR, "/v5/public/linear", "").unwrap();
    let levels = [(Side::Buy, (dec("64999"), dec("10"))), (Side::Sell, (dec("65001"), dec("10")))];
    rig.exchange.set_levels(PERP, &levels, NOW);
    rig.exchange.background_trade(PERP, Side::Buy, dec("65001"), dec("0.5"), NOW);
    rig.exchange.tick(NOW);
    rig.publish();
    rig.taken();
    rig
}

impl Rig {
    /// Time passes as at the host.
    fn live(&mut self, ms: u64) {
        self.now += ms;
        self.exchange.tick(self.now);
        self.publish();
        self.pass(0);
        self.publish();
    }

    fn order(&mut self, fields: &str) -> String {
        let body = format!(r#"{{"category":"linear","symbol":"BTCUSDT",{fields}}}"#);
        self.post("/v5/order/create", &body)
    }

    /// Messages of a topic that the private socket heard.
    fn heard(&mut self) -> Vec<(String, Value)> {
        let all = self.told();
        let read = |text: &String| {
            let message = json(text);
            (message["topic"].as_str().unwrap().to_owned(), message)
        };
        all.iter().map(read).collect()
    }
}

fn topic<'a>(heard: &'a [(String, Value)], name: &str) -> &'a Value {
    let found = heard.iter().find(|(topic, _)| topic == name);
    &found.unwrap_or_else(|| panic!("no {name} in {heard:?}")).1
}

const ALL: &str = r#""order","execution","execution.fast","position","wallet""#;
const MARKET_BUY: &str =
    r#""side":"Buy","orderType":"Market","qty":"0.2","orderLinkId":"one","positionIdx":0"#;

#[test]
fn the_same_text_is_another_instrument_in_each_category() {
    let mut rig = rig();
    let linear = rig.public("/v5/market/instruments-info", "category=linear");
    compare(&linear, fixture!("rest_instruments_info_linear"), &[]);
    let row = &json(&linear)["result"]["list"][0];
    assert_eq!((&row["symbol"], &row["fundingInterval"]), (&"BTCUSDT".into(), &480.into()));
    let spot = json(&rig.public("/v5/market/instruments-info", "category=spot"));
    assert_eq!(spot["result"]["list"].as_array().unwrap().len(), 1);
    let book = rig.public("/v5/market/orderbook", "category=linear&symbol=BTCUSDT");
    assert!(book.contains(r#""s":"BTCUSDT","b":[["64999","10"]]"#), "{book}");
    let empty = rig.public("/v5/market/orderbook", "category=spot&symbol=BTCUSDT");
    assert!(empty.contains(r#""b":[]"#), "{empty}");
    let refused = rig.public("/v5/market/orderbook", "category=spot&symbol=BTCUSDT.P");
    assert_ne!(code(&refused).0, 0);
    assert_eq!(code(&rig.public("/v5/market/tickers", "category=option")).0, 10001);
    let tickers = json(&rig.public("/v5/market/tickers", "category=linear&symbol=BTCUSDT"));
    assert_eq!(tickers["result"]["list"][0]["markPrice"], "65000");
    let says = |rig: &mut Rig, conn, topic: &str| {
        rig.say(conn, &format!(r#"{{"op":"subscribe","args":["{topic}"]}}"#))
    };
    assert!(says(&mut rig, PUBLIC, "orderbook.50.BTCUSDT.P")[0].contains("Invalid symbol"));
    assert!(says(&mut rig, LINEAR, "orderbook.50.BTCUSDT.P")[0].contains("handler not found"));
}

#[test]
fn public_streams_are_shaped_like_the_venues() {
    let mut rig = rig();
    let pong = rig.ask(LINEAR, r#"{"op":"ping"}"#);
    compare(&pong, fixture!("ws_pong_public_linear"), &[]);
    let subscribe = r#"{"op":"subscribe","args":["orderbook.50.BTCUSDT","publicTrade.BTCUSDT","tickers.BTCUSDT","allLiquidation.BTCUSDT"]}"#;
    let answers = rig.say(LINEAR, subscribe);
    compare(&answers[0], fixture!("ws_subscribe_ok_linear"), &[]);
    compare(&answers[1], fixture!("ws_public_orderbook50_linear_snapshot"), &[]);
    assert!(answers[1].starts_with(r#"{"topic":"orderbook.50.BTCUSDT","type":"snapshot","ts":"#));
    compare(&answers[2], fixture!("ws_public_tickers_linear_snapshot"), &[]);
    rig.exchange.background_trade(PERP, Side::Sell, dec("64999"), dec("1"), NOW);
    rig.exchange.set_level(PERP, Side::Sell, dec("65002"), dec("1"), NOW);
    rig.publish();
    rig.pass(100);
    let texts: Vec<String> = rig.taken().into_iter().map(|(_, text)| text).collect();
    let of = |name: &str| texts.iter().find(|text| text.contains(name)).unwrap();
    compare(of("publicTrade"), fixture!("ws_public_trade_linear_single"), &[]);
    compare(of("orderbook"), fixture!("ws_public_orderbook50_linear_delta"), &[]);
    let delta = json(of("tickers"));
    assert_eq!((&delta["type"], &delta["data"]["lastPrice"]), (&"delta".into(), &"64999".into()));
    assert!(delta["data"].get("markPrice").is_none(), "an unchanged member stays away");
}

#[test]
fn a_fill_is_told_as_order_executions_position_and_wallet() {
    let mut rig = rig();
    rig.listen(ALL);
    let reply = rig.order(MARKET_BUY);
    assert_eq!(code(&reply), (0, "OK".to_owned()));
    let id = member(&reply, "orderId");
    assert_eq!(id.len(), 36, "{id}");
    let heard = rig.heard();
    let optional = ["cumFeeDetail", "closedPnl"];
    compare(
        &topic(&heard, "order").to_string(),
        fixture!("ws_private_order_linear_new"),
        &optional,
    );
    let execution = topic(&heard, "execution");
    let text = execution.to_string().replace(r#""extraFees":[]"#, r#""extraFees":null"#);
    compare(&text, fixture!("ws_private_execution_linear_taker_fill"), &[]);
    assert_eq!(execution["data"][0]["execFee"], "7.15011");
    let fast = topic(&heard, "execution.fast").to_string();
    compare(&fast, fixture!("ws_private_execution_fast"), &[]);
    let position = topic(&heard, "position");
    compare(&position.to_string(), fixture!("ws_private_position_linear_open"), &[]);
    let row = &position["data"][0];
    assert_eq!(
        (&row["side"], &row["size"], &row["entryPrice"]),
        (&"Buy".into(), &"0.2".into(), &"65001".into())
    );
    let wallet = topic(&heard, "wallet");
    let optional = [
        "accountIMRateByMp",
        "accountMMRateByMp",
        "totalInitialMarginByMp",
        "totalMaintenanceMarginByMp",
    ];
    compare(&wallet.to_string(), fixture!("ws_private_wallet_after_linear_fill"), &optional);
    let coin = &wallet["data"][0]["coin"][0];
    assert_eq!(
        (&coin["walletBalance"], &coin["totalPositionIM"], &coin["unrealisedPnl"]),
        (&"99992.84989".into(), &"1300".into(), &"-0.2".into())
    );
    let list = rig.get("/v5/execution/list", "category=linear");
    compare(&list, fixture!("rest_execution_list"), &[]);
    let none = json(&rig.get("/v5/execution/list", "category=spot"));
    assert!(none["result"]["list"].as_array().unwrap().is_empty());
    let done = rig.get("/v5/order/realtime", &format!("category=linear&orderId={id}"));
    let optional = ["marketUnit"];
    let done = done.replace(r#"{"USDT":"7.15011"}"#, r#"{"MNT":"7.15011"}"#);
    compare(&done, fixture!("rest_order_realtime"), &optional);
    // Closed by a sale of all that is there.
    let all =
        r#""side":"Sell","orderType":"Market","qty":"0","reduceOnly":true,"closeOnTrigger":true"#;
    assert_eq!(code(&rig.order(all)).0, 0);
    let heard = rig.heard();
    let row = &topic(&heard, "position")["data"][0];
    assert_eq!(
        (&row["side"], &row["size"], &row["cumRealisedPnl"]),
        (&"".into(), &"0".into(), &"-0.4".into())
    );
    let sold = &topic(&heard, "execution")["data"][0];
    assert_eq!((&sold["closedSize"], &sold["execPnl"]), (&"0.2".into(), &"-0.4".into()));
}

#[test]
fn orders_are_taken_on_the_trade_socket_and_end_in_this_categorys_words() {
    let mut rig = rig();
    rig.listen(ALL);
    rig.login(TRADE);
    let request = |op: &str, args: &str| {
        format!(
            r#"{{"reqId":"{op}-1","header":{{"X-BAPI-TIMESTAMP":"{NOW}"}},"op":"{op}","args":[{{"category":"linear","symbol":"BTCUSDT",{args}}}]}}"#
        )
    };
    let limit = r#""side":"Buy","orderType":"Limit","qty":"0.1","price":"64000","orderLinkId":"a""#;
    let ack = rig.ask(TRADE, &request("order.create", limit));
    compare(&ack, fixture!("ws_trade_order_create_ack"), &[]);
    assert_eq!(topic(&rig.heard(), "wallet")["data"][0]["coin"][0]["totalOrderIM"], "640");
    let ack = rig.ask(TRADE, &request("order.cancel", r#""orderLinkId":"a""#));
    assert_eq!(code(&ack).0, 0);
    let heard = rig.heard();
    let optional = ["cumFeeDetail", "closedPnl"];
    let ended = topic(&heard, "order").to_string();
    compare(&ended, fixture!("ws_private_order_linear_cancelled_by_user"), &optional);
    assert!(heard.iter().any(|(name, _)| name == "position"), "told of every order");
    let again =
        rig.ask(TRADE, &request("order.cancel", r#""orderLinkId":"a""#).replace("-1", "-2"));
    assert_eq!(code(&again).0, 110001);
    let maker =
        r#""side":"Buy","orderType":"Limit","qty":"0.1","price":"65001","timeInForce":"PostOnly""#;
    assert_eq!(code(&rig.order(maker)).0, 0);
    let order = topic(&rig.heard(), "order")["data"][0].clone();
    assert_eq!(
        (&order["orderStatus"], &order["rejectReason"]),
        (&"Cancelled".into(), &"EC_PostOnlyWillTakeLiquidity".into())
    );
    let ioc = r#""side":"Buy","orderType":"Limit","qty":"0.1","price":"64000","timeInForce":"IOC""#;
    rig.order(ioc);
    let order = topic(&rig.heard(), "order")["data"][0].clone();
    assert_eq!(
        (&order["orderStatus"], &order["rejectReason"]),
        (&"Cancelled".into(), &"EC_NoImmediateQtyToFill".into())
    );
}

#[test]
fn refusals_have_this_categorys_codes() {
    let mut rig = rig();
    let limit = |qty: &str, price: &str| {
        format!(r#""side":"Buy","orderType":"Limit","qty":"{qty}","price":"{price}""#)
    };
    let cases = [
        (limit("0.1", "64000.05"), 10001),
        (limit("0.0001", "64000"), 10001),
        (limit("0.1", "90000"), 110003),
        (limit("50", "64000"), 110007),
        (limit("0.1", "64000").replace("Buy", "Sell") + r#","reduceOnly":true"#, 110017),
        (limit("0.1", "64000") + r#","positionIdx":1"#, 10001),
    ];
    for (fields, wanted) in cases {
        assert_eq!(code(&rig.order(&fields)).0, wanted, "{fields}");
    }
    let named = limit("0.1", "64000") + r#","orderLinkId":"x""#;
    assert_eq!(code(&rig.order(&named)).0, 0);
    assert_eq!(code(&rig.order(&named)).0, 110072);
    let body = r#"{"category":"linear"}"#;
    assert_eq!(code(&rig.post("/v5/order/cancel-all", body)).0, 10001);
    assert_eq!(code(&rig.get("/v5/order/realtime", "category=linear")).0, 10001);
    let body = r#"{"category":"spot"}"#;
    assert_eq!(code(&rig.post("/v5/order/cancel-all", body)).0, 0);
    assert_eq!(rig.exchange.open_orders(ME, None).len(), 1, "spot only");
    let body = r#"{"category":"linear","symbol":"BTCUSDT"}"#;
    let all = rig.post("/v5/order/cancel-all", body);
    assert_eq!(member(&all, "orderId").len(), 36);
}

#[test]
fn positions_leverage_and_modes() {
    let mut rig = rig();
    rig.order(MARKET_BUY);
    let list = rig.get("/v5/position/list", "category=linear&settleCoin=USDT");
    compare(&list, fixture!("rest_position_list"), &["leverageSysUpdatedTime", "bustPrice"]);
    assert_eq!(member(&list, "avgPrice"), "65001");
    let leverage = |value: &str| {
        format!(
            r#"{{"category":"linear","symbol":"BTCUSDT","buyLeverage":"{value}","sellLeverage":"{value}"}}"#
        )
    };
    let path = "/v5/position/set-leverage";
    let reply = rig.post(path, &leverage("20"));
    compare(&reply, fixture!("rest_position_set_leverage"), &[]);
    assert_eq!(code(&rig.post(path, &leverage("20"))).0, 110043);
    assert_eq!(code(&rig.post(path, &leverage("101"))).0, 110013);
    let switch = r#"{"category":"linear","symbol":"BTCUSDT","mode":0}"#;
    assert_eq!(code(&rig.post("/v5/position/switch-mode", switch)).0, 110025);
    let isolated = r#"{"setMarginMode":"ISOLATED_MARGIN"}"#;
    assert_eq!(code(&rig.post("/v5/account/set-margin-mode", isolated)).0, 3_400_045);
    rig.order(r#""side":"Sell","orderType":"Market","qty":"0.2""#);
    assert_eq!(code(&rig.post("/v5/account/set-margin-mode", isolated)).0, 0);
    assert_eq!(member(&rig.get("/v5/account/info", ""), "marginMode"), "ISOLATED_MARGIN");
    assert_eq!(rig.exchange.position(ME, PERP).unwrap().mode, SimMarginMode::Isolated);
    let flat = json(&rig.get("/v5/position/list", "category=linear&symbol=BTCUSDT"));
    assert_eq!(flat["result"]["list"][0]["side"], "");
    let none = json(&rig.get("/v5/position/list", "category=linear&settleCoin=USDT"));
    assert!(none["result"]["list"].as_array().unwrap().is_empty());
}

/// Who ends the payments of a contract knows it by the name that messages have.
#[test]
fn a_rate_is_set_by_the_name_of_messages_too() {
    let mut rig = rig();
    rig.exchange.set_funding_rate(PERP, Some(dec("0.0001")));
    rig.live(2_000);
    assert_eq!(rig.exchange.mark(PERP, rig.now).unwrap().rate, dec("0.0001"));
    rig.exchange.set_funding_rate("BTCUSDT", Some(dec("0")));
    rig.live(2_000);
    assert_eq!(rig.exchange.mark(PERP, rig.now).unwrap().rate, dec("0"));
}

#[test]
fn funding_is_an_execution_and_a_settlement() {
    let mut rig = rig();
    rig.listen(r#""execution.linear","wallet""#);
    rig.order(MARKET_BUY);
    rig.exchange.set_mark(PERP, Some(dec("65000")));
    rig.exchange.set_funding_rate(PERP, Some(dec("0.0001")));
    rig.live(1_000);
    rig.told();
    // 2023-11-14 22:13:20: the next payment is at midnight.
    rig.live(2 * HOUR);
    let heard = {
        let all = rig.taken();
        // It has been silent for too long, too.
        let own = all.into_iter().filter(|(conn, text)| *conn == PRIVATE && text.starts_with('{'));
        own.map(|(_, text)| json(&text)).collect::<Vec<_>>()
    };
    let paid = heard.iter().find(|message| message["topic"] == "execution.linear").unwrap();
    let row = &paid["data"][0];
    assert_eq!(
        (&row["execType"], &row["execFee"], &row["feeRate"], &row["execQty"]),
        (&"Funding".into(), &"1.3".into(), &"0.0001".into(), &"0.2".into())
    );
    assert!(heard.iter().any(|message| message["topic"] == "wallet"));
    let log = rig.get("/v5/account/transaction-log", "category=linear&accountType=UNIFIED");
    compare(&log, fixture!("rest_transaction_log"), &[]);
    let rows = &json(&log)["result"]["list"];
    assert_eq!((&rows[0]["type"], &rows[0]["change"]), (&"SETTLEMENT".into(), &"-1.3".into()));
    assert_eq!((&rows[1]["type"], &rows[1]["change"]), (&"TRADE".into(), &"-7.15011".into()));
    assert_eq!(rows[0]["cashBalance"], "99991.54989");
    let only = rig.get("/v5/execution/list", "category=linear&execType=Funding");
    assert_eq!(json(&only)["result"]["list"].as_array().unwrap().len(), 1);
    let history = rig.public("/v5/market/funding/history", "category=linear&symbol=BTCUSDT");
    compare(&history, fixture!("rest_funding_history"), &[]);
    let half = "category=linear&symbol=BTCUSDT&startTime=1";
    assert_eq!(code(&rig.public("/v5/market/funding/history", half)).0, 10001);
}

#[test]
fn a_liquidation_is_public_and_an_execution_of_no_own_order() {
    let mut rig = rig();
    rig.listen(ALL);
    rig.say(LINEAR, r#"{"op":"subscribe","args":["allLiquidation.BTCUSDT"]}"#);
    rig.order(r#""side":"Sell","orderType":"Market","qty":"10""#);
    rig.told();
    rig.exchange.set_mark(PERP, Some(dec("74800")));
    rig.live(1_000);
    let all = rig.taken();
    let public = all.iter().find(|(conn, _)| *conn == LINEAR).unwrap();
    compare(&public.1, fixture!("ws_public_all_liquidation"), &[]);
    assert_eq!(json(&public.1)["data"][0]["S"], "Sell", "a short was liquidated");
    let own: Vec<Value> =
        all.iter().filter(|(conn, _)| *conn == PRIVATE).map(|(_, text)| json(text)).collect();
    let bust = own.iter().find(|message| message["topic"] == "execution").unwrap();
    assert_eq!(bust["data"][0]["execType"], "BustTrade");
    assert!(!own.iter().any(|message| message["topic"] == "execution.fast"), "trades only");
}

#[test]
fn orders_go_when_every_protected_socket_has_been_gone_for_long_enough() {
    let mut rig = rig();
    rig.listen(r#""dcp.future""#);
    rig.open(OTHER_PRIVATE, "/v5/private", "").unwrap();
    rig.login(OTHER_PRIVATE);
    rig.say(OTHER_PRIVATE, r#"{"op":"subscribe","args":["order"]}"#);
    let set = r#"{"product":"DERIVATIVES","timeWindow":10}"#;
    assert_eq!(code(&rig.post("/v5/order/disconnected-cancel-all", set)).0, 0);
    let info = rig.get("/v5/account/query-dcp-info", "");
    compare(&info, fixture!("rest_dcp_info"), &[]);
    rig.order(r#""side":"Buy","orderType":"Limit","qty":"0.1","price":"64000""#);
    rig.create(r#""side":"Buy","orderType":"Limit","qty":"0.001","price":"64000""#);
    rig.live(60_000);
    assert_eq!(rig.exchange.open_orders(ME, None).len(), 2);
    rig.wire.on_ws_closed(PRIVATE);
    rig.live(9_000);
    assert_eq!(rig.exchange.open_orders(ME, None).len(), 2);
    rig.taken();
    rig.live(2_000);
    let told = rig.taken().into_iter().find(|(_, text)| text.contains("\"topic\":\"order\""));
    let told = json(&told.unwrap().1);
    assert_eq!(told["data"][0]["cancelType"], "CancelByDCP");
    let left = rig.exchange.open_orders(ME, None);
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].request.symbol, "BTCUSDT", "spot is not protected");
}

#[test]
fn a_protected_socket_that_goes_before_the_next_timer_has_protected() {
    let mut rig = rig();
    rig.listen(r#""dcp.future""#);
    let set = r#"{"product":"DERIVATIVES","timeWindow":3}"#;
    assert_eq!(code(&rig.post("/v5/order/disconnected-cancel-all", set)).0, 0);
    rig.order(r#""side":"Buy","orderType":"Limit","qty":"0.1","price":"64000""#);
    rig.wire.on_ws_closed(PRIVATE);
    rig.live(2_000);
    assert_eq!(rig.exchange.open_orders(ME, None).len(), 1);
    rig.live(2_000);
    assert!(rig.exchange.open_orders(ME, None).is_empty());
}

#[test]
fn another_accounts_trade_fills_a_resting_reduction_and_no_more() {
    let mut rig = rig();
    rig.order(MARKET_BUY);
    let reduce =
        r#""side":"Sell","orderType":"Limit","qty":"1","price":"65000.5","reduceOnly":true"#;
    assert_eq!(code(&rig.order(reduce)).0, 0);
    let request = PlaceRequest {
        symbol: PERP.to_owned(),
        client_id: "theirs".to_owned(),
        side: Side::Buy,
        order_type: SimOrderType::Limit,
        time_in_force: TimeInForce::Ioc,
        price: dec("65000.5"),
        qty: dec("5"),
        reduce_only: false,
    };
    rig.exchange.place(AccountId(1), request, NOW).unwrap();
    assert!(rig.exchange.position(ME, PERP).unwrap().qty.is_zero());
}
