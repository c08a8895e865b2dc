//! Parameters of strategies on the control socket: what is in force, and what it may be.

#![forbid(unsafe_code)]

use super::wire::Names;
use crate::types::{ParamName, ParamSpec, ParamValue, StrategyId};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// The parameters of one strategy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StrategyText {
    /// Its name.
    pub strategy: String,
    /// In the order in which it names them.
    pub params: Vec<ParamText>,
}

/// One parameter: what it is and what it may be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParamText {
    /// Its name.
    pub name: String,
    /// In force now.
    pub value: String,
    /// `integer`, `decimal`, `bool` or `text`.
    pub kind: String,
    /// Where the file says nothing.
    pub default: Option<String>,
    /// Smallest number.
    pub min: Option<String>,
    /// Largest number.
    pub max: Option<String>,
    /// Most digits behind the point.
    pub places: Option<u32>,
    /// All that in words; empty if it is not known.
    pub may_be: String,
    /// What it does.
    pub help: String,
}

impl Names {
    /// The parameters of one strategy or of all as people read them, of those that are in force.
    #[must_use]
    pub fn params(
        &self,
        of: Option<StrategyId>,
        values: &[(StrategyId, ParamName, ParamValue)],
    ) -> Vec<StrategyText> {
        let all = self.strategies.iter().enumerate();
        let wanted = all.filter(|(at, _)| of.is_none_or(|of| usize::from(of.0) == *at));
        let strategy = |(at, name): (usize, &String)| {
            let specs = self.params.get(at).map_or(&[][..], Vec::as_slice);
            let own = values.iter().filter(|(strategy, ..)| usize::from(strategy.0) == at);
            let params = own.map(|(_, name, value)| param_text(specs, *name, *value)).collect();
            StrategyText { strategy: name.clone(), params }
        };
        wanted.map(strategy).collect()
    }
}

fn param_text(specs: &[ParamSpec], name: ParamName, value: ParamValue) -> ParamText {
    let kind = match value {
        ParamValue::Int(_) => "integer",
        ParamValue::Decimal(_) => "decimal",
        ParamValue::Bool(_) => "bool",
        ParamValue::Text(_) => "text",
    };
    let plain = ParamText {
        name: name.to_string(),
        value: value.to_string(),
        kind: kind.to_owned(),
        ..ParamText::default()
    };
    let Some(spec) = specs.iter().find(|spec| spec.name == name) else { return plain };
    let number = |bound: Option<Decimal>| bound.map(|bound| bound.normalize().to_string());
    ParamText {
        default: Some(spec.default.to_string()),
        min: number(spec.min),
        max: number(spec.max),
        places: spec.places,
        may_be: spec.may_be(),
        help: spec.help.to_owned(),
        ..plain
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::InstrumentTable;
    use std::sync::Arc;

    fn names() -> Names {
        Names {
            venues: Vec::new(),
            strategies: vec!["a".to_owned(), "b".to_owned()],
            params: vec![vec![ParamSpec::int("n", 3, "how often").bounded(1, 9)], vec![]],
            instruments: Arc::new(InstrumentTable::default()),
        }
    }

    #[test]
    fn parameters_are_told_with_what_they_may_be() {
        let name = |text| ParamName::new(text).unwrap();
        let values = [
            (StrategyId(0), name("n"), ParamValue::Int(4)),
            (StrategyId(1), name("m"), ParamValue::Bool(true)),
        ];
        let told = names().params(None, &values);
        let text = |text: &str| Some(text.to_owned());
        let n = ParamText {
            name: "n".to_owned(),
            value: "4".to_owned(),
            kind: "integer".to_owned(),
            default: text("3"),
            min: text("1"),
            max: text("9"),
            places: None,
            may_be: "an integer from 1 to 9".to_owned(),
            help: "how often".to_owned(),
        };
        assert_eq!(told[0], StrategyText { strategy: "a".to_owned(), params: vec![n] });
        let m = &told[1].params[0];
        assert_eq!((m.value.as_str(), m.kind.as_str(), m.may_be.as_str()), ("true", "bool", ""));
        let only = names().params(Some(StrategyId(1)), &values);
        assert_eq!(only, told[1..], "one strategy alone");
    }
}
