//! One record of the journal as a person reads it: the same columns for the screen and for CSV.

#![forbid(unsafe_code)]

use crate::oms::{Difference, Record};
use crate::show::words;
use crate::types::{
    AssetBalance, ClientOrderId, Command, CommandKind, ExecutionReport, Instrument, InstrumentId,
    InstrumentTable, Leg, LimitKey, NewOrder, Operator, OrderType, PairOutcome, ParamChange, Price,
    Qty, ReportKind, Request, Scope, Signal, VenueId, VenueNotice,
};
use crate::venues::VENUES;

/// Columns; empty where a record has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    pub kind: &'static str,
    pub venue: String,
    pub instrument: String,
    pub order: String,
    pub side: String,
    pub price: String,
    pub qty: String,
    pub text: String,
}

impl Row {
    /// Names of the columns.
    pub const NAMES: [&'static str; 8] =
        ["kind", "venue", "instrument", "order", "side", "price", "qty", "text"];

    /// The columns, as text.
    pub fn columns(&self) -> [&str; 8] {
        [
            self.kind,
            &self.venue,
            &self.instrument,
            &self.order,
            &self.side,
            &self.price,
            &self.qty,
            &self.text,
        ]
    }
}

/// Turns records into rows with the instruments of the run that they belong to.
#[derive(Default)]
pub(super) struct Rows {
    table: InstrumentTable,
}

impl Rows {
    /// Begins with the instruments of a run that is already under way.
    pub fn over(table: InstrumentTable) -> Self {
        Self { table }
    }

    pub fn row(&mut self, record: &Record) -> Row {
        let (_, kind) = record.kind();
        let row = Row { kind, ..Row::default() };
        match record {
            Record::Opening(opening) => {
                self.table = opening.instruments.clone();
                let names: Vec<&str> = self.table.iter().map(|row| row.name.as_str()).collect();
                let text = format!("run of {}: {}", opening.instance_start.0, names.join(" "));
                Row { text, ..row }
            }
            Record::Request(strategy, request) => self.request(strategy.0, request, row),
            Record::Report(venue, report) => self.report(*venue, report, row),
            Record::Balance(balance) => self.balance(balance, row),
            Record::Position(..) | Record::Funding(..) | Record::Margin(_) | Record::Rules(..) => {
                self.contract(record, row)
            }
            Record::Fee(fee) => {
                let text = format!("maker {} ppb, taker {} ppb", fee.maker.0, fee.taker.0);
                Row { text, ..self.on(fee.instrument, row) }
            }
            Record::Notice(venue, notice) => {
                Row { venue: venue_name(*venue), text: notice_text(notice), ..row }
            }
            Record::Quote(id, quote) => {
                let scale = self.table.get(*id).map(|row| row.scale).unwrap_or_default();
                let price = |price: Price| scale.price_decimal(price).normalize();
                let text = format!(
                    "bid {} ask {} {:?}, received {}",
                    price(quote.bid.price),
                    price(quote.ask.price),
                    quote.state,
                    quote.recv_ns.0
                );
                Row { text, ..self.on(*id, row) }
            }
            Record::Refusal { strategy, signal, leg, code } => {
                let leg = leg.map_or(String::new(), |leg| format!(" leg {leg}"));
                let text = format!("strategy {} signal {}{leg}: {code}", strategy.0, signal.0);
                Row { text, ..row }
            }
            Record::Intent { order, signal, leg } => {
                let text = format!("signal {} leg {leg}, {}", signal.0, terms(order));
                Row { text, ..self.order(order, row) }
            }
            Record::Command(venue, command) => self.command(*venue, command, row),
            Record::Assumed(id, state) => {
                Row { order: id.to_string(), text: format!("{state:?}"), ..row }
            }
            Record::JournalFull(full) => {
                let text = if *full { "no room for new orders" } else { "room again" };
                Row { text: text.to_owned(), ..row }
            }
            Record::Operator(_) | Record::Told(..) => Row { text: self.told(record), ..row },
            Record::Closed { scope, instrument, state, left } => {
                let text = format!("{}: {state:?}, {left} left", scope_text(*scope));
                Row { text, ..self.on(*instrument, row) }
            }
            Record::Pair(pair) => Row { text: self.pair(pair), ..row },
            Record::Hash(hash) => Row { text: format!("{hash:016x}"), ..row },
            Record::Limit { .. }
            | Record::LimitSet { .. }
            | Record::LimitUnset { .. }
            | Record::LossSwitch { .. }
            | Record::Budget { .. } => Row { text: self.limit_text(record), ..row },
            Record::Timer | Record::TimerButLosses | Record::Halted => row,
            _ => self.reconciled(record, row),
        }
    }

