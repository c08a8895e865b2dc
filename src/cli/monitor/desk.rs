//! A person at the screens: what was pressed, what is asked of the engine, and what came of it. The same
//! for `stoop monitor` and for the screens that `stoop run` shows of itself.

#![forbid(unsafe_code)]

use super::super::Failure;
use super::super::instance::Instance;
use super::super::operate::{REPLY_MARGIN, sentence_of};
use crate::agents::control::ControlRequest;
use crate::shm::{MarketView, PositionRow};
use crate::show::About;
use crate::tui::{self, App, Ask, MonitorData, Screen, Tab, Wish};
use crate::types::{Amount, InstrumentId};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

/// How long the engine may take until everything that a key asked for is confirmed.
const PATIENCE: Duration = Duration::from_secs(10);

/// See the module.
pub(in crate::cli) struct Desk {
    /// What is looked at.
    pub app: App,
    /// What the instance says of itself.
    pub about: About,
    instance: Instance,
    /// The process that is looked at: another one in its place is asked nothing.
    pid: u32,
    answers: (Sender<Answer>, Receiver<Answer>),
    /// Requests that were sent: the number of the last one.
    sent: u64,
}

/// What came of a request.
struct Answer {
    number: u64,
    ask: Ask,
    text: String,
    /// Whether it is not done yet.
    goes_on: bool,
}

impl Desk {
    /// Before an instance.
    pub fn new(instance: Instance, pid: u32, mut app: App) -> Self {
        let about = instance.about();
        app.plain = tui::is_plain();
        Self { app, about, instance, pid, answers: channel(), sent: 0 }
    }

    /// The book whose levels are wanted, of so many.
    pub fn looked_at(&self, instruments: usize) -> Option<InstrumentId> {
        (self.app.tab == Tab::Depth && instruments > 0)
            .then(|| InstrumentId(self.app.choice(instruments) as u16))
    }

    /// Draws one frame and waits for a key; whether the person has enough.
    pub fn frame(
        &mut self,
        screen: &mut Screen,
        data: MonitorData,
        wait: Duration,
    ) -> Result<bool, Failure> {
        self.hear();
        self.go_on(&data);
        let (instance, about) = (self.instance.name.clone(), self.about.clone());
        let data = MonitorData { instance, about, ..data };
        self.app.bound(lines(&data, self.app.tab));
        let failed = |error: std::io::Error| Failure::new(format!("terminal: {error}"));
        screen.draw(|frame| tui::draw(frame, &data, &self.app)).map_err(failed)?;
        let Some(key) = screen.input(wait).map_err(failed)? else { return Ok(false) };
        match self.app.press(key, data.counters.trading_state) {
            Wish::None => Ok(false),
            Wish::Quit => Ok(true),
            Wish::Tell(ask) => {
                self.tell(ask);
                Ok(false)
            }
        }
    }

    /// Takes the answers that have come.
    fn hear(&mut self) {
        for Answer { number, ask, text, goes_on } in self.answers.1.try_iter() {
            self.app.replies.answered(number, ask, text, goes_on);
        }
    }

    /// Says what is left of what was asked for, until there is nothing.
    fn go_on(&mut self, data: &MonitorData) {
        if let Some(ask) = self.app.replies.followed() {
            self.app.replies.left(left(ask, data));
        }
    }

    /// Asks on a thread of its own: the screens go on while the engine works.
    fn tell(&mut self, ask: Ask) {
        self.sent += 1;
        self.app.replies.sent(self.sent, ask);
        let number = self.sent;
        let (folder, name, pid) =
            (self.instance.folder.clone(), self.instance.name.clone(), self.pid);
        let answer_to = self.answers.0.clone();
        std::thread::spawn(move || {
            let instance = Instance { name, folder };
            let _ = answer_to.send(told(&instance, pid, (number, ask)));
        });
    }
}

/// Sends the request that a key stands for; what came of it in words.
fn told(instance: &Instance, pid: u32, (number, ask): (u64, Ask)) -> Answer {
    let over = |text| Answer { number, ask, text, goes_on: false };
    let found = MarketView::attach(&instance.folder).ok();
    let found = found.filter(|view| super::ended(view).is_empty()).map(|view| view.pid());
    if let Some(why) = ended_since(pid, found) {
        return over(why);
    }
    let waits = matches!(ask, Ask::CancelAll | Ask::Flatten | Ask::Halt);
    let request = ControlRequest {
        command: ask.command().to_owned(),
        wait_ms: waits.then_some(PATIENCE.as_millis() as u64),
        // Between the look above and the question another one may have begun.
        pid: Some(pid),
        ..ControlRequest::default()
    };
    match instance.ask(&request, PATIENCE + REPLY_MARGIN) {
        Ok(reply) => {
            let goes_on = reply.ok && !reply.done && matches!(ask, Ask::CancelAll | Ask::Flatten);
            Answer { goes_on, ..over(sentence_of(&request, &reply)) }
        }
        Err(failure) => over(failure.message),
    }
}

/// Orders that work and positions that are held, as far as a request is about them; empty: none.
fn left(ask: Ask, data: &MonitorData) -> String {
    let mut left = Vec::new();
    match (data.counters.orders_open, data.counters.orders_unknown) {
        (0, _) => {}
        (open, 0) => left.push(format!("{open} orders work")),
        (open, unknown) => left.push(format!("{open} orders work, {unknown} of unknown outcome")),
    }
    let is_held = |row: &&PositionRow| row.qty != Amount::ZERO;
    let held = data.positions.iter().filter(is_held).count();
    if ask == Ask::Flatten && held > 0 {
        left.push(format!("{held} positions are held"));
    }
    left.join(", ")
}

