//! The region as a whole: files, processes, and what happens when they are not what they should be.

use super::*;
use crate::types::{
    Amount, AssetBalance, AssetId, BookState, Channel, ClientOrderId, Detail, InstrumentId,
    InstrumentTable, Leg, Level, LimitKey, MarginReport, Nanos, NotReady, OrderLine, OrderLines,
    OrderState, ParamName, ParamValue, Params, Price, Qty, Readiness, RejectReason, ReportKind,
    Request, Side, Signal, SignalId, Stamp, StrategyId, StrategyReport, TopOfBook, Trade, VenueId,
    VenueOrders,
};
use instruments::tests::table;
use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

/// A directory of its own for one test, removed at the end.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("stoop-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        Self(dir)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Names the directory for the child of a test that needs a second process.
const CHILD: &str = "STOOP_TEST_CHILD";

fn child_dir() -> Option<PathBuf> {
    std::env::var_os(CHILD).map(PathBuf::from)
}

/// Runs the named test of this file in a second process.
fn run_child(test: &str, dir: &Path) -> ExitStatus {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let name = format!("shm::tests::{test}");
    command.args(["--exact", &name, "--nocapture", "--test-threads=1"]).env(CHILD, dir);
    command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    command.status().unwrap()
}

fn level(price: i64, qty: i64) -> Level {
    Level { price: Price(price), qty: Qty(qty) }
}

fn top(instrument: u16) -> TopOfBook {
    TopOfBook {
        instrument: InstrumentId(instrument),
        sequence: 42,
        bid: level(100, 1),
        ask: level(102, 2),
        event_ns: Nanos(0),
    }
}

fn options() -> StrategyOptions {
    StrategyOptions { strategy: StrategyId(5), instruments: 4, ..StrategyOptions::default() }
}

fn signal() -> Signal {
    let leg = Leg { instrument: InstrumentId(3), qty: Qty(7), ..Leg::default() };
    let legs = [leg, Leg { side: Side::Sell, ..leg }, Leg::default(), Leg::default()];
    Signal { id: SignalId(1), strategy: StrategyId(5), legs_len: 2, legs, ..Signal::default() }
}

fn report() -> StrategyReport {
    StrategyReport {
        client_id: ClientOrderId(8),
        signal: SignalId(1),
        leg: 1,
        instrument: InstrumentId(3),
        side: Side::Sell,
        state: OrderState::Filled,
        kind: ReportKind::Fill,
        reason: RejectReason::None,
        risk: 0,
        last_price: Price(1),
        last_qty: Qty(2),
        cumulative_qty: Qty(3),
        event_ns: Nanos(4),
        retry_ns: Nanos(5),
    }
}

#[test]
fn every_writer_is_handed_out_once() {
    let market = Market::in_memory(&table(), &RegionOptions::default()).unwrap();
    for number in 0..4 {
        assert!(market.book_writer(InstrumentId(number)).is_some());
        assert!(market.book_writer(InstrumentId(number)).is_none());
        assert!(market.trade_writer(InstrumentId(number)).is_some());
        assert!(market.trade_writer(InstrumentId(number)).is_none());
    }
    assert!(market.account_writer().is_some() && market.account_writer().is_none());
    for venue in [VenueId(0), VenueId(1)] {
        assert!(market.health_writer(venue).is_some() && market.health_writer(venue).is_none());
        for stage in Stage::ALL {
            assert!(market.stage_writer(stage, venue).is_some());
            assert!(market.stage_writer(stage, venue).is_none());
        }
        assert!(market.worst_writer(venue).is_some() && market.worst_writer(venue).is_none());
    }
    assert!(market.book_writer(InstrumentId(4)).is_none(), "not in the table");
    assert!(market.trade_writer(InstrumentId(4)).is_none());
    assert!(market.health_writer(VenueId(2)).is_none());
    assert!(market.stage_writer(Stage::Ack, VenueId(2)).is_none());
    assert!(market.worst_writer(VenueId(2)).is_none());
}

/// With two strategies, so that each of them has neighbours.
fn region() -> RegionOptions {
    RegionOptions { strategies: 2, ..RegionOptions::default() }
}

