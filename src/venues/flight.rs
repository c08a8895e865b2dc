//! Requests in flight of a trading connector: a fixed table, found again by their number.
//!
//! A number is the time of issue in nanoseconds, pushed forward until it is new and its slot is
//! free: unique across restarts without a stored counter, at most 20 digits on the wire.

#![forbid(unsafe_code)]

use crate::types::{
    CancelOrder, Channel, ClientOrderId, ExecutionReport, InstrumentId, InstrumentKind, Nanos,
    NewOrder, Price, Qty, ReplaceOrder, ReportKind, ReportOrigin, VenueOrderId,
};

/// Slots where a venue says nothing of how many requests it takes at once.
const SLOTS: usize = 256;

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    New(NewOrder),
    Cancel(CancelOrder),
    Replace(ReplaceOrder),
    /// All orders of an instrument; where they are cancelled by a list, the list of this round.
    CancelAll {
        instrument: InstrumentId,
        round: u16,
    },
    /// Orders of a list of that kind.
    CancelListed {
        instrument: InstrumentId,
        round: u16,
    },
    /// One order; first among the recent, then in the history, where a venue keeps them apart.
    Query {
        order: CancelOrder,
        history: bool,
    },
    OpenOrders {
        instrument: InstrumentId,
        page: u16,
    },
    /// One page of the fills of a job.
    Fills {
        job: u64,
        instrument: InstrumentId,
    },
    Balances,
    /// One page of the positions, of one part of them where a venue lists them in parts.
    Positions {
        part: u16,
        page: u16,
    },
    /// One page of the payments of funding, newest first, back to a time of the venue's.
    Funding {
        since_ms: u64,
        page: u16,
    },
    /// How the account is set up.
    Account,
    /// What positions stand on: of the whole account, then of one perpetual.
    MarginMode,
    Margin(InstrumentId),
    /// Makes that what is configured.
    SetMarginMode,
    SetMargin(InstrumentId),
    /// Whether long and short positions in an instrument are kept apart, where each has a mode of its
    /// own.
    PositionMode(InstrumentId),
    /// The venue's numbers of its instruments of one kind.
    Rules(InstrumentKind),
    FeeRate(InstrumentId),
    /// Sets the window of the dead-man switch, of one part where a venue has several switches.
    DeadMan {
        window_s: u32,
        part: u8,
    },
}

impl Ask {
    /// The first page of all positions.
    pub(super) const POSITIONS: Self = Self::Positions { part: 0, page: 0 };

    /// Identity of the one order that it is about.
    pub(super) fn order(&self) -> Option<(ClientOrderId, VenueOrderId, InstrumentId)> {
        match self {
            Self::New(new) => Some((new.client_id, VenueOrderId::EMPTY, new.instrument)),
            Self::Cancel(order) | Self::Query { order, .. } => {
                Some((order.client_id, order.venue_order_id, order.instrument))
            }
            Self::Replace(order) => Some((order.client_id, order.venue_order_id, order.instrument)),
            _ => None,
        }
    }

    /// The instrument that it is about, of orders and lists.
    pub(super) fn instrument(&self) -> Option<InstrumentId> {
        match *self {
            Self::CancelAll { instrument, .. }
            | Self::CancelListed { instrument, .. }
            | Self::OpenOrders { instrument, .. }
            | Self::Fills { instrument, .. }
            | Self::PositionMode(instrument)
            | Self::Margin(instrument)
            | Self::SetMargin(instrument)
            | Self::FeeRate(instrument) => Some(instrument),
            _ => self.order().map(|(_, _, instrument)| instrument),
        }
    }

    /// A report about the one order that it is about.
    pub(super) fn report(
        &self,
        kind: ReportKind,
        origin: ReportOrigin,
        now: Nanos,
    ) -> Option<ExecutionReport> {
        let (client_id, venue_order_id, instrument) = self.order()?;
        let report = ExecutionReport::new(kind, origin, client_id, instrument);
        let report = ExecutionReport { venue_order_id, recv_ns: now, ..report };
        Some(match self {
            Self::New(NewOrder { side, price, qty, .. }) => {
                ExecutionReport { side: *side, price: *price, qty: *qty, ..report }
            }
            _ => report,
        })
    }

    /// Whether it changes an order: its reply is timed, and its loss makes the outcome unknown.
    pub(super) fn is_order(&self) -> bool {
        matches!(self, Self::New(_) | Self::Cancel(_) | Self::Replace(_))
    }

