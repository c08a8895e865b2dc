//! The ws api, and input that no client should send.

use super::super::super::tests::ed25519_of;
use super::*;
use crate::sim::HttpRequest;

#[test]
fn a_logon_signs_for_the_requests_after_it() {
    let mut venue = venue();
    let payload = format!("apiKey={ED_KEY}&timestamp={T}");
    let logon = format!(
        r#"{{"id":"a","method":"session.logon","params":{{"apiKey":"{ED_KEY}","timestamp":{T},"signature":"{}"}}}}"#,
        ed25519_of(&payload)
    );
    let reply = json(&only_text(&venue.send(API, &logon), API)[0]);
    assert_eq!((&reply["status"], &reply["result"]["apiKey"]), (&200.into(), &ED_KEY.into()));
    let place = format!(
        r#"{{"id":"b","method":"order.place","params":{{{},"timestamp":{T}}}}}"#,
        market("BUY", "0.1", "")
    );
    let reply = json(&only_text(&venue.send(API, &place), API)[0]);
    assert_eq!(reply["status"], 200, "{reply}");
    let late = place.replace(&T.to_string(), &(T - 6_000).to_string());
    let reply = json(&only_text(&venue.send(API, &late), API)[0]);
    assert_eq!(reply["error"]["code"], -1021);
    venue.send(API, r#"{"id":"c","method":"session.logout"}"#);
    let reply = json(&only_text(&venue.send(API, &place), API)[0]);
    assert_eq!(reply["error"]["code"], -1102);
}

#[test]
fn a_bad_signature_is_refused_on_both_wires() {
    let mut venue = venue();
    let signed = venue.signed("order.place", &market("BUY", "0.1", ""));
    let bent = signed.replace("\"quantity\":\"0.1\"", "\"quantity\":\"0.2\"");
    let reply = json(&only_text(&venue.send(API, &bent), API)[0]);
    assert_eq!(reply["error"]["code"], -1022);
    let query = format!("symbol=BTCUSDT&timestamp={T}&signature=00");
    let reply = venue.http("GET", "/fapi/v1/openOrders", &query, "", Some(KEY));
    assert_eq!(json(&reply.body)["code"], -1022);
    assert!(venue.exchange.open_orders(ACCOUNT, None).is_empty());
}

#[test]
fn nothing_that_a_client_sends_breaks_it() {
    let mut venue = venue_of(BinanceUsdm::embedded());
    venue.open(PUBLIC, "/public/ws", "").unwrap();
    venue.open(USER, "/private/ws", "listenKey").unwrap();
    let good = venue.signed("order.place", &limit("BUY", "0.1", "98.5", ""));
    for at in 0..good.len() {
        for change in [&b"\0"[..], b"\"", b"9", b"-", b"}"] {
            let mut bent = good.clone().into_bytes();
            bent.splice(at..=at, change.iter().copied());
            let text = String::from_utf8_lossy(&bent).into_owned();
            for conn in [API, PUBLIC, USER] {
                venue.send(conn, &text);
            }
        }
        venue.send(API, &good[..at]);
    }
    let numbers = ["", "-1", "1e9", "99999999999999999999", "0.000000001", "NaN"];
    for path in super::super::ops::OPS.iter().filter_map(|spec| spec.rest) {
        for number in numbers {
            let query = format!(
                "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity={number}&price={number}&limit={number}&leverage={number}&amount={number}&orderId={number}&countdownTime={number}&triggerPrice={number}&timestamp={T}"
            );
            let request = HttpRequest {
                method: path.0.to_owned(),
                path: path.1.to_owned(),
                query,
                ..HttpRequest::default()
            };
            let reply = venue.http(&request.method, &request.path, &request.query, "", Some(KEY));
            assert!(reply.status == 200 || reply.status >= 400);
            let signed = request.query.split("&timestamp").next().unwrap().to_owned();
            venue.rest(path.0, path.1, &signed);
        }
    }
}
