//! The engine as a whole: builds the region, the agents and the rings between them, and gives each
//! agent its thread.

use super::account::FinalState;
use super::configured::{Named, oms_options, plans, strategies};
use super::executor::{Executor, ExecutorHistograms, ExecutorParts};
use super::feed::{Feed, FeedBook, FeedHistograms, FeedParts};
use super::journal::{JournalRecorder, JournalSetup, start_after};
use super::log::Log;
use super::oms::{OmsAgent, OmsParts, StrategyPort, VenuePort};
use super::session::Session;
use super::strategy::StrategyAgent;
use super::threads::{Agent, Lifecycle, Phase, ThreadPlan, spawn};
use crate::book::{Book, BookOptions, LadderOptions};
use crate::clock::Clock;
use crate::config::{Config, Mode, VenueConfig};
use crate::journal::Place;
use crate::oms::Kept;
use crate::shm::{
    HealthWriter, Market, MarketView, RegionError, RegionOptions, Stage, StatusReader,
    StrategyFile, StrategyOptions,
};
use crate::strategy::{Context, ContextParts, Strategy};
use crate::sync::{histogram, spsc};
use crate::throttle::Throttle;
use crate::tui;
use crate::types::{Channel, Command, Event, InstrumentTable, Nanos, StrategyId, VenueId};
use crate::venues::{Credentials, Endpoints, VENUES, VenueSetup};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What an engine is built from.
pub struct EngineSetup<'a> {
    /// Checked configuration.
    pub config: &'a Config,
    /// Addresses by venue.
    pub endpoints: Vec<(VenueId, Endpoints)>,
    /// Keys by venue.
    pub credentials: Vec<(VenueId, Credentials)>,
    /// Instruments in the order of the configuration.
    pub instruments: Arc<InstrumentTable>,
    /// Strategies that the program brings, by name, beside those of the configuration. Their agents
    /// are named `strategy:<name>`; give their names to [`Config::load_with`] too, so that
    /// `[[thread]]` may place them.
    pub strategies: Vec<(String, Box<dyn Strategy>)>,
    /// Whom to trust.
    pub tls: Arc<rustls::ClientConfig>,
    /// Where everything is recorded, and what the run before left; `None` keeps nothing.
    pub journal: Option<Place>,
    /// Time.
    pub clock: Clock,
    /// Log.
    pub log: Log,
}

/// A running engine.
pub struct Engine {
    view: MarketView,
    lifecycle: Lifecycle,
    threads: Vec<JoinHandle<()>>,
    last: Receiver<FinalState>,
    statuses: Mutex<Vec<(String, StatusReader)>>,
    layout: String,
    folder: PathBuf,
}

/// How long the order manager may take to say what it knows, and threads to end.
const LEAVING_TIMEOUT: Duration = Duration::from_secs(2);
/// How long stopping may take before what is left is reported as not confirmed.
pub const STOP_TIMEOUT: Duration = Duration::from_secs(10);
/// Slots of the rings between order manager and executors.
const COMMANDS: usize = 4096;
const EVENTS: usize = 16 * 1024;
/// Price levels that one message may hold: both sides of the deepest snapshot with room to spare.
const FEED_LEVELS: usize = 16 * 1024;
const EXECUTOR_LEVELS: usize = 16;

struct Builder<'a> {
    setup: EngineSetup<'a>,
    market: Market,
    lifecycle: Lifecycle,
    agents: Vec<Box<dyn Agent>>,
    ports: Vec<VenuePort>,
    /// By venue: what must be ready before orders may be sent there.
    channels: Vec<Vec<Channel>>,
}

impl Engine {
    /// Builds everything and starts the threads. Connections are made by the agents themselves.
    pub fn start(mut setup: EngineSetup<'_>) -> Result<Self, String> {
        let config = setup.config;
        let own = std::mem::take(&mut setup.strategies);
        let strategies = strategies(config, own, &setup.instruments)?;
        let (plans, layout) = plans(config, &strategies)?;
        let folder = PathBuf::from(format!("/dev/shm/stoop-{}", config.name));
        let options = RegionOptions {
            depth: config.depth,
            strategies: strategies.len(),
            ..RegionOptions::default()
        };
        let market =
            Market::create(&folder, &setup.instruments, &options).map_err(|error| match error {
                RegionError::InUse { .. } => {
                    format!("{error}: give this instance another name in [engine]")
                }
                _ => error.to_string(),
            })?;
        Self::build(setup, market, strategies, (plans, layout), &folder).inspect_err(|_| {
            let _ = std::fs::remove_dir_all(&folder);
        })
    }

