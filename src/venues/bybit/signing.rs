//! Our signer by itself, for [`crate::venues::signing_schemes`].

#![forbid(unsafe_code)]

use super::auth::Signer;
use crate::venues::{Credentials, Scheme, Secret, SetupError};

const BODY: &[u8] = b"{\"category\":\"spot\",\"symbol\":\"BTCUSDT\",\"side\":\"Sell\",\"orderType\":\"Limit\",\
    \"qty\":\"0.00847\",\"price\":\"61685.99\",\"timeInForce\":\"IOC\",\"orderLinkId\":\"st0000000000000001\"}";

pub(in crate::venues) fn schemes() -> Result<Vec<Scheme>, SetupError> {
    let credentials = Credentials::new(
        "XXXXXXXXXXXXXXXXXX".to_owned(),
        Secret::new("YYYYYYYYYYYYYYYYYYYYYYYYYYYYYYYYYYYY".to_owned()),
    );
    let (login, request) =
        (Signer::new(Some(&credentials), 5_000)?, Signer::new(Some(&credentials), 5_000)?);
    let (mut text, mut head) = (Vec::with_capacity(512), Vec::with_capacity(512));
    Ok(vec![
        Scheme {
            name: "bybit.login",
            what: "Bybit: arguments of a login, HMAC-SHA256 in hexadecimal; once per session",
            prepare: None,
            sign: Box::new(move |now_ms| {
                text.clear();
                login.write_login_args(now_ms, &mut text);
                text.len()
            }),
        },
        Scheme {
            name: "bybit.request",
            what: "Bybit: head of a signed HTTP request, HMAC-SHA256 in hexadecimal; per request",
            prepare: None,
            sign: Box::new(move |now_ms| {
                head.clear();
                request.write_headers(now_ms, BODY, &mut head);
                head.len()
            }),
        },
    ])
}
