//! The stream of a futures account: the way to ready, its key, its events.

use super::futures::{ACCOUNT, BTC, ETH, SECOND, SOL, USDT, futures_setup, stamp, unsigned, usual};
use super::{NOW, PEM, Rig, SECRET, fixture};
use crate::types::{
    AccountFlaw, Amount, AssetBalance, Channel, ClientOrderId, Event, Fill, FillId, FundingPayment,
    Liquidity, MarginMode, Nanos, PositionReport, Price, Qty, Readiness, RejectReason, ReportKind,
    Side, VenueId, VenueNotice, VenueOrderId,
};
use crate::venues::DecodeError;

const URL: &str = "wss://localhost:2/private/ws?listenKey=pqia91&events=ORDER_TRADE_UPDATE/\
                   ACCOUNT_UPDATE/ACCOUNT_CONFIG_UPDATE/MARGIN_CALL/ALGO_UPDATE/listenKeyExpired";
const ONE: i128 = 1_000_000_000_000_000_000;
const READY: VenueNotice = VenueNotice::Readiness(Channel::Private, Readiness::Ready);
const JOINING: VenueNotice = VenueNotice::Readiness(Channel::Private, Readiness::Joining);
const DOWN: VenueNotice = VenueNotice::Readiness(Channel::Private, Readiness::Down);

fn without_probes(lines: Vec<String>) -> Vec<String> {
    lines.into_iter().filter(|line| !line.ends_with("/time")).collect()
}

#[test]
fn the_way_to_ready() {
    let mut rig = Rig::futures(&futures_setup(PEM, false));
    let channels = rig.connector.channels().iter();
    let channels: Vec<_> = channels.map(|spec| (spec.channel, spec.url.clone())).collect();
    assert_eq!(
        channels,
        [
            (Channel::Trade, "wss://localhost:1/ws-fapi/v1".to_owned()),
            (Channel::Private, String::new()),
            (Channel::Rest, "https://localhost:1".to_owned()),
        ]
    );
    rig.open(Channel::Rest);
    let (lines, addresses, _) = rig.converse(usual);
    let lines = without_probes(lines);
    assert_eq!(unsigned(&lines[0]), format!("GET /fapi/v1/accountConfig?{}", stamp()));
    assert_eq!(unsigned(&lines[1]), format!("GET /fapi/v1/symbolConfig?{}", stamp()));
    assert_eq!(lines[2..], ["POST /fapi/v1/listenKey"], "it needs no signature");
    assert_eq!(addresses, [URL]);
    rig.open(Channel::Private);
    assert_eq!(rig.notices(), [JOINING], "any key opens a socket");
    let keep = rig.requested();
    assert_eq!(keep.line, "PUT /fapi/v1/listenKey");
    assert!(!rig.connector.may_show(crate::venues::RequestId(keep.id)));
    rig.response(keep.id, 200, "", "{}").unwrap();
    assert_eq!(rig.notices(), [READY]);
    // Every half an hour.
    assert_eq!(rig.live(1_799), [""; 0]);
    assert_eq!(rig.live(2), ["PUT /fapi/v1/listenKey"]);
    assert_eq!(rig.live(1_797), [""; 0]);
    assert_eq!(rig.live(3), ["PUT /fapi/v1/listenKey"]);
}

#[test]
fn the_address_of_the_stream_may_be_configured_in_part() {
    for (url, expected) in [
        ("wss://a", "wss://a/private/ws"),
        ("wss://a/", "wss://a/private/ws"),
        ("wss://a/private", "wss://a/private/ws"),
        ("wss://a/private/", "wss://a/private/ws"),
        ("wss://a/private/ws", "wss://a/private/ws"),
        ("wss://a/other", "wss://a/other"),
    ] {
        assert_eq!(super::super::stream_url(url), expected);
    }
}

