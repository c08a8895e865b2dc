//! The life of orders: placed, matched, refused, cancelled, replaced.

use super::*;

const CLOID: &str = "0xa1f0cddc17303d07f3fd128d5b35071d";
const NEVER: &str = "Order was never placed, already canceled, or filled.";

fn statuses(reply: &Value) -> &Value {
    &reply["response"]["data"]["statuses"]
}

#[test]
fn a_resting_order_is_open_until_it_is_cancelled() {
    let mut rig = Rig::with_books();
    let order = with_cloid(limit(0, "buy", "60000", "0.01", "Gtc"), CLOID);
    let status = rig.order(order);
    let oid = status["resting"]["oid"].as_u64().unwrap();
    assert_eq!(status, json!({"resting": {"oid": oid, "cloid": CLOID}}));
    let open = rig.info_of_user("frontendOpenOrders");
    assert_eq!(
        open,
        json!([{
            "coin": "BTC", "side": "B", "limitPx": "60000.0", "sz": "0.01", "oid": oid,
            "timestamp": NOW, "triggerCondition": "N/A", "isTrigger": false, "triggerPx": "0.0",
            "children": [], "isPositionTpsl": false, "reduceOnly": false, "orderType": "Limit",
            "origSz": "0.01", "tif": "Gtc", "cloid": CLOID
        }])
    );
    let cancel = json!({"type": "cancel", "cancels": [{"a": 0, "o": oid}], "f": true});
    let reply = rig.act(cancel.clone());
    let wanted =
        json!({"status": "ok", "response": {"type": "cancel", "data": {"statuses": ["success"]}}});
    assert_eq!(reply, wanted);
    assert_eq!(statuses(&rig.act(cancel)), &json!([error(NEVER)]));
    assert_eq!(rig.info_of_user("openOrders"), json!([]));
    for named in [json!(oid), json!(CLOID)] {
        let asked = json!({"type": "orderStatus", "user": address(&KEY), "oid": named});
        let status = rig.info(asked);
        assert_eq!(
            (&status["status"], &status["order"]["status"]),
            (&json!("order"), &json!("canceled"))
        );
        assert_eq!(status["order"]["order"]["sz"], "0.01", "the remainder stays");
    }
    let unknown = json!({"type": "orderStatus", "user": address(&KEY), "oid": 5});
    assert_eq!(rig.info(unknown), json!({"status": "unknownOid"}));
}

#[test]
fn cancels_are_answered_each_in_its_place() {
    let mut rig = Rig::with_books();
    let order = with_cloid(limit(0, "buy", "60000", "0.01", "Alo"), CLOID);
    rig.order(order);
    let oid = rig.rest(limit(10_107, "buy", "30", "1", "Gtc"));
    let by_cloid = json!({"type": "cancelByCloid", "cancels": [
        {"asset": 1, "cloid": CLOID},
        {"asset": 0, "cloid": CLOID},
        {"asset": 0, "cloid": CLOID},
    ]});
    assert_eq!(statuses(&rig.act(by_cloid)), &json!([error(NEVER), "success", error(NEVER)]));
    let cancels = json!([{"a": 0, "o": oid}, {"a": 10_107, "o": oid}, {"a": 999, "o": oid}]);
    let reply = rig.act(json!({"type": "cancel", "cancels": cancels}));
    assert_eq!(statuses(&reply), &json!([error(NEVER), "success", error(NEVER)]));
    let foreign = rig.rest(limit(0, "buy", "60000", "0.01", "Gtc"));
    let cancel = json!({"type": "cancel", "cancels": [{"a": 0, "o": foreign}]});
    assert_eq!(statuses(&rig.act_as(&OTHER, cancel)), &json!([error(NEVER)]), "another's order");
    let empty = rig.act(json!({"type": "cancel", "cancels": []}));
    assert_eq!(empty["status"], "err");
}

#[test]
fn what_crosses_is_filled_at_the_prices_it_met() {
    let mut rig = Rig::with_books();
    let status = rig.order(limit(0, "buy", "65010", "0.5", "Ioc"));
    let filled = &status["filled"];
    // 0.25 at 65001 and 0.25 at 65010.
    assert_eq!((&filled["totalSz"], &filled["avgPx"]), (&json!("0.5"), &json!("65005.5")));
    let status = rig.order(limit(0, "sell", "64995", "0.7", "Gtc"));
    assert_eq!(status["filled"]["totalSz"], "0.5", "the rest is on the book under the same number");
    let open = rig.info_of_user("openOrders");
    assert_eq!((&open[0]["oid"], &open[0]["sz"]), (&status["filled"]["oid"], &json!("0.2")));
    let status = rig.order(limit(0, "buy", "60000", "0.1", "Ioc"));
    let text = "Order could not immediately match against any resting orders.";
    assert_eq!(status, error(text));
    let history = rig.info_of_user("historicalOrders");
    let newest = &history[0];
    assert_eq!(
        (&newest["status"], &newest["order"]["tif"]),
        (&json!("iocCancelRejected"), &json!("Ioc"))
    );
}

