//! A person at the screens: what was pressed, what is asked of the engine, and what came of it. The same
//! for `stoop monitor` and for the screens that `stoop run` shows of itself.

#![forbid(unsafe_code)]

use super::super::Failure;
use super::super::instance::Instance;
use super::super::operate::{REPLY_MARGIN, sentence_of};
use crate::agents::control::ControlRequest;
use crate::shm::MarketView;
use crate::show::About;
use crate::tui::{self, App, Ask, MonitorData, Screen, Tab, Wish};
use crate::types::InstrumentId;
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
    replies: (Sender<String>, Receiver<String>),
}

impl Desk {
    /// Before an instance.
    pub fn new(instance: Instance, pid: u32, mut app: App) -> Self {
        let about = instance.about();
        app.plain = tui::is_plain();
        Self { app, about, instance, pid, replies: channel() }
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
        if let Ok(reply) = self.replies.1.try_recv() {
            self.app.reply = reply;
        }
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
                self.tell(ask);
                Ok(false)
            }
        }
    }

    /// Asks on a thread of its own: the screens go on while the engine works.
    fn tell(&self, ask: Ask) {
        let (folder, name, pid) =
            (self.instance.folder.clone(), self.instance.name.clone(), self.pid);
        let reply_to = self.replies.0.clone();
        std::thread::spawn(move || {
            let instance = Instance { name, folder };
            let _ = reply_to.send(told(&instance, pid, ask));
        });
    }
}

/// Sends the request that a key stands for; what came of it in words.
fn told(instance: &Instance, pid: u32, ask: Ask) -> String {
    let found = MarketView::attach(&instance.folder).ok();
    let found = found.filter(|view| super::ended(view).is_empty()).map(|view| view.pid());
    if let Some(why) = ended_since(pid, found) {
        return why;
    }
    let waits = matches!(ask, Ask::CancelAll | Ask::Flatten | Ask::Halt);
    let request = ControlRequest {
        command: ask.command().to_owned(),
        wait_ms: waits.then_some(PATIENCE.as_millis() as u64),
        ..ControlRequest::default()
    };
    match instance.ask(&request, PATIENCE + REPLY_MARGIN) {
        Ok(reply) => sentence_of(&request, &reply),
        Err(failure) => failure.message,
    }
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
        Tab::Positions => data.positions.len().max(data.venues.len() + data.table.len()),
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
        assert_eq!(said, "process 7 has ended, nothing was sent");
    }
}
