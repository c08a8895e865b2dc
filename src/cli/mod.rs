//! The commands: what a person types and what comes back.
//!
//! Exit codes: 0 all well, 1 failure, 2 wrong usage, 3 configuration, 4 venue, 5 no such instance
//! runs, 6 begun but not all confirmed in time, 7 no such order or instrument, or more than one,
//! 8 the journal is not there, cannot be read, or is of another version. `doctor` fails if a finding is
//! FAIL, not for a WARN; `tune --apply` gives 6 if one of its commands failed.

#![forbid(unsafe_code)]

mod account;
mod armed;
mod bench;
mod check;
mod doctor;
mod events;
mod help;
mod instance;
mod instruments;
mod journal;
mod latency;
pub mod ledger;
mod log_file;
mod monitor;
mod new;
mod operate;
mod orders;
mod output;
#[cfg(test)]
mod pages;
mod paper;
mod params;
mod pick;
mod process;
mod ps;
mod record;
mod replay;
mod run;
mod shell;
mod signals;
mod sim;
mod source;
mod standard_error;
mod status;
mod summary;
mod tune;
mod venues;
mod why;

use self::standard_error::Lines;
use crate::config::Config;
use crate::strategy::Strategy;
use crate::types::Nanos;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

/// All well.
pub const EXIT_OK: u8 = 0;
/// Something failed that is none of the below.
pub const EXIT_FAILURE: u8 = 1;
/// It was typed wrongly.
pub const EXIT_USAGE: u8 = 2;
/// The configuration is wrong.
pub const EXIT_CONFIG: u8 = 3;
/// A venue could not be reached or refused us.
pub const EXIT_VENUE: u8 = 4;
/// No such instance runs, or it does not answer.
pub const EXIT_INSTANCE: u8 = 5;
/// A command was begun, but not everything was confirmed in time or could be done.
pub const EXIT_UNCONFIRMED: u8 = 6;
/// No such order or instrument, or more than one.
pub const EXIT_NOT_FOUND: u8 = 7;
/// The journal is not there, cannot be read, or is of another version.
pub const EXIT_JOURNAL: u8 = 8;

