//! Events of the account to exact reports and balances.

use super::{BTC, ETH, MS, NOW, ORDER, PEM, Rig, fixture};
use crate::types::{
    Amount, AssetBalance, AssetId, Channel, ClientOrderId, Event, ExecutionReport, Fill, FillId,
    InstrumentId, Liquidity, Nanos, Price, Qty, RejectReason, ReportKind, ReportOrigin, Side,
    VenueId, VenueOrderId,
};
use crate::venues::DecodeError;

/// A report on the buy order of 0.007 BTC.
fn expected(kind: ReportKind, done: i64, event_ms: u64) -> ExecutionReport {
    let mut report = ExecutionReport::new(kind, ReportOrigin::Stream, ORDER, BTC);
    report.venue_order_id = VenueOrderId::new("9639329831").unwrap();
    (report.price, report.qty) = (Price(6_183_763), Qty(700));
    report.cumulative_qty = Some(Qty(done));
    report.event_ns = Nanos(event_ms * MS);
    report.recv_ns = NOW;
    report
}

fn decoded(text: &str) -> ExecutionReport {
    let mut rig = Rig::ready(PEM, false);
    rig.frame(Channel::Trade, text).unwrap();
    assert_eq!(rig.events.list().len(), 1);
    rig.report()
}

#[test]
fn each_execution_is_exactly_one_report() {
    let new = expected(ReportKind::Accepted, 0, 1_795_161_256_000);
    assert_eq!(decoded(fixture!("execution_new")), new);

    let mut partial = expected(ReportKind::Fill, 200, 1_795_161_257_000);
    partial.fill = Fill {
        fill_id: FillId::new("1251701408").unwrap(),
        price: Price(6_183_760),
        qty: Qty(200),
        liquidity: Liquidity::Taker,
        fee: Amount(2_000_000_000_000),
        fee_asset: AssetId(0),
        realised: None,
    };
    assert_eq!(decoded(fixture!("execution_partial")), partial);

    let mut filled = expected(ReportKind::Fill, 700, 1_795_161_258_000);
    filled.fill = Fill {
        fill_id: FillId::new("1251701409").unwrap(),
        price: Price(6_183_763),
        qty: Qty(500),
        liquidity: Liquidity::Maker,
        fee: Amount(5_250_000_000_000),
        fee_asset: AssetId(3),
        realised: None,
    };
    assert_eq!(decoded(fixture!("execution_filled")), filled);

    // `c` names the cancel, `C` the order.
    let canceled = expected(ReportKind::Canceled, 200, 1_795_161_258_000);
    assert_eq!(decoded(fixture!("execution_canceled")), canceled);

    let mut replaced = expected(ReportKind::Replaced, 0, 1_795_161_258_000);
    replaced.qty = Qty(500);
    assert_eq!(decoded(fixture!("execution_replaced")), replaced);

    let mut rejected = expected(ReportKind::Rejected, 0, 1_795_161_256_000);
    rejected.venue_order_id = VenueOrderId::from_u64(9_639_329_832);
    rejected.reason = RejectReason::InsufficientBalance;
    assert_eq!(decoded(fixture!("execution_rejected")), rejected);

    let mut expired = expected(ReportKind::Expired, 40_000, 1_795_161_256_000);
    (expired.instrument, expired.side) = (ETH, Side::Sell);
    expired.client_id = ClientOrderId(ORDER.0 + 1);
    expired.venue_order_id = VenueOrderId::from_u64(12_345_678);
    (expired.price, expired.qty) = (Price(250_000), Qty(100_000));
    expired.reason = RejectReason::TimeInForce;
    assert_eq!(decoded(fixture!("execution_expired")), expired);

    let mut prevented = expected(ReportKind::Expired, 0, 1_795_161_256_000);
    prevented.client_id = ClientOrderId(ORDER.0 + 2);
    prevented.venue_order_id = VenueOrderId::from_u64(9_639_329_833);
    prevented.reason = RejectReason::SelfTrade;
    assert_eq!(decoded(fixture!("execution_trade_prevention")), prevented);
}

#[test]
fn variants_of_executions_keep_their_meaning() {
    let reason = |fixture: &str, from: &str, to: &str| {
        let report = decoded(&fixture.replace(from, to));
        (report.kind, report.reason)
    };
    let expired = fixture!("execution_expired");
    let eor = "UNFILLED_IOC_QUANTITY_EXPIRED";
    for (to, expected) in [
        ("UNFILLED_FOK_ORDER_EXPIRED", RejectReason::TimeInForce),
        ("INSUFFICIENT_LIQUIDITY", RejectReason::TimeInForce),
        ("EXECUTION_RULE_PRICE_RANGE_EXCEEDED", RejectReason::BadPrice),
        ("EXCHANGE_CANCELED", RejectReason::Other),
    ] {
        assert_eq!(reason(expired, eor, to), (ReportKind::Expired, expected), "{to}");
    }
    // Older messages do not say why an order expired; its time in force does.
    let older = expired.replace(&format!(",\"eR\":\"{eor}\""), "");
    assert_eq!(decoded(&older).reason, RejectReason::TimeInForce);
    let gtc = older.replace("\"f\":\"IOC\"", "\"f\":\"GTC\"");
    assert_eq!(decoded(&gtc).reason, RejectReason::Other);
    let rejected = fixture!("execution_rejected");
    let would_take = reason(rejected, "INSUFFICIENT_BALANCES", "WOULD_MATCH_IMMEDIATELY");
    assert_eq!(would_take, (ReportKind::Rejected, RejectReason::WouldTake));
    // Self-trade prevention by decrement leaves the order working.
    let prevented = fixture!("execution_trade_prevention").replace("EXPIRED_IN_MATCH", "NEW");
    assert_eq!(decoded(&prevented).kind, ReportKind::Progress);
    // A stranger's order, and a fee in an asset that nobody configured.
    let stranger = fixture!("execution_filled").replace("st0cb0a1b214000001", "web_by_hand");
    assert_eq!(decoded(&stranger).client_id, ClientOrderId::NONE);
    let report = decoded(&fixture!("execution_filled").replace("\"BNB\"", "\"FDUSD\""));
    assert_eq!(report.fill.fee, Amount(5_250_000_000_000));
    assert_eq!(report.fill.fee_asset, AssetId::NONE);
    let rebate = fixture!("execution_filled").replace("0.00000525", "-0.00000525");
    assert_eq!(decoded(&rebate).fill.fee, Amount(-5_250_000_000_000));
    let free =
        fixture!("execution_filled").replace("\"0.00000525\",\"N\":\"BNB\"", "\"0\",\"N\":null");
    assert_eq!(decoded(&free).fill.fee_asset, AssetId::NONE);
}

