//! Every refusal, and the last value that still passes.

use super::*;
use crate::types::{InstrumentStatus, LegPricing, RejectReason};

/// The code that each leg is refused with; empty if the signal passed.
fn codes(bench: &Bench) -> Vec<RiskReject> {
    let reports = bench.out.reports.iter();
    reports.map(|(_, report)| RiskReject::from_u8(report.risk).unwrap()).collect()
}

/// Sends one leg: its code, or `None` if it was sent.
fn refusal(bench: &mut Bench, leg: Leg) -> Option<RiskReject> {
    let before = bench.oms.exposures().underlying(BTC);
    let ids = bench.signal(&[leg]);
    let codes = codes(bench);
    if let [code] = codes[..] {
        let (strategy, report) = bench.out.reports[0];
        assert_eq!((strategy, report.kind), (STRATEGY, ReportKind::Rejected));
        assert_eq!((report.state, report.client_id), (OrderState::Rejected, ClientOrderId::NONE));
        assert!(bench.out.commands.is_empty());
        assert_eq!(bench.oms.exposures().underlying(BTC), before);
        assert!(bench.oms.counters().refusals[code as usize] > 0);
        assert!(matches!(bench.oms.recorder().last(), Some((_, Record::Refusal { .. }))));
        return Some(code);
    }
    assert_eq!((ids.len(), codes.len()), (1, 0));
    None
}

fn buy() -> Leg {
    leg(A, Side::Buy)
}

#[test]
fn what_breaks_no_limit_is_sent() {
    assert_eq!(refusal(&mut Bench::new(), buy()), None);
}

#[test]
fn numbers_of_refusals_are_stable_and_texts_distinct() {
    let mut texts = std::collections::BTreeSet::new();
    for (index, code) in RiskReject::ALL.into_iter().enumerate() {
        assert_eq!(code as usize, index + 1);
        assert_eq!(RiskReject::from_u8(code as u8), Some(code));
        assert!(texts.insert(code.to_string()));
    }
    assert_eq!((RiskReject::from_u8(0), RiskReject::from_u8(40)), (None, None));
}

#[test]
fn one_refused_leg_refuses_the_signal_before_anything_is_sent() {
    let mut bench = Bench::new();
    let bad = Leg { price: Price(6_000_005), ..leg(B, Side::Sell) };
    let ids = bench.signal(&[buy(), bad]);
    assert!(ids.is_empty());
    assert_eq!(codes(&bench), [RiskReject::OtherLeg, RiskReject::PriceOffTick]);
    assert_eq!((bench.out.reports[0].1.leg, bench.out.reports[1].1.leg), (0, 1));
    assert_eq!(bench.oms.orders().open_count(), 0);
    let counters = bench.oms.counters();
    assert_eq!((counters.signals, counters.signals_refused, counters.orders_sent), (1, 1, 0));
    bench.check_sums();
}

#[test]
fn malformed_signals() {
    let mut bench = Bench::new();
    let good = Signal { id: SignalId(1), strategy: STRATEGY, legs_len: 1, ..Signal::default() };
    for signal in [
        Signal { legs_len: 0, ..good },
        Signal { legs_len: 5, ..good },
        Signal { id: SignalId(0), ..good },
        Signal { strategy: StrategyId(9), ..good },
    ] {
        bench.request(&Request::Signal(signal));
        assert!(codes(&bench).iter().all(|code| *code == RiskReject::BadSignal), "{signal:?}");
        assert!(!codes(&bench).is_empty());
    }
    let unknown = Leg { instrument: InstrumentId(2), ..buy() };
    assert_eq!(refusal(&mut bench, unknown), Some(RiskReject::UnknownInstrument));
}

#[test]
fn forms_that_venues_do_not_know() {
    let mut bench = Bench::new();
    let post_only = Leg { pricing: LegPricing::PostOnly, price: Price(5_999_000), ..buy() };
    assert_eq!(refusal(&mut bench, post_only), Some(RiskReject::NotExpressible));
    let resting = Leg { time_in_force: TimeInForce::Gtc, ..post_only };
    assert_eq!(refusal(&mut bench, resting), None);
    let priced_market = Leg { pricing: LegPricing::Market, ..buy() };
    assert_eq!(refusal(&mut bench, priced_market), Some(RiskReject::NotExpressible));
    let market = Leg { price: Price(0), ..priced_market };
    assert_eq!(refusal(&mut bench, market), None);
}

