//! Mark and index prices, funding rates and their payment.
//!
//! Once a second the mark becomes the middle of the book (the last trade where a side is empty) and
//! the index follows it slowly. The rate of an interval is the average premium of mark over index
//! since it began, drawn towards an interest of 0.01 % per eight hours by at most 0.05 %, within the
//! instrument's bounds. Payments are rounded against the account; the house keeps the difference.
//!
//! A perpetual that follows a market elsewhere has what is stated there, and pays when it is due there:
//! what was stated last before that time is what is paid. A mark that is stated no more is not known:
//! nothing is decided by it. A payment whose mark, rate or time is not known when it is due is left out,
//! and told.

use super::exchange::Exchange;
use super::{
    AccountId, CONTRACT, ExchangeEvent, Fate, MarketState, PositionChange, SimFunding,
    SimMarginMode, SimMark,
};
use crate::types::Side;
use rust_decimal::{Decimal, RoundingStrategy};

/// Time between two marks, ms.
const MARK_EVERY_MS: u64 = 1_000;
/// The index goes this part of the way to the mark each time.
const INDEX_STEPS: i64 = 16;
/// Digits of index and rates.
const DECIMALS: u32 = 8;
/// Interest of eight hours.
const INTEREST: Decimal = Decimal::from_parts(1, 0, 0, false, 4);
/// The most by which the premium is drawn towards the interest.
const DAMPING: Decimal = Decimal::from_parts(5, 0, 0, false, 4);
const EIGHT_HOURS_MS: u64 = 8 * HOUR_MS;
/// Payments and rates that are kept for queries, per account and per instrument.
const KEPT_MAX: usize = 1_000;
/// A market elsewhere that speaks of the next payment so much before this one is due has made this one:
/// its clock is not the one here.
const EARLY_MS: u64 = 5_000;
const HOUR_MS: u64 = 3_600_000;
/// Time between payments that two of their times may tell, in whole hours.
const INTERVALS_MS: std::ops::RangeInclusive<u64> = HOUR_MS..=24 * HOUR_MS;
/// Numbers of payments start well above one.
const FIRST_PAYMENT_ID: u64 = 7_000_000_001;

/// Prices and rate of one perpetual.
#[derive(Clone, Debug, Default)]
pub(super) struct Market {
    mark: Option<Decimal>,
    index: Option<Decimal>,
    marked_ms: u64,
    rate: Decimal,
    premium_sum: Decimal,
    samples: u32,
    /// Number of the running interval since the epoch.
    interval: Option<u64>,
    /// When the running interval is paid, as stated elsewhere.
    next_ms: Option<u64>,
    /// Such a time that was paid.
    paid_ms: u64,
    /// Set by hand.
    fixed_mark: Option<Decimal>,
    fixed_index: Option<Decimal>,
    fixed_rate: Option<Decimal>,
    /// It has what a market elsewhere states; the time between payments too, once that was stated.
    follows: bool,
    knows_interval: bool,
    /// That market states no mark any more.
    is_stale: bool,
}

impl Exchange {
    /// Holds a perpetual's mark at a price from the next [`Exchange::tick`] on, or lets it follow
    /// the book again.
    pub fn set_mark(&mut self, symbol: &str, price: Option<Decimal>) {
        if let Some(market) = self.perpetual_of(symbol) {
            market.fixed_mark = price.filter(|price| *price > Decimal::ZERO);
            market.marked_ms = 0;
        }
    }

    /// Holds a perpetual's funding rate at a value from the next [`Exchange::tick`] on, or lets it
    /// follow the premium again.
    pub fn set_funding_rate(&mut self, symbol: &str, rate: Option<Decimal>) {
        if let Some(market) = self.perpetual_of(symbol) {
            market.fixed_rate = rate;
            market.marked_ms = 0;
        }
    }

