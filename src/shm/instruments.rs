//! The instrument table in the region: written once, before the file is complete.

use super::codec::{amount, amount_words, byte, put_text, text};
use crate::types::{
    AssetId, Instrument, InstrumentId, InstrumentKind, InstrumentRules, InstrumentStatus,
    InstrumentTable, Price, Qty, Scale, Text, VenueId,
};

/// Order of the words below; part of the layout's hash.
pub(super) const FIELDS: &str = "instrument: name8 symbol8 venue|kind|status|price_decimals|\
    qty_decimals|figures|leverage base|quote<<16|settle<<32 contract tick lot price_min price_max qty_min qty_max qty_market_max \
    notional_min2 notional_max2; asset: name4";

const TEXT_WORDS: usize = 8;
const SYMBOL_AT: usize = TEXT_WORDS;
const CODES_AT: usize = 2 * TEXT_WORDS;
const ASSETS_AT: usize = CODES_AT + 1;
const CONTRACT_AT: usize = ASSETS_AT + 1;
const RULES_AT: usize = CONTRACT_AT + 1;
/// Words of one instrument.
pub(super) const WORDS: usize = RULES_AT + 11;
/// Words of one asset's name.
pub(super) const ASSET_WORDS: usize = 4;

type Name = Text<{ TEXT_WORDS * 8 - 1 }>;
type AssetName = Text<{ ASSET_WORDS * 8 - 1 }>;

/// Words of an instrument; `None` if a name is too long or not printable ASCII.
pub(super) fn encode(instrument: &Instrument) -> Option<[u64; WORDS]> {
    let mut words = [0; WORDS];
    put_text(&mut words[..SYMBOL_AT], &Name::new(&instrument.name)?);
    put_text(&mut words[SYMBOL_AT..CODES_AT], &Name::new(&instrument.symbol)?);
    let Scale { price_decimals, qty_decimals } = instrument.scale;
    words[CODES_AT] = u64::from_le_bytes([
        instrument.venue.0,
        instrument.kind as u8,
        instrument.status as u8,
        price_decimals,
        qty_decimals,
        instrument.rules.figures_max,
        instrument.leverage_max,
        0,
    ]);
    let asset = |asset: AssetId, place: u32| u64::from(asset.0) << (16 * place);
    words[ASSETS_AT] =
        asset(instrument.base, 0) | asset(instrument.quote, 1) | asset(instrument.settle, 2);
    words[CONTRACT_AT] = instrument.contract.0 as u64;
    let rules = &instrument.rules;
    let [notional_min, notional_min_high] = amount_words(rules.notional_min);
    let [notional_max, notional_max_high] = amount_words(rules.notional_max);
    words[RULES_AT..].copy_from_slice(&[
        rules.tick_size.0 as u64,
        rules.lot_size.0 as u64,
        rules.price_min.0 as u64,
        rules.price_max.0 as u64,
        rules.qty_min.0 as u64,
        rules.qty_max.0 as u64,
        rules.qty_market_max.0 as u64,
        notional_min,
        notional_min_high,
        notional_max,
        notional_max_high,
    ]);
    Some(words)
}

/// Instrument of its words; its number is given by the table that it goes into.
pub(super) fn decode(words: &[u64; WORDS]) -> Option<Instrument> {
    let name: Name = text(&words[..SYMBOL_AT])?;
    let symbol: Name = text(&words[SYMBOL_AT..CODES_AT])?;
    let codes = words[CODES_AT];
    let scale = Scale { price_decimals: byte(codes, 3), qty_decimals: byte(codes, 4) };
    let price = |index: usize| Price(words[RULES_AT + index] as i64);
    let qty = |index: usize| Qty(words[RULES_AT + index] as i64);
    let sum = |index: usize| amount(words[RULES_AT + index], words[RULES_AT + index + 1]);
    Some(Instrument {
        id: InstrumentId::default(),
        venue: VenueId(byte(codes, 0)),
        name: name.as_str().to_owned(),
        symbol: symbol.as_str().to_owned(),
        kind: InstrumentKind::from_u8(byte(codes, 1))?,
        base: AssetId(words[ASSETS_AT] as u16),
        quote: AssetId((words[ASSETS_AT] >> 16) as u16),
        settle: AssetId((words[ASSETS_AT] >> 32) as u16),
        contract: Qty(words[CONTRACT_AT] as i64),
        scale: scale.is_valid().then_some(scale)?,
        rules: InstrumentRules {
            tick_size: price(0),
            lot_size: qty(1),
            price_min: price(2),
            price_max: price(3),
            qty_min: qty(4),
            qty_max: qty(5),
            qty_market_max: qty(6),
            notional_min: sum(7),
            notional_max: sum(9),
            figures_max: byte(codes, 5),
        },
        status: InstrumentStatus::from_u8(byte(codes, 2))?,
        leverage_max: byte(codes, 6),
    })
}

