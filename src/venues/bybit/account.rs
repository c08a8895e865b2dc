//! The account: how it is set up, balances, margin, positions, payments of funding.
//!
//! Rows have the same form on the private socket and over REST but for the name of the entry price.
//! One account backs spot and perpetuals; in cross margin all of its collateral counts together, in
//! US dollars, and every settle asset is told of with that.
//! <https://bybit-exchange.github.io/docs/v5/account/wallet-balance>

#![forbid(unsafe_code)]

use super::super::fields::{calculated_in, or_empty, stated_in, time_in};
use super::super::sink::Sink;
use super::super::trading::{Assets, Names};
use super::super::{DecodeError, Scalar, Value};
use super::field_whole;
use crate::types::{
    AccountFlaw, Amount, AssetBalance, AssetId, Event, FundingPayment, Instrument, InstrumentKind,
    MarginMode, MarginReport, Nanos, PositionReport,
};

/// Reads how the account is set up: what positions stand on, or what makes it unfit for perpetuals.
///
/// ```json
/// {"retCode":0,"result":{"marginMode":"REGULAR_MARGIN","unifiedMarginStatus":4,"dcpStatus":"OFF"}}
/// ```
pub(super) fn margin_mode(root: Value<'_>) -> Result<Result<MarginMode, AccountFlaw>, DecodeError> {
    let result = root.field("result")?;
    let unified = match result.field_u64("unifiedMarginStatus")? {
        1 => false,
        3..=6 => true,
        _ => return Err(DecodeError::Invalid("unifiedMarginStatus")),
    };
    let mode = match result.field_str("marginMode")? {
        "ISOLATED_MARGIN" => MarginMode::Isolated,
        "REGULAR_MARGIN" | "PORTFOLIO_MARGIN" => MarginMode::Cross,
        _ => return Err(DecodeError::Invalid("marginMode")),
    };
    Ok(if unified { Ok(mode) } else { Err(AccountFlaw::AccountMode) })
}

/// Reads the positions of one symbol, which are listed when flat too: in hedge mode each side has a
/// row of its own. An answer without a row of it tells nothing.
pub(super) fn position_mode(
    root: Value<'_>,
    symbol: &str,
) -> Result<Option<AccountFlaw>, DecodeError> {
    let (mut flaw, mut found) = (None, false);
    for row in root.field("result")?.field("list")?.items() {
        found |= row.field_str("symbol")? == symbol;
        if row.field_u64("positionIdx")? != 0 {
            flaw = Some(AccountFlaw::HedgeMode);
        }
    }
    if found { Ok(flaw) } else { Err(DecodeError::Missing("list")) }
}

/// What accounts are read against.
#[derive(Clone, Copy)]
pub(super) struct Holder<'a> {
    pub(super) names: &'a Names,
    pub(super) assets: &'a Assets,
    pub(super) mode: MarginMode,
}

