//! Frames as the venues send them, read into what they say.

use super::*;

fn dec(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn level(price: &str, qty: &str) -> SimLevel {
    (dec(price), dec(qty))
}

/// What the lines say, and where they belong.
fn read(lines: &[&str]) -> (Vec<Frame>, Option<Origin>) {
    let (mut parser, mut out) = (Parser::default(), Vec::new());
    for line in lines {
        parser.parse(line, &mut out).unwrap();
    }
    (out, parser.origin())
}

fn origin(venue: &str, symbol: &str, perpetual: Option<bool>) -> Option<Origin> {
    Some(Origin { venue: venue.to_owned(), symbol: symbol.to_owned(), perpetual })
}

#[test]
fn spot_and_futures_of_binance_are_told_apart_by_the_link_of_their_changes() {
    let (frames, of) = read(&[
        r#"{"result":null,"id":2}"#,
        r#"{"stream":"btcusdt@bookTicker","data":{"u":14,"s":"BTCUSDT","b":"99.9","B":"0.5","a":"100.3","A":"0"}}"#,
        r#"{"lastUpdateId":10,"bids":[["100.00","1.5"]],"asks":[]}"#,
        r#"{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1,"s":"BTCUSDT","U":10,"u":12,"b":[["99.99","3"]],"a":[["101","0"]]}}"#,
        r#"{"stream":"btcusdt@trade","data":{"e":"trade","s":"BTCUSDT","t":1,"p":"99.99","q":"0.2","T":1,"m":true,"M":true}}"#,
        r#"{"stream":"ethusdt@trade","data":{"e":"trade","s":"ETHUSDT","t":1,"p":"99.99","q":"0.2","T":1,"m":true}}"#,
        r#"{"stream":"btcusdt@aggTrade","data":{"s":"BTCUSDT","a":7,"p":"1","q":"1","m":true}}"#,
        "not json",
    ]);
    let side = |side, price, qty| (side, level(price, qty));
    let wanted = [
        Frame::Best { order: 14, bid: Some(level("99.9", "0.5")), ask: None },
        Frame::Snapshot {
            id: 10,
            order: 10,
            fetched: true,
            levels: vec![side(Side::Buy, "100.00", "1.5")],
        },
        Frame::Depth {
            prev: 9,
            id: 12,
            order: 12,
            levels: vec![side(Side::Buy, "99.99", "3"), side(Side::Sell, "101", "0")],
        },
        Frame::Trade { taker: Side::Sell, level: level("99.99", "0.2") },
    ];
    assert_eq!(frames, wanted);
    assert_eq!(of, origin("binance", "BTCUSDT", Some(false)));
    let (frames, of) = read(&[
        r#"{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1,"T":1,"s":"BTCUSDT","U":10,"u":12,"pu":7,"b":[],"a":[]}}"#,
    ]);
    assert_eq!(frames, [Frame::Depth { prev: 7, id: 12, order: 12, levels: Vec::new() }]);
    let (marks, kind) = read(&[
        r#"{"stream":"btcusdt@markPrice@1s","data":{"e":"markPriceUpdate","E":1562305380000,"s":"BTCUSDT","p":"11794.15","ap":"11794.15","i":"11784.62","P":"11784.25","r":"0.00038167","T":1562306400000,"st":1}}"#,
    ]);
    let wanted = Marks {
        mark: Some(dec("11794.15")),
        index: Some(dec("11784.62")),
        rate: Some(dec("0.00038167")),
        next_ms: Some(1_562_306_400_000),
        interval_ms: None,
    };
    assert_eq!((marks, kind), (vec![Frame::Marks(wanted)], of.clone()));
    assert_eq!(of, origin("binance_usdm", "BTCUSDT", Some(true)));
}

#[test]
fn books_of_bybit_are_linked_by_one_number_and_ordered_by_another() {
    let (frames, of) = read(&[
        r#"{"success":true,"ret_msg":"subscribe","op":"subscribe"}"#,
        r#"{"topic":"orderbook.50.BTCUSDT","type":"snapshot","ts":9,"data":{"s":"BTCUSDT","b":[["71","0.5"]],"a":[["72","4"]],"u":40,"seq":546},"cts":8}"#,
        r#"{"topic":"orderbook.50.BTCUSDT","ts":9,"type":"delta","data":{"s":"BTCUSDT","b":[["71","0"]],"a":[],"u":41,"seq":600},"cts":8}"#,
        r#"{"topic":"orderbook.1.BTCUSDT","ts":9,"type":"snapshot","data":{"s":"BTCUSDT","b":[["70","1"]],"a":[["72","4"]],"u":9,"seq":610},"cts":8}"#,
        r#"{"topic":"publicTrade.BTCUSDT","type":"snapshot","ts":9,"data":[{"T":1,"s":"BTCUSDT","S":"Buy","v":"0.02","p":"72","L":"PlusTick","i":"x","BT":false,"seq":1},{"T":1,"s":"BTCUSDT","S":"Sell","v":"5","p":"60","L":"PlusTick","i":"y","BT":true,"seq":1},{"T":1,"s":"BTCUSDT","S":"Sell","v":"5","p":"60","L":"PlusTick","i":"z","BT":false,"RPI":true,"seq":1}]}"#,
        r#"{"topic":"tickers.BTCUSDT","type":"delta","data":{"symbol":"BTCUSDT","tickDirection":"PlusTick","markPrice":"71.5","indexPrice":"","fundingIntervalHour":"8","nextFundingTime":"1790784000000","fundingRate":"-0.0001"},"cs":8,"ts":9}"#,
        r#"{"topic":"tickers.BTCUSDT","type":"delta","data":{"symbol":"BTCUSDT","bid1Price":"71"}}"#,
    ]);
    let wanted = [
        Frame::Snapshot {
            id: 40,
            order: 546,
            fetched: false,
            levels: vec![(Side::Buy, level("71", "0.5")), (Side::Sell, level("72", "4"))],
        },
        Frame::Depth { prev: 40, id: 41, order: 600, levels: vec![(Side::Buy, level("71", "0"))] },
        Frame::Best { order: 610, bid: Some(level("70", "1")), ask: Some(level("72", "4")) },
        Frame::Trade { taker: Side::Buy, level: level("72", "0.02") },
        Frame::Marks(Marks {
            mark: Some(dec("71.5")),
            index: None,
            rate: Some(dec("-0.0001")),
            next_ms: Some(1_790_784_000_000),
            interval_ms: Some(28_800_000),
        }),
    ];
    assert_eq!(frames, wanted, "a block trade and one with a retail order meet no book");
    assert_eq!(of, origin("bybit", "BTCUSDT", Some(true)));
}

#[test]
fn a_book_of_bybit_whose_service_began_again_is_whole_whatever_its_type() {
    let (frames, _) = read(&[
        r#"{"topic":"orderbook.50.BTCUSDT","ts":9,"type":"delta","data":{"s":"BTCUSDT","b":[["71","2"]],"a":[],"u":1,"seq":700}}"#,
    ]);
    let levels = vec![(Side::Buy, level("71", "2"))];
    assert_eq!(frames, [Frame::Snapshot { id: 1, order: 700, fetched: false, levels }]);
}

#[test]
fn what_did_not_trade_in_the_market_of_binance_is_no_print() {
    let trade = |origin: &str| {
        format!(
            r#"{{"stream":"btcusdt@trade","data":{{"e":"trade","T":1,"s":"BTCUSDT","t":5,"p":"99","q":"1","X":"{origin}","m":false}}}}"#
        )
    };
    let lines = ["INSURANCE_FUND", "ADL", "MARKET"].map(trade);
    let (frames, _) = read(&lines.each_ref().map(String::as_str));
    assert_eq!(frames, [Frame::Trade { taker: Side::Buy, level: level("99", "1") }]);
}

#[test]
fn books_of_okx_name_the_change_before_and_swaps_count_in_contracts() {
    let lines = [
        r#"{"event":"subscribe","arg":{"channel":"books","instId":"BTC-USDT-SWAP"},"connId":"a"}"#,
        r#"{"arg":{"channel":"books","instId":"BTC-USDT-SWAP"},"action":"snapshot","data":[{"asks":[["8477","7","0","2"]],"bids":[["8476","256","0","12"]],"ts":"1","checksum":0,"prevSeqId":-1,"seqId":100}]}"#,
        r#"{"arg":{"channel":"books","instId":"BTC-USDT-SWAP"},"action":"update","data":[{"asks":[],"bids":[["8476","0","0","0"]],"ts":"1","checksum":0,"prevSeqId":100,"seqId":110}]}"#,
        r#"{"arg":{"channel":"bbo-tbt","instId":"BTC-USDT-SWAP"},"data":[{"asks":[["8477","7","0","2"]],"bids":[],"ts":"1","seqId":111}]}"#,
        r#"{"arg":{"channel":"trades","instId":"BTC-USDT-SWAP"},"data":[{"instId":"BTC-USDT-SWAP","tradeId":"1","px":"8477","sz":"3","side":"buy","ts":"1","count":"1","seqId":111}]}"#,
        r#"{"arg":{"channel":"funding-rate","instId":"BTC-USDT-SWAP"},"data":[{"fundingRate":"0.0001875391284828","fundingTime":"1700726400000","instId":"BTC-USDT-SWAP","instType":"SWAP","method":"current_period","nextFundingRate":"","nextFundingTime":"1700755200000","ts":"1700724675402"}]}"#,
        r#"{"arg":{"channel":"mark-price","instId":"BTC-USDT-SWAP"},"data":[{"instType":"SWAP","instId":"BTC-USDT-SWAP","markPx":"8476.5","ts":"1"}]}"#,
        r#"{"arg":{"channel":"index-tickers","instId":"BTC-USDT"},"data":[{"instId":"BTC-USDT","idxPx":"8475","high24h":"9","ts":"1"}]}"#,
        r#"{"arg":{"channel":"index-tickers","instId":"ETH-USDT"},"data":[{"instId":"ETH-USDT","idxPx":"3","ts":"1"}]}"#,
        "pong",
    ];
    let (frames, of) = read(&lines);
    let wanted = [
        Frame::Snapshot {
            id: 100,
            order: 100,
            fetched: false,
            levels: vec![(Side::Buy, level("8476", "256")), (Side::Sell, level("8477", "7"))],
        },
        Frame::Depth {
            prev: 100,
            id: 110,
            order: 110,
            levels: vec![(Side::Buy, level("8476", "0"))],
        },
        Frame::Best { order: 111, bid: None, ask: Some(level("8477", "7")) },
        Frame::Trade { taker: Side::Buy, level: level("8477", "3") },
        Frame::Marks(Marks {
            rate: Some(dec("0.0001875391284828")),
            next_ms: Some(1_700_726_400_000),
            interval_ms: Some(28_800_000),
            ..Marks::default()
        }),
        Frame::Marks(Marks { mark: Some(dec("8476.5")), ..Marks::default() }),
        Frame::Marks(Marks { index: Some(dec("8475")), ..Marks::default() }),
    ];
    assert_eq!(frames, wanted);
    assert_eq!(of, origin("okx", "BTC-USDT-SWAP", Some(true)));
    let mut parser = Parser::default();
    lines.iter().for_each(|line| parser.parse(line, &mut Vec::new()).unwrap());
    assert!(parser.is_in_contracts());
    let mut best = frames[2].clone();
    best.scale(dec("0.01"));
    assert_eq!(best, Frame::Best { order: 111, bid: None, ask: Some(level("8477", "0.07")) });
}

#[test]
fn books_of_hyperliquid_are_whole_and_trades_from_before_are_left_out() {
    let (frames, of) = read(&[
        r#"{"channel":"subscriptionResponse","data":{"method":"subscribe","subscription":{"type":"bbo","coin":"BTC"}}}"#,
        r#"{"channel":"l2Book","data":{"coin":"BTC","time":100000,"levels":[[{"px":"63460.0","sz":"0.02","n":2}],[{"px":"63488.0","sz":"0.01","n":2}]]}}"#,
        r#"{"channel":"bbo","data":{"coin":"BTC","time":100000,"bbo":[{"px":"63461.0","sz":"1","n":1},null]}}"#,
        r#"{"channel":"trades","data":[{"coin":"BTC","side":"A","px":"1","sz":"1","time":51000,"hash":"0x","tid":1},{"coin":"BTC","side":"B","px":"63488.0","sz":"0.5","time":100100,"hash":"0x","tid":2}]}"#,
        r#"{"channel":"activeAssetCtx","data":{"coin":"BTC","ctx":{"funding":"0.0000125","openInterest":"688.11","prevDayPx":"15.0","markPx":"63470.5","oraclePx":"63460","impactPxs":null}}}"#,
        r#"{"channel":"error","data":"no"}"#,
        r#"{"channel":"pong"}"#,
    ]);
    let wanted = [
        Frame::Snapshot {
            id: 100_000,
            order: 200_000,
            fetched: false,
            levels: vec![
                (Side::Buy, level("63460.0", "0.02")),
                (Side::Sell, level("63488.0", "0.01")),
            ],
        },
        Frame::Best { order: 200_001, bid: Some(level("63461.0", "1")), ask: None },
        Frame::Trade { taker: Side::Buy, level: level("63488.0", "0.5") },
        Frame::Marks(Marks {
            mark: Some(dec("63470.5")),
            index: Some(dec("63460")),
            rate: Some(dec("0.0000125")),
            next_ms: None,
            interval_ms: Some(3_600_000),
        }),
    ];
    assert_eq!(frames, wanted);
    assert_eq!(of, origin("hyperliquid", "BTC", Some(true)));
}

#[test]
fn the_first_line_of_our_own_recordings_says_where_they_belong_and_others_where_frames_miss() {
    let (frames, of) = read(&[
        r#"{"stoop":{"instrument":"BTC/USDT:USDT@bybit","perpetual":true,"symbol":"BTCUSDT","venue":"bybit"}}"#,
        r#"{"stoop":{"hole":12}}"#,
        r#"{"topic":"orderbook.1.BTCUSDT","ts":9,"type":"snapshot","data":{"s":"BTCUSDT","b":[],"a":[],"u":9,"seq":610}}"#,
    ]);
    assert_eq!(frames, [Frame::Hole, Frame::Best { order: 610, bid: None, ask: None }]);
    assert_eq!(of, origin("bybit", "BTCUSDT", Some(true)));
    let (frames, of) = read(&[r#"{"whose":"this"}"#, r#"{"stoop":{"more":1}}"#]);
    assert_eq!((frames, of), (Vec::new(), None));
}
