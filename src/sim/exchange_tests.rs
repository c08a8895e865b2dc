//! The exchange: matching, balances and fees by hand, and what must hold whatever clients do.

use super::{
    AccountId, ApiKey, Exchange, ExchangeEvent, OrderChange, OrderRef, PlaceRequest, Refusal,
    SelfTrade, SimOrder, SimOrderState, SimOrderType, SymbolRules,
};
use crate::types::{Side, TimeInForce};
use proptest::prelude::*;
use rust_decimal::Decimal;
use std::collections::BTreeMap;

const ANNE: AccountId = AccountId(0);
const BOB: AccountId = AccountId(1);
const NOW: u64 = 1_700_000_000_000;

fn dec(text: &str) -> Decimal {
    text.parse().unwrap()
}

/// Tick 0.01, lot 0.001, 5 USDT at least; maker 0.1 %, taker 0.2 %.
fn rules() -> SymbolRules {
    SymbolRules {
        symbol: "BTCUSDT".to_owned(),
        base: "BTC".to_owned(),
        quote: "USDT".to_owned(),
        tick_size: dec("0.01"),
        lot_size: dec("0.001"),
        price_min: dec("0.01"),
        price_max: dec("100000"),
        qty_min: dec("0.002"),
        qty_max: dec("100"),
        qty_market_max: dec("50"),
        notional_min: dec("5"),
        notional_max: dec("1000000"),
        maker_fee: dec("0.001"),
        taker_fee: dec("0.002"),
        fee_decimals: 8,
        perpetual: None,
    }
}

fn exchange() -> Exchange {
    let account = |name: &str| {
        let key = ApiKey {
            key: name.to_owned(),
            secret: "secret".to_owned(),
            ed25519_public: Vec::new(),
        };
        (key, BTreeMap::from([("BTC".to_owned(), dec("10")), ("USDT".to_owned(), dec("10000"))]))
    };
    Exchange::new(vec![rules()], vec![account("anne"), account("bob")])
}

struct Ask(PlaceRequest);

/// A limit order, good till cancelled.
fn limit(side: Side, qty: &str, price: &str) -> Ask {
    Ask(PlaceRequest {
        symbol: "BTCUSDT".to_owned(),
        client_id: format!("{side}-{qty}-{price}"),
        side,
        order_type: SimOrderType::Limit,
        time_in_force: TimeInForce::Gtc,
        price: dec(price),
        qty: dec(qty),
        reduce_only: false,
    })
}

impl Ask {
    fn id(mut self, id: &str) -> Self {
        self.0.client_id = id.to_owned();
        self
    }

    fn tif(mut self, tif: TimeInForce) -> Self {
        self.0.time_in_force = tif;
        self
    }

    fn kind(mut self, kind: SimOrderType) -> Self {
        self.0.order_type = kind;
        self
    }

    fn place(self, exchange: &mut Exchange, who: AccountId) -> Result<SimOrder, Refusal> {
        exchange.place(who, self.0, NOW)
    }
}

fn balance(exchange: &Exchange, who: AccountId, asset: &str) -> (String, String) {
    let (free, locked) = exchange.balances(who)[asset];
    (free.normalize().to_string(), locked.normalize().to_string())
}

fn pair(free: &str, locked: &str) -> (String, String) {
    (free.to_owned(), locked.to_owned())
}

/// Events in short: what clients would see of them, in order.
fn told(exchange: &mut Exchange) -> Vec<String> {
    let levels = |levels: Vec<(Decimal, Decimal)>| {
        let rows = levels.iter().map(|(p, q)| format!("{}:{}", p.normalize(), q.normalize()));
        rows.collect::<Vec<_>>().join(",")
    };
    let short = |event| match event {
        ExchangeEvent::Book { first_id, last_id, bids, asks, .. } => {
            format!("book +{} b[{}] a[{}]", last_id - first_id + 1, levels(bids), levels(asks))
        }
        ExchangeEvent::Trade { taker, price, qty, .. } => {
            format!("trade {taker} {}@{}", qty.normalize(), price.normalize())
        }
        ExchangeEvent::Order { order, change, fill, cancel_id } => {
            let fill = fill.map(|fill| {
                let role = if fill.maker { "maker" } else { "taker" };
                format!(" {role} fee {} {}", fill.fee.normalize(), fill.fee_asset)
            });
            let cancel = cancel_id.map(|id| format!(" by {id}")).unwrap_or_default();
            let id = &order.request.client_id;
            format!("{id} {change:?} {:?}{}{cancel}", order.state, fill.unwrap_or_default())
        }
        ExchangeEvent::Balance { account, assets, .. } => {
            let names: Vec<&str> = assets.iter().map(|(asset, _, _)| &**asset).collect();
            format!("balance {} {}", account.0, names.join(" "))
        }
        other => format!("{other:?}"),
    };
    exchange.take_events().into_iter().map(short).collect()
}