impl Holder<'_> {
    fn asset(self, name: &str) -> Option<AssetId> {
        self.names.instruments.assets.find(name)
    }

    fn perpetual(&self, symbol: &str) -> Option<&Instrument> {
        let symbol = Some(Scalar::Text(symbol));
        self.names.of_kind(InstrumentKind::LinearPerpetual, symbol, "symbol").ok()
    }

    /// Balances of one account, and margins where perpetuals settle; only coins that the engine has
    /// a number for.
    ///
    /// ```json
    /// {"accountType":"UNIFIED","totalAvailableBalance":"6.79608275","totalInitialMargin":"4.6908371",
    ///  "totalMaintenanceMargin":"0.26041992","coin":[{"coin":"USDT","equity":"11.47904524",
    ///  "walletBalance":"11.47724524","totalOrderIM":"0","totalPositionIM":"4.6876214",
    ///  "totalPositionMM":"0.2602414","locked":"0"}]}
    /// ```
    pub(super) fn wallet(
        self,
        account: Value<'_>,
        event_ns: Nanos,
        sink: &mut Sink<'_>,
    ) -> Result<(), DecodeError> {
        let coins = account.field("coin")?;
        if !coins.is_array() {
            return Err(DecodeError::Invalid("coin"));
        }
        for coin in coins.items() {
            let Some(asset) = self.asset(coin.field_str("coin")?) else { continue };
            let coin = Coin::of(coin)?;
            let settles = self.assets.settle.contains(&asset);
            // What backs perpetuals cannot be spent; profit that is not realised may back them too.
            let bound = if settles { coin.initial()?.0.clamp(0, coin.wallet.0.max(0)) } else { 0 };
            let locked = coin.locked.0.checked_add(bound).ok_or(DecodeError::Invalid("locked"))?;
            let free = coin.wallet.0.checked_sub(locked).ok_or(DecodeError::Invalid("locked"))?;
            sink.push(Event::Balance(AssetBalance {
                venue: self.names.venue,
                asset,
                free: Amount(free),
                locked: Amount(locked),
                event_ns,
            }))?;
            if settles {
                self.margin(account, &coin, (asset, event_ns), sink)?;
            }
        }
        Ok(())
    }

    /// What is left to trade perpetuals with. With isolated margin the account's sums are empty, and
    /// each coin is by itself.
    fn margin(
        self,
        account: Value<'_>,
        coin: &Coin,
        (asset, event_ns): (AssetId, Nanos),
        sink: &mut Sink<'_>,
    ) -> Result<(), DecodeError> {
        let total = |name| calculated_in(account, name);
        let initial = coin.initial()?;
        let (available, initial, maintenance) = match total("totalAvailableBalance")? {
            Some(available) => (
                available,
                total("totalInitialMargin")?.unwrap_or(initial),
                total("totalMaintenanceMargin")?.unwrap_or(coin.maintenance),
            ),
            None => {
                let bound = [initial, coin.locked, coin.bonus];
                let left =
                    bound.iter().try_fold(coin.wallet.0, |left, part| left.checked_sub(part.0));
                let left = left.ok_or(DecodeError::Invalid("walletBalance"))?;
                (Amount(left), initial, coin.maintenance)
            }
        };
        sink.push(Event::Margin(MarginReport {
            venue: self.names.venue,
            asset,
            equity: coin.equity,
            available,
            initial,
            maintenance,
            event_ns,
        }))
    }

    /// Balances of the unified account over REST, which leaves out what is zero.
    pub(super) fn balances(self, root: Value<'_>, sink: &mut Sink<'_>) -> Result<(), DecodeError> {
        let at = Nanos::from_millis(field_whole(root, "time")?);
        let accounts = root.field("result")?.field("list")?;
        if accounts.items().next().is_none() {
            return Err(DecodeError::Missing("list"));
        }
        for account in accounts.items() {
            self.wallet(account, at, sink)?;
        }
        let is_listed = |name: &str| {
            let named = |coin: Value<'_>| coin.get("coin").and_then(Value::str) == Some(name);
            let lists = |account: Value<'_>| {
                account.get("coin").is_some_and(|coins| coins.items().any(named))
            };
            accounts.items().any(lists)
        };
        self.assets.state_absent(self.names, is_listed, at, sink)
    }

    /// One position, if it is in an instrument of ours. The size has no sign, the side gives the
    /// direction and is empty without a position.
    ///
    /// ```json
    /// {"positionIdx":0,"symbol":"SOLUSDT","side":"Buy","size":"0.2","entryPrice":"233.02",
    ///  "leverage":"10","positionIM":"4.6876214","unrealisedPnl":"0.0018","liqPrice":"176.89650029",
    ///  "category":"linear","positionStatus":"Normal","updatedTime":"1759432560942",
    ///  "seq":227170130491}
    /// ```
    pub(super) fn position(
        self,
        row: Value<'_>,
        told_ns: Nanos,
        sink: &mut Sink<'_>,
    ) -> Result<(), DecodeError> {
        let Some(instrument) = self.perpetual(row.field_str("symbol")?) else { return Ok(()) };
        let size = stated_in(row, "size")?.ok_or(DecodeError::Missing("size"))?;
        let qty = match row.field_str("side")? {
            _ if size < Amount::ZERO => return Err(DecodeError::Invalid("size")),
            "Buy" => size,
            "Sell" => -size,
            _ if size == Amount::ZERO => size,
            _ => return Err(DecodeError::Invalid("side")),
        };
        if row.field_u64("positionIdx")? != 0 {
            // One side of a hedge: the other one has a row of its own.
            return match qty {
                Amount::ZERO => Ok(()),
                _ => Err(DecodeError::Invalid("positionIdx")),
            };
        }
        let or_zero = |name| Ok::<_, DecodeError>(calculated_in(row, name)?.unwrap_or_default());
        let entry = if row.get("entryPrice").is_some() { "entryPrice" } else { "avgPrice" };
        // Where profit is settled every eight hours, the price from which it counts since.
        let entry = match or_zero("sessionAvgPrice")? {
            Amount::ZERO => or_zero(entry)?,
            session => session,
        };
        let time = row.get("updatedTime").is_some_and(|time| !time.is_null());
        sink.push(Event::Position(PositionReport {
            instrument: instrument.id,
            qty,
            entry,
            liquidation: or_zero("liqPrice")?,
            margin: or_zero("positionIM")?,
            unrealised: or_zero("unrealisedPnl")?,
            leverage: or_zero("leverage")?,
            mode: self.mode,
            event_ns: if time { time_in(row, "updatedTime")? } else { told_ns },
        }))?;
        self.warn(row, instrument, sink)
    }

    /// A position that the venue is taking from us.
    fn warn(
        self,
        row: Value<'_>,
        instrument: &Instrument,
        sink: &mut Sink<'_>,
    ) -> Result<(), DecodeError> {
        match or_empty(row.get("positionStatus").map(Scalar::from)) {
            "" | "Normal" => Ok(()),
            "Liq" | "Adl" => {
                let warning = crate::types::VenueNotice::MarginCall(instrument.id);
                sink.push(Event::Notice(warning))
            }
            _ => Err(DecodeError::Invalid("positionStatus")),
        }
    }

    /// All positions of a page over REST.
    pub(super) fn positions(self, root: Value<'_>, sink: &mut Sink<'_>) -> Result<(), DecodeError> {
        let at = Nanos::from_millis(field_whole(root, "time")?);
        let result = root.field("result")?;
        if result.field_str("category")? != "linear" {
            return Err(DecodeError::Invalid("category"));
        }
        let rows = result.field("list")?;
        if !rows.is_array() {
            return Err(DecodeError::Invalid("list"));
        }
        rows.items().try_for_each(|row| self.position(row, at, sink))
    }

    /// One row of the transaction log, if it is funding of an instrument of ours: the funding, and
    /// the profit that contracts in USDC settle at the same time, which is `cashFlow`.
    ///
    /// ```json
    /// {"id":"592324_XRPUSDT_161440249321","symbol":"XRPUSDT","side":"Buy","funding":"-0.003676",
    ///  "fee":"0.00000000","change":"-0.003676","cashFlow":"0","transactionTime":"1672128000000",
    ///  "type":"SETTLEMENT","currency":"USDT","category":"linear"}
    /// ```
    pub(super) fn funding(
        self,
        row: Value<'_>,
    ) -> Result<[Option<FundingPayment>; 2], DecodeError> {
        if row.field_str("type")? != SETTLEMENT || row.field_str("category")? != "linear" {
            return Ok([None; 2]);
        }
        let Some(instrument) = self.perpetual(row.field_str("symbol")?) else {
            return Ok([None; 2]);
        };
        let asset = self.asset(row.field_str("currency")?);
        let asset = asset.ok_or(DecodeError::Invalid("currency"))?;
        let event_ns = time_in(row, "transactionTime")?;
        let paid = |amount| payment(instrument, asset, amount, event_ns);
        let settled = stated_in(row, "cashFlow")?.filter(|profit| *profit != Amount::ZERO);
        let settled = settled.map(paid);
        Ok([
            stated_in(row, "funding")?.map(paid),
            // It is no funding, and told of apart.
            settled.map(|paid| FundingPayment { id: paid.id + 1, settles: true, ..paid }),
        ])
    }
}

