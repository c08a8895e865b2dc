//! The stream of a futures account's events: a socket of its own, opened with a key that REST gives
//! out for an hour and that is kept alive from then on.
//!
//! The way to ready is: see that the account can be traded with, read leverage and margin mode of its
//! symbols and make them what is configured (`margin.rs`), get a key, open the socket, and have the key confirmed. The last is needed because a
//! socket with a key that is no good opens like any other and then stays silent. A key that has
//! expired is replaced, and the socket with it. An account that cannot be traded with is looked at
//! again now and then; until it can be, the stream is never ready.
//! <https://developers.binance.com/docs/derivatives/usds-margined-futures/user-data-streams>

#![forbid(unsafe_code)]

use super::contracts;
use super::envelope::Reply;
use super::errors::{self, NO_LISTEN_KEY};
use super::pending::{Asked, Entry};
use super::private_stream::{self, HEDGED, Told};
use super::rest;
use super::subscriptions::notice;
use super::trading::{BAD_TIMESTAMP, Core};
use crate::types::{AccountFlaw, Channel, Events, Nanos, Readiness, VenueNotice};
use crate::venues::{DecodeError, Method, Outbox, Value};

const SECOND_NS: u64 = 1_000_000_000;
/// A key lives an hour.
const KEEP_ALIVE_NS: u64 = 1_800 * SECOND_NS;
/// First wait after a step that failed; doubles up to half a minute.
const RETRY_NS: u64 = SECOND_NS;
const RETRY_DOUBLINGS_MAX: u32 = 5;
/// Time until an account that cannot be traded with is looked at again.
const LOOK_AGAIN_NS: u64 = 60 * SECOND_NS;
/// Time for the socket to open; then the key is asked for anew.
const OPEN_NS: u64 = 30 * SECOND_NS;

/// Events that are wanted: all but fills in short.
const EVENTS: &str = "ORDER_TRADE_UPDATE/ACCOUNT_UPDATE/ACCOUNT_CONFIG_UPDATE/MARGIN_CALL/\
                      ALGO_UPDATE/listenKeyExpired";

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// See whether the account can be traded with.
    Account,
    /// Read the settings of its symbols.
    Settings,
    /// Make them what is configured.
    Margin,
    /// Get a key.
    Key,
    /// Open the socket.
    Open,
    /// Have the key confirmed.
    Confirm,
    /// Keep it alive.
    Ready,
    /// The venue refuses our own key. Final.
    Refused,
}

/// How far it has come.
pub(super) struct UserStream {
    /// Where its socket is, without key; empty where events come with the replies.
    url: String,
    step: Step,
    /// The step is under way.
    asked: bool,
    open: bool,
    key: String,
    /// Not before.
    due: Nanos,
    retries: u32,
}

impl UserStream {
    pub(super) fn new(url: String) -> Self {
        Self {
            url,
            step: Step::Account,
            asked: false,
            open: false,
            key: String::new(),
            due: Nanos(0),
            retries: 0,
        }
    }

    /// Whether the account's events arrive.
    pub(super) fn is_ready(&self) -> bool {
        self.open && self.step == Step::Ready
    }

    /// When something is to be done.
    pub(super) fn deadline(&self) -> Option<Nanos> {
        let waits = !self.asked || self.step == Step::Open;
        (!self.url.is_empty() && self.step != Step::Refused && waits).then_some(self.due)
    }

    /// A step has no reply.
    pub(super) fn on_lost(&mut self, now: Nanos) {
        if self.step != Step::Open {
            self.retry_later(now);
        }
    }

    pub(super) fn go(&mut self, step: Step) {
        (self.step, self.asked, self.due) = (step, false, Nanos(0));
    }

    /// The settings are as they are to be.
    pub(super) fn after_settings(&mut self) {
        self.go(if self.open { Step::Confirm } else { Step::Key });
    }

    /// The account cannot be traded with as it is.
    pub(super) fn look_again(&mut self, now: Nanos) {
        self.go(Step::Account);
        self.due = now.plus(LOOK_AGAIN_NS);
    }

    fn retry_later(&mut self, now: Nanos) {
        let wait = RETRY_NS << self.retries.min(RETRY_DOUBLINGS_MAX);
        self.retries = self.retries.saturating_add(1);
        (self.asked, self.due) = (false, now.plus(wait));
    }
}

