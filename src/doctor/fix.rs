//! What mends a finding: commands, each with what undoes it, or words for a person.

#![forbid(unsafe_code)]

use super::Seen;
use std::fmt;

/// One thing that is done to a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Writes a value into a file of the kernel.
    Write {
        /// Absolute.
        path: String,
        /// Without line end.
        value: String,
    },
    /// Runs a program with its arguments.
    Run(Vec<String>),
}

impl Act {
    pub(super) fn write(path: impl Into<String>, value: impl Into<String>) -> Self {
        Self::Write { path: path.into(), value: value.into() }
    }

    /// A program; words are parted by spaces.
    pub(super) fn run(words: &str) -> Self {
        Self::Run(words.split_whitespace().map(str::to_owned).collect())
    }
}

/// As one types it into a shell.
impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Write { path, value } => write!(f, "echo {} > {}", quoted(value), quoted(path)),
            Self::Run(words) => {
                let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
                f.write_str(&words.join(" "))
            }
        }
    }
}

/// A word as a shell takes it literally.
#[must_use]
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_./:=,-+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// A command and what undoes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What mends.
    pub act: Act,
    /// What brings back what was there.
    pub undo: Act,
}

/// Before a parameter of the kernel.
const BOOT: &str = "add to the kernel's command line, and boot: ";

/// What mends a finding.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fix {
    /// Commands that root may run at once.
    pub changes: Vec<Change>,
    /// What a person must do: kernel command line, unit file, another CPU.
    pub by_hand: Option<String>,
    /// Whether it is still there after the next boot.
    pub survives_reboot: bool,
    /// What makes commands last that would not.
    pub to_keep: Option<String>,
}

impl Fix {
    /// Another value for a file, the present one coming back with the undo.
    pub(super) fn write(path: &str, was: &str, value: &str) -> Self {
        let act = Act::write(path, value);
        let change = Change { act, undo: Act::write(path, was) };
        Self { changes: vec![change], to_keep: to_keep(path, value), ..Self::default() }
    }

    /// Another value for each of many files: path, present value, value.
    pub(super) fn writes(list: impl IntoIterator<Item = (String, String, String)>) -> Self {
        let mut fix = Self::default();
        for (path, was, value) in list {
            let mut one = Self::write(&path, &was, &value);
            fix.changes.append(&mut one.changes);
            fix.to_keep = fix.to_keep.or(one.to_keep);
        }
        fix
    }

    /// A program and what undoes it.
    pub(super) fn run(act: &str, undo: &str) -> Self {
        let change = Change { act: Act::run(act), undo: Act::run(undo) };
        Self { changes: vec![change], ..Self::default() }
    }

    /// A parameter of the kernel.
    pub(super) fn boot(parameter: &str) -> Self {
        Self::by_hand(format!("{BOOT}{parameter}"))
    }

    /// What undoes what a person must do, where that is no matter of course.
    pub(super) fn undo_by_hand(&self) -> &'static str {
        let is_boot = self.by_hand.as_deref().is_some_and(|text| text.starts_with(BOOT));
        if is_boot { " (to undo, take it out again, and boot)" } else { "" }
    }

    /// What a person must do, and what then stays.
    pub(super) fn by_hand(text: impl Into<String>) -> Self {
        Self { by_hand: Some(text.into()), survives_reboot: true, ..Self::default() }
    }

    /// Adds what a person must do besides.
    pub(super) fn and_by_hand(self, text: impl Into<String>) -> Self {
        Self { by_hand: Some(text.into()), ..self }
    }
}

/// Line of a file that sets the value anew at every boot.
fn to_keep(path: &str, value: &str) -> Option<String> {
    if let Some(name) = path.strip_prefix("/proc/sys/") {
        let name = name.replace('/', ".");
        return Some(format!("{name} = {value} in /etc/sysctl.d/90-stoop.conf"));
    }
    let is_file = path.starts_with("/sys/") || path.starts_with("/proc/irq/");
    is_file.then(|| "the same commands in a service that runs at boot".to_owned())
}

/// Fix of a finding that is a number which should be another one.
pub(super) fn number(seen: Seen, was: i64, value: i64) -> Seen {
    let fix = Fix::write(&seen.path, &was.to_string(), &value.to_string());
    seen.with(fix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_typed_so_that_a_shell_takes_them_literally() {
        let fix = Fix::write("/proc/sys/vm/stat_interval", "1", "120");
        assert_eq!(fix.changes[0].act.to_string(), "echo 120 > /proc/sys/vm/stat_interval");
        assert_eq!(fix.changes[0].undo.to_string(), "echo 1 > /proc/sys/vm/stat_interval");
        let keep = "vm.stat_interval = 120 in /etc/sysctl.d/90-stoop.conf";
        assert_eq!((fix.to_keep.as_deref(), fix.survives_reboot), (Some(keep), false));
        let act = Act::Run(["swapoff", "/a b", "it's", "", "$(x)"].map(str::to_owned).to_vec());
        assert_eq!(act.to_string(), r"swapoff '/a b' 'it'\''s' '' '$(x)'");
        assert_eq!(Act::write("/x", "a b").to_string(), "echo 'a b' > /x");
    }

    #[test]
    fn what_a_person_does_stays() {
        let fix = Fix::boot("nosmt");
        assert_eq!(
            fix.by_hand.as_deref(),
            Some("add to the kernel's command line, and boot: nosmt")
        );
        assert!(fix.survives_reboot && fix.changes.is_empty());
        let fix = Fix::run("a b", "c").and_by_hand("or else");
        assert_eq!((fix.changes[0].act.to_string(), fix.to_keep), ("a b".to_owned(), None));
        assert_eq!(fix.by_hand.as_deref(), Some("or else"));
    }
}
