//! Data of the private socket: orders, fills, balances, positions.

use super::orders::{ID, cancel, order};
use super::*;
use crate::types::{
    AssetBalance, AssetId, Fill, FillId, Liquidity, MarginMode, MarginReport, OrderState,
    PositionReport, RejectReason, ReplaceOrder, ReportKind, ReportOrigin, Side,
};

const OURS: &str = "st0000000000000001";

/// A frame about an order of ours.
fn ours(name: &str) -> String {
    let frame = fixture(name);
    assert!(frame.contains("eng0001"), "{name}");
    frame.replace("eng0001", OURS)
}

fn usdt() -> AssetId {
    instruments().assets.find("USDT").unwrap()
}

/// What a row of the documented sell order says, whatever has become of it.
fn row(kind: ReportKind, ms: u64) -> ExecutionReport {
    ExecutionReport {
        venue_order_id: VenueOrderId::new("452197707845865472").unwrap(),
        side: Side::Sell,
        state: OrderState::Open,
        price: Price(3_152_710),
        qty: Qty(300_000),
        cumulative_qty: Some(Qty(0)),
        event_ns: Nanos(ms * MS),
        recv_ns: START,
        ..ExecutionReport::new(kind, ReportOrigin::Stream, ID, BTC)
    }
}

#[test]
fn rows_of_orders_become_reports() {
    let sold = Fill {
        fill_id: FillId::new("242589207").unwrap(),
        price: Price(3_152_710),
        qty: Qty(100_000),
        liquidity: Liquidity::Maker,
        fee: amount("0.02522168"),
        fee_asset: usdt(),
        realised: None,
    };
    let part = ExecutionReport {
        state: OrderState::PartiallyFilled,
        cumulative_qty: Some(Qty(100_000)),
        ..row(ReportKind::Fill, 1_654_084_353_264)
    };
    let ended = |kind, state, reason, ms| ExecutionReport { state, reason, ..row(kind, ms) };
    use RejectReason as R;
    use ReportKind as K;
    for (name, expected) in [
        ("ws_orders_live_derived", row(K::Accepted, 1_654_084_334_977)),
        ("ws_orders_partially_filled_derived", ExecutionReport { fill: sold, ..part }),
        (
            "ws_orders_canceled_post_only_derived",
            ended(K::Rejected, OrderState::Rejected, R::WouldTake, 1_654_084_334_978),
        ),
    ] {
        let mut bench = Bench::logged_in();
        bench.text(Channel::Private, &ours(name)).unwrap();
        assert_eq!(bench.reports(), [expected], "{name}");
    }
    for (name, kind, state, reason, filled) in [
        ("ws_orders_canceled_by_user_derived", K::Canceled, OrderState::Canceled, R::None, 0),
        (
            "ws_orders_canceled_ioc_partial_derived",
            K::Expired,
            OrderState::Expired,
            R::TimeInForce,
            100_000,
        ),
    ] {
        let mut bench = Bench::logged_in();
        bench.text(Channel::Private, &ours(name)).unwrap();
        let reports = bench.reports();
        let [report] = reports[..] else { panic!("{reports:?}") };
        assert_eq!((report.kind, report.state, report.reason), (kind, state, reason), "{name}");
        assert_eq!(report.cumulative_qty, Some(Qty(filled)), "{name}");
    }
}

