//! Findings for people in 80 columns, for programs as JSON, and as a script that mends.

#![forbid(unsafe_code)]

use super::{Change, Finding, Fix, State};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Columns of a terminal.
const WIDTH: usize = 80;
/// Where what belongs to a finding begins.
const INDENT: usize = 9;
/// Commands of one fix that are shown; `stoop tune` prints all.
const COMMANDS_MAX: usize = 3;

const STATES: [State; 4] = [State::Ok, State::Unknown, State::Warn, State::Fail];

/// How many findings of each state.
fn counts(findings: &[Finding]) -> [(State, usize); 4] {
    STATES.map(|state| (state, findings.iter().filter(|one| one.state == state).count()))
}

/// One object with an array of findings.
#[must_use]
pub fn object(findings: &[Finding]) -> Value {
    let counts = counts(findings).map(|(state, count)| (state.text().to_lowercase(), count.into()));
    let counts: serde_json::Map<String, Value> = counts.into_iter().collect();
    json!({
        "fit": findings.iter().all(|one| one.state != State::Fail),
        "counts": counts,
        "findings": findings.iter().map(finding).collect::<Vec<_>>(),
    })
}

fn finding(one: &Finding) -> Value {
    json!({
        "name": one.name,
        "title": one.title,
        "state": one.state.text(),
        "value": (!one.value.is_empty()).then_some(&one.value),
        "path": one.path,
        "reason": one.reason,
        "fix": one.fix.as_ref().map(fix),
    })
}

fn fix(fix: &Fix) -> Value {
    let change = |one: &Change| json!({ "run": one.act.to_string(), "undo": one.undo.to_string() });
    json!({
        "commands": fix.changes.iter().map(change).collect::<Vec<_>>(),
        "by_hand": fix.by_hand,
        "survives_reboot": fix.survives_reboot,
        "to_keep": fix.to_keep,
    })
}

/// For people, the worst last, where the eye is. `tune` is the command that mends what was looked at.
#[must_use]
pub fn text(findings: &[Finding], tune: &str) -> String {
    let mut text = String::new();
    for state in STATES {
        for one in findings.iter().filter(|one| one.state == state) {
            tell(&mut text, one, tune);
        }
    }
    let counts = counts(findings).map(|(state, count)| format!("{count} {}", state.text()));
    let fixes = findings.iter().filter(|one| one.fix.is_some()).count();
    let _ = writeln!(text, "\n{}", counts.join(", "));
    if fixes > 0 {
        let _ = writeln!(text, "What mends them, whole and with what undoes it:\n{tune}");
    }
    text
}

fn tell(text: &mut String, one: &Finding, tune: &str) {
    let value = match one.value.as_str() {
        "" => format!("{} ({})", one.title, one.name),
        value => format!("{} ({}): {value}", one.title, one.name),
    };
    wrap(text, &format!("{:<width$}", one.state.text(), width = INDENT), &value);
    let indent = " ".repeat(INDENT);
    wrap(text, &indent, &one.path);
    wrap(text, &indent, &one.reason);
    let Some(fix) = &one.fix else { return };
    for change in fix.changes.iter().take(COMMANDS_MAX) {
        wrap(text, &format!("{indent}$ "), &change.act.to_string());
    }
    if fix.changes.len() > COMMANDS_MAX {
        let more = fix.changes.len() - COMMANDS_MAX;
        wrap(text, &indent, &format!("and {more} more: {tune} {}", one.name));
    }
    if let Some(by_hand) = &fix.by_hand {
        wrap(text, &format!("{indent}> "), by_hand);
    }
    let lasts = match &fix.to_keep {
        _ if fix.survives_reboot => "stays after a boot".to_owned(),
        Some(what) => format!("until the next boot; to keep it: {what}"),
        None => "until the next boot".to_owned(),
    };
    wrap(text, &format!("{indent}  "), &lasts);
}

/// Words in lines of at most [`WIDTH`]; a longer word is broken. Lines after the first begin with
/// spaces below the first's `head`, or with a `head` of `#` again.
fn wrap(text: &mut String, head: &str, words: &str) {
    let next = if head.starts_with('#') { head.to_owned() } else { " ".repeat(head.len()) };
    let room = WIDTH - head.len();
    let mut lines: Vec<String> = vec![String::new()];
    for word in words.split_whitespace() {
        let mut rest: Vec<char> = word.chars().collect();
        while !rest.is_empty() {
            let last = lines.len() - 1;
            let used = lines[last].chars().count();
            let gap = usize::from(used > 0);
            if used + gap + rest.len() > room && used > 0 {
                lines.push(String::new());
                continue;
            }
            let part: String = rest.drain(..rest.len().min(room)).collect();
            if gap == 1 {
                lines[last].push(' ');
            }
            lines[last] += &part;
        }
    }
    for (index, line) in lines.iter().enumerate() {
        let head = if index == 0 { head } else { &next };
        let _ = writeln!(text, "{}", format!("{head}{line}").trim_end());
    }
}

