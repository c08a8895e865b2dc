//! `stoop run`: trade, show, stop in good order, and say what it was worth.

use super::armed::announce;
use super::check::check_host;
use super::instance::{Instance, folder_of};
use super::log_file::LogFile;
use super::monitor::Desk;
use super::paper::Missed;
use super::signals::Signals;
use super::summary::Summary;
use super::venues::Venues;
use super::{EXIT_FAILURE, EXIT_OK, EXIT_VENUE, Failure};
use crate::agents::log::{self, Level, LogLine, LogReader};
use crate::agents::{self, Engine, EngineSetup, FinalState, STOP_TIMEOUT};
use crate::clock::Clock;
use crate::config::{Config, Mode};
use crate::journal::Place;
use crate::metrics;
use crate::oms::RiskReject;
use crate::shm::MarketView;
use crate::show::{EventRow, Recorded, strategies};
use crate::strategy::Strategy;
use crate::tui::{App, MonitorData, Screen, Tab};
use crate::types::{Teller, VenueId};
use crate::venues::VENUES;
use signal_hook::consts::SIGHUP;
use std::collections::VecDeque;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What the command line asked for.
pub(super) struct Options {
    pub duration: Option<Duration>,
    pub live: bool,
    pub json: bool,
    pub plain: bool,
}

impl Options {
    fn shows_screens(&self) -> bool {
        !self.plain && !self.json && std::io::stdout().is_terminal()
    }
}

const FRAME: Duration = Duration::from_millis(200);
const LOG_LINES_SHOWN: usize = 200;
/// Records of each agent's log, of some two hundred bytes.
pub(super) const LOG_RECORDS: usize = 1024;

pub(super) fn run(
    config: &Config,
    options: &Options,
    strategies: Vec<(String, Box<dyn Strategy>)>,
) -> Result<u8, Failure> {
    check_armed(config, options)?;
    check_host(config).map_err(|error| Failure::config(error.to_string()))?;
    config.secret_variables().map_err(|error| Failure::config(error.to_string()))?;
    agents::check_own(config, &strategies).map_err(Failure::config)?;
    let (begun, clock) = (Instant::now(), Clock::new());
    let mut signals = Signals::catch()?;
    let (log, lines) = log::channel(LOG_RECORDS);
    let mut venues = Venues::start(config)?;
    let instruments = Arc::new(venues.load(config)?);
    agents::check(config, &instruments).map_err(Failure::config)?;
    let listener = config.metrics.map(metrics::listen).transpose().map_err(Failure::config)?;
    let paper_log = log.named("paper");
    let own: Vec<&str> = strategies.iter().map(|(name, _)| name.as_str()).collect();
    // Before the engine: one that trades must not be left for want of a folder.
    let file = config.log.as_ref().map(|log| LogFile::open(log, &config.name)).transpose();
    let mut file = file.map_err(|error| Failure::config(format!("[log] {error}")))?;
    announce(config, &own, clock.now(), file.as_mut());
    let setup = EngineSetup {
        config,
        endpoints: venues.endpoints.clone(),
        order_endpoints: venues.order_endpoints.clone(),
        credentials: venues.credentials.clone(),
        instruments,
        strategies,
        tls: venues.tls.clone(),
        journal: Some(Place::Folder(config.journal_folder())),
        clock: clock.clone(),
        log,
    };
    let mut engine = Engine::start(setup).map_err(Failure::new)?;
    let stated = engine.stated();
    venues.watch(config, (engine.view(), stated), &clock, paper_log)?;
    // Answers until the end, so that the end can be seen from outside too.
    let _metrics = listener.map(|listener| serve_metrics(listener, config, &engine, &clock));
    let mut view = View::new(config, options, (lines, file), &clock);
    let started = Instant::now();
    let mut firsts = Firsts::default();
    while !signals.came() && !engine.is_lost() && !engine.is_stopping() {
        let over = options.duration.is_some_and(|duration| started.elapsed() >= duration);
        if over || venues.is_blind() {
            break;
        }
        venues.apply_faults(config, started.elapsed());
        firsts.look(engine.view(), begun);
        if view.is_left(&engine) {
            break;
        }
    }
    venues.end_payments(engine.view().instruments());
    stop_engine(&engine, &mut signals, &mut view);
    let (lost, refused) = (engine.is_lost(), engine.is_login_refused());
    let reason = engine.stop_reason().map(str::to_owned);
    let seconds = started.elapsed().as_secs_f64();
    let (market, layout) = (engine.view().clone(), engine.layout().to_owned());
    let strategies = engine.strategies().to_vec();
    let last = engine.join();
    view.leave();
    let watched = venues.end_watch();
    let (lost, missed) = (lost || watched.is_err(), watched.unwrap_or_default());
    let ended = Ended { last, layout, seconds, firsts, lost, refused, reason, missed, strategies };
    finish(config, options, &venues, &market, &ended)
}