/// Type of a row of the transaction log.
pub(super) const SETTLEMENT: &str = "SETTLEMENT";

/// A payment. Stream and list share no number of it, but funding is paid once an hour at most: the
/// hour names it.
pub(super) fn payment(
    instrument: &Instrument,
    asset: AssetId,
    amount: Amount,
    event_ns: Nanos,
) -> FundingPayment {
    const HOUR_MS: u64 = 3_600_000;
    // Either may be a moment away from it.
    let id = (event_ns.as_millis() + HOUR_MS / 2) / HOUR_MS * HOUR_MS;
    FundingPayment { instrument: instrument.id, asset, amount, id, settles: false, event_ns }
}

/// What a row states of one coin.
struct Coin {
    wallet: Amount,
    locked: Amount,
    equity: Amount,
    orders: Amount,
    positions: Amount,
    maintenance: Amount,
    bonus: Amount,
}

impl Coin {
    fn of(row: Value<'_>) -> Result<Self, DecodeError> {
        let wallet = stated_in(row, "walletBalance")?;
        let wallet = wallet.ok_or(DecodeError::Invalid("walletBalance"))?;
        let or_zero = |name| Ok::<_, DecodeError>(calculated_in(row, name)?.unwrap_or_default());
        Ok(Self {
            wallet,
            locked: stated_in(row, "locked")?.unwrap_or_default(),
            equity: calculated_in(row, "equity")?.unwrap_or(wallet),
            orders: or_zero("totalOrderIM")?,
            positions: or_zero("totalPositionIM")?,
            maintenance: or_zero("totalPositionMM")?,
            bonus: or_zero("bonus")?,
        })
    }

    /// Initial margin of positions and orders.
    fn initial(&self) -> Result<Amount, DecodeError> {
        let sum = self.orders.0.checked_add(self.positions.0);
        sum.map(Amount).ok_or(DecodeError::Invalid("totalPositionIM"))
    }
}
