//! An engine and its venue, for one instrument.

use super::super::{Capture, FrameKind};
use super::taker::Taker;
use crate::agents::{Assembly, EngineSetup, Sizes, log};
use crate::clock::Clock;
use crate::config::Config;
use crate::journal::Place;
use crate::net::{self, tls::ExtraCa};
use crate::pipe::{Latency, Network};
use crate::sim::{Scripted, venues as scripts};
use crate::types::{
    Instrument, InstrumentKind, InstrumentRules, InstrumentTable, Price, Qty, Scale, VenueId,
};
use crate::venues::{Credentials, Endpoints, Secret, VENUES};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::Receiver;

/// Of the network in memory.
const PORT: u16 = 9443;
/// The venue has no limits: our own counts allow so many times what the real one does.
const RATE_LIMITS: u32 = 100_000;
/// Those of the venue's documentation.
const KEY: &str = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A";
const SECRET: &str = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j";

/// The venue, and what an engine in front of it needs to live.
pub(super) struct Rig {
    pub venue: Scripted,
    network: Option<Network>,
    pub clock: Clock,
    folder: PathBuf,
    lines: Receiver<log::LogLine>,
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Instrument as the recording needs it: the finest price and quantity are tick and lot.
fn instruments(venue: VenueId, name: &str, kind: InstrumentKind, scale: Scale) -> InstrumentTable {
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
        kind,
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
        [[thread]]\n\
        runs = [\"feed:{venue}\", \"strategy:taker\", \"oms\", \"exec:{venue}\"]\n\
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
    Config::parse_with("the benchmark's configuration", &text, &["taker"])
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
        let network = Network::new(1, clock.now());
        network.listen(PORT, Latency::default());
        let venue = Scripted::in_memory(script(capture)?, network.clone(), PORT);
        Self::build(venue, Some(network), clock, capture)
    }

    /// A venue over TLS on loopback, and its engine.
    pub fn over_tls(capture: &Capture) -> Result<(Self, Assembly), String> {
        let venue = Scripted::over_tls(script(capture)?).map_err(|error| error.to_string())?;
        Self::build(venue, None, Clock::new(), capture)
    }

    fn build(
        venue: Scripted,
        network: Option<Network>,
        clock: Clock,
        capture: &Capture,
    ) -> Result<(Self, Assembly), String> {
        let (id, row) = (VenueId(0), &VENUES[0]);
        let name = format!("BTC/USDT@{}", row.name);
        let (price_decimals, qty_decimals) = capture.decimals();
        let table = Arc::new(instruments(
            id,
            &name,
            capture.instrument_kind(),
            Scale { price_decimals, qty_decimals },
        ));
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
        let tls = client_tls(&venue)?;
        let credentials =
            Credentials { key: KEY.to_owned(), secret: Secret::new(SECRET.to_owned()) };
        let setup = EngineSetup {
            config: &config,
            endpoints: vec![(id, endpoints)],
            credentials: vec![(id, credentials)],
            instruments: table,
            strategies: vec![("taker".to_owned(), Box::new(Taker::new(name)))],
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
        let lines: Vec<String> = self.lines.try_iter().map(|line| line.text).collect();
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
