//! Public market data: what was traded, and the books, best prices and contexts that are sent at
//! the venue's pace. There are no sequence numbers: every message is a whole or a list of events.

#![forbid(unsafe_code)]

use super::super::day::Day;
use super::super::json::{Object, array};
use super::address::Address;
use super::assets::{Asset, Assets, amount, amount_or_null};
use super::rows::{level, levels, side, trade_hash, trade_number};
use super::topics::{Subscriptions, Topic, message};
use crate::sim::{AccountId, Exchange, SimLevel, WireOut};
use crate::types::Side;
use rust_decimal::{Decimal, RoundingStrategy};
use std::collections::{BTreeMap, VecDeque};

/// Levels a side of a whole book and of a fast one.
const LEVELS: usize = 20;
const LEVELS_FAST: usize = 5;
/// Levels that are gathered into fewer.
const LEVELS_GATHERED: usize = 1_000;
/// Trades that a new subscriber is told of.
const TAPE: usize = 30;
/// A book that does not change is sent again after this time, ms.
const REPEAT_MS: u64 = 5_000;

/// How often what is sent, ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HyperliquidPace {
    /// Best prices and trades at most this often: a block.
    pub block_ms: u64,
    /// Books.
    pub book_ms: u64,
    /// Fast books.
    pub fast_ms: u64,
    /// Contexts of instruments.
    pub context_ms: u64,
    /// All middle prices.
    pub mids_ms: u64,
}

impl Default for HyperliquidPace {
    fn default() -> Self {
        Self { block_ms: 80, book_ms: 500, fast_ms: 500, context_ms: 1_000, mids_ms: 5_000 }
    }
}

/// A public trade.
#[derive(Clone, Debug)]
struct Print {
    number: u64,
    taker: Side,
    level: SimLevel,
    time_ms: u64,
    /// Buyer, seller.
    users: [Address; 2],
}

#[derive(Debug, Default)]
struct Coin {
    tape: VecDeque<Print>,
    /// Trades that were not sent yet.
    news: usize,
    sent_ms: u64,
    day: Option<Day>,
}

/// What was sent of a topic.
#[derive(Debug, Default)]
struct Sent {
    at_ms: u64,
    data: String,
}

/// See the module's comment.
#[derive(Debug, Default)]
pub(super) struct Market {
    pace: HyperliquidPace,
    coins: BTreeMap<String, Coin>,
    sent: BTreeMap<Topic, Sent>,
}

/// Somebody who trades without an account here.
fn stranger(number: u64, side: u8) -> Address {
    let mut bytes = [side; 20];
    for (at, byte) in bytes.iter_mut().enumerate().skip(1) {
        *byte = (number.rotate_left(at as u32 * 5) as u8).wrapping_add(at as u8);
    }
    Address(bytes)
}

fn middle(exchange: &Exchange, coin: &str) -> Option<Decimal> {
    let (_, bids, asks) = exchange.depth(coin, 1)?;
    Some((bids.first()?.0 + asks.first()?.0) / Decimal::TWO)
}

impl Market {
    pub(super) fn new(pace: HyperliquidPace) -> Self {
        Self { pace, ..Self::default() }
    }

    /// A trade; `users` are buyer and seller if they have accounts.
    pub(super) fn on_trade(
        &mut self,
        (coin, trade_id): (&str, u64),
        taker: Side,
        level: SimLevel,
        time_ms: u64,
        users: [Option<Address>; 2],
    ) {
        let number = trade_number(coin, trade_id);
        let [buyer, seller] = users;
        let users = [
            buyer.unwrap_or_else(|| stranger(number, 0xb)),
            seller.unwrap_or_else(|| stranger(number, 0xa)),
        ];
        let known = self.coins.entry(coin.to_owned()).or_default();
        known.day.get_or_insert_with(|| Day::new(level.0)).trade(level.0, level.1);
        known.tape.push_back(Print { number, taker, level, time_ms, users });
        known.news += 1;
        while known.tape.len() > TAPE.max(known.news) {
            known.tape.pop_front();
        }
    }

