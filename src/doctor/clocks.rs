//! Time, and what kind of machine this is.

#![forbid(unsafe_code)]

use super::{Check, Fix, Look, Seen};

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "clock_source",
        title: "clock source",
        why: "every stamp reads the clock; others than tsc take up to a microsecond",
        look: clock_source,
    },
    Check {
        name: "clock_sync",
        title: "clock synchronised",
        why: "venues refuse requests whose time is off; one-way latencies need it too",
        look: clock_sync,
    },
    Check {
        name: "ptp",
        title: "hardware clocks",
        why: "shown: with one, chrony or linuxptp keep the clock within microseconds",
        look: hardware_clocks,
    },
    Check {
        name: "steal",
        title: "taken by the hypervisor",
        why: "the host of this virtual machine runs others on its CPUs",
        look: steal,
    },
    Check {
        name: "kernel",
        title: "kernel",
        why: "shown: preemption and real-time flavours differ in how long they stay busy",
        look: kernel,
    },
    Check {
        name: "mitigations",
        title: "mitigations",
        why: "shown: they make system calls dearer; whether to do without is the owner's choice",
        look: mitigations,
    },
    Check {
        name: "tuned",
        title: "profile of tuned",
        why: "a profile for throughput or to save power undoes what is set here",
        look: tuned,
    },
];

/// Largest error of the clock, nanoseconds: good, and bad.
const ERROR_GOOD_NS: f64 = 1e6;
const ERROR_BAD_NS: f64 = 100e6;

fn clock_source(look: &Look) -> Result<Seen, Seen> {
    const FOLDER: &str = "/sys/devices/system/clocksource/clocksource0";
    let path = format!("{FOLDER}/current_clocksource");
    let name = look.host.need(&path)?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    if name.is_empty() || !name.chars().all(is_name) {
        return Err(Seen::garbled(path, &name));
    }
    if name == "tsc" {
        return Ok(Seen::ok(path, name));
    }
    let info = look.host.text("/proc/cpuinfo").unwrap_or_default();
    let flags = info.lines().find(|line| line.starts_with("flags")).unwrap_or("");
    let has = |flag: &str| flags.split_whitespace().any(|word| word == flag);
    let is_steady = has("constant_tsc") && has("nonstop_tsc");
    let there = look.host.text(&format!("{FOLDER}/available_clocksource")).unwrap_or_default();
    let fix = if there.split_whitespace().any(|word| word == "tsc") {
        Fix::write(&path, &name, "tsc")
    } else {
        Fix::boot("tsc=reliable (if you trust this machine's counter)")
    };
    Ok(if is_steady {
        Seen::warn(path, name, "should be tsc; the CPU's counter is steady").with(fix)
    } else {
        let why = "should be tsc, and the CPU does not say that its counter is steady";
        Seen::fail(path, name, why)
            .with(Fix::by_hand("run the engine on another machine, with a counter that is steady"))
    })
}

/// Seconds as `chronyc -c tracking` gives them, by column.
fn seconds(columns: &[&str], at: usize) -> Option<f64> {
    columns.get(at)?.parse::<f64>().ok().filter(|number| number.is_finite())
}

fn clock_sync(look: &Look) -> Result<Seen, Seen> {
    const CHRONY: &str = "chronyc -c tracking";
    let fix = || Fix::by_hand("run chrony with servers nearby, or the provider's time service");
    let Ok(text) = look.host.run(&["chronyc", "-c", "tracking"]) else { return by_systemd(look) };
    let columns: Vec<&str> = text.trim().split(',').collect();
    let numbers = (seconds(&columns, 4), seconds(&columns, 10), seconds(&columns, 11));
    let (Some(offset), Some(delay), Some(dispersion), Some(leap)) =
        (numbers.0, numbers.1, numbers.2, columns.get(13))
    else {
        return Err(Seen::garbled(CHRONY, &text));
    };
    if leap.starts_with("Not sync") {
        return Ok(Seen::fail(CHRONY, "not synchronised", "chrony has no server").with(fix()));
    }
    let error_ns = (offset.abs() + dispersion + delay / 2.0) * 1e9;
    let value = format!("within {:.3} ms", error_ns / 1e6);
    Ok(if error_ns <= ERROR_GOOD_NS {
        Seen::ok(CHRONY, value)
    } else if error_ns <= ERROR_BAD_NS {
        Seen::warn(CHRONY, value, "should be within 1 ms").with(fix())
    } else {
        Seen::fail(CHRONY, value, "should be within 1 ms").with(fix())
    })
}

