//! The simulated venues as they come without configuration: rules like the real ones, one funded
//! account each, keys made new at every start.
//!
//! The fees are those of a demonstration tier, far below what the venues charge a new customer:
//! low enough that the spreads of the default flow pay.

use super::followed::stated_rules;
use super::frames::own::StatedRules;
use super::recorded::stated;
use super::venues::bybit::LINEAR;
use super::{
    AccountId, ApiKey, Exchange, FlowOptions, PerpetualRules, SimError, SimOptions,
    SimVenueOptions, SymbolRules, Wire,
};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rust_decimal::Decimal;
use std::collections::BTreeMap;

/// How the embedded venues are set up.
#[derive(Clone, Debug)]
pub struct EmbeddedOptions {
    /// What moves the books.
    pub flow: FlowOptions,
    /// Fee of the resting side, as a ratio.
    pub maker_fee: Decimal,
    /// Fee of the crossing side.
    pub taker_fee: Decimal,
    /// What each account holds at the start, per venue.
    pub deposits: BTreeMap<String, Decimal>,
    /// Ports by the name of the venue; any free one where none is given.
    pub ports: BTreeMap<String, u16>,
    /// Time between payments of funding of all perpetuals, ms; as their venues have it where none is
    /// given.
    pub funding_interval_ms: Option<u64>,
    /// Instruments by the name of the venue, with their fees, in place of those that it has by itself.
    pub rules: BTreeMap<String, Vec<SymbolRules>>,
    /// See [`SimOptions::events_first_per_mille`].
    pub events_first_per_mille: u32,
}

impl Default for EmbeddedOptions {
    fn default() -> Self {
        let deposit = |asset: &str, amount: i64| (asset.to_owned(), Decimal::from(amount));
        Self {
            flow: FlowOptions::default(),
            maker_fee: Decimal::new(1, 4),
            taker_fee: Decimal::new(2, 4),
            deposits: BTreeMap::from([
                deposit("BTC", 100),
                deposit("ETH", 2_000),
                deposit("USDT", 10_000_000),
            ]),
            ports: BTreeMap::new(),
            funding_interval_ms: None,
            rules: BTreeMap::new(),
            events_first_per_mille: 100,
        }
    }
}

/// How a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SimKeyKind {
    /// HMAC-SHA256 with a shared secret.
    Hmac,
    /// Ed25519; the secret is the private key, PKCS#8 in PEM.
    Ed25519,
    /// ECDSA on secp256k1; the key is the address of the account and the secret the private key, both
    /// `0x` and digits.
    Secp256k1,
}

/// Key and secret of an account of a simulated venue.
#[derive(Clone, Debug)]
pub struct SimAccount {
    /// Name of the venue.
    pub venue: &'static str,
    /// How it signs.
    pub kind: SimKeyKind,
    /// Public part.
    pub key: String,
    /// Private part.
    pub secret: String,
    /// What the venue asks for besides, or nothing.
    pub passphrase: String,
}

/// The embedded venues, ready to start, and the keys to trade on them.
pub struct Embedded {
    /// For [`super::Server::start`].
    pub options: SimOptions,
    /// One account per venue. Where a venue takes two kinds of key the account has both, Ed25519
    /// first.
    pub accounts: Vec<SimAccount>,
}

