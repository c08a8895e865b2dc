//! What the figures were measured on, and what makes them unreliable.
//!
//! Reads files only, under a root that a test may put elsewhere. What the host does not tell (many
//! files are absent in a virtual machine) is `None` or empty, never a failure.

use super::Timer;
use serde::Serialize;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Load of the last minute above which figures move.
const LOAD_MAX: f64 = 0.5;
/// Share of the time above which a sibling counts as busy.
const BUSY_MIN: f64 = 0.1;

/// The machine, and this program's place on it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Host {
    /// `model name` of the first CPU.
    pub cpu_model: String,
    /// CPUs that are online.
    pub cpus: usize,
    /// Those that this process may use.
    pub allowed: Vec<usize>,
    /// Frequency governor by CPU, where there is one.
    pub governors: BTreeMap<usize, String>,
    /// CPUs that the scheduler leaves alone.
    pub isolated: Vec<usize>,
    /// CPUs without timer tick.
    pub nohz_full: Vec<usize>,
    /// CPUs of the same core, the CPU itself included, by CPU.
    pub siblings: BTreeMap<usize, Vec<usize>>,
    /// Share of the time in which each CPU was busy while it was watched.
    pub busy: BTreeMap<usize, f64>,
    /// Clock source of the kernel.
    pub clock_source: Option<String>,
    /// Name of the hypervisor, if there is one.
    pub hypervisor: Option<String>,
    /// Release of the kernel.
    pub kernel: String,
    /// Load average of the last minute.
    pub load: Option<f64>,
    /// `always`, `madvise` or `never`.
    pub transparent_huge_pages: Option<String>,
    /// `release` or `debug`.
    pub build: &'static str,
    /// What the compiler was allowed to use beyond the architecture's baseline.
    pub target_features: Vec<&'static str>,
    /// Core clock under load: dependent additions in a nanosecond.
    pub measured_ghz: f64,
}

impl Host {
    /// Looks at this host; takes about a tenth of a second.
    #[must_use]
    pub fn look() -> Self {
        let allowed = crate::agents::allowed_cpus();
        let mut host = Self::read(Path::new("/"), allowed, Duration::from_millis(100));
        host.measured_ghz = ghz();
        host
    }

    /// Reads the files under `root`; CPUs are watched for `watch`.
    #[must_use]
    pub fn read(root: &Path, allowed: Vec<usize>, watch: Duration) -> Self {
        let files = Files(root.to_owned());
        let info = files.text("proc/cpuinfo").unwrap_or_default();
        let numbers = files.list("sys/devices/system/cpu/online");
        let before = files.text("proc/stat").unwrap_or_default();
        std::thread::sleep(watch);
        let after = files.text("proc/stat").unwrap_or_default();
        let of = |name: &str| {
            let read = |&cpu: &usize| {
                files.text(&format!("sys/devices/system/cpu/cpu{cpu}/{name}")).map(|t| (cpu, t))
            };
            numbers.iter().filter_map(read).collect::<BTreeMap<usize, String>>()
        };
        let siblings = of("topology/thread_siblings_list");
        let load = files.text("proc/loadavg");
        Self {
            cpu_model: cpu_model(&info),
            cpus: numbers.len().max(1),
            governors: of("cpufreq/scaling_governor"),
            isolated: files.list("sys/devices/system/cpu/isolated"),
            nohz_full: files.list("sys/devices/system/cpu/nohz_full"),
            siblings: siblings.into_iter().map(|(cpu, text)| (cpu, cpu_list(&text))).collect(),
            busy: busy(&before, &after),
            clock_source: files
                .text("sys/devices/system/clocksource/clocksource0/current_clocksource"),
            hypervisor: hypervisor(&files, &info),
            kernel: files.text("proc/sys/kernel/osrelease").unwrap_or_default(),
            load: load.and_then(|text| text.split_whitespace().next()?.parse().ok()),
            transparent_huge_pages: files
                .text("sys/kernel/mm/transparent_hugepage/enabled")
                .and_then(|text| chosen(&text)),
            build: if cfg!(debug_assertions) { "debug" } else { "release" },
            target_features: target_features(),
            measured_ghz: 0.0,
            allowed,
        }
    }

