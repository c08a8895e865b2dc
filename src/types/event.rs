//! What a venue connector hands to its agent: events, in a buffer the agent owns.

use super::{
    AssetBalance, ClientOrderId, DepthUpdate, ExecutionReport, FeeRate, FundingPayment,
    InstrumentId, InstrumentStatus, Level, MarginReport, Nanos, PerpetualUpdate, PositionReport,
    SignalId, TopOfBook, Trade,
};
use serde::{Deserialize, Serialize};

/// A connection of a venue, by its use. Which of them exist is the venue's affair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(u8)]
pub enum Channel {
    /// Public market data, WebSocket.
    Public = 0,
    /// Order entry, WebSocket.
    Trade = 1,
    /// Private stream, WebSocket.
    Private = 2,
    /// Requests over HTTP.
    Rest = 3,
    /// Second connection for order entry beside [`Channel::Trade`], WebSocket.
    TradeSpare = 4,
    /// Second connection for public market data, for what the venue does not send on
    /// [`Channel::Public`], WebSocket.
    PublicMore = 5,
}

impl Channel {
    /// How many channels there are.
    pub const COUNT: usize = 6;
    /// All of them, by index.
    pub const ALL: [Self; Self::COUNT] =
        [Self::Public, Self::Trade, Self::Private, Self::Rest, Self::TradeSpare, Self::PublicMore];

    /// Whether all that are needed are ready: nothing is [`Channel::missing`].
    #[must_use]
    pub fn enough(needed: impl Fn(Self) -> bool, ready: impl Fn(Self) -> bool) -> bool {
        Self::missing(needed, ready).next().is_none()
    }

    /// Those that are needed and missed, by index. Of the two connections for order entry, where both
    /// are there, one is enough: where one is ready the other is not missed.
    pub fn missing(
        needed: impl Fn(Self) -> bool,
        ready: impl Fn(Self) -> bool,
    ) -> impl Iterator<Item = Self> {
        let entry = [Self::Trade, Self::TradeSpare];
        let has_entry = entry.into_iter().any(|channel| needed(channel) && ready(channel));
        Self::ALL.into_iter().filter(move |channel| {
            let is_there = if entry.contains(channel) { has_entry } else { ready(*channel) };
            needed(*channel) && !is_there
        })
    }

    /// In words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Public => "market data",
            Self::Trade => "order entry",
            Self::Private => "private stream",
            Self::Rest => "REST",
            Self::TradeSpare => "spare order entry",
            Self::PublicMore => "more market data",
        }
    }

    /// Index into tables.
    #[must_use]
    pub fn index(self) -> usize {
        self as usize
    }
}

/// One connection for order entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OrderLine {
    /// Time from an order to its reply, smoothed, in nanoseconds; 0 before the first reply.
    pub reply_ns: u64,
    /// Orders that wait for their reply.
    pub unanswered: u32,
}

/// The connections for order entry of one venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderLines {
    /// Which one takes orders now.
    pub current: Channel,
    /// [`Channel::Trade`] and [`Channel::TradeSpare`].
    pub lines: [OrderLine; 2],
}

impl Default for OrderLines {
    fn default() -> Self {
        Self { current: Channel::Trade, lines: [OrderLine::default(); 2] }
    }
}

/// How far a connector has come with one of its channels.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[repr(u8)]
pub enum Readiness {
    /// Not connected.
    #[default]
    Down = 0,
    /// Connected; login or subscription under way.
    Joining = 1,
    /// Ready for use.
    Ready = 2,
}

impl Readiness {
    /// From a byte of shared memory or a journal.
    #[must_use]
    pub fn from_u8(byte: u8) -> Option<Self> {
        const ALL: [Readiness; 3] = [Readiness::Down, Readiness::Joining, Readiness::Ready];
        ALL.get(usize::from(byte)).copied()
    }
}

/// Use of one of the venue's rate limits, as the venue stated it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateLimitUse {
    /// Which limit: index into the venue's own table of limits.
    pub limit: u8,
    /// Used in the running window.
    pub used: u32,
    /// Allowed per window; 0 if the venue did not say.
    pub allowed: u32,
    /// End of the window or of a suspension, our clock; 0 if unknown.
    pub resets_ns: Nanos,
}

/// How an account is set up that the engine does not trade with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum AccountFlaw {
    /// Long and short positions are kept apart (hedge mode): orders would have to say which.
    HedgeMode = 0,
    /// An account mode that cannot trade what is configured.
    AccountMode = 1,
    /// Another leverage or margin mode than is configured: it cannot be changed, or somebody else
    /// changed it while we traded.
    MarginSettings = 2,
}

impl AccountFlaw {
    /// What a person can do.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Self::HedgeMode => {
                "the account is in hedge mode (long and short positions apart), which is not \
                 supported: close all positions and choose one-way (net) mode at the venue"
            }
            Self::AccountMode => {
                "the account's mode cannot trade what is configured: choose another at the venue"
            }
            Self::MarginSettings => {
                "leverage or margin mode are not as configured: close positions and orders that keep \
                 the venue from changing them, or change them there or in the configuration"
            }
        }
    }
}

