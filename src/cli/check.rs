//! `stoop check`: everything that can be known to be wrong before anything is traded.

use super::{ConfigArgument, EXIT_OK, Failure, venues::Venues};
use crate::agents::{self, allowed_cpus, check_core};
use crate::config::{Config, ConfigError, Mode, ProcessConfig, RunConfig, VenueConfig};
use crate::strategy::Strategy;
use crate::venues::VENUES;
use rustix::fs::{Access, access};
use std::ffi::{OsStr, OsString};
use std::path::Path;

/// Where programs are looked for without PATH; as the C library has it.
const PATH_WITHOUT: &str = "/bin:/usr/bin";

pub(super) fn check(
    argument: &ConfigArgument,
    strategies: &[(String, Box<dyn Strategy>)],
    json: bool,
    offline: bool,
) -> Result<u8, Failure> {
    let own: Vec<&str> = strategies.iter().map(|(name, _)| name.as_str()).collect();
    let result = argument.load(&own).and_then(|config| {
        check_host(&config).map_err(|error| Failure::config(error.to_string()))?;
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
                let row = serde_json::json!({
                    "ok": true, "file": config.file, "not_limited": config.not_limited(),
                    "start_needs": start_needs(&config),
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
                for need in start_needs(&config) {
                    println!("a start needs, and has not: {need}");
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

/// What `run` asks for before it trades on real accounts and what is not there now: the file is right
/// without it, as keys are where the engine runs.
fn start_needs(config: &Config) -> Vec<String> {
    let mut needs = Vec::new();
    if config.mode == Mode::Live {
        if !config.armed {
            needs.push(format!("armed = true in {}: real money", config.file));
        }
        needs.push("--live on the command line: real money".to_owned());
    }
    if matches!(config.mode, Mode::Live | Mode::Testnet) {
        let all = config.venues.iter().map(|venue| config.credentials(venue.venue));
        needs.extend(all.filter_map(|keys| Some(keys.err()?.to_string())));
    }
    needs
}

/// What the configuration wants of this host is there: the CPUs that threads are pinned to, and allowed,
/// and the programs of strategies.
pub(super) fn check_host(config: &Config) -> Result<(), ConfigError> {
    let allowed = allowed_cpus();
    for thread in &config.threads {
        if let Some(core) = thread.core {
            check_core(core, &allowed).map_err(|text| config.error_at(thread.place, text))?;
        }
    }
    for strategy in &config.strategies {
        if let RunConfig::Process(ProcessConfig { command, .. }) = &strategy.run
            && let Some(program) = command.first()
        {
            check_program(program, std::env::var_os("PATH")).map_err(|text| {
                let text = format!("strategy {}: command {program:?} {text}", strategy.name);
                config.error_at(strategy.places.command, text)
            })?;
        }
    }
    Ok(())
}

/// Whether there is a program of this name, looked for as it will be when it is started.
fn check_program(program: &str, folders: Option<OsString>) -> Result<(), &'static str> {
    let may_run = |path: &Path| path.is_file() && access(path, Access::EXEC_OK).is_ok();
    if program.contains('/') {
        return match Path::new(program) {
            path if may_run(path) => Ok(()),
            path if path.exists() => Err("is nothing that may be executed"),
            _ => Err("is not there"),
        };
    }
    let (folders, none) = match &folders {
        Some(folders) => (folders.as_os_str(), "is in no folder of PATH"),
        None => {
            (OsStr::new(PATH_WITHOUT), "is neither in /bin nor in /usr/bin, and PATH is not set")
        }
    };
    match std::env::split_paths(folders).any(|folder| may_run(&folder.join(program))) {
        true => Ok(()),
        false => Err(none),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::OpenOptionsExt;

    #[test]
    fn what_a_start_on_real_accounts_needs_is_told() {
        let named = crate::config::DEFAULT_TOML
            .replace("BINANCE_API_KEY", "STOOP_NO_SUCH_KEY")
            .replace("BYBIT_API_KEY", "STOOP_NO_SUCH_KEY");
        let of = |mode: &str| {
            let text = named.replace("mode = \"sim\"\n", mode);
            start_needs(&Config::parse("engine.toml", &text).unwrap())
        };
        let key = |venue: &str| {
            format!(
                "keys of {venue}: environment variable STOOP_NO_SUCH_KEY is not set or not text"
            )
        };
        let live = "--live on the command line: real money".to_owned();
        assert_eq!(of("mode = \"sim\"\n"), [""; 0]);
        assert_eq!(of("mode = \"paper\"\n"), [""; 0]);
        assert_eq!(of("mode = \"testnet\"\n"), [key("binance"), key("bybit")]);
        let armed = "armed = true in engine.toml: real money".to_owned();
        assert_eq!(of("mode = \"live\"\n"), [armed, live.clone(), key("binance"), key("bybit")]);
        let expected = [live, key("binance"), key("bybit")];
        assert_eq!(of("mode = \"live\"\narmed = true\n"), expected);
    }

    /// As the C library looks for it: not in the working folder.
    #[test]
    fn without_path_a_program_is_looked_for_where_the_system_has_its_own() {
        assert_eq!(check_program("sh", None), Ok(()));
        let said = check_program("Cargo.toml", None).unwrap_err();
        assert_eq!(said, "is neither in /bin nor in /usr/bin, and PATH is not set");
        assert!(check_program("sh", Some(OsString::from("/no/such"))).is_err());
    }

    #[test]
    fn a_strategy_s_program_must_be_there_and_one() {
        let check = |program: &str| check_program(program, std::env::var_os("PATH"));
        assert_eq!(check("sh"), Ok(()));
        assert_eq!(check("/proc/self/exe"), Ok(()));
        assert_eq!(check("no-such-program-here"), Err("is in no folder of PATH"));
        assert_eq!(check("./no/such"), Err("is not there"));
        let none = std::env::temp_dir().join(format!("stoop-none-{}", std::process::id()));
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600).open(&none).unwrap();
        let said = check(none.to_str().unwrap());
        std::fs::remove_file(&none).unwrap();
        assert_eq!(said, Err("is nothing that may be executed"));
        let text = format!(
            "{}\n[[strategy]]\nname = \"mine\"\nrun = \"process\"\ncommand = [\"./no/such\"]\n",
            crate::config::DEFAULT_TOML
        );
        let line = text.lines().count();
        let config = Config::parse("engine.toml", &text).unwrap();
        let expected =
            format!("engine.toml:{line}:11: strategy mine: command \"./no/such\" is not there");
        assert_eq!(check_host(&config).unwrap_err().to_string(), expected);
    }
}
