//! The venues and markets that seeds draw from, and what the simulated venues hold of each.

use rust_decimal::Decimal;
use stoop::sim::venues::bybit::LINEAR;
use stoop::sim::{PerpetualRules, SymbolRules};
use stoop::types::{ClientOrderId, Instrument, VenueId};
use stoop::venues::VENUES;

/// One kind of instrument at one venue.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Market {
    /// For people.
    pub name: &'static str,
    /// Its row in the table of venues.
    pub row: &'static str,
    /// What stands between the base and the `@` in names of its instruments.
    pair: &'static str,
    /// Between the base and the end in the simulated venue's names.
    suffix: &'static str,
    pub perpetual: bool,
}

/// All of them: a venue that is to take part needs one line here.
pub const MARKETS: &[Market] = &[
    market("binance spot", "binance", "/USDT", "USDT", false),
    market("binance usdm", "binance_usdm", "/USDT:USDT", "USDT", true),
    market("bybit spot", "bybit", "/USDT", "USDT", false),
    market("bybit linear", "bybit", "/USDT:USDT", "USDT.P", true),
    market("okx spot", "okx", "/USDT", "-USDT", false),
    market("okx swap", "okx", "/USDT:USDT", "-USDT-SWAP", true),
    market("hyperliquid perpetuals", "hyperliquid", "/USD:USDC", "", true),
    market("hyperliquid spot", "hyperliquid", "/USDC", "", false),
];

const fn market(
    name: &'static str,
    row: &'static str,
    pair: &'static str,
    suffix: &'static str,
    perpetual: bool,
) -> Market {
    Market { name, row, pair, suffix, perpetual }
}

/// Underlyings; the last one is the only one that all markets have.
pub const BASES: [&str; 3] = ["BTC", "ETH", EVERYWHERE];
pub const EVERYWHERE: &str = "HYPE";

/// Wallet of spot pairs where it is not that of perpetuals.
const SPOT_WALLET: &str = "USDC:spot";

fn number(mantissa: i64, decimals: u32) -> Decimal {
    Decimal::new(mantissa, decimals)
}

impl Market {
    /// One venue has tokens of its own for everything but its own coin.
    pub fn has(&self, base: &str) -> bool {
        !self.is_dollar_spot() || base == EVERYWHERE
    }

    fn is_dollar_spot(&self) -> bool {
        self.row == "hyperliquid" && !self.perpetual
    }

    pub fn venue(&self) -> VenueId {
        stoop::venues::find(self.row).unwrap()
    }

    /// `BTC/USDT:USDT@okx`
    pub fn instrument(&self, base: &str) -> String {
        let exchange = VENUES[usize::from(self.venue().0)].exchange;
        format!("{base}{}@{exchange}", self.pair)
    }

    /// The simulated venue's name of it.
    fn symbol(&self, base: &str) -> String {
        if self.is_dollar_spot() { "@107".to_owned() } else { format!("{base}{}", self.suffix) }
    }

    /// Decimals of prices and quantities, and the smallest quantity in its last decimal.
    fn steps(&self, base: &str) -> (u32, u32, i64) {
        let at = BASES.iter().position(|known| *known == base).unwrap();
        match (self.row, self.perpetual) {
            ("binance", _) => [(2, 5, 1), (2, 4, 1), (3, 2, 1)][at],
            ("binance_usdm", _) | ("bybit", true) => [(1, 3, 1), (2, 2, 1), (3, 1, 1)][at],
            ("bybit", false) => [(1, 6, 11), (2, 5, 10), (3, 3, 10)][at],
            ("okx", false) => [(1, 8, 1_000), (2, 6, 100), (3, 4, 100)][at],
            // Hundredths of contracts of 0.01, 0.1 and 1.
            ("okx", true) => [(1, 4, 1), (2, 3, 1), (3, 2, 1)][at],
            // What five figures leave at about the prices where the flow begins.
            (_, true) => [(0, 5, 1), (1, 4, 1), (3, 2, 1)][at],
            (_, false) => (3, 2, 1),
        }
    }

