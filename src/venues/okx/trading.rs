//! The trading connector: what this venue adds to that of its kind.
//!
//! Spot and swaps share account, sockets and messages. Before the first order the account's mode is
//! asked for, which decides what pays for orders, and the venue's numbers of the instruments, without
//! which the order socket takes none.
//! <https://www.okx.com/docs-v5/en/#overview-websocket>

#![forbid(unsafe_code)]

use super::super::flight::Ask;
use super::super::sink::Sink;
use super::super::trading::{
    Action, Assets, DeadManHabits, Desk, Effect, FillJob, Habits, Lesson, LimitState, Mark,
    Message, Names, OrderRow, Reply, TradingConnector, TradingWire, Values, margin_lessons,
};
use super::super::verdict::Verdict;
use super::super::{DecodeError, EncodeError, Outbox, OutboxFull, SetupError, Value, VenueSetup};
use super::account::{self, Listing, Modes};
use super::auth::Signer;
use super::fields::OrderFields;
use super::orders::{self, Terms};
use super::{
    PRIVATE_PATH, SECOND_NS, codes, margin, private_stream, rest, scan, session, with_path,
};
use crate::types::{
    Channel, ExecutionReport, FeeRate, FundingPayment, Instrument, InstrumentId, InstrumentKind,
    MarginSettings, Nanos,
};

/// Orders of a kind that we never send, without a snapshot: a subscription that keeps an order socket
/// open, which the venue closes after 30 s without one.
const KEEP_OPEN: &[u8] =
    br#"{"id":"keep","op":"subscribe","args":[{"channel":"orders","instType":"MARGIN"}]}"#;

/// This venue's messages.
pub(super) struct Wire {
    names: Names,
    assets: Assets,
    signer: Signer,
    window_ms: u64,
    /// Kinds of our instruments.
    kinds: Vec<InstrumentKind>,
    /// What positions in swaps are to stand on.
    margin: MarginSettings,
    lessons: Vec<Ask>,
    modes: Option<Modes>,
    /// By instrument.
    listings: Vec<Listing>,
    /// What the private socket subscribes to, and how many channels that are.
    subscription: (Vec<u8>, u8),
}

impl Wire {
    pub(super) fn new(setup: &VenueSetup) -> Result<Self, SetupError> {
        let names = Names::new(setup.venue, &setup.instruments);
        let has = |kind: &InstrumentKind| {
            names.instruments.of_venue(names.venue).any(|instrument| instrument.kind == *kind)
        };
        let kinds: Vec<_> = super::KINDS.iter().copied().filter(has).collect();
        let rules = kinds.iter().map(|&kind| Ask::Rules(kind));
        let mut margins = margin_lessons(setup.margin, &names);
        if margins.is_empty() && kinds.contains(&InstrumentKind::LinearPerpetual) {
            // What is held on the other margin than our orders stand on would be taken for ours.
            margins.push(Ask::MarginMode);
        }
        let rules = rules.chain(margins);
        // Keys of demo trading are for other addresses.
        let demo = setup.endpoints.private.contains(super::DEMO_SOCKETS);
        Ok(Self {
            assets: Assets::new(&names),
            signer: Signer::new(setup.credentials.as_ref(), demo)?,
            window_ms: u64::from(setup.recv_window_ms),
            lessons: [Ask::Account].into_iter().chain(rules).collect(),
            margin: setup.margin,
            modes: None,
            listings: vec![Listing::default(); names.instruments.len()],
            subscription: subscription(&kinds),
            kinds,
            names,
        })
    }

    fn has_perpetuals(&self) -> bool {
        self.kinds.contains(&InstrumentKind::LinearPerpetual)
    }

    /// What orders of an instrument say of it; `None` until it was learnt.
    fn terms<'a>(&self, instrument: &'a Instrument) -> Option<Terms<'a>> {
        let code = self.listings.get(instrument.id.index())?.code?;
        let mode = self.modes?.of(instrument);
        Some(Terms { instrument, code, mode, window_ms: self.window_ms })
    }
}

