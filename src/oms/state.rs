//! Everything that an oms remembers, as one value: what is kept in a snapshot, compared by its hash
//! and carried over a restart.
//!
//! Options, instruments and books are not in here; a state means something only together with the
//! instruments that its indices count.

#![forbid(unsafe_code)]

use super::capital::Capital;
use super::closing::Closing;
use super::exposure::Exposures;
use super::fills::FillSet;
use super::legs::Pairs;
use super::losses::Losses;
use super::orders::{Order, OrderTable, Slot, Terms};
use super::perpetuals::Perpetuals;
use super::rates::Rates;
use super::reconcile::{FillMark, Round};
use super::record::Opening;
use super::risk::Risk;
use super::shares::Shares;
use super::venues::Venues;
use super::{NEVER, OmsCounters, OmsOptions};
use crate::portfolio::{Balances, Positions};
use crate::types::{
    Amount, AssetId, ClientOrderId, FeeRate, InstrumentId, InstrumentStatus, InstrumentTable,
    Nanos, Price, Qty, Scale, VenueId,
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The last request for fills of one instrument.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct FillAsk {
    pub at: Nanos,
    pub from: Nanos,
}

/// See the module.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct State {
    /// When the first run began: what happened before is part of the opening balances.
    pub first_start: Nanos,
    pub instance_start: Nanos,
    pub orders: OrderTable,
    pub fills: FillSet,
    pub risk: Risk,
    pub exposures: Exposures,
    pub positions: Positions,
    pub balances: Balances,
    pub venues: Venues,
    pub rates: Rates,
    pub statuses: Vec<InstrumentStatus>,
    pub fees: Vec<Option<FeeRate>>,
    pub fill_asks: Vec<FillAsk>,
    /// Signals with a contract.
    pub pairs: Pairs,
    /// Where the fills of each instrument are known up to.
    pub marks: Vec<FillMark>,
    /// Reconciliation of each venue.
    pub rounds: Vec<Round>,
    /// Orders with a deadline, and the earliest of them.
    pub watch: Vec<Slot>,
    pub next_due: Nanos,
    pub sequence: u32,
    pub stopping: bool,
    pub shares: Shares,
    pub capital: Capital,
    pub losses: Losses,
    pub closings: Vec<Closing>,
    pub perpetuals: Perpetuals,
    pub counters: OmsCounters,
}

/// A state with what it is the state of: all that a restart needs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Kept {
    pub(super) opening: Opening,
    pub(super) state: State,
}

/// Why a state cannot be carried over to other instruments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MoveError {
    /// An order that has not ended, a position or awaited fills are in an instrument that the
    /// configuration no longer names; its name.
    InstrumentGone(String),
    /// More orders have not ended, or still await fills, than the order table has room for.
    TableTooSmall {
        /// Such orders.
        open: usize,
        /// Room for orders.
        room: usize,
    },
    /// Prices or quantities of an order do not fit the instrument's new decimals; its name.
    OffScale(String),
}

impl fmt::Display for MoveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InstrumentGone(name) => write!(
                f,
                "the journal holds orders or a position in {name}, which the configuration does \
                 not name: name it again, or move the journal's folder away to begin anew"
            ),
            Self::TableTooSmall { open, room } => write!(
                f,
                "the journal holds {open} orders that have not ended, and the order table has room \
                 for {room}: go on with the former version until they have ended"
            ),
            Self::OffScale(name) => write!(
                f,
                "orders of {name} in the journal do not fit its decimals of today: run once with \
                 the former instruments, stop in good order and try again"
            ),
        }
    }
}

impl std::error::Error for MoveError {}

impl State {
    pub fn new(options: &OmsOptions, table: &InstrumentTable, instance_start: Nanos) -> Self {
        let venue_count = options.venues.len();
        // Without reconciliation nothing tells what the opening balances hold but the start.
        let opened = if options.reconcile_every_ns == 0 { instance_start } else { Nanos(0) };
        Self {
            first_start: instance_start,
            instance_start,
            orders: OrderTable::new(options.orders_max),
            fills: FillSet::new(options.fills_max, table.len()),
            risk: Risk::new(options.limits.clone(), venue_count),
            exposures: Exposures::new(table),
            positions: Positions::new(table),
            balances: Balances::new(venue_count, table.assets.len()),
            venues: Venues::new(&options.venues, options.reconcile_every_ns > 0),
            rates: Rates::new(&options.rates),
            statuses: table.iter().map(|instrument| instrument.status).collect(),
            fees: vec![None; table.len()],
            fill_asks: vec![FillAsk::default(); table.len()],
            pairs: Pairs::new(),
            marks: vec![FillMark::new(instance_start); table.len()],
            rounds: vec![Round { opened, ..Round::default() }; venue_count],
            watch: Vec::with_capacity(options.orders_max.max(1)),
            next_due: NEVER,
            sequence: 0,
            stopping: false,
            shares: Shares::new(table.len()),
            capital: Capital::new(table.len(), venue_count, &options.limits.strategies),
            losses: Losses::new(table, options.limits.watches_losses(), instance_start),
            closings: Vec::new(),
            perpetuals: Perpetuals::new(table, venue_count, instance_start),
            counters: OmsCounters::default(),
        }
    }

