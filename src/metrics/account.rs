//! Orders, money and journal on the page.

#![forbid(unsafe_code)]

use super::page::{Kind, Page};
use super::venues::venue_name;
use super::{Names, Pairs};
use crate::shm::{MarketView, OrderCounters};
use crate::types::{Breach, LimitKey, StrategyId, TradingState};
use Kind::{Counter, Gauge};

/// One count of the order manager.
type Count = (&'static str, Kind, &'static str, fn(&OrderCounters) -> u64);

const COUNTS: &[Count] = &[
    ("stoop_signals_total", Counter, "Signals taken from strategies", |c| c.signals),
    (
        "stoop_signals_refused_total",
        Counter,
        "Signals with a leg that was refused by a limit",
        |c| c.signals_refused,
    ),
    ("stoop_orders_sent_total", Counter, "Orders handed to executors", |c| c.orders_sent),
    ("stoop_cancels_sent_total", Counter, "Cancels handed to executors", |c| c.cancels_sent),
    ("stoop_replaces_sent_total", Counter, "Replaces handed to executors", |c| c.replaces_sent),
    ("stoop_orders_never_sent_total", Counter, "Orders and replaces that waited too long", |c| {
        c.never_sent
    }),
    ("stoop_orders_open", Gauge, "Orders working or on their way", |c| c.orders_open),
    ("stoop_orders_unknown", Gauge, "Orders whose outcome is not known", |c| c.orders_unknown),
    ("stoop_orders_external", Gauge, "Working orders of others", |c| c.orders_external),
    ("stoop_fills_total", Counter, "Fills booked", |c| c.fills),
    ("stoop_fills_late_total", Counter, "Fills after the order had ended", |c| c.late_fills),
    ("stoop_fills_external_total", Counter, "Fills of no order of ours", |c| c.fills_external),
    ("stoop_reports_duplicate_total", Counter, "Reports of what was known already", |c| {
        c.duplicates
    }),
    ("stoop_reports_quarantined_total", Counter, "Statements that contradict what is known", |c| {
        c.quarantined
    }),
    ("stoop_strategy_bad_records_total", Counter, "Unreadable requests of strategies", |c| {
        c.bad_records
    }),
    (
        "stoop_strategy_reports_waiting",
        Gauge,
        "Reports that wait for room in a strategy's ring",
        |c| c.reports_waiting,
    ),
    ("stoop_strategy_reports_lost_total", Counter, "Reports that a strategy never got", |c| {
        c.reports_lost
    }),
    ("stoop_reconciliations_total", Counter, "Reconciliations completed", |c| c.reconciliations),
    ("stoop_differences_total", Counter, "Differences that they found", |c| c.differences),
    ("stoop_venues_silent_total", Counter, "Times that a venue did not answer for too long", |c| {
        c.not_answering
    }),
    ("stoop_venues_halted", Gauge, "Venues that wait for a person's decision", |c| c.venues_halted),
    ("stoop_loss_switch", Gauge, "1 while losses have left only reducing orders allowed", |c| {
        u64::from(c.loss_switch.is_some())
    }),
];

const JOURNAL: &[Count] = &[
    ("stoop_journal_records_total", Counter, "Records in the journal", |c| c.journal_records),
    ("stoop_journal_unsynced_records", Gauge, "Records that the disk may not have yet", |c| {
        c.journal_unsynced
    }),
    ("stoop_journal_syncs", Gauge, "1 where the disk is asked to have the records", |c| {
        c.journal_syncs
    }),
    ("stoop_journal_lost_records_total", Counter, "Records that could not be kept", |c| {
        c.journal_lost
    }),
    ("stoop_journal_short", Gauge, "1 while it has room for cancels and reports only", |c| {
        c.journal_short
    }),
];

fn counts(page: &mut Page, table: &[Count], counters: &OrderCounters) {
    for (name, kind, help, count) in table {
        page.single(name, *kind, help, count(counters));
    }
}

