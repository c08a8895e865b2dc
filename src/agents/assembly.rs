//! The parts of the engine put together: region, agents and the rings between them, not yet running.
//!
//! [`super::Engine`] gives the agents threads; a simulation keeps them and polls them itself, with
//! the region in memory, a network in memory and a clock that it moves.

use super::account::FinalState;
use super::configured::{Named, limits_of, net_options, oms_options, strategies};
use super::control::SparePlan;
use super::control::children::ChildPlan;
use super::engine::EngineSetup;
use super::executor::{Executor, ExecutorParts};
use super::feed::{Feed, FeedBook, FeedParts};
use super::history::HistoryPlan;
use super::journal::{JournalRecorder, JournalSetup, start_after};
use super::latency::{self, FeedLatency, OrderLatency};
use super::log::Log;
use super::memory;
use super::oms::{OmsAgent, OmsParts};
use super::ports::{StrategyPort, VenuePort};
use super::session::Session;
use super::sizes::Sizes;
use super::strategy::StrategyAgent;
use super::supervision::spare_plan;
use super::threads::{Agent, Lifecycle};
use crate::book::Book;
use crate::clock::Clock;
use crate::config::{RunConfig, VenueConfig};
use crate::journal::Place;
use crate::net::Transport;
use crate::oms::Kept;
use crate::shm::{
    HealthWriter, Market, MarketView, RegionOptions, Stage, StrategyFile, StrategyOptions,
};
use crate::strategy::klines::HistoryDesk;
use crate::strategy::{Context, ContextParts};
use crate::sync::spsc;
use crate::throttle::Throttle;
use crate::types::{
    Channel, Command, Event, MarginSettings, Nanos, ParamSpec, Perpetual, StrategyId, VenueId,
};
use crate::venues::{Endpoints, VENUES, VenueSetup};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};

const EXECUTOR_LEVELS: usize = 16;
/// Room for what a spare connection hears before the order manager has read it.
const SPARE_EVENTS: usize = 1024;

/// Where the region lies.
pub(super) struct RegionPlace<'a> {
    pub(super) market: Market,
    /// Where strategies' files go; in memory without.
    pub(super) folder: Option<&'a Path>,
}

// Agents on different threads lie in pairs of cache lines of their own.
const _: () = {
    assert!(align_of::<Feed>() == 128 && align_of::<StrategyAgent>() == 128);
    assert!(align_of::<OmsAgent>() == 128 && align_of::<Executor>() == 128);
};

/// An engine that does not run by itself: poll the agents in the order of the fields.
pub struct Assembly {
    /// Market data.
    pub feeds: Vec<Feed>,
    /// Strategies.
    pub strategies: Vec<StrategyAgent>,
    /// The order manager.
    pub oms: OmsAgent,
    /// Orders.
    pub executors: Vec<Executor>,
    /// The region.
    pub view: MarketView,
    /// Who fetches klines that strategies ask for.
    pub history: HistoryPlan,
    /// The engine's life.
    pub lifecycle: Lifecycle,
    /// Where the order manager's last word comes.
    pub last: Receiver<FinalState>,
    /// Of the strategies, by number.
    pub(super) names: Vec<String>,
    pub(super) spares: Vec<SparePlan>,
    /// Strategies that run in processes, and what their parameters may be, by strategy.
    pub(super) children: Vec<ChildPlan>,
    pub(super) specs: Vec<Vec<ParamSpec>>,
    pub(super) clock: Clock,
    pub(super) log: Log,
}

impl Assembly {
    /// With the region in memory, over a network in memory or over sockets.
    pub fn in_memory(
        mut setup: EngineSetup<'_>,
        transport: impl Into<Transport>,
        sizes: &Sizes,
    ) -> Result<Self, String> {
        let own = std::mem::take(&mut setup.strategies);
        let strategies = strategies(setup.config, own, &setup.instruments)?;
        let region = RegionOptions {
            depth: setup.config.depth,
            strategies: strategies.len(),
            trades: sizes.trades,
            threads: 0,
            agents: 0,
            detail: setup.config.latency,
        };
        let market = Market::in_memory(&setup.instruments, &region);
        let market = market.map_err(|error| error.to_string())?;
        let place = RegionPlace { market, folder: None };
        Self::build(setup, place, strategies, transport.into(), sizes)
    }

