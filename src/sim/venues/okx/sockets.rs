//! The WebSockets: `ping`, `login`, `subscribe`, order operations, and how long a silent one lives.

#![forbid(unsafe_code)]

use super::Okx;
use super::auth::{Login, check_login};
use super::desk::{Call, Outcome};
use super::errors::VenueError;
use super::limits::Action;
use super::market::Topic;
use super::subscriptions::{Address, Asker, Sub, Subscription, echo, parse};
use crate::sim::venues::json::{Object, loose, quoted};
use crate::sim::venues::window::Window;
use crate::sim::{AccountId, ConnId, Exchange, WireOut, WsOut};
use serde_json::Value;

/// Longest request, bytes.
const REQUEST_MAX: usize = 64 * 1024;
/// Longest request id.
const ID_LENGTH_MAX: usize = 32;
/// Sockets of one account that may subscribe to a private channel.
const CHANNEL_CONNS_MAX: usize = 30;

/// A connection.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) address: Address,
    pub(super) account: Option<AccountId>,
    pub(super) subs: Vec<Sub>,
    /// It subscribed to something at some time.
    subscribed: bool,
    opened_ms: u64,
    /// When something was last sent to it, ms.
    pub(super) pushed_ms: u64,
    window: Window,
    requests: u64,
    /// When it is closed for an upgrade, ms.
    pub(super) close_at_ms: Option<u64>,
    closed: bool,
}

impl Socket {
    pub(super) fn new(address: Address, now_ms: u64) -> Self {
        Self {
            address,
            account: None,
            subs: Vec::new(),
            subscribed: false,
            opened_ms: now_ms,
            pushed_ms: now_ms,
            window: Window::default(),
            requests: 0,
            close_at_ms: None,
            closed: false,
        }
    }

    /// Code and reason of the close that is due. A login counts as a subscription here: order
    /// entry needs none.
    pub(super) fn close_due(&mut self, idle_ms: u64, now_ms: u64) -> Option<(u16, &'static str)> {
        let unused = !self.subscribed && self.account.is_none();
        let since = |at: u64| now_ms.saturating_sub(at);
        let due = if self.close_at_ms.is_some_and(|at| now_ms >= at) {
            Some((1001, "Service upgrade"))
        } else if unused && since(self.opened_ms) >= idle_ms {
            Some((4004, "No subscription within 30s"))
        } else if since(self.pushed_ms) >= idle_ms {
            Some((4004, "No data received in 30s."))
        } else {
            None
        };
        due.filter(|_| !std::mem::replace(&mut self.closed, true))
    }
}

/// Name of a connection as its replies give it.
fn conn_id(conn: ConnId) -> String {
    // An odd factor: no two connections share a name.
    format!("{:08x}", (conn.0 as u32).wrapping_mul(0x9e37_79b1))
}

/// A message of a client.
struct Message<'a> {
    text: &'a str,
    op: &'a str,
    /// Empty if there is none.
    id: &'a str,
    body: &'a Value,
}

impl<'a> Message<'a> {
    fn args(&self) -> &'a [Value] {
        self.body.get("args").and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// One to 32 letters and digits, or none.
    fn has_legal_id(&self) -> bool {
        let absent = self.body.get("id").is_none();
        let legal = self.id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        absent || (legal && (1..=ID_LENGTH_MAX).contains(&self.id.len()))
    }

    fn malformed(&self) -> VenueError {
        VenueError::new(60012, format!("Invalid request: {}", self.text))
    }

    fn event(&self, event: &str) -> Object {
        let object = Object::new();
        let object = if self.id.is_empty() { object } else { object.text("id", self.id) };
        object.text("event", event)
    }
}

fn say(conn: ConnId, object: Object, out: &mut WireOut) {
    out.push((conn, WsOut::Text(object.done())));
}

fn refuse(conn: ConnId, message: &Message<'_>, error: &VenueError, out: &mut WireOut) {
    let object = message.event("error").digits("code", error.code.into());
    say(conn, object.text("msg", &error.text).text("connId", &conn_id(conn)), out);
}

/// The notice that a connection is about to be closed.
pub(super) fn upgrade_notice(conn: ConnId) -> WsOut {
    let text = "The connection will soon be closed for a service upgrade. Please reconnect.";
    let notice = Object::new().text("event", "notice").text("code", "64008").text("msg", text);
    WsOut::Text(notice.text("connId", &conn_id(conn)).done())
}

