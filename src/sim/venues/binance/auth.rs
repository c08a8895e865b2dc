//! Who sends a request: API key, signature, timestamp.
//!
//! HMAC-SHA256 (hexadecimal, any case) and Ed25519 (base64). RSA keys are not modelled.

use super::error::ApiError;
use super::params::Params;
use crate::sim::{AccountId, ApiKey, Exchange};
use aws_lc_rs::{hmac, signature};
use base64::Engine;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

/// How far a timestamp may be ahead of the server.
const AHEAD_US: u64 = 1_000_000;
/// How old a request may be if it does not say.
const RECV_WINDOW_DEFAULT_MS: u64 = 5000;
/// The most it may say.
const RECV_WINDOW_MAX_MS: u64 = 60_000;

/// Which kind of key signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signer {
    Hmac,
    Ed25519,
}

/// Verifies a signed request: key, timestamp, signature, in the venue's order.
pub(super) fn verify(
    key: &str,
    params: &Params,
    payload: &str,
    exchange: &Exchange,
    now_ms: u64,
) -> Result<(AccountId, Signer), ApiError> {
    let (account, api_key) = find_key(key, exchange)?;
    check_time(params, now_ms)?;
    let signature = params.required("signature")?;
    let signer = signed_by(api_key, payload, signature).ok_or_else(ApiError::signature)?;
    Ok((account, signer))
}

/// The account of a key: 64 letters and digits on the real venue, any number up to that here.
pub(super) fn find_key<'a>(
    key: &str,
    exchange: &'a Exchange,
) -> Result<(AccountId, &'a ApiKey), ApiError> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if key.is_empty() || key.len() > 64 || !key.bytes().all(legal) {
        return Err(ApiError::key_format());
    }
    exchange.account_by_key(key).ok_or_else(ApiError::key)
}

/// `timestamp < now + 1 s` and `now - timestamp <= recvWindow`. The timestamp is in milliseconds or,
/// with 16 digits, in microseconds.
pub(super) fn check_time(params: &Params, now_ms: u64) -> Result<(), ApiError> {
    let text = params.required("timestamp")?;
    let malformed = |_| ApiError::missing("timestamp");
    let timestamp: u64 = text.parse().map_err(malformed)?;
    let sent_us = if text.len() >= 16 { timestamp } else { timestamp.saturating_mul(1000) };
    let window_us = recv_window_us(params)?;
    let now_us = now_ms.saturating_mul(1000);
    if sent_us >= now_us.saturating_add(AHEAD_US) {
        return Err(ApiError::ahead_of_server());
    }
    if now_us.saturating_sub(sent_us) > window_us {
        return Err(ApiError::outside_recv_window());
    }
    Ok(())
}

/// At most 60000 ms with at most three decimals.
fn recv_window_us(params: &Params) -> Result<u64, ApiError> {
    let Some(window) = params.decimal("recvWindow")? else {
        return Ok(RECV_WINDOW_DEFAULT_MS * 1000);
    };
    if window > Decimal::from(RECV_WINDOW_MAX_MS) {
        return Err(ApiError::too_great("recvWindow", RECV_WINDOW_MAX_MS));
    }
    let window = window.normalize();
    if window.scale() > 3 {
        return Err(ApiError::precision("recvWindow"));
    }
    (window * Decimal::ONE_THOUSAND).to_u64().ok_or_else(|| ApiError::missing("recvWindow"))
}

fn signed_by(key: &ApiKey, payload: &str, signature: &str) -> Option<Signer> {
    if !key.secret.is_empty() && hmac_matches(&key.secret, payload, signature) {
        return Some(Signer::Hmac);
    }
    if !key.ed25519_public.is_empty() && ed25519_matches(&key.ed25519_public, payload, signature) {
        return Some(Signer::Ed25519);
    }
    None
}

fn hmac_matches(secret: &str, payload: &str, signature: &str) -> bool {
    let Some(bytes) = from_hex(signature) else { return false };
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    hmac::verify(&key, payload.as_bytes(), &bytes).is_ok()
}

fn ed25519_matches(public: &[u8], payload: &str, signature_text: &str) -> bool {
    let Ok(bytes) = base64::engine::general_purpose::STANDARD.decode(signature_text) else {
        return false;
    };
    signature::UnparsedPublicKey::new(&signature::ED25519, public)
        .verify(payload.as_bytes(), &bytes)
        .is_ok()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| (byte as char).to_digit(16).and_then(|value| u8::try_from(value).ok());
    text.as_bytes()
        .chunks_exact(2)
        .map(|pair| Some(digit(pair[0])? * 16 + digit(pair[1])?))
        .collect()
}