    /// What the venue enforces and lists; `leverage` is what accounts begin with.
    pub fn rules(&self, base: &str, leverage: i64, funding_interval_ms: u64) -> SymbolRules {
        let (price, qty, least) = self.steps(base);
        let dollars = self.row == "hyperliquid";
        let unbounded = |bound: i64| Decimal::from(if dollars { 0 } else { bound });
        let most = if base == EVERYWHERE { 80_000 } else { 80 };
        let quote = match (dollars, self.perpetual) {
            (false, _) => "USDT",
            (true, true) => "USD",
            (true, false) => SPOT_WALLET,
        };
        SymbolRules {
            symbol: self.symbol(base),
            base: base.to_owned(),
            quote: quote.to_owned(),
            tick_size: number(1, price),
            lot_size: number(1, qty),
            price_min: if dollars { Decimal::ZERO } else { number(1, price) },
            price_max: if self.row == "okx" { Decimal::ZERO } else { unbounded(1_000_000) },
            qty_min: if dollars { Decimal::ZERO } else { number(least, qty) },
            qty_max: unbounded(most),
            qty_market_max: unbounded(most / 2),
            notional_min: Decimal::from(match self.row {
                "okx" => 0,
                "hyperliquid" => 10,
                _ => 5,
            }),
            notional_max: unbounded(match self.row {
                "okx" => 20_000_000,
                _ if self.perpetual => 0,
                _ => 8_000_000,
            }),
            maker_fee: number(1, 4),
            taker_fee: number(2, 4),
            fee_decimals: match self.row {
                "bybit" if !self.perpetual => 10,
                "okx" => 12,
                "hyperliquid" if self.perpetual => 6,
                _ => 8,
            },
            perpetual: self.perpetual.then(|| self.contract(base, leverage, funding_interval_ms)),
        }
    }

    fn contract(&self, base: &str, leverage: i64, funding_interval_ms: u64) -> PerpetualRules {
        let most = if self.row == "hyperliquid" { 40 } else { 100 };
        let size = match (self.row, base) {
            ("okx", "BTC") => number(1, 2),
            ("okx", "ETH") => number(1, 1),
            _ => Decimal::ONE,
        };
        PerpetualRules {
            settle: if self.row == "hyperliquid" { "USDC" } else { "USDT" }.to_owned(),
            contract_size: size,
            // One venue's payments are told apart by the hour.
            funding_interval_ms: match self.row {
                "bybit" => 3_600_000,
                _ => funding_interval_ms,
            },
            leverage_initial: Decimal::from(leverage.min(most)),
            leverage_max: Decimal::from(most),
            maintenance_rate: number(5, 3),
            funding_rate_max: number(375, 5),
        }
    }

    /// What an account holds at the start, besides base assets.
    pub fn cash(&self, dollars: i64) -> (&'static str, Decimal) {
        let asset = match (self.row, self.perpetual) {
            ("hyperliquid", true) => "USDC",
            ("hyperliquid", false) => SPOT_WALLET,
            _ => "USDT",
        };
        (asset, Decimal::from(dollars))
    }
}

/// The simulated venue's name of an instrument.
pub fn symbol(instrument: &Instrument) -> String {
    let row = VENUES[usize::from(instrument.venue.0)].name;
    let marked = row == "bybit" && instrument.is_perpetual();
    format!("{}{}", instrument.symbol, if marked { LINEAR } else { "" })
}

/// Our id of an order by what the venue calls it; none of ours if it was not placed by us.
pub fn client_id(text: &str) -> ClientOrderId {
    // One venue has numbers of 128 bits, of which ours is the second half.
    match text.strip_prefix("0x73746f6f70000001") {
        Some(digits) => ClientOrderId::decode(&format!("st{digits}")),
        None => ClientOrderId::decode(text),
    }
}
