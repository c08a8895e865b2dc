//! The messages of the tests, and those written down from the venues' documentation.

use crate::support::{Both, all, messages};
use stoop::types::InstrumentKind;
use stoop::venues::FrameKind;

#[test]
fn every_message_is_read_alike() {
    let mut decoders = all();
    let (mut public, mut private) = (0, 0);
    for (_, text) in messages() {
        for decoder in &mut decoders {
            let (kind, order) = decoder.compare(text.as_bytes());
            public += usize::from(kind.is_some());
            private += usize::from(order);
        }
    }
    // What is in the project alone: 3 combined frames and 6 books and trades; 8 executions, 4 rows.
    assert!(public >= 9 && private >= 10, "{public} {private}");
}

/// What a venue sends all day is read by a scanner, whatever it is recorded in.
#[test]
fn shapes_of_every_product_are_scanned() {
    let [mut spot, mut usdm, mut bybit, mut linear, mut coins, mut okx] = all();
    let mut is = |which: usize, kind: FrameKind, text: &str| {
        let decoder: &mut Both =
            [&mut spot, &mut usdm, &mut bybit, &mut linear, &mut coins, &mut okx]
                .into_iter()
                .nth(which)
                .unwrap();
        assert_eq!(decoder.compare(text.as_bytes()).0, Some(kind), "{text}");
    };
    use FrameKind::{Depth, Mark, Top, Trade};
    is(
        4,
        Top,
        r#"{"channel":"bbo","data":{"coin":"@107","time":1785251522090,"bbo":[null,{"px":"38.12","sz":"0.5","n":2}]}}"#,
    );
    is(
        4,
        Depth,
        r#"{"channel":"l2Book","data":{"coin":"BTC","time":1785251521889,"levels":[[{"px":"63460.0","sz":"0.02666","n":2}],[]]}}"#,
    );
    is(
        4,
        Trade,
        r#"{"channel":"trades","data":[{"coin":"BTC","side":"A","px":"80639.0","sz":"0.00022","time":1788490042052,"hash":"0x00","tid":1095884267920331,"users":["0xa6","0x8a"]}]}"#,
    );
    is(
        5,
        Top,
        r#"{"arg":{"channel":"bbo-tbt","instId":"BCH-USDT-SWAP"},"data":[{"asks":[["111.06","55154","0","2"]],"bids":[["111.05","57745","0","2"]],"ts":"1670324386802","seqId":363996337}]}"#,
    );
    is(
        5,
        Depth,
        r#"{"arg":{"channel":"books","instId":"BTC-USDT"},"action":"snapshot","data":[{"asks":[["8476.98","415","0","13"],["8477","7","0","2"]],"bids":[["8476.97","256","0","12"]],"ts":"1597026383085","checksum":0,"prevSeqId":-1,"seqId":123456}]}"#,
    );
    is(
        5,
        Depth,
        r#"{"arg":{"channel":"books","instId":"BTC-USDT-SWAP"},"action":"update","data":[{"asks":[["62571.2","0.5","0","6"],["62572.1","0","0","0"]],"bids":[],"ts":"1784016942108","checksum":0,"seqId":110,"prevSeqId":100}]}"#,
    );
    is(
        5,
        Trade,
        r#"{"arg":{"channel":"trades","instId":"BTC-USDT"},"data":[{"instId":"BTC-USDT","tradeId":"1032787952","px":"62571.2","sz":"0.07990896","side":"buy","ts":"1784016942060","count":"1","source":"0","seqId":78755034232}]}"#,
    );
    is(
        0,
        Top,
        r#"{"u":400900217,"s":"BNBUSDT","b":"25.35190000","B":"31.21000000","a":"25.36520000","A":"40.66000000"}"#,
    );
    is(
        0,
        Top,
        r#"{"stream":"btcusdt@bookTicker","data":{"u":1,"s":"BTCUSDT","b":"0.00000000","B":"0.00000000","a":"2","A":"3"}}"#,
    );
    is(
        0,
        Depth,
        r#"{"e":"depthUpdate","E":1672515782136,"s":"BNBBTC","U":157,"u":160,"b":[["0.0024","10"]],"a":[["0.0026","100"]]}"#,
    );
    is(
        0,
        Depth,
        r#"{"e":"depthUpdate","E":1672515782136,"s":"BNBBTC","U":157,"u":160,"b":[],"a":[]}"#,
    );
    is(
        0,
        Trade,
        r#"{"e":"trade","E":1672515782136,"s":"BNBBTC","t":12345,"p":"0.001","q":"100","T":1672515782136,"m":true,"M":true}"#,
    );
    is(
        1,
        Top,
        r#"{"e":"bookTicker","u":400900217,"E":1568014460893,"T":1568014460891,"s":"BNBUSDT","ps":"BNBUSDT","b":"25.35190000","B":"31.21000000","a":"25.36520000","A":"40.66000000","st":1}"#,
    );
    is(
        1,
        Top,
        r#"{"stream":"btcusdt@bookTicker","data":{"e":"bookTicker","u":5123107839020,"s":"BTCUSDT","b":"61800.20","B":"2.507","a":"61800.30","A":"2.510","T":1723161256313,"E":1723161256313}}"#,
    );
    is(
        1,
        Depth,
        r#"{"e":"depthUpdate","E":123456789,"T":123456788,"s":"BTCUSDT","ps":"BTCUSDT","st":1,"U":157,"u":160,"pu":149,"b":[["0.02","10"]],"a":[["0.03","100"]]}"#,
    );
    is(
        1,
        Depth,
        r#"{"e":"depthUpdate","E":123456789,"T":123456788,"s":"BTCUSDT","U":157,"u":160,"pu":149,"b":[["0.02","10"]],"a":[["0.03","100"]],"ps":"BTCUSDT","st":1}"#,
    );
    is(
        1,
        Trade,
        r#"{"stream":"btcusdt@trade","data":{"e":"trade","E":1723161256322,"T":1723161256322,"s":"BTCUSDT","t":5266583935,"p":"61800.30","q":"0.006","X":"MARKET","m":false}}"#,
    );
    is(
        1,
        Trade,
        r#"{"e":"trade","E":1723161256322,"T":1723161256322,"s":"BTCUSDT","ps":"BTCUSDT","t":5266583935,"p":"61800.30","q":"0.006","X":"MARKET","m":false,"st":1}"#,
    );
    is(
        2,
        Top,
        r#"{"topic":"orderbook.1.BTCUSDT","ts":1748980103101,"type":"snapshot","data":{"s":"BTCUSDT","b":[["106285.8","0.794865"]],"a":[],"u":943951,"seq":75829523783},"cts":1748980103098}"#,
    );
    is(
        2,
        Trade,
        r#"{"topic":"publicTrade.BTCUSDT","ts":1789299660724,"type":"snapshot","data":[{"i":"2100000000188691524","T":1789299660688,"p":"77140.5","v":"0.00389","S":"Sell","seq":2189232173,"s":"BTCUSDT","BT":false,"RPI":false}]}"#,
    );
    is(
        3,
        Depth,
        r#"{"topic":"orderbook.50.BTCUSDT","type":"delta","ts":1773386409407,"data":{"s":"BTCUSDT","b":[["71419.80","0"],["71418.20","0.159"]],"a":[["71427.90","0.006"]],"u":10132541,"seq":546137962186},"cts":1773386409404}"#,
    );
    is(
        3,
        Trade,
        r#"{"topic":"publicTrade.BTCUSDT","type":"snapshot","ts":1774021164130,"data":[{"T":1774021164129,"s":"BTCUSDT","S":"Buy","v":"0.020","p":"69916.90","L":"ZeroMinusTick","i":"f60eae3c-d812-5c0b-ad26-8010c31c53aa","BT":false,"RPI":false,"seq":549792208812}]}"#,
    );
    is(
        3,
        Mark,
        r#"{"topic":"tickers.BTCUSDT","type":"delta","data":{"symbol":"BTCUSDT","markPrice":"83024.60","openInterestValue":"4742241528.37","ask1Price":"83024.70"},"cs":818232113624,"ts":1790757083083}"#,
    );
    is(
        3,
        Mark,
        r#"{"topic":"tickers.BTCPERP","type":"snapshot","data":{"symbol":"BTCPERP","markPrice":"83024.70","indexPrice":"83074.01","fundingIntervalHour":"8","nextFundingTime":"1790784000000","fundingRate":"-0.00007774","preQty":""},"cs":818232112541,"ts":1790757082283}"#,
    );
}

