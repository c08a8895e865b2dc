//! Klines that strategies ask for, fetched from the venues: on threads of their own, which nothing waits
//! for and which sleep until one asks. A thread for each venue, so that one that does not answer holds
//! up its own history alone. One question at a time to a venue, with a pause between two, so that its
//! limits, which orders share, notice nothing of it.
//!
//! An answer that cannot be used is told of and counted by the strategy that asked, which asks again;
//! where a venue says that it is asked too often, nothing is asked of it for a while.

#![forbid(unsafe_code)]

use super::log::Log;
use super::threads::{Lifecycle, Phase};
use crate::clock::Clock;
use crate::net;
use crate::strategy::klines::{HistoryDesk, HistoryEnd, HistoryRequest, HistoryWish, WAITING_MAX};
use crate::types::{InstrumentTable, Kline, Nanos, VenueId};
use crate::venues::{Endpoints, KlineQuery, VENUES};
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

/// How soon the thread notices that the engine stops.
const NAP: Duration = Duration::from_millis(500);
/// Pause between two questions.
const PAUSE: Duration = Duration::from_millis(50);
const TIMEOUT: Duration = Duration::from_secs(10);
/// Pause of a venue that says that it is asked too often.
const BUSY_NS: u64 = 120_000_000_000;

const NO_ADDRESS: &str = "its venue has no address";

/// Whom to ask for whom.
#[derive(Default)]
pub struct HistoryPlan {
    desk: HistoryDesk,
    venues: Vec<Asker>,
    table: Arc<InstrumentTable>,
}

/// What one venue is asked with.
#[derive(Clone)]
struct Asker {
    venue: VenueId,
    endpoints: Endpoints,
    table: Arc<InstrumentTable>,
    /// Until when it is left alone.
    busy: Nanos,
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
        let asker =
            |(venue, endpoints)| Asker { venue, endpoints, table: table.clone(), busy: Nanos(0) };
        let venues = endpoints.into_iter().map(asker).collect();
        Self { desk, venues, table }
    }

    /// Answers one wish, if one comes within `patience`, by way of `fetch`, which gives status and body.
    /// Whether there was one.
    pub fn serve(
        &mut self,
        (patience, now): (Duration, impl FnOnce() -> Nanos),
        fetch: impl FnOnce(&HistoryQuestion<'_>) -> Result<(u16, Vec<u8>), String>,
        complain: impl FnOnce(&str),
    ) -> bool {
        let Some(request) = self.desk.next(patience) else { return false };
        let venue = self.table.get(request.wish.instrument).map(|of| of.venue);
        match self.venues.iter_mut().find(|one| Some(one.venue) == venue) {
            Some(asker) => asker.answer(request, now(), fetch, complain),
            None => {
                let text = failed(&self.table, &request.wish, NO_ADDRESS);
                refuse(request, &text, complain);
            }
        }
        true
    }

    /// The end of one more who asks.
    pub(super) fn end(&self) -> HistoryEnd {
        self.desk.end()
    }

    /// Starts the thread that hands wishes to those of the venues. Nobody waits for their end: a venue
    /// that does not answer would hold it up for seconds.
    pub(super) fn start(
        self,
        tls: Arc<rustls::ClientConfig>,
        clock: &Clock,
        lifecycle: &Lifecycle,
        log: Log,
    ) -> Result<(), String> {
        let fetch = move |question: &HistoryQuestion<'_>| {
            net::blocking::fetch(tls.clone(), &question.url, question.body.as_deref(), TIMEOUT)
        };
        self.start_with(fetch, (clock.clone(), lifecycle.clone(), log))
    }

    /// The same by way of `fetch`.
    pub(super) fn start_with<F>(
        self,
        fetch: F,
        (clock, lifecycle, mut log): (Clock, Lifecycle, Log),
    ) -> Result<(), String>
    where
        F: Fn(&HistoryQuestion<'_>) -> Result<(u16, Vec<u8>), String> + Clone + Send + 'static,
    {
        let run = move || {
            let mut queues = Vec::new();
            while lifecycle.phase() == Phase::Running {
                let Some(request) = self.desk.next(NAP) else { continue };
                let begin = |asker: Asker, requests| {
                    let own = (clock.clone(), lifecycle.clone(), log.named("history"));
                    asker.start(requests, fetch.clone(), own)
                };
                let handed = self.hand_on(request, &mut queues, begin);
                if let Err((request, text)) = handed {
                    refuse(request, &text, |text| log.warn(clock.now(), format_args!("{text}")));
                }
            }
        };
        let thread = std::thread::Builder::new().name("history".to_owned()).spawn(run);
        thread.map(drop).map_err(|error| format!("the thread for klines: {error}"))
    }

    /// Hands a wish to the thread of its venue, which starts with its first one, and anew if it has
    /// ended. Where it cannot, the wish comes back with the reason.
    fn hand_on(
        &self,
        mut request: HistoryRequest,
        queues: &mut Vec<(VenueId, SyncSender<HistoryRequest>)>,
        begin: impl FnOnce(Asker, Receiver<HistoryRequest>) -> io::Result<()>,
    ) -> Result<(), (HistoryRequest, String)> {
        let wish = request.wish;
        let failed = |text: &str| failed(&self.table, &wish, text);
        let venue = self.table.get(wish.instrument).map(|of| of.venue);
        if let Some(at) = queues.iter().position(|(of, _)| Some(*of) == venue) {
            request = match queues[at].1.try_send(request) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Full(request)) => {
                    return Err((request, failed("too many wishes wait for its venue")));
                }
                Err(TrySendError::Disconnected(request)) => request,
            };
            queues.swap_remove(at);
        }
        let Some(asker) = self.venues.iter().find(|one| Some(one.venue) == venue) else {
            return Err((request, failed(NO_ADDRESS)));
        };
        let (queue, requests) = sync_channel(WAITING_MAX);
        if let Err(error) = begin(asker.clone(), requests) {
            let text = format!("the thread for its venue: {error}");
            return Err((request, failed(&text)));
        }
        queues.push((asker.venue, queue.clone()));
        // A new queue has room.
        queue.try_send(request).map_err(|error| match error {
            TrySendError::Full(request) | TrySendError::Disconnected(request) => {
                (request, failed("its venue's thread has ended"))
            }
        })
    }
}

