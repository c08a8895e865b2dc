//! What the kernel lets a process of ours have.

#![forbid(unsafe_code)]

use super::{Check, Fix, Host, Look, Seen};

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "memory_locked",
        title: "memory may be locked",
        why: "memory that is not locked may be taken away, and its next touch waits",
        look: memory_locked,
    },
    Check {
        name: "open_files",
        title: "open files",
        why: "every connection, ring and journal file is one",
        look: open_files,
    },
    Check {
        name: "realtime_limit",
        title: "real-time priority",
        why: "shown: the engine does not ask for it, isolated CPUs need none",
        look: |look| shown(look, "Max realtime priority"),
    },
    Check {
        name: "core_dumps",
        title: "core dumps",
        why: "shown: with keys of real venues the engine forbids them for itself",
        look: core_dumps,
    },
];

const LIMITS: &str = "/proc/self/limits";
const STATUS: &str = "/proc/self/status";
const FILES_GOOD: u64 = 65_536;
/// Fewer than this do not suffice for a few venues.
const FILES_MIN: u64 = 1_024;

/// Whether this process has the capability of this number.
pub(super) fn capability(host: &Host, number: u32) -> Result<bool, Seen> {
    let text = host.row(STATUS, "CapEff")?;
    let bits = u64::from_str_radix(&text, 16).map_err(|_| Seen::garbled(STATUS, &text))?;
    Ok(bits >> number & 1 == 1)
}

/// A limit as it is in force; `None` is no limit.
fn limit(host: &Host, name: &str) -> Result<Option<u64>, Seen> {
    let text = host.need(LIMITS)?;
    let row = text.lines().find_map(|line| line.strip_prefix(name));
    let word = row.and_then(|row| row.split_whitespace().next());
    match word {
        Some("unlimited") => Ok(None),
        Some(number) => number.parse().map(Some).map_err(|_| Seen::garbled(LIMITS, number)),
        None => Err(Seen::garbled(LIMITS, &text)),
    }
}

/// What lets the engine ask more of its sockets than others may.
pub(super) const NET_RIGHT: &str = "set AmbientCapabilities=CAP_NET_ADMIN in the service's unit";
/// What lets the engine keep all of its memory.
pub(super) const LOCK_LIMIT: &str = "set LimitMEMLOCK=infinity in the service's unit, or type \
    ulimit -l unlimited before the start";

fn memory_locked(look: &Look) -> Result<Seen, Seen> {
    let Some(bytes) = limit(look.host, "Max locked memory")? else {
        return Ok(Seen::ok(LIMITS, "unlimited"));
    };
    let value = format!("{} KiB", bytes / 1024);
    let fix = Fix::by_hand(LOCK_LIMIT);
    // CAP_IPC_LOCK
    Ok(if capability(look.host, 14).unwrap_or(false) {
        let why = "should be unlimited; only the capability CAP_IPC_LOCK lifts it here";
        Seen::warn(LIMITS, value, why).with(fix)
    } else {
        Seen::fail(LIMITS, value, "should be unlimited").with(fix)
    })
}

fn open_files(look: &Look) -> Result<Seen, Seen> {
    let Some(files) = limit(look.host, "Max open files")? else {
        return Ok(Seen::ok(LIMITS, "unlimited"));
    };
    let fix = Fix::by_hand(
        "set LimitNOFILE=65536 in the service's unit, or type ulimit -n 65536 before the start",
    );
    let why = format!("should be {FILES_GOOD} or more");
    Ok(match files {
        FILES_GOOD.. => Seen::ok(LIMITS, files.to_string()),
        FILES_MIN.. => Seen::warn(LIMITS, files.to_string(), why).with(fix),
        _ => Seen::fail(LIMITS, files.to_string(), why).with(fix),
    })
}

fn shown(look: &Look, name: &str) -> Result<Seen, Seen> {
    let limit = limit(look.host, name)?;
    Ok(Seen::ok(LIMITS, limit.map_or("unlimited".to_owned(), |limit| limit.to_string())))
}

fn core_dumps(look: &Look) -> Result<Seen, Seen> {
    let limit = limit(look.host, "Max core file size")?;
    let limit = limit.map_or("unlimited".to_owned(), |bytes| format!("{} KiB", bytes / 1024));
    let pattern = look.host.text("/proc/sys/kernel/core_pattern").unwrap_or_default();
    let pattern: String = pattern.chars().filter(|c| !c.is_control()).take(60).collect();
    Ok(Seen::ok(LIMITS, format!("{limit}, to {pattern}")))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Fake, fails, ok, unknown, warns};
    use super::*;

    fn limits(fake: &Fake, name: &str, soft: &str) {
        let head = "Limit                     Soft Limit           Hard Limit           Units\n";
        fake.add(LIMITS, &format!("{head}{name:<26}{soft:<21}unlimited            bytes\n"));
    }

    #[test]
    fn all_memory_may_be_locked() {
        let (fake, name) = (Fake::new("memlock"), "Max locked memory");
        unknown(&fake, "memory_locked", "does not have it");
        limits(&fake, name, "unlimited");
        ok(&fake, "memory_locked", "unlimited");
        limits(&fake, name, "8388608");
        let fix = fails(&fake, "memory_locked", "8192 KiB", "should be unlimited").fix.unwrap();
        assert!(fix.by_hand.unwrap().contains("LimitMEMLOCK=infinity"));
        fake.add(STATUS, "CapEff:\t000001ffffffffff\n");
        warns(&fake, "memory_locked", "8192 KiB", "only the capability");
        fake.add(STATUS, "CapEff:\t0000000000000000\n");
        fails(&fake, "memory_locked", "8192 KiB", "should be unlimited");
        limits(&fake, name, "few");
        unknown(&fake, "memory_locked", "not understood");
        fake.add(LIMITS, "");
        unknown(&fake, "memory_locked", "not understood");
    }

    #[test]
    fn many_files_may_be_open() {
        let (fake, name) = (Fake::new("nofile"), "Max open files");
        unknown(&fake, "open_files", "does not have it");
        for (soft, value) in [("unlimited", "unlimited"), ("65536", "65536")] {
            limits(&fake, name, soft);
            ok(&fake, "open_files", value);
        }
        for soft in ["65535", "1024"] {
            limits(&fake, name, soft);
            warns(&fake, "open_files", soft, "65536 or more");
        }
        limits(&fake, name, "1023");
        fails(&fake, "open_files", "1023", "65536 or more");
        limits(&fake, name, "-5");
        unknown(&fake, "open_files", "not understood");
    }

    #[test]
    fn the_others_are_shown() {
        let fake = Fake::new("limits");
        for name in ["realtime_limit", "core_dumps"] {
            unknown(&fake, name, "does not have it");
        }
        limits(&fake, "Max realtime priority", "0");
        ok(&fake, "realtime_limit", "0");
        unknown(&fake, "core_dumps", "not understood");
        limits(&fake, "Max core file size", "0");
        fake.add("/proc/sys/kernel/core_pattern", "|/usr/bin/crash\n");
        ok(&fake, "core_dumps", "0 KiB, to |/usr/bin/crash");
        unknown(&fake, "realtime_limit", "not understood");
    }
}
