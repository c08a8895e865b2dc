//! What a running instance says of itself beside the region: one small file in its folder, written
//! once at the start and removed at the end. Whoever finds the folder learns from it against what the
//! instance trades and where its journal lies.

#![forbid(unsafe_code)]

use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

/// Name of the file in the instance's folder.
const FILE: &str = "instance.json";

/// See the module. What a later version adds is left out by an earlier one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct About {
    /// Version of the program.
    pub version: String,
    /// `sim`, `paper`, `testnet` or `live`.
    pub mode: String,
    /// File of the configuration, for people.
    pub config: String,
    /// Folder of the journal; `None` if nothing is recorded.
    pub journal: Option<PathBuf>,
    /// Venues in use.
    pub venues: Vec<String>,
    /// Strategies by number.
    pub strategies: Vec<String>,
    /// How the agents are laid out, for people.
    pub layout: String,
}

impl About {
    /// Writes the file, whole or not at all.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        let (path, new) = (folder.join(FILE), folder.join(".instance.json.new"));
        std::fs::write(&new, serde_json::to_vec_pretty(self)?)?;
        std::fs::rename(new, path)
    }

    /// Reads it; the error is for a person.
    pub fn read(folder: &Path) -> Result<Self, String> {
        let path = folder.join(FILE);
        let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let bytes = std::fs::read(&path).map_err(|error| failed(&error))?;
        serde_json::from_slice(&bytes).map_err(|error| failed(&error))
    }

    /// Whether it trades real money.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.mode == "live"
    }

    /// The same, and whether that is not known: the file was not there, or could not be read.
    #[must_use]
    pub fn may_be_live(&self) -> bool {
        self.is_live() || self.mode.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_what_is_not_there_is_named() {
        let folder = std::env::temp_dir().join(format!("stoop-about-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let missing = About::read(&folder).unwrap_err();
        assert!(missing.contains("instance.json: No such file"), "{missing}");
        let about = About {
            mode: "live".to_owned(),
            journal: Some("/a/journal".into()),
            strategies: vec!["spread".to_owned()],
            ..About::default()
        };
        about.write(&folder).unwrap();
        assert_eq!(About::read(&folder).as_ref(), Ok(&about));
        assert!(about.is_live() && about.may_be_live());
        assert!(!About::default().is_live() && About::default().may_be_live());
        std::fs::write(folder.join(FILE), r#"{"mode":"sim","more":1}"#).unwrap();
        let other = About::read(&folder).unwrap();
        assert_eq!((other.mode.as_str(), other.journal.is_none()), ("sim", true));
        assert!(!other.may_be_live());
        std::fs::write(folder.join(FILE), "{").unwrap();
        assert!(About::read(&folder).is_err());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