/// Frames of the other product are not read, and neither are coin-margined ones.
#[test]
fn frames_of_other_products_are_left_to_the_complete_decoder() {
    let mut spot = Both::new("binance", InstrumentKind::Spot, 50);
    let mut usdm = Both::new("binance", InstrumentKind::LinearPerpetual, 50);
    for text in [
        r#"{"e":"bookTicker","u":1,"s":"BTCUSDT","b":"1","B":"1","a":"2","A":"1","T":1,"E":1}"#,
        r#"{"e":"depthUpdate","E":2,"T":1,"s":"BTCUSDT","U":157,"u":160,"pu":149,"b":[],"a":[]}"#,
        r#"{"stream":"btcusdt@depth@0ms","data":{"e":"depthUpdate","E":2,"s":"BTCUSDT","U":1,"u":2,"b":[],"a":[]}}"#,
        r#"{"e":"trade","E":2,"T":1,"s":"BTCUSDT","t":1,"p":"1","q":"1","X":"MARKET","m":false}"#,
    ] {
        assert_eq!(spot.compare(text.as_bytes()).0, None, "{text}");
    }
    for text in [
        r#"{"u":400900217,"s":"BTCUSDT","b":"25.35","B":"31.21","a":"25.36","A":"40.66"}"#,
        r#"{"e":"depthUpdate","E":2,"s":"BTCUSDT","U":157,"u":160,"b":[],"a":[]}"#,
        r#"{"e":"trade","E":2,"s":"BTCUSDT","t":1,"p":"1","q":"1","T":1,"m":false,"M":true}"#,
        r#"{"e":"trade","E":2,"T":1,"s":"BTCUSDT","t":1,"p":"1","q":"1","X":"ADL","m":false}"#,
        r#"{"e":"depthUpdate","E":2,"T":1,"s":"BTCUSDT","ps":"BTCUSD","st":2,"U":157,"u":160,"pu":149,"b":[],"a":[]}"#,
        r#"{"e":"depthUpdate","E":2,"T":1,"s":"BTCUSDT","ps":"BTCUSD","st":12,"U":157,"u":160,"pu":149,"b":[],"a":[]}"#,
    ] {
        assert_eq!(usdm.compare(text.as_bytes()).0, None, "{text}");
    }
}