    /// Of the canonical encoding, which holds everything but what follows from it.
    pub fn hash(&self) -> u64 {
        let bytes = encode(self);
        bytes.chunks(8).fold(bytes.len() as u64, |hash, chunk| {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            super::index::hash_u64(hash.rotate_left(5) ^ u64::from_le_bytes(word))
        })
    }
}

fn encode(value: &impl Serialize) -> Vec<u8> {
    postcard::to_stdvec(value).expect("plain data can be written to memory")
}

impl Kept {
    /// The state in which a first run begins.
    pub(super) fn before(opening: &Opening) -> Self {
        let start = opening.instance_start;
        let state = State::new(&opening.options, &opening.instruments, start);
        Self { opening: opening.clone(), state }
    }

    /// Bytes for a snapshot.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// The way back; `None` if the bytes are not a state of this version.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        postcard::from_bytes(bytes).ok()
    }

    /// The hash of the state.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.state.hash()
    }

    /// When the run began whose state this is.
    #[must_use]
    pub fn instance_start(&self) -> Nanos {
        self.state.instance_start
    }

    /// Orders that have not ended.
    #[must_use]
    pub fn open_count(&self) -> usize {
        self.state.orders.open_count()
    }

    /// Until when a venue has suspended us; long ago, or 0, if it has not.
    #[must_use]
    pub fn suspended_until(&self, venue: VenueId) -> Nanos {
        self.state.venues.suspended_until(venue)
    }

    /// Whether an order is known.
    #[must_use]
    pub fn knows(&self, id: ClientOrderId) -> bool {
        self.state.orders.by_client(id).is_some()
    }

    /// Instruments of the run.
    #[must_use]
    pub fn instruments(&self) -> &InstrumentTable {
        &self.opening.instruments
    }
}

/// Where the instruments and assets of one table stand in another.
struct Moves<'a> {
    from: &'a InstrumentTable,
    to: &'a InstrumentTable,
}

impl Moves<'_> {
    /// Whether everything stands where it stood and is counted as it was.
    fn none(&self) -> bool {
        let (from, to) = (self.from, self.to);
        let assets = |table: &InstrumentTable| -> Vec<String> {
            let name = |index| table.assets.name(AssetId(index)).to_owned();
            (0..table.assets.len() as u16).map(name).collect()
        };
        from.len() == to.len()
            && assets(from) == assets(to)
            && from.iter().zip(to.iter()).all(|(a, b)| {
                (&a.name, a.venue, a.scale, a.base, a.quote, a.settle)
                    == (&b.name, b.venue, b.scale, b.base, b.quote, b.settle)
            })
    }

    fn name(&self, id: InstrumentId) -> String {
        self.from.get(id).map(|row| row.name.clone()).unwrap_or_default()
    }

    fn instrument(&self, id: InstrumentId) -> Option<InstrumentId> {
        let name = &self.from.get(id)?.name;
        self.to.by_name(name).map(|row| row.id)
    }

    fn asset(&self, asset: AssetId) -> Option<AssetId> {
        self.to.assets.find(self.from.assets.name(asset))
    }

    /// A price and a quantity as the other table counts them.
    fn amounts(&self, id: InstrumentId, price: Price, qty: Qty) -> Option<(Price, Qty)> {
        let (from, to) = (self.from.get(id)?.scale, self.to.get(self.instrument(id)?)?.scale);
        Some((self::price(price, from, to)?, self::qty(qty, from, to)?))
    }

    /// A price as the other table counts it, 0 where it cannot be held.
    fn mark(&self, id: InstrumentId, mark: Price) -> Option<(InstrumentId, Price)> {
        let to = self.to.get(self.instrument(id)?)?;
        let mark = price(mark, self.from.get(id)?.scale, to.scale).unwrap_or_default();
        Some((to.id, mark))
    }

    /// The order as the other table counts it.
    fn order(&self, order: &Order) -> Result<Order, MoveError> {
        let gone = || MoveError::InstrumentGone(self.name(order.instrument));
        let id = self.instrument(order.instrument).ok_or_else(gone)?;
        let scales = self.from.get(order.instrument).zip(self.to.get(id));
        let (from, to) = scales.map(|(a, b)| (a.scale, b.scale)).ok_or_else(gone)?;
        let moved = || -> Option<Order> {
            Some(Order {
                instrument: id,
                price: price(order.price, from, to)?,
                qty: qty(order.qty, from, to)?,
                pending: match order.pending {
                    Some(terms) => Some(Terms {
                        price: price(terms.price, from, to)?,
                        qty: qty(terms.qty, from, to)?,
                    }),
                    None => None,
                },
                filled: qty(order.filled, from, to)?,
                stated: qty(order.stated, from, to)?,
                reserved: Qty::ZERO,
                reserved_value: Amount::ZERO,
                worth: price(order.worth, from, to)?,
                ..*order
            })
        };
        moved().ok_or_else(|| MoveError::OffScale(self.name(order.instrument)))
    }
}

