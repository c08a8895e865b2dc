//! What market data there is: the products, the streams of an instrument and their names.

#![forbid(unsafe_code)]

use crate::types::{Channel, Instrument, InstrumentId, InstrumentKind, Scale};
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
    /// `@markPrice@1s`, of futures.
    Mark,
}

/// How many streams an instrument may have.
pub(super) const STREAMS: usize = 4;

impl Stream {
    pub(super) const ALL: [Self; STREAMS] = [Self::Top, Self::Depth, Self::Trade, Self::Mark];

    /// Whether instruments of this product have it.
    pub(super) fn is_of(self, product: Product) -> bool {
        self != Self::Mark || product == Product::UsdM
    }

    /// The connection that brings it. Futures are split in books and the rest, and either connection
    /// stays silent for what belongs to the other; an address that names its path is one for all.
    pub(super) fn channel(self, split: bool) -> Channel {
        if split && self == Self::Mark { Channel::PublicMore } else { Channel::Public }
    }

    /// What follows the lower-case symbol in the stream's name.
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Self::Top => "@bookTicker",
            Self::Depth => "@depth@100ms",
            Self::Trade => "@trade",
            Self::Mark => "@markPrice@1s",
        }
    }

    /// Futures have a faster depth, of about 50 ms, which is in no documentation (seen 2024-08) and
    /// is only read, never asked for.
    pub(super) fn from_suffix(text: &str, product: Product) -> Option<Self> {
        match text {
            "depth@0ms" if product == Product::UsdM => Some(Self::Depth),
            _ => {
                let mut known = Self::ALL.into_iter().filter(|stream| stream.is_of(product));
                known.find(|stream| stream.suffix()[1..] == *text)
            }
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
    /// Time between two payments of funding; none until the venue has said.
    pub(super) funding_interval_s: Option<u32>,
}

/// The symbols of a setup, sorted by name.
pub(super) fn symbols(setup: &VenueSetup) -> Vec<Symbol> {
    let of_venue = setup.instruments.of_venue(setup.venue);
    let symbol = |instrument: &Instrument| Symbol {
        name: instrument.symbol.clone(),
        lower: instrument.symbol.to_lowercase(),
        instrument: instrument.id,
        scale: instrument.scale,
        funding_interval_s: None,
    };
    let mut symbols: Vec<Symbol> = of_venue.map(symbol).collect();
    symbols.sort_by(|one, other| one.name.cmp(&other.name));
    symbols
}
