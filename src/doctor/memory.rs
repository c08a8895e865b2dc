//! Whether memory is there when it is touched.

#![forbid(unsafe_code)]

use super::host::chosen;
use super::{Check, Fix, Look, Seen};

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "huge_pages_on_demand",
        title: "transparent huge pages",
        why: "always lets the kernel stop a thread to put a huge page together",
        look: transparent,
    },
    Check {
        name: "huge_pages_defrag",
        title: "huge pages, defragmenting",
        why: "always lets whoever touches memory first wait until others' pages are moved",
        look: defrag,
    },
    Check {
        name: "huge_pages",
        title: "reserved huge pages",
        why: "shown: the engine asks for transparent ones and takes none of the reserve",
        look: reserved,
    },
    Check {
        name: "swap",
        title: "swap",
        why: "the first touch of a page that was swapped out waits for the disk",
        look: swap,
    },
];

const THP: &str = "/sys/kernel/mm/transparent_hugepage";

/// The chosen word of a file such as `always [madvise] never`.
fn choice(look: &Look, path: &str) -> Result<String, Seen> {
    let text = look.host.need(path)?;
    let word =
        chosen(&text).filter(|word| word.bytes().all(|b| b.is_ascii_lowercase() || b == b'+'));
    word.map(str::to_owned).ok_or_else(|| Seen::garbled(path, &text))
}

fn transparent(look: &Look) -> Result<Seen, Seen> {
    let path = format!("{THP}/enabled");
    let word = choice(look, &path)?;
    match word.as_str() {
        "madvise" => Ok(Seen::ok(path, word)),
        "never" if look.aim.huge_pages => {
            let why = "[host] huge_pages asks for them and gets none";
            let fix = Fix::write(&path, &word, "madvise");
            Ok(Seen::warn(path, word, why).with(fix))
        }
        "never" => Ok(Seen::ok(path, word)),
        "always" => {
            let fix = Fix::write(&path, &word, "madvise");
            Ok(Seen::warn(path, word, "should be madvise or never").with(fix))
        }
        _ => Err(Seen::garbled(path, &word)),
    }
}

fn defrag(look: &Look) -> Result<Seen, Seen> {
    let path = format!("{THP}/defrag");
    let word = choice(look, &path)?;
    match word.as_str() {
        "madvise" | "never" | "defer" | "defer+madvise" => Ok(Seen::ok(path, word)),
        "always" => {
            let fix = Fix::write(&path, &word, "madvise");
            Ok(Seen::warn(path, word, "should be madvise or never").with(fix))
        }
        _ => Err(Seen::garbled(path, &word)),
    }
}

fn reserved(look: &Look) -> Result<Seen, Seen> {
    const PATH: &str = "/proc/meminfo";
    let number = |name: &str| {
        let text = look.host.row(PATH, name)?;
        text.parse::<u64>().map_err(|_| Seen::garbled(PATH, &text))
    };
    let (all, free) = (number("HugePages_Total")?, number("HugePages_Free")?);
    Ok(Seen::ok(PATH, if all == 0 { "none".to_owned() } else { format!("{all}, {free} free") }))
}

fn swap(look: &Look) -> Result<Seen, Seen> {
    const PATH: &str = "/proc/swaps";
    let text = look.host.need(PATH)?;
    let mut lines = text.lines();
    if !lines.next().is_some_and(|head| head.starts_with("Filename")) {
        return Err(Seen::garbled(PATH, &text));
    }
    let mut fix = Fix::default();
    let mut shown = Vec::new();
    for line in lines {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [device, _, _, used_kib, ..] = words[..] else { return Err(Seen::garbled(PATH, line)) };
        // The kernel writes a space so.
        let device = device.replace("\\040", " ");
        shown.push(format!("{device} ({used_kib} KiB used)"));
        let act = |program: &str| super::Act::Run(vec![program.to_owned(), device.clone()]);
        fix.changes.push(super::Change { act: act("swapoff"), undo: act("swapon") });
    }
    if shown.is_empty() {
        return Ok(Seen::ok(PATH, "none"));
    }
    fix.to_keep = Some("without its line in /etc/fstab".to_owned());
    Ok(Seen::warn(PATH, shown.join(", "), "there is swap").with(fix))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Fake, ok, unknown, warns};
    use super::super::{Act, Aim};
    use super::*;

    #[test]
    fn huge_pages_come_when_asked_for() {
        let (enabled, defrag) = (format!("{THP}/enabled"), format!("{THP}/defrag"));
        for (name, path) in [("huge_pages_on_demand", &enabled), ("huge_pages_defrag", &defrag)] {
            let fake = Fake::new(&format!("thp-{name}"));
            unknown(&fake, name, "does not have it");
            for good in ["madvise", "never"] {
                fake.add(path, &format!("always [{good}] x\n"));
                ok(&fake, name, good);
            }
            fake.add(path, "[always] madvise never\n");
            let fix = warns(&fake, name, "always", "should be madvise").fix.unwrap();
            assert_eq!(fix.changes[0].act, Act::write(path, "madvise"));
            assert_eq!(fix.changes[0].undo, Act::write(path, "always"));
            for garbage in ["always madvise", "[sometimes]", "[-1]"] {
                fake.add(path, garbage);
                unknown(&fake, name, "not understood");
            }
        }
        let fake = Fake::new("thp-asked").aim(Aim { huge_pages: true, ..Aim::default() });
        fake.add(&enabled, "always madvise [never]");
        warns(&fake, "huge_pages_on_demand", "never", "asks for them and gets none");
        fake.add(&defrag, "always [defer+madvise]");
        ok(&fake, "huge_pages_defrag", "defer+madvise");
    }

    #[test]
    fn the_reserve_is_shown() {
        let fake = Fake::new("reserve");
        unknown(&fake, "huge_pages", "does not have it");
        fake.add("/proc/meminfo", "MemTotal: 1 kB\nHugePages_Total:  0\nHugePages_Free: 0\n");
        ok(&fake, "huge_pages", "none");
        fake.add("/proc/meminfo", "HugePages_Total:  64\nHugePages_Free: 60\n");
        ok(&fake, "huge_pages", "64, 60 free");
        fake.add("/proc/meminfo", "HugePages_Total:  many\nHugePages_Free: 60\n");
        unknown(&fake, "huge_pages", "not understood");
        fake.add("/proc/meminfo", "MemTotal: 1 kB\n");
        unknown(&fake, "huge_pages", "no row");
    }

    #[test]
    fn swap_is_off() {
        let fake = Fake::new("swap");
        unknown(&fake, "swap", "does not have it");
        let head = "Filename\t\tType\tSize\tUsed\tPriority\n";
        fake.add("/proc/swaps", head);
        ok(&fake, "swap", "none");
        fake.add("/proc/swaps", &format!("{head}/swap\\040file file 1048572 64 -2\n"));
        let fix = warns(&fake, "swap", "/swap file (64 KiB used)", "there is swap").fix.unwrap();
        assert_eq!(fix.changes[0].act.to_string(), "swapoff '/swap file'");
        assert_eq!(fix.changes[0].undo.to_string(), "swapon '/swap file'");
        for garbage in ["", "x", &format!("{head}/dev/x file\n")] {
            fake.add("/proc/swaps", garbage);
            unknown(&fake, "swap", "not understood");
        }
    }
}
