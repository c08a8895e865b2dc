//! Leverage and margin mode as configured: asked for, set, refused, changed by somebody else.

use super::linear::{PERP, both_setup};
use super::*;
use crate::types::{AccountFlaw, MarginMode, MarginSettings};

const UNFIT: VenueNotice = VenueNotice::AccountUnfit(AccountFlaw::MarginSettings);
const READY: VenueNotice = VenueNotice::Readiness(Channel::Rest, Readiness::Ready);
const SYMBOLS: [&str; 5] = ["BTCUSDT", "SOLUSDT", "XRPUSDT", "BTCPERP", "ETHUSDT"];
const OK: &str = "HTTP/1.1 200 OK\r\n";

fn wanted(leverage: Option<u8>, mode: Option<MarginMode>) -> VenueSetup {
    VenueSetup { margin: MarginSettings { leverage, mode }, ..both_setup() }
}

/// What the account has set: everything ten times and cross at first.
struct Account {
    mode: String,
    leverages: Vec<(&'static str, String)>,
}

fn reply(code: i32, result: &str) -> String {
    format!(
        r#"{{"retCode":{code},"retMsg":"x","result":{result},"retExtInfo":{{}},"time":1700000000000}}"#
    )
}

impl Account {
    fn new() -> Self {
        let leverages = SYMBOLS.map(|symbol| (symbol, "10".to_owned())).into();
        Self { mode: "REGULAR_MARGIN".to_owned(), leverages }
    }

