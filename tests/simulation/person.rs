//! The person at the engine: pauses and resumes, cancels, flattens, tightens limits and asks for
//! reconciliations, at times that the seed decides. What was answered with "done" has to hold.

use crate::chance::Chance;
use crate::checks::Failure;
use crate::plan::{MS, Plan, SECOND};
use std::collections::BTreeMap;
use stoop::agents::{
    Agent, Ask, AskKind, Assembly, OperatorDesk, OrderBoard, Phase, Settled, Tell, TellPart,
};
use stoop::oms::OperatorError;
use stoop::sync::spsc;
use stoop::types::{
    Amount, COMPLETING_LEG, HEDGE_LEG, LimitKey, Nanos, Operator, Scope, SignalId, StrategyId,
    Teller, TradingState, VenueId,
};

const E18: i128 = 10i128.pow(18);
/// How often everything is allowed again once nothing goes wrong any more.
const RESUME_EVERY_NS: u64 = 500 * MS;

/// The ends of the rings to the engine that lives.
struct Line {
    asks: spsc::Producer<Ask>,
    tells: spsc::Consumer<Tell>,
}

/// See the module.
pub struct Person {
    chance: Chance,
    /// Pause between two commands; 0 if nobody is there.
    every_ns: u64,
    next: Nanos,
    /// Names of the strategies in the order of their numbers, which change from run to run.
    names: Vec<String>,
    silence_max_ns: u64,
    venues: Vec<VenueId>,
    rate_max: u32,
    open_max: u32,
    line: Option<Line>,
    number: u64,
    /// What was asked for and not answered yet.
    asked: BTreeMap<u64, Operator>,
    /// What is allowed, as far as it was answered, by scope as [`Person::key`] writes it.
    states: BTreeMap<String, TradingState>,
    /// Allows everything again before long.
    forgiving: bool,
    /// Nothing goes wrong any more: everything is allowed again and again.
    resuming: bool,
    /// Commands that were answered.
    pub done: u64,
    /// What was asked for, for people.
    pub told: Vec<(Nanos, String)>,
}

impl Person {
    pub fn new(plan: &Plan, now: Nanos) -> Self {
        let mut chance = Chance::new(plan.seed, "person");
        let every_ns = if chance.percent(50) { chance.between(200, 4_000) * MS } else { 0 };
        Self {
            every_ns: if plan.long { every_ns * 20 } else { every_ns },
            next: now.plus(every_ns + SECOND),
            names: Vec::new(),
            // With nobody there, who was paused for its silence would be paused for good.
            silence_max_ns: if every_ns > 0 && chance.percent(50) { 2 } else { 60 } * SECOND,
            venues: plan.venues.clone(),
            rate_max: plan.limits.orders_per_second,
            open_max: plan.limits.orders_open,
            chance,
            line: None,
            number: 0,
            asked: BTreeMap::new(),
            states: BTreeMap::new(),
            forgiving: plan.long,
            resuming: false,
            done: 0,
            told: Vec::new(),
        }
    }

    /// The rings to a new engine.
    pub fn desk(&mut self) -> OperatorDesk {
        let (asks, asks_in) = spsc::channel(64);
        let (tells_out, tells) = spsc::channel(2_048);
        self.line = Some(Line { asks, tells });
        OperatorDesk {
            asks: asks_in,
            tells: tells_out,
            settled: Settled::default(),
            board: OrderBoard::default(),
            strategies: Vec::new(),
            strategy_silence_max_ns: self.silence_max_ns,
        }
    }

    /// An engine has been started. What was forbidden to a strategy that is not there is forgotten.
    pub fn on_start(&mut self, engine: &Assembly) {
        self.names = engine.strategies.iter().map(|agent| agent.name().to_owned()).collect();
        let keys: Vec<String> = self.scopes().into_iter().map(|scope| self.key(scope)).collect();
        self.states.retain(|key, _| keys.contains(key));
    }

    /// Strategies by their names.
    fn key(&self, scope: Scope) -> String {
        match scope {
            Scope::Strategy(strategy) => self.names[usize::from(strategy.0)].clone(),
            _ => format!("{scope:?}"),
        }
    }

    /// The engine has died: whether what was not answered was done is not known.
    pub fn hang_up(&mut self) {
        self.line = None;
        for operator in std::mem::take(&mut self.asked).into_values() {
            if let Operator::SetState(scope, _) | Operator::Flatten(scope) = operator {
                self.states.remove(&self.key(scope));
            }
        }
    }

    /// Only allows what was forbidden from now on.
    pub fn resume_all(&mut self, now: Nanos) {
        self.resuming = true;
        self.next = now;
    }

    pub fn due(&self) -> Nanos {
        let idle = self.line.is_none() || self.every_ns == 0 && !self.resuming;
        if idle { Nanos(u64::MAX) } else { self.next }
    }