/// Sets up one venue per wire, by the wire's name.
pub fn embedded(
    options: &EmbeddedOptions,
    wires: Vec<Box<dyn Wire>>,
) -> Result<Embedded, SimError> {
    let mut venues = Vec::new();
    let mut accounts = Vec::new();
    let recorded = recorded_rules(options).map_err(SimError::Flow)?;
    for wire in wires {
        let name = wire.name();
        let rules = match options.rules.get(name) {
            Some(rules) => rules.clone(),
            None => with_recorded(own_rules(wire.as_ref(), options), name, &recorded)?,
        };
        let hmac = hmac_key()?;
        let mut shared = account(name, SimKeyKind::Hmac, &hmac, hmac.secret.clone());
        wire.passphrase().clone_into(&mut shared.passphrase);
        if signs_with_secp256k1(name) {
            let (key, secret) = secp256k1_key()?;
            accounts.push(account(name, SimKeyKind::Secp256k1, &key, secret));
            let spot = rules.iter().filter(|rules| rules.perpetual.is_none());
            let tokens: Vec<String> = spot.map(|rules| rules.base.clone()).collect();
            let mut exchange =
                Exchange::new(rules, vec![(key, two_wallets(&options.deposits, &tokens))]);
            wire.prepare(&mut exchange);
            let port = options.ports.get(name).copied().unwrap_or_default();
            venues.push(SimVenueOptions { wire, exchange, port });
            continue;
        }
        let mut exchange = if takes_ed25519(name) {
            let (signing, pem) = ed25519_key()?;
            accounts.push(account(name, SimKeyKind::Ed25519, &signing, pem));
            let mut exchange = Exchange::new(rules, vec![(signing, options.deposits.clone())]);
            exchange.add_key(AccountId(0), hmac);
            exchange
        } else {
            Exchange::new(rules, vec![(hmac, options.deposits.clone())])
        };
        wire.prepare(&mut exchange);
        accounts.push(shared);
        let port = options.ports.get(name).copied().unwrap_or_default();
        venues.push(SimVenueOptions { wire, exchange, port });
    }
    let options = SimOptions {
        venues,
        flow: options.flow.clone(),
        events_first_per_mille: options.events_first_per_mille,
        ..SimOptions::default()
    };
    Ok(Embedded { options, accounts })
}

/// What the captures state of their instruments, unless they are played at another venue.
fn recorded_rules(options: &EmbeddedOptions) -> Result<Vec<StatedRules>, String> {
    let mut all = Vec::new();
    for capture in &options.flow.captures {
        let stated = stated(&capture.files)?;
        let at_home = |rules: &StatedRules| [&rules.venue, ""].contains(&&*capture.venue);
        all.extend(stated.filter(at_home));
    }
    Ok(all)
}

/// The instruments of a venue, those that are recorded as their recordings state them.
fn with_recorded(
    mut rules: Vec<SymbolRules>,
    venue: &str,
    recorded: &[StatedRules],
) -> Result<Vec<SymbolRules>, SimError> {
    for stated in recorded.iter().filter(|stated| stated.venue == venue) {
        let new = stated_rules(&rules, stated).ok_or_else(|| {
            SimError::Flow(format!("{}: no such instrument is simulated", stated.instrument))
        })?;
        match rules.iter_mut().find(|rules| rules.symbol == new.symbol) {
            Some(known) => *known = new,
            None => rules.push(new),
        }
    }
    Ok(rules)
}

/// The instruments that a venue has by itself.
fn own_rules(wire: &dyn Wire, options: &EmbeddedOptions) -> Vec<SymbolRules> {
    let mut rules = listed(wire);
    for rules in &mut rules {
        (rules.maker_fee, rules.taker_fee) = (options.maker_fee, options.taker_fee);
        if let (Some(perpetual), Some(interval)) =
            (&mut rules.perpetual, options.funding_interval_ms)
        {
            perpetual.funding_interval_ms = interval.max(1);
        }
    }
    rules
}

/// The same before fees and intervals are chosen.
pub(super) fn listed(wire: &dyn Wire) -> Vec<SymbolRules> {
    let rules = wire.instruments();
    if rules.is_empty() { rules_of(wire.name()) } else { rules }
}

fn account(venue: &'static str, kind: SimKeyKind, key: &ApiKey, secret: String) -> SimAccount {
    SimAccount { venue, kind, key: key.key.clone(), secret, passphrase: String::new() }
}

fn takes_ed25519(venue: &str) -> bool {
    venue.starts_with("binance")
}

fn signs_with_secp256k1(venue: &str) -> bool {
    venue == "hyperliquid"
}

