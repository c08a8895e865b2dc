//! Every screen in a small and in a large terminal, compared with what a person has looked at:
//! `snapshots/SCREEN-WIDTHxHEIGHT.txt`. `STOOP_SNAPSHOTS=write` writes them anew.

use super::data::StageNow;
use super::*;
use crate::shm::{
    Best, Depth, ExecutorHealth, FeedHealth, Market, OrderCounters, OrderGate, PositionRow,
    RateUse, RegionOptions, RingUse, Status, StrategyLook, VenueHealth,
};
use crate::show::present::PnlNow;
use crate::show::venues::VenueNow;
use crate::show::{About, EventRow, FillRow, LimitNow, OrderRow, Recorded, StrategyNow};
use crate::types::{
    Amount, BookState, Breach, BreachAction, Channel, ClientOrderId, FeeRate, Instrument,
    InstrumentId, InstrumentTable, Level, LossSwitch, Nanos, NotReady, OrderState, PairEnd,
    PairLeg, PairOutcome, Ppb, Price, Qty, Readiness, Scale, Side, SignalId, StrategyId,
    TradingState, VenueId,
};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier};
use std::sync::Arc;

const E18: i128 = 10i128.pow(18);
const NOW: Nanos = Nanos(1_795_000_000_123_456_789);

fn ago(ms: u64) -> Nanos {
    Nanos(NOW.0 - ms * 1_000_000)
}

fn table() -> InstrumentTable {
    let mut table = InstrumentTable::default();
    let quote = table.assets.intern("USDT");
    let scale = Scale { price_decimals: 2, qty_decimals: 5 };
    for (name, venue) in
        [("BTC/USDT@a", 0), ("ETH/USDT@a", 0), ("BTC/USDT@b", 1), ("BTC/USDT:USDT@c", 2)]
    {
        let base = table.assets.intern(&name[..3]);
        let (name, venue) = (name.to_owned(), VenueId(venue));
        table.add(Instrument { name, venue, base, quote, scale, ..Instrument::default() });
    }
    table
}

fn bests() -> Vec<Best> {
    let best = |bid, ask, state| Best {
        bid: Level { price: Price(bid), qty: Qty(162_000) },
        ask: Level { price: Price(ask), qty: Qty(81_600) },
        state,
        recv_ns: ago(12),
        ..Best::default()
    };
    vec![
        best(6_183_860, 6_183_985, BookState::Live),
        Best::default(),
        best(6_196_580, 6_196_710, BookState::Live),
        best(6_190_000, 6_190_010, BookState::Stale),
    ]
}

fn venue(number: u8, name: &str, ready: bool) -> VenueNow {
    let updated_ns = ago(20);
    let mut executor =
        ExecutorHealth { ready, updated_ns, commands: 40, reports: 77, ..Default::default() };
    executor.channels[Channel::Trade.index()] = Readiness::Ready;
    executor.channels[Channel::Rest.index()] = Readiness::Ready;
    executor.channels[Channel::Private.index()] =
        if ready { Readiness::Ready } else { Readiness::Joining };
    executor.limits[0] = RateUse { used: 60, allowed: 240 };
    executor.limits[1] = RateUse { used: 45, allowed: 50 };
    let feed = FeedHealth {
        state: Readiness::Ready,
        books: 1,
        books_live: 1,
        clock_offset_ns: -1_250_000,
        clock_round_trip_ns: 800_000,
        frames: 123_456,
        last_recv_ns: ago(12),
        gaps: 2,
        ..FeedHealth::default()
    };
    let not_ready = match number {
        1 => Some(NotReady::NotReconciled),
        2 => Some(NotReady::Disconnected(Some(Channel::Private))),
        _ => None,
    };
    let gate = OrderGate { not_ready, since_ns: ago(4_200), updated_ns, ..OrderGate::default() };
    let health = VenueHealth { feed, executor, gate };
    let ill = if number == 2 { vec!["BTC/USDT:USDT@c".to_owned()] } else { Vec::new() };
    VenueNow { venue: VenueId(number), name: name.to_owned(), health, ill, margin_percent: None }
}

