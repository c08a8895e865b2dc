//! What must never happen, looked for after every step and at the quiet end, by comparing the
//! engine with the venues' own books.

use crate::markets::{client_id, symbol};
use crate::plan::{Plan, SECOND};
use rust_decimal::Decimal;
use std::collections::VecDeque;
use stoop::agents::{Assembly, Executor, FinalState};
use stoop::cli::ledger::differences;
use stoop::shm::{Depth, PositionRow};
use stoop::sim::{AccountId, InMemory, Ledger, SimFill, SimOrder};
use stoop::types::{Amount, BookState, Instrument, Nanos, Readiness, Side, VenueId};

/// Levels a side that are compared: all that are published.
const LEVELS: usize = 20;

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
    plan: Plan,
    notional_max: Decimal,
    orders_per_second: usize,
    orders_open: usize,
    /// Orders the engine had sent at the last look.
    sent: u64,
    /// When they were sent, for the rate.
    sent_at: VecDeque<Nanos>,
    /// Texts and requests that each venue had seen at the last look.
    heard: Vec<u64>,
    looked: u64,
    /// Cancels sent so far, and when that changed.
    cancels: VecDeque<(Nanos, u64)>,
    cancels_held: u64,
}

/// How venues call the orders that they liquidate with.
const LIQUIDATION: &str = "autoclose-";

const CANCEL_WINDOW_NS: u64 = 3 * SECOND;
/// So many cancels in that window exhaust no venue's limit by themselves.
const CANCELS_FEW: u64 = 8;

impl Checks {
    pub fn new(plan: &Plan) -> Self {
        let limits = &plan.limits;
        Self {
            plan: plan.clone(),
            notional_max: Decimal::from(limits.order_notional_max),
            orders_per_second: limits.orders_per_second as usize,
            orders_open: limits.orders_open as usize,
            sent: 0,
            sent_at: VecDeque::new(),
            heard: Vec::new(),
            looked: 0,
            cancels: VecDeque::new(),
            cancels_held: 0,
        }
    }

    /// Equal, as far as the venue tells.
    fn is_near(&self, instrument: &Instrument, ours: Decimal, theirs: Decimal) -> bool {
        let told = self.venue_name(instrument.venue) != "bybit" || !instrument.is_perpetual();
        let most = if told { Decimal::ZERO } else { Decimal::new(1, 6) };
        (ours - theirs).abs() <= most
    }