    fn build(
        setup: EngineSetup<'_>,
        market: Market,
        strategies: Vec<Named>,
        (plans, layout): (Vec<ThreadPlan>, String),
        folder: &Path,
    ) -> Result<Self, String> {
        let config = setup.config;
        let view = market.view();
        let (sender, last) = channel();
        let mut builder = Builder {
            setup,
            market,
            lifecycle: Lifecycle::default(),
            agents: Vec::new(),
            ports: Vec::new(),
            channels: vec![Vec::new(); VENUES.len()],
        };
        for venue in &config.venues {
            builder.venue(venue)?;
        }
        let mut strategy_ports = Vec::new();
        let mut statuses = Vec::new();
        for (index, (name, strategy)) in strategies.into_iter().enumerate() {
            let port = builder.strategy(index, &name, strategy, folder)?;
            statuses.push((name, port.end.status()));
            strategy_ports.push(port);
        }
        let lifecycle = builder.lifecycle.clone();
        let threads = builder.run(strategy_ports, sender, &plans, &layout)?;
        let statuses = Mutex::new(statuses);
        let folder = folder.to_owned();
        Ok(Self { view, lifecycle, threads, last, statuses, layout, folder })
    }

    /// The region.
    #[must_use]
    pub fn view(&self) -> &MarketView {
        &self.view
    }

    /// How the agents are laid out, for people.
    #[must_use]
    pub fn layout(&self) -> &str {
        &self.layout
    }

    /// Newest status of each strategy.
    #[must_use]
    pub fn statuses(&self) -> Vec<(String, Vec<(String, String)>)> {
        let Ok(mut readers) = self.statuses.lock() else { return Vec::new() };
        let read = |(name, reader): &mut (String, StatusReader)| {
            let fields = reader.latest().map(|status| tui::status_fields(&status));
            (name.clone(), fields.unwrap_or_default())
        };
        readers.iter_mut().map(read).collect()
    }

    /// Asks for no new orders, everything cancelled and confirmed.
    pub fn stop(&self) {
        self.lifecycle.advance(Phase::Stopping);
    }

    /// Whether that is done.
    #[must_use]
    pub fn has_stopped(&self) -> bool {
        self.lifecycle.phase() == Phase::Done
    }

    /// Whether an agent was lost.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.lifecycle.has_lost_agent()
    }

    /// Whether a venue refused our key.
    #[must_use]
    pub fn is_login_refused(&self) -> bool {
        self.lifecycle.is_login_refused()
    }

    /// Ends the threads, done or not, and gives the last state: everything that is known, and what
    /// is not.
    #[must_use]
    pub fn join(mut self) -> FinalState {
        self.end()
    }

    fn end(&mut self) -> FinalState {
        self.lifecycle.advance(Phase::Leaving);
        let last = self.last.recv_timeout(LEAVING_TIMEOUT);
        self.lifecycle.advance(Phase::Done);
        let mut last = last.unwrap_or_else(|_| {
            let text = "the order manager did not answer: nothing is known of its orders";
            FinalState { unconfirmed: vec![text.to_owned()], ..FinalState::default() }
        });
        let until = Instant::now() + LEAVING_TIMEOUT;
        for thread in self.threads.drain(..) {
            while !thread.is_finished() && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(1));
            }
            if thread.is_finished() {
                let _ = thread.join();
            } else {
                let name = thread.thread().name().unwrap_or("?").to_owned();
                last.unconfirmed.push(format!("the thread of {name} hangs"));
            }
        }
        let _ = std::fs::remove_dir_all(&self.folder);
        last
    }
}

/// An engine that is dropped without [`Engine::join`] (the caller failed) still cancels.
impl Drop for Engine {
    fn drop(&mut self) {
        if self.threads.is_empty() {
            return;
        }
        self.stop();
        let until = Instant::now() + STOP_TIMEOUT;
        while !self.has_stopped() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.end();
    }
}

/// A window of 131 072 ticks: on fine ticks (0.01 on BTC) the depth that moves would otherwise lie
/// outside it half of the time.
fn book_options() -> BookOptions {
    let ladder = LadderOptions { window_ticks: 131_072, ..LadderOptions::default() };
    BookOptions { ladder, ..BookOptions::default() }
}

