//! Messages that we did not write: mutated ones, and recorded ones where they are at hand.

use super::*;
use crate::types::{DepthKind, InstrumentKind};
use flate2::read::GzDecoder;
use proptest::prelude::*;
use std::io::Read;
use std::path::PathBuf;

/// Every example message.
fn all_fixtures() -> Vec<String> {
    let dir = format!("{}/tests/fixtures/bybit", env!("CARGO_MANIFEST_DIR"));
    let mut texts: Vec<String> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    texts.sort();
    assert!(texts.len() >= 38, "only {} example messages", texts.len());
    texts
}

/// Connectors in the middle of everything: all channels open, one request of each kind waiting.
fn busy() -> (Bench, Bench, Vec<u64>) {
    let mut market = Bench::market();
    market.submit(CommandKind::Subscribe(BTC)).unwrap();
    market.open(Channel::Public);
    let mut trading = Bench::logged_in();
    let cancel = crate::types::CancelOrder {
        client_id: ClientOrderId(7),
        venue_order_id: VenueOrderId::EMPTY,
        instrument: BTC,
    };
    let from_id = crate::types::FillId::EMPTY;
    for kind in [
        CommandKind::New(limit_order(7, Side::Buy, 100, 1)),
        CommandKind::Cancel(cancel),
        CommandKind::Query(cancel),
        CommandKind::OpenOrders(BTC),
        CommandKind::FillsSince { instrument: BTC, from_id, from_ns: START },
        CommandKind::Balances,
        CommandKind::FeeRate(BTC),
        CommandKind::CancelAll(BTC),
    ] {
        trading.submit(kind).unwrap();
    }
    let ids = trading.out.outputs().filter_map(|output| match output {
        Output::Request(request) => Some(request.id.0),
        _ => None,
    });
    let ids = ids.collect();
    trading.out.clear();
    (market, trading, ids)
}

/// Hands one message to everything that could ever receive it.
fn feed_everywhere(text: &[u8]) {
    let (mut market, mut trading, ids) = busy();
    let mut bytes = text.to_vec();
    let (out, events) = (&mut market.out, &mut market.events);
    let _ = market.connector.on_frame(Channel::Public, &mut bytes, START, out, events);
    let (out, events) = (&mut trading.out, &mut trading.events);
    for channel in [Channel::Trade, Channel::Private] {
        let mut bytes = text.to_vec();
        let _ = trading.connector.on_frame(channel, &mut bytes, START, out, events);
    }
    for id in ids {
        let mut body = text.to_vec();
        let response = Response { status: 200, head: b"", body: &mut body };
        let _ = trading.connector.on_response(RequestId(id), response, START, out, events);
    }
    let mut body = text.to_vec();
    let _ = (ROW.decode_instruments)(InstrumentKind::Spot, &mut body);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn flipped_and_cut_messages_never_panic(
        which in any::<prop::sample::Index>(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
        cuts in any::<bool>(),
    ) {
        let texts = all_fixtures();
        let mut bytes = which.get(&texts).clone().into_bytes();
        for (at, value) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= value;
        }
        if cuts {
            let len = cut.index(bytes.len());
            bytes.truncate(len);
        }
        feed_everywhere(&bytes);
    }

    #[test]
    fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        feed_everywhere(&bytes);
    }
}

/// A folder of messages or recordings that a variable names, or that stands beside the project.
fn outside(variable: &str, beside: &str) -> Option<PathBuf> {
    let named = std::env::var_os(variable).map(PathBuf::from);
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(beside);
    named.or(Some(beside)).map(|dir| dir.join("bybit")).filter(|dir| dir.is_dir())
}

/// Each message of the venue is decoded as spot, or refused with a named error; none of another
/// product becomes a report.
#[test]
fn messages_of_others_decode_or_are_refused() {
    let Some(dir) = outside("STOOP_FIXTURES", "shared/fixtures") else {
        println!("skipped: no folder of outside messages (STOOP_FIXTURES)");
        return;
    };
    let mut decoded = 0;
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !name.starts_with("ws_") || !name.ends_with(".json") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let other = [r#""category":"linear""#, r#""category":"option""#];
        let other = other.iter().any(|category| text.contains(category));
        let mut bench = Bench::logged_in();
        let channel = if name.starts_with("ws_trade_") { Channel::Trade } else { Channel::Private };
        let result = bench.text(channel, &text);
        if other && name.contains("_position_") {
            // Positions in what is not ours are passed over.
            assert_eq!((result, bench.take()), (Ok(()), vec![]), "{name}");
        } else if other {
            assert!(result.is_err(), "{name}: {result:?}");
            assert_eq!(bench.reports(), [], "{name}");
        } else if name.starts_with("ws_private_") && name.contains("spot") {
            assert_eq!((result, bench.reports().len()), (Ok(()), 1), "{name}");
        }
        let mut bench = Bench::market();
        bench.submit(CommandKind::Subscribe(BTC)).unwrap();
        bench.open(Channel::Public);
        let result = bench.text(Channel::Public, &text);
        decoded += usize::from(result.is_ok());
        let known = ["ws_public_orderbook1_", "ws_public_orderbook50_", "ws_public_trade_spot"];
        if known.iter().any(|prefix| name.starts_with(prefix)) {
            assert_eq!(result, Ok(()), "{name}");
        } else if name.starts_with("ws_public") {
            assert!(
                result == Err(DecodeError::UnknownKind) || name.contains("trade"),
                "{name}: {result:?}"
            );
        }
    }
    assert!(decoded >= 8, "only {decoded} public messages were decoded");
}

/// The recorded spot session: every frame decodes, and updates follow each other without a gap.
#[test]
fn the_recorded_session_decodes_without_a_gap() {
    let Some(dir) = outside("STOOP_CAPTURES", "shared/fixtures/captures") else {
        println!("skipped: no recordings (STOOP_CAPTURES)");
        return;
    };
    let path = dir.join("spot_testnet_btcusdt_20260913_first_half.jsonl.gz");
    let Ok(file) = std::fs::File::open(&path) else {
        println!("skipped: {} is not there", path.display());
        return;
    };
    let mut lines = String::new();
    GzDecoder::new(file).read_to_string(&mut lines).unwrap();
    let mut bench = Bench::market();
    bench.submit(CommandKind::Subscribe(BTC)).unwrap();
    bench.open(Channel::Public);
    bench.take();
    let (mut updates, mut sequences) = (Vec::new(), Vec::new());
    let (mut tops, mut trades, mut notices) = (0, 0, Vec::new());
    for line in lines.lines() {
        bench.text(Channel::Public, line).unwrap_or_else(|error| panic!("{error}: {line}"));
        for event in bench.take() {
            match event {
                Event::Depth(update) => {
                    let first = updates.is_empty();
                    assert_eq!(update.kind == DepthKind::Snapshot, first);
                    updates.push(update.last_id);
                    sequences.push(update.sequence);
                }
                Event::Top(_) => tops += 1,
                Event::Trade(_) => trades += 1,
                Event::Notice(notice) => notices.push(notice),
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!((lines.lines().count(), updates.len(), tops, trades), (21, 8, 7, 5));
    assert!(updates.windows(2).all(|pair| pair[1] == pair[0] + 1), "{updates:?}");
    assert!(sequences.windows(2).all(|pair| pair[1] > pair[0]), "{sequences:?}");
    assert_eq!(notices, [readiness(Channel::Public, Readiness::Ready)]);
}
