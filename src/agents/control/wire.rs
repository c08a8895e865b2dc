//! The control socket's lines: one JSON object each way. Names instead of numbers, so that a person
//! can type them; every mistake is answered in words.

use super::super::operator::{ClosingRow, OrderRow};
use super::params::StrategyText;
use crate::oms::{ClosingState, OperatorDone, Progress};
use crate::types::{
    Amount, InstrumentTable, LimitKey, Operator, OrderState, ParamChange, ParamSpec, Scope,
    StrategyId, TradingState, VenueId, find_param,
};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What a person asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControlRequest {
    /// One of [`COMMANDS`].
    pub command: String,
    /// Only what is at this venue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub venue: Option<String>,
    /// Only what is this strategy's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<String>,
    /// For `set`: a key of `[limits]`, `position_max` with its asset: `position_max.BTC`; with a
    /// strategy, one of its parameters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
    /// For `set`: a decimal, in the unit of the key, or `none` for a limit that is to hold no more; for
    /// a parameter what it may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// How long to wait until it is done, milliseconds; 10 s if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_ms: Option<u64>,
    /// Only this process is to do it, and none that has taken its place; whichever answers if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
}

/// Every command of the socket.
pub const COMMANDS: &[&str] = &[
    "stop",
    "cancel-all",
    "flatten",
    "pause",
    "resume",
    "reduce-only",
    "reconcile",
    "accept",
    "set",
    "params",
];

/// The value of a limit that is not set, both ways.
const NOT_SET: &str = "none";

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlReply {
    /// Whether it was carried out. What was not done in time is `done: false`, not a failure; with an
    /// error if it is not known whether it will be.
    pub ok: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Whether everything that it began is done and confirmed.
    pub done: bool,
    /// Orders whose cancelling began.
    pub cancels: u32,
    /// Orders that have not ended, and those of them whose outcome is not known.
    pub open: u32,
    /// See `open`.
    pub unknown: u32,
    /// Orders that have not ended, and why; at most 64.
    pub orders: Vec<OrderText>,
    /// Positions that were to be closed.
    pub positions: Vec<PositionText>,
    /// Questions that were sent to venues.
    pub questions: u32,
    /// A limit or parameter before and now; `none` for a limit that is not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// See `before`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// For `params`: the strategies that were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub strategies: Vec<StrategyText>,
    /// Process of the engine.
    pub pid: u32,
}

/// An order that could not be confirmed as ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderText {
    /// Our id.
    pub id: String,
    /// What it trades.
    pub instrument: String,
    /// Buy or sell.
    pub side: String,
    /// Quantity, base units.
    pub qty: String,
    /// Of it filled.
    pub filled: String,
    /// Why it is still there.
    pub why: String,
}

/// A position that was to be closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PositionText {
    /// In what.
    pub instrument: String,
    /// `flat`, `dust`, `working` or `gave up`.
    pub state: String,
    /// What is still held, base units.
    pub left: String,
    /// Why it could not be closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// What the names in a request stand for.
#[derive(Clone, Debug)]
pub struct Names {
    /// Venues in use.
    pub venues: Vec<(VenueId, String)>,
    /// Strategies by number.
    pub strategies: Vec<String>,
    /// What their parameters may be, likewise.
    pub params: Vec<Vec<ParamSpec>>,
    /// Instruments and assets.
    pub instruments: Arc<InstrumentTable>,
}

/// A request that was understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Understood {
    /// Something is to be done.
    Do(Wanted),
    /// The parameters of one strategy or of all are to be told.
    Params(Option<StrategyId>),
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// To be told to the order manager.
    pub operator: Operator,
    /// What is looked at until it is done; `None`: the first answer is all.
    pub until_done: Option<Scope>,
}

impl Names {
    /// Understands one line; the error is for the person who typed it.
    pub fn read(&self, line: &str) -> Result<(Understood, ControlRequest), String> {
        let request: ControlRequest =
            serde_json::from_str(line).map_err(|error| format!("not a request: {error}"))?;
        let wanted = self.wanted(&request)?;
        Ok((wanted, request))
    }

