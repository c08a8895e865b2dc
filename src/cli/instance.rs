//! Finding instances by their folders, and asking a running one over its control socket.

#![forbid(unsafe_code)]

use super::{EXIT_INSTANCE, Failure};
use crate::agents::control::{ControlReply, ControlRequest, SOCKET_NAME};
use crate::config::{Config, ConfigError};
use crate::shm::MarketView;
use crate::show::About;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Where instances have their folders.
const FOLDERS: &str = "/dev/shm";
const PREFIX: &str = "stoop-";
/// How long an engine that has stopped may take to sum up and end its process.
const END_MARGIN: Duration = Duration::from_secs(10);

/// A running instance.
pub(super) struct Instance {
    pub(super) name: String,
    pub(super) folder: PathBuf,
}

impl Instance {
    /// The one of this name; without a name that of this folder, or in a folder of none the only one.
    /// Where `./engine.toml` names one that does not run, no other is shown or changed in its place.
    pub(super) fn find(name: Option<&str>) -> Result<Self, Failure> {
        let running = running();
        if let Some(name) = name {
            let found = running.into_iter().find(|instance| instance.name == name);
            return found.ok_or_else(|| {
                let path = folder_of(name);
                let folder = path.display();
                let left = if path.exists() {
                    "; its folder is there, but nobody answers: it has crashed"
                } else {
                    ""
                };
                missing(format!("no instance {name:?} runs; its folder would be {folder}{left}"))
            });
        }
        meant(running, name_of_this_folder())
    }

    /// Whether its socket takes connections.
    pub(super) fn answers(&self) -> bool {
        self.connect().is_ok()
    }

    /// Its region, read-only.
    pub(super) fn attach(&self) -> Result<MarketView, Failure> {
        MarketView::attach(&self.folder).map_err(|error| missing(error.to_string()))
    }

    /// What it says of itself; nothing if it says nothing.
    pub(super) fn about(&self) -> About {
        About::read(&self.folder).unwrap_or_default()
    }

    fn connect(&self) -> std::io::Result<UnixStream> {
        UnixStream::connect(self.folder.join(SOCKET_NAME))
    }

    /// Sends a request and waits for the reply.
    pub(super) fn ask(
        &self,
        request: &ControlRequest,
        patience: Duration,
    ) -> Result<ControlReply, Failure> {
        let path = self.folder.join(SOCKET_NAME);
        let failed = |what: String| missing(format!("{}: {what}", path.display()));
        let mut stream = self.connect().map_err(|error| failed(error.to_string()))?;
        let line = serde_json::to_string(request).unwrap_or_default() + "\n";
        stream.write_all(line.as_bytes()).map_err(|error| failed(error.to_string()))?;
        stream.set_read_timeout(Some(patience)).map_err(|error| failed(error.to_string()))?;
        let mut reply = String::new();
        match BufReader::new(stream).read_line(&mut reply) {
            Ok(0) => Err(failed("the engine closed the connection without a reply".to_owned())),
            Ok(_) => serde_json::from_str(&reply)
                .map_err(|error| failed(format!("the reply is of another version: {error}"))),
            Err(error) if is_timeout(&error) => {
                let seconds = patience.as_secs();
                Err(failed(format!("no reply within {seconds} s: is the engine stopped?")))
            }
            Err(error) => Err(failed(error.to_string())),
        }
    }