    /// What reconciliations found, what people have to decide, and strategies that are gone.
    fn reconciled(&self, record: &Record, row: Row) -> Row {
        let row = match record {
            Record::Correction(venue, _)
            | Record::Quarantine(venue, _)
            | Record::NotAnswering(venue, _)
            | Record::KnownFills(venue, _)
            | Record::VenueHalted(venue, _) => Row { venue: venue_name(*venue), ..row },
            _ => row,
        };
        match record {
            Record::Correction(_, difference) => {
                let name = Difference::NAMES[difference.class()];
                Row { text: format!("{name}: {difference:?}"), ..row }
            }
            Record::Quarantine(_, what) => {
                let text = format!("{}: known {}, stated {}", what.flaw, what.known, what.stated);
                let venue = row.venue.clone();
                let row = self.on(what.instrument, row);
                Row { venue, order: what.order.to_string(), text, ..row }
            }
            Record::NotAnswering(_, order) => Row { order: order.to_string(), ..row },
            Record::StrategyEnded(strategy, end) => {
                Row { text: format!("strategy {}: {end}", strategy.0), ..row }
            }
            Record::KnownFills(_, known) => {
                let text = format!("{} told of again", known.fills);
                let venue = row.venue.clone();
                // Of several instruments, if none of them is the last of a list.
                match known.last.is_empty() {
                    true => Row { text, ..row },
                    false => Row { venue, text, ..self.on(known.instrument, row) },
                }
            }
            Record::RefusedUnrecorded(refused) => Row { text: refused.to_string(), ..row },
            Record::VenueHalted(_, halted) => {
                let text = if *halted { "until a person decides" } else { "no longer" };
                Row { text: text.to_owned(), ..row }
            }
            _ => row,
        }
    }

    /// What a venue says of its instruments and of positions in them.
    fn contract(&self, record: &Record, row: Row) -> Row {
        match record {
            Record::Position(venue, position) => {
                let text = format!(
                    "{} at {}, liquidation {}, leverage {}",
                    position.qty.to_decimal(),
                    position.entry.to_decimal(),
                    position.liquidation.to_decimal(),
                    position.leverage.to_decimal()
                );
                Row { venue: venue_name(*venue), text, ..self.on(position.instrument, row) }
            }
            Record::Funding(venue, payment) => {
                let what = if payment.settles { "settled profit" } else { "funding" };
                let text = format!("{what} of {}", payment.amount.to_decimal());
                Row { venue: venue_name(*venue), text, ..self.on(payment.instrument, row) }
            }
            Record::Margin(margin) => {
                let text = format!(
                    "equity {}, available {}, initial {}, maintenance {}",
                    margin.equity.to_decimal(),
                    margin.available.to_decimal(),
                    margin.initial.to_decimal(),
                    margin.maintenance.to_decimal()
                );
                Row { venue: venue_name(margin.venue), text, ..row }
            }
            Record::Rules(id, rules, status) => {
                let text =
                    format!("tick {}, lot {}, {status:?}", rules.tick_size.0, rules.lot_size.0);
                Row { text, ..self.on(*id, row) }
            }
            _ => row,
        }
    }

