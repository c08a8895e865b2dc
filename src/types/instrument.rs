//! Instruments, their rules, and the tables that number them.

use super::{Amount, NewOrder, OrderType, Price, Qty, Scale};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Index of a venue in the table of venues.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[repr(transparent)]
pub struct VenueId(pub u8);

/// Index of an instrument in the [`InstrumentTable`].
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[repr(transparent)]
pub struct InstrumentId(pub u16);

impl InstrumentId {
    /// Index into tables.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// Index of an asset in the [`AssetTable`]. The base asset is also the name of the underlying.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(transparent)]
pub struct AssetId(pub u16);

impl AssetId {
    /// No asset.
    pub const NONE: Self = Self(u16::MAX);

    /// Index into tables.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl Default for AssetId {
    fn default() -> Self {
        Self::NONE
    }
}

/// The names of all assets seen so far, numbered in order of appearance.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct AssetTable {
    names: Vec<String>,
}

impl AssetTable {
    /// Number of `name`, adding it if it is new.
    pub fn intern(&mut self, name: &str) -> AssetId {
        self.find(name).unwrap_or_else(|| {
            self.names.push(name.to_owned());
            AssetId((self.names.len() - 1) as u16)
        })
    }

    /// Number of `name` if it is known. Linear: tables hold a few dozen names.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<AssetId> {
        self.names.iter().position(|known| known == name).map(|index| AssetId(index as u16))
    }

    /// Name of `asset`, "?" if it is not in the table.
    #[must_use]
    pub fn name(&self, asset: AssetId) -> &str {
        self.names.get(asset.index()).map_or("?", String::as_str)
    }

    /// How many assets are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether none is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

/// What kind of contract an instrument is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum InstrumentKind {
    /// Base against quote, delivered at once.
    #[default]
    Spot = 0,
    /// Perpetual settled in the quote asset.
    LinearPerpetual = 1,
}

impl InstrumentKind {
    /// From a byte of shared memory or a journal.
    #[must_use]
    pub fn from_u8(byte: u8) -> Option<Self> {
        const ALL: [InstrumentKind; 2] = [InstrumentKind::Spot, InstrumentKind::LinearPerpetual];
        ALL.get(usize::from(byte)).copied()
    }
}

/// Whether an instrument can be traded now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum InstrumentStatus {
    /// Orders are taken.
    #[default]
    Trading = 0,
    /// Only cancels are taken.
    CancelOnly = 1,
    /// Nothing is taken.
    Halted = 2,
}

impl InstrumentStatus {
    /// From a byte of shared memory or a journal.
    #[must_use]
    pub fn from_u8(byte: u8) -> Option<Self> {
        const ALL: [InstrumentStatus; 3] =
            [InstrumentStatus::Trading, InstrumentStatus::CancelOnly, InstrumentStatus::Halted];
        ALL.get(usize::from(byte)).copied()
    }
}

/// The venue's rules of one instrument. A limit of 0 means "none".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstrumentRules {
    /// Smallest price step.
    pub tick_size: Price,
    /// Smallest quantity step.
    pub lot_size: Qty,
    /// Smallest limit price.
    pub price_min: Price,
    /// Largest limit price.
    pub price_max: Price,
    /// Smallest quantity.
    pub qty_min: Qty,
    /// Largest quantity of a limit order.
    pub qty_max: Qty,
    /// Largest quantity of a market order.
    pub qty_market_max: Qty,
    /// Smallest price x quantity in quote units.
    pub notional_min: Amount,
    /// Largest price x quantity in quote units.
    pub notional_max: Amount,
    /// Most significant figures of a price that is not whole.
    pub figures_max: u8,
}

impl InstrumentRules {
    /// The price step at a price: the tick size, or a coarser one where figures are limited. Whatever
    /// is rounded to it has few enough of them.
    #[must_use]
    pub fn tick_at(&self, price: Price, scale: Scale) -> Price {
        if self.figures_max == 0 {
            return self.tick_size;
        }
        let limit = 10u64.saturating_pow(self.figures_max.into());
        let (mut left, mut step) = (price.0.unsigned_abs(), 1i64);
        while left >= limit {
            (left, step) = (left / 10, step.saturating_mul(10));
        }
        let whole = 10i64.saturating_pow(scale.price_decimals.into());
        Price(step.min(whole).max(self.tick_size.0))
    }

    /// What keeps both of two sets of rules, of which 0 means "none" for the largest values; `None`
    /// if nothing does: steps of which neither is a multiple of the other.
    #[must_use]
    pub fn stricter(&self, other: &Self) -> Option<Self> {
        fn step(a: i64, b: i64) -> Option<i64> {
            let (coarse, fine) = (a.max(b), a.min(b));
            (fine <= 0 || coarse % fine == 0).then_some(coarse)
        }
        fn least<T: Ord + Default>(a: T, b: T) -> T {
            let none = T::default();
            if a == none || (b != none && b < a) { b } else { a }
        }
        Some(Self {
            tick_size: Price(step(self.tick_size.0, other.tick_size.0)?),
            lot_size: Qty(step(self.lot_size.0, other.lot_size.0)?),
            price_min: self.price_min.max(other.price_min),
            price_max: least(self.price_max, other.price_max),
            qty_min: self.qty_min.max(other.qty_min),
            qty_max: least(self.qty_max, other.qty_max),
            qty_market_max: least(self.qty_market_max, other.qty_market_max),
            notional_min: self.notional_min.max(other.notional_min),
            notional_max: least(self.notional_max, other.notional_max),
            figures_max: least(self.figures_max, other.figures_max),
        })
    }
}

