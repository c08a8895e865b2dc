//! What else runs on the CPUs of the threads, and how the threads of a running engine fare.

#![forbid(unsafe_code)]

use super::host::{among, show_cpus, without};
use super::{Change, Check, Fix, Host, Look, Seen, fix::Act};
use crate::bench::strict_cpu_list;

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "other_tasks",
        title: "other tasks there",
        why: "whatever runs on a thread's CPU delays it by whole time slices, milliseconds each",
        look: other_tasks,
    },
    Check {
        name: "rcu_threads",
        title: "threads of the clean-up",
        why: "moved from the threads' CPUs, the clean-up must not come back to them",
        look: rcu_threads,
    },
    Check {
        name: "engine_faults",
        title: "page faults, engine",
        why: "each is a microsecond, or a wait for the disk",
        look: |look| grown(look, |thread| thread.faults),
    },
    Check {
        name: "engine_switches",
        title: "taken off the CPU, engine",
        why: "a thread that has its CPU for itself is never taken off it",
        look: |look| grown(look, |thread| thread.switches),
    },
    Check {
        name: "realtime",
        title: "real-time throttling",
        why: "it stops a spinning real-time thread for 50 ms in every second; threads of the \
            engine are none unless someone makes them so",
        look: realtime,
    },
];

/// Flags of tasks: of the kernel, and not to be moved.
const OF_KERNEL: u64 = 0x0020_0000;
const BOUND: u64 = 0x0400_0000;

/// A thread of some process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Thread {
    id: u32,
    name: String,
    flags: u64,
    /// CPU that it ran on last.
    cpu: usize,
    /// 1 and 2 are real-time.
    policy: u64,
    /// Page faults, small and large.
    faults: u64,
    /// How often it was taken off its CPU.
    switches: u64,
    /// CPUs that it may use.
    allowed: Vec<usize>,
}

/// `stat` and `status` of a thread.
fn thread(id: u32, stat: &str, status: &str) -> Option<Thread> {
    // The name may hold spaces and brackets; the last bracket ends it.
    let (head, rest) = stat.rsplit_once(')')?;
    let name = head.split_once('(')?.1.to_owned();
    let words: Vec<&str> = rest.split_whitespace().collect();
    // Fields are numbered from 1 in proc(5), and the first word here is the third.
    let field = |number: usize| words.get(number - 3)?.parse::<u64>().ok();
    let row = |name: &str| {
        status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim))
    };
    Some(Thread {
        id,
        name,
        flags: field(9)?,
        cpu: field(39)? as usize,
        policy: field(41)?,
        faults: field(10)?.saturating_add(field(12)?),
        switches: row("nonvoluntary_ctxt_switches").and_then(|text| text.parse().ok()).unwrap_or(0),
        allowed: row("Cpus_allowed_list").and_then(strict_cpu_list).unwrap_or_default(),
    })
}

/// Threads of a process that can be read.
pub(super) fn threads(host: &Host, process: u32) -> Vec<Thread> {
    let folder = format!("/proc/{process}/task");
    let read = |id: &String| {
        let folder = format!("{folder}/{id}");
        let status = host.text(&format!("{folder}/status")).unwrap_or_default();
        thread(id.parse().ok()?, &host.text(&format!("{folder}/stat")).ok()?, &status)
    };
    host.names(&folder).iter().filter_map(read).collect()
}

fn processes(host: &Host) -> Vec<u32> {
    host.names("/proc").iter().filter_map(|name| name.parse().ok()).collect()
}

/// Whether a process of this name runs; `None` if none can be seen at all.
pub(super) fn process_named(host: &Host, name: &str) -> Option<bool> {
    let names: Vec<String> = processes(host)
        .iter()
        .filter_map(|process| host.text(&format!("/proc/{process}/comm")).ok())
        .collect();
    (!names.is_empty()).then(|| names.iter().any(|found| found == name))
}

fn other_tasks(look: &Look) -> Result<Seen, Seen> {
    const PATH: &str = "/proc/*/task/*/stat";
    let hot = look.hot(PATH)?;
    let own = [Some(std::process::id()), look.aim.engine];
    let (mut known, mut names) = (0, Vec::new());
    for process in processes(look.host) {
        if own.contains(&Some(process)) {
            continue;
        }
        for thread in threads(look.host, process) {
            known += 1;
            let is_bound = thread.flags & OF_KERNEL != 0 && thread.flags & BOUND != 0;
            if hot.contains(&thread.cpu) && !is_bound {
                names.push(thread.name);
            }
        }
    }
    if known == 0 {
        return Err(Seen::unknown(PATH, "no task can be seen"));
    }
    if names.is_empty() {
        return Ok(Seen::ok(PATH, format!("none of {known}")));
    }
    let count = names.len();
    names.sort();
    names.dedup();
    names.truncate(8);
    let value = format!("{count} of {known}");
    let why = format!("they ran last on CPUs {}: {}", show_cpus(hot), names.join(", "));
    let fix =
        Fix::by_hand("isolate the CPUs (see isolated), or keep services off them (AllowedCPUs=)");
    Ok(Seen::warn(PATH, value, why).with(fix))
}

