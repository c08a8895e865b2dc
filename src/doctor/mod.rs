//! Whether this host is fit to trade on with little latency: `stoop doctor`, and what `stoop tune`
//! changes.
//!
//! Each check is a small function of one look: text of the kernel's files in, what was seen out. The
//! files lie under a root that a test puts elsewhere. What the host does not tell (many files are
//! absent in a virtual machine) or tells in words that nobody here knows is unknown, never a failure.
//! Nothing in this folder changes anything but [`apply`], which does what it is given and no more.
//!
//! FAIL is what stops the engine or stalls its threads for a millisecond and more; WARN costs
//! microseconds, or may; what is only shown is OK.

#![forbid(unsafe_code)]

mod apply;
mod clocks;
mod cpus;
mod earlier;
mod ethernet;
mod fix;
mod host;
mod interrupts;
mod limits;
mod memory;
mod network;
mod power;
mod probes;
mod report;
mod settings;
mod storage;
mod tasks;
#[cfg(test)]
mod testing;

pub use apply::apply;
pub use earlier::Earlier;
pub use fix::{Act, Change, Fix, quoted};
pub use host::Host;
pub use probes::{Gap, Probes, WayTo, probe, ways};
pub use report::{object, script, text};

use std::path::PathBuf;

/// How something was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// As it should be, or only shown.
    Ok,
    /// The host does not say.
    Unknown,
    /// It costs latency.
    Warn,
    /// The engine cannot run well, or at all.
    Fail,
}

impl State {
    /// As it is written.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Unknown => "unknown",
            Self::Warn => "WARN",
            Self::Fail => "FAIL",
        }
    }
}

/// What is to run on the host.
#[derive(Clone, Debug, Default)]
pub struct Aim {
    /// CPUs that the configuration pins threads to, sorted.
    pub hot: Vec<usize>,
    /// Those of them that this host does not have, which are not among `hot` any more.
    pub absent: Vec<usize>,
    /// Process of the running engine of this configuration.
    pub engine: Option<u32>,
    /// Every instance that runs on this host, of whatever configuration.
    pub running: Vec<String>,
    /// `[host] huge_pages`
    pub huge_pages: bool,
    /// `[host] busy_poll_us`
    pub busy_poll_us: u32,
    /// Where the journal is written, or the nearest folder above it that exists; absolute.
    pub journal: PathBuf,
}

impl Aim {
    /// The same on a host: of CPUs that it does not have one check speaks, and no other looks for them.
    #[must_use]
    pub fn on(mut self, host: &Host) -> Self {
        if let Ok(present) = host.cpus(cpus::PRESENT)
            && !present.is_empty()
        {
            self.absent = host::without(&self.hot, &present);
            self.hot = host::among(&self.hot, &present);
        }
        self
    }
}

/// What one check has seen.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Seen {
    state: State,
    value: String,
    path: String,
    /// What is wrong, or why it is not known; empty where nothing is.
    reason: String,
    fix: Option<Box<Fix>>,
}

impl Seen {
    fn new(state: State, path: impl Into<String>, value: impl Into<String>) -> Self {
        let (value, path) = (value.into(), path.into());
        Self { state, value, path, reason: String::new(), fix: None }
    }

    fn ok(path: impl Into<String>, value: impl Into<String>) -> Self {
        Self::new(State::Ok, path, value)
    }

    fn warn(path: impl Into<String>, value: impl Into<String>, why: impl Into<String>) -> Self {
        Self { reason: why.into(), ..Self::new(State::Warn, path, value) }
    }

    fn fail(path: impl Into<String>, value: impl Into<String>, why: impl Into<String>) -> Self {
        Self { reason: why.into(), ..Self::new(State::Fail, path, value) }
    }

    fn unknown(path: impl Into<String>, why: impl Into<String>) -> Self {
        Self { reason: why.into(), ..Self::new(State::Unknown, path, "") }
    }

    /// A text that nobody here understands.
    fn garbled(path: impl Into<String>, text: &str) -> Self {
        let shown: String = text.chars().filter(|c| !c.is_control()).take(40).collect();
        Self::unknown(path, format!("not understood: {shown:?}"))
    }

    fn with(self, fix: Fix) -> Self {
        Self { fix: Some(Box::new(fix)), ..self }
    }
}

/// One check. `Err` of its function is the early way out of one that cannot be known.
pub(crate) struct Check {
    /// Stable: scripts and `stoop tune` name it so.
    name: &'static str,
    title: &'static str,
    /// Why it matters, in a line.
    why: &'static str,
    look: fn(&Look) -> Result<Seen, Seen>,
}

/// Everything that a check may look at.
pub(crate) struct Look<'a> {
    host: &'a Host,
    aim: &'a Aim,
    earlier: &'a Earlier,
    probes: &'a Probes,
}

impl Look<'_> {
    /// The CPUs of the threads; unknown where there are none.
    fn hot(&self, path: &str) -> Result<&[usize], Seen> {
        match self.aim.hot.as_slice() {
            [] if !self.aim.absent.is_empty() => {
                Err(Seen::unknown(path, "this host has none of the threads' CPUs"))
            }
            [] => Err(Seen::unknown(path, "no [[thread]] has a core, and --cpus names none")),
            hot => Ok(hot),
        }
    }
}

/// What was found, with what to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Stable name of the check.
    pub name: &'static str,
    /// For people.
    pub title: &'static str,
    /// How it was found.
    pub state: State,
    /// What is there; empty if nobody knows.
    pub value: String,
    /// Where it was read, or what was called.
    pub path: String,
    /// What is wrong and why it matters.
    pub reason: String,
    /// What mends it.
    pub fix: Option<Fix>,
}

