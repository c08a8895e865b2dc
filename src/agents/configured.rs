//! What the configuration asks for, in the engine's own units: strategies, threads, limits.

use super::threads::{ThreadPlan, allowed_cpus, automatic_plan};
use crate::config::{
    Config, ContractConfig, ParamConfig, Place, RunConfig, StrategyConfig, StrategyKind,
    StrategyLimitsConfig, agent_names, check_params,
};
use crate::net::NetOptions;
use crate::oms::{OmsOptions, RiskLimits, StrategyLimits, VenueRates};
use crate::strategy::indicators::Rsi;
use crate::strategy::{
    Basis, BasisOptions, RsiOptions, RsiStrategy, SpreadArb, SpreadArbOptions, Strategy,
};
use crate::types::{
    Amount, Channel, Contract, CostTable, Instrument, InstrumentTable, LimitSpec, ParamSpec,
    Params, Ppb, Qty, VenueId,
};
use crate::venues::{VENUES, VenueRow};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

/// CPUs for the screen, and for the embedded venues.
const RESERVED_CPUS: usize = 1;
/// Ids of orders have this much room for the number of their strategy.
const STRATEGIES_MAX: usize = 63;

/// Strategies that a program brings, by name.
pub(super) type Own = Vec<(String, Box<dyn Strategy>)>;

/// A strategy as it is to run.
pub(super) struct Named {
    pub name: String,
    /// What decides; none if another program does, or its own does not bring it.
    pub body: Option<Box<dyn Strategy>>,
    pub run: RunConfig,
    /// The parameters that there may be, and their values.
    pub specs: Vec<ParamSpec>,
    pub params: Params,
}

impl Named {
    fn new(
        name: String,
        body: Option<Box<dyn Strategy>>,
        run: RunConfig,
        given: &[ParamConfig],
    ) -> Result<Self, (Place, String)> {
        let specs = body.as_ref().map(|body| body.params());
        let (specs, params) = check_params(given, specs)?;
        Ok(Self { name, body, run, specs, params })
    }
}

/// The strategies of the configuration, then those that the program brings and it does not name.
pub(super) fn strategies(
    config: &Config,
    mut own: Own,
    instruments: &InstrumentTable,
) -> Result<Vec<Named>, String> {
    check_own(config, &own)?;
    let mut all: Vec<Named> = Vec::new();
    for strategy in &config.strategies {
        let body = body_of(config, strategy, &mut own, instruments)?;
        let named = Named::new(strategy.name.clone(), body, strategy.run.clone(), &strategy.params);
        all.push(named.map_err(|(place, text)| complaint(config, strategy, place, &text))?);
    }
    for (name, strategy) in own {
        if all.iter().any(|known| known.name == name) {
            return Err(format!("two strategies are named \"{name}\""));
        }
        let named = Named::new(name.clone(), Some(strategy), RunConfig::Thread, &[]);
        all.push(named.map_err(|(_, text)| format!("strategy {name}: {text}"))?);
    }
    if all.len() > STRATEGIES_MAX {
        return Err(format!("more than {STRATEGIES_MAX} strategies"));
    }
    Ok(all)
}

/// What decides in a strategy of the configuration.
fn body_of(
    config: &Config,
    strategy: &StrategyConfig,
    own: &mut Own,
    instruments: &InstrumentTable,
) -> Result<Option<Box<dyn Strategy>>, String> {
    match strategy.kind {
        StrategyKind::Foreign => Ok(None),
        StrategyKind::Own => {
            let at = own.iter().position(|(name, _)| *name == strategy.name);
            Ok(at.map(|at| own.remove(at).1))
        }
        _ => built_in(config, strategy, instruments).map(Some),
    }
}

/// One strategy of the configuration or of the program, for a process that runs it alone.
///
/// # Errors
///
/// In words, if there is none of this name.
pub fn strategy_named(
    config: &Config,
    name: &str,
    mut own: Vec<(String, Box<dyn Strategy>)>,
    instruments: &InstrumentTable,
) -> Result<Box<dyn Strategy>, String> {
    let found = config.strategies.iter().find(|strategy| strategy.name == name);
    let body = found.map(|strategy| body_of(config, strategy, &mut own, instruments));
    body.transpose()?.flatten().ok_or_else(|| format!("this program has no strategy \"{name}\""))
}

