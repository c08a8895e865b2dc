//! A made host for the tests of the checks, and what they expect of one check.

#![forbid(unsafe_code)]

use super::{Aim, Earlier, Finding, Host, Look, Probes, State};
use std::fs;
use std::path::PathBuf;

/// Every file that a check reads, of CPU 2, card `eth0` and engine 7.
pub(super) const ALL_FILES: &[&str] = &[
    "/etc/default/irqbalance",
    "/etc/tuned/active_profile",
    "/proc/1/comm",
    "/proc/1/task/1/stat",
    "/proc/1/task/1/status",
    "/proc/7/task/7/stat",
    "/proc/7/task/7/status",
    "/proc/8/comm",
    "/proc/cmdline",
    "/proc/cpuinfo",
    "/proc/irq/24/effective_affinity_list",
    "/proc/irq/24/smp_affinity_list",
    "/proc/irq/default_smp_affinity",
    "/proc/meminfo",
    "/proc/mounts",
    "/proc/net/snmp",
    "/proc/net/softnet_stat",
    "/proc/self/cgroup",
    "/proc/self/limits",
    "/proc/self/status",
    "/proc/stat",
    "/proc/swaps",
    "/proc/sys/kernel/core_pattern",
    "/proc/sys/kernel/nmi_watchdog",
    "/proc/sys/kernel/numa_balancing",
    "/proc/sys/kernel/osrelease",
    "/proc/sys/kernel/sched_rt_runtime_us",
    "/proc/sys/kernel/timer_migration",
    "/proc/sys/kernel/version",
    "/proc/sys/kernel/watchdog",
    "/proc/sys/kernel/watchdog_cpumask",
    "/proc/sys/net/core/busy_read",
    "/proc/sys/net/ipv4/tcp_autocorking",
    "/proc/sys/net/ipv4/tcp_congestion_control",
    "/proc/sys/net/ipv4/tcp_mtu_probing",
    "/proc/sys/net/ipv4/tcp_rmem",
    "/proc/sys/net/ipv4/tcp_slow_start_after_idle",
    "/proc/sys/net/ipv4/tcp_wmem",
    "/proc/sys/vm/compaction_proactiveness",
    "/proc/sys/vm/stat_interval",
    "/proc/sys/vm/swappiness",
    "/sys/bus/workqueue/devices/writeback/cpumask",
    "/sys/class/net/eth0/device/numa_node",
    "/sys/class/net/eth0/queues/rx-0/rps_cpus",
    "/sys/class/net/eth0/statistics/rx_dropped",
    "/sys/class/net/eth0/statistics/rx_missed_errors",
    "/sys/class/ptp/ptp0/clock_name",
    "/sys/devices/system/clocksource/clocksource0/available_clocksource",
    "/sys/devices/system/clocksource/clocksource0/current_clocksource",
    "/sys/devices/system/cpu/cpu2/cpufreq/energy_performance_preference",
    "/sys/devices/system/cpu/cpu2/cpufreq/scaling_governor",
    "/sys/devices/system/cpu/cpu2/cpuidle/state0/disable",
    "/sys/devices/system/cpu/cpu2/cpuidle/state0/latency",
    "/sys/devices/system/cpu/cpu2/cpuidle/state0/name",
    "/sys/devices/system/cpu/cpu2/topology/thread_siblings_list",
    "/sys/devices/system/cpu/cpufreq/boost",
    "/sys/devices/system/cpu/intel_uncore_frequency/package_00/max_freq_khz",
    "/sys/devices/system/cpu/intel_uncore_frequency/package_00/min_freq_khz",
    "/sys/devices/system/cpu/isolated",
    "/sys/devices/system/cpu/nohz_full",
    "/sys/devices/system/cpu/online",
    "/sys/devices/system/cpu/vulnerabilities/spectre",
    "/sys/devices/system/node/node0/cpulist",
    "/sys/devices/virtual/workqueue/cpumask",
    "/sys/kernel/mm/ksm/run",
    "/sys/kernel/mm/transparent_hugepage/defrag",
    "/sys/kernel/mm/transparent_hugepage/enabled",
    "/sys/kernel/realtime",
    "/programs/chronyc -c tracking",
    "/programs/ethtool -c eth0",
    "/programs/ethtool -k eth0",
    "/programs/ethtool -T eth0",
    "/programs/timedatectl show -p NTPSynchronized",
];

