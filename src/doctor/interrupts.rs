//! What interrupts the CPUs of the threads: devices, their helpers in the kernel, watchdogs.

#![forbid(unsafe_code)]

use super::host::{among, parse_mask, show_cpus, show_mask, some_cpus, without};
use super::tasks::process_named;
use super::{Check, Fix, Look, Seen};
use crate::bench::strict_cpu_list;

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "interrupts",
        title: "interrupts of devices",
        why: "each takes a CPU away for some microseconds",
        look: interrupts,
    },
    Check {
        name: "new_interrupts",
        title: "interrupts of new devices",
        why: "a device that comes up later gets its interrupts there",
        look: new_interrupts,
    },
    Check {
        name: "irqbalance",
        title: "irqbalance",
        why: "it moves interrupts back to CPUs that were freed of them",
        look: irqbalance,
    },
    Check {
        name: "steering",
        title: "receive steering",
        why: "the kernel then works on other CPUs' packets there",
        look: steering,
    },
    Check {
        name: "workqueues",
        title: "kernel workqueues",
        why: "work of the kernel that is bound to no CPU runs there",
        look: |look| mask(look, "/sys/devices/virtual/workqueue/cpumask"),
    },
    Check {
        name: "writeback",
        title: "writeback threads",
        why: "what is written to disks is carried there",
        look: |look| mask(look, "/sys/bus/workqueue/devices/writeback/cpumask"),
    },
    Check {
        name: "watchdog",
        title: "watchdog",
        why: "it wakes a thread of the highest priority every few seconds on each of its CPUs",
        look: watchdog,
    },
];

const IRQ: &str = "/proc/irq";

/// CPUs on which an interrupt really arrives, else those on which it may.
fn arrives_at(look: &Look, irq: &str) -> Option<Vec<usize>> {
    let list = |name: &str| {
        let text = look.host.text(&format!("{IRQ}/{irq}/{name}")).ok()?;
        strict_cpu_list(&text).filter(|cpus| !cpus.is_empty())
    };
    list("effective_affinity_list").or_else(|| list("smp_affinity_list"))
}

/// Interrupts of a network card.
fn of_card(look: &Look, irq: &str) -> bool {
    let has =
        |name: &String| look.host.has(&format!("/sys/class/net/{name}/device/msi_irqs/{irq}"));
    look.host.interfaces().iter().any(has)
}

fn interrupts(look: &Look) -> Result<Seen, Seen> {
    let all = format!("{IRQ}/N/smp_affinity_list");
    let hot = look.hot(&all)?;
    let online = look.host.cpus("/sys/devices/system/cpu/online").unwrap_or_default();
    let irqs: Vec<String> =
        look.host.names(IRQ).into_iter().filter(|name| name.parse::<u32>().is_ok()).collect();
    let mut known = 0;
    let (mut there, mut changes, mut cards) = (Vec::new(), Vec::new(), false);
    for irq in &irqs {
        let Some(cpus) = arrives_at(look, irq) else { continue };
        known += 1;
        if among(&cpus, hot).is_empty() {
            continue;
        }
        there.push(irq.as_str());
        cards |= of_card(look, irq);
        let path = format!("{IRQ}/{irq}/smp_affinity_list");
        let Ok(was) = look.host.text(&path) else { continue };
        let allowed = strict_cpu_list(&was).unwrap_or_default();
        let rest = Some(without(&allowed, hot)).filter(|rest| !rest.is_empty());
        let rest = rest.unwrap_or_else(|| without(&online, hot));
        if !rest.is_empty() {
            changes.push((path, was, show_cpus(&rest)));
        }
    }
    if known == 0 {
        return Err(Seen::unknown(all, "no interrupt says where it arrives"));
    }
    if there.is_empty() {
        return Ok(Seen::ok(all, format!("none of {known} on CPUs {}", show_cpus(hot))));
    }
    let value = format!("{} of {known} on CPUs {}", there.len(), show_cpus(hot));
    let card = if cards { ", the network card's among them" } else { "" };
    let why = format!("interrupts {} arrive there{card}", there.join(", "));
    let fix = Fix::writes(changes);
    let seen = Seen::warn(all, value, why);
    Ok(if fix.changes.is_empty() { seen } else { seen.with(fix) })
}

/// A mask of CPUs that should not hold those of the threads.
fn mask(look: &Look, path: &str) -> Result<Seen, Seen> {
    let text = look.host.need(path)?;
    let cpus = parse_mask(&text).ok_or_else(|| Seen::garbled(path, &text))?;
    let hot = look.hot(path)?;
    let there = among(&cpus, hot);
    if there.is_empty() {
        return Ok(Seen::ok(path, some_cpus(&cpus)));
    }
    let seen = Seen::warn(path, some_cpus(&cpus), format!("it names CPUs {}", show_cpus(&there)));
    let rest = without(&cpus, hot);
    if rest.is_empty() {
        return Ok(
            seen.with(Fix::by_hand("leave a CPU to the rest of the host: the threads have all"))
        );
    }
    Ok(seen.with(Fix::write(path, &text, &show_mask(&rest))))
}

