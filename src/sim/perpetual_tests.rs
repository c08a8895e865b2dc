//! Perpetual contracts on the exchange: margin, profit, funding, liquidation and reduce-only orders by
//! hand, and what must hold whatever clients, books and marks do.

use super::{
    AccountId, ApiKey, Cause, Exchange, ExchangeEvent, OrderRef, PerpetualRules, PlaceRequest,
    PositionChange, ReduceOnlyPolicy, Refusal, SimMarginMode, SimOrder, SimOrderState,
    SimOrderType, SymbolRules,
};
use crate::types::{Side, TimeInForce};
use proptest::prelude::*;
use rust_decimal::Decimal;
use std::collections::BTreeMap;

const ANNE: AccountId = AccountId(0);
const BOB: AccountId = AccountId(1);
const HOUR: u64 = 3_600_000;
/// One minute before a payment of funding.
const NOW: u64 = 1_700_006_400_000 - 60_000;
const PERP: &str = "BTC-PERP";

fn dec(text: &str) -> Decimal {
    text.parse().unwrap()
}

/// Tick 0.1, lot 0.001; maker 0.02 %, taker 0.05 %; ten times leverage at first, hundred at most;
/// maintenance 0.5 %, funding every eight hours.
pub(super) fn perpetual(symbol: &str) -> SymbolRules {
    SymbolRules {
        symbol: symbol.to_owned(),
        base: "BTC".to_owned(),
        quote: "USDT".to_owned(),
        tick_size: dec("0.1"),
        lot_size: dec("0.001"),
        price_min: dec("0.1"),
        price_max: dec("100000"),
        qty_min: dec("0.001"),
        qty_max: dec("1000"),
        qty_market_max: dec("1000"),
        notional_min: dec("5"),
        notional_max: Decimal::ZERO,
        maker_fee: dec("0.0002"),
        taker_fee: dec("0.0005"),
        fee_decimals: 8,
        perpetual: Some(PerpetualRules {
            settle: "USDT".to_owned(),
            contract_size: Decimal::ONE,
            leverage_initial: dec("10"),
            leverage_max: dec("100"),
            maintenance_rate: dec("0.005"),
            funding_interval_ms: 8 * HOUR,
            funding_rate_max: dec("0.003"),
        }),
    }
}

fn spot() -> SymbolRules {
    SymbolRules { perpetual: None, ..perpetual("BTCUSDT") }
}

fn exchange_with(rules: Vec<SymbolRules>, funds: &str) -> Exchange {
    let account = |name: &str| {
        let key = ApiKey {
            key: name.to_owned(),
            secret: "secret".to_owned(),
            ed25519_public: Vec::new(),
        };
        (key, BTreeMap::from([("USDT".to_owned(), dec(funds))]))
    };
    Exchange::new(rules, vec![account("anne"), account("bob"), account("carl")])
}

/// A perpetual with asks at 101 and 110 and bids at 99 and 90, ten of each, and a spot market.
fn exchange(funds: &str) -> Exchange {
    let mut exchange = exchange_with(vec![perpetual(PERP), spot()], funds);
    let ten = dec("10");
    let levels = [
        (Side::Buy, (dec("99"), ten)),
        (Side::Buy, (dec("90"), ten)),
        (Side::Sell, (dec("101"), ten)),
        (Side::Sell, (dec("110"), ten)),
    ];
    exchange.set_levels(PERP, &levels, NOW);
    exchange.set_levels("BTCUSDT", &levels, NOW);
    exchange.take_events();
    exchange
}

fn order(side: Side, qty: &str, price: &str) -> PlaceRequest {
    let market = price.is_empty();
    PlaceRequest {
        symbol: PERP.to_owned(),
        client_id: format!("{side}-{qty}-{price}"),
        side,
        order_type: if market { SimOrderType::Market } else { SimOrderType::Limit },
        time_in_force: if market { TimeInForce::Ioc } else { TimeInForce::Gtc },
        price: if market { Decimal::ZERO } else { dec(price) },
        qty: dec(qty),
        reduce_only: false,
    }
}

fn reducing(side: Side, qty: &str, price: &str) -> PlaceRequest {
    PlaceRequest { reduce_only: true, ..order(side, qty, price) }
}

