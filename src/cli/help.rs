//! Examples at the end of each command's help. A test holds them to what the commands take.

#![forbid(unsafe_code)]

use clap::Command;

/// By command: what is typed, and what that does.
const EXAMPLES: &[(&str, &[(&str, &str)])] = &[
    (
        "run",
        &[
            ("stoop run --for 30s", "trade for half a minute and sum up"),
            ("stoop run --config my.toml --plain --json", "log lines, the summary as JSON"),
        ],
    ),
    (
        "check",
        &[
            ("stoop check --config my.toml", "ask the venues, too"),
            ("stoop check --offline --json", "the file alone"),
        ],
    ),
    ("sim", &[("stoop sim --json --for 10m", "addresses and keys on the first line")]),
    (
        "instruments",
        &[
            ("stoop instruments --filter BTC", "those of the configuration"),
            ("stoop instruments --venue VENUE --json", "all that a venue lists"),
        ],
    ),
    ("ps", &[("stoop ps", "what runs, and what has died"), ("stoop ps --json", "")]),
    (
        "status",
        &[
            ("stoop status", "the only instance that runs"),
            ("stoop status --name desk2 --json", ""),
        ],
    ),
    (
        "monitor",
        &[
            ("stoop monitor", "the only instance that runs; ? explains the keys"),
            ("stoop monitor --name desk2 --screen venues", ""),
        ],
    ),
    (
        "orders",
        &[
            ("stoop orders", "those that work now"),
            ("stoop orders --all --since 1h --strategy spread", "those of the last hour"),
        ],
    ),
    (
        "fills",
        &[
            ("stoop fills --last 20", "the newest last"),
            ("stoop fills --folder journal/stoop-sim --json", "of a run that has ended"),
        ],
    ),
    (
        "positions",
        &[("stoop positions", "what is held, valued now"), ("stoop positions --all --json", "")],
    ),
    ("pnl", &[("stoop pnl", "in all"), ("stoop pnl --by venue --json", "where it was made")]),
    (
        "books",
        &[
            ("stoop books BTC/", "the best prices of every venue"),
            ("stoop books BTC/USDT --depth 5", "five levels a side"),
        ],
    ),
    (
        "events",
        &[
            ("stoop events --follow", "as they happen"),
            ("stoop events --since 6h --level warn --json", "what went wrong today"),
        ],
    ),
    (
        "why",
        &[
            ("stoop why st0cff0bb200000366", "our id"),
            ("stoop why 366 --json", "the end of an id will do if it is its own"),
        ],
    ),
    (
        "export",
        &[
            ("stoop export fills --format csv", "for a spreadsheet"),
            ("stoop export orders --format json --since 24h", "one object a line"),
        ],
    ),
    (
        "new",
        &[
            ("stoop new falcon", "in a folder of that name"),
            ("stoop new falcon --template rsi", ""),
        ],
    ),
    (
        "record",
        &[
            ("stoop record --for 1h", "the configured instruments, into recorded/"),
            ("stoop record --folder day --rotate-every 1h --json", "a file an hour, until Ctrl-C"),
        ],
    ),
    (
        "replay",
        &[
            ("stoop replay btcusdt.gz", "with the configured strategies"),
            ("stoop replay btcusdt.gz ethusdt.gz --latency-us 2000 --json", ""),
        ],
    ),
    (
        "doctor",
        &[
            ("stoop doctor", "the CPUs of the configuration"),
            ("stoop doctor --cpus 2,3 --json", "these, for a program"),
        ],
    ),
    (
        "tune",
        &[
            ("stoop tune", "a script that mends what doctor found"),
            ("stoop tune swap stat_interval --apply", "these two, now, as root"),
        ],
    ),
    ("stop", &[("stoop stop", ""), ("stoop stop --wait 60s --json", "")]),
    (
        "cancel-all",
        &[("stoop cancel-all", ""), ("stoop cancel-all --strategy spread --wait 30s", "")],
    ),
    ("flatten", &[("stoop flatten --wait 60s", ""), ("stoop flatten --strategy spread", "")]),
    ("pause", &[("stoop pause", "all of it"), ("stoop pause --strategy spread", "")]),
    ("resume", &[("stoop resume", ""), ("stoop resume --strategy spread", "")]),
    ("reduce-only", &[("stoop reduce-only", ""), ("stoop reduce-only --strategy spread", "")]),
    (
        "reconcile",
        &[
            ("stoop reconcile", "every venue"),
            ("stoop reconcile --venue VENUE --accept", "the venue is right"),
        ],
    ),
    (
        "set",
        &[
            ("stoop set spread", "its parameters"),
            ("stoop set position_max.BTC=3", "also: stoop set spread cooldown_ms=50"),
        ],
    ),
    (
        "latency",
        &[
            ("stoop latency", "live on a terminal"),
            ("stoop latency --once --worst 20 --json", "with every stamp of the worst"),
        ],
    ),
    (
        "journal show",
        &[
            ("stoop journal show --kind report", ""),
            ("stoop journal show --order st0cff0bb200000366", ""),
        ],
    ),
    ("journal verify", &[("stoop journal verify --json", "")]),
    ("journal export", &[("stoop journal export --format csv --from 1000", "")]),
    (
        "bench",
        &[
            ("stoop bench rings", ""),
            ("stoop bench tick-to-order --out report", "one page with its plots"),
        ],
    ),
    (
        "completions",
        &[
            ("stoop completions bash", "> ~/.local/share/bash-completion/completions/stoop"),
            ("stoop completions zsh", "> ~/.zfunc/_stoop"),
        ],
    ),
    ("man", &[("stoop man ~/.local/share/man/man1", "then: man stoop-status")]),
    ("version", &[("stoop version", "")]),
];

