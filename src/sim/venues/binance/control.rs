//! The control protocol of market data connections: SUBSCRIBE and its kin.

use super::json::{Obj, list, text};
use super::subscribers::{POLICY, Subscribers};
use crate::sim::{ConnId, WireOut, WsOut};
use serde_json::Value;

impl Subscribers {
    /// A control message.
    pub(super) fn on_text(&mut self, conn: ConnId, source: &str, out: &mut WireOut) {
        let reply = match serde_json::from_str::<Value>(source) {
            Ok(message) => self.control(conn, &message, source.len()),
            Err(error) => Err(Fault::new(3, format!("Invalid JSON: {error}"), None)),
        };
        let (message, close) = match reply {
            Ok(message) => (message, false),
            Err(fault) => (fault.json(), fault.fatal),
        };
        out.push((conn, WsOut::Text(message)));
        if close {
            out.push((conn, WsOut::Close(POLICY, "Too many streams".to_owned())));
            self.close(conn);
        }
    }

    fn control(&mut self, conn: ConnId, message: &Value, length: usize) -> Result<String, Fault> {
        let id = request_id(message)?;
        let method = message.get("method").and_then(Value::as_str).ok_or_else(|| {
            let text = format!("Invalid request: missing field `method` at line 1 column {length}");
            Fault::new(2, text, None)
        })?;
        let params = message.get("params").and_then(Value::as_array);
        let result = match method {
            "SUBSCRIBE" => {
                self.subscribe(conn, &names(params)?);
                self.check_count(conn)?;
                "null".to_owned()
            }
            "UNSUBSCRIBE" => {
                self.unsubscribe(conn, &names(params)?);
                "null".to_owned()
            }
            "LIST_SUBSCRIPTIONS" => {
                let streams = self.listeners.get(&conn).map(|listener| listener.streams.as_slice());
                list(streams.unwrap_or_default().iter().map(|name| text(name)))
            }
            "SET_PROPERTY" => self.set_property(conn, params, &id)?,
            "GET_PROPERTY" => {
                property(params, &id)?;
                self.listeners.get(&conn).is_some_and(|listener| listener.combined).to_string()
            }
            other => {
                return Err(Fault::new(
                    2,
                    format!(
                        "Invalid request: unknown variant `{other}`, expected one of `SUBSCRIBE`, \
                         `UNSUBSCRIBE`, `LIST_SUBSCRIPTIONS`, `SET_PROPERTY`, `GET_PROPERTY` at \
                         line 1 column {length}"
                    ),
                    None,
                ));
            }
        };
        Ok(Obj::new().raw("result", result).raw("id", id).end())
    }

    fn set_property(
        &mut self,
        conn: ConnId,
        params: Option<&Vec<Value>>,
        id: &str,
    ) -> Result<String, Fault> {
        property(params, id)?;
        let value = params.and_then(|params| params.get(1)).and_then(Value::as_bool);
        let Some(value) = value else {
            return Err(Fault::new(1, "Invalid value type: expected Boolean".to_owned(), None));
        };
        if let Some(listener) = self.listeners.get_mut(&conn) {
            listener.combined = value;
        }
        Ok("null".to_owned())
    }

    fn check_count(&self, conn: ConnId) -> Result<(), Fault> {
        let count = self.listeners.get(&conn).map_or(0, |listener| listener.streams.len());
        if count <= self.streams_max {
            return Ok(());
        }
        let text = format!("Too many streams: at most {} per connection", self.streams_max);
        Err(Fault { fatal: true, ..Fault::new(4, text, None) })
    }
}

/// An error of the control protocol.
struct Fault {
    code: u32,
    message: String,
    id: Option<String>,
    /// The connection is cut after it.
    fatal: bool,
}

impl Fault {
    fn new(code: u32, message: String, id: Option<String>) -> Self {
        Self { code, message, id, fatal: false }
    }

    fn json(&self) -> String {
        let object = Obj::new().raw("code", self.code).text("msg", &self.message);
        match &self.id {
            Some(id) => object.raw("id", id).end(),
            None => object.end(),
        }
    }
}

/// The id as JSON: an integer, a string of at most 36 characters, or null; it must be there.
fn request_id(message: &Value) -> Result<String, Fault> {
    match message.get("id") {
        Some(Value::Null) => Ok("null".to_owned()),
        Some(Value::Number(id)) if id.is_i64() || id.is_u64() => Ok(id.to_string()),
        Some(Value::String(id)) if id.chars().count() <= 36 => Ok(text(id)),
        _ => {
            let text = "Invalid request: request ID must be an unsigned integer".to_owned();
            Err(Fault::new(2, text, None))
        }
    }
}

fn names(params: Option<&Vec<Value>>) -> Result<Vec<&str>, Fault> {
    let invalid =
        || Fault::new(2, "Invalid request: params must be a list of strings".to_owned(), None);
    params.ok_or_else(invalid)?.iter().map(|name| name.as_str().ok_or_else(invalid)).collect()
}

/// Checks that the first parameter names the only property there is.
fn property(params: Option<&Vec<Value>>, id: &str) -> Result<(), Fault> {
    match params.and_then(|params| params.first()) {
        Some(Value::String(name)) if name == "combined" => Ok(()),
        Some(Value::String(_)) => {
            Err(Fault::new(0, "Unknown property".to_owned(), Some(id.to_owned())))
        }
        _ => {
            let text = "Invalid request: property name must be a string".to_owned();
            Err(Fault::new(2, text, None))
        }
    }
}