fn rcu_threads(look: &Look) -> Result<Seen, Seen> {
    const PATH: &str = "/proc/*/status";
    let hot = look.hot(PATH)?;
    let mut found = 0;
    let mut there = Vec::new();
    for process in processes(look.host) {
        let Some(thread) = threads(look.host, process).into_iter().next() else { continue };
        if !thread.name.starts_with("rcuo") {
            continue;
        }
        found += 1;
        if !among(&thread.allowed, hot).is_empty() {
            there.push(thread);
        }
    }
    if found == 0 {
        return Err(Seen::unknown(PATH, "there are no such threads, or they cannot be seen"));
    }
    if there.is_empty() {
        return Ok(Seen::ok(PATH, format!("{found}, all elsewhere")));
    }
    let value = format!("{} of {found} may run there", there.len());
    let command =
        |cpus: &[usize], id: u32| Act::run(&format!("taskset -pc {} {id}", show_cpus(cpus)));
    let changes = there.iter().filter_map(|thread| {
        let rest = Some(without(&thread.allowed, hot)).filter(|rest| !rest.is_empty())?;
        Some(Change { act: command(&rest, thread.id), undo: command(&thread.allowed, thread.id) })
    });
    let to_keep = Some("the same commands in a service that runs at boot".to_owned());
    let fix = Fix { changes: changes.collect(), to_keep, ..Fix::default() };
    Ok(Seen::warn(PATH, value, format!("CPUs {} are among theirs", show_cpus(hot))).with(fix))
}

/// The threads of the running engine that are pinned.
fn pinned(look: &Look) -> Result<(String, Vec<Thread>), Seen> {
    let Some(engine) = look.aim.engine else {
        return Err(Seen::unknown("/proc/PID/task/*/status", "no engine runs"));
    };
    let path = format!("/proc/{engine}/task/*/status");
    let mut threads = threads(look.host, engine);
    threads.retain(|thread| thread.allowed.len() == 1 && look.aim.hot.contains(&thread.cpu));
    if threads.is_empty() {
        return Err(Seen::unknown(path, "none of its threads is pinned to these CPUs"));
    }
    Ok((path, threads))
}

/// A count of each pinned thread that should stand still.
fn grown(look: &Look, count: fn(&Thread) -> u64) -> Result<Seen, Seen> {
    let (path, threads) = pinned(look)?;
    let mut grown = Vec::new();
    for thread in &threads {
        let before = look.earlier.threads.iter().find(|before| before.id == thread.id);
        let more = before.map_or(0, |before| count(thread).saturating_sub(count(before)));
        if more > 0 {
            grown.push(format!("{} +{more}", thread.name));
        }
    }
    if grown.is_empty() {
        return Ok(Seen::ok(path, format!("none meanwhile in {} threads", threads.len())));
    }
    let fix = Fix::by_hand("mend what other_tasks, memory_locked and cpu_quota say");
    Ok(Seen::warn(path, grown.join(", "), "they grow while it trades").with(fix))
}