    /// Whether it asks what positions stand on.
    pub(super) fn is_margin(&self) -> bool {
        matches!(self, Self::MarginMode | Self::Margin(_))
    }

    /// Whether it asks what must be known before orders are sent.
    pub(super) fn is_lesson(&self) -> bool {
        let asks = matches!(self, Self::Account | Self::Rules(_) | Self::PositionMode(_));
        asks || self.is_margin()
    }

    /// Whether it changes that.
    pub(super) fn sets_margin(&self) -> bool {
        matches!(self, Self::SetMarginMode | Self::SetMargin(_))
    }

    fn is_change(&self) -> bool {
        matches!(self, Self::Cancel(_) | Self::Replace(_))
    }
}

/// How far a request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// No reply yet.
    Waiting,
    /// A cancel or replace that was taken; the private stream has yet to show its effect.
    Taken,
    /// The private stream showed the effect before the reply came.
    Seen,
    /// Its outcome was reported as unknown; a late reply would still be proof.
    Late,
}

/// One request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flight {
    pub(super) id: u64,
    pub(super) ask: Ask,
    pub(super) channel: Channel,
    pub(super) sent_ns: Nanos,
    /// When its outcome becomes unknown; the end of time for reads, which the transport times.
    pub(super) deadline: Nanos,
    pub(super) phase: Phase,
}

/// What a row of the private stream says of an order, for the changes that wait for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sighting {
    pub(super) client_id: ClientOrderId,
    pub(super) venue_order_id: VenueOrderId,
    pub(super) price: Price,
    pub(super) qty: Qty,
    pub(super) ended: bool,
}

/// The table.
pub(super) struct Flights {
    slots: Box<[Option<Flight>]>,
    last_id: u64,
    /// Earliest deadline, or earlier: recomputed only when it passes.
    next: Nanos,
    /// Cancels and replaces in the table.
    changes: usize,
}

const NEVER: Nanos = Nanos(u64::MAX);

impl Flights {
    pub(super) fn new() -> Self {
        Self::with(SLOTS)
    }

    /// At most so many at once, a power of two.
    pub(super) fn with(slots: usize) -> Self {
        debug_assert!(slots.is_power_of_two());
        let slots = vec![None; slots].into_boxed_slice();
        Self { slots, last_id: 0, next: NEVER, changes: 0 }
    }

    fn slot(&self, id: u64) -> usize {
        id as usize & (self.slots.len() - 1)
    }

    /// A number whose slot is free; failing that, one whose slot holds a request that was given up.
    /// `None` if all wait.
    pub(super) fn reserve(&mut self, now: Nanos) -> Option<u64> {
        let first = self.last_id.saturating_add(1).max(now.0);
        let mut ids = first..first.saturating_add(self.slots.len() as u64);
        let slot = |id: u64| self.slots[self.slot(id)];
        // What was given up may still be needed as a proof: it goes last.
        let id = ids
            .clone()
            .find(|&id| slot(id).is_none())
            .or_else(|| ids.find(|&id| slot(id).is_some_and(|old| old.phase == Phase::Late)))?;
        self.last_id = id;
        Some(id)
    }

    /// Puts a request under a reserved number, once it was written.
    pub(super) fn insert(&mut self, flight: Flight) {
        let slot = self.slot(flight.id);
        self.remove(self.slots[slot].map_or(0, |old| old.id));
        self.changes += usize::from(flight.ask.is_change());
        self.next = self.next.min(flight.deadline);
        self.slots[slot] = Some(flight);
    }

    pub(super) fn get(&self, id: u64) -> Option<&Flight> {
        self.slots[self.slot(id)].as_ref().filter(|flight| flight.id == id)
    }

    pub(super) fn get_mut(&mut self, id: u64) -> Option<&mut Flight> {
        let slot = self.slot(id);
        self.slots[slot].as_mut().filter(|flight| flight.id == id)
    }

    pub(super) fn remove(&mut self, id: u64) -> Option<Flight> {
        let flight = *self.get(id)?;
        let slot = self.slot(id);
        self.slots[slot] = None;
        self.changes -= usize::from(flight.ask.is_change());
        Some(flight)
    }

    /// When [`Flights::expired`] wants to be asked.
    pub(super) fn deadline(&self) -> Option<Nanos> {
        (self.next != NEVER).then_some(self.next)
    }

