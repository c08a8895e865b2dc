//! What the venues would say: market data for given prices, and an answer to everything sent. Made
//! outside of what is measured, so plainly.

use rust_decimal::Decimal;
use serde_json::{Value, json};
use stoop::types::{Channel, Nanos};
use stoop::venues::{Output, RequestId};

/// Best prices of one venue in one round, in hundredths.
#[derive(Clone, Copy)]
pub struct Quote {
    /// Number of the round; sequences follow from it.
    pub number: u64,
    pub bid: i64,
    pub ask: i64,
    pub at: Nanos,
}

const LEVELS: i64 = 8;

fn price(hundredths: i64) -> String {
    Decimal::new(hundredths, 2).to_string()
}

impl Quote {
    fn ms(&self) -> u64 {
        self.at.as_millis()
    }

    /// Bids and asks, best first, one tick of ten apart; all with this quantity if one is given.
    fn levels(&self, qty: Option<&str>) -> [Vec<[String; 2]>; 2] {
        [(self.bid, -10), (self.ask, 10)].map(|(best, step)| {
            let qty = |n: i64| qty.map_or_else(|| format!("{}.25", n + 1), str::to_owned);
            (0..LEVELS).map(|n| [price(best + n * step), qty(n)]).collect()
        })
    }

    /// What replaces the levels of `before` by those of this one.
    fn changes(&self, before: &Self) -> [Vec<[String; 2]>; 2] {
        let ([mut bids, mut asks], [new_bids, new_asks]) =
            (before.levels(Some("0")), self.levels(None));
        bids.extend(new_bids);
        asks.extend(new_asks);
        [bids, asks]
    }
}

/// What comes back for something sent.
pub enum Answer {
    Frame(Channel, String),
    Reply(RequestId, String),
}

/// An order as it was sent.
struct Placed<'a> {
    request: &'a Value,
    symbol: &'a str,
    id: &'a str,
    side: &'a str,
    price: &'a str,
    qty: Decimal,
}

impl Placed<'_> {
    /// The quantity of the first fill and of the second; nothing of it if the order expires.
    fn fills(&self, expires: bool) -> Vec<Decimal> {
        let half = (self.qty / Decimal::TWO).round_dp(5);
        if expires { vec![half] } else { vec![half, self.qty - half] }
    }
}

/// One venue.
pub trait Exchange {
    fn name(&self) -> &'static str;
    fn credentials(&self) -> (&'static str, &'static str);
    /// Top of book, depth and trade of a round, in the order in which they come.
    fn frames(&self, quote: &Quote, before: &Quote) -> [(&'static str, String); 3];
    /// Everything that the venue says to an output in the round of `quote`.
    fn answers(&mut self, output: &Output<'_>, quote: &Quote) -> Vec<Answer>;
}

/// Secrets are those of the venue's documentation.
const KEY: &str = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A";
const SHARED: &str = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j";
/// Seed 00 01 .. 1f as PKCS#8.
const PEM: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n\
    -----END PRIVATE KEY-----\n";

fn body(output: &Output<'_>) -> Value {
    match output {
        Output::Frame(_, bytes) => serde_json::from_slice(bytes).unwrap(),
        Output::Request(_) | Output::Reconnect(_) | Output::Connect(..) => Value::Null,
    }
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("{key}: {value}"))
}

/// Numbers for orders and fills.
#[derive(Default)]
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 += 1;
        1_000_000 + self.0
    }
}

pub struct Binance {
    pub ed25519: bool,
    numbers: Numbers,
}

impl Binance {
    pub fn new(ed25519: bool) -> Self {
        Self { ed25519, numbers: Numbers::default() }
    }

    fn result(&self, id: &Value, result: Value) -> Answer {
        let limit = json!({"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE",
            "intervalNum": 1, "limit": 6000, "count": 7});
        let reply = json!({"id": id, "status": 200, "result": result, "rateLimits": [limit]});
        Answer::Frame(Channel::Trade, reply.to_string())
    }