fn order(number: u64, state: OrderState, filled: &str, reason: &str) -> OrderRow {
    OrderRow {
        order: ClientOrderId(0x0d00_47c9_0000_0000 + number),
        venue_order_id: format!("19000000100000000{number:02}"),
        venue: VenueId(0),
        instrument: InstrumentId(0),
        instrument_name: "BTC/USDT@a".to_owned(),
        strategy: "spread".to_owned(),
        signal: number,
        leg: 0,
        side: if number.is_multiple_of(2) { "buy" } else { "sell" }.to_owned(),
        terms: "limit IOC".to_owned(),
        price: "61839.85".to_owned(),
        qty: "0.01".to_owned(),
        filled: filled.to_owned(),
        state,
        since: ago(900),
        created: ago(1_000 + number),
        reason: reason.to_owned(),
        external: false,
        cancel_wanted: false,
    }
}

fn pair(signal: u64, breach: bool) -> PairOutcome {
    let leg = |instrument: u16, side, got: i64| PairLeg {
        instrument: InstrumentId(instrument),
        side,
        price: Price(6_183_985),
        qty: Qty(1_000),
        got_price: if got > 0 { Price(6_183_980) } else { Price(0) },
        got_qty: Qty(got),
        sent_ns: ago(50),
        first_fill_ns: if got > 0 { ago(47) } else { Nanos(0) },
        last_fill_ns: if got > 0 { ago(47) } else { Nanos(0) },
    };
    let mut pair = PairOutcome {
        strategy: StrategyId(0),
        signal: SignalId(signal),
        legs_len: 2,
        naked_ns: 3_100_000,
        naked_qty: Qty(1_000),
        end: if breach { PairEnd::Unwound } else { PairEnd::Balanced },
        breach: breach.then_some(Breach::Time),
        action: breach.then_some(BreachAction::Unwind),
        cost: Ppb(372_000),
        fees: Amount(E18 / 4),
        opened_ns: ago(51),
        ..PairOutcome::default()
    };
    pair.legs[0] = leg(0, Side::Buy, 1_000);
    pair.legs[1] = leg(2, Side::Sell, if breach { 0 } else { 1_000 });
    pair
}

fn fill(number: u64) -> FillRow {
    FillRow {
        sequence: number,
        time: ago(100 * number),
        venue_time: ago(100 * number + 3),
        venue: VenueId(0),
        instrument: InstrumentId(0),
        strategy: "spread".to_owned(),
        signal: Some(number),
        order: ClientOrderId(0x0d00_47c9_0000_0000 + number),
        venue_order_id: "1".to_owned(),
        fill_id: number.to_string(),
        side: Side::Sell,
        price: Price(6_183_980),
        qty: Qty(999),
        liquidity: "taker",
        fee: Amount(E18 * 123_426 / 1_000_000),
        fee_asset: "USDT".to_owned(),
        realised: Amount(E18 * 1_126_130_399_903 / 1_000_000_000_000),
        position: Amount(-E18 / 100),
    }
}

fn event(number: u64, level: &'static str, venue: &str, text: &str) -> EventRow {
    EventRow {
        sequence: number,
        time: ago(5_000 - number * 700),
        level,
        kind: "ready",
        venue: venue.to_owned(),
        strategy: if venue.is_empty() { "spread".to_owned() } else { String::new() },
        text: text.to_owned(),
        ..EventRow::default()
    }
}

