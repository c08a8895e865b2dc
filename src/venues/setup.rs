//! What a connector is built from: addresses, keys, instruments, options.

#![forbid(unsafe_code)]

use crate::types::{InstrumentKind, InstrumentTable, MarginSettings, VenueId};
use rust_decimal::Decimal;
use std::fmt;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Addresses of one venue. Each is `wss://host:port/path` or `https://host:port`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// REST, without path.
    pub rest: String,
    /// Public market data; the connector appends what it needs.
    pub public: String,
    /// Order entry.
    pub trade: String,
    /// Private stream; empty where it shares the order-entry connection.
    pub private: String,
}

/// A secret text, wiped when dropped and never printed.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

/// How a secret signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretKind {
    /// Shared secret, HMAC-SHA256.
    Hmac,
    /// Ed25519 private key, PKCS#8 in PEM.
    Ed25519Pem,
}

impl Secret {
    /// Takes the text over.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text. For signing only.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// PEM is recognised by its first line; everything else is a shared secret.
    #[must_use]
    pub fn kind(&self) -> SecretKind {
        if self.0.trim_start().starts_with("-----BEGIN") {
            SecretKind::Ed25519Pem
        } else {
            SecretKind::Hmac
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Key and secret of an account.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// Public part.
    pub key: String,
    /// Private part.
    pub secret: Secret,
    /// Chosen by whoever made the key, where a venue asks for one; it goes with every request.
    pub passphrase: Option<Secret>,
}

impl Credentials {
    /// Those of a venue that knows no passphrase.
    #[must_use]
    pub fn new(key: String, secret: Secret) -> Self {
        Self { key, secret, passphrase: None }
    }
}

/// Everything a connector needs to know.
#[derive(Clone, Debug)]
pub struct VenueSetup {
    /// Which row of the table this is.
    pub venue: VenueId,
    /// Where it lives.
    pub endpoints: Endpoints,
    /// All configured instruments.
    pub instruments: Arc<InstrumentTable>,
    /// Keys; none for market data.
    pub credentials: Option<Credentials>,
    /// Levels a side that the feed asks for, where the venue lets one choose.
    pub depth: u16,
    /// Oldest a request may be when the venue gets it.
    pub recv_window_ms: u32,
    /// Send orders over REST instead of WebSocket.
    pub orders_over_rest: bool,
    /// Connections for order entry where it goes over WebSocket: one, or two of which the healthier
    /// is used.
    pub order_connections: u8,
    /// Connections for market data, each with a connector. With more than one, a connector fetches
    /// snapshots only when it is asked to, and keeps to its part of the feed's rate limit.
    pub feed_connections: u8,
    /// After how many seconds without us the venue is to cancel our orders; none: never.
    pub dead_man_switch_s: Option<u32>,
    /// One-time numbers of signatures to make beforehand, where the venue's signatures have any; 0:
    /// none.
    pub prepared_nonces: u16,
    /// What positions in its perpetuals are to stand on.
    pub margin: MarginSettings,
    /// How long a reply to an order may take before its outcome is unknown.
    pub reply_timeout_ms: u32,
    /// How long a subscribed stream may stay silent at first.
    pub first_message_timeout_ms: u32,
}

impl VenueSetup {
    /// The kind of all of the venue's instruments; spot if there are none. A connector speaks for
    /// one kind.
    pub fn only_kind(&self) -> Result<InstrumentKind, SetupError> {
        let mut kinds = self.instruments.of_venue(self.venue).map(|instrument| instrument.kind);
        let first = kinds.next().unwrap_or_default();
        if kinds.all(|kind| kind == first) { Ok(first) } else { Err(SetupError::MixedKinds) }
    }
}

/// Why a connector could not be built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetupError {
    /// Spot and perpetuals of one venue in one setup.
    MixedKinds,
    /// Trading needs a key and a secret.
    NoCredentials,
    /// The secret is not what its first line says.
    BadSecret(&'static str),
    /// The dead-man switch of so many instruments would take too much of the venue's limits; the
    /// shortest window in seconds.
    DeadManTooShort(u32),
    /// An address that cannot serve what is configured.
    BadAddress(&'static str),
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MixedKinds => f.write_str("spot and perpetuals of one venue at the same time"),
            Self::NoCredentials => f.write_str("no API key and secret are configured"),
            Self::BadAddress(why) => write!(f, "the address cannot be used: {why}"),
            Self::BadSecret(why) => write!(f, "the API secret cannot be used: {why}"),
            Self::DeadManTooShort(least) => write!(
                f,
                "dead_man_switch_s is too short: with so many instruments at least {least}, or \
                 setting it anew takes too much of the venue's rate limit"
            ),
        }
    }
}

impl std::error::Error for SetupError {}

/// Rules of one instrument as the venue states them, before scales are chosen. Limits of 0 mean
/// "none".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InstrumentSpec {
    /// The venue's name of it.
    pub symbol: String,
    /// Base asset.
    pub base: String,
    /// Quote asset.
    pub quote: String,
    /// What kind of contract.
    pub kind: InstrumentKind,
    /// Asset in which margin and profit of a perpetual are paid; empty for spot.
    pub settle: String,
    /// Base units of one contract where the venue counts in contracts, else 0. The quantities below
    /// are base units either way.
    pub contract: Decimal,
    /// Whether it trades now.
    pub trading: bool,
    /// Smallest price step.
    pub tick_size: Decimal,
    /// Smallest quantity step.
    pub lot_size: Decimal,
    /// Smallest limit price.
    pub price_min: Decimal,
    /// Largest limit price.
    pub price_max: Decimal,
    /// Smallest quantity.
    pub qty_min: Decimal,
    /// Largest quantity of a limit order.
    pub qty_max: Decimal,
    /// Largest quantity of a market order.
    pub qty_market_max: Decimal,
    /// Smallest value in quote units.
    pub notional_min: Decimal,
    /// Largest value in quote units.
    pub notional_max: Decimal,
    /// Most significant figures of a price that is not whole.
    pub figures_max: u8,
    /// Decimals that a fill may have although orders may not, as far as the venue says so.
    pub fill_decimals: u8,
    /// Largest leverage of a perpetual that it allows anybody; 0 if it does not say.
    pub leverage_max: u8,
}

