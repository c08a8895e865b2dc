//! The venues' rules, asked for again while the engine runs: on a thread of its own, which nothing
//! waits for. In virtual time whoever keeps it says when.
//!
//! What a venue has changed holds for new orders from then on, together with the rules that the run
//! began with, which strategies and connectors were built with: of tick, lot and bounds the stricter
//! one each. Where the two cannot be met together, or the new rules cannot be counted in the units of
//! this run, the instrument takes cancels only until the engine is started anew. An instrument that
//! the venue lists no more, or has halted, takes no orders either. Every change is told of and
//! recorded. Whoever plays the venue, in paper trading, or writes down what
//! it says hears of its new rules as they are.

use super::engine::EngineSetup;
use super::load::{Fetch, Listing, list_by, listings, over};
use super::log::Log;
use super::threads::{Lifecycle, Phase};
use crate::clock::Clock;
use crate::types::{
    Instrument, InstrumentId, InstrumentRules, InstrumentStatus, InstrumentTable, Nanos,
};
use crate::venues::{InstrumentName, InstrumentSpec, VENUES, rules_at};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What holds for an instrument from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleChange {
    /// Whose.
    pub instrument: InstrumentId,
    /// For new orders.
    pub rules: InstrumentRules,
    /// Whether it takes any.
    pub status: InstrumentStatus,
}

/// How many changes wait for the order manager: more come with the next round.
pub(crate) const CHANGES_MAX: usize = 256;
/// How soon the thread notices that the engine stops.
const NAP: Duration = Duration::from_millis(50);

/// Whom to ask and how often.
pub(crate) struct RulePlan {
    every: Duration,
    listings: Vec<Listing>,
    tls: Arc<rustls::ClientConfig>,
}

impl RulePlan {
    /// As the configuration says.
    pub fn new(setup: &EngineSetup<'_>) -> Self {
        Self {
            every: Duration::from_secs(u64::from(setup.config.rules_refresh_s)),
            listings: listings(setup.config, &setup.endpoints),
            tls: setup.tls.clone(),
        }
    }

    /// The thread that does it, not yet running; `None` if nobody wants it. Without an order manager to be
    /// told, what is stated is all that is wanted.
    pub(super) fn watch(
        self,
        table: Arc<InstrumentTable>,
        ends: Ends,
        clock: &Clock,
        lifecycle: &Lifecycle,
        log: Log,
    ) -> Option<RuleWatch> {
        let (every, tls) = (self.every, self.tls.clone());
        let (clock, lifecycle) = (clock.clone(), lifecycle.clone());
        let look = self.look(table, ends, log)?;
        Some(RuleWatch { look, every, tls, clock, lifecycle })
    }

    /// The same for whoever says when, and asks.
    pub fn look(self, table: Arc<InstrumentTable>, ends: Ends, log: Log) -> Option<RuleLook> {
        let (changes, stated) = ends;
        let known = table.iter().map(Known::as_loaded).collect();
        let listings = self.listings;
        let wanted = !self.every.is_zero() && !listings.is_empty();
        wanted.then_some(RuleLook { listings, table, known, changes, stated, log })
    }
}

/// Where it is told: what holds for orders, and instruments with the rules that their venue has now.
type Ends = (Option<SyncSender<RuleChange>>, Option<SyncSender<Instrument>>);

/// The thread.
pub(super) struct RuleWatch {
    look: RuleLook,
    every: Duration,
    tls: Arc<rustls::ClientConfig>,
    clock: Clock,
    lifecycle: Lifecycle,
}

impl RuleWatch {
    /// Starts the thread.
    pub fn start(mut self) -> Result<JoinHandle<()>, String> {
        let run = move || {
            while self.waits() {
                self.look.look(&mut over(&self.tls), &|| self.clock.now());
            }
        };
        let thread = std::thread::Builder::new().name("rules".to_owned()).spawn(run);
        thread.map_err(|error| format!("the thread for instrument rules: {error}"))
    }

    /// Until the next look is due; false once the engine stops.
    fn waits(&self) -> bool {
        let due = Instant::now() + self.every;
        while Instant::now() < due {
            if self.lifecycle.phase() != Phase::Running {
                return false;
            }
            std::thread::sleep(NAP.min(self.every));
        }
        true
    }
}