    /// Numbers of some requests whose deadline has passed, and whether there are more.
    pub(super) fn expired(&mut self, now: Nanos) -> Option<u64> {
        if self.next > now {
            return None;
        }
        let late = |flight: &&Flight| flight.phase != Phase::Late;
        let first = self.slots.iter().flatten().filter(late).min_by_key(|flight| flight.deadline);
        self.next = first.map_or(NEVER, |flight| flight.deadline);
        first.filter(|flight| flight.deadline <= now).map(|flight| flight.id)
    }

    /// Makes everything that waits on a lost channel expire at once.
    pub(super) fn expire_channel(&mut self, channel: Channel, now: Nanos) {
        for flight in self.slots.iter_mut().flatten() {
            if flight.channel == channel && flight.phase == Phase::Waiting {
                flight.deadline = now;
                self.next = self.next.min(now);
            }
        }
    }

    /// Whether a reply is awaited on the channel.
    pub(super) fn any_waiting(&self, channel: Channel) -> bool {
        let waits = |flight: &Flight| {
            flight.channel == channel && matches!(flight.phase, Phase::Waiting | Phase::Seen)
        };
        self.slots.iter().flatten().any(waits)
    }

    /// Whether an order with this id was sent after `since` and never answered.
    pub(super) fn unproven_new(&self, client_id: ClientOrderId, since: Nanos) -> bool {
        self.slots.iter().flatten().any(|flight| {
            matches!(flight.ask, Ask::New(new) if new.client_id == client_id)
                && flight.sent_ns > since
        })
    }

    /// Whether a new order or a replace of this instrument waits for its reply.
    pub(super) fn places(&self, instrument: InstrumentId) -> bool {
        self.slots.iter().flatten().any(|flight| {
            let places = match flight.ask {
                Ask::New(order) => order.instrument == instrument,
                Ask::Replace(order) => order.instrument == instrument,
                _ => false,
            };
            places && flight.phase != Phase::Late
        })
    }

    /// Whether a replace of this order was sent that nothing has settled yet; and when.
    pub(super) fn replacing(&self, client_id: ClientOrderId) -> Option<Nanos> {
        if self.changes == 0 {
            return None;
        }
        let sent = self.slots.iter().flatten().filter_map(|flight| match flight.ask {
            Ask::Replace(terms) if terms.client_id == client_id => Some(flight.sent_ns),
            _ => None,
        });
        sent.max()
    }

    /// What became of a replaced order is proved: nothing of it is awaited any more.
    pub(super) fn settle_replaces(&mut self, client_id: ClientOrderId) {
        for at in 0..self.slots.len() {
            if let Some(Flight { id, ask: Ask::Replace(terms), phase, .. }) = self.slots[at]
                && terms.client_id == client_id
                && phase != Phase::Waiting
            {
                self.remove(id);
            }
        }
    }

    /// Tells the changes of an order what the stream shows of it. True if it now stands at the
    /// terms of a replace.
    pub(super) fn sight(&mut self, sighting: &Sighting) -> bool {
        if self.changes == 0 {
            return false;
        }
        let mut replaced = false;
        for index in 0..self.slots.len() {
            let Some(flight) = self.slots[index] else { continue };
            if !concerns(&flight.ask, sighting) {
                continue;
            }
            let shown = match flight.ask {
                Ask::Replace(terms) if !sighting.ended => {
                    let at_terms = stands_at(&terms, sighting);
                    replaced |= at_terms;
                    at_terms
                }
                _ => sighting.ended,
            };
            match flight.phase {
                _ if !shown => {}
                Phase::Waiting => {
                    self.slots[index] = Some(Flight { phase: Phase::Seen, ..flight });
                }
                Phase::Taken | Phase::Late => {
                    self.remove(flight.id);
                }
                Phase::Seen => {}
            }
        }
        replaced
    }
}

fn concerns(ask: &Ask, sighting: &Sighting) -> bool {
    if !ask.is_change() {
        return false;
    }
    ask.order().is_some_and(|(client_id, venue_order_id, _)| {
        if client_id.is_some() {
            client_id == sighting.client_id
        } else {
            venue_order_id == sighting.venue_order_id
        }
    })
}

/// A term of zero was not asked for.
fn stands_at(terms: &ReplaceOrder, sighting: &Sighting) -> bool {
    (terms.price == Price(0) || terms.price == sighting.price)
        && (terms.qty == Qty(0) || terms.qty == sighting.qty)
}
