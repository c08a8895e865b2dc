//! The contract between the legs of a strategy's signals, as `engine.toml` has it.

#![forbid(unsafe_code)]

use super::ConfigError;
use super::check::Checker;
use super::raw::RawStrategy;
use crate::types::{BreachAction, LegMode};
use rust_decimal::Decimal;

/// See [`crate::types::Contract`]; in the units of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContractConfig {
    /// How the legs are sent.
    pub mode: LegMode,
    /// Largest naked quantity, base units; 0: as large as the legs.
    pub naked_qty_max: Decimal,
    /// How long one may last; 0: nothing is bounded.
    pub naked_time_max_ns: u64,
    /// What is done then.
    pub on_breach: BreachAction,
    /// How far through the book hedging orders may go, basis points.
    pub slippage_max_bps: Decimal,
}

impl Default for ContractConfig {
    fn default() -> Self {
        Self {
            mode: LegMode::Parallel,
            naked_qty_max: Decimal::ZERO,
            naked_time_max_ns: 500_000_000,
            on_breach: BreachAction::Unwind,
            slippage_max_bps: Decimal::TEN,
        }
    }
}

/// Slippage beyond this is a mistake.
const SLIPPAGE_MAX_BPS: i64 = 1_000;

impl Checker<'_> {
    pub(super) fn contract(&self, raw: &RawStrategy) -> Result<ContractConfig, ConfigError> {
        let mut contract = ContractConfig::default();
        if let Some(legs) = &raw.legs {
            contract.mode = match legs.get_ref().as_str() {
                "parallel" => LegMode::Parallel,
                "sequential" => LegMode::Sequential,
                other => {
                    let message = self.one_of("legs", other, &["parallel", "sequential"]);
                    return Err(self.error(legs, message));
                }
            };
        }
        if let Some(action) = &raw.on_breach {
            contract.on_breach = match action.get_ref().as_str() {
                "unwind" => BreachAction::Unwind,
                "complete" => BreachAction::Complete,
                "hold" => BreachAction::Hold,
                other => {
                    let allowed = ["unwind", "complete", "hold"];
                    return Err(self.error(action, self.one_of("on_breach", other, &allowed)));
                }
            };
        }
        if let Some(time) = &raw.naked_ms_max {
            let milliseconds = self.in_range(time, 0, 3_600_000, "naked_ms_max")?;
            contract.naked_time_max_ns = milliseconds as u64 * 1_000_000;
        }
        if let Some(qty) = &raw.naked_qty_max {
            if qty.get_ref().is_sign_negative() {
                let message = format!("naked_qty_max = {} must not be negative", qty.get_ref());
                return Err(self.error(qty, message));
            }
            contract.naked_qty_max = *qty.get_ref();
        }
        if let Some(slippage) = &raw.slippage_max_bps {
            let bps = *slippage.get_ref();
            if bps.is_sign_negative() || bps > Decimal::from(SLIPPAGE_MAX_BPS) {
                let message =
                    format!("slippage_max_bps = {bps} must be from 0 to {SLIPPAGE_MAX_BPS}");
                return Err(self.error(slippage, message));
            }
            contract.slippage_max_bps = bps;
        }
        Ok(contract)
    }
}
