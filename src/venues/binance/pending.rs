//! Requests that await their reply: a table of fixed size, found by number, with deadlines.
//!
//! A request whose reply is late stays in the table for a while after its outcome was reported as
//! unknown: a late reply is still proof, and better than a query.

#![forbid(unsafe_code)]

use crate::types::{Channel, CommandKind, EventsFull, InstrumentId, MarginMode, Nanos};

/// Most open requests. The low byte of a request's number is its place.
const CAPACITY: usize = 256;
/// Places that new orders may not take, so that cancels and queries always find one.
const RESERVED: usize = 32;
/// How long a late reply is still waited for.
const LATE_NS: u64 = 60_000_000_000;

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// A command of the engine.
    Command(CommandKind),
    /// The venue's time.
    Time,
    /// `session.logon`
    Logon,
    /// `userDataStream.subscribe`, with or without signature.
    Subscribe,
    /// How a futures account is set up.
    AccountConfig,
    /// Leverage and margin mode of its symbols.
    SymbolConfig,
    /// Another margin mode, another leverage of a symbol.
    MarginType(InstrumentId, MarginMode),
    Leverage(InstrumentId, u8),
    /// A key for the stream of its events.
    ListenKey,
    /// More life for that key.
    KeepAlive,
    /// What it has of each asset: the second part of the answer to [`CommandKind::Balances`].
    Wallets,
    /// Funding from this time on, of which the stream has told.
    Payments(Nanos),
    /// Conditional orders.
    StopOrders(InstrumentId),
    /// The dead-man switch, and its time in milliseconds.
    DeadMan(InstrumentId, u64),
}

impl Asked {
    /// The command that it answers, in part at least.
    pub(super) fn command(&self) -> Option<CommandKind> {
        match self {
            Self::Command(command) => Some(*command),
            Self::Wallets => Some(CommandKind::Balances),
            _ => None,
        }
    }
}

/// One open request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) id: u64,
    pub(super) channel: Channel,
    pub(super) asked: Asked,
    pub(super) sent: Nanos,
    /// When its outcome becomes unknown, or when it is forgotten.
    deadline: Nanos,
    /// Its outcome was already reported as unknown.
    pub(super) late: bool,
    /// No reply can come any more.
    pub(super) lost: bool,
}

/// The table.
pub(super) struct Pending {
    entries: Vec<Option<Entry>>,
    free: Vec<u8>,
    counter: u64,
    timeout_ns: u64,
    /// Not later than the earliest deadline.
    wake: Option<Nanos>,
}

impl Pending {
    pub(super) fn new(timeout_ns: u64) -> Self {
        Self {
            entries: vec![None; CAPACITY],
            free: (0..=u8::MAX).rev().collect(),
            counter: 1,
            timeout_ns,
            wake: None,
        }
    }

    /// Number of the next request, `None` if there is no room for it.
    pub(super) fn next_id(&self, asked: &Asked) -> Option<u64> {
        let new = matches!(asked, Asked::Command(CommandKind::New(_)));
        if new && self.free.len() <= RESERVED {
            return None;
        }
        self.free.last().map(|place| (self.counter << 8) | u64::from(*place))
    }

    /// Enters the request that was sent under [`Pending::next_id`].
    pub(super) fn insert(&mut self, asked: Asked, channel: Channel, now: Nanos) {
        let Some(place) = self.free.pop() else { return };
        let id = (self.counter << 8) | u64::from(place);
        self.counter += 1;
        let deadline = now.plus(self.timeout_ns);
        self.entries[usize::from(place)] =
            Some(Entry { id, channel, asked, sent: now, deadline, late: false, lost: false });
        self.wake = Some(self.wake.map_or(deadline, |wake| wake.min(deadline)));
    }

    /// Takes out the request with this number, sent on this channel.
    pub(super) fn take(&mut self, id: u64, channel: Channel) -> Option<Entry> {
        let place = (id & 0xff) as u8;
        let slot = &mut self.entries[usize::from(place)];
        if slot.is_none_or(|entry| entry.id != id || entry.channel != channel) {
            return None;
        }
        self.free.push(place);
        slot.take()
    }

    /// What the request with this number, sent on this channel, asked.
    pub(super) fn get(&self, id: u64, channel: Channel) -> Option<Asked> {
        let entry = self.entries[(id & 0xff) as usize].as_ref();
        entry.filter(|entry| entry.id == id && entry.channel == channel).map(|entry| entry.asked)
    }

    /// Tells of every request whose reply is overdue, and counts it as late from then on; those
    /// that were late already are forgotten. Stops, to go on next time, when `tell` finds no room.
    pub(super) fn expire(
        &mut self,
        now: Nanos,
        mut tell: impl FnMut(&Entry) -> Result<(), EventsFull>,
    ) {
        let Self { entries, free, .. } = self;
        for (place, slot) in entries.iter_mut().enumerate() {
            let Some(entry) = slot.as_mut().filter(|entry| now >= entry.deadline) else { continue };
            if !entry.late && tell(entry).is_err() {
                break;
            }
            if entry.late || entry.lost {
                *slot = None;
                free.push(place as u8);
            } else {
                entry.late = true;
                entry.deadline = now.plus(LATE_NS);
            }
        }
        self.wake = self.entries.iter().flatten().map(|entry| entry.deadline).min();
    }

