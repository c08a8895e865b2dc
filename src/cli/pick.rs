//! Which of many rows are wanted: the same options for orders, fills and events.

#![forbid(unsafe_code)]

use super::Failure;
use super::output::read_error;
use super::source::Subject;
use crate::show::{From, Naming, venue_name};
use crate::types::{InstrumentTable, Nanos, StrategyId};
use std::collections::BTreeSet;

/// Which rows.
#[derive(clap::Args, Default)]
pub(super) struct Pick {
    /// Only at this venue
    #[arg(long)]
    venue: Option<String>,
    /// Only in this instrument, or in those whose name begins so
    #[arg(long)]
    instrument: Option<String>,
    /// Only of this strategy
    #[arg(long)]
    strategy: Option<String>,
    /// Only since then: 30s, 10m, 6h ago, or a time as 2026-11-28T06:34:05Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Moment>,
    /// Only the last so many
    #[arg(long, value_name = "N")]
    last: Option<usize>,
}

/// A moment that was typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    Ago(u64),
    At(Nanos),
}

fn moment(text: &str) -> Result<Moment, String> {
    if let Ok(ago) = crate::config::parse_duration(text) {
        return Ok(Moment::Ago(ago.0));
    }
    let at = humantime::parse_rfc3339_weak(text).map_err(|_| {
        format!(
            "{text:?} is neither a duration such as 30s or 6h nor a time as 2026-11-28T06:34:05Z"
        )
    })?;
    let since_epoch = at.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Ok(Moment::At(Nanos(u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX))))
}

/// What a row is about.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Of<'a> {
    pub(super) time: Nanos,
    pub(super) venue: &'a str,
    pub(super) instrument: &'a str,
    pub(super) strategy: &'a str,
}

impl Pick {
    /// From when on.
    pub(super) fn since(&self, now: Nanos) -> Nanos {
        match self.since {
            None => Nanos(0),
            Some(Moment::Ago(ns)) => Nanos(now.0.saturating_sub(ns)),
            Some(Moment::At(at)) => at,
        }
    }

    /// Whether that was said.
    pub(super) fn since_when(&self) -> bool {
        self.since.is_some()
    }

    /// Where a journal has to be begun for that.
    pub(super) fn from(&self, now: Nanos) -> From {
        match self.since {
            None => From::Beginning,
            Some(_) => From::Time(self.since(now)),
        }
    }

    /// Whether a row is wanted.
    pub(super) fn takes(&self, of: Of<'_>, now: Nanos) -> bool {
        let is = |wanted: &Option<String>, found: &str| {
            wanted.as_ref().is_none_or(|wanted| wanted == found)
        };
        of.time >= self.since(now)
            && is(&self.venue, of.venue)
            && is(&self.strategy, of.strategy)
            && self.instrument.as_ref().is_none_or(|wanted| of.instrument.starts_with(wanted))
    }

    /// Leaves the last ones; `else_` says how many if that was not said.
    pub(super) fn cut<T>(&self, rows: &mut Vec<T>, else_: usize) {
        let most = self.last.unwrap_or(else_);
        rows.drain(..rows.len().saturating_sub(most));
    }

    /// How many are wanted, if that was said.
    pub(super) fn last(&self) -> Option<usize> {
        self.last
    }

    /// Where nothing was found, refuses names that the run does not have: a misspelt one would find
    /// nothing, and say so calmly. What was found needs no leave: an earlier run may have had other names.
    pub(super) fn check(&self, found: bool, subject: &Subject) -> Result<(), Failure> {
        let named =
            [&self.venue, &self.instrument, &self.strategy].into_iter().any(Option::is_some);
        if found || !named {
            return Ok(());
        }
        let mut walk = subject.walk(From::Newest)?;
        walk.finish().map_err(read_error)?;
        walk.state().map_or(Ok(()), |state| self.check_names(&Naming::of(state)))
    }

    fn check_names(&self, names: &Naming<'_>) -> Result<(), Failure> {
        check_venue(self.venue.as_deref(), names.table)?;
        let instruments: Vec<&str> = names.table.iter().map(|row| row.name.as_str()).collect();
        check("instrument", self.instrument.as_deref(), &instruments, |one, wanted| {
            one.starts_with(wanted)
        })?;
        let own = names.strategies.iter().cloned();
        let own: Vec<String> = own.chain([names.strategy(StrategyId::OPERATOR)]).collect();
        check("strategy", self.strategy.as_deref(), &own, |one, wanted| one == wanted)
    }
}

