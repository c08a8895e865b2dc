//! `stoop instruments`: what is configured, or all that a venue lists, with the venue's rules.

use super::{EXIT_OK, Failure, venues::Venues};
use crate::agents;
use crate::config::Config;
use crate::types::{
    Amount, Instrument, InstrumentKind, InstrumentStatus, InstrumentTable, VenueId,
};
use crate::venues::{self, InstrumentSpec, VENUES};
use clap::Args;
use rust_decimal::Decimal;
use serde_json::{Value, json};

/// What of all instruments is listed.
#[derive(Args)]
pub(super) struct Which {
    /// Everything that this venue lists, instead of what is configured
    #[arg(long, value_name = "NAME")]
    venue: Option<String>,
    /// Only those whose name or symbol holds this text, whatever its case
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

/// One line.
struct Row {
    name: String,
    venue: VenueId,
    kind: InstrumentKind,
    spec: InstrumentSpec,
    status: InstrumentStatus,
}

pub(super) fn instruments(config: &Config, which: &Which) -> Result<u8, Failure> {
    let mut rows = match &which.venue {
        Some(name) => listed(config, name)?,
        None => configured(config)?,
    };
    if let Some(text) = &which.filter {
        let text = text.to_uppercase();
        let has = |of: &str| of.to_uppercase().contains(&text);
        rows.retain(|row| has(&row.name) || has(&row.spec.symbol));
    }
    if which.json {
        let rows: Vec<Value> = rows.iter().map(|row| row_json(config, row)).collect();
        println!("{}", Value::Array(rows));
    } else {
        print(config, &rows);
    }
    Ok(EXIT_OK)
}

/// Everything that a venue lists, by name.
fn listed(config: &Config, name: &str) -> Result<Vec<Row>, Failure> {
    let known = || VENUES.iter().map(|row| row.name).collect::<Vec<_>>().join(", ");
    let venue = venues::find(name)
        .ok_or_else(|| Failure::config(format!("no venue \"{name}\"; known: {}", known())))?;
    let asked = Venues::public(config, venue)?;
    let specs = agents::list_all(venue, asked.endpoints_of(venue)?, &asked.tls);
    let specs = specs.map_err(|error| Failure::venue(error.to_string()))?;
    asked.stop();
    let row = |spec: InstrumentSpec| {
        let settle = match spec.kind {
            InstrumentKind::Spot => String::new(),
            InstrumentKind::LinearPerpetual => format!(":{}", spec.settle),
        };
        let exchange = VENUES[usize::from(venue.0)].exchange;
        let name = format!("{}/{}{settle}@{exchange}", spec.base, spec.quote);
        let status =
            if spec.trading { InstrumentStatus::Trading } else { InstrumentStatus::Halted };
        Row { name, venue, kind: spec.kind, spec, status }
    };
    let mut rows: Vec<Row> = specs.into_iter().map(row).collect();
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(rows)
}

/// What is configured, in the order of the file.
fn configured(config: &Config) -> Result<Vec<Row>, Failure> {
    let venues = Venues::start(config)?;
    let table = venues.load(config)?;
    venues.stop();
    Ok(table.iter().map(|instrument| of_table(&table, instrument)).collect())
}

fn of_table(table: &InstrumentTable, instrument: &Instrument) -> Row {
    let (scale, rules) = (instrument.scale, &instrument.rules);
    let price = |price| scale.price_decimal(price).normalize();
    let qty = |qty| scale.qty_decimal(qty).normalize();
    let amount = |amount: Amount| amount.to_decimal().normalize();
    let asset = |asset| table.assets.name(asset).to_owned();
    let perpetual = instrument.is_perpetual();
    let spec = InstrumentSpec {
        symbol: instrument.symbol.clone(),
        base: asset(instrument.base),
        quote: asset(instrument.quote),
        settle: if perpetual { asset(instrument.settle) } else { String::new() },
        contract: qty(instrument.contract),
        tick_size: price(rules.tick_size),
        lot_size: qty(rules.lot_size),
        price_min: price(rules.price_min),
        price_max: price(rules.price_max),
        qty_min: qty(rules.qty_min),
        qty_max: qty(rules.qty_max),
        qty_market_max: qty(rules.qty_market_max),
        notional_min: amount(rules.notional_min),
        notional_max: amount(rules.notional_max),
        figures_max: rules.figures_max,
        fill_decimals: scale.qty_decimals,
        leverage_max: instrument.leverage_max,
        kind: instrument.kind,
        trading: instrument.status == InstrumentStatus::Trading,
    };
    let (name, venue) = (instrument.name.clone(), instrument.venue);
    Row { name, venue, kind: instrument.kind, spec, status: instrument.status }
}

/// Maker and taker, as a ratio: the embedded venues', or those of the venue's base tier.
fn fees(config: &Config, row: &Row) -> [Decimal; 2] {
    super::venues::fees(config, row.venue, row.kind)
}

fn print(config: &Config, rows: &[Row]) {
    println!(
        "{:<26} {:<16} {:>10} {:>10} {:>10} {:>12} {:>10} {:>15} {:<8}",
        "INSTRUMENT",
        "SYMBOL",
        "TICK",
        "LOT",
        "MIN QTY",
        "MIN VALUE",
        "CONTRACT",
        "FEES % (M / T)",
        "STATUS"
    );
    for row in rows {
        let spec = &row.spec;
        let [maker, taker] = fees(config, row).map(|fee| (fee * Decimal::ONE_HUNDRED).normalize());
        // What is counted in base units has no contract.
        let contract = if spec.contract.is_zero() { Decimal::ONE } else { spec.contract };
        println!(
            "{:<26} {:<16} {:>10} {:>10} {:>10} {:>12} {:>10} {:>15} {:<8}",
            row.name,
            spec.symbol,
            spec.tick_size.normalize(),
            spec.lot_size.normalize(),
            spec.qty_min.normalize(),
            spec.notional_min.normalize(),
            contract.normalize(),
            format!("{maker} / {taker}"),
            status(row.status),
        );
    }
    if !config.mode.is_embedded() {
        println!(
            "\nFees are those of the base tier; the account's own are asked for when it trades."
        );
    }
}

fn status(status: InstrumentStatus) -> &'static str {
    match status {
        InstrumentStatus::Trading => "trading",
        InstrumentStatus::CancelOnly => "cancel",
        InstrumentStatus::Halted => "halted",
    }
}

