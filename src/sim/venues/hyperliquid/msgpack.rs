//! Actions as the venue hashes them: MessagePack with the keys in the venue's own order.
//!
//! Built anew from the JSON received, as the venue does: it reads the action into its own types and
//! writes those. What a client hashed in another order, with other digits or with an option that it
//! should have left out gives other bytes, and so another signer. Keys that the venue does not know
//! are not hashed.

#![forbid(unsafe_code)]

use super::super::fields::Fields;
use super::address::{Address, Cloid};
use rust_decimal::Decimal;
use serde_json::{Map, Value};

/// Decimals of a price or size on the wire.
const DECIMALS_MAX: u32 = 8;

/// What a value is in the venue's types.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    /// Text, flag or whole number as it stands.
    Plain,
    /// Decimal as text, hashed in its shortest form.
    Number,
    /// Client order id, lower case.
    Cloid,
    /// Address, lower case.
    Address,
    /// Number of an order or a client order id.
    Order,
    /// A flag that is left out unless it is set.
    OnlyTrue,
    /// A word, or an object of one key.
    Grouping,
    /// Keys in their order; absent and null ones are left out.
    Keys(&'static [(&'static str, Shape)]),
    /// Any number of these.
    List(&'static Shape),
}

use Shape::{Grouping, Keys, List, Number, OnlyTrue, Plain};

const ORDER: Shape = Keys(&[
    ("a", Plain),
    ("b", Plain),
    ("p", Number),
    ("s", Number),
    ("r", Plain),
    ("t", ORDER_TYPE),
    ("c", Shape::Cloid),
]);
const ORDER_TYPE: Shape = Keys(&[
    ("limit", Keys(&[("tif", Plain)])),
    ("trigger", Keys(&[("isMarket", Plain), ("triggerPx", Number), ("tpsl", Plain)])),
]);
const CANCEL: Shape = Keys(&[("a", Plain), ("o", Plain)]);
const CANCEL_BY_CLOID: Shape = Keys(&[("asset", Plain), ("cloid", Shape::Cloid)]);
const MODIFY: Shape = Keys(&[("oid", Shape::Order), ("order", ORDER)]);
const BUILDER: Shape = Keys(&[("b", Shape::Address), ("f", Plain)]);

/// Keys of each action behind `type`, in the order in which they are hashed.
const ACTIONS: &[(&str, &[(&str, Shape)])] = &[
    ("order", &[("orders", List(&ORDER)), ("grouping", Grouping), ("builder", BUILDER)]),
    ("cancel", &[("cancels", List(&CANCEL)), ("f", OnlyTrue)]),
    ("cancelByCloid", &[("cancels", List(&CANCEL_BY_CLOID)), ("f", OnlyTrue)]),
    ("modify", &[("oid", Shape::Order), ("order", ORDER), ("a", OnlyTrue)]),
    ("batchModify", &[("modifies", List(&MODIFY)), ("a", OnlyTrue)]),
    ("scheduleCancel", &[("time", Plain)]),
    ("updateLeverage", &[("asset", Plain), ("isCross", Plain), ("leverage", Plain)]),
    ("updateIsolatedMargin", &[("asset", Plain), ("isBuy", Plain), ("ntli", Plain)]),
    ("noop", &[]),
    ("reserveRequestWeight", &[("weight", Plain)]),
    ("createSubAccount", &[("name", Plain)]),
    (
        "subAccountTransfer",
        &[("subAccountUser", Shape::Address), ("isDeposit", Plain), ("usd", Plain)],
    ),
    ("claimRewards", &[]),
    #[cfg(test)]
    ("dummy", &[("num", Plain)]),
];

/// The action cannot be read into the venue's types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// An action in the bytes that are hashed.
pub(super) fn action_bytes(action: &Value) -> Result<Vec<u8>, Malformed> {
    let object = action.as_object().ok_or(Malformed)?;
    let name = object.get("type").and_then(Value::as_str).ok_or(Malformed)?;
    let (_, keys) = ACTIONS.iter().find(|(known, _)| *known == name).ok_or(Malformed)?;
    let mut out = Vec::new();
    map_head(1 + keys.iter().filter(|key| is_hashed(object, key)).count(), &mut out);
    text("type", &mut out);
    text(name, &mut out);
    members(keys, object, &mut out)?;
    Ok(out)
}

fn is_hashed(object: &Map<String, Value>, (name, shape): &(&str, Shape)) -> bool {
    match (object.get(*name), shape) {
        (None | Some(Value::Null), _) => false,
        (Some(value), OnlyTrue) => *value == Value::Bool(true),
        _ => true,
    }
}

fn members(
    keys: &[(&str, Shape)],
    object: &Map<String, Value>,
    out: &mut Vec<u8>,
) -> Result<(), Malformed> {
    for key in keys.iter().filter(|key| is_hashed(object, key)) {
        text(key.0, out);
        encode(key.1, &object[key.0], out)?;
    }
    Ok(())
}

