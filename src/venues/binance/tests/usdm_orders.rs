//! Orders of USD-M futures: what is written, over which wire, and what replies mean.

use super::super::limits::usdm_costs;
use super::futures::{BTC, ETH, futures_setup, stamp, unsigned};
use super::{KEY, NOW, ORDER, PEM, Rig, SECRET, fills, fixture, id_of};
use crate::types::{
    CancelOrder, Channel, CommandKind, Event, FeeRate, InstrumentId, Nanos, NewOrder, OrderState,
    OrderType, Ppb, Price, Qty, RejectReason, ReplaceOrder, ReportKind, Side, TimeInForce,
    VenueNotice, VenueOrderId,
};
use crate::venues::{DecodeError, EncodeError};

pub(super) fn order() -> NewOrder {
    NewOrder {
        client_id: ORDER,
        instrument: BTC,
        side: Side::Buy,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::Gtc,
        post_only: false,
        reduce_only: false,
        price: Price(4_318_700_000_000),
        qty: Qty(100),
    }
}

pub(super) fn id(number: &str) -> CancelOrder {
    let venue_order_id = VenueOrderId::new(number).unwrap();
    CancelOrder { client_id: ORDER, venue_order_id, instrument: BTC }
}

pub(super) fn change(price: i64, qty: i64) -> CommandKind {
    let CancelOrder { client_id, venue_order_id, instrument } = id("325078477");
    let (price, qty) = (Price(price), Qty(qty));
    CommandKind::Replace(ReplaceOrder { client_id, venue_order_id, instrument, price, qty })
}

/// The parameters of a frame of a session that is logged on.
fn params(frame: &str) -> (&str, &str) {
    let (head, params) = frame.split_once(",\"params\":").unwrap();
    let (_, method) = head.split_once("\"method\":").unwrap();
    (method.trim_matches('"'), params.strip_suffix('}').unwrap())
}

#[test]
fn orders_are_placed_with_their_terms_and_the_only_position_side() {
    let mut rig = Rig::futures_ready(&futures_setup(PEM, false));
    let time = NOW.as_millis();
    let common =
        r#""newClientOrderId":"st0cb0a1b214000001","newOrderRespType":"ACK","positionSide":"BOTH""#;
    for (order, expected) in [
        (
            order(),
            format!(
                r#"{{{common},"price":"43187","quantity":"0.1","side":"BUY","symbol":"BTCUSDT","timeInForce":"GTC","timestamp":{time},"type":"LIMIT"}}"#
            ),
        ),
        (
            NewOrder { post_only: true, side: Side::Sell, ..order() },
            format!(
                r#"{{{common},"price":"43187","quantity":"0.1","side":"SELL","symbol":"BTCUSDT","timeInForce":"GTX","timestamp":{time},"type":"LIMIT"}}"#
            ),
        ),
        (
            NewOrder { time_in_force: TimeInForce::Fok, reduce_only: true, ..order() },
            format!(
                r#"{{{common},"price":"43187","quantity":"0.1","reduceOnly":"true","side":"BUY","symbol":"BTCUSDT","timeInForce":"FOK","timestamp":{time},"type":"LIMIT"}}"#
            ),
        ),
        (
            NewOrder { order_type: OrderType::Market, ..order() },
            format!(
                r#"{{{common},"quantity":"0.1","side":"BUY","symbol":"BTCUSDT","timestamp":{time},"type":"MARKET"}}"#
            ),
        ),
    ] {
        rig.submit(CommandKind::New(order)).unwrap();
        assert_eq!(params(&rig.sent()), ("order.place", &expected[..]));
    }
    for order in [
        NewOrder { qty: Qty(0), ..order() },
        NewOrder { price: Price(4_318_700_000_001), ..order() },
        NewOrder { post_only: true, time_in_force: TimeInForce::Ioc, ..order() },
    ] {
        let refused = rig.submit(CommandKind::New(order));
        assert!(matches!(refused, Err(EncodeError::NotExpressible(_))), "{order:?}");
    }
}