#[derive(Parser)]
#[command(name = "stoop", version, about, long_about = None, max_term_width = 100)]
#[command(after_help = "Exit codes: 0 all well, 1 failure, 2 usage, 3 configuration, 4 venue,\n\
    5 no such instance runs, 6 begun but not all confirmed in time, 7 no such order or\n\
    instrument, or more than one, 8 the journal cannot be read.\n\
    Try: stoop run --for 30s")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Trade until Ctrl-C, or for a while, then cancel everything and print a summary
    Run {
        /// Stop by itself after this time: 30s, 5m, 1h
        #[arg(long = "for", value_name = "TIME", value_parser = parse_duration)]
        duration: Option<std::time::Duration>,
        /// Allow trading with real money, if the configuration arms it too
        #[arg(long)]
        live: bool,
        /// Print the summary as one JSON object on the last line
        #[arg(long)]
        json: bool,
        /// Write log lines even on a terminal instead of showing the board
        #[arg(long)]
        plain: bool,
        #[command(flatten)]
        config: ConfigArgument,
    },
    /// Write down what the venues' public feeds send, and their rules, for `replay`; trades nothing and needs no
    /// keys
    Record(record::Options),
    /// Run the engine over recorded markets in virtual time: the same decisions every time
    Replay(replay::Options),
    /// Make a project with a strategy of your own
    New(new::Wanted),
    /// Check a configuration and say what is wrong with it, where
    Check {
        /// Print the result as JSON
        #[arg(long)]
        json: bool,
        /// Check the file alone: do not ask the venues whether the instruments exist
        #[arg(long)]
        offline: bool,
        #[command(flatten)]
        config: ConfigArgument,
    },
    /// Run the simulated venues alone, for other programs to connect to
    Sim {
        /// Stop by itself after this time
        #[arg(long = "for", value_name = "TIME", value_parser = parse_duration)]
        duration: Option<std::time::Duration>,
        /// Print addresses, CA file and keys as one JSON object, and at the end another one with what
        /// the venues hold for the account
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: ConfigArgument,
    },
    /// List the configured instruments, or all of a venue, with the venues' rules and fees
    Instruments {
        #[command(flatten)]
        which: instruments::Which,
        #[command(flatten)]
        config: ConfigArgument,
    },
    /// Stop a running engine: no new orders, all of its own cancelled and confirmed
    Stop {
        #[command(flatten)]
        wait: operate::Wait,
        #[command(flatten)]
        to: operate::To,
    },
    /// Cancel orders, those placed by hand too, again and again until they have ended
    CancelAll {
        #[command(flatten)]
        of: operate::Of,
        #[command(flatten)]
        wait: operate::Wait,
        #[command(flatten)]
        to: operate::To,
    },
    /// Pause, cancel orders and close positions by limit orders inside the price collar
    Flatten {
        #[command(flatten)]
        of: operate::Of,
        #[command(flatten)]
        wait: operate::Wait,
        #[command(flatten)]
        to: operate::To,
    },
    /// Allow no new orders
    Pause {
        #[command(flatten)]
        of: operate::Of,
        #[command(flatten)]
        to: operate::To,
    },
    /// Allow new orders again
    Resume {
        #[command(flatten)]
        of: operate::Of,
        #[command(flatten)]
        to: operate::To,
    },
    /// Allow only orders that make a position smaller
    ReduceOnly {
        #[command(flatten)]
        of: operate::Of,
        #[command(flatten)]
        to: operate::To,
    },
    /// Ask venues for open orders, fills and balances and compare
    Reconcile {
        /// Only this venue
        #[arg(long)]
        venue: Option<String>,
        /// Take the venue's balances as they are: a deposit, a withdrawal, or a decision of yours
        #[arg(long, requires = "venue")]
        accept: bool,
        #[command(flatten)]
        to: operate::To,
    },
    /// Change a limit, or a parameter of a strategy, until the end of the run
    ///
    /// The name of a strategy alone lists its parameters: what they are now and what they may be.
    /// Nothing at all lists those of every strategy.
    Set {
        /// Name of a strategy, if it is about a parameter of it; then a key of [limits] or of its
        /// [strategy.params] and the value, in the unit of the file
        #[arg(value_name = "[STRATEGY] KEY=VALUE", num_args = 0..=2)]
        setting: Vec<String>,
        #[command(flatten)]
        to: operate::To,
    },
    /// List the instances of this user, those that have died too
    Ps(ps::Options),
    /// Show what an operator asks first of a running instance: what it may do, which venues are
    /// ready and why not, positions, profit, limits in force (those of single strategies too), the
    /// last event, and how busy each thread is
    Status {
        #[command(flatten)]
        to: operate::To,
    },
    /// Watch a running instance on screens, and pause, cancel, flatten or halt it by a key
    Monitor(monitor::Options),
    /// List orders, of an instance that runs or of one that has ended
    Orders(orders::OrderOptions),
    /// List fills, of an instance that runs or of one that has ended
    Fills(orders::FillOptions),
    /// List positions: valued now, or as an ended instance has left them
    Positions(account::PositionOptions),
    /// Show profit and loss, exact
    Pnl(account::PnlOptions),
    /// Show the books of a running instance
    Books(account::BookOptions),
    /// Show what happened: readiness, halts, refusals, funding, corrections, outcomes of legs
    Events(events::Options),
    /// Tell one order's whole life, with times since its signal and reasons
    Why(why::Options),
    /// Write fills, orders or events for other programs
    Export(orders::ExportOptions),
    /// Show what each stage from tick to order takes in a running engine, and the worst paths
    Latency {
        #[command(flatten)]
        options: latency::Options,
    },
    /// Read the journal: everything that happened, as it was acted on
    Journal {
        #[command(subcommand)]
        action: journal::Action,
    },
    /// Run one strategy of an engine, which starts this by itself
    #[command(hide = true)]
    StrategyProcess {
        /// Process of the engine
        #[arg(long)]
        engine: i32,
        /// Another program that runs it, and its arguments
        #[arg(last = true)]
        command: Vec<std::ffi::OsString>,
    },
    /// Measure the engine on this host
    Bench(bench::Arguments),
    /// Look whether this host is fit for low latency; changes nothing
    ///
    /// Exit codes: 0 without a FAIL, 1 with one.
    Doctor(doctor::Arguments),
    /// Print what mends the host, each command with why and how to undo it
    ///
    /// Exit codes: 0 all well, 6 some of --apply failed.
    Tune(tune::Arguments),
    /// Print what makes a shell complete these commands
    Completions(shell::CompletionOptions),
    /// Write manual pages
    Man(shell::ManOptions),
    /// Print the version
    Version,
}