/// Which rule an order breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RuleViolation {
    /// Price is zero, negative or out of bounds.
    PriceOutOfBounds,
    /// Price is not a multiple of the tick size.
    PriceOffTick,
    /// Quantity is zero or negative.
    QtyNotPositive,
    /// Quantity is not a multiple of the lot size.
    QtyOffLot,
    /// Quantity is below the minimum.
    QtyBelowMin,
    /// Quantity is above the maximum.
    QtyAboveMax,
    /// Value is below the minimum notional.
    NotionalBelowMin,
    /// Value is above the maximum notional, or does not fit.
    NotionalAboveMax,
}

impl fmt::Display for RuleViolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PriceOutOfBounds => "price is outside the instrument's bounds",
            Self::PriceOffTick => "price is not a multiple of the tick size",
            Self::QtyNotPositive => "quantity is not positive",
            Self::QtyOffLot => "quantity is not a multiple of the lot size",
            Self::QtyBelowMin => "quantity is below the minimum",
            Self::QtyAboveMax => "quantity is above the maximum",
            Self::NotionalBelowMin => "value is below the minimum notional",
            Self::NotionalAboveMax => "value is above the maximum notional",
        })
    }
}

/// A tradable thing at one venue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instrument {
    /// Its number.
    pub id: InstrumentId,
    /// Where it trades.
    pub venue: VenueId,
    /// Our name of it: `BTC/USDT@binance`.
    pub name: String,
    /// The venue's own name of it: `BTCUSDT`.
    pub symbol: String,
    /// What kind of contract.
    pub kind: InstrumentKind,
    /// Asset that is traded; the underlying.
    pub base: AssetId,
    /// Asset that it is priced in.
    pub quote: AssetId,
    /// Asset in which margin, profit and funding of a perpetual are paid; [`AssetId::NONE`] for spot.
    pub settle: AssetId,
    /// Base units of one contract where the venue counts in contracts; 0 where it counts in base
    /// units. Quantities inside the engine are always base units.
    pub contract: Qty,
    /// Decimals of its prices and quantities, the same for all instruments of the underlying.
    pub scale: Scale,
    /// The venue's rules.
    pub rules: InstrumentRules,
    /// Whether it trades now.
    pub status: InstrumentStatus,
    /// Largest leverage of a perpetual that the venue allows anybody; 0 if it has not said. Asked for at
    /// every start and looked at there alone: journals do not hold it.
    #[serde(skip)]
    pub leverage_max: u8,
}

impl Instrument {
    /// Whether what is traded is a position on margin, settled in an asset, and not the base asset
    /// itself. Frames of a contract may be read and traded on spot: the kind says how frames are
    /// read, this how trades are accounted for.
    #[must_use]
    pub fn is_perpetual(&self) -> bool {
        self.kind != InstrumentKind::Spot && self.settle != AssetId::NONE
    }

    /// Whether the venue's static rules allow the order; `reference` prices market orders.
    pub fn check(&self, order: &NewOrder, reference: Price) -> Result<(), RuleViolation> {
        let rules = &self.rules;
        if order.qty <= Qty::ZERO {
            return Err(RuleViolation::QtyNotPositive);
        }
        if !order.qty.is_multiple_of(rules.lot_size) {
            return Err(RuleViolation::QtyOffLot);
        }
        if order.qty < rules.qty_min {
            return Err(RuleViolation::QtyBelowMin);
        }
        let market = order.order_type == OrderType::Market;
        let qty_max = if market { rules.qty_market_max } else { rules.qty_max };
        if qty_max > Qty::ZERO && order.qty > qty_max {
            return Err(RuleViolation::QtyAboveMax);
        }
        if !market {
            self.check_price(order.price)?;
        }
        self.check_notional(if market { reference } else { order.price }, order.qty)
    }

    /// The price step at a price.
    #[must_use]
    pub fn tick_at(&self, price: Price) -> Price {
        self.rules.tick_at(price, self.scale)
    }

    fn check_price(&self, price: Price) -> Result<(), RuleViolation> {
        let rules = &self.rules;
        let above = rules.price_max > Price(0) && price > rules.price_max;
        if price <= Price(0) || price < rules.price_min || above {
            return Err(RuleViolation::PriceOutOfBounds);
        }
        if price.is_multiple_of(self.tick_at(price)) {
            Ok(())
        } else {
            Err(RuleViolation::PriceOffTick)
        }
    }

    fn check_notional(&self, price: Price, qty: Qty) -> Result<(), RuleViolation> {
        let rules = &self.rules;
        let Some(notional) = self.scale.notional(price, qty) else {
            return Err(RuleViolation::NotionalAboveMax);
        };
        if notional < rules.notional_min {
            return Err(RuleViolation::NotionalBelowMin);
        }
        if rules.notional_max > Amount::ZERO && notional > rules.notional_max {
            return Err(RuleViolation::NotionalAboveMax);
        }
        Ok(())
    }
}

