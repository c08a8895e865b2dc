//! What market data there is: the products, the streams of an instrument and their names.

#![forbid(unsafe_code)]

use crate::types::{Instrument, InstrumentId, InstrumentKind, Scale};
use crate::venues::{SetupError, VenueSetup};

/// What is traded: it decides paths, fields and the rule of the update ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Product {
    /// Base against quote.
    Spot,
    /// Futures margined in a stable coin; the times of their events are those of the matching (`T`).
    UsdM,
}

impl Product {
    /// What the instruments of a setup are.
    pub(super) fn of(setup: &VenueSetup) -> Result<Self, SetupError> {
        Ok(match setup.only_kind()? {
            InstrumentKind::Spot => Self::Spot,
            InstrumentKind::LinearPerpetual => Self::UsdM,
        })
    }
}

/// The streams of one instrument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    /// `@bookTicker`
    Top,
    /// `@depth@100ms`
    Depth,
    /// `@trade`
    Trade,
}

impl Stream {
    pub(super) const ALL: [Self; 3] = [Self::Top, Self::Depth, Self::Trade];

    /// What follows the lower-case symbol in the stream's name.
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Self::Top => "@bookTicker",
            Self::Depth => "@depth@100ms",
            Self::Trade => "@trade",
        }
    }

    /// Futures have a faster depth, of about 50 ms, which is in no documentation (seen 2024-08) and
    /// is only read, never asked for.
    pub(super) fn from_suffix(text: &str, product: Product) -> Option<Self> {
        match text {
            "depth@0ms" if product == Product::UsdM => Some(Self::Depth),
            _ => Self::ALL.into_iter().find(|stream| stream.suffix()[1..] == *text),
        }
    }
}

/// What a decoder must know of an instrument.
#[derive(Clone, Debug)]
pub(super) struct Symbol {
    /// The venue's name, `BTCUSDT`.
    pub(super) name: String,
    /// As stream names spell it, `btcusdt`.
    pub(super) lower: String,
    pub(super) instrument: InstrumentId,
    pub(super) scale: Scale,
}

/// The symbols of a setup, sorted by name.
pub(super) fn symbols(setup: &VenueSetup) -> Vec<Symbol> {
    let of_venue = setup.instruments.of_venue(setup.venue);
    let symbol = |instrument: &Instrument| Symbol {
        name: instrument.symbol.clone(),
        lower: instrument.symbol.to_lowercase(),
        instrument: instrument.id,
        scale: instrument.scale,
    };
    let mut symbols: Vec<Symbol> = of_venue.map(symbol).collect();
    symbols.sort_by(|one, other| one.name.cmp(&other.name));
    symbols
}