    /// What makes figures unreliable that are measured on these CPUs, `needed` of them at once.
    #[must_use]
    pub fn warnings(&self, cpus: &[usize], needed: usize) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.build == "debug" {
            warnings.push(
                "this is a debug build: its figures mean nothing (cargo build --release)"
                    .to_owned(),
            );
        }
        if cpus.len() < needed {
            let have = cpus.len();
            warnings.push(format!(
                "{needed} CPUs are needed and {have} may be used: threads share them"
            ));
        }
        if let Some(load) = self.load.filter(|load| *load > LOAD_MAX) {
            warnings.push(format!("the load is {load:.2}: other programs run on this host"));
        }
        if let Some(name) = &self.hypervisor {
            warnings.push(format!(
                "this is a virtual machine ({name}): its host may take the CPU away at any time"
            ));
        }
        match self.clock_source.as_deref() {
            Some("tsc") | None => {}
            Some(other) => warnings
                .push(format!("the clock source is {other}, not tsc: reading the time is slow")),
        }
        for &cpu in cpus {
            self.warn_of(cpu, cpus, &mut warnings);
        }
        warnings
    }

    /// Warnings of one CPU.
    fn warn_of(&self, cpu: usize, cpus: &[usize], warnings: &mut Vec<String>) {
        if let Some(governor) = self.governors.get(&cpu).filter(|name| *name != "performance") {
            warnings
                .push(format!("CPU {cpu}: the frequency governor is {governor}, not performance"));
        }
        if !self.isolated.contains(&cpu) {
            warnings.push(format!("CPU {cpu} is not isolated: other work is scheduled on it"));
        }
        for other in self.siblings.get(&cpu).into_iter().flatten().filter(|other| **other != cpu) {
            let busy = self.busy.get(other).copied().unwrap_or(0.0);
            if cpus.contains(other) {
                if cpu < *other {
                    warnings.push(format!("CPUs {cpu} and {other} are one core: they share it"));
                }
            } else if busy > BUSY_MIN {
                let share = busy * 100.0;
                warnings.push(format!(
                    "CPU {cpu}: its sibling {other} on the same core is {share:.0} % busy"
                ));
            }
        }
    }
}

/// Files under a root.
struct Files(PathBuf);

impl Files {
    fn text(&self, path: &str) -> Option<String> {
        let text = std::fs::read_to_string(self.0.join(path)).ok()?;
        let text = text.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    fn list(&self, path: &str) -> Vec<usize> {
        self.text(path).map(|text| cpu_list(&text)).unwrap_or_default()
    }
}

/// Most CPUs that a list may name; more is not a list of CPUs.
const CPUS_MAX: usize = 8192;

/// The kernel's way to write CPUs: `0-3,8`. What is not understood is left out.
#[must_use]
pub fn cpu_list(text: &str) -> Vec<usize> {
    text.split(',').filter_map(cpu_range).flatten().collect()
}

/// The same where nothing may be misunderstood: `None` if a part is no CPU and no range of CPUs. No
/// text is no CPU.
#[must_use]
pub fn strict_cpu_list(text: &str) -> Option<Vec<usize>> {
    if text.trim().is_empty() {
        return Some(Vec::new());
    }
    let ranges: Option<Vec<_>> = text.split(',').map(cpu_range).collect();
    let mut cpus: Vec<usize> = ranges?.into_iter().flatten().collect();
    cpus.sort_unstable();
    cpus.dedup();
    Some(cpus)
}

/// `3` or `0-3`
fn cpu_range(part: &str) -> Option<RangeInclusive<usize>> {
    let (first, last) = part.split_once('-').unwrap_or((part, part));
    let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    (first <= last && last < CPUS_MAX).then_some(first..=last)
}

fn cpu_model(info: &str) -> String {
    let value = |key: &str| {
        info.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            (name.trim() == key).then(|| value.trim().to_owned())
        })
    };
    value("model name").or_else(|| value("CPU part")).unwrap_or_else(|| "unknown".to_owned())
}