    /// Has a perpetual follow what a market elsewhere states of it, from the next mark on. Payments
    /// are when it says, else at multiples of its interval; another interval begins anew, and nothing is
    /// paid for the change.
    pub fn set_market(&mut self, symbol: &str, state: MarketState, now_ms: u64) {
        let Some(listing) = self.listing(symbol) else { return };
        let told = self.hear_of_next(listing, state.next_ms, now_ms);
        let Some(perpetual) = self.rules[listing].perpetual.as_mut() else { return };
        let stated = state.interval_ms.or(told).filter(|interval_ms| *interval_ms > 0);
        let other = stated.filter(|interval_ms| *interval_ms != perpetual.funding_interval_ms);
        if let Some(interval_ms) = other {
            perpetual.funding_interval_ms = interval_ms;
        }
        let Some(market) = self.perpetuals.markets[listing].as_mut() else { return };
        if let Some(interval_ms) = other {
            market.interval = Some(now_ms / interval_ms);
        }
        market.follows = true;
        market.knows_interval |= stated.is_some();
        // Before it has said any, the middle of its book is as good as one.
        market.is_stale = state.mark.is_none() && (market.is_stale || market.fixed_mark.is_some());
        market.fixed_mark = state.mark;
        market.fixed_index = state.index;
        market.fixed_rate = state.rate;
    }

    /// Takes over when the next payment is. If the one before was due, it is made by what held until
    /// now. Gives the time between the last payment and the next one, if it can be an interval.
    fn hear_of_next(&mut self, listing: usize, next_ms: Option<u64>, now_ms: u64) -> Option<u64> {
        let market = self.perpetuals.markets[listing].as_mut()?;
        // What is stated once more was paid already.
        let next_ms = next_ms.filter(|next_ms| *next_ms > market.paid_ms)?;
        let before = market.next_ms.replace(next_ms);
        let due = before.filter(|due| next_ms > *due && *due <= now_ms + EARLY_MS);
        if let Some(due_ms) = due {
            market.paid_ms = due_ms;
            self.pay_or_leave_out(listing, due_ms, now_ms);
        }
        let paid_ms = self.perpetuals.markets[listing].as_ref().map_or(0, |market| market.paid_ms);
        let told = next_ms - paid_ms;
        let whole = INTERVALS_MS.contains(&told) && told.is_multiple_of(HOUR_MS);
        (paid_ms > 0 && whole).then_some(told)
    }

    /// Whether the mark of a perpetual was known and is not any more.
    pub(super) fn is_stale(&self, listing: usize) -> bool {
        let market = self.perpetuals.markets.get(listing).and_then(Option::as_ref);
        market.is_some_and(|market| market.is_stale)
    }

    fn market(&mut self, symbol: &str) -> Option<&mut Market> {
        let listing = self.listing(symbol)?;
        self.perpetuals.markets[listing].as_mut()
    }

    /// The perpetual of this name here or, where a spot pair has it, in the venue's messages.
    fn perpetual_of(&mut self, symbol: &str) -> Option<&mut Market> {
        let contract = format!("{symbol}{CONTRACT}");
        let name = if self.listing(&contract).is_some() { &contract } else { symbol };
        self.market(name)
    }

    /// Mark, index and funding of a perpetual; none for other instruments.
    #[must_use]
    pub fn mark(&self, symbol: &str, now_ms: u64) -> Option<SimMark> {
        self.mark_at(self.listing(symbol)?, now_ms)
    }

    fn mark_at(&self, listing: usize, now_ms: u64) -> Option<SimMark> {
        let market = self.perpetuals.markets[listing].as_ref()?;
        let interval_ms = self.interval_ms(listing);
        let mark = self.mark_price(listing);
        Some(SimMark {
            symbol: self.rules[listing].symbol.clone(),
            mark,
            index: market.index.unwrap_or(mark),
            rate: market.rate,
            next_funding_ms: market.next_ms.unwrap_or((now_ms / interval_ms + 1) * interval_ms),
            interval_ms,
            time_ms: market.marked_ms,
        })
    }

    /// Rates that were paid, oldest first, each with the mark and time of its payment.
    #[must_use]
    pub fn funding_rates(&self, symbol: &str) -> Vec<&SimMark> {
        let rates = self.listing(symbol).and_then(|listing| self.perpetuals.rates.get(&listing));
        rates.map(|rates| rates.iter().collect()).unwrap_or_default()
    }

