//! Writing JSON in a venue's own key order, and reading the loosely typed requests of clients.
//!
//! Not a JSON library: parsing is `serde_json`'s.

#![forbid(unsafe_code)]

use rust_decimal::Decimal;
use serde_json::Value;

/// A JSON object being written; keys come out in the order of the calls.
#[derive(Debug)]
pub(super) struct Object(String);

impl Object {
    pub(super) fn new() -> Self {
        Self(String::from("{"))
    }

    fn key(mut self, key: &str) -> Self {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.0.push('"');
        self.0.push_str(key);
        self.0.push_str("\":");
        self
    }

    /// Text.
    pub(super) fn text(self, key: &str, value: &str) -> Self {
        self.raw(key, &quoted(value))
    }

    /// A decimal, written as text.
    pub(super) fn decimal(self, key: &str, value: Decimal) -> Self {
        self.text(key, &decimal(value))
    }

    /// A whole number, written as text.
    pub(super) fn digits(self, key: &str, value: u64) -> Self {
        self.text(key, itoa::Buffer::new().format(value))
    }

    /// A whole number.
    pub(super) fn number(self, key: &str, value: u64) -> Self {
        self.raw(key, itoa::Buffer::new().format(value))
    }

    /// A flag.
    pub(super) fn flag(self, key: &str, value: bool) -> Self {
        self.raw(key, if value { "true" } else { "false" })
    }

    /// Ready JSON.
    pub(super) fn raw(self, key: &str, json: &str) -> Self {
        let mut object = self.key(key);
        object.0.push_str(json);
        object
    }

    /// Fields that do not apply: empty text.
    pub(super) fn blanks(self, keys: &[&str]) -> Self {
        keys.iter().fold(self, |object, key| object.text(key, ""))
    }

    pub(super) fn done(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

/// `[a,b]` of ready JSON.
pub(super) fn array<T: AsRef<str>>(items: impl IntoIterator<Item = T>) -> String {
    let mut out = String::from("[");
    for item in items {
        if out.len() > 1 {
            out.push(',');
        }
        out.push_str(item.as_ref());
    }
    out.push(']');
    out
}

/// Text as a JSON string.
pub(super) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// The shortest plain decimal.
pub(super) fn decimal(value: Decimal) -> String {
    value.normalize().to_string()
}

/// Text of a parameter; numbers are taken as they are written, for fields that allow both.
pub(super) fn loose(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Members of a URL query, percent-decoded.
pub(super) fn query(text: &str) -> Vec<(String, String)> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (unescaped(key), unescaped(value))
        })
        .collect()
}

/// Percent-decodes; a broken escape stays as it is.
fn unescaped(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while index < bytes.len() {
        let hex = |at: usize| bytes.get(at).and_then(|&byte| char::from(byte).to_digit(16));
        match (bytes[index], hex(index + 1), hex(index + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                index += 3;
            }
            (b'+', ..) => {
                out.push(b' ');
                index += 1;
            }
            (byte, ..) => {
                out.push(byte);
                index += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Percent-encodes everything but unreserved characters.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_keep_the_order_of_their_keys() {
        let object = Object::new()
            .text("z", "a\"b")
            .decimal("y", Decimal::new(1_500, 3))
            .number("x", 7)
            .digits("w", 8)
            .flag("v", true)
            .raw("u", "[]")
            .blanks(&["t"]);
        let expected = r#"{"z":"a\"b","y":"1.5","x":7,"w":"8","v":true,"u":[],"t":""}"#;
        assert_eq!(object.done(), expected);
        assert_eq!(array(["1", "2"]), "[1,2]");
        assert_eq!(decimal(Decimal::new(0, 6)), "0");
    }

    #[test]
    fn queries_are_decoded_once() {
        let cursor = "page_token=39380&";
        let text = format!("a=1&cursor={}&b=%2541%zz", escaped(cursor));
        let expected = [("a", "1"), ("cursor", cursor), ("b", "%41%zz")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(query(&text), expected);
    }
}
