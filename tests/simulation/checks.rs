//! What must never happen, looked for after every step and at the quiet end, by comparing the
//! engine with the venues' own books.

use crate::plan::{Plan, SECOND};
use crate::venues::{BASES, NAMES};
use rust_decimal::Decimal;
use stoop::agents::{Assembly, FinalState};
use stoop::cli::ledger::differences;
use stoop::shm::Depth;
use stoop::sim::{AccountId, InMemory, SimOrder};
use stoop::types::{BookState, ClientOrderId, Nanos, Readiness, Side, VenueId};

const ACCOUNT: AccountId = AccountId(0);

/// Why a run has failed.
#[derive(Clone, Debug)]
pub struct Failure(pub String);

impl Failure {
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }
}

fn fail<T>(text: String) -> Result<T, Failure> {
    Err(Failure(text))
}

pub struct Checks {
    position_max: [Decimal; 2],
    notional_max: Decimal,
    orders_per_second: usize,
    orders_open: usize,
    symbols: usize,
    /// Orders the engine had sent at the last look.
    sent: u64,
    /// When they were sent, for the rate.
    sent_at: std::collections::VecDeque<Nanos>,
    /// Texts and requests that each venue had seen at the last look.
    heard: [u64; 2],
    looked: u64,
}

impl Checks {
    pub fn new(plan: &Plan) -> Self {
        let limits = &plan.limits;
        Self {
            position_max: [
                Decimal::new(limits.position_max, 3),
                Decimal::new(limits.position_max, 2),
            ],
            notional_max: Decimal::from(limits.order_notional_max),
            orders_per_second: limits.orders_per_second as usize,
            orders_open: limits.orders_open as usize,
            symbols: plan.symbols,
            sent: 0,
            sent_at: Default::default(),
            heard: [0; 2],
            looked: 0,
        }
    }

    /// An engine has been started, with what one before it left.
    pub fn on_start(&mut self, engine: &Assembly) {
        self.sent = engine.oms.oms().counters().orders_sent;
    }

    /// Whether everything is connected and may be traded.
    pub fn is_whole(&self, engine: &Assembly, now: Nanos) -> bool {
        (0..2).map(VenueId).all(|venue| {
            let health = engine.view.health(venue);
            let ready = health.executor.ready && health.feed.state == Readiness::Ready;
            ready && engine.oms.oms().is_ready(venue, now)
        }) && engine
            .view
            .instruments()
            .iter()
            .all(|i| engine.view.best(i.id).state == BookState::Live)
    }

    /// Right after the order manager had its turn: what it has sent rests on live books.
    pub fn after_oms(&mut self, engine: &Assembly, now: Nanos) -> Result<(), Failure> {
        let oms = engine.oms.oms();
        let sent = oms.counters().orders_sent;
        if sent == self.sent {
            return Ok(());
        }
        let new = (sent - self.sent) as usize;
        self.sent = sent;
        let fresh = oms.orders().iter().filter(|order| order.created_ns == now);
        for order in fresh {
            let state = engine.view.best(order.instrument).state;
            if state != BookState::Live {
                return fail(format!("{} was sent on a book that is {state:?}", order.client_id));
            }
        }
        for _ in 0..new {
            self.sent_at.push_back(now);
        }
        while self.sent_at.front().is_some_and(|at| now.since(*at) >= SECOND) {
            self.sent_at.pop_front();
        }
        if self.sent_at.len() > self.orders_per_second {
            let (sent, most) = (self.sent_at.len(), self.orders_per_second);
            return fail(format!("{sent} orders within a second, {most} are allowed"));
        }
        Ok(())
    }

    /// After every step: limits as the venues see them, and nothing alive is believed dead.
    pub fn step(&mut self, engine: &Assembly, sim: &InMemory, _now: Nanos) -> Result<(), Failure> {
        self.looked += 1;
        let heard = [0, 1].map(|venue| {
            let counters = sim.counters(venue);
            counters.texts_in + counters.requests
        });
        if heard == self.heard && !self.looked.is_multiple_of(32) {
            return Ok(());
        }
        self.heard = heard;
        let mut open_orders = 0;
        let mut working = [[Decimal::ZERO; 2]; 2];
        for venue in 0..2 {
            let exchange = sim.exchange(venue);
            for order in exchange.open_orders(ACCOUNT, None) {
                open_orders += 1;
                self.known(engine, venue, order)?;
                let base = usize::from(order.request.symbol.starts_with(BASES[1]));
                let side = usize::from(order.request.side == Side::Sell);
                working[base][side] += order.leaves();
                let value = order.request.price * order.request.qty;
                if value > self.notional_max {
                    return fail(format!("{}: an order worth {value}", NAMES[venue]));
                }
            }
        }
        if open_orders > self.orders_open {
            let most = self.orders_open;
            return fail(format!(
                "{open_orders} orders are open at the venues, {most} are allowed"
            ));
        }
        self.positions(engine, sim, &working)
    }