/// The documented fill of a whole order, and one of an order by hand at a swap: the venue's contracts
/// are base units here. What it takes is paid, and negative on the wire.
#[test]
fn fills_are_reported_with_their_own_fee() {
    for (name, instrument, price, qty, fee, taker, side, id) in [
        ("ws_orders_filled", BTC, 3_152_710, 100_000, "0.02522168", false, Side::Sell, "242589207"),
        (
            "ws_orders_ioc_partial",
            BTC,
            5_010_050,
            2_000_000,
            "0.1002",
            true,
            Side::Sell,
            "1518905531",
        ),
        (
            "ws_orders_swap_filled",
            SWAP,
            10_369_890,
            30_000,
            "0.021776769",
            false,
            Side::Buy,
            "1518905529",
        ),
        ("ws_orders_liquidation", SWAP, 4_000_000, 500_000, "20", true, Side::Sell, "1518905999"),
        ("ws_orders_adl", ETH, 4_100_000, 3_000_000, "12.3", true, Side::Buy, "1518906000"),
    ] {
        let mut bench = Bench::logged_in();
        bench.private(name).unwrap();
        let reports = bench.reports();
        let [report] = reports[..] else { panic!("{name}: {reports:?}") };
        assert_eq!(
            (report.kind, report.instrument, report.side),
            (ReportKind::Fill, instrument, side)
        );
        assert_eq!(report.cumulative_qty, Some(Qty(qty)), "{name}");
        assert_eq!(report.client_id, ClientOrderId::NONE, "{name}: not ours");
        let expected = Fill {
            fill_id: FillId::new(id).unwrap(),
            price: Price(price),
            qty: Qty(qty),
            liquidity: if taker { Liquidity::Taker } else { Liquidity::Maker },
            fee: amount(fee),
            fee_asset: usdt(),
            realised: None,
        };
        assert_eq!(report.fill, expected, "{name}");
    }
}

/// A fee that cannot be told never costs the fill.
#[test]
fn a_flaw_of_the_fee_is_counted_behind_the_fill() {
    let frame = ours("ws_orders_partially_filled_derived");
    for (from, to, error) in [
        ("\"fillFeeCcy\": \"USDT\"", "\"fillFeeCcy\": \"XYZ\"", DecodeError::Invalid("feeCcy")),
        ("\"fillFee\": \"-0.02522168\",", "", DecodeError::Missing("fillFee")),
    ] {
        assert!(frame.contains(from), "{from}");
        let mut bench = Bench::logged_in();
        // An order of which more was filled before.
        let frame =
            frame.replace(from, to).replace("\"accFillSz\": \"0.001\"", "\"accFillSz\": \"0.002\"");
        assert_eq!(bench.text(Channel::Private, &frame), Err(error));
        assert_eq!(bench.reports()[0].kind, ReportKind::Fill, "{to}");
    }
    let mut bench = Bench::logged_in();
    let rebate = frame.replace("\"fillFee\": \"-0.02522168\"", "\"fillFee\": \"0.01\"");
    bench.text(Channel::Private, &rebate).unwrap();
    assert_eq!(bench.reports()[0].fill.fee, amount("-0.01"), "a rebate is received");
}