fn new_interrupts(look: &Look) -> Result<Seen, Seen> {
    mask(look, "/proc/irq/default_smp_affinity")
}

fn irqbalance(look: &Look) -> Result<Seen, Seen> {
    const OPTIONS: &str = "/etc/default/irqbalance";
    match process_named(look.host, "irqbalance") {
        None => return Err(Seen::unknown("/proc/*/comm", "no process can be seen")),
        Some(false) => return Ok(Seen::ok("/proc/*/comm", "not running")),
        Some(true) => {}
    }
    let hot = look.hot(OPTIONS)?;
    let options = look.host.text(OPTIONS).unwrap_or_default();
    let list = options.lines().find_map(|line| {
        line.trim().strip_prefix("IRQBALANCE_BANNED_CPULIST=").map(|text| text.trim_matches('"'))
    });
    let banned =
        strict_cpu_list(list.unwrap_or("")).ok_or_else(|| Seen::garbled(OPTIONS, &options))?;
    let missing = without(hot, &banned);
    if missing.is_empty() {
        return Ok(Seen::ok(OPTIONS, format!("running, kept off CPUs {}", show_cpus(&banned))));
    }
    let why = format!("it is not kept off CPUs {}", show_cpus(&missing));
    let fix = Fix::run("systemctl stop irqbalance", "systemctl start irqbalance")
        .and_by_hand(format!("or set IRQBALANCE_BANNED_CPULIST={} in {OPTIONS}", show_cpus(hot)));
    Ok(Seen::warn(OPTIONS, "running", why).with(fix))
}

fn steering(look: &Look) -> Result<Seen, Seen> {
    let all = "/sys/class/net/IF/queues/rx-*/rps_cpus".to_owned();
    let hot = look.hot(&all)?;
    let mut queues = 0;
    let (mut there, mut changes) = (Vec::new(), Vec::new());
    for interface in look.host.interfaces() {
        let folder = format!("/sys/class/net/{interface}/queues");
        for queue in look.host.names(&folder).iter().filter(|name| name.starts_with("rx-")) {
            let path = format!("{folder}/{queue}/rps_cpus");
            let text = look.host.need(&path)?;
            let cpus = parse_mask(&text).ok_or_else(|| Seen::garbled(&path, &text))?;
            queues += 1;
            if !among(&cpus, hot).is_empty() {
                there.push(format!("{interface} {queue}"));
                changes.push((path, text, show_mask(&without(&cpus, hot))));
            }
        }
    }
    match (queues, there.is_empty()) {
        (0, _) => Err(Seen::unknown(all, "no receive queue can be seen")),
        (_, true) => Ok(Seen::ok(all, format!("none of {queues} queues to them"))),
        _ => {
            let why = format!("CPUs {} are among their CPUs", show_cpus(hot));
            Ok(Seen::warn(all, there.join(", "), why).with(Fix::writes(changes)))
        }
    }
}

