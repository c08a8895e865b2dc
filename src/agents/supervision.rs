//! Joins the control thread with an engine that is being built.

use super::children::News;
use super::control::children::{ChildPlan, Children, Nursery, environment};
use super::control::crash::{CrashWriter, Incidents};
use super::control::{
    self, CONFIG_NAME, ControlParts, KILL_FILE_NAME, Names, SOCKET_NAME, Socket, SparePlan,
};
use super::log::Log;
use super::operator::{Ask, OperatorDesk, OrderBoard, Settled, Tell};
use super::session::Session;
use super::threads::Lifecycle;
use crate::clock::Clock;
use crate::config::Config;
use crate::journal::Place;
use crate::net::Transport;
use crate::shm::MarketView;
use crate::sync::spsc;
use crate::types::{Event, ParamSpec, VenueId};
use crate::venues::{VENUES, VenueSetup};
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// Slots of the rings between control thread and order manager. What is left to do is told in at most
/// 129 parts, all parameters in one for each and an end.
const ASKS: usize = 64;
const TELLS: usize = 2_048;

/// The control thread's half of what an engine is built from.
pub(super) struct Supervision {
    asks: spsc::Producer<Ask>,
    tells: spsc::Consumer<Tell>,
    settled: Settled,
    board: OrderBoard,
    kill_file: PathBuf,
    /// Panics of the agents.
    pub incidents: Incidents,
    /// Where the engine records.
    pub journal: Option<Place>,
}

impl Supervision {
    /// The halves of control thread and order manager. Refuses to start under a kill file.
    pub fn new(config: &Config, folder: &Path) -> Result<(Self, OperatorDesk), String> {
        let kill_file = config.kill_file.clone().unwrap_or_else(|| folder.join(KILL_FILE_NAME));
        if kill_file.symlink_metadata().is_ok() {
            let path = kill_file.display();
            return Err(format!("kill file {path} is there: remove it to trade again"));
        }
        let (asks, asks_in) = spsc::channel(ASKS);
        let (tells_out, tells) = spsc::channel(TELLS);
        let (board, settled) = (OrderBoard::default(), Settled::default());
        let desk = OperatorDesk {
            asks: asks_in,
            tells: tells_out,
            settled: settled.clone(),
            board: board.clone(),
            strategies: Vec::new(),
            strategy_silence_max_ns: config.strategy_silence_max_ns,
        };
        let incidents = Incidents::default();
        Ok((Self { asks, tells, settled, board, kill_file, incidents, journal: None }, desk))
    }

    /// Starts the thread.
    pub fn start(self, rest: Rest<'_>) -> Result<JoinHandle<()>, String> {
        let Rest { config, folder, strategies, specs, spares, view, lifecycle, clock, log, .. } =
            rest;
        let instruments = view.instruments().clone();
        let venue = |venue: VenueId| (venue, VENUES[usize::from(venue.0)].name.to_owned());
        let names = Names {
            venues: config.venues.iter().map(|row| venue(row.venue)).collect(),
            strategies,
            params: specs,
            instruments,
        };
        let path = folder.join(SOCKET_NAME);
        let rings = (self.asks, self.tells, self.settled);
        let socket = Socket::bind(&path, names.clone(), rings, lifecycle.clone())?;
        copy_config(config, folder)?;
        let nursery = Nursery {
            folder: folder.to_owned(),
            output: config.output_folder.join(&config.name),
            environment: environment(config, folder).map_err(|error| error.to_string())?,
            news: rest.news,
            view: view.clone(),
            names: names.clone(),
            silence_max_ns: config.strategy_silence_max_ns,
        };
        let children = Children::new(nursery, rest.children, &log)?;
        let crashes = Arc::new(CrashWriter {
            folder: config.crash_folder.clone(),
            instance: config.name.clone(),
            view: view.clone(),
            board: self.board,
            names,
            log: log.tail(),
        });
        control::start(ControlParts {
            journal: self.journal,
            socket,
            kill_file: self.kill_file,
            view,
            silence_max_ns: config.strategy_silence_max_ns,
            incidents: self.incidents,
            crashes,
            spares,
            children,
            clock,
            lifecycle,
            log: log.named("control"),
        })
    }
}

/// Strategies in processes read the configuration again, as it was when the engine did.
fn copy_config(config: &Config, folder: &Path) -> Result<(), String> {
    let path = folder.join(CONFIG_NAME);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let written = options.open(&path).and_then(|mut file| file.write_all(config.text.as_bytes()));
    written.map_err(|error| format!("{}: {error}", path.display()))
}

/// What the thread needs of the engine besides.
pub(super) struct Rest<'a> {
    pub config: &'a Config,
    pub folder: &'a Path,
    /// Names by number.
    pub strategies: Vec<String>,
    /// What their parameters may be, likewise.
    pub specs: Vec<Vec<ParamSpec>>,
    /// How to replace lost executors.
    pub spares: Vec<SparePlan>,
    /// Those of them that run in processes.
    pub children: Vec<ChildPlan>,
    /// To the order manager.
    pub news: SyncSender<News>,
    pub view: MarketView,
    pub lifecycle: Lifecycle,
    pub clock: Clock,
    pub log: Log,
}

/// How to connect to a venue anew, should its executor be lost.
pub(super) fn spare_plan(
    setup: VenueSetup,
    transport: Transport,
    levels: usize,
    clock: &Clock,
    log: Log,
    reports: SyncSender<Event>,
) -> SparePlan {
    let row = &VENUES[usize::from(setup.venue.0)];
    let executor = format!("exec:{}", row.name);
    let instruments = setup.instruments.of_venue(setup.venue).map(|row| row.id).collect();
    let (clock, log) = (clock.clone(), Mutex::new(log));
    let open = move || {
        let connector = (row.trading)(setup.clone()).map_err(|error| error.to_string())?;
        let log = log.lock().map_err(|_| "its log is gone".to_owned())?.clone();
        Session::open(connector, transport.clone(), levels, &clock, log)
    };
    SparePlan { executor, instruments, open: Arc::new(open), reports }
}
