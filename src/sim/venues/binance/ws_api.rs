//! The envelope of the ws api: `{"id","method","params"}` in, `{"id","status",..}` out.

use super::auth::{self, Signer};
use super::error::{Answer, ApiError};
use super::json::{Obj, members, text};
use super::ops::{self, Op, SIGNED, Spec, WS};
use super::params::Params;
use super::session::{Logon, terminated};
use super::{Binance, account_of_orders};
use crate::sim::{AccountId, ConnId, Exchange, WireOut, WsOut};

/// A request as read.
pub(super) struct Request<O: 'static> {
    /// As JSON.
    pub(super) id: String,
    pub(super) spec: &'static Spec<O>,
    pub(super) params: Params,
}

impl Binance {
    /// A request of the ws api.
    pub(super) fn on_api_text(
        &mut self,
        conn: ConnId,
        source: &str,
        exchange: &mut Exchange,
        now_ms: u64,
        out: &mut WireOut,
    ) {
        let request = match read(source, ops::by_method) {
            Ok(request) => request,
            Err((id, error)) => {
                let charged = self.limits.admit(1, now_ms);
                let error = charged.err().unwrap_or(error);
                let reply = envelope(&id, &Err(error), None);
                out.push((conn, WsOut::Text(reply)));
                return;
            }
        };
        let mut ended = Vec::new();
        let (answer, account) = self.answer(conn, &request, exchange, now_ms, &mut ended);
        let default = self.sessions.get(&conn).is_none_or(|session| session.shows_limits);
        let shown = request.params.boolean("returnRateLimits").ok().flatten().unwrap_or(default);
        let orders = account_of_orders(request.spec, account);
        let limits = shown.then(|| self.limits.reply_list(orders, now_ms));
        let reply = envelope(&request.id, &answer, limits.as_deref());
        out.push((conn, WsOut::Text(reply)));
        out.extend(ended.into_iter().map(|id| (conn, terminated(id, now_ms))));
    }

    fn answer(
        &mut self,
        conn: ConnId,
        request: &Request<Op>,
        exchange: &mut Exchange,
        now_ms: u64,
        ended: &mut Vec<u32>,
    ) -> (Answer, Option<AccountId>) {
        let Request { spec, params, .. } = request;
        let (weight, failed_weight) = ops::weight(spec.op, params);
        if let Err(error) = self.limits.admit(weight, now_ms) {
            return (Err(error), None);
        }
        let who = self.identify(conn, spec, params, exchange, now_ms);
        let account = who.as_ref().ok().copied().flatten();
        let answer = who.and_then(|account| {
            check_names(spec, params)?;
            match self.session_op(conn, spec.op, params, account, now_ms, ended) {
                Some(answer) => answer,
                None => self.run(spec, params, account, exchange, now_ms),
            }
        });
        if answer.is_err() {
            self.limits.charge(failed_weight, now_ms);
        }
        (answer, account)
    }

    /// The account that a signed request acts for: by its own key, else by the logon.
    fn identify(
        &self,
        conn: ConnId,
        spec: &Spec<Op>,
        params: &Params,
        exchange: &Exchange,
        now_ms: u64,
    ) -> Result<Option<AccountId>, ApiError> {
        if !spec.signed {
            return Ok(None);
        }
        let own_key = matches!(spec.op, Op::Logon | Op::SubscribeSignature);
        let logon = self.sessions.get(&conn).and_then(|session| session.logon.as_ref());
        let logon = logon.filter(|_| !own_key);
        let (account, signer) = signer(params, logon, exchange, now_ms)?;
        if spec.op == Op::Logon && signer != Some(Signer::Ed25519) {
            return Err(ApiError::hmac_logon());
        }
        Ok(Some(account))
    }

