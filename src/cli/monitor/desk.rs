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
    /// What was asked for and is not done yet.
    goes_on: Option<Ask>,
}

/// What came of a request.
struct Answer {
    text: String,
    /// What was asked for, if it is not done yet.
    goes_on: Option<Ask>,
}

impl Desk {
    /// Before an instance.
    pub fn new(instance: Instance, pid: u32, mut app: App) -> Self {
        let about = instance.about();
        app.plain = tui::is_plain();
        Self { app, about, instance, pid, answers: channel(), goes_on: None }
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
        if let Ok(Answer { text, goes_on }) = self.answers.1.try_recv() {
            (self.app.reply, self.goes_on) = (text, goes_on);
        }
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
                self.app.reply = format!("{} ...", ask.command());
                self.app.left.clear();
                self.goes_on = None;
                self.tell(ask);
                Ok(false)
            }
        }
    }

    /// Says what is left of what was asked for, until there is nothing.
    fn go_on(&mut self, data: &MonitorData) {
        let Some(ask) = self.goes_on.filter(|_| !self.app.reply.is_empty()) else {
            self.goes_on = None;
            return;
        };
        self.app.left = left(ask, data);
        if self.app.left.is_empty() {
            self.goes_on = None;
            self.app.reply = format!("{}: done, nothing is left of it", ask.command());
        }
    }

    /// Asks on a thread of its own: the screens go on while the engine works.
    fn tell(&self, ask: Ask) {
        let (folder, name, pid) =
            (self.instance.folder.clone(), self.instance.name.clone(), self.pid);
        let answer_to = self.answers.0.clone();
        std::thread::spawn(move || {
            let instance = Instance { name, folder };
            let _ = answer_to.send(told(&instance, pid, ask));
        });
    }
}

/// Sends the request that a key stands for; what came of it in words.
fn told(instance: &Instance, pid: u32, ask: Ask) -> Answer {
    let over = |text| Answer { text, goes_on: None };
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
            let is_left = reply.ok && !reply.done && matches!(ask, Ask::CancelAll | Ask::Flatten);
            let text = sentence_of(&request, &reply);
            Answer { text, goes_on: is_left.then_some(ask) }
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

    #[test]
    fn another_run_of_the_same_name_is_asked_nothing() {
        assert_eq!(ended_since(7, Some(7)), None);
        assert!(ended_since(7, Some(8)).unwrap().contains("process 8"));
        assert!(ended_since(7, None).unwrap().contains("nothing was sent"));
        let folder = std::env::temp_dir().join("stoop-no-such-instance");
        let nowhere = Instance { name: "gone".to_owned(), folder };
        let said = told(&nowhere, 7, Ask::Halt);
        assert_eq!(said.text, "process 7 has ended, nothing was sent");
        assert_eq!(said.goes_on, None);
    }

    #[test]
    fn what_is_not_done_is_followed_to_its_end() {
        let folder = std::env::temp_dir().join("stoop-no-such-instance");
        let nowhere = Instance { name: "gone".to_owned(), folder };
        let mut desk = Desk::new(nowhere, 7, App::default());
        let mut data = MonitorData::default();
        data.counters.orders_open = 2;
        data.counters.orders_unknown = 1;
        data.positions = vec![PositionRow { qty: Amount(5), ..PositionRow::default() }];
        let begin = |desk: &mut Desk, ask| {
            (desk.app.reply, desk.goes_on) = ("not done yet".to_owned(), Some(ask));
        };
        begin(&mut desk, Ask::Flatten);
        desk.go_on(&data);
        assert_eq!(desk.app.left, "2 orders work, 1 of unknown outcome, 1 positions are held");
        data.counters.orders_open = 0;
        desk.go_on(&data);
        assert_eq!(desk.app.left, "1 positions are held");
        data.positions[0].qty = Amount::ZERO;
        desk.go_on(&data);
        let said = (desk.app.reply.as_str(), desk.app.left.as_str(), desk.goes_on);
        assert_eq!(said, ("flatten: done, nothing is left of it", "", None));
        // Positions are nothing to those who cancel.
        data.positions[0].qty = Amount(5);
        begin(&mut desk, Ask::CancelAll);
        desk.go_on(&data);
        assert_eq!(desk.app.reply, "cancel-all: done, nothing is left of it");
        // Whoever has dismissed the answer does not want to hear more of it.
        begin(&mut desk, Ask::Flatten);
        desk.app.reply.clear();
        desk.go_on(&data);
        assert_eq!((desk.app.left.as_str(), desk.goes_on), ("", None));
    }
}
