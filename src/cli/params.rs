//! `stoop set` and `stoop set STRATEGY`: which parameters strategies have, what they are now and what
//! they may be.

#![forbid(unsafe_code)]

use super::instance::Instance;
use super::operate::{REPLY_MARGIN, To};
use super::output::print;
use super::{EXIT_OK, Failure};
use crate::agents::control::{ControlRequest, ParamText, StrategyText};
use crate::show::table::{self, Cell, Column, Kind, Row};
use crate::types::LimitKey;
use serde_json::json;
use std::fmt::Write as _;

const COLUMNS: [Column; 5] = [
    Column::new("strategy", Kind::Text),
    Column::new("parameter", Kind::Text),
    Column::new("value", Kind::Text),
    Column::new("may_be", Kind::Text),
    Column::new("meaning", Kind::Text),
];

/// Lists the parameters of all strategies, or of the one of this name.
pub(super) fn list(named: Option<&str>, to: &To) -> Result<u8, Failure> {
    let instance = Instance::find(to.name.as_deref())?;
    let command = "params".to_owned();
    let request = ControlRequest { command, ..ControlRequest::default() };
    let reply = instance.ask(&request, REPLY_MARGIN)?;
    if !reply.ok {
        let error = reply.error.as_deref().unwrap_or("refused");
        return Err(Failure::new(format!("{}: {error}", instance.name)));
    }
    let chosen = chosen(named, reply.strategies)?;
    let text = match to.json {
        true => format!("{}\n", json!({ "instance": instance.name, "strategies": chosen })),
        false => text(&chosen, named.is_none()),
    };
    print(&text)?;
    Ok(EXIT_OK)
}

fn chosen(named: Option<&str>, all: Vec<StrategyText>) -> Result<Vec<StrategyText>, Failure> {
    let Some(name) = named else { return Ok(all) };
    if let Some(one) = all.iter().find(|one| one.strategy == name) {
        return Ok(vec![one.clone()]);
    }
    let names: Vec<&str> = all.iter().map(|one| one.strategy.as_str()).collect();
    Err(Failure::usage(format!(
        "{name:?} is not LIMIT=VALUE, such as position_max.BTC=3, nor one of the strategies: {}",
        names.join(", ")
    )))
}

fn text(strategies: &[StrategyText], hints_at_limits: bool) -> String {
    let of = |one: &StrategyText| -> Vec<Row> {
        one.params.iter().map(|param| row(&one.strategy, param)).collect()
    };
    let rows: Vec<Row> = strategies.iter().flat_map(of).collect();
    let mut text = if rows.is_empty() { String::new() } else { table::text(&COLUMNS, &rows) };
    for one in strategies.iter().filter(|one| one.params.is_empty()) {
        let _ = writeln!(text, "strategy {} has no parameters", one.strategy);
    }
    if hints_at_limits {
        let limits = LimitKey::PLAIN.map(LimitKey::name).join(", ");
        let _ = write!(
            text,
            "\nTo change one: stoop set STRATEGY PARAMETER=VALUE\n\
             To change a limit: stoop set LIMIT=VALUE, of {limits}, position_max.ASSET and more: \
             see stoop set --help\n"
        );
    }
    text
}

fn row(strategy: &str, param: &ParamText) -> Row {
    let word = |text: &str| Cell::from(text);
    vec![
        word(strategy),
        word(&param.name),
        word(&param.value),
        word(&param.may_be),
        word(&param.help),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strategies() -> Vec<StrategyText> {
        let param = ParamText {
            name: "cooldown_ms".to_owned(),
            value: "20".to_owned(),
            may_be: "an integer from 0 to 9".to_owned(),
            help: "pause between two signals".to_owned(),
            ..ParamText::default()
        };
        let of = |strategy: &str, params| StrategyText { strategy: strategy.to_owned(), params };
        vec![of("spread", vec![param]), of("quiet", Vec::new())]
    }

    #[test]
    fn what_is_in_force_stands_beside_what_it_may_be() {
        let expected = "\
strategy  parameter    value  may be                  meaning
spread    cooldown_ms  20     an integer from 0 to 9  pause between two signals
strategy quiet has no parameters
";
        assert_eq!(text(&strategies(), false), expected);
        let with_hints = text(&strategies(), true);
        assert!(with_hints.starts_with(expected), "{with_hints}");
        let limits = "stoop set LIMIT=VALUE, of order_notional_max, price_collar_bps, ";
        assert!(with_hints.contains(limits), "{with_hints}");
    }

    #[test]
    fn what_is_neither_a_limit_nor_a_strategy_is_wrong_usage() {
        let one = chosen(Some("quiet"), strategies()).map_err(|error| error.message).unwrap();
        assert_eq!(one, strategies()[1..]);
        let error = chosen(Some("sprad"), strategies()).map(|_| ()).unwrap_err();
        assert_eq!(error.code, super::super::EXIT_USAGE);
        let wanted = "\"sprad\" is not LIMIT=VALUE, such as position_max.BTC=3, nor one of the \
                      strategies: spread, quiet";
        assert_eq!(error.message, wanted);
    }
}
