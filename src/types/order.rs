//! Orders and the commands that executors carry out.

use super::{FillId, InstrumentId, Nanos, Price, Qty, SignalId, Stamps, StrategyId, VenueOrderId};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Side of an order, a trade's aggressor or a book.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Side {
    /// Bid side.
    #[default]
    Buy = 0,
    /// Ask side.
    Sell = 1,
}

impl Side {
    /// From a byte of shared memory or a journal.
    #[must_use]
    pub fn from_u8(byte: u8) -> Option<Self> {
        const ALL: [Side; 2] = [Side::Buy, Side::Sell];
        ALL.get(usize::from(byte)).copied()
    }

    /// The other side.
    #[must_use]
    pub fn opposite(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
        }
    }

    /// +1 for a buy, -1 for a sell.
    #[must_use]
    pub fn sign(self) -> i64 {
        match self {
            Self::Buy => 1,
            Self::Sell => -1,
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Buy => "buy",
            Self::Sell => "sell",
        })
    }
}

/// How long an order works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum TimeInForce {
    /// Until cancelled.
    #[default]
    Gtc = 0,
    /// What can be filled at once, the rest expires.
    Ioc = 1,
    /// All at once or nothing.
    Fok = 2,
}

impl TimeInForce {
    /// From a byte of shared memory or a journal.
    #[must_use]
    pub fn from_u8(byte: u8) -> Option<Self> {
        const ALL: [TimeInForce; 3] = [TimeInForce::Gtc, TimeInForce::Ioc, TimeInForce::Fok];
        ALL.get(usize::from(byte)).copied()
    }
}

/// Priced or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum OrderType {
    /// At the limit price or better.
    #[default]
    Limit = 0,
    /// At any price; `price` is ignored.
    Market = 1,
}

/// Our own identity of an order, minted before anything is sent and never used twice.
///
/// Layout, high to low: 32 bits start of the instance (seconds since 2020-01-01 UTC), 6 bits
/// strategy, 26 bits sequence. On the wire it is `st` and 16 lower-case hexadecimal digits, which
/// every venue's pattern for client ids allows, so the way back needs no table.
///
/// A run that goes on from an earlier one takes a start at least a second later than that one's,
/// whatever the clock says, so ids are never used twice. Two instances on one account must not have
/// the same start to the second: each takes the other's orders for external ones, and a collision
/// is refused by the venue as a duplicate, never doubled.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[repr(transparent)]
pub struct ClientOrderId(pub u64);

/// 2020-01-01T00:00:00Z in seconds since the UNIX epoch.
const ID_EPOCH_SECONDS: u64 = 1_577_836_800;
const ID_SEQUENCE_BITS: u32 = 26;
const ID_STRATEGY_BITS: u32 = 6;

/// Lower-case, the highest first, all eight at once.
fn eight_hex_digits(word: u32) -> [u8; 8] {
    const LOW: u64 = 0x0f0f_0f0f_0f0f_0f0f;
    // Each byte into a pair of its own, then each of its halves into a byte.
    let pairs = u64::from(word.swap_bytes());
    let pairs = (pairs | pairs << 16) & 0x0000_ffff_0000_ffff;
    let pairs = (pairs | pairs << 8) & 0x00ff_00ff_00ff_00ff;
    let digits = (pairs >> 4 | pairs << 8) & LOW;
    let letters = (digits + 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101;
    (digits + 0x3030_3030_3030_3030 + letters * 39).to_le_bytes()
}

impl ClientOrderId {
    /// Not ours: an order placed by hand or by another program.
    pub const NONE: Self = Self(0);

    /// Length of [`ClientOrderId::encode`].
    pub const ENCODED_LEN: usize = 18;

    /// Mints an id. `None` once the instance has used all 67 million sequence numbers.
    #[must_use]
    pub fn mint(instance_start: Nanos, strategy: StrategyId, sequence: u32) -> Option<Self> {
        if sequence >= 1 << ID_SEQUENCE_BITS || strategy.0 >= 1 << ID_STRATEGY_BITS {
            return None;
        }
        let seconds = (instance_start.0 / 1_000_000_000).saturating_sub(ID_EPOCH_SECONDS);
        let instance = (seconds & 0xffff_ffff) << (ID_SEQUENCE_BITS + ID_STRATEGY_BITS);
        let strategy = u64::from(strategy.0) << ID_SEQUENCE_BITS;
        Some(Self(instance | strategy | u64::from(sequence)))
    }

    /// The strategy that the order belongs to.
    #[must_use]
    pub fn strategy(self) -> StrategyId {
        StrategyId((self.0 >> ID_SEQUENCE_BITS) as u8 & ((1 << ID_STRATEGY_BITS) - 1))
    }

    /// The text that goes to the venue.
    #[must_use]
    pub fn encode(self) -> [u8; Self::ENCODED_LEN] {
        let mut text = *b"st0000000000000000";
        text[2..10].copy_from_slice(&eight_hex_digits((self.0 >> 32) as u32));
        text[10..].copy_from_slice(&eight_hex_digits(self.0 as u32));
        text
    }

    /// The way back; [`ClientOrderId::NONE`] if the text is not one of ours.
    #[must_use]
    pub fn decode(text: &str) -> Self {
        let Some(digits) = text.strip_prefix("st").filter(|digits| digits.len() == 16) else {
            return Self::NONE;
        };
        if !digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Self::NONE;
        }
        u64::from_str_radix(digits, 16).map_or(Self::NONE, Self)
    }

    /// Whether this is an order of ours.
    #[must_use]
    pub fn is_some(self) -> bool {
        self != Self::NONE
    }
}

