//! An engine and its venue, for one instrument or many.

use super::super::{Capture, FrameKind};
use super::taker::Taker;
use crate::agents::{Assembly, EngineSetup, Sizes, log};
use crate::clock::Clock;
use crate::config::Config;
use crate::journal::Place;
use crate::net::{self, tls::ExtraCa};
use crate::pipe::{Latency, Network};
use crate::sim::{Script, Scripted, venues as scripts};
use crate::strategy::Strategy;
use crate::types::{
    Instrument, InstrumentKind, InstrumentRules, InstrumentTable, Price, Qty, Scale, VenueId,
};
use crate::venues::{Credentials, Endpoints, InstrumentName, Secret, VENUES};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Of the network in memory.
const PORT: u16 = 9443;
/// The venue has no limits: our own counts allow so many times what the real one does.
const RATE_LIMITS: u32 = 100_000;
/// Those of the venue's documentation.
const KEY: &str = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A";
const SECRET: &str = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j";

/// What an engine is made of, beside its recording.
pub(super) struct Shape {
    /// How many, of one venue; the first is the recording's.
    pub instruments: usize,
    /// With their names, in the order in which they are polled.
    pub strategies: Vec<(String, Box<dyn Strategy>)>,
}

impl Shape {
    /// One instrument, and a strategy that buys whenever its book changes.
    pub fn taker() -> Self {
        let taker = Box::new(Taker::new(instrument_name(0)));
        Self { instruments: 1, strategies: vec![("taker".to_owned(), taker)] }
    }
}

/// The venue, and what an engine in front of it needs to live.
pub(super) struct Rig {
    pub venue: Scripted,
    network: Option<Network>,
    pub clock: Clock,
    folder: PathBuf,
    lines: log::LogReader,
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Assets of the instruments: all names are as long as the first, so that their frames are, too.
fn base(number: usize) -> String {
    let letter = |at: usize| char::from(b'A' + (at % 26) as u8);
    match number {
        0 => "BTC".to_owned(),
        _ => [letter(3 + number / 676), letter(number / 26), letter(number)].iter().collect(),
    }
}

/// Our name of an instrument.
pub(super) fn instrument_name(number: usize) -> String {
    format!("{}/USDT@{}", base(number), VENUES[0].name)
}

/// The venue's name of an instrument.
pub(super) fn instrument_symbol(number: usize) -> String {
    let base = base(number);
    let name =
        InstrumentName { base: &base, quote: "USDT", settle: None, exchange: VENUES[0].exchange };
    (VENUES[0].symbol)(&name)
}

/// Instruments as the recording needs them: the finest price and quantity are tick and lot.
fn instruments(count: usize, kind: InstrumentKind, scale: Scale) -> InstrumentTable {
    let mut table = InstrumentTable::default();
    let quote = table.assets.intern("USDT");
    let rules =
        InstrumentRules { tick_size: Price(1), lot_size: Qty(1), ..InstrumentRules::default() };
    for number in 0..count {
        let base = table.assets.intern(&base(number));
        table.add(Instrument {
            venue: VenueId(0),
            name: instrument_name(number),
            symbol: instrument_symbol(number),
            base,
            quote,
            kind,
            scale,
            rules,
            ..Instrument::default()
        });
    }
    table
}

/// All optional limits, so wide that nothing is refused: every check is on the path.
fn config(shape: &Shape, folder: &std::path::Path) -> Result<Config, String> {
    let (venue, name) = (VENUES[0].name, instrument_name(0));
    let names: Vec<String> = (0..shape.instruments).map(instrument_name).collect();
    let known: Vec<&str> = shape.strategies.iter().map(|(name, _)| name.as_str()).collect();
    let agents: Vec<String> = known.iter().map(|name| format!("strategy:{name}")).collect();
    let positions: Vec<String> =
        (0..shape.instruments).map(|number| format!("{} = \"1000\"", base(number))).collect();
    let text = format!(
        "mode = \"sim\"\n\
        instruments = {names:?}\n\
        [engine]\n\
        name = \"bench\"\n\
        depth = 20\n\
        idle = \"spin\"\n\
        [[thread]]\n\
        runs = [\"feed:{venue}\", \"oms\", \"exec:{venue}\", {}]\n\
        [limits]\n\
        order_notional_max = \"1000000\"\n\
        position_max = {{ {} }}\n\
        price_collar_bps = 500\n\
        book_age_max_ms = 60000\n\
        orders_per_second_max = 100000\n\
        orders_open_max = 64\n\
        daily_loss_max = \"1000000000\"\n\
        drawdown_max = \"1000000000\"\n\
        instrument_position_max = {{ \"{name}\" = \"1000\" }}\n\
        [journal]\n\
        folder = {folder:?}\n\
        [venue.{venue}]\n",
        format!("{agents:?}").trim_matches(['[', ']']),
        positions.join(", "),
    );
    Config::parse_with("the benchmark's configuration", &text, &known)
        .map_err(|error| error.to_string())
}

fn folder() -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("stoop-bench-{}-{number}", std::process::id()))
}

