//! Instruments of a market elsewhere as a simulated venue lists them, so that what is valid there is
//! valid here.
//!
//! What an instrument does not state is as the venue has it by itself for the same symbol, else for
//! another of its kind: wallets, decimals of fees, and leverage of perpetuals where the venue does not
//! tell the largest one to everybody.

#![forbid(unsafe_code)]

use super::embedded::listed;
use super::frames::own::StatedRules;
use super::{CONTRACT, Exchange, Fate, PerpetualRules, SymbolRules, Wire};
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
        let stated = StatedRules::of(wire.name(), instrument, table);
        let rules = stated_rules(&known, &StatedRules { fees: Some(fees(instrument)), ..stated });
        rules.ok_or_else(|| format!("{}: no such instrument is simulated", instrument.name))
    };
    table.of_venue(venue).map(rules).collect()
}

/// An instrument as it is stated, for a venue that has these by itself; `None` if none of them is of its
/// kind.
pub(super) fn stated_rules(known: &[SymbolRules], stated: &StatedRules) -> Option<SymbolRules> {
    let like = like(known, stated)?;
    // Contracts that are listed under the name of a spot pair are told apart by their end, wallets
    // of one asset by what follows a colon.
    let end = if like.symbol.ends_with(CONTRACT) { CONTRACT } else { "" };
    let wallet = like.quote.find(':').map_or("", |at| &like.quote[at..]);
    let perpetual = like.perpetual.as_ref().map(|like| PerpetualRules {
        settle: stated.settle.clone(),
        contract_size: stated.contract,
        ..leveraged(like, stated.leverage_max)
    });
    let [maker_fee, taker_fee] = stated.fees.unwrap_or([like.maker_fee, like.taker_fee]);
    Some(SymbolRules {
        symbol: format!("{}{end}", stated.symbol),
        base: stated.base.clone(),
        quote: format!("{}{wallet}", stated.quote),
        maker_fee,
        taker_fee,
        perpetual,
        ..bounded(like, stated)
    })
}

/// With the steps and bounds that are stated.
fn bounded(known: &SymbolRules, stated: &StatedRules) -> SymbolRules {
    SymbolRules {
        tick_size: stated.tick,
        lot_size: stated.lot,
        price_min: stated.price[0],
        price_max: stated.price[1],
        qty_min: stated.qty[0],
        qty_max: stated.qty[1],
        qty_market_max: stated.qty_market_max,
        notional_min: stated.notional[0],
        notional_max: stated.notional[1],
        ..known.clone()
    }
}

impl Exchange {
    /// How often the rules of any instrument were changed.
    pub(crate) fn rule_changes(&self) -> u64 {
        self.rule_changes
    }

    /// Goes by the steps and bounds that are stated of an instrument elsewhere now, for orders from now on;
    /// what it is, its fees and its margins stay. Whether it could be done is told.
    pub(super) fn restate(&mut self, symbol: &str, stated: &StatedRules) {
        let rules = self.rules(symbol).map(|known| bounded(known, stated));
        let done = rules.is_some_and(|rules| self.set_rules(rules));
        self.tell(symbol.to_owned(), if done { Fate::Restated } else { Fate::NotRestated });
    }
}

/// With this largest leverage, if it is known. The maintenance margin stays the same part of the smallest
/// initial one: of that no venue's list of instruments tells.
fn leveraged(like: &PerpetualRules, leverage_max: u8) -> PerpetualRules {
    if leverage_max == 0 {
        return like.clone();
    }
    let leverage_max = Decimal::from(leverage_max);
    PerpetualRules {
        leverage_max,
        leverage_initial: like.leverage_initial.min(leverage_max),
        maintenance_rate: (like.maintenance_rate * like.leverage_max / leverage_max).normalize(),
        ..like.clone()
    }
}

/// What is known here of the same symbol, or of another of its kind.
fn like<'k>(known: &'k [SymbolRules], stated: &StatedRules) -> Option<&'k SymbolRules> {
    let same_kind = |rules: &&SymbolRules| rules.perpetual.is_some() == stated.perpetual;
    let mut alike = known.iter().filter(same_kind).peekable();
    let first = alike.peek().copied();
    let name = |rules: &SymbolRules| rules.symbol.trim_end_matches(CONTRACT) == stated.symbol;
    alike.find(|rules| name(rules)).or(first)
}

#[cfg(test)]
mod tests {
    use super::super::venues::wire;
    use super::*;
    use crate::types::{Amount, InstrumentKind, InstrumentRules, Price, Qty, Scale};

    const VENUE: VenueId = VenueId(3);