impl fmt::Display for ClientOrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.encode()).unwrap_or(""))
    }
}

/// An order to be placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewOrder {
    /// Our id of it.
    pub client_id: ClientOrderId,
    /// What is traded, and so where.
    pub instrument: InstrumentId,
    /// Buy or sell.
    pub side: Side,
    /// Limit or market.
    pub order_type: OrderType,
    /// How long it works; ignored for market orders.
    pub time_in_force: TimeInForce,
    /// Refused by the venue instead of taking liquidity; limit GTC only.
    pub post_only: bool,
    /// May only reduce a position; perpetuals.
    pub reduce_only: bool,
    /// Limit price, a multiple of the tick size; 0 for market orders.
    pub price: Price,
    /// Quantity in base units, a multiple of the lot size.
    pub qty: Qty,
}

/// A working order to be cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelOrder {
    /// Our id of it; [`ClientOrderId::NONE`] for an order that is not ours.
    pub client_id: ClientOrderId,
    /// The venue's id, empty if it is not known yet.
    pub venue_order_id: VenueOrderId,
    /// Whose order.
    pub instrument: InstrumentId,
}

/// A working order to be changed, keeping its client id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplaceOrder {
    /// Our id of it.
    pub client_id: ClientOrderId,
    /// The venue's id, empty if it is not known yet.
    pub venue_order_id: VenueOrderId,
    /// Whose order.
    pub instrument: InstrumentId,
    /// New price; unchanged if equal to the working one. Venues that cannot change it refuse.
    pub price: Price,
    /// New total quantity (filled part included).
    pub qty: Qty,
}

/// What an executor is asked to do at its venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CommandKind {
    /// Place an order.
    New(NewOrder),
    /// Cancel one order.
    Cancel(CancelOrder),
    /// Change one order.
    Replace(ReplaceOrder),
    /// Cancel every order of an instrument, ours or not.
    CancelAll(InstrumentId),
    /// Ask for the state of one order; answered by a report of kind
    /// [`super::ReportKind::Status`] or [`super::ReportKind::NotFound`].
    Query(CancelOrder),
    /// Ask for all open orders of an instrument: `Status` reports, then
    /// [`super::VenueNotice::OpenOrdersEnd`].
    OpenOrders(InstrumentId),
    /// Ask for own fills from a fill id on (empty: from a time on): `Fill` reports, then
    /// [`super::VenueNotice::FillsEnd`].
    FillsSince {
        /// Whose fills.
        instrument: InstrumentId,
        /// Last fill id already known; may be sent again.
        from_id: FillId,
        /// Earliest time if no id is known.
        from_ns: Nanos,
    },
    /// Ask for the account: an [`super::Event::Balance`] of each asset, where there are perpetuals an
    /// [`super::Event::Position`] of each position that is not zero and an [`super::Event::Margin`],
    /// then [`super::VenueNotice::BalancesEnd`].
    Balances,
    /// Ask for the account's fee rates: a [`super::Event::Fee`].
    FeeRate(InstrumentId),
    /// Start the market data of an instrument.
    Subscribe(InstrumentId),
    /// Stop the market data of an instrument.
    Unsubscribe(InstrumentId),
    /// Fetch a fresh snapshot of one book after a gap, leaving the connection alone.
    Resync(InstrumentId),
    /// Ask for funding payments of all perpetuals from this time on: an [`super::Event::FundingPaid`] of
    /// each, then [`super::VenueNotice::FundingEnd`]. Spot venues are never asked.
    FundingSince(Nanos),
}

