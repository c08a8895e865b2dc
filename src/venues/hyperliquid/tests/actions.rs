//! Actions to exact bytes, in both forms; the rules of prices and sizes; our ids.

use super::super::actions::{Action, client_id, cloid, write_signed};
use super::super::assets::Asset;
use super::super::auth::action_hash;
use super::hex;
use crate::types::{
    ClientOrderId, InstrumentId, NewOrder, OrderType, Price, Qty, Scale, Side, TimeInForce,
};
use crate::venues::EncodeError;
use crate::venues::secp256k1::Signature;
use proptest::prelude::*;

fn asset(is_perpetual: bool, size_decimals: u8) -> Asset {
    Asset {
        id: 4,
        is_perpetual,
        is_delisted: false,
        scale: Scale { price_decimals: 8, qty_decimals: 8 },
        size_decimals,
        price_decimals: if is_perpetual { 6 } else { 8 } - size_decimals,
    }
}

fn order() -> NewOrder {
    NewOrder {
        client_id: ClientOrderId(0x1234),
        instrument: InstrumentId(0),
        side: Side::Buy,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::Ioc,
        post_only: false,
        reduce_only: false,
        price: Price(167_010_000_000),
        qty: Qty(1_470_000),
    }
}

fn packed(action: Action<'_>) -> String {
    let mut out = Vec::new();
    action.write_packed(&mut out);
    hex(&out)
}

