//! The trading connector: what this venue adds to that of its kind.
//!
//! Spot and perpetuals share account, sockets and messages. Where there are perpetuals, the account's
//! margin mode is asked for before the first order, and of each instrument whether its positions are
//! kept net: that is a mode of each symbol.
//! <https://bybit-exchange.github.io/docs/v5/websocket/trade/guideline>

#![forbid(unsafe_code)]

use super::super::flight::Ask;
use super::super::sink::Sink;
use super::super::trading::{
    Action, Assets, Desk, Effect, FillJob, Habits, Lesson, LimitState, Mark, Message, Names,
    OrderRow, Reply, TradingConnector, TradingWire, Values, margin_lessons,
};
use super::super::verdict::Verdict;
use super::super::{DecodeError, EncodeError, Outbox, OutboxFull, SetupError, Value, VenueSetup};
use super::account::{self, Holder};
use super::auth::Signer;
use super::private_stream::{self, Context};
use super::{
    BLOCKED_NS, PRIVATE_PATH, Product, SECOND_NS, TRADE_PATH, codes, dead_man, limit, login,
    margin, orders, rest, scan, session, with_path,
};
use crate::types::{
    Channel, ExecutionReport, FeeRate, FundingPayment, Instrument, InstrumentId, MarginMode,
    MarginSettings, Nanos, ReportOrigin,
};
use std::cell::Cell;

/// Positions of one symbol may be asked for 50 times a second.
const LESSON_GAP_NS: u64 = 25_000_000;

/// This venue's messages.
pub(super) struct Wire {
    pub(super) names: Names,
    assets: Assets,
    signer: Signer,
    /// What our instruments are.
    products: Vec<&'static Product>,
    dead_man: Vec<u8>,
    lessons: Vec<Ask>,
    /// What positions in perpetuals are to stand on, and the account's margin mode.
    margin: MarginSettings,
    margin_mode: MarginMode,
    /// By product, what its limits of orders allow, in the order of [`super::LIMITS`]: of an account
    /// without VIP level until replies say otherwise.
    allowed: [[Cell<u32>; 4]; 2],
}

impl Wire {
    pub(super) fn new(setup: &VenueSetup) -> Result<Self, SetupError> {
        let signer = Signer::new(setup.credentials.as_ref(), setup.recv_window_ms)?;
        let names = Names::new(setup.venue, &setup.instruments);
        let products = Product::all_of(setup);
        let ours = names.instruments.of_venue(names.venue);
        let modes = ours.filter(|row| row.is_perpetual()).map(|row| Ask::PositionMode(row.id));
        let mut lessons: Vec<Ask> = modes.collect();
        if !lessons.is_empty() {
            lessons.insert(0, Ask::Account);
            lessons.extend(margin_lessons(setup.margin, &names));
        }
        Ok(Self {
            assets: Assets::new(&names),
            dead_man: dead_man::subscription(&products),
            margin: setup.margin,
            margin_mode: MarginMode::Cross,
            allowed: [[20, 20, 10, 20], [10; 4]].map(|product| product.map(Cell::new)),
            names,
            signer,
            products,
            lessons,
        })
    }

    fn has_perpetuals(&self) -> bool {
        !self.lessons.is_empty()
    }

    fn holder(&self) -> Holder<'_> {
        Holder { names: &self.names, assets: &self.assets, mode: self.margin_mode }
    }

    fn context(&self) -> Context<'_> {
        Context { holder: self.holder(), product: None }
    }

    /// For the rows of a list of one instrument, whose category is stated once.
    fn context_of(&self, id: InstrumentId) -> Result<Context<'_>, DecodeError> {
        let instrument = self.names.instruments.get(id).ok_or(DecodeError::UnknownSymbol)?;
        Ok(Context { holder: self.holder(), product: Some(Product::of(instrument)) })
    }
}

fn is_cancel_all(ask: &Ask) -> bool {
    matches!(ask, Ask::CancelAll { .. })
}

/// The trading connector, for spot and perpetuals at once.
pub(super) fn connector(setup: &VenueSetup) -> Result<TradingConnector<Wire>, SetupError> {
    let ends = &setup.endpoints;
    let urls = [
        with_path(&ends.trade, TRADE_PATH),
        with_path(&ends.private, PRIVATE_PATH),
        ends.rest.clone(),
    ];
    let wire = Wire::new(setup)?;
    Ok(TradingConnector::new(setup, wire, urls, session::clock(), session::heartbeat))
}

