//! A terminal as a person has it: one shell that goes on, what is typed into it, what it says.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Longest time that one command may take: some build the library, on a machine that others use too.
const PATIENCE: Duration = Duration::from_secs(300);
const MARK: &str = "-- done:";

pub struct Terminal {
    shell: Child,
    input: ChildStdin,
    lines: Receiver<String>,
}

/// Where Cargo puts what it builds: what these tests were built with is used there again.
fn target() -> PathBuf {
    let binary = Path::new(env!("CARGO_BIN_EXE_stoop"));
    binary.parent().and_then(Path::parent).unwrap().to_owned()
}

/// What Cargo tells a test of the package that it is of is nothing to those who build another.
fn is_of_this_package(name: &str) -> bool {
    let starts = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "NEXTEST"];
    starts.iter().any(|start| name.starts_with(start))
}

impl Terminal {
    /// A shell in `folder` that finds `stoop`.
    pub fn open(folder: &Path) -> Self {
        let binary = Path::new(env!("CARGO_BIN_EXE_stoop"));
        let mut path = OsString::from(binary.parent().unwrap());
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap());
        let mut command = Command::new("sh");
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(is_of_this_package) {
                command.env_remove(name);
            }
        }
        let mut shell = command
            .current_dir(folder)
            .env("PATH", path)
            .env("CARGO_TARGET_DIR", target())
            .env("CARGO_NET_OFFLINE", "true")
            .env_remove("STOOP_LOG")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = shell.stdin.take().unwrap();
        writeln!(input, "exec 2>&1").unwrap();
        let output = BufReader::new(shell.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Self { shell, input, lines }
    }

    /// Types a command and does not wait for its end.
    pub fn type_in(&mut self, command: &str) {
        // What is typed later is not for the command to read.
        let typed = format!("{{ {command}\n}} < /dev/null\nprintf '\\n%s %d\\n' '{MARK}' $?");
        writeln!(self.input, "{typed}").unwrap();
    }

    /// What it said until its end, and its exit code.
    pub fn wait(&mut self, command: &str) -> (Vec<String>, i32) {
        let mut said = Vec::new();
        loop {
            let line = self.lines.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|error| panic!("{command}: {error}: {said:#?}"));
            if let Some(code) = line.strip_prefix(MARK) {
                return (said, code.trim().parse().unwrap());
            }
            said.push(line);
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Some(group) = rustix::process::Pid::from_raw(self.shell.id().cast_signed()) {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        let _ = self.shell.wait();
    }
}