    fn venue_name(&self, venue: VenueId) -> &'static str {
        self.plan.venue_name(self.plan.slot(venue))
    }

    /// An engine has been started, with what one before it left.
    pub fn on_start(&mut self, engine: &Assembly) {
        self.sent = engine.oms.oms().counters().orders_sent;
        self.cancels_held = 0;
    }

    /// Whether everything is connected and may be traded.
    pub fn is_whole(&self, engine: &Assembly, now: Nanos) -> bool {
        self.plan.venues.iter().all(|&venue| {
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
    pub fn step(&mut self, engine: &Assembly, sim: &InMemory, now: Nanos) -> Result<(), Failure> {
        self.looked += 1;
        self.cancels(engine, now)?;
        let venues = 0..self.plan.venues.len();
        let counted = |venue| {
            let counters = sim.counters(venue);
            counters.texts_in + counters.requests
        };
        let heard: Vec<u64> = venues.clone().map(counted).collect();
        if heard == self.heard && !self.looked.is_multiple_of(32) {
            return Ok(());
        }
        self.heard = heard;
        let mut open_orders = 0;
        for venue in venues {
            for order in sim.exchange(venue).open_orders(ACCOUNT, None) {
                open_orders += 1;
                self.known(engine, venue, order)?;
                let value = order.request.price * order.request.qty;
                if value > self.notional_max {
                    let name = self.plan.venue_name(venue);
                    return fail(format!("{name}: an order worth {value}"));
                }
            }
        }
        if open_orders > self.orders_open {
            let most = self.orders_open;
            return fail(format!(
                "{open_orders} orders are open at the venues, {most} are allowed"
            ));
        }
        self.positions(sim)
    }

    /// With few cancels on their way, none may be held back for want of a rate limit.
    fn cancels(&mut self, engine: &Assembly, now: Nanos) -> Result<(), Failure> {
        let sent = engine.oms.oms().counters().cancels_sent;
        if self.cancels.back().is_none_or(|(_, last)| *last != sent) {
            self.cancels.push_back((now, sent));
        }
        while self.cancels.len() > 1 && now.since(self.cancels[1].0) >= CANCEL_WINDOW_NS {
            self.cancels.pop_front();
        }
        let lately = sent.saturating_sub(self.cancels[0].1);
        let held: u64 = engine.executors.iter().map(Executor::cancels_held_back).sum();
        let before = std::mem::replace(&mut self.cancels_held, held);
        if held > before && lately < CANCELS_FEW {
            return fail(format!("a cancel was held back, with {lately} cancels of late"));
        }
        Ok(())
    }

    /// An order that the venue holds open may never be terminal, or not there, at the engine.
    fn known(&self, engine: &Assembly, venue: usize, order: &SimOrder) -> Result<(), Failure> {
        let id = client_id(&order.request.client_id);
        let name = self.plan.venue_name(venue);
        match engine.oms.oms().order(id) {
            None => fail(format!("{name} holds {id} open, the engine does not know it")),
            Some(ours) if ours.state.is_terminal() => fail(format!(
                "{name} holds {id} open ({:?}), the engine has it {:?}",
                order.state, ours.state
            )),
            Some(_) => Ok(()),
        }
    }

    /// What is held and what works of each underlying, over all venues.
    fn positions(&self, sim: &InMemory) -> Result<(), Failure> {
        for base in &self.plan.bases {
            let (mut held, mut buys, mut sells) = (Decimal::ZERO, Decimal::ZERO, Decimal::ZERO);
            for venue in 0..self.plan.venues.len() {
                let exchange = sim.exchange(venue);
                let mut ledger = exchange.ledger(ACCOUNT);
                for rules in exchange.symbols().iter().filter(|rules| rules.base == *base) {
                    held += ledger.positions.remove(&rules.symbol).unwrap_or_default().qty;
                    for order in exchange.open_orders(ACCOUNT, Some(&rules.symbol)) {
                        match order.request.side {
                            Side::Buy => buys += order.leaves(),
                            Side::Sell => sells += order.leaves(),
                        }
                    }
                }
            }
            let (most, least) = (held + buys, held - sells);
            let limit = self.plan.limits.position_max_of(base) + liquidated(&self.plan, sim, base);
            // A limit holds back what increases a position; what fees took is not traded back.
            if most > limit && buys > Decimal::ZERO || -least > limit && sells > Decimal::ZERO {
                return fail(format!(
                    "{base}: {held} held, +{buys} -{sells} working, limit {limit}"
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
            let exchange = sim.exchange(self.plan.slot(instrument.venue));
            let (_, bids, asks) = exchange.depth(&symbol(instrument), LEVELS).unwrap();
            let mut ours = Vec::new();
            let mut theirs = Vec::new();
            for (side, (levels, truth)) in
                [(depth.bids(), bids), (depth.asks(), asks)].into_iter().enumerate()
            {
                let shown = levels.iter().take(LEVELS).map(|level| {
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

    /// With the market still and the venues just asked: what they have for us, and what that leaves to
    /// trade with, is what the engine believes.
    pub fn margins(&self, engine: &Assembly, sim: &InMemory) -> Result<(), Failure> {
        let oms = engine.oms.oms();
        let table = engine.view.instruments();
        for instrument in table.iter().filter(|instrument| instrument.is_perpetual()) {
            let exchange = sim.exchange(self.plan.slot(instrument.venue));
            let theirs = exchange.position(ACCOUNT, &symbol(instrument)).unwrap();
            let ours = oms.stated_position(instrument.id);
            let name = &instrument.name;
            if ours.qty.to_decimal() != theirs.qty.normalize() {
                let (ours, theirs) = (ours.qty, theirs.qty);
                return fail(format!("{name}: position: stated {ours}, the venue has {theirs}"));
            }
            // Some venues do not say it where there is no position.
            let said = ours.leverage > Amount::ZERO;
            if said && ours.leverage.to_decimal() != theirs.leverage.normalize() {
                let (ours, theirs) = (ours.leverage, theirs.leverage);
                return fail(format!("{name}: leverage: stated {ours}, the venue has {theirs}"));
            }
            let settle = table.assets.name(instrument.settle);
            let theirs = exchange.margin(ACCOUNT, settle);
            let collateral = oms.collateral(instrument.venue, instrument.settle);
            let Some(ours) = collateral.available() else {
                return fail(format!("{name}: nobody said what is available"));
            };
            // As many digits as every venue writes; one lends on all assets of the account.
            let alone = self.venue_name(instrument.venue) != "bybit";
            if alone && (ours.to_decimal() - theirs.available).abs() > Decimal::new(1, 5) {
                let stated = collateral.stated;
                return fail(format!("{name}: available {ours} of {stated:?}, venue {theirs:?}"));
            }
        }
        Ok(())
    }

    /// At the quiet end: nothing is open or unknown, and both sides agree to the last digit.
    /// What the venues have stated of balances may lag behind where nobody waited for it.
    pub fn end(
        &self,
        last: &FinalState,
        engine: &Assembly,
        sim: &InMemory,
        (rested, now): (bool, Nanos),
    ) -> Result<(), Failure> {
        let venues = self.plan.venues.iter().enumerate();
        let ledgers: Vec<(VenueId, Ledger)> =
            venues.clone().map(|(slot, v)| (*v, sim.exchange(slot).ledger(ACCOUNT))).collect();
        let table = engine.view.instruments();
        let mut found = differences(table, last, &ledgers);
        // How profit is parted from cost depends on the order of fills, which may differ where one
        // was made up for by a query or an account met itself; what was paid does not. Of perpetuals
        // the venue says what it has paid.
        let spot: Vec<String> = table
            .iter()
            .filter(|instrument| !instrument.is_perpetual())
            .map(|instrument| {
                format!("{}: {} ", self.venue_name(instrument.venue), instrument.symbol)
            })
            .collect();
        found.retain(|line| {
            let parted = line.contains(" cost: ") || line.contains(" realised: ");
            !parted || !spot.iter().any(|start| line.starts_with(start))
        });
        // One venue's lists do not say what a fill has realised: its eighth decimal is not known then.
        for instrument in table.iter().filter(|row| row.is_perpetual()) {
            let theirs =
                ledgers[self.plan.slot(instrument.venue)].1.position(&instrument.symbol, true);
            let ours = last.positions.iter().find(|row| row.instrument == instrument.id).unwrap();
            if self.is_near(instrument, ours.realised.to_decimal(), theirs.realised) {
                let venue = self.venue_name(instrument.venue);
                let line = format!("{venue}: {} realised: ", instrument.symbol);
                found.retain(|found| !found.starts_with(&line));
            }
        }
        // Who was never told a balance says that it is unknown.
        let excused =
            |line: &str| line.contains(" as streamed: ") || line.contains("engine unknown");
        // Who stops while a venue is away hears nothing of what was paid meanwhile.
        let away: Vec<&str> = venues
            .filter(|(_, venue)| !rested && !engine.oms.oms().is_ready(**venue, now))
            .map(|(slot, _)| self.plan.venue_name(slot))
            .collect();
        let unheard = |line: &str| {
            let paid = line.contains(" funding: ") || line.contains(" by our fills: ");
            paid && away.iter().any(|name| line.starts_with(&format!("{name}: ")))
        };
        found.retain(|line| !unheard(line));
        // One venue tells of balances only when it is asked.
        let silent = |line: &str| line.starts_with("hyperliquid: ") && excused(line);
        found.retain(|line| !silent(line) && (rested || !excused(line)));
        for instrument in table.iter() {
            let ledger = &ledgers[self.plan.slot(instrument.venue)].1;
            let theirs = ledger.position(&instrument.symbol, instrument.is_perpetual());
            let ours = last.positions.iter().find(|row| row.instrument == instrument.id).unwrap();
            let paid = (ours.cost.0 - ours.realised.0, theirs.cost_e18 - theirs.realised_e18);
            let shown = |e18| Amount(e18).to_decimal();
            if paid.0 != paid.1 && !self.is_near(instrument, shown(paid.0), shown(paid.1)) {
                let (ours, theirs) = paid;
                found.push(format!("{}: paid: engine {ours}, venue {theirs}", instrument.name));
            }
            if instrument.is_perpetual() && !self.is_near(instrument, entry(ours), theirs.entry) {
                let (ours, theirs) = (entry(ours), theirs.entry);
                found.push(format!("{}: entry: engine {ours}, venue {theirs}", instrument.name));
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
                return fail(format!("{} still holds open orders", self.venue_name(*venue)));
            }
        }
        let c = &last.counters;
        let taken = c.orders_filled + c.orders_canceled + c.orders_expired;
        if c.orders_sent != taken + c.orders_rejected || c.orders_open + c.orders_unknown > 0 {
            return fail(format!("the counters do not add up: {c:?}"));
        }
        // Where a change makes a new order of the venue, with the same client id, both are counted.
        let theirs: u64 = ledgers.iter().map(|(_, ledger)| ledger.orders).sum();
        let renewed = self.plan.venues.iter().any(|v| self.venue_name(*v) == "hyperliquid");
        let most = taken + if renewed { c.replaces_sent } else { 0 };
        if theirs < taken || theirs > most {
            return fail(format!("{taken} orders were taken, the venues say {theirs}: {c:?}"));
        }
        if c.fills != ledgers.iter().map(|(_, ledger)| ledger.fills).sum::<u64>() {
            return fail(format!("fills: {c:?}"));
        }
        self.perpetuals(engine, sim)
    }

    /// Every fill of a liquidation is known as one that we did not ask for.
    fn perpetuals(&self, engine: &Assembly, sim: &InMemory) -> Result<(), Failure> {
        let c = engine.oms.oms().counters();
        let taken = liquidations(&self.plan, sim).count() as u64;
        if c.fills_external != taken {
            return fail(format!("{taken} fills of liquidations, the engine has booked: {c:?}"));
        }
        Ok(())
    }
}

/// Fills of a venue's own orders, which close positions that are out of margin.
pub fn liquidations<'s>(plan: &Plan, sim: &'s InMemory) -> impl Iterator<Item = &'s SimFill> {
    let venues = if plan.thin { plan.venues.len() } else { 0 };
    (0..venues).flat_map(move |venue| {
        let exchange = sim.exchange(venue);
        let perpetuals = exchange.symbols().iter().filter(|rules| rules.perpetual.is_some());
        let fills = perpetuals.flat_map(move |rules| exchange.fills(ACCOUNT, &rules.symbol));
        fills.filter(|fill| fill.client_id.starts_with(LIQUIDATION))
    })
}

/// How much of an underlying venues have taken from us: nobody asked us whether the others' positions
/// are still within the limit then.
fn liquidated(plan: &Plan, sim: &InMemory, base: &str) -> Decimal {
    let of_base = |fill: &&SimFill| fill.symbol.starts_with(base);
    liquidations(plan, sim).filter(of_base).map(|fill| fill.qty).sum()
}

/// Average price of the open quantity, as the simulated venue rounds it.
fn entry(position: &PositionRow) -> Decimal {
    let qty = position.qty.to_decimal();
    if qty.is_zero() { qty } else { (position.cost.to_decimal() / qty).round_dp(12) }
}
