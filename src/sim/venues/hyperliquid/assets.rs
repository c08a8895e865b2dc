//! Coins and asset numbers, and what prices and sizes may look like.
//!
//! Perpetuals are numbered by their place in the list, delisted ones included: three that are not
//! traded here keep their places, so that a client that leaves them out before counting trades in
//! the wrong coin. Spot pairs are `10000` and their index, which is neither their place nor that of
//! their token.

#![forbid(unsafe_code)]

use super::super::json::{Object, array};
use crate::sim::{Exchange, SymbolRules};
use rust_decimal::Decimal;

/// Number of the first spot pair.
const SPOT: u32 = 10_000;
/// Significant figures of a price that is not whole.
const FIGURES_MAX: usize = 5;
/// Token of index 0.
pub(super) const DOLLAR: &str = "USDC";
/// Perpetuals at the head of the venue's list: name, decimals of sizes, largest leverage.
const FIRST: [(&str, u32, u32); 6] = [
    ("BTC", 5, 40),
    ("ETH", 4, 25),
    ("ATOM", 2, 5),
    ("MATIC", 1, 20),
    ("DYDX", 1, 5),
    ("SOL", 2, 20),
];
/// Tokens whose index is known; others are numbered from [`TOKENS_FROM`] on.
const TOKENS: [(&str, u32); 5] =
    [(DOLLAR, 0), ("PURR", 1), ("HYPE", 150), ("UBTC", 197), ("UETH", 221)];
const TOKENS_FROM: u32 = 1_000;

/// An instrument.
#[derive(Clone, Debug)]
pub(super) struct Asset {
    /// Name on the wire, and symbol at the exchange.
    pub(super) coin: String,
    pub(super) id: u32,
    pub(super) is_spot: bool,
    pub(super) size_decimals: u32,
    pub(super) leverage_max: u32,
    /// Traded here.
    pub(super) is_listed: bool,
    base: u32,
    quote: u32,
}

/// A token of the spot market.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) name: String,
    pub(super) index: u32,
    size_decimals: u32,
}

/// All instruments.
#[derive(Clone, Debug, Default)]
pub(super) struct Assets {
    /// Perpetuals in the order of their numbers, then spot pairs.
    all: Vec<Asset>,
    tokens: Vec<Token>,
    /// What of the exchange's rules they were made from: sizes and largest leverage.
    made_from: Vec<(Decimal, Option<Decimal>)>,
}

/// An asset of the exchange as clients know it: wallets of the same token are told apart there by
/// what follows a colon.
pub(super) fn token_name(asset: &str) -> &str {
    asset.split(':').next().unwrap_or(asset)
}

impl Assets {
    /// Reads the instruments of the exchange, if they are not what they were.
    pub(super) fn learn(&mut self, exchange: &Exchange) {
        let source = |rules: &SymbolRules| {
            (rules.lot_size, rules.perpetual.as_ref().map(|perpetual| perpetual.leverage_max))
        };
        if self.made_from.iter().copied().eq(exchange.symbols().iter().map(source)) {
            return;
        }
        *self = Self::default();
        self.made_from = exchange.symbols().iter().map(source).collect();
        let (perpetuals, spot): (Vec<_>, Vec<_>) =
            exchange.symbols().iter().partition(|rules| rules.perpetual.is_some());
        let listed = |name: &str| perpetuals.iter().find(|rules| rules.symbol == name);
        for (name, decimals, leverage) in FIRST {
            self.add_perpetual(name, listed(name).copied(), (decimals, leverage));
        }
        for rules in &perpetuals {
            if !FIRST.iter().any(|(name, ..)| *name == rules.symbol) {
                self.add_perpetual(&rules.symbol, Some(rules), (0, 1));
            }
        }
        self.token(DOLLAR, 8);
        for rules in spot {
            self.add_spot(rules);
        }
    }

    fn add_perpetual(&mut self, name: &str, rules: Option<&SymbolRules>, known: (u32, u32)) {
        let leverage = |rules: &SymbolRules| {
            let max = rules.perpetual.as_ref().map(|perpetual| perpetual.leverage_max);
            max.and_then(|max| u32::try_from(max.trunc().mantissa()).ok())
        };
        self.all.push(Asset {
            coin: name.to_owned(),
            id: self.all.len() as u32,
            is_spot: false,
            size_decimals: rules.map_or(known.0, size_decimals),
            leverage_max: rules.and_then(leverage).unwrap_or(known.1),
            is_listed: rules.is_some(),
            base: 0,
            quote: 0,
        });
    }

    fn add_spot(&mut self, rules: &SymbolRules) {
        // Only the first pair of all is named otherwise.
        let number = rules.symbol.strip_prefix('@').and_then(|text| text.parse().ok());
        let index: u32 = number.unwrap_or(0);
        let size_decimals = size_decimals(rules);
        let base = self.token(&rules.base, size_decimals);
        let quote = self.token(token_name(&rules.quote), 8);
        self.all.push(Asset {
            coin: rules.symbol.clone(),
            id: SPOT + index,
            is_spot: true,
            size_decimals,
            leverage_max: 1,
            is_listed: true,
            base,
            quote,
        });
    }

    /// The index of a token, which is noted.
    fn token(&mut self, name: &str, size_decimals: u32) -> u32 {
        if let Some(known) = self.tokens.iter().find(|token| token.name == name) {
            return known.index;
        }
        let known = TOKENS.iter().find(|(known, _)| *known == name);
        let index = known.map_or(TOKENS_FROM + self.tokens.len() as u32, |(_, index)| *index);
        self.tokens.push(Token { name: name.to_owned(), index, size_decimals });
        index
    }