    /// What became of the legs of a signal.
    fn pair(&self, pair: &PairOutcome) -> String {
        let first = pair.legs().first().and_then(|leg| self.instrument(leg.instrument));
        let scale = first.map(|row| row.scale).unwrap_or_default();
        let breach = match (pair.breach, pair.action) {
            (Some(breach), Some(action)) => format!(", {} breach, {action:?}", breach.name()),
            (Some(breach), None) => format!(", {} breach", breach.name()),
            _ => String::new(),
        };
        format!(
            "strategy {} signal {}: {}, left {}{breach}, naked {} ms up to {}, cost {:.2} bps",
            pair.strategy.0,
            pair.signal.0,
            pair.end.name(),
            scale.qty_decimal(pair.left).normalize(),
            pair.naked_ns / 1_000_000,
            scale.qty_decimal(pair.naked_qty).normalize(),
            pair.cost.0 as f64 / 100_000.0,
        )
    }

    fn told(&self, record: &Record) -> String {
        match record.told() {
            Some((Some(teller), operator)) => format!("{}: {teller}", self.operator(operator)),
            Some((None, operator)) => self.operator(operator),
            None => String::new(),
        }
    }

    fn operator(&self, operator: &Operator) -> String {
        match *operator {
            Operator::Stop => "stop".to_owned(),
            Operator::CancelAll(scope) => format!("cancel all of {}", scope_text(scope)),
            Operator::Flatten(scope) => format!("flatten {}", scope_text(scope)),
            Operator::SetState(scope, state) => format!("{} is {state}", scope_text(scope)),
            Operator::Reconcile(venue) => {
                format!("reconcile {}", scope_text(venue.map_or(Scope::Engine, Scope::Venue)))
            }
            Operator::Accept(venue) => {
                format!("accept the balances of {}", scope_text(Scope::Venue(venue)))
            }
            Operator::SetLimit(key, value) => format!("{} = {value}", self.limit(key)),
            Operator::UnsetLimit(key) => format!("{} = none", self.limit(key)),
            Operator::SetParam(change) => {
                let ParamChange { strategy, name, before, after, .. } = change;
                format!("strategy {} {name} = {after}, was {before}", strategy.0)
            }
        }
    }

    fn limit(&self, key: LimitKey) -> String {
        match key {
            LimitKey::PositionMax(asset) => {
                format!("{}.{}", key.name(), self.table.assets.name(asset))
            }
            _ => key.name().to_owned(),
        }
    }

    /// What became of the limits, and what they have done.
    fn limit_text(&self, record: &Record) -> String {
        match record {
            Record::Limit { key, before, after } => {
                let before = words::limit_before(*key, *before);
                format!("{} was {before}, is {after}", self.limit(*key))
            }
            Record::LimitSet { key, before, after } => {
                let before = words::limit_value(*before);
                format!("{} was {before}, is {after}", self.limit(*key))
            }
            Record::LimitUnset { key, before } => {
                let before = words::limit_value(*before);
                format!("{} was {before}, is not set", self.limit(*key))
            }
            Record::LossSwitch { switch, quote, loss, limit } => {
                let asset = self.table.assets.name(*quote);
                format!("{switch}: lost {loss} {asset}, limit {limit}")
            }
            Record::Budget { strategy, from, to, amount } => {
                let (from, to) = (venue_name(*from), venue_name(*to));
                format!("strategy {}: {amount} from {from} to {to}", strategy.0)
            }
            _ => String::new(),
        }
    }

    fn instrument(&self, id: InstrumentId) -> Option<&Instrument> {
        self.table.get(id)
    }

    fn on(&self, id: InstrumentId, row: Row) -> Row {
        let found = self.instrument(id);
        let name = found.map_or_else(|| format!("instrument {}", id.0), |row| row.name.clone());
        let venue = found.map(|row| venue_name(row.venue)).unwrap_or_default();
        Row { instrument: name, venue, ..row }
    }

    /// Price and quantity in the instrument's own decimals; empty where there is none.
    fn priced(&self, id: InstrumentId, price: Price, qty: Qty, row: Row) -> Row {
        let scale = self.instrument(id).map(|row| row.scale).unwrap_or_default();
        let price = (price != Price(0)).then(|| scale.price_decimal(price).normalize().to_string());
        let qty = (qty != Qty::ZERO).then(|| scale.qty_decimal(qty).normalize().to_string());
        let (price, qty) = (price.unwrap_or_default(), qty.unwrap_or_default());
        Row { price, qty, ..self.on(id, row) }
    }

