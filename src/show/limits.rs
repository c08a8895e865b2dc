//! The limits in force, as the order manager holds orders against them now, beside what is used of each.
//! A person may have changed those of the file.

#![forbid(unsafe_code)]

use super::table::{Cell, Column, Kind, Row};
use super::{Naming, venue_name, words};
use crate::shm::MarketView;
use crate::types::{Amount, LimitKey};

/// Columns of [`LimitNow::cells`].
pub const LIMIT_COLUMNS: [Column; 5] = [
    Column::new("limit", Kind::Text),
    Column::new("of", Kind::Text),
    Column::new("value", Kind::Number),
    Column::new("used", Kind::Number),
    Column::new("percent", Kind::Count),
];

/// One limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LimitNow {
    /// Its key in `engine.toml`.
    pub name: &'static str,
    /// Underlying, instrument, quote asset or strategy that it is about, `STRATEGY at VENUE` for a
    /// budget; empty for all.
    pub of: String,
    /// The limit in the unit of its name; `None` if it is not set.
    pub value: Option<Amount>,
    /// What it is held against, where that is a state: the largest position that working orders may
    /// make, a loss (a profit is negative), orders, capital.
    pub used: Option<Amount>,
}

impl LimitNow {
    /// Its cells, in the order of [`LIMIT_COLUMNS`].
    #[must_use]
    pub fn cells(&self) -> Row {
        let number = |amount: Amount| Cell::from(words::amount(amount));
        vec![
            self.name.into(),
            self.of.as_str().into(),
            self.value.map_or(Cell::NotSet, number),
            self.used.map_or(Cell::Empty, number),
            self.percent().map_or(Cell::Empty, Cell::count),
        ]
    }

    /// Used part, cut off; a profit uses nothing of a limit on losses.
    #[must_use]
    pub fn percent(&self) -> Option<u64> {
        let (limit, used) = (self.value?.0, self.used?.0.max(0));
        if limit <= 0 {
            return None;
        }
        // Where the product does not fit, hundredths of the limit are exact enough.
        let percent =
            used.checked_mul(100).map_or_else(|| used / (limit / 100).max(1), |all| all / limit);
        Some(u64::try_from(percent).unwrap_or(u64::MAX))
    }
}

/// All of them: those on positions and losses first, those of single strategies last. Nothing before the
/// order manager has said them. `names` are the strategies', by number.
#[must_use]
pub fn limits(view: &MarketView, names: &[String]) -> Vec<LimitNow> {
    let Some(plain) = view.limits() else { return Vec::new() };
    let (table, counters) = (view.instruments(), view.counters());
    let mut rows = Vec::new();
    for (base, row) in view.underlying_limits() {
        rows.push(LimitNow {
            name: LimitKey::PositionMax(base).name(),
            of: table.assets.name(base).to_owned(),
            value: row.limit,
            used: Some(row.used),
        });
    }
    for (id, row) in view.instrument_limits() {
        let Some(instrument) = table.get(id).filter(|_| row.limit.is_some()) else { continue };
        rows.push(LimitNow {
            name: LimitKey::InstrumentPositionMax(id).name(),
            of: instrument.name.clone(),
            value: row.limit,
            used: Some(row.used),
        });
    }
    let pnl = view.pnl();
    let mut rest = Vec::new();
    for (key, value) in plain.iter() {
        let row = LimitNow { name: key.name(), value, ..LimitNow::default() };
        // A loss is measured where there is a limit to it.
        let losses = pnl.iter().filter(|_| value.is_some()).map(|of| match key {
            LimitKey::DailyLossMax => Some((of.quote, of.lost_today)),
            LimitKey::DrawdownMax => Some((of.quote, of.drawdown)),
            _ => None,
        });
        let losses = losses.flatten().map(|(quote, lost)| LimitNow {
            of: table.assets.name(quote).to_owned(),
            used: Some(lost),
            ..row.clone()
        });
        let before = rows.len();
        rows.extend(losses);
        if rows.len() > before {
            continue;
        }
        let open = (key == LimitKey::OrdersOpenMax).then(|| whole(counters.orders_open));
        rest.push(LimitNow { used: open, ..row });
    }
    rows.extend(rest);
    rows.extend(of_strategies(view, names));
    rows
}

