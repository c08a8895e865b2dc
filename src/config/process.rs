//! Where a strategy of `[[strategy]]` runs, what becomes of its process, and its parameters.

#![forbid(unsafe_code)]

use super::check::Checker;
use super::raw::RawStrategy;
use super::strategy::Given;
use super::{ConfigError, Place};
use crate::types::{ParamName, ParamSpec, ParamText, ParamValue, Params};
use rust_decimal::Decimal;
use toml::{Spanned, Value};

/// Where a strategy runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunConfig {
    /// On a thread of the engine.
    Thread,
    /// In a process of its own.
    Process(ProcessConfig),
}

/// What becomes of a strategy's process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessConfig {
    /// Another program and its arguments; empty: this one.
    pub command: Vec<String>,
    /// A process that crashed or was killed because it hung is started again.
    pub restarts: bool,
    /// Pause before the first start after a crash; each further one of the same hour doubles it, up to
    /// a minute.
    pub restart_after_ns: u64,
    /// Starts after a crash in one hour; then it stays as it is.
    pub restarts_per_hour_max: u32,
    /// A process that was started again may trade at once; else a person resumes it.
    pub resumes: bool,
}

/// One line of `[strategy.params]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParamConfig {
    /// Its key.
    pub name: ParamName,
    /// As it was written: a whole number may stand for a decimal one.
    pub value: ParamValue,
    /// Where.
    pub place: Place,
}

impl RunConfig {
    /// Whether it runs on a thread of the engine.
    #[must_use]
    pub fn is_thread(&self) -> bool {
        *self == Self::Thread
    }

    /// Whether another program runs it.
    #[must_use]
    pub fn is_foreign(&self) -> bool {
        matches!(self, Self::Process(process) if !process.command.is_empty())
    }
}

/// What is set in a file against what the strategy says there may be; without that the file alone says
/// what there is, and of which type. Gives the parameters that there are, and their values.
///
/// # Errors
///
/// In words with its place, what is wrong.
pub fn check_params(
    given: &[ParamConfig],
    specs: Option<Vec<ParamSpec>>,
) -> Result<(Vec<ParamSpec>, Params), (Place, String)> {
    let of_file = || given.iter().map(|row| ParamSpec::new(row.name.as_str(), row.value, ""));
    let specs = specs.unwrap_or_else(|| of_file().collect());
    let place = given.first().map_or(Place::default(), |row| row.place);
    let mut params = Params::of(&specs).map_err(|error| (place, error))?;
    for row in given {
        let wrong = |error| (row.place, error);
        let spec = crate::types::find_param(&specs, row.name.as_str()).map_err(wrong)?;
        // There is room: the name is one of those that there are.
        let _ = params.set(row.name, spec.check(row.value).map_err(wrong)?);
    }
    Ok((specs, params))
}

const RUNS: [&str; 2] = ["thread", "process"];
const RESTARTS: [&str; 2] = ["never", "on_crash"];
const AFTER_RESTART: [&str; 2] = ["paused", "resume"];
const RESTART_AFTER_MS: i64 = 1_000;
const RESTARTS_PER_HOUR_MAX: i64 = 3;

