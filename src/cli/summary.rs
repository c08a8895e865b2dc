//! What a run was worth: counters, profit, latency, and whether the engine and the simulated
//! venues agree on every balance, position and fee.

use super::paper::Missed;
use super::run::Firsts;
use crate::agents::{FinalState, PairStats};
use crate::shm::{MarketView, OrderCounters, PnlRow, Stage};
use crate::show::words;
use crate::sync::histogram::Snapshot;
use crate::types::{Amount, ProcessEnd, VenueId};
use serde_json::{Value, json};

/// Everything that is printed at the end.
pub(super) struct Summary {
    pub mode: &'static str,
    pub layout: String,
    pub seconds: f64,
    pub firsts: Firsts,
    /// Why it stopped, if a person, a file or a signal said so.
    pub stopped: Option<String>,
    pub counters: OrderCounters,
    /// Asset that profit is counted in, and the profit.
    pub pnl: Vec<(String, PnlRow)>,
    /// Name of the stage and its histogram over all venues.
    pub stages: Vec<(&'static str, Snapshot)>,
    /// `None` where there is no ledger to compare with.
    pub differences: Option<Vec<String>>,
    /// Orders that could not be confirmed as ended.
    pub unconfirmed: Vec<String>,
    /// Why the journal does not hold everything, if it does not.
    pub unrecorded: Option<String>,
    /// Signals with a contract.
    pub pairs: PairStats,
    /// What of the market the simulated venues were not told, where they follow one.
    pub missed: Option<Missed>,
    /// Strategies whose process was not started again, and how it ended.
    pub strategies_ended: Vec<(String, ProcessEnd)>,
}

/// Histogram of a stage over all venues.
pub(super) fn stage(view: &MarketView, stage: Stage, venues: &[VenueId]) -> Snapshot {
    let mut all = view.histogram(stage, VenueId(0));
    for venue in venues.iter().filter(|venue| venue.0 != 0) {
        all.merge(&view.histogram(stage, *venue));
    }
    all
}

impl Summary {
    pub fn collect(
        view: &MarketView,
        (venues, strategies): (&[VenueId], &[String]),
        last: &FinalState,
    ) -> Self {
        let ends = strategies.iter().zip(last.counters.ended);
        let ended = ends.filter_map(|(name, end)| Some((name.clone(), end?)));
        let assets = &view.instruments().assets;
        let pnl = last.pnl.iter().map(|row| (assets.name(row.quote).to_owned(), *row));
        Self {
            mode: "",
            layout: String::new(),
            seconds: 0.0,
            firsts: Firsts::default(),
            stopped: None,
            counters: last.counters,
            pnl: pnl.collect(),
            stages: Stage::ALL.iter().map(|s| (s.name(), stage(view, *s, venues))).collect(),
            differences: None,
            unconfirmed: last.unconfirmed.clone(),
            unrecorded: last.unrecorded.clone(),
            pairs: last.pairs.clone(),
            missed: None,
            strategies_ended: ended.collect(),
        }
    }

    /// Sent orders that ended or are open; anything else is a defect.
    fn accounted(&self) -> bool {
        let c = &self.counters;
        let ended = c.orders_filled + c.orders_canceled + c.orders_rejected + c.orders_expired;
        c.orders_sent == ended + c.orders_open
    }

    /// Whether the run may be called good.
    pub fn is_good(&self) -> bool {
        self.accounted()
            && self.counters.orders_open == 0
            && self.unconfirmed.is_empty()
            && self.unrecorded.is_none()
            && self.differences.as_ref().is_none_or(Vec::is_empty)
    }

    fn named(&self, stage: Stage) -> Value {
        let found = self.stages.iter().find(|(name, _)| *name == stage.name());
        found.map_or(Value::Null, |(_, snapshot)| histogram(snapshot))
    }

