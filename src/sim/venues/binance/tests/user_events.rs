//! Events of an account: every form of `executionReport`, and balances.

use super::super::user_events::execution_report;
use super::*;
use crate::sim::{OrderChange, PlaceRequest, SimOrder, SimOrderState, SimOrderType};
use crate::types::TimeInForce;

fn subscribed() -> Venue {
    let mut venue = Venue::new();
    venue.call("userDataStream.subscribe.signature", "");
    venue.now_ms = T + 1;
    venue
}

/// The events among what a call sent, without their envelope, which is checked.
fn events(out: &WireOut) -> Vec<String> {
    let envelope = r#"{"subscriptionId":0,"event":"#;
    only_text(out, API)
        .iter()
        .filter_map(|text| text.strip_prefix(envelope)?.strip_suffix('}').map(str::to_owned))
        .collect()
}

const PLACE: &str = r#""symbol":"BTCUSDT","side":"BUY","type":"LIMIT","timeInForce":"GTC","price":"101.00","quantity":"1.5","newClientOrderId":"mine""#;

/// An execution report of the order `mine` of 1.5 at 101; time and creation are `T + 1`.
fn report(client_ids: (&str, &str), kinds: (&str, &str), rest: &str) -> String {
    format!(
        r#"{{"e":"executionReport","E":{0},"s":"BTCUSDT","c":"{1}","S":"BUY","o":"LIMIT","f":"GTC","q":"1.50000000","p":"101.00000000","P":"0.00000000","F":"0.00000000","g":-1,"C":"{2}","x":"{3}","X":"{4}","r":"NONE","i":10000000001,{rest}}}"#,
        T + 1,
        client_ids.0,
        client_ids.1,
        kinds.0,
        kinds.1
    )
}

#[test]
fn accepted_filled_in_part_then_cancelled() {
    let mut venue = subscribed();
    let now = T + 1;
    let placed = events(&venue.call_all("order.place", PLACE));
    let new = report(
        ("mine", ""),
        ("NEW", "NEW"),
        &format!(
            r#""l":"0.00000000","z":"0.00000000","L":"0.00000000","n":"0","N":null,"T":{now},"t":-1,"I":1,"w":true,"m":false,"M":false,"O":{now},"Z":"0.00000000","Y":"0.00000000","Q":"0.00000000","W":{now},"V":"NONE""#
        ),
    );
    let trade = report(
        ("mine", ""),
        ("TRADE", "PARTIALLY_FILLED"),
        &format!(
            r#""l":"1.00000000","z":"1.00000000","L":"101.00000000","n":"0.00100000","N":"BTC","T":{now},"t":1000001,"I":2,"w":true,"m":false,"M":true,"O":{now},"Z":"101.00000000","Y":"101.00000000","Q":"0.00000000","W":{now},"V":"NONE""#
        ),
    );
    let balances = format!(
        r#"{{"e":"outboundAccountPosition","E":{now},"u":{now},"B":[{{"a":"BTC","f":"10.99900000","l":"0.00000000"}},{{"a":"USDT","f":"99848.50000000","l":"50.50000000"}}]}}"#
    );
    assert_eq!(placed, [new, trade, balances]);
    let cancelled = events(&venue.call_all(
        "order.cancel",
        r#""symbol":"BTCUSDT","origClientOrderId":"mine","newClientOrderId":"bye""#,
    ));
    assert_eq!(
        cancelled[0],
        report(
            ("bye", "mine"),
            ("CANCELED", "CANCELED"),
            &format!(
                r#""l":"0.00000000","z":"1.00000000","L":"0.00000000","n":"0","N":null,"T":{now},"t":-1,"I":3,"w":false,"m":false,"M":false,"O":{now},"Z":"101.00000000","Y":"0.00000000","Q":"0.00000000","W":{now},"V":"NONE""#
            )
        )
    );
    assert_eq!(cancelled.len(), 2, "and the balances");
}

