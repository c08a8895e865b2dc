//! Instruments of a market elsewhere as a simulated venue lists them, so that what is valid there is
//! valid here.
//!
//! What an instrument does not state is as the venue has it by itself for the same symbol, else for
//! another of its kind: wallets, decimals of fees, leverage and maintenance margin of perpetuals.

#![forbid(unsafe_code)]

use super::embedded::listed;
use super::{CONTRACT, PerpetualRules, SymbolRules, Wire};
use crate::types::{Instrument, InstrumentTable, VenueId};
use rust_decimal::Decimal;

/// The rules of all instruments of a venue, in their order. `fees` says what the maker and the taker
/// of one pay, as ratios.
///
/// # Errors
///
/// Names an instrument of a kind that the venue does not have.
pub fn followed_rules(
    wire: &dyn Wire,
    table: &InstrumentTable,
    venue: VenueId,
    fees: impl Fn(&Instrument) -> [Decimal; 2],
) -> Result<Vec<SymbolRules>, String> {
    let known = listed(wire);
    let rules = |instrument: &Instrument| {
        let like = like(&known, instrument)
            .ok_or_else(|| format!("{}: no such instrument is simulated", instrument.name))?;
        let mut rules = with_rules_of(instrument, table, like);
        [rules.maker_fee, rules.taker_fee] = fees(instrument);
        Ok(rules)
    };
    table.of_venue(venue).map(rules).collect()
}

/// What is known here of the same symbol, or of another of its kind.
fn like<'k>(known: &'k [SymbolRules], instrument: &Instrument) -> Option<&'k SymbolRules> {
    let perpetual = instrument.is_perpetual();
    let same_kind = |rules: &&SymbolRules| rules.perpetual.is_some() == perpetual;
    let mut alike = known.iter().filter(same_kind).peekable();
    let first = alike.peek().copied();
    let name = |rules: &SymbolRules| rules.symbol.trim_end_matches(CONTRACT) == instrument.symbol;
    alike.find(|rules| name(rules)).or(first)
}

fn with_rules_of(
    instrument: &Instrument,
    table: &InstrumentTable,
    like: &SymbolRules,
) -> SymbolRules {
    let (rules, scale) = (&instrument.rules, instrument.scale);
    let price = |price| scale.price_decimal(price).normalize();
    let qty = |qty| scale.qty_decimal(qty).normalize();
    // Contracts that are listed under the name of a spot pair are told apart by their end, wallets
    // of one asset by what follows a colon.
    let end = if like.symbol.ends_with(CONTRACT) { CONTRACT } else { "" };
    let wallet = like.quote.find(':').map_or("", |at| &like.quote[at..]);
    let perpetual = like.perpetual.as_ref().map(|like| PerpetualRules {
        settle: table.assets.name(instrument.settle).to_owned(),
        contract_size: match qty(instrument.contract) {
            size if size.is_zero() => Decimal::ONE,
            size => size,
        },
        ..like.clone()
    });
    SymbolRules {
        symbol: format!("{}{end}", instrument.symbol),
        base: table.assets.name(instrument.base).to_owned(),
        quote: format!("{}{wallet}", table.assets.name(instrument.quote)),
        tick_size: price(rules.tick_size),
        lot_size: qty(rules.lot_size),
        price_min: price(rules.price_min),
        price_max: price(rules.price_max),
        qty_min: qty(rules.qty_min),
        qty_max: qty(rules.qty_max),
        qty_market_max: qty(rules.qty_market_max),
        notional_min: rules.notional_min.to_decimal().normalize(),
        notional_max: rules.notional_max.to_decimal().normalize(),
        perpetual,
        ..like.clone()
    }
}
