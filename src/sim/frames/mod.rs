//! Lines of a recorded market: what each says of a book or of trades, by the venue whose frames they are.
//!
//! Which venue that is stands in the first line of what `stoop record` has written; other recordings
//! show it by the fields of their frames.

#![forbid(unsafe_code)]

mod binance;
mod bybit;
mod hyperliquid;
mod okx;
pub(crate) mod own;

use super::{CONTRACT, SimLevel, SymbolRules};
use crate::types::Side;
use own::StatedRules;
use rust_decimal::Decimal;
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;
use std::marker::PhantomData;

/// Prices with their quantities; none means that the price is gone.
pub(super) type Levels = Vec<(Side, SimLevel)>;

/// Order, best bid and best ask of a best quote.
pub(super) type Best = (u64, Option<SimLevel>, Option<SimLevel>);

/// What a line says. `order` tells which of two is newer, also of a book and a best quote.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Frame {
    /// The capture begins: what follows up to the snapshot is early.
    Begin,
    /// Frames are missing: nothing is known of the book until the next snapshot.
    Hole,
    /// The whole book. One that was fetched may be older than what the stream has brought.
    Snapshot { id: u64, order: u64, fetched: bool, levels: Levels },
    /// The book as the files before this one have left it: known already to whoever has played them.
    Kept { id: u64, order: u64, levels: Levels },
    /// Changes of the book at `prev`.
    Depth { prev: u64, id: u64, order: u64, levels: Levels },
    /// The best of both sides, as far as there is one.
    Best { order: u64, bid: Option<SimLevel>, ask: Option<SimLevel> },
    /// A trade of others.
    Trade { taker: Side, level: SimLevel },
    /// Mark price and funding of a perpetual.
    Marks(Marks),
    /// The venue's rules, which are others than before.
    Rules(Box<StatedRules>),
}

/// What is said of a perpetual besides its book, as far as it is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks {
    pub(super) mark: Option<Decimal>,
    pub(super) index: Option<Decimal>,
    /// Of the running interval.
    pub(super) rate: Option<Decimal>,
    /// When it is paid, ms since the epoch.
    pub(super) next_ms: Option<u64>,
    /// Time between payments.
    pub(super) interval_ms: Option<u64>,
}

impl Marks {
    /// Takes over what is newer.
    pub(super) fn apply(&mut self, newer: &Self) {
        self.mark = newer.mark.or(self.mark);
        self.index = newer.index.or(self.index);
        self.rate = newer.rate.or(self.rate);
        self.next_ms = newer.next_ms.or(self.next_ms);
        self.interval_ms = newer.interval_ms.or(self.interval_ms);
    }
}

impl Frame {
    /// Whether it is a whole book.
    pub(super) fn is_book(&self) -> bool {
        matches!(self, Self::Snapshot { .. } | Self::Kept { .. })
    }

    /// Multiplies all quantities.
    pub(super) fn scale(&mut self, by: Decimal) {
        let best = |level: &mut Option<SimLevel>| {
            if let Some((_, qty)) = level {
                *qty *= by;
            }
        };
        match self {
            Self::Begin | Self::Hole | Self::Marks(_) | Self::Rules(_) => {}
            Self::Snapshot { levels, .. }
            | Self::Kept { levels, .. }
            | Self::Depth { levels, .. } => {
                levels.iter_mut().for_each(|(_, (_, qty))| *qty *= by);
            }
            Self::Best { bid, ask, .. } => {
                best(bid);
                best(ask);
            }
            Self::Trade { level: (_, qty), .. } => *qty *= by,
        }
    }
}

/// Whose frames these are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Binance,
    Bybit,
    Okx,
    Hyperliquid,
}

/// Reads the lines of one recording.
#[derive(Clone, Debug, Default)]
pub(super) struct Parser {
    format: Option<Format>,
    /// By what the first line says.
    venue: Option<String>,
    /// Taken from the first line that names one; lines of other symbols mean nothing.
    symbol: String,
    perpetual: Option<bool>,
    /// Time of the newest book, where trades from before are sent again.
    newest_ms: u64,
    /// The venue's rules, if they were recorded.
    rules: Option<StatedRules>,
    /// Those that were read last.
    newest: Option<StatedRules>,
    /// Time of the last line of the file before, as the first line of this one says.
    after_ns: Option<u64>,
}

/// Where a recording belongs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// Name of the venue.
    pub venue: String,
    /// The venue's own name of the instrument.
    pub symbol: String,
    /// Whether it is a perpetual; `None` if nothing tells.
    pub perpetual: Option<bool>,
}

impl Origin {
    /// Whether it was recorded of this instrument.
    pub(super) fn is(&self, rules: &SymbolRules) -> bool {
        let named = rules.symbol == self.symbol
            || rules.symbol.strip_suffix(CONTRACT) == Some(self.symbol.as_str());
        named && self.perpetual.is_none_or(|perpetual| perpetual == rules.perpetual.is_some())
    }
}

impl Parser {
    /// What a line says is added to `out`: nothing, or one thing, or several trades. The error names the
    /// field of a line of the recorder's own that cannot be read.
    pub(super) fn parse(&mut self, json: &str, out: &mut Vec<Frame>) -> Result<(), String> {
        if own::is_own(json) {
            return self.on_own(json, out);
        }
        if self.format.is_none() {
            self.format = format_of(json);
        }
        // A line that cannot be read means nothing.
        let _ = match self.format {
            Some(Format::Binance) => binance::parse(self, json, out),
            Some(Format::Bybit) => bybit::parse(self, json, out),
            Some(Format::Okx) => okx::parse(self, json, out),
            Some(Format::Hyperliquid) => hyperliquid::parse(self, json, out),
            None => None,
        };
        Ok(())
    }

