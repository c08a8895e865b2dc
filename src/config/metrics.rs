//! `[metrics]`: where Prometheus may ask.

#![forbid(unsafe_code)]

use super::ConfigError;
use super::check::Checker;
use serde::Deserialize;
use std::net::SocketAddr;
use toml::Spanned;

/// Where it listens if the table is there and says nothing: this host alone can ask.
const LISTEN: &str = "127.0.0.1:9464";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawMetrics {
    listen: Option<Spanned<String>>,
}

impl Checker<'_> {
    /// Nothing listens without the table.
    pub(super) fn metrics(
        &self,
        raw: Option<&RawMetrics>,
    ) -> Result<Option<SocketAddr>, ConfigError> {
        let Some(raw) = raw else { return Ok(None) };
        let text = raw.listen.as_ref().map_or(LISTEN, |listen| listen.get_ref());
        let address: Option<SocketAddr> = text.parse().ok();
        match (address, &raw.listen) {
            (Some(address), _) => Ok(Some(address)),
            (None, Some(listen)) => {
                let message = format!("listen = {text:?} is not an address such as {LISTEN:?}");
                Err(self.error(listen, message))
            }
            (None, None) => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Config, DEFAULT_TOML};
    use super::*;

    fn with(more: &str) -> Result<Option<SocketAddr>, String> {
        let text = format!("{DEFAULT_TOML}\n{more}\n");
        let config = Config::parse("f", &text).map_err(|error| error.to_string())?;
        Ok(config.metrics)
    }

    #[test]
    fn nothing_listens_unless_asked_and_then_on_this_host() {
        assert_eq!(with(""), Ok(None));
        assert_eq!(with("[metrics]"), Ok(Some("127.0.0.1:9464".parse().unwrap())));
        let all = with("[metrics]\nlisten = \"0.0.0.0:80\"");
        assert_eq!(all, Ok(Some("0.0.0.0:80".parse().unwrap())));
        assert!(with("[metrics]\nlisten = \"[::1]:9464\"").unwrap().is_some());
        let error = with("[metrics]\nlisten = \"localhost\"").unwrap_err();
        assert!(error.contains("listen = \"localhost\" is not an address such as"), "{error}");
        assert!(with("[metrics]\nport = 5").unwrap_err().contains("port"));
    }
}
