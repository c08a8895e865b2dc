//! Klines that strategies ask for, fetched from the venues: on a thread of its own, which nothing waits
//! for and which sleeps until one asks. One question at a time, with a pause between two, so that the
//! venues' limits, which orders share, notice nothing of it.
//!
//! An answer that cannot be used is told of and counted by the strategy that asked, which asks again;
//! where a venue says that it is asked too often, nothing is asked of it for a while.

#![forbid(unsafe_code)]

use super::log::Log;
use super::threads::{Lifecycle, Phase};
use crate::clock::Clock;
use crate::net;
use crate::strategy::klines::{HistoryAnswer, HistoryDesk, HistoryEnd, HistoryWish};
use crate::types::{InstrumentTable, Kline, Nanos, VenueId};
use crate::venues::{Endpoints, KlineQuery, VENUES};
use std::sync::Arc;
use std::time::Duration;

/// How soon the thread notices that the engine stops.
const NAP: Duration = Duration::from_millis(500);
/// Pause between two questions.
const PAUSE: Duration = Duration::from_millis(50);
const TIMEOUT: Duration = Duration::from_secs(10);
/// Pause of a venue that says that it is asked too often.
const BUSY_NS: u64 = 120_000_000_000;

/// Whom to ask for whom.
#[derive(Default)]
pub struct HistoryPlan {
    desk: HistoryDesk,
    endpoints: Vec<(VenueId, Endpoints)>,
    table: Arc<InstrumentTable>,
    /// Until when a venue is left alone.
    busy: Vec<Nanos>,
}

/// A question to a venue and what is needed to read its answer.
pub struct HistoryQuestion<'a> {
    /// Address of the venue, path and all.
    pub url: String,
    /// Body of a POST; a GET has none.
    pub body: Option<String>,
    query: KlineQuery<'a>,
}

impl HistoryPlan {
    pub(super) fn new(
        desk: HistoryDesk,
        endpoints: Vec<(VenueId, Endpoints)>,
        table: Arc<InstrumentTable>,
    ) -> Self {
        Self { desk, endpoints, table, busy: vec![Nanos(0); VENUES.len()] }
    }

    /// Answers one wish, if one comes within `patience`, by way of `fetch`, which gives status and body.
    /// Whether there was one.
    pub fn serve(
        &mut self,
        (patience, now): (Duration, impl FnOnce() -> Nanos),
        fetch: impl FnOnce(&HistoryQuestion<'_>) -> Result<(u16, Vec<u8>), String>,
        complain: impl FnOnce(&str),
    ) -> bool {
        let Some((who, wish)) = self.desk.next(patience) else { return false };
        let klines = match self.ask(&wish, now(), fetch) {
            Ok(klines) => Some(klines),
            Err(text) => {
                complain(&text);
                None
            }
        };
        // One that does not read asks again.
        let _ = self.desk.answer(who, HistoryAnswer { wish, klines });
        true
    }

    fn ask(
        &mut self,
        wish: &HistoryWish,
        now: Nanos,
        fetch: impl FnOnce(&HistoryQuestion<'_>) -> Result<(u16, Vec<u8>), String>,
    ) -> Result<Vec<Kline>, String> {
        let of = self.table.get(wish.instrument).ok_or("klines of no instrument")?;
        let at = usize::from(of.venue.0);
        let failed =
            |text: String| format!("{} {}: no history: {text}", of.name, wish.interval.name());
        let endpoints = self.endpoints.iter().find(|(venue, _)| *venue == of.venue);
        let (Some((_, endpoints)), Some(row)) = (endpoints, VENUES.get(at)) else {
            return Err(failed("its venue has no address".to_owned()));
        };
        if now < self.busy[at] {
            return Err(failed("the venue said that it is asked too often".to_owned()));
        }
        let query = KlineQuery { of, interval: wish.interval, from: wish.from, now: wish.at };
        let request = (row.klines_request)(&query);
        let url = format!("{}{}", endpoints.rest, request.path);
        let question = HistoryQuestion { url, body: request.body, query };
        let (status, mut body) = fetch(&question).map_err(failed)?;
        if matches!(status, 403 | 418 | 429) {
            self.busy[at] = now.plus(BUSY_NS);
        }
        if status != 200 {
            return Err(failed(format!("HTTP status {status}")));
        }
        let read = (row.decode_klines)(&question.query, &mut body);
        read.map_err(|error| failed(error.to_string()))
    }

    /// The end of one more who asks.
    pub(super) fn end(&mut self) -> HistoryEnd {
        self.desk.end()
    }

    /// Starts the thread that does it. Nobody waits for its end: a venue that does not answer would
    /// hold it up for seconds.
    pub(super) fn start(
        mut self,
        tls: Arc<rustls::ClientConfig>,
        clock: &Clock,
        lifecycle: &Lifecycle,
        mut log: Log,
    ) -> Result<(), String> {
        let (clock, lifecycle) = (clock.clone(), lifecycle.clone());
        let run = move || {
            while lifecycle.phase() == Phase::Running {
                let fetch = |question: &HistoryQuestion<'_>| {
                    let body = question.body.as_deref();
                    net::blocking::fetch(tls.clone(), &question.url, body, TIMEOUT)
                };
                let complain = |text: &str| log.warn(clock.now(), format_args!("{text}"));
                if self.serve((NAP, || clock.now()), fetch, complain) {
                    std::thread::sleep(PAUSE);
                }
            }
        };
        let thread = std::thread::Builder::new().name("history".to_owned()).spawn(run);
        thread.map(drop).map_err(|error| format!("the thread for klines: {error}"))
    }
}
