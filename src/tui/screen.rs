//! The terminal itself: entered, left again whatever happens, and asked for keys.
//!
//! Keys are read on a thread of their own: the library that reads them waits for the end of a sequence
//! that was begun, for ever if it never comes, and nobody who shows something may wait with it. Nobody
//! waits for that thread's end either.

use super::monitor::Input;
use crossterm::cursor::Show;
use crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::backend::CrosstermBackend;
use ratatui::{Frame, Terminal};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, IsTerminal, Stdout};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

/// Keys that are read ahead.
const AHEAD: usize = 64;

/// The terminal in full-screen mode; restored when dropped.
pub struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
    source: Keys,
    keys: Receiver<io::Result<Event>>,
}

/// Where keys come from.
enum Keys {
    Stdin(io::Stdin),
    /// The terminal itself, where something else stands at the input.
    Terminal(File),
}

impl Keys {
    fn find() -> io::Result<Self> {
        let stdin = io::stdin();
        Ok(if stdin.is_terminal() {
            Self::Stdin(stdin)
        } else {
            Self::Terminal(File::open("/dev/tty")?)
        })
    }

    /// Waits for one, for ever without a `timeout`. An error once the terminal is gone: whoever then asks
    /// for keys reads nothing for ever.
    fn wait(&self, timeout: Option<Duration>) -> io::Result<bool> {
        let of: BorrowedFd<'_> = match self {
            Self::Stdin(stdin) => stdin.as_fd(),
            Self::Terminal(file) => file.as_fd(),
        };
        is_readable(of, timeout)
    }

    /// Reads them until nobody wants them or the terminal is gone.
    fn read(self, to: &SyncSender<io::Result<Event>>) {
        loop {
            let next = self.next();
            let is_last = next.is_err();
            if to.send(next).is_err() || is_last {
                return;
            }
        }
    }

    fn next(&self) -> io::Result<Event> {
        // What was read with the key before comes first.
        while !event::poll(Duration::ZERO)? && !self.wait(None)? {}
        event::read()
    }
}

fn is_readable(of: BorrowedFd<'_>, timeout: Option<Duration>) -> io::Result<bool> {
    let mut fds = [PollFd::from_borrowed_fd(of, PollFlags::IN)];
    let timeout = timeout.map(|timeout| Timespec {
        tv_sec: timeout.as_secs().try_into().unwrap_or(i64::MAX),
        tv_nsec: timeout.subsec_nanos().into(),
    });
    match poll(&mut fds, timeout.as_ref()) {
        // By a signal: its handler has said so to whoever wants to know.
        Err(Errno::INTR) => return Ok(false),
        other => other?,
    };
    let seen = fds[0].revents();
    match seen.intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL) {
        true => Err(gone()),
        false => Ok(seen.contains(PollFlags::IN)),
    }
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "it is gone")
}

impl Screen {
    /// Takes the terminal over.
    pub fn enter() -> io::Result<Self> {
        let (source, to_read) = (Keys::find()?, Keys::find()?);
        enable_raw_mode()?;
        crossterm::execute!(io::stdout(), EnterAlternateScreen)?;
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            leave();
            hook(info);
        }));
        let (to, keys) = sync_channel(AHEAD);
        // From here on the end of this gives the terminal back.
        let screen =
            Self { terminal: Terminal::new(CrosstermBackend::new(io::stdout()))?, source, keys };
        std::thread::Builder::new().name("keys".to_owned()).spawn(move || to_read.read(&to))?;
        Ok(screen)
    }

    /// Draws one frame.
    pub fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.terminal.draw(draw).map(|_| ())
    }

    /// Waits up to `timeout` for a key that means something.
    pub fn input(&mut self, timeout: Duration) -> io::Result<Option<Input>> {
        self.source.wait(Some(Duration::ZERO))?;
        let event = match self.keys.recv_timeout(timeout) {
            Ok(event) => event?,
            Err(RecvTimeoutError::Timeout) => return Ok(None),
            Err(RecvTimeoutError::Disconnected) => return Err(gone()),
        };
        let Event::Key(key) = event else { return Ok(None) };
        if key.kind != KeyEventKind::Press {
            return Ok(None);
        }
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        Ok(Some(match key.code {
            KeyCode::Char('c') if control => Input::Interrupt,
            KeyCode::Char(_) if control => return Ok(None),
            KeyCode::Char(letter) => Input::Char(letter),
            KeyCode::Up => Input::Up,
            KeyCode::Down => Input::Down,
            KeyCode::Left => Input::Left,
            KeyCode::Right => Input::Right,
            KeyCode::PageUp => Input::PageUp,
            KeyCode::PageDown => Input::PageDown,
            KeyCode::Tab => Input::Tab,
            KeyCode::BackTab => Input::BackTab,
            KeyCode::Enter => Input::Enter,
            KeyCode::Esc => Input::Esc,
            _ => return Ok(None),
        }))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        silence_what_is_gone();
        leave();
    }
}

/// What is written to a terminal that is gone goes nowhere from now on: else the last words of whoever
/// loses it are an error.
fn silence_what_is_gone() {
    let Ok(nowhere) = File::options().write(true).open("/dev/null") else { return };
    let is_gone = |of: BorrowedFd<'_>| rustix::io::write(of, b"") == Err(Errno::IO);
    if is_gone(io::stdout().as_fd()) {
        let _ = rustix::stdio::dup2_stdout(&nowhere);
    }
    if is_gone(io::stderr().as_fd()) {
        let _ = rustix::stdio::dup2_stderr(&nowhere);
    }
}

fn leave() {
    let _ = disable_raw_mode();
    let _ = crossterm::execute!(io::stdout(), LeaveAlternateScreen, Show);
}

/// Whether a person wants no colours: see <https://no-color.org>.
#[must_use]
pub fn is_plain() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_terminal_that_is_gone_is_an_error_and_not_silence() {
        let (here, mut there) = UnixStream::pair().unwrap();
        let wait = |ms| is_readable(here.as_fd(), Some(Duration::from_millis(ms)));
        assert!(!wait(0).unwrap() && !wait(2).unwrap());
        there.write_all(b"q").unwrap();
        assert!(wait(60_000).unwrap());
        drop(there);
        assert_eq!(wait(60_000).unwrap_err().to_string(), "it is gone");
    }
}
