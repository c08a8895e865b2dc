//! What decoding an account's messages needs: the instruments, and the terms of working orders.
//!
//! The terms are kept because an amendment can only be expressed against them. This is no order
//! table: it forgets orders that it has no room for, and nothing is decided from it but whether a
//! replace can be written down.

#![forbid(unsafe_code)]

use super::contracts::Contracts;
use super::streams::Product;
use crate::types::{
    AssetId, ClientOrderId, Event, Events, EventsFull, ExecutionReport, InstrumentId,
    InstrumentTable, OrderState, Price, Qty, ReportKind, Scale, Side, VenueId,
};
use crate::venues::{DecodeError, SymbolMap, VenueSetup, decimal};
use std::collections::HashMap;
use std::sync::Arc;

/// Most working orders whose terms are kept.
const WORKING_MAX: usize = 1024;

/// Side, price and total quantity of a working order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Terms {
    pub(super) side: Side,
    pub(super) price: Price,
    pub(super) qty: Qty,
}

/// The account's instruments, assets and working orders.
pub(super) struct Account {
    pub(super) venue: VenueId,
    pub(super) product: Product,
    pub(super) instruments: Arc<InstrumentTable>,
    symbols: SymbolMap,
    /// Base and quote assets of this venue's instruments, or what they are settled in.
    pub(super) assets: Vec<AssetId>,
    pub(super) contracts: Contracts,
    working: HashMap<ClientOrderId, Terms>,
}

impl Account {
    pub(super) fn new(setup: &VenueSetup, product: Product) -> Self {
        let of_venue = setup.instruments.of_venue(setup.venue);
        let mut assets: Vec<AssetId> = match product {
            Product::Spot => of_venue.flat_map(|row| [row.base, row.quote]).collect(),
            Product::UsdM => of_venue.map(|row| row.settle).collect(),
        };
        assets.sort_unstable();
        assets.dedup();
        Self {
            venue: setup.venue,
            product,
            contracts: Contracts::new(setup.instruments.len(), assets.len()),
            instruments: Arc::clone(&setup.instruments),
            symbols: SymbolMap::new(&setup.instruments, setup.venue),
            assets,
            // Twice the size, so that it never has to grow to clear away what was removed.
            working: HashMap::with_capacity(2 * WORKING_MAX),
        }
    }

    /// The instrument with this symbol, and its scale.
    pub(super) fn symbol(&self, symbol: &str) -> Result<(InstrumentId, Scale), DecodeError> {
        let id = self.symbols.find(symbol)?;
        let instrument = self.instruments.get(id).ok_or(DecodeError::UnknownSymbol)?;
        Ok((id, instrument.scale))
    }

    /// Terms of a working order, if they are known.
    pub(super) fn terms(&self, id: ClientOrderId) -> Option<Terms> {
        self.working.get(&id).copied()
    }

    /// Remembers the terms of an order that may work.
    pub(super) fn remember(&mut self, id: ClientOrderId, terms: Terms) {
        if id.is_some() && (self.working.len() < WORKING_MAX || self.working.contains_key(&id)) {
            self.working.insert(id, terms);
        }
    }

    /// Hands a report on, and learns from it.
    pub(super) fn report(
        &mut self,
        report: ExecutionReport,
        events: &mut Events,
    ) -> Result<(), EventsFull> {
        events.push(Event::Report(report))?;
        let id = report.client_id;
        // Not every reply names the side.
        let side = self.terms(id).map_or(report.side, |terms| terms.side);
        let terms = Terms { side, price: report.price, qty: report.qty };
        let filled = report.cumulative_qty.is_some_and(|done| done >= report.qty);
        match report.kind {
            ReportKind::Replaced => {
                self.remember(id, terms);
            }
            ReportKind::Status
                if matches!(report.state, OrderState::Open | OrderState::PartiallyFilled) =>
            {
                self.remember(id, terms);
            }
            ReportKind::Canceled
            | ReportKind::Rejected
            | ReportKind::Expired
            | ReportKind::NotFound
            | ReportKind::Status => self.forget(id),
            ReportKind::Fill if filled && report.qty > Qty::ZERO => self.forget(id),
            _ => {}
        }
        Ok(())
    }

    fn forget(&mut self, id: ClientOrderId) {
        if !self.working.is_empty() {
            self.working.remove(&id);
        }
    }
}

/// `BUY` or `SELL`.
pub(super) fn side(text: &str, name: &'static str) -> Result<Side, DecodeError> {
    match text {
        "BUY" => Ok(Side::Buy),
        "SELL" => Ok(Side::Sell),
        _ => Err(DecodeError::Invalid(name)),
    }
}

/// A price that is not negative.
pub(super) fn price(text: &str, scale: Scale, name: &'static str) -> Result<Price, DecodeError> {
    match decimal::price(text, scale) {
        Ok(price) if price >= Price(0) => Ok(price),
        Ok(_) => Err(DecodeError::Invalid(name)),
        Err(error) => Err(DecodeError::Number(name, error)),
    }
}

/// A quantity that is not negative.
pub(super) fn qty(text: &str, scale: Scale, name: &'static str) -> Result<Qty, DecodeError> {
    match decimal::qty(text, scale) {
        Ok(qty) if qty >= Qty::ZERO => Ok(qty),
        Ok(_) => Err(DecodeError::Invalid(name)),
        Err(error) => Err(DecodeError::Number(name, error)),
    }
}
