//! The same requests as signed by the venue's own client.

use super::orders::{cancel, order};
use super::*;
use crate::venues::client_signed::check;

fn login() -> (String, String) {
    let mut bench = Bench::over((ROW.trading)(setup()).unwrap());
    bench.learn();
    bench.sent();
    bench.open(Channel::Private);
    let login: serde_json::Value = serde_json::from_str(&bench.sent()[0]).unwrap();
    let arg = |name: &str| login["args"][0][name].as_str().unwrap().to_owned();
    assert_eq!((arg("apiKey"), arg("passphrase")), ("985d5b66-57ce".into(), "phrase".into()));
    (format!("{}GET/users/self/verify", arg("timestamp")), arg("sign"))
}

#[test]
fn requests_are_signed_as_by_the_venues_client() {
    check("okx/client_signed", |name| {
        let command = match name {
            "login" => return login(),
            "rest order" => CommandKind::New(order(BTC)),
            "rest query" => CommandKind::Query(cancel()),
            _ => panic!("{name}"),
        };
        let setup = VenueSetup { orders_over_rest: true, ..setup() };
        let mut bench = Bench::logged_in_with(setup);
        bench.submit(command).unwrap();
        let Some(Output::Request(request)) = bench.out.outputs().next() else { panic!("{name}") };
        let head = std::str::from_utf8(request.headers).unwrap();
        let value = |name: &str| head.split_once(name).unwrap().1.split("\r\n").next().unwrap();
        let body = std::str::from_utf8(request.body).unwrap();
        let time = value("OK-ACCESS-TIMESTAMP: ");
        let text = format!("{time}{}{}{body}", request.method.as_str(), request.path);
        (text, value("OK-ACCESS-SIGN: ").to_owned())
    });
}
