//! The order manager and its journal: what it does when there is no room, or no disk.

use super::oms::OmsAgent;
use crate::types::Nanos;

impl OmsAgent {
    /// New orders stop where the journal has room for cancels and reports only. Where it cannot even
    /// take those the engine stops: what it did from then on could not be found again.
    pub(super) fn watch_journal(&mut self, now: Nanos) {
        let short = self.oms.recorder().is_short();
        if short {
            self.oms.on_journal_full(true, now);
        }
        // Not by what was told: a disk is said to be full long before the last record finds no room.
        if let (Some((error, _)), false) = (self.oms.recorder().broken(), self.journal_ended) {
            (self.journal_ended, self.journal_told) = (true, true);
            let said = self.oms.recorder().error().map_or(String::new(), |e| format!(" ({e})"));
            let reason = format!("{error}{said}: give its disk room, then start again");
            self.parts.log.error(now, format_args!("{reason}: stopping"));
            self.parts.lifecycle.stop_because(&reason);
        }
    }

    /// Every now and then: whether there is room again, and what the journal complains of.
    pub(super) fn look_at_journal(&mut self, now: Nanos) {
        self.oms.recorder().look_for_room();
        if !self.oms.recorder().is_short() && self.oms.is_journal_full() {
            let refused = self.oms.refused_unrecorded();
            let text = format_args!("journal: room for new orders again; {refused}");
            self.parts.log.warn(now, text);
            self.oms.on_journal_full(false, now);
        }
        match self.oms.recorder().error() {
            Some(error) if !self.journal_told => {
                self.journal_told = true;
                self.parts.log.error(now, format_args!("journal: {error}"));
            }
            None if self.journal_told && self.oms.recorder().broken().is_none() => {
                self.journal_told = false;
                self.parts.log.info(now, format_args!("journal: well again"));
            }
            _ => {}
        }
    }

    /// Why the journal does not hold everything, if it does not.
    pub(super) fn close_journal(&mut self, now: Nanos) -> Option<String> {
        self.oms.record_hash(now);
        let kept = self.oms.kept();
        let error = self.oms.recorder().close(&kept, now).err()?;
        self.parts.log.error(now, format_args!("journal: {error}"));
        Some(error)
    }
}