/// An order operation, and whether it is of many.
fn operation(op: &str) -> Option<(Action, bool)> {
    Some(match op {
        "order" => (Action::Place, false),
        "amend-order" => (Action::Amend, false),
        "cancel-order" => (Action::Cancel, false),
        "batch-orders" => (Action::Place, true),
        "batch-amend-orders" => (Action::Amend, true),
        "batch-cancel-orders" => (Action::Cancel, true),
        _ => return None,
    })
}

impl Okx {
    /// Answers one text of a client.
    pub(super) fn on_socket_text(
        &mut self,
        conn: ConnId,
        text: &str,
        exchange: &mut Exchange,
        now_ms: u64,
        out: &mut WireOut,
    ) {
        if text == "ping" {
            return out.push((conn, WsOut::Text("pong".to_owned())));
        }
        if text.len() > REQUEST_MAX {
            return out.push((conn, WsOut::Close(1009, "Request message exceeds 64KB".to_owned())));
        }
        let body: Value = serde_json::from_str(text).unwrap_or(Value::Null);
        let member = |name| body.get(name).and_then(Value::as_str).unwrap_or_default();
        let message = Message { text, op: member("op"), id: member("id"), body: &body };
        if let Some((action, batch)) = operation(message.op) {
            return self.operate(conn, &message, (action, batch), exchange, now_ms, out);
        }
        let known = matches!(message.op, "login" | "subscribe" | "unsubscribe");
        if !known || !message.has_legal_id() || message.args().is_empty() {
            return refuse(conn, &message, &message.malformed(), out);
        }
        let Some(socket) = self.sockets.get_mut(&conn) else { return };
        if !self.desk.meter.take_socket_request(&mut socket.window, now_ms) {
            let error = VenueError::new(60014, "Requests too frequent");
            return refuse(conn, &message, &error, out);
        }
        socket.requests += 1;
        // Data may come before the acknowledgement: here on every second request.
        let data_first = socket.requests.is_multiple_of(2);
        match message.op {
            "login" => self.login(conn, &message, exchange, now_ms, out),
            "subscribe" => {
                for arg in message.args() {
                    let from = out.len();
                    self.subscribe(conn, arg, &message, exchange, now_ms, out);
                    if data_first && out.len() > from {
                        out[from..].rotate_left(1);
                    }
                }
            }
            _ => self.unsubscribe(conn, &message, out),
        }
    }

    fn login(
        &mut self,
        conn: ConnId,
        message: &Message<'_>,
        exchange: &Exchange,
        now_ms: u64,
        out: &mut WireOut,
    ) {
        let arg = &message.args()[0];
        let text = |name| arg.get(name).and_then(Value::as_str).unwrap_or_default();
        // The venue's own client sends a number.
        let timestamp = loose(arg.get("timestamp")).unwrap_or_default();
        let login = Login {
            key: text("apiKey"),
            passphrase: text("passphrase"),
            timestamp: &timestamp,
            sign: text("sign"),
        };
        match check_login(login, self.demand(), exchange, now_ms) {
            Ok(account) => {
                if let Some(socket) = self.sockets.get_mut(&conn) {
                    socket.account = Some(account);
                }
                let ack = message.event("login").text("code", "0").text("msg", "");
                say(conn, ack.text("connId", &conn_id(conn)), out);
            }
            Err(error) => {
                refuse(conn, message, &error, out);
                out.push((conn, WsOut::Close(4001, "Login failed".to_owned())));
            }
        }
    }

    fn asker(&self, socket: &Socket) -> Asker {
        let (address, logged_in) = (socket.address, socket.account.is_some());
        Asker { address, logged_in, tier: self.options.fast_channels }
    }

    /// One argument of a subscription: its acknowledgement, then what it begins with.
    fn subscribe(
        &mut self,
        conn: ConnId,
        arg: &Value,
        message: &Message<'_>,
        exchange: &Exchange,
        now_ms: u64,
        out: &mut WireOut,
    ) {
        let Some(socket) = self.sockets.get(&conn) else { return };
        let parsed = match parse(arg, self.asker(socket), &self.desk.instruments) {
            Ok(parsed) => parsed,
            Err(error) => return refuse(conn, message, &error, out),
        };
        let ack = message.event("subscribe").raw("arg", &echo(arg));
        say(conn, ack.text("connId", &conn_id(conn)), out);
        let account = socket.account;
        if let Some(socket) = self.sockets.get_mut(&conn) {
            socket.subscribed = true;
        }
        match (parsed, account) {
            (Subscription::Public(Topic::Silent), _) => {}
            (Subscription::Public(topic), _) => {
                self.market.subscribe(conn, topic, exchange, now_ms, out);
            }
            (Subscription::Private(sub), Some(account)) => {
                self.listen(conn, sub, account, exchange, now_ms, out);
            }
            (Subscription::Private(_), None) => {}
        }
    }