fn place(exchange: &mut Exchange, who: AccountId, request: PlaceRequest) -> SimOrder {
    exchange.place(who, request, NOW).unwrap()
}

fn wallet(exchange: &Exchange, who: AccountId) -> Decimal {
    exchange.margin(who, "USDT").wallet
}

/// Position, entry, unrealised and wallet of an account.
fn state(exchange: &Exchange, who: AccountId) -> [Decimal; 4] {
    let position = exchange.position(who, PERP).unwrap();
    let shown = [position.qty, position.entry, position.unrealised, wallet(exchange, who)];
    shown.map(|value| value.normalize())
}

#[test]
fn a_position_is_opened_grown_cut_and_turned_at_average_cost() {
    let mut exchange = exchange("1000");
    place(&mut exchange, ANNE, order(Side::Buy, "1", ""));
    // The fee of 101 at 0.05 %; the mark is still the middle, 100.
    assert_eq!(state(&exchange, ANNE), ["1", "101", "-1", "999.9495"].map(dec));
    place(&mut exchange, ANNE, order(Side::Buy, "2", "98"));
    exchange.background_trade(PERP, Side::Sell, dec("98"), dec("5"), NOW);
    // 101 + 196 = 297 for three; the maker's fee of 196 at 0.02 % is 0.0392.
    assert_eq!(state(&exchange, ANNE), ["3", "99", "3", "999.9103"].map(dec));
    let sold = place(&mut exchange, ANNE, order(Side::Sell, "4", ""));
    // Three closed at 99 without profit, one short at 99; the fee of 396 is 0.198.
    assert_eq!(state(&exchange, ANNE), ["-1", "99", "-1", "999.7123"].map(dec));
    assert_eq!(sold.realised, Decimal::ZERO);
    let bought = place(&mut exchange, ANNE, order(Side::Buy, "1", ""));
    assert_eq!(bought.realised, dec("-2"));
    assert_eq!(state(&exchange, ANNE), ["0", "0", "0", "997.6618"].map(dec));
    let ledger = exchange.ledger(ANNE);
    let position = &ledger.positions[PERP];
    assert_eq!((position.realised, position.qty), (dec("-2"), Decimal::ZERO));
    assert_eq!(position.realised_e18, -2 * 10i128.pow(18));
    assert_eq!(ledger.fees["USDT"], dec("0.3382"));
    assert_eq!(exchange.house("USDT"), dec("2.3382"));
}

#[test]
fn an_average_that_does_not_end_loses_nothing_over_its_life() {
    let mut exchange = exchange("1000");
    exchange.set_level(PERP, Side::Sell, dec("101"), dec("1"), NOW);
    place(&mut exchange, ANNE, order(Side::Buy, "3", "110"));
    let first = place(&mut exchange, ANNE, order(Side::Sell, "1", ""));
    // 101 + 2 x 110 = 321; a third of it is 107.
    assert_eq!(first.realised, dec("-8"));
    place(&mut exchange, ANNE, order(Side::Buy, "2", "110"));
    // 214 + 220 = 434 for four; three of them at 325.5.
    let second = place(&mut exchange, ANNE, order(Side::Sell, "3", ""));
    assert_eq!(second.realised, dec("-28.5"));
    exchange.set_level(PERP, Side::Sell, dec("100"), dec("0.7"), NOW);
    place(&mut exchange, ANNE, order(Side::Buy, "0.7", "100"));
    // 108.5 + 70 = 178.5 for 1.7, one of which costs 105 exactly; 0.3 of those 0.7 ends not.
    let third = place(&mut exchange, ANNE, order(Side::Sell, "1", ""));
    let rest = place(&mut exchange, ANNE, order(Side::Sell, "0.7", ""));
    assert_eq!(third.realised + rest.realised, dec("168.3") - dec("178.5"));
    assert!(third.realised.scale() <= 8, "payments have eight decimals");
}

