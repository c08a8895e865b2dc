//! Before anything trades: the rules of the configured instruments, asked of their venues.
//! Blocking, at start only.

use crate::config::{Config, ConfigError, InstrumentConfig};
use crate::net;
use crate::types::{InstrumentKind, InstrumentTable, VenueId};
use crate::venues::{self, Endpoints, InstrumentName, InstrumentSpec, VENUES, Wanted};
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
    let mut listed: Vec<(VenueId, InstrumentKind, Vec<InstrumentSpec>)> = Vec::new();
    for (venue, endpoints) in endpoints {
        for &kind in VENUES[usize::from(venue.0)].kinds {
            let symbols = symbols(config, *venue, kind);
            if !symbols.is_empty() {
                listed.push((*venue, kind, ask(*venue, kind, endpoints, &symbols, tls)?));
            }
        }
    }
    let mut wanted = Vec::new();
    for instrument in &config.instruments {
        let found = InstrumentName::parse(&instrument.name).and_then(|name| {
            let of_venue = listed.iter().filter(|(venue, ..)| *venue == instrument.venue);
            of_venue.flat_map(|(_, _, specs)| specs).find(|spec| spec.is(&name))
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

/// The venue's names of the configured instruments of one kind.
fn symbols(config: &Config, venue: VenueId, kind: InstrumentKind) -> Vec<String> {
    let row = &VENUES[usize::from(venue.0)];
    let names = config.instruments.iter().filter(|instrument| instrument.venue == venue);
    let names = names.filter_map(|instrument| InstrumentName::parse(&instrument.name));
    names.filter(|name| name.kind() == kind).map(|name| (row.symbol)(&name)).collect()
}

fn unknown(config: &Config, instrument: &InstrumentConfig) -> ConfigError {
    let venue = VENUES[usize::from(instrument.venue.0)].name;
    let lists = match InstrumentName::parse(&instrument.name) {
        Some(InstrumentName { base, quote, settle: None, .. }) => {
            format!("{base} priced in {quote}")
        }
        Some(InstrumentName { base, quote, settle: Some(settle), .. }) => {
            format!("perpetual of {base} priced in {quote} and settled in {settle}")
        }
        None => "such instrument".to_owned(),
    };
    let text = format!("unknown instrument \"{}\": {venue} lists no {lists}", instrument.name);
    config.error_at(instrument.place, text)
}

/// Asks for all symbols at once; if the venue refuses that (one of them may not exist), one by one.
fn ask(
    venue: VenueId,
    kind: InstrumentKind,
    endpoints: &Endpoints,
    symbols: &[String],
    tls: &Arc<ClientConfig>,
) -> Result<Vec<InstrumentSpec>, LoadError> {
    let all: Vec<&str> = symbols.iter().map(String::as_str).collect();
    if let Some(specs) = request(venue, kind, endpoints, &all, tls)? {
        return Ok(specs);
    }
    let mut specs = Vec::new();
    for symbol in all {
        specs.extend(request(venue, kind, endpoints, &[symbol], tls)?.unwrap_or_default());
    }
    Ok(specs)
}

/// `None` if the venue refused the question.
fn request(
    venue: VenueId,
    kind: InstrumentKind,
    endpoints: &Endpoints,
    symbols: &[&str],
    tls: &Arc<ClientConfig>,
) -> Result<Option<Vec<InstrumentSpec>>, LoadError> {
    let row = &VENUES[usize::from(venue.0)];
    let request = (row.instruments_request)(kind, symbols);
    let url = format!("{}{}", endpoints.rest, request.path);
    let body = request.body.as_deref();
    let failed = |text: String| LoadError::Venue(format!("{}: instrument rules: {text}", row.name));
    let (status, mut body) =
        net::blocking::fetch(tls.clone(), &url, body, TIMEOUT).map_err(failed)?;
    match status {
        200 => {
            let specs = (row.decode_instruments)(kind, &mut body);
            specs.map(Some).map_err(|error| failed(format!("{error}")))
        }
        400 | 404 => Ok(None),
        other => Err(failed(format!("HTTP status {other}"))),
    }
}