/// Why an engine that was looked at is asked nothing any more; `found` is the process that runs under
/// its name now. What a person sees is of the old one: the new one may trade real money.
fn ended_since(pid: u32, found: Option<u32>) -> Option<String> {
    match found {
        Some(found) if found == pid => None,
        Some(found) => Some(format!(
            "process {pid} has ended, nothing was sent: process {found}, which runs under its name \
             now, is another run; begin anew to see it"
        )),
        None => Some(format!("process {pid} has ended, nothing was sent")),
    }
}

/// Lines that a screen has to choose from.
fn lines(data: &MonitorData, tab: Tab) -> usize {
    let recorded = &data.recorded;
    match tab {
        Tab::Board | Tab::Depth => data.table.len(),
        Tab::Orders => recorded.open.len().max(recorded.ended.len()),
        Tab::Trades => recorded.pairs.len(),
        Tab::Positions => {
            let parts = data.venues.len() + data.table.len();
            data.positions.len().max(parts).max(data.limits.len())
        }
        Tab::Strategies => data.strategies.len() * 3,
        Tab::Venues => data.venues.len(),
        Tab::Latency => data.stages.len(),
        Tab::Events => recorded.events.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::Input;
    use crate::types::TradingState;

    #[test]
    fn another_run_of_the_same_name_is_asked_nothing() {
        assert_eq!(ended_since(7, Some(7)), None);
        assert!(ended_since(7, Some(8)).unwrap().contains("process 8"));
        assert!(ended_since(7, None).unwrap().contains("nothing was sent"));
        let folder = std::env::temp_dir().join("stoop-no-such-instance");
        let nowhere = Instance { name: "gone".to_owned(), folder };
        let said = told(&nowhere, 7, (3, Ask::Halt));
        assert_eq!(said.text, "process 7 has ended, nothing was sent");
        assert!(said.number == 3 && !said.goes_on);
    }

    fn desk() -> Desk {
        let folder = std::env::temp_dir().join("stoop-no-such-instance");
        let nowhere = Instance { name: "gone".to_owned(), folder };
        Desk::new(nowhere, 7, App::default())
    }

    /// An answer that comes from the engine.
    fn hear(desk: &mut Desk, number: u64, ask: Ask, goes_on: bool) {
        let text = format!("answer {number}");
        desk.answers.0.send(Answer { number, ask, text, goes_on }).unwrap();
        desk.hear();
    }

    #[test]
    fn what_is_not_done_is_followed_to_its_end() {
        let mut desk = desk();
        let mut data = MonitorData::default();
        data.counters.orders_open = 2;
        data.counters.orders_unknown = 1;
        data.positions = vec![PositionRow { qty: Amount(5), ..PositionRow::default() }];
        hear(&mut desk, 1, Ask::Flatten, true);
        desk.go_on(&data);
        let left = "NOW: 2 orders work, 1 of unknown outcome, 1 positions are held; flatten is not \
                    done | answer 1";
        assert_eq!(desk.app.replies.text(), left);
        data.counters.orders_open = 0;
        desk.go_on(&data);
        let left = "NOW: 1 positions are held; flatten is not done | answer 1";
        assert_eq!(desk.app.replies.text(), left);
        data.positions[0].qty = Amount::ZERO;
        desk.go_on(&data);
        assert_eq!(desk.app.replies.text(), "flatten: done, nothing is left of it");
        assert_eq!(desk.app.replies.followed(), None);
        // Positions are nothing to those who cancel.
        data.positions[0].qty = Amount(5);
        desk.app.replies.clear();
        hear(&mut desk, 2, Ask::CancelAll, true);
        desk.go_on(&data);
        assert_eq!(desk.app.replies.text(), "cancel-all: done, nothing is left of it");
        // Whoever has dismissed the answer does not want to hear more of it.
        hear(&mut desk, 3, Ask::Flatten, true);
        desk.app.press(Input::Esc, TradingState::Active);
        desk.go_on(&data);
        assert_eq!((desk.app.replies.text(), desk.app.replies.followed()), (String::new(), None));
    }

    /// A flatten that is not done is followed whatever else is asked for, or nearly so, and answered.
    #[test]
    fn an_answer_about_one_command_is_not_mixed_with_another() {
        let mut desk = desk();
        let mut data = MonitorData::default();
        data.counters.orders_open = 2;
        desk.app.replies.sent(1, Ask::Flatten);
        desk.app.replies.sent(2, Ask::CancelAll);
        hear(&mut desk, 1, Ask::Flatten, true);
        hear(&mut desk, 2, Ask::CancelAll, false);
        desk.go_on(&data);
        let left = "NOW: 2 orders work; flatten is not done | ";
        let said = desk.app.replies.text();
        assert_eq!(said, format!("{left}cancel-all: answer 2 | flatten: answer 1"));
        for key in ['p', 'n'] {
            desk.app.press(Input::Char(key), TradingState::Active);
        }
        desk.go_on(&data);
        assert_eq!(desk.app.replies.text(), format!("{left}pause was not sent"));
    }

    #[test]
    fn requests_are_numbered() {
        let mut desk = desk();
        desk.tell(Ask::Pause);
        desk.tell(Ask::Flatten);
        let mut heard: Vec<u64> =
            (0..2).map(|_| desk.answers.1.recv_timeout(PATIENCE).unwrap().number).collect();
        heard.sort_unstable();
        assert_eq!(heard, [1, 2]);
        assert_eq!(desk.app.replies.text(), "flatten ... | pause ...");
    }
}
