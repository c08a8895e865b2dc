//! What a venue adds to the trading connector: how it writes, and what its messages mean. Everything
//! here is a matter of names, paths and codes; when what is sent, and what follows from an answer or
//! from its absence, is decided beside this file.

#![forbid(unsafe_code)]

use super::super::flight::{Ask, Flights};
use super::super::sink::Sink;
use super::super::verdict::Verdict;
use super::super::{DecodeError, EncodeError, Outbox, OutboxFull, Value};
use super::action::Action;
use super::fills::FillJob;
use super::names::Names;
use super::rows::OrderRow;
use super::templates::Values;
use crate::types::{
    AccountFlaw, Channel, ExecutionReport, FeeRate, FundingPayment, Instrument, InstrumentId,
    Nanos, VenueOrderId,
};

/// A number of ours and the venue's time in milliseconds, which every request carries.
#[derive(Clone, Copy, Debug)]
pub(in crate::venues) struct Mark {
    pub(in crate::venues) id: u64,
    pub(in crate::venues) venue_ms: u64,
}

/// State of the rate limit that a reply belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::venues) struct LimitState {
    /// Allowed per window, and left of it.
    pub(in crate::venues) counts: Option<(u32, u32)>,
    /// End of the window by the venue's clock.
    pub(in crate::venues) reset_ms: Option<u64>,
    /// The venue's clock when it wrote that.
    pub(in crate::venues) now_ms: Option<u64>,
    /// A pause that a gateway asks for, seconds.
    pub(in crate::venues) retry_s: Option<u64>,
}

/// What a reply says, whichever way it came.
#[derive(Clone, Copy, Debug)]
pub(in crate::venues) struct Reply {
    pub(in crate::venues) code: i32,
    /// HTTP status other than 200; the code is then its negative.
    pub(in crate::venues) http: Option<u16>,
    pub(in crate::venues) venue_order_id: VenueOrderId,
    pub(in crate::venues) limit: LimitState,
}

/// A frame of a private or order socket.
#[derive(Clone, Copy, Debug)]
pub(in crate::venues) enum Message<'a> {
    /// Nothing that anybody waits for.
    Nothing,
    /// Answer to a login, with its code; 0 if it was taken.
    Login(i32),
    /// Answer to a subscription, with its code.
    Subscribed(i32),
    /// Answer to the subscription of the dead-man switch, with its code.
    DeadMan(i32),
    /// Answer to a request. Without a number it concerns the connection.
    Reply { id: Option<u64>, reply: Reply },
    /// Data of this topic.
    Data(&'a str),
    /// The venue will close the connection soon.
    Closing,
    /// Something of what the socket subscribes to will not come: no private socket is ready without
    /// it, and no order socket needs it.
    Missing,
}

/// What a code demands besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::venues) enum Effect {
    /// Nothing.
    Nothing,
    /// Measure the venue's clock anew.
    ProbeClock,
    /// Send nothing until the time that the reply states, or for [`Habits::hold_ns`].
    Suspend,
    /// The same for requests of the whole address, or for [`Habits::blocked_ns`].
    Block,
    /// The connection is about to be closed.
    Drain,
    /// The key is refused: a person must act.
    Alert,
    /// Our picture of account or instruments is old: ask for it again.
    Relearn,
}

/// What an answer to one of the lessons is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::venues) enum Lesson {
    /// Learnt.
    Learnt,
    /// The account cannot be traded with.
    Unfit(AccountFlaw),
    /// This makes it what it should be.
    Change(Ask),
}

/// What a reader of private data writes to.
pub(in crate::venues) struct Desk<'a> {
    pub(in crate::venues) flights: &'a mut Flights,
    pub(in crate::venues) sink: Sink<'a>,
    pub(in crate::venues) now: Nanos,
}