/// Found by fuzzing: zeros in the name of a stream passed for those behind a shorter name, in a
/// frame that is not even JSON.
#[test]
fn zeros_in_a_streams_name_are_not_read() {
    let text = "{\"stream\":\"btcusdt\0\0\0\0@trade\",\"data\":{\"e\":\"trade\",\"E\":17,\"T\":17,\"s\":\"BTCUSDT\",\"t\":5,\"p\":\"61800.30\",\"q\":\"0.006\",\"X\":\"MARKET\",\"m\":false}}";
    let mut usdm = Both::new("binance", InstrumentKind::LinearPerpetual, 50);
    assert_eq!(usdm.compare(text.replace('\0', "").as_bytes()).0, Some(FrameKind::Trade));
    assert_eq!(usdm.compare(text.as_bytes()).0, None);
}

/// Orders of futures as they were recorded are read by the scanner.
#[test]
fn recorded_orders_of_futures_are_scanned() {
    let mut usdm = Both::new("binance_usdm", InstrumentKind::LinearPerpetual, 50);
    let mut scanned = 0;
    for (name, text) in messages() {
        if name.starts_with("binance/usdm_user_order_") && name.ends_with("_real.json") {
            assert!(usdm.compare(text.as_bytes()).1, "{name}");
            scanned += 1;
        }
    }
    assert!(scanned >= 3);
}
