//! Actions: what is signed (msgpack) and what is sent (JSON), from one description, so that the two
//! cannot differ. The order of the keys counts, absent options are left out, numbers are texts.
//! <https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/exchange-endpoint>

#![forbid(unsafe_code)]

use super::super::secp256k1::{Signature, write_hex};
use super::super::{EncodeError, decimal, digits};
use super::assets::Asset;
use super::write_u64;
use crate::types::{ClientOrderId, NewOrder, OrderType, Price, Qty, Side, TimeInForce};

/// Something that the account does.
#[derive(Clone, Copy)]
pub(super) enum Action<'a> {
    Order(&'a NewOrder, &'a Asset),
    /// The order with this number of the venue's becomes this one: refused if it has ended.
    Modify(u64, &'a NewOrder, &'a Asset),
    /// By our id: works before the venue's is known.
    CancelOurs(ClientOrderId, &'a Asset),
    /// Orders of one asset by the venue's ids.
    Cancel(&'a [u64], &'a Asset),
    /// What positions in this asset stand on: the account's margin or their own, so many times.
    UpdateLeverage {
        asset: u32,
        cross: bool,
        times: u64,
    },
    /// The venue cancels everything at this time, ms; none: no more.
    ScheduleCancel(Option<u64>),
}

/// The first digits of our ids at this venue: `st` twice over, so that no other program's id is taken
/// for one of ours by chance.
const OURS: &[u8; 18] = b"0x73746f6f70000001";

/// Length of an id as it is written.
pub(super) const CLOID_LEN: usize = 34;

/// Our id in the venue's 128 bits.
pub(super) fn cloid(id: ClientOrderId) -> [u8; CLOID_LEN] {
    let mut text = [0; CLOID_LEN];
    text[..18].copy_from_slice(OURS);
    text[18..].copy_from_slice(&id.encode()[2..]);
    text
}

/// The way back; none of ours if it does not begin like one.
pub(super) fn client_id(text: &str) -> ClientOrderId {
    let digits = text.as_bytes().strip_prefix(OURS).filter(|digits| digits.len() == 16);
    let Some(digits) = digits else { return ClientOrderId::NONE };
    let mut own = *b"st0000000000000000";
    own[2..].copy_from_slice(digits);
    ClientOrderId::decode(std::str::from_utf8(&own).unwrap_or(""))
}

impl Action<'_> {
    /// Refuses what the venue could not express; nothing is signed before this passes.
    pub(super) fn check(self) -> Result<(), EncodeError> {
        match self {
            Self::Order(order, asset) | Self::Modify(_, order, asset) => check_order(order, asset),
            Self::CancelOurs(id, _) if !id.is_some() => {
                Err(EncodeError::NotExpressible("the order has no id"))
            }
            Self::Cancel([], _) => Err(EncodeError::NotExpressible("there is nothing to cancel")),
            _ => Ok(()),
        }
    }

    /// Appends what is hashed.
    pub(super) fn write_packed(self, out: &mut Vec<u8>) {
        self.write(&mut Writer::<false> { out });
    }

    /// Appends what is sent.
    pub(super) fn write_json(self, out: &mut Vec<u8>) {
        self.write(&mut Writer::<true> { out });
    }

    fn write<const JSON: bool>(self, to: &mut Writer<'_, JSON>) {
        match self {
            Self::Order(order, asset) => {
                to.map(3);
                to.first("type").text(b"order");
                to.next("orders").list(1);
                write_order(order, asset, to);
                to.end_list();
                to.next("grouping").text(b"na");
            }
            Self::Modify(oid, order, asset) => {
                to.map(2);
                to.first("type").text(b"batchModify");
                to.next("modifies").list(1).map(2);
                to.first("oid").whole(oid);
                to.next("order");
                write_order(order, asset, to);
                to.end_map().end_list();
            }
            Self::CancelOurs(id, asset) => {
                to.map(2);
                to.first("type").text(b"cancelByCloid");
                to.next("cancels").list(1).map(2);
                to.first("asset").whole(asset.id.into());
                to.next("cloid").text(&cloid(id));
                to.end_map().end_list();
            }
            Self::Cancel(ids, asset) => {
                to.map(2);
                to.first("type").text(b"cancel");
                to.next("cancels").list(ids.len());
                for (at, id) in ids.iter().enumerate() {
                    if at > 0 {
                        to.comma();
                    }
                    to.map(2).first("a").whole(asset.id.into());
                    to.next("o").whole(*id);
                    to.end_map();
                }
                to.end_list();
            }
            Self::UpdateLeverage { asset, cross, times } => {
                to.map(4);
                to.first("type").text(b"updateLeverage");
                to.next("asset").whole(asset.into());
                to.next("isCross").flag(cross);
                to.next("leverage").whole(times);
            }
            Self::ScheduleCancel(time) => {
                to.map(1 + usize::from(time.is_some()));
                to.first("type").text(b"scheduleCancel");
                if let Some(time) = time {
                    to.next("time").whole(time);
                }
            }
        }
        to.end_map();
    }
}

