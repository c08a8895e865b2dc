//! Leverage and margin mode of futures as configured: read, changed, refused, changed by somebody else.

use super::futures::{BTC, SECOND, futures_setup, stamp, table_of, unsigned, usual};
use super::{Rig, SECRET, fixture, order};
use crate::types::{
    AccountFlaw, Channel, CommandKind, MarginMode, MarginSettings, NewOrder, Price, Qty, Readiness,
    TimeInForce, VenueNotice,
};
use crate::venues::{EncodeError, VenueSetup};
use std::sync::Arc;

const UNFIT: VenueNotice = VenueNotice::AccountUnfit(AccountFlaw::MarginSettings);
const READY: VenueNotice = VenueNotice::Readiness(Channel::Private, Readiness::Ready);
const TAKEN: &str = r#"{"code":200,"msg":"success"}"#;

fn wanted(leverage: Option<u8>, mode: Option<MarginMode>) -> VenueSetup {
    let margin = MarginSettings { leverage, mode };
    let instruments = Arc::new(table_of(&["BTC", "ETH"]));
    VenueSetup { margin, instruments, ..futures_setup(SECRET, false) }
}

/// What the venue has set for each symbol; at first 20 times the account's margin.
struct Account([(&'static str, &'static str, u64); 2]);

impl Account {
    fn new() -> Self {
        Self([("BTCUSDT", "CROSSED", 20), ("ETHUSDT", "CROSSED", 20)])
    }

    /// Takes every change.
    fn answer(&mut self, rig: &Rig, line: &str) -> (u16, String) {
        let value = |name: &str| {
            let at = line.find(name).unwrap() + name.len();
            line[at..].split('&').next().unwrap()
        };
        match line.split('?').next().unwrap() {
            "GET /fapi/v1/symbolConfig" => {
                let row = |(symbol, mode, times): &(&str, &str, u64)| {
                    format!(
                        r#"{{"symbol":"{symbol}","marginType":"{mode}","isAutoAddMargin":false,"leverage":{times},"maxNotionalValue":"1000000"}}"#
                    )
                };
                (200, format!("[{}]", self.0.iter().map(row).collect::<Vec<_>>().join(",")))
            }
            "POST /fapi/v1/marginType" => {
                let row = self.0.iter_mut().find(|row| row.0 == value("symbol=")).unwrap();
                let isolated = value("marginType=") == "ISOLATED";
                row.1 = if isolated { "ISOLATED" } else { "CROSSED" };
                (200, TAKEN.to_owned())
            }
            "POST /fapi/v1/leverage" => {
                let (symbol, times) = (value("symbol="), value("leverage="));
                let row = self.0.iter_mut().find(|row| row.0 == symbol).unwrap();
                row.2 = times.parse().unwrap();
                let text = format!(
                    r#"{{"leverage":{times},"maxNotionalValue":"1000000","symbol":"{symbol}"}}"#
                );
                (200, text)
            }
            _ => (200, usual(rig, line)),
        }
    }
}

/// Answers requests until there are none; gives their lines without those for the time, and notices.
fn drive(
    rig: &mut Rig,
    mut answer: impl FnMut(&Rig, &str) -> (u16, String),
) -> (Vec<String>, Vec<VenueNotice>) {
    let (mut lines, mut notices) = (Vec::new(), rig.notices());
    let mut waiting = rig.requests();
    while !waiting.is_empty() {
        let request = waiting.remove(0);
        let (status, body) = answer(rig, &request.line);
        let _ = rig.response(request.id, status, "", &body);
        let clock = |told: &VenueNotice| matches!(told, VenueNotice::ClockOffset { .. });
        notices.extend(rig.notices().into_iter().filter(|told| !clock(told)));
        waiting.extend(rig.requests());
        if !request.line.ends_with("/time") {
            lines.push(request.line);
        }
    }
    (lines, notices)
}

/// The requests about settings, without signature and time.
fn about_settings(lines: &[String]) -> Vec<String> {
    let about = |line: &&String| {
        ["symbolConfig", "marginType", "/leverage"].iter().any(|name| line.contains(name))
    };
    let end = stamp();
    let cut = |line: &String| {
        let line = unsigned(line);
        line.strip_suffix(&end).unwrap_or(line).trim_end_matches(['&', '?']).to_owned()
    };
    lines.iter().filter(about).map(cut).collect()
}

