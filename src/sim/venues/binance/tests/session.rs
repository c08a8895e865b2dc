//! The ws api as a connection: envelope, rate limits in replies, logon, subscriptions.

use super::*;

fn one(venue: &mut Venue, conn: ConnId, text: &str) -> String {
    only_text(&venue.send(conn, text), conn).remove(0)
}

/// A request signed with the Ed25519 key.
fn logon(venue: &Venue, method: &str) -> String {
    let signature = ed25519_of(&format!("apiKey={ED_KEY}&timestamp={}", venue.now_ms));
    format!(
        r#"{{"id":"a","method":"{method}","params":{{"apiKey":"{ED_KEY}","timestamp":{},"signature":"{signature}"}}}}"#,
        venue.now_ms
    )
}

#[test]
fn envelope_and_ids() {
    let mut venue = Venue::new();
    for (id, echoed) in [("7", "7"), ("-7", "-7"), ("null", "null"), (r#""a-b""#, r#""a-b""#)] {
        let reply = one(&mut venue, API, &format!(r#"{{"id":{id},"method":"ping"}}"#));
        assert_eq!(reply, format!(r#"{{"id":{echoed},"status":200,"result":{{}}}}"#));
    }
    assert_eq!(
        one(&mut venue, API, r#"{"id":1,"method":"v3/time"}"#),
        success(&format!(r#"{{"serverTime":{T}}}"#))
    );
    assert_eq!(
        one(&mut venue, API, "{"),
        r#"{"id":null,"status":400,"error":{"code":-1135,"msg":"Invalid JSON Request"}}"#
    );
    assert_eq!(
        one(&mut venue, API, r#"{"method":"ping"}"#),
        r#"{"id":null,"status":400,"error":{"code":-1102,"msg":"Mandatory parameter 'id' was not sent, was empty/null, or malformed."}}"#
    );
    assert_eq!(
        one(&mut venue, API, r#"{"id":1,"method":"order.guess"}"#),
        refusal(400, -1020, "This operation is not supported.")
    );
    assert_eq!(
        one(&mut venue, API, r#"{"id":1,"method":"ping","params":{"x":1}}"#),
        refusal(
            400,
            -1104,
            "Not all sent parameters were read; read '0' parameter(s) but was sent '1'."
        )
    );
    assert_eq!(
        one(&mut venue, API, r#"{"id":1,"method":"account.status"}"#),
        refusal(
            400,
            -1102,
            "Mandatory parameter 'apiKey' was not sent, was empty/null, or malformed."
        )
    );
}

#[test]
fn replies_show_the_limits_unless_told_not_to() {
    let mut venue = Venue::new();
    let loud = ConnId(2);
    venue.open(loud, "/ws-api/v3", "").unwrap();
    let weight = |count: u32| {
        format!(
            r#"{{"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE","intervalNum":1,"limit":6000,"count":{count}}}"#
        )
    };
    assert_eq!(
        one(&mut venue, loud, r#"{"id":1,"method":"ping"}"#),
        format!(r#"{{"id":1,"status":200,"result":{{}},"rateLimits":[{}]}}"#, weight(5))
    );
    assert_eq!(
        one(&mut venue, loud, r#"{"id":1,"method":"ping","params":{"returnRateLimits":false}}"#),
        success("{}")
    );
    let shown =
        one(&mut venue, API, r#"{"id":1,"method":"ping","params":{"returnRateLimits":true}}"#);
    assert!(shown.ends_with(&format!(r#","rateLimits":[{}]}}"#, weight(7))), "{shown}");
    let order = venue.signed(
        "order.place",
        r#""symbol":"BTCUSDT","side":"BUY","type":"LIMIT","timeInForce":"GTC","price":"100","quantity":"0.5","newOrderRespType":"ACK""#,
    );
    let reply = one(&mut venue, loud, &order);
    let orders = r#"{"rateLimitType":"ORDERS","interval":"SECOND","intervalNum":10,"limit":50,"count":1},{"rateLimitType":"ORDERS","interval":"DAY","intervalNum":1,"limit":160000,"count":1}"#;
    assert!(reply.ends_with(&format!(r#","rateLimits":[{orders},{}]}}"#, weight(7))), "{reply}");
}

#[test]
fn logon_replaces_key_and_signature() {
    let mut venue = Venue::new();
    venue.now_ms = T + 10;
    let status = |key: &str, since: &str, stream: bool| {
        format!(
            r#"{{"apiKey":{key},"authorizedSince":{since},"connectedSince":{T},"returnRateLimits":false,"serverTime":{},"userDataStream":{stream}}}"#,
            T + 10
        )
    };
    let ask = r#"{"id":1,"method":"session.status"}"#;
    assert_eq!(one(&mut venue, API, ask), success(&status("null", "null", false)));
    let request = logon(&venue, "session.logon");
    let (key, since) = (format!(r#""{ED_KEY}""#), (T + 10).to_string());
    assert_eq!(
        one(&mut venue, API, &request),
        format!(r#"{{"id":"a","status":200,"result":{}}}"#, status(&key, &since, false))
    );
    let order = r#"{"id":2,"method":"order.place","params":{"symbol":"BTCUSDT","side":"BUY","type":"LIMIT","timeInForce":"GTC","price":"100","quantity":"0.5","newOrderRespType":"ACK""#;
    assert_eq!(
        one(&mut venue, API, &format!("{order}}}}}")),
        r#"{"id":2,"status":400,"error":{"code":-1102,"msg":"Mandatory parameter 'timestamp' was not sent, was empty/null, or malformed."}}"#
    );
    let placed = one(&mut venue, API, &format!(r#"{order},"timestamp":{}}}}}"#, T + 10));
    assert!(placed.starts_with(r#"{"id":2,"status":200,"result":{"symbol":"BTCUSDT""#), "{placed}");
    let late = one(&mut venue, API, &format!(r#"{order},"timestamp":{}}}}}"#, T - 4991));
    assert!(late.contains(r#""code":-1021"#), "{late}");
    assert_eq!(
        one(&mut venue, API, r#"{"id":1,"method":"userDataStream.subscribe"}"#),
        success(r#"{"subscriptionId":0}"#)
    );
    assert_eq!(one(&mut venue, API, ask), success(&status(&key, &since, true)));
    let out = only_text(&venue.send(API, r#"{"id":1,"method":"session.logout"}"#), API);
    assert_eq!(
        out,
        [
            success(&status("null", "null", false)),
            format!(
                r#"{{"subscriptionId":0,"event":{{"e":"eventStreamTerminated","E":{}}}}}"#,
                T + 10
            )
        ]
    );
    let refused = one(&mut venue, API, &format!(r#"{order},"timestamp":{}}}}}"#, T + 10));
    assert!(refused.contains("Mandatory parameter 'apiKey'"), "{refused}");
}

#[test]
fn logon_needs_an_ed25519_key() {
    let mut venue = Venue::new();
    assert_eq!(
        venue.call("session.logon", ""),
        refusal(400, -4056, "HMAC_SHA256 API key is not supported.")
    );
    assert_eq!(
        one(&mut venue, API, r#"{"id":1,"method":"userDataStream.subscribe"}"#),
        refusal(401, -1002, "You are not authorized to execute this request.")
    );
    let forged = logon(&venue, "session.logon").replace(&T.to_string(), &(T + 1).to_string());
    assert_eq!(
        one(&mut venue, API, &forged),
        r#"{"id":"a","status":400,"error":{"code":-1022,"msg":"Signature for this request is not valid."}}"#
    );
}

#[test]
fn subscriptions() {
    let mut venue = Venue::new();
    let subscribe = "userDataStream.subscribe.signature";
    assert_eq!(venue.call(subscribe, ""), success(r#"{"subscriptionId":0}"#));
    assert_eq!(
        venue.call(subscribe, ""),
        refusal(400, -2035, "User Data Stream subscription already active.")
    );
    let list = r#"{"id":1,"method":"session.subscriptions","params":{}}"#;
    assert_eq!(one(&mut venue, API, list), success(r#"[{"subscriptionId":0}]"#));
    let out = only_text(&venue.send(API, r#"{"id":1,"method":"userDataStream.unsubscribe"}"#), API);
    assert_eq!(out.len(), 2, "the reply and the end of the stream");
    assert_eq!(out[0], success("{}"));
    assert_eq!(
        one(
            &mut venue,
            API,
            r#"{"id":1,"method":"userDataStream.unsubscribe","params":{"subscriptionId":0}}"#
        ),
        refusal(400, -2036, "User Data Stream subscription not active.")
    );
    assert_eq!(venue.call(subscribe, ""), success(r#"{"subscriptionId":1}"#), "never reused");
    assert_eq!(one(&mut venue, API, list), success(r#"[{"subscriptionId":1}]"#));
}

#[test]
fn revoked_keys_end_logons() {
    let mut venue = Venue::new();
    let request = logon(&venue, "session.logon");
    venue.send(API, &request);
    venue.send(API, r#"{"id":1,"method":"userDataStream.subscribe"}"#);
    let mut out = Vec::new();
    venue.wire.revoke_logons(T, &mut out);
    assert_eq!(
        only_text(&out, API),
        [
            r#"{"id":null,"status":401,"error":{"code":-2015,"msg":"Invalid API-key, IP, or permissions for action."}}"#.to_owned(),
            format!(r#"{{"subscriptionId":0,"event":{{"e":"eventStreamTerminated","E":{T}}}}}"#),
        ]
    );
}

#[test]
fn keep_alive_and_shutdown_reach_every_connection() {
    let mut venue = Venue::new();
    let stream = ConnId(2);
    venue.open(stream, "/ws", "").unwrap();
    let mut out = Vec::new();
    venue.wire.on_announce_shutdown(T, &mut out);
    assert_eq!(only_text(&out, stream), [format!(r#"{{"e":"serverShutdown","E":{T}}}"#)]);
    assert_eq!(only_text(&out, API), [format!(r#"{{"event":{{"e":"serverShutdown","E":{T}}}}}"#)]);
    venue.now_ms = T + 20_000;
    let ping = WsOut::Ping((T + 20_000).to_string().into_bytes());
    assert_eq!(venue.timer(), [(API, ping.clone()), (stream, ping)]);
    venue.wire.on_ws_pong(API, (T + 20_000).to_string().as_bytes(), T + 20_001);
    venue.now_ms = T + 80_000;
    let out = venue.timer();
    assert!(out.contains(&(stream, WsOut::Close(1008, "Pong timeout".to_owned()))), "{out:?}");
    assert!(!out.iter().any(|(conn, what)| *conn == API && matches!(what, WsOut::Close(..))));
    assert!(
        venue.send(stream, r#"{"method":"LIST_SUBSCRIPTIONS","id":1}"#).is_empty(),
        "forgotten"
    );
}