impl Checker<'_> {
    pub(super) fn run(&self, raw: &RawStrategy) -> Result<RunConfig, ConfigError> {
        let process = match &raw.run {
            Some(run) => self.choice(run, "run", RUNS)? == 1,
            None => false,
        };
        if !process {
            let process = [
                (raw.command.as_ref().map(Spanned::span), "command"),
                (raw.restart.as_ref().map(Spanned::span), "restart"),
            ];
            let about = "a process: say run = \"process\" too";
            self.none_without(&process, about)?;
            self.none_without(&of_restarts(raw), about)?;
            return Ok(RunConfig::Thread);
        }
        let restart = raw.restart.as_ref().map(|text| self.choice(text, "restart", RESTARTS));
        let restarts = restart.transpose()? == Some(1);
        if !restarts {
            self.none_without(&of_restarts(raw), "a restart: say restart = \"on_crash\" too")?;
        }
        let after = match &raw.restart_after_ms {
            Some(after) => self.in_range(after, 100, 60_000, "restart_after_ms")?,
            None => RESTART_AFTER_MS,
        };
        let most = match &raw.restarts_per_hour_max {
            Some(most) => self.in_range(most, 1, 1_000, "restarts_per_hour_max")?,
            None => RESTARTS_PER_HOUR_MAX,
        };
        let resume = raw
            .after_restart
            .as_ref()
            .map(|text| self.choice(text, "after_restart", AFTER_RESTART));
        Ok(RunConfig::Process(ProcessConfig {
            command: self.command(raw)?,
            restarts,
            restart_after_ns: after as u64 * 1_000_000,
            restarts_per_hour_max: most as u32,
            resumes: resume.transpose()? == Some(1),
        }))
    }

    /// Options of something that the strategy does not have are mistakes.
    fn none_without(&self, options: &[Given], about: &str) -> Result<(), ConfigError> {
        for (span, key) in options {
            if let Some(span) = span {
                let text = format!("{key} is about {about}");
                return Err(self.error(&Spanned::new(span.clone(), ()), text));
            }
        }
        Ok(())
    }

    fn command(&self, raw: &RawStrategy) -> Result<Vec<String>, ConfigError> {
        let Some(command) = &raw.command else { return Ok(Vec::new()) };
        let words = command.get_ref();
        if words.first().is_none_or(String::is_empty) {
            let text = "command names no program: [\"./mine\", \"argument\"]".to_owned();
            return Err(self.error(command, text));
        }
        if words.iter().any(|word| word.contains('\0')) {
            return Err(self.error(command, "command holds a zero byte".to_owned()));
        }
        Ok(words.clone())
    }

    /// Which of the words it is.
    fn choice(
        &self,
        text: &Spanned<String>,
        key: &str,
        words: [&str; 2],
    ) -> Result<usize, ConfigError> {
        let found = words.iter().position(|word| word == text.get_ref());
        found.ok_or_else(|| self.error(text, self.one_of(key, text.get_ref(), &words)))
    }

    pub(super) fn params(&self, raw: &RawStrategy) -> Result<Vec<ParamConfig>, ConfigError> {
        raw.params.iter().map(|(name, value)| self.param(name, value)).collect()
    }

    fn param(
        &self,
        name: &Spanned<String>,
        value: &Spanned<Value>,
    ) -> Result<ParamConfig, ConfigError> {
        let text = name.get_ref();
        let spec = ParamSpec::new(text, ParamValue::Bool(false), "");
        if spec.name.is_empty() {
            let text = format!("{text:?} is no name of a parameter: 1 to 23 of a-z A-Z 0-9 - _");
            return Err(self.error(name, text));
        }
        let wrong = |what: &str| self.error(value, format!("{text} {what}"));
        let typed = match value.get_ref() {
            Value::Integer(number) => ParamValue::Int(*number),
            Value::Boolean(flag) => ParamValue::Bool(*flag),
            Value::String(text) => ParamText::new(text)
                .map(ParamValue::Text)
                .ok_or_else(|| wrong("is longer than 31 characters, or not printable ASCII"))?,
            Value::Float(_) => self
                .exact(value)
                .map(ParamValue::Decimal)
                .ok_or_else(|| wrong("is no exact decimal number: write it as 0.25"))?,
            _ => return Err(wrong("must be a number, true or false, or a text")),
        };
        Ok(ParamConfig {
            name: spec.name,
            value: typed,
            place: self.source.place(value.span().start),
        })
    }

    /// The number as it stands in the file: what TOML makes of it is not exact.
    fn exact(&self, value: &Spanned<Value>) -> Option<Decimal> {
        let text = self.source.text.get(value.span())?;
        let plain: String = text.chars().filter(|c| !matches!(c, '_' | '+')).collect();
        Decimal::from_str_exact(&plain).ok()
    }
}

/// Options of a process that is started again.
fn of_restarts(raw: &RawStrategy) -> [Given; 3] {
    [
        (raw.restart_after_ms.as_ref().map(Spanned::span), "restart_after_ms"),
        (raw.restarts_per_hour_max.as_ref().map(Spanned::span), "restarts_per_hour_max"),
        (raw.after_restart.as_ref().map(Spanned::span), "after_restart"),
    ]
}