/// Orders of the kinds that we trade, balances, and positions where there can be any; changes alone,
/// not the same again on a timer.
fn subscription(kinds: &[InstrumentKind]) -> (Vec<u8>, u8) {
    const CHANGES: &str = r#""extraParams":"{\"updateInterval\": \"0\"}""#;
    let orders = kinds.iter().map(|&kind| {
        let kind = super::instruments::inst_type(kind);
        format!(r#"{{"channel":"orders","instType":"{kind}"}}"#)
    });
    let mut args: Vec<String> = orders.collect();
    args.push(format!(r#"{{"channel":"account",{CHANGES}}}"#));
    if kinds.contains(&InstrumentKind::LinearPerpetual) {
        args.push(format!(r#"{{"channel":"positions","instType":"SWAP",{CHANGES}}}"#));
    }
    let frame = format!(r#"{{"id":"private","op":"subscribe","args":[{}]}}"#, args.join(","));
    (frame.into_bytes(), args.len() as u8)
}

/// The trading connector, for spot and swaps at once.
pub(super) fn connector(setup: &VenueSetup) -> Result<TradingConnector<Wire>, SetupError> {
    let ends = &setup.endpoints;
    let urls = [
        with_path(&ends.trade, PRIVATE_PATH),
        with_path(&ends.private, PRIVATE_PATH),
        ends.rest.clone(),
    ];
    let wire = Wire::new(setup)?;
    Ok(TradingConnector::new(setup, wire, urls, session::clock(), session::heartbeat))
}

impl TradingWire for Wire {
    type Scanned<'a> = scan::Orders<'a>;

    const HABITS: Habits = Habits {
        // No reply says how long: a whole window of a limit.
        hold_ns: 2 * SECOND_NS,
        blocked_ns: 2 * SECOND_NS,
        fills_window_ms: rest::FILLS_HISTORY_MS,
        fills_history_ms: rest::FILLS_HISTORY_MS,
        fills_begin: false,
        history_apart: false,
        cancels_by_list: true,
        lesson_gap_ns: 0,
        funding_window_ms: 0,
        codes_with_status: true,
        already_logged_in: 0,
        crowded: 0,
        dead_man: DeadManHabits {
            by_socket: false,
            // Three may be lost before it goes off.
            refresh_ns: |window_s| SECOND_NS * (window_s as u64) / 4,
            retry_ns: 2 * SECOND_NS,
        },
    };

    fn is_plain_pong(frame: &[u8]) -> bool {
        session::is_pong(frame)
    }

    fn write_login(&self, _: Channel, venue_ms: u64, frame: &mut Vec<u8>) {
        self.signer.write_login(venue_ms, frame);
    }

    fn subscription(&self, channel: Channel) -> Option<(&[u8], u8)> {
        match channel {
            Channel::Private => Some((&self.subscription.0, self.subscription.1)),
            _ => Some((KEEP_OPEN, 1)),
        }
    }

    fn read<'a>(&self, _: Channel, root: Value<'a>) -> Result<Message<'a>, DecodeError> {
        orders::decode_frame(root)
    }

    fn on_data(
        &self,
        root: Value<'_>,
        channel: &str,
        desk: &mut Desk<'_>,
    ) -> Result<(), DecodeError> {
        let ours = (&self.names, &self.assets, margin::mode(self.margin));
        private_stream::decode(root, channel, ours, desk)
    }

    fn scan(frame: &[u8]) -> Option<scan::Orders<'_>> {
        scan::orders(frame)
    }

    fn on_scanned(&self, frame: &scan::Orders<'_>, desk: &mut Desk<'_>) -> Result<(), DecodeError> {
        private_stream::on_scanned(frame, &self.names, desk)
    }

    fn names(&self) -> &Names {
        &self.names
    }

    fn check(&self, action: Action<'_>, of: &Instrument) -> Result<(), EncodeError> {
        orders::check(action, of)?;
        self.terms(of).map(drop).ok_or(EncodeError::NotReady)
    }

    fn write_frame(&self, action: Action<'_>, of: &Instrument, mark: Mark, out: &mut Vec<u8>) {
        // Checked before: without terms there is nothing that could be sent.
        if let Some(terms) = self.terms(of) {
            orders::write_frame(action, &terms, mark, out);
        }
    }

    fn values(&self, action: Action<'_>, of: &Instrument, mark: Mark) -> Option<Values> {
        orders::values(action, &self.terms(of)?, mark)
    }

    fn send_over_rest(
        &self,
        action: Action<'_>,
        of: &Instrument,
        mark: Mark,
        out: &mut Outbox,
    ) -> Result<(), OutboxFull> {
        let Some(terms) = self.terms(of) else { return Ok(()) };
        let expires_ms = orders::expires_ms(action, &terms, mark);
        rest::post(out, mark, &self.signer, (orders::path(action), expires_ms), |body| {
            orders::write_body(action, &terms, mark, body);
        })
    }

    fn send_read(
        &self,
        ask: &Ask,
        cursor: &str,
        job: Option<&FillJob>,
        mark: Mark,
        out: &mut Outbox,
    ) -> Result<(), EncodeError> {
        let place = (&self.names, &self.signer);
        if ask.is_margin() || ask.sets_margin() {
            return margin::send(ask, self.margin, place, mark, out);
        }
        rest::send(ask, (cursor, job), place, mark, out)
    }

    fn cancel_listed(
        &self,
        of: &Instrument,
        rows: Value<'_>,
        mark: Mark,
        out: &mut Outbox,
    ) -> Result<(), EncodeError> {
        rest::cancel_listed(of, rows, &self.signer, mark, out)
    }

    fn lessons(&self) -> &[Ask] {
        &self.lessons
    }

    fn learn(&mut self, ask: &Ask, root: Value<'_>) -> Result<Lesson, DecodeError> {
        match *ask {
            Ask::Rules(kind) => {
                account::listings(root, kind, &self.names, &mut self.listings)?;
                return Ok(Lesson::Learnt);
            }
            _ if ask.is_margin() => return margin::learn(ask, root, self.margin, &self.names),
            _ => {}
        }
        match account::modes(root, self.has_perpetuals(), margin::mode(self.margin))? {
            Ok(modes) => {
                self.modes = Some(modes);
                Ok(Lesson::Learnt)
            }
            Err(flaw) => Ok(Lesson::Unfit(flaw)),
        }
    }

    fn next(&self, ask: &Ask) -> Option<Ask> {
        (*ask == Ask::Balances && self.has_perpetuals()).then_some(Ask::POSITIONS)
    }

    fn server_ns(root: Value<'_>) -> Result<u64, DecodeError> {
        session::server_ns(root)
    }

    fn reply(ask: &Ask, root: Value<'_>, _: LimitState) -> Result<Reply, DecodeError> {
        orders::reply(ask, root)
    }

    fn verdict(code: i32) -> Verdict {
        codes::verdict(code)
    }

    fn effect(code: i32) -> Effect {
        codes::effect(code)
    }

    fn http_verdict(status: u16) -> Verdict {
        codes::http_verdict(status)
    }

    fn http_effect(status: u16) -> Effect {
        codes::http_effect(status)
    }

    fn is_absent(code: i32) -> bool {
        codes::is_absent(code)
    }

    fn rows<'a>(&self, ask: &Ask, root: Value<'a>) -> Result<(Value<'a>, &'a str), DecodeError> {
        rest::rows(ask, root)
    }

    fn order_row(&self, _: InstrumentId, row: Value<'_>) -> Result<OrderRow, DecodeError> {
        private_stream::order_row(&OrderFields::of(row), &self.names)
    }

    fn fill_row(
        &self,
        _: InstrumentId,
        row: Value<'_>,
        now: Nanos,
    ) -> Result<Option<ExecutionReport>, DecodeError> {
        private_stream::fill_row(row, &self.names, now).map(Some)
    }

    fn account(&self, ask: &Ask, root: Value<'_>, sink: &mut Sink<'_>) -> Result<(), DecodeError> {
        match ask {
            Ask::Positions { .. } => {
                account::positions(root, (&self.names, margin::mode(self.margin)), sink)
            }
            _ => account::all_balances(root, &self.names, &self.assets, sink),
        }
    }

    fn fee_rate(&self, root: Value<'_>, of: &Instrument) -> Result<FeeRate, DecodeError> {
        let assets = &self.names.instruments.assets;
        let settle = if of.is_perpetual() { assets.name(of.settle) } else { "" };
        account::fee_rate(root, of, self.listings.get(of.id.index()), settle)
    }

    fn funding_row(&self, row: Value<'_>) -> Result<[Option<FundingPayment>; 2], DecodeError> {
        Ok([account::funding(row, &self.names)?, None])
    }
}
