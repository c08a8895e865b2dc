//! What the kernel does with packets, and how many it loses.

#![forbid(unsafe_code)]

use super::limits::{NET_RIGHT, capability};
use super::{Check, Fix, Host, Look, Seen};
use std::collections::BTreeMap;

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "card_drops",
        title: "packets lost at the card",
        why: "a lost packet comes again after a round trip or more",
        look: card_drops,
    },
    Check {
        name: "kernel_drops",
        title: "packets lost in the kernel",
        why: "a lost packet comes again after a round trip or more",
        look: kernel_drops,
    },
    Check {
        name: "busy_poll",
        title: "busy polling",
        why: "set for each socket by [host] busy_poll_us; the system's own value may be 0",
        look: busy_poll,
    },
    Check {
        name: "tcp",
        title: "other TCP settings",
        why: "shown: congestion control, buffers in bytes, probing of packet sizes",
        look: tcp,
    },
    Check {
        name: "retransmits",
        title: "segments sent again",
        why: "each was lost and cost a round trip or more; all connections of the host count",
        look: retransmits,
    },
];

const SOFTNET: &str = "/proc/net/softnet_stat";
const SNMP: &str = "/proc/net/snmp";
const CARD: &str = "/sys/class/net/IF/statistics";
/// Share of segments sent again above which a network is bad.
const RETRANSMITS_MAX: f64 = 0.01;

/// Everything that is counted and should stand still.
pub(super) fn counts(host: &Host) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for interface in host.interfaces() {
        for name in ["rx_dropped", "rx_missed_errors"] {
            let path = CARD.replace("IF", &interface);
            let count =
                host.text(&format!("{path}/{name}")).ok().and_then(|text| text.parse().ok());
            counts.extend(count.map(|count| (format!("card {interface} {name}"), count)));
        }
    }
    let rows = host.text(SOFTNET).unwrap_or_default();
    let rows: Vec<Vec<&str>> = rows.lines().map(|line| line.split_whitespace().collect()).collect();
    for (column, name) in [(1, "dropped"), (2, "out of budget")] {
        let cell = |row: &Vec<&str>| u64::from_str_radix(row.get(column)?, 16).ok();
        let cells: Option<Vec<u64>> = rows.iter().map(cell).collect();
        let cells = cells.filter(|cells| !cells.is_empty());
        counts.extend(cells.map(|cells| (format!("kernel {name}"), cells.iter().sum())));
    }
    counts
}

/// Counts of a group that have grown.
fn grown(look: &Look, group: &str, path: &str, fix: &str) -> Result<Seen, Seen> {
    let counts = counts(look.host);
    let mut known = Vec::new();
    let mut grown = Vec::new();
    for (name, count) in &counts {
        let Some(short) = name.strip_prefix(group) else { continue };
        let short = short.trim();
        known.push(format!("{short} {count}"));
        let before = look.earlier.counts.get(name).unwrap_or(count);
        if count > before {
            grown.push(format!("{short} +{}", count - before));
        }
    }
    if known.is_empty() {
        let text = look.host.text(path).unwrap_or_default();
        return Err(match text.as_str() {
            "" => Seen::unknown(path, "this host does not count them"),
            text => Seen::garbled(path, text),
        });
    }
    if grown.is_empty() {
        return Ok(Seen::ok(path, format!("none meanwhile; since boot: {}", known.join(", "))));
    }
    let seen = Seen::warn(path, grown.join(", "), "they grow now");
    Ok(seen.with(Fix::by_hand(fix)))
}

fn card_drops(look: &Look) -> Result<Seen, Seen> {
    grown(
        look,
        "card ",
        CARD,
        "set a longer ring with ethtool -G IF rx N; ethtool -g IF shows how long it may be",
    )
}

fn kernel_drops(look: &Look) -> Result<Seen, Seen> {
    let fix = "raise net.core.netdev_budget and net.core.netdev_max_backlog by sysctl";
    grown(look, "kernel ", SOFTNET, fix)
}

fn busy_poll(look: &Look) -> Result<Seen, Seen> {
    const PATH: &str = "/proc/sys/net/core/busy_read";
    let system = look.host.number(PATH)?;
    let wanted = i64::from(look.aim.busy_poll_us);
    let value = format!("{wanted} us wanted, system {system} us");
    // CAP_NET_ADMIN
    if wanted <= system || capability(look.host, 12)? {
        return Ok(Seen::ok(PATH, value));
    }
    let why = "more than the system's value is for the privileged, and is refused";
    let fix = Fix::by_hand(NET_RIGHT);
    Ok(Seen::warn(PATH, value, why).with(fix))
}

fn tcp(look: &Look) -> Result<Seen, Seen> {
    let folder = "/proc/sys/net/ipv4";
    let congestion = look.host.need(&format!("{folder}/tcp_congestion_control"))?;
    if congestion.is_empty()
        || congestion.contains(|c: char| !c.is_ascii_alphanumeric() && c != '_')
    {
        return Err(Seen::garbled(folder, &congestion));
    }
    let shown = |name: &str| look.host.text(&format!("{folder}/{name}")).unwrap_or("?".to_owned());
    let most = |name: &str| shown(name).split_whitespace().last().unwrap_or("?").to_owned();
    let value = format!(
        "{congestion}, receive up to {}, send up to {}, probing {}",
        most("tcp_rmem"),
        most("tcp_wmem"),
        shown("tcp_mtu_probing")
    );
    Ok(Seen::ok(folder, value))
}

