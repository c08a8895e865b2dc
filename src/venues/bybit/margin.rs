//! What positions in perpetuals stand on: the margin mode is one of the whole account, leverage is set
//! for each symbol, of long and short alike.
//! <https://bybit-exchange.github.io/docs/v5/position/leverage> and
//! <https://bybit-exchange.github.io/docs/v5/account/set-margin-mode>

#![forbid(unsafe_code)]

use super::super::fields::amount_in;
use super::super::flight::Ask;
use super::super::trading::{Lesson, Mark, Names, leverage_lesson};
use super::super::{DecodeError, EncodeError, Outbox, Value};
use super::auth::Signer;
use super::{account, orders, rest, write_u64};
use crate::types::{AccountFlaw, InstrumentId, MarginMode, MarginSettings};

/// Nothing was changed: leverage, or the margin mode, is that already.
const SAME_LEVERAGE: i32 = 110_043;
const SAME_MODE: i32 = 110_026;

/// Whether a change was refused only because it changes nothing.
pub(super) fn is_same(ask: &Ask, code: i32) -> bool {
    match ask {
        Ask::SetMargin(_) => code == SAME_LEVERAGE,
        Ask::SetMarginMode => code == SAME_MODE,
        _ => false,
    }
}

/// Sends one of these requests.
///
/// ```json
/// {"category":"linear","symbol":"BTCUSDT","buyLeverage":"10","sellLeverage":"10"}
/// {"setMarginMode":"REGULAR_MARGIN"}
/// ```
pub(super) fn send(
    ask: &Ask,
    settings: MarginSettings,
    (names, signer): (&Names, &Signer),
    mark: Mark,
    out: &mut Outbox,
) -> Result<(), EncodeError> {
    match *ask {
        Ask::MarginMode => rest::get(out, mark, signer, rest::ACCOUNT, |_| {})?,
        Ask::Margin(id) => {
            let instrument = names.of_command(id)?;
            rest::get(out, mark, signer, rest::POSITIONS, |query| {
                rest::write_instrument(instrument, query);
            })?;
        }
        Ask::SetMarginMode => {
            let mode = match settings.mode.ok_or(EncodeError::Unsupported)? {
                MarginMode::Cross => "REGULAR_MARGIN",
                MarginMode::Isolated => "ISOLATED_MARGIN",
            };
            rest::post(out, mark, signer, "/v5/account/set-margin-mode", |body| {
                for part in [r#"{"setMarginMode":""#, mode, r#""}"#] {
                    body.extend_from_slice(part.as_bytes());
                }
            })?;
        }
        Ask::SetMargin(id) => {
            let instrument = names.of_command(id)?;
            let times = settings.leverage.ok_or(EncodeError::Unsupported)?;
            rest::post(out, mark, signer, "/v5/position/set-leverage", |body| {
                orders::write_instrument(instrument, body);
                for side in [r#","buyLeverage":""#, r#","sellLeverage":""#] {
                    body.extend_from_slice(side.as_bytes());
                    write_u64(body, times.into());
                    body.push(b'"');
                }
                body.push(b'}');
            })?;
        }
        _ => return Err(EncodeError::Unsupported),
    }
    Ok(())
}

/// Takes the account's margin mode.
pub(super) fn learn_mode(
    root: Value<'_>,
    settings: MarginSettings,
    known: &mut MarginMode,
) -> Result<Lesson, DecodeError> {
    let mode = match account::margin_mode(root)? {
        Ok(mode) => mode,
        Err(flaw) => return Ok(Lesson::Unfit(flaw)),
    };
    *known = mode;
    Ok(if settings.agrees_mode(mode) { Lesson::Learnt } else { Lesson::Change(Ask::SetMarginMode) })
}

/// Takes the list of positions of one symbol, which has a row when there is none too.
///
/// ```json
/// {"retCode":0,"result":{"category":"linear","list":[{"positionIdx":0,"symbol":"BTCUSDT",
///  "size":"0","side":"","leverage":"10"}]}}
/// ```
pub(super) fn learn_leverage(
    root: Value<'_>,
    id: InstrumentId,
    settings: MarginSettings,
    names: &Names,
) -> Result<Lesson, DecodeError> {
    let of = names.instruments.get(id).ok_or(DecodeError::UnknownSymbol)?;
    rest::check_category(of, root)?;
    let (rows, _) = rest::list(root)?;
    if rows.items().any(|row| row.get("positionIdx").and_then(Value::u64) != Some(0)) {
        return Ok(Lesson::Unfit(AccountFlaw::HedgeMode));
    }
    let none = |row: Value<'_>| row.get("leverage").and_then(Value::str) == Some("");
    if settings.leverage.is_some() && rows.items().any(none) {
        // Portfolio margin knows no leverage.
        return Ok(Lesson::Unfit(AccountFlaw::MarginSettings));
    }
    leverage_lesson(rows, id, |row| {
        if row.field_str("symbol")? != of.symbol.as_str() {
            return Err(DecodeError::Invalid("symbol"));
        }
        let leverage = amount_in(row, "leverage")?;
        Ok(settings.agrees_times(leverage))
    })
}