fn recorded() -> Recorded {
    let fee = |instrument| {
        let (maker, taker) = (Ppb(0), Ppb(200_000));
        Some(FeeRate { instrument: InstrumentId(instrument), maker, taker })
    };
    let held = "orders, fills and balances are not compared yet";
    Recorded {
        table: table(),
        strategies: vec!["spread".to_owned(), "basis".to_owned()],
        open: vec![order(6, OrderState::PartiallyFilled, "0.004", "")],
        ended: vec![
            order(3, OrderState::Rejected, "0", "insufficient balance"),
            order(4, OrderState::Expired, "0", "time in force"),
            order(5, OrderState::Filled, "0.01", ""),
        ]
        .into(),
        fills: (1..4).rev().map(fill).collect(),
        pairs: vec![(ago(900), pair(11, true)), (ago(100), pair(12, false))].into(),
        events: vec![
            event(1, "info", "", "a run begins: 4 instruments, strategies spread, basis"),
            event(2, "info", "a", "may be traded on"),
            event(3, "warn", "b", &format!("gets no new orders: {held}")),
            event(4, "error", "", "the daily-loss switch was thrown: lost 61 USDT, limit 60"),
        ]
        .into(),
        held: vec!["strategy basis is halted".to_owned()],
        fees: vec![fee(0), fee(1), fee(2), None],
    }
}

fn data() -> MonitorData {
    let position = |instrument, qty: i128| PositionRow {
        instrument: InstrumentId(instrument),
        qty: Amount(qty * E18 / 100),
        cost: Amount(qty * 618 * E18),
        realised: Amount(3 * E18 / 2),
        fees: Amount(E18 / 4),
        unrealised: Amount(-E18 / 5),
        mark: Price(6_183_860),
        ..PositionRow::default()
    };
    let stage = |name, scale: u64| StageNow {
        name,
        count: 3_303,
        at: [2_100, 8_400, 25_000, 120_000, 900_000, 1_500_000].map(|ns| ns * scale),
    };
    MonitorData {
        instance: "desk".to_owned(),
        about: About { mode: "sim".to_owned(), ..About::default() },
        now: NOW,
        running_s: 3_661,
        heartbeat_ns: 2_000_000,
        counters: OrderCounters {
            signals: 410,
            signals_refused: 12,
            orders_sent: 726,
            orders_filled: 364,
            orders_expired: 361,
            orders_rejected: 1,
            orders_open: 1,
            fills: 364,
            ..OrderCounters::default()
        },
        venues: vec![venue(0, "a", true), venue(1, "b", true), venue(2, "c", false)],
        table: Arc::new(table()),
        bests: bests(),
        depth: Some((InstrumentId(0), depth())),
        positions: vec![position(0, 2), position(2, -2)],
        pnl: vec![PnlNow {
            quote: "USDT".to_owned(),
            realised: Amount(3 * E18),
            unrealised: Some(Amount(-2 * E18 / 5)),
            fees: Amount(E18 / 2),
            ..PnlNow::default()
        }],
        limits: limits(),
        stages: vec![stage("decode", 1), stage("risk", 3), stage("tick_to_order", 9)],
        strategies: vec![spread(), basis()],
        recorded: Arc::new(recorded()),
        ..MonitorData::default()
    }
}

fn limits() -> Vec<LimitNow> {
    let of = |name, of: &str, value: Option<i128>, used: Option<i128>| {
        let hundredths = |value: i128| Amount(value * E18 / 100);
        let (value, used) = (value.map(hundredths), used.map(hundredths));
        LimitNow { name, of: of.to_owned(), value, used }
    };
    vec![
        of("position_max", "BTC", Some(5), Some(2)),
        of("position_max", "ETH", Some(0), Some(0)),
        of("daily_loss_max", "USDT", Some(6_000), Some(6_100)),
        of("drawdown_max", "", None, None),
        of("order_notional_max", "", Some(500_000), None),
        of("orders_open_max", "", Some(800), Some(100)),
        of("orders_open_max", "spread", Some(400), Some(100)),
        of("budget", "spread at binance", Some(3_000_000), Some(61_839)),
        of("budget", "basis at hyperliquid", Some(0), Some(0)),
    ]
}

/// One on a thread, with requests that wait.
fn spread() -> StrategyNow {
    let mut status = Status::new();
    status.float("gap_bp", 20.36).unwrap();
    status.text("mode", "hunting").unwrap();
    let (requests, heartbeat) = (RingUse::of(3, 256), ago(1));
    let look = StrategyLook { heartbeat, requests, status: Some(status), ..Default::default() };
    StrategyNow { name: "spread".to_owned(), look: Some(look), is_process: false, ended: None }
}

