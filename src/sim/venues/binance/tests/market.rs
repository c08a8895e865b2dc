//! Public data over REST and the ws api.

use super::*;

fn get(venue: &mut Venue, path: &str, query: &str) -> String {
    venue.http("GET", &format!("/api/v3/{path}"), query, "", None).body
}

const ETH_INFO: &str = r#"{"symbol":"ETHUSDT","status":"TRADING","baseAsset":"ETH","baseAssetPrecision":8,"quoteAsset":"USDT","quotePrecision":8,"quoteAssetPrecision":8,"baseCommissionPrecision":8,"quoteCommissionPrecision":8,"orderTypes":["LIMIT","LIMIT_MAKER","MARKET"],"icebergAllowed":false,"ocoAllowed":false,"otoAllowed":false,"opoAllowed":false,"quoteOrderQtyMarketAllowed":true,"allowTrailingStop":false,"cancelReplaceAllowed":true,"amendAllowed":true,"pegInstructionsAllowed":false,"isSpotTradingAllowed":true,"isMarginTradingAllowed":false,"filters":[{"filterType":"PRICE_FILTER","minPrice":"0.01000000","maxPrice":"1000000.00000000","tickSize":"0.01000000"},{"filterType":"LOT_SIZE","minQty":"0.00001000","maxQty":"9000.00000000","stepSize":"0.00001000"},{"filterType":"MARKET_LOT_SIZE","minQty":"0.00000000","maxQty":"100.00000000","stepSize":"0.00000000"},{"filterType":"PERCENT_PRICE_BY_SIDE","bidMultiplierUp":"5","bidMultiplierDown":"0.2","askMultiplierUp":"5","askMultiplierDown":"0.2","avgPriceMins":0},{"filterType":"NOTIONAL","minNotional":"5.00000000","applyMinToMarket":true,"maxNotional":"9000000.00000000","applyMaxToMarket":false,"avgPriceMins":0},{"filterType":"MAX_NUM_ORDERS","maxNumOrders":200}],"permissions":[],"permissionSets":[["SPOT"]],"defaultSelfTradePreventionMode":"NONE","allowedSelfTradePreventionModes":["NONE"]}"#;

