//! What an account hears, and how long it listens.

use super::super::super::super::shapes::compare;
use super::*;

/// Members that only some recordings have.
const OPTIONAL: &[&str] = &["er", "M"];

#[test]
fn a_market_fill_is_told_in_short_in_full_and_as_balance_and_position() {
    let mut venue = listening();
    let out = venue.call_all("order.place", &market("BUY", "0.1", ""));
    let heard = Usdm::heard(&out);
    let names: Vec<_> = heard.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["ORDER_TRADE_UPDATE", "TRADE_LITE", "ORDER_TRADE_UPDATE", "ACCOUNT_UPDATE"]);
    compare(&heard[0].1.to_string(), fixture!("user_order_new_real"), &[]);
    compare(&heard[1].1.to_string(), fixture!("user_trade_lite_real"), &[]);
    let fill = &heard[2].1["o"];
    assert_eq!((&fill["x"], &fill["X"]), (&"TRADE".into(), &"FILLED".into()));
    assert_eq!(
        (&fill["n"], &fill["L"], &fill["m"]),
        (&"0.00505".into(), &"101".into(), &false.into())
    );
    compare(&heard[3].1.to_string(), fixture!("user_account_update_real"), &[]);
    let account = &heard[3].1["a"];
    assert_eq!((&account["m"], &account["B"][0]["wb"]), (&"ORDER".into(), &"999.99495000".into()));
    assert_eq!((&account["P"][0]["pa"], &account["P"][0]["ep"]), (&"0.1".into(), &"101".into()));
}