impl Rig {
    /// A venue over a network in memory, without TLS, and its engine.
    pub fn in_memory(capture: &Capture, clock: Clock) -> Result<(Self, Assembly), String> {
        Self::shaped(capture, clock, script(capture)?, Shape::taker())
    }

    /// The same with an engine of this shape.
    pub fn shaped(
        capture: &Capture,
        clock: Clock,
        script: Box<dyn Script>,
        shape: Shape,
    ) -> Result<(Self, Assembly), String> {
        let network = Network::new(1, clock.now());
        network.listen(PORT, Latency::default());
        let venue = Scripted::in_memory(script, network.clone(), PORT);
        Self::build(venue, Some(network), clock, capture, shape)
    }

    /// A venue over TLS on loopback, and its engine.
    pub fn over_tls(capture: &Capture) -> Result<(Self, Assembly), String> {
        Self::shaped_over_tls(capture, Shape::taker())
    }

    /// The same with an engine of this shape.
    pub fn shaped_over_tls(capture: &Capture, shape: Shape) -> Result<(Self, Assembly), String> {
        let venue = Scripted::over_tls(script(capture)?).map_err(|error| error.to_string())?;
        Self::build(venue, None, Clock::new(), capture, shape)
    }

    fn build(
        venue: Scripted,
        network: Option<Network>,
        clock: Clock,
        capture: &Capture,
        shape: Shape,
    ) -> Result<(Self, Assembly), String> {
        let id = VenueId(0);
        let (price_decimals, qty_decimals) = capture.decimals();
        let scale = Scale { price_decimals, qty_decimals };
        let table = instruments(shape.instruments, capture.instrument_kind(), scale);
        let table = Arc::new(table);
        let folder = folder();
        let config = config(&shape, &folder)?;
        let urls = venue.urls().map_err(|error| error.to_string())?;
        let endpoints = Endpoints {
            rest: urls.rest,
            public: urls.public,
            trade: urls.trade,
            private: urls.private,
        };
        let (log, lines) = log::channel(256);
        let tls = client_tls(&venue)?;
        let credentials = Credentials::new(KEY.to_owned(), Secret::new(SECRET.to_owned()));
        let setup = EngineSetup {
            config: &config,
            endpoints: vec![(id, endpoints)],
            order_endpoints: Vec::new(),
            credentials: vec![(id, credentials)],
            instruments: table,
            strategies: shape.strategies,
            tls: tls.clone(),
            journal: Some(Place::Folder(folder.clone())),
            clock: clock.clone(),
            log,
        };
        let sizes = Sizes { rate_limits: RATE_LIMITS, ..Sizes::default() };
        let engine = match &network {
            Some(network) => Assembly::in_memory(setup, network.clone(), &sizes)?,
            None => Assembly::in_memory(setup, tls, &sizes)?,
        };
        Ok((Self { venue, network, clock, folder, lines }, engine))
    }

    /// Tells a network in memory what time it is.
    pub fn tick(&self) {
        if let Some(network) = &self.network {
            network.set_now(self.clock.now());
        }
    }

    /// What the engine's log says, for an error.
    pub fn said(&self) -> String {
        let lines: Vec<String> = self.lines.take().into_iter().map(|line| line.text).collect();
        lines.join("; ")
    }
}

/// Trusts the venue alone.
pub(super) fn client_tls(venue: &Scripted) -> Result<Arc<rustls::ClientConfig>, String> {
    let pem = venue.ca_pem().to_owned();
    let own = ExtraCa::Pem(pem.into_bytes());
    let extra = if venue.ca_pem().is_empty() { Vec::new() } else { vec![own] };
    net::tls::client_config(&extra).map_err(|error| error.to_string())
}

/// What the venue says.
pub(super) fn script(capture: &Capture) -> Result<Box<dyn crate::sim::Script>, String> {
    let snapshot = capture.first(FrameKind::Snapshot).unwrap_or_default().to_owned();
    scripts::script(VENUES[0].name, snapshot).ok_or_else(|| "this venue has no script".to_owned())
}