#[test]
fn over_rest_they_are_the_same_and_signed() {
    let mut rig = Rig::futures_ready(&futures_setup(SECRET, true));
    let sent = rig.asked(CommandKind::New(order()));
    let text = format!(
        "newClientOrderId=st0cb0a1b214000001&newOrderRespType=ACK&positionSide=BOTH\
         &price=43187&quantity=0.1&side=BUY&symbol=BTCUSDT&timeInForce=GTC&{}&type=LIMIT",
        stamp()
    );
    assert_eq!(unsigned(&sent.line), format!("POST /fapi/v1/order?{text}"));
    assert_eq!(sent.headers, format!("X-MBX-APIKEY: {KEY}\r\n"));
    // HMAC-SHA256 of the text, computed apart.
    let signature = sent.line.split_once("&signature=").unwrap().1;
    let signer =
        super::super::auth::Signer::new(&crate::venues::Secret::new(SECRET.to_owned()), KEY);
    assert_eq!(signature.as_bytes(), signer.unwrap().sign(text.as_bytes()).as_bytes());
    let sent = rig.asked(CommandKind::Cancel(id("283194212")));
    let expected = format!("DELETE /fapi/v1/order?orderId=283194212&symbol=BTCUSDT&{}", stamp());
    assert_eq!(unsigned(&sent.line), expected);
}

