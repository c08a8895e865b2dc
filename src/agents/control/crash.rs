//! What is written down when an agent panics or the order manager stands still: a folder with the
//! message and backtrace, books, positions and open orders of the region, and the last log lines.
//!
//! Nothing in it is secret: secrets are held in a type that is never printed. The log may hold raw
//! messages of a venue that were refused, but none that came before a stream was ready: a reply to a
//! login names the key. The folder is closed to other users all the same: it tells what an account holds.

use super::super::operator::OrderBoard;
use super::wire::Names;
use crate::agents::log::LogTail;
use crate::shm::MarketView;
use crate::types::{BookState, Nanos, VenueId};
use serde_json::{Value, json};
use std::backtrace::Backtrace;
use std::cell::{Cell, RefCell};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Once, PoisonError};

/// One thing that broke.
#[derive(Clone, Debug)]
pub struct Incident {
    /// Agent that was polled, `oms` for one that stands still.
    pub agent: String,
    /// Thread it ran on.
    pub thread: String,
    /// What was said, with its place in the code.
    pub message: String,
    /// Where from, turned into names when it is written; none where nobody could look.
    pub backtrace: Option<Arc<Backtrace>>,
    /// More files of the bundle, by name.
    pub files: Vec<(&'static str, String)>,
}

/// Incidents that nobody has written down yet, shared by all threads of one engine.
#[derive(Clone, Debug, Default)]
pub struct Incidents(Arc<Mutex<Vec<Incident>>>);

impl Incidents {
    /// Adds one.
    pub fn push(&self, incident: Incident) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(incident);
    }

    /// Takes all.
    #[must_use]
    pub fn take(&self) -> Vec<Incident> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What the panic hook finds on a thread of an engine.
struct Watched {
    incidents: Incidents,
    agents: Vec<String>,
}

thread_local! {
    static WATCHED: RefCell<Option<Watched>> = const { RefCell::new(None) };
    static POLLED: Cell<usize> = const { Cell::new(0) };
}

/// Panics of this thread, which polls these agents, go to `incidents` from now on.
pub fn watch_thread(incidents: &Incidents, agents: Vec<String>) {
    install();
    let incidents = incidents.clone();
    WATCHED.with_borrow_mut(|watched| *watched = Some(Watched { incidents, agents }));
}

/// A panic of this thread is charged to its agent of this index from now on.
#[inline]
pub fn charge(index: usize) {
    POLLED.set(index);
}

/// Which agent was polled last; it is no longer one of the thread's.
pub fn take_charged() -> usize {
    let index = POLLED.get();
    WATCHED.with_borrow_mut(|watched| {
        if let Some(watched) = watched
            && index < watched.agents.len()
        {
            watched.agents.remove(index);
        }
    });
    index
}

/// Puts our hook before the one that is there; once a process.
fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            note(&info.to_string());
            before(info);
        }));
    });
}

/// Never panics: that would end the process.
fn note(message: &str) {
    let _ = WATCHED.try_with(|watched| {
        let Ok(watched) = watched.try_borrow() else { return };
        let Some(watched) = watched.as_ref() else { return };
        watched.incidents.push(Incident {
            agent: watched.agents.get(POLLED.get()).cloned().unwrap_or_default(),
            thread: std::thread::current().name().unwrap_or("?").to_owned(),
            message: message.to_owned(),
            // Names are looked up later and elsewhere: here the other agents wait.
            backtrace: Some(Arc::new(Backtrace::force_capture())),
            files: Vec::new(),
        });
    });
}

/// Writes bundles.
pub struct CrashWriter {
    /// Folder of the bundles, made when the first one is written.
    pub folder: PathBuf,
    /// Name of the instance.
    pub instance: String,
    /// The region.
    pub view: MarketView,
    /// Open orders as the order manager last showed them.
    pub board: OrderBoard,
    /// Names for people.
    pub names: Names,
    /// Last log lines.
    pub log: LogTail,
}

impl CrashWriter {
    /// Writes `crash-<utc time>-<instance>/`. The journal's last records, as lines, go in too where
    /// the caller has them. Where it is, or why it could not be written.
    pub fn write(
        &self,
        incident: &Incident,
        journal: &[String],
        now: Nanos,
    ) -> Result<PathBuf, String> {
        let failed = |path: &Path, error: io::Error| format!("{}: {error}", path.display());
        let mut all = std::fs::DirBuilder::new();
        all.mode(0o700).recursive(true);
        all.create(&self.folder).map_err(|error| failed(&self.folder, error))?;
        let path = self.fresh(now).map_err(|error| failed(&self.folder, error))?;
        let region = serde_json::to_string_pretty(&self.region(now)).unwrap_or_default();
        let orders = serde_json::to_string_pretty(&self.orders()).unwrap_or_default();
        let log: Vec<String> = self.log.lines().iter().map(ToString::to_string).collect();
        let more = incident.files.iter().map(|(name, text)| (*name, text.clone()));
        let all = [
            ("crash.txt", describe(incident, &self.instance, now)),
            ("region.json", region),
            ("orders.json", orders),
            ("log.txt", log.join("\n")),
            ("journal.jsonl", journal.join("\n")),
        ];
        for (name, text) in all.into_iter().chain(more) {
            let file = path.join(name);
            if !text.is_empty() {
                put(&file, &text).map_err(|error| failed(&file, error))?;
            }
        }
        Ok(path)
    }

