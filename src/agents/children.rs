//! The order manager's side of strategies that run in processes: what it does when one dies, and how
//! one that was started again comes back.
//!
//! A strategy that is dead or silent is paused, and its orders are cancelled. It stays paused until a
//! person resumes it, unless the configuration says `after_restart = "resume"`: then it may trade again
//! once its new process lives and every order of the one before has ended; never if a person paused it
//! before or has said anything of it since.

#![forbid(unsafe_code)]

use super::oms::OmsAgent;
use super::operator::{OrderRow, order_row};
use crate::oms::OperatorError;
use crate::shm::{OmsEnd, STRATEGIES_MAX};
use crate::types::{Nanos, Operator, Params, ProcessEnd, Scope, StrategyId, Teller, TradingState};
use std::sync::mpsc::{Receiver, Sender};

/// Orders that the bundle of a dead strategy shows.
const ORDERS_SHOWN: usize = 256;

/// From the control thread.
pub enum News {
    /// A process has ended.
    Died(Death),
    /// It is not started again, or could not be started at all.
    Ended(StrategyId, ProcessEnd),
    /// A process is about to be started again.
    Born {
        /// Whose.
        strategy: StrategyId,
        /// Its fresh file.
        end: Box<OmsEnd>,
        /// Whether it may trade without a person.
        resumes: bool,
        /// Told once the file is in use and holds the parameters.
        taken: Sender<()>,
    },
}

/// See [`News::Died`].
pub struct Death {
    /// Whose.
    pub strategy: StrategyId,
    /// When it was noticed.
    pub noticed: Nanos,
    /// Where it is told what it left.
    pub left: Sender<Left>,
}

/// What a strategy left behind.
#[derive(Clone, Debug, Default)]
pub struct Left {
    /// Its orders that had not ended.
    pub orders: Vec<OrderRow>,
    /// Its parameters, as they were last set.
    pub params: Params,
}

/// What is remembered of strategies that died or fell silent.
pub(super) struct Wards {
    news: Option<Receiver<News>>,
    rows: Vec<Ward>,
    /// Whether any of them is waited for.
    busy: bool,
}

#[derive(Clone, Copy, Default)]
struct Ward {
    /// Its process has ended, and there is no other yet.
    dead: bool,
    /// When its death was noticed, until its orders have ended.
    clearing: Option<Nanos>,
    /// It was active when it was paused here, and nobody has said anything since.
    held: bool,
    /// It may be resumed here.
    resumes: bool,
    /// Its process is not started again.
    ended: Option<ProcessEnd>,
}

impl Wards {
    pub fn new(strategies: usize) -> Self {
        Self { news: None, rows: vec![Ward::default(); strategies], busy: false }
    }

    /// A person has said what becomes of it: nothing is undone here.
    pub fn forget(&mut self, operator: &Operator) {
        if let Operator::SetState(Scope::Strategy(strategy), _)
        | Operator::Flatten(Scope::Strategy(strategy)) = operator
            && let Some(row) = self.rows.get_mut(usize::from(strategy.0))
        {
            row.held = false;
        }
    }

    /// Whether its process has ended: that it is silent is no news.
    pub fn is_dead(&self, strategy: StrategyId) -> bool {
        self.rows.get(usize::from(strategy.0)).is_some_and(|row| row.dead)
    }

    /// How its process ended, if it is not started again.
    pub fn end_of(&self, strategy: StrategyId) -> Option<ProcessEnd> {
        self.rows.get(usize::from(strategy.0)).and_then(|row| row.ended)
    }

    /// The same of all, by number.
    pub fn ends(&self) -> [Option<ProcessEnd>; STRATEGIES_MAX] {
        std::array::from_fn(|at| self.rows.get(at).and_then(|row| row.ended))
    }

    /// Why a command for a strategy would do nothing: its process has ended and there is no other.
    /// What stops it or cleans up after it is done all the same.
    pub fn refuse(&self, operator: &Operator) -> Result<(), OperatorError> {
        let strategy = match operator {
            Operator::SetState(_, TradingState::Halted) => return Ok(()),
            Operator::SetState(Scope::Strategy(strategy), _) => *strategy,
            Operator::SetParam(change) => change.strategy,
            _ => return Ok(()),
        };
        self.end_of(strategy).map_or(Ok(()), |end| Err(OperatorError::StrategyEnded(end)))
    }

    fn row(&mut self, strategy: StrategyId) -> Option<&mut Ward> {
        self.rows.get_mut(usize::from(strategy.0))
    }
}

impl OmsAgent {
    /// News of strategies' processes come from here.
    #[must_use]
    pub(super) fn with_children(mut self, news: Receiver<News>) -> Self {
        self.wards.news = Some(news);
        self
    }

    pub(super) fn take_children(&mut self, now: Nanos) {
        while let Some(news) = self.wards.news.as_ref().and_then(|news| news.try_recv().ok()) {
            match news {
                News::Died(death) => self.on_death(&death, now),
                News::Ended(strategy, end) => self.on_end(strategy, end, now),
                News::Born { strategy, end, resumes, taken } => {
                    self.on_birth(strategy, *end, resumes);
                    let _ = taken.send(());
                }
            }
        }
        if self.wards.busy {
            self.tend(now);
        }
    }

