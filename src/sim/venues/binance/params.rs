//! Parameters of one request, from a query string and body or from the `params` of the ws api.

use super::error::ApiError;
use super::json::members;
use rust_decimal::Decimal;

/// Decimals that any price or quantity may have.
const PRECISION: u32 = 8;

/// Names and values, decoded, in the order sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Params(Vec<(String, String)>);

impl Params {
    /// From a query string and a form body; where both have a name the query counts.
    pub(super) fn from_rest(query: &str, body: &str) -> Result<Self, ApiError> {
        let query = decode_form(query)?;
        let mut all = query.clone();
        for (name, value) in decode_form(body)? {
            if all[query.len()..].iter().any(|(known, _)| *known == name) {
                return Err(ApiError::duplicate_parameter());
            }
            if !query.iter().any(|(known, _)| *known == name) {
                all.push((name, value));
            }
        }
        Ok(Self(all))
    }

    /// From the JSON object `params`. Numbers and booleans keep the text they were sent with;
    /// `null` counts as not sent.
    pub(super) fn from_ws(object: &str) -> Result<Self, ApiError> {
        let mut all: Vec<(String, String)> = Vec::new();
        for (name, raw) in members(object).ok_or_else(ApiError::json_request)? {
            if all.iter().any(|(known, _)| *known == name) {
                return Err(ApiError::duplicate_parameter());
            }
            match raw.as_bytes().first() {
                Some(b'"') => {
                    let text = serde_json::from_str(raw).map_err(|_| ApiError::json_request())?;
                    all.push((name, text));
                }
                Some(b'n') => {}
                _ => all.push((name, raw.to_owned())),
            }
        }
        Ok(Self(all))
    }

    /// Refuses names that the operation does not know.
    pub(super) fn check_names(&self, known: &[&str]) -> Result<(), ApiError> {
        let read = self.0.iter().filter(|(name, _)| known.contains(&name.as_str())).count();
        if read < self.0.len() { Err(ApiError::unread(read, self.0.len())) } else { Ok(()) }
    }

    /// Value as sent; an empty one counts as not sent.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub(super) fn required(&self, name: &str) -> Result<&str, ApiError> {
        self.get(name).ok_or_else(|| ApiError::missing(name))
    }

    /// A price or quantity: plain digits, at most eight decimals.
    pub(super) fn decimal(&self, name: &str) -> Result<Option<Decimal>, ApiError> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str| {
            (1..=20).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
        };
        let illegal = || ApiError::illegal(name, "^([0-9]{1,20})(\\.[0-9]{1,20})?$");
        if !digits(whole) || !digits(fraction) {
            return Err(illegal());
        }
        if fraction.trim_end_matches('0').len() > PRECISION as usize {
            return Err(ApiError::precision(name));
        }
        text.parse::<Decimal>().map(Some).map_err(|_| illegal())
    }

    /// A non-negative integer.
    pub(super) fn integer(&self, name: &str) -> Result<Option<u64>, ApiError> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let illegal = || ApiError::illegal(name, "^[0-9]{1,20}$");
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(illegal());
        }
        text.parse().map(Some).map_err(|_| illegal())
    }

    /// `true` or `false`.
    pub(super) fn boolean(&self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.get(name) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => Err(ApiError::invalid(name)),
        }
    }

    /// A client's own order id.
    pub(super) fn client_id(&self, name: &str) -> Result<Option<&str>, ApiError> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if text.len() > 36 || !text.bytes().all(legal) {
            return Err(ApiError::illegal(name, "^[a-zA-Z0-9-_]{1,36}$"));
        }
        Ok(Some(text))
    }

    /// Page size: a default, and silently cut to a maximum.
    pub(super) fn limit(&self, default: u64, maximum: u64) -> Result<usize, ApiError> {
        let limit = self.integer("limit")?.unwrap_or(default).min(maximum);
        if limit == 0 {
            return Err(ApiError::invalid("limit"));
        }
        Ok(usize::try_from(limit).unwrap_or(usize::MAX))
    }

    /// What the ws api signs: all but the signature, sorted by name, raw.
    pub(super) fn sorted_payload(&self) -> String {
        let mut sorted: Vec<&(String, String)> =
            self.0.iter().filter(|(name, _)| name != "signature").collect();
        sorted.sort();
        let pairs: Vec<String> =
            sorted.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join("&")
    }
}

/// What REST signs: query and body exactly as sent, joined by nothing, without the signature.
pub(super) fn rest_payload(query: &str, body: &str) -> String {
    let mut payload = without_signature(query);
    payload.push_str(&without_signature(body));
    payload
}