    fn wanted(&self, request: &ControlRequest) -> Result<Understood, String> {
        let own = std::process::id();
        if let Some(other) = request.pid.filter(|pid| *pid != own) {
            return Err(format!(
                "meant for process {other}, which has ended; this is process {own}"
            ));
        }
        let name = request.command.as_str();
        if !COMMANDS.contains(&name) {
            return Err(format!("{name:?} is not a command; known: {}", COMMANDS.join(", ")));
        }
        let setting = request.limit.is_some() || request.value.is_some();
        if setting && name != "set" {
            return Err(format!("{name} takes no limit and no value"));
        }
        let scope = self.scope(request)?;
        let (operator, until_done) = match name {
            "params" => {
                return match scope {
                    Scope::Engine => Ok(Understood::Params(None)),
                    Scope::Strategy(strategy) => Ok(Understood::Params(Some(strategy))),
                    Scope::Venue(_) => Err("venues have no parameters".to_owned()),
                };
            }
            "stop" if scope != Scope::Engine => {
                return Err("stop ends the whole engine; for a venue or a strategy: pause and \
                            cancel-all, or flatten"
                    .to_owned());
            }
            "stop" => (Operator::Stop, Some(scope)),
            "cancel-all" => (Operator::CancelAll(scope), Some(scope)),
            "flatten" => (Operator::Flatten(scope), Some(scope)),
            "pause" => (Operator::SetState(scope, TradingState::Halted), None),
            "resume" => (Operator::SetState(scope, TradingState::Active), None),
            "reduce-only" => (Operator::SetState(scope, TradingState::ReduceOnly), None),
            "accept" => match scope {
                Scope::Venue(venue) => (Operator::Accept(venue), None),
                _ => return Err("accept is about one venue: name it".to_owned()),
            },
            "reconcile" => match scope {
                Scope::Engine => (Operator::Reconcile(None), None),
                Scope::Venue(venue) => (Operator::Reconcile(Some(venue)), None),
                Scope::Strategy(_) => {
                    return Err("reconcile is about venues, not strategies".to_owned());
                }
            },
            _ => match scope {
                Scope::Engine => (self.limit(request)?, None),
                Scope::Strategy(strategy) => (self.param(strategy, request)?, None),
                Scope::Venue(_) => {
                    return Err("limits hold for the whole engine, not for a venue".to_owned());
                }
            },
        };
        Ok(Understood::Do(Wanted { operator, until_done }))
    }

    fn scope(&self, request: &ControlRequest) -> Result<Scope, String> {
        match (&request.venue, &request.strategy) {
            (None, None) => Ok(Scope::Engine),
            (Some(_), Some(_)) => Err("give a venue or a strategy, not both".to_owned()),
            (Some(name), None) => self.venue(name).map(Scope::Venue),
            (None, Some(name)) => self.strategy(name).map(Scope::Strategy),
        }
    }

    fn venue(&self, name: &str) -> Result<VenueId, String> {
        let found = self.venues.iter().find(|(_, known)| known == name);
        found.map(|(venue, _)| *venue).ok_or_else(|| {
            let names = self.venues.iter().map(|(_, name)| name.as_str()).collect();
            format!("no venue {name:?} is in use; there are: {}", list(names))
        })
    }

    fn strategy(&self, name: &str) -> Result<StrategyId, String> {
        let found = self.strategies.iter().position(|known| known == name);
        found.map(|index| StrategyId(index as u8)).ok_or_else(|| {
            let names = self.strategies.iter().map(String::as_str).collect();
            format!("no strategy {name:?} runs; there are: {}", list(names))
        })
    }

    fn limit(&self, request: &ControlRequest) -> Result<Operator, String> {
        let (Some(name), Some(value)) = (&request.limit, &request.value) else {
            return Err("set needs a limit and a value: position_max.BTC=3".to_owned());
        };
        let key = self.limit_key(name)?;
        if value == NOT_SET {
            return Ok(Operator::UnsetLimit(key));
        }
        let exact = value.parse::<Decimal>().ok().and_then(|v| Amount::from_decimal(v).ok());
        let value = exact.ok_or_else(|| format!("{value:?} is not a decimal number, nor none"))?;
        Ok(Operator::SetLimit(key, value))
    }

    /// Who asks and what was before is filled in by those who know.
    fn param(&self, strategy: StrategyId, request: &ControlRequest) -> Result<Operator, String> {
        let (Some(name), Some(value)) = (&request.limit, &request.value) else {
            return Err("set needs a parameter and a value: NAME key=value".to_owned());
        };
        let specs = self.params.get(usize::from(strategy.0)).map_or(&[][..], Vec::as_slice);
        let spec = find_param(specs, name)?;
        let after = spec.parse(value)?;
        let (name, before) = (spec.name, spec.default);
        let change = ParamChange { strategy, name, before, after, by_uid: 0, by_pid: 0 };
        Ok(Operator::SetParam(change))
    }