/// Who is told of what the venues' lists have come to.
pub(crate) struct RuleLook {
    listings: Vec<Listing>,
    table: Arc<InstrumentTable>,
    known: Vec<Known>,
    /// For whoever trades.
    changes: Option<SyncSender<RuleChange>>,
    /// Instruments with the rules that their venue has now.
    stated: Option<SyncSender<Instrument>>,
    log: Log,
}

impl RuleLook {
    /// Asks all venues; `false` if there is more to tell than there was room for, or one has not answered.
    pub fn look(&mut self, fetch: &mut Fetch<'_>, now: &dyn Fn() -> Nanos) -> bool {
        let mut is_all = true;
        for at in 0..self.listings.len() {
            let listing = &self.listings[at];
            let specs = match list_by(listing, fetch) {
                Ok(specs) => specs,
                Err(error) => {
                    // What held before holds on; asked again at the next look.
                    self.log.warn(now(), format_args!("{error}"));
                    is_all = false;
                    continue;
                }
            };
            let (venue, kind) = (listing.venue, listing.kind);
            let table = self.table.clone();
            for instrument in table.of_venue(venue).filter(|row| row.kind == kind) {
                let found = InstrumentName::parse(&instrument.name)
                    .and_then(|name| specs.iter().find(|spec| spec.is(&name)));
                is_all &= self.compare(instrument, found, now);
            }
        }
        is_all
    }

    fn compare(
        &mut self,
        instrument: &Instrument,
        found: Option<&InstrumentSpec>,
        now: &dyn Fn() -> Nanos,
    ) -> bool {
        let Some(row) = self.known.get_mut(instrument.id.index()) else { return true };
        if let Some(stated) = &self.stated {
            row.state(found, instrument, stated);
        }
        let Some(changes) = &self.changes else {
            if row.gets_beyond(found, instrument) {
                self.tell_beyond(instrument, now());
            }
            return true;
        };
        let change = judge(as_loaded(instrument), instrument.scale, found);
        if change == row.told {
            return true;
        }
        if changes.try_send(change).is_err() {
            return false;
        }
        row.told = change;
        self.tell(&instrument.name, &change, now());
        true
    }

    /// With an order manager its instrument takes no orders, which is said.
    fn tell_beyond(&mut self, instrument: &Instrument, now: Nanos) {
        let venue = VENUES.get(usize::from(instrument.venue.0)).map_or("", |row| row.name);
        self.log.error(
            now,
            format_args!(
                "{}: {venue} has changed its rules, and they are finer than this run can count: they \
                 are not stated, and what comes in such steps cannot be read until it is started anew",
                instrument.name
            ),
        );
    }

    fn tell(&mut self, name: &str, change: &RuleChange, now: Nanos) {
        let venue = self.table.get(change.instrument).map_or("", |instrument| {
            VENUES.get(usize::from(instrument.venue.0)).map_or("", |row| row.name)
        });
        match change.status {
            InstrumentStatus::Trading => {
                let rules = &change.rules;
                let scale = self.table.get(change.instrument).map(|row| row.scale);
                let scale = scale.unwrap_or_default();
                self.log.warn(
                    now,
                    format_args!(
                        "{name}: {venue} has changed its rules: tick {}, lot {}, smallest quantity \
                         {}, smallest value {} hold from now on",
                        scale.price_decimal(rules.tick_size).normalize(),
                        scale.qty_decimal(rules.lot_size).normalize(),
                        scale.qty_decimal(rules.qty_min).normalize(),
                        rules.notional_min,
                    ),
                );
            }
            InstrumentStatus::CancelOnly => self.log.error(
                now,
                format_args!(
                    "{name}: {venue} has changed its rules, and they do not go with those that this \
                     run began with: no new orders until the engine is started anew"
                ),
            ),
            InstrumentStatus::Halted => {
                self.log.error(now, format_args!("{name}: {venue} does not trade it any more"));
            }
        }
    }
}

/// What was told of an instrument last.
struct Known {
    /// To the order manager.
    told: RuleChange,
    /// The venue's own rules, to whoever plays it.
    stated: InstrumentRules,
    /// The venue has some that cannot be counted in the units of this run.
    is_beyond: bool,
}

impl Known {
    fn as_loaded(instrument: &Instrument) -> Self {
        Self { told: as_loaded(instrument), stated: instrument.rules, is_beyond: false }
    }

