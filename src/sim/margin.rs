//! Margin of perpetual contracts: what positions and orders need, what an account has left, leverage
//! and margin modes.
//!
//! Initial margin of an instrument is the value at mark of the larger position that its open orders
//! could lead to, buys or sells, divided by the leverage. A cross position stands on the wallet with
//! all unrealised profit of cross positions; an isolated one on what was set aside for it.

use super::exchange::Exchange;
use super::perpetual::Holding;
use super::{
    AccountId, PerpetualRules, PositionChange, Refusal, SimMargin, SimMarginMode, SimPosition,
};
use crate::types::Side;
use rust_decimal::Decimal;

/// Digits of what positions need.
const DECIMALS: u32 = 12;

/// What a holding needs and is worth at a mark price.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Needs {
    pub(super) unrealised: Decimal,
    pub(super) initial: Decimal,
    pub(super) order_initial: Decimal,
    pub(super) maintenance: Decimal,
}

impl Needs {
    pub(super) fn of(holding: &Holding, rules: &PerpetualRules, mark: Decimal) -> Self {
        let value = holding.qty * mark;
        // Venues calculate with so many digits; no wire writes more.
        let of = |value: Decimal| (value / holding.leverage).round_dp(DECIMALS);
        let initial = of(value.abs());
        let with_orders = (value + holding.bids).abs().max((value - holding.asks).abs());
        Self {
            unrealised: value - holding.cost,
            initial,
            order_initial: of(with_orders) - initial,
            maintenance: value.abs() * rules.maintenance_rate,
        }
    }
}

impl Exchange {
    /// An account's position in a perpetual, also if it has none; none for other instruments.
    #[must_use]
    pub fn position(&self, account: AccountId, symbol: &str) -> Option<SimPosition> {
        self.position_at(account, self.listing(symbol)?)
    }

    /// All positions of an account, those of instruments included in which it has or had orders or
    /// made settings.
    #[must_use]
    pub fn positions(&self, account: AccountId) -> Vec<SimPosition> {
        let held = self.perpetuals.holdings.range((account.0, 0)..=(account.0, usize::MAX));
        held.filter_map(|((_, listing), _)| self.position_at(account, *listing)).collect()
    }

    pub(super) fn position_at(&self, account: AccountId, listing: usize) -> Option<SimPosition> {
        let rules = self.rules[listing].perpetual.as_ref()?;
        let unused = Holding::new(rules.leverage_initial);
        let holding = self.perpetuals.holdings.get(&(account.0, listing)).unwrap_or(&unused);
        let mark = self.mark_price(listing);
        let needs = Needs::of(holding, rules, mark);
        Some(SimPosition {
            account,
            symbol: self.rules[listing].symbol.clone(),
            qty: holding.qty,
            cost: holding.cost,
            entry: holding.entry(),
            mark,
            unrealised: needs.unrealised,
            realised: holding.realised,
            funding: holding.funding,
            mode: holding.mode,
            leverage: holding.leverage,
            isolated: holding.isolated,
            order_values: [holding.bids, holding.asks],
            initial: needs.initial,
            order_initial: needs.order_initial,
            maintenance: needs.maintenance,
            liquidation: self.liquidation_price(account, holding, rules, mark),
            updated_ms: holding.updated_ms,
        })
    }

