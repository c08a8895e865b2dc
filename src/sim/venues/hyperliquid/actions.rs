//! The `exchange` endpoint: signed actions, over HTTP or a socket.
//!
//! Over HTTP an action is carried out at once. Over a socket it waits for the next block, if blocks
//! take time: there what sends no order that may take comes first, then cancels, then the rest.

#![forbid(unsafe_code)]

use super::Hyperliquid;
use super::address::Address;
use super::auth::{self, Source, keccak, tail};
use super::desk::{Call, Class, measure};
use super::errors::Refused;
use super::msgpack::action_bytes;
use super::orders::{flag, member, whole};
use super::state::{is_unified, settle};
use crate::sim::{AccountId, ConnId, Exchange};
use rust_decimal::Decimal;
use serde_json::Value;

/// An action that came too late counts for so many.
const LATE_COST: u64 = 5;
/// `{"status":"ok","response":{"type":"default"}}`
const DONE: &str = r#"{"status":"ok","response":{"type":"default"}}"#;

/// An action whose signer may send it.
#[derive(Debug)]
pub(super) struct Signed {
    action: Value,
    account: AccountId,
    owner: Address,
}

/// An action that waits for the next block.
#[derive(Debug)]
pub(super) struct Waiting {
    class: Class,
    pub(super) conn: ConnId,
    pub(super) id: u64,
    signed: Signed,
}

impl Waiting {
    pub(super) fn new(conn: ConnId, id: u64, signed: Signed) -> Self {
        Self { class: measure(&signed.action).0, conn, id, signed }
    }
}

/// What is around an action.
struct Envelope<'a> {
    action: &'a Value,
    nonce: u64,
    signature: &'a Value,
    vault: Option<Address>,
    expires_after: Option<u64>,
}

impl<'a> Envelope<'a> {
    fn read(body: &'a Value) -> Result<Self, Refused> {
        let set = |name| body.get(name).filter(|value| !value.is_null());
        let vault = match set("vaultAddress") {
            None => None,
            Some(text) => {
                let address = text.as_str().and_then(Address::parse);
                Some(address.ok_or(Refused::Unreadable)?)
            }
        };
        let expires_after = match set("expiresAfter") {
            None => None,
            Some(time) => Some(time.as_u64().ok_or(Refused::Unreadable)?),
        };
        Ok(Self {
            action: member(body, "action")?,
            nonce: whole(body, "nonce")?,
            signature: member(body, "signature")?,
            vault,
            expires_after,
        })
    }

    fn name(&self) -> &'a str {
        self.action.get("type").and_then(Value::as_str).unwrap_or_default()
    }

    /// What may have been signed: one for each network that signatures may be for.
    fn digests(&self, sources: &[Source]) -> Result<Vec<auth::Hash>, Refused> {
        if auth::is_user_signed(self.name()) {
            let own = ["time", "nonce"].map(|name| self.action.get(name).and_then(Value::as_u64));
            if own[0].or(own[1]) != Some(self.nonce) || self.vault.is_some() {
                return Err(Refused::said("Invalid nonce: differs from that of the action"));
            }
            let chain = self.action.get("hyperliquidChain").and_then(Value::as_str);
            if !sources.iter().any(|source| Some(source.chain()) == chain) {
                return Err(Refused::said("Invalid chain."));
            }
            return Ok(vec![auth::user_digest(self.action).ok_or(Refused::Unreadable)?]);
        }
        let bytes = action_bytes(self.action)?;
        let hash = keccak(&[&bytes, &tail(self.nonce, self.vault, self.expires_after)]);
        Ok(sources.iter().map(|source| auth::l1_digest(*source, &hash)).collect())
    }
}

impl Hyperliquid {
    /// Finds who signed a request, and uses up its number.
    pub(super) fn authenticate(
        &mut self,
        body: &Value,
        exchange: &Exchange,
        now_ms: u64,
    ) -> Result<Signed, Refused> {
        let envelope = Envelope::read(body)?;
        let all = Source::ALL;
        let sources = match self.options.testnet {
            None => &all[..],
            Some(false) => &all[..1],
            Some(true) => &all[1..],
        };
        let mut unknown = None;
        for digest in envelope.digests(sources)? {
            let signer = auth::recover(&digest, envelope.signature);
            let signer = signer.ok_or_else(|| Refused::said("Unable to recover signer."))?;
            match self.owner(signer, &envelope, exchange, now_ms) {
                Some((account, owner)) => {
                    self.admit(&envelope, signer, (account, owner), exchange, now_ms)?;
                    return Ok(Signed { action: envelope.action.clone(), account, owner });
                }
                None => unknown = unknown.or(Some(signer)),
            }
        }
        let signer = unknown.unwrap_or_default();
        Err(Refused::said(format!("User or API Wallet {signer} does not exist.")))
    }

