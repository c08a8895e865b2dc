//! What a futures account holds: positions, wallets, leverage, funding.
//!
//! Positions come in lists, where those that are not named are none, and in events, which name what
//! has changed. Neither states leverage and margin mode: these are settings of a symbol, read once
//! and told of when they change, and stand in every report from here. Only one-way accounts are
//! read: a position of either side by itself (`LONG`, `SHORT`) is refused by name.
//! Documents: <https://developers.binance.com/docs/derivatives/usds-margined-futures/account/rest-api>
//! and <https://developers.binance.com/docs/derivatives/usds-margined-futures/user-data-streams>.

#![forbid(unsafe_code)]

use super::account::Account;
use super::market_data::millis;
use super::orders::FUNDING_PAGE;
use super::replies::{Then, array, push_balance, unlisted};
use crate::types::{
    AMOUNT_DECIMALS, AccountFlaw, Amount, AssetId, Event, Events, FundingPayment, InstrumentId,
    MarginMode, MarginReport, Nanos, PositionReport, VenueNotice,
};
use crate::venues::{DecodeError, Value, decimal};

const ONE: i128 = 10i128.pow(AMOUNT_DECIMALS);

/// What is known of one symbol.
#[derive(Clone, Copy, Debug, Default)]
struct Contract {
    /// As last stated, if it was.
    stated: Option<PositionReport>,
    leverage: Amount,
    mode: MarginMode,
    /// Named in the list that is being read.
    listed: bool,
}

/// Sums over the positions of the last list, in one asset.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    initial: Amount,
    maintenance: Amount,
    unrealised: Amount,
}

/// What is known of an account's positions.
#[derive(Clone, Debug)]
pub(super) struct Contracts {
    /// By instrument.
    rows: Vec<Contract>,
    /// By the account's assets.
    sums: Vec<Sums>,
}

impl Contracts {
    pub(super) fn new(instruments: usize, assets: usize) -> Self {
        Self { rows: vec![Contract::default(); instruments], sums: vec![Sums::default(); assets] }
    }

    fn row(&mut self, id: InstrumentId) -> Option<&mut Contract> {
        self.rows.get_mut(id.index())
    }

    /// Leverage and margin mode of a symbol.
    pub(super) fn settings_of(&self, id: InstrumentId) -> (Amount, MarginMode) {
        let row = self.rows.get(id.index()).copied().unwrap_or_default();
        (row.leverage, row.mode)
    }

    pub(super) fn set_mode(&mut self, id: InstrumentId, mode: MarginMode) {
        if let Some(row) = self.row(id) {
            row.mode = mode;
        }
    }

    pub(super) fn set_leverage(&mut self, id: InstrumentId, leverage: u64) {
        if let Some(row) = self.row(id) {
            row.leverage = times(leverage);
        }
    }

    /// A position as the venue states it, with the settings of its symbol.
    fn state(&mut self, mut report: PositionReport) -> PositionReport {
        if let Some(row) = self.row(report.instrument) {
            (report.leverage, report.mode) = (row.leverage, row.mode);
            row.stated = Some(report);
            row.listed = true;
        }
        report
    }
}

fn amount(row: Value<'_>, name: &'static str) -> Result<Amount, DecodeError> {
    decimal::amount(row.field_str(name)?).map_err(|error| DecodeError::Number(name, error))
}

fn plus(to: &mut Amount, more: Amount, name: &'static str) -> Result<(), DecodeError> {
    *to = to.checked_add(more).ok_or(DecodeError::Invalid(name))?;
    Ok(())
}

/// The one side of one-way accounts.
fn is_one_way(row: Value<'_>, name: &'static str) -> Result<(), DecodeError> {
    if row.field_str(name)? == "BOTH" { Ok(()) } else { Err(DecodeError::Invalid(name)) }
}

/// `{"feeTier":0,"canTrade":true,"dualSidePosition":false,"multiAssetsMargin":false,..}`: what there
/// is about the account that it cannot be traded with.
pub(super) fn flaw(root: Value<'_>) -> Result<Option<AccountFlaw>, DecodeError> {
    let hedge = root.field_bool("dualSidePosition")?;
    // Where all assets are one collateral, what one of them has left says nothing.
    let together = root.field_bool("multiAssetsMargin")?;
    let trades = root.field_bool("canTrade")?;
    Ok(match (hedge, together || !trades) {
        (true, _) => Some(AccountFlaw::HedgeMode),
        (false, true) => Some(AccountFlaw::AccountMode),
        (false, false) => None,
    })
}

