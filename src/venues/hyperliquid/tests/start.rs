//! What is asked at the start, and what makes the account unfit.

use super::*;
use crate::types::AccountFlaw;
use crate::venues::SetupError;
use crate::venues::hyperliquid::errors;

/// Kinds of all that is asked until nothing more is.
fn all_asked(bench: &mut Bench, answer: impl Fn(&str) -> (u16, String)) -> Vec<String> {
    let mut kinds = Vec::new();
    loop {
        let asked = bench.requests();
        if asked.is_empty() {
            return kinds;
        }
        for (id, _, body) in asked {
            let kind = kind_of(&body);
            let (status, text) = answer(&kind);
            let _ = bench.respond(id, status, &text);
            kinds.push(kind);
        }
    }
}

#[test]
fn one_question_after_the_other() {
    let mut bench = Bench::trading(setup());
    bench.open(Channel::Rest);
    let kinds = all_asked(&mut bench, |kind| (200, answer_to(kind)));
    let expected =
        ["exchangeStatus", "meta", "spotMeta", "userRole", "userAbstraction", "userRateLimit"];
    assert_eq!(kinds, expected);
    let ready = Event::Notice(VenueNotice::Readiness(Channel::Rest, Readiness::Ready));
    assert_eq!(bench.take().iter().filter(|event| **event == ready).count(), 1);
    // Leverages come one by one: all at once they would use up what the address may ask for.
    for coin in ["BTC", "ETH", "HYPE", "MATIC"] {
        bench.skip(2_999);
        assert!(all_asked(&mut bench, |kind| (200, answer_to(kind))).is_empty());
        bench.skip(1);
        let (id, body) = bench.asked();
        assert!(body.contains("activeAssetData") && body.contains(&format!("\"{coin}\"")));
        let told = r#"{"user":"0x1","coin":"?","leverage":{"type":"cross","value":20}}"#;
        bench.answer(id, &told.replace('?', coin)).unwrap();
    }
    // Numbers are read again every few minutes; who the address is, is not.
    bench.skip(300_000);
    let kinds = all_asked(&mut bench, |kind| (200, answer_to(kind)));
    assert_eq!(kinds[1..], ["meta", "spotMeta", "userAbstraction", "userRateLimit"]);
    // What is known is asked for more slowly still.
    bench.skip(9_999);
    assert!(all_asked(&mut bench, |kind| (200, answer_to(kind))).is_empty());
    bench.skip(1);
    assert!(bench.asked().1.contains("activeAssetData"));
}

#[test]
fn without_its_lists_nothing_is_ready() {
    let mut bench = Bench::trading(setup());
    bench.open(Channel::Rest);
    let kinds = all_asked(&mut bench, |kind| match kind {
        "meta" => (502, String::new()),
        kind => (200, answer_to(kind)),
    });
    assert_eq!(kinds, ["exchangeStatus", "meta"]);
    assert_eq!(bench.submit(CommandKind::Balances), Err(EncodeError::NotReady));
    bench.skip(2_000);
    bench.answer_start();
    assert_eq!(bench.submit(CommandKind::Balances), Ok(()));
}