/// Writes something different into every section.
fn write_everything(market: &Market) {
    for number in 0..4 {
        let id = InstrumentId(number);
        let mut book = market.book_writer(id).unwrap();
        let top = TopOfBook { sequence: 40 + u64::from(number), ..top(number) };
        book.publish_top(&top, BookState::Live, Nanos(5), Nanos(6));
        let bids = [level(100, 1), level(99 - i64::from(number), 3)];
        let (event, recv, published) = (Nanos(1), Nanos(2), Nanos(3));
        book.publish_depth(&bids, &[], BookState::Live, top.sequence, event, recv, published);
    }
    let mut account = market.account_writer().unwrap();
    for number in 0..4 {
        let row = PositionRow { instrument: InstrumentId(number), ..position(number) };
        account.set_position(&row);
    }
    account.set_position(&PositionRow { instrument: InstrumentId(9), ..position(9) });
    account.set_balance(&balance(1, 2).balance, balance(1, 2).expected);
    account.set_balance(&balance(0, 0).balance, balance(0, 0).expected);
    account.set_balance(&balance(0, 3).balance, Amount::ZERO);
    account.set_balance(&balance(2, 0).balance, Amount::ZERO);
    account.set_pnl(&pnl(1));
    account.set_pnl(&pnl(3));
    account.set_margin(&margin(1, 2));
    account.set_margin(&margin(0, 3));
    account.set_margin(&margin(2, 0));
    account.set_counters(&counters());
    account.set_limits(&plain_limits());
    for number in [0, 2, 9] {
        account.set_underlying_limit(AssetId(number), &position_limit(number));
    }
    for number in [1, 3, 9] {
        account.set_instrument_limit(InstrumentId(number), &position_limit(10 + number));
    }
    // The first one last: what is beyond its venues would be its neighbour's.
    for strategy in [64, 1, 0] {
        account.set_strategy_limit(StrategyId(strategy), &strategy_limit(strategy));
        for venue in [0, 1, 2] {
            account.set_budget(StrategyId(strategy), VenueId(venue), &budget(strategy, venue));
        }
    }
    [1, 2].into_iter().for_each(|venue| account.set_gate(VenueId(venue), &gate(venue)));
    let mut health = market.health_writer(VenueId(1)).unwrap();
    health.feed.publish(&venue_health().feed);
    health.executor.publish(&venue_health().executor);
    let row = thread_row();
    let names: Vec<String> = row.agents.iter().map(|agent| agent.name.clone()).collect();
    let mut duty = market.duty_writer(0, row.cpu, 6, &names).unwrap();
    row.agents.iter().enumerate().for_each(|(at, agent)| duty.publish_agent(at, agent.busy_ns));
    duty.publish(&row.duty);
    let mut latency = market.stage_writer(Stage::LegSkew, VenueId(1)).unwrap();
    latency.record(InstrumentId(1), 11);
    latency.record(InstrumentId(2), 12);
    let mut worst = market.worst_writer(VenueId(1)).unwrap();
    worst.offer(5, slow_path).unwrap();
    market.set_measuring_costs(9_000, 2_000);
    market.beat(Nanos(77));
}

fn slow_path() -> PathRow {
    let mut path = crate::types::Path::default();
    path.set(Stamp::Received, Nanos(20));
    path.set(Stamp::Handed, Nanos(25));
    let (client_id, signal) = (ClientOrderId(1 << 40), SignalId(6));
    PathRow { client_id, signal, instrument: InstrumentId(3), path }
}

fn position(number: u16) -> PositionRow {
    PositionRow {
        instrument: InstrumentId(number),
        qty: Amount(-1 - i128::from(number)),
        cost: Amount(2 << 70),
        realised: Amount(-(3 << 80)),
        fees: Amount(4),
        unrealised: Amount(i128::MIN),
        mark: Price(-6),
        funding: Amount(-(5 << 66)),
        liquidation: Price(8),
        updated_ns: Nanos(7),
    }
}

fn margin(venue: u8, asset: u16) -> MarginRow {
    let stated = MarginReport {
        venue: VenueId(venue),
        asset: AssetId(asset),
        equity: Amount(1 << 80),
        available: Amount(2),
        initial: Amount(-3),
        maintenance: Amount(4 << 70),
        event_ns: Nanos(5),
    };
    MarginRow { stated, available: Amount(-6) }
}

fn balance(venue: u8, asset: u16) -> BalanceRow {
    let (free, locked) = (Amount(1 << 90), Amount(i128::from(asset)));
    let (venue, asset) = (VenueId(venue), AssetId(asset));
    let balance = AssetBalance { venue, asset, free, locked, event_ns: Nanos(8) };
    BalanceRow { balance, expected: Amount(-5) }
}