impl Asker {
    /// Starts the venue's thread, which ends with the queue.
    fn start<F>(
        mut self,
        requests: Receiver<HistoryRequest>,
        fetch: F,
        (clock, lifecycle, mut log): (Clock, Lifecycle, Log),
    ) -> io::Result<()>
    where
        F: Fn(&HistoryQuestion<'_>) -> Result<(u16, Vec<u8>), String> + Send + 'static,
    {
        let venue = VENUES.get(usize::from(self.venue.0)).map_or("?", |row| row.name);
        let name = format!("history-{venue}");
        let run = move || {
            for request in requests {
                if lifecycle.phase() != Phase::Running {
                    return;
                }
                // Nobody asks a venue for one that has gone.
                if request.is_wanted() {
                    let complain = |text: &str| log.warn(clock.now(), format_args!("{text}"));
                    self.answer(request, clock.now(), &fetch, complain);
                    std::thread::sleep(PAUSE);
                }
            }
        };
        std::thread::Builder::new().name(name).spawn(run).map(drop)
    }

    fn answer(
        &mut self,
        request: HistoryRequest,
        now: Nanos,
        fetch: impl FnOnce(&HistoryQuestion<'_>) -> Result<(u16, Vec<u8>), String>,
        complain: impl FnOnce(&str),
    ) {
        match self.ask(&request.wish, now, fetch) {
            // One that does not read asks again.
            Ok(klines) => drop(request.answer(Some(klines))),
            Err(text) => {
                let text = failed(&self.table, &request.wish, &text);
                refuse(request, &text, complain);
            }
        }
    }

    fn ask(
        &mut self,
        wish: &HistoryWish,
        now: Nanos,
        fetch: impl FnOnce(&HistoryQuestion<'_>) -> Result<(u16, Vec<u8>), String>,
    ) -> Result<Vec<Kline>, String> {
        let (of, row) = (self.table.get(wish.instrument), VENUES.get(usize::from(self.venue.0)));
        let (Some(of), Some(row)) = (of, row) else { return Err(NO_ADDRESS.to_owned()) };
        if now < self.busy {
            return Err("the venue said that it is asked too often".to_owned());
        }
        let query = KlineQuery { of, interval: wish.interval, from: wish.from, now: wish.at };
        let request = (row.klines_request)(&query);
        let url = format!("{}{}", self.endpoints.rest, request.path);
        let question = HistoryQuestion { url, body: request.body, query };
        let (status, mut body) = fetch(&question)?;
        if matches!(status, 403 | 418 | 429) {
            self.busy = now.plus(BUSY_NS);
        }
        if status != 200 {
            return Err(format!("HTTP status {status}"));
        }
        (row.decode_klines)(&question.query, &mut body).map_err(|error| error.to_string())
    }
}

fn failed(table: &InstrumentTable, wish: &HistoryWish, text: &str) -> String {
    match table.get(wish.instrument) {
        Some(of) => format!("{} {}: no history: {text}", of.name, wish.interval.name()),
        None => "klines of no instrument".to_owned(),
    }
}

fn refuse(request: HistoryRequest, text: &str, complain: impl FnOnce(&str)) {
    complain(text);
    // One that does not read asks again.
    let _ = request.answer(None);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Instrument, InstrumentId, Interval};

    #[test]
    fn a_venue_whose_thread_did_not_start_or_has_ended_gets_another() {
        let mut table = InstrumentTable::default();
        table.add(Instrument { name: "X/USDT@x".to_owned(), ..Instrument::default() });
        let desk = HistoryDesk::default();
        let end = desk.end();
        let addresses = vec![(VenueId(0), Endpoints::default())];
        let plan = HistoryPlan::new(desk, addresses, Arc::new(table));
        let (instrument, interval) = (InstrumentId(0), Interval::M1);
        let mut queues = Vec::new();
        let mut hand_on = |begin: &mut dyn FnMut(Receiver<HistoryRequest>) -> io::Result<()>| {
            assert!(end.ask(HistoryWish { instrument, interval, from: Nanos(0), at: Nanos(1) }));
            let request = plan.desk.next(Duration::ZERO).unwrap();
            plan.hand_on(request, &mut queues, |_, requests| begin(requests)).map_err(|no| no.1)
        };
        let none = &mut |_| Err(io::Error::other("no threads left"));
        let said = "X/USDT@x 1m: no history: the thread for its venue: no threads left";
        assert_eq!(hand_on(none).unwrap_err(), said);
        let mut waiting = None;
        let keep = &mut |requests| {
            waiting = Some(requests);
            Ok(())
        };
        assert_eq!(hand_on(keep), Ok(()));
        drop(waiting.take());
        let mut other = None;
        let keep = &mut |requests| {
            other = Some(requests);
            Ok(())
        };
        assert_eq!(hand_on(keep), Ok(()));
        let never = &mut |_| unreachable!("it has a thread");
        assert_eq!(hand_on(never), Ok(()));
        assert_eq!(other.unwrap().try_iter().count(), 2);
    }
}