/// Whoever presses a key here is who runs it.
fn stop_by_key(engine: &Engine) {
    let (uid, pid) = (rustix::process::getuid().as_raw(), std::process::id());
    engine.stop_for(Teller::Person { uid, pid }, "a key at its own screen");
}

/// Waits until everything is cancelled and confirmed, for as long as that may take.
fn stop_engine(engine: &Engine, signals: &mut Signals, view: &mut View) {
    match signals.teller() {
        Some(teller) => engine.stop_for(teller, &teller.to_string()),
        // Its signal may come later, or never.
        None if view.is_lost => {
            let teller = Teller::Signal { number: SIGHUP, from: None };
            engine.stop_for(teller, "its terminal is gone");
        }
        None => {}
    }
    engine.stop();
    view.desk
        .app
        .replies
        .say("stopping: cancelling all orders and waiting for the venues to confirm".to_owned());
    let stopping = Instant::now();
    while !engine.has_stopped() && stopping.elapsed() < STOP_TIMEOUT {
        if let Err(failure) = view.frame(engine, Duration::from_millis(20)) {
            view.lose_screen(&failure);
        }
    }
}

/// What Prometheus reads. Without it the engine goes on.
fn serve_metrics(
    listener: std::net::TcpListener,
    config: &Config,
    engine: &Engine,
    clock: &Clock,
) -> Option<metrics::Server> {
    let names = metric_names(config, engine);
    match metrics::Server::start(listener, engine.view().clone(), names, clock.clone()) {
        Ok(server) => {
            tracing::info!("metrics at http://{}/metrics", server.address());
            Some(server)
        }
        Err(error) => {
            tracing::error!("{error}");
            None
        }
    }
}

/// What stands on the page beside what the region holds.
fn metric_names(config: &Config, engine: &Engine) -> metrics::Names {
    let venue = |venue: &crate::config::VenueConfig| {
        let row = &VENUES[usize::from(venue.venue.0)];
        let limits = row.limits.iter().map(|limit| limit.name).collect();
        metrics::VenueNames { venue: venue.venue, name: row.name, limits }
    };
    let mut refusals = vec![String::new(); RiskReject::COUNT];
    RiskReject::ALL.iter().for_each(|code| refusals[*code as usize] = code.to_string());
    metrics::Names {
        instance: config.name.clone(),
        mode: config.mode.name().to_owned(),
        venues: config.venues.iter().map(venue).collect(),
        refusals,
        strategies: engine.strategies().to_vec(),
        folder: folder_of(&config.name),
        strategy_silence_max_ns: config.strategy_silence_max_ns,
        streamed: config
            .instruments
            .iter()
            .filter(|instrument| instrument.streamed)
            .map(|instrument| instrument.name.clone())
            .collect(),
    }
}

/// When the first live book and the first order were seen, milliseconds after the command began.
#[derive(Clone, Copy, Default)]
pub(super) struct Firsts {
    pub book_ms: Option<u64>,
    pub order_ms: Option<u64>,
}

impl Firsts {
    fn look(&mut self, view: &MarketView, begun: Instant) {
        if self.book_ms.is_none() {
            let live = view.instruments().iter().any(|i| view.best(i.id).is_live());
            self.book_ms = live.then(|| begun.elapsed().as_millis() as u64);
        }
        if self.order_ms.is_none() && view.counters().orders_sent > 0 {
            self.order_ms = Some(begun.elapsed().as_millis() as u64);
        }
    }
}

/// What a run left.
struct Ended {
    last: FinalState,
    layout: String,
    seconds: f64,
    firsts: Firsts,
    lost: bool,
    refused: bool,
    /// Why it stopped, if a person, a file or a signal said so.
    reason: Option<String>,
    /// What of the market the simulated venues were not told, where they follow one.
    missed: Option<Missed>,
    /// Names of the strategies, by number.
    strategies: Vec<String>,
}

fn finish(
    config: &Config,
    options: &Options,
    venues: &Venues,
    market: &MarketView,
    ended: &Ended,
) -> Result<u8, Failure> {
    let ids: Vec<VenueId> = config.venues.iter().map(|venue| venue.venue).collect();
    let mut summary = Summary::collect(market, (&ids, &ended.strategies), &ended.last);
    summary.mode = config.mode.name();
    summary.layout.clone_from(&ended.layout);
    summary.seconds = ended.seconds;
    summary.firsts = ended.firsts;
    summary.stopped.clone_from(&ended.reason);
    summary.missed = ended.missed;
    summary.differences = venues.differences(market.instruments(), &ended.last);
    // Whoever would read it may have gone, with the terminal: the run is what it was.
    let mut out = std::io::stdout();
    if options.json {
        let _ = writeln!(out, "{}", summary.json());
    } else if writeln!(out).is_ok() {
        summary.print();
    }
    Ok(match (ended.refused, summary.is_good() && !ended.lost) {
        (true, _) => EXIT_VENUE,
        (false, true) => EXIT_OK,
        (false, false) => EXIT_FAILURE,
    })
}