/// Rules as the venue of this name has them; a venue that is not known has the finer ones.
fn rules_of(venue: &str) -> Vec<SymbolRules> {
    if signs_with_secp256k1(venue) {
        return dollar_rules();
    }
    let number = |mantissa: i64, decimals: u32| Decimal::new(mantissa, decimals);
    let whole = Decimal::from;
    let common = SymbolRules {
        symbol: String::new(),
        base: String::new(),
        quote: "USDT".to_owned(),
        tick_size: number(1, 2),
        lot_size: number(1, 5),
        price_min: number(1, 2),
        price_max: whole(1_000_000),
        qty_min: number(1, 5),
        qty_max: whole(9_000),
        qty_market_max: number(11_923, 2),
        notional_min: whole(5),
        notional_max: whole(9_000_000),
        maker_fee: Decimal::ZERO,
        taker_fee: Decimal::ZERO,
        fee_decimals: 8,
        perpetual: None,
    };
    let (btc, eth) = if venue == "bybit" {
        finer(common)
    } else {
        let eth = SymbolRules {
            lot_size: number(1, 4),
            qty_min: number(1, 4),
            qty_market_max: whole(2_400),
            ..common.clone()
        };
        (common, eth)
    };
    let named = |rules: SymbolRules, base: &str, suffix: &str| SymbolRules {
        symbol: format!("{base}USDT{suffix}"),
        base: base.to_owned(),
        ..rules
    };
    let [btc_linear, eth_linear] = linear(&btc);
    match venue {
        "binance_usdm" => vec![named(btc_linear, "BTC", ""), named(eth_linear, "ETH", "")],
        "bybit" => vec![
            named(btc, "BTC", ""),
            named(eth, "ETH", ""),
            named(btc_linear, "BTC", LINEAR),
            named(eth_linear, "ETH", LINEAR),
        ],
        _ => vec![named(btc, "BTC", ""), named(eth, "ETH", "")],
    }
}

/// Spot of BTC and ETH with coarser prices and finer quantities.
fn finer(common: SymbolRules) -> (SymbolRules, SymbolRules) {
    let number = |mantissa: i64, decimals: u32| Decimal::new(mantissa, decimals);
    let whole = Decimal::from;
    let btc = SymbolRules {
        tick_size: number(1, 1),
        lot_size: number(1, 6),
        price_min: number(1, 1),
        qty_min: number(11, 6),
        qty_max: whole(83),
        qty_market_max: number(415, 1),
        notional_max: whole(8_000_000),
        fee_decimals: 10,
        ..common
    };
    let eth = SymbolRules {
        tick_size: number(1, 2),
        lot_size: number(1, 5),
        price_min: number(1, 2),
        qty_min: number(10, 5),
        qty_max: whole(2_000),
        qty_market_max: whole(1_000),
        ..btc.clone()
    };
    (btc, eth)
}

/// Perpetuals of these two, settled in USDT, with the rules that the venues have for them.
fn linear(common: &SymbolRules) -> [SymbolRules; 2] {
    let number = |mantissa: i64, decimals: u32| Decimal::new(mantissa, decimals);
    let whole = Decimal::from;
    let perpetual = PerpetualRules {
        settle: "USDT".to_owned(),
        contract_size: Decimal::ONE,
        leverage_initial: whole(10),
        leverage_max: whole(100),
        maintenance_rate: number(5, 3),
        funding_interval_ms: 8 * 3_600_000,
        funding_rate_max: number(375, 5),
    };
    let btc = SymbolRules {
        tick_size: number(1, 1),
        lot_size: number(1, 3),
        price_min: number(1, 1),
        price_max: whole(1_999_999),
        qty_min: number(1, 3),
        qty_max: whole(1_190),
        qty_market_max: whole(500),
        notional_max: Decimal::ZERO,
        fee_decimals: 8,
        perpetual: Some(perpetual.clone()),
        ..common.clone()
    };
    let eth = SymbolRules {
        tick_size: number(1, 2),
        lot_size: number(1, 2),
        price_min: number(1, 2),
        qty_min: number(1, 2),
        qty_max: whole(7_240),
        qty_market_max: whole(2_500),
        perpetual: Some(PerpetualRules { maintenance_rate: number(6, 3), ..perpetual }),
        ..btc.clone()
    };
    [btc, eth]
}

/// Wallet of spot pairs where it is not that of perpetuals.
const SPOT_WALLET: &str = "USDC:spot";