    /// An account's margin in a settle asset.
    #[must_use]
    pub fn margin(&self, account: AccountId, settle: &str) -> SimMargin {
        let (free, locked) =
            self.accounts.get(account.0).map_or_else(Default::default, |account| {
                (account.free(settle), account.locked(settle))
            });
        let mut margin = SimMargin { wallet: free + locked, ..SimMargin::default() };
        let mut cross_initial = Decimal::ZERO;
        let held = self.perpetuals.holdings.range((account.0, 0)..=(account.0, usize::MAX));
        for ((_, listing), holding) in held {
            let Some(rules) = &self.rules[*listing].perpetual else { continue };
            if rules.settle != settle {
                continue;
            }
            let needs = Needs::of(holding, rules, self.mark_price(*listing));
            margin.unrealised += needs.unrealised;
            margin.position_initial += needs.initial;
            margin.order_initial += needs.order_initial;
            margin.maintenance += needs.maintenance;
            match holding.mode {
                SimMarginMode::Isolated => margin.isolated += holding.isolated,
                SimMarginMode::Cross => {
                    margin.cross_unrealised += needs.unrealised;
                    margin.cross_maintenance += needs.maintenance;
                    cross_initial += needs.initial;
                }
            }
        }
        let used = margin.isolated + cross_initial + margin.order_initial;
        margin.available = (free + margin.cross_unrealised - used).max(Decimal::ZERO);
        margin
    }

    /// Whether the marks are known that an account's cross margin of a settle asset is reckoned with.
    /// Without them nothing is decided: what needs margin is refused, and nothing is liquidated.
    #[must_use]
    pub fn marks_known(&self, account: AccountId, settle: &str) -> bool {
        let held = self.perpetuals.holdings.range((account.0, 0)..=(account.0, usize::MAX));
        let mut held = held.filter(|((_, listing), holding)| {
            holding.mode == SimMarginMode::Cross
                && !holding.qty.is_zero()
                && self.settle_of(*listing) == Some(settle)
        });
        held.all(|((_, listing), _)| !self.is_stale(*listing))
    }

    /// The same, and that of an instrument if there is a position in it.
    fn marks_known_with(&self, account: AccountId, listing: usize, settle: &str) -> bool {
        let held = self.perpetuals.holdings.get(&(account.0, listing));
        let held = held.is_some_and(|holding| !holding.qty.is_zero());
        self.marks_known(account, settle) && !(held && self.is_stale(listing))
    }

    /// Whether the account has the margin for its orders of one side being worth `change` more.
    pub(super) fn check_margin(
        &self,
        account: AccountId,
        listing: usize,
        side: Side,
        change: Decimal,
    ) -> Result<(), Refusal> {
        let Some(rules) = &self.rules[listing].perpetual else { return Ok(()) };
        let unused = Holding::new(rules.leverage_initial);
        let held = self.perpetuals.holdings.get(&(account.0, listing)).unwrap_or(&unused);
        let mut with = held.clone();
        match side {
            Side::Buy => with.bids += change,
            Side::Sell => with.asks += change,
        }
        let mark = self.mark_price(listing);
        let before = Needs::of(held, rules, mark).order_initial;
        let need = Needs::of(&with, rules, mark).order_initial - before;
        if need <= Decimal::ZERO {
            return Ok(());
        }
        let known = self.marks_known_with(account, listing, &rules.settle);
        let available = self.margin(account, &rules.settle).available;
        if known && need <= available { Ok(()) } else { Err(Refusal::InsufficientMargin) }
    }

    /// Mark price at which a holding is liquidated if nothing else changes.
    fn liquidation_price(
        &self,
        account: AccountId,
        holding: &Holding,
        rules: &PerpetualRules,
        mark: Decimal,
    ) -> Option<Decimal> {
        if holding.qty.is_zero() {
            return None;
        }
        let value = holding.qty * mark;
        let maintenance = value.abs() * rules.maintenance_rate;
        // What stands for it, and what others need of that.
        let (equity, others) = match holding.mode {
            SimMarginMode::Isolated => (holding.isolated + value - holding.cost, Decimal::ZERO),
            SimMarginMode::Cross => {
                let margin = self.margin(account, &rules.settle);
                (margin.cross_equity(), margin.cross_maintenance - maintenance)
            }
        };
        let slope = holding.qty - holding.qty.abs() * rules.maintenance_rate;
        let price = ((others - equity + value) / slope).round_dp(8);
        (price > Decimal::ZERO).then_some(price)
    }

