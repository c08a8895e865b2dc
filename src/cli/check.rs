//! `stoop check`: everything that can be known to be wrong before anything is traded.

use super::{ConfigArgument, EXIT_OK, Failure, venues::Venues};
use crate::agents::{self, allowed_cpus, check_core};
use crate::config::{Config, ConfigError, VenueConfig};
use crate::strategy::Strategy;
use crate::venues::VENUES;

pub(super) fn check(
    argument: &ConfigArgument,
    strategies: &[(String, Box<dyn Strategy>)],
    json: bool,
    offline: bool,
) -> Result<u8, Failure> {
    let own: Vec<&str> = strategies.iter().map(|(name, _)| name.as_str()).collect();
    let result = argument.load(&own).and_then(|config| {
        check_threads(&config).map_err(|error| Failure::config(error.to_string()))?;
        config.check_credentials().map_err(|error| Failure::config(error.to_string()))?;
        agents::check_own(&config, strategies).map_err(Failure::config)?;
        if offline {
            return Ok((config, None));
        }
        let venues = Venues::start(&config)?;
        let instruments = venues.load(&config)?;
        venues.stop();
        agents::check(&config, &instruments).map_err(Failure::config)?;
        Ok((config, Some(instruments)))
    });
    match result {
        Ok((config, instruments)) => {
            let count = config.instruments.len();
            if json {
                let not_limited = config.not_limited();
                let row = serde_json::json!({
                    "ok": true, "file": config.file, "not_limited": not_limited,
                });
                println!("{row}");
            } else {
                let asked = if instruments.is_some() { "known to their venues" } else { "listed" };
                println!("{}: fine; {count} instruments {asked}", config.file);
                for venue in &config.venues {
                    println!("{}", dead_man_switch(venue));
                }
                if let Some(text) = config.not_limited() {
                    println!("{}: {text}", config.file);
                }
            }
            Ok(EXIT_OK)
        }
        Err(failure) if json => {
            println!("{}", serde_json::json!({"ok": false, "error": failure.message}));
            Ok(failure.code)
        }
        Err(failure) => Err(failure),
    }
}

/// Whether the venue cancels by itself once we are gone: nobody should be in doubt.
fn dead_man_switch(config: &VenueConfig) -> String {
    let row = &VENUES[usize::from(config.venue.0)];
    let state = match (row.dead_man_switch, config.dead_man_switch_s) {
        (Err(why), _) => format!("none: {why}"),
        (Ok(_), None) => "off".to_owned(),
        (Ok(_), Some(seconds)) => format!("after {seconds} s"),
    };
    format!("{}: dead-man switch {state}", row.name)
}

/// The CPUs that threads are pinned to exist and are allowed.
pub(super) fn check_threads(config: &Config) -> Result<(), ConfigError> {
    let allowed = allowed_cpus();
    for thread in &config.threads {
        if let Some(core) = thread.core {
            check_core(core, &allowed).map_err(|text| config.error_at(thread.place, text))?;
        }
    }
    Ok(())
}
