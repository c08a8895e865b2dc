//! Which venues may get new orders now.

#![forbid(unsafe_code)]

use super::record::Recorder;
use super::{Books, Oms};
use crate::types::{Channel, Nanos, NotReady, Readiness, Scope, TradingState, VenueId};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Venue {
    required: [bool; Channel::COUNT],
    ready: [bool; Channel::COUNT],
    /// When each of them became ready the last time.
    since: [Nanos; Channel::COUNT],
    /// The stream was lost and the venue has not been ready since.
    missed: bool,
    /// Orders, fills and balances agree since the stream was last lost.
    reconciled: bool,
    /// A balance differs and nothing explains it.
    halted: bool,
    suspended_until: Nanos,
}

impl Venue {
    fn needs(&self, channel: Channel) -> bool {
        self.required[channel.index()]
    }

    fn missing(&self) -> Option<Channel> {
        let ready = |channel: Channel| self.ready[channel.index()];
        Channel::missing(|channel| self.needs(channel), ready).next()
    }

    fn is_connected(&self) -> bool {
        self.missing().is_none() && self.required.contains(&true)
    }

    /// Whether anybody tells of orders: the private channel where there is one, else those of order
    /// entry, each of which tells everything.
    fn has_stream(&self) -> bool {
        let ready = |channel| self.needs(channel) && self.ready[channel.index()];
        match self.needs(Channel::Private) {
            true => ready(Channel::Private),
            false => ready(Channel::Trade) || ready(Channel::TradeSpare),
        }
    }
}

impl Venue {
    /// Whether the loss of `lost` leaves one other connection that tells of orders, and this one has
    /// not done so for long.
    fn is_alone_since(&self, lost: Channel, now: Nanos) -> bool {
        let other = match lost {
            Channel::Trade => Channel::TradeSpare,
            Channel::TradeSpare => Channel::Trade,
            _ => return false,
        };
        !self.needs(Channel::Private)
            && self.ready[other.index()]
            && now.since(self.since[other.index()]) < UNDER_WAY_NS
    }
}

/// What a connection tells may be under way for so long. If one of two is lost and the other has been
/// ready for less, something may have been told by the lost one alone, and be lost with it.
const UNDER_WAY_NS: u64 = 10_000_000_000;

/// What a change of readiness means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing that matters to orders.
    None,
    /// The stream that tells of orders is lost.
    StreamLost,
    /// One of two that tell of orders is lost, and may have been the only one that was told something.
    Doubtful,
    /// All channels are ready now; `missed` if the stream that tells of orders was lost before.
    Connected { missed: bool },
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Venues {
    rows: Vec<Venue>,
    /// Whether a venue has to be reconciled at all.
    reconcile: bool,
}

impl Venues {
    pub fn new(required: &[Vec<Channel>], reconcile: bool) -> Self {
        let rows = required
            .iter()
            .map(|channels| {
                let mut venue = Venue::default();
                for channel in channels {
                    venue.required[channel.index()] = true;
                }
                venue
            })
            .collect();
        Self { rows, reconcile }
    }

    /// A new run: nothing is connected, and nobody has listened for a while. What a person has to
    /// decide still waits for it, and the venue still counts what it suspended us for.
    pub fn restarted(&self, required: &[Vec<Channel>], reconcile: bool) -> Self {
        let mut next = Self::new(required, reconcile);
        for (index, row) in next.rows.iter_mut().enumerate() {
            row.missed = true;
            if let Some(old) = self.rows.get(index) {
                (row.halted, row.suspended_until) = (old.halted, old.suspended_until);
            }
        }
        next
    }

    fn row(&self, venue: VenueId) -> Option<&Venue> {
        self.rows.get(usize::from(venue.0))
    }

    fn row_mut(&mut self, venue: VenueId) -> Option<&mut Venue> {
        self.rows.get_mut(usize::from(venue.0))
    }

    pub fn is_ready(&self, venue: VenueId, now: Nanos) -> bool {
        self.row(venue).is_some_and(|row| {
            row.is_connected()
                && (row.reconciled || !self.reconcile)
                && !row.halted
                && now >= row.suspended_until
        })
    }

    /// The reason that a person can do most about comes first.
    pub fn why_not_ready(&self, venue: VenueId, now: Nanos) -> Option<NotReady> {
        let Some(row) = self.row(venue) else { return Some(NotReady::Disconnected(None)) };
        if row.halted {
            return Some(NotReady::Halted);
        }
        if now < row.suspended_until {
            return Some(NotReady::Suspended(row.suspended_until));
        }
        if !row.is_connected() {
            return Some(NotReady::Disconnected(row.missing()));
        }
        (self.reconcile && !row.reconciled).then_some(NotReady::NotReconciled)
    }

    pub fn is_connected(&self, venue: VenueId) -> bool {
        self.row(venue).is_some_and(Venue::is_connected)
    }