fn encode(shape: Shape, value: &Value, out: &mut Vec<u8>) -> Result<(), Malformed> {
    match shape {
        Plain | OnlyTrue => plain(value, out),
        Number => {
            let value = decimal(value).ok_or(Malformed)?;
            text(&shortest(value), out);
            Ok(())
        }
        Shape::Cloid => {
            let cloid = value.as_str().and_then(Cloid::parse).ok_or(Malformed)?;
            text(&cloid.to_string(), out);
            Ok(())
        }
        Shape::Address => {
            let address = value.as_str().and_then(Address::parse).ok_or(Malformed)?;
            text(&address.to_string(), out);
            Ok(())
        }
        Shape::Order if value.is_string() => encode(Shape::Cloid, value, out),
        Shape::Order => plain(value, out),
        Grouping => match value.as_object() {
            Some(object) => {
                map_head(object.len(), out);
                object.iter().try_for_each(|(key, value)| {
                    text(key, out);
                    plain(value, out)
                })
            }
            None => plain(value, out),
        },
        Keys(keys) => {
            let object = value.as_object().ok_or(Malformed)?;
            map_head(keys.iter().filter(|key| is_hashed(object, key)).count(), out);
            members(keys, object, out)
        }
        List(shape) => {
            let items = value.as_array().ok_or(Malformed)?;
            list_head(items.len(), out);
            items.iter().try_for_each(|item| encode(*shape, item, out))
        }
    }
}

/// A decimal of the wire: plain digits as text, at most eight decimals.
pub(super) fn decimal(value: &Value) -> Option<Decimal> {
    let mut object = Map::new();
    object.insert(String::from("v"), value.clone());
    let value = Fields(&Value::Object(object)).decimal("v").ok().flatten()?.normalize();
    (value.scale() <= DECIMALS_MAX).then_some(value)
}

/// No exponent, no trailing zeros, no negative zero.
fn shortest(value: Decimal) -> String {
    if value.is_zero() { String::from("0") } else { value.normalize().to_string() }
}

fn plain(value: &Value, out: &mut Vec<u8>) -> Result<(), Malformed> {
    match value {
        Value::String(value) => text(value, out),
        Value::Bool(value) => out.push(if *value { 0xc3 } else { 0xc2 }),
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(value), _) => unsigned(value, out),
            (None, Some(value)) => negative(value, out),
            (None, None) => return Err(Malformed),
        },
        _ => return Err(Malformed),
    }
    Ok(())
}

/// The head of something with a length: in one byte, or behind marks for one, two or four bytes.
fn head(len: usize, (short, most): (u8, usize), marks: [Option<u8>; 3], out: &mut Vec<u8>) {
    match (len, marks) {
        (len, _) if len <= most => out.push(short | len as u8),
        (0..=0xff, [Some(mark), ..]) => out.extend([mark, len as u8]),
        (0..=0xffff, [_, Some(mark), _]) => {
            out.push(mark);
            out.extend((len as u16).to_be_bytes());
        }
        (len, [.., mark]) => {
            out.push(mark.unwrap_or_default());
            out.extend((len as u32).to_be_bytes());
        }
    }
}

fn text(value: &str, out: &mut Vec<u8>) {
    head(value.len(), (0xa0, 31), [Some(0xd9), Some(0xda), Some(0xdb)], out);
    out.extend(value.as_bytes());
}

fn list_head(len: usize, out: &mut Vec<u8>) {
    head(len, (0x90, 15), [None, Some(0xdc), Some(0xdd)], out);
}

fn map_head(len: usize, out: &mut Vec<u8>) {
    head(len, (0x80, 15), [None, Some(0xde), Some(0xdf)], out);
}

fn unsigned(value: u64, out: &mut Vec<u8>) {
    match value {
        0..=0x7f => out.push(value as u8),
        0x80..=0xff => out.extend([0xcc, value as u8]),
        0x100..=0xffff => {
            out.push(0xcd);
            out.extend((value as u16).to_be_bytes());
        }
        0x1_0000..=0xffff_ffff => {
            out.push(0xce);
            out.extend((value as u32).to_be_bytes());
        }
        _ => {
            out.push(0xcf);
            out.extend(value.to_be_bytes());
        }
    }
}

fn negative(value: i64, out: &mut Vec<u8>) {
    match value {
        -32..=-1 => out.push(value as u8),
        -0x80..=-33 => out.extend([0xd0, value as u8]),
        -0x8000..=-0x81 => {
            out.push(0xd1);
            out.extend((value as i16).to_be_bytes());
        }
        -0x8000_0000..=-0x8001 => {
            out.push(0xd2);
            out.extend((value as i32).to_be_bytes());
        }
        _ => {
            out.push(0xd3);
            out.extend(value.to_be_bytes());
        }
    }
}