    /// Operations on the connection itself; `None` for all others.
    fn session_op(
        &mut self,
        conn: ConnId,
        op: Op,
        params: &Params,
        account: Option<AccountId>,
        now_ms: u64,
        ended: &mut Vec<u32>,
    ) -> Option<Answer> {
        let session = self.sessions.get_mut(&conn)?;
        match op {
            Op::Logon => {
                let account = account?;
                let key = params.get("apiKey").unwrap_or_default().to_owned();
                session.logon = Some(Logon { key, account, since_ms: now_ms });
                Some(Ok(session.status(now_ms)))
            }
            Op::SessionStatus => Some(Ok(session.status(now_ms))),
            Op::Logout => {
                *ended = session.logout();
                Some(Ok(session.status(now_ms)))
            }
            Op::Subscribe => Some(session.subscribe_logon()),
            Op::SubscribeSignature => Some(session.subscribe(account?, false)),
            Op::Unsubscribe => Some(session.unsubscribe(params).map(|ids| {
                *ended = ids;
                "{}".to_owned()
            })),
            Op::Subscriptions => Some(Ok(session.subscriptions())),
            _ => None,
        }
    }
}

/// The account that a signed request acts for: by its own key, which signs, else by the logon, if it
/// may.
pub(super) fn signer(
    params: &Params,
    logon: Option<&Logon>,
    exchange: &Exchange,
    now_ms: u64,
) -> Result<(AccountId, Option<Signer>), ApiError> {
    match (params.get("apiKey"), logon) {
        (Some(key), _) => {
            let payload = params.sorted_payload();
            let (account, signer) = auth::verify(key, params, &payload, exchange, now_ms)?;
            Ok((account, Some(signer)))
        }
        (None, Some(logon)) => {
            auth::check_time(params, now_ms)?;
            Ok((logon.account, None))
        }
        (None, None) => Err(ApiError::missing("apiKey")),
    }
}

/// Reads a request; on failure gives the id to answer with.
pub(super) fn read<O>(
    source: &str,
    by_method: impl Fn(&str) -> Option<&'static Spec<O>>,
) -> Result<Request<O>, (String, ApiError)> {
    let null = || "null".to_owned();
    let fields = members(source).ok_or_else(|| (null(), ApiError::json_request()))?;
    let field = |name: &str| fields.iter().find(|(key, _)| key == name).map(|(_, raw)| *raw);
    let id = field("id").and_then(request_id).ok_or_else(|| (null(), ApiError::missing("id")))?;
    let fail = |error| (id.clone(), error);
    let method: String = field("method")
        .and_then(|raw| serde_json::from_str(raw).ok())
        .ok_or_else(|| fail(ApiError::missing("method")))?;
    let spec = by_method(&method).ok_or_else(|| fail(ApiError::unsupported()))?;
    let params = Params::from_ws(field("params").unwrap_or("{}")).map_err(fail)?;
    Ok(Request { id: id.clone(), spec, params })
}

/// An integer, a string of at most 36 characters, or null.
fn request_id(raw: &str) -> Option<String> {
    match serde_json::from_str(raw).ok()? {
        serde_json::Value::Null => Some("null".to_owned()),
        serde_json::Value::Number(id) if id.is_i64() || id.is_u64() => Some(id.to_string()),
        serde_json::Value::String(id) if id.chars().count() <= 36 => Some(text(&id)),
        _ => None,
    }
}

pub(super) fn check_names<O>(spec: &Spec<O>, params: &Params) -> Result<(), ApiError> {
    let mut known = [spec.params, WS].concat();
    if spec.signed {
        known.extend_from_slice(SIGNED);
    }
    params.check_names(&known)
}

pub(super) fn envelope(id: &str, answer: &Answer, limits: Option<&str>) -> String {
    let head = Obj::new().raw("id", id);
    let object = match answer {
        Ok(result) => head.raw("status", 200).raw("result", result),
        Err(error) => head.raw("status", error.status).raw("error", error.json()),
    };
    match limits {
        Some(limits) => object.raw("rateLimits", limits).end(),
        None => object.end(),
    }
}
