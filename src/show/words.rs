//! Numbers and conditions in the words of a trader: the same in every command and on every screen.

#![forbid(unsafe_code)]

use super::naming::{Naming, venue_name};
use crate::oms::Difference;
use crate::types::{
    AMOUNT_DECIMALS, Amount, CommandKind, Instrument, Liquidity, NewOrder, NotReady, Operator,
    OrderState, OrderType, PairEnd, PairOutcome, Price, ProcessEnd, Qty, Readiness, ReportOrigin,
    Scope, Teller, TimeInForce, VenueNotice,
};

/// An amount as a decimal with all its digits.
#[must_use]
pub fn amount(amount: Amount) -> String {
    const ONE: u128 = 10u128.pow(AMOUNT_DECIMALS);
    let magnitude = amount.0.unsigned_abs();
    let sign = if amount.0 < 0 { "-" } else { "" };
    let (whole, rest) = (magnitude / ONE, magnitude % ONE);
    let digits = format!("{rest:0width$}", width = AMOUNT_DECIMALS as usize);
    match digits.trim_end_matches('0') {
        "" => format!("{sign}{whole}"),
        digits => format!("{sign}{whole}.{digits}"),
    }
}

/// A price, exact.
#[must_use]
pub fn price(instrument: &Instrument, price: Price) -> String {
    instrument.scale.price_decimal(price).normalize().to_string()
}

/// A quantity, exact.
#[must_use]
pub fn qty(instrument: &Instrument, qty: Qty) -> String {
    instrument.scale.qty_decimal(qty).normalize().to_string()
}

/// `partially filled`
#[must_use]
pub fn state(state: OrderState) -> &'static str {
    match state {
        OrderState::PendingNew => "pending new",
        OrderState::Open => "open",
        OrderState::PartiallyFilled => "partially filled",
        OrderState::PendingCancel => "pending cancel",
        OrderState::PendingReplace => "pending replace",
        OrderState::Filled => "filled",
        OrderState::Canceled => "canceled",
        OrderState::Rejected => "rejected",
        OrderState::Expired => "expired",
        OrderState::Unknown => "unknown",
    }
}

/// `IOC`
#[must_use]
pub fn time_in_force(time_in_force: TimeInForce) -> &'static str {
    match time_in_force {
        TimeInForce::Gtc => "GTC",
        TimeInForce::Ioc => "IOC",
        TimeInForce::Fok => "FOK",
    }
}

/// `limit IOC`, `market IOC`
#[must_use]
pub fn terms(order_type: OrderType, in_force: TimeInForce) -> String {
    let kind = if order_type == OrderType::Market { "market" } else { "limit" };
    format!("{kind} {}", time_in_force(in_force))
}

/// The same with the flags of a new order.
#[must_use]
pub fn order_terms(order: &NewOrder) -> String {
    let post = if order.post_only { " post-only" } else { "" };
    let reduce = if order.reduce_only { " reduce-only" } else { "" };
    format!("{}{post}{reduce}", terms(order.order_type, order.time_in_force))
}

/// `maker`, `taker`; empty if the venue does not say.
#[must_use]
pub fn liquidity(liquidity: Liquidity) -> &'static str {
    match liquidity {
        Liquidity::Unknown => "",
        Liquidity::Maker => "maker",
        Liquidity::Taker => "taker",
    }
}

/// How we know of something.
#[must_use]
pub fn origin(origin: ReportOrigin) -> &'static str {
    match origin {
        ReportOrigin::Reply => "reply",
        ReportOrigin::Stream => "stream",
        ReportOrigin::Query => "query",
        ReportOrigin::Local => "here",
    }
}

/// `down`, `joining`, `ready`
#[must_use]
pub fn readiness(readiness: Readiness) -> &'static str {
    match readiness {
        Readiness::Down => "down",
        Readiness::Joining => "joining",
        Readiness::Ready => "ready",
    }
}

