//! How fast the CPUs run, and how deep they sleep.

#![forbid(unsafe_code)]

use super::host::show_cpus;
use super::{Check, Fix, Host, Look, Seen};

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "governor",
        title: "frequency governor",
        why: "others than performance let a CPU run slowly until it has been busy for a while",
        look: governor,
    },
    Check {
        name: "energy_preference",
        title: "energy preference",
        why: "the CPU itself chooses its frequency by it",
        look: preference,
    },
    Check {
        name: "turbo",
        title: "turbo frequencies",
        why: "faster, but the frequency then depends on what the other cores do: decide, and \
            measure with it",
        look: turbo,
    },
    Check {
        name: "idle_states",
        title: "deep idle states",
        why: "a CPU wakes from them late; a spinning thread never lets it sleep",
        look: idle_states,
    },
    Check {
        name: "uncore",
        title: "frequency of the uncore",
        why: "caches and memory follow it, and it falls when few cores are busy",
        look: uncore,
    },
];

const CPU: &str = "/sys/devices/system/cpu";
/// Above this a state is deep, microseconds to wake.
const WAKE_MAX_US: i64 = 5;

/// A word of each hot CPU's file that should be one: the path as shown, and the CPUs where it is not.
fn word_of_each(look: &Look, file: &str, good: &str) -> Result<Seen, Seen> {
    let all = format!("{CPU}/cpuN/cpufreq/{file}");
    let mut words: Vec<String> = Vec::new();
    let mut changes = Vec::new();
    let mut wrong = Vec::new();
    for cpu in look.hot(&all)? {
        let path = all.replace('N', &cpu.to_string());
        let word = look.host.need(&path)?;
        if word.is_empty() || !word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') {
            return Err(Seen::garbled(path, &word));
        }
        if !words.contains(&word) {
            words.push(word.clone());
        }
        if word != good {
            wrong.push(*cpu);
            changes.push((path, word, good.to_owned()));
        }
    }
    let value = words.join(", ");
    if wrong.is_empty() {
        return Ok(Seen::ok(all, value));
    }
    let why = format!("not {good} on CPUs {}", show_cpus(&wrong));
    Ok(Seen::warn(all, value, why).with(Fix::writes(changes)))
}

fn governor(look: &Look) -> Result<Seen, Seen> {
    word_of_each(look, "scaling_governor", "performance")
}

fn preference(look: &Look) -> Result<Seen, Seen> {
    word_of_each(look, "energy_performance_preference", "performance")
}

fn turbo(look: &Look) -> Result<Seen, Seen> {
    let intel = format!("{CPU}/intel_pstate/no_turbo");
    let others = format!("{CPU}/cpufreq/boost");
    let path = if look.host.has(&intel) { &intel } else { &others };
    let on = match (look.host.number(path)?, path == &intel) {
        (0, true) | (1, false) => "on",
        (1, true) | (0, false) => "off",
        (other, _) => return Err(Seen::garbled(path, &other.to_string())),
    };
    Ok(Seen::ok(path, on))
}

/// A state of a CPU that takes long to wake from and may be entered.
fn deep(host: &Host, folder: &str) -> Result<Option<String>, Seen> {
    let name = host.need(&format!("{folder}/name"))?;
    let wake_us = host.number(&format!("{folder}/latency"))?;
    let disabled = host.number(&format!("{folder}/disable"))?;
    Ok((wake_us > WAKE_MAX_US && disabled == 0).then_some(name))
}

