//! One order's whole life, out of the journal: the signal behind it, the limits that it passed, its
//! record, its way to the venue, what the venue said, its fills, and the state after each of these.

#![forbid(unsafe_code)]

use super::fills::Fills;
use super::find::OrderKey;
use super::naming::{Naming, venue_name};
use super::orders::OrderRow;
use super::table::{Cell, Column, Kind, Row, span};
use super::walk::{From, Group, Walk, WalkError};
use super::words;
use crate::journal::Place;
use crate::oms::{BookQuote, Difference, Order, Record, Replayed};
use crate::shm::PathRow;
use crate::types::Teller as By;
use crate::types::{
    ClientOrderId, Command, CommandKind, ExecutionReport, InstrumentId, Nanos, OrderState,
    PairOutcome, RejectReason, ReportKind, Request, Signal, Stamp, VenueId,
};

/// Columns of [`Step`].
pub const STEP_COLUMNS: [Column; 8] = [
    Column::new("since_signal", Kind::Span),
    Column::new("time", Kind::Time),
    Column::new("step", Kind::Text),
    Column::new("state", Kind::Text),
    Column::new("filled", Kind::Number),
    Column::new("text", Kind::Text),
    Column::hidden("venue_time", Kind::Time),
    Column::hidden("record", Kind::Count),
];

/// One thing that happened to an order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// When.
    pub time: Nanos,
    /// The venue's time of it, 0 if there is none.
    pub venue_time: Nanos,
    /// Number of its record in the journal; 0 if it is not from there.
    pub sequence: u64,
    /// Its class, one word.
    pub step: &'static str,
    /// What, in words.
    pub text: String,
    /// State and sum of fills afterwards, where this changed them.
    pub after: Option<(OrderState, String)>,
}

/// An order's life.
#[derive(Clone, Debug)]
pub struct Life {
    /// As it stood at the end; `None` if it was never made.
    pub order: Option<OrderRow>,
    /// When its signal was emitted, or else when it was made.
    pub signal: Nanos,
    /// By time.
    pub steps: Vec<Step>,
}

impl Life {
    /// The cells of its steps, in the order of [`STEP_COLUMNS`].
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        self.steps.iter().map(|step| self.cells(step)).collect()
    }

    fn cells(&self, step: &Step) -> Row {
        let (state, filled) = match &step.after {
            Some((state, filled)) => (words::state(*state).into(), filled.as_str().into()),
            None => (Cell::Empty, Cell::Empty),
        };
        vec![
            if self.signal == Nanos(0) {
                Cell::Empty
            } else {
                Cell::Count(difference(step.time, self.signal))
            },
            Cell::time(step.time),
            step.step.into(),
            state,
            filled,
            step.text.as_str().into(),
            Cell::time(step.venue_time),
            if step.sequence > 0 { Cell::count(step.sequence) } else { Cell::Empty },
        ]
    }
}

fn difference(a: Nanos, b: Nanos) -> i64 {
    i64::try_from(i128::from(a.0) - i128::from(b.0)).unwrap_or_default()
}

/// Tells the life of an order. `paths` are those whose stamps are kept to the nanosecond.
pub fn life(place: &Place, key: &OrderKey, paths: &[PathRow]) -> Result<Life, WalkError> {
    let mut walk = Walk::open(place, From::Beginning)?;
    let mut teller = Teller::new(key.clone(), walk.state());
    while let Some(group) = walk.step()? {
        let Some(state) = walk.state() else { continue };
        teller.take(&group, state);
    }
    let order = walk.state().and_then(|state| {
        let names = Naming::of(state);
        let known = teller.order(state).map(|order| OrderRow::of(order, &names));
        known.or_else(|| teller.last.take())
    });
    let mut steps = teller.steps;
    if let Some(row) = paths.iter().find(|row| row.client_id == key.client && key.client.is_some())
    {
        steps.extend(path_steps(row));
    }
    steps.sort_by_key(|step| step.time);
    let created = order.as_ref().map_or(Nanos(0), |order| order.created);
    let signal = if teller.signal == Nanos(0) { created } else { teller.signal };
    Ok(Life { order, signal, steps })
}

/// What the journal does not know: when the bytes left.
fn path_steps(row: &PathRow) -> impl Iterator<Item = Step> {
    let known = [
        (Stamp::Taken, "taken by the executor: its turn came"),
        (Stamp::Encoded, "encoded and signed"),
        (Stamp::Handed, "its bytes were given to the kernel"),
    ];
    known.into_iter().filter(|(stamp, _)| row.path.at(*stamp).0 > 0).map(|(stamp, text)| Step {
        time: row.path.at(stamp),
        step: "send",
        text: text.to_owned(),
        ..Step::default()
    })
}