    fn execution(
        &mut self,
        order: &Placed<'_>,
        number: u64,
        quote: &Quote,
        [kind, state]: [&str; 2],
        [last, total]: [Decimal; 2],
    ) -> Answer {
        let (trade, fee) = match kind {
            "TRADE" => (json!(self.numbers.next()), json!("USDT")),
            _ => (json!(-1), Value::Null),
        };
        let event = json!({"e": "executionReport", "E": quote.ms(), "c": order.id,
            "s": order.symbol, "S": order.side, "o": "LIMIT", "f": "IOC",
            "q": order.qty.to_string(), "p": order.price, "P": "0.00000000", "g": -1, "C": "",
            "x": kind, "X": state, "r": "NONE", "i": number, "l": last.to_string(),
            "z": total.to_string(), "L": order.price, "n": "0.00100000", "N": fee,
            "T": quote.ms(), "t": trade, "w": false, "m": false, "O": quote.ms()});
        self.event(event)
    }

    fn event(&self, event: Value) -> Answer {
        Answer::Frame(Channel::Trade, json!({"subscriptionId": 0, "event": event}).to_string())
    }

    fn order(&mut self, sent: &Value, quote: &Quote) -> Vec<Answer> {
        let params = &sent["params"];
        let signature = params["signature"].as_str().map(str::len);
        assert_eq!(signature, (!self.ed25519).then_some(64), "{sent}");
        let order = Placed {
            request: &sent["id"],
            symbol: text(params, "symbol"),
            id: text(params, "newClientOrderId"),
            side: text(params, "side"),
            price: text(params, "price"),
            qty: text(params, "quantity").parse().unwrap(),
        };
        let expires = quote.number % 5 == 4;
        let (number, mut total) = (self.numbers.next(), Decimal::ZERO);
        let none = [Decimal::ZERO; 2];
        let mut answers = vec![self.execution(&order, number, quote, ["NEW", "NEW"], none)];
        for last in order.fills(expires) {
            total += last;
            let state = if total == order.qty { "FILLED" } else { "PARTIALLY_FILLED" };
            let quantities = [last, total];
            answers.push(self.execution(&order, number, quote, ["TRADE", state], quantities));
        }
        if expires {
            let ended = ["EXPIRED", "EXPIRED"];
            answers.push(self.execution(&order, number, quote, ended, [Decimal::ZERO, total]));
        }
        let asset = |name, free: u64| json!({"a": name, "f": free.to_string(), "l": "0.00000000"});
        let assets = [asset("BTC", 100 + quote.number), asset("USDT", 9_000_000 + quote.number)];
        answers.push(self.event(json!({"e": "outboundAccountPosition", "E": quote.ms(),
            "u": quote.ms(), "B": assets})));
        let acknowledged = json!({"symbol": order.symbol, "orderId": number, "orderListId": -1,
            "clientOrderId": order.id, "transactTime": quote.ms()});
        // The acknowledgement overtakes the events or is overtaken by them.
        let place = if quote.number.is_multiple_of(2) { 0 } else { 2 };
        answers.insert(place, self.result(order.request, acknowledged));
        answers
    }
}

impl Exchange for Binance {
    fn name(&self) -> &'static str {
        "binance"
    }

    fn credentials(&self) -> (&'static str, &'static str) {
        (KEY, if self.ed25519 { PEM } else { SHARED })
    }

    fn frames(&self, quote: &Quote, before: &Quote) -> [(&'static str, String); 3] {
        let first = quote.number * 10;
        let [bids, asks] = quote.changes(before);
        let top = json!({"stream": "btcusdt@bookTicker", "data": {"u": first + 5, "s": "BTCUSDT",
            "b": price(quote.bid), "B": "1.25000000", "a": price(quote.ask), "A": "1.25000000"}});
        let depth = json!({"stream": "btcusdt@depth@100ms", "data": {"e": "depthUpdate",
            "E": quote.ms(), "s": "BTCUSDT", "U": first, "u": first + 9, "b": bids, "a": asks}});
        let trade = json!({"stream": "btcusdt@trade", "data": {"e": "trade", "E": quote.ms(),
            "s": "BTCUSDT", "t": quote.number, "p": price(quote.ask), "q": "0.02000000",
            "T": quote.ms(), "m": true, "M": true}});
        [
            ("bookTicker frame decoded", top.to_string()),
            ("depth delta frame decoded", depth.to_string()),
            ("trade frame decoded", trade.to_string()),
        ]
    }

    fn answers(&mut self, output: &Output<'_>, quote: &Quote) -> Vec<Answer> {
        let time = json!({"serverTime": quote.ms()});
        if let Output::Request(request) = output {
            let [bids, asks] = quote.levels(None);
            let last = quote.number * 10 + 9;
            let reply = match request.path.split('?').next().unwrap() {
                "/api/v3/time" => time,
                "/api/v3/depth" => json!({"lastUpdateId": last, "bids": bids, "asks": asks}),
                other => panic!("{other}"),
            };
            return vec![Answer::Reply(request.id, reply.to_string())];
        }
        let sent = body(output);
        let balance = |asset, free| json!({"asset": asset, "free": free, "locked": "0"});
        let result = match text(&sent, "method") {
            "SUBSCRIBE" => {
                let reply = json!({"result": null, "id": sent["id"]}).to_string();
                return vec![Answer::Frame(Channel::Public, reply)];
            }
            "order.place" => return self.order(&sent, quote),
            "time" => time,
            "session.logon" if self.ed25519 => json!({}),
            "userDataStream.subscribe" if self.ed25519 => json!({"subscriptionId": 0}),
            "userDataStream.subscribe.signature" => json!({"subscriptionId": 0}),
            "account.status" => {
                let balances = [balance("BTC", "100"), balance("USDT", "9000000")];
                json!({"updateTime": quote.ms(), "accountType": "SPOT", "balances": balances})
            }
            other => panic!("{other}: {sent}"),
        };
        vec![self.result(&sent["id"], result)]
    }
}

