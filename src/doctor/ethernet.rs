//! The network card, as `ethtool` tells of it.

#![forbid(unsafe_code)]

use super::{Change, Check, Fix, Look, Seen, fix::Act};

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "coalescing",
        title: "interrupts held back",
        why: "the card waits for more packets before it tells of the first",
        look: coalescing,
    },
    Check {
        name: "offloads",
        title: "packets put together",
        why: "lro lets packets wait for those that follow",
        look: offloads,
    },
    Check {
        name: "time_stamps",
        title: "stamps by the card",
        why: "shown: with them the way through the kernel could be measured",
        look: time_stamps,
    },
    Check {
        name: "kernel_bypass",
        title: "kernel bypass",
        why: "shown: Onload takes the engine's sockets over if it is started under it",
        look: bypass,
    },
];

/// What `ethtool` says of each interface.
fn ask(look: &Look, option: &str) -> Result<Vec<(String, String, String)>, Seen> {
    let interfaces = look.host.interfaces();
    if interfaces.is_empty() {
        return Err(Seen::unknown(format!("ethtool {option}"), "there is no network card"));
    }
    let mut all = Vec::new();
    for interface in interfaces {
        let command = format!("ethtool {option} {interface}");
        let text = look
            .host
            .run(&["ethtool", option, &interface])
            .map_err(|why| Seen::unknown(&command, why))?;
        all.push((interface, command, text));
    }
    Ok(all)
}

/// The value of a row `name: value`.
fn row<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

/// Commands of `ethtool` and what undoes them.
fn change(option: &str, interface: &str, act: &str, undo: &str) -> Fix {
    let command = |words: &str| Act::run(&format!("ethtool {option} {interface} {words}"));
    let to_keep = Some("the same command in a service that runs at boot".to_owned());
    let changes = vec![Change { act: command(act), undo: command(undo) }];
    Fix { changes, to_keep, ..Fix::default() }
}

fn coalescing(look: &Look) -> Result<Seen, Seen> {
    let mut shown = Vec::new();
    let mut path = String::new();
    for (interface, command, text) in ask(look, "-c")? {
        let adaptive = row(&text, "Adaptive RX").and_then(|value| value.split_whitespace().next());
        let wait_us = row(&text, "rx-usecs");
        let adaptive = match adaptive {
            Some("on") => Some(true),
            Some("off") => Some(false),
            Some("n/a") => None,
            _ => return Err(Seen::garbled(command, &text)),
        };
        let wait_us = match wait_us {
            None | Some("n/a") => None,
            Some(number) => {
                Some(number.parse::<u32>().map_err(|_| Seen::garbled(&command, number))?)
            }
        };
        if (adaptive, wait_us) == (None, None) {
            return Err(Seen::unknown(command, "the driver does not say"));
        }
        let is_on = if adaptive == Some(true) { "adaptive" } else { "fixed" };
        let value = format!("{interface}: {is_on}, {} us", wait_us.unwrap_or(0));
        if adaptive == Some(true) || wait_us.is_some_and(|us| us > 0) {
            let words = |on: &str, us: u32| {
                let adaptive = adaptive.map(|_| format!("adaptive-rx {on} ")).unwrap_or_default();
                let wait = wait_us.map(|_| format!("rx-usecs {us}")).unwrap_or_default();
                adaptive + &wait
            };
            let was = if adaptive == Some(true) { "on" } else { "off" };
            let (act, undo) = (words("off", 0), words(was, wait_us.unwrap_or(0)));
            let fix = change("-C", &interface, &act, &undo);
            return Ok(Seen::warn(command, value, "should be fixed, 0 us").with(fix));
        }
        shown.push(value);
        path = command;
    }
    Ok(Seen::ok(path, shown.join("; ")))
}

fn offloads(look: &Look) -> Result<Seen, Seen> {
    let mut shown = Vec::new();
    let mut path = String::new();
    for (interface, command, text) in ask(look, "-k")? {
        // `on`, `off`, `off [fixed]`
        let state = |name: &str| row(&text, name).and_then(|value| value.split(' ').next());
        let (lro, gro) = (state("large-receive-offload"), state("generic-receive-offload"));
        let (Some(lro @ ("on" | "off")), Some(gro)) = (lro, gro) else {
            return Err(Seen::garbled(command, &text));
        };
        let value = format!("{interface}: lro {lro}, gro {gro}");
        if lro == "on" {
            let fix = change("-K", &interface, "lro off", "lro on");
            return Ok(Seen::warn(command, value, "lro should be off").with(fix));
        }
        shown.push(value);
        path = command;
    }
    Ok(Seen::ok(path, shown.join("; ")))
}

fn time_stamps(look: &Look) -> Result<Seen, Seen> {
    let mut shown = Vec::new();
    let mut path = String::new();
    for (interface, command, text) in ask(look, "-T")? {
        if !text.contains("stamping") {
            return Err(Seen::garbled(command, &text));
        }
        let has = text.lines().any(|line| line.trim().starts_with("hardware-receive"));
        shown.push(format!("{interface}: {}", if has { "yes" } else { "no" }));
        path = command;
    }
    Ok(Seen::ok(path, shown.join("; ")))
}