fn watchdog(look: &Look) -> Result<Seen, Seen> {
    const ON: &str = "/proc/sys/kernel/watchdog";
    const CPUS: &str = "/proc/sys/kernel/watchdog_cpumask";
    if look.host.number(ON)? == 0 {
        return Ok(Seen::ok(ON, "off"));
    }
    let cpus = look.host.cpus(CPUS)?;
    let hot = look.hot(CPUS)?;
    let there = among(&cpus, hot);
    if there.is_empty() {
        return Ok(Seen::ok(CPUS, format!("on CPUs {}", some_cpus(&cpus))));
    }
    let seen = Seen::warn(
        CPUS,
        format!("on CPUs {}", some_cpus(&cpus)),
        format!("it runs on CPUs {}", show_cpus(&there)),
    );
    let rest = without(&cpus, hot);
    // Without a CPU left it is switched off.
    Ok(seen.with(if rest.is_empty() {
        Fix::write(ON, "1", "0")
    } else {
        Fix::write(CPUS, &show_cpus(&cpus), &show_cpus(&rest))
    }))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Fake, ok, unknown, warns};

    #[test]
    fn interrupts_arrive_elsewhere() {
        let fake = Fake::new("interrupts").hot(&[2]);
        unknown(&fake, "interrupts", "no interrupt says");
        fake.add("/sys/devices/system/cpu/online", "0-3");
        fake.add("/proc/irq/24/smp_affinity_list", "0-3");
        fake.add("/proc/irq/24/effective_affinity_list", "1");
        fake.add("/proc/irq/25/smp_affinity_list", "0-1");
        ok(&fake, "interrupts", "none of 2 on CPUs 2");
        fake.add("/proc/irq/24/effective_affinity_list", "2");
        fake.add("/proc/irq/9/smp_affinity_list", "2");
        let seen = warns(&fake, "interrupts", "2 of 3 on CPUs 2", "interrupts 9, 24 arrive there;");
        let commands: Vec<String> =
            seen.fix.unwrap().changes.iter().map(|change| change.act.to_string()).collect();
        assert_eq!(
            commands,
            [
                "echo 0-1,3 > /proc/irq/9/smp_affinity_list",
                "echo 0-1,3 > /proc/irq/24/smp_affinity_list"
            ]
        );
        fake.add("/sys/class/net/eth0/device/msi_irqs/24", "");
        warns(&fake, "interrupts", "2 of 3 on CPUs 2", "the network card's among them");
        // A file that nobody understands is not counted.
        for irq in [9, 24, 25] {
            fake.add(&format!("/proc/irq/{irq}/smp_affinity_list"), "?");
        }
        fake.remove("/proc/irq/24/effective_affinity_list");
        unknown(&fake, "interrupts", "no interrupt says");
    }

    #[test]
    fn masks_leave_the_threads_cpus_out() {
        for (name, path) in [
            ("new_interrupts", "/proc/irq/default_smp_affinity"),
            ("workqueues", "/sys/devices/virtual/workqueue/cpumask"),
            ("writeback", "/sys/bus/workqueue/devices/writeback/cpumask"),
        ] {
            let fake = Fake::new(&format!("mask-{name}")).hot(&[2]);
            unknown(&fake, name, "does not have it");
            fake.add(path, "3\n");
            ok(&fake, name, "0-1");
            fake.add(path, "f\n");
            let fix = warns(&fake, name, "0-3", "it names CPUs 2").fix.unwrap();
            assert_eq!(fix.changes[0].act.to_string(), format!("echo b > {path}"));
            assert_eq!(fix.changes[0].undo.to_string(), format!("echo f > {path}"));
            fake.add(path, "4");
            let fix = warns(&fake, name, "2", "it names CPUs 2").fix.unwrap();
            assert!(fix.changes.is_empty() && fix.by_hand.unwrap().starts_with("leave a CPU"));
            fake.add(path, "0-3");
            unknown(&fake, name, "not understood");
        }
    }

    #[test]
    fn irqbalance_is_stopped_or_told() {
        let fake = Fake::new("irqbalance").hot(&[2, 3]);
        unknown(&fake, "irqbalance", "no process can be seen");
        fake.add("/proc/1/comm", "init\n");
        ok(&fake, "irqbalance", "not running");
        fake.add("/proc/77/comm", "irqbalance\n");
        let fix = warns(&fake, "irqbalance", "running", "not kept off CPUs 2-3").fix.unwrap();
        assert_eq!(fix.changes[0].act.to_string(), "systemctl stop irqbalance");
        assert_eq!(fix.changes[0].undo.to_string(), "systemctl start irqbalance");
        fake.add("/etc/default/irqbalance", "# x\nIRQBALANCE_BANNED_CPULIST=\"2-5\"\n");
        ok(&fake, "irqbalance", "running, kept off CPUs 2-5");
        fake.add("/etc/default/irqbalance", "IRQBALANCE_BANNED_CPULIST=2\n");
        warns(&fake, "irqbalance", "running", "not kept off CPUs 3");
        fake.add("/etc/default/irqbalance", "IRQBALANCE_BANNED_CPULIST=all\n");
        unknown(&fake, "irqbalance", "not understood");
    }

    #[test]
    fn packets_of_others_are_not_steered_to_the_threads() {
        let fake = Fake::new("steering").hot(&[2]);
        unknown(&fake, "steering", "no receive queue");
        let path = "/sys/class/net/eth0/queues/rx-0/rps_cpus";
        fake.add("/sys/class/net/eth0/device/vendor", "x").add(path, "00000000,00000003");
        ok(&fake, "steering", "none of 1 queues to them");
        fake.add(path, "6");
        let fix = warns(&fake, "steering", "eth0 rx-0", "CPUs 2 are among").fix.unwrap();
        assert_eq!(fix.changes[0].act.to_string(), format!("echo 2 > {path}"));
        fake.add(path, "none");
        unknown(&fake, "steering", "not understood");
    }

    #[test]
    fn the_watchdog_is_off_or_elsewhere() {
        let fake = Fake::new("watchdog").hot(&[2]);
        unknown(&fake, "watchdog", "does not have it");
        fake.add("/proc/sys/kernel/watchdog", "0");
        ok(&fake, "watchdog", "off");
        fake.add("/proc/sys/kernel/watchdog", "1");
        unknown(&fake, "watchdog", "does not have it");
        let cpus = "/proc/sys/kernel/watchdog_cpumask";
        fake.add(cpus, "0-1");
        ok(&fake, "watchdog", "on CPUs 0-1");
        fake.add(cpus, "0-3");
        let fix = warns(&fake, "watchdog", "on CPUs 0-3", "it runs on CPUs 2").fix.unwrap();
        assert_eq!(fix.changes[0].act.to_string(), format!("echo 0-1,3 > {cpus}"));
        fake.add(cpus, "2");
        let fix = warns(&fake, "watchdog", "on CPUs 2", "it runs on CPUs 2").fix.unwrap();
        assert_eq!(fix.changes[0].act.to_string(), "echo 0 > /proc/sys/kernel/watchdog");
        fake.add(cpus, "?");
        unknown(&fake, "watchdog", "not understood");
        fake.add("/proc/sys/kernel/watchdog", "?");
        unknown(&fake, "watchdog", "not understood");
    }
}
