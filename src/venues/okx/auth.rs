//! What is signed, in which order: HMAC-SHA256 in base64.
//!
//! REST signs `timestamp + METHOD + path-with-query + body`, exactly the bytes that are sent, with an
//! ISO time in milliseconds; a socket signs `seconds + GET/users/self/verify` once.
//! <https://www.okx.com/docs-v5/en/#overview-rest-authentication>

#![forbid(unsafe_code)]

use super::super::signature::HmacSigner;
use super::super::{Credentials, Method, Secret, SecretKind, SetupError};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Length of a signature in base64.
const SIGNATURE_LEN: usize = 44;

/// What requests for demo trading carry besides.
const DEMO: &[u8] = b"\r\nx-simulated-trading: 1\r\n";

/// Signs for one account. The key's state is set up once; signing allocates nothing.
pub(super) struct Signer {
    key: String,
    hmac: HmacSigner,
    passphrase: Secret,
    /// Requests over REST are for demo trading.
    demo: bool,
}

impl Signer {
    /// Refuses what could never sign, or could not stand in a header line or in JSON.
    pub(super) fn new(credentials: Option<&Credentials>, demo: bool) -> Result<Self, SetupError> {
        let credentials = credentials.ok_or(SetupError::NoCredentials)?;
        if credentials.key.is_empty() || credentials.secret.expose().is_empty() {
            return Err(SetupError::NoCredentials);
        }
        if credentials.secret.kind() != SecretKind::Hmac {
            return Err(SetupError::BadSecret("OKX needs the text secret of a key, not a PEM key"));
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if !credentials.key.bytes().all(plain) {
            return Err(SetupError::BadSecret("the API key holds characters that no key has"));
        }
        let printable = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
        let plain =
            |text: &&Secret| !text.expose().is_empty() && text.expose().bytes().all(printable);
        let passphrase = credentials.passphrase.as_ref().filter(plain).ok_or(
            SetupError::BadSecret("OKX needs the passphrase of the key too, in plain ASCII"),
        )?;
        Ok(Self {
            key: credentials.key.clone(),
            hmac: HmacSigner::new(credentials.secret.expose().as_bytes()),
            passphrase: passphrase.clone(),
            demo,
        })
    }

    /// Appends the header lines of a signed request; `path` with its query.
    pub(super) fn write_headers(
        &self,
        now_ms: u64,
        method: Method,
        path: &str,
        body: &[u8],
        head: &mut Vec<u8>,
    ) {
        let time = iso_time(now_ms);
        let sign = self.sign(&[&time, method.as_str().as_bytes(), path.as_bytes(), body]);
        for (name, value) in [
            ("OK-ACCESS-KEY: ", self.key.as_bytes()),
            ("\r\nOK-ACCESS-SIGN: ", &sign),
            ("\r\nOK-ACCESS-TIMESTAMP: ", &time),
            ("\r\nOK-ACCESS-PASSPHRASE: ", self.passphrase.expose().as_bytes()),
            ("\r\nContent-Type: ", b"application/json"),
        ] {
            head.extend_from_slice(name.as_bytes());
            head.extend_from_slice(value);
        }
        head.extend_from_slice(if self.demo { DEMO } else { b"\r\n" });
    }

    /// Appends the login of a socket; valid for 30 s around its time, which is in seconds.
    ///
    /// ```json
    /// {"op":"login","args":[{"apiKey":"..","passphrase":"..","timestamp":"1538054050","sign":".."}]}
    /// ```
    pub(super) fn write_login(&self, now_ms: u64, frame: &mut Vec<u8>) {
        let mut digits = itoa::Buffer::new();
        let seconds = digits.format(now_ms / 1000).as_bytes();
        let sign = self.sign(&[seconds, b"GET/users/self/verify"]);
        for (name, value) in [
            (r#"{"op":"login","args":[{"apiKey":""#, self.key.as_bytes()),
            (r#"","passphrase":""#, self.passphrase.expose().as_bytes()),
            (r#"","timestamp":""#, seconds),
            (r#"","sign":""#, &sign),
        ] {
            frame.extend_from_slice(name.as_bytes());
            frame.extend_from_slice(value);
        }
        frame.extend_from_slice(br#""}]}"#);
    }

    fn sign(&self, parts: &[&[u8]]) -> [u8; SIGNATURE_LEN] {
        let mut text = [0; SIGNATURE_LEN];
        // 32 bytes are always 44 characters.
        let written = STANDARD.encode_slice(self.hmac.sign(parts), &mut text);
        debug_assert_eq!(written, Ok(SIGNATURE_LEN));
        text
    }
}

/// `2020-12-08T09:08:57.715Z`
fn iso_time(ms: u64) -> [u8; 24] {
    let (days, in_day) = (ms / 86_400_000, ms % 86_400_000);
    let (year, month, day) = civil(days);
    let mut text = *b"0000-00-00T00:00:00.000Z";
    let mut put = |at: usize, len: usize, mut number: u64| {
        for place in (at..at + len).rev() {
            text[place] = b'0' + (number % 10) as u8;
            number /= 10;
        }
    };
    put(0, 4, year);
    put(5, 2, month);
    put(8, 2, day);
    put(11, 2, in_day / 3_600_000);
    put(14, 2, in_day / 60_000 % 60);
    put(17, 2, in_day / 1000 % 60);
    put(20, 3, in_day % 1000);
    text
}

/// Year, month and day of a day since 1970, in the Gregorian calendar: years are counted from March,
/// so that the leap day is the last.
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer() -> Signer {
        let secret = Secret::new("22582BD0CFF14C41EDBF1AB98506286D".to_owned());
        let passphrase = Some(Secret::new("phrase".to_owned()));
        let key = "985d5b66-57ce".to_owned();
        Signer::new(Some(&Credentials { key, secret, passphrase }), false).unwrap()
    }

    /// All vectors of `tests/fixtures/okx/signing_vectors.json`.
    #[test]
    fn requests_and_logins_are_signed_as_the_vectors_say() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/okx/signing_vectors.json");
        let vectors: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let vectors = vectors.as_array().unwrap();
        assert_eq!(vectors.len(), 3);
        for vector in vectors {
            let text = |name: &str| vector[name].as_str().unwrap();
            let prehash = text("prehash");
            assert_eq!(
                prehash,
                ["timestamp", "method", "path", "body"].map(text).concat(),
                "the parts and their order"
            );
            assert_eq!(&signer().sign(&[prehash.as_bytes()])[..], text("signature").as_bytes());
            let mut out = Vec::new();
            if text("id") == "ws_login" {
                signer().write_login(1_538_054_050_999, &mut out);
                let expected = format!(
                    r#"{{"op":"login","args":[{{"apiKey":"985d5b66-57ce","passphrase":"phrase","timestamp":"1538054050","sign":"{}"}}]}}"#,
                    text("signature")
                );
                assert_eq!(String::from_utf8(out).unwrap(), expected);
                continue;
            }
            let method = if text("method") == "GET" { Method::Get } else { Method::Post };
            let body = text("body").as_bytes();
            signer().write_headers(1_607_418_537_715, method, text("path"), body, &mut out);
            let expected = format!(
                "OK-ACCESS-KEY: 985d5b66-57ce\r\nOK-ACCESS-SIGN: {}\r\n\
                 OK-ACCESS-TIMESTAMP: 2020-12-08T09:08:57.715Z\r\nOK-ACCESS-PASSPHRASE: phrase\r\n\
                 Content-Type: application/json\r\n",
                text("signature")
            );
            assert_eq!(String::from_utf8(out.clone()).unwrap(), expected);
            out.clear();
            let demo = Signer { demo: true, ..signer() };
            demo.write_headers(1_607_418_537_715, method, text("path"), body, &mut out);
            let expected = format!("{expected}x-simulated-trading: 1\r\n");
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    #[test]
    fn times_are_written_by_the_calendar() {
        for (ms, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199_999, "2024-02-29T23:59:59.999Z"),
            (1_709_251_200_000, "2024-03-01T00:00:00.000Z"),
            (4_107_542_399_000, "2100-02-28T23:59:59.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(std::str::from_utf8(&iso_time(ms)), Ok(expected));
        }
    }

    #[test]
    fn unusable_credentials_are_refused() {
        let refuse = |key: &str, secret: &str, passphrase: &str| {
            let secret = Secret::new(secret.to_owned());
            let passphrase = Some(Secret::new(passphrase.to_owned()));
            let credentials = Credentials { key: key.to_owned(), secret, passphrase };
            Signer::new(Some(&credentials), false).err()
        };
        assert_eq!(Signer::new(None, false).err(), Some(SetupError::NoCredentials));
        let no_phrase = Credentials::new("key".to_owned(), Secret::new("secret".to_owned()));
        let refused = Signer::new(Some(&no_phrase), false).err();
        assert!(matches!(refused, Some(SetupError::BadSecret(_))), "{refused:?}");
        assert_eq!(refuse("", "secret", "p"), Some(SetupError::NoCredentials));
        assert_eq!(refuse("key", "", "p"), Some(SetupError::NoCredentials));
        for (key, secret, passphrase) in [
            ("key", "-----BEGIN PRIVATE KEY-----\nMII", "p"),
            ("a\r\nb", "secret", "p"),
            ("key", "secret", ""),
            ("key", "secret", "a\"b"),
        ] {
            let refused = refuse(key, secret, passphrase);
            assert!(matches!(refused, Some(SetupError::BadSecret(_))), "{key:?} {passphrase:?}");
        }
    }
}
