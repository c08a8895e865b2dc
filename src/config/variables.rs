//! `${VAR}` in the values of `engine.toml`: what the environment says stands in their place.
//!
//! Only texts are looked at, once they are read: never keys, comments or the file as such, so that no
//! variable can bring in more than the value that it stands in. Keys and secrets stay where they are:
//! there `${VAR}` is `{ env = "VAR" }`, which is read when it is needed, as are variables in paths of
//! their files, and a variable that one of them names may stand nowhere else, where messages would
//! repeat it.

#![forbid(unsafe_code)]

use super::ConfigError;
use super::error::Source;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
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
    let mut secret = Vec::new();
    seal(source, table, Home::Root, &mut secret)?;
    secret.sort_unstable();
    secret.dedup();
    let mut used = BTreeMap::new();
    put_in(source, table, &mut used)?;
    none_is_secret(source, &used, &secret)?;
    Ok(Variables { used: used.into_keys().collect(), secret })
}

/// One text of a file as [`resolve`] leaves it, whatever else is wrong with the file; none if there is
/// no such text.
pub(super) fn text_in(
    source: &Source<'_>,
    table: &mut DeTable<'_>,
    section: &str,
    key: &str,
) -> Result<Option<String>, ConfigError> {
    let mut secret = Vec::new();
    let sealed = seal(source, table, Home::Root, &mut secret);
    let Some(DeValue::Table(entries)) = table.get_mut(section).map(Spanned::get_mut) else {
        return Ok(None);
    };
    let Some(value) = entries.get_mut(key) else { return Ok(None) };
    let mut used = BTreeMap::new();
    put_in_value(source, value, &mut used)?;
    // Only where all secrets are known is it certain that a variable is none of them.
    if !used.is_empty() {
        sealed?;
        none_is_secret(source, &used, &secret)?;
    }
    Ok(value.get_ref().as_str().map(str::to_owned))
}

fn none_is_secret(
    source: &Source<'_>,
    used: &BTreeMap<String, usize>,
    secret: &[String],
) -> Result<(), ConfigError> {
    let Some((name, at)) = used.iter().find(|(name, _)| secret.contains(name)) else {
        return Ok(());
    };
    let text = format!(
        "${{{name}}} holds a key or a secret and may stand nowhere else: messages repeat other \
         values"
    );
    Err(source.at(*at, text))
}

/// How a table of the file lies to those that hold keys and secrets.
#[derive(Clone, Copy)]
enum Home {
    Root,
    /// So many levels above them.
    Above(usize),
    /// One of them.
    Here,
    /// Neither they nor anything that holds them.
    Elsewhere,
}

impl Home {
    fn of(self, key: &str) -> Self {
        match (self, key) {
            (Self::Root, "venue") => Self::Above(1),
            (Self::Root, "credentials") => Self::Above(2),
            (Self::Above(1), _) => Self::Here,
            (Self::Above(levels), _) => Self::Above(levels - 1),
            _ => Self::Elsewhere,
        }
    }
}

/// Sees to it that keys and secrets are only named, wherever in the file they stand, and gathers the
/// variables that they are in. No message repeats what stands there instead: not even that a text is
/// no table.
fn seal(
    source: &Source<'_>,
    entries: &mut DeTable<'_>,
    home: Home,
    secret: &mut Vec<String>,
) -> Result<(), ConfigError> {
    for (key, value) in entries.iter_mut() {
        let name = key.get_ref().as_ref();
        match (SECRET_KEYS.contains(&name), home) {
            (true, Home::Here) => secret.extend(name_instead(source, name, value)?),
            (true, _) => {
                let text =
                    format!("{name} stands in [venue.VENUE] or [credentials.ACCOUNT.VENUE] alone");
                return Err(source.at(key.span().start, text));
            }
            (false, _) => seal_value(source, value, home.of(name), secret)?,
        }
    }
    Ok(())
}

