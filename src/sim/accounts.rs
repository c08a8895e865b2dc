//! Accounts of the simulated venue: balances with locked parts, fees paid, positions.
//!
//! Does not know orders: it is told what to lock, release and settle, and asserts that nothing goes
//! below zero, which only an error in the matching engine could cause. Only the wallet that perpetuals
//! are paid from may: a realised loss can exceed it while other positions stand for it.

use super::ledger::Position;
use super::{ApiKey, Ledger, SimFill, SymbolRules};
use crate::types::Side;
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Balance {
    free: Decimal,
    locked: Decimal,
    /// Profit and loss of perpetuals go through it.
    is_margin: bool,
}

/// One account.
#[derive(Clone, Debug)]
pub(super) struct Account {
    keys: Vec<ApiKey>,
    balances: BTreeMap<String, Balance>,
    fees: BTreeMap<String, Decimal>,
    positions: BTreeMap<String, Position>,
    funding: BTreeMap<String, Decimal>,
    covered: BTreeMap<String, Decimal>,
    fills: u64,
    orders: u64,
    /// Assets that changed since [`Account::take_changes`].
    changed: BTreeSet<String>,
}

impl Account {
    pub(super) fn new(key: ApiKey, deposits: BTreeMap<String, Decimal>) -> Self {
        let open = |(asset, free)| (asset, Balance { free, ..Balance::default() });
        Self {
            keys: vec![key],
            balances: deposits.into_iter().map(open).collect(),
            fees: BTreeMap::new(),
            positions: BTreeMap::new(),
            funding: BTreeMap::new(),
            covered: BTreeMap::new(),
            fills: 0,
            orders: 0,
            changed: BTreeSet::new(),
        }
    }

    pub(super) fn add_key(&mut self, key: ApiKey) {
        self.keys.push(key);
    }

    pub(super) fn key(&self, key: &str) -> Option<&ApiKey> {
        self.keys.iter().find(|known| known.key == key)
    }

    pub(super) fn first_key(&self) -> Option<&str> {
        self.keys.first().map(|key| &*key.key)
    }

    pub(super) fn free(&self, asset: &str) -> Decimal {
        self.balances.get(asset).map_or(Decimal::ZERO, |balance| balance.free)
    }

    pub(super) fn locked(&self, asset: &str) -> Decimal {
        self.balances.get(asset).map_or(Decimal::ZERO, |balance| balance.locked)
    }

    /// An order was taken.
    pub(super) fn count_order(&mut self) {
        self.orders += 1;
    }

    /// Moves `amount` from free to locked; the caller has checked that it is there.
    pub(super) fn lock(&mut self, asset: &str, amount: Decimal) {
        self.change(asset, -amount, amount);
    }

    /// Moves `amount` back from locked to free.
    pub(super) fn release(&mut self, asset: &str, amount: Decimal) {
        self.change(asset, amount, -amount);
    }

    /// Books one fill. `unlocked` is the part of the order's lock that the fill uses up: what it
    /// does not spend of that becomes free.
    pub(super) fn settle(&mut self, fill: &SimFill, rules: &SymbolRules, unlocked: Decimal) {
        let value = fill.price * fill.qty;
        match fill.side {
            Side::Buy => {
                self.change(&rules.quote, unlocked - value, -unlocked);
                self.change(&rules.base, fill.qty - fill.fee, Decimal::ZERO);
            }
            Side::Sell => {
                self.change(&rules.base, unlocked - fill.qty, -unlocked);
                self.change(&rules.quote, value - fill.fee, Decimal::ZERO);
            }
        }
        *self.fees.entry(fill.fee_asset.clone()).or_default() += fill.fee;
        self.positions.entry(fill.symbol.clone()).or_default().on_fill(fill, &rules.base);
        self.fills += 1;
    }

    /// Counts a fill of a perpetual, which has been paid.
    pub(super) fn on_perpetual_fill(&mut self, fill: &SimFill, base: &str) {
        *self.fees.entry(fill.fee_asset.clone()).or_default() += fill.fee;
        self.positions.entry(fill.symbol.clone()).or_default().on_fill(fill, base);
        self.fills += 1;
    }

    /// Counts funding, which has been paid.
    pub(super) fn count_funding(&mut self, asset: &str, amount: Decimal) {
        *self.funding.entry(asset.to_owned()).or_default() += amount;
    }

    /// Counts a loss that the venue bore.
    pub(super) fn count_covered(&mut self, asset: &str, amount: Decimal) {
        *self.covered.entry(asset.to_owned()).or_default() += amount;
    }

    /// Pays an amount in, or out of the wallet if it is negative.
    pub(super) fn pay(&mut self, asset: &str, amount: Decimal) {
        if let Some(balance) = self.balances.get_mut(asset) {
            balance.is_margin = true;
        } else {
            let balance = Balance { is_margin: true, ..Balance::default() };
            self.balances.insert(asset.to_owned(), balance);
        }
        self.change(asset, amount, Decimal::ZERO);
    }

    fn change(&mut self, asset: &str, free: Decimal, locked: Decimal) {
        if free.is_zero() && locked.is_zero() {
            return;
        }
        if !self.balances.contains_key(asset) {
            self.balances.insert(asset.to_owned(), Balance::default());
        }
        if let Some(balance) = self.balances.get_mut(asset) {
            balance.free += free;
            balance.locked += locked;
            let owes = balance.free < Decimal::ZERO && !balance.is_margin;
            assert!(!owes, "no balance goes below zero");
            assert!(balance.locked >= Decimal::ZERO, "no more is released than was locked");
        }
        if !self.changed.contains(asset) {
            self.changed.insert(asset.to_owned());
        }
    }

    /// Changed assets with their free and locked amounts.
    pub(super) fn take_changes(&mut self) -> Vec<(String, Decimal, Decimal)> {
        let changed = std::mem::take(&mut self.changed);
        let show = |asset: String| {
            let balance = self.balances.get(&asset).copied().unwrap_or_default();
            (asset, balance.free, balance.locked)
        };
        changed.into_iter().map(show).collect()
    }

    pub(super) fn balances(&self) -> BTreeMap<String, (Decimal, Decimal)> {
        let show = |(asset, balance): (&String, &Balance)| {
            (asset.clone(), (balance.free.normalize(), balance.locked.normalize()))
        };
        self.balances.iter().map(show).collect()
    }

    pub(super) fn ledger(&self, open_orders: u64) -> Ledger {
        let show = |(symbol, position): (&String, &Position)| (symbol.clone(), position.show());
        Ledger {
            balances: self.balances(),
            fees: self.fees.clone(),
            positions: self.positions.iter().map(show).collect(),
            funding: self.funding.clone(),
            covered: self.covered.clone(),
            fills: self.fills,
            orders: self.orders,
            open_orders,
        }
    }
}
