//! The order book channels of one instrument: windows of the best levels, as snapshots or as a
//! snapshot and linked updates.
//!
//! `seqId` counts the changes of the instrument and is the same on every connection. An update
//! names the number that was pushed before it in `prevSeqId`; one that names itself says that
//! nothing has changed.

#![forbid(unsafe_code)]

use super::instruments::Instrument;
use crate::sim::venues::json::{Object, array, decimal};
use crate::sim::venues::sides::differences;
use crate::sim::{Exchange, SimLevel};
use crate::types::Side;

/// A channel: name, levels, how often it is pushed (ms), whether every push is a snapshot, whether
/// it needs a fee tier. In the order in which the venue pushes them.
pub(super) const BOOKS: [BookChannel; 5] = [
    BookChannel { name: "bbo-tbt", depth: 1, every_ms: 10, snapshots: true, tier: false },
    BookChannel { name: "books-l2-tbt", depth: 400, every_ms: 10, snapshots: false, tier: true },
    BookChannel { name: "books50-l2-tbt", depth: 50, every_ms: 10, snapshots: false, tier: true },
    BookChannel { name: "books", depth: 400, every_ms: 100, snapshots: false, tier: false },
    BookChannel { name: "books5", depth: 5, every_ms: 100, snapshots: true, tier: false },
];
/// An update without levels is sent after this long without a change, ms.
const QUIET_MS: u64 = 60_000;

/// See [`BOOKS`].
#[derive(Clone, Copy, Debug)]
pub(super) struct BookChannel {
    pub(super) name: &'static str,
    pub(super) depth: usize,
    every_ms: u64,
    snapshots: bool,
    pub(super) tier: bool,
}

/// Number and time of the newest change of an instrument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) seq: u64,
    pub(super) time_ms: u64,
}

/// One channel of one instrument.
#[derive(Debug)]
pub(super) struct DepthStream {
    channel: BookChannel,
    bids: Vec<SimLevel>,
    asks: Vec<SimLevel>,
    mark: Mark,
    pushed_ms: u64,
    /// The exchange's book may differ from the window.
    dirty: bool,
}

/// What happened to the window since the last push.
type Changes = (Vec<SimLevel>, Vec<SimLevel>);

impl DepthStream {
    pub(super) fn new(channel: BookChannel) -> Self {
        let (bids, asks) = (Vec::new(), Vec::new());
        Self { channel, bids, asks, mark: Mark::default(), pushed_ms: 0, dirty: true }
    }

    /// The exchange's book has changed.
    pub(super) fn touch(&mut self) {
        self.dirty = true;
    }

    /// Moves the window to the exchange's book; the levels that changed, if any did.
    fn refresh(&mut self, id: &str, exchange: &Exchange, mark: Mark) -> Option<Changes> {
        self.dirty = false;
        let (_, bids, asks) = exchange.depth(id, self.channel.depth)?;
        let changed =
            (differences(Side::Buy, &self.bids, &bids), differences(Side::Sell, &self.asks, &asks));
        if changed.0.is_empty() && changed.1.is_empty() {
            return None;
        }
        (self.bids, self.asks, self.mark) = (bids, asks, mark);
        Some(changed)
    }

    /// Brings a window that nobody watches up to date.
    pub(super) fn wake(&mut self, id: &str, exchange: &Exchange, mark: Mark, now_ms: u64) {
        self.refresh(id, exchange, mark);
        self.mark = mark;
        self.pushed_ms = now_ms;
    }

    /// The message that is due, if one is.
    pub(super) fn push(
        &mut self,
        instrument: &Instrument,
        exchange: &Exchange,
        mark: Mark,
        now_ms: u64,
    ) -> Option<String> {
        // A clock that was set back holds nothing up.
        let waited = now_ms.checked_sub(self.pushed_ms).unwrap_or(u64::MAX);
        let before = self.mark.seq;
        if self.dirty
            && waited >= self.channel.every_ms
            && let Some((bids, asks)) = self.refresh(&instrument.id, exchange, mark)
        {
            self.pushed_ms = now_ms;
            if self.channel.snapshots {
                return Some(self.snapshot(instrument));
            }
            return Some(self.update(instrument, &bids, &asks, before, self.mark.time_ms));
        }
        if !self.channel.snapshots && waited >= QUIET_MS {
            self.pushed_ms = now_ms;
            return Some(self.update(instrument, &[], &[], before, now_ms));
        }
        None
    }

    fn update(
        &self,
        instrument: &Instrument,
        bids: &[SimLevel],
        asks: &[SimLevel],
        before: u64,
        time_ms: u64,
    ) -> String {
        let data = sides(instrument, bids, asks, time_ms)
            .number("checksum", 0)
            .number("prevSeqId", before)
            .number("seqId", self.mark.seq);
        message(self.channel.name, &instrument.id, Some("update"), &data.done())
    }

    /// The window as it was last pushed.
    pub(super) fn snapshot(&self, instrument: &Instrument) -> String {
        let data = sides(instrument, &self.bids, &self.asks, self.mark.time_ms);
        let (action, data) = if self.channel.snapshots {
            let five = self.channel.depth > 1;
            let data = if five { data.text("instId", &instrument.id) } else { data };
            (None, data)
        } else {
            (Some("snapshot"), data.number("checksum", 0).raw("prevSeqId", "-1"))
        };
        let data = data.number("seqId", self.mark.seq);
        message(self.channel.name, &instrument.id, action, &data.done())
    }
}

fn message(channel: &str, id: &str, action: Option<&str>, data: &str) -> String {
    let arg = Object::new().text("channel", channel).text("instId", id).done();
    let message = Object::new().raw("arg", &arg);
    let message = match action {
        Some(action) => message.text("action", action),
        None => message,
    };
    message.raw("data", &array([data])).done()
}

/// Both sides and their time, as every book shows them.
pub(super) fn sides(
    instrument: &Instrument,
    bids: &[SimLevel],
    asks: &[SimLevel],
    time_ms: u64,
) -> Object {
    Object::new()
        .raw("asks", &levels(instrument, asks))
        .raw("bids", &levels(instrument, bids))
        .digits("ts", time_ms)
}

/// `[price, quantity, "0", orders]`. The exchange does not count the orders of a level: it is one
/// here, and none at a level that is gone.
fn levels(instrument: &Instrument, side: &[SimLevel]) -> String {
    let level = |(price, qty): &SimLevel| {
        let orders = u8::from(!qty.is_zero());
        let qty = decimal(instrument.to_wire(*qty));
        format!("[\"{}\",\"{qty}\",\"0\",\"{orders}\"]", decimal(*price))
    };
    array(side.iter().map(level))
}
