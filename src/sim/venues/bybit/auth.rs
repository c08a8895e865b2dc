//! Signatures and time windows as the venue checks them: HMAC-SHA256, lower-case hex.
//!
//! RSA keys are not offered: the accounts of the simulator hold HMAC secrets.

use super::errors::VenueError;
use crate::sim::{AccountId, Exchange, HttpRequest};
use aws_lc_rs::hmac;

/// Window where the client names none, ms.
pub(super) const RECV_WINDOW_MS: u64 = 5_000;
/// A client's clock must be less than this ahead of the venue's, ms.
const AHEAD_MAX_MS: u64 = 1_000;

/// Whether `signature` is that of `payload`; compared in constant time.
pub(super) fn verify(secret: &str, payload: &str, signature: &str) -> bool {
    let Some(tag) = unhex(signature) else { return false };
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    hmac::verify(&key, payload.as_bytes(), &tag).is_ok()
}

/// Lower-case hexadecimal digits only: the venue compares text.
fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let bytes = pairs.iter().map(|&[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect();
    if rest.is_empty() { bytes } else { None }
}

/// `server - window <= timestamp < server + 1000`.
pub(super) fn check_time(timestamp: u64, window: u64, now_ms: u64) -> Result<(), VenueError> {
    let late = timestamp.saturating_add(window) < now_ms;
    let early = timestamp >= now_ms.saturating_add(AHEAD_MAX_MS);
    if !late && !early {
        return Ok(());
    }
    Err(VenueError::new(
        10002,
        format!(
            "invalid request, please check your server timestamp or recv_window param. \
             req_timestamp[{timestamp}],server_timestamp[{now_ms}],recv_window[{window}]"
        ),
    ))
}

/// The account that signed an HTTP request.
pub(super) fn check_request(
    request: &HttpRequest,
    exchange: &Exchange,
    now_ms: u64,
) -> Result<AccountId, VenueError> {
    let header = |name| request.header(name).unwrap_or_default();
    let (key, stamp) = (header("x-bapi-api-key"), header("x-bapi-timestamp"));
    let signature = header("x-bapi-sign");
    if key.is_empty() || stamp.is_empty() || signature.is_empty() {
        let text =
            format!("empty value: apiTimestamp[{stamp}] apiKey[{key}] apiSignature[{signature}]");
        return Err(VenueError::new(10001, text));
    }
    let (account, api_key) = exchange
        .account_by_key(key)
        .ok_or_else(|| VenueError::new(10003, "API key is invalid."))?;
    let timestamp: u64 = stamp
        .parse()
        .map_err(|_| VenueError::new(10001, format!("Invalid parameter: timestamp[{stamp}]")))?;
    let window_text = header("x-bapi-recv-window");
    let window = match window_text {
        "" => RECV_WINDOW_MS,
        text => text.parse().map_err(|_| {
            VenueError::new(10001, format!("Invalid parameter: recv_window[{text}]"))
        })?,
    };
    check_time(timestamp, window, now_ms)?;
    let content = if request.method == "GET" { &request.query } else { &request.body };
    let payload = format!("{stamp}{key}{window_text}{content}");
    if verify(&api_key.secret, &payload, signature) {
        Ok(account)
    } else {
        Err(VenueError::new(10004, format!("error sign! origin_string[{payload}]")))
    }
}

/// The account of a socket's `auth` request. The caller words the failure.
pub(super) fn check_socket(
    key: &str,
    expires: u64,
    signature: &str,
    exchange: &Exchange,
    now_ms: u64,
) -> Result<AccountId, SocketAuthError> {
    if expires <= now_ms {
        return Err(SocketAuthError::Expired);
    }
    let (account, api_key) = exchange.account_by_key(key).ok_or(SocketAuthError::UnknownKey)?;
    if verify(&api_key.secret, &format!("GET/realtime{expires}"), signature) {
        Ok(account)
    } else {
        Err(SocketAuthError::BadSignature)
    }
}

/// Why a socket's `auth` is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SocketAuthError {
    Expired,
    UnknownKey,
    BadSignature,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Secret, payload, signature.
    const VECTORS: [(&str, &str, &str); 10] = [
        (
            "test_secret",
            "1700000000000test_api_key5000category=linear&symbol=BTCUSDT",
            "fd4f31228a46109dc6673062328693696df9a96c7ff04e6491a45e7f63a0fdd7",
        ),
        (
            "test_secret",
            "1700000000000test_api_key5000{\"category\": \"linear\", \"symbol\": \"BTCUSDT\", \"orderLinkId\": \"test-order-1\"}",
            "2df4a0603d69c08d5dea29ba85b46eb7db64ce9e9ebd34a7802a3d69700cb2a1",
        ),
        (
            "test_secret",
            "GET/realtime1700000000000",
            "bacffe7500499eb829bb58c45d36d1b3e5ac67c14eaeba91df5e99ccee013925",
        ),
        (
            "test_secret",
            "1700000000000test_api_key5000{\"category\":\"linear\",\"symbol\":\"BTCUSDT\",\"side\":\"Buy\",\"orderType\":\"Limit\",\"qty\":\"0.001\",\"price\":\"25000\",\"timeInForce\":\"PostOnly\",\"orderLinkId\":\"mm-1-42\"}",
            "f9e1bc5ff454d594bf53ca38f6ff1ff0fdab64c5424e643c25d8a16ae1e104df",
        ),
        (
            "test_secret",
            "1700000000000test_api_key5000{\"category\": \"linear\", \"symbol\": \"BTCUSDT\", \"side\": \"Buy\", \"orderType\": \"Limit\", \"qty\": \"0.001\", \"price\": \"25000\", \"timeInForce\": \"PostOnly\", \"orderLinkId\": \"mm-1-42\"}",
            "7decd4e6164f3548fef0ec2010801d0e7072ec5ea277e71567bf6dc192b4a34d",
        ),
        (
            "test_secret",
            "1700000000000test_api_key5000",
            "cfffd774219bfa1d400476f699f830daaedcd3c41faa1dbdda95a8f4dd8170cc",
        ),
        (
            "test_secret",
            "1700000000000test_api_key5000category=linear&settleCoin=USDT&limit=200&cursor=page_token%3D39380%26",
            "7f0e6426b36478dfdf16dadf914159d09eb3d88b4b8654279912d5b05f805c82",
        ),
        (
            "test_secret",
            "1700000000001test_api_key10000accountType=UNIFIED",
            "d81313cce5e93c573ecb353c4c867af7242b3e78934f5b9609c764f6cc52b841",
        ),
        (
            "test_secret",
            "GET/realtime1700000010000",
            "f01084fb6f298f64707f648000637356f4fc4cd484f1eeb04a6e79ae44339d71",
        ),
        (
            "0123456789abcdefghijklmnopqrstuvwxyz",
            "1700000000000XYZ0123456789abcd20000category=spot&symbol=BTCUSDT",
            "e236f4dae4e31e87d708d39d7a3bbc96670683e2d5d8197280a17e85a9c81ee7",
        ),
    ];

    #[test]
    fn published_vectors_are_accepted_and_one_bit_off_is_refused() {
        for (secret, payload, signature) in VECTORS {
            assert!(verify(secret, payload, signature), "{payload}");
            assert!(!verify(secret, payload, &signature.to_uppercase()), "{payload}");
            assert!(!verify(secret, payload, &signature[..62]), "{payload}");
            assert!(!verify(secret, &format!("{payload} "), signature), "{payload}");
            assert!(!verify(&format!("{secret}x"), payload, signature), "{payload}");
            let tag = unhex(signature).unwrap();
            for bit in 0..256 {
                let mut bent = tag.clone();
                bent[bit / 8] ^= 1 << (bit % 8);
                let text: String = bent.iter().map(|byte| format!("{byte:02x}")).collect();
                assert!(!verify(secret, payload, &text), "{payload} bit {bit}");
            }
        }
    }

    #[test]
    fn the_window_is_closed_at_its_start_and_open_at_its_end() {
        const NOW: u64 = 1_700_000_000_000;
        assert_eq!(check_time(NOW, 5_000, NOW), Ok(()));
        assert_eq!(check_time(NOW - 5_000, 5_000, NOW), Ok(()));
        assert_eq!(check_time(NOW + 999, 5_000, NOW), Ok(()));
        assert_eq!(check_time(NOW - 5_001, 5_000, NOW).unwrap_err().code, 10002);
        // A wide window does not help a clock that is ahead.
        let error = check_time(1_696_396_708_819, 15_000, 1_696_396_707_813).unwrap_err();
        assert_eq!(
            error.text,
            "invalid request, please check your server timestamp or recv_window param. \
             req_timestamp[1696396708819],server_timestamp[1696396707813],recv_window[15000]"
        );
    }
}