/// One in a process that was started again.
fn basis() -> StrategyNow {
    let mut status = Status::new();
    status.int("entry_bps", 12).unwrap();
    let (pid, run, status) = (4711, 1, Some(status));
    let look = StrategyLook { pid, run, heartbeat: ago(12), status, ..Default::default() };
    StrategyNow { name: "basis".to_owned(), look: Some(look), is_process: true, ended: None }
}

/// Three levels a side, as the region gives them.
fn depth() -> Depth {
    let table = table();
    let market = Market::in_memory(&table, &RegionOptions::default()).unwrap();
    let mut writer = market.book_writer(InstrumentId(0)).unwrap();
    let level = |price, qty| Level { price: Price(price), qty: Qty(qty) };
    let bids = [level(6_183_860, 162_000), level(6_183_841, 40_500), level(6_183_800, 1_000)];
    let asks = [level(6_183_985, 81_600), level(6_183_990, 20_404)];
    writer.publish_depth(&bids, &asks, BookState::Live, 7, ago(15), ago(12), ago(12));
    let mut depth = Depth::default();
    market.view().depth(InstrumentId(0), &mut depth);
    depth
}

fn drawn(data: &MonitorData, app: &App, width: u16, height: u16) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, data, app)).unwrap();
    terminal.backend().buffer().clone()
}

fn text(buffer: &Buffer) -> String {
    let area = *buffer.area();
    let line = |y| -> String { (0..area.width).map(|x| buffer[(x, y)].symbol()).collect() };
    (0..area.height).map(|y| line(y).trim_end().to_owned() + "\n").collect()
}