/// Who may use the last units of a limit. Each step down leaves more of the limit untouched:
/// cancels may use all of it, hedges all but the cancel reserve, new orders half a reserve less,
/// queries another half less.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[repr(u8)]
pub enum Priority {
    /// Cancels.
    Cancel = 0,
    /// Orders that reduce a naked position.
    Hedge = 1,
    /// Other new orders.
    #[default]
    New = 2,
    /// Everything that only asks.
    Query = 3,
}

impl Priority {
    /// How much of the reserve of a rate limit is not for commands of this priority, in halves of it.
    #[inline]
    #[must_use]
    pub fn half_reserves(self) -> u32 {
        match self {
            Self::Cancel => 0,
            Self::Hedge => 2,
            Self::New => 3,
            Self::Query => 4,
        }
    }
}

impl CommandKind {
    /// How many kinds there are.
    pub const COUNT: usize = 13;

    /// Index of a new order.
    pub const NEW: usize = 0;

    /// Index into tables.
    #[inline]
    #[must_use]
    pub fn index(&self) -> usize {
        match self {
            Self::New(_) => Self::NEW,
            Self::Cancel(_) => 1,
            Self::Replace(_) => 2,
            Self::CancelAll(_) => 3,
            Self::Query(_) => 4,
            Self::OpenOrders(_) => 5,
            Self::FillsSince { .. } => 6,
            Self::Balances => 7,
            Self::FeeRate(_) => 8,
            Self::Subscribe(_) => 9,
            Self::Unsubscribe(_) => 10,
            Self::Resync(_) => 11,
            Self::FundingSince(_) => 12,
        }
    }

    /// What the command may use of the venue's limits unless its sender says otherwise.
    #[must_use]
    pub fn priority(&self) -> Priority {
        match self {
            Self::Cancel(_) | Self::CancelAll(_) => Priority::Cancel,
            Self::New(_) | Self::Replace(_) => Priority::New,
            _ => Priority::Query,
        }
    }
}

/// A command with the stamps of the tick that caused it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// What to do.
    pub kind: CommandKind,
    /// What it may use of the venue's limits.
    pub priority: Priority,
    /// Signal it belongs to; 0 if none.
    pub signal: SignalId,
    /// When the last byte of the causing frame was read; 0 if no frame caused it.
    pub tick_ns: Nanos,
    /// When the oms handed it over.
    pub issued_ns: Nanos,
    /// From when on it must not leave any more, because what it was checked against has aged:
    /// orders and changes of orders. The end of time for everything else.
    pub leave_by_ns: Nanos,
    /// What is known of the way behind it; for measuring only, never on record.
    #[serde(skip)]
    pub stamps: Stamps,
}

impl Command {
    /// A command that no tick caused and that may leave whenever it can.
    #[must_use]
    pub fn new(kind: CommandKind, now: Nanos) -> Self {
        let (signal, tick_ns) = (SignalId(0), Nanos(0));
        let (leave_by_ns, stamps) = (Self::WHENEVER, Stamps::NONE);
        let priority = kind.priority();
        Self { kind, priority, signal, tick_ns, issued_ns: now, leave_by_ns, stamps }
    }

    /// The end of time, for [`Command::leave_by_ns`].
    pub const WHENEVER: Nanos = Nanos(u64::MAX);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_ids_survive_the_wire() {
        let start = Nanos(1_795_000_000_000_000_000);
        let id = ClientOrderId::mint(start, StrategyId(5), 77).unwrap();
        let text = id.to_string();
        assert_eq!(text.len(), ClientOrderId::ENCODED_LEN);
        assert_eq!(ClientOrderId::decode(&text), id);
        assert_eq!(id.strategy(), StrategyId(5));
        assert_ne!(id, ClientOrderId::mint(start.plus(1_000_000_000), StrategyId(5), 77).unwrap());
    }

    #[test]
    fn foreign_client_ids_are_nobody() {
        for text in ["", "st", "web_4d96324ff9d444", "st00000000000000zz", "ST0000000000000001"] {
            assert_eq!(ClientOrderId::decode(text), ClientOrderId::NONE, "{text}");
        }
    }

    #[test]
    fn ids_run_out_loudly() {
        assert!(ClientOrderId::mint(Nanos(0), StrategyId(0), 1 << 26).is_none());
        assert!(ClientOrderId::mint(Nanos(0), StrategyId(64), 0).is_none());
    }
}