#[test]
fn halted_and_reduce_only() {
    let mut bench = Bench::new();
    bench.tell(Operator::SetState(Scope::Engine, TradingState::Halted));
    assert_eq!(refusal(&mut bench, buy()), Some(RiskReject::Halted));
    bench.tell(Operator::SetState(Scope::Engine, TradingState::ReduceOnly));
    assert_eq!(refusal(&mut bench, buy()), Some(RiskReject::ReduceOnly));
    // Held: 0.015. A sell of 0.01 reduces; another would go through zero.
    bench.report(&fill(ClientOrderId::NONE, A, 1, 1_500));
    assert_eq!(refusal(&mut bench, buy()), Some(RiskReject::ReduceOnly));
    assert_eq!(refusal(&mut bench, leg(A, Side::Sell)), None);
    assert_eq!(refusal(&mut bench, leg(A, Side::Sell)), Some(RiskReject::ReduceOnly));
    let rest = Leg { qty: Qty(500), ..leg(A, Side::Sell) };
    assert_eq!(refusal(&mut bench, leg(B, Side::Sell)), Some(RiskReject::ReduceOnly));
    let ids = bench.signal(&[rest, Leg { qty: Qty(100), ..rest }]);
    assert!(ids.is_empty(), "the legs of one signal count together");
    assert_eq!(codes(&bench), [RiskReject::OtherLeg, RiskReject::ReduceOnly]);
    assert_eq!(refusal(&mut bench, rest), None);
}

#[test]
fn venues_that_are_not_ready() {
    let mut bench = Bench::unready(options());
    assert_eq!(refusal(&mut bench, buy()), Some(RiskReject::VenueNotReady));
    let mut bench = Bench::new();
    bench.notice(VENUE_A, VenueNotice::Suspended(START.plus(5)));
    assert_eq!(refusal(&mut bench, buy()), Some(RiskReject::VenueNotReady));
    bench.now = START.plus(5);
    assert_eq!(refusal(&mut bench, buy()), None);
    bench.notice(VENUE_A, VenueNotice::Readiness(Channel::Trade, Readiness::Joining));
    assert_eq!(refusal(&mut bench, buy()), Some(RiskReject::VenueNotReady));
}

#[test]
fn instruments_that_do_not_trade() {
    let mut bench = Bench::new();
    for status in [InstrumentStatus::CancelOnly, InstrumentStatus::Halted] {
        bench.notice(VENUE_A, VenueNotice::InstrumentStatus(A, status));
        assert_eq!(refusal(&mut bench, buy()), Some(RiskReject::InstrumentNotTrading));
    }
    bench.notice(VENUE_A, VenueNotice::InstrumentStatus(A, InstrumentStatus::Trading));
    assert_eq!(refusal(&mut bench, buy()), None);
}

#[test]
fn the_venues_own_rules() {
    let mut options = options();
    options.limits.order_notional_max = Amount(i128::MAX);
    options.limits.position_max = vec![(BTC, Amount(1_000 * E18))];
    let mut bench = Bench::with(options);
    let market = Leg { pricing: LegPricing::Market, price: Price(0), ..buy() };
    for (leg, expected) in [
        (Leg { price: Price(0), ..buy() }, Some(RiskReject::PriceOutOfBounds)),
        (Leg { price: Price(6_000_001), ..buy() }, Some(RiskReject::PriceOffTick)),
        (Leg { qty: Qty(0), ..buy() }, Some(RiskReject::QtyNotPositive)),
        (Leg { qty: Qty(-1_000), ..buy() }, Some(RiskReject::QtyNotPositive)),
        (Leg { qty: Qty(1_000_001), ..buy() }, Some(RiskReject::QtyAboveMax)),
        (Leg { qty: Qty(1_001), ..market }, Some(RiskReject::QtyAboveMax)),
        // 0.00008 x 60 000 = 4.80; 0.00009 x 60 000 = 5.40.
        (Leg { qty: Qty(8), ..buy() }, Some(RiskReject::NotionalBelowMin)),
        (Leg { qty: Qty(9), ..buy() }, None),
        // Market orders are valued at the ask: 0.00008 x 60 000.10.
        (Leg { qty: Qty(8), ..market }, Some(RiskReject::NotionalBelowMin)),
        // 16.66666 x 60 000 = 999 999.60; 16.66667 x 60 000 = 1 000 000.20.
        (Leg { qty: Qty(1_666_666), ..buy() }, Some(RiskReject::QtyAboveMax)),
        (Leg { qty: Qty(1_000_000), ..buy() }, None),
    ] {
        assert_eq!(refusal(&mut bench, leg), expected, "{leg:?}");
    }
}