    /// Trades of a coin as `[{...},...]`: the newest so many, oldest first.
    pub(super) fn trades(&self, coin: &str, count: usize) -> String {
        let Some(known) = self.coins.get(coin) else { return String::from("[]") };
        let from = known.tape.len().saturating_sub(count);
        array(known.tape.iter().skip(from).map(|print| {
            let [buyer, seller] = print.users;
            Object::new()
                .text("coin", coin)
                .text("side", side(print.taker))
                .text("px", &amount(print.level.0))
                .text("sz", &amount(print.level.1))
                .number("time", print.time_ms)
                .text("hash", &trade_hash(0))
                .number("tid", print.number)
                .raw("users", &format!("[\"{buyer}\",\"{seller}\"]"))
                .done()
        }))
    }

    /// What a new subscriber is told at once.
    pub(super) fn greet(
        &self,
        topic: &Topic,
        assets: &Assets,
        exchange: &Exchange,
        now_ms: u64,
    ) -> Option<String> {
        match topic {
            Topic::Trades(coin) => Some(message("trades", &self.trades(coin, TAPE))),
            _ => Some(self.whole(topic, &self.data(topic, assets, exchange)?, now_ms)),
        }
    }

    /// What a topic says now, without the time; none for what is told by events.
    fn data(&self, topic: &Topic, assets: &Assets, exchange: &Exchange) -> Option<String> {
        match topic {
            Topic::Book { coin, figures, mantissa, fast } => {
                let limit = if *fast { LEVELS_FAST } else { LEVELS };
                let (bids, asks) =
                    gathered(coin, (*figures, *mantissa), limit, exchange).unwrap_or_default();
                Some(levels(&bids, &asks))
            }
            Topic::Bbo(coin) => {
                // A delisted coin has an empty book.
                let (_, bids, asks) = exchange.depth(coin, 1).unwrap_or_default();
                let best = |side: &[SimLevel]| side.first().map_or(String::from("null"), level);
                Some(array([best(&bids), best(&asks)]))
            }
            Topic::Context(coin) => Some(self.context(assets.by_coin(coin)?, exchange)),
            Topic::Mids => Some(mids(assets, exchange)),
            _ => None,
        }
    }

    fn whole(&self, topic: &Topic, data: &str, now_ms: u64) -> String {
        let timed = |coin: &str| Object::new().text("coin", coin).number("time", now_ms);
        match topic {
            Topic::Book { coin, fast, .. } => {
                let book = timed(coin).raw("levels", data);
                let book = if *fast { book.flag("fast", true) } else { book };
                message("l2Book", &book.done())
            }
            Topic::Bbo(coin) => message("bbo", &timed(coin).raw("bbo", data).done()),
            Topic::Context(coin) => {
                let spot = coin.starts_with('@') || coin.contains('/');
                let channel = if spot { "activeSpotAssetCtx" } else { "activeAssetCtx" };
                message(channel, &Object::new().text("coin", coin).raw("ctx", data).done())
            }
            _ => message("allMids", &Object::new().raw("mids", data).done()),
        }
    }

    /// How often a topic is sent at most, and whether only when it has changed: after which time
    /// it is sent again.
    fn pace_of(&self, topic: &Topic) -> Option<(u64, u64)> {
        let pace = self.pace;
        match topic {
            Topic::Book { fast: false, .. } => Some((pace.book_ms, REPEAT_MS)),
            Topic::Book { fast: true, .. } => Some((pace.fast_ms, REPEAT_MS)),
            Topic::Bbo(_) => Some((pace.block_ms, u64::MAX)),
            Topic::Context(_) => Some((pace.context_ms, pace.context_ms)),
            Topic::Mids => Some((pace.mids_ms, pace.mids_ms)),
            _ => None,
        }
    }