/// Threads as configured, or chosen, and how to say it.
pub(super) fn plans(
    config: &Config,
    strategies: &[Named],
) -> Result<(Vec<ThreadPlan>, String), String> {
    let venues = config.venues.iter().map(|venue| venue.venue);
    let on_threads = strategies.iter().filter(|strategy| strategy.run.is_thread());
    let names = agent_names(venues, on_threads.map(|strategy| strategy.name.as_str()));
    if !config.threads.is_empty() {
        let plans: Vec<ThreadPlan> = config.threads.iter().map(Into::into).collect();
        let stands = |name: &&String| plans.iter().any(|plan| plan.runs.contains(name));
        if let Some(missing) = names.iter().find(|name| !stands(name)) {
            return Err(format!("agent \"{missing}\" stands in no [[thread]]"));
        }
        let unknown = |name: &&String| !names.contains(name);
        if let Some(unknown) = plans.iter().flat_map(|plan| &plan.runs).find(unknown) {
            return Err(format!("there is no agent \"{unknown}\""));
        }
        let text = format!("{} threads as configured", plans.len());
        return Ok((plans, text));
    }
    let cpus = allowed_cpus().len().max(1);
    let reserved = RESERVED_CPUS + usize::from(config.mode.is_embedded());
    let plans = automatic_plan(&names, cpus, reserved, config.idle);
    let agents = names.len();
    let text = if plans.len() == 1 {
        format!("{agents} agents folded into one loop: {cpus} CPUs are too few for a thread each")
    } else {
        format!("{agents} agents on a thread each, {cpus} CPUs")
    };
    Ok((plans, text))
}

/// What can be known to be wrong with limits and strategies once the instruments are known.
pub fn check(config: &Config, instruments: &InstrumentTable) -> Result<(), String> {
    oms_options(config, instruments, Vec::new(), 1)?;
    strategies(config, Vec::new(), instruments).map(drop)
}

/// What can be known to be wrong with the strategies that a program brings before anything is asked of
/// a venue: instruments that they need and the configuration lacks, and parameters.
pub fn check_own(config: &Config, own: &[(String, Box<dyn Strategy>)]) -> Result<(), String> {
    for (name, body) in own {
        let lacks = |needed: &&str| config.instruments.iter().all(|row| row.name != *needed);
        if let Some(missing) = body.instruments().into_iter().find(lacks) {
            let place = config.instruments.first().map_or(Place::default(), |row| row.place);
            let text =
                format!("strategy {name} needs \"{missing}\", which is not among the instruments");
            return Err(config.error_at(place, text).to_string());
        }
        if let Some(strategy) = config.strategies.iter().find(|strategy| strategy.name == *name) {
            check_params(&strategy.params, Some(body.params()))
                .map_err(|(place, text)| complaint(config, strategy, place, &text))?;
        }
    }
    Ok(())
}

fn built_in(
    whole: &Config,
    config: &StrategyConfig,
    instruments: &InstrumentTable,
) -> Result<Box<dyn Strategy>, String> {
    let legs = match &config.kind {
        StrategyKind::SpreadArb { legs, .. } | StrategyKind::Basis { legs, .. } => legs,
        StrategyKind::Own | StrategyKind::Foreign => return Err(unnamed(config)),
        StrategyKind::Rsi { .. } => return built_rsi(whole, config, instruments),
    };
    let of = markets(whole, config, legs.equal_quotes, instruments)?;
    let place = config.places;
    let qty = whole_lots(whole, config, ("qty", legs.qty), place.qty, &of)?;
    let naked = ("naked_qty_max", legs.contract.naked_qty_max);
    let naked_qty_max = scaled(whole, config, naked, place.naked_qty_max, of[0])?;
    let contract = built_contract(&legs.contract, naked_qty_max)?;
    let (cooldown_ns, book_age_max_ns) = (legs.cooldown_ns, whole.limits.book_age_max_ns);
    Ok(match &config.kind {
        StrategyKind::SpreadArb { spread_min_bps, .. } => {
            Box::new(SpreadArb::new(SpreadArbOptions {
                names: config.instruments.clone(),
                spread_min: ppb_of_bps(*spread_min_bps)?,
                qty,
                cooldown_ns,
                book_age_max_ns,
                contract,
            }))
        }
        StrategyKind::Basis {
            entry_bps,
            exit_bps,
            qty_max,
            funding_horizon_ns,
            funding_age_max_ns,
            ..
        } => {
            let [spot, perpetual] = of.as_slice() else { return Err(unnamed(config)) };
            if spot.is_perpetual() || !perpetual.is_perpetual() {
                let text = "basis needs spot first, then a perpetual";
                return Err(complaint(whole, config, place.instruments, text));
            }
            let qty_max = whole_lots(whole, config, ("qty_max", *qty_max), place.qty_max, &of)?;
            Box::new(Basis::new(BasisOptions {
                spot: spot.name.clone(),
                perpetual: perpetual.name.clone(),
                entry: ppb_of_bps(*entry_bps)?,
                exit: ppb_of_bps(*exit_bps)?,
                funding_horizon_ns: *funding_horizon_ns,
                qty,
                qty_max,
                cooldown_ns,
                book_age_max_ns,
                funding_age_max_ns: *funding_age_max_ns,
                contract,
            }))
        }
        StrategyKind::Own | StrategyKind::Foreign => return Err(unnamed(config)),
        StrategyKind::Rsi { .. } => return built_rsi(whole, config, instruments),
    })
}

