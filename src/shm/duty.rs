//! Duty cycles in the region: what each thread of agents says of its loop, and how its time is
//! divided among its agents.
//!
//! One writer per thread, which writes at most ten times a second. A row that was never written is
//! left out.

use super::codec::{put_text, text, written};
use crate::sync::seqlock;
use crate::types::{Nanos, Text};

/// What the loop of a thread says of itself. A round polls each agent once; it is busy if one of
/// them did something. A busy round lasts until the next one begins, an idle one with its pause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Duty {
    /// When its first round began.
    pub started_ns: Nanos,
    /// When the last round that is counted here ended.
    pub updated_ns: Nanos,
    /// Rounds.
    pub rounds: u64,
    /// Rounds in which an agent did something.
    pub rounds_busy: u64,
    /// Time in busy rounds, nanoseconds.
    pub busy_ns: u64,
    /// Longest busy round, nanoseconds.
    pub longest_ns: u64,
    /// Length of the time that the next two are about: the last second, to a tenth; nanoseconds.
    pub recent_ns: u64,
    /// Time in busy rounds that ended in it, nanoseconds.
    pub recent_busy_ns: u64,
    /// Longest busy round that ended in it, nanoseconds.
    pub recent_longest_ns: u64,
}

impl Duty {
    /// Busy part of the time since the start, parts per million.
    #[must_use]
    pub fn busy_ppm(&self) -> u64 {
        ppm(self.busy_ns, self.updated_ns.since(self.started_ns))
    }

    /// Busy part of the last second, parts per million.
    #[must_use]
    pub fn recent_busy_ppm(&self) -> u64 {
        ppm(self.recent_busy_ns, self.recent_ns)
    }
}

fn ppm(part: u64, whole: u64) -> u64 {
    let ppm = u128::from(part) * 1_000_000 / u128::from(whole.max(1));
    ppm.min(1_000_000) as u64
}

/// One agent's part of its thread's time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentDuty {
    /// Its name, cut after 63 characters.
    pub name: String,
    /// Time that its polls took in busy rounds, nanoseconds.
    pub busy_ns: u64,
}

/// One thread: its loop and its agents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadRow {
    /// CPU that it is pinned to.
    pub cpu: Option<usize>,
    /// Its loop.
    pub duty: Duty,
    /// Its agents in the order in which they are polled; one that was lost keeps its last figures.
    pub agents: Vec<AgentDuty>,
}

impl ThreadRow {
    /// Part of the busy time that an agent of this thread took, parts per million.
    #[must_use]
    pub fn part_ppm(&self, agent: &AgentDuty) -> u64 {
        ppm(agent.busy_ns, self.duty.busy_ns)
    }
}

/// Order of the words below; part of the layout's hash.
pub(super) const FIELDS: &str = "thread: cpu+1 started updated rounds rounds_busy busy longest \
    recent recent_busy recent_longest; agent: thread busy name8";

/// Words of a thread and of an agent after their counters.
pub(super) const THREAD_WORDS: usize = 10;
pub(super) const AGENT_WORDS: usize = NAME_AT + NAME_WORDS;

const NAME_AT: usize = 2;
const NAME_WORDS: usize = 8;
type Name = Text<{ NAME_WORDS * 8 - 1 }>;

/// Writes the duty cycle of one thread.
#[derive(Debug)]
pub struct DutyWriter {
    cpu: u64,
    row: seqlock::Writer,
    agents: Vec<seqlock::Writer>,
}

impl DutyWriter {
    /// The thread is number `thread`, pinned to `cpu`, and has an agent for each of `agents`, whose
    /// names are written at once.
    pub(super) fn new(
        thread: usize,
        cpu: Option<usize>,
        row: seqlock::Writer,
        agents: Vec<(seqlock::Writer, &str)>,
    ) -> Self {
        let named = agents.into_iter().map(|(mut writer, name)| {
            let shown = |c: char| if c.is_ascii_graphic() { c } else { '?' };
            let name: String = name.chars().map(shown).take(NAME_WORDS * 8 - 1).collect();
            writer.write(|payload| {
                let mut words = [0; AGENT_WORDS];
                words[0] = thread as u64;
                put_text(&mut words[NAME_AT..], &Name::new(&name).unwrap_or_default());
                payload.copy_from(0, &words);
            });
            writer
        });
        let cpu = cpu.map_or(0, |cpu| cpu as u64 + 1);
        let mut writer = Self { cpu, row, agents: named.collect() };
        writer.publish(&Duty::default());
        writer
    }

    /// Publishes the duty cycle of the loop.
    pub fn publish(&mut self, duty: &Duty) {
        let words: [u64; THREAD_WORDS] = [
            self.cpu,
            duty.started_ns.0,
            duty.updated_ns.0,
            duty.rounds,
            duty.rounds_busy,
            duty.busy_ns,
            duty.longest_ns,
            duty.recent_ns,
            duty.recent_busy_ns,
            duty.recent_longest_ns,
        ];
        self.row.write(|payload| payload.copy_from(0, &words));
    }

    /// Publishes how long the polls of one of its agents took in busy rounds, nanoseconds. `agent`
    /// is its number in the order of the names.
    pub fn publish_agent(&mut self, agent: usize, busy_ns: u64) {
        if let Some(writer) = self.agents.get_mut(agent) {
            writer.write(|payload| payload.set(1, busy_ns));
        }
    }
}

/// Threads with their agents; one whose writer died in the middle of a write is left out.
pub(super) fn rows(threads: &[seqlock::Reader], agents: &[seqlock::Reader]) -> Vec<ThreadRow> {
    let agents: Vec<(u64, AgentDuty)> = agents.iter().filter_map(agent).collect();
    let rows = threads.iter().enumerate().filter_map(|(number, row)| {
        let (cpu, duty) = thread(row)?;
        let own = agents.iter().filter(|(thread, _)| *thread == number as u64);
        Some(ThreadRow { cpu, duty, agents: own.map(|(_, agent)| agent.clone()).collect() })
    });
    rows.collect()
}

fn thread(reader: &seqlock::Reader) -> Option<(Option<usize>, Duty)> {
    let w: [u64; THREAD_WORDS] = written(reader)?;
    let duty = Duty {
        started_ns: Nanos(w[1]),
        updated_ns: Nanos(w[2]),
        rounds: w[3],
        rounds_busy: w[4],
        busy_ns: w[5],
        longest_ns: w[6],
        recent_ns: w[7],
        recent_busy_ns: w[8],
        recent_longest_ns: w[9],
    };
    Some((w[0].checked_sub(1).map(|cpu| cpu as usize), duty))
}

fn agent(reader: &seqlock::Reader) -> Option<(u64, AgentDuty)> {
    let w: [u64; AGENT_WORDS] = written(reader)?;
    let name: Name = text(&w[NAME_AT..])?;
    Some((w[0], AgentDuty { name: name.as_str().to_owned(), busy_ns: w[1] }))
}
