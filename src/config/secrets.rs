//! Keys and secrets: from the environment, from a file with one of them, or from a file with those of
//! all accounts. Only their owner may read these files. They never stand in `engine.toml`, and no
//! message repeats them.

use super::error::{self, Source};
use super::variables::{SECRET_KEYS, whole_variable};
use super::{Config, KeySources, SecretSource, VenueConfig};
use crate::venues::{self, Credentials, Secret};
use std::borrow::Cow;
use std::fmt;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use zeroize::{Zeroize, Zeroizing};

/// Why the keys of a venue could not be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretError {
    venue: String,
    message: String,
}

impl SecretError {
    pub(super) fn new(venue: &str, message: impl Into<String>) -> Self {
        Self { venue: venue.to_owned(), message: message.into() }
    }
}

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "keys of {}: {}", self.venue, self.message)
    }
}

impl std::error::Error for SecretError {}

/// The keys of one account at one venue.
#[derive(Default)]
struct Keys {
    key: Option<Kept>,
    secret: Option<Kept>,
    passphrase: Option<Kept>,
}

/// A key or secret, or where it is.
enum Kept {
    Here(Secret),
    There(SecretSource),
}

/// Those that a venue is traded with, read now.
pub(super) fn read(
    venue: &str,
    config: &VenueConfig,
    whole: &Config,
) -> Result<Credentials, SecretError> {
    let failed = |message: String| SecretError::new(venue, message);
    let keys = keys_of(venue, config, whole.credentials_file.as_deref()).map_err(failed)?;
    let read = |kept: Kept| match kept {
        Kept::Here(secret) => Ok(secret),
        Kept::There(SecretSource::Env(name)) if whole.variables.used.contains(&name) => {
            Err(failed(format!(
                "${{{name}}} stands in {} as well, where messages repeat it",
                whole.file
            )))
        }
        Kept::There(source) => read_one(&source).map_err(failed),
    };
    let (Some(key), Some(secret)) = (keys.key, keys.secret) else {
        let table = match &config.account {
            Some(account) => format!("credentials.{account}.{venue}"),
            None => format!("venue.{venue}"),
        };
        return Err(failed(format!("api_key and api_secret are not set in [{table}]")));
    };
    Ok(Credentials {
        passphrase: keys.passphrase.map(read).transpose()?,
        ..Credentials::new(read(key)?.expose().to_owned(), read(secret)?)
    })
}

/// From `engine.toml`, or from the file of all accounts: from one of them.
fn keys_of(venue: &str, config: &VenueConfig, file: Option<&Path>) -> Result<Keys, String> {
    let KeySources { api_key, api_secret, passphrase } = config.keys.clone();
    let there = |source: Option<SecretSource>| source.map(Kept::There);
    let here =
        Keys { key: there(api_key), secret: there(api_secret), passphrase: there(passphrase) };
    let (Some(account), Some(file)) = (&config.account, file) else { return Ok(here) };
    let text = read_file(file)?;
    let name = file.display().to_string();
    let found = find(&Source { file: &name, text: &text }, account, venue)?;
    match (found, config.keys.is_empty()) {
        (Some(found), true) => Ok(found),
        (None, false) => Ok(here),
        (Some(_), false) => Err(format!(
            "[credentials.{account}.{venue}] stands in {name} and in the configuration: keep one of \
             the two"
        )),
        (None, true) => Err(format!(
            "account {account:?} has no keys there: [credentials.{account}.{venue}] stands neither in \
             {name} nor in the configuration"
        )),
    }
}

/// The keys of one account in the file of all: every table of it is checked.
fn find(source: &Source<'_>, account: &str, venue: &str) -> Result<Option<Keys>, String> {
    // The parser's own words may repeat what it read.
    let broken = |error: toml::de::Error| {
        let at = error.span().map_or(0, |span| span.start);
        source.at(at, "this is not TOML".to_owned()).to_string()
    };
    let mut root = DeTable::parse(source.text).map_err(broken)?;
    let found = find_in(source, root.get_mut(), account, venue);
    // Texts with escapes are copies.
    root.get_mut().iter_mut().for_each(|(_, value)| wipe(value.get_mut()));
    found
}

fn find_in(
    source: &Source<'_>,
    root: &DeTable<'_>,
    account: &str,
    venue: &str,
) -> Result<Option<Keys>, String> {
    let mut found = None;
    for (key, value) in root {
        if key.get_ref() != "credentials" {
            let text = format!("unknown key \"{}\"; known: \"credentials\"", key.get_ref());
            return Err(source.at(key.span().start, text).to_string());
        }
        for (name, value) in entries(source, value, "credentials")? {
            for (at, value) in entries(source, value, name.get_ref())? {
                let venue_name = at.get_ref().as_ref();
                if venues::find(venue_name).is_none() {
                    let known: Vec<&str> = venues::VENUES.iter().map(|row| row.name).collect();
                    let known = error::list(&known);
                    let text = format!("unknown venue \"{venue_name}\"; known: {known}");
                    return Err(source.at(at.span().start, text).to_string());
                }
                let keys = keys_in(source, entries(source, value, venue_name)?)?;
                if name.get_ref() == account && venue_name == venue {
                    found = Some(keys);
                }
            }
        }
    }
    Ok(found)
}

fn entries<'t, 'i>(
    source: &Source<'_>,
    value: &'t Spanned<DeValue<'i>>,
    name: &str,
) -> Result<&'t DeTable<'i>, String> {
    match value.get_ref() {
        DeValue::Table(table) => Ok(table),
        _ => {
            let text = format!("{name} is no table: [credentials.ACCOUNT.VENUE]");
            Err(source.at(value.span().start, text).to_string())
        }
    }
}