    pub fn json(&self) -> Value {
        let c = &self.counters;
        let total = |of: fn(&PnlRow) -> Amount| {
            self.pnl.first().map_or(Amount::ZERO, |(_, row)| of(row)).to_string()
        };
        let stages: serde_json::Map<String, Value> = self
            .stages
            .iter()
            .map(|(name, snapshot)| ((*name).to_owned(), histogram(snapshot)))
            .collect();
        let mut object = json!({
            "mode": self.mode,
            "layout": self.layout,
            "seconds": self.seconds,
            "stopped": self.stopped,
            "first_book_ms": self.firsts.book_ms,
            "first_order_ms": self.firsts.order_ms,
            "signals": c.signals,
            "signals_refused": c.signals_refused,
            "orders_sent": c.orders_sent,
            "orders_filled": c.orders_filled,
            "orders_rejected": c.orders_rejected,
            "orders_expired": c.orders_expired,
            "orders_canceled": c.orders_canceled,
            "orders_open": c.orders_open,
            "orders_unknown": c.orders_unknown,
            "orders_accounted": self.accounted(),
            "trading_state": c.trading_state.to_string(),
            "loss_switch": c.loss_switch.map(|switch| switch.to_string()),
            "fills": c.fills,
            "fills_duplicated": c.duplicates,
            "fills_late": c.late_fills,
            "fills_external": c.fills_external,
            "orders_external": c.orders_external,
            "replaces_sent": c.replaces_sent,
            "reconciliations": c.reconciliations,
            "differences": c.differences,
            "quarantined": c.quarantined,
            "not_answering": c.not_answering,
            "venues_halted": c.venues_halted,
            "ledger_equal": self.differences.as_ref().map(Vec::is_empty),
            "ledger_differences": self.differences,
            "unconfirmed": self.unconfirmed,
            "pnl_asset": self.pnl.first().map(|row| row.0.clone()),
            "realised_pnl": total(|row| row.realised),
            "unrealised_pnl": total(|row| row.unrealised),
            "fees": total(|row| row.fees),
            "pnl": pnl_json(&self.pnl),
            "pairs": pairs_json(&self.pairs),
            "leg_skew_ns": self.named(Stage::LegSkew),
            "tick_to_order_ns": self.named(Stage::TickToOrder),
            "stages_ns": stages,
        });
        object["funding"] = total(|row| row.funding).into();
        object["missed"] = missed_json(self.missed);
        object["strategies_ended"] = ended_json(&self.strategies_ended);
        object["journal_error"] = self.unrecorded.clone().into();
        object
    }