/// What mends the findings as a shell script: each command with why, and with what undoes it.
#[must_use]
pub fn script(findings: &[Finding]) -> String {
    let mut text = String::new();
    for one in findings {
        let Some(fix) = &one.fix else { continue };
        wrap(&mut text, "# ", &format!("{} ({}): {}", one.name, one.title, one.value));
        wrap(&mut text, "#   ", &one.reason);
        for change in &fix.changes {
            let _ = writeln!(text, "{}", change.act);
        }
        for change in &fix.changes {
            let _ = writeln!(text, "#   undo: {}", change.undo);
        }
        if let Some(what) = &fix.to_keep {
            wrap(&mut text, "#   ", &format!("until the next boot; to keep it: {what}"));
        }
        if let Some(by_hand) = &fix.by_hand {
            wrap(&mut text, "#   ", &format!("by hand: {by_hand}{}", fix.undo_by_hand()));
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding_of(state: State, fix: Option<Fix>) -> Finding {
        let (name, title, path) = ("swap", "swap", "/proc/swaps");
        let (value, reason) = ("/dev/x (0 KiB used)", "there is swap; its touch waits");
        Finding {
            name,
            title,
            state,
            value: value.into(),
            path: path.into(),
            reason: reason.into(),
            fix,
        }
    }

    fn many() -> Fix {
        let list =
            (0..5).map(|n| (format!("/proc/irq/{n}/smp_affinity_list"), "0-3".into(), "0".into()));
        Fix::writes(list).and_by_hand("or never")
    }

    #[test]
    fn people_see_the_worst_last_in_80_columns() {
        let mut long = finding_of(State::Ok, None);
        long.path = "x".repeat(200);
        long.reason = "many words ".repeat(30);
        let findings = [
            finding_of(State::Fail, Some(Fix::run("swapoff /dev/x", "swapon /dev/x"))),
            long,
            finding_of(State::Warn, Some(many())),
            Finding { value: String::new(), ..finding_of(State::Unknown, None) },
        ];
        let text = text(&findings, "stoop tune --cpus 2");
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        let heads: Vec<&str> = text
            .lines()
            .filter(|line| !line.starts_with(' '))
            .map(|line| line.trim_end())
            .collect();
        assert_eq!(
            heads,
            [
                "OK       swap (swap): /dev/x (0 KiB used)",
                "unknown  swap (swap)",
                "WARN     swap (swap): /dev/x (0 KiB used)",
                "FAIL     swap (swap): /dev/x (0 KiB used)",
                "",
                "1 OK, 1 unknown, 1 WARN, 1 FAIL",
                "What mends them, whole and with what undoes it:",
                "stoop tune --cpus 2",
            ]
        );
        assert!(text.contains("         $ echo 0 > /proc/irq/2/smp_affinity_list\n"));
        assert!(!text.contains("/proc/irq/3/"), "{text}");
        assert!(
            text.contains("         and 2 more: stoop tune --cpus 2 swap\n         > or never\n")
        );
        assert!(text.contains("         $ swapoff /dev/x\n           until the next boot\n"));
    }

    #[test]
    fn programs_get_one_object() {
        let fix = Fix::write("/proc/sys/vm/swappiness", "60", "1");
        let object = object(&[finding_of(State::Fail, Some(fix)), finding_of(State::Ok, None)]);
        let expected = json!({
            "fit": false,
            "counts": { "ok": 1, "unknown": 0, "warn": 0, "fail": 1 },
            "findings": [
                {
                    "name": "swap", "title": "swap", "state": "FAIL", "path": "/proc/swaps",
                    "value": "/dev/x (0 KiB used)", "reason": "there is swap; its touch waits",
                    "fix": {
                        "commands": [{
                            "run": "echo 1 > /proc/sys/vm/swappiness",
                            "undo": "echo 60 > /proc/sys/vm/swappiness",
                        }],
                        "by_hand": null,
                        "survives_reboot": false,
                        "to_keep": "vm.swappiness = 1 in /etc/sysctl.d/90-stoop.conf",
                    },
                },
                {
                    "name": "swap", "title": "swap", "state": "OK", "path": "/proc/swaps",
                    "value": "/dev/x (0 KiB used)", "reason": "there is swap; its touch waits",
                    "fix": null,
                },
            ],
        });
        assert_eq!(object, expected);
    }

    #[test]
    fn the_script_holds_commands_and_otherwise_comments() {
        let findings = [
            finding_of(State::Warn, Some(Fix::run("swapoff '/dev/x'", "swapon /dev/x"))),
            finding_of(State::Warn, Some(Fix::boot("nosmt"))),
            finding_of(State::Warn, Some(Fix::by_hand("move it"))),
            finding_of(State::Ok, None),
        ];
        let expected = r"# swap (swap): /dev/x (0 KiB used)
#   there is swap; its touch waits
swapoff ''\''/dev/x'\'''
#   undo: swapon /dev/x

# swap (swap): /dev/x (0 KiB used)
#   there is swap; its touch waits
#   by hand: add to the kernel's command line, and boot: nosmt (to undo, take it
#   out again, and boot)

# swap (swap): /dev/x (0 KiB used)
#   there is swap; its touch waits
#   by hand: move it

";
        assert_eq!(script(&findings), expected);
        assert_eq!(script(&[]), "");
    }
}
