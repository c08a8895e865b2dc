//! The same actions as signed by the venue's own client.

use super::*;
use crate::types::{CancelOrder, VenueOrderId};
use crate::venues::client_signed::check;

#[test]
fn actions_are_signed_as_by_the_venues_client() {
    check("hyperliquid/client_signed", |name| {
        let command = match name {
            "order Gtc" => CommandKind::New(order()),
            "order Ioc" => {
                CommandKind::New(NewOrder { time_in_force: TimeInForce::Ioc, ..order() })
            }
            "order Alo" => CommandKind::New(NewOrder { post_only: true, ..order() }),
            "order reduces" => CommandKind::New(NewOrder {
                time_in_force: TimeInForce::Ioc,
                side: Side::Sell,
                reduce_only: true,
                ..order()
            }),
            "cancel ours" => {
                let venue_order_id = VenueOrderId::EMPTY;
                CommandKind::Cancel(CancelOrder {
                    client_id: OURS,
                    venue_order_id,
                    instrument: BTC,
                })
            }
            _ => panic!("{name}"),
        };
        let mut bench = Bench::ready();
        bench.submit(command).unwrap();
        let sent = bench.sent();
        let (_, rest) = sent[0].1.split_once(r#""action":"#).unwrap();
        let (action, _) = rest.split_once(r#","nonce":"#).unwrap();
        let frame: serde_json::Value = serde_json::from_str(&sent[0].1).unwrap();
        let payload = &frame["request"]["payload"];
        assert_eq!(payload["nonce"], START_MS);
        let signature = &payload["signature"];
        let half =
            |name: &str| signature[name].as_str().unwrap().trim_start_matches("0x").to_owned();
        let v = signature["v"].as_u64().unwrap();
        (action.to_owned(), format!("{}{}{v:02x}", half("r"), half("s")))
    });
}
