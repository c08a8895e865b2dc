//! `stoop doctor`: whether this host is fit, and `stoop tune`: what mends it.

use super::instance::{self, Instance};
use super::venues::Venues;
use super::{ConfigArgument, EXIT_FAILURE, EXIT_OK, Failure};
use crate::bench::strict_cpu_list;
use crate::config::{Config, Mode};
use crate::doctor::{self, Aim, Earlier, Finding, Host, Probes, State, WayTo};
use crate::net::NetOptions;
use crate::shm::MarketView;
use crate::venues::{Endpoints, VENUES};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Between the two looks at what is counted, where nothing is measured meanwhile.
const COUNTED_FOR: Duration = Duration::from_secs(1);
/// CPUs that are measured where no thread has one.
const FREE_CPUS_MAX: usize = 2;

/// What is looked at.
#[derive(clap::Args)]
pub(super) struct What {
    /// CPUs that threads are to have, such as 2,3 or 0-1; without it those of the configuration
    #[arg(long, value_name = "LIST")]
    cpus: Option<String>,
    #[command(flatten)]
    config: ConfigArgument,
}

impl What {
    /// The command that mends what was looked at, as one types it.
    fn tune(&self) -> String {
        let mut command = "stoop tune".to_owned();
        if let Some(cpus) = &self.cpus {
            command += &format!(" --cpus {}", doctor::quoted(cpus));
        }
        if let Some(path) = &self.config.config {
            command += &format!(" --config {}", doctor::quoted(&path.display().to_string()));
        }
        command
    }
}

/// How it is looked at.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// How long each CPU is watched for gaps; 0 measures no CPU
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    #[arg(value_parser = clap::value_parser!(u32).range(0..=600))]
    spin: u32,
    #[command(flatten)]
    what: What,
}

/// Looks, and says what it found.
pub(super) fn doctor(arguments: &Arguments) -> Result<u8, Failure> {
    let config = arguments.what.config.load_any()?;
    let host = Host::this();
    let aim = aim(&config, arguments.what.cpus.as_deref())?.on(&host);
    let earlier = Earlier::take(&host, &aim);
    let cpus = measured_cpus(&aim);
    let options = NetOptions {
        busy_poll_us: config.host.busy_poll_us,
        quick_ack: config.host.quick_ack,
        ..NetOptions::default()
    };
    if arguments.spin == 0 || !aim.running.is_empty() {
        std::thread::sleep(COUNTED_FOR);
    } else if !arguments.json {
        let seconds = arguments.spin as usize * cpus.len();
        eprintln!("watching {} CPUs for about {seconds} s; --spin 0 does without", cpus.len());
    }
    let mut probes = doctor::probe(&aim, &cpus, arguments.spin, &options);
    probes.ways = Some(ways(&config)?);
    let findings = doctor::examine(&host, &aim, &earlier, &probes);
    let text = match arguments.json {
        true => format!("{}\n", doctor::object(&findings)),
        false => doctor::text(&findings, &arguments.what.tune()),
    };
    // Whoever read our output may have gone: nothing is left to do then.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
    let failed = findings.iter().any(|finding| finding.state == State::Fail);
    Ok(if failed { EXIT_FAILURE } else { EXIT_OK })
}

/// What `tune` needs to know: the same, without measuring.
pub(super) fn findings(what: &What, host: &Host) -> Result<Vec<Finding>, Failure> {
    let config = what.config.load_any()?;
    let aim = aim(&config, what.cpus.as_deref())?.on(host);
    let earlier = Earlier::take(host, &aim);
    Ok(doctor::examine(host, &aim, &earlier, &Probes::default()))
}

fn aim(config: &Config, cpus: Option<&str>) -> Result<Aim, Failure> {
    let mut hot: Vec<usize> = match cpus {
        Some(list) => strict_cpu_list(list).filter(|cpus| !cpus.is_empty()).ok_or_else(|| {
            Failure::usage(format!("--cpus {list}: not a list of CPUs such as 2,3 or 0-1"))
        })?,
        None => config.threads.iter().filter_map(|thread| thread.core).collect(),
    };
    hot.sort_unstable();
    hot.dedup();
    Ok(Aim {
        hot,
        absent: Vec::new(),
        engine: engine(&config.name),
        running: instance::running().into_iter().map(|one| one.name).collect(),
        huge_pages: config.host.huge_pages,
        busy_poll_us: config.host.busy_poll_us,
        journal: existing(&config.journal.folder),
    })
}

/// Process of the running instance of this name.
fn engine(name: &str) -> Option<u32> {
    let instance = Instance::find(Some(name)).ok()?;
    MarketView::attach(&instance.folder).ok().map(|view| view.pid())
}