#[test]
fn margin_is_that_of_the_larger_position_the_orders_could_lead_to() {
    let mut exchange = exchange("100");
    place(&mut exchange, ANNE, order(Side::Buy, "5", "98"));
    let margin = exchange.margin(ANNE, "USDT");
    assert_eq!((margin.order_initial, margin.available), (dec("49"), dec("51")));
    // Sells of as much cost nothing more; more than that only what they exceed.
    place(&mut exchange, ANNE, order(Side::Sell, "4", "102"));
    assert_eq!(exchange.margin(ANNE, "USDT").available, dec("51"));
    place(&mut exchange, ANNE, order(Side::Sell, "5", "110"));
    assert_eq!(exchange.margin(ANNE, "USDT").order_initial, dec("95.8"));
    let refused = exchange.place(ANNE, order(Side::Sell, "1", "109"), NOW);
    assert_eq!(refused, Err(Refusal::InsufficientMargin));
    exchange.cancel_all(ANNE, None, NOW);
    assert_eq!(exchange.margin(ANNE, "USDT").available, dec("100"));
    // A whole position's worth of closing needs nothing.
    exchange.set_level(PERP, Side::Sell, dec("100"), dec("9"), NOW);
    place(&mut exchange, ANNE, order(Side::Buy, "9", "100"));
    assert!(exchange.margin(ANNE, "USDT").available < dec("11"));
    place(&mut exchange, ANNE, order(Side::Sell, "9", "102"));
    assert_eq!(exchange.balances(ANNE)["USDT"].1, Decimal::ZERO, "margin locks nothing");
}

#[test]
fn margin_cannot_be_spent_on_spot() {
    let mut exchange = exchange("100");
    place(&mut exchange, ANNE, order(Side::Buy, "5", "98"));
    let spot =
        |qty: &str| PlaceRequest { symbol: "BTCUSDT".to_owned(), ..order(Side::Buy, qty, "98") };
    assert_eq!(exchange.place(ANNE, spot("0.6"), NOW), Err(Refusal::InsufficientBalance));
    exchange.place(ANNE, spot("0.5"), NOW).unwrap();
    let margin = exchange.margin(ANNE, "USDT");
    assert_eq!((margin.wallet, margin.available), (dec("100"), dec("2")));
}

#[test]
fn leverage_and_mode_change_only_where_they_may() {
    let mut exchange = exchange("100");
    let leverage =
        |exchange: &mut Exchange, text: &str| exchange.set_leverage(ANNE, PERP, dec(text), NOW);
    assert_eq!(leverage(&mut exchange, "101"), Err(Refusal::Leverage));
    assert_eq!(leverage(&mut exchange, "0.5"), Err(Refusal::Leverage));
    place(&mut exchange, ANNE, order(Side::Buy, "5", "98"));
    leverage(&mut exchange, "5").unwrap();
    assert_eq!(exchange.margin(ANNE, "USDT").available, dec("2"));
    assert_eq!(leverage(&mut exchange, "4"), Err(Refusal::InsufficientMargin));
    let isolated = SimMarginMode::Isolated;
    assert_eq!(exchange.set_margin_mode(ANNE, PERP, isolated, NOW), Err(Refusal::HasOrders));
    exchange.cancel_all(ANNE, None, NOW);
    exchange.set_margin_mode(ANNE, PERP, isolated, NOW).unwrap();
    place(&mut exchange, ANNE, order(Side::Buy, "2", ""));
    let position = exchange.position(ANNE, PERP).unwrap();
    assert_eq!(position.isolated, dec("40.4"));
    assert_eq!(
        exchange.set_margin_mode(ANNE, PERP, SimMarginMode::Cross, NOW),
        Err(Refusal::HasPosition)
    );
    assert_eq!(exchange.move_margin(ANNE, PERP, dec("-10"), NOW), Err(Refusal::InsufficientMargin));
    exchange.move_margin(ANNE, PERP, dec("9.6"), NOW).unwrap();
    exchange.move_margin(ANNE, PERP, dec("-5"), NOW).unwrap();
    assert_eq!(exchange.position(ANNE, PERP).unwrap().isolated, dec("45"));
    assert_eq!(exchange.move_margin(BOB, PERP, dec("1"), NOW), Err(Refusal::NoPosition));
    place(&mut exchange, ANNE, order(Side::Sell, "1", ""));
    assert_eq!(exchange.position(ANNE, PERP).unwrap().isolated, dec("22.5"));
}

