//! A strategy that looks at every change and decides against it.

use crate::strategy::{dispatch, prelude::*};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Watches instruments, reads each top of book that changes, and waits for a spread that does not
/// come.
pub(super) struct Looker {
    names: Vec<String>,
    instruments: Vec<InstrumentRef>,
    watched: usize,
    looks: u64,
    /// Live tops that were read.
    seen: Arc<AtomicU64>,
}

impl Looker {
    /// At these, which are the first of the table.
    pub fn new(names: Vec<String>) -> Self {
        Self { names, instruments: Vec::new(), watched: 0, looks: 0, seen: Arc::default() }
    }

    /// How many live tops of book it will have read.
    pub fn seen(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.seen)
    }
}

impl Strategy for Looker {
    fn on_start(&mut self, ctx: &mut Context) {
        self.instruments = self.names.iter().filter_map(|name| ctx.instrument(name)).collect();
    }

    fn on_book(&mut self, ctx: &mut Context, changed: InstrumentId) {
        let Some(instrument) = self.instruments.get(changed.index()).copied() else { return };
        let best = ctx.best(&instrument);
        if !best.is_live() {
            return;
        }
        self.looks += 1;
        self.seen.store(self.looks, Ordering::Relaxed);
        // Half of the price: no market has that.
        if best.ask.price.0 - best.bid.price.0 > best.ask.price.0 / 2 {
            let order = ctx.signal().buy(&instrument, instrument.lot_size);
            let _ = order.limit_at(best.ask.price).ioc().emit();
        }
    }

    /// The ring to the order manager takes so many wishes at once; the rest is for the next round.
    fn poll(&mut self, ctx: &mut Context) -> usize {
        while let Some(instrument) = self.instruments.get(self.watched) {
            if ctx.watch(instrument).is_err() {
                break;
            }
            self.watched += 1;
        }
        dispatch(self, ctx)
    }
}