#[test]
fn refusals_have_the_words_of_the_venue_and_a_state_in_the_history() {
    let mut rig = Rig::with_books();
    let mut reducing = limit(0, "sell", "66000", "0.01", "Gtc");
    reducing["r"] = json!(true);
    let mut trigger = limit(0, "sell", "66000", "0.01", "Gtc");
    trigger["t"] = json!({"trigger": {"isMarket": true, "triggerPx": "66000", "tpsl": "tp"}});
    for (order, text, state) in [
        (
            limit(0, "buy", "64000.5", "0.01", "Gtc"),
            "Price must be divisible by tick size.",
            "tickRejected",
        ),
        (
            limit(0, "buy", "50000", "0.0001", "Gtc"),
            "Order must have minimum value of $10.",
            "minTradeNtlRejected",
        ),
        (
            limit(10_107, "buy", "38", "0.2", "Gtc"),
            "Order must have minimum value of 10 USDC.",
            "minTradeNtlRejected",
        ),
        (
            limit(0, "buy", "64000", "100", "Gtc"),
            "Insufficient margin to place order.",
            "perpMarginRejected",
        ),
        (reducing, "Reduce only order would increase position.", "reduceOnlyRejected"),
        (
            limit(0, "buy", "65001", "0.01", "Alo"),
            "Post only order would have immediately matched, bbo was 64999@65001.",
            "badAloPxRejected",
        ),
        (
            limit(10_107, "sell", "39", "1001", "Gtc"),
            "Insufficient spot balance",
            "insufficientSpotBalanceRejected",
        ),
        (
            limit(0, "buy", "5000", "0.1", "Gtc"),
            "Order price too far from oracle",
            "oracleRejected",
        ),
        (trigger, "Invalid TP/SL price.", ""),
        (limit(0, "buy", "64000", "0", "Gtc"), "Order has invalid size.", ""),
        (limit(0, "buy", "64000", "0.000001", "Gtc"), "Order has invalid size.", ""),
        (limit(0, "buy", "0", "1", "Gtc"), "Order has invalid price.", ""),
        (limit(3, "buy", "1", "20", "Gtc"), "Asset 3 is not traded.", ""),
    ] {
        assert_eq!(rig.order(order.clone()), error(text), "{order}");
        if !state.is_empty() {
            let history = rig.info_of_user("historicalOrders");
            assert_eq!(history[0]["status"], state, "{order}");
        }
    }
    assert_eq!(rig.info_of_user("openOrders"), json!([]));
}

#[test]
fn prices_of_any_decade_are_taken_where_five_figures_allow_it() {
    let mut rig = Rig::with_books();
    // Far from the mark of this coin, which has no book and so no oracle.
    for (price, taken) in [("9999.9", true), ("9999.99", false), ("123456", true), ("123.4", true)]
    {
        let status = rig.order(limit(1, "buy", price, "0.1", "Gtc"));
        assert_eq!(status.get("resting").is_some(), taken, "{price}: {status}");
    }
}

#[test]
fn a_batch_is_answered_order_by_order_and_an_empty_one_as_a_whole() {
    let mut rig = Rig::with_books();
    let orders = json!([
        limit(0, "buy", "60000", "0.01", "Gtc"),
        limit(0, "buy", "60000", "0.0001", "Gtc"),
        limit(0, "buy", "65001", "0.01", "Ioc"),
    ]);
    let reply = rig.act(json!({"type": "order", "orders": orders, "grouping": "na"}));
    let rows = statuses(&reply).as_array().unwrap();
    let kinds: Vec<&str> =
        rows.iter().map(|row| &**row.as_object().unwrap().keys().next().unwrap()).collect();
    assert_eq!(kinds, ["resting", "error", "filled"]);
    assert_eq!(rig.act(json!({"type": "order", "orders": [], "grouping": "na"}))["status"], "err");
    let grouped = json!({"type": "order", "orders": orders, "grouping": "normalTpsl"});
    assert_eq!(rig.act(grouped)["status"], "err");
}

#[test]
fn meeting_oneself_cancels_the_resting_order() {
    let mut rig = Rig::with_books();
    let mine = rig.rest(limit(0, "sell", "65000", "0.1", "Gtc"));
    let status = rig.order(limit(0, "buy", "65001", "0.1", "Ioc"));
    assert_eq!(status["filled"]["avgPx"], "65001.0", "what stands behind is met");
    let asked = json!({"type": "orderStatus", "user": address(&KEY), "oid": mine});
    assert_eq!(rig.info(asked)["order"]["status"], "selfTradeCanceled");
}