fn new() -> CommandKind {
    let price = Price(60_000_000_000);
    CommandKind::New(NewOrder { instrument: BTC, price, qty: Qty(1), ..order(TimeInForce::Gtc) })
}

#[test]
fn every_symbol_is_made_what_is_configured_and_read_once_more() {
    let mut account = Account::new();
    account.0[1].2 = 5;
    let mut rig = Rig::futures(&wanted(Some(5), Some(MarginMode::Isolated)));
    rig.open(Channel::Rest);
    let (lines, notices) = drive(&mut rig, |rig, line| account.answer(rig, line));
    assert_eq!(
        about_settings(&lines),
        [
            "GET /fapi/v1/symbolConfig",
            "POST /fapi/v1/marginType?marginType=ISOLATED&symbol=BTCUSDT",
            "POST /fapi/v1/leverage?leverage=5&symbol=BTCUSDT",
            "POST /fapi/v1/marginType?marginType=ISOLATED&symbol=ETHUSDT",
            "GET /fapi/v1/symbolConfig",
        ]
    );
    assert_eq!(lines.last().map(String::as_str), Some("POST /fapi/v1/listenKey"));
    assert!(!notices.contains(&UNFIT), "{notices:?}");
    rig.open(Channel::Private);
    let (_, notices) = drive(&mut rig, |rig, line| account.answer(rig, line));
    assert!(notices.contains(&READY), "{notices:?}");
}

#[test]
fn what_is_so_already_or_not_configured_is_left_alone() {
    for (leverage, mode) in [
        (None, None),
        (Some(20), None),
        (None, Some(MarginMode::Cross)),
        (Some(20), Some(MarginMode::Cross)),
    ] {
        let mut account = Account::new();
        let mut rig = Rig::futures(&wanted(leverage, mode));
        rig.open(Channel::Rest);
        let (lines, _) = drive(&mut rig, |rig, line| account.answer(rig, line));
        assert_eq!(about_settings(&lines), ["GET /fapi/v1/symbolConfig"]);
    }
    // That there is nothing to change is no refusal.
    let mut account = Account::new();
    let mut rig = Rig::futures(&wanted(None, Some(MarginMode::Isolated)));
    rig.open(Channel::Rest);
    let same = r#"{"code":-4046,"msg":"No need to change margin type."}"#;
    let (lines, notices) = drive(&mut rig, |rig, line| {
        let (status, body) = account.answer(rig, line);
        if line.contains("marginType") { (400, same.to_owned()) } else { (status, body) }
    });
    assert_eq!(lines.last().map(String::as_str), Some("POST /fapi/v1/listenKey"));
    assert!(!notices.contains(&UNFIT), "{notices:?}");
}

