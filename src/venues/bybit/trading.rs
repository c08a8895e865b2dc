//! The trading connector: what this venue adds to that of its kind.
//! <https://bybit-exchange.github.io/docs/v5/websocket/trade/guideline>

#![forbid(unsafe_code)]

use super::super::flight::Ask;
use super::super::sink::Sink;
use super::super::trading::{
    Action, Desk, Effect, FillJob, Habits, LimitState, Mark, Message, Names, OrderRow, Reply,
    TradingConnector, TradingWire, Values,
};
use super::super::verdict::Verdict;
use super::super::{DecodeError, EncodeError, Outbox, OutboxFull, SetupError, Value, VenueSetup};
use super::auth::Signer;
use super::private_stream::{self, Context};
use super::{
    BLOCKED_NS, PRIVATE_PATH, Product, SECOND_NS, TRADE_PATH, codes, dead_man, limit, login,
    orders, rest, scan, session, with_path,
};
use crate::types::{Channel, ExecutionReport, FeeRate, Instrument, Nanos, ReportOrigin};

const DAY_MS: u64 = 86_400_000;

/// This venue's messages of one product.
pub(super) struct Wire {
    pub(super) product: &'static Product,
    pub(super) names: Names,
    signer: Signer,
}

impl Wire {
    pub(super) fn new(setup: &VenueSetup, product: &'static Product) -> Result<Self, SetupError> {
        let signer = Signer::new(setup.credentials.as_ref(), setup.recv_window_ms)?;
        Ok(Self { product, names: Names::new(setup.venue, &setup.instruments), signer })
    }

    fn context(&self) -> Context<'_> {
        Context { product: self.product, names: &self.names }
    }
}

/// The trading connector.
pub(super) fn connector(
    setup: &VenueSetup,
    product: &'static Product,
) -> Result<TradingConnector<Wire>, SetupError> {
    let ends = &setup.endpoints;
    let urls = [
        with_path(&ends.trade, TRADE_PATH),
        with_path(&ends.private, PRIVATE_PATH),
        ends.rest.clone(),
    ];
    let wire = Wire::new(setup, product)?;
    Ok(TradingConnector::new(setup, wire, urls, session::clock(), session::heartbeat))
}

impl TradingWire for Wire {
    type Scanned<'a> = scan::Private<'a>;

    const HABITS: Habits = Habits {
        hold_ns: SECOND_NS,
        blocked_ns: BLOCKED_NS,
        fills_window_ms: 7 * DAY_MS,
        // Executions are kept for two years.
        fills_history_ms: 729 * DAY_MS,
        fills_begin: true,
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
        (channel == Channel::Private).then_some((login::SUBSCRIBE, 1))
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

    fn names(&self) -> &Names {
        &self.names
    }

    fn check(&self, action: Action<'_>, _: &Instrument) -> Result<(), EncodeError> {
        orders::check(action)
    }

    fn write_frame(&self, action: Action<'_>, of: &Instrument, mark: Mark, out: &mut Vec<u8>) {
        orders::write_frame(action, mark, self.signer.recv_window(), self.product, of, out);
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
            orders::write(action, self.product, of, body);
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
        let context = (self.product, &self.names, &self.signer);
        rest::send(ask, (cursor, job), context, mark, out)
    }

    fn server_ns(root: Value<'_>) -> Result<u64, DecodeError> {
        session::server_ns(root)
    }

    fn limits<'a>(header: impl Fn(&'static str) -> Option<&'a str>) -> LimitState {
        orders::limits(header)
    }

    fn reply(_: &Ask, root: Value<'_>, limit: LimitState) -> Result<Reply, DecodeError> {
        let code = orders::ret_code(root)?;
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

    fn limit_of(ask: &Ask) -> Option<u8> {
        Some(match ask {
            Ask::New(_) => limit::CREATE,
            Ask::Cancel(_) => limit::CANCEL,
            Ask::Replace(_) => limit::AMEND,
            Ask::CancelAll { .. } => limit::CANCEL_ALL,
            // Its own limit is a tenth of the other reads': not a statement about them.
            Ask::FeeRate(_) | Ask::DeadMan { .. } => return None,
            _ => limit::QUERY,
        })
    }

    fn rows<'a>(&self, _: &Ask, root: Value<'a>) -> Result<(Value<'a>, &'a str), DecodeError> {
        rest::list(root, self.product)
    }

    fn order_row(&self, row: Value<'_>) -> Result<OrderRow, DecodeError> {
        private_stream::order_row(row, self.context())
    }

    fn fill_row(&self, row: Value<'_>, now: Nanos) -> Result<Option<ExecutionReport>, DecodeError> {
        match private_stream::execution(row, self.context(), ReportOrigin::Query, now) {
            Ok((report, _)) => Ok(Some(report)),
            Err(DecodeError::Invalid("execType")) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn account(&self, _: &Ask, root: Value<'_>, sink: &mut Sink<'_>) -> Result<(), DecodeError> {
        rest::balances(root, &self.names, sink)
    }

    fn fee_rate(&self, root: Value<'_>, of: &Instrument) -> Result<FeeRate, DecodeError> {
        rest::fee_rate(root, of)
    }
}