fn pnl(quote: u16) -> PnlRow {
    PnlRow {
        quote: AssetId(quote),
        realised: Amount(-1),
        unrealised: Amount(2 << 64),
        fees: Amount(3),
        funding: Amount(-7),
        lost_today: Amount(-8),
        drawdown: Amount(9 << 64),
        updated_ns: Nanos(4),
    }
}

fn counters() -> OrderCounters {
    OrderCounters {
        signals: 1,
        signals_refused: 2,
        orders_sent: 3,
        orders_acked: 4,
        orders_filled: 5,
        orders_canceled: 6,
        orders_rejected: 7,
        orders_expired: 8,
        orders_open: 9,
        orders_unknown: 10,
        fills: 11,
        duplicates: 12,
        late_fills: 13,
        cancels_sent: 14,
        bad_records: 15,
        trading_state: crate::types::TradingState::ReduceOnly,
        loss_switch: Some(crate::types::LossSwitch::Drawdown),
        orders_external: 16,
        fills_external: 17,
        replaces_sent: 18,
        never_sent: 26,
        quarantined: 19,
        reconciliations: 20,
        differences: 21,
        not_answering: 22,
        venues_halted: 23,
        reports_waiting: 27,
        reports_lost: 28,
        journal_records: 29,
        journal_unsynced: 30,
        journal_syncs: 31,
        journal_lost: 32,
        journal_short: 33,
        refusals: std::array::from_fn(|code| 100 + code as u64),
        venues: std::array::from_fn(|at| {
            VenueOrders::from_words(std::array::from_fn(|word| (1_000 + 5 * at + word) as u64))
        }),
        ended: std::array::from_fn(|at| {
            (at > 60).then_some(crate::types::ProcessEnd::Exit(at as i32))
        }),
    }
}

fn venue_health() -> VenueHealth {
    let feed = FeedHealth {
        state: Readiness::Ready,
        books_live: 1,
        books: 2,
        clock_offset_ns: -3,
        clock_round_trip_ns: 4,
        frames: 5,
        bytes: 6,
        decode_errors: 7,
        gaps: 8,
        resyncs: 9,
        reconnects: 10,
        subscriptions_failed: 11,
        last_recv_ns: Nanos(12),
        updated_ns: Nanos(13),
        scanned: 14,
        fallback: 15,
        line_count: 2,
        lines: [16, 30].map(|from| FeedLine {
            state: Readiness::Joining,
            reconnects: from,
            frames: from + 1,
            last_recv_ns: Nanos(from + 2),
            first: from + 3,
            late: from + 4,
            missed: from + 5,
            filled: from + 6,
            late_p50_ns: from + 7,
            late_p99_ns: from + 8,
            late_max_ns: from + 9,
        }),
    };
    let executor = ExecutorHealth {
        channels: [
            Readiness::Down,
            Readiness::Ready,
            Readiness::Joining,
            Readiness::Ready,
            Readiness::Joining,
            Readiness::Ready,
        ],
        ready: true,
        clock_offset_ns: -1,
        clock_round_trip_ns: 2,
        commands: 3,
        commands_refused: 4,
        reports: 5,
        decode_errors: 6,
        reply_timeouts: 7,
        reconnects: 8,
        suspended_until_ns: Nanos(9),
        updated_ns: Nanos(10),
        reports_ring: RingUse { waiting: 13, capacity: u32::MAX },
        order_lines: OrderLines {
            current: Channel::TradeSpare,
            lines: [
                OrderLine { reply_ns: 11, unanswered: 12 },
                OrderLine { reply_ns: 13, unanswered: 14 },
            ],
        },
        limits: std::array::from_fn(|limit| RateUse { used: u32::MAX, allowed: limit as u32 }),
    };
    VenueHealth { feed, executor, gate: gate(1) }
}

fn gate(venue: u8) -> OrderGate {
    OrderGate {
        not_ready: Some(NotReady::Disconnected(Some(Channel::Private))),
        since_ns: Nanos(14),
        commands_ring: RingUse { waiting: 11, capacity: 12 },
        updated_ns: Nanos(15 + u64::from(venue)),
    }
}

/// Each differs from its neighbours, and every other one is not set.
fn plain_limits() -> PlainLimits {
    PlainLimits::new(|key| {
        let at = LimitKey::PLAIN.iter().position(|known| *known == key)?;
        (at % 2 == 1).then_some(Amount((at as i128) << 70))
    })
}

fn position_limit(number: u16) -> PositionLimit {
    let limit = (number > 0).then(|| Amount(i128::from(number - 1) << 66));
    PositionLimit { limit, used: Amount(-(i128::from(number) << 80)) }
}

