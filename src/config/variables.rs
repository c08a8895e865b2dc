//! `${VAR}` in the values of `engine.toml`: what the environment says stands in their place.
//!
//! Only texts are looked at, once they are read: never keys, comments or the file as such, so that no
//! variable can bring in more than the value that it stands in. Keys and secrets stay where they are:
//! there `${VAR}` is `{ env = "VAR" }`, which is read when it is needed, and a variable that one of them
//! names may stand nowhere else, where messages would repeat it.

#![forbid(unsafe_code)]

use super::ConfigError;
use super::error::Source;
use std::borrow::Cow;
use std::collections::BTreeMap;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What is never written in the file.
pub(super) const SECRET_KEYS: [&str; 3] = ["api_key", "api_secret", "passphrase"];

/// Environment variables that a file names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variables {
    /// What stands in values in place of `${VAR}`, as far as it was set.
    pub used: Vec<String>,
    /// Where keys and secrets are.
    pub secret: Vec<String>,
}

/// Puts what the environment says into a file that was read.
pub(super) fn resolve(
    source: &Source<'_>,
    table: &mut DeTable<'_>,
) -> Result<Variables, ConfigError> {
    for (_, venue) in tables(table, "venue") {
        names_instead(source, venue)?;
    }
    for (_, account) in tables(table, "credentials") {
        let DeValue::Table(account) = account.get_mut() else { continue };
        for (_, venue) in account.iter_mut() {
            names_instead(source, venue)?;
        }
    }
    let mut used = BTreeMap::new();
    for (_, value) in table.iter_mut() {
        put_in(source, value, &mut used)?;
    }
    let mut secret = Vec::new();
    for (_, venue) in tables(table, "venue") {
        secret.extend(named(venue));
    }
    for (_, account) in tables(table, "credentials") {
        let DeValue::Table(account) = account.get_mut() else { continue };
        account.iter_mut().for_each(|(_, venue)| secret.extend(named(venue)));
    }
    secret.sort_unstable();
    secret.dedup();
    if let Some((name, at)) = used.iter().find(|(name, _)| secret.contains(name)) {
        let text = format!(
            "${{{name}}} holds a key or a secret and may stand nowhere else: messages repeat other \
             values"
        );
        return Err(source.at(*at, text));
    }
    Ok(Variables { used: used.into_keys().collect(), secret })
}

/// The entries of a table of the file.
fn tables<'t, 'i>(
    table: &'t mut DeTable<'i>,
    name: &str,
) -> impl Iterator<Item = (&'t Spanned<Cow<'i, str>>, &'t mut Spanned<DeValue<'i>>)> {
    let found = table.get_mut(name).map(Spanned::get_mut);
    let entries = found.and_then(|value| match value {
        DeValue::Table(entries) => Some(entries.iter_mut()),
        _ => None,
    });
    entries.into_iter().flatten()
}

/// A key or a secret of these can only be named. No message repeats what stands there instead.
fn names_instead(source: &Source<'_>, of: &mut Spanned<DeValue<'_>>) -> Result<(), ConfigError> {
    let DeValue::Table(entries) = of.get_mut() else { return Ok(()) };
    for (key, value) in entries.iter_mut() {
        if !SECRET_KEYS.contains(&key.get_ref().as_ref()) {
            continue;
        }
        let name = match value.get_ref() {
            DeValue::Table(_) => continue,
            DeValue::String(text) => whole_variable(text).map(str::to_owned),
            _ => None,
        };
        let span = value.span();
        let Some(name) = name else {
            let text = format!(
                "{} never stands in this file: name where it is, as {{ env = \"NAME\" }}, {{ file = \
                 \"PATH\" }} or \"${{NAME}}\", or keep it in a credentials_file",
                key.get_ref()
            );
            return Err(source.at(span.start, text));
        };
        let mut named = DeTable::new();
        let value_there = Spanned::new(span.clone(), DeValue::String(Cow::Owned(name)));
        named.insert(Spanned::new(span, Cow::Borrowed("env")), value_there);
        *value.get_mut() = DeValue::Table(named);
    }
    Ok(())
}

/// The variables that keys and secrets of these are in.
fn named(of: &Spanned<DeValue<'_>>) -> Vec<String> {
    let DeValue::Table(entries) = of.get_ref() else { return Vec::new() };
    let secrets = entries.iter().filter(|(key, _)| SECRET_KEYS.contains(&key.get_ref().as_ref()));
    let variables = secrets.filter_map(|(_, value)| match value.get_ref() {
        DeValue::Table(kept) => kept.get("env").map(Spanned::get_ref),
        _ => None,
    });
    let names = variables.filter_map(|name| match name {
        DeValue::String(name) => Some(name.to_string()),
        _ => None,
    });
    names.collect()
}

/// The name in a text that is `${NAME}` and nothing else.
pub(super) fn whole_variable(text: &str) -> Option<&str> {
    let name = text.strip_prefix("${")?.strip_suffix('}')?;
    is_name(name).then_some(name)
}

fn is_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.chars().all(plain) && text.starts_with(|c: char| !c.is_ascii_digit())
}

