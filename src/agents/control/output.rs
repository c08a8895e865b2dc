//! What a strategy's process prints: kept in files of bounded size, and told to the log line by line.
//!
//! A process that prints faster than it is read waits in its own write: nothing here grows with it.

#![forbid(unsafe_code)]

use super::super::log::Log;
use crate::types::Nanos;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Size at which a file becomes its own predecessor: there are two of each.
const FILE_MAX: u64 = 1 << 20;
/// Of the newest output, for whoever writes down how a process died.
const TAIL_MAX: usize = 64 * 1024;
/// Longest line of the log; what is longer is cut there, not in the file.
const LINE_MAX: usize = 400;
/// Read in one round, a few milliseconds apart.
const ROUND_MAX: usize = 256 * 1024;

/// A file that is replaced when it has become too large.
struct Rotated {
    path: PathBuf,
    file: Option<File>,
    len: u64,
}

impl Rotated {
    fn open(path: PathBuf) -> io::Result<Self> {
        let file = std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(&path)?;
        let len = file.metadata()?.len();
        Ok(Self { path, file: Some(file), len })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.len >= FILE_MAX {
            self.file = None;
            let mut before = self.path.clone().into_os_string();
            before.push(".1");
            std::fs::rename(&self.path, before)?;
            *self = Self::open(self.path.clone())?;
        }
        let Some(file) = &mut self.file else { return Err(io::ErrorKind::NotFound.into()) };
        file.write_all(bytes)?;
        self.len += bytes.len() as u64;
        Ok(())
    }
}

/// One of the two streams of a process.
pub(super) struct Output {
    stream: Option<File>,
    kept: Option<Rotated>,
    line: Vec<u8>,
    tail: VecDeque<u8>,
    is_error: bool,
}

/// Makes the folder of the files, closed to other users.
pub(super) fn make_folder(folder: &Path) -> Result<(), String> {
    let made = std::fs::DirBuilder::new().mode(0o700).recursive(true).create(folder);
    made.map_err(|error| format!("{}: {error}", folder.display()))
}

impl Output {
    /// Reads `stream` from now on and appends what comes to the file at `path`.
    pub fn new(
        stream: OwnedFd,
        path: PathBuf,
        is_error: bool,
        (log, now): (&mut Log, Nanos),
    ) -> Self {
        let nonblocking = fcntl_getfl(stream.as_fd())
            .and_then(|flags| fcntl_setfl(stream.as_fd(), flags | OFlags::NONBLOCK));
        // What cannot be read without waiting is not read: it must not hold the control thread up.
        let stream = nonblocking.is_ok().then(|| File::from(stream));
        let kept = Rotated::open(path.clone());
        if let Err(error) = &kept {
            let text = format_args!("{}: {error}: its output is not kept", path.display());
            log.error(now, text);
        }
        let (line, tail) = (Vec::new(), VecDeque::new());
        Self { stream, kept: kept.ok(), line, tail, is_error }
    }

    /// Takes what has come. Never waits.
    pub fn poll(&mut self, log: &mut Log, now: Nanos) {
        let mut bytes = [0; 16 * 1024];
        let mut read = 0;
        while read < ROUND_MAX {
            let Some(stream) = &mut self.stream else { return };
            match stream.read(&mut bytes) {
                Ok(0) => self.stream = None,
                Ok(count) => {
                    read += count;
                    self.take(&bytes[..count], log, now);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }

    /// Its process has ended: what came last without an end of line is a line too.
    pub fn finish(&mut self, log: &mut Log, now: Nanos) {
        self.poll(log, now);
        if !self.line.is_empty() {
            self.tell(log, now);
        }
    }

    fn take(&mut self, bytes: &[u8], log: &mut Log, now: Nanos) {
        if let Some(kept) = &mut self.kept
            && let Err(error) = kept.write(bytes)
        {
            log.error(now, format_args!("{error}: its output is kept no longer"));
            self.kept = None;
        }
        self.tail.extend(bytes);
        let over = self.tail.len().saturating_sub(TAIL_MAX);
        self.tail.drain(..over);
        for byte in bytes {
            match byte {
                b'\n' => self.tell(log, now),
                _ if self.line.len() < LINE_MAX => self.line.push(*byte),
                _ => {}
            }
        }
    }

    fn tell(&mut self, log: &mut Log, now: Nanos) {
        let line = std::mem::take(&mut self.line);
        let text = String::from_utf8_lossy(&line);
        // A terminal is not to be led by what a strategy prints.
        let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        match (text.trim().is_empty(), self.is_error) {
            (true, _) => {}
            (false, true) => log.warn(now, format_args!("stderr: {text}")),
            (false, false) => log.info(now, format_args!("stdout: {text}")),
        }
    }

    /// The last of it.
    pub fn tail(&self) -> String {
        let bytes: Vec<u8> = self.tail.iter().copied().collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agents::log;
    use std::process::{Command, Stdio};

    #[test]
    fn the_last_line_of_a_process_needs_no_end() {
        let folder = std::env::temp_dir().join(format!("stoop-last-{}", std::process::id()));
        make_folder(&folder).unwrap();
        let path = folder.join("strategy-x.err");
        // What it leaves behind holds the stream open: no end of it is seen.
        let mut child = Command::new("sh")
            .args(["-c", "sleep 60 & echo $!; printf 'one\\nlast words' >&2"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut log, lines) = log::channel(64);
        let stream = child.stderr.take().unwrap().into();
        let mut output = Output::new(stream, path.clone(), true, (&mut log, Nanos(1)));
        child.wait().unwrap();
        output.finish(&mut log, Nanos(1));
        let texts: Vec<String> = lines.take().into_iter().map(|line| line.text).collect();
        assert_eq!(texts, ["stderr: one", "stderr: last words"]);
        assert_eq!(output.tail(), "one\nlast words");
        assert_eq!(std::fs::read_to_string(path).unwrap(), "one\nlast words");
        let mut left = String::new();
        let mut stream = std::io::BufReader::new(child.stdout.take().unwrap());
        std::io::BufRead::read_line(&mut stream, &mut left).unwrap();
        Command::new("kill").arg(left.trim()).status().unwrap();
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn output_is_kept_in_two_bounded_files_and_told_by_lines() {
        let folder = std::env::temp_dir().join(format!("stoop-output-{}", std::process::id()));
        make_folder(&folder).unwrap();
        let path = folder.join("strategy-x.out");
        let program =
            "printf 'one\\n\\033[31mtwo\\n'; head -c 3000000 /dev/zero | tr '\\0' a; echo";
        let mut child =
            Command::new("sh").args(["-c", program]).stdout(Stdio::piped()).spawn().unwrap();
        let (mut log, lines) = log::channel(64);
        let stream = child.stdout.take().unwrap().into();
        let mut output = Output::new(stream, path.clone(), false, (&mut log, Nanos(1)));
        while output.stream.is_some() {
            output.poll(&mut log, Nanos(1));
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        child.wait().unwrap();
        let texts: Vec<String> = lines.take().into_iter().map(|line| line.text).collect();
        assert_eq!(texts[..2], ["stdout: one", "stdout:  [31mtwo"]);
        assert_eq!(texts[2].len(), "stdout: ".len() + LINE_MAX);
        assert_eq!(output.tail().len(), TAIL_MAX);
        for path in [path.clone(), folder.join("strategy-x.out.1")] {
            let len = std::fs::metadata(path).unwrap().len();
            assert!((1..FILE_MAX + 32 * 1024).contains(&len), "{len}");
        }
        std::fs::remove_dir_all(folder).unwrap();
    }
}