#[test]
fn accounts_that_cannot_be_traded_with_never_become_ready() {
    let hedge = fixture!("usdm_rest_account_config").to_owned();
    let multi = ACCOUNT.replace("\"multiAssetsMargin\":false", "\"multiAssetsMargin\":true");
    let frozen = ACCOUNT.replace("\"canTrade\":true", "\"canTrade\":false");
    for (account, flaw) in [
        (hedge, AccountFlaw::HedgeMode),
        (multi, AccountFlaw::AccountMode),
        (frozen, AccountFlaw::AccountMode),
    ] {
        let mut rig = Rig::futures(&futures_setup(SECRET, false));
        rig.open(Channel::Rest);
        let (_, addresses, told) =
            rig.converse(|rig, line| match line.starts_with("GET /fapi/v1/accountConfig") {
                true => account.clone(),
                false => usual(rig, line),
            });
        assert!(told.contains(&VenueNotice::AccountUnfit(flaw)), "{told:?}");
        assert!(addresses.is_empty() && !told.contains(&READY));
        // It is looked at again, and once it can be traded with, the way goes on.
        rig.pass(60 * SECOND);
        let look = rig.requests().into_iter().find(|sent| sent.line.contains("accountConfig"));
        rig.response(look.unwrap().id, 200, "", ACCOUNT).unwrap();
        assert!(rig.requested().line.starts_with("GET /fapi/v1/symbolConfig"));
    }
}

