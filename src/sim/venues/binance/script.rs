//! What a Binance that is only there to be measured against says: every subscription is taken, every
//! account is rich, every immediate order expires unfilled at once.

use crate::sim::{HttpReply, HttpRequest, Script};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// See the module.
pub struct BinanceScript {
    snapshot: String,
    orders: u64,
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}

impl BinanceScript {
    /// `snapshot` is the depth that it answers with, as the venue writes it.
    #[must_use]
    pub fn new(snapshot: String) -> Self {
        Self { snapshot, orders: 0 }
    }

    /// The acknowledgement, and what the private stream says of an order that nothing meets. Found and
    /// written without reading the whole of it: whoever measures in the same thread does not want his
    /// caches filled with the venue's work.
    fn order(&mut self, text: &str, answers: &mut Vec<String>) {
        self.orders += 1;
        let (number, now) = (self.orders, now_ms());
        let [symbol, client, side, qty, price] =
            ["symbol", "newClientOrderId", "side", "quantity", "price"]
                .map(|name| member(text, name));
        let request = member(text, "id");
        answers.push(format!(
            "{{\"id\":{request},\"status\":200,\"result\":{{\"symbol\":\"{symbol}\",\
             \"orderId\":{number},\"orderListId\":-1,\"clientOrderId\":\"{client}\",\
             \"transactTime\":{now}}},\"rateLimits\":[]}}"
        ));
        for (kind, works) in [("NEW", true), ("EXPIRED", false)] {
            answers.push(format!(
                "{{\"subscriptionId\":0,\"event\":{{\"e\":\"executionReport\",\"E\":{now},\
                 \"s\":\"{symbol}\",\"c\":\"{client}\",\"S\":\"{side}\",\"o\":\"LIMIT\",\"f\":\"IOC\",\
                 \"q\":\"{qty}\",\"p\":\"{price}\",\"P\":\"0.00000000\",\"F\":\"0.00000000\",\"g\":-1,\
                 \"C\":\"\",\"x\":\"{kind}\",\"X\":\"{kind}\",\"r\":\"NONE\",\"i\":{number},\
                 \"l\":\"0.00000000\",\"z\":\"0.00000000\",\"L\":\"0.00000000\",\"n\":\"0\",\
                 \"N\":null,\"T\":{now},\"t\":-1,\"I\":{number},\"w\":{works},\"m\":false,\
                 \"M\":false,\"O\":{now},\"Z\":\"0.00000000\",\"Y\":\"0.00000000\",\
                 \"Q\":\"0.00000000\",\"W\":{now},\"V\":\"NONE\"}}}}"
            ));
        }
    }
}

/// Text of a member, wherever it stands; empty if there is none.
fn member<'a>(text: &'a str, name: &str) -> &'a str {
    let mut rest = text;
    while let Some(at) = rest.find(name) {
        let (before, after) = (&rest[..at], &rest[at + name.len()..]);
        if before.ends_with('"')
            && let Some(value) = after.strip_prefix("\":")
        {
            let value = value.strip_prefix('"').unwrap_or(value);
            return &value[..value.find(['"', ',', '}']).unwrap_or(value.len())];
        }
        rest = after;
    }
    ""
}

fn result(id: &Value, result: Value) -> String {
    json!({"id": id, "status": 200, "result": result, "rateLimits": []}).to_string()
}

fn account() -> Value {
    let balance = |asset: &str, free: &str| json!({"asset": asset, "free": free, "locked": "0"});
    json!({"updateTime": now_ms(), "accountType": "SPOT",
        "balances": [balance("BTC", "1000"), balance("USDT", "100000000")]})
}

fn commission(symbol: &Value) -> Value {
    let rates = json!({"maker": "0.0001", "taker": "0.0002", "buyer": "0", "seller": "0"});
    json!({"symbol": symbol, "standardCommission": rates})
}

impl Script for BinanceScript {
    fn paths(&self) -> [&'static str; 4] {
        ["", "/stream", "/ws-api/v3", ""]
    }

    fn on_http(&mut self, request: &HttpRequest) -> HttpReply {
        let body = match request.path.as_str() {
            "/api/v3/time" | "/fapi/v1/time" => json!({"serverTime": now_ms()}).to_string(),
            "/api/v3/depth" | "/fapi/v1/depth" => self.snapshot.clone(),
            _ => r#"{"code":-1,"msg":"not scripted"}"#.to_owned(),
        };
        let status = if body.starts_with("{\"code\":-1,") { 404 } else { 200 };
        HttpReply { status, headers: Vec::new(), body }
    }

    fn on_text(&mut self, path: &str, text: &str, answers: &mut Vec<String>) -> bool {
        if text.contains("\"order.place\"") {
            self.order(text, answers);
            return true;
        }
        let Ok(request) = serde_json::from_str::<Value>(text) else { return false };
        let id = &request["id"];
        if !path.starts_with(self.paths()[2]) {
            answers.push(json!({"result": null, "id": id}).to_string());
            return false;
        }
        let answer = match request["method"].as_str().unwrap_or_default() {
            "session.logon" => json!({"apiKey": request["params"]["apiKey"],
                "authorizedSince": now_ms(), "serverTime": now_ms()}),
            "userDataStream.subscribe" | "userDataStream.subscribe.signature" => {
                json!({"subscriptionId": 0})
            }
            "time" => json!({"serverTime": now_ms()}),
            "account.status" => account(),
            "account.commission" => commission(&request["params"]["symbol"]),
            "openOrders.status" | "myTrades" | "openOrders.cancelAll" => json!([]),
            _ => json!({}),
        };
        answers.push(result(id, answer));
        false
    }
}
