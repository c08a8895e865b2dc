//! The page and the answers of a made region.

use super::*;
use crate::clock::Clock;
use crate::shm::{
    AccountWriter, BalanceRow, BudgetLimit, Duty, ExecutorHealth, FeedHealth, MarginRow, Market,
    MarketView, OrderCounters, OrderGate, PairWriter, PlainLimits, PnlRow, PositionLimit,
    PositionRow, RateUse, RegionOptions, RingUse, Stage, StrategyFile, StrategyLimit, StrategyLook,
    StrategyOptions,
};
use crate::types::{
    Amount, AssetBalance, AssetId, BookState, Breach, Instrument, InstrumentId, InstrumentTable,
    Level, LimitKey, MarginReport, Nanos, NotReady, PairOutcome, Price, ProcessEnd, Qty, Readiness,
    StrategyId, TopOfBook, TradingState, VENUES_COUNTED, VenueOrders,
};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

const SECOND: u64 = 1_000_000_000;
const NOW: Nanos = Nanos(1_000 * SECOND);

fn amount(text: &str) -> Amount {
    let decimal: rust_decimal::Decimal = text.parse().unwrap();
    Amount(decimal.mantissa() * 10i128.pow(crate::types::AMOUNT_DECIMALS - decimal.scale()))
}

fn table() -> InstrumentTable {
    let mut table = InstrumentTable::default();
    let (base, quote) = (table.assets.intern("BTC"), table.assets.intern("USDT"));
    for (number, name) in ["BTC/USDT@x", "BTC/USDT@y"].into_iter().enumerate() {
        let venue = VenueId(number as u8);
        table.add(Instrument {
            name: name.to_owned(),
            venue,
            base,
            quote,
            ..Instrument::default()
        });
    }
    table
}

fn names() -> Names {
    let venue = |number, name, limits: &[&'static str]| VenueNames {
        venue: VenueId(number),
        name,
        limits: limits.to_vec(),
    };
    Names {
        instance: "one".to_owned(),
        mode: "sim".to_owned(),
        venues: vec![venue(0, "x", &["weight", "orders"]), venue(1, "y", &["requests"])],
        refusals: ["", "too \"large\"", "late"].map(str::to_owned).to_vec(),
        strategies: vec!["spread".to_owned()],
        folder: PathBuf::new(),
        strategy_silence_max_ns: 2 * SECOND,
        streamed: ["BTC/USDT@x", "BTC/USDT@y"].map(str::to_owned).to_vec(),
    }
}

fn executor(ready: bool) -> ExecutorHealth {
    let mut limits = [RateUse::default(); crate::types::LIMITS_MAX];
    limits[0] = RateUse { used: 30, allowed: 1200 };
    ExecutorHealth {
        ready,
        commands: 41,
        reply_timeouts: 2,
        reconnects: 1,
        clock_offset_ns: -1_500_000,
        clock_round_trip_ns: 3_000_000,
        reports_ring: RingUse::of(0, 4096),
        updated_ns: NOW,
        limits,
        ..ExecutorHealth::default()
    }
}

/// New orders go there, or not for the reason.
fn gate(not_ready: Option<NotReady>) -> OrderGate {
    let commands_ring = RingUse::of(3, 1024);
    OrderGate { not_ready, commands_ring, since_ns: NOW, updated_ns: NOW }
}

fn feed(state: Readiness) -> FeedHealth {
    let last_recv_ns = Nanos(NOW.0 - SECOND / 4);
    FeedHealth {
        state,
        books: 1,
        books_live: 1,
        gaps: 5,
        frames: 7,
        last_recv_ns,
        ..FeedHealth::default()
    }
}

fn counters() -> OrderCounters {
    let mut venues = [VenueOrders::default(); VENUES_COUNTED];
    venues[0] = VenueOrders { sent: 5, filled: 4, ..VenueOrders::default() };
    venues[1] = VenueOrders { sent: 7, filled: 2, rejected: 2, ..VenueOrders::default() };
    OrderCounters {
        venues,
        signals: 9,
        orders_sent: 12,
        orders_filled: 6,
        orders_rejected: 2,
        journal_records: 77,
        journal_unsynced: 5,
        journal_syncs: 1,
        refusals: std::array::from_fn(|code| code as u64),
        ..OrderCounters::default()
    }
}