    fn limit_key(&self, name: &str) -> Result<LimitKey, String> {
        if let Some(asset) = name.strip_prefix("position_max.") {
            let found = self.instruments.assets.find(asset);
            return found
                .map(LimitKey::PositionMax)
                .ok_or_else(|| format!("no instrument trades {asset:?}"));
        }
        if let Some(name) = name.strip_prefix("instrument_position_max.") {
            let found = self.instruments.by_name(name);
            return found
                .map(|row| LimitKey::InstrumentPositionMax(row.id))
                .ok_or_else(|| format!("{name:?} is not an instrument"));
        }
        if let Some(of_strategy) = name.strip_prefix("strategy.") {
            return self.strategy_key(of_strategy);
        }
        let found = LimitKey::PLAIN.into_iter().find(|key| key.name() == name);
        found.ok_or_else(|| {
            let names: Vec<&str> = LimitKey::PLAIN.iter().map(|key| key.name()).collect();
            format!(
                "{name:?} is not a limit; there are: {}, position_max.ASSET, \
                 instrument_position_max.INSTRUMENT, strategy.NAME.orders_per_second_max, \
                 strategy.NAME.orders_open_max, strategy.NAME.budget.VENUE",
                names.join(", ")
            )
        })
    }

    /// `spread.orders_open_max`, `spread.budget.binance`.
    fn strategy_key(&self, text: &str) -> Result<LimitKey, String> {
        let (name, key) = text.split_once('.').unwrap_or((text, ""));
        let id = self.strategy(name)?;
        if let Some(venue) = key.strip_prefix("budget.") {
            return Ok(LimitKey::Budget(id, self.venue(venue)?));
        }
        match key {
            "orders_per_second_max" => Ok(LimitKey::StrategyOrdersPerSecondMax(id)),
            "orders_open_max" => Ok(LimitKey::StrategyOrdersOpenMax(id)),
            _ => Err(format!(
                "{key:?} is not a limit of a strategy; there are: orders_per_second_max, \
                 orders_open_max, budget.VENUE"
            )),
        }
    }

    /// The order as people read it.
    #[must_use]
    pub fn order(&self, row: &OrderRow) -> OrderText {
        let instrument = self.instruments.get(row.instrument);
        let qty = |qty| match instrument {
            Some(known) => known.scale.qty_decimal(qty).normalize().to_string(),
            None => "?".to_owned(),
        };
        OrderText {
            id: row.client_id.to_string(),
            instrument: instrument.map_or("?", |known| known.name.as_str()).to_owned(),
            side: row.side.to_string(),
            qty: qty(row.qty),
            filled: qty(row.filled),
            why: why(row).to_owned(),
        }
    }

    /// The position as people read it.
    #[must_use]
    pub fn position(&self, row: &ClosingRow) -> PositionText {
        let instrument = self.instruments.get(row.instrument);
        let (state, why) = match row.state {
            ClosingState::Working => ("working", None),
            ClosingState::Flat => ("flat", None),
            ClosingState::Dust => ("dust", Some("the venue takes no order so small".to_owned())),
            ClosingState::GaveUp(Some(code)) => ("gave up", Some(code.to_string())),
            ClosingState::GaveUp(None) => {
                ("gave up", Some("nobody took the other side within the price collar".to_owned()))
            }
        };
        PositionText {
            instrument: instrument.map_or("?", |known| known.name.as_str()).to_owned(),
            state: state.to_owned(),
            left: row.left.to_decimal().normalize().to_string(),
            why,
        }
    }
}

/// Why an order has not ended.
fn why(row: &OrderRow) -> &'static str {
    match (row.state, row.venue_ready) {
        (state, _) if state.is_terminal() => "ended; fills of it are still to come",
        (_, false) => "its venue is not connected or not ready",
        (OrderState::Unknown, _) => "the venue has not said what became of it",
        (OrderState::PendingCancel, _) => "cancel sent, not confirmed yet",
        (OrderState::PendingNew, _) => "not acknowledged by the venue yet",
        _ if row.cancel_wanted => "the venue did not take the cancel; it is sent again",
        _ => "working",
    }
}

impl ControlReply {
    /// It was not carried out.
    #[must_use]
    pub fn refused(error: impl Into<String>) -> Self {
        Self { error: Some(error.into()), pid: std::process::id(), ..Self::default() }
    }

    /// It was carried out, or has begun to be.
    #[must_use]
    pub fn begun(operator: Operator, done: &OperatorDone) -> Self {
        let mut reply = Self {
            ok: true,
            cancels: done.cancels,
            questions: done.questions,
            pid: std::process::id(),
            ..Self::default()
        };
        match operator {
            Operator::SetLimit(_, value) => {
                reply.before = Some(limit_text(done.limit_before));
                reply.after = Some(limit_text(Some(value)));
            }
            Operator::UnsetLimit(_) => {
                reply.before = Some(limit_text(done.limit_before));
                reply.after = Some(limit_text(None));
            }
            _ => {}
        }
        if let (Operator::SetParam(change), Some(before)) = (operator, done.param_before) {
            (reply.before, reply.after) =
                (Some(before.to_string()), Some(change.after.to_string()));
        }
        reply
    }