/// Of the first neither is set, of the others the second alone.
fn strategy_limit(strategy: u8) -> StrategyLimit {
    let orders_open = (strategy > 0).then(|| Amount(i128::from(strategy) << 68));
    StrategyLimit { orders_per_second: None, orders_open, open: u64::MAX - u64::from(strategy) }
}

/// That of the first at the first venue is not set, and that at the second is 0.
fn budget(strategy: u8, venue: u8) -> BudgetLimit {
    let number = i128::from(strategy) * 4 + i128::from(venue);
    let limit = (number > 0).then(|| Amount((number - 1) << 67));
    BudgetLimit { limit, used: Amount(-(number << 81)) }
}

fn thread_row() -> ThreadRow {
    let duty = Duty {
        started_ns: Nanos(1),
        updated_ns: Nanos(2),
        rounds: 3,
        rounds_busy: 4,
        busy_ns: 5,
        longest_ns: 6,
        recent_ns: 7,
        recent_busy_ns: 8,
        recent_longest_ns: u64::MAX,
    };
    let agents = [("strategy:with-a-long-name", 9), ("oms", 10)];
    let agents = agents.map(|(name, busy_ns)| AgentDuty { name: name.to_owned(), busy_ns });
    ThreadRow { cpu: Some(0), duty, agents: agents.into() }
}

/// What [`write_everything`] wrote, and nothing more.
fn check_everything(view: &MarketView) {
    let mut depth = Depth::default();
    for number in 0..4 {
        let id = InstrumentId(number);
        let best = view.best(id);
        assert_eq!((best.bid, best.ask), (level(100, 1), level(102, 2)));
        assert_eq!((best.sequence, best.changes), (40 + u64::from(number), 1));
        assert_eq!((best.state, view.version(id)), (BookState::Live, 1));
        view.depth(id, &mut depth);
        assert_eq!(depth.bids(), [level(100, 1), level(99 - i64::from(number), 3)]);
        assert_eq!((depth.asks(), depth.state), (&[][..], BookState::Live));
    }
    assert_eq!(view.positions(), (0..4).map(position).collect::<Vec<_>>());
    assert_eq!(view.position(InstrumentId(2)), Some(position(2)));
    assert_eq!(view.balances(), [balance(0, 0), balance(1, 2)]);
    assert_eq!(view.pnl(), [pnl(1)]);
    assert_eq!(view.margins(), [margin(1, 2)]);
    assert_eq!(view.counters(), counters());
    assert_eq!(view.limits(), Some(plain_limits()));
    let underlyings = [0, 2].map(|number| (AssetId(number), position_limit(number)));
    assert_eq!(view.underlying_limits(), underlyings);
    let instruments = [1, 3].map(|number| (InstrumentId(number), position_limit(10 + number)));
    assert_eq!(view.instrument_limits(), instruments);
    let of_strategies = [0, 1].map(|number| (StrategyId(number), strategy_limit(number)));
    assert_eq!(view.strategy_limits(), of_strategies);
    let budgets = [(0, 0), (0, 1), (1, 0), (1, 1)]
        .map(|(of, at)| (StrategyId(of), VenueId(at), budget(of, at)));
    assert_eq!(view.budgets(), budgets);
    assert_eq!(view.health(VenueId(1)), venue_health());
    assert_eq!(view.health(VenueId(0)), VenueHealth::default());
    assert_eq!(view.threads(), [thread_row()]);
    let skew = view.histogram(Stage::LegSkew, VenueId(1));
    assert_eq!((skew.count, skew.min, skew.max), (2, 11, 12));
    let of_group = |group| view.group_histogram(Stage::LegSkew, VenueId(1), group).max;
    assert_eq!((of_group(0), of_group(1), of_group(2)), (12, 11, 0));
    assert_eq!(view.groups()[..3], ["BTC", "ETH", ""]);
    assert_eq!(
        (0..5).map(|id| view.group_of(InstrumentId(id))).collect::<Vec<_>>(),
        [Some(0), Some(1), Some(0), Some(1), None]
    );
    assert_eq!(view.worst_paths(), [slow_path()]);
    assert_eq!(slow_path().total_ns(), 5);
    let measuring = Measuring { detail: Detail::All, clock_ps: 9_000, record_ps: 2_000 };
    assert_eq!(view.measuring(), measuring);
    assert_eq!(view.histogram(Stage::LegSkew, VenueId(0)).count, 0);
    assert_eq!(view.histogram(Stage::Ack, VenueId(1)).count, 0);
    assert_eq!((view.heartbeat(), view.venues(), view.depth_limit()), (Nanos(77), 2, 20));
    let names = |table: &InstrumentTable| format!("{table:?}");
    assert_eq!(names(view.instruments()), names(&table()));
}

