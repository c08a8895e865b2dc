//! The venues that a command talks to: embedded simulated ones, or real ones with their keys.

use super::Failure;
use super::ledger::differences;
use crate::agents::{self, FinalState, LoadError};
use crate::config::{Config, FaultConfig, Mode, VenueConfig};
use crate::net;
use crate::net::tls::ExtraCa;
use crate::rehearsal::{credentials_of, embedded_options, embedded_wires};
use crate::sim::{CONTRACT, Fault, Server, SimAccount, SimHandle, embedded};
use crate::types::{InstrumentKind, InstrumentTable, VenueId};
use crate::venues::{Credentials, Endpoints, VENUES};
use std::sync::Arc;
use std::time::Duration;

/// Addresses, keys and trust of all configured venues; the simulator behind them if there is one.
pub(super) struct Venues {
    pub endpoints: Vec<(VenueId, Endpoints)>,
    pub credentials: Vec<(VenueId, Credentials)>,
    pub tls: Arc<rustls::ClientConfig>,
    sim: Option<Simulated>,
}

/// The simulated venues and their accounts.
pub(super) struct Simulated {
    pub handle: SimHandle,
    pub accounts: Vec<SimAccount>,
    faults_done: usize,
}

fn name(venue: VenueId) -> &'static str {
    VENUES[usize::from(venue.0)].name
}

impl Simulated {
    /// Starts one simulated venue for each configured one.
    pub fn start(config: &Config) -> Result<Self, Failure> {
        let options = embedded_options(&config.sim);
        let wires = embedded_wires(config).map_err(Failure::config)?;
        let failed = |error: crate::sim::SimError| Failure::new(format!("simulator: {error}"));
        let embedded = embedded(&options, wires).map_err(failed)?;
        let accounts = embedded.accounts;
        let handle = Server::start(embedded.options).map_err(failed)?;
        Ok(Self { handle, accounts, faults_done: 0 })
    }

    /// The account that the engine trades with: the first of its venue.
    pub fn account(&self, venue: &str) -> Option<&SimAccount> {
        self.accounts.iter().find(|account| account.venue == venue)
    }
}

impl Venues {
    /// Starts or finds them.
    pub fn start(config: &Config) -> Result<Self, Failure> {
        let mut extra_ca: Vec<ExtraCa> =
            config.extra_ca.iter().map(|path| ExtraCa::File(path.clone())).collect();
        let sim = match config.mode {
            Mode::Sim => Some(Simulated::start(config)?),
            Mode::Testnet | Mode::Live => {
                forbid_core_dumps()?;
                None
            }
        };
        if let Some(sim) = &sim {
            extra_ca.push(ExtraCa::Pem(sim.handle.ca_pem().as_bytes().to_vec()));
        }
        let tls = net::tls::client_config(&extra_ca)
            .map_err(|error| Failure::config(format!("extra_ca: {error}")))?;
        let mut venues = Self { endpoints: Vec::new(), credentials: Vec::new(), tls, sim };
        for venue in &config.venues {
            venues.add(config, venue)?;
        }
        Ok(venues)
    }

    /// One venue for public requests alone: no keys are read. With embedded venues it must be one of
    /// the configured.
    pub fn public(config: &Config, venue: VenueId) -> Result<Self, Failure> {
        if config.mode == Mode::Sim && !config.venues.iter().any(|row| row.venue == venue) {
            return Err(Failure::config(format!(
                "{} is not among the venues of the configuration, and with mode = \"sim\" only \
                 those are there: name one of its instruments, or choose mode = \"testnet\"",
                name(venue)
            )));
        }
        Self::public_of(config, [venue])
    }

    /// All of the configuration, for market data alone: no keys are read.
    pub fn market_data(config: &Config) -> Result<Self, Failure> {
        Self::public_of(config, config.venues.iter().map(|row| row.venue))
    }

    fn public_of(
        config: &Config,
        venues: impl IntoIterator<Item = VenueId>,
    ) -> Result<Self, Failure> {
        if config.mode == Mode::Sim {
            return Self::start(config);
        }
        let extra_ca: Vec<ExtraCa> =
            config.extra_ca.iter().map(|path| ExtraCa::File(path.clone())).collect();
        let tls = net::tls::client_config(&extra_ca)
            .map_err(|error| Failure::config(format!("extra_ca: {error}")))?;
        let endpoints_of = |venue| {
            let base = base(config, venue);
            let row = config.venues.iter().find(|row| row.venue == venue);
            (venue, row.map_or_else(|| base.clone(), |row| replaced(base.clone(), row)))
        };
        let endpoints = venues.into_iter().map(endpoints_of).collect();
        Ok(Self { endpoints, credentials: Vec::new(), tls, sim: None })
    }

    /// Addresses of one of them.
    pub fn endpoints_of(&self, venue: VenueId) -> Result<&Endpoints, Failure> {
        let found = self.endpoints.iter().find(|(known, _)| *known == venue);
        let missing = || Failure::new(format!("{} was not started", name(venue)));
        found.map(|(_, endpoints)| endpoints).ok_or_else(missing)
    }