/// The folder, or the nearest above it that is there.
fn existing(folder: &Path) -> PathBuf {
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    folder.ancestors().find(|above| above.is_dir()).unwrap_or(Path::new("/")).to_owned()
}

/// CPUs of the threads; without any, some of those that we may use.
fn measured_cpus(aim: &Aim) -> Vec<usize> {
    if !aim.hot.is_empty() {
        return aim.hot.clone();
    }
    crate::agents::allowed_cpus().into_iter().take(FREE_CPUS_MAX).collect()
}

/// To the venues that are not simulated.
fn ways(config: &Config) -> Result<Vec<WayTo>, Failure> {
    if config.mode == Mode::Sim {
        return Ok(Vec::new());
    }
    let mut ways = Vec::new();
    for row in &config.venues {
        let venues = Venues::public(config, row.venue)?;
        let name = VENUES[usize::from(row.venue.0)].name;
        // With mode = "paper" orders do not leave this host.
        let second = |to: &'_ Endpoints| match config.mode {
            Mode::Paper => ("public", to.public.clone()),
            _ => ("trade", to.trade.clone()),
        };
        let urls = venues.endpoints.iter();
        let urls = urls.flat_map(|(_, to)| [("rest", to.rest.clone()), second(to)]);
        let urls: Vec<(String, String)> = urls
            .filter(|(_, url)| !url.is_empty())
            .map(|(what, url)| (format!("{name} {what}"), url))
            .collect();
        ways.extend(doctor::ways(&urls, &venues.tls));
    }
    Ok(ways)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_says_what_is_looked_for() {
        let names = crate::config::Config::embedded().unwrap();
        assert_eq!(aim(&names, None).map_err(|e| e.message).unwrap().hot, [0; 0]);
        let aimed = aim(&names, Some("4,2-3")).map_err(|error| error.message).unwrap();
        assert_eq!((aimed.hot.as_slice(), aimed.engine), (&[2, 3, 4][..], None));
        assert!(aimed.journal.is_absolute() && aimed.journal.is_dir());
        assert_eq!(measured_cpus(&aimed), [2, 3, 4]);
        assert!(!measured_cpus(&Aim::default()).is_empty());
        let error = aim(&names, Some("2,x")).unwrap_err();
        assert_eq!(error.message, "--cpus 2,x: not a list of CPUs such as 2,3 or 0-1");
    }

    #[test]
    fn the_file_of_a_program_with_strategies_of_its_own_is_looked_at_too() {
        let path = std::env::temp_dir().join(format!("stoop-own-{}.toml", std::process::id()));
        let put = |own: &str| {
            std::fs::write(&path, format!("{}\n{own}", crate::config::DEFAULT_TOML)).unwrap();
        };
        let threads = |mine: &str| {
            format!(
                "[[thread]]\nruns = [\"feed:binance\", \"feed:bybit\", \"strategy:spread\", \"oms\", \
                 \"exec:binance\", \"exec:bybit\"]\n[[thread]]\nruns = [{mine}]\n"
            )
        };
        // As it stands, and as the environment names it: Cargo says what this package is called.
        for (written, name) in [("mine", "mine"), ("${CARGO_PKG_NAME}-x", "stoop-x")] {
            put(&format!("[[strategy]]\nname = \"{written}\"\n"));
            assert!(Config::load(&path).is_err());
            let config = Config::load_any(&path).unwrap();
            assert_eq!(config.strategies.last().unwrap().name, name);
            put(&threads(&format!("\"strategy:{written}\"")));
            assert!(Config::load(&path).is_err());
            let config = Config::load_any(&path).unwrap();
            assert_eq!(config.threads[1].runs, [format!("strategy:{name}")]);
        }
        put(&threads("\"strategy:mine\", \"strategy:mine\""));
        let twice = Config::load_any(&path).unwrap_err();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(twice.message, "agent \"strategy:mine\" stands in two threads");
    }

    #[test]
    fn what_was_given_is_given_again_in_the_hint() {
        let of = |cpus: Option<&str>, path: Option<&str>| {
            let config = ConfigArgument { config: path.map(PathBuf::from) };
            What { cpus: cpus.map(str::to_owned), config }.tune()
        };
        assert_eq!(of(None, None), "stoop tune");
        let both = "stoop tune --cpus 2-3 --config 'my files/engine.toml'";
        assert_eq!(of(Some("2-3"), Some("my files/engine.toml")), both);
    }

    #[test]
    fn simulated_venues_are_not_tried() {
        let config = Config::embedded().unwrap();
        assert_eq!(ways(&config).map_err(|error| error.message).unwrap(), []);
    }
}