    /// The account that a signer acts for. Agents move no funds and approve nobody.
    fn owner(
        &self,
        signer: Address,
        envelope: &Envelope<'_>,
        exchange: &Exchange,
        now_ms: u64,
    ) -> Option<(AccountId, Address)> {
        let account = |owner: Address| {
            exchange.account_by_key(&owner.to_string()).map(|(account, _)| (account, owner))
        };
        let agent = || {
            self.signers.owner(signer, now_ms).filter(|_| !auth::is_user_signed(envelope.name()))
        };
        account(signer).or_else(|| account(agent()?))
    }

    fn admit(
        &mut self,
        envelope: &Envelope<'_>,
        signer: Address,
        (account, owner): (AccountId, Address),
        exchange: &Exchange,
        now_ms: u64,
    ) -> Result<(), Refused> {
        if let Some(vault) = envelope.vault {
            return Err(Refused::said(format!("Vault not registered: {vault}")));
        }
        let balances = exchange.balances(account);
        if balances.values().all(|(free, locked)| free.is_zero() && locked.is_zero()) {
            let text = format!("Must deposit before performing actions. User: {owner}");
            return Err(Refused::Said(text));
        }
        self.signers.use_nonce(signer, envelope.nonce, now_ms).map_err(Refused::Said)?;
        if envelope.expires_after.is_some_and(|until| until < now_ms) {
            let (class, count) = measure(envelope.action);
            let volume = self.desk.records.volume(account);
            let cost = (count * LATE_COST, class == Class::Cancel);
            self.desk.meter.act(account, cost, volume, now_ms).map_err(Refused::Said)?;
            return Err(Refused::said("Action has expired."));
        }
        Ok(())
    }

    /// Carries out an action; gives the body of the reply.
    pub(super) fn perform(
        &mut self,
        signed: &Signed,
        exchange: &mut Exchange,
        now_ms: u64,
    ) -> Result<String, Refused> {
        let Signed { action, account, owner } = signed;
        let name = action.get("type").and_then(Value::as_str).unwrap_or_default();
        match name {
            "approveAgent" => return self.approve(action, *owner, now_ms),
            "usdClassTransfer" => return transfer(action, *account, exchange, now_ms),
            _ => {}
        }
        let (class, count) = measure(action);
        let volume = self.desk.records.volume(*account);
        let cost = (count, class == Class::Cancel);
        self.desk.meter.act(*account, cost, volume, now_ms).map_err(Refused::Said)?;
        let assets = &self.assets;
        let mut call = Call { account: *account, exchange, assets, now_ms };
        self.desk.execute(action, &mut call)
    }

    fn approve(&mut self, action: &Value, owner: Address, now_ms: u64) -> Result<String, Refused> {
        let agent = member(action, "agentAddress")?.as_str().and_then(Address::parse);
        let agent = agent.ok_or(Refused::Unreadable)?;
        let name = action.get("agentName").and_then(Value::as_str).unwrap_or_default();
        self.signers.approve(owner, agent, name, now_ms).map_err(Refused::Said)?;
        Ok(String::from(DONE))
    }

    /// Makes a block of what waits: replies by connection and id.
    pub(super) fn make_block(
        &mut self,
        exchange: &mut Exchange,
        now_ms: u64,
    ) -> Vec<(ConnId, u64, Result<String, Refused>)> {
        let block_ms = self.options.action_block_ms.max(1);
        if now_ms / block_ms == self.block {
            return Vec::new();
        }
        self.block = now_ms / block_ms;
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.sort_by_key(|waiting| waiting.class);
        let mut replies = Vec::new();
        for Waiting { conn, id, signed, .. } in waiting {
            replies.push((conn, id, self.perform(&signed, exchange, now_ms)));
        }
        replies
    }
}

/// Moves dollars between the two wallets of a standard account.
fn transfer(
    action: &Value,
    account: AccountId,
    exchange: &mut Exchange,
    now_ms: u64,
) -> Result<String, Refused> {
    if is_unified(exchange) {
        return Err(Refused::said("Unified accounts have one balance."));
    }
    let text = member(action, "amount")?.as_str().ok_or(Refused::Unreadable)?;
    let moved = Decimal::from_str_exact(text).ok().filter(|moved| *moved > Decimal::ZERO);
    let moved = moved.ok_or(Refused::Unreadable)?;
    let perpetuals = settle(exchange).to_owned();
    let mut spot = exchange.symbols().iter().filter(|rules| rules.perpetual.is_none());
    let spot = spot.next().map(|rules| rules.quote.clone()).ok_or(Refused::Unreadable)?;
    let has = match flag(action, "toPerp")? {
        true => exchange.balances(account).get(&spot).map(|(free, _)| *free).unwrap_or_default(),
        false => exchange.margin(account, &perpetuals).available,
    };
    if moved > has {
        return Err(Refused::said("Insufficient balance for transfer."));
    }
    let to_perpetuals = flag(action, "toPerp")?;
    let (from, to) = if to_perpetuals { (spot, perpetuals) } else { (perpetuals, spot) };
    exchange.charge(account, &from, moved, now_ms);
    exchange.charge(account, &to, -moved, now_ms);
    Ok(String::from(DONE))
}