#[test]
fn a_change_is_shown_by_its_terms_or_refused_by_its_number() {
    let replace = ReplaceOrder {
        client_id: ID,
        venue_order_id: VenueOrderId::EMPTY,
        instrument: BTC,
        price: Price(0),
        qty: Qty(200_000),
    };
    let frame = ours("ws_orders_amended_derived");
    let mut bench = Bench::logged_in();
    bench.submit(CommandKind::Replace(replace)).unwrap();
    bench.text(Channel::Private, &frame).unwrap();
    let reports = bench.reports();
    assert_eq!((reports[0].kind, reports[0].qty), (ReportKind::Replaced, Qty(200_000)));

    let mut bench = Bench::logged_in();
    bench.submit(CommandKind::Replace(replace)).unwrap();
    let sent = bench.sent().concat();
    let id = sent.split_once(r#""reqId":""#).unwrap().1.split('"').next().unwrap();
    let refused = frame
        .replace("\"amendResult\": \"0\"", "\"amendResult\": \"-1\"")
        .replace("\"code\": \"0\"", "\"code\": \"51008\"")
        .replace("\"sz\": \"0.002\"", "\"sz\": \"0.003\"");
    bench.text(Channel::Private, &refused).unwrap();
    assert_eq!(bench.reports()[0].kind, ReportKind::Accepted, "of another request");
    let refused = refused.replace("b12344", id);
    for copies in [true, false] {
        bench.text(Channel::Private, &refused).unwrap();
        let kinds: Vec<_> = bench.reports().iter().map(|report| report.kind).collect();
        match copies {
            true => assert_eq!(kinds, [ReportKind::ReplaceRejected, ReportKind::Accepted]),
            false => assert_eq!(kinds, [ReportKind::Accepted], "a copy says nothing new"),
        }
    }
    // The reply may come behind it: it is expected, and says nothing new either.
    let reply = format!(
        r#"{{"id":"{id}","op":"amend-order","data":[{{"clOrdId":"","ordId":"1","sCode":"51008","sMsg":""}}],"code":"1","msg":""}}"#
    );
    bench.text(Channel::Trade, &reply).unwrap();
    assert_eq!(bench.reports(), []);
    assert_eq!(bench.text(Channel::Trade, &reply), Err(DecodeError::UnknownRequest));
    bench.pass(10_000);
    assert_eq!(bench.reports(), []);
}

/// A profit is calculated: it may have more digits than are kept, and must not cost the fill.
#[test]
fn a_profit_of_many_digits_costs_no_fill() {
    let frame = ours("ws_orders_partially_filled_derived")
        .replace("BTC-USDT\"", "BTC-USDT-SWAP\"")
        .replace("\"fillPnl\": \"0\"", "\"fillPnl\": \"-0.1234567890123456789\"");
    assert!(frame.contains("456789\""), "{frame}");
    let mut bench = Bench::logged_in();
    bench.text(Channel::Private, &frame).unwrap();
    assert_eq!(bench.reports()[0].fill.realised, Some(amount("-0.123456789012345678")));
}

/// The effect of a cancel may come before its reply.
#[test]
fn a_cancel_seen_on_the_stream_needs_no_reply() {
    let mut bench = Bench::logged_in();
    bench.submit(CommandKind::Cancel(cancel())).unwrap();
    bench.text(Channel::Private, &ours("ws_orders_canceled_by_user_derived")).unwrap();
    assert_eq!(bench.reports()[0].kind, ReportKind::Canceled);
    bench.pass(2000);
    assert_eq!(bench.reports(), [], "nothing is unknown");
}

/// An order at any price that found no more to take ends as filled, with less than it asked for.
#[test]
fn an_order_at_any_price_may_end_with_less() {
    let frame = ours("ws_orders_partially_filled_derived")
        .replace("\"ordType\": \"limit\"", "\"ordType\": \"market\"")
        .replace("\"tgtCcy\": \"\"", "\"tgtCcy\": \"base_ccy\"")
        .replace("\"state\": \"partially_filled\"", "\"state\": \"filled\"");
    let mut bench = Bench::logged_in();
    bench.text(Channel::Private, &frame).unwrap();
    let kinds: Vec<_> = bench.reports().iter().map(|report| (report.kind, report.reason)).collect();
    let reason = RejectReason::TimeInForce;
    assert_eq!(kinds, [(ReportKind::Fill, reason), (ReportKind::Expired, reason)]);
    let closed = frame
        .replace("\"fillSz\": \"0.001\"", "\"fillSz\": \"0\"")
        .replace("\"tradeId\": \"242589207\"", "\"tradeId\": \"\"");
    bench.text(Channel::Private, &closed).unwrap();
    let reports = bench.reports();
    let [report] = reports[..] else { panic!("{reports:?}") };
    assert_eq!((report.kind, report.cumulative_qty), (ReportKind::Expired, Some(Qty(100_000))));
}

#[test]
fn balances_and_margins_are_read() {
    let mut bench = Bench::logged_in();
    bench.private("ws_account").unwrap();
    let event_ns = Nanos(1_705_564_213_903 * MS);
    let balance = AssetBalance {
        venue: OKX,
        asset: usdt(),
        free: amount("4734.371190691436"),
        locked: amount("16.05578"),
        event_ns,
    };
    assert_eq!(balance.total(), amount("4750.426970691436"), "the wallet, without profit");
    let margin = MarginReport {
        venue: OKX,
        asset: usdt(),
        equity: amount("4892.951170691435"),
        available: amount("4734.371190691435"),
        initial: Amount::ZERO,
        maintenance: Amount::ZERO,
        event_ns,
    };
    assert_eq!(bench.take(), [Event::Balance(balance), Event::Margin(margin)]);
    // Profit that is not realised may be available too; it is not in the wallet.
    let rich = fixture("ws_account").replace("4734.371190691436", "5000");
    bench.text(Channel::Private, &rich).unwrap();
    let free = amount("4750.426970691436");
    let whole = AssetBalance { free, locked: Amount::ZERO, ..balance };
    assert_eq!(bench.take()[0], Event::Balance(whole));
}

#[test]
fn positions_are_net_and_in_base_units() {
    let mut bench = Bench::logged_in();
    // The example's futures are no instrument of ours.
    bench.private("ws_positions").unwrap();
    assert_eq!(bench.take(), []);
    let frame = fixture("ws_positions")
        .replace("ETH-USD-210430", "BTC-USDT-SWAP")
        .replace("\"posSide\": \"long\"", "\"posSide\": \"net\"")
        .replace("isolated", "cross")
        .replace("\"imr\": \"\"", "\"imr\": \"0.00039\"")
        .replace("\"pos\": \"1\"", "\"pos\": \"-1.5\"");
    bench.text(Channel::Private, &frame).unwrap();
    let position = PositionReport {
        instrument: SWAP,
        qty: amount("-0.015"),
        entry: amount("2566.31"),
        liquidation: amount("2352.8496681818233"),
        margin: amount("0.00039"),
        unrealised: amount("-0.0000009932766034"),
        leverage: amount("10"),
        mode: MarginMode::Cross,
        event_ns: Nanos(1_619_507_761_462 * MS),
    };
    assert_eq!(bench.take(), [Event::Position(position)]);
    for (from, to, error) in [
        ("\"posSide\": \"net\"", "\"posSide\": \"long\"", DecodeError::Invalid("posSide")),
        ("cross", "cash", DecodeError::Invalid("mgnMode")),
        ("cross", "isolated", DecodeError::Invalid("mgnMode")),
        ("\"pos\": \"-1.5\"", "\"pos\": \"\"", DecodeError::Missing("pos")),
        ("\"pos\": \"-1.5\"", "\"pos\": \"0.00000000000000001\"", DecodeError::Invalid("pos")),
    ] {
        assert!(frame.contains(from), "{from}");
        assert_eq!(bench.text(Channel::Private, &frame.replace(from, to)), Err(error), "{to}");
        assert_eq!(bench.take(), []);
    }
}

#[test]
fn bad_rows_are_refused_by_name_and_cost_only_themselves() {
    let frame = ours("ws_orders_live_derived");
    let invalid = DecodeError::Invalid;
    for (from, to, error) in [
        ("\"state\": \"live\"", "\"state\": \"open\"", invalid("state")),
        ("\"side\": \"sell\"", "\"side\": \"short\"", invalid("side")),
        (
            "\"instId\": \"BTC-USDT\",\n   \"instType\"",
            "\"instId\": \"X\",\n   \"instType\"",
            DecodeError::UnknownSymbol,
        ),
        ("\"sz\": \"0.003\"", "\"sz\": \"-1\"", invalid("sz")),
        ("\"uTime\": \"1654084334977\"", "\"uTime\": \"\"", invalid("uTime")),
        ("\"channel\": \"orders\"", "\"channel\": \"fills\"", DecodeError::UnknownKind),
        ("\"data\": [", "\"rows\": [", DecodeError::Missing("data")),
    ] {
        assert!(frame.contains(from), "{from}");
        let mut bench = Bench::logged_in();
        assert_eq!(bench.text(Channel::Private, &frame.replacen(from, to, 1)), Err(error), "{to}");
        assert_eq!(bench.take(), [], "{to}");
    }
    for name in ["ws_fills", "ws_balance_and_position", "ws_instruments", "ws_status"] {
        let result = Bench::logged_in().private(name);
        assert_eq!(result, Err(DecodeError::UnknownKind), "{name}: never asked for");
    }
    let row = frame.split_once("\"data\": [").unwrap().1.rsplit_once(']').unwrap().0;
    let bad = row.replace("\"state\": \"live\"", "\"state\": \"?\"");
    let two = frame.replace(row, &format!("{bad},{row}"));
    let mut bench = Bench::logged_in();
    assert_eq!(bench.text(Channel::Private, &two), Err(invalid("state")));
    assert_eq!(bench.reports().len(), 1, "the good row counts");
}

/// Replies are lost with their connection; the stream is the proof.
#[test]
fn orders_on_a_lost_connection_are_unknown() {
    let mut bench = Bench::logged_in();
    bench.submit(CommandKind::New(order(BTC))).unwrap();
    bench.close(Channel::Trade);
    let reports = bench.reports();
    assert_eq!((reports.len(), reports[0].kind), (1, ReportKind::Unknown));
}