    fn add(&mut self, config: &Config, venue: &VenueConfig) -> Result<(), Failure> {
        let row = &VENUES[usize::from(venue.venue.0)];
        let (endpoints, credentials) = match &self.sim {
            Some(sim) => simulated(sim, row.name)?,
            None => {
                let base = base(config, venue.venue);
                let credentials = config
                    .credentials(venue.venue)
                    .map_err(|error| Failure::config(error.to_string()))?;
                (replaced(base, venue), credentials)
            }
        };
        self.endpoints.push((venue.venue, endpoints));
        self.credentials.push((venue.venue, credentials));
        Ok(())
    }

    /// Asks the venues for the rules of the configured instruments.
    pub fn load(&self, config: &Config) -> Result<InstrumentTable, Failure> {
        agents::load(config, &self.endpoints, &self.tls).map_err(|error| match error {
            LoadError::Config(error) => Failure::config(error.to_string()),
            LoadError::Venue(text) => Failure::venue(text),
        })
    }

    /// Causes the faults whose time has come.
    pub fn apply_faults(&mut self, config: &Config, elapsed: Duration) {
        let Some(sim) = &mut self.sim else { return };
        let mut faults: Vec<&FaultConfig> = config.sim.faults.iter().collect();
        faults.sort_by_key(|fault| fault.after_ns);
        while let Some(fault) = faults.get(sim.faults_done) {
            if elapsed.as_nanos() < u128::from(fault.after_ns) {
                return;
            }
            sim.faults_done += 1;
            for what in fault_of(config, fault) {
                sim.handle.fault(name(fault.venue), what);
            }
        }
    }

    /// Where engine and simulated venues disagree; `None` with real venues, whose ledgers are not
    /// ours to read.
    pub fn differences(
        &self,
        instruments: &InstrumentTable,
        last: &FinalState,
    ) -> Option<Vec<String>> {
        let sim = self.sim.as_ref()?;
        let mut ledgers = Vec::new();
        for (venue, _) in &self.endpoints {
            let name = name(*venue);
            let account = sim.account(name);
            match account.and_then(|account| sim.handle.ledger(name, &account.key)) {
                Some(ledger) => ledgers.push((*venue, ledger)),
                None => return Some(vec![format!("{name}: the simulator does not answer")]),
            }
        }
        Some(differences(instruments, last, &ledgers))
    }

    /// Stops the simulator, if there is one.
    pub fn stop(self) {
        if let Some(sim) = self.sim {
            sim.handle.stop();
        }
    }
}

/// Keys are about to be read: no crash may write them to a disk, no debugger of the same user read
/// them.
fn forbid_core_dumps() -> Result<(), Failure> {
    use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })
        .and_then(|()| set_dumpable_behavior(DumpableBehavior::NotDumpable))
        .map_err(|error| Failure::new(format!("core dumps cannot be forbidden: {error}")))
}

fn simulated(sim: &Simulated, name: &str) -> Result<(Endpoints, Credentials), Failure> {
    let found = sim.handle.urls(name).zip(sim.account(name));
    let (urls, account) =
        found.ok_or_else(|| Failure::new(format!("simulator: \"{name}\" did not start")))?;
    let endpoints = Endpoints {
        rest: urls.rest.clone(),
        public: urls.public.clone(),
        trade: urls.trade.clone(),
        private: urls.private.clone(),
    };
    Ok((endpoints, credentials_of(account)))
}

/// A real venue's own addresses.
fn base(config: &Config, venue: VenueId) -> Endpoints {
    let row = &VENUES[usize::from(venue.0)];
    if config.mode == Mode::Live { (row.live)() } else { (row.testnet)() }
}

fn replaced(base: Endpoints, venue: &VenueConfig) -> Endpoints {
    Endpoints {
        rest: venue.rest.clone().unwrap_or(base.rest),
        public: venue.public.clone().unwrap_or(base.public),
        trade: venue.trade.clone().unwrap_or(base.trade),
        private: venue.private.clone().unwrap_or(base.private),
    }
}

fn fault_of(config: &Config, fault: &FaultConfig) -> Vec<Fault> {
    match fault.kind.as_str() {
        "cut" => vec![Fault::CutConnections],
        "cut_messages" => vec![Fault::CutMessages],
        "shutdown" => vec![Fault::AnnounceShutdown],
        "clock_ahead_5s" => vec![Fault::SkewClock(5_000)],
        "restart" => vec![Fault::Restart { keep_orders: true }],
        "restart_without_orders" => vec![Fault::Restart { keep_orders: false }],
        "stale_snapshot" => vec![Fault::StaleSnapshots(1)],
        "fail_replies" => vec![Fault::FailReplies(true)],
        "reset_books" => vec![Fault::ResetBooks],
        "repeat_events" => vec![Fault::RepeatEvents(500)],
        "ban_10s" => vec![Fault::BanMs(10_000)],
        "lose_replies" => vec![Fault::LoseReplies(true)],
        "skip_book_event" => config
            .instruments
            .iter()
            .filter(|instrument| instrument.venue == fault.venue)
            .filter_map(|instrument| Some((instrument.symbol()?, instrument.kind()?)))
            .flat_map(|(symbol, kind)| {
                // Where spot and contracts share names, the simulator tells them apart by this.
                let contract = format!("{symbol}{CONTRACT}");
                let perpetual = kind == InstrumentKind::LinearPerpetual;
                let names = if perpetual { vec![symbol, contract] } else { vec![symbol] };
                names.into_iter().map(|symbol| Fault::SkipBookEvent { symbol })
            })
            .collect(),
        _ => Vec::new(),
    }
}