fn hypervisor(files: &Files, info: &str) -> Option<String> {
    let flagged = info.lines().any(|line| {
        line.starts_with("flags") && line.split_whitespace().any(|f| f == "hypervisor")
    });
    let kind = files.text("sys/hypervisor/type");
    if !flagged && kind.is_none() {
        return None;
    }
    let vendor = files.text("sys/class/dmi/id/sys_vendor");
    Some(kind.or(vendor).unwrap_or_else(|| "of unknown kind".to_owned()))
}

/// `always [madvise] never` -> `madvise`
fn chosen(text: &str) -> Option<String> {
    let (_, rest) = text.split_once('[')?;
    rest.split_once(']').map(|(word, _)| word.to_owned())
}

/// Share of the time in which each CPU was not idle between two readings of `/proc/stat`.
fn busy(before: &str, after: &str) -> BTreeMap<usize, f64> {
    let (before, after) = (ticks(before), ticks(after));
    let share = |(cpu, (idle, all)): (&usize, &(u64, u64))| {
        let (idle_before, all_before) = before.get(cpu)?;
        let all = all.checked_sub(*all_before).filter(|all| *all > 0)?;
        let idle = idle.saturating_sub(*idle_before).min(all);
        Some((*cpu, (all - idle) as f64 / all as f64))
    };
    after.iter().filter_map(share).collect()
}

/// Idle ticks and all ticks by CPU.
fn ticks(stat: &str) -> BTreeMap<usize, (u64, u64)> {
    let row = |line: &str| {
        let mut words = line.split_whitespace();
        let cpu = words.next()?.strip_prefix("cpu")?.parse().ok()?;
        // user nice system idle iowait irq softirq steal; what follows is counted twice.
        let times: Vec<u64> = words.take(8).map_while(|word| word.parse().ok()).collect();
        let idle = times.get(3)?.saturating_add(times.get(4).copied().unwrap_or(0));
        Some((cpu, (idle, times.iter().fold(0, |sum: u64, time| sum.saturating_add(*time)))))
    };
    stat.lines().filter_map(row).collect()
}

/// Features that change what the hot code compiles to.
fn target_features() -> Vec<&'static str> {
    let known = [
        ("sse4.2", cfg!(target_feature = "sse4.2")),
        ("avx", cfg!(target_feature = "avx")),
        ("avx2", cfg!(target_feature = "avx2")),
        ("bmi2", cfg!(target_feature = "bmi2")),
        ("avx512f", cfg!(target_feature = "avx512f")),
        ("sha", cfg!(target_feature = "sha")),
        ("neon", cfg!(target_feature = "neon")),
    ];
    known.iter().filter(|(_, on)| *on).map(|(name, _)| *name).collect()
}