fn write_money(market: &Market) {
    let mut account = market.account_writer().unwrap();
    account.set_counters(&counters());
    account.set_gate(VenueId(0), &gate(None));
    account.set_gate(VenueId(1), &gate(Some(NotReady::NotReconciled)));
    account.set_limits(&PlainLimits::new(|key| match key {
        LimitKey::DailyLossMax => Some(amount("500")),
        LimitKey::OrderNotionalMax => Some(amount("5000.5")),
        LimitKey::DrawdownMax | LimitKey::OrderWaitMaxMs => None,
        _ => Some(amount("1")),
    }));
    let limit = Some(amount("2"));
    account.set_underlying_limit(AssetId(0), &PositionLimit { limit, used: amount("1") });
    account.set_underlying_limit(AssetId(1), &PositionLimit::default());
    let (of_two, of_three) = (Some(amount("2")), Some(amount("3")));
    let row = StrategyLimit { orders_per_second: of_two, orders_open: of_three, open: 1 };
    account.set_strategy_limit(StrategyId(0), &row);
    let row = BudgetLimit { limit: Some(amount("900.5")), used: amount("300.25") };
    account.set_budget(StrategyId(0), VenueId(1), &row);
    let (instrument, venue, quote) = (InstrumentId(0), VenueId(1), AssetId(1));
    account.set_position(&PositionRow {
        instrument,
        qty: amount("-0.25"),
        ..PositionRow::default()
    });
    account.set_pnl(&PnlRow {
        quote,
        realised: amount("12.5"),
        fees: amount("3"),
        lost_today: amount("-9.5"),
        drawdown: amount("1"),
        ..PnlRow::default()
    });
    let balance = AssetBalance {
        venue,
        asset: quote,
        free: amount("100.01"),
        locked: amount("5"),
        event_ns: NOW,
    };
    let row = BalanceRow { balance, ..BalanceRow::default() };
    account.set_balance(&row.balance, row.expected);
    let stated = MarginReport {
        venue,
        asset: quote,
        equity: amount("1000"),
        maintenance: amount("250"),
        event_ns: NOW,
        ..MarginReport::default()
    };
    account.set_margin(&MarginRow { stated, ..MarginRow::default() });
}

/// A region in which something stands everywhere.
fn full() -> Market {
    let market = Market::in_memory(&table(), &RegionOptions::default()).unwrap();
    market.beat(Nanos(NOW.0 - SECOND));
    let level = |price| Level { price: Price(price), qty: Qty(1) };
    let top = TopOfBook {
        instrument: InstrumentId(0),
        sequence: 1,
        bid: level(10),
        ask: level(11),
        event_ns: Nanos(0),
    };
    let recv_ns = Nanos(NOW.0 - 3 * SECOND / 2);
    let mut book = market.book_writer(InstrumentId(0)).unwrap();
    book.publish_top(&top, BookState::Live, recv_ns, recv_ns);
    for (venue, ready) in [(VenueId(0), true), (VenueId(1), false)] {
        let mut health = market.health_writer(venue).unwrap();
        health.feed.publish(&feed(if ready { Readiness::Ready } else { Readiness::Joining }));
        health.executor.publish(&executor(ready));
    }
    let mut stage = market.stage_writer(Stage::TickToOrder, VenueId(0)).unwrap();
    [900, 30_000, 7 * SECOND].iter().for_each(|ns| stage.record(InstrumentId(0), *ns));
    market.stage_writer(Stage::LegSkew, VenueId(0)).unwrap().record(InstrumentId(0), 2_000_000);
    let agents = ["feed:x".to_owned(), "oms".to_owned()];
    let mut duty = market.duty_writer(0, Some(3), 0, &agents).unwrap();
    duty.publish(&Duty {
        rounds: 1_000,
        busy_ns: 2_500_000_000,
        recent_ns: SECOND,
        recent_busy_ns: SECOND / 8,
        recent_longest_ns: 21_900,
        ..Duty::default()
    });
    duty.publish_agent(1, 500_000_000);
    write_money(&market);
    market
}