#[test]
fn two_clients_match_at_the_resting_price_and_the_taker_gets_the_better_price_back() {
    let mut exchange = exchange();
    let ask = limit(Side::Sell, "2", "100.00").id("a").place(&mut exchange, ANNE).unwrap();
    assert_eq!(ask.state, SimOrderState::New);
    assert_eq!(balance(&exchange, ANNE, "BTC"), pair("8", "2"));
    assert_eq!(told(&mut exchange), ["a New New", "book +1 b[] a[100:2]", "balance 0 BTC"]);

    let bid = limit(Side::Buy, "3", "101.00").id("b").place(&mut exchange, BOB).unwrap();
    assert_eq!((bid.state, bid.filled), (SimOrderState::PartiallyFilled, dec("2")));
    assert_eq!(bid.filled_quote, dec("200"));
    // Bob: pays 200, locks 1 x 101, receives 2 less 0.2 %. Anne: 200 less 0.1 %.
    assert_eq!(balance(&exchange, BOB, "USDT"), pair("9699", "101"));
    assert_eq!(balance(&exchange, BOB, "BTC"), pair("11.996", "0"));
    assert_eq!(balance(&exchange, ANNE, "USDT"), pair("10199.8", "0"));
    assert_eq!(balance(&exchange, ANNE, "BTC"), pair("8", "0"));
    assert_eq!(
        told(&mut exchange),
        [
            "b New New",
            "trade buy 2@100",
            "a Trade Filled maker fee 0.2 USDT",
            "b Trade PartiallyFilled taker fee 0.004 BTC",
            "book +2 b[101:1] a[100:0]",
            "balance 0 BTC USDT",
            "balance 1 BTC USDT",
        ]
    );
    let ledger = exchange.ledger(BOB);
    assert_eq!((ledger.fills, ledger.open_orders), (1, 1));
    assert_eq!(ledger.fees, BTreeMap::from([("BTC".to_owned(), dec("0.004"))]));
    let position = &ledger.positions["BTCUSDT"];
    assert_eq!(position.qty, dec("1.996"));
    assert_eq!(position.cost_e18, 199_600_000_000_000_000_000);
    assert_eq!(exchange.last_price("BTCUSDT"), Some(dec("100")));
}

#[test]
fn price_comes_before_time_and_time_before_all_else() {
    let mut exchange = exchange();
    exchange.set_level("BTCUSDT", Side::Sell, dec("100"), dec("1"), NOW);
    limit(Side::Sell, "1", "100").id("first").place(&mut exchange, ANNE).unwrap();
    exchange.set_level("BTCUSDT", Side::Sell, dec("100"), dec("2"), NOW);
    limit(Side::Sell, "1", "100").id("second").place(&mut exchange, BOB).unwrap();
    limit(Side::Sell, "1", "99.99").id("better").place(&mut exchange, BOB).unwrap();
    told(&mut exchange);
    // Queue: better; 1 background, first, 1 background, second.
    exchange.background_trade("BTCUSDT", Side::Buy, dec("100"), dec("2.5"), NOW);
    assert_eq!(
        told(&mut exchange),
        [
            "trade buy 1@99.99",
            "better Trade Filled maker fee 0.09999 USDT",
            "trade buy 1@100",
            "trade buy 0.5@100",
            "first Trade PartiallyFilled maker fee 0.05 USDT",
            "book +2 b[] a[99.99:0,100:2.5]",
            "balance 0 BTC USDT",
            "balance 1 BTC USDT",
        ]
    );
    let state = |exchange: &Exchange, who, id| {
        exchange.order(who, "BTCUSDT", OrderRef::Client(id)).unwrap().filled
    };
    exchange.background_trade("BTCUSDT", Side::Buy, dec("100"), dec("1"), NOW);
    assert_eq!(state(&exchange, ANNE, "first"), dec("1"));
    assert_eq!(state(&exchange, BOB, "second"), dec("0"), "background stands before it");
}