/// Clock of the core: a chain in which every operation waits for the one before takes a cycle for
/// each. The fastest of several rounds, so that an interruption does not count.
fn ghz() -> f64 {
    const STEPS: u64 = 200_000;
    let timer = Timer::new();
    let key: u64 = black_box(0x9e37_79b9_7f4a_7c15);
    let round = |_| {
        let (ps, _) = timer.time(|| {
            let mut value = black_box(1u64);
            for _ in 0..STEPS {
                // Neither order nor grouping can be changed: exclusive or and sum do not commute.
                value = (value ^ key).wrapping_add(key);
                value = (value ^ key).wrapping_add(key);
            }
            black_box(value)
        });
        (4 * STEPS) as f64 * 1000.0 / ps.max(1) as f64
    };
    (0..20).map(round).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    struct Fake(PathBuf);

    impl Fake {
        fn new(name: &str) -> Self {
            let root =
                std::env::temp_dir().join(format!("stoop-host-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&root);
            fs::create_dir_all(&root).unwrap();
            Self(root)
        }

        fn with(self, path: &str, text: &str) -> Self {
            let path = self.0.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
            self
        }

        fn read(&self, allowed: &[usize]) -> Host {
            let host = Host::read(&self.0, allowed.to_vec(), Duration::ZERO);
            Host { build: "release", ..host }
        }
    }

    impl Drop for Fake {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    const CPU: &str = "sys/devices/system/cpu";

    fn quiet(name: &str) -> Fake {
        Fake::new(name)
            .with(
                "proc/cpuinfo",
                "processor\t: 0\nmodel name\t: Fast One @ 5 GHz\nflags\t: fpu sse\n",
            )
            .with("proc/loadavg", "0.10 0.20 0.30 1/99 1234\n")
            .with("proc/sys/kernel/osrelease", "6.18.1\n")
            .with(&format!("{CPU}/online"), "0-3\n")
            .with(&format!("{CPU}/isolated"), "1,2-3\n")
            .with(&format!("{CPU}/nohz_full"), "2-3\n")
            .with(&format!("{CPU}/cpu2/cpufreq/scaling_governor"), "performance\n")
            .with(&format!("{CPU}/cpu2/topology/thread_siblings_list"), "2\n")
            .with("sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n")
            .with("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n")
    }

    #[test]
    fn a_quiet_host_is_read_and_gives_no_warning() {
        let host = quiet("quiet").read(&[0, 2]);
        assert_eq!(host.cpu_model, "Fast One @ 5 GHz");
        assert_eq!((host.cpus, host.load, host.kernel.as_str()), (4, Some(0.1), "6.18.1"));
        assert_eq!(
            (host.isolated.as_slice(), host.nohz_full.as_slice()),
            (&[1, 2, 3][..], &[2, 3][..])
        );
        assert_eq!(host.governors[&2], "performance");
        assert_eq!(host.transparent_huge_pages.as_deref(), Some("madvise"));
        assert_eq!((host.hypervisor.as_deref(), host.clock_source.as_deref()), (None, Some("tsc")));
        assert_eq!(host.warnings(&[2], 1), [""; 0]);
    }

    #[test]
    fn each_fault_has_its_warning() {
        let fake = quiet("faulty")
            .with("proc/cpuinfo", "model name : X\nflags : fpu hypervisor\n")
            .with("sys/class/dmi/id/sys_vendor", "QEMU\n")
            .with("proc/loadavg", "1.50 0 0 1/1 1\n")
            .with("sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet\n")
            .with(&format!("{CPU}/cpu2/cpufreq/scaling_governor"), "powersave\n")
            .with(&format!("{CPU}/cpu0/topology/thread_siblings_list"), "0,2\n")
            .with(&format!("{CPU}/cpu2/topology/thread_siblings_list"), "0,2\n")
            .with(&format!("{CPU}/cpu3/topology/thread_siblings_list"), "1,3\n");
        let mut host = fake.read(&[0, 2]);
        host.build = "debug";
        host.busy = busy("cpu1 100 0 0 900 0 0 0 0\n", "cpu1 180 0 0 920 0 0 0 0\n");
        let expected = [
            "this is a debug build: its figures mean nothing (cargo build --release)",
            "4 CPUs are needed and 3 may be used: threads share them",
            "the load is 1.50: other programs run on this host",
            "this is a virtual machine (QEMU): its host may take the CPU away at any time",
            "the clock source is hpet, not tsc: reading the time is slow",
            "CPU 0 is not isolated: other work is scheduled on it",
            "CPUs 0 and 2 are one core: they share it",
            "CPU 2: the frequency governor is powersave, not performance",
            "CPU 3: its sibling 1 on the same core is 80 % busy",
        ];
        assert_eq!(host.warnings(&[0, 2, 3], 4), expected);
    }

    #[test]
    fn a_host_that_tells_nothing_is_no_failure() {
        let host = Fake::new("empty").read(&[]);
        let nothing = Host {
            cpu_model: "unknown".to_owned(),
            cpus: 1,
            build: "release",
            target_features: target_features(),
            ..Host::default()
        };
        assert_eq!(host, nothing);
    }

    #[test]
    fn lists_and_ticks_that_are_nonsense_are_left_out() {
        assert_eq!(cpu_list("0-2,5,x,7-,9-8,0-99999999\n"), [0, 1, 2, 5]);
        assert_eq!(busy("cpu 1 2 3 4\ncpu0 1 2", "cpu0 x\ncpu1 1 1 1 1"), BTreeMap::new());
        assert_eq!(chosen("never"), None);
    }

    #[test]
    fn the_clock_of_the_core_is_plausible() {
        assert!((0.05..20.0).contains(&ghz()));
    }
}