pub(super) fn orders(page: &mut Page, counters: &OrderCounters, names: &Names) {
    counts(page, COUNTS, counters);
    let c = counters;
    let help = "Orders that ended, by venue and outcome";
    let mut family = page.family("stoop_orders_total", Counter, help);
    for venue in &names.venues {
        let Some(of) = c.venues.get(usize::from(venue.venue.0)) else { continue };
        let outcomes = [
            ("filled", of.filled),
            ("canceled", of.canceled),
            ("rejected", of.rejected),
            ("expired", of.expired),
        ];
        for (outcome, count) in outcomes {
            family.sample(&[("outcome", outcome), ("venue", venue.name)], count);
        }
    }
    let ends = [c.orders_filled, c.orders_canceled, c.orders_rejected, c.orders_expired];
    let ended = ends.into_iter().fold(0u64, u64::saturating_add);
    // Of nothing there is no part.
    let part = |count: u64| if ended == 0 { f64::NAN } else { count as f64 / ended as f64 };
    let help = "Part of the ended orders that were filled, since the start";
    page.single("stoop_order_fill_ratio", Gauge, help, part(c.orders_filled));
    let help = "Part of the ended orders that a venue refused, since the start";
    page.single("stoop_order_reject_ratio", Gauge, help, part(c.orders_rejected));
    let help = "Signals and orders that a limit of ours refused, by reason";
    let mut family = page.family("stoop_risk_refusals_total", Counter, help);
    for (reason, count) in names.refusals.iter().zip(c.refusals) {
        if !reason.is_empty() {
            family.sample(&[("reason", reason)], count);
        }
    }
    let help = "1 for the state that the whole engine is in";
    let mut family = page.family("stoop_trading_state", Gauge, help);
    for state in [TradingState::Active, TradingState::ReduceOnly, TradingState::Halted] {
        let is_it = u8::from(state == c.trading_state);
        family.sample(&[("state", &state.to_string())], is_it);
    }
}

pub(super) fn pairs(page: &mut Page, pairs: &Pairs, names: &Names) {
    let help = "Signals with a contract that ended, by how; one that a late fill opened again counts again";
    let mut family = page.family("stoop_legs_total", Counter, help);
    for ((strategy, end), count) in &pairs.ends {
        let name = strategy_name(names, StrategyId(*strategy));
        family.sample(&[("strategy", &name), ("end", end.name())], count);
    }
    let help = "Bounds of such signals that were passed, by which";
    let mut family = page.family("stoop_leg_breaches_total", Counter, help);
    for (breach, count) in Breach::ALL.iter().zip(pairs.breaches) {
        family.sample(&[("bound", breach.name())], count);
    }
    let help = "Ends that were overwritten before they were counted";
    page.single("stoop_legs_missed_total", Counter, help, pairs.missed);
}

/// Its number where it has no name.
fn strategy_name(names: &Names, StrategyId(number): StrategyId) -> String {
    let name = names.strategies.get(usize::from(number)).cloned();
    name.unwrap_or_else(|| number.to_string())
}

pub(super) fn money(page: &mut Page, view: &MarketView, names: &Names) {
    let table = view.instruments();
    let asset = |id| table.assets.name(id);
    let help = "Signed position, in units of the base asset";
    let mut family = page.family("stoop_position_base", Gauge, help);
    for row in view.positions() {
        let Some(instrument) = table.get(row.instrument) else { continue };
        let venue = venue_name(names, instrument.venue);
        family.sample(&[("instrument", &instrument.name), ("venue", venue)], row.qty);
    }
    let help = "Profit and its parts since the books began, in units of the quote asset";
    let mut family = page.family("stoop_pnl_quote", Gauge, help);
    for row in view.pnl() {
        let parts = [
            ("realised", row.realised),
            ("unrealised", row.unrealised),
            ("fees", row.fees),
            ("funding", row.funding),
        ];
        for (part, value) in parts {
            family.sample(&[("quote", asset(row.quote)), ("part", part)], value);
        }
    }
    limits(page, view);
    strategy_limits(page, view, names);
    budgets(page, view, names);
    balances(page, view, names);
}