#[test]
fn immediate_orders_take_what_is_there_and_expire() {
    let mut exchange = exchange();
    exchange.set_level("BTCUSDT", Side::Sell, dec("100"), dec("1"), NOW);
    exchange.set_level("BTCUSDT", Side::Sell, dec("101"), dec("1"), NOW);
    told(&mut exchange);
    let ioc = limit(Side::Buy, "3", "100.5").id("ioc").tif(TimeInForce::Ioc);
    let ioc = ioc.place(&mut exchange, ANNE).unwrap();
    assert_eq!((ioc.state, ioc.filled), (SimOrderState::Expired, dec("1")));
    assert_eq!(balance(&exchange, ANNE, "USDT"), pair("9900", "0"));
    assert_eq!(
        told(&mut exchange),
        [
            "ioc New New",
            "trade buy 1@100",
            "ioc Trade PartiallyFilled taker fee 0.002 BTC",
            "ioc Expired Expired",
            "book +1 b[] a[100:0]",
            "balance 0 BTC USDT",
        ]
    );
    let fok = |qty| limit(Side::Buy, qty, "101").id("fok").tif(TimeInForce::Fok);
    let all = fok("1.001").place(&mut exchange, ANNE).unwrap();
    assert_eq!((all.state, all.filled), (SimOrderState::Expired, dec("0")));
    assert_eq!(told(&mut exchange), ["fok New New", "fok Expired Expired", "balance 0 USDT"]);
    assert_eq!(fok("1").place(&mut exchange, ANNE).unwrap().state, SimOrderState::Filled);
    assert!(exchange.open_orders(ANNE, None).is_empty());
}

#[test]
fn market_orders_sweep_by_base_or_by_quote() {
    let mut exchange = exchange();
    let market = |side, qty| limit(side, qty, "0").id("m").kind(SimOrderType::Market);
    let amount = |side, quote| limit(side, quote, "0").id("q").kind(SimOrderType::MarketQuote);
    let nothing = market(Side::Buy, "1").place(&mut exchange, ANNE);
    assert_eq!(nothing, Err(Refusal::NoLiquidity));
    exchange.set_level("BTCUSDT", Side::Sell, dec("100"), dec("1"), NOW);
    exchange.set_level("BTCUSDT", Side::Sell, dec("110"), dec("5"), NOW);
    exchange.set_level("BTCUSDT", Side::Buy, dec("90"), dec("2"), NOW);
    let bought = market(Side::Buy, "2").place(&mut exchange, ANNE).unwrap();
    assert_eq!((bought.state, bought.average_price()), (SimOrderState::Filled, dec("105")));
    assert_eq!(balance(&exchange, ANNE, "USDT"), pair("9790", "0"));
    // 250 buys two whole coins and 0.272 at 110; 0.08 is less than a lot and stays.
    told(&mut exchange);
    let spent = amount(Side::Buy, "250").place(&mut exchange, ANNE).unwrap();
    assert_eq!((spent.state, spent.filled), (SimOrderState::Filled, dec("2.272")));
    assert_eq!((spent.filled_quote, spent.leaves()), (dec("249.92"), dec("0")));
    assert_eq!(balance(&exchange, ANNE, "USDT"), pair("9540.08", "0"));
    // More than the book holds: fills it and expires.
    let rest = amount(Side::Sell, "500").place(&mut exchange, ANNE).unwrap();
    assert_eq!((rest.state, rest.filled), (SimOrderState::Expired, dec("2")));
    assert_eq!(balance(&exchange, ANNE, "BTC").1, "0");
    let short = market(Side::Buy, "50").place(&mut exchange, ANNE).unwrap();
    assert_eq!((short.state, short.filled), (SimOrderState::Expired, dec("1.728")));
}

