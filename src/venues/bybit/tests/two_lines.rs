//! Two trade sockets: the loss of one makes only what waits there unknown.

use super::*;
use crate::types::ReportKind;

fn two_lines() -> Bench {
    let setup = VenueSetup { order_connections: 2, ..setup() };
    let mut bench = Bench::over((ROW.trading)(setup).unwrap());
    bench.open(Channel::Rest);
    bench.answer(START.0, "rest_time").unwrap();
    for channel in [Channel::Trade, Channel::TradeSpare, Channel::Private] {
        bench.open(channel);
    }
    for channel in [Channel::Trade, Channel::TradeSpare] {
        bench.frame(channel, "ws_auth_trade_ok").unwrap();
    }
    bench.frame(Channel::Private, "ws_auth_private_ok").unwrap();
    bench.frame(Channel::Private, "ws_subscribe_private_ok").unwrap();
    bench.out.clear();
    bench.events.clear();
    bench
}

fn submit(bench: &mut Bench, number: u64) -> Result<Channel, EncodeError> {
    let order = NewOrder {
        client_id: ClientOrderId(number),
        instrument: BTC,
        side: Side::Buy,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::Ioc,
        post_only: false,
        reduce_only: false,
        price: Price(100),
        qty: Qty(100),
    };
    bench.out.clear();
    bench.events.clear();
    let command = Command::new(CommandKind::New(order), bench.now);
    let (out, events) = (&mut bench.out, &mut bench.events);
    bench.connector.submit(&command, bench.now, out, events)?;
    let sent = bench.out.outputs().next();
    match sent {
        Some(Output::Frame(channel, _)) => Ok(channel),
        other => panic!("{other:?}"),
    }
}

fn unknown(bench: &Bench) -> Vec<u64> {
    let unknown = |event: &Event| match event {
        Event::Report(report) if report.kind == ReportKind::Unknown => Some(report.client_id.0),
        _ => None,
    };
    let mut ids: Vec<u64> = bench.events.list().iter().filter_map(unknown).collect();
    ids.sort_unstable();
    ids
}

#[test]
fn the_loss_of_one_makes_only_what_waits_there_unknown() {
    let mut bench = two_lines();
    let (mut here, mut there) = (Vec::new(), Vec::new());
    for number in 1..12 {
        match submit(&mut bench, number).unwrap() {
            Channel::Trade => here.push(number),
            Channel::TradeSpare => there.push(number),
            other => panic!("{other:?}"),
        }
    }
    assert!(here[0] == 1 && !there.is_empty());
    bench.events.clear();
    bench.close(Channel::Trade);
    assert_eq!(unknown(&bench), here);
    assert_eq!(submit(&mut bench, 50), Ok(Channel::TradeSpare));
    there.push(50);
    bench.events.clear();
    bench.close(Channel::TradeSpare);
    assert_eq!(unknown(&bench), there);
    assert_eq!(submit(&mut bench, 51), Err(EncodeError::NotReady));
    bench.open(Channel::TradeSpare);
    bench.frame(Channel::TradeSpare, "ws_auth_trade_ok").unwrap();
    assert_eq!(submit(&mut bench, 52), Ok(Channel::TradeSpare));
}

/// The end of one is told by a refused order. The other leads to the same service, and on it nothing
/// has been sent that could be refused: it takes over, and is replaced once the first is back.
#[test]
fn a_service_that_restarts_is_left_by_both_one_behind_the_other() {
    let mut bench = two_lines();
    assert_eq!(submit(&mut bench, 1), Ok(Channel::Trade));
    let refused =
        format!(r#"{{"reqId":"{}","retCode":10019,"op":"order.create","data":{{}}}}"#, START.0 + 1);
    bench.sent();
    bench.text(Channel::Trade, &refused).unwrap();
    assert_eq!(bench.sent_one(), "reconnect Trade");
    assert_eq!(submit(&mut bench, 2), Ok(Channel::TradeSpare), "it takes over");
    bench.close(Channel::Trade);
    bench.open(Channel::Trade);
    bench.sent();
    bench.take();
    bench.frame(Channel::Trade, "ws_auth_trade_ok").unwrap();
    assert_eq!(
        bench.notices(),
        [
            readiness(Channel::Trade, Readiness::Ready),
            VenueNotice::ShutdownAnnounced(Channel::TradeSpare),
            readiness(Channel::TradeSpare, Readiness::Joining),
        ]
    );
    assert_eq!(bench.sent(), [""; 0], "its order is still on its way");
    let refused =
        format!(r#"{{"reqId":"{}","retCode":10019,"op":"order.create","data":{{}}}}"#, START.0 + 2);
    bench.text(Channel::TradeSpare, &refused).unwrap();
    assert_eq!(bench.sent_one(), "reconnect TradeSpare");
    bench.close(Channel::TradeSpare);
    bench.open(Channel::TradeSpare);
    bench.frame(Channel::TradeSpare, "ws_auth_trade_ok").unwrap();
    let ready = readiness(Channel::TradeSpare, Readiness::Ready);
    assert_eq!(bench.notices().last(), Some(&ready), "and the first one stays");
    assert!(submit(&mut bench, 3).is_ok());
}