#[derive(clap::Args)]
struct ConfigArgument {
    /// Configuration file; without it ./engine.toml if there is one, else the built-in one
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl ConfigArgument {
    /// For a command that runs strategies, among them these of the program.
    fn load(&self, own: &[&str]) -> Result<Config, Failure> {
        let config = match self.file() {
            Some(path) => Config::load_with(&path, own),
            None => Config::embedded_with(own),
        };
        config.map_err(|error| Failure::config(error.to_string()))
    }

    /// For a command that runs none: the file may be that of a program with strategies of its own.
    fn load_any(&self) -> Result<Config, Failure> {
        let config = self.file().map_or_else(Config::embedded, |path| Config::load_any(&path));
        config.map_err(|error| Failure::config(error.to_string()))
    }

    fn file(&self) -> Option<PathBuf> {
        let default = || Some(PathBuf::from("engine.toml")).filter(|path| path.exists());
        self.config.clone().or_else(default)
    }
}

fn parse_duration(text: &str) -> Result<std::time::Duration, String> {
    crate::config::parse_duration(text).map(|nanos| std::time::Duration::from_nanos(nanos.0))
}

/// Why a command ended badly.
struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    fn new(message: String) -> Self {
        Self { code: EXIT_FAILURE, message }
    }

    fn usage(message: String) -> Self {
        Self { code: EXIT_USAGE, message }
    }

    fn venue(message: String) -> Self {
        Self { code: EXIT_VENUE, message }
    }

    fn config(message: String) -> Self {
        Self { code: EXIT_CONFIG, message }
    }
}