/// A made root. Outputs of programs are files in `programs/` that are named like the command.
pub(super) struct Fake {
    root: PathBuf,
    aim: Aim,
    probes: Probes,
}

impl Fake {
    pub(super) fn new(name: &str) -> Self {
        let root = std::env::temp_dir().join(format!("stoop-doctor-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(&root).unwrap();
        Self { root, aim: Aim::default(), probes: Probes::default() }
    }

    pub(super) fn hot(mut self, cpus: &[usize]) -> Self {
        self.aim.hot = cpus.to_vec();
        self
    }

    pub(super) fn aim(mut self, aim: Aim) -> Self {
        self.aim = aim;
        self
    }

    pub(super) fn probes(mut self, probes: Probes) -> Self {
        self.probes = probes;
        self
    }

    pub(super) fn add(&self, path: &str, text: &str) -> &Self {
        let path = self.root.join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    pub(super) fn program(&self, command: &str, prints: &str) -> &Self {
        self.add(&format!("/programs/{}", command.replace('/', "|")), prints)
    }

    pub(super) fn link(&self, path: &str, target: &str) -> &Self {
        let path = self.root.join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(target, path).unwrap();
        self
    }

    pub(super) fn remove(&self, path: &str) -> &Self {
        let _ = fs::remove_dir_all(self.root.join(path.trim_start_matches('/')));
        let _ = fs::remove_file(self.root.join(path.trim_start_matches('/')));
        self
    }

    pub(super) fn text(&self, path: &str) -> String {
        fs::read_to_string(self.root.join(path.trim_start_matches('/'))).unwrap()
    }

    pub(super) fn host(&self) -> Host {
        Host::at(self.root.clone(), |root, words| {
            let name = words.join(" ").replace('/', "|");
            fs::read_to_string(root.join("programs").join(name))
                .map_err(|_| format!("{} is not installed", words[0]))
        })
    }

    /// What a check finds after `earlier`.
    pub(super) fn find_after(&self, earlier: &Earlier, name: &str) -> Finding {
        let host = self.host();
        let look = Look { host: &host, aim: &self.aim, earlier, probes: &self.probes };
        let mut all = super::CHECKS.iter().flat_map(|group| group.iter());
        let check = all.find(|check| check.name == name).expect("a check of this name");
        super::found(check, &look)
    }

    /// What a check finds where nothing has changed meanwhile.
    pub(super) fn find(&self, name: &str) -> Finding {
        self.find_after(&self.earlier(), name)
    }

    pub(super) fn earlier(&self) -> Earlier {
        Earlier::take(&self.host(), &self.aim)
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

fn expect(fake: &Fake, name: &str, state: State, value: &str, reason: &str) -> Finding {
    let finding = fake.find(name);
    assert_eq!((finding.state, finding.value.as_str()), (state, value), "{finding:?}");
    assert!(finding.reason.contains(reason), "{finding:?}");
    assert!(!finding.path.is_empty(), "{finding:?}");
    if let Some(text) = finding.fix.as_ref().and_then(|fix| fix.by_hand.as_deref()) {
        let told = text.trim_start_matches("or, for all CPUs, ").trim_start_matches("or ");
        let first = told.split(' ').next().unwrap();
        assert!(DEEDS.contains(&first), "it says what to do: {text:?}");
    }
    finding
}

/// What a person can be told to do begins with one of these.
const DEEDS: &[&str] = &[
    "add", "ask", "give", "isolate", "leave", "mend", "mount", "move", "open", "raise", "remove",
    "run", "set", "take",
];

pub(super) fn ok(fake: &Fake, name: &str, value: &str) -> Finding {
    let finding = expect(fake, name, State::Ok, value, "");
    assert_eq!(finding.fix, None);
    finding
}

pub(super) fn warns(fake: &Fake, name: &str, value: &str, reason: &str) -> Finding {
    expect(fake, name, State::Warn, value, reason)
}

pub(super) fn fails(fake: &Fake, name: &str, value: &str, reason: &str) -> Finding {
    expect(fake, name, State::Fail, value, reason)
}

pub(super) fn unknown(fake: &Fake, name: &str, reason: &str) -> Finding {
    let finding = expect(fake, name, State::Unknown, "", reason);
    assert_eq!(finding.fix, None);
    finding
}
