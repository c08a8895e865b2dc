//! The `info` endpoint: everything that can be asked without a signature, over HTTP or a socket.
//!
//! `user` is the address of an account. Another one, that of an agent too, is no error: it has
//! nothing.

#![forbid(unsafe_code)]

use super::super::json::{Object, array, quoted};
use super::Hyperliquid;
use super::address::Address;
use super::assets::{Asset, amount};
use super::errors::Refused;
use super::market::{gathered, mids};
use super::orders::Named;
use super::records::Record;
use super::rows;
use super::state;
use super::topics::{is_gathered, optional};
use crate::sim::{AccountId, Exchange, SimMark};
use crate::types::Side;
use rust_decimal::Decimal;
use serde_json::Value;

/// Rows of one answer: fills and orders, fundings.
const ROWS_MAX: usize = 2_000;
const FUNDINGS_MAX: usize = 500;
const LEVELS: usize = 20;
/// Rows that add one to the weight.
const ROWS_PER_WEIGHT: usize = 20;

/// Requests that weigh other than 20.
const WEIGHTS: &[(&str, u32)] = &[
    ("l2Book", 2),
    ("allMids", 2),
    ("clearinghouseState", 2),
    ("orderStatus", 2),
    ("spotClearinghouseState", 2),
    ("exchangeStatus", 2),
    ("userRole", 60),
];

/// What a request weighs before its answer is known.
pub(super) fn weight(request: &Value) -> u32 {
    let name = request.get("type").and_then(Value::as_str).unwrap_or_default();
    WEIGHTS.iter().find(|(known, _)| *known == name).map_or(20, |(_, weight)| *weight)
}

/// An answer, and what its rows weigh.
pub(super) struct Answer {
    pub(super) body: String,
    pub(super) weight: u32,
}

impl From<String> for Answer {
    fn from(body: String) -> Self {
        Self { body, weight: 0 }
    }
}

impl Answer {
    fn rows(rows: Vec<String>) -> Self {
        let weight = (rows.len() / ROWS_PER_WEIGHT) as u32;
        Self { body: array(rows), weight }
    }
}

/// A question about an account.
struct Asked<'a> {
    request: &'a Value,
    user: Address,
    account: Option<AccountId>,
    exchange: &'a Exchange,
    now_ms: u64,
}

fn within(request: &Value, time_ms: u64) -> Option<bool> {
    let (from, to) = (optional(request, "startTime")?, optional(request, "endTime")?);
    Some(from.is_none_or(|from| time_ms >= from) && to.is_none_or(|to| time_ms <= to))
}

impl Hyperliquid {
    /// Answers a question.
    pub(super) fn info(
        &self,
        request: &Value,
        exchange: &Exchange,
        now_ms: u64,
    ) -> Result<Answer, Refused> {
        let name = request.get("type").and_then(Value::as_str).ok_or(Refused::Unreadable)?;
        if let Some(body) = self.of_venue(name, exchange, now_ms) {
            return Ok(body.into());
        }
        match name {
            "l2Book" => return self.book(request, exchange, now_ms),
            "recentTrades" => {
                let coin = self.coin(request)?;
                return Ok(self.market.trades(&coin.coin, ROWS_MAX).into());
            }
            "candleSnapshot" => return self.candles(request, exchange, now_ms),
            "fundingHistory" => return self.funding_history(request, exchange),
            _ => {}
        }
        let user = request.get("user").and_then(Value::as_str).and_then(Address::parse);
        let user = user.ok_or(Refused::Unreadable)?;
        let account = exchange.account_by_key(&user.to_string()).map(|(account, _)| account);
        let asked = Asked { request, user, account, exchange, now_ms };
        let lists = self.lists_of_user(name, &asked)?;
        lists.or_else(|| self.of_user(name, &asked).map(Answer::from)).ok_or(Refused::Unreadable)
    }

    /// Questions without parameters.
    fn of_venue(&self, name: &str, exchange: &Exchange, now_ms: u64) -> Option<String> {
        let contexts = |assets: &mut dyn Iterator<Item = &Asset>| {
            array(assets.map(|asset| self.market.context(asset, exchange)))
        };
        let assets = &self.assets;
        Some(match name {
            "meta" => assets.meta(),
            "spotMeta" => assets.spot_meta(),
            "metaAndAssetCtxs" => array([assets.meta(), contexts(&mut assets.perpetuals())]),
            "spotMetaAndAssetCtxs" => array([assets.spot_meta(), contexts(&mut assets.spot())]),
            "perpDexs" => String::from("[null]"),
            "allMids" => mids(assets, exchange),
            "predictedFundings" => {
                let listed = assets.perpetuals().filter(|asset| asset.is_listed);
                array(listed.map(|asset| predicted(&asset.coin, exchange, now_ms)))
            }
            "exchangeStatus" => {
                Object::new().raw("specialStatuses", "null").number("time", now_ms).done()
            }
            _ => return None,
        })
    }