#[test]
fn reduce_only_orders_are_cut_to_the_position_and_shrink_with_it() {
    let mut exchange = exchange("1000");
    assert_eq!(
        exchange.place(ANNE, reducing(Side::Sell, "1", "102"), NOW),
        Err(Refusal::ReduceOnly)
    );
    place(&mut exchange, ANNE, order(Side::Buy, "3", ""));
    assert_eq!(exchange.place(ANNE, reducing(Side::Buy, "1", "98"), NOW), Err(Refusal::ReduceOnly));
    let cut = place(&mut exchange, ANNE, reducing(Side::Sell, "5", "105"));
    assert_eq!(cut.request.qty, dec("3"));
    place(&mut exchange, ANNE, reducing(Side::Sell, "1.5", "103"));
    assert!(exchange.open_orders(ANNE, None).len() == 2, "only a smaller position cuts");
    exchange.take_events();
    place(&mut exchange, ANNE, order(Side::Sell, "0.5", ""));
    let open = exchange.open_orders(ANNE, None);
    let left: Vec<_> = open.iter().map(|order| (order.request.price, order.leaves())).collect();
    assert_eq!(left, [(dec("105"), dec("1")), (dec("103"), dec("1.5"))]);
    place(&mut exchange, ANNE, order(Side::Sell, "4", ""));
    assert!(exchange.open_orders(ANNE, None).is_empty());
    let ended = exchange.order(ANNE, PERP, OrderRef::Id(cut.order_id)).unwrap();
    assert_eq!((ended.state, ended.cause), (SimOrderState::Canceled, Cause::ReduceOnly));
}

#[test]
fn reduce_only_orders_are_refused_or_cancelled_where_the_venue_does_so() {
    let mut exchange = exchange("1000");
    exchange.set_reduce_only(ReduceOnlyPolicy { refuses_oversized: true, cancels_resting: true });
    place(&mut exchange, ANNE, order(Side::Sell, "3", ""));
    assert_eq!(exchange.place(ANNE, reducing(Side::Buy, "4", "98"), NOW), Err(Refusal::ReduceOnly));
    let far = place(&mut exchange, ANNE, reducing(Side::Buy, "3", "95"));
    place(&mut exchange, ANNE, reducing(Side::Buy, "2", "98"));
    place(&mut exchange, ANNE, order(Side::Buy, "0.5", ""));
    assert_eq!(
        exchange.order(ANNE, PERP, OrderRef::Id(far.order_id)).unwrap().state,
        SimOrderState::Canceled
    );
    assert_eq!(exchange.open_orders(ANNE, None).len(), 1);
}

#[test]
fn a_sweep_never_turns_a_position_through_a_reduce_only_order() {
    let mut exchange = exchange("1000");
    place(&mut exchange, ANNE, order(Side::Buy, "2", ""));
    place(&mut exchange, ANNE, order(Side::Sell, "1", "103"));
    place(&mut exchange, ANNE, reducing(Side::Sell, "2", "104"));
    // Takes the plain order first, which leaves one to reduce, and then meets the other.
    exchange.background_trade(PERP, Side::Buy, dec("105"), dec("9"), NOW);
    assert_eq!(exchange.position(ANNE, PERP).unwrap().qty, Decimal::ZERO);
    assert!(exchange.open_orders(ANNE, None).is_empty());
    place(&mut exchange, ANNE, order(Side::Buy, "2", ""));
    place(&mut exchange, ANNE, order(Side::Sell, "1", "102"));
    place(&mut exchange, ANNE, reducing(Side::Sell, "2", "102.5"));
    let taker = place(&mut exchange, BOB, order(Side::Buy, "7.5", "103"));
    // Six stood at 101.
    assert_eq!(taker.state, SimOrderState::Filled);
    assert_eq!(exchange.position(ANNE, PERP).unwrap().qty, dec("0.5"));
}