/// Where there is no chrony: systemd knows whether, not how well.
fn by_systemd(look: &Look) -> Result<Seen, Seen> {
    const COMMAND: &str = "timedatectl show -p NTPSynchronized";
    let words: Vec<&str> = COMMAND.split(' ').collect();
    let text = look.host.run(&words);
    let text =
        text.map_err(|why| Seen::unknown("chronyc -c tracking", format!("no chrony; {why}")))?;
    match text.trim() {
        "NTPSynchronized=yes" => Ok(Seen::ok(COMMAND, "yes, how well is not known")),
        "NTPSynchronized=no" => {
            let fix = Fix::by_hand("run chrony, which also says how well the clock is set");
            Ok(Seen::warn(COMMAND, "no", "nothing known to systemd sets it").with(fix))
        }
        other => Err(Seen::garbled(COMMAND, other)),
    }
}

fn hardware_clocks(look: &Look) -> Result<Seen, Seen> {
    const PATH: &str = "/sys/class/ptp";
    let clocks = look.host.names(PATH);
    if clocks.is_empty() {
        return Err(Seen::unknown(PATH, "this host has none"));
    }
    let name = |clock: &String| {
        let name = look.host.text(&format!("{PATH}/{clock}/clock_name")).unwrap_or_default();
        let name: String = name.chars().filter(|c| !c.is_control()).take(40).collect();
        format!("{clock} ({name})")
    };
    Ok(Seen::ok(PATH, clocks.iter().map(name).collect::<Vec<_>>().join(", ")))
}

fn steal(look: &Look) -> Result<Seen, Seen> {
    const PATH: &str = "/proc/stat";
    let text = look.host.need(PATH)?;
    // user nice system idle iowait irq softirq steal; what follows is counted twice.
    let row = text.lines().find_map(|line| line.strip_prefix("cpu "));
    let times: Option<Vec<u64>> =
        row.map(|row| row.split_whitespace().take(8).map_while(|word| word.parse().ok()).collect());
    let times = times.filter(|times| times.len() == 8).ok_or_else(|| Seen::garbled(PATH, &text))?;
    let all = times.iter().fold(0u64, |sum, time| sum.saturating_add(*time)).max(1);
    let share = times[7] as f64 / all as f64;
    let value = format!("{:.3} % since boot", share * 100.0);
    if share < 0.0001 {
        return Ok(Seen::ok(PATH, value));
    }
    let fix = Fix::by_hand("run the engine on a machine with CPUs of its own, or on bare metal");
    let why = "CPUs are taken away";
    Ok(if share < 0.01 {
        Seen::warn(PATH, value, why).with(fix)
    } else {
        Seen::fail(PATH, value, why).with(fix)
    })
}

fn kernel(look: &Look) -> Result<Seen, Seen> {
    const PATH: &str = "/proc/sys/kernel/osrelease";
    let release = look.host.need(PATH)?;
    let version = look.host.text("/proc/sys/kernel/version").unwrap_or_default();
    let flavour = version.split_whitespace().find(|word| word.starts_with("PREEMPT"));
    let realtime = look.host.text("/sys/kernel/realtime").is_ok_and(|text| text == "1");
    let realtime = if realtime { ", real-time" } else { "" };
    Ok(Seen::ok(PATH, format!("{release} {}{realtime}", flavour.unwrap_or("")).trim().to_owned()))
}

