//! What recordings state of their instruments, against the configuration: it is said which rules a replay
//! goes by, and what cannot be right is an error.

#![forbid(unsafe_code)]

use crate::config::{Config, InstrumentConfig};
use crate::sim::{StatedRules, Survey};
use crate::types::InstrumentKind;
use crate::venues::{InstrumentName, VENUES};
use rust_decimal::Decimal;
use std::path::{Path, PathBuf};

/// Checks all of them; `venue` is the one that they are to be played at, if it is not their own.
pub(super) fn check(
    config: &Config,
    venue: Option<&str>,
    recordings: &[(PathBuf, Survey)],
) -> Result<(), String> {
    let mut before: Vec<(&Path, &StatedRules)> = Vec::new();
    for (path, found) in recordings {
        let shown = path.display();
        let Some(rules) = &found.rules else {
            tracing::warn!(
                "{shown}: it does not state the venue's rules: prices, quantities and fees are those of \
                 the embedded venue"
            );
            continue;
        };
        if let Some(venue) = venue.filter(|venue| *venue != rules.venue) {
            tracing::warn!(
                "{shown}: it is of {} and played at {venue}, whose embedded rules are used",
                rules.venue
            );
            continue;
        }
        contradicts(config, rules)
            .map_err(|text| format!("{shown}:{}: rules.{text}", found.rules_line))?;
        let same = |(_, other): &&(&Path, &StatedRules)| other.instrument == rules.instrument;
        match before.iter().find(same) {
            Some((first, other)) if lasting(other) != lasting(rules) => tracing::warn!(
                "{shown}: {} has other fees, another contract or another leverage there: it is played by \
                 those of {}",
                rules.instrument,
                first.display()
            ),
            Some(_) => {}
            None => before.push((path, rules)),
        }
    }
    Ok(())
}

/// What a replay takes from the first recording of an instrument; steps and bounds change as they did.
fn lasting(rules: &StatedRules) -> (Option<[Decimal; 2]>, Decimal, u8) {
    (rules.fees, rules.contract, rules.leverage_max)
}

/// A field that cannot be right, and why.
fn contradicts(config: &Config, rules: &StatedRules) -> Result<(), String> {
    let known = |venue: &&crate::config::VenueConfig| {
        VENUES[usize::from(venue.venue.0)].name == rules.venue
    };
    let Some(venue) = config.venues.iter().find(known) else {
        return Err(format!("venue: {} is no venue of the configuration", rules.venue));
    };
    let StatedRules { instrument, base, quote, settle, .. } = rules;
    let name = InstrumentName::parse(instrument)
        .ok_or_else(|| format!("instrument: {instrument:?} names no instrument"))?;
    for (field, stated, named) in [
        ("base", base, name.base),
        ("quote", quote, name.quote),
        ("settle", settle, name.settle.unwrap_or_default()),
    ] {
        if stated != named {
            return Err(format!("{field}: {stated:?}, but the instrument is {instrument}"));
        }
    }
    let kind = if rules.perpetual { InstrumentKind::LinearPerpetual } else { InstrumentKind::Spot };
    let same = |row: &&InstrumentConfig| {
        row.venue == venue.venue
            && row.kind() == Some(kind)
            && row.symbol().as_deref() == Some(&rules.symbol)
    };
    match config.instruments.iter().find(same) {
        Some(row) if row.name != *instrument => {
            let text = format!("instrument: {instrument}, but {} is the configuration's", row.name);
            Err(format!("{text} name of {}", rules.symbol))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stated(config: &Config) -> StatedRules {
        let row = &config.instruments[0];
        let name = InstrumentName::parse(&row.name).unwrap();
        StatedRules {
            venue: VENUES[usize::from(row.venue.0)].name.to_owned(),
            instrument: row.name.clone(),
            symbol: row.symbol().unwrap(),
            base: name.base.to_owned(),
            quote: name.quote.to_owned(),
            tick: Decimal::ONE,
            lot: Decimal::ONE,
            contract: Decimal::ONE,
            ..StatedRules::default()
        }
    }

    #[test]
    fn steps_and_bounds_may_differ_between_files_and_what_a_replay_cannot_change_is_lasting() {
        let whole = stated(&Config::embedded().unwrap());
        let two = Decimal::from(2);
        let changed = StatedRules { tick: two, lot: two, notional: [two; 2], ..whole.clone() };
        assert_eq!(lasting(&changed), lasting(&whole));
        for other in [
            StatedRules { fees: Some([two; 2]), ..whole.clone() },
            StatedRules { contract: two, ..whole.clone() },
            StatedRules { leverage_max: 2, ..whole.clone() },
        ] {
            assert_ne!(lasting(&other), lasting(&whole), "{other:?}");
        }
    }

    #[test]
    fn what_contradicts_the_configuration_is_named_by_file_line_and_field() {
        let config = Config::embedded().unwrap();
        let whole = stated(&config);
        let found = |rules: StatedRules| {
            let survey = Survey { rules: Some(rules), rules_line: 2, ..Survey::default() };
            check(&config, None, &[(PathBuf::from("a.gz"), survey)])
        };
        assert_eq!(found(whole.clone()), Ok(()));
        let text = |rules: StatedRules| found(rules).unwrap_err();
        let other = StatedRules { venue: "nobody".to_owned(), ..whole.clone() };
        let wanted = "a.gz:2: rules.venue: nobody is no venue of the configuration";
        assert_eq!(text(other), wanted);
        let error = text(StatedRules { base: "XYZ".to_owned(), ..whole.clone() });
        assert!(
            error.starts_with("a.gz:2: rules.base: \"XYZ\", but the instrument is "),
            "{error}"
        );
        let error = text(StatedRules { settle: "USDT".to_owned(), ..whole.clone() });
        assert!(error.starts_with("a.gz:2: rules.settle: "), "{error}");
        let instrument = whole.instrument.replace(&whole.base, "XYZ");
        let error = text(StatedRules { instrument, base: "XYZ".to_owned(), ..whole });
        assert!(error.starts_with("a.gz:2: rules.instrument: XYZ/"), "{error}");
    }
}