    fn on_death(&mut self, death: &Death, now: Nanos) {
        let strategy = death.strategy;
        let scope = Scope::Strategy(strategy);
        let oms = &self.oms;
        let orders = oms.orders_of(scope).take(ORDERS_SHOWN);
        let rows: Vec<OrderRow> =
            orders.map(|order| order_row(order, oms.is_ready(order.venue, now))).collect();
        let (name, open) = (self.strategy_name(strategy), rows.len());
        let text = format_args!(
            "strategy {name}: its process has ended: paused, {open} orders are cancelled"
        );
        self.parts.log.error(now, text);
        self.hold(strategy, now);
        let port = self.parts.strategies.iter().find(|port| port.strategy == strategy);
        let params = port.map(|port| *port.params()).unwrap_or_default();
        let _ = death.left.send(Left { orders: rows, params });
        if let Some(row) = self.wards.row(strategy) {
            (row.dead, row.clearing) = (true, Some(death.noticed));
            self.wards.busy = true;
        }
    }

    /// There will be no other process. A strategy that never began is paused now, and so is one that a
    /// person resumed between its death and this.
    fn on_end(&mut self, strategy: StrategyId, end: ProcessEnd, now: Nanos) {
        let name = self.strategy_name(strategy);
        let text = format_args!("strategy {name}: its process is not started again ({end})");
        self.parts.log.error(now, text);
        let state = self.oms.trading_state_of(Scope::Strategy(strategy));
        if state != Some(TradingState::Halted) {
            self.hold(strategy, now);
        }
        self.oms.on_strategy_ended(strategy, end, now);
        self.drain(now);
        if let Some(row) = self.wards.row(strategy) {
            (row.dead, row.resumes, row.ended) = (true, false, Some(end));
        }
    }

    /// Pauses a strategy that is dead or silent and cancels its orders.
    pub(super) fn hold(&mut self, strategy: StrategyId, now: Nanos) {
        let scope = Scope::Strategy(strategy);
        let active = self.oms.trading_state_of(scope) == Some(TradingState::Active);
        if let Some(row) = self.wards.row(strategy).filter(|_| active) {
            row.held = true;
        }
        for operator in
            [Operator::SetState(scope, TradingState::Halted), Operator::CancelAll(scope)]
        {
            if let Err(error) = self.oms.on_told(Teller::Watchdog, &operator, now, &mut self.out) {
                let name = self.strategy_name(strategy);
                self.parts.log.error(now, format_args!("strategy {name}: {error}"));
            }
            self.drain(now);
        }
    }

    fn on_birth(&mut self, strategy: StrategyId, end: OmsEnd, resumes: bool) {
        if let Some(port) = self.parts.strategies.iter_mut().find(|port| port.strategy == strategy)
        {
            port.replace(end);
        }
        self.forget_silence(strategy);
        if let Some(row) = self.wards.row(strategy) {
            (row.dead, row.resumes) = (false, resumes);
            self.wards.busy = true;
        }
    }

    /// Says when the orders of the dead have ended, and resumes those that may be.
    fn tend(&mut self, now: Nanos) {
        let mut busy = false;
        for at in 0..self.wards.rows.len() {
            let (strategy, row) = (StrategyId(at as u8), self.wards.rows[at]);
            let scope = Scope::Strategy(strategy);
            if let Some(noticed) = row.clearing {
                let open = self.oms.progress_of(scope, noticed).open;
                if open == 0 {
                    self.wards.rows[at].clearing = None;
                    let ms = now.since(noticed) as f64 / 1e6;
                    let name = self.strategy_name(strategy);
                    let text = format_args!(
                        "strategy {name}: all its orders have ended {ms:.1} ms after its death was \
                         noticed"
                    );
                    self.parts.log.warn(now, text);
                }
                busy = true;
            } else if row.resumes && !row.dead {
                busy |= !self.resume(strategy, now);
            }
        }
        self.wards.busy = busy;
    }

    /// Whether there is nothing more to wait for.
    fn resume(&mut self, strategy: StrategyId, now: Nanos) -> bool {
        let lives = |port: &&super::ports::StrategyPort| {
            port.strategy == strategy && port.end.heartbeat() != Nanos(0)
        };
        let held = self.wards.row(strategy).is_some_and(|row| row.held);
        if held && !self.parts.strategies.iter().any(|port| lives(&port)) {
            return false;
        }
        if let Some(row) = self.wards.row(strategy) {
            (row.held, row.resumes) = (false, false);
        }
        if held {
            let operator = Operator::SetState(Scope::Strategy(strategy), TradingState::Active);
            let result = self.oms.on_told(Teller::AfterRestart, &operator, now, &mut self.out);
            self.drain(now);
            let text = match result {
                Ok(_) => "its new process lives: resumed, as the configuration says".to_owned(),
                Err(error) => format!("it is not resumed: {error}"),
            };
            let name = self.strategy_name(strategy);
            self.parts.log.warn(now, format_args!("strategy {name}: {text}"));
        }
        true
    }
}