#[test]
fn rules_are_enforced_in_the_venues_order() {
    let mut exchange = exchange();
    exchange.set_level("BTCUSDT", Side::Sell, dec("100"), dec("1"), NOW);
    let mut refusal = |ask: Ask| ask.place(&mut exchange, ANNE).err();
    let unknown = |mut ask: Ask| {
        ask.0.symbol = "XYZ".to_owned();
        ask
    };
    let buy = |qty: &str, price: &str| limit(Side::Buy, qty, price);
    let market = |qty| limit(Side::Buy, qty, "0").kind(SimOrderType::Market);
    assert_eq!(refusal(unknown(buy("1", "1"))), Some(Refusal::UnknownSymbol));
    // Everything is wrong with it; the price is looked at first, and its bounds before its tick.
    assert_eq!(refusal(buy("0.0001", "0.001")), Some(Refusal::PriceBounds));
    assert_eq!(refusal(buy("0.0001", "-1")), Some(Refusal::PriceBounds));
    assert_eq!(refusal(buy("0.0001", "100000.01")), Some(Refusal::PriceBounds));
    assert_eq!(refusal(buy("0.0001", "1.005")), Some(Refusal::PriceTick));
    assert_eq!(refusal(buy("0.0001", "1")), Some(Refusal::QtyBounds));
    assert_eq!(refusal(buy("100.001", "1")), Some(Refusal::QtyBounds));
    assert_eq!(refusal(buy("0.0025", "1")), Some(Refusal::QtyLot));
    assert_eq!(refusal(buy("0.002", "1")), Some(Refusal::NotionalMin));
    assert_eq!(refusal(buy("100", "10000.01")), Some(Refusal::NotionalMax));
    assert_eq!(refusal(market("50.001")), Some(Refusal::QtyBounds));
    assert_eq!(refusal(market("0.049")), Some(Refusal::NotionalMin));
    assert_eq!(refusal(buy("100", "100.01")), Some(Refusal::InsufficientBalance));
    assert_eq!(refusal(limit(Side::Sell, "10.001", "200")), Some(Refusal::InsufficientBalance));
    let post_only = |qty: &str, price: &str| buy(qty, price).kind(SimOrderType::PostOnly);
    assert_eq!(refusal(post_only("1", "100")), Some(Refusal::WouldTake));
    assert_eq!(refusal(post_only("1", "99.99").id("p")), None);
    assert_eq!(refusal(buy("1", "90").id("p")), Some(Refusal::DuplicateClientId));
    // A balance that would not cover it is noticed before that it would take.
    assert_eq!(refusal(post_only("99", "101")), Some(Refusal::InsufficientBalance));
    // An id is free again once its order has ended.
    let by = OrderRef::Client("p");
    exchange.cancel(ANNE, "BTCUSDT", by, None, NOW).unwrap();
    limit(Side::Buy, "1", "90").id("p").place(&mut exchange, ANNE).unwrap();
    assert_eq!(exchange.order(ANNE, "BTCUSDT", by).unwrap().request.price, dec("90"));
}

#[test]
fn cancels_release_everything_and_name_their_request() {
    let mut exchange = exchange();
    let order = limit(Side::Buy, "2", "100").id("x").place(&mut exchange, ANNE).unwrap();
    let by = OrderRef::Id(order.order_id);
    assert_eq!(balance(&exchange, ANNE, "USDT"), pair("9800", "200"));
    let foreign = exchange.cancel(BOB, "BTCUSDT", by, None, NOW);
    assert_eq!(foreign, Err(Refusal::UnknownOrder), "only its owner sees it");
    told(&mut exchange);
    let ended = exchange.cancel(ANNE, "BTCUSDT", by, Some("c1".to_owned()), NOW + 5).unwrap();
    assert_eq!((ended.state, ended.updated_ms), (SimOrderState::Canceled, NOW + 5));
    assert_eq!(
        told(&mut exchange),
        ["x Canceled Canceled by c1", "book +1 b[100:0] a[]", "balance 0 USDT"]
    );
    assert_eq!(balance(&exchange, ANNE, "USDT"), pair("10000", "0"));
    let again = exchange.cancel(ANNE, "BTCUSDT", by, None, NOW);
    assert_eq!(again, Err(Refusal::UnknownOrder));
    for price in ["90", "91", "92"] {
        limit(Side::Buy, "1", price).place(&mut exchange, ANNE).unwrap();
    }
    assert_eq!(exchange.cancel_all(ANNE, Some("ETHUSDT"), NOW), []);
    let prices: Vec<Decimal> =
        exchange.cancel_all(ANNE, None, NOW).iter().map(|order| order.request.price).collect();
    assert_eq!(prices, [dec("90"), dec("91"), dec("92")]);
    assert_eq!(balance(&exchange, ANNE, "USDT"), pair("10000", "0"));
    assert_eq!(exchange.depth("BTCUSDT", 9).unwrap().1, []);
}

