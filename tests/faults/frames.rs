//! Frames that no venue should send: each has its outcome, is counted and said, and costs no more
//! than it must.

use crate::rig::{BINANCE, BYBIT, NAMES, Rig};
use stoop::sim::Fault;
use stoop::types::{BookState, VenueId};

/// Path of a venue's public socket, and of the one that tells of orders.
fn paths(venue: VenueId) -> [&'static str; 2] {
    if venue == BINANCE { ["/stream", "/ws-api"] } else { ["/v5/public", "/v5/private"] }
}

/// Connections lost, by feed and executor.
fn lost(rig: &Rig, venue: VenueId) -> [u64; 2] {
    let health = rig.view.health(venue);
    [health.feed.reconnects, health.executor.reconnects]
}

/// A text on one socket costs exactly that frame: it is counted, said in these words, and no
/// connection and no book is any the worse for it.
fn costs_one_frame(rig: &Rig, venue: VenueId, private: bool, text: &str, words: &str) {
    let agent = ["feed", "exec"][usize::from(private)];
    let line = format!("{agent}:{}: message refused: {words}", NAMES[usize::from(venue.0)]);
    let counted = |rig: &Rig| {
        let health = rig.view.health(venue);
        if private { health.executor.decode_errors } else { health.feed.decode_errors }
    };
    let (before, said) = (counted(rig), rig.said(&line));
    let connections = lost(rig, venue);
    let path_contains = paths(venue)[usize::from(private)].to_owned();
    rig.fault(venue, Fault::InjectText { path_contains, text: text.to_owned() });
    rig.wait(&line, |rig| {
        for book in rig.all() {
            assert_eq!(rig.state(book), BookState::Live, "{text}: {:#?}", rig.log());
        }
        counted(rig) > before
    });
    assert_eq!(counted(rig), before + 1, "{text}");
    assert_eq!(rig.said(&line), said + 1, "{text}: {:#?}", rig.log());
    assert_eq!(lost(rig, venue), connections, "{text}");
}

