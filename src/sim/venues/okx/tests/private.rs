//! Balances, positions, margin and funding, as channels and as REST tell them.

use super::*;

const SWAP: &str = "BTC-USDT-SWAP";
const SWAP_CODE: u64 = 10_459;

/// A rig with a book of the swap, its account listening to everything.
fn with_swap() -> Rig {
    let mut rig = Rig::with_book();
    for (side, price, qty) in
        [(Side::Buy, "64999.9", "5"), (Side::Buy, "60000", "5"), (Side::Sell, "65000.1", "5")]
    {
        rig.exchange.set_level(SWAP, side, dec(price), dec(qty), rig.now);
    }
    rig.pass(1_000);
    rig.listen();
    rig.taken();
    rig
}

fn order(rig: &mut Rig, fields: &str) -> Value {
    let text = format!(
        r#"{{"id":"7","op":"order","args":[{{"instIdCode":{SWAP_CODE},"tdMode":"cross",{fields}}}]}}"#
    );
    json(&rig.ask(TRADE, &text))["data"][0].clone()
}

/// Messages of a channel to the private socket since, without orders of time.
fn of(rig: &mut Rig, channel: &str) -> Vec<Value> {
    rig.publish();
    let all = rig.taken().into_iter().filter(|(conn, _)| *conn == PRIVATE);
    let texts = all.map(|(_, text)| text).filter(|text| text.starts_with('{'));
    texts.map(|text| json(&text)).filter(|one| one["arg"]["channel"] == channel).collect()
}

