//! `stoop bench`: measures the engine on this host.

use super::{ConfigArgument, EXIT_FAILURE, EXIT_OK, Failure};
use crate::bench::{self, BenchOptions, Earlier, Host, Measured, Report};
use std::path::PathBuf;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Name {
    /// From a frame to the order that it causes
    TickToOrder,
    /// Frames to integers, beside other parsers; needs --capture
    Decode,
    /// Levels applied, depth published, top of book read
    Book,
    /// Rings and seqlocks between two CPUs, beside a bare cache line and other crates
    Rings,
    /// Every venue's ways to sign
    Sign,
    /// Sockets and TLS records of this host
    Net,
    /// The cost of more instruments and strategies, and of a burst
    Scale,
    /// How often each CPU is taken away
    Jitter,
    /// All of them; those that need --capture if it is given
    All,
}

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// What to measure
    #[arg(value_enum)]
    name: Name,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Recorded frames to measure with
    #[arg(long, value_name = "FILE")]
    capture: Option<PathBuf>,
    /// How often everything is measured; the median of the runs counts
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=100))]
    runs: u16,
    /// Events in a run
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(100..=10_000_000))]
    events: u32,
    /// CPUs to measure on, such as 2,3 or 0-1; without it those of the configuration's threads
    #[arg(long, value_name = "LIST")]
    cpus: Option<String>,
    /// tick-to-order without sockets: only what the engine itself does
    #[arg(long)]
    in_memory: bool,
    /// Write the report as HTML, JSON and histogram log into this folder
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Compare with the JSON of an earlier report
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigArgument,
}

type Bench = fn(&BenchOptions) -> Result<Measured, String>;

impl Name {
    const EACH: [Self; 8] = [
        Self::Jitter,
        Self::Net,
        Self::Rings,
        Self::Book,
        Self::Sign,
        Self::Decode,
        Self::TickToOrder,
        Self::Scale,
    ];

    fn text(self) -> &'static str {
        match self {
            Self::TickToOrder => "tick-to-order",
            Self::Decode => "decode",
            Self::Book => "book",
            Self::Rings => "rings",
            Self::Sign => "sign",
            Self::Net => "net",
            Self::Scale => "scale",
            Self::Jitter => "jitter",
            Self::All => "all",
        }
    }

    fn function(self) -> Bench {
        match self {
            Self::TickToOrder => bench::tick_to_order,
            Self::Decode => bench::decode,
            Self::Book => bench::book,
            Self::Rings => bench::rings,
            Self::Sign => bench::sign,
            Self::Net => bench::net,
            Self::Scale => bench::scale,
            Self::Jitter => bench::jitter,
            Self::All => all,
        }
    }

    fn needs_capture(self) -> bool {
        self == Self::Decode
    }

    /// CPUs that it uses at once.
    fn cpus(self) -> usize {
        match self {
            Self::TickToOrder | Self::Rings | Self::Net | Self::All => 2,
            Self::Decode | Self::Book | Self::Sign | Self::Jitter | Self::Scale => 1,
        }
    }
}

/// Everything for which there is what it needs.
fn all(options: &BenchOptions) -> Result<Measured, String> {
    let mut all = Measured::default();
    for name in Name::EACH {
        let text = name.text();
        if name.needs_capture() && options.capture.is_none() {
            all.notes.push(format!("{text} was left out: it needs --capture FILE"));
            continue;
        }
        if name.cpus() > options.cpus.len() {
            all.notes.push(format!("{text} was left out: it needs {} CPUs", name.cpus()));
            continue;
        }
        let measured = name.function()(options).map_err(|error| format!("{text}: {error}"))?;
        all.take_in(text, measured);
    }
    Ok(all)
}

pub(super) fn run(arguments: &Arguments) -> Result<u8, Failure> {
    let failure = |message| Failure { code: EXIT_FAILURE, message };
    // Before minutes of measuring, not after them.
    let earlier = arguments.against.as_deref().map(Earlier::load).transpose().map_err(failure)?;
    let host = Host::look();
    let cpus = match &arguments.cpus {
        Some(list) => named_cpus(list, &host.allowed).map_err(failure)?,
        None => configured_cpus(&arguments.config, &host.allowed)?,
    };
    let name = arguments.name;
    let warnings = host.warnings(&cpus, name.cpus());
    let options = BenchOptions {
        runs: usize::from(arguments.runs),
        events: arguments.events as usize,
        capture: arguments.capture.clone(),
        cpus,
        in_memory: arguments.in_memory,
    };
    let measured = name.function()(&options).map_err(failure)?;
    let changes = arguments.against.clone().zip(earlier);
    let changes = changes.map(|(path, earlier)| (path, earlier.changes(&measured)));
    let report = Report { bench: name.text().to_owned(), host, warnings, measured, changes };
    let written = match &arguments.out {
        Some(folder) => report.write(folder).map_err(failure)?,
        None => Vec::new(),
    };
    if arguments.json {
        println!("{}", report.json());
    } else {
        print!("{}", report.text());
        written.iter().for_each(|path| println!("written: {}", path.display()));
    }
    Ok(EXIT_OK)
}

/// CPUs that a person named.
fn named_cpus(list: &str, allowed: &[usize]) -> Result<Vec<usize>, String> {
    let cpus = bench::cpu_list(list);
    if cpus.is_empty() {
        return Err(format!("--cpus {list}: not a list of CPUs such as 2,3 or 0-1"));
    }
    for &cpu in &cpus {
        crate::agents::check_core(cpu, allowed)
            .map_err(|error| format!("--cpus {list}: {error}"))?;
    }
    Ok(cpus)
}

/// CPUs of the configuration's threads, else those that this process may use.
fn configured_cpus(config: &ConfigArgument, allowed: &[usize]) -> Result<Vec<usize>, Failure> {
    let config = config.load(&[])?;
    let mut cpus: Vec<usize> = Vec::new();
    for core in config.threads.iter().filter_map(|thread| thread.core) {
        if allowed.contains(&core) && !cpus.contains(&core) {
            cpus.push(core);
        }
    }
    Ok(if cpus.is_empty() { allowed.to_vec() } else { cpus })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpus_that_are_none_or_not_ours_are_refused() {
        assert_eq!(named_cpus("0-1", &[0, 1, 2]).unwrap(), [0, 1]);
        let error = named_cpus("x", &[0]).unwrap_err();
        assert_eq!(error, "--cpus x: not a list of CPUs such as 2,3 or 0-1");
        assert!(named_cpus("7000", &[0]).unwrap_err().contains("core = 7000"));
    }

    #[test]
    fn the_cpus_of_the_threads_are_taken_once_each() {
        let none = ConfigArgument { config: None };
        assert_eq!(configured_cpus(&none, &[0, 1]).map_err(|error| error.message).unwrap(), [0, 1]);
    }
}