#[test]
fn what_is_written_is_read_and_sections_do_not_touch() {
    let market = Market::in_memory(&table(), &region()).unwrap();
    let view = market.view();
    assert_eq!(view.best(InstrumentId(0)), Best::default());
    assert_eq!((view.positions(), view.balances(), view.pnl()), (vec![], vec![], vec![]));
    assert_eq!((view.limits(), view.underlying_limits()), (None, vec![]), "nobody has said them");
    assert_eq!((view.strategy_limits(), view.budgets()), (vec![], vec![]));
    assert_eq!(view.health(VenueId(1)).gate, OrderGate::default());
    write_everything(&market);
    check_everything(&view);
    assert!(!view.has_ended());
    drop(market);
    check_everything(&view);
    assert!(view.has_ended());
}

#[test]
fn prints_start_when_the_reader_does() {
    let market = Market::in_memory(&table(), &RegionOptions::default()).unwrap();
    let mut writer = market.trade_writer(InstrumentId(1)).unwrap();
    let trade = |trade_id| Trade {
        instrument: InstrumentId(1),
        taker: Side::Sell,
        price: Price(1),
        qty: Qty(2),
        trade_id,
        event_ns: Nanos(3),
    };
    writer.publish(&trade(1), Nanos(9));
    let mut reader = market.view().trades(InstrumentId(1)).unwrap();
    assert_eq!(reader.next(), Ok(None));
    writer.publish(&trade(2), Nanos(9));
    assert_eq!(reader.next().unwrap().unwrap().trade, trade(2));
    assert!(market.view().trades(InstrumentId(4)).is_none());
}

#[test]
fn a_book_that_cannot_be_read_is_stale_and_has_no_prices() {
    let market = Market::in_memory(&table(), &RegionOptions::default()).unwrap();
    let view = market.view();
    let best = view.best(InstrumentId(99));
    assert_eq!((best.state, best.bid, best.ask), (BookState::Stale, level(0, 0), level(0, 0)));
    let mut depth = Depth::default();
    let mut writer = market.book_writer(InstrumentId(0)).unwrap();
    let bids = [level(1, 1)];
    writer.publish_depth(&bids, &bids, BookState::Live, 1, Nanos(1), Nanos(1), Nanos(1));
    view.depth(InstrumentId(0), &mut depth);
    assert!(depth.is_live());
    view.depth(InstrumentId(99), &mut depth);
    assert_eq!((depth.state, depth.bids(), depth.asks()), (BookState::Stale, &[][..], &[][..]));
}

#[test]
fn options_out_of_bounds_are_refused_by_name() {
    let with = |options: RegionOptions| Market::in_memory(&table(), &options).unwrap_err();
    let message = with(RegionOptions { depth: 65, ..RegionOptions::default() }).to_string();
    assert_eq!(message, "the region cannot be made: depth is not 1 to 64 levels");
    let message = with(RegionOptions { trades: 0, ..RegionOptions::default() }).to_string();
    assert!(message.contains("the ring of prints has not 2 to 65536 slots"), "{message}");
    let error = StrategyFile::in_memory(&StrategyOptions { reports: 0, ..options() }).unwrap_err();
    assert!(error.to_string().contains("the report ring"), "{error}");
    for name in ["", "../x", "a/b", "a b", ".", "ä"] {
        let error = StrategyFile::create(Path::new("/nowhere"), name, &options()).unwrap_err();
        assert!(error.to_string().contains(&format!("{name:?}")), "{error}");
    }
}

#[test]
#[cfg_attr(miri, ignore = "maps files")]
fn a_file_reads_the_same_in_another_process() {
    if let Some(dir) = child_dir() {
        check_everything(&MarketView::attach(&dir).unwrap());
        return;
    }
    let dir = Dir::new("market");
    let market = Market::create(&dir.0, &table(), &region()).unwrap();
    write_everything(&market);
    check_everything(&market.view());
    let view = MarketView::attach(&dir.0).unwrap();
    check_everything(&view);
    assert_eq!(view.pid(), std::process::id());
    assert!(view.started() > Nanos(0));
    let child = run_child("a_file_reads_the_same_in_another_process", &dir.0);
    assert!(child.success());
    // The end takes the name away, not the memory of those who read.
    drop(market);
    assert!(view.has_ended());
    check_everything(&view);
    let error = MarketView::attach(&dir.0).unwrap_err();
    assert!(error.to_string().starts_with("cannot open "), "{error}");
    assert!(error.to_string().contains(dir.0.join("market").to_str().unwrap()), "{error}");
    assert_eq!(fs::read_dir(&dir.0).unwrap().count(), 0, "nothing is left behind");
}