/// Why a venue gets no new orders, and what a person can do about it.
#[must_use]
pub fn not_ready(why: NotReady) -> String {
    match why {
        NotReady::Halted => {
            format!("{why}; look at the account, then `stoop reconcile --accept --venue` it")
        }
        NotReady::Suspended(until) => format!("{why} until {}", super::table::utc(until)),
        NotReady::Held(_) => format!("{why}; `stoop resume --venue` it"),
        NotReady::EngineHeld(_) => {
            format!("{why}; `stoop events --level warn` says why, `stoop resume` ends it")
        }
        NotReady::JournalFull => format!("{why}; give its disk room"),
        _ => why.to_string(),
    }
}

/// Of what a person or a limit speaks.
#[must_use]
pub fn scope(scope: Scope, names: &Naming<'_>) -> String {
    match scope {
        Scope::Engine => "the engine".to_owned(),
        Scope::Venue(venue) => venue_name(venue),
        Scope::Strategy(strategy) => format!("strategy {}", names.strategy(strategy)),
    }
}

/// What the engine was told, with who told it where that is known.
#[must_use]
pub fn told(teller: Option<Teller>, told: &Operator, names: &Naming<'_>) -> String {
    let text = operator(told, names);
    teller.map_or(text.clone(), |teller| format!("{text} ({teller})"))
}

/// What the engine was told.
#[must_use]
pub fn operator(told: &Operator, names: &Naming<'_>) -> String {
    match *told {
        Operator::Stop => "stop".to_owned(),
        Operator::CancelAll(of) => format!("cancel all of {}", scope(of, names)),
        Operator::Flatten(of) => format!("flatten {}", scope(of, names)),
        Operator::SetState(of, state) => format!("{} is {state}", scope(of, names)),
        Operator::Reconcile(venue) => {
            format!("reconcile {}", scope(venue.map_or(Scope::Engine, Scope::Venue), names))
        }
        Operator::Accept(venue) => {
            format!("accept the balances of {}", venue_name(venue))
        }
        Operator::SetLimit(key, value) => format!("{} = {}", limit(key, names), amount(value)),
        Operator::UnsetLimit(key) => format!("{} = none", limit(key, names)),
        Operator::SetParam(change) => format!(
            "strategy {}: {} = {}, was {}",
            names.strategy(change.strategy),
            change.name,
            change.after,
            change.before
        ),
    }
}

/// What a venue is asked for.
#[must_use]
pub fn command(kind: &CommandKind, names: &Naming<'_>) -> String {
    let name = |id| names.instrument(id);
    match kind {
        CommandKind::New(order) => {
            format!("new order {} in {}", order.client_id, name(order.instrument))
        }
        CommandKind::Cancel(of) => {
            format!("cancel of order {} in {}", of.client_id, name(of.instrument))
        }
        CommandKind::Replace(of) => {
            format!("change of order {} in {}", of.client_id, name(of.instrument))
        }
        CommandKind::Query(of) => {
            format!("question about order {} in {}", of.client_id, name(of.instrument))
        }
        CommandKind::CancelAll(id) => format!("cancel of all orders in {}", name(*id)),
        CommandKind::OpenOrders(id) => format!("question about open orders in {}", name(*id)),
        CommandKind::FillsSince { instrument, .. } => {
            format!("question about fills in {}", name(*instrument))
        }
        CommandKind::Balances => "question about balances".to_owned(),
        CommandKind::FeeRate(id) => format!("question about fees of {}", name(*id)),
        CommandKind::Subscribe(id) => format!("market data of {}", name(*id)),
        CommandKind::Unsubscribe(id) => format!("end of the market data of {}", name(*id)),
        CommandKind::Resync(id) => format!("fresh book of {}", name(*id)),
        CommandKind::FundingSince(_) => "question about funding".to_owned(),
    }
}

/// What became of a strategy's process: what its name is followed by.
#[must_use]
pub fn ended(end: ProcessEnd) -> String {
    format!("has ended ({end}): its process is not started again")
}

/// What a limit is or was; `None` if it does not hold.
#[must_use]
pub fn limit_value(value: Option<Amount>) -> String {
    value.map_or("not set".to_owned(), amount)
}

/// What a limit was before it was set, in older journals. Where it cannot be 0, 0 stands for none.
#[must_use]
pub fn limit_before(key: crate::types::LimitKey, before: Amount) -> String {
    use crate::types::LimitKey as Key;
    let may_be_none = matches!(
        key,
        Key::DailyLossMax
            | Key::DrawdownMax
            | Key::OrderWaitMaxMs
            | Key::StrategyOrdersPerSecondMax(_)
            | Key::StrategyOrdersOpenMax(_)
    );
    if may_be_none && before == Amount::ZERO { "not set".to_owned() } else { amount(before) }
}

