//! Leverage and margin mode as configured: asked for, changed, refused, changed by somebody else.

use super::*;
use crate::types::{AccountFlaw, MarginMode, MarginSettings};

const UNFIT: VenueNotice = VenueNotice::AccountUnfit(AccountFlaw::MarginSettings);
const READY: VenueNotice = VenueNotice::Readiness(Channel::Rest, Readiness::Ready);
const REFUSED: &str =
    r#"{"status":"err","response":"Cannot switch leverage type with open position."}"#;

fn wanted(leverage: Option<u8>, mode: Option<MarginMode>) -> VenueSetup {
    VenueSetup { margin: MarginSettings { leverage, mode }, ..setup() }
}

fn states(coin: &str, mode: &str, times: u64) -> String {
    fixture("rest_active_asset_data")
        .replace("APT", coin)
        .replace(r#""cross","value":3"#, &format!(r#""{mode}","value":{times}"#))
}

/// What the account has set: 20 times the account's margin for every coin at first.
struct Account(Vec<(&'static str, &'static str, u64)>);

impl Account {
    fn new() -> Self {
        Self(COINS.map(|coin| (coin, "cross", 20)).into())
    }

    /// Takes every change. Numbers of assets are their places in the list of the venue.
    fn answer(&mut self, path: &str, body: &str) -> (u16, String) {
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        if path == "/exchange" {
            let action = &body["action"];
            let coin = match action["asset"].as_u64() {
                Some(0) => "BTC",
                Some(1) => "ETH",
                Some(3) => "MATIC",
                Some(4) => "HYPE",
                other => panic!("{other:?}"),
            };
            let row = self.0.iter_mut().find(|row| row.0 == coin).unwrap();
            row.1 = if action["isCross"] == true { "cross" } else { "isolated" };
            row.2 = action["leverage"].as_u64().unwrap();
            return (200, fixture("rest_exchange_default_ok"));
        }
        let kind = body["type"].as_str().unwrap();
        if kind != "activeAssetData" {
            return (200, answer_to(kind));
        }
        let row = self.0.iter().find(|row| body["coin"] == row.0).unwrap();
        (200, states(row.0, row.1, row.2))
    }
}

/// Answers what is asked until nothing more is. Gives what is asked of margins, as the coin that is
/// asked for or the action, and notices.
fn drive(
    bench: &mut Bench,
    mut answer: impl FnMut(&str, &str) -> (u16, String),
) -> (Vec<String>, Vec<VenueNotice>) {
    let (mut lines, mut waiting) = (Vec::new(), bench.requests());
    while !waiting.is_empty() {
        let (id, path, body) = waiting.remove(0);
        let (status, text) = answer(&path, &body);
        let _ = bench.respond(id, status, &text);
        waiting.extend(bench.requests());
        let parsed: serde_json::Value = serde_json::from_str(&body).unwrap();
        if path == "/exchange" {
            let end = body.find(",\"nonce\"").unwrap();
            lines.push(body["{\"action\":".len()..end].to_owned());
        } else if let Some(coin) = parsed["coin"].as_str() {
            lines.push(coin.to_owned());
        }
    }
    let notice = |event: Event| match event {
        Event::Notice(notice) => Some(notice),
        _ => None,
    };
    (lines, bench.take().into_iter().filter_map(notice).collect())
}

fn action(asset: u8, cross: bool, times: u8) -> String {
    format!(r#"{{"type":"updateLeverage","asset":{asset},"isCross":{cross},"leverage":{times}}}"#)
}

const COINS: [&str; 4] = ["BTC", "ETH", "HYPE", "MATIC"];

#[test]
fn every_coin_is_made_what_is_configured_and_asked_for_once_more() {
    let mut account = Account::new();
    account.0[2] = ("HYPE", "isolated", 5);
    account.0[3] = ("MATIC", "cross", 5);
    let mut bench = Bench::trading(wanted(Some(5), Some(MarginMode::Isolated)));
    bench.open(Channel::Rest);
    let (lines, notices) = drive(&mut bench, |path, body| account.answer(path, body));
    let expected = [
        "BTC".to_owned(),
        action(0, false, 5),
        "BTC".to_owned(),
        "ETH".to_owned(),
        action(1, false, 5),
        "ETH".to_owned(),
        "HYPE".to_owned(),
        "MATIC".to_owned(),
        action(3, false, 5),
        "MATIC".to_owned(),
    ];
    assert_eq!(lines, expected);
    assert_eq!(notices.last(), Some(&READY));
    assert!(!notices.contains(&UNFIT), "{notices:?}");
}

#[test]
fn what_is_not_configured_stays_as_it_is() {
    for (leverage, mode, sent) in [
        (None, None, None),
        (Some(20), None, None),
        (None, Some(MarginMode::Cross), None),
        (Some(3), None, Some(action(0, true, 3))),
        (None, Some(MarginMode::Isolated), Some(action(0, false, 20))),
    ] {
        let mut account = Account::new();
        let mut bench = Bench::trading(wanted(leverage, mode));
        bench.open(Channel::Rest);
        let (lines, notices) = drive(&mut bench, |path, body| account.answer(path, body));
        match sent {
            Some(sent) => assert_eq!(lines[1], sent),
            None => assert!(lines.iter().all(|line| COINS.contains(&line.as_str())), "{lines:?}"),
        }
        assert_eq!(notices.last(), Some(&READY));
    }
}

#[test]
fn a_refusal_is_told_and_tried_again_later() {
    let mut account = Account::new();
    let mut bench = Bench::trading(wanted(Some(5), Some(MarginMode::Isolated)));
    for channel in [Channel::Trade, Channel::Rest] {
        bench.open(channel);
    }
    let refused = |account: &mut Account, path: &str, body: &str| match path {
        "/exchange" => (200, REFUSED.to_owned()),
        _ => account.answer(path, body),
    };
    let (lines, notices) = drive(&mut bench, |path, body| refused(&mut account, path, body));
    assert_eq!(lines, ["BTC".to_owned(), action(0, false, 5)]);
    let code = super::super::errors::UNLISTED;
    assert_eq!(notices[notices.len() - 2..], [VenueNotice::RequestFailed(code), UNFIT]);
    assert!(!notices.contains(&READY));
    assert_eq!(bench.submit(CommandKind::New(order())), Err(EncodeError::NotReady));
    assert_eq!(
        bench.submit(CommandKind::Cancel(cancel_ours())),
        Ok(()),
        "what works can be stopped"
    );
    bench.out.clear();
    later(&mut bench, 60_000);
    let (lines, notices) = drive(&mut bench, |path, body| refused(&mut account, path, body));
    assert_eq!(lines, ["BTC".to_owned(), action(0, false, 5)]);
    assert!(!notices.contains(&UNFIT), "told once: {notices:?}");
    later(&mut bench, 60_000);
    let (_, notices) = drive(&mut bench, |path, body| account.answer(path, body));
    assert_eq!(notices.last(), Some(&READY));
    assert_eq!(bench.submit(CommandKind::New(order())), Ok(()));
}

fn cancel_ours() -> crate::types::CancelOrder {
    crate::types::CancelOrder {
        client_id: OURS,
        venue_order_id: crate::types::VenueOrderId::EMPTY,
        instrument: BTC,
    }
}

/// Moves the time at once: what is due meanwhile is asked for at its end.
fn later(bench: &mut Bench, millis: u64) {
    bench.now = bench.now.plus(millis * MS);
    let (out, events) = (&mut bench.out, &mut bench.events);
    bench.connector.on_deadline(bench.now, out, events);
}

#[test]
fn what_passes_is_no_flaw() {
    for (status, body) in [
        (502, ""),
        (429, ""),
        (200, r#"{"status":"err","response":"Too many cumulative requests sent (1 > 0)"}"#),
        (200, r#"{"status":"ok"}"#),
    ] {
        let mut account = Account::new();
        let mut bench = Bench::trading(wanted(Some(5), None));
        bench.open(Channel::Rest);
        let (_, notices) = drive(&mut bench, |path, text| match path {
            "/exchange" => (status, body.to_owned()),
            _ => account.answer(path, text),
        });
        assert!(!notices.contains(&UNFIT) && !notices.contains(&READY), "{notices:?}");
        later(&mut bench, 2_000);
        let (lines, notices) = drive(&mut bench, |path, text| account.answer(path, text));
        assert_eq!(lines[..2], ["BTC".to_owned(), action(0, true, 5)], "asked for first");
        assert!(notices.contains(&READY), "{notices:?}");
    }
}

#[test]
fn without_an_answer_or_with_a_change_that_changes_nothing_nothing_is_ready() {
    let mut bench = Bench::trading(wanted(Some(5), None));
    bench.open(Channel::Rest);
    let (lines, notices) = drive(&mut bench, |path, text| Account::new().answer(path, text));
    assert_eq!(lines, ["BTC".to_owned(), action(0, true, 5), "BTC".to_owned()]);
    assert_eq!(notices.last(), Some(&UNFIT));
    let mut bench = Bench::trading(wanted(Some(5), None));
    bench.open(Channel::Rest);
    let (_, notices) = drive(&mut bench, |path, text| match text.contains("activeAssetData") {
        true => (502, String::new()),
        false => Account::new().answer(path, text),
    });
    assert!(!notices.contains(&READY), "{notices:?}");
}

#[test]
fn what_somebody_changes_later_is_left_alone() {
    let mut account = Account::new();
    let mut bench = Bench::trading(wanted(Some(20), None));
    bench.open(Channel::Rest);
    drive(&mut bench, |path, body| account.answer(path, body));
    account.0[0].2 = 10;
    later(&mut bench, 300_000);
    let mut lines = Vec::new();
    for _ in 0..=COINS.len() {
        // One after the other, with pauses.
        lines.extend(drive(&mut bench, |path, body| account.answer(path, body)).0);
        later(&mut bench, 10_000);
    }
    assert_eq!(lines, COINS, "asked for, not changed");
    // The next statement of positions says so.
    let (id, _) = bench.ask(CommandKind::Balances);
    bench.answer(id, &fixture("rest_clearinghouse_state_flat")).unwrap();
    let told = |event: Event| match event {
        Event::Position(told) if told.instrument == BTC => Some(told.leverage),
        _ => None,
    };
    assert_eq!(bench.take().into_iter().find_map(told), Some(Amount(10 * E18)));
}