    pub(super) fn build(
        setup: EngineSetup<'_>,
        place: RegionPlace<'_>,
        strategies: Vec<Named>,
        transport: Transport,
        sizes: &Sizes,
    ) -> Result<Self, String> {
        let config = setup.config;
        let mut builder = Builder::new(setup, place.market, transport, sizes);
        for venue in &config.venues {
            builder.venue(venue)?;
        }
        let (mut ports, mut agents, mut names) = (Vec::new(), Vec::new(), Vec::new());
        let (mut children, mut specs) = (Vec::new(), Vec::new());
        for (index, mut strategy) in strategies.into_iter().enumerate() {
            names.push(strategy.name.clone());
            specs.push(std::mem::take(&mut strategy.specs));
            let (port, runner) = builder.strategy(index, strategy, place.folder)?;
            ports.push(port);
            match runner {
                StrategyRunner::Thread(agent) => agents.push(*agent),
                StrategyRunner::Process(plan) => children.push(*plan),
            }
        }
        let assembly = builder.finish(ports, agents, names)?;
        Ok(Self { children, specs, ..assembly })
    }

    /// The agents without their kinds, and where the last word comes, for threads.
    pub(super) fn into_agents(self) -> (Vec<Box<dyn Agent>>, Receiver<FinalState>) {
        fn boxed(agent: impl Agent + 'static) -> Box<dyn Agent> {
            Box::new(agent)
        }
        let feeds = self.feeds.into_iter().map(boxed);
        let strategies = self.strategies.into_iter().map(boxed);
        let executors = self.executors.into_iter().map(boxed);
        let agents = feeds.chain(strategies).chain([boxed(self.oms)]).chain(executors).collect();
        (agents, self.last)
    }
}

pub(super) struct Builder<'a> {
    setup: EngineSetup<'a>,
    market: Market,
    lifecycle: Lifecycle,
    transport: Transport,
    sizes: &'a Sizes,
    pub(super) feeds: Vec<Feed>,
    executors: Vec<Executor>,
    spares: Vec<SparePlan>,
    ports: Vec<VenuePort>,
    /// Where strategies ask for klines.
    history: HistoryDesk,
    /// By venue: what must be ready before orders may be sent there.
    channels: Vec<Vec<Channel>>,
}

/// Where a strategy runs.
enum StrategyRunner {
    Thread(Box<StrategyAgent>),
    Process(Box<ChildPlan>),
}

fn not_brought(name: &str) -> String {
    format!("strategy {name}: this program brings none of this name")
}

fn missing(what: &str) -> String {
    format!("the region has no {what}")
}

impl<'a> Builder<'a> {
    pub(super) fn new(
        setup: EngineSetup<'a>,
        market: Market,
        transport: Transport,
        sizes: &'a Sizes,
    ) -> Self {
        Self {
            setup,
            market,
            lifecycle: Lifecycle::default(),
            transport,
            sizes,
            feeds: Vec::new(),
            executors: Vec::new(),
            spares: Vec::new(),
            ports: Vec::new(),
            history: HistoryDesk::default(),
            channels: vec![Vec::new(); VENUES.len()],
        }
    }

    /// The feed of a venue whose executor nobody needs.
    pub(super) fn feed_alone(
        &mut self,
        config: &VenueConfig,
        control: spsc::Consumer<Command>,
    ) -> Result<(), String> {
        let health = self.market.health_writer(config.venue);
        let health = health.ok_or_else(|| missing("venue health"))?;
        self.feed(config, health.feed, control)
    }

    fn venue_setup(&self, config: &VenueConfig, trading: bool) -> Result<VenueSetup, String> {
        let EngineSetup { endpoints, order_endpoints, .. } = &self.setup;
        // Orders that have addresses of their own go nowhere else.
        let apart = trading && !order_endpoints.is_empty();
        let mut all = if apart { order_endpoints } else { endpoints }.iter();
        let endpoints = match all.find(|(venue, _)| *venue == config.venue) {
            Some((_, endpoints)) => endpoints.clone(),
            None if apart => return Err("nobody says where its orders go".to_owned()),
            None => Endpoints::default(),
        };
        let keys = self.setup.credentials.iter().find(|(venue, _)| *venue == config.venue);
        Ok(VenueSetup {
            venue: config.venue,
            endpoints,
            instruments: self.setup.instruments.clone(),
            credentials: keys.filter(|_| trading).map(|(_, keys)| keys.clone()),
            depth: 50,
            dead_man_switch_s: config.dead_man_switch_s,
            prepared_nonces: config.prepared_nonces,
            margin: config.margin,
            recv_window_ms: config.recv_window_ms,
            orders_over_rest: config.orders_over_rest,
            order_connections: config.order_connections,
            feed_connections: config.feed_connections,
            reply_timeout_ms: 2_000,
            first_message_timeout_ms: 5_000,
        })
    }