fn json(action: Action<'_>) -> String {
    let mut out = Vec::new();
    action.write_json(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn an_order_has_its_keys_in_the_venues_order() {
    let (order, asset) = (order(), asset(true, 4));
    let action = Action::Order(&order, &asset);
    assert_eq!(action.check(), Ok(()));
    // The first vector of the venue's client, with an id of ours.
    let id = String::from_utf8(cloid(order.client_id).to_vec()).unwrap();
    assert_eq!(
        packed(action),
        format!(
            "83a474797065a56f72646572a66f72646572739187a16104a162c3a170a6313637302e31a173a6302e30313437\
             a172c2a17481a56c696d697481a3746966a3496f63a163d922{}a867726f7570696e67a26e61",
            hex(id.as_bytes())
        )
    );
    assert_eq!(
        json(action),
        format!(
            r#"{{"type":"order","orders":[{{"a":4,"b":true,"p":"1670.1","s":"0.0147","r":false,"t":{{"limit":{{"tif":"Ioc"}}}},"c":"{id}"}}],"grouping":"na"}}"#
        )
    );
}

#[test]
fn cancels_and_schedules_hash_as_published() {
    let asset = Asset { id: 1, ..asset(true, 5) };
    let hash = |action: Action<'_>, nonce| {
        let mut out = Vec::new();
        action.write_packed(&mut out);
        hex(&action_hash(&out, nonce, None, None))
    };
    assert_eq!(
        hash(Action::Cancel(&[82_382], &asset), 1_583_838),
        "a53262329d1e221a88ff73e5ce330e0e47fb646091cae7020c34c346e592b77e"
    );
    assert_eq!(
        json(Action::Cancel(&[7, 8], &asset)),
        r#"{"type":"cancel","cancels":[{"a":1,"o":7},{"a":1,"o":8}]}"#
    );
    let none = Action::ScheduleCancel(None);
    assert_eq!(hash(none, 0), "a2887a3147b6542306b61d311a056fd1753913d63cc904f30cba61712a98f4ae");
    assert_eq!(json(none), r#"{"type":"scheduleCancel"}"#);
    let set = Action::ScheduleCancel(Some(123_456_789));
    assert_eq!(hash(set, 0), "4be18e445114437c5d1d9dd35a09f5601a3cc34ed4ac94a0281251b9bd8f6832");
    assert_eq!(json(set), r#"{"type":"scheduleCancel","time":123456789}"#);
    let ours = Action::CancelOurs(ClientOrderId(0x1234), &asset);
    assert_eq!(
        json(ours),
        r#"{"type":"cancelByCloid","cancels":[{"asset":1,"cloid":"0x73746f6f700000010000000000001234"}]}"#
    );
    assert!(
        packed(ours)
            .starts_with("82a474797065ad63616e63656c4279436c6f6964a763616e63656c739182a561")
    );
}

/// As the vector of this action has it, whose hash and signatures are checked with the others.
#[test]
fn leverage_is_packed_as_it_is_hashed() {
    let action = Action::UpdateLeverage { asset: 0, cross: true, times: 5 };
    assert_eq!(
        packed(action),
        "84a474797065ae7570646174654c65766572616765a5617373657400a7697343726f7373c3a86c6576657261676505"
    );
    assert_eq!(json(action), r#"{"type":"updateLeverage","asset":0,"isCross":true,"leverage":5}"#);
    let isolated = Action::UpdateLeverage { asset: 135, cross: false, times: 125 };
    assert!(packed(isolated).ends_with("a56173736574cc87a7697343726f7373c2a86c657665726167657d"));
}

#[test]
fn long_lists_of_cancels_have_a_long_head() {
    let asset = asset(true, 5);
    let ids: Vec<u64> = (0..300).collect();
    let text = packed(Action::Cancel(&ids, &asset));
    assert!(text.starts_with("82a474797065a663616e63656ca763616e63656c73dc012c82a16104a16f00"));
    assert!(text.ends_with("82a16104a16fcd012b"));
}

#[test]
fn a_signed_request_is_padded_and_whole() {
    let signature = Signature { r: [0; 32], s: [0xab; 32], recovery: 1 };
    let mut out = Vec::new();
    let action = Action::ScheduleCancel(None);
    write_signed(action, (7, &signature), Some(&[0xcd; 20]), Some(9), &mut out);
    let expected = format!(
        r#"{{"action":{{"type":"scheduleCancel"}},"nonce":7,"signature":{{"r":"0x{}","s":"0x{}","v":28}},"vaultAddress":"0x{}","expiresAfter":9}}"#,
        "00".repeat(32),
        "ab".repeat(32),
        "cd".repeat(20)
    );
    assert_eq!(String::from_utf8(out).unwrap(), expected);
    let mut out = Vec::new();
    write_signed(action, (7, &signature), None, None, &mut out);
    assert!(out.ends_with(br#","vaultAddress":null}"#));
}

/// The venue's table of valid and invalid prices.
#[test]
fn prices_have_five_figures_or_are_whole() {
    for (perpetual, size_decimals, text, valid) in [
        (true, 0, "1234.5", true),
        (true, 0, "1234.56", false),
        (true, 0, "0.001234", true),
        (true, 0, "0.0012345", false),
        (true, 1, "0.01234", true),
        (true, 1, "0.012345", false),
        (true, 5, "80639", true),
        (true, 5, "80639.5", false),
        (true, 5, "123456", true),
        (true, 5, "9999.9", true),
        (true, 5, "999.99", false),
        (true, 4, "2412.7", true),
        (true, 4, "2412.75", false),
        (false, 0, "0.0001234", true),
        (false, 1, "0.0001234", true),
        (false, 3, "0.0001234", false),
        (false, 2, "38.123", true),
        (false, 2, "38.1234", false),
    ] {
        let asset = asset(perpetual, size_decimals);
        let price = crate::venues::decimal::price(text, asset.scale).unwrap();
        assert_eq!(asset.holds_price(price), valid, "{text} with {size_decimals}");
    }
}

#[test]
fn what_the_venue_cannot_express_is_refused() {
    let (perpetual, spot) = (asset(true, 4), asset(false, 2));
    let ok = order();
    for (order, asset) in [
        (NewOrder { order_type: OrderType::Market, ..ok }, &perpetual),
        (NewOrder { time_in_force: TimeInForce::Fok, ..ok }, &perpetual),
        (NewOrder { post_only: true, ..ok }, &perpetual),
        (NewOrder { reduce_only: true, ..ok }, &spot),
        (NewOrder { qty: Qty(0), ..ok }, &perpetual),
        (NewOrder { qty: Qty(1_471_000), ..ok }, &perpetual),
        (NewOrder { price: Price(0), ..ok }, &perpetual),
        (NewOrder { price: Price(167_011_000_000), ..ok }, &perpetual),
        (NewOrder { client_id: ClientOrderId::NONE, ..ok }, &perpetual),
    ] {
        let refused = Action::Order(&order, asset).check();
        assert!(matches!(refused, Err(EncodeError::NotExpressible(_))), "{order:?}");
    }
    let nobody = Action::CancelOurs(ClientOrderId::NONE, &perpetual);
    assert!(nobody.check().is_err() && Action::Cancel(&[], &perpetual).check().is_err());
}

#[test]
fn ids_of_others_are_nobodys() {
    for text in [
        "",
        "0x00000000000000000000000000000001",
        "0x73746f6f7000000100000000000012",
        "0x73746f6f70000001000000000000123g",
        "0x73746f6f70000002000000000000001234",
    ] {
        assert_eq!(client_id(text), ClientOrderId::NONE, "{text}");
    }
}

proptest! {
    #[test]
    fn our_ids_come_back(id in 1u64..) {
        let text = cloid(ClientOrderId(id));
        prop_assert_eq!(client_id(std::str::from_utf8(&text).unwrap()), ClientOrderId(id));
    }
}