fn price(price: Price, from: Scale, to: Scale) -> Option<Price> {
    to.price(from.price_decimal(price)).ok()
}

fn qty(qty: Qty, from: Scale, to: Scale) -> Option<Qty> {
    to.qty(from.qty_decimal(qty)).ok()
}

impl State {
    /// The state over another table of instruments, with room as `options` have it. What has ended
    /// is forgotten if anything stands elsewhere now; what has not, and every position, must have a
    /// place.
    pub fn moved(
        mut self,
        from: &InstrumentTable,
        to: &InstrumentTable,
        options: &OmsOptions,
    ) -> Result<Self, MoveError> {
        let moves = Moves { from, to };
        if moves.none() && self.orders.capacity() == options.orders_max.max(1) {
            self.reserve(options);
            return Ok(self);
        }
        let mut next = Self::new(options, to, self.instance_start);
        next.first_start = self.first_start;
        next.counters = self.counters;
        next.risk = self.risk;
        next.venues = self.venues;
        next.rates = self.rates;
        for (to, from) in next.rounds.iter_mut().zip(&self.rounds) {
            *to = *from;
        }
        for (index, mark) in self.marks.iter().enumerate() {
            let to = moves.instrument(InstrumentId(index as u16));
            if let Some(to) = to.and_then(|id| next.marks.get_mut(id.index())) {
                *to = *mark;
            }
        }
        next.perpetuals = self
            .perpetuals
            .moved(to, options.venues.len(), self.first_start, |id| moves.instrument(id));
        next.shares = self.shares.moved(to.len(), |id| moves.instrument(id));
        next.capital = self.capital.moved(to.len(), |id| moves.instrument(id));
        next.losses =
            self.losses.moved(to, |id, mark| moves.mark(id, mark), |asset| moves.asset(asset));
        let open = self.orders.iter().filter(|order| !order.may_go()).count();
        let too_small = || MoveError::TableTooSmall { open, room: options.orders_max.max(1) };
        for order in self.orders.iter().filter(|order| !order.may_go()) {
            let order = moves.order(order)?;
            let slot = next.orders.insert_as(order).ok_or_else(too_small)?;
            if order.timers.next().is_some() {
                next.orders.get_mut(slot).watched = true;
                next.watch.push(slot);
            }
            if let Some(instrument) = to.get(order.instrument) {
                let worst = order.worst_case();
                let moved = next.orders.get_mut(slot);
                moved.reserved = worst;
                moved.reserved_value = moved.worst_value(instrument);
                next.exposures.reserve(instrument, order.side, Qty::ZERO, worst);
            }
        }
        for (index, position) in self.positions.all().iter().enumerate() {
            let id = InstrumentId(index as u16);
            match moves.instrument(id).and_then(|id| to.get(id)) {
                Some(instrument) => {
                    next.positions.set(instrument.id, *position);
                    next.exposures.hold(instrument, position.qty);
                }
                None if position.qty == Amount::ZERO => {}
                None => return Err(MoveError::InstrumentGone(moves.name(id))),
            }
        }
        next.balances =
            self.balances.moved(options.venues.len(), to.assets.len(), |asset| moves.asset(asset));
        next.pairs = self.pairs.moved(|pair| {
            pair.moved(|id| moves.instrument(id), |id, price, qty| moves.amounts(id, price, qty))
        });
        next.fills.take_from(&self.fills, |id| moves.instrument(id));
        next.reserve(options);
        Ok(next)
    }

    /// Makes sure that nothing allocates later.
    fn reserve(&mut self, options: &OmsOptions) {
        let more = options.orders_max.max(1).saturating_sub(self.watch.len());
        self.watch.reserve(more);
        self.pairs.reserve();
        self.risk.reserve();
    }
}