    /// Tells the venue's own rules if they are others; those that cannot be counted in the units of this
    /// run cannot be kept by anyone here. Who is behind, or is not there, hears of them the next time.
    fn state(
        &mut self,
        spec: Option<&InstrumentSpec>,
        instrument: &Instrument,
        to: &SyncSender<Instrument>,
    ) {
        let Some(rules) = spec.and_then(|spec| rules_at(spec, instrument.scale).ok()) else {
            return;
        };
        let changed = Instrument { rules, ..instrument.clone() };
        if rules != self.stated && to.try_send(changed).is_ok() {
            self.stated = rules;
        }
    }

    /// Whether the venue's rules cannot be counted any more.
    fn gets_beyond(&mut self, spec: Option<&InstrumentSpec>, instrument: &Instrument) -> bool {
        let is_beyond = spec.is_some_and(|spec| rules_at(spec, instrument.scale).is_err());
        let was_beyond = std::mem::replace(&mut self.is_beyond, is_beyond);
        is_beyond && !was_beyond
    }
}

fn as_loaded(instrument: &Instrument) -> RuleChange {
    let (rules, status) = (instrument.rules, instrument.status);
    RuleChange { instrument: instrument.id, rules, status }
}

/// What holds together with the rules that the run began with; without a row the venue lists the
/// instrument no more.
fn judge(
    loaded: RuleChange,
    scale: crate::types::Scale,
    spec: Option<&InstrumentSpec>,
) -> RuleChange {
    let Some(spec) = spec.filter(|spec| spec.trading) else {
        return RuleChange { status: InstrumentStatus::Halted, ..loaded };
    };
    let both = rules_at(spec, scale).ok().and_then(|rules| loaded.rules.stricter(&rules));
    match both {
        Some(rules) => RuleChange { rules, status: InstrumentStatus::Trading, ..loaded },
        None => RuleChange { status: InstrumentStatus::CancelOnly, ..loaded },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Amount, Price, Qty, Scale};
    use rust_decimal::Decimal;

    const SCALE: Scale = Scale { price_decimals: 2, qty_decimals: 5 };

    fn loaded() -> RuleChange {
        let rules = InstrumentRules {
            tick_size: Price(10),
            lot_size: Qty(10),
            price_min: Price(10),
            price_max: Price(0),
            qty_min: Qty(20),
            qty_max: Qty(1_000),
            qty_market_max: Qty(0),
            notional_min: Amount(5 * 10i128.pow(18)),
            notional_max: Amount::ZERO,
            figures_max: 0,
        };
        let status = InstrumentStatus::Trading;
        RuleChange { instrument: InstrumentId(0), rules, status }
    }

    fn spec() -> InstrumentSpec {
        InstrumentSpec {
            trading: true,
            tick_size: Decimal::new(1, 1),
            lot_size: Decimal::new(1, 4),
            price_min: Decimal::new(1, 1),
            qty_min: Decimal::new(2, 4),
            qty_max: Decimal::new(1, 2),
            notional_min: Decimal::from(5),
            ..InstrumentSpec::default()
        }
    }

    #[test]
    fn the_rules_of_the_venue_are_stated_as_they_are_once_and_as_soon_as_there_is_room() {
        let instrument =
            Instrument { scale: SCALE, rules: loaded().rules, ..Instrument::default() };
        let mut known = Known::as_loaded(&instrument);
        let (to, stated) = std::sync::mpsc::sync_channel(1);
        let mut say = |spec: Option<InstrumentSpec>| known.state(spec.as_ref(), &instrument, &to);
        say(Some(spec()));
        say(None);
        say(Some(InstrumentSpec { lot_size: Decimal::new(1, 8), ..spec() }));
        assert!(stated.try_recv().is_err(), "nothing that could be kept has changed");
        // The order manager goes on with the coarser one.
        let finer = InstrumentSpec { tick_size: Decimal::new(1, 2), ..spec() };
        say(Some(finer.clone()));
        say(Some(finer));
        let coarser = InstrumentSpec { tick_size: Decimal::new(5, 1), ..spec() };
        say(Some(coarser.clone()));
        let ticks = || stated.try_iter().map(|row| row.rules.tick_size).collect::<Vec<_>>();
        assert_eq!(ticks(), [Price(1)], "there was no room for more");
        say(Some(coarser));
        say(Some(spec()));
        assert_eq!(ticks(), [Price(50)]);
        say(Some(spec()));
        assert_eq!(ticks(), [Price(10)], "back to what it was");
    }

    fn look(
        changes: Option<SyncSender<RuleChange>>,
    ) -> (RuleLook, Instrument, crate::agents::log::LogReader) {
        let instrument = Instrument {
            name: "A/B@x".to_owned(),
            scale: SCALE,
            rules: loaded().rules,
            ..Instrument::default()
        };
        let mut table = InstrumentTable::default();
        table.add(instrument.clone());
        let (log, lines) = crate::agents::log::channel(8);
        let known = vec![Known::as_loaded(&instrument)];
        let (table, listings) = (Arc::new(table), Vec::new());
        (RuleLook { listings, table, known, changes, stated: None, log }, instrument, lines)
    }

    #[test]
    fn what_finds_no_room_is_said_to_be_left_and_told_the_next_time() {
        let (to, changes) = std::sync::mpsc::sync_channel(1);
        let (mut look, instrument, _lines) = look(Some(to));
        let mut compare =
            |spec: InstrumentSpec| look.compare(&instrument, Some(&spec), &|| Nanos(7));
        let [coarse, coarser] =
            [5, 10].map(|tick| InstrumentSpec { tick_size: Decimal::new(tick, 1), ..spec() });
        assert!(compare(spec()), "nothing to tell");
        assert!(compare(coarse.clone()));
        assert!(!compare(coarser.clone()));
        let ticks = || changes.try_iter().map(|change| change.rules.tick_size).collect::<Vec<_>>();
        assert_eq!(ticks(), [Price(50)]);
        assert!(compare(coarser));
        assert_eq!(ticks(), [Price(100)]);
    }

    #[test]
    fn without_an_order_manager_rules_that_cannot_be_counted_are_told_once_each_time() {
        let (mut look, instrument, lines) = look(None);
        let too_fine = InstrumentSpec { tick_size: Decimal::new(1, 8), ..spec() };
        for spec in [too_fine.clone(), too_fine.clone(), spec(), too_fine] {
            look.compare(&instrument, Some(&spec), &|| Nanos(7));
        }
        let said = lines.take();
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(
            said[0].text.starts_with("A/B@x: ") && said[0].text.contains("finer than"),
            "{said:?}"
        );
    }

    #[test]
    fn what_has_not_changed_is_no_change() {
        assert_eq!(judge(loaded(), SCALE, Some(&spec())), loaded());
    }

    #[test]
    fn of_old_and_new_the_stricter_holds() {
        let of = |spec: InstrumentSpec| judge(loaded(), SCALE, Some(&spec)).rules;
        let coarser = of(InstrumentSpec { tick_size: Decimal::new(5, 1), ..spec() });
        assert_eq!(coarser.tick_size, Price(50));
        let finer = of(InstrumentSpec { tick_size: Decimal::new(1, 2), ..spec() });
        assert_eq!(finer.tick_size, Price(10), "connectors know the old one");
        let smaller = of(InstrumentSpec { qty_max: Decimal::new(5, 3), ..spec() });
        assert_eq!(smaller.qty_max, Qty(500));
        let larger = of(InstrumentSpec { qty_max: Decimal::ZERO, ..spec() });
        assert_eq!(larger.qty_max, Qty(1_000));
        let bounded = of(InstrumentSpec { price_max: Decimal::from(7), ..spec() });
        assert_eq!(bounded.price_max, Price(700));
        let dearer = of(InstrumentSpec { notional_min: Decimal::from(10), ..spec() });
        assert_eq!(dearer.notional_min, Amount(10 * 10i128.pow(18)));
    }

    #[test]
    fn rules_that_do_not_go_together_leave_only_cancels() {
        let status = |spec: InstrumentSpec| judge(loaded(), SCALE, Some(&spec)).status;
        let across = InstrumentSpec { tick_size: Decimal::new(15, 2), ..spec() };
        assert_eq!(status(across), InstrumentStatus::CancelOnly);
        let too_fine = InstrumentSpec { lot_size: Decimal::new(1, 8), ..spec() };
        assert_eq!(status(too_fine), InstrumentStatus::CancelOnly);
    }

    #[test]
    fn what_is_not_listed_or_not_traded_takes_no_orders() {
        let halted = InstrumentSpec { trading: false, ..spec() };
        for row in [None, Some(&halted)] {
            assert_eq!(judge(loaded(), SCALE, row).status, InstrumentStatus::Halted);
        }
    }
}
