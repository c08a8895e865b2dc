//! From the rules that venues state to the table of instruments: one scale per underlying, the
//! finest that any of its instruments needs, so that prices of all venues compare as integers.

#![forbid(unsafe_code)]

use super::InstrumentSpec;
use crate::types::{
    Amount, AssetId, Instrument, InstrumentId, InstrumentKind, InstrumentRules, InstrumentStatus,
    InstrumentTable, ParseUnitError, Scale, VenueId,
};
use rust_decimal::Decimal;
use std::collections::BTreeMap;

/// An instrument that was asked for, with what its venue says of it.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// `BTC/USDT@venue`
    pub name: String,
    /// Its venue.
    pub venue: VenueId,
    /// The venue's rules.
    pub spec: InstrumentSpec,
}

/// Why the rules of a venue cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UniverseError(pub String);

impl std::fmt::Display for UniverseError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UniverseError {}

/// Numbers the instruments in the order given. `fee_assets` get numbers too, so that fees taken in
/// them have a name.
pub fn assemble(wanted: &[Wanted], fee_assets: &[&str]) -> Result<InstrumentTable, UniverseError> {
    let scales = scales(wanted)?;
    let mut table = InstrumentTable::default();
    for item in wanted {
        let scale = scales[item.spec.base.as_str()];
        let failed =
            |(field, error)| UniverseError(format!("{}: the venue's {field} {error}", item.name));
        let rules = rules_at(&item.spec, scale).map_err(failed)?;
        let contract = scale.qty(item.spec.contract);
        let contract = contract.map_err(|error| failed(("contract size", error)))?;
        let instrument = Instrument {
            id: InstrumentId(0),
            venue: item.venue,
            name: item.name.clone(),
            symbol: item.spec.symbol.clone(),
            kind: item.spec.kind,
            base: table.assets.intern(&item.spec.base),
            quote: table.assets.intern(&item.spec.quote),
            settle: match item.spec.kind {
                InstrumentKind::Spot => AssetId::NONE,
                InstrumentKind::LinearPerpetual => table.assets.intern(&item.spec.settle),
            },
            contract,
            scale,
            rules,
            status: if item.spec.trading {
                InstrumentStatus::Trading
            } else {
                InstrumentStatus::Halted
            },
            leverage_max: item.spec.leverage_max,
        };
        table.add(instrument);
    }
    for asset in fee_assets {
        table.assets.intern(asset);
    }
    Ok(table)
}

fn scales(wanted: &[Wanted]) -> Result<BTreeMap<&str, Scale>, UniverseError> {
    let mut scales: BTreeMap<&str, Scale> = BTreeMap::new();
    for item in wanted {
        let spec = &item.spec;
        if spec.tick_size <= Decimal::ZERO || spec.lot_size <= Decimal::ZERO {
            let text = format!("{}: the venue states no tick or lot size", item.name);
            return Err(UniverseError(text));
        }
        let with = |fills: u8| Scale {
            price_decimals: decimals(&[spec.tick_size, spec.price_min]),
            qty_decimals: decimals(&[spec.lot_size, spec.qty_min, spec.contract]).max(fills),
        };
        let usual = with(fill_decimals(spec));
        let own = Some(with(spec.fill_decimals)).filter(|own| own.is_valid());
        let own = own.map_or(usual, |own| own.finest(usual));
        let scale = scales.entry(spec.base.as_str()).or_default();
        *scale = scale.finest(own);
        if !scale.is_valid() {
            let text = format!(
                "{}: prices with {} and quantities with {} decimals are finer than the engine holds",
                item.name, scale.price_decimals, scale.qty_decimals
            );
            return Err(UniverseError(text));
        }
    }
    Ok(scales)
}

/// Decimals that a fill may have although orders may not: what rests from before a change of the
/// lot size still trades. Venues book base assets with 8; fewer where quantities are so large that
/// a thousand of the largest orders would not fit a mantissa.
fn fill_decimals(spec: &InstrumentSpec) -> u8 {
    let room = Decimal::from(i64::MAX / 1000);
    let fits = |decimals: u32| {
        let factor = Decimal::from(10u64.pow(decimals));
        spec.qty_max.checked_mul(factor).is_some_and(|largest| largest <= room)
    };
    (0..=8u32).rev().find(|decimals| fits(*decimals)).unwrap_or(0) as u8
}

