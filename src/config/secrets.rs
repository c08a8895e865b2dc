//! Keys and secrets: from the environment, from a file with one of them, or from a file with those of
//! all accounts. Only their owner may read these files. They never stand in `engine.toml`, and no
//! message repeats them.

use super::error::{self, Source};
use super::variables::{SECRET_KEYS, is_name, put_in_path, whole_variable};
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

/// Why keys could not be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretError {
    /// Whose; none: the file of all accounts is wrong.
    venue: Option<String>,
    message: String,
}

impl SecretError {
    pub(super) fn new(venue: &str, message: impl Into<String>) -> Self {
        Self { venue: Some(venue.to_owned()), message: message.into() }
    }

    fn of_file(message: String) -> Self {
        Self { venue: None, message }
    }
}

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.venue {
            Some(venue) => write!(f, "keys of {venue}: {}", self.message),
            None => write!(f, "credentials_file: {}", self.message),
        }
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

/// The file of all accounts.
struct Accounts {
    file: String,
    all: Vec<Account>,
}

struct Account {
    name: String,
    venue: &'static str,
    keys: Keys,
}

impl Accounts {
    /// The variables that its keys and secrets are in.
    fn variables(&self) -> impl Iterator<Item = &str> {
        let keys = self.all.iter().map(|account| &account.keys);
        let all = keys.flat_map(|keys| [&keys.key, &keys.secret, &keys.passphrase]);
        all.filter_map(|kept| match kept {
            Some(Kept::There(SecretSource::Env(name))) => Some(name.as_str()),
            _ => None,
        })
    }
}

/// Those that a venue is traded with, read now.
pub(super) fn read(
    venue: &str,
    config: &VenueConfig,
    whole: &Config,
) -> Result<Credentials, SecretError> {
    let failed = |message: String| SecretError::new(venue, message);
    let accounts = accounts(whole).map_err(failed)?;
    let keys = keys_of(venue, config, accounts).map_err(failed)?;
    let read = |kept: Kept| match kept {
        Kept::Here(secret) => Ok(secret),
        Kept::There(source) => read_one(&source).map_err(failed),
    };
    let (Some(key), Some(secret)) = (keys.key, keys.secret) else {
        return Err(failed(not_set(venue, config)));
    };
    Ok(Credentials {
        passphrase: keys.passphrase.map(read).transpose()?,
        ..Credentials::new(read(key)?.expose().to_owned(), read(secret)?)
    })
}

fn not_set(venue: &str, config: &VenueConfig) -> String {
    let table = match &config.account {
        Some(account) => format!("credentials.{account}.{venue}"),
        None => format!("venue.{venue}"),
    };
    format!("api_key and api_secret are not set in [{table}]")
}

/// Everything that can be known of keys before they are needed: the file of all accounts, if there is
/// one, and that it or the configuration holds those of the accounts that were chosen.
pub(super) fn check(whole: &Config) -> Result<(), SecretError> {
    accounts(whole).map_err(SecretError::of_file)?;
    for config in whole.venues.iter().filter(|config| config.account.is_some()) {
        let venue = venues::VENUES[usize::from(config.venue.0)].name;
        let failed = |message: String| SecretError::new(venue, message);
        let keys = keys_of(venue, config, accounts(whole).map_err(failed)?).map_err(failed)?;
        if keys.key.is_none() || keys.secret.is_none() {
            return Err(failed(not_set(venue, config)));
        }
    }
    Ok(())
}

/// The variables that keys and secrets are in, those of the file of all accounts among them. A file
/// that is not there names none: without keys to read, nobody needs it.
pub(super) fn variables(whole: &Config) -> Result<Vec<String>, SecretError> {
    let mut all = whole.variables.secret.clone();
    let is_missing = match &whole.credentials_file {
        Some(file) => matches!(file.try_exists(), Ok(false)),
        None => false,
    };
    if !(is_missing && whole.mode.is_embedded()) {
        let accounts = accounts(whole).map_err(SecretError::of_file)?;
        all.extend(accounts.iter().flat_map(Accounts::variables).map(str::to_owned));
    }
    Ok(all)
}