    /// Chooses an account's leverage in an instrument.
    pub fn set_leverage(
        &mut self,
        account: AccountId,
        symbol: &str,
        leverage: Decimal,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        let (listing, rules) = self.perpetual(symbol)?;
        if leverage < Decimal::ONE || leverage > rules.leverage_max {
            return Err(Refusal::Leverage);
        }
        let decimals = self.rules[listing].fee_decimals;
        let known = self.marks_known_with(account, listing, &rules.settle);
        let available = self.margin(account, &rules.settle).available;
        let mark = self.mark_price(listing);
        let Some(holding) = self.holding(account.0, listing) else {
            return Err(Refusal::UnknownSymbol);
        };
        let mut with = holding.clone();
        with.leverage = leverage;
        let (before, after) = (Needs::of(holding, &rules, mark), Needs::of(&with, &rules, mark));
        let mut need = after.order_initial - before.order_initial;
        match holding.mode {
            SimMarginMode::Cross => need += after.initial - before.initial,
            SimMarginMode::Isolated => {
                let wanted = (holding.cost.abs() / leverage).trunc_with_scale(decimals);
                with.isolated = holding.isolated.max(wanted);
                need += with.isolated - holding.isolated;
            }
        }
        if need > available || (need > Decimal::ZERO && !known) {
            return Err(Refusal::InsufficientMargin);
        }
        *holding = with;
        self.touch(account, listing, PositionChange::Leverage, now_ms);
        Ok(())
    }

    /// Chooses what stands for an account's position in an instrument: only without one.
    pub fn set_margin_mode(
        &mut self,
        account: AccountId,
        symbol: &str,
        mode: SimMarginMode,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        let (listing, _) = self.perpetual(symbol)?;
        if !self.open_orders(account, Some(symbol)).is_empty() {
            return Err(Refusal::HasOrders);
        }
        let Some(holding) = self.holding(account.0, listing) else {
            return Err(Refusal::UnknownSymbol);
        };
        if !holding.qty.is_zero() {
            return Err(Refusal::HasPosition);
        }
        holding.mode = mode;
        self.touch(account, listing, PositionChange::Mode, now_ms);
        Ok(())
    }

    /// Sets more aside for an isolated position, or takes some back: no more than leaves it its
    /// initial margin.
    pub fn move_margin(
        &mut self,
        account: AccountId,
        symbol: &str,
        amount: Decimal,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        let (listing, rules) = self.perpetual(symbol)?;
        let known = self.marks_known_with(account, listing, &rules.settle);
        let available = self.margin(account, &rules.settle).available;
        let mark = self.mark_price(listing);
        let Some(holding) = self.holding(account.0, listing) else {
            return Err(Refusal::UnknownSymbol);
        };
        if holding.mode != SimMarginMode::Isolated || holding.qty.is_zero() {
            return Err(Refusal::NoPosition);
        }
        let needs = Needs::of(holding, &rules, mark);
        let left = holding.isolated + amount;
        let short = left + needs.unrealised < needs.initial || left < Decimal::ZERO;
        if !known || amount > available || (amount.is_sign_negative() && short) {
            return Err(Refusal::InsufficientMargin);
        }
        holding.isolated = left;
        self.touch(account, listing, PositionChange::Margin, now_ms);
        Ok(())
    }

    fn perpetual(&self, symbol: &str) -> Result<(usize, PerpetualRules), Refusal> {
        let listing = self.listing(symbol).ok_or(Refusal::UnknownSymbol)?;
        let rules = self.rules[listing].perpetual.clone().ok_or(Refusal::UnknownSymbol)?;
        Ok((listing, rules))
    }

    fn touch(&mut self, account: AccountId, listing: usize, change: PositionChange, now_ms: u64) {
        self.perpetuals.touched.insert((account.0, listing), change);
        self.finish(now_ms);
    }
}