/// Collects the steps of one order.
struct Teller {
    key: OrderKey,
    /// Record that began the run that is being read.
    run: u64,
    steps: Vec<Step>,
    signal: Nanos,
    /// State and sum of fills as last told.
    known: Option<(OrderState, String)>,
    /// The order as last seen in the table, which it may leave.
    last: Option<OrderRow>,
    fills: Fills,
}

impl Teller {
    fn new(key: OrderKey, state: Option<&Replayed>) -> Self {
        let fills = Fills::over(state);
        Self { key, run: 0, steps: Vec::new(), signal: Nanos(0), known: None, last: None, fills }
    }

    fn order<'a>(&self, state: &'a Replayed) -> Option<&'a Order> {
        state.order(self.key.client).or_else(|| {
            let id = crate::types::VenueOrderId::new(&self.key.venue_order_id)?;
            let slot = state.orders().by_venue(self.key.instrument, &id)?;
            Some(state.orders().get(slot)).filter(|order| order.client_id == self.key.client)
        })
    }

    fn is(&self, client: ClientOrderId, venue_order_id: &str) -> bool {
        match client.is_some() {
            true => client == self.key.client,
            false => !venue_order_id.is_empty() && venue_order_id == self.key.venue_order_id,
        }
    }

    fn take(&mut self, group: &Group, state: &Replayed) {
        if matches!(group.input, Record::Opening(_)) {
            self.run = group.sequence;
        }
        let booked = self.fills.take(group, state).is_some();
        let names = Naming::of(state);
        let first = self.steps.len();
        let told = self.input(group, booked, &names);
        for effect in &group.effects {
            self.effect(group, effect, &names);
        }
        if self.steps.len() > first && !told {
            let cause = cause(&group.input, &names);
            self.steps.insert(first, self.step(group, "cause", cause));
        }
        self.follow(group, state, &names, (first, told));
    }

    fn step(&self, group: &Group, step: &'static str, text: String) -> Step {
        Step { time: group.time, sequence: group.sequence, step, text, ..Step::default() }
    }

    fn add(&mut self, group: &Group, step: &'static str, text: String) {
        self.steps.push(self.step(group, step, text));
    }

    /// Notes the state after a group: on what the venue said, or on what was done last.
    fn follow(
        &mut self,
        group: &Group,
        state: &Replayed,
        names: &Naming<'_>,
        (first, told): (usize, bool),
    ) {
        let Some(order) = self.order(state) else { return };
        let row = OrderRow::of(order, names);
        let now = Some((row.state, row.filled.clone()));
        if now != self.known {
            if self.steps.len() == first {
                let text = cause(&group.input, names);
                self.add(group, "state", text);
            }
            let is_report = told && matches!(group.input, Record::Report(..));
            let at = if is_report { first } else { self.steps.len() - 1 };
            if let Some(step) = self.steps.get_mut(at) {
                step.after.clone_from(&now);
            }
            self.known = now;
        }
        self.last = Some(row);
    }

    /// What the input says of the order; whether it does at all.
    fn input(&mut self, group: &Group, booked: bool, names: &Naming<'_>) -> bool {
        match &group.input {
            Record::Request(strategy, Request::Signal(signal))
                if self.run == self.key.run && self.key.signal == Some((*strategy, signal.id)) =>
            {
                self.on_signal(group, signal, names);
                true
            }
            Record::Request(strategy, Request::Cancel(id)) if *id == self.key.client => {
                self.add(
                    group,
                    "request",
                    format!("{} wants it cancelled", names.strategy(*strategy)),
                );
                true
            }
            Record::Request(strategy, Request::Replace { id, price, qty })
                if *id == self.key.client =>
            {
                let of = self.key.instrument;
                let (price, qty) = (names.price(of, *price), names.qty(of, *qty));
                let who = names.strategy(*strategy);
                self.add(group, "request", format!("{who} wants {qty} at {price}"));
                true
            }
            Record::Report(venue, report)
                if self.is(report.client_id, report.venue_order_id.as_str()) =>
            {
                let (step, text) = report_text(*venue, report, booked, names);
                let (time, venue_time) = (group.time, report.event_ns);
                let sequence = group.sequence;
                let came = Step { time, venue_time, sequence, step, text, after: None };
                self.steps.push(came);
                true
            }
            _ => false,
        }
    }

    fn on_signal(&mut self, group: &Group, signal: &Signal, names: &Naming<'_>) {
        self.signal = if signal.emitted_ns > Nanos(0) { signal.emitted_ns } else { group.time };
        let at = |time, step, text: &str| Step {
            time,
            sequence: group.sequence,
            step,
            text: text.to_owned(),
            ..Step::default()
        };
        let who = names.strategy(signal.strategy);
        let before = [
            (signal.tick_ns, "tick", "the message with the prices was received".to_owned()),
            (signal.published_ns, "book", "the book with them was published".to_owned()),
            (signal.seen_ns, "seen", format!("{who} read it")),
        ];
        for (time, step, text) in before.into_iter().filter(|(time, ..)| *time > Nanos(0)) {
            self.steps.push(at(time, step, &text));
        }
        let legs = signal.legs().iter().map(|leg| {
            let (qty, price) =
                (names.qty(leg.instrument, leg.qty), names.price(leg.instrument, leg.price));
            let price = if price.is_empty() { "market".to_owned() } else { price };
            format!("{} {qty} {} at {price}", leg.side, names.instrument(leg.instrument))
        });
        let legs = legs.collect::<Vec<_>>().join("; ");
        let text = format!("{who}, signal {}: {legs}", signal.id.0);
        self.steps.push(at(self.signal, "signal", &text));
    }

    fn effect(&mut self, group: &Group, effect: &Record, names: &Naming<'_>) {
        let of = self.key.client;
        let ours = |id: ClientOrderId| id == of && of.is_some();
        match effect {
            Record::Intent { order, signal, leg } if ours(order.client_id) => {
                self.risk(group, order.instrument, names);
                let what = format!(
                    "{} {} {} {} at {}",
                    words::order_terms(order),
                    order.side,
                    names.qty(order.instrument, order.qty),
                    names.instrument(order.instrument),
                    names.price(order.instrument, order.price)
                );
                let leg = match *leg {
                    hedge if hedge >= crate::types::COMPLETING_LEG => "a hedging order".to_owned(),
                    leg => format!("leg {}", leg + 1),
                };
                let text = format!(
                    "intent on record before it leaves: {what} (signal {}, {leg})",
                    signal.0
                );
                self.add(group, "journal", text);
                let venue = names.row(order.instrument).map(|row| venue_name(row.venue));
                let venue = venue.unwrap_or_default();
                self.add(group, "send", format!("handed to the executor of {venue}"));
            }
            Record::Refusal { strategy, signal, leg, code }
                if self.run == self.key.run && self.key.signal == Some((*strategy, *signal)) =>
            {
                let leg = leg.map_or(String::new(), |leg| format!(", leg {}", leg + 1));
                self.add(group, "risk", format!("refused{leg}: {code}"));
            }
            Record::Command(_, command) => {
                if let Some(text) = self.command_text(command, names) {
                    self.add(group, "send", text);
                }
            }
            Record::Assumed(id, state) if ours(*id) => {
                let text =
                    format!("taken to be {}, without the venue's word", words::state(*state));
                self.add(group, "assumed", text);
            }
            Record::Correction(_, found) if ours(order_of(found)) => {
                self.add(group, "correction", words::difference(found, names));
            }
            Record::Quarantine(_, what) if ours(what.order) => {
                let text = format!("{}: known {}, stated {}", what.flaw, what.known, what.stated);
                self.add(group, "quarantine", text);
            }
            Record::NotAnswering(venue, id) if ours(*id) => {
                let text =
                    format!("{} does not answer about it; it stays reserved", venue_name(*venue));
                self.add(group, "silence", text);
            }
            Record::Pair(pair)
                if self.run == self.key.run
                    && self.key.signal == Some((pair.strategy, pair.signal)) =>
            {
                self.pair(group, pair, names);
            }
            _ => {}
        }
    }

    /// The book by which the order was judged.
    fn risk(&mut self, group: &Group, instrument: InstrumentId, names: &Naming<'_>) {
        let seen = group.effects.iter().rev().find_map(|effect| match effect {
            Record::Quote(id, quote) if *id == instrument => Some(quote),
            _ => None,
        });
        let book =
            seen.map(|quote| format!("; {}", quote_text(instrument, quote, group.time, names)));
        self.add(group, "risk", format!("passed every limit{}", book.unwrap_or_default()));
    }

    fn pair(&mut self, group: &Group, pair: &PairOutcome, names: &Naming<'_>) {
        self.add(group, "legs", words::pair(pair, names));
    }

    fn command_text(&self, command: &Command, names: &Naming<'_>) -> Option<String> {
        Some(match &command.kind {
            CommandKind::Cancel(of) if self.is(of.client_id, of.venue_order_id.as_str()) => {
                "cancel handed to the executor".to_owned()
            }
            CommandKind::Query(of) if self.is(of.client_id, of.venue_order_id.as_str()) => {
                "the venue is asked for its state".to_owned()
            }
            CommandKind::Replace(to) if self.is(to.client_id, to.venue_order_id.as_str()) => {
                let (qty, price) =
                    (names.qty(to.instrument, to.qty), names.price(to.instrument, to.price));
                format!("change to {qty} at {price} handed to the executor")
            }
            _ => return None,
        })
    }
}