/// The step that a reply completes.
fn step_of(asked: &Asked) -> Option<Step> {
    match asked {
        Asked::AccountConfig => Some(Step::Account),
        Asked::SymbolConfig => Some(Step::Settings),
        Asked::MarginType(..) | Asked::Leverage(..) => Some(Step::Margin),
        Asked::ListenKey => Some(Step::Key),
        Asked::KeepAlive => Some(Step::Confirm),
        _ => None,
    }
}

impl Core {
    pub(super) fn on_stream_open(&mut self, events: &mut Events) {
        self.stream.open = true;
        if matches!(self.stream.step, Step::Open | Step::Confirm | Step::Ready) {
            self.stream.go(if self.margin.doubted { Step::Settings } else { Step::Confirm });
        }
        notice(events, VenueNotice::Readiness(Channel::Private, Readiness::Joining));
    }

    /// The socket is opened again by itself, with the key it had.
    pub(super) fn on_stream_close(&mut self, now: Nanos, events: &mut Events) {
        self.stream.open = false;
        self.margin.on_close();
        if matches!(self.stream.step, Step::Open | Step::Confirm | Step::Ready) {
            let stream = &mut self.stream;
            (stream.step, stream.asked, stream.due) = (Step::Open, true, now.plus(OPEN_NS));
        }
        notice(events, VenueNotice::Readiness(Channel::Private, Readiness::Down));
    }

    /// An event of the account, read by the complete decoder.
    pub(super) fn on_stream_event(
        &mut self,
        root: Value<'_>,
        now: Nanos,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        let told = private_stream::decode_usdm(root, &mut self.account, now, events);
        match told {
            Ok(Told::Terminated) => {
                let key = private_stream::inside(root).get("listenKey").and_then(Value::str);
                // An older key may expire when it likes.
                if key.is_none_or(|key| key == self.stream.key) {
                    self.leave_ready(Step::Key, events);
                }
            }
            Ok(Told::Funding(at)) => self.payments.on_told(at, now),
            Ok(Told::Changed) | Err(HEDGED) => self.doubt_account(events),
            _ => {}
        }
        told.map(drop)
    }

    /// The same of an order, read by the scanner.
    pub(super) fn on_order_update(
        &mut self,
        fields: &private_stream::Fields<'_>,
        now: Nanos,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        let told = private_stream::execution(fields, &mut self.account, now, events);
        if told == Err(HEDGED) {
            self.doubt_account(events);
        }
        told
    }

    /// The account may be set up in another way than it was; if it is looked at already, that is
    /// enough.
    fn doubt_account(&mut self, events: &mut Events) {
        if self.stream.step != Step::Account {
            self.leave_ready(Step::Account, events);
        }
    }

    fn leave_ready(&mut self, step: Step, events: &mut Events) {
        let was_ready = self.stream.is_ready();
        if self.stream.step != Step::Refused {
            self.stream.go(step);
        }
        if was_ready {
            notice(events, VenueNotice::Readiness(Channel::Private, Readiness::Joining));
        }
    }

    /// Takes the next step, if it can be taken now.
    pub(super) fn advance_stream(&mut self, now: Nanos, out: &mut Outbox) {
        if self.stream.deadline().is_none_or(|due| now < due) || !self.can_ask(now) {
            return;
        }
        let taken = match self.stream.step {
            Step::Account => self.ask(Asked::AccountConfig, now, out),
            Step::Settings => self.ask(Asked::SymbolConfig, now, out),
            Step::Margin => self.ask_margin(now, out),
            Step::Key => self.ask_key(Asked::ListenKey, Method::Post, now, out),
            // The socket did not open in time.
            Step::Open if self.stream.asked => return self.stream.go(Step::Key),
            Step::Open => self.open_stream(now, out),
            Step::Confirm | Step::Ready => self.ask_key(Asked::KeepAlive, Method::Put, now, out),
            Step::Refused => return,
        };
        match taken {
            true => self.stream.asked = true,
            false => self.stream.retry_later(now),
        }
    }