    pub fn is_halted(&self, venue: VenueId) -> bool {
        self.row(venue).is_some_and(|row| row.halted)
    }

    pub fn is_reconciled(&self, venue: VenueId) -> bool {
        self.row(venue).is_some_and(|row| row.reconciled)
    }

    pub fn on_readiness(
        &mut self,
        venue: VenueId,
        channel: Channel,
        to: Readiness,
        now: Nanos,
    ) -> Change {
        let Some(row) = self.row_mut(venue) else { return Change::None };
        let (was_connected, had_stream) = (row.is_connected(), row.has_stream());
        let was_ready = std::mem::replace(&mut row.ready[channel.index()], to == Readiness::Ready);
        if to == Readiness::Ready {
            row.since[channel.index()] = now;
        }
        if had_stream && !row.has_stream() {
            row.missed = true;
            row.reconciled = false;
            return Change::StreamLost;
        }
        if was_ready && to != Readiness::Ready && row.is_alone_since(channel, now) {
            row.reconciled = false;
            return Change::Doubtful;
        }
        if !was_connected && row.is_connected() {
            return Change::Connected { missed: std::mem::take(&mut row.missed) };
        }
        Change::None
    }

    pub fn on_suspended(&mut self, venue: VenueId, until: Nanos) {
        if let Some(row) = self.row_mut(venue) {
            row.suspended_until = row.suspended_until.max(until);
        }
    }

    /// Until when nothing may be asked of the venue.
    pub fn suspended_until(&self, venue: VenueId) -> Nanos {
        self.row(venue).map_or(Nanos(0), |row| row.suspended_until)
    }

    /// Everything agrees. Whether that is news.
    pub fn on_reconciled(&mut self, venue: VenueId) -> bool {
        self.row_mut(venue).is_some_and(|row| !std::mem::replace(&mut row.reconciled, true))
    }

    /// Whether that is news.
    pub fn set_halted(&mut self, venue: VenueId, halted: bool) -> bool {
        self.row_mut(venue).is_some_and(|row| std::mem::replace(&mut row.halted, halted) != halted)
    }
}

