//! Rate limits as a venue defines them, and what a command costs under each.

use super::{
    CancelOrder, ClientOrderId, CommandKind, FillId, InstrumentId, Nanos, NewOrder, OrderType,
    Price, Qty, ReplaceOrder, Side, TimeInForce, VenueOrderId,
};
use serde::{Deserialize, Serialize};

/// Most limits of one venue.
pub const LIMITS_MAX: usize = 6;

/// One rate limit of a venue. Its index in the venue's list is the number used in
/// [`super::RateLimitUse::limit`] and [`Costs`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitSpec {
    /// Name for people: `weight per minute`. Empty once it was written down and read again.
    #[serde(skip)]
    pub name: &'static str,
    /// Length of the window in nanoseconds.
    pub window_ns: u64,
    /// Units allowed per window, until the venue states another number.
    pub allowed: u32,
    /// Units of each window that only cancels may use.
    pub cancel_reserve: u32,
    /// Units of each window that are the feed's and that no command may use: where market data and
    /// orders come from one address, both use the same allowance.
    pub feeds: u32,
    /// The window is aligned to the wall clock instead of sliding.
    pub aligned: bool,
}

/// Units that one command costs under each limit of its venue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Costs(pub [u16; LIMITS_MAX]);

/// What each kind of command costs at one venue: a venue charges by the kind, never by what is in
/// the command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CostTable([Costs; CommandKind::COUNT]);

impl CostTable {
    /// The table of a venue's own function.
    #[must_use]
    pub fn new(of: impl Fn(&CommandKind) -> Costs) -> Self {
        let mut table = Self::default();
        for kind in samples() {
            table.0[kind.index()] = of(&kind);
        }
        table
    }

    /// What a new order costs.
    #[inline]
    #[must_use]
    pub fn of_new(&self) -> &Costs {
        &self.0[CommandKind::NEW]
    }

    /// What a command costs.
    #[inline]
    #[must_use]
    pub fn of(&self, kind: &CommandKind) -> &Costs {
        &self.0[kind.index()]
    }
}

/// One command of each kind.
fn samples() -> [CommandKind; CommandKind::COUNT] {
    let instrument = InstrumentId(0);
    let (client_id, venue_order_id) = (ClientOrderId::NONE, VenueOrderId::EMPTY);
    let order = CancelOrder { client_id, venue_order_id, instrument };
    let (price, qty) = (Price(0), Qty::ZERO);
    [
        CommandKind::New(NewOrder {
            client_id,
            instrument,
            side: Side::Buy,
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::Gtc,
            post_only: false,
            reduce_only: false,
            price,
            qty,
        }),
        CommandKind::Cancel(order),
        CommandKind::Replace(ReplaceOrder { client_id, venue_order_id, instrument, price, qty }),
        CommandKind::CancelAll(instrument),
        CommandKind::Query(order),
        CommandKind::OpenOrders(instrument),
        CommandKind::FillsSince { instrument, from_id: FillId::EMPTY, from_ns: Nanos(0) },
        CommandKind::Balances,
        CommandKind::FeeRate(instrument),
        CommandKind::Subscribe(instrument),
        CommandKind::Unsubscribe(instrument),
        CommandKind::Resync(instrument),
        CommandKind::FundingSince(Nanos(0)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_command_has_a_place_of_its_own() {
        let places = samples().map(|kind| kind.index());
        assert_eq!(places, std::array::from_fn(|place| place));
        let table = CostTable::new(|kind| Costs([kind.index() as u16, 7, 0, 0, 0, 0]));
        assert!(samples().iter().all(|kind| table.of(kind).0[0] == kind.index() as u16));
        assert_eq!(table.of_new(), table.of(&samples()[CommandKind::NEW]));
    }
}
