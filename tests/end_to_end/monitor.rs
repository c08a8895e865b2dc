//! The screens in a real terminal, with real keys, of a real engine.

use crate::operating::{Running, assert_ended_well};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A terminal of its own, in which one command runs.
struct Terminal {
    socket: String,
}

impl Terminal {
    /// `None`, and a line that says so, where there is no tmux.
    fn open(size: (u16, u16), name: &str, command: &str) -> Option<Self> {
        let socket = format!("stoop-{}-{name}", std::process::id());
        let terminal = Self { socket };
        let (width, height) = (size.0.to_string(), size.1.to_string());
        let new = ["new-session", "-d", "-x", &width, "-y", &height, command];
        match terminal.run(&new) {
            Some(output) if output.status.success() => Some(terminal),
            _ => {
                println!("skipped: no tmux");
                None
            }
        }
    }

    fn run(&self, arguments: &[&str]) -> Option<Output> {
        let mut command = Command::new("tmux");
        command.args(["-L", &self.socket, "-f", "/dev/null"]).args(arguments);
        command.env_remove("TMUX").stdin(Stdio::null()).output().ok()
    }

    fn screen(&self) -> String {
        let output = self.run(&["capture-pane", "-p"]);
        output
            .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
            .unwrap_or_default()
    }

    fn press(&self, keys: &str) {
        for key in keys.chars() {
            self.run(&["send-keys", "-l", &key.to_string()]).unwrap();
        }
    }

    /// Waits until all of these are on the screen.
    fn wait_for(&self, parts: &[&str]) -> String {
        let begun = Instant::now();
        loop {
            let screen = self.screen();
            if parts.iter().all(|part| screen.contains(part)) {
                return screen;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "{parts:?} are not on\n{screen}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn is_open(&self) -> bool {
        self.run(&["has-session"]).is_some_and(|output| output.status.success())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.run(&["kill-server"]);
    }
}

#[test]
fn a_person_watches_pauses_and_halts_an_engine_by_keys() {
    let running = Running::start(&[]);
    let monitor = format!("{} monitor --name {}", env!("CARGO_BIN_EXE_stoop"), running.name);
    let Some(terminal) = Terminal::open((80, 24), "small", &monitor) else { return };
    let board = terminal.wait_for(&["1 board", "BTC/USDT@binance", "binance ready", "active"]);
    assert!(board.starts_with(&format!(" sim  {} ", running.name)), "{board}");
    for (key, part) in [
        ("2", "ended last"),
        ("3", "signals and their legs"),
        ("4", "profit: in all"),
        ("5", "bid qty"),
        ("6", "spread active"),
        ("7", "market data"),
        ("8", "tick_to_order"),
        ("9", "events, newest first"),
        ("?", "any key closes this"),
    ] {
        terminal.press(key);
        terminal.wait_for(&[part]);
    }
    terminal.press("x");
    terminal.press("p");
    terminal.wait_for(&["PAUSE: no new orders"]);
    terminal.press("n");
    terminal.wait_for(&["pause was not sent", "active"]);
    terminal.press("py");
    terminal.wait_for(&["halted", "paused: no new orders"]);
    assert_eq!(running.sends(), 0);
    terminal.press("py");
    terminal.wait_for(&["active", "resumed"]);
    running.wait_for("orders after the resume", |running| running.sends() > 0);
    terminal.press("Hy");
    let ended = terminal.wait_for(&["HAS ENDED; q leaves"]);
    assert!(ended.contains(&running.name), "{ended}");
    assert!(terminal.is_open(), "what was last is still shown");
    terminal.press("q");
    let begun = Instant::now();
    while terminal.is_open() && begun.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(!terminal.is_open(), "it leaves");
    let summary = assert_ended_well(&running.end());
    let why = summary["stopped"].as_str().unwrap();
    assert!(why.starts_with("told to by stoop stop (user "), "{why}");
}

#[test]
fn a_monitor_that_is_told_to_end_gives_the_terminal_back() {
    let running = Running::start(&[]);
    let pid_file = running.folder.0.join("monitor.pid");
    let shell = format!(
        "sh -c 'echo before; sh -c \"echo \\$\\$ > {}; exec {} monitor --name {}\"; echo after; \
         stty -a; exec sleep 60'",
        pid_file.display(),
        env!("CARGO_BIN_EXE_stoop"),
        running.name
    );
    for signal in ["TERM", "HUP"] {
        let Some(terminal) = Terminal::open((100, 30), signal, &shell) else { return };
        terminal.wait_for(&["BTC/USDT@binance", "binance ready"]);
        let pid = std::fs::read_to_string(&pid_file).unwrap();
        Command::new("kill").args(["-s", signal, pid.trim()]).status().unwrap();
        let screen = terminal.wait_for(&["before", "after", " icanon", " echo "]);
        assert!(!screen.contains("BTC/USDT@binance"), "{screen}");
        let cursor = terminal.run(&["display-message", "-p", "#{alternate_on} #{cursor_flag}"]);
        assert_eq!(String::from_utf8_lossy(&cursor.unwrap().stdout).trim(), "0 1");
    }
    running.text(&["stop"]);
    assert_ended_well(&running.end());
}

/// As when the connection to the host is lost.
#[test]
fn whose_terminal_is_lost_ends() {
    let running = Running::start(&[]);
    let folder = &running.folder.0;
    let stoop = env!("CARGO_BIN_EXE_stoop");
    let own = format!("lost-{}", std::process::id());
    let config = stoop::config::DEFAULT_TOML.replace("\"stoop\"", &format!("\"{own}\""));
    std::fs::write(folder.join("lost.toml"), config).unwrap();
    let monitor = format!("{stoop} monitor --name {}", running.name);
    let code = folder.join("code");
    let run =
        format!("sh -c 'trap : HUP; {stoop} run --config lost.toml; echo $? > {}'", code.display());
    for (name, command) in [("monitor", monitor), ("run", run)] {
        let pid_file = folder.join(format!("{name}.pid"));
        let shell =
            format!("cd {}; echo $$ > {}; exec {command}", folder.display(), pid_file.display());
        let Some(terminal) = Terminal::open((100, 30), name, &shell) else { return };
        terminal.wait_for(&["BTC/USDT@binance", "binance ready"]);
        let pid = std::fs::read_to_string(&pid_file).unwrap();
        drop(terminal);
        let (begun, process) = (Instant::now(), format!("/proc/{}", pid.trim()));
        while std::path::Path::new(&process).exists() {
            assert!(begun.elapsed() < Duration::from_secs(30), "{name} goes on");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    assert_eq!(std::fs::read_to_string(code).unwrap().trim(), "0", "it ended in good order");
    running.text(&["stop"]);
    assert_ended_well(&running.end());
}

#[test]
fn without_colours_there_are_none() {
    let running = Running::start(&[]);
    let monitor = |set: &str| {
        format!("{set} {} monitor --name {}", env!("CARGO_BIN_EXE_stoop"), running.name)
    };
    let colors = |terminal: &Terminal| {
        terminal.wait_for(&["BTC/USDT@binance", "binance ready"]);
        let output = terminal.run(&["capture-pane", "-p", "-e"]).unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        ["\u{1b}[31m", "\u{1b}[32m", "\u{1b}[33m", "38;5;"].iter().any(|color| text.contains(color))
    };
    let Some(plain) = Terminal::open((200, 60), "plain", &monitor("NO_COLOR=1")) else { return };
    assert!(!colors(&plain));
    let colored = Terminal::open((200, 60), "colored", &monitor("")).unwrap();
    assert!(colors(&colored));
    running.text(&["stop"]);
    assert_ended_well(&running.end());
}
