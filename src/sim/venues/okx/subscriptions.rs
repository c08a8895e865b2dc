//! What a subscription's argument means, on which address, and what it needs.

#![forbid(unsafe_code)]

use super::depth::BOOKS;
use super::errors::VenueError;
use super::instruments::{Instrument, Instruments, Kind};
use super::market::Topic;
use crate::sim::venues::json::{Object, quoted};
use serde_json::Value;

/// Members of an argument, in the order in which the venue repeats them.
const MEMBERS: [&str; 6] = ["channel", "instType", "instFamily", "instId", "ccy", "extraParams"];
/// How often snapshots of account and positions are pushed, ms, unless the client says otherwise.
const SNAPSHOT_EVERY_MS: u64 = 5_000;

/// Which of the venue's addresses a socket was opened at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Address {
    Public,
    Private,
    Business,
}

/// Channels that need a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Channel {
    Orders,
    Fills,
    Account,
    Positions,
    BalanceAndPosition,
    /// Taken and never pushed.
    Silent,
}

const PRIVATE: [(&str, Channel); 7] = [
    ("orders", Channel::Orders),
    ("fills", Channel::Fills),
    ("account", Channel::Account),
    ("positions", Channel::Positions),
    ("balance_and_position", Channel::BalanceAndPosition),
    ("liquidation-warning", Channel::Silent),
    ("account-greeks", Channel::Silent),
];

/// A private subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sub {
    pub(super) name: &'static str,
    pub(super) channel: Channel,
    /// Any, if none is named.
    kind: Option<Kind>,
    family: Option<String>,
    id: Option<String>,
    /// The argument as sent, without what closes it: messages add the user's number.
    arg: String,
    /// Time between snapshots, ms; none but the first one if it is `None`.
    pub(super) every_ms: Option<u64>,
    pub(super) next_ms: u64,
}

impl Sub {
    /// Whether it is of this instrument.
    pub(super) fn covers(&self, instrument: &Instrument) -> bool {
        self.kind.is_none_or(|kind| kind == instrument.kind)
            && self.family.as_ref().is_none_or(|family| *family == instrument.index)
            && self.id.as_ref().is_none_or(|id| *id == instrument.id)
    }

    /// The argument that its messages carry.
    pub(super) fn arg(&self, uid: &str) -> String {
        format!("{},\"uid\":{}}}", self.arg, quoted(uid))
    }

    /// Whether another argument names the same.
    pub(super) fn is(&self, other: &Self) -> bool {
        (self.name, self.kind, &self.family, &self.id)
            == (other.name, other.kind, &other.family, &other.id)
    }
}

/// What an argument asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Subscription {
    Public(Topic),
    Private(Sub),
}

/// Where and as whom it is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asker {
    pub(super) address: Address,
    pub(super) logged_in: bool,
    /// Its fee tier has the fast channels.
    pub(super) tier: bool,
}

fn text<'a>(arg: &'a Value, name: &str) -> &'a str {
    arg.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The argument as the venue repeats it.
pub(super) fn echo(arg: &Value) -> String {
    let said = |name: &&&str| arg.get(**name).is_some_and(Value::is_string);
    let members = MEMBERS.iter().filter(said);
    members.fold(Object::new(), |object, name| object.text(name, text(arg, name))).done()
}

/// Reads an argument.
pub(super) fn parse(
    arg: &Value,
    asker: Asker,
    instruments: &Instruments,
) -> Result<Subscription, VenueError> {
    let channel = text(arg, "channel");
    if let Some(&(name, channel)) = PRIVATE.iter().find(|(name, _)| *name == channel) {
        return private(arg, asker, name, channel, instruments);
    }
    if let Some(book) = BOOKS.iter().find(|book| book.name == channel && book.tier) {
        if !asker.logged_in {
            return Err(VenueError::login_first());
        }
        if !asker.tier {
            return Err(tier_too_low(book.name));
        }
    }
    let topic = match asker.address {
        Address::Public => public(arg, channel, instruments),
        Address::Business => business(arg, channel, instruments),
        Address::Private => None,
    };
    topic.map(Subscription::Public).ok_or_else(|| no_such(arg))
}