impl<R: Recorder, B: Books> Oms<R, B> {
    /// Why no new orders go to this venue now; `None` if they do. As [`Oms::why_not_ready`], with what
    /// holds everywhere, and what people want: that the engine stops, or trades less.
    #[must_use]
    pub fn why_no_orders(&self, venue: VenueId, now: Nanos) -> Option<NotReady> {
        if self.state.stopping {
            return Some(NotReady::Stopping);
        }
        let held = |scope, why: fn(TradingState) -> NotReady| {
            let state = self.state.risk.trading.get(scope).unwrap_or(TradingState::Halted);
            (state != TradingState::Active).then(|| why(state))
        };
        let full = self.state.risk.journal_full.then_some(NotReady::JournalFull);
        self.why_not_ready(venue, now)
            .or(full)
            .or_else(|| held(Scope::Engine, NotReady::EngineHeld))
            .or_else(|| held(Scope::Venue(venue), NotReady::Held))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VENUE: VenueId = VenueId(0);
    const CONNECTED: Change = Change::Connected { missed: false };

    #[test]
    fn a_venue_is_ready_when_all_it_needs_is() {
        let mut venues = Venues::new(&[vec![Channel::Trade, Channel::Private]], true);
        let tell =
            |venues: &mut Venues, channel, to| venues.on_readiness(VENUE, channel, to, Nanos(1));
        assert!(!venues.is_ready(VENUE, Nanos(1)));
        let why = |venues: &Venues, now| venues.why_not_ready(VENUE, Nanos(now));
        assert_eq!(why(&venues, 1), Some(NotReady::Disconnected(Some(Channel::Trade))));
        assert_eq!(tell(&mut venues, Channel::Trade, Readiness::Ready), Change::None);
        assert_eq!(tell(&mut venues, Channel::Private, Readiness::Joining), Change::None);
        assert_eq!(why(&venues, 1), Some(NotReady::Disconnected(Some(Channel::Private))));
        assert_eq!(tell(&mut venues, Channel::Private, Readiness::Ready), CONNECTED);
        assert!(!venues.is_ready(VENUE, Nanos(1)), "not reconciled");
        assert_eq!(why(&venues, 1), Some(NotReady::NotReconciled));
        assert!(venues.on_reconciled(VENUE) && !venues.on_reconciled(VENUE));
        assert!(venues.is_ready(VENUE, Nanos(1)));
        venues.on_suspended(VENUE, Nanos(5));
        assert!(!venues.is_ready(VENUE, Nanos(4)));
        assert_eq!(why(&venues, 4), Some(NotReady::Suspended(Nanos(5))));
        assert!(venues.is_ready(VENUE, Nanos(5)));
        assert_eq!(why(&venues, 5), None);
        assert_eq!(tell(&mut venues, Channel::Trade, Readiness::Down), Change::None);
        assert!(!venues.is_ready(VENUE, Nanos(5)));
        assert_eq!(tell(&mut venues, Channel::Trade, Readiness::Ready), CONNECTED);
        assert!(venues.is_ready(VENUE, Nanos(5)));
        assert_eq!(tell(&mut venues, Channel::Private, Readiness::Down), Change::StreamLost);
        let back = tell(&mut venues, Channel::Private, Readiness::Ready);
        assert_eq!(back, Change::Connected { missed: true });
        assert!(!venues.is_ready(VENUE, Nanos(5)), "things may have happened meanwhile");
        venues.on_reconciled(VENUE);
        assert!(venues.is_ready(VENUE, Nanos(5)));
        assert!(venues.set_halted(VENUE, true) && !venues.set_halted(VENUE, true));
        assert!(!venues.is_ready(VENUE, Nanos(5)));
        assert_eq!(why(&venues, 5), Some(NotReady::Halted));
        let required = [vec![Channel::Trade, Channel::Private]];
        assert!(venues.restarted(&required, true).is_halted(VENUE), "a person has to decide still");
    }

    #[test]
    fn where_orders_and_stream_share_a_channel_its_loss_is_the_streams() {
        let mut venues = Venues::new(&[vec![Channel::Trade]], false);
        let tell =
            |venues: &mut Venues, to| venues.on_readiness(VENUE, Channel::Trade, to, Nanos(1));
        assert_eq!(tell(&mut venues, Readiness::Ready), CONNECTED);
        assert!(venues.is_ready(VENUE, Nanos(1)));
        assert_eq!(tell(&mut venues, Readiness::Down), Change::StreamLost);
    }

    #[test]
    fn one_of_two_order_connections_is_enough() {
        use Readiness::{Down, Ready};
        let mut venues = Venues::new(&[vec![Channel::Trade, Channel::TradeSpare]], true);
        let tell = |venues: &mut Venues, channel, to, seconds: u64| {
            venues.on_readiness(VENUE, channel, to, Nanos(seconds * 1_000_000_000))
        };
        assert_eq!(tell(&mut venues, Channel::TradeSpare, Ready, 1), CONNECTED);
        assert!(venues.on_reconciled(VENUE) && venues.is_ready(VENUE, Nanos(1)));
        assert_eq!(tell(&mut venues, Channel::Trade, Ready, 2), Change::None);
        let lost = tell(&mut venues, Channel::TradeSpare, Down, 11);
        assert_eq!(lost, Change::Doubtful, "what it was about to tell may be from before 2");
        assert!(!venues.is_ready(VENUE, Nanos(1)), "a fill may be unknown");
        assert!(venues.on_reconciled(VENUE) && venues.is_ready(VENUE, Nanos(1)));
        assert_eq!(tell(&mut venues, Channel::TradeSpare, Down, 11), Change::None, "said before");
        assert_eq!(tell(&mut venues, Channel::TradeSpare, Ready, 20), Change::None);
        assert_eq!(tell(&mut venues, Channel::TradeSpare, Down, 21), Change::None, "both did");
        assert!(venues.is_ready(VENUE, Nanos(1)), "the other goes on, and tells of everything");
        assert_eq!(tell(&mut venues, Channel::Trade, Down, 22), Change::StreamLost);
        assert!(!venues.is_ready(VENUE, Nanos(1)));
        let back = tell(&mut venues, Channel::TradeSpare, Ready, 23);
        assert_eq!(back, Change::Connected { missed: true });
    }

    #[test]
    fn an_order_connection_whose_spare_serves_is_not_what_is_missing() {
        use Channel::{Private, Trade, TradeSpare};
        let mut venues = Venues::new(&[vec![Trade, TradeSpare, Private]], false);
        let why = |venues: &Venues| venues.why_not_ready(VENUE, Nanos(1));
        let tell =
            |venues: &mut Venues, channel, to| venues.on_readiness(VENUE, channel, to, Nanos(1));
        assert_eq!(why(&venues), Some(NotReady::Disconnected(Some(Trade))));
        tell(&mut venues, TradeSpare, Readiness::Ready);
        assert_eq!(why(&venues), Some(NotReady::Disconnected(Some(Private))));
        tell(&mut venues, Trade, Readiness::Ready);
        tell(&mut venues, TradeSpare, Readiness::Down);
        assert_eq!(why(&venues), Some(NotReady::Disconnected(Some(Private))));
        tell(&mut venues, Private, Readiness::Ready);
        assert_eq!(why(&venues), None);
    }

    #[test]
    fn unknown_venues_and_venues_without_channels_are_never_ready() {
        let mut venues = Venues::new(&[vec![]], false);
        assert!(!venues.is_ready(VENUE, Nanos(1)));
        assert!(!venues.is_ready(VenueId(7), Nanos(1)));
        assert_eq!(
            venues.on_readiness(VenueId(7), Channel::Trade, Readiness::Ready, Nanos(1)),
            Change::None
        );
    }
}