    /// A traded instrument by its number.
    pub(super) fn by_id(&self, id: u64) -> Option<&Asset> {
        self.all.iter().find(|asset| u64::from(asset.id) == id && asset.is_listed)
    }

    /// An instrument by its name on the wire, delisted ones included.
    pub(super) fn by_coin(&self, coin: &str) -> Option<&Asset> {
        self.all.iter().find(|asset| asset.coin == coin)
    }

    pub(super) fn perpetuals(&self) -> impl Iterator<Item = &Asset> {
        self.all.iter().filter(|asset| !asset.is_spot)
    }

    pub(super) fn spot(&self) -> impl Iterator<Item = &Asset> {
        self.all.iter().filter(|asset| asset.is_spot)
    }

    pub(super) fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    /// The answer to `meta`. Every perpetual has one tier of margin, named by its leverage, so no
    /// table is listed.
    pub(super) fn meta(&self) -> String {
        let row = |asset: &Asset| {
            let leverage = u64::from(asset.leverage_max);
            let row = Object::new()
                .number("szDecimals", u64::from(asset.size_decimals))
                .text("name", &asset.coin)
                .number("maxLeverage", leverage)
                .number("marginTableId", leverage);
            if asset.is_listed { row.done() } else { row.flag("isDelisted", true).done() }
        };
        let meta = Object::new().raw("universe", &array(self.perpetuals().map(row)));
        meta.raw("marginTables", "[]").number("collateralToken", 0).done()
    }

    /// The answer to `spotMeta`.
    pub(super) fn spot_meta(&self) -> String {
        let token = |token: &Token| {
            Object::new()
                .text("name", &token.name)
                .number("szDecimals", u64::from(token.size_decimals))
                .number("weiDecimals", 8)
                .number("index", u64::from(token.index))
                .text("tokenId", &format!("0x{:032x}", u128::from(token.index) + 1))
                .flag("isCanonical", token.index <= 1)
                .raw("evmContract", "null")
                .raw("fullName", "null")
                .done()
        };
        let pair = |asset: &Asset| {
            Object::new()
                .raw("tokens", &format!("[{},{}]", asset.base, asset.quote))
                .text("name", &asset.coin)
                .number("index", u64::from(asset.id - SPOT))
                .flag("isCanonical", asset.id == SPOT)
                .done()
        };
        let tokens = array(self.tokens.iter().map(token));
        Object::new().raw("tokens", &tokens).raw("universe", &array(self.spot().map(pair))).done()
    }
}

fn size_decimals(rules: &SymbolRules) -> u32 {
    rules.lot_size.normalize().scale()
}

impl Asset {
    fn decimals_max(&self) -> u32 {
        if self.is_spot { 8 } else { 6 }
    }

    /// A price is whole, or has at most five significant figures and at most as many decimals as
    /// the sizes leave.
    pub(super) fn takes_price(&self, price: Decimal) -> bool {
        let price = price.normalize();
        let figures = price.mantissa().unsigned_abs().to_string().len();
        let decimals = self.decimals_max().saturating_sub(self.size_decimals);
        price.scale() == 0 || (figures <= FIGURES_MAX && price.scale() <= decimals)
    }

    pub(super) fn takes_size(&self, size: Decimal) -> bool {
        size.normalize().scale() <= self.size_decimals
    }
}

/// A number as the venue writes it: plain, at least one decimal.
pub(super) fn amount(value: Decimal) -> String {
    let value = value.normalize();
    match (value.is_zero(), value.scale()) {
        (true, _) => String::from("0.0"),
        (false, 0) => format!("{value}.0"),
        (false, _) => value.to_string(),
    }
}

/// The same in quotes, or `null`.
pub(super) fn amount_or_null(value: Option<Decimal>) -> String {
    value.map_or_else(|| String::from("null"), |value| format!("\"{}\"", amount(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dec(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    fn asset(is_spot: bool, size_decimals: u32) -> Asset {
        Asset {
            coin: String::new(),
            id: 0,
            is_spot,
            size_decimals,
            leverage_max: 1,
            is_listed: true,
            base: 0,
            quote: 0,
        }
    }

    #[test]
    fn prices_have_five_figures_and_as_many_decimals_as_sizes_leave() {
        for (is_spot, size_decimals, price, valid) in [
            (false, 0, "1234.5", true),
            (false, 0, "1234.56", false),
            (false, 0, "0.001234", true),
            (false, 0, "0.0012345", false),
            (false, 1, "0.01234", true),
            (false, 1, "0.012345", false),
            (false, 5, "80639", true),
            (false, 5, "80639.5", false),
            (false, 5, "123456", true),
            (false, 5, "123456.0", true),
            (false, 5, "9999.9", true),
            (false, 5, "999.99", false),
            (false, 4, "2412.7", true),
            (false, 4, "2412.75", false),
            (true, 0, "0.0001234", true),
            (true, 1, "0.0001234", true),
            (true, 3, "0.0001234", false),
            (true, 2, "38.123", true),
            (true, 2, "38.1234", false),
        ] {
            let asset = asset(is_spot, size_decimals);
            assert_eq!(asset.takes_price(dec(price)), valid, "{price}, {size_decimals} decimals");
        }
        assert!(asset(false, 5).takes_size(dec("0.00001")));
        assert!(!asset(false, 5).takes_size(dec("0.000001")));
        assert!(asset(false, 0).takes_size(dec("3.0")));
    }

    #[test]
    fn numbers_have_a_decimal() {
        for (value, text) in [
            ("63457", "63457.0"),
            ("0.02666", "0.02666"),
            ("10.50", "10.5"),
            ("0.000", "0.0"),
            ("-3", "-3.0"),
        ] {
            assert_eq!(amount(dec(value)), text);
        }
        assert_eq!(amount_or_null(None), "null");
    }
}