fn mitigations(look: &Look) -> Result<Seen, Seen> {
    const PATH: &str = "/sys/devices/system/cpu/vulnerabilities";
    let (mut open, mut mitigated, mut safe) = (0, 0, 0);
    for name in look.host.names(PATH) {
        let text = look.host.text(&format!("{PATH}/{name}")).unwrap_or_default();
        match text.split([' ', ':', ';']).next() {
            Some("Vulnerable") => open += 1,
            Some("Mitigation") => mitigated += 1,
            Some("Not") => safe += 1,
            _ => {}
        }
    }
    if open + mitigated + safe == 0 {
        return Err(Seen::unknown(PATH, "this host does not say"));
    }
    Ok(Seen::ok(PATH, format!("{mitigated} on, {open} open, {safe} not needed")))
}

fn tuned(look: &Look) -> Result<Seen, Seen> {
    const PATH: &str = "/etc/tuned/active_profile";
    let profile = look.host.need(PATH)?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-_ ".contains(c);
    if profile.is_empty() || !profile.chars().all(is_name) {
        return Err(Seen::garbled(PATH, &profile));
    }
    if ["network-latency", "latency-performance", "cpu-partitioning", "realtime"]
        .iter()
        .any(|good| profile.starts_with(good))
    {
        return Ok(Seen::ok(PATH, profile));
    }
    let undo = format!("tuned-adm profile {profile}");
    let fix = Fix { survives_reboot: true, ..Fix::run("tuned-adm profile network-latency", &undo) };
    Ok(Seen::warn(PATH, profile, "should be network-latency or cpu-partitioning").with(fix))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Fake, fails, ok, unknown, warns};

    #[test]
    fn the_clock_is_the_cpu_s_counter() {
        let fake = Fake::new("clock");
        let folder = "/sys/devices/system/clocksource/clocksource0";
        let path = format!("{folder}/current_clocksource");
        unknown(&fake, "clock_source", "does not have it");
        fake.add(&path, "tsc\n");
        ok(&fake, "clock_source", "tsc");
        fake.add(&path, "kvm-clock\n");
        fails(&fake, "clock_source", "kvm-clock", "does not say that its counter is steady");
        fake.add("/proc/cpuinfo", "flags\t: fpu constant_tsc nonstop_tsc\n");
        let fix = warns(&fake, "clock_source", "kvm-clock", "should be tsc").fix.unwrap();
        assert!(fix.by_hand.unwrap().contains("tsc=reliable"));
        fake.add(&format!("{folder}/available_clocksource"), "kvm-clock tsc acpi_pm\n");
        let fix = warns(&fake, "clock_source", "kvm-clock", "should be tsc").fix.unwrap();
        assert_eq!(fix.changes[0].act.to_string(), format!("echo tsc > {path}"));
        assert_eq!(fix.changes[0].undo.to_string(), format!("echo kvm-clock > {path}"));
        fake.add(&path, "?");
        unknown(&fake, "clock_source", "not understood");
    }

    #[test]
    fn the_clock_is_right() {
        let fake = Fake::new("sync");
        unknown(&fake, "clock_sync", "no chrony; timedatectl is not installed");
        let systemd = "timedatectl show -p NTPSynchronized";
        fake.program(systemd, "NTPSynchronized=yes\n");
        ok(&fake, "clock_sync", "yes, how well is not known");
        fake.program(systemd, "NTPSynchronized=no\n");
        warns(&fake, "clock_sync", "no", "nothing known to systemd");
        fake.program(systemd, "what?\n");
        unknown(&fake, "clock_sync", "not understood");
        let chrony = |offset: &str, leap: &str| {
            let row = format!(
                "A9FEA97B,169.254.169.123,4,1700000000.0,{offset},0.000001,0.00001,1.5,0.0,0.02,\
                 0.0004,0.0003,16.1,{leap}\n"
            );
            fake.program("chronyc -c tracking", &row);
        };
        chrony("-0.0001", "Normal");
        ok(&fake, "clock_sync", "within 0.600 ms");
        chrony("0.002", "Normal");
        assert!(warns(&fake, "clock_sync", "within 2.500 ms", "1 ms").fix.is_some());
        chrony("-0.2", "Normal");
        fails(&fake, "clock_sync", "within 200.500 ms", "1 ms");
        chrony("0.0", "Not synchronised");
        fails(&fake, "clock_sync", "not synchronised", "no server");
        for garbage in ["", "a,b,c", "1,2,3,4,NaN,6,7,8,9,10,1,1,13,Normal"] {
            fake.program("chronyc -c tracking", garbage);
            unknown(&fake, "clock_sync", "not understood");
        }
    }

    #[test]
    fn hardware_clocks_are_shown() {
        let fake = Fake::new("ptp");
        unknown(&fake, "ptp", "has none");
        fake.add("/sys/class/ptp/ptp0/clock_name", "ena-ptp-05\n");
        ok(&fake, "ptp", "ptp0 (ena-ptp-05)");
    }

    #[test]
    fn stolen_time_is_told() {
        let fake = Fake::new("steal");
        unknown(&fake, "steal", "does not have it");
        let stat = |steal: u64| {
            fake.add("/proc/stat", &format!("cpu  50 0 50 {} 0 0 0 {steal} 0 0\n", 99_900 - steal));
        };
        stat(0);
        ok(&fake, "steal", "0.000 % since boot");
        stat(100);
        warns(&fake, "steal", "0.100 % since boot", "taken away");
        stat(5_000);
        fails(&fake, "steal", "5.000 % since boot", "taken away");
        for garbage in ["cpu  1 2 3\n", "intr 5\n", "cpu  a b c d e f g h\n"] {
            fake.add("/proc/stat", garbage);
            unknown(&fake, "steal", "not understood");
        }
    }

    #[test]
    fn kernel_and_mitigations_are_shown() {
        let fake = Fake::new("kernel");
        unknown(&fake, "kernel", "does not have it");
        fake.add("/proc/sys/kernel/osrelease", "6.18.1\n");
        ok(&fake, "kernel", "6.18.1");
        fake.add("/proc/sys/kernel/version", "#1 SMP PREEMPT_RT Fri\n");
        fake.add("/sys/kernel/realtime", "1\n");
        ok(&fake, "kernel", "6.18.1 PREEMPT_RT, real-time");
        unknown(&fake, "mitigations", "does not say");
        let folder = "/sys/devices/system/cpu/vulnerabilities";
        fake.add(&format!("{folder}/a"), "Vulnerable: no microcode");
        fake.add(&format!("{folder}/b"), "Mitigation: PTI; x").add(&format!("{folder}/c"), "?");
        fake.add(&format!("{folder}/d"), "Not affected")
            .add(&format!("{folder}/e"), "Not affected");
        ok(&fake, "mitigations", "1 on, 1 open, 2 not needed");
    }

    #[test]
    fn tuned_does_not_undo_it() {
        let fake = Fake::new("tuned");
        let path = "/etc/tuned/active_profile";
        unknown(&fake, "tuned", "does not have it");
        fake.add(path, "cpu-partitioning\n");
        ok(&fake, "tuned", "cpu-partitioning");
        fake.add(path, "balanced\n");
        let fix = warns(&fake, "tuned", "balanced", "should be network-latency").fix.unwrap();
        assert_eq!(fix.changes[0].undo.to_string(), "tuned-adm profile balanced");
        assert!(fix.survives_reboot);
        fake.add(path, "$(reboot)");
        unknown(&fake, "tuned", "not understood");
    }
}
