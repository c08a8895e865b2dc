//! Signals with a contract between their legs: at the quiet end each is told, and what it tells of
//! every leg is what the venues have filled.

use crate::checks::Failure;
use crate::markets::{client_id, symbol};
use crate::plan::{MS, Plan, SECOND};
use rust_decimal::Decimal;
use std::collections::{BTreeMap, HashMap};
use stoop::agents::Assembly;
use stoop::oms::{Order, RiskReject};
use stoop::shm::PairReader;
use stoop::sim::{AccountId, InMemory};
use stoop::types::{
    BreachAction, ClientOrderId, HEDGE_LEG, Instrument, PairEnd, PairOutcome, Qty, Rounding,
};

/// Longest that the traders allow a quantity to be naked.
pub const NAKED_MS_MAX: u64 = 2_000;
/// With nothing wrong: what it takes on top of that until the hedge has filled.
const HEALING_NS: u64 = 3 * SECOND;

/// A fee is at most one part in so many.
const FEE_PARTS: i64 = 500;

/// Outcomes as they were told, the newest of each pair.
pub struct Pairs {
    reader: Option<PairReader>,
    /// By when it was opened, strategy and signal: numbers of signals begin anew with an engine.
    outcomes: BTreeMap<(u64, u8, u64), PairOutcome>,
    /// Nothing goes wrong in this run.
    calm: bool,
    /// How many were compared with the venues.
    pub compared: u64,
}

impl Pairs {
    pub fn new(plan: &Plan) -> Self {
        let calm = plan.faults.is_empty();
        Self { reader: None, outcomes: BTreeMap::new(), calm, compared: 0 }
    }

    /// An engine has been started.
    pub fn on_start(&mut self, engine: &Assembly) {
        self.reader = engine.view.pairs();
    }

    /// Reads what was told since the last look.
    pub fn read(&mut self) -> Result<(), Failure> {
        let Some(reader) = &mut self.reader else { return Ok(()) };
        loop {
            match reader.next() {
                Ok(Some(pair)) => {
                    let key = (pair.opened_ns.0, pair.strategy.0, pair.signal.0);
                    self.outcomes.insert(key, pair);
                }
                Ok(None) => return Ok(()),
                Err(lapped) => return Err(Failure(format!("outcomes of pairs: {lapped:?}"))),
            }
        }
    }

    /// At the quiet end.
    pub fn end(&mut self, plan: &Plan, engine: &Assembly, sim: &InMemory) -> Result<(), Failure> {
        let open = engine.oms.oms().pairs_open();
        if open > 0 {
            return Err(Failure(format!("{open} pairs are open although all is quiet")));
        }
        let filled = filled(plan, engine, sim);
        for pair in self.outcomes.values() {
            self.compared += u64::from(compare(pair, engine, &filled)?);
            let naked_max = NAKED_MS_MAX * MS + HEALING_NS;
            // At the end the market stands still, and soon no book may be traded on. A limit on
            // positions goes before: others may have used it up.
            let (old, limit) = (RiskReject::BookTooOld as u8, RiskReject::PositionLimit as u8);
            let market = pair.risk != old && pair.risk != limit;
            if self.calm
                && market
                && pair.action != Some(BreachAction::Hold)
                && pair.naked_ns > naked_max
            {
                return Err(Failure(format!("naked for too long: {pair:?}")));
            }
        }
        Ok(())
    }
}

/// What the venues have filled of each of our orders.
fn filled(plan: &Plan, engine: &Assembly, sim: &InMemory) -> HashMap<ClientOrderId, Decimal> {
    let mut filled = HashMap::<ClientOrderId, Decimal>::new();
    for instrument in engine.view.instruments().iter() {
        let exchange = sim.exchange(plan.slot(instrument.venue));
        for fill in exchange.fills(AccountId(0), &symbol(instrument)) {
            *filled.entry(client_id(&fill.client_id)).or_default() += fill.qty;
        }
    }
    filled
}

/// Whether it could be compared: orders that ended long ago are not remembered.
fn compare(
    pair: &PairOutcome,
    engine: &Assembly,
    filled: &HashMap<ClientOrderId, Decimal>,
) -> Result<bool, Failure> {
    let wrong = |what: String| Err(Failure(format!("{what}: {pair:?}")));
    let orders = engine.oms.oms().orders();
    let first = orders.iter().find(|order| {
        let own = order.strategy == pair.strategy && order.signal == pair.signal;
        own && order.pair > 0 && order.created_ns == pair.opened_ns
    });
    let Some(serial) = first.map(|order| order.pair) else { return Ok(false) };
    let Some(scale) = instrument(engine, pair, 0).map(|instrument| instrument.scale) else {
        return wrong("legs of no instrument".to_owned());
    };
    let total = |wanted: &dyn Fn(&Order) -> bool| -> Decimal {
        let members = orders.iter().filter(|order| order.pair == serial && wanted(order));
        members.filter_map(|order| filled.get(&order.client_id)).sum()
    };
    let shown = |qty: Qty| scale.qty_decimal(qty);
    for (at, leg) in pair.legs().iter().enumerate() {
        let theirs = total(&|order| usize::from(order.leg) == at);
        if theirs != shown(leg.got_qty) {
            return wrong(format!("leg {at}: the venue filled {theirs}"));
        }
    }
    let theirs = total(&|order| order.leg & HEDGE_LEG != 0);
    if theirs != shown(pair.hedged) {
        return wrong(format!("the venues filled hedges of {theirs}"));
    }
    let held = pair.end == PairEnd::Held;
    let wanted = pair.action == Some(BreachAction::Hold) || pair.risk > 0;
    if held && !wanted {
        return wrong("held for no reason".to_owned());
    }
    if !held && !is_dust(engine, pair) {
        return wrong("something naked is left and not said to be held".to_owned());
    }
    Ok(true)
}

fn instrument<'e>(engine: &'e Assembly, pair: &PairOutcome, leg: usize) -> Option<&'e Instrument> {
    engine.view.instruments().get(pair.legs().get(leg)?.instrument)
}

/// Whether some leg's venue would not take what is left, less what fees took of it.
fn is_dust(engine: &Assembly, pair: &PairOutcome) -> bool {
    let left = pair.left.0.abs();
    let left = Qty(left - left / FEE_PARTS);
    (0..pair.legs().len()).filter_map(|at| Some((at, instrument(engine, pair, at)?))).any(
        |(at, instrument)| {
            let rules = &instrument.rules;
            let price = pair.legs[at].price;
            let left = left.round_to(rules.lot_size, Rounding::Down);
            let value = instrument.scale.notional(price, left).unwrap_or_default();
            left < rules.lot_size || left < rules.qty_min || value < rules.notional_min
        },
    )
}