/// Looks at all texts of a value, and remembers which variables stood where.
fn put_in(
    source: &Source<'_>,
    value: &mut Spanned<DeValue<'_>>,
    used: &mut BTreeMap<String, usize>,
) -> Result<(), ConfigError> {
    let span = value.span();
    match value.get_mut() {
        DeValue::String(text) if text.contains("${") => {
            let expanded = expand(text, environment).map_err(|wrong| {
                source.at(place_in(source, span.clone(), wrong.nth), wrong.message)
            })?;
            for (name, nth) in expanded.used {
                used.entry(name).or_insert_with(|| place_in(source, span.clone(), nth));
            }
            *text = Cow::Owned(expanded.text);
        }
        DeValue::Array(values) => {
            for value in values.iter_mut() {
                put_in(source, value, used)?;
            }
        }
        DeValue::Table(entries) => {
            for (_, value) in entries.iter_mut() {
                put_in(source, value, used)?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// Where the `nth` `${` of a text stands in the file; the text's own place if escapes hide it.
fn place_in(source: &Source<'_>, span: std::ops::Range<usize>, nth: usize) -> usize {
    let raw = source.text.get(span.clone()).unwrap_or_default();
    raw.match_indices("${").nth(nth).map_or(span.start, |(at, _)| span.start + at)
}

fn environment(name: &str) -> Result<Option<String>, String> {
    match std::env::var(name) {
        Ok(value) => Ok(Some(value)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => {
            Err(format!("environment variable {name} is not text"))
        }
    }
}

/// A text with what its variables hold.
#[derive(Debug, Default, PartialEq, Eq)]
struct Expanded {
    text: String,
    /// The variables that were set, each with which `${` it was.
    used: Vec<(String, usize)>,
}

/// What is wrong with which `${`.
#[derive(Debug, PartialEq, Eq)]
struct Wrong {
    nth: usize,
    message: String,
}

/// `${NAME}`, `${NAME:-text}` for one that is not set or empty, and `$${` for the characters `${`.
fn expand(
    text: &str,
    lookup: impl Fn(&str) -> Result<Option<String>, String>,
) -> Result<Expanded, Wrong> {
    let mut done = Expanded::default();
    let mut rest = text;
    let mut nth = 0;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(before) = before.strip_suffix('$') {
            done.text.push_str(before);
            done.text.push_str("${");
            (rest, nth) = (after, nth + 1);
            continue;
        }
        let wrong = |message: String| Wrong { nth, message };
        done.text.push_str(before);
        let Some((inside, behind)) = after.split_once('}') else {
            let text = "\"${\" without \"}\"; the characters themselves are written \"$${\"";
            return Err(wrong(text.to_owned()));
        };
        let (name, default) = match inside.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        if inside.contains("${") {
            return Err(wrong("\"${\" cannot stand within another one".to_owned()));
        }
        if !is_name(name) {
            let text = format!("${{{inside}}} names no variable: ${{NAME}} or ${{NAME:-default}}");
            return Err(wrong(text));
        }
        let value = lookup(name).map_err(wrong)?;
        if value.is_some() {
            done.used.push((name.to_owned(), nth));
        }
        match (value, default) {
            (Some(value), None) => done.text.push_str(&value),
            (Some(value), Some(_)) if !value.is_empty() => done.text.push_str(&value),
            (_, Some(default)) => done.text.push_str(default),
            (None, None) => {
                let text = format!(
                    "environment variable {name} is not set; ${{{name}:-default}} says what stands \
                     there without it"
                );
                return Err(wrong(text));
            }
        }
        (rest, nth) = (behind, nth + 1);
    }
    done.text.push_str(rest);
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(text: &str) -> Result<String, Wrong> {
        let lookup = |name: &str| match name {
            "A" => Ok(Some("one".to_owned())),
            "EMPTY" => Ok(Some(String::new())),
            "BYTES" => Err("environment variable BYTES is not text".to_owned()),
            _ => Ok(None),
        };
        expand(text, lookup).map(|done| done.text)
    }

    #[test]
    fn variables_defaults_and_the_characters_themselves() {
        for (text, value) in [
            ("plain $ and $5 {x}", "plain $ and $5 {x}"),
            ("${A}", "one"),
            ("<${A}|${A}>", "<one|one>"),
            ("${EMPTY}", ""),
            ("${EMPTY:-other}", "other"),
            ("${NONE:-}", ""),
            ("${NONE:-a:-b/c}", "a:-b/c"),
            ("$${A} and ${A}", "${A} and one"),
            ("$$${A}", "$${A}"),
        ] {
            assert_eq!(expanded(text).as_deref(), Ok(value), "{text}");
        }
        // What a variable holds is not looked at again.
        let nested = expand("${X}", |_| Ok(Some("${Y}".to_owned()))).unwrap();
        assert_eq!(nested.text, "${Y}");
    }

    #[test]
    fn what_cannot_be_put_in_is_named_with_its_place() {
        for (text, nth, message) in [
            ("${NONE}", 0, "environment variable NONE is not set"),
            ("$${x} ${NONE}", 1, "environment variable NONE is not set"),
            ("${A} ${BYTES}", 1, "environment variable BYTES is not text"),
            ("${A", 0, "\"${\" without \"}\""),
            ("${}", 0, "${} names no variable"),
            ("${1A}", 0, "${1A} names no variable"),
            ("${A B}", 0, "${A B} names no variable"),
            ("${A:-${B}}", 0, "\"${\" cannot stand within another one"),
        ] {
            let wrong = expanded(text).unwrap_err();
            assert!(wrong.message.starts_with(message), "{text}: {}", wrong.message);
            assert_eq!(wrong.nth, nth, "{text}");
        }
    }

    #[test]
    fn only_a_whole_variable_is_a_name_of_a_secret() {
        assert_eq!(whole_variable("${KEY_1}"), Some("KEY_1"));
        for text in ["${}", "${KEY:-x}", "x${KEY}", "${KEY}x", "$${KEY}", "KEY"] {
            assert_eq!(whole_variable(text), None, "{text}");
        }
    }
}
