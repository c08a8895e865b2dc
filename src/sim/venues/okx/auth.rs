//! Signatures and time windows as the venue checks them: HMAC-SHA256 in base64, a passphrase, ISO
//! time with milliseconds over HTTP and whole seconds on sockets.
//!
//! The passphrase belongs to the wire, not to the key: all keys of a simulated venue share one.

#![forbid(unsafe_code)]

use super::errors::VenueError;
use crate::sim::{AccountId, Exchange, HttpRequest};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// How far a client's clock may be off, either way, ms.
const TOLERANCE_MS: u64 = 30_000;

/// Whether `signature` is that of `payload`; compared in constant time.
pub(super) fn verify(secret: &str, payload: &str, signature: &str) -> bool {
    let Ok(tag) = STANDARD.decode(signature) else { return false };
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    hmac::verify(&key, payload.as_bytes(), &tag).is_ok()
}

/// Milliseconds since the epoch of `2020-12-08T09:08:57.715Z`: exactly this form.
pub(super) fn parse_iso(text: &str) -> Option<u64> {
    let bytes = text.as_bytes();
    let form = b"dddd-dd-ddTdd:dd:dd.dddZ";
    let fits = |(&have, &want): (&u8, &u8)| match want {
        b'd' => have.is_ascii_digit(),
        other => have == other,
    };
    if bytes.len() != form.len() || !bytes.iter().zip(form).all(fits) {
        return None;
    }
    let number = |from: usize, to: usize| text[from..to].parse::<u64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute) = (number(11, 13)?, number(14, 16)?);
    let (second, millis) = (number(17, 19)?, number(20, 23)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let february = if leap { 29 } else { 28 };
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let months = lengths.get(..usize::try_from(month.checked_sub(1)?).ok()?)?;
    let in_day = hour < 24 && minute < 60 && second < 60;
    if year < 1970 || !in_day || day == 0 || day > *lengths.get(months.len())? {
        return None;
    }
    let before = year - 1;
    // Days of all years since year 1, less those before 1970.
    let days_of_years = before * 365 + before / 4 - before / 100 + before / 400 - 719_162;
    let days = days_of_years + months.iter().sum::<u64>() + day - 1;
    Some(((days * 24 + hour) * 60 + minute) * 60_000 + second * 1_000 + millis)
}

/// What the keys of a wire must bring besides a signature.
#[derive(Clone, Copy, Debug)]
pub(super) struct Demand<'a> {
    pub(super) passphrase: &'a str,
    /// Whether requests must (or must not) carry `x-simulated-trading: 1`; either way if unsaid.
    pub(super) demo: Option<bool>,
}

/// The account that signed an HTTP request.
pub(super) fn check_request(
    request: &HttpRequest,
    demand: Demand<'_>,
    exchange: &Exchange,
    now_ms: u64,
) -> Result<AccountId, VenueError> {
    let mut headers = [""; 4];
    for (value, (name, code)) in headers.iter_mut().zip([
        ("OK-ACCESS-KEY", 50103),
        ("OK-ACCESS-PASSPHRASE", 50104),
        ("OK-ACCESS-SIGN", 50106),
        ("OK-ACCESS-TIMESTAMP", 50107),
    ]) {
        let found = request.header(&name.to_ascii_lowercase()).filter(|text| !text.is_empty());
        let missing = || VenueError::new(code, format!("Request header {name} can't be empty."));
        *value = found.ok_or_else(missing)?;
    }
    let [key, passphrase, signature, stamp] = headers;
    let sent =
        parse_iso(stamp).ok_or_else(|| VenueError::new(50112, "Invalid OK-ACCESS-TIMESTAMP."))?;
    if sent.abs_diff(now_ms) > TOLERANCE_MS {
        return Err(VenueError::new(50102, "Timestamp request expired."));
    }
    let (account, api_key) = exchange
        .account_by_key(key)
        .ok_or_else(|| VenueError::new(50119, "API key doesn't exist."))?;
    let is_demo = request.header("x-simulated-trading") == Some("1");
    if demand.demo.is_some_and(|demo| demo != is_demo) {
        return Err(VenueError::new(50101, "APIKey does not match current environment."));
    }
    if passphrase != demand.passphrase {
        return Err(VenueError::new(50105, "Request header OK-ACCESS-PASSPHRASE incorrect."));
    }
    let mark = if request.query.is_empty() { "" } else { "?" };
    let HttpRequest { method, path, query, body, .. } = request;
    let payload = format!("{stamp}{method}{path}{mark}{query}{body}");
    if verify(&api_key.secret, &payload, signature) {
        Ok(account)
    } else {
        Err(VenueError::new(50113, "Invalid Sign."))
    }
}

