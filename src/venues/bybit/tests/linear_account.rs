//! Linear perpetuals: orders, the account's modes, and everything that the private socket and the
//! lists say of a position.

use super::linear::{ETH_PERP, PERP, SOL, SPOT, USDC_PERP, XRP, both_kinds, both_setup};
use super::*;
use crate::types::{
    AccountFlaw, AssetBalance, CancelOrder, FeeRate, Fill, FillId, FundingPayment, Liquidity,
    MarginMode, MarginReport, OrderState, PositionReport, Ppb, RejectReason, ReplaceOrder,
    ReportKind, ReportOrigin,
};

const HEAD: &str = r#"{"X-BAPI-TIMESTAMP":"1700000000000","X-BAPI-RECV-WINDOW":"5000"}"#;
const OK: &str = "HTTP/1.1 200 OK\r\n";

/// REST usable and the clock known: the account is asked about.
fn asking(setup: VenueSetup) -> Bench {
    let mut bench = Bench::over((ROW.trading)(setup).unwrap());
    bench.open(Channel::Rest);
    bench.sent();
    bench.answer(START.0, "rest_time").unwrap();
    bench
}

/// The only request since the last call, but for the time: its number and its target.
fn request(bench: &mut Bench) -> (u64, String) {
    let mut sent = bench.sent();
    sent.retain(|sent| !sent.contains("/v5/market/time"));
    assert_eq!(sent.len(), 1, "{sent:?}");
    let sent = sent.remove(0);
    let (id, rest) = sent.split_once(' ').unwrap();
    (id.parse().unwrap(), rest.split('\n').next().unwrap().to_owned())
}

/// The reply to a question about one symbol of an account that keeps positions net.
const FLAT: &str = r#"{"retCode":0,"retMsg":"OK","result":{"nextPageCursor":"","category":"linear","list":[{"positionIdx":0,"symbol":"BTCUSDT","side":"","size":"0"}]},"retExtInfo":{},"time":1700000000000}"#;

/// Answers everything that is asked before the first order.
fn teach(bench: &mut Bench) {
    let (id, target) = request(bench);
    assert_eq!(target, "GET /v5/account/info");
    bench.answer(id, "rest_account_info").unwrap();
    for symbol in ["BTCUSDT", "SOLUSDT", "XRPUSDT", "BTCPERP", "ETHUSDT"] {
        bench.pass(25);
        let (id, target) = request(bench);
        assert_eq!(target, format!("GET /v5/position/list?category=linear&symbol={symbol}"));
        bench.reply(id, 200, OK, &FLAT.replace("BTCUSDT", symbol)).unwrap();
    }
}

/// Everything ready.
fn ready() -> Bench {
    ready_with(both_setup())
}

fn ready_with(setup: VenueSetup) -> Bench {
    let mut bench = asking(setup);
    teach(&mut bench);
    for channel in [Channel::Trade, Channel::Private] {
        bench.open(channel);
    }
    bench.frame(Channel::Trade, "ws_auth_trade_ok").unwrap();
    bench.frame(Channel::Private, "ws_auth_private_ok").unwrap();
    let subscribed = bench.sent().pop().unwrap();
    assert_eq!(
        subscribed,
        r#"Private {"req_id":"streams","op":"subscribe","args":["order","execution","wallet","position"]}"#
    );
    bench.frame(Channel::Private, "ws_subscribe_private_ok").unwrap();
    bench.sent();
    bench.take();
    bench.now = START;
    bench
}

fn order(instrument: InstrumentId) -> NewOrder {
    NewOrder { instrument, ..limit_order(7, Side::Buy, 7_700_050, 250_000) }
}

#[test]
fn the_account_is_looked_at_before_the_first_order() {
    let mut bench = asking(both_setup());
    let ready = readiness(Channel::Rest, Readiness::Ready);
    assert!(!bench.notices().contains(&ready));
    teach(&mut bench);
    assert_eq!(bench.notices(), [ready]);
    // Spot alone asks nothing.
    let mut spot = Bench::trading();
    spot.open(Channel::Rest);
    spot.answer(START.0, "rest_time").unwrap();
    assert!(spot.notices().contains(&ready));
}

