//! What is measured or tried rather than read.
//!
//! Spinning takes CPUs away and is not done while an engine trades on them. The journal's folder gets
//! one small file for a moment; nothing else is changed.

#![forbid(unsafe_code)]

use super::limits::{LOCK_LIMIT, NET_RIGHT};
use super::{Aim, Check, Fix, Host, Look, Seen};
use crate::bench::{BenchOptions, Measured, jitter, rings};
use crate::net::NetOptions;
use crate::net::trial::{Reached, reach, try_options};
use rustix::mm::{MlockAllFlags, mlockall, munlockall};
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "journal_space",
        title: "space for the journal",
        why: "a full disk stops new orders",
        look: space,
    },
    Check {
        name: "journal_sync",
        title: "speed of that disk",
        why: "so long the disk takes until it has what was written, 99 of 100 times",
        look: sync,
    },
    Check {
        name: "lock_trial",
        title: "locking memory, tried",
        why: "[host] lock_memory needs it",
        look: lock,
    },
    Check {
        name: "socket_options",
        title: "socket options, tried",
        why: "small messages must leave at once",
        look: sockets,
    },
    Check {
        name: "ways",
        title: "ways to the venues",
        why: "time to connect is one round trip and a little: it tells how far a venue is",
        look: ways_seen,
    },
    Check {
        name: "jitter",
        title: "CPUs taken away, measured",
        why: "the longest gap is what a tick may wait; see interrupts, workqueues, other_tasks",
        look: gaps,
    },
    Check {
        name: "rings",
        title: "hop between CPUs, measured",
        why: "a tick crosses two of them; CPUs that share a cache are nearest",
        look: hop,
    },
];

/// Longest gap of a CPU: good, and bad, nanoseconds.
const GAP_GOOD_NS: f64 = 5_000.0;
const GAP_BAD_NS: f64 = 1_000_000.0;
/// One way between two CPUs: good, and bad, nanoseconds.
const HOP_GOOD_NS: f64 = 1_000.0;
const HOP_BAD_NS: f64 = 10_000.0;
/// Until the disk has what was written: good, and bad, nanoseconds.
const SYNC_GOOD_NS: u64 = 5_000_000;
const SYNC_BAD_NS: u64 = 100_000_000;
/// Free part of the journal's disk: good, and bad.
const FREE_GOOD: f64 = 0.2;
const FREE_BAD: f64 = 0.05;

const SYNCS: usize = 100;
const SYNC_BYTES: usize = 4096;
/// The trial of a slow disk ends after this.
const SYNC_TIME_MAX: Duration = Duration::from_secs(3);
const WAY_TIMEOUT: Duration = Duration::from_secs(2);

/// How often one CPU was taken away.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gap {
    /// Which.
    pub cpu: usize,
    /// The longest time, nanoseconds.
    pub longest_ns: f64,
    /// Gaps above 10 us in a second.
    pub above_10us_per_s: f64,
}

/// The way to one venue, or why there is none.
pub type WayTo = (String, Result<Reached, String>);

/// Everything that is measured. `None`: it was not.
#[derive(Clone, Debug, Default)]
pub struct Probes {
    /// Of each CPU.
    pub gaps: Option<Result<Vec<Gap>, String>>,
    /// Median of one way between two CPUs, nanoseconds.
    pub hop_ns: Option<Result<f64, String>>,
    /// Locked memory and memory in use during the trial, KiB.
    pub lock_kib: Option<Result<(u64, u64), String>>,
    /// Free part of the journal's disk.
    pub free: Option<Result<f64, String>>,
    /// Until the disk has what was written, nanoseconds, 99 of 100 times.
    pub sync_ns: Option<Result<u64, String>>,
    /// What the kernel kept of a socket's options.
    pub sockets: Option<Result<String, String>>,
    /// To each venue that is not simulated.
    pub ways: Option<Vec<WayTo>>,
}

