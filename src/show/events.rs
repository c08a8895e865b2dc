//! What an operator wants to have been told, out of the journal: venues that may be traded on or not
//! any more, halts, refusals, what people did, funding, corrections, what became of legs.

#![forbid(unsafe_code)]

use super::naming::{Naming, venue_name};
use super::table::{Cell, Column, Kind, Row};
use super::walk::Group;
use super::words;
use crate::oms::{ClosingState, Record, Replayed, RiskReject};
use crate::types::{
    ClientOrderId, ExecutionReport, Nanos, Operator, OrderState, PairEnd, Repeats, ReportKind,
    Scope, StrategyId, Teller, VenueId, VenueNotice,
};
use std::collections::BTreeMap;

/// Columns of [`EventRow`].
pub const EVENT_COLUMNS: [Column; 10] = [
    Column::new("time", Kind::Time),
    Column::new("level", Kind::Text),
    Column::new("kind", Kind::Text),
    Column::new("venue", Kind::Text),
    Column::hidden("instrument", Kind::Text),
    Column::hidden("strategy", Kind::Text),
    Column::hidden("order", Kind::Text),
    Column::new("text", Kind::Text),
    Column::hidden("by", Kind::Text),
    Column::hidden("record", Kind::Count),
];

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventRow {
    /// Number of its record in the journal.
    pub sequence: u64,
    /// When.
    pub time: Nanos,
    /// `info`, `warn`, `error`
    pub level: &'static str,
    /// Its class, one word or two.
    pub kind: &'static str,
    /// At which venue; empty if at none.
    pub venue: String,
    /// In what; empty if in nothing.
    pub instrument: String,
    /// Whose; empty if nobody's.
    pub strategy: String,
    /// About which order; empty if about none.
    pub order: String,
    /// What, in words.
    pub text: String,
    /// Who did it: a user with its process, `watchdog`, `loss switch`; empty if that is nobody.
    pub by: String,
}

impl EventRow {
    /// Its cells, in the order of [`EVENT_COLUMNS`].
    #[must_use]
    pub fn cells(&self) -> Row {
        vec![
            Cell::time(self.time),
            self.level.into(),
            self.kind.into(),
            self.venue.as_str().into(),
            self.instrument.as_str().into(),
            self.strategy.as_str().into(),
            self.order.as_str().into(),
            self.text.as_str().into(),
            self.by.as_str().into(),
            Cell::count(self.sequence),
        ]
    }
}

/// Refusals of one kind to one strategy that were not told of yet.
#[derive(Clone, Debug, Default)]
struct Refused {
    told: Repeats,
    more: u64,
}

/// Makes events of inputs and what followed from them.
#[derive(Clone, Debug, Default)]
pub struct Events {
    /// Of each venue, whether it was ready.
    ready: Vec<bool>,
    refused: BTreeMap<(StrategyId, u8), Refused>,
}

impl Events {
    /// Begins with a state, if there is one.
    #[must_use]
    pub fn over(state: Option<&Replayed>, now: Nanos) -> Self {
        let mut events = Self::default();
        if let Some(state) = state {
            events.ready = ready(state, now);
        }
        events
    }

    /// The events of one input, oldest first. `state` is the one after it.
    pub fn take(&mut self, group: &Group, state: &Replayed) -> Vec<EventRow> {
        let names = Naming::of(state);
        let mut rows = Vec::new();
        let at = |row: EventRow| EventRow { sequence: group.sequence, time: group.time, ..row };
        rows.extend(input(&group.input, &names).map(at));
        for effect in &group.effects {
            if let Record::Refusal { strategy, signal, code, .. } = effect {
                let row = self.refusal(*strategy, *code, group.time, &names);
                let of = format!(" (signal {})", signal.0);
                rows.extend(row.map(|row| at(EventRow { text: row.text.clone() + &of, ..row })));
            } else {
                rows.extend(effect_row(effect, &names).map(at));
            }
        }
        rows.extend(self.readiness(group, state).into_iter().map(at));
        rows
    }

    /// The first at once, then now and then with the number of those since.
    fn refusal(
        &mut self,
        strategy: StrategyId,
        code: RiskReject,
        now: Nanos,
        names: &Naming<'_>,
    ) -> Option<EventRow> {
        // The other leg's own refusal says why.
        if code == RiskReject::OtherLeg {
            return None;
        }
        let refused = self.refused.entry((strategy, code as u8)).or_default();
        if !refused.told.is_due(now) {
            refused.more += 1;
            return None;
        }
        let more = match std::mem::take(&mut refused.more) {
            0 => String::new(),
            more => format!(", {more} more since the last time"),
        };
        Some(EventRow {
            level: "warn",
            kind: "refusal",
            strategy: names.strategy(strategy),
            text: format!("{} was refused: {code}{more}", names.strategy(strategy)),
            ..EventRow::default()
        })
    }

