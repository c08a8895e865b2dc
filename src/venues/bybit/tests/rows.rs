//! Rows of the private socket.

use super::*;
use crate::types::{
    AssetBalance, AssetId, Fill, FillId, Liquidity, OrderState, ParseUnitError, RejectReason,
    ReportKind, ReportOrigin,
};

#[test]
fn a_new_order_is_accepted_with_its_terms() {
    let mut bench = Bench::logged_in();
    bench.frame(Channel::Private, "ws_order_new").unwrap();
    let expected = ExecutionReport {
        venue_order_id: venue_id("1666800494330512128"),
        side: Side::Buy,
        state: OrderState::Open,
        price: Price(7_700_050),
        qty: Qty(250_000),
        cumulative_qty: Some(Qty(0)),
        event_ns: Nanos(1_737_725_795_596 * MS),
        recv_ns: START,
        ..ExecutionReport::new(ReportKind::Accepted, ReportOrigin::Stream, ClientOrderId(7), BTC)
    };
    assert_eq!(bench.take(), [Event::Report(expected)]);
}

#[test]
fn every_order_status_has_its_report() {
    use OrderState as S;
    use RejectReason as R;
    use ReportKind as K;
    let mut bench = Bench::logged_in();
    bench.frame(Channel::Private, "ws_order_rows").unwrap();
    let reports = bench.reports();
    let expected = [
        // A part is filled: the fills themselves come on the other topic.
        (1, "11", K::Progress, S::PartiallyFilled, R::None, 200_000, Some(50_000)),
        // Filled, and a cancel that came too late: the same once more.
        (2, "12", K::Progress, S::Filled, R::None, 100_000, Some(100_000)),
        (3, "13", K::Canceled, S::Canceled, R::None, 100_000, Some(0)),
        (4, "14", K::Expired, S::Expired, R::TimeInForce, 100_000, Some(0)),
        (5, "15", K::Expired, S::Expired, R::TimeInForce, 100_000, Some(0)),
        (6, "16", K::Expired, S::Expired, R::TimeInForce, 100_000, Some(40_000)),
        (7, "17", K::Canceled, S::Canceled, R::None, 100_000, Some(60_000)),
        // Post-only that would take, in the two ways in which the venue says it.
        (8, "18", K::Rejected, S::Rejected, R::WouldTake, 100_000, Some(0)),
        (9, "19", K::Rejected, S::Rejected, R::WouldTake, 100_000, Some(0)),
        (10, "20", K::Canceled, S::Canceled, R::SelfTrade, 100_000, Some(10_000)),
        // A market buy by value, not ours: complete, and its quantity is no base quantity.
        (0, "21", K::Progress, S::Filled, R::None, 0, Some(306)),
        // A market buy by quantity: the rest found no taker.
        (11, "22", K::Expired, S::Expired, R::TimeInForce, 500_000, Some(300_000)),
        (0, "23", K::Accepted, S::Open, R::None, 500_000, None),
        (0, "24", K::Canceled, S::Canceled, R::None, 500_000, Some(0)),
        (12, "25", K::Rejected, S::Rejected, R::Other, 500_000, Some(0)),
    ];
    assert_eq!(reports.len(), expected.len());
    for (index, (report, expected)) in reports.iter().zip(expected).enumerate() {
        let (client, venue, kind, state, reason, qty, cumulative) = expected;
        assert_eq!(report.client_id, ClientOrderId(client), "{venue}");
        assert_eq!(report.venue_order_id, venue_id(venue));
        assert_eq!((report.kind, report.state, report.reason), (kind, state, reason), "{venue}");
        assert_eq!(report.qty, Qty(qty), "{venue}");
        assert_eq!(report.cumulative_qty, cumulative.map(Qty), "{venue}");
        let at = Nanos((1_737_725_796_001 + index as u64) * MS);
        assert_eq!((report.event_ns, report.instrument), (at, BTC));
    }
}

