//! Rows of the account: balances by currency and their total, in the channel's and in REST's form.

#![forbid(unsafe_code)]

use super::instruments::{Instruments, Kind};
use crate::sim::venues::json::{Object, array, decimal};
use crate::sim::{AccountId, Exchange, SimMargin};
use rust_decimal::Decimal;

/// Decimals of a value in USD.
const USD_DECIMALS: u32 = 12;

/// Where a row goes: both forms have a few fields of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Channel,
    Rest,
}

/// One currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Coin {
    pub(super) name: String,
    /// Balance without unrealised profit.
    pub(super) cash: Decimal,
    /// Locked by spot orders.
    locked: Decimal,
    margin: SimMargin,
    /// Value of one in USD.
    price: Decimal,
}

impl Coin {
    fn equity(&self) -> Decimal {
        self.cash + self.margin.unrealised
    }

    /// What new orders may use.
    fn free(&self) -> Decimal {
        self.margin.available
    }

    /// Equity over maintenance margin of the cross positions; empty without any.
    fn ratio(&self) -> String {
        let need = self.margin.cross_maintenance;
        if need.is_zero() {
            return String::new();
        }
        decimal((self.margin.cross_equity() / need).trunc_with_scale(USD_DECIMALS))
    }

    fn value(&self) -> Decimal {
        (self.equity() * self.price).trunc_with_scale(USD_DECIMALS)
    }

    /// Currencies without anything are left out.
    fn is_shown(&self) -> bool {
        !self.cash.is_zero() || !self.margin.position_initial.is_zero()
    }
}

/// An account's currencies with their value in USD.
pub(super) fn coins(
    exchange: &Exchange,
    instruments: &Instruments,
    account: AccountId,
) -> Vec<Coin> {
    let price = |asset: &str| match asset {
        "USDT" | "USDC" | "USD" => Decimal::ONE,
        _ => {
            let quoted = |quote: &str| exchange.last_price(&format!("{asset}-{quote}"));
            let spot = instruments.all().iter().find(|one| one.kind == Kind::Spot);
            spot.and_then(|_| quoted("USDT").or_else(|| quoted("USDC"))).unwrap_or_default()
        }
    };
    let balances = exchange.balances(account).into_iter();
    let coin = |(name, (free, locked)): (String, (Decimal, Decimal))| Coin {
        price: price(&name),
        margin: exchange.margin(account, &name),
        name,
        cash: free + locked,
        locked,
    };
    balances.map(coin).filter(Coin::is_shown).collect()
}

fn detail(coin: &Coin, form: Form, now_ms: u64) -> String {
    let isolated_profit = coin.margin.unrealised - coin.margin.cross_unrealised;
    let row = Object::new()
        .decimal("availBal", coin.free().min(coin.cash - coin.locked))
        .decimal("availEq", coin.free())
        .text("borrowFroz", "0")
        .decimal("cashBal", coin.cash)
        .text("ccy", &coin.name)
        .text("crossLiab", "0")
        .text("colRes", "0")
        .flag("collateralEnabled", false)
        .flag("collateralRestrict", false)
        .text("colBorrAutoConversion", "0")
        .decimal("disEq", coin.value())
        .decimal("eq", coin.equity())
        .decimal("eqUsd", coin.value())
        .text("smtSyncEq", "0")
        .text("spotCopyTradingEq", "0")
        .text("fixedBal", "0")
        .decimal("frozenBal", coin.cash - coin.free().min(coin.cash))
        .decimal("imr", coin.margin.initial())
        .text("interest", "0")
        .decimal("isoEq", coin.margin.isolated + isolated_profit)
        .text("isoLiab", "0")
        .decimal("isoUpl", isolated_profit)
        .text("liab", "0")
        .text("maxLoan", "0")
        .text("mgnRatio", &coin.ratio())
        .decimal("mmr", coin.margin.maintenance)
        .text("notionalLever", "0")
        .decimal("ordFrozen", coin.locked + coin.margin.order_initial)
        .text("rewardBal", "0")
        .blanks(&["spotInUseAmt", "clSpotInUseAmt"])
        .text("spotIsoBal", "0")
        .text("stgyEq", "0")
        .text("twap", "0")
        .digits("uTime", now_ms)
        .decimal("upl", coin.margin.unrealised)
        .text("uplLiab", "0")
        .blanks(&["spotBal", "openAvgPx", "accAvgPx", "spotUpl", "spotUplRatio"])
        .blanks(&["totalPnl", "totalPnlRatio"]);
    match form {
        Form::Channel => {
            row.text("coinUsdPrice", &decimal(coin.price)).text("maxSpotInUseAmt", "").done()
        }
        Form::Rest => row
            .text("autoLendStatus", "off")
            .text("autoLendMtAmt", "0")
            .text("frpType", "0")
            .text("maxSpotInUse", "")
            .done(),
    }
}

/// The account with totals over `all` currencies and details of `shown`.
pub(super) fn account(all: &[Coin], shown: &[Coin], form: Form, now_ms: u64) -> String {
    let total: Decimal = all.iter().map(Coin::value).sum();
    Object::new()
        .text("adjEq", "")
        .text("availEq", "")
        .blanks(&["borrowFroz", "delta", "deltaLever", "deltaNeutralStatus"])
        .raw("details", &array(shown.iter().map(|coin| detail(coin, form, now_ms))))
        .text("imr", "")
        .text("isoEq", "0")
        .text("mgnRatio", "")
        .text("mmr", "")
        .blanks(&["notionalUsd", "notionalUsdForBorrow", "notionalUsdForFutures"])
        .blanks(&["notionalUsdForOption", "notionalUsdForSwap", "ordFroz"])
        .decimal("totalEq", total)
        .digits("uTime", now_ms)
        .text("upl", "")
        .done()
}