    fn venue(&mut self, config: &VenueConfig) -> Result<(), String> {
        let row = &VENUES[usize::from(config.venue.0)];
        let health =
            self.market.health_writer(config.venue).ok_or_else(|| missing("venue health"))?;
        let HealthWriter { feed, executor } = health;
        let (watch, control) = spsc::channel(256);
        let (commands, commands_in) = spsc::channel(self.sizes.commands);
        let (events_out, events) = spsc::channel(self.sizes.events);
        let failed = |error: String| format!("{}: {error}", row.name);
        self.feed(config, feed, control).map_err(failed)?;
        let (spare_to, spare) = sync_channel(SPARE_EVENTS);
        self.executor(config, executor, (commands_in, events_out, spare_to)).map_err(failed)?;
        self.ports.push(VenuePort { venue: config.venue, commands, events, spare, feed: watch });
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
        let sessions: Vec<Session> = (0..config.feed_connections)
            .map(|line| self.feed_session(config, &name, line))
            .collect::<Result<_, _>>()?;
        let mut books = Vec::new();
        for instrument in self.setup.instruments.of_venue(config.venue) {
            let streamed = self.setup.config.instruments[instrument.id.index()].streamed;
            let writer = self.market.book_writer(instrument.id).ok_or_else(|| missing("book"))?;
            let trades =
                self.market.trade_writer(instrument.id).ok_or_else(|| missing("trade ring"))?;
            let perpetual = self.market.perpetual_writer(instrument.id);
            let perpetual = perpetual.ok_or_else(|| missing("record of marks"))?;
            let mut options = self.sizes.books;
            options.ladder.shown_levels = self.setup.config.depth;
            let mut book = Book::new(instrument.rules.tick_size, options);
            memory::prepare(&mut book, &self.setup.config.host);
            books.push(FeedBook {
                instrument: instrument.id,
                streamed,
                book,
                writer,
                trades,
                perpetual,
                marks: Perpetual::default(),
                top_sequence: 0,
                top_crossed: false,
            });
        }
        let latency = FeedLatency::new(&self.market, config.venue);
        let latency = latency.ok_or_else(|| missing("latency"))?;
        let trade_ids_rise = VENUES[usize::from(config.venue.0)].trade_ids_rise;
        let parts = FeedParts { name, sessions, books, trade_ids_rise, health, latency, control };
        self.feeds.push(Feed::new(parts));
        Ok(())
    }

    /// One of the connections of a feed.
    fn feed_session(&self, config: &VenueConfig, feed: &str, line: u8) -> Result<Session, String> {
        let row = &VENUES[usize::from(config.venue.0)];
        let connector =
            (row.market)(self.venue_setup(config, false)?).map_err(|error| error.to_string())?;
        let second = format!("{feed}:{}", line + 1);
        Session::open_with(
            connector,
            self.transport.clone(),
            net_options(self.setup.config, feed),
            self.sizes.feed_levels,
            &self.setup.clock,
            self.setup.log.named(if line == 0 { feed } else { &second }),
        )
    }

    fn executor(
        &mut self,
        config: &VenueConfig,
        health: crate::shm::ExecutorHealthWriter,
        (commands, reports, spare): (
            spsc::Consumer<Command>,
            spsc::Producer<Event>,
            SyncSender<Event>,
        ),
    ) -> Result<(), String> {
        let row = &VENUES[usize::from(config.venue.0)];
        let name = format!("exec:{}", row.name);
        let (clock, log) = (&self.setup.clock, self.setup.log.named(&name));
        // One that only cancels changes nothing else at the venue, and waits for nothing else.
        let setup =
            VenueSetup { margin: MarginSettings::default(), ..self.venue_setup(config, true)? };
        let transport = self.transport.clone();
        self.spares.push(spare_plan(setup, transport, EXECUTOR_LEVELS, clock, log, spare));
        let connector =
            (row.trading)(self.venue_setup(config, true)?).map_err(|error| error.to_string())?;
        let wanted = connector.channels().iter().map(|spec| spec.channel);
        self.channels[usize::from(config.venue.0)] = wanted.collect();
        let session = Session::open_with(
            connector,
            self.transport.clone(),
            net_options(self.setup.config, &name),
            EXECUTOR_LEVELS,
            &self.setup.clock,
            self.setup.log.named(&name),
        )?;
        let latency = OrderLatency::new(&self.market, config.venue);
        let latency = latency.ok_or_else(|| missing("latency"))?;
        let instruments = self.setup.instruments.of_venue(config.venue);
        self.executors.push(Executor::new(ExecutorParts {
            name,
            session,
            instruments: instruments.map(|instrument| instrument.id).collect(),
            margin: config.margin,
            commands,
            reports,
            throttle: Throttle::new(&limits_of(row, self.sizes.rate_limits)),
            costs: row.costs,
            over_rest: config.orders_over_rest,
            health,
            latency,
            lifecycle: self.lifecycle.clone(),
        }));
        Ok(())
    }

