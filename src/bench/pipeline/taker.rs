//! The strategy of the benchmark: every live change of the book causes one order.

use crate::strategy::prelude::*;

/// Buys one lot at the best ask, immediately or not at all, whenever the book changes.
pub(super) struct Taker {
    name: String,
    instrument: Option<InstrumentRef>,
}

impl Taker {
    /// On the instrument of this name.
    pub fn new(name: String) -> Self {
        Self { name, instrument: None }
    }
}

impl Strategy for Taker {
    fn on_start(&mut self, ctx: &mut Context) {
        self.instrument = ctx.instrument(&self.name);
        if let Some(instrument) = &self.instrument {
            let _ = ctx.watch(instrument);
        }
    }

    fn on_book(&mut self, ctx: &mut Context, _changed: InstrumentId) {
        let Some(instrument) = self.instrument else { return };
        let best = ctx.best(&instrument);
        if best.is_live() && best.ask.qty > Qty::ZERO {
            let order = ctx.signal().buy(&instrument, instrument.lot_size).limit_at(best.ask.price);
            // The ring cannot be full: the engine is idle between two frames.
            let _ = order.ioc().emit();
        }
    }
}
