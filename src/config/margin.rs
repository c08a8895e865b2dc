//! `leverage` and `margin_mode` of a venue's perpetuals.

use super::ConfigError;
use super::check::Checker;
use crate::types::{InstrumentKind, MarginMode, MarginSettings, VenueId};
use crate::venues::VENUES;
use toml::Spanned;

impl Checker<'_> {
    /// What of it the venue takes is the venue's to say; what cannot be anywhere is refused here.
    pub(super) fn margin(
        &self,
        venue: VenueId,
        leverage: Option<&Spanned<i64>>,
        mode: Option<&Spanned<String>>,
    ) -> Result<MarginSettings, ConfigError> {
        let mut settings = MarginSettings::default();
        if let Some(times) = leverage {
            self.has_perpetuals(venue, times, "leverage")?;
            settings.leverage = Some(self.in_range(times, 1, 125, "leverage")? as u8);
        }
        if let Some(mode) = mode {
            self.has_perpetuals(venue, mode, "margin_mode")?;
            settings.mode = Some(match mode.get_ref().as_str() {
                "cross" => MarginMode::Cross,
                "isolated" => MarginMode::Isolated,
                other => {
                    let text = self.one_of("margin_mode", other, &["cross", "isolated"]);
                    return Err(self.error(mode, text));
                }
            });
        }
        Ok(settings)
    }

    fn has_perpetuals<T>(
        &self,
        venue: VenueId,
        at: &Spanned<T>,
        key: &str,
    ) -> Result<(), ConfigError> {
        let row = &VENUES[usize::from(venue.0)];
        if row.kinds.contains(&InstrumentKind::LinearPerpetual) {
            return Ok(());
        }
        Err(self.error(at, format!("{key}: {} trades no perpetuals", row.name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, DEFAULT_TOML, VenueConfig};
    use crate::venues;

    fn parsed(venue: &str, lines: &str) -> Result<VenueConfig, String> {
        let swap = "\"BTC/USDT@bybit\", \"BTC/USDT:USDT@okx\"]";
        let text = DEFAULT_TOML.replacen("\"BTC/USDT@bybit\"]", swap, 1);
        let table = format!("[venue.{venue}]\n");
        assert!(text.contains(&table), "{venue}");
        let text = text.replacen(&table, &format!("{table}{lines}"), 1);
        let config = Config::parse("engine.toml", &text).map_err(|error| error.to_string())?;
        let id = venues::find(venue).unwrap();
        Ok(config.venues.into_iter().find(|known| known.venue == id).unwrap())
    }

    #[test]
    fn leverage_and_margin_mode_are_read() {
        let of = |lines: &str| parsed("okx", lines).unwrap().margin;
        assert_eq!(of(""), MarginSettings::default());
        assert_eq!(
            of("leverage = 5\nmargin_mode = \"isolated\"\n"),
            MarginSettings { leverage: Some(5), mode: Some(MarginMode::Isolated) }
        );
        assert_eq!(
            of("margin_mode = \"cross\"\n"),
            MarginSettings { leverage: None, mode: Some(MarginMode::Cross) }
        );
        for times in [1, 125] {
            let settings = of(&format!("leverage = {times}\n"));
            assert_eq!(settings, MarginSettings { leverage: Some(times), mode: None });
        }
    }

    #[test]
    fn mistakes_name_file_line_and_key() {
        let line = 1 + DEFAULT_TOML.lines().position(|line| line == "[venue.okx]").unwrap();
        for (lines, column, says) in [
            ("leverage = 0", 12, "leverage = 0 must be from 1 to 125"),
            ("leverage = 126", 12, "leverage = 126 must be from 1 to 125"),
            ("leverage = -3", 12, "leverage = -3 must be from 1 to 125"),
            (
                "margin_mode = \"isolatd\"",
                15,
                "margin_mode = \"isolatd\" is not one of \"cross\" or \"isolated\"; did you mean \
                 \"isolated\"?",
            ),
        ] {
            let told = parsed("okx", &format!("{lines}\n")).unwrap_err();
            assert_eq!(told, format!("engine.toml:{}:{column}: {says}", line + 1));
        }
        for (lines, says) in [
            ("leverage = 5.5", "engine.toml:"),
            ("leverage = \"5\"", "engine.toml:"),
            ("margin_mode = 1", "engine.toml:"),
        ] {
            let told = parsed("okx", &format!("{lines}\n")).unwrap_err();
            let place = format!("{says}{}:", line + 1);
            assert!(told.starts_with(&place), "{told}");
        }
    }

    #[test]
    fn venues_without_perpetuals_know_neither() {
        let line = 2 + DEFAULT_TOML.lines().position(|line| line == "[venue.binance]").unwrap();
        for (key, lines, column) in
            [("leverage", "leverage = 5", 12), ("margin_mode", "margin_mode = \"cross\"", 15)]
        {
            let told = parsed("binance", &format!("{lines}\n")).unwrap_err();
            let expected =
                format!("engine.toml:{line}:{column}: {key}: binance trades no perpetuals");
            assert_eq!(told, expected);
        }
    }
}
