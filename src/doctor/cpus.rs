//! Whether the CPUs of the threads are theirs alone.

#![forbid(unsafe_code)]

use super::host::{among, show_cpus, some_cpus, without};
use super::{Check, Fix, Look, Seen};
use crate::bench::strict_cpu_list;

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "isolated",
        title: "isolated CPUs",
        why: "other tasks are kept off isolated CPUs, so threads there are not interrupted by them",
        look: isolated,
    },
    Check {
        name: "nohz_full",
        title: "CPUs without timer tick",
        why: "the tick interrupts a thread 100 to 1000 times a second for some microseconds",
        look: tickless,
    },
    Check {
        name: "rcu_nocbs",
        title: "kernel clean-up moved",
        why: "else the kernel frees memory on the threads' CPUs whenever it likes",
        look: callbacks_moved,
    },
    Check {
        name: "allowed",
        title: "CPUs that we may use",
        why: "a thread that cannot be pinned stops the engine at its start",
        look: allowed,
    },
    Check {
        name: "cpu_quota",
        title: "limit of CPU time",
        why: "a spinning thread uses up any quota and is then stopped for tens of milliseconds",
        look: quota,
    },
    Check {
        name: "siblings",
        title: "other half of the core",
        why: "what runs on the same core takes up to half of its speed",
        look: siblings,
    },
    Check {
        name: "numa",
        title: "memory node",
        why: "memory and network cards of another node are some 100 ns further away",
        look: numa,
    },
];

const CPU: &str = "/sys/devices/system/cpu";
/// The CPUs that there are.
pub(super) const PRESENT: &str = "/sys/devices/system/cpu/present";
const ISOLATED: &str = "/sys/devices/system/cpu/isolated";
const TICKLESS: &str = "/sys/devices/system/cpu/nohz_full";
const COMMAND_LINE: &str = "/proc/cmdline";
const STATUS: &str = "/proc/self/status";
const CGROUPS: &str = "/proc/self/cgroup";

/// A list of CPUs that must hold those of the threads, and comes from a kernel parameter.
fn in_list(look: &Look, path: &str, list: &[usize], parameter: &str) -> Result<Seen, Seen> {
    let hot = look.hot(path)?;
    let missing = without(hot, list);
    if missing.is_empty() {
        return Ok(Seen::ok(path, some_cpus(list)));
    }
    let wanted = show_cpus(&[list, hot].concat());
    let why = format!("CPUs {} are not among them", show_cpus(&missing));
    Ok(Seen::warn(path, some_cpus(list), why).with(Fix::boot(&format!("{parameter}{wanted}"))))
}

fn isolated(look: &Look) -> Result<Seen, Seen> {
    let list = look.host.cpus(ISOLATED)?;
    in_list(look, ISOLATED, &list, "isolcpus=managed_irq,domain,")
}

fn tickless(look: &Look) -> Result<Seen, Seen> {
    let text = look.host.need(TICKLESS)?;
    // The kernel writes this where it could, but was not told to.
    let text = if text == "(null)" { String::new() } else { text };
    let list = strict_cpu_list(&text).ok_or_else(|| Seen::garbled(TICKLESS, &text))?;
    in_list(look, TICKLESS, &list, "nohz_full=")
}

/// `nohz_full=` moves them too.
fn callbacks_moved(look: &Look) -> Result<Seen, Seen> {
    let line = look.host.need(COMMAND_LINE)?;
    let mut list = look.host.cpus(TICKLESS).unwrap_or_default();
    for word in line.split_whitespace() {
        match word.split_once('=') {
            Some(("rcu_nocbs", "all")) => list.extend(look.aim.hot.iter()),
            Some(("rcu_nocbs", cpus)) => {
                list.extend(
                    strict_cpu_list(cpus).ok_or_else(|| Seen::garbled(COMMAND_LINE, word))?,
                );
            }
            None if word == "rcu_nocbs" => list.extend(look.aim.hot.iter()),
            _ => {}
        }
    }
    list.sort_unstable();
    list.dedup();
    if !line.contains('=') {
        return Err(Seen::garbled(COMMAND_LINE, &line));
    }
    in_list(look, COMMAND_LINE, &list, "rcu_nocbs=")
}

