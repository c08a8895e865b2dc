//! Commands to exact bytes on both wires.

use super::{
    BTC, ELSEWHERE, ETH, KEY, MS, PEM, Rig, SECRET, VENUE_ID, cancel, fills, id_of, order, replace,
    setup,
};
use crate::types::{
    CancelOrder, ClientOrderId, CommandKind, NewOrder, OrderType, Price, Qty, Side, TimeInForce,
};
use crate::venues::EncodeError;
use TimeInForce::{Fok, Gtc, Ioc};

/// A command, its method on the socket and line on REST, and its parameters.
type Row = (CommandKind, (&'static str, &'static str), &'static str);

fn placements() -> Vec<Row> {
    let market = NewOrder { order_type: OrderType::Market, price: Price(0), ..order(Gtc) };
    let maker = NewOrder { post_only: true, side: Side::Sell, ..order(Gtc) };
    let place = ("order.place", "POST /api/v3/order");
    vec![
        (
            CommandKind::New(order(Ioc)),
            place,
            r#""newClientOrderId":"st0cb0a1b214000001","newOrderRespType":"ACK","price":"61837.63","quantity":"0.007","side":"BUY","symbol":"BTCUSDT","timeInForce":"IOC","timestamp":1795161256000,"type":"LIMIT""#,
        ),
        (
            CommandKind::New(order(Gtc)),
            place,
            r#""newClientOrderId":"st0cb0a1b214000001","newOrderRespType":"ACK","price":"61837.63","quantity":"0.007","side":"BUY","symbol":"BTCUSDT","timeInForce":"GTC","timestamp":1795161256000,"type":"LIMIT""#,
        ),
        (
            CommandKind::New(order(Fok)),
            place,
            r#""newClientOrderId":"st0cb0a1b214000001","newOrderRespType":"ACK","price":"61837.63","quantity":"0.007","side":"BUY","symbol":"BTCUSDT","timeInForce":"FOK","timestamp":1795161256000,"type":"LIMIT""#,
        ),
        (
            CommandKind::New(market),
            place,
            r#""newClientOrderId":"st0cb0a1b214000001","newOrderRespType":"ACK","quantity":"0.007","side":"BUY","symbol":"BTCUSDT","timestamp":1795161256000,"type":"MARKET""#,
        ),
        (
            CommandKind::New(maker),
            place,
            r#""newClientOrderId":"st0cb0a1b214000001","newOrderRespType":"ACK","price":"61837.63","quantity":"0.007","side":"SELL","symbol":"BTCUSDT","timestamp":1795161256000,"type":"LIMIT_MAKER""#,
        ),
    ]
}

fn requests() -> Vec<Row> {
    vec![
        (
            CommandKind::Cancel(cancel(VENUE_ID)),
            ("order.cancel", "DELETE /api/v3/order"),
            r#""orderId":12569099453,"symbol":"BTCUSDT","timestamp":1795161256000"#,
        ),
        (
            CommandKind::Cancel(cancel("")),
            ("order.cancel", "DELETE /api/v3/order"),
            r#""origClientOrderId":"st0cb0a1b214000001","symbol":"BTCUSDT","timestamp":1795161256000"#,
        ),
        (
            CommandKind::Query(cancel("")),
            ("order.status", "GET /api/v3/order"),
            r#""origClientOrderId":"st0cb0a1b214000001","symbol":"BTCUSDT","timestamp":1795161256000"#,
        ),
        (
            CommandKind::CancelAll(ETH),
            ("openOrders.cancelAll", "DELETE /api/v3/openOrders"),
            r#""symbol":"ETHUSDT","timestamp":1795161256000"#,
        ),
        (
            CommandKind::OpenOrders(BTC),
            ("openOrders.status", "GET /api/v3/openOrders"),
            r#""symbol":"BTCUSDT","timestamp":1795161256000"#,
        ),
        (
            fills("1650422481", 0),
            ("myTrades", "GET /api/v3/myTrades"),
            r#""fromId":1650422481,"limit":500,"symbol":"BTCUSDT","timestamp":1795161256000"#,
        ),
        (
            fills("", 0),
            ("myTrades", "GET /api/v3/myTrades"),
            r#""fromId":0,"limit":500,"symbol":"BTCUSDT","timestamp":1795161256000"#,
        ),
        (
            fills("", 1_795_161_200_123_456_789),
            ("myTrades", "GET /api/v3/myTrades"),
            r#""limit":500,"startTime":1795161200123,"symbol":"BTCUSDT","timestamp":1795161256000"#,
        ),
        (
            CommandKind::Balances,
            ("account.status", "GET /api/v3/account"),
            r#""timestamp":1795161256000"#,
        ),
        (
            CommandKind::FeeRate(BTC),
            ("account.commission", "GET /api/v3/account/commission"),
            r#""symbol":"BTCUSDT","timestamp":1795161256000"#,
        ),
    ]
}

/// Every command but a replace, which needs an order first.
fn table() -> impl Iterator<Item = Row> {
    placements().into_iter().chain(requests())
}

/// `"a":"b","c":1` as `a=b&c=1`.
pub(super) fn as_query(params: &str) -> String {
    params.replace("\":", "=").replace(",\"", "&").replace('"', "")
}

#[test]
fn commands_become_exact_frames_in_a_session() {
    for (kind, (name, _), params) in table() {
        let mut rig = Rig::ready(PEM, false);
        rig.submit(kind).unwrap();
        let frame = rig.sent();
        let id = id_of(&frame);
        let expected = format!(r#"{{"id":{id},"method":"{name}","params":{{{params}}}}}"#);
        assert_eq!(frame, expected);
    }
}

#[test]
fn commands_become_exact_signed_frames() {
    let signer =
        super::super::auth::Signer::new(&crate::venues::Secret::new(SECRET.into()), KEY).unwrap();
    for (kind, (name, _), params) in table() {
        let mut rig = Rig::ready(SECRET, false);
        rig.submit(kind).unwrap();
        let frame = rig.sent();
        let id = id_of(&frame);
        let payload = format!("apiKey={KEY}&{}", as_query(params));
        let signature = signer.sign(payload.as_bytes());
        let signature = std::str::from_utf8(signature.as_bytes()).unwrap();
        let expected = format!(
            r#"{{"id":{id},"method":"{name}","params":{{"apiKey":"{KEY}",{params},"signature":"{signature}"}}}}"#
        );
        assert_eq!(frame, expected);
    }
    // Computed apart, so that payload and signature cannot be wrong together.
    let mut rig = Rig::ready(SECRET, false);
    rig.submit(CommandKind::New(order(Ioc))).unwrap();
    assert!(rig.sent().ends_with(
        r#","signature":"ce635be6dd7c1f6bbb09a4c3f7cc6d332035b4ecf076f026c9a724dfd5579988"}}"#
    ));
}

/// The signer absorbs the id that is probably next once a reply is there: whether the next order has
/// it, has another, or is of another kind, its signature is that of its text.
#[test]
fn a_foreseen_id_changes_no_signature() {
    let signer =
        super::super::auth::Signer::new(&crate::venues::Secret::new(SECRET.into()), KEY).unwrap();
    let mut rig = Rig::ready(SECRET, false);
    let market = NewOrder { order_type: OrderType::Market, price: Price(0), ..order(Ioc) };
    let mut foreseen = 0;
    for (order, step) in
        [(order(Ioc), 1), (order(Gtc), 1), (market, 1), (market, 1), (order(Fok), 9)]
            .into_iter()
            .cycle()
            .take(40)
    {
        foreseen += step;
        let client_id = ClientOrderId(0xcb0_a1b2_14ff_fff0 + foreseen);
        rig.submit(CommandKind::New(NewOrder { client_id, ..order })).unwrap();
        let frame = rig.sent();
        let (_, params) = frame.split_once(r#""params":{"#).unwrap();
        let (params, signature) = params.split_once(r#","signature":""#).unwrap();
        let expected = signer.sign(as_query(params).trim_start_matches('&').as_bytes());
        assert_eq!(signature.as_bytes()[..64], *expected.as_bytes());
        rig.refuse(id_of(&frame), 400, -2010, "no").unwrap();
    }
}

/// A window that is not the venue's own is named, in an order and in everything else.
#[test]
fn another_window_is_named() {
    let mut setup = setup(SECRET, false);
    setup.recv_window_ms = 100;
    let mut rig = Rig::ready_as(&setup);
    rig.submit(CommandKind::New(order(Ioc))).unwrap();
    let frame = rig.sent();
    assert!(frame.contains(r#","quantity":"0.007","recvWindow":100,"side":"BUY","#), "{frame}");
    assert!(frame.ends_with(
        r#","signature":"7ab1e66eb281b28a2915e4c7d08d6d9d33ada9b4d1615df402dc44edd52ba8db"}}"#
    ));
    rig.submit(CommandKind::Balances).unwrap();
    let frame = rig.sent();
    assert!(frame.contains(r#","recvWindow":100,"timestamp":"#), "{frame}");
}

#[test]
fn commands_become_exact_requests_over_rest() {
    let signer =
        super::super::auth::Signer::new(&crate::venues::Secret::new(SECRET.into()), KEY).unwrap();
    for (kind, (_, line), params) in table() {
        let mut rig = Rig::ready(SECRET, true);
        rig.submit(kind).unwrap();
        let requests = rig.requests();
        let query = as_query(params);
        let signature = signer.sign(query.as_bytes());
        let signature = std::str::from_utf8(signature.as_bytes()).unwrap();
        assert_eq!(requests.len(), 1);
        assert_eq!(requests[0].line, format!("{line}?{query}&signature={signature}"));
        assert_eq!(requests[0].headers, format!("X-MBX-APIKEY: {KEY}\r\n"));
        assert!(rig.frames().is_empty());
    }
    let mut rig = Rig::ready(SECRET, true);
    rig.submit(CommandKind::New(order(Ioc))).unwrap();
    assert!(
        rig.requests()[0].line.ends_with(
            "&signature=4deaca3400a6e097dbe4c8d3c9ed3e4f4153455e7cad8074657b9fe0f4f9ee62"
        )
    );
    let mut rig = Rig::ready(PEM, true);
    rig.submit(CommandKind::New(order(Ioc))).unwrap();
    let line = rig.requests()[0].line.clone();
    let (_, signature) = line.split_once("&signature=").unwrap();
    assert!(signature.ends_with("%3D%3D") && !signature.contains(['+', '/', '=']), "{signature}");
}

#[test]
fn what_cannot_be_expressed_is_refused_and_nothing_is_sent() {
    let new = |change: fn(&mut NewOrder)| {
        let mut order = order(Gtc);
        change(&mut order);
        CommandKind::New(order)
    };
    let no = |why| EncodeError::NotExpressible(why);
    for (kind, expected) in [
        (new(|o| o.instrument = ELSEWHERE), EncodeError::UnknownInstrument),
        (new(|o| o.instrument = crate::types::InstrumentId(99)), EncodeError::UnknownInstrument),
        (new(|o| o.client_id = ClientOrderId::NONE), no("the order has no client id")),
        (new(|o| o.reduce_only = true), no("spot orders cannot be reduce-only")),
        (new(|o| o.qty = Qty(0)), no("the quantity is not a positive multiple of the lot size")),
        (new(|o| o.qty = Qty(-1)), no("the quantity is not a positive multiple of the lot size")),
        (new(|o| o.price = Price(0)), no("the price is not a positive multiple of the tick size")),
        (
            new(|o| (o.post_only, o.time_in_force) = (true, Ioc)),
            no("a post-only order works until cancelled"),
        ),
        (
            new(|o| (o.post_only, o.order_type) = (true, OrderType::Market)),
            no("a market order cannot be post-only"),
        ),
        (
            CommandKind::Cancel(CancelOrder { client_id: ClientOrderId::NONE, ..cancel("") }),
            no("the order has no id"),
        ),
        (CommandKind::Cancel(cancel("abc")), no("the venue's id is no number")),
        (fills("abc", 0), no("the fill id is no number")),
        (replace(6_183_763, 500), no("the order's working price and quantity are not known")),
        (CommandKind::Subscribe(BTC), EncodeError::Unsupported),
        (CommandKind::Resync(BTC), EncodeError::Unsupported),
    ] {
        for over_rest in [false, true] {
            let mut rig = Rig::ready(SECRET, over_rest);
            assert_eq!(rig.submit(kind), Err(expected), "{kind:?}");
            assert!(rig.out.is_empty());
        }
    }
}

#[test]
fn the_table_of_requests_is_bounded_and_leaves_room_for_cancels() {
    let mut rig = Rig::ready(PEM, false);
    let mut sent = 0;
    while rig.submit(CommandKind::New(order(Ioc))).is_ok() {
        sent += 1;
    }
    assert_eq!(sent, 224);
    assert_eq!(rig.submit(CommandKind::New(order(Ioc))), Err(EncodeError::Full));
    assert_eq!(rig.submit(CommandKind::Cancel(cancel(VENUE_ID))), Ok(()));
    // A full outbox refuses as well, and leaves no trace.
    let mut rig = Rig::ready(PEM, false);
    rig.out = crate::venues::Outbox::with_capacity(0, 0);
    assert_eq!(rig.submit(CommandKind::New(order(Ioc))), Err(EncodeError::Full));
    rig.pass(10_000 * MS);
    assert!(rig.reports().is_empty());
}

#[test]
fn costs_are_the_documented_weights() {
    use super::super::limits::costs;
    for (kind, expected) in [
        (CommandKind::New(order(Ioc)), [1, 1, 1, 1, 0, 0]),
        (CommandKind::Cancel(cancel("")), [1, 0, 0, 1, 0, 0]),
        (CommandKind::CancelAll(BTC), [1, 0, 0, 1, 0, 0]),
        (replace(1, 1), [4, 0, 0, 1, 0, 0]),
        (CommandKind::Query(cancel("")), [4, 0, 0, 1, 0, 0]),
        (CommandKind::OpenOrders(BTC), [6, 0, 0, 1, 0, 0]),
        (fills("", 0), [20, 0, 0, 1, 0, 0]),
        (CommandKind::Balances, [20, 0, 0, 1, 0, 0]),
        (CommandKind::FeeRate(BTC), [20, 0, 0, 1, 0, 0]),
        (CommandKind::Subscribe(BTC), [50, 0, 0, 1, 0, 0]),
        (CommandKind::Resync(BTC), [50, 0, 0, 1, 0, 0]),
        (CommandKind::Unsubscribe(BTC), [0, 0, 0, 0, 0, 0]),
    ] {
        assert_eq!(costs(&kind, false).0, expected, "{kind:?}");
        assert_eq!(costs(&kind, true).0, expected, "{kind:?}");
    }
}

#[test]
fn fills_of_longer_ago_than_a_day_are_listed_day_by_day() {
    use super::super::streams::Product;
    use super::{MS, NOW};
    use crate::types::Nanos;
    const DAY_NS: u64 = 86_400_000 * MS;
    let from = Nanos(NOW.0 - 2 * DAY_NS - 5 * MS);
    let end = |from: Nanos| super::super::orders::fills_end(from, NOW.as_millis(), Product::Spot);
    assert_eq!(end(from), Some(NOW.as_millis() - 86_400_000 - 5));
    assert_eq!(end(Nanos(from.0 + DAY_NS)), Some(NOW.as_millis() - 5));
    assert_eq!(end(Nanos(NOW.0 - DAY_NS)), None, "what is left is within a day");
}