#[test]
fn the_account_begins_with_a_snapshot_and_repeats_it() {
    let mut rig = Rig::with(OkxOptions { page: 1, ..OkxOptions::default() });
    rig.fill_book();
    rig.listen();
    let answers = rig.subscribe(PRIVATE, r#"{"channel":"account"}"#);
    let pages: Vec<Value> =
        answers.iter().map(|text| json(text)).filter(|one| one["event"].is_null()).collect();
    assert_eq!(pages.len(), 2, "one currency each");
    for (place, (page, name)) in pages.iter().zip(["BTC", "USDT"]).enumerate() {
        assert_eq!(page["eventType"], "snapshot");
        assert_eq!(
            (&page["curPage"], &page["lastPage"]),
            (&json(&(place + 1).to_string()), &Value::Bool(place == 1))
        );
        assert_eq!(page["data"][0]["details"][0]["ccy"], name);
        assert_eq!(page["data"][0]["totalEq"], "750000");
        assert_eq!(page["arg"], json(r#"{"channel":"account","uid":"614488474791936"}"#));
    }
    rig.pass(4_999);
    assert_eq!(of(&mut rig, "account").len(), 0);
    rig.pass(1);
    assert_eq!(of(&mut rig, "account").len(), 2);
    // Events alone, if that is asked for.
    let quiet = r#"{"channel":"account","extraParams":"{\"updateInterval\": \"0\"}"}"#;
    let again = rig.subscribe(PRIVATE, quiet);
    assert_eq!(again.iter().filter(|text| text.contains("snapshot")).count(), 2);
    rig.pass(20_000);
    assert_eq!(of(&mut rig, "account").len(), 0);
}

#[test]
fn changes_of_balances_are_merged_for_fifty_milliseconds() {
    let mut rig = Rig::with_book();
    rig.listen();
    rig.subscribe(PRIVATE, r#"{"channel":"account"}"#);
    rig.place(r#""side":"buy","ordType":"limit","px":"64000","sz":"0.01""#);
    rig.publish();
    rig.now += 49;
    rig.place(r#""side":"buy","ordType":"limit","px":"64000","sz":"0.01""#);
    assert_eq!(of(&mut rig, "account").len(), 0);
    rig.now += 1;
    let told = of(&mut rig, "account");
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["eventType"], "event_update");
    assert!(told[0]["curPage"].is_null() && told[0]["lastPage"].is_null());
    let details = told[0]["data"][0]["details"].as_array().unwrap();
    assert_eq!(details.len(), 1, "only what changed");
    let names = ["ccy", "eq", "cashBal", "availBal", "availEq", "frozenBal", "ordFrozen"];
    let expected = ["USDT", "100000", "100000", "98720", "98720", "1280", "1280"];
    assert_eq!(texts(&details[0], names), expected);
    let rest = rig.get("/account/balance", "ccy=USDT");
    assert_eq!(texts(&rest["data"][0]["details"][0], names), expected);
    assert_eq!(rest["data"][0]["details"].as_array().unwrap().len(), 1);
}

#[test]
fn a_position_is_opened_reduced_and_closed() {
    let mut rig = with_swap();
    for arg in [
        r#"{"channel":"positions","instType":"SWAP","extraParams":"{\"updateInterval\":\"0\"}"}"#,
        r#"{"channel":"balance_and_position"}"#,
    ] {
        rig.subscribe(PRIVATE, arg);
    }
    let bought = order(&mut rig, r#""side":"buy","ordType":"market","sz":"100.5""#);
    assert_eq!(bought["sCode"], "0", "{bought}");
    rig.publish();
    let told = rig.taken();
    let find = |channel: &str| {
        let mut all = told.iter().map(|(_, text)| json(text));
        all.rfind(|one| one["arg"]["channel"] == channel).unwrap()
    };
    let row = &find("orders")["data"][0];
    let names =
        ["state", "fillSz", "fee", "feeCcy", "fillPnl", "lever", "posSide", "tdMode", "ccy"];
    let fee = dec("1.005") * dec("65000.1") * dec("0.0005");
    let fee = (-fee).normalize().to_string();
    let expected = ["filled", "100.5", &fee, "USDT", "0", "10", "net", "cross", "USDT"];
    assert_eq!(texts(row, names), expected);
    shapes::same(&find("balance_and_position"), "ws_balance_and_position");
    let both = &find("balance_and_position")["data"][0];
    assert_eq!(both["eventType"], "filled");
    assert_eq!(texts(&both["posData"][0], ["pos", "avgPx"]), ["100.5", "65000.1"]);
    rig.now += 50;
    let positions = of(&mut rig, "positions");
    assert_eq!(positions.len(), 1);
    assert_eq!(positions[0]["eventType"], "event_update");
    let row = &positions[0]["data"][0];
    let names = ["pos", "avgPx", "lever", "mgnMode", "posSide", "fee", "realizedPnl", "ccy"];
    let expected = ["100.5", "65000.1", "10", "cross", "net", &fee, &fee, "USDT"];
    assert_eq!(texts(row, names), expected);
    let upl = (dec("65000") - dec("65000.1")) * dec("1.005");
    assert_eq!(texts(row, ["upl"]), [upl.normalize().to_string()]);
    let rest = rig.get("/account/positions", "instType=SWAP");
    shapes::covers(&rest, "rest_positions_swap");
    assert_eq!(texts(&rest["data"][0], names), expected);
    // Reduce-only orders larger than the position are refused as a whole.
    let sell = r#""side":"sell","ordType":"market","reduceOnly":true,"sz""#;
    assert_eq!(order(&mut rig, &format!(r#"{sell}:"100.51""#))["sCode"], "51169");
    assert_eq!(order(&mut rig, &format!(r#"{sell}:"100.5""#))["sCode"], "0");
    rig.publish();
    rig.now += 50;
    let closed = of(&mut rig, "positions");
    assert_eq!(texts(&closed[0]["data"][0], ["pos", "avgPx"]), ["0", ""]);
    assert_eq!(rig.get("/account/positions", "")["data"], json("[]"));
    let names = ["side", "fillSz", "fillPnl", "feeCcy", "instType"];
    let fills = rig.get("/trade/fills", "instType=SWAP");
    let pnl = (dec("-0.2") * dec("1.005")).normalize().to_string();
    assert_eq!(texts(&fills["data"][0], names), ["sell", "100.5", &pnl, "USDT", "SWAP"]);
}

#[test]
fn swaps_are_sized_in_contracts_and_asked_for_in_one_margin_mode() {
    let mut rig = with_swap();
    let limit = r#""side":"buy","ordType":"limit","px":"64000","sz""#;
    assert_eq!(order(&mut rig, &format!(r#"{limit}:"0.005""#))["sCode"], "51020");
    assert_eq!(order(&mut rig, &format!(r#"{limit}:"1.005""#))["sCode"], "51121");
    assert_eq!(order(&mut rig, &format!(r#"{limit}:"3000""#))["sCode"], "51008");
    assert_eq!(order(&mut rig, &format!(r#"{limit}:"3""#))["sCode"], "0");
    rig.publish();
    let pending = rig.get("/trade/orders-pending", "instType=SWAP");
    let names = ["sz", "accFillSz", "tdMode", "lever"];
    assert_eq!(texts(&pending["data"][0], names), ["3", "0", "cross", "10"]);
    let text = format!(
        r#"{{"id":"7","op":"order","args":[{{"instIdCode":{SWAP_CODE},"tdMode":"isolated",{limit}:"1"}}]}}"#
    );
    let other = json(&rig.ask(TRADE, &text));
    assert_eq!(other["data"][0]["sCode"], "51000", "an order of the other mode is open");
    assert_eq!(
        order(&mut rig, r#""side":"buy","posSide":"long","ordType":"market","sz":"1""#)["sCode"],
        "51000"
    );
    rig.exchange.cancel_all(crate::sim::AccountId(0), None, rig.now);
    assert_eq!(json(&rig.ask(TRADE, &text))["data"][0]["sCode"], "0");
}

#[test]
fn leverage_is_set_and_told() {
    let mut rig = with_swap();
    let body = r#"{"instId":"BTC-USDT-SWAP","lever":"5","mgnMode":"cross"}"#;
    let set = rig.post("/account/set-leverage", body);
    shapes::same(&set, "rest_set_leverage_ack");
    assert_eq!(texts(&set["data"][0], ["lever", "mgnMode", "instId"]), ["5", "cross", SWAP]);
    let told = rig.get("/account/leverage-info", "instId=BTC-USDT-SWAP&mgnMode=cross");
    assert_eq!(told["data"][0]["lever"], "5");
    let quiet = r#"{"channel":"positions","instType":"SWAP"}"#;
    rig.subscribe(PRIVATE, quiet);
    rig.now += 50;
    assert_eq!(of(&mut rig, "positions").len(), 0, "there is no position to tell of");
    let too_much = rig.post("/account/set-leverage", &body.replace("\"5\"", "\"101\""));
    assert_eq!(too_much["code"], "59102");
    let spot = rig.post("/account/set-leverage", &body.replace("-SWAP", ""));
    assert_eq!(spot["code"], "51001");
}

#[test]
fn funding_is_a_bill_of_type_eight_and_moves_the_balance() {
    let mut rig = with_swap();
    rig.subscribe(PRIVATE, r#"{"channel":"balance_and_position"}"#);
    order(&mut rig, r#""side":"buy","ordType":"market","sz":"100""#);
    rig.exchange.set_funding_rate(SWAP, Some(dec("0.0001")));
    rig.exchange.set_mark(SWAP, Some(dec("65000")));
    rig.pass(1_000);
    rig.taken();
    rig.now = 1_700_006_400_000;
    rig.pass(0);
    let told = of(&mut rig, "balance_and_position");
    let row = &told.last().unwrap()["data"][0];
    assert_eq!(row["eventType"], "funding_fee");
    assert_eq!(row["balData"][0]["ccy"], "USDT");
    let bills = rig.get("/account/bills", "type=8&instType=SWAP");
    let names = ["type", "subType", "balChg", "ccy", "instId", "sz", "px"];
    let expected = ["8", "173", "-6.5", "USDT", SWAP, "100", "65000"];
    assert_eq!(texts(&bills["data"][0], names), expected);
    assert_eq!(bills["data"][0]["bal"], row["balData"][0]["cashBal"]);
    assert_eq!(rig.get("/account/bills", "type=2")["data"], json("[]"));
    let position = rig.get("/account/positions", "");
    assert_eq!(position["data"][0]["fundingFee"], "-6.5");
}

#[test]
fn a_liquidation_is_an_order_of_the_venue() {
    let mut rig = with_swap();
    let body = r#"{"instId":"BTC-USDT-SWAP","lever":"100","mgnMode":"cross"}"#;
    rig.post("/account/set-leverage", body);
    assert_eq!(order(&mut rig, r#""side":"buy","ordType":"market","sz":"480""#)["sCode"], "0");
    order(&mut rig, r#""side":"buy","ordType":"limit","px":"63100","sz":"1","clOrdId":"rest1""#);
    rig.told();
    rig.exchange.set_mark(SWAP, Some(dec("44000")));
    rig.pass(1_000);
    let told = rig.told();
    let names = ["clOrdId", "category", "state", "cancelSource"];
    let rows: Vec<_> = told.iter().map(|row| texts(row, names).join(",")).collect();
    assert_eq!(rows[0], "rest1,normal,canceled,3");
    assert_eq!(rows[1], ",full_liquidation,live,");
    assert_eq!(rows.last().unwrap(), ",full_liquidation,filled,");
    shapes::covers(
        &json(&format!(r#"{{"arg":{{"channel":"orders","instType":"SWAP"}},"data":[{}]}}"#, {
            let mut row = told.last().unwrap().clone();
            // Only REST names this member; the recorded push has it too.
            row["cancelSourceReason"] = json("\"\"");
            row
        })),
        "ws_orders_liquidation",
    );
    assert_eq!(rig.get("/account/positions", "")["data"], json("[]"));
}

#[test]
fn a_position_is_closed_at_the_market() {
    let mut rig = with_swap();
    let body = r#"{"instId":"BTC-USDT-SWAP","mgnMode":"cross","autoCxl":true}"#;
    assert_eq!(rig.post("/trade/close-position", body)["code"], "51023");
    let isolated = body.replace("cross", "isolated");
    order(&mut rig, r#""side":"sell","ordType":"market","sz":"100""#);
    order(&mut rig, r#""side":"buy","ordType":"limit","px":"64000","sz":"100","reduceOnly":true"#);
    assert_eq!(rig.post("/trade/close-position", &isolated)["code"], "51023");
    let closed = rig.post("/trade/close-position", body);
    shapes::same(&closed, "rest_close_position_ack");
    let told = rig.told();
    let ends: Vec<_> =
        told.iter().map(|row| texts(row, ["side", "state", "cancelSource"]).join(",")).collect();
    let expected =
        ["sell,live,", "sell,filled,", "buy,live,", "buy,canceled,17", "buy,live,", "buy,filled,"];
    assert_eq!(ends, expected);
    assert_eq!(rig.get("/account/positions", "")["data"], json("[]"));
}

#[test]
fn a_resting_reduce_only_order_shrinks_with_the_position() {
    let mut rig = with_swap();
    order(&mut rig, r#""side":"buy","ordType":"market","sz":"100""#);
    let resting = r#""side":"sell","ordType":"limit","px":"66000","sz":"100","reduceOnly":true"#;
    order(&mut rig, resting);
    rig.told();
    order(&mut rig, r#""side":"sell","ordType":"market","sz":"40""#);
    let told = rig.told();
    let shrunk = told.iter().find(|row| row["amendSource"] == "4").unwrap();
    assert_eq!(texts(shrunk, ["state", "sz", "reduceOnly"]), ["live", "60", "true"]);
    order(&mut rig, r#""side":"sell","ordType":"market","sz":"60""#);
    let told = rig.told();
    let gone = told.iter().find(|row| row["cancelSource"] == "23").unwrap();
    assert_eq!(gone["state"], "canceled");
}
