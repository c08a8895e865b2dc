//! Accounts by name: `[credentials.NAME.VENUE]` says where the keys of one are, and `account = "NAME"`
//! which one is traded for, everywhere or at one venue.

#![forbid(unsafe_code)]

use super::check::Checker;
use super::raw::RawKeys;
use super::{ConfigError, SecretSource, VenueConfig, error};
use crate::types::VenueId;
use crate::venues;
use std::collections::BTreeMap;
use toml::Spanned;

/// Where the keys of one account at one venue come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeySources {
    /// The key.
    pub api_key: Option<SecretSource>,
    /// The secret.
    pub api_secret: Option<SecretSource>,
    /// The passphrase of the key, for venues that ask for one.
    pub passphrase: Option<SecretSource>,
}

impl KeySources {
    /// Whether nothing is said of any.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl From<RawKeys> for KeySources {
    fn from(raw: RawKeys) -> Self {
        Self {
            api_key: raw.api_key.map(Into::into),
            api_secret: raw.api_secret.map(Into::into),
            passphrase: raw.passphrase.map(Into::into),
        }
    }
}

/// The keys of one account at one venue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountConfig {
    /// Its name.
    pub name: String,
    /// Where.
    pub venue: VenueId,
    /// Its keys.
    pub keys: KeySources,
}

impl Checker<'_> {
    pub(super) fn accounts(
        &self,
        raw: BTreeMap<Spanned<String>, BTreeMap<Spanned<String>, RawKeys>>,
    ) -> Result<Vec<AccountConfig>, ConfigError> {
        let mut all = Vec::new();
        for (name, venues) in raw {
            for (venue, keys) in venues {
                let known = self.venue(venue.get_ref(), &venue)?;
                let name = name.get_ref().clone();
                all.push(AccountConfig { name, venue: known, keys: keys.into() });
            }
        }
        Ok(all)
    }

    /// The account that a venue is traded with. What stands in no file of keys must stand here.
    pub(super) fn choose_account(
        &self,
        venue: &mut VenueConfig,
        chosen: Option<&Spanned<String>>,
        known: &[AccountConfig],
        has_file: bool,
    ) -> Result<(), ConfigError> {
        let Some(chosen) = chosen else { return Ok(()) };
        let row = &venues::VENUES[usize::from(venue.venue.0)];
        let name = chosen.get_ref();
        if !venue.keys.is_empty() {
            let text = format!(
                "account = {name:?}, but keys stand in [venue.{}] itself: keep one of the two",
                row.name
            );
            return Err(self.error(chosen, text));
        }
        let here = known.iter().find(|one| one.name == *name && one.venue == venue.venue);
        match here {
            Some(account) => venue.keys = account.keys.clone(),
            None if has_file => {}
            None if known.iter().any(|one| one.name == *name) => {
                let text = format!(
                    "account {name:?} has no keys at {0}: there is no [credentials.{name}.{0}]",
                    row.name
                );
                return Err(self.error(chosen, text));
            }
            None => {
                let names = known.iter().map(|one| one.name.as_str());
                let hint = error::closest(name, names)
                    .map_or(String::new(), |name| format!("; did you mean \"{name}\"?"));
                let text = format!("there is no account {name:?}: no [credentials.{name}]{hint}");
                return Err(self.error(chosen, text));
            }
        }
        venue.account = Some(name.clone());
        Ok(())
    }
}