fn page() -> String {
    let market = full();
    let mut pairs = Pairs { missed: 1, ..Pairs::default() };
    pairs.ends.insert((0, PairEnd::Balanced), 4);
    pairs.ends.insert((9, PairEnd::Held), 1);
    pairs.breaches[Breach::Qty as usize] = 2;
    let look = StrategyLook {
        run: 2,
        heartbeat: Nanos(NOW.0 - SECOND / 4),
        requests: RingUse::of(5, 256),
        ..StrategyLook::default()
    };
    collect(&market.view(), &names(), (&pairs, &[Some(look)]), NOW)
}

#[test]
fn the_page_says_what_the_region_holds() {
    let page = page();
    let lines: BTreeSet<&str> = page.lines().collect();
    let expected = [
        "stoop_heartbeat_age_seconds 1",
        "stoop_stage_latency_seconds_bucket{stage=\"tick_to_order\",venue=\"x\",le=\"0.0000005\"} 0",
        "stoop_stage_latency_seconds_bucket{stage=\"tick_to_order\",venue=\"x\",le=\"0.000001\"} 1",
        "stoop_stage_latency_seconds_bucket{stage=\"tick_to_order\",venue=\"x\",le=\"0.00005\"} 2",
        "stoop_stage_latency_seconds_bucket{stage=\"tick_to_order\",venue=\"x\",le=\"5\"} 2",
        "stoop_stage_latency_seconds_bucket{stage=\"tick_to_order\",venue=\"x\",le=\"+Inf\"} 3",
        "stoop_stage_latency_seconds_sum{stage=\"tick_to_order\",venue=\"x\"} 7.0000309",
        "stoop_stage_latency_seconds_count{stage=\"tick_to_order\",venue=\"x\"} 3",
        "stoop_stage_latency_seconds_count{stage=\"leg_skew\",venue=\"\"} 1",
        "stoop_book_live{instrument=\"BTC/USDT@x\",venue=\"x\"} 1",
        "stoop_book_live{instrument=\"BTC/USDT@y\",venue=\"y\"} 0",
        "stoop_book_age_seconds{instrument=\"BTC/USDT@x\",venue=\"x\"} 1.5",
        "stoop_feed_ready{venue=\"x\"} 1",
        "stoop_feed_ready{venue=\"y\"} 0",
        "stoop_feed_gaps_total{venue=\"x\"} 5",
        "stoop_feed_silence_seconds{venue=\"x\"} 0.25",
        "stoop_venue_ready{venue=\"x\"} 1",
        "stoop_venue_ready{venue=\"y\"} 0",
        "stoop_venue_not_ready{reason=\"not_reconciled\",venue=\"y\"} 1",
        "stoop_venue_not_ready{reason=\"held\",venue=\"y\"} 0",
        "stoop_venue_not_ready{reason=\"not_reconciled\",venue=\"x\"} 0",
        "stoop_executor_commands_total{venue=\"x\"} 41",
        "stoop_clock_offset_seconds{side=\"executor\",venue=\"x\"} -0.0015",
        "stoop_rate_limit_used{limit=\"weight\",venue=\"x\"} 30",
        "stoop_rate_limit_allowed{limit=\"weight\",venue=\"x\"} 1200",
        "stoop_ring_waiting{ring=\"commands\",venue=\"x\"} 3",
        "stoop_ring_capacity{ring=\"reports\",venue=\"y\"} 4096",
        "stoop_orders_sent_total 12",
        "stoop_orders_total{outcome=\"filled\",venue=\"x\"} 4",
        "stoop_orders_total{outcome=\"filled\",venue=\"y\"} 2",
        "stoop_orders_total{outcome=\"rejected\",venue=\"y\"} 2",
        "stoop_ring_waiting{ring=\"requests\",strategy=\"spread\"} 5",
        "stoop_ring_capacity{ring=\"requests\",strategy=\"spread\"} 256",
        "stoop_strategy_heartbeat_age_seconds{strategy=\"spread\"} 0.25",
        "stoop_strategy_restarts_total{strategy=\"spread\"} 2",
        "stoop_strategy_ended{strategy=\"spread\"} 0",
        "stoop_order_fill_ratio 0.75",
        "stoop_order_reject_ratio 0.25",
        "stoop_risk_refusals_total{reason=\"too \\\"large\\\"\"} 1",
        "stoop_risk_refusals_total{reason=\"late\"} 2",
        "stoop_trading_state{state=\"active\"} 1",
        "stoop_trading_state{state=\"halted\"} 0",
        "stoop_legs_total{strategy=\"spread\",end=\"balanced\"} 4",
        "stoop_legs_total{strategy=\"9\",end=\"held\"} 1",
        "stoop_leg_breaches_total{bound=\"quantity\"} 2",
        "stoop_legs_missed_total 1",
        "stoop_position_base{instrument=\"BTC/USDT@x\",venue=\"x\"} -0.25",
        "stoop_pnl_quote{quote=\"USDT\",part=\"realised\"} 12.5",
        "stoop_pnl_quote{quote=\"USDT\",part=\"fees\"} 3",
        "stoop_loss_quote{quote=\"USDT\",limit=\"daily_loss_max\"} -9.5",
        "stoop_limit_quote{limit=\"order_notional_max\"} 5000.5",
        "stoop_position_limit_base{underlying=\"BTC\"} 2",
        "stoop_strategy_limit{strategy=\"spread\",limit=\"orders_per_second_max\"} 2",
        "stoop_strategy_limit{strategy=\"spread\",limit=\"orders_open_max\"} 3",
        "stoop_strategy_orders_open{strategy=\"spread\"} 1",
        "stoop_budget_quote{strategy=\"spread\",venue=\"y\"} 900.5",
        "stoop_budget_used_quote{strategy=\"spread\",venue=\"y\"} 300.25",
        "stoop_balance{venue=\"y\",asset=\"USDT\",part=\"free\"} 100.01",
        "stoop_margin_used_ratio{venue=\"y\",asset=\"USDT\"} 0.25",
        "stoop_journal_records_total 77",
        "stoop_journal_unsynced_records 5",
        "stoop_journal_syncs 1",
        "stoop_thread_busy_seconds_total{thread=\"feed:x\",cpu=\"3\"} 2.5",
        "stoop_thread_busy_ratio{thread=\"feed:x\",cpu=\"3\"} 0.125",
        "stoop_thread_longest_round_seconds{thread=\"feed:x\",cpu=\"3\"} 0.0000219",
        "stoop_agent_busy_seconds_total{thread=\"feed:x\",agent=\"oms\"} 0.5",
    ];
    for line in expected {
        assert!(lines.contains(line), "{line}\nis not on\n{page}");
    }
    // Nobody limits it, and the book was never heard of.
    assert!(
        !page.contains("limit=\"drawdown_max\"")
            && !page.contains("_age_seconds{instrument=\"BTC/USDT@y")
    );
    let version = env!("CARGO_PKG_VERSION");
    let info = format!("stoop_info{{engine=\"one\",mode=\"sim\",version=\"{version}\"}} 1");
    assert!(lines.contains(info.as_str()), "{page}");
}

