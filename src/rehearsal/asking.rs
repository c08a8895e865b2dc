//! What is asked of the venues past the network, as it is asked at the start and beside trading.

use super::endpoints;
use crate::agents::{LoadError, load_with};
use crate::config::Config;
use crate::sim::{HttpRequest, InMemory};
use crate::types::{InstrumentTable, Nanos, VenueId};
use crate::venues::{Endpoints, PlainRequest};

/// Status and body of an answer, or why there is none.
type Answer = Result<(u16, Vec<u8>), String>;

/// Asks a venue.
pub(super) fn ask(
    sim: &mut InMemory,
    slot: usize,
    (target, body): (&str, Option<&str>),
    now: Nanos,
) -> (u16, Vec<u8>) {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let request = HttpRequest {
        method: if body.is_some() { "POST" } else { "GET" }.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        body: body.unwrap_or_default().to_owned(),
        ..HttpRequest::default()
    };
    let reply = sim.ask(slot, &request, now);
    (reply.status, reply.body.into_bytes())
}

/// Asks whichever it is about.
pub(super) fn fetch(
    venues: &[VenueId],
    sim: &mut InMemory,
    now: Nanos,
) -> impl FnMut(VenueId, &Endpoints, &PlainRequest) -> Answer {
    move |venue, _, asked| {
        let slot = venues.iter().position(|known| *known == venue).ok_or("no such venue")?;
        Ok(ask(sim, slot, (&asked.path, asked.body.as_deref()), now))
    }
}

/// The configured instruments, as their venues list them.
pub(super) fn instruments(
    config: &Config,
    venues: &[VenueId],
    sim: &mut InMemory,
    now: Nanos,
) -> Result<InstrumentTable, String> {
    let endpoints = endpoints(venues, sim);
    let mut fetch = fetch(venues, sim, now);
    load_with(config, &endpoints, &mut fetch).map_err(|error| match error {
        LoadError::Config(error) => error.to_string(),
        LoadError::Venue(text) => text,
    })
}