/// Measures this host. CPUs are watched for `seconds` each, and not at all if it is 0.
#[must_use]
pub fn probe(aim: &Aim, cpus: &[usize], seconds: u32, options: &NetOptions) -> Probes {
    let sockets = try_options(options).map_err(|error| error.to_string());
    let mut probes = Probes {
        free: Some(free(&aim.journal)),
        sync_ns: Some(sync_time(&aim.journal)),
        lock_kib: Some(try_lock()),
        sockets: Some(sockets),
        ..Probes::default()
    };
    if seconds > 0 && aim.running.is_empty() {
        let options = |runs, events| BenchOptions {
            runs,
            events,
            cpus: cpus.to_vec(),
            ..BenchOptions::default()
        };
        let watched = jitter(&options(seconds as usize, 0));
        probes.gaps = Some(watched.map(|measured| gaps_of(&measured, cpus)));
        probes.hop_ns = (cpus.len() > 1).then(|| hop_of(&rings(&options(1, 2_000))?));
    }
    probes
}

/// The way to each of these venues: name and URL.
#[must_use]
pub fn ways(venues: &[(String, String)], tls: &Arc<rustls::ClientConfig>) -> Vec<WayTo> {
    venues.iter().map(|(name, url)| (name.clone(), reach(tls, url, WAY_TIMEOUT))).collect()
}

fn gaps_of(measured: &Measured, cpus: &[usize]) -> Vec<Gap> {
    let gap = |&cpu: &usize| {
        let longest_ns = measured.find(&format!("cpu{cpu}"))?.figure().max_ns;
        let name = format!("cpu{cpu}.gaps_above_10us_per_s");
        let rate = measured.values.iter().find(|(found, _)| *found == name);
        Some(Gap { cpu, longest_ns, above_10us_per_s: rate.map_or(0.0, |(_, rate)| *rate) })
    };
    cpus.iter().filter_map(gap).collect()
}

fn hop_of(measured: &Measured) -> Result<f64, String> {
    let moved = "the machine changed while it was measured: try again";
    measured.find("ring").map(|series| series.figure().p50_ns).ok_or_else(|| moved.to_owned())
}

fn free(folder: &Path) -> Result<f64, String> {
    let disk = rustix::fs::statvfs(folder).map_err(|error| error.to_string())?;
    Ok(disk.f_bavail as f64 / disk.f_blocks.max(1) as f64)
}

/// Writes a small file again and again and removes it.
fn sync_time(folder: &Path) -> Result<u64, String> {
    let path = folder.join(format!(".stoop-doctor-{}", std::process::id()));
    let open = OpenOptions::new().write(true).create_new(true).open(&path);
    let mut file = open.map_err(|error| error.to_string())?;
    let times = sync_times(&mut file);
    let _ = std::fs::remove_file(&path);
    let mut times = times.map_err(|error| error.to_string())?;
    times.sort_unstable();
    let at = (times.len() * 99).div_ceil(100).saturating_sub(1);
    times.get(at).copied().ok_or_else(|| "nothing was written".to_owned())
}

fn sync_times(file: &mut File) -> std::io::Result<Vec<u64>> {
    let begun = Instant::now();
    let mut times = Vec::with_capacity(SYNCS);
    while times.len() < SYNCS && begun.elapsed() < SYNC_TIME_MAX {
        let start = Instant::now();
        file.write_all(&[0x5a; SYNC_BYTES])?;
        file.sync_data()?;
        times.push(start.elapsed().as_nanos() as u64);
    }
    Ok(times)
}

/// Locks this process's memory for a moment.
fn try_lock() -> Result<(u64, u64), String> {
    mlockall(MlockAllFlags::CURRENT).map_err(|error| error.to_string())?;
    let host = Host::this();
    let kib = |name: &str| {
        let text = host.row("/proc/self/status", name).map_err(|seen| seen.reason)?;
        let number = text.split_whitespace().next().and_then(|word| word.parse().ok());
        number.ok_or_else(|| format!("{name}: {text:?}"))
    };
    let result = kib("VmLck").and_then(|locked| Ok((locked, kib("VmRSS")?)));
    munlockall().map_err(|error| error.to_string())?;
    result
}

/// What was measured, or the reason why it is not known.
fn known<'a, T>(
    probe: Option<&'a Result<T, String>>,
    path: &str,
) -> Result<Result<&'a T, &'a str>, Seen> {
    match probe {
        None => Err(Seen::unknown(path, "not measured")),
        Some(result) => Ok(result.as_ref().map_err(String::as_str)),
    }
}

/// As [`known`], where what could not be measured is not known.
fn measured<'a, T>(probe: Option<&'a Result<T, String>>, path: &str) -> Result<&'a T, Seen> {
    known(probe, path)?.map_err(|why| Seen::unknown(path, why))
}