    /// The recording is read from its first line once more: nothing of it is old.
    pub(super) fn begin_again(&mut self) {
        self.newest_ms = 0;
    }

    /// Whose recording this is, once that is known.
    pub(super) fn origin(&self) -> Option<Origin> {
        if self.symbol.is_empty() {
            return None;
        }
        let venue = match (&self.venue, self.format) {
            (Some(venue), _) => venue,
            (None, Some(Format::Binance)) if self.perpetual == Some(true) => "binance_usdm",
            (None, Some(Format::Binance)) => "binance",
            (None, Some(Format::Bybit)) => "bybit",
            (None, Some(Format::Okx)) => "okx",
            (None, Some(Format::Hyperliquid)) => "hyperliquid",
            (None, None) => return None,
        };
        let (venue, symbol) = (venue.to_owned(), self.symbol.clone());
        Some(Origin { venue, symbol, perpetual: self.perpetual })
    }

    /// The venue's rules as the recording states them first.
    pub(super) fn rules(&self) -> Option<&StatedRules> {
        self.rules.as_ref()
    }

    /// The time of the last line of the file before, if the line that was read last says it.
    pub(super) fn take_after(&mut self) -> Option<u64> {
        self.after_ns.take()
    }

    /// Whether nothing that comes could tell more of its origin.
    pub(super) fn is_settled(&self) -> bool {
        !self.symbol.is_empty() && self.perpetual.is_some()
    }

    /// Whether quantities are numbers of contracts.
    pub(super) fn is_in_contracts(&self) -> bool {
        self.format == Some(Format::Okx) && self.perpetual == Some(true)
    }

    /// Whether a line about this symbol is one of ours.
    fn is_ours(&mut self, symbol: &str) -> bool {
        if self.symbol.is_empty() {
            symbol.clone_into(&mut self.symbol);
        }
        self.symbol == symbol
    }
}

/// Fields that only one venue's frames have.
#[derive(Deserialize)]
struct Signs {
    stream: Option<IgnoredAny>,
    #[serde(rename = "lastUpdateId")]
    last_update_id: Option<IgnoredAny>,
    topic: Option<IgnoredAny>,
    arg: Option<IgnoredAny>,
    channel: Option<IgnoredAny>,
}

fn format_of(json: &str) -> Option<Format> {
    let signs: Signs = serde_json::from_str(json).ok()?;
    let known = [
        (signs.stream.is_some() || signs.last_update_id.is_some(), Format::Binance),
        (signs.topic.is_some(), Format::Bybit),
        (signs.arg.is_some(), Format::Okx),
        (signs.channel.is_some(), Format::Hyperliquid),
    ];
    known.into_iter().find(|(is, _)| *is).map(|(_, format)| format)
}

/// Data of a frame: one thing, rows of another, or a text.
enum Data<O, R> {
    One(O),
    Rows(Vec<R>),
    Text,
}

impl<'de, O: Deserialize<'de>, R: Deserialize<'de>> Deserialize<'de> for Data<O, R> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct DataVisitor<O, R>(PhantomData<(O, R)>);
        impl<'de, O: Deserialize<'de>, R: Deserialize<'de>> Visitor<'de> for DataVisitor<O, R> {
            type Value = Data<O, R>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object, rows or a text")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Data<O, R>, A::Error> {
                O::deserialize(MapAccessDeserializer::new(map)).map(Data::One)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<Data<O, R>, A::Error> {
                let mut read = Vec::new();
                while let Some(row) = rows.next_element()? {
                    read.push(row);
                }
                Ok(Data::Rows(read))
            }

            fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<Data<O, R>, E> {
                Ok(Data::Text)
            }
        }
        from.deserialize_any(DataVisitor(PhantomData))
    }
}

/// A level as a list, `["61850.63","0.16964",..]`: what follows price and quantity means nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Row(SimLevel);

impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct RowVisitor;
        impl<'de> Visitor<'de> for RowVisitor {
            type Value = Row;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("price and quantity")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut row: A) -> Result<Row, A::Error> {
                use serde::de::Error;
                let short = |at| A::Error::invalid_length(at, &self);
                let price = row.next_element::<Number>()?.ok_or_else(|| short(0))?;
                let qty = row.next_element::<Number>()?.ok_or_else(|| short(1))?;
                while row.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Row((price.0, qty.0)))
            }
        }
        from.deserialize_seq(RowVisitor)
    }
}

/// A decimal in quotes.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Number(Decimal);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct NumberVisitor;
        impl Visitor<'_> for NumberVisitor {
            type Value = Number;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a decimal in quotes")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Number, E> {
                text.parse().map(Number).map_err(E::custom)
            }
        }
        from.deserialize_str(NumberVisitor)
    }
}

/// Both sides as one list.
fn levels(bids: &[Row], asks: &[Row]) -> Levels {
    let bids = bids.iter().map(|row| (Side::Buy, row.0));
    let asks = asks.iter().map(|row| (Side::Sell, row.0));
    bids.chain(asks).collect()
}

#[cfg(test)]
mod tests;