/// `[{"symbol":"BTCUSDT","marginType":"CROSSED","isAutoAddMargin":false,"leverage":21,..}]`
pub(super) fn settings(root: Value<'_>, account: &mut Account) -> Result<(), DecodeError> {
    for row in array(root)?.items() {
        let Ok((id, _)) = account.symbol(row.field_str("symbol")?) else { continue };
        let leverage = row.field_u64("leverage")?;
        let mode = mode(row.field_str("marginType")?, "marginType")?;
        if let Some(contract) = account.contracts.row(id) {
            (contract.leverage, contract.mode) = (times(leverage), mode);
        }
    }
    Ok(())
}

fn times(leverage: u64) -> Amount {
    Amount(i128::from(leverage) * ONE)
}

fn mode(text: &str, name: &'static str) -> Result<MarginMode, DecodeError> {
    match text {
        "CROSSED" | "cross" | "crossed" => Ok(MarginMode::Cross),
        "ISOLATED" | "isolated" => Ok(MarginMode::Isolated),
        _ => Err(DecodeError::Invalid(name)),
    }
}

/// The list of positions, and of symbols with orders: `[{"symbol":"ADAUSDT","positionSide":"BOTH",
/// "positionAmt":"30","entryPrice":"0.385","unRealizedProfit":"0.764277","liquidationPrice":"0",
/// "marginAsset":"USDT","isolatedWallet":"0","initialMargin":"0.61","maintMargin":"0.08",
/// "positionInitialMargin":"0.61",..,"updateTime":1720736417660}]`. The other symbols have none, which
/// is told too: it brings their leverage.
pub(super) fn positions(
    root: Value<'_>,
    account: &mut Account,
    events: &mut Events,
) -> Result<Then, DecodeError> {
    account.contracts.rows.iter_mut().for_each(|row| row.listed = false);
    account.contracts.sums.fill(Sums::default());
    for row in array(root)?.items() {
        is_one_way(row, "positionSide")?;
        add_sums(row, account)?;
        let Ok((instrument, _)) = account.symbol(row.field_str("symbol")?) else { continue };
        let isolated = account.contracts.rows.get(instrument.index());
        let isolated = isolated.is_some_and(|row| row.mode == MarginMode::Isolated);
        let bound = if isolated { "isolatedWallet" } else { "positionInitialMargin" };
        let report = account.contracts.state(PositionReport {
            instrument,
            qty: amount(row, "positionAmt")?,
            entry: amount(row, "entryPrice")?,
            liquidation: amount(row, "liquidationPrice")?,
            margin: amount(row, bound)?,
            unrealised: amount(row, "unRealizedProfit")?,
            event_ns: millis(row.field("updateTime")?, "updateTime")?,
            ..PositionReport::default()
        });
        events.push(Event::Position(report))?;
    }
    let Account { venue, instruments, contracts, .. } = account;
    for instrument in instruments.of_venue(*venue).map(|row| row.id) {
        if contracts.row(instrument).is_some_and(|row| !row.listed) {
            let none = PositionReport { instrument, ..PositionReport::default() };
            events.push(Event::Position(contracts.state(none)))?;
        }
    }
    Ok(Then::Wallets)
}

/// Positions in symbols that are not traded here bind margin too.
fn add_sums(row: Value<'_>, account: &mut Account) -> Result<(), DecodeError> {
    let asset = account.instruments.assets.find(row.field_str("marginAsset")?);
    let place = account.assets.iter().position(|known| Some(*known) == asset);
    let Some(sums) = place.and_then(|place| account.contracts.sums.get_mut(place)) else {
        return Ok(());
    };
    plus(&mut sums.initial, amount(row, "initialMargin")?, "initialMargin")?;
    plus(&mut sums.maintenance, amount(row, "maintMargin")?, "maintMargin")?;
    plus(&mut sums.unrealised, amount(row, "unRealizedProfit")?, "unRealizedProfit")
}

