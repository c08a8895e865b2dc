//! The same orders as signed by the venue's own clients.

use super::orders::as_query;
use super::usdm_orders::{change, id as usdm_id, order as usdm_order};
use super::{PEM, Rig, SECRET, VENUE_ID, cancel, futures, order};
use crate::types::{Channel, CommandKind, NewOrder, OrderType, Side, TimeInForce};
use crate::venues::client_signed::check;

/// What a frame was signed over, and its signature.
fn of_frame(frame: &str) -> (String, String) {
    let (_, params) = frame.split_once(r#""params":{"#).unwrap();
    let (params, signature) = params.split_once(r#","signature":""#).unwrap();
    (as_query(params), signature.trim_end_matches(['"', '}']).to_owned())
}

/// The same of the line of a request.
fn of_line(line: &str) -> (String, String) {
    let (text, signature) = line.split_once("&signature=").unwrap();
    (text.split_once('?').unwrap().1.to_owned(), signature.to_owned())
}

fn spot(name: &str) -> CommandKind {
    use TimeInForce::{Fok, Gtc, Ioc};
    match name {
        "IOC" => CommandKind::New(order(Ioc)),
        "GTC" => CommandKind::New(order(Gtc)),
        "FOK" => CommandKind::New(order(Fok)),
        "market" => CommandKind::New(NewOrder { order_type: OrderType::Market, ..order(Gtc) }),
        "maker" => CommandKind::New(NewOrder { post_only: true, side: Side::Sell, ..order(Gtc) }),
        "cancel" => CommandKind::Cancel(cancel(VENUE_ID)),
        "cancel ours" => CommandKind::Cancel(cancel("")),
        "balances" => CommandKind::Balances,
        _ => panic!("{name}"),
    }
}

/// The logon of a connector with a key that may.
fn spot_logon() -> (String, String) {
    let mut rig = Rig::trading(PEM, false);
    rig.open(Channel::Trade);
    for _ in 0..4 {
        let frames = rig.frames();
        if let Some(logon) = frames.iter().find(|frame| frame.contains("session.logon")) {
            return of_frame(logon);
        }
        let time = format!(r#"{{"serverTime":{}}}"#, rig.now.as_millis());
        rig.reply(super::id_of(&frames[0]), &time).unwrap();
    }
    panic!("no logon");
}

#[test]
fn spot_requests_are_signed_as_by_the_venues_client() {
    check("binance/client_signed", |name| {
        let Some((wire, command)) = name.split_once(' ') else { return spot_logon() };
        let over_rest = wire == "rest";
        let mut rig = Rig::ready(SECRET, over_rest);
        rig.submit(spot(command)).unwrap();
        if over_rest { of_line(&rig.requests()[0].line) } else { of_frame(&rig.sent()) }
    });
}

fn usdm(name: &str) -> CommandKind {
    let order = usdm_order();
    CommandKind::New(match name {
        "GTC" => order,
        "maker" => NewOrder { post_only: true, side: Side::Sell, ..order },
        "FOK" => NewOrder { time_in_force: TimeInForce::Fok, reduce_only: true, ..order },
        "market" => NewOrder { order_type: OrderType::Market, ..order },
        "cancel" => return CommandKind::Cancel(usdm_id("325078477")),
        "modify" => return change(4_318_750_000_000, 200),
        _ => panic!("{name}"),
    })
}

fn usdm_logon() -> (String, String) {
    let mut rig = Rig::futures(&futures::futures_setup(PEM, false));
    for channel in [Channel::Rest, Channel::Private] {
        rig.open(channel);
        rig.converse(futures::usual);
    }
    rig.open(Channel::Trade);
    of_frame(&rig.frames()[0])
}

#[test]
fn usdm_requests_are_signed_as_by_the_venues_client() {
    check("binance/usdm_client_signed", |name| {
        let Some((wire, command)) = name.split_once(' ') else { return usdm_logon() };
        let over_rest = wire == "rest";
        let mut rig = Rig::futures_ready(&futures::futures_setup(SECRET, over_rest));
        rig.submit(usdm(command)).unwrap();
        if over_rest { of_line(&rig.requests()[0].line) } else { of_frame(&rig.sent()) }
    });
}