    /// Venues that may be traded on now and could not before, or the other way round.
    fn readiness(&mut self, group: &Group, state: &Replayed) -> Vec<EventRow> {
        let now = ready(state, group.time);
        if now == self.ready {
            return Vec::new();
        }
        let before = std::mem::replace(&mut self.ready, now.clone());
        let changed = now.iter().enumerate();
        let changed = changed.filter(|(at, is)| before.get(*at).copied().unwrap_or(false) != **is);
        changed
            .map(|(at, is_ready)| {
                let venue = VenueId(at as u8);
                let why = state.why_not_ready(venue, group.time);
                let (level, text) = match why {
                    None if *is_ready => ("info", "may be traded on".to_owned()),
                    why => {
                        let why = why.map(words::not_ready).unwrap_or_default();
                        ("warn", format!("gets no new orders: {why}"))
                    }
                };
                EventRow {
                    level,
                    kind: "ready",
                    venue: venue_name(venue),
                    text,
                    ..EventRow::default()
                }
            })
            .collect()
    }
}

fn ready(state: &Replayed, now: Nanos) -> Vec<bool> {
    let venues = 0..state.options().venues.len();
    venues.map(|venue| state.is_ready(VenueId(venue as u8), now)).collect()
}

fn info(kind: &'static str, text: String) -> EventRow {
    EventRow { level: "info", kind, text, ..EventRow::default() }
}

fn warn(kind: &'static str, text: String) -> EventRow {
    EventRow { level: "warn", ..info(kind, text) }
}

fn error(kind: &'static str, text: String) -> EventRow {
    EventRow { level: "error", ..info(kind, text) }
}

/// What an input is worth telling by itself.
fn input(record: &Record, names: &Naming<'_>) -> Option<EventRow> {
    Some(match record {
        Record::Opening(opening) => {
            let count = opening.instruments.len();
            let strategies = opening.options.strategies.join(", ");
            info("start", format!("a run begins: {count} instruments, strategies {strategies}"))
        }
        Record::Notice(venue, notice) => {
            let row = match notice {
                VenueNotice::LoginRefused(..)
                | VenueNotice::AccountUnfit(_)
                | VenueNotice::MarginCall(_)
                | VenueNotice::DeadManFailed(_) => error("venue", words::notice(notice, names)?),
                VenueNotice::Readiness(_, crate::types::Readiness::Down)
                | VenueNotice::Suspended(_)
                | VenueNotice::ShutdownAnnounced(_)
                | VenueNotice::CancelAllFailed(..)
                | VenueNotice::RequestFailed(_)
                | VenueNotice::SubscriptionFailed(_)
                | VenueNotice::InstrumentStatus(..) => warn("venue", words::notice(notice, names)?),
                _ => info("venue", words::notice(notice, names)?),
            };
            EventRow { venue: venue_name(*venue), ..row }
        }
        Record::Report(venue, report) => return report_row(*venue, report, names),
        Record::JournalFull(true) => {
            error("journal", "the journal has no room for new orders".to_owned())
        }
        Record::JournalFull(false) => info("journal", "the journal has room again".to_owned()),
        Record::StrategyEnded(strategy, end) => {
            let name = names.strategy(*strategy);
            let text = format!("{name} {}", words::ended(*end));
            EventRow { strategy: name, ..error("strategy", text) }
        }
        Record::RefusedUnrecorded(refused) => warn("refusal", refused.to_string()),
        Record::Operator(_) | Record::Told(..) => return told_row(record, names),
        Record::Funding(venue, payment) => {
            let of = names.row(payment.instrument).map(|row| names.asset(row.settle));
            let amount = words::amount(payment.amount);
            let text = format!(
                "funding of {}: {amount} {}",
                names.instrument(payment.instrument),
                of.unwrap_or_default()
            );
            let instrument = names.instrument(payment.instrument);
            EventRow { venue: venue_name(*venue), instrument, ..info("funding", text) }
        }
        Record::Rules(id, rules, status) => {
            let (tick, lot) = (names.price(*id, rules.tick_size), names.qty(*id, rules.lot_size));
            let name = names.instrument(*id);
            let text = format!("rules of {name}: tick {tick}, lot {lot}, {status:?}");
            let venue = names.row(*id).map(|row| venue_name(row.venue)).unwrap_or_default();
            EventRow { venue, instrument: name, ..warn("rules", text) }
        }
        _ => return None,
    })
}

/// What a person told the engine is told of; what stands in for one when it forbids something is a warning.
fn told_row(record: &Record, names: &Naming<'_>) -> Option<EventRow> {
    let (teller, told) = record.told()?;
    let text = words::told(teller, told, names);
    let row = match (teller, told) {
        (Some(Teller::Watchdog), Operator::SetState(..)) => warn("operator", text),
        _ => info("operator", text),
    };
    let strategy = match told {
        Operator::SetState(Scope::Strategy(of), _)
        | Operator::CancelAll(Scope::Strategy(of))
        | Operator::Flatten(Scope::Strategy(of)) => names.strategy(*of),
        Operator::SetParam(change) => names.strategy(change.strategy),
        _ => String::new(),
    };
    Some(EventRow { strategy, by: teller.map(|by| by.to_string()).unwrap_or_default(), ..row })
}