/// Name of a limit, as `stoop set` takes it.
#[must_use]
pub fn limit(key: crate::types::LimitKey, names: &Naming<'_>) -> String {
    use crate::types::LimitKey as Key;
    let name = key.name();
    match key {
        Key::PositionMax(asset) => format!("{name}.{}", names.asset(asset)),
        Key::InstrumentPositionMax(id) => format!("{name}.{}", names.instrument(id)),
        Key::StrategyOrdersPerSecondMax(strategy) | Key::StrategyOrdersOpenMax(strategy) => {
            format!("strategy.{}.{name}", names.strategy(strategy))
        }
        Key::Budget(strategy, venue) => {
            format!("strategy.{}.{name}.{}", names.strategy(strategy), venue_name(venue))
        }
        _ => name.to_owned(),
    }
}

/// What a venue said of itself; `None` where that is of no interest to a person.
#[must_use]
pub fn notice(notice: &VenueNotice, names: &Naming<'_>) -> Option<String> {
    Some(match notice {
        VenueNotice::Readiness(of, to) => format!("{} {}", of.name(), readiness(*to)),
        VenueNotice::ShutdownAnnounced(of) => {
            format!("the venue will close the connection of {}", of.name())
        }
        VenueNotice::Suspended(until) => {
            format!("suspends us until {}", super::table::utc(*until))
        }
        VenueNotice::InstrumentStatus(id, status) => {
            format!("{} is {status:?} at the venue", names.instrument(*id))
        }
        VenueNotice::CancelAllFailed(id, code) => {
            format!("cancel-all of {} failed (code {code})", names.instrument(*id))
        }
        VenueNotice::LoginRefused(of, code) => {
            format!("{}: our key was refused (code {code})", of.name())
        }
        VenueNotice::RequestFailed(code) => format!("a request failed (code {code})"),
        VenueNotice::SubscriptionFailed(id) => {
            format!("no market data of {}: the subscription failed", names.instrument(*id))
        }
        VenueNotice::DeadManArmed(seconds) => format!("dead-man switch armed: {seconds} s"),
        VenueNotice::DeadManFailed(code) => {
            format!("dead-man switch could not be armed (code {code})")
        }
        VenueNotice::AccountUnfit(flaw) => flaw.advice().to_owned(),
        VenueNotice::MarginCall(id) => {
            format!("margin call: {} is close to liquidation", names.instrument(*id))
        }
        VenueNotice::StopOrders(id, count) => {
            format!("{count} stop orders of others work in {}", names.instrument(*id))
        }
        VenueNotice::ClockOffset { .. }
        | VenueNotice::RateLimit(_)
        | VenueNotice::OpenOrdersEnd(_)
        | VenueNotice::FillsEnd(_)
        | VenueNotice::BalancesEnd
        | VenueNotice::CancelAllDone(_)
        | VenueNotice::FundingEnd => return None,
    })
}