impl TradingWire for Wire {
    type Scanned<'a> = scan::Private<'a>;

    const HABITS: Habits = Habits {
        hold_ns: SECOND_NS,
        blocked_ns: BLOCKED_NS,
        fills_window_ms: 7 * rest::DAY_MS,
        // Executions are kept for two years.
        fills_history_ms: 729 * rest::DAY_MS,
        fills_begin: true,
        funding_window_ms: rest::FUNDING_WINDOW_MS,
        lesson_gap_ns: LESSON_GAP_NS,
        history_apart: true,
        cancels_by_list: false,
        codes_with_status: false,
        crowded: 10003,
        already_logged_in: login::ALREADY_LOGGED_IN,
        dead_man: dead_man::HABITS,
    };

    fn write_login(&self, channel: Channel, venue_ms: u64, frame: &mut Vec<u8>) {
        let key = if channel == Channel::Private { "req_id" } else { "reqId" };
        login::write_login(&self.signer, key, venue_ms, frame);
    }

    fn subscription(&self, channel: Channel) -> Option<(&[u8], u8)> {
        (channel == Channel::Private).then(|| (login::subscription(self.has_perpetuals()), 1))
    }

    fn read<'a>(&self, channel: Channel, root: Value<'a>) -> Result<Message<'a>, DecodeError> {
        match channel {
            Channel::Private => login::decode_private_frame(root),
            _ => orders::decode_trade_frame(root),
        }
    }

    fn on_data(
        &self,
        root: Value<'_>,
        topic: &str,
        desk: &mut Desk<'_>,
    ) -> Result<(), DecodeError> {
        private_stream::decode(root, topic, self.context(), desk)
    }

    fn scan(frame: &[u8]) -> Option<scan::Private<'_>> {
        scan::private(frame)
    }

    fn on_scanned(
        &self,
        frame: &scan::Private<'_>,
        desk: &mut Desk<'_>,
    ) -> Result<(), DecodeError> {
        private_stream::on_scanned(frame, self.context(), desk)
    }

    fn dead_man_subscription(&self) -> Option<&[u8]> {
        Some(&self.dead_man)
    }

    fn names(&self) -> &Names {
        &self.names
    }

    fn check(&self, action: Action<'_>, of: &Instrument) -> Result<(), EncodeError> {
        orders::check(action, of)
    }

    fn write_frame(&self, action: Action<'_>, of: &Instrument, mark: Mark, out: &mut Vec<u8>) {
        orders::write_frame(action, mark, self.signer.recv_window(), of, out);
    }

    fn values(&self, action: Action<'_>, of: &Instrument, mark: Mark) -> Option<Values> {
        orders::values(action, of, mark)
    }

    fn send_over_rest(
        &self,
        action: Action<'_>,
        of: &Instrument,
        mark: Mark,
        out: &mut Outbox,
    ) -> Result<(), OutboxFull> {
        rest::post(out, mark, &self.signer, orders::path(action), |body| {
            orders::write(action, of, body);
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
        if ask.is_margin() || ask.sets_margin() {
            let place = (&self.names, &self.signer);
            return margin::send(ask, self.margin, place, mark, out);
        }
        rest::send(ask, (cursor, job), self.holder(), (&self.signer, &self.products), mark, out)
    }

    fn lessons(&self) -> &[Ask] {
        &self.lessons
    }

    fn learn(&mut self, ask: &Ask, root: Value<'_>) -> Result<Lesson, DecodeError> {
        // What the mode is to be is looked at later.
        let any = MarginSettings::default();
        match *ask {
            Ask::Account => margin::learn_mode(root, any, &mut self.margin_mode),
            Ask::MarginMode => margin::learn_mode(root, self.margin, &mut self.margin_mode),
            Ask::Margin(id) => margin::learn_leverage(root, id, self.margin, &self.names),
            Ask::PositionMode(id) => {
                let symbol =
                    &self.names.of_command(id).map_err(|_| DecodeError::UnknownSymbol)?.symbol;
                let flaw = account::position_mode(root, symbol)?;
                Ok(flaw.map_or(Lesson::Learnt, Lesson::Unfit))
            }
            _ => Err(DecodeError::UnknownKind),
        }
    }

    /// Positions are listed by the asset that they settle in, and each product has a switch.
    fn next(&self, ask: &Ask) -> Option<Ask> {
        let next = match *ask {
            Ask::Balances => Ask::POSITIONS,
            Ask::Positions { part, .. } => Ask::Positions { part: part + 1, page: 0 },
            Ask::DeadMan { window_s, part } => Ask::DeadMan { window_s, part: part + 1 },
            _ => return None,
        };
        let there = match next {
            Ask::Positions { part, .. } => usize::from(part) < self.assets.settle.len(),
            Ask::DeadMan { part, .. } => usize::from(part) < self.products.len(),
            _ => false,
        };
        there.then_some(next)
    }

    fn server_ns(root: Value<'_>) -> Result<u64, DecodeError> {
        session::server_ns(root)
    }

    fn limits<'a>(header: impl Fn(&'static str) -> Option<&'a str>) -> LimitState {
        orders::limits(header)
    }

    fn reply(ask: &Ask, root: Value<'_>, limit: LimitState) -> Result<Reply, DecodeError> {
        let code = orders::ret_code(root)?;
        let code = if margin::is_same(ask, code) { 0 } else { code };
        let told_ms = root.get("time").and_then(|time| super::whole(time, "time").ok());
        let limit = LimitState { now_ms: limit.now_ms.or(told_ms), ..limit };
        let venue_order_id = orders::order_id(root.get("result"))?;
        Ok(Reply { code, http: None, venue_order_id, limit })
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

    fn limit_of(&self, ask: &Ask) -> Option<u8> {
        Some(match ask {
            Ask::New(_) => limit::CREATE,
            Ask::Cancel(_) => limit::CANCEL,
            Ask::Replace(_) => limit::AMEND,
            Ask::CancelAll { .. } => limit::CANCEL_ALL,
            // Their own limits are a tenth of the other reads': not a statement about them.
            Ask::FeeRate(_) | Ask::DeadMan { .. } => return None,
            ask if ask.sets_margin() => return None,
            _ => limit::QUERY,
        })
    }

    /// Each product has limits of its own for orders, which are counted together here: where both are
    /// traded, the sum may be what the smaller one allows.
    fn allowed(&self, ask: &Ask, stated: u32) -> u32 {
        let of = ask.instrument().and_then(|id| self.names.instruments.get(id));
        let limit = self.limit_of(ask).filter(|_| ask.is_order() || is_cancel_all(ask));
        let (Some(of), Some(limit)) = (of, limit) else { return stated };
        if self.products.len() < 2 {
            return stated;
        }
        let known = |product: usize| self.allowed.get(product)?.get(usize::from(limit));
        if let Some(own) = known(usize::from(of.is_perpetual())) {
            own.set(stated);
        }
        [0, 1].into_iter().filter_map(known).map(Cell::get).fold(stated, u32::min)
    }

    fn rows<'a>(&self, ask: &Ask, root: Value<'a>) -> Result<(Value<'a>, &'a str), DecodeError> {
        let of = ask.instrument().and_then(|id| self.names.instruments.get(id));
        if let Some(instrument) = of {
            rest::check_category(instrument, root)?;
        }
        rest::list(root)
    }

    fn order_row(&self, of: InstrumentId, row: Value<'_>) -> Result<OrderRow, DecodeError> {
        private_stream::order_row(row, self.context_of(of)?)
    }

    fn fill_row(
        &self,
        of: InstrumentId,
        row: Value<'_>,
        now: Nanos,
    ) -> Result<Option<ExecutionReport>, DecodeError> {
        match private_stream::execution(row, self.context_of(of)?, ReportOrigin::Query, now) {
            Ok((report, _)) => Ok(Some(report)),
            Err(DecodeError::Invalid("execType")) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn cancelled_all(&self, root: Value<'_>) -> Result<(), DecodeError> {
        match root.field("result")?.field_str("success")? {
            "1" => Ok(()),
            _ => Err(DecodeError::Invalid("success")),
        }
    }

    fn account(&self, ask: &Ask, root: Value<'_>, sink: &mut Sink<'_>) -> Result<(), DecodeError> {
        match ask {
            Ask::Positions { .. } => self.holder().positions(root, sink),
            _ => self.holder().balances(root, sink),
        }
    }

    fn funding_row(&self, row: Value<'_>) -> Result<[Option<FundingPayment>; 2], DecodeError> {
        self.holder().funding(row)
    }

    fn fee_rate(&self, root: Value<'_>, of: &Instrument) -> Result<FeeRate, DecodeError> {
        rest::fee_rate(root, of)
    }
}
