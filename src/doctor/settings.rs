//! Settings of the kernel that are one number each.

#![forbid(unsafe_code)]

use super::{Check, Look, Seen, fix};

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "numa_balancing",
        title: "NUMA balancing",
        why: "it takes pages away on trial, and the thread that touches one next waits for it",
        look: |look| exactly(look, "/proc/sys/kernel/numa_balancing", 0),
    },
    Check {
        name: "ksm",
        title: "merging of equal pages",
        why: "writing to a merged page waits for a copy of it",
        look: |look| exactly(look, "/sys/kernel/mm/ksm/run", 0),
    },
    Check {
        name: "compaction",
        title: "memory compaction",
        why: "pages are moved beneath running threads, which wait for them",
        look: |look| exactly(look, "/proc/sys/vm/compaction_proactiveness", 0),
    },
    Check {
        name: "stat_interval",
        title: "statistics timer",
        why: "it interrupts every CPU so often, in seconds",
        look: statistics,
    },
    Check {
        name: "swappiness",
        title: "eagerness to swap",
        why: "the first touch of a page that was swapped out waits for the disk",
        look: swappiness,
    },
    Check {
        name: "nmi_watchdog",
        title: "watchdog by NMI",
        why: "it interrupts every CPU and takes a performance counter",
        look: |look| exactly(look, "/proc/sys/kernel/nmi_watchdog", 0),
    },
    Check {
        name: "timer_migration",
        title: "timers move away",
        why: "else timers that others have set fire on the threads' CPUs",
        look: |look| exactly(look, "/proc/sys/kernel/timer_migration", 1),
    },
    Check {
        name: "tcp_slow_start",
        title: "TCP after a pause",
        why: "1 makes a connection slow again after each pause, so that bursts take round trips",
        look: |look| exactly(look, "/proc/sys/net/ipv4/tcp_slow_start_after_idle", 0),
    },
    Check {
        name: "tcp_autocorking",
        title: "TCP holds back",
        why: "1 lets small packets wait for more while one is on its way",
        look: |look| exactly(look, "/proc/sys/net/ipv4/tcp_autocorking", 0),
    },
];

/// Longest steps between two statistics that are common on quiet hosts, seconds.
const STATISTICS_S: i64 = 120;

fn exactly(look: &Look, path: &str, good: i64) -> Result<Seen, Seen> {
    let value = look.host.number(path)?;
    if value == good {
        return Ok(Seen::ok(path, value.to_string()));
    }
    let seen = Seen::warn(path, value.to_string(), format!("should be {good}"));
    Ok(fix::number(seen, value, good))
}

fn statistics(look: &Look) -> Result<Seen, Seen> {
    let path = "/proc/sys/vm/stat_interval";
    let value = look.host.number(path)?;
    if value >= 10 {
        return Ok(Seen::ok(path, format!("{value} s")));
    }
    let seen = Seen::warn(path, format!("{value} s"), "should be 10 s or more");
    Ok(fix::number(seen, value, STATISTICS_S))
}

fn swappiness(look: &Look) -> Result<Seen, Seen> {
    let path = "/proc/sys/vm/swappiness";
    let value = look.host.number(path)?;
    let none = look.host.text("/proc/swaps").is_ok_and(|text| text.lines().count() == 1);
    if none {
        return Ok(Seen::ok(path, format!("{value}, and there is no swap")));
    }
    if (0..=1).contains(&value) {
        return Ok(Seen::ok(path, value.to_string()));
    }
    Ok(fix::number(Seen::warn(path, value.to_string(), "should be 0 or 1"), value, 1))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Fake, ok, unknown, warns};
    use super::*;

    /// Name, path, good, bad, what it is changed to.
    const EACH: &[(&str, &str, &str, &str, &str)] = &[
        ("numa_balancing", "/proc/sys/kernel/numa_balancing", "0", "1", "0"),
        ("ksm", "/sys/kernel/mm/ksm/run", "0", "1", "0"),
        ("compaction", "/proc/sys/vm/compaction_proactiveness", "0", "20", "0"),
        ("nmi_watchdog", "/proc/sys/kernel/nmi_watchdog", "0", "1", "0"),
        ("timer_migration", "/proc/sys/kernel/timer_migration", "1", "0", "1"),
        ("tcp_slow_start", "/proc/sys/net/ipv4/tcp_slow_start_after_idle", "0", "1", "0"),
        ("tcp_autocorking", "/proc/sys/net/ipv4/tcp_autocorking", "0", "1", "0"),
        ("swappiness", "/proc/sys/vm/swappiness", "0", "60", "1"),
    ];

    #[test]
    fn each_has_its_good_value_and_a_command_with_its_undo() {
        for (name, path, good, bad, to) in EACH {
            let fake = Fake::new(&format!("setting-{name}"));
            unknown(&fake, name, "does not have it");
            fake.add(path, good);
            ok(&fake, name, good);
            fake.add(path, bad);
            let finding = warns(&fake, name, bad, "should be");
            let fix = finding.fix.unwrap();
            assert_eq!(fix.changes[0].act.to_string(), format!("echo {to} > {path}"));
            assert_eq!(fix.changes[0].undo.to_string(), format!("echo {bad} > {path}"));
            for garbage in ["on", "", "1 2", "9999999999999999999999"] {
                fake.add(path, garbage);
                unknown(&fake, name, "not understood");
            }
        }
        assert_eq!(EACH.len() + 1, CHECKS.len(), "stat_interval is below");
    }

    #[test]
    fn statistics_may_be_rare() {
        let fake = Fake::new("statistics");
        let path = "/proc/sys/vm/stat_interval";
        unknown(&fake, "stat_interval", "does not have it");
        fake.add(path, "10");
        ok(&fake, "stat_interval", "10 s");
        fake.add(path, "9");
        let fix = warns(&fake, "stat_interval", "9 s", "10 s or more").fix.unwrap();
        assert_eq!(fix.changes[0].act.to_string(), format!("echo 120 > {path}"));
        fake.add(path, "s");
        unknown(&fake, "stat_interval", "not understood");
    }

    #[test]
    fn without_swap_the_eagerness_does_not_matter() {
        let fake = Fake::new("no-swap");
        fake.add("/proc/sys/vm/swappiness", "60");
        fake.add("/proc/swaps", "Filename Type Size Used Priority\n");
        ok(&fake, "swappiness", "60, and there is no swap");
        fake.add("/proc/swaps", "Filename Type Size Used Priority\n/a file 9 0 -2\n");
        warns(&fake, "swappiness", "60", "0 or 1");
        fake.add("/proc/sys/vm/swappiness", "1");
        ok(&fake, "swappiness", "1");
    }
}
