//! JSON as the venue writes it: keys in its order, decimals as strings.
//!
//! Writing only, plus one reader that `serde_json` lacks: the raw text of an object's members,
//! because a signature covers a number as it was sent (`0.10`, not `0.1`).

use rust_decimal::Decimal;
use std::fmt::{Display, Write};

/// Decimals of every price, quantity and balance on this wire.
const DECIMALS: usize = 8;

/// An object under construction; members appear in the order of the calls.
pub(super) struct Obj(String);

impl Obj {
    pub(super) fn new() -> Self {
        Self(String::from("{"))
    }

    fn key(&mut self, key: &str) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        push_text(&mut self.0, key);
        self.0.push(':');
    }

    /// A string.
    pub(super) fn text(mut self, key: &str, value: &str) -> Self {
        self.key(key);
        push_text(&mut self.0, value);
        self
    }

    /// Anything that prints as JSON: a number, a boolean, `null`, a finished object or list.
    pub(super) fn raw(mut self, key: &str, value: impl Display) -> Self {
        self.key(key);
        push_display(&mut self.0, &value);
        self
    }

    /// A decimal as a string with eight decimals.
    pub(super) fn dec(mut self, key: &str, value: Decimal) -> Self {
        self.key(key);
        self.0.push('"');
        push_decimal(&mut self.0, value);
        self.0.push('"');
        self
    }

    /// A decimal as a string with no more digits than it has.
    pub(super) fn num(self, key: &str, value: Decimal) -> Self {
        let value = if value.is_zero() { Decimal::ZERO } else { value.normalize() };
        self.text(key, &value.to_string())
    }

    /// An amount that was worked out, as a string with eight decimals.
    pub(super) fn amount(self, key: &str, value: Decimal) -> Self {
        self.dec(key, value.round_dp(8))
    }

    /// The finished object.
    pub(super) fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

/// A list of finished values.
pub(super) fn list(values: impl IntoIterator<Item = String>) -> String {
    let mut out = String::from("[");
    for (index, value) in values.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        out.push_str(&value);
    }
    out.push(']');
    out
}

/// A JSON string.
pub(super) fn text(value: &str) -> String {
    let mut out = String::new();
    push_text(&mut out, value);
    out
}

/// Price levels: `[["0.01000000","1.00000000"]]`.
pub(super) fn levels<'a>(levels: impl IntoIterator<Item = (&'a Decimal, &'a Decimal)>) -> String {
    let mut out = String::from("[");
    for (index, (price, qty)) in levels.into_iter().enumerate() {
        out.push_str(if index > 0 { ",[\"" } else { "[\"" });
        push_decimal(&mut out, *price);
        out.push_str("\",\"");
        push_decimal(&mut out, *qty);
        out.push_str("\"]");
    }
    out.push(']');
    out
}

/// Eight decimals, more if the value has more: never rounded.
pub(super) fn decimal(value: Decimal) -> String {
    let mut out = String::new();
    push_decimal(&mut out, value);
    out
}

fn push_decimal(out: &mut String, value: Decimal) {
    if value.scale() as usize <= DECIMALS {
        push_display(out, &format_args!("{value:.DECIMALS$}"));
        return;
    }
    let value = value.normalize();
    let decimals = DECIMALS.max(value.scale() as usize);
    push_display(out, &format_args!("{value:.decimals$}"));
}

fn push_display(out: &mut String, value: &dyn Display) {
    // Writing to a String cannot fail.
    let _ = write!(out, "{value}");
}

fn push_text(out: &mut String, value: &str) {
    out.push('"');
    for character in value.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if (control as u32) < 0x20 => {
                push_display(out, &format_args!("\\u{:04x}", control as u32));
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

/// Members of a JSON object with their values as sent. `None` if the text is not a JSON object.
pub(super) fn members(source: &str) -> Option<Vec<(String, &str)>> {
    let source = source.trim();
    let value: serde_json::Value = serde_json::from_str(source).ok()?;
    let count = value.as_object()?.len();
    // The text is valid JSON from here on, so a scan for quotes and brackets finds its parts.
    let inner = source.get(1..source.len() - 1)?;
    let mut out = Vec::with_capacity(count);
    let mut rest = inner.trim_start();
    while !rest.is_empty() {
        let key_length = value_length(rest);
        let key: String = serde_json::from_str(rest.get(..key_length)?).ok()?;
        rest = rest.get(key_length..)?.trim_start().strip_prefix(':')?.trim_start();
        let length = value_length(rest);
        out.push((key, rest.get(..length)?.trim_end()));
        rest = rest.get(length..)?.trim_start();
        rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
    }
    Some(out)
}

/// Bytes of the JSON value at the start of valid JSON text.
fn value_length(text: &str) -> usize {
    let (mut depth, mut quoted, mut escaped) = (0_u32, false, false);
    for (index, byte) in text.bytes().enumerate() {
        if quoted {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => {
                    quoted = false;
                    if depth == 0 {
                        return index + 1;
                    }
                }
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => quoted = true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth > 0 => {
                depth -= 1;
                if depth == 0 {
                    return index + 1;
                }
            }
            b',' | b':' | b'}' | b']' if depth == 0 => return index,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn d(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn decimals_have_eight_places_and_are_never_rounded() {
        assert_eq!(decimal(d("0.1")), "0.10000000");
        assert_eq!(decimal(d("23416")), "23416.00000000");
        assert_eq!(decimal(d("-0.00000001")), "-0.00000001");
        assert_eq!(decimal(d("1.0000000000")), "1.00000000");
        assert_eq!(decimal(d("0.123456789")), "0.123456789");
        assert_eq!(decimal(Decimal::ZERO), "0.00000000");
    }

    #[test]
    fn an_object_keeps_the_order_of_its_members() {
        let object = Obj::new().text("z", "a\"\\\n\u{1}").raw("a", 1).dec("m", d("2.5")).end();
        assert_eq!(object, r#"{"z":"a\"\\\n\u0001","a":1,"m":"2.50000000"}"#);
        assert_eq!(Obj::new().end(), "{}");
    }

    #[test]
    fn members_keep_numbers_as_sent() {
        let source =
            r#" { "a" : 0.10 , "b":"x,}\"y", "c" : [1, {"d":2}] ,"e":1e-5,"f":{}, "g":null}"#;
        let got = members(source).unwrap();
        let want = [
            ("a", "0.10"),
            ("b", r#""x,}\"y""#),
            ("c", r#"[1, {"d":2}]"#),
            ("e", "1e-5"),
            ("f", "{}"),
            ("g", "null"),
        ];
        assert_eq!(got.len(), want.len());
        for ((key, value), (want_key, want_value)) in got.iter().zip(want) {
            assert_eq!((key.as_str(), *value), (want_key, want_value));
        }
        assert_eq!(members("{}"), Some(vec![]));
        assert_eq!(members("[1]"), None);
        assert_eq!(members("{\"a\":"), None);
    }
}
