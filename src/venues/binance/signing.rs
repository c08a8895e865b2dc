//! Our signer by itself, for [`crate::venues::signing_schemes`].

#![forbid(unsafe_code)]

use super::auth::Signer;
use crate::venues::{Scheme, Secret, SetupError};
use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// That of the venue's documentation.
const SECRET: &str = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j";
const KEY: &str = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A";
const PAYLOAD: &str = "apiKey=vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A\
    &newClientOrderId=st0000000000000001&newOrderRespType=ACK&price=61685.99&quantity=0.00847\
    &side=SELL&symbol=BTCUSDT&timeInForce=IOC&timestamp=1660801715431&type=LIMIT";

pub(in crate::venues) fn schemes() -> Result<Vec<Scheme>, SetupError> {
    let unusable = |_| SetupError::BadSecret("no Ed25519 key could be made");
    let key = Ed25519KeyPair::generate().map_err(unusable)?;
    let der = key.to_pkcs8v1().map_err(unusable)?;
    let body = STANDARD.encode(der.as_ref());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n");
    Ok(vec![
        Scheme {
            name: "binance.hmac",
            what: "Binance: HMAC-SHA256 of an order, in hexadecimal; once per request",
            prepare: None,
            sign: signs(Signer::new(&Secret::new(SECRET.to_owned()), KEY)?),
        },
        Scheme {
            name: "binance.ed25519",
            what: "Binance: Ed25519 of an order's length, in base64; once per session",
            prepare: None,
            sign: signs(Signer::new(&Secret::new(pem), KEY)?),
        },
    ])
}

fn signs(signer: Signer) -> Box<dyn FnMut(u64) -> usize + Send> {
    let mut payload = PAYLOAD.as_bytes().to_vec();
    Box::new(move |now_ms| {
        // Another order each time, as long as any other.
        let at = payload.len() - 24;
        for (digit, place) in (at..at + 10).rev().enumerate() {
            payload[place] = b'0' + (now_ms / 10u64.pow(digit as u32) % 10) as u8;
        }
        signer.sign(&payload).as_bytes().len()
    })
}