/// Real money needs two hands: the file and the command line.
fn check_armed(config: &Config, options: &Options) -> Result<(), Failure> {
    match (config.mode, config.armed, options.live) {
        (Mode::Live, true, true) => Ok(()),
        (Mode::Live, false, _) => Err(Failure::config(format!(
            "{}: mode = \"live\" trades real money; it must be armed with armed = true",
            config.file
        ))),
        (Mode::Live, true, false) => Err(Failure::config(
            "mode = \"live\" trades real money; give --live to confirm it".to_owned(),
        )),
        (_, _, true) => Err(Failure::config(format!(
            "--live was given, but {} says mode = \"{}\"",
            config.file,
            config.mode.name()
        ))),
        _ => Ok(()),
    }
}

/// The screens on a terminal, log lines anywhere else.
struct View {
    screen: Option<Screen>,
    /// It had one, which is gone.
    is_lost: bool,
    desk: Desk,
    lines: LogReader,
    lost_shown: u64,
    file: Option<LogFile>,
    folder: PathBuf,
    kept: VecDeque<EventRow>,
    clock: Clock,
}

impl View {
    fn new(
        config: &Config,
        options: &Options,
        (lines, file): (LogReader, Option<LogFile>),
        clock: &Clock,
    ) -> Self {
        // The engine trades by now: without a screen it goes on with lines.
        let entered = options.shows_screens().then(Screen::enter).transpose();
        let screen = entered.unwrap_or_else(|error| {
            tracing::error!("terminal: {error}: log lines instead of screens");
            None
        });
        let folder = folder_of(&config.name);
        let instance = Instance { name: config.name.clone(), folder: folder.clone() };
        let mut app = App::on(Tab::Board);
        app.quits = Some("stops and cancels everything");
        Self {
            screen,
            is_lost: false,
            desk: Desk::new(instance, std::process::id(), app),
            lines,
            lost_shown: 0,
            file,
            folder,
            kept: VecDeque::with_capacity(LOG_LINES_SHOWN),
            clock: clock.clone(),
        }
    }

    /// Shows a frame; whether the run is to end, by a key or because the terminal is gone.
    fn is_left(&mut self, engine: &Engine) -> bool {
        match self.frame(engine, FRAME) {
            Ok(false) => false,
            Ok(true) => {
                stop_by_key(engine);
                true
            }
            Err(failure) => {
                self.lose_screen(&failure);
                true
            }
        }
    }

    /// Shows what is new and waits up to `wait` for a key; whether a person wants it to stop. The
    /// journal is not followed here: that would take from the engine what it needs itself.
    fn frame(&mut self, engine: &Engine, wait: Duration) -> Result<bool, Failure> {
        self.take_lines();
        let Some(screen) = &mut self.screen else {
            std::thread::sleep(wait.min(Duration::from_millis(50)));
            return Ok(false);
        };
        let view = engine.view();
        let looked_at = self.desk.looked_at(view.instruments().len());
        let recorded = Recorded { events: self.kept.clone(), ..Recorded::default() };
        let names = engine.strategies();
        let data = MonitorData {
            strategies: strategies(&self.folder, names, view),
            recorded: Arc::new(recorded),
            note: "stoop monitor, in another terminal, shows these".to_owned(),
            ..MonitorData::collect(view, self.clock.now(), looked_at, names)
        };
        self.desk.frame(screen, data, wait)
    }

    fn keep(&mut self, line: &LogLine) {
        if let Some(Err(error)) = self.file.as_mut().map(|file| file.write(line)) {
            tracing::error!("{error}");
        }
    }

    fn take_lines(&mut self) {
        for line in self.lines.take() {
            self.keep(&line);
            if self.screen.is_none() {
                print_line(&line);
                continue;
            }
            if self.kept.len() == LOG_LINES_SHOWN {
                self.kept.pop_front();
            }
            self.kept.push_back(EventRow {
                time: line.at,
                level: match line.level {
                    Level::Info => "info",
                    Level::Warn => "warn",
                    Level::Error => "error",
                },
                kind: "log",
                text: format!("{}: {}", line.source, line.text),
                ..EventRow::default()
            });
        }
        let lost = self.lines.lost();
        if lost > self.lost_shown && self.screen.is_none() {
            tracing::warn!(lines = lost - self.lost_shown, "log lines were lost: the log was full");
            self.lost_shown = lost;
        }
    }

    /// The terminal is gone: log lines from here on.
    fn lose_screen(&mut self, failure: &Failure) {
        (self.screen, self.is_lost) = (None, true);
        let (at, level, source) = (self.clock.now(), Level::Error, "run".into());
        let line = LogLine { at, level, source, text: format!("{}; stopping", failure.message) };
        self.keep(&line);
        print_line(&line);
    }

    fn leave(&mut self) {
        self.take_lines();
        self.screen = None;
    }
}

pub(super) fn print_line(line: &LogLine) {
    let agent = &*line.source;
    match line.level {
        Level::Info => tracing::info!(agent, "{}", line.text),
        Level::Warn => tracing::warn!(agent, "{}", line.text),
        Level::Error => tracing::error!(agent, "{}", line.text),
    }
}