fn seal_value(
    source: &Source<'_>,
    value: &mut Spanned<DeValue<'_>>,
    home: Home,
    secret: &mut Vec<String>,
) -> Result<(), ConfigError> {
    match value.get_mut() {
        DeValue::Table(entries) => seal(source, entries, home, secret),
        DeValue::Array(values) => values
            .iter_mut()
            .try_for_each(|value| seal_value(source, value, Home::Elsewhere, secret)),
        _ => Ok(()),
    }
}

/// A key or a secret can only be named: gives the variable that it is in, if it is in one.
fn name_instead(
    source: &Source<'_>,
    key: &str,
    value: &mut Spanned<DeValue<'_>>,
) -> Result<Option<String>, ConfigError> {
    let span = value.span();
    let name = match value.get_ref() {
        DeValue::Table(place) => return named(source, key, place, span.start),
        DeValue::String(text) => whole_variable(text).map(str::to_owned),
        _ => None,
    };
    let Some(name) = name else {
        let text = format!(
            "{key} never stands in this file: name where it is, as {{ env = \"NAME\" }}, {{ file = \
             \"PATH\" }} or \"${{NAME}}\", or keep it in a credentials_file"
        );
        return Err(source.at(span.start, text));
    };
    let mut named = DeTable::new();
    let value_there = Spanned::new(span.clone(), DeValue::String(Cow::Owned(name.clone())));
    named.insert(Spanned::new(span, Cow::Borrowed("env")), value_there);
    *value.get_mut() = DeValue::Table(named);
    Ok(Some(name))
}

/// The variable that a key or a secret is said to be in.
fn named(
    source: &Source<'_>,
    key: &str,
    place: &DeTable<'_>,
    at: usize,
) -> Result<Option<String>, ConfigError> {
    let mut entries = place.iter();
    if let (Some((what, value)), None) = (entries.next(), entries.next())
        && let DeValue::String(text) = value.get_ref()
    {
        let at = value.span();
        match what.get_ref().as_ref() {
            "env" if is_name(text) => return Ok(Some(text.to_string())),
            "env" => return Err(source.at(at.start, format!("{key}: {NO_NAME}"))),
            // It is put in when the file is read.
            "file" => {
                let checked = expand(text, |_| Ok(Some(String::new())));
                return match checked {
                    Ok(_) => Ok(None),
                    Err(wrong) => Err(source.at(place_in(source, at, wrong.nth), wrong.message)),
                };
            }
            _ => {}
        }
    }
    let text =
        format!("{key} must be {{ env = \"NAME\" }}, {{ file = \"PATH\" }} or \"${{NAME}}\"");
    Err(source.at(at, text))
}

/// What stands where the name of a variable should, and may be the secret itself.
pub(super) const NO_NAME: &str =
    "env takes the name of a variable, of A-Z a-z 0-9 _ and without \"${\" and \"}\"";

/// The name in a text that is `${NAME}` and nothing else.
pub(super) fn whole_variable(text: &str) -> Option<&str> {
    let name = text.strip_prefix("${")?.strip_suffix('}')?;
    is_name(name).then_some(name)
}

pub(super) fn is_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.chars().all(plain) && text.starts_with(|c: char| !c.is_ascii_digit())
}

/// Looks at all texts of a table but keys and secrets, and remembers which variables stood where.
fn put_in(
    source: &Source<'_>,
    entries: &mut DeTable<'_>,
    used: &mut BTreeMap<String, usize>,
) -> Result<(), ConfigError> {
    let others =
        entries.iter_mut().filter(|(key, _)| !SECRET_KEYS.contains(&key.get_ref().as_ref()));
    others.map(|(_, value)| value).try_for_each(|value| put_in_value(source, value, used))
}

fn put_in_value(
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
            Ok(())
        }
        DeValue::Array(values) => {
            values.iter_mut().try_for_each(|value| put_in_value(source, value, used))
        }
        DeValue::Table(entries) => put_in(source, entries, used),
        _ => Ok(()),
    }
}

/// A path of a key or a secret with what its variables hold. Messages show it as it was written.
pub(super) fn put_in_path(path: &Path) -> Result<PathBuf, String> {
    match path.to_str() {
        Some(text) => {
            expand(text, environment).map(|done| done.text.into()).map_err(|wrong| wrong.message)
        }
        None => Ok(path.to_owned()),
    }
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
