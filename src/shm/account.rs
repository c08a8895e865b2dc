//! The account in the region: positions, balances, profit and loss, order counters. Written by the
//! oms alone.

use crate::types::{Amount, AssetBalance, AssetId, InstrumentId, Nanos, Price};

/// Number of distinct refusal codes of the oms that are counted apart.
pub const REFUSAL_CODES: usize = 32;

/// Position in one instrument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PositionRow {
    /// What is held, and so where.
    pub instrument: InstrumentId,
    /// Signed quantity of the base asset.
    pub qty: Amount,
    /// What the open quantity cost, in quote units, signed as `qty`.
    pub cost: Amount,
    /// Realised profit in quote units, before fees.
    pub realised: Amount,
    /// Fees so far, valued in quote units at the fill prices.
    pub fees: Amount,
    /// Unrealised profit in quote units at `mark`.
    pub unrealised: Amount,
    /// Price of that valuation.
    pub mark: Price,
    /// When the row was written.
    pub updated_ns: Nanos,
}

/// Balance of one asset at one venue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BalanceRow {
    /// What the venue states.
    pub balance: AssetBalance,
    /// What our own fills say the total should be.
    pub expected: Amount,
}

/// Profit and loss of everything priced in one asset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PnlRow {
    /// The quote asset.
    pub quote: AssetId,
    /// Realised, before fees.
    pub realised: Amount,
    /// Unrealised.
    pub unrealised: Amount,
    /// Fees, valued in the quote asset.
    pub fees: Amount,
    /// When the row was written.
    pub updated_ns: Nanos,
}

/// What the oms has counted since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OrderCounters {
    /// Signals taken from strategies.
    pub signals: u64,
    /// Signals of which at least one leg was refused by risk.
    pub signals_refused: u64,
    /// Orders handed to executors.
    pub orders_sent: u64,
    /// Orders that a venue acknowledged.
    pub orders_acked: u64,
    /// Orders that ended filled.
    pub orders_filled: u64,
    /// Orders that ended cancelled.
    pub orders_canceled: u64,
    /// Orders that a venue refused.
    pub orders_rejected: u64,
    /// Orders that ended by their time in force or by the venue.
    pub orders_expired: u64,
    /// Orders working or on their way now.
    pub orders_open: u64,
    /// Orders whose outcome is not known now.
    pub orders_unknown: u64,
    /// Fills booked.
    pub fills: u64,
    /// Reports that said what was known already.
    pub duplicates: u64,
    /// Fills that came after the order had ended.
    pub late_fills: u64,
    /// Cancels handed to executors.
    pub cancels_sent: u64,
    /// Bad records found in strategies' rings.
    pub bad_records: u64,
    /// Refusals by the oms, by its code.
    pub refusals: [u64; REFUSAL_CODES],
}

/// Writes the account. Handed out once, to the oms.
#[derive(Debug)]
pub struct AccountWriter {}

impl AccountWriter {
    /// Publishes a position.
    pub fn set_position(&mut self, _row: &PositionRow) {
        todo!()
    }

    /// Publishes a balance. Assets or venues unknown to the region are left out.
    pub fn set_balance(&mut self, _balance: &AssetBalance, _expected: Amount) {
        todo!()
    }

    /// Publishes profit and loss of one quote asset.
    pub fn set_pnl(&mut self, _row: &PnlRow) {
        todo!()
    }

    /// Publishes the counters.
    pub fn set_counters(&mut self, _counters: &OrderCounters) {
        todo!()
    }
}
