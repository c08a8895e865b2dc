//! All signing vectors of L1 actions, with each step between, for both networks; prepared numbers.

use super::super::auth::{AGENT, Agent, DOMAIN, Network, Nonces, Signer, action_hash};
use super::{bytes, fixture, hex};
use crate::types::Nanos;
use crate::venues::secp256k1::{Key, Pool, Signature, keccak};
use crate::venues::{Credentials, Secret, SetupError};
use k256::ecdsa::{RecoveryId, VerifyingKey};
use proptest::prelude::*;
use serde_json::Value;

const KEY: &str = "0x0123456789012345678901234567890123456789012345678901234567890123";
const ADDRESS: &str = "0x14791697260e4c9a71f18484c9f997b308e59325";

fn key(text: &str) -> Key {
    Key::new(&Secret::new(text.to_owned())).unwrap()
}

fn text<'a>(object: &'a Value, name: &str) -> &'a str {
    object[name].as_str().unwrap_or_else(|| panic!("{name} in {object}"))
}

/// The address that a signature proves, as the venue finds it.
fn recovered(digest: &[u8; 32], signature: &Signature) -> String {
    let both = [signature.r, signature.s].concat();
    let parsed = k256::ecdsa::Signature::from_slice(&both).unwrap();
    assert!(parsed.normalize_s() == parsed, "the lower s");
    let id = RecoveryId::from_byte(signature.recovery).unwrap();
    let public = VerifyingKey::recover_from_prehash(digest, &parsed, id).unwrap();
    let point = public.to_sec1_point(false);
    format!("0x{}", hex(&keccak(&[&point.as_bytes()[1..]])[12..]))
}

#[test]
fn constants_are_hashes_of_what_they_name() {
    let domain =
        b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)";
    let mut chain = [0; 32];
    chain[30..].copy_from_slice(&1337u16.to_be_bytes());
    let parts = [keccak(&[domain]), keccak(&[b"Exchange"]), keccak(&[b"1"]), chain, [0; 32]];
    assert_eq!(keccak(&[&parts.concat()]), DOMAIN);
    assert_eq!(keccak(&[b"Agent(string source,bytes32 connectionId)"]), AGENT);
}

#[test]
fn every_step_of_every_vector() {
    let all: Value = serde_json::from_str(&fixture("signing_vectors")).unwrap();
    let vectors = all["l1_actions"].as_array().unwrap();
    assert_eq!(vectors.len(), 33);
    for vector in vectors {
        let name = text(vector, "name");
        let key = key(text(vector, "private_key"));
        assert_eq!(format!("0x{}", hex(&key.address())), text(vector, "signer_address"), "{name}");
        let vault = vector["vault_address"].as_str().map(|vault| bytes(vault).try_into().unwrap());
        let nonce = vector["nonce"].as_u64().unwrap();
        let expires = vector["expires_after"].as_u64();
        let packed = bytes(text(vector, "msgpack_hex"));
        let hash = action_hash(&packed, nonce, vault.as_ref(), expires);
        assert_eq!(format!("0x{}", hex(&hash)), text(vector, "action_hash"), "{name}");
        // The tail is what goes into the hash behind the action.
        let joined = [packed, bytes(text(vector, "tail_hex"))].concat();
        assert_eq!(keccak(&[&joined]), hash, "{name}");
        for (network, field) in [(Network::Mainnet, "mainnet"), (Network::Testnet, "testnet")] {
            let (agent, expected) = (Agent::new(network), &vector[field]);
            let of = |bytes: &[u8]| format!("0x{}", hex(bytes));
            assert_eq!(of(&agent.struct_hash(&hash)), text(expected, "struct_hash"), "{name}");
            let digest = agent.digest(&hash);
            assert_eq!(of(&digest), text(expected, "digest"), "{name}");
            let signature = key.sign(&digest);
            assert_eq!(of(&signature.r), text(expected, "r"), "{name} {field}");
            assert_eq!(of(&signature.s), text(expected, "s"), "{name} {field}");
            let v = 27 + u64::from(signature.recovery);
            assert_eq!(Some(v), expected["v"].as_u64(), "{name} {field}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Whatever the digest, a prepared number signs for the same address, and no number comes twice.
    #[test]
    fn prepared_numbers_sign_for_the_same_address(digest in any::<[u8; 32]>()) {
        let key = key(KEY);
        let mut pool = Pool::new(3);
        while pool.missing() > 0 {
            pool.refill(&key);
        }
        let mut seen = Vec::new();
        for _ in 0..3 {
            let signature = pool.sign(&key, &digest);
            prop_assert_eq!(recovered(&digest, &signature), ADDRESS);
            prop_assert!(!seen.contains(&signature.r));
            prop_assert_ne!(signature, key.sign(&digest));
            seen.push(signature.r);
        }
        prop_assert_eq!(pool.missing(), 3);
        // Used up: the number is derived, as it is without a pool.
        prop_assert_eq!(pool.sign(&key, &digest), key.sign(&digest));
    }
}

#[test]
fn a_pool_is_off_unless_it_has_a_size() {
    let key = key(KEY);
    let mut pool = Pool::new(0);
    pool.refill(&key);
    assert_eq!(pool.missing(), 0);
    assert_eq!(pool.sign(&key, &[7; 32]), key.sign(&[7; 32]));
}

#[test]
fn nonces_only_rise() {
    let mut nonces = Nonces::default();
    let at = Nanos::from_millis;
    let given = [at(1_000), at(1_000), at(900), at(2_000)].map(|now| nonces.next(now));
    assert_eq!(given, [1_000, 1_001, 1_002, 2_000]);
}

#[test]
fn accounts_and_vaults_are_named_by_the_key() {
    let new = |key: &str, secret: &str| {
        let secret = Secret::new(secret.to_owned());
        Signer::new(
            Some(&Credentials { key: key.to_owned(), secret, passphrase: None }),
            Network::Mainnet,
            0,
        )
    };
    let vault = "0x1719884eb866cb12b2287399b15f7db5e7d775ea";
    let own = new(ADDRESS, KEY).unwrap();
    assert_eq!((own.account().to_vec(), own.vault()), (bytes(ADDRESS), None));
    assert_eq!(&own.signer(), own.account());
    let of_vault = new(&format!("vault:{vault}"), KEY).unwrap();
    assert_eq!(of_vault.vault().map(|address| address.to_vec()), Some(bytes(vault)));
    assert_eq!(of_vault.account().to_vec(), bytes(vault));
    assert!(matches!(new("", KEY), Err(SetupError::NoCredentials)));
    assert!(matches!(new(ADDRESS, ""), Err(SetupError::NoCredentials)));
    let zero = format!("0x{}", "0".repeat(64));
    for (key, secret) in
        [("14791697260e", KEY), ("0x12", KEY), (ADDRESS, "0x12"), (ADDRESS, "z"), (ADDRESS, &zero)]
    {
        assert!(matches!(new(key, secret), Err(SetupError::BadSecret(_))), "{key}");
    }
}

#[test]
fn only_the_main_address_is_signed_for_as_the_main_network() {
    let of = Network::of;
    assert_eq!(of("https://api.hyperliquid.xyz"), Network::Mainnet);
    assert_eq!(of("https://api.hyperliquid.xyz/"), Network::Mainnet);
    for other in ["https://api.hyperliquid-testnet.xyz", "https://localhost:1", ""] {
        assert_eq!(of(other), Network::Testnet, "{other}");
    }
}