/// The command with all examples.
pub(super) fn with_examples(mut command: Command) -> Command {
    for (path, examples) in EXAMPLES {
        let lines = examples.iter().map(|(typed, what)| match *what {
            "" => format!("  {typed}"),
            what => format!("  {typed:<48}  {what}"),
        });
        let text = format!("Examples:\n{}", lines.collect::<Vec<_>>().join("\n"));
        command = at(command, path, text);
    }
    command
}

fn at(command: Command, path: &str, text: String) -> Command {
    let (first, rest) = path.split_once(' ').unwrap_or((path, ""));
    if command.find_subcommand(first).is_none() {
        return command;
    }
    command.mut_subcommand(first, |below| match rest {
        "" => below.after_help(text),
        rest => at(below, rest, text),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(command: &Command, path: &str, into: &mut Vec<String>) {
        let below: Vec<&Command> = command
            .get_subcommands()
            .filter(|below| below.get_name() != "help" && !below.is_hide_set())
            .collect();
        if below.is_empty() {
            into.push(path.trim().to_owned());
        }
        for one in below {
            leaves(one, &format!("{path} {}", one.get_name()), into);
        }
    }

    #[test]
    fn every_command_has_examples_and_takes_them() {
        let command = super::super::command();
        let mut names = Vec::new();
        leaves(&command, "", &mut names);
        let known: Vec<&str> = EXAMPLES.iter().map(|(path, _)| *path).collect();
        for name in &names {
            assert!(known.contains(&name.as_str()), "{name} has no example");
        }
        assert_eq!(names.len(), known.len(), "an example of a command that is not there");
        for (path, examples) in EXAMPLES {
            assert!((1..=2).contains(&examples.len()), "{path}");
            for (typed, _) in *examples {
                assert!(typed.starts_with(&format!("stoop {path}")), "{typed}");
                let parsed = super::super::command().try_get_matches_from(typed.split(' '));
                parsed.unwrap_or_else(|error| panic!("{typed}: {error}"));
            }
        }
    }

    #[test]
    fn help_ends_with_them() {
        let mut command = super::super::command();
        let why = command.find_subcommand_mut("why").unwrap().render_help().to_string();
        assert!(why.contains("Examples:\n  stoop why st0cff0bb200000366"), "{why}");
    }
}