    /// The channel is lost: no reply will come, so everything open on it is overdue now.
    pub(super) fn lose_channel(&mut self, channel: Channel, now: Nanos) {
        for entry in self.entries.iter_mut().flatten().filter(|entry| entry.channel == channel) {
            entry.deadline = now;
            entry.lost = true;
        }
        self.wake = Some(now);
    }

    /// One request is lost; `false` if there is none with this number.
    pub(super) fn lose(&mut self, id: u64, now: Nanos) -> bool {
        let Some(entry) = self.entries[(id & 0xff) as usize].as_mut().filter(|e| e.id == id) else {
            return false;
        };
        entry.deadline = now;
        entry.lost = true;
        self.wake = Some(now);
        true
    }

    /// Whether a command awaits its reply on the channel.
    pub(super) fn has_commands(&self, channel: Channel) -> bool {
        self.entries.iter().flatten().any(|entry| {
            entry.channel == channel && !entry.late && matches!(entry.asked, Asked::Command(_))
        })
    }

    /// When [`Pending::expire`] has something to say, at the earliest.
    pub(super) fn wake(&self) -> Option<Nanos> {
        self.wake
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUERY: Asked = Asked::Command(CommandKind::OpenOrders(InstrumentId(0)));

    fn ask(pending: &mut Pending, now: Nanos) -> u64 {
        let id = pending.next_id(&QUERY).unwrap();
        pending.insert(QUERY, Channel::Trade, now);
        id
    }

    #[test]
    fn replies_find_their_request_once_and_in_any_order() {
        let mut pending = Pending::new(100);
        let ids: Vec<u64> = (0..CAPACITY).map(|_| ask(&mut pending, Nanos(1))).collect();
        assert_eq!(pending.next_id(&QUERY), None);
        for id in ids.iter().rev() {
            assert_eq!(pending.take(*id, Channel::Trade).unwrap().id, *id);
            assert_eq!(pending.take(*id, Channel::Trade), None);
        }
        let again = ask(&mut pending, Nanos(2));
        assert!(!ids.contains(&again));
        assert_eq!(pending.take(0, Channel::Trade), None);
        assert_eq!(pending.take(u64::MAX, Channel::Trade), None);
    }

    fn expired(pending: &mut Pending, now: Nanos) -> Vec<u64> {
        let mut ids = Vec::new();
        pending.expire(now, |entry| {
            ids.push(entry.id);
            Ok(())
        });
        ids
    }

    #[test]
    fn overdue_requests_are_told_once_and_may_still_be_answered() {
        let mut pending = Pending::new(100);
        let id = ask(&mut pending, Nanos(1));
        assert_eq!(pending.wake(), Some(Nanos(101)));
        assert_eq!(expired(&mut pending, Nanos(100)), [0; 0]);
        assert_eq!(expired(&mut pending, Nanos(101)), [id]);
        assert_eq!(expired(&mut pending, Nanos(101)), [0; 0]);
        assert_eq!(pending.wake(), Some(Nanos(101 + LATE_NS)));
        assert!(pending.take(id, Channel::Trade).unwrap().late);
        let forgotten = ask(&mut pending, Nanos(200));
        assert_eq!(expired(&mut pending, Nanos(300)), [forgotten]);
        assert_eq!(expired(&mut pending, Nanos(300 + LATE_NS)), [0; 0]);
        assert_eq!(pending.take(forgotten, Channel::Trade), None);
    }

    #[test]
    fn a_lost_channel_makes_all_its_requests_overdue_and_frees_their_places() {
        let mut pending = Pending::new(1_000);
        let ids: Vec<u64> = (0..CAPACITY).map(|_| ask(&mut pending, Nanos(1))).collect();
        pending.lose_channel(Channel::Rest, Nanos(2));
        assert_eq!(expired(&mut pending, Nanos(2)), [0; 0]);
        pending.lose_channel(Channel::Trade, Nanos(2));
        // The buffer of events is full after three: the rest is told at the next occasion.
        let mut told = Vec::new();
        pending.expire(Nanos(2), |entry| {
            told.push(entry.id);
            if told.len() > 3 { Err(EventsFull) } else { Ok(()) }
        });
        told.pop();
        assert_eq!(pending.wake(), Some(Nanos(2)));
        told.extend(expired(&mut pending, Nanos(2)));
        told.sort_unstable();
        let mut all = ids;
        all.sort_unstable();
        assert_eq!(told, all);
        assert_eq!(pending.wake(), None);
        assert_eq!(pending.free.len(), CAPACITY);
    }

    #[test]
    fn new_orders_leave_room_for_cancels() {
        let mut pending = Pending::new(1_000);
        let order = Asked::Command(CommandKind::New(crate::types::NewOrder {
            client_id: crate::types::ClientOrderId(1),
            instrument: InstrumentId(0),
            side: crate::types::Side::Buy,
            order_type: crate::types::OrderType::Limit,
            time_in_force: crate::types::TimeInForce::Ioc,
            post_only: false,
            reduce_only: false,
            price: crate::types::Price(1),
            qty: crate::types::Qty(1),
        }));
        let mut orders = 0;
        while pending.next_id(&order).is_some() {
            pending.insert(order, Channel::Trade, Nanos(1));
            orders += 1;
        }
        assert_eq!(orders, CAPACITY - RESERVED);
        assert!(pending.next_id(&QUERY).is_some());
    }
}