fn missing(what: &str) -> String {
    format!("the region has no {what}")
}

impl Builder<'_> {
    fn histogram(&self, stage: Stage, venue: VenueId) -> Result<histogram::Writer, String> {
        self.market.histogram_writer(stage, venue).ok_or_else(|| missing(stage.name()))
    }

    fn venue_setup(&self, config: &VenueConfig, trading: bool) -> VenueSetup {
        let of = |list: &[(VenueId, Endpoints)]| {
            let row = list.iter().find(|(venue, _)| *venue == config.venue);
            row.map(|(_, endpoints)| endpoints.clone()).unwrap_or_default()
        };
        let keys = self.setup.credentials.iter().find(|(venue, _)| *venue == config.venue);
        VenueSetup {
            venue: config.venue,
            endpoints: of(&self.setup.endpoints),
            instruments: self.setup.instruments.clone(),
            credentials: keys.filter(|_| trading).map(|(_, keys)| keys.clone()),
            depth: 50,
            recv_window_ms: config.recv_window_ms,
            orders_over_rest: config.orders_over_rest,
            reply_timeout_ms: 2_000,
            first_message_timeout_ms: 5_000,
        }
    }

    fn venue(&mut self, config: &VenueConfig) -> Result<(), String> {
        let row = &VENUES[usize::from(config.venue.0)];
        let health =
            self.market.health_writer(config.venue).ok_or_else(|| missing("venue health"))?;
        let HealthWriter { feed, executor } = health;
        let (watch, control) = spsc::channel(256);
        let (commands, commands_in) = spsc::channel(COMMANDS);
        let (events_out, events) = spsc::channel(EVENTS);
        let failed = |error: String| format!("{}: {error}", row.name);
        self.feed(config, feed, control).map_err(failed)?;
        self.executor(config, executor, commands_in, events_out).map_err(failed)?;
        self.ports.push(VenuePort {
            venue: config.venue,
            commands,
            events,
            feed: watch,
            see: self.histogram(Stage::See, config.venue)?,
            decide: self.histogram(Stage::Decide, config.venue)?,
            risk: self.histogram(Stage::Risk, config.venue)?,
        });
        Ok(())
    }

    fn feed(
        &mut self,
        config: &VenueConfig,
        health: crate::shm::FeedHealthWriter,
        control: spsc::Consumer<Command>,
    ) -> Result<(), String> {
        let row = &VENUES[usize::from(config.venue.0)];
        let name = format!("feed:{}", row.name);
        let connector =
            (row.market)(self.venue_setup(config, false)).map_err(|error| error.to_string())?;
        let session = Session::open(
            connector,
            self.setup.tls.clone(),
            FEED_LEVELS,
            &self.setup.clock,
            self.setup.log.named(&name),
        )?;
        let mut books = Vec::new();
        for instrument in self.setup.instruments.of_venue(config.venue) {
            let streamed = self.setup.config.instruments[instrument.id.index()].streamed;
            let writer = self.market.book_writer(instrument.id).ok_or_else(|| missing("book"))?;
            let trades =
                self.market.trade_writer(instrument.id).ok_or_else(|| missing("trade ring"))?;
            books.push(FeedBook {
                instrument: instrument.id,
                streamed,
                book: Book::new(instrument.rules.tick_size, book_options()),
                writer,
                trades,
                top_sequence: 0,
                top_crossed: false,
            });
        }
        let histograms = FeedHistograms {
            decode: self.histogram(Stage::Decode, config.venue)?,
            publish: self.histogram(Stage::Publish, config.venue)?,
        };
        let depth = self.setup.config.depth;
        let parts = FeedParts { name, session, books, health, histograms, control, depth };
        self.agents.push(Box::new(Feed::new(parts)));
        Ok(())
    }

    fn executor(
        &mut self,
        config: &VenueConfig,
        health: crate::shm::ExecutorHealthWriter,
        commands: spsc::Consumer<Command>,
        reports: spsc::Producer<Event>,
    ) -> Result<(), String> {
        let row = &VENUES[usize::from(config.venue.0)];
        let name = format!("exec:{}", row.name);
        let connector =
            (row.trading)(self.venue_setup(config, true)).map_err(|error| error.to_string())?;
        let wanted = connector.channels().iter().map(|spec| spec.channel);
        self.channels[usize::from(config.venue.0)] = wanted.collect();
        let session = Session::open(
            connector,
            self.setup.tls.clone(),
            EXECUTOR_LEVELS,
            &self.setup.clock,
            self.setup.log.named(&name),
        )?;
        let histograms = ExecutorHistograms {
            send: self.histogram(Stage::Send, config.venue)?,
            tick_to_order: self.histogram(Stage::TickToOrder, config.venue)?,
            ack: self.histogram(Stage::Ack, config.venue)?,
        };
        let instruments = self.setup.instruments.of_venue(config.venue);
        self.agents.push(Box::new(Executor::new(ExecutorParts {
            name,
            session,
            instruments: instruments.map(|instrument| instrument.id).collect(),
            commands,
            reports,
            throttle: Throttle::new(row.limits),
            costs: row.costs,
            over_rest: config.orders_over_rest,
            health,
            histograms,
            lifecycle: self.lifecycle.clone(),
        })));
        Ok(())
    }

    fn strategy(
        &mut self,
        index: usize,
        name: &str,
        body: Box<dyn Strategy>,
        folder: &Path,
    ) -> Result<StrategyPort, String> {
        let strategy = StrategyId(index as u8);
        let options = StrategyOptions {
            strategy,
            instruments: self.setup.instruments.len(),
            ..StrategyOptions::default()
        };
        let (oms_end, end) =
            StrategyFile::create(folder, name, &options).map_err(|error| error.to_string())?;
        let ctx = Context::new(ContextParts {
            view: self.market.view(),
            end,
            instruments: self.setup.instruments.clone(),
            clock: self.setup.clock.clone(),
            strategy,
        });
        let name = format!("strategy:{name}");
        let agent = StrategyAgent::new(name, body, ctx, self.lifecycle.clone());
        self.agents.push(Box::new(agent));
        Ok(StrategyPort::new(strategy, oms_end))
    }

    fn journal(&self, now: Nanos) -> Result<(JournalRecorder, Option<Kept>), String> {
        let Some(place) = self.setup.journal.clone() else {
            return Ok((JournalRecorder::none(), None));
        };
        let config = self.setup.config;
        let anew = config.mode == Mode::Sim && matches!(place, Place::Folder(_));
        let setup = JournalSetup { place, config: config.journal.clone(), anew };
        JournalRecorder::open(&setup, now, self.setup.log.named("journal"))
    }

    fn run(
        mut self,
        strategies: Vec<StrategyPort>,
        last: std::sync::mpsc::Sender<FinalState>,
        plans: &[ThreadPlan],
        layout: &str,
    ) -> Result<Vec<JoinHandle<()>>, String> {
        let account = self.market.account_writer().ok_or_else(|| missing("account"))?;
        let leg_skew = self.histogram(Stage::LegSkew, VenueId(0))?;
        let clock = self.setup.clock.clone();
        let mut log = self.setup.log.clone();
        let options = oms_options(
            self.setup.config,
            &self.setup.instruments,
            std::mem::take(&mut self.channels),
        )?;
        let start = clock.now();
        log.info(start, format_args!("{layout}"));
        for plan in plans {
            log.info(start, format_args!("thread: {plan}"));
        }
        let (journal, kept) = self.journal(start)?;
        let oms = OmsAgent::new(OmsParts {
            options,
            instance_start: start_after(kept.as_ref(), start),
            journal,
            kept,
            instruments: self.setup.instruments.clone(),
            market: self.market,
            venues: self.ports,
            strategies,
            account,
            leg_skew,
            clock: clock.clone(),
            lifecycle: self.lifecycle.clone(),
            last,
            log: log.named("oms"),
        })?;
        self.agents.push(Box::new(oms));
        let mut threads = Vec::new();
        for plan in plans {
            let mut own = Vec::new();
            for name in &plan.runs {
                let at = self.agents.iter().position(|agent| agent.name() == name);
                let at = at.ok_or_else(|| format!("there is no agent {name}"))?;
                own.push(self.agents.swap_remove(at));
            }
            let thread = spawn(plan, own, &clock, &self.lifecycle, &log).inspect_err(|_| {
                self.lifecycle.advance(Phase::Done);
            })?;
            threads.push(thread);
        }
        Ok(threads)
    }
}
