//! Leverage and margin mode as configured: asked for, set, refused, changed by somebody else.

use super::*;
use crate::types::{
    AccountFlaw, MarginMode, MarginSettings, NewOrder, OrderType, Side, TimeInForce,
};

const UNFIT: VenueNotice = VenueNotice::AccountUnfit(AccountFlaw::MarginSettings);
const READY: VenueNotice = VenueNotice::Readiness(Channel::Rest, Readiness::Ready);
const NONE: &str = r#"{"code":"0","msg":"","data":[]}"#;
const POSITIONS: &str = "GET /api/v5/account/positions?instType=SWAP";

fn wanted(leverage: Option<u8>, mode: Option<MarginMode>) -> VenueSetup {
    VenueSetup { margin: MarginSettings { leverage, mode }, ..setup() }
}

fn asks(coin: &str, mode: &str) -> String {
    format!("GET /api/v5/account/leverage-info?instId={coin}-USDT-SWAP&mgnMode={mode}")
}

fn sets(coin: &str, lever: u8, mode: &str) -> String {
    format!(
        "POST /api/v5/account/set-leverage \
         {{\"instId\":\"{coin}-USDT-SWAP\",\"lever\":\"{lever}\",\"mgnMode\":\"{mode}\"}}"
    )
}

/// The example with other values.
fn states(coin: &str, lever: &str, mode: &str) -> String {
    fixture("rest_set_leverage_ack")
        .replace("\"30\"", &format!("\"{lever}\""))
        .replace("isolated", mode)
        .replace("BTC-", &format!("{coin}-"))
        .replace("\"long\"", "\"net\"")
}

/// Everything but what positions stand on is learnt.
fn learnt(setup: VenueSetup) -> Bench {
    let mut bench = Bench::over((ROW.trading)(setup).unwrap());
    bench.learn_rules();
    bench.take();
    bench
}

/// Checks what is asked, and answers it.
fn step(bench: &mut Bench, asked: &str, answer: &str) {
    assert_eq!(first(bench), asked);
    bench.answer(answer).unwrap();
}

/// The only request that waits.
fn first(bench: &Bench) -> String {
    let mut lines = bench.out.outputs().map(|output| match output {
        Output::Request(request) => {
            let body = std::str::from_utf8(request.body).unwrap();
            format!("{} {} {body}", request.method.as_str(), request.path).trim_end().to_owned()
        }
        other => panic!("{other:?}"),
    });
    let line = lines.next().expect("a request");
    assert_eq!(lines.next(), None);
    line
}

fn order(instrument: InstrumentId) -> CommandKind {
    CommandKind::New(NewOrder {
        client_id: ClientOrderId(1),
        instrument,
        side: Side::Buy,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::Gtc,
        post_only: false,
        reduce_only: false,
        price: Price(6_000_010),
        qty: Qty(3_000_000),
    })
}

#[test]
fn each_swap_is_made_what_is_configured_and_only_the_venues_word_counts() {
    let mut bench = learnt(wanted(Some(5), Some(MarginMode::Isolated)));
    step(&mut bench, POSITIONS, NONE);
    // One that is so already is left alone.
    step(&mut bench, &asks("BTC", "isolated"), &states("BTC", "5", "isolated"));
    step(&mut bench, &asks("BCH", "isolated"), &states("BCH", "3", "isolated"));
    assert_eq!(bench.take(), [], "not ready yet");
    assert_eq!(bench.submit(order(SWAP)), Err(EncodeError::NotReady));
    step(&mut bench, &sets("BCH", 5, "isolated"), &states("BCH", "5", "isolated"));
    step(&mut bench, &asks("BCH", "isolated"), &states("BCH", "5.0", "isolated"));
    step(&mut bench, &asks("ETH", "isolated"), &states("ETH", "5", "isolated"));
    assert_eq!(bench.notices(), [READY]);
    assert_eq!(bench.sent(), Vec::<String>::new());
}

