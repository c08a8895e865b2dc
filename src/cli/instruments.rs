//! `stoop instruments`: what is configured and what its venues say of it.

use super::{EXIT_OK, Failure, venues::Venues};
use crate::config::Config;
use crate::types::{Instrument, InstrumentStatus, InstrumentTable};
use crate::venues::VENUES;

pub(super) fn instruments(config: &Config, json: bool) -> Result<u8, Failure> {
    let venues = Venues::start(config)?;
    let table = venues.load(config)?;
    venues.stop();
    if json {
        let rows: Vec<_> = table.iter().map(|instrument| row_json(&table, instrument)).collect();
        println!("{}", serde_json::Value::Array(rows));
        return Ok(EXIT_OK);
    }
    println!(
        "{:<24} {:<12} {:>12} {:>12} {:>12} {:>14} {:<8}",
        "INSTRUMENT", "SYMBOL", "TICK", "LOT", "MIN QTY", "MIN NOTIONAL", "STATUS"
    );
    for instrument in table.iter() {
        let (scale, rules) = (instrument.scale, &instrument.rules);
        println!(
            "{:<24} {:<12} {:>12} {:>12} {:>12} {:>14} {:<8}",
            instrument.name,
            instrument.symbol,
            scale.price_decimal(rules.tick_size).normalize(),
            scale.qty_decimal(rules.lot_size).normalize(),
            scale.qty_decimal(rules.qty_min).normalize(),
            rules.notional_min,
            status(instrument.status),
        );
    }
    Ok(EXIT_OK)
}

fn status(status: InstrumentStatus) -> &'static str {
    match status {
        InstrumentStatus::Trading => "trading",
        InstrumentStatus::CancelOnly => "cancel",
        InstrumentStatus::Halted => "halted",
    }
}

fn row_json(table: &InstrumentTable, instrument: &Instrument) -> serde_json::Value {
    let (scale, rules) = (instrument.scale, &instrument.rules);
    let price = |price| scale.price_decimal(price).normalize().to_string();
    let qty = |qty| scale.qty_decimal(qty).normalize().to_string();
    serde_json::json!({
        "instrument": instrument.name,
        "venue": VENUES[usize::from(instrument.venue.0)].name,
        "symbol": instrument.symbol,
        "base": table.assets.name(instrument.base),
        "quote": table.assets.name(instrument.quote),
        "tick_size": price(rules.tick_size),
        "lot_size": qty(rules.lot_size),
        "price_min": price(rules.price_min),
        "price_max": price(rules.price_max),
        "qty_min": qty(rules.qty_min),
        "qty_max": qty(rules.qty_max),
        "qty_market_max": qty(rules.qty_market_max),
        "notional_min": rules.notional_min.to_string(),
        "notional_max": rules.notional_max.to_string(),
        "status": status(instrument.status),
    })
}