#[test]
#[cfg_attr(miri, ignore = "maps files")]
fn others_may_not_look_inside() {
    let dir = Dir::new("modes");
    fs::create_dir(&dir.0).unwrap();
    fs::set_permissions(&dir.0, fs::Permissions::from_mode(0o755)).unwrap();
    let _market = Market::create(&dir.0, &table(), &RegionOptions::default()).unwrap();
    let _ends = StrategyFile::create(&dir.0, "arb", &options()).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&dir.0), 0o700);
    assert_eq!(mode(&dir.0.join("market")), 0o600);
    assert_eq!(mode(&dir.0.join("strategy-arb")), 0o600);
}

#[test]
#[cfg_attr(miri, ignore = "maps files")]
fn a_living_instance_keeps_its_directory() {
    let dir = Dir::new("twice");
    let first = Market::create(&dir.0, &table(), &region()).unwrap();
    let error = Market::create(&dir.0, &table(), &RegionOptions::default()).unwrap_err();
    let expected = format!("{} is in use by process {}", dir.0.display(), std::process::id());
    assert_eq!(error.to_string(), expected);
    // What an instance that was killed left behind is replaced; who read it keeps the old memory.
    write_everything(&first);
    let view = MarketView::attach(&dir.0).unwrap();
    let left = fs::read(dir.0.join("market")).unwrap();
    drop(first);
    fs::write(dir.0.join("market"), left).unwrap();
    let second = Market::create(&dir.0, &table(), &RegionOptions::default()).unwrap();
    assert_eq!(MarketView::attach(&dir.0).unwrap().best(InstrumentId(0)), Best::default());
    check_everything(&view);
    drop(second);
}

/// The error of attaching to a market file after `change` was made to its bytes.
fn attach_changed(name: &str, change: impl FnOnce(&fs::File)) -> (String, String) {
    let dir = Dir::new(name);
    let market = Market::create(&dir.0, &table(), &RegionOptions::default()).unwrap();
    // A copy, because cutting a mapped file short is fatal to those who use the mapping.
    let bytes = fs::read(dir.0.join("market")).unwrap();
    drop(market);
    let path = dir.0.join("market");
    fs::write(&path, bytes).unwrap();
    change(&fs::OpenOptions::new().write(true).open(&path).unwrap());
    let error = MarketView::attach(&dir.0).unwrap_err();
    (error.to_string(), path.display().to_string())
}

#[test]
#[cfg_attr(miri, ignore = "maps files")]
fn files_that_are_not_ours_are_refused_by_name() {
    let put = |word: u64, value: u64| {
        move |file: &fs::File| file.write_all_at(&value.to_le_bytes(), word * 8).unwrap()
    };
    let (error, path) = attach_changed("unchanged-but-magic", put(0, 7));
    assert_eq!(error, format!("{path} is not a region file of this engine"));
    let (error, path) = attach_changed("strategy-magic", put(0, layout::STRATEGY_MAGIC));
    assert_eq!(error, format!("{path} is not a region file of this engine"));
    let (error, path) = attach_changed("unfinished", put(1, 0));
    assert_eq!(error, format!("{path} is still being made; try again"));
    let (error, path) = attach_changed("version", put(1, 99));
    let advice = "use the same build for both";
    assert_eq!(
        error,
        format!("{path} has layout version 99, this program reads version 13: {advice}")
    );
    let (error, path) = attach_changed("hash", put(2, 99));
    assert_eq!(
        error,
        format!("{path} was laid out by another build of the same version: {advice}")
    );
    let (error, path) = attach_changed("length", put(3, 64));
    assert_eq!(error, format!("{path} is corrupt: its length"));
    let (error, path) = attach_changed("count", put(16, 1 << 60));
    assert_eq!(error, format!("{path} is corrupt: there are more than 4096 instruments"));
    let (error, path) = attach_changed("counts-disagree", put(16, 5));
    assert_eq!(error, format!("{path} is corrupt: its length"));
    let (error, path) = attach_changed("names", put(32, u64::MAX));
    assert_eq!(error, format!("{path} is corrupt: its table of instruments"));
    let (error, path) = attach_changed("venue", put(32 + 16, 2));
    assert_eq!(error, format!("{path} is corrupt: its table of instruments"));
    let (error, path) = attach_changed("asset", put(32 + 17, 3));
    assert_eq!(error, format!("{path} is corrupt: its table of instruments"));
}