fn built_rsi(
    whole: &Config,
    config: &StrategyConfig,
    instruments: &InstrumentTable,
) -> Result<Box<dyn Strategy>, String> {
    let StrategyKind::Rsi { interval, period, buy_below, sell_above, qty } = &config.kind else {
        return Err(unnamed(config));
    };
    let of = markets(whole, config, false, instruments)?;
    let qty = whole_lots(whole, config, ("qty", *qty), config.places.qty, &of)?;
    let level = |level: &Decimal| level.to_f64().ok_or_else(|| unnamed(config));
    Ok(Box::new(RsiStrategy::new(RsiOptions {
        name: of[0].name.clone(),
        interval: *interval,
        rsi: Rsi::new(*period).map_err(|error| format!("strategy {}: {error}", config.name))?,
        buy_below: level(buy_below)?,
        sell_above: level(sell_above)?,
        qty,
    })))
}

fn unnamed(config: &StrategyConfig) -> String {
    format!("strategy {}: an instrument is missing", config.name)
}

/// The instruments of a strategy, of one underlying and, unless it says that they are as good as
/// one, of one quote asset.
fn markets<'t>(
    whole: &Config,
    config: &StrategyConfig,
    equal_quotes: bool,
    instruments: &'t InstrumentTable,
) -> Result<Vec<&'t Instrument>, String> {
    let found = config.instruments.iter().map(|name| instruments.by_name(name));
    let found: Option<Vec<&Instrument>> = found.collect();
    let found = found.filter(|found| !found.is_empty()).ok_or_else(|| unnamed(config))?;
    let wrong = |text: String| complaint(whole, config, config.places.instruments, &text);
    for other in &found[1..] {
        let pair = format!("{} and {}", found[0].name, other.name);
        if other.base != found[0].base {
            return Err(wrong(format!("{pair} are of different underlyings")));
        }
        if other.quote != found[0].quote && !equal_quotes {
            return Err(wrong(format!(
                "{pair} are priced in different assets: if those are as good as one to you, say \
                 equal_quotes = true"
            )));
        }
    }
    Ok(found)
}

fn complaint(whole: &Config, config: &StrategyConfig, place: Place, text: &str) -> String {
    whole.error_at(place, format!("strategy {}: {text}", config.name)).to_string()
}

fn scaled(
    whole: &Config,
    config: &StrategyConfig,
    (key, value): (&str, Decimal),
    place: Place,
    instrument: &Instrument,
) -> Result<Qty, String> {
    let scaled = instrument.scale.qty(value);
    scaled.map_err(|error| complaint(whole, config, place, &format!("{key} = {value} {error}")))
}

/// A quantity that every one of the instruments can trade.
fn whole_lots(
    whole: &Config,
    config: &StrategyConfig,
    (key, value): (&str, Decimal),
    place: Place,
    of: &[&Instrument],
) -> Result<Qty, String> {
    let qty = scaled(whole, config, (key, value), place, of[0])?;
    for known in of {
        let lot = known.scale.qty_decimal(known.rules.lot_size).normalize();
        if !qty.is_multiple_of(known.rules.lot_size) || qty < known.rules.qty_min {
            let text = format!(
                "{key} is not a multiple of {lot}, the lot size of {}, or too small",
                known.name
            );
            return Err(complaint(whole, config, place, &text));
        }
    }
    Ok(qty)
}

fn built_contract(config: &ContractConfig, naked_qty_max: Qty) -> Result<Contract, String> {
    Ok(Contract {
        mode: config.mode,
        naked_qty_max,
        naked_time_max_ns: config.naked_time_max_ns,
        on_breach: config.on_breach,
        slippage_max: ppb_of_bps(config.slippage_max_bps)?,
    })
}

/// Basis points to parts per billion: 1 bp = 100 000 ppb.
fn ppb_of_bps(bps: Decimal) -> Result<Ppb, String> {
    let ppb = (bps * Decimal::from(100_000)).normalize();
    ppb.is_integer()
        .then(|| ppb.to_i64().map(Ppb))
        .flatten()
        .ok_or_else(|| format!("{bps} basis points cannot be held exactly"))
}