#[test]
fn refusals_are_told_with_their_code_and_looked_at_again_later() {
    for (path, code, text) in [
        ("marginType", -4047, "Margin type cannot be changed if there exists open orders."),
        ("marginType", -4048, "Margin type cannot be changed if there exists position."),
        ("marginType", -4168, "Unable to adjust to isolated-margin mode under Multi-Assets."),
        ("/leverage", -4028, "Leverage 126 is not valid"),
        ("/leverage", -2027, "Exceeded the maximum allowable position at current leverage."),
    ] {
        let mut account = Account::new();
        let mut rig = Rig::futures(&wanted(Some(5), Some(MarginMode::Isolated)));
        rig.open(Channel::Rest);
        let refused = format!(r#"{{"code":{code},"msg":"{text}"}}"#);
        let (lines, notices) = drive(&mut rig, |rig, line| match line.contains(path) {
            true => (400, refused.clone()),
            false => account.answer(rig, line),
        });
        assert!(lines.last().unwrap().contains(path), "{lines:?}");
        let end = [VenueNotice::RequestFailed(code), UNFIT];
        assert_eq!(notices[notices.len() - 2..], end);
        rig.open(Channel::Trade);
        assert_eq!(rig.submit(new()), Err(EncodeError::NotReady));
        rig.pass(59 * SECOND);
        assert!(rig.requests().iter().all(|sent| sent.line.ends_with("/time")));
        rig.pass(SECOND);
        let (lines, _) = drive(&mut rig, |rig, line| account.answer(rig, line));
        assert!(lines[0].starts_with("GET /fapi/v1/accountConfig"), "{lines:?}");
        assert_eq!(lines.last().map(String::as_str), Some("POST /fapi/v1/listenKey"));
    }
}

#[test]
fn what_passes_is_no_flaw() {
    for (status, body) in [
        (503, r#"{"code":-1008,"msg":"Server is currently overloaded."}"#),
        (500, r#"{"code":-1000,"msg":"An unknown error occurred."}"#),
        (400, r#"{"code":-1021,"msg":"Timestamp for this request is outside of the recvWindow."}"#),
    ] {
        let mut account = Account::new();
        let mut rig = Rig::futures(&wanted(Some(5), None));
        rig.open(Channel::Rest);
        let (_, notices) = drive(&mut rig, |rig, line| match line.contains("/leverage") {
            true => (status, body.to_owned()),
            false => account.answer(rig, line),
        });
        assert!(!notices.contains(&UNFIT), "{notices:?}");
        let mut lines = Vec::new();
        for _ in 0..5 {
            rig.pass(SECOND);
            lines.extend(drive(&mut rig, |rig, line| account.answer(rig, line)).0);
        }
        assert_eq!(lines.last().map(String::as_str), Some("POST /fapi/v1/listenKey"), "{status}");
    }
}

#[test]
fn a_change_that_changes_nothing_is_a_flaw() {
    let mut rig = Rig::futures(&wanted(Some(5), None));
    rig.open(Channel::Rest);
    let (_, notices) = drive(&mut rig, |rig, line| Account::new().answer(rig, line));
    assert_eq!(notices.last(), Some(&UNFIT));
    let mut account = Account::new();
    let mut rig = Rig::futures(&wanted(Some(5), None));
    rig.open(Channel::Rest);
    let (_, notices) = drive(&mut rig, |rig, line| {
        let (status, body) = account.answer(rig, line);
        (status, body.replace(r#"{"leverage":5,"#, r#"{"leverage":4,"#))
    });
    assert_eq!(notices.last(), Some(&UNFIT));
}

#[test]
fn a_lost_reply_is_asked_for_again() {
    let mut account = Account::new();
    let mut rig = Rig::futures(&wanted(Some(5), None));
    rig.open(Channel::Rest);
    let mut waiting = rig.requests();
    while !waiting[0].line.contains("/leverage") {
        let (status, body) = account.answer(&rig, &waiting[0].line);
        rig.response(waiting[0].id, status, "", &body).unwrap();
        waiting.remove(0);
        waiting.extend(rig.requests());
    }
    rig.lose(waiting[0].id);
    rig.pass(SECOND);
    let (lines, _) = drive(&mut rig, |rig, line| account.answer(rig, line));
    assert!(lines[0].contains("/leverage?leverage=5&symbol=BTCUSDT"), "{lines:?}");
    assert_eq!(lines.last().map(String::as_str), Some("POST /fapi/v1/listenKey"));
}

#[test]
fn what_somebody_changes_later_is_told_and_left_alone() {
    let mut account = Account::new();
    let mut rig = Rig::futures(&wanted(Some(20), Some(MarginMode::Cross)));
    rig.open(Channel::Rest);
    drive(&mut rig, |rig, line| account.answer(rig, line));
    rig.open(Channel::Private);
    drive(&mut rig, |rig, line| account.answer(rig, line));
    rig.open(Channel::Trade);
    rig.frame(Channel::Private, fixture!("usdm_user_account_config_leverage")).unwrap();
    assert!(rig.requests().is_empty(), "the statement of the position tells it");
    assert_eq!(rig.submit(new()), Ok(()));
    // While the socket was gone nothing was heard: the settings are read again.
    account.0[0].2 = 25;
    rig.close(Channel::Private);
    rig.open(Channel::Private);
    let (lines, notices) = drive(&mut rig, |rig, line| account.answer(rig, line));
    assert_eq!(about_settings(&lines), ["GET /fapi/v1/symbolConfig"]);
    assert!(notices.contains(&UNFIT) && notices.contains(&READY), "{notices:?}");
    assert_eq!(rig.submit(new()), Ok(()));
}
