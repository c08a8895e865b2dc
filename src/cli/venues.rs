//! The venues that a command talks to: embedded simulated ones, real ones with their keys, or real ones
//! for their market and embedded ones for orders.

use super::Failure;
use super::ledger::differences;
use super::paper::{self, Followed, Missed, Watch};
use crate::agents::log::Log;
use crate::agents::{self, FinalState, LoadError};
use crate::clock::Clock;
use crate::config::{Config, FaultConfig, Mode, VenueConfig};
use crate::net;
use crate::net::tls::ExtraCa;
use crate::rehearsal::{credentials_of, embedded_options, embedded_wire, embedded_wires};
use crate::shm::MarketView;
use crate::sim::{
    CONTRACT, Embedded, EmbeddedOptions, Fault, MirrorPort, Server, SimAccount, SimHandle,
    SimLatency, SimOptions, SimVenueOptions, embedded, followed_rules,
};
use crate::types::{Instrument, InstrumentKind, InstrumentTable, VenueId};
use crate::venues::{Credentials, Endpoints, VENUES};
use rust_decimal::Decimal;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

/// Addresses, keys and trust of all configured venues; the simulator behind them if there is one.
pub(super) struct Venues {
    pub endpoints: Vec<(VenueId, Endpoints)>,
    /// Of those that orders go to, where they are others.
    pub order_endpoints: Vec<(VenueId, Endpoints)>,
    pub credentials: Vec<(VenueId, Credentials)>,
    pub tls: Arc<rustls::ClientConfig>,
    sim: Option<Simulated>,
    /// The market that the simulated venues follow.
    market: Option<Market>,
}

/// What a market is followed with.
struct Market {
    instruments: InstrumentTable,
    /// Until somebody watches: then it is theirs alone, so that books are gone when they are.
    port: Option<paper::Port>,
    watch: Option<Watch>,
}

/// Nobody told the simulated venues of the market to the end.
#[derive(Clone, Copy, Debug)]
pub(super) struct WatchDied;

/// The simulated venues and their accounts.
pub(super) struct Simulated {
    pub handle: SimHandle,
    pub accounts: Vec<SimAccount>,
    /// Of each venue's instruments.
    symbols: Vec<Vec<String>>,
    faults_done: usize,
}

fn name(venue: VenueId) -> &'static str {
    VENUES[usize::from(venue.0)].name
}

impl Simulated {
    /// Starts one simulated venue for each configured one.
    pub fn start(config: &Config) -> Result<Self, Failure> {
        Self::start_with(config, &embedded_options(&config.sim), |_| {})
    }

    /// The same with the instruments of the venues' own market, which they follow.
    fn follow(
        config: &Config,
        instruments: &InstrumentTable,
        mirror: MirrorPort,
    ) -> Result<Self, Failure> {
        let paper = &config.paper;
        let fees = |instrument: &Instrument| fees(config, instrument.venue, instrument.kind);
        let mut options = embedded_options(&config.sim);
        for venue in &config.venues {
            let name = name(venue.venue);
            let wire = embedded_wire(venue.venue).map_err(Failure::config)?;
            let rules = followed_rules(wire.as_ref(), instruments, venue.venue, fees);
            options.rules.insert(name.to_owned(), rules.map_err(Failure::config)?);
        }
        Self::start_with(config, &options, |options| {
            options.mirror = Some(mirror);
            options.latency = SimLatency { least_ns: paper.latency_ns, jitter_ns: paper.jitter_ns };
        })
    }

    fn start_with(
        config: &Config,
        options: &EmbeddedOptions,
        change: impl FnOnce(&mut SimOptions),
    ) -> Result<Self, Failure> {
        let wires = embedded_wires(config).map_err(Failure::config)?;
        let failed = |error: crate::sim::SimError| Failure::new(format!("simulator: {error}"));
        let Embedded { mut options, accounts } = embedded(options, wires).map_err(failed)?;
        change(&mut options);
        let symbols = |venue: &SimVenueOptions| {
            venue.exchange.symbols().iter().map(|rules| rules.symbol.clone()).collect()
        };
        let symbols = options.venues.iter().map(symbols).collect();
        let handle = Server::start(options).map_err(failed)?;
        Ok(Self { handle, accounts, symbols, faults_done: 0 })
    }