/// All configured instruments and the assets they name. Fixed once the engine runs.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct InstrumentTable {
    instruments: Vec<Instrument>,
    /// Names of all assets.
    pub assets: AssetTable,
}

impl InstrumentTable {
    /// Adds an instrument and gives it its number.
    pub fn add(&mut self, mut instrument: Instrument) -> InstrumentId {
        instrument.id = InstrumentId(self.instruments.len() as u16);
        let id = instrument.id;
        self.instruments.push(instrument);
        id
    }

    /// The instrument with this number.
    #[must_use]
    pub fn get(&self, id: InstrumentId) -> Option<&Instrument> {
        self.instruments.get(id.index())
    }

    /// Changes the rules of one.
    pub fn set_rules(&mut self, id: InstrumentId, rules: InstrumentRules) {
        if let Some(instrument) = self.instruments.get_mut(id.index()) {
            instrument.rules = rules;
        }
    }

    /// The instrument with our name `BTC/USDT@binance`.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<&Instrument> {
        self.instruments.iter().find(|instrument| instrument.name == name)
    }

    /// All of them, in order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = &Instrument> {
        self.instruments.iter()
    }

    /// Those of one venue.
    pub fn of_venue(&self, venue: VenueId) -> impl Iterator<Item = &Instrument> {
        self.instruments.iter().filter(move |instrument| instrument.venue == venue)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.instruments.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.instruments.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{ClientOrderId, Side, TimeInForce};

    fn instrument() -> Instrument {
        Instrument {
            scale: Scale { price_decimals: 2, qty_decimals: 5 },
            rules: InstrumentRules {
                tick_size: Price(10),
                lot_size: Qty(10),
                price_min: Price(10),
                price_max: Price(100_000_000),
                qty_min: Qty(20),
                qty_max: Qty(1_000_000),
                qty_market_max: Qty(500_000),
                notional_min: Amount(5 * 10i128.pow(18)),
                notional_max: Amount::ZERO,
                figures_max: 0,
            },
            ..Instrument::default()
        }
    }

    fn order(price: i64, qty: i64) -> NewOrder {
        NewOrder {
            client_id: ClientOrderId(1),
            instrument: InstrumentId(0),
            side: Side::Buy,
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::Ioc,
            post_only: false,
            reduce_only: false,
            price: Price(price),
            qty: Qty(qty),
        }
    }

    #[test]
    fn few_figures_make_the_step_coarser() {
        let scale = Scale { price_decimals: 2, qty_decimals: 5 };
        let rules = InstrumentRules { tick_size: Price(10), figures_max: 5, ..Default::default() };
        for (price, step) in [
            (1, 10),
            (99_999, 10),
            (999_990, 10),
            (1_000_000, 100),
            (8_063_900, 100),
            (12_345_600, 100),
            (i64::MAX, 100),
        ] {
            assert_eq!(rules.tick_at(Price(price), scale), Price(step), "{price}");
        }
        let any = InstrumentRules { figures_max: 0, ..rules };
        assert_eq!(any.tick_at(Price(8_063_900), scale), Price(10));
        let instrument = Instrument { scale, rules, ..Instrument::default() };
        assert_eq!(instrument.check_price(Price(8_063_950)), Err(RuleViolation::PriceOffTick));
        assert_eq!(instrument.check_price(Price(8_063_900)), Ok(()));
        assert_eq!(instrument.check_price(Price(999_990)), Ok(()));
    }

    #[test]
    fn every_rule_has_its_own_refusal() {
        use RuleViolation::*;
        let instrument = instrument();
        for (price, qty, expected) in [
            (6_000_000, 100, Ok(())),
            (6_000_005, 100, Err(PriceOffTick)),
            (-10, 100, Err(PriceOutOfBounds)),
            (100_000_010, 100, Err(PriceOutOfBounds)),
            (6_000_000, -10, Err(QtyNotPositive)),
            (6_000_000, 0, Err(QtyNotPositive)),
            (6_000_000, 101, Err(QtyOffLot)),
            (6_000_000, 10, Err(QtyBelowMin)),
            (6_000_000, 1_000_010, Err(QtyAboveMax)),
            (10_000, 20, Err(NotionalBelowMin)),
        ] {
            let result = instrument.check(&order(price, qty), Price(6_000_000));
            assert_eq!(result, expected, "price {price} qty {qty}");
        }
    }

    #[test]
    fn journals_do_not_hold_the_largest_leverage() {
        let stated = Instrument { leverage_max: 50, ..instrument() };
        let mut bytes = [0; 512];
        let kept = postcard::to_slice(&stated, &mut bytes).unwrap();
        let without = Instrument { leverage_max: 0, ..stated };
        // The last of them is what an older program wrote last, too.
        assert_eq!(kept.last(), Some(&(without.status as u8)));
        assert_eq!(postcard::from_bytes::<Instrument>(kept), Ok(without));
    }
}