#[test]
fn a_key_that_is_no_good_is_replaced() {
    let mut rig = Rig::futures_ready(&futures_setup(PEM, false));
    // It has expired: the event says so.
    let expired = fixture!("usdm_user_listen_key_expired");
    rig.frame(Channel::Private, expired).unwrap();
    assert_eq!(rig.notices(), [], "not ours");
    let key = "WsCMN0a4KHUPTQuX6IUnqEZfB1inxmv1qR4kbf1LuEjur5VdbzqvyxqG9TSjVVxv";
    rig.frame(Channel::Private, &expired.replace(key, "pqia91")).unwrap();
    assert_eq!(rig.notices(), [JOINING]);
    let post = rig.requested();
    assert_eq!(post.line, "POST /fapi/v1/listenKey");
    rig.response(post.id, 200, "", r#"{"listenKey":"second"}"#).unwrap();
    assert_eq!(rig.connects(), [URL.replace("pqia91", "second")]);
    rig.close(Channel::Private);
    assert_eq!(rig.notices(), [DOWN]);
    rig.open(Channel::Private);
    // The venue does not know it: a new one, without waiting.
    let put = rig.requested();
    rig.response(put.id, 400, "", r#"{"code":-1125,"msg":"This listenKey does not exist."}"#)
        .unwrap();
    assert_eq!(rig.notices(), []);
    let post = rig.requested();
    assert_eq!(post.line, "POST /fapi/v1/listenKey");
    rig.response(post.id, 200, "", r#"{"listenKey":"third"}"#).unwrap();
    rig.open(Channel::Private);
    let put = rig.requested();
    // Another one lives: ours opened a socket that stays silent.
    rig.response(put.id, 200, "", r#"{"listenKey":"fourth"}"#).unwrap();
    assert_eq!(rig.notices(), []);
    let post = rig.requested();
    rig.response(post.id, 200, "", r#"{"listenKey":"fourth"}"#).unwrap();
    assert_eq!(rig.connects(), [URL.replace("pqia91", "fourth")]);
    rig.open(Channel::Private);
    let put = rig.requested();
    rig.response(put.id, 200, "", "{}").unwrap();
    assert_eq!(rig.notices(), [READY]);
}

#[test]
fn a_socket_that_does_not_open_gets_a_new_key_and_steps_without_reply_are_repeated() {
    let mut rig = Rig::futures(&futures_setup(PEM, false));
    rig.open(Channel::Rest);
    rig.converse(usual);
    rig.pass(31 * SECOND);
    assert_eq!(rig.requested().line, "POST /fapi/v1/listenKey");
    let id = rig.requested().id;
    rig.lose(id);
    assert_eq!(rig.requests(), []);
    rig.pass(2 * SECOND);
    let again = rig.requested();
    assert_eq!(again.line, "POST /fapi/v1/listenKey");
    rig.response(again.id, 500, "", "<html>").unwrap();
    assert_eq!(rig.notices(), [VenueNotice::RequestFailed(-500)]);
    rig.pass(3 * SECOND);
    let again = rig.requested();
    let bad = rig.response(again.id, 200, "", r#"{"listenKey":"a&b"}"#);
    assert_eq!(bad, Err(DecodeError::Invalid("listenKey")));
    rig.pass(5 * SECOND);
    let again = rig.requested();
    rig.response(again.id, 401, "", r#"{"code":-2015,"msg":"Invalid API-key"}"#).unwrap();
    assert_eq!(rig.notices(), [VenueNotice::LoginRefused(Channel::Private, -2015), DOWN]);
    rig.pass(100 * SECOND);
    assert_eq!(rig.connects(), [""; 0]);
}

fn position(instrument: crate::types::InstrumentId, qty: i128) -> PositionReport {
    PositionReport { instrument, qty: Amount(qty), ..PositionReport::default() }
}

fn wallet(amount: i128, at_ms: u64) -> Event {
    Event::Balance(AssetBalance {
        venue: VenueId(0),
        asset: USDT,
        free: Amount(amount),
        locked: Amount::ZERO,
        event_ns: Nanos::from_millis(at_ms),
    })
}

#[test]
fn account_updates_state_wallets_and_positions() {
    let mut rig = Rig::futures_ready(&futures_setup(PEM, false));
    rig.frame(Channel::Private, fixture!("usdm_user_account_update_real")).unwrap();
    let at = 1_771_856_732_584;
    let expected = PositionReport {
        entry: Amount(80_190_000_000_000_000_000),
        event_ns: Nanos::from_millis(at),
        ..position(SOL, ONE / 10)
    };
    let list = [wallet(1_737_447_230_000_000_000, at), Event::Position(expected)];
    assert_eq!(rig.events.list(), list);
    // Leverage is a setting of the symbol.
    rig.frame(Channel::Private, fixture!("usdm_user_account_config_leverage")).unwrap();
    assert_eq!(rig.events.list(), [], "no position of it was ever stated");
    let btc = fixture!("usdm_user_account_update_real").replace("SOLUSDT", "BTCUSDT");
    rig.frame(Channel::Private, &btc).unwrap();
    let expected = PositionReport { instrument: BTC, leverage: Amount(25 * ONE), ..expected };
    assert_eq!(rig.events.list()[1], Event::Position(expected));
    let config = r#"{"e":"ACCOUNT_CONFIG_UPDATE","E":2,"T":1,"ac":{"s":"BTCUSDT","l":3}}"#;
    rig.frame(Channel::Private, config).unwrap();
    let expected =
        PositionReport { leverage: Amount(3 * ONE), event_ns: Nanos::from_millis(1), ..expected };
    assert_eq!(rig.events.list(), [Event::Position(expected)]);
    let isolated =
        btc.replace("\"cross\"", "\"isolated\"").replace("\"pa\":\"0.1\"", "\"pa\":\"-2\"");
    let isolated = isolated.replace("\"iw\":\"0\"", "\"iw\":\"7.5\"");
    rig.frame(Channel::Private, &isolated).unwrap();
    let Event::Position(report) = rig.events.list()[1] else { panic!() };
    assert_eq!((report.mode, report.margin), (MarginMode::Isolated, Amount(75 * ONE / 10)));
    assert_eq!(report.qty, Amount(-2 * ONE));
}

#[test]
fn hedged_accounts_are_found_out() {
    let mut rig = Rig::futures_ready(&futures_setup(PEM, false));
    for frame in [
        fixture!("usdm_user_account_update_hedge"),
        fixture!("usdm_user_order_partial"),
        fixture!("usdm_user_order_liquidation"),
        fixture!("usdm_user_order_adl"),
        fixture!("usdm_user_order_new_trailing"),
    ] {
        assert_eq!(rig.frame(Channel::Private, frame), Err(DecodeError::Invalid("ps")));
        let look = rig.requested();
        assert!(look.line.starts_with("GET /fapi/v1/accountConfig"), "{}", look.line);
        assert_eq!(rig.notices(), [JOINING]);
        rig.response(look.id, 200, "", ACCOUNT).unwrap();
        let (_, addresses, _) = rig.converse(usual);
        assert_eq!(addresses, [""; 0], "the socket stays");
    }
    // So is that all assets become one collateral.
    rig.frame(Channel::Private, fixture!("usdm_user_account_config_multi_assets")).unwrap();
    let look = rig.requested();
    let multi = ACCOUNT.replace("\"multiAssetsMargin\":false", "\"multiAssetsMargin\":true");
    rig.response(look.id, 200, "", &multi).unwrap();
    assert_eq!(rig.notices(), [VenueNotice::AccountUnfit(AccountFlaw::AccountMode)]);
}

#[test]
fn orders_report_themselves_once_and_in_full() {
    let mut rig = Rig::futures_ready(&futures_setup(PEM, false));
    rig.frame(Channel::Private, fixture!("usdm_user_order_new_limit_real")).unwrap();
    let report = rig.report();
    assert_eq!((report.kind, report.client_id), (ReportKind::Accepted, ClientOrderId::NONE));
    assert_eq!(report.venue_order_id, VenueOrderId::from_u64(4_129_466_756));
    assert_eq!((report.price, report.qty), (Price(5_000_000_000_000), Qty(1_000)));
    rig.frame(Channel::Private, fixture!("usdm_user_order_new_real")).unwrap();
    assert_eq!((rig.report().instrument, rig.report().qty), (SOL, Qty(100)));
    rig.frame(Channel::Private, fixture!("usdm_user_order_canceled_real")).unwrap();
    let report = rig.report();
    assert_eq!((report.kind, report.side), (ReportKind::Canceled, Side::Buy));
    assert_eq!(report.cumulative_qty, Some(Qty(0)));
    // The fill in short says nothing: the full event follows.
    rig.frame(Channel::Private, fixture!("usdm_user_trade_lite_real")).unwrap();
    assert_eq!(rig.events.list(), []);
    let sequence = fixture!("usdm_user_sequence_market_fill_real");
    let frames: Vec<serde_json::Value> = serde_json::from_str(sequence).unwrap();
    let mut reports = Vec::new();
    for frame in frames {
        // As the venue orders the members.
        let order = ["e", "T", "E", "o", "a"];
        let members = order.iter().filter_map(|key| Some(format!("\"{key}\":{}", frame.get(key)?)));
        let text = format!("{{{}}}", members.collect::<Vec<_>>().join(","));
        let text = if frame["e"] == "TRADE_LITE" { frame.to_string() } else { text };
        rig.frame(Channel::Private, &text).unwrap();
        reports.extend(rig.reports());
    }
    let [report] = reports[..] else { panic!("{reports:?}") };
    let fill = Fill {
        fill_id: FillId::from_u64(310_194_316),
        price: Price(8_414_650_000_000),
        qty: Qty(100),
        liquidity: Liquidity::Taker,
        fee: Amount(3_365_860_000_000_000_000),
        fee_asset: USDT,
        realised: Some(Amount::ZERO),
    };
    assert_eq!((report.kind, report.fill), (ReportKind::Fill, fill));
    assert_eq!(report.event_ns, Nanos::from_millis(1_742_585_119_595));
    assert!(rig.connector.scans().scanned >= 4, "{:?}", rig.connector.scans());
}

/// What the venue does to our positions by itself is booked like any fill, under no id of ours.
#[test]
fn liquidations_and_deleveraging_are_fills_of_nobody() {
    let mut rig = Rig::futures_ready(&futures_setup(PEM, false));
    let one_way = |text: &str| {
        text.replace("\"ps\":\"LONG\"", "\"ps\":\"BOTH\"")
            .replace("\"ps\":\"SHORT\"", "\"ps\":\"BOTH\"")
    };
    rig.frame(Channel::Private, &one_way(fixture!("usdm_user_order_liquidation"))).unwrap();
    let report = rig.report();
    assert_eq!((report.kind, report.client_id), (ReportKind::Fill, ClientOrderId::NONE));
    assert_eq!((report.side, report.fill.qty), (Side::Sell, Qty(100)));
    assert_eq!(report.fill.price, Price(5_000_000_000_000));
    assert_eq!(report.fill.fill_id, FillId::from_u64(1_122_334_455));
    assert_eq!(report.fill.realised, Some(Amount(-100 * ONE)));
    let adl = one_way(fixture!("usdm_user_order_adl"));
    rig.frame(Channel::Private, &adl).unwrap();
    assert_eq!((rig.report().kind, rig.report().fill.qty), (ReportKind::Fill, Qty(5)));
    // Without a trade's number: its fills have to be asked for.
    rig.frame(Channel::Private, &adl.replace("\"t\":12346001", "\"t\":0")).unwrap();
    let report = rig.report();
    assert_eq!((report.kind, report.cumulative_qty), (ReportKind::Progress, Some(Qty(5))));
    let partial = one_way(fixture!("usdm_user_order_partial"));
    rig.frame(Channel::Private, &partial).unwrap();
    assert_eq!(rig.report().fill.liquidity, Liquidity::Maker);
    let expired = partial.replace("\"x\":\"TRADE\"", "\"x\":\"EXPIRED\"");
    let expired = expired.replace("\"V\":", "\"er\":\"2\",\"V\":");
    rig.frame(Channel::Private, &expired).unwrap();
    let report = rig.report();
    assert_eq!((report.kind, report.reason), (ReportKind::Expired, RejectReason::TimeInForce));
    let amended = partial.replace("\"x\":\"TRADE\"", "\"x\":\"AMENDMENT\"");
    rig.frame(Channel::Private, &amended).unwrap();
    assert_eq!(rig.report().kind, ReportKind::Replaced);
    let odd = partial.replace("\"x\":\"TRADE\"", "\"x\":\"REPLACED\"");
    assert_eq!(rig.frame(Channel::Private, &odd), Err(DecodeError::Invalid("x")));
}

#[test]
fn other_events_have_their_outcome() {
    let mut rig = Rig::futures_ready(&futures_setup(PEM, false));
    rig.frame(Channel::Private, fixture!("usdm_user_margin_call")).unwrap();
    assert_eq!(rig.notices(), [VenueNotice::MarginCall(ETH)]);
    rig.frame(Channel::Private, fixture!("usdm_user_algo_update_canceled")).unwrap();
    assert_eq!(rig.events.list(), []);
    for (frame, error) in [
        (r#"{"e":"executionReport","E":1,"s":"BTCUSDT"}"#, DecodeError::UnknownKind),
        (r#"{"e":"ORDER_TRADE_UPDATE","T":1,"E":1}"#, DecodeError::Missing("o")),
        (r#"{"e":"ACCOUNT_UPDATE","T":1,"E":1,"a":{"B":[],"P":[]}}"#, DecodeError::Missing("m")),
        (
            r#"{"e":"ACCOUNT_UPDATE","T":1,"a":{"B":[{"a":"USDT","wb":"x"}],"m":"ORDER"}}"#,
            DecodeError::Number("wb", crate::types::ParseUnitError::Malformed),
        ),
        (r#"{"e":"ACCOUNT_CONFIG_UPDATE","T":1,"E":1}"#, DecodeError::Missing("ai")),
        (r#"{"id":1,"status":200,"result":{}}"#, DecodeError::Missing("e")),
    ] {
        assert_eq!(rig.frame(Channel::Private, frame), Err(error), "{frame}");
    }
}

const FUNDED: &str = r#"{"e":"ACCOUNT_UPDATE","T":1795161256000,"E":1795161256001,"a":{"B":[{"a":"USDT","wb":"99.5","cw":"99.5","bc":"0"}],"m":"FUNDING_FEE"}}"#;
const PAID: &str = r#"[{"symbol":"BTCUSDT","incomeType":"FUNDING_FEE","income":"-0.50000000","asset":"USDT","info":"FUNDING_FEE","time":1795161256000,"tranId":9689322392,"tradeId":""}]"#;

/// The stream states the wallet; what was paid for which position is asked for.
#[test]
fn funding_is_asked_for_once_the_stream_has_told_of_it() {
    let mut rig = Rig::futures_ready(&futures_setup(PEM, false));
    rig.frame(Channel::Private, FUNDED).unwrap();
    assert_eq!(rig.events.list(), [wallet(995 * ONE / 10, 1_795_161_256_000)]);
    let paid = Event::FundingPaid(FundingPayment {
        settles: false,
        instrument: BTC,
        asset: USDT,
        amount: Amount(-ONE / 2),
        id: 9_689_322_392,
        event_ns: NOW,
    });
    rig.pass(3 * SECOND);
    let ask = rig.requested();
    let expected = "GET /fapi/v1/income?incomeType=FUNDING_FEE&limit=1000&startTime=1795161196000&";
    assert!(ask.line.starts_with(expected), "{}", ask.line);
    rig.response(ask.id, 200, "", "[]").unwrap();
    assert_eq!(rig.events.list(), [], "the list is behind; and it ends nobody's question");
    rig.pass(5 * SECOND);
    let ask = rig.requested();
    rig.response(ask.id, 200, "", PAID).unwrap();
    assert_eq!(rig.events.list(), [paid]);
    rig.pass(100 * SECOND);
    assert!(!rig.requests().iter().any(|request| request.line.contains("income")));
    // The same from a reconciliation, which has an end.
    let ask = rig.asked(crate::types::CommandKind::FundingSince(NOW));
    rig.response(ask.id, 200, "", PAID).unwrap();
    assert_eq!(rig.events.list(), [paid, Event::Notice(VenueNotice::FundingEnd)]);
    let ask = rig.asked(crate::types::CommandKind::FundingSince(NOW));
    let odd = PAID.replace("FUNDING_FEE\",\"income", "COMMISSION\",\"income");
    let refused = rig.response(ask.id, 200, "", &odd);
    assert_eq!(refused, Err(DecodeError::Invalid("incomeType")));
    assert_eq!(rig.notices(), [VenueNotice::RequestFailed(0)]);
}

#[test]
fn a_full_page_of_payments_is_followed_by_the_next() {
    let mut rig = Rig::futures_ready(&futures_setup(PEM, false));
    let ask = rig.asked(crate::types::CommandKind::FundingSince(NOW));
    let row = PAID.trim_matches(['[', ']']);
    let page = format!("[{}]", vec![row; 1000].join(","));
    rig.response(ask.id, 200, "", &page).unwrap();
    assert_eq!(rig.notices(), []);
    let next = rig.requested();
    assert!(next.line.contains("startTime=1795161256001&"), "{}", next.line);
    rig.response(next.id, 200, "", "[]").unwrap();
    assert_eq!(rig.notices(), [VenueNotice::FundingEnd]);
}

#[test]
fn the_dead_man_switch_is_set_for_every_symbol_and_again() {
    let mut setup = futures_setup(PEM, false);
    setup.dead_man_switch_s = Some(30);
    let mut rig = Rig::futures(&setup);
    rig.open(Channel::Rest);
    rig.converse(usual);
    rig.open(Channel::Private);
    let put = rig.requested();
    rig.response(put.id, 200, "", "{}").unwrap();
    let sent = rig.requests();
    assert_eq!(sent.len(), 5);
    let expected =
        format!("POST /fapi/v1/countdownCancelAll?countdownTime=30000&symbol=BTCUSDT&{}", stamp());
    assert_eq!(unsigned(&sent[0].line), expected);
    let mut told = Vec::new();
    for request in &sent {
        let body = usual(&rig, &request.line);
        rig.response(request.id, 200, "", &body).unwrap();
        told.extend(rig.notices());
    }
    assert_eq!(told, [VenueNotice::DeadManArmed(30)]);
    rig.pass(10 * SECOND);
    let again: Vec<_> = rig.requests();
    assert_eq!(again.iter().filter(|sent| sent.line.contains("countdown")).count(), 5);
    // Refused: told, and tried again soon.
    let refusal = r#"{"code":-1000,"msg":"?"}"#;
    rig.response(again[0].id, 400, "", refusal).unwrap();
    assert_eq!(rig.notices(), [VenueNotice::DeadManFailed(-1000)]);
    rig.response(again[1].id, 200, "", fixture!("usdm_rest_countdown_cancel_all_response"))
        .unwrap_err();
    assert_eq!(rig.notices(), [VenueNotice::DeadManFailed(-200)]);
    rig.lose(again[2].id);
    rig.pass(SECOND);
    let again = rig.requests();
    assert_eq!(again.iter().filter(|sent| sent.line.contains("countdown")).count(), 3);
}
