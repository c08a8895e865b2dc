//! The public channels: order books and their numbers, trades, marks, funding rates.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn data(message: &str) -> Value {
    json(message)["data"][0].clone()
}

/// Texts of a channel since.
fn of(rig: &mut Rig, channel: &str) -> Vec<String> {
    let arg = format!("\"channel\":\"{channel}\"");
    rig.taken().into_iter().map(|(_, text)| text).filter(|text| text.contains(&arg)).collect()
}

fn subscribed(rig: &mut Rig, conn: ConnId, channel: &str, id: &str) -> Value {
    let arg = format!(r#"{{"channel":"{channel}","instId":"{id}"}}"#);
    let answers = rig.subscribe(conn, &arg);
    let first = answers.iter().map(|text| json(text)).find(|one| one["event"].is_null());
    first.unwrap_or_else(|| panic!("{answers:?}"))
}

#[test]
fn a_book_is_a_snapshot_and_then_linked_updates() {
    let mut rig = Rig::with_book();
    let snapshot = subscribed(&mut rig, PUBLIC, "books", "BTC-USDT");
    let seq = snapshot["data"][0]["seqId"].as_u64().unwrap();
    let expected = format!(
        r#"{{"arg":{{"channel":"books","instId":"BTC-USDT"}},"action":"snapshot","data":[{{"asks":[["65000.1","0.25","0","1"],["65001","1","0","1"]],"bids":[["64999.9","0.5","0","1"],["64999","1","0","1"]],"ts":"1700000000000","checksum":0,"prevSeqId":-1,"seqId":{seq}}}]}}"#
    );
    assert_eq!(snapshot, json(&expected));
    rig.now += 40;
    rig.level(Side::Buy, "64999.9", "0");
    rig.level(Side::Buy, "64998", "2");
    rig.level(Side::Sell, "65000.5", "0.1");
    rig.publish();
    assert_eq!(of(&mut rig, "books"), [""; 0], "not before 100 ms have passed");
    rig.pass(60);
    let updates = of(&mut rig, "books");
    let next = data(&updates[0])["seqId"].as_u64().unwrap();
    assert!(next > seq);
    let expected = format!(
        r#"{{"arg":{{"channel":"books","instId":"BTC-USDT"}},"action":"update","data":[{{"asks":[["65000.5","0.1","0","1"]],"bids":[["64999.9","0","0","0"],["64998","2","0","1"]],"ts":"1700000000040","checksum":0,"prevSeqId":{seq},"seqId":{next}}}]}}"#
    );
    assert_eq!(updates, [expected]);
    // A second listener begins where the first one is.
    rig.open(ConnId(9), "/ws/v5/public").unwrap();
    let late = subscribed(&mut rig, ConnId(9), "books", "BTC-USDT");
    assert_eq!(late["data"][0]["seqId"], next);
    assert_eq!(late["data"][0]["bids"][0][0], "64999");
    let rest = rig.public("/market/books", "instId=BTC-USDT&sz=1");
    assert_eq!(rest["data"][0]["seqId"], next);
    assert_eq!(rest["data"][0]["bids"], json(r#"[["64999","1","0","1"]]"#));
}

#[test]
fn a_quiet_book_is_confirmed_every_minute() {
    let mut rig = Rig::with_book();
    let snapshot = subscribed(&mut rig, PUBLIC, "books", "BTC-USDT");
    let seq = &snapshot["data"][0]["seqId"];
    rig.pass(59_999);
    assert_eq!(of(&mut rig, "books"), [""; 0]);
    rig.pass(1);
    let quiet = data(&of(&mut rig, "books")[0]);
    assert_eq!((&quiet["seqId"], &quiet["prevSeqId"]), (seq, seq));
    assert_eq!((&quiet["bids"], &quiet["asks"]), (&json("[]"), &json("[]")));
    rig.level(Side::Buy, "64998", "2");
    rig.publish();
    rig.pass(100);
    assert_eq!(&data(&of(&mut rig, "books")[0])["prevSeqId"], seq, "the link is kept");
}

#[test]
fn numbers_may_begin_again_and_the_link_is_kept() {
    let mut rig = Rig::with_book();
    let snapshot = subscribed(&mut rig, PUBLIC, "books", "BTC-USDT");
    let seq = snapshot["data"][0]["seqId"].as_u64().unwrap();
    rig.wire.on_reset_books();
    rig.level(Side::Buy, "64998", "2");
    rig.publish();
    rig.pass(100);
    let reset = data(&of(&mut rig, "books")[0]);
    assert_eq!(reset["prevSeqId"], seq);
    let low = reset["seqId"].as_u64().unwrap();
    assert!(low < 100, "{reset}");
    rig.level(Side::Buy, "64998", "3");
    rig.publish();
    rig.pass(100);
    assert_eq!(data(&of(&mut rig, "books")[0])["prevSeqId"], low);
}

#[test]
fn the_best_levels_and_five_of_them_are_snapshots() {
    let mut rig = Rig::with_book();
    let best = subscribed(&mut rig, PUBLIC, "bbo-tbt", "BTC-USDT");
    let five = subscribed(&mut rig, PUBLIC, "books5", "BTC-USDT");
    assert_eq!(best["data"][0]["bids"], json(r#"[["64999.9","0.5","0","1"]]"#));
    assert_eq!(five["data"][0]["bids"].as_array().unwrap().len(), 2);
    assert_eq!(five["data"][0]["instId"], "BTC-USDT");
    assert!(best["action"].is_null() && five["action"].is_null());
    rig.now += 10;
    rig.level(Side::Buy, "64999.9", "0.7");
    rig.publish();
    let told = rig.taken();
    assert_eq!(told.len(), 1, "ten milliseconds are enough for the best level only: {told:?}");
    assert_eq!(data(&told[0].1)["bids"], json(r#"[["64999.9","0.7","0","1"]]"#));
    rig.pass(90);
    assert_eq!(data(&of(&mut rig, "books5")[0])["bids"][0][1], "0.7");
    // A change below the best level is none of this channel's.
    rig.level(Side::Buy, "64999", "2");
    rig.publish();
    rig.pass(1_000);
    assert_eq!(of(&mut rig, "bbo-tbt"), [""; 0]);
}

#[test]
fn quantities_of_swaps_are_contracts() {
    let mut rig = Rig::new();
    let id = "BTC-USDT-SWAP";
    rig.exchange.set_level(id, Side::Buy, dec("65000"), dec("0.5"), rig.now);
    rig.exchange.set_level(id, Side::Sell, dec("65000.1"), dec("0.0103"), rig.now);
    rig.publish();
    let book = subscribed(&mut rig, PUBLIC, "books", id);
    assert_eq!(book["data"][0]["bids"], json(r#"[["65000","50","0","1"]]"#));
    assert_eq!(book["data"][0]["asks"], json(r#"[["65000.1","1.03","0","1"]]"#));
    subscribed(&mut rig, PUBLIC, "tickers", id);
    rig.subscribe(PUBLIC, r#"{"channel":"trades","instId":"BTC-USDT-SWAP"}"#);
    rig.now += 100;
    rig.exchange.background_trade(id, Side::Sell, dec("65000"), dec("0.02"), rig.now);
    rig.publish();
    let told = rig.taken();
    let row = |channel: &str| {
        let arg = format!("\"channel\":\"{channel}\"");
        data(&told.iter().find(|(_, text)| text.contains(&arg)).unwrap().1)
    };
    assert_eq!(row("trades")["sz"], "2");
    let [last, all, base] = texts(&row("tickers"), ["lastSz", "vol24h", "volCcy24h"]);
    assert_eq!([&*last, &all, &base], ["2", "2", "0.02"]);
}

#[test]
fn matches_of_one_taker_at_one_price_are_one_trade() {
    let mut rig = Rig::with_book();
    rig.login(TRADE);
    for name in ["a1", "a2"] {
        let order = r#""side":"buy","ordType":"limit","px":"65000","sz":"0.1","clOrdId""#;
        rig.place(&format!(r#"{order}:"{name}""#));
    }
    rig.publish();
    rig.subscribe(PUBLIC, r#"{"channel":"trades","instId":"BTC-USDT"}"#);
    rig.open(ConnId(9), "/ws/v5/business").unwrap();
    rig.subscribe(ConnId(9), r#"{"channel":"trades-all","instId":"BTC-USDT"}"#);
    rig.exchange.background_trade("BTC-USDT", Side::Sell, dec("65000"), dec("0.15"), rig.now);
    rig.publish();
    let told = rig.taken();
    let rows = |channel: &str| -> Vec<Value> {
        let arg = format!("\"channel\":\"{channel}\"");
        told.iter().filter(|(_, text)| text.contains(&arg)).map(|(_, text)| data(text)).collect()
    };
    let merged = rows("trades");
    assert_eq!(merged.len(), 1);
    let [side, size, count, last] = texts(&merged[0], ["side", "sz", "count", "tradeId"]);
    assert_eq!([&*side, &size, &count], ["sell", "0.15", "2"]);
    let single = rows("trades-all");
    let sizes: Vec<_> = single.iter().map(|row| row["sz"].as_str().unwrap()).collect();
    assert_eq!(sizes, ["0.1", "0.05"]);
    assert_eq!(single[1]["tradeId"], *last, "the last of the merged ones");
    let rest = rig.public("/market/trades", "instId=BTC-USDT&limit=1");
    assert_eq!(rest["data"][0]["tradeId"], *last);
}

#[test]
fn marks_and_funding_rates_of_swaps() {
    let mut rig = Rig::new();
    let id = "BTC-USDT-SWAP";
    rig.exchange.set_level(id, Side::Buy, dec("65000"), dec("0.5"), rig.now);
    rig.exchange.set_level(id, Side::Sell, dec("65000.2"), dec("0.5"), rig.now);
    rig.exchange.set_funding_rate(id, Some(dec("0.000125")));
    rig.pass(1_000);
    let mark = subscribed(&mut rig, PUBLIC, "mark-price", id);
    let expected = r#"{"arg":{"channel":"mark-price","instId":"BTC-USDT-SWAP"},"data":[{"instType":"SWAP","instId":"BTC-USDT-SWAP","markPx":"65000.1","ts":"1700000001000"}]}"#;
    assert_eq!(mark, json(expected));
    let index = subscribed(&mut rig, PUBLIC, "index-tickers", "BTC-USDT");
    assert_eq!(index["arg"], json(r#"{"channel":"index-tickers","instId":"BTC-USDT"}"#));
    assert_eq!(index["data"][0]["idxPx"], "65000.1");
    let funding = subscribed(&mut rig, PUBLIC, "funding-rate", id);
    shapes::covers(&funding, "ws_funding_rate");
    let row = &funding["data"][0];
    let names = ["fundingRate", "fundingTime", "nextFundingTime", "maxFundingRate"];
    let expected = ["0.000125", "1700006400000", "1700035200000", "0.00375"];
    assert_eq!(texts(row, names), expected);
    shapes::same(&rig.public("/public/funding-rate", "instId=BTC-USDT-SWAP"), "rest_funding_rate");
    shapes::same(&rig.public("/public/mark-price", "instType=SWAP"), "rest_mark_price");
    rig.taken();
    rig.exchange.set_mark(id, Some(dec("65010")));
    rig.pass(1_000);
    assert_eq!(data(&of(&mut rig, "mark-price")[0])["markPx"], "65010");
    // Once the interval is over the next one is told at once, and the rate is history.
    rig.now = 1_700_006_400_000;
    rig.pass(5);
    let next = data(&of(&mut rig, "funding-rate")[0]);
    assert_eq!(texts(&next, ["fundingTime", "settFundingRate"]), ["1700035200000", "0.000125"]);
    let history = rig.public("/public/funding-rate-history", "instId=BTC-USDT-SWAP");
    shapes::same(&history, "rest_funding_rate_history");
    let names = ["realizedRate", "fundingTime"];
    assert_eq!(texts(&history["data"][0], names), ["0.000125", "1700006400000"]);
}

#[test]
fn price_limits_are_a_band_around_the_mark() {
    let mut rig = Rig::with_book();
    let limits = subscribed(&mut rig, PUBLIC, "price-limit", "BTC-USDT");
    assert_eq!(texts(&limits["data"][0], ["buyLmt", "sellLmt"]), ["66950", "63050"]);
    rig.pass(200);
    rig.taken();
    rig.exchange.background_trade("BTC-USDT", Side::Buy, dec("65000.1"), dec("0.01"), rig.now);
    rig.publish();
    let row = data(&of(&mut rig, "price-limit")[0]);
    assert_eq!(texts(&row, ["buyLmt", "sellLmt"]), ["66950.1", "63050.1"]);
}

#[test]
fn changed_rules_of_an_instrument_are_pushed() {
    let mut rig = Rig::with_book();
    let answers = rig.subscribe(PUBLIC, r#"{"channel":"instruments","instType":"SPOT"}"#);
    assert_eq!(answers.len(), 1, "it begins with nothing");
    rig.pass(10);
    assert_eq!(of(&mut rig, "instruments"), [""; 0]);
    let mut rules = rig.exchange.rules("BTC-USDT").unwrap().clone();
    rules.tick_size = dec("0.5");
    assert!(rig.exchange.set_rules(rules));
    rig.pass(10);
    let told = of(&mut rig, "instruments");
    assert_eq!(told.len(), 1);
    shapes::covers(&json(&told[0]), "ws_instruments");
    assert_eq!(texts(&data(&told[0]), ["instId", "tickSz"]), ["BTC-USDT", "0.5"]);
}

proptest! {
    /// Whatever happens, a client that follows the rules has the venue's book.
    #[test]
    fn updates_link_and_rebuild_the_book(
        steps in prop::collection::vec((any::<bool>(), 1u32..12, 0u32..3, 0u64..250, any::<bool>()), 1..60),
    ) {
        let mut rig = Rig::with_book();
        let first = subscribed(&mut rig, PUBLIC, "books", "BTC-USDT")["data"][0].clone();
        let mut last = first["seqId"].as_i64().unwrap();
        let mut sides = [BTreeMap::new(), BTreeMap::new()];
        let apply = |sides: &mut [BTreeMap<Decimal, Decimal>; 2], row: &Value| {
            for (side, name) in sides.iter_mut().zip(["bids", "asks"]) {
                for level in row[name].as_array().unwrap() {
                    let [price, qty] = [0, 1].map(|place: usize| dec(level[place].as_str().unwrap()));
                    if qty.is_zero() { side.remove(&price); } else { side.insert(price, qty); }
                }
            }
        };
        apply(&mut sides, &first);
        for (buy, tick, qty, wait, reset) in steps {
            let side = if buy { Side::Buy } else { Side::Sell };
            let middle = dec("65000");
            let away = Decimal::from(tick) / dec("10");
            let price = if buy { middle - away } else { middle + away };
            rig.exchange.set_level("BTC-USDT", side, price, Decimal::from(qty), rig.now);
            if reset && tick == 1 { rig.wire.on_reset_books(); }
            rig.publish();
            rig.pass(wait);
            for text in of(&mut rig, "books") {
                let row = data(&text);
                prop_assert_eq!(row["prevSeqId"].as_i64().unwrap(), last);
                last = row["seqId"].as_i64().unwrap();
                apply(&mut sides, &row);
            }
        }
        rig.pass(100);
        for text in of(&mut rig, "books") { apply(&mut sides, &data(&text)); }
        let (_, bids, asks) = rig.exchange.depth("BTC-USDT", 400).unwrap();
        prop_assert_eq!(&sides[0], &bids.into_iter().collect());
        prop_assert_eq!(&sides[1], &asks.into_iter().collect());
    }
}