#[test]
fn rows_of_other_products_and_symbols_cost_only_themselves() {
    let mut bench = Bench::logged_in();
    let refused = bench.frame(Channel::Private, "ws_order_mixed");
    assert_eq!(refused, Err(DecodeError::UnknownSymbol), "no perpetual of ours has this symbol");
    let report = bench.report();
    assert_eq!(report.venue_order_id, venue_id("31"));
    let only_unknown = fixture("ws_order_mixed").replace("linear", "spot");
    let refused = bench.text(Channel::Private, &only_unknown);
    assert_eq!(refused, Err(DecodeError::UnknownSymbol));
    assert_eq!(bench.reports().len(), 2);
}

#[test]
fn bad_rows_are_refused_by_name() {
    use DecodeError::*;
    let order = fixture("ws_order_new");
    let fill = fixture("ws_execution_rows");
    let wallet = fixture("ws_wallet");
    for (text, expected) in [
        (order.replace(r#""New""#, r#""Lost""#), Invalid("orderStatus")),
        (order.replace(r#""orderStatus":"New","#, ""), Missing("orderStatus")),
        (order.replace(r#""side":"Buy""#, r#""side":"""#), Invalid("side")),
        (order.replace("77000.5", "77000.505"), Number("price", ParseUnitError::OffScale)),
        (order.replace("77000.5", "-77000.5"), Invalid("price")),
        (order.replace(r#""0.25""#, r#""-0.25""#), Invalid("qty")),
        (order.replace(r#""0.25""#, "0.25"), Invalid("qty")),
        (order.replace("1737725795596", "soon"), Invalid("updatedTime")),
        (fill.replace(r#""execType":"Trade""#, r#""execType":"Funding""#), Invalid("execType")),
        (fill.replace("2100000000047469164", ""), Invalid("execId")),
        (fill.replace(r#""execQty":"0.000306""#, r#""execQty":"0""#), Invalid("execQty")),
        (fill.replace(r#""execPrice":"77140.6""#, r#""execPrice":"""#), Invalid("execPrice")),
        (fill.replace("false", "0"), Invalid("isMaker")),
        (fill.replace("0.000000306", "abc"), Number("execFee", ParseUnitError::Malformed)),
        (
            wallet.replace(r#""walletBalance":"1.5""#, r#""walletBalance":"""#),
            Invalid("walletBalance"),
        ),
        (wallet.replace(r#""creationTime":1759432560944,"#, ""), Missing("creationTime")),
        (wallet.replace(r#""coin":["#, r#""coins":["#), Missing("coin")),
    ] {
        let mut bench = Bench::logged_in();
        assert_eq!(bench.text(Channel::Private, &text), Err(expected), "{text}");
    }
}

#[test]
fn executions_become_fills_with_their_fee_and_its_asset() {
    let mut bench = Bench::logged_in();
    bench.frame(Channel::Private, "ws_execution_rows").unwrap();
    let reports = bench.reports();
    let assets = &instruments().assets;
    let (btc, usdt) = (assets.find("BTC").unwrap(), assets.find("USDT").unwrap());
    let expected = [
        // Stated by the venue; then by its rule: what one receives pays.
        (1, Side::Buy, 7_714_060, 306, Liquidity::Taker, "0.000000306", btc),
        (2, Side::Sell, 7_714_050, 1000, Liquidity::Taker, "0.0771405", usdt),
        (3, Side::Buy, 7_714_050, 1000, Liquidity::Maker, "0.000001", btc),
        // A rebate comes in what one gives.
        (4, Side::Buy, 7_714_000, 1000, Liquidity::Maker, "-0.003857", usdt),
        (5, Side::Sell, 7_714_000, 1000, Liquidity::Maker, "-0.00000005", btc),
        (0, Side::Sell, 7_714_000, 1000, Liquidity::Maker, "0", AssetId::NONE),
        // Taxes come on top.
        (6, Side::Sell, 7_714_000, 1000, Liquidity::Taker, "0.0826", usdt),
    ];
    assert_eq!(reports.len(), expected.len());
    for (index, (report, expected)) in reports.iter().zip(expected).enumerate() {
        let (client, side, price, qty, liquidity, fee, fee_asset) = expected;
        let fill_id = FillId::new(&(2_100_000_000_047_469_164 + index as u64).to_string());
        let fill = Fill {
            fill_id: fill_id.unwrap(),
            price: Price(price),
            qty: Qty(qty),
            liquidity,
            fee: amount(fee),
            fee_asset,
            realised: None,
        };
        let whole = ExecutionReport {
            venue_order_id: venue_id(&(11 + index).to_string()),
            side,
            fill,
            event_ns: Nanos((1_737_725_902_941 + index as u64) * MS),
            recv_ns: START,
            ..ExecutionReport::new(
                ReportKind::Fill,
                ReportOrigin::Stream,
                ClientOrderId(client),
                BTC,
            )
        };
        assert_eq!(*report, whole, "row {index}");
    }
}

/// A fee in an asset without number must be noticed, but never cost the fill.
#[test]
fn a_flawed_fill_still_counts() {
    let mut bench = Bench::logged_in();
    let flawed = bench.frame(Channel::Private, "ws_execution_flawed");
    assert_eq!(flawed, Err(DecodeError::Invalid("feeCurrency")));
    let report = bench.report();
    assert_eq!((report.kind, report.fill.qty), (ReportKind::Fill, Qty(1000)));
    assert_eq!((report.fill.fee, report.fill.fee_asset), (amount("0.5"), AssetId::NONE));
}

/// Taxes that no account could pay are a flaw of the message, whatever their number.
#[test]
fn taxes_beyond_all_amounts_cost_no_fill() {
    let mut bench = Bench::logged_in();
    let tax = r#"{"feeCoin":"MNT","fee":"0"},{"feeCoin":"USDT","fee":"600000000000000000"}"#;
    let taxes = vec![tax; 400].join(",");
    let fees = format!(r#""isMaker":false,"extraFees":[{taxes}]"#);
    let text = fixture("ws_execution_flawed");
    let text = text.replace("MNT", "USDT").replacen(r#""isMaker":false"#, &fees, 1);
    let flawed = bench.text(Channel::Private, &text);
    assert_eq!(flawed, Err(DecodeError::Invalid("extraFees")));
    let report = bench.report();
    assert_eq!((report.kind, report.fill.qty), (ReportKind::Fill, Qty(1000)));
    assert_eq!(report.fill.fee, amount("600000000000000000.5"));
}

#[test]
fn the_same_fill_twice_is_reported_twice_with_one_id() {
    let mut bench = Bench::logged_in();
    bench.frame(Channel::Private, "ws_execution_rows").unwrap();
    let first = bench.reports();
    bench.frame(Channel::Private, "ws_execution_rows").unwrap();
    assert_eq!(bench.reports(), first);
}

#[test]
fn wallets_become_balances_of_the_assets_we_know() {
    let mut bench = Bench::logged_in();
    bench.frame(Channel::Private, "ws_wallet").unwrap();
    let assets = &instruments().assets;
    let balance = |coin, free, locked| {
        Event::Balance(AssetBalance {
            venue: BYBIT,
            asset: assets.find(coin).unwrap(),
            free: amount(free),
            locked: amount(locked),
            event_ns: Nanos(1_759_432_560_944 * MS),
        })
    };
    assert_eq!(bench.take(), [balance("BTC", "1.25", "0.25"), balance("USDT", "1000.5", "0")]);
}

/// More rows than the agent's buffer holds: the rest comes with the next call, in order.
#[test]
fn long_messages_lose_no_report() {
    let mut bench = Bench::logged_in();
    bench.events = Events::with_capacity(4, 4);
    bench.frame(Channel::Private, "ws_order_rows").unwrap();
    let mut venue_ids = Vec::new();
    for _ in 0..4 {
        venue_ids.extend(bench.reports().iter().map(|r| r.venue_order_id.to_string()));
        let due = bench.connector.deadline();
        assert!(due == Some(Nanos(0)) || venue_ids.len() == 15);
        bench.connector.on_deadline(bench.now, &mut bench.out, &mut bench.events);
    }
    assert_eq!(venue_ids, (11..=25).map(|id| id.to_string()).collect::<Vec<_>>());
}