    pub(super) fn coin(&self, request: &Value) -> Result<&Asset, Refused> {
        let coin = request.get("coin").and_then(Value::as_str).ok_or(Refused::Unreadable)?;
        self.assets.by_coin(coin).ok_or(Refused::Unreadable)
    }

    fn book(&self, request: &Value, exchange: &Exchange, now_ms: u64) -> Result<Answer, Refused> {
        let coin = &*self.coin(request)?.coin;
        let figures = optional(request, "nSigFigs").ok_or(Refused::Unreadable)?;
        let mantissa = optional(request, "mantissa").ok_or(Refused::Unreadable)?;
        if !is_gathered(figures, mantissa) {
            return Err(Refused::Unreadable);
        }
        let (bids, asks) =
            gathered(coin, (figures, mantissa), LEVELS, exchange).unwrap_or_default();
        let book = Object::new().text("coin", coin).number("time", now_ms);
        Ok(book.raw("levels", &rows::levels(&bids, &asks)).done().into())
    }

    fn funding_history(&self, request: &Value, exchange: &Exchange) -> Result<Answer, Refused> {
        let coin = &self.coin(request)?.coin;
        within(request, 0).ok_or(Refused::Unreadable)?;
        let rates = exchange.funding_rates(coin);
        let asked = rates.into_iter().filter(|rate| within(request, rate.time_ms) == Some(true));
        let rows = asked.take(FUNDINGS_MAX).map(|rate| {
            Object::new()
                .text("coin", coin)
                .text("fundingRate", &amount(rate.rate))
                .text("premium", &amount(premium(rate)))
                .number("time", rate.time_ms)
                .done()
        });
        Ok(Answer::rows(rows.collect()))
    }

    /// Answers whose rows count.
    fn lists_of_user(&self, name: &str, asked: &Asked<'_>) -> Result<Option<Answer>, Refused> {
        let records = &self.desk.records;
        let account = asked.account.into_iter();
        let rows: Vec<String> = match name {
            "openOrders" | "frontendOpenOrders" => {
                let open = account.flat_map(|account| records.open(account).rev());
                let show = if name == "openOrders" { rows::open_order } else { rows::whole_order };
                return Ok(Some(array(open.map(|record| show(&record.order))).into()));
            }
            "historicalOrders" => {
                let orders = account.flat_map(|account| records.orders(account).rev());
                orders.take(ROWS_MAX).map(rows::history).collect()
            }
            "userFills" => {
                let fills = account.flat_map(|account| records.fills(account).rev());
                fills.take(ROWS_MAX).map(rows::fill).collect()
            }
            // Oldest first: the next page begins where this one ends.
            "userFillsByTime" => {
                asked.request.get("startTime").ok_or(Refused::Unreadable)?;
                within(asked.request, 0).ok_or(Refused::Unreadable)?;
                let fills = account.flat_map(|account| records.fills(account));
                let fills =
                    fills.filter(|filled| within(asked.request, filled.fill.time_ms) == Some(true));
                fills.take(ROWS_MAX).map(rows::fill).collect()
            }
            "userFunding" => {
                within(asked.request, 0).ok_or(Refused::Unreadable)?;
                let paid = account.flat_map(|account| asked.exchange.funding_payments(account));
                let paid = paid.filter(|paid| within(asked.request, paid.time_ms) == Some(true));
                paid.take(FUNDINGS_MAX).map(rows::funding_row).collect()
            }
            _ => return Ok(None),
        };
        Ok(Some(Answer::rows(rows)))
    }

    fn of_user(&self, name: &str, asked: &Asked<'_>) -> Option<String> {
        let Asked { account, exchange, now_ms, user, request } = *asked;
        Some(match name {
            "clearinghouseState" => state::clearinghouse(account, &self.assets, exchange, now_ms),
            "spotClearinghouseState" => state::tokens(account, &self.assets, exchange),
            "orderStatus" => self.order_status(asked)?,
            "userFees" => fees(exchange),
            "userRateLimit" => self.rate_limit(account),
            "userRole" => self.role(user, account, now_ms),
            "extraAgents" => {
                let named = self.signers.agents(user).filter(|agent| !agent.name.is_empty());
                array(named.map(|agent| {
                    Object::new()
                        .text("name", &agent.name)
                        .text("address", &agent.address.to_string())
                        .number("validUntil", agent.valid_until_ms)
                        .done()
                }))
            }
            "activeAssetData" => active_asset(self.coin(request).ok()?, user, account, exchange)?,
            "userAbstraction" => {
                let unified = state::is_unified(exchange);
                quoted(if unified { "unifiedAccount" } else { "default" })
            }
            "subAccounts" => String::from("null"),
            "maxBuilderFee" => String::from("0"),
            _ => return None,
        })
    }