#[test]
fn funding_goes_from_longs_to_shorts_and_its_rounding_to_the_house() {
    let mut exchange = exchange_with(vec![perpetual(PERP)], "1000");
    place(&mut exchange, ANNE, order(Side::Buy, "1.003", "100.1"));
    place(&mut exchange, BOB, order(Side::Sell, "1.003", "100.1"));
    let fees = exchange.house("USDT");
    exchange.set_mark(PERP, Some(dec("100.07")));
    exchange.set_funding_rate(PERP, Some(dec("0.00012345")));
    exchange.tick(NOW);
    exchange.take_events();
    let before = [wallet(&exchange, ANNE), wallet(&exchange, BOB)];
    exchange.tick(NOW + 59_999);
    assert_eq!(wallet(&exchange, ANNE), before[0], "not before it is due");
    exchange.tick(NOW + 60_000);
    exchange.tick(NOW + 60_500);
    // 1.003 x 100.07 x 0.00012345 = 0.012390706...
    assert_eq!(wallet(&exchange, ANNE) - before[0], dec("-0.01239071"));
    assert_eq!(wallet(&exchange, BOB) - before[1], dec("0.01239070"));
    assert_eq!(exchange.house("USDT") - fees, dec("0.00000001"));
    let told: Vec<_> = exchange
        .take_events()
        .into_iter()
        .filter_map(|event| match event {
            ExchangeEvent::Funding(paid) => Some((paid.account, paid.amount, paid.time_ms)),
            _ => None,
        })
        .collect();
    let due = NOW + 60_000;
    assert_eq!(told, [(ANNE, dec("-0.01239071"), due), (BOB, dec("0.01239070"), due)]);
    let ledger = exchange.ledger(ANNE);
    assert_eq!(ledger.funding["USDT"], dec("-0.01239071"));
    assert_eq!(ledger.positions[PERP].funding, dec("-0.01239071"));
    assert_eq!(exchange.funding_rates(PERP)[0].time_ms, due);
    assert_eq!(exchange.funding_payments(BOB)[0].qty, dec("-1.003"));
    // A clock that is set back and forth pays nothing twice.
    exchange.tick(NOW);
    exchange.tick(NOW + 61_000);
    assert_eq!(exchange.funding_payments(BOB).len(), 1);
}

#[test]
fn the_mark_follows_the_book_and_the_rate_the_premium() {
    let mut exchange = exchange("1000");
    exchange.tick(NOW);
    let first = exchange.mark(PERP, NOW).unwrap();
    assert_eq!((first.mark, first.index, first.rate), (dec("100"), dec("100"), dec("0.0001")));
    assert_eq!(first.next_funding_ms, NOW + 60_000);
    exchange.set_levels(PERP, &[(Side::Buy, (dec("100.8"), dec("1")))], NOW);
    exchange.tick(NOW + 500);
    assert_eq!(exchange.mark(PERP, NOW).unwrap().mark, dec("100"), "once a second");
    for second in 1..60 {
        exchange.tick(NOW + second * 1_000);
    }
    let later = exchange.mark(PERP, NOW + 59_000).unwrap();
    assert_eq!(later.mark, dec("100.9"));
    assert!(later.index > dec("100.8") && later.index < later.mark, "{later:?}");
    assert!(later.rate > dec("0.0006"), "{later:?}");
    exchange.set_mark(PERP, Some(dec("120")));
    exchange.tick(NOW + 59_001);
    assert_eq!(exchange.mark(PERP, NOW + 59_001).unwrap().rate, dec("0.003"), "its maximum");
}

#[test]
fn an_isolated_position_is_liquidated_alone_and_loses_no_more_than_was_set_aside() {
    let mut exchange = exchange("1000");
    exchange.set_margin_mode(ANNE, PERP, SimMarginMode::Isolated, NOW).unwrap();
    place(&mut exchange, ANNE, order(Side::Buy, "1", ""));
    place(&mut exchange, ANNE, order(Side::Sell, "1", "120"));
    let position = exchange.position(ANNE, PERP).unwrap();
    // (101 - 10.1) / (1 - 0.005)
    assert_eq!(position.liquidation, Some(dec("91.35678392")));
    exchange.set_mark(PERP, Some(dec("91.36")));
    exchange.tick(NOW);
    assert_eq!(exchange.position(ANNE, PERP).unwrap().qty, dec("1"));
    exchange.set_mark(PERP, Some(dec("91.35")));
    exchange.take_events();
    exchange.tick(NOW + 1_000);
    let events = exchange.take_events();
    let liquidation = events.iter().find_map(|event| match event {
        ExchangeEvent::Liquidation(liquidation) => Some(liquidation.clone()),
        _ => None,
    });
    let liquidation = liquidation.unwrap();
    assert_eq!((liquidation.price, liquidation.qty), (dec("90.9"), dec("1")));
    // The book still stands at 99: that is what it is sold at.
    assert_eq!(state(&exchange, ANNE), ["0", "0", "0", "997.9495"].map(dec));
    assert!(exchange.open_orders(ANNE, None).is_empty(), "its orders are cancelled");
    assert!(events.iter().any(|event| matches!(
        event,
        ExchangeEvent::Position { change: PositionChange::Liquidation, .. }
    )));
    // Without liquidity the venue takes it over at the bankruptcy price.
    exchange.set_mark(PERP, None);
    exchange.tick(NOW + 2_000);
    place(&mut exchange, ANNE, order(Side::Buy, "1", ""));
    exchange.set_levels(
        PERP,
        &[(Side::Buy, (dec("99"), dec("0"))), (Side::Buy, (dec("90"), dec("0")))],
        NOW,
    );
    exchange.set_mark(PERP, Some(dec("50")));
    exchange.tick(NOW + 3_000);
    assert_eq!(state(&exchange, ANNE), ["0", "0", "0", "987.799"].map(dec));
    let last = exchange.fills(ANNE, PERP).last().unwrap().price;
    assert_eq!(last, dec("90.9"));
}

