//! What a Binance that is only there to be measured against says: every subscription is taken, every
//! account is rich, every immediate order expires unfilled at once.

use super::json::Obj;
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

    /// The acknowledgement, and what the private stream says of an order that nothing meets.
    fn order(&mut self, request: &Value, answers: &mut Vec<String>) {
        self.orders += 1;
        let (id, params, now) = (self.orders, &request["params"], now_ms());
        let text = |name: &str| params[name].as_str().unwrap_or_default().to_owned();
        let acknowledged = json!({"symbol": params["symbol"], "orderId": id, "orderListId": -1,
            "clientOrderId": params["newClientOrderId"], "transactTime": now});
        answers.push(result(&request["id"], acknowledged));
        for (kind, reason) in [("NEW", "NONE"), ("EXPIRED", "NONE")] {
            let report = Obj::new()
                .text("e", "executionReport")
                .raw("E", now)
                .text("s", &text("symbol"))
                .text("c", &text("newClientOrderId"))
                .text("S", &text("side"))
                .text("o", "LIMIT")
                .text("f", "IOC")
                .text("q", &text("quantity"))
                .text("p", &text("price"))
                .text("P", "0.00000000")
                .text("F", "0.00000000")
                .raw("g", -1)
                .text("C", "")
                .text("x", kind)
                .text("X", kind)
                .text("r", reason)
                .raw("i", id)
                .text("l", "0.00000000")
                .text("z", "0.00000000")
                .text("L", "0.00000000")
                .text("n", "0")
                .raw("N", "null")
                .raw("T", now)
                .raw("t", -1)
                .raw("I", 2 * id)
                .raw("w", kind == "NEW")
                .raw("m", false)
                .raw("M", false)
                .raw("O", now)
                .text("Z", "0.00000000")
                .text("Y", "0.00000000")
                .text("Q", "0.00000000")
                .raw("W", now)
                .text("V", "EXPIRE_MAKER")
                .end();
            answers.push(Obj::new().raw("subscriptionId", 0).raw("event", report).end());
        }
    }
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
        let Ok(request) = serde_json::from_str::<Value>(text) else { return false };
        let id = &request["id"];
        if !path.starts_with(self.paths()[2]) {
            answers.push(json!({"result": null, "id": id}).to_string());
            return false;
        }
        let answer = match request["method"].as_str().unwrap_or_default() {
            "order.place" => {
                self.order(&request, answers);
                return true;
            }
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
