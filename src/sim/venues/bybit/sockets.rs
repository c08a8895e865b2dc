//! The three WebSockets: what each says to `ping`, `auth`, `subscribe` and order operations.
//!
//! They differ in more than their paths: reply forms, field names and which replies carry the
//! request's id.

use super::Bybit;
use super::auth::{RECV_WINDOW_MS, SocketAuthError, check_socket, check_time};
use super::category::{Category, LINEAR};
use super::desk::{Action, Call, Reply};
use super::errors::VenueError;
use super::json::{Object, loose};
use super::limits::Budget;
use super::market::TopicError;
use super::private::check_topics;
use super::replies::{
    Message, conn_id, internal, private_reply, public_ack, public_reply, say, with_id,
};
use crate::sim::{AccountId, ConnId, Exchange, WireOut};
use serde_json::Value;
use std::collections::{BTreeSet, HashSet};

/// Topics of one public subscription request.
const ARGS_MAX: usize = 10;
/// Longest request id.
const REQ_ID_LENGTH_MAX: usize = 36;
/// Request ids that a socket remembers.
const REQ_IDS_MAX: usize = 4_000;

/// Which of the three.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Public,
    Private,
    Trade,
}

/// A connection.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) kind: Kind,
    /// Of a public one: what it carries.
    category: Category,
    pub(super) account: Option<AccountId>,
    /// Private topics.
    pub(super) topics: BTreeSet<String>,
    /// Last sign of the client, ms.
    pub(super) heard_ms: u64,
    /// Closed after this long without one, ms.
    pub(super) idle_ms: Option<u64>,
    /// Takes no new orders: the server is about to go.
    pub(super) draining: bool,
    req_ids: HashSet<String>,
    requests: u64,
}

impl Socket {
    pub(super) fn new(
        (kind, category): (Kind, Category),
        idle_ms: Option<u64>,
        now_ms: u64,
    ) -> Self {
        Self {
            kind,
            category,
            account: None,
            topics: BTreeSet::new(),
            heard_ms: now_ms,
            idle_ms,
            draining: false,
            req_ids: HashSet::new(),
            requests: 0,
        }
    }
}

impl Bybit {
    /// Answers one text of a client.
    pub(super) fn on_socket_text(
        &mut self,
        conn: ConnId,
        text: &str,
        exchange: &mut Exchange,
        now_ms: u64,
        out: &mut WireOut,
    ) {
        let Some(socket) = self.sockets.get_mut(&conn) else { return };
        socket.heard_ms = now_ms;
        let kind = socket.kind;
        let body: Value = serde_json::from_str(text).unwrap_or(Value::Null);
        let message = Message::of(&body, kind);
        match kind {
            Kind::Public => {
                let message = Message { category: socket.category, ..message };
                self.on_public(conn, &message, exchange, now_ms, out);
            }
            Kind::Private => self.on_private(conn, &message, exchange, now_ms, out),
            Kind::Trade => self.on_trade(conn, &message, exchange, now_ms, out),
        }
    }

    fn on_public(
        &mut self,
        conn: ConnId,
        message: &Message<'_>,
        exchange: &Exchange,
        now_ms: u64,
        out: &mut WireOut,
    ) {
        match message.op {
            "ping" => say(conn, public_ack(conn, true, "pong", message), out),
            "subscribe" => self.subscribe_public(conn, message, exchange, now_ms, out),
            "unsubscribe" => {
                for topic in message.topics() {
                    self.market.unsubscribe(conn, &internal(message.category, topic));
                }
                say(conn, public_ack(conn, true, "unsubscribe", message), out);
            }
            op => {
                say(conn, public_ack(conn, false, &format!("error:unknown op,{op}"), message), out)
            }
        }
    }