    /// Payments of funding to an account, oldest first. Only the newest are kept.
    #[must_use]
    pub fn funding_payments(&self, account: AccountId) -> Vec<&SimFunding> {
        let payments = self.perpetuals.payments.get(&account.0);
        payments.map(|payments| payments.iter().collect()).unwrap_or_default()
    }

    /// Mark price; before the first mark what it would be; zero where nothing is known.
    pub(super) fn mark_price(&self, listing: usize) -> Decimal {
        let market = self.perpetuals.markets.get(listing).and_then(Option::as_ref);
        let known = market.and_then(|market| market.mark);
        known.or_else(|| self.middle(listing)).unwrap_or_default()
    }

    fn middle(&self, listing: usize) -> Option<Decimal> {
        let listing = &self.listings[listing];
        match (listing.book.best(Side::Buy), listing.book.best(Side::Sell)) {
            (Some(bid), Some(ask)) => Some((bid + ask) / Decimal::TWO),
            _ => listing.last_price,
        }
    }

    fn interval_ms(&self, listing: usize) -> u64 {
        let perpetual = self.rules[listing].perpetual.as_ref();
        perpetual.map_or(EIGHT_HOURS_MS, |perpetual| perpetual.funding_interval_ms.max(1))
    }

    /// Does what is due by time: marks, funding, liquidations. To be called every few milliseconds.
    pub fn tick(&mut self, now_ms: u64) {
        for listing in 0..self.rules.len() {
            self.update_mark(listing, now_ms);
            self.pay_funding(listing, now_ms);
        }
        if self.perpetuals.moved {
            self.finish(now_ms);
        }
    }

    fn update_mark(&mut self, listing: usize, now_ms: u64) {
        let middle = self.middle(listing);
        let interval_ms = self.interval_ms(listing);
        let bound = self.rules[listing].perpetual.as_ref().map(|rules| rules.funding_rate_max);
        let (Some(market), Some(bound)) = (self.perpetuals.markets[listing].as_mut(), bound) else {
            return;
        };
        // A clock that was set back holds nothing up.
        let is_early = now_ms / MARK_EVERY_MS == market.marked_ms / MARK_EVERY_MS;
        if is_early || market.is_stale {
            return;
        }
        let Some(mark) = market.fixed_mark.or(middle).or(market.mark) else { return };
        market.marked_ms = now_ms;
        market.mark = Some(mark);
        let index = market.index.unwrap_or(mark);
        let step = (mark - index) / Decimal::from(INDEX_STEPS);
        let index = market.fixed_index.unwrap_or((index + step).round_dp(DECIMALS));
        market.index = Some(index);
        market.premium_sum += ((mark - index) / index).round_dp(DECIMALS);
        market.samples += 1;
        let premium = market.premium_sum / Decimal::from(market.samples);
        let interest = INTEREST * Decimal::from(interval_ms) / Decimal::from(EIGHT_HOURS_MS);
        let rate = premium + (interest - premium).clamp(-DAMPING, DAMPING);
        let rate = rate.clamp(-bound, bound).round_dp(DECIMALS);
        market.rate = market.fixed_rate.unwrap_or(rate);
        self.perpetuals.moved = true;
        self.events.extend(self.mark_at(listing, now_ms).map(ExchangeEvent::Mark));
    }

    fn pay_funding(&mut self, listing: usize, now_ms: u64) {
        let interval_ms = self.interval_ms(listing);
        let number = now_ms / interval_ms;
        let Some(market) = self.perpetuals.markets[listing].as_mut() else { return };
        let last = *market.interval.get_or_insert(number);
        // A clock that was set back pays nothing twice.
        market.interval = Some(last.max(number));
        let due_ms = match market.next_ms {
            Some(due_ms) if due_ms <= now_ms => {
                market.paid_ms = due_ms;
                // Until something else is stated.
                market.next_ms = market.knows_interval.then_some(due_ms + interval_ms);
                return self.pay_or_leave_out(listing, due_ms, now_ms);
            }
            None if number > last => number * interval_ms,
            _ => return,
        };
        if market.follows && !market.knows_interval {
            return self.leave_out(listing, due_ms);
        }
        self.pay_or_leave_out(listing, due_ms, now_ms);
    }