#[test]
fn a_resting_order_is_told_of_its_fills_amendment_and_cancel() {
    let mut venue = listening();
    let out = venue
        .call_all("order.place", &limit("BUY", "0.5", "99.5", r#","newClientOrderId":"mine""#));
    let heard = Usdm::heard(&out);
    compare(&heard[0].1.to_string(), fixture!("user_order_new_limit_real"), OPTIONAL);
    assert_eq!(heard[0].1["o"]["b"], "49.75", "bid notional");
    assert_eq!(heard.len(), 1, "margin is not told");
    venue.other(Side::Sell, "0.1", "99.5");
    let out = venue.publish();
    let heard = Usdm::heard(&out);
    let optional = ["er", "AP", "cr", "pm", "gtd"];
    compare(&heard[1].1.to_string(), fixture!("user_order_partial"), &optional);
    assert_eq!(heard[1].1["o"]["m"], true);
    let id = heard[1].1["o"]["i"].clone();
    let params = format!(
        r#""symbol":"BTCUSDT","side":"BUY","orderId":{id},"quantity":"0.4","price":"99.4","modifyId":77"#
    );
    let out = venue.call_all("order.modify", &params);
    let amended = &Usdm::heard(&out)[0].1["o"];
    assert_eq!((&amended["x"], &amended["M"]), (&"AMENDMENT".into(), &77.into()));
    let unnamed = params.replace(r#","modifyId":77"#, "").replace("99.4", "99.3");
    let out = venue.call_all("order.modify", &unnamed);
    let amended = &Usdm::heard(&out)[0].1["o"];
    assert_eq!((&amended["x"], amended.get("M")), (&"AMENDMENT".into(), None), "nothing to return");
    let out = venue.call_all("order.cancel", r#""symbol":"BTCUSDT","origClientOrderId":"mine""#);
    let heard = Usdm::heard(&out);
    compare(&heard[0].1.to_string(), fixture!("user_order_canceled_real"), OPTIONAL);
    assert_eq!((&heard[0].1["o"]["c"], &heard[0].1["o"]["z"]), (&"mine".into(), &"0.1".into()));
}

#[test]
fn what_the_venue_ends_expires_with_its_reason() {
    let mut venue = listening();
    let ioc = limit("BUY", "0.5", "99", "").replace("GTC", "IOC");
    let heard = Usdm::heard(&venue.call_all("order.place", &ioc));
    assert_eq!((&heard[1].1["o"]["x"], &heard[1].1["o"]["er"]), (&"EXPIRED".into(), &"2".into()));
    venue.call("order.place", &market("BUY", "1", ""));
    venue.call("order.place", &limit("SELL", "1", "105", r#","reduceOnly":"true""#));
    let heard = Usdm::heard(&venue.call_all("order.place", &market("SELL", "1", "")));
    let knocked = heard.iter().find(|(_, event)| event["o"]["er"] == "4").unwrap();
    assert_eq!((&knocked.1["o"]["X"], &knocked.1["o"]["R"]), (&"EXPIRED".into(), &true.into()));
}

#[test]
fn funding_and_liquidation_are_told() {
    let mut venue = listening();
    venue.call("order.place", &market("BUY", "9", ""));
    venue.exchange.set_mark("BTCUSDT", Some(d("100")));
    venue.exchange.set_funding_rate("BTCUSDT", Some(d("0.0001")));
    venue.pass(1_000);
    let mut out = WireOut::new();
    for _ in 0..6 {
        venue.http("PUT", "/fapi/v1/listenKey", "", "", Some(KEY));
        out.extend(venue.pass(50 * 60_000));
    }
    let heard = Usdm::heard(&out);
    assert_eq!(heard.len(), 1, "{heard:?}");
    let account = &heard[0].1["a"];
    assert_eq!((&account["m"], &account["B"][0]["bc"]), (&"FUNDING_FEE".into(), &"-0.09".into()));
    assert!(account["P"].as_array().unwrap().is_empty(), "cross: no position");
    venue.exchange.set_mark("BTCUSDT", Some(d("0.5")));
    let liquidation = venue.exchange.position(ACCOUNT, "BTCUSDT").unwrap().liquidation;
    assert_eq!(liquidation, None, "nine at 101 are less than a thousand");
    venue.call("order.place", &limit("SELL", "9", "105", ""));
    venue.call("order.place", &market("SELL", "9", ""));
    // Short thirty at about 98, which 980 bear up to about 130.
    venue.exchange.set_level("BTCUSDT", Side::Buy, d("98"), d("40"), T);
    venue.exchange.set_mark("BTCUSDT", None);
    venue.pass(1_000);
    venue.call("order.place", &market("SELL", "30", ""));
    let end = venue.exchange.position(ACCOUNT, "BTCUSDT").unwrap().liquidation.unwrap();
    venue.exchange.set_mark("BTCUSDT", Some(end - d("0.05")));
    let heard = Usdm::heard(&venue.pass(1_000));
    let call = heard.iter().find(|(name, _)| name == "MARGIN_CALL").unwrap();
    compare(&call.1.to_string(), fixture!("user_margin_call"), &[]);
    venue.exchange.set_mark("BTCUSDT", Some(d("140")));
    let heard = Usdm::heard(&venue.pass(1_000));
    let filled = heard.iter().find(|(_, event)| event["o"]["x"] == "CALCULATED").unwrap();
    let optional = ["er", "pm", "AP", "cr", "W"];
    let wrapped = json(fixture!("user_order_liquidation"))["data"].to_string();
    compare(&filled.1.to_string(), &wrapped, &optional);
    assert!(filled.1["o"]["c"].as_str().unwrap().starts_with("autoclose-"));
    let ended = heard.iter().find(|(_, event)| event["o"]["er"] == "5").unwrap();
    assert_eq!(ended.1["o"]["X"], "EXPIRED");
}

#[test]
fn listen_keys_are_the_same_until_they_expire() {
    let mut venue = listening();
    let key = venue.listen_key();
    assert_eq!(venue.listen_key(), key);
    let started = venue.call("userDataStream.start", "");
    compare(&started, fixture!("ws_user_stream_start_response"), &["rateLimits"]);
    assert_eq!(json(&started)["result"]["listenKey"], key);
    // A wrong key is let in and hears nothing; another form of address hears what it asked for.
    let (wrong, chosen) = (ConnId(20), ConnId(21));
    venue.open(wrong, "/private/ws/nonsense", "").unwrap();
    let query = format!("listenKey={key}&events=ORDER_TRADE_UPDATE/ACCOUNT_UPDATE");
    venue.open(chosen, "/private/stream", &query).unwrap();
    let out = venue.call_all("order.place", &market("BUY", "0.1", ""));
    assert!(only_text(&out, wrong).is_empty());
    let texts = only_text(&out, chosen);
    assert_eq!(texts.len(), 3, "no TRADE_LITE");
    assert_eq!(json(&texts[0])["stream"], "ORDER_TRADE_UPDATE");
    venue.pass(59 * 60_000);
    let kept = venue.http("PUT", "/fapi/v1/listenKey", "", "", Some(KEY));
    assert_eq!(kept.status, 200);
    venue.pass(59 * 60_000);
    let out = venue.pass(60_000);
    let last = Usdm::heard(&out).pop().unwrap().1;
    compare(&last.to_string(), fixture!("user_listen_key_expired"), &[]);
    let gone = venue.http("PUT", "/fapi/v1/listenKey", "", "", Some(KEY));
    assert_eq!(json(&gone.body)["code"], -1125);
    assert_ne!(venue.listen_key(), key);
    let out = venue.call_all("order.place", &market("BUY", "0.1", ""));
    assert!(only_text(&out, USER).is_empty(), "the old key is silent for ever");
    let refused = venue.http("POST", "/fapi/v1/listenKey", "", "", Some("nobody"));
    assert_eq!(refused.status, 401);
    assert!(!out.iter().any(|(_, what)| matches!(what, WsOut::Close(..))));
}

#[test]
fn a_listen_key_can_be_subscribed_to_like_a_stream() {
    let mut venue = venue();
    let key = venue.listen_key();
    venue.open(USER, "/private/stream", "").unwrap();
    assert!(Usdm::heard(&venue.call_all("order.place", &market("BUY", "0.1", ""))).is_empty());
    let request = format!(r#"{{"method":"SUBSCRIBE","params":["{key}"],"id":3}}"#);
    let ack = json(&only_text(&venue.send(USER, &request), USER)[0]);
    assert_eq!(ack, serde_json::json!({"result": null, "id": 3}));
    let out = venue.call_all("order.place", &market("BUY", "0.1", ""));
    let told: Vec<Value> = only_text(&out, USER).iter().map(|text| json(text)).collect();
    assert!(told.iter().all(|told| told["stream"] == *key), "{told:?}");
    let last = &told.last().unwrap()["data"];
    assert_eq!((&last["e"], &last["a"]["P"][0]["pa"]), (&"ACCOUNT_UPDATE".into(), &"0.2".into()));
}
