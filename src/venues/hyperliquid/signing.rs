//! Our signer by itself, for [`crate::venues::signing_schemes`]: with the numbers of RFC 6979, and
//! with prepared ones, whose making is not timed.

#![forbid(unsafe_code)]

use super::actions::{Action, write_signed};
use super::assets::Asset;
use super::auth::{Network, Signer};
use crate::types::{
    ClientOrderId, InstrumentId, Nanos, NewOrder, OrderType, Price, Qty, Scale, Side, TimeInForce,
};
use crate::venues::{Credentials, Scheme, Secret, SetupError};
use std::sync::{Arc, Mutex};

/// A published test key; never to be funded.
const SECRET: &str = "0x0123456789012345678901234567890123456789012345678901234567890123";
const ACCOUNT: &str = "0x14791697260e4c9a71f18484c9f997b308e59325";

pub(in crate::venues) fn schemes() -> Result<Vec<Scheme>, SetupError> {
    let mut plain = maker(0)?;
    let prepared = Arc::new(Mutex::new(maker(1)?));
    let refilled = Arc::clone(&prepared);
    Ok(vec![
        Scheme {
            name: "hyperliquid.order",
            what: "Hyperliquid: a whole signed order, secp256k1; per order",
            prepare: None,
            sign: Box::new(move |now_ms| plain.make(now_ms)),
        },
        Scheme {
            name: "hyperliquid.order_prepared",
            what: "Hyperliquid: the same with a one-time number made beforehand",
            prepare: Some(Box::new(move || {
                if let Ok(mut maker) = refilled.lock() {
                    maker.signer.refill();
                }
            })),
            sign: Box::new(move |now_ms| prepared.lock().map_or(0, |mut maker| maker.make(now_ms))),
        },
    ])
}

struct Maker {
    signer: Signer,
    packed: Vec<u8>,
    body: Vec<u8>,
}

fn maker(prepared: usize) -> Result<Maker, SetupError> {
    let credentials = Credentials {
        key: ACCOUNT.to_owned(),
        secret: Secret::new(SECRET.to_owned()),
        passphrase: None,
    };
    let signer = Signer::new(Some(&credentials), Network::Testnet, prepared)?;
    Ok(Maker { signer, packed: Vec::with_capacity(512), body: Vec::with_capacity(1_024) })
}

impl Maker {
    fn make(&mut self, now_ms: u64) -> usize {
        let asset = Asset {
            id: 0,
            is_perpetual: true,
            is_delisted: false,
            scale: Scale { price_decimals: 1, qty_decimals: 5 },
            size_decimals: 5,
            price_decimals: 1,
        };
        let order = NewOrder {
            client_id: ClientOrderId(1),
            instrument: InstrumentId(0),
            side: Side::Sell,
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::Ioc,
            post_only: false,
            reduce_only: false,
            price: Price(616_860),
            qty: Qty(847),
        };
        let action = Action::Order(&order, &asset);
        self.packed.clear();
        self.body.clear();
        action.write_packed(&mut self.packed);
        let (nonce, signature) = self.signer.sign(&self.packed, None, Nanos::from_millis(now_ms));
        let vault = self.signer.vault();
        write_signed(action, (nonce, &signature), vault, None, &mut self.body);
        self.body.len()
    }
}