/// The folder of our control group of a kind, `""` for version 2, and those above it.
fn groups(look: &Look, kind: &str, mount: &str) -> Vec<String> {
    let text = look.host.text(CGROUPS).unwrap_or_default();
    let own = text.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':');
        let kinds = parts.nth(1)?;
        kinds.split(',').any(|found| found == kind).then(|| parts.next())?
    });
    let Some(own) = own else { return Vec::new() };
    let mut folders = vec![format!("{mount}{}", own.trim_end_matches('/'))];
    while let Some((above, _)) = folders[folders.len() - 1][mount.len()..].rsplit_once('/') {
        folders.push(format!("{mount}{above}"));
    }
    // In a container the path is the host's, and its own group is the mount itself.
    if folders.iter().all(|folder| folder != mount) {
        folders.push(mount.to_owned());
    }
    folders
}

fn allowed(look: &Look) -> Result<Seen, Seen> {
    if !look.aim.absent.is_empty() {
        let present = show_cpus(&look.host.cpus(PRESENT)?);
        let why = format!("this host has no CPUs {}", show_cpus(&look.aim.absent));
        let fix = format!("give the threads CPUs among {present} ([[thread]] core)");
        return Ok(Seen::fail(PRESENT, format!("{present} present"), why).with(Fix::by_hand(fix)));
    }
    let text = look.host.row(STATUS, "Cpus_allowed_list")?;
    let list = strict_cpu_list(&text).filter(|list| !list.is_empty());
    let list = list.ok_or_else(|| Seen::garbled(STATUS, &text))?;
    let hot = look.hot(STATUS)?;
    let missing = without(hot, &list);
    if missing.is_empty() {
        return Ok(Seen::ok(STATUS, show_cpus(&list)));
    }
    let v2 = groups(look, "", "/sys/fs/cgroup").into_iter();
    let v2 = v2.map(|folder| format!("{folder}/cpuset.cpus.effective"));
    let v1 = groups(look, "cpuset", "/sys/fs/cgroup/cpuset").into_iter();
    let v1 = v1.map(|folder| format!("{folder}/cpuset.effective_cpus"));
    let group = v2.chain(v1).find_map(|path| Some((look.host.cpus(&path).ok()?, path)));
    let by = match group {
        Some((cpus, path)) if !without(hot, &cpus).is_empty() => {
            format!("the control group's {path} has {}", show_cpus(&cpus))
        }
        _ => "the affinity of whoever started this is narrower".to_owned(),
    };
    let why = format!("CPUs {} are not among them: {by}", show_cpus(&missing));
    let cpus = show_cpus(hot);
    let fix = format!(
        "set AllowedCPUs={cpus} and CPUAffinity={cpus} in the service's unit, or start the container \
         with the cpuset {cpus}"
    );
    Ok(Seen::fail(STATUS, show_cpus(&list), why).with(Fix::by_hand(fix)))
}

const NO_QUOTA: &str = "take CPUQuota= out of the service's unit, or start the container without a CPU \
    limit; in Kubernetes ask for whole CPUs, with the Guaranteed class and the static CPU manager";

fn quota(look: &Look) -> Result<Seen, Seen> {
    let host = look.host;
    let v2 = groups(look, "", "/sys/fs/cgroup");
    let v1 = groups(look, "cpu", "/sys/fs/cgroup/cpu");
    let mut without_limit = None;
    let files = v2.iter().map(|folder| (folder, "cpu.max"));
    let files = files.chain(v1.iter().map(|folder| (folder, "cpu.cfs_quota_us")));
    for (folder, name) in files {
        let path = format!("{folder}/{name}");
        let Ok(text) = host.text(&path) else { continue };
        let limit = match text.split_whitespace().next().unwrap_or("") {
            "max" | "-1" => None,
            number => Some(number.parse::<u64>().map_err(|_| Seen::garbled(&path, &text))?),
        };
        if limit.is_none() {
            without_limit.get_or_insert(path);
            continue;
        }
        let stopped = host.text(&format!("{folder}/cpu.stat")).unwrap_or_default();
        let stopped = stopped.lines().find_map(|line| line.strip_prefix("nr_throttled "));
        let value = format!("{text} (stopped {} times)", stopped.unwrap_or("?"));
        let seen = Seen::fail(path, value, "this group's CPU time is limited");
        return Ok(seen.with(Fix::by_hand(NO_QUOTA)));
    }
    match without_limit {
        Some(path) => Ok(Seen::ok(path, "none")),
        None => Err(Seen::unknown(CGROUPS, "no control group says whether there is one")),
    }
}

