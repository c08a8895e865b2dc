//! Book changes in batches of a fixed time, and public trades joined to what one taker did at one
//! price.

use crate::sim::{ExchangeEvent, SimLevel};
use crate::types::Side;
use rust_decimal::Decimal;
use std::collections::BTreeMap;

/// How often a depth stream is sent, and the ends of the names of those who are sent so often.
pub(super) type Period = (u64, &'static [&'static str]);

/// Changed levels of one book since the last batch.
#[derive(Debug, Default)]
pub(super) struct Batch {
    ids: Option<(u64, u64)>,
    pub(super) bids: BTreeMap<Decimal, Decimal>,
    pub(super) asks: BTreeMap<Decimal, Decimal>,
    /// Time of its last change, ms.
    pub(super) time_ms: u64,
}

/// A batch to be sent.
pub(super) struct Due {
    pub(super) symbol: String,
    /// Index of its period.
    pub(super) period: usize,
    pub(super) first_id: u64,
    pub(super) last_id: u64,
    pub(super) batch: Batch,
}

/// The batches of all books, for each period.
#[derive(Debug)]
pub(super) struct Batches {
    periods: &'static [Period],
    next_ms: Vec<u64>,
    symbols: BTreeMap<String, Vec<Batch>>,
}

impl Batches {
    pub(super) fn new(periods: &'static [Period]) -> Self {
        Self { periods, next_ms: vec![0; periods.len()], symbols: BTreeMap::new() }
    }

    /// Adds a book change to the batches of all periods. If ids are missing before it, the batch so
    /// far is due first, so that the hole shows between two messages and not inside one.
    pub(super) fn collect(
        &mut self,
        symbol: &str,
        ids: (u64, u64),
        bids: &[SimLevel],
        asks: &[SimLevel],
        time_ms: u64,
    ) -> Vec<Due> {
        let mut due = Vec::new();
        for period in 0..self.periods.len() {
            let pending = self.batch(symbol, period).ids;
            if pending.is_some_and(|(_, last)| last + 1 != ids.0) {
                due.extend(self.take(symbol, period));
            }
            let batch = self.batch(symbol, period);
            batch.ids = Some((batch.ids.map_or(ids.0, |(first, _)| first), ids.1));
            batch.bids.extend(bids.iter().copied());
            batch.asks.extend(asks.iter().copied());
            batch.time_ms = time_ms;
        }
        due
    }

    fn batch(&mut self, symbol: &str, period: usize) -> &mut Batch {
        if !self.symbols.contains_key(symbol) {
            let empty = self.periods.iter().map(|_| Batch::default()).collect();
            self.symbols.insert(symbol.to_owned(), empty);
        }
        &mut self.symbols.entry(symbol.to_owned()).or_default()[period]
    }

    fn take(&mut self, symbol: &str, period: usize) -> Option<Due> {
        let batch = std::mem::take(self.batch(symbol, period));
        let (first_id, last_id) = batch.ids?;
        Some(Due { symbol: symbol.to_owned(), period, first_id, last_id, batch })
    }

    /// The batches whose time has come.
    pub(super) fn due(&mut self, now_ms: u64) -> Vec<Due> {
        let mut due = Vec::new();
        for (period, (length_ms, _)) in self.periods.iter().enumerate() {
            // A clock that was set back holds nothing up.
            let left_ms = self.next_ms[period].saturating_sub(now_ms);
            if (1..=*length_ms).contains(&left_ms) {
                continue;
            }
            self.next_ms[period] = now_ms - now_ms % length_ms + length_ms;
            let changed: Vec<String> = self
                .symbols
                .iter()
                .filter(|(_, batches)| batches[period].ids.is_some())
                .map(|(name, _)| name.clone())
                .collect();
            due.extend(changed.iter().filter_map(|symbol| self.take(symbol, period)));
        }
        due
    }
}

/// Public trades of one taker at one price.
#[derive(Clone, Debug)]
pub(super) struct Aggregate {
    pub(super) symbol: String,
    /// Its number, contiguous per symbol.
    pub(super) id: u64,
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) taker: Side,
    pub(super) price: Decimal,
    pub(super) qty: Decimal,
    pub(super) time_ms: u64,
}

/// Joins prints that follow each other at one price and time, by the same side.
#[derive(Debug, Default)]
pub(super) struct Aggregates {
    numbers: BTreeMap<String, u64>,
    pending: Option<Aggregate>,
}

impl Aggregates {
    /// Adds a print; gives what is complete with it.
    pub(super) fn add(&mut self, event: &ExchangeEvent) -> Option<Aggregate> {
        let ExchangeEvent::Trade { symbol, trade_id, taker, price, qty, time_ms } = event else {
            return None;
        };
        if let Some(last) = &mut self.pending
            && last.symbol == *symbol
            && (last.taker, last.price, last.time_ms) == (*taker, *price, *time_ms)
        {
            last.last = *trade_id;
            last.qty += qty;
            return None;
        }
        let complete = self.take();
        self.pending = Some(Aggregate {
            symbol: symbol.clone(),
            id: 0,
            first: *trade_id,
            last: *trade_id,
            taker: *taker,
            price: *price,
            qty: *qty,
            time_ms: *time_ms,
        });
        complete
    }

    /// What is complete because nothing more comes now.
    pub(super) fn take(&mut self) -> Option<Aggregate> {
        let mut complete = self.pending.take()?;
        let number = self.numbers.entry(complete.symbol.clone()).or_default();
        *number += 1;
        complete.id = *number;
        Some(complete)
    }
}