    /// Takes every change.
    fn answer(&mut self, target: &str, body: &str) -> String {
        let value = |name: &str| {
            let body: serde_json::Value = serde_json::from_str(body).unwrap();
            body[name].as_str().unwrap().to_owned()
        };
        match target {
            "GET /v5/account/info" => {
                fixture("rest_account_info").replace("REGULAR_MARGIN", &self.mode)
            }
            "POST /v5/account/set-margin-mode" => {
                self.mode = value("setMarginMode");
                reply(0, r#"{"reasons":[]}"#)
            }
            "POST /v5/position/set-leverage" => {
                assert_eq!(value("buyLeverage"), value("sellLeverage"));
                let row = self.leverages.iter_mut().find(|row| row.0 == value("symbol")).unwrap();
                row.1 = value("buyLeverage");
                reply(0, "{}")
            }
            _ => {
                let symbol = target.rsplit("symbol=").next().unwrap();
                let row = self.leverages.iter().find(|row| row.0 == symbol).unwrap();
                let row = format!(
                    r#"{{"positionIdx":0,"symbol":"{symbol}","side":"","size":"0","leverage":"{}"}}"#,
                    row.1
                );
                let list = format!(r#"{{"nextPageCursor":"","category":"linear","list":[{row}]}}"#);
                reply(0, &list)
            }
        }
    }
}

fn opened(setup: VenueSetup) -> Bench {
    let mut bench = Bench::over((ROW.trading)(setup).unwrap());
    bench.open(Channel::Rest);
    bench.sent();
    bench.answer(START.0, "rest_time").unwrap();
    bench
}

/// Answers what is asked for half a second; gives what it was without the modes of positions, changes
/// with their bodies, and notices.
fn drive(
    bench: &mut Bench,
    mut answer: impl FnMut(&str, &str) -> String,
) -> (Vec<String>, Vec<VenueNotice>) {
    let mut lines = Vec::new();
    for _ in 0..100 {
        for sent in bench.sent() {
            let (id, rest) = sent.split_once(' ').unwrap();
            let target = rest.split('\n').next().unwrap();
            if target.ends_with("/v5/market/time") {
                continue;
            }
            let body =
                if target.starts_with("POST") { &rest[rest.rfind('{').unwrap()..] } else { "" };
            let text = answer(target, body);
            let _ = bench.reply(id.parse().unwrap(), 200, OK, &text);
            lines.push(format!("{target} {body}").trim_end().to_owned());
        }
        bench.pass(5);
    }
    (lines, bench.notices())
}

/// The questions before those about margin.
const BEFORE: usize = 1 + SYMBOLS.len();

fn asks(symbol: &str) -> String {
    format!("GET /v5/position/list?category=linear&symbol={symbol}")
}

fn sets(symbol: &str, leverage: u8) -> String {
    format!(
        "POST /v5/position/set-leverage {{\"category\":\"linear\",\"symbol\":\"{symbol}\",\
         \"buyLeverage\":\"{leverage}\",\"sellLeverage\":\"{leverage}\"}}"
    )
}

fn sets_mode(mode: &str) -> String {
    format!("POST /v5/account/set-margin-mode {{\"setMarginMode\":\"{mode}\"}}")
}

const INFO: &str = "GET /v5/account/info";

#[test]
fn mode_and_leverages_are_made_what_is_configured_and_asked_for_once_more() {
    let mut account = Account::new();
    for row in &mut account.leverages[1..4] {
        row.1 = "5".to_owned();
    }
    let mut bench = opened(wanted(Some(5), Some(MarginMode::Isolated)));
    let (lines, notices) = drive(&mut bench, |target, body| account.answer(target, body));
    let expected = [
        INFO.to_owned(),
        sets_mode("ISOLATED_MARGIN"),
        INFO.to_owned(),
        asks("BTCUSDT"),
        sets("BTCUSDT", 5),
        asks("BTCUSDT"),
        asks("SOLUSDT"),
        asks("XRPUSDT"),
        asks("BTCPERP"),
        asks("ETHUSDT"),
        sets("ETHUSDT", 5),
        asks("ETHUSDT"),
    ];
    assert_eq!(lines[BEFORE..], expected);
    assert!(notices.contains(&READY) && !notices.contains(&UNFIT), "{notices:?}");
}

#[test]
fn what_is_so_already_or_not_configured_is_left_alone() {
    for (leverage, mode) in [
        (None, None),
        (Some(10), None),
        (None, Some(MarginMode::Cross)),
        (Some(10), Some(MarginMode::Cross)),
    ] {
        let mut account = Account::new();
        let mut bench = opened(wanted(leverage, mode));
        let (lines, notices) = drive(&mut bench, |target, body| account.answer(target, body));
        assert!(lines.iter().all(|line| line.starts_with("GET")), "{lines:?}");
        assert!(notices.contains(&READY), "{notices:?}");
    }
    // That nothing was changed is no refusal: what it is decides.
    for (path, code) in [("set-leverage", 110_043), ("set-margin-mode", 110_026)] {
        let mut account = Account::new();
        account.leverages[1..].iter_mut().for_each(|row| row.1 = "5".to_owned());
        let mut bench = opened(wanted(Some(5), Some(MarginMode::Isolated)));
        let (_, notices) = drive(&mut bench, |target, body| {
            let text = account.answer(target, body);
            if target.ends_with(path) { reply(code, "{}") } else { text }
        });
        assert!(notices.contains(&READY) && !notices.contains(&UNFIT), "{notices:?}");
    }
}

#[test]
fn refusals_are_told_with_their_code_and_tried_again_later() {
    for (path, code) in [
        ("set-margin-mode", 3_400_045),
        ("set-leverage", 110_013),
        ("set-leverage", 110_024),
        ("set-leverage", 110_028),
    ] {
        let mut account = Account::new();
        let mut bench = opened(wanted(Some(5), Some(MarginMode::Isolated)));
        let (lines, notices) = drive(&mut bench, |target, body| match target.ends_with(path) {
            true => reply(code, "{}"),
            false => account.answer(target, body),
        });
        assert!(lines.last().unwrap().contains(path), "{lines:?}");
        let failed = VenueNotice::RequestFailed(code);
        assert!(notices.ends_with(&[failed, UNFIT]), "{notices:?}");
        let order = NewOrder { instrument: PERP, ..limit_order(7, Side::Buy, 7_700_050, 250_000) };
        assert_eq!(bench.submit(CommandKind::New(order)), Err(EncodeError::NotReady));
        bench.pass(59_000);
        assert!(bench.sent().iter().all(|line| line.contains("/v5/market/time")));
        bench.pass(1_000);
        let (lines, notices) = drive(&mut bench, |target, body| account.answer(target, body));
        assert!(lines[0].starts_with("GET"), "what it is comes first: {lines:?}");
        assert!(notices.contains(&READY), "{notices:?}");
    }
}

/// When the first is mended by hand, the second that is refused is news.
#[test]
fn each_perpetual_that_is_refused_is_told() {
    let mut account = Account::new();
    let mut bench = opened(wanted(Some(5), None));
    let mut refused = "BTCUSDT";
    for told in [true, true] {
        let (_, notices) = drive(&mut bench, |target, body| {
            let wanted = target.ends_with("set-leverage") && body.contains(refused);
            if wanted { reply(110_013, "{}") } else { account.answer(target, body) }
        });
        assert_eq!(notices.ends_with(&[VenueNotice::RequestFailed(110_013), UNFIT]), told);
        account.leverages[0].1 = "5".to_owned();
        refused = "SOLUSDT";
        bench.pass(60_000);
    }
}

#[test]
fn the_documented_refusal_of_a_margin_mode_is_one() {
    let mut account = Account::new();
    let mut bench = opened(wanted(None, Some(MarginMode::Isolated)));
    let (_, notices) = drive(&mut bench, |target, body| match target.ends_with("margin-mode") {
        true => fixture("rest_set_margin_mode_errors"),
        false => account.answer(target, body),
    });
    assert!(notices.ends_with(&[VenueNotice::RequestFailed(3_400_045), UNFIT]), "{notices:?}");
}

/// Portfolio margin states no leverage, and takes none.
#[test]
fn leverage_of_a_portfolio_is_refused_with_a_reason() {
    let mut account = Account::new();
    account.mode = "PORTFOLIO_MARGIN".to_owned();
    account.leverages.iter_mut().for_each(|row| row.1.clear());
    let mut bench = opened(wanted(Some(5), None));
    let (lines, notices) = drive(&mut bench, |target, body| account.answer(target, body));
    assert_eq!(lines.last().unwrap(), &asks("BTCUSDT"));
    assert_eq!(notices.last(), Some(&UNFIT));
    bench.pass(59_000);
    assert!(bench.sent().iter().all(|line| line.contains("/v5/market/time")), "once a minute");
}

#[test]
fn what_silences_us_silences_the_questions_too() {
    let mut account = Account::new();
    let mut bench = opened(wanted(Some(5), None));
    let sent = bench.sent().remove(0);
    let id = sent.split(' ').next().unwrap().parse().unwrap();
    let _ = bench.reply(id, 403, "HTTP/1.1 403 X\r\n", "access too frequent");
    // A gateway closes the connection, too.
    bench.close(Channel::Rest);
    bench.open(Channel::Rest);
    for _ in 0..599 {
        bench.pass(1_000);
        assert_eq!(bench.sent(), Vec::<String>::new());
    }
    bench.pass(2_000);
    let (lines, _) = drive(&mut bench, |target, body| account.answer(target, body));
    assert!(lines[0].starts_with(INFO), "{lines:?}");
}

#[test]
fn what_passes_is_no_flaw() {
    for code in [10_006, 10_016, 10_002] {
        let mut account = Account::new();
        let mut bench = opened(wanted(Some(5), None));
        let (_, notices) = drive(&mut bench, |target, body| match target.ends_with("leverage") {
            true => reply(code, "{}"),
            false => account.answer(target, body),
        });
        assert!(!notices.contains(&UNFIT) && !notices.contains(&READY), "{notices:?}");
        bench.pass(2_000);
        let (lines, notices) = drive(&mut bench, |target, body| account.answer(target, body));
        assert_eq!(lines[..2], [asks("BTCUSDT"), sets("BTCUSDT", 5)]);
        assert!(notices.contains(&READY), "{notices:?}");
    }
}

#[test]
fn what_somebody_changes_later_is_told_once_and_left_alone() {
    let mut account = Account::new();
    let mut bench = opened(wanted(Some(10), Some(MarginMode::Cross)));
    drive(&mut bench, |target, body| account.answer(target, body));
    for (leverage, mode, told) in [
        ("20", "REGULAR_MARGIN", true),
        ("20", "ISOLATED_MARGIN", false),
        ("10", "REGULAR_MARGIN", false),
        ("10", "ISOLATED_MARGIN", true),
    ] {
        account.leverages[2].1 = leverage.to_owned();
        account.mode = mode.to_owned();
        bench.pass(59_500);
        bench.sent();
        bench.pass(500);
        let (lines, notices) = drive(&mut bench, |target, body| account.answer(target, body));
        assert_eq!(lines[0], INFO);
        assert_eq!(lines[1..], SYMBOLS.map(asks));
        assert_eq!(notices.contains(&UNFIT), told, "{leverage} {mode}: {notices:?}");
    }
}