/// Every check, in the order in which they are shown.
const CHECKS: &[&[Check]] = &[
    cpus::CHECKS,
    tasks::CHECKS,
    interrupts::CHECKS,
    power::CHECKS,
    memory::CHECKS,
    settings::CHECKS,
    ethernet::CHECKS,
    network::CHECKS,
    clocks::CHECKS,
    limits::CHECKS,
    storage::CHECKS,
    probes::CHECKS,
];

/// Looks at everything.
#[must_use]
pub fn examine(host: &Host, aim: &Aim, earlier: &Earlier, probes: &Probes) -> Vec<Finding> {
    let look = Look { host, aim, earlier, probes };
    CHECKS.iter().flat_map(|group| group.iter()).map(|check| found(check, &look)).collect()
}

fn found(check: &Check, look: &Look) -> Finding {
    let (Ok(seen) | Err(seen)) = (check.look)(look);
    let Seen { state, value, path, reason, fix } = seen;
    let reason = match reason.as_str() {
        "" => check.why.to_owned(),
        reason => format!("{reason}; {}", check.why),
    };
    let fix = fix.map(|fix| *fix);
    Finding { name: check.name, title: check.title, state, value, path, reason, fix }
}

/// Names of all checks.
pub fn names() -> impl Iterator<Item = &'static str> {
    CHECKS.iter().flat_map(|group| group.iter()).map(|check| check.name)
}

#[cfg(test)]
mod tests {
    use super::testing::Fake;
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_titles_short() {
        let all: Vec<&Check> = CHECKS.iter().flat_map(|group| group.iter()).collect();
        let unique: BTreeSet<&str> = names().collect();
        assert_eq!(unique.len(), all.len());
        for check in all {
            assert!(check.title.len() <= 26, "{}: {}", check.name, check.title);
            assert!(!check.why.is_empty() && !check.why.ends_with('.'), "{}", check.name);
        }
    }

    #[test]
    fn a_host_that_tells_nothing_is_unknown_and_does_not_fail() {
        let fake = Fake::new("nothing");
        let aim = Aim { hot: vec![2], journal: "/var/journal".into(), ..Aim::default() };
        let findings = examine(&fake.host(), &aim, &Earlier::default(), &Probes::default());
        assert_eq!(findings.len(), names().count());
        for finding in findings {
            assert_eq!(finding.state, State::Unknown, "{finding:?}");
            assert!(!finding.path.is_empty() && finding.fix.is_none(), "{finding:?}");
        }
    }

    #[test]
    fn of_cpus_that_there_are_not_one_check_speaks() {
        let fake = Fake::new("absent");
        let aim = |hot: &[usize]| Aim { hot: hot.to_vec(), ..Aim::default() }.on(&fake.host());
        let split = |hot: &[usize]| {
            let aim = aim(hot);
            (aim.hot, aim.absent)
        };
        // Nobody says which there are.
        assert_eq!(split(&[1, 7]), (vec![1, 7], vec![]));
        fake.add(cpus::PRESENT, "??");
        assert_eq!(split(&[1, 7]), (vec![1, 7], vec![]));
        fake.add(cpus::PRESENT, "0-1\n");
        assert_eq!(split(&[0, 1]), (vec![0, 1], vec![]));
        assert_eq!(split(&[1, 7]), (vec![1], vec![7]));
        fake.add("/proc/self/status", "Cpus_allowed_list:\t0-1\n");
        fake.add("/sys/devices/system/cpu/isolated", "");
        fake.add("/sys/devices/system/cpu/nohz_full", "");
        fake.add("/proc/cmdline", "quiet root=/dev/sda");
        for hot in [&[1, 7][..], &[7]] {
            let aim = aim(hot);
            let found = examine(&fake.host(), &aim, &Earlier::default(), &Probes::default());
            let told: Vec<&Finding> = found
                .iter()
                .filter(|one| format!("{:?}", (&one.value, &one.reason, &one.fix)).contains('7'))
                .collect();
            let [one] = told.as_slice() else { panic!("{told:?}") };
            assert_eq!((one.name, one.state), ("allowed", State::Fail));
            assert_eq!(one.value, "0-1 present");
            assert!(one.reason.starts_with("this host has no CPUs 7; "), "{}", one.reason);
            let fix = one.fix.as_ref().unwrap();
            let expected = "give the threads CPUs among 0-1 ([[thread]] core)";
            assert_eq!(fix.by_hand.as_deref(), Some(expected));
            let isolated = found.iter().find(|one| one.name == "isolated").unwrap();
            match hot {
                [7] => {
                    assert!(isolated.reason.starts_with("this host has none of"), "{isolated:?}")
                }
                _ => assert!(isolated.reason.starts_with("CPUs 1 are not"), "{isolated:?}"),
            }
        }
    }

    #[test]
    fn garbage_is_unknown_and_does_not_fail() {
        // Every file that any check has asked for, filled with what no kernel writes.
        let fake = Fake::new("garbage");
        let garbage = "\u{1}?? [,-] :: 99999999999999999999999 \n\t: -,9-1\n";
        let aim = Aim { hot: vec![2], engine: Some(7), journal: "/j".into(), ..Aim::default() };
        for path in testing::ALL_FILES {
            fake.add(path, garbage);
        }
        let host = fake.host();
        let earlier = Earlier::take(&host, &aim);
        for finding in examine(&host, &aim, &earlier, &Probes::default()) {
            // What is shown as it is written has nothing to misunderstand.
            let only_shown = ["kernel", "kernel_bypass", "ptp", "irqbalance"];
            let known = only_shown.contains(&finding.name);
            assert!(known || finding.state == State::Unknown, "{finding:?}");
        }
    }
}
