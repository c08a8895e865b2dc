//! What a strategy reads of a market besides its books: klines. Public trades come to
//! [`super::Strategy::on_trade`]; mark price and funding are read with [`Context::perpetual`].

use super::klines::{HistoryEnd, KlineEvent, PUMP_EVERY_NS, Series};
use super::{Context, EmitError, InstrumentRef};
use crate::types::{Interval, Nanos};

impl Context {
    /// Gives it someone to ask for history.
    #[must_use]
    pub fn with_history(mut self, history: HistoryEnd) -> Self {
        self.klines.get_or_insert_default().set_history(history);
        self
    }

    /// Keeps klines of an instrument from now on, and watches it: [`super::Strategy::on_kline`]
    /// follows, and [`Context::klines`] has them. Asking twice changes nothing.
    pub fn want_klines(
        &mut self,
        instrument: &InstrumentRef,
        interval: Interval,
    ) -> Result<(), EmitError> {
        self.watch(instrument)?;
        let now = self.now();
        let desk = self.klines.get_or_insert_default();
        desk.follow(&self.parts.view, instrument.id, interval, now);
        self.klines_at = self.klines_at.min(now);
        self.sleep();
        Ok(())
    }

    /// The klines of an instrument that was asked for with [`Context::want_klines`], as of a
    /// millisecond ago. Ask [`Series::history`] whether what came before is known: an empty series
    /// without history says nothing of the market.
    #[must_use]
    pub fn klines(&self, instrument: &InstrumentRef, interval: Interval) -> Option<&Series> {
        self.klines.as_ref()?.series(instrument.id, interval)
    }

    /// The next kline that is closed, for strategies that own their loop.
    pub fn next_kline(&mut self) -> Option<KlineEvent> {
        let now = self.now();
        if now >= self.klines_at {
            let desk = self.klines.as_mut()?;
            desk.pump(&self.parts.view, now);
            self.klines_at = now.plus(PUMP_EVERY_NS);
        }
        match self.klines_at {
            Nanos(u64::MAX) => None,
            _ => self.klines.as_mut()?.next(),
        }
    }

    /// How many prints came to no kline: those that came twice, those that were overwritten before
    /// they were read, those without a time or a price.
    #[must_use]
    pub fn prints_lost(&self) -> (u64, u64, u64) {
        let lost = self.klines.as_ref().map(|desk| desk.lost).unwrap_or_default();
        (lost.copies, lost.missed, lost.unusable)
    }
}

impl InstrumentRef {
    /// A kline in the units of the instrument's price, for indicators.
    #[must_use]
    pub fn bar(&self, kline: &crate::types::Kline) -> super::indicators::Bar {
        let unit = 10f64.powi(i32::from(self.scale.price_decimals));
        let [high, low, close] =
            [kline.high, kline.low, kline.close].map(|price| price.0 as f64 / unit);
        super::indicators::Bar { high, low, close }
    }
}