#[test]
#[cfg_attr(miri, ignore = "maps files")]
fn files_cut_short_are_refused_by_name() {
    let whole = layout::MarketLayout::new(layout::MarketCounts {
        instruments: 4,
        venues: 2,
        assets: 3,
        depth: 20,
        trades: 1024,
        strategies: 1,
        threads: 1,
        agents: 8,
    });
    let whole = whole.unwrap().len * 8;
    for (found, expected) in
        [(0, 8), (7, 8), (8, 256), (248, 256), (256, whole), (whole - 8, whole)]
    {
        let cut = |file: &fs::File| file.set_len(found as u64).unwrap();
        let (error, path) = attach_changed(&format!("cut-{found}"), cut);
        assert_eq!(error, format!("{path} is cut short: {found} bytes of {expected}"));
    }
    let dir = Dir::new("not-a-file");
    fs::create_dir_all(dir.0.join("market")).unwrap();
    let error = MarketView::attach(&dir.0).unwrap_err().to_string();
    let path = dir.0.join("market");
    assert_eq!(error, format!("{} is not a region file of this engine", path.display()));
}

/// Address and permissions of the mappings of a file in this process.
fn mappings(path: &Path) -> Vec<(usize, String)> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let ours = maps.lines().filter(|line| line.ends_with(path.to_str().unwrap()));
    ours.map(|line| {
        let mut words = line.split(' ');
        let start = words.next().unwrap().split('-').next().unwrap();
        (usize::from_str_radix(start, 16).unwrap(), words.next().unwrap().to_owned())
    })
    .collect()
}

#[test]
#[cfg_attr(miri, ignore = "maps files")]
fn who_attaches_to_the_market_cannot_write_it() {
    if let Some(dir) = child_dir() {
        let _view = MarketView::attach(&dir).unwrap();
        let (address, permissions) = mappings(&dir.join("market")).remove(0);
        assert_eq!(permissions, "r--s");
        // SAFETY: the address is that of a live mapping of at least a word; the store is to show
        // that the system forbids it, and ends this process.
        unsafe { std::ptr::with_exposed_provenance_mut::<u64>(address).write_volatile(1) };
        return;
    }
    let dir = Dir::new("read-only");
    let market = Market::create(&dir.0, &table(), &RegionOptions::default()).unwrap();
    let child = run_child("who_attaches_to_the_market_cannot_write_it", &dir.0);
    const SIGSEGV: i32 = 11;
    assert_eq!(child.signal(), Some(SIGSEGV), "{child:?}");
    assert_eq!(market.view().best(InstrumentId(0)), Best::default());
}

#[test]
fn a_strategy_in_a_thread_talks_to_the_oms() {
    let (mut oms, mut strategy) = StrategyFile::in_memory(&options()).unwrap();
    assert_eq!(oms.pop_request(), Ok(None));
    strategy.requests.push_signal(&signal()).unwrap();
    strategy.requests.push(&Request::Cancel(ClientOrderId(8))).unwrap();
    assert_eq!(oms.pop_request(), Ok(Some(Request::Signal(signal()))));
    assert_eq!(oms.pop_request(), Ok(Some(Request::Cancel(ClientOrderId(8)))));
    oms.push_report(&report()).unwrap();
    assert_eq!((strategy.reports.pop(), strategy.reports.pop()), (Some(report()), None));
    assert_eq!((oms.heartbeat(), strategy.strategy()), (Nanos(0), StrategyId(5)));
    strategy.beat(Nanos(12));
    assert_eq!((oms.heartbeat(), oms.pid()), (Nanos(12), std::process::id()));
}

#[test]
fn a_strategy_that_stops_reading_is_seen_as_full() {
    let options = StrategyOptions { reports: 4, ..options() };
    let (mut oms, _strategy) = StrategyFile::in_memory(&options).unwrap();
    for _ in 0..4 {
        assert!(oms.push_report(&report()).is_ok());
    }
    assert!(oms.push_report(&report()).is_err());
}