fn bypass(look: &Look) -> Result<Seen, Seen> {
    const ONLOAD: &str = "/sys/module/onload";
    let interfaces = look.host.interfaces();
    if interfaces.is_empty() {
        return Err(Seen::unknown(ONLOAD, "there is no network card"));
    }
    let onload = if look.host.has(ONLOAD) { "Onload" } else { "none" };
    let driver = |name: &String| {
        let driver = look.host.link(&format!("/sys/class/net/{name}/device/driver"));
        format!("{name}: {}", driver.as_deref().unwrap_or("unknown driver"))
    };
    let drivers: Vec<String> = interfaces.iter().map(driver).collect();
    Ok(Seen::ok(ONLOAD, format!("{onload}; {}", drivers.join(", "))))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Fake, ok, unknown, warns};

    fn with_card(name: &str) -> Fake {
        let fake = Fake::new(name);
        fake.add("/sys/class/net/eth0/device/vendor", "x");
        fake
    }

    #[test]
    fn nothing_is_known_without_card_or_ethtool() {
        for name in ["coalescing", "offloads", "time_stamps"] {
            let fake = Fake::new(&format!("no-card-{name}"));
            unknown(&fake, name, "there is no network card");
            fake.add("/sys/class/net/eth0/device/vendor", "x");
            unknown(&fake, name, "ethtool is not installed");
            for option in ["-c", "-k", "-T"] {
                fake.program(&format!("ethtool {option} eth0"), "netlink error\n");
            }
            unknown(&fake, name, "not understood");
        }
    }

    #[test]
    fn the_card_tells_at_once() {
        let fake = with_card("coalescing");
        let says = |text: &str| fake.program("ethtool -c eth0", text);
        says("Coalesce parameters for eth0:\nAdaptive RX: off  TX: off\nrx-usecs: 0\n");
        ok(&fake, "coalescing", "eth0: fixed, 0 us");
        says(
            "Coalesce parameters for eth0:\nAdaptive RX: on  TX: off\nrx-usecs: 50\nrx-frames: 0\n",
        );
        let fix = warns(&fake, "coalescing", "eth0: adaptive, 50 us", "0 us").fix.unwrap();
        let change = &fix.changes[0];
        assert_eq!(change.act.to_string(), "ethtool -C eth0 adaptive-rx off rx-usecs 0");
        assert_eq!(change.undo.to_string(), "ethtool -C eth0 adaptive-rx on rx-usecs 50");
        says("Adaptive RX: n/a  TX: n/a\nrx-usecs: 3\n");
        let fix = warns(&fake, "coalescing", "eth0: fixed, 3 us", "0 us").fix.unwrap();
        assert_eq!(fix.changes[0].undo.to_string(), "ethtool -C eth0 rx-usecs 3");
        says("Adaptive RX: n/a  TX: n/a\nrx-usecs: n/a\n");
        unknown(&fake, "coalescing", "the driver does not say");
        says("Adaptive RX: off  TX: n/a\nrx-usecs: few\n");
        unknown(&fake, "coalescing", "not understood");
    }

    #[test]
    fn packets_are_not_put_together_by_the_card() {
        let fake = with_card("offloads");
        let says = |lro: &str| {
            let text = format!(
                "Features for eth0:\ngeneric-receive-offload: on\nlarge-receive-offload: {lro}\n"
            );
            fake.program("ethtool -k eth0", &text);
        };
        says("off [fixed]");
        ok(&fake, "offloads", "eth0: lro off, gro on");
        says("on");
        let fix =
            warns(&fake, "offloads", "eth0: lro on, gro on", "lro should be off").fix.unwrap();
        assert_eq!(fix.changes[0].act.to_string(), "ethtool -K eth0 lro off");
        assert_eq!(fix.changes[0].undo.to_string(), "ethtool -K eth0 lro on");
        says("perhaps");
        unknown(&fake, "offloads", "not understood");
    }

    #[test]
    fn stamps_and_bypass_are_shown() {
        let fake = with_card("shown");
        let head = "Time stamping parameters for eth0:\nCapabilities:\n\tsoftware-transmit\n";
        fake.program("ethtool -T eth0", head);
        ok(&fake, "time_stamps", "eth0: no");
        fake.program("ethtool -T eth0", &format!("{head}\thardware-receive\n"));
        ok(&fake, "time_stamps", "eth0: yes");
        ok(&fake, "kernel_bypass", "none; eth0: unknown driver");
        fake.link("/sys/class/net/eth0/device/driver", "../../bus/pci/drivers/sfc");
        fake.add("/sys/module/onload/version", "9");
        ok(&fake, "kernel_bypass", "Onload; eth0: sfc");
        unknown(&Fake::new("no-card"), "kernel_bypass", "there is no network card");
    }
}