/// The venue's dead-man switch.
#[derive(Clone, Copy, Debug)]
pub(in crate::venues) struct DeadManHabits {
    /// The switch belongs to private sockets that subscribed to it; otherwise it counts down by
    /// itself from each time it is set.
    pub(in crate::venues) by_socket: bool,
    /// How often a window of so many seconds is set anew.
    pub(in crate::venues) refresh_ns: fn(window_s: u32) -> u64,
    /// Pause after a refusal or a lost reply.
    pub(in crate::venues) retry_ns: u64,
}

/// Constants of a venue.
#[derive(Clone, Copy, Debug)]
pub(in crate::venues) struct Habits {
    /// How long to hold back when the venue states no time.
    pub(in crate::venues) hold_ns: u64,
    /// How long the whole address is to hold back when the venue states no time.
    pub(in crate::venues) blocked_ns: u64,
    /// Longest span of one list of fills, and how far back there are any.
    pub(in crate::venues) fills_window_ms: u64,
    pub(in crate::venues) fills_history_ms: u64,
    /// The venue lists no fills from before the time that a list begins at.
    pub(in crate::venues) fills_begin: bool,
    /// Longest span of one list of funding, which then has an end too; 0: there is none.
    pub(in crate::venues) funding_window_ms: u64,
    /// Pause between two questions before the first order.
    pub(in crate::venues) lesson_gap_ns: u64,
    /// Ended orders are asked for at another place than the recent ones.
    pub(in crate::venues) history_apart: bool,
    /// No request cancels all orders of an instrument: they are listed, and cancelled by the list.
    pub(in crate::venues) cancels_by_list: bool,
    /// Replies with an HTTP status other than 200 have a body with a code of its own.
    pub(in crate::venues) codes_with_status: bool,
    /// Code of a second login on one socket, which is none the worse for it; 0 if there is none.
    pub(in crate::venues) already_logged_in: i32,
    /// Code of a refused login that may mean a wrong key, or too many sockets of the account; 0 if there
    /// is none.
    pub(in crate::venues) crowded: i32,
    pub(in crate::venues) dead_man: DeadManHabits,
}

/// See the module.
pub(in crate::venues) trait TradingWire: Send {
    /// A private frame that a scanner has read to its end.
    type Scanned<'a>;

    const HABITS: Habits;

    // Sockets.

    /// Whether the frame is a pong that is not JSON.
    fn is_plain_pong(_frame: &[u8]) -> bool {
        false
    }

    fn write_login(&self, channel: Channel, venue_ms: u64, frame: &mut Vec<u8>);

    /// What a socket subscribes to once it is logged in, and how many answers that has.
    fn subscription(&self, channel: Channel) -> Option<(&[u8], u8)>;

