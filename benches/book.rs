//! One depth message into a book: the ladder against a tree and a sorted list.
//!
//! Replays the recorded USD-M depth of BTC if `STOOP_CAPTURES` names a folder with it, else a
//! seeded imitation of it: as many levels a message, as far from the market, as many of them
//! removals. Every structure gets the same messages in the same order and tells its best levels
//! after each.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use flate2::read::GzDecoder;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::hint::black_box;
use std::io::{BufRead, BufReader};
use std::path::Path;
use stoop::book::{Ladder, LadderOptions};
use stoop::types::{Level, Price, Qty, Scale, Side};
use stoop::venues::decimal;

/// Bids and asks of one message.
type Message = (Vec<Level>, Vec<Level>);

fn messages() -> Vec<Message> {
    let recorded = std::env::var_os("STOOP_CAPTURES")
        .and_then(|root| recorded(&Path::new(&root).join("binance/usdm_btcusdt_20240808.gz")));
    recorded.unwrap_or_else(imitated)
}

fn recorded(path: &Path) -> Option<Vec<Message>> {
    let scale = Scale { price_decimals: 1, qty_decimals: 3 };
    let side = |rows: &Value| -> Option<Vec<Level>> {
        let level = |row: &Value| {
            Some(Level {
                price: decimal::price(row[0].as_str()?, scale).ok()?,
                qty: decimal::qty(row[1].as_str()?, scale).ok()?,
            })
        };
        rows.as_array()?.iter().map(level).collect()
    };
    let lines = BufReader::new(GzDecoder::new(File::open(path).ok()?)).lines();
    let message = |line: String| -> Option<Message> {
        let frame: Value = serde_json::from_str(line.split_once(' ')?.1).ok()?;
        if frame.get("lastUpdateId").is_some() {
            return Some((side(&frame["bids"])?, side(&frame["asks"])?));
        }
        Some((side(&frame["data"]["b"])?, side(&frame["data"]["a"])?))
    };
    Some(lines.map_while(Result::ok).filter_map(message).collect())
}

fn imitated() -> Vec<Message> {
    let mut seed = 42u64;
    let mut random = move |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let mut middle = 600_000i64;
    let mut messages = Vec::new();
    for _ in 0..6_000 {
        middle += random(7) as i64 - 3;
        let mut side = |sign: i64| -> Vec<Level> {
            let count = 5 + random(60);
            let mut levels = Vec::new();
            for _ in 0..count {
                let distance = match random(20) {
                    0 => random(500_000),
                    1..=4 => random(6_000),
                    _ => random(800),
                } as i64;
                let qty = if random(5) == 0 { 0 } else { random(100_000) as i64 };
                let price = Price((middle + sign * (1 + distance)).max(1));
                levels.push(Level { price, qty: Qty(qty) });
            }
            levels
        };
        messages.push((side(-1), side(1)));
    }
    messages
}

fn tree_set(tree: &mut BTreeMap<i64, i64>, level: Level) {
    if level.qty.0 == 0 {
        tree.remove(&level.price.0);
    } else {
        tree.insert(level.price.0, level.qty.0);
    }
}

fn list_set(list: &mut Vec<(i64, i64)>, sign: i64, level: Level) {
    match list.binary_search_by_key(&(sign * level.price.0), |entry| sign * entry.0) {
        Ok(index) if level.qty.0 == 0 => {
            list.remove(index);
        }
        Ok(index) => list[index].1 = level.qty.0,
        Err(_) if level.qty.0 == 0 => {}
        Err(index) => list.insert(index, (level.price.0, level.qty.0)),
    }
}

fn apply(c: &mut Criterion) {
    let messages = messages();
    let levels: usize = messages.iter().map(|(bids, asks)| bids.len() + asks.len()).sum();
    let mut group = c.benchmark_group("apply");
    group.throughput(Throughput::Elements(levels as u64)).sample_size(10);
    for window_ticks in [32_768, 131_072] {
        let options = LadderOptions { window_ticks, ..LadderOptions::default() };
        let mut ladder = Ladder::new(Price(1), options);
        group.bench_function(format!("ladder of {window_ticks} ticks"), |bencher| {
            bencher.iter(|| {
                ladder.clear();
                for (bids, asks) in &messages {
                    ladder.apply_all(bids, asks);
                    black_box((ladder.best_bid(), ladder.best_ask()));
                }
            });
        });
    }
    group.bench_function("BTreeMap", |bencher| {
        bencher.iter(|| {
            let (mut low, mut high) = (BTreeMap::new(), BTreeMap::new());
            for (bids, asks) in &messages {
                bids.iter().for_each(|level| tree_set(&mut low, *level));
                asks.iter().for_each(|level| tree_set(&mut high, *level));
                black_box((low.last_key_value(), high.first_key_value()));
            }
        });
    });
    group.bench_function("sorted Vec, best last", |bencher| {
        bencher.iter(|| {
            let (mut low, mut high) = (Vec::new(), Vec::new());
            for (bids, asks) in &messages {
                bids.iter().for_each(|level| list_set(&mut low, 1, *level));
                asks.iter().for_each(|level| list_set(&mut high, -1, *level));
                black_box((low.last(), high.last()));
            }
        });
    });
    group.finish();
}

fn top(c: &mut Criterion) {
    let mut ladder = Ladder::new(Price(1), LadderOptions::default());
    for (bids, asks) in &messages() {
        ladder.apply_all(bids, asks);
    }
    let mut group = c.benchmark_group("top of both sides");
    for count in [1, 10, 20] {
        let mut out = vec![Level::default(); count];
        group.bench_function(format!("{count} levels"), |bencher| {
            bencher.iter(|| {
                let bids = ladder.top(Side::Buy, black_box(&mut out));
                bids + ladder.top(Side::Sell, black_box(&mut out))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, apply, top);
criterion_main!(benches);