#[test]
fn a_modified_order_is_another_one_with_the_same_client_id() {
    let mut rig = Rig::with_books();
    let first = rig.order(with_cloid(limit(0, "buy", "60000", "0.01", "Gtc"), CLOID));
    let first = first["resting"]["oid"].as_u64().unwrap();
    let order = with_cloid(limit(0, "buy", "60001", "0.02", "Gtc"), CLOID);
    let modify = json!({"type": "modify", "oid": first, "order": order});
    assert_eq!(rig.act(modify.clone()), done());
    let open = rig.info_of_user("frontendOpenOrders");
    let second = open[0]["oid"].as_u64().unwrap();
    assert_ne!(first, second);
    assert_eq!((&open[0]["tif"], &open[0]["sz"]), (&json!("Alo"), &json!("0.02")), "made passive");
    assert_eq!(rig.act(modify), refused("Cannot modify canceled or filled order"));
    // By client id, and for a price that would take.
    let taking = with_cloid(limit(0, "buy", "65001", "0.02", "Gtc"), CLOID);
    let modify = json!({"type": "modify", "oid": CLOID, "order": taking});
    let text = "Post only order would have immediately matched, bbo was 64999@65001.";
    assert_eq!(rig.act(modify), refused(text));
    assert_eq!(rig.info_of_user("openOrders"), json!([]), "the old one is gone all the same");
    // Always placed, whatever became of the old one.
    let always = json!({"type": "modify", "oid": first, "order": limit(0, "buy", "65001", "0.02", "Ioc"), "a": true});
    assert_eq!(rig.act(always), done());
    assert_eq!(rig.info_of_user("userFills").as_array().unwrap().len(), 1);
}

#[test]
fn a_batch_of_modifications_is_answered_like_orders() {
    let mut rig = Rig::with_books();
    let first = rig.rest(limit(0, "buy", "60000", "0.01", "Gtc"));
    let modifies = json!([
        {"oid": first, "order": limit(0, "buy", "60001", "0.01", "Alo")},
        {"oid": first, "order": limit(0, "buy", "60002", "0.01", "Alo")},
        {"oid": CLOID, "order": limit(0, "buy", "60002", "0.01", "Ioc")},
    ]);
    let reply = rig.act(json!({"type": "batchModify", "modifies": modifies}));
    assert_eq!(reply["response"]["type"], "order");
    let rows = statuses(&reply);
    assert!(rows[0]["resting"]["oid"].as_u64().unwrap() > first);
    assert_eq!(rows[1], error("Cannot modify canceled or filled order"));
    assert!(rows[2]["error"].is_string());
}

#[test]
fn scheduled_cancels_happen_and_are_counted() {
    let mut rig = Rig::with_books();
    let oid = rig.rest(limit(0, "buy", "60000", "0.01", "Gtc"));
    let early = rig.act(json!({"type": "scheduleCancel", "time": NOW + 4_999}));
    let text = "Scheduled cancel time too early, must be at least 5 seconds from now.";
    assert_eq!(early, refused(text));
    assert_eq!(rig.act(json!({"type": "scheduleCancel", "time": NOW + 5_000})), done());
    assert_eq!(rig.act(json!({"type": "scheduleCancel"})), done(), "cleared");
    rig.pass(6_000);
    assert_eq!(rig.info_of_user("openOrders").as_array().unwrap().len(), 1);
    for day in 0..11 {
        let at = rig.now + 5_000;
        let reply = rig.act(json!({"type": "scheduleCancel", "time": at}));
        assert_eq!(reply["status"], if day < 10 { "ok" } else { "err" }, "ten a day");
        rig.pass(5_000);
    }
    let asked = json!({"type": "orderStatus", "user": address(&KEY), "oid": oid});
    assert_eq!(rig.info(asked)["order"]["status"], "scheduledCancel");
    rig.pass(86_400_000);
    let at = rig.now + 5_000;
    assert_eq!(rig.act(json!({"type": "scheduleCancel", "time": at})), done(), "a new day");
}

#[test]
fn a_client_id_is_taken_by_one_open_order() {
    let mut rig = Rig::with_books();
    let order = with_cloid(limit(0, "buy", "60000", "0.01", "Gtc"), CLOID);
    assert!(rig.order(order.clone()).get("resting").is_some());
    assert!(rig.order(order.clone())["error"].is_string());
    let upper = format!("0x{}", CLOID[2..].to_uppercase());
    let cancel = json!({"type": "cancelByCloid", "cancels": [{"asset": 0, "cloid": upper}]});
    assert_eq!(statuses(&rig.act(cancel)), &json!(["success"]));
    assert!(rig.order(order).get("resting").is_some());
}