    fn order(&self, order: &NewOrder, row: Row) -> Row {
        let row = self.priced(order.instrument, order.price, order.qty, row);
        Row { order: order.client_id.to_string(), side: order.side.to_string(), ..row }
    }

    fn request(&self, strategy: u8, request: &Request, row: Row) -> Row {
        match request {
            Request::Signal(signal) => self.signal(strategy, signal, row),
            Request::Cancel(id) => {
                Row { order: id.to_string(), text: format!("strategy {strategy} cancel"), ..row }
            }
            Request::CancelAll => {
                Row { text: format!("strategy {strategy} cancels all it has"), ..row }
            }
            Request::Replace { id, price, qty } => {
                let text =
                    format!("strategy {strategy} replaces: price {}, qty {}", price.0, qty.0);
                Row { order: id.to_string(), text, ..row }
            }
            Request::Watch(id) => {
                Row { text: format!("strategy {strategy} watches"), ..self.on(*id, row) }
            }
        }
    }

    fn signal(&self, strategy: u8, signal: &Signal, row: Row) -> Row {
        let leg = |leg: &Leg| {
            let of = self.priced(leg.instrument, leg.price, leg.qty, Row::default());
            format!("{} {} {} at {}", leg.side, of.qty, of.instrument, of.price)
        };
        let legs: Vec<String> = signal.legs().iter().map(leg).collect();
        let text = format!("strategy {strategy} signal {}: {}", signal.id.0, legs.join("; "));
        Row { text, ..row }
    }

    fn report(&self, venue: VenueId, report: &ExecutionReport, row: Row) -> Row {
        let is_fill = report.kind == ReportKind::Fill;
        let (price, qty) =
            if is_fill { (report.fill.price, report.fill.qty) } else { (report.price, report.qty) };
        let row = self.priced(report.instrument, price, qty, row);
        let mut text = format!("{:?} by {:?}", report.kind, report.origin);
        if report.kind == ReportKind::Status {
            text += &format!(", {:?}", report.state);
        }
        if let Some(all) = report.cumulative_qty {
            let of = self.priced(report.instrument, Price(0), all, Row::default());
            text += &format!(", {} filled in all", if of.qty.is_empty() { "0" } else { &of.qty });
        }
        if is_fill {
            let asset = self.table.assets.name(report.fill.fee_asset);
            text += &format!(", id {}, fee {} {asset}", report.fill.fill_id, report.fill.fee);
        }
        if !report.venue_order_id.is_empty() {
            text += &format!(", venue id {}", report.venue_order_id);
        }
        if report.venue_code != 0 {
            text += &format!(", {} (code {})", report.reason, report.venue_code);
        }
        let side = report.side.to_string();
        Row { venue: venue_name(venue), order: order_text(report.client_id), side, text, ..row }
    }

    fn balance(&self, balance: &AssetBalance, row: Row) -> Row {
        let asset = self.table.assets.name(balance.asset);
        let text = format!("{asset} free {} locked {}", balance.free, balance.locked);
        Row { venue: venue_name(balance.venue), text, ..row }
    }

