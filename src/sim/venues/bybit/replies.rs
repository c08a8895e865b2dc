//! A client's message, and the forms of the replies of the three sockets.

use super::category::Category;
use super::json::{Object, loose, quoted};
use super::sockets::Kind;
use crate::sim::{ConnId, WireOut, WsOut};
use serde_json::Value;

/// Name of a connection as its replies give it.
pub(super) fn conn_id(conn: ConnId) -> String {
    format!("sim{:012x}-{:04x}", conn.0, conn.0 % 0xffff)
}

pub(super) fn say(conn: ConnId, object: Object, out: &mut WireOut) {
    out.push((conn, WsOut::Text(object.done())));
}

/// A message of a client: its operation and arguments.
pub(super) struct Message<'a> {
    pub(super) op: &'a str,
    /// `req_id`, or `reqId` on the trade socket; empty if there is none.
    pub(super) req_id: String,
    pub(super) body: &'a Value,
    pub(super) category: Category,
}

impl<'a> Message<'a> {
    pub(super) fn of(body: &'a Value, kind: Kind) -> Self {
        let name = if kind == Kind::Trade { "reqId" } else { "req_id" };
        let op = body.get("op").and_then(Value::as_str).unwrap_or_default();
        let req_id = loose(body.get(name)).unwrap_or_default();
        Self { op, req_id, body, category: Category::Spot }
    }

    pub(super) fn args(&self) -> &'a [Value] {
        self.body.get("args").and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// Arguments that are texts.
    pub(super) fn topics(&self) -> Vec<&'a str> {
        self.args().iter().filter_map(Value::as_str).collect()
    }
}

/// Echoes the request's id, if it had one.
pub(super) fn with_id(object: Object, name: &str, message: &Message<'_>) -> Object {
    if message.req_id.is_empty() { object } else { object.raw(name, &quoted(&message.req_id)) }
}

pub(super) fn public_reply(conn: ConnId, success: bool, text: &str) -> Object {
    let reply = Object::new().flag("success", success).text("ret_msg", text);
    reply.text("conn_id", &conn_id(conn))
}

/// The spot form: the id of the request only if it had one; the pong names the op `ping`.
pub(super) fn spot_reply(conn: ConnId, success: bool, text: &str, message: &Message<'_>) -> Object {
    with_id(public_reply(conn, success, text), "req_id", message).text("op", message.op)
}

/// The linear form: always an id, and no text where all is well.
pub(super) fn public_ack(conn: ConnId, success: bool, text: &str, message: &Message<'_>) -> Object {
    if message.category == Category::Spot {
        return spot_reply(conn, success, text, message);
    }
    let quiet = success && text != "pong";
    private_reply(conn, success, if quiet { "" } else { text }, message)
}

/// A topic as the market data names it: with the exchange's symbol.
pub(super) fn internal(category: Category, topic: &str) -> String {
    category.symbol(topic)
}

/// The private form: an empty id where the request had none.
pub(super) fn private_reply(
    conn: ConnId,
    success: bool,
    text: &str,
    message: &Message<'_>,
) -> Object {
    let reply = public_reply(conn, success, text).text("req_id", &message.req_id);
    reply.text("op", message.op)
}