#[test]
fn lots_minimum_and_maximum_value_of_the_venue() {
    let mut table = table();
    let mut instrument = table.get(A).unwrap().clone();
    instrument.rules.lot_size = Qty(10);
    instrument.rules.qty_min = Qty(20);
    instrument.rules.notional_max = Amount(700 * E18);
    instrument.name = "BTC/USDT@strict".to_owned();
    let strict = table.add(instrument);
    let mut bench = Bench::new();
    bench.oms.instruments = Arc::new(table);
    bench.oms.state.statuses.push(InstrumentStatus::Trading);
    for (qty, expected) in [
        (1_005, Some(RiskReject::QtyOffLot)),
        (10, Some(RiskReject::QtyBelowMin)),
        (20, None),
        (1_160, None),
        (1_170, Some(RiskReject::NotionalAboveMax)),
    ] {
        let mut signal =
            Signal { id: SignalId(1), strategy: STRATEGY, legs_len: 1, ..Signal::default() };
        signal.legs[0] = Leg { qty: Qty(qty), ..leg(strict, Side::Buy) };
        bench.out.clear();
        let request = Request::Signal(signal);
        bench.oms.on_request(STRATEGY, &request, START, &mut bench.out);
        assert_eq!(codes(&bench).first().copied(), expected, "{qty}");
    }
}

#[test]
fn value_of_one_order() {
    let mut bench = Bench::new();
    // 10 000 / 60 000 = 0.16666..
    assert_eq!(refusal(&mut bench, Leg { qty: Qty(16_666), ..buy() }), None);
    let larger = Leg { qty: Qty(16_667), ..buy() };
    assert_eq!(refusal(&mut bench, larger), Some(RiskReject::OrderNotional));
}

#[test]
fn value_of_a_market_order_is_taken_at_the_price_it_would_meet() {
    let mut options = options();
    options.limits.order_notional_max = Amount(600 * E18);
    let mut bench = Bench::with(options);
    let market = Leg { pricing: LegPricing::Market, price: Price(0), ..buy() };
    assert_eq!(refusal(&mut bench, market), Some(RiskReject::OrderNotional), "60 000.10");
    assert_eq!(refusal(&mut bench, Leg { side: Side::Sell, ..market }), None, "60 000.00");
}

#[test]
fn books_that_may_not_be_traded_on() {
    let mut bench = Bench::new();
    for state in [BookState::Empty, BookState::Buffering, BookState::Stale] {
        bench.oms.books_mut().0[0].state = state;
        assert_eq!(refusal(&mut bench, buy()), Some(RiskReject::BookNotLive), "{state:?}");
    }
    bench.oms.books_mut().0[0].state = BookState::Live;
    bench.now = START.plus(500 * MS);
    assert_eq!(refusal(&mut bench, buy()), None);
    bench.now = START.plus(500 * MS + 1);
    assert_eq!(refusal(&mut bench, buy()), Some(RiskReject::BookTooOld));
    bench.oms.books_mut().0[0] = BookQuote { recv_ns: bench.now, ask: Level::default(), ..quote() };
    assert_eq!(refusal(&mut bench, buy()), Some(RiskReject::NoPrice));
    let sell = Leg { price: Price(6_000_010), ..leg(A, Side::Sell) };
    assert_eq!(refusal(&mut bench, sell), None, "the bid is there");
}

#[test]
fn prices_too_far_through_the_book() {
    // 0.1 %: a buy up to 60 000.10 x 1.001 = 60 060.1001, a sell down to 60 000 x 0.999 = 59 940.
    for (side, price, expected) in [
        (Side::Buy, 6_006_010, None),
        (Side::Buy, 6_006_020, Some(RiskReject::PriceCollar)),
        (Side::Buy, 1_000_000, None),
        (Side::Sell, 5_994_000, None),
        (Side::Sell, 5_993_990, Some(RiskReject::PriceCollar)),
        (Side::Sell, 9_000_000, None),
    ] {
        let leg = Leg { price: Price(price), qty: Qty(100), ..leg(A, side) };
        assert_eq!(refusal(&mut Bench::new(), leg), expected, "{side} at {price}");
    }
}

#[test]
fn position_of_an_underlying_over_both_venues_with_working_orders() {
    let mut options = options();
    options.limits.position_max = vec![(BTC, Amount(25 * E18 / 1_000))];
    let mut bench = Bench::with(options);
    assert_eq!(refusal(&mut bench, leg(A, Side::Buy)), None);
    assert_eq!(refusal(&mut bench, leg(B, Side::Buy)), None);
    assert_eq!(refusal(&mut bench, leg(A, Side::Buy)), Some(RiskReject::PositionLimit));
    let half = Leg { qty: Qty(500), ..leg(B, Side::Buy) };
    assert_eq!(refusal(&mut bench, half), None, "exactly the limit");
    let sell = |id| Leg { price: Price(6_000_010), ..leg(id, Side::Sell) };
    // Sells do not make room for buys: they may not fill. Their own room counts from zero.
    assert_eq!(refusal(&mut bench, sell(A)), None);
    assert_eq!(refusal(&mut bench, Leg { qty: Qty(10), ..half }), Some(RiskReject::PositionLimit));
    let ids = bench.signal(&[sell(A), sell(B)]);
    assert!(ids.is_empty(), "the legs of one signal count together");
    assert_eq!(codes(&bench), [RiskReject::OtherLeg, RiskReject::PositionLimit]);
}