#[test]
#[cfg_attr(miri, ignore = "maps files")]
fn a_strategy_in_another_process_talks_to_the_oms() {
    if let Some(dir) = child_dir() {
        let mut strategy = StrategyFile::attach(&dir, "arb").unwrap();
        assert_eq!(strategy.reports.pop(), Some(report()));
        strategy.requests.push_signal(&signal()).unwrap();
        strategy.status.publish(&Status::new(), Nanos(5));
        strategy.beat(Nanos(99));
        // Dies without a word.
        std::process::abort();
    }
    let dir = Dir::new("strategy");
    let (mut oms, strategy) = StrategyFile::create(&dir.0, "arb", &options()).unwrap();
    let error = StrategyFile::attach(&dir.0, "arb").unwrap_err();
    let path = dir.0.join("strategy-arb");
    let expected = format!("{} is in use by process {}", path.display(), std::process::id());
    assert_eq!(error.to_string(), expected);
    drop(strategy);
    oms.push_report(&report()).unwrap();
    let child = run_child("a_strategy_in_another_process_talks_to_the_oms", &dir.0);
    const SIGABRT: i32 = 6;
    assert_eq!(child.signal(), Some(SIGABRT), "{child:?}");
    assert_eq!(oms.pop_request(), Ok(Some(Request::Signal(signal()))));
    let look = StrategyFile::look(&dir.0, "arb").unwrap();
    assert_eq!(look.status.unwrap().updated_ns, Nanos(5));
    assert_eq!(oms.heartbeat(), Nanos(99));
    assert_ne!(oms.pid(), std::process::id());
    // Its successor goes on where it ended.
    let mut successor = StrategyFile::attach(&dir.0, "arb").unwrap();
    assert_eq!(successor.reports.pop(), None);
    successor.requests.push(&Request::CancelAll).unwrap();
    assert_eq!(oms.pop_request(), Ok(Some(Request::CancelAll)));
    assert_eq!(oms.pop_request(), Ok(None));
    drop(oms);
    assert!(!path.exists(), "the name goes with the oms' end");
}

#[test]
#[cfg_attr(miri, ignore = "maps files")]
fn a_strategy_that_fills_its_file_with_noise_harms_only_itself() {
    let dir = Dir::new("noise");
    let (mut oms, strategy) = StrategyFile::create(&dir.0, "wild", &options()).unwrap();
    let path = dir.0.join("strategy-wild");
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    let len = file.metadata().unwrap().len() as usize;
    let mut random = 88_172_645_463_325_252u64;
    for round in 0..200 {
        let noise: Vec<u8> = (0..len / 8)
            .flat_map(|_| {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                // Small numbers pass more checks than large ones.
                (if round % 2 == 0 { random } else { random >> 60 }).to_le_bytes()
            })
            .collect();
        file.write_all_at(&noise, 0).unwrap();
        for _ in 0..300 {
            if let Ok(Some(Request::Signal(signal))) = oms.pop_request() {
                assert!(signal.legs().iter().all(|leg| leg.instrument.index() < 4));
            }
        }
        let _ = oms.push_report(&report());
        let look = StrategyFile::look(&dir.0, "wild");
        let _ = (look.is_ok(), oms.heartbeat(), oms.pid());
    }
    drop(strategy);
    assert!(StrategyFile::attach(&dir.0, "wild").is_err(), "its header is gone as well");
}

#[test]
#[cfg_attr(miri, ignore = "maps files")]
fn a_strategy_reads_its_parameters_and_what_it_asked_for_last_can_be_shown() {
    let dir = Dir::new("params");
    let options = StrategyOptions { run: 3, ..options() };
    let (mut oms, strategy) = StrategyFile::create(&dir.0, "arb", &options).unwrap();
    drop(strategy);
    let mut params = Params::default();
    assert!(params.set(ParamName::new("edge").unwrap(), ParamValue::Int(7)));
    oms.write_params(&params);
    let mut strategy = StrategyFile::attach(&dir.0, "arb").unwrap();
    assert_eq!((strategy.run(), strategy.params.changed()), (3, Some(params)));
    assert_eq!(strategy.params.changed(), None);
    for id in 1..=5 {
        strategy.requests.push(&Request::Cancel(ClientOrderId(id))).unwrap();
    }
    while oms.pop_request().unwrap().is_some() {}
    let newest = StrategyFile::newest_requests(&dir.0, "arb", 2).unwrap();
    let cancel = |id| Ok(Request::Cancel(ClientOrderId(id)));
    assert_eq!(newest, [cancel(4), cancel(5)], "taken or not");
    let pulse = oms.pulse();
    assert_eq!(pulse.heartbeat(), Nanos(0));
    strategy.beat(Nanos(9));
    assert_eq!(pulse.heartbeat(), Nanos(9));
}