#[derive(Default)]
pub struct Bybit {
    numbers: Numbers,
}

impl Bybit {
    fn topic(&self, topic: &str, quote: &Quote, rows: Value) -> Answer {
        let frame = json!({"topic": topic, "id": "1", "creationTime": quote.ms(), "data": rows});
        Answer::Frame(Channel::Private, frame.to_string())
    }

    fn row(&self, order: &Placed<'_>, number: u64, quote: &Quote, state: [&str; 2]) -> Value {
        json!({"category": "spot", "symbol": order.symbol, "orderId": number.to_string(),
            "orderLinkId": order.id, "side": order.side, "orderStatus": state[0],
            "cancelType": "UNKNOWN", "rejectReason": state[1], "timeInForce": "IOC",
            "price": order.price, "qty": order.qty.to_string(), "leavesQty": "0",
            "cumExecQty": if state[0] == "New" { Decimal::ZERO } else { self.filled(order, quote) },
            "orderType": "Limit", "updatedTime": quote.ms().to_string()})
    }

    fn expires(quote: &Quote) -> bool {
        quote.number % 7 == 6
    }

    fn filled(&self, order: &Placed<'_>, quote: &Quote) -> Decimal {
        order.fills(Self::expires(quote)).into_iter().sum()
    }

    fn order(&mut self, sent: &Value, quote: &Quote) -> Vec<Answer> {
        let params = &sent["args"][0];
        let order = Placed {
            request: &sent["reqId"],
            symbol: text(params, "symbol"),
            id: text(params, "orderLinkId"),
            side: text(params, "side"),
            price: text(params, "price"),
            qty: text(params, "qty").parse().unwrap(),
        };
        let number = self.numbers.next();
        let ended = if Self::expires(quote) {
            ["PartiallyFilledCanceled", "EC_CancelForNoFullFill"]
        } else {
            ["Filled", "EC_NoError"]
        };
        let acknowledged = json!({"reqId": order.request, "retCode": 0, "retMsg": "OK",
            "op": "order.create", "data": {"orderId": number.to_string(), "orderLinkId": order.id},
            "retExtInfo": {}, "header": {"X-Bapi-Limit": "20", "X-Bapi-Limit-Status": "19",
                "X-Bapi-Limit-Reset-Timestamp": quote.ms().to_string(),
                "Timenow": quote.ms().to_string()}, "connId": "c"});
        let mut executions = Vec::new();
        for qty in order.fills(Self::expires(quote)) {
            executions.push(json!({"category": "spot", "symbol": order.symbol,
                "execFee": "0.001", "execId": self.numbers.next().to_string(),
                "execPrice": order.price, "execQty": qty.to_string(), "execType": "Trade",
                "feeRate": "0.001", "orderId": number.to_string(), "orderLinkId": order.id,
                "side": order.side, "execTime": quote.ms().to_string(), "isMaker": false,
                "extraFees": "", "feeCurrency": "USDT"}));
        }
        let coin = |name, total: u64| json!({"coin": name, "walletBalance": total.to_string(), "locked": "0"});
        let coins = [coin("BTC", 100 + quote.number), coin("USDT", 9_000_000 + quote.number)];
        let wallet = json!([{"accountType": "UNIFIED", "coin": coins}]);
        let open = self.row(&order, number, quote, ["New", "EC_NoError"]);
        let last = self.row(&order, number, quote, ended);
        let mut answers = vec![
            self.topic("order", quote, json!([open])),
            self.topic("execution", quote, json!(executions)),
            self.topic("order", quote, json!([last])),
            self.topic("wallet", quote, wallet),
        ];
        let place = if quote.number.is_multiple_of(2) { 0 } else { 3 };
        answers.insert(place, Answer::Frame(Channel::Trade, acknowledged.to_string()));
        answers
    }