    /// The account that the engine trades with: the first of its venue.
    pub fn account(&self, venue: &str) -> Option<&SimAccount> {
        self.accounts.iter().find(|account| account.venue == venue)
    }
}

impl Venues {
    /// Starts or finds them.
    pub fn start(config: &Config) -> Result<Self, Failure> {
        let mut venues = Self {
            endpoints: Vec::new(),
            order_endpoints: Vec::new(),
            credentials: Vec::new(),
            tls: trust(config, None)?,
            sim: None,
            market: None,
        };
        match config.mode {
            Mode::Sim => venues.sim = Some(Simulated::start(config)?),
            Mode::Paper => venues.follow(config)?,
            Mode::Testnet | Mode::Live => forbid_core_dumps()?,
        }
        if let Some(sim) = &venues.sim {
            venues.tls = trust(config, Some(&sim.handle))?;
        }
        for venue in &config.venues {
            venues.add(config, venue)?;
        }
        Ok(venues)
    }

    /// Learns of the venues' own instruments and starts simulated ones that have the same. Where
    /// orders would go there is not even known.
    fn follow(&mut self, config: &Config) -> Result<(), Failure> {
        for venue in &config.venues {
            let (trade, private) = (String::new(), String::new());
            let market = Endpoints { trade, private, ..real(config, venue.venue) };
            self.endpoints.push((venue.venue, market));
        }
        let instruments = self.load(config)?;
        let (port, mirror) = paper::channel();
        self.sim = Some(Simulated::follow(config, &instruments, mirror)?);
        self.market = Some(Market { instruments, port: Some(port), watch: None });
        Ok(())
    }

    /// Has the simulated venues follow the market that the engine sees, if they are to.
    pub fn watch(
        &mut self,
        config: &Config,
        (view, stated): (&MarketView, Option<Receiver<Instrument>>),
        clock: &Clock,
        log: Log,
    ) -> Result<(), Failure> {
        let (Some(sim), Some(market)) = (&self.sim, &mut self.market) else { return Ok(()) };
        let mut followed = Vec::new();
        for (at, venue) in config.venues.iter().enumerate() {
            let symbols = sim.symbols.get(at).into_iter().flatten();
            let rows = market.instruments.of_venue(venue.venue).zip(symbols);
            followed.extend(rows.map(|(instrument, symbol)| Followed {
                instrument: instrument.clone(),
                venue: at,
                symbol: symbol.clone(),
                book_age_max_ns: config.limits.book_age_max_ns,
                mark_age_max_ns: config.paper.mark_age_max_ns,
            }));
        }
        let Some(port) = market.port.take() else { return Ok(()) };
        let from = (view.clone(), stated);
        let to = (port, sim.handle.waker());
        let watch = Watch::start(from, followed, to, (clock.clone(), log));
        market.watch = Some(watch.map_err(Failure::new)?);
        Ok(())
    }

    /// Whether nobody watches any more, though somebody should.
    pub fn is_blind(&self) -> bool {
        let watch = self.market.as_ref().and_then(|market| market.watch.as_ref());
        watch.is_some_and(Watch::is_dead)
    }

    /// Ends the watch: what of the market was not handed on, if there was one. `Err` if it has
    /// died, which is told where it can be read: after the screens.
    pub fn end_watch(&mut self) -> Result<Option<Missed>, WatchDied> {
        let watch = self.market.as_mut().and_then(|market| market.watch.take());
        let missed = watch.map(|watch| watch.end().ok_or(WatchDied)).transpose();
        if missed.is_err() {
            tracing::error!("the thread of paper trading died: nothing is filled without it");
        }
        missed
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
        Ok(Self {
            endpoints: venues.into_iter().map(|venue| (venue, real(config, venue))).collect(),
            order_endpoints: Vec::new(),
            credentials: Vec::new(),
            tls: trust(config, None)?,
            sim: None,
            market: None,
        })
    }

