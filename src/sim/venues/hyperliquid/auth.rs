//! Who signed an action: its hash, the typed data (EIP-712) around it, and the signer's address
//! recovered from the signature.
//!
//! A signature never is wrong here: other bytes than the signed ones only give another signer, whom
//! the venue does not know.

#![forbid(unsafe_code)]

use super::address::{Address, unhex};
use k256::ecdsa::{RecoveryId, Signature, VerifyingKey};
use serde_json::Value;
use sha3::{Digest, Keccak256};

/// A Keccak-256 hash.
pub(super) type Hash = [u8; 32];

/// Chain that L1 actions name, whatever chain the wallet is on.
const CHAIN: u64 = 1_337;

/// Which network signatures are for; each stands in what is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Mainnet,
    Testnet,
}

impl Source {
    pub(super) const ALL: [Self; 2] = [Self::Mainnet, Self::Testnet];

    fn letter(self) -> &'static str {
        match self {
            Self::Mainnet => "a",
            Self::Testnet => "b",
        }
    }

    /// As user-signed actions name it.
    pub(super) fn chain(self) -> &'static str {
        match self {
            Self::Mainnet => "Mainnet",
            Self::Testnet => "Testnet",
        }
    }
}

pub(super) fn keccak(parts: &[&[u8]]) -> Hash {
    let mut hasher = Keccak256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// What follows the action in the bytes that are hashed.
pub(super) fn tail(nonce: u64, vault: Option<Address>, expires_after: Option<u64>) -> Vec<u8> {
    let mut tail = nonce.to_be_bytes().to_vec();
    match vault {
        Some(Address(bytes)) => {
            tail.push(1);
            tail.extend(bytes);
        }
        None => tail.push(0),
    }
    if let Some(expires_after) = expires_after {
        tail.push(0);
        tail.extend(expires_after.to_be_bytes());
    }
    tail
}

fn word(value: u64) -> Hash {
    let mut word = [0; 32];
    word[24..].copy_from_slice(&value.to_be_bytes());
    word
}

/// `EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)`, version 1
/// and no contract.
pub(super) fn domain_separator(name: &str, chain: u64) -> Hash {
    let kind = keccak(&[
        b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)",
    ]);
    let (name, version) = (keccak(&[name.as_bytes()]), keccak(&[b"1"]));
    keccak(&[&kind, &name, &version, &word(chain), &[0; 32]])
}

fn digest(domain: &Hash, message: &Hash) -> Hash {
    keccak(&[b"\x19\x01", domain, message])
}

/// The phantom agent of an L1 action, by the hash of the action.
pub(super) fn agent_hash(source: Source, action: &Hash) -> Hash {
    let kind = keccak(&[b"Agent(string source,bytes32 connectionId)"]);
    keccak(&[&kind, &keccak(&[source.letter().as_bytes()]), action])
}

/// What is signed for an L1 action.
pub(super) fn l1_digest(source: Source, action: &Hash) -> Hash {
    digest(&domain_separator("Exchange", CHAIN), &agent_hash(source, action))
}

/// Fields of a user-signed action behind `hyperliquidChain`: type and name.
type UserFields = &'static [(&'static str, &'static str)];

const DESTINATION: (&str, &str) = ("string", "destination");
const AMOUNT: (&str, &str) = ("string", "amount");
const TIME: (&str, &str) = ("uint64", "time");
const NONCE: (&str, &str) = ("uint64", "nonce");

/// User-signed actions: name on the wire, name in the typed data, fields.
const USER_SIGNED: &[(&str, &str, UserFields)] = &[
    ("usdSend", "UsdSend", &[DESTINATION, AMOUNT, TIME]),
    ("withdraw3", "Withdraw", &[DESTINATION, AMOUNT, TIME]),
    ("spotSend", "SpotSend", &[DESTINATION, ("string", "token"), AMOUNT, TIME]),
    ("usdClassTransfer", "UsdClassTransfer", &[AMOUNT, ("bool", "toPerp"), NONCE]),
    (
        "approveAgent",
        "ApproveAgent",
        &[("address", "agentAddress"), ("string", "agentName"), NONCE],
    ),
    (
        "approveBuilderFee",
        "ApproveBuilderFee",
        &[("string", "maxFeeRate"), ("address", "builder"), NONCE],
    ),
];