#[test]
fn a_smaller_quantity_keeps_its_place_and_everything_else_loses_it() {
    let mut exchange = exchange();
    let place = |exchange: &mut Exchange, id: &str, who| {
        limit(Side::Sell, "2", "100").id(id).place(exchange, who).unwrap()
    };
    place(&mut exchange, "a", ANNE);
    place(&mut exchange, "b", BOB);
    let mut amend = |id, price: Option<&str>, qty: Option<&str>| {
        let by = OrderRef::Client(id);
        exchange.amend(ANNE, "BTCUSDT", by, price.map(dec), qty.map(dec), NOW)
    };
    assert_eq!(amend("a", None, None).err(), Some(Refusal::BadAmend));
    assert_eq!(amend("a", Some("100"), Some("2")).err(), Some(Refusal::BadAmend));
    assert_eq!(amend("a", Some("100.001"), None).err(), Some(Refusal::PriceTick));
    assert_eq!(amend("a", None, Some("10.5")).err(), Some(Refusal::InsufficientBalance));
    assert_eq!(amend("z", None, Some("1")).err(), Some(Refusal::UnknownOrder));
    assert_eq!(amend("a", None, Some("1.5")).unwrap().leaves(), dec("1.5"));
    assert_eq!(balance(&exchange, ANNE, "BTC"), pair("8.5", "1.5"));
    exchange.background_trade("BTCUSDT", Side::Buy, dec("100"), dec("1"), NOW);
    let filled = |exchange: &Exchange, who, id| {
        exchange.order(who, "BTCUSDT", OrderRef::Client(id)).unwrap().filled
    };
    assert_eq!(filled(&exchange, ANNE, "a"), dec("1"), "still first");
    // The new quantity counts what is filled; it must leave something.
    let by = OrderRef::Client("a");
    let low = exchange.amend(ANNE, "BTCUSDT", by, None, Some(dec("1")), NOW);
    assert_eq!(low, Err(Refusal::BadAmend));
    told(&mut exchange);
    exchange.amend(ANNE, "BTCUSDT", by, None, Some(dec("3")), NOW).unwrap();
    assert_eq!(
        told(&mut exchange),
        ["a Replaced PartiallyFilled", "book +1 b[] a[100:4]", "balance 0 BTC"]
    );
    exchange.background_trade("BTCUSDT", Side::Buy, dec("100"), dec("2"), NOW);
    assert_eq!(filled(&exchange, ANNE, "a"), dec("1"), "a larger quantity goes to the back");
    assert_eq!(filled(&exchange, BOB, "b"), dec("2"));
    // A price that crosses takes at once.
    exchange.set_level("BTCUSDT", Side::Buy, dec("99"), dec("1"), NOW);
    let order = exchange.amend(ANNE, "BTCUSDT", by, Some(dec("99")), None, NOW).unwrap();
    assert_eq!((order.state, order.filled), (SimOrderState::PartiallyFilled, dec("2")));
    assert_eq!(exchange.depth("BTCUSDT", 9).unwrap().2, [(dec("99"), dec("1"))]);
    let maker = exchange.fills(ANNE, "BTCUSDT").iter().map(|fill| fill.maker).collect::<Vec<_>>();
    assert_eq!(maker, [true, false]);
}

#[test]
fn background_that_crosses_displaces_background_and_fills_clients() {
    let mut exchange = exchange();
    exchange.set_level("BTCUSDT", Side::Buy, dec("99"), dec("5"), NOW);
    limit(Side::Buy, "1", "98").id("low").place(&mut exchange, ANNE).unwrap();
    limit(Side::Buy, "2", "99").id("high").place(&mut exchange, ANNE).unwrap();
    told(&mut exchange);
    exchange.set_level("BTCUSDT", Side::Sell, dec("98"), dec("2.5"), NOW);
    assert_eq!(
        told(&mut exchange),
        [
            "trade sell 2@99",
            "high Trade Filled maker fee 0.002 BTC",
            "trade sell 0.5@98",
            "low Trade PartiallyFilled maker fee 0.0005 BTC",
            "book +2 b[98:0.5,99:0] a[]",
            "balance 0 BTC USDT",
        ]
    );
    // A whole batch is one change, and a book that moves up does not meet itself on the way.
    let moved = [
        (Side::Buy, (dec("101"), dec("1"))),
        (Side::Sell, (dec("100"), dec("0"))),
        (Side::Sell, (dec("102"), dec("1"))),
    ];
    exchange.set_level("BTCUSDT", Side::Sell, dec("100"), dec("3"), NOW);
    told(&mut exchange);
    exchange.set_levels("BTCUSDT", &moved, NOW);
    assert_eq!(told(&mut exchange), ["book +3 b[101:1] a[100:0,102:1]"]);
    exchange.set_levels("BTCUSDT", &moved, NOW);
    assert_eq!(told(&mut exchange), [] as [&str; 0], "nothing changed");
}