    /// Sends what is due.
    pub(super) fn push(
        &mut self,
        wanted: &Subscriptions,
        assets: &Assets,
        exchange: &Exchange,
        now_ms: u64,
        out: &mut WireOut,
    ) {
        self.sent.retain(|topic, _| wanted.has(topic));
        for topic in wanted.topics() {
            let Some((every, again)) = self.pace_of(topic) else { continue };
            let last = self.sent.get(topic);
            let passed = last.map_or(u64::MAX, |last| now_ms.saturating_sub(last.at_ms));
            if passed < every {
                continue;
            }
            let Some(data) = self.data(topic, assets, exchange) else { continue };
            if passed >= again || last.is_none_or(|last| last.data != data) {
                wanted.send(topic, &self.whole(topic, &data, now_ms), out);
                self.sent.insert(topic.clone(), Sent { at_ms: now_ms, data });
            }
        }
        self.push_trades(wanted, now_ms, out);
    }

    fn push_trades(&mut self, wanted: &Subscriptions, now_ms: u64, out: &mut WireOut) {
        let mut texts = Vec::new();
        for (coin, known) in &self.coins {
            if known.news > 0 && now_ms.saturating_sub(known.sent_ms) >= self.pace.block_ms {
                let topic = Topic::Trades(coin.clone());
                let has = wanted.has(&topic);
                texts.push((topic, has.then(|| message("trades", &self.trades(coin, known.news)))));
            }
        }
        for (topic, text) in texts {
            let known = topic.coin().and_then(|coin| self.coins.get_mut(coin));
            if let Some(known) = known {
                (known.news, known.sent_ms) = (0, now_ms);
                known.tape.drain(..known.tape.len().saturating_sub(TAPE));
            }
            if let Some(text) = text {
                wanted.send(&topic, &text, out);
            }
        }
    }

    /// The context of an instrument.
    pub(super) fn context(&self, asset: &Asset, exchange: &Exchange) -> String {
        let coin = &*asset.coin;
        let day = self.coins.get(coin).and_then(|known| known.day).unwrap_or_default();
        let middle = middle(exchange, coin);
        let mark = exchange.mark(coin, 0).unwrap_or_default();
        let last = exchange.last_price(coin).or(middle).unwrap_or_default();
        let first = if day.first.is_zero() { last } else { day.first };
        if asset.is_spot {
            return Object::new()
                .text("prevDayPx", &amount(first))
                .text("dayNtlVlm", &amount(day.turnover))
                .text("markPx", &amount(last))
                .raw("midPx", &amount_or_null(middle))
                .text("circulatingSupply", "1000000000.0")
                .text("coin", coin)
                .text("dayBaseVlm", &amount(day.volume))
                .done();
        }
        let premium = (!mark.index.is_zero() && middle.is_some())
            .then(|| ((mark.mark - mark.index) / mark.index).round_dp(10));
        let impact = exchange.depth(coin, 1).and_then(|(_, bids, asks)| {
            let price = |side: &[SimLevel]| Some(amount(side.first()?.0));
            Some(format!("[\"{}\",\"{}\"]", price(&bids)?, price(&asks)?))
        });
        Object::new()
            .text("funding", &amount(mark.rate))
            .text("openInterest", &amount(open_interest(exchange, coin)))
            .text("prevDayPx", &amount(first))
            .text("dayNtlVlm", &amount(day.turnover))
            .raw("premium", &amount_or_null(premium))
            .text("oraclePx", &amount(mark.index))
            .text("markPx", &amount(mark.mark))
            .raw("midPx", &amount_or_null(middle))
            .raw("impactPxs", impact.as_deref().unwrap_or("null"))
            .text("dayBaseVlm", &amount(day.volume))
            .done()
    }
}