    /// What is left of it.
    pub fn set_progress(&mut self, progress: &Progress) {
        self.done = progress.is_done();
        self.open = progress.open;
        self.unknown = progress.unknown;
    }
}

/// A limit as people read it, and as `stoop set` takes it.
fn limit_text(limit: Option<Amount>) -> String {
    limit.map_or(NOT_SET.to_owned(), |limit| limit.to_decimal().normalize().to_string())
}

fn list(names: Vec<&str>) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Instrument, ParamValue};

    fn names() -> Names {
        let mut table = InstrumentTable::default();
        let (base, quote) = (table.assets.intern("BTC"), table.assets.intern("USDT"));
        table.add(Instrument { name: "BTC/USDT@x".to_owned(), base, quote, ..Default::default() });
        Names {
            venues: vec![(VenueId(3), "x".to_owned())],
            strategies: vec!["a".to_owned(), "b".to_owned()],
            params: vec![vec![ParamSpec::int("n", 3, "how often").bounded(1, 9)], vec![]],
            instruments: Arc::new(table),
        }
    }

    fn operator(line: &str) -> Result<Operator, String> {
        names().read(line).map(|(understood, _)| match understood {
            Understood::Do(wanted) => wanted.operator,
            Understood::Params(of) => panic!("parameters of {of:?}"),
        })
    }

    #[test]
    fn lines_become_commands() {
        let venue = Scope::Venue(VenueId(3));
        let own = Scope::Strategy(StrategyId(1));
        let one = 10i128.pow(18);
        let cases = [
            (r#"{"command":"stop"}"#, Operator::Stop),
            (r#"{"command":"cancel-all","venue":"x"}"#, Operator::CancelAll(venue)),
            (r#"{"command":"flatten","strategy":"b"}"#, Operator::Flatten(own)),
            (r#"{"command":"pause"}"#, Operator::SetState(Scope::Engine, TradingState::Halted)),
            (
                r#"{"command":"resume","strategy":"b"}"#,
                Operator::SetState(own, TradingState::Active),
            ),
            (
                r#"{"command":"reduce-only","venue":"x"}"#,
                Operator::SetState(venue, TradingState::ReduceOnly),
            ),
            (r#"{"command":"reconcile"}"#, Operator::Reconcile(None)),
            (r#"{"command":"accept","venue":"x"}"#, Operator::Accept(VenueId(3))),
            (r#"{"command":"reconcile","venue":"x"}"#, Operator::Reconcile(Some(VenueId(3)))),
            (
                r#"{"command":"set","limit":"position_max.BTC","value":"3"}"#,
                Operator::SetLimit(
                    LimitKey::PositionMax(crate::types::AssetId(0)),
                    Amount(3 * one),
                ),
            ),
            (
                r#"{"command":"set","limit":"price_collar_bps","value":"2.5"}"#,
                Operator::SetLimit(LimitKey::PriceCollarBps, Amount(5 * one / 2)),
            ),
            (
                r#"{"command":"set","limit":"daily_loss_max","value":"100"}"#,
                Operator::SetLimit(LimitKey::DailyLossMax, Amount(100 * one)),
            ),
            (
                r#"{"command":"set","limit":"strategy.b.budget.x","value":"7"}"#,
                Operator::SetLimit(LimitKey::Budget(StrategyId(1), VenueId(3)), Amount(7 * one)),
            ),
            (
                r#"{"command":"set","limit":"strategy.b.orders_open_max","value":"7"}"#,
                Operator::SetLimit(LimitKey::StrategyOrdersOpenMax(StrategyId(1)), Amount(7 * one)),
            ),
        ];
        for (line, wanted) in cases {
            assert_eq!(operator(line), Ok(wanted), "{line}");
        }
    }

    #[test]
    fn a_limit_that_is_not_set_is_none_both_ways() {
        let line = r#"{"command":"set","limit":"daily_loss_max","value":"none"}"#;
        assert_eq!(operator(line), Ok(Operator::UnsetLimit(LimitKey::DailyLossMax)));
        let told = |operator, limit_before| {
            let done = OperatorDone { limit_before, ..OperatorDone::default() };
            let reply = ControlReply::begun(operator, &done);
            (reply.before.unwrap(), reply.after.unwrap())
        };
        let five = Amount(5 * 10i128.pow(18));
        let set = Operator::SetLimit(LimitKey::DailyLossMax, five);
        let unset = Operator::UnsetLimit(LimitKey::DailyLossMax);
        let text = |before: &str, after: &str| (before.to_owned(), after.to_owned());
        assert_eq!(told(set, None), text("none", "5"));
        assert_eq!(told(unset, Some(five)), text("5", "none"));
        assert_eq!(told(set, Some(Amount::ZERO)), text("0", "5"), "no room is a limit");
    }

    #[test]
    fn a_parameter_of_a_strategy_is_set_within_what_it_may_be() {
        let line = r#"{"command":"set","strategy":"a","limit":"n","value":"4"}"#;
        let Ok(Operator::SetParam(change)) = operator(line) else { panic!("no parameter") };
        assert_eq!((change.strategy, change.name.as_str()), (StrategyId(0), "n"));
        assert_eq!(change.after, ParamValue::Int(4));
    }

    #[test]
    fn the_parameters_of_one_strategy_or_of_all_are_asked_for() {
        let read = |line| names().read(line).map(|(understood, _)| understood);
        assert_eq!(read(r#"{"command":"params"}"#), Ok(Understood::Params(None)));
        let one = r#"{"command":"params","strategy":"b"}"#;
        assert_eq!(read(one), Ok(Understood::Params(Some(StrategyId(1)))));
    }

    #[test]
    fn mistakes_are_answered_in_words() {
        let cases = [
            (r#"{"command":"params","venue":"x"}"#, "venues have no parameters"),
            (r#"{"command":"params","value":"1"}"#, "params takes no limit"),
            ("", "not a request: EOF"),
            ("[1,2]", "not a request: "),
            (r#"{"command":"stop","now":true}"#, "not a request: unknown field `now`"),
            (r#"{"command":"halt"}"#, "\"halt\" is not a command; known: stop, cancel-all"),
            (r#"{"command":"stop","venue":"x"}"#, "stop ends the whole engine"),
            (r#"{"command":"pause","venue":"y"}"#, "no venue \"y\" is in use; there are: x"),
            (r#"{"command":"pause","strategy":"c"}"#, "no strategy \"c\" runs; there are: a, b"),
            (r#"{"command":"pause","venue":"x","strategy":"a"}"#, "give a venue or a strategy"),
            (r#"{"command":"pause","value":"1"}"#, "pause takes no limit"),
            (r#"{"command":"reconcile","strategy":"a"}"#, "reconcile is about venues"),
            (r#"{"command":"accept"}"#, "accept is about one venue"),
            (r#"{"command":"set"}"#, "set needs a limit and a value"),
            (r#"{"command":"set","limit":"x","value":"1"}"#, "\"x\" is not a limit; there are: "),
            (r#"{"command":"set","limit":"position_max.ETH","value":"1"}"#, "no instrument trades"),
            (
                r#"{"command":"set","limit":"instrument_position_max.A","value":"1"}"#,
                "\"A\" is not an instrument",
            ),
            (
                r#"{"command":"set","limit":"strategy.c.orders_open_max","value":"1"}"#,
                "no strategy \"c\" runs",
            ),
            (
                r#"{"command":"set","limit":"strategy.a.budget.y","value":"1"}"#,
                "no venue \"y\" is in use",
            ),
            (
                r#"{"command":"set","limit":"strategy.a.x","value":"1"}"#,
                "\"x\" is not a limit of a strategy",
            ),
            (
                r#"{"command":"set","limit":"orders_open_max","value":"many"}"#,
                "\"many\" is not a decimal number",
            ),
            (
                r#"{"command":"set","limit":"orders_open_max","value":"1","venue":"x"}"#,
                "limits hold for the whole engine",
            ),
            (
                r#"{"command":"set","strategy":"a","limit":"n","value":"10"}"#,
                "n = 10 must be an integer from 1 to 9",
            ),
            (
                r#"{"command":"set","strategy":"a","limit":"m","value":"1"}"#,
                "\"m\" is not a parameter; there are: n (an integer from 1 to 9: how often)",
            ),
            (
                r#"{"command":"set","strategy":"b","limit":"n","value":"1"}"#,
                "\"n\" is not a parameter: the strategy has none",
            ),
            (
                r#"{"command":"set","strategy":"a","limit":"n"}"#,
                "set needs a parameter and a value",
            ),
        ];
        for (line, start) in cases {
            let error = operator(line).unwrap_err();
            assert!(error.starts_with(start), "{line}: {error}");
        }
    }
}