#[test]
fn orders_of_swaps_stand_on_the_margin_that_is_configured() {
    for (mode, swap) in [
        (None, "\"cross\""),
        (Some(MarginMode::Cross), "\"cross\""),
        (Some(MarginMode::Isolated), "\"isolated\""),
    ] {
        let mut setup = wanted(None, mode);
        setup.orders_over_rest = true;
        let mut bench = learnt(setup);
        step(&mut bench, POSITIONS, NONE);
        for (instrument, pays) in [(SWAP, swap), (BTC, "\"cash\"")] {
            bench.submit(order(instrument)).unwrap();
            let sent = bench.sent();
            assert!(sent[0].contains(&format!("\"tdMode\":{pays}")), "{sent:?}");
        }
    }
}

#[test]
fn without_a_mode_leverage_is_that_of_the_accounts_margin() {
    let mut bench = learnt(wanted(Some(20), None));
    step(&mut bench, POSITIONS, NONE);
    step(&mut bench, &asks("BTC", "cross"), &states("BTC", "30", "cross"));
    step(&mut bench, &sets("BTC", 20, "cross"), &states("BTC", "20", "cross"));
    assert_eq!(first(&bench), asks("BTC", "cross"));
}

#[test]
fn a_refusal_is_told_with_its_code_and_tried_again_later() {
    let mut bench = learnt(wanted(Some(120), None));
    step(&mut bench, POSITIONS, NONE);
    let stated = states("BTC", "30", "cross");
    let refused = r#"{"code":"59102","msg":"Leverage exceeds the maximum limit.","data":[]}"#;
    step(&mut bench, &asks("BTC", "cross"), &stated);
    step(&mut bench, &sets("BTC", 120, "cross"), refused);
    assert_eq!(bench.notices(), [VenueNotice::RequestFailed(59102), UNFIT]);
    assert_eq!(bench.submit(order(SWAP)), Err(EncodeError::NotReady));
    let margins = |lines: Vec<String>| {
        let margin = |line: &String| line.contains("leverage");
        lines.into_iter().filter(margin).collect::<Vec<_>>()
    };
    bench.pass(59_000);
    assert_eq!(margins(bench.sent()), Vec::<String>::new(), "not all the time");
    bench.pass(1_000);
    assert_eq!(margins(bench.sent_kept()), [asks("BTC", "cross")]);
    bench.take();
    bench.answer(&stated).unwrap();
    step(&mut bench, &sets("BTC", 120, "cross"), refused);
    assert_eq!(bench.notices(), [], "told once");
}