fn siblings(look: &Look) -> Result<Seen, Seen> {
    let host = look.host;
    let all = format!("{CPU}/cpuN/topology/thread_siblings_list");
    let hot = look.hot(&all)?;
    let isolated = host.cpus(ISOLATED).unwrap_or_default();
    let (mut shared, mut open) = (Vec::new(), Vec::new());
    for cpu in hot {
        let path = all.replace('N', &cpu.to_string());
        let others = without(&host.cpus(&path)?, &[*cpu]);
        shared.extend(among(&others, hot));
        open.extend(without(&without(&others, hot), &isolated));
    }
    open.sort_unstable();
    open.dedup();
    if !shared.is_empty() {
        let why = format!("CPUs {} are halves of cores and both have threads", show_cpus(&shared));
        let fix = Fix::by_hand("give the threads CPUs of different cores ([[thread]] core)");
        return Ok(Seen::warn(all, format!("{} shared", show_cpus(&shared)), why).with(fix));
    }
    if open.is_empty() {
        return Ok(Seen::ok(all, "idle: there is none, or it is isolated or off"));
    }
    let why = format!("the scheduler runs other tasks on CPUs {}", show_cpus(&open));
    let path = |cpu: &usize| format!("{CPU}/cpu{cpu}/online");
    let off = open.iter().map(|cpu| (path(cpu), "1".to_owned(), "0".to_owned()));
    let fix = Fix::writes(off)
        .and_by_hand("or, for all CPUs, add nosmt to the kernel's command line, and boot");
    Ok(Seen::warn(all, format!("{} in use", show_cpus(&open)), why).with(fix))
}

