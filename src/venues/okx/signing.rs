//! Our signer by itself, for [`crate::venues::signing_schemes`].

#![forbid(unsafe_code)]

use super::auth::Signer;
use crate::venues::{Credentials, Method, Scheme, Secret, SetupError};

const BODY: &[u8] =
    b"{\"instId\":\"BTC-USDT\",\"tdMode\":\"cash\",\"clOrdId\":\"st0000000000000001\",\
    \"side\":\"sell\",\"ordType\":\"ioc\",\"px\":\"61685.9\",\"sz\":\"0.00847\"}";

pub(in crate::venues) fn schemes() -> Result<Vec<Scheme>, SetupError> {
    let credentials = Credentials {
        key: "00000000-0000-0000-0000-000000000000".to_owned(),
        secret: Secret::new("0123456789ABCDEF0123456789ABCDEF".to_owned()),
        passphrase: Some(Secret::new("XXXXXXXX".to_owned())),
    };
    let signer = || Signer::new(Some(&credentials), false);
    let (login, request) = (signer()?, signer()?);
    let (mut text, mut head) = (Vec::with_capacity(512), Vec::with_capacity(512));
    Ok(vec![
        Scheme {
            name: "okx.login",
            what: "OKX: a login, HMAC-SHA256 in base64; once per connection",
            prepare: None,
            sign: Box::new(move |now_ms| {
                text.clear();
                login.write_login(now_ms, &mut text);
                text.len()
            }),
        },
        Scheme {
            name: "okx.request",
            what: "OKX: head of a signed HTTP request, HMAC-SHA256 in base64; per request",
            prepare: None,
            sign: Box::new(move |now_ms| {
                head.clear();
                let path = "/api/v5/trade/order";
                request.write_headers(now_ms, Method::Post, path, BODY, &mut head);
                head.len()
            }),
        },
    ])
}