fn compare(name: &str, shown: &str) {
    let path = format!("{}/src/tui/monitor/snapshots/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    if std::env::var("STOOP_SNAPSHOTS").is_ok_and(|wish| wish == "write") {
        std::fs::write(&path, shown).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(shown == expected, "{name} is now:\n{shown}\nand was:\n{expected}");
}

#[test]
fn every_screen_is_as_it_was_looked_at() {
    let data = data();
    for tab in Tab::ALL {
        let app = App { tab, plain: true, ..App::default() };
        for (width, height) in [(80, 24), (200, 60)] {
            let buffer = drawn(&data, &app, width, height);
            compare(&format!("{}-{width}x{height}", tab.name()), &text(&buffer));
        }
    }
    let help = App { help: true, ..App::default() };
    compare("help-80x24", &text(&drawn(&data, &help, 80, 24)));
    let confirm = App { confirm: Some(Ask::Flatten), ..App::default() };
    compare("confirm-80x24", &text(&drawn(&data, &confirm, 80, 24)));
}

#[test]
fn nothing_that_matters_is_cut_off_in_a_small_terminal() {
    let data = data();
    let shown = |tab| text(&drawn(&data, &App { tab, ..App::default() }, 80, 24));
    for tab in Tab::ALL {
        let screen = shown(tab);
        for part in ["desk", "active", "USDT +2.10", "a ready", "b NOT READY", "H halt"] {
            assert!(screen.contains(part), "{part} is not on\n{screen}");
        }
    }
    for (tab, part) in [
        (Tab::Board, "+16.37"),
        (Tab::Orders, "partially filled"),
        (Tab::Trades, "buy 0.01/0.01 BTC/USDT@a at 61839.8"),
        (Tab::Positions, "unrealised"),
        (Tab::Positions, "not set"),
        (Tab::Depth, "61839.85"),
        (Tab::Strategies, "gap_bp 20.36"),
        (Tab::Venues, "45 of 50"),
        (Tab::Latency, "p99.99"),
        (Tab::Events, "daily-loss"),
    ] {
        let screen = shown(tab);
        assert!(screen.contains(part), "{part} is not on\n{screen}");
    }
}

#[test]
fn limits_of_strategies_come_behind_the_others_and_their_names_cost_no_number_its_place() {
    let mut data = data();
    let long = "a-strategy-with-a-name-as-long-as-a-name-of-a-strategy-can-ever-be";
    let row = |row: &LimitNow| LimitNow { of: format!("{long} at hyperliquid"), ..row.clone() };
    data.limits = limits().iter().cloned().chain(limits().iter().skip(7).map(row)).collect();
    let shown = |at| {
        let mut app = App::on(Tab::Positions);
        app.selected[Tab::Positions as usize] = at;
        text(&drawn(&data, &app, 80, 24))
    };
    let first = shown(0);
    assert!(first.contains("position_max") && !first.contains("budget"), "{first}");
    let last = shown(data.limits.len() - 1);
    let budgets: Vec<&str> = last.lines().filter(|line| line.contains("budget")).collect();
    assert_eq!(budgets.len(), 4, "{last}");
    for (line, start) in [
        (budgets[0], "budget  30000  618.39        2  spread at binance "),
        (budgets[1], "budget      0       0           basis at hyperliquid "),
        (budgets[2], "budget  30000  618.39        2  a-strategy-with-"),
        (budgets[3], "budget      0       0           a-strategy-with-"),
    ] {
        assert!(line.trim_start_matches('│').starts_with(start), "{last}");
    }
}

/// The colours that a screen uses in its first line.
fn colors(buffer: &Buffer) -> Vec<(Color, Color)> {
    let area = *buffer.area();
    let cells = (0..area.height).flat_map(|y| (0..area.width).map(move |x| (x, y)));
    cells.map(|at| (buffer[at].fg, buffer[at].bg)).collect()
}

#[test]
fn real_money_is_marked_in_red_and_without_colours_too() {
    let mut data = data();
    data.about.mode = "live".to_owned();
    for tab in Tab::ALL {
        let app = App { tab, ..App::default() };
        let buffer = drawn(&data, &app, 80, 24);
        assert!(text(&buffer).starts_with(" LIVE  desk"), "{}", text(&buffer));
        assert_eq!((buffer[(1, 0)].fg, buffer[(1, 0)].bg), (Color::White, Color::Red));
        let plain = drawn(&data, &App { plain: true, ..app }, 80, 24);
        assert!(plain[(1, 0)].modifier.contains(Modifier::REVERSED));
        assert!(colors(&plain).iter().all(|pair| *pair == (Color::Reset, Color::Reset)));
    }
    let asked = App { confirm: Some(Ask::Halt), ..App::default() };
    assert!(text(&drawn(&data, &asked, 80, 24)).contains("LIVE: real money"));
}

#[test]
fn what_is_wrong_stands_in_the_head() {
    let mut data = data();
    data.heartbeat_ns = 3_000_000_000;
    data.counters.trading_state = TradingState::Halted;
    data.counters.orders_unknown = 2;
    let screen = text(&drawn(&data, &App::default(), 120, 24));
    for part in ["halted", "NO HEARTBEAT for 3.0 s", "2 UNKNOWN", "strategy basis is halted"] {
        assert!(screen.contains(part), "{part} is not on\n{screen}");
    }
    data.ended = "HAS ENDED; q leaves".to_owned();
    let screen = text(&drawn(&data, &App::default(), 80, 24));
    assert!(screen.lines().next().unwrap().ends_with("HAS ENDED; q leaves"), "{screen}");
}

#[test]
fn lists_of_a_journal_that_is_not_followed_say_of_when_they_are() {
    let error = "segment 00000003.log is missing";
    let old = MonitorData { journal_error: error.to_owned(), recorded_at: ago(90_000), ..data() };
    let at = super::grid::time_of_day(ago(90_000));
    for (tab, lists) in [(Tab::Orders, 2), (Tab::Trades, 2), (Tab::Events, 1)] {
        let screen = text(&drawn(&old, &App { tab, ..App::default() }, 80, 24));
        assert!(screen.contains("JOURNAL NOT FOLLOWED"), "{screen}");
        assert_eq!(screen.matches(&format!("AS IT WAS AT {at}: ")).count(), lists, "{screen}");
        assert_eq!(screen.contains(error), tab == Tab::Events, "{screen}");
    }
    let never = MonitorData { recorded_at: Nanos(0), ..old };
    let screen = text(&drawn(&never, &App { tab: Tab::Orders, ..App::default() }, 80, 24));
    assert!(screen.contains("NOT KNOWN: orders that work"), "{screen}");
}

/// A flatten that is not done and was answered so.
fn answered(reply: String) -> App {
    let mut app = App::default();
    app.replies.answered(1, Ask::Flatten, reply, true);
    app.replies.left("2 orders work".to_owned());
    app
}

/// Rows of the body, with its frame.
fn body_rows(screen: &str) -> usize {
    screen.lines().filter(|row| row.starts_with(['┌', '│', '└'])).count()
}

const LEFT: &str = " NOW: 2 orders work; flatten is not done | ";

#[test]
fn an_answer_is_shown_whole_with_what_is_left_of_it_first() {
    let words: Vec<String> = (0..32).map(|at| format!("word{at}")).collect();
    let screen = text(&drawn(&data(), &answered(words.join(" ")), 80, 24));
    let flat = screen.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.ends_with(&format!("{LEFT}{}", words.join(" "))), "{screen}");
    assert!(!screen.contains('…') && body_rows(&screen) == 24 - 3 - 4, "{screen}");
}