#[test]
fn every_family_is_named_once_and_every_sample_belongs_to_one() {
    let page = page();
    let (mut families, mut series) = (BTreeSet::new(), BTreeSet::new());
    let mut family = String::new();
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            family = rest.split(' ').next().unwrap().to_owned();
            assert!(families.insert(family.clone()), "{family} stands there twice");
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert_eq!(
                (name, kind == "counter"),
                (family.as_str(), name.ends_with("_total")),
                "{line}"
            );
        } else {
            let (sample, value) = line.rsplit_once(' ').unwrap();
            assert!(sample.starts_with(&family) && value.parse::<f64>().is_ok(), "{line}");
            assert!(series.insert(sample), "{sample} stands there twice");
        }
    }
    assert!(families.len() > 50, "{}", families.len());
}

/// Both venues take orders; no book is there.
fn both_ready() -> Market {
    let market = Market::in_memory(&table(), &RegionOptions::default()).unwrap();
    market.beat(NOW);
    for venue in [VenueId(0), VenueId(1)] {
        let mut writer = market.health_writer(venue).unwrap();
        writer.feed.publish(&feed(Readiness::Ready));
        writer.executor.publish(&executor(true));
    }
    market
}

/// The order manager's word on both of them.
fn open_both(market: &Market) -> AccountWriter {
    let mut account = market.account_writer().unwrap();
    account.set_counters(&counters());
    [0, 1].into_iter().for_each(|venue| account.set_gate(VenueId(venue), &gate(None)));
    account
}

