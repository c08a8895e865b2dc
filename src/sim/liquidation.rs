//! Liquidation: what happens when the margin of a position is used up.
//!
//! An isolated position is liquidated when what was set aside for it and its unrealised profit come
//! below its maintenance margin; all cross positions of a settle asset when the wallet and theirs do.
//! Orders are cancelled first. Then an order of the venue closes the position at no worse than its
//! bankruptcy price, without a fee; what finds no liquidity there the venue takes over at that price.
//! What an account then owes the venue bears. A mark that is not known any more liquidates nothing.

use super::exchange::Exchange;
use super::margin::Needs;
use super::{
    AccountId, Cause, ExchangeEvent, OrderChange, PlaceRequest, SimLiquidation, SimMarginMode,
    SimOrderState, SimOrderType,
};
use crate::types::{Side, TimeInForce};
use rust_decimal::Decimal;
use std::collections::BTreeSet;

impl Exchange {
    /// Liquidates what has to be: of the accounts whose positions changed, or of all after a mark
    /// has moved.
    pub(super) fn check_positions(&mut self, now_ms: u64) {
        let all = std::mem::take(&mut self.perpetuals.moved);
        let touched = |exchange: &Self| -> BTreeSet<usize> {
            exchange.perpetuals.touched.keys().map(|key| key.0).collect()
        };
        let mut accounts = match all {
            true => self.perpetuals.holdings.keys().map(|key| key.0).collect(),
            false => touched(self),
        };
        // Whoever takes the other side of a liquidation may have to be liquidated then: each closes a
        // position, so this ends.
        loop {
            let told = self.events.len();
            for account in accounts {
                self.check_isolated(account, now_ms);
                for settle in self.settles(account) {
                    self.check_cross(account, &settle, now_ms);
                    self.cover(account, &settle);
                }
            }
            if self.events.len() == told {
                return;
            }
            accounts = touched(self);
        }
    }

    /// Listings in which an account has a position of this mode, with their settle asset.
    fn held(&self, account: usize, mode: SimMarginMode) -> Vec<usize> {
        let held = self.perpetuals.holdings.range((account, 0)..=(account, usize::MAX));
        held.filter(|(_, holding)| holding.mode == mode && !holding.qty.is_zero())
            .map(|((_, listing), _)| *listing)
            .collect()
    }

    fn settles(&self, account: usize) -> Vec<String> {
        let held = self.perpetuals.holdings.range((account, 0)..=(account, usize::MAX));
        let mut settles: Vec<String> = held
            .filter_map(|((_, listing), _)| self.settle_of(*listing))
            .map(str::to_owned)
            .collect();
        settles.sort_unstable();
        settles.dedup();
        settles
    }

    fn needs(&self, account: usize, listing: usize) -> Option<Needs> {
        let holding = self.perpetuals.holdings.get(&(account, listing))?;
        let rules = self.rules[listing].perpetual.as_ref()?;
        Some(Needs::of(holding, rules, self.mark_price(listing)))
    }

    fn check_isolated(&mut self, account: usize, now_ms: u64) {
        for listing in self.held(account, SimMarginMode::Isolated) {
            if self.is_stale(listing) {
                continue;
            }
            let Some(needs) = self.needs(account, listing) else { continue };
            let holding = &self.perpetuals.holdings[&(account, listing)];
            let equity = holding.isolated + needs.unrealised;
            if equity < needs.maintenance {
                self.cancel_for(account, now_ms, |_, at| at == listing);
                self.liquidate(account, listing, equity, now_ms);
            }
        }
    }

    /// Each cross position may lose the share of the equity that it has of the maintenance margin.
    fn check_cross(&mut self, account: usize, settle: &str, now_ms: u64) {
        let margin = self.margin(AccountId(account), settle);
        let equity = margin.cross_equity();
        if margin.cross_maintenance.is_zero() || equity >= margin.cross_maintenance {
            return;
        }
        if !self.marks_known(AccountId(account), settle) {
            return;
        }
        self.cancel_for(account, now_ms, |settles, _| settles == Some(settle));
        self.cancel_spot(account, settle, now_ms);
        for listing in self.held(account, SimMarginMode::Cross) {
            if self.settle_of(listing) != Some(settle) {
                continue;
            }
            let Some(needs) = self.needs(account, listing) else { continue };
            let share = equity * (needs.maintenance / margin.cross_maintenance);
            self.liquidate(account, listing, share, now_ms);
        }
    }