    pub fn print(&self) {
        let c = &self.counters;
        println!("ran {:.1} s in mode {}, {}", self.seconds, self.mode, self.layout);
        if let Some(reason) = &self.stopped {
            println!("stopped   {reason}");
        }
        if let Some(error) = &self.unrecorded {
            println!("journal   NOT COMPLETE: {error}");
        }
        for (name, end) in &self.strategies_ended {
            println!("strategy  {name} {}", words::ended(*end));
        }
        if let Some(switch) = c.loss_switch {
            println!("limits    the {switch} switch was thrown: {}", c.trading_state);
        }
        println!("signals   {} ({} refused by risk)", c.signals, c.signals_refused);
        println!(
            "orders    {} sent = {} filled + {} expired + {} canceled + {} rejected + {} open",
            c.orders_sent,
            c.orders_filled,
            c.orders_expired,
            c.orders_canceled,
            c.orders_rejected,
            c.orders_open
        );
        println!("fills     {}", c.fills);
        print_pairs(&self.pairs);
        for (asset, row) in &self.pnl {
            let funding = match row.funding {
                Amount::ZERO => String::new(),
                funding => format!(" funding {}", cents(funding)),
            };
            println!(
                "profit    {asset} realised {} unrealised {} fees {}{funding}",
                cents(row.realised),
                cents(row.unrealised),
                cents(row.fees)
            );
        }
        match &self.differences {
            Some(list) if list.is_empty() => {
                println!("ledgers   equal to the venues' in every balance, position and fee");
            }
            Some(list) => {
                for difference in list {
                    println!("ledgers   DIFFER: {difference}");
                }
            }
            None => {}
        }
        print_missed(self.missed);
        for order in &self.unconfirmed {
            println!("orders    NOT CONFIRMED: {order}");
        }
        println!(
            "\n{:<14} {:>9} {:>12} {:>12} {:>12} {:>12}",
            "latency, us", "count", "p50", "p99", "p99.9", "max"
        );
        for (name, snapshot) in &self.stages {
            let us = |ns: u64| format!("{:.2}", ns as f64 / 1e3);
            println!(
                "{:<14} {:>9} {:>12} {:>12} {:>12} {:>12}",
                name,
                snapshot.count,
                us(snapshot.quantile(0.5)),
                us(snapshot.quantile(0.99)),
                us(snapshot.quantile(0.999)),
                us(snapshot.max)
            );
        }
    }
}

fn pnl_json(pnl: &[(String, PnlRow)]) -> Value {
    let rows = pnl.iter().map(|(asset, row)| {
        let row = json!({
            "realised": row.realised.to_string(),
            "unrealised": row.unrealised.to_string(),
            "fees": row.fees.to_string(),
            "funding": row.funding.to_string(),
        });
        (asset.clone(), row)
    });
    Value::Object(rows.collect())
}

fn ended_json(strategies: &[(String, ProcessEnd)]) -> Value {
    let rows = strategies.iter();
    rows.map(|(name, end)| json!({ "strategy": name, "ended": end.to_string() })).collect()
}

fn missed_json(missed: Option<Missed>) -> Value {
    missed.map_or(Value::Null, |missed| {
        json!({
            "books": missed.books,
            "prints": missed.prints,
            "marks": missed.marks,
            "funding": missed.funding,
        })
    })
}

fn print_missed(missed: Option<Missed>) {
    if let Some(Missed { books, prints, marks, funding }) = missed {
        println!(
            "market    books lost {books} times, {prints} prints without effect on orders that rest"
        );
        println!("          marks too old {marks} times, {funding} payments of funding left out");
    }
}

fn bps(ppb: i64) -> f64 {
    ppb as f64 / 100_000.0
}

fn pairs_json(pairs: &PairStats) -> Value {
    let [nothing, balanced, unwound, completed, held] = pairs.ends;
    let [time, qty, refused] = pairs.breaches;
    let [unwind, complete, hold, none] = pairs.actions;
    json!({
        "count": pairs.count,
        "nothing_filled": nothing,
        "balanced": balanced,
        "unwound": unwound,
        "completed": completed,
        "held": held,
        "breaches": { "time": time, "quantity": qty, "refused": refused },
        "breaches_by_action":
            { "unwind": unwind, "complete": complete, "hold": hold, "none": none },
        "reopened": pairs.reopened,
        "hedges": pairs.hedges,
        "naked_ns": { "p50": pairs.naked_ns[0], "max": pairs.naked_ns[1] },
        "cost_bps": { "p50": bps(pairs.cost_ppb[0]), "p99": bps(pairs.cost_ppb[1]) },
    })
}

fn print_pairs(pairs: &PairStats) {
    if pairs.count == 0 {
        return;
    }
    let [nothing, balanced, unwound, completed, held] = pairs.ends;
    println!(
        "pairs     {} = {balanced} balanced + {unwound} unwound + {completed} completed + {held} \
         held + {nothing} unfilled; {} hedging orders",
        pairs.count, pairs.hedges
    );
    println!(
        "          naked ms p50 {:.2} max {:.2}; cost bps p50 {:.2} p99 {:.2}",
        pairs.naked_ns[0] as f64 / 1e6,
        pairs.naked_ns[1] as f64 / 1e6,
        bps(pairs.cost_ppb[0]),
        bps(pairs.cost_ppb[1])
    );
}

fn cents(amount: Amount) -> String {
    amount.to_decimal().round_dp(4).to_string()
}

fn histogram(snapshot: &Snapshot) -> Value {
    json!({
        "count": snapshot.count,
        "p50": snapshot.quantile(0.5),
        "p99": snapshot.quantile(0.99),
        "p999": snapshot.quantile(0.999),
        "max": snapshot.max,
    })
}
