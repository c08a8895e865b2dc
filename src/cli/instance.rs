//! Finding instances by their folders, and asking a running one over its control socket.

#![forbid(unsafe_code)]

use super::{EXIT_INSTANCE, Failure};
use crate::agents::control::{ControlReply, ControlRequest, SOCKET_NAME};
use crate::shm::MarketView;
use crate::show::About;
use std::io::{BufRead, BufReader, Write};
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
    /// The one of this name; without a name the only one, or of several the one of this folder.
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
        match <[Self; 1]>::try_from(running) {
            Ok([only]) => Ok(only),
            Err(none) if none.is_empty() => Err(missing(format!(
                "no instance runs; instances have a folder {FOLDERS}/{PREFIX}NAME"
            ))),
            Err(mut several) => {
                let own = name_of_this_folder();
                if let Some(at) = several.iter().position(|one| Some(&one.name) == own.as_ref()) {
                    return Ok(several.swap_remove(at));
                }
                let names: Vec<&str> = several.iter().map(|one| one.name.as_str()).collect();
                let names = names.join(", ");
                Err(missing(format!("several instances run; choose with --name: {names}")))
            }
        }
    }

    /// The one that a command changes: what is named by nobody is not changed where `./engine.toml` names
    /// another one.
    pub(super) fn find_to_change(name: Option<&str>) -> Result<Self, Failure> {
        let found = Self::find(name)?;
        let own = if name.is_none() { name_of_this_folder() } else { None };
        match not_of_this_folder(&found.name, own.as_deref()) {
            Some(message) => Err(missing(message)),
            None => Ok(found),
        }
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

/// The instance that `./engine.toml` names, whatever else may be wrong with it.
pub(super) fn name_of_this_folder() -> Option<String> {
    let table: toml::Table = std::fs::read_to_string("engine.toml").ok()?.parse().ok()?;
    Some(table.get("engine")?.get("name")?.as_str()?.to_owned())
}

/// Why the only instance that runs is not to be changed, if it is not.
fn not_of_this_folder(found: &str, own: Option<&str>) -> Option<String> {
    let own = own.filter(|own| *own != found)?;
    Some(format!(
        "instance {found:?} runs, but ./engine.toml names {own:?}, which does not: \
         give --name {found} if that is the one"
    ))
}

fn is_timeout(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
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
    fn what_this_folder_names_otherwise_is_not_changed_without_its_name() {
        assert_eq!(not_of_this_folder("a", Some("a")), None);
        assert_eq!(not_of_this_folder("a", None), None);
        let said = not_of_this_folder("a", Some("b")).unwrap();
        assert!(said.contains("names \"b\"") && said.contains("--name a"), "{said}");
    }
}