/// Words of an asset's name.
pub(super) fn encode_asset(name: &str) -> Option<[u64; ASSET_WORDS]> {
    let mut words = [0; ASSET_WORDS];
    put_text(&mut words, &AssetName::new(name)?);
    Some(words)
}

/// Name of an asset.
pub(super) fn decode_asset(words: &[u64; ASSET_WORDS]) -> Option<AssetName> {
    text(words)
}

/// Number of venues that the table speaks of, at least one.
pub(super) fn venues(table: &InstrumentTable) -> u64 {
    table.iter().map(|instrument| u64::from(instrument.venue.0) + 1).max().unwrap_or(1)
}

#[cfg(all(test, not(feature = "loom")))]
pub(super) mod tests {
    use super::*;
    use crate::types::Amount;
    use proptest::prelude::*;

    /// Two venues, two instruments each.
    pub(crate) fn table() -> InstrumentTable {
        let mut table = InstrumentTable::default();
        for (venue, name) in [(0, "binance"), (1, "bybit")] {
            for (number, base) in ["BTC", "ETH"].into_iter().enumerate() {
                let (base, quote) = (table.assets.intern(base), table.assets.intern("USDT"));
                let base_name = table.assets.name(base).to_owned();
                let number = number as i64;
                table.add(Instrument {
                    venue: VenueId(venue),
                    name: format!("{base_name}/USDT@{name}"),
                    symbol: format!("{base_name}USDT"),
                    kind: InstrumentKind::LinearPerpetual,
                    base,
                    quote,
                    settle: quote,
                    contract: Qty(8),
                    scale: Scale { price_decimals: 2, qty_decimals: 6 },
                    rules: InstrumentRules {
                        tick_size: Price(1 + number),
                        lot_size: Qty(2),
                        price_min: Price(3),
                        price_max: Price(i64::MAX),
                        qty_min: Qty(4),
                        qty_max: Qty(5),
                        qty_market_max: Qty(6),
                        notional_min: Amount(7 << 70),
                        notional_max: Amount(i128::MAX),
                        figures_max: 5,
                    },
                    status: InstrumentStatus::CancelOnly,
                    ..Instrument::default()
                });
            }
        }
        table
    }

    #[test]
    fn instruments_survive_to_the_last_field() {
        for instrument in table().iter() {
            let mut decoded = decode(&encode(instrument).unwrap()).unwrap();
            decoded.id = instrument.id;
            assert_eq!(decoded, *instrument);
        }
        assert_eq!(decode_asset(&encode_asset("USDT").unwrap()).unwrap().as_str(), "USDT");
        assert_eq!(venues(&table()), 2);
        assert_eq!(venues(&InstrumentTable::default()), 1);
    }

    #[test]
    fn names_that_do_not_fit_are_refused() {
        let long = Instrument { name: "x".repeat(64), ..Instrument::default() };
        assert!(encode(&long).is_none());
        assert!(encode_asset(&"x".repeat(32)).is_none());
    }

    #[test]
    fn impossible_codes_are_refused() {
        let good = encode(table().iter().next().unwrap()).unwrap();
        for (word, value) in [
            (0, 0xff),
            (CODES_AT, 2 << 8),
            (CODES_AT, 3 << 16),
            (CODES_AT, 13 << 24),
            (CODES_AT, 10 << 24 | 10 << 32),
        ] {
            let mut bad = good;
            bad[word] = value;
            assert_eq!(decode(&bad), None, "word {word} as {value:#x}");
        }
    }

    proptest! {
        #[test]
        fn no_words_panic(words in prop::array::uniform30(any::<u64>())) {
            let _ = decode(&words);
        }
    }
}