    fn strategy(
        &mut self,
        index: usize,
        named: Named,
        folder: Option<&Path>,
    ) -> Result<(StrategyPort, StrategyRunner), String> {
        let Named { name, body, run, params, .. } = named;
        let strategy = StrategyId(index as u8);
        let options = StrategyOptions {
            strategy,
            instruments: self.setup.instruments.len(),
            ..StrategyOptions::default()
        };
        let made = match folder {
            Some(folder) => StrategyFile::create(folder, &name, &options),
            None => StrategyFile::in_memory(&options),
        };
        let (oms_end, end) = made.map_err(|error| error.to_string())?;
        let port = StrategyPort::with_params(strategy, oms_end, params);
        let foreign = run.is_foreign();
        if let (RunConfig::Process(process), Some(_)) = (run, folder) {
            if body.is_none() && !foreign {
                return Err(not_brought(&name));
            }
            // Its own end is the process's.
            let plan = ChildPlan { name, process, options, pulse: port.end.pulse() };
            return Ok((port, StrategyRunner::Process(Box::new(plan))));
        }
        // Without files there are no processes: what is this program's runs here all the same.
        let body = body.ok_or_else(|| not_brought(&name))?;
        let ctx = Context::new(ContextParts {
            view: self.market.view(),
            end,
            instruments: self.setup.instruments.clone(),
            clock: self.setup.clock.clone(),
            strategy,
        });
        let ctx = ctx.with_history(self.history.end());
        let name = format!("strategy:{name}");
        let agent = StrategyAgent::new(name, body, ctx, self.lifecycle.clone());
        Ok((port, StrategyRunner::Thread(Box::new(agent))))
    }

    fn journal(&self, now: Nanos) -> Result<(JournalRecorder, Option<Kept>), String> {
        let Some(place) = self.setup.journal.clone() else {
            return Ok((JournalRecorder::none(), None));
        };
        let config = self.setup.config;
        let anew = config.mode.is_embedded() && matches!(place, Place::Folder(_));
        let setup = JournalSetup { place, config: config.journal.clone(), anew };
        JournalRecorder::open(&setup, now, self.setup.log.named("journal"))
    }

    fn finish(
        mut self,
        ports: Vec<StrategyPort>,
        strategies: Vec<StrategyAgent>,
        names: Vec<String>,
    ) -> Result<Assembly, String> {
        let account = self.market.account_writer().ok_or_else(|| missing("account"))?;
        let leg_skew = self.market.stage_writer(Stage::LegSkew, VenueId(0));
        let leg_skew = leg_skew.ok_or_else(|| missing("latency"))?;
        latency::measure_costs(&self.market, &self.setup.clock);
        self.market.set_clock(self.setup.clock.anchor());
        let EngineSetup { config, instruments, clock, log, .. } = &self.setup;
        let mut options = oms_options(
            config,
            instruments,
            std::mem::take(&mut self.channels),
            self.sizes.rate_limits,
        )?;
        options.strategies.clone_from(&names);
        (options.orders_max, options.fills_max) = (self.sizes.orders, self.sizes.fills);
        let (last_to, last) = channel();
        let view = self.market.view();
        let (journal, kept) = self.journal(clock.now())?;
        for (executor, port) in self.executors.iter_mut().zip(&self.ports) {
            let until = kept.as_ref().map(|kept| kept.suspended_until(port.venue));
            executor.suspend(until.unwrap_or(Nanos(0)));
        }
        let mut oms = OmsAgent::new(OmsParts {
            options,
            instance_start: start_after(kept.as_ref(), clock.now()),
            journal,
            kept,
            instruments: instruments.clone(),
            market: self.market,
            venues: self.ports,
            strategies: ports,
            account,
            leg_skew,
            clock: clock.clone(),
            lifecycle: self.lifecycle.clone(),
            last: last_to,
            log: log.named("oms"),
        })?;
        if config.host.prefault {
            oms.oms.prefault();
        }
        let (feeds, executors, spares) = (self.feeds, self.executors, self.spares);
        let (clock, log, lifecycle) = (clock.clone(), log.clone(), self.lifecycle);
        let (endpoints, table) = (self.setup.endpoints, self.setup.instruments);
        let history = HistoryPlan::new(self.history, endpoints, table);
        Ok(Assembly {
            feeds,
            strategies,
            oms,
            executors,
            view,
            history,
            lifecycle,
            last,
            names,
            spares,
            children: Vec::new(),
            specs: Vec::new(),
            clock,
            log,
        })
    }
}