#[test]
fn meeting_oneself_matches_or_expires_the_resting_order() {
    let mut exchange = exchange();
    limit(Side::Sell, "1", "100").id("rest").place(&mut exchange, ANNE).unwrap();
    limit(Side::Buy, "1", "100").id("take").place(&mut exchange, ANNE).unwrap();
    // Both fees are paid: 0.1 of the quote, 0.002 of the base.
    assert_eq!(balance(&exchange, ANNE, "USDT"), pair("9999.9", "0"));
    assert_eq!(balance(&exchange, ANNE, "BTC"), pair("9.998", "0"));
    let fills = exchange.fills(ANNE, "BTCUSDT");
    assert_eq!(fills.len(), 2);
    assert_eq!(fills[0].trade_id, fills[1].trade_id);

    exchange.set_self_trade(SelfTrade::ExpireMaker);
    exchange.set_level("BTCUSDT", Side::Sell, dec("101"), dec("1"), NOW);
    limit(Side::Sell, "1", "100").id("rest").place(&mut exchange, ANNE).unwrap();
    told(&mut exchange);
    let fok = limit(Side::Buy, "1.5", "101").id("fok").tif(TimeInForce::Fok);
    let fok = fok.place(&mut exchange, ANNE).unwrap();
    assert_eq!(fok.state, SimOrderState::Expired, "its own order does not count");
    let take = limit(Side::Buy, "1", "101").id("take").place(&mut exchange, ANNE).unwrap();
    assert_eq!((take.state, take.filled_quote), (SimOrderState::Filled, dec("101")));
    let events = told(&mut exchange);
    assert!(events.contains(&"rest Expired Expired".to_owned()), "{events:?}");
    assert_eq!(balance(&exchange, ANNE, "BTC").1, "0");
}

#[test]
fn fees_are_cut_not_rounded() {
    let mut exchange = exchange();
    exchange.set_level("BTCUSDT", Side::Buy, dec("33.33"), dec("1"), NOW);
    // 0.501 x 33.33 x 0.002 = 0.03339666 exactly; at three decimals it is cut to 0.033.
    let mut coarse = rules();
    coarse.fee_decimals = 3;
    let key = ApiKey { key: "k".to_owned(), secret: String::new(), ed25519_public: vec![] };
    let funds = BTreeMap::from([("BTC".to_owned(), dec("1"))]);
    let mut cut = Exchange::new(vec![coarse], vec![(key, funds)]);
    cut.set_level("BTCUSDT", Side::Buy, dec("33.33"), dec("1"), NOW);
    for (exchange, fee, free) in
        [(&mut exchange, "0.03339666", "10016.66493334"), (&mut cut, "0.033", "16.66533")]
    {
        let sold = limit(Side::Sell, "0.501", "33").place(exchange, ANNE).unwrap();
        assert_eq!(sold.fees, BTreeMap::from([("USDT".to_owned(), dec(fee))]));
        assert_eq!(balance(exchange, ANNE, "USDT"), pair(free, "0"));
    }
}

#[test]
fn refused_orders_can_be_given_an_id_and_an_event() {
    let mut exchange = exchange();
    let Ask(request) = limit(Side::Buy, "1", "100").id("late").kind(SimOrderType::PostOnly);
    let order = exchange.record_rejected(ANNE, request, NOW);
    assert_eq!(order.state, SimOrderState::Rejected);
    assert_eq!(told(&mut exchange), ["late Rejected Rejected"]);
    let kept = exchange.order(ANNE, "BTCUSDT", OrderRef::Client("late")).unwrap();
    assert_eq!(kept.order_id, order.order_id);
    assert!(exchange.open_orders(ANNE, None).is_empty());
    assert_eq!(balance(&exchange, ANNE, "USDT"), pair("10000", "0"));
}

#[test]
fn accounts_are_found_by_any_of_their_keys() {
    let mut exchange = exchange();
    let second =
        ApiKey { key: "bob-2".to_owned(), secret: String::new(), ed25519_public: vec![1; 32] };
    exchange.add_key(BOB, second.clone());
    assert_eq!(exchange.account_by_key("bob-2"), Some((BOB, &second)));
    assert_eq!(exchange.account_by_key("bob").map(|(id, _)| id), Some(BOB));
    assert_eq!(exchange.account_by_key("carol"), None);
}