/// Of a watchlist: it stays empty until somebody watches it.
#[test]
fn a_book_that_nobody_watches_is_not_missed() {
    let market = full();
    let streamed = vec!["BTC/USDT@x".to_owned()];
    let names = Names { streamed, ..names() };
    let page = collect(&market.view(), &names, (&Pairs::default(), &[]), NOW);
    assert!(page.contains("stoop_book_live{instrument=\"BTC/USDT@x\",venue=\"x\"} 1\n"), "{page}");
    assert!(!page.contains("stoop_book_live{instrument=\"BTC/USDT@y"), "{page}");
    let market = both_ready();
    open_both(&market);
    let missed = vec!["x: 0 of 1 books are live".to_owned()];
    assert_eq!(ready(&market.view(), &names, &[], NOW), Err(missed));
}

#[test]
fn a_strategy_that_has_ended_is_told_and_against_it() {
    let market = both_ready();
    let names = Names { strategies: vec!["a".to_owned(), "b".to_owned()], ..names() };
    let names = Names { streamed: Vec::new(), ..names };
    let mut account = open_both(&market);
    assert_eq!(ready(&market.view(), &names, &[], NOW), Ok(()));
    let mut ended = counters();
    ended.ended[1] = Some(ProcessEnd::Signal(9));
    account.set_counters(&ended);
    let page = collect(&market.view(), &names, (&Pairs::default(), &[]), NOW);
    for line in ["stoop_strategy_ended{strategy=\"a\"} 0", "stoop_strategy_ended{strategy=\"b\"} 1"]
    {
        assert!(page.lines().any(|known| known == line), "{line}: {page}");
    }
    let missed = vec!["strategy b has ended (SIGKILL) and is not started again".to_owned()];
    // What its file says of its last beat is old, and said already.
    let look = StrategyLook { heartbeat: Nanos(1), ..StrategyLook::default() };
    assert_eq!(ready(&market.view(), &names, &[None, Some(look)], NOW), Err(missed));
}

/// A thread that hangs in a strategy says nothing: its last beat does.
#[test]
fn a_strategy_that_hangs_is_against_readiness() {
    let folder = std::env::temp_dir().join(format!("stoop-hangs-{}", std::process::id()));
    let market = both_ready();
    let names = Names {
        strategies: vec!["a".to_owned()],
        streamed: Vec::new(),
        folder: folder.clone(),
        ..names()
    };
    let _account = open_both(&market);
    let (_oms, end) = StrategyFile::create(&folder, "a", &StrategyOptions::default()).unwrap();
    let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let server = Server::start(listener, market.view(), names, Clock::manual(NOW)).unwrap();
    let get = || ask(server.address(), "GET /readyz HTTP/1.1\r\n\r\n");
    let refused = |answer: String, why: &str| {
        assert!(
            answer.starts_with("HTTP/1.1 503 ") && answer.ends_with(&format!("\r\n\r\n{why}\n")),
            "{answer}"
        );
    };
    refused(get(), "strategy a has not begun");
    end.beat(Nanos(NOW.0 - 2 * SECOND));
    assert!(get().ends_with("\r\n\r\nready\n"), "as long as it may take");
    end.beat(Nanos(NOW.0 - 5 * SECOND / 2));
    refused(get(), "strategy a has been silent for 2.5 s");
    drop((server, end));
    let _ = std::fs::remove_dir_all(folder);
}