    pub fn turn(&mut self, engine: Option<&Assembly>, now: Nanos) {
        let Some(engine) = engine else { return };
        if self.due() > now {
            return;
        }
        if self.resuming {
            self.next = now.plus(RESUME_EVERY_NS);
            let oms = engine.oms.oms();
            let forbidden =
                |scope: &Scope| oms.trading_state_of(*scope) > Some(TradingState::Active);
            for scope in self.scopes().into_iter().filter(forbidden) {
                self.ask(Operator::SetState(scope, TradingState::Active), now);
            }
            return;
        }
        self.next = now.plus(self.chance.between(self.every_ns / 4, self.every_ns * 2));
        let scope = {
            let scopes = self.scopes();
            *self.chance.pick(&scopes)
        };
        // Where many orders are wanted, what was forbidden is mostly allowed again.
        if self.forgiving && !self.states.is_empty() && self.chance.percent(70) {
            for scope in self.scopes() {
                self.ask(Operator::SetState(scope, TradingState::Active), now);
            }
            return;
        }
        let operator = match self.chance.below(100) {
            0..35 => Operator::SetState(scope, TradingState::Active),
            35..50 => Operator::SetState(scope, TradingState::Halted),
            50..60 => Operator::SetState(scope, TradingState::ReduceOnly),
            60..70 => Operator::CancelAll(scope),
            70..80 => Operator::Flatten(scope),
            80..90 => Operator::Reconcile(None),
            90..95 => self.limit(LimitKey::OrdersPerSecondMax, self.rate_max),
            _ => self.limit(LimitKey::OrdersOpenMax, self.open_max),
        };
        self.ask(operator, now);
    }

    /// Anything up to what the plan allows. It holds to the end of the run.
    fn limit(&mut self, key: LimitKey, most: u32) -> Operator {
        let least = if self.forgiving { most / 2 } else { 1 };
        let value = self.chance.between(u64::from(least), u64::from(most));
        Operator::SetLimit(key, Amount(i128::from(value) * E18))
    }

    fn scopes(&self) -> Vec<Scope> {
        let venues = self.venues.iter().copied().map(Scope::Venue);
        let count = self.names.len() as u8;
        let strategies = (0..count).map(|number| Scope::Strategy(StrategyId(number)));
        [Scope::Engine].into_iter().chain(venues).chain(strategies).collect()
    }

    pub fn ask(&mut self, operator: Operator, now: Nanos) {
        let Some(line) = &mut self.line else { return };
        self.number += 1;
        let ask = Ask {
            number: self.number,
            kind: AskKind::Do(operator, Teller::Person { uid: 0, pid: 0 }),
        };
        if line.asks.push(ask).is_ok() {
            self.asked.insert(self.number, operator);
            self.told.push((now, format!("{operator:?}")));
        }
    }

    /// Silence while the engine stops is no reason to pause anybody: everything was allowed, and is
    /// when it starts again.
    pub fn after_stop(&self, engine: &Assembly, abrupt: bool) -> Result<(), Failure> {
        let oms = engine.oms.oms();
        let state = |scope: &Scope| oms.trading_state_of(*scope).unwrap_or_default();
        let strategy = |scope: &Scope| matches!(scope, Scope::Strategy(_));
        let paused = |scope: &Scope| strategy(scope) && state(scope) > TradingState::Active;
        match self.scopes().into_iter().find(paused) {
            Some(scope) if !abrupt => {
                Err(Failure(format!("{scope:?} is {} after a stop", state(&scope))))
            }
            _ => Ok(()),
        }
    }

    /// Reads the answers, and looks whether what was forbidden was done all the same.
    pub fn after_oms(&mut self, engine: &Assembly, now: Nanos) -> Result<(), Failure> {
        while let Some(tell) = self.line.as_mut().and_then(|line| line.tells.pop()) {
            let TellPart::Done(result, _) = tell.part else { continue };
            let Some(operator) = self.asked.remove(&tell.number) else { continue };
            if result == Err(OperatorError::Stopping) && engine.lifecycle.phase() > Phase::Running {
                continue;
            }
            if result == Err(OperatorError::NotRecorded) {
                continue;
            }
            if let Err(error) = result {
                return Err(Failure(format!("{operator:?} is refused: {error}")));
            }
            self.done += 1;
            let (scope, state) = match operator {
                Operator::SetState(scope, state) => (scope, state),
                Operator::Flatten(scope) => (scope, TradingState::Halted),
                _ => continue,
            };
            self.states.insert(self.key(scope), state);
        }
        let oms = engine.oms.oms();
        for scope in self.scopes() {
            let Some(state) = self.states.get(&self.key(scope)) else { continue };
            let known = oms.trading_state_of(scope).unwrap_or_default();
            if known < *state {
                return Err(Failure(format!("{scope:?} is {known}, a person was told {state}")));
            }
            if *state != TradingState::Halted {
                continue;
            }
            let forbidden = oms.orders().iter().find(|order| {
                let own = order.signal != SignalId(0);
                let hedges = order.leg & (HEDGE_LEG | COMPLETING_LEG) != 0;
                let young = order.created_ns == now && !order.external;
                own && !hedges && young && scope.holds(order.venue, order.strategy)
            });
            if let Some(order) = forbidden {
                return Err(Failure(format!(
                    "{} was sent although {scope:?} is halted",
                    order.client_id
                )));
            }
        }
        Ok(())
    }
}