#[test]
fn an_answer_that_is_too_long_is_cut_with_a_mark_and_leaves_the_screen_its_rows() {
    let words: Vec<String> = (0..400).map(|at| format!("word{at}")).collect();
    for (height, lines) in [(24, 5), (10, 4), (8, 2), (7, 1)] {
        let screen = text(&drawn(&data(), &answered(words.join(" ")), 80, height));
        let rows: Vec<&str> = screen.lines().collect();
        let (body, foot) = rows.split_at(rows.len() - lines);
        assert!(foot[0].starts_with(LEFT), "{screen}");
        assert!(foot[lines - 1].ends_with('…'), "{screen}");
        assert!(foot.iter().all(|row| row.starts_with(' ')), "{screen}");
        assert_eq!(body_rows(&body.join("\n")), usize::from(height) - 3 - lines, "{screen}");
    }
    let screen = text(&drawn(&data(), &answered("x".repeat(2_000)), 80, 24));
    assert!(screen.ends_with("x…\n") && screen.contains(LEFT.trim_end()), "{screen}");
}

#[test]
fn a_mode_that_is_not_known_counts_as_real_money() {
    let unknown = MonitorData { about: About::default(), ..data() };
    let buffer = drawn(&unknown, &App::default(), 80, 24);
    assert!(text(&buffer).starts_with(" MODE UNKNOWN  desk"), "{}", text(&buffer));
    assert_eq!((buffer[(1, 0)].fg, buffer[(1, 0)].bg), (Color::White, Color::Red));
    let asked = App { confirm: Some(Ask::Halt), ..App::default() };
    assert!(text(&drawn(&unknown, &asked, 80, 24)).contains("perhaps real money"));
}

#[test]
fn whoever_resumes_after_the_loss_switch_is_told_what_that_means() {
    let mut data = data();
    let asked = App { confirm: Some(Ask::Resume), ..App::default() };
    let screen = text(&drawn(&data, &asked, 80, 24));
    assert!(screen.contains("RESUME: new orders are allowed again"), "{screen}");
    data.counters.loss_switch = Some(LossSwitch::DailyLoss);
    let screen = text(&drawn(&data, &asked, 80, 24));
    assert!(screen.contains("switch: losses are measured anew"), "{screen}");
}

#[test]
fn no_terminal_is_too_small_and_no_data_too_little() {
    let full = data();
    for data in [&full, &MonitorData::default()] {
        for tab in Tab::ALL {
            for (width, height) in [(1, 1), (10, 3), (40, 8), (80, 10), (300, 100)] {
                for help in [false, true] {
                    let confirm = help.then_some(Ask::Pause);
                    let app = App { tab, help, confirm, ..App::default() };
                    drawn(data, &app, width, height);
                }
            }
        }
    }
}
