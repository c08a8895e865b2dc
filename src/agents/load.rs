//! Before anything trades: the rules of the configured instruments, asked of their venues.
//! Blocking, at start only.

use crate::config::{Config, ConfigError, InstrumentConfig};
use crate::net;
use crate::types::{InstrumentKind, InstrumentTable, VenueId};
use crate::venues::{
    self, Endpoints, InstrumentName, InstrumentSpec, PlainRequest, VENUES, Wanted,
};
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

/// Most pages of one list: a bound, not a limit anyone should meet.
const PAGES_MAX: usize = 64;

/// Asks a venue: status and body of the answer, or why there is none.
pub type Fetch<'a> =
    dyn FnMut(VenueId, &Endpoints, &PlainRequest) -> Result<(u16, Vec<u8>), String> + 'a;

/// Asks over a connection of its own.
pub(super) fn over(tls: &Arc<ClientConfig>) -> Box<Fetch<'_>> {
    Box::new(move |_, endpoints, request| {
        let url = format!("{}{}", endpoints.rest, request.path);
        net::blocking::fetch(tls.clone(), &url, request.body.as_deref(), TIMEOUT)
    })
}

/// Loads every configured instrument, numbered in the order of the configuration.
pub fn load(
    config: &Config,
    endpoints: &[(VenueId, Endpoints)],
    tls: &Arc<ClientConfig>,
) -> Result<InstrumentTable, LoadError> {
    load_with(config, endpoints, &mut over(tls))
}

/// The same by another way of asking.
pub fn load_with(
    config: &Config,
    endpoints: &[(VenueId, Endpoints)],
    fetch: &mut Fetch<'_>,
) -> Result<InstrumentTable, LoadError> {
    let mut listed: Vec<(VenueId, Vec<InstrumentSpec>)> = Vec::new();
    for listing in listings(config, endpoints) {
        listed.push((listing.venue, list_by(&listing, fetch)?));
    }
    let mut wanted = Vec::new();
    for instrument in &config.instruments {
        let found = InstrumentName::parse(&instrument.name).and_then(|name| {
            let of_venue = listed.iter().filter(|(venue, _)| *venue == instrument.venue);
            of_venue.flat_map(|(_, specs)| specs).find(|spec| spec.is(&name))
        });
        let Some(spec) = found else {
            return Err(LoadError::Config(unknown(config, instrument)));
        };
        if let Some(error) = too_much_leverage(config, instrument, spec) {
            return Err(LoadError::Config(error));
        }
        let name = instrument.name.clone();
        wanted.push(Wanted { name, venue: instrument.venue, spec: spec.clone() });
    }
    let fee_assets: Vec<&str> = endpoints
        .iter()
        .flat_map(|(venue, _)| VENUES[usize::from(venue.0)].fee_assets.iter().copied())
        .collect();
    venues::assemble(&wanted, &fee_assets).map_err(|error| LoadError::Venue(error.to_string()))
}

/// What is asked of one venue about instruments of one kind.
#[derive(Clone, Debug)]
pub(super) struct Listing {
    pub venue: VenueId,
    pub kind: InstrumentKind,
    pub endpoints: Endpoints,
    /// The venue's names of the configured ones.
    pub symbols: Vec<String>,
}

/// Of all venues and kinds of which something is configured.
pub(super) fn listings(config: &Config, endpoints: &[(VenueId, Endpoints)]) -> Vec<Listing> {
    let mut listings = Vec::new();
    for (venue, endpoints) in endpoints {
        for &kind in VENUES[usize::from(venue.0)].kinds {
            let of = |row: &&InstrumentConfig| row.venue == *venue && row.kind() == Some(kind);
            let rows = config.instruments.iter().filter(of);
            let symbols: Vec<String> = rows.filter_map(InstrumentConfig::symbol).collect();
            if !symbols.is_empty() {
                let (venue, endpoints) = (*venue, endpoints.clone());
                listings.push(Listing { venue, kind, endpoints, symbols });
            }
        }
    }
    listings
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

/// The complaint if the configured leverage is more than the venue allows anybody.
fn too_much_leverage(
    config: &Config,
    instrument: &InstrumentConfig,
    spec: &InstrumentSpec,
) -> Option<ConfigError> {
    let venue = config.venues.iter().find(|row| row.venue == instrument.venue)?;
    let wanted = venue.margin.leverage?;
    let name = VENUES[usize::from(instrument.venue.0)].name;
    let allowed = Some(spec.leverage_max).filter(|allowed| (1..wanted).contains(allowed))?;
    let text = format!(
        "\"{}\": {name} allows a leverage of {allowed} at most, and [venue.{name}] leverage = {wanted}",
        instrument.name
    );
    Some(config.error_at(instrument.place, text))
}

/// Asks for all symbols at once; if the venue refuses that (one of them may not exist), one by one.
pub(super) fn list_by(
    listing: &Listing,
    fetch: &mut Fetch<'_>,
) -> Result<Vec<InstrumentSpec>, LoadError> {
    let all: Vec<&str> = listing.symbols.iter().map(String::as_str).collect();
    if let Some(specs) = request(listing, &all, fetch)? {
        return Ok(specs);
    }
    let mut specs = Vec::new();
    for symbol in all {
        specs.extend(request(listing, &[symbol], fetch)?.unwrap_or_default());
    }
    Ok(specs)
}

/// Everything of every kind that a venue lists.
pub fn list_all(
    venue: VenueId,
    endpoints: &Endpoints,
    tls: &Arc<ClientConfig>,
) -> Result<Vec<InstrumentSpec>, LoadError> {
    let mut all = Vec::new();
    for &kind in VENUES[usize::from(venue.0)].kinds {
        let (endpoints, symbols) = (endpoints.clone(), Vec::new());
        let listing = Listing { venue, kind, endpoints, symbols };
        let specs = request(&listing, &[], &mut over(tls))?;
        all.extend(specs.ok_or_else(|| {
            let name = VENUES[usize::from(venue.0)].name;
            LoadError::Venue(format!("{name} does not list its instruments"))
        })?);
    }
    Ok(all)
}

/// `None` if the venue refused the question.
fn request(
    Listing { venue, kind, endpoints, .. }: &Listing,
    symbols: &[&str],
    fetch: &mut Fetch<'_>,
) -> Result<Option<Vec<InstrumentSpec>>, LoadError> {
    let kind = *kind;
    let row = &VENUES[usize::from(venue.0)];
    let failed = |text: String| LoadError::Venue(format!("{}: instrument rules: {text}", row.name));
    let mut specs = Vec::new();
    let mut request = (row.instruments_request)(kind, symbols);
    for _ in 0..PAGES_MAX {
        let (status, mut body) = fetch(*venue, endpoints, &request).map_err(failed)?;
        match status {
            200 => {}
            400 | 404 => return Ok(None),
            other => return Err(failed(format!("HTTP status {other}"))),
        }
        // Reading a body may rewrite it.
        let next = (row.next_instruments)(kind, &mut body.clone());
        let page = (row.decode_instruments)(kind, &mut body);
        specs.extend(page.map_err(|error| failed(format!("{error}")))?);
        match next.map_err(|error| failed(format!("{error}")))? {
            Some(next) => request = next,
            None => return Ok(Some(specs)),
        }
    }
    Err(failed("a list without an end".to_owned()))
}
