//! What the streams tell of the whole account: only what is news.

use super::*;
use crate::types::{AssetBalance, MarginReport, PositionReport};

fn pushed(channel: &str, state: &str) -> String {
    let dex = if channel == "clearinghouseState" { r#""dex":"","# } else { "" };
    format!(
        r#"{{"channel":"{channel}","data":{{{dex}"user":"{SIGNER}","{channel}":{}}}}}"#,
        state.trim()
    )
}

/// The state of perpetuals so many milliseconds after the example's.
fn state(later_ms: u64) -> String {
    let time = 1_790_360_864_964 + later_ms;
    let text = fixture("rest_clearinghouse_state_cross_long");
    pushed("clearinghouseState", &text.replace("1790360864964", &time.to_string()))
}

fn spot(balances: &str) -> String {
    pushed("spotState", &format!(r#"{{"balances":[{balances}]}}"#))
}

fn token(coin: &str, total: &str) -> String {
    format!(r#"{{"coin":"{coin}","token":0,"total":"{total}","hold":"0.0","entryNtl":"0.0"}}"#)
}

#[derive(Debug, Default)]
struct Told {
    positions: Vec<PositionReport>,
    margins: Vec<MarginReport>,
    balances: Vec<AssetBalance>,
}

fn told(bench: &mut Bench) -> Told {
    let mut told = Told::default();
    for event in bench.take() {
        match event {
            Event::Position(report) => told.positions.push(report),
            Event::Margin(report) => told.margins.push(report),
            Event::Balance(report) => told.balances.push(report),
            other => panic!("{other:?}"),
        }
    }
    told
}

fn counts(bench: &mut Bench) -> [usize; 3] {
    let told = told(bench);
    [told.positions.len(), told.margins.len(), told.balances.len()]
}

/// Between reconciliations nothing was heard of positions, margin and balances.
#[test]
fn states_are_told_as_they_change() {
    let mut bench = Bench::ready();
    bench.private(&state(0)).unwrap();
    let first = told(&mut bench);
    assert_eq!((first.positions.len(), first.margins.len()), (1, 1));
    assert_eq!(first.positions[0].qty, Amount(4_500_000_000_000_000_000));
    assert_eq!(first.margins[0].available, Amount(486 * E18), "withdrawable");
    assert!(first.balances.is_empty(), "of the sum one part is not known");
    // USDC is what both wallets have; HYPE is that of spot.
    bench.private(&spot(&[token("USDC", "2.5"), token("HYPE", "1.0")].join(","))).unwrap();
    let sums = told(&mut bench).balances;
    let names = setup().instruments;
    let [usdc, hype] = ["USDC", "HYPE"].map(|name| names.assets.find(name).unwrap());
    let free = |asset| sums.iter().find(|row| row.asset == asset).map(|row| row.free);
    assert_eq!(sums.len(), 2);
    assert_eq!(free(usdc), Some(Amount(26_370_893_493_000_000_000_000)), "26368.393493 + 2.5");
    assert_eq!(free(hype), Some(Amount(E18)));
    // The same again is no news, nor a block later.
    bench.private(&state(0)).unwrap();
    bench.private(&state(100)).unwrap();
    bench.private(&spot(&[token("USDC", "2.5"), token("HYPE", "1.0")].join(","))).unwrap();
    assert_eq!(counts(&mut bench), [0, 0, 0]);
    // A token that is not listed any more is gone.
    bench.private(&spot(&token("USDC", "2.5"))).unwrap();
    let [gone] = told(&mut bench).balances[..] else { panic!() };
    assert_eq!((gone.asset, gone.free), (hype, Amount::ZERO));
    // One wallet pays the other: the sum stays, but margin does not.
    let paid = state(200).replace("38252.7", "38253.7").replace("\"486.0\"", "\"487.0\"");
    bench.private(&paid).unwrap();
    bench.private(&spot(&token("USDC", "1.5"))).unwrap();
    let last = told(&mut bench);
    assert_eq!(last.margins[0].available, Amount(487 * E18));
    assert_eq!(last.balances.last().map(|row| row.free), free(usdc));
}

/// Each block values the position anew.
#[test]
fn what_prices_alone_have_changed_is_told_now_and_then() {
    let mut bench = Bench::ready();
    bench.private(&state(0)).unwrap();
    bench.take();
    // A dollar more or less of unrealised profit, and of equity with it.
    let valued = |later_ms: u64| {
        let cents = later_ms / 100 % 90 + 10;
        let equity = format!("382{cents}.7");
        let profit = format!("118{cents}.306507");
        let text = state(later_ms).replace("38252.7", &equity).replace("11884.306507", &profit);
        // The wallet is the same: equity less profit.
        assert_eq!(26_400 - 18, 26_382);
        text
    };
    let mut all = [0; 3];
    for block in 1..=100 {
        bench.private(&valued(block * 100)).unwrap();
        let news = counts(&mut bench);
        (0..3).for_each(|at| all[at] += news[at]);
    }
    assert_eq!(all[0], 5, "every two seconds of ten");
    // What we trade is told at once, and with it the margin.
    bench.private(&valued(10_100).replace("\"4.5\"", "\"4.6\"")).unwrap();
    let last = told(&mut bench);
    assert_eq!(last.positions[0].qty, Amount(4_600_000_000_000_000_000));
    assert_eq!(last.margins.len(), 1);
}

#[test]
fn a_state_that_is_older_than_what_was_told_is_no_news() {
    let mut bench = Bench::ready();
    let (id, _) = bench.ask(CommandKind::Balances);
    bench.answer(id, &fixture("rest_clearinghouse_state_cross_long")).unwrap();
    let (id, _) = bench.asked();
    bench.answer(id, r#"{"balances":[]}"#).unwrap();
    bench.take();
    let flat = fixture("rest_clearinghouse_state_flat");
    let time = flat.rsplit_once("\"time\":").unwrap().1.trim_end().trim_end_matches('}');
    let old = flat.replace(time, "1790360864963");
    bench.private(&pushed("clearinghouseState", &old)).unwrap();
    assert_eq!(counts(&mut bench), [0, 0, 0]);
    let new = flat.replace(time, "1790360864965");
    bench.private(&pushed("clearinghouseState", &new)).unwrap();
    let news = told(&mut bench);
    assert_eq!((news.positions[0].instrument, news.positions[0].qty), (BTC, Amount::ZERO));
    // What is asked for is told whole, news or not.
    let (id, _) = bench.ask(CommandKind::Balances);
    bench.answer(id, &new).unwrap();
    let (id, _) = bench.asked();
    bench.answer(id, r#"{"balances":[]}"#).unwrap();
    let events = bench.take();
    assert!(events.iter().any(|event| matches!(event, Event::Position(_))));
    assert!(events.iter().any(|event| matches!(event, Event::Margin(_))));
    let balances = events.iter().filter(|event| matches!(event, Event::Balance(_)));
    assert_eq!(balances.count(), 2, "USDC, and HYPE of which there is none");
}

#[test]
fn states_of_others_and_broken_ones_are_refused() {
    let mut bench = Bench::ready();
    for (text, error) in [
        (state(0).replace(SIGNER, ACCOUNT), DecodeError::Invalid("user")),
        (state(0).replace(r#""dex":"""#, r#""dex":"xyz""#), DecodeError::Invalid("dex")),
        (state(0).replace("\"time\"", "\"x\""), DecodeError::Missing("time")),
        (spot("").replace("\"balances\":[]", "\"balances\":{}"), DecodeError::Invalid("balances")),
        (spot(&token("USDC", "1.0")).replace("total", "x"), DecodeError::Missing("total")),
    ] {
        assert_eq!(bench.private(&text), Err(error), "{text}");
        assert!(bench.take().is_empty());
    }
    // No byte of a state, however broken, ends in a panic.
    for text in [state(0), spot(&token("HYPE", "1.0"))] {
        for at in 0..text.len() {
            for byte in [b'9', b'"', b'}', b'-'] {
                let mut bytes = text.clone().into_bytes();
                bytes[at] = byte;
                let (out, events) = (&mut bench.out, &mut bench.events);
                let connector = &mut bench.connector;
                let _ = connector.on_frame(Channel::Private, &mut bytes, bench.now, out, events);
                bench.events.clear();
            }
        }
    }
}
