//! The WebSocket: market data, user feeds and posts on one connection.

#![forbid(unsafe_code)]

use super::super::json::Object;
use super::Hyperliquid;
use super::actions::Waiting;
use super::errors::{Refused, UNREADABLE, error_body};
use super::private;
use super::topics::{Topic, message};
use crate::sim::{ConnId, Exchange, WireOut, WsOut};
use serde_json::Value;

/// Posts of all sockets that wait for their reply.
const POSTS_MAX: usize = 100;
/// Cut without a closing frame.
const CUT: u16 = 1006;

fn error(conn: ConnId, text: &str, out: &mut WireOut) {
    let json = super::json::quoted(text);
    out.push((conn, WsOut::Text(message("error", &json))));
}

/// The reply to a post.
fn reply(conn: ConnId, id: u64, kind: &str, payload: &str, out: &mut WireOut) {
    let response = Object::new().text("type", kind).raw("payload", payload).done();
    let data = Object::new().number("id", id).raw("response", &response).done();
    out.push((conn, WsOut::Text(message("post", &data))));
}

/// The reply to an action.
fn reply_action(conn: ConnId, id: u64, outcome: Result<String, Refused>, out: &mut WireOut) {
    match outcome {
        Ok(body) => reply(conn, id, "action", &body, out),
        Err(Refused::Said(text)) => reply(conn, id, "action", &error_body(&text), out),
        Err(Refused::Unreadable) => reply_unreadable(conn, id, out),
    }
}

/// The text mirrors the status of an HTTP reply.
fn reply_unreadable(conn: ConnId, id: u64, out: &mut WireOut) {
    let text = format!("422 Unprocessable Entity: {UNREADABLE}");
    reply(conn, id, "error", &super::json::quoted(&text), out);
}

impl Hyperliquid {
    /// Answers one text of a client.
    pub(super) fn on_socket_text(
        &mut self,
        conn: ConnId,
        text: &str,
        exchange: &mut Exchange,
        now_ms: u64,
        out: &mut WireOut,
    ) {
        if !self.desk.meter.message(now_ms) {
            return error(conn, "Too many messages in the last minute.", out);
        }
        let body: Value = serde_json::from_str(text).unwrap_or(Value::Null);
        let unreadable = || format!("Error parsing JSON into valid websocket request: {text}");
        match body.get("method").and_then(Value::as_str) {
            Some("ping") => {
                let pong = Object::new().text("channel", "pong").done();
                out.push((conn, WsOut::Text(pong)));
            }
            Some("post") => match post(&body) {
                Some(post) => self.on_post(conn, &post, exchange, now_ms, out),
                None => error(conn, &unreadable(), out),
            },
            Some(method @ ("subscribe" | "unsubscribe")) => {
                match body.get("subscription").and_then(Topic::read) {
                    Some(topic) if method == "subscribe" => {
                        self.subscribe(conn, topic, exchange, now_ms, out);
                    }
                    Some(topic) => self.unsubscribe(conn, &topic, out),
                    None => error(conn, &unreadable(), out),
                }
            }
            _ => error(conn, &unreadable(), out),
        }
    }

    fn subscribe(
        &mut self,
        conn: ConnId,
        topic: Topic,
        exchange: &Exchange,
        now_ms: u64,
        out: &mut WireOut,
    ) {
        if topic.coin().is_some_and(|coin| self.assets.by_coin(coin).is_none()) {
            return out.push((conn, WsOut::Close(CUT, String::new())));
        }
        let echo = topic.echo();
        if self.wanted.contains(&topic, conn) {
            return error(conn, &format!("Already subscribed: {echo}"), out);
        }
        let limits = self.desk.meter.limits;
        if self.wanted.count() >= limits.subscriptions {
            return error(conn, "Cannot track more subscriptions.", out);
        }
        let mut users = self.wanted.users();
        users.extend(topic.user());
        if users.len() > limits.users {
            let text = format!("Cannot track more than {} total users.", limits.users);
            return error(conn, &text, out);
        }
        acknowledge(conn, "subscribe", &echo, out);
        let records = &self.desk.records;
        let greeting = match topic.user() {
            Some(_) => private::greet(&topic, records, &self.assets, exchange, now_ms),
            None => self.market.greet(&topic, &self.assets, exchange, now_ms),
        };
        out.extend(greeting.map(|text| (conn, WsOut::Text(text))));
        self.wanted.add(topic, conn);
    }

    fn unsubscribe(&mut self, conn: ConnId, topic: &Topic, out: &mut WireOut) {
        let echo = topic.echo();
        if self.wanted.remove(topic, conn) {
            acknowledge(conn, "unsubscribe", &echo, out);
        } else {
            error(conn, &format!("Already unsubscribed: {echo}"), out);
        }
    }

    fn on_post(
        &mut self,
        conn: ConnId,
        post: &Post<'_>,
        exchange: &mut Exchange,
        now_ms: u64,
        out: &mut WireOut,
    ) {
        let Post { id, is_action, payload } = *post;
        if !is_action {
            return match self.info(payload, exchange, now_ms) {
                Ok(answer) => {
                    let name = payload.get("type").and_then(Value::as_str).unwrap_or_default();
                    let payload = Object::new().text("type", name).raw("data", &answer.body);
                    reply(conn, id, "info", &payload.done(), out);
                }
                Err(_) => reply_unreadable(conn, id, out),
            };
        }
        if self.waiting.len() >= POSTS_MAX {
            let refused = Refused::said("Too many inflight post requests.");
            return reply_action(conn, id, Err(refused), out);
        }
        match self.authenticate(payload, exchange, now_ms) {
            Err(refused) => reply_action(conn, id, Err(refused), out),
            Ok(signed) if self.options.action_block_ms == 0 => {
                let outcome = self.perform(&signed, exchange, now_ms);
                reply_action(conn, id, outcome, out);
            }
            Ok(signed) => self.waiting.push(Waiting::new(conn, id, signed)),
        }
    }

    /// Carries out what waits, if it is time for a block.
    pub(super) fn run_block(&mut self, exchange: &mut Exchange, now_ms: u64, out: &mut WireOut) {
        for (conn, id, outcome) in self.make_block(exchange, now_ms) {
            reply_action(conn, id, outcome, out);
        }
    }
}

fn acknowledge(conn: ConnId, method: &str, echo: &str, out: &mut WireOut) {
    let data = Object::new().text("method", method).raw("subscription", echo).done();
    out.push((conn, WsOut::Text(message("subscriptionResponse", &data))));
}

/// A post as read.
#[derive(Clone, Copy)]
struct Post<'a> {
    id: u64,
    is_action: bool,
    payload: &'a Value,
}

fn post(body: &Value) -> Option<Post<'_>> {
    let request = body.get("request")?;
    let is_action = match request.get("type")?.as_str()? {
        "action" => true,
        "info" => false,
        _ => return None,
    };
    Some(Post { id: body.get("id")?.as_u64()?, is_action, payload: request.get("payload")? })
}