/// Refuses a venue of which a run has no instrument.
pub(super) fn check_venue(wanted: Option<&str>, table: &InstrumentTable) -> Result<(), Failure> {
    let venues: BTreeSet<String> = table.iter().map(|row| venue_name(row.venue)).collect();
    let venues: Vec<String> = venues.into_iter().collect();
    check("venue", wanted, &venues, |one, wanted| one == wanted)
}

fn check<T: AsRef<str>>(
    what: &str,
    wanted: Option<&str>,
    names: &[T],
    is: impl Fn(&str, &str) -> bool,
) -> Result<(), Failure> {
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    match wanted {
        // A journal in which nothing has begun yet has no names to choose from.
        Some(wanted) if !names.is_empty() && !names.iter().any(|one| is(one, wanted)) => {
            let message = format!("no {what} {wanted:?}; there are: {}", names.join(", "));
            Err(Failure { code: super::EXIT_USAGE, message })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Instrument, VenueId};

    #[test]
    fn moments_are_ago_or_by_the_calendar() {
        assert_eq!(moment("10m"), Ok(Moment::Ago(600_000_000_000)));
        assert_eq!(moment("1970-01-01T00:00:02Z"), Ok(Moment::At(Nanos(2_000_000_000))));
        assert!(moment("yesterday").is_err());
        let pick = Pick { since: Some(Moment::Ago(5)), ..Pick::default() };
        assert_eq!((pick.since(Nanos(7)), pick.since(Nanos(3))), (Nanos(2), Nanos(0)));
        assert_eq!(pick.from(Nanos(7)), From::Time(Nanos(2)));
        assert_eq!(Pick::default().from(Nanos(7)), From::Beginning);
    }

    #[test]
    fn rows_are_taken_by_all_that_was_asked_for() {
        let of = Of { time: Nanos(5), venue: "a", instrument: "BTC/USDT@a", strategy: "s" };
        let named = |text: &str| Some(text.to_owned());
        let pick =
            |venue, instrument, strategy| Pick { venue, instrument, strategy, ..Pick::default() };
        assert!(pick(None, None, None).takes(of, Nanos(9)));
        assert!(pick(named("a"), named("BTC/"), named("s")).takes(of, Nanos(9)));
        assert!(!pick(named("b"), None, None).takes(of, Nanos(9)));
        assert!(!pick(None, named("ETH"), None).takes(of, Nanos(9)));
        assert!(!pick(None, None, named("t")).takes(of, Nanos(9)));
        let recent = Pick { since: Some(Moment::At(Nanos(6))), ..Pick::default() };
        assert!(!recent.takes(of, Nanos(9)));
        let mut rows = vec![1, 2, 3];
        Pick { last: Some(2), ..Pick::default() }.cut(&mut rows, 1);
        assert_eq!(rows, [2, 3]);
    }

    #[test]
    fn names_that_a_run_does_not_have_are_refused_with_those_that_it_has() {
        let mut table = InstrumentTable::default();
        let name = "BTC/USDT@here".to_owned();
        table.add(Instrument { venue: VenueId(0), name, ..Instrument::default() });
        let strategies = ["spread".to_owned()];
        let names = Naming { table: &table, strategies: &strategies };
        let named = |text: &str| Some(text.to_owned());
        let said = |venue, instrument, strategy| {
            let pick = Pick { venue, instrument, strategy, ..Pick::default() };
            pick.check_names(&names).map_err(|failure| (failure.code, failure.message))
        };
        let here = venue_name(VenueId(0));
        assert_eq!(said(Some(here.clone()), named("BTC"), named("spread")), Ok(()));
        assert_eq!(said(None, None, named("operator")), Ok(()));
        assert!(check_venue(Some("nowhere"), &InstrumentTable::default()).is_ok());
        let usage = |text: &str| Err((super::super::EXIT_USAGE, text.to_owned()));
        let expected = format!("no venue \"nowhere\"; there are: {here}");
        assert_eq!(said(named("nowhere"), None, None), usage(&expected));
        let expected = "no strategy \"spraed\"; there are: spread, operator";
        assert_eq!(said(None, None, named("spraed")), usage(expected));
        let expected = "no instrument \"BCT\"; there are: BTC/USDT@here";
        assert_eq!(said(None, named("BCT"), None), usage(expected));
    }
}