/// From `engine.toml`, or from the file of all accounts: from one of them.
fn keys_of(venue: &str, config: &VenueConfig, accounts: Option<Accounts>) -> Result<Keys, String> {
    let KeySources { api_key, api_secret, passphrase } = config.keys.clone();
    let there = |source: Option<SecretSource>| source.map(Kept::There);
    let here =
        Keys { key: there(api_key), secret: there(api_secret), passphrase: there(passphrase) };
    let (Some(account), Some(Accounts { file, mut all })) = (&config.account, accounts) else {
        return Ok(here);
    };
    let found = all.iter().position(|one| one.name == *account && one.venue == venue);
    match (found, config.keys.is_empty()) {
        (Some(found), true) => Ok(all.swap_remove(found).keys),
        (None, false) => Ok(here),
        (Some(_), false) => Err(format!(
            "[credentials.{account}.{venue}] stands in {file} and in the configuration: keep one of \
             the two"
        )),
        (None, true) => {
            let names = all.iter().map(|one| one.name.as_str()).filter(|name| name != account);
            let hint = error::closest(account, names)
                .map_or(String::new(), |name| format!("; did you mean \"{name}\"?"));
            Err(format!(
                "account {account:?} has no keys there: [credentials.{account}.{venue}] stands \
                 neither in {file} nor in the configuration{hint}"
            ))
        }
    }
}

/// Reads the file of all accounts: every table of it is checked, and that no variable with a key
/// stands in the configuration too.
fn accounts(whole: &Config) -> Result<Option<Accounts>, String> {
    let Some(path) = whole.credentials_file.as_deref() else { return Ok(None) };
    let text = read_file(path, path)?;
    let file = path.display().to_string();
    let source = Source { file: &file, text: &text };
    // The parser's own words may repeat what it read.
    let broken = |error: toml::de::Error| {
        let at = error.span().map_or(0, |span| span.start);
        source.at(at, "this is not TOML".to_owned()).to_string()
    };
    let mut root = DeTable::parse(source.text).map_err(broken)?;
    let all = all_in(&source, root.get_mut());
    // Texts with escapes are copies.
    root.get_mut().iter_mut().for_each(|(_, value)| wipe(value.get_mut()));
    drop(root);
    let accounts = Accounts { all: all?, file: file.clone() };
    let used = &whole.variables.used;
    if let Some(name) = accounts.variables().find(|name| used.iter().any(|used| used == name)) {
        return Err(format!(
            "${{{name}}} holds a key or a secret of {file} and stands in {} as well, where messages \
             repeat it",
            whole.file
        ));
    }
    Ok(Some(accounts))
}

fn all_in(source: &Source<'_>, root: &DeTable<'_>) -> Result<Vec<Account>, String> {
    let mut all = Vec::new();
    for (key, value) in root {
        if key.get_ref() != "credentials" {
            let text = format!("unknown key \"{}\"; known: \"credentials\"", key.get_ref());
            return Err(source.at(key.span().start, text).to_string());
        }
        for (name, value) in entries(source, value, "credentials")? {
            for (at, value) in entries(source, value, name.get_ref())? {
                let venue_name = at.get_ref().as_ref();
                let Some(venue) = venues::find(venue_name) else {
                    let known: Vec<&str> = venues::VENUES.iter().map(|row| row.name).collect();
                    let known = error::list(&known);
                    let text = format!("unknown venue \"{venue_name}\"; known: {known}");
                    return Err(source.at(at.span().start, text).to_string());
                };
                let keys = keys_in(source, entries(source, value, venue_name)?)?;
                let venue = venues::VENUES[usize::from(venue.0)].name;
                all.push(Account { name: name.get_ref().to_string(), venue, keys });
            }
        }
    }
    Ok(all)
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
                "env" if is_name(value) => SecretSource::Env(value.to_string()),
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
        SecretSource::File(path) => read_file(path, &put_in_path(path)?)?,
    };
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Err("the value is empty".to_owned());
    }
    Ok(Secret::new(trimmed.to_owned()))
}

/// `shown` is the path as it was written, for messages.
fn read_file(shown: &Path, path: &Path) -> Result<Zeroizing<String>, String> {
    let shown = shown.display();
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
        let error = read_file(&path, &path).unwrap_err();
        assert!(error.contains("has mode 0644 and others may read it; run: chmod 600"), "{error}");
        assert!(!error.contains("s3cret"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(read_one(&SecretSource::File(path.clone())).unwrap().expose(), "s3cret");
        std::fs::remove_file(path).unwrap();
    }
}