fn private(
    arg: &Value,
    asker: Asker,
    name: &'static str,
    channel: Channel,
    instruments: &Instruments,
) -> Result<Subscription, VenueError> {
    if asker.address != Address::Private {
        return Err(no_such(arg));
    }
    if !asker.logged_in {
        return Err(VenueError::login_first());
    }
    if channel == Channel::Fills && !asker.tier {
        return Err(tier_too_low(name));
    }
    let kind = match (channel, text(arg, "instType")) {
        (Channel::Orders | Channel::Positions, "ANY") => None,
        (Channel::Orders | Channel::Positions, kind) => match Kind::parse(kind) {
            Some(kind) => Some(kind),
            // Products that are not simulated have nothing to tell; what has no name is wrong.
            None if matches!(kind, "MARGIN" | "FUTURES" | "OPTION" | "EVENTS") => {
                return Ok(Subscription::Public(Topic::Silent));
            }
            None => return Err(no_such(arg)),
        },
        _ => None,
    };
    let some = |name: &str| Some(text(arg, name).to_owned()).filter(|text| !text.is_empty());
    let (family, id) = (some("instFamily"), some("instId"));
    if id.as_ref().is_some_and(|id| instruments.by_id(id).is_none()) {
        return Err(no_such(arg));
    }
    let every_ms = snapshot_every(text(arg, "extraParams"))
        .ok_or_else(|| VenueError::new(60012, format!("Invalid request: {arg}")))?;
    let said = |name: &&&str| !text(arg, name).is_empty();
    let head = MEMBERS.iter().take(4).filter(said);
    let mut head = head.fold(Object::new(), |head, name| head.text(name, text(arg, name))).done();
    head.pop();
    let sub = Sub { name, channel, kind, family, id, arg: head, every_ms, next_ms: 0 };
    Ok(Subscription::Private(sub))
}

/// Time between snapshots that `extraParams` asks for: a text that holds an object that holds a
/// text. The outer `None` is one that cannot be read.
fn snapshot_every(extra: &str) -> Option<Option<u64>> {
    if extra.is_empty() {
        return Some(Some(SNAPSHOT_EVERY_MS));
    }
    let extra: Value = serde_json::from_str(extra).ok()?;
    match extra.get("updateInterval")?.as_str()? {
        "0" => Some(None),
        "2000" => Some(Some(2_000)),
        "3000" => Some(Some(3_000)),
        "4000" => Some(Some(4_000)),
        _ => Some(Some(SNAPSHOT_EVERY_MS)),
    }
}

fn public(arg: &Value, channel: &str, instruments: &Instruments) -> Option<Topic> {
    let id = text(arg, "instId");
    let place = || instruments.by_id(id).map(|(place, _)| place);
    let swap = || {
        let (place, instrument) = instruments.by_id(id)?;
        (instrument.kind == Kind::Swap).then_some(place)
    };
    if let Some(book) = BOOKS.iter().position(|book| book.name == channel) {
        return Some(Topic::Book(place()?, book));
    }
    Some(match channel {
        "trades" => Topic::Trades(place()?),
        "tickers" => Topic::Ticker(place()?),
        "mark-price" => Topic::Mark(place()?),
        "index-tickers" => Topic::Index(of_index(id, instruments)?),
        "price-limit" => Topic::Limit(place()?),
        "funding-rate" => Topic::Funding(swap()?),
        "open-interest" => swap().map(|_| Topic::Silent)?,
        "liquidation-orders" => Topic::Silent,
        "instruments" => match Kind::parse(text(arg, "instType")) {
            Some(kind) => Topic::Instruments(kind),
            None => return None,
        },
        "status" => Topic::Status,
        _ => return None,
    })
}

/// The first instrument of an index: it tells its price.
pub(super) fn of_index(index: &str, instruments: &Instruments) -> Option<usize> {
    let all = instruments.all().iter();
    // A swap knows its index; spot stands in where there is none.
    let swap = |instrument: &Instrument| instrument.kind == Kind::Swap;
    let of = |instrument: &Instrument| instrument.index == index;
    let found = all.clone().position(|one| of(one) && swap(one));
    found.or_else(|| all.clone().position(of))
}

fn business(arg: &Value, channel: &str, instruments: &Instruments) -> Option<Topic> {
    let (place, _) = instruments.by_id(text(arg, "instId"))?;
    match channel {
        "trades-all" => Some(Topic::EveryTrade(place)),
        _ if channel.starts_with("candle") => Some(Topic::Silent),
        _ => None,
    }
}

fn no_such(arg: &Value) -> VenueError {
    let names = MEMBERS.iter().take(4).filter(|name| !text(arg, name).is_empty());
    let named: Vec<String> = names.map(|name| format!("{name}:{}", text(arg, name))).collect();
    let text = format!(
        "Wrong URL or {} doesn't exist. Please use the correct URL, channel and parameters \
         referring to API document.",
        named.join(",")
    );
    VenueError::new(60018, text)
}

fn tier_too_low(channel: &str) -> VenueError {
    let text =
        format!("Only users who are VIP4 and above in trading fee tier can subscribe to {channel}");
    VenueError::new(64003, text)
}