    fn dec(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    /// What one instrument of a venue becomes.
    fn followed(
        venue: &str,
        symbol: &str,
        assets: [&str; 3],
        contract: i64,
    ) -> Result<SymbolRules, String> {
        followed_with(venue, symbol, assets, (contract, 0))
    }

    fn followed_with(
        venue: &str,
        symbol: &str,
        [base, quote, settle]: [&str; 3],
        (contract, leverage_max): (i64, u8),
    ) -> Result<SymbolRules, String> {
        let mut table = InstrumentTable::default();
        let rules = InstrumentRules {
            tick_size: Price(50),
            lot_size: Qty(10),
            price_max: Price(900_000),
            qty_min: Qty(30),
            notional_min: Amount::from_decimal(dec("5")).unwrap(),
            ..InstrumentRules::default()
        };
        let (base, quote) = (table.assets.intern(base), table.assets.intern(quote));
        let mut instrument = Instrument {
            venue: VENUE,
            name: symbol.to_owned(),
            symbol: symbol.to_owned(),
            base,
            quote,
            contract: Qty(contract),
            leverage_max,
            scale: Scale { price_decimals: 3, qty_decimals: 4 },
            rules,
            ..Instrument::default()
        };
        if !settle.is_empty() {
            instrument.kind = InstrumentKind::LinearPerpetual;
            instrument.settle = table.assets.intern(settle);
        }
        // One of another venue is none of its business.
        table.add(Instrument { venue: VenueId(0), ..instrument.clone() });
        table.add(instrument);
        let fees = |_: &Instrument| [dec("0.0001"), dec("0.0005")];
        let mut all = followed_rules(wire(venue).unwrap().as_ref(), &table, VENUE, fees)?;
        assert_eq!(all.len(), 1);
        Ok(all.remove(0))
    }

    #[test]
    fn what_is_valid_there_is_valid_here() {
        let rules = followed("binance", "SOLUSDC", ["SOL", "USDC", ""], 0).unwrap();
        assert_eq!((rules.symbol.as_str(), rules.base.as_str()), ("SOLUSDC", "SOL"));
        assert_eq!((rules.quote.as_str(), &rules.perpetual), ("USDC", &None));
        let steps = [rules.tick_size, rules.lot_size, rules.price_max, rules.qty_min];
        assert_eq!(steps, [dec("0.05"), dec("0.001"), dec("900"), dec("0.003")]);
        assert_eq!((rules.notional_min, rules.notional_max), (dec("5"), dec("0")));
        assert_eq!((rules.maker_fee, rules.taker_fee), (dec("0.0001"), dec("0.0005")));
    }

    #[test]
    fn contracts_keep_what_tells_them_apart() {
        let rules = followed("bybit", "SOLUSDT", ["SOL", "USDT", "USDT"], 0).unwrap();
        assert_eq!(rules.symbol, format!("SOLUSDT{CONTRACT}"));
        assert_eq!(rules.perpetual.unwrap().contract_size, dec("1"));
        let rules = followed("bybit", "SOLUSDT", ["SOL", "USDT", ""], 0).unwrap();
        assert_eq!((rules.symbol.as_str(), rules.perpetual), ("SOLUSDT", None));
        let swap = followed("okx", "SOL-USDT-SWAP", ["SOL", "USDT", "USDT"], 20_000).unwrap();
        assert_eq!(swap.symbol, "SOL-USDT-SWAP");
        assert_eq!(swap.perpetual.unwrap().contract_size, dec("2"));
    }

    #[test]
    fn wallets_of_their_own_stay_so() {
        let spot = followed("hyperliquid", "@142", ["UBTC", "USDC", ""], 0).unwrap();
        assert_eq!((spot.quote.as_str(), spot.fee_decimals), ("USDC:spot", 8));
        // The same one is like itself, another one like the first.
        let leverage = |symbol: &str| {
            let rules = followed("hyperliquid", symbol, [symbol, "USD", "USDC"], 0).unwrap();
            let perpetual = rules.perpetual.unwrap();
            assert_eq!((rules.quote.as_str(), perpetual.settle.as_str()), ("USD", "USDC"));
            perpetual.leverage_max
        };
        assert_eq!((leverage("SOL"), leverage("DOGE")), (dec("20"), dec("40")));
    }

    #[test]
    fn leverage_is_the_venues_where_it_says_so_and_the_maintenance_margin_goes_with_it() {
        let of = |venue: &str, symbol: &str, [quote, settle]: [&str; 2], leverage_max: u8| {
            let assets = [&symbol[..4], quote, settle];
            let rules = followed_with(venue, symbol, assets, (0, leverage_max)).unwrap();
            let perpetual = rules.perpetual.unwrap();
            let PerpetualRules { leverage_max, leverage_initial, maintenance_rate, .. } = perpetual;
            [leverage_max, leverage_initial, maintenance_rate]
        };
        let usd = ["USD", "USDC"];
        assert_eq!(of("hyperliquid", "DOGE", usd, 10), [dec("10"), dec("10"), dec("0.05")]);
        assert_eq!(of("hyperliquid", "DOGE", usd, 3)[2], dec("1") / dec("6"));
        let usdt = ["USDT", "USDT"];
        assert_eq!(of("bybit", "DOGEUSDT", usdt, 25), [dec("25"), dec("10"), dec("0.02")]);
        assert_eq!(of("bybit", "DOGEUSDT", usdt, 5)[..2], [dec("5"), dec("5")]);
    }

    #[test]
    fn a_kind_that_is_not_simulated_is_named() {
        let error = followed("binance", "BTCUSDT", ["BTC", "USDT", "USDT"], 0).unwrap_err();
        assert_eq!(error, "BTCUSDT: no such instrument is simulated");
    }
}