#[test]
fn ping_time_and_instruments() {
    let mut venue = Venue::new();
    assert_eq!(get(&mut venue, "ping", ""), "{}");
    assert_eq!(get(&mut venue, "time", ""), format!(r#"{{"serverTime":{T}}}"#));
    let limits = r#"[{"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE","intervalNum":1,"limit":6000},{"rateLimitType":"ORDERS","interval":"SECOND","intervalNum":10,"limit":50},{"rateLimitType":"ORDERS","interval":"DAY","intervalNum":1,"limit":160000},{"rateLimitType":"RAW_REQUESTS","interval":"MINUTE","intervalNum":5,"limit":300000}]"#;
    let info = |symbols: &str| {
        format!(
            r#"{{"timezone":"UTC","serverTime":{T},"rateLimits":{limits},"exchangeFilters":[],"symbols":[{symbols}]}}"#
        )
    };
    assert_eq!(get(&mut venue, "exchangeInfo", "symbol=ETHUSDT"), info(ETH_INFO));
    assert_eq!(get(&mut venue, "exchangeInfo", "symbols=%5B%22ETHUSDT%22%5D"), info(ETH_INFO));
    assert_eq!(get(&mut venue, "exchangeInfo", r#"symbols=["ETHUSDT"]"#), info(ETH_INFO));
    let btc = ETH_INFO.replace("ETH", "BTC");
    assert_eq!(get(&mut venue, "exchangeInfo", ""), info(&format!("{btc},{ETH_INFO}")));
    assert_eq!(get(&mut venue, "exchangeInfo", "symbolStatus=BREAK"), info(""));
    let unknown = r#"{"code":-1121,"msg":"Invalid symbol."}"#;
    assert_eq!(get(&mut venue, "exchangeInfo", "symbol=NOPE"), unknown);
    assert_eq!(get(&mut venue, "exchangeInfo", r#"symbols=["ETHUSDT","NOPE"]"#), unknown);
    assert_eq!(
        get(&mut venue, "exchangeInfo", r#"symbol=ETHUSDT&symbols=["ETHUSDT"]"#),
        r#"{"code":-1128,"msg":"Combination of optional parameters invalid."}"#
    );
    let over_ws = r#"{"id":1,"method":"exchangeInfo","params":{"symbols":["ETHUSDT"]}}"#;
    assert_eq!(only_text(&venue.send(API, over_ws), API), [success(&info(ETH_INFO))]);
}

#[test]
fn depth_and_tickers() {
    let mut venue = Venue::new();
    // The exchange counts its update ids from 5000001; three levels were set.
    let full = r#"{"lastUpdateId":5000003,"bids":[["99.00000000","2.00000000"]],"asks":[["101.00000000","1.00000000"],["102.00000000","3.00000000"]]}"#;
    assert_eq!(get(&mut venue, "depth", "symbol=BTCUSDT&limit=5000"), full);
    assert_eq!(
        get(&mut venue, "depth", "symbol=BTCUSDT&limit=1"),
        r#"{"lastUpdateId":5000003,"bids":[["99.00000000","2.00000000"]],"asks":[["101.00000000","1.00000000"]]}"#
    );
    let over_ws = r#"{"id":1,"method":"depth","params":{"symbol":"BTCUSDT","limit":10}}"#;
    assert_eq!(only_text(&venue.send(API, over_ws), API), [success(full)]);
    assert_eq!(
        get(&mut venue, "depth", "symbol=NOPE"),
        r#"{"code":-1121,"msg":"Invalid symbol."}"#
    );
    assert_eq!(
        get(&mut venue, "depth", ""),
        r#"{"code":-1102,"msg":"Mandatory parameter 'symbol' was not sent, was empty/null, or malformed."}"#
    );
    let btc = r#"{"symbol":"BTCUSDT","bidPrice":"99.00000000","bidQty":"2.00000000","askPrice":"101.00000000","askQty":"1.00000000"}"#;
    let eth = r#"{"symbol":"ETHUSDT","bidPrice":"0.00000000","bidQty":"0.00000000","askPrice":"0.00000000","askQty":"0.00000000"}"#;
    assert_eq!(get(&mut venue, "ticker/bookTicker", "symbol=BTCUSDT"), btc);
    assert_eq!(get(&mut venue, "ticker/bookTicker", ""), format!("[{btc},{eth}]"));
    venue.exchange.background_trade("BTCUSDT", Side::Sell, d("99"), d("0.5"), T);
    venue.publish();
    assert_eq!(
        get(&mut venue, "ticker/price", "symbol=BTCUSDT"),
        r#"{"symbol":"BTCUSDT","price":"99.00000000"}"#
    );
    assert_eq!(
        get(&mut venue, "trades", "symbol=BTCUSDT"),
        format!(
            r#"[{{"id":1000001,"price":"99.00000000","qty":"0.50000000","quoteQty":"49.50000000","time":{T},"isBuyerMaker":true,"isBestMatch":true}}]"#
        )
    );
}

#[test]
fn klines_are_those_of_the_prints_and_of_a_made_up_past() {
    let mut venue = Venue::new();
    venue.exchange.background_trade("BTCUSDT", Side::Sell, d("99"), d("0.5"), T);
    venue.exchange.background_trade("BTCUSDT", Side::Buy, d("101"), d("0.25"), T);
    let asked =
        |venue: &mut Venue, query: &str| get(venue, "klines", &format!("symbol=BTCUSDT&{query}"));
    let start = T - T % 60_000;
    let own = format!(
        r#"[{start},"99.00000000","101.00000000","99.00000000","101.00000000","0.75000000",{},"74.75000000",2,"0.37500000","37.37500000","0"]"#,
        start + 59_999
    );
    assert_eq!(asked(&mut venue, &format!("interval=1m&startTime={start}")), format!("[{own}]"));
    let answer = asked(&mut venue, "interval=1h&limit=48");
    let fixture = include_str!("../../../../../tests/fixtures/binance/spot_klines_rest.json");
    crate::sim::venues::shapes::compare(&answer, fixture, &[]);
    let rows: Vec<serde_json::Value> = serde_json::from_str(&answer).unwrap();
    assert_eq!(rows.len(), 48);
    let first = format!("interval=1h&limit=1&startTime={}", rows[7][0]);
    assert_eq!(asked(&mut venue, &first), format!("[{}]", rows[7]), "those behind the start");
    assert_eq!(asked(&mut venue, "interval=2m"), r#"{"code":-1120,"msg":"Invalid interval."}"#);
    assert!(asked(&mut venue, "").contains("-1102"));
    assert!(get(&mut venue, "klines", "symbol=NOPE&interval=1m").contains("-1121"));
    let far = format!("interval=1d&startTime={0}&endTime={0}", u64::MAX);
    assert_eq!(asked(&mut venue, &far), "[]");
}

#[test]
fn a_stale_snapshot_can_be_asked_for() {
    let mut venue = Venue::new();
    let old = get(&mut venue, "depth", "symbol=BTCUSDT");
    venue.exchange.set_level("BTCUSDT", Side::Buy, d("98"), d("1"), T);
    venue.wire.serve_stale_snapshots(1);
    assert_eq!(get(&mut venue, "depth", "symbol=BTCUSDT"), old);
    assert!(get(&mut venue, "depth", "symbol=BTCUSDT").contains(r#"["98.00000000","1.00000000"]"#));
}