fn retransmits(look: &Look) -> Result<Seen, Seen> {
    let text = look.host.need(SNMP)?;
    let mut rows = text.lines().filter_map(|line| line.strip_prefix("Tcp:"));
    let (names, numbers) = (rows.next().unwrap_or(""), rows.next().unwrap_or(""));
    let number = |name: &str| {
        let at = names.split_whitespace().position(|found| found == name)?;
        numbers.split_whitespace().nth(at)?.parse::<u64>().ok()
    };
    let (Some(sent), Some(again)) = (number("OutSegs"), number("RetransSegs")) else {
        return Err(Seen::garbled(SNMP, &text));
    };
    let share = if sent == 0 { 0.0 } else { again as f64 / sent as f64 };
    let value = format!("{again} of {sent}, {:.2} %", share * 100.0);
    if share <= RETRANSMITS_MAX {
        return Ok(Seen::ok(SNMP, value));
    }
    let fix = Fix::by_hand("ask the provider, or try another way to the venues (see ways)");
    Ok(Seen::warn(SNMP, value, "more than 1 % since boot").with(fix))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Fake, ok, unknown, warns};
    use super::super::{Aim, State};
    use super::*;

    #[test]
    fn drops_that_grow_are_told() {
        let fake = Fake::new("drops");
        for name in ["card_drops", "kernel_drops"] {
            unknown(&fake, name, "does not count");
        }
        fake.add("/sys/class/net/eth0/device/vendor", "x");
        let card = "/sys/class/net/eth0/statistics";
        fake.add(&format!("{card}/rx_dropped"), "5").add(&format!("{card}/rx_missed_errors"), "?");
        fake.add(SOFTNET, "0000000a 00000001 00000010\n0000000a 00000000 00000001\n");
        ok(&fake, "card_drops", "none meanwhile; since boot: eth0 rx_dropped 5");
        ok(&fake, "kernel_drops", "none meanwhile; since boot: dropped 1, out of budget 17");
        let earlier = fake.earlier();
        fake.add(&format!("{card}/rx_dropped"), "8");
        fake.add(SOFTNET, "0000000a 00000001 00000010\n0000000a 00000002 00000001\n");
        for (name, value) in [("card_drops", "eth0 rx_dropped +3"), ("kernel_drops", "dropped +2")]
        {
            let finding = fake.find_after(&earlier, name);
            assert_eq!((finding.state, finding.value.as_str()), (State::Warn, value));
            assert!(finding.fix.unwrap().by_hand.is_some());
        }
        fake.add(SOFTNET, "zz zz\n");
        unknown(&fake, "kernel_drops", "not understood");
    }

    #[test]
    fn busy_polling_needs_the_system_s_consent() {
        let with = |us: u32| Aim { busy_poll_us: us, ..Aim::default() };
        let fake = Fake::new("busy").aim(with(50));
        unknown(&fake, "busy_poll", "does not have it");
        fake.add("/proc/sys/net/core/busy_read", "0");
        unknown(&fake, "busy_poll", "does not have it");
        fake.add("/proc/self/status", "CapEff:\t0000000000001000\n");
        ok(&fake, "busy_poll", "50 us wanted, system 0 us");
        fake.add("/proc/self/status", "CapEff:\t0000000000000000\n");
        warns(&fake, "busy_poll", "50 us wanted, system 0 us", "is refused");
        fake.add("/proc/self/status", "CapEff:\tall\n");
        unknown(&fake, "busy_poll", "not understood");
        let fake = fake.aim(with(0));
        ok(&fake, "busy_poll", "0 us wanted, system 0 us");
        fake.add("/proc/sys/net/core/busy_read", "x");
        unknown(&fake, "busy_poll", "not understood");
    }

    #[test]
    fn tcp_is_shown() {
        let fake = Fake::new("tcp");
        unknown(&fake, "tcp", "does not have it");
        fake.add("/proc/sys/net/ipv4/tcp_congestion_control", "bbr\n");
        ok(&fake, "tcp", "bbr, receive up to ?, send up to ?, probing ?");
        fake.add("/proc/sys/net/ipv4/tcp_rmem", "4096 131072 33554432\n");
        fake.add("/proc/sys/net/ipv4/tcp_wmem", "4096 16384 4194304\n");
        fake.add("/proc/sys/net/ipv4/tcp_mtu_probing", "0\n");
        ok(&fake, "tcp", "bbr, receive up to 33554432, send up to 4194304, probing 0");
        fake.add("/proc/sys/net/ipv4/tcp_congestion_control", "??\n");
        unknown(&fake, "tcp", "not understood");
    }

    #[test]
    fn a_bad_network_is_told() {
        let fake = Fake::new("retransmits");
        unknown(&fake, "retransmits", "does not have it");
        let tcp = |sent: &str, again: &str| {
            let head = "Ip: a\nIp: 1\nTcp: RtoMin OutSegs RetransSegs InErrs\n";
            fake.add(SNMP, &format!("{head}Tcp: 200 {sent} {again} 0\n"));
        };
        tcp("1000", "10");
        ok(&fake, "retransmits", "10 of 1000, 1.00 %");
        tcp("0", "0");
        ok(&fake, "retransmits", "0 of 0, 0.00 %");
        tcp("1000", "11");
        warns(&fake, "retransmits", "11 of 1000, 1.10 %", "more than 1 %");
        tcp("many", "11");
        unknown(&fake, "retransmits", "not understood");
        fake.add(SNMP, "Ip: a\n");
        unknown(&fake, "retransmits", "not understood");
    }
}