pub(super) fn oms_options(
    config: &Config,
    instruments: &InstrumentTable,
    venues: Vec<Vec<Channel>>,
    rate_limits: u32,
) -> Result<OmsOptions, String> {
    let limits = risk_limits(config, instruments)?;
    // An order is only given up as never received once no venue can still accept it.
    let window = config.venues.iter().map(|venue| venue.recv_window_ms).max().unwrap_or(0);
    let not_found_after_ns = (u64::from(window) + 2_000).max(5_000) * 1_000_000;
    Ok(OmsOptions {
        orders_max: 8_192,
        fills_max: 16_384,
        not_found_after_ns,
        limits,
        venues,
        rates: rates(config, rate_limits),
        reconcile_every_ns: config.reconcile_every_ns,
        ..OmsOptions::default()
    })
}

/// How the agent of this name reads its sockets.
pub(super) fn net_options(config: &Config, agent: &str) -> NetOptions {
    NetOptions {
        direct_reads: config.reads_directly(agent),
        busy_poll_us: config.host.busy_poll_us,
        quick_ack: config.host.quick_ack,
        ..NetOptions::default()
    }
}

/// A venue's rate limits, or a multiple of them.
pub(super) fn limits_of(row: &VenueRow, multiple: u32) -> Vec<LimitSpec> {
    let scaled =
        |limit: &LimitSpec| LimitSpec { allowed: limit.allowed.saturating_mul(multiple), ..*limit };
    row.limits.iter().map(scaled).collect()
}

/// Rate limits of the venues in use, by their number.
fn rates(config: &Config, multiple: u32) -> Vec<VenueRates> {
    let row = |(index, row): (usize, &VenueRow)| {
        let used = config.venues.iter().find(|venue| usize::from(venue.venue.0) == index);
        used.map_or_else(VenueRates::default, |venue| VenueRates {
            limits: limits_of(row, multiple),
            costs: CostTable::new(|kind| (row.costs)(kind, venue.orders_over_rest)),
        })
    };
    VENUES.iter().enumerate().map(row).collect()
}

fn risk_limits(config: &Config, instruments: &InstrumentTable) -> Result<RiskLimits, String> {
    let limits = &config.limits;
    let mut position_max = Vec::new();
    for (asset, limit) in &limits.position_max {
        if let Some(asset) = instruments.assets.find(asset) {
            position_max.push((asset, exact("position_max", *limit)?));
        }
    }
    let mut instrument_position_max = Vec::new();
    for (name, limit) in &limits.instrument_position_max {
        if let Some(row) = instruments.by_name(name) {
            instrument_position_max.push((row.id, exact("instrument_position_max", *limit)?));
        }
    }
    let optional =
        |name: &str, value: Option<Decimal>| value.map(|value| exact(name, value)).transpose();
    let strategies: Result<Vec<StrategyLimits>, String> =
        config.strategies.iter().map(|row| strategy_limits(&row.limits)).collect();
    Ok(RiskLimits {
        order_notional_max: exact("order_notional_max", limits.order_notional_max)?,
        price_collar: ppb_of_bps(limits.price_collar_bps)?,
        book_age_max_ns: limits.book_age_max_ns,
        order_wait_max_ns: Some(limits.order_wait_max_ns),
        position_max,
        order_rate_max: limits.orders_per_second_max,
        order_rate_window_ns: 1_000_000_000,
        open_orders_max: limits.orders_open_max,
        instrument_position_max,
        daily_loss_max: optional("daily_loss_max", limits.daily_loss_max)?,
        drawdown_max: optional("drawdown_max", limits.drawdown_max)?,
        strategies: strategies?,
    })
}

fn strategy_limits(limits: &StrategyLimitsConfig) -> Result<StrategyLimits, String> {
    let budget = |(venue, value): &(VenueId, Decimal)| Ok((*venue, exact("budget", *value)?));
    let budgets: Result<Vec<(VenueId, Amount)>, String> =
        limits.budget.iter().map(budget).collect();
    Ok(StrategyLimits {
        order_rate_max: limits.orders_per_second_max,
        open_orders_max: limits.orders_open_max,
        budgets: budgets?,
        budget_rebalance: limits.budget_rebalance,
    })
}

fn exact(name: &str, value: Decimal) -> Result<Amount, String> {
    Amount::from_decimal(value).map_err(|error| format!("limit {name} = {value} {error}"))
}