/// What a socket's `login` brings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Login<'a> {
    pub(super) key: &'a str,
    pub(super) passphrase: &'a str,
    /// Seconds since the epoch.
    pub(super) timestamp: &'a str,
    pub(super) sign: &'a str,
}

/// The account of a socket's `login`.
pub(super) fn check_login(
    login: Login<'_>,
    demand: Demand<'_>,
    exchange: &Exchange,
    now_ms: u64,
) -> Result<AccountId, VenueError> {
    let digits = login.timestamp.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = login.timestamp.parse::<u64>().ok().filter(|_| digits);
    let sent = seconds.ok_or_else(|| VenueError::new(60004, "Invalid timestamp"))?;
    if sent.saturating_mul(1_000).abs_diff(now_ms) > TOLERANCE_MS {
        return Err(VenueError::new(60006, "Timestamp request expired"));
    }
    let (account, api_key) = exchange
        .account_by_key(login.key)
        .ok_or_else(|| VenueError::new(60005, "Invalid OK-ACCESS-KEY"))?;
    if login.passphrase != demand.passphrase {
        return Err(VenueError::new(60024, "Wrong passphrase"));
    }
    let payload = format!("{}GET/users/self/verify", login.timestamp);
    if verify(&api_key.secret, &payload, login.sign) {
        Ok(account)
    } else {
        Err(VenueError::new(60007, "Invalid sign"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn the_signing_vectors_verify_and_altered_ones_do_not() {
        let vectors = include_str!("../../../../tests/fixtures/okx/signing_vectors.json");
        let vectors: Value = serde_json::from_str(vectors).unwrap();
        let vectors = vectors.as_array().unwrap();
        assert_eq!(vectors.len(), 3);
        for vector in vectors {
            let text = |name: &str| vector[name].as_str().unwrap();
            let parts = ["timestamp", "method", "path", "body"].map(text);
            assert_eq!(parts.concat(), text("prehash"), "what is signed is these parts in a row");
            assert!(verify(text("secret"), text("prehash"), text("signature")), "{vector}");
            assert!(!verify(text("secret"), &format!("{} ", text("prehash")), text("signature")));
            assert!(!verify("another", text("prehash"), text("signature")));
            assert!(!verify(
                text("secret"),
                text("prehash"),
                text("signature").trim_end_matches('=')
            ));
        }
    }

    #[test]
    fn iso_times_are_read_in_exactly_one_form() {
        let cases = [
            ("1970-01-01T00:00:00.000Z", Some(0)),
            ("2020-12-08T09:08:57.715Z", Some(1_607_418_537_715)),
            ("2024-02-29T23:59:59.999Z", Some(1_709_251_199_999)),
            ("2000-03-01T00:00:00.000Z", Some(951_868_800_000)),
            ("2023-02-29T00:00:00.000Z", None),
            ("2020-13-08T09:08:57.715Z", None),
            ("2020-00-08T09:08:57.715Z", None),
            ("2020-12-00T09:08:57.715Z", None),
            ("2020-12-08T24:08:57.715Z", None),
            ("1969-12-31T23:59:59.999Z", None),
            ("2020-12-08T09:08:57Z", None),
            ("2020-12-08 09:08:57.715Z", None),
            ("2020-12-08T09:08:57.715", None),
            ("1607418537715", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_iso(text), expected, "{text}");
        }
    }
}
