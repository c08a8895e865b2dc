//! Complaints about the configuration: what is wrong, where, and what was probably meant.

use super::Place;
use std::fmt;

/// What is wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// File.
    pub file: String,
    /// Where in it, if it is about a place.
    pub place: Option<Place>,
    /// What is wrong.
    pub message: String,
}

impl ConfigError {
    /// A complaint about the file as a whole.
    #[must_use]
    pub fn without_place(file: &str, message: String) -> Self {
        Self { file: file.to_owned(), place: None, message }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Some(Place { line, column }) => {
                write!(f, "{}:{line}:{column}: {}", self.file, self.message)
            }
            None => write!(f, "{}: {}", self.file, self.message),
        }
    }
}

impl std::error::Error for ConfigError {}

/// The text under check.
pub(super) struct Source<'a> {
    pub file: &'a str,
    pub text: &'a str,
}

impl Source<'_> {
    pub fn place(&self, offset: usize) -> Place {
        let before = self.text.get(..offset).unwrap_or("");
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Place {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }

    pub fn at(&self, offset: usize, message: String) -> ConfigError {
        ConfigError { file: self.file.to_owned(), place: Some(self.place(offset)), message }
    }

    /// The parser's own complaint, with a suggestion for misspelled keys.
    pub fn toml_error(&self, error: &toml::de::Error) -> ConfigError {
        let message = match unknown_field(error.message()) {
            Some((key, known)) => {
                let hint = closest(key, known.iter().copied()).map_or_else(
                    || format!("; known: {}", list(&known)),
                    |name| format!("; did you mean \"{name}\"?"),
                );
                format!("unknown key \"{key}\"{hint}")
            }
            None => self.wrong_value(error),
        };
        match error.span() {
            Some(span) => self.at(span.start, message),
            None => ConfigError::without_place(self.file, message),
        }
    }

    /// In the words of the file; what stands there is not repeated, as it may be what a variable holds.
    fn wrong_value(&self, error: &toml::de::Error) -> String {
        let said = error.message().trim();
        if let Some(name) = said.strip_prefix("missing field `") {
            return format!("{} is missing", name.trim_end_matches('`'));
        }
        let wrong = said.starts_with("invalid type: ") || said.starts_with("invalid value: ");
        let Some((what, expected)) = said.rsplit_once(", expected ").filter(|_| wrong) else {
            return said.to_owned();
        };
        let (span, expected) = (error.span().unwrap_or_default(), expected.trim());
        let must = kind(expected);
        let key = self.key_before(span.start).unwrap_or("this");
        let raw = self.text.get(span).unwrap_or_default();
        match what.contains(": string ") {
            true if raw.contains("${") => {
                format!("a variable gives text, and {key} must be {must}")
            }
            true if is_decimal(expected) => {
                format!("{key} must be {must} such as 0.01 or \"0.01\"")
            }
            true => format!("{key} must be {must}, not a text"),
            false => format!("{key} must be {must}"),
        }
    }

    /// The key whose value begins there, if it stands on the same line.
    fn key_before(&self, offset: usize) -> Option<&str> {
        let line = self.text.get(..offset)?.rsplit('\n').next()?;
        let before = line.trim_end().strip_suffix('=')?.trim_end();
        let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let key = &before[before.trim_end_matches(bare).len()..];
        (!key.is_empty()).then_some(key)
    }
}

/// A decimal may stand as a number or as a text; other numbers are numbers alone.
fn is_decimal(expected: &str) -> bool {
    expected.starts_with("a Decimal")
}

/// Takes ``unknown field `a`, expected one of `b`, `c` `` apart.
fn unknown_field(message: &str) -> Option<(&str, Vec<&str>)> {
    let rest = message.strip_prefix("unknown field `")?;
    let mut names = rest.split('`');
    let key = names.next()?;
    Some((key, names.skip(1).step_by(2).collect()))
}

/// In the words of the file.
fn kind(expected: &str) -> &str {
    match expected {
        "i64" => "a whole number",
        "u64" => "a whole number, 0 or more",
        "f64" => "a number",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a string" => "a text",
        _ if is_decimal(expected) => "a number",
        _ if expected == "a map" || expected.starts_with("struct ") => "a table",
        other => other,
    }
}

/// `"a", "b" or "c"`
pub(super) fn list(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => "nothing".to_owned(),
    }
}

/// The most similar name, if it is similar at all.
pub(super) fn closest<'n>(text: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let limit = (text.chars().count() / 3 + 1).max(2);
    let scored = names.map(|name| (distance(text, name), name));
    scored.filter(|(distance, _)| *distance <= limit).min().map(|(_, name)| name)
}

/// Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let substitute = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = substitute.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_name_is_found_and_distant_ones_are_not() {
        let names = ["instruments", "watchlist", "engine"];
        assert_eq!(closest("instrumets", names.iter().copied()), Some("instruments"));
        assert_eq!(closest("whatlist", names.iter().copied()), Some("watchlist"));
        assert_eq!(closest("zzz", names.iter().copied()), None);
    }
}