fn decimals(values: &[Decimal]) -> u8 {
    let scale = values.iter().map(|value| value.normalize().scale()).max().unwrap_or(0);
    scale.min(255) as u8
}

/// The rules in units of this scale, or which of them cannot be counted in it.
pub fn rules_at(
    spec: &InstrumentSpec,
    scale: Scale,
) -> Result<InstrumentRules, (&'static str, ParseUnitError)> {
    let price = |field, value| scale.price(value).map_err(|error| (field, error));
    let qty = |field, value| scale.qty(value).map_err(|error| (field, error));
    let amount = |field, value| Amount::from_decimal(value).map_err(|error| (field, error));
    Ok(InstrumentRules {
        tick_size: price("tick size", spec.tick_size)?,
        lot_size: qty("lot size", spec.lot_size)?,
        price_min: price("smallest price", spec.price_min)?,
        price_max: price("largest price", spec.price_max)?,
        qty_min: qty("smallest quantity", spec.qty_min)?,
        qty_max: qty("largest quantity", spec.qty_max)?,
        qty_market_max: qty("largest market quantity", spec.qty_market_max)?,
        notional_min: amount("smallest value", spec.notional_min)?,
        notional_max: amount("largest value", spec.notional_max)?,
        figures_max: spec.figures_max,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Price, Qty};

    fn wanted(name: &str, venue: u8, tick: (i64, u32), lot: (i64, u32)) -> Wanted {
        let spec = InstrumentSpec {
            symbol: "BTCUSDT".to_owned(),
            base: "BTC".to_owned(),
            quote: "USDT".to_owned(),
            trading: true,
            tick_size: Decimal::new(tick.0, tick.1),
            lot_size: Decimal::new(lot.0, lot.1),
            ..InstrumentSpec::default()
        };
        Wanted { name: name.to_owned(), venue: VenueId(venue), spec }
    }

    #[test]
    fn instruments_of_one_underlying_share_the_finest_scale() {
        let wanted = [
            wanted("BTC/USDT@a", 0, (1_000_000, 8), (1000, 8)),
            wanted("BTC/USDT@b", 1, (1, 1), (1, 6)),
        ];
        let table = assemble(&wanted, &["BNB"]).unwrap();
        let scale = Scale { price_decimals: 2, qty_decimals: 8 };
        let [a, b] = [0, 1].map(|id| table.get(InstrumentId(id)).unwrap());
        assert_eq!((a.scale, b.scale), (scale, scale));
        assert_eq!((a.rules.tick_size, b.rules.tick_size), (Price(1), Price(10)));
        assert_eq!((a.rules.lot_size, b.rules.lot_size), (Qty(1000), Qty(100)));
        assert_eq!(table.assets.name(crate::types::AssetId(2)), "BNB");
        assert_eq!((a.base, a.quote), (b.base, b.quote));
    }

    #[test]
    fn fills_may_be_finer_than_orders_as_far_as_they_fit() {
        let mut coin = wanted("X/Y@a", 0, (1, 2), (1, 0)).spec;
        for (qty_max, expected) in [(9_000, 8), (92_233_720_368, 5), (i64::MAX / 1000, 0)] {
            coin.qty_max = Decimal::from(qty_max);
            assert_eq!(fill_decimals(&coin), expected, "{qty_max}");
        }
    }

    #[test]
    fn rules_that_cannot_be_held_are_refused_by_name() {
        let error = assemble(&[wanted("X/Y@a", 0, (1, 12), (1, 8))], &[]).unwrap_err();
        assert_eq!(
            error.0,
            "X/Y@a: prices with 12 and quantities with 8 decimals are finer than the engine holds"
        );
        let error = assemble(&[wanted("X/Y@a", 0, (0, 0), (1, 8))], &[]).unwrap_err();
        assert_eq!(error.0, "X/Y@a: the venue states no tick or lot size");
    }
}