    /// Cancels an account's orders in perpetuals that `which` takes, by settle asset and listing.
    fn cancel_for(
        &mut self,
        account: usize,
        now_ms: u64,
        which: impl Fn(Option<&str>, usize) -> bool,
    ) {
        let orders = self.orders_of(AccountId(account));
        let ids: Vec<u64> = orders
            .filter(|kept| self.settle_of(kept.listing).is_some())
            .filter(|kept| which(self.settle_of(kept.listing), kept.listing))
            .map(|kept| kept.order.order_id)
            .collect();
        self.cancel_by_venue(&ids, now_ms);
    }

    /// Cancels an account's spot orders that lock this asset.
    fn cancel_spot(&mut self, account: usize, asset: &str, now_ms: u64) {
        let locks = |listing: usize, side: Side| {
            let rules = &self.rules[listing];
            rules.perpetual.is_none()
                && asset == if side == Side::Buy { &rules.quote } else { &rules.base }
        };
        let orders = self.orders_of(AccountId(account));
        let ids: Vec<u64> = orders
            .filter(|kept| locks(kept.listing, kept.order.request.side))
            .map(|kept| kept.order.order_id)
            .collect();
        self.cancel_by_venue(&ids, now_ms);
    }

    fn cancel_by_venue(&mut self, ids: &[u64], now_ms: u64) {
        for &id in ids {
            self.withdraw(id);
            self.set_cause(id, Cause::Liquidation);
            self.end(id, SimOrderState::Canceled, OrderChange::Canceled, None, now_ms);
        }
    }

    /// Closes a position that may still lose `equity`.
    fn liquidate(&mut self, account: usize, listing: usize, equity: Decimal, now_ms: u64) {
        let mark = self.mark_price(listing);
        let Some(holding) = self.perpetuals.holdings.get(&(account, listing)) else { return };
        let (qty, rules) = (holding.qty, &self.rules[listing]);
        if qty.is_zero() {
            return;
        }
        let side = if qty.is_sign_positive() { Side::Sell } else { Side::Buy };
        let ticks = (mark - equity / qty) / rules.tick_size;
        // To the tick on the account's side, so that nothing below zero is left.
        let ticks = if side == Side::Sell { ticks.ceil() } else { ticks.floor() };
        let price = (ticks * rules.tick_size).max(rules.tick_size);
        let symbol = rules.symbol.clone();
        let request = PlaceRequest {
            symbol: symbol.clone(),
            client_id: format!("autoclose-{}", self.next_order_id()),
            side,
            order_type: SimOrderType::Limit,
            time_in_force: TimeInForce::Ioc,
            price,
            qty: qty.abs(),
            reduce_only: true,
        };
        let owner = AccountId(account);
        let id = self.create(owner, listing, request, SimOrderState::New, now_ms);
        self.set_cause(id, Cause::Liquidation);
        self.set_target(id, qty.abs());
        self.events.push(ExchangeEvent::Liquidation(SimLiquidation {
            account: owner,
            symbol,
            order_id: id,
            side,
            qty: qty.abs(),
            price,
            mark,
            time_ms: now_ms,
        }));
        self.emit_order(id, OrderChange::New, None, None);
        self.execute(id, now_ms);
    }

    /// The venue bears what an account without cross positions owes.
    fn cover(&mut self, account: usize, settle: &str) {
        let margin = self.margin(AccountId(account), settle);
        let owed = -margin.cross_equity();
        if margin.cross_maintenance.is_zero() && owed > Decimal::ZERO {
            self.pay(account, settle, owed);
            self.accounts[account].count_covered(settle, owed);
        }
    }
}
