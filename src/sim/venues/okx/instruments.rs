//! The venue's view of the exchange's instruments: names, number codes, contracts and base units,
//! and their rows.
//!
//! The exchange counts in base units everywhere. Quantities on the wire are contracts for swaps
//! and base units for spot; only this module converts.

#![forbid(unsafe_code)]

use crate::sim::venues::json::Object;
use crate::sim::{Exchange, SymbolRules};
use rust_decimal::Decimal;

/// Codes that the venue was seen to give.
const KNOWN_CODES: [(&str, u64); 3] =
    [("BTC-USD-SWAP", 10_458), ("BTC-USDT-SWAP", 10_459), ("ETH-USDT-SWAP", 10_461)];
/// Codes of all others, by their place.
const FIRST_CODE: u64 = 20_001;

/// What is traded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Spot,
    Swap,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Spot => "SPOT",
            Self::Swap => "SWAP",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        [Self::Spot, Self::Swap].into_iter().find(|kind| kind.name() == text)
    }
}

/// An instrument's name and units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Instrument {
    /// `BTC-USDT`, `BTC-USDT-SWAP`; the exchange's symbol.
    pub(super) id: String,
    /// `instIdCode`.
    pub(super) code: u64,
    pub(super) kind: Kind,
    /// Base units of one contract; 1 for spot.
    pub(super) contract: Decimal,
    /// Name of the index: base and quote.
    pub(super) index: String,
    /// Asset of fees and margin of a swap; quote of spot.
    pub(super) settle: String,
}

impl Instrument {
    fn of(place: usize, rules: &SymbolRules) -> Self {
        let known = KNOWN_CODES.iter().find(|(id, _)| *id == rules.symbol);
        let perpetual = rules.perpetual.as_ref();
        Self {
            id: rules.symbol.clone(),
            code: known.map_or(FIRST_CODE + place as u64, |(_, code)| *code),
            kind: if perpetual.is_some() { Kind::Swap } else { Kind::Spot },
            contract: perpetual.map_or(Decimal::ONE, |perpetual| perpetual.contract_size),
            index: format!("{}-{}", rules.base, rules.quote),
            settle: perpetual.map_or(&rules.quote, |perpetual| &perpetual.settle).clone(),
        }
    }

    /// Base units of a quantity on the wire.
    pub(super) fn to_base(&self, size: Decimal) -> Decimal {
        size * self.contract
    }

    /// Quantity on the wire of base units.
    pub(super) fn to_wire(&self, qty: Decimal) -> Decimal {
        if self.contract == Decimal::ONE { qty } else { qty / self.contract }
    }
}

/// All instruments, in the exchange's order.
#[derive(Debug, Default)]
pub(super) struct Instruments(Vec<Instrument>);

impl Instruments {
    /// Learns the symbols of the exchange.
    pub(super) fn learn(&mut self, exchange: &Exchange) {
        for (place, rules) in exchange.symbols().iter().enumerate().skip(self.0.len()) {
            self.0.push(Instrument::of(place, rules));
        }
    }

    pub(super) fn all(&self) -> &[Instrument] {
        &self.0
    }

    pub(super) fn by_id(&self, id: &str) -> Option<(usize, &Instrument)> {
        self.0.iter().enumerate().find(|(_, instrument)| instrument.id == id)
    }

    pub(super) fn by_code(&self, code: u64) -> Option<(usize, &Instrument)> {
        self.0.iter().enumerate().find(|(_, instrument)| instrument.code == code)
    }
}

/// The hard price limit that rows state, as a ratio: it is not enforced.
const HARD_BAND: Decimal = Decimal::from_parts(15, 0, 0, false, 2);

/// Row of `public/instruments` and of the `instruments` channel.
/// `band`: how far a price may be from the mark, as a ratio.
pub(super) fn row(instrument: &Instrument, rules: &SymbolRules, band: Decimal) -> String {
    let spot = instrument.kind == Kind::Spot;
    let only = |wanted: bool, text: &str| if wanted { text.to_owned() } else { String::new() };
    let size = |qty: Decimal| instrument.to_wire(qty);
    let quotes = if spot { format!("[\"{}\"]", rules.quote) } else { "[]".to_owned() };
    Object::new()
        .blanks(&["alias", "auctionEndTime"])
        .text("baseCcy", &only(spot, &rules.base))
        .text("category", "1")
        .text("ctMult", &only(!spot, "1"))
        .text("ctType", &only(!spot, "linear"))
        .text("ctVal", &only(!spot, &instrument.contract.normalize().to_string()))
        .text("ctValCcy", &only(!spot, &rules.base))
        .blanks(&["contTdSwTime", "expTime"])
        .flag("futureSettlement", false)
        .text("groupId", "1")
        .text("instFamily", &only(!spot, &instrument.index))
        .text("instId", &instrument.id)
        .text("instType", instrument.kind.name())
        .text("lever", &lever_max(rules))
        .text("listTime", "1606468572000")
        .decimal("lotSz", size(rules.lot_size))
        .decimal("maxIcebergSz", size(rules.qty_max))
        .decimal("maxLmtAmt", rules.notional_max)
        .decimal("maxLmtSz", size(rules.qty_max))
        .text("maxMktAmt", &only(spot, &rules.notional_max.normalize().to_string()))
        .decimal("maxMktSz", market_max(instrument, rules))
        .text("maxPlatOILmt", "")
        .text("maxStopSz", "")
        .decimal("maxTriggerSz", size(rules.qty_max))
        .decimal("maxTwapSz", size(rules.qty_max))
        .decimal("minSz", size(rules.qty_min))
        .blanks(&["optType", "openType", "posLmtAmt", "posLmtPct", "preMktSwTime"])
        .text("quoteCcy", &only(spot, &rules.quote))
        .raw("tradeQuoteCcyList", &quotes)
        .text("settleCcy", &only(!spot, &instrument.settle))
        .text("state", "live")
        .text("ruleType", "normal")
        .text("stk", "")
        .decimal("tickSz", rules.tick_size)
        .text("uly", &only(!spot, &instrument.index))
        .number("instIdCode", instrument.code)
        .text("instCategory", "1")
        .decimal("initPxLmtPct", band)
        .decimal("floatPxLmtPct", band)
        .decimal("maxPxLmtPct", HARD_BAND)
        .raw("upcChg", "[]")
        .done()
}

/// Largest market order: contracts of a swap, quote of spot.
fn market_max(instrument: &Instrument, rules: &SymbolRules) -> Decimal {
    match instrument.kind {
        Kind::Spot => rules.notional_max,
        Kind::Swap => instrument.to_wire(rules.qty_market_max),
    }
}

/// Largest leverage; that of spot is for margin trading, which is not here.
fn lever_max(rules: &SymbolRules) -> String {
    let max = rules.perpetual.as_ref().map(|perpetual| perpetual.leverage_max);
    max.map_or_else(|| "10".to_owned(), |max| max.normalize().to_string())
}