fn space(look: &Look) -> Result<Seen, Seen> {
    let path = look.aim.journal.display().to_string();
    let free = *measured(look.probes.free.as_ref(), &path)?;
    let value = format!("{:.0} % free", free * 100.0);
    let fix = Fix::by_hand(
        "remove old journal files that are kept elsewhere, or move the journal to a larger disk",
    );
    Ok(if free >= FREE_GOOD {
        Seen::ok(path, value)
    } else if free >= FREE_BAD {
        Seen::warn(path, value, "should be 20 % or more").with(fix)
    } else {
        Seen::fail(path, value, "should be 20 % or more").with(fix)
    })
}

fn sync(look: &Look) -> Result<Seen, Seen> {
    let path = look.aim.journal.display().to_string();
    let ns = match known(look.probes.sync_ns.as_ref(), &path)? {
        Ok(ns) => *ns,
        Err(why) => {
            let fix = Fix::by_hand("set [journal] folder to one where this user may write");
            return Ok(Seen::fail(path, "cannot be written", why).with(fix));
        }
    };
    let value = format!("{:.2} ms", ns as f64 / 1e6);
    let fix = Fix::by_hand("move [journal] folder to a local NVMe disk, or set sync = \"never\"");
    Ok(if ns <= SYNC_GOOD_NS {
        Seen::ok(path, value)
    } else if ns <= SYNC_BAD_NS {
        Seen::warn(path, value, "should be 5 ms or less").with(fix)
    } else {
        Seen::fail(path, value, "should be 5 ms or less").with(fix)
    })
}

fn lock(look: &Look) -> Result<Seen, Seen> {
    const CALL: &str = "mlockall";
    match known(look.probes.lock_kib.as_ref(), CALL)? {
        Ok((locked, used)) => Ok(Seen::ok(CALL, format!("{locked} KiB locked, {used} KiB in use"))),
        Err(why) => {
            let fix = Fix::by_hand(LOCK_LIMIT);
            Ok(Seen::warn(CALL, "refused", why).with(fix))
        }
    }
}

fn sockets(look: &Look) -> Result<Seen, Seen> {
    const CALL: &str = "getsockopt";
    match known(look.probes.sockets.as_ref(), CALL)? {
        Ok(text) if text.starts_with("no delay on") => Ok(Seen::ok(CALL, text)),
        Ok(text) => Ok(Seen::fail(CALL, text, "TCP_NODELAY did not stay")),
        Err(why) => {
            let fix = Fix::by_hand(NET_RIGHT);
            Ok(Seen::warn(CALL, "refused", why).with(fix))
        }
    }
}

fn ways_seen(look: &Look) -> Result<Seen, Seen> {
    const CALL: &str = "connect";
    let ways = look.probes.ways.as_deref().unwrap_or_default();
    if ways.is_empty() {
        return Err(Seen::unknown(CALL, "not tried: simulated venues run on this host"));
    }
    let ms = |time: Duration| format!("{:.1}", time.as_secs_f64() * 1e3);
    let show = |(name, way): &WayTo| match way {
        Ok(way) => {
            let tls = way.handshake.map(|time| format!(", TLS {} ms", ms(time)));
            let (min, max) = (ms(way.connect_min), ms(way.connect_max));
            let look_up = ms(way.look_up);
            let count = way.addresses;
            let tls = tls.unwrap_or_default();
            format!("{name}: {min} to {max} ms{tls}, name {look_up} ms, addresses {count}")
        }
        Err(_) => format!("{name}: not reached"),
    };
    let value = ways.iter().map(show).collect::<Vec<_>>().join("; ");
    let why = ways.iter().filter_map(|(_, way)| way.as_ref().err().map(String::as_str));
    let why: Vec<&str> = why.collect();
    if why.is_empty() {
        return Ok(Seen::ok(CALL, value));
    }
    let fix =
        Fix::by_hand("open the firewall to these addresses, and let the name server know them");
    Ok(Seen::fail(CALL, value, why.join("; ")).with(fix))
}

/// Why nothing spins: an engine trades on this host, and it would take its CPUs.
fn while_one_runs(look: &Look, call: &'static str) -> Option<Seen> {
    let names = look.aim.running.join(", ");
    let why = format!("not measured while {names} runs: it would take its CPUs");
    (!names.is_empty()).then(|| Seen::unknown(call, why))
}