/// What a reconciliation found.
#[must_use]
pub fn difference(difference: &Difference, names: &Naming<'_>) -> String {
    let off = |asset, off| format!("{} {}", amount(off), names.asset(asset));
    match *difference {
        Difference::MissedFill { instrument: id, side, price, qty, external } => format!(
            "a fill that was not told of is booked: {} {side} {} at {}{}",
            names.instrument(id),
            names.qty(id, qty),
            names.price(id, price),
            if external { ", of no order of ours" } else { "" }
        ),
        Difference::MissedEnd { order, state: ended } => {
            format!("order {order} had ended unheard: {}", state(ended))
        }
        Difference::OrderGone { order, venue_order_id } => {
            format!("order {order} ({}) is not open any more", venue_order_id.as_str())
        }
        Difference::OrderAlive { order, venue_order_id } => {
            format!("order {order} ({}) had ended but is listed as open", venue_order_id.as_str())
        }
        Difference::UnknownOrder { instrument: id, venue_order_id, side, price, qty } => format!(
            "an order that is not ours is adopted: {} {side} {} at {} ({})",
            names.instrument(id),
            names.qty(id, qty),
            names.price(id, price),
            venue_order_id.as_str()
        ),
        Difference::BalanceOff { asset, amount: by } => {
            format!("the balance is off by {}, unexplained", off(asset, by))
        }
        Difference::BalanceDust { asset, amount: by } => {
            format!("rounding of {} is taken over", off(asset, by))
        }
        Difference::BalanceAccepted { asset, amount: by } => {
            format!("a difference of {} was accepted", off(asset, by))
        }
        Difference::FillsMissing { order, instrument: id, qty } => format!(
            "order {order}: {} {} are filled as the venue says, and its lists do not tell of them; \
             now the balances have to explain it",
            names.qty(id, qty),
            names.instrument(id)
        ),
        Difference::PositionOff { instrument: id, amount: by } => {
            format!(
                "the position in {} is off by {}, unexplained",
                names.instrument(id),
                amount(by)
            )
        }
        Difference::PositionAccepted { instrument: id, amount: by } => {
            format!(
                "{} {} that the venue holds for us are taken over",
                amount(by),
                names.instrument(id)
            )
        }
        Difference::ProfitMoved { instrument: id, amount: by } => format!(
            "the venue booked fills in {} in another order than we learnt of them: {} more is realised, \
             and in the cost of the position",
            names.instrument(id),
            amount(by)
        ),
    }
}

/// What became of the legs of a signal.
#[must_use]
pub fn pair(pair: &PairOutcome, names: &Naming<'_>) -> String {
    let id = pair.legs().first().map(|leg| leg.instrument).unwrap_or_default();
    if pair.end == PairEnd::Nothing && pair.breach.is_none() {
        return format!("signal {}: {}", pair.signal.0, pair.end.name());
    }
    let breach = match (pair.breach, pair.action) {
        (Some(breach), Some(action)) => {
            let action = format!("{action:?}").to_lowercase();
            format!(" after a {} breach ({action})", breach.name())
        }
        (Some(breach), None) => format!(" after a {} breach", breach.name()),
        _ => String::new(),
    };
    let left = match pair.left {
        Qty::ZERO => String::new(),
        left => format!(", {} left naked", names.qty(id, left)),
    };
    let naked = match pair.naked_ns {
        0 => String::new(),
        ns => {
            let (qty, ns) = (names.qty(id, pair.naked_qty), i64::try_from(ns).unwrap_or(i64::MAX));
            format!(", naked {} up to {qty}", super::table::span(ns))
        }
    };
    let again = if pair.revision > 0 { ", opened again by a late fill" } else { "" };
    format!(
        "signal {}: {}{breach}{left}, cost {:.2} bps{naked}, fees {}{again}",
        pair.signal.0,
        pair.end.name(),
        pair.cost.0 as f64 / 100_000.0,
        amount(pair.fees),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_sent_is_said_in_words() {
        let mut table = crate::types::InstrumentTable::default();
        table.add(Instrument { name: "BTC/USDT@here".to_owned(), ..Instrument::default() });
        let names = Naming { table: &table, strategies: &[] };
        let id = crate::types::InstrumentId(0);
        let said = |kind| command(&kind, &names);
        assert_eq!(said(CommandKind::CancelAll(id)), "cancel of all orders in BTC/USDT@here");
        assert_eq!(said(CommandKind::Balances), "question about balances");
        let order = crate::types::CancelOrder {
            client_id: crate::types::ClientOrderId(0xabc),
            venue_order_id: crate::types::VenueOrderId::EMPTY,
            instrument: id,
        };
        let wanted = "cancel of order st0000000000000abc in BTC/USDT@here";
        assert_eq!(said(CommandKind::Cancel(order)), wanted);
    }

    #[test]
    fn amounts_keep_every_digit() {
        let one = 10i128.pow(18);
        let cases = [
            (0, "0"),
            (one, "1"),
            (-one / 2, "-0.5"),
            (1, "0.000000000000000001"),
            (
                123_456_789_012_345_678_901_234_567_890_123_456,
                "123456789012345678.901234567890123456",
            ),
            (-1_500_000 * one, "-1500000"),
        ];
        for (number, expected) in cases {
            assert_eq!(amount(Amount(number)), expected);
        }
    }
}
