//! Nothing that a client sends brings the wire down.

use super::*;
use proptest::prelude::*;

/// Requests as they should be, to be bent.
fn seeds() -> Vec<String> {
    let order = limit(0, "buy", "65001", "0.01", "Gtc");
    let action = json!({"type": "order", "orders": [order], "grouping": "na", "builder": null});
    let signed = signed_at(&KEY, &action, NOW + 1_000, Some(NOW + 5_000));
    let post = json!({"method": "post", "id": 1, "request": {"type": "action", "payload": signed}});
    let mut seeds = vec![signed.to_string(), post.to_string()];
    for text in [
        r#"{"type":"l2Book","coin":"BTC","nSigFigs":5,"mantissa":2}"#,
        r#"{"type":"orderStatus","user":"0x1111111111111111111111111111111111111111","oid":1}"#,
        r#"{"type":"userFillsByTime","user":"0x1111111111111111111111111111111111111111","startTime":1,"endTime":2}"#,
        r#"{"method":"subscribe","subscription":{"type":"l2Book","coin":"BTC","fast":true}}"#,
        r#"{"method":"unsubscribe","subscription":{"type":"userFills","user":"0x1111111111111111111111111111111111111111"}}"#,
    ] {
        seeds.push(text.to_owned());
    }
    seeds
}

fn feed(rig: &mut Rig, text: &str) {
    for path in ["/info", "/exchange", "/ws"] {
        let reply = rig.http(path, text);
        assert!([200, 404, 422].contains(&reply.status), "{}: {text}", reply.status);
    }
    rig.wire.on_ws_text(SOCKET, text, &mut rig.exchange, rig.now, &mut rig.out);
    rig.publish();
    rig.pass(100);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn bent_requests_are_answered(which in 0usize..7, at in 0usize..400, byte in any::<u8>(), cut in any::<bool>()) {
        let mut rig = Rig::with_books();
        let mut bytes = seeds()[which].clone().into_bytes();
        let at = at % bytes.len();
        if cut { bytes.truncate(at) } else { bytes[at] = byte }
        feed(&mut rig, &String::from_utf8_lossy(&bytes));
    }

    /// Signed as it should be, with members that make no sense.
    #[test]
    fn senseless_actions_are_answered(number in any::<i64>(), text in "[-0-9.]{0,30}", kind in 0usize..9) {
        let mut rig = Rig::with_books();
        let order = json!({"a": number, "b": true, "p": text, "s": text, "r": false, "t": {"limit": {"tif": "Gtc"}}});
        let known = json!({"a": 0, "b": true, "p": text, "s": text, "r": false, "t": {"limit": {"tif": "Ioc"}}});
        let action = match kind {
            0 => json!({"type": "order", "orders": [order], "grouping": "na"}),
            1 => json!({"type": "order", "orders": [known], "grouping": {"p": number}}),
            2 => json!({"type": "order", "orders": [known], "grouping": "na"}),
            3 => json!({"type": "cancel", "cancels": [{"a": number, "o": number}]}),
            4 => json!({"type": "scheduleCancel", "time": number}),
            5 => json!({"type": "updateLeverage", "asset": 0, "isCross": false, "leverage": number}),
            6 => json!({"type": "updateIsolatedMargin", "asset": 0, "isBuy": true, "ntli": number}),
            7 => json!({"type": "reserveRequestWeight", "weight": number}),
            _ => json!({"type": "modify", "oid": number, "order": known}),
        };
        if action_bytes(&action).is_ok() {
            let body = rig.signed(&KEY, &action);
            feed(&mut rig, &body.to_string());
        }
    }
}
