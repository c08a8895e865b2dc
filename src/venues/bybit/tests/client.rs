//! The same requests as signed by the venue's own client.

use super::orders::{cancel, order};
use super::*;
use crate::venues::client_signed::check;

/// What a request was signed over, and its signature; `signed` is its query or body.
fn of_request(sent: &str) -> (String, String) {
    let value = |name: &str| sent.split_once(name).unwrap().1.split("\r\n").next().unwrap();
    let (head, body) = sent.rsplit_once("\r\n").unwrap();
    let path = head.split(['\n', ' ']).nth(2).unwrap();
    let signed = path.split_once('?').map_or(body, |(_, query)| query);
    let (time, key) = (value("X-BAPI-TIMESTAMP: "), value("X-BAPI-API-KEY: "));
    let window = value("X-BAPI-RECV-WINDOW: ");
    (format!("{time}{key}{window}{signed}"), value("X-BAPI-SIGN: ").to_owned())
}

fn login() -> (String, String) {
    let mut bench = Bench::trading();
    bench.open(Channel::Rest);
    bench.answer(START.0, "rest_time").unwrap();
    bench.sent();
    bench.open(Channel::Trade);
    let sent = bench.sent_one();
    let login: serde_json::Value =
        serde_json::from_str(sent.strip_prefix("Trade ").unwrap()).unwrap();
    let text = |at: usize| login["args"][at].as_str().unwrap().to_owned();
    assert_eq!(text(0), "test_api_key");
    (format!("GET/realtime{}", login["args"][1]), text(2))
}

#[test]
fn requests_are_signed_as_by_the_venues_client() {
    check("bybit/client_signed", |name| {
        let command = match name {
            "login" => return login(),
            "rest create" => CommandKind::New(NewOrder { post_only: true, ..order() }),
            "rest cancel" => CommandKind::Cancel(cancel(7, "")),
            "rest query" => CommandKind::Query(cancel(7, "")),
            _ => panic!("{name}"),
        };
        let setup = VenueSetup { orders_over_rest: true, ..setup() };
        let mut bench = Bench::over((ROW.trading)(setup).unwrap());
        bench.open(Channel::Rest);
        bench.answer(START.0, "rest_time").unwrap();
        bench.sent();
        bench.submit(command).unwrap();
        of_request(&bench.sent_one())
    });
}