    fn read<'a>(&self, channel: Channel, root: Value<'a>) -> Result<Message<'a>, DecodeError>;

    /// Data of the private socket by the complete decoder.
    fn on_data(&self, root: Value<'_>, topic: &str, desk: &mut Desk<'_>)
    -> Result<(), DecodeError>;

    /// `None` if the frame is not exactly of a shape that the scanner knows.
    fn scan(frame: &[u8]) -> Option<Self::Scanned<'_>>;

    fn on_scanned(&self, frame: &Self::Scanned<'_>, desk: &mut Desk<'_>)
    -> Result<(), DecodeError>;

    /// The frame without which the dead-man switch does not count a private socket.
    fn dead_man_subscription(&self) -> Option<&[u8]> {
        None
    }

    // Orders.

    fn names(&self) -> &Names;

    /// Refuses what the venue could not express; nothing is written before this passes.
    fn check(&self, action: Action<'_>, of: &Instrument) -> Result<(), EncodeError>;

    /// Appends the frame of an action that was checked.
    fn write_frame(&self, action: Action<'_>, of: &Instrument, mark: Mark, out: &mut Vec<u8>);

    /// The values of an action in the order in which [`TradingWire::write_frame`] writes them; `None`
    /// if no template serves it.
    fn values(&self, action: Action<'_>, of: &Instrument, mark: Mark) -> Option<Values>;

    /// Sends an action that was checked over REST.
    fn send_over_rest(
        &self,
        action: Action<'_>,
        of: &Instrument,
        mark: Mark,
        out: &mut Outbox,
    ) -> Result<(), OutboxFull>;

    // Everything else that is asked for.

    /// Sends a request that is not an order; `cursor` is that of a list's next page, `job` the list
    /// of fills that it belongs to.
    fn send_read(
        &self,
        ask: &Ask,
        cursor: &str,
        job: Option<&FillJob>,
        mark: Mark,
        out: &mut Outbox,
    ) -> Result<(), EncodeError>;

    /// Cancels orders of a list, as many as one request holds.
    fn cancel_listed(
        &self,
        _of: &Instrument,
        _rows: Value<'_>,
        _mark: Mark,
        _out: &mut Outbox,
    ) -> Result<(), EncodeError> {
        Err(EncodeError::Unsupported)
    }

    /// What must be known before orders can be sent, in the order in which it is asked for.
    fn lessons(&self) -> &[Ask] {
        &[]
    }

    /// Takes an answer to one of them.
    fn learn(&mut self, _ask: &Ask, _root: Value<'_>) -> Result<Lesson, DecodeError> {
        Ok(Lesson::Learnt)
    }

    /// What is asked for behind this, before the answer counts as complete.
    fn next(&self, _ask: &Ask) -> Option<Ask> {
        None
    }

    // Replies.

    /// The venue's time of a reply to the clock's probe, nanoseconds.
    fn server_ns(root: Value<'_>) -> Result<u64, DecodeError>;

    /// What header lines say of limits.
    fn limits<'a>(_header: impl Fn(&'static str) -> Option<&'a str>) -> LimitState {
        LimitState::default()
    }

    /// Code, order and limit of a reply over REST.
    fn reply(ask: &Ask, root: Value<'_>, limit: LimitState) -> Result<Reply, DecodeError>;

    fn verdict(code: i32) -> Verdict;
    fn effect(code: i32) -> Effect;

    /// Verdict over an order request that was answered with this HTTP status and no code.
    fn http_verdict(status: u16) -> Verdict;
    fn http_effect(status: u16) -> Effect;

    /// Which of the venue's limits a request counts under, for what replies say of it.
    fn limit_of(&self, _ask: &Ask) -> Option<u8> {
        None
    }

    /// What the limit of a request allows, of what a reply to it states.
    fn allowed(&self, _ask: &Ask, stated: u32) -> u32 {
        stated
    }

    /// Whether this code says that there is no such order.
    fn is_absent(_code: i32) -> bool {
        false
    }

    // Rows.

    /// Rows of a list and the cursor of the next page, empty on the last.
    fn rows<'a>(&self, ask: &Ask, root: Value<'a>) -> Result<(Value<'a>, &'a str), DecodeError>;

    /// One order of a list, which was asked for of this instrument.
    fn order_row(&self, of: InstrumentId, row: Value<'_>) -> Result<OrderRow, DecodeError>;

    /// The same of one fill; `None` of a row that is no trade of ours.
    fn fill_row(
        &self,
        of: InstrumentId,
        row: Value<'_>,
        now: Nanos,
    ) -> Result<Option<ExecutionReport>, DecodeError>;

    /// Whether the answer to a cancel of everything, without an error code, says that it was done.
    fn cancelled_all(&self, _root: Value<'_>) -> Result<(), DecodeError> {
        Ok(())
    }

    /// Balances, positions, margins: whatever [`Ask::Balances`] and what follows it bring.
    fn account(&self, ask: &Ask, root: Value<'_>, sink: &mut Sink<'_>) -> Result<(), DecodeError>;

    fn fee_rate(&self, root: Value<'_>, of: &Instrument) -> Result<FeeRate, DecodeError>;

    /// Funding that a row tells of, and profit that was settled with it; neither of a row that is
    /// none of ours.
    fn funding_row(&self, _row: Value<'_>) -> Result<[Option<FundingPayment>; 2], DecodeError> {
        Err(DecodeError::UnknownKind)
    }
}