#[test]
fn a_bad_message_costs_that_message_only() {
    // One connection for each kind of message, so that each costs one.
    let rig = Rig::trading_with(&[("order_connections = 2", "order_connections = 1")]);
    let json = "not valid JSON, or cut short";
    let kind = "a message of an unknown kind";
    let symbol = "a symbol that was not subscribed";
    for (venue, private, text, words) in [
        (BINANCE, false, r#"{"stream":"btcusdt@bookTicker","data":{"u":1"#, json),
        (BINANCE, false, "", json),
        (BINANCE, false, r#"{"e":"kline","s":"BTCUSDT"}"#, kind),
        (BINANCE, false, "[1,2,3]", kind),
        (BINANCE, false, r#"{"e":"trade","s":"XYZUSDT"}"#, symbol),
        (
            BINANCE,
            false,
            r#"{"u":9,"s":"BTCUSDT","b":"1.123456789123456789","B":"1","a":"2","A":"1"}"#,
            "field \"b\" has more decimals than the instrument's scale holds",
        ),
        (BINANCE, false, r#"{"u":9,"s":"BTCUSDT","b":"1","B":"1","a":"2"}"#, kind),
        (BINANCE, true, "{", json),
        (BINANCE, true, r#"{"hello":"world"}"#, kind),
        (BINANCE, true, r#"{"id":255,"status":200,"result":{}}"#, "a reply to no open request"),
        (BYBIT, false, r#"{"topic":"orderbook.50.BTCUSDT","ty"#, json),
        (BYBIT, false, r#"{"topic":"kline.1.BTCUSDT","data":[]}"#, kind),
        (BYBIT, false, r#"{"topic":"publicTrade.XYZUSDT","data":[]}"#, symbol),
        (
            BYBIT,
            false,
            r#"{"topic":"orderbook.1.BTCUSDT","type":"delta"}"#,
            "field \"data\" is missing",
        ),
        (BYBIT, true, "nonsense", json),
        (BYBIT, true, r#"{"op":"dance"}"#, kind),
    ] {
        costs_one_frame(&rig, venue, private, text, words);
    }
    rig.goes_on_trading();
    rig.finish();
}

/// A gap is one book's affair: it is fetched anew, its neighbour and the connection do not notice.
fn a_gap_costs_one_resync(rig: &Rig, venue: VenueId, symbol: &str) {
    let [gapped] = rig
        .instruments
        .of_venue(venue)
        .filter(|instrument| instrument.symbol == symbol)
        .map(|instrument| instrument.id)
        .collect::<Vec<_>>()[..]
    else {
        panic!("{symbol} is there once")
    };
    let before = rig.view.health(venue);
    rig.fault(venue, Fault::SkipBookEvent { symbol: symbol.to_owned() });
    let others_live = |rig: &Rig| {
        for book in rig.all().into_iter().filter(|book| *book != gapped) {
            let state = rig.state(book);
            assert_eq!(state, BookState::Live, "only {symbol} has a gap: {:#?}", rig.log());
        }
    };
    rig.wait("the gap is noticed", |rig| {
        others_live(rig);
        rig.view.health(venue).feed.gaps > before.feed.gaps
    });
    rig.wait("the book is live again", |rig| {
        others_live(rig);
        rig.state(gapped) == BookState::Live
    });
    rig.goes_on_trading();
    let after = rig.view.health(venue);
    assert_eq!(after.feed.gaps, before.feed.gaps + 1, "{:#?}", rig.log());
    assert_eq!(after.feed.resyncs, before.feed.resyncs + 1);
    assert_eq!(after.feed.reconnects, before.feed.reconnects);
    assert_eq!(after.executor.reconnects, before.executor.reconnects);
    assert_eq!(after.feed.decode_errors, before.feed.decode_errors);
    let start = format!("feed:{}: instrument {}: book at ", NAMES[usize::from(venue.0)], gapped.0);
    let said = rig.log().iter().filter(|line| line.starts_with(&start)).count();
    assert_eq!(said, 1, "{:#?}", rig.log());
}

#[test]
fn a_gap_resynchronises_that_book_and_nothing_else() {
    let rig = Rig::trading();
    for (venue, symbol) in
        [(BINANCE, "BTCUSDT"), (BYBIT, "BTCUSDT"), (BINANCE, "ETHUSDT"), (BYBIT, "ETHUSDT")]
    {
        a_gap_costs_one_resync(&rig, venue, symbol);
    }
    rig.finish();
}

/// An update from nowhere, well formed: the book cannot believe it, and does not wait for what
/// would come before it.
#[test]
fn an_update_from_far_ahead_costs_a_resync() {
    let rig = Rig::trading();
    let before = [BINANCE, BYBIT].map(|venue| rig.view.health(venue));
    let far = 900_000_000_000_000u64;
    let binance =
        format!(r#"{{"e":"depthUpdate","E":1,"s":"BTCUSDT","U":{far},"u":{far},"b":[],"a":[]}}"#);
    let bybit = format!(
        r#"{{"topic":"orderbook.50.BTCUSDT","ts":1,"type":"delta","data":{{"s":"BTCUSDT","b":[],"a":[],"u":{far},"seq":1}},"cts":1}}"#
    );
    for (venue, text) in [(BINANCE, binance), (BYBIT, bybit)] {
        let path_contains = paths(venue)[0].to_owned();
        rig.fault(venue, Fault::InjectText { path_contains, text });
    }
    for (venue, before) in [BINANCE, BYBIT].into_iter().zip(&before) {
        rig.wait("the gap is noticed", |rig| rig.view.health(venue).feed.gaps > before.feed.gaps);
        rig.wait("the book is live again", |rig| rig.is_whole(venue));
        let after = rig.view.health(venue);
        // A snapshot that is fetched before the next update may have to be fetched once more.
        let resyncs = after.feed.resyncs - before.feed.resyncs;
        assert!((1..=3).contains(&resyncs), "{resyncs} resyncs: {:#?}", rig.log());
        assert_eq!(after.feed.decode_errors, before.feed.decode_errors);
        assert_eq!(after.feed.reconnects, before.feed.reconnects);
    }
    rig.goes_on_trading();
    rig.finish();
}

/// A breach of the WebSocket protocol costs the public connection, which comes back by itself.
/// Orders are another connection's affair.
fn costs_the_connection(rig: &Rig, venue: VenueId, bytes: &[u8], words: &str) {
    let line = format!("feed:{}: Public connection: {words}", NAMES[usize::from(venue.0)]);
    let (before, said) = (lost(rig, venue), rig.said(&line));
    let other = if venue == BINANCE { BYBIT } else { BINANCE };
    rig.fault(venue, Fault::InjectRaw(bytes.to_vec()));
    rig.wait(&line, |rig| rig.said(&line) > said && lost(rig, venue) != before);
    rig.wait("it comes back", |rig| {
        for book in rig.books(other) {
            assert_eq!(rig.state(book), BookState::Live, "{words}: {:#?}", rig.log());
        }
        rig.is_whole(venue)
    });
    assert_eq!(rig.said(&line), said + 1);
    assert_eq!(lost(rig, venue), [before[0] + 1, before[1]], "{:#?}", rig.log());
    rig.goes_on_trading();
}

#[test]
fn a_broken_frame_costs_the_connection_and_nothing_else() {
    let rig = Rig::trading();
    let broke = |what: &str| format!("the server broke the protocol: {what}");
    // An announced length of 8 bytes that only 2 follow: the rest is taken from the next frame,
    // whose text then stands where a header should.
    let truncated = [0x81, 0x08, b'{', b'"'];
    let unread = rig.view.health(BINANCE).feed.decode_errors;
    costs_the_connection(&rig, BINANCE, &truncated, &broke("a frame with reserved bits set"));
    assert_eq!(rig.view.health(BINANCE).feed.decode_errors, unread + 1, "the frame cut short");
    assert_eq!(rig.said("feed:binance: message refused: not valid JSON, or cut short"), 1);
    let garbage = [0x83, 0x00, 0xff, 0x12, 0x77];
    costs_the_connection(&rig, BYBIT, &garbage, &broke("a frame with an unknown opcode"));
    let masked = [0x81, 0x82, 1, 2, 3, 4, b'{' ^ 1, b'}' ^ 2];
    costs_the_connection(&rig, BINANCE, &masked, &broke("a masked frame from a server"));
    // Refused by its header alone: no byte of the 9 MiB is awaited.
    let mut oversized = vec![0x82, 0x7f];
    oversized.extend_from_slice(&(9u64 << 20).to_be_bytes());
    costs_the_connection(&rig, BYBIT, &oversized, "a message is larger than the limit");
    rig.finish();
}
