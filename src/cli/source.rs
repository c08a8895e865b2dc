//! Of which instance a command tells: one that runs, found by its folder, or one that has ended, found
//! by its journal.

#![forbid(unsafe_code)]

use super::instance::{self, Instance};
use super::output::read_error;
use super::{ConfigArgument, EXIT_JOURNAL, Failure};
use crate::journal::Place;
use crate::shm::MarketView;
use crate::show::{About, From, Walk};
use serde_json::Value;
use std::path::PathBuf;

/// Which instance, running or ended.
#[derive(clap::Args)]
pub(super) struct Source {
    /// Instance: `name` in its [engine]; without it that of ./engine.toml, running or its last run;
    /// without such a file the only one that runs, else the last run of the configuration
    #[arg(long, value_name = "INSTANCE", conflicts_with_all = ["folder", "config"])]
    name: Option<String>,
    /// Folder of a journal, of an instance that has ended too
    #[arg(long, value_name = "FOLDER", conflicts_with = "config")]
    folder: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigArgument,
}

/// What was found.
pub(super) struct Subject {
    /// Its name, where that is known.
    pub(super) instance: Option<String>,
    /// Its region, while it runs.
    pub(super) view: Option<MarketView>,
    journal: Option<PathBuf>,
}

impl Source {
    /// Finds it.
    pub(super) fn find(&self) -> Result<Subject, Failure> {
        if let Some(folder) = &self.folder {
            return Ok(Subject::ended(folder.clone()));
        }
        if let Some(name) = &self.name {
            return match Instance::find(Some(name)) {
                Ok(running) => Subject::running(running),
                Err(failure) => Subject::dead(name).ok_or(failure),
            };
        }
        let mut running = instance::running();
        // In the folder of one that has crashed nobody asks of another that runs.
        let own_name = instance::name_of_this_folder();
        let of_another =
            matches!(&own_name, Ok(Some(own)) if running.iter().all(|one| one.name != *own));
        if self.config.config.is_some() || running.is_empty() || of_another {
            let config = self.config.load_any()?;
            if let Some(at) = running.iter().position(|one| one.name == config.name) {
                return Subject::running(running.swap_remove(at));
            }
            let folder = config.journal_folder();
            if self.config.config.is_none() && !folder.is_dir() {
                return Err(instance::missing(format!(
                    "instance {:?} does not run, and the configuration's journal {} is not there; \
                     --name, --folder or --config says which instance is meant",
                    config.name,
                    folder.display()
                )));
            }
            return Ok(Subject::ended(folder));
        }
        Subject::running(Instance::find(None)?)
    }
}

impl Subject {
    fn running(instance: Instance) -> Result<Self, Failure> {
        let (view, journal) = (instance.attach()?, instance.about().journal);
        Ok(Self { instance: Some(instance.name), view: Some(view), journal })
    }

    fn ended(folder: PathBuf) -> Self {
        Self { instance: None, view: None, journal: Some(folder) }
    }

    /// An instance that left its folder behind: its journal tells of it.
    fn dead(name: &str) -> Option<Self> {
        let journal = About::read(&instance::folder_of(name)).ok()?.journal?;
        Some(Self { instance: Some(name.to_owned()), view: None, journal: Some(journal) })
    }

    /// Its journal.
    pub(super) fn place(&self) -> Result<Place, Failure> {
        let Some(folder) = &self.journal else {
            let name = self.instance.as_deref().unwrap_or("?");
            return Err(instance::missing(format!(
                "instance {name:?} does not say where its journal is: it keeps none, or is of \
                 another version"
            )));
        };
        if folder.is_dir() {
            return Ok(Place::Folder(folder.clone()));
        }
        let message =
            format!("{}: there is no journal here; --folder names another", folder.display());
        Err(Failure { code: EXIT_JOURNAL, message })
    }

    /// Begins to go through its journal; what is not as it should be is logged.
    pub(super) fn walk(&self, from: From) -> Result<Walk, Failure> {
        let walk = Walk::open(&self.place()?, from).map_err(read_error)?;
        for warning in &walk.warnings {
            tracing::warn!("{warning}");
        }
        Ok(walk)
    }

    /// What a program is told of it.
    pub(super) fn head(&self) -> Vec<(&'static str, Value)> {
        let journal = self.journal.as_ref().map(|folder| folder.display().to_string());
        vec![
            ("instance", self.instance.clone().into()),
            ("running", self.view.is_some().into()),
            ("journal", journal.into()),
        ]
    }
}