fn quote_text(id: InstrumentId, quote: &BookQuote, now: Nanos, names: &Naming<'_>) -> String {
    let (bid, ask) = (names.price(id, quote.bid.price), names.price(id, quote.ask.price));
    let age = span(difference(now, quote.recv_ns));
    format!("the book was {bid} / {ask}, {:?}, {age} old", quote.state).replace("Live", "live")
}

fn order_of(difference: &Difference) -> ClientOrderId {
    match difference {
        Difference::MissedEnd { order, .. }
        | Difference::OrderGone { order, .. }
        | Difference::OrderAlive { order, .. }
        | Difference::FillsMissing { order, .. } => *order,
        _ => ClientOrderId::NONE,
    }
}

/// Why something happened to an order that nobody named.
fn cause(input: &Record, names: &Naming<'_>) -> String {
    match input {
        Record::Opening(_) => "the engine started again".to_owned(),
        Record::Operator(_) | Record::Told(..) => match input.told() {
            Some((Some(teller), told)) if !matches!(teller, By::Person { .. }) => {
                format!("{teller}: {}", words::told(None, told, names))
            }
            Some((teller, told)) => format!("a person: {}", words::told(teller, told, names)),
            None => String::new(),
        },
        Record::Timer | Record::TimerButLosses => "a deadline had passed".to_owned(),
        Record::Notice(venue, notice) => {
            let text = words::notice(notice, names).unwrap_or_else(|| "answered".to_owned());
            format!("{}: {text}", venue_name(*venue))
        }
        Record::Request(strategy, Request::CancelAll) => {
            format!("{} cancels all that it has", names.strategy(*strategy))
        }
        Record::Report(venue, report) => {
            let what = names.instrument(report.instrument);
            format!("{} told of another order in {what}", venue_name(*venue))
        }
        other => other.kind().1.to_owned(),
    }
}