/// Those of strategies that are set: each strategy's orders, then its capital by venue.
fn of_strategies(view: &MarketView, names: &[String]) -> Vec<LimitNow> {
    let naming = Naming { table: view.instruments(), strategies: names };
    let budgets = view.budgets();
    let mut rows = Vec::new();
    for (strategy, row) in view.strategy_limits() {
        let of = naming.strategy(strategy);
        let (rate, open) = (
            LimitKey::StrategyOrdersPerSecondMax(strategy).name(),
            LimitKey::StrategyOrdersOpenMax(strategy).name(),
        );
        let of_orders =
            [(rate, row.orders_per_second, None), (open, row.orders_open, Some(whole(row.open)))];
        rows.extend(of_orders.map(|(name, value, used)| {
            let of = of.clone();
            LimitNow { name, of, value, used }
        }));
        let own = budgets.iter().filter(|(whose, ..)| *whose == strategy);
        rows.extend(own.map(|(_, venue, budget)| LimitNow {
            name: LimitKey::Budget(strategy, *venue).name(),
            of: format!("{of} at {}", venue_name(*venue)),
            value: budget.limit,
            used: Some(budget.used),
        }));
    }
    // Most strategies have none, and with all their venues they would be a long list.
    rows.retain(|row| row.value.is_some());
    rows
}

