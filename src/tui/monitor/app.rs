//! What the keys do: which screen is shown, what is selected, and what is asked before it is done.

#![forbid(unsafe_code)]

use super::replies::Replies;
use crate::types::{LossSwitch, TradingState};

/// A key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// A letter, digit or sign.
    Char(char),
    /// An arrow.
    Up,
    /// An arrow.
    Down,
    /// An arrow.
    Left,
    /// An arrow.
    Right,
    /// Many lines up.
    PageUp,
    /// Many lines down.
    PageDown,
    /// The next screen.
    Tab,
    /// The screen before.
    BackTab,
    /// Yes.
    Enter,
    /// No, or back.
    Esc,
    /// Ctrl-C.
    Interrupt,
}

/// A screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Tab {
    /// All venues of an underlying side by side.
    #[default]
    Board = 0,
    /// Orders that work, and those that ended last.
    Orders = 1,
    /// Signals with their legs, and fills.
    Trades = 2,
    /// What is held and what was earned.
    Positions = 3,
    /// The levels of one book.
    Depth = 4,
    /// What strategies say of themselves.
    Strategies = 5,
    /// Connections, limits, clocks.
    Venues = 6,
    /// What each stage takes.
    Latency = 7,
    /// What happened.
    Events = 8,
}

impl Tab {
    /// How many there are.
    pub const COUNT: usize = 9;

    /// All of them, in the order of their keys.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Board,
        Self::Orders,
        Self::Trades,
        Self::Positions,
        Self::Depth,
        Self::Strategies,
        Self::Venues,
        Self::Latency,
        Self::Events,
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        [
            "board",
            "orders",
            "trades",
            "positions",
            "depth",
            "strategies",
            "venues",
            "latency",
            "events",
        ][self as usize]
    }

    /// A name for a row that has no room for all of them.
    #[must_use]
    pub fn short_name(self) -> &'static str {
        match self {
            Self::Positions => "pos",
            Self::Strategies => "strat",
            other => other.name(),
        }
    }

    fn moved(self, by: usize) -> Self {
        Self::ALL[(self as usize + by) % Self::COUNT]
    }
}

/// What a person may ask the engine for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// No new orders.
    Pause,
    /// New orders again.
    Resume,
    /// All orders.
    CancelAll,
    /// All positions, and no new orders.
    Flatten,
    /// Everything cancelled, then the end of the engine.
    Halt,
}

impl Ask {
    /// The command of the control socket.
    #[must_use]
    pub fn command(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::CancelAll => "cancel-all",
            Self::Flatten => "flatten",
            Self::Halt => "stop",
        }
    }

    /// What it will do, for the person who is about to confirm it; `switch` is what has stopped trading.
    #[must_use]
    pub fn question(self, switch: Option<LossSwitch>) -> String {
        let question = match (self, switch) {
            (Self::Pause, _) => "PAUSE: no new orders; those that work go on",
            (Self::Resume, Some(switch)) => {
                return format!(
                    "RESUME after the {switch} switch: losses are measured anew from now on"
                );
            }
            (Self::Resume, None) => "RESUME: new orders are allowed again",
            (Self::CancelAll, _) => "CANCEL ALL orders, those placed by hand too",
            (Self::Flatten, _) => "FLATTEN: pause, cancel all orders, close all positions",
            (Self::Halt, _) => "HALT: cancel everything and end the engine",
        };
        question.to_owned()
    }
}

/// What is to be done after a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Nothing but drawing again.
    None,
    /// Leave the screens.
    Quit,
    /// Tell the engine.
    Tell(Ask),
}

/// Lines that a page moves by.
const PAGE: usize = 10;

/// What the person looks at.
#[derive(Clone, Debug, Default)]
pub struct App {
    /// Which screen.
    pub tab: Tab,
    /// Whether the keys are explained.
    pub help: bool,
    /// What waits for a confirmation.
    pub confirm: Option<Ask>,
    /// What came of the last commands.
    pub replies: Replies,
    /// No colours.
    pub plain: bool,
    /// What `q` does, where it does more than leave.
    pub quits: Option<&'static str>,
    /// Selected line of each screen.
    pub(super) selected: [usize; Tab::COUNT],
    /// Selected column of each screen: which instrument, where there is a choice.
    pub(super) across: [usize; Tab::COUNT],
}

impl App {
    /// Begins with a screen.
    #[must_use]
    pub fn on(tab: Tab) -> Self {
        Self { tab, ..Self::default() }
    }

    /// Line that is selected on the screen that is shown, of so many.
    #[must_use]
    pub fn line(&self, of: usize) -> usize {
        self.selected[self.tab as usize].min(of.saturating_sub(1))
    }

    /// What is chosen with left and right, of so many.
    #[must_use]
    pub fn choice(&self, of: usize) -> usize {
        self.across[self.tab as usize].checked_rem(of).unwrap_or(0)
    }