/// Connected, and the order manager sends nothing: the reason is told, and whoever has fallen silent is
/// not believed.
#[test]
fn a_venue_is_ready_by_the_word_of_those_who_live() {
    let market = both_ready();
    let names = Names { venues: names().venues[..1].to_vec(), streamed: Vec::new(), ..names() };
    let mut account = open_both(&market);
    let view = market.view();
    let told = |now| {
        let page = collect(&view, &names, (&Pairs::default(), &[]), now);
        let one = |line: &&str| line.starts_with("stoop_venue_") && line.ends_with("} 1");
        let lines: Vec<String> = page.lines().filter(one).map(str::to_owned).collect();
        (lines, ready(&view, &names, &[], now).err().unwrap_or_default())
    };
    let reason =
        |reason| vec![format!("stoop_venue_not_ready{{reason=\"{reason}\",venue=\"x\"}} 1")];
    assert_eq!(told(NOW), (vec!["stoop_venue_ready{venue=\"x\"} 1".to_owned()], vec![]));
    account.set_gate(VenueId(0), &gate(Some(NotReady::Halted)));
    let halted = "x: takes no new orders: halted: a balance or position differs and no fill \
                  explains it";
    assert_eq!(told(NOW), (reason("halted"), vec![halted.to_owned()]));
    // A person's wish is told, and is not against the engine.
    account.set_gate(VenueId(0), &gate(Some(NotReady::Held(TradingState::Halted))));
    assert_eq!(told(NOW), (reason("held"), vec![]));
    // What holds everywhere is said for all.
    account.set_gate(VenueId(0), &gate(Some(NotReady::EngineHeld(TradingState::Halted))));
    assert_eq!(told(NOW), (reason("engine_held"), vec![]));
    account.set_gate(VenueId(0), &gate(Some(NotReady::JournalFull)));
    assert_eq!(told(NOW), (reason("journal_full"), vec![]));
    account.set_gate(VenueId(0), &gate(None));
    let later = Nanos(NOW.0 + 6 * SECOND);
    let silent = "the order manager has been silent for 6.0 s".to_owned();
    assert_eq!(told(later), (reason("order_manager_silent"), vec![silent]));
    market.beat(later);
    account.set_gate(VenueId(0), &OrderGate { updated_ns: later, ..gate(None) });
    let hangs = "x: takes no new orders: its executor stands still".to_owned();
    assert_eq!(told(later), (reason("executor_silent"), vec![hangs]));
}

