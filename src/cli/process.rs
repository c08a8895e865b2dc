//! `stoop strategy-process`: what the engine starts for a strategy that runs in a process of its own.
//! Bound to the engine's life, it runs the strategy or becomes the command that does.

#![forbid(unsafe_code)]

use super::{EXIT_FAILURE, EXIT_OK, Failure};
use crate::agents;
use crate::agents::control::CONFIG_NAME;
use crate::bench;
use crate::config::Config;
use crate::shm::MarketView;
use crate::strategy::{Strategy, process};
use rustix::process::{Signal, getppid, set_parent_process_death_signal};
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

pub(super) fn strategy_process(
    engine: i32,
    command: &[OsString],
    own: Vec<(String, Box<dyn Strategy>)>,
) -> Result<u8, Failure> {
    let bound = set_parent_process_death_signal(Some(Signal::KILL));
    bound.map_err(|error| Failure::new(format!("not bound to the engine's life: {error}")))?;
    if getppid().is_none_or(|parent| parent.as_raw_nonzero().get() != engine) {
        // It ended before it could be bound to.
        return Ok(EXIT_FAILURE);
    }
    if let Some((program, arguments)) = command.split_first() {
        let error = Command::new(program).args(arguments).exec();
        return Err(Failure::new(format!("{}: {error}", program.display())));
    }
    run(own).map_err(Failure::new)?;
    Ok(EXIT_OK)
}

fn run(own: Vec<(String, Box<dyn Strategy>)>) -> Result<(), String> {
    let (folder, name) = process::place()?;
    if name == bench::HANDOFF_STRATEGY {
        return process::run_at(&folder, &name, Box::new(bench::Echo));
    }
    let names: Vec<String> = own.iter().map(|(name, _)| name.clone()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let path = folder.join(CONFIG_NAME);
    let config = Config::load_with(&path, &names).map_err(|error| error.to_string())?;
    let view = MarketView::attach(&folder).map_err(|error| error.to_string())?;
    let strategy = agents::strategy_named(&config, &name, own, view.instruments())?;
    process::run_at(&folder, &name, strategy)
}