    /// A key was pressed; `state` is what the engine may trade.
    pub fn press(&mut self, key: Input, state: TradingState) -> Wish {
        if key == Input::Interrupt {
            return Wish::Quit;
        }
        if let Some(ask) = self.confirm.take() {
            return match key {
                Input::Enter | Input::Char('y' | 'Y') => Wish::Tell(ask),
                _ => {
                    self.replies.say(format!("{} was not sent", ask.command()));
                    Wish::None
                }
            };
        }
        if self.help {
            self.help = false;
            return Wish::None;
        }
        match key {
            Input::Char('q') => return Wish::Quit,
            Input::Char('?') => self.help = true,
            Input::Char('p') if state == TradingState::Active => self.confirm = Some(Ask::Pause),
            Input::Char('p') => self.confirm = Some(Ask::Resume),
            Input::Char('c') => self.confirm = Some(Ask::CancelAll),
            Input::Char('f') => self.confirm = Some(Ask::Flatten),
            Input::Char('H') => self.confirm = Some(Ask::Halt),
            Input::Esc => self.replies.clear(),
            other => self.go(other),
        }
        Wish::None
    }

    /// Keys that only move.
    fn go(&mut self, key: Input) {
        let at = self.tab as usize;
        let (line, across) = (&mut self.selected[at], &mut self.across[at]);
        match key {
            Input::Char(digit @ '1'..='9') => {
                self.tab = Tab::ALL[digit as usize - '1' as usize];
            }
            Input::Tab => self.tab = self.tab.moved(1),
            Input::BackTab => self.tab = self.tab.moved(Tab::COUNT - 1),
            Input::Down | Input::Char('j') => *line = line.saturating_add(1),
            Input::Up | Input::Char('k') => *line = line.saturating_sub(1),
            Input::PageDown => *line = line.saturating_add(PAGE),
            Input::PageUp => *line = line.saturating_sub(PAGE),
            Input::Right | Input::Char('l') => *across = across.saturating_add(1),
            Input::Left => *across = across.saturating_sub(1),
            _ => {}
        }
    }

    /// Keeps a selection within so many lines, so that a key the other way moves it at once.
    pub fn bound(&mut self, lines: usize) {
        let line = &mut self.selected[self.tab as usize];
        *line = (*line).min(lines.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pressed(app: &mut App, keys: &str) -> Wish {
        let press = |app: &mut App, key| app.press(Input::Char(key), TradingState::Active);
        keys.chars().map(|key| press(app, key)).last().unwrap_or(Wish::None)
    }

    #[test]
    fn nothing_is_told_without_a_confirmation() {
        let asks =
            [("p", Ask::Pause), ("c", Ask::CancelAll), ("f", Ask::Flatten), ("H", Ask::Halt)];
        for tab in Tab::ALL {
            for (key, ask) in asks {
                let mut app = App { tab, ..App::default() };
                assert_eq!(pressed(&mut app, key), Wish::None);
                assert_eq!(app.confirm, Some(ask));
                assert_eq!(pressed(&mut app.clone(), "y"), Wish::Tell(ask));
                assert_eq!(app.clone().press(Input::Enter, TradingState::Active), Wish::Tell(ask));
                for no in ["n", "x", "p", "q"] {
                    let mut app = app.clone();
                    assert_eq!(pressed(&mut app, no), Wish::None, "{no}");
                    let said = format!("{} was not sent", ask.command());
                    assert_eq!((app.confirm, app.replies.text()), (None, said));
                    assert_eq!(pressed(&mut app, "y"), Wish::None, "it is over");
                }
            }
        }
    }

    #[test]
    fn what_is_paused_is_resumed_by_the_same_key() {
        for state in [TradingState::ReduceOnly, TradingState::Halted] {
            let mut app = App::default();
            app.press(Input::Char('p'), state);
            assert_eq!(app.confirm, Some(Ask::Resume));
        }
    }

    #[test]
    fn screens_are_reached_by_number_and_in_turn() {
        let mut app = App::default();
        for (tab, key) in Tab::ALL.into_iter().zip('1'..) {
            pressed(&mut app, &key.to_string());
            assert_eq!(app.tab, tab);
        }
        app.press(Input::Tab, TradingState::Active);
        assert_eq!(app.tab, Tab::Board);
        app.press(Input::BackTab, TradingState::Active);
        assert_eq!(app.tab, Tab::Events);
        assert_eq!(pressed(&mut app, "?"), Wish::None);
        assert!(app.help);
        assert_eq!(pressed(&mut app, "q"), Wish::None, "closes the help");
        assert_eq!(pressed(&mut app, "q"), Wish::Quit);
    }

    #[test]
    fn a_selection_stays_with_its_screen() {
        let mut app = App::default();
        pressed(&mut app, "2jjj1j2");
        assert_eq!((app.line(10), app.line(2), app.line(0)), (3, 1, 0));
        app.bound(2);
        pressed(&mut app, "k");
        assert_eq!(app.line(10), 0);
        pressed(&mut app, "lll");
        assert_eq!((app.choice(2), app.choice(0)), (1, 0));
    }
}
