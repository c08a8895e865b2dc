//! An engine with its venue, for one instrument, that is polled by whoever measures.

use super::super::{Capture, FrameKind};
use super::taker::Taker;
use crate::agents::{Agent, Assembly, EngineSetup, LastSent, Sizes, log};
use crate::clock::Clock;
use crate::config::Config;
use crate::journal::Place;
use crate::pipe::{Latency, Network};
use crate::sim::{Scripted, venues as scripts};
use crate::types::{
    Instrument, InstrumentRules, InstrumentTable, Nanos, Price, Qty, Scale, VenueId,
};
use crate::venues::{Credentials, Endpoints, Secret, VENUES};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Rounds of all agents until something that must happen is given up.
const ROUNDS_MAX: usize = 200_000;
const PORT: u16 = 9443;

pub(super) struct Rig {
    venue: Scripted,
    network: Option<Network>,
    engine: Assembly,
    clock: Clock,
    folder: PathBuf,
    lines: std::sync::mpsc::Receiver<log::LogLine>,
}

/// Where in a recording the next frame is.
pub(super) struct Position<'a> {
    frames: std::slice::Iter<'a, super::super::frames::Frame>,
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Instrument as the recording needs it: the finest price and quantity are tick and lot.
fn instruments(venue: VenueId, name: &str, scale: Scale) -> InstrumentTable {
    let mut table = InstrumentTable::default();
    let (base, quote) = (table.assets.intern("BTC"), table.assets.intern("USDT"));
    let rules =
        InstrumentRules { tick_size: Price(1), lot_size: Qty(1), ..InstrumentRules::default() };
    table.add(Instrument {
        venue,
        name: name.to_owned(),
        symbol: (VENUES[usize::from(venue.0)].symbol)("BTC", "USDT"),
        base,
        quote,
        scale,
        rules,
        ..Instrument::default()
    });
    table
}

/// All optional limits, so wide that nothing is refused: every check is on the path.
fn config(venue: &str, name: &str, folder: &std::path::Path) -> Result<Config, String> {
    let text = format!(
        "mode = \"sim\"\n\
        instruments = [\"{name}\"]\n\
        [engine]\n\
        name = \"bench\"\n\
        depth = 20\n\
        idle = \"spin\"\n\
        [limits]\n\
        order_notional_max = \"1000000\"\n\
        position_max = {{ BTC = \"1000\" }}\n\
        price_collar_bps = 500\n\
        book_age_max_ms = 60000\n\
        orders_per_second_max = 100000\n\
        orders_open_max = 64\n\
        daily_loss_max = \"1000000000\"\n\
        drawdown_max = \"1000000000\"\n\
        instrument_position_max = {{ \"{name}\" = \"1000\" }}\n\
        [journal]\n\
        folder = {folder:?}\n\
        [venue.{venue}]\n"
    );
    Config::parse("the benchmark's configuration", &text).map_err(|error| error.to_string())
}

fn folder() -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("stoop-bench-{}-{number}", std::process::id()))
}

impl Rig {
    /// Over a network in memory, without TLS.
    pub fn in_memory(capture: &Capture) -> Result<Self, String> {
        let clock = Clock::new();
        let network = Network::new(1, clock.now());
        network.listen(PORT, Latency::default());
        let script = script(capture)?;
        let venue = Scripted::in_memory(script, network.clone(), PORT);
        Self::build(venue, Some(network), clock, capture)
    }

    fn build(
        venue: Scripted,
        network: Option<Network>,
        clock: Clock,
        capture: &Capture,
    ) -> Result<Self, String> {
        let id = VenueId(0);
        let row = &VENUES[0];
        let name = format!("BTC/USDT@{}", row.name);
        let (price_decimals, qty_decimals) = capture.decimals();
        let table = Arc::new(instruments(id, &name, Scale { price_decimals, qty_decimals }));
        let folder = folder();
        let config = config(row.name, &name, &folder)?;
        let urls = venue.urls().map_err(|error| error.to_string())?;
        let endpoints = Endpoints {
            rest: urls.rest,
            public: urls.public,
            trade: urls.trade,
            private: urls.private,
        };
        let (log, lines, _) = log::channel(256);
        let tls = crate::net::tls::client_config(&[]).map_err(|error| error.to_string())?;
        let secret = Secret::new(
            "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j".to_owned(),
        );
        let key = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A".to_owned();
        let setup = EngineSetup {
            config: &config,
            endpoints: vec![(id, endpoints)],
            credentials: vec![(id, Credentials { key, secret })],
            instruments: table,
            strategies: vec![("taker".to_owned(), Box::new(Taker::new(name)))],
            tls,
            journal: Some(Place::Folder(folder.clone())),
            clock: clock.clone(),
            log,
        };
        let sizes = Sizes { rate_limits: 100_000, ..Sizes::default() };
        let engine = match &network {
            Some(network) => Assembly::in_memory(setup, network.clone(), &sizes)?,
            None => return Err("not yet".to_owned()),
        };
        Ok(Self { venue, network, engine, clock, folder, lines })
    }