/// `[{"asset":"USDT","balance":"122607.35","crossWalletBalance":"23.72","crossUnPnl":"0.0",
/// "availableBalance":"23.72","maxWithdrawAmount":"23.72",..,"updateTime":1617939110373}]`, after the
/// list of positions. What the instruments settle in and is not listed is zero.
pub(super) fn wallets(
    root: Value<'_>,
    account: &Account,
    events: &mut Events,
) -> Result<(), DecodeError> {
    let rows = array(root)?;
    for row in rows.items() {
        let Some(asset) = account.instruments.assets.find(row.field_str("asset")?) else {
            continue;
        };
        let event_ns = millis(row.field("updateTime")?, "updateTime")?;
        let wallet = row.field_str("balance")?;
        push_wallet(account, asset, (wallet, "balance"), event_ns, events)?;
        let Some(place) = account.assets.iter().position(|known| *known == asset) else { continue };
        let sums = account.contracts.sums.get(place).copied().unwrap_or_default();
        let mut equity = amount(row, "balance")?;
        plus(&mut equity, sums.unrealised, "balance")?;
        events.push(Event::Margin(MarginReport {
            venue: account.venue,
            asset,
            equity,
            available: amount(row, "availableBalance")?,
            initial: sums.initial,
            maintenance: sums.maintenance,
            event_ns,
        }))?;
    }
    for asset in unlisted(rows, account) {
        push_wallet(account, asset, ("0", "balance"), Nanos(0), events)?;
        let none = MarginReport { venue: account.venue, asset, ..MarginReport::default() };
        events.push(Event::Margin(none))?;
    }
    Ok(events.push(Event::Notice(VenueNotice::BalancesEnd))?)
}

/// The wallet is stated as a whole: what of it is bound is margin.
fn push_wallet(
    account: &Account,
    asset: AssetId,
    wallet: (&str, &'static str),
    event_ns: Nanos,
    events: &mut Events,
) -> Result<(), DecodeError> {
    push_balance(account, asset, wallet, ("0", wallet.1), event_ns, events)
}

/// `{"e":"ACCOUNT_UPDATE","T":1771856732584,"E":1771856732584,"a":{"B":[{"a":"USDT","wb":"1.73",
/// "cw":"1.73","bc":"0"}],"P":[{"s":"SOLUSDT","pa":"0.1","ep":"80.19","up":"0","mt":"cross","iw":"0",
/// "ps":"BOTH",..}],"m":"ORDER"}}`: what has changed. The time, if funding was paid.
pub(super) fn update(
    event: Value<'_>,
    account: &mut Account,
    events: &mut Events,
) -> Result<Option<Nanos>, DecodeError> {
    let event_ns = millis(event.field("T")?, "T")?;
    let change = event.field("a")?;
    // Funding comes without positions.
    let positions = || change.get("P").into_iter().flat_map(Value::items);
    for row in positions() {
        is_one_way(row, "ps")?;
    }
    for row in change.get("B").into_iter().flat_map(Value::items) {
        if let Some(asset) = account.instruments.assets.find(row.field_str("a")?) {
            push_wallet(account, asset, (row.field_str("wb")?, "wb"), event_ns, events)?;
        }
    }
    for row in positions() {
        let Ok((instrument, _)) = account.symbol(row.field_str("s")?) else { continue };
        let mode = mode(row.field_str("mt")?, "mt")?;
        let mut before = None;
        if let Some(contract) = account.contracts.row(instrument) {
            contract.mode = mode;
            before = contract.stated;
        }
        let qty = amount(row, "pa")?;
        // Not told here: as last listed, as long as there is a position.
        let before = before.filter(|_| qty != Amount::ZERO).unwrap_or_default();
        let margin = match mode {
            MarginMode::Cross => before.margin,
            MarginMode::Isolated => amount(row, "iw")?,
        };
        let report = account.contracts.state(PositionReport {
            instrument,
            qty,
            entry: amount(row, "ep")?,
            liquidation: before.liquidation,
            margin,
            unrealised: amount(row, "up")?,
            event_ns,
            ..PositionReport::default()
        });
        events.push(Event::Position(report))?;
    }
    Ok((change.field_str("m")? == "FUNDING_FEE").then_some(event_ns))
}

/// `{"e":"ACCOUNT_CONFIG_UPDATE","E":1611646737479,"T":1611646737476,"ac":{"s":"BTCUSDT","l":25}}`, or
/// `"ai":{"j":true}` where all assets become one collateral: then the account has to be looked at
/// again, which is what is given back.
pub(super) fn changed(
    event: Value<'_>,
    account: &mut Account,
    events: &mut Events,
) -> Result<bool, DecodeError> {
    let event_ns = millis(event.field("T")?, "T")?;
    if let Some(row) = event.get("ac") {
        let leverage = times(row.field_u64("l")?);
        let Ok((id, _)) = account.symbol(row.field_str("s")?) else { return Ok(false) };
        let Some(contract) = account.contracts.row(id) else { return Ok(false) };
        contract.leverage = leverage;
        // Before the first list nothing is known that it could be told with.
        if let Some(stated) = contract.stated {
            let report = account.contracts.state(PositionReport { event_ns, ..stated });
            events.push(Event::Position(report))?;
        }
        return Ok(false);
    }
    event.field("ai")?.field_bool("j")
}

/// `{"e":"MARGIN_CALL","E":1587727187525,"cw":"3.16","p":[{"s":"ETHUSDT","ps":"LONG","pa":"1.327",..}]}`
pub(super) fn margin_call(
    event: Value<'_>,
    account: &Account,
    events: &mut Events,
) -> Result<(), DecodeError> {
    for row in array(event.field("p")?)?.items() {
        if let Ok((id, _)) = account.symbol(row.field_str("s")?) {
            events.push(Event::Notice(VenueNotice::MarginCall(id)))?;
        }
    }
    Ok(())
}

/// What a list of payments holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    /// Time of the newest of any symbol; 0 if there is none.
    pub(super) newest: Nanos,
    /// Whether there may be more.
    pub(super) full: bool,
}

