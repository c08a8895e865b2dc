//! Each venue as it stands: connections, books, limits, and why nothing is sent there if nothing is.

#![forbid(unsafe_code)]

use super::naming::venue_name;
use super::table::{Cell, Column, Kind, Row, span};
use super::words;
use crate::shm::{MarginRow, MarketView, VenueHealth};
use crate::types::{BookState, Nanos, NotReady, Readiness, VenueId};
use crate::venues::VENUES;

/// Columns of [`VenueNow::cells`].
pub const VENUE_COLUMNS: [Column; 17] = [
    Column::new("venue", Kind::Text),
    Column::new("ready", Kind::Flag),
    Column::new("market_data", Kind::Text),
    Column::new("books_live", Kind::Count),
    Column::hidden("books", Kind::Count),
    Column::new("orders", Kind::Flag),
    Column::new("limit_percent", Kind::Count),
    Column::new("clock_offset", Kind::Span),
    Column::hidden("reconnects", Kind::Count),
    Column::hidden("decode_errors", Kind::Count),
    Column::hidden("gaps", Kind::Count),
    Column::hidden("reply_timeouts", Kind::Count),
    Column::hidden("received", Kind::Time),
    Column::hidden("suspended_until", Kind::Time),
    Column::hidden("margin_percent", Kind::Number),
    Column::hidden("no_orders_since", Kind::Time),
    Column::new("reason", Kind::Text),
];

/// One venue as its feed and its executor see it.
#[derive(Clone, Debug)]
pub struct VenueNow {
    /// Which.
    pub venue: VenueId,
    /// Its name.
    pub name: String,
    /// What both say of themselves.
    pub health: VenueHealth,
    /// Names of its books that were live once and are not now.
    pub ill: Vec<String>,
    /// Maintenance margin over equity in percent, of the settle asset that has most of it used;
    /// `None` without perpetual positions.
    pub margin_percent: Option<f64>,
}

impl VenueNow {
    /// Its cells, in the order of [`VENUE_COLUMNS`].
    #[must_use]
    pub fn cells(&self, now: Nanos) -> Row {
        let VenueHealth { feed, executor, .. } = &self.health;
        let not_ready = self.health.why_not_ready(now);
        let orders = not_ready.is_none();
        let limit = executor.fullest_limit().map(|(_, row)| row.percent());
        let count = Cell::count;
        let probed = feed.clock_round_trip_ns > 0;
        vec![
            self.name.as_str().into(),
            Cell::Flag(self.is_ready(now)),
            words::readiness(feed.state).into(),
            count(feed.books_live),
            count(feed.books),
            Cell::Flag(orders),
            limit.map_or(Cell::Empty, |percent| count(percent.into())),
            if probed { Cell::Count(feed.clock_offset_ns) } else { Cell::Empty },
            count(feed.reconnects + executor.reconnects),
            count(feed.decode_errors + executor.decode_errors),
            count(feed.gaps),
            count(executor.reply_timeouts),
            Cell::time(feed.last_recv_ns),
            if executor.is_suspended(now) {
                Cell::time(executor.suspended_until_ns)
            } else {
                Cell::Empty
            },
            self.margin_percent.map_or(Cell::Empty, |used| format!("{used:.1}").into()),
            not_ready.and_then(|why| self.since(why)).map_or(Cell::Empty, Cell::time),
            self.reason(now).into(),
        ]
    }

    /// What is not well with it, in words; empty if nothing is.
    #[must_use]
    pub fn reason(&self, now: Nanos) -> String {
        let feed = &self.health.feed;
        let mut reasons: Vec<String> = self.why_no_orders(now).into_iter().collect();
        if feed.state != Readiness::Ready {
            reasons.push(format!("market data {}", words::readiness(feed.state)));
        } else if !self.ill.is_empty() {
            reasons.push(format!("not live: {}", self.ill.join(", ")));
        }
        reasons.join("; ")
    }

    /// What keeps it from being ready in a few words; empty if nothing does.
    #[must_use]
    pub fn brief(&self, now: Nanos) -> String {
        match (self.health.why_not_ready(now), self.health.feed.state) {
            (Some(why), _) => why.to_string(),
            (None, Readiness::Ready) => String::new(),
            (None, state) => format!("market data {}", words::readiness(state)),
        }
    }

    /// Whether its market data is ready and it gets new orders.
    #[must_use]
    pub fn is_ready(&self, now: Nanos) -> bool {
        self.health.feed.state == Readiness::Ready && self.health.why_not_ready(now).is_none()
    }

    /// Why it gets no new orders, and for how long it has not.
    fn why_no_orders(&self, now: Nanos) -> Option<String> {
        let why = self.health.why_not_ready(now)?;
        let text = match why {
            NotReady::Suspended(until) => {
                return Some(format!("suspended by the venue for {}", span_of(until.since(now))));
            }
            // Connections say by themselves what is wrong with them.
            NotReady::Disconnected(_) => {
                self.connections().unwrap_or_else(|| words::not_ready(why))
            }
            _ => words::not_ready(why),
        };
        let since = self.since(why).map(|since| format!(" (for {})", span_of(now.since(since))));
        Some(text + &since.unwrap_or_default())
    }

    /// Since when that keeps new orders from it, if the order manager has said so.
    fn since(&self, why: NotReady) -> Option<Nanos> {
        let gate = &self.health.gate;
        (gate.not_ready == Some(why) && gate.since_ns > Nanos(0)).then_some(gate.since_ns)
    }

