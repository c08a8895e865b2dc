//! Before anything trades: the rules of the configured instruments, asked of their venues.
//! Blocking, at start only.

use crate::config::{Config, ConfigError, InstrumentConfig};
use crate::net;
use crate::types::{InstrumentTable, VenueId};
use crate::venues::{self, Endpoints, InstrumentSpec, VENUES, Wanted};
use rustls::ClientConfig;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Why the instruments could not be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoadError {
    /// The configuration asks for what the venue does not have.
    Config(ConfigError),
    /// The venue could not be asked, or its answer not be used.
    Venue(String),
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Venue(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for LoadError {}

const TIMEOUT: Duration = Duration::from_secs(10);

/// Loads every configured instrument, numbered in the order of the configuration.
pub fn load(
    config: &Config,
    endpoints: &[(VenueId, Endpoints)],
    tls: &Arc<ClientConfig>,
) -> Result<InstrumentTable, LoadError> {
    let mut listed: Vec<(VenueId, Vec<InstrumentSpec>)> = Vec::new();
    for (venue, endpoints) in endpoints {
        let wanted = config.instruments.iter().filter(|i| i.venue == *venue);
        let symbols: Vec<String> = wanted.map(symbol).collect();
        listed.push((*venue, ask(*venue, endpoints, &symbols, tls)?));
    }
    let mut wanted = Vec::new();
    for instrument in &config.instruments {
        let specs = listed.iter().find(|(venue, _)| *venue == instrument.venue);
        let found = specs.and_then(|(_, specs)| {
            let same =
                |s: &&InstrumentSpec| s.base == instrument.base && s.quote == instrument.quote;
            specs.iter().find(same)
        });
        let Some(spec) = found else {
            return Err(LoadError::Config(unknown(config, instrument)));
        };
        let name = instrument.name.clone();
        wanted.push(Wanted { name, venue: instrument.venue, spec: spec.clone() });
    }
    let fee_assets: Vec<&str> = endpoints
        .iter()
        .flat_map(|(venue, _)| VENUES[usize::from(venue.0)].fee_assets.iter().copied())
        .collect();
    venues::assemble(&wanted, &fee_assets).map_err(|error| LoadError::Venue(error.to_string()))
}

fn symbol(instrument: &InstrumentConfig) -> String {
    let row = &VENUES[usize::from(instrument.venue.0)];
    (row.symbol)(&instrument.base, &instrument.quote)
}

fn unknown(config: &Config, instrument: &InstrumentConfig) -> ConfigError {
    let venue = VENUES[usize::from(instrument.venue.0)].name;
    let text = format!(
        "unknown instrument \"{}\": {venue} lists no {} priced in {}",
        instrument.name, instrument.base, instrument.quote
    );
    config.error_at(instrument.place, text)
}

/// Asks for all symbols at once; if the venue refuses that (one of them may not exist), one by one.
fn ask(
    venue: VenueId,
    endpoints: &Endpoints,
    symbols: &[String],
    tls: &Arc<ClientConfig>,
) -> Result<Vec<InstrumentSpec>, LoadError> {
    let all: Vec<&str> = symbols.iter().map(String::as_str).collect();
    if let Some(specs) = request(venue, endpoints, &all, tls)? {
        return Ok(specs);
    }
    let mut specs = Vec::new();
    for symbol in all {
        specs.extend(request(venue, endpoints, &[symbol], tls)?.unwrap_or_default());
    }
    Ok(specs)
}

/// `None` if the venue refused the question.
fn request(
    venue: VenueId,
    endpoints: &Endpoints,
    symbols: &[&str],
    tls: &Arc<ClientConfig>,
) -> Result<Option<Vec<InstrumentSpec>>, LoadError> {
    let row = &VENUES[usize::from(venue.0)];
    let url = format!("{}{}", endpoints.rest, (row.instruments_path)(symbols));
    let failed = |text: String| LoadError::Venue(format!("{}: instrument rules: {text}", row.name));
    let (status, mut body) = net::blocking::get(tls.clone(), &url, TIMEOUT).map_err(failed)?;
    match status {
        200 => {
            let specs = (row.decode_instruments)(&mut body);
            specs.map(Some).map_err(|error| failed(format!("{error}")))
        }
        400 | 404 => Ok(None),
        other => Err(failed(format!("HTTP status {other}"))),
    }
}
