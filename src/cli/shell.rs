//! `stoop completions SHELL` and `stoop man FOLDER`: made of the commands themselves.

#![forbid(unsafe_code)]

use super::{Failure, command};
use clap_complete::Shell;
use std::io;
use std::path::PathBuf;

/// What was typed for `completions`.
#[derive(clap::Args)]
pub(super) struct CompletionOptions {
    /// Which shell
    #[arg(value_enum)]
    shell: Shell,
}

/// What was typed for `man`.
#[derive(clap::Args)]
pub(super) struct ManOptions {
    /// Where the pages go; made if it is not there
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
}

/// Prints the script of a shell.
pub(super) fn completions(options: &CompletionOptions) -> Result<u8, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut command(), "stoop", &mut script);
    super::output::print(&String::from_utf8_lossy(&script))
}

/// Writes one page for each command.
pub(super) fn man(options: &ManOptions) -> Result<u8, Failure> {
    let folder = &options.folder;
    let failed = |error: io::Error| Failure::new(format!("{}: {error}", folder.display()));
    std::fs::create_dir_all(folder).map_err(failed)?;
    clap_mangen::generate_to(command(), folder).map_err(failed)?;
    super::output::print(&format!("pages are in {0}: man {0}/stoop.1\n", folder.display()))
}