/// Perpetuals settled in USDC and spot pairs paid from a wallet of their own. Tick sizes are what five
/// significant figures leave at the start prices of the default flow.
fn dollar_rules() -> Vec<SymbolRules> {
    let common = SymbolRules {
        symbol: String::new(),
        base: String::new(),
        quote: String::from("USD"),
        tick_size: Decimal::ONE,
        lot_size: Decimal::ONE,
        price_min: Decimal::ZERO,
        price_max: Decimal::ZERO,
        qty_min: Decimal::ZERO,
        qty_max: Decimal::ZERO,
        qty_market_max: Decimal::ZERO,
        notional_min: Decimal::TEN,
        notional_max: Decimal::ZERO,
        maker_fee: Decimal::ZERO,
        taker_fee: Decimal::ZERO,
        fee_decimals: 6,
        perpetual: None,
    };
    // Base, decimals of prices and of sizes, largest leverage.
    let perpetuals = [("BTC", 0, 5, 40), ("ETH", 1, 4, 25), ("SOL", 2, 2, 20), ("HYPE", 3, 2, 10)];
    let perpetual = |(base, price, size, leverage): (&str, u32, u32, i64)| SymbolRules {
        symbol: base.to_owned(),
        base: base.to_owned(),
        tick_size: Decimal::new(1, price),
        lot_size: Decimal::new(1, size),
        perpetual: Some(PerpetualRules {
            settle: String::from("USDC"),
            contract_size: Decimal::ONE,
            leverage_initial: Decimal::from(leverage.min(20)),
            leverage_max: Decimal::from(leverage),
            maintenance_rate: Decimal::ONE / Decimal::from(2 * leverage),
            funding_interval_ms: 3_600_000,
            funding_rate_max: Decimal::new(4, 2),
        }),
        ..common.clone()
    };
    let spot = [("@107", "HYPE", 3, 2), ("PURR/USDC", "PURR", 5, 0)];
    let pair = |(symbol, base, price, size): (&str, &str, u32, u32)| SymbolRules {
        symbol: symbol.to_owned(),
        base: base.to_owned(),
        quote: SPOT_WALLET.to_owned(),
        tick_size: Decimal::new(1, price),
        lot_size: Decimal::new(1, size),
        fee_decimals: 8,
        ..common.clone()
    };
    perpetuals.map(perpetual).into_iter().chain(spot.map(pair)).collect()
}

/// Dollars for both wallets, and tokens of the spot pairs.
fn two_wallets(
    deposits: &BTreeMap<String, Decimal>,
    tokens: &[String],
) -> BTreeMap<String, Decimal> {
    let given = |asset: &str| deposits.get(asset).copied();
    let dollars = given("USDC").or_else(|| given("USDT")).unwrap_or_default();
    let some = |name: &str| match name {
        "HYPE" => 10_000,
        "PURR" => 1_000_000,
        _ => 0,
    };
    let tokens = tokens
        .iter()
        .map(|name| (name.as_str(), given(name).unwrap_or_else(|| Decimal::from(some(name)))));
    let wallets = [("USDC", dollars), (SPOT_WALLET, dollars)];
    wallets.into_iter().chain(tokens).map(|(name, amount)| (name.to_owned(), amount)).collect()
}

/// A private key, and the address of its account as key.
fn secp256k1_key() -> Result<(ApiKey, String), SimError> {
    let failed = || SimError::Keys("cannot make a secp256k1 key".to_owned());
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| failed())?;
    let address = super::venues::hyperliquid::address_of(&bytes).ok_or_else(failed)?;
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let key = ApiKey { key: address, secret: String::new(), ed25519_public: Vec::new() };
    Ok((key, format!("0x{digits}")))
}

/// A shared secret and the name it goes by, from the system's random source.
fn hmac_key() -> Result<ApiKey, SimError> {
    Ok(ApiKey { key: random_text(32)?, secret: random_text(64)?, ed25519_public: Vec::new() })
}

/// An Ed25519 key and its private part as PEM.
fn ed25519_key() -> Result<(ApiKey, String), SimError> {
    let failed = |what: &str| SimError::Keys(format!("cannot make an Ed25519 key: {what}"));
    // Version 1 of PKCS#8 carries the private key alone, which every reader understands.
    let document = Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new())
        .map_err(|_| failed("no random numbers"))?;
    let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(document.as_ref())
        .map_err(|_| failed("refused by the library that made it"))?;
    let body = STANDARD.encode(document.as_ref());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n");
    let key = ApiKey {
        key: random_text(64)?,
        secret: String::new(),
        ed25519_public: pair.public_key().as_ref().to_vec(),
    };
    Ok((key, pem))
}

