//! What accounts are told: orders and fills at once, balances merged and as snapshots by the clock.
//!
//! The `orders` and `fills` channels begin with nothing. `account`, `positions` and
//! `balance_and_position` begin with a snapshot; of the first two another one comes every few
//! seconds, whether anything has changed or not.

#![forbid(unsafe_code)]

use super::instruments::{Instrument, Instruments};
use super::subscriptions::{Channel, Sub};
use super::wallet::{self, Coin, Form};
use crate::sim::venues::json::{Object, array};
use crate::sim::{AccountId, ConnId, Exchange, WireOut, WsOut};
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet};

/// Changes of balances are merged over this long, ms.
const MERGE_MS: u64 = 50;
const FIRST_UID: u64 = 614_488_474_791_936;

/// Number of an account's user.
pub(super) fn uid(account: AccountId) -> String {
    (FIRST_UID + account.0 as u64).to_string()
}

/// A socket of an account with its private subscriptions.
pub(super) struct Listener<'a> {
    pub(super) conn: ConnId,
    pub(super) account: AccountId,
    pub(super) subs: &'a [Sub],
}

/// Sends a row to those who listen to a channel of an instrument.
pub(super) fn tell(
    listeners: &[Listener<'_>],
    account: AccountId,
    channel: Channel,
    instrument: &Instrument,
    row: &str,
    out: &mut WireOut,
) {
    for listener in listeners.iter().filter(|listener| listener.account == account) {
        let subs = listener.subs.iter().filter(|sub| sub.channel == channel);
        for sub in subs.filter(|sub| sub.covers(instrument)) {
            let message =
                Object::new().raw("arg", &sub.arg(&uid(account))).raw("data", &array([row])).done();
            out.push((listener.conn, WsOut::Text(message)));
        }
    }
}

/// What the account channels need to know.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) exchange: &'a Exchange,
    pub(super) instruments: &'a Instruments,
    pub(super) now_ms: u64,
    /// Rows of a page of a snapshot.
    pub(super) page: usize,
}

impl View<'_> {
    fn coins(&self, account: AccountId) -> Vec<Coin> {
        wallet::coins(self.exchange, self.instruments, account)
    }

    /// The pages of a snapshot of this subscription.
    pub(super) fn snapshot(&self, sub: &Sub, account: AccountId) -> Vec<String> {
        match sub.channel {
            Channel::Account => {
                let all = self.coins(account);
                let page =
                    |coins: &[Coin]| vec![wallet::account(&all, coins, Form::Channel, self.now_ms)];
                let pages = all.chunks(self.page.max(1)).map(page).collect();
                paged(sub, account, pages)
            }
            Channel::Positions => paged(sub, account, Vec::new()),
            Channel::BalanceAndPosition => {
                let coins = self.coins(account);
                vec![self.balance_and_position(sub, account, "snapshot", &coins)]
            }
            Channel::Orders | Channel::Fills | Channel::Silent => Vec::new(),
        }
    }

    fn balance_and_position(
        &self,
        sub: &Sub,
        account: AccountId,
        event: &str,
        coins: &[Coin],
    ) -> String {
        let balance = |coin: &Coin| {
            let row = Object::new().text("ccy", &coin.name).decimal("cashBal", coin.cash);
            row.digits("uTime", self.now_ms).done()
        };
        let row = Object::new()
            .digits("pTime", self.now_ms)
            .text("eventType", event)
            .raw("balData", &array(coins.iter().map(balance)))
            .raw("posData", "[]")
            .raw("trades", "[]")
            .done();
        let message = Object::new().raw("arg", &sub.arg(&uid(account)));
        message.raw("data", &array([row])).done()
    }
}

/// Messages of a snapshot's pages: one at least, which is then empty.
fn paged(sub: &Sub, account: AccountId, pages: Vec<Vec<String>>) -> Vec<String> {
    let pages = if pages.is_empty() { vec![Vec::new()] } else { pages };
    let last = pages.len();
    let message = |(place, rows): (usize, Vec<String>)| {
        Object::new()
            .raw("arg", &sub.arg(&uid(account)))
            .text("eventType", "snapshot")
            .number("curPage", place as u64 + 1)
            .flag("lastPage", place + 1 == last)
            .raw("data", &array(rows))
            .done()
    };
    pages.into_iter().enumerate().map(message).collect()
}

/// Changes that accounts have not been told of yet.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// Currencies, and when the first of them changed.
    balances: BTreeMap<AccountId, (u64, BTreeSet<String>)>,
}

impl Pending {
    /// Balances of these currencies changed.
    pub(super) fn balances(
        &mut self,
        account: AccountId,
        assets: &[(String, Decimal, Decimal)],
        now_ms: u64,
    ) {
        let (_, names) = self.balances.entry(account).or_insert((now_ms, BTreeSet::new()));
        names.extend(assets.iter().map(|(name, ..)| name.clone()));
    }

    /// Tells what has waited long enough.
    pub(super) fn send(&mut self, listeners: &[Listener<'_>], view: View<'_>, out: &mut WireOut) {
        let due = |since: u64| view.now_ms.abs_diff(since) >= MERGE_MS;
        let ready: Vec<AccountId> = self
            .balances
            .iter()
            .filter(|(_, (since, _))| due(*since))
            .map(|(account, _)| *account)
            .collect();
        for account in ready {
            let Some((_, names)) = self.balances.remove(&account) else { continue };
            let all = view.coins(account);
            let changed: Vec<Coin> =
                all.iter().filter(|coin| names.contains(&coin.name)).cloned().collect();
            let row = wallet::account(&all, &changed, Form::Channel, view.now_ms);
            each(listeners, account, Channel::Account, out, |sub| {
                Object::new()
                    .raw("arg", &sub.arg(&uid(account)))
                    .text("eventType", "event_update")
                    .raw("data", &array([&row]))
                    .done()
            });
        }
    }
}

/// Sends a message to each subscription of an account to a channel.
pub(super) fn each(
    listeners: &[Listener<'_>],
    account: AccountId,
    channel: Channel,
    out: &mut WireOut,
    message: impl Fn(&Sub) -> String,
) {
    for listener in listeners.iter().filter(|listener| listener.account == account) {
        for sub in listener.subs.iter().filter(|sub| sub.channel == channel) {
            out.push((listener.conn, WsOut::Text(message(sub))));
        }
    }
}

/// Tells at once of balances, by what they changed with.
pub(super) fn tell_balances(
    listeners: &[Listener<'_>],
    account: AccountId,
    assets: &[(String, Decimal, Decimal)],
    view: View<'_>,
    out: &mut WireOut,
) {
    let mut coins = view.coins(account);
    coins.retain(|coin| assets.iter().any(|(name, ..)| *name == coin.name));
    each(listeners, account, Channel::BalanceAndPosition, out, |sub| {
        view.balance_and_position(sub, account, "filled", &coins)
    });
}