/// A statement of the venue about itself or the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum VenueNotice {
    /// A channel changed its readiness.
    Readiness(Channel, Readiness),
    /// The venue announced that it will close the channel: replace it.
    ShutdownAnnounced(Channel),
    /// The venue's clock minus ours, and the round trip that measured it, in nanoseconds.
    ClockOffset {
        /// Venue's clock minus ours.
        offset_ns: i64,
        /// Round trip of the probe: the offset is good to half of it.
        round_trip_ns: u64,
    },
    /// Use of a rate limit.
    RateLimit(RateLimitUse),
    /// The venue refuses requests until this time (our clock).
    Suspended(Nanos),
    /// An instrument changed its status.
    InstrumentStatus(InstrumentId, InstrumentStatus),
    /// All open orders of the instrument have been reported.
    OpenOrdersEnd(InstrumentId),
    /// All fills asked for have been reported.
    FillsEnd(InstrumentId),
    /// All balances have been reported, and where there are perpetuals all positions and margins.
    BalancesEnd,
    /// A cancel-all was carried out.
    CancelAllDone(InstrumentId),
    /// A cancel-all failed with the venue's code: orders may still work.
    CancelAllFailed(InstrumentId, i32),
    /// A login or key was refused with the venue's code; not retried until the configuration
    /// changes.
    LoginRefused(Channel, i32),
    /// A request that was not an order failed with the venue's code (HTTP status if negative).
    RequestFailed(i32),
    /// A subscription was refused or stayed silent past its deadline.
    SubscriptionFailed(InstrumentId),
    /// The venue cancels our orders by itself after so many seconds without us.
    DeadManArmed(u32),
    /// The venue refused to, with its code.
    DeadManFailed(i32),
    /// All funding that was asked for has been reported.
    FundingEnd,
    /// The account is set up in a way that the engine does not trade with.
    AccountUnfit(AccountFlaw),
    /// The venue warns that a position in this instrument is close to its liquidation.
    MarginCall(InstrumentId),
    /// So many conditional orders of this instrument wait at the venue, none of them placed here.
    StopOrders(InstrumentId, u32),
}

/// An order's bytes were handed to the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SentOrder {
    /// Which order.
    pub client_id: ClientOrderId,
    /// Signal it belongs to.
    pub signal: SignalId,
    /// What it trades.
    pub instrument: InstrumentId,
    /// When.
    pub handed_ns: Nanos,
}

/// One thing a connector decoded, or an executor did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event {
    /// Depth snapshot or delta; levels stand in [`Events::levels`].
    Depth(DepthUpdate),
    /// Top of book.
    Top(TopOfBook),
    /// Public print.
    Trade(Trade),
    /// Mark price, index or funding of a perpetual.
    Perpetual(PerpetualUpdate),
    /// Statement about one of our orders.
    Report(ExecutionReport),
    /// Balance of one asset. Of what perpetuals settle in it is the wallet balance: profit counts in
    /// it once it is realised.
    Balance(AssetBalance),
    /// Position in one perpetual; also told when it has been closed.
    Position(PositionReport),
    /// Funding of one position was paid or received.
    FundingPaid(FundingPayment),
    /// What the account has to trade perpetuals with.
    Margin(MarginReport),
    /// The account's fee rates.
    Fee(FeeRate),
    /// Statement about venue or session.
    Notice(VenueNotice),
    /// An order left; made by the executor, never by a connector.
    Sent(SentOrder),
}

/// The buffer is full: the frame holds more than a bounded engine accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventsFull;

/// Bounded buffer of events. Filled by a connector, drained by its agent after every frame; never
/// grows past the capacity it was made with.
#[derive(Debug, PartialEq)]
pub struct Events {
    list: Vec<Event>,
    levels: Vec<Level>,
}

/// How full an [`Events`] was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventsMark {
    list: usize,
    levels: usize,
}

impl Events {
    /// Room for so many events and price levels.
    #[must_use]
    pub fn with_capacity(events: usize, levels: usize) -> Self {
        Self { list: Vec::with_capacity(events), levels: Vec::with_capacity(levels) }
    }

    /// Adds an event.
    #[inline]
    pub fn push(&mut self, event: Event) -> Result<(), EventsFull> {
        if self.list.len() == self.list.capacity() {
            return Err(EventsFull);
        }
        self.list.push(event);
        Ok(())
    }

    /// Adds a level; the [`DepthUpdate`] that owns it follows.
    #[inline]
    pub fn push_level(&mut self, level: Level) -> Result<(), EventsFull> {
        if self.levels.len() == self.levels.capacity() {
            return Err(EventsFull);
        }
        self.levels.push(level);
        Ok(())
    }

    /// How many levels were added since the last [`Events::clear`].
    #[must_use]
    pub fn levels_len(&self) -> u32 {
        self.levels.len() as u32
    }

    /// Forgets levels past `len`, after a frame that failed half way.
    pub fn truncate_levels(&mut self, len: u32) {
        self.levels.truncate(len as usize);
    }

    /// The levels from `start` on came with `asks` asks before the bids: puts the bids first.
    pub fn bids_first(&mut self, start: u32, asks: u32) {
        if let Some(levels) = self.levels.get_mut(start as usize..) {
            levels.rotate_left((asks as usize).min(levels.len()));
        }
    }

    /// How full it is, for [`Events::rewind`].
    #[must_use]
    pub fn mark(&self) -> EventsMark {
        EventsMark { list: self.list.len(), levels: self.levels.len() }
    }

    /// Forgets all that was added since the mark.
    pub fn rewind(&mut self, mark: EventsMark) {
        self.list.truncate(mark.list);
        self.levels.truncate(mark.levels);
    }

    /// The events, in order.
    #[must_use]
    pub fn list(&self) -> &[Event] {
        &self.list
    }

    /// Bids and asks of a depth update.
    #[must_use]
    pub fn levels(&self, update: &DepthUpdate) -> (&[Level], &[Level]) {
        let start = update.levels_start as usize;
        let middle = start + update.bids as usize;
        let end = middle + update.asks as usize;
        match (self.levels.get(start..middle), self.levels.get(middle..end)) {
            (Some(bids), Some(asks)) => (bids, asks),
            _ => (&[], &[]),
        }
    }

    /// Forgets everything, keeping the memory.
    pub fn clear(&mut self) {
        self.list.clear();
        self.levels.clear();
    }
}