#[test]
fn a_maker_fill_pays_the_makers_fee_in_what_it_receives() {
    let mut venue = subscribed();
    venue.call_all(
        "order.place",
        r#""symbol":"BTCUSDT","side":"SELL","type":"LIMIT_MAKER","price":"100.00","quantity":"0.5","newClientOrderId":"mine""#,
    );
    venue.exchange.background_trade("BTCUSDT", Side::Buy, d("100"), d("0.5"), T + 1);
    let events = events(&venue.publish());
    for part in [
        r#""o":"LIMIT_MAKER","f":"GTC""#,
        r#""x":"TRADE","X":"FILLED""#,
        r#""n":"0.02500000","N":"USDT""#,
        r#""w":false,"m":true,"M":true"#,
    ] {
        assert!(events[0].contains(part), "{part} in {}", events[0]);
    }
    // A first fill as maker gives five orders back; there was only one to give.
    assert!(
        venue.rest("GET", "/api/v3/rateLimit/order", "").body.contains(r#""limit":50,"count":0"#)
    );
}

#[test]
fn expiry_says_why() {
    let mut venue = subscribed();
    let ioc = events(&venue.call_all("order.place", &PLACE.replace("GTC", "IOC")));
    let kinds: Vec<_> = ioc
        .iter()
        .filter_map(|event| event.split(r#""x":""#).nth(1)?.split('"').next().map(str::to_owned))
        .collect();
    assert_eq!(kinds, ["NEW", "TRADE", "EXPIRED"]);
    assert!(ioc[2].contains(r#""X":"EXPIRED","r":"NONE""#), "{}", ioc[2]);
    assert!(ioc[2].contains(r#""z":"1.00000000""#), "{}", ioc[2]);
    assert!(ioc[2].ends_with(r#""V":"NONE","eR":"UNFILLED_IOC_QUANTITY_EXPIRED"}"#), "{}", ioc[2]);
    let fok =
        events(&venue.call_all("order.place", &PLACE.replace("GTC", "FOK").replace("mine", "b")));
    assert!(fok[1].ends_with(r#""eR":"UNFILLED_FOK_ORDER_EXPIRED"}"#), "{}", fok[1]);
}

#[test]
fn an_amendment_is_a_replaced_with_both_names() {
    let mut venue = subscribed();
    venue.call_all("order.place", &PLACE.replace("101.00", "100.00"));
    let replaced = events(&venue.call_all(
        "order.amend.keepPriority",
        r#""symbol":"BTCUSDT","orderId":10000000001,"newQty":"1","newClientOrderId":"less""#,
    ));
    for part in [
        r#""c":"less""#,
        r#""q":"1.00000000""#,
        r#""C":"mine","x":"REPLACED","X":"NEW""#,
        // The same execution id as in the reply.
        r#""I":2,"#,
    ] {
        assert!(replaced[0].contains(part), "{part} in {}", replaced[0]);
    }
    let cancelled =
        events(&venue.call_all("order.cancel", r#""symbol":"BTCUSDT","origClientOrderId":"less""#));
    assert!(cancelled[0].contains(r#""C":"less","x":"CANCELED""#), "{}", cancelled[0]);
}

#[test]
fn refused_orders_have_no_event() {
    let mut venue = subscribed();
    for (from, to) in [("1.5", "2000"), ("1.5", "0.000001"), ("101.00", "0.001")] {
        assert_eq!(venue.call_all("order.place", &PLACE.replace(from, to)).len(), 1);
    }
}

#[test]
fn events_go_to_the_accounts_own_subscribers_only() {
    let mut venue = subscribed();
    let stranger = ConnId(2);
    venue.open(stranger, "/ws-api/v3", "").unwrap();
    let out = venue.call_all("order.place", PLACE);
    assert!(only_text(&out, stranger).is_empty());
    // The other account trades with ours: ours hears of it, the other has no subscription.
    let request = PlaceRequest {
        symbol: "BTCUSDT".to_owned(),
        client_id: "theirs".to_owned(),
        side: Side::Sell,
        order_type: SimOrderType::Market,
        time_in_force: TimeInForce::Ioc,
        price: Decimal::ZERO,
        qty: d("0.5"),
        reduce_only: false,
    };
    venue.exchange.place(AccountId(1), request, T + 1).unwrap();
    let heard = events(&venue.publish());
    assert!(heard[0].contains(r#""x":"TRADE","X":"FILLED""#), "{heard:?}");
    assert!(heard.iter().all(|event| !event.contains("theirs")), "{heard:?}");
}

#[test]
fn a_resting_order_that_expires_was_prevented_from_trading_with_itself() {
    let request = PlaceRequest {
        symbol: "BTCUSDT".to_owned(),
        client_id: "mine".to_owned(),
        side: Side::Buy,
        order_type: SimOrderType::Limit,
        time_in_force: TimeInForce::Gtc,
        price: d("100"),
        qty: d("1"),
        reduce_only: false,
    };
    let order = SimOrder {
        order_id: 7,
        account: ACCOUNT,
        request,
        state: SimOrderState::Expired,
        filled: Decimal::ZERO,
        filled_quote: Decimal::ZERO,
        fees: BTreeMap::new(),
        realised: Decimal::ZERO,
        cause: crate::sim::Cause::SelfTrade,
        created_ms: T,
        updated_ms: T,
    };
    let mut ids = super::super::Ids::default();
    let event =
        execution_report((&order, OrderChange::Expired), None, None, &mut ids, "EXPIRE_MAKER", T);
    assert!(event.contains(r#""x":"TRADE_PREVENTION","X":"EXPIRED_IN_MATCH""#), "{event}");
    assert!(event.ends_with(r#""V":"EXPIRE_MAKER"}"#), "{event}");
}