/// Long positions of all accounts.
fn open_interest(exchange: &Exchange, coin: &str) -> Decimal {
    let positions =
        (0..exchange.accounts()).filter_map(|account| exchange.position(AccountId(account), coin));
    positions.map(|position| position.qty.max(Decimal::ZERO)).sum()
}

/// Middle prices by coin, or the last price where a side is empty.
pub(super) fn mids(assets: &Assets, exchange: &Exchange) -> String {
    let listed = assets.perpetuals().chain(assets.spot()).filter(|asset| asset.is_listed);
    let priced = listed.filter_map(|asset| {
        let coin = &asset.coin;
        Some((coin, middle(exchange, coin).or_else(|| exchange.last_price(coin))?))
    });
    let row = |row: Object, (coin, price): (&String, Decimal)| row.text(coin, &amount(price));
    priced.fold(Object::new(), row).done()
}

/// A book whose prices are gathered to so many figures, and steps of the last of them.
pub(super) fn gathered(
    coin: &str,
    (figures, mantissa): (Option<u64>, Option<u64>),
    limit: usize,
    exchange: &Exchange,
) -> Option<(Vec<SimLevel>, Vec<SimLevel>)> {
    let Some(figures) = figures else {
        let (_, bids, asks) = exchange.depth(coin, limit)?;
        return Some((bids, asks));
    };
    let (_, bids, asks) = exchange.depth(coin, LEVELS_GATHERED)?;
    let gather = |side: &[SimLevel], rounding| {
        let mut out: Vec<SimLevel> = Vec::new();
        for (price, qty) in side {
            let price = to_figures(*price, figures as u32, mantissa, rounding);
            let full = out.len() == limit;
            match out.last_mut() {
                Some((last, sum)) if *last == price => *sum += *qty,
                _ if full => break,
                _ => out.push((price, *qty)),
            }
        }
        out
    };
    let down = RoundingStrategy::ToNegativeInfinity;
    Some((gather(&bids, down), gather(&asks, RoundingStrategy::ToPositiveInfinity)))
}

fn to_figures(
    price: Decimal,
    figures: u32,
    mantissa: Option<u64>,
    rounding: RoundingStrategy,
) -> Decimal {
    let step = Decimal::from(mantissa.unwrap_or(1));
    // In steps, so that a step of the last figure becomes one.
    let steps = price / step;
    let whole = price.trunc().normalize();
    let digits = if whole.is_zero() { 0 } else { whole.mantissa().to_string().len() as u32 };
    if digits > figures {
        let scale = Decimal::from(10_u64.pow((digits - figures).min(18)));
        return (steps / scale).round_dp_with_strategy(0, rounding) * scale * step;
    }
    let zeros = leading_zeros(price);
    steps.round_dp_with_strategy(figures - digits + zeros, rounding) * step
}

/// Zeros behind the point of a price below one.
fn leading_zeros(price: Decimal) -> u32 {
    let price = price.normalize();
    if price >= Decimal::ONE || price.is_zero() {
        return 0;
    }
    price.scale().saturating_sub(price.mantissa().to_string().len() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_gathered_away_from_the_middle() {
        let dec = |text: &str| text.parse::<Decimal>().unwrap();
        let (down, up) =
            (RoundingStrategy::ToNegativeInfinity, RoundingStrategy::ToPositiveInfinity);
        for (price, figures, mantissa, rounding, wanted) in [
            ("80639", 2, None, down, "80000"),
            ("80639", 4, None, up, "80640"),
            ("80639", 5, Some(5), down, "80635"),
            ("80639", 5, Some(2), up, "80640"),
            ("2684.17", 5, None, down, "2684.1"),
            ("38.1239", 3, None, up, "38.2"),
            ("0.012345", 3, None, down, "0.0123"),
            ("0.20432", 2, None, up, "0.21"),
        ] {
            let got = to_figures(dec(price), figures, mantissa, rounding);
            assert_eq!(got.normalize(), dec(wanted), "{price} to {figures} figures");
        }
    }
}