fn keys_in(source: &Source<'_>, table: &DeTable<'_>) -> Result<Keys, String> {
    let mut keys = Keys::default();
    for (key, value) in table {
        let place = match key.get_ref().as_ref() {
            "api_key" => &mut keys.key,
            "api_secret" => &mut keys.secret,
            "passphrase" => &mut keys.passphrase,
            other => {
                let text = format!("unknown key \"{other}\"; known: {}", error::list(&SECRET_KEYS));
                return Err(source.at(key.span().start, text).to_string());
            }
        };
        let Some(kept) = kept(value.get_ref()) else {
            let text = format!(
                "{} must be a text, {{ env = \"NAME\" }} or {{ file = \"PATH\" }}, and not empty",
                key.get_ref()
            );
            return Err(source.at(value.span().start, text).to_string());
        };
        *place = Some(kept);
    }
    Ok(keys)
}

/// A value of the file: the secret itself, `${NAME}`, or where it is, as in `engine.toml`.
fn kept(value: &DeValue<'_>) -> Option<Kept> {
    match value {
        DeValue::String(text) => {
            let text = text.trim();
            match whole_variable(text) {
                Some(name) => Some(Kept::There(SecretSource::Env(name.to_owned()))),
                None => (!text.is_empty()).then(|| Kept::Here(Secret::new(text.to_owned()))),
            }
        }
        DeValue::Table(table) if table.len() == 1 => {
            let (key, value) = table.iter().next()?;
            let DeValue::String(value) = value.get_ref() else { return None };
            let source = match key.get_ref().as_ref() {
                "env" => SecretSource::Env(value.to_string()),
                "file" => SecretSource::File(value.as_ref().into()),
                _ => return None,
            };
            Some(Kept::There(source))
        }
        _ => None,
    }
}

fn wipe(value: &mut DeValue<'_>) {
    match value {
        DeValue::String(Cow::Owned(text)) => text.zeroize(),
        DeValue::Array(values) => values.iter_mut().for_each(|value| wipe(value.get_mut())),
        DeValue::Table(entries) => entries.iter_mut().for_each(|(_, value)| wipe(value.get_mut())),
        _ => {}
    }
}

fn read_one(source: &SecretSource) -> Result<Secret, String> {
    let text = match source {
        SecretSource::Env(name) => std::env::var(name)
            .map(Zeroizing::new)
            .map_err(|_| format!("environment variable {name} is not set or not text"))?,
        SecretSource::File(path) => read_file(path)?,
    };
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Err("the value is empty".to_owned());
    }
    Ok(Secret::new(trimmed.to_owned()))
}

fn read_file(path: &Path) -> Result<Zeroizing<String>, String> {
    let shown = path.display();
    let failed = |error: std::io::Error| format!("{shown}: {error}");
    let mut file = std::fs::File::open(path).map_err(failed)?;
    let about = file.metadata().map_err(failed)?;
    let mode = about.mode();
    if mode & 0o077 != 0 {
        return Err(format!(
            "{shown} has mode {:04o} and others may read it; run: chmod 600 {shown}",
            mode & 0o7777
        ));
    }
    // Room for all of it and its end: a text that grows leaves copies behind.
    let mut text = Zeroizing::new(String::with_capacity(about.len() as usize + 64));
    file.read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    /// A file that only its owner may read.
    fn file(name: &str, text: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("stoop-{name}-{}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    fn read_with(keys: KeySources) -> Result<Credentials, SecretError> {
        let whole = Config::embedded().unwrap();
        let config = VenueConfig { keys, ..whole.venues[0].clone() };
        read("v", &config, &whole)
    }

    #[test]
    fn a_passphrase_is_read_where_one_is_named() {
        let paths = [file("key", "k\n"), file("secret", "s\n"), file("phrase", " open sesame\n")];
        let [key, secret, phrase] = paths.clone().map(|path| Some(SecretSource::File(path)));
        let keys = KeySources { api_key: key, api_secret: secret, passphrase: phrase };
        let with = read_with(keys.clone()).unwrap();
        assert_eq!(with.passphrase.as_ref().unwrap().expose(), "open sesame");
        assert!(!format!("{with:?}").contains("sesame"), "never printed");
        let without = KeySources { passphrase: None, ..keys.clone() };
        assert!(read_with(without).unwrap().passphrase.is_none());
        let missing = Some(SecretSource::Env("STOOP_NO_SUCH_PASSPHRASE".to_owned()));
        let error = read_with(KeySources { passphrase: missing, ..keys }).err().unwrap();
        assert!(error.to_string().contains("STOOP_NO_SUCH_PASSPHRASE is not set"), "{error}");
        paths.iter().for_each(|path| std::fs::remove_file(path).unwrap());
    }

    #[test]
    fn secret_files_that_others_may_read_are_refused() {
        let path = std::env::temp_dir().join(format!("stoop-secret-{}", std::process::id()));
        std::fs::write(&path, "s3cret\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let error = read_file(&path).unwrap_err();
        assert!(error.contains("has mode 0644 and others may read it; run: chmod 600"), "{error}");
        assert!(!error.contains("s3cret"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(read_one(&SecretSource::File(path.clone())).unwrap().expose(), "s3cret");
        std::fs::remove_file(path).unwrap();
    }
}