/// Log lines go to standard error, so that standard output holds results only. `STOOP_LOG` chooses
/// the levels, `info` if it is not set. Gives what has to be waited for at the end.
fn start_log() -> Option<Lines> {
    let filter = tracing_subscriber::EnvFilter::try_from_env("STOOP_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let lines = Lines::start().ok();
    let writer = match lines.clone() {
        Some(lines) => BoxMakeWriter::new(lines),
        None => BoxMakeWriter::new(std::io::stderr),
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_target(false)
        .log_internal_errors(false)
        .init();
    lines
}

/// Now, by the wall clock that the engine's times are near.
fn wall_clock() -> Nanos {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Nanos(u64::try_from(now.unwrap_or_default().as_nanos()).unwrap_or(u64::MAX))
}

/// The commands with their examples.
fn command() -> clap::Command {
    help::with_examples(Arguments::command())
}

/// Does what the command line says.
#[must_use]
pub fn main() -> ExitCode {
    main_with(Vec::new())
}

/// The same for a program that brings strategies of its own, by name: `run` runs them beside those
/// of the configuration. See [`crate::strategy`] for an example.
#[must_use]
pub fn main_with(strategies: Vec<(String, Box<dyn Strategy>)>) -> ExitCode {
    let names: Vec<String> = strategies.iter().map(|(name, _)| name.clone()).collect();
    let own: Vec<&str> = names.iter().map(String::as_str).collect();
    let matches = command().get_matches();
    let arguments = Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let lines = start_log();
    let result = match arguments.command {
        Command::Run { duration, live, json, plain, config } => {
            config.load(&own).and_then(|config| {
                run::run(&config, &run::Options { duration, live, json, plain }, strategies)
            })
        }
        Command::Check { json, offline, config } => {
            check::check(&config, &strategies, json, offline)
        }
        Command::Sim { duration, json, config } => {
            config.load_any().and_then(|config| sim::sim(&config, duration, json))
        }
        Command::Instruments { which, config } => {
            config.load_any().and_then(|config| instruments::instruments(&config, &which))
        }
        Command::Journal { action } => journal::journal(&action),
        Command::StrategyProcess { engine, command } => {
            process::strategy_process(engine, &command, strategies)
        }
        Command::Bench(arguments) => bench::run(&arguments),
        Command::New(wanted) => new::new(&wanted),
        Command::Record(options) => {
            options.config.load_any().and_then(|config| record::record(&config, &options))
        }
        Command::Replay(options) => options
            .config
            .load(&own)
            .and_then(|config| replay::replay(&config, &options, strategies)),
        Command::Doctor(arguments) => doctor::doctor(&arguments),
        Command::Tune(arguments) => tune::tune(&arguments),
        Command::Orders(options) => orders::orders(&options),
        Command::Fills(options) => orders::fills(&options),
        Command::Export(options) => orders::export(&options),
        Command::Positions(options) => account::positions(&options),
        Command::Pnl(options) => account::pnl(&options),
        Command::Events(options) => events::events(&options),
        Command::Why(options) => why::why(&options),
        command => other(command),
    };
    if let Some(lines) = lines {
        lines.finish();
    }
    match result {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            eprintln!("error: {}", failure.message);
            ExitCode::from(failure.code)
        }
    }
}

/// Commands that need no configuration.
fn other(command: Command) -> Result<u8, Failure> {
    use operate::{Of, To, Typed, Wait, operate};
    let typed =
        |to: To, of: Option<Of>, wait: Option<Wait>| Typed { to, of, wait, setting: Vec::new() };
    match command {
        Command::Stop { wait, to } => operate("stop", typed(to, None, Some(wait))),
        Command::CancelAll { of, wait, to } => {
            operate("cancel-all", typed(to, Some(of), Some(wait)))
        }
        Command::Flatten { of, wait, to } => operate("flatten", typed(to, Some(of), Some(wait))),
        Command::Pause { of, to } => operate("pause", typed(to, Some(of), None)),
        Command::Resume { of, to } => operate("resume", typed(to, Some(of), None)),
        Command::ReduceOnly { of, to } => operate("reduce-only", typed(to, Some(of), None)),
        Command::Reconcile { venue, accept, to } => {
            let name = if accept { "accept" } else { "reconcile" };
            operate(name, typed(to, Some(Of::venue(venue)), None))
        }
        Command::Ps(options) => ps::ps(&options),
        Command::Monitor(options) => monitor::monitor(&options),
        Command::Status { to } => status::status(&to),
        Command::Books(options) => account::books(&options),
        Command::Completions(options) => shell::completions(&options),
        Command::Man(options) => shell::man(&options),
        Command::Latency { options } => latency::latency(&options),
        Command::Set { setting, to } => match setting.as_slice() {
            [] => params::list(None, &to),
            [strategy] if !strategy.contains('=') => params::list(Some(strategy), &to),
            _ => operate("set", Typed { setting, ..typed(to, None, None) }),
        },
        _ => {
            println!("stoop {}", env!("CARGO_PKG_VERSION"));
            Ok(EXIT_OK)
        }
    }
}