#[test]
fn accounts_that_cannot_trade_perpetuals_are_refused_with_a_reason() {
    let mut bench = asking(both_setup());
    bench.take();
    let (id, _) = request(&mut bench);
    let classic = fixture("rest_account_info")
        .replace("\"unifiedMarginStatus\":4", "\"unifiedMarginStatus\":1");
    bench.reply(id, 200, OK, &classic).unwrap();
    assert_eq!(bench.notices(), [VenueNotice::AccountUnfit(AccountFlaw::AccountMode)]);
    // Asked again, in case somebody has changed it; then one symbol is in hedge mode.
    bench.pass(60_000);
    let (id, _) = request(&mut bench);
    bench.answer(id, "rest_account_info").unwrap();
    bench.pass(25);
    let (id, target) = request(&mut bench);
    assert_eq!(target, "GET /v5/position/list?category=linear&symbol=BTCUSDT");
    let hedge = FLAT.replace(
        r#"[{"positionIdx":0,"#,
        r#"[{"positionIdx":1,"symbol":"BTCUSDT","side":"","size":"0"},{"positionIdx":2,"#,
    );
    bench.reply(id, 200, OK, &hedge).unwrap();
    assert_eq!(bench.notices(), [VenueNotice::AccountUnfit(AccountFlaw::HedgeMode)]);
    bench.pass(60_000);
    let (id, target) = request(&mut bench);
    assert!(target.ends_with("symbol=BTCUSDT"), "{target}");
    bench.reply(id, 200, OK, FLAT).unwrap();
    assert_eq!(bench.notices(), []);
    // What is said of another symbol, or of none, tells nothing of this one.
    for said in [
        FLAT.to_owned(),
        FLAT.replace(r#"{"positionIdx":0,"symbol":"BTCUSDT","side":"","size":"0"}"#, ""),
    ] {
        bench.pass(60_000);
        let (id, target) = request(&mut bench);
        assert!(target.ends_with("symbol=SOLUSDT"), "{target}");
        assert_eq!(bench.reply(id, 200, OK, &said), Err(DecodeError::Missing("list")));
    }

    for (from, to, error) in [
        ("REGULAR_MARGIN", "NEW_MARGIN", DecodeError::Invalid("marginMode")),
        (":4,", ":9,", DecodeError::Invalid("unifiedMarginStatus")),
        (r#""marginMode""#, r#""mode""#, DecodeError::Missing("marginMode")),
    ] {
        let mut bench = asking(both_setup());
        let (id, _) = request(&mut bench);
        let bad = fixture("rest_account_info").replace(from, to);
        assert_eq!(bench.reply(id, 200, OK, &bad), Err(error), "{to}");
    }
}

#[test]
fn orders_name_their_category_and_the_position() {
    let limit = r#"{"category":"linear","symbol":"BTCUSDT","side":"Buy","orderType":"Limit","qty":"0.25","price":"77000.5","timeInForce":"GTC","positionIdx":0,"orderLinkId":"st0000000000000007"}"#;
    let base = order(PERP);
    let reduced = limit.replace(r#""positionIdx":0"#, r#""positionIdx":0,"reduceOnly":true"#);
    let market =
        limit.replace("Limit", "Market").replace(r#","price":"77000.5""#, "").replace("GTC", "IOC");
    let spot = limit
        .replace("linear", "spot")
        .replace(r#""positionIdx":0"#, r#""marketUnit":"baseCoin","isLeverage":0"#);
    for (order, object) in [
        (base, limit.to_owned()),
        (NewOrder { post_only: true, ..base }, limit.replace("GTC", "PostOnly")),
        (NewOrder { time_in_force: TimeInForce::Ioc, ..base }, limit.replace("GTC", "IOC")),
        (NewOrder { time_in_force: TimeInForce::Fok, ..base }, limit.replace("GTC", "FOK")),
        (NewOrder { side: Side::Sell, ..base }, limit.replace("Buy", "Sell")),
        (NewOrder { reduce_only: true, ..base }, reduced),
        (NewOrder { order_type: OrderType::Market, ..base }, market),
        (NewOrder { instrument: USDC_PERP, ..base }, limit.replace("BTCUSDT", "BTCPERP")),
        (NewOrder { instrument: SPOT, ..base }, spot),
    ] {
        let mut bench = ready();
        bench.submit(CommandKind::New(order)).unwrap();
        let sent = bench.sent_one();
        let tail = format!(r#""header":{HEAD},"op":"order.create","args":[{object}]}}"#);
        assert!(sent.starts_with("Trade ") && sent.ends_with(&tail), "{sent}\n{tail}");
    }
    let mut bench = ready();
    let spot = CommandKind::New(NewOrder { reduce_only: true, ..order(SPOT) });
    assert!(matches!(bench.submit(spot), Err(EncodeError::NotExpressible(_))));
}

#[test]
fn changes_and_cancels_name_their_category() {
    let mut bench = ready();
    let (client_id, venue_order_id) = (ClientOrderId(7), VenueOrderId::EMPTY);
    bench
        .submit(CommandKind::Cancel(CancelOrder { client_id, venue_order_id, instrument: PERP }))
        .unwrap();
    let object = r#"{"category":"linear","symbol":"BTCUSDT","orderLinkId":"st0000000000000007"}"#;
    let sent = bench.sent_one();
    assert!(sent.ends_with(&format!(r#""op":"order.cancel","args":[{object}]}}"#)), "{sent}");
    let (price, qty) = (Price(7_700_060), Qty(200_000));
    let change = ReplaceOrder { client_id, venue_order_id, instrument: PERP, price, qty };
    bench.submit(CommandKind::Replace(change)).unwrap();
    let object = object.replace('}', r#","qty":"0.2","price":"77000.6"}"#);
    let sent = bench.sent_one();
    assert!(sent.ends_with(&format!(r#""op":"order.amend","args":[{object}]}}"#)), "{sent}");
    for (instrument, body) in [
        (PERP, r#"{"category":"linear","symbol":"BTCUSDT"}"#),
        (SPOT, r#"{"category":"spot","symbol":"BTCUSDT"}"#),
    ] {
        bench.submit(CommandKind::CancelAll(instrument)).unwrap();
        let sent = bench.sent_one();
        assert!(sent.contains("POST /v5/order/cancel-all\n") && sent.ends_with(body), "{sent}");
    }
}

/// One order from its acknowledgement to the wallet, as it was recorded.
#[test]
fn a_recorded_order_is_read_from_end_to_end() {
    let mut bench = ready();
    let id = venue_id("373b6927-71ff-4bde-a8a6-c3de21838f20");
    bench.frame(Channel::Private, "ws_private_order_linear_filled_fok").unwrap();
    let report = bench.report();
    assert_eq!((report.instrument, report.venue_order_id), (SOL, id));
    assert_eq!((report.kind, report.state), (ReportKind::Progress, OrderState::Filled));
    assert_eq!((report.price, report.qty), (Price(240_000), Qty(2)));
    assert_eq!(report.cumulative_qty, Some(Qty(2)));

    bench.frame(Channel::Private, "ws_private_execution_linear_taker_fill").unwrap();
    let usdt = both_kinds().assets.find("USDT").unwrap();
    let fill = Fill {
        fill_id: FillId::new("3fb94d67-8482-58a5-91a4-154777511c1c").unwrap(),
        price: Price(233_020),
        qty: Qty(2),
        liquidity: Liquidity::Taker,
        // Fee and tax.
        fee: amount("0.030245996"),
        fee_asset: usdt,
        realised: Some(Amount::ZERO),
    };
    let report = bench.report();
    assert_eq!(
        (report.kind, report.origin, report.side),
        (ReportKind::Fill, ReportOrigin::Stream, Side::Buy)
    );
    assert_eq!((report.instrument, report.venue_order_id, report.fill), (SOL, id, fill));
    assert_eq!(report.event_ns, Nanos(1_759_432_560_940 * MS));

    bench.frame(Channel::Private, "ws_private_position_linear_open").unwrap();
    let position = PositionReport {
        instrument: SOL,
        qty: amount("0.2"),
        entry: amount("233.02"),
        liquidation: amount("176.89650029"),
        margin: amount("4.6876214"),
        unrealised: amount("0.0018"),
        leverage: amount("10"),
        mode: MarginMode::Cross,
        event_ns: Nanos(1_759_432_560_942 * MS),
    };
    assert_eq!(bench.take(), [Event::Position(position)]);

    bench.frame(Channel::Private, "ws_private_wallet_after_linear_fill").unwrap();
    let event_ns = Nanos(1_759_432_560_944 * MS);
    let balance = AssetBalance {
        venue: BYBIT,
        asset: usdt,
        free: amount("6.78962384"),
        locked: amount("4.6876214"),
        event_ns,
    };
    let margin = MarginReport {
        venue: BYBIT,
        asset: usdt,
        equity: amount("11.47904524"),
        available: amount("6.79608275"),
        initial: amount("4.6908371"),
        maintenance: amount("0.26041992"),
        event_ns,
    };
    assert_eq!(bench.take(), [Event::Balance(balance), Event::Margin(margin)]);
}

#[test]
fn order_rows_of_perpetuals_have_their_reports() {
    let mut bench = ready();
    bench.frame(Channel::Private, "ws_private_order_linear_new").unwrap();
    let report = bench.report();
    assert_eq!(
        (report.instrument, report.kind, report.state),
        (XRP, ReportKind::Accepted, OrderState::Open)
    );
    assert_eq!((report.price, report.qty), (Price(25_293), Qty(100)));
    bench.frame(Channel::Private, "ws_private_order_linear_cancelled_by_user").unwrap();
    let report = bench.report();
    assert_eq!(
        (report.instrument, report.kind, report.reason),
        (SOL, ReportKind::Canceled, RejectReason::None)
    );
    bench.frame(Channel::Private, "ws_private_order_market_filled_usdc").unwrap();
    let report = bench.report();
    assert_eq!((report.instrument, report.state), (USDC_PERP, OrderState::Filled));
    // A market buy's quantity is base units here.
    assert_eq!((report.qty, report.cumulative_qty), (Qty(1_000), Some(Qty(1_000))));
    bench.frame(Channel::Private, "ws_private_order_deactivated_and_filled").unwrap();
    let states = bench.reports().into_iter().map(|report| (report.instrument, report.state));
    let states: Vec<_> = states.collect();
    assert_eq!(states, [(PERP, OrderState::Canceled), (PERP, OrderState::Filled)]);
    // Cancelled with a part filled: what was filled counts.
    let part = fixture("ws_private_order_linear_cancelled_by_user")
        .replace(r#""cumExecQty":"0""#, r#""cumExecQty":"0.1""#)
        .replace(r#""qty":"0.1""#, r#""qty":"0.3""#);
    bench.text(Channel::Private, &part).unwrap();
    let report = bench.report();
    assert_eq!((report.kind, report.cumulative_qty), (ReportKind::Canceled, Some(Qty(1))));
    // Post-only orders that would take end as cancelled.
    let crossing = fixture("ws_private_order_linear_cancelled_by_user")
        .replace("EC_PerCancelRequest", "EC_PostOnlyWillTakeLiquidity");
    bench.text(Channel::Private, &crossing).unwrap();
    let report = bench.report();
    assert_eq!((report.kind, report.reason), (ReportKind::Rejected, RejectReason::WouldTake));
    // Also one that a change has moved there: what was filled before counts.
    let moved = part.replace("EC_PerCancelRequest", "EC_PostOnlyWillTakeLiquidity");
    bench.text(Channel::Private, &moved).unwrap();
    let report = bench.report();
    assert_eq!((report.kind, report.reason), (ReportKind::Canceled, RejectReason::WouldTake));
    // An option is none of ours.
    let option = fixture("ws_private_order_docs_option");
    assert_eq!(bench.text(Channel::Private, &option), Err(DecodeError::Invalid("category")));
}

#[test]
fn executions_of_perpetuals_pay_in_what_they_settle_in() {
    let mut bench = ready();
    let assets = both_kinds().assets;
    bench.frame(Channel::Private, "ws_private_execution_linear_two_partials").unwrap();
    let fills: Vec<_> = bench
        .reports()
        .into_iter()
        .map(|report| {
            (
                report.instrument,
                report.fill.price,
                report.fill.qty,
                report.fill.fee,
                report.fill.fee_asset,
            )
        })
        .collect();
    let usdt = assets.find("USDT").unwrap();
    assert_eq!(
        fills,
        [
            (XRP, Price(31_424), Qty(10), amount("0.00125696"), usdt),
            (XRP, Price(31_427), Qty(90), amount("0.01131372"), usdt),
        ]
    );
    assert_eq!(bench.connector.scans().scanned, 1);
    bench.frame(Channel::Private, "ws_private_execution_docs").unwrap();
    let report = bench.report();
    assert_eq!(
        (report.instrument, report.side, report.fill.realised),
        (PERP, Side::Sell, Some(amount("0.05")))
    );
    assert_eq!(report.fill.fee, amount("26.378931279"));
    // The fast topic has no fees, and not always our ids: the same fill comes on the other one.
    for name in ["ws_private_execution_fast", "ws_private_execution_fast_docs"] {
        let refused = bench.frame(Channel::Private, name);
        assert_eq!(refused, Err(DecodeError::Invalid("category")), "{name}");
        assert_eq!(bench.take(), [], "{name}");
    }
}

#[test]
fn what_the_venue_takes_moves_the_position_without_an_order_of_ours() {
    let mut bench = ready();
    for kind in [
        "AdlTrade",
        "BustTrade",
        "Delivery",
        "Settle",
        "BlockTrade",
        "MovePosition",
        "FutureSpread",
    ] {
        let text = fixture("ws_private_execution_adl").replace("AdlTrade", kind);
        bench.text(Channel::Private, &text).unwrap();
        let report = bench.report();
        assert_eq!(
            (report.kind, report.instrument, report.side),
            (ReportKind::Fill, PERP, Side::Sell)
        );
        assert!(!report.client_id.is_some());
        assert_eq!((report.fill.price, report.fill.qty), (Price(9_585_000), Qty(500_000)));
    }
    // A kind that is not known is refused and counted; on spot none of them is an order's either.
    for kind in ["CorporateAction", "SessionSettlePnL"] {
        let text = fixture("ws_private_execution_adl").replace("AdlTrade", kind);
        let refused = bench.text(Channel::Private, &text);
        assert_eq!(refused, Err(DecodeError::Invalid("execType")), "{kind}");
        assert_eq!(bench.take(), [], "{kind}");
    }
}

#[test]
fn positions_have_the_sign_of_their_side() {
    let mut bench = ready();
    bench.frame(Channel::Private, "ws_private_position_short").unwrap();
    let short = PositionReport {
        instrument: ETH_PERP,
        qty: amount("-0.01"),
        entry: amount("3641.075"),
        liquidation: amount("51764.83003276"),
        margin: amount("1.23480936"),
        unrealised: amount("-0.00255"),
        leverage: amount("30"),
        mode: MarginMode::Cross,
        event_ns: Nanos(1_762_199_125_472 * MS),
    };
    assert_eq!(bench.take(), [Event::Position(short)]);
    let text = fixture("ws_private_position_short");
    // Closed: no side.
    let flat = text
        .replace(r#""side":"Sell","size":"0.01""#, r#""side":"","size":"0""#)
        .replace(r#""liqPrice":"51764.83003276""#, r#""liqPrice":"""#);
    bench.text(Channel::Private, &flat).unwrap();
    let none = PositionReport { qty: Amount::ZERO, liquidation: Amount::ZERO, ..short };
    assert_eq!(bench.take(), [Event::Position(none)]);
    // A side of a hedge that is flat says nothing; one that is not has no place here.
    bench.frame(Channel::Private, "ws_private_position_docs").unwrap();
    assert_eq!(bench.take(), []);
    // What is taken from us is told.
    let taken = text.replace(r#""positionStatus":"Normal""#, r#""positionStatus":"Liq""#);
    bench.text(Channel::Private, &taken).unwrap();
    assert_eq!(bench.take()[1..], [Event::Notice(VenueNotice::MarginCall(ETH_PERP))]);
    // Positions in what is not ours are passed over.
    bench.text(Channel::Private, &text.replace("ETHUSDT", "DOGEUSDT")).unwrap();
    bench.text(Channel::Private, &text.replace("linear", "inverse")).unwrap();
    assert_eq!(bench.take(), []);
    for (from, to, expected) in [
        (r#""positionIdx":0"#, r#""positionIdx":1"#, DecodeError::Invalid("positionIdx")),
        (r#""side":"Sell""#, r#""side":"""#, DecodeError::Invalid("side")),
        (r#""size":"0.01""#, r#""size":"-0.01""#, DecodeError::Invalid("size")),
        (r#","size":"0.01""#, "", DecodeError::Missing("size")),
        (r#""category":"linear","#, "", DecodeError::Missing("category")),
        ("Normal", "Odd", DecodeError::Invalid("positionStatus")),
        (
            r#""updatedTime":"1762199125472""#,
            r#""updatedTime":"x""#,
            DecodeError::Invalid("updatedTime"),
        ),
    ] {
        assert!(text.contains(from), "{from}");
        let refused = bench.text(Channel::Private, &text.replace(from, to));
        assert_eq!(refused, Err(expected), "{to}");
        bench.take();
    }
}

#[test]
fn with_isolated_margin_each_coin_is_by_itself() {
    let mut bench = asking(both_setup());
    let (id, _) = request(&mut bench);
    let isolated = fixture("rest_account_info").replace("REGULAR_MARGIN", "ISOLATED_MARGIN");
    bench.reply(id, 200, OK, &isolated).unwrap();
    bench.take();
    let text = fixture("ws_private_wallet_after_linear_fill")
        .replace(r#""totalAvailableBalance":"6.79608275""#, r#""totalAvailableBalance":"""#);
    bench.text(Channel::Private, &text).unwrap();
    let Event::Margin(margin) = bench.take()[1] else { panic!() };
    assert_eq!(margin.available, amount("6.78962384"));
    assert_eq!((margin.initial, margin.maintenance), (amount("4.6876214"), amount("0.2602414")));
    bench.frame(Channel::Private, "ws_private_position_linear_open").unwrap();
    let Event::Position(position) = bench.take()[0] else { panic!() };
    assert_eq!(position.mode, MarginMode::Isolated);
    // A coin that nothing settles in backs nothing here.
    bench.frame(Channel::Private, "ws_private_wallet_docs").unwrap();
    assert!(matches!(
        bench.take()[..],
        [Event::Balance(AssetBalance { locked: Amount::ZERO, .. })]
    ));
}

/// Contracts in USDC settle their profit with the funding, in the same row.
#[test]
fn settled_profit_of_contracts_in_usdc_is_told_of_apart() {
    let mut bench = ready();
    bench.submit(CommandKind::FundingSince(Nanos(START.0 - 86_400_000 * MS))).unwrap();
    let (id, _) = request(&mut bench);
    let page = fixture("rest_transaction_log")
        .replace("\"XRPUSDT\"", "\"BTCPERP\"")
        .replace("\"USDT\"", "\"USDC\"")
        .replace("1672128000000", "1699977600000")
        .replacen(r#""cashFlow":"0""#, r#""cashFlow":"200.5""#, 1)
        .replace("21963%3A1%2C14954%3A1", "");
    bench.reply(id, 200, OK, &page).unwrap();
    let funding = FundingPayment {
        instrument: super::linear::USDC_PERP,
        asset: both_kinds().assets.find("USDC").unwrap(),
        amount: amount("-0.003676"),
        id: 1_699_977_600_000,
        settles: false,
        event_ns: Nanos(1_699_977_600_000 * MS),
    };
    let settled =
        FundingPayment { amount: amount("200.5"), id: funding.id + 1, settles: true, ..funding };
    assert_eq!(
        bench.take(),
        [
            Event::FundingPaid(funding),
            Event::FundingPaid(settled),
            Event::Notice(VenueNotice::FundingEnd)
        ]
    );
}

#[test]
fn funding_is_told_of_once_by_either_way() {
    let mut bench = ready();
    let paid = fixture("ws_private_execution_adl")
        .replace("AdlTrade", "Funding")
        .replace("BTCUSDT", "XRPUSDT")
        .replace(r#""execFee":"0""#, r#""execFee":"0.003676""#)
        .replace("1746270400398", "1672128000007");
    bench.text(Channel::Private, &paid).unwrap();
    let payment = FundingPayment {
        instrument: XRP,
        asset: both_kinds().assets.find("USDT").unwrap(),
        amount: amount("-0.003676"),
        id: 1_672_128_000_000,
        settles: false,
        event_ns: Nanos(1_672_128_000_007 * MS),
    };
    assert_eq!(bench.take(), [Event::FundingPaid(payment)]);

    // Payments of ten days ago: a list holds seven days at most, and comes in pages.
    let from = Nanos(START.0 - 10 * 86_400_000 * MS);
    bench.submit(CommandKind::FundingSince(from)).unwrap();
    let (id, target) = request(&mut bench);
    let all = "GET /v5/account/transaction-log?accountType=UNIFIED&category=linear&type=SETTLEMENT";
    let first = format!("{all}&startTime=1699136000000&endTime=1699740800000&limit=50");
    assert_eq!(target, first);
    let page = fixture("rest_transaction_log").replace("1672128000000", "1699500000000");
    bench.reply(id, 200, OK, &page).unwrap();
    let (id, target) = request(&mut bench);
    assert_eq!(target, format!("{first}&cursor=21963%3A1%2C14954%3A1"));
    let none = r#"{"retCode":0,"retMsg":"OK","result":{"nextPageCursor":"","list":[]},"time":1}"#;
    bench.reply(id, 200, OK, none).unwrap();
    let (id, target) = request(&mut bench);
    assert_eq!(target, format!("{all}&startTime=1699740800000&endTime=1700000000000&limit=50"));
    assert_eq!(bench.take(), [], "told oldest first, when all is read");
    let last = page.replace("1699500000000", "1699900000000").replace("-0.003676", "0.5");
    let last = last.replace("21963%3A1%2C14954%3A1", "");
    bench.reply(id, 200, OK, &last).unwrap();
    let listed = |sum, hour: u64, at: u64| {
        let (id, event_ns) = (hour * 3_600_000, Nanos(at * MS));
        Event::FundingPaid(FundingPayment { amount: amount(sum), id, event_ns, ..payment })
    };
    assert_eq!(
        bench.take(),
        [
            listed("-0.003676", 472_083, 1_699_500_000_000),
            listed("0.5", 472_194, 1_699_900_000_000),
            Event::Notice(VenueNotice::FundingEnd),
        ]
    );
}

#[test]
fn balances_bring_the_positions_of_each_settle_asset() {
    let mut bench = ready();
    bench.submit(CommandKind::Balances).unwrap();
    let (id, target) = request(&mut bench);
    assert_eq!(target, "GET /v5/account/wallet-balance?accountType=UNIFIED");
    bench.answer(id, "rest_wallet").unwrap();
    let margins = bench.take().into_iter().filter(|event| matches!(event, Event::Margin(_)));
    assert_eq!(margins.count(), 2, "of USDT, and of USDC, which is not listed");
    let (id, target) = request(&mut bench);
    assert_eq!(target, "GET /v5/position/list?category=linear&settleCoin=USDT&limit=200");
    let page = fixture("rest_position_list")
        .replace(r#""category":"inverse""#, r#""category":"linear""#)
        .replace("BTCUSD\"", "BTCUSDT\"")
        .replace(r#""size":"300""#, r#""size":"0.3""#);
    let more = page.replace(r#""nextPageCursor":"""#, r#""nextPageCursor":"BTCUSDT%2C1""#);
    bench.reply(id, 200, OK, &more).unwrap();
    let Event::Position(position) = bench.take()[0] else { panic!() };
    assert_eq!((position.instrument, position.qty), (PERP, amount("-0.3")));
    assert_eq!(position.entry, amount("27464.50441675"));
    let (id, target) = request(&mut bench);
    assert!(target.ends_with("settleCoin=USDT&limit=200&cursor=BTCUSDT%2C1"), "{target}");
    let none = r#"{"retCode":0,"retMsg":"OK","result":{"nextPageCursor":"","category":"linear","list":[]},"time":1}"#;
    bench.reply(id, 200, OK, none).unwrap();
    let (id, target) = request(&mut bench);
    assert_eq!(target, "GET /v5/position/list?category=linear&settleCoin=USDC&limit=200");
    assert_eq!(bench.take(), [], "not all is told");
    bench.reply(id, 200, OK, none).unwrap();
    assert_eq!(bench.take(), [Event::Notice(VenueNotice::BalancesEnd)]);
    // A list of another product is no list of positions.
    bench.submit(CommandKind::Balances).unwrap();
    let (id, _) = request(&mut bench);
    bench.answer(id, "rest_wallet").unwrap();
    bench.take();
    let (id, _) = request(&mut bench);
    let refused = bench.answer(id, "rest_position_list");
    assert_eq!(refused, Err(DecodeError::Invalid("category")));
    assert_eq!(bench.notices(), [VenueNotice::RequestFailed(0)]);
}

#[test]
fn lists_of_orders_and_fills_are_those_of_the_product_asked_for() {
    let mut bench = ready();
    bench.submit(CommandKind::OpenOrders(ETH_PERP)).unwrap();
    let (id, target) = request(&mut bench);
    assert_eq!(target, "GET /v5/order/realtime?category=linear&symbol=ETHUSDT&openOnly=0&limit=50");
    let list = fixture("rest_order_realtime");
    let last =
        list.replace(r#""nextPageCursor":"page_args"#, r#""nextPageCursor":"","old":"page_args"#);
    bench.reply(id, 200, OK, &last).unwrap();
    let report = bench.report();
    assert_eq!((report.instrument, report.price, report.qty), (ETH_PERP, Price(160_000), Qty(10)));
    bench.submit(CommandKind::OpenOrders(SPOT)).unwrap();
    let (id, _) = request(&mut bench);
    let refused = bench.reply(id, 200, OK, &last.replace("ETHUSDT", "BTCUSDT"));
    assert_eq!(refused, Err(DecodeError::Invalid("category")));
    assert_eq!(bench.notices(), [VenueNotice::RequestFailed(0)]);

    let from_ns = Nanos(START.0 - 1_000 * MS);
    let fills = CommandKind::FillsSince { instrument: USDC_PERP, from_id: FillId::EMPTY, from_ns };
    bench.submit(fills).unwrap();
    let (id, target) = request(&mut bench);
    assert!(
        target.starts_with("GET /v5/execution/list?category=linear&symbol=BTCPERP&startTime="),
        "{target}"
    );
    let page = fixture("rest_execution_list").replace("ETHPERP", "BTCPERP");
    let page = page.replace("132766%3A2%2C132766%3A2", "");
    // Funding among the fills is told of elsewhere.
    let row = page.split(r#""list":["#).nth(1).unwrap().split("]").next().unwrap();
    let funding = row.replace(r#""execType":"Trade""#, r#""execType":"Funding""#);
    let page = page.replace(r#""list":["#, &format!(r#""list":[{funding},"#));
    bench.reply(id, 200, OK, &page).unwrap();
    let report = bench.report();
    assert_eq!((report.instrument, report.fill.fee), (USDC_PERP, amount("0.071409")));
    assert_eq!(report.fill.fee_asset, both_kinds().assets.find("USDC").unwrap());

    bench.submit(CommandKind::FeeRate(ETH_PERP)).unwrap();
    let (id, target) = request(&mut bench);
    assert_eq!(target, "GET /v5/account/fee-rate?category=linear&symbol=ETHUSDT");
    let rates = r#"{"retCode":0,"result":{"list":[{"symbol":"ETHUSDT","takerFeeRate":"0.0006","makerFeeRate":"0.0001"}]}}"#;
    bench.reply(id, 200, OK, rates).unwrap();
    let rate = FeeRate { instrument: ETH_PERP, maker: Ppb(100_000), taker: Ppb(600_000) };
    assert_eq!(bench.take(), [Event::Fee(rate)]);
}

#[test]
fn rows_without_a_category_are_not_guessed() {
    let mut bench = ready();
    for (name, topic) in [
        ("ws_private_order_linear_new", "\"topic\":\"order\""),
        ("ws_private_execution_linear_two_partials", "\"topic\":\"execution\""),
    ] {
        let bare = fixture(name).replace(r#""category":"linear","#, "");
        let refused = bench.text(Channel::Private, &bare);
        assert_eq!(refused, Err(DecodeError::Missing("category")), "{name}");
        assert_eq!(bench.take(), []);
        // The topic may say it, and then nothing else may.
        let named = topic.trim_end_matches('"').to_owned() + ".linear\"";
        bench.text(Channel::Private, &bare.replace(topic, &named)).unwrap();
        assert!(!bench.take().is_empty());
        let other = fixture(name).replace(topic, &named.replace("linear", "spot"));
        let refused = bench.text(Channel::Private, &other);
        assert_eq!(refused, Err(DecodeError::Invalid("category")), "{name}");
        assert_eq!(bench.take(), []);
    }
}

#[test]
fn both_switches_are_set_or_none_counts() {
    let setup = VenueSetup { dead_man_switch_s: Some(60), ..both_setup() };
    let mut bench = asking(setup);
    teach(&mut bench);
    bench.open(Channel::Private);
    bench.frame(Channel::Private, "ws_auth_private_ok").unwrap();
    bench.sent();
    bench.frame(Channel::Private, "ws_subscribe_private_ok").unwrap();
    let asked = r#"Private {"req_id":"dcp","op":"subscribe","args":["dcp.spot","dcp.future"]}"#;
    assert_eq!(bench.sent_one(), asked);
    bench.take();
    let taken = r#"{"success":true,"ret_msg":"","op":"subscribe","req_id":"dcp","conn_id":"c"}"#;
    bench.text(Channel::Private, taken).unwrap();
    bench.pass(0);
    let set = |bench: &mut Bench, product: &str, reply: &str| {
        let sent = bench.sent_one();
        assert!(sent.ends_with(&format!(r#"{{"product":"{product}","timeWindow":60}}"#)), "{sent}");
        let id = sent.split(' ').next().unwrap().parse().unwrap();
        bench.reply(id, 200, OK, reply).unwrap();
    };
    set(&mut bench, "SPOT", &fixture("rest_dcp_set"));
    assert_eq!(bench.notices(), [], "half of it is nothing yet");
    set(&mut bench, "DERIVATIVES", r#"{"retCode":10005,"retMsg":"no"}"#);
    let notices = bench.notices();
    assert!(notices.contains(&VenueNotice::DeadManFailed(10005)), "{notices:?}");
    bench.pass(60_000);
    let sent = bench.sent();
    let again = sent.iter().find(|sent| sent.contains("disconnected-cancel-all")).unwrap();
    assert!(
        again.ends_with(r#"{"product":"SPOT","timeWindow":60}"#),
        "from the beginning: {again}"
    );
}

#[test]
fn where_both_are_traded_the_smaller_limit_holds_for_the_sum() {
    let replied = |bench: &mut Bench, instrument, allowed: u32| {
        bench.submit(CommandKind::New(order(instrument))).unwrap();
        let sent = bench.sent_one();
        let id = sent.split('"').nth(3).unwrap();
        let text = format!(
            r#"{{"reqId":"{id}","retCode":0,"retMsg":"OK","op":"order.create","data":{{"orderId":"1","orderLinkId":"st0000000000000007"}},"retExtInfo":{{}},"header":{{"X-Bapi-Limit":"{allowed}","X-Bapi-Limit-Status":"{}","X-Bapi-Limit-Reset-Timestamp":"1700000000000","Timenow":"1700000000000"}},"connId":"c"}}"#,
            allowed - 1
        );
        bench.text(Channel::Trade, &text).unwrap();
        match bench.notices()[..] {
            [VenueNotice::RateLimit(stated)] => (stated.limit, stated.used, stated.allowed),
            ref other => panic!("{other:?}"),
        }
    };
    let mut both = ready();
    assert_eq!(replied(&mut both, PERP, 60), (0, 1, 20), "spot may be without a level");
    assert_eq!(replied(&mut both, SPOT, 40), (0, 1, 40));
    assert_eq!(replied(&mut both, PERP, 60), (0, 1, 40));
    assert_eq!(replied(&mut both, PERP, 10), (0, 1, 10));
    let mut spot = Bench::logged_in();
    assert_eq!(replied(&mut spot, BTC, 40), (0, 1, 40), "one product alone");
}