fn write_order<const JSON: bool>(order: &NewOrder, asset: &Asset, to: &mut Writer<'_, JSON>) {
    to.map(7);
    to.first("a").whole(asset.id.into());
    to.next("b").flag(order.side == Side::Buy);
    to.next("p").number(order.price.0, asset.scale.price_decimals);
    to.next("s").number(order.qty.0, asset.scale.qty_decimals);
    to.next("r").flag(order.reduce_only);
    to.next("t").map(1).first("limit").map(1);
    to.first("tif").text(time_in_force(order));
    to.end_map().end_map();
    to.next("c").text(&cloid(order.client_id));
    to.end_map();
}

fn time_in_force(order: &NewOrder) -> &'static [u8] {
    match order.time_in_force {
        _ if order.post_only => b"Alo",
        TimeInForce::Ioc => b"Ioc",
        TimeInForce::Gtc | TimeInForce::Fok => b"Gtc",
    }
}

fn check_order(order: &NewOrder, asset: &Asset) -> Result<(), EncodeError> {
    let refuse = |why| Err(EncodeError::NotExpressible(why));
    if asset.is_delisted {
        return refuse("the coin is delisted");
    }
    if order.order_type == OrderType::Market {
        return refuse("the venue has no market orders: use a limit that takes (IOC)");
    }
    if order.time_in_force == TimeInForce::Fok {
        return refuse("the venue has no fill-or-kill");
    }
    if order.post_only && order.time_in_force != TimeInForce::Gtc {
        return refuse("post-only is for limit orders that rest");
    }
    if order.reduce_only && !asset.is_perpetual {
        return refuse("spot knows no reduce-only");
    }
    if order.qty.0 <= 0 || !asset.holds_qty(order.qty) {
        return refuse("the quantity is not a positive multiple of the lot size");
    }
    if order.price.0 <= 0 || !asset.holds_price(order.price) {
        return refuse("the price has more than five significant figures or too many decimals");
    }
    if !order.client_id.is_some() {
        return refuse("an order needs a client id");
    }
    Ok(())
}

impl Asset {
    /// At most as many decimals as the lot size has.
    pub(super) fn holds_qty(&self, qty: Qty) -> bool {
        decimals_of(qty.0, self.scale.qty_decimals) <= self.size_decimals
    }

    /// A whole number, or five significant figures and no more decimals than the asset has.
    pub(super) fn holds_price(&self, price: Price) -> bool {
        let decimals = decimals_of(price.0, self.scale.price_decimals);
        if decimals == 0 {
            return true;
        }
        let mut figures = price.0.unsigned_abs();
        for _ in decimals..self.scale.price_decimals {
            figures /= 10;
        }
        figures < 100_000 && decimals <= self.price_decimals
    }
}

/// How many decimals a mantissa really has.
fn decimals_of(mantissa: i64, mut decimals: u8) -> u8 {
    let mut magnitude = mantissa.unsigned_abs();
    while decimals > 0 && magnitude.is_multiple_of(10) {
        magnitude /= 10;
        decimals -= 1;
    }
    decimals
}

/// Both forms of one thing: msgpack, or JSON.
pub(super) struct Writer<'a, const JSON: bool> {
    pub(super) out: &'a mut Vec<u8>,
}