    /// Whether its process has ended and cleaned up within a bound.
    pub(super) fn wait_for_its_end(&self) -> bool {
        let until = Instant::now() + END_MARGIN;
        while self.connect().is_ok() || self.folder.join(SOCKET_NAME).exists() {
            if Instant::now() >= until {
                return false;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        true
    }
}

/// The instance that `./engine.toml` names, whatever else may be wrong with its values; `None` without such
/// a file. It is not known if the file cannot be read, or this shell lacks a variable that the name has.
pub(super) fn name_of_this_folder() -> Result<Option<String>, ConfigError> {
    name_in(Path::new("./engine.toml"))
}

fn name_in(path: &Path) -> Result<Option<String>, ConfigError> {
    // A link that leads nowhere, or a folder that may not be looked into, is a file that cannot be read.
    match path.symlink_metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        _ => Config::name_of(path).map(Some),
    }
}

/// The one that is meant where none is named; `own` is that of `./engine.toml`.
fn meant(
    mut running: Vec<Instance>,
    own: Result<Option<String>, ConfigError>,
) -> Result<Instance, Failure> {
    let is_own = |one: &Instance| matches!(&own, Ok(Some(own)) if one.name == *own);
    if let Some(at) = running.iter().position(is_own) {
        return Ok(running.swap_remove(at));
    }
    let names: Vec<String> = running.iter().map(|one| format!("{:?}", one.name)).collect();
    let (names, count) = (names.join(", "), names.len());
    let chooses = |one: &Instance| {
        let name = if count == 1 { one.name.as_str() } else { "NAME" };
        format!("--name {name} chooses what runs: {names}")
    };
    Err(missing(match (running.pop(), own) {
        (None, _) => format!("no instance runs; instances have a folder {FOLDERS}/{PREFIX}NAME"),
        (Some(one), Ok(Some(own))) => format!(
            "./engine.toml names {own:?}, which does not run: `stoop events` tells of its last run; {}",
            chooses(&one)
        ),
        (Some(one), Err(error)) => {
            format!("which instance is meant is not known here: {error}; {}", chooses(&one))
        }
        (Some(one), Ok(None)) if count == 1 => return Ok(one),
        (Some(_), Ok(None)) => format!("several instances run; choose with --name: {names}"),
    }))
}

fn is_timeout(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
}

/// Its process has gone without a word while it was looked at.
pub(super) fn died(name: &str, pid: u32) -> Failure {
    missing(format!(
        "instance {name:?} has died: process {pid} is gone, what was shown last is from before; its \
         orders may work at the venues"
    ))
}

/// There is no such instance, or it does not answer.
pub(super) fn missing(message: String) -> Failure {
    Failure { code: EXIT_INSTANCE, message }
}

/// Instances whose socket takes connections, by name.
pub(super) fn running() -> Vec<Instance> {
    all().into_iter().filter(Instance::answers).collect()
}

/// This user's instances that have a folder, dead or alive, by name.
pub(super) fn all() -> Vec<Instance> {
    let own = rustix::process::geteuid().as_raw();
    let mut list = Vec::new();
    for entry in std::fs::read_dir(FOLDERS).into_iter().flatten().flatten() {
        let file = entry.file_name();
        let Some(name) = file.to_str().and_then(|file| file.strip_prefix(PREFIX)) else { continue };
        if entry.metadata().is_ok_and(|meta| meta.is_dir() && meta.uid() == own) {
            list.push(Instance { name: name.to_owned(), folder: entry.path() });
        }
    }
    list.sort_by(|a, b| a.name.cmp(&b.name));
    list
}

/// The folder that an instance of this name has while it runs.
pub(super) fn folder_of(name: &str) -> PathBuf {
    Path::new(FOLDERS).join(format!("{PREFIX}{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_where_there_is_no_file_no_name_is_known() {
        let name = format!("stoop-name-in-{}", std::process::id());
        let root = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&root).unwrap();
        let path = root.join("engine.toml");
        assert_eq!(name_in(&path), Ok(None));
        std::os::unix::fs::symlink("nowhere", &path).unwrap();
        assert!(name_in(&path).is_err(), "a link that leads nowhere");
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "[engine]\nname = \"desk\"\n").unwrap();
        assert_eq!(name_in(&path), Ok(Some("desk".to_owned())));
        assert!(name_in(&path.join("engine.toml")).is_err(), "no folder");
        std::fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn what_this_folder_names_is_meant_and_never_another_one_in_its_place() {
        let running = |names: &[&str]| -> Vec<Instance> {
            let one = |name: &&str| Instance { name: (*name).to_owned(), folder: folder_of(name) };
            names.iter().map(one).collect()
        };
        let meant = |names: &[&str], own: Option<&str>| {
            let own = match own {
                Some("?") => Err(ConfigError::without_place("a", "VAR is not set".to_owned())),
                own => Ok(own.map(str::to_owned)),
            };
            let found = meant(running(names), own);
            found.map(|one| one.name).map_err(|failure| (failure.code, failure.message))
        };
        let is = |name: &str| Ok(name.to_owned());
        assert_eq!(meant(&["a"], None), is("a"));
        assert_eq!(meant(&["a", "b"], Some("b")), is("b"));
        for (names, own, said) in [
            (&[][..], Some("b"), "no instance runs"),
            (&["a"], Some("b"), "names \"b\", which does not run"),
            (&["a"], Some("b"), "--name a chooses"),
            (&["a", "c"], Some("b"), "--name NAME chooses what runs: \"a\", \"c\""),
            (&["a", "c"], None, "several instances run"),
            (&[], Some("?"), "no instance runs"),
            (&["a"], Some("?"), "not known here: a: VAR is not set; --name a chooses"),
            (&["a", "c"], Some("?"), "a: VAR is not set; --name NAME chooses"),
        ] {
            let (code, text) = meant(names, own).unwrap_err();
            assert!(code == EXIT_INSTANCE && text.contains(said), "{text}");
        }
    }
}