fn report_row(venue: VenueId, report: &ExecutionReport, names: &Naming<'_>) -> Option<EventRow> {
    let id = report.client_id;
    let order = if id.is_some() { id.to_string() } else { report.venue_order_id.to_string() };
    let what = match report.kind {
        ReportKind::Rejected => "refused",
        ReportKind::CancelRejected => "not cancelled",
        ReportKind::ReplaceRejected => "not changed",
        _ => return None,
    };
    let code = match report.venue_code {
        0 => String::new(),
        code => format!(" (code {code})"),
    };
    let text = format!("order {order} {what}: {}{code}", report.reason);
    let instrument = names.instrument(report.instrument);
    Some(EventRow { venue: venue_name(venue), instrument, order, ..warn("order", text) })
}

/// What a decision is worth telling.
fn effect_row(record: &Record, names: &Naming<'_>) -> Option<EventRow> {
    Some(match record {
        Record::Assumed(id, OrderState::Unknown) => {
            let text = format!("order {id}: its outcome is not known; it is asked for");
            EventRow { order: id.to_string(), ..warn("order", text) }
        }
        Record::Halted => {
            let text = "trading is halted: a position is not known any more".to_owned();
            EventRow { by: "order manager".to_owned(), ..error("halt", text) }
        }
        Record::Hash(_) => info("stop", "the run ended in good order".to_owned()),
        Record::Limit { key, before, after } => {
            let (before, after) = (words::limit_before(*key, *before), words::amount(*after));
            info("limit", format!("{} was {before}, is {after}", words::limit(*key, names)))
        }
        Record::LimitSet { key, before, after } => {
            let (before, after) = (words::limit_value(*before), words::amount(*after));
            info("limit", format!("{} was {before}, is {after}", words::limit(*key, names)))
        }
        Record::LimitUnset { key, before } => {
            let before = words::limit_value(*before);
            warn("limit", format!("{} was {before}, is not set", words::limit(*key, names)))
        }
        Record::Closed { scope, instrument, state, left } => {
            let (left, name) = (words::amount(*left), names.instrument(*instrument));
            let of = words::scope(*scope, names);
            let text = format!("closing of {name} for {of}: {state}, {left} left");
            let row = match state {
                ClosingState::GaveUp(_) => error("flatten", text),
                _ => info("flatten", text),
            };
            EventRow { instrument: name, ..row }
        }
        Record::Pair(pair) => {
            let text = words::pair(pair, names);
            let row = match pair.end {
                PairEnd::Held => error("legs", text + "; a person must decide"),
                _ if pair.breach.is_some() => warn("legs", text),
                _ => info("legs", text),
            };
            EventRow { strategy: names.strategy(pair.strategy), ..row }
        }
        Record::LossSwitch { switch, quote, loss, limit } => {
            let (asset, loss) = (names.asset(*quote), words::amount(*loss));
            let limit = words::amount(*limit);
            let text = format!(
                "the {switch} switch was thrown: lost {loss} {asset}, limit {limit}; only \
                 reducing orders until `stoop resume`"
            );
            EventRow { by: "loss switch".to_owned(), ..error("halt", text) }
        }
        Record::Budget { strategy, from, to, amount } => {
            let (from, to) = (venue_name(*from), venue_name(*to));
            let name = names.strategy(*strategy);
            let amount = words::amount(*amount);
            let row = info("budget", format!("{name}: {amount} from {from} to {to}"));
            EventRow { strategy: name, ..row }
        }
        _ => return reconciled(record, names),
    })
}

/// What reconciliations found and people have to decide.
fn reconciled(record: &Record, names: &Naming<'_>) -> Option<EventRow> {
    let (venue, row) = match record {
        Record::Correction(venue, difference) => {
            (venue, warn("correction", words::difference(difference, names)))
        }
        Record::Quarantine(venue, what) => {
            let text = format!("{}: known {}, stated {}", what.flaw, what.known, what.stated);
            let order = shown(what.order, &what.venue_order_id);
            let text = format!("order {order}: {text}");
            let instrument = names.instrument(what.instrument);
            (venue, EventRow { instrument, order, ..warn("quarantine", text) })
        }
        Record::NotAnswering(venue, order) if order.is_some() => {
            let text = format!("does not answer about order {order}, which stays reserved");
            (venue, EventRow { order: order.to_string(), ..error("silence", text) })
        }
        Record::NotAnswering(venue, _) => {
            let text = "does not answer to the reconciliation".to_owned();
            (venue, error("silence", text))
        }
        Record::VenueHalted(venue, true) => {
            let name = venue_name(*venue);
            let text = format!(
                "halted: its balances or positions differ and no fill explains it. If the venue is \
                 right: stoop reconcile --accept --venue {name}"
            );
            (venue, error("halt", text))
        }
        Record::VenueHalted(venue, false) => (venue, warn("halt", "no longer halted".to_owned())),
        _ => return None,
    };
    Some(EventRow { venue: venue_name(*venue), ..row })
}

fn shown(id: ClientOrderId, venue_order_id: &crate::types::VenueOrderId) -> String {
    if id.is_some() { id.to_string() } else { venue_order_id.to_string() }
}
