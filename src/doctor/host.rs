//! The host as files under a root, and the few programs that know what no file tells.

#![forbid(unsafe_code)]

use super::Seen;
use crate::bench::strict_cpu_list;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// No program that is asked may take longer.
const PROGRAM_MAX: Duration = Duration::from_secs(3);

/// Runs a program and gives what it prints, or why that is not known. The root is for tests.
type Run = fn(root: &Path, words: &[&str]) -> Result<String, String>;

/// A host.
#[derive(Clone, Debug)]
pub struct Host {
    root: PathBuf,
    run: Run,
}

impl Host {
    /// This one.
    #[must_use]
    pub fn this() -> Self {
        Self { root: PathBuf::from("/"), run: |_, words| run_program(words) }
    }

    /// Files under `root`, where no program is installed.
    #[must_use]
    pub fn under(root: &Path) -> Self {
        let run: Run = |_, words| Err(format!("{} is not installed", words.join(" ")));
        Self { root: root.to_owned(), run }
    }

    /// Files under `root`; programs as `run` says.
    #[cfg(test)]
    pub(super) fn at(root: PathBuf, run: Run) -> Self {
        Self { root, run }
    }

    /// Where a path of the host is.
    pub(super) fn place(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// What a program prints.
    pub(super) fn run(&self, words: &[&str]) -> Result<String, String> {
        (self.run)(&self.root, words)
    }

    /// Text of a file without the space around it; the error says why there is none.
    pub(super) fn text(&self, path: &str) -> Result<String, String> {
        match std::fs::read(self.place(path)) {
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).trim().to_owned()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err("this host does not have it".to_owned())
            }
            Err(error) => Err(format!("cannot be read: {error}")),
        }
    }

    /// The same for a check that needs it.
    pub(super) fn need(&self, path: &str) -> Result<String, Seen> {
        self.text(path).map_err(|why| Seen::unknown(path, why))
    }

    /// A file that holds one number.
    pub(super) fn number(&self, path: &str) -> Result<i64, Seen> {
        let text = self.need(path)?;
        text.parse().map_err(|_| Seen::garbled(path, &text))
    }

    /// A file that holds CPUs such as `0-3,8`.
    pub(super) fn cpus(&self, path: &str) -> Result<Vec<usize>, Seen> {
        let text = self.need(path)?;
        strict_cpu_list(&text).ok_or_else(|| Seen::garbled(path, &text))
    }

    /// The row of a file of rows `name: value`.
    pub(super) fn row(&self, path: &str, name: &str) -> Result<String, Seen> {
        let text = self.need(path)?;
        let row = text.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            (found.trim() == name).then(|| value.trim().to_owned())
        });
        row.ok_or_else(|| Seen::unknown(path, format!("it has no row {name}")))
    }

    /// Names in a folder, sorted, numbers in their order; none if it is not there.
    pub(super) fn names(&self, folder: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.place(folder)).into_iter().flatten().flatten();
        let mut names: Vec<String> =
            entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort_by_key(|name| (name.parse::<u64>().unwrap_or(u64::MAX), name.clone()));
        names
    }

    /// Whether something is there.
    pub(super) fn has(&self, path: &str) -> bool {
        self.place(path).exists()
    }

    /// Last name of what a link leads to.
    pub(super) fn link(&self, path: &str) -> Option<String> {
        let target = std::fs::read_link(self.place(path)).ok()?;
        Some(target.file_name()?.to_str()?.to_owned())
    }

    /// Network interfaces of the default routes, else all that are hardware.
    pub(super) fn interfaces(&self) -> Vec<String> {
        let routes = self.text("/proc/net/route").unwrap_or_default();
        let default = |line: &str| {
            let mut words = line.split_whitespace();
            let name = words.next()?;
            (words.next()? == "00000000").then(|| name.to_owned())
        };
        let mut names: Vec<String> = routes.lines().filter_map(default).collect();
        if names.is_empty() {
            names = self.names("/sys/class/net");
            names.retain(|name| self.has(&format!("/sys/class/net/{name}/device")));
        }
        names.sort();
        names.dedup();
        names
    }
}

fn run_program(words: &[&str]) -> Result<String, String> {
    let [program, arguments @ ..] = words else { return Err("nothing to run".to_owned()) };
    let mut child = Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => format!("{program} is not installed"),
            _ => format!("{program}: {error}"),
        })?;
    let due = Instant::now() + PROGRAM_MAX;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < due => std::thread::sleep(Duration::from_millis(5)),
            Ok(None) | Err(_) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("{program} did not end within {} s", PROGRAM_MAX.as_secs()));
            }
        }
    };
    // What it prints fits into the pipe, or it would not have ended.
    let (mut printed, mut said) = (String::new(), String::new());
    let _ = child.stdout.take().map(|mut pipe| pipe.read_to_string(&mut printed));
    let _ = child.stderr.take().map(|mut pipe| pipe.read_to_string(&mut said));
    if status.success() {
        return Ok(printed);
    }
    let said = said.lines().chain(printed.lines()).find(|line| !line.trim().is_empty());
    Err(format!("{program}: {}", said.unwrap_or("it failed without a word").trim()))
}

/// CPUs as the kernel writes them: `0-3,8`.
pub(super) fn show_cpus(cpus: &[usize]) -> String {
    let mut cpus = cpus.to_vec();
    cpus.sort_unstable();
    cpus.dedup();
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for cpu in cpus {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == cpu => *last = cpu,
            _ => ranges.push((cpu, cpu)),
        }
    }
    let show = |(first, last): &(usize, usize)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    };
    ranges.iter().map(show).collect::<Vec<_>>().join(",")
}

