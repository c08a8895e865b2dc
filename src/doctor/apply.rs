//! Does one change to a host, and says what came of it.

#![forbid(unsafe_code)]

use super::host::chosen;
use super::{Act, Host};

/// Does it: what is there afterwards, or why it failed. Nothing else is touched.
pub fn apply(host: &Host, act: &Act) -> Result<String, String> {
    match act {
        Act::Write { path, value } => {
            // Opened as it is there: a file of the kernel is never made.
            let file =
                std::fs::OpenOptions::new().write(true).truncate(true).open(host.place(path));
            let mut file = file.map_err(|error| error.to_string())?;
            std::io::Write::write_all(&mut file, format!("{value}\n").as_bytes())
                .map_err(|error| error.to_string())?;
            drop(file);
            let now = host.text(path)?;
            let now = chosen(&now).unwrap_or(&now);
            if same(now, value) {
                Ok(format!("it reads {now}"))
            } else {
                Err(format!("the kernel took it, but it reads {now}"))
            }
        }
        Act::Run(words) => {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            host.run(&words).map(|_| "it says that it is done".to_owned())
        }
    }
}

/// The kernel writes masks with leading zeros.
fn same(now: &str, value: &str) -> bool {
    let bare = |text: &str| {
        let digits: String = text.chars().filter(|c| *c != ',').collect();
        digits.trim_start_matches('0').to_owned()
    };
    now == value || (bare(now) == bare(value) && value.contains(|c: char| c.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::super::testing::Fake;
    use super::*;

    #[test]
    fn a_value_is_written_where_a_file_is_and_read_back() {
        let fake = Fake::new("apply");
        let act = Act::write("/proc/sys/vm/stat_interval", "120");
        let error = apply(&fake.host(), &act).unwrap_err();
        assert!(error.contains("No such file"), "{error}");
        fake.add("/proc/sys/vm/stat_interval", "1 and more\n");
        assert_eq!(apply(&fake.host(), &act), Ok("it reads 120".to_owned()));
        assert_eq!(fake.text("/proc/sys/vm/stat_interval"), "120\n");
    }

    #[test]
    fn a_program_is_run_and_its_failure_told() {
        let fake = Fake::new("apply-run");
        let act = Act::run("swapoff /dev/x");
        assert_eq!(apply(&fake.host(), &act), Err("swapoff is not installed".to_owned()));
        fake.program("swapoff /dev/x", "");
        assert_eq!(apply(&fake.host(), &act), Ok("it says that it is done".to_owned()));
    }

    #[test]
    fn what_the_kernel_writes_differently_is_the_same() {
        assert!(same("00000000,0000000b", "b") && same("120", "120") && same("0", "0"));
        assert!(!same("f", "b") && !same("powersave", "performance"));
    }
}