    /// One refused topic refuses the whole request.
    fn subscribe_public(
        &mut self,
        conn: ConnId,
        message: &Message<'_>,
        exchange: &Exchange,
        now_ms: u64,
        out: &mut WireOut,
    ) {
        let topics = message.topics();
        if topics.is_empty() || topics.len() != message.args().len() {
            let reply = public_ack(conn, false, "error:invalid args", message);
            return say(conn, reply, out);
        }
        let linear = message.category == Category::Linear;
        if topics.len() > ARGS_MAX && !linear {
            let reply = public_ack(conn, false, "args size >10", message);
            return say(conn, reply, out);
        }
        for topic in &topics {
            // What a spot client calls so does not exist.
            let foreign = !linear && topic.ends_with(LINEAR);
            let name = internal(message.category, topic);
            let checked =
                if foreign { Err(TopicError::NoSuchSymbol) } else { self.market.check(&name) };
            match checked {
                Err(TopicError::NoSuchSymbol) if linear => {
                    let text = format!("error:handler not found,topic:{topic}");
                    return say(conn, public_ack(conn, false, &text, message), out);
                }
                // This refusal does not name the request.
                Err(TopicError::NoSuchSymbol) => {
                    let text = format!("Invalid symbol :[{topic}]");
                    let reply = public_reply(conn, false, &text).text("op", message.op);
                    return say(conn, reply, out);
                }
                Err(TopicError::NoSuchTopic) => {
                    let text = format!("error:handler not found,topic:{topic}");
                    return say(conn, public_ack(conn, false, &text, message), out);
                }
                Ok(()) if self.market.is_subscribed(conn, &name) => {
                    let text = format!("error:already subscribed,topic:{topic}");
                    return say(conn, public_ack(conn, false, &text, message), out);
                }
                Ok(()) => {}
            }
        }
        let Some(socket) = self.sockets.get_mut(&conn) else { return };
        socket.requests += 1;
        // Data may come before the acknowledgement: here on every second request.
        let ack_first = socket.requests % 2 == 1;
        let ack = public_ack(conn, true, "subscribe", message);
        let names: Vec<String> =
            topics.iter().map(|topic| internal(message.category, topic)).collect();
        let topics: Vec<&str> = names.iter().map(String::as_str).collect();
        if ack_first {
            say(conn, ack, out);
            self.begin(conn, &topics, exchange, now_ms, out);
        } else {
            self.begin(conn, &topics, exchange, now_ms, out);
            say(conn, ack, out);
        }
    }

    fn begin(
        &mut self,
        conn: ConnId,
        topics: &[&str],
        exchange: &Exchange,
        now_ms: u64,
        out: &mut WireOut,
    ) {
        for topic in topics {
            self.market.subscribe(conn, topic, exchange, now_ms, out);
        }
    }

    fn on_private(
        &mut self,
        conn: ConnId,
        message: &Message<'_>,
        exchange: &Exchange,
        now_ms: u64,
        out: &mut WireOut,
    ) {
        let Some(socket) = self.sockets.get_mut(&conn) else { return };
        let refuse = |text: &str| private_reply(conn, false, text, message);
        let reply = match message.op {
            "ping" => {
                let pong = with_id(Object::new(), "req_id", message).text("op", "pong");
                let pong = pong.raw("args", &format!("[\"{now_ms}\"]"));
                return say(conn, pong.text("conn_id", &conn_id(conn)), out);
            }
            "auth" => {
                let result = login(message, exchange, now_ms);
                if let Ok(account) = result {
                    socket.account = Some(account);
                }
                let reply = with_id(Object::new(), "req_id", message)
                    .flag("success", result.is_ok())
                    .text("ret_msg", private_auth_text(result.err()));
                reply.text("op", "auth").text("conn_id", &conn_id(conn))
            }
            "subscribe" | "unsubscribe" if socket.account.is_none() => {
                refuse("Request not authorized")
            }
            "subscribe" => {
                let topics = message.topics();
                match check_topics(&topics, &socket.topics) {
                    Some(text) => refuse(&text),
                    None => {
                        socket.topics.extend(topics.iter().map(|&topic| topic.to_owned()));
                        private_reply(conn, true, "", message)
                    }
                }
            }
            "unsubscribe" => {
                for topic in message.topics() {
                    socket.topics.remove(topic);
                }
                private_reply(conn, true, "", message)
            }
            op => refuse(&format!("error:unknown op,{op}")),
        };
        say(conn, reply, out);
    }