/// Limits that a person has changed are those on the page, and one that is not set is not there.
#[test]
fn the_limits_on_the_page_are_those_in_force() {
    let market = both_ready();
    let mut account = open_both(&market);
    account.set_pnl(&PnlRow { quote: AssetId(1), ..PnlRow::default() });
    let told = || {
        let page = collect(&market.view(), &names(), (&Pairs::default(), &[]), NOW);
        let about = ["stoop_limit_quote{", "stoop_loss_quote{", "stoop_position_limit_base{"];
        let is_one = |line: &&str| about.iter().any(|start| line.starts_with(start));
        page.lines().filter(is_one).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(told(), Vec::<String>::new(), "nobody has said them");
    let only = |key, value: Option<Amount>| PlainLimits::new(|of| value.filter(|_| of == key));
    account.set_limits(&only(LimitKey::DrawdownMax, Some(amount("77.5"))));
    let drawdown = [
        "stoop_loss_quote{quote=\"USDT\",limit=\"drawdown_max\"} 0",
        "stoop_limit_quote{limit=\"drawdown_max\"} 77.5",
    ];
    assert_eq!(told(), drawdown);
    account.set_limits(&only(LimitKey::DrawdownMax, None));
    let of_base = |limit| PositionLimit { limit, used: Amount::ZERO };
    account.set_underlying_limit(AssetId(0), &of_base(Some(Amount::ZERO)));
    assert_eq!(told(), ["stoop_position_limit_base{underlying=\"BTC\"} 0"], "0 is a limit");
    account.set_underlying_limit(AssetId(0), &of_base(None));
    assert_eq!(told(), Vec::<String>::new());
}

/// The same of single strategies: what is used is there without a limit, too.
#[test]
fn the_limits_of_strategies_on_the_page_are_those_in_force() {
    let options = RegionOptions { strategies: 2, ..RegionOptions::default() };
    let market = Market::in_memory(&table(), &options).unwrap();
    let mut account = market.account_writer().unwrap();
    let told = || {
        let page = collect(&market.view(), &names(), (&Pairs::default(), &[]), NOW);
        let about = ["stoop_strategy_limit{", "stoop_strategy_orders_open{", "stoop_budget_"];
        let is_one = |line: &&str| about.iter().any(|start| line.starts_with(start));
        page.lines().filter(is_one).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(told(), Vec::<String>::new(), "nobody has said them");
    account.set_strategy_limit(StrategyId(0), &StrategyLimit { open: 4, ..Default::default() });
    let row = StrategyLimit { orders_open: Some(amount("7")), ..StrategyLimit::default() };
    account.set_strategy_limit(StrategyId(1), &row);
    let used = amount("12.5");
    let mut budget = |limit| {
        account.set_budget(StrategyId(0), VenueId(1), &BudgetLimit { limit, used });
    };
    budget(Some(Amount::ZERO));
    let set = [
        "stoop_strategy_limit{strategy=\"1\",limit=\"orders_open_max\"} 7",
        "stoop_strategy_orders_open{strategy=\"spread\"} 4",
        "stoop_strategy_orders_open{strategy=\"1\"} 0",
        "stoop_budget_quote{strategy=\"spread\",venue=\"y\"} 0",
        "stoop_budget_used_quote{strategy=\"spread\",venue=\"y\"} 12.5",
    ];
    assert_eq!(told(), set, "0 is a limit");
    budget(None);
    let is_left = |line: &&str| !line.starts_with("stoop_budget_quote{");
    assert_eq!(told(), set.into_iter().filter(is_left).collect::<Vec<_>>());
}

/// What is on the page before anything has happened makes no sample that misleads.
#[test]
fn an_empty_region_is_told_without_ages_and_parts() {
    let market = Market::in_memory(&table(), &RegionOptions::default()).unwrap();
    let page = collect(&market.view(), &names(), (&Pairs::default(), &[]), NOW);
    assert!(!page.contains("stoop_book_age_seconds{") && !page.contains("_bucket{"), "{page}");
    assert!(page.contains("stoop_order_fill_ratio NaN\n"), "{page}");
    assert!(page.contains("stoop_feed_silence_seconds{venue=\"x\"} NaN\n"), "{page}");
    assert!(!page.contains("stoop_clock_offset_seconds{"), "{page}");
}

#[test]
fn before_its_first_beat_an_engine_is_as_silent_as_it_is_old() {
    let market = Market::in_memory(&table(), &RegionOptions::default()).unwrap();
    let view = market.view();
    let now = view.started().plus(SECOND);
    assert_eq!((view.heartbeat(), alive(&view, now)), (Nanos(0), Ok(())));
    let page = collect(&view, &names(), (&Pairs::default(), &[]), now);
    assert!(page.contains("\nstoop_heartbeat_age_seconds 1\n"), "{page}");
    let silent = "the order manager has been silent for 6.0 s".to_owned();
    assert_eq!(alive(&view, now.plus(5 * SECOND)), Err(silent));
}

const NOT_COMPARED: &str =
    "y: takes no new orders: orders, fills and balances are not compared yet";

#[test]
fn readiness_names_everything_that_is_against_it() {
    let market = full();
    let view = market.view();
    let y = ["y: market data is being joined", NOT_COMPARED].map(str::to_owned);
    assert_eq!(ready(&view, &names(), &[], NOW), Err(y.to_vec()));
    let only_x = Names { venues: names().venues[..1].to_vec(), ..names() };
    assert_eq!(ready(&view, &only_x, &[], NOW), Ok(()));
    let later = Nanos(NOW.0 + 5 * SECOND);
    let silent = "the order manager has been silent for 6.0 s".to_owned();
    assert_eq!(alive(&view, later), Err(silent.clone()));
    assert_eq!(ready(&view, &only_x, &[], later), Err(vec![silent]));
    drop(market);
    assert_eq!(alive(&view, NOW), Err("the engine has ended".to_owned()));
    let market = Market::in_memory(&table(), &RegionOptions::default()).unwrap();
    market.beat(NOW);
    let mut health = market.health_writer(VenueId(0)).unwrap();
    health.feed.publish(&feed(Readiness::Ready));
    let suspended_until_ns = Nanos(NOW.0 + 2 * SECOND);
    health.executor.publish(&ExecutorHealth { suspended_until_ns, ..executor(true) });
    let trading_state = TradingState::ReduceOnly;
    let loss_switch = Some(crate::types::LossSwitch::Drawdown);
    let counters =
        OrderCounters { trading_state, loss_switch, journal_short: 1, ..OrderCounters::default() };
    let mut account = market.account_writer().unwrap();
    account.set_counters(&counters);
    account.set_gate(VenueId(0), &gate(None));
    let mut expected = [
        "x: 0 of 1 books are live",
        "x: refuses requests for 2.0 s yet",
        "trading is reduce-only",
        "the drawdown switch was thrown",
        "the journal has room for cancels and reports only",
    ];
    let told = || ready(&market.view(), &only_x, &[], NOW).unwrap_err();
    assert_eq!(told(), expected);
    account.set_counters(&OrderCounters { journal_lost: 3, ..counters });
    expected[4] = "the journal takes nothing any more: 3 records are lost";
    assert_eq!(told(), expected);
}

/// A server over a region, at a port of its own.
fn server(view: MarketView) -> Server {
    let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
    Server::start(listener, view, names(), Clock::manual(NOW)).unwrap()
}

fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    let _ = stream.read_to_string(&mut text);
    text
}

#[test]
fn requests_are_answered_and_nonsense_refused() {
    let market = full();
    let server = server(market.view());
    let get =
        |path: &str| ask(server.address(), &format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"));
    let metrics = get("/metrics?x=1");
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n";
    assert!(metrics.starts_with(head) && metrics.contains("\nstoop_heartbeat_age_seconds 1\n"));
    let (head, body) = metrics.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{head}");
    assert!(
        get("/healthz").starts_with("HTTP/1.1 200 OK")
            && get("/healthz").ends_with("\r\n\r\nalive\n")
    );
    let not_ready = get("/readyz");
    assert!(not_ready.starts_with("HTTP/1.1 503 "), "{not_ready}");
    assert!(
        not_ready.ends_with(&format!("\r\n\r\ny: market data is being joined\n{NOT_COMPARED}\n"))
    );
    assert!(get("/").starts_with("HTTP/1.1 404 "));
    let head = ask(server.address(), "HEAD /metrics HTTP/1.1\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 OK") && head.ends_with("\r\n\r\n"), "{head}");
    let posted = ask(server.address(), "POST /metrics HTTP/1.1\r\n\r\n");
    assert!(posted.starts_with("HTTP/1.1 405 "), "{posted}");
    for nonsense in ["\u{1}\u{2}\r\n\r\n".to_owned(), format!("GET /{} ", "a".repeat(9_000))] {
        let answer = ask(server.address(), &nonsense);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
    assert!(get("/healthz").starts_with("HTTP/1.1 200 OK"), "it goes on");
}

#[test]
fn clients_that_say_nothing_hold_up_nobody_and_are_cut_off() {
    let market = full();
    let server = server(market.view());
    let begun = Instant::now();
    let connect = |_| {
        let mut silent = TcpStream::connect(server.address()).unwrap();
        silent.write_all(b"GET /met").unwrap();
        silent
    };
    let silent: Vec<TcpStream> = (0..60).map(connect).collect();
    let answer = ask(server.address(), "GET /healthz HTTP/1.1\r\n\r\n");
    assert!(answer.ends_with("alive\n"), "{answer}");
    assert!(begun.elapsed() < Duration::from_secs(30), "they were waited for one after the other");
    for mut silent in silent {
        let mut rest = Vec::new();
        assert!(silent.read_to_end(&mut rest).is_err() || rest.is_empty(), "{rest:?}");
    }
}

#[test]
fn a_port_in_use_is_told_by_its_address() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let error = listen(address).unwrap_err();
    let expected = format!("[metrics] listen = \"{address}\": another program listens there");
    assert!(error.starts_with(&expected), "{error}");
}

#[test]
fn ends_of_legs_are_counted_as_they_come() {
    let market = full();
    let mut writer: PairWriter = market.pair_writer().unwrap();
    let end = |strategy, end, breach| PairOutcome {
        strategy: StrategyId(strategy),
        end,
        breach,
        ..PairOutcome::default()
    };
    writer.publish(&end(0, PairEnd::Balanced, None));
    writer.publish(&end(0, PairEnd::Unwound, Some(Breach::Time)));
    let server = server(market.view());
    let due = Instant::now() + Duration::from_secs(20);
    loop {
        let page = ask(server.address(), "GET /metrics HTTP/1.1\r\n\r\n");
        let unwound = "stoop_legs_total{strategy=\"spread\",end=\"unwound\"} 1";
        if page.contains(unwound) {
            assert!(page.contains("stoop_leg_breaches_total{bound=\"time\"} 1"), "{page}");
            break;
        }
        assert!(Instant::now() < due, "{page}");
    }
}