/// Whether an action of this name is signed as typed data of its own.
pub(super) fn is_user_signed(name: &str) -> bool {
    USER_SIGNED.iter().any(|(known, ..)| *known == name)
}

/// What is signed for a user-signed action; none if it cannot be read.
pub(super) fn user_digest(action: &Value) -> Option<Hash> {
    let name = action.get("type")?.as_str()?;
    let chain = action.get("signatureChainId")?.as_str()?.strip_prefix("0x")?;
    let chain = u64::from_str_radix(chain, 16).ok()?;
    let message = user_hash(name, action)?;
    Some(digest(&domain_separator("HyperliquidSignTransaction", chain), &message))
}

/// The hash of its typed data.
pub(super) fn user_hash(name: &str, message: &Value) -> Option<Hash> {
    let (_, primary, fields) = USER_SIGNED.iter().find(|(known, ..)| *known == name)?;
    let mut kind = format!("HyperliquidTransaction:{primary}(string hyperliquidChain");
    let chain = message.get("hyperliquidChain")?.as_str()?;
    let mut words = vec![keccak(&[chain.as_bytes()])];
    for (field_type, field) in *fields {
        kind.push_str(&format!(",{field_type} {field}"));
        words.push(user_word(field_type, message.get(*field))?);
    }
    kind.push(')');
    let kind = keccak(&[kind.as_bytes()]);
    let words: Vec<&[u8]> = words.iter().map(<[u8; 32]>::as_slice).collect();
    Some(keccak(&[&kind, &words.concat()]))
}

fn user_word(field_type: &str, value: Option<&Value>) -> Option<Hash> {
    match (field_type, value) {
        // An agent without a name is signed as one with an empty name.
        ("string", None | Some(Value::Null)) => Some(keccak(&[b""])),
        ("string", Some(value)) => Some(keccak(&[value.as_str()?.as_bytes()])),
        ("uint64", Some(value)) => value.as_u64().map(word),
        ("bool", Some(value)) => value.as_bool().map(|flag| word(u64::from(flag))),
        ("address", Some(value)) => {
            let Address(bytes) = Address::parse(value.as_str()?)?;
            let mut word = [0; 32];
            word[12..].copy_from_slice(&bytes);
            Some(word)
        }
        _ => None,
    }
}

/// The address of a public key.
pub(super) fn address_of(key: &VerifyingKey) -> Address {
    let point = key.to_sec1_point(false);
    let hash = keccak(&[&point.as_bytes()[1..]]);
    let mut address = [0; 20];
    address.copy_from_slice(&hash[12..]);
    Address(address)
}

/// Half of a signature: a number of up to 32 bytes. The venue's own client leaves zeros at its front
/// out.
fn half(text: &str) -> Option<Hash> {
    let digits = text.strip_prefix("0x").filter(|digits| (1..=64).contains(&digits.len()))?;
    unhex(&format!("0x{digits:0>64}"))
}

/// Who signed `digest`; none if this is no signature: two halves, `v` 27 or 28.
pub(super) fn recover(digest: &Hash, signature: &Value) -> Option<Address> {
    let member = |name| signature.get(name)?.as_str().and_then(half);
    let (r, s) = (member("r")?, member("s")?);
    let v = signature.get("v")?.as_u64()?;
    let recovery = RecoveryId::from_byte(u8::try_from(v.checked_sub(27)?).ok()?)?;
    if v > 28 {
        return None;
    }
    let signature = Signature::from_scalars(r, s).ok()?;
    let key = VerifyingKey::recover_from_prehash(digest, &signature, recovery).ok()?;
    Some(address_of(&key))
}