#[test]
fn cross_positions_fall_together_and_the_house_bears_what_is_owed() {
    let mut exchange = exchange("100");
    place(&mut exchange, ANNE, order(Side::Buy, "8", ""));
    place(&mut exchange, ANNE, order(Side::Buy, "1", "80"));
    let price = exchange.position(ANNE, PERP).unwrap().liquidation.unwrap();
    exchange.set_mark(PERP, Some(price + dec("0.01")));
    exchange.tick(NOW);
    assert_eq!(exchange.open_orders(ANNE, None).len(), 1);
    exchange.set_levels(
        PERP,
        &[(Side::Buy, (dec("99"), dec("0"))), (Side::Buy, (dec("90"), dec("2")))],
        NOW,
    );
    exchange.set_mark(PERP, Some(price - dec("0.01")));
    exchange.tick(NOW + 1_000);
    let [qty, _, _, wallet] = state(&exchange, ANNE);
    assert!(qty.is_zero() && wallet >= Decimal::ZERO, "{wallet}");
    assert!(exchange.open_orders(ANNE, None).is_empty());
    // A fall through everything between two marks.
    exchange.set_mark(PERP, Some(dec("105")));
    exchange.tick(NOW + 2_000);
    place(&mut exchange, BOB, order(Side::Buy, "1", ""));
    exchange.set_leverage(BOB, PERP, dec("100"), NOW).unwrap();
    place(&mut exchange, BOB, order(Side::Buy, "10", "110"));
    exchange.set_levels(
        PERP,
        &[(Side::Buy, (dec("90"), dec("0"))), (Side::Buy, (dec("10"), dec("99")))],
        NOW,
    );
    place(&mut exchange, BOB, order(Side::Sell, "11", "10"));
    let ledger = exchange.ledger(BOB);
    assert_eq!(exchange.margin(BOB, "USDT").equity(), Decimal::ZERO);
    assert!(ledger.covered["USDT"] > Decimal::ZERO, "{ledger:?}");
}

#[derive(Clone, Debug)]
enum Act {
    Place { who: usize, buy: bool, ticks: i64, lots: i64, kind: u8, reduce: bool },
    Cancel { who: usize },
    Amend { who: usize, ticks: i64, lots: i64 },
    Level { buy: bool, ticks: i64, lots: i64 },
    Trade { buy: bool, ticks: i64, lots: i64 },
    Leverage { who: usize, leverage: u32 },
    Mode { who: usize, isolated: bool },
    Mark { ticks: i64 },
    Rate { ppm: i64 },
    Pass { ms: u64 },
}

fn act() -> impl Strategy<Value = Act> {
    let (who, ticks, lots) = (0..3usize, 850..1150i64, 1..4000i64);
    prop_oneof![
        8 => (who.clone(), any::<bool>(), ticks.clone(), lots.clone(), 0..6u8, any::<bool>())
            .prop_map(|(who, buy, ticks, lots, kind, reduce)| Act::Place {
                who, buy, ticks, lots, kind, reduce: reduce && kind % 2 == 0 }),
        1 => who.clone().prop_map(|who| Act::Cancel { who }),
        2 => (who.clone(), ticks.clone(), lots.clone())
            .prop_map(|(who, ticks, lots)| Act::Amend { who, ticks, lots }),
        4 => (any::<bool>(), ticks.clone(), 0..4000i64)
            .prop_map(|(buy, ticks, lots)| Act::Level { buy, ticks, lots }),
        3 => (any::<bool>(), ticks.clone(), lots)
            .prop_map(|(buy, ticks, lots)| Act::Trade { buy, ticks, lots }),
        1 => (who.clone(), 1..101u32).prop_map(|(who, leverage)| Act::Leverage { who, leverage }),
        1 => (who, any::<bool>()).prop_map(|(who, isolated)| Act::Mode { who, isolated }),
        1 => ticks.prop_map(|ticks| Act::Mark { ticks }),
        1 => (-3000..3000i64).prop_map(|ppm| Act::Rate { ppm }),
        3 => (1..9 * HOUR).prop_map(|ms| Act::Pass { ms }),
    ]
}