    fn order_status(&self, asked: &Asked<'_>) -> Option<String> {
        let named = Named::read(asked.request.get("oid")).ok()?;
        let found = asked.account.and_then(|account| match &named {
            Named::Number(id) => self.desk.records.by_id(account, *id),
            Named::Cloid(cloid) => self.desk.records.by_cloid(account, cloid),
        });
        let show = |record: &Record| {
            Object::new().text("status", "order").raw("order", &rows::history(record)).done()
        };
        Some(found.map_or_else(|| String::from(r#"{"status":"unknownOid"}"#), show))
    }

    fn rate_limit(&self, account: Option<AccountId>) -> String {
        let known = account.map(|account| {
            let volume = self.desk.records.volume(account);
            let meter = &self.desk.meter;
            (volume, meter.usage(account).actions, meter.cap(account, volume))
        });
        let (volume, used, cap) =
            known.unwrap_or((Decimal::ZERO, 0, self.desk.meter.limits.actions));
        Object::new()
            .text("cumVlm", &amount(volume))
            .number("nRequestsUsed", used)
            .number("nRequestsCap", cap)
            .number("nRequestsSurplus", 0)
            .done()
    }

    fn role(&self, user: Address, account: Option<AccountId>, now_ms: u64) -> String {
        let role = |name| Object::new().text("role", name);
        match (account, self.signers.owner(user, now_ms)) {
            (Some(_), _) => role("user").done(),
            (None, Some(owner)) => {
                let data = Object::new().text("user", &owner.to_string()).done();
                role("agent").raw("data", &data).done()
            }
            (None, None) => role("missing").done(),
        }
    }
}

fn premium(mark: &SimMark) -> Decimal {
    if mark.index.is_zero() {
        return Decimal::ZERO;
    }
    ((mark.mark - mark.index) / mark.index).round_dp(10)
}

fn predicted(coin: &str, exchange: &Exchange, now_ms: u64) -> String {
    let mark = exchange.mark(coin, now_ms).unwrap_or_default();
    let own = Object::new()
        .text("fundingRate", &amount(mark.rate))
        .number("nextFundingTime", mark.next_funding_ms)
        .done();
    array([quoted(coin), array([array([quoted("HlPerp"), own])])])
}

/// The fees of everybody.
fn fees(exchange: &Exchange) -> String {
    let rates = |is_spot: bool| {
        let mut rules = exchange.symbols().iter();
        let first = rules.find(|rules| rules.perpetual.is_none() == is_spot);
        let rates = first.map(|rules| (rules.taker_fee, rules.maker_fee)).unwrap_or_default();
        (rates.0.normalize().to_string(), rates.1.normalize().to_string())
    };
    let ((cross, add), (spot_cross, spot_add)) = (rates(false), rates(true));
    let schedule = Object::new()
        .text("cross", &cross)
        .text("add", &add)
        .text("spotCross", &spot_cross)
        .text("spotAdd", &spot_add)
        .raw("tiers", r#"{"vip":[],"mm":[]}"#)
        .text("referralDiscount", "0.0")
        .raw("stakingDiscountTiers", "[]");
    Object::new()
        .raw("dailyUserVlm", "[]")
        .raw("feeSchedule", &schedule.done())
        .text("userCrossRate", &cross)
        .text("userAddRate", &add)
        .text("userSpotCrossRate", &spot_cross)
        .text("userSpotAddRate", &spot_add)
        .text("activeReferralDiscount", "0.0")
        .done()
}

fn active_asset(
    asset: &Asset,
    user: Address,
    account: Option<AccountId>,
    exchange: &Exchange,
) -> Option<String> {
    let position = exchange.position(account.unwrap_or(AccountId(usize::MAX)), &asset.coin)?;
    let margin = account.map(|account| exchange.margin(account, state::settle(exchange)));
    let available = margin.map(|margin| margin.available).unwrap_or_default();
    let room = |side: Side| {
        let closes = (side == Side::Buy) == position.qty.is_sign_negative();
        let released = if closes { position.initial * Decimal::TWO } else { Decimal::ZERO };
        available + released
    };
    let rooms = [room(Side::Buy), room(Side::Sell)];
    let size = |room: Decimal| match position.mark.is_zero() {
        true => Decimal::ZERO,
        false => (room * position.leverage / position.mark).trunc_with_scale(asset.size_decimals),
    };
    let pair = |values: [Decimal; 2]| array(values.map(|value| quoted(&amount(value))));
    let row = Object::new()
        .text("user", &user.to_string())
        .text("coin", &asset.coin)
        .raw("leverage", &state::leverage(&position))
        .raw("maxTradeSzs", &pair(rooms.map(size)))
        .raw("availableToTrade", &pair(rooms))
        .text("markPx", &amount(position.mark));
    Some(row.done())
}