/// The same for people, to whom nothing is a word.
pub(super) fn some_cpus(cpus: &[usize]) -> String {
    if cpus.is_empty() { "none".to_owned() } else { show_cpus(cpus) }
}

/// Those that are not in `others`.
pub(super) fn without(cpus: &[usize], others: &[usize]) -> Vec<usize> {
    cpus.iter().copied().filter(|cpu| !others.contains(cpu)).collect()
}

/// Those that are in `others` too.
pub(super) fn among(cpus: &[usize], others: &[usize]) -> Vec<usize> {
    cpus.iter().copied().filter(|cpu| others.contains(cpu)).collect()
}

/// CPUs of a mask such as `3` or `ff,00000003`: words of 32 bits, the highest first.
pub(super) fn parse_mask(text: &str) -> Option<Vec<usize>> {
    let mut cpus = Vec::new();
    let words: Vec<&str> = text.trim().split(',').collect();
    for (index, word) in words.iter().rev().enumerate() {
        let bits = u32::from_str_radix(word, 16).ok().filter(|_| word.len() <= 8)?;
        cpus.extend((0..32).filter(|bit| bits >> bit & 1 == 1).map(|bit| index * 32 + bit));
    }
    Some(cpus)
}

/// The mask of these CPUs.
pub(super) fn show_mask(cpus: &[usize]) -> String {
    let words = cpus.iter().max().map_or(0, |last| last / 32) + 1;
    let word = |index: usize| {
        let bits = among(&(index * 32..index * 32 + 32).collect::<Vec<_>>(), cpus);
        bits.iter().fold(0u32, |word, cpu| word | 1 << (cpu % 32))
    };
    let mut text = format!("{:x}", word(words - 1));
    (0..words - 1).rev().for_each(|index| text += &format!(",{:08x}", word(index)));
    text
}

/// `always [madvise] never` -> `madvise`
pub(super) fn chosen(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once('[')?;
    rest.split_once(']').map(|(word, _)| word)
}

#[cfg(test)]
mod tests {
    use super::super::testing::Fake;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn cpus_and_masks_are_written_as_the_kernel_does() {
        assert_eq!(show_cpus(&[8, 0, 1, 2, 2]), "0-2,8");
        assert_eq!((some_cpus(&[]), show_cpus(&[])), ("none".to_owned(), String::new()));
        assert_eq!(parse_mask("3"), Some(vec![0, 1]));
        assert_eq!(parse_mask("1,00000002"), Some(vec![1, 32]));
        assert_eq!(
            (show_mask(&[1, 32]), show_mask(&[])),
            ("1,00000002".to_owned(), "0".to_owned())
        );
        for garbage in ["", "x", "3,", "111111111", "-1"] {
            assert_eq!(parse_mask(garbage), None, "{garbage}");
        }
        assert_eq!((chosen("a [b] c"), chosen("a b"), chosen("[a")), (Some("b"), None, None));
    }

    proptest! {
        #[test]
        fn lists_and_masks_come_back(cpus in prop::collection::btree_set(0usize..200, 0..20)) {
            let cpus: Vec<usize> = cpus.into_iter().collect();
            prop_assert_eq!(strict_cpu_list(&show_cpus(&cpus)), Some(cpus.clone()));
            prop_assert_eq!(parse_mask(&show_mask(&cpus)), Some(cpus));
        }
    }

    #[test]
    fn interfaces_are_those_of_the_default_route_else_hardware() {
        let fake = Fake::new("interfaces");
        fake.add("/sys/class/net/lo/mtu", "1").add("/sys/class/net/eth9/device/vendor", "1");
        assert_eq!(fake.host().interfaces(), ["eth9"]);
        let head = "Iface\tDestination\tGateway\n";
        fake.add("/proc/net/route", &format!("{head}eth1\t0000A8C0\t0\neth0\t00000000\t1\n"));
        assert_eq!(fake.host().interfaces(), ["eth0"]);
    }

    #[test]
    fn a_program_is_run_with_its_words_and_its_failure_told() {
        assert_eq!(run_program(&["echo", "a b", "c"]), Ok("a b c\n".to_owned()));
        let error = run_program(&["cat", "/nowhere/at/all"]).unwrap_err();
        assert!(error.contains("No such file"), "{error}");
        let error = run_program(&["no-such-program-here"]).unwrap_err();
        assert_eq!(error, "no-such-program-here is not installed");
        assert!(run_program(&["false"]).unwrap_err().contains("without a word"));
        assert!(run_program(&["sleep", "20"]).unwrap_err().contains("did not end"));
        assert!(run_program(&[]).is_err());
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let fake = Fake::new("unreadable");
        fake.add("/proc/a/b", "5 \n")
            .add("/proc/rows", "x: 1\nName:\t b \n")
            .add("/proc/bad", "5x");
        let host = fake.host();
        assert_eq!(host.number("/proc/a/b"), Ok(5));
        assert_eq!(host.text("/proc/none").unwrap_err(), "this host does not have it");
        assert!(host.text("/proc/a").unwrap_err().starts_with("cannot be read"));
        assert_eq!(host.row("/proc/rows", "Name"), Ok("b".to_owned()));
        assert_eq!(host.row("/proc/rows", "Nam").unwrap_err().reason, "it has no row Nam");
        assert_eq!(host.number("/proc/bad").unwrap_err().reason, "not understood: \"5x\"");
        assert!(host.cpus("/proc/bad").is_err());
    }
}