fn without_signature(form: &str) -> String {
    if !form.contains("signature=") {
        return form.to_owned();
    }
    let kept: Vec<&str> = form.split('&').filter(|pair| !pair.starts_with("signature=")).collect();
    kept.join("&")
}

/// Pairs of a form; a name sent twice is an error.
fn decode_form(form: &str) -> Result<Vec<(String, String)>, ApiError> {
    let mut all: Vec<(String, String)> = Vec::new();
    for pair in form.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let illegal = || ApiError::illegal(name, "UTF-8");
        let name = percent_decode(name).ok_or_else(illegal)?;
        let value = percent_decode(value).ok_or_else(illegal)?;
        if all.iter().any(|(known, _)| *known == name) {
            return Err(ApiError::duplicate_parameter());
        }
        all.push((name, value));
    }
    Ok(all)
}

/// `%41` to `A`, `+` to a space; `None` if an escape is cut or the bytes are not UTF-8.
pub(super) fn percent_decode(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while let Some(&byte) = bytes.get(index) {
        index += 1;
        match byte {
            b'%' => {
                let digit = |at: usize| (*bytes.get(at)? as char).to_digit(16);
                let (high, low) = (digit(index)?, digit(index + 1)?);
                out.push(u8::try_from(high * 16 + low).ok()?);
                index += 2;
            }
            b'+' => out.push(b' '),
            other => out.push(other),
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_wins_over_body_and_duplicates_are_refused() {
        let params = Params::from_rest("symbol=A&side=BUY", "side=SELL&price=1").unwrap();
        assert_eq!(params.get("side"), Some("BUY"));
        assert_eq!(params.get("price"), Some("1"));
        let refused = Params::from_rest("symbol=A&symbol=B", "").unwrap_err();
        assert_eq!(refused, ApiError::duplicate_parameter());
        let refused = Params::from_rest("", "price=1&price=1").unwrap_err();
        assert_eq!(refused.code, -1101);
    }

    #[test]
    fn percent_escapes() {
        assert_eq!(percent_decode("a%2Bb%2f%3D+c").as_deref(), Some("a+b/= c"));
        assert_eq!(percent_decode("%EF%BC%91").as_deref(), Some("１"));
        assert_eq!(percent_decode("%E"), None);
        assert_eq!(percent_decode("%zz"), None);
        assert_eq!(percent_decode("%FF"), None);
    }

    #[test]
    fn decimals_and_integers_are_checked() {
        let params =
            Params::from_rest("a=1.50&b=-1&c=0.123456789&d=1e5&e=7&f=.5&g=0.1000000000", "")
                .unwrap();
        assert_eq!(params.decimal("a"), Ok(Some("1.50".parse().unwrap())));
        assert_eq!(
            params.decimal("b").unwrap_err().message,
            "Illegal characters found in parameter 'b'; legal range is '^([0-9]{1,20})(\\.[0-9]{1,20})?$'."
        );
        assert_eq!(
            params.decimal("c").unwrap_err().message,
            "Parameter 'c' has too much precision."
        );
        assert_eq!(params.decimal("d").unwrap_err().code, -1100);
        assert_eq!(params.decimal("f").unwrap_err().code, -1100);
        assert_eq!(params.decimal("g"), Ok(Some("0.1".parse().unwrap())));
        assert_eq!(params.integer("e"), Ok(Some(7)));
        assert_eq!(params.integer("a").unwrap_err().code, -1100);
        assert_eq!(params.integer("none"), Ok(None));
    }

    #[test]
    fn ws_payload_is_sorted_and_raw() {
        let params = Params::from_ws(
            r#"{"symbol":"BTCUSDT","quantity":0.10,"ok":true,"none":null,"apiKey":"K","signature":"x"}"#,
        )
        .unwrap();
        assert_eq!(params.sorted_payload(), "apiKey=K&ok=true&quantity=0.10&symbol=BTCUSDT");
    }

    #[test]
    fn rest_payload_drops_the_signature_wherever_it_is() {
        assert_eq!(rest_payload("a=1&b=2&signature=ff", ""), "a=1&b=2");
        assert_eq!(rest_payload("a=1", "b=2&signature=ff"), "a=1b=2");
        assert_eq!(rest_payload("signature=ff&a=%2B", ""), "a=%2B");
    }

    #[test]
    fn unknown_names_are_counted() {
        let params = Params::from_rest("a=1&b=2&c=3", "").unwrap();
        assert_eq!(params.check_names(&["a", "b", "c", "d"]), Ok(()));
        assert_eq!(
            params.check_names(&["a", "b"]).unwrap_err().message,
            "Not all sent parameters were read; read '2' parameter(s) but was sent '3'."
        );
    }
}
