//! The disk of the journal.

#![forbid(unsafe_code)]

use super::{Check, Fix, Look, Seen};

pub(super) const CHECKS: &[Check] = &[Check {
    name: "journal_mount",
    title: "file system of the journal",
    why: "the journal is what is left of orders when the process or the machine ends",
    look: mount,
}];

/// A row of `/proc/mounts`: what, where, kind, options.
fn row(line: &str) -> Option<(String, &str, &str)> {
    let mut words = line.split(' ').skip(1);
    // The kernel writes a space so.
    let place = words.next()?.replace("\\040", " ");
    Some((place, words.next()?, words.next()?))
}

fn mount(look: &Look) -> Result<Seen, Seen> {
    const PATH: &str = "/proc/mounts";
    let text = look.host.need(PATH)?;
    let rows = text.lines().filter_map(row);
    // The innermost, and of those at one place the last.
    let of = rows.filter(|(place, ..)| look.aim.journal.starts_with(place));
    let found = of.max_by_key(|(place, ..)| place.len());
    let Some((place, kind, options)) = found else { return Err(Seen::garbled(PATH, &text)) };
    let has = |option: &str| options.split(',').any(|word| word == option);
    let stamps = ["noatime", "relatime", "strictatime"].into_iter().find(|word| has(word));
    let value = format!("{kind} at {place}, {}", stamps.unwrap_or("default stamps"));
    let elsewhere = || Fix::by_hand("move [journal] folder to a local disk");
    if has("ro") {
        return Ok(Seen::fail(PATH, value, "it can only be read").with(elsewhere()));
    }
    if ["tmpfs", "ramfs"].contains(&kind) {
        return Ok(Seen::warn(PATH, value, "it is memory: a power loss takes it").with(elsewhere()));
    }
    if kind.starts_with("nfs") || ["cifs", "9p", "ceph"].contains(&kind) || kind.starts_with("fuse")
    {
        let why = "it is not a local disk: a touch may wait for the network";
        return Ok(Seen::warn(PATH, value, why).with(elsewhere()));
    }
    if has("strictatime") {
        let fix = Fix::by_hand(format!("mount {place} with noatime (/etc/fstab)"));
        return Ok(Seen::warn(PATH, value, "every reading writes a time").with(fix));
    }
    Ok(Seen::ok(PATH, value))
}

#[cfg(test)]
mod tests {
    use super::super::Aim;
    use super::super::testing::{Fake, fails, ok, unknown, warns};

    #[test]
    fn the_journal_lies_on_a_local_disk() {
        let aim = Aim { journal: "/data/my journal/x".into(), ..Aim::default() };
        let fake = Fake::new("mounts").aim(aim);
        unknown(&fake, "journal_mount", "does not have it");
        let mounts = |more: &str| {
            let head = "/dev/a / ext4 rw,relatime 0 0\nproc /proc proc rw 0 0\n";
            fake.add("/proc/mounts", &format!("{head}{more}"));
        };
        mounts("");
        ok(&fake, "journal_mount", "ext4 at /, relatime");
        mounts("/dev/b /data xfs rw,noatime 0 0\n/dev/c /dat xfs ro 0 0\n");
        ok(&fake, "journal_mount", "xfs at /data, noatime");
        mounts("/dev/b /data/my\\040journal xfs rw,strictatime 0 0\n");
        let value = "xfs at /data/my journal, strictatime";
        warns(&fake, "journal_mount", value, "writes a time");
        mounts("/dev/b /data xfs ro,noatime 0 0\n");
        fails(&fake, "journal_mount", "xfs at /data, noatime", "only be read");
        mounts("none /data tmpfs rw 0 0\n");
        warns(&fake, "journal_mount", "tmpfs at /data, default stamps", "power loss");
        mounts("a:/b /data nfs4 rw 0 0\n");
        warns(&fake, "journal_mount", "nfs4 at /data, default stamps", "not a local disk");
        fake.add("/proc/mounts", "garbage\n");
        unknown(&fake, "journal_mount", "not understood");
    }
}