/// `[{"symbol":"BTCUSDT","incomeType":"FUNDING_FEE","income":"-0.375","asset":"USDT","info":"..",
/// "time":1570636800000,"tranId":9689322392,"tradeId":""}]`, the oldest first.
/// Document: account/rest-api/Get-Income-History.
pub(super) fn payments(
    root: Value<'_>,
    account: &Account,
    events: &mut Events,
) -> Result<Listed, DecodeError> {
    let (mut newest, mut count) = (Nanos(0), 0);
    for row in array(root)?.items() {
        count += 1;
        let event_ns = millis(row.field("time")?, "time")?;
        newest = newest.max(event_ns);
        if row.field_str("incomeType")? != "FUNDING_FEE" {
            return Err(DecodeError::Invalid("incomeType"));
        }
        let Ok((instrument, _)) = account.symbol(row.field_str("symbol")?) else { continue };
        let asset = account.instruments.assets.find(row.field_str("asset")?);
        events.push(Event::FundingPaid(FundingPayment {
            settles: false,
            instrument,
            asset: asset.unwrap_or(AssetId::NONE),
            amount: amount(row, "income")?,
            id: row.field_u64("tranId")?,
            event_ns,
        }))?;
    }
    Ok(Listed { newest, full: count >= FUNDING_PAGE })
}

/// The answer to [`crate::types::CommandKind::FundingSince`]. A page that is full is followed from its
/// newest payment on; what is told twice by that has the same id.
pub(super) fn funding(
    root: Value<'_>,
    from: Nanos,
    account: &Account,
    events: &mut Events,
) -> Result<Then, DecodeError> {
    const MS: u64 = 1_000_000;
    let listed = payments(root, account, events)?;
    if listed.full {
        // Of a page within one millisecond there is no way to ask for the rest.
        return Ok(Then::LaterFunding(listed.newest.max(from.plus(MS))));
    }
    events.push(Event::Notice(VenueNotice::FundingEnd))?;
    Ok(Then::Done)
}

/// How many conditional orders of a symbol wait: `[{"algoId":2148627,"symbol":"BNBUSDT",..}]`.
pub(super) fn stop_orders(
    root: Value<'_>,
    instrument: InstrumentId,
    events: &mut Events,
) -> Result<(), DecodeError> {
    let count = array(root)?.items().count();
    if count > 0 {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        events.push(Event::Notice(VenueNotice::StopOrders(instrument, count)))?;
    }
    Ok(())
}