#[test]
fn what_passes_is_no_flaw() {
    for (status, body, code) in [
        (200, r#"{"code":"50011","msg":"Requests too frequent.","data":[]}"#, 50011),
        (200, r#"{"code":"50001","msg":"Service temporarily unavailable.","data":[]}"#, 50001),
        (502, "", -502),
    ] {
        let mut bench = learnt(wanted(Some(5), None));
        step(&mut bench, POSITIONS, NONE);
        step(&mut bench, &asks("BTC", "cross"), &states("BTC", "30", "cross"));
        bench.answer_with(status, body).unwrap();
        let notices = bench.notices();
        assert!(notices.contains(&VenueNotice::RequestFailed(code)), "{notices:?}");
        assert!(!notices.contains(&UNFIT), "{notices:?}");
        // Perhaps it was set all the same: that is asked first.
        bench.pass(2_000);
        assert_eq!(first(&bench), asks("BTC", "cross"));
        bench.answer(&states("BTC", "5", "cross")).unwrap();
        assert_eq!(first(&bench), asks("BCH", "cross"));
    }
}

#[test]
fn a_change_that_changes_nothing_is_a_flaw() {
    let mut bench = learnt(wanted(Some(5), None));
    step(&mut bench, POSITIONS, NONE);
    step(&mut bench, &asks("BTC", "cross"), &states("BTC", "30", "cross"));
    step(&mut bench, &sets("BTC", 5, "cross"), &states("BTC", "5", "cross"));
    step(&mut bench, &asks("BTC", "cross"), &states("BTC", "30", "cross"));
    assert_eq!(bench.notices(), [UNFIT]);
}

#[test]
fn a_position_on_the_other_margin_must_be_gone_first() {
    let held = fixture("rest_positions_swap");
    // Orders say "cross" where nothing is configured too.
    let mut unsaid = learnt(wanted(None, None));
    step(&mut unsaid, POSITIONS, &held);
    assert_eq!(unsaid.notices(), [UNFIT]);
    let mut bench = learnt(wanted(None, Some(MarginMode::Cross)));
    step(&mut bench, POSITIONS, &held);
    assert_eq!(bench.notices(), [UNFIT], "isolated");
    bench.pass(60_000);
    assert!(bench.sent_kept().contains(&POSITIONS.to_owned()));
    bench.take();
    bench.answer(&held.replace("\"0.5\"", "\"0\"")).unwrap();
    assert_eq!(bench.notices(), [READY]);
    let mut bench = learnt(wanted(None, Some(MarginMode::Isolated)));
    step(&mut bench, POSITIONS, &held);
    assert_eq!(bench.notices(), [READY]);
}

/// A position that is closed, or a place for one, on the other margin is none of ours; one that is
/// held would be taken for ours.
#[test]
fn rows_on_the_other_margin_are_not_ours() {
    let row = |mode: &str, pos: &str| {
        fixture("ws_positions")
            .replace("ETH-USD-210430", "BTC-USDT-SWAP")
            .replace("\"posSide\": \"long\"", "\"posSide\": \"net\"")
            .replace("isolated", mode)
            .replace("\"pos\": \"1\"", &format!("\"pos\": \"{pos}\""))
    };
    let mut bench = learnt(wanted(None, None));
    bench.answer(NONE).unwrap();
    bench.take();
    bench.text(Channel::Private, &row("isolated", "0")).unwrap();
    assert_eq!(bench.take(), []);
    let error = Err(DecodeError::Invalid("mgnMode"));
    assert_eq!(bench.text(Channel::Private, &row("isolated", "0.5")), error);
    bench.text(Channel::Private, &row("cross", "0.5")).unwrap();
    assert!(matches!(bench.take()[..], [Event::Position(_)]));
}

#[test]
fn what_somebody_changes_later_is_told_once_and_left_alone() {
    let mut bench = learnt(wanted(Some(5), None));
    step(&mut bench, POSITIONS, NONE);
    for coin in ["BTC", "BCH", "ETH"] {
        step(&mut bench, &asks(coin, "cross"), &states(coin, "5", "cross"));
    }
    assert_eq!(bench.notices(), [READY]);
    for (lever, told) in [("10", &[UNFIT][..]), ("10", &[]), ("5", &[]), ("7", &[UNFIT])] {
        bench.pass(60_000);
        assert!(bench.sent_kept().contains(&POSITIONS.to_owned()));
        bench.take();
        bench.answer(NONE).unwrap();
        step(&mut bench, &asks("BTC", "cross"), &states("BTC", lever, "cross"));
        step(&mut bench, &asks("BCH", "cross"), &states("BCH", "5", "cross"));
        step(&mut bench, &asks("ETH", "cross"), &states("ETH", "5", "cross"));
        assert_eq!(bench.notices(), told, "{lever}");
        assert_eq!(bench.sent(), Vec::<String>::new());
    }
}

#[test]
fn answers_that_say_nothing_are_asked_for_again() {
    for (body, error) in [
        (NONE.to_owned(), DecodeError::Missing("leverage")),
        (NONE.replace("[]", "{}"), DecodeError::Invalid("data")),
        (states("BTC", "", "cross"), DecodeError::Missing("lever")),
        (states("BTC", "5", "isolated"), DecodeError::Invalid("instId")),
        (states("ETH", "5", "cross"), DecodeError::Invalid("instId")),
    ] {
        let mut bench = learnt(wanted(Some(5), None));
        step(&mut bench, POSITIONS, NONE);
        assert_eq!(bench.answer(&body), Err(error));
        assert_eq!(bench.notices(), [VenueNotice::RequestFailed(0)]);
        bench.pass(2_000);
        assert_eq!(first(&bench), asks("BTC", "cross"));
    }
}