    fn on_trade(
        &mut self,
        conn: ConnId,
        message: &Message<'_>,
        exchange: &mut Exchange,
        now_ms: u64,
        out: &mut WireOut,
    ) {
        let Some(socket) = self.sockets.get_mut(&conn) else { return };
        let with_conn = |object: Object| object.text("connId", &conn_id(conn));
        match message.op {
            "ping" => {
                let pong = with_id(Object::new(), "reqId", message).number("retCode", 0);
                let pong = pong.text("retMsg", "OK").text("op", "pong");
                say(conn, with_conn(pong.raw("data", &format!("[\"{now_ms}\"]"))), out);
            }
            "auth" => {
                let result = match socket.account {
                    Some(_) => Err(VenueError::new(20001, "Repeat auth")),
                    None => login(message, exchange, now_ms).map_err(trade_auth_error),
                };
                if let Ok(account) = result {
                    socket.account = Some(account);
                }
                let (code, text) = code_and_text(result.as_ref().err());
                let reply = with_id(Object::new(), "reqId", message);
                let reply = reply.number("retCode", code.into()).text("retMsg", text);
                say(conn, with_conn(reply.text("op", "auth")), out);
            }
            _ => {
                let outcome = self.operate(conn, message, exchange, now_ms);
                let reply = trade_reply(message, &outcome, now_ms);
                say(conn, with_conn(reply), out);
                self.send_raced(now_ms, out);
            }
        }
    }

    /// One order operation: its budget, and its reply or why it was refused.
    fn operate(
        &mut self,
        conn: ConnId,
        message: &Message<'_>,
        exchange: &mut Exchange,
        now_ms: u64,
    ) -> Outcome {
        let none = |error: VenueError| Outcome { budget: None, reply: Err(error) };
        let account = match self.admit(conn, message, now_ms) {
            Ok(account) => account,
            Err(error) => return none(error),
        };
        let Some((action, batch)) = operation(message.op) else { return none(bad_op()) };
        let [args] = message.args() else { return none(VenueError::parameter("args")) };
        if Category::read(args.get("category").and_then(Value::as_str)).is_err() {
            return none(bad_op());
        }
        let mut call = Call { account, exchange, now_ms };
        if batch {
            return match self.desk.batch(action, args, &mut call) {
                Ok((reply, budget)) => Outcome { budget: Some(budget), reply: Ok(reply) },
                Err(error) => none(error),
            };
        }
        let (allowed, budget) = self.desk.meter.take(account, action.endpoint(), now_ms);
        let reply = if allowed {
            self.desk.one(action, args, &mut call)
        } else {
            Err(VenueError::rate_limit())
        };
        Outcome { budget: Some(budget), reply }
    }

    /// What is asked of every operation before it is looked at.
    fn admit(
        &mut self,
        conn: ConnId,
        message: &Message<'_>,
        now_ms: u64,
    ) -> Result<AccountId, VenueError> {
        let Some(socket) = self.sockets.get_mut(&conn) else { return Err(bad_op()) };
        if operation(message.op).is_none() {
            return Err(bad_op());
        }
        if socket.draining {
            return Err(VenueError::new(10019, DRAINING));
        }
        let unknown = || VenueError::new(10005, "Permission denied, please auth first.");
        let account = socket.account.ok_or_else(unknown)?;
        if !self.desk.meter.take_socket(now_ms) {
            return Err(VenueError::new(10403, "Exceeded the IP rate limit."));
        }
        if message.req_id.len() > REQ_ID_LENGTH_MAX {
            return Err(VenueError::parameter("reqId"));
        }
        if !message.req_id.is_empty() && !socket.req_ids.insert(message.req_id.clone()) {
            return Err(VenueError::new(20006, "Duplicate reqId"));
        }
        if socket.req_ids.len() > REQ_IDS_MAX {
            socket.req_ids.clear();
        }
        let header = |name| loose(message.body.get("header").and_then(|header| header.get(name)));
        let number = |text: String| text.parse::<u64>();
        let stamp = header("X-BAPI-TIMESTAMP")
            .ok_or_else(|| VenueError::new(10001, "X-BAPI-TIMESTAMP is required."))?;
        let invalid = |_| VenueError::new(10001, "Invalid request header.");
        let stamp = number(stamp).map_err(invalid)?;
        let window = header("X-BAPI-RECV-WINDOW").map(number).transpose().map_err(invalid)?;
        check_time(stamp, window.unwrap_or(RECV_WINDOW_MS), now_ms)?;
        Ok(account)
    }
}

