//! Starts a strategy's process: with what in its environment, and bound to this one.
//!
//! The engine's own program is started in either case: it asks the kernel to be killed with the
//! engine, then runs the strategy or becomes the command. It has a process group of its own, so that
//! Ctrl-C at the terminal reaches the engine alone, which ends its strategies last, and so that what a
//! strategy starts itself can be ended with it.

#![forbid(unsafe_code)]

use super::ChildPlan;
use crate::config::{Config, Idle, SecretError};
use crate::strategy::process::{IDLE_VARIABLE, REGION_VARIABLE, STRATEGY_VARIABLE};
use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The hidden command of this program that runs a strategy.
pub const PROCESS_COMMAND: &str = "strategy-process";

/// This program, also once its file has been replaced.
const THIS_PROGRAM: &str = "/proc/self/exe";

/// What a process needs to find programs, libraries, files and its language. Of everything else that
/// the engine's environment holds it gets what the configuration puts into its values; keys stay here.
const PASSED_ON: [&str; 13] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LANGUAGE",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "PYTHONPATH",
    "VIRTUAL_ENV",
];

/// The environment of all strategies' processes of an engine.
pub fn environment(
    config: &Config,
    folder: &Path,
) -> Result<Vec<(OsString, OsString)>, SecretError> {
    let idle = match config.idle {
        Idle::Spin => "spin",
        Idle::Yield => "yield",
        Idle::Park => "park",
    };
    // The configuration is read again there, with what it takes from the environment.
    let used = config.variables.used.iter().map(String::as_str);
    let used = used.filter(|name| !PASSED_ON.contains(name));
    let secret = config.secret_variables()?;
    let is_secret = |name: &&str| secret.iter().any(|secret| secret == name);
    let passed = PASSED_ON.iter().copied().chain(used).filter(|name| !is_secret(name));
    let passed = passed.filter_map(|name| Some((OsString::from(name), std::env::var_os(name)?)));
    let own = [(REGION_VARIABLE, folder.as_os_str()), (IDLE_VARIABLE, idle.as_ref())];
    let own = own.map(|(name, value)| (OsString::from(name), value.to_owned()));
    let log = std::env::var_os("STOOP_LOG").map(|value| ("STOOP_LOG".into(), value));
    Ok(passed.chain(own).chain(log).collect())
}

/// Starts the process.
pub(super) fn launch(plan: &ChildPlan, environment: &[(OsString, OsString)]) -> io::Result<Child> {
    let mut command = Command::new(THIS_PROGRAM);
    command
        .arg0(format!("stoop-strategy-{}", plan.name))
        .args([PROCESS_COMMAND, "--engine", &std::process::id().to_string(), "--"])
        .args(&plan.process.command)
        .env_clear()
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .env(STRATEGY_VARIABLE, &plan.name)
        .env("RUST_BACKTRACE", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    command.spawn()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_holds_no_secret() {
        let text = crate::config::DEFAULT_TOML.replace("BINANCE_API_KEY", "HOME");
        let text = text.replace("name = \"stoop\" ", "name = \"${CARGO_PKG_NAME}\" ");
        let config = Config::parse("engine.toml", &text).unwrap();
        let all = environment(&config, Path::new("/dev/shm/stoop-x")).unwrap();
        let value =
            |name: &str| all.iter().find(|(known, _)| known == name).map(|(_, v)| v.clone());
        assert_eq!(value("STOOP_REGION"), Some("/dev/shm/stoop-x".into()));
        assert_eq!(value("STOOP_IDLE"), Some("yield".into()));
        assert_eq!(value("PATH"), std::env::var_os("PATH"));
        // What the configuration takes from it when it is read again.
        assert_eq!(value("CARGO_PKG_NAME"), Some("stoop".into()));
        // Here a person keeps a key in it.
        assert_eq!(value("HOME"), None);
        let known = |name: &OsString| {
            PASSED_ON.iter().any(|known| name == known)
                || name.to_string_lossy().starts_with("STOOP_")
                || name == "CARGO_PKG_NAME"
        };
        assert!(all.iter().all(|(name, _)| known(name)), "{all:?}");
    }

    #[test]
    fn what_the_file_of_all_accounts_names_stays_here() {
        use std::os::unix::fs::PermissionsExt;
        let path = std::env::temp_dir().join(format!("stoop-launch-{}", std::process::id()));
        let keys =
            "[credentials.other.okx]\napi_key = \"${HOME}\"\npassphrase = { env = \"LANG\" }\n";
        std::fs::write(&path, keys).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let text = format!("credentials_file = {path:?}\n{}", crate::config::DEFAULT_TOML);
        let config = Config::parse("engine.toml", &text).unwrap();
        let folder = Path::new("/dev/shm/stoop-x");
        let all = environment(&config, folder).unwrap();
        assert!(all.iter().any(|(name, _)| name == "PATH"));
        assert!(!all.iter().any(|(name, _)| name == "HOME" || name == "LANG"), "{all:?}");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let error = environment(&config, folder).unwrap_err().to_string();
        assert!(error.contains("has mode 0644"), "{error}");
        std::fs::remove_file(path).unwrap();
    }
}
