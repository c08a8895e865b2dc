//! `stoop why ORDER`: one order's whole life from the journal, with times since its signal.

#![forbid(unsafe_code)]

use super::output::{print, read_error};
use super::source::Source;
use super::{EXIT_NOT_FOUND, Failure};
use crate::show::table;
use crate::show::{Found, Life, Naming, ORDER_COLUMNS, OrderKey, STEP_COLUMNS, find, life, words};
use crate::types::InstrumentTable;
use serde_json::{Map, Value};
use std::fmt::Write as _;

/// What was typed.
#[derive(clap::Args)]
pub(super) struct Options {
    /// Our id of the order or the venue's, or as much of its beginning or end as is its own
    order: String,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    source: Source,
}

/// Tells it.
pub(super) fn why(options: &Options) -> Result<u8, Failure> {
    let subject = options.source.find()?;
    let place = subject.place()?;
    let key = one(find(&place, &options.order).map_err(read_error)?, &options.order)?;
    let paths = subject.view.as_ref().map(|view| view.worst_paths()).unwrap_or_default();
    let life = life(&place, &key, &paths).map_err(read_error)?;
    if options.json {
        return print(&format!("{}\n", object(subject.head(), &key, &life)));
    }
    print(&text(&key, &life))
}

fn one(found: Found, typed: &str) -> Result<OrderKey, Failure> {
    let message = match found {
        Found::One(key) => return Ok(key),
        Found::None => format!(
            "no order {typed:?} in this journal: neither an id of ours nor of the venue's is it, \
             begins or ends so; `stoop orders --all` lists them"
        ),
        Found::Many(some, count) => {
            let more = if count > some.len() { ", ..." } else { "" };
            format!("{count} orders fit {typed:?}: {}{more}", some.join(", "))
        }
    };
    Err(Failure { code: EXIT_NOT_FOUND, message })
}

/// For people: what it is, then its steps.
fn text(key: &OrderKey, life: &Life) -> String {
    let mut text = String::new();
    let _ = match &life.order {
        Some(order) => {
            let price = if order.price.is_empty() { "market" } else { &order.price };
            let reason = match order.reason.as_str() {
                "" => String::new(),
                reason => format!(" ({reason})"),
            };
            let whose = match order.strategy.as_str() {
                "" => "of nobody here".to_owned(),
                name => format!("of {name}, signal {}", order.signal),
            };
            writeln!(
                text,
                "{}: {} {} {} {} at {price}, {whose}\n{}{reason}, {} of {} filled\n",
                key.text(),
                order.terms,
                order.side,
                order.qty,
                order.instrument_name,
                words::state(order.state),
                order.filled,
                order.qty
            )
        }
        None => writeln!(text, "{}: not known to the order manager\n", key.text()),
    };
    text + &table::text(&STEP_COLUMNS, &life.rows())
}

/// The same for programs.
fn object(head: Vec<(&'static str, Value)>, key: &OrderKey, life: &Life) -> Value {
    let mut object: Map<String, Value> =
        head.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    object.insert("id".to_owned(), key.text().into());
    let order = life.order.as_ref().map(|order| {
        let table = InstrumentTable::default();
        let names = Naming { table: &table, strategies: &[] };
        table::object(&ORDER_COLUMNS, &order.cells(&names))
    });
    object.insert("order".to_owned(), order.unwrap_or_default());
    let signal = (life.signal.0 > 0).then_some(life.signal.0);
    object.insert("signal_ns".to_owned(), signal.into());
    object.insert("steps".to_owned(), table::objects(&STEP_COLUMNS, &life.rows()));
    Value::Object(object)
}
