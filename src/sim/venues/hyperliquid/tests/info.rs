//! Questions: what they are answered, and which cannot be read.

use super::*;

#[test]
fn what_cannot_be_read_is_refused_with_a_text() {
    let mut rig = Rig::with_books();
    for body in [
        "",
        "[]",
        "{}",
        r#"{"type":"nope"}"#,
        r#"{"type":"l2Book"}"#,
        r#"{"type":"l2Book","coin":"NOPE"}"#,
        r#"{"type":"l2Book","coin":"BTC","nSigFigs":7}"#,
        r#"{"type":"l2Book","coin":"BTC","nSigFigs":3,"mantissa":2}"#,
        r#"{"type":"openOrders"}"#,
        r#"{"type":"openOrders","user":"0x12"}"#,
        r#"{"type":"userFillsByTime","user":"0x1111111111111111111111111111111111111111"}"#,
    ] {
        let reply = rig.http("/info", body);
        let text = "Failed to deserialize the JSON body into the target type";
        assert_eq!((reply.status, &*reply.body), (422, text), "{body}");
    }
    for body in ["", "{}", r#"{"action":{"type":"noop"},"nonce":"1","signature":{}}"#] {
        assert_eq!(rig.http("/exchange", body).status, 422, "{body}");
    }
    assert_eq!(rig.http("/nothing", "{}").status, 404);
    let get = HttpRequest {
        method: "GET".to_owned(),
        path: "/info".to_owned(),
        ..HttpRequest::default()
    };
    let reply = rig.wire.on_http(&get, &mut rig.exchange, NOW, &mut rig.out);
    assert_eq!(reply.status, 405);
}

#[test]
fn strangers_have_nothing() {
    let mut rig = Rig::with_books();
    let mut ask = |name: &str| {
        rig.info(json!({"type": name, "user": Address([9; 20]).to_string(), "startTime": 0, "coin": "BTC"}))
    };
    for name in [
        "openOrders",
        "frontendOpenOrders",
        "historicalOrders",
        "userFills",
        "userFillsByTime",
        "userFunding",
        "extraAgents",
    ] {
        assert_eq!(ask(name), json!([]), "{name}");
    }
    assert_eq!(ask("spotClearinghouseState"), json!({"balances": []}));
    assert_eq!(ask("clearinghouseState")["marginSummary"]["accountValue"], "0.0");
    assert_eq!(ask("userRole"), json!({"role": "missing"}));
}

#[test]
fn tokens_show_what_orders_hold() {
    let mut rig = Rig::with_books();
    rig.order(limit(10_107, "buy", "30", "10", "Gtc"));
    let balances = rig.info_of_user("spotClearinghouseState");
    let wanted = json!([
        {"coin": "HYPE", "token": 150, "total": "1000.0", "hold": "0.0", "entryNtl": "0.0"},
        {"coin": "USDC", "token": 0, "total": "5000.0", "hold": "300.0", "entryNtl": "0.0"},
    ]);
    assert_eq!(balances["balances"], wanted, "the wallet of perpetuals is another");
    let wallet = rig.info_of_user("clearinghouseState");
    assert_eq!(wallet["withdrawable"], "10000.0");
}

#[test]
fn dollars_move_between_the_wallets() {
    let mut rig = Rig::with_books();
    let transfer = |rig: &mut Rig, amount: &str, to_perp: bool| {
        rig.nonce += 1;
        let action = json!({
            "type": "usdClassTransfer",
            "hyperliquidChain": "Mainnet",
            "signatureChainId": "0xa4b1",
            "amount": amount,
            "toPerp": to_perp,
            "nonce": rig.nonce,
        });
        let signature = sign(&KEY, &auth::user_digest(&action).unwrap());
        let body = json!({"action": action, "nonce": rig.nonce, "signature": signature});
        parsed(&rig.http("/exchange", &body.to_string()).body)
    };
    assert_eq!(transfer(&mut rig, "1000.5", true), done());
    assert_eq!(transfer(&mut rig, "5000", true)["status"], "err", "more than there is");
    assert_eq!(rig.info_of_user("clearinghouseState")["withdrawable"], "11000.5");
    assert_eq!(rig.info_of_user("spotClearinghouseState")["balances"][1]["total"], "3999.5");
    assert_eq!(transfer(&mut rig, "11000.5", false), done());
    assert_eq!(rig.info_of_user("spotClearinghouseState")["balances"][1]["total"], "15000.0");
}

#[test]
fn fills_are_asked_for_by_time_oldest_first() {
    let mut rig = Rig::with_books();
    for _ in 0..3 {
        rig.order(limit(0, "buy", "65001", "0.001", "Ioc"));
        rig.publish();
        rig.now += 1_000;
    }
    let mut times = |name: &str, from: u64, to: Value| -> Vec<u64> {
        let asked = json!({"type": name, "user": address(&KEY), "startTime": from, "endTime": to});
        let fills = rig.info(asked);
        fills.as_array().unwrap().iter().map(|fill| fill["time"].as_u64().unwrap() - NOW).collect()
    };
    assert_eq!(times("userFills", 0, Value::Null), [2_000, 1_000, 0], "newest first");
    assert_eq!(times("userFillsByTime", NOW, Value::Null), [0, 1_000, 2_000]);
    assert_eq!(times("userFillsByTime", NOW + 1, json!(NOW + 1_000)), [1_000]);
}

#[test]
fn fees_and_kind_of_account_are_told() {
    let mut rig = Rig::with_books();
    let fees = rig.info_of_user("userFees");
    let rates = ["userCrossRate", "userAddRate", "userSpotCrossRate", "userSpotAddRate"]
        .map(|name| fees[name].clone());
    assert_eq!(rates, ["0.00045", "0.00015", "0.0007", "0.0004"].map(|text| json!(text)));
    assert_eq!(rig.info_of_user("userAbstraction"), "default");
    assert_eq!(
        rig.info(json!({"type": "exchangeStatus"})),
        json!({"specialStatuses": null, "time": NOW})
    );
}
