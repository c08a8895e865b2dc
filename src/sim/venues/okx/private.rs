//! What accounts are told: orders and fills at once, balances merged and as snapshots by the clock.
//!
//! The `orders` and `fills` channels begin with nothing. `account`, `positions` and
//! `balance_and_position` begin with a snapshot; of the first two another one comes every few
//! seconds, whether anything has changed or not.

#![forbid(unsafe_code)]

use super::instruments::{Instrument, Instruments};
use super::positions::Lives;
use super::subscriptions::{Channel, Sub};
use super::wallet::{self, Coin, Form};
use crate::sim::venues::json::{Object, array};
use crate::sim::{AccountId, ConnId, Exchange, SimPosition, WireOut, WsOut};
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
    pub(super) lives: &'a Lives,
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
            Channel::Positions => {
                let open = self.exchange.positions(account).into_iter();
                let open: Vec<_> = open.filter(|position| !position.qty.is_zero()).collect();
                let rows = self.position_rows(sub, &open);
                paged(sub, account, rows.chunks(self.page.max(1)).map(<[_]>::to_vec).collect())
            }
            Channel::BalanceAndPosition => {
                let coins = self.coins(account);
                let open = self.exchange.positions(account).into_iter();
                let open: Vec<_> = open.filter(|position| !position.qty.is_zero()).collect();
                vec![self.balance_and_position(sub, account, "snapshot", &coins, &open)]
            }
            Channel::Orders | Channel::Fills | Channel::Silent => Vec::new(),
        }
    }

    /// Rows of the positions that a subscription covers.
    fn position_rows(&self, sub: &Sub, positions: &[SimPosition]) -> Vec<String> {
        let row = |position: &SimPosition| {
            let (_, instrument) = self.instruments.by_id(&position.symbol)?;
            let covered = sub.covers(instrument);
            covered.then(|| self.lives.row(instrument, position, self.exchange, self.now_ms))
        };
        positions.iter().filter_map(row).collect()
    }

    fn balance_and_position(
        &self,
        sub: &Sub,
        account: AccountId,
        event: &str,
        coins: &[Coin],
        positions: &[SimPosition],
    ) -> String {
        let balance = |coin: &Coin| {
            let row = Object::new().text("ccy", &coin.name).decimal("cashBal", coin.cash);
            row.digits("uTime", self.now_ms).done()
        };
        let position = |position: &SimPosition| {
            let (_, instrument) = self.instruments.by_id(&position.symbol)?;
            Some(self.lives.brief(instrument, position))
        };
        let row = Object::new()
            .digits("pTime", self.now_ms)
            .text("eventType", event)
            .raw("balData", &array(coins.iter().map(balance)))
            .raw("posData", &array(positions.iter().filter_map(position)))
            .raw("trades", &array(positions.iter().map(|one| self.lives.last_trade(one))))
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

/// What of an account changed that it has not been told of.
#[derive(Debug, Default)]
struct Changed {
    /// When the first of it changed, ms.
    since_ms: u64,
    assets: BTreeSet<String>,
    symbols: BTreeSet<String>,
}

/// Changes that accounts have not been told of yet.
#[derive(Debug, Default)]
pub(super) struct Pending(BTreeMap<AccountId, Changed>);

impl Pending {
    fn of(&mut self, account: AccountId, now_ms: u64) -> &mut Changed {
        let fresh = || Changed { since_ms: now_ms, ..Changed::default() };
        self.0.entry(account).or_insert_with(fresh)
    }

    /// The balance of a currency changed.
    pub(super) fn balance(&mut self, account: AccountId, asset: &str, now_ms: u64) {
        self.of(account, now_ms).assets.insert(asset.to_owned());
    }

    /// A position changed.
    pub(super) fn position(&mut self, account: AccountId, symbol: &str, now_ms: u64) {
        self.of(account, now_ms).symbols.insert(symbol.to_owned());
    }

    /// Tells what has waited long enough.
    pub(super) fn send(&mut self, listeners: &[Listener<'_>], view: View<'_>, out: &mut WireOut) {
        let due = |_: &AccountId, changed: &mut Changed| {
            view.now_ms.abs_diff(changed.since_ms) >= MERGE_MS
        };
        let ready: Vec<_> = self.0.extract_if(.., due).collect();
        for (account, Changed { assets, symbols, .. }) in ready {
            let update = |sub: &Sub, rows: &[String]| {
                Object::new()
                    .raw("arg", &sub.arg(&uid(account)))
                    .text("eventType", "event_update")
                    .raw("data", &array(rows))
                    .done()
            };
            let all = view.coins(account);
            let changed: Vec<Coin> =
                all.iter().filter(|coin| assets.contains(&coin.name)).cloned().collect();
            let row = wallet::account(&all, &changed, Form::Channel, view.now_ms);
            if !changed.is_empty() {
                each(listeners, account, Channel::Account, out, |sub| {
                    Some(update(sub, std::slice::from_ref(&row)))
                });
            }
            let exchange = view.exchange;
            let positions: Vec<_> =
                symbols.iter().filter_map(|symbol| exchange.position(account, symbol)).collect();
            each(listeners, account, Channel::Positions, out, |sub| {
                let rows = view.position_rows(sub, &positions);
                (!rows.is_empty()).then(|| update(sub, &rows))
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
    message: impl Fn(&Sub) -> Option<String>,
) {
    for listener in listeners.iter().filter(|listener| listener.account == account) {
        for sub in listener.subs.iter().filter(|sub| sub.channel == channel) {
            out.extend(message(sub).map(|text| (listener.conn, WsOut::Text(text))));
        }
    }
}

/// What changed an account's balances or positions, and which: told at once.
#[derive(Debug, Default)]
pub(super) struct News(BTreeMap<AccountId, (&'static str, BTreeSet<String>, Vec<SimPosition>)>);

impl News {
    /// Something happened that changes balances, in the venue's word for it.
    pub(super) fn because(&mut self, account: AccountId, event: &'static str) {
        self.0.entry(account).or_default().0 = event;
    }

    pub(super) fn position(&mut self, position: &SimPosition) {
        self.0.entry(position.account).or_default().2.push(position.clone());
    }

    pub(super) fn balance(&mut self, account: AccountId, asset: &str) {
        self.0.entry(account).or_default().1.insert(asset.to_owned());
    }

    /// Tells it. Balances that change without such a reason are not told: only their locked part
    /// did.
    pub(super) fn send(self, listeners: &[Listener<'_>], view: View<'_>, out: &mut WireOut) {
        for (account, (event, assets, positions)) in self.0 {
            if event.is_empty() {
                continue;
            }
            let mut coins = view.coins(account);
            coins.retain(|coin| assets.contains(&coin.name));
            each(listeners, account, Channel::BalanceAndPosition, out, |sub| {
                Some(view.balance_and_position(sub, account, event, &coins, &positions))
            });
        }
    }
}