/// What a venue said, and its class.
fn report_text(
    venue: VenueId,
    report: &ExecutionReport,
    booked: bool,
    names: &Naming<'_>,
) -> (&'static str, String) {
    let (venue, how) = (venue_name(venue), words::origin(report.origin));
    let id = match report.venue_order_id.is_empty() {
        true => String::new(),
        false => format!(" as {}", report.venue_order_id),
    };
    let code = match report.venue_code {
        0 => String::new(),
        code => format!(" (code {code})"),
    };
    let reason = match report.reason {
        RejectReason::None => code,
        reason => format!(": {reason}{code}"),
    };
    let of = report.instrument;
    match report.kind {
        ReportKind::Accepted => ("ack", format!("accepted by {venue}{id} ({how})")),
        ReportKind::Fill => {
            let fill = &report.fill;
            let liquidity = match words::liquidity(fill.liquidity) {
                "" => String::new(),
                liquidity => format!(", {liquidity}"),
            };
            let again = if booked { "" } else { "; told again: booked before" };
            let text = format!(
                "{} at {}{liquidity}, fee {} {}, fill {} ({how}){again}",
                names.qty(of, fill.qty),
                names.price(of, fill.price),
                words::amount(fill.fee),
                names.asset(fill.fee_asset),
                fill.fill_id
            );
            ("fill", text)
        }
        ReportKind::Canceled => ("end", format!("cancelled at {venue}{reason} ({how})")),
        ReportKind::Rejected => ("end", format!("refused by {venue}{reason} ({how})")),
        ReportKind::Expired => ("end", format!("expired at {venue}{reason} ({how})")),
        ReportKind::Replaced => {
            let (qty, price) = (names.qty(of, report.qty), names.price(of, report.price));
            ("ack", format!("changed at {venue}{id} to {qty} at {price} ({how})"))
        }
        ReportKind::CancelRejected => ("refused", format!("{venue} did not cancel it{reason}")),
        ReportKind::ReplaceRejected => ("refused", format!("{venue} did not change it{reason}")),
        ReportKind::Status => {
            let filled = report.cumulative_qty.map(|sum| names.qty(of, sum));
            let filled = filled.map_or(String::new(), |sum| format!(", {sum} filled"));
            ("state", format!("{venue} says: {}{filled} ({how})", words::state(report.state)))
        }
        ReportKind::NotFound => ("state", format!("{venue} does not know it ({how})")),
        ReportKind::Unknown => ("state", "no reply: what became of it is not known".to_owned()),
        ReportKind::Progress => {
            let filled = report.cumulative_qty.map(|sum| names.qty(of, sum)).unwrap_or_default();
            ("state", format!("{venue} says: {filled} filled in all ({how})"))
        }
    }
}