    /// Pays what is due now, as far as what it takes is known.
    fn pay_or_leave_out(&mut self, listing: usize, due_ms: u64, now_ms: u64) {
        let funds_index = self.perpetuals.funds_index;
        let Some(market) = self.perpetuals.markets[listing].as_mut() else { return };
        let no_price = market.is_stale || (funds_index && market.fixed_index.is_none());
        if market.follows && (no_price || market.fixed_rate.is_none()) {
            return self.leave_out(listing, due_ms);
        }
        self.pay_all(listing, due_ms, now_ms);
    }

    /// Pays what was due to all who have a position.
    fn pay_all(&mut self, listing: usize, due_ms: u64, now_ms: u64) {
        if let Some(market) = self.perpetuals.markets[listing].as_mut() {
            (market.premium_sum, market.samples) = (Decimal::ZERO, 0);
            // What was stated since the last mark counts.
            market.mark = market.fixed_mark.or(market.mark);
            market.index = market.fixed_index.or(market.index);
            market.rate = market.fixed_rate.unwrap_or(market.rate);
        }
        let Some(mark) = self.mark_at(listing, now_ms) else { return };
        let paid = SimMark { time_ms: due_ms, ..mark.clone() };
        keep(self.perpetuals.rates.entry(listing).or_default(), paid);
        let accounts: Vec<usize> = self
            .perpetuals
            .holdings
            .keys()
            .filter(|key| key.1 == listing)
            .map(|key| key.0)
            .collect();
        for account in accounts {
            self.pay_account(account, listing, &mark, due_ms);
        }
        self.perpetuals.moved = true;
    }

    /// What a payment takes is not known: whoever has a position is not paid, and does not pay.
    fn leave_out(&mut self, listing: usize, due_ms: u64) {
        let mut held = self.perpetuals.holdings.iter().filter(|(key, _)| key.1 == listing);
        if held.any(|(_, holding)| !holding.qty.is_zero()) {
            let symbol = self.rules[listing].symbol.clone();
            self.tell(symbol, Fate::Unpaid { due_ms });
        }
    }

    fn pay_account(&mut self, account: usize, listing: usize, mark: &SimMark, due_ms: u64) {
        let decimals = self.rules[listing].fee_decimals;
        let Some(asset) = self.settle_of(listing).map(str::to_owned) else { return };
        let Some(holding) = self.perpetuals.holdings.get_mut(&(account, listing)) else { return };
        let qty = holding.qty;
        if qty.is_zero() {
            return;
        }
        let down = RoundingStrategy::ToNegativeInfinity;
        let price = if self.perpetuals.funds_index { mark.index } else { mark.mark };
        let amount = (-qty * price * mark.rate).round_dp_with_strategy(decimals, down);
        holding.funding += amount;
        if holding.mode == SimMarginMode::Isolated {
            holding.isolated += amount;
            self.perpetuals.touched.insert((account, listing), PositionChange::Funding);
        }
        self.pay(account, &asset, amount);
        self.accounts[account].count_funding(&asset, amount);
        let payment = SimFunding {
            id: FIRST_PAYMENT_ID + self.perpetuals.payment_ids,
            account: AccountId(account),
            symbol: mark.symbol.clone(),
            asset,
            amount,
            rate: mark.rate,
            qty,
            mark: price,
            time_ms: due_ms,
        };
        self.perpetuals.payment_ids += 1;
        keep(self.perpetuals.payments.entry(account).or_default(), payment.clone());
        self.events.push(ExchangeEvent::Funding(payment));
    }
}

fn keep<T>(kept: &mut std::collections::VecDeque<T>, new: T) {
    if kept.len() == KEPT_MAX {
        kept.pop_front();
    }
    kept.push_back(new);
}