#[test]
fn history_is_bounded() {
    let mut exchange = exchange();
    let first = limit(Side::Buy, "1", "50").id("first").place(&mut exchange, ANNE).unwrap();
    let by = OrderRef::Id(first.order_id);
    exchange.cancel(ANNE, "BTCUSDT", by, None, NOW).unwrap();
    let open = limit(Side::Buy, "1", "50").id("open").place(&mut exchange, ANNE).unwrap();
    let busy = |exchange: &mut Exchange, who| {
        for _ in 0..10_000 {
            let Ask(request) = limit(Side::Buy, "1", "100").id("again");
            exchange.record_rejected(who, request, NOW);
        }
    };
    busy(&mut exchange, BOB);
    assert!(exchange.order(ANNE, "BTCUSDT", by).is_some(), "others do not push it out");
    busy(&mut exchange, ANNE);
    assert_eq!(exchange.order(ANNE, "BTCUSDT", by), None);
    assert_eq!(exchange.order(ANNE, "BTCUSDT", OrderRef::Client("first")), None);
    assert!(exchange.order(ANNE, "BTCUSDT", OrderRef::Id(open.order_id)).is_some());
    assert!(exchange.order(ANNE, "BTCUSDT", OrderRef::Client("again")).is_some());
}

/// Something that may be done to an exchange.
#[derive(Clone, Debug)]
enum Act {
    Place { who: usize, side: Side, kind: u8, ticks: i64, lots: i64 },
    Cancel { who: usize, pick: usize },
    CancelAll { who: usize },
    Amend { who: usize, pick: usize, ticks: i64, lots: i64 },
    Level { side: Side, ticks: i64, lots: i64 },
    Trade { side: Side, ticks: i64, lots: i64 },
}

fn act() -> impl Strategy<Value = Act> {
    let side = prop_oneof![Just(Side::Buy), Just(Side::Sell)];
    let (ticks, lots) = (9_990i64..10_010, 0i64..3_000);
    let place = (0..2usize, side.clone(), 0u8..6, ticks.clone(), lots.clone());
    prop_oneof![
        6 => place.prop_map(|(who, side, kind, ticks, lots)| Act::Place { who, side, kind, ticks, lots }),
        2 => (0..2usize, 0..20usize).prop_map(|(who, pick)| Act::Cancel { who, pick }),
        1 => (0..2usize).prop_map(|who| Act::CancelAll { who }),
        2 => (0..2usize, 0..20usize, ticks.clone(), lots.clone())
            .prop_map(|(who, pick, ticks, lots)| Act::Amend { who, pick, ticks, lots }),
        4 => (side.clone(), ticks.clone(), lots.clone())
            .prop_map(|(side, ticks, lots)| Act::Level { side, ticks, lots }),
        2 => (side, ticks, lots).prop_map(|(side, ticks, lots)| Act::Trade { side, ticks, lots }),
    ]
}

fn perform(exchange: &mut Exchange, act: Act, count: usize) {
    let price = |ticks: i64| Decimal::new(ticks, 2);
    let qty = |lots: i64| Decimal::new(lots, 3);
    match act {
        Act::Place { who, side, kind, ticks, lots } => {
            let (order_type, time_in_force) = match kind {
                0 | 1 => (SimOrderType::Limit, TimeInForce::Gtc),
                2 => (SimOrderType::Limit, TimeInForce::Ioc),
                3 => (SimOrderType::Limit, TimeInForce::Fok),
                4 => (SimOrderType::PostOnly, TimeInForce::Gtc),
                _ if lots % 2 == 0 => (SimOrderType::Market, TimeInForce::Ioc),
                _ => (SimOrderType::MarketQuote, TimeInForce::Ioc),
            };
            let quote_sized = order_type == SimOrderType::MarketQuote;
            let request = PlaceRequest {
                symbol: "BTCUSDT".to_owned(),
                client_id: format!("c{count}"),
                side,
                order_type,
                time_in_force,
                price: price(ticks),
                qty: if quote_sized { qty(lots * 100) } else { qty(lots) },
                reduce_only: false,
            };
            let _ = exchange.place(AccountId(who), request, NOW);
        }
        Act::Cancel { who, pick } => {
            if let Some(id) = pick_open(exchange, who, pick) {
                exchange.cancel(AccountId(who), "BTCUSDT", OrderRef::Id(id), None, NOW).unwrap();
            }
        }
        Act::CancelAll { who } => {
            exchange.cancel_all(AccountId(who), None, NOW);
        }
        Act::Amend { who, pick, ticks, lots } => {
            if let Some(id) = pick_open(exchange, who, pick) {
                let (price, qty) = (Some(price(ticks)), Some(qty(lots)));
                let by = OrderRef::Id(id);
                let _ = exchange.amend(AccountId(who), "BTCUSDT", by, price, qty, NOW);
            }
        }
        Act::Level { side, ticks, lots } => {
            exchange.set_level("BTCUSDT", side, price(ticks), qty(lots), NOW);
        }
        Act::Trade { side, ticks, lots } => {
            exchange.background_trade("BTCUSDT", side, price(ticks), qty(lots), NOW);
        }
    }
}