const DRAINING: &str = "ws trade service is restarting, do not accept new request, but the request \
                        in the process is not affected. You can build new connection to be routed \
                        to normal service";

/// What came of an operation.
struct Outcome {
    budget: Option<Budget>,
    reply: Result<Reply, VenueError>,
}

/// An order operation, and whether it is of many.
fn operation(op: &str) -> Option<(Action, bool)> {
    Some(match op {
        "order.create" => (Action::Create, false),
        "order.amend" => (Action::Amend, false),
        "order.cancel" => (Action::Cancel, false),
        "order.create-batch" => (Action::Create, true),
        "order.amend-batch" => (Action::Amend, true),
        "order.cancel-batch" => (Action::Cancel, true),
        _ => return None,
    })
}

fn bad_op() -> VenueError {
    VenueError::new(10404, "op type is not found or category is not correct/supported")
}

fn code_and_text(error: Option<&VenueError>) -> (u32, &str) {
    error.map_or((0, "OK"), |error| (error.code, error.text.as_str()))
}

fn trade_reply(message: &Message<'_>, outcome: &Outcome, now_ms: u64) -> Object {
    let (code, text) = code_and_text(outcome.reply.as_ref().err());
    let (data, ext) = match &outcome.reply {
        Ok(reply) => (reply.result.as_str(), reply.ext.as_str()),
        Err(_) => ("{}", "{}"),
    };
    let mut header = Object::new();
    if let Some(budget) = outcome.budget {
        header = header
            .digits("X-Bapi-Limit", budget.limit.into())
            .digits("X-Bapi-Limit-Status", budget.left.into())
            .digits("X-Bapi-Limit-Reset-Timestamp", budget.reset_ms);
    }
    let header = header.text("Traceid", &trace_id(now_ms)).digits("Timenow", now_ms);
    with_id(Object::new(), "reqId", message)
        .number("retCode", code.into())
        .text("retMsg", text)
        .text("op", message.op)
        .raw("data", data)
        .raw("retExtInfo", ext)
        .raw("header", &header.done())
}

/// 32 hexadecimal digits for the venue's support.
pub(super) fn trace_id(now_ms: u64) -> String {
    format!("{:032x}", u128::from(now_ms).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060))
}

/// The account that a socket's `auth` proves. `expires` may be a number or a text.
fn login(
    message: &Message<'_>,
    exchange: &Exchange,
    now_ms: u64,
) -> Result<AccountId, SocketAuthError> {
    let [Value::String(key), expires, Value::String(signature)] = message.args() else {
        return Err(SocketAuthError::Expired);
    };
    let expires = loose(Some(expires)).and_then(|text| text.parse().ok());
    check_socket(key, expires.ok_or(SocketAuthError::Expired)?, signature, exchange, now_ms)
}

fn private_auth_text(error: Option<SocketAuthError>) -> &'static str {
    match error {
        None => "",
        Some(SocketAuthError::Expired) => "Params Error",
        Some(SocketAuthError::UnknownKey) => "API key is invalid.",
        Some(SocketAuthError::BadSignature) => "error sign!",
    }
}

fn trade_auth_error(error: SocketAuthError) -> VenueError {
    match error {
        SocketAuthError::Expired => VenueError::new(10001, "Params Error"),
        SocketAuthError::UnknownKey => VenueError::new(10003, "API key is invalid."),
        SocketAuthError::BadSignature => VenueError::new(10004, "error sign!"),
    }
}
