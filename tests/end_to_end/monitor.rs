//! The screens in a real terminal, with real keys, of a real engine.

use crate::operating::{Running, assert_ended_well, stop_of};
use crate::support::Folder;
use std::path::PathBuf;
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

    /// Types bytes as they are, in hexadecimal.
    fn type_bytes(&self, bytes: &[&str]) {
        self.run(&[&["send-keys", "-H"], bytes].concat()).unwrap();
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

/// A run in a terminal, under an interactive shell as a person has it.
struct Shown {
    folder: Folder,
    region: PathBuf,
    terminal: Terminal,
}

impl Shown {
    fn start() -> Option<Self> {
        let folder = Folder::new();
        let text = std::fs::read_to_string(folder.config(&[], "")).unwrap();
        let name = text.split_once("\nname = \"").unwrap().1.split('"').next().unwrap();
        let region = PathBuf::from(format!("/dev/shm/stoop-{name}"));
        let terminal = Terminal::open(
            (100, 30),
            name,
            "exec env HISTFILE=/dev/null bash --norc --noprofile -i",
        )?;
        terminal.press(&format!("cd {}\n", folder.0.display()));
        terminal.press(&format!("{} run\n", env!("CARGO_BIN_EXE_stoop")));
        terminal.wait_for(&["BTC/USDT@binance", "binance ready"]);
        Some(Self { folder, region, terminal })
    }

    fn signal(&self, signal: &str) {
        if let Ok(view) = stoop::shm::MarketView::attach(&self.region) {
            let pid = view.pid().to_string();
            Command::new("kill").args(["-s", signal, &pid]).status().unwrap();
        }
    }

    /// Its terminal is gone.
    fn lose(&mut self) {
        self.terminal.run(&["kill-server"]);
    }

    /// Who has stopped it, once it has ended in good order: only then its region is gone.
    fn stopped_by(&self) -> String {
        let begun = Instant::now();
        while self.region.exists() {
            assert!(begun.elapsed() < Duration::from_secs(30), "it goes on, or was cut off");
            std::thread::sleep(Duration::from_millis(50));
        }
        stop_of(&self.folder).0
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        if self.region.exists() {
            self.signal("KILL");
            let _ = std::fs::remove_dir_all(&self.region);
        }
    }
}

/// As when the connection to the host is lost: shell and kernel both say so to whoever runs there.
#[test]
fn an_engine_whose_terminal_is_lost_ends_in_good_order_each_time() {
    for _ in 0..4 {
        let Some(mut shown) = Shown::start() else { return };
        shown.lose();
        let by = shown.stopped_by();
        assert!(by.starts_with("SIGHUP"), "{by}");
    }
}

/// Alt and [ pressed together begin what no key ends: nobody waits for it.
#[test]
fn half_a_key_holds_nothing_up() {
    let half = ["1b", "5b"];
    let Some(shown) = Shown::start() else { return };
    shown.terminal.type_bytes(&half);
    let before = shown.terminal.screen();
    let begun = Instant::now();
    while shown.terminal.screen() == before {
        assert!(begun.elapsed() < Duration::from_secs(30), "the screen stands still:\n{before}");
        std::thread::sleep(Duration::from_millis(50));
    }
    shown.signal("TERM");
    assert!(shown.stopped_by().starts_with("SIGTERM of user "));
    shown.terminal.wait_for(&["equal to the venues'"]);

    let mut shown = Shown::start().unwrap();
    shown.terminal.type_bytes(&half);
    std::thread::sleep(Duration::from_millis(300));
    shown.lose();
    assert!(shown.stopped_by().starts_with("SIGHUP"));
}

#[test]
fn a_monitor_whose_terminal_is_lost_ends() {
    let running = Running::start(&[]);
    let folder = &running.folder.0;
    let pid_file = folder.join("monitor.pid");
    let shell = format!(
        "cd {}; echo $$ > {}; exec {} monitor --name {}",
        folder.display(),
        pid_file.display(),
        env!("CARGO_BIN_EXE_stoop"),
        running.name
    );
    for half in [&[][..], &["1b", "5b"]] {
        let Some(terminal) = Terminal::open((100, 30), "monitor", &shell) else { return };
        terminal.wait_for(&["BTC/USDT@binance", "binance ready"]);
        if !half.is_empty() {
            terminal.type_bytes(half);
            std::thread::sleep(Duration::from_millis(300));
        }
        let pid = std::fs::read_to_string(&pid_file).unwrap();
        drop(terminal);
        let (begun, process) = (Instant::now(), format!("/proc/{}", pid.trim()));
        while std::path::Path::new(&process).exists() {
            assert!(begun.elapsed() < Duration::from_secs(30), "it goes on");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
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