    /// A folder of its own, also for the second crash of one second.
    fn fresh(&self, now: Nanos) -> io::Result<PathBuf> {
        let mut closed = std::fs::DirBuilder::new();
        closed.mode(0o700);
        let name = format!("crash-{}-{}", utc(now), self.instance);
        for number in 1.. {
            let suffix = if number == 1 { String::new() } else { format!("-{number}") };
            let path = self.folder.join(format!("{name}{suffix}"));
            match closed.create(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < 1_000 => {}
                result => return result.map(|()| path),
            }
        }
        Err(io::Error::from(io::ErrorKind::AlreadyExists))
    }

    fn region(&self, now: Nanos) -> Value {
        let table = self.view.instruments();
        let name = |id| table.get(id).map_or("?", |row| row.name.as_str());
        let asset = |id| table.assets.name(id);
        let age_ms = |at: Nanos| now.since(at) / 1_000_000;
        let books = table.iter().map(|row| {
            let best = self.view.best(row.id);
            let level = |level: crate::types::Level| {
                json!([row.scale.price_decimal(level.price), row.scale.qty_decimal(level.qty)])
            };
            json!({
                "instrument": row.name, "state": state(best.state), "age_ms": age_ms(best.recv_ns),
                "bid": level(best.bid), "ask": level(best.ask), "sequence": best.sequence,
            })
        });
        let positions = self.view.positions().into_iter().map(|row| {
            json!({
                "instrument": name(row.instrument), "qty": row.qty.to_string(),
                "cost": row.cost.to_string(), "realised": row.realised.to_string(),
            })
        });
        let balances = self.view.balances().into_iter().map(|row| {
            json!({
                "venue": self.venue(row.balance.venue), "asset": asset(row.balance.asset),
                "free": row.balance.free.to_string(), "locked": row.balance.locked.to_string(),
                "expected": row.expected.to_string(),
            })
        });
        let counters = self.view.counters();
        let venues = self.names.venues.iter().map(|(venue, venue_name)| {
            let health = self.view.health(*venue);
            json!({ "venue": venue_name, "health": format!("{health:?}") })
        });
        json!({
            "heartbeat_age_ms": age_ms(self.view.heartbeat()),
            "books": books.collect::<Vec<_>>(),
            "positions": positions.collect::<Vec<_>>(),
            "balances": balances.collect::<Vec<_>>(),
            "venues": venues.collect::<Vec<_>>(),
            "counters": format!("{counters:?}"),
        })
    }

    fn venue(&self, venue: VenueId) -> &str {
        let row = self.names.venues.iter().find(|(known, _)| *known == venue);
        row.map_or("?", |(_, name)| name)
    }

    fn orders(&self) -> Vec<Value> {
        let board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
        board.iter().map(|row| json!(self.names.order(row))).collect()
    }
}

fn state(state: BookState) -> String {
    format!("{state:?}")
}

fn describe(incident: &Incident, instance: &str, now: Nanos) -> String {
    let Incident { agent, thread, message, backtrace, .. } = incident;
    let backtrace = backtrace.as_ref().map(ToString::to_string).unwrap_or_default();
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "stoop {version}, instance {instance}, {}\nagent {agent}, thread {thread}\n\n{message}\n\n\
         {backtrace}\n",
        utc(now)
    )
}

fn put(path: &Path, text: &str) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// `20261128T071500Z`
fn utc(now: Nanos) -> String {
    let seconds = now.0 / 1_000_000_000;
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days as i64);
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

/// Year, month and day of a number of days since 1970-01-01: eras of 400 years, years that begin in
/// March, so that the day that is not always there comes last.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let leaps = day_of_era / 1_460 + day_of_era / 146_096 - day_of_era / 36_524;
    let year_of_era = (day_of_era - leaps) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_in_a_calendar() {
        let cases = [
            (0, "19700101T000000Z"),
            (951_782_399, "20000228T235959Z"),
            (951_782_400, "20000229T000000Z"),
            (1_709_251_199, "20240229T235959Z"),
            (1_735_689_599, "20241231T235959Z"),
            (4_107_542_400, "21000301T000000Z"),
        ];
        for (seconds, text) in cases {
            assert_eq!(utc(Nanos(seconds * 1_000_000_000)), text);
        }
    }

    #[test]
    fn a_panic_of_a_watched_thread_is_noted_with_its_agent() {
        let incidents = Incidents::default();
        let watched = incidents.clone();
        let body = move || {
            watch_thread(&watched, vec!["oms".to_owned(), "feed:x".to_owned()]);
            charge(1);
            panic!("deliberate {}", 7);
        };
        let thread = std::thread::Builder::new().name("loop".to_owned()).spawn(body).unwrap();
        assert!(thread.join().is_err());
        let noted = incidents.take();
        assert_eq!(noted.len(), 1);
        assert_eq!((noted[0].agent.as_str(), noted[0].thread.as_str()), ("feed:x", "loop"));
        assert!(noted[0].message.contains("deliberate 7"), "{}", noted[0].message);
        assert!(noted[0].message.contains("crash.rs:"), "{}", noted[0].message);
        assert!(!noted[0].backtrace.as_ref().unwrap().to_string().is_empty());
        assert!(incidents.take().is_empty());
        assert!(std::thread::spawn(|| panic!("of nobody's")).join().is_err());
        assert!(incidents.take().is_empty(), "another thread is not watched");
    }
}
