//! `stoop tune`: prints the commands that mend what `stoop doctor` finds, and with `--apply` does them
//! one by one.

use super::doctor::{What, findings};
use super::{EXIT_OK, EXIT_UNCONFIRMED, Failure};
use crate::doctor::{self, Finding, Host};
use std::io::Write as _;

/// What is mended.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Only these findings, by the names that `stoop doctor` gives them in parentheses
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Do it: each command is shown, run and its result told. Needs root
    #[arg(long)]
    apply: bool,
    #[command(flatten)]
    what: What,
}

/// Shows what mends the host, and does it if asked.
pub(super) fn tune(arguments: &Arguments) -> Result<u8, Failure> {
    check_names(&arguments.names)?;
    if arguments.apply && !rustix::process::geteuid().is_root() {
        let how = "run it with sudo, or read what it prints without --apply";
        return Err(Failure::new(format!("tune --apply needs root: {how}")));
    }
    let host = Host::this();
    let mut findings = findings(&arguments.what, &host)?;
    findings.retain(|one| is_asked_for(&arguments.names, one));
    let mut out = std::io::stdout().lock();
    // Whoever read our output may have gone: nothing is left to do then.
    let _ = out.write_all(shown(&findings).as_bytes());
    if !arguments.apply {
        return Ok(EXIT_OK);
    }
    Ok(apply(&host, &findings, &mut out))
}

fn check_names(names: &[String]) -> Result<(), Failure> {
    match names.iter().find(|name| !doctor::names().any(|known| known == name.as_str())) {
        None => Ok(()),
        Some(name) => {
            let known: Vec<&str> = doctor::names().collect();
            Err(Failure::usage(format!("{name:?} is none of: {}", known.join(", "))))
        }
    }
}

fn is_asked_for(names: &[String], finding: &Finding) -> bool {
    finding.fix.is_some() && (names.is_empty() || names.iter().any(|name| name == finding.name))
}

fn shown(findings: &[Finding]) -> String {
    match findings {
        [] => "# nothing to mend\n".to_owned(),
        _ => doctor::script(findings),
    }
}

/// Every command after the other; one that fails does not hold up the rest.
fn apply(host: &Host, findings: &[Finding], out: &mut impl std::io::Write) -> u8 {
    let (mut done, mut failed) = (0, 0);
    for finding in findings {
        for change in finding.fix.iter().flat_map(|fix| &fix.changes) {
            let _ = writeln!(out, "$ {}", change.act);
            let result = doctor::apply(host, &change.act);
            let _ = match result {
                Ok(what) => {
                    done += 1;
                    writeln!(out, "  done: {what}; undo: {}", change.undo)
                }
                Err(why) => {
                    failed += 1;
                    writeln!(out, "  FAILED: {why}")
                }
            };
        }
    }
    let by_hand =
        findings.iter().filter(|one| one.fix.as_ref().is_some_and(|f| f.changes.is_empty()));
    let _ = writeln!(out, "{done} done, {failed} failed, {} left to you", by_hand.count());
    if failed == 0 { EXIT_OK } else { EXIT_UNCONFIRMED }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{Act, Change, Fix, State};
    use std::fs;

    fn finding(name: &'static str, fix: Option<Fix>) -> Finding {
        let (path, reason) = ("/x".to_owned(), "y".to_owned());
        Finding { name, title: name, state: State::Warn, value: "1".to_owned(), path, reason, fix }
    }

    fn writes(paths: &[&str]) -> Option<Fix> {
        let write = |path: &&str, value: &str| Act::Write {
            path: (*path).to_owned(),
            value: value.to_owned(),
        };
        let change = |path| Change { act: write(path, "0"), undo: write(path, "1") };
        Some(Fix { changes: paths.iter().map(change).collect(), ..Fix::default() })
    }

    #[test]
    fn only_what_is_asked_for_is_done_and_each_result_is_told() {
        let root = std::env::temp_dir().join(format!("stoop-tune-{}", std::process::id()));
        fs::create_dir_all(root.join("proc")).unwrap();
        for name in ["a", "b"] {
            fs::write(root.join("proc").join(name), "1\n").unwrap();
        }
        let by_hand = Some(Fix { by_hand: Some("x".to_owned()), ..Fix::default() });
        let mut list = vec![
            finding("ksm", writes(&["/proc/a", "/proc/missing"])),
            finding("swap", writes(&["/proc/b"])),
            finding("isolated", by_hand),
            finding("numa", None),
        ];
        list.retain(|one| is_asked_for(&["ksm".to_owned(), "isolated".to_owned()], one));
        let mut out = Vec::new();
        let code = apply(&Host::under(&root), &list, &mut out);
        let expected = "$ echo 0 > /proc/a\n  done: it reads 0; undo: echo 1 > /proc/a\n\
            $ echo 0 > /proc/missing\n  FAILED: No such file or directory (os error 2)\n\
            1 done, 1 failed, 1 left to you\n";
        assert_eq!((code, String::from_utf8(out).unwrap().as_str()), (EXIT_UNCONFIRMED, expected));
        assert_eq!(fs::read_to_string(root.join("proc/a")).unwrap(), "0\n");
        assert_eq!(fs::read_to_string(root.join("proc/b")).unwrap(), "1\n");
        let mut out = Vec::new();
        assert_eq!(
            apply(&Host::under(&root), &[finding("swap", writes(&["/proc/b"]))], &mut out),
            EXIT_OK
        );
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn names_are_known_and_nothing_is_said_to_be_nothing() {
        assert!(check_names(&["swap".to_owned()]).is_ok());
        let error = check_names(&["swop".to_owned()]).unwrap_err();
        assert!(error.message.starts_with("\"swop\" is none of: isolated, "), "{}", error.message);
        assert_eq!(shown(&[]), "# nothing to mend\n");
        let all = [finding("ksm", writes(&["/a"])), finding("numa", None)];
        assert!(is_asked_for(&[], &all[0]) && !is_asked_for(&[], &all[1]));
    }
}