#[test]
fn balances_are_told_for_known_assets() {
    let mut rig = Rig::ready(PEM, false);
    rig.frame(Channel::Trade, fixture!("account_position")).unwrap();
    let balance = |asset, free, locked| {
        let event_ns = Nanos(1_795_161_256_073 * MS);
        Event::Balance(AssetBalance { venue: VenueId(0), asset, free, locked, event_ns })
    };
    let expected = [
        balance(AssetId(0), Amount(1_250_000_000_000_000_000), Amount(7_000_000_000_000_000)),
        balance(AssetId(2), Amount(10_000_000_000_010_000_000_000), Amount(0)),
    ];
    assert_eq!(rig.events.list(), expected);
    for quiet in
        [fixture!("balance_update"), fixture!("list_status"), fixture!("external_lock_update")]
    {
        rig.frame(Channel::Trade, quiet).unwrap();
        assert!(rig.events.list().is_empty() && rig.out.is_empty());
    }
}

#[test]
fn events_that_are_wrong_are_refused_by_name() {
    use DecodeError::*;
    let fill = |from: &str, to: &str| fixture!("execution_filled").replace(from, to);
    let off_scale = |field| Number(field, crate::types::ParseUnitError::OffScale);
    let malformed = |field| Number(field, crate::types::ParseUnitError::Malformed);
    for (text, expected) in [
        (r#"{"subscriptionId":0,"event":{"e":"ORDER_TRADE_UPDATE"}}"#.to_owned(), UnknownKind),
        (r#"{"subscriptionId":0,"event":{}}"#.to_owned(), Missing("e")),
        (r#"{"subscriptionId":0,"event":7}"#.to_owned(), Missing("e")),
        (r#"{"e":"executionReport"}"#.to_owned(), UnknownKind),
        (r#"{"stream":"executionReport","data":{}}"#.to_owned(), UnknownKind),
        (r#"{"id":1}"#.to_owned(), Missing("status")),
        (r#"{"id":1,"status":70000}"#.to_owned(), Missing("status")),
        (r#"{"id":"x","status":200,"result":{}}"#.to_owned(), UnknownRequest),
        (r#"{"id":7,"status":200,"result":{}}"#.to_owned(), UnknownRequest),
        (fill("\"s\":\"BTCUSDT\"", "\"s\":\"XRPUSDT\""), UnknownSymbol),
        (fill("\"s\":\"BTCUSDT\",", ""), Missing("s")),
        (fill("\"x\":\"TRADE\"", "\"x\":\"CALCULATED\""), Invalid("x")),
        (fill("\"x\":\"TRADE\",", ""), Missing("x")),
        (fill("\"S\":\"BUY\"", "\"S\":\"HOLD\""), Invalid("S")),
        (fill("\"t\":1251701409", "\"t\":-1"), Invalid("t")),
        (fill("\"t\":1251701409,", ""), Missing("t")),
        (fill("\"l\":\"0.00500000\"", "\"l\":\"0.00000000\""), Invalid("l")),
        (fill("\"l\":\"0.00500000\"", "\"l\":\"-0.00500000\""), Invalid("l")),
        (fill("\"L\":\"61837.63000000\"", "\"L\":\"0.00000000\""), Invalid("L")),
        (fill("\"L\":\"61837.63000000\"", "\"L\":\"61837.63100000\""), off_scale("L")),
        (fill("\"z\":\"0.00700000\"", "\"z\":\"0.00700000001\""), off_scale("z")),
        (fill("\"n\":\"0.00000525\"", "\"n\":\"5e-6\""), malformed("n")),
        (fill("\"N\":\"BNB\"", "\"N\":null"), Missing("N")),
        (fill("\"m\":true", "\"m\":1"), Missing("m")),
        (fill("\"T\":1795161258000", "\"T\":1795161258000000"), Invalid("T")),
        (fixture!("account_position").replace("\"1.25000000\"", "\"many\""), malformed("f")),
        (fixture!("account_position").replace("\"u\":1795161256073,", ""), Missing("u")),
        (fixture!("balance_update").replace("-100.00000000", "-"), malformed("d")),
    ] {
        let mut rig = Rig::ready(PEM, false);
        assert_eq!(rig.frame(Channel::Trade, &text), Err(expected), "{text}");
        assert!(rig.events.list().is_empty(), "{text}");
    }
    assert_eq!(Rig::ready(PEM, false).frame(Channel::Public, "{}"), Err(UnknownKind));
    assert_eq!(BTC, InstrumentId(1));
}
