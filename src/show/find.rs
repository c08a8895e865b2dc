//! Which order a person means: by our id, by the venue's, or by a part of either.

#![forbid(unsafe_code)]

use super::walk::WalkError;
use crate::journal::{Place, Reader};
use crate::oms::Record;
use crate::types::{ClientOrderId, InstrumentId, SignalId, StrategyId};
use std::collections::BTreeMap;

/// Which order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OrderKey {
    /// Our id; none if it is not ours.
    pub client: ClientOrderId,
    /// What it trades.
    pub instrument: InstrumentId,
    /// The venue's id, empty if it is not known.
    pub venue_order_id: String,
    /// The signal behind it, and the record that begins the run of both.
    pub(super) signal: Option<(StrategyId, SignalId)>,
    pub(super) run: u64,
}

impl OrderKey {
    /// As a person would type it.
    #[must_use]
    pub fn text(&self) -> String {
        match self.client.is_some() {
            true => self.client.to_string(),
            false => self.venue_order_id.clone(),
        }
    }
}

/// What a search found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    None,
    /// One order.
    One(OrderKey),
    /// These, at most some ten, and how many there are.
    Many(Vec<String>, usize),
}

/// How well a name fits what was typed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    /// It ends so.
    End,
    /// It begins so.
    Start,
    /// It is that.
    Whole,
}

fn fit(name: &str, typed: &str) -> Option<Fit> {
    match name {
        _ if name == typed => Some(Fit::Whole),
        _ if name.starts_with(typed) => Some(Fit::Start),
        _ if name.ends_with(typed) => Some(Fit::End),
        _ => None,
    }
}

/// Finds an order by our id or the venue's, or by the beginning or the end of one. What fits best
/// counts alone.
pub fn find(place: &Place, typed: &str) -> Result<Found, WalkError> {
    let mut reader = Reader::open(place, 0)?;
    let mut search = Search { typed, run: 0, signals: BTreeMap::new(), found: BTreeMap::new() };
    while let Some(raw) = reader.next()? {
        let sequence = raw.sequence;
        let record = Record::decode(raw.payload)
            .map_err(|error| WalkError::Record(place.path().to_owned(), sequence, error))?;
        search.look(sequence, &record);
    }
    Ok(search.best())
}

/// What a search has seen so far.
struct Search<'a> {
    typed: &'a str,
    /// Record that began the run.
    run: u64,
    /// Of every order of ours its signal, and the run of both.
    signals: BTreeMap<ClientOrderId, (StrategyId, SignalId, u64)>,
    /// By our id, or by what it trades and the venue's id.
    found: BTreeMap<(ClientOrderId, InstrumentId, String), (Fit, OrderKey)>,
}

impl Search<'_> {
    fn look(&mut self, sequence: u64, record: &Record) {
        match record {
            Record::Opening(_) => self.run = sequence,
            Record::Intent { order, signal, .. } => {
                let id = order.client_id;
                self.signals.insert(id, (id.strategy(), *signal, self.run));
                self.add(id, order.instrument, "");
            }
            Record::Report(_, report) => {
                let id = report.venue_order_id.as_str();
                self.add(report.client_id, report.instrument, id);
            }
            _ => {}
        }
    }

    fn add(&mut self, client: ClientOrderId, instrument: InstrumentId, venue_id: &str) {
        let ours = client.is_some();
        let name = if ours {
            (client, InstrumentId::default(), String::new())
        } else {
            (client, instrument, venue_id.to_owned())
        };
        if let Some((_, key)) = self.found.get_mut(&name) {
            if key.venue_order_id.is_empty() {
                venue_id.clone_into(&mut key.venue_order_id);
            }
            return;
        }
        let by_client = ours.then(|| fit(&client.to_string(), self.typed)).flatten();
        let by_venue = (!venue_id.is_empty()).then(|| fit(venue_id, self.typed)).flatten();
        let Some(fit) = by_client.max(by_venue) else { return };
        let (signal, run) = match self.signals.get(&client) {
            Some((strategy, signal, run)) => (Some((*strategy, *signal)), *run),
            None => (None, self.run),
        };
        let venue_order_id = venue_id.to_owned();
        let key = OrderKey { client, instrument, venue_order_id, signal, run };
        self.found.insert(name, (fit, key));
    }

    fn best(self) -> Found {
        let best = self.found.values().map(|(fit, _)| *fit).max();
        let keys = || self.found.values().filter(|(fit, _)| Some(*fit) == best);
        // Messages that named an order of ours by the venue's id alone.
        let is_ours = |key: &OrderKey| {
            !key.client.is_some()
                && keys().any(|(_, own)| {
                    own.client.is_some()
                        && own.instrument == key.instrument
                        && own.venue_order_id == key.venue_order_id
                })
        };
        let keys: Vec<OrderKey> =
            keys().map(|(_, key)| key).filter(|key| !is_ours(key)).cloned().collect();
        match <[OrderKey; 1]>::try_from(keys) {
            Ok([one]) => Found::One(one),
            Err(none) if none.is_empty() => Found::None,
            Err(many) => {
                Found::Many(many.iter().take(10).map(OrderKey::text).collect(), many.len())
            }
        }
    }
}