fn whole(count: u64) -> Amount {
    Amount(i128::from(count) * 10i128.pow(crate::types::AMOUNT_DECIMALS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shm::{
        BudgetLimit, Market, OrderCounters, PlainLimits, PnlRow, PositionLimit, RegionOptions,
        StrategyLimit,
    };
    use crate::show::table;
    use crate::types::{AssetId, Instrument, InstrumentId, InstrumentTable, StrategyId, VenueId};

    const E18: i128 = 10i128.pow(18);

    #[test]
    fn limits_stand_beside_what_is_used_and_not_set_is_not_zero() {
        let mut instruments = InstrumentTable::default();
        let (base, quote) = (instruments.assets.intern("BTC"), instruments.assets.intern("USDT"));
        let name = "BTC/USDT@a".to_owned();
        instruments.add(Instrument { name, base, quote, ..Instrument::default() });
        let market = Market::in_memory(&instruments, &RegionOptions::default()).unwrap();
        let view = market.view();
        assert_eq!(limits(&view, &[]), []);
        let mut account = market.account_writer().unwrap();
        account.set_limits(&PlainLimits::new(|key| match key {
            LimitKey::DailyLossMax => Some(Amount(200 * E18)),
            LimitKey::OrdersOpenMax => Some(Amount(8 * E18)),
            LimitKey::DrawdownMax | LimitKey::OrderWaitMaxMs => None,
            _ => Some(Amount(E18 / 2)),
        }));
        let row = |limit, used| PositionLimit { limit, used: Amount(used) };
        account.set_underlying_limit(base, &row(Some(Amount(2 * E18)), 3 * E18 / 2));
        account.set_instrument_limit(InstrumentId(0), &row(Some(Amount::ZERO), E18));
        let lost_today = Amount(61 * E18);
        account.set_pnl(&PnlRow { quote: AssetId(1), lost_today, ..PnlRow::default() });
        account.set_counters(&OrderCounters { orders_open: 3, ..OrderCounters::default() });
        let rows: Vec<Row> = limits(&view, &[]).iter().map(LimitNow::cells).collect();
        let expected = "\
limit                    of            value  used  percent
position_max             BTC               2   1.5       75
instrument_position_max  BTC/USDT@a        0     1
daily_loss_max           USDT            200    61       30
order_notional_max                       0.5
price_collar_bps                         0.5
book_age_max_ms                          0.5
order_wait_max_ms                    not set
orders_per_second_max                    0.5
orders_open_max                            8     3       37
drawdown_max                         not set
";
        assert_eq!(table::text(&LIMIT_COLUMNS, &rows), expected);
        let objects = table::objects(&LIMIT_COLUMNS, &rows);
        assert!(objects[9]["value"].is_null() && objects[1]["value"] == "0", "{objects}");
        account.set_instrument_limit(InstrumentId(0), &row(None, E18));
        assert!(limits(&view, &[]).iter().all(|row| row.name != "instrument_position_max"));
        let of = |limit: i128, used: i128| {
            let (value, used) = (Some(Amount(limit)), Some(Amount(used)));
            LimitNow { value, used, ..LimitNow::default() }.percent()
        };
        assert_eq!(of(E18, -E18), Some(0), "a profit");
        assert_eq!(of(i128::MAX, i128::MAX / 2), Some(50));
        assert_eq!(of(1, i128::MAX), Some(u64::MAX));
    }

    /// Text of the rows behind the engine's own ones, and the same as objects.
    fn told(view: &MarketView, names: &[String]) -> (String, serde_json::Value) {
        let rows: Vec<Row> = limits(view, names).iter().map(LimitNow::cells).collect();
        let own = rows.get(LimitKey::PLAIN.len()..).unwrap_or_default();
        (table::text(&LIMIT_COLUMNS, own), table::objects(&LIMIT_COLUMNS, own))
    }

    #[test]
    fn limits_of_strategies_come_last_and_those_not_set_are_left_out() {
        let mut instruments = InstrumentTable::default();
        let (base, quote) = (instruments.assets.intern("BTC"), instruments.assets.intern("USDT"));
        for venue in [VenueId(0), VenueId(1)] {
            let name = format!("BTC/USDT@{}", venue.0);
            instruments.add(Instrument { name, venue, base, quote, ..Instrument::default() });
        }
        let options = RegionOptions { strategies: 3, ..RegionOptions::default() };
        let market = Market::in_memory(&instruments, &options).unwrap();
        let view = market.view();
        let mut account = market.account_writer().unwrap();
        let number = |number: i128| Amount(number * E18);
        let row = StrategyLimit { orders_open: Some(number(8)), open: 2, ..Default::default() };
        account.set_strategy_limit(StrategyId(0), &row);
        assert_eq!(limits(&view, &[]), [], "the engine's own are not known yet");
        account.set_limits(&PlainLimits::new(|_| None));
        account.set_strategy_limit(StrategyId(1), &StrategyLimit::default());
        let rate = StrategyLimit { orders_per_second: Some(number(20)), ..Default::default() };
        account.set_strategy_limit(StrategyId(2), &rate);
        let used = number(150);
        let mut budget = |strategy, venue, limit| {
            account.set_budget(StrategyId(strategy), VenueId(venue), &BudgetLimit { limit, used });
        };
        budget(0, 0, Some(number(600)));
        budget(0, 1, None);
        budget(2, 0, None);
        budget(2, 1, Some(Amount::ZERO));
        let names = ["spread".to_owned(), "basis".to_owned()];
        let expected = "\
limit                  of                   value  used  percent
orders_open_max        spread                   8     2       25
budget                 spread at binance      600   150       25
orders_per_second_max  strategy 2              20
budget                 strategy 2 at bybit      0   150
";
        let (text, objects) = told(&view, &names);
        assert_eq!(text, expected);
        assert_eq!(objects[1]["of"], "spread at binance");
        assert!(objects[1]["value"] == "600" && objects[3]["value"] == "0", "{objects}");
        assert!(objects[2]["used"].is_null() && objects[3]["percent"].is_null(), "{objects}");
        budget(0, 0, None);
        assert!(!told(&view, &names).0.contains("spread at"), "not set is not 0");
    }
}