    fn now(&self) -> Nanos {
        let now = self.clock.now();
        if let Some(network) = &self.network {
            network.set_now(now);
        }
        now
    }

    /// One round of all agents.
    fn round(&mut self) -> usize {
        let mut work = 0;
        let Assembly { feeds, strategies, oms, executors, .. } = &mut self.engine;
        for feed in feeds {
            work += feed.poll(self.clock.now());
        }
        for strategy in strategies {
            work += strategy.poll(self.clock.now());
        }
        work += oms.poll(self.clock.now());
        for executor in executors {
            work += executor.poll(self.clock.now());
        }
        work
    }

    fn last_sent(&self) -> Option<LastSent> {
        self.engine.executors.first().and_then(|executor| executor.last_sent())
    }

    fn is_idle(&self) -> bool {
        self.engine.oms.oms().orders().open_count() == 0
    }

    /// What the engine's log says, for an error.
    fn said(&self) -> String {
        let lines: Vec<String> = self.lines.try_iter().map(|line| line.text).collect();
        lines.join("; ")
    }

    /// Connects everything and plays the recording until the book is live and orders leave.
    pub fn connect<'a>(&mut self, capture: &'a Capture) -> Result<Position<'a>, String> {
        let mut position = Position { frames: capture.frames.iter() };
        for round in 0..ROUNDS_MAX {
            self.now();
            self.venue.turn();
            self.round();
            // Give the connections time to open, then play a frame now and then.
            if round > 2_000 && round % 50 == 0 {
                self.play(&mut position);
            }
            if self.last_sent().is_some() && self.is_idle() {
                return Ok(position);
            }
        }
        Err(format!("no order left the engine: {}", self.said()))
    }

    fn play(&mut self, position: &mut Position<'_>) -> Option<FrameKind> {
        let frame = position.next()?;
        self.venue.publish(&frame.text);
        Some(frame.kind)
    }

    /// Plays the next frame and polls until its order has left, and then until it has ended. Gives
    /// the frame's kind and the time from the read of its last byte to the hand-over of the order's
    /// bytes, nanoseconds; `None` at the end of the recording.
    pub fn next_order(
        &mut self,
        position: &mut Position<'_>,
    ) -> Result<Option<(FrameKind, u64)>, String> {
        let before = self.last_sent();
        self.now();
        let Some(kind) = self.play(position) else { return Ok(None) };
        let expects = matches!(kind, FrameKind::Top | FrameKind::Depth);
        let mut sent = None;
        for round in 0..ROUNDS_MAX {
            self.round();
            let last = self.last_sent();
            if sent.is_none() && last != before {
                sent = last;
            }
            if sent.is_some() || !expects && round > 4 {
                self.now();
                self.venue.turn();
                if self.is_idle() && round > 4 {
                    self.venue.take_orders();
                    let ns = sent.map_or(0, |sent| sent.handed_ns.since(sent.tick_ns));
                    return Ok(Some((kind, ns)));
                }
            }
            // A frame that changed nothing causes no order.
            if expects && sent.is_none() && round > 200 {
                return Ok(Some((FrameKind::Other, 0)));
            }
        }
        Err(format!("an order did not end: {}", self.said()))
    }
}

impl<'a> Position<'a> {
    /// The next frame of a stream.
    fn next(&mut self) -> Option<&'a super::super::frames::Frame> {
        self.frames.find(|frame| {
            matches!(frame.kind, FrameKind::Top | FrameKind::Depth | FrameKind::Trade)
        })
    }
}

fn script(capture: &Capture) -> Result<Box<dyn crate::sim::Script>, String> {
    let snapshot = capture.first(FrameKind::Snapshot).unwrap_or_default().to_owned();
    scripts::script(VENUES[0].name, snapshot).ok_or_else(|| "this venue has no script".to_owned())
}