fn perform(exchange: &mut Exchange, now: &mut u64, number: usize, act: Act) {
    let side = |buy| if buy { Side::Buy } else { Side::Sell };
    let (price, qty) = (|ticks| Decimal::new(ticks, 1), |lots| Decimal::new(lots, 3));
    match act {
        Act::Place { who, buy, ticks, lots, kind, reduce } => {
            let (order_type, time_in_force) = match kind {
                0..=2 => (SimOrderType::Limit, TimeInForce::Gtc),
                3 => (SimOrderType::Limit, TimeInForce::Ioc),
                4 => (SimOrderType::Market, TimeInForce::Ioc),
                _ => (SimOrderType::Limit, TimeInForce::Fok),
            };
            let request = PlaceRequest {
                symbol: PERP.to_owned(),
                client_id: format!("c{number}"),
                side: side(buy),
                order_type,
                time_in_force,
                price: price(ticks),
                qty: qty(lots),
                reduce_only: reduce,
            };
            let _ = exchange.place(AccountId(who), request, *now);
        }
        Act::Cancel { who } => drop(exchange.cancel_all(AccountId(who), None, *now)),
        Act::Amend { who, ticks, lots } => {
            let first = exchange.open_orders(AccountId(who), None).first().map(|o| o.order_id);
            if let Some(id) = first {
                let (price, qty) = (Some(price(ticks)), Some(qty(lots)));
                let _ = exchange.amend(AccountId(who), PERP, OrderRef::Id(id), price, qty, *now);
            }
        }
        Act::Level { buy, ticks, lots } => {
            exchange.set_level(PERP, side(buy), price(ticks), qty(lots), *now);
        }
        Act::Trade { buy, ticks, lots } => {
            exchange.background_trade(PERP, side(buy), price(ticks), qty(lots), *now);
        }
        Act::Leverage { who, leverage } => {
            let _ = exchange.set_leverage(AccountId(who), PERP, leverage.into(), *now);
        }
        Act::Mode { who, isolated } => {
            let mode = if isolated { SimMarginMode::Isolated } else { SimMarginMode::Cross };
            let _ = exchange.set_margin_mode(AccountId(who), PERP, mode, *now);
        }
        Act::Mark { ticks } => exchange.set_mark(PERP, Some(price(ticks))),
        Act::Rate { ppm } => exchange.set_funding_rate(PERP, Some(Decimal::new(ppm, 6))),
        Act::Pass { ms } => {
            *now += ms;
            exchange.tick(*now);
        }
    }
}

/// What must hold of an account after every call.
fn check(exchange: &Exchange, who: AccountId) {
    let margin = exchange.margin(who, "USDT");
    let position = exchange.position(who, PERP).unwrap();
    assert!(margin.equity() >= Decimal::ZERO, "{margin:?}");
    assert!(margin.cross_equity() >= margin.cross_maintenance, "{margin:?}");
    if position.mode == SimMarginMode::Isolated {
        assert!(position.isolated + position.unrealised >= position.maintenance, "{position:?}");
    } else {
        assert!(position.isolated.is_zero(), "{position:?}");
    }
    let mut reducing = Decimal::ZERO;
    let mut values = [Decimal::ZERO; 2];
    for order in exchange.open_orders(who, None) {
        let request = &order.request;
        if request.reduce_only {
            assert!(position.qty.is_sign_positive() == (request.side == Side::Sell));
            assert!(order.leaves() <= position.qty.abs(), "{order:?} {position:?}");
            reducing = reducing.max(order.leaves());
        } else {
            values[usize::from(request.side == Side::Sell)] += request.price * order.leaves();
        }
    }
    let value = position.qty * position.mark;
    let largest = (value + values[0]).abs().max((value - values[1]).abs());
    let initial = position.initial + position.order_initial;
    assert!((initial - largest / position.leverage).abs() < dec("0.000001"), "{position:?}");
    let ledger = exchange.ledger(who);
    let shown = ledger.positions.get(PERP).cloned().unwrap_or_default();
    assert_eq!(shown.qty, position.qty, "two ways of counting");
    let fees = ledger.fees.values().sum::<Decimal>();
    let covered = ledger.covered.values().sum::<Decimal>();
    let wallet = dec("1000") + position.realised - fees + position.funding + covered;
    assert_eq!(margin.wallet, wallet, "a wallet is what was paid into it");
}

