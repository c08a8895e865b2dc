//! Requests of the ws api.

use super::super::error::{Answer, ApiError};
use super::super::session::Logon;
use super::super::ws_api::{Request, check_names, envelope, read, signer};
use super::super::{account_of_orders, auth::Signer};
use super::BinanceUsdm;
use super::ops::{self, Op};
use crate::sim::{AccountId, ConnId, Exchange, WireOut, WsOut};

impl BinanceUsdm {
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
                out.push((conn, WsOut::Text(envelope(&id, &Err(error), None))));
                return;
            }
        };
        let (answer, account) = self.answer(conn, &request, exchange, now_ms);
        let default = self.sessions.get(&conn).is_none_or(|session| session.shows_limits);
        let shown = request.params.boolean("returnRateLimits").ok().flatten().unwrap_or(default);
        let orders = account_of_orders(request.spec, account);
        let limits = shown.then(|| self.limits.reply_list(orders, now_ms));
        let reply = envelope(&request.id, &answer, limits.as_deref());
        out.push((conn, WsOut::Text(reply)));
    }

    fn answer(
        &mut self,
        conn: ConnId,
        request: &Request<Op>,
        exchange: &mut Exchange,
        now_ms: u64,
    ) -> (Answer, Option<AccountId>) {
        let Request { spec, params, .. } = request;
        if let Err(error) = self.limits.admit(ops::weight(spec.op, params), now_ms) {
            return (Err(error), None);
        }
        let mut account = None;
        let answer = self.identify(conn, request, exchange, now_ms).and_then(|who| {
            account = who;
            let key = params.get("apiKey").unwrap_or_default();
            if let Some(answer) = self.listen(spec.op, key, exchange, now_ms) {
                return answer;
            }
            check_names(spec, params)?;
            match self.session_op(conn, spec.op, key, account, now_ms) {
                Some(answer) => answer,
                None => self.run(spec.op, params, account, exchange, now_ms),
            }
        });
        (answer, account)
    }

    /// The account that a signed request acts for: by its own key, else by the logon.
    fn identify(
        &self,
        conn: ConnId,
        request: &Request<Op>,
        exchange: &Exchange,
        now_ms: u64,
    ) -> Result<Option<AccountId>, ApiError> {
        let Request { spec, params, .. } = request;
        if !spec.signed {
            return Ok(None);
        }
        let logon = self.sessions.get(&conn).and_then(|session| session.logon.as_ref());
        let logon = logon.filter(|_| spec.op != Op::Logon);
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
        key: &str,
        account: Option<AccountId>,
        now_ms: u64,
    ) -> Option<Answer> {
        let session = self.sessions.get_mut(&conn)?;
        match op {
            Op::Logon => {
                let account = account?;
                session.logon = Some(Logon { key: key.to_owned(), account, since_ms: now_ms });
            }
            Op::Logout => drop(session.logout()),
            Op::SessionStatus => {}
            _ => return None,
        }
        Some(Ok(session.status(now_ms)))
    }
}