    fn ask_key(&mut self, asked: Asked, method: Method, now: Nanos, out: &mut Outbox) -> bool {
        let Some(id) = self.pending.next_id(&asked) else { return false };
        let sent = rest::listen_key(id, method, &self.header, out).is_ok();
        if sent {
            self.pending.insert(asked, Channel::Rest, now);
        }
        sent
    }

    fn open_stream(&mut self, now: Nanos, out: &mut Outbox) -> bool {
        let UserStream { url, key, due, .. } = &mut self.stream;
        *due = now.plus(OPEN_NS);
        let parts = [&url[..], "?listenKey=", &key[..], "&events=", EVENTS];
        let write = |bytes: &mut Vec<u8>| {
            parts.iter().for_each(|part| bytes.extend_from_slice(part.as_bytes()));
        };
        out.connect(Channel::Private, write).is_ok()
    }

    /// The reply to one of the steps.
    pub(super) fn on_stream_reply(
        &mut self,
        entry: &Entry,
        reply: &Reply<'_>,
        now: Nanos,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        let step = step_of(&entry.asked);
        let kept = self.stream.step == Step::Ready && step == Some(Step::Confirm);
        if !self.stream.asked || (step != Some(self.stream.step) && !kept) {
            return Ok(());
        }
        let done = match (step, reply.success()) {
            (Some(Step::Margin), _) => self.on_margin(entry, reply, now, events),
            (_, None) => {
                self.on_stream_refused(reply, now, events);
                return Ok(());
            }
            (Some(Step::Account), Some(result)) => self.on_account(result, now, events),
            (Some(Step::Settings), Some(result)) => self.on_settings(result, now, events),
            (Some(Step::Key), Some(result)) => self.on_key(result),
            (_, Some(result)) => self.on_confirmed(result, now, events),
        };
        if done.is_err() {
            self.stream.retry_later(now);
        }
        done
    }

    fn on_account(
        &mut self,
        result: Value<'_>,
        now: Nanos,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        let flaw: Option<AccountFlaw> = contracts::flaw(result)?;
        self.stream.go(Step::Settings);
        if let Some(flaw) = flaw {
            self.stream.look_again(now);
            notice(events, VenueNotice::AccountUnfit(flaw));
        }
        Ok(())
    }

    /// `{"listenKey":"pqia91ma19a5s61cv6a81va65sdf19v8a65a1"}`
    fn on_key(&mut self, result: Value<'_>) -> Result<(), DecodeError> {
        let key = result.field_str("listenKey")?;
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(DecodeError::Invalid("listenKey"));
        }
        self.stream.key.clear();
        self.stream.key.push_str(key);
        self.stream.go(Step::Open);
        Ok(())
    }

    /// `{}`, or the key that lives on: if that is another, ours is no good.
    fn on_confirmed(
        &mut self,
        result: Value<'_>,
        now: Nanos,
        events: &mut Events,
    ) -> Result<(), DecodeError> {
        let other = result.get("listenKey").and_then(Value::str);
        if other.is_some_and(|key| key != self.stream.key) {
            self.leave_ready(Step::Key, events);
            return Ok(());
        }
        let was_ready = self.stream.is_ready();
        self.stream.go(Step::Ready);
        (self.stream.due, self.stream.retries) = (now.plus(KEEP_ALIVE_NS), 0);
        if !was_ready {
            notice(events, VenueNotice::Readiness(Channel::Private, Readiness::Ready));
            self.dead_man.start(now);
        }
        Ok(())
    }

    pub(super) fn on_stream_refused(&mut self, reply: &Reply<'_>, now: Nanos, events: &mut Events) {
        if errors::is_login_refusal(reply.code) {
            self.leave_ready(Step::Refused, events);
            notice(events, VenueNotice::LoginRefused(Channel::Private, reply.code));
            notice(events, VenueNotice::Readiness(Channel::Private, Readiness::Down));
            return;
        }
        if reply.code == BAD_TIMESTAMP {
            self.clock.restart(now, true);
        }
        self.stream.retry_later(now);
        if reply.code == NO_LISTEN_KEY {
            // It is replaced at once, but not for ever.
            let due = self.stream.due;
            self.leave_ready(Step::Key, events);
            self.stream.due = if self.stream.retries > 1 { due } else { now };
            return;
        }
        notice(events, VenueNotice::RequestFailed(reply.own_code()));
    }
}