    /// Adds a private subscription, unless too many sockets of the account have that channel.
    fn listen(
        &mut self,
        conn: ConnId,
        mut sub: Sub,
        account: AccountId,
        exchange: &Exchange,
        now_ms: u64,
        out: &mut WireOut,
    ) {
        let listens = |(other, socket): &(&ConnId, &Socket)| {
            **other != conn
                && socket.account == Some(account)
                && socket.subs.iter().any(|other| other.name == sub.name)
        };
        let others = self.sockets.iter().filter(listens).count();
        let full = others >= CHANNEL_CONNS_MAX;
        let count = if full { others } else { others + 1 };
        let event = if full { "channel-conn-count-error" } else { "channel-conn-count" };
        let told = Object::new()
            .text("event", event)
            .text("channel", sub.name)
            .digits("connCount", count as u64)
            .text("connId", &conn_id(conn));
        say(conn, told, out);
        if full {
            return;
        }
        let snapshots = self.view(exchange, now_ms).snapshot(&sub, account);
        out.extend(snapshots.into_iter().map(|text| (conn, WsOut::Text(text))));
        sub.next_ms = now_ms + sub.every_ms.unwrap_or_default();
        if let Some(socket) = self.sockets.get_mut(&conn) {
            socket.subs.retain(|other| !other.is(&sub));
            socket.subs.push(sub);
        }
    }

    fn unsubscribe(&mut self, conn: ConnId, message: &Message<'_>, out: &mut WireOut) {
        for arg in message.args() {
            let Some(socket) = self.sockets.get(&conn) else { return };
            match parse(arg, self.asker(socket), &self.desk.instruments) {
                Ok(Subscription::Public(topic)) => self.market.unsubscribe(conn, topic),
                Ok(Subscription::Private(sub)) => {
                    if let Some(socket) = self.sockets.get_mut(&conn) {
                        socket.subs.retain(|other| !other.is(&sub));
                    }
                }
                Err(error) => {
                    refuse(conn, message, &error, out);
                    continue;
                }
            }
            let ack = message.event("unsubscribe").raw("arg", &echo(arg));
            say(conn, ack.text("connId", &conn_id(conn)), out);
        }
    }

    fn operate(
        &mut self,
        conn: ConnId,
        message: &Message<'_>,
        (action, batch): (Action, bool),
        exchange: &mut Exchange,
        now_ms: u64,
        out: &mut WireOut,
    ) {
        let result = self.admit(conn, message, action, now_ms).and_then(|account| {
            let mut call = Call { account, exchange, now_ms, rest: false };
            self.desk.run(action, message.args(), batch, &mut call)
        });
        let (code, text, rows) = match &result {
            Ok(Outcome { code, rows }) => (*code, "", rows.as_str()),
            Err(error) => (error.code, &*error.text, "[]"),
        };
        let reply = Object::new()
            .text("id", message.id)
            .text("op", message.op)
            .raw("data", rows)
            .digits("code", code.into())
            .raw("msg", &quoted(text));
        say(conn, stamped(reply, now_ms), out);
    }

    /// What is asked of every operation before it is looked at.
    fn admit(
        &self,
        conn: ConnId,
        message: &Message<'_>,
        action: Action,
        now_ms: u64,
    ) -> Result<AccountId, VenueError> {
        let socket = self.sockets.get(&conn).filter(|socket| socket.address == Address::Private);
        let account = socket.ok_or_else(|| message.malformed())?.account;
        let account = account.ok_or_else(VenueError::login_first)?;
        if message.id.is_empty() || !message.has_legal_id() {
            return Err(VenueError::bad_args());
        }
        let expiry = message.body.get("expTime").filter(|_| action != Action::Cancel);
        check_expiry(expiry.map(|expiry| expiry.as_str().unwrap_or_default()), now_ms)?;
        Ok(account)
    }
}

/// The gateway's times, in microseconds.
pub(super) fn stamped(reply: Object, now_ms: u64) -> Object {
    reply.digits("inTime", now_ms * 1_000).digits("outTime", now_ms * 1_000 + 150)
}

/// Refuses a request whose `expTime` has passed.
pub(super) fn check_expiry(expiry: Option<&str>, now_ms: u64) -> Result<(), VenueError> {
    let Some(text) = expiry else { return Ok(()) };
    let expiry: u64 = text.parse().map_err(|_| VenueError::parameter("expTime"))?;
    if expiry < now_ms { Err(VenueError::expired()) } else { Ok(()) }
}