    /// Connections for orders that are not ready; `None` if all are.
    fn connections(&self) -> Option<String> {
        let executor = &self.health.executor;
        let down: Vec<String> = executor
            .missing()
            .map(|of| {
                let state = executor.channels[of.index()];
                format!("{} {}", of.name(), words::readiness(state))
            })
            .collect();
        (!executor.ready && !down.is_empty()).then(|| down.join(", "))
    }
}

fn span_of(ns: u64) -> String {
    span(i64::try_from(ns).unwrap_or(i64::MAX))
}

/// Name of one of a venue's rate limits, by its number in the venue's own table: `weight per minute`.
#[must_use]
pub fn limit_name(venue: VenueId, limit: usize) -> &'static str {
    let row = VENUES.get(usize::from(venue.0));
    row.and_then(|row| row.limits.get(limit)).map_or("?", |limit| limit.name)
}

/// The venues that have instruments.
#[must_use]
pub fn venues(view: &MarketView) -> Vec<VenueNow> {
    let margins = view.margins();
    let used = (0..view.venues()).map(|number| VenueId(number as u8));
    let used = used.filter(|venue| view.instruments().of_venue(*venue).next().is_some());
    used.map(|venue| VenueNow {
        venue,
        name: venue_name(venue),
        health: view.health(venue),
        ill: view
            .instruments()
            .of_venue(venue)
            .filter(|row| {
                matches!(view.best(row.id).state, BookState::Stale | BookState::Buffering)
            })
            .map(|row| row.name.clone())
            .collect(),
        margin_percent: margins
            .iter()
            .filter(|row| row.stated.venue == venue)
            .filter_map(MarginRow::used_percent)
            .max_by(f64::total_cmp),
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shm::{ExecutorHealth, FeedHealth, OrderGate, RateUse};
    use crate::show::table;
    use crate::types::Channel;

    fn venue() -> VenueNow {
        let (ready, updated_ns) = (true, Nanos(1));
        let mut executor = ExecutorHealth { ready, updated_ns, ..ExecutorHealth::default() };
        executor.limits[0] = RateUse { used: 30, allowed: 240 };
        let feed = FeedHealth {
            state: Readiness::Ready,
            books: 2,
            books_live: 2,
            clock_offset_ns: -1_500_000,
            clock_round_trip_ns: 1,
            ..FeedHealth::default()
        };
        let gate = OrderGate { not_ready: None, updated_ns, ..OrderGate::default() };
        let health = VenueHealth { feed, executor, gate };
        VenueNow {
            venue: VenueId(0),
            name: "a".to_owned(),
            health,
            ill: Vec::new(),
            margin_percent: None,
        }
    }

    #[test]
    fn what_keeps_a_venue_from_being_ready_is_said() {
        let now = Nanos(1_000_000_000);
        let reason = |venue: &VenueNow| {
            let object = table::object(&VENUE_COLUMNS, &venue.cells(now));
            (object["ready"].as_bool().unwrap(), object["reason"].as_str().unwrap_or("").to_owned())
        };
        let well = venue();
        assert_eq!((reason(&well), well.brief(now)), ((true, String::new()), String::new()));
        let mut waiting = venue();
        waiting.health.gate.not_ready = Some(NotReady::NotReconciled);
        waiting.health.gate.since_ns = Nanos(400_000_000);
        let not_compared = "orders, fills and balances are not compared yet";
        assert_eq!(reason(&waiting), (false, format!("{not_compared} (for 600.0 ms)")));
        assert_eq!(waiting.brief(now), not_compared);
        let object = table::object(&VENUE_COLUMNS, &waiting.cells(now));
        assert_eq!(
            (&object["orders"], &object["no_orders_since_ns"]),
            (&false.into(), &400_000_000.into())
        );
        let mut ill = venue();
        ill.health.executor.ready = false;
        ill.health.executor.channels[Channel::Rest.index()] = Readiness::Ready;
        ill.health.executor.channels[Channel::Private.index()] = Readiness::Joining;
        ill.ill = vec!["BTC/USDT@a".to_owned()];
        let expected = "order entry down, private stream joining; not live: BTC/USDT@a";
        assert_eq!(reason(&ill), (false, expected.to_owned()));
        ill.health.executor.channels[Channel::TradeSpare.index()] = Readiness::Ready;
        let expected = "private stream joining; not live: BTC/USDT@a";
        assert_eq!(reason(&ill), (false, expected.to_owned()), "the spare one takes orders");
        let mut held = venue();
        held.health.executor.suspended_until_ns = Nanos(43_000_000_000);
        assert_eq!(reason(&held), (false, "suspended by the venue for 42.0 s".to_owned()));
        let late = Nanos(now.0 + 5_000_000_000);
        let mut stands = venue();
        stands.health.gate.since_ns = Nanos(7);
        assert_eq!(stands.reason(late), "the order manager stands still");
        let object = table::object(&VENUE_COLUMNS, &stands.cells(late));
        assert!(object["no_orders_since_ns"].is_null(), "7 is when it got orders: {object}");
        let text = table::text(&VENUE_COLUMNS, &[well.cells(now)]);
        let words: Vec<&str> = text.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!(words, ["a", "yes", "ready", "2", "yes", "12", "-1.5", "ms"]);
    }
}