    fn book(&self, kind: &str, quote: &Quote, [bids, asks]: [Vec<[String; 2]>; 2]) -> String {
        json!({"topic": "orderbook.50.BTCUSDT", "ts": quote.ms(), "type": kind,
            "data": {"s": "BTCUSDT", "b": bids, "a": asks, "u": quote.number,
                "seq": quote.number * 10 + 9}, "cts": quote.ms()})
        .to_string()
    }

    fn best(&self, quote: &Quote) -> String {
        json!({"topic": "orderbook.1.BTCUSDT", "ts": quote.ms(), "type": "snapshot",
            "data": {"s": "BTCUSDT", "b": [[price(quote.bid), "1.25"]],
                "a": [[price(quote.ask), "1.25"]], "u": quote.number,
                "seq": quote.number * 10 + 5}, "cts": quote.ms()})
        .to_string()
    }
}

impl Exchange for Bybit {
    fn name(&self) -> &'static str {
        "bybit"
    }

    fn credentials(&self) -> (&'static str, &'static str) {
        ("test_api_key", "test_secret")
    }

    fn frames(&self, quote: &Quote, before: &Quote) -> [(&'static str, String); 3] {
        let row = json!({"i": quote.number.to_string(), "T": quote.ms(), "p": price(quote.ask),
            "v": "0.02", "S": "Sell", "seq": quote.number * 10, "s": "BTCUSDT", "BT": false});
        let trade = json!({"topic": "publicTrade.BTCUSDT", "ts": quote.ms(), "type": "snapshot",
            "data": [row]});
        [
            ("orderbook.1 frame decoded", self.best(quote)),
            ("orderbook.50 delta frame decoded", self.book("delta", quote, quote.changes(before))),
            ("publicTrade frame decoded", trade.to_string()),
        ]
    }

    fn answers(&mut self, output: &Output<'_>, quote: &Quote) -> Vec<Answer> {
        if let Output::Request(request) = output {
            let result = match request.path.split('?').next().unwrap() {
                "/v5/market/time" => json!({"timeNano": quote.at.0.to_string()}),
                "/v5/account/wallet-balance" => {
                    let coin = |name, total| json!({"coin": name, "walletBalance": total});
                    let coins = [coin("BTC", "100"), coin("USDT", "9000000")];
                    json!({"list": [{"accountType": "UNIFIED", "coin": coins}]})
                }
                other => panic!("{other}"),
            };
            let reply = json!({"retCode": 0, "retMsg": "OK", "result": result, "time": quote.ms()});
            return vec![Answer::Reply(request.id, reply.to_string())];
        }
        let Output::Frame(channel, _) = *output else { panic!("a connection was given up") };
        let sent = body(output);
        let say = |reply: Value| vec![Answer::Frame(channel, reply.to_string())];
        match (text(&sent, "op"), channel) {
            ("order.create", _) => self.order(&sent, quote),
            ("auth", Channel::Trade) => say(json!({"retCode": 0, "retMsg": "OK", "op": "auth"})),
            ("auth", _) => say(json!({"success": true, "ret_msg": "", "op": "auth"})),
            ("ping", Channel::Trade) => say(json!({"retCode": 0, "op": "pong", "connId": "c"})),
            ("ping", _) => say(json!({"success": true, "ret_msg": "pong", "op": "ping"})),
            ("subscribe", Channel::Public) => {
                let mut answers = say(json!({"success": true, "ret_msg": "subscribe",
                    "req_id": sent["req_id"], "op": "subscribe"}));
                let snapshot = self.book("snapshot", quote, quote.levels(None));
                answers.push(Answer::Frame(channel, snapshot));
                answers.push(Answer::Frame(channel, self.best(quote)));
                answers
            }
            ("subscribe", _) => say(json!({"success": true, "ret_msg": "", "op": "subscribe"})),
            other => panic!("{other:?}: {sent}"),
        }
    }
}