fn idle_states(look: &Look) -> Result<Seen, Seen> {
    let all = format!("{CPU}/cpuN/cpuidle/state*/disable");
    let mut names: Vec<String> = Vec::new();
    let mut changes = Vec::new();
    let mut states = 0;
    for cpu in look.hot(&all)? {
        let folder = format!("{CPU}/cpu{cpu}/cpuidle");
        for state in look.host.names(&folder) {
            let folder = format!("{folder}/{state}");
            states += 1;
            let Some(name) = deep(look.host, &folder)? else { continue };
            changes.push((format!("{folder}/disable"), "0".to_owned(), "1".to_owned()));
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    if states == 0 {
        return Err(Seen::unknown(all, "this host does not have it"));
    }
    if names.is_empty() {
        return Ok(Seen::ok(all, "none"));
    }
    let why = format!("they take more than {WAKE_MAX_US} us to wake");
    let fix = Fix::writes(changes).and_by_hand(
        "or add to the kernel's command line, and boot: processor.max_cstate=1 \
         intel_idle.max_cstate=0",
    );
    Ok(Seen::warn(all, names.join(", "), why).with(fix))
}

fn uncore(look: &Look) -> Result<Seen, Seen> {
    let all = format!("{CPU}/intel_uncore_frequency");
    let mut changes = Vec::new();
    let mut shown = Vec::new();
    for name in look.host.names(&all) {
        let low_path = format!("{all}/{name}/min_freq_khz");
        let low = look.host.number(&low_path)?;
        let high = look.host.number(&format!("{all}/{name}/max_freq_khz"))?;
        shown.push(format!("{} to {} MHz", low / 1000, high / 1000));
        if low != high {
            changes.push((low_path, low.to_string(), high.to_string()));
        }
    }
    shown.dedup();
    match (shown.is_empty(), changes.is_empty()) {
        (true, _) => Err(Seen::unknown(all, "this host does not have it")),
        (_, true) => Ok(Seen::ok(all, shown.join(", "))),
        _ => {
            let why = "the lowest is not the highest";
            Ok(Seen::warn(all, shown.join(", "), why).with(Fix::writes(changes)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Fake, ok, unknown, warns};
    use super::*;

    #[test]
    fn every_hot_cpu_runs_at_full_speed() {
        for (name, file, other) in [
            ("governor", "scaling_governor", "powersave"),
            ("energy_preference", "energy_performance_preference", "balance_power"),
        ] {
            let fake = Fake::new(&format!("power-{name}")).hot(&[2, 3]);
            let path = |cpu: usize| format!("{CPU}/cpu{cpu}/cpufreq/{file}");
            unknown(&fake, name, "does not have it");
            fake.add(&path(2), "performance\n").add(&path(3), "performance\n");
            ok(&fake, name, "performance");
            fake.add(&path(3), other);
            let both = format!("performance, {other}");
            let fix = warns(&fake, name, &both, "not performance on CPUs 3").fix.unwrap();
            assert_eq!(fix.changes.len(), 1);
            assert_eq!(fix.changes[0].act, super::super::Act::write(path(3), "performance"));
            assert_eq!(fix.changes[0].undo, super::super::Act::write(path(3), other));
            fake.add(&path(3), "5 GHz");
            unknown(&fake, name, "not understood");
            unknown(&fake.hot(&[]), name, "no [[thread]] has a core");
        }
    }

    #[test]
    fn turbo_is_shown() {
        let fake = Fake::new("turbo");
        unknown(&fake, "turbo", "does not have it");
        for (text, value) in [("1", "on"), ("0", "off")] {
            fake.add(&format!("{CPU}/cpufreq/boost"), text);
            ok(&fake, "turbo", value);
        }
        for (text, value) in [("0", "on"), ("1", "off")] {
            fake.add(&format!("{CPU}/intel_pstate/no_turbo"), text);
            ok(&fake, "turbo", value);
        }
        for garbage in ["2", "yes"] {
            fake.add(&format!("{CPU}/intel_pstate/no_turbo"), garbage);
            unknown(&fake, "turbo", "not understood");
        }
    }

    #[test]
    fn deep_states_are_off_on_hot_cpus() {
        let fake = Fake::new("idle").hot(&[2]);
        unknown(&fake, "idle_states", "does not have it");
        let state = |number: usize, name: &str, latency: &str, disable: &str| {
            let folder = format!("{CPU}/cpu2/cpuidle/state{number}");
            fake.add(&format!("{folder}/name"), name);
            fake.add(&format!("{folder}/latency"), latency);
            fake.add(&format!("{folder}/disable"), disable);
        };
        state(0, "POLL", "0", "0");
        state(1, "C1", "2", "0");
        ok(&fake, "idle_states", "none");
        state(2, "C6", "133", "0");
        state(3, "C10", "890", "1");
        let fix = warns(&fake, "idle_states", "C6", "more than 5 us").fix.unwrap();
        assert_eq!(fix.changes.len(), 1);
        let command = format!("echo 1 > {CPU}/cpu2/cpuidle/state2/disable");
        assert_eq!(fix.changes[0].act.to_string(), command);
        state(2, "C6", "133", "1");
        ok(&fake, "idle_states", "none");
        state(2, "C6", "long", "1");
        unknown(&fake, "idle_states", "not understood");
    }

    #[test]
    fn the_uncore_stays_at_its_highest() {
        let fake = Fake::new("uncore");
        unknown(&fake, "uncore", "does not have it");
        let folder = format!("{CPU}/intel_uncore_frequency/package_00_die_00");
        fake.add(&format!("{folder}/max_freq_khz"), "2400000");
        fake.add(&format!("{folder}/min_freq_khz"), "2400000");
        ok(&fake, "uncore", "2400 to 2400 MHz");
        fake.add(&format!("{folder}/min_freq_khz"), "800000");
        let fix = warns(&fake, "uncore", "800 to 2400 MHz", "not the highest").fix.unwrap();
        let command = format!("echo 2400000 > {folder}/min_freq_khz");
        assert_eq!(fix.changes[0].act.to_string(), command);
        fake.add(&format!("{folder}/min_freq_khz"), "slow");
        unknown(&fake, "uncore", "not understood");
    }
}