#[test]
fn an_agents_address_is_no_account() {
    for (account, answers, code) in [
        (
            SIGNER,
            r#"{"role":"agent","data":{"user":"0x70997970c51812dc3a010c7d01b50e0d17dc79c8"}}"#,
            errors::NO_ACCOUNT,
        ),
        (SIGNER, r#"{"role":"missing"}"#, errors::NO_ACCOUNT),
        // The account is one, but the key is nobody's.
        (ACCOUNT, r#"{"role":"user"}"#, errors::NO_AGENT),
    ] {
        let credentials = Credentials {
            key: account.to_owned(),
            secret: Secret::new(KEY.to_owned()),
            passphrase: None,
        };
        let mut bench = Bench::trading(VenueSetup { credentials: Some(credentials), ..setup() });
        bench.open(Channel::Rest);
        all_asked(&mut bench, |kind| match kind {
            "userRole" => (200, answers.to_owned()),
            kind => (200, answer_to(kind)),
        });
        let refused = Event::Notice(VenueNotice::LoginRefused(Channel::Rest, code));
        assert!(bench.take().contains(&refused));
        assert_eq!(bench.submit(CommandKind::Balances), Err(EncodeError::NotReady));
    }
}

/// The check was passed when the question was refused: of an agent's address everything looked flat.
#[test]
fn whose_address_it_is_must_be_answered() {
    let owner = |account: &str| {
        let (key, secret) = (account.to_owned(), Secret::new(KEY.to_owned()));
        let credentials = Credentials { key, secret, passphrase: None };
        VenueSetup { credentials: Some(credentials), ..setup() }
    };
    for (account, is_last) in [(SIGNER, true), (ACCOUNT, true), (ACCOUNT, false)] {
        for status in [429, 500, 422, 0] {
            let mut bench = Bench::trading(owner(account));
            bench.open(Channel::Rest);
            let agent = format!(r#"{{"role":"agent","data":{{"user":"{ACCOUNT}"}}}}"#);
            let roles = std::cell::Cell::new(0);
            let fails = std::cell::Cell::new(true);
            let answer = |kind: &str| match kind {
                "userRole" => {
                    roles.set(roles.get() + 1);
                    let at_agent = account != SIGNER && roles.get() % 2 == 0;
                    let last = account == SIGNER || at_agent;
                    let text = if at_agent { agent.clone() } else { answer_to(kind) };
                    let failing = fails.get() && last == is_last;
                    if failing { (status, "no".to_owned()) } else { (200, text) }
                }
                kind => (200, answer_to(kind)),
            };
            let kinds = all_asked(&mut bench, answer);
            assert_eq!(kinds.last().unwrap(), "userRole", "nothing else before");
            assert_eq!(bench.submit(CommandKind::Balances), Err(EncodeError::NotReady));
            // It is asked again, not too often: it is dear.
            bench.skip(9_999);
            assert!(!all_asked(&mut bench, answer).contains(&"userRole".to_owned()));
            fails.set(false);
            roles.set(if account != SIGNER && is_last { 1 } else { 0 });
            bench.skip(1);
            assert!(all_asked(&mut bench, answer).contains(&"userRole".to_owned()));
            assert_eq!(bench.submit(CommandKind::Balances), Ok(()), "{account} {status}");
        }
    }
}

/// Where all collateral counts together the state of perpetuals says nothing, and the venue was halted
/// for its balances without a word why.
#[test]
fn an_account_with_one_wallet_is_unfit() {
    let unfit = Event::Notice(VenueNotice::AccountUnfit(AccountFlaw::AccountMode));
    for (mode, fits) in [
        ("default", true),
        ("disabled", true),
        ("unifiedAccount", false),
        ("portfolioMargin", false),
        ("dexAbstraction", false),
        ("somethingNew", false),
    ] {
        let mut bench = Bench::trading(setup());
        bench.open(Channel::Rest);
        let answer = |kind: &str| match kind {
            "userAbstraction" => (200, format!("{mode:?}")),
            kind => (200, answer_to(kind)),
        };
        all_asked(&mut bench, answer);
        assert_eq!(bench.take().contains(&unfit), !fits, "{mode}");
        assert_eq!(bench.submit(CommandKind::Balances).is_ok(), fits, "{mode}");
        if fits {
            continue;
        }
        // A person may change it; until then it is told once.
        bench.skip(60_000);
        assert!(all_asked(&mut bench, answer).contains(&"userAbstraction".to_owned()));
        assert!(!bench.take().contains(&unfit));
        bench.skip(60_000);
        all_asked(&mut bench, |kind| (200, answer_to(kind)));
        assert_eq!(bench.submit(CommandKind::Balances), Ok(()));
    }
    // It must be known.
    let mut bench = Bench::trading(setup());
    bench.open(Channel::Rest);
    all_asked(&mut bench, |kind| match kind {
        "userAbstraction" => (429, String::new()),
        kind => (200, answer_to(kind)),
    });
    assert_eq!(bench.submit(CommandKind::Balances), Err(EncodeError::NotReady));
    bench.skip(10_000);
    all_asked(&mut bench, |kind| (200, answer_to(kind)));
    assert_eq!(bench.submit(CommandKind::Balances), Ok(()));
    // An account that changes while we trade is told of, and what works can still be cancelled.
    for _ in 0..4 {
        bench.skip(3_000);
        all_asked(&mut bench, |kind| (200, answer_to(kind)));
    }
    bench.skip(300_000);
    all_asked(&mut bench, |kind| match kind {
        "userAbstraction" => (200, "\"unifiedAccount\"".to_owned()),
        kind => (200, answer_to(kind)),
    });
    assert!(bench.take().contains(&unfit));
    assert_eq!(bench.submit(CommandKind::CancelAll(BTC)), Ok(()));
}

#[test]
fn an_account_without_actions_is_told() {
    let mut bench = Bench::trading(setup());
    bench.open(Channel::Rest);
    all_asked(&mut bench, |kind| match kind {
        "userRateLimit" => {
            (200, fixture("rest_user_rate_limit_recorded").replace("36589831368", "170043731737"))
        }
        kind => (200, answer_to(kind)),
    });
    let suspended = Event::Notice(VenueNotice::Suspended(START.plus(60_000 * MS)));
    assert!(bench.take().contains(&suspended));
}

#[test]
fn keys_are_checked_before_anything_is_sent() {
    let refused = |key: &str, secret: &str| {
        let credentials = Credentials {
            key: key.to_owned(),
            secret: Secret::new(secret.to_owned()),
            passphrase: None,
        };
        trading(VenueSetup { credentials: Some(credentials), ..setup() }).err()
    };
    assert_eq!(refused("", KEY), Some(SetupError::NoCredentials));
    assert!(matches!(refused("0x12", KEY), Some(SetupError::BadSecret(_))));
    assert!(matches!(refused(SIGNER, "0x12"), Some(SetupError::BadSecret(_))));
    assert_eq!(
        trading(VenueSetup { credentials: None, ..setup() }).err(),
        Some(SetupError::NoCredentials)
    );
    assert!(market(VenueSetup { credentials: None, ..setup() }).is_ok());
}