/// The parts of an instrument's name: `BTC/USDT@venue` for spot, `BTC/USDT:USDT@venue` for a
/// perpetual, with the asset it is settled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InstrumentName<'a> {
    /// What is traded.
    pub base: &'a str,
    /// What it is priced in.
    pub quote: &'a str,
    /// What a perpetual is settled in; none for spot.
    pub settle: Option<&'a str>,
    /// Name of the exchange.
    pub exchange: &'a str,
}

impl<'a> InstrumentName<'a> {
    /// Reads a name; `None` if it is not of either form.
    #[must_use]
    pub fn parse(name: &'a str) -> Option<Self> {
        let (pair, exchange) = name.split_once('@')?;
        let (base, rest) = pair.split_once('/')?;
        let (quote, settle) = match rest.split_once(':') {
            Some((quote, settle)) => (quote, Some(settle)),
            None => (rest, None),
        };
        let plain = |text: &str| !text.is_empty() && !text.contains(['/', '@', ':', ' ']);
        let all = [Some(base), Some(quote), settle, Some(exchange)];
        all.into_iter().flatten().all(plain).then_some(Self { base, quote, settle, exchange })
    }

    /// What kind of contract it names.
    #[must_use]
    pub fn kind(&self) -> InstrumentKind {
        match self.settle {
            None => InstrumentKind::Spot,
            Some(_) => InstrumentKind::LinearPerpetual,
        }
    }
}

impl fmt::Display for InstrumentName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { base, quote, settle, exchange } = self;
        match settle {
            Some(settle) => write!(f, "{base}/{quote}:{settle}@{exchange}"),
            None => write!(f, "{base}/{quote}@{exchange}"),
        }
    }
}

impl InstrumentSpec {
    /// Whether this is what a name asks for.
    #[must_use]
    pub fn is(&self, name: &InstrumentName<'_>) -> bool {
        let settle = name.settle.unwrap_or_default();
        self.kind == name.kind()
            && self.base == name.base
            && self.quote == name.quote
            && self.settle == settle
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_never_printed() {
        let secret = Secret::new("hunter2".to_owned());
        assert_eq!(format!("{secret:?}"), "Secret(..)");
        assert_eq!(secret.kind(), SecretKind::Hmac);
        let pem = Secret::new("-----BEGIN PRIVATE KEY-----\n".to_owned());
        assert_eq!(pem.kind(), SecretKind::Ed25519Pem);
    }

    #[test]
    fn names_split_into_their_parts() {
        let spot = InstrumentName { base: "BTC", quote: "USDT", settle: None, exchange: "x" };
        let perpetual = InstrumentName { quote: "USD", settle: Some("USDC"), ..spot };
        for (text, name) in [("BTC/USDT@x", spot), ("BTC/USD:USDC@x", perpetual)] {
            assert_eq!(InstrumentName::parse(text), Some(name));
            assert_eq!(name.to_string(), text);
        }
        assert_eq!(spot.kind(), InstrumentKind::Spot);
        assert_eq!(perpetual.kind(), InstrumentKind::LinearPerpetual);
        let bad = ["BTCUSDT", "BTC/USDT", "BTC@x", "/USDT@x", "BTC/@x", "BTC/USDT@", "A/B:@x"];
        for bad in bad.into_iter().chain(["A/:C@x", "A/B:C:D@x", "A:C@x"]) {
            assert_eq!(InstrumentName::parse(bad), None, "{bad}");
        }
    }
}