fn pick_open(exchange: &Exchange, who: usize, pick: usize) -> Option<u64> {
    let open = exchange.open_orders(AccountId(who), None);
    (!open.is_empty()).then(|| open[pick % open.len()].order_id)
}

/// What one account must hold given its deposits, its fills and its open orders.
fn check_account(exchange: &Exchange, who: AccountId) {
    let mut need =
        BTreeMap::from([("BTC", (dec("10"), dec("0"))), ("USDT", (dec("10000"), dec("0")))]);
    for fill in exchange.fills(who, "BTCUSDT") {
        let sign = Decimal::from(fill.side.sign());
        need.get_mut("BTC").unwrap().0 += sign * fill.qty;
        need.get_mut("USDT").unwrap().0 -= sign * fill.qty * fill.price;
        need.get_mut(&*fill.fee_asset).unwrap().0 -= fill.fee;
    }
    for order in exchange.open_orders(who, None) {
        let (asset, amount) = match order.request.side {
            Side::Buy => ("USDT", order.leaves() * order.request.price),
            Side::Sell => ("BTC", order.leaves()),
        };
        assert!(order.leaves() > Decimal::ZERO);
        let entry = need.get_mut(asset).unwrap();
        entry.0 -= amount;
        entry.1 += amount;
    }
    for (asset, (free, locked)) in exchange.balances(who) {
        assert!(free >= Decimal::ZERO && locked >= Decimal::ZERO);
        assert_eq!((free, locked), need[&*asset], "{asset} of {who:?}");
    }
    let ledger = exchange.ledger(who);
    let fills = exchange.fills(who, "BTCUSDT");
    assert_eq!(ledger.fills, fills.len() as u64);
    if let Some(position) = ledger.positions.get("BTCUSDT") {
        let held: Decimal = exchange.balances(who)["BTC"].0 + exchange.balances(who)["BTC"].1;
        assert_eq!(position.qty, held - dec("10"), "the position is what the balance changed by");
    }
}

/// A book kept from the events alone.
#[derive(Default)]
struct Follower {
    last_id: Option<u64>,
    bids: BTreeMap<Decimal, Decimal>,
    asks: BTreeMap<Decimal, Decimal>,
}

impl Follower {
    fn apply(&mut self, event: &ExchangeEvent) {
        let ExchangeEvent::Book { first_id, last_id, bids, asks, .. } = event else { return };
        assert!(self.last_id.is_none_or(|last| last + 1 == *first_id));
        assert_eq!(last_id - first_id + 1, (bids.len() + asks.len()) as u64);
        self.last_id = Some(*last_id);
        for (levels, changes) in [(&mut self.bids, bids), (&mut self.asks, asks)] {
            for (price, qty) in changes {
                let before = levels.insert(*price, *qty).unwrap_or_default();
                assert_ne!(before, *qty, "a change changes something");
            }
            levels.retain(|_, qty| !qty.is_zero());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_made_or_lost_whatever_clients_do(
        acts in prop::collection::vec(act(), 1..80),
        expires_maker in any::<bool>(),
    ) {
        let mut exchange = exchange();
        if expires_maker {
            exchange.set_self_trade(SelfTrade::ExpireMaker);
        }
        let mut follower = Follower::default();
        for (count, act) in acts.into_iter().enumerate() {
            perform(&mut exchange, act, count);
            let mut ended = BTreeMap::new();
            for event in exchange.take_events() {
                follower.apply(&event);
                if let ExchangeEvent::Order { order, change, .. } = event {
                    let over = ended.insert(order.order_id, !order.state.is_open());
                    prop_assert!(over != Some(true), "nothing follows an order's end");
                    prop_assert_eq!(change == OrderChange::New, order.state == SimOrderState::New && change != OrderChange::Replaced);
                }
            }
            let (last_id, bids, asks) = exchange.depth("BTCUSDT", 1_000).unwrap();
            prop_assert_eq!(follower.last_id.unwrap_or(last_id), last_id);
            prop_assert!(bids.iter().eq(follower.bids.iter().rev().map(|(p, q)| (*p, *q)).collect::<Vec<_>>().iter()));
            prop_assert!(asks.iter().eq(follower.asks.iter().map(|(p, q)| (*p, *q)).collect::<Vec<_>>().iter()));
            if let (Some(bid), Some(ask)) = (bids.first(), asks.first()) {
                prop_assert!(bid.0 < ask.0, "crossed");
            }
            check_account(&exchange, ANNE);
            check_account(&exchange, BOB);
        }
    }
}
