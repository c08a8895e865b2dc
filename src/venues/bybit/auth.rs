//! What is signed, in which order.
//!
//! REST signs `timestamp + key + recv_window + (query | body)`, exactly the bytes that are sent;
//! the sockets sign `GET/realtime` + expiry once per connection. HMAC-SHA256 in lower-case hex.
//! RSA keys are not supported. <https://bybit-exchange.github.io/docs/v5/guide#authentication>

#![forbid(unsafe_code)]

use super::super::signature::{HmacSigner, hex};
use super::super::{Credentials, SecretKind, SetupError};
use super::write_u64;

/// Default of the venue, used where the setup names none.
const RECV_WINDOW_MS: u32 = 5000;

/// Expiry of a socket login: one second is too tight for ordinary clock errors.
const LOGIN_VALID_MS: u64 = 10_000;

/// Signs for one account. The key's state is set up once; signing allocates nothing.
pub(super) struct Signer {
    key: String,
    hmac: HmacSigner,
    recv_window: String,
}

impl Signer {
    /// Refuses what could never sign, or could not stand in a header line.
    pub(super) fn new(
        credentials: Option<&Credentials>,
        recv_window_ms: u32,
    ) -> Result<Self, SetupError> {
        let credentials = credentials.ok_or(SetupError::NoCredentials)?;
        if credentials.key.is_empty() || credentials.secret.expose().is_empty() {
            return Err(SetupError::NoCredentials);
        }
        if credentials.secret.kind() != SecretKind::Hmac {
            return Err(SetupError::BadSecret(
                "Bybit needs the text secret of a system-generated key; PEM keys are not supported",
            ));
        }
        if !credentials.key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Err(SetupError::BadSecret("the API key holds characters that no key has"));
        }
        let window = if recv_window_ms == 0 { RECV_WINDOW_MS } else { recv_window_ms };
        Ok(Self {
            key: credentials.key.clone(),
            hmac: HmacSigner::new(credentials.secret.expose().as_bytes()),
            recv_window: window.to_string(),
        })
    }

    /// The window as text, in milliseconds.
    pub(super) fn recv_window(&self) -> &str {
        &self.recv_window
    }

    /// Appends the header lines of a signed request. `signed` is the query of a GET without `?`,
    /// or the body of a POST.
    pub(super) fn write_headers(&self, timestamp_ms: u64, signed: &[u8], head: &mut Vec<u8>) {
        let mut digits = itoa::Buffer::new();
        let timestamp = digits.format(timestamp_ms).as_bytes();
        for (name, value) in [
            ("X-BAPI-API-KEY: ", self.key.as_bytes()),
            ("\r\nX-BAPI-TIMESTAMP: ", timestamp),
            ("\r\nX-BAPI-RECV-WINDOW: ", self.recv_window.as_bytes()),
            ("\r\nX-BAPI-SIGN: ", b""),
        ] {
            head.extend_from_slice(name.as_bytes());
            head.extend_from_slice(value);
        }
        self.sign(&[timestamp, self.key.as_bytes(), self.recv_window.as_bytes(), signed], head);
        head.extend_from_slice(b"\r\n");
    }

    /// Appends the `args` of a login, valid for ten seconds from `now_ms`.
    pub(super) fn write_login_args(&self, now_ms: u64, out: &mut Vec<u8>) {
        let expires = now_ms + LOGIN_VALID_MS;
        out.extend_from_slice(b"[\"");
        out.extend_from_slice(self.key.as_bytes());
        out.extend_from_slice(b"\",");
        write_u64(out, expires);
        out.extend_from_slice(b",\"");
        let mut digits = itoa::Buffer::new();
        self.sign(&[b"GET/realtime", digits.format(expires).as_bytes()], out);
        out.extend_from_slice(b"\"]");
    }

    /// Appends the signature of the joined parts in hexadecimal.
    fn sign(&self, parts: &[&[u8]], out: &mut Vec<u8>) {
        out.extend_from_slice(&hex(&self.hmac.sign(parts)));
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::Secret;
    use super::*;

    fn signer(key: &str, secret: &str, window: u32) -> Signer {
        let credentials = Credentials::new(key.to_owned(), Secret::new(secret.to_owned()));
        Signer::new(Some(&credentials), window).unwrap()
    }

    /// All HMAC vectors of the protocol card. The first three are published by another project.
    #[test]
    fn request_signatures_match_the_vectors() {
        let compact = r#"{"category":"linear","symbol":"BTCUSDT","side":"Buy","orderType":"Limit","qty":"0.001","price":"25000","timeInForce":"PostOnly","orderLinkId":"mm-1-42"}"#;
        let spaced = r#"{"category": "linear", "symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", "qty": "0.001", "price": "25000", "timeInForce": "PostOnly", "orderLinkId": "mm-1-42"}"#;
        for (timestamp, window, signed, signature) in [
            (
                1_700_000_000_000,
                5000,
                "category=linear&symbol=BTCUSDT",
                "fd4f31228a46109dc6673062328693696df9a96c7ff04e6491a45e7f63a0fdd7",
            ),
            (
                1_700_000_000_000,
                5000,
                r#"{"category": "linear", "symbol": "BTCUSDT", "orderLinkId": "test-order-1"}"#,
                "2df4a0603d69c08d5dea29ba85b46eb7db64ce9e9ebd34a7802a3d69700cb2a1",
            ),
            (
                1_700_000_000_000,
                5000,
                compact,
                "f9e1bc5ff454d594bf53ca38f6ff1ff0fdab64c5424e643c25d8a16ae1e104df",
            ),
            (
                1_700_000_000_000,
                5000,
                spaced,
                "7decd4e6164f3548fef0ec2010801d0e7072ec5ea277e71567bf6dc192b4a34d",
            ),
            (
                1_700_000_000_000,
                5000,
                "",
                "cfffd774219bfa1d400476f699f830daaedcd3c41faa1dbdda95a8f4dd8170cc",
            ),
            (
                1_700_000_000_000,
                5000,
                "category=linear&settleCoin=USDT&limit=200&cursor=page_token%3D39380%26",
                "7f0e6426b36478dfdf16dadf914159d09eb3d88b4b8654279912d5b05f805c82",
            ),
            (
                1_700_000_000_001,
                10_000,
                "accountType=UNIFIED",
                "d81313cce5e93c573ecb353c4c867af7242b3e78934f5b9609c764f6cc52b841",
            ),
        ] {
            let mut head = Vec::new();
            signer("test_api_key", "test_secret", window).write_headers(
                timestamp,
                signed.as_bytes(),
                &mut head,
            );
            let expected = format!(
                "X-BAPI-API-KEY: test_api_key\r\nX-BAPI-TIMESTAMP: {timestamp}\r\n\
                 X-BAPI-RECV-WINDOW: {window}\r\nX-BAPI-SIGN: {signature}\r\n"
            );
            assert_eq!(String::from_utf8(head).unwrap(), expected);
        }
        let mut head = Vec::new();
        signer("XYZ0123456789abcd", "0123456789abcdefghijklmnopqrstuvwxyz", 20_000).write_headers(
            1_700_000_000_000,
            b"category=spot&symbol=BTCUSDT",
            &mut head,
        );
        assert!(String::from_utf8(head).unwrap().ends_with(
            "X-BAPI-SIGN: e236f4dae4e31e87d708d39d7a3bbc96670683e2d5d8197280a17e85a9c81ee7\r\n"
        ));
    }

    #[test]
    fn logins_sign_their_expiry_ten_seconds_ahead() {
        for (expires, signature) in [
            (
                1_700_000_000_000u64,
                "bacffe7500499eb829bb58c45d36d1b3e5ac67c14eaeba91df5e99ccee013925",
            ),
            (1_700_000_010_000, "f01084fb6f298f64707f648000637356f4fc4cd484f1eeb04a6e79ae44339d71"),
        ] {
            let mut args = Vec::new();
            signer("test_api_key", "test_secret", 5000)
                .write_login_args(expires - LOGIN_VALID_MS, &mut args);
            let expected = format!("[\"test_api_key\",{expires},\"{signature}\"]");
            assert_eq!(String::from_utf8(args).unwrap(), expected);
        }
    }

    #[test]
    fn unusable_credentials_are_refused() {
        let refuse = |key: &str, secret: &str| {
            let credentials = Credentials::new(key.to_owned(), Secret::new(secret.to_owned()));
            Signer::new(Some(&credentials), 5000).err()
        };
        assert_eq!(Signer::new(None, 5000).err(), Some(SetupError::NoCredentials));
        assert_eq!(refuse("", "secret"), Some(SetupError::NoCredentials));
        assert_eq!(refuse("key", ""), Some(SetupError::NoCredentials));
        for (key, secret) in
            [("key", "-----BEGIN PRIVATE KEY-----\nMII"), ("a\r\nb", "secret"), ("a\"b", "secret")]
        {
            assert!(matches!(refuse(key, secret), Some(SetupError::BadSecret(_))), "{key:?}");
        }
    }
}