fn gaps(look: &Look) -> Result<Seen, Seen> {
    const CALL: &str = "spinning";
    let gaps = measured(look.probes.gaps.as_ref(), CALL);
    let gaps = gaps.map_err(|seen| while_one_runs(look, CALL).unwrap_or(seen))?;
    let longest = gaps.iter().map(|gap| gap.longest_ns).fold(0.0, f64::max);
    if gaps.is_empty() {
        return Err(Seen::unknown(CALL, "no CPU was watched"));
    }
    let show = |gap: &Gap| {
        let (us, rate) = (gap.longest_ns / 1e3, gap.above_10us_per_s);
        format!("CPU {}: {us:.1} us at most, {rate:.1} above 10 us a second", gap.cpu)
    };
    let value = gaps.iter().map(show).collect::<Vec<_>>().join("; ");
    let fix = Fix::by_hand("mend what the other findings say of these CPUs");
    Ok(if longest < GAP_GOOD_NS {
        Seen::ok(CALL, value)
    } else if longest < GAP_BAD_NS {
        Seen::warn(CALL, value, "should be below 5 us").with(fix)
    } else {
        Seen::fail(CALL, value, "should be below 5 us, and is above 1 ms").with(fix)
    })
}

fn hop(look: &Look) -> Result<Seen, Seen> {
    const CALL: &str = "ring between two CPUs";
    let ns = measured(look.probes.hop_ns.as_ref(), CALL);
    let ns = *ns.map_err(|seen| while_one_runs(look, CALL).unwrap_or(seen))?;
    let value = format!("{ns:.0} ns");
    let fix = Fix::by_hand("give the threads CPUs that share a cache ([[thread]] core)");
    Ok(if ns < HOP_GOOD_NS {
        Seen::ok(CALL, value)
    } else if ns < HOP_BAD_NS {
        Seen::warn(CALL, value, "should be below 1 us").with(fix)
    } else {
        Seen::fail(CALL, value, "should be below 1 us, and is above 10 us").with(fix)
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Fake, fails, ok, unknown, warns};
    use super::*;

    fn with(name: &str, probes: Probes) -> Fake {
        let aim = Aim { journal: "/j".into(), ..Aim::default() };
        Fake::new(&format!("probe-{name}")).aim(aim).probes(probes)
    }

    #[test]
    fn the_journal_has_room() {
        let free =
            |free: Option<Result<f64, String>>| with("free", Probes { free, ..Probes::default() });
        unknown(&free(None), "journal_space", "not measured");
        unknown(&free(Some(Err("No such file".into()))), "journal_space", "No such file");
        assert_eq!(ok(&free(Some(Ok(0.2))), "journal_space", "20 % free").path, "/j");
        warns(&free(Some(Ok(0.19))), "journal_space", "19 % free", "20 %");
        fails(&free(Some(Ok(0.04))), "journal_space", "4 % free", "20 %");
    }

    #[test]
    fn the_journal_is_on_the_disk_soon() {
        let sync = |sync_ns| with("sync", Probes { sync_ns, ..Probes::default() });
        unknown(&sync(None), "journal_sync", "not measured");
        ok(&sync(Some(Ok(5_000_000))), "journal_sync", "5.00 ms");
        warns(&sync(Some(Ok(5_000_001))), "journal_sync", "5.00 ms", "5 ms or less");
        fails(&sync(Some(Ok(100_000_001))), "journal_sync", "100.00 ms", "5 ms or less");
        fails(&sync(Some(Err("denied".into()))), "journal_sync", "cannot be written", "denied");
    }

    #[test]
    fn trials_tell_what_the_kernel_says() {
        let lock = |lock_kib| with("lock", Probes { lock_kib, ..Probes::default() });
        unknown(&lock(None), "lock_trial", "not measured");
        ok(&lock(Some(Ok((9_000, 9_100)))), "lock_trial", "9000 KiB locked, 9100 KiB in use");
        warns(&lock(Some(Err("no memory".into()))), "lock_trial", "refused", "no memory");
        let sockets = |sockets| with("sockets", Probes { sockets, ..Probes::default() });
        unknown(&sockets(None), "socket_options", "not measured");
        ok(&sockets(Some(Ok("no delay on, x".into()))), "socket_options", "no delay on, x");
        fails(&sockets(Some(Ok("no delay off".into()))), "socket_options", "no delay off", "stay");
        warns(&sockets(Some(Err("denied".into()))), "socket_options", "refused", "denied");
    }

    #[test]
    fn each_venue_is_reached() {
        let ways = |ways| with("ways", Probes { ways, ..Probes::default() });
        unknown(&ways(None), "ways", "simulated venues");
        unknown(&ways(Some(Vec::new())), "ways", "simulated venues");
        let reached = Reached {
            addresses: 3,
            look_up: Duration::from_micros(900),
            connect_min: Duration::from_micros(1_200),
            connect_max: Duration::from_micros(1_800),
            handshake: Some(Duration::from_millis(4)),
        };
        let shown = "a: 1.2 to 1.8 ms, TLS 4.0 ms, name 0.9 ms, addresses 3";
        ok(&ways(Some(vec![("a".into(), Ok(reached))])), "ways", shown);
        let list = vec![("a".into(), Ok(reached)), ("b".into(), Err("b.example: refused".into()))];
        let both = format!("{shown}; b: not reached");
        fails(&ways(Some(list)), "ways", &both, "b.example: refused");
    }

    #[test]
    fn gaps_are_short() {
        let gaps = |gaps| with("gaps", Probes { gaps, ..Probes::default() });
        let of =
            |longest_ns| gaps(Some(Ok(vec![Gap { cpu: 2, longest_ns, above_10us_per_s: 0.5 }])));
        unknown(&gaps(None), "jitter", "not measured");
        unknown(&gaps(Some(Ok(Vec::new()))), "jitter", "no CPU was watched");
        unknown(&gaps(Some(Err("pinning failed".into()))), "jitter", "pinning failed");
        let aim = Aim { running: vec!["desk".into()], ..Aim::default() };
        unknown(&gaps(None).aim(aim.clone()), "jitter", "while desk runs");
        let probes = probe(&aim, &[0], 1, &NetOptions::default());
        assert!(probes.gaps.is_none() && probes.hop_ns.is_none());
        let text = |us| format!("CPU 2: {us} us at most, 0.5 above 10 us a second");
        ok(&of(4_900.0), "jitter", &text("4.9"));
        warns(&of(5_000.0), "jitter", &text("5.0"), "below 5 us");
        fails(&of(1_000_000.0), "jitter", &text("1000.0"), "above 1 ms");
    }

    #[test]
    fn cpus_are_near_each_other() {
        let hop = |hop_ns| with("hop", Probes { hop_ns, ..Probes::default() });
        unknown(&hop(None), "rings", "not measured");
        unknown(&hop(Some(Err("try again".into()))), "rings", "try again");
        ok(&hop(Some(Ok(155.4))), "rings", "155 ns");
        warns(&hop(Some(Ok(1_000.0))), "rings", "1000 ns", "below 1 us");
        fails(&hop(Some(Ok(10_000.0))), "rings", "10000 ns", "above 10 us");
    }

    #[test]
    fn measured_series_become_gaps_and_hops() {
        let mut measured = Measured::default();
        assert_eq!(gaps_of(&measured, &[2]), []);
        assert!(hop_of(&measured).unwrap_err().contains("try again"));
        let series = measured.series("cpu2", "x");
        series.record(7_000_000);
        measured.values.push(("cpu2.gaps_above_10us_per_s".to_owned(), 1.5));
        let [gap] = gaps_of(&measured, &[2, 3])[..] else { panic!("one CPU was watched") };
        assert!((gap.longest_ns - 7_000.0).abs() < 10.0, "{gap:?}");
        assert_eq!((gap.cpu, gap.above_10us_per_s), (2, 1.5));
        measured.series("ring", "x").record(200_000);
        assert!((hop_of(&measured).unwrap() - 200.0).abs() < 1.0);
    }

    #[test]
    fn trials_leave_nothing_behind() {
        let folder = std::env::temp_dir().join(format!("stoop-trial-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        assert!(sync_time(&folder).unwrap() > 0);
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
        assert!((0.0..=1.0).contains(&free(&folder).unwrap()));
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(sync_time(&folder).is_err() && free(&folder).is_err());
        match try_lock() {
            Ok((locked, used)) => assert!(locked > 0 && used > 0),
            Err(why) => assert!(!why.is_empty()),
        }
    }
}
