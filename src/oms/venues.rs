//! Which venues may get new orders now.

#![forbid(unsafe_code)]

use crate::types::{Channel, Nanos, Readiness, VenueId};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Venue {
    required: [bool; Channel::COUNT],
    ready: [bool; Channel::COUNT],
    /// The stream was lost and the venue has not been ready since.
    missed: bool,
    /// What happened while the stream was lost is not all known yet.
    catching_up: bool,
    balances_known: bool,
    /// Next request for balances while they are not known.
    balances_due: Nanos,
    suspended_until: Nanos,
}

impl Venue {
    fn is_connected(&self) -> bool {
        self.required.iter().zip(&self.ready).all(|(required, ready)| *ready || !*required)
            && self.required.contains(&true)
    }

    /// The channel that tells of orders: the private one where there is one.
    fn stream(&self) -> Channel {
        if self.required[Channel::Private.index()] { Channel::Private } else { Channel::Trade }
    }
}

/// What a change of readiness means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing that matters to orders.
    None,
    /// The stream that tells of orders is lost.
    StreamLost,
    /// All channels are ready now; `missed` if the stream that tells of orders was lost before.
    Connected { missed: bool },
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Venues {
    rows: Vec<Venue>,
    balances_first: bool,
}

impl Venues {
    pub fn new(required: &[Vec<Channel>], balances_first: bool) -> Self {
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
        Self { rows, balances_first }
    }

    /// Nobody has listened for a while: what happened meanwhile is to be caught up with.
    pub fn miss_all(&mut self) {
        for row in &mut self.rows {
            row.missed = true;
            row.catching_up = true;
        }
    }

    pub fn is_ready(&self, venue: VenueId, now: Nanos) -> bool {
        self.rows.get(usize::from(venue.0)).is_some_and(|row| {
            row.is_connected()
                && !row.catching_up
                && (row.balances_known || !self.balances_first)
                && now >= row.suspended_until
        })
    }

    pub fn on_readiness(&mut self, venue: VenueId, channel: Channel, to: Readiness) -> Change {
        let Some(row) = self.rows.get_mut(usize::from(venue.0)) else { return Change::None };
        let was_connected = row.is_connected();
        let was = std::mem::replace(&mut row.ready[channel.index()], to == Readiness::Ready);
        if was && to != Readiness::Ready && channel == row.stream() {
            row.missed = true;
            row.catching_up = true;
            row.balances_known = false;
            row.balances_due = Nanos(0);
            return Change::StreamLost;
        }
        if !was_connected && row.is_connected() {
            return Change::Connected { missed: std::mem::take(&mut row.missed) };
        }
        Change::None
    }

    /// Whether the venue is back and still has to tell what was missed.
    pub fn is_catching_up(&self, venue: VenueId) -> bool {
        let row = self.rows.get(usize::from(venue.0));
        row.is_some_and(|row| row.catching_up && row.is_connected())
    }

    /// It has told.
    pub fn on_caught_up(&mut self, venue: VenueId) {
        if let Some(row) = self.rows.get_mut(usize::from(venue.0)) {
            row.catching_up = false;
        }
    }

    pub fn on_suspended(&mut self, venue: VenueId, until: Nanos) {
        if let Some(row) = self.rows.get_mut(usize::from(venue.0)) {
            row.suspended_until = row.suspended_until.max(until);
        }
    }

    pub fn on_balances(&mut self, venue: VenueId) {
        if let Some(row) = self.rows.get_mut(usize::from(venue.0)) {
            row.balances_known = true;
            row.balances_due = Nanos(0);
        }
    }

    /// Asks for the balances of a venue to be requested at `when`.
    pub fn want_balances(&mut self, venue: VenueId, when: Nanos) {
        if let Some(row) = self.rows.get_mut(usize::from(venue.0)) {
            row.balances_due = when;
        }
    }

    /// A venue whose balances are to be requested now.
    pub fn balances_due(&self, now: Nanos) -> Option<VenueId> {
        let due = |row: &Venue| {
            !row.balances_known
                && row.is_connected()
                && row.balances_due > Nanos(0)
                && row.balances_due <= now
        };
        self.rows.iter().position(due).map(|index| VenueId(index as u8))
    }

    /// When the next such request is due.
    pub fn next_due(&self) -> Option<Nanos> {
        self.rows
            .iter()
            .filter(|row| !row.balances_known && row.is_connected())
            .map(|row| row.balances_due)
            .filter(|due| *due > Nanos(0))
            .min()
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
        let tell = |venues: &mut Venues, channel, to| venues.on_readiness(VENUE, channel, to);
        assert!(!venues.is_ready(VENUE, Nanos(1)));
        assert_eq!(tell(&mut venues, Channel::Trade, Readiness::Ready), Change::None);
        assert_eq!(tell(&mut venues, Channel::Private, Readiness::Joining), Change::None);
        assert_eq!(tell(&mut venues, Channel::Private, Readiness::Ready), CONNECTED);
        assert!(!venues.is_ready(VENUE, Nanos(1)), "balances are not known");
        venues.on_balances(VENUE);
        assert!(venues.is_ready(VENUE, Nanos(1)));
        venues.on_suspended(VENUE, Nanos(5));
        assert!(!venues.is_ready(VENUE, Nanos(4)));
        assert!(venues.is_ready(VENUE, Nanos(5)));
        assert_eq!(tell(&mut venues, Channel::Trade, Readiness::Down), Change::None);
        assert!(!venues.is_ready(VENUE, Nanos(5)));
        assert_eq!(tell(&mut venues, Channel::Trade, Readiness::Ready), CONNECTED);
        assert!(venues.is_ready(VENUE, Nanos(5)));
        assert_eq!(tell(&mut venues, Channel::Private, Readiness::Down), Change::StreamLost);
        let back = tell(&mut venues, Channel::Private, Readiness::Ready);
        assert_eq!(back, Change::Connected { missed: true });
        assert!(!venues.is_ready(VENUE, Nanos(5)), "balances may have changed meanwhile");
        venues.on_balances(VENUE);
        assert!(venues.is_catching_up(VENUE) && !venues.is_ready(VENUE, Nanos(5)));
        venues.on_caught_up(VENUE);
        assert!(!venues.is_catching_up(VENUE) && venues.is_ready(VENUE, Nanos(5)));
    }

    #[test]
    fn where_orders_and_stream_share_a_channel_its_loss_is_the_streams() {
        let mut venues = Venues::new(&[vec![Channel::Trade]], false);
        assert_eq!(venues.on_readiness(VENUE, Channel::Trade, Readiness::Ready), CONNECTED);
        assert!(venues.is_ready(VENUE, Nanos(1)));
        assert_eq!(venues.on_readiness(VENUE, Channel::Trade, Readiness::Down), Change::StreamLost);
    }

    #[test]
    fn unknown_venues_and_venues_without_channels_are_never_ready() {
        let mut venues = Venues::new(&[vec![]], false);
        assert!(!venues.is_ready(VENUE, Nanos(1)));
        assert!(!venues.is_ready(VenueId(7), Nanos(1)));
        assert_eq!(venues.on_readiness(VenueId(7), Channel::Trade, Readiness::Ready), Change::None);
    }
}