/// Limits in force: a person may have changed those of the file. One that is not set has no sample.
fn limits(page: &mut Page, view: &MarketView) {
    let table = view.instruments();
    let plain = view.limits().unwrap_or_default();
    let help = "Loss as the switches measure it, in units of the quote asset; a profit is negative";
    let mut family = page.family("stoop_loss_quote", Gauge, help);
    for row in view.pnl() {
        let losses =
            [(LimitKey::DailyLossMax, row.lost_today), (LimitKey::DrawdownMax, row.drawdown)];
        for (limit, value) in losses.into_iter().filter(|(limit, _)| plain.get(*limit).is_some()) {
            let quote = table.assets.name(row.quote);
            family.sample(&[("quote", quote), ("limit", limit.name())], value);
        }
    }
    let help = "Limits in force, in units of the quote asset";
    let mut family = page.family("stoop_limit_quote", Gauge, help);
    for limit in [LimitKey::DailyLossMax, LimitKey::DrawdownMax, LimitKey::OrderNotionalMax] {
        if let Some(value) = plain.get(limit) {
            family.sample(&[("limit", limit.name())], value);
        }
    }
    let help = "Largest position of an underlying that is allowed now, in its units";
    let mut family = page.family("stoop_position_limit_base", Gauge, help);
    for (base, row) in view.underlying_limits() {
        if let Some(limit) = row.limit {
            family.sample(&[("underlying", table.assets.name(base))], limit);
        }
    }
}

/// The same of single strategies, and the orders that the second is held against.
fn strategy_limits(page: &mut Page, view: &MarketView, names: &Names) {
    let rows = view.strategy_limits();
    let help = "Limits in force of single strategies, in orders";
    let mut family = page.family("stoop_strategy_limit", Gauge, help);
    for (strategy, row) in &rows {
        let name = strategy_name(names, *strategy);
        let limits = [
            (LimitKey::StrategyOrdersPerSecondMax(*strategy), row.orders_per_second),
            (LimitKey::StrategyOrdersOpenMax(*strategy), row.orders_open),
        ];
        for (limit, value) in limits {
            if let Some(value) = value {
                family.sample(&[("strategy", &name), ("limit", limit.name())], value);
            }
        }
    }
    let help = "Orders of a strategy that are working or on their way";
    let mut family = page.family("stoop_strategy_orders_open", Gauge, help);
    for (strategy, row) in &rows {
        family.sample(&[("strategy", &strategy_name(names, *strategy))], row.open);
    }
}

/// What each strategy may use at each venue, where that is set, and what it uses everywhere.
fn budgets(page: &mut Page, view: &MarketView, names: &Names) {
    let rows = view.budgets();
    let rows: Vec<_> = rows
        .iter()
        .map(|(strategy, venue, row)| {
            (strategy_name(names, *strategy), venue_name(names, *venue), row)
        })
        .collect();
    let help = "Capital that a strategy may use at a venue now, in units of the quote asset";
    let mut family = page.family("stoop_budget_quote", Gauge, help);
    for (strategy, venue, row) in &rows {
        if let Some(limit) = row.limit {
            family.sample(&[("strategy", strategy), ("venue", venue)], limit);
        }
    }
    let help = "Capital in what it bought there and in its working orders, in the same units";
    let mut family = page.family("stoop_budget_used_quote", Gauge, help);
    for (strategy, venue, row) in &rows {
        family.sample(&[("strategy", strategy), ("venue", venue)], row.used);
    }
}

fn balances(page: &mut Page, view: &MarketView, names: &Names) {
    let table = view.instruments();
    let help = "Balance as the venue states it, in units of the asset";
    let mut family = page.family("stoop_balance", Gauge, help);
    for row in view.balances() {
        let (venue, asset) =
            (venue_name(names, row.balance.venue), table.assets.name(row.balance.asset));
        for (part, value) in [("free", row.balance.free), ("locked", row.balance.locked)] {
            family.sample(&[("venue", venue), ("asset", asset), ("part", part)], value);
        }
    }
    let help = "Maintenance margin over equity; at 1 the venue takes positions";
    let mut family = page.family("stoop_margin_used_ratio", Gauge, help);
    for row in view.margins() {
        let Some(percent) = row.used_percent() else { continue };
        let (venue, asset) =
            (venue_name(names, row.stated.venue), table.assets.name(row.stated.asset));
        family.sample(&[("venue", venue), ("asset", asset)], (percent * 1e4).round() / 1e6);
    }
}

pub(super) fn journal(page: &mut Page, counters: &OrderCounters) {
    counts(page, JOURNAL, counters);
}