    /// Addresses of one of them.
    pub fn endpoints_of(&self, venue: VenueId) -> Result<&Endpoints, Failure> {
        let found = self.endpoints.iter().find(|(known, _)| *known == venue);
        let missing = || Failure::new(format!("{} was not started", name(venue)));
        found.map(|(_, endpoints)| endpoints).ok_or_else(missing)
    }

    fn add(&mut self, config: &Config, venue: &VenueConfig) -> Result<(), Failure> {
        let id = venue.venue;
        let (endpoints, credentials) = match &self.sim {
            Some(sim) => simulated(sim, name(id))?,
            None => {
                let credentials = config.credentials(id);
                (real(config, id), credentials.map_err(|error| Failure::config(error.to_string()))?)
            }
        };
        let orders_alone = self.market.is_some();
        let to = if orders_alone { &mut self.order_endpoints } else { &mut self.endpoints };
        to.push((id, endpoints));
        self.credentials.push((id, credentials));
        Ok(())
    }

    /// Asks the venues for the rules of the configured instruments.
    pub fn load(&self, config: &Config) -> Result<InstrumentTable, Failure> {
        // What the simulated ones were made from.
        if let Some(market) = &self.market {
            return Ok(market.instruments.clone());
        }
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

    /// No embedded venue pays anything more: what an engine that ends has asked about its payments
    /// stays true until both ledgers are compared.
    pub fn end_payments(&self, instruments: &InstrumentTable) {
        let Some(sim) = &self.sim else { return };
        for row in instruments.iter().filter(|row| row.is_perpetual()) {
            let (symbol, rate) = (row.symbol.clone(), Some(Decimal::ZERO));
            sim.handle.fault(name(row.venue), Fault::SetFundingRate { symbol, rate });
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

/// Whom to trust: the public authorities, the configured ones, and that of the simulator.
fn trust(config: &Config, sim: Option<&SimHandle>) -> Result<Arc<rustls::ClientConfig>, Failure> {
    let files = config.extra_ca.iter().map(|path| ExtraCa::File(path.clone()));
    let sim = sim.map(|sim| ExtraCa::Pem(sim.ca_pem().as_bytes().to_vec()));
    let extra_ca: Vec<ExtraCa> = files.chain(sim).collect();
    net::tls::client_config(&extra_ca)
        .map_err(|error| Failure::config(format!("extra_ca: {error}")))
}

/// Maker and taker fee of an account that trades here, as ratios: those that are configured for
/// embedded venues, else those of the venue's base tier.
pub(super) fn fees(config: &Config, venue: VenueId, kind: InstrumentKind) -> [Decimal; 2] {
    let row = &VENUES[usize::from(venue.0)];
    let [maker, taker] = (row.base_fees)(kind).map(|rate| Decimal::new(rate.0, 9));
    match config.mode {
        Mode::Sim => [config.sim.maker_fee, config.sim.taker_fee],
        Mode::Paper => {
            [config.paper.maker_fee.unwrap_or(maker), config.paper.taker_fee.unwrap_or(taker)]
        }
        Mode::Testnet | Mode::Live => [maker, taker],
    }
}

/// A real venue's own addresses, or those that the file has in their place.
fn real(config: &Config, venue: VenueId) -> Endpoints {
    let row = &VENUES[usize::from(venue.0)];
    let base = match config.mode {
        Mode::Live | Mode::Paper => (row.live)(),
        Mode::Sim | Mode::Testnet => (row.testnet)(),
    };
    match config.venues.iter().find(|row| row.venue == venue) {
        Some(configured) => replaced(base, configured),
        None => base,
    }
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
