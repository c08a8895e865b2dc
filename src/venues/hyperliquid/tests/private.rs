//! The account's streams.

use super::*;
use crate::types::{
    AssetId, Fill, FillId, FundingPayment, Liquidity, OrderState, RejectReason, ReportKind,
    ReportOrigin, VenueOrderId,
};

fn usdc(setup: &VenueSetup) -> AssetId {
    setup.instruments.assets.find("USDC").unwrap()
}

#[test]
fn the_stream_is_ready_once_all_of_it_is_acknowledged() {
    let mut bench = Bench::trading(setup());
    bench.open(Channel::Private);
    let topic = |name: &str| {
        let text = format!(
            r#"{{"method":"subscribe","subscription":{{"type":"{name}","user":"{SIGNER}"}}}}"#
        );
        (Channel::Private, text)
    };
    let (channel, state) = topic("clearinghouseState");
    let state = (channel, state.replace(r#""}}"#, r#"","dex":""}}"#));
    let orders = ["orderUpdates", "userFills", "userFundings"].map(topic);
    let all: Vec<_> = orders.into_iter().chain([state, topic("spotState")]).collect();
    assert_eq!(bench.sent(), all);
    bench.take();
    bench.private(&acked("orderUpdates")).unwrap();
    bench.private(&acked("userFills")).unwrap();
    assert!(bench.take().is_empty());
    let twice = r#"{"channel":"error","data":"Already subscribed: {\"type\":\"userFundings\"}"}"#;
    bench.private(twice).unwrap();
    let ready = VenueNotice::Readiness(Channel::Private, Readiness::Ready);
    assert_eq!(bench.take(), [Event::Notice(ready)]);
    // What is also asked for need not be there.
    bench.private(&acked("spotState")).unwrap();
    bench.private(&acked("clearinghouseState")).unwrap();
    assert!(bench.take().is_empty());
    assert_eq!(bench.private(&acked("noSuch")), Err(DecodeError::Invalid("type")));
    // One that is never acknowledged costs the connection.
    let mut bench = Bench::trading(setup());
    bench.open(Channel::Private);
    bench.out.clear();
    bench.now = bench.now.plus(5_000 * MS);
    let (out, events) = (&mut bench.out, &mut bench.events);
    bench.connector.on_deadline(bench.now, out, events);
    assert_eq!(bench.sent(), [(Channel::Private, "reconnect".to_owned())]);
}

#[test]
fn states_of_orders_become_reports() {
    for (name, kind, reason, id, qty, price, time) in [
        (
            "ws_orderupdates_open",
            ReportKind::Accepted,
            RejectReason::None,
            57_118_842_019,
            37_000,
            317_950,
            1_785_261_289_146,
        ),
        (
            "ws_orderupdates_canceled",
            ReportKind::Canceled,
            RejectReason::None,
            57_118_842_019,
            37_000,
            317_950,
            1_785_261_290_665,
        ),
        (
            "ws_orderupdates_bad_alo_px_rejected",
            ReportKind::Rejected,
            RejectReason::WouldTake,
            502_464_968_365,
            117_163_000,
            640_200,
            1_784_976_929_583,
        ),
    ] {
        let mut bench = Bench::ready();
        bench.private(&fixture(name)).unwrap();
        let report = bench.report();
        let expected = ExecutionReport {
            venue_order_id: VenueOrderId::from_u64(id),
            side: Side::Buy,
            state: report.state,
            price: Price(price),
            qty: Qty(qty),
            cumulative_qty: Some(Qty(0)),
            reason,
            venue_code: if kind == ReportKind::Rejected { 5 } else { 0 },
            event_ns: Nanos(time * MS),
            recv_ns: START,
            // Not one of ours.
            ..ExecutionReport::new(kind, ReportOrigin::Stream, ClientOrderId::NONE, BTC)
        };
        assert_eq!(report, expected, "{name}");
    }
    let mut bench = Bench::ready();
    bench.private(&fixture("ws_orderupdates_spot_open_no_cloid")).unwrap();
    let report = bench.report();
    assert_eq!(
        (report.instrument, report.price, report.qty),
        (PAIR, Price(30_000_000), Qty(49_000_000))
    );
}

fn update(size: (&str, &str), status: &str) -> String {
    let (left, total) = size;
    format!(
        r#"{{"channel":"orderUpdates","data":[{{"order":{{"coin":"BTC","side":"B","limitPx":"80000.0","sz":"{left}","oid":7,"timestamp":1,"origSz":"{total}","cloid":"{CLOID}"}},"status":"{status}","statusTimestamp":2}}]}}"#
    )
}

#[test]
fn remainders_tell_what_was_filled() {
    let mut bench = Bench::ready();
    for (size, status, kind, filled, state) in [
        (("0.015", "0.02"), "open", ReportKind::Progress, 500_000, OrderState::PartiallyFilled),
        (("0.0", "0.02"), "filled", ReportKind::Progress, 2_000_000, OrderState::Filled),
        (("0.015", "0.02"), "marginCanceled", ReportKind::Canceled, 500_000, OrderState::Canceled),
        (("0.02", "0.02"), "iocCancelRejected", ReportKind::Expired, 0, OrderState::Expired),
        (("0.02", "0.02"), "tickRejected", ReportKind::Rejected, 0, OrderState::Rejected),
        (("0.02", "0.02"), "triggered", ReportKind::Accepted, 0, OrderState::Open),
    ] {
        bench.private(&update(size, status)).unwrap();
        let report = bench.report();
        assert_eq!((report.kind, report.state), (kind, state), "{status}");
        assert_eq!(report.cumulative_qty, Some(Qty(filled)), "{status}");
        assert_eq!(report.client_id, OURS);
    }
    for (text, error) in [
        (update(("0.03", "0.02"), "open"), DecodeError::Invalid("sz")),
        (update(("0.02", "0.02"), "lost"), DecodeError::Invalid("status")),
        (
            update(("x", "0.02"), "open"),
            DecodeError::Number("sz", crate::types::ParseUnitError::Malformed),
        ),
        (update(("0.02", ""), "open"), DecodeError::Missing("origSz")),
        (r#"{"channel":"orderUpdates","data":{}}"#.to_owned(), DecodeError::Invalid("data")),
        (r#"{"channel":"orderUpdates"}"#.to_owned(), DecodeError::Missing("data")),
        (r#"{"channel":"other","data":{}}"#.to_owned(), DecodeError::UnknownKind),
        (r#"{"channel":"user","data":{}}"#.to_owned(), DecodeError::UnknownKind),
    ] {
        assert_eq!(bench.private(&text), Err(error), "{text}");
    }
    assert!(bench.take().is_empty());
}

#[test]
fn a_bad_row_costs_itself_alone() {
    let mut bench = Bench::ready();
    let good = update(("0.02", "0.02"), "open");
    let row = good.split_once('[').unwrap().1.strip_suffix("]}").unwrap();
    let bad = row.replace("\"B\"", "\"X\"");
    let other = row.replace("\"BTC\"", "\"DOGE\"");
    let text = format!(r#"{{"channel":"orderUpdates","data":[{bad},{other},{row}]}}"#);
    assert_eq!(bench.private(&text), Err(DecodeError::Invalid("side")));
    assert_eq!(bench.report().kind, ReportKind::Accepted);
}

#[test]
fn fills_have_their_fee_and_its_asset() {
    let mut bench = Bench::ready();
    let hype = setup().instruments.assets.find("HYPE").unwrap();
    let usdc = usdc(&setup());
    for (name, instrument, id, oid, price, qty, side, liquidity, fee, asset, time, realised) in [
        (
            "ws_user_fill_maker_perp",
            BTC,
            "1784976932073-351400627290190",
            502_464_503_020,
            640_070,
            18_000,
            Side::Sell,
            Liquidity::Maker,
            829_000_000_000_000,
            usdc,
            1_784_976_932_073,
            Some(Amount(0)),
        ),
        (
            "ws_user_fill_spot_buy_fee_in_base",
            PAIR,
            "1769920606068-812806034449156",
            308_086_083_674,
            31_737_000,
            31_000_000,
            Side::Buy,
            Liquidity::Taker,
            216_990_000_000_000,
            hype,
            1_769_920_606_068,
            None,
        ),
        (
            "ws_user_fill_flip_with_builder_fee",
            BTC,
            "1769940855551-404237815023429",
            308_254_271_324,
            791_460,
            100_000,
            Side::Sell,
            Liquidity::Maker,
            19_785_000_000_000_000,
            usdc,
            1_769_940_855_551,
            Some(Amount(46_128_000_000_000_000)),
        ),
        (
            "ws_user_fill_against_liquidation",
            BTC,
            "1781528065899-745210434703679",
            55_030_848_197,
            666_530,
            100_000,
            Side::Sell,
            Liquidity::Maker,
            9_997_000_000_000_000,
            usdc,
            1_781_528_065_899,
            Some(Amount(0)),
        ),
    ] {
        bench.private(&fixture(name)).unwrap();
        let fill = Fill {
            fill_id: FillId::new(id).unwrap(),
            price: Price(price),
            qty: Qty(qty),
            liquidity,
            fee: Amount(fee),
            fee_asset: asset,
            realised,
        };
        let expected = ExecutionReport {
            venue_order_id: VenueOrderId::from_u64(oid),
            side,
            fill,
            event_ns: Nanos(time * MS),
            recv_ns: START,
            ..ExecutionReport::new(
                ReportKind::Fill,
                ReportOrigin::Stream,
                ClientOrderId::NONE,
                instrument,
            )
        };
        assert_eq!(bench.report(), expected, "{name}");
    }
}

fn fills(more: &str, snapshot: &str, user: &str) -> String {
    format!(
        r#"{{"channel":"userFills","data":{{{snapshot}"user":"{user}","fills":[{{"coin":"BTC","px":"80000.0","sz":"0.01","side":"B","time":5,"crossed":true,"oid":7,"fee":"0.36","tid":9,"cloid":"{CLOID}"{more}}}]}}}}"#
    )
}

#[test]
fn history_is_passed_over_and_the_account_must_be_ours() {
    let mut bench = Bench::ready();
    bench.private(&fills("", r#""isSnapshot":true,"#, SIGNER)).unwrap();
    assert!(bench.take().is_empty());
    for marked in ["", r#""isSnapshot":false,"#] {
        bench.private(&fills(r#","feeToken":"USDC""#, marked, SIGNER)).unwrap();
        assert_eq!(bench.report().client_id, OURS);
    }
    let others = bench.private(&fixture("ws_userfills_snapshot"));
    assert_eq!(others, Err(DecodeError::Invalid("user")));
    // A fee in a token that has no number here must not cost the fill.
    let strange = bench.private(&fills(r#","feeToken":"PURR""#, "", SIGNER));
    assert_eq!(strange, Err(DecodeError::Invalid("feeToken")));
    assert_eq!(bench.report().fill.fee_asset, AssetId::NONE);
}

#[test]
fn funding_is_named_by_its_second() {
    let mut bench = Bench::ready();
    let row = r#"{"time":1750172400033,"coin":"HYPE","usdc":"-0.044263","szi":"30.0","fundingRate":"0.0000369155","nSamples":null}"#;
    let payment = Event::FundingPaid(FundingPayment {
        settles: false,
        instrument: HYPE,
        asset: usdc(&setup()),
        amount: Amount(-44_263_000_000_000_000),
        id: 1_750_172_400_000,
        event_ns: Nanos(1_750_172_400_033 * MS),
    });
    let text =
        format!(r#"{{"channel":"userFundings","data":{{"user":"{SIGNER}","fundings":[{row}]}}}}"#);
    bench.private(&text).unwrap();
    assert_eq!(bench.take(), [payment]);
    bench.private(&format!(r#"{{"channel":"user","data":{{"funding":{row}}}}}"#)).unwrap();
    assert_eq!(bench.take(), [payment]);
    let none = r#"{"channel":"user","data":{"nonUserCancel":[{"coin":"BTC","oid":7}]}}"#;
    assert_eq!(bench.private(none), Ok(()));
}