#[test]
fn keys_that_cannot_log_on_sign_each_request() {
    let mut rig = Rig::futures_ready(&futures_setup(SECRET, false));
    rig.submit(CommandKind::Cancel(id("283194212"))).unwrap();
    let frame = rig.sent();
    let (method, params) = params(&frame);
    assert_eq!(method, "order.cancel");
    let start =
        format!(r#"{{"apiKey":"{KEY}","orderId":283194212,"symbol":"BTCUSDT","timestamp":"#);
    assert!(params.starts_with(&start) && params.contains(r#","signature":""#), "{params}");
}

/// A change sends price and quantity and the side of the order, which the command does not name.
#[test]
fn orders_are_changed_in_price_and_quantity() {
    let mut rig = Rig::futures_ready(&futures_setup(PEM, false));
    let unknown = "the order's working price and quantity are not known";
    let refused = rig.submit(change(4_318_800_000_000, 110));
    assert_eq!(refused, Err(EncodeError::NotExpressible(unknown)));
    let sell = NewOrder { side: Side::Sell, ..order() };
    rig.submit(CommandKind::New(sell)).unwrap();
    rig.submit(change(4_318_800_000_000, 110)).unwrap();
    let frame = rig.sent();
    let expected = format!(
        r#"{{"orderId":325078477,"price":"43188","quantity":"0.11","side":"SELL","symbol":"BTCUSDT","timestamp":{}}}"#,
        NOW.as_millis()
    );
    assert_eq!(params(&frame), ("order.modify", &expected[..]));
    let result = fixture!("usdm_ws_order_modify_response");
    rig.reply(id_of(&frame), inner(result)).unwrap();
    let report = rig.report();
    assert_eq!((report.kind, report.client_id), (ReportKind::Replaced, ORDER));
    assert_eq!((report.price, report.qty), (Price(4_376_910_000_000), Qty(110)));
    assert_eq!(report.side, Side::Sell);
    for (price, qty, why) in [
        (4_376_910_000_000, 110, "the order has these terms already"),
        (4_376_910_000_001, 110, "the price is not a positive multiple of the tick size"),
        (4_376_910_000_000, 0, "the quantity is not a positive multiple of the lot size"),
    ] {
        assert_eq!(rig.submit(change(price, qty)), Err(EncodeError::NotExpressible(why)));
    }
}

#[test]
fn a_change_may_end_an_order() {
    let mut rig = Rig::futures_ready(&futures_setup(PEM, false));
    rig.submit(CommandKind::New(NewOrder { post_only: true, ..order() })).unwrap();
    rig.submit(change(4_318_800_000_000, 110)).unwrap();
    let frame = rig.sent();
    let result = inner(fixture!("usdm_ws_order_modify_response"));
    let ended = result.replace("\"status\":\"NEW\"", "\"status\":\"CANCELED\"");
    rig.reply(id_of(&frame), &ended).unwrap();
    assert_eq!((rig.report().kind, rig.report().client_id), (ReportKind::Canceled, ORDER));
    let unknown = "the order's working price and quantity are not known";
    let refused = rig.submit(change(4_318_900_000_000, 110));
    assert_eq!(refused, Err(EncodeError::NotExpressible(unknown)));
}

/// The member `result` of a reply.
fn inner(reply: &str) -> &str {
    let (_, rest) = reply.split_once("\"result\":").unwrap();
    match rest.split_once(",\"rateLimits\"") {
        Some((result, _)) => result,
        None => rest.strip_suffix('}').unwrap(),
    }
}

#[test]
fn replies_of_the_fixtures_become_reports() {
    let mut rig = Rig::futures_ready(&futures_setup(PEM, false));
    for name in ["new", "old"] {
        rig.submit(CommandKind::New(order())).unwrap();
        let result = match name {
            "new" => inner(fixture!("usdm_ws_order_place_response")),
            _ => inner(fixture!("usdm_ws_order_place_response_old")),
        };
        let frame = rig.sent();
        // Under another id than ours it is not an answer to this order.
        let foreign = rig.reply(id_of(&frame), result);
        assert_eq!(foreign, Err(DecodeError::Invalid("clientOrderId")));
        assert_eq!(rig.report().kind, ReportKind::Unknown);
        rig.submit(CommandKind::New(order())).unwrap();
        let frame = rig.sent();
        let own = result.replace("iCXL1BywlBaf2sesNUrVl3", "st0cb0a1b214000001");
        rig.reply(id_of(&frame), &own).unwrap();
        let report = rig.report();
        assert_eq!((report.kind, report.client_id), (ReportKind::Accepted, ORDER));
        assert_eq!(report.venue_order_id, VenueOrderId::from_u64(325_078_477));
        assert_eq!((report.price, report.qty), (Price(4_318_700_000_000), Qty(100)));
        assert_eq!(report.cumulative_qty, Some(Qty(0)));
        assert_eq!(report.event_ns, Nanos::from_millis(1_702_555_534_435));
    }
    rig.submit(CommandKind::Cancel(id("283194212"))).unwrap();
    let frame = rig.sent();
    rig.reply(id_of(&frame), inner(fixture!("usdm_ws_order_cancel_response"))).unwrap();
    let report = rig.report();
    assert_eq!((report.kind, report.client_id), (ReportKind::Canceled, ORDER));
    assert_eq!((report.qty, report.cumulative_qty), (Qty(11_000), Some(Qty(0))));
    rig.submit(CommandKind::Query(id("1917641"))).unwrap();
    let frame = rig.sent();
    assert_eq!(params(&frame).0, "order.status");
    rig.reply(id_of(&frame), inner(fixture!("usdm_ws_order_status_response"))).unwrap();
    let report = rig.report();
    assert_eq!((report.kind, report.state), (ReportKind::Status, OrderState::Open));
    assert_eq!((report.qty, report.side), (Qty(400), Side::Buy));
}

#[test]
fn refusals_of_the_fixtures_are_named_and_tell_of_the_limits() {
    let mut rig = Rig::futures_ready(&futures_setup(PEM, false));
    rig.submit(CommandKind::New(order())).unwrap();
    let frame = rig.sent();
    let text = fixture!("usdm_ws_error_bad_param");
    let own = text.replace("\"5761b939-27b1-4948-ab87-4a372a3f6b72\"", &id_of(&frame).to_string());
    rig.frame(Channel::Trade, &own).unwrap();
    let report = rig.report();
    assert_eq!((report.kind, report.reason), (ReportKind::Rejected, RejectReason::BadQty));
    assert_eq!(report.venue_code, -1102);
    let limits = rig.notices().into_iter().filter_map(|notice| match notice {
        VenueNotice::RateLimit(used) => Some((used.limit, used.used, used.allowed)),
        _ => None,
    });
    let limits: Vec<_> = limits.collect();
    assert_eq!(limits, [(0, 1, 2400), (1, 1, 300), (2, 1, 1200)]);
    // With an id that is none of ours it answers nothing.
    assert_eq!(rig.frame(Channel::Trade, text), Err(DecodeError::UnknownRequest));
    for request in [
        fixture!("usdm_ws_order_place_request"),
        fixture!("usdm_ws_order_modify_request"),
        fixture!("usdm_ws_order_cancel_request"),
        fixture!("usdm_ws_algo_place_request"),
    ] {
        assert_eq!(rig.frame(Channel::Trade, request), Err(DecodeError::Missing("status")));
    }
    for reply in [
        fixture!("usdm_ws_algo_place_response"),
        fixture!("usdm_ws_position_v2_response"),
        fixture!("usdm_ws_user_stream_start_response"),
    ] {
        assert_eq!(rig.frame(Channel::Trade, reply), Err(DecodeError::UnknownRequest));
    }
    rig.submit(CommandKind::New(order())).unwrap();
    let frame = rig.sent();
    rig.refuse(id_of(&frame), 400, -4116, "ClientOrderId is duplicated.").unwrap();
    assert_eq!(rig.report().kind, ReportKind::Unknown, "perhaps it is this one");
}

/// What the socket does not know goes over REST, wherever orders go.
#[test]
fn lists_and_cancels_of_all_go_over_rest() {
    let mut rig = Rig::futures_ready(&futures_setup(PEM, false));
    let week = NOW.0 - 7 * 86_400 * super::futures::SECOND;
    for (kind, expected) in [
        (CommandKind::CancelAll(BTC), "DELETE /fapi/v1/allOpenOrders?symbol=BTCUSDT&"),
        (CommandKind::OpenOrders(BTC), "GET /fapi/v1/openOrders?symbol=BTCUSDT&"),
        (CommandKind::FeeRate(BTC), "GET /fapi/v1/commissionRate?symbol=BTCUSDT&"),
        (CommandKind::Balances, "GET /fapi/v3/positionRisk?"),
        (
            CommandKind::FillsSince {
                instrument: BTC,
                from_id: crate::types::FillId::from_u64(698_759),
                from_ns: Nanos(0),
            },
            "GET /fapi/v1/userTrades?fromId=698759&limit=500&symbol=BTCUSDT&",
        ),
        (
            CommandKind::FillsSince {
                instrument: ETH,
                from_id: crate::types::FillId::EMPTY,
                from_ns: Nanos(week),
            },
            "GET /fapi/v1/userTrades?limit=500&startTime=1794556456000&symbol=ETHUSDT&",
        ),
        (
            CommandKind::FundingSince(Nanos(week)),
            "GET /fapi/v1/income?incomeType=FUNDING_FEE&limit=1000&startTime=1794556456000&",
        ),
    ] {
        let sent = rig.asked(kind);
        assert_eq!(unsigned(&sent.line), format!("{expected}{}", stamp()));
    }
    // Longer ago than a week: a week at a time.
    let old = CommandKind::FillsSince {
        instrument: BTC,
        from_id: crate::types::FillId::EMPTY,
        from_ns: Nanos(week - super::futures::SECOND),
    };
    let sent = rig.asked(old);
    assert!(sent.line.contains("?endTime=1795161255000&"), "{}", sent.line);
}

#[test]
fn lists_become_reports() {
    let mut rig = Rig::futures_ready(&futures_setup(PEM, false));
    let sent = rig.asked(CommandKind::OpenOrders(BTC));
    rig.response(sent.id, 200, "", fixture!("usdm_rest_all_orders")).unwrap();
    let report = rig.report();
    assert_eq!((report.kind, report.state), (ReportKind::Status, OrderState::Open));
    assert_eq!(rig.notices(), [VenueNotice::OpenOrdersEnd(BTC)]);
    // Conditional orders are in no list of orders.
    let stops = rig.requested();
    let expected = format!("GET /fapi/v1/openAlgoOrders?symbol=BTCUSDT&{}", stamp());
    assert_eq!(unsigned(&stops.line), expected);
    rig.response(stops.id, 200, "", r#"[{"algoId":1,"symbol":"BTCUSDT"}]"#).unwrap();
    assert_eq!(rig.notices(), [VenueNotice::StopOrders(BTC, 1)]);

    let sent = rig.asked(fills_of(BTC));
    rig.response(sent.id, 200, "", fixture!("usdm_rest_user_trades")).unwrap();
    let report = rig.report();
    assert_eq!((report.kind, report.side), (ReportKind::Fill, Side::Sell));
    assert_eq!(report.venue_order_id, VenueOrderId::from_u64(25_851_813));
    assert_eq!((report.fill.price, report.fill.qty), (Price(781_901_000_000), Qty(2)));
    assert_eq!(report.fill.fee, crate::types::Amount(78_190_100_000_000_000));
    assert_eq!(report.fill.fee_asset, super::futures::USDT);
    let realised = crate::types::Amount(-915_399_990_000_000_000);
    assert_eq!(report.fill.realised, Some(realised));
    assert_eq!(report.event_ns, Nanos::from_millis(1_569_514_978_020));
    assert_eq!(rig.notices(), [VenueNotice::FillsEnd(BTC)]);

    let sent = rig.asked(CommandKind::FeeRate(BTC));
    rig.response(sent.id, 200, "", fixture!("usdm_rest_commission_rate")).unwrap();
    let rate = FeeRate { instrument: BTC, maker: Ppb(200_000), taker: Ppb(400_000) };
    assert_eq!(rig.events.list(), [Event::Fee(rate)]);

    let sent = rig.asked(CommandKind::CancelAll(BTC));
    rig.response(sent.id, 200, "", fixture!("usdm_rest_cancel_all_response")).unwrap();
    assert_eq!(rig.notices(), [VenueNotice::CancelAllDone(BTC)]);
    let sent = rig.asked(CommandKind::CancelAll(BTC));
    let odd = rig.response(sent.id, 200, "", r#"{"code":1,"msg":"?"}"#);
    assert_eq!(odd, Err(DecodeError::Invalid("code")));
    assert_eq!(rig.notices(), [VenueNotice::CancelAllFailed(BTC, 0)]);
    // Batches are never sent; their rows are no rows of these lists.
    for body in
        [fixture!("usdm_rest_batch_orders_response"), fixture!("usdm_rest_batch_cancel_response")]
    {
        let sent = rig.asked(CommandKind::OpenOrders(BTC));
        let refused = rig.response(sent.id, 200, "", body);
        assert!(matches!(refused, Err(DecodeError::Missing("symbol") | DecodeError::Invalid(_))));
    }
}

fn fills_of(instrument: InstrumentId) -> CommandKind {
    match fills("1", 0) {
        CommandKind::FillsSince { from_id, from_ns, .. } => {
            CommandKind::FillsSince { instrument, from_id, from_ns }
        }
        other => other,
    }
}

#[test]
fn orders_wait_for_the_stream_and_cancels_do_not() {
    let mut rig = Rig::futures_ready(&futures_setup(PEM, false));
    rig.close(Channel::Private);
    assert_eq!(rig.submit(CommandKind::New(order())), Err(EncodeError::NotReady));
    assert_eq!(rig.submit(CommandKind::Cancel(id("1"))), Ok(()));
    assert_eq!(rig.submit(CommandKind::CancelAll(BTC)), Ok(()));
    rig.close(Channel::Rest);
    assert_eq!(rig.submit(CommandKind::CancelAll(BTC)), Err(EncodeError::NotReady));
    let failed: Vec<_> = rig.notices();
    assert_eq!(failed, []);
}

#[test]
fn cancels_and_queries_go_over_rest_while_no_order_connection_is_there() {
    for secret in [PEM, SECRET] {
        let mut rig = Rig::futures_ready(&futures_setup(secret, false));
        rig.close(Channel::Trade);
        assert_eq!(rig.submit(CommandKind::New(order())), Err(EncodeError::NotReady));
        assert_eq!(rig.submit(change(1, 1)), Err(EncodeError::NotReady));
        rig.submit(CommandKind::Cancel(id("325078477"))).unwrap();
        let cancel = rig.requested();
        assert!(cancel.line.starts_with("DELETE /fapi/v1/order?"), "{}", cancel.line);
        assert!(cancel.line.contains("&signature="), "{}", cancel.line);
        rig.submit(CommandKind::Query(id("325078477"))).unwrap();
        assert!(rig.requested().line.starts_with("GET /fapi/v1/order?"));
        rig.close(Channel::Rest);
        assert_eq!(rig.submit(CommandKind::Cancel(id("1"))), Err(EncodeError::NotReady));
    }
}

#[test]
fn a_dead_man_switch_of_many_instruments_needs_a_longer_window() {
    use super::super::dead_man::DeadMan;
    let mut setup = futures_setup(PEM, false);
    let count = setup.instruments.of_venue(setup.venue).count() as u32;
    setup.dead_man_switch_s = Some(3 * count);
    assert!(DeadMan::new(&setup).is_ok());
    setup.dead_man_switch_s = Some(3 * count - 1);
    let error = DeadMan::new(&setup).err().unwrap();
    assert_eq!(error, crate::venues::SetupError::DeadManTooShort(3 * count));
    assert!(error.to_string().contains(&format!("at least {}", 3 * count)), "{error}");
}

#[test]
fn costs_are_the_documented_weights() {
    for (kind, expected) in [
        (CommandKind::New(order()), [0, 1, 1]),
        (change(1, 1), [0, 1, 1]),
        (CommandKind::Cancel(id("")), [1, 0, 0]),
        (CommandKind::CancelAll(BTC), [1, 0, 0]),
        (CommandKind::Query(id("")), [1, 0, 0]),
        (CommandKind::OpenOrders(BTC), [2, 0, 0]),
        (fills("", 0), [5, 0, 0]),
        (CommandKind::Balances, [10, 0, 0]),
        (CommandKind::FeeRate(BTC), [20, 0, 0]),
        (CommandKind::FundingSince(NOW), [30, 0, 0]),
        (CommandKind::Resync(BTC), [20, 0, 0]),
        (CommandKind::Unsubscribe(BTC), [0, 0, 0]),
    ] {
        assert_eq!(usdm_costs(&kind, false).0[..3], expected, "{kind:?}");
        assert_eq!(usdm_costs(&kind, true).0[3..], [0, 0, 0], "{kind:?}");
    }
}