impl<const JSON: bool> Writer<'_, JSON> {
    fn comma(&mut self) {
        if JSON {
            self.out.push(b',');
        }
    }

    /// Of so many members, at most 15.
    fn map(&mut self, members: usize) -> &mut Self {
        self.out.push(if JSON { b'{' } else { 0x80 | members as u8 & 0xf });
        self
    }

    fn end_map(&mut self) -> &mut Self {
        if JSON {
            self.out.push(b'}');
        }
        self
    }

    fn list(&mut self, items: usize) -> &mut Self {
        if JSON {
            self.out.push(b'[');
        } else if items < 16 {
            self.out.push(0x90 | items as u8);
        } else {
            self.out.push(0xdc);
            self.out.extend_from_slice(&(items.min(0xffff) as u16).to_be_bytes());
        }
        self
    }

    fn end_list(&mut self) -> &mut Self {
        if JSON {
            self.out.push(b']');
        }
        self
    }

    /// Key of a map's first member.
    fn first(&mut self, key: &str) -> &mut Self {
        self.text(key.as_bytes());
        if JSON {
            self.out.push(b':');
        }
        self
    }

    /// Key of a later one.
    fn next(&mut self, key: &str) -> &mut Self {
        self.comma();
        self.first(key)
    }

    /// A text shorter than 256 bytes that JSON need not escape.
    fn text(&mut self, text: &[u8]) {
        if JSON {
            self.out.push(b'"');
        } else if text.len() < 32 {
            self.out.push(0xa0 | text.len() as u8);
        } else {
            self.out.extend_from_slice(&[0xd9, text.len() as u8]);
        }
        self.out.extend_from_slice(text);
        if JSON {
            self.out.push(b'"');
        }
    }

    fn flag(&mut self, on: bool) {
        if JSON {
            self.out.extend_from_slice(if on { b"true" } else { b"false" });
        } else {
            self.out.push(0xc2 | u8::from(on));
        }
    }

    /// In the shortest form.
    fn whole(&mut self, number: u64) {
        if JSON {
            return write_u64(self.out, number);
        }
        match number {
            0..=0x7f => self.out.push(number as u8),
            0x80..=0xff => self.out.extend_from_slice(&[0xcc, number as u8]),
            0x100..=0xffff => {
                self.out.push(0xcd);
                self.out.extend_from_slice(&(number as u16).to_be_bytes());
            }
            0x1_0000..=0xffff_ffff => {
                self.out.push(0xce);
                self.out.extend_from_slice(&(number as u32).to_be_bytes());
            }
            _ => {
                self.out.push(0xcf);
                self.out.extend_from_slice(&number.to_be_bytes());
            }
        }
    }

    /// A decimal as text: plain, without trailing zeros.
    fn number(&mut self, mantissa: i64, decimals: u8) {
        if let Some(text) = digits::Text::decimal(mantissa, decimals) {
            return self.text(text.as_bytes());
        }
        // Longer than the fast writer holds: its length goes in afterwards.
        let start = self.out.len();
        self.out.push(if JSON { b'"' } else { 0xa0 });
        decimal::write(self.out, mantissa, decimals);
        let len = self.out.len() - start - 1;
        if JSON {
            self.out.push(b'"');
        } else if let Some(head) = self.out.get_mut(start) {
            *head = 0xa0 | len as u8 & 0x1f;
        }
    }
}

/// Appends the whole request around a signed action.
///
/// ```json
/// {"action":{..},"nonce":1713825891591,"signature":{"r":"0x..","s":"0x..","v":27},
///  "vaultAddress":null}
/// ```
pub(super) fn write_signed(
    action: Action<'_>,
    (nonce, signature): (u64, &Signature),
    vault: Option<&[u8; 20]>,
    expires_ms: Option<u64>,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(b"{\"action\":");
    action.write_json(out);
    out.extend_from_slice(b",\"nonce\":");
    write_u64(out, nonce);
    out.extend_from_slice(b",\"signature\":{\"r\":\"");
    write_hex(&signature.r, out);
    out.extend_from_slice(b"\",\"s\":\"");
    write_hex(&signature.s, out);
    out.extend_from_slice(b"\",\"v\":");
    write_u64(out, 27 + u64::from(signature.recovery));
    out.extend_from_slice(b"},\"vaultAddress\":");
    match vault {
        Some(address) => {
            out.push(b'"');
            write_hex(address, out);
            out.push(b'"');
        }
        None => out.extend_from_slice(b"null"),
    }
    if let Some(expires) = expires_ms {
        out.extend_from_slice(b",\"expiresAfter\":");
        write_u64(out, expires);
    }
    out.push(b'}');
}
