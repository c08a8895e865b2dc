//! Keys and secrets: from the environment or from a file that only its owner may read. They never
//! stand in `engine.toml`, and no message repeats them.

use super::SecretSource;
use crate::venues::{Credentials, Secret};
use std::fmt;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use zeroize::Zeroizing;

/// Why the keys of a venue could not be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretError {
    venue: String,
    message: String,
}

impl SecretError {
    pub(super) fn not_configured(venue: &str) -> Self {
        let message = format!("api_key and api_secret are not set in [venue.{venue}]");
        Self { venue: venue.to_owned(), message }
    }
}

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "keys of {}: {}", self.venue, self.message)
    }
}

impl std::error::Error for SecretError {}

pub(super) fn read(
    venue: &str,
    key: &SecretSource,
    secret: &SecretSource,
    passphrase: Option<&SecretSource>,
) -> Result<Credentials, SecretError> {
    let read = |source| {
        read_one(source).map_err(|message| SecretError { venue: venue.to_owned(), message })
    };
    Ok(Credentials {
        passphrase: passphrase.map(read).transpose()?,
        ..Credentials::new(read(key)?.expose().to_owned(), read(secret)?)
    })
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
    let mode = file.metadata().map_err(failed)?.mode();
    if mode & 0o077 != 0 {
        return Err(format!(
            "{shown} has mode {:04o} and others may read it; run: chmod 600 {shown}",
            mode & 0o7777
        ));
    }
    let mut text = Zeroizing::new(String::with_capacity(8192));
    file.read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_passphrase_is_read_where_one_is_named() {
        let path =
            |name: &str| std::env::temp_dir().join(format!("stoop-{name}-{}", std::process::id()));
        let file = |name, text| {
            std::fs::write(path(name), text).unwrap();
            let owner_only = std::fs::Permissions::from_mode(0o600);
            std::fs::set_permissions(path(name), owner_only).unwrap();
            SecretSource::File(path(name))
        };
        let (key, secret) = (file("key", "k\n"), file("secret", "s\n"));
        let phrase = file("phrase", " open sesame\n");
        let with = read("v", &key, &secret, Some(&phrase)).unwrap();
        assert_eq!(with.passphrase.as_ref().unwrap().expose(), "open sesame");
        assert!(!format!("{with:?}").contains("sesame"), "never printed");
        assert!(read("v", &key, &secret, None).unwrap().passphrase.is_none());
        let missing = SecretSource::Env("STOOP_NO_SUCH_PASSPHRASE".to_owned());
        let error = read("v", &key, &secret, Some(&missing)).unwrap_err();
        assert!(error.to_string().contains("STOOP_NO_SUCH_PASSPHRASE is not set"), "{error}");
        for name in ["key", "secret", "phrase"] {
            std::fs::remove_file(path(name)).unwrap();
        }
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