fn random_text(len: usize) -> Result<String, SimError> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789Zz";
    let mut bytes = vec![0u8; len];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| SimError::Keys("the system gives no random numbers".to_owned()))?;
    Ok(bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte & 63)])).collect())
}

#[cfg(test)]
mod tests {
    use super::super::server_tests::EchoWire;
    use super::*;
    use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};

    fn made() -> Embedded {
        let wires: Vec<Box<dyn Wire>> =
            vec![Box::new(EchoWire::new("binance")), Box::new(EchoWire::new("bybit"))];
        embedded(&EmbeddedOptions::default(), wires).unwrap()
    }

    #[test]
    fn keys_are_new_at_every_start_and_sign() {
        let (one, two) = (made(), made());
        let kinds: Vec<_> = one.accounts.iter().map(|key| (key.venue, key.kind)).collect();
        let hmac = SimKeyKind::Hmac;
        let wanted = [("binance", SimKeyKind::Ed25519), ("binance", hmac), ("bybit", hmac)];
        assert_eq!(kinds, wanted);
        for (first, second) in one.accounts.iter().zip(&two.accounts) {
            assert_ne!(first.key, second.key);
            assert_ne!(first.secret, second.secret);
        }
        let signing = &one.accounts[0];
        let lines: Vec<&str> = signing.secret.lines().collect();
        assert_eq!(
            (lines[0], lines[2]),
            ("-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----")
        );
        let der = STANDARD.decode(lines[1]).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).unwrap();
        let exchange = &one.options.venues[0].exchange;
        let (account, key) = exchange.account_by_key(&signing.key).unwrap();
        let public = UnparsedPublicKey::new(&ED25519, &key.ed25519_public);
        public.verify(b"payload", pair.sign(b"payload").as_ref()).unwrap();
        let (same, key) = exchange.account_by_key(&one.accounts[1].key).unwrap();
        assert_eq!(
            (same, &key.secret),
            (account, &one.accounts[1].secret),
            "both keys, one account"
        );
    }

    #[test]
    fn a_wire_may_bring_its_own_instruments_and_policies() {
        let wires = vec![super::super::venues::wire("okx").unwrap()];
        let made = embedded(&EmbeddedOptions::default(), wires).unwrap();
        assert_eq!(made.accounts[0].passphrase, made.options.venues[0].wire.passphrase());
        assert!(!made.accounts[0].passphrase.is_empty());
        let exchange = &made.options.venues[0].exchange;
        let names: Vec<&str> = exchange.symbols().iter().map(|rules| &*rules.symbol).collect();
        assert_eq!(names, ["BTC-USDT", "ETH-USDT", "BTC-USDT-SWAP", "ETH-USDT-SWAP"]);
        let fees = exchange.rules("BTC-USDT-SWAP").map(|rules| rules.taker_fee);
        assert_eq!(fees, Some(Decimal::new(2, 4)), "those of the demonstration");
    }

    #[test]
    fn venues_have_their_own_rules_and_the_same_deposits() {
        let made = made();
        let rules = |venue: usize, symbol: &str| {
            made.options.venues[venue].exchange.rules(symbol).unwrap().clone()
        };
        let number = |text: &str| text.parse::<Decimal>().unwrap();
        let (binance, bybit) = (rules(0, "BTCUSDT"), rules(1, "BTCUSDT"));
        assert_eq!((binance.tick_size, binance.lot_size), (number("0.01"), number("0.00001")));
        assert_eq!((bybit.tick_size, bybit.lot_size), (number("0.1"), number("0.000001")));
        assert_eq!((binance.notional_min, bybit.notional_min), (number("5"), number("5")));
        assert_eq!((bybit.maker_fee, bybit.taker_fee), (number("0.0001"), number("0.0002")));
        assert_eq!(rules(0, "ETHUSDT").base, "ETH");
        for venue in &made.options.venues {
            let balances = venue.exchange.balances(AccountId(0));
            assert_eq!(balances["USDT"], (number("10000000"), Decimal::ZERO));
            assert_eq!(balances["BTC"].0, number("100"));
            assert_eq!(balances["ETH"].0, number("2000"));
        }
    }
}
