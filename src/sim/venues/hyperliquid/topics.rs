//! What can be subscribed to, and who has.

#![forbid(unsafe_code)]

use super::super::json::Object;
use super::address::Address;
use crate::sim::{ConnId, WireOut, WsOut};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// One subscription; equal ones are the same to the venue.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Topic {
    Book {
        coin: String,
        figures: Option<u64>,
        mantissa: Option<u64>,
        fast: bool,
    },
    Bbo(String),
    Trades(String),
    Context(String),
    Mids,
    Orders(Address),
    Events(Address),
    Fills {
        user: Address,
        aggregate: bool,
    },
    Fundings(Address),
    /// Margin and positions.
    State(Address),
    OpenOrders(Address),
    Tokens(Address),
}

/// Digits and steps that a book may be gathered to.
pub(super) fn is_gathered(figures: Option<u64>, mantissa: Option<u64>) -> bool {
    match (figures, mantissa) {
        (None, None) | (Some(2..=5), None) => true,
        (Some(5), Some(step)) => matches!(step, 1 | 2 | 5),
        _ => false,
    }
}

/// A whole number that may be missing or null; none if it is something else.
pub(super) fn optional(value: &Value, name: &str) -> Option<Option<u64>> {
    match value.get(name) {
        None | Some(Value::Null) => Some(None),
        Some(number) => number.as_u64().map(Some),
    }
}

impl Topic {
    /// Reads a `subscription`.
    pub(super) fn read(value: &Value) -> Option<Self> {
        let coin = || value.get("coin")?.as_str().map(str::to_owned);
        let user = || value.get("user")?.as_str().and_then(Address::parse);
        let flag = |name| match value.get(name) {
            None | Some(Value::Null) => Some(false),
            Some(flag) => flag.as_bool(),
        };
        Some(match value.get("type")?.as_str()? {
            "l2Book" => {
                let (figures, mantissa) =
                    (optional(value, "nSigFigs")?, optional(value, "mantissa")?);
                if !is_gathered(figures, mantissa) {
                    return None;
                }
                Self::Book { coin: coin()?, figures, mantissa, fast: flag("fast")? }
            }
            "bbo" => Self::Bbo(coin()?),
            "trades" => Self::Trades(coin()?),
            "activeAssetCtx" => Self::Context(coin()?),
            "allMids" => Self::Mids,
            "orderUpdates" => Self::Orders(user()?),
            "userEvents" => Self::Events(user()?),
            "userFills" => Self::Fills { user: user()?, aggregate: flag("aggregateByTime")? },
            "userFundings" => Self::Fundings(user()?),
            "clearinghouseState" => Self::State(user()?),
            "openOrders" => Self::OpenOrders(user()?),
            "spotState" => Self::Tokens(user()?),
            _ => return None,
        })
    }

    /// As the venue repeats it: with what was left out, addresses in lower case.
    pub(super) fn echo(&self) -> String {
        let named = |name: &str| Object::new().text("type", name);
        let of_coin = |name: &str, coin: &str| named(name).text("coin", coin);
        let of_user = |name: &str, user: &Address| named(name).text("user", &user.to_string());
        let number =
            |value: &Option<u64>| value.map_or(String::from("null"), |value| value.to_string());
        let whole = match self {
            Self::Book { coin, figures, mantissa, fast } => of_coin("l2Book", coin)
                .raw("nSigFigs", &number(figures))
                .raw("mantissa", &number(mantissa))
                .flag("fast", *fast),
            Self::Bbo(coin) => of_coin("bbo", coin),
            Self::Trades(coin) => of_coin("trades", coin),
            Self::Context(coin) => of_coin("activeAssetCtx", coin),
            Self::Mids => named("allMids"),
            Self::Orders(user) => of_user("orderUpdates", user),
            Self::Events(user) => of_user("userEvents", user),
            Self::Fills { user, aggregate } => {
                of_user("userFills", user).flag("aggregateByTime", *aggregate)
            }
            Self::Fundings(user) => of_user("userFundings", user),
            Self::State(user) => of_user("clearinghouseState", user).text("dex", ""),
            Self::OpenOrders(user) => of_user("openOrders", user).text("dex", ""),
            Self::Tokens(user) => of_user("spotState", user),
        };
        whole.done()
    }

    pub(super) fn coin(&self) -> Option<&str> {
        match self {
            Self::Book { coin, .. }
            | Self::Bbo(coin)
            | Self::Trades(coin)
            | Self::Context(coin) => Some(coin),
            _ => None,
        }
    }

    pub(super) fn user(&self) -> Option<Address> {
        match self {
            Self::Orders(user)
            | Self::Events(user)
            | Self::Fills { user, .. }
            | Self::Fundings(user)
            | Self::State(user)
            | Self::OpenOrders(user)
            | Self::Tokens(user) => Some(*user),
            _ => None,
        }
    }
}

/// Who has subscribed to what.
#[derive(Debug, Default)]
pub(super) struct Subscriptions(BTreeMap<Topic, BTreeSet<ConnId>>);

impl Subscriptions {
    /// `false` if it was there before.
    pub(super) fn add(&mut self, topic: Topic, conn: ConnId) -> bool {
        self.0.entry(topic).or_default().insert(conn)
    }

    /// `false` if it was not there.
    pub(super) fn remove(&mut self, topic: &Topic, conn: ConnId) -> bool {
        let Some(conns) = self.0.get_mut(topic) else { return false };
        let was = conns.remove(&conn);
        if conns.is_empty() {
            self.0.remove(topic);
        }
        was
    }

    pub(super) fn contains(&self, topic: &Topic, conn: ConnId) -> bool {
        self.0.get(topic).is_some_and(|conns| conns.contains(&conn))
    }

    /// Forgets a connection.
    pub(super) fn forget(&mut self, conn: ConnId) {
        self.0.retain(|_, conns| {
            conns.remove(&conn);
            !conns.is_empty()
        });
    }

    /// All topics that someone wants.
    pub(super) fn topics(&self) -> impl Iterator<Item = &Topic> {
        self.0.keys()
    }

    pub(super) fn has(&self, topic: &Topic) -> bool {
        self.0.contains_key(topic)
    }

    pub(super) fn count(&self) -> usize {
        self.0.values().map(BTreeSet::len).sum()
    }

    /// Users that someone listens to.
    pub(super) fn users(&self) -> BTreeSet<Address> {
        self.0.keys().filter_map(Topic::user).collect()
    }

    /// Sends a text to everyone who wants it.
    pub(super) fn send(&self, topic: &Topic, text: &str, out: &mut WireOut) {
        for conn in self.0.get(topic).into_iter().flatten() {
            out.push((*conn, WsOut::Text(text.to_owned())));
        }
    }
}

/// `{"channel":"...","data":...}`
pub(super) fn message(channel: &str, data: &str) -> String {
    Object::new().text("channel", channel).raw("data", data).done()
}
