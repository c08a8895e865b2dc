//! What is signed, in which order.
//!
//! An action is hashed in msgpack with its nonce and the vault it is for; that hash stands in a
//! "phantom agent" which is signed as EIP-712 typed data. A wrong hash is never refused as such: the
//! venue recovers the address of nobody and says that it does not exist.
//! <https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/signing>

#![forbid(unsafe_code)]

use super::super::secp256k1::{Key, Pool, Signature, keccak, unhex};
use super::super::{Credentials, SetupError};
use crate::types::Nanos;

/// Hash of the domain `Exchange`, version 1, chain 1337, contract 0.
pub(super) const DOMAIN: [u8; 32] = [
    0xd7, 0x92, 0x97, 0xfc, 0xdf, 0x2f, 0xfc, 0xd4, 0xae, 0x22, 0x3d, 0x01, 0xed, 0xaa, 0x2b, 0xa2,
    0x14, 0xff, 0x8f, 0x40, 0x1d, 0x7c, 0x93, 0x00, 0xd9, 0x95, 0xd1, 0x7c, 0x82, 0xaa, 0x40, 0x40,
];

/// Hash of `Agent(string source,bytes32 connectionId)`.
pub(super) const AGENT: [u8; 32] = [
    0x26, 0xf0, 0x5c, 0x2f, 0x72, 0x39, 0xb6, 0x98, 0x30, 0x75, 0xe5, 0x83, 0x21, 0x29, 0x2d, 0x77,
    0xb3, 0xaa, 0x17, 0x3d, 0x19, 0xb2, 0x72, 0x57, 0xac, 0x96, 0xab, 0x36, 0x25, 0x70, 0xf5, 0x08,
];

/// The network's name in what is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Network {
    Mainnet,
    /// Test networks, simulators: everything that is not the main network.
    Testnet,
}

impl Network {
    /// The venue's own clients decide by the address too.
    pub(super) fn of(rest: &str) -> Self {
        if rest.trim_end_matches('/') == super::MAINNET { Self::Mainnet } else { Self::Testnet }
    }

    fn source(self) -> &'static [u8; 1] {
        match self {
            Self::Mainnet => b"a",
            Self::Testnet => b"b",
        }
    }
}

/// Hash of an encoded action with what goes along with it.
pub(super) fn action_hash(
    action: &[u8],
    nonce: u64,
    vault: Option<&[u8; 20]>,
    expires_ms: Option<u64>,
) -> [u8; 32] {
    let (marked, address) = match vault {
        Some(address) => (b"\x01".as_slice(), address.as_slice()),
        None => (b"\x00".as_slice(), b"".as_slice()),
    };
    let expires = expires_ms.map(u64::to_be_bytes);
    let (expiry_mark, expiry) = match &expires {
        Some(bytes) => (b"\x00".as_slice(), bytes.as_slice()),
        None => (b"".as_slice(), b"".as_slice()),
    };
    keccak(&[action, &nonce.to_be_bytes(), marked, address, expiry_mark, expiry])
}

/// What is signed in the end: the typed data of the phantom agent.
pub(super) struct Agent {
    source_hash: [u8; 32],
}

impl Agent {
    pub(super) fn new(network: Network) -> Self {
        Self { source_hash: keccak(&[network.source()]) }
    }

    pub(super) fn struct_hash(&self, action_hash: &[u8; 32]) -> [u8; 32] {
        keccak(&[&AGENT, &self.source_hash, action_hash])
    }

    pub(super) fn digest(&self, action_hash: &[u8; 32]) -> [u8; 32] {
        keccak(&[b"\x19\x01", &DOMAIN, &self.struct_hash(action_hash)])
    }
}

/// The one source of a signer's nonces: times in milliseconds, strictly rising, so that a restart
/// goes on above what an earlier run has used.
#[derive(Debug, Default)]
pub(super) struct Nonces {
    last: u64,
}

impl Nonces {
    pub(super) fn next(&mut self, now: Nanos) -> u64 {
        self.last = now.as_millis().max(self.last.saturating_add(1));
        self.last
    }
}

/// Signs for one account with its own key or that of an agent.
pub(super) struct Signer {
    key: Key,
    pool: Pool,
    agent: Agent,
    nonces: Nonces,
    /// Whose state is read: never the agent's.
    account: [u8; 20],
    /// Set where the account is a vault or a sub-account of the one that the agent belongs to.
    vault: Option<[u8; 20]>,
}

impl Signer {
    /// The key names the account, `0x..`, or `vault:0x..` for a vault or a sub-account; the secret
    /// is the private key of the account or of an agent. `prepared` is how many one-time numbers to
    /// hold ready; 0: none.
    pub(super) fn new(
        credentials: Option<&Credentials>,
        network: Network,
        prepared: usize,
    ) -> Result<Self, SetupError> {
        let credentials = credentials.ok_or(SetupError::NoCredentials)?;
        let text = credentials.key.trim();
        if text.is_empty() || credentials.secret.expose().is_empty() {
            return Err(SetupError::NoCredentials);
        }
        let (is_vault, text) = match text.strip_prefix("vault:") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let mut account = [0; 20];
        text.strip_prefix("0x").and_then(|digits| unhex(digits, &mut account)).ok_or(
            SetupError::BadSecret("the API key is the account's address, 0x and 40 digits"),
        )?;
        Ok(Self {
            key: Key::new(&credentials.secret)?,
            pool: Pool::new(prepared),
            agent: Agent::new(network),
            nonces: Nonces::default(),
            account,
            vault: is_vault.then_some(account),
        })
    }

    /// The account that is traded for.
    pub(super) fn account(&self) -> &[u8; 20] {
        &self.account
    }

    /// The vault or sub-account, if it is one.
    pub(super) fn vault(&self) -> Option<&[u8; 20]> {
        self.vault.as_ref()
    }

    /// Address of the signing key.
    pub(super) fn signer(&self) -> [u8; 20] {
        self.key.address()
    }

    /// Signs an action in msgpack; gives the nonce that it was signed with.
    pub(super) fn sign(
        &mut self,
        action: &[u8],
        expires_ms: Option<u64>,
        now: Nanos,
    ) -> (u64, Signature) {
        let nonce = self.nonces.next(now);
        let hash = action_hash(action, nonce, self.vault.as_ref(), expires_ms);
        (nonce, self.pool.sign(&self.key, &self.agent.digest(&hash)))
    }

    /// Whether [`Signer::refill`] has something to do.
    pub(super) fn wants_refill(&self) -> bool {
        self.pool.missing() > 0
    }

    /// Makes one more one-time number. Not to be called before an order.
    pub(super) fn refill(&mut self) {
        self.pool.refill(&self.key);
    }
}
