//! What positions in swaps stand on. The margin mode is a matter of each order (`tdMode`), so nothing is
//! set for it; a position in the other mode would stay beside ours, apart from it, and must be gone
//! first. Leverage is set for each swap and mode.
//! <https://www.okx.com/docs-v5/en/#trading-account-rest-api-set-leverage>

#![forbid(unsafe_code)]

use super::super::fields::amount_in;
use super::super::flight::Ask;
use super::super::trading::{Lesson, Mark, Names, leverage_lesson};
use super::super::{DecodeError, EncodeError, Outbox, Value};
use super::auth::Signer;
use super::{rest, write_u64};
use crate::types::{AccountFlaw, Amount, InstrumentId, InstrumentKind, MarginMode, MarginSettings};

/// `tdMode` and `mgnMode` of what stands on its own margin, or on the account's: the latter where
/// nothing is configured.
pub(super) fn mode(settings: MarginSettings) -> &'static str {
    match settings.mode {
        Some(MarginMode::Isolated) => "isolated",
        Some(MarginMode::Cross) | None => "cross",
    }
}

/// Sends one of these requests.
///
/// ```json
/// {"instId":"BTC-USDT-SWAP","lever":"5","mgnMode":"cross"}
/// ```
pub(super) fn send(
    ask: &Ask,
    settings: MarginSettings,
    (names, signer): (&Names, &Signer),
    mark: Mark,
    out: &mut Outbox,
) -> Result<(), EncodeError> {
    let mode = mode(settings);
    match *ask {
        Ask::MarginMode => rest::get(out, mark, signer, rest::POSITIONS, rest::write_swaps)?,
        Ask::Margin(id) => {
            let symbol = &names.of_command(id)?.symbol;
            rest::get(out, mark, signer, "/api/v5/account/leverage-info", |query| {
                for part in ["instId=", symbol, "&mgnMode=", mode] {
                    query.extend_from_slice(part.as_bytes());
                }
            })?;
        }
        Ask::SetMargin(id) => {
            let symbol = &names.of_command(id)?.symbol;
            let times = settings.leverage.ok_or(EncodeError::Unsupported)?;
            rest::post(out, mark, signer, ("/api/v5/account/set-leverage", None), |body| {
                for part in [r#"{"instId":""#, symbol, r#"","lever":""#] {
                    body.extend_from_slice(part.as_bytes());
                }
                write_u64(body, times.into());
                for part in [r#"","mgnMode":""#, mode, r#""}"#] {
                    body.extend_from_slice(part.as_bytes());
                }
            })?;
        }
        _ => return Err(EncodeError::Unsupported),
    }
    Ok(())
}

/// Takes the answer to one of the lessons.
pub(super) fn learn(
    ask: &Ask,
    root: Value<'_>,
    settings: MarginSettings,
    names: &Names,
) -> Result<Lesson, DecodeError> {
    match *ask {
        Ask::Margin(id) => leverage(root, id, settings, names),
        _ => held(root, settings, names),
    }
}

fn rows(root: Value<'_>) -> Result<Value<'_>, DecodeError> {
    let rows = root.field("data")?;
    if rows.is_array() { Ok(rows) } else { Err(DecodeError::Invalid("data")) }
}

/// The list of positions: none of ours may stand on another margin than our orders do.
fn held(root: Value<'_>, settings: MarginSettings, names: &Names) -> Result<Lesson, DecodeError> {
    for row in rows(root)?.items() {
        let of = names.find(row.field_str("instId")?);
        let ours = of.is_some_and(|of| of.kind == InstrumentKind::LinearPerpetual);
        let held = amount_in(row, "pos")? != Amount::ZERO;
        if ours && held && row.field_str("mgnMode")? != mode(settings) {
            return Ok(Lesson::Unfit(AccountFlaw::MarginSettings));
        }
    }
    Ok(Lesson::Learnt)
}

/// ```json
/// {"code":"0","data":[{"lever":"30","mgnMode":"isolated","instId":"BTC-USDT-SWAP","posSide":"net"}]}
/// ```
fn leverage(
    root: Value<'_>,
    id: InstrumentId,
    settings: MarginSettings,
    names: &Names,
) -> Result<Lesson, DecodeError> {
    leverage_lesson(rows(root)?, id, |row| {
        let of = names.find(row.field_str("instId")?);
        if of.is_none_or(|of| of.id != id) || row.field_str("mgnMode")? != mode(settings) {
            return Err(DecodeError::Invalid("instId"));
        }
        Ok(settings.agrees_times(amount_in(row, "lever")?))
    })
}
