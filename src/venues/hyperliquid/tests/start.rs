//! What is asked at the start, and what makes the account unfit.

use super::*;
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
    let expected = ["exchangeStatus", "meta", "spotMeta", "userRole", "userRateLimit"];
    assert_eq!(kinds[..5], expected);
    assert!(kinds[5..].iter().all(|kind| kind == "activeAssetData"));
    let ready = Event::Notice(VenueNotice::Readiness(Channel::Rest, Readiness::Ready));
    assert_eq!(bench.take().iter().filter(|event| **event == ready).count(), 1);
    // Numbers are read again every few minutes; who the address is, is not.
    let (out, events) = (&mut bench.out, &mut bench.events);
    bench.now = bench.now.plus(300_000 * MS);
    bench.connector.on_deadline(bench.now, out, events);
    let kinds = all_asked(&mut bench, |kind| (200, answer_to(kind)));
    assert!(kinds.contains(&"meta".to_owned()) && !kinds.contains(&"userRole".to_owned()));
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
    bench.now = bench.now.plus(2_000 * MS);
    let (out, events) = (&mut bench.out, &mut bench.events);
    bench.connector.on_deadline(bench.now, out, events);
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
    // A venue that does not say is believed to be right.
    let mut bench = Bench::trading(setup());
    bench.open(Channel::Rest);
    all_asked(&mut bench, |kind| match kind {
        "userRole" => (422, "Failed to deserialize the JSON body into the target type".to_owned()),
        kind => (200, answer_to(kind)),
    });
    assert_eq!(bench.submit(CommandKind::Balances), Ok(()));
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