    /// An order that the venue holds open may never be terminal, or not there, at the engine.
    fn known(&self, engine: &Assembly, venue: usize, order: &SimOrder) -> Result<(), Failure> {
        let id = ClientOrderId::decode(&order.request.client_id);
        let name = NAMES[venue];
        match engine.oms.oms().order(id) {
            None => fail(format!("{name} holds {id} open, the engine does not know it")),
            Some(ours) if ours.state.is_terminal() => fail(format!(
                "{name} holds {id} open ({:?}), the engine has it {:?}",
                order.state, ours.state
            )),
            Some(_) => Ok(()),
        }
    }

    fn positions(
        &self,
        engine: &Assembly,
        sim: &InMemory,
        working: &[[Decimal; 2]; 2],
    ) -> Result<(), Failure> {
        let _ = engine;
        for symbol in 0..self.symbols {
            let name = format!("{}USDT", BASES[symbol]);
            let held: Decimal = (0..2)
                .map(|venue| {
                    let mut ledger = sim.exchange(venue).ledger(ACCOUNT);
                    ledger.positions.remove(&name).unwrap_or_default().qty
                })
                .sum();
            let [buys, sells] = working[symbol];
            let (most, least) = (held + buys, held - sells);
            let limit = self.position_max[symbol];
            // A limit holds back what increases a position; what fees took is not traded back.
            if most > limit && buys > Decimal::ZERO || -least > limit && sells > Decimal::ZERO {
                return fail(format!(
                    "{name}: {held} held, +{buys} -{sells} working, limit {limit}"
                ));
            }
        }
        Ok(())
    }

    /// With the market still: every live book is the venue's book.
    pub fn books(&self, engine: &Assembly, sim: &InMemory) -> Result<(), Failure> {
        let mut depth = Depth::default();
        for instrument in engine.view.instruments().iter() {
            let name = &instrument.name;
            engine.view.depth(instrument.id, &mut depth);
            let exchange = sim.exchange(usize::from(instrument.venue.0));
            let (_, bids, asks) = exchange.depth(&instrument.symbol, 10).unwrap();
            let mut ours = Vec::new();
            let mut theirs = Vec::new();
            for (side, (levels, truth)) in
                [(depth.bids(), bids), (depth.asks(), asks)].into_iter().enumerate()
            {
                let shown = levels.iter().take(10).map(|level| {
                    let scale = instrument.scale;
                    (
                        side,
                        scale.price_decimal(level.price).normalize(),
                        scale.qty_decimal(level.qty).normalize(),
                    )
                });
                ours.extend(shown);
                theirs.extend(truth.iter().map(|(p, q)| (side, p.normalize(), q.normalize())));
            }
            if depth.state == BookState::Live && ours != theirs {
                return fail(format!(
                    "{name}: the live book is {ours:?}\nthe venue's is {theirs:?}"
                ));
            }
        }
        Ok(())
    }

    /// At the quiet end: nothing is open or unknown, and both sides agree to the last digit.
    pub fn end(&self, last: &FinalState, engine: &Assembly, sim: &InMemory) -> Result<(), Failure> {
        let ledgers =
            [0, 1].map(|venue| (VenueId(venue as u8), sim.exchange(venue).ledger(ACCOUNT)));
        let table = engine.view.instruments();
        let mut found = differences(table, last, &ledgers);
        // How profit is parted from cost depends on the order of fills, which may differ where one
        // was made up for by a query or an account met itself; what was paid does not.
        found.retain(|line| !line.contains(" cost: ") && !line.contains(" realised: "));
        for instrument in table.iter() {
            let ledger = &ledgers[usize::from(instrument.venue.0)].1;
            let theirs = ledger.positions.get(&instrument.symbol).cloned().unwrap_or_default();
            let ours = last.positions.iter().find(|row| row.instrument == instrument.id).unwrap();
            let (ours, theirs) =
                (ours.cost.0 - ours.realised.0, theirs.cost_e18 - theirs.realised_e18);
            if ours != theirs {
                found.push(format!("{}: paid: engine {ours}, venue {theirs}", instrument.name));
            }
        }
        if !found.is_empty() {
            return fail(format!("engine and venues differ: {found:#?}"));
        }
        if !last.unconfirmed.is_empty() {
            return fail(format!("not confirmed: {:#?}", last.unconfirmed));
        }
        for (venue, ledger) in &ledgers {
            if ledger.open_orders > 0 {
                return fail(format!("{} still holds open orders", NAMES[usize::from(venue.0)]));
            }
        }
        let c = &last.counters;
        let taken = c.orders_filled + c.orders_canceled + c.orders_expired;
        if c.orders_sent != taken + c.orders_rejected || c.orders_open + c.orders_unknown > 0 {
            return fail(format!("the counters do not add up: {c:?}"));
        }
        let theirs: u64 = ledgers.iter().map(|(_, ledger)| ledger.orders).sum();
        if taken != theirs {
            return fail(format!("{taken} orders were taken, the venues say {theirs}: {c:?}"));
        }
        if c.fills != ledgers.iter().map(|(_, ledger)| ledger.fills).sum::<u64>() {
            return fail(format!("fills: {c:?}"));
        }
        Ok(())
    }
}