#[test]
fn a_position_beyond_the_limit_can_be_brought_back() {
    let mut bench = Bench::new();
    bench.report(&fill(ClientOrderId::NONE, A, 1, 200_000));
    assert_eq!(refusal(&mut bench, leg(B, Side::Buy)), Some(RiskReject::PositionLimit));
    assert_eq!(refusal(&mut bench, leg(B, Side::Sell)), None);
}

#[test]
fn limits_that_are_not_set_refuse() {
    let mut nothing = options();
    nothing.limits.position_max.clear();
    assert_eq!(refusal(&mut Bench::with(nothing), buy()), Some(RiskReject::PositionLimit));
    let nothing = OmsOptions { limits: RiskLimits::default(), ..options() };
    assert_eq!(refusal(&mut Bench::with(nothing), buy()), Some(RiskReject::OpenOrders));
}

#[test]
fn too_many_orders_in_a_short_time() {
    let mut options = options();
    options.limits.order_rate_max = 3;
    let mut bench = Bench::with(options);
    assert_eq!(bench.signal(&[leg(A, Side::Buy), leg(B, Side::Sell)]).len(), 2);
    bench.now = START.plus(100 * MS);
    assert!(bench.signal(&[leg(A, Side::Buy), leg(B, Side::Sell)]).is_empty());
    assert_eq!(codes(&bench), [RiskReject::OrderRate; 2]);
    assert_eq!(refusal(&mut bench, buy()), None);
    for book in &mut bench.oms.books_mut().0 {
        book.recv_ns = START.plus(1_000 * MS);
    }
    bench.now = START.plus(1_000 * MS - 1);
    assert_eq!(refusal(&mut bench, buy()), Some(RiskReject::OrderRate));
    bench.now = START.plus(1_000 * MS);
    assert_eq!(refusal(&mut bench, buy()), None);
}

#[test]
fn too_many_open_orders() {
    let mut options = options();
    options.limits.open_orders_max = 2;
    let mut bench = Bench::with(options);
    let id = bench.order();
    assert!(bench.signal(&[buy(), buy()]).is_empty());
    assert_eq!(codes(&bench), [RiskReject::OpenOrders; 2]);
    assert_eq!(refusal(&mut bench, buy()), None);
    assert_eq!(refusal(&mut bench, buy()), Some(RiskReject::OpenOrders));
    bench.say(ReportKind::Unknown, ReportOrigin::Local, id);
    assert_eq!(refusal(&mut bench, buy()), Some(RiskReject::OpenOrders), "Unknown is open");
    bench.say(ReportKind::Canceled, ReportOrigin::Stream, id);
    assert_eq!(refusal(&mut bench, buy()), None);
}

#[test]
fn a_full_table_and_used_up_ids() {
    let mut bench = Bench::with(OmsOptions { orders_max: 2, ..options() });
    assert_eq!(refusal(&mut bench, buy()), None);
    assert!(bench.signal(&[buy(), buy()]).is_empty());
    assert_eq!(codes(&bench), [RiskReject::TableFull; 2]);
    let mut bench = Bench::new();
    bench.oms.state.sequence = (1 << 26) - 1;
    assert!(bench.signal(&[buy(), buy()]).is_empty());
    assert_eq!(codes(&bench), [RiskReject::IdsExhausted; 2]);
    assert_eq!(refusal(&mut bench, buy()), None, "one is left");
    assert_eq!(refusal(&mut bench, buy()), Some(RiskReject::IdsExhausted));
}

#[test]
fn cancels_of_nothing() {
    let mut bench = Bench::new();
    let id = bench.order();
    bench.say(ReportKind::Canceled, ReportOrigin::Stream, id);
    for (id, state) in [(id, OrderState::Canceled), (ClientOrderId(5), OrderState::Rejected)] {
        bench.request(&Request::Cancel(id));
        let report = bench.out.reports[0].1;
        assert_eq!((report.kind, report.state), (ReportKind::CancelRejected, state));
        assert_eq!((report.client_id, report.reason), (id, RejectReason::UnknownOrder));
        assert_eq!(codes(&bench), [RiskReject::NoSuchOrder]);
        assert!(bench.out.commands.is_empty());
    }
    assert_eq!(bench.oms.counters().refusals[RiskReject::NoSuchOrder as usize], 2);
}