fn realtime(look: &Look) -> Result<Seen, Seen> {
    const PATH: &str = "/proc/sys/kernel/sched_rt_runtime_us";
    let runtime = look.host.number(PATH)?;
    if runtime < 0 {
        return Ok(Seen::ok(PATH, "off"));
    }
    let threads = pinned(look).map(|(_, threads)| threads).unwrap_or_default();
    let names: Vec<&str> = threads
        .iter()
        .filter(|thread| matches!(thread.policy, 1 | 2))
        .map(|thread| thread.name.as_str())
        .collect();
    let value = format!("{runtime} us in each second");
    if names.is_empty() {
        return Ok(Seen::ok(PATH, value));
    }
    let why = format!("threads {} are real-time", names.join(", "));
    Ok(super::fix::number(Seen::fail(PATH, value, why), runtime, -1))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Fake, fails, ok, unknown, warns};
    use super::super::{Aim, State};
    use super::*;

    /// Adds a thread of a process.
    fn add(fake: &Fake, process: u32, name: &str, cpu: usize, flags: u64, allowed: &str) {
        counted(fake, process, name, (cpu, flags, 0), (0, 0), allowed);
    }

    fn counted(
        fake: &Fake,
        process: u32,
        name: &str,
        (cpu, flags, policy): (usize, u64, u64),
        (faults, switches): (u64, u64),
        allowed: &str,
    ) {
        let zeros = |count: usize| vec!["0"; count].join(" ");
        // state, fields 4 to 8, flags, minflt, cminflt, majflt, up to 38, cpu, rt priority, policy
        let stat = format!(
            "{process} ({name}) S {} {flags} {faults} 0 1 {} {cpu} 0 {policy} 0",
            zeros(5),
            zeros(26)
        );
        fake.add(&format!("/proc/{process}/task/{process}/stat"), &stat);
        let status = format!(
            "Name:\t{name}\nCpus_allowed_list:\t{allowed}\nnonvoluntary_ctxt_switches:\t{switches}\n"
        );
        fake.add(&format!("/proc/{process}/task/{process}/status"), &status);
    }

    #[test]
    fn the_fields_are_those_of_a_real_kernel() {
        let host = Host::this();
        let own = threads(&host, std::process::id());
        assert!(!own.is_empty());
        let allowed = crate::agents::allowed_cpus();
        for thread in own {
            assert!(allowed.contains(&thread.cpu), "{thread:?}");
            assert!(thread.policy < 8 && thread.flags & OF_KERNEL == 0, "{thread:?}");
        }
        assert_eq!(thread(1, "1 (a) b) R", ""), None);
        assert_eq!(thread(1, "nothing", ""), None);
    }

    #[test]
    fn others_on_the_threads_cpus_are_named() {
        let fake = Fake::new("tasks").aim(Aim { hot: vec![2], engine: Some(50), ..Aim::default() });
        unknown(&fake, "other_tasks", "no task can be seen");
        fake.add("/proc/9/task/9/stat", "garbage");
        unknown(&fake, "other_tasks", "no task can be seen");
        add(&fake, 1, "init", 0, 0, "0-3");
        add(&fake, 50, "feed:a", 2, 0, "2");
        add(&fake, 20, "ksoftirqd/2", 2, OF_KERNEL | BOUND, "2");
        ok(&fake, "other_tasks", "none of 2");
        add(&fake, 21, "kworker/u8:0", 2, OF_KERNEL, "0-3");
        add(&fake, 22, "a (b) c", 2, 0, "0-3");
        let finding = warns(&fake, "other_tasks", "2 of 4", "on CPUs 2: a (b) c, kworker/u8:0");
        assert!(finding.fix.unwrap().by_hand.is_some());
        unknown(&fake.hot(&[]), "other_tasks", "no [[thread]] has a core");
    }

    #[test]
    fn the_clean_up_stays_away() {
        let fake = Fake::new("rcuo").hot(&[2]);
        add(&fake, 1, "init", 2, 0, "0-3");
        unknown(&fake, "rcu_threads", "there are no such threads");
        add(&fake, 15, "rcuop/2", 0, OF_KERNEL, "0-1");
        ok(&fake, "rcu_threads", "1, all elsewhere");
        add(&fake, 16, "rcuos/2", 0, OF_KERNEL, "0-3");
        let fix = warns(&fake, "rcu_threads", "1 of 2 may run there", "CPUs 2").fix.unwrap();
        assert_eq!(fix.changes[0].act.to_string(), "taskset -pc 0-1,3 16");
        assert_eq!(fix.changes[0].undo.to_string(), "taskset -pc 0-3 16");
    }

    #[test]
    fn faults_and_switches_of_pinned_threads_stand_still() {
        let engine = Aim { hot: vec![2], engine: Some(50), ..Aim::default() };
        let fake = Fake::new("engine").hot(&[2]);
        for name in ["engine_faults", "engine_switches"] {
            unknown(&fake, name, "no engine runs");
        }
        let fake = fake.aim(engine);
        for name in ["engine_faults", "engine_switches"] {
            unknown(&fake, name, "none of its threads is pinned");
        }
        counted(&fake, 50, "oms", (2, 0, 0), (100, 7), "2");
        for name in ["engine_faults", "engine_switches"] {
            ok(&fake, name, "none meanwhile in 1 threads");
        }
        let earlier = fake.earlier();
        counted(&fake, 50, "oms", (2, 0, 0), (103, 12), "2");
        for (name, value) in [("engine_faults", "oms +3"), ("engine_switches", "oms +5")] {
            let finding = fake.find_after(&earlier, name);
            assert_eq!((finding.state, finding.value.as_str()), (State::Warn, value));
        }
    }

    #[test]
    fn throttling_fails_only_where_a_thread_is_real_time() {
        let fake =
            Fake::new("realtime").aim(Aim { hot: vec![2], engine: Some(50), ..Aim::default() });
        let path = "/proc/sys/kernel/sched_rt_runtime_us";
        unknown(&fake, "realtime", "does not have it");
        fake.add(path, "950000");
        ok(&fake, "realtime", "950000 us in each second");
        counted(&fake, 50, "oms", (2, 0, 1), (0, 0), "2");
        let fix = fails(&fake, "realtime", "950000 us in each second", "threads oms").fix.unwrap();
        assert_eq!(fix.changes[0].act.to_string(), format!("echo -1 > {path}"));
        fake.add(path, "-1");
        ok(&fake, "realtime", "off");
        fake.add(path, "much");
        unknown(&fake, "realtime", "not understood");
    }
}