/// The order of the venue meets somebody who cannot bear what it brings.
#[test]
fn a_liquidation_may_make_another_one() {
    let mut exchange = exchange_with(vec![perpetual(PERP)], "1000");
    let (mut now, mut number) = (NOW, 0);
    exchange.set_mark(PERP, Some(dec("100")));
    exchange.tick(now);
    let sell =
        |who, ticks, lots, kind| Act::Place { who, buy: false, ticks, lots, kind, reduce: false };
    let acts = [
        Act::Mode { who: 1, isolated: true },
        Act::Mark { ticks: 1094 },
        Act::Level { buy: true, ticks: 914, lots: 1 },
        Act::Mode { who: 0, isolated: true },
        sell(1, 850, 1, 0),
        sell(0, 915, 55, 0),
        sell(1, 850, 59, 1),
        Act::Pass { ms: 1 },
        sell(0, 850, 1, 0),
    ];
    for act in acts {
        perform(&mut exchange, &mut now, number, act);
        number += 1;
        for who in [ANNE, BOB, AccountId(2)] {
            check(&exchange, who);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn money_is_conserved_and_nobody_owes(
        acts in proptest::collection::vec(act(), 1..120), cancels in any::<bool>(),
    ) {
        let mut exchange = exchange_with(vec![perpetual(PERP)], "1000");
        exchange.set_reduce_only(ReduceOnlyPolicy {
            refuses_oversized: false, cancels_resting: cancels });
        let mut now = NOW;
        exchange.set_mark(PERP, Some(dec("100")));
        exchange.tick(now);
        let (mut paid, mut given) = (Decimal::ZERO, Decimal::ZERO);
        for (number, act) in acts.into_iter().enumerate() {
            perform(&mut exchange, &mut now, number, act);
            let all = [ANNE, BOB, AccountId(2)];
            for who in all {
                check(&exchange, who);
            }
            let wallets: Decimal = all.iter().map(|who| wallet(&exchange, *who)).sum();
            prop_assert_eq!(wallets + exchange.house("USDT"), dec("3000"));
            for event in exchange.take_events() {
                if let ExchangeEvent::Funding(payment) = event {
                    let exact = -payment.qty * payment.mark * payment.rate;
                    paid += exact;
                    given += payment.amount;
                    prop_assert!(payment.amount <= exact && exact - payment.amount < dec("0.00000001"));
                }
            }
        }
        prop_assert!(given <= paid);
    }
}

/// A spot pair is not taken for the contract of the same name that was never traded.
#[test]
fn a_contract_without_a_fill_is_in_the_ledger() {
    let contract = SymbolRules { symbol: "BTCUSDT.P".to_owned(), ..perpetual(PERP) };
    let mut exchange = exchange_with(vec![contract, spot()], "1000");
    exchange.set_levels("BTCUSDT", &[(Side::Sell, (dec("100"), dec("10")))], NOW);
    let request = PlaceRequest {
        symbol: "BTCUSDT".to_owned(),
        client_id: "one".to_owned(),
        side: Side::Buy,
        order_type: SimOrderType::Limit,
        time_in_force: TimeInForce::Ioc,
        price: dec("100"),
        qty: dec("1"),
        reduce_only: false,
    };
    exchange.place(ANNE, request, NOW).unwrap();
    let ledger = exchange.ledger(ANNE);
    assert!(ledger.position("BTCUSDT", false).qty > Decimal::ZERO);
    assert_eq!(ledger.position("BTCUSDT", true).qty, Decimal::ZERO);
}