fn numa(look: &Look) -> Result<Seen, Seen> {
    let host = look.host;
    const NODES: &str = "/sys/devices/system/node";
    let hot = look.hot(NODES)?;
    let mut nodes: Vec<(i64, Vec<usize>)> = Vec::new();
    for name in host.names(NODES) {
        let Some(number) = name.strip_prefix("node").and_then(|text| text.parse().ok()) else {
            continue;
        };
        nodes.push((number, host.cpus(&format!("{NODES}/{name}/cpulist"))?));
    }
    match nodes.as_slice() {
        [] => return Err(Seen::unknown(NODES, "this host does not have it")),
        [_] => return Ok(Seen::ok(NODES, "the host has one")),
        _ => {}
    }
    nodes.retain(|(_, cpus)| !among(cpus, hot).is_empty());
    let used: Vec<String> = nodes.iter().map(|(number, _)| number.to_string()).collect();
    let used = used.join(" and ");
    if nodes.len() > 1 {
        let fix = Fix::by_hand("give the threads CPUs of one node ([[thread]] core)");
        let why = "the threads hand everything over between nodes";
        return Ok(Seen::warn(NODES, format!("nodes {used}"), why).with(fix));
    }
    for interface in host.interfaces() {
        let path = format!("/sys/class/net/{interface}/device/numa_node");
        // -1: of no node.
        let Ok(node) = host.number(&path) else { continue };
        if node >= 0 && nodes.iter().all(|(number, _)| *number != node) {
            let value = format!("node {used}, {interface} on node {node}");
            let fix =
                Fix::by_hand(format!("give the threads CPUs of node {node} ([[thread]] core)"));
            return Ok(Seen::warn(path, value, format!("{interface} is on another node")).with(fix));
        }
    }
    Ok(Seen::ok(NODES, format!("node {used}")))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Fake, fails, ok, unknown, warns};
    use super::*;

    fn group_of(fake: &Fake, text: &str) {
        fake.add(CGROUPS, text);
    }

    #[test]
    fn isolated_cpus_hold_those_of_the_threads() {
        let fake = Fake::new("isolated").hot(&[2, 3]);
        unknown(&fake, "isolated", "does not have it");
        fake.add(ISOLATED, "1,2-3\n");
        ok(&fake, "isolated", "1-3");
        fake.add(ISOLATED, "2");
        let seen = warns(&fake, "isolated", "2", "CPUs 3 are not among them");
        let parameter = "isolcpus=managed_irq,domain,2-3";
        assert!(seen.fix.unwrap().by_hand.unwrap().ends_with(parameter));
        fake.add(ISOLATED, "\n");
        warns(&fake, "isolated", "none", "CPUs 2-3 are not among them");
        fake.add(ISOLATED, "2,x");
        unknown(&fake, "isolated", "not understood");
        fake.add(ISOLATED, "2-3");
        unknown(&fake.hot(&[]), "isolated", "no [[thread]] has a core");
    }

    #[test]
    fn the_tick_is_off_where_threads_run() {
        let fake = Fake::new("tick").hot(&[2]);
        unknown(&fake, "nohz_full", "does not have it");
        fake.add(TICKLESS, "(null)");
        let seen = warns(&fake, "nohz_full", "none", "CPUs 2 are not among them");
        assert!(seen.fix.unwrap().by_hand.unwrap().ends_with("nohz_full=2"));
        fake.add(TICKLESS, "2-3");
        ok(&fake, "nohz_full", "2-3");
        fake.add(TICKLESS, "??");
        unknown(&fake, "nohz_full", "not understood");
    }

    #[test]
    fn callbacks_are_moved_by_either_parameter() {
        let fake = Fake::new("rcu").hot(&[2, 3]);
        unknown(&fake, "rcu_nocbs", "does not have it");
        fake.add(COMMAND_LINE, "quiet root=/dev/sda rcu_nocbs=2-3\n");
        ok(&fake, "rcu_nocbs", "2-3");
        for all in ["a=b rcu_nocbs=all", "rcu_nocbs a=b"] {
            fake.add(COMMAND_LINE, all);
            ok(&fake, "rcu_nocbs", "2-3");
        }
        fake.add(COMMAND_LINE, "quiet root=/dev/sda rcu_nocbs=2");
        let seen = warns(&fake, "rcu_nocbs", "2", "CPUs 3 are not");
        assert!(seen.fix.unwrap().by_hand.unwrap().ends_with("rcu_nocbs=2-3"));
        fake.add(TICKLESS, "3");
        ok(&fake, "rcu_nocbs", "2-3");
        for garbage in ["root=a rcu_nocbs=x", "nothing that a kernel is started with"] {
            fake.add(COMMAND_LINE, garbage);
            unknown(&fake, "rcu_nocbs", "not understood");
        }
    }

    #[test]
    fn a_cpu_that_is_not_ours_fails_and_says_who_keeps_it() {
        let fake = Fake::new("allowed").hot(&[2]);
        unknown(&fake, "allowed", "does not have it");
        fake.add(STATUS, "Name:\tx\nCpus_allowed_list:\t0-3\n");
        ok(&fake, "allowed", "0-3");
        fake.add(STATUS, "Cpus_allowed_list:\t0-1\n");
        let seen = fails(&fake, "allowed", "0-1", "CPUs 2 are not among them: the affinity");
        assert!(seen.fix.unwrap().by_hand.unwrap().contains("AllowedCPUs="));
        group_of(&fake, "0::/a.slice/b\n");
        fake.add("/sys/fs/cgroup/a.slice/b/cpuset.cpus.effective", "0-1");
        fails(&fake, "allowed", "0-1", "/sys/fs/cgroup/a.slice/b/cpuset.cpus.effective has 0-1");
        group_of(&fake, "3:cpuset:/c\n");
        fake.add("/sys/fs/cgroup/cpuset/c/cpuset.effective_cpus", "1");
        fails(&fake, "allowed", "0-1", "cpuset.effective_cpus has 1");
        fake.add(STATUS, "Cpus_allowed_list:\tall\n");
        unknown(&fake, "allowed", "not understood");
        fake.add(STATUS, "Name: x\n");
        unknown(&fake, "allowed", "no row");
    }

    #[test]
    fn a_quota_of_our_group_or_one_above_fails() {
        let fake = Fake::new("quota");
        unknown(&fake, "cpu_quota", "no control group");
        group_of(&fake, "0::/a/b\n");
        unknown(&fake, "cpu_quota", "no control group");
        fake.add("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
        ok(&fake, "cpu_quota", "none");
        fake.add("/sys/fs/cgroup/a/cpu.max", "150000 100000\n");
        fails(&fake, "cpu_quota", "150000 100000 (stopped ? times)", "limited");
        fake.add("/sys/fs/cgroup/a/cpu.stat", "usage_usec 5\nnr_throttled 7\n");
        let seen = fails(&fake, "cpu_quota", "150000 100000 (stopped 7 times)", "limited");
        assert_eq!(seen.path, "/sys/fs/cgroup/a/cpu.max");
        assert!(seen.fix.unwrap().by_hand.unwrap().contains("CPUQuota="));
        fake.add("/sys/fs/cgroup/a/cpu.max", "lots");
        unknown(&fake, "cpu_quota", "not understood");
        // Version 1, in a container: the group is the mount itself.
        group_of(&fake, "4:cpu,cpuacct:/docker/123\n");
        fake.add("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
        ok(&fake, "cpu_quota", "none");
        fake.add("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "50000\n");
        fails(&fake, "cpu_quota", "50000 (stopped ? times)", "limited");
    }

    #[test]
    fn the_other_half_of_a_core_is_idle_or_told_of() {
        let fake = Fake::new("siblings").hot(&[2]);
        unknown(&fake, "siblings", "does not have it");
        let siblings = |cpu: usize, text: &str| {
            fake.add(&format!("{CPU}/cpu{cpu}/topology/thread_siblings_list"), text);
        };
        siblings(2, "2");
        ok(&fake, "siblings", "idle: there is none, or it is isolated or off");
        siblings(2, "2,6");
        let seen = warns(&fake, "siblings", "6 in use", "other tasks on CPUs 6");
        let change = &seen.fix.unwrap().changes[0];
        assert_eq!(change.act.to_string(), format!("echo 0 > {CPU}/cpu6/online"));
        assert_eq!(change.undo.to_string(), format!("echo 1 > {CPU}/cpu6/online"));
        fake.add(ISOLATED, "2,6");
        ok(&fake, "siblings", "idle: there is none, or it is isolated or off");
        siblings(6, "2,6");
        let fake = fake.hot(&[2, 6]);
        warns(&fake, "siblings", "2,6 shared", "both have threads");
        fake.add(&format!("{CPU}/cpu2/topology/thread_siblings_list"), "two");
        unknown(&fake, "siblings", "not understood");
    }

    #[test]
    fn threads_and_network_card_share_a_node() {
        let fake = Fake::new("numa").hot(&[2, 3]);
        unknown(&fake, "numa", "does not have it");
        let node = |number: usize, cpus: &str| {
            fake.add(&format!("/sys/devices/system/node/node{number}/cpulist"), cpus);
        };
        node(0, "0-3");
        ok(&fake, "numa", "the host has one");
        node(1, "4-7");
        ok(&fake, "numa", "node 0");
        let card = "/sys/class/net/eth0/device/numa_node";
        fake.add(card, "-1");
        ok(&fake, "numa", "node 0");
        fake.add(card, "1");
        let seen = warns(&fake, "numa", "node 0, eth0 on node 1", "eth0 is on another node");
        assert!(seen.fix.unwrap().by_hand.unwrap().contains("node 1"));
        fake.add(card, "0");
        ok(&fake, "numa", "node 0");
        node(0, "0-2");
        node(1, "3-7");
        warns(&fake, "numa", "nodes 0 and 1", "between nodes");
        node(1, "x");
        unknown(&fake, "numa", "not understood");
    }
}