fn row_json(config: &Config, row: &Row) -> Value {
    let spec = &row.spec;
    let text = |value: Decimal| value.normalize().to_string();
    let [maker, taker] = fees(config, row);
    let perpetual = row.kind != InstrumentKind::Spot;
    json!({
        "instrument": row.name,
        "venue": VENUES[usize::from(row.venue.0)].name,
        "symbol": spec.symbol,
        "kind": if perpetual { "perpetual" } else { "spot" },
        "base": spec.base,
        "quote": spec.quote,
        "settle": perpetual.then_some(&spec.settle),
        "contract": (!spec.contract.is_zero()).then(|| text(spec.contract)),
        "tick_size": text(spec.tick_size),
        "lot_size": text(spec.lot_size),
        "price_min": text(spec.price_min),
        "price_max": text(spec.price_max),
        "qty_min": text(spec.qty_min),
        "qty_max": text(spec.qty_max),
        "qty_market_max": text(spec.qty_market_max),
        "notional_min": text(spec.notional_min),
        "notional_max": text(spec.notional_max),
        "figures_max": (spec.figures_max > 0).then_some(spec.figures_max),
        "leverage_max": (spec.leverage_max > 0).then_some(spec.leverage_max),
        "maker_fee": text(maker),
        "taker_fee": text(taker),
        "status": status(row.status),
    })
}
