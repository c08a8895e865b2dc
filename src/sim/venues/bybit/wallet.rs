//! Wallets: coins of the unified account with what stands in spot orders and as margin.

use super::json::{Object, array};
use crate::sim::{AccountId, Exchange, SimMargin};
use rust_decimal::Decimal;

/// One coin of a wallet.
#[derive(Clone, Debug)]
pub(super) struct Coin {
    pub(super) name: String,
    free: Decimal,
    locked: Decimal,
    margin: SimMargin,
    /// Profit realised in it by positions.
    realised: Decimal,
    /// Value of one in USD.
    price: Decimal,
}

impl Coin {
    fn balance(&self) -> Decimal {
        self.free + self.locked
    }

    fn equity(&self) -> Decimal {
        self.balance() + self.margin.unrealised
    }

    fn in_usd(&self, amount: Decimal) -> Decimal {
        (amount * self.price).trunc_with_scale(8)
    }

    /// What may be used for new orders.
    fn available(&self) -> Decimal {
        self.free.min(self.margin.available)
    }
}

/// An account's coins with their value in USD.
pub(super) fn coins(exchange: &Exchange, account: AccountId) -> Vec<Coin> {
    let price = |asset: &str| match asset {
        "USDT" | "USDC" | "USD" => Decimal::ONE,
        _ => exchange.last_price(&format!("{asset}USDT")).unwrap_or_default(),
    };
    let positions = exchange.positions(account);
    let settles = |asset: &str, symbol: &str| {
        let rules = exchange.rules(symbol).and_then(|rules| rules.perpetual.as_ref());
        rules.is_some_and(|perpetual| perpetual.settle == asset)
    };
    let coin = |(name, (free, locked)): (String, (Decimal, Decimal))| {
        let own = positions.iter().filter(|position| settles(&name, &position.symbol));
        let realised = own.map(|position| position.realised + position.funding).sum();
        let margin = exchange.margin(account, &name);
        Coin { price: price(&name), margin, realised, name, free, locked }
    };
    exchange.balances(account).into_iter().map(coin).collect()
}

fn coin(coin: &Coin) -> String {
    let margin = &coin.margin;
    let cut = |value: Decimal| value.round_dp(8);
    Object::new()
        .text("coin", &coin.name)
        .decimal("equity", cut(coin.equity()))
        .decimal("usdValue", coin.in_usd(coin.equity()))
        .decimal("walletBalance", coin.balance())
        .blanks(&["availableToWithdraw", "availableToBorrow"])
        .text("borrowAmount", "0")
        .text("accruedInterest", "0")
        .decimal("totalOrderIM", cut(margin.order_initial))
        .decimal("totalPositionIM", cut(margin.position_initial))
        .decimal("totalPositionMM", cut(margin.maintenance))
        .decimal("unrealisedPnl", cut(margin.unrealised))
        .decimal("cumRealisedPnl", coin.realised)
        .text("bonus", "0")
        .decimal("locked", coin.locked)
        .flag("collateralSwitch", true)
        .flag("marginCollateral", true)
        .text("spotHedgingQty", "0")
        .text("spotBorrow", "0")
        .done()
}

/// A wallet with totals over `all` coins and rows of `shown`.
pub(super) fn wallet(all: &[Coin], shown: &[Coin]) -> String {
    let total = |amount: &dyn Fn(&Coin) -> Decimal| -> Decimal {
        all.iter().map(|coin| coin.in_usd(amount(coin))).sum()
    };
    let equity = total(&Coin::equity);
    let initial = total(&|coin| coin.margin.initial());
    let maintenance = total(&|coin| coin.margin.maintenance);
    let rate = |amount: Decimal| {
        if equity.is_zero() { Decimal::ZERO } else { (amount / equity).round_dp(4) }
    };
    Object::new()
        .decimal("accountIMRate", rate(initial))
        .decimal("accountMMRate", rate(maintenance))
        .decimal("totalEquity", equity)
        .decimal("totalWalletBalance", total(&Coin::balance))
        .decimal("totalMarginBalance", equity)
        .decimal("totalAvailableBalance", total(&Coin::available))
        .decimal("totalPerpUPL", total(&|coin| coin.margin.unrealised))
        .decimal("totalInitialMargin", initial)
        .decimal("totalMaintenanceMargin", maintenance)
        .raw("coin", &array(shown.iter().map(coin)))
        .text("accountLTV", "0")
        .text("accountType", "UNIFIED")
        .done()
}
