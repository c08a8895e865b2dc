//! From the raw file to a checked configuration.

use super::error::{self, Source};
use super::raw::{Raw, RawStrategy, RawThread, RawVenue};
use super::{
    Config, ConfigError, Idle, InstrumentConfig, KeySources, Mode, StrategyConfig, ThreadConfig,
    Variables, VenueConfig, agent_names,
};
use crate::types::{Detail, InstrumentKind, VenueId};
use crate::venues::{self, InstrumentName, NoVenue};
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use toml::Spanned;

/// Seconds between two reconciliations if the file says nothing.
const RECONCILE_EVERY_S: u64 = 60;

pub(super) struct Checker<'a> {
    pub source: Source<'a>,
    /// Names of the strategies that the program brings.
    pub own: &'a [&'a str],
}

impl Checker<'_> {
    pub fn config(&self, raw: Raw) -> Result<Config, ConfigError> {
        let mode = self.mode(&raw.mode)?;
        let instruments = self.instruments(&raw.instruments, &raw.watchlist)?;
        let used: BTreeSet<VenueId> = instruments.iter().map(|i| i.venue).collect();
        let accounts = self.accounts(raw.credentials)?;
        let default = (raw.account.as_ref(), raw.credentials_file.is_some());
        let venues = self.venues(raw.venue, &used, |venue, account| {
            self.choose_account(venue, account.or(default.0), &accounts, default.1)
        })?;
        let strategies = self.strategies(raw.strategy, &instruments)?;
        let threads = self.threads(raw.thread, &used, &strategies)?;
        let engine = raw.engine;
        let depth = self.in_range(&engine.depth, 1, 64, "depth")? as usize;
        let limits = self.limits(raw.limits, &instruments)?;
        Ok(Config {
            file: self.source.file.to_owned(),
            text: self.source.text.to_owned(),
            mode,
            armed: raw.armed,
            name: self.instance_name(&engine.name)?,
            depth,
            idle: self.idle(&engine.idle)?,
            reconcile_every_ns: match &engine.reconcile_every_s {
                Some(every) => self.in_range(every, 1, 86_400, "reconcile_every_s")? as u64,
                None => RECONCILE_EVERY_S,
            } * 1_000_000_000,
            kill_file: self.path(engine.kill_file, "kill_file")?,
            rules_refresh_s: self.rules_refresh(engine.rules_refresh_s.as_ref())?,
            strategy_silence_max_ns: self.silence(engine.strategy_silence_max_ms.as_ref())?,
            crash_folder: self
                .path(engine.crash_folder, "crash_folder")?
                .unwrap_or_else(|| "crash".into()),
            output_folder: self
                .path(engine.output_folder, "output_folder")?
                .unwrap_or_else(|| "output".into()),
            instruments,
            venues,
            credentials_file: raw.credentials_file,
            variables: Variables::default(),
            threads,
            strategies,
            limits,
            journal: self.journal(raw.journal)?,
            host: self.host(raw.host)?,
            metrics: self.metrics(raw.metrics.as_ref())?,
            log: self.log(raw.log)?,
            latency: self.detail(raw.latency.detail.as_ref())?,
            sim: self.sim(raw.sim, &used)?,
            paper: self.paper(&raw.paper)?,
            extra_ca: raw.extra_ca,
        })
    }

    pub(super) fn error<T>(&self, at: &Spanned<T>, message: String) -> ConfigError {
        self.source.at(at.span().start, message)
    }

    fn mode(&self, mode: &Spanned<String>) -> Result<Mode, ConfigError> {
        match mode.get_ref().as_str() {
            "sim" => Ok(Mode::Sim),
            "paper" => Ok(Mode::Paper),
            "testnet" => Ok(Mode::Testnet),
            "live" => Ok(Mode::Live),
            other => {
                let known = ["sim", "paper", "testnet", "live"];
                Err(self.error(mode, self.one_of("mode", other, &known)))
            }
        }
    }

    /// An empty path names nothing: what is to be there would be missed in silence.
    pub(super) fn path(
        &self,
        path: Option<Spanned<PathBuf>>,
        key: &str,
    ) -> Result<Option<PathBuf>, ConfigError> {
        match path {
            Some(path) if path.get_ref().as_os_str().is_empty() => {
                Err(self.error(&path, format!("{key} is empty: name a path, or leave it out")))
            }
            path => Ok(path.map(Spanned::into_inner)),
        }
    }

    pub(super) fn one_of(&self, key: &str, value: &str, allowed: &[&str]) -> String {
        let hint = error::closest(value, allowed.iter().copied())
            .map_or(String::new(), |name| format!("; did you mean \"{name}\"?"));
        format!("{key} = \"{value}\" is not one of {}{hint}", error::list(allowed))
    }

    fn idle(&self, idle: &Spanned<String>) -> Result<Idle, ConfigError> {
        match idle.get_ref().as_str() {
            "spin" => Ok(Idle::Spin),
            "yield" => Ok(Idle::Yield),
            "park" => Ok(Idle::Park),
            other => Err(self.error(idle, self.one_of("idle", other, &["spin", "yield", "park"]))),
        }
    }

    fn detail(&self, detail: Option<&Spanned<String>>) -> Result<Detail, ConfigError> {
        let Some(detail) = detail else { return Ok(Detail::default()) };
        let all = [Detail::All, Detail::Order, Detail::Off];
        let text = detail.get_ref().as_str();
        all.into_iter()
            .find(|known| known.name() == text)
            .ok_or_else(|| self.error(detail, self.one_of("detail", text, &all.map(Detail::name))))
    }

    fn instance_name(&self, name: &Spanned<String>) -> Result<String, ConfigError> {
        let text = name.get_ref();
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if (1..=32).contains(&text.len()) && text.chars().all(plain) {
            return Ok(text.clone());
        }
        Err(self.error(name, format!("name = {text:?} must be 1 to 32 of a-z A-Z 0-9 - _")))
    }

    fn instruments(
        &self,
        streamed: &[Spanned<String>],
        watchlist: &[Spanned<String>],
    ) -> Result<Vec<InstrumentConfig>, ConfigError> {
        let mut list: Vec<InstrumentConfig> = Vec::new();
        let all = streamed.iter().map(|name| (name, true));
        for (name, streamed) in all.chain(watchlist.iter().map(|name| (name, false))) {
            let instrument = self.instrument(name, streamed)?;
            if list.iter().any(|known| known.name == instrument.name) {
                return Err(self.error(name, format!("{:?} is listed twice", instrument.name)));
            }
            list.push(instrument);
        }
        Ok(list)
    }

    fn instrument(
        &self,
        name: &Spanned<String>,
        streamed: bool,
    ) -> Result<InstrumentConfig, ConfigError> {
        let text = name.get_ref();
        let Some(parts) = InstrumentName::parse(text) else {
            let message = format!(
                "{text:?} is not an instrument; expected BASE/QUOTE@venue, or \
                 BASE/QUOTE:SETTLE@venue for a perpetual"
            );
            return Err(self.error(name, message));
        };
        Ok(InstrumentConfig {
            name: text.clone(),
            base: parts.base.to_owned(),
            venue: self.venue_of(&parts, name)?,
            streamed,
            place: self.source.place(name.span().start),
        })
    }

    fn venue_of(
        &self,
        parts: &InstrumentName<'_>,
        name: &Spanned<String>,
    ) -> Result<VenueId, ConfigError> {
        venues::find_for(parts).map_err(|error| match error {
            NoVenue::UnknownExchange => {
                let mut known: Vec<&str> = Vec::new();
                for row in venues::VENUES {
                    if !known.contains(&row.exchange) {
                        known.push(row.exchange);
                    }
                }
                self.unknown_venue(parts.exchange, &known, name)
            }
            NoVenue::KindNotTraded => {
                let what = match parts.kind() {
                    InstrumentKind::Spot => "spot",
                    InstrumentKind::LinearPerpetual => "perpetuals",
                };
                let text = name.get_ref();
                let message = format!("{text:?}: {what} of {} cannot be traded", parts.exchange);
                self.error(name, message)
            }
        })
    }

    pub(super) fn venue<T>(&self, name: &str, at: &Spanned<T>) -> Result<VenueId, ConfigError> {
        venues::find(name).ok_or_else(|| {
            let known: Vec<&str> = venues::VENUES.iter().map(|row| row.name).collect();
            self.unknown_venue(name, &known, at)
        })
    }

    fn unknown_venue<T>(&self, name: &str, known: &[&str], at: &Spanned<T>) -> ConfigError {
        let hint = error::closest(name, known.iter().copied())
            .map_or(String::new(), |name| format!("; did you mean \"{name}\"?"));
        let text = format!("unknown venue \"{name}\"; known: {}{hint}", error::list(known));
        self.error(at, text)
    }

    fn venues(
        &self,
        raw: BTreeMap<Spanned<String>, RawVenue>,
        used: &BTreeSet<VenueId>,
        choose: impl Fn(&mut VenueConfig, Option<&Spanned<String>>) -> Result<(), ConfigError>,
    ) -> Result<Vec<VenueConfig>, ConfigError> {
        let mut given = BTreeMap::new();
        for (name, mut raw) in raw {
            let venue = self.venue(name.get_ref(), &name)?;
            let account = raw.account.take();
            given.insert(venue, (self.venue_config(venue, raw)?, account));
        }
        let of = |venue: &VenueId| {
            let default = || (VenueConfig::default_of(*venue), None);
            let (mut config, account) = given.remove(venue).unwrap_or_else(default);
            choose(&mut config, account.as_ref())?;
            Ok(config)
        };
        used.iter().map(of).collect()
    }

    fn venue_config(&self, venue: VenueId, raw: RawVenue) -> Result<VenueConfig, ConfigError> {
        let orders_over_rest = match raw.orders.as_ref().map(|o| o.get_ref().as_str()) {
            None | Some("websocket") => false,
            Some("rest") => true,
            Some(other) => {
                let message = self.one_of("orders", other, &["websocket", "rest"]);
                return Err(raw.orders.map_or_else(
                    || self.source.at(0, message.clone()),
                    |o| self.error(&o, message.clone()),
                ));
            }
        };
        let recv_window_ms = match &raw.recv_window_ms {
            Some(window) => self.in_range(window, 100, 60_000, "recv_window_ms")? as u32,
            None => 5000,
        };
        let order_connections = match &raw.order_connections {
            Some(count) => self.in_range(count, 1, 2, "order_connections")? as u8,
            None => 2,
        };
        let feed_connections = match &raw.feed_connections {
            Some(count) => self.in_range(count, 1, 2, "feed_connections")? as u8,
            None => 1,
        };
        let prepared_nonces = match &raw.prepared_nonces {
            Some(count) => self.in_range(count, 0, 4_096, "prepared_nonces")? as u16,
            None => 0,
        };
        let margin = self.margin(venue, raw.leverage.as_ref(), raw.margin_mode.as_ref())?;
        Ok(VenueConfig {
            venue,
            margin,
            account: None,
            keys: KeySources {
                api_key: raw.api_key.map(Into::into),
                api_secret: raw.api_secret.map(Into::into),
                passphrase: raw.passphrase.map(Into::into),
            },
            orders_over_rest,
            order_connections,
            feed_connections,
            recv_window_ms,
            rest: self.url(raw.rest, "https")?,
            public: self.url(raw.public, "wss")?,
            trade: self.url(raw.trade, "wss")?,
            private: self.url(raw.private, "wss")?,
            dead_man_switch_s: self.dead_man_switch(venue, raw.dead_man_switch_s.as_ref())?,
            prepared_nonces,
        })
    }

    /// Only what the venue has can be switched on.
    fn dead_man_switch(
        &self,
        venue: VenueId,
        seconds: Option<&Spanned<i64>>,
    ) -> Result<Option<u32>, ConfigError> {
        let Some(seconds) = seconds else { return Ok(None) };
        let row = &venues::VENUES[usize::from(venue.0)];
        match row.dead_man_switch {
            Ok((min, max)) => {
                let (min, max) = (i64::from(min), i64::from(max));
                self.in_range(seconds, min, max, "dead_man_switch_s").map(|s| Some(s as u32))
            }
            Err(why) => {
                let text = format!("dead_man_switch_s: {} has no such switch: {why}", row.name);
                Err(self.error(seconds, text))
            }
        }
    }

    fn silence(&self, milliseconds: Option<&Spanned<i64>>) -> Result<u64, ConfigError> {
        const DEFAULT_MS: u64 = 2_000;
        let milliseconds = match milliseconds {
            Some(value) => self.in_range(value, 500, 3_600_000, "strategy_silence_max_ms")? as u64,
            None => DEFAULT_MS,
        };
        Ok(milliseconds * 1_000_000)
    }

    fn url(
        &self,
        url: Option<Spanned<String>>,
        scheme: &str,
    ) -> Result<Option<String>, ConfigError> {
        let Some(url) = url else { return Ok(None) };
        if url.get_ref().starts_with(&format!("{scheme}://")) {
            return Ok(Some(url.into_inner()));
        }
        Err(self.error(&url, format!("{:?} must begin with {scheme}://", url.get_ref())))
    }

    pub(super) fn in_range(
        &self,
        value: &Spanned<i64>,
        min: i64,
        max: i64,
        key: &str,
    ) -> Result<i64, ConfigError> {
        let number = *value.get_ref();
        if (min..=max).contains(&number) {
            return Ok(number);
        }
        Err(self.error(value, format!("{key} = {number} must be from {min} to {max}")))
    }

    fn rules_refresh(&self, value: Option<&Spanned<i64>>) -> Result<u32, ConfigError> {
        match value {
            Some(value) if *value.get_ref() == 0 => Ok(0),
            Some(value) => Ok(self.in_range(value, 1, 86_400, "rules_refresh_s")? as u32),
            None => Ok(300),
        }
    }

    pub(super) fn positive(
        &self,
        value: &Spanned<Decimal>,
        key: &str,
    ) -> Result<Decimal, ConfigError> {
        let number = *value.get_ref();
        if number > Decimal::ZERO {
            return Ok(number);
        }
        Err(self.error(value, format!("{key} = {number} must be greater than 0")))
    }

    fn threads(
        &self,
        raw: Vec<RawThread>,
        venues_used: &BTreeSet<VenueId>,
        strategies: &[StrategyConfig],
    ) -> Result<Vec<ThreadConfig>, ConfigError> {
        if raw.is_empty() {
            return Ok(Vec::new());
        }
        let mut expected = self.agents(venues_used, strategies);
        let mut threads = Vec::new();
        let mut last = 0;
        for thread in raw {
            last = thread.runs.span().start;
            for agent in thread.runs.get_ref() {
                self.take_agent(agent, &mut expected, venues_used, strategies)?;
            }
            let core = match &thread.core {
                Some(core) => Some(self.in_range(core, 0, 4095, "core")? as usize),
                None => None,
            };
            let place = thread.core.as_ref().map_or(last, |core| core.span().start);
            threads.push(ThreadConfig {
                core,
                idle: thread.idle.as_ref().map_or(Ok(Idle::Yield), |idle| self.idle(idle))?,
                runs: thread.runs.into_inner().into_iter().map(Spanned::into_inner).collect(),
                place: self.source.place(place),
            });
        }
        if let Some(missing) = expected.first() {
            let message = format!("agent \"{missing}\" stands in no [[thread]]");
            return Err(self.source.at(last, message));
        }
        Ok(threads)
    }

    fn agents(
        &self,
        venues_used: &BTreeSet<VenueId>,
        strategies: &[StrategyConfig],
    ) -> Vec<String> {
        let on_threads = strategies.iter().filter(|strategy| strategy.run.is_thread());
        let configured = on_threads.map(|strategy| strategy.name.as_str());
        let known = |own: &&str| strategies.iter().any(|strategy| strategy.name == *own);
        let own = self.own.iter().copied().filter(|own| !known(own));
        agent_names(venues_used.iter().copied(), configured.chain(own))
    }

    fn take_agent(
        &self,
        agent: &Spanned<String>,
        expected: &mut Vec<String>,
        venues_used: &BTreeSet<VenueId>,
        strategies: &[StrategyConfig],
    ) -> Result<(), ConfigError> {
        if let Some(index) = expected.iter().position(|name| name == agent.get_ref()) {
            expected.remove(index);
            return Ok(());
        }
        let all = self.agents(venues_used, strategies);
        let name = agent.get_ref();
        if all.contains(name) {
            return Err(self.error(agent, format!("agent \"{name}\" stands in two threads")));
        }
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        Err(self.error(agent, self.one_of("agent", name, &all)))
    }

    fn strategies(
        &self,
        raw: Vec<RawStrategy>,
        instruments: &[InstrumentConfig],
    ) -> Result<Vec<StrategyConfig>, ConfigError> {
        let mut list: Vec<StrategyConfig> = Vec::new();
        for strategy in raw {
            let name = self.instance_name(&strategy.name)?;
            if list.iter().any(|known| known.name == name) {
                let message = format!("two strategies are named \"{name}\"");
                return Err(self.error(&strategy.name, message));
            }
            if list.len() == 63 {
                return Err(self.error(&strategy.name, "more than 63 strategies".to_owned()));
            }
            for instrument in strategy.instruments.get_ref() {
                self.known_instrument(instrument, instruments)?;
            }
            list.push(self.strategy(name, strategy)?);
        }
        Ok(list)
    }

    pub(super) fn known_instrument(
        &self,
        name: &Spanned<String>,
        instruments: &[InstrumentConfig],
    ) -> Result<(), ConfigError> {
        if instruments.iter().any(|known| known.name == *name.get_ref()) {
            return Ok(());
        }
        let names = instruments.iter().map(|known| known.name.as_str());
        let hint = error::closest(name.get_ref(), names)
            .map_or(String::new(), |name| format!("; did you mean \"{name}\"?"));
        let text = name.get_ref();
        Err(self.error(name, format!("\"{text}\" is not among the instruments{hint}")))
    }
}