    fn command(&self, venue: VenueId, command: &Command, row: Row) -> Row {
        let row = Row { venue: venue_name(venue), ..row };
        let plain = |name: &str, id: InstrumentId| Row {
            text: name.to_owned(),
            ..self.on(id, row.clone())
        };
        match &command.kind {
            CommandKind::New(order) => {
                Row { text: format!("place, {}", terms(order)), ..self.order(order, row) }
            }
            CommandKind::Cancel(of) => {
                Row { order: order_text(of.client_id), ..plain("cancel", of.instrument) }
            }
            CommandKind::Query(of) => {
                Row { order: order_text(of.client_id), ..plain("ask for state", of.instrument) }
            }
            CommandKind::Replace(to) => {
                let row = self.priced(to.instrument, to.price, to.qty, row);
                Row { order: order_text(to.client_id), text: "replace".to_owned(), ..row }
            }
            CommandKind::CancelAll(id) => plain("cancel all", *id),
            CommandKind::OpenOrders(id) => plain("ask for open orders", *id),
            CommandKind::FillsSince { instrument, from_id, from_ns } => {
                let text = format!("ask for fills from {} on {from_id}", from_ns.0);
                plain(text.trim_end(), *instrument)
            }
            CommandKind::Balances => Row { text: "ask for balances".to_owned(), ..row },
            CommandKind::FundingSince(from) => {
                Row { text: format!("ask for funding from {} on", from.0), ..row }
            }
            CommandKind::FeeRate(id) => plain("ask for fee rates", *id),
            CommandKind::Subscribe(id) => plain("subscribe", *id),
            CommandKind::Unsubscribe(id) => plain("unsubscribe", *id),
            CommandKind::Resync(id) => plain("resync", *id),
        }
    }
}

fn order_text(id: ClientOrderId) -> String {
    if id.is_some() { id.to_string() } else { String::new() }
}

fn terms(order: &NewOrder) -> String {
    let kind = if order.order_type == OrderType::Market { "market" } else { "limit" };
    let post = if order.post_only { " post-only" } else { "" };
    format!("{kind} {:?}{post}", order.time_in_force)
}

fn scope_text(scope: Scope) -> String {
    match scope {
        Scope::Engine => "the engine".to_owned(),
        Scope::Venue(venue) => venue_name(venue),
        Scope::Strategy(strategy) => format!("strategy {}", strategy.0),
    }
}

fn venue_name(venue: VenueId) -> String {
    let row = VENUES.get(usize::from(venue.0));
    row.map_or_else(|| format!("venue {}", venue.0), |row| row.name.to_owned())
}

fn notice_text(notice: &VenueNotice) -> String {
    match notice {
        VenueNotice::Readiness(channel, to) => format!("{channel:?} {to:?}"),
        VenueNotice::Suspended(until) => format!("suspended until {}", until.0),
        other => format!("{other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oms::RiskReject;
    use crate::types::{Amount, AssetId, Fill, FillId, Nanos, ReportOrigin, Scale, Side, SignalId};

    fn rows() -> Rows {
        let mut table = InstrumentTable::default();
        let (base, quote) = (table.assets.intern("BTC"), table.assets.intern("USDT"));
        table.add(Instrument {
            name: "BTC/USDT@binance".to_owned(),
            base,
            quote,
            scale: Scale { price_decimals: 2, qty_decimals: 5 },
            ..Instrument::default()
        });
        Rows::over(table)
    }

    #[test]
    fn a_fill_is_told_in_the_instruments_own_units() {
        let id = ClientOrderId(0x1234);
        let mut report =
            ExecutionReport::new(ReportKind::Fill, ReportOrigin::Stream, id, InstrumentId(0));
        report.side = Side::Sell;
        report.fill = Fill {
            fill_id: FillId::from_u64(77),
            price: Price(6_000_010),
            qty: Qty(1_500),
            fee: Amount(10i128.pow(15)),
            fee_asset: AssetId(1),
            ..Fill::default()
        };
        let row = rows().row(&Record::Report(VenueId(0), report));
        let columns = [
            "report",
            "binance",
            "BTC/USDT@binance",
            "st0000000000001234",
            "sell",
            "60000.1",
            "0.015",
            "Fill by Stream, id 77, fee 0.001 USDT",
        ];
        assert_eq!(row.columns(), columns);
    }

    #[test]
    fn what_is_not_in_the_table_is_still_told() {
        let refusal = Record::Refusal {
            strategy: crate::types::StrategyId(2),
            signal: SignalId(9),
            leg: Some(1),
            code: RiskReject::BookTooOld,
        };
        let row = Rows::default().row(&refusal);
        assert_eq!(row.text, "strategy 2 signal 9 leg 1: book is too old");
        let command = Command::new(CommandKind::CancelAll(InstrumentId(4)), Nanos(0));
        let row = Rows::default().row(&Record::Command(VenueId(99), command));
        assert_eq!((row.instrument.as_str(), row.venue.as_str()), ("instrument 4", ""));
    }
}
